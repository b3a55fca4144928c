"""The verbs of whoever keeps a store, over a folder, a SQLite file by its address, and a PostgreSQL."""

import json
import os
import stat
import sys

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from countenance.cli import main
from countenance.receipts import read_public_key, read_signing_key
from countenance.store.database import open_store
from countenance.vault import Vault, new_key, read_key_file

DAY = 86_400.0
START = "0" * 64


@pytest.fixture(params=["folder", "sqlite", "postgresql"])
def kept(request, tmp_path, monkeypatch):
    """A store with a person, a session of long ago and an open one: the options that name it, and its address."""
    key = new_key()
    monkeypatch.setenv("COUNTENANCE_KEY", key)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")()
        options = ["--database", url]
    else:
        url = f"sqlite:///{tmp_path}/gate.db"
        options = ["--gallery", str(tmp_path)] if request.param == "folder" else ["--database", url]
    store = open_store(url, vault=Vault.from_environment())
    rows = np.full((1, 4), 0.5, np.float32)
    store.enrol("Ann", templates=rows, model="sface", weights="ab", consent={"said": "yes"})
    now = store._now()
    for name, ago in (("old", 40 * DAY), ("open", 0.0)):
        moment = now - ago
        store.create_session(
            name, subject="Ann", nonce=name, key_id="k", expires=moment + 30, state={"x": 1}, now=moment
        )
        store.note_failure("Ann", now=moment)
        store.note_frames([f"{len(name):064x}"], now=moment)
    store.close()
    if request.param == "sqlite":  # as serve leaves it: the key in a file beside it
        monkeypatch.delenv("COUNTENANCE_KEY")
        (tmp_path / "gate.db.key").touch(0o600)
        (tmp_path / "gate.db.key").write_text(key)
    return options, url


def ran(arguments, capsys):
    status = main([*map(str, arguments), "--json"])
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err


def test_what_is_old_is_purged(kept, capsys):
    options, _ = kept
    assert ran(["gallery", "purge", "--days", "50", *options], capsys)[1]["sessions"] == 0
    status, card, _ = ran(["gallery", "purge", *options], capsys)
    assert (status, card) == (0, {"sessions": 1, "failures": 1, "frames": 1, "days": 30.0})
    assert main(["gallery", "purge", "--days", "1", *options]) == 0
    assert "older than 1 days: 0 sessions, 0 failures, 0 digests" in capsys.readouterr().out
    assert ran(["gallery", "purge", "--days", "0.5", *options], capsys)[0] == 2


def test_the_audit_log_is_verified_and_its_head_noted(kept, capsys):
    options, url = kept
    status, first, _ = ran(["audit", "verify", *options], capsys)
    assert (status, first["valid"], first["entries"], first["noted"]) == (0, True, 1, 0)
    status, card, _ = ran(["audit", "verify", "--noted", first["head"], START, *options], capsys)
    assert (status, card["noted"], card["head"]) == (0, 2, first["head"])
    assert main(["audit", "verify", *options]) == 0
    assert f"head, to be noted elsewhere: {first['head']}" in capsys.readouterr().out
    status, card, _ = ran(["audit", "verify", "--noted", "ab" * 32, *options], capsys)
    assert (status, card["valid"], card["reason"][:22]) == (1, False, "a digest that was note")
    status, card, error = ran(["audit", "verify", "--noted", "ab", *options], capsys)
    assert (status, card) == (2, None)
    assert "heads of 64 hexadecimal digits; came 'ab'" in error
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE audit SET at = at + 1"))
    engine.dispose()
    assert main(["audit", "verify", *options]) == 1
    assert capsys.readouterr().out == "broken at entry 1: it was changed; 0 entries before it hold\n"


def test_keys_are_changed_in_the_order_that_the_help_says(kept, tmp_path, monkeypatch, capsys):
    options, _ = kept
    before = ran(["keys", "vault", *options], capsys)[1]["keys"]
    assert [(key["seals"], key["values"]) for key in before] == [(True, 4)]  # a template, consent, two states
    file = tmp_path / "gate.db.key"
    if file.exists():
        assert ran(["gallery", "rotate", *options], capsys)[1] == {"values": 4, "dropped": False}
    else:
        old, fresh = os.environ["COUNTENANCE_KEY"], tmp_path / "fresh"
        (name,) = Vault.from_environment().key_ids
        status, made, _ = ran(["keys", "new-vault", fresh], capsys)
        assert (status, stat.S_IMODE(fresh.stat().st_mode)) == (0, 0o600)
        with monkeypatch.context() as patch:
            patch.setenv("COUNTENANCE_KEY", f"{fresh.read_text().strip()},{old}")
            waiting = ran(["keys", "vault", *options], capsys)[1]["keys"]
            assert [(key["key"], key["values"]) for key in waiting] == [(made["key"], 0), (name, 4)]
            status, card, error = ran(["gallery", "rotate", "--drop", *options], capsys)
            assert (status, card) == (2, None)
            assert "take the old key out there, once keys vault shows" in error
            assert ran(["gallery", "rotate", *options], capsys)[1]["values"] == 4
            assert ran(["gallery", "rotate", *options], capsys)[1]["values"] == 0
            after = ran(["keys", "vault", *options], capsys)[1]["keys"]
            assert [(key["key"], key["values"]) for key in after] == [(made["key"], 4), (name, 0)]
        assert "configure that key too" in ran(["keys", "vault", *options], capsys)[2]  # the old one alone
        monkeypatch.delenv("COUNTENANCE_KEY")
        monkeypatch.setenv("COUNTENANCE_KEY_FILE", str(fresh))
    assert main(["keys", "vault", *options]) == 0
    assert "seals what is new" in capsys.readouterr().out


def test_a_copy_is_made_and_becomes_a_store(kept, tmp_path, capsys):
    options, url = kept
    copy = tmp_path / "copy" / "of.db"
    status, card, error = ran(["gallery", "backup", copy, *options], capsys)
    if url.startswith("postgresql"):
        assert (status, "pg_dump" in error, copy.exists()) == (2, True, False)
        status, _, error = ran(["gallery", "restore", __file__, *options], capsys)
        assert (status, "pg_dump" in error) == (2, True)
        return
    assert (status, card) == (0, {"file": str(copy), "bytes": copy.stat().st_size})
    assert "a new file" in ran(["gallery", "backup", copy, *options], capsys)[2]
    assert "move it away" in ran(["gallery", "restore", copy, *options], capsys)[2]
    there = tmp_path / "there" / "other.db"
    there.parent.mkdir()
    if (tmp_path / "gate.db.key").exists():
        assert (
            "put the key file there first"
            in ran(["gallery", "restore", copy, "--database", f"sqlite:///{there}"], capsys)[2]
        )
        there.with_name("other.db.key").write_bytes((tmp_path / "gate.db.key").read_bytes())
        there.with_name("other.db.key").chmod(0o600)
    status, card, _ = ran(["gallery", "restore", copy, "--database", f"sqlite:///{there}"], capsys)
    assert (status, card) == (0, {"people": 1, "database": f"sqlite:///{there}"})
    assert ran(["audit", "verify", "--database", f"sqlite:///{there}"], capsys)[1]["entries"] == 1


@pytest.mark.parametrize("verb", [["gallery", "purge"], ["audit", "verify"], ["keys", "vault"], ["gallery", "rotate"],
                                  ["gallery", "backup", "copy.db"], ["gallery", "restore", __file__]])  # fmt: skip
def test_a_store_that_is_not_there_is_not_made(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COUNTENANCE_KEY", new_key())
    missing = tmp_path / "none" / "gate.db"
    for options, words in (
        (["--database", f"sqlite:///{missing}"], "restore" if verb[1] == "restore" else "a SQLite store"),
        (["--database", "mysql://host/gate"], "sqlite:///FILE or postgresql"),
        (["--database", f"sqlite:///{missing}", "--gallery", tmp_path], "--gallery or --database; came both"),
    ):
        status, card, error = ran([*verb, *options], capsys)
        assert (status, card, error.count("\n")) == (2, None, 1)
        assert words in error
        assert not missing.exists()


def test_an_empty_postgresql_is_left_as_it_is(postgresql, monkeypatch, capsys):
    monkeypatch.setenv("COUNTENANCE_KEY", new_key())
    url = postgresql()
    for verb in (["gallery", "purge"], ["gallery", "purge"], ["keys", "vault"]):
        status, card, error = ran([*verb, "--database", url], capsys)
        assert (status, card) == (2, None)
        assert "came a database without one" in error
    assert "to answer" in ran(["audit", "verify", "--database", "postgresql://nobody@/x?host=/nowhere"], capsys)[2]
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "the PostgreSQL driver, psycopg; came none" in ran(["keys", "vault", "--database", url], capsys)[2]


def test_new_keys_are_whole_private_and_never_in_the_place_of_others(tmp_path, capsys):
    vault, signing = tmp_path / "vault.key", tmp_path / "signing.pem"
    status, made, _ = ran(["keys", "new-vault", vault], capsys)
    assert (status, made) == (0, {"file": str(vault), "key": Vault(read_key_file(vault)).key_ids[0]})
    status, made, _ = ran(["keys", "new-signing", signing], capsys)
    assert (status, made) == (0, {"private": str(signing), "public": str(tmp_path / "signing.pub.pem")})
    assert read_signing_key(signing).public_key() == read_public_key(made["public"])
    assert [stat.S_IMODE(file.stat().st_mode) for file in (vault, signing)] == [0o600, 0o600]
    held = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for verb, file in (("new-vault", vault), ("new-signing", signing), ("new-signing", tmp_path / "signing.der")):
        status, card, error = ran(["keys", verb, file], capsys)  # the last one's public key would lie there, too
        assert (status, card) == (2, None)
        assert "to be able to write a new file" in error
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == held
    assert main(["keys", "new-vault", str(tmp_path / "more.key")]) == 0
    assert main(["keys", "new-signing", str(tmp_path / "more.pem")]) == 0
    said = capsys.readouterr().out
    assert "keep a copy in a safe place" in said
    assert (tmp_path / "more.key").read_text().strip() not in said
