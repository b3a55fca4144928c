"""The cut of a picture round a face: what a network of presentations sees of edges of paper, of screens and walls."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError

Box = tuple[float, float, float, float]


def cut_surroundings(image: NDArray[np.uint8], box: Box, *, context: float, side: int) -> NDArray[np.uint8]:
    """Cut a square round a face, no larger than the picture and wholly inside it, and bring it to one size.

    It lies on the middle of the box and is moved where it would leave the picture; it never becomes another shape, and
    shows nothing that the camera did not see.

    Args:
        image: (H, W, C).
        box: x, y, width and height of the face in pixels.
        context: how much longer than the box's longer side the square's is, at most.
        side: H and W of the cut.

    Returns:
        (side, side, C).

    Raises:
        UsageError: the box has no area or is not finite, or lies outside the picture.

    >>> cut_surroundings(np.zeros((240, 320, 3), np.uint8), (130.0, 80.0, 60.0, 80.0), context=2.0, side=112).shape
    (112, 112, 3)
    """
    left, top, width, height = box
    rows, columns = image.shape[:2]
    inside = -width < left < columns and -height < top < rows
    if not (np.isfinite(box).all() and width > 0 and height > 0 and inside):
        raise UsageError(
            expected="a box (x, y, width, height) with an area in the picture",
            came=f"{box}",
            remedy="take a found face",
        )
    length = max(1, min(math.ceil(context * max(width, height)), rows, columns))
    first_row, first_column = (
        min(max(round(start + (extent - length) / 2), 0), most - length)
        for start, extent, most in ((top, height, rows), (left, width, columns))
    )
    square = image[first_row : first_row + length, first_column : first_column + length]
    how = cv2.INTER_AREA if length > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (side, side), interpolation=how), np.uint8).reshape(side, side, -1)
