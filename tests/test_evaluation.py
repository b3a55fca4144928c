"""Judging a table: every figure with its count, the threshold's origin on the card, nothing tuned on test rows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from countenance.errors import MalformedScores, OneClassOnly, ProtocolMismatch, UsageError
from countenance.evaluation import evaluate
from countenance.metrics.intervals import clopper_pearson
from countenance.scores import text

BONA_FIDE, ATTACKS = [0.9, 0.8, 0.7, 0.4], {"print": [0.1, 0.2, 0.6], "replay": [0.3, 0.75]}
DEVELOPMENT = [0.95, 0.85], {"print": [0.15], "replay": [0.25]}
AT_THRESHOLD = {
    "presentations": {"apcer_worst", "apcer_pooled", "bpcer", "acer", "hter", "apcer_by_species.print"},
    "comparisons": {"fmr", "fnmr", "hter"},
}


@pytest.fixture(params=["presentations", "comparisons"])
def kind(request):
    return request.param


@pytest.fixture
def build(kind, presentations, comparisons):
    """A function that builds a table of either kind from bona fide (mated) scores and attacks by species."""

    def pairs(mated, non_mated, **columns):
        return comparisons(mated, [score for scores in non_mated.values() for score in scores], **columns)

    return presentations if kind == "presentations" else pairs


def judge(table, **options):
    return evaluate(table, **{"resamples": 20} | options)


def about(found):
    return {measure.key: measure.about for measure in found.measures}


def test_presentations_by_hand(presentations):
    # at .5: bona fide .4 is refused, 1/4; print .6 passes, 1/3; replay .75 passes, 1/2; together 2/5
    table = presentations([*BONA_FIDE, None], {**ATTACKS, "mask": [None]})
    card = judge(table, threshold=0.5, label="by hand").as_json()
    assert {key: card[key] for key in ("apcer_worst", "apcer_pooled", "bpcer")} == {
        "apcer_worst": 1 / 2,
        "apcer_pooled": 2 / 5,
        "bpcer": 1 / 4,
    }
    assert (card["acer"], card["hter"]) == pytest.approx(((1 / 2 + 1 / 4) / 2, (2 / 5 + 1 / 4) / 2))
    assert card["apcer_by_species"] == {"mask": None, "print": 1 / 3, "replay": 1 / 2}
    assert (card["apnrr"], card["bpnrr"]) == ({"mask": 1, "print": 0, "replay": 0}, 1 / 5)
    # 20 pairs: .9 and .8 win 5, .7 wins 4 (.75 beats it), .4 wins 3 of 5: 17
    assert card["auc"] == 17 / 20
    # without a false accept the threshold is .8: 2 of 4 pass; FPR 1e-2 of 5 attacks permits none either
    assert card["tpr_at_fpr"] == {"1e-2": 1 / 2, "1e-3": 1 / 2, "1e-4": 1 / 2}
    assert card["bpcer_at_apcer"] == {"0.1": 1 / 2, "0.05": 1 / 2, "0.01": 1 / 2}
    # refused up to .6: FPR 1/5, FNR 1/4, the closest; the mean is .225
    assert card["eer"] == pytest.approx(0.225)
    assert card["counts"] == {
        "rows": 11,
        "bona_fide": 5,
        "attack": 6,
        "subjects": None,
        "species": {"mask": 1, "print": 3, "replay": 2},
        "no_response": 2,
        "set_aside": 0,
    }
    assert card["threshold"] == {"value": 0.5, "rule": "given", "split": None}
    assert card["headline"] == {"apcer_worst": 1 / 2, "bpcer": 1 / 4}
    assert (card["kind"], card["label"], card["tuned_on_test"]) == ("presentations", "by hand", False)
    exact = card["intervals"]["bpcer"]
    assert (exact["count"], exact["trials"], exact["exact"]["method"]) == (1, 4, "Clopper-Pearson")
    assert any(
        sentence.startswith("Species mask: 0 presentations; 0 errors would show APCER < 100 %.")
        for sentence in card["sample_size"]
    )


def test_comparisons_by_hand(comparisons):
    # at .5: mated .4 is refused, 1/4; non-mated .6 passes, 1/3; 1 of 8 has no score
    table = comparisons([0.9, 0.8, 0.7, 0.4], [0.1, 0.2, 0.6, None], references=[*"rrssrrss"])
    card = judge(table, threshold=0.5).as_json()
    assert (card["fmr"], card["fnmr"], card["fta"]) == (1 / 3, 1 / 4, 1 / 8)
    assert card["hter"] == pytest.approx((1 / 3 + 1 / 4) / 2)
    assert card["tmr_at_fmr"] == {"1e-2": 3 / 4, "1e-3": 3 / 4, "1e-4": 3 / 4}
    assert card["headline"] == {"fmr": 1 / 3, "fnmr": 1 / 4}
    assert card["counts"] == {
        "rows": 8, "mated": 4, "non_mated": 4, "references": 2, "folds": None, "no_response": 1, "set_aside": 0
    }  # fmt: skip
    assert card["accuracy"] is None


def test_accuracy_over_folds(comparisons):
    # each fold is separated at the other's threshold, .5: 8 of 8
    table = comparisons([0.9, 0.8, 0.9001, 0.7], [0.1, 0.2, 0.3, 0.2001], folds=[*"11221122"])
    found = judge(table)
    accuracy = found.as_json()["accuracy"]
    assert (accuracy["mean"], accuracy["std"], accuracy["standard_error"]) == (1, 0, 0)
    assert accuracy["folds"] == [
        {"fold": "1", "accuracy": 1, "threshold": pytest.approx(0.5)},  # between .3 and .7 of fold 2
        {"fold": "2", "accuracy": 1, "threshold": pytest.approx(0.5)},  # between .2 and .8 of fold 1
    ]
    assert next(iter(found.as_json()["headline"])) == "accuracy_pooled"  # honest although the EER threshold is not
    with pytest.raises(MalformedScores, match="a fold in each row"):
        judge(comparisons([0.9, 0.8], [0.1, 0.2], folds=["1", "2", "", "1"]))


@pytest.mark.parametrize("call", [{}, {"rule": "min-hter"}, {"split": "test"}])
def test_a_threshold_tuned_on_the_judged_rows_only_describes(build, kind, call):
    split = call.get("split", "")
    table = build(BONA_FIDE, ATTACKS, **({"split": split} if kind == "presentations" else {}))
    found = judge(table, rule=call.get("rule", "eer"))
    assert (found.point.rule, found.point.split) == (call.get("rule", "eer"), "test")
    assert_described(found, kind)


def test_a_development_table_of_the_same_scores_only_describes(build, kind):
    table = build(BONA_FIDE, ATTACKS)
    backwards = table.select(np.arange(len(table))[::-1])
    for development in (table, backwards, replace(backwards, identifiers=text([f"d{i}" for i in range(len(table))]))):
        found = judge(table, development=development)
        assert found.point.split == "test", "whatever the table is called, these are the scores to be judged"
        assert_described(found, kind)


def assert_described(found, kind):
    assert found.tuned_on_test
    card = found.as_json()
    assert card["tuned_on_test"] is True
    assert not set(card["headline"]) & {"apcer_worst", "apcer_pooled", "bpcer", "acer", "hter", "fmr", "fnmr"}
    assert "eer" in card["headline"]
    described = {key for key, value in about(found).items() if value == "described"}
    assert described >= AT_THRESHOLD[kind]
    assert all(key in AT_THRESHOLD[kind] or key.startswith("apcer_by_species.") for key in described)


def test_a_threshold_from_development_scores_judges(build, kind):
    found = judge(build(BONA_FIDE, ATTACKS), development=build(*DEVELOPMENT, name="development"))
    assert found.point.value == pytest.approx((0.25 + 0.85) / 2)
    assert (found.point.rule, found.point.split, found.tuned_on_test) == ("eer", "development", False)
    assert "described" not in about(found).values()
    assert {key for key, value in about(found).items() if value == "error"} >= AT_THRESHOLD[kind]
    assert (
        set(found.as_json()["headline"])
        == {"presentations": {"apcer_worst", "bpcer"}, "comparisons": {"fmr", "fnmr"}}[kind]
    )


def joined(*tables):
    columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in vars(tables[0])}
    return replace(tables[0], **columns)


def test_only_test_rows_are_judged(presentations):
    test = presentations(BONA_FIDE, ATTACKS, name="test", split="test")
    development = presentations(*DEVELOPMENT, name="development", split="development")
    train = presentations([0.0], {"print": [1.0]}, name="train", split="train")
    whole, chosen = joined(train, development, test), (0.25 + 0.85) / 2
    expected = judge(test, development=development).as_json()
    expected["counts"] = {**expected["counts"], "set_aside": len(train) + len(development)}
    assert expected["threshold"]["value"] == pytest.approx(chosen)
    for found in (judge(whole), judge(whole, development=whole)):
        assert found.as_json() == expected
    assert judge(test, development=whole).measures == judge(whole).measures
    assert judge(whole, threshold=0.5).measures == judge(test, threshold=0.5).measures
    assert judge(joined(train, test)).tuned_on_test


def test_rows_of_both_tables_are_refused(build):
    table = build(BONA_FIDE, ATTACKS)
    shared = joined(table.select(np.array([0, 5])), build(*DEVELOPMENT, name="development"))
    with pytest.raises(
        ProtocolMismatch, match=r"that are not judged; came 2 rows in both tables, such as '(row|pair)0'"
    ):
        judge(table, development=shared)
    renumbered = build(*DEVELOPMENT)  # the same ids for other presentations: numbers of rows, say
    assert not judge(table, development=renumbered).tuned_on_test


def spread(build, *, name, move=0.0, drop=0):
    scores = np.linspace(0, 1, 101)
    return build((scores[drop:] + move).tolist(), {"print": (scores[drop:] * 0.7 + move).tolist()}, name=name)


@pytest.mark.parametrize("change", [{}, {"move": 1e-12}, {"drop": 1}])
def test_nearly_the_same_scores_are_recognised(presentations, change):
    """Renamed, rounded or short of a row, the threshold was still chosen on the scores that it judges."""
    test = spread(presentations, name="test")
    assert judge(test, development=spread(presentations, name="other", **change)).tuned_on_test
    assert not judge(test, development=spread(presentations, name="other", move=0.003)).tuned_on_test


def test_coarse_scores_coincide_without_suspicion(presentations):
    drawn = np.round(np.random.default_rng(0).random((2, 400)), 1)
    test, development = (
        presentations(row.tolist(), {"print": (row / 2).tolist()}, name=name)
        for name, row in zip(("test", "development"), drawn, strict=True)
    )
    assert not judge(test, development=development).tuned_on_test


def test_a_development_table_of_test_rows_is_refused(presentations):
    test = spread(presentations, name="test")
    development = presentations([0.9, 0.8], {"print": [0.1]}, name="other", split="test")
    with pytest.raises(ProtocolMismatch, match="rows that all say split test"):
        judge(test, development=development)


def test_scores_turned_round_are_remarked(presentations):
    turned = presentations([0.1, 0.2], {"print": [0.8, 0.9]})
    assert "look turned round" in judge(turned).sample_size[0]
    assert "look turned round" not in judge(presentations([0.8, 0.9], {"print": [0.1, 0.2]})).sample_size[0]


def test_tables_of_two_kinds_are_refused(presentations, comparisons):
    with pytest.raises(ProtocolMismatch, match=r"the same kind \(PresentationTable\); came ComparisonTable"):
        judge(presentations([0.9], {"print": [0.1]}), development=comparisons([0.9], [0.1]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.5, "development": True}, "a development table or a threshold; came both"),
        ({"threshold": float("nan")}, "a finite threshold; came nan"),
        ({"threshold": float("inf")}, "a finite threshold; came inf"),
        ({"resamples": -1}, "resamples of at least 0; came -1"),
        ({"rule": "best"}, "a rule among eer, .*; came 'best'"),
    ],
)
def test_requests_that_contradict_themselves(build, options, words):
    table = build(BONA_FIDE, ATTACKS)
    if options.get("development"):
        options = options | {"development": table}
    with pytest.raises(UsageError, match=words):
        judge(table, **options)


@pytest.mark.parametrize("options", [{}, {"threshold": 0.5}])
@pytest.mark.parametrize(("bona_fide", "attacks"), [([0.9, 0.8], {}), ([], ATTACKS), ([0.9], {"print": [None]})])
def test_one_class_is_refused(build, bona_fide, attacks, options):
    with pytest.raises(OneClassOnly, match="expected scores of both classes"):
        judge(build(bona_fide, attacks), **options)


def test_a_test_split_of_one_class_is_refused(presentations):
    table = joined(presentations([0.9], {}, split="test"), presentations(*DEVELOPMENT, name="d", split="development"))
    with pytest.raises(OneClassOnly, match="no negative one beside 1 of the other class"):
        judge(table)


def large(build, kind, subjects):
    generator = np.random.default_rng(0)
    scores = generator.normal(np.repeat([1.0, -1.0], 60))
    column = {"presentations": "subjects", "comparisons": "references"}[kind]
    attacks = {"print": scores[60:90], "replay": scores[90:]}
    return build(scores[:60], attacks, **{column: subjects})


def test_intervals_are_drawn_over_subjects_where_all_are_named(build, kind):
    unit = {"presentations": "subjects", "comparisons": "references"}[kind]
    named = [f"s{i % 12}" for i in range(120)]
    expected = {f"bootstrap over {unit}": named, "bootstrap over rows": ["", *named[1:]]}
    for method, subjects in expected.items():
        found = judge(large(build, kind, subjects), threshold=0.0, resamples=200)
        drawn = {measure.key: measure for measure in found.measures if measure.bootstrap}
        assert set(drawn) >= {"eer", "auc", *AT_THRESHOLD[kind]}
        for measure in drawn.values():
            assert measure.bootstrap.method == method
            assert measure.bootstrap.low <= measure.value <= measure.bootstrap.high
        assert ("Not every row names" in found.sample_size[-1]) == (method == "bootstrap over rows")


def test_the_bootstrap_repeats_with_its_seed_and_can_be_left_out(build, kind):
    table = large(build, kind, [f"s{i % 12}" for i in range(120)])
    first, again, other, none = (
        judge(table, threshold=0.0, seed=seed, resamples=resamples).as_json()["intervals"]
        for seed, resamples in ((1, 20), (1, 20), (2, 20), (1, 0))
    )
    assert first == again != other
    assert "bootstrap" not in {name for ranges in none.values() for name in ranges}
    assert any("bootstrap" in ranges for ranges in first.values())


def test_every_share_has_its_exact_interval_and_the_card_is_json(build, kind):
    table = large(build, kind, ["s"] * 120)  # one subject: no bootstrap, and no NaN for it on the card
    found = judge(table, threshold=0.0)
    for measure in found.measures:
        if measure.count is not None:
            assert measure.value == measure.count.value
            assert measure.interval == clopper_pearson(measure.count)
    card = found.as_json()
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["scores_sha256"] == table.digest


def test_a_species_of_one_subject_leaves_no_nan_on_the_card(presentations):
    attacks = {"mask": [0.6], "print": [0.1, 0.2, 0.7, 0.3]}
    table = presentations(BONA_FIDE, attacks, subjects=[f"s{i}" for i in range(9)])
    card = judge(table, threshold=0.5, resamples=300).as_json()
    json.dumps(card, allow_nan=False)
    assert "bootstrap" not in card["intervals"]["apcer_by_species.mask"]
    assert "bootstrap" in card["intervals"]["apcer_by_species.print"]
    assert "bootstrap" in card["intervals"]["apcer_worst"]


def test_what_the_sample_size_can_show(comparisons):
    # 1 - .05^(1/300) = .00994; 300 >= ln .05 / ln .99 = 298.07; 300 of 2995 is 10 %
    found = judge(comparisons([2.0, 3.0], np.linspace(0, 1, 300)), threshold=1.5).sample_size
    assert found[0].startswith("300 non-mated comparisons without one false accept would show FMR < 0.994 % at 95%")
    assert found[1].startswith(
        "At FMR 1e-2 these 300 allow at most 3 false accepts; to show FMR <= 1e-2 takes 299 trials"
    )
    assert found[1].endswith("here are enough.")
    assert found[2].startswith("At FMR 1e-3 these 300 allow no false accept; ")
    assert found[2].endswith("takes 2,995 trials without an error: here are 10% of that.")
