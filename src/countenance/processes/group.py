"""The processes that train together: which this one is, how they meet, and what they must have alike."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed

from countenance.errors import UsageError
from countenance.processes.devices import usable_device

Value = TypeVar("Value")


@dataclass(frozen=True)
class Share:
    """The part of a batch that is one process's.

    Attributes:
        number: of the process, from 0.
        of: processes in all.
    """

    number: int = 0
    of: int = 1

    def cut(self, count: int) -> slice:
        """Return its part of `count` samples; parts differ by one sample at most.

        >>> [Share(number, 3).cut(8) for number in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(count * self.number // self.of, count * (self.number + 1) // self.of)


ALONE = Share()


def own_share() -> Share:
    """Tell which of the processes that train together this is."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return ALONE
    return Share(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def joined(device: str, *, share: Share, folder: str | os.PathLike[str] | None = None) -> Iterator[None]:
    """Join the other processes, for a while.

    Args:
        device: of this process; nccl joins GPUs, gloo processors.
        share: which process this is.
        folder: where those of one machine meet; None: at MASTER_ADDR and MASTER_PORT, as torchrun sets them.

    Raises:
        UsageError: no such device, or the others cannot be met.
    """
    on_gpu = usable_device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    place = None if folder is None else os.fspath(Path(folder) / "meeting")
    try:
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            rank=share.number,
            world_size=share.of,
            store=None if place is None else distributed.FileStore(place, share.of),  # type: ignore[attr-defined]
        )
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            expected=f"{share.of} processes that meet", came=str(error), remedy="start them with torchrun"
        ) from error
    try:
        yield
    finally:
        distributed.destroy_process_group()


def told_by_first(value: Value) -> Value:
    """Return the value that the first process has, in every process; the others wait for it."""
    if own_share().of == 1:
        return value
    box: list[Any] = [value]
    distributed.broadcast_object_list(box, src=0)
    told: Value = box[0]
    return told


def agree(value: object, *, on: str) -> None:
    """See that every process has the same value.

    Args:
        value: of this process; it can be pickled.
        on: what it is, for the message.

    Raises:
        UsageError: one has another; every process raises it.
    """
    share = own_share()
    if share.of == 1:
        return
    values: list[Any] = [None] * share.of
    distributed.all_gather_object(values, value)
    if strangers := [number for number, each in enumerate(values) if each != values[0]]:
        raise UsageError(
            expected=f"{on} alike in all {share.of} processes",
            came=f"another in process {strangers[0]}",
            remedy="give all the same recipe and data, and a folder of the run that all of them see",
        )
