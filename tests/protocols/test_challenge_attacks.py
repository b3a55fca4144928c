"""What a gate lets through, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from countenance.errors import NonFiniteScore, ProtocolMismatch, TunedOnTest
from countenance.metrics.operating_point import OperatingPoint
from countenance.protocols.challenge_attacks import (
    DISOBEDIENT,
    GENUINE,
    NEUTRAL_PRINT,
    STRANGER,
    ChallengeAttempts,
    JudgedByPad,
    challenge_rows,
    gates,
)
from countenance.scores import text

POINT = OperatingPoint(0.5, "fmr:0.001", "development")
STRICT = OperatingPoint(0.8, "eer", "development")
PAD_POINT = OperatingPoint(0.0, "eer", "development")

# kind, reference, presentation, similarity, shows the required expression
ATTEMPTS = [
    (GENUINE, "a", 0, 0.9, True),
    (GENUINE, "b", 1, 0.6, True),
    (DISOBEDIENT, "a", 2, 0.9, False),
    ("print_matte", "a", 3, 0.7, True),
    ("print_matte", "b", 4, 0.9, True),
    ("replay_phone", "a", 5, 0.9, True),
    ("replay_phone", "b", 6, np.nan, False),  # no face
    (NEUTRAL_PRINT, "a", 7, 0.9, False),
    (STRANGER, "b", 0, 0.5, True),
    (STRANGER, "a", 1, 0.1, True),
]
SCORES = {"print_matte": [-0.2, 0.3], "replay_phone": [None, -0.5], "print_glossy": [-0.9]}


@pytest.fixture
def attempts():
    kinds, references, presentations, similarities, obeyed = zip(*ATTEMPTS, strict=True)
    return ChallengeAttempts(
        kinds=text(kinds),
        references=text(references),
        presentations=np.array(presentations, np.intp),
        similarities=np.array(similarities),
        obeyed=np.array(obeyed),
    )


@pytest.fixture
def pad(presentations):
    """Refuses the second bona fide presentation, the first print and both replays, one for want of a picture."""
    return JudgedByPad(table=presentations([0.4, -0.1, 0.2], SCORES), point=PAD_POINT)


@pytest.fixture
def rows(attempts, pad):
    """The rows by name."""
    found = challenge_rows(attempts, {"stated": POINT, "strict": STRICT}, {"pad": pad}, data="d")
    assert len({row.name for row in found}) == len(found)
    return {row.name: row for row in found}


def counted(row):
    return row.count.count, row.count.trials


def test_a_gate_is_the_and_of_its_checks(attempts, pad):
    found = gates(attempts, {"stated": POINT}, {"pad": pad})
    verified = [True, True, True, True, True, True, False, True, True, False]
    both = [True, True, False, True, True, True, False, False, True, False]
    with_pad = [True, False, False, False, True, False, False, False, True, False]
    assert found["verification alone, stated"].tolist() == verified
    assert found["expression alone"].tolist() == attempts.obeyed.tolist()
    assert found["challenge alone, stated"].tolist() == both
    assert found["challenge with pad, stated"].tolist() == with_pad


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("challenge alone, stated: bona fide, required expression, accepted", (2, 2)),
        ("challenge alone, strict: bona fide, required expression, accepted", (1, 2)),
        ("challenge with pad, stated: bona fide, required expression, accepted", (1, 2)),
        ("challenge alone, stated: bona fide, other expression, accepted", (0, 1)),
        ("challenge alone, stated: other person, required expression, accepted (zero-effort impostor)", (1, 2)),
        ("challenge alone, stated: IAPAR, print_matte", (2, 2)),
        ("challenge alone, strict: IAPAR, print_matte", (1, 2)),
        ("challenge with pad, stated: IAPAR, print_matte", (1, 2)),
        ("challenge alone, stated: IAPAR, replay_phone", (1, 2)),  # no face counts, as not accepted
        ("challenge with pad, stated: IAPAR, replay_phone", (0, 2)),
        ("challenge alone, stated: IAPAR, neutral print", (0, 1)),
        ("verification alone, stated: IAPAR, neutral print", (1, 1)),
        ("challenge alone, stated: IAPAR, worst of 2 species", (2, 2)),
        ("pad alone: BPCER", (1, 3)),
        ("pad alone: APCER, print_matte", (1, 2)),
        ("pad alone: APCER, replay_phone", (0, 1)),
    ],
)
def test_rows_by_hand(rows, name, count):
    row = rows[name]
    assert counted(row) == count
    assert row.measured == pytest.approx(100 * count[0] / count[1])
    assert row.interval.low <= row.measured <= row.interval.high
    assert row.reported is None
    assert row.data == "d"


def test_the_worst_species_is_named_and_a_want_of_response_is_told(rows):
    assert rows["challenge alone, stated: IAPAR, worst of 2 species"].note == "print_matte"
    assert rows["pad alone: APCER, replay_phone"].note.endswith("no response to 1 of 2")
    assert rows["pad alone: BPCER"].note == "threshold 0, eer, development"


def test_the_equal_error_rate_is_of_live_people(rows):
    row = rows["verification: EER"]
    assert row.measured == 0
    assert row.note.startswith("live people; 3 mated and 2 non-mated")
    assert "strict 0.8, eer" in row.note


def test_a_pad_that_answered_to_no_attack_of_a_species_has_no_apcer_there(attempts, presentations):
    silent = presentations([0.4, -0.1, 0.2], SCORES | {"replay_phone": [None, None]})
    found = challenge_rows(attempts, {"stated": POINT}, {"pad": JudgedByPad(table=silent, point=PAD_POINT)}, data="d")
    row = next(row for row in found if row.name == "pad alone: APCER, replay_phone")
    assert row.measured is None
    assert row.note.endswith("no response to 2 of 2")


def test_attempts_that_do_not_fit_together_are_refused(attempts, pad):
    with pytest.raises(ProtocolMismatch, match="columns of 9 and 10"):
        replace(attempts, obeyed=attempts.obeyed[1:])
    with pytest.raises(NonFiniteScore):
        replace(attempts, similarities=np.where(np.arange(10) == 3, np.inf, attempts.similarities))
    tuned = replace(PAD_POINT, data=pad.table.digest)
    with pytest.raises(TunedOnTest):
        challenge_rows(attempts, {"stated": POINT}, {"pad": replace(pad, point=tuned)}, data="d")
