"""The networks of a study, each in a folder of its own, trained by several processes side by side.

A network that is there is not trained again, so that a study can be done in several sittings; a process that dies lets
go of what it had taken.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar

from countenance.errors import at_least
from countenance.progress import Say, unheard

_LOOK_SECONDS = 5.0  # between two looks at what the workers have done
Member = TypeVar("Member")
Member_contra = TypeVar("Member_contra", contravariant=True)


class Work(Protocol[Member_contra]):
    """Trains, one after the other, each member that no other process has taken, as long as the parent lives."""

    def __call__(self, members: Sequence[Member_contra], *, say: Say = unheard, parent: int | None = None) -> None:
        """Train them; `parent` is the process that asked, None where it is this one."""
        ...


def train_side_by_side(
    work: Work[Member],
    members: Sequence[Member],
    *,
    is_done: Callable[[Member], bool],
    workers: int = 1,
    say: Say = unheard,
) -> None:
    """Hand `members` to `work`, in this process or in several at once.

    Args:
        work: what trains them; it can be pickled.
        members: those that are not there.
        is_done: whether a member is there by now.
        workers: processes, a thread each; 1: this one.
        say: called with a line now and then.

    Raises:
        UsageError: fewer than one worker.
        CountenanceError: as `work` raises it.
    """
    at_least(1, workers=workers)
    if workers == 1:
        work(members, say=say)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(work, members, parent=os.getpid()) for _ in range(workers)}
        told = -1
        while running:
            finished, running = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_EXCEPTION)
            for each in finished:
                each.result()
            done = sum(is_done(member) for member in members)
            if done != told:
                say(f"{done} of {len(members)} networks trained")
                told = done


def is_orphan(parent: int | None) -> bool:
    """Tell whether the process that asked for the work is gone."""
    return parent is not None and os.getppid() != parent


@contextmanager
def taken(folder: Path) -> Iterator[bool]:
    """Take a member's folder for this process; False where another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)
