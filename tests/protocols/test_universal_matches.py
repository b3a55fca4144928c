"""FMR of universal examples: thresholds against all pairs at once, rates by hand in the plane, refusals."""

import json
import math

import numpy as np
import pytest

from countenance.errors import EmptyScores, NonFiniteScore, OneClassOnly, ProtocolMismatch
from countenance.metrics.counts import SortedScores
from countenance.protocols.universal_matches import (
    EER,
    KEYS,
    RATES,
    Gathering,
    MatchThresholds,
    match_thresholds,
    own_matched,
    strangers_matched,
    universal_matches,
)
from countenance.scores import text


def people(generator, count, *, each=3, features=16, spread=0.6):
    """Templates of people who are alike, as recognisers make them: a mean that all share, and noise."""
    middles = generator.normal(size=(count, features)) + 0.4
    rows = np.repeat(middles, each, axis=0) + spread * generator.normal(size=(count * each, features))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Gathering(rows.astype(np.float32), text([f"p{i // each}" for i in range(count * each)]))


def plane(**degrees):
    """Templates in the plane, by the angles of each person's photographs."""
    angles = np.radians([angle for own in degrees.values() for angle in own])
    names = [name for name, own in degrees.items() for _ in own]
    return Gathering(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32), text(names))


def at(degrees):
    """One threshold under every key: the cosine of an angle."""
    value = math.cos(math.radians(degrees))
    return MatchThresholds(dict.fromkeys(KEYS, value), 0.0, dict.fromkeys(KEYS, 1.0), 1, 1)


@pytest.mark.parametrize(("count", "spread", "block"), [(150, 0.6, 64), (150, 0.6, 1_000), (40, 2.0, 7), (2, 0.1, 4)])
def test_thresholds_are_those_of_all_pairs_at_once(count, spread, block):
    gathering = people(np.random.default_rng(count), count, spread=spread)
    upper = np.triu_indices(len(gathering), 1)
    scores = (gathering.templates @ gathering.templates.T)[upper]
    same = (gathering.subjects[:, None] == gathering.subjects[None])[upper]
    whole = SortedScores.of(positives=scores[same], negatives=scores[~same])
    found = match_thresholds(gathering, block=block)
    assert (found.mated, found.non_mated) == (same.sum(), (~same).sum())
    assert found.values[EER] == pytest.approx(whole.eer_threshold(), abs=1e-6)
    assert found.eer == pytest.approx(whole.eer(), abs=1e-9)
    for key, rate in RATES.items():
        assert found.values[key] == pytest.approx(whole.threshold_at_false_accept_rate(rate), abs=1e-6)
        assert whole.false_accepts(found.values[key] + 1e-6).value <= rate
        assert found.tmr[key] == pytest.approx(whole.true_accepts_at_false_accept_rate(rate).value)


def test_ties_and_copies_do_not_move_a_threshold():
    twice = plane(ann=[0, 0, 0], bob=[90, 90], cy=[90])  # mated 1 (4 times), non-mated 0 (9 times) and 1 (2 times)
    found = match_thresholds(twice)
    assert (found.mated, found.non_mated) == (4, 11)
    assert found.values["1e-2"] > 1 - 1e-6  # two strangers are alike: only what nothing reaches would refuse them
    assert found.tmr["1e-2"] == 0


def test_thresholds_need_both_kinds_of_pairs():
    with pytest.raises(OneClassOnly, match="0 mated and 1 non-mated"):
        match_thresholds(plane(ann=[0], bob=[9]))
    with pytest.raises(OneClassOnly, match="1 mated and 0 non-mated"):
        match_thresholds(plane(ann=[0, 9]))


def test_rates_by_hand():
    # Ann's example stands at 0 degrees and everything within 10 passes: Bob's 5 of two, Cy's 9, Di's none.
    examples = plane(ann=[0])
    rate = strangers_matched(examples, plane(ann=[1, 50], bob=[5, 60], cy=[9], di=[80]), at(10))
    assert [(share.count, share.trials) for share in rate.each[EER]] == [(2, 4)]
    assert rate.mean["1e-3"] == 0.5
    assert rate.intervals == {}
    own = own_matched(examples, plane(ann=[1, 50], bob=[5]), at(10))
    assert [(share.count, share.trials) for share in own.each[EER]] == [(1, 2)]
    assert math.isnan(own_matched(examples, plane(bob=[5]), at(10)).mean[EER])


def test_the_whole_measurement():
    train, unseen = plane(ann=[20], bob=[40], cy=[60, 62]), plane(di=[0, 30], ed=[64])
    found = universal_matches(
        plane(ann=[0], cy=[61]), plane(ann=[30], cy=[33]), train=train, unseen=unseen, thresholds=at(12)
    )
    assert found.before["train"].mean[EER] == 0  # Ann's against 40, 60, 62; Cy's against 20, 40
    assert found.before["test"].mean[EER] == pytest.approx((1 / 3 + 1 / 3) / 2)  # 0; 64
    assert found.after["train"].mean[EER] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found.own_before.mean[EER] == 0.5
    assert found.own_after.mean[EER] == 0.5  # Ann's 20 within 12 of 30; Cy's neither
    assert found.ceiling == pytest.approx(np.linalg.norm(train.templates.mean(axis=0)))
    card = json.loads(json.dumps(found.as_json()))
    for key in ("fmr_before", "fmr_after"):
        assert set(card[key]) == {"train", "test"}
        assert set(card[key]["test"]) == {"eer", "1e-2", "1e-3", "1e-4"}
    assert set(card["thresholds"]) == {"eer", "1e-2", "1e-3", "1e-4"}


def test_no_template_exceeds_the_ceiling():
    gathering = people(np.random.default_rng(1), 30)
    mean = gathering.templates.mean(axis=0)
    best = mean / np.linalg.norm(mean)
    assert (gathering.templates @ best).mean() == pytest.approx(gathering.ceiling, abs=1e-6)
    assert (gathering.templates @ gathering.templates.T).mean(axis=1).max() <= gathering.ceiling


def test_intervals_hold_the_mean_and_narrow_with_people():
    generator = np.random.default_rng(3)
    examples, few, many = people(generator, 5, each=1), people(generator, 20), people(generator, 400)
    widths = {}
    for name, gathering in (("few", few), ("many", many)):
        others = Gathering(gathering.templates, text([f"x{subject}" for subject in gathering.subjects]))
        rate = strangers_matched(examples, others, at(75), np.random.default_rng(0))
        interval = rate.intervals[EER]
        assert interval.low <= rate.mean[EER] <= interval.high
        assert interval.method == "bootstrap over people and examples"
        alone = Gathering(examples.templates[:1], examples.subjects[:1])
        single = strangers_matched(alone, others, at(75), np.random.default_rng(0)).intervals[EER]
        assert single.method == "bootstrap over people"
        widths[name] = single.high - single.low
    assert widths["many"] < widths["few"] / 2


@pytest.mark.parametrize(
    ("before", "after", "train", "unseen", "words"),
    [
        ({"ann": [0]}, {"bob": [0]}, {"bob": [1], "cy": [2]}, {"di": [3]}, "in the seeds' order"),
        ({"ann": [0]}, {"ann": [0]}, {"bob": [1], "cy": [2]}, {"cy": [3]}, "1 on both sides, such as 'cy'"),
        ({"ann": [0]}, {"ann": [0]}, {"bob": [1], "cy": [2]}, {"ann": [3]}, "1 on both sides, such as 'ann'"),
        ({"ann": [0]}, {"ann": [0]}, {"bob": [1, 2]}, {"di": [3]}, "at least two training people"),
    ],
)
def test_what_cannot_be_compared_is_refused(before, after, train, unseen, words):
    with pytest.raises(ProtocolMismatch, match=words):
        universal_matches(
            plane(**before), plane(**after), train=plane(**train), unseen=plane(**unseen), thresholds=at(10)
        )


def test_bad_templates_are_refused():
    row = np.full((1, 4), 0.5, np.float32)
    with pytest.raises(ProtocolMismatch, match="N subjects"):
        Gathering(row, text(["a", "b"]))
    with pytest.raises(EmptyScores):
        Gathering(row[:0], text([]))
    with pytest.raises(NonFiniteScore):
        Gathering(np.full_like(row, np.nan), text(["a"]))
    with pytest.raises(ProtocolMismatch, match="length 1; came one that misses it by 1"):
        Gathering(np.ones_like(row), text(["a"]))
