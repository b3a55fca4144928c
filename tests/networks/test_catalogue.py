"""Every released network: its record says what its file and its module are."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file
from torch import nn

from countenance import weights
from countenance.errors import UsageError
from countenance.networks.catalogue import RECORDS, record
from countenance.networks.dlib_resnet import read_tensors
from countenance.networks.inception_resnet_v1 import InceptionResnetV1
from countenance.networks.minifasnet import build_v1se, build_v2
from countenance.networks.record import NetworkRecord

Pulled = Callable[[str], dict[str, Path]]
TRAINED_INPUTS = {"Conv": (1, 2), "Gemm": (1, 2), "BatchNormalization": (1, 2), "PRelu": (1,)}


def count_torch(*networks: nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def count_safetensors(files: Mapping[str, Path]) -> int:
    return sum(values.size for path in files.values() for values in load_file(path).values())


def count_onnx(path: Path) -> int:
    """Count the values that enter the trained inputs of the layers, behind their dequantisation."""
    graph = onnx.load(path).graph
    sizes = {value.name: math.prod(value.dims) for value in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}

    def size(name: str) -> int:
        return sizes[name] if name in sizes else size(makers[name].input[0])

    return sum(
        size(node.input[place])
        for node in graph.node
        for place in TRAINED_INPUTS.get(node.op_type, ())
        if place < len(node.input)
    )


def count_dlib(files: Mapping[str, Path]) -> int:
    return sum(values.size for values in read_tensors(files["dlib_resnet"], files["manifest"]).values())


def count_litert(path: Path) -> int:
    """Count the float32 values that no layer makes."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    read = litert.Interpreter(model_content=path.read_bytes(), experimental_op_resolver_type=plain)
    tensors = {each["index"]: each for each in read.get_tensor_details()}
    layers = read._get_ops_details()
    made = {read.get_input_details()[0]["index"], *(place for layer in layers for place in layer["outputs"])}
    known = {place for layer in layers for place in layer["inputs"]} - made
    return sum(math.prod(tensors[place]["shape"]) for place in known if tensors[place]["dtype"] is np.float32)


COUNTS: Mapping[str, Callable[[Pulled], int]] = {
    "yunet": lambda pulled: count_onnx(pulled("yunet")["yunet"]),
    "mtcnn": lambda pulled: count_safetensors(pulled("mtcnn")),
    "sface": lambda pulled: count_onnx(pulled("sface")["sface"]),
    "facenet": lambda _: count_torch(InceptionResnetV1()),
    "fr_feature": lambda pulled: count_onnx(pulled("fr_feature")["fr_feature"]),
    "dlib_resnet": lambda pulled: count_dlib(pulled("dlib_resnet")),
    "mobilefacenet": lambda pulled: count_litert(pulled("mobilefacenet")["mobilefacenet"]),
    "minifasnet": lambda _: count_torch(build_v2(), build_v1se()),
    "minifasnet-v2": lambda _: count_torch(build_v2()),
    "minifasnet-v1se": lambda _: count_torch(build_v1se()),
}


@pytest.mark.parametrize("known", RECORDS, ids=lambda known: known.name)
def test_the_parameters_are_those_of_the_network(known: NetworkRecord, pulled: Pulled) -> None:
    assert COUNTS[known.name](pulled) == known.parameters


@pytest.mark.parametrize("known", RECORDS, ids=lambda known: known.name)
def test_every_record_is_complete(known: NetworkRecord) -> None:
    assert record(known.name) is known
    assert all(
        text.strip()
        for text in (known.inputs, known.preprocessing, known.polarity, known.licence_code, known.training_data)
    )
    assert "https://" in known.source
    assert known.weights
    for name in known.weights:
        assert weights.record(name).licence_weights == known.licence_weights
        assert weights.record(name).training_data == known.training_data


def test_no_two_networks_share_a_name() -> None:
    assert len({known.name for known in RECORDS}) == len(RECORDS) == len(COUNTS)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"yunet, mtcnn, sface, .*, mobilefacenet, minifasnet, .*networks list"):
        record("facenet9")
