"""Pictures and words in columns, on one PNG."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

TILE = 112  # pixels, a side
LINE = 14  # pixels, the height of a strip of words

Strip = Sequence[str | NDArray[np.uint8] | None]
"""What stands side by side, a cell for each column: words, a picture (H, W, 3) or (H, W), or nothing."""


def draw_strips(strips: Sequence[Strip]) -> bytes:
    """Lay strips out from top to bottom, columns of `TILE` pixels, as wide as the longest strip.

    Words run on over the columns to their right, and are cut off at the edge of the sheet.

    Args:
        strips: at least one that is not empty; one without a picture is a line high.

    Returns:
        A PNG file.
    """
    heights = [TILE if any(isinstance(cell, np.ndarray) for cell in strip) else LINE for strip in strips]
    sheet = Image.new("RGB", (TILE * max(map(len, strips)), sum(heights)), "white")
    words, top = ImageDraw.Draw(sheet), 0
    for strip, height in zip(strips, heights, strict=True):
        for column, cell in enumerate(strip):
            if isinstance(cell, str):
                words.text((TILE * column + 2, top + 1), cell, fill="black")
            elif cell is not None:
                tile = Image.fromarray(cell).convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)
                sheet.paste(tile, (TILE * column, top))
        top += height
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()
