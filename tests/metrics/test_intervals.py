"""Intervals: against scipy, by exact enumeration, and what a bootstrap over subjects must and must not do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from countenance.metrics.counts import Proportion, SortedScores
from countenance.metrics.intervals import (
    Bootstrap,
    bootstrap_over_groups,
    clopper_pearson,
    error_free_trials_needed,
    reweighted,
    zero_error_bound,
)

SHARES = st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
TARGETS = {"0": 0.0, "1e-1": 0.1, "1/3": 1 / 3, "1": 1.0}


@given(SHARES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_clopper_pearson_is_scipys_exact_interval(share, confidence):
    found = clopper_pearson(Proportion(*share), confidence=confidence)
    expected = binomtest(*share).proportion_ci(confidence, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
    assert found.low <= Proportion(*share).value <= found.high
    mirror = clopper_pearson(Proportion(*share).complement, confidence=confidence)
    assert (found.low, found.high) == pytest.approx((1 - mirror.high, 1 - mirror.low), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("trials", [1, 2, 5, 11])
def test_clopper_pearson_covers_whatever_the_rate(trials):
    intervals = [clopper_pearson(Proportion(count, trials)) for count in range(trials + 1)]
    for rate in np.linspace(0, 1, 401):
        inside = [found.low <= rate <= found.high for found in intervals]
        assert binom.pmf(np.arange(trials + 1), trials, rate)[inside].sum() >= 0.95 - 1e-12


def test_without_a_trial_everything_is_possible():
    found = clopper_pearson(Proportion(0, 0))
    assert (found.low, found.high, found.method, found.confidence) == (0, 1, "Clopper-Pearson", 0.95)
    assert zero_error_bound(0) == 1


@given(st.integers(1, 10**6))
def test_the_bound_without_an_error_is_one_sided_and_near_the_rule_of_three(trials):
    bound = zero_error_bound(trials)
    assert bound == pytest.approx(clopper_pearson(Proportion(0, trials), confidence=0.9).high, rel=1e-6)
    assert bound < 3 / trials


@given(st.floats(1e-6, 0.5))
def test_the_needed_trials_are_the_fewest(rate):
    needed = error_free_trials_needed(rate)
    assert (1 - rate) ** needed <= 0.05 * (1 + 1e-9)
    assert (1 - rate) ** (needed - 1) > 0.05 * (1 - 1e-9)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40))
def test_a_weight_is_a_repetition(rows):
    scores, flags = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    compute = reweighted(scores, flags, false_accept_rates=TARGETS)
    for weights in (np.ones(len(rows)), np.array([row[2] for row in rows], dtype=float)):
        repeated, classes = (np.repeat(column, weights.astype(int)) for column in (scores, flags))
        if classes.all() or not classes.any():
            continue
        ordered = SortedScores.of(positives=repeated[classes], negatives=repeated[~classes])
        found = compute(weights)
        assert found.pop("auc") == pytest.approx(ordered.auc(), abs=1e-12)
        assert found.pop("eer_interpolated") == pytest.approx(ordered.eer_interpolated(), abs=1e-12)
        expected = {name: ordered.true_accepts_at_false_accept_rate(rate).value for name, rate in TARGETS.items()}
        assert found == expected | {"eer": ordered.eer()}


def bootstrap(groups, flags, statistics, resamples=200, seed=0):
    return bootstrap_over_groups(
        np.array(groups),
        np.array(flags),
        statistics,
        method="bootstrap over subjects",
        drawing=Bootstrap(resamples, np.random.default_rng(seed)),
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(2, 9))
def test_repeating_a_subjects_rows_does_not_narrow_its_interval(seed, times):
    generator = np.random.default_rng(seed)
    wrong = generator.random(24) < 0.4
    wrong[:2] = False, True
    groups, flags = np.array([f"subject {i}" for i in range(24)]), np.arange(24) < 4

    def interval_of(repeats):
        errors, who = np.repeat(wrong, repeats), np.repeat(groups, repeats)
        share = lambda weights: {"error": float(weights @ errors / weights.sum())}  # noqa: E731
        exact = clopper_pearson(Proportion(int(errors.sum()), len(errors)))
        return bootstrap(who, np.repeat(flags, repeats), share)["error"], exact

    (once, exact_once), (often, exact_often) = interval_of(1), interval_of(times)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert once.low < wrong.mean() < once.high
    assert exact_often.high - exact_often.low < exact_once.high - exact_once.low
    assert (often.method, often.confidence) == ("bootstrap over subjects", 0.95)


def test_whole_subjects_are_drawn_and_both_classes_with_them():
    groups, flags = ["a", "a", "b", "c", "c", "d"], [True, True, True, False, False, False]
    seen = []

    def statistics(weights):
        seen.append(weights)
        return {"positives": float(weights[:3].sum())}

    bootstrap(groups, flags, statistics, resamples=300)
    assert len(seen) == 300
    for weights in seen:
        assert weights[0] == weights[1]
        assert weights[3] == weights[4]
        assert weights[[0, 2, 3, 5]].sum() == 4  # four subjects, drawn four times
        assert weights[:3].any()
        assert weights[3:].any()


@pytest.mark.parametrize(
    ("groups", "flags", "intervals"),
    [("abcc", [1, 1, 0, 0], 0), ("aabc", [1, 1, 0, 0], 0), ("abcd", [1, 1, 0, 0], 1), ("abab", [1, 1, 0, 0], 1)],
)
def test_one_subject_of_a_class_cannot_be_resampled(groups, flags, intervals):
    assert len(bootstrap(list(groups), np.array(flags, bool), lambda _: {"error": 0.5})) == intervals


def test_a_value_that_most_resamples_lack_gets_no_interval():
    # a species of k among 12 subjects is missing from (1 - k/12)^12 of the resamples: 0.35 of them for k = 1, and
    # 0.0003 for k = 6
    groups, flags = [str(i) for i in range(12)], [i < 2 for i in range(12)]

    def statistics(weights):
        rare, common = weights[11], weights[6:].sum()
        return {"rare": 0.5 if rare else math.nan, "common": weights[6] / common if common else math.nan}

    found = bootstrap(groups, flags, statistics, resamples=2000)
    assert set(found) == {"common"}
    assert 0 <= found["common"].low < 1 / 6 < found["common"].high <= 1
