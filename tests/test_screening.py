"""The screen at enrolment: by hand, by limit, its promise on drawn templates, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from countenance.errors import (
    DataError,
    DigestMismatch,
    MissingFile,
    NonFiniteScore,
    ProtocolMismatch,
    TemplateVersion,
    UsageError,
)
from countenance.scores import text
from countenance.screening import (
    COHORT_LEAST,
    Examined,
    assign_roles,
    calibrate_screen,
    examine,
    has_screen,
    read_screen,
    soft_matches,
    variants,
    write_screen,
)
from countenance.vocabulary import Reason

MATCH = 0.5
MIDDLE = np.eye(128)[0]


def drawn(count, *, seed, pull=0.0, shift=0.03):
    """Templates of strangers, pulled towards the middle that all share, and the shifts of their variants."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, 128)) / np.sqrt(128) + (0.5 + pull) * MIDDLE
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Examined(rows.astype(np.float32), shift * np.exp(0.3 * generator.normal(size=(count, 4))))


def people(count):
    return text([f"p{i}" for i in range(count)])


@pytest.fixture(scope="module")
def screen():
    return calibrate_screen(
        drawn(300, seed=1), drawn(999, seed=2), people(999), match=MATCH, recogniser="sface", weights="ab"
    )


def test_variants_are_what_a_photograph_survives():
    face = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    written, blurred, mirrored, shrunk = variants(face)
    assert np.array_equal(mirrored[:, ::-1], face)
    assert blurred.std() < face.std() / 2
    assert shrunk.std() < face.std()
    assert 0 < np.abs(written.astype(int) - face).mean() < 60
    flat = np.full((20, 20, 3), (10, 200, 90), np.uint8)  # a plain face has plain variants, channels in their order
    assert np.abs(variants(flat).astype(int) - flat).max() <= 3


def test_examine_measures_how_far_each_variant_moves():
    def embed(faces):  # the share of its brightness in the left half, as an angle
        left, right = (half.mean(axis=(1, 2, 3)) for half in (faces[:, :, :4], faces[:, :, 4:]))
        angles = np.pi / 2 * left / (left + right)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    face = np.zeros((8, 8, 3), np.uint8)
    face[:, :4] = 200
    found = examine(np.stack([face, np.full_like(face, 50)]), embed)
    assert found.templates.shape == (2, 2)
    assert found.shifts.shape == (2, 4)
    assert found.shifts[0, 2] > 0.9  # mirrored: all of it goes to the other half
    assert found.shifts[1] == pytest.approx(0, abs=1e-6)


def test_matches_are_counted_softly():
    far = np.array([[1.0, -1.0, -1.0, 1.0]])
    assert soft_matches(far, 0.3)[0] == pytest.approx(0.5)
    assert soft_matches(np.array([[0.3]]), 0.3)[0] == 0.5


def test_the_promise_holds_for_others(screen):
    alarms = screen.scores(drawn(4_000, seed=3)) < screen.threshold
    assert (screen.photographs, screen.people, screen.rank) == (999, 999, 1)
    assert alarms.mean() < 0.005  # a promise of the mean, .001; one calibration of rank 1 is within five times it
    few = calibrate_screen(
        drawn(300, seed=1), drawn(999, seed=2), people(999), match=MATCH, recogniser="sface", false_alarms=0.05
    )
    assert few.rank == 50
    assert (few.scores(drawn(4_000, seed=3)) < few.threshold).mean() == pytest.approx(0.05, abs=0.02)


def test_the_promise_holds_in_the_mean():
    shares = [
        calibrate_screen(
            drawn(120, seed=[7, i]), drawn(99, seed=[8, i]), people(99), match=MATCH, recogniser="x", false_alarms=0.05
        )
        for i in range(30)
    ]
    measured = [(each.scores(drawn(1_000, seed=[9, i])) < each.threshold).mean() for i, each in enumerate(shares)]
    assert np.mean(measured) <= 0.05 + 2 * np.std(measured) / np.sqrt(len(measured))


def test_a_wolf_and_a_brittle_photograph_are_told_apart(screen):
    plain, wolf, brittle = drawn(1, seed=4), drawn(1, seed=4, pull=2.0), drawn(1, seed=4, shift=0.6)
    judged = screen.judge(plain.templates[0], plain.shifts[0])
    assert judged.passed
    assert judged.reasons == ()
    assert judged.score == pytest.approx(-max(judged.parts.values()))
    refused = screen.judge(wolf.templates[0], wolf.shifts[0])
    assert refused.reasons == (Reason.MATCHES_STRANGERS,)
    assert refused.matched > 0.1
    assert judged.matched < 0.02
    assert screen.judge(brittle.templates[0], brittle.shifts[0]).reasons == (Reason.UNSTABLE_TEMPLATE,)
    both = screen.judge(wolf.templates[0], brittle.shifts[0])
    assert both.reasons == (Reason.MATCHES_STRANGERS, Reason.UNSTABLE_TEMPLATE)
    assert not both.passed
    assert all(reason.advice for reason in both.reasons)


def test_one_candidate_is_judged_as_many_are(screen):
    many = drawn(5, seed=5)
    alone = [screen.judge(row, shifts).score for row, shifts in zip(many.templates, many.shifts, strict=True)]
    assert alone == pytest.approx(screen.scores(many).tolist(), abs=1e-4)  # single precision


def test_a_screen_is_written_and_read(screen, tmp_path):
    assert not has_screen(tmp_path)
    with pytest.raises(MissingFile, match="screen"):
        read_screen(tmp_path)
    card = write_screen(tmp_path, screen)
    assert has_screen(tmp_path)
    found = read_screen(tmp_path)
    assert found.as_json() == screen.as_json()
    assert np.array_equal(found.cohort, screen.cohort)
    sheet = json.loads(card.read_text())
    sheet["card"]["threshold"] = "none"
    card.write_text(json.dumps(sheet))
    with pytest.raises(DataError, match="calibrate again"):
        read_screen(tmp_path)
    next(tmp_path.glob("*.safetensors")).write_bytes(b"other")
    with pytest.raises(DigestMismatch):
        read_screen(tmp_path)


def test_roles_are_of_different_people_and_keep_the_promise():
    subjects = text([f"p{i}" for i in range(900)] + [f"q{i // 3}" for i in range(900)])
    roles = assign_roles(subjects)
    cohort, calibration = subjects[roles.cohort], subjects[roles.calibration]
    assert len(set(cohort)) == len(cohort) == 801  # 1,800 less 999: of those with one photograph
    assert len(calibration) == 999
    assert not {*cohort} & {*calibration}
    shuffled = np.random.default_rng(0).permutation(len(subjects))
    assert {*subjects[shuffled][assign_roles(subjects[shuffled]).cohort]} == {*cohort}
    assert len(assign_roles(people(5_000)).cohort) == 1_000
    with pytest.raises(UsageError, match="999 of other people for a false-alarm rate of"):
        assign_roles(people(1_000))
    assert len(assign_roles(people(1_000), false_alarms=0.01).cohort) == 901


def test_what_cannot_set_a_screen_is_refused(screen):
    cohort, photographs = drawn(300, seed=1), drawn(999, seed=2)
    with pytest.raises(UsageError, match="at least 999 bona fide scores"):
        calibrate_screen(cohort, photographs.select(range(998)), people(998), match=MATCH, recogniser="x")
    with pytest.raises(UsageError, match=f"at least {COHORT_LEAST} strangers; came 99"):
        calibrate_screen(cohort.select(range(99)), photographs, people(999), match=MATCH, recogniser="x")
    with pytest.raises(ProtocolMismatch, match="998 subjects"):
        calibrate_screen(cohort, photographs, people(998), match=MATCH, recogniser="x")
    with pytest.raises(TemplateVersion, match=r"\(N, 128\) of sface; came \(1, 8\)"):
        screen.scores(Examined(np.full((1, 8), 8**-0.5, np.float32), np.zeros((1, 4))))
    nan = replace(photographs, shifts=photographs.shifts * np.nan)
    with pytest.raises(NonFiniteScore):
        screen.scores(nan)
