"""The pool that judges: a fixed number of threads, a bounded queue, and no for everything beyond."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from countenance.service.refusals import Refusal

T = TypeVar("T")


class Gone(Exception):
    """The client went away before it was answered."""


class Workers:
    """Threads that run what costs time; networks let go of the interpreter while they compute.

    Args:
        threads: that run at once.
        waiting: calls that may wait; one more is refused.
        retry_seconds: what a refusal says about when to come back.
    """

    def __init__(self, *, threads: int, waiting: int, retry_seconds: float) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="judge")
        self._most, self._retry_seconds = threads + waiting, retry_seconds
        self._lock = threading.Lock()
        self._inside: set[Future[Any]] = set()
        self._stopping = False

    @property
    def depth(self) -> int:
        """How many calls run or wait."""
        return len(self._inside)

    @property
    def stopping(self) -> bool:
        """Whether nothing more is taken."""
        return self._stopping

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Put a call into the queue.

        Raises:
            Refusal: 503, the queue is full or the service stops.
        """
        with self._lock:
            if self._stopping or len(self._inside) >= self._most:
                came = "one while it stops" if self._stopping else f"one beyond the {self._most} that it takes"
                raise Refusal(
                    503,
                    expected="a request that the service has room for",
                    came=came,
                    remedy="send it again a little later",
                    retry_seconds=self._retry_seconds,
                )
            future = self._threads.submit(call)
            self._inside.add(future)
        future.add_done_callback(self._left)
        return future

    async def run(self, call: Callable[[], T], *, until: Callable[[], Awaitable[object]] | None = None) -> T:
        """Run a call; when `until` comes first, or the caller is cancelled, what still waits is taken out.

        Args:
            call: what to run.
            until: waits for the client to go away.

        Raises:
            Refusal: 503, as for `submit`.
            Gone: `until` came first.
        """
        future = self.submit(call)
        work = asyncio.wrap_future(future)
        if until is None:
            return await work
        leaving = asyncio.ensure_future(until())
        try:
            both: set[asyncio.Future[Any]] = {work, leaving}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise Gone
        finally:
            leaving.cancel()
            if not work.done():
                work.cancel()  # reaches `future` where it still waits; what runs, runs to its end

    def stop(self, seconds: float) -> bool:
        """Refuse what comes now, wait for what runs, and say whether all of it ended in time."""
        with self._lock:
            self._stopping = True
            inside: set[Future[Any]] = set(self._inside)
        left = wait(inside, timeout=seconds).not_done
        self._threads.shutdown(wait=not left, cancel_futures=True)
        return not left

    def _left(self, future: Future[Any]) -> None:
        with self._lock:
            self._inside.discard(future)
