"""The baseline of CASIA-SURF: its parts, its sizes, its gates."""

import pytest
import torch
from torch import nn

from countenance.errors import UsageError
from countenance.networks.sef_resnet import SefResNet
from countenance.vocabulary import Modality


def count(*modules: nn.Module) -> int:
    return sum(each.numel() for module in modules for each in module.parameters())


def test_its_parts_have_as_many_parameters_as_worked_out_by_hand():
    with torch.device("meta"):
        network = SefResNet()
    # 7 x 7 to 64; four convolutions of 64; 64 -> 128 with its shortcut and three of 128; two numbers a channel each
    first = 147 * 64 + 128 + 4 * (9 * 64 * 64 + 128)
    second = 9 * 64 * 128 + 3 * 9 * 128 * 128 + 64 * 128 + 5 * 256
    assert [count(branch) for branch in network.branches] == [first + second] * 3
    assert network.excitations is not None
    assert count(network.excitations) == 3 * (128 * 8 + 8 + 8 * 128 + 128)
    assert count(network.head) == 512 * 256 + 256 + 256 * 2 + 2
    assert count(network) - count(SefResNet(excitation=False)) == count(network.excitations)


def test_maps_have_the_stated_shapes():
    shapes = []
    with torch.device("meta"):
        network = SefResNet()
        for part in (*network.branches[0], *network.main):  # type: ignore[misc]
            part.register_forward_hook(lambda _module, _given, maps: shapes.append(tuple(maps.shape[1:])))
        assert network.embed(torch.rand(1, 5, 112, 112)).shape == (1, 512)
    assert shapes == [(64, 28, 28), (64, 28, 28), (128, 14, 14), (256, 7, 7), (512, 4, 4)]
    assert network.modalities == (Modality.RGB, Modality.DEPTH, Modality.INFRARED)


@pytest.mark.parametrize("excitation", [True, False])
def test_each_sensor_is_weighed_before_the_fusion(excitation):
    network = SefResNet(width=4, excitation=excitation).eval()
    branches, fused = [], []
    for branch in network.branches:
        branch.register_forward_hook(lambda _module, _given, maps: branches.append(maps))
    network.main.register_forward_pre_hook(lambda _module, given: fused.append(given[0]))
    network(torch.rand(2, 5, 112, 112))
    gates = network.excitations or [nn.Identity()] * 3
    expected = torch.cat([gate(maps) for gate, maps in zip(gates, branches, strict=True)], 1)
    torch.testing.assert_close(fused[0], expected)


def test_not_a_number_from_an_absent_sensor_does_no_harm():
    network = SefResNet(width=4).eval()
    pixels = torch.rand(1, 5, 112, 112)
    present = torch.tensor([[True, False, True]])
    score = network(pixels, present)
    pixels[:, 3] = torch.nan
    assert torch.equal(network(pixels, present), score)


def test_another_number_of_channels_is_an_error():
    with pytest.raises(RuntimeError, match="split_with_sizes"):
        SefResNet(width=4)(torch.rand(1, 9, 112, 112))


def test_what_cannot_be_built():
    with pytest.raises(UsageError, match="width of at least 1"):
        SefResNet(width=0)
