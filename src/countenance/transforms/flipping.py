"""Left and right exchanged."""

import numpy as np
from numpy.typing import NDArray

from countenance.transforms.planes import Planes, changed
from countenance.vocabulary import Modality


def draw_flip(generator: np.random.Generator, *, probability: float = 0.5) -> bool:
    """Draw whether to flip."""
    return bool(generator.random() < probability)


def flip(planes: Planes) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes mirrored left to right.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """
    return changed(planes, lambda frames: frames[:, :, ::-1])
