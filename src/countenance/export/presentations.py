"""A network of still presentations as one ONNX graph: the bytes of a plane for each sensor go in, margins come out.

Each sensor has an input of its own, which is called after it, so that nobody can give them in another order. What turns
bytes into the network's numbers is in the graph: one scale and one shift for each channel, `scale_SENSOR` and
`shift_SENSOR`.
"""

import copy
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn

from countenance.export.graph import Graph
from countenance.export.layers import added, linear, pooled
from countenance.networks.mlfa import LEVELS, MultiLevelNetwork
from countenance.networks.slim_pad import SlimPad, channels_of
from countenance.vocabulary import Modality

MARGINS: Final = "margins"
_WHITE = 255.0


def presentation_onnx(network: SlimPad | MultiLevelNetwork) -> bytes:
    """Return a network as an ONNX file.

    Args:
        network: any; it is not changed, and the file judges as it does in inference mode, with every sensor there.

    Returns:
        The file. It has an input for each sensor, of its name, (N, S, S, C) uint8 with S the network's `side` and C 3
        of RGB and 1 of others, and one output, "margins" (N, 1) float32: their sigmoid is P(bona fide).

    Raises:
        UsageError: a layer that cannot be exported.
    """
    graph, judging = Graph(), copy.deepcopy(network).eval()
    if isinstance(judging, SlimPad):
        _slim_pad(graph, judging)
    else:
        _multi_level(graph, judging)
    inputs = [
        helper.make_tensor_value_info(
            str(modality), TensorProto.UINT8, ["N", network.side, network.side, channels_of([modality])]
        )
        for modality in network.modalities
    ]
    return graph.file("presentation", inputs, [(MARGINS, 1)], {})


def _pixels(
    graph: Graph,
    modality: Modality,
    scale: NDArray[np.float32],
    shift: NDArray[np.float32],
    *,
    middle: tuple[int, int] | None = None,
) -> str:
    """(N, C, H, W) as the network's first layer takes it, of rows and columns from the first number to the second."""
    levels = graph.add("Cast", str(modality), to=TensorProto.FLOAT)
    if middle is not None:
        first, end = middle
        levels = graph.add("Slice", levels, graph.whole(first, first), graph.whole(end, end), graph.whole(1, 2))
    maps = graph.add("Transpose", levels, perm=[0, 3, 1, 2])
    return graph.affine(maps, scale, shift, of=str(modality))


def _slim_pad(graph: Graph, network: SlimPad) -> None:
    scale, shift = _constants(network.middle, network.spread)
    planes, begin = [], 0
    for modality in network.modalities:
        own = slice(begin, begin + channels_of([modality]))
        planes.append(_pixels(graph, modality, scale[own], shift[own]))
        begin = own.stop
    maps = added(graph, network.features, _beside(graph, planes))
    linear(graph, network.decide, graph.add("Flatten", pooled(graph, maps)), out=MARGINS)


def _multi_level(graph: Graph, network: MultiLevelNetwork) -> None:
    over, side = (network.side - network.trunk.side) // 2, network.trunk.side
    middle = (over, over + side) if over > 0 else None
    scale, shift = _constants(network.mean, network.spread)
    seen = {modality: _pixels(graph, modality, scale, shift, middle=middle) for modality in network.modalities}
    branches = [list(branch.children()) for branch in network.branches]
    maps = [added(graph, parts[0], seen[stream]) for parts, stream in zip(branches, network.streams, strict=True)]
    aggregated = ""
    for level in LEVELS:
        maps = [added(graph, parts[level], each) for parts, each in zip(branches, maps, strict=True)]
        if network.fusions is None or network.aggregations is None:
            continue
        fused = graph.add("Relu", added(graph, network.fusions[level - 1], _beside(graph, maps)))
        fused = graph.add("Add", fused, aggregated) if aggregated else fused
        aggregated = added(graph, network.aggregations[level - 1], fused)
    if network.excitations is not None:
        maps = [added(graph, gate, each) for gate, each in zip(network.excitations, maps, strict=True)]
    paths = [added(graph, network.main, _beside(graph, maps)), *([aggregated] if aggregated else [])]
    ends = [pooled(graph, path) for path in paths]
    if network.reductions is not None:
        ends = [added(graph, reduction, end) for reduction, end in zip(network.reductions, ends, strict=True)]
    features = graph.add("Flatten", graph.add("Add", *ends) if len(ends) > 1 else ends[0])
    linear(graph, _margin(network.head), features, out=MARGINS)


def _margin(head: nn.Linear) -> nn.Linear:
    """The map to class 1 less that to class 0, in one."""
    margin = nn.Linear(head.in_features, 1, device="meta")
    weight, bias = head.weight.detach(), head.bias.detach()
    margin.load_state_dict({"weight": weight[1:] - weight[:1], "bias": bias[1:] - bias[:1]}, assign=True)
    return margin


def _constants(mean: Tensor, spread: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and shift of each channel that make of bytes what the network makes of [0, 1]."""
    scale, shift = 1 / (_WHITE * spread.double().flatten()), -(mean.double() / spread.double()).flatten()
    return scale.float().numpy(), shift.float().numpy()


def _beside(graph: Graph, maps: Sequence[str]) -> str:
    return graph.add("Concat", *maps, axis=1) if len(maps) > 1 else maps[0]
