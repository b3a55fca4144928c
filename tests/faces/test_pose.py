"""Yaw, pitch and roll from five points: heads made of points, and real heads whose side is known by eye."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.errors import NoFace
from countenance.faces.detection import Face
from countenance.faces.pose import NOSE_LEVEL, NOSE_OVER_HEIGHT, NOSE_OVER_WIDTH, HeadPose, head_pose
from countenance.faces.yunet import YuNet
from countenance.synthesis.camera import rotation
from countenance.synthesis.expression import FacialActions
from countenance.synthesis.head import LANDMARK_NAMES, landmarks
from countenance.synthesis.identity import draw_identity

WIDE, HIGH = 100.0, 100.0 * NOSE_OVER_WIDTH / NOSE_OVER_HEIGHT
HEAD = np.array(  # x to the right of the picture, y up, z towards the camera
    [
        (-WIDE / 2, 0, 0),
        (WIDE / 2, 0, 0),
        (0, -NOSE_LEVEL * HIGH, NOSE_OVER_WIDTH * WIDE),
        (-WIDE / 2, -HIGH, 0),
        (WIDE / 2, -HIGH, 0),
    ]
)
FIVE = ("eye_left", "eye_right", "nose_tip", "mouth_left", "mouth_right")
Photographs = dict[str, NDArray[np.uint8]]


def seen(head: NDArray[np.floating], yaw: float = 0, pitch: float = 0, roll: float = 0) -> Face:
    """A head from afar, somewhere in a picture."""
    x, y, _ = rotation(yaw, pitch, roll) @ head.T
    return Face((0, 0, 1, 1), np.stack([300 + 0.7 * x, 200 - 0.7 * y], axis=1).astype(np.float32), 1.0)


def angles(pose: HeadPose) -> tuple[float, float, float]:
    return pose.yaw_degrees, pose.pitch_degrees, pose.roll_degrees


def test_by_hand() -> None:
    """The tip of the nose stands .33 of the width beside the middle: tan(yaw) = .33 / .66."""
    points = np.array([(0, 0), (100, 0), (83, 56), (0, 100), (100, 100)], np.float32)
    assert angles(head_pose(Face((0, 0, 1, 1), points, 1.0))) == pytest.approx((26.565, 0, 0), abs=1e-3)


@given(st.floats(-45, 45))
def test_yaw_alone_pitch_alone_and_roll_alone_come_back(degrees: float) -> None:
    assert angles(head_pose(seen(HEAD, yaw=degrees))) == pytest.approx((degrees, 0, 0), abs=0.01)
    assert angles(head_pose(seen(HEAD, pitch=degrees))) == pytest.approx((0, degrees, 0), abs=0.01)
    assert angles(head_pose(seen(HEAD, roll=degrees))) == pytest.approx((0, 0, -degrees), abs=0.01)  # y is down there


@given(st.floats(-40, 40), st.floats(0.1, 10), st.floats(-20, 20))
def test_a_mirror_image_looks_the_other_way_and_size_does_not_count(yaw: float, scale: float, roll: float) -> None:
    face = seen(HEAD, yaw=yaw, pitch=8, roll=roll)
    mirrored = (face.points * (-1, 1))[[1, 0, 2, 4, 3]]
    one, other = head_pose(face), head_pose(Face(face.box, (scale * mirrored).astype(np.float32), 1.0))
    assert angles(other) == pytest.approx((-one.yaw_degrees, one.pitch_degrees, -one.roll_degrees), abs=0.05)


def test_drawn_heads_turn_by_what_their_own_points_say() -> None:
    """People differ: the mean of eight is right to a fifth (seen from afar), each one to 8 degrees."""
    places = [LANDMARK_NAMES.index(name) for name in FIVE]
    heads = [landmarks(draw_identity(number, root=7), FacialActions.neutral())[places] for number in range(8)]
    for yaw in (-35, -15, 0, 15, 35):
        found = np.array([head_pose(seen(head, yaw=yaw)).yaw_degrees for head in heads])
        assert abs(found.mean() - yaw) < 1 + 0.2 * abs(yaw)
        assert np.abs(found - found.mean()).max() < 8


@pytest.mark.parametrize(
    "points", [np.full((5, 2), 3.0), np.full((5, 2), np.nan), np.array([(0, 0), (9, 0), (5, 0), (0, 0), (9, 0)])]
)
def test_points_that_are_no_face_are_refused(points: NDArray[np.float64]) -> None:
    with pytest.raises(NoFace, match="expected points of a face"):
        head_pose(Face((0, 0, 9, 9), points.astype(np.float32), 1.0))


def test_the_heads_of_real_photographs_lean_as_marked(
    pulled: Callable[[str], dict[str, Path]], photographs: Photographs, marked: dict[str, NDArray[np.float64]]
) -> None:
    detector = YuNet(pulled("yunet")["yunet"])
    for name, picture in photographs.items():
        (face, *_) = detector.detect(picture)
        told = head_pose(Face(face.box, marked[name].astype(np.float32), 1.0))
        assert angles(head_pose(face)) == pytest.approx(angles(told), abs=9)
        assert head_pose(face).roll_degrees > 5  # all three lean clockwise
