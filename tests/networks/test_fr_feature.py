"""fr_feature: the published graph as it is, one face at a time, is what the wrapper runs in batches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest

from countenance.errors import DataError, MissingFile, UsageError
from countenance.networks.fr_feature import FrFeature

FACES = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def path(pulled: Callable[[str], dict[str, Path]]) -> Path:
    return pulled("fr_feature")["fr_feature"]


@pytest.fixture(scope="module")
def network(path: Path) -> FrFeature:
    return FrFeature(path)


def test_recorded_features(network: FrFeature) -> None:
    features = network.embed(FACES)
    assert features.shape == (3, 512)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    expected = [[-0.06213, 0.00386, 0.01457, -0.01498], [-0.02820, 0.01717, -0.01556, 0.00292]]
    np.testing.assert_allclose(features[:2, :4], expected, atol=1e-4)


def test_the_same_as_the_published_graph_one_by_one(network: FrFeature, path: Path) -> None:
    published = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for face, ours in zip(FACES, network.embed(FACES), strict=True):
        pixels = ((face.transpose(2, 0, 1)[None].astype(np.float64) - 127) / 128).astype(np.float32)
        (features,) = published.run(None, {"input": pixels})[0]
        np.testing.assert_allclose(ours, features / np.linalg.norm(features), atol=1e-5)


def test_alone_as_in_a_batch_and_with_two_threads(network: FrFeature, path: Path) -> None:
    whole = network.embed(FACES)
    np.testing.assert_allclose(whole, np.concatenate([network.embed(face[None]) for face in FACES]), atol=1e-5)
    np.testing.assert_allclose(whole, FrFeature(path, threads=2).embed(FACES), atol=1e-5)


def test_other_arrays_and_files_are_refused(network: FrFeature, tmp_path: Path) -> None:
    others: list[np.ndarray] = [FACES[0], FACES[:0], FACES[:, :100], FACES.astype(np.float32)]
    for faces in others:
        with pytest.raises(UsageError, match="cut each face out first"):
            network.embed(faces)
    with pytest.raises(MissingFile, match="the fr_feature network"):
        FrFeature(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(DataError, match="weights pull fr_feature"):
        FrFeature(tmp_path / "text.onnx")
