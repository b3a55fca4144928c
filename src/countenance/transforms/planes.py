"""The pixels of one presentation, a plane for each sensor, and how a change reaches all their frames alike."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from countenance.errors import WrongModality
from countenance.vocabulary import Modality

Planes = Mapping[Modality, NDArray[np.uint8]]
"""(..., H, W, C) uint8 each, C = 3 (RGB) or 1; leading axes, such as (T,), count frames. H and W are those of all."""

FrameStack = NDArray[np.uint8]
"""(F, H, W, C): the frames of one plane in a row."""


def frame_size(planes: Planes) -> tuple[int, int]:
    """Return the H and W that all planes share.

    Raises:
        WrongModality: a plane is not (..., H, W, C) uint8 with C of 1 or 3, or is empty; or two differ in size.
    """
    sizes = {}
    for modality, plane in planes.items():
        if plane.dtype != np.uint8 or plane.ndim < 3 or plane.shape[-1] not in (1, 3) or not plane.size:
            raise WrongModality(
                expected="a plane (..., H, W, C) of uint8, C 1 or 3",
                came=f"{plane.dtype} {plane.shape} as {modality}",
                remedy="keep the axis of the channel and the 8 bits",
            )
        sizes[modality] = plane.shape[-3:-1]
    if len(set(sizes.values())) != 1:
        listed = ", ".join(f"{modality} {height} x {width}" for modality, (height, width) in sizes.items())
        raise WrongModality(
            expected="planes of one height and width", came=listed or "no plane", remedy="bring the sensors to one size"
        )
    height, width = next(iter(sizes.values()))
    return height, width


def changed(
    planes: Planes, change: Callable[[FrameStack], FrameStack], *, only: Modality | None = None
) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes whose frames went through `change`.

    Args:
        planes: of one presentation.
        change: a function from (F, H, W, C) to (F, H', W', C).
        only: the one sensor that is changed; the others are handed on as they are.

    Raises:
        WrongModality: as for `frame_size`.
    """
    frame_size(planes)
    after = dict(planes)
    for modality, plane in planes.items():
        if only in (None, modality):
            frames = change(plane.reshape(-1, *plane.shape[-3:]))
            after[modality] = frames.reshape(*plane.shape[:-3], *frames.shape[1:])
    return after
