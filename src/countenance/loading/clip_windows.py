"""Windows of a clip: five frames in four tenths of a second, cut with one square around the face.

K. Ito, A. Kimura, T. Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning from a Few
Frames of Face Video, section IV-D: clips of 30 frames a second, the face area that a detector finds, cut out so that
hands, paper borders and display edges stay outside. Which frames make a window is not said. Here they are k, k + 3, ..
k + 12, so that a face moves between them, and one square serves all five, so that what moves in a window is the face
and not the cut.

Training and `check` cut here, by the same functions: what is measured is what is served.

A clip of another rate is walked through in ticks of 1/30 s, each the frame that is shown nearest to it, so that a
window is 0.4 s long everywhere. Where two of its five moments fall on one frame (fewer than 10 frames a second, or a
stall) it is no window.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from countenance.clips import ClipReader, Timeline
from countenance.errors import ManyFaces, TooFewFrames, UsageError, at_least
from countenance.faces.detection import Detector, Face
from countenance.tracking import FaceTrack, track_face
from countenance.transforms.resizing import resized

FRAMES = 5  # in a window (Table II: 2, 3 and 5; fewer are taken from these)
STEP = 3  # ticks from one frame of a window to the next
SPAN = STEP * (FRAMES - 1) + 1  # 13 ticks, both ends counted
STRIDE = 15  # ticks from one window to the next, where no number of windows is named
RATE = 30.0  # ticks a second (section IV-A)
SIDE = 112  # pixels; the paper's is 244
ENLARGEMENT = 1.0
"""Side of the square over the longer side of the mean face box.

YuNet's box goes from the forehead to the chin and is a quarter higher than wide: its square shows the cheeks and a
strip beside them, and most borders of papers and displays lie outside. Drawn clips are face crops already, and a square
of 1.3 would reach beyond nearly all of them.
"""

LEAST_BOXES = 3  # of the five frames of a window, those in which a face must have been found
CROWDED_SHARE = 0.1
"""A second face as large as `only_face` refuses, in more than this share of the frames, refuses the clip.

One frame in ten: a detector sees faces in a curtain now and then; nobody walks through a picture that fast.
"""

_TIE_SECONDS = 1e-6  # two frames as near as this: the earlier one
_LATE_SHARE = 0.1  # of a tick, by which it may come after the last frame: time stamps are rounded

Frames = (
    NDArray[np.uint8]
    | Mapping[int, NDArray[np.uint8]]
    | Sequence[NDArray[np.uint8]]
    | Callable[[int], NDArray[np.uint8]]
)
"""The frame (H, W, 3) of a number: looked up, or asked for in rising order, each number once."""


@dataclass(frozen=True, eq=False)
class ClipWindows:
    """What is judged of one clip.

    Attributes:
        windows: (W, 5, side, side, 3) uint8 RGB, W at least 1.
        starts: (W,) the tick that each begins with.
        numbers: (W, 5) their frames' places in the file.
        track: where the face is in every frame.
        timeline: when the frames are shown, and whether the recording breaks off.
        crowded: frames with a second face of at least a quarter of the first one's area.
    """

    windows: NDArray[np.uint8]
    starts: tuple[int, ...]
    numbers: NDArray[np.intp]
    track: FaceTrack
    timeline: Timeline
    crowded: int

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(W,) when each window begins."""
        return self.timeline.seconds[self.numbers[:, 0]]


def clip_windows(
    path: str | os.PathLike[str], *, detector: Detector, windows: int | None = None, side: int = SIDE
) -> ClipWindows:
    """Follow the face of a clip and cut the windows that show it.

    The file is walked through twice, once for the face and once for the frames of the windows; neither pass keeps a
    frame, so that memory does not grow with the clip. A window lies between the first and the last frame that show the
    face. A clip is as good as its part with a face: what stands before, after and in between is passed over.

    Args:
        path: of the video file.
        detector: finds the faces of one frame.
        windows: how many, evenly spread over the part with a face, or fewer where there is no room for as many; one
            every half second (`STRIDE`) when left out.
        side: H and W of a window in pixels.

    Raises:
        MissingFile, UnreadableImage, ImageTooLarge: as for `ClipReader`.
        NoFace: no frame shows a face.
        ManyFaces: a second face is before the camera for more than `CROWDED_SHARE` of the time.
        TooFewFrames: no 0.4 s of the clip show the face, a clip of one frame among them; or fewer than 10 frames a
            second.
    """
    at_least(1, side=side)
    reader, watching = ClipReader(path), _Watching(detector)
    track = track_face(reader, watching, name=os.fspath(path))
    crowded = _crowded(track, watching.found)
    searched = int((track.shown & ~track.interpolated).sum())
    if crowded > CROWDED_SHARE * searched:
        raise ManyFaces(
            expected="one person before the camera",
            came=f"a second face of like size in {crowded} of {searched} frames of {os.fspath(path)}",
            remedy="let one person stand alone, or crop the clip to one face",
        )
    ticks = frames_at_ticks(reader.timeline.seconds)  # (V,)
    boxes = track.boxes[ticks]  # (V, 4)
    fit = _fitting(ticks, boxes)
    if not fit:
        raise _too_few(ticks, track, name=os.fspath(path))
    starts = [fit[place] for place in window_starts(len(fit) + SPAN - 1, windows)]
    cut, kept = cut_windows(_Walk(reader, ticks).frame, boxes, starts, side=side)
    assert kept == tuple(starts)
    return ClipWindows(cut, kept, ticks[window_frames(kept)], track, reader.timeline, crowded)


def window_starts(
    count: int, windows: int | None = None, *, first: int = 0, last: int | None = None
) -> tuple[int, ...]:
    """Return where the windows of a clip begin.

    Args:
        count: frames of the clip, at 30 a second.
        windows: how many, evenly spread, each start once (one: in the middle); fewer where there is no room for as
            many. One every `STRIDE` frames while a whole window fits when left out.
        first: the first frame that may be used.
        last: the last frame that may be used; the clip's when left out.

    Returns:
        Rising numbers; none where no window fits.

    Raises:
        UsageError: `windows` below 1.

    >>> window_starts(90), window_starts(60, 4), window_starts(14, 5), window_starts(90, 1), window_starts(12)
    ((0, 15, 30, 45, 60, 75), (0, 16, 31, 47), (0, 1), (38,), ())
    """
    end = (count - 1 if last is None else min(last, count - 1)) - SPAN + 1
    room = end - first + 1  # starts that are possible
    if windows is None:
        return tuple(range(first, end + 1, STRIDE))
    at_least(1, windows=windows)
    if room < 1:
        return ()
    if windows == 1:
        return (first + (room - 1) // 2,)
    return tuple(np.rint(np.linspace(first, end, min(windows, room))).astype(int).tolist())


def window_frames(starts: Sequence[int]) -> NDArray[np.intp]:
    """Return the frames (W, 5) of windows that begin with these.

    >>> window_frames([0, 15]).tolist()
    [[0, 3, 6, 9, 12], [15, 18, 21, 24, 27]]
    """
    return np.asarray(starts, np.intp).reshape(-1, 1) + STEP * np.arange(FRAMES, dtype=np.intp)


def square_box(boxes: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Return the square that a window is cut with: `ENLARGEMENT` times the longer side of the mean box, on its middle.

    It may reach outside the picture, which `cut_windows` continues with its outermost pixels: a square never becomes
    another shape.

    Args:
        boxes: (K, 4) x, y, width, height in pixels, the middle of the top left pixel at (0, 0); rows of NaN do not
            count.

    Returns:
        x and y of the top left pixel, and the side twice.

    Raises:
        UsageError: no box, or one without an area.

    >>> square_box(np.array([[10.0, 20.0, 40.0, 50.0], [12.0, 20.0, 40.0, 50.0]]))
    (6, 20, 50, 50)
    """
    known = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(known) or (known[:, 2:] <= 0).any():
        raise UsageError(expected="boxes with an area", came=f"{boxes.tolist()}", remedy="cut where a face was found")
    x, y, width, height = known.mean(axis=0)
    side = max(1, round(ENLARGEMENT * max(width, height)))
    left, top = (round(corner + (length - side + 1) / 2) for corner, length in ((x, width), (y, height)))
    return left, top, side, side


def cut_windows(
    frames: Frames, boxes: NDArray[np.float64], starts: Sequence[int], *, side: int = SIDE
) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Cut windows out of the frames of a clip, at 30 a second.

    Args:
        frames: (H, W, 3) uint8 RGB by number; only those of windows that are kept are asked for, in rising order and
            each once, so that a function may walk through a clip.
        boxes: (F, 4) x, y, width, height of the face in each frame of the clip; NaN where it is not to be seen.
        starts: the first frame of each window; whole windows, as `window_starts` gives them.
        side: H and W of a window in pixels.

    Returns:
        (W, 5, side, side, 3) uint8 and the starts (W,) of the windows that were kept: those with a box in at least
        `LEAST_BOXES` of their five frames. W may be 0.

    Raises:
        UsageError: a window that begins before the clip or reaches beyond it.
    """
    numbers = window_frames(starts)  # (W, 5)
    if numbers.size and (numbers.min() < 0 or numbers.max() >= len(boxes)):
        raise UsageError(
            expected=f"windows within the {len(boxes)} frames of the clip",
            came=f"starts {', '.join(map(str, starts))}",
            remedy="take them from window_starts",
        )
    kept = [window for window, row in enumerate(numbers) if _found(boxes[row]) >= LEAST_BOXES]
    squares = [square_box(boxes[numbers[window]]) for window in kept]
    wanted: dict[int, list[tuple[int, int]]] = {}  # frame: (window, place in it)
    for place, window in enumerate(kept):
        for position, number in enumerate(numbers[window].tolist()):
            wanted.setdefault(number, []).append((place, position))
    cut = np.empty((len(kept), FRAMES, side, side, 3), np.uint8)
    frame_of = frames if callable(frames) else frames.__getitem__
    for number in sorted(wanted):
        frame = frame_of(number)
        for place, position in wanted[number]:
            cut[place, position] = resized(cut_square(frame, squares[place])[None], height=side, width=side)[0]
    return cut, tuple(int(starts[window]) for window in kept)


def cut_square(frame: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Cut a square, as `square_box` returns it, out of a frame (H, W, C); beyond it the outermost pixels go on."""
    left, top, width, height = box
    rows = np.arange(top, top + height).clip(0, frame.shape[0] - 1)
    columns = np.arange(left, left + width).clip(0, frame.shape[1] - 1)
    square: NDArray[np.uint8] = frame[rows[:, None], columns]
    return square


def frames_at_ticks(seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the frame that is shown nearest to each thirtieth of a second.

    For 30 frames a second these are all frames, each once.

    Args:
        seconds: (F,) when each frame is shown, rising from 0.

    Returns:
        (V,) numbers, never falling.

    >>> frames_at_ticks(np.arange(4) / 30).tolist(), frames_at_ticks(np.arange(4) / 15).tolist()
    ([0, 1, 2, 3], [0, 0, 1, 1, 2, 2, 3])
    """
    moments = np.arange(int(seconds[-1] * RATE + _LATE_SHARE) + 1) / RATE  # (V,)
    after = np.searchsorted(seconds, moments).clip(0, len(seconds) - 1)
    before = (after - 1).clip(0)
    earlier = np.abs(seconds[before] - moments) <= np.abs(seconds[after] - moments) + _TIE_SECONDS
    return np.where(earlier, before, after).astype(np.intp)


@dataclass(eq=False)
class _Watching:
    """A detector that remembers what it found, frame by frame."""

    detector: Detector
    found: list[list[Face]] = field(default_factory=list)

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        faces = self.detector.detect(image)
        self.found.append(faces)
        return faces


class _Walk:
    """Hands out frames of rising ticks from one pass over a clip, and keeps the last one only."""

    def __init__(self, reader: ClipReader, ticks: NDArray[np.intp]) -> None:
        self._ticks = ticks
        self._pass: Iterator[tuple[int, NDArray[np.uint8]]] = enumerate(reader)
        self._number, self._frame = -1, np.empty(0, np.uint8)

    def frame(self, tick: int) -> NDArray[np.uint8]:
        while self._number < self._ticks[tick]:
            self._number, self._frame = next(self._pass)
        return self._frame


def _crowded(track: FaceTrack, found: Sequence[Sequence[Face]]) -> int:
    """Count the frames that show, beside the face that is followed, another of at least a quarter of its area."""
    return sum(
        any(other is not face and other.area >= face.area / 4 for other in faces)
        for face, faces, guessed in zip(track.faces, found, track.interpolated, strict=True)
        if face is not None and not guessed
    )


def _fitting(ticks: NDArray[np.intp], boxes: NDArray[np.float64]) -> list[int]:
    """Return every start of a window between the first and the last face: five frames, three of them with a box."""
    shown = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if not len(shown):
        return []
    starts = range(shown[0], shown[-1] - SPAN + 2)
    return [
        start
        for start, row in zip(starts, window_frames(starts), strict=True)
        if len(set(ticks[row].tolist())) == FRAMES and _found(boxes[row]) >= LEAST_BOXES
    ]


def _found(boxes: NDArray[np.float64]) -> int:
    return int(np.isfinite(boxes).all(axis=1).sum())


def _too_few(ticks: NDArray[np.intp], track: FaceTrack, *, name: str) -> TooFewFrames:
    count, shown = len(track.faces), int(track.shown.sum())
    duration = (len(ticks) - 1) / RATE
    return TooFewFrames(
        expected=f"{(SPAN - 1) / RATE:g} s of the face at 10 frames a second or more ({SPAN} frames at {RATE:g})",
        came=f"{shown} of {count} frames with it in {duration:.2f} s, in {name}",
        remedy="record a longer clip, with the whole face in the picture",
    )
