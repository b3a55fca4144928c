"""One MiniFASNet as an ONNX graph: crops of faces go in, the probabilities of its three classes come out.

Normalisations are folded into the convolutions and the linear map before them; turning RGB into BGR is folded into the
first convolution.
"""

import copy
from typing import Any, Final

from onnx import TensorProto, helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from countenance.export.graph import Graph
from countenance.networks.minifasnet import CLASSES, SIDE, MiniFasNet

CROPS: Final = "crops"
PROBABILITIES: Final = "probabilities"


def minifasnet_onnx(network: MiniFasNet) -> bytes:
    """Return a network as an ONNX file.

    Args:
        network: any; it is not changed, and the file judges as it does in inference mode.

    Returns:
        The file. Its input is "crops" (N, 80, 80, 3) uint8 RGB, cut as `networks.minifasnet.crop` does it, its output
        "probabilities" (N, 3) float32, of which class 1 is bona fide.
    """
    graph, judging = Graph(), copy.deepcopy(network).eval()
    levels = graph.add("Cast", CROPS, to=TensorProto.FLOAT)
    maps = _added(graph, judging.conv1, graph.add("Transpose", levels, perm=[0, 3, 1, 2]), turned=True)
    for part in (judging.conv2_dw, judging.conv_23, judging.conv_3, judging.conv_34, judging.conv_4, judging.conv_45):
        maps = _added(graph, part, maps)
    for part in (judging.conv_5, judging.conv_6_sep, judging.conv_6_dw):
        maps = _added(graph, part, maps)
    features = _linear(graph, fuse_linear_bn_eval(judging.linear, judging.bn), graph.add("Flatten", maps))
    graph.add("Softmax", _linear(graph, judging.prob, features), axis=1, out=PROBABILITIES)
    crops = helper.make_tensor_value_info(CROPS, TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    return graph.file("minifasnet", crops, [(PROBABILITIES, CLASSES)], {})


def _added(graph: Graph, part: Any, maps: str, *, turned: bool = False) -> str:
    """A part of the network; `turned` where it takes BGR and is given RGB."""
    if hasattr(part, "conv_dw"):
        inner = _added(graph, part.project, _added(graph, part.conv_dw, _added(graph, part.conv, maps)))
        change = inner if isinstance(part.se_module, nn.Identity) else _gated(graph, part.se_module, inner)
        return change if part.halves else graph.add("Add", maps, change)
    if hasattr(part, "model"):
        for each in part.model:
            maps = _added(graph, each, maps)
        return maps
    conv = fuse_conv_bn_eval(part.conv, part.bn)
    if turned:
        conv.weight = nn.Parameter(conv.weight.flip(1))
    maps = graph.convolution(conv, maps)
    return graph.sloped(maps, part.prelu.weight) if hasattr(part, "prelu") else maps


def _gated(graph: Graph, gate: Any, maps: str) -> str:
    squeezed = graph.convolution(fuse_conv_bn_eval(gate.fc1, gate.bn1), graph.add("GlobalAveragePool", maps))
    excited = graph.convolution(fuse_conv_bn_eval(gate.fc2, gate.bn2), graph.add("Relu", squeezed))
    return graph.add("Mul", maps, graph.add("Sigmoid", excited))


def _linear(graph: Graph, layer: nn.Linear, values: str) -> str:
    inputs = [values, graph.tensor(layer.weight), *([] if layer.bias is None else [graph.tensor(layer.bias)])]
    return graph.add("Gemm", *inputs, transB=1)
