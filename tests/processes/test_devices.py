"""Devices are here, have names, and are shared out by torchrun's words."""

import pytest
import torch

from countenance.errors import UsageError
from countenance.processes.devices import device_of_launch, devices_named, usable_device


def test_a_device_is_one_that_is_here():
    assert usable_device("cpu") == torch.device("cpu")
    for name in ("abacus", "cuda:99"):
        with pytest.raises(UsageError, match=f"a device of this machine, .*; came '{name}'"):
            usable_device(name)


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        (None, ("cpu",)),
        ("cpu", ("cpu",)),
        ("1", ("cpu",)),
        ("3", ("cpu",) * 3),
        ("cuda:1", ("cuda:1",)),
        ("cuda:0,1", ("cuda:0", "cuda:1")),
        ("cuda:0, cuda:2", ("cuda:0", "cuda:2")),
    ],
)
def test_devices_have_names(text, devices):
    assert devices_named(text) == devices


@pytest.mark.parametrize("text", ["", "0", "cuda:0,,1", "1,2", ":1", "cuda:1,1", "cuda,cuda"])
def test_devices_that_are_none(text):
    with pytest.raises(UsageError, match="a number of processes from 1"):
        devices_named(text)


def test_torchrun_tells_which_device_is_its_own(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert device_of_launch(("cpu",)) == "cpu"
    assert device_of_launch(("cuda",)) == "cuda:1"
    assert device_of_launch(("cuda:2", "cuda:3")) == "cuda:3"
    with pytest.raises(UsageError, match="one for each of the 2 processes of this machine; came cpu, cpu, cpu"):
        device_of_launch(("cpu",) * 3)
