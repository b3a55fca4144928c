"""RGB without its colour: three equal channels; the other sensors have none to lose."""

import numpy as np
from numpy.typing import NDArray

from countenance.transforms.colour_jitter import grey
from countenance.transforms.planes import Planes, changed
from countenance.vocabulary import Modality


def draw_grayscale(generator: np.random.Generator, *, probability: float = 0.2) -> bool:
    """Draw whether to take the colour away."""
    return bool(generator.random() < probability)


def grayscale(planes: Planes) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes whose RGB is its own luma (ITU-R BT.601) three times.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """
    return changed(planes, lambda frames: np.repeat(grey(frames), 3, axis=-1), only=Modality.RGB)
