"""Expressions named rightly: counted by hand, folds without a common person, refusals."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest

from countenance.datasets.subject_folds import subject_folds
from countenance.errors import EmptyScores, NonFiniteScore, ProtocolMismatch, UsageError
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Bootstrap, clopper_pearson
from countenance.protocols.expression_accuracy import (
    JudgedExpressions,
    JudgedFold,
    accuracy_over_folds,
    choose_examples,
    expression_accuracy,
    fold_rows,
    predictions_of,
    table_5_row,
)
from countenance.vocabulary import Expression

HAPPY, SAD, ANGRY = Expression.HAPPY, Expression.SAD, Expression.ANGRY
CLASSES = (HAPPY, SAD, ANGRY)
LETTERS = {"h": HAPPY, "s": SAD, "a": ANGRY}
NOBODY = JudgedExpressions(classes=CLASSES, truth=(SAD,), predicted=(SAD,), subjects=("",))


def judged(truth, predicted, subjects="", *, classes=CLASSES):
    return JudgedExpressions(
        classes=classes,
        truth=tuple(LETTERS[letter] for letter in truth),
        predicted=tuple(LETTERS[letter] for letter in predicted),
        subjects=tuple(subjects),
    )


def random_faces(count=200, people=20, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.integers(3, size=count)
    predicted = np.where(generator.random(count) < 0.6, truth, generator.integers(3, size=count))
    return JudgedExpressions(
        classes=CLASSES,
        truth=tuple(CLASSES[n] for n in truth),
        predicted=tuple(CLASSES[n] for n in predicted),
        subjects=tuple(f"S{n:03d}" for n in generator.integers(people, size=count)),
    )


def test_by_hand():
    found = expression_accuracy(judged("hhhhsss", "hhsahss"))
    assert found.accuracy.count == Proportion(4, 7)
    assert found.accuracy.interval == clopper_pearson(Proportion(4, 7))
    assert found.accuracy.bootstrap is None
    assert found.confusion.tolist() == [[2, 1, 1], [1, 2, 0], [0, 0, 0]]
    assert [recall.count for recall in found.recalls] == [Proportion(2, 4), Proportion(2, 3), Proportion(0, 0)]
    assert found.row_shares[:2].tolist() == [[0.5, 0.25, 0.25], [1 / 3, 2 / 3, 0]]
    assert np.isnan(found.row_shares[2]).all()  # nobody is angry
    assert found.mean_recall == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_as_json_has_every_part_and_no_nan():
    found = json.loads(json.dumps(expression_accuracy(judged("hhs", "hss")).as_json(), allow_nan=False))
    assert found["classes"] == ["happy", "sad", "angry"]
    assert found["accuracy"]["count"] == 2
    assert found["recalls"]["angry"]["value"] is None
    assert found["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found["mean_recall"] == 0.75


def test_it_is_what_numpy_counts_whatever_the_order():
    faces = random_faces()
    truth, predicted = (np.array(labels) for labels in (faces.truth, faces.predicted))
    found = expression_accuracy(faces)
    assert found.accuracy.value == pytest.approx(np.mean(truth == predicted))
    for row, true in enumerate(CLASSES):
        assert found.recalls[row].value == pytest.approx(np.mean(predicted[truth == true] == true))
        for column, seen in enumerate(CLASSES):
            assert found.confusion[row, column] == np.sum((truth == true) & (predicted == seen))
    order = np.random.default_rng(1).permutation(len(faces))
    shuffled = JudgedExpressions(
        classes=CLASSES,
        truth=tuple(faces.truth[n] for n in order),
        predicted=tuple(faces.predicted[n] for n in order),
        subjects=tuple(faces.subjects[n] for n in order),
    )
    assert expression_accuracy(shuffled).as_json() == found.as_json()


def test_the_order_of_classes_permutes_the_matrix_alone():
    faces = random_faces()
    turned = JudgedExpressions(classes=CLASSES[::-1], truth=faces.truth, predicted=faces.predicted)
    one, other = expression_accuracy(faces), expression_accuracy(turned)
    assert one.accuracy.count == other.accuracy.count
    assert (one.confusion == other.confusion[::-1, ::-1]).all()


def test_the_limits():
    faces = random_faces()
    perfect = JudgedExpressions(classes=CLASSES, truth=faces.truth, predicted=faces.truth, subjects=faces.subjects)
    found = expression_accuracy(perfect, drawing=Bootstrap(50, np.random.default_rng(0)))
    assert (found.accuracy.value, found.mean_recall, found.accuracy.interval.high) == (1, 1, 1)
    assert found.accuracy.bootstrap is None  # without an error it would have no width
    assert found.accuracy.interval.low == pytest.approx(0.025 ** (1 / 200))
    assert np.trace(found.confusion) == found.confusion.sum() == 200


def test_the_bootstrap_is_over_subjects_where_they_are_known():
    faces, drawing = random_faces(), Bootstrap(200, np.random.default_rng(0))
    found = expression_accuracy(faces, drawing=drawing)
    assert found.accuracy.bootstrap is not None
    assert found.accuracy.bootstrap.low < found.accuracy.value < found.accuracy.bootstrap.high
    assert all(recall.bootstrap is not None for recall in found.recalls)
    nobody = JudgedExpressions(classes=CLASSES, truth=faces.truth, predicted=faces.predicted)
    assert expression_accuracy(nobody, drawing=drawing).accuracy.bootstrap is None


def test_the_most_probable_expression_and_of_equals_the_first():
    probabilities = np.array([[0.2, 0.7, 0.1], [0.4, 0.2, 0.4], [1 / 3] * 3], np.float32)
    assert predictions_of(probabilities, CLASSES) == (SAD, HAPPY, HAPPY)
    assert predictions_of(np.zeros((0, 3)), CLASSES) == ()


@pytest.mark.parametrize(
    ("probabilities", "error", "words"),
    [
        ([[0.5, 0.5, 0.0], [0.2, np.nan, 0.8]], NonFiniteScore, "finite prob.* infinity in row 2"),
        ([[np.inf, 0, 0]], NonFiniteScore, "in row 1"),
        ([[0.5, 0.5]], ProtocolMismatch, r"probabilities \(N, 3\); came \(1, 2\)"),
        ([0.5, 0.5, 0.0], ProtocolMismatch, r"came \(3,\)"),
        ([[2.0, 5.0, 1.0]], ProtocolMismatch, "misses 1 by 7; pass the softmax"),
        ([[1.5, -0.5, 0.0]], ProtocolMismatch, "a smallest value -0.5"),
    ],
)  # fmt: skip
def test_what_are_no_probabilities(probabilities, error, words):
    with pytest.raises(error, match=words):
        predictions_of(np.array(probabilities), CLASSES)


def test_what_cannot_be_judged():
    with pytest.raises(EmptyScores, match="faces with their expressions"):
        judged("", "")
    with pytest.raises(ProtocolMismatch, match="2 predictions, and as many subjects or none; came 1 and 0"):
        judged("hs", "h")
    with pytest.raises(ProtocolMismatch, match="came 2 and 3"):
        judged("hs", "hs", "abc")
    with pytest.raises(ProtocolMismatch, match="a truth among happy, sad; came 1 others, the first angry"):
        judged("hsa", "hsh", classes=(HAPPY, SAD))
    with pytest.raises(ProtocolMismatch, match="a prediction among happy, sad; came 2 others"):
        judged("hs", "aa", classes=(HAPPY, SAD))
    with pytest.raises(ProtocolMismatch, match="the first None"):
        JudgedExpressions(classes=CLASSES, truth=(HAPPY, None), predicted=(HAPPY, HAPPY))
    for classes in ((HAPPY,), (HAPPY, HAPPY), ()):
        with pytest.raises(UsageError, match="two expressions or more, each once"):
            judged("h", "h", classes=classes)
        with pytest.raises(UsageError, match="two expressions or more, each once"):
            predictions_of(np.ones((1, len(classes))), classes)


def test_ten_folds_hold_everybody_out_once():
    faces = random_faces(people=23)
    folds = fold_rows(faces.subjects)
    assert len(folds) == 10
    assert (np.sum([fold.test for fold in folds], axis=0) == 1).all()
    names = np.array(faces.subjects)
    for fold, people in zip(folds, subject_folds(faces.subjects), strict=True):
        assert (fold.train == ~fold.test).all()
        assert set(names[fold.test]) == set(people)
        assert not set(names[fold.test]) & set(names[fold.train])
    with pytest.raises(ProtocolMismatch, match="the subject of every row; came 2 rows without"):
        fold_rows(["a", "", "b", ""], folds=2)
    with pytest.raises(UsageError, match="subjects for 10 folds"):
        fold_rows(["a", "b"])


def fold(truth, predicted, subjects, taught):
    return JudgedFold(frozenset(taught), judged(truth, predicted, subjects))


def test_the_mean_over_folds_by_hand():
    heard = accuracy_over_folds([fold("hhss", "hhsh", "aabb", "cd"), fold("ha", "hs", "cd", "ab")])
    assert heard.folds == (Proportion(3, 4), Proportion(1, 2))
    assert heard.mean == 0.625
    assert heard.std == pytest.approx(0.25 / math.sqrt(2))
    assert heard.standard_error == pytest.approx(0.125)
    assert heard.pooled.accuracy.count == Proportion(4, 6)  # folds of unlike sizes: not the mean
    assert heard.pooled.confusion.tolist() == [[3, 0, 0], [1, 1, 0], [0, 1, 0]]
    told = heard.as_json()
    assert told["folds"] == [[3, 4], [1, 2]]
    assert told["mean"] == 0.625


def test_cutting_and_joining_loses_nothing():
    faces = random_faces(people=25)
    names = np.array(faces.subjects)
    folds = []
    for rows in fold_rows(faces.subjects):
        places = np.flatnonzero(rows.test)
        part = JudgedExpressions(
            classes=CLASSES,
            truth=tuple(faces.truth[n] for n in places),
            predicted=tuple(faces.predicted[n] for n in places),
            subjects=tuple(faces.subjects[n] for n in places),
        )
        folds.append(JudgedFold(frozenset(names[rows.train].tolist()), part))
    found = accuracy_over_folds(folds, drawing=Bootstrap(50, np.random.default_rng(0)))
    whole = expression_accuracy(faces)
    assert found.pooled.accuracy.count == whole.accuracy.count
    assert (found.pooled.confusion == whole.confusion).all()
    assert found.pooled.accuracy.bootstrap is not None
    assert found.mean == pytest.approx(np.mean([part.judged.is_right.mean() for part in folds]))


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ([fold("h", "h", "a", "ab"), fold("s", "s", "b", "a")], "training and test of fold 1; came 1, the first 'a'"),
        ([fold("h", "h", "a", "b"), fold("s", "s", "a", "b")], "tested in one fold; came 'a' in folds 1 and 2"),
        ([fold("h", "h", "", "b"), fold("s", "s", "b", "a")], "every face that fold 1 tests"),
        ([fold("h", "h", "a", "b"), fold("s", "s", "b", "")], "every face that fold 2 tests"),
        ([JudgedFold(frozenset("b"), NOBODY), fold("s", "s", "b", "a")], "every face that fold 1 tests"),
    ],
)  # fmt: skip
def test_folds_that_share_a_person_or_hide_one_are_refused(folds, words):
    with pytest.raises(ProtocolMismatch, match=words):
        accuracy_over_folds(folds)


def test_folds_that_are_none_are_refused():
    one = fold("h", "h", "a", "b")
    with pytest.raises(UsageError, match="two folds or more"):
        accuracy_over_folds([one])
    other = JudgedFold(frozenset("a"), judged("s", "s", "b", classes=(HAPPY, SAD)))
    with pytest.raises(UsageError, match="came 2 of 2 sets of classes"):
        accuracy_over_folds([one, other])


def test_examples_of_each_expression_right_and_wrong():
    faces = random_faces()
    chosen = choose_examples(faces, np.random.default_rng(0), right=2, wrong=1)
    assert chosen == choose_examples(faces, np.random.default_rng(0), right=2, wrong=1)
    assert len(set(chosen)) == 9
    assert faces.is_right[chosen].tolist() == [True, True, False] * 3
    assert [faces.truth[n] for n in chosen] == [expression for expression in CLASSES for _ in range(3)]
    assert choose_examples(judged("hh", "hh"), np.random.default_rng(0), right=5) == [0, 1]
    assert all(
        one < other for one, other in pairwise(choose_examples(judged("hhhh", "hhhh"), np.random.default_rng(2)))
    )


def test_the_published_accuracy_stands_beside():
    row = table_5_row("fer2013", expression_accuracy(judged("hhss", "hhsh")), data="four faces")
    assert (row.name, row.reported, row.measured, row.count) == ("fer2013", 68.6, 75.0, Proportion(3, 4))
    assert row.interval == clopper_pearson(Proportion(3, 4)).times(100)
    assert (row.bootstrap, row.note, row.data) == (None, "", "four faces")
    assert table_5_row("other", expression_accuracy(judged("hs", "hs")), data="x").reported is None


def test_the_mean_over_folds_is_no_share_and_says_what_is():
    folds = [fold("hhss", "hhsh", "aabb", "cd"), fold("ha", "hs", "cd", "ab")]
    heard = accuracy_over_folds(folds, drawing=Bootstrap(100, np.random.default_rng(0)))
    row = table_5_row("ck-plus, six expressions", heard, data="six faces")
    assert (row.reported, row.measured, row.count, row.interval) == (99.1, 62.5, None, None)
    assert row.note == "mean of 2 folds, standard error 12.5; all together 4 of 6, 66.7 %, exactly 22.3 to 95.7"
    assert row.bootstrap is None
