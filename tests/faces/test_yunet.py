import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.errors import DataError, MissingFile, WrongModality
from countenance.faces.detection import Face, only_face
from countenance.faces.yunet import YuNet

Photographs = dict[str, NDArray[np.uint8]]


@pytest.fixture(scope="module")
def model(pulled: Callable[[str], dict[str, Path]]) -> Path:
    return pulled("yunet")["yunet"]


@pytest.fixture(scope="module")
def yunet(model: Path) -> YuNet:
    return YuNet(model)


@pytest.mark.parametrize("name", ["F1", "F2", "T1"])
def test_the_points_stand_on_eyes_nose_and_mouth(
    yunet: YuNet, photographs: Photographs, marked: dict[str, NDArray[np.float64]], name: str
) -> None:
    (face,) = yunet.detect(photographs[name])
    x, y, width, height = face.box
    assert face.points.dtype == np.float32
    assert np.linalg.norm(face.points - marked[name], axis=1).max() < width / 10
    assert ((face.points > (x, y)) & (face.points < (x + width, y + height))).all()
    assert face.confidence > 0.9


def same(one: Face, other: Face, *, tolerance: float) -> bool:
    return float(np.linalg.norm(one.points - other.points, axis=1).max()) <= tolerance


def test_a_large_photograph_is_mapped_back(yunet: YuNet, photographs: Photographs) -> None:
    small = photographs["T1"]
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    (face,), (reference,) = yunet.detect(np.asarray(large, np.uint8)), yunet.detect(small)
    np.testing.assert_allclose(face.points, (reference.points + 0.5) * 4 - 0.5, atol=4 * 2)
    np.testing.assert_allclose(face.box, np.array(reference.box) * 4, atol=4 * 4)


def test_a_small_face_in_a_large_photograph_is_found(
    model: Path, yunet: YuNet, photographs: Photographs, marked: dict[str, NDArray[np.float64]]
) -> None:
    crowd = np.full((1400, 1800, 3), 120, np.uint8)
    crowd[200:264, 900:948] = cv2.resize(photographs["T1"], (48, 64), interpolation=cv2.INTER_AREA)
    assert YuNet(model, second_side=640).detect(crowd) == []
    (face,) = yunet.detect(crowd)
    expected = marked["T1"] / 10 + (900, 200)
    assert np.linalg.norm(face.points - expected, axis=1).max() < 3


def test_a_face_that_fills_the_picture_is_found(
    yunet: YuNet, photographs: Photographs, marked: dict[str, NDArray[np.float64]]
) -> None:
    cut = photographs["F2"][261:470, 145:354]
    close = np.asarray(cv2.resize(cut, (1200, 1200), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert yunet._search(close, 640) == []  # what the margin is there for
    (face,) = yunet.detect(close)
    expected = (marked["F2"] - (145, 261)) * (1200 / 209)
    assert np.linalg.norm(face.points - expected, axis=1).max() < 0.08 * 1200


def test_two_people_are_both_found_the_larger_first(yunet: YuNet, photographs: Photographs) -> None:
    smaller = cv2.copyMakeBorder(cv2.resize(photographs["F2"], (240, 320)), 0, 320, 0, 0, cv2.BORDER_CONSTANT)
    pair = np.hstack([np.asarray(smaller, np.uint8), photographs["T1"]])
    first, second = yunet.detect(pair)
    assert first.area > second.area
    assert first.points[:, 0].min() > 240 > second.points[:, 0].max()


@pytest.mark.parametrize("side", [1, 20, 250, 1000])
def test_no_face_is_an_empty_list(yunet: YuNet, side: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
    assert yunet.detect(noise) == []
    assert yunet.detect(np.asarray(cv2.GaussianBlur(noise, (0, 0), 9), np.uint8)) == []
    assert yunet.detect(np.zeros_like(noise)) == []


def test_it_is_deterministic_and_takes_threads(yunet: YuNet, photographs: Photographs) -> None:
    images = [photographs["F1"], photographs["T1"][:500], photographs["F2"][100:]] * 4
    alone = [only_face(yunet.detect(image)) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: only_face(yunet.detect(image)), images))
    assert all(same(one, other, tolerance=0) for one, other in zip(alone, together, strict=True))
    assert all(same(one, other, tolerance=0) for one, other in zip(alone, alone[3:], strict=False))


def test_the_channel_order_is_rgb(model: Path, photographs: Photographs) -> None:
    from_rgb = only_face(YuNet(model).detect(photographs["F2"]))
    network = cv2.FaceDetectorYN.create(str(model), "", (480, 640), score_threshold=0.7)
    _, rows = network.detect(cv2.cvtColor(photographs["F2"], cv2.COLOR_RGB2BGR))
    np.testing.assert_allclose(from_rgb.points.ravel(), rows[0, 4:14], atol=1e-3)


@pytest.mark.parametrize("name", ["F1", "F2", "T1"])
@pytest.mark.parametrize("size", [(640, 480), (250, 250), (333, 479)])
def test_it_sees_what_opencv_sees(model: Path, photographs: Photographs, name: str, size: tuple[int, int]) -> None:
    bgr = cv2.cvtColor(cv2.resize(photographs[name], size), cv2.COLOR_RGB2BGR)
    bgr = np.hstack([bgr, bgr[:, ::-1]])  # two faces
    network = cv2.FaceDetectorYN.create(str(model), "", (bgr.shape[1], bgr.shape[0]), score_threshold=0.5)
    _, rows = network.detect(bgr)
    assert len(rows) >= 2
    np.testing.assert_allclose(YuNet(model, threshold=0.5)._rows(bgr), rows, atol=1e-3)


def test_stderr_stays_clean_and_the_log_level_comes_back(model: Path) -> None:
    program = (
        "import cv2, sys; from countenance.faces.yunet import YuNet; before = cv2.utils.logging.getLogLevel();"
        "YuNet(sys.argv[1]); assert cv2.utils.logging.getLogLevel() == before"
    )
    done = subprocess.run([sys.executable, "-c", program, model], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_a_missing_or_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="expected the YuNet network; came no file at"):
        YuNet(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(
        DataError, match=r"the YuNet network as ONNX; came another file at .*countenance weights pull yunet"
    ):
        YuNet(tmp_path / "text.onnx")


def test_a_grey_image_is_refused(yunet: YuNet) -> None:
    with pytest.raises(WrongModality, match=r"came uint8 \(9, 9\)"):
        yunet.detect(np.zeros((9, 9), np.uint8))
