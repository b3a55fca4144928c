"""Grad-CAM against its formula written out, and one map for each frame and each sensor."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from countenance.activation_maps import maps_of_crops, maps_of_frames, maps_of_sensors
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.minifasnet import build_v2
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.slim_pad import SlimPad
from countenance.trained import trained_clip_network
from countenance.vocabulary import Modality


@pytest.fixture
def network(clip_run):
    return trained_clip_network(clip_run())


def test_the_maps_of_frames_are_those_of_the_formula(network):
    torch.manual_seed(1)
    clips = torch.rand(2, 5, 3, 112, 112)
    maps = maps_of_frames(network, clips)
    assert maps.shape == (2, 5, 112, 112)
    assert maps.dtype == np.float32
    assert 0 <= maps.min() < maps.max()
    kept = {}

    def keep(_module, _inputs, output):
        output.retain_grad()
        kept["maps"] = output

    with torch.enable_grad():
        handle = network.convolutions.layers[-1].register_forward_hook(keep)
        network.score(clips).sum().backward()
        handle.remove()
    found = kept["maps"]  # (N, C, T, h, w)
    weights = found.grad.mean((2, 3, 4), keepdim=True)
    slow = (weights * found).sum(1).relu().detach()  # (N, T, h, w)
    large = interpolate(slow, size=(112, 112), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(maps, large.numpy(), atol=1e-6 * float(large.max()) + 1e-9, rtol=1e-4)


def test_frames_that_differ_have_maps_that_differ(network):
    torch.manual_seed(2)
    maps = maps_of_frames(network, torch.rand(1, 5, 3, 112, 112))[0]
    assert all(not np.array_equal(maps[0], other) for other in maps[1:])


@pytest.mark.parametrize("side", [None, 125])
def test_every_sensor_has_a_map(side):
    torch.manual_seed(0)
    network = MultiLevelNetwork(slim_resnet(2), side=side)
    planes = torch.rand(2, 5, network.side, network.side)
    maps = maps_of_sensors(network, planes)
    assert set(maps) == {(modality,) for modality in network.modalities}
    for each in maps.values():
        assert each.shape == (2, network.side, network.side)
        assert each.min() >= 0
    assert sum(float(each.max()) for each in maps.values()) > 0
    if side is not None:
        assert all((each[:, 0] == 0).all() and (each[:, :, -1] == 0).all() for each in maps.values())


def test_a_network_that_fuses_at_once_has_one_map_for_all():
    torch.manual_seed(0)
    network = SlimPad([Modality.RGB, Modality.DEPTH], width=4)
    ((sensors, maps),) = maps_of_sensors(network, torch.rand(1, 4, 112, 112)).items()
    assert sensors == (Modality.RGB, Modality.DEPTH)
    assert maps.shape == (1, 112, 112)


def test_a_photograph_has_a_map():
    torch.manual_seed(0)
    maps = maps_of_crops(build_v2(), torch.rand(1, 3, 80, 80))
    assert maps.shape == (1, 80, 80)
    assert np.isfinite(maps).all()


def test_nothing_is_left_on_the_network(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    maps_of_frames(network, torch.rand(1, 5, 3, 112, 112))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
