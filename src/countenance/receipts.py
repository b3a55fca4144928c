"""Receipts: what the gate decided, signed with Ed25519 (RFC 8032), so that it can be checked offline and years later.

A receipt is one canonical JSON object (sorted keys, UTF-8, no space, no fraction): exactly one sequence of bytes says
one thing, and a byte more or less is refused. Times are whole milliseconds since the epoch. It holds no score, no
picture and no template. The subject stands in it as a digest over session, nonce and name: who knows whom to expect can
confirm it, others would have to guess the name, and two receipts of one person do not look alike. That is a pseudonym,
not anonymity; the name in the clear is in it only when the operator chose so.

The frames of a session are bound by a chain: ``head = SHA-256(tag | previous | SHA-256(frame))``, beginning with a
digest of the session and the nonce. A frame is the bytes of its picture; where infrared or depth came with it, the
bytes of all of them, each after its name and length. Who kept the frames can show that they are the ones that were
judged, in their order.

The public key inside a receipt says only which key signed it. Anybody can sign with a key of their own: a receipt is
valid only under a public key that the verifier got from the gate by another way.
"""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from countenance.errors import DataError, UsageError, WrongKey
from countenance.files import existing_file, private_file, write_atomically, write_private
from countenance.vocabulary import Action, Modality, Reason

VERSION = 1
LONGEST = 65_536
"""Bytes of a receipt; more is refused before it is read."""
NO_PLANE = "-"
"""In the place of a file: no plane came with this frame."""
_FORMAT = "countenance receipt"
_SIGNED = b"countenance receipt 1\x00"
_START = b"countenance frames 1\x00"
_LINK = b"countenance frame 1\x00"
_SUBJECT = b"countenance subject 1\x00"
_DIGEST_BYTES = 32
_MOST = 2**53  # of a whole number, which every JSON reader holds exactly


def canonical(value: object) -> bytes:
    """Return the one sequence of bytes that says a value: sorted keys, UTF-8, no space.

    Raises:
        ValueError: a NaN or an infinity, or text that is not Unicode.
        TypeError: something that JSON does not hold.

    >>> canonical({"b": 1, "a": ["é"]}).decode()
    '{"a":["é"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def start_chain(session: str, nonce: str) -> bytes:
    """Return where the chain of a session's frames begins: 32 bytes."""
    return hashlib.sha256(_START + canonical([session, nonce])).digest()


def chain(previous: bytes, frame: bytes) -> bytes:
    """Return the head of the chain after one more frame.

    Args:
        previous: the head before it, 32 bytes.
        frame: its bytes, as they came from the camera; of several sensors as `joined` joins them.

    Returns:
        32 bytes.
    """
    return hashlib.sha256(_LINK + previous + hashlib.sha256(frame).digest()).digest()


def joined(parts: Mapping[Modality, bytes]) -> bytes:
    r"""Return what of a frame of several sensors enters the chain: all parts, each after its name and length.

    >>> joined({Modality.DEPTH: b"png", Modality.RGB: b"jpeg"})
    b'rgb 4\njpegdepth 3\npng'
    """
    named = ((modality, parts[modality]) for modality in Modality if modality in parts)
    return b"".join(f"{modality} {len(part)}\n".encode() + part for modality, part in named)


def subject_digest(subject: str, *, session: str, nonce: str) -> str:
    """Return the digest by which a receipt names its subject."""
    return hashlib.sha256(_SUBJECT + canonical([session, nonce, subject])).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was decided of one session.

    Attributes:
        identifier: of the receipt, which may be spent once.
        session: of which it is.
        subject: as `subject_digest` makes it.
        name: the subject in the clear, where the operator chose so; None otherwise.
        nonce: of the challenge.
        actions: that were asked for, in their order.
        issued: when the challenge was drawn, in milliseconds since the epoch.
        decided: when the decision fell, likewise.
        frames: how many were judged.
        head: of their chain, in hexadecimal.
        models: SHA-256 of every network that was asked, by its name.
        policy: digest of the policy.
        accepted: the decision.
        reasons: why not; empty when accepted.
    """

    identifier: str
    session: str
    subject: str
    name: str | None
    nonce: str
    actions: tuple[Action, ...]
    issued: int
    decided: int
    frames: int
    head: str
    models: Mapping[str, str]
    policy: str
    accepted: bool
    reasons: tuple[Reason, ...]

    def __post_init__(self) -> None:
        """Refuse what a receipt cannot hold.

        Raises:
            UsageError: naming the field.
        """
        for field, fits in {
            "identifier": _is_word(self.identifier),
            "session": _is_word(self.session),
            "subject": _is_digest(self.subject),
            "name": self.name is None or _is_word(self.name),
            "nonce": _is_word(self.nonce),
            "issued": _is_count(self.issued),
            "decided": _is_count(self.decided) and self.decided >= self.issued,
            "frames": _is_count(self.frames),
            "head": _is_digest(self.head),
            "models": isinstance(self.models, Mapping)
            and all(_is_word(key) and _is_word(value) for key, value in self.models.items()),
            "policy": _is_word(self.policy),
            "accepted": isinstance(self.accepted, bool) and not (self.accepted and self.reasons),
        }.items():
            if not fits:
                raise UsageError(
                    expected=f"{field} as a receipt holds it", came=repr(getattr(self, field))[:80], remedy="correct it"
                )

    def as_json(self) -> dict[str, Any]:
        """Return it under the names of its fields."""
        return {
            **vars(self),
            "actions": [str(action) for action in self.actions],
            "models": dict(self.models),
            "reasons": [str(reason) for reason in self.reasons],
        }

    @classmethod
    def from_json(cls, told: object) -> "Receipt":
        """Return what `as_json` told of.

        Raises:
            DataError: it is something else.
        """
        names = {field.name for field in fields(cls)}
        try:
            if not isinstance(told, dict) or set(told) != names:
                raise ValueError("other fields")
            actions = tuple(Action(word) for word in told["actions"])
            reasons = tuple(Reason(word) for word in told["reasons"])
            return cls(**{**told, "actions": actions, "reasons": reasons})
        except (TypeError, ValueError, UsageError) as error:
            raise DataError(
                expected=f"the fields of a receipt ({', '.join(sorted(names))})",
                came="others" if not isinstance(error, UsageError) else error.came,
                remedy="take the file as the gate sent it",
            ) from error


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 2 * _DIGEST_BYTES and set(value) <= set("0123456789abcdef")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def sign(receipt: Receipt, key: Ed25519PrivateKey) -> bytes:
    """Return a receipt as signed bytes, which are to be kept and passed on as they are."""
    public = key.public_key()
    told = {
        "format": _FORMAT,
        "version": VERSION,
        "key": key_id(public),
        "public_key": _base64(public.public_bytes_raw()),
        "receipt": receipt.as_json(),
    }
    return canonical({**told, "signature": _base64(key.sign(_SIGNED + canonical(told)))})


@dataclass(frozen=True, kw_only=True)
class ReceiptCheck:
    """What the check of a receipt found.

    Attributes:
        valid: signed by the trusted key, unchanged, and over the frames that were given, if any.
        reasons: why not, a sentence each; empty when valid.
        receipt: what it says; None where it is no receipt. Do not rely on it when it is not valid.
        key: id of the key that it names; None where it is no receipt.
    """

    valid: bool
    reasons: tuple[str, ...]
    receipt: Receipt | None = None
    key: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``receipt verify``."""
        told = None if self.receipt is None else self.receipt.as_json()
        return {"valid": self.valid, "reasons": list(self.reasons), "key": self.key, "receipt": told}


def read_receipt(data: bytes) -> Receipt:
    """Return what a receipt says, without asking who signed it.

    Raises:
        DataError: it is no receipt.
    """
    return _opened(data)[0]


def verify_receipt(
    data: bytes, public_key: Ed25519PublicKey | None = None, *, frames: Iterable[bytes] | None = None
) -> ReceiptCheck:
    """Check a receipt offline.

    Args:
        data: as the gate sent it.
        public_key: of the gate, from a source that is trusted. Without it nothing is valid: the key inside the receipt
            shows at most that the bytes were not changed since somebody signed them.
        frames: the bytes of all frames of the session in their order, where they were kept; one of several sensors as
            `joined` joins it.
    """
    try:
        receipt, signed, signature, inside = _opened(data)
    except DataError as error:
        return ReceiptCheck(valid=False, reasons=(f"not a receipt: {error.came}",))
    reasons = []
    if not _signed_by(inside, signed, signature):
        reasons.append("the signature does not fit: the receipt was changed, or never signed")
    elif public_key is None:
        reasons.append("signed by an untrusted key: name the public key of the gate")
    elif public_key.public_bytes_raw() != inside.public_bytes_raw():
        reasons.append("signed by an untrusted key: it is not the public key that was named")
    if frames is not None:
        reasons += _unlike(receipt, frames)
    return ReceiptCheck(valid=not reasons, reasons=tuple(reasons), receipt=receipt, key=key_id(inside))


def verify_receipt_file(
    path: str | os.PathLike[str],
    *,
    key: str | os.PathLike[str] | None = None,
    frames: Sequence[str | os.PathLike[str]] = (),
    infrared: Sequence[str | os.PathLike[str]] = (),
    depth: Sequence[str | os.PathLike[str]] = (),
) -> ReceiptCheck:
    """Check a receipt in a file, as `verify_receipt` does.

    Args:
        path: of the receipt.
        key: of the gate's public key in PEM.
        frames: files of all frames of the session in their order, where they were kept.
        infrared: files of the plane that came with each frame, `NO_PLANE` for one that came without; none where none
            came at all.
        depth: likewise.

    Raises:
        MissingFile: a file is not there.
        UsageError: not as many planes as frames.
        WrongKey: the key is none.
    """
    public = None if key is None else read_public_key(key)
    with existing_file(path, expected="a receipt").open("rb") as file:
        data = file.read(LONGEST + 1)
    kept = _kept(frames, {Modality.INFRARED: infrared, Modality.DEPTH: depth})
    return verify_receipt(data, public, frames=kept if frames else None)


def _kept(
    frames: Sequence[str | os.PathLike[str]], planes: Mapping[Modality, Sequence[str | os.PathLike[str]]]
) -> list[bytes]:
    """Return the content of each frame, read from files."""
    for modality, files in planes.items():
        if files and len(files) != len(frames):
            raise UsageError(
                expected=f"{modality} for each of the {len(frames)} frames",
                came=str(len(files)),
                remedy=f"write {NO_PLANE} for a frame that came without",
            )
    contents = []
    for number, frame in enumerate(frames):
        came = {modality: files[number] for modality, files in planes.items() if files}
        read = {
            modality: existing_file(file, expected="a plane").read_bytes()
            for modality, file in came.items()
            if os.fspath(file) != NO_PLANE
        }
        picture = existing_file(frame, expected="a frame").read_bytes()
        contents.append(joined({Modality.RGB: picture, **read}) if read else picture)
    return contents


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _signed_by(key: Ed25519PublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _unlike(receipt: Receipt, frames: Iterable[bytes]) -> list[str]:
    """Say how the frames differ from those of a receipt, if they do."""
    head, count = start_chain(receipt.session, receipt.nonce), 0
    for frame in frames:
        head, count = chain(head, frame), count + 1
    if count != receipt.frames:
        return [f"{receipt.frames} frames were judged, {count} were given"]
    return [] if head.hex() == receipt.head else ["the frames are not those that were judged, or not in their order"]


def _opened(data: bytes) -> tuple[Receipt, bytes, bytes, Ed25519PublicKey]:
    """Return a receipt, the bytes that were signed, the signature, and the public key inside.

    Raises:
        DataError: it is no receipt, or not in its one form.
    """
    came = "something else"
    try:
        came = f"{len(data):,} bytes" if len(data) > LONGEST else came
        told = json.loads(data) if len(data) <= LONGEST else None
        if not isinstance(told, dict) or canonical(told) != data:
            came = came if not isinstance(told, dict) else "another form than the canonical one, or a key twice"
            raise ValueError(came)
        signature = base64.b64decode(told.pop("signature"), validate=True)
        key = base64.b64decode(told["public_key"], validate=True)
        public = Ed25519PublicKey.from_public_bytes(key)
        expected = {"format": _FORMAT, "version": VERSION, "key": key_id(public), "public_key": _base64(key)}
        receipt = Receipt.from_json(told.get("receipt"))
        if canonical(told) != canonical({**expected, "receipt": receipt.as_json()}):
            came = "other fields, another version, or the id of another key"
            raise ValueError(came)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error, DataError) as error:
        raise DataError(
            expected=f"a receipt, version {VERSION}",
            came=f"fields: {error.came}" if isinstance(error, DataError) else came,
            remedy="take the file as the gate sent it, byte for byte",
        ) from error
    return receipt, _SIGNED + canonical(told), signature, public


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a public key: the first 16 letters of its SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def new_signing_key_file(path: str | os.PathLike[str], *, keep: bool = False) -> tuple[Path, Path]:
    """Make a signing key: the private one in PEM (PKCS #8, mode 0600), and the public one beside it as ``.pub.pem``.

    Args:
        path: of the private key; nothing may be there.
        keep: take the key that is there already.

    Returns:
        The paths of the private and of the public key.

    Raises:
        UsageError: something is there already, or the place cannot be written to.
        WrongKey: what is there is no signing key.
    """
    beside = Path(path).with_suffix(".pub.pem")
    if beside.exists() and not keep:  # somebody else's
        raise UsageError(
            expected=f"to be able to write a new file {beside}", came="one that is there", remedy="name another place"
        )
    made = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    private = write_private(path, made, keep=keep)
    pem = read_signing_key(private).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, write_atomically(private.with_suffix(".pub.pem"), pem)


def read_signing_key(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        MissingFile: it is not there.
        WrongKey: others may read it, or it is no private Ed25519 key.
    """
    file = private_file(path, expected="a signing key")
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("another kind")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(file, "private") from error
    return key


def read_public_key(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        MissingFile: it is not there.
        WrongKey: it is no public Ed25519 key.
    """
    file = existing_file(path, expected="a public key")
    try:
        key = load_pem_public_key(file.read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError("another kind")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(file, "public") from error
    return key


def _no_key(file: Path, kind: str) -> WrongKey:
    return WrongKey(
        expected=f"a {kind} Ed25519 key in PEM in {file}",
        came="something else",
        remedy="name the file that receipts.new_signing_key_file made",
    )
