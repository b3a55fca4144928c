"""A FaceLiveNet as one ONNX graph: the bytes of faces go in; templates and, in the same pass, probabilities come out.

Whitening and softmax are in the graph, so that whoever runs it hands over pixels as they were cut out. Normalisations
are folded into the convolutions before them, and the scale of a residual into the convolution that leads back.
"""

import copy
from typing import Any, Final

import numpy as np
from onnx import TensorProto, helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from countenance.export.graph import Graph
from countenance.networks.facelivenet import FaceLiveNet, TaskBranch
from countenance.networks.inception_resnet_v1 import SIDE, Convolution, Reduction, Residual, fused

FACES: Final = "faces"
TEMPLATES: Final = "templates"
PROBABILITIES: Final = "probabilities"
EXPRESSIONS: Final = "expressions"
"""Of the file's own properties: which expressions the probabilities are of, in their order, with commas between."""
_LEAST_LENGTH = 1e-12  # as of torch.nn.functional.normalize


def facelivenet_onnx(network: FaceLiveNet) -> bytes:
    """Return a network as an ONNX file.

    Args:
        network: any; it is not changed, and the file judges as it does in inference mode.

    Returns:
        The file. Its input is "faces" (N, 160, 160, 3) uint8 RGB, each cut out as the recogniser does it. Its outputs
        are "templates" (N, D) float32 of length 1 and, where the network has expressions to tell, "probabilities"
        (N, E) float32, rows that sum to 1.
    """
    graph = Graph()
    judging = fused(copy.deepcopy(network))
    middle, top = _trunk(graph, judging, _whitened(graph))
    outputs = [(TEMPLATES, judging.features)]
    of_length_1(graph, _branch(graph, judging.branch_1, top))
    if judging.branch_2 is not None and judging.head is not None:
        start = middle if judging.branch_2.reduction_b is not None else top
        logits = _head(graph, judging.head, _branch(graph, judging.branch_2, start))
        logits = graph.add("Relu", logits) if judging.rectified_logits else logits
        graph.add("Softmax", logits, axis=1, out=PROBABILITIES)
        outputs.append((PROBABILITIES, len(judging.expressions)))
    faces = helper.make_tensor_value_info(FACES, TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    return graph.file("facelivenet", [faces], outputs, {EXPRESSIONS: ",".join(judging.expressions)})


def _whitened(graph: Graph) -> str:
    """(N, 3, 160, 160), as `inception_resnet_v1.whitened` does it of [0, 1]: here of grey levels, 0 to 255."""
    every: Any = {"axes": [1, 2, 3], "keepdims": 1}
    levels = graph.add("Cast", FACES, to=TensorProto.FLOAT)
    centred = graph.add("Sub", levels, graph.add("ReduceMean", levels, **every))
    deviation = graph.add("Sqrt", graph.add("ReduceMean", graph.add("Mul", centred, centred), **every))
    least = graph.tensor(np.full(1, (3 * SIDE * SIDE) ** -0.5, np.float32), name=f"least_deviation_{FACES}")
    return graph.add("Transpose", graph.add("Div", centred, graph.add("Max", deviation, least)), perm=[0, 3, 1, 2])


def _trunk(graph: Graph, network: FaceLiveNet, maps: str) -> tuple[str, str]:
    trunk = network.trunk
    for part in (trunk.stem, trunk.blocks_35, trunk.reduction_a, trunk.blocks_17):
        maps = _added(graph, part, maps)
    return maps, _added(graph, trunk.reduction_b, maps)


def _branch(graph: Graph, branch: TaskBranch, maps: str) -> str:
    """(N, D), of any length."""
    if branch.reduction_b is not None:
        maps = _added(graph, branch.reduction_b, maps)
    pooled = graph.add("GlobalAveragePool", _added(graph, branch.blocks_8, maps))
    if branch.bottleneck is not None:
        assert branch.norm is not None
        pooled = graph.convolution(fuse_conv_bn_eval(branch.bottleneck, branch.norm), pooled)
    return graph.add("Flatten", pooled)


def _head(graph: Graph, head: nn.Sequential, values: str) -> str:
    for part in head:
        if isinstance(part, nn.Linear):
            values = graph.add("Gemm", values, graph.tensor(part.weight), graph.tensor(part.bias), transB=1)
        else:
            assert isinstance(part, nn.ReLU)
            values = graph.add("Relu", values)
    return values


def of_length_1(graph: Graph, features: str) -> str:
    """Add features (N, D) over their length: the output "templates"."""
    length = graph.add("ReduceL2", features, axes=[1], keepdims=1)
    least = graph.tensor(np.full(1, _LEAST_LENGTH, np.float32))
    return graph.add("Div", features, graph.add("Max", length, least), out=TEMPLATES)


def _added(graph: Graph, part: nn.Module, maps: str) -> str:
    """A part of the trunk or of a branch, whose normalisations are folded."""
    if isinstance(part, nn.Sequential):
        for each in part:
            maps = _added(graph, each, maps)
        return maps
    if isinstance(part, Convolution):
        return graph.add("Relu", graph.convolution(part.conv, maps))
    if isinstance(part, nn.MaxPool2d):
        return graph.add("MaxPool", maps, kernel_shape=[3, 3], strides=[2, 2])
    assert isinstance(part, Residual | Reduction)
    beside = [_added(graph, branch, maps) for branch in part.branches]
    if isinstance(part, Reduction):
        return graph.add("Concat", *beside, _added(graph, part.pool, maps), axis=1)
    added = graph.convolution(part.lead_back, graph.add("Concat", *beside, axis=1), scale=part.scale)
    total = graph.add("Add", maps, added)
    return graph.add("Relu", total) if part.rectified else total
