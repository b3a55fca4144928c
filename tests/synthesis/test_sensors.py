from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.presets import EASY
from countenance.synthesis.sensors import decoded, draw_colour_sensor, draw_infrared_sensor, encoded

FACE = np.ones((24, 24), bool)


def camera(**changes):
    drawn = draw_colour_sensor(np.random.default_rng(3))
    still = {"exposure": 0.28, "balance": np.ones(3, np.float32), "smear": None, **changes}
    return replace(drawn, **still)


def test_encoding_by_hand_and_back():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(np.rint(255 * encoded(decoded(levels))), levels)
    assert encoded(np.array([0.2140], np.float32))[0] == pytest.approx(0.5, abs=1e-3)
    assert encoded(np.array([-1, 7], np.float32)) == pytest.approx([0, 1], abs=1e-3)


def test_a_grey_scene_at_the_middle_is_left_as_it_is():
    picture = camera().develop(np.full((24, 24, 3), 0.28, np.float32), FACE, np.zeros((24, 24, 3), np.float32))
    assert picture.dtype == np.uint8
    assert (picture == np.rint(255 * encoded(np.array([0.28], np.float32)))[0]).all()


def test_the_exposure_corrects_in_part():
    dark, light = (
        camera().develop(np.full((24, 24, 3), level, np.float32), FACE, np.zeros((24, 24, 3), np.float32)).mean()
        for level in (0.07, 0.28)
    )
    assert dark == pytest.approx(255 * encoded(np.array([0.07**0.25 * 0.28**0.75], np.float32))[0], abs=1)
    assert dark < light


def test_the_exposure_looks_at_the_face():
    scene = np.full((24, 24, 3), 2.0, np.float32)
    scene[8:16, 8:16] = 0.28
    face = np.zeros((24, 24), bool)
    face[8:16, 8:16] = True
    white = np.zeros((24, 24, 3), np.float32)
    assert camera().develop(scene, face, white)[12, 12, 0] == pytest.approx(144, abs=2)
    assert camera().develop(scene, np.zeros_like(face), white)[12, 12, 0] < 100


def test_noise_grows_with_the_light():
    white = np.random.default_rng(0).normal(size=(24, 24, 3)).astype(np.float32)
    scene = np.full((24, 24, 3), 0.02, np.float32)
    scene[:, 12:] = 0.5
    noisy, quiet = (decoded(camera().develop(scene, FACE, share * white)) for share in (1, 0))
    error = (noisy - quiet)[:, [0, 1, 2, 3, -4, -3, -2, -1]]
    assert error[:, 4:].std() > 1.5 * error[:, :4].std() > 0


def test_motion_blur_keeps_the_light():
    generator = np.random.default_rng(1)
    drawn = [draw_colour_sensor(generator) for _ in range(60)]
    smeared = [sensor.smear for sensor in drawn if sensor.smear is not None]
    assert 6 <= len(smeared) <= 25
    assert all(kernel.sum() == pytest.approx(1, abs=1e-5) and kernel.min() >= 0 for kernel in smeared)
    assert all(72 <= sensor.jpeg_quality <= 96 for sensor in drawn)


def test_the_infrared_gain_does_not_lift_a_black_screen():
    sensor = draw_infrared_sensor(np.random.default_rng(0), EASY)
    white = np.zeros((24, 24), np.float32)
    live, near, screen = (
        sensor.develop(np.full((24, 24), level, np.float32), FACE, white).mean() for level in (0.3, 0.6, 0.012)
    )
    assert abs(live - near) < 25
    assert screen < 0.5 * live


def test_infrared_saturates_softly():
    sensor = replace(draw_infrared_sensor(np.random.default_rng(0), EASY), follow=0.0)
    ramp = np.linspace(0, 3, 24, dtype=np.float32)[None].repeat(24, 0)
    grey = sensor.develop(ramp, FACE, np.zeros((24, 24), np.float32)).astype(int)[12]
    assert (np.diff(grey) >= 0).all()
    assert grey[-1] == 255
    assert grey[4] < 200
