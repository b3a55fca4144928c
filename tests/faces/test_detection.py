from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.errors import ManyFaces, NoFace, WrongModality
from countenance.faces.detection import Face, central_face, mapped, only_face, rgb_image, shrunk


def face(x: float, y: float, width: float, height: float) -> Face:
    return Face((x, y, width, height), np.full((5, 2), (x, y), np.float32), 0.9)


def test_the_area_of_a_face() -> None:
    assert face(5, 6, 3, 4).area == 12


def test_a_second_face_counts_from_a_quarter_of_the_first() -> None:
    large, nearly, quarter = face(0, 0, 20, 20), face(50, 0, 11, 9), face(50, 0, 10, 10)
    assert only_face([large]) is large
    assert only_face([nearly, large]) is large  # in any order
    with pytest.raises(
        ManyFaces, match=r"one person before the camera; came 2 faces of like size in a.jpg; let one person"
    ):
        only_face([large, quarter], name="a.jpg")
    with pytest.raises(ManyFaces, match="came 3 faces of like size in the image"):
        only_face([nearly, quarter, large, large])


@pytest.mark.parametrize("choose", [only_face, lambda faces, name: central_face(faces, (9, 9), name=name)])
def test_no_face_is_an_error(choose: Callable[..., Face]) -> None:
    with pytest.raises(NoFace, match=r"expected a face; came none in a.jpg; face the camera in even light"):
        choose([], name="a.jpg")


def test_the_central_face_weighs_size_against_distance() -> None:
    shape = (101, 101, 3)  # the centre is (50, 50)
    # 20 x 20 in the middle: 400. 30 x 30, centre d pixels off: 900 - 2 d^2, equal at d = sqrt(250) = 15.81.
    middle = face(40, 40, 20, 20)
    assert central_face([face(35 + 15.8, 35, 30, 30), middle], shape) is not middle
    assert central_face([face(35 + 15.9, 35, 30, 30), middle], shape) is middle
    assert central_face([face(35, 35 - 15.9, 30, 30), middle], shape[:2]) is middle
    # Along both axes, 400 - 2 (10^2 + 10^2) = 0 against 30.
    small = face(47.5, 47, 5, 6)
    assert central_face([face(50, 50, 20, 20), small], shape) is small


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_an_image_of_another_shape_or_type_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(
        WrongModality, match=r"expected an \(H, W, 3\) uint8 RGB image; came (uint8|float64) \(.*read_image"
    ):
        rgb_image(image)


def test_shrinking_bounds_the_longest_side_and_never_enlarges() -> None:
    image = np.zeros((100, 50, 3), np.uint8)
    assert shrunk(image, 100) is image
    assert shrunk(image, 40).shape == (40, 20, 3)
    assert shrunk(np.zeros((1, 4000, 3), np.uint8), 100).shape == (1, 100, 3)


def test_a_face_is_carried_back_to_where_it_was() -> None:
    # A copy at half size, 10 black pixels around it: its pixel 12 covers pixels 4 and 5 of the image, middle 4.5.
    (carried,) = mapped([face(12, 13, 5, 6)], scale=(2, 2), margin=10)
    assert carried.box == (4.5, 6.5, 10, 12)
    np.testing.assert_array_equal(carried.points, [[4.5, 6.5]] * 5)
    assert carried.confidence == 0.9
    (same,) = mapped([face(12, 13, 5, 6)], scale=(1, 1))
    assert same.box == (12, 13, 5, 6)


def test_carried_faces_come_largest_first() -> None:
    areas = [found.area for found in mapped([face(0, 0, 1, 1), face(0, 0, 3, 3), face(0, 0, 2, 2)], scale=(1, 2))]
    assert areas == [18, 8, 2]
