"""A network of still presentations as an ONNX file sees what the module sees, whatever it is built of."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from countenance.errors import UsageError
from countenance.export.graph import Graph
from countenance.export.layers import added
from countenance.export.presentations import presentation_onnx
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.ir_resnet import ir_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.resnet import resnet18
from countenance.networks.slim_pad import SlimPad
from countenance.presentation_scoring import stack_planes
from countenance.vocabulary import Modality

THREE = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
COLOUR = (Modality.RGB,) * 3


def seen(network):
    generator = np.random.default_rng(1)
    side = network.side
    shapes = {modality: (2, side, side, 3 if modality is Modality.RGB else 1) for modality in network.modalities}
    return {str(name): generator.integers(0, 256, shape, dtype=np.uint8) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    "build",
    [
        partial(SlimPad, THREE, width=4),
        partial(SlimPad, [Modality.INFRARED], width=2),
        partial(MultiLevelNetwork, slim_resnet(2)),
        partial(MultiLevelNetwork, slim_resnet(2), side=125, aggregation=False, excitation=True),
        partial(MultiLevelNetwork, slim_resnet(2), attention=True, bottleneck=True, streams=COLOUR),
        partial(MultiLevelNetwork, resnet18(width=2), excitation=True),
        partial(MultiLevelNetwork, ir_resnet(width=2), bottleneck=True, aggregation=False),
    ],
    ids=["slim-pad", "slim-pad-infrared", "mlfa", "mlfa-cut-gated", "mlfa-attention-c-rgb", "resnet18-se", "ir"],
)
def test_the_file_sees_what_the_module_sees(build, asked, unsettled):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = unsettled(build())
    before = copy.deepcopy(network.state_dict())
    data, pixels = presentation_onnx(network), seen(network)
    assert data == presentation_onnx(network)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    with torch.inference_mode():
        expected = network.eval()(stack_planes(pixels, network.modalities)).numpy()
    assert abs(expected[0] - expected[1]) > 1e-4
    np.testing.assert_allclose(asked(data, pixels)[:, 0], expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_a_layer_that_nobody_knows_is_refused():
    with pytest.raises(UsageError, match=r"expected layers among Sequential.* came Tanh"):
        added(Graph(), nn.Sequential(nn.Tanh()), "maps")
