"""One sample's files to the pixels of its sensors, as fast as an exact decoder goes.

A JPEG goes through simplejpeg (libjpeg-turbo with the exact transform and smooth upsampling, the same numbers as
Pillow's) when it is of the plain kind: baseline, one scan, no EXIF block that might turn it. Every other file, and
every file that this way stumbles over, goes through `images`, so that limits, refusals and their words are the same.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray

from countenance.clips import read_clip
from countenance.errors import UsageError, WrongModality
from countenance.images import ImageLimits, read_image, read_plane
from countenance.transforms.resizing import resized
from countenance.vocabulary import Modality

_DEFAULT = ImageLimits()
# Baseline frame; tables of Huffman codes and quantisation; restart interval; what applications and people add.
_PLAIN_SEGMENTS = frozenset({0xC0, 0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is loaded for one sample.

    Attributes:
        identifier: of the sample, for messages and for the digest of a list.
        paths: a file for each sensor.
        label: the class that training is told.
        frames: numbers of the frames, when the files are clips; None for pictures.
        box: x, y, width, height in pixels of what is cut out before anything else; None: the whole picture.
    """

    identifier: str
    paths: Mapping[Modality, Path]
    label: int
    frames: tuple[int, ...] | None = None
    box: tuple[int, int, int, int] | None = None


class PlaneSource(Protocol):
    """Anything that hands out the pixels of numbered samples."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) the class of each sample."""
        ...

    def __len__(self) -> int:
        """How many samples."""
        ...

    def gather(self, numbers: NDArray[np.intp]) -> dict[Modality, NDArray[np.uint8]]:
        """Return (B, H, W, C), or (B, T, H, W, C) of clips, for the samples of these numbers, in this order."""
        ...


@dataclass(frozen=True, eq=False)
class FilePlanes:
    """Samples that are decoded each time they are asked for.

    Attributes:
        entries: of one kind: the same sensors, and the same number of frames.
        size: H and W that every picture is resized to; None: as it is, which must be one size for a batch.
        limits: of one picture.
    """

    entries: Sequence[Entry]
    size: tuple[int, int] | None
    limits: ImageLimits = _DEFAULT

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,) the class of each sample."""
        return np.array([entry.label for entry in self.entries], np.int64)

    def gather(self, numbers: NDArray[np.intp]) -> dict[Modality, NDArray[np.uint8]]:
        """Return (B, H, W, C), or (B, T, H, W, C) of clips, for the samples of these numbers, in this order."""
        samples = map(
            partial(load, size=self.size, limits=self.limits), map(self.entries.__getitem__, numbers.tolist())
        )
        return stacked(samples, len(numbers))


def stacked(samples: Iterable[Mapping[Modality, NDArray[np.uint8]]], count: int) -> dict[Modality, NDArray[np.uint8]]:
    """Return the planes of `count` samples, one array (count, ...) for each sensor.

    Each is copied to its place as it comes: to keep them all until the last has come costs a tenth of the time.

    Raises:
        WrongModality: they have not the same sensors, or a sensor's planes differ in shape.
    """
    first: Mapping[Modality, NDArray[np.uint8]] = {}
    batch: dict[Modality, NDArray[np.uint8]] = {}
    for place, sample in enumerate(samples):
        if not batch:
            first = sample
            batch = {modality: np.empty((count, *plane.shape), np.uint8) for modality, plane in sample.items()}
        check_alike(sample, first, name=f"sample {place} of the batch")
        for modality, plane in sample.items():
            batch[modality][place] = plane
    return batch


def check_alike(
    planes: Mapping[Modality, NDArray[np.uint8]], first: Mapping[Modality, NDArray[np.uint8]], *, name: str
) -> None:
    """Hold the planes of a sample against those of the first one.

    Raises:
        WrongModality: other sensors, another size or another number of frames.
    """
    if list(planes) == list(first) and all(plane.shape == first[modality].shape for modality, plane in planes.items()):
        return
    expected, came = ({modality.value: plane.shape for modality, plane in each.items()} for each in (first, planes))
    raise WrongModality(
        expected=f"planes as of the first sample, {expected}",
        came=f"{came} in {name}",
        remedy="name a size to resize to, and give each sample the same sensors and number of frames",
    )


def load(
    entry: Entry, *, size: tuple[int, int] | None = None, limits: ImageLimits = _DEFAULT
) -> dict[Modality, NDArray[np.uint8]]:
    """Decode, cut out and resize the planes of one sample.

    Args:
        entry: the sample.
        size: H and W to resize to; None: as it is.
        limits: of one picture; a clip has its own.

    Returns:
        For each sensor (H, W, C) uint8, or (T, H, W, C) of a clip; C is 3 for RGB and 1 for the others.

    Raises:
        MissingFile: a file is not there.
        UnreadableImage: a file cannot be read.
        ImageTooLarge: a file is beyond the limits.
        WrongModality: a plane of infrared or depth is in colour, or has 16 bits.
        TooFewFrames: a clip is shorter than the entry says.
        UsageError: the box lies outside the picture.
    """
    return {modality: _load_plane(entry, modality, size, limits) for modality in entry.paths}


def decode(
    path: str | os.PathLike[str], modality: Modality = Modality.RGB, *, limits: ImageLimits = _DEFAULT
) -> NDArray[np.uint8]:
    """Read a picture as `images.read_image` or `images.read_plane` does, only faster where it is a plain JPEG.

    Returns:
        (H, W, 3) RGB, or (H, W, 1) for another sensor; uint8.

    Raises:
        MissingFile: no file is there.
        UnreadableImage: not a whole picture in a supported format.
        ImageTooLarge: beyond the limits.
        WrongModality: another sensor's plane in colour, or of 16 bits.
    """
    if (pixels := _plain_jpeg(path, modality, limits)) is not None:
        return pixels
    if modality is Modality.RGB:
        return read_image(path, limits=limits)
    plane = read_plane(path, limits=limits)
    if plane.dtype != np.uint8:
        raise WrongModality(
            expected=f"an 8-bit picture as {modality}",
            came=f"16 bits in {path}",
            remedy="save the view of 8 bits, in which one step has a known meaning",
        )
    return plane[..., None].astype(np.uint8, copy=False)


def _plain_jpeg(path: str | os.PathLike[str], modality: Modality, limits: ImageLimits) -> NDArray[np.uint8] | None:
    """Decode a plain JPEG inside the limits; None for every other file."""
    try:
        data = _content(path, limits.bytes)
        height, width, components = _plain_frame(data)
        if height * width > limits.pixels or components not in (1, 3):
            return None
        if modality is Modality.RGB:
            return np.asarray(simplejpeg.decode_jpeg(data, "RGB"), np.uint8)
        return np.asarray(simplejpeg.decode_jpeg(data, "GRAY"), np.uint8) if components == 1 else None
    except (OSError, ValueError, IndexError):
        return None


def _plain_frame(data: bytes) -> tuple[int, int, int]:
    """Return height, width and components of a JPEG that is decoded in one pass, upright.

    ITU-T T.81, B.1.1: 0xFF, marker, length (itself included), data, up to the start of scan. Plain is a baseline frame
    whose first scan holds all its components, so that no later scan is looked at, without an EXIF block.

    Raises:
        ValueError: it is of another kind.
        IndexError: it ends before its scan.
    """
    position, frame = 2, (0, 0, 0)
    while (marker := data[position + 1]) != 0xDA:
        if data[position] != 0xFF or marker not in _PLAIN_SEGMENTS or data[position + 4 : position + 8] == b"Exif":
            raise ValueError
        if marker == 0xC0:
            start = position + 5
            frame = data[start] << 8 | data[start + 1], data[start + 2] << 8 | data[start + 3], data[start + 4]
        position += 2 + (data[position + 2] << 8 | data[position + 3])
    if data[:3] != b"\xff\xd8\xff" or not frame[2] or data[position + 4] != frame[2]:
        raise ValueError
    return frame


def _content(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the bytes of a file, none when there are more than `most`; `open` would cost a tenth of the decoding."""
    handle = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(handle).st_size
        return os.read(handle, size) if size <= most else b""
    finally:
        os.close(handle)


def _load_plane(
    entry: Entry, modality: Modality, size: tuple[int, int] | None, limits: ImageLimits
) -> NDArray[np.uint8]:
    path = entry.paths[modality]
    if entry.frames is None:
        frames = decode(path, modality, limits=limits)[None]  # (1, H, W, C)
    else:
        numbers = np.array(entry.frames, np.intp)
        frames = read_clip(path, pick=lambda _: numbers).frames  # (T, H, W, 3)
        if modality is not Modality.RGB:
            frames = _one_channel(frames, path)
    if entry.box is not None:
        x, y, width, height = entry.box
        if min(x, y) < 0 or min(width, height) < 1 or x + width > frames.shape[2] or y + height > frames.shape[1]:
            raise UsageError(
                expected=f"a box inside the {frames.shape[2]} x {frames.shape[1]} pixels of {path}",
                came=f"{entry.box}",
                remedy="clip the box to the picture",
            )
        frames = frames[:, y : y + height, x : x + width]
    if size is not None:
        frames = resized(frames, height=size[0], width=size[1])
    return frames[0] if entry.frames is None else frames


def _one_channel(frames: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """Return a clip of an infrared or depth sensor (T, H, W, 3) as (T, H, W, 1); its codec may differ by a level."""
    if (np.ptp(frames, axis=-1) > 2).any():
        raise WrongModality(
            expected="a clip of an infrared or depth sensor",
            came=f"a clip in colour, {path}",
            remedy="name the sensor's own file",
        )
    return frames[..., :1]
