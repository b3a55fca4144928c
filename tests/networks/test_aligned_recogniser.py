"""What is mended in a published graph leaves its answers as they were; whole networks are in their own tests."""

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from countenance.networks.aligned_recogniser import _spell_slopes_out

MAPS = np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype(np.float32)


def run(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"maps": MAPS})[0]


def test_slopes_are_spelled_out_to_the_same_bits():
    slopes = numpy_helper.from_array(np.array([0.25, -0.5, 1.5], np.float32).reshape(3, 1, 1), "slopes")
    nodes = [
        helper.make_node("PRelu", ["maps", "slopes"], ["once"]),
        helper.make_node("Neg", ["once"], ["turned"]),
        helper.make_node("PRelu", ["turned", "slopes"], ["out"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 5, 5]) for name in ("maps", "out")]
    graph = helper.make_graph(nodes, "slopes", ends[:1], ends[1:], [slopes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    before = run(model)
    _spell_slopes_out(model)
    assert "PRelu" not in {node.op_type for node in model.graph.node}
    np.testing.assert_array_equal(run(model), before)
