"""A session as a value: its JSON, what it may not be, and what a process remembers beside it."""

import dataclasses
import json

import numpy as np
import pytest

from countenance.challenge import ChallengeRules, begin, draw_challenge
from countenance.errors import DataError, UsageError
from countenance.faces.detection import Face
from countenance.faces.eyes import EyeBaseline
from countenance.gate.session import Recent, Session, Tally
from countenance.vocabulary import Reason


def session(**changes):
    challenge = draw_challenge(ChallengeRules(), random=lambda n: bytes(range(n)), now=100.0)
    tally = Tally().seen(0.25, 101.0, key=False).seen(0.75, 102.0, key=True).seen(None, 103.0, key=True)
    given = {
        "identifier": "s1",
        "subject": "Ann",
        "state": begin(challenge),
        "policy": "p" * 64,
        "head": bytes(32),
        "frames": 4,
        "judged": 3,
        "seconds": 103.0,
        "unjudged": {Reason.TOO_DARK: 1},
        "tallies": {"presentation": tally},
        "anchor": b"sealed",
        "eyes": EyeBaseline((1.5, 1.25)),
    }
    return Session(**{**given, **changes})


@pytest.mark.parametrize("changes", [{}, {"seconds": None, "frames": 0, "judged": 0, "tallies": {}, "anchor": None}])
def test_it_comes_back_from_json(changes):
    made = session(**changes)
    assert Session.from_json(json.loads(json.dumps(made.as_json()))) == made
    assert made.nonce == made.state.challenge.nonce
    assert made.expires == 130.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"head": "00"},
        {"head": "zz" * 32},
        {"frames": 2},
        {"frames": True},
        {"frames": 1.5},
        {"judged": -1},
        {"seconds": "now"},
        {"unjudged": {"ugly": 1}},
        {"unjudged": [1]},
        {"tallies": {"presentation": {}}},
        {"tallies": {"presentation": {**dataclasses.asdict(Tally()), "count": 1}}},
        {"tallies": {"presentation": {**dataclasses.asdict(Tally()), "total": float("nan")}}},
        {"anchor": "not base64"},
        {"eyes": [1.0] * 31},
        {"eyes": ["1"]},
        {"eyes": 1.5},
        {"state": {}},
        {"more": 1},
    ],
)
def test_what_is_no_session_is_refused(wrong):
    with pytest.raises(DataError):
        Session.from_json({**session().as_json(), **wrong})
    with pytest.raises(DataError):
        Session.from_json([])


def test_a_tally_is_what_the_scores_say():
    scores = np.random.default_rng(0).normal(size=30)
    keys = np.arange(30) % 3 == 0
    tally = Tally()
    for number, (score, key) in enumerate(zip(scores.tolist(), keys.tolist(), strict=True)):
        tally = tally.seen(score, float(number), key=key)
    assert tally.mean == pytest.approx(min(scores.mean(), scores[keys].mean()))
    assert (tally.lowest, tally.key_worst) == (scores.min(), scores[keys].min())
    assert (tally.count, tally.key_count, tally.missed, tally.seconds) == (30, 10, 0, 29.0)
    assert (Tally().mean, Tally().key_worst) == (None, None)
    assert Tally().seen(0.5, 1.0, key=False).mean == 0.5
    for none in (None, float("nan"), float("inf")):
        assert tally.seen(none, 30.0, key=True) == dataclasses.replace(tally, missed=1)
    with pytest.raises(UsageError, match="agree"):
        Tally(count=1)


def test_a_process_remembers_half_a_second():
    recent, face = Recent(), Face((100.0, 100.0, 200.0, 300.0), np.zeros((5, 2), np.float32), 1.0)
    image = np.zeros((960, 1280, 3), np.uint8)
    for number in range(60):
        recent.add(image, face, 10 + number / 30)
    frames = recent.taken()
    assert len(frames) == len(recent) <= 9
    assert 0.4 <= frames[-1].seconds - frames[0].seconds <= 0.51
    assert frames[0].pixels.shape == (480, 640, 3)
    assert frames[0].box == (50, 50, 100, 150)
    recent.begin_window()
    assert [each.seconds for each in recent.taken()] == [frames[-1].seconds]
    recent.break_off()
    assert not len(recent)
