"""A sheet of faces: above each the expression on it, below what a network took it for.

Figure 3 of Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face
Verification with Interactive Facial Expression-Based Liveness Detection, ICPR 2018: a block for a data set. A right
prediction has a green frame, a wrong one a red frame and a cross before its name, for those who see no red.
`protocols.expression_accuracy.choose_examples` draws what to show.
"""

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.mosaic import TILE, Strip, draw_strips

COLUMNS = 7
_LETTER = 6  # pixels, the width of one
_GAP, _FRAME = 3, 4  # pixels, around a face
_RIGHT, _WRONG = (0x2E, 0x7D, 0x32), (0xC6, 0x28, 0x28)


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedFace:
    """One face and two names for what it shows.

    Attributes:
        picture: (H, W, 3) or (H, W) uint8.
        truth: the expression on it.
        predicted: the one that the network saw.
        probability: that the network gives it; None where it is not told.
    """

    picture: NDArray[np.uint8]
    truth: str
    predicted: str
    probability: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceBlock:
    """The faces of one data set.

    Attributes:
        title: the set, and who judged.
        faces: from left to right, then down.
    """

    title: str
    faces: tuple[JudgedFace, ...]


def write_expression_sheet(
    path: str | os.PathLike[str],
    blocks: Sequence[FaceBlock],
    *,
    title: str,
    label: str = "",
    columns: int = COLUMNS,
) -> Path:
    """Write a sheet of judged faces as a PNG, whole or not at all.

    Args:
        path: of the file.
        blocks: from top to bottom.
        title: what the sheet shows.
        label: stands over everything, such as "drawn data".
        columns: faces side by side, at most.

    Returns:
        The path written.

    Raises:
        UsageError: no face, fewer than one column, or the place cannot be written to.
    """
    if not blocks or not all(block.faces for block in blocks) or columns < 1:
        came = "none" if columns > 0 else f"{columns} columns"
        raise UsageError(expected="faces to show, in one column or more", came=came, remedy="name some")
    width = max(min(columns, len(block.faces)) for block in blocks)
    letters = TILE * width // _LETTER
    strips = [*_lines(f"*** {label} ***" if label else "", letters), *_lines(title, letters)]
    for block in blocks:
        strips += [[], *_lines(block.title, letters)]
        for first in range(0, len(block.faces), columns):
            strips += _rows(block.faces[first : first + columns])
    return write_atomically(path, draw_strips(strips))


def framed(face: JudgedFace) -> NDArray[np.uint8]:
    """Return a face as a tile (TILE, TILE, 3) in its frame: green for right, red for wrong; its shape is kept."""
    inner = TILE - 2 * (_GAP + _FRAME)
    colour = _RIGHT if face.truth == face.predicted else _WRONG
    picture = Image.fromarray(face.picture).convert("RGB")
    padded = ImageOps.pad(picture, (inner, inner), Image.Resampling.LANCZOS, color="white")
    tile = ImageOps.expand(ImageOps.expand(padded, _FRAME, fill=colour), _GAP, fill="white")
    return np.asarray(tile)


def _rows(faces: Sequence[JudgedFace]) -> Iterator[Strip]:
    yield [face.truth for face in faces]
    yield [framed(face) for face in faces]
    yield [_told(face) for face in faces]
    yield []


def _told(face: JudgedFace) -> str:
    share = "" if face.probability is None else f" {face.probability:.2f}"
    return f"{'' if face.truth == face.predicted else 'x '}{face.predicted}{share}"


def _lines(words: str, letters: int) -> list[Strip]:
    """Words over the whole width, in as many lines as they need."""
    return [[line] for line in textwrap.wrap(words, letters)]
