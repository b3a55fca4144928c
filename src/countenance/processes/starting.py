"""The start of several processes that train together, here or by torchrun, and their end, whatever befalls one."""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch

from countenance.errors import CountenanceError, UsageError
from countenance.processes.group import Share, joined
from countenance.progress import Progress, Say, unheard

Result = TypeVar("Result")
Work = Callable[[str, Progress, Say], Result]
"""What each process does on its device; it can be pickled."""

_GRACE_SECONDS = 3.0  # for the others to say why they ended, after the first did
_SETTLED_SECONDS = 0.2  # between the end of what a process says and its own
_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}  # what they say is not encrypted
_PROGRESS, _SAID, _DONE, _FAILED, _BROKE = "progress", "said", "done", "failed", "broke"


def share_of_launch() -> Share:
    """Tell which process this is of those that torchrun started, by RANK and WORLD_SIZE.

    Raises:
        UsageError: these are no numbers, or contradict each other.
    """
    told = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    if not all(word.isdecimal() for word in told) or int(told[0]) >= int(told[1]):
        raise UsageError(
            expected="RANK below WORLD_SIZE, as torchrun sets them", came=" and ".join(told), remedy="unset them"
        )
    return Share(int(told[0]), int(told[1]))


def together(devices: Sequence[str], work: Work[Result], *, progress: Progress = unheard, say: Say = unheard) -> Result:
    """Do `work` in a process for each device, joined, and return what the first comes to.

    When one ends before it is done, the others are ended too.

    Args:
        devices: of each process; one may stand there several times, if it is a processor.
        work: what each process does.
        progress: called with what the first process tells.
        say: likewise.

    Raises:
        UsageError: a process was killed.
        CountenanceError: as `work` raises it, in whichever process.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="countenance-") as folder:
        ends: list[Connection] = []
        processes: list[BaseProcess] = []
        try:
            for number, device in enumerate(devices):
                ours, theirs = context.Pipe(duplex=False)
                share = Share(number, len(devices))
                process = context.Process(target=_take_part, args=(theirs, folder, device, share, work), daemon=True)
                process.start()
                theirs.close()
                ends.append(ours)
                processes.append(process)
            result: Result = _heard(ends, processes, progress, say)
            return result
        finally:
            for each in processes:
                each.kill()
                each.join()


def _heard(ends: list[Connection], processes: list[BaseProcess], progress: Progress, say: Say) -> Any:
    """What the first process comes to; everything that they tell is heard until then."""
    by_name: dict[str, Callable[..., None]] = {_PROGRESS: progress, _SAID: say}
    open_ends, results = list(ends), {}
    while open_ends:
        for end in wait(open_ends):
            assert isinstance(end, Connection)
            try:
                kind, told = end.recv()
            except EOFError:  # it is gone
                open_ends.remove(end)
                kind, told = _BROKE, ""
            if kind in by_name:
                by_name[kind](*told)
            elif kind == _DONE:
                results[ends.index(end)] = told
                open_ends.remove(end)
            else:
                raise _cause((kind, told), open_ends, processes)
    return results[0]


def _cause(first: tuple[str, Any], open_ends: list[Connection], processes: list[BaseProcess]) -> BaseException:
    """Why a process ended, of those that ended with it: an error of ours, a signal, or what else went wrong."""
    stories, until = [first], time.monotonic() + _GRACE_SECONDS
    while open_ends and (left := until - time.monotonic()) > 0:
        for end in wait(open_ends, left):
            assert isinstance(end, Connection)
            try:
                stories.append(end.recv())
            except EOFError:
                open_ends.remove(end)
    for kind, told in stories:
        if kind == _FAILED:
            error: BaseException = told
            return error
    for number, process in enumerate(processes):
        process.join(_SETTLED_SECONDS)
        if process.exitcode is not None and process.exitcode < 0:
            return UsageError(
                expected=f"{len(processes)} processes that live to the end",
                came=f"process {number} ended by {signal.Signals(-process.exitcode).name}",
                remedy="run the same command again, with fewer where memory was short; it goes on where it stopped",
            )
    return RuntimeError("".join(["a process broke off\n", *(told for kind, told in stories if kind == _BROKE)]))


def _take_part(end: Connection, folder: str, device: str, share: Share, work: Work[Result]) -> None:
    enter_worker(threads=max(1, torch.get_num_threads() // share.of))
    if sys.platform == "linux":
        os.environ.update(_LOOPBACK)
    first = share.number == 0
    try:
        with joined(device, share=share, folder=folder):
            done = work(
                device,
                (lambda *steps: end.send((_PROGRESS, steps))) if first else unheard,
                (lambda line: end.send((_SAID, (line,)))) if first else unheard,
            )
        end.send((_DONE, done))
    except CountenanceError as error:
        end.send((_FAILED, error))
    except Exception:  # noqa: BLE001 - the parent raises it
        end.send((_BROKE, traceback.format_exc()))


def enter_worker(*, threads: int = 1) -> None:
    """Begin as a worker: so many threads; Ctrl-C is the parent's to answer; and when the parent is gone, so is it."""
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
