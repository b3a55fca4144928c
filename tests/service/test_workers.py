import asyncio
import threading
import time

import pytest

from countenance.service.refusals import Refusal
from countenance.service.workers import Gone, Workers


@pytest.fixture
def workers():
    pool = Workers(threads=1, waiting=1, useful_seconds=1, retry_seconds=3)
    yield pool
    pool.stop(1)


def test_what_was_called_is_answered(workers):
    assert asyncio.run(workers.run(lambda: 7)) == 7
    assert workers.depth == 0


def test_an_error_comes_out_as_it_is(workers):
    def fail():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(workers.run(fail))
    assert workers.depth == 0


def test_one_more_than_fits_is_refused_and_room_comes_back(workers):
    gate = threading.Event()
    held = [workers.submit(gate.wait) for _ in range(2)]
    with pytest.raises(Refusal) as refused:
        workers.submit(gate.wait)
    assert refused.value.status_code == 503
    assert refused.value.headers == {"Retry-After": "3"}
    assert workers.depth == 2
    gate.set()
    assert [future.result(1) for future in held] == [True, True]
    assert workers.submit(lambda: 1).result(1) == 1


def test_who_goes_away_is_taken_out_of_the_queue(workers):
    gate, ran = threading.Event(), []

    async def scene():
        first = workers.submit(gate.wait)
        left = asyncio.Event()
        second = asyncio.ensure_future(workers.run(lambda: ran.append("second"), until=left.wait))
        await asyncio.sleep(0.02)
        assert workers.depth == 2
        left.set()
        with pytest.raises(Gone):
            await second
        await asyncio.sleep(0.02)
        assert workers.depth == 1
        gate.set()
        await asyncio.wrap_future(first)

    asyncio.run(scene())
    assert ran == []


def test_a_caller_that_is_cancelled_is_taken_out_too(workers):
    gate, ran = threading.Event(), []

    async def scene():
        first = workers.submit(gate.wait)
        second = asyncio.ensure_future(workers.run(lambda: ran.append("second")))
        await asyncio.sleep(0.02)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        await asyncio.wrap_future(first)

    asyncio.run(scene())
    assert ran == []


def test_stopping_finishes_what_runs_and_refuses_what_comes(workers):
    gate = threading.Event()
    held = workers.submit(gate.wait)
    stopped = threading.Thread(target=workers.stop, args=(2,))
    stopped.start()
    while not workers.stopping:
        time.sleep(0.001)
    with pytest.raises(Refusal, match="while it stops"):
        workers.submit(gate.wait)
    gate.set()
    stopped.join(2)
    assert held.result() is True


def test_stopping_does_not_wait_for_ever(workers):
    gate = threading.Event()
    workers.submit(gate.wait)
    waiting = workers.submit(gate.wait)
    assert workers.stop(0.02) is False
    assert waiting.cancelled()
    gate.set()


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_call_that_would_wait_too_long_is_refused_before_the_queue_is_full():
    watch, hold = Watch(), threading.Event()
    pool = Workers(threads=1, waiting=50, useful_seconds=1, retry_seconds=3, clock=watch)
    for _ in range(60):  # calls that took half a second
        pool.submit(lambda: setattr(watch, "now", watch.now + 0.5)).result(1)
    while pool.depth:
        time.sleep(0.001)
    held = [pool.submit(hold.wait) for _ in range(3)]  # one runs, two wait: a third one would for 1.5 s
    for refuse in (pool.refuse_beyond, lambda: pool.submit(hold.wait)):
        with pytest.raises(Refusal, match="would wait long"):
            refuse()
    hold.set()
    assert all(future.result(1) for future in held)
    while pool.depth:
        time.sleep(0.001)
    pool.refuse_beyond()
    pool.stop(1)


def test_nobody_begins_while_calls_are_turned_away_and_few_soon_after():
    watch, hold = Watch(), threading.Event()
    pool = Workers(threads=1, waiting=0, useful_seconds=1, retry_seconds=1, clock=watch)
    for _ in range(5):
        pool.refuse_newcomer()  # nothing was turned away yet
    first = pool.submit(hold.wait)
    with pytest.raises(Refusal):
        pool.refuse_beyond()
    hold.set()
    assert first.result(1)
    with pytest.raises(Refusal, match="while others wait") as refused:
        pool.refuse_newcomer()
    assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "2"})
    watch.now += 2
    pool.refuse_newcomer()
    with pytest.raises(Refusal):
        pool.refuse_newcomer()  # one is enough for a while
    watch.now += 0.25
    pool.refuse_newcomer()
    watch.now += 8
    for _ in range(5):
        pool.refuse_newcomer()
    pool.stop(1)
