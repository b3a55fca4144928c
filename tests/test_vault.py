"""The vault: what it seals only its keys open, unchanged, and for what it was sealed."""

import base64
import stat

import pytest

from countenance.errors import DataError, DigestMismatch, MissingFile, UsageError, WrongKey
from countenance.vault import Vault, context_of, new_key, new_key_file, read_key_file, sealed_with

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    for name in ("COUNTENANCE_KEY", "COUNTENANCE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


def text_of(*keys):
    return ",".join(base64.b64encode(key).decode() for key in keys)


def test_the_first_key_seals_and_all_open():
    before, both, after = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
    sealed = before.seal(b"secret", b"of Ann")
    assert b"secret" not in sealed
    assert len(sealed) == 8 + 12 + len(b"secret") + 16
    assert (sealed_with(sealed), both.key_ids[1]) == (before.key_ids[0],) * 2
    assert both.open(sealed, b"of Ann") == b"secret"
    again = both.seal(b"secret", b"of Ann")
    assert after.open(again, b"of Ann") == b"secret"
    assert before.seal(b"secret", b"of Ann") != sealed  # another nonce
    with pytest.raises(WrongKey, match=f"came the key {before.key_ids[0]}; configure that key too"):
        after.open(sealed, b"of Ann")


def test_the_nonce_is_drawn_from_the_source_that_is_passed():
    sealed = Vault([OLD], random=bytes).seal(b"x", b"")
    assert sealed[8:20] == bytes(12)


def test_every_changed_byte_and_every_other_context_is_refused():
    vault = Vault([OLD])
    sealed = vault.seal(b"secret", context_of("template", "Ann"))
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(WrongKey if place < 8 else DigestMismatch):
            vault.open(bytes(changed), context_of("template", "Ann"))
    for length in range(len(sealed)):
        with pytest.raises(DataError):
            vault.open(sealed[:length], context_of("template", "Ann"))
    for other in (context_of("template", "Bob"), context_of("templateAnn"), b""):
        with pytest.raises(DigestMismatch, match="changed ones, or those of somebody else"):
            vault.open(sealed, other)


def test_the_key_is_never_shown():
    assert repr(Vault([OLD])) == f"Vault({Vault([OLD]).key_ids[0]})"
    with pytest.raises(WrongKey) as caught:
        Vault([OLD[:-1]])
    assert "came 1 of 31 bytes" in str(caught.value)
    with pytest.raises(WrongKey, match="came none"):
        Vault([])


def test_keys_of_the_environment(monkeypatch, tmp_path):
    with pytest.raises(WrongKey, match="came neither"):
        Vault.from_environment()
    monkeypatch.setenv("COUNTENANCE_KEY", f" {text_of(NEW)}, {text_of(OLD)},")
    assert Vault.from_environment().key_ids == Vault([NEW, OLD]).key_ids
    file = new_key_file(tmp_path / "key")
    assert Vault.from_environment(file).key_ids == Vault(read_key_file(file)).key_ids  # what is passed goes first
    monkeypatch.setenv("COUNTENANCE_KEY_FILE", str(file))
    with pytest.raises(UsageError, match="came both; unset one"):
        Vault.from_environment()
    monkeypatch.delenv("COUNTENANCE_KEY")
    assert Vault.from_environment().key_ids == Vault(read_key_file(file)).key_ids


@pytest.mark.parametrize("words", ["", ",", "secret-words", text_of(OLD)[:-4], text_of(OLD) + ",secret-words", "é"])
def test_what_is_no_key_is_refused_and_not_shown(monkeypatch, words):
    monkeypatch.setenv("COUNTENANCE_KEY", words)
    with pytest.raises(WrongKey, match=r"in \$COUNTENANCE_KEY") as caught:
        Vault.from_environment()
    assert not words or "secret-words" not in str(caught.value)


def test_a_key_file_is_its_owners_alone(tmp_path):
    file = new_key_file(tmp_path / "new" / "key")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["key"]
    with pytest.raises(UsageError, match="to be able to write a new file"):
        new_key_file(file)
    kept = file.read_bytes()
    assert new_key_file(file, keep=True).read_bytes() == kept
    file.write_text(f"{text_of(NEW)}\n{text_of(OLD)}\n")
    assert read_key_file(file) == [NEW, OLD]
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        with pytest.raises(WrongKey, match=f"mode 0{mode:o}; chmod 600"):
            read_key_file(file)
    with pytest.raises(MissingFile, match="a key file"):
        read_key_file(tmp_path / "none")
    large = new_key_file(tmp_path / "large")
    large.write_bytes(b"x" * 100_000)
    with pytest.raises(WrongKey, match="a far larger file"):
        read_key_file(large)


def test_a_local_database_gets_a_key_file_once(tmp_path, monkeypatch):
    database = tmp_path / "gate.db"
    first = Vault.beside(database)
    assert stat.S_IMODE((tmp_path / "gate.db.key").stat().st_mode) == 0o600
    database.write_bytes(b"x")
    assert Vault.beside(database).key_ids == first.key_ids
    (tmp_path / "gate.db.key").unlink()
    with pytest.raises(WrongKey, match="restore the key file"):
        Vault.beside(database)
    monkeypatch.setenv("COUNTENANCE_KEY", text_of(OLD))
    assert Vault.beside(database).key_ids == Vault([OLD]).key_ids


def test_new_keys_differ():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(base64.b64decode(key)) for key in keys} == {32}
