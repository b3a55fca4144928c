"""Videos compared by frames: the mean by hand, the released way apart from it, refusals."""

from pathlib import Path

import numpy as np
import pytest

from countenance.datasets.comparison import Comparison
from countenance.errors import EmptyScores, NonFiniteScore, ProtocolMismatch, UsageError
from countenance.evaluation import evaluate
from countenance.metrics.verification import fold_accuracy
from countenance.protocols.frame_pairs import by_mean_of_frames, by_single_frames_in_shuffled_folds, mean_template

PEOPLE, PAIRS = 60, 200


def unit(rows):
    array = np.asarray(rows, np.float64)
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def pairing(first, second, *, mated, fold="1", number=0):
    return Comparison(f"pair-{number:04d}", Path("root") / first, Path("root") / second, mated, fold)


@pytest.fixture(scope="module")
def world():
    """Ten folds of 10 + 10 pairs; six people a fold, two videos each, of 4 to 9 noisy frames."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(PEOPLE, 16))
    frames = {
        Path("root", f"person{who}", str(video)): unit(
            centres[who] + 1.2 * generator.normal(size=(int(generator.integers(4, 10)), 16))
        ).astype(np.float32)
        for who in range(PEOPLE)
        for video in range(2)
    }
    pairs = []
    for number in range(PAIRS):
        fold, mated = number // 20, number % 20 < 10
        one, other = 6 * fold + generator.choice(6, 2, replace=False)
        second = f"person{one if mated else other}/1"
        pairs.append(pairing(f"person{one}/0", second, mated=mated, fold=str(fold + 1), number=number))
    return pairs, frames


def test_the_mean_by_hand():
    frames = {
        Path("root/a/0"): np.array([[1.0, 0, 0], [0, 1, 0]]),
        Path("root/a/1"): np.array([[1.0, 0, 0]]),
        Path("root/b/0"): np.array([[0.0, 0, 1], [0, 0, 1]]),
    }
    pairs = [pairing("a/0", "a/1", mated=True), pairing("a/0", "b/0", mated=False, number=1)]
    table = by_mean_of_frames(pairs, frames)
    assert table.scores.tolist() == pytest.approx([np.sqrt(0.5), 0])
    assert table.references.tolist() == ["a/0", "a/0"]
    assert table.probes.tolist() == ["a/1", "b/0"]
    assert table.is_positive.tolist() == [True, False]
    assert table.identifiers.tolist() == ["pair-0000", "pair-0001"]


def test_the_mean_is_what_numpy_makes_of_it(world):
    pairs, frames = world
    table = by_mean_of_frames(pairs, frames)
    slow = [float(unit(frames[p.reference].mean(0)) @ unit(frames[p.probe].mean(0))) for p in pairs]
    np.testing.assert_allclose(table.scores, slow, atol=1e-6)
    assert np.abs(table.scores).max() <= 1 + 1e-12
    assert table.folds.tolist() == [pair.fold for pair in pairs]


def test_the_order_of_frames_and_of_sides_is_nothing(world):
    pairs, frames = world
    turned = [Comparison(p.identifier, p.probe, p.reference, p.is_mated, p.fold) for p in pairs]
    reversed_frames = {video: rows[::-1] for video, rows in frames.items()}
    scores = by_mean_of_frames(pairs, frames).scores
    np.testing.assert_allclose(by_mean_of_frames(turned, reversed_frames).scores, scores, atol=1e-6)


def test_one_frame_each_is_the_same_both_ways(world):
    pairs, frames = world
    single = {video: rows[:1] for video, rows in frames.items()}
    mean = by_mean_of_frames(pairs, single)
    drawn = by_single_frames_in_shuffled_folds(pairs, single, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.scores, mean.scores, atol=1e-5)
    assert drawn.folds.tolist() != mean.folds.tolist()


def test_evaluate_reads_both_and_the_mean_is_better(world):
    pairs, frames = world
    tables = [
        by_mean_of_frames(pairs, frames),
        by_single_frames_in_shuffled_folds(pairs, frames, np.random.default_rng(0)),
    ]
    for table in tables:
        found = evaluate(table, resamples=0)
        assert found.counts["folds"] == 10
        assert "accuracy_pooled" in {measure.key for measure in found.measures}
    mean, single = (fold_accuracy(table).mean for table in tables)
    assert single < mean
    assert mean > 0.9


def test_shuffled_folds_are_even_and_mix_people(world):
    pairs, frames = world
    table = by_single_frames_in_shuffled_folds(pairs, frames, np.random.default_rng(1))
    assert set(table.folds.tolist()) == {str(number) for number in range(1, 11)}
    assert all((table.folds == name).sum() == 20 for name in set(table.folds.tolist()))
    homes: dict[str, set[str]] = {}
    for pair, fold in zip(pairs, table.folds.tolist(), strict=True):
        homes.setdefault(pair.reference.parent.name, set()).add(fold)
    assert max(len(found) for found in homes.values()) > 1  # which the published folds never do
    again = by_single_frames_in_shuffled_folds(pairs, frames, np.random.default_rng(1))
    assert (again.scores == table.scores).all()
    assert (again.folds == table.folds).all()
    uneven = by_single_frames_in_shuffled_folds(pairs[:7], frames, np.random.default_rng(1), folds=3)
    assert sorted((uneven.folds == name).sum() for name in "123") == [2, 2, 3]


def test_every_drawn_score_is_one_of_the_videos_frames(world):
    pairs, frames = world
    table = by_single_frames_in_shuffled_folds(pairs, frames, np.random.default_rng(2))
    for pair, score in zip(pairs, table.scores, strict=True):
        possible = frames[pair.reference] @ frames[pair.probe].T
        assert np.abs(possible - score).min() < 1e-6
    other = by_single_frames_in_shuffled_folds(pairs, frames, np.random.default_rng(3))
    assert (other.scores != table.scores).mean() > 0.8  # other frames, not always the first


def test_a_video_without_a_face_has_no_score_and_is_a_wrong_decision(world):
    pairs, frames = world
    blind = frames | {pairs[0].reference: np.zeros((0, 16), np.float32)}
    for table in (
        by_mean_of_frames(pairs, blind),
        by_single_frames_in_shuffled_folds(pairs, blind, np.random.default_rng(0)),
    ):
        silent = [pairs[0].reference in (pair.reference, pair.probe) for pair in pairs]
        assert (~table.responded).tolist() == silent
        assert np.isnan(table.scores[silent]).all()
        assert evaluate(table, resamples=0).counts["no_response"] == sum(silent)


def test_what_cannot_be_compared(world):
    pairs, frames = world
    video = pairs[0].reference

    def refuse(error, words, rows):
        with pytest.raises(error, match=words):
            by_mean_of_frames(pairs, frames | {video: rows})
        with pytest.raises(error, match=words):
            by_single_frames_in_shuffled_folds(pairs, frames | {video: rows}, np.random.default_rng(0))

    name = f"{video.parent.name}/{video.name}"
    refuse(NonFiniteScore, f"finite embeddings of {name}", np.full((2, 16), np.nan, np.float32))
    refuse(ProtocolMismatch, "length 1 of .*misses it by 1", np.eye(16)[:2] * 2)
    refuse(ProtocolMismatch, r"embeddings \(T, 16\) of|embeddings \(T, 8\) of", np.eye(8)[:2])
    refuse(ProtocolMismatch, r"came \(16,\)", np.eye(16)[0])
    with pytest.raises(ProtocolMismatch, match=f"without, the first {name}"):
        by_mean_of_frames(pairs, {other: rows for other, rows in frames.items() if other != video})
    with pytest.raises(EmptyScores, match="pairs of videos"):
        by_mean_of_frames([], frames)
    for folds in (1, PAIRS + 1):
        with pytest.raises(UsageError, match=f"2 to {PAIRS} folds; came {folds}"):
            by_single_frames_in_shuffled_folds(pairs, frames, np.random.default_rng(0), folds=folds)


def test_frames_that_cancel_each_other_have_no_template():
    with pytest.raises(NonFiniteScore, match="mean has a direction; came a mean of length 0 of 2"):
        mean_template(np.array([[1.0, 0], [-1.0, 0]]))
    with pytest.raises(NonFiniteScore, match="of 0"):
        mean_template(np.zeros((0, 4)))
    assert np.linalg.norm(mean_template(unit(np.random.default_rng(0).normal(size=(5, 7))))) == pytest.approx(1)
