"""Windows of drawn squares on clips whose every frame is known, and of the real clips."""

import numpy as np
import pytest

from countenance.clips import ClipReader
from countenance.errors import ManyFaces, NoFace, TooFewFrames, UnreadableImage, UsageError
from countenance.faces.detection import Face
from countenance.loading.clip_windows import (
    FRAMES,
    SPAN,
    STRIDE,
    clip_windows,
    cut_windows,
    frames_at_ticks,
    square_box,
    window_frames,
    window_starts,
)

HEIGHT, WIDTH = 48, 64
BOX = (20.0, 10.0, 16.0, 20.0)


def face(x=20.0, y=10.0, width=16.0, height=20.0):
    return Face((x, y, width, height), np.zeros((5, 2), np.float32), 0.9)


class Script:
    """Answers the k-th call with the faces of row k; the last row again and again."""

    def __init__(self, rows):
        self.rows, self.calls = rows, 0

    def detect(self, _image):
        self.calls += 1
        return self.rows[min(self.calls, len(self.rows)) - 1]


@pytest.fixture
def grey_clip(recorded):
    def write(path, count, **options):
        frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
        frames[:] = np.linspace(16, 240, count).astype(np.uint8)[:, None, None, None]
        return recorded(path, frames, **options)

    return write


@pytest.mark.parametrize("count", [0, 1, 12, 13, 14, 27, 28, 90, 450])
def test_the_drawn_default_is_every_half_second(count):
    starts = window_starts(count)
    assert starts == tuple(start for start in range(0, count, STRIDE) if start + SPAN <= count)
    assert window_frames(starts).shape == (len(starts), FRAMES)


@pytest.mark.parametrize("count", [13, 14, 20, 60, 333])
@pytest.mark.parametrize("windows", [1, 2, 3, 8, 50])
@pytest.mark.parametrize(("first", "left"), [(0, 0), (5, 0), (2, 3)])
def test_starts_are_even_and_inside(count, windows, first, left):
    last = first + count - 1
    starts = window_starts(last + 1 + left, windows, first=first, last=last)
    room = count - SPAN + 1
    assert len(starts) == len(set(starts)) == min(windows, room)
    assert list(starts) == sorted(starts)
    assert first <= min(starts)
    assert max(starts) + SPAN - 1 <= last
    gaps = np.diff(starts)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1
    if len(starts) > 1:
        assert (starts[0], starts[-1] + SPAN - 1) == (first, last)


def test_no_window_fits_and_none_is_asked_for():
    assert window_starts(12, 3) == window_starts(90, 3, first=80) == ()
    with pytest.raises(UsageError, match="windows of at least 1"):
        window_starts(90, 0)


def test_the_square_is_about_the_middle_and_never_changes_its_shape():
    left, top, width, height = square_box(np.array([BOX]))
    assert width == height == 20
    assert (left + (width - 1) / 2, top + (height - 1) / 2) == pytest.approx((28, 20), abs=0.51)
    boxes = np.array([[0, 0, 10, 10], [np.nan] * 4, [4, 2, 10, 10]], float)
    assert square_box(boxes) == square_box(np.array([[2.0, 1.0, 10.0, 10.0]]))
    outside = square_box(np.array([[-9.0, 30.0, 20.0, 30.0]]))
    assert outside[2] == outside[3] == 30
    for bad in (np.full((2, 4), np.nan), np.array([[1.0, 1.0, 0.0, 4.0]])):
        with pytest.raises(UsageError, match="boxes with an area"):
            square_box(bad)


def test_windows_hold_the_frames_and_the_place_that_they_say():
    frames = np.random.default_rng(0).integers(0, 256, (40, HEIGHT, WIDTH, 3), np.uint8)
    boxes = np.tile(BOX, (40, 1))
    windows, kept = cut_windows(frames, boxes, [0, 7, 27], side=20)
    assert kept == (0, 7, 27)
    left, top, side, _ = square_box(boxes)
    slowly = frames[:, top : top + side, left : left + side]
    for window, start in zip(windows, kept, strict=True):
        np.testing.assert_array_equal(window, slowly[start : start + SPAN : 3])
    larger, _ = cut_windows(frames, boxes, [0], side=32)
    smaller, _ = cut_windows(frames, boxes, [0], side=8)
    assert (larger.shape, smaller.shape) == ((1, 5, 32, 32, 3), (1, 5, 8, 8, 3))


def test_a_square_beyond_the_border_goes_on_with_its_last_pixels():
    frames = {number: np.zeros((10, 10, 3), np.uint8) for number in range(SPAN)}
    for frame in frames.values():
        frame[0] = 200
    windows, _ = cut_windows(frames, np.tile([0.0, -5.0, 10.0, 10.0], (SPAN, 1)), [0], side=10)
    above = 1 - square_box(np.array([[0.0, -5.0, 10.0, 10.0]]))[1]
    assert above == 5
    assert (windows[0, :, :above] == 200).all()
    assert (windows[0, :, above:] == 0).all()


def test_every_frame_is_asked_for_once_in_rising_order_and_none_in_vain():
    asked: list[int] = []
    boxes = np.tile(BOX, (60, 1))
    boxes[30:] = np.nan

    def frame(number):
        asked.append(number)
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    _, kept = cut_windows(frame, boxes, [0, 6, 40], side=4)
    assert kept == (0, 6)
    assert asked == sorted({*range(0, 13, 3), *range(6, 19, 3)})


@pytest.mark.parametrize(("found", "kept"), [(5, True), (3, True), (2, False), (0, False)])
def test_three_boxes_of_five_make_a_window(found, kept):
    boxes = np.tile(BOX, (SPAN, 1))
    boxes[window_frames([0])[0, found:]] = np.nan
    windows, starts = cut_windows(np.zeros((SPAN, HEIGHT, WIDTH, 3), np.uint8), boxes, [0], side=4)
    assert (starts, len(windows)) == (((0,), 1) if kept else ((), 0))


@pytest.mark.parametrize("starts", [[-1], [28], [0, 99]])
def test_a_window_outside_the_clip_is_refused(starts):
    with pytest.raises(UsageError, match="windows within the 40 frames of the clip"):
        cut_windows(np.zeros((40, 8, 8, 3), np.uint8), np.tile(BOX, (40, 1)), starts)


@pytest.mark.parametrize("rate", [30, 30000 / 1001])
def test_ticks_of_thirty_a_second_are_the_frames(rate):
    np.testing.assert_array_equal(frames_at_ticks(np.arange(200) / rate)[:200], np.arange(200))
    milliseconds = np.round(np.arange(200) / rate, 3)
    np.testing.assert_array_equal(frames_at_ticks(milliseconds)[:200], np.arange(200))


@pytest.mark.parametrize("rate", [10, 24, 25, 60, 120])
def test_ticks_of_another_rate_are_the_nearest_frames(rate):
    seconds = np.arange(150) / rate
    ticks = frames_at_ticks(seconds)
    assert abs(seconds[ticks] - np.arange(len(ticks)) / 30).max() <= 0.5 / rate + 1e-6
    assert len(ticks) == pytest.approx(150 / rate * 30, abs=30 / rate + 1)
    assert frames_at_ticks(np.zeros(1)).tolist() == [0]


def test_a_clip_is_cut_as_its_frames_are(tmp_path, grey_clip):
    path = grey_clip(tmp_path / "a.mp4", 40)
    moving = [[face(x=20 + 0.2 * k)] for k in range(40)]
    seen = clip_windows(path, detector=Script(moving), windows=4, side=16)
    assert seen.starts == window_starts(40, 4)
    frames = list(ClipReader(path))
    again, kept = cut_windows(frames, seen.track.boxes, seen.starts, side=16)
    np.testing.assert_array_equal(seen.windows, again)
    assert kept == seen.starts
    np.testing.assert_array_equal(seen.numbers, window_frames(kept))
    np.testing.assert_allclose(seen.seconds, np.array(kept) / 30)
    assert clip_windows(path, detector=Script(moving)).starts == (0, 15)


@pytest.mark.parametrize(("rate", "count"), [(60, 60), (25, 25), (10, 12)])
def test_a_window_lasts_as_long_at_every_rate(tmp_path, grey_clip, rate, count):
    seen = clip_windows(grey_clip(tmp_path / "a.mp4", count, rate=rate), detector=Script([[face()]]), windows=3, side=8)
    lasts = seen.timeline.seconds[seen.numbers[:, -1]] - seen.seconds
    np.testing.assert_allclose(lasts, 0.4, atol=1 / rate)
    assert (np.diff(seen.numbers, axis=1) >= 1).all()


def test_the_part_with_the_face_is_judged(tmp_path, grey_clip):
    rows = [[]] * 10 + [[face()]] * 30 + [[]] * 40
    seen = clip_windows(grey_clip(tmp_path / "a.mp4", 80), detector=Script(rows), windows=9, side=8)
    assert (seen.track.first, seen.track.gone_from) == (10, 40)
    assert min(seen.starts) == 10
    assert max(seen.starts) + SPAN - 1 == 39


def test_of_two_appearances_the_longer_is_judged(tmp_path, grey_clip):
    rows = [[face()]] * 20 + [[]] * 30 + [[face()]] * 30
    seen = clip_windows(grey_clip(tmp_path / "a.mp4", 80), detector=Script(rows), windows=100, side=8)
    assert seen.track.shown[seen.numbers].all()
    assert seen.starts == tuple(range(50, 80 - SPAN + 1))


@pytest.mark.parametrize(
    ("count", "rate", "rows", "error", "words"),
    [
        (1, 30, [[face()]], TooFewFrames, r"expected 0\.4 s of the face .*; came 1 of 1 frames with it in 0\.00 s"),
        (12, 30, [[face()]], TooFewFrames, "came 12 of 12 frames"),
        (60, 30, [[face()]] * 12 + [[]], TooFewFrames, "came 12 of 60 frames"),
        (30, 5, [[face()]], TooFewFrames, "at 10 frames a second or more"),
        (1, 30, [[]], NoFace, "came none in 1 frames"),
        (40, 30, [[]], NoFace, "came none in 40 frames"),
        (40, 30, [[face(), face(x=44, width=9, height=12)]], ManyFaces, "in 40 of 40 frames"),
        (40, 30, [[face()]] * 30 + [[face(), face(x=44)]], ManyFaces, "in 10 of 40 frames"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(tmp_path, grey_clip, count, rate, rows, error, words):
    path = grey_clip(tmp_path / "door.mp4", count, rate=rate)
    with pytest.raises(error, match=words) as raised:
        clip_windows(path, detector=Script(rows))
    assert str(path) in str(raised.value)


def test_a_small_or_a_fleeting_second_face_is_no_second_person(tmp_path, grey_clip):
    path = grey_clip(tmp_path / "a.mp4", 40)
    small = [[face(), face(x=44, width=8, height=8)]]
    assert clip_windows(path, detector=Script(small)).crowded == 0
    fleeting = [[face()]] * 20 + [[face(), face(x=44)]] * 4 + [[face()]]
    assert clip_windows(path, detector=Script(fleeting)).crowded == 4


def test_a_corrupt_tail_is_told(tmp_path, grey_clip):
    path = grey_clip(tmp_path / "cut.mkv", 40, codec="mjpeg")
    path.write_bytes(path.read_bytes()[: int(0.7 * path.stat().st_size)])
    seen = clip_windows(path, detector=Script([[face()]]), windows=3)
    assert seen.timeline.truncated
    assert seen.numbers.max() < seen.timeline.count < 40


def test_a_still_is_no_clip(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "still.mp4", format="JPEG")
    with pytest.raises(UnreadableImage, match="expected a video"):
        clip_windows(tmp_path / "still.mp4", detector=Script([[face()]]))
