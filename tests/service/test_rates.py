import pytest

import countenance.service.rates as module
from countenance.service.rates import Rates


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_bucket_empties_and_fills_again_by_hand(clock):
    rates = Rates(per_second=2, at_once=3, clock=clock)
    assert [rates.wait_seconds("ann") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.25
    assert rates.wait_seconds("ann") == pytest.approx(0.25)
    clock.now += 0.25
    assert rates.wait_seconds("ann") == 0
    clock.now += 1000
    assert [rates.wait_seconds("ann") for _ in range(4)] == [0, 0, 0, 0.5]


def test_everybody_has_a_bucket_of_his_own(clock):
    rates = Rates(per_second=1, at_once=1, clock=clock)
    assert rates.wait_seconds("ann") == 0
    assert rates.wait_seconds("bob") == 0
    assert rates.wait_seconds("ann") == 1


def test_a_clock_that_jumps_back_fills_nothing(clock):
    rates = Rates(per_second=1, at_once=1, clock=clock)
    rates.wait_seconds("ann")
    clock.now -= 50
    assert rates.wait_seconds("ann") == 1


def test_the_number_of_buckets_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BUCKETS", 3)
    rates = Rates(per_second=1, at_once=1, clock=clock)
    assert [rates.wait_seconds(who) for who in "abcd"] == [0, 0, 0, 0]
    assert rates.wait_seconds("d") == 1
    assert rates.wait_seconds("a") == 0, "the longest unseen was let go"
