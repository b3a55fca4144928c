"""The gate's part of the demonstration, with fewer strangers: real networks, drawn people."""

import json

import pytest

from countenance import gate_demonstration, screening
from countenance.files import finite
from countenance.gate_demonstration import demonstrate_gate
from countenance.receipts import verify_receipt_file
from countenance.vocabulary import Reason


@pytest.fixture
def few_strangers(monkeypatch):
    monkeypatch.setattr(screening, "COHORT_LEAST", 20)
    monkeypatch.setattr(gate_demonstration, "_MANY", 39)


@pytest.mark.usefixtures("few_strangers")
def test_the_person_is_let_in_and_a_film_and_a_picture_of_everybody_are_not(tmp_path, pulled):
    for name in ("yunet", "sface"):
        pulled(name)
    done = demonstrate_gate(tmp_path / "gate")
    assert done.enrolment.accepted
    assert done.genuine.accepted
    assert not done.replay.accepted
    assert Reason.PRESENTATION_ATTACK in done.replay.reasons
    assert done.plain.accepted
    assert done.universal.reasons == (Reason.MATCHES_STRANGERS,)
    assert done.matched > 0.5
    assert verify_receipt_file(done.receipt, key=done.folder / "signing.pub.pem").valid
    assert {each.name for each in done.folder.iterdir()} == {
        "ann-0.png", "ann-1.png", "ann-2.png", "genuine.mov", "mallory-0.png", "mallory-1.png", "receipt.json",
        "replay.mov", "signing.pub.pem",
    }  # fmt: skip
    told = json.loads(json.dumps(finite([done.authentication(), done.attack()]), allow_nan=False))
    assert [each["data"] for each in told] == ["drawn data: says nothing about a real camera"] * 2
    assert [line.split(": ")[-1] for line in done.lines][:2] == ["accepted"] * 2
    assert done.lines[-1].endswith("refused (matches_strangers)")
