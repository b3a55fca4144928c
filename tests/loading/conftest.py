"""A few samples of three sensors, written as a data set would."""

import cv2
import numpy as np
import pytest
from PIL import Image

from countenance.loading.pictures import Entry
from countenance.vocabulary import Modality

COUNT = 11


def smooth(seed, height, width, channels):
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, channels), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)


@pytest.fixture
def entries(tmp_path):
    """Stills of 40 x 48: RGB as JPEG, infrared as grey JPEG, depth as PNG; the label is the number modulo 3."""
    made = []
    for number in range(COUNT):
        paths = {}
        for place, (sensor, suffix) in enumerate(zip(Modality, (".jpg", ".jpg", ".png"), strict=True)):
            pixels = smooth(3 * number + place, 40, 48, 3 if sensor is Modality.RGB else 1)
            paths[sensor] = tmp_path / "set" / f"{number}_{sensor}{suffix}"
            paths[sensor].parent.mkdir(exist_ok=True)
            Image.fromarray(pixels.squeeze()).save(paths[sensor], quality=90)
        made.append(Entry(identifier=f"sample{number}", paths=paths, label=number % 3))
    return made
