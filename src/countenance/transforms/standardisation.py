"""Zero mean and unit variance for each frame by itself: the input of the few-frame network."""

import numpy as np
from numpy.typing import NDArray

from countenance.errors import WrongModality


def standardise(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return each frame minus its mean, over its standard deviation, both over all pixels and channels.

    The deviation is held above 1 / sqrt(H W C), so that a frame of one colour becomes zero instead of a division by
    zero (the rule of TensorFlow's per_image_standardization).

    Args:
        frames: (..., H, W, C) uint8.

    Returns:
        (..., H, W, C) float32.

    Raises:
        WrongModality: not (..., H, W, C) uint8.
    """
    if frames.dtype != np.uint8 or frames.ndim < 3 or not frames.size:
        raise WrongModality(
            expected="frames (..., H, W, C) of uint8",
            came=f"{frames.dtype} {frames.shape}",
            remedy="standardise the pixels as they are read",
        )
    values = frames.astype(np.float32)
    axes = (-3, -2, -1)
    values -= values.mean(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32)
    deviation = np.sqrt(np.square(values).mean(axis=axes, keepdims=True, dtype=np.float64))
    values /= np.maximum(deviation, np.prod(frames.shape[-3:]) ** -0.5).astype(np.float32)
    return values
