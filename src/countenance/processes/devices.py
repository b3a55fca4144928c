"""Devices by name: of one process, and of each of several."""

import os
from collections.abc import Sequence

import torch

from countenance.errors import UsageError


def usable_device(name: str) -> torch.device:
    """Return the device called `name`, such as "cpu", "cuda" or "cuda:1".

    Raises:
        UsageError: there is no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            expected="a device of this machine, such as cpu or cuda", came=repr(name), remedy="name another"
        ) from error
    return device


def devices_named(text: str | None) -> tuple[str, ...]:
    """Return the device of each process.

    Args:
        text: a number of processes on the processor, or devices with a comma between them; None: the processor.

    Raises:
        UsageError: no process, no word between two commas, or a GPU twice: nccl joins different ones only.

    >>> devices_named("2"), devices_named("cuda:0,1"), devices_named("cuda")
    (('cpu', 'cpu'), ('cuda:0', 'cuda:1'), ('cuda',))
    """
    words = [word.strip() for word in ("cpu" if text is None else text).split(",")]
    if len(words) == 1 and words[0].isdecimal():
        words = ["cpu"] * int(words[0])
    kind = words[0].partition(":")[0] if words else ""
    devices = tuple(f"{kind}:{word}" if word.isdecimal() else word for word in words)
    if not all(words) or not kind or kind.isdecimal() or (kind != "cpu" and len(set(devices)) < len(devices)):
        raise UsageError(
            expected="devices such as cpu, cuda, cuda:0,1 or a number of processes from 1",
            came=repr(text),
            remedy="name them, one for each process",
        )
    return devices


def device_of_launch(devices: Sequence[str]) -> str:
    """Return the device of this process, which torchrun started: LOCAL_RANK counts the processes of a machine.

    Raises:
        UsageError: neither one kind of device nor one for each process of this machine.
    """
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if len(devices) == 1:
        return f"{devices[0]}:{number}" if devices[0] == "cuda" else devices[0]
    here = os.environ.get("LOCAL_WORLD_SIZE", str(len(devices)))
    if here != str(len(devices)):
        raise UsageError(
            expected=f"one device, or one for each of the {here} processes of this machine",
            came=", ".join(devices),
            remedy="say cpu or cuda; torchrun says how many",
        )
    return devices[number]
