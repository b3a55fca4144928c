"""What the tests of exports share: shipped networks as folders, each written once."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

from countenance.export.exportable import exportable
from countenance.export.folder import write_export

PULLED = {"minifasnet": ("minifasnet_v2", "minifasnet_v1se"), "fr_feature": ("fr_feature",)}


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, pulled) -> Callable[[str], Path]:
    """A function that returns the folder of a network in ONNX; it is to be left as it is."""
    base, written = tmp_path_factory.mktemp("exports"), set()

    def find(name: str) -> Path:
        for weights in PULLED.get(name, ()):
            pulled(weights)
        if name not in written:
            write_export(exportable(name), base / name, formats=["onnx"])
            written.add(name)
        return base / name

    return find


@pytest.fixture(scope="session")
def asked():
    """A function that asks a file in ONNX Runtime for its first output."""

    def ask(data: bytes, pixels):
        return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, pixels)[0]

    return ask


@pytest.fixture(scope="session")
def unsettled():
    """A function that draws the statistics of every normalisation and every slope, so that nothing is as it begins."""

    def draw(network, seed: int = 0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for part in network.modules():
                if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
                    assert part.running_mean is not None
                    assert part.running_var is not None
                    part.running_mean.normal_(0, 0.2)
                    part.running_var.uniform_(0.5, 2)
                    part.bias.data.normal_(0, 0.2)
                if isinstance(part, torch.nn.PReLU):
                    part.weight.data.uniform_(-0.5, 1.5)
        return network

    return draw
