"""Receipts: one sequence of bytes says one thing, and only the gate's key makes it valid."""

import base64
import dataclasses
import hashlib
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from countenance.cli import main
from countenance.errors import DataError, MissingFile, UsageError, WrongKey
from countenance.receipts import (
    LONGEST,
    Receipt,
    canonical,
    chain,
    joined,
    key_id,
    new_signing_key_file,
    read_public_key,
    read_receipt,
    read_signing_key,
    sign,
    start_chain,
    subject_digest,
    verify_receipt,
)
from countenance.vocabulary import Action, Modality, Reason

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
FRAMES = [b"frame one", b"frame two", b"frame three"]


def head_of(frames, session="s1", nonce="ab"):
    head = start_chain(session, nonce)
    for frame in frames:
        head = chain(head, frame)
    return head.hex()


@pytest.fixture
def receipt():
    return Receipt(
        identifier="r1",
        session="s1",
        subject=subject_digest("Ann", session="s1", nonce="ab"),
        name=None,
        nonce="ab",
        actions=(Action.HAPPY, Action.TURN_LEFT),
        issued=1_000,
        decided=9_000,
        frames=3,
        head=head_of(FRAMES),
        models={"sface": "1" * 64, "minifasnet": "2" * 64},
        policy="3" * 64,
        accepted=False,
        reasons=(Reason.WRONG_ORDER,),
    )


@pytest.fixture
def data(receipt):
    return sign(receipt, KEY)


def test_a_receipt_is_valid_under_the_key_of_the_gate(data, receipt):
    found = verify_receipt(data, KEY.public_key(), frames=FRAMES)
    assert (found.valid, found.reasons, found.receipt) == (True, (), receipt)
    assert found.key == hashlib.sha256(KEY.public_key().public_bytes_raw()).hexdigest()[:16]
    assert read_receipt(data) == receipt
    assert sign(receipt, KEY) == data
    told = found.as_json()
    assert json.loads(json.dumps(told)) == told
    assert not [word for word in ("score", "threshold", "template", "Ann") if word in data.decode()]


def test_every_changed_byte_is_refused(data):
    public = KEY.public_key()
    for place in range(len(data)):
        for change in (1, 32, 128):
            changed = bytearray(data)
            changed[place] ^= change
            assert not verify_receipt(bytes(changed), public).valid


def test_a_part_or_more_than_all_is_refused(data):
    for length in range(len(data)):
        assert not verify_receipt(data[:length], KEY.public_key()).valid
    for more in (data + b"\n", b" " + data, data + data, data[:-1] + b',"x":1}', b"x" * (LONGEST + 1), b"[" * LONGEST):
        found = verify_receipt(more, KEY.public_key())
        assert not found.valid
        assert found.reasons[0].startswith("not a receipt: ")


def signed_by_us(told):
    """Sign anything, as whoever has the key could."""
    unsigned = {name: value for name, value in told.items() if name != "signature"}
    signature = KEY.sign(b"countenance receipt 1\x00" + canonical(unsigned))
    return canonical({**unsigned, "signature": base64.b64encode(signature).decode()})


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"version": 2}, {"version": True}, {"version": 1.0}, {"format": "x"}, {"key": "0" * 16},
     {"receipt": None}, {"receipt": {}}, {"public_key": "AAAA"}, {"public_key": 5}],
)  # fmt: skip
def test_other_fields_are_refused_though_signed(data, change):
    told = json.loads(data)
    assert verify_receipt(signed_by_us(told), KEY.public_key()).valid
    assert not verify_receipt(signed_by_us({**told, **change}), KEY.public_key()).valid


@pytest.mark.parametrize(
    "change",
    [{"score": 0.5}, {"frames": -1}, {"frames": True}, {"frames": 3.0}, {"accepted": 1}, {"accepted": True},
     {"reasons": ["charm"]}, {"reasons": [[]]}, {"reasons": 5}, {"actions": ["frown"]}, {"head": "AB" * 32},
     {"head": "ab"}, {"issued": 2**60}, {"decided": 1}, {"models": []}, {"models": {"sface": 1}}, {"name": ""},
     {"session": None}, {"nonce": "a\nb"}, {"reasons": "too_late"}],
)  # fmt: skip
def test_what_a_receipt_cannot_say_is_refused_though_signed(data, change):
    told = json.loads(data)
    told["receipt"] |= change
    found = verify_receipt(signed_by_us(told), KEY.public_key())
    assert (found.valid, found.receipt) == (False, None)
    with pytest.raises(DataError, match="a receipt, version 1"):
        read_receipt(signed_by_us(told))


def test_a_field_that_is_missing_is_refused_though_signed(data, receipt):
    for field in dataclasses.fields(receipt):
        told = json.loads(data)
        del told["receipt"][field.name]
        assert not verify_receipt(signed_by_us(told), KEY.public_key()).valid
    for name in json.loads(data):
        told = json.loads(data)
        del told[name]
        assert not verify_receipt(canonical(told), KEY.public_key()).valid


def test_a_key_of_ones_own_makes_nothing_valid(receipt):
    forged = sign(receipt, OTHER)
    found = verify_receipt(forged)
    assert (found.valid, found.reasons) == (False, ("signed by an untrusted key: name the public key of the gate",))
    found = verify_receipt(forged, KEY.public_key())
    assert found.reasons == ("signed by an untrusted key: it is not the public key that was named",)
    dressed = {**json.loads(forged), "public_key": json.loads(sign(receipt, KEY))["public_key"]}
    dressed["key"] = key_id(KEY.public_key())
    found = verify_receipt(canonical(dressed), KEY.public_key())
    assert found.reasons == ("the signature does not fit: the receipt was changed, or never signed",)


def test_the_frames_are_those_that_were_judged(data):
    public = KEY.public_key()
    assert verify_receipt(data, public).valid
    for others in (FRAMES[::-1], [*FRAMES[:2], b"frame four"], [FRAMES[0] + FRAMES[1], b"", FRAMES[2]]):
        found = verify_receipt(data, public, frames=others)
        assert found.reasons == ("the frames are not those that were judged, or not in their order",)
    assert verify_receipt(data, public, frames=FRAMES[:2]).reasons == ("3 frames were judged, 2 were given",)
    assert not verify_receipt(data, public, frames=[]).valid


def test_a_chain_belongs_to_its_session_and_nonce():
    heads = {head_of(FRAMES), head_of(FRAMES, "s2"), head_of(FRAMES, nonce="cd"), head_of(FRAMES, "s1a", "b")}
    assert len(heads) == 4
    assert (
        chain(bytes(32), b"frame")
        == hashlib.sha256(b"countenance frame 1\x00" + bytes(32) + hashlib.sha256(b"frame").digest()).digest()
    )


def test_a_subject_is_named_by_a_digest_unless_chosen_otherwise(receipt):
    assert subject_digest("Ann", session="s1", nonce="ab") == receipt.subject
    assert subject_digest("Ann", session="s2", nonce="ab") != receipt.subject
    named = sign(dataclasses.replace(receipt, name="Änn"), KEY)
    assert "Änn".encode() in named
    assert verify_receipt(named, KEY.public_key()).valid


def test_what_cannot_be_in_a_receipt_is_refused_before_it_is_signed(receipt):
    with pytest.raises(UsageError, match="accepted as a receipt holds it"):
        dataclasses.replace(receipt, accepted=True)
    with pytest.raises(UsageError, match="head as a receipt holds it; came 'ab'"):
        dataclasses.replace(receipt, head="ab")


def test_key_files(tmp_path):
    private, public = new_signing_key_file(tmp_path / "gate.pem")
    assert (private.name, public.name) == ("gate.pem", "gate.pub.pem")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert key_id(read_public_key(public)) == key_id(read_signing_key(private).public_key())
    with pytest.raises(UsageError, match="a new file"):
        new_signing_key_file(private)
    kept = private.read_bytes()
    new_signing_key_file(private, keep=True)
    assert private.read_bytes() == kept
    private.chmod(0o644)
    with pytest.raises(WrongKey, match="chmod 600"):
        read_signing_key(private)


def test_what_is_no_key_is_refused(tmp_path):
    curve = generate_private_key(SECP256R1())
    (tmp_path / "curve.pem").write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "curve.pub.pem").write_bytes(
        curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "text").write_text("no key")
    for file in tmp_path.iterdir():
        file.chmod(0o600)
        with pytest.raises(WrongKey, match="a private Ed25519 key in PEM"):
            read_signing_key(file)
        with pytest.raises(WrongKey, match="a public Ed25519 key in PEM"):
            read_public_key(file)
    with pytest.raises(MissingFile, match="a signing key"):
        read_signing_key(tmp_path / "none")
    with pytest.raises(MissingFile, match="a public key"):
        read_public_key(tmp_path / "none")


def test_the_verb(tmp_path, data, capsys):
    private, public = new_signing_key_file(tmp_path / "gate.pem")
    file, frames = tmp_path / "receipt.json", [tmp_path / f"{number}.jpg" for number in range(3)]
    for frame, content in zip(frames, FRAMES, strict=True):
        frame.write_bytes(content)
    file.write_bytes(sign(read_receipt(data), read_signing_key(private)))
    named = ["receipt", "verify", str(file), "--key", str(public)]
    assert main(named) == 0
    assert capsys.readouterr().out.startswith("valid\nsession s1: refused (wrong_order); signed with key ")
    assert main([*named, "--json", "--frames", *map(str, frames)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["reasons"], told["receipt"]["session"]) == (True, [], "s1")
    assert main([*named, "--frames", *map(str, frames[::-1])]) == 1
    assert "not in their order" in capsys.readouterr().out
    wider = [joined({Modality.RGB: FRAMES[0], Modality.DEPTH: b"near"}), *FRAMES[1:]]
    depths = [tmp_path / "depth.png", Path("-"), Path("-")]
    depths[0].write_bytes(b"near")
    changed = dataclasses.replace(read_receipt(data), head=head_of(wider))
    file.write_bytes(sign(changed, read_signing_key(private)))
    asked = [*named, "--frames", *map(str, frames), "--depth"]
    assert main([*asked, *map(str, depths)]) == 0
    depths[0].write_bytes(b"far")
    assert main([*asked, *map(str, depths)]) == 1
    assert main([*asked, "-", "-", "-"]) == main([*named, "--frames", *map(str, frames)]) == 1
    capsys.readouterr()
    assert main([*asked, str(depths[0])]) == 2
    assert "expected depth for each of the 3 frames; came 1; write - for a frame" in capsys.readouterr().err
    file.write_bytes(sign(read_receipt(data), read_signing_key(private)))
    assert main([*named[:3], "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["reasons"]) == (False, ["signed by an untrusted key: name the public key of the gate"])
    file.write_bytes(data)
    assert main(named) == 1
    assert "it is not the public key that was named" in capsys.readouterr().out
    for wrong in (["receipt", "verify", str(tmp_path / "none")], [*named[:4], str(file)], [*named[:4], "none.pem"]):
        assert main([*wrong, "--json"]) == 2
        assert capsys.readouterr().out == ""
