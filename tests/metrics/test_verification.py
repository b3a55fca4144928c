"""Verification errors, LFW's rule and attacks on the whole system: by hand, and the slow way."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from countenance.errors import MalformedScores, OneClassOnly, TunedOnTest
from countenance.metrics.counts import Proportion
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.metrics.verification import (
    comparison_errors,
    described_comparison_errors,
    fold_accuracy,
    iapar,
    riapar,
)
from countenance.scores import text

GIVEN = OperatingPoint(0.5, "given", None)
SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=12)


def test_errors_by_hand(comparisons):
    # at 0.5: mated .5 .9 match, .4 does not; non-mated .6 matches, .1 .2 .3 do not; 1 of 8 comparisons has no score
    errors = comparison_errors(comparisons([0.5, 0.9, 0.4, None], [0.6, 0.1, 0.2, 0.3]), GIVEN)
    assert (errors.fmr, errors.fnmr) == (Proportion(1, 4), Proportion(1, 3))
    assert errors.failures == Proportion(1, 8)
    assert errors.far == pytest.approx(1 / 4 * 7 / 8)
    assert errors.frr == pytest.approx(1 / 8 + 1 / 3 * 7 / 8)


@given(SCORES, SCORES, st.lists(st.integers(-1, 7), min_size=2, max_size=6))
def test_fmr_falls_and_fnmr_rises_with_the_threshold(comparisons, mated, non_mated, thresholds):
    table = comparisons(mated, non_mated)
    found = [comparison_errors(table, OperatingPoint(value, "given", None)) for value in sorted(thresholds)]
    for value, errors in zip(sorted(thresholds), found, strict=True):
        assert errors.fmr == Proportion(sum(score >= value for score in non_mated), len(non_mated))
        assert errors.fnmr == Proportion(sum(score < value for score in mated), len(mated))
    for lower, higher in pairwise(found):
        assert higher.fmr.count <= lower.fmr.count
        assert higher.fnmr.count >= lower.fnmr.count


def test_a_threshold_from_these_scores_describes_and_does_not_judge(comparisons):
    table = comparisons([0.9, 0.4], [0.5, 0.1])
    disguised = replace(table.select(np.array([3, 1, 2, 0])), identifiers=text(["w", "x", "y", "z"]))
    for split in ("development", "test"):
        point = choose(table, "fmr:0.1", split=split)
        for judged in (table, disguised):
            with pytest.raises(TunedOnTest, match=r"one chosen by fmr:0\.1 on the scores to be judged"):
                comparison_errors(judged, point)
            assert described_comparison_errors(judged, point).described_only


# Fold 3 alone is separated at .375, (.3 + .45) / 2, but has no say in its own threshold:
# fold 1 is judged by 2 and 3: .05n .1n .3n .45m .55m .6n .7m .85m; one error at .375 only: .5 passes, 3 of 4 right
# fold 2 is judged by 1 and 3: .05n .2n .3n .45m .5n .55m .8m .9m; one error at .375 and .525: the higher; .6 passes
# fold 3 is judged by 1 and 2: .1n .2n .5n .6n .7m .8m .85m .9m; none at .65: .45 and .55 are refused, 2 of 4 right
MATED, NON_MATED = [0.9, 0.8, 0.85, 0.7, 0.55, 0.45], [0.5, 0.2, 0.6, 0.1, 0.3, 0.05]
FOLDS = ["1", "1", "2", "2", "3", "3"] * 2


def test_lfws_rule_by_hand(comparisons):
    found = fold_accuracy(comparisons(MATED, NON_MATED, folds=FOLDS))
    assert found.folds == ("1", "2", "3")
    assert found.thresholds == pytest.approx([0.375, 0.525, 0.65])
    assert found.correct == (Proportion(3, 4), Proportion(3, 4), Proportion(2, 4))
    assert found.pooled == Proportion(8, 12)
    assert found.mean == pytest.approx(2 / 3)
    # squared deviations 1/144 + 1/144 + 4/144, over 2: 1/48
    assert found.std == pytest.approx(math.sqrt(1 / 48))
    assert found.standard_error == pytest.approx(1 / 12)


def test_folds_are_named_in_natural_order_and_a_silent_pair_is_wrong(comparisons):
    folds = [{"1": "10", "2": "9", "3": "2"}[fold] for fold in FOLDS]
    table = comparisons([*MATED, None], [*NON_MATED, None], folds=[*folds[:6], "2", *folds[6:], "2"])
    found = fold_accuracy(table)
    assert found.folds == ("2", "9", "10")
    assert found.correct == (Proportion(2, 6), Proportion(3, 4), Proportion(3, 4))


ROWS = st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 2)), min_size=6, max_size=24)


@given(ROWS)
def test_folds_the_slow_way(comparisons, rows):
    rows = sorted(rows, key=lambda row: not row[1])
    folds = sorted({fold for _, _, fold in rows})
    others_of = {fold: [(score, mated) for score, mated, other in rows if other != fold] for fold in folds}
    assume(len(folds) > 1 and all(len({mated for _, mated in others}) == 2 for others in others_of.values()))
    contents = {fold: sorted((score, same) for score, same, other in rows if other == fold) for fold in folds}
    assume(len(set(map(tuple, contents.values()))) == len(folds))  # a fold that repeats another one is refused
    mated = [score for score, same, _ in rows if same]
    table = comparisons(mated, [score for score, same, _ in rows if not same], folds=[str(row[2]) for row in rows])
    expected = []
    for fold, others in others_of.items():
        values = sorted({score for score, _ in others})
        candidates = [values[0], *((a + b) / 2 for a, b in pairwise(values)), values[-1] + 1e-9]
        # of equally accurate ones the highest
        best = max(candidates, key=lambda t: (sum((score >= t) == same for score, same in others), t))
        here = [(score >= best) == same for score, same, other in rows if other == fold]
        expected.append(Proportion(sum(here), len(here)))
    assert fold_accuracy(table).correct == tuple(expected)


@pytest.mark.parametrize(
    ("folds", "error", "words"),
    [
        (["1"] * 4, MalformedScores, r"at least two folds, in column fold; came 1 \('1'\)"),
        ([""] * 4, MalformedScores, r"came 1 \(''\)"),
        (["1", "2", "", "1"], MalformedScores, r"a fold in each row, .* came 3 \('', '1', '2'\); name the fold"),
        (["1", "1", "2", "2"], OneClassOnly, "expected scores of both classes"),
    ],
)
def test_folds_that_cannot_choose(comparisons, folds, error, words):
    with pytest.raises(error, match=words):
        fold_accuracy(comparisons([0.9, 0.8], [0.1, 0.2], folds=folds))


def test_attacks_on_the_whole_system(presentations):
    # a presentation that was stopped before the comparison has no score: it counts, and it did not get in
    attacks = presentations([], {"print": [0.9, 0.5, 0.4, None], "mask": [None]})
    found = iapar(attacks, GIVEN)
    assert found == {"mask": Proportion(0, 1), "print": Proportion(2, 4)}
    # RIAPAR = 1 + (IAPAR - (1 - FRR))
    assert riapar(found["print"].value, 0.125) == 1 + (2 / 4 - (1 - 0.125))


@pytest.mark.parametrize(("mated", "non_mated"), [([0.9], []), ([], [0.1]), ([0.9], [None])])
def test_one_class_has_no_errors(comparisons, mated, non_mated):
    with pytest.raises(OneClassOnly, match="mated and non-mated"):
        comparison_errors(comparisons(mated, non_mated), GIVEN)
