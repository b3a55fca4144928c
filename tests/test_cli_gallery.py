"""The gallery's verbs: exit status, one JSON object, and one line for what a user got wrong."""

import json

import numpy as np
import pytest

from countenance import enrolment
from countenance.admission import digest_of_weights
from countenance.cli import main
from countenance.enrolment import Enrolment
from countenance.gallery import Gallery, read_gallery, write_gallery
from countenance.scores import text
from countenance.vocabulary import Reason


@pytest.fixture
def folder(tmp_path):
    """A gallery of 60 people, one of whom is planted in the middle of all."""
    rows = np.random.default_rng(0).normal(size=(60, 64)) + 0.3
    rows[7] = rows.mean(axis=0) + 0.05 * rows[7]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = text([f"p{i}" for i in range(60)])
    write_gallery(tmp_path, Gallery("sface", digest_of_weights("sface"), rows.astype(np.float32), names))
    return tmp_path


def ran(arguments, capsys):
    status = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err


def test_people_are_listed_and_forgotten(folder, capsys):
    status, card, _ = ran(["gallery", "list", "--gallery", folder, "--json"], capsys)
    assert (status, len(card["people"]), card["model"]) == (0, 60, "sface")
    status, card, _ = ran(["forget", "p3", "--gallery", folder, "--json"], capsys)
    assert (status, card["accepted"], card["people"]) == (0, True, 59)
    assert "p3" not in read_gallery(folder).people
    status, card, error = ran(["forget", "p3", "--gallery", folder, "--json"], capsys)
    assert (status, card) == (2, None)
    assert error == (
        "countenance: expected the name of somebody who is enrolled; came 'p3'; see: countenance gallery list\n"
    )


def test_an_audit_names_what_is_planted(folder, capsys):
    status, card, _ = ran(["gallery", "audit", "--gallery", folder, "--threshold", "0.35", "--json"], capsys)
    assert (status, card["accepted"], card["reasons"]) == (0, False, ["matches_strangers"])
    assert [each["subject"] for each in card["planted"]] == ["p7"]
    assert card["scores"]["p7/7"] == card["planted"][0]["share"] > card["limit"]
    assert main(["gallery", "audit", "--gallery", str(folder), "--threshold", "0.35"]) == 0
    assert "1 of 60 templates match" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gallery", "list"], "a gallery in"),
        (["gallery", "audit"], "a gallery in"),
        (["forget", "Ann"], "a gallery in"),
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
    refused = Enrolment(
        subject="Eve",
        accepted=False,
        reasons=(Reason.MATCHES_STRANGERS,),
        screened=(),
        likeness=float("nan"),
        nearest=("Ann", 0.2),
        threshold=0.35,
        model="sface",
    )
    monkeypatch.setattr(enrolment, "enrol", lambda *_args, **_options: refused)
    status, card, _ = ran(["enrol", "Eve", "a.png", "--gallery", tmp_path, "--json"], capsys)
    assert (status, card["accepted"], card["reasons"]) == (1, False, ["matches_strangers"])
    assert card["scores"]["likeness"] is None
    assert main(["enrol", "Eve", "a.png", "--gallery", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "Eve: not enrolled" in said.out
    assert "no screen was asked" in said.err
