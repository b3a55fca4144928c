"""The pool that judges: a fixed number of threads, a bounded queue, and no for everything beyond.

The queue is bounded twice: by the number of calls, and by how long one more would wait, as calls lately took, since an
answer that comes too late is of no use to anybody. Sessions that have begun go before new ones: where frames had to be
turned away, nobody begins a session until that is over, and then few at a time. Otherwise every session would lose so
many of its frames that none ever ended.
"""

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from countenance.service.refusals import Refusal

T = TypeVar("T")
_NEW = 0.1  # weight of the newest call in the mean time of a call
_QUIET_SECONDS = 2.0  # without a call turned away, before anybody begins a session again
_WARY_SECONDS = 10.0  # after such a call, in which few begin
_BETWEEN_SECONDS = 0.25  # two who begin then


class Gone(Exception):
    """The client went away before it was answered."""


class Workers:
    """Threads that run what costs time; networks let go of the interpreter while they compute.

    Args:
        threads: that run at once.
        waiting: calls that may wait; one more is refused.
        useful_seconds: for which a call may have to wait; one that is expected to wait longer is refused.
        retry_seconds: what a refusal says about when to come back.
        clock: seconds that only run forward.
    """

    def __init__(
        self,
        *,
        threads: int,
        waiting: int,
        useful_seconds: float,
        retry_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="judge")
        self._count, self._waiting = threads, waiting
        self._useful_seconds, self._retry_seconds, self._clock = useful_seconds, retry_seconds, clock
        self._lock = threading.Lock()
        self._inside: set[Future[Any]] = set()
        self._stopping = False
        self._mean_seconds = 0.0  # of a call; 0 before the first
        self._turned_away = self._began = -math.inf

    @property
    def depth(self) -> int:
        """How many calls run or wait."""
        return len(self._inside)

    @property
    def stopping(self) -> bool:
        """Whether nothing more is taken."""
        return self._stopping

    def refuse_beyond(self) -> None:
        """Refuse what there is no room for, before anything is spent on it.

        Raises:
            Refusal: 503, as `submit` would now.
        """
        with self._lock:
            self._refuse_beyond()

    def refuse_newcomer(self) -> None:
        """Refuse who would begin a session that could not be seen through.

        Raises:
            Refusal: 503, frames were turned away a moment ago, and nobody or enough others began since.
        """
        with self._lock:
            now = self._clock()
            since = now - self._turned_away
            wary = since < _WARY_SECONDS and now - self._began < _BETWEEN_SECONDS
            if since < _QUIET_SECONDS or wary or self._wait_seconds > self._useful_seconds / 2:
                raise self._refusal("one that comes while others wait", max(self._retry_seconds, _QUIET_SECONDS))
            self._began = now

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Put a call into the queue.

        Raises:
            Refusal: 503, the queue is full or the service stops.
        """
        with self._lock:
            self._refuse_beyond()
            future = self._threads.submit(self._timed, call)
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

    @property
    def _wait_seconds(self) -> float:
        """How long one more call would wait for a thread."""
        before = max(0, len(self._inside) - self._count + 1)
        return before * self._mean_seconds / self._count

    def _refuse_beyond(self) -> None:
        if self._stopping:
            raise self._refusal("one while it stops", self._retry_seconds)
        most = self._count + self._waiting
        if len(self._inside) >= most or self._wait_seconds > self._useful_seconds:
            self._turned_away = self._clock()
            came = f"one beyond the {most} that it takes" if len(self._inside) >= most else "one that would wait long"
            raise self._refusal(came, self._retry_seconds)

    @staticmethod
    def _refusal(came: str, retry_seconds: float) -> Refusal:
        return Refusal(
            503,
            expected="a request that the service has room for",
            came=came,
            remedy="send it again a little later",
            retry_seconds=retry_seconds,
        )

    def _timed(self, call: Callable[[], T]) -> T:
        began = self._clock()
        try:
            return call()
        finally:
            took = self._clock() - began
            with self._lock:
                self._mean_seconds += _NEW * (took - self._mean_seconds)

    def _left(self, future: Future[Any]) -> None:
        with self._lock:
            self._inside.discard(future)
