"""Picture sheets of flow: two frames, where the points of the first one went, and what a network said.

The colour of a point is the direction of its way, its depth the length, white where nothing moves (S. Baker et al., A
Database and Evaluation Methodology for Optical Flow, IJCV 2011); the wheel at the top shows both.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.mosaic import TILE, Strip, draw_strips

_COLUMNS = ("first frame", "last frame", "true flow", "the network's")


@dataclass(frozen=True, eq=False)
class FlowPicture:
    """A row of the sheet.

    Attributes:
        words: what it is, such as "print, person 2".
        first, last: uint8 (H, W, 3).
        true, predicted: float32 (H, W, 2), pixels to the right and down.
    """

    words: str
    first: NDArray[np.uint8]
    last: NDArray[np.uint8]
    true: NDArray[np.float32]
    predicted: NDArray[np.float32]


def write_flow_sheet(path: str | os.PathLike[str], rows: Sequence[FlowPicture], *, title: str, label: str = "") -> Path:
    """Write a sheet as a PNG, whole or not at all; the longest true way of each row has the deepest colour.

    Args:
        path: of the file.
        rows: from top to bottom.
        title: what the sheet shows.
        label: stands over everything, such as "drawn data".

    Returns:
        The path written.

    Raises:
        UsageError: nothing to show, or the place cannot be written to.
    """
    if not rows:
        raise UsageError(expected="rows to show", came="none", remedy="choose some")
    strips: list[Strip] = [[f"*** {label} ***"]] if label else []
    strips += [[title], [_wheel(), "to the right: red", None, None], list(_COLUMNS)]
    for row in rows:
        longest = max(float(np.linalg.norm(row.true, axis=-1).max()), 1.0)
        error = float(np.linalg.norm(row.predicted - row.true, axis=-1).mean())
        still = float(np.linalg.norm(row.true, axis=-1).mean())
        strips.append([f"{row.words}: error {error:.2f} px, of no flow {still:.2f} px; deepest {longest:.1f} px"])
        strips.append([row.first, row.last, *(flow_colours(flow, longest) for flow in (row.true, row.predicted))])
    return write_atomically(path, draw_strips(strips))


def flow_colours(flow: NDArray[np.float32], longest: float) -> NDArray[np.uint8]:
    """Return the colours (H, W, 3) of a flow (H, W, 2); ways of `longest` pixels and more have the deepest.

    >>> flow_colours(np.array([[[0, 0], [2, 0]]], np.float32), 2.0).tolist()
    [[[255, 255, 255], [255, 0, 0]]]
    """
    degrees = np.degrees(np.arctan2(flow[..., 1], flow[..., 0])) % 360
    depth = np.clip(np.linalg.norm(flow, axis=-1) / longest, 0, 1)
    planes = np.stack([degrees, depth, np.ones_like(depth)], -1).astype(np.float32)
    return np.rint(255 * np.asarray(cv2.cvtColor(planes, cv2.COLOR_HSV2RGB))).astype(np.uint8)


def _wheel() -> NDArray[np.uint8]:
    """Every direction and length, white outside."""
    places = np.linspace(-1, 1, TILE, dtype=np.float32)
    ways = np.stack(np.meshgrid(places, places), -1)
    ways[np.linalg.norm(ways, axis=-1) > 1] = 0
    return flow_colours(ways, 1.0)
