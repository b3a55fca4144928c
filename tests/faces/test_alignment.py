from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.errors import NoFace, UsageError, WrongModality
from countenance.faces.alignment import TEMPLATE_112, align, similarity
from countenance.faces.yunet import YuNet

TEMPLATE = np.array(TEMPLATE_112)


def umeyama(points: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eqs. 34 to 43 as printed, by SVD."""
    x, y = points - points.mean(0), template - template.mean(0)
    u, d, vt = np.linalg.svd(y.T @ x / len(points))
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(d) @ sign) / (x**2).sum(1).mean()
    return np.column_stack([scale * rotation, template.mean(0) - scale * rotation @ points.mean(0)])


@given(degrees=st.floats(-180, 180), scale=st.floats(0.05, 20), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_a_known_similarity_is_recovered(degrees: float, scale: float, x: float, y: float) -> None:
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    matrix = np.array([[c, -s, x], [s, c, y]])
    moved = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(similarity(TEMPLATE, moved), matrix, atol=1e-8)


@given(st.integers(0, 2**32 - 1))
def test_it_is_umeyama_s_solution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = TEMPLATE + rng.normal(0, 15, (5, 2))
    np.testing.assert_allclose(similarity(points, TEMPLATE), umeyama(points, TEMPLATE), atol=1e-8)


def test_the_identity_cuts_out_the_image_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align(image, TEMPLATE), image)


def test_the_template_grows_with_the_crop() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align(image, 2 * TEMPLATE, size=224), image)


def test_a_turned_face_comes_upright_and_outside_is_black() -> None:
    image = np.random.default_rng(0).integers(1, 256, (112, 112, 3), dtype=np.uint8)
    turned = np.ascontiguousarray(np.rot90(image))  # the pixel at x, y goes to y, 111 - x
    points = np.column_stack([TEMPLATE[:, 1], 111 - TEMPLATE[:, 0]])
    np.testing.assert_array_equal(align(turned, points), image)
    crop = align(image, TEMPLATE - (40, 0))
    assert not crop[:, :39].any()
    np.testing.assert_array_equal(crop[:, 40:], image[:, :-40])


@pytest.mark.parametrize(
    "points", [np.ones((5, 2)), np.full((5, 2), np.nan), np.where(np.eye(5, 2), np.inf, 1.0), np.zeros((5, 2))]
)
def test_points_that_are_no_face_are_refused(points: NDArray[np.float64]) -> None:
    with pytest.raises(
        NoFace, match=r"expected points of a face, apart from each other; came .*; take a sharper picture"
    ):
        align(np.zeros((9, 9, 3), np.uint8), points)


def test_points_that_no_turn_brings_nearer_are_refused() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(NoFace):
        similarity(square, square[[0, 3, 2, 1]])  # mirrored about the diagonal: no rotation is better than another


@pytest.mark.parametrize("shape", [(4, 2), (5, 3), (10,), (2, 5)])
def test_another_number_of_points_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        UsageError, match=r"points of the template's shape \(5, 2\); came \(.*; pass x, y of each point"
    ):
        align(np.zeros((9, 9, 3), np.uint8), np.ones(shape))


def test_a_grey_image_is_refused() -> None:
    with pytest.raises(WrongModality):
        align(np.zeros((112, 112), np.uint8), TEMPLATE)


def test_the_crop_is_opencv_s(
    pulled: Callable[[str], dict[str, Path]], photographs: dict[str, NDArray[np.uint8]]
) -> None:
    detector = YuNet(pulled("yunet")["yunet"])
    (model,) = pulled("sface").values()
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    recogniser = cv2.FaceRecognizerSF.create(str(model), "")
    cv2.utils.logging.setLogLevel(level)
    for image in photographs.values():
        face = detector.detect(image)[0]
        row = np.array([*face.box, *face.points.ravel(), face.confidence], np.float32)
        theirs = recogniser.alignCrop(image, row).astype(int)
        assert np.abs(align(image, face.points) - theirs).max() <= 1
