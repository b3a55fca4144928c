"""Presentation attack detection errors: by hand, the slow way, and refused where they would not be honest."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.errors import OneClassOnly, TunedOnTest
from countenance.metrics.counts import Proportion
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.metrics.presentation import (
    bpcer_at_apcer,
    described_errors,
    non_responses,
    presentation_errors,
    species_of,
)
from countenance.scores import text

GIVEN = OperatingPoint(0.5, "given", None)
SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=12)
SPECIES = st.dictionaries(st.sampled_from(["", "print", "replay", "mask"]), SCORES, min_size=1)


def test_errors_by_hand(presentations):
    # at 0.5, accepted with score >= 0.5: bona fide .5 .9 pass, .4 does not, one is silent: BPCER 1/3, BPNRR 1/4
    # print: .5 passes, .1 .2 do not: 1/3; replay: .6 passes, one is silent: 1/1; mask: only silent, so no APCER
    table = presentations(
        [0.5, 0.9, 0.4, None], {"print": [0.5, 0.1, 0.2], "replay": [0.6, None], "mask": [None, None]}
    )
    errors, silent = presentation_errors(table, GIVEN), non_responses(table)
    assert errors.apcer == {"mask": Proportion(0, 0), "print": Proportion(1, 3), "replay": Proportion(1, 1)}
    assert (errors.worst_species, errors.apcer_worst) == ("replay", Proportion(1, 1))
    assert errors.apcer_pooled == Proportion(2, 4)
    assert errors.bpcer == Proportion(1, 3)
    assert errors.acer == pytest.approx((1 + 1 / 3) / 2)  # the worst species
    assert errors.hter == pytest.approx((1 / 2 + 1 / 3) / 2)  # the pool
    assert silent.apnrr == {"mask": Proportion(2, 2), "print": Proportion(0, 3), "replay": Proportion(1, 2)}
    assert silent.bpnrr == Proportion(1, 4)
    assert not errors.described_only


@pytest.mark.parametrize(
    ("attacks", "worst"),
    [
        ({"mask": [0.9, 0.1], "print": [0.9, 0.9, 0.1, 0.1]}, "mask"),  # 1/2 and 2/4: fewer trials, a wider bound
        ({"mask": [0.9, 0.9, 0.1, 0.1], "print": [0.9, 0.1]}, "print"),
        ({"mask": [None], "print": [0.1]}, "print"),  # first in the alphabet, without a figure
        ({"": [0.9], "print": [0.1]}, "unspecified"),
    ],
)
def test_the_worst_species(presentations, attacks, worst):
    assert presentation_errors(presentations([0.9], attacks), GIVEN).worst_species == worst


def test_an_unnamed_attack_is_lost_under_no_name(presentations):
    table = presentations([0.9], {"": [0.9], "unspecified": [0.1], "print": [0.1]})
    errors = presentation_errors(table, GIVEN)
    assert errors.apcer == {"print": Proportion(0, 1), "unspecified": Proportion(1, 2)}


@given(SCORES, SPECIES, st.lists(st.integers(-1, 7), min_size=2, max_size=6))
def test_apcer_falls_and_bpcer_rises_with_the_threshold(presentations, bona_fide, attacks, thresholds):
    table = presentations(bona_fide, attacks)
    found = [presentation_errors(table, OperatingPoint(value, "given", None)) for value in sorted(thresholds)]
    for value, errors in zip(sorted(thresholds), found, strict=True):
        for name, scores in attacks.items():
            share = Proportion(sum(score >= value for score in scores), len(scores))
            assert errors.apcer[name or "unspecified"] == share
        assert errors.apcer_pooled.count == sum(share.count for share in errors.apcer.values())
        assert errors.bpcer == Proportion(sum(score < value for score in bona_fide), len(bona_fide))
        assert errors.apcer_worst.value == max(share.value for share in errors.apcer.values())
        assert errors.hter <= errors.acer + 1e-12
    for lower, higher in pairwise(found):
        assert all(higher.apcer[name].count <= share.count for name, share in lower.apcer.items())
        assert (higher.apcer_worst.value, -higher.bpcer.count) <= (lower.apcer_worst.value, -lower.bpcer.count)
        assert higher.bpcer.count >= lower.bpcer.count


@given(SCORES, SPECIES, st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0]))
def test_bpcer_at_apcer_is_the_smallest_that_every_species_allows(presentations, bona_fide, attacks, target):
    refused = [
        sum(score < value for score in bona_fide)
        for value in (*range(7), math.inf)
        if all(sum(score >= value for score in scores) / len(scores) <= target for scores in attacks.values())
    ]
    assert bpcer_at_apcer(presentations(bona_fide, attacks), target) == Proportion(min(refused), len(bona_fide))


def test_a_threshold_from_these_scores_describes_and_does_not_judge(presentations):
    table = presentations([0.9, 0.4], {"print": [0.5, 0.1]})
    disguised = replace(table.select(np.array([3, 1, 2, 0])), identifiers=text(["w", "x", "y", "z"]))
    for split in ("development", "test"):
        point = choose(table, "eer", split=split)
        for judged in (table, disguised):
            with pytest.raises(TunedOnTest, match="expected a threshold from development scores"):
                presentation_errors(judged, point)
            assert described_errors(judged, point).described_only
    judged = presentations([0.9, 0.4], {"print": [0.5, 0.2]})
    assert not presentation_errors(judged, choose(table, "eer", split="development")).described_only


@pytest.mark.parametrize(("bona_fide", "attacks"), [([0.9], {}), ([], {"print": [0.1]}), ([None], {"print": [0.1]})])
def test_one_class_has_no_errors(presentations, bona_fide, attacks):
    table = presentations(bona_fide, attacks)
    for refused in (lambda: presentation_errors(table, GIVEN), lambda: bpcer_at_apcer(table, 0.1)):
        with pytest.raises(OneClassOnly, match="expected scores of both classes"):
            refused()


def test_bona_fide_rows_alone_have_no_species(presentations):
    with pytest.raises(OneClassOnly, match="attacks of at least one species; came none"):
        species_of(presentations([0.9], {}))
