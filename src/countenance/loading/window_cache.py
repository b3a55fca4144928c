"""The windows of many clips, cut once and kept as bytes on disk, so that every network of a study reads the same ones.

A cache is a folder: ``windows.u8``, the pixels of all windows one after the other, and ``card.json``, which holds the
digest of the list of clips that it was made of, and of each window its clip and its first frame. It is built in a
hidden folder beside its place and moved there when it is whole. Windows are cut as `clip_windows` cuts them for the
decision about one clip: what a network learns from and what it is asked about have seen the same scissors.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.clips import ClipReader
from countenance.datasets.samples import PresentationSample
from countenance.errors import DataError, NoFace, ProtocolMismatch, UsageError, at_least
from countenance.faces.detection import Detector, central_face
from countenance.files import existing_file, sha256_of, write_atomically
from countenance.loading.cache import held, list_digest
from countenance.loading.clip_windows import (
    ENLARGEMENT,
    FRAMES,
    SPAN,
    STEP,
    cut_windows,
    frames_at_ticks,
    window_frames,
    window_starts,
)
from countenance.loading.pictures import Entry
from countenance.progress import Progress, unheard
from countenance.vocabulary import Modality, Presentation

_FORMAT = 1
_CARD, _PIXELS = "card.json", "windows.u8"
_ANEW = "delete the folder and build the cache anew"


@dataclass(frozen=True, eq=False)
class WindowSet:
    """Some of the windows of a cache, or all; a `PlaneSource`.

    Attributes:
        samples: the clips of the cache.
        pixels: (W, 5, side, side, 3) uint8, memory-mapped, of the whole cache.
        clip: (W,) the place of each window's clip in `samples`.
        starts: (W,) the first frame of each window.
        rows: (M,) those windows that are meant.
        digest: of the list of clips.
    """

    samples: Sequence[PresentationSample]
    pixels: NDArray[np.uint8]
    clip: NDArray[np.intp]
    starts: NDArray[np.intp]
    rows: NDArray[np.intp]
    digest: str

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def side(self) -> int:
        """H and W of a window's frames."""
        return int(self.pixels.shape[2])

    @property
    def labels(self) -> NDArray[np.int64]:
        """(M,) 1 for bona fide, 0 for an attack."""
        is_live = np.array([each.presentation is Presentation.BONA_FIDE for each in self.samples], np.int64)
        return is_live[self.clip[self.rows]]

    def gather(self, numbers: NDArray[np.intp]) -> dict[Modality, NDArray[np.uint8]]:
        """Return (B, 5, side, side, 3) of the windows of these numbers, in this order."""
        return {Modality.RGB: self.pixels[self.rows[numbers]]}

    def of(self, samples: Iterable[PresentationSample]) -> "WindowSet":
        """Return the windows of these clips; of a clip whose sample names its frames, those that lie within them.

        Raises:
            UsageError: a clip that the cache does not hold.
        """
        place = {sample.identifier: number for number, sample in enumerate(self.samples)}
        wanted: dict[int, range | None] = {}
        for sample in samples:
            if sample.identifier not in place:
                raise UsageError(
                    expected="clips of the cache", came=sample.identifier, remedy="name the set that it was built from"
                )
            wanted[place[sample.identifier]] = sample.frames

        def is_meant(clip: int, start: int) -> bool:
            frames = wanted[clip]
            return frames is None or (start in frames and start + SPAN - 1 in frames)

        kept = [
            row for row in self.rows.tolist() if self.clip[row] in wanted and is_meant(self.clip[row], self.starts[row])
        ]
        return replace(self, rows=np.array(kept, np.intp))

    def thinned(self, count: int) -> "WindowSet":
        """Return at most `count` windows of each clip, evenly spread over those that are meant.

        Raises:
            UsageError: a count below 1.
        """
        at_least(1, count=count)
        by_clip: dict[int, list[int]] = {}
        for row in self.rows.tolist():
            by_clip.setdefault(int(self.clip[row]), []).append(row)
        kept = [
            rows[number]
            for rows in by_clip.values()
            for number in sorted({round(place) for place in np.linspace(0, len(rows) - 1, min(count, len(rows)))})
        ]
        return replace(self, rows=np.array(kept, np.intp))

    @property
    def identifiers(self) -> list[str]:
        """Of each window: its clip and its first frame, such as "003-1-1-1-1#15"."""
        return [f"{self.samples[self.clip[row]].identifier}#{self.starts[row]}" for row in self.rows.tolist()]

    @property
    def owners(self) -> list[PresentationSample]:
        """Of each window, its clip."""
        return [self.samples[self.clip[row]] for row in self.rows.tolist()]

    @property
    def key(self) -> str:
        """SHA-256 of what was cut and which windows are meant."""
        return sha256_of(f"{self.digest}{self.side}{self.rows.tolist()}{self.labels.tolist()}".encode())


def window_cache(
    samples: Sequence[PresentationSample],
    folder: str | os.PathLike[str],
    *,
    side: int,
    detector: Detector,
    progress: Progress = unheard,
) -> WindowSet:
    """Cut the windows of every clip, or open those that were cut before from the same list.

    Args:
        samples: clips in colour, with labels.
        folder: of the cache; its parent is made when it is missing.
        side: H and W in pixels of a window's frames.
        detector: finds the face in each frame of a window.
        progress: called with (clips done, clips in all).

    Raises:
        UsageError: no clip, or another process builds this cache.
        ProtocolMismatch: a clip without a label, or a cache of another list stands there.
        DataError: what stands there is no cache, or a damaged one.
        NoFace: no window of any clip shows a face.
        InputError: a clip cannot be read.
    """
    if not samples:
        raise UsageError(expected="clips to cut windows from", came="none", remedy="check the set")
    if unlabelled := [sample.identifier for sample in samples if sample.presentation is None]:
        raise ProtocolMismatch(
            expected="clips with labels", came=f"{unlabelled[0]!r} without one", remedy="use the set's list with labels"
        )
    place = Path(folder)
    digest = _digest(samples, side)
    if not place.exists():
        part = place.parent / f".{place.name}.part"
        with held(part):
            _build(samples, part, digest, side, detector, progress)
            part.replace(place)
    return _opened(samples, place, digest, side)


def without_windows(windows: WindowSet) -> list[PresentationSample]:
    """Return the clips of the cache of which no window could be cut: they get no response."""
    shown = set(windows.clip.tolist())
    return [sample for number, sample in enumerate(windows.samples) if number not in shown]


def windows_of(path: Path, *, side: int, detector: Detector) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Walk through a clip twice, for its time line and for its windows; the frames of one window are kept at a time.

    Args:
        path: of the video file.
        side: H and W in pixels of a window's frames.
        detector: finds the face in each frame of a window.

    Yields:
        (5, side, side, 3) uint8 RGB and the first frame, of each window that shows the face.

    Raises:
        InputError: the clip cannot be read.
    """
    reader = ClipReader(path)
    for _ in reader:
        pass
    ticks = frames_at_ticks(reader.timeline.seconds)
    with closing(iter(reader)) as frames:
        numbered = enumerate(frames)
        number, image = next(numbered)
        for start in window_starts(len(ticks)):
            seen: dict[int, NDArray[np.uint8]] = {}
            boxes = np.full((len(ticks), 4), np.nan)
            for tick in window_frames([start])[0].tolist():
                while number < ticks[tick]:
                    number, image = next(numbered)
                seen[tick] = image
                if faces := detector.detect(image):
                    boxes[tick] = central_face(faces, image.shape).box
            windows, kept = cut_windows(seen, boxes, [start], side=side)
            yield from zip(windows, kept, strict=True)


def _digest(samples: Sequence[PresentationSample], side: int) -> str:
    entries = [
        Entry(
            identifier=sample.identifier,
            paths=sample.paths,
            label=int(sample.presentation is Presentation.BONA_FIDE),
        )
        for sample in samples
    ]
    return sha256_of(f"{_FORMAT} {FRAMES} {STEP} {ENLARGEMENT} {list_digest(entries, (side, side))}".encode())


def _build(
    samples: Sequence[PresentationSample],
    part: Path,
    digest: str,
    side: int,
    detector: Detector,
    progress: Progress,
) -> None:
    rows: list[tuple[int, int]] = []
    with (part / _PIXELS).open("wb") as file:
        for number, sample in enumerate(samples):
            for window, start in windows_of(sample.paths[Modality.RGB], side=side, detector=detector):
                file.write(window.tobytes())
                rows.append((number, start))
            progress(number + 1, len(samples))
    if not rows:
        raise NoFace(expected="a face in at least one clip", came=f"none in {len(samples):,}", remedy="check the set")
    write_atomically(part / _CARD, json.dumps({"format": _FORMAT, "digest": digest, "side": side, "rows": rows}))


def _opened(samples: Sequence[PresentationSample], place: Path, digest: str, side: int) -> WindowSet:
    text = existing_file(place / _CARD, expected=f"the card of the window cache {place}").read_text(encoding="utf-8")
    try:
        card = json.loads(text)
        found, rows = card["digest"], np.array(card["rows"], np.intp).reshape(-1, 2)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(expected=f"the card of a window cache in {place}", came="another file", remedy=_ANEW) from error
    if found != digest:
        raise ProtocolMismatch(expected=f"a cache of these clips in {place}", came="one of others", remedy=_ANEW)
    shape = (len(rows), FRAMES, side, side, 3)
    pixels = existing_file(place / _PIXELS, expected="the pixels of the windows")
    if pixels.stat().st_size != int(np.prod(shape)):
        raise DataError(
            expected=f"{np.prod(shape):,} bytes in {pixels}", came=f"{pixels.stat().st_size:,}", remedy=_ANEW
        )
    mapped = np.memmap(pixels, np.uint8, "r", shape=shape)
    return WindowSet(samples, mapped, rows[:, 0], rows[:, 1], np.arange(len(rows)), digest)
