"""Sheets of heat maps: every picture that a network saw, and beside it what spoke for bona fide there.

Figure 4 of K. Ito, A. Kimura, T. Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning
from a Few Frames of Face Video: a row for a presentation (bona fide, print, display), a column for a frame; the nearer
to red, the more.
"""

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.mosaic import TILE, Strip, draw_strips

_LETTER = 6  # pixels, the width of one
_HEAT_SHARE = 0.5  # of the colour in the overlay


@dataclass(frozen=True, kw_only=True, eq=False)
class ActivationCell:
    """One picture and what spoke for bona fide in it.

    Attributes:
        caption: a few letters, such as the sensor or the time.
        picture: (H, W, 3) or (H, W) uint8.
        heat: (H, W) in [0, 1].
    """

    caption: str
    picture: NDArray[np.uint8]
    heat: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class ActivationRow:
    """One presentation.

    Attributes:
        title: what it is and how it was judged.
        cells: from left to right.
    """

    title: str
    cells: tuple[ActivationCell, ...]


def write_activation_sheet(
    path: str | os.PathLike[str], rows: Sequence[ActivationRow], *, title: str, label: str = ""
) -> Path:
    """Write a sheet of heat maps as a PNG, whole or not at all.

    Args:
        path: of the file.
        rows: from top to bottom.
        title: what the sheet shows.
        label: stands over everything, such as "drawn data".

    Returns:
        The path written.

    Raises:
        UsageError: no picture, or the place cannot be written to.
    """
    if not rows or not all(row.cells for row in rows):
        raise UsageError(expected="pictures to show", came="none", remedy="name some")
    letters = 2 * TILE * max(len(row.cells) for row in rows) // _LETTER
    strips = [*_lines(f"*** {label} ***" if label else "", letters), *_lines(title, letters)]
    for row in rows:
        strips += [[], *_lines(row.title, letters)]
        strips.append([part for cell in row.cells for part in (cell.picture, overlaid(cell.picture, cell.heat))])
        strips.append([part for cell in row.cells for part in (cell.caption, "")])
    return write_atomically(path, draw_strips(strips))


def overlaid(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) with its heat in colours over it, from blue (0) to red (1).

    Args:
        picture: (H, W, 3) or (H, W) uint8.
        heat: (H, W) in [0, 1].
    """
    colours = cv2.applyColorMap((heat.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
    coloured = picture if picture.ndim == 3 else picture[..., None].repeat(3, axis=2)
    mixed = _HEAT_SHARE * colours + (1 - _HEAT_SHARE) * coloured
    return np.rint(mixed).astype(np.uint8)


def _lines(words: str, letters: int) -> list[Strip]:
    """Words over the whole width, in as many lines as they need."""
    return [[line] for line in textwrap.wrap(words, letters)]
