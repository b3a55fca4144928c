"""The gallery's verbs: exit status, one JSON object, and one line for what a user got wrong."""

import json
import shutil

import numpy as np
import pytest

from countenance.admission import Admission, digest_of_weights
from countenance.cli import main
from countenance.gate import local
from countenance.gate.enrolling import StoreEnrolment
from countenance.gate.local import LocalEnrolment, list_people, opened
from countenance.vocabulary import Reason


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A gallery of 60 people, one of whom is planted in the middle of all."""
    place = tmp_path_factory.mktemp("gallery")
    rows = np.random.default_rng(0).normal(size=(60, 64)) + 0.3
    rows[7] = rows.mean(axis=0) + 0.05 * rows[7]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with opened(place, make=True) as local_gate:
        for number, row in enumerate(rows.astype(np.float32)):
            weights = digest_of_weights("sface")
            local_gate.store.enrol(f"p{number:02d}", templates=row[None], model="sface", weights=weights)
    return place


@pytest.fixture
def folder(made, tmp_path):
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "gallery")


def ran(arguments, capsys):
    status = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err


def test_people_are_listed_and_forgotten(folder, capsys):
    status, card, _ = ran(["gallery", "list", "--gallery", folder, "--json"], capsys)
    assert (status, len(card["people"]), card["model"]) == (0, 60, "sface")
    status, card, _ = ran(["forget", "p03", "--gallery", folder, "--json"], capsys)
    assert (status, card["accepted"], card["people"]) == (0, True, 59)
    assert "p03" not in [each.subject for each in list_people(folder=folder)]
    status, card, error = ran(["forget", "p03", "--gallery", folder, "--json"], capsys)
    assert (status, card) == (2, None)
    assert error == (
        "countenance: expected the name of somebody who is enrolled; came 'p03'; see who is: gallery list\n"
    )


def test_an_audit_names_what_is_planted(folder, capsys):
    status, card, _ = ran(["gallery", "audit", "--gallery", folder, "--threshold", "0.35", "--json"], capsys)
    assert (status, card["accepted"], card["reasons"]) == (0, False, ["matches_strangers"])
    assert [each["subject"] for each in card["planted"]] == ["p07"]
    assert card["scores"]["p07/7"] == card["planted"][0]["share"] > card["limit"]
    assert main(["gallery", "audit", "--gallery", str(folder), "--threshold", "0.35"]) == 0
    assert "1 of 60 templates match" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gallery", "list"], "a gallery in"),
        (["gallery", "audit"], "a gallery in"),
        (["forget", "Ann"], "a gallery in"),
        (["gallery", "export", "Ann", "--out", "ann.json"], "a gallery in"),
        (["gallery", "backup", "copy.db"], "a gallery in"),
        (["gallery", "restore", "nowhere.db"], "a backup"),
        (["gallery", "rotate"], "a gallery in"),
        (["identify", __file__], "a JPEG, PNG, WebP or BMP picture"),
        (["challenge", "Ann"], "a gallery in"),
        (["challenge", "Ann", "--without", "wink"], "actions, divided by commas: happy, surprise"),
        (["authenticate", "Ann", "nowhere.mp4"], "a clip"),
        (["authenticate", "Ann", __file__], "a gallery in"),
        (["authenticate", "Ann", __file__, "--challenge", "wink"], "'wink'"),
        (["authenticate", "Ann", __file__, "--policy", "lax"], "lax"),
        (["enrol", "Ann"], "at least one photograph"),
        (["enrol", " ", "a.png"], "printable letters"),
        (["enrol", "Ann", "nowhere.png"], "nowhere.png"),
        (["enrol", "Ann", "a.png", "--model", "nothing"], "nothing"),
        (["screen", "calibrate", "--data", "siw:/x"], "photographs of people: lfw, vggface2"),
        (["screen", "calibrate", "--data", "lfw:/nowhere"], "a folder of photographs"),
        (["gallery", "burn"], "a verb: gallery list, gallery audit"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, words, tmp_path, capsys):
    named = [] if arguments[-1] == "burn" else ["--gallery", tmp_path / "none", "--json"]
    status, card, error = ran([*arguments, *named], capsys)
    assert (status, card) == (2, None)
    assert error.count("\n") == 1
    assert words in error
    assert not (tmp_path / "none").exists()


def test_a_refusal_has_its_status_and_its_reasons(tmp_path, monkeypatch, capsys):
    seen = Admission(reasons=(Reason.MATCHES_STRANGERS,), screened=(), likeness=float("nan"), nearest=("Ann", 0.2))
    done = StoreEnrolment(subject="Eve", accepted=False, admission=seen, templates=0, model="sface")
    refused = LocalEnrolment(enrolment=done, threshold=0.35)
    asked = {}
    monkeypatch.setattr(local, "enrol", lambda *_args, **options: asked.update(options) or refused)
    status, card, _ = ran(["enrol", "Eve", "a.png", "--gallery", tmp_path, "--json"], capsys)
    assert (status, card["accepted"], card["reasons"]) == (1, False, ["matches_strangers"])
    assert card["scores"]["likeness"] is None
    assert main(["enrol", "Eve", "a.png", "--gallery", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "Eve: not enrolled" in said.out
    assert "no screen was asked" in said.err
    assert main(["enrol", "Eve", "a.png", "--consent", "for the door", "--again", "--gallery", str(tmp_path)]) == 1
    assert (asked["consent"]["said"], asked["again"]) == ("for the door", True)


def test_a_persons_data_are_written_to_a_file_of_their_own(folder, capsys):
    out = folder / "p05.json"
    status, card, _ = ran(["gallery", "export", "p05", "--out", out, "--gallery", folder, "--json"], capsys)
    assert (status, card["templates"], card["audit"]) == (0, 1, 1)
    assert "values" not in json.loads(out.read_text())["templates"][0]
    assert out.stat().st_mode & 0o777 == 0o600
    status, _, error = ran(["gallery", "export", "p05", "--out", out, "--gallery", folder, "--json"], capsys)
    assert status == 2
    assert "where nothing is yet" in error
    whole = folder / "whole.json"
    assert (
        ran(["gallery", "export", "p05", "--out", whole, "--templates", "--gallery", folder, "--json"], capsys)[0] == 0
    )
    assert len(json.loads(whole.read_text())["templates"][0]["values"]) == 64


def test_a_gallery_is_copied_brought_back_and_sealed_again(folder, tmp_path_factory, capsys):
    other = tmp_path_factory.mktemp("other")
    copy = other / "copy.db"
    status, card, _ = ran(["gallery", "backup", copy, "--gallery", folder, "--json"], capsys)
    assert (status, card["bytes"]) == (0, copy.stat().st_size)
    status, card, error = ran(["gallery", "restore", copy, "--gallery", other, "--json"], capsys)
    assert (status, card) == (2, None)
    assert "put the key file there first" in error
    (folder / "gate.db.key").rename(other / "gate.db.key")
    status, card, _ = ran(["gallery", "restore", copy, "--gallery", other, "--json"], capsys)
    assert (status, card["people"]) == (0, 60)
    status, card, _ = ran(["gallery", "rotate", "--drop", "--gallery", other, "--json"], capsys)
    assert (status, card) == (0, {"values": 60, "dropped": True})
    assert len(list_people(folder=other)) == 60
    assert ran(["gallery", "list", "--gallery", folder], capsys)[2].startswith("countenance: expected the key of")
