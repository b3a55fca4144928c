"""A published recogniser of aligned faces as one ONNX graph from bytes to templates, written from its PyTorch form.

The published file takes what somebody else has scaled, lists its weights among its inputs, and ends in features of any
length; this one takes bytes and ends in templates of length 1.
"""

import numpy as np
from onnx import TensorProto, helper

from countenance.export.facelivenet import FACES, TEMPLATES, of_length_1
from countenance.export.graph import Graph
from countenance.export.layers import added, linear
from countenance.networks.aligned_recogniser import SIDE
from countenance.networks.onnx_graph import ConvolutionGraph, FlatLinear


def aligned_recogniser_onnx(network: ConvolutionGraph, *, features: int, centre: float, spread: float) -> bytes:
    """Return a recogniser as an ONNX file.

    Args:
        network: as `networks.onnx_graph.read_graph` read it.
        features: numbers of a template.
        centre: subtracted from pixels of 0 to 255.
        spread: what they are then divided by.

    Returns:
        The file. Its input is "faces" (N, 112, 112, 3) uint8 RGB, aligned; its output "templates" (N, D) float32 of
        length 1.
    """
    graph = Graph()
    levels = graph.add("Cast", FACES, to=TensorProto.FLOAT)
    scale, shift = np.full(3, 1 / spread, np.float32), np.full(3, -centre / spread, np.float32)
    made = [graph.affine(graph.add("Transpose", levels, perm=[0, 3, 1, 2]), scale, shift, of=FACES)]
    for layer, inputs, is_sum in zip(network.layers, network.inputs, network.is_sum, strict=True):
        seen = [made[number] for number in inputs]
        if is_sum:
            made.append(graph.add("Add", *seen))
        elif isinstance(layer, FlatLinear):
            made.append(linear(graph, layer, graph.add("Flatten", seen[0])))
        else:
            made.append(added(graph, layer, seen[0]))
    of_length_1(graph, graph.add("Flatten", made[-1]))
    faces = helper.make_tensor_value_info(FACES, TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    return graph.file("aligned-recogniser", [faces], [(TEMPLATES, features)], {})
