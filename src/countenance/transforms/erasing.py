"""Random erasing: a rectangle of the picture is taken away.

Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang, Random Erasing Data Augmentation, AAAI 2020,
https://doi.org/10.1609/aaai.v34i07.7000. The paper erases each picture by itself and fills with noise or with the data
set's mean. Here one rectangle is erased from every frame of a clip and every sensor, so that motion across its border
tells nothing, and is filled with the mean of the frame and channel that it is taken from: zero after standardisation.
"""

import numpy as np
from numpy.typing import NDArray

from countenance.transforms.planes import FrameStack, Planes, changed
from countenance.transforms.rectangle import Rectangle, draw_rectangle
from countenance.vocabulary import Modality

AREA = (0.02, 0.4)  # s_l, s_h of the paper
ASPECT = (0.3, 3.3)  # r_1, and (rounded) its inverse


def draw_erasing(
    generator: np.random.Generator,
    size: tuple[int, int],
    *,
    probability: float = 0.5,
    area: tuple[float, float] = AREA,
    aspect: tuple[float, float] = ASPECT,
) -> Rectangle | None:
    """Draw what is erased from frames of `size` (H, W); None: nothing (or none of the tries fitted)."""
    if generator.random() >= probability:
        return None
    return draw_rectangle(generator, size, area=area, aspect=aspect)


def erase(planes: Planes, part: Rectangle) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes without what stood inside `part`.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """

    def fill(frames: FrameStack) -> FrameStack:
        mean = np.rint(frames.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)  # (F, 1, 1, C)
        filled = frames.copy()
        filled[:, part.rows, part.columns] = mean
        return filled

    return changed(planes, fill)
