import numpy as np
import pytest

from countenance.synthesis.identity import alike, draw_identity
from countenance.synthesis.motion import perform
from countenance.synthesis.setting import Actor, draw_setting
from countenance.synthesis.spec import DrawnSpecies, Motion, Stream
from countenance.vocabulary import Expression, Modality


def setting(spec, held=None):
    return draw_setting(spec, spec.seeds(Stream.CLIP, 2), held=held)


def test_the_crop_shows_as_many_millimetres_as_asked(describe):
    for crop in (165.0, 205.0):
        made = setting(describe(crop_mm=crop))
        assert made.camera.size * made.distance / made.camera.focal == pytest.approx(crop, abs=5)
        assert 450 <= made.distance <= 950


def test_a_small_screen_is_cropped_closer(describe):
    made = setting(describe(DrawnSpecies.REPLAY_PHONE), held=(330.0, 0.52))
    assert made.camera.size * made.distance / made.camera.focal == pytest.approx(0.52 * 176, abs=3)
    assert 330 * 0.9 <= made.distance <= 330 * 1.2


def test_only_what_is_needed_is_set_up(describe):
    assert setting(describe()).backdrop is None
    assert setting(describe(background=True)).backdrop is not None
    assert setting(describe(modalities=(Modality.RGB,))).infrared is None
    assert setting(describe(modalities=(Modality.RGB, Modality.DEPTH))).infrared is not None


def test_light_drifts_in_lively_videos_only(describe):
    still, lively = setting(describe()), setting(describe(motion=Motion.LIVELY, seconds_between_frames=0.5))
    assert still.lights(7, 1.0).colour is still.colour
    assert lively.lights(7, 0.0).colour is lively.colour
    moved = lively.lights(3, 1.0).colour
    assert not np.allclose(moved.direction, lively.colour.direction)
    assert lively.lights(0, 1.0).colour.key == pytest.approx(lively.colour.key)


def test_a_held_face_is_drawn_once(describe):
    asked = ((Expression.NEUTRAL, 0.0), (Expression.NEUTRAL, 0.0), (Expression.HAPPY, 1.0))
    spec = describe(frames=3, expressions=asked)
    actor = Actor(spec, 1, perform(np.random.default_rng(0), spec, asked))
    first, second, third = (actor.at(frame) for frame in range(3))
    assert first is second
    assert third is not first
    assert first.landmarks.shape[0] == 3
    assert 100 < first.outline.shape[1] < 1000
    assert np.abs(first.outline[2]).max() < 130
    assert actor.features(2).mouth_half[0] > actor.features(0).mouth_half[0]


def test_somebody_alike_performs_in_the_presented_persons_place_and_in_nobody_elses(describe):
    spec = describe(like=(9, 0.25))
    performance = perform(np.random.default_rng(0), spec, None)
    presented, other = (Actor(spec, number, performance).identity for number in (spec.subject, spec.subject + 1))
    mine = draw_identity(spec.subject, root=spec.root)
    assert presented == alike(mine, draw_identity(9, root=spec.root), 0.25) != mine
    assert other == draw_identity(spec.subject + 1, root=spec.root)
