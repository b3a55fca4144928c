import numpy as np
import pytest

from countenance.synthesis.texture import (
    COLOUR,
    COLUMNS,
    GLOSS,
    ROWS,
    STEP,
    Z,
    bell,
    blur,
    cover,
    furrow,
    noise,
    paint,
    pair,
    ramp,
    window,
)  # fmt: skip


def test_the_whole_window_is_the_grid() -> None:
    every = window()
    assert every.x.shape == (1, COLUMNS)
    assert every.y.shape == (ROWS, 1)
    assert (every.x[0, 0], every.x[0, -1], every.y[0, 0], every.y[-1, 0]) == (-112, 112, 128, -140)
    np.testing.assert_allclose(np.diff(every.x[0]), STEP, atol=0.003)
    np.testing.assert_allclose(np.diff(every.y[:, 0]), -STEP, atol=0.005)


@pytest.mark.parametrize("box", [(-20, 31, -50, 7), (0, 1, 0, 1), (-500, 500, -500, 500), (100, 130, -150, -120)])
def test_a_window_holds_the_texels_between_its_sides(box: tuple[float, float, float, float]) -> None:
    left, right, bottom, top = box
    part, every = window(left, right, bottom, top), window()
    expected_x = every.x[(every.x >= left) & (every.x <= right)]
    expected_y = every.y[(every.y >= bottom) & (every.y <= top)]
    np.testing.assert_array_equal(part.x[0], expected_x)
    np.testing.assert_array_equal(part.y[:, 0], expected_y)
    np.testing.assert_array_equal(part.of(np.broadcast_to(every.y, (ROWS, COLUMNS)))[:, 0], expected_y)


def test_shapes_by_hand() -> None:
    axis = np.array([-2.0, 0.0, 1.0, 3.0], np.float32)
    np.testing.assert_allclose(bell(axis, 1, 2), np.exp([-9 / 8, -1 / 8, 0, -1 / 2]), rtol=1e-6)
    np.testing.assert_allclose(pair(axis, 1, 2), bell(axis, 1, 2) + bell(axis, -1, 2))
    np.testing.assert_allclose(ramp(axis, -2, 2), [0, 0.5, 0.84375, 1])
    np.testing.assert_allclose(ramp(axis, 2, -2), 1 - ramp(axis, -2, 2), atol=1e-6)
    np.testing.assert_allclose(cover(axis, 4.0), [0, 0.5, 0.75, 1])


def test_paint_and_furrow_stay_in_their_window() -> None:
    maps = np.zeros((12, ROWS, COLUMNS), np.float32)
    at = window(-10, 10, -10, 10)
    half = np.full((at.y.size, at.x.size), 0.5, np.float32)
    paint(maps, at, np.array([0.2, 0.4, 0.6, 0.8], np.float32), half, gloss=1.0)
    furrow(maps, at, 2 * half, shade=np.log(2))
    np.testing.assert_allclose(at.of(maps)[COLOUR].mean((1, 2)), [0.05, 0.1, 0.15, 0.2], rtol=1e-5)
    np.testing.assert_allclose(at.of(maps)[GLOSS], 0.5)
    np.testing.assert_allclose(at.of(maps)[Z], -1)
    at.of(maps)[:] = 0
    assert not maps.any()


def test_noise_is_repeatable_smooth_and_float32() -> None:
    first, second = (noise(np.random.default_rng(4), 8, 7) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert np.abs(np.diff(first, axis=0)).max() < 0.35 < np.ptp(first)
    assert 0.5 < np.mean([noise(np.random.default_rng(seed), 26, 22).std() for seed in range(10)]) < 1.1


def test_a_blur_keeps_the_mean_and_a_constant() -> None:
    flat = np.full((ROWS, COLUMNS), 3.0, np.float32)
    np.testing.assert_allclose(blur(flat, 6), 3, rtol=1e-6)
    spot = np.zeros((ROWS, COLUMNS), np.float32)
    spot[100, 90] = 1
    assert blur(spot, 2).sum() == pytest.approx(1, rel=1e-4)
    assert blur(spot, 2).max() < 0.06
