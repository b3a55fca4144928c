"""The face chip: one picture of a face that holds the window of every recogniser, so that an attack has one variable.

Its five points lie where the template of ArcFace has them, 1.2 times as large, in 160 x 160 pixels. On LFW a chip is
about as wide as YuNet's box is high, times 1.25: FaceNet sees all of it, the others a window that is sampled from it.
A budget of 8 / 255 is one of the pixels of the chip.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.faces.alignment import TEMPLATE_112, refuse_other_faces, similarity
from countenance.faces.detection import Face, rgb_image

CHIP: Final = 160
_SCALE = 1.2  # pixels of the chip for one of the template's
_CORNER = (-32 / 3, -1.0)  # x, y of the chip's upper left corner in the template's pixels, from its own corner
CHIP_TEMPLATE: Final = tuple(
    ((x + 0.5 - _CORNER[0]) * _SCALE - 0.5, (y + 0.5 - _CORNER[1]) * _SCALE - 0.5) for x, y in TEMPLATE_112
)
"""x, y of the five points in a chip, the middle of its upper left pixel at (0, 0)."""

Template = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Window:
    """An upright rectangle of the chip, sampled to the size that a network reads.

    Attributes:
        left: edge in pixels of the chip; 0 is the outer edge of the first pixel.
        top: likewise.
        width: in pixels of the chip.
        height: likewise.
        rows: of what is sampled.
        columns: likewise.
    """

    left: float = 0.0
    top: float = 0.0
    width: float = float(CHIP)
    height: float = float(CHIP)
    rows: int = CHIP
    columns: int = CHIP

    @property
    def is_whole(self) -> bool:
        """Whether the window is the chip as it is."""
        return self == Window()

    @property
    def is_inside(self) -> bool:
        """Whether the window lies in the chip."""
        ends = self.left + self.width, self.top + self.height
        return min(self.left, self.top) >= 0 and max(ends) <= CHIP

    def row_weights(self) -> NDArray[np.float32]:
        """Return the share of each row of the chip in each row that is sampled, (rows, 160), bilinear."""
        return _weights(self.top, self.height, self.rows)

    def column_weights(self) -> NDArray[np.float32]:
        """Return the share of each column of the chip in each column that is sampled, (columns, 160), bilinear."""
        return _weights(self.left, self.width, self.columns)


def window(template: Template, *, rows: int, columns: int) -> Window:
    """Return the window in which the five points lie where a network's template has them.

    The scale and the shift are those of least squares; both templates are upright.

    Args:
        template: x, y of the five points in the network's input, the middle of its upper left pixel at (0, 0).
        rows: of the network's input.
        columns: likewise.

    >>> whole = window(CHIP_TEMPLATE, rows=160, columns=160)
    >>> abs(whole.left) < 1e-9, abs(whole.width - 160) < 1e-9
    (True, True)
    """
    ours, theirs = np.array(CHIP_TEMPLATE) + 0.5, np.array(template) + 0.5  # from the outer edge
    centred = ours - ours.mean(0), theirs - theirs.mean(0)
    scale = float((centred[1] ** 2).sum() / (centred[0] * centred[1]).sum())  # the network's pixels for one of ours
    left, top = (ours.mean(0) - theirs.mean(0) / scale).tolist()
    return Window(left=left, top=top, width=columns / scale, height=rows / scale, rows=rows, columns=columns)


ALIGNED: Final = window(TEMPLATE_112, rows=112, columns=112)
"""What networks see that take faces aligned to the template of ArcFace."""


def cut_chip(image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Cut a face's chip out of a photograph.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: found in it.

    Returns:
        (160, 160, 3) uint8 RGB; the photograph's edge is repeated where the chip reaches over it.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
        NoFace: the points coincide or are not finite.
    """
    matrix = similarity(face.points, CHIP_TEMPLATE)
    chip = cv2.warpAffine(
        rgb_image(image), matrix, (CHIP, CHIP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(chip, np.uint8)


def put_back(image: NDArray[np.uint8], face: Face, chip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a photograph with a changed chip in the place of its own.

    What is warped back is the chip's difference from the photograph's own chip, so that an unchanged chip leaves the
    photograph as it is, however fine its pixels are.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: found in it; the chip was cut by it.
        chip: (160, 160, 3) uint8 RGB.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
        UsageError: the chip has another shape or type.
        NoFace: the points coincide or are not finite.
    """
    change = as_chips(chip[None])[0].astype(np.float32) - cut_chip(image, face)
    matrix = similarity(face.points, CHIP_TEMPLATE)
    height, width = image.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(change, matrix, (width, height), flags=flags)  # nothing where the chip does not reach
    return np.asarray(np.clip(np.rint(image + warped), 0, 255), np.uint8)


def as_chips(chips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `chips` when they are (N, 160, 160, 3) uint8, N at least 1.

    Raises:
        UsageError: another shape or type, or no chip at all.
    """
    refuse_other_faces(chips, CHIP)
    return chips


def _weights(start: float, length: float, count: int) -> NDArray[np.float32]:
    places = np.clip(start + (np.arange(count) + 0.5) * (length / count) - 0.5, 0, CHIP - 1)
    lower = np.minimum(places.astype(np.intp), CHIP - 2)
    share = (places - lower).astype(np.float32)
    weights = np.zeros((count, CHIP), np.float32)
    weights[np.arange(count), lower] = 1 - share
    weights[np.arange(count), lower + 1] = share
    return weights
