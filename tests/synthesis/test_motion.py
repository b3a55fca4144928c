from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.motion import Wave, draw_hand_swing, draw_head_swing, perform
from countenance.synthesis.spec import DrawnSpecies, Motion
from countenance.vocabulary import Expression


def angle(turn):
    return np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))


def generator(seed=0):
    return np.random.default_rng(seed)


def test_a_wave_by_hand():
    wave = Wave(2.0, 4.0, (0.5, 1.0), (0.0, np.pi / 2))
    assert wave.at(0.0) == pytest.approx(2 + 4 * 0.35)
    assert wave.at(0.5, mean_share=0.0) == pytest.approx(4 * (0.75 + 0.35 * np.sin(2.3 * np.pi + np.pi / 2)))
    assert Wave(2.0, 0.0, (1, 1), (1, 1)).at(3.3) == 2


@pytest.mark.parametrize("draw", [draw_head_swing, draw_hand_swing])
def test_calm_is_calmer_than_lively_and_nobody_turns_away(describe, draw):
    turned = {}
    for motion in Motion:
        spec = describe(motion=motion, calm_seconds=0.0)
        swings = [draw(generator(seed), spec) for seed in range(20)]
        turns = [[swing.turn_at(0.1 * step) for step in range(60)] for swing in swings]
        turned[motion] = np.mean([np.std([angle(each[0].T @ turn) for turn in each]) for each in turns])
        assert max(abs(np.degrees(np.arcsin(turn[0, 2]))) for each in turns for turn in each) < 34
    assert turned[Motion.CALM] < 0.5 * turned[Motion.LIVELY]
    assert turned[Motion.CALM] < 0.5 * turned[Motion.STILL]


def test_lively_starts_after_the_calm(describe):
    swing = draw_head_swing(generator(), describe(motion=Motion.LIVELY, calm_seconds=2.0))
    calm = draw_head_swing(generator(), describe(motion=Motion.CALM))
    assert [swing.liveliness(t) for t in (0.0, 2.0, 2.4, 2.8, 9.0)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert calm.liveliness(9.0) == 0
    assert swing.drift_at(1.0)[2] == pytest.approx(1, abs=0.01)


def test_stills_are_seated_anew_in_every_frame(describe):
    seats = [
        draw_head_swing(generator(seed), describe()).seat_at(0.33 * frame) for seed in range(30) for frame in range(10)
    ]
    assert np.std(seats) == pytest.approx(2.2, abs=0.4)


def test_a_still_holds_one_face(describe):
    faces = perform(generator(), describe(frames=6), None).actions
    assert len(faces) == 6
    assert set(faces) == {faces[0]}


def test_lids_are_down_as_often_as_asked(describe):
    def down(share):
        return sum(perform(generator(seed), describe(), None, share).actions[0].blink > 0 for seed in range(80))

    assert down(0.0) == 0
    assert 10 <= down(0.25) <= 32


@pytest.mark.parametrize("motion", [Motion.CALM, Motion.LIVELY])
def test_videos_blink_and_open_again(describe, motion):
    spec = describe(frames=600, seconds_between_frames=1 / 30, motion=motion, calm_seconds=2.0)
    blinks = np.array([face.blink for face in perform(generator(1), spec, None).actions])
    assert blinks.max() > 0.8
    assert 0.85 < np.mean(blinks == 0) < 0.99
    starts = np.count_nonzero((blinks[1:] > 0) & (blinks[:-1] == 0))
    assert 2 <= starts <= 14


def test_calm_faces_are_neutral_and_lively_ones_are_not(describe):
    spec = describe(frames=300, seconds_between_frames=1 / 30, motion=Motion.LIVELY, calm_seconds=2.0)
    played = perform(generator(3), spec, None)
    assert {word for word, _ in played.expressions[:60]} == {Expression.NEUTRAL}
    assert len({word for word, _ in played.expressions[60:]}) > 1
    numbers = np.array([face.numbers() for face in played.actions])
    assert not numbers[:60].any()
    assert np.abs(np.diff(numbers[:, :7], axis=0)).max() < 6  # mm in a thirtieth of a second


def test_what_is_asked_is_played(describe):
    asked = ((Expression.NEUTRAL, 0.0), (Expression.HAPPY, 0.5), (Expression.HAPPY, 1.0))
    played = perform(generator(), describe(frames=3), asked)
    assert played.expressions == asked
    rest, half, whole = (np.array(face.numbers()) for face in played.actions)
    assert not rest.any()
    assert np.allclose(2 * half, whole)
    one = perform(generator(), describe(DrawnSpecies.BONA_FIDE, frames=3), asked[2:])
    assert len(set(one.actions)) == 1


def test_a_head_turns_as_told_on_top_of_its_own_motion(describe):
    spec = describe(frames=3, seconds_between_frames=0.5, motion=Motion.CALM)
    own = draw_head_swing(generator(), spec)
    told = draw_head_swing(generator(), replace(spec, yaws=(0.0, 30.0, -10.0)))
    for seconds, yaw in ((0.0, 0), (0.25, 15), (0.5, 30), (1.0, -10), (2.0, -10)):
        before, after = own.turn_at(seconds), told.turn_at(seconds)
        assert angle(before.T @ after) == pytest.approx(abs(yaw), abs=1e-4)
        assert np.sign(round(after[0, 2] - before[0, 2], 9)) == np.sign(yaw)  # to the right of the picture


def test_lids_are_down_when_told_and_blink_of_themselves_too(describe):
    spec = describe(frames=300, seconds_between_frames=1 / 30, motion=Motion.CALM)
    lids = tuple(float(100 <= frame < 120) for frame in range(300))
    own, told = (
        [face.blink for face in perform(generator(1), each, None).actions] for each in (spec, replace(spec, lids=lids))
    )
    assert told == [max(one, other) for one, other in zip(own, lids, strict=True)]
    assert max(own) > 0
