from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file

from countenance.errors import DataError, MissingFile, WrongModality
from countenance.faces.detection import only_face
from countenance.faces.mtcnn import Mtcnn, _cut, suppress

Photographs = dict[str, NDArray[np.uint8]]


@pytest.fixture(scope="module")
def files(pulled: Callable[[str], dict[str, Path]]) -> tuple[Path, Path, Path]:
    found = pulled("mtcnn")
    return found["pnet"], found["rnet"], found["onet"]


@pytest.fixture(scope="module")
def mtcnn(files: tuple[Path, Path, Path]) -> Mtcnn:
    return Mtcnn(*files)


@pytest.mark.parametrize("name", ["F1", "F2", "T1"])
def test_the_points_stand_on_eyes_nose_and_mouth(
    mtcnn: Mtcnn, photographs: Photographs, marked: dict[str, NDArray[np.float64]], name: str
) -> None:
    (face,) = mtcnn.detect(photographs[name])
    x, y, width, height = face.box
    assert face.points.dtype == np.float32
    assert np.linalg.norm(face.points - marked[name], axis=1).max() < width / 25
    assert ((face.points > (x, y)) & (face.points < (x + width, y + height))).all()
    assert face.confidence > 0.99


def test_a_mirrored_photograph_has_mirrored_points(mtcnn: Mtcnn, photographs: Photographs) -> None:
    # A point at x goes to width - 1 - x; half a pixel lost between corners and middles would show as a bias of 1.
    distances, biases = [], []
    for photograph in photographs.values():
        for width in range(120, 240, 10):
            image = cv2.resize(photograph, (width, width * 4 // 3), interpolation=cv2.INTER_AREA)
            seen, mirrored = (only_face(mtcnn.detect(np.asarray(image[:, ::step], np.uint8))) for step in (1, -1))
            gap = mirrored.points[[1, 0, 2, 4, 3]] * (-1, 1) + (width - 1, 0) - seen.points
            distances.append(np.linalg.norm(gap, axis=1).mean() / seen.box[2])
            biases.append(gap[:, 0].mean())
    assert max(distances) < 0.08
    assert abs(np.mean(biases)) < 0.8


def test_a_face_at_the_border_keeps_its_points(
    mtcnn: Mtcnn, photographs: Photographs, marked: dict[str, NDArray[np.float64]]
) -> None:
    (face,) = mtcnn.detect(np.ascontiguousarray(photographs["F2"][:, 160:]))  # its box begins near 131
    assert face.box[0] < 0
    assert np.linalg.norm(face.points - (marked["F2"] - (160, 0)), axis=1).max() < face.box[2] / 15


def test_a_large_photograph_is_mapped_back(mtcnn: Mtcnn, photographs: Photographs) -> None:
    large = cv2.resize(photographs["T1"], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    (face,), (reference,) = mtcnn.detect(np.asarray(large, np.uint8)), mtcnn.detect(photographs["T1"])
    np.testing.assert_allclose(face.points, (reference.points + 0.5) * 4 - 0.5, atol=4 * 4)
    np.testing.assert_allclose(face.box, np.array(reference.box) * 4, atol=4 * 20)


def test_two_people_are_both_found_the_larger_first(mtcnn: Mtcnn, photographs: Photographs) -> None:
    smaller = cv2.copyMakeBorder(cv2.resize(photographs["F2"], (240, 320)), 0, 320, 0, 0, cv2.BORDER_CONSTANT)
    first, second = mtcnn.detect(np.hstack([np.asarray(smaller, np.uint8), photographs["T1"]]))
    assert first.area > second.area
    assert first.points[:, 0].min() > 240 > second.points[:, 0].max()


def test_the_minimum_size_is_in_pixels_of_the_photograph(
    files: tuple[Path, Path, Path], photographs: Photographs
) -> None:
    # The face is 170 x 250; the smallest square that is searched for at minimum size 400 is larger than it.
    assert len(Mtcnn(*files, minimum_size=100).detect(photographs["T1"])) == 1
    assert Mtcnn(*files, minimum_size=400).detect(photographs["T1"]) == []


@pytest.mark.parametrize("side", [1, 19, 20, 120])
def test_no_face_is_an_empty_list(mtcnn: Mtcnn, side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
    assert mtcnn.detect(noise) == []
    assert mtcnn.detect(np.zeros_like(noise)) == []


def test_it_is_deterministic_and_takes_threads(mtcnn: Mtcnn, photographs: Photographs) -> None:
    images = [*photographs.values()] * 2
    alone = [mtcnn.detect(image)[0] for image in images]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda image: mtcnn.detect(image)[0], images))
    for one, other in zip([*alone, *alone[3:]], [*together, *alone[:3]], strict=True):
        np.testing.assert_array_equal(one.points, other.points)


def test_suppression_by_hand() -> None:
    # Squares of 10 x 10: the second shares half with the first (a third of their union), the third a tenth of the
    # second (1/19 of the union); the fourth, 5 x 5, lies inside the first.
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [14, 0, 24, 10], [0, 0, 5, 5]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert suppress(boxes, scores, 0.3) == [1, 2, 3]
    assert suppress(boxes, scores, 0.34) == [1, 0, 2, 3]
    assert suppress(boxes, scores, 0.2) == [1, 2, 3]
    assert suppress(boxes[[0, 3]], scores[[0, 3]], 0.24) == [0]  # a quarter of the union
    assert suppress(boxes[[0, 3]], scores[[0, 3]], 0.26) == [0, 1]
    assert suppress(boxes[[0, 3]], scores[[0, 3]], 0.9, of_smaller=True) == [0]
    assert suppress(boxes[:0], scores[:0], 0.5) == []


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.booleans())
def test_suppression_is_the_slow_one(seed: int, threshold: float, of_smaller: bool) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 20, (12, 2))
    boxes, scores = np.hstack([corners, corners + rng.uniform(1, 20, (12, 2))]), rng.permutation(12) / 12

    def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
        return float(shared / (min(areas) if of_smaller else sum(areas) - shared))

    kept: list[int] = []
    for row in np.argsort(-scores).tolist():
        if all(overlap(boxes[row], boxes[better]) <= threshold for better in kept):
            kept.append(row)
    assert suppress(boxes, scores, threshold, of_smaller=of_smaller) == kept


def test_a_cut_is_black_outside_the_image() -> None:
    image = np.arange(1, 13, dtype=np.uint8)[:, None].repeat(3, 1).reshape(3, 4, 3)
    np.testing.assert_array_equal(_cut(image, 1, 1, 3, 3), image[1:3, 1:3])
    assert _cut(image, -1, -2, 2, 1)[..., 0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 2]]
    assert _cut(image, 3, 2, 5, 4)[..., 0].tolist() == [[12, 0], [0, 0]]
    assert not _cut(image, -5, -5, -2, -2).any()
    assert not _cut(image, 9, 9, 12, 12).any()
    assert _cut(image, 2, 2, 2, 1).shape == (1, 1, 3)


def test_a_missing_or_another_file_is_refused(tmp_path: Path) -> None:
    none, text, other = (tmp_path / name for name in ("none", "text", "other"))
    text.write_text("not tensors")
    save_file({"weight": torch.zeros(2)}, other)
    with pytest.raises(MissingFile, match="expected a network of MTCNN; came no file at"):
        Mtcnn(none, none, none)
    for path in (text, other):
        with pytest.raises(
            DataError, match=r"the tensors of MTCNN's PNet; came others in .*; fetch them with countenance we"
        ):
            Mtcnn(path, path, path)


def test_a_float_image_is_refused(mtcnn: Mtcnn) -> None:
    with pytest.raises(WrongModality, match=r"came float64 \(9, 9, 3\)"):
        mtcnn.detect(np.zeros((9, 9, 3)))  # type: ignore[arg-type]
