"""One MiniFASNet as an ONNX graph: crops of faces go in, the probabilities of its three classes come out.

Normalisations are folded into the convolutions and the linear map before them; turning RGB into BGR is folded into the
first convolution.
"""

import copy
from typing import Any, Final

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from countenance.export.graph import Graph
from countenance.export.layers import linear
from countenance.networks.minifasnet import BONA_FIDE_CLASS, CLASSES, SIDE, MiniFasNet, MiniFasNetPair

CROPS: Final = "crops"
PROBABILITIES: Final = "probabilities"
CROPS_V2: Final = "crops_v2"
CROPS_V1SE: Final = "crops_v1se"
SCORES: Final = "scores"


def minifasnet_onnx(network: MiniFasNet) -> bytes:
    """Return a network as an ONNX file.

    Args:
        network: any; it is not changed, and the file judges as it does in inference mode.

    Returns:
        The file. Its input is "crops" (N, 80, 80, 3) uint8 RGB, cut as `networks.minifasnet.crop` does it, its output
        "probabilities" (N, 3) float32, of which class 1 is bona fide.
    """
    graph = Graph()
    graph.add("Softmax", _logits(graph, network, CROPS), axis=1, out=PROBABILITIES)
    return graph.file("minifasnet", [_input(CROPS)], [(PROBABILITIES, CLASSES)], {})


def minifasnet_pair_onnx(pair: MiniFasNetPair) -> bytes:
    """Return the pair as one ONNX file.

    Returns:
        The file. Its inputs are "crops_v2" and "crops_v1se", (N, 80, 80, 3) uint8 RGB of the same faces, cut by
        `networks.minifasnet.crop` at `SCALE_V2` and `SCALE_V1SE`; its output is "scores" (N, 1) float32, the mean of
        both probabilities of the bona fide class.
    """
    graph = Graph()
    both = [
        graph.add("Softmax", _logits(graph, network, name), axis=1)
        for network, name in ((pair.v2, CROPS_V2), (pair.v1se, CROPS_V1SE))
    ]
    picked = np.zeros((1, CLASSES), np.float32)
    picked[0, BONA_FIDE_CLASS] = 0.5
    graph.add("Gemm", graph.add("Add", *both), graph.tensor(picked), transB=1, out=SCORES)
    return graph.file("minifasnet-pair", [_input(CROPS_V2), _input(CROPS_V1SE)], [(SCORES, 1)], {})


def _input(name: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", SIDE, SIDE, 3])


def _logits(graph: Graph, network: MiniFasNet, crops: str) -> str:
    """(N, 3) of the input of this name."""
    judging = copy.deepcopy(network).eval()
    levels = graph.add("Cast", crops, to=TensorProto.FLOAT)
    maps = _added(graph, judging.conv1, graph.add("Transpose", levels, perm=[0, 3, 1, 2]), turned=True)
    for part in (judging.conv2_dw, judging.conv_23, judging.conv_3, judging.conv_34, judging.conv_4, judging.conv_45):
        maps = _added(graph, part, maps)
    for part in (judging.conv_5, judging.conv_6_sep, judging.conv_6_dw):
        maps = _added(graph, part, maps)
    features = linear(graph, fuse_linear_bn_eval(judging.linear, judging.bn), graph.add("Flatten", maps))
    return linear(graph, judging.prob, features)


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
