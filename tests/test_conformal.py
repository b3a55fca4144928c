"""Calibration by bona fide scores: the promise is kept over thousands of draws, and what it cannot be asked."""

import json
import math

import numpy as np
import pytest
from scipy.stats import beta, binom, binomtest

from countenance.conformal import Calibration, calibrate, read_calibration, scores_needed, words_of
from countenance.errors import DataError, MissingFile, OneClassOnly, ProtocolMismatch, TunedOnTest, UsageError
from countenance.evaluation import evaluate
from countenance.metrics.operating_point import choose
from countenance.metrics.presentation import presentation_errors
from countenance.scores import presentation_table


def bona_fide(scores, *, attacks=(), names=None, subjects=None, splits=None):
    count, all_scores = len(scores), [*scores, *attacks]
    return presentation_table(
        identifiers=names or [f"c{row}" for row in range(len(all_scores))],
        is_bona_fide=[row < count for row in range(len(all_scores))],
        scores=all_scores,
        subjects=subjects,
        species=["" if row < count else "print" for row in range(len(all_scores))],
        splits=splits,
    )


def ranks(units, rate, confidence=None):
    return calibrate(bona_fide(np.arange(1.0, units + 1)), bpcer=rate, confidence=confidence).rank


@pytest.mark.parametrize(
    ("units", "rate", "rank"),
    [(19, 0.05, 1), (38, 0.05, 1), (39, 0.05, 2), (50, 0.05, 2), (99, 0.29, 29), (9, 0.1, 1), (1, 0.5, 1), (3, 0.5, 2)],
)
def test_the_rank_by_hand(units, rate, rank):
    found = calibrate(bona_fide(np.arange(1.0, units + 1)), bpcer=rate)
    assert (found.rank, found.point.value) == (rank, rank)
    assert found.expected == rank / (units + 1) <= rate
    assert (found.point.rule, found.point.split, found.units) == (f"conformal:{rate:g}", "development", units)


def test_a_confidence_takes_the_rank_from_the_binomial_tail():
    assert [ranks(units, 0.05, 0.95) for units in (59, 92, 93, 200)] == [1, 1, 2, 5]
    for units, rate, confidence in ((100, 0.1, 0.9), (300, 0.05, 0.99), (77, 0.2, 0.5)):
        rank = ranks(units, rate, confidence)
        kept = [binom.sf(k - 1, units, rate) >= confidence for k in range(1, rank + 2)]
        assert all(kept[:-1])
        assert not kept[-1] or rank == math.floor(rate * (units + 1)), "never more than the promise of the mean"
        assert beta.cdf(rate, rank, units - rank + 1) >= confidence
    found = calibrate(bona_fide(np.arange(59.0)), confidence=0.95)
    assert found.point.rule == "conformal:0.05:0.95"


@pytest.mark.parametrize(
    ("rate", "confidence", "needed"),
    [(0.05, None, 19), (0.01, None, 99), (0.5, None, 1), (0.3, None, 3), (0.05, 0.95, 59), (0.01, 0.95, 299)],
)
def test_too_few_scores_are_refused_with_how_many_are_needed(rate, confidence, needed):
    assert scores_needed(rate, confidence) == needed
    calibrate(bona_fide(np.arange(float(needed))), bpcer=rate, confidence=confidence)
    if needed > 1:
        with pytest.raises(UsageError, match=f"at least {needed} bona fide scores, a video each.*; came {needed - 1};"):
            calibrate(bona_fide(np.arange(needed - 1.0)), bpcer=rate, confidence=confidence)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("units", "rate"), [(50, 0.05), (19, 0.05), (24, 0.1)])
def test_the_promise_of_the_mean_is_kept(units, rate, ties):
    """One more score of each of 2,500 cameras: refused as often as k / (n + 1) says, and no more where scores tie."""
    generator, trials, refused = np.random.default_rng(units), 2500, 0
    for _ in range(trials):
        shift, spread = generator.normal(0, 3), generator.gamma(2)  # a camera of its own
        scores = shift + spread * generator.standard_t(3, units + 1)
        scores = np.rint(scores) if ties else scores
        refused += scores[-1] < calibrate(bona_fide(scores[:-1]), bpcer=rate).point.value
    interval = binomtest(int(refused), trials).proportion_ci(0.999)
    assert interval.low <= rate
    if not ties:
        assert interval.low <= ranks(units, rate) / (units + 1) <= interval.high


@pytest.mark.parametrize(("units", "rate", "confidence"), [(59, 0.05, 0.95), (120, 0.1, 0.9)])
def test_the_promise_with_confidence_is_kept_by_single_calibrations(units, rate, confidence):
    generator, trials = np.random.default_rng(units), 1500
    broken = sum(
        calibrate(bona_fide(generator.random(units)), bpcer=rate, confidence=confidence).point.value > rate
        for _ in range(trials)
    )  # of uniform scores the threshold is the BPCER
    interval = binomtest(int(broken), trials).proportion_ci(0.999)
    exact = beta.sf(rate, ranks(units, rate, confidence), units - ranks(units, rate, confidence) + 1)
    assert exact <= 1 - confidence
    assert interval.low <= exact <= interval.high


def test_all_scores_alike_refuse_nobody():
    assert calibrate(bona_fide([0.5] * 20)).point.value == 0.5


def test_windows_of_a_video_are_one_score():
    names = [f"v{video}#{start}" for video in range(19) for start in (0, 15)]
    found = calibrate(bona_fide([video + half for video in range(19) for half in (0.0, 1.0)], names=names))
    assert (found.units, found.point.value, len(found.rows)) == (19, 0.5, 38)


def test_by_subject_a_person_counts_once_with_the_lowest_video():
    scores = [float(10 * person + video) for person in range(19) for video in (2, 1, 3)]
    people = [f"p{person}" for person in range(19) for _ in range(3)]
    found = calibrate(bona_fide(scores, subjects=people), by="subject")
    assert (found.units, found.point.value, found.unit) == (19, 1.0, "subject")
    assert calibrate(bona_fide(scores, subjects=people)).units == 57
    with pytest.raises(UsageError, match="the subject of every bona fide row, to count by subject; came none for 'c0'"):
        calibrate(bona_fide(scores), by="subject")


def test_by_subject_the_promise_holds_for_people_who_were_not_seen():
    """Scores that depend on the person: by video the promise would be broken, by subject it is kept."""
    generator, trials, people, videos, refused = np.random.default_rng(5), 1000, 25, 4, 0
    for _ in range(trials):
        scores = generator.normal(0, 3, (people + 1, 1)) + generator.normal(0, 1, (people + 1, videos))
        table = bona_fide(
            scores[:-1].ravel(), subjects=[f"p{person}" for person in range(people) for _ in range(videos)]
        )
        refused += (scores[-1] < calibrate(table, by="subject").point.value).any()
    assert binomtest(int(refused), trials).proportion_ci(0.999).low <= 0.05


def test_attacks_have_no_say():
    scores = np.linspace(0, 1, 30)
    found = calibrate(bona_fide(scores, attacks=[0.9, 5.0, -3.0]))
    alone = calibrate(bona_fide(scores))
    assert found.point == alone.point
    assert (found.attacks, alone.attacks) == (3, 0)
    assert "attacks, ignored: 3" in words_of(found)
    assert "Nothing is promised about attacks" in words_of(alone)


def test_only_rows_that_may_calibrate_do():
    scores = np.arange(40.0)
    found = calibrate(bona_fide(scores, splits=["train"] * 10 + ["development"] * 20 + ["test"] * 10))
    assert (found.units, found.set_aside, found.point.value) == (20, 20, 10.0)
    with pytest.raises(ProtocolMismatch, match="came rows that all say split test"):
        calibrate(bona_fide(scores, splits=["test"] * 40))


def test_rows_without_a_response_are_left_out_and_counted(presentations):
    found = calibrate(presentations([None, *np.arange(19.0)], {"print": [0.5, None]}))
    assert (found.units, found.no_response, found.attacks) == (19, 1, 2)
    with pytest.raises(UsageError, match=r"at least 19 bona fide scores.*; came 0"):
        calibrate(presentations([None, None], {"print": [0.5]}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bpcer": 0.0}, "above 0 and below 1; came 0"),
        ({"bpcer": 1.0}, "above 0 and below 1"),
        ({"bpcer": math.nan}, "above 0 and below 1; came nan"),
        ({"confidence": 1.0}, "a confidence from 0.5 to below 1; came 1"),
        ({"confidence": 0.3}, "a confidence from 0.5"),
        ({"by": "camera"}, "a unit: video or subject; came 'camera'"),
    ],
)
def test_what_cannot_be_asked(options, words):
    with pytest.raises(UsageError, match=words):
        calibrate(bona_fide(np.arange(30.0)), **options)


def test_tables_without_bona_fide_presentations(comparisons):
    with pytest.raises(OneClassOnly, match="came attacks alone"):
        calibrate(bona_fide([], attacks=[0.1, 0.2]))
    with pytest.raises(UsageError, match="scores of presentations; came comparisons"):
        calibrate(comparisons([0.9], [0.1]))


def test_before_and_after_another_camera():
    """A threshold from elsewhere refuses a third before this camera; the calibrated one keeps to what it promises."""
    generator = np.random.default_rng(8)
    trained = bona_fide(generator.normal(2, 1, 300), attacks=generator.normal(-2, 1, 300))
    live, attacks = generator.normal(0.5, 1, 600), generator.normal(-2.5, 1, 300)
    names = [f"t{row}" for row in range(900)]
    test = bona_fide(live, attacks=attacks, names=names)
    found = calibrate(bona_fide(generator.normal(0.5, 1, 400), attacks=[0.0]), confidence=0.95)
    before = evaluate(test, threshold=choose(trained, "eer", split="development"), resamples=0)
    after = evaluate(test, threshold=found.point, resamples=0)
    figures = [
        {measure.key: measure.value for measure in judged.measures if measure.about == "error"}
        for judged in (before, after)
    ]
    assert figures[0]["bpcer"] > 0.2
    assert figures[1]["bpcer"] <= 0.05
    assert figures[1]["apcer_worst"] > figures[0]["apcer_worst"]
    assert after.as_json()["threshold"] == {
        "value": found.point.value,
        "rule": "conformal:0.05:0.95",
        "split": "development",
    }
    assert [measure.key for measure in after.headline] == ["apcer_worst", "bpcer"]


def test_the_scores_that_set_it_are_not_judged_by_it():
    scores = np.linspace(0, 1, 30)
    found, table = calibrate(bona_fide(scores)), bona_fide(scores, attacks=[0.1, 0.4])
    assert evaluate(table, threshold=found.point, resamples=0).tuned_on_test
    with pytest.raises(TunedOnTest, match=r"chosen by conformal:0\.05"):
        presentation_errors(table, found.point)
    with pytest.raises(ProtocolMismatch, match=r"rows that did not set the threshold; came 1 that did, such as 'c0'"):
        found.refuse_overlap(bona_fide(scores[:1], attacks=[0.1]))
    found.refuse_overlap(bona_fide(scores + 2, attacks=[0.1]))


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_it_is_written_and_read(tmp_path, confidence):
    found = calibrate(bona_fide(np.linspace(0, 1, 60), attacks=[0.3]), confidence=confidence)
    path = tmp_path / "point.json"
    path.write_text(json.dumps(found.as_json()))
    assert read_calibration(path) == found
    assert isinstance(found, Calibration)
    assert found.as_json()["rule"] == found.point.rule


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"value": 1}', "null", "\xff", "nan"])
def test_another_file_is_no_calibration(tmp_path, content):
    path = tmp_path / "point.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"a calibration in point.json, as countenance calibrate --out writes it"):
        read_calibration(path)
    with pytest.raises(MissingFile, match="expected a calibration"):
        read_calibration(tmp_path / "none.json")


def test_a_threshold_that_is_no_number_is_no_calibration(tmp_path):
    path = tmp_path / "point.json"
    path.write_text(json.dumps(calibrate(bona_fide(np.arange(19.0))).as_json() | {"value": math.nan}))
    with pytest.raises(DataError, match="the threshold nan"):
        read_calibration(path)
