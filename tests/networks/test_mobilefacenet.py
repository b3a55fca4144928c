"""MobileFaceNet: a black box that takes faces in pairs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.errors import DataError, MissingFile, UsageError
from countenance.faces.chip import ALIGNED
from countenance.networks import mobilefacenet
from countenance.networks.mobilefacenet import MobileFaceNet

FACES = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def path(pulled: Callable[[str], dict[str, Path]]) -> Path:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    return pulled("mobilefacenet")["mobilefacenet"]


@pytest.fixture(scope="module")
def network(path: Path) -> MobileFaceNet:
    return MobileFaceNet(path)


def test_recorded_features(network: MobileFaceNet) -> None:
    features = network.embed(FACES)
    assert features.shape == (3, 192)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    expected = [[-0.00766, 0.03691, 0.01436, -0.00871], [-0.00603, 0.03344, 0.01323, -0.00897]]
    np.testing.assert_allclose(features[:2, :4], expected, atol=2e-4)


def test_alone_as_in_a_batch_and_with_two_threads(network: MobileFaceNet, path: Path) -> None:
    whole = network.embed(FACES)
    np.testing.assert_allclose(whole, np.concatenate([network.embed(face[None]) for face in FACES]), atol=1e-5)
    np.testing.assert_allclose(whole, MobileFaceNet(path, threads=2).embed(FACES), atol=1e-5)


def test_of_a_chip_it_sees_the_aligned_face(network: MobileFaceNet) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2, 160, 160, 3), dtype=np.uint8)
    chips: np.ndarray = np.stack([cv2.GaussianBlur(chip, (0, 0), 4) for chip in noise])
    part = np.array([[1 / 1.2, 0, -(ALIGNED.left - 0.1) / 1.2], [0, 1 / 1.2, -(ALIGNED.top - 0.1) / 1.2]])
    seen: np.ndarray = np.stack([cv2.warpAffine(chip, part, (112, 112), flags=cv2.INTER_LINEAR) for chip in chips])
    alike = np.sum(network.embed_chips(chips) * network.embed(seen), axis=1)
    assert (alike > 0.99).all()


def test_stderr_is_ours(path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pathlib, numpy as np\n"
        "from countenance.networks.mobilefacenet import MobileFaceNet\n"
        "print(MobileFaceNet(pathlib.Path(sys.argv[2])).embed(np.zeros((1, 112, 112, 3), np.uint8)).shape)\n"
    )
    source = Path(mobilefacenet.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, source, path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(1, 192)\n", "")


def test_other_arrays_are_refused(network: MobileFaceNet) -> None:
    others: list[np.ndarray] = [FACES[0], FACES[:0], FACES[:, :100], FACES.astype(np.float32)]
    for faces in others:
        with pytest.raises(UsageError, match="cut each face out first"):
            network.embed(faces)
    with pytest.raises(UsageError, match="cut each face out first"):
        network.embed_chips(FACES)


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="the MobileFaceNet network"):
        MobileFaceNet(tmp_path / "absent.tflite")
    (tmp_path / "text.tflite").write_text("no network at all")
    (tmp_path / "cut.tflite").write_bytes(path.read_bytes()[:1000])
    for name in ("text.tflite", "cut.tflite"):
        with pytest.raises(DataError, match="weights pull mobilefacenet"):
            MobileFaceNet(tmp_path / name)


def test_without_the_interpreter_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    (tmp_path / "network.tflite").write_bytes(b"any")
    with pytest.raises(UsageError, match=r"ai-edge-litert, .*; pip install"):
        MobileFaceNet(tmp_path / "network.tflite")
