"""dlib's recogniser: the layers of the published files, its odd shortcuts by hand, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from countenance.errors import DataError, MissingFile, UsageError
from countenance.faces.detection import Face
from countenance.networks.dlib_resnet import (
    BLOCKS,
    SIDE,
    TEMPLATE,
    Block,
    DlibRecogniser,
    DlibResNet,
    cut_face,
    load,
    named_convolutions,
    read_tensors,
)

FACES = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
Pulled = Callable[[str], dict[str, Path]]


@pytest.fixture(scope="module")
def files(pulled: Pulled) -> dict[str, Path]:
    return pulled("dlib_resnet")


@pytest.fixture(scope="module")
def network(files: dict[str, Path]) -> DlibRecogniser:
    return DlibRecogniser(files["dlib_resnet"], files["manifest"])


def test_recorded_features(network: DlibRecogniser) -> None:
    features = network.embed(FACES)
    assert features.shape == (3, 128)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    expected = [[-0.06521, 0.06643, 0.03708, -0.00879], [-0.06509, 0.09012, 0.02614, 0.00561]]
    np.testing.assert_allclose(features[:2, :4], expected, atol=1e-4)
    alone = np.concatenate([network.embed(face[None]) for face in FACES])
    np.testing.assert_allclose(features, alone, atol=1e-5)


def test_the_graph_layer_by_layer(network: DlibRecogniser, files: dict[str, Path]) -> None:
    """The published tensors in plain arithmetic: scales apart, TensorFlow's order of axes, dlib's paddings."""
    tensors = {
        name: torch.from_numpy(values) for name, values in read_tensors(files["dlib_resnet"], files["manifest"]).items()
    }

    def layer(maps: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        filters = tensors[f"{name}/conv/filters"].permute(3, 2, 0, 1)
        same = 0 if stride == 2 else 1
        maps = conv2d(maps, filters, tensors[f"{name}/conv/bias"], stride, same)
        scale, shift = (tensors[f"{name}/scale/{part}"][:, None, None] for part in ("weights", "biases"))
        return maps * scale + shift

    pixels = torch.from_numpy(FACES[:1].astype(np.float32)) - torch.tensor([122.782, 117.001, 104.298])
    maps = torch.nn.functional.max_pool2d(layer(pixels.permute(0, 3, 1, 2) / 256, "conv32_down", 2).relu(), 3, 2)
    sides = []
    for name, _, _ in BLOCKS:
        change = layer(layer(maps, f"{name}/conv1", 2 if "down" in name else 1).relu(), f"{name}/conv2", 1)
        shortcut = torch.nn.functional.avg_pool2d(maps, 2) if "down" in name else maps
        maps = torch.zeros(1, *(max(a, b) for a, b in zip(change.shape[1:], shortcut.shape[1:], strict=True)))
        for part in (change, shortcut):
            maps[:, : part.shape[1], : part.shape[2], : part.shape[3]] += part
        maps = maps.relu()
        sides.append(maps.shape[-1])
    assert sides == [35, 35, 35, 17, 17, 17, 17, 8, 8, 8, 4, 4, 4, 2]
    features = maps.mean((2, 3)) @ tensors["fc"]
    expected = torch.nn.functional.normalize(features).numpy()
    np.testing.assert_allclose(network.embed(FACES[:1]), expected, atol=1e-5)


def test_it_has_29_convolutions() -> None:
    with torch.device("meta"):
        built = DlibResNet()
        assert built(torch.empty(2, 3, SIDE, SIDE)).shape == (2, 128)
    convolutions = dict(named_convolutions(built))
    assert len(convolutions) == 29
    scales = 2 * sum(conv.out_channels for conv in convolutions.values())  # folded here
    assert sum(each.numel() for each in built.parameters()) + scales == 5_614_592


def test_a_block_that_strides_by_hand() -> None:
    block = Block(1, 2, strides=True).requires_grad_(requires_grad=False)
    for conv in (block.conv1, block.conv2):
        torch.nn.init.zeros_(conv.weight)
        assert conv.bias is not None
        torch.nn.init.ones_(conv.bias)
    result = block(torch.arange(16.0).reshape(1, 1, 4, 4))  # convolutions give 1 x 1 of ones, the means are 2 x 2
    torch.testing.assert_close(result[0, 0], torch.tensor([[2.5 + 1, 4.5], [10.5, 12.5]]))
    torch.testing.assert_close(result[0, 1], torch.tensor([[1.0, 0.0], [0.0, 0.0]]))


def test_a_face_is_cut_by_its_points() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    points = (np.array(TEMPLATE) + np.array((20, 30))).astype(np.float32)
    np.testing.assert_array_equal(cut_face(image, Face((0, 0, 1, 1), points, 1.0)), image[30:180, 20:170])


def test_other_arrays_are_refused(network: DlibRecogniser) -> None:
    others: list[np.ndarray] = [FACES[0], FACES[:0], FACES[:, :100], FACES.astype(np.float32)]
    for faces in others:
        with pytest.raises(UsageError, match="cut each face out first"):
            network.embed(faces)


def test_other_files_are_refused(tmp_path: Path) -> None:
    weights, manifest = tmp_path / "w.bin", tmp_path / "m.json"
    with pytest.raises(MissingFile, match="the dlib network"):
        load(weights, manifest)
    weights.write_bytes(bytes(range(6)))
    form = {"dtype": "uint8", "scale": 0.5, "min": -1.0}
    entry = {"name": "fc", "shape": [2, 1], "dtype": "float32"}
    manifest.write_text(json.dumps([{"weights": [{**entry, "quantization": form}, {**entry, "shape": [1]}]}]))
    tensors = read_tensors(weights, manifest)
    np.testing.assert_array_equal(tensors["fc"], np.frombuffer(bytes([2, 3, 4, 5]), "<f4"))
    manifest.write_text(json.dumps([{"weights": [{**entry, "shape": [2, 3], "quantization": form}]}]))
    np.testing.assert_array_equal(read_tensors(weights, manifest)["fc"], [[-1, -0.5, 0], [0.5, 1, 1.5]])
    with pytest.raises(DataError, match="another network"):
        load(weights, manifest)
    for text in ("no json", "[]", "[3]", json.dumps([{"weights": [{**entry, "shape": [9, 9], "quantization": form}]}])):
        manifest.write_text(text)
        with pytest.raises(DataError, match="weights pull dlib_resnet"):
            load(weights, manifest)
