"""Shares: counts by hand, the exact interval, and a bootstrap only where it shows something."""

import numpy as np
import pytest

from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Bootstrap
from countenance.protocols.counted_share import METHOD, counted_shares
from countenance.scores import text


def flags(row):
    return np.array([letter == "1" for letter in row])


def drawing(resamples=500, seed=0):
    return Bootstrap(resamples, np.random.default_rng(seed))


def test_counts_by_hand():
    shares = counted_shares([(flags("1100"), flags("1111")), (flags("1100"), flags("0111"))], text([""] * 4))
    assert [share.count for share in shares] == [Proportion(2, 4), Proportion(1, 3)]  # a hit outside its trials is none
    assert shares[1].value == pytest.approx(1 / 3)
    assert shares[1].interval.low == pytest.approx(0.00840, abs=1e-5)  # 1 - .975 ** (1/3)
    assert shares[1].interval.high == pytest.approx(0.90570, abs=1e-5)


def test_no_trial_is_no_share():
    (share,) = counted_shares([(flags("11"), flags("00"))], text(["a", "b"]), drawing())
    assert share.as_json() == {"value": None, "count": 0, "trials": 0, "interval": [0.0, 1.0], "bootstrap": None}


def test_the_bootstrap_draws_people_not_rows():
    right = np.repeat(flags("1010"), 50)  # four people, each wholly right or wholly wrong
    everything = np.ones(200, bool)
    (by_person,) = counted_shares([(right, everything)], text(np.repeat([*"abcd"], 50)), drawing())
    (by_row,) = counted_shares([(right, everything)], text([str(n) for n in range(200)]), drawing())
    assert by_person.bootstrap is not None
    assert by_row.bootstrap is not None
    assert (by_person.bootstrap.low, by_person.bootstrap.high) == (0, 1)
    assert 0.4 < by_row.bootstrap.low < by_row.bootstrap.high < 0.6
    assert by_person.bootstrap.method == METHOD
    assert by_person.as_json()["bootstrap"] == [0, 1]


def test_it_is_the_plain_bootstrap_done_slowly():
    generator = np.random.default_rng(3)
    people, right = generator.integers(12, size=80), generator.random(80) < 0.7
    (share,) = counted_shares([(right, np.ones(80, bool))], text([f"{n:02d}" for n in people]), drawing(4_000))
    names = np.unique(people)
    slow = []
    for _ in range(4_000):
        rows = np.concatenate([np.flatnonzero(people == name) for name in generator.choice(names, len(names))])
        slow.append(right[rows].mean())
    assert share.bootstrap is not None
    assert [share.bootstrap.low, share.bootstrap.high] == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.02)


def test_a_seed_repeats_and_the_order_of_rows_is_nothing():
    generator = np.random.default_rng(1)
    right, people = generator.random(60) < 0.5, generator.integers(9, size=60).astype(str)
    order = generator.permutation(60)
    everything = np.ones(60, bool)
    first, again = (counted_shares([(right, everything)], text(people), drawing(50, seed=5)) for _ in range(2))
    assert first == again == counted_shares([(right[order], everything)], text(people[order]), drawing(50, seed=5))
    assert first != counted_shares([(right, everything)], text(people), drawing(50, seed=6))


@pytest.mark.parametrize(
    ("right", "people", "resamples"),
    [("1111", "aabb", 50), ("0000", "aabb", 50), ("1010", "aaaa", 50), ("1010", "aabb", 0)],
)
def test_where_it_shows_nothing_it_is_not_given(right, people, resamples):
    (share,) = counted_shares([(flags(right), flags("1111"))], text([*people]), drawing(resamples))
    assert share.bootstrap is None


def test_a_row_without_a_subject_leaves_the_exact_interval():
    (share,) = counted_shares([(flags("1010"), flags("1111"))], text(["a", "a", "b", ""]), drawing())
    assert share.bootstrap is None
    assert share.interval.method == "Clopper-Pearson"


def test_a_share_of_too_few_people_has_no_bootstrap():
    rows = flags("1100000000")  # only one of nine people has a trial: a third of the draws miss them
    (share,) = counted_shares([(flags("1000000000"), rows)], text([*"aabcdefghi"]), drawing())
    assert (share.count, share.bootstrap) == (Proportion(1, 2), None)


def test_progress_is_heard_once():
    heard = []
    told = Bootstrap(20, np.random.default_rng(0), lambda *done: heard.append(done))
    counted_shares([(flags("10"), flags("11"))], text(["a", "b"]), told)
    assert heard == [(20, 20)]
