"""Who and which expression together: equation 8 by hand, quadrants, the gate, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest

from countenance.datasets.authentication_pairs import AuthenticationPair
from countenance.datasets.samples import ExpressionSample
from countenance.errors import EmptyScores, NonFiniteScore, ProtocolMismatch, TunedOnTest
from countenance.evaluation import evaluate
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Bootstrap, clopper_pearson
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.protocols.authentication_pairs import (
    QUADRANTS,
    TABLE_7,
    JudgedPairs,
    authentication_accuracy,
    table_7,
)
from countenance.vocabulary import Expression

HAPPY, SAD, SURPRISE, NEUTRAL = Expression.HAPPY, Expression.SAD, Expression.SURPRISE, Expression.NEUTRAL
POINT = OperatingPoint(0.5, "given", None)


def sample(subject, expression):
    name = f"{subject}-{expression}"
    return ExpressionSample(identifier=name, subject=subject, expression=expression, path=Path(name))


def pair(query_of, shown, asked, *, reference_of="a"):
    return AuthenticationPair(query=sample(query_of, shown), reference=sample(reference_of, NEUTRAL), required=asked)


ROWS = (  # who, what is shown, what is asked, similarity, what is seen: against a
    ("a", HAPPY, HAPPY, 0.9, HAPPY),  # accepted, as it should be
    ("a", HAPPY, HAPPY, 0.4, HAPPY),  # verification wrong
    ("a", SURPRISE, SURPRISE, 0.5, SAD),  # liveness wrong; at the threshold is accepted
    ("a", SAD, HAPPY, 0.8, SAD),  # right twice: refused
    ("a", SAD, HAPPY, 0.8, HAPPY),  # accepted: wrong liveness
    ("b", HAPPY, HAPPY, 0.2, HAPPY),  # right twice: refused
    ("b", HAPPY, HAPPY, 0.6, HAPPY),  # accepted: wrong verification
    ("b", SAD, SURPRISE, 0.1, HAPPY),  # misnamed, but not for what was asked: right twice
    ("b", SAD, SURPRISE, 0.7, SURPRISE),  # both wrong: accepted
    ("b", SURPRISE, HAPPY, 0.3, SURPRISE),  # right twice: refused
)


def build(rows=ROWS, *, reference_of="a"):
    return JudgedPairs(
        pairs=tuple(pair(who, shown, asked, reference_of=reference_of) for who, shown, asked, _, _ in rows),
        similarities=np.array([row[3] for row in rows]),
        predicted=tuple(row[4] for row in rows),
    )


def random_pairs(count=120, seed=0, *, perfect=False):
    generator = np.random.default_rng(seed)
    expressions = [HAPPY, SURPRISE, SAD]
    pairs, similarities, seen = [], [], []
    for _ in range(count):
        reference, other = (f"P{n}" for n in generator.choice(9, 2, replace=False))
        mated = bool(generator.random() < 0.5)
        shown = expressions[generator.integers(3)]
        one = pair(reference if mated else other, shown, expressions[generator.integers(2)], reference_of=reference)
        pairs.append(one)
        similarities.append(float(one.is_mated) if perfect else generator.normal(float(mated), 0.5))
        seen.append(shown if perfect or generator.random() < 0.8 else expressions[generator.integers(3)])
    return JudgedPairs(pairs=tuple(pairs), similarities=np.array(similarities), predicted=tuple(seen))


def test_equation_8_by_hand():
    found = authentication_accuracy(build(), POINT)
    assert found.acc_verif.count == Proportion(7, 10)
    assert found.acc_expre.count == Proportion(6, 10)
    assert found.acc_live.count == Proportion(7, 10)
    assert found.acc_g.count == Proportion(5, 10)
    assert found.acc_g.interval == clopper_pearson(Proportion(5, 10))
    assert found.product_of_accuracies == pytest.approx(0.42)  # and not Acc_g
    assert found.wrongly_accepted.count == Proportion(3, 7)
    assert found.wrongly_refused.count == Proportion(2, 3)


def test_each_quadrant_by_hand():
    quadrants = authentication_accuracy(build(), POINT).quadrants
    counted = {
        key: [share.count for share in (one.acc_verif, one.acc_live, one.acc_g, one.accepted)]
        for key, one in quadrants.items()
    }
    assert counted == {
        (True, True): [Proportion(2, 3), Proportion(2, 3), Proportion(1, 3), Proportion(1, 3)],
        (True, False): [Proportion(2, 2), Proportion(1, 2), Proportion(1, 2), Proportion(1, 2)],
        (False, True): [Proportion(1, 2), Proportion(2, 2), Proportion(1, 2), Proportion(1, 2)],
        (False, False): [Proportion(2, 3), Proportion(2, 3), Proportion(2, 3), Proportion(1, 3)],
    }


@pytest.mark.parametrize("seed", range(5))
def test_what_holds_for_any_pairs(seed):
    judged = random_pairs(seed=seed)
    found = authentication_accuracy(judged, POINT)
    correct = 0
    for one, similarity, seen in zip(judged.pairs, judged.similarities, judged.predicted, strict=True):
        correct += ((similarity >= 0.5) == one.is_mated) and ((seen == one.required) == one.is_required)
    assert found.acc_g.count.count == correct
    wrong_v, wrong_e = found.acc_verif.count.complement.count, found.acc_live.count.complement.count
    assert max(wrong_v, wrong_e) <= found.acc_g.count.complement.count <= wrong_v + wrong_e
    assert found.acc_live.count.count >= found.acc_expre.count.count  # a face named rightly is judged rightly
    for part in ("acc_verif", "acc_live", "acc_g"):
        counts = [getattr(one, part).count for one in found.quadrants.values()]
        assert sum(count.count for count in counts) == getattr(found, part).count.count
        assert sum(count.trials for count in counts) == len(judged.pairs)
    accepted = {key: one.accepted.count for key, one in found.quadrants.items()}
    assert accepted[True, True].complement == found.wrongly_refused.count
    assert sum(count.count for key, count in accepted.items() if key != (True, True)) == (
        found.wrongly_accepted.count.count
    )
    order = np.random.default_rng(seed).permutation(len(judged.pairs))
    shuffled = JudgedPairs(
        pairs=tuple(judged.pairs[n] for n in order),
        similarities=judged.similarities[order],
        predicted=tuple(judged.predicted[n] for n in order),
    )
    assert authentication_accuracy(shuffled, POINT) == found


def test_a_perfect_gate_accepts_the_first_quadrant_only():
    found = authentication_accuracy(random_pairs(perfect=True), POINT)
    assert found.acc_verif.value == found.acc_expre.value == found.acc_live.value == found.acc_g.value == 1
    assert {key: one.accepted.value for key, one in found.quadrants.items()} == dict.fromkeys(QUADRANTS, 0) | {
        (True, True): 1
    }
    assert found.wrongly_accepted.value == found.wrongly_refused.value == 0


def test_a_quadrant_without_pairs_has_no_trial():
    found = authentication_accuracy(build(ROWS[:3]), POINT)
    assert found.quadrants[False, True].acc_g.count == Proportion(0, 0)
    assert found.wrongly_accepted.count.trials == 0
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert told["quadrants"]["other person, required expression"]["acc_g"]["value"] is None
    assert told["quadrants"]["same person, required expression"]["accepted"]["count"] == 1


def test_a_threshold_of_its_own_for_each_pair():
    judged = build(ROWS[:2])
    high, low = OperatingPoint(0.95, "fold 1", None), OperatingPoint(0.3, "fold 2", None)
    assert authentication_accuracy(judged, [low, high]).acc_verif.count.count == 1
    assert authentication_accuracy(judged, [high, low]).acc_verif.count.count == 1
    assert authentication_accuracy(judged, [low, low]).acc_verif.count.count == 2
    with pytest.raises(ProtocolMismatch, match="one threshold, or one for each of 2 pairs; came 3"):
        authentication_accuracy(judged, [low] * 3)


def test_the_bootstrap_is_over_the_references_subjects():
    judged = random_pairs()
    found = authentication_accuracy(judged, POINT, drawing=Bootstrap(200, np.random.default_rng(0)))
    assert found.acc_g.bootstrap is not None
    assert found.acc_g.bootstrap.low < found.acc_g.value < found.acc_g.bootstrap.high
    alone = authentication_accuracy(build(), POINT, drawing=Bootstrap(50, np.random.default_rng(0)))
    assert alone.acc_g.bootstrap is None  # everything is against one person


def test_its_table_is_one_that_evaluate_reads():
    judged = random_pairs()
    found = evaluate(judged.table, threshold=0.5, resamples=0)
    wrong = [measure.count.count for measure in found.measures if measure.key in {"fmr", "fnmr"} and measure.count]
    assert sum(wrong) == authentication_accuracy(judged, POINT).acc_verif.count.complement.count
    assert judged.table.references[0] == judged.pairs[0].reference.subject


def test_a_threshold_chosen_on_these_very_pairs_is_refused():
    judged, others = random_pairs(), random_pairs(seed=1)
    with pytest.raises(TunedOnTest):
        authentication_accuracy(judged, choose(judged.table, "eer", split="development"))
    point = choose(others.table, "eer", split="development")
    assert authentication_accuracy(judged, point).acc_verif.count.trials == 120
    with pytest.raises(TunedOnTest):
        authentication_accuracy(judged, [point] * 119 + [choose(judged.table, "eer", split="development")])


def test_what_cannot_be_judged():
    pairs = build().pairs
    with pytest.raises(EmptyScores, match="authentication pairs"):
        JudgedPairs(pairs=(), similarities=np.zeros(0), predicted=())
    with pytest.raises(ProtocolMismatch, match="each of 10 pairs"):
        JudgedPairs(pairs=pairs, similarities=np.zeros(9), predicted=(HAPPY,) * 10)
    with pytest.raises(ProtocolMismatch, match="each of 10 pairs"):
        JudgedPairs(pairs=pairs, similarities=np.zeros(10), predicted=(HAPPY,) * 9)
    with pytest.raises(NonFiniteScore, match="for pair 3"):
        JudgedPairs(pairs=pairs, similarities=np.array([0, 0, np.nan] + [0] * 7), predicted=(HAPPY,) * 10)
    with pytest.raises(ProtocolMismatch, match="the expression of every query; came 1 without, the first 'a-None'"):
        JudgedPairs(pairs=(pair("a", None, HAPPY),), similarities=np.zeros(1), predicted=(HAPPY,))
    with pytest.raises(NonFiniteScore, match="finite threshold"):
        authentication_accuracy(build(), OperatingPoint(float("nan"), "given", None))


def test_the_published_row_stands_beside():
    rows = table_7(authentication_accuracy(build(), POINT), set_name="oulu-casia", data="ten made-up pairs")
    assert [row.reported for row in rows] == [93.2, 93.5, 99.0, 92.2]
    assert [row.measured for row in rows] == [70, 60, 70, 50]
    assert rows[3].name == "oulu-casia, acc_g"
    assert rows[3].count == Proportion(5, 10)
    assert rows[3].interval is not None
    assert rows[3].interval.high == pytest.approx(100 * clopper_pearson(Proportion(5, 10)).high)
    assert table_7(authentication_accuracy(build(), POINT), set_name="other", data="x")[0].reported is None


@pytest.mark.parametrize(("name", "pairs"), [("ck-plus", 206), ("oulu-casia", 384)])
def test_the_published_values_are_counts_of_the_published_pairs(name, pairs):
    """What the module's docstring concludes: joint counts, of decisions that were right."""
    counts = {key: round(value * pairs / 100) for key, value in TABLE_7[name].items()}
    assert {key: round(100 * count / pairs, 1) for key, count in counts.items()} == TABLE_7[name]
    wrong = {key: pairs - count for key, count in counts.items()}
    assert wrong["acc_g"] == wrong["acc_verif"] + wrong["acc_live"]
    if name == "oulu-casia":
        product = counts["acc_verif"] * counts["acc_live"] / pairs**2
        assert round(100 * product, 1) == 92.3 != TABLE_7[name]["acc_g"]
