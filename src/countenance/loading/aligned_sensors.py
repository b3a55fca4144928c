"""One presentation to several sensors: read, held against each other, and what is empty told from what is there.

A sensor that is covered, unplugged or out of range delivers a picture all the same: black, or of one grey. To a network
that is a face without relief or without warmth, and it has an opinion on it; so such a plane counts as a sensor that
is not there, and is never scored as if it were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.errors import WrongModality
from countenance.images import ImageLimits, read_image, read_plane
from countenance.vocabulary import Modality

_DEFAULT = ImageLimits()
# Of 15,360 drawn frames (presets paper and hard, failed depth sensors among them) none has fewer than 131 levels in any
# plane, none has a depth in less than 14 % of its pixels, and none, flat prints among them, has depths within 4 levels;
# what a covered lens makes of noise is below 16 levels.
FEWEST_LEVELS = 16
"""From the darkest hundredth of a plane to its brightest; with fewer it shows nothing."""
FEWEST_DEPTHS = 0.1
"""Share of a depth picture that must hold a measurement."""
FEWEST_STEPS = 2
"""From the lowest tenth of the measurements of a depth picture to the highest; a sensor's own error is wider."""
NO_DEPTH = 8
"""Highest grey level of a depth picture that is read as no measurement: JPEG stores 0 as up to about that."""


@dataclass(frozen=True, eq=False)
class AlignedPlanes:
    """What the sensors delivered.

    Attributes:
        planes: (H, W, C) uint8 of each sensor that showed something, C is 3 for RGB and 1 for the others.
        empty: what is wrong with each of the others, in words.
    """

    planes: Mapping[Modality, NDArray[np.uint8]]
    empty: Mapping[Modality, str]


def read_aligned(paths: Mapping[Modality, Path], *, limits: ImageLimits = _DEFAULT) -> AlignedPlanes:
    """Read the pictures of one presentation, which the sensors took at once and which lie on each other.

    Args:
        paths: a file for each sensor.
        limits: of one picture.

    Raises:
        MissingFile: a file is not there.
        UnreadableImage: a file cannot be read.
        ImageTooLarge: a file is beyond the limits.
        WrongModality: infrared or depth in colour or of 16 bits, pictures of two sizes, or one picture for two sensors.
    """
    planes = {modality: _read(path, modality, limits) for modality, path in paths.items()}
    _refuse_two_sizes(planes, paths)
    empty = {modality: why for modality, plane in planes.items() if (why := why_empty(plane, modality))}
    seen = {modality: plane for modality, plane in planes.items() if modality not in empty}
    for one, other in combinations(seen, 2):
        if (seen[one] == seen[other]).all():  # a grey plane is held against each of three colours
            raise WrongModality(
                expected="each sensor's own picture",
                came=f"the same pixels as {one} and as {other}, in {paths[one]} and {paths[other]}",
                remedy="name the picture that each sensor took",
            )
    return AlignedPlanes(seen, empty)


def why_empty(plane: NDArray[np.uint8], modality: Modality) -> str:
    """Say why a plane shows nothing, or "" where it does.

    Args:
        plane: (H, W, C).
        modality: of the sensor.

    >>> why_empty(np.zeros((8, 8, 1), np.uint8), Modality.INFRARED)
    'a picture of one grey, 0 levels from its darkest to its brightest hundredth'
    """
    low, high = np.percentile(plane, (1, 99), axis=(0, 1))  # (C,) each
    levels = float((high - low).max())
    if levels < FEWEST_LEVELS:
        return f"a picture of one grey, {levels:.0f} levels from its darkest to its brightest hundredth"
    if modality is not Modality.DEPTH:
        return ""
    measured = plane[plane > NO_DEPTH]
    if measured.size < FEWEST_DEPTHS * plane.size:
        return f"a depth in {measured.size / plane.size:.0%} of the pixels"
    near, far = np.percentile(measured, (90, 10))
    if near - far < FEWEST_STEPS:
        return "the same depth all over"
    return ""


def _read(path: Path, modality: Modality, limits: ImageLimits) -> NDArray[np.uint8]:
    if modality is Modality.RGB:
        return read_image(path, limits=limits)
    plane = read_plane(path, limits=limits)
    if plane.dtype != np.uint8:
        raise WrongModality(
            expected=f"{modality} as the grey picture of 8 bits that the network was trained on",
            came=f"16 bits, such as millimetres, in {path}",
            remedy="make the picture as that set made it; how its sensor's numbers became grey levels no file tells, "
            "so it is not guessed here",
        )
    return plane[..., None].astype(np.uint8, copy=False)


def _refuse_two_sizes(planes: Mapping[Modality, NDArray[np.uint8]], paths: Mapping[Modality, Path]) -> None:
    sizes = {modality: f"{plane.shape[1]} x {plane.shape[0]}" for modality, plane in planes.items()}
    if len(set(sizes.values())) > 1:
        raise WrongModality(
            expected="pictures of one size, as sensors that lie on each other give",
            came=", ".join(f"{size} in {paths[modality]}" for modality, size in sizes.items()),
            remedy="cut and scale all of them alike",
        )
