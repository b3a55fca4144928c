"""The camera, where things stand before it, and the casting of its rays on a relief.

Camera frame: millimetres, x to the right of the picture, y up, z towards the camera, which sits in the origin and
looks along -z. A ray through pixel (row i, column j) runs along ``((j - c) / f, -(i - c) / f, -1)``, so that its
parameter *is* the depth in millimetres. Pixel centres have whole numbers.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from countenance.synthesis.noise import Floats
from countenance.synthesis.texture import X_EXTENT, Y_EXTENT

NEAR_Z, FAR_Z = 118.0, -62.0  # planes of the face frame between which a head lies
MARCH_STEPS = 16
_RAYS_AT_ONCE = 1 << 14  # what a march of these touches stays in the cache
FACE_CENTRE = (0.0, -12.0, 50.0)  # the point of the face frame that the crop is centred on


@dataclass(frozen=True)
class Pose:
    """Where an object stands: ``point in camera = rotation @ point in object + translation``.

    Attributes:
        rotation: (3, 3) float64.
        translation: (3,) float64, mm.
    """

    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    def apply(self, points: Floats) -> Floats:
        """Carry (3, n) points of the object into the camera frame."""
        return turned(self.rotation, points) + self.translation.astype(np.float32)[:, None]

    def after(self, inner: "Pose") -> "Pose":
        """The pose of an object that stands at `inner` in this object's frame."""
        return Pose(self.rotation @ inner.rotation, self.rotation @ inner.translation + self.translation)


def turned(turn: NDArray[np.float64], vectors: Floats) -> Floats:
    """Rotate (3, n) vectors; written out, so that no matrix library's number of threads can touch a bit of it."""
    matrix = turn.astype(np.float32)
    result = np.empty_like(vectors)
    for row in range(3):
        np.multiply(vectors[0], matrix[row, 0], out=result[row])
        result[row] += matrix[row, 1] * vectors[1]
        result[row] += matrix[row, 2] * vectors[2]
    return result


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """(3, 3) rotation from degrees: first yaw (to the right of the picture), then pitch (down), then roll.

    >>> np.round(rotation(90, 0, 0) @ [0, 0, 1], 9).tolist()
    [1.0, 0.0, 0.0]
    """
    (sy, sp, sr), (cy, cp, cr) = np.sin(np.radians([yaw, pitch, roll])), np.cos(np.radians([yaw, pitch, roll]))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, dtype=np.float64)


def facing(
    turn: NDArray[np.float64], at_mm: NDArray[np.float64], pivot: tuple[float, float, float] = FACE_CENTRE
) -> Pose:
    """The pose in which the object's `pivot` lies at `at_mm` of the camera frame, turned by `turn`."""
    return Pose(turn, at_mm - turn @ np.array(pivot))


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels: rows and columns from (inclusive) and to (exclusive)."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """To cut the window out of a (H, W) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class Camera:
    """A square pinhole camera of `size` pixels a side with this focal length in pixels."""

    size: int
    focal: float

    @property
    def centre(self) -> float:
        """The row, and column, of the optical axis."""
        return (self.size - 1) / 2

    @property
    def everything(self) -> Window:
        """The whole picture."""
        return Window(0, self.size, 0, self.size)

    def rays(self, window: Window, samples: int = 1) -> Floats:
        """(3, n) directions through the pixels of a window, row by row; `samples` a side within each pixel."""
        inner = (np.arange(samples) + 0.5) / samples - 0.5
        rows = (np.arange(window.top, window.bottom)[:, None] + inner).ravel() - self.centre
        columns = (np.arange(window.left, window.right)[:, None] + inner).ravel() - self.centre
        directions = np.empty((3, len(rows), len(columns)), np.float32)
        directions[0] = columns / self.focal
        directions[1] = (-rows / self.focal)[:, None]
        directions[2] = -1
        return directions.reshape(3, -1)

    def project(self, points: Floats) -> Floats:
        """(2, n) columns and rows of (3, n) points of the camera frame; points behind the camera are not caught."""
        scale = self.focal / -points[2]
        return np.stack([points[0] * scale + self.centre, self.centre - points[1] * scale]).astype(np.float32)

    def window_of(self, points: Floats, margin: int) -> Window:
        """The smallest window that holds the (3, n) points and a margin, inside the picture, at least one pixel."""
        columns, rows = self.project(points)
        low, high = 0, self.size
        top, left = (int(np.clip(np.floor(v.min()) - margin, low, high - 1)) for v in (rows, columns))
        bottom, right = (int(np.clip(np.ceil(v.max()) + margin + 1, low + 1, high)) for v in (rows, columns))
        return Window(top, max(bottom, top + 1), left, max(right, left + 1))


@dataclass(frozen=True)
class Maps:
    """Texture maps, ready to be sampled.

    Attributes:
        planes: (C, rows, columns) float32.
        x_extent, y_extent: mm at the centres of the first and last column, and of the first and last row.
    """

    planes: Floats
    x_extent: tuple[float, float] = X_EXTENT
    y_extent: tuple[float, float] = Y_EXTENT

    def sample(self, x: Floats, y: Floats, first: int = 0, last: int | None = None) -> Floats:
        """Bilinear samples (C, n) of the planes from `first` to `last` at (n,) millimetres; the border goes on."""
        grid = torch.from_numpy(np.stack([_to_grid(x, self.x_extent), _to_grid(y, self.y_extent)], -1)[None, None])
        return _sample(torch.from_numpy(self.planes[first:last]), grid)[:, 0]


def _to_grid(value: Floats, extent: tuple[float, float]) -> Floats:
    low, high = np.float32(extent[0]), np.float32(extent[1])
    return (value - low) * (np.float32(2) / (high - low)) - np.float32(1)


def _sample(planes: torch.Tensor, grid: torch.Tensor) -> Floats:
    """(C, K, n) samples of (C, rows, columns) planes on a (1, K, n, 2) grid; one batch item, hence one thread."""
    sampled = grid_sample(planes[None], grid, mode="bilinear", padding_mode="border", align_corners=True)
    return np.asarray(sampled[0].numpy(), dtype=np.float32)


class Hits(NamedTuple):
    """Where n rays meet a surface.

    Attributes:
        depth: (n,) mm along -z of the camera; of a miss, where the ray leaves the object's space.
        x, y: (n,) millimetres on the surface.
        hit: (n,) bool.
    """

    depth: Floats
    x: Floats
    y: Floats
    hit: NDArray[np.bool_]


def cast(height: Maps, pose: Pose, rays: Floats) -> Hits:
    """Find the first crossing of rays with a relief ``z = height(x, y)``: 16 samples, then two steps of regula falsi.

    The samples of all rays lie on the same planes of z between NEAR_Z and FAR_Z, so that the march is one
    `grid_sample`. A ray without a change of sign is a miss.

    Args:
        height: its plane 0 is z in mm.
        pose: of the relief.
        rays: (3, n) directions of the camera frame.
    """
    count = rays.shape[1]
    if count <= _RAYS_AT_ONCE:
        return _march(height, pose, rays)
    parts = [_march(height, pose, rays[:, at : at + _RAYS_AT_ONCE]) for at in range(0, count, _RAYS_AT_ONCE)]
    return Hits(*(np.concatenate(plane) for plane in zip(*parts, strict=True)))


def _march(height: Maps, pose: Pose, rays: Floats) -> Hits:
    origin = (-pose.rotation.T @ pose.translation).astype(np.float32)
    along = turned(pose.rotation.T, rays)
    near = (np.float32(NEAR_Z) - origin[2]) / along[2]
    far = (np.float32(FAR_Z) - origin[2]) / along[2]
    start, way = np.empty((len(near), 2), np.float32), np.empty((len(near), 2), np.float32)
    for axis, extent in ((0, height.x_extent), (1, height.y_extent)):
        start[:, axis] = _to_grid(origin[axis] + near * along[axis], extent)
        way[:, axis] = _to_grid(origin[axis] + far * along[axis], extent) - start[:, axis]
    start_t, way_t, plane = torch.from_numpy(start), torch.from_numpy(way), torch.from_numpy(height.planes[:1])
    shares = np.linspace(0, 1, MARCH_STEPS, dtype=np.float32)
    grid = torch.addcmul(start_t, way_t, torch.from_numpy(shares)[:, None, None])
    levels = np.float32(NEAR_Z) + shares * np.float32(FAR_Z - NEAR_Z)
    above = levels[:, None] - _sample(plane, grid[None])[0]  # (K, n): negative below the relief
    # The first sample below the relief, as the largest countdown among those that are: a byte a sample.
    countdown = np.arange(MARCH_STEPS, 0, -1, dtype=np.uint8)[:, None]
    left = ((above < 0) * countdown).max(axis=0).astype(np.intp)
    hit = (left > 0) & (left < MARCH_STEPS)
    first = MARCH_STEPS - np.where(hit, left, 1)
    low, high = shares.take(first - 1), shares.take(first)
    index = first * len(near) + np.arange(len(near))
    at_low, at_high = above.ravel().take(index - len(near)), above.ravel().take(index)
    for _ in range(2):
        middle = _crossing(low, high, at_low, at_high)
        there = torch.addcmul(start_t, way_t, torch.from_numpy(middle)[:, None])
        at = np.float32(NEAR_Z) + middle * np.float32(FAR_Z - NEAR_Z) - _sample(plane, there[None, None])[0, 0]
        below = at < 0
        high, at_high = np.where(below, middle, high), np.where(below, at, at_high)
        low, at_low = np.where(below, low, middle), np.where(below, at_low, at)
    share = np.where(hit, _crossing(low, high, at_low, at_high), np.float32(1))
    depth = near + share * (far - near)
    return Hits(depth, origin[0] + depth * along[0], origin[1] + depth * along[1], hit)


def _crossing(low: Floats, high: Floats, at_low: Floats, at_high: Floats) -> Floats:
    """Where the straight line between two samples is 0; the upper end where it has no fall."""
    fall = at_low - at_high
    share = np.where(fall > 1e-6, at_low / np.maximum(fall, np.float32(1e-6)), np.float32(1))
    return np.asarray(low + (high - low) * np.clip(share, 0, 1), dtype=np.float32)
