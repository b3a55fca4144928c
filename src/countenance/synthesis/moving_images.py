"""Two pictures of one scene in motion, made from photographs, with the exact flow between them.

After the idea of the Flying Chairs (A. Dosovitskiy et al., FlowNet: Learning Optical Flow with Convolutional Networks,
ICCV 2015, section 4): a patch of one photograph flies over another one. Both move by an affine map and a smooth
deformation. The flow is not inverted anywhere: the *last* picture is a photograph seen through a map, and the first is
the same photograph seen through that map after the flow, so that what the first shows at p the last shows at
p + flow(p). Then each picture gets light, blur and noise of its own.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.synthesis.noise import Floats, resize
from countenance.synthesis.noise import blur as gaussian

SMALLEST = 32  # pixels a side of a photograph and of a pair
_REFLECT = cv2.BORDER_REFLECT_101


@dataclass(frozen=True, kw_only=True)
class MotionRange:
    """How far things move, for pictures of 112 pixels; other sizes are moved in proportion.

    Attributes:
        shift: largest way of the whole picture, in pixels to either side.
        patch_shift: of the patch, against the picture.
        turn_degrees: largest turn in the plane.
        stretch: largest change of length along any direction, as a share.
        ripple: largest standard deviation of the smooth deformation, in pixels.
        patches: probability that a patch flies.
    """

    shift: float = 16.0
    patch_shift: float = 12.0
    turn_degrees: float = 6.0
    stretch: float = 0.08
    ripple: float = 1.0
    patches: float = 0.8


DEFAULT_RANGE = MotionRange()


@dataclass(frozen=True, eq=False)
class MovedPair:
    """Two pictures and how each point of the first one moves.

    Attributes:
        first, last: uint8 (H, W, 3).
        flow: float32 (H, W, 2), pixels to the right and down; what is hidden in the last picture has a flow too.
    """

    first: NDArray[np.uint8]
    last: NDArray[np.uint8]
    flow: Floats


def draw_moved_pair(
    generator: np.random.Generator,
    picture: NDArray[np.uint8],
    behind: NDArray[np.uint8],
    *,
    side: int,
    motion: MotionRange = DEFAULT_RANGE,
) -> MovedPair:
    """Draw a pair.

    Args:
        generator: of all that is drawn.
        picture: uint8 (h, w, 3), at least 32 pixels a side, of the patch; of everything where none flies.
        behind: likewise, what the patch flies over.
        side: H and W of the pair, at least 32.
        motion: how far things move.

    Raises:
        UsageError: a picture or a side that is too small.
    """
    least = min(side, *picture.shape[:2], *behind.shape[:2])
    if least < SMALLEST:
        raise UsageError(expected=f"at least {SMALLEST} pixels a side", came=str(least), remedy="take larger pictures")
    scale = side / 112
    grid = _grid(side)
    under = _drawn_flow(generator, grid, motion.shift * scale, motion, scale)
    seen = _drawn_view(generator, grid, behind.shape[:2])
    first, last, flow = _seen(behind, seen, grid + under), _seen(behind, seen, grid), under
    if generator.random() < motion.patches:
        shape = _drawn_patch(generator, side)
        own = _drawn_flow(generator, grid, motion.patch_shift * scale, motion, scale) + under.mean((0, 1))
        view = _drawn_view(generator, grid, picture.shape[:2])
        there, here = shape.cover(grid + own), shape.cover(grid)
        first += there[..., None] * (_seen(picture, view, grid + own) - first)
        last += here[..., None] * (_seen(picture, view, grid) - last)
        flow = np.where(there[..., None] > 0.5, own, under)
    return MovedPair(*_developed(generator, first, last), flow.astype(np.float32))


def carried_back(last: NDArray[np.uint8], flow: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Fetch each point of the first picture from where it has gone.

    Args:
        last: (H, W, 3).
        flow: (H, W, 2).

    Returns:
        (H, W, 3) from 0 to 255, as the first picture but for light, noise and what is hidden; and (H, W), where the
        point has stayed inside the picture.
    """
    height, width = last.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    there = np.stack([columns + flow[..., 0], rows + flow[..., 1]], -1)
    inside = (there >= 0).all(-1) & (there[..., 0] <= width - 1) & (there[..., 1] <= height - 1)
    fetched = cv2.remap(
        last.astype(np.float32), there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(fetched, np.float32), inside


def _grid(side: int) -> Floats:
    """(H, W, 2) columns and rows, 0 in the middle."""
    places = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    return np.stack(np.meshgrid(places, places), -1)


def _drawn_flow(
    generator: np.random.Generator, grid: Floats, shift: float, motion: MotionRange, scale: float
) -> Floats:
    """(H, W, 2): an affine map less the identity, and a smooth deformation; most are smaller than the largest."""
    share = float(generator.random())  # of everything
    angle = share * np.radians(motion.turn_degrees) * generator.uniform(-1, 1)
    stretch = share * motion.stretch * generator.uniform(-1, 1, 3)  # along x, along y, shear
    matrix = np.array(
        [[stretch[0], stretch[2] - np.sin(angle)], [stretch[2] + np.sin(angle), stretch[1]]], np.float32
    ) + np.float32(np.cos(angle) - 1) * np.eye(2, dtype=np.float32)
    way = share * shift * generator.uniform(-1, 1, 2).astype(np.float32)
    coarse = int(generator.integers(3, 6))
    ripple = generator.normal(0, share * motion.ripple * scale * generator.random(), (coarse, coarse, 2))
    side = len(grid)
    smooth = cv2.resize(ripple.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(_turned(matrix, grid) + way + smooth, np.float32)


def _turned(matrix: Floats, points: Floats) -> Floats:
    """(H, W, 2) products of a matrix (2, 2) and points (H, W, 2)."""
    return np.asarray(cv2.transform(points, matrix), np.float32)


@dataclass(frozen=True)
class _View:
    """Where in a photograph a point of the pair is seen: ``place = matrix @ point + middle``."""

    matrix: Floats
    middle: Floats

    def places(self, points: Floats) -> Floats:
        return np.asarray(_turned(self.matrix, points) + self.middle, np.float32)


def _drawn_view(generator: np.random.Generator, grid: Floats, size: tuple[int, int]) -> _View:
    """A crop of at least six tenths of the photograph's shorter side, a little turned, perhaps mirrored."""
    share = generator.uniform(0.6, 1.0)
    step = share * min(size) / len(grid)
    angle = np.radians(generator.uniform(-15, 15))
    mirrored = -1 if generator.random() < 0.5 else 1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([mirrored, 1])
    spare = (np.array(size[::-1]) - share * min(size)) / 2
    middle = (np.array(size[::-1]) - 1) / 2 + spare * generator.uniform(-1, 1, 2)
    return _View((step * turn).astype(np.float32), middle.astype(np.float32))


def _seen(picture: NDArray[np.uint8], view: _View, points: Floats) -> Floats:
    """(H, W, 3) from 0 to 255."""
    places = view.places(points)
    seen = cv2.remap(picture, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=_REFLECT)
    return np.asarray(seen, np.float32)


@dataclass(frozen=True)
class _Patch:
    """An ellipse, or a superellipse of the fourth power, turned; its edge is a pixel soft."""

    middle: Floats
    half: Floats
    turn: Floats
    is_square: bool

    def cover(self, points: Floats) -> Floats:
        """(H, W) from 0 to 1."""
        own = _turned(self.turn / self.half[:, None], points - self.middle)
        squares = own * own
        reach = squares[..., 0] + squares[..., 1]
        if self.is_square:
            reach = np.sqrt(reach * reach - 2 * squares[..., 0] * squares[..., 1])
        return np.asarray(np.clip(0.5 + (1 - np.sqrt(reach)) * self.half.min(), 0, 1), np.float32)


def _drawn_patch(generator: np.random.Generator, side: int) -> _Patch:
    angle = generator.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle, half = side * generator.normal(0, 0.12, 2), side * generator.uniform(0.2, 0.5, 2)
    return _Patch(middle.astype(np.float32), half.astype(np.float32), turn.astype(np.float32), generator.random() < 0.5)


def _developed(
    generator: np.random.Generator, first: Floats, last: Floats
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The light of both and what it changes by between them; blur; noise."""
    side = len(first)
    contrast, balance = generator.uniform(0.6, 1.25), generator.uniform(0.85, 1.15, 3)
    blur, sigma = generator.uniform(0, 0.9), 255 * generator.uniform(0, 0.03)
    pictures = []
    grain = np.float32(sigma) * generator.standard_normal(first.shape, np.float32)
    for picture, noise in ((first, grain), (last, grain[::-1, ::-1])):
        shade = generator.normal(0, 0.06 * generator.random(), (3, 3)).astype(np.float32)
        light = contrast * (1 + generator.normal(0, 0.04)) * balance * (1 + generator.normal(0, 0.015, 3))
        shade = (1 + shade)[..., None] * light.astype(np.float32)  # (3, 3, 3): rows, columns, colours
        lit = picture * resize(shade, side, side)
        if blur > 0.3:
            lit = gaussian(lit, blur)
        pictures.append(np.asarray(cv2.convertScaleAbs(np.maximum(lit + noise, 0)), np.uint8))
    return pictures[0], pictures[1]
