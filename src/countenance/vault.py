"""The vault: what the gate keeps about people is sealed with AES-256-GCM (NIST SP 800-38D), under keys that rotate.

Sealed bytes are ``key id (8) | nonce (12) | ciphertext | tag (16)``. The key id is the beginning of the key's SHA-256;
the nonce is random, which is safe for 2**32 messages a key (SP 800-38D, 8.3). The context, which says whose the bytes
are and what for, is authenticated with them: a row that is moved to another subject does not open.

Keys come from the environment or from a file: ``COUNTENANCE_KEY`` holds base64 of 32 bytes, several with commas;
``COUNTENANCE_KEY_FILE`` names a file that holds the same. The first key seals and all of them open, so that a key is
changed by putting a new one before it, sealing everything again (`Store.rotate`), and taking the old one away.

Where no key is configured, a local gallery makes a key file beside its database (`Vault.beside`). That protects a copy
of the database alone: a backup, a disk image that leaves the key out, a file that is sent by mistake. It does not
protect against whoever can read the folder, for there the key lies too; keep the key elsewhere for that.
"""

import base64
import binascii
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from countenance.errors import DataError, DigestMismatch, UsageError, WrongKey
from countenance.files import private_file, write_private

KEYS = "COUNTENANCE_KEY"
KEY_FILE = "COUNTENANCE_KEY_FILE"
KEY_BYTES = 32
ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_LONGEST = 65_536  # bytes of a key file
_DOMAIN = b"countenance sealed 1\x00"


class Vault:
    """Seals and opens bytes; the first key seals, every key opens.

    Args:
        keys: of 32 bytes each, at least one.
        random: draws nonces.

    Raises:
        WrongKey: no key, or one of another length.

    >>> vault = Vault([bytes(32)])
    >>> vault.open(vault.seal(b"secret", b"of Ann"), b"of Ann")
    b'secret'
    """

    def __init__(self, keys: Sequence[bytes], *, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            came = f"{len(keys)} of {', '.join(str(len(key)) for key in keys)} bytes" if keys else "none"
            raise WrongKey(
                expected=f"keys of {KEY_BYTES} bytes", came=came, remedy="make one: countenance keys new-vault FILE"
            )
        self._ciphers = {_identity(key): AESGCM(key) for key in keys}
        self._first = _identity(keys[0])
        self._random = random

    def __repr__(self) -> str:
        """Name the keys; never show them."""
        return f"Vault({', '.join(self.key_ids)})"

    @classmethod
    def from_environment(cls, path: str | os.PathLike[str] | None = None) -> "Vault":
        """Return the vault of a key file, or of the environment where no file is named.

        Args:
            path: of a key file, which goes before the environment.

        Raises:
            UsageError: both variables are set, so that it cannot be known which one is meant.
            MissingFile: the file is not there.
            WrongKey: no key is configured, it is malformed, or others may read its file.
        """
        if path is not None:
            return cls(read_key_file(path))
        keys, file = os.environ.get(KEYS), os.environ.get(KEY_FILE)
        if keys is not None and file is not None:
            raise UsageError(expected=f"{KEYS} or {KEY_FILE}", came="both", remedy="unset one of them")
        if keys is not None:
            return cls(_parsed(keys, place=f"${KEYS}"))
        if file is not None:
            return cls(read_key_file(file))
        raise WrongKey(
            expected=f"a key in ${KEYS} or a file named by ${KEY_FILE}",
            came="neither",
            remedy="make a file: countenance keys new-vault FILE, and keep a copy in a safe place",
        )

    @classmethod
    def beside(cls, database: str | os.PathLike[str]) -> "Vault":
        """Return the vault of the environment, or else of the key file beside a local database, made on first use.

        Args:
            database: the SQLite file; its key file has the same name with ``.key`` behind it.

        Raises:
            WrongKey: the database is there but its key file is not, so that a new key would open nothing; or as for
                `from_environment`.
        """
        if KEYS in os.environ or KEY_FILE in os.environ:
            return cls.from_environment()
        file = key_file_of(database)
        if not file.exists() and Path(database).exists():
            raise WrongKey(
                expected=f"the key of {database} in {file}, ${KEYS} or ${KEY_FILE}",
                came="none of them",
                remedy="restore the key file; without it nothing in the database can be opened",
            )
        return cls(read_key_file(file if file.exists() else new_key_file(file, keep=True)))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Names of the keys in hexadecimal; the first one seals."""
        return tuple(identity.hex() for identity in self._ciphers)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` encrypted under the first key, bound to `context`."""
        nonce = self._random(_NONCE_BYTES)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, plain, self._bound(self._first, context))

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed under one of the keys with the same context.

        Raises:
            DataError: too short to be sealed bytes.
            WrongKey: sealed under a key that is not here.
            DigestMismatch: the bytes were changed, or they were sealed for something else.
        """
        if len(sealed) < ID_BYTES + _NONCE_BYTES + _TAG_BYTES:
            raise DataError(
                expected="sealed bytes", came=f"{len(sealed)} bytes, too few", remedy="restore them from a backup"
            )
        identity, nonce = sealed[:ID_BYTES], sealed[ID_BYTES : ID_BYTES + _NONCE_BYTES]
        cipher = self._ciphers.get(identity)
        if cipher is None:
            raise WrongKey(
                expected=f"bytes sealed with a key of this vault ({', '.join(self.key_ids)})",
                came=f"the key {identity.hex()}",
                remedy="configure that key too, behind the first one",
            )
        try:
            return cipher.decrypt(nonce, sealed[ID_BYTES + _NONCE_BYTES :], self._bound(identity, context))
        except InvalidTag:
            raise DigestMismatch(
                expected="sealed bytes as they were written",
                came="changed ones, or those of somebody else",
                remedy="restore them from a backup, and find out who could write there",
            ) from None

    def refuse_missing(self, counts: Mapping[str, int]) -> None:
        """Refuse this vault where it cannot open all that a store holds.

        Args:
            counts: how many sealed values there are by the name of their key.

        Raises:
            WrongKey: naming a key that is missing.
        """
        missing = [identity for identity in counts if identity not in self.key_ids]
        if missing:
            raise WrongKey(
                expected=f"the key {missing[0]}, which sealed {counts[missing[0]]:,} values of this store",
                came=", ".join(self.key_ids),
                remedy="configure that key too, behind the first one",
            )

    @staticmethod
    def _bound(identity: bytes, context: bytes) -> bytes:
        return _DOMAIN + identity + context


def sealed_with(sealed: bytes) -> str:
    """Return the name of the key that sealed some bytes, in hexadecimal."""
    return sealed[:ID_BYTES].hex()


def context_of(*parts: str) -> bytes:
    """Return a context that no other list of words has.

    >>> context_of("template", "Ann") == context_of("templateAnn")
    False
    """
    return json.dumps(parts).encode()


def key_file_of(database: str | os.PathLike[str]) -> Path:
    """Return where the key file of a SQLite store lies: beside it."""
    return Path(f"{os.fspath(database)}.key")


def new_key() -> str:
    """Return a new random key, as ``COUNTENANCE_KEY`` holds it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def new_key_file(path: str | os.PathLike[str], *, keep: bool = False) -> Path:
    """Write a new key to a file that only its owner may read (mode 0600), whole or not at all.

    Args:
        path: where; nothing may be there.
        keep: take the file that is there already, which another process may have made in this moment.

    Raises:
        UsageError: something is there already, or the place cannot be written to.
    """
    return write_private(path, (new_key() + "\n").encode(), keep=keep)


def read_key_file(path: str | os.PathLike[str]) -> list[bytes]:
    """Return the keys of a file, one a line or with commas.

    Raises:
        MissingFile: it is not there.
        WrongKey: others may read it, or it holds something else.
    """
    file = private_file(path, expected="a key file")
    if file.stat().st_size > _LONGEST:
        raise WrongKey(expected=f"keys in {file}", came="a far larger file", remedy="name the key file")
    return _parsed(",".join(file.read_bytes().decode("utf-8", "replace").split()), place=str(file))


def _parsed(text: str, *, place: str) -> list[bytes]:
    """Return the keys of a list with commas.

    Raises:
        WrongKey: naming the place, and never the key.
    """
    keys = []
    for number, word in enumerate((part.strip() for part in text.split(",") if part.strip()), 1):
        try:
            keys.append(base64.b64decode(word, validate=True))
        except (binascii.Error, ValueError):
            keys.append(b"")
        if len(keys[-1]) != KEY_BYTES:
            raise WrongKey(
                expected=f"base64 of {KEY_BYTES} bytes as key {number} in {place}",
                came="something else",
                remedy="make one: countenance keys new-vault FILE",
            )
    if not keys:
        raise WrongKey(expected=f"a key in {place}", came="none", remedy="make one: countenance keys new-vault FILE")
    return keys


def _identity(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:ID_BYTES]
