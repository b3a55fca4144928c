"""How alike two pictures are to the eye, by the two usual figures: PSNR and SSIM."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from countenance.errors import UsageError

_LEVELS = 255.0
_SIGMA, _TRUNCATE = 1.5, 3.5  # Wang et al. 2004, section III-B: a Gaussian of 1.5 in 11 x 11
_MARGIN = 5  # pixels at the edge, for which the Gaussian would need what lies outside
_C1, _C2 = (0.01 * _LEVELS) ** 2, (0.03 * _LEVELS) ** 2


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two pictures (H, W, C), in decibels; infinite where they are the same.

    Raises:
        UsageError: pictures of two shapes.
    """
    _refuse_two_shapes(one, other)
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return math.inf if error == 0 else 10 * math.log10(_LEVELS**2 / error)


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the mean structural similarity of two pictures (H, W, C), over places and channels; 1 is the same.

    Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, Image quality assessment: from error visibility to structural
    similarity, IEEE Transactions on Image Processing 13(4), 2004, Eq. 13, with population variances, without the outer
    5 pixels.

    Raises:
        UsageError: pictures of two shapes, or smaller than 11 x 11.
    """
    _refuse_two_shapes(one, other)
    if min(one.shape[:2]) <= 2 * _MARGIN:
        raise UsageError(expected="pictures of at least 11 x 11", came=f"{one.shape[:2]}", remedy="take larger ones")
    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = _smooth(x), _smooth(y)
    variance_x, variance_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)) / (
        (mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2)
    )
    inner = slice(_MARGIN, -_MARGIN)
    return float(similarity[inner, inner].mean())


def _smooth(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    sigma = (_SIGMA, _SIGMA, 0)
    return np.asarray(gaussian_filter(picture, sigma, truncate=_TRUNCATE), np.float64)


def _refuse_two_shapes(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
    if one.ndim != 3 or one.shape != other.shape:
        raise UsageError(
            expected="two pictures (H, W, C) of one shape",
            came=f"{one.shape} and {other.shape}",
            remedy="cut them alike",
        )
