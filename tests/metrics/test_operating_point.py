"""Choosing a threshold: each rule by hand, the worst species the slow way, and no way back to the scores that chose."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.errors import OneClassOnly, TunedOnTest, UsageError
from countenance.metrics.operating_point import OperatingPoint, choose, worst_species_threshold
from countenance.scores import text

# bona fide .3 .6 .8 .9, print .1 .2 .5, replay .05 .7; sorted: .05r .1p .2p .3B .5p .6B .7r .8B .9B
BONA_FIDE, ATTACKS = [0.3, 0.6, 0.8, 0.9], {"print": [0.1, 0.2, 0.5], "replay": [0.05, 0.7]}
SPECIES = st.dictionaries(
    st.sampled_from(["", "print", "replay"]), st.lists(st.integers(0, 6), min_size=1, max_size=9), min_size=1
)


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        # FPR of 5, FNR of 4: above .3 refused they are .4 and .25, above .5 .2 and .25 (closest), above .6 .2 and .5
        ("eer", 0.55),
        # FPR + FNR: .4 at .25, .45 at .55 and at .75 (.0 + .5): .25 refuses .05 .1 .2, so FPR 2/5, FNR 0
        ("min-hter", 0.25),
        # errors: 2 at .25, 2 at .55, 2 at .75: of equals the highest
        ("max-accuracy", 0.75),
        ("fpr:0.2", 0.6),  # one attack may pass: the lowest score above .5
        ("fmr:0.19", 0.8),
        ("fpr:1", 0.05),
        ("fpr:0", 0.8),
        ("apcer:0.4", 0.8),  # print alone: .3 (1 of 3 passes); replay alone: .8 (.7 may not pass)
        ("apcer:0.5", 0.3),  # print .3 (1/3), replay .1 (1/2): the lowest score above .05 among B and replay is .3
        ("bpcer:0.25", 0.6),
        ("fnmr:0.24", 0.3),
        ("bpcer:1", float(np.nextafter(0.9, 1))),
    ],
)
def test_rules_by_hand(presentations, rule, threshold):
    table = presentations(BONA_FIDE, ATTACKS)
    point = choose(table, rule, split="development")
    assert point.value == pytest.approx(threshold)
    assert (point.rule, point.split) == (rule, "development")
    assert point.data == table.digest


def test_rows_without_a_response_choose_nothing(presentations):
    silent = presentations([None, *BONA_FIDE], {**ATTACKS, "mask": [None, None]})
    for rule in ("eer", "apcer:0.4", "fpr:0", "min-hter"):
        heard = choose(presentations(BONA_FIDE, ATTACKS), rule, split="development")
        assert choose(silent, rule, split="development") == heard


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), SPECIES, st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 1.0]))
def test_the_worst_species_keeps_the_target_and_no_bona_fide_score_is_lost_for_it(
    presentations, bona_fide, attacks, target
):
    threshold = worst_species_threshold(presentations(bona_fide, attacks), target)

    def keeps(value):
        return all(sum(score >= value for score in scores) / len(scores) <= target for scores in attacks.values())

    assert keeps(threshold)
    assert not any(keeps(score) for score in bona_fide if score < threshold)


@pytest.mark.parametrize(
    "rule", ["", "median", "eer:0.1", "fpr", "fpr:", "fpr:nan", "fpr:1.5", "fpr:-0.1", "fpr:x", "eer ", "apcer20"]
)
def test_an_unknown_rule_is_refused_with_the_known_ones(presentations, rule):
    with pytest.raises(UsageError, match=r"a rule among eer, min-hter, .*, apcer:RATE, with RATE") as caught:
        choose(presentations(BONA_FIDE, ATTACKS), rule, split="development")
    assert f"came {rule!r}" in str(caught.value)


def test_comparisons_have_no_species(comparisons):
    with pytest.raises(UsageError, match=r"fnmr:RATE, with RATE in .* came 'apcer:0.1'"):
        choose(comparisons([0.9], [0.1]), "apcer:0.1", split="development")


def test_a_split_of_another_name_is_refused(presentations):
    with pytest.raises(UsageError, match="a split among train, development, test; came 'dev'"):
        choose(presentations(BONA_FIDE, ATTACKS), "eer", split="dev")


@pytest.mark.parametrize(("bona_fide", "attacks"), [([0.9], {}), ([], {"print": [0.1]}), ([0.9], {"print": [None]})])
def test_one_class_chooses_nothing(presentations, bona_fide, attacks):
    table = presentations(bona_fide, attacks)
    for refused in (lambda: choose(table, "eer", split="development"), lambda: worst_species_threshold(table, 0.1)):
        with pytest.raises(OneClassOnly, match="expected scores of both classes"):
            refused()


def test_a_threshold_does_not_judge_the_scores_that_chose_it(presentations):
    table = presentations(BONA_FIDE, ATTACKS)
    other = presentations(BONA_FIDE, {"print": [0.1, 0.2, 0.5, 0.05], "replay": [0.4]})
    disguised = replace(table.select(np.arange(9)[::-1]), identifiers=text([f"new {i}" for i in range(9)]))
    on_development, on_test = (choose(table, "eer", split=split) for split in ("development", "test"))
    refused = [(on_development, table), (on_development, disguised), (on_test, table), (on_test, other)]
    for point, judged in refused:
        assert point.chosen_on(judged)
        with pytest.raises(TunedOnTest, match="one chosen by eer on the scores to be judged; pass a development table"):
            point.refuse_if_chosen_on(judged)
    for point, judged in [(on_development, other), (OperatingPoint(0.5, "vendor 0.5", None), table)]:
        assert not point.chosen_on(judged)
        point.refuse_if_chosen_on(judged)
