import numpy as np
import pytest

from countenance.synthesis.noise import Noise, blur, resize


def test_white_noise_is_standard_normal():
    drawn = Noise(np.random.SeedSequence(1)).white(400, 400)
    assert drawn.dtype == np.float32
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    assert drawn.std() == pytest.approx(1, abs=0.01)
    assert np.mean(np.abs(drawn) > 1.96) == pytest.approx(0.05, abs=0.003)
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.01


def test_a_seed_repeats_and_goes_on():
    first, second = (Noise(np.random.SeedSequence(4)) for _ in range(2))
    again = first.white(5, 7)
    assert np.array_equal(again, second.white(5, 7))
    assert not np.array_equal(first.white(5, 7), again)


def test_smooth_noise_varies_slowly():
    field = Noise(np.random.SeedSequence(2)).smooth(80, 60, cells=(4, 3))
    assert field.shape == (80, 60)
    assert field.dtype == np.float32
    assert np.abs(np.diff(field, axis=0)).max() < 0.3 * np.ptp(field)


def test_a_blur_of_nothing_changes_nothing():
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert blur(plane, 0) is plane
    assert np.allclose(blur(np.full((9, 9), 3, np.float32), 2), 3)


def test_resizing_aligns_areas():
    ramp = np.arange(8, dtype=np.float32)[None].repeat(4, 0)
    assert np.allclose(resize(ramp, 4, 16)[0, 1:-1], np.arange(14) / 2 + 0.25, atol=1e-6)
