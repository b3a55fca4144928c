"""An ONNX graph as a module: every operator against ONNX Runtime, and a refusal of what is not known."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper

from countenance.errors import DataError, MissingFile
from countenance.networks.onnx_graph import ConvolutionGraph, read_graph

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return RNG.uniform(0.5, 1.5, shape).astype(np.float32)


def convolution(source: str, weight: str, goal: str, *others: str, **options: object) -> NodeProto:
    form: dict[str, Any] = {"pads": [1] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1, "kernel_shape": [3, 3]}
    return helper.make_node("Conv", [source, weight, *others], [goal], **{**form, **options})


def norm(source: str, name: str, goal: str) -> NodeProto:
    return helper.make_node("BatchNormalization", [source, *(f"{name}{part}" for part in "gbmv")], [goal], epsilon=0.01)


ARRAYS = {
    "centre": np.array([127.5], np.float32),
    "over": np.array([1 / 128], np.float32),
    "first": drawn(6, 3, 3, 3),
    "bias": drawn(6),
    "quantised": RNG.integers(-100, 100, (6, 9)).astype(np.int8),
    "scales": positive(6, 3) / 100,
    "zeros": RNG.integers(-3, 3, (6, 3)).astype(np.int8),
    "form": np.array([6, 1, 3, 3]),
    "slopes": drawn(6, 1, 1),
    "pointwise": drawn(6, 6, 1, 1),
    "map": drawn(5, 6 * 4 * 5),
    "shift": drawn(5),
    **{f"{name}{part}": positive(size) for name, size in (("a", 6), ("b", 6), ("c", 5)) for part in "gbmv"},
}
NODES = [
    helper.make_node("Sub", ["data", "centre"], ["d0"]),
    helper.make_node("Mul", ["d0", "over"], ["d1"]),
    helper.make_node("DequantizeLinear", ["quantised", "scales", "zeros"], ["q"], axis=1, block_size=3),
    helper.make_node("Reshape", ["q", "form"], ["depthwise"]),
    convolution("d1", "first", "c0", "bias", strides=[2, 2]),
    norm("c0", "a", "n0"),
    helper.make_node("PRelu", ["n0", "slopes"], ["r0"]),
    convolution("r0", "depthwise", "c1", group=6),
    helper.make_node("Add", ["r0", "c1"], ["s0"]),
    convolution("s0", "pointwise", "c2", kernel_shape=[1, 1], pads=[0, 0, 0, 0]),
    helper.make_node("Add", ["s0", "c2"], ["s1"]),
    norm("s1", "b", "n1"),
    helper.make_node("Flatten", ["n1"], ["flat"]),
    helper.make_node("Gemm", ["flat", "map", "shift"], ["g"], transB=1, alpha=1.0, beta=1.0, transA=0),
    norm("g", "c", "out"),
]


def written(path: Path, nodes: list[NodeProto], output: str = "out") -> Path:
    graph = helper.make_graph(
        nodes,
        "drawn",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [2, 3, 8, 10])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in ARRAYS.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


@pytest.fixture
def graph(tmp_path: Path) -> ConvolutionGraph:
    return read_graph(written(tmp_path / "drawn.onnx", NODES), title="drawn")


def test_the_same_as_onnx_runtime(graph: ConvolutionGraph, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (2, 3, 8, 10)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "drawn.onnx", providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"data": pixels})
    assert (graph.centre, graph.spread) == (127.5, 128)
    with torch.inference_mode():
        ours = graph(torch.from_numpy((pixels - 127.5) / 128)).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())
    assert (
        sum(isinstance(layer, torch.nn.Identity) for layer in graph.layers) == 2
    )  # the sums; no normalisation is left


def test_it_is_frozen_and_has_a_gradient_to_its_pixels(graph: ConvolutionGraph) -> None:
    assert not any(each.requires_grad for each in graph.parameters())
    pixels = torch.rand(1, 3, 8, 10, requires_grad=True)
    graph(pixels).square().sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.any(dim=1).all()


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([helper.make_node("Relu", ["data"], ["out"])], "KeyError"),
        ([helper.make_node("Add", ["data", "absent"], ["out"])], "KeyError"),
        ([convolution("data", "first", "out", pads=[0, 0, 1, 1])], "padded on one side"),
        ([convolution("data", "first", "out", dilations=[2, 2])], "or dilated"),
        ([norm("data", "a", "out")], "cannot be folded"),
        ([*NODES[:6], helper.make_node("Sub", ["n0", "centre"], ["out"])], "not of the pixels"),
        ([*NODES[:6], helper.make_node("Mul", ["n0", "over"], ["out"])], "not of the pixels"),
        ([*NODES[:7], norm("r0", "b", "out")], "an end that is no layer"),
        ([*NODES[:7], norm("r0", "b", "n1"), convolution("n1", "pointwise", "out")], "followed by no linear map"),
        ([*NODES[:5], norm("c0", "a", "n0"), helper.make_node("Add", ["n0", "c0"], ["out"])], "cannot be folded"),
        ([*NODES[:-2], helper.make_node("Gemm", ["flat", "map", "shift"], ["out"], alpha=2.0, beta=1.0)], "KeyError"),
        ([*NODES[:5], helper.make_node("Reshape", ["c0", "form"], ["out"])], "change their shape"),
    ],
)
def test_other_graphs_are_refused(tmp_path: Path, nodes: list[NodeProto], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_graph(written(tmp_path / "other.onnx", nodes), title="drawn")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="the drawn network"):
        read_graph(tmp_path / "absent.onnx", title="drawn")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(DataError, match="when reading it"):
        read_graph(tmp_path / "text.onnx", title="drawn")
