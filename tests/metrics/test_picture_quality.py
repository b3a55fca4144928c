"""PSNR and SSIM: by hand, by a slow second implementation, and by refusal."""

import math

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.metrics.picture_quality import psnr, ssim


@pytest.fixture
def picture():
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)


def test_psnr_by_hand(picture):
    assert psnr(picture, picture) == math.inf
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr(black, black + np.uint8(8)) == pytest.approx(20 * math.log10(255 / 8))


def test_ssim_by_a_slow_second_implementation(picture):
    other = np.clip(picture.astype(int) + np.random.default_rng(6).integers(-30, 31, picture.shape), 0, 255)
    other = other.astype(np.uint8)
    places = np.arange(-5, 6)
    row = np.exp(-(places**2) / (2 * 1.5**2))
    window = np.outer(row, row) / row.sum() ** 2
    found = []
    for channel in range(3):
        x, y = picture[..., channel].astype(float), other[..., channel].astype(float)
        for top in range(24 - 10):
            for left in range(20 - 10):
                a, b = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                var_a, var_b = (window * a * a).sum() - mean_a**2, (window * b * b).sum() - mean_b**2
                both = (window * a * b).sum() - mean_a * mean_b
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                found.append(
                    (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
                )
    assert ssim(picture, other) == pytest.approx(np.mean(found), abs=1e-9)
    assert ssim(picture, picture) == pytest.approx(1)


def test_what_cannot_be_compared(picture):
    with pytest.raises(UsageError, match="of one shape"):
        psnr(picture, picture[1:])
    with pytest.raises(UsageError, match="of one shape"):
        ssim(picture, picture[..., :1])
    with pytest.raises(UsageError, match="at least 11 x 11"):
        ssim(picture[:10], picture[:10])
