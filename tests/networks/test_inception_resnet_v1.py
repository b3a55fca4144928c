"""Inception-ResNet-v1: the graph, layer by layer of the Keras file, and FaceNet's own way with a face."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from countenance.errors import DataError, MissingFile, NoFace, UsageError
from countenance.faces.detection import Face
from countenance.networks.inception_resnet_v1 import (
    BLOCK_35,
    MARGIN,
    RECORD,
    Convolution,
    FaceNet,
    InceptionResnetV1,
    Layer,
    Residual,
    ShiftedNorm,
    cut_box,
    fused,
    load,
    named_layers,
    whitened,
)
from countenance.transforms.standardisation import standardise

FACES = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
Pulled = Callable[[str], dict[str, Path]]


@pytest.fixture(scope="module")
def facenet(pulled: Pulled) -> FaceNet:
    return FaceNet(pulled("facenet")["facenet"])


@pytest.fixture(scope="module")
def drawn() -> InceptionResnetV1:
    """A network with weights and statistics at random."""
    generator = torch.Generator().manual_seed(0)
    network = InceptionResnetV1().eval()
    for _, _, norm in named_layers(network):
        if isinstance(norm, ShiftedNorm):
            norm.bias.data.uniform_(-0.1, 0.1, generator=generator)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.uniform_(-0.1, 0.1, generator=generator)
            norm.running_var.uniform_(0.01, 0.05, generator=generator)
    return network


def keras_tensors(network: InceptionResnetV1) -> dict[str, np.ndarray]:
    """What the cache would hold of a network."""
    found = {}
    for name, conv, norm in named_layers(network):
        kernel = conv.weight.detach().numpy()
        found[f"{name}/kernel"] = kernel[:, :, 0, 0].T if name == "Bottleneck" else kernel.transpose(2, 3, 1, 0)
        if conv.bias is not None:
            found[f"{name}/bias"] = conv.bias.detach().numpy()
        if isinstance(norm, ShiftedNorm):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            found[f"{name}_BatchNorm/beta"] = norm.bias.detach().numpy()
            found[f"{name}_BatchNorm/moving_mean"] = norm.running_mean.numpy()
            found[f"{name}_BatchNorm/moving_variance"] = norm.running_var.numpy()
    return {name: np.ascontiguousarray(values) for name, values in found.items()}


def pixels(faces: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255


def test_recorded_features(facenet: FaceNet) -> None:
    """Those of the Keras file's own description of its graph, followed layer by layer in plain arithmetic."""
    features = facenet.embed(FACES)
    assert features.shape == (3, 128)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    expected = [[-0.03998, -0.13718, -0.03949, -0.16277], [-0.04486, -0.12897, -0.02562, -0.15399]]
    np.testing.assert_allclose(features[:2, :4], expected, atol=1e-4)
    alone = np.concatenate([facenet.embed(face[None]) for face in FACES])
    np.testing.assert_allclose(features, alone, atol=1e-5)


def test_the_layers_have_the_names_and_the_sizes_of_the_keras_file(drawn: InceptionResnetV1) -> None:
    tensors = keras_tensors(drawn)
    names = [name for name, _, _ in named_layers(drawn)]
    assert len(set(names)) == len(names) == 133
    assert len(tensors) == 490
    assert names[:2] == ["Conv2d_1a_3x3", "Conv2d_2a_3x3"]
    for name, shape in {
        "Conv2d_4b_3x3": (3, 3, 192, 256),
        "Block35_5_Branch_2_Conv2d_0c_3x3": (3, 3, 32, 32),
        "Block35_1_Branch_0_Conv2d_1x1": (1, 1, 256, 32),
        "Mixed_6a_Branch_1_Conv2d_1a_3x3": (3, 3, 192, 256),
        "Block17_10_Branch_1_Conv2d_0b_1x7": (1, 7, 128, 128),
        "Block17_1_Conv2d_1x1": (1, 1, 256, 896),
        "Mixed_7a_Branch_0_Conv2d_0a_1x1": (1, 1, 896, 256),
        "Mixed_7a_Branch_2_Conv2d_0b_3x3": (3, 3, 256, 256),
        "Block8_6_Branch_1_Conv2d_0c_3x1": (3, 1, 192, 192),
        "Bottleneck": (1792, 128),
    }.items():
        assert tensors[f"{name}/kernel"].shape == shape
    assert sum(parameter.numel() for parameter in drawn.parameters()) == 22_779_312


def test_a_network_that_was_written_is_loaded_and_fused(drawn: InceptionResnetV1, tmp_path: Path) -> None:
    tensors = keras_tensors(drawn)
    save_file(tensors, tmp_path / "right.safetensors")
    network = load(tmp_path / "right.safetensors")
    with torch.inference_mode():
        ours = network(pixels(FACES[:1]))
        assert ours.shape == (1, 128)
        torch.testing.assert_close(ours, drawn(pixels(FACES[:1])), rtol=0, atol=0)
        quick = fused(network)(pixels(FACES[:1]))
    torch.testing.assert_close(quick, ours, rtol=1e-3, atol=1e-3 * float(ours.abs().max()))
    assert not any(isinstance(part, ShiftedNorm) for part in network.stem.modules())
    (tmp_path / "text.safetensors").write_text("no tensors")
    broken = (
        tensors | {"more": np.ones(1, np.float32)},
        {"Conv2d_1a_3x3/kernel": np.ones((3, 3, 32, 3), np.float32)},
        {"Bottleneck/kernel": np.ones((3, 128), np.float32)},
    )
    for number, other in enumerate(broken):
        save_file(other, tmp_path / f"{number}.safetensors")
    for name in ("0", "1", "2", "text"):
        with pytest.raises(DataError, match="weights pull facenet"):
            load(tmp_path / f"{name}.safetensors")
    with pytest.raises(MissingFile, match="the FaceNet network"):
        load(tmp_path / "absent.safetensors")


def test_parts_of_other_widths() -> None:
    block = Residual(24, BLOCK_35, scale=0.5)
    maps = torch.rand(2, 24, 9, 9)
    assert block(maps).shape == maps.shape
    torch.nn.init.zeros_(block.lead_back.weight)
    assert block.lead_back.bias is not None
    torch.nn.init.constant_(block.lead_back.bias, -4.0)
    torch.testing.assert_close(block(maps), torch.relu(maps - 2.0))  # by hand: 0.5 * -4
    block.rectified = False
    torch.testing.assert_close(block(maps), maps - 2.0)
    layer = Convolution(24, Layer(channels=7, kernel=(1, 7)))
    assert layer(maps).shape == (2, 7, 9, 9)
    assert Convolution(24, Layer(channels=7, kernel=(3, 3), stride=2, padded=False))(maps).shape == (2, 7, 4, 4)


def test_the_normalisation_by_hand() -> None:
    norm = ShiftedNorm(1)
    norm.bias.data.fill_(0.5)
    maps = torch.tensor([0.0, 2.0]).view(2, 1, 1, 1)
    after = norm(maps).flatten()
    torch.testing.assert_close(after, torch.tensor([-1.0, 1.0]) / 1.001**0.5 + 0.5)
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.005]))  # a two-hundredth of the mean 1
    torch.testing.assert_close(norm.eval()(maps).flatten()[0], torch.tensor(0.5 - 0.005 / (1.005 + 0.001) ** 0.5))


def test_whitening_is_that_of_the_bytes() -> None:
    flat = np.full((1, 160, 160, 3), 7, np.uint8)
    faces = np.concatenate([FACES, flat])
    expected = torch.from_numpy(standardise(faces)).permute(0, 3, 1, 2)
    torch.testing.assert_close(whitened(pixels(faces))[:3], expected[:3], rtol=0, atol=1e-5)
    assert whitened(pixels(flat)).abs().max() < 0.02  # rounding, over the least deviation


def test_gradients_reach_every_parameter_and_the_pixels() -> None:
    network = InceptionResnetV1()
    images = torch.rand(2, 3, 80, 80, requires_grad=True)
    network(images).square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert all(parameter.grad is not None for parameter in network.parameters())


def box_face(*box: float) -> Face:
    return Face((box[0], box[1], box[2], box[3]), np.zeros((5, 2), np.float32), 1.0)


def test_the_box_is_made_larger_and_cut_at_the_edge() -> None:
    image = np.zeros((100, 120, 3), np.uint8)
    image[25:85, 38:62] = 200  # a box of 20 x 50 about (50, 55), times 1.2
    whole = cut_box(image, box_face(40, 30, 20, 50))
    assert whole.shape == (160, 160, 3)
    assert (whole == 200).all()
    larger = cut_box(image, box_face(40, 30, 20, 50), margin=1.5)
    assert (larger[0] == 0).all()
    assert (larger[80, 80] == 200).all()
    image[:] = 0
    image[:18, :12] = 90
    assert (cut_box(image, box_face(-10, -15, 20, 30)) == 90).all()
    for box in ((200, 0, 20, 20), (0, -50, 20, 20), (float("nan"), 0, 20, 20), (0, 0, 0, 0)):
        with pytest.raises(NoFace, match="a part of the image"):
            cut_box(image, box_face(*box))


@pytest.mark.parametrize("faces", [FACES[0], FACES[:0], FACES[:, :112], FACES.astype(np.float32)])
def test_embed_refuses_what_is_not_faces(facenet: FaceNet, faces: np.ndarray) -> None:
    with pytest.raises(UsageError, match="cut each face out first"):
        facenet.embed(faces)


def test_the_margin_is_that_of_the_record() -> None:
    assert f"box times {MARGIN}" in RECORD.preprocessing
