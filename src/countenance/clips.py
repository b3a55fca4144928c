"""Video files to frames: the one door through which a clip enters.

A video is the richest input that a stranger can hand over, so FFmpeg (through PyAV) is offered only the containers
that hold video, only the local file itself (no playlist that names other files, no address), and pictures of limited
size. What the header states is used to refuse, never to count: frames are counted, and their times taken, by decoding.

A display matrix (how a phone says which way it was held) is applied, mirror images included. Colour follows what the
stream states, BT.601 where it is silent. Sound is never opened. Pixels that are not square stay as they are stored.

Where a recording breaks off, what decodes up to there is returned and `Timeline.truncated` is set. That is seen in a
damaged packet or picture, or where the header promises more frames (MP4, MOV, AVI) or a longer stream (Matroska) than
the file holds. An MPEG transport stream promises nothing, so that one cut off between two packets reads as whole.
"""

import contextlib
import gc
import os
import re
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from countenance.errors import ImageTooLarge, TooFewFrames, UnreadableImage, UsageError
from countenance.files import existing_file
from countenance.images import is_picture

Pick = Callable[[NDArray[np.float64]], Sequence[int] | NDArray[np.intp]]
"""Given the time of every frame (its length is the count), the numbers of the frames that are wanted."""

_READ = "a video (MP4, MOV, MKV, WebM, AVI, MPEG or WMV)"
_CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,asf"  # never a picture, a text or a playlist
SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".asf"}
)
"""What the name of a video ends in, in small letters."""
_HEAD_BYTES = 192  # a packet of a transport stream and the first byte of the next
_SIGNATURES = re.compile(  # how the containers above begin; HEIC and AVIF are pictures in the container of MP4
    rb".{4}(?:ftyp(?!hei[cxms]|mif1|avif)|moov|mdat|wide)"
    rb"|\x1a\x45\xdf\xa3|RIFF.{4}AVI |\0\0\x01[\xba\xb3]|0&\xb2u|G.{187}G",
    re.DOTALL,
)
_WAITING_PIXELS = 50_000_000
"""A frame whose side data was looked at refers to itself (PyAV), so that only a collection frees it; one is asked for
when frames of so many pixels may be waiting, since Python counts objects and these are large."""
_UNSTEADY_SHARE = 0.1  # of the mean interval; time stamps in milliseconds round 1/30 s by less


@dataclass(frozen=True)
class ClipLimits:
    """What a clip may cost at most.

    Attributes:
        bytes: size of the file.
        frame_pixels: width times height of one frame.
        frames: how many are decoded.
        read_pixels: of all the frames that are kept together, frames times width times height.
    """

    bytes: int = 2**30
    frame_pixels: int = 10_000_000
    frames: int = 36_000
    read_pixels: int = 700_000_000


@dataclass(frozen=True, eq=False)
class Timeline:
    """When the frames of a clip are shown.

    Attributes:
        seconds: (F,) float64, the time of each frame that decodes, the first at 0.
        stated_rate: frames per second as the header guesses; 0 where it is silent.
        truncated: the recording breaks off before its stated end, or is damaged from there on.
    """

    seconds: NDArray[np.float64]
    stated_rate: float
    truncated: bool

    @property
    def count(self) -> int:
        """How many frames decode."""
        return len(self.seconds)

    @property
    def rate(self) -> float:
        """Mean frames per second by the time stamps; the header's word for a clip of one frame."""
        duration = float(self.seconds[-1] - self.seconds[0])
        return (self.count - 1) / duration if duration > 0 else self.stated_rate

    @property
    def is_steady(self) -> bool:
        """True when every interval is within a tenth of the mean one."""
        intervals = np.diff(self.seconds)
        mean = intervals.mean() if len(intervals) else 0.0
        return bool((abs(intervals - mean) <= _UNSTEADY_SHARE * mean).all())


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of one video file.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, upright.
        numbers: (T,) place of each in the file, from 0.
        timeline: of the whole file.
    """

    frames: NDArray[np.uint8]
    numbers: NDArray[np.intp]
    timeline: Timeline

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(T,) when each of these frames is shown."""
        return self.timeline.seconds[self.numbers]


_DEFAULT = ClipLimits()


class ClipReader:
    """A video file that has been looked into: a pass over it yields its frames one by one, upright.

    Iterating starts anew each time and keeps nothing, so that a clip of any length can be walked through; `timeline`
    is known after one whole pass, and is made by one (without turning pictures into RGB) when it is asked for before.

    Args:
        source: path of the file.
        limits: how large it may be.
        threads: that FFmpeg may use; the frames do not depend on it.

    Raises:
        MissingFile: no file is there.
        ImageTooLarge: more bytes, or more pixels a frame, than `limits`.
        UnreadableImage: not a video in a supported container, or damaged at its start.

    While it is read: `ImageTooLarge` for more frames than `limits`, `TooFewFrames` when not one decodes, and
    `UnreadableImage` when the frames are not all of one size.
    """

    def __init__(self, source: str | os.PathLike[str], *, limits: ClipLimits = _DEFAULT, threads: int = 1) -> None:
        self._path = existing_file(source, expected=_READ)
        self._limits, self._threads = limits, threads
        self._timeline: Timeline | None = None
        size = self._path.stat().st_size
        if size > limits.bytes:
            raise ImageTooLarge(
                expected=f"a clip of at most {limits.bytes:,} bytes",
                came=f"{size:,} bytes in {self._path}",
                remedy="cut the clip, or encode it smaller",
            )
        self._open().close()

    def __iter__(self) -> Generator[NDArray[np.uint8], None, None]:
        """Yield each frame, (H, W, 3) uint8 RGB."""
        shape: tuple[int, ...] | None = None
        for frame in self._decoded():
            pixels = _upright(frame)
            if shape not in (None, pixels.shape):
                raise UnreadableImage(
                    expected="frames of one size",
                    came=f"{shape} and {pixels.shape} in {self._path}",
                    remedy="encode the clip at one size",
                )
            shape = pixels.shape
            yield pixels

    @property
    def timeline(self) -> Timeline:
        """When the frames are shown, and whether the recording breaks off."""
        if self._timeline is None:
            for _ in self._decoded():
                pass
        assert self._timeline is not None
        return self._timeline

    def read(self, pick: Pick | None = None) -> Clip:
        """Read the frames that `pick` names, or all.

        The packets' time stamps, which cost no decoding, nearly always name the same frames as the decoded ones do;
        where they do not (hidden frames, a damaged tail) the file is decoded once more.

        Args:
            pick: which frames, such as ``lambda seconds: uniform_frames(len(seconds), 5)``.

        Raises:
            UsageError: `pick` names a frame that is not there.
            ImageTooLarge: the frames together have more pixels than the limits allow.
            TooFewFrames: as `pick` raises it.
        """
        if pick is None:
            return self._collected(None)
        expected = self._packet_seconds() if self._timeline is None else self._timeline.seconds
        clip = None
        if len(expected):
            try:
                clip = self._collected(_numbers(pick, expected))
            except (TooFewFrames, UsageError):
                clip = None  # asked again, of the frames that decode
        if clip is None or not np.array_equal(clip.numbers, _numbers(pick, self.timeline.seconds)):
            clip = self._collected(_numbers(pick, self.timeline.seconds))
        return clip

    def _collected(self, numbers: NDArray[np.intp] | None) -> Clip:
        """Decode to the end, and keep the frames of these numbers (all for None), in the order asked for."""
        wanted = None if numbers is None else set(numbers.tolist())
        kept: dict[int, NDArray[np.uint8]] = {}
        pixels_kept, shapes = 0, set()
        for number, frame in enumerate(self._decoded()):
            if wanted is not None and number not in wanted:
                continue
            kept[number] = _upright(frame)
            shapes.add(kept[number].shape)
            pixels_kept += frame.width * frame.height
            if pixels_kept > self._limits.read_pixels:
                raise ImageTooLarge(
                    expected=f"at most {self._limits.read_pixels:,} pixels in the frames that are read together",
                    came=f"more of them in {self._path}",
                    remedy="pick fewer frames, or walk through the clip frame by frame",
                )
        if len(shapes) > 1:
            raise UnreadableImage(
                expected="frames of one size",
                came=f"{' and '.join(map(str, sorted(shapes)))} in {self._path}",
                remedy="encode the clip at one size",
            )
        numbers = np.array(sorted(kept), np.intp) if numbers is None else numbers
        if missing := set(numbers.tolist()) - set(kept):
            raise TooFewFrames(
                expected=f"a clip with frame {max(missing)}",
                came=f"{self.timeline.count} frames in {self._path}",
                remedy="record a longer clip",
            )
        frames = np.stack([kept[number] for number in numbers.tolist()])
        return Clip(frames, numbers, self.timeline)

    def _open(self) -> InputContainer:
        """Open the file and check what its header states; the caller closes it."""
        try:
            container = av.open(
                f"file:{self._path.resolve()}",
                options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
                metadata_errors="replace",
            )
        except (av.FFmpegError, ValueError) as error:
            raise UnreadableImage(
                expected=_READ, came=f"something else, or a damaged one, in {self._path}", remedy="save the clip anew"
            ) from error
        try:
            if not container.streams.video:
                raise UnreadableImage(
                    expected=_READ, came=f"no pictures in {self._path}", remedy="name a clip with a picture track"
                )
            context = container.streams.video[0].codec_context
            if context is None:
                raise UnreadableImage(
                    expected=_READ, came=f"an unknown codec in {self._path}", remedy="encode the clip as H.264"
                )
            self._check_pixels(context.width, context.height)
            context.options = {"max_pixels": str(self._limits.frame_pixels)}  # a later header may state another size
            context.thread_count = self._threads
        except BaseException:
            container.close()
            raise
        return container

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._limits.frame_pixels:
            raise ImageTooLarge(
                expected=f"frames of at most {self._limits.frame_pixels:,} pixels",
                came=f"{width:,} x {height:,} pixels in {self._path}",
                remedy="scale the clip down",
            )

    def _packet_seconds(self) -> NDArray[np.float64]:
        """Return the time of every packet that is to be shown, sorted: a guess at the frames', had without decoding."""
        times = []
        with self._open() as container:
            try:
                for packet in container.demux(container.streams.video[0]):
                    if packet.is_corrupt:
                        break
                    if packet.size and not packet.is_discard and packet.pts is not None and packet.time_base:
                        times.append(float(packet.pts * packet.time_base))
            except av.FFmpegError:
                pass  # what follows cannot be decoded either
        sorted_times = np.sort(np.array(times, np.float64))
        return sorted_times - sorted_times[:1]

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yield the frames in the order they are shown; after the last one the timeline is known."""
        seconds: list[float] = []
        waiting = 0
        with self._open() as container:
            stream = container.streams.video[0]
            rate = float(stream.guessed_rate or 0)
            pass_over = _until_broken(container)
            while True:
                try:
                    frame = next(pass_over)
                except StopIteration as end:
                    broken = bool(end.value)
                    break
                self._check_pixels(frame.width, frame.height)
                if len(seconds) == self._limits.frames:
                    raise ImageTooLarge(
                        expected=f"a clip of at most {self._limits.frames:,} frames",
                        came=f"more of them in {self._path}",
                        remedy="cut the clip",
                    )
                if frame.pts is None or not stream.time_base:
                    seconds.append(seconds[-1] + (1 / rate if rate else 0.0) if seconds else 0.0)
                else:
                    seconds.append(float(frame.pts * stream.time_base))
                waiting += frame.width * frame.height
                yield frame
                if waiting > _WAITING_PIXELS:
                    del frame
                    gc.collect()
                    waiting = 0
            stated = _stated_seconds(container)
        if not seconds:
            raise TooFewFrames(
                expected="a clip with frames", came=f"none that decodes in {self._path}", remedy="record the clip again"
            )
        times = np.maximum.accumulate(np.array(seconds)) - seconds[0]
        timeline = Timeline(times, rate, broken)
        if stated and timeline.rate and times[-1] + 2 / timeline.rate < stated:
            timeline = Timeline(times, rate, truncated=True)
        self._timeline = timeline


def is_clip(source: str | os.PathLike[str]) -> bool:
    """Tell by its content whether a file is to be read as a clip, and by its name where the content is no picture's.

    A file that is not there is a clip when its name says so.

    Raises:
        UnreadableImage: a still picture that is called a video.
    """
    path, named = Path(source), Path(source).suffix.lower() in SUFFIXES
    head = b""
    with contextlib.suppress(OSError), path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not is_picture(head):
        return named or _SIGNATURES.match(head) is not None
    if named:
        raise UnreadableImage(
            expected=f"{_READ}, as the name says",
            came=f"a still picture in {path}",
            remedy="name it as what it is, or name a clip",
        )
    return False


def read_clip(
    source: str | os.PathLike[str], *, pick: Pick | None = None, limits: ClipLimits = _DEFAULT, threads: int = 1
) -> Clip:
    """Read frames of a video file; `ClipReader` says how, and what is refused.

    Args:
        source: path of the file.
        pick: which frames, given the time of each; all when left out.
        limits: how large the clip may be.
        threads: that FFmpeg may use.
    """
    return ClipReader(source, limits=limits, threads=threads).read(pick)


def uniform_frames(count: int, wanted: int) -> NDArray[np.intp]:
    """Return the frames in the middle of `wanted` equal parts of a clip.

    Args:
        count: frames in the clip.
        wanted: T, at least 1.

    Returns:
        (T,) rising numbers.

    Raises:
        TooFewFrames: the clip has fewer frames than are wanted.

    >>> uniform_frames(10, 5).tolist(), uniform_frames(9, 3).tolist(), uniform_frames(4, 1).tolist()
    ([1, 3, 5, 7, 9], [1, 4, 7], [2])
    """
    _check_count(count, wanted)
    return ((2 * np.arange(wanted) + 1) * count // (2 * wanted)).astype(np.intp)


def uniform_moments(seconds: NDArray[np.float64], wanted: int) -> NDArray[np.intp]:
    """Return the frames that are shown in the middle of `wanted` equal parts of a clip's time.

    For a steady rate these are the `uniform_frames`, give or take one; where the rate varies, equal parts of time
    hold unequal numbers of frames. A frame that is shown for long may be returned more than once.

    Args:
        seconds: (F,) when each frame is shown, rising.
        wanted: T, at least 1.

    Returns:
        (T,) numbers, never falling.

    Raises:
        TooFewFrames: the clip has fewer frames than are wanted.

    >>> uniform_moments(np.array([0.0, 0.1, 0.2, 0.3, 3.0]), 3).tolist()
    [3, 3, 4]
    """
    _check_count(len(seconds), wanted)
    last_shown = float(seconds[-1] - seconds[0]) / max(len(seconds) - 1, 1)  # the last frame lasts a mean interval
    duration = float(seconds[-1] - seconds[0]) + last_shown
    moments = seconds[0] + (np.arange(wanted) + 0.5) * (duration / wanted)
    return np.asarray(np.searchsorted(seconds, moments, side="right") - 1, np.intp)


def consecutive_frames(count: int, wanted: int, *, first: int | None = None) -> NDArray[np.intp]:
    """Return `wanted` frames in a row.

    Args:
        count: frames in the clip.
        wanted: T, at least 1.
        first: number of the first; the row in the middle of the clip when left out.

    Returns:
        (T,) numbers.

    Raises:
        TooFewFrames: the clip ends before the row does.

    >>> consecutive_frames(10, 4).tolist(), consecutive_frames(10, 4, first=6).tolist()
    ([3, 4, 5, 6], [6, 7, 8, 9])
    """
    start = (count - wanted) // 2 if first is None else first
    _check_count(count - (0 if first is None else first), wanted)
    return np.arange(start, start + wanted, dtype=np.intp)


def frame_windows(count: int, wanted: int, *, stride: int | None = None) -> list[range]:
    """Return every row of `wanted` frames in a clip, from its start.

    Args:
        count: frames in the clip.
        wanted: T, at least 1.
        stride: frames from the start of one row to the next; T, rows that do not overlap, when left out.

    Returns:
        At least one row; a rest that is shorter than T is left out.

    Raises:
        TooFewFrames: the clip has fewer frames than are wanted.

    >>> frame_windows(7, 3), frame_windows(5, 3, stride=1)
    ([range(0, 3), range(3, 6)], [range(0, 3), range(1, 4), range(2, 5)])
    """
    _check_count(count, wanted)
    step = wanted if stride is None else stride
    if step < 1:
        raise UsageError(expected="a stride of at least one frame", came=str(step), remedy="pass a larger one")
    return [range(start, start + wanted) for start in range(0, count - wanted + 1, step)]


def _check_count(count: int, wanted: int) -> None:
    if wanted < 1:
        raise UsageError(expected="at least one frame to be wanted", came=str(wanted), remedy="ask for one or more")
    if count < wanted:
        raise TooFewFrames(
            expected=f"a clip of at least {wanted} frames", came=f"{max(count, 0)}", remedy="record a longer clip"
        )


def _numbers(pick: Pick, seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    numbers = np.asarray(pick(seconds), np.intp).reshape(-1)
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= len(seconds):
        raise UsageError(
            expected=f"numbers of frames from 0 to {len(seconds) - 1}",
            came=f"{numbers.tolist()}",
            remedy="pick frames of the clip",
        )
    return numbers


class _BrokenError(Exception):
    """A packet that was cut short, or a picture that lacks a part."""


def _until_broken(container: InputContainer) -> Generator[av.VideoFrame, None, bool]:
    """Yield the frames up to the first damage; return whether the recording breaks off."""
    stream = container.streams.video[0]
    packets, shown, broken = 0, 0, False
    try:
        for packet in container.demux(stream):
            for frame in _sound_frames(packet, joined=shown > 0):
                shown += 1
                yield frame
            packets += packet.size > 0
    except (av.FFmpegError, _BrokenError):
        broken = True
        with contextlib.suppress(av.FFmpegError):
            for frame in stream.codec_context.decode(None):  # sound pictures that wait for their turn
                if not frame.is_corrupt:
                    yield frame
    return broken or packets < stream.frames


def _sound_frames(packet: "av.Packet[VideoStream]", *, joined: bool) -> Iterator[av.VideoFrame]:
    """Yield the frames of one packet of a video stream.

    FFmpeg fills the missing part of a picture with what was there before; nothing from there on is evidence. Only a
    stream that is joined midway may begin with pictures that lack their reference: these are passed over.
    """
    if packet.is_corrupt:
        raise _BrokenError
    for frame in packet.decode():
        if not frame.is_corrupt:
            joined = True
            yield frame
        elif joined:
            raise _BrokenError


def _stated_seconds(container: InputContainer) -> float:
    """Return how long the header says that the pictures last; 0 where it is silent, or may speak of the sound."""
    stream = container.streams.video[0]
    if stream.frames:  # a count is better, and is compared as packets are read
        return 0.0
    hours, _, rest = str(stream.metadata.get("DURATION", "")).partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)  # Matroska's tag of a stream, 00:00:01.200000000
    except ValueError:
        alone = len(container.streams) == 1 and "matroska" in container.format.name
        return container.duration / av.time_base if alone and container.duration else 0.0


def _upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the frame as RGB, turned and mirrored as its display matrix says.

    ISO/IEC 14496-12, 6.2.2 gives the matrix, nine numbers in 16.16: a pixel (x, y) is shown at (a x + c y, b x + d y).
    Quarter turns are applied; a matrix in between goes to the nearest.
    """
    # One thread: FFmpeg would start a pool of them for each frame, which costs more than the conversion.
    pixels = np.asarray(frame.to_ndarray(format="rgb24", threads=1), np.uint8)  # (H, W, 3)
    side_data: Any = frame.side_data
    try:
        matrix = bytes(side_data["DISPLAYMATRIX"])
    except KeyError:
        return pixels
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels = pixels.swapaxes(0, 1)
        a, d = c, b  # x is now shown by what was y
    if a < 0:
        pixels = pixels[:, ::-1]
    if d < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
