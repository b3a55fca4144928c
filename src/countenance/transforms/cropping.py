"""A part of the frame: drawn (the first half of a random resized crop), or its middle."""

import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.transforms.planes import Planes, changed, frame_size
from countenance.transforms.rectangle import Rectangle, draw_rectangle
from countenance.vocabulary import Modality

ASPECT = (3 / 4, 4 / 3)


def draw_crop(
    generator: np.random.Generator,
    size: tuple[int, int],
    *,
    area: tuple[float, float],
    aspect: tuple[float, float] = ASPECT,
) -> Rectangle:
    """Draw the part of the frame that is kept.

    Args:
        generator: of the draws.
        size: H and W of the frame in pixels.
        area: least and most share of the frame's area.
        aspect: least and most width over height.

    Returns:
        A rectangle inside the frame; where none of the tries fits, the largest in its middle with an allowed ratio.
    """
    drawn = draw_rectangle(generator, size, area=area, aspect=aspect)
    if drawn is not None:
        return drawn
    height, width = size
    across, down = min(width, round(height * aspect[1])), min(height, round(width / aspect[0]))
    return middle(size, (max(down, 1), max(across, 1)))


def middle(size: tuple[int, int], inner: tuple[int, int]) -> Rectangle:
    """Return the rectangle of `inner` height and width in the middle of a frame of `size`.

    Raises:
        UsageError: it does not fit.

    >>> middle((125, 125), (112, 112))
    Rectangle(top=6, left=6, height=112, width=112)
    """
    if min(inner) < 1 or inner[0] > size[0] or inner[1] > size[1]:
        raise UsageError(
            expected=f"a part of {size[0]} x {size[1]} pixels",
            came=f"{inner[0]} x {inner[1]}",
            remedy="resize the frames first",
        )
    return Rectangle((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, *inner)


def crop(planes: Planes, part: Rectangle) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes cut down to one part.

    Args:
        planes: (..., H, W, C) each.
        part: what is kept.

    Raises:
        UsageError: the part reaches outside the frame.
        WrongModality: as for `planes.frame_size`.
    """
    height, width = frame_size(planes)
    inside = 0 <= part.top < part.top + part.height <= height and 0 <= part.left < part.left + part.width <= width
    if not inside:
        raise UsageError(
            expected=f"a part of a frame of {height} x {width} pixels", came=f"{part}", remedy="draw it for that size"
        )
    return changed(planes, lambda frames: frames[:, part.rows, part.columns])
