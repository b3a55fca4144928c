"""A network of a few frames as one ONNX graph: the bytes of windows go in, cosines to the bona fide class come out.

Standardisation of each frame, the flow encoder's own centring, and the cosine are in the graph. Convolutions are those
of `networks.fewframe.flattened`, in two dimensions and without normalisation.
"""

import copy
import math
from typing import Any, Final

import numpy as np
from onnx import TensorProto, helper
from torch import nn

from countenance.errors import UsageError
from countenance.export.graph import Graph
from countenance.export.layers import added, linear, pooled
from countenance.networks.fewframe import LAYERS, POOL, POOL_STRIDE, FewFrameNetwork, flattened, side_of_maps
from countenance.networks.flownets import FlowNetSEncoder

FRAMES: Final = "frames"
EMBEDDINGS: Final = "embeddings"
SCORES: Final = "scores"
_WHITE = 255.0
_LEAST_LENGTH = 1e-8  # as of torch.nn.functional.cosine_similarity


def fewframe_onnx(network: FewFrameNetwork) -> bytes:
    """Return a network as an ONNX file.

    Args:
        network: trained; it is not changed, and the file judges as it does in inference mode.

    Returns:
        The file. Its input is "frames" (N, T, S, S, 3) uint8 RGB, the T frames that the network sees of a window. Its
        outputs are "scores" (N, 1) float32 from -1 to 1, high = bona fide, and "embeddings" (N, D) float32, whose
        cosines they are: of most attacks a cosine is next to -1, and hardly tells how the engine came by it.

    Raises:
        UsageError: no representative vector was set.
    """
    if not network.representative.any():
        raise UsageError(
            expected="the representative vector of the bona fide class", came="zeros", remedy="train the network"
        )
    graph, judging = Graph(), flattened(network)
    levels = graph.add("Cast", FRAMES, to=TensorProto.FLOAT)
    found = _seen(graph, judging, levels)
    if judging.flow is not None:
        found = graph.add("Concat", found, _motion(graph, judging.flow, levels, judging.frames), axis=1)
    hidden = graph.add("Relu", linear(graph, judging.fc6, found))
    _cosine(graph, linear(graph, judging.fc7, hidden, out=EMBEDDINGS), judging)
    frames = helper.make_tensor_value_info(
        FRAMES, TensorProto.UINT8, ["N", judging.frames, judging.side, judging.side, 3]
    )
    return graph.file("fewframe", [frames], [(SCORES, 1), (EMBEDDINGS, judging.features)], {})


def _standardised(graph: Graph, levels: str, side: int) -> str:
    """As `networks.fewframe.standardised` does it of [0, 1]: here of grey levels, 0 to 255."""
    every: Any = {"axes": [2, 3, 4], "keepdims": 1}
    centred = graph.add("Sub", levels, graph.add("ReduceMean", levels, **every))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), **every)
    least = graph.tensor(np.full(1, 1 / (3 * side * side), np.float32), name=f"least_variance_{FRAMES}")
    return graph.add("Div", centred, graph.add("Sqrt", graph.add("Max", variance, least)))


def _seen(graph: Graph, network: FewFrameNetwork, levels: str) -> str:
    """(N, C h w): what the convolutions make of the frames."""
    frames, side, flat = network.frames, network.side, network.convolutions
    pictures = graph.shaped(_standardised(graph, levels, side), -1, side, side, 3)
    maps = graph.add("Transpose", pictures, perm=[0, 3, 1, 2])  # (N T, 3, H, W)
    spatial, temporal = (getattr(flat, name) for name in ("spatial", "temporal"))
    for layer, in_space, in_time in zip(LAYERS, spatial, temporal, strict=True):
        side = (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
        maps = graph.add("Relu", graph.convolution(in_space, maps))
        maps = graph.shaped(maps, -1, frames, in_time.in_channels, side * side)
        maps = graph.add("Transpose", maps, perm=[0, 2, 1, 3])  # (N, M, T, h w)
        maps = graph.add("Relu", graph.convolution(in_time, maps))
        maps = graph.add("Transpose", maps, perm=[0, 2, 1, 3])  # (N, T, C, h w)
        maps = graph.shaped(maps, -1, in_time.out_channels, side, side)
        if layer.pooled:
            maps = graph.add("MaxPool", maps, kernel_shape=[POOL, POOL], strides=[POOL_STRIDE, POOL_STRIDE])
            side = (side - POOL) // POOL_STRIDE + 1
    assert side == side_of_maps(network.side)
    maps = graph.shaped(maps, -1, frames, network.channels[-1] * side * side)
    return graph.add("ReduceMean", maps, axes=[1], keepdims=0)


def _motion(graph: Graph, encoder: FlowNetSEncoder, levels: str, frames: int) -> str:
    """(N, 16 width): what the flow encoder makes of the first and the last frame; it is given RGB, and takes BGR."""
    means = np.asarray(encoder.means.flatten().flip(0), np.float32)
    pictures = []
    for number, place in enumerate((0, frames - 1)):
        picture = graph.add("Squeeze", _picked(graph, levels, place), graph.whole(1))
        upright = graph.add("Transpose", picture, perm=[0, 3, 1, 2])
        named = f"{FRAMES}_of_flow_{number}"
        pictures.append(graph.affine(upright, np.full(3, 1 / _WHITE, np.float32), -means, of=named))
    first = encoder.conv1[0]
    assert isinstance(first, nn.Conv2d)
    turned = first.weight.detach()[:, [2, 1, 0, 5, 4, 3]]
    conv = copy.deepcopy(first)
    conv.load_state_dict({"weight": turned, "bias": first.bias})
    maps = added(graph, encoder.conv1[1], graph.convolution(conv, graph.add("Concat", *pictures, axis=1)))
    for name in ("conv2", "conv3", "conv3_1", "conv4", "conv4_1", "conv5", "conv5_1", "conv6", "conv6_1"):
        maps = added(graph, getattr(encoder, name), maps)
    return graph.add("Flatten", pooled(graph, maps))


def _picked(graph: Graph, levels: str, place: int) -> str:
    """(N, 1, H, W, 3): one of the frames."""
    return graph.add("Slice", levels, graph.whole(place), graph.whole(place + 1), graph.whole(1))


def _cosine(graph: Graph, embeddings: str, network: FewFrameNetwork) -> None:
    length = graph.add("ReduceL2", embeddings, axes=[1], keepdims=1)
    least = graph.tensor(np.full(1, _LEAST_LENGTH, np.float32))
    towards = network.representative / max(math.sqrt(float(network.representative.square().sum())), _LEAST_LENGTH)
    along = graph.add("Gemm", embeddings, graph.tensor(towards[None]), transB=1)
    ends = (graph.tensor(np.array(end, np.float32)) for end in (-1.0, 1.0))
    graph.add("Clip", graph.add("Div", along, graph.add("Max", length, least)), *ends, out=SCORES)
