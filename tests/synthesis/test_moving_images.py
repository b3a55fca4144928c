"""Moved pairs: what the first picture shows at p, the last one shows at p + flow(p)."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.synthesis import moving_images
from countenance.synthesis.moving_images import DEFAULT_RANGE, SMALLEST, MotionRange, carried_back, draw_moved_pair

STILL = MotionRange(shift=0, patch_shift=0, turn_degrees=0, stretch=0, ripple=0, patches=0)


def textured(seed=0, side=150):
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float32)
    return np.clip(128 + 6 * (smooth - smooth.mean()), 0, 255).astype(np.uint8)


@pytest.fixture
def undeveloped(monkeypatch):
    """Pairs without light, blur or noise of their own."""
    monkeypatch.setattr(
        moving_images, "_developed", lambda _generator, *pictures: tuple(np.rint(p).astype(np.uint8) for p in pictures)
    )


def drawn(seed, motion=DEFAULT_RANGE, side=112):
    return draw_moved_pair(np.random.default_rng(seed), textured(1), textured(2), side=side, motion=motion)


@pytest.mark.usefixtures("undeveloped")
def test_the_flow_is_exact():
    for seed in range(8):
        pair = drawn(seed, replace(DEFAULT_RANGE, patches=0))
        carried, inside = carried_back(pair.last, pair.flow)
        moved = np.abs(pair.first - pair.last.astype(np.float32))[inside].mean()
        left = np.abs(pair.first - carried)[inside]
        assert left.mean() < 1.5, seed  # of 256 levels: three interpolations and two roundings
        assert moved > 5 * left.mean() or np.abs(pair.flow).mean() < 1


@pytest.mark.usefixtures("undeveloped")
def test_with_a_patch_all_but_the_hidden_and_the_edges_is_found_again():
    for seed in range(8):
        pair = drawn(seed, replace(DEFAULT_RANGE, patches=1))
        carried, inside = carried_back(pair.last, pair.flow)
        wrong = np.abs(pair.first - carried).max(-1)[inside] > 20
        assert wrong.mean() < 0.35
        assert np.median(np.abs(pair.first - carried)[inside]) < 2


@pytest.mark.usefixtures("undeveloped")
def test_a_shift_by_hand(monkeypatch):
    monkeypatch.setattr(
        moving_images, "_drawn_flow", lambda _generator, grid, *_: np.zeros_like(grid) + np.array([5, -3], np.float32)
    )
    pair = drawn(0, STILL)
    assert (pair.flow == [5, -3]).all()
    assert np.abs(pair.first[40:80, 40:80].astype(int) - pair.last[37:77, 45:85]).max() <= 3  # 1/32 pixel


@pytest.mark.usefixtures("undeveloped")
def test_without_motion_the_pictures_are_one():
    pair = drawn(3, STILL)
    assert not pair.flow.any()
    assert np.array_equal(pair.first, pair.last)


def test_light_and_noise_change_the_pictures_and_not_the_flow():
    pair = drawn(3, STILL)
    assert not pair.flow.any()
    assert 0 < np.abs(pair.first.astype(int) - pair.last).mean() < 60


def test_the_same_seed_gives_the_same_pair_and_motion_grows_with_the_picture():
    one, other = drawn(4), drawn(4)
    assert np.array_equal(one.first, other.first)
    assert np.array_equal(one.flow, other.flow)
    assert one.first.shape == (112, 112, 3)
    assert one.first.dtype == np.uint8
    assert one.flow.dtype == np.float32
    large = drawn(4, side=224)
    assert np.abs(large.flow).mean() == pytest.approx(2 * np.abs(one.flow).mean(), rel=0.1)


def test_small_and_large_motion_is_drawn():
    sizes = [np.linalg.norm(drawn(seed).flow, axis=-1).mean() for seed in range(40)]
    assert min(sizes) < 2
    assert max(sizes) > 10


def test_pictures_that_are_too_small():
    small = np.zeros((SMALLEST - 1, 90, 3), np.uint8)
    with pytest.raises(UsageError, match="at least 32 pixels a side; came 31"):
        draw_moved_pair(np.random.default_rng(0), small, textured(), side=112)
    with pytest.raises(UsageError, match="came 8"):
        draw_moved_pair(np.random.default_rng(0), textured(), textured(), side=8)
