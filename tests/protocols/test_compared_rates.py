"""Rates and differences of rates: by hand, and paired over people."""

import numpy as np
import pytest

from countenance.protocols.compared_rates import RATES, difference_row, mean_rate, rate_row
from countenance.scores import presentation_table


def table(scores, *, people=20):
    """`people` subjects with one bona fide row and ten attacks each; attacks score 0.01, 0.02, ... in all."""
    attacks = np.arange(10 * people) / 1000
    identifiers = [f"p{number}" for number in range(11 * people)]
    return presentation_table(
        identifiers=identifiers,
        is_bona_fide=[True] * people + [False] * (10 * people),
        scores=np.concatenate([np.asarray(scores, float), attacks]),
        subjects=[f"s{number % people}" for number in range(people)]
        + [f"s{number // 10}" for number in range(10 * people)],
        species=[""] * people + ["print"] * (10 * people),
        splits=["test"] * (11 * people),
    )


GOOD = table(np.full(20, 0.9))
HALF = table(np.r_[np.full(10, 0.9), np.full(10, 0.1)])


def test_a_rate_is_a_share_of_the_bona_fide_rows():
    # 200 attacks up to .199: at 1e-2 two of them may be accepted, so that the threshold is .198
    assert mean_rate([GOOD], "1e-2") == 1
    assert mean_rate([HALF], "1e-2") == 0.5
    assert mean_rate([GOOD, HALF], "1e-2") == 0.75
    row = rate_row("half", [HALF], "1e-2", data="by hand", reported=70.0, note="of two", resamples=200)
    assert (row.name, row.measured, row.reported, row.note) == ("half, TPR at FPR 1e-2", 50.0, 70.0, "of two")
    assert row.count is not None
    assert (row.count.count, row.count.trials) == (10, 20)
    assert row.interval is not None
    assert row.bootstrap is not None
    assert row.interval.low < 50 < row.interval.high
    assert row.bootstrap.low < 50 < row.bootstrap.high
    mean = rate_row("both", [GOOD, HALF], "1e-2", data="by hand", resamples=200)
    assert (mean.measured, mean.count, mean.interval) == (75.0, None, None)


def test_a_difference_is_drawn_over_the_same_people():
    row = difference_row("good minus half", [GOOD], [HALF], "1e-2", data="by hand", resamples=200)
    assert row.measured == 50
    assert row.bootstrap is not None
    assert 0 < row.bootstrap.low < 50 < row.bootstrap.high < 100
    assert row.bootstrap.method == "paired bootstrap over subjects"
    none = difference_row("half minus half", [HALF, HALF], [HALF], "1e-2", data="by hand", resamples=200)
    assert none.bootstrap is not None
    assert (none.measured, none.bootstrap.low, none.bootstrap.high) == (0, 0, 0), "the same draw on both sides"


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_has_a_name(rate):
    assert RATES[rate] == float(rate)
    assert rate in rate_row("x", [GOOD], rate, data="by hand", resamples=10).name
