"""A graph that is written node by node runs as it says."""

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import torch
from onnx import TensorProto, helper
from torch import nn

from countenance.export.graph import Graph

MAPS = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
DATA = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", 3, 4, 4])


def run(graph, width):
    content = graph.file("test", [DATA], [("out", width)], {"told": "by us"})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"told": "by us"}
    return session.run(["out"], {"maps": MAPS})[0]


def test_slopes_have_the_bits_of_a_prelu_also_above_1_and_below_0():
    slopes = torch.tensor([0.25, -0.5, 1.5])
    graph = Graph()
    graph.add("Flatten", graph.sloped("maps", slopes), out="out")
    expected = nn.functional.prelu(torch.from_numpy(MAPS), slopes).flatten(1).numpy()
    np.testing.assert_array_equal(run(graph, 48), expected)


def test_a_convolution_of_groups_is_scaled():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv = nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)
    graph = Graph()
    graph.add("Flatten", graph.convolution(conv, "maps", scale=0.5), out="out")
    with torch.inference_mode():
        expected = 0.5 * conv(torch.from_numpy(MAPS)).flatten(1).numpy()
    np.testing.assert_allclose(run(graph, 24), expected, atol=1e-6)
