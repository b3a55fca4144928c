"""Counting: by hand, against a slow second implementation, and with ties of any weight."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import NonFiniteScore, OneClassOnly
from countenance.metrics.counts import Proportion, SortedScores

FEW_VALUES = st.lists(st.integers(0, 6), min_size=1, max_size=30)  # so few that nearly every score is tied
ANY_VALUES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30)
CLASSES = st.tuples(FEW_VALUES, FEW_VALUES) | st.tuples(ANY_VALUES, ANY_VALUES)
TARGETS = st.sampled_from([0.0, 1e-4, 0.1, 0.29, 1 / 3, 0.5, 0.9, 1.0])


def sort(positives, negatives):
    return SortedScores.of(positives=np.array(positives, float), negatives=np.array(negatives, float))


def slow_candidates(positives, negatives):
    values = sorted({*positives, *negatives})
    between = [(a + b) / 2 if a < (a + b) / 2 < b else b for a, b in pairwise(values)]
    return [values[0], *between, float(np.nextafter(values[-1], np.inf))]


def slow_rates(positives, negatives, threshold):
    accepted = sum(score >= threshold for score in negatives) / len(negatives)
    refused = sum(score < threshold for score in positives) / len(positives)
    return accepted, refused


@given(CLASSES)
def test_every_curve_point_is_what_a_loop_counts(classes):
    positives, negatives = classes
    curve = sort(positives, negatives).curve
    expected = slow_candidates(positives, negatives)
    assert curve.thresholds.tolist() == expected
    for point, threshold in enumerate(expected):
        rates = slow_rates(positives, negatives, threshold)
        assert (curve.false_accept_rates[point], curve.false_reject_rates[point]) == rates


@given(CLASSES)
def test_eer_threshold_is_bobs_rule(classes):
    positives, negatives = classes

    def gap(threshold):
        accepted = sum(score >= threshold for score in negatives)
        refused = sum(score < threshold for score in positives)
        return abs(accepted * len(positives) - refused * len(negatives))  # in integers: no rounding decides a tie

    best = min(reversed(slow_candidates(positives, negatives)), key=gap)  # of equals the highest
    assert sort(positives, negatives).eer_threshold() == best
    assert sort(positives, negatives).eer() == sum(slow_rates(positives, negatives, best)) / 2


@given(CLASSES)
def test_interpolated_eer_lies_on_the_roc(classes):
    positives, negatives = classes
    ordered = sort(positives, negatives)
    curve = ordered.curve
    order = np.lexsort((1 - curve.false_reject_rates, curve.false_accept_rates))
    eer = ordered.eer_interpolated()
    step = max(1 / len(positives), 1 / len(negatives))
    fpr, tpr = curve.false_accept_rates[order], 1 - curve.false_reject_rates[order]
    upper = tpr[fpr <= eer + 1e-12].max()
    lower = tpr[fpr >= eer - 1e-12].min()
    assert lower - 1e-9 <= 1 - eer <= upper + 1e-9 or abs(eer - ordered.eer()) <= step
    assert 0 <= eer <= 1


def test_interpolated_eer_by_hand():
    # ROC points (FPR, TPR): (0, .5), (.5, .5), (.5, 1): on the line from (0, .5) to (.5, .5), 1 - x = .5 at x = .5
    assert sort([0.2, 0.9], [0.1, 0.5]).eer_interpolated() == 0.5
    # one tie of all scores: the ROC is the diagonal, which meets FPR = FNR in the middle
    assert sort([0.5, 0.5], [0.5]).eer_interpolated() == 0.5
    assert sort([0.8, 0.9], [0.1, 0.2]).eer_interpolated() == 0


@given(CLASSES, TARGETS)
def test_true_accepts_stop_at_the_last_point_at_or_below_the_target(classes, target):
    positives, negatives = classes
    best = 0
    for threshold in {*positives, *negatives}:
        if sum(score >= threshold for score in negatives) / len(negatives) <= target:
            best = max(best, sum(score >= threshold for score in positives))
    ordered = sort(positives, negatives)
    assert ordered.true_accepts_at_false_accept_rate(target) == Proportion(best, len(positives))
    assert ordered.false_accepts(ordered.threshold_at_false_accept_rate(target)).value <= target


@given(CLASSES, TARGETS)
def test_false_reject_threshold_is_the_highest_score_that_keeps_the_target(classes, target):
    positives, negatives = classes
    threshold = sort(positives, negatives).threshold_at_false_reject_rate(target)
    assert sum(score < threshold for score in positives) / len(positives) <= target
    higher = [score for score in positives if score > threshold]
    if higher:
        assert sum(score < min(higher) for score in positives) / len(positives) > target


@given(CLASSES)
def test_auc_is_the_share_of_pairs_in_order(classes):
    positives, negatives = classes
    won = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    assert sort(positives, negatives).auc() == won / (len(positives) * len(negatives))


@given(CLASSES, st.booleans())
def test_fewest_errors_with_the_highest_threshold_of_equals(classes, weighted):
    positives, negatives = classes

    def cost(threshold):
        accepted, refused = (sum(s >= threshold for s in negatives), sum(s < threshold for s in positives))
        return accepted * len(positives) + refused * len(negatives) if weighted else accepted + refused

    best = min(reversed(slow_candidates(positives, negatives)), key=cost)
    assert sort(positives, negatives).curve.lowest_total_error(weighted=weighted) == best


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from([np.float32, np.float64]),
    shape=st.sampled_from(
        ["normal", "ties", "saturated", "one value", "apart", "upside down", "outlier", "tiny range"]
    ),
    positives=st.integers(1, 60_000),
    target=TARGETS,
)
def test_sorting_only_the_neighbourhood_changes_nothing(seed, kind, shape, positives, target):
    generator = np.random.default_rng(seed)
    genuine, other = generator.normal(2, 1, positives), generator.normal(0, 1, 40_000)
    change = {
        "normal": lambda x: x,
        "ties": lambda x: np.round(x),  # noqa: PLW0108 - mypy cannot call a ufunc of a mixed dictionary
        "saturated": lambda x: 1 / (1 + np.exp(-20 * (x - 1))),
        "one value": lambda x: x * 0 + 0.5,
        "apart": lambda x: x + 100 * (x is genuine),
        "upside down": lambda x: x - 4 * (x is genuine),
        "outlier": lambda x: np.append(x[1:], 1e20),
        "tiny range": lambda x: x * 1e-35,
    }[shape]
    classes = {"positives": change(genuine).astype(kind), "negatives": change(other).astype(kind)}
    whole = SortedScores.of(**classes)
    near = SortedScores.near_eer(**classes)
    assert near.eer_threshold() == whole.eer_threshold()
    assert (near.eer(), near.eer_interpolated()) == (whole.eer(), whole.eer_interpolated())
    near = SortedScores.near_false_accept_rate(target, **classes)
    assert near.threshold_at_false_accept_rate(target) == whole.threshold_at_false_accept_rate(target)
    assert near.true_accepts_at_false_accept_rate(target) == whole.true_accepts_at_false_accept_rate(target)


def test_a_neighbourhood_holds_few_scores():
    generator = np.random.default_rng(0)
    classes = {"positives": generator.normal(2, 1, 300_000), "negatives": generator.normal(0, 1, 700_000)}
    near = SortedScores.near_eer(**classes)
    assert len(near.positives) + len(near.negatives) < 50_000
    assert (near.positive_total, near.negative_total) == (300_000, 700_000)


def test_neighbouring_floats_are_still_told_apart():
    low = 0.5
    high = float(np.nextafter(low, 1))
    ordered = sort([high], [low])
    assert ordered.eer_threshold() == high
    assert ordered.eer() == 0


@pytest.mark.parametrize(("positives", "negatives"), [([], [1.0]), ([1.0], [])])
def test_one_class_is_refused(positives, negatives):
    with pytest.raises(OneClassOnly, match="expected scores of both classes"):
        sort(positives, negatives)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("build", [SortedScores.of, SortedScores.near_eer])
def test_a_score_that_is_no_number_is_refused(bad, build):
    with pytest.raises(NonFiniteScore, match="expected finite scores"):
        build(positives=np.array([0.1, bad]), negatives=np.array([0.2]))
