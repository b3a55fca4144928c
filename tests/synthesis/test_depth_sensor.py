from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.depth_sensor import draw_depth_sensor
from countenance.synthesis.noise import Noise
from countenance.synthesis.presets import HARD, PAPER

FACE = np.ones((64, 64), bool)
BRIGHT = np.full((64, 64), 0.4, np.float32)
FLAT = np.full((64, 64), 600, np.float32)


def sensor(**changes):
    drawn = draw_depth_sensor(np.random.default_rng(0), PAPER)
    return replace(drawn, **{"disparity": 0.0, "failure": 0.0, **changes})


def measure(depth=FLAT, returned=BRIGHT, seed=1, **changes):
    noise = Noise(np.random.SeedSequence(seed))
    return sensor(**changes).measure(depth, returned, FACE, 380.0, noise)


def test_without_noise_the_depth_is_the_depth():
    ramp = np.linspace(580, 620, 64, dtype=np.float32)[None].repeat(64, 0)
    measured = measure(ramp)
    assert measured.dtype == np.uint16
    assert (measured > 0).mean() > 0.99
    seen = measured > 0
    assert np.abs(measured / 8 - ramp)[seen].max() < 0.8  # half a step, and the blur of the ramp's ends
    assert np.abs(measured / 8 - ramp)[:, 4:-4][seen[:, 4:-4]].max() <= 0.0626 + 0.01


def test_noise_grows_with_the_square_of_the_distance():
    spread = [(measure(FLAT * k, BRIGHT, disparity=0.2)[5:-5, 5:-5] / 8).std() for k in (1, 2)]
    assert spread[1] / spread[0] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("returned", "low", "high"), [(0.4, 0.0, 0.01), (0.055, 0.3, 0.7), (0.002, 0.8, 1.0)])
def test_dark_surfaces_are_lost(returned, low, high):
    lost = np.mean([(measure(returned=0 * BRIGHT + np.float32(returned), seed=s) == 0).mean() for s in range(4)])
    assert low <= lost <= high


def test_nothing_is_measured_where_nothing_is_or_out_of_range():
    assert not measure(0 * FLAT).any()
    assert not measure(0 * FLAT + 1600).any()
    assert not measure(0 * FLAT + 150).any()


def test_a_nearer_thing_shadows_what_is_left_of_it():
    scene = FLAT.copy()
    scene[:, 40:] = 500
    lost = measure(scene) == 0
    # 380 * 25 * (1 / 500 - 1 / 600) = 3.2 pixels of the farther surface are hidden
    assert lost[:, 38:40].all()
    assert lost[:, :34].mean() < 0.02
    assert lost[:, 42:].mean() < 0.02


def test_edges_break_up():
    scene = FLAT.copy()
    scene[:32] = 580
    lost = measure(scene) == 0
    assert 0.25 < lost[31].mean() < 0.65
    assert lost[:30].mean() < 0.02


def test_a_failure_takes_a_third_to_two_thirds_and_bends_the_rest():
    lost, errors = [], []
    for seed in range(8):
        measured = measure(seed=seed, failure=1.0)
        lost.append((measured == 0).mean())
        errors.append((measured[measured > 0] / 8).std())
    assert 0.28 < min(lost) <= max(lost) < 0.72
    assert min(errors) > 3


def test_failures_come_as_often_as_they_should_and_shift_nothing_else():
    noise = Noise(np.random.SeedSequence(5))
    failed = sum((sensor(failure=0.3).measure(FLAT, BRIGHT, FACE, 380.0, noise) == 0).mean() > 0.2 for _ in range(150))
    assert 25 < failed < 68
    failing, sound = Noise(np.random.SeedSequence(6)), Noise(np.random.SeedSequence(6))
    sensor(failure=1.0).measure(FLAT, BRIGHT, FACE, 380.0, failing)
    sensor().measure(FLAT, BRIGHT, FACE, 380.0, sound)
    assert np.array_equal(failing.white(9), sound.white(9))


def test_the_view_is_brighter_where_nearer():
    measured = np.full((4, 4), 600 * 8, np.uint16)
    measured[0], measured[1, 0], measured[1, 1], measured[1, 2] = 590 * 8, 0, 300 * 8, 1400 * 8
    face = np.ones((4, 4), bool)
    view = sensor().view(measured, face)
    assert view[3, 3] == 128
    assert view[0, 0] == 128 + 12
    assert view[1, :3].tolist() == [0, 255, 1]
    assert not sensor().view(0 * measured, face).any()


def test_presets_reach_the_sensor():
    mean = [
        np.mean([draw_depth_sensor(np.random.default_rng(s), p).disparity for s in range(40)]) for p in (PAPER, HARD)
    ]
    assert mean[1] / mean[0] == pytest.approx(0.45 / 0.24, rel=1e-6)
    assert draw_depth_sensor(np.random.default_rng(0), HARD).levels_per_mm == HARD.depth_levels_per_mm
