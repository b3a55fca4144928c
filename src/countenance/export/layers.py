"""Layers of PyTorch as nodes of an ONNX graph, whatever network they stand in; normalisations are folded in.

A network's own file says how its parts are joined; here is what each part becomes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from countenance.errors import UsageError
from countenance.export.graph import Graph
from countenance.networks.caffe_resnet import Block
from countenance.networks.excitation import ChannelAttention, Excitation
from countenance.networks.ir_resnet import Unit
from countenance.networks.resnet import BasicBlock


def added(graph: Graph, part: nn.Module, maps: str) -> str:
    """Add a part in inference mode and return the name of what it puts out.

    Raises:
        UsageError: a layer that cannot be exported.
    """
    for kind, write in _WRITERS.items():
        if isinstance(part, kind):
            return write(graph, part, maps)
    known = ", ".join(kind.__name__ for kind in _WRITERS)
    raise UsageError(expected=f"layers among {known}", came=type(part).__name__, remedy="export another network")


def linear(graph: Graph, layer: nn.Linear, values: str, *, out: str = "") -> str:
    """Add a linear map of values (N, ins)."""
    biases = [] if layer.bias is None else [graph.tensor(layer.bias)]
    return graph.add("Gemm", values, graph.tensor(layer.weight), *biases, transB=1, out=out)


def pooled(graph: Graph, maps: str) -> str:
    """Add the mean (N, C, 1, 1) over the places of maps (N, C, H, W)."""
    return graph.add("GlobalAveragePool", maps)


def _in_a_row(graph: Graph, parts: Iterable[nn.Module], maps: str) -> str:
    left = list(parts)
    while left:
        part = left.pop(0)
        if isinstance(part, nn.Conv2d) and left and isinstance(left[0], nn.BatchNorm2d):
            norm = left.pop(0)
            assert isinstance(norm, nn.BatchNorm2d)
            part = fuse_conv_bn_eval(part, norm)
        maps = added(graph, part, maps)
    return maps


def _normalisation(graph: Graph, norm: Any, maps: str) -> str:
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias.detach() - norm.running_mean * scale
    return graph.affine(maps, np.asarray(scale), np.asarray(shift))


def _largest(graph: Graph, pool: Any, maps: str) -> str:
    both = {"kernel_shape": pool.kernel_size, "strides": pool.stride}
    said: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else [value] * 2 for name, value in both.items()
    }
    return graph.add("MaxPool", maps, pads=[pool.padding] * 4, **said)


def _basic_block(graph: Graph, block: Any, maps: str) -> str:
    change = _in_a_row(graph, (block.conv1, block.bn1, nn.ReLU(), block.conv2, block.bn2), maps)
    beside = maps if block.downsample is None else added(graph, block.downsample, maps)
    return graph.add("Relu", graph.add("Add", change, beside))


def _unit(graph: Graph, unit: Any, maps: str) -> str:
    return graph.add("Add", added(graph, unit.res_layer, maps), added(graph, unit.shortcut_layer, maps))


def _block(graph: Graph, block: Any, maps: str) -> str:
    return graph.add("Add", maps, _in_a_row(graph, (block.first, block.second), maps))


def _excitation(graph: Graph, gate: Any, maps: str) -> str:
    weights = _in_a_row(graph, (gate.squeeze, nn.ReLU(), gate.excite), pooled(graph, maps))
    return graph.add("Mul", maps, graph.add("Sigmoid", weights))


def _attention(graph: Graph, gate: Any, maps: str) -> str:
    seen = (pooled(graph, maps), graph.add("GlobalMaxPool", maps))
    hidden = graph.add("Add", *(_in_a_row(graph, (gate.squeeze, nn.ReLU()), each) for each in seen))
    return graph.add("Mul", maps, graph.add("Sigmoid", added(graph, gate.excite, hidden)))


_WRITERS: Mapping[type[nn.Module], Callable[[Graph, Any, str], str]] = {
    nn.Sequential: _in_a_row,
    nn.Conv2d: lambda graph, part, maps: graph.convolution(part, maps),
    nn.BatchNorm2d: _normalisation,
    nn.MaxPool2d: _largest,
    nn.PReLU: lambda graph, part, maps: graph.sloped(maps, part.weight),
    nn.ReLU: lambda graph, _, maps: graph.add("Relu", maps),
    nn.LeakyReLU: lambda graph, part, maps: graph.add("LeakyRelu", maps, alpha=part.negative_slope),
    Block: _block,
    BasicBlock: _basic_block,
    Unit: _unit,
    Excitation: _excitation,
    ChannelAttention: _attention,
}
