"""The grid on which a head is drawn, and the few shapes that it is drawn with.

180 columns by 216 rows of 1.25 mm; row 0 is the top. Everything is float32: a float64 scalar of NumPy among the
operands would silently double the cost of all that follows, so scalars here are Python's.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Values = NDArray[np.floating[Any]]  # what a type checker makes of float32 arithmetic; at run time all are float32

CHANNELS = ("z", "red", "green", "blue", "near", "gloss", "alpha", "face", "hair", "ao", "nx", "ny")
Z, GLOSS, ALPHA, FACE, HAIR, AO, NX, NY = 0, 5, 6, 7, 8, 9, 10, 11
COLOUR = slice(1, 5)
ROWS, COLUMNS = 216, 180
X_EXTENT = (-112.0, 112.0)  # mm: centres of the first and the last column
Y_EXTENT = (128.0, -140.0)  # mm: centres of the first (top) and the last row
STEP = 1.25  # mm, nearly: 224 / 179 across, 268 / 215 down
BACKGROUND_Z = -70.0


@dataclass(frozen=True)
class Window:
    """A rectangle of the grid: where it lies, and the coordinates of its texels in mm.

    Attributes:
        rows, columns: its slices of the grid.
        x: (1, W).
        y: (H, 1).
    """

    rows: slice
    columns: slice
    x: Map
    y: Map

    def of(self, maps: Map) -> Map:
        """The view of (..., 216, 180) maps that lies under the window."""
        return maps[..., self.rows, self.columns]


def window(left: float = -112, right: float = 112, bottom: float = -140, top: float = 128) -> Window:
    """The texels between these coordinates (mm), ends included as far as the grid goes."""
    x = np.linspace(*X_EXTENT, COLUMNS, dtype=np.float32)
    y = np.linspace(*Y_EXTENT, ROWS, dtype=np.float32)
    columns = slice(*np.searchsorted(x, (left, right)).tolist())
    if right >= X_EXTENT[1]:
        columns = slice(columns.start, COLUMNS)
    rows = slice(*np.searchsorted(-y, (-top, -bottom)).tolist())
    if bottom <= Y_EXTENT[1]:
        rows = slice(rows.start, ROWS)
    return Window(rows, columns, x[None, columns], y[rows, None])


def bell(axis: Values, centre: float, sigma: float) -> Map:
    """A Gaussian of height 1 along an axis; the product of one in x and one in y is a bump."""
    scaled = (axis - centre) * (1 / sigma)
    return np.asarray(np.exp(-0.5 * scaled * scaled), np.float32)


def pair(axis: Values, centre: float, sigma: float) -> Map:
    """Two Gaussians, mirrored about 0."""
    return bell(axis, centre, sigma) + bell(axis, -centre, sigma)


def ramp(values: Values, low: float, high: float) -> Map:
    """0 below `low`, 1 above `high`, smooth between (either may be the larger)."""
    share = np.clip((values - low) * (1 / (high - low)), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def cover(distance: Values, width: float = STEP) -> Map:
    """How much of a texel lies on the positive side of an edge, `distance` mm away from it."""
    return np.asarray(np.clip(distance * (1 / width) + 0.5, 0, 1), np.float32)


def noise(generator: np.random.Generator, rows: int, columns: int) -> Map:
    """(216, 180) smooth noise of unit spread, with this many knots down and across."""
    knots = generator.standard_normal((rows, columns), np.float32)
    return np.asarray(cv2.resize(knots, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC), np.float32)


def blur(values: Map, sigma_texels: float) -> Map:
    """A Gaussian blur; the border is held."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_texels, borderType=cv2.BORDER_REPLICATE), np.float32)


def paint(maps: Map, at: Window, colour: Values, opacity: Values, gloss: float | None = None) -> None:
    """Lay a colour, (4,) or (4, H, W), over what is there, as far as it is opaque, (H, W)."""
    if colour.ndim == 1:
        colour = colour[:, None, None]
    under = at.of(maps)
    under[COLOUR] += opacity * (colour - under[COLOUR])
    if gloss is not None:
        under[GLOSS] += opacity * (gloss - under[GLOSS])


def furrow(maps: Map, at: Window, depth: Values, shade: float = 0.16) -> None:
    """Press a fold into the skin: lower it by `depth` mm, (H, W), and darken it a little."""
    under = at.of(maps)
    under[Z] -= depth
    under[COLOUR] *= np.exp(-shade * depth)
