"""Recognisers with gradients: what each sees of the chip, the published network's result, and those of the paper."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from countenance.errors import UsageError
from countenance.faces.alignment import TEMPLATE_112
from countenance.faces.chip import CHIP_TEMPLATE, Window
from countenance.networks import dlib_resnet as dlib
from countenance.networks.architectures import ARCHITECTURES
from countenance.networks.differentiable import (
    FOREIGN,
    DifferentiableRecogniser,
    ForeignRecogniser,
    FrozenPReLU,
    dlib_resnet,
    facenet,
    foreign,
    fr_feature,
    sface,
)
from countenance.networks.fr_feature import FrFeature
from countenance.networks.inception_resnet_v1 import FaceNet
from countenance.networks.ir_se_resnet import IrSeResNet
from countenance.networks.sface import SFace
from countenance.networks.sphereface import TEMPLATE, UNITS_20, UNITS_36, SphereFace
from countenance.networks.vgg_face import VggFace
from countenance.networks.vggface2_resnet import Bottleneck, VggFace2ResNet

Pulled = Callable[[str], dict[str, Path]]
Files = Mapping[str, Path]
BUILD: Mapping[str, Callable[[Files], DifferentiableRecogniser]] = {
    "facenet": lambda files: facenet(files["facenet"]),
    "sface": lambda files: sface(files["sface"]),
    "fr_feature": lambda files: fr_feature(files["fr_feature"]),
    "dlib_resnet": lambda files: dlib_resnet(files["dlib_resnet"], files["manifest"]),
}
PEERS: Mapping[str, Callable[[Files], Any]] = {
    "facenet": lambda files: FaceNet(files["facenet"]),
    "sface": lambda files: SFace(files["sface"]),
    "fr_feature": lambda files: FrFeature(files["fr_feature"]),
    "dlib_resnet": lambda files: dlib.DlibRecogniser(files["dlib_resnet"], files["manifest"]),
}
SMALL: Mapping[str, Callable[[], nn.Module]] = {  # the same graph, few channels
    "vgg16-face": lambda: VggFace(width=2, features=8),
    "vgg16-face-plain": lambda: VggFace(width=2, features=8),
    "resnet50-vggface2": lambda: VggFace2ResNet(width=4),
    "sphereface20": lambda: SphereFace(UNITS_20, width=2, features=8),
    "sphereface36": lambda: SphereFace(UNITS_36, width=2, features=8),
    "ir-se50": lambda: IrSeResNet(width=4, features=8),
}


@pytest.fixture(scope="module", params=list(BUILD))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def network(name: str, pulled: Pulled) -> DifferentiableRecogniser:
    return BUILD[name](pulled(name))


def chips(count: int) -> Tensor:
    noise = np.random.default_rng(0).integers(0, 256, (count, 160, 160, 3), dtype=np.uint8)
    return torch.from_numpy(noise).permute(0, 3, 1, 2).float() / 255


RECORDED: Mapping[str, list[float]] = {
    "facenet": [-0.03998, -0.13718, -0.03949, -0.16277],
    "sface": [-0.0879, 0.01194, -0.0757, 0.04293],
    "fr_feature": [-0.05734, 0.01763, -0.02561, -0.01045],
    "dlib_resnet": [-0.07705, 0.05508, 0.01802, -0.01878],
}


def test_recorded_features_of_a_chip(network: DifferentiableRecogniser, name: str) -> None:
    features = network(chips(2))
    assert features.shape == (2, network.features)
    assert (network.name, network.side) == (name, 160)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
    np.testing.assert_allclose(features[0, :4].numpy(), RECORDED[name], atol=1e-4)
    torch.testing.assert_close(network(chips(2)[1:]), features[1:], rtol=0, atol=1e-5)


def test_the_same_as_the_released_recogniser_on_what_it_sees(
    network: DifferentiableRecogniser, name: str, pulled: Pulled
) -> None:
    """sface: 6e-6 and fr_feature: 4e-7 were seen between ONNX Runtime and the module."""
    peer = PEERS[name](pulled(name))
    seen = network.seen
    faces = np.random.default_rng(1).integers(0, 256, (2, seen.rows, seen.columns, 3), dtype=np.uint8)
    whole = copy.copy(network)
    whole._buffers = dict(network._buffers)
    whole.rows, whole.columns = torch.eye(seen.rows), torch.eye(seen.columns)
    pixels = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
    features = normalize(network.network(whole.pixels(pixels)))
    np.testing.assert_allclose(features.numpy(), peer.embed(faces), atol=1e-5)


def test_it_is_frozen_and_has_a_gradient_to_every_pixel_that_it_sees(network: DifferentiableRecogniser) -> None:
    assert not any(each.requires_grad for each in network.parameters())
    assert not network.train().training
    picture = chips(1).requires_grad_()
    (gradient,) = torch.autograd.grad(network(picture)[0, 0], picture)
    assert torch.isfinite(gradient).all()
    seen = network.seen
    inner = gradient[
        ..., int(seen.top) + 3 : int(seen.top + seen.height) - 3, int(seen.left) + 3 : int(seen.left + seen.width) - 3
    ]
    assert (inner != 0).float().mean() > 0.99
    assert not gradient[..., : max(int(seen.top) - 1, 0), :].any()


def test_bfloat16_is_near(network: DifferentiableRecogniser) -> None:
    picture = chips(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = network(picture)
    assert near.dtype == torch.float32
    assert float((near * network(picture)).sum()) > 0.995


def test_other_chips_are_refused(network: DifferentiableRecogniser) -> None:
    for other in (chips(1)[0], chips(1)[..., :100], chips(1).permute(0, 2, 3, 1)):
        with pytest.raises(UsageError, match=r"chips \(N, 3, 160, 160\)"):
            network(other)


def test_colours_window_and_scale_by_hand() -> None:
    class Seen(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return pixels[:, :, 0, 0]

    network = DifferentiableRecogniser(
        "hand",
        Seen(),
        features=3,
        seen=Window(left=40, top=80, width=80, height=80, rows=80, columns=80),
        centre=(1.0, 2.0, 3.0),
        spread=2.0,
        reads_bgr=True,
    )
    chip = torch.zeros(1, 3, 160, 160)
    chip[0, :, 80, 40] = torch.tensor([30.0, 20.0, 10.0]) / 255
    torch.testing.assert_close(network.pixels(chip)[0, :, 0, 0], torch.tensor([4.5, 9.0, 13.5]))
    torch.testing.assert_close(network(chip)[0], normalize(torch.tensor([4.5, 9.0, 13.5]), dim=0))


def test_windows_of_the_networks_lie_in_the_chip() -> None:
    for known in FOREIGN:
        assert known.seen.is_inside
    points = np.array(CHIP_TEMPLATE)
    for name, template in (("ir-se50", TEMPLATE_112), ("sphereface20", TEMPLATE)):
        seen = foreign(name).seen
        x = seen.column_weights() @ np.arange(160, dtype=np.float32)  # where each column is taken from
        y = seen.row_weights() @ np.arange(160, dtype=np.float32)
        for (column, row), point in zip(template, points, strict=True):
            np.testing.assert_allclose([np.interp(column, range(len(x)), x), np.interp(row, range(len(y)), y)], point)


@pytest.mark.parametrize("known", FOREIGN, ids=lambda known: known.name)
def test_an_architecture_of_the_paper_is_as_large_as_written(known: ForeignRecogniser) -> None:
    written = {each.name: each for each in ARCHITECTURES}[known.name.removesuffix("-plain")]
    with torch.device("meta"):
        network = known.build().eval()
        assert sum(each.numel() for each in network.parameters()) == written.parameters
        assert network(torch.empty(2, 3, known.seen.rows, known.seen.columns)).shape == (2, known.features)
    assert f"(N, 3, {known.seen.rows}, {known.seen.columns})" in written.inputs


@pytest.mark.parametrize("known", FOREIGN, ids=lambda known: known.name)
def test_an_architecture_of_the_paper_is_a_recogniser_of_chips(known: ForeignRecogniser) -> None:
    small = SMALL[known.name]().eval()
    network = known.on_chips(small)
    picture = chips(2).requires_grad_()
    features = network(picture)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(network(picture[1:]), features[1:], rtol=0, atol=1e-5)
    (gradient,) = torch.autograd.grad(features.sum(), picture)
    assert torch.isfinite(gradient).all()
    assert gradient.any()
    pixels = network.pixels(torch.full((1, 3, 160, 160), 0.5))
    centre = torch.tensor(known.centre).expand(3)
    torch.testing.assert_close(pixels.mean((0, 2, 3)), (127.5 - centre) / known.spread, rtol=0, atol=1e-5)


def test_units_of_sphereface_by_hand() -> None:
    network = SphereFace(UNITS_20, width=1, features=3)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == 20 + 1
    assert sum(isinstance(module, nn.Conv2d) for module in SphereFace(UNITS_36, width=1).modules()) == 36
    pixels = torch.rand(1, 3, 112, 96)
    for conv in layers[1:3]:  # the first unit adds a constant: its two convolutions are nothing but a bias
        nn.init.zeros_(conv.weight)
        assert conv.bias is not None
        nn.init.constant_(conv.bias, 2.0)
    seen: list[Tensor] = []
    network.get_submodule("conv2_1").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(pixels)
    opened = network.get_submodule("relu1_1")(network.get_submodule("conv1_1")(pixels))
    torch.testing.assert_close(seen[0], opened + 2.0)


def test_a_block_of_vggface2_strides_in_its_first_convolution() -> None:
    network = VggFace2ResNet(width=4)
    assert network.pool(torch.rand(1, 4, 112, 112)).shape[2:] == (56, 56)
    blocks = [part for part in network.modules() if isinstance(part, Bottleneck)]
    assert len(blocks) == 16
    assert [block.conv1.stride[0] for block in blocks] == [1] * 3 + [2] + [1] * 3 + [2] + [1] * 5 + [2] + [1] * 2
    assert {block.conv2.stride[0] for block in blocks} == {1}


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match=r"vgg16-face, .* ir-se50; came 'arcface'"):
        foreign("arcface")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_frozen_slopes_have_the_gradient_of_prelu(layout):
    slopes = torch.tensor([0.25, -0.1, 1.5])
    maps = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    towards = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(1))
    found = []
    for active in (FrozenPReLU(slopes), nn.PReLU(3)):
        if isinstance(active, nn.PReLU):
            active.weight.data = slopes
        seen = maps.clone(memory_format=torch.preserve_format).requires_grad_()
        made = active(seen)
        found.append((made.detach(), torch.autograd.grad(made, seen, towards)[0]))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
