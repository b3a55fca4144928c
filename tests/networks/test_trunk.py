"""A trunk from end to end, as it is trained before its parts are taken over."""

from collections.abc import Callable

import pytest
import torch

from countenance.networks.caffe_resnet import caffe_resnet, slim_resnet
from countenance.networks.ir_resnet import ir_resnet
from countenance.networks.resnet import resnet18, resnet34
from countenance.networks.trunk import RecognitionNetwork, Trunk

TRUNKS = [caffe_resnet, slim_resnet, ir_resnet, resnet18, resnet34]


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        # 3 branches of 6,960,768 share nothing with each other; the last stage sees 256 channels instead of 768
        (caffe_resnet, 6_960_768 + 17_705_472 - 9 * 512 * 512),
        (ir_resnet, 43_574_976 - (2 * 512 + 25_088 * 512 + 512 + 2 * 512)),  # without its last layers
        (resnet18, 11_689_512 - (512 * 1000 + 1000)),  # without the 1,000 classes of ImageNet
        (resnet34, 21_797_672 - (512 * 1000 + 1000)),
    ],
)
def test_it_has_as_many_parameters_as_are_published(build: Callable[[], Trunk], parameters: int) -> None:
    with torch.device("meta"):
        network = RecognitionNetwork(build())
    assert sum(each.numel() for each in network.parameters()) == parameters
    assert network.features == 512


@pytest.mark.parametrize("build", TRUNKS)
def test_maps_are_as_wide_as_it_says(build: Callable[..., Trunk]) -> None:
    trunk = build(width=3)
    network = RecognitionNetwork(trunk)
    widths: list[int] = []
    for part in (network.stem, *network.stages):
        part.register_forward_hook(lambda _module, _inputs, maps: widths.append(maps.shape[1]))
    assert network(torch.rand(2, 3, trunk.side, trunk.side)).shape == (2, trunk.channels[-1])
    assert tuple(widths) == trunk.channels


@pytest.mark.parametrize("build", TRUNKS)
def test_every_parameter_gets_a_gradient(build: Callable[..., Trunk]) -> None:
    network = RecognitionNetwork(build(width=3))
    network(torch.rand(2, 3, network.side, network.side)).square().sum().backward()
    assert all(each.grad is not None and each.grad.any() for each in network.parameters())


@pytest.mark.parametrize("build", TRUNKS)
def test_the_normalisation_is_inside(build: Callable[..., Trunk]) -> None:
    trunk = build(width=1)
    network = RecognitionNetwork(trunk).eval()
    seen: list[torch.Tensor] = []
    network.stem.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    network(torch.tensor(trunk.mean).view(1, 3, 1, 1).expand(1, 3, trunk.side, trunk.side))
    network(torch.ones(1, 3, trunk.side, trunk.side))
    assert not seen[0].any()
    expected = (1 - torch.tensor(trunk.mean)) / torch.tensor(trunk.spread)
    torch.testing.assert_close(seen[1][0, :, 0, 0], expected)


def test_the_vector_is_the_mean_of_the_last_maps() -> None:
    network = RecognitionNetwork(slim_resnet()).eval()
    pictures = torch.rand(2, 3, 112, 112)
    maps = network.stem((pictures - network.mean) / network.spread)
    for stage in network.stages:
        maps = stage(maps)
    torch.testing.assert_close(network(pictures), maps.flatten(2).mean(2))
