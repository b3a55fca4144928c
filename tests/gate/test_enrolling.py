"""Enrolment at the gate: what is asked of photographs and clips, and what the store holds afterwards."""

import dataclasses

import numpy as np
import pytest

from countenance.errors import AlreadyEnrolled, ManyFaces, NoFace, TooFewFrames, UnknownSubject, UsageError
from countenance.gate.enrolling import EnrolmentRules, enrol_person, photographs_of_clip
from countenance.policy import read_policy
from countenance.store.database import open_store
from countenance.vault import Vault
from countenance.vocabulary import Reason


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'gate.db'}", vault=Vault([bytes(32)]))
    yield opened
    opened.close()


def test_a_person_is_enrolled_once_and_again(stage, store):
    made = stage()
    one, other = (made.world.pixels(made.scene(likeness=each)) for each in (0.8, 0.9))
    done = enrol_person(made.gate, store, "Ann", [one, other], consent={"said": "yes"}, now=10.0)
    assert (done.accepted, done.templates, done.admission.nearest) == (True, 2, None)
    held = store.templates_of("Ann", "sface", made.gate.weights)
    np.testing.assert_allclose(held[held[:, 1].argsort()], [made.template(1, 0.8), made.template(1, 0.9)], atol=1e-6)
    with pytest.raises(AlreadyEnrolled, match="'Ann'"):
        enrol_person(made.gate, store, "Ann", [one], now=11.0)
    twin = enrol_person(made.gate, store, "Bob", [one], now=11.0)
    assert twin.as_json()["reasons"] == ["enrolled_already"]
    assert twin.as_json()["scores"]["nearest"]["subject"] == "Ann"
    again = enrol_person(made.gate, store, "Ann", [one], again=True, now=12.0)
    assert again.accepted
    assert store.person("Ann").templates == 1
    assert store.person("Ann").consent
    assert enrol_person(made.gate, store, "Bob", [made.world.pixels(made.scene(person=2))], now=13.0).accepted
    stolen = enrol_person(made.gate, store, "Ann", [made.world.pixels(made.scene(person=2))], again=True, now=14.0)
    assert stolen.admission.reasons == (Reason.ENROLLED_ALREADY,)
    with pytest.raises(UnknownSubject):
        enrol_person(made.gate, store, "Eve", [one], again=True, now=15.0)
    newer = dataclasses.replace(made.world.networks(), digests={"sface": "6" * 64})
    assert stage(networks=newer).gate.weights != made.gate.weights  # templates of other weights are another gallery's
    assert len(store.templates("sface", "6" * 64)[0]) == 0


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"advice": (Reason.TOO_DARK,)}, (Reason.TOO_DARK,)),
        ({"yaw": 40.0}, (Reason.LOOKING_AWAY,)),
        ({"person": 2}, (Reason.NOT_THE_SAME_PERSON,)),
        ({"live": 0.1}, (Reason.PRESENTATION_ATTACK,)),
    ],
)
def test_photographs_are_refused_with_a_reason(stage, store, changes, reasons):
    made = stage(enrolment=EnrolmentRules(presentation=True))
    photographs = [made.world.pixels(made.scene()), made.world.pixels(made.scene(**changes))]
    done = enrol_person(made.gate, store, "Ann", photographs, now=10.0)
    assert (done.accepted, done.admission.reasons, done.templates) == (False, reasons, 0)
    assert not store.is_enrolled("Ann")
    if "live" in changes:
        assert enrol_person(stage().gate, store, "Ann", photographs, now=10.0).accepted  # PAD is asked for by option
        without = stage("sensors", enrolment=EnrolmentRules(presentation=True))  # which has no check of stills
        refused = enrol_person(without.gate, store, "Eve", [made.world.pixels(made.scene(person=3))], now=10.0)
        assert refused.admission.reasons == (Reason.PRESENTATION_ATTACK,)


def test_what_shows_no_one_person_is_an_error(stage, store):
    made = stage()
    with pytest.raises(UsageError, match="at least one photograph"):
        enrol_person(made.gate, store, "Ann", [], now=1.0)
    with pytest.raises(UsageError, match="printable"):
        enrol_person(made.gate, store, " ", [made.world.pixels(made.scene())], now=1.0)
    with pytest.raises(NoFace, match="photograph 1"):
        enrol_person(made.gate, store, "Ann", [made.world.pixels(made.scene(faces=0))], now=1.0)
    photographs = [made.world.pixels(made.scene(faces=each)) for each in (1, 2)]
    with pytest.raises(ManyFaces, match="photograph 2"):
        enrol_person(made.gate, store, "Ann", photographs, now=1.0)
    assert store.people() == ()


def test_two_photographs_are_compared(stage):
    made = stage()
    mine, other, stranger = (
        made.world.pixels(each) for each in (made.scene(), made.scene(likeness=1.0), made.scene(person=2))
    )
    same = made.gate.compare(mine, other)
    assert (same.accepted, same.score, same.model) == (True, pytest.approx(0.8), "sface")
    assert made.gate.compare(mine, stranger).reasons == (Reason.NOT_THE_SAME_PERSON,)
    with pytest.raises(NoFace, match="the probe"):
        made.gate.compare(mine, made.world.pixels(made.scene(faces=0)))


def clip_of(recorded, made, path, scenes):
    return recorded(path, np.stack([np.full((48, 48, 3), made.world.pixels(each)[0, 0, 0]) for each in scenes]))


def test_a_clip_gives_its_best_frames(stage, recorded, tmp_path):
    made = stage()
    good, dark, none = made.scene(), made.scene(advice=(Reason.TOO_DARK,)), made.scene(faces=0)
    path = clip_of(recorded, made, tmp_path / "a.mp4", [none] * 5 + [dark] * 20 + [good] * 20)
    chosen = photographs_of_clip(path, detector=made.world)
    assert len(chosen) == 5
    assert {made.world.of(each) for each in chosen} == {good}
    assert len(photographs_of_clip(path, detector=made.world, count=2)) == 2
    with pytest.raises(TooFewFrames, match="More light is needed"):
        photographs_of_clip(clip_of(recorded, made, tmp_path / "b.mp4", [dark] * 9), detector=made.world)
    with pytest.raises(NoFace, match="come before the camera"):
        photographs_of_clip(clip_of(recorded, made, tmp_path / "c.mp4", [none] * 9), detector=made.world)
    with pytest.raises(ManyFaces):
        photographs_of_clip(clip_of(recorded, made, tmp_path / "d.mp4", [made.scene(faces=2)] * 9), detector=made.world)


def test_a_policy_without_verification_knows_nobody(stage):
    made = stage()
    policy = read_policy("rgb")
    bare = dataclasses.replace(made.world.networks(), recognisers={})
    with pytest.raises(UsageError, match="the recogniser sface"):
        stage(networks=bare).gate.compare(made.world.pixels(made.scene()), made.world.pixels(made.scene()))
    assert policy.check("verification").network == made.gate.model
