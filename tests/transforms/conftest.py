"""One random picture in three sensors, still and as a clip, smooth enough to be resampled."""

import cv2
import numpy as np
import pytest

from countenance.vocabulary import Modality

SENSORS = tuple(Modality)


def smooth(generator, *shape):
    coarse = generator.integers(0, 256, (*shape[:-3], shape[-3] // 8, shape[-2] // 8, shape[-1]), np.uint8)
    frames = [
        cv2.resize(frame, (shape[-2], shape[-3]), interpolation=cv2.INTER_CUBIC).reshape(shape[-3:])
        for frame in coarse.reshape(-1, *coarse.shape[-3:])
    ]
    return np.stack(frames).reshape(shape)


@pytest.fixture
def generator():
    return np.random.default_rng(11)


@pytest.fixture
def copies(generator):
    """The same RGB clip of 2 frames of 96 x 120 as each of three sensors."""
    clip = smooth(generator, 2, 96, 120, 3)
    return {sensor: clip.copy() for sensor in SENSORS}


@pytest.fixture
def sensors(generator):
    """Still planes of 96 x 120, RGB and two of one channel."""
    return {sensor: smooth(generator, 96, 120, 3 if sensor is Modality.RGB else 1) for sensor in SENSORS}
