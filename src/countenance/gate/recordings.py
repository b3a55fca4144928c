"""A clip with what the other sensors saw: infrared and depth, frame for frame.

A plane for each frame of the clip lies in a video file, or in a folder of pictures in the order of their names (2 comes
before 10). Pictures keep depth as it was measured, where 0 means no data; most codecs of video do not.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.clips import ClipReader
from countenance.errors import MissingFile, WrongModality
from countenance.images import read_plane
from countenance.vocabulary import Modality

_GREY_LEVELS = 4  # by which the channels of grey differ after a codec that rounds colour
_DIGITS = re.compile(r"(\d+)")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Files of one recording.

    Attributes:
        clip: the video file in colour.
        infrared: a video file, or a folder of pictures, with a plane for each frame of the clip; None without one.
        depth: likewise, nearer is brighter.
    """

    clip: str | os.PathLike[str]
    infrared: str | os.PathLike[str] | None = None
    depth: str | os.PathLike[str] | None = None

    @property
    def sensors(self) -> dict[Modality, Path]:
        """Where the planes of each sensor lie that was recorded."""
        given = {Modality.INFRARED: self.infrared, Modality.DEPTH: self.depth}
        return {modality: Path(place) for modality, place in given.items() if place is not None}

    def frames(self) -> Iterator[tuple[float, Pixels, dict[str, NDArray[np.uint8]]]]:
        """Yield of each frame when it is shown, (H, W, 3) uint8 RGB, and (H, W) of each other sensor by its name.

        Raises:
            MissingFile, UnreadableImage, ImageTooLarge, TooFewFrames: as for `ClipReader` and `read_plane`.
            WrongModality: more or fewer planes than frames, or planes in colour.
        """
        reader = ClipReader(self.clip)
        seconds = reader.timeline.seconds.tolist()
        planes = {str(modality): _planes(place, modality, len(seconds)) for modality, place in self.sensors.items()}
        for moment, pixels, *others in zip(seconds, reader, *planes.values(), strict=False):
            yield moment, pixels, dict(zip(planes, others, strict=True))


def _planes(place: Path, modality: Modality, count: int) -> Iterator[NDArray[np.uint8]]:
    """Return the planes of one sensor.

    Raises:
        MissingFile: nothing is there.
        WrongModality: there are not as many as frames.
    """
    if not place.exists():
        raise MissingFile(
            expected=f"{modality} as a video file or a folder of pictures", came=f"nothing at {place}", remedy="name it"
        )
    if place.is_dir():
        files = sorted((file for file in place.iterdir() if not file.name.startswith(".")), key=_in_order)
        _refuse_skew(len(files), count, modality, place)
        return map(_picture, files)
    reader = ClipReader(place)
    _refuse_skew(reader.timeline.count, count, modality, place)
    return (_grey(pixels, place) for pixels in reader)


def _refuse_skew(planes: int, frames: int, modality: Modality, place: Path) -> None:
    if planes != frames:
        raise WrongModality(
            expected=f"{modality} for each of the clip's {frames:,} frames",
            came=f"{planes:,} planes in {place}",
            remedy="record both at one rate, and write each of its frames",
        )


def _in_order(file: Path) -> list[tuple[bool, int, str]]:
    """Sort numbers within names as numbers."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in _DIGITS.split(file.name)]


def _picture(file: Path) -> NDArray[np.uint8]:
    plane = read_plane(file)
    if plane.dtype != np.uint8:
        raise WrongModality(
            expected="planes of 8 bits",
            came=f"16 bits in {file}",
            remedy="scale them to 8 bits as the network's training set did",
        )
    return plane.astype(np.uint8, copy=False)


def _grey(pixels: Pixels, place: Path) -> NDArray[np.uint8]:
    """Return the light of a frame (H, W, 3), which is grey."""
    if int(np.ptp(pixels, axis=2).max()) > _GREY_LEVELS:
        raise WrongModality(
            expected="planes of an infrared or depth sensor, in grey",
            came=f"colour in {place}",
            remedy="name the sensor's own clip, not the colour picture nor a coloured map of depth",
        )
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
