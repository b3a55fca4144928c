"""Every released network: its record says what its file and its module are."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import pytest
from safetensors.numpy import load_file
from torch import nn

from countenance import weights
from countenance.errors import UsageError
from countenance.networks.catalogue import RECORDS, record
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


COUNTS: Mapping[str, Callable[[Pulled], int]] = {
    "yunet": lambda pulled: count_onnx(pulled("yunet")["yunet"]),
    "mtcnn": lambda pulled: count_safetensors(pulled("mtcnn")),
    "sface": lambda pulled: count_onnx(pulled("sface")["sface"]),
    "facenet": lambda _: count_torch(InceptionResnetV1()),
    "fr_feature": lambda pulled: count_onnx(pulled("fr_feature")["fr_feature"]),
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
    with pytest.raises(UsageError, match=r"yunet, mtcnn, sface, facenet, fr_feature, minifasnet, .*networks list"):
        record("facenet9")
