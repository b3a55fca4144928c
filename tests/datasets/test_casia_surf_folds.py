"""CASIA-SURF's folds: the published ones from the published lists, and the rules behind them."""

import numpy as np
import pytest

from countenance.datasets.casia_surf_folds import (
    HELD_OUT_SPECIES,
    PUBLISHED_COUNTS,
    attack_folds,
    drawn_bona_fide_sets,
    fold_counts,
    held_out_subjects,
    problems_of_folds,
    published_bona_fide_sets,
    published_folds,
    subject_folds,
)
from countenance.datasets.samples import PresentationSample
from countenance.errors import ProtocolMismatch, UsageError
from countenance.vocabulary import Presentation, Split

SPEC_1_2 = {  # fold: train attack, train bona fide, held-out attack, held-out bona fide
    1: (13_806, 6_116, 6_518, 2_826),
    2: (13_382, 5_898, 6_942, 3_044),
    3: (13_460, 5_870, 6_864, 3_072),
}


def people(count, species=HELD_OUT_SPECIES):
    """One bona fide sample and one of each attack of each person."""
    return [
        PresentationSample(
            identifier=f"{subject}-{kind}",
            subject=subject,
            presentation=Presentation.ATTACK if kind else Presentation.BONA_FIDE,
            species=kind,
            split=Split.TRAIN,
            paths={},
        )
        for subject in (f"s{number:03d}" for number in range(count))
        for kind in ("", *species)
    ]


@pytest.fixture(scope="module")
def published(published_casia_surf):
    return published_folds(published_casia_surf)


def test_the_published_lists_give_the_published_folds(published):
    folds, missing = published
    assert missing == []
    train = {row.identifier: row for reading in folds[0] for row in reading.or_refuse()}
    sets = held_out_subjects(held_out.samples for _, held_out in folds)
    assert [len(each) for each in sets] == [100, 100, 100]
    assert len(set().union(*sets)) == 300
    made = attack_folds(train.values(), sets)
    counts = fold_counts((fold.train, fold.development) for fold in made)
    assert counts == PUBLISHED_COUNTS
    assert counts == {
        f"attack_fold_{fold}/{part}/{kind}": row[2 * i + j]
        for fold, row in SPEC_1_2.items()
        for i, part in enumerate(("train", "held_out"))
        for j, kind in enumerate(("attack", "bona_fide"))
    }
    for fold, listed in zip(made, folds, strict=True):
        assert {row.identifier for row in fold.train} == {row.identifier for row in listed[0].samples}
    assert problems_of_folds(train.values(), folds, is_drawn=False) == []


def test_other_folds_than_published_are_seen(published):
    folds, _ = published
    train = {row.identifier: row for reading in folds[0] for row in reading.samples}
    train.popitem()
    assert any(
        "differs from the rule in 1 samples" in line for line in problems_of_folds(train.values(), folds, is_drawn=True)
    )
    swapped = [folds[0], folds[2], folds[1]]
    assert problems_of_folds(train.values(), swapped, is_drawn=True)


def test_a_fold_holds_out_one_attack_of_everybody_and_the_bona_fide_of_some():
    samples = people(6)
    sets = [("s000", "s001"), ("s002", "s003"), ("s004", "s005")]
    folds = attack_folds(samples, sets)
    assert [fold.name for fold in folds] == [
        f"attack fold {n + 1}: {kind} held out" for n, kind in enumerate(HELD_OUT_SPECIES)
    ]
    for fold, kind, subjects in zip(folds, HELD_OUT_SPECIES, sets, strict=True):
        assert {row.identifier for row in (*fold.train, *fold.development)} == {row.identifier for row in samples}
        assert len(fold.train) + len(fold.development) == len(samples)
        assert {row.species for row in fold.development} == {"", kind}
        assert kind not in {row.species for row in fold.train}
        assert {row.subject for row in fold.development if row.species} == {row.subject for row in samples}
        assert {row.subject for row in fold.development if not row.species} == set(subjects)


@pytest.mark.parametrize(
    ("sets", "species", "words"),
    [
        ([("s000",), ("s001",), ()], HELD_OUT_SPECIES, "0 other attacks, 1 subjects in no set"),
        ([("s000",), ("s001",), ("s002", "s000")], HELD_OUT_SPECIES, "0 subjects in no set, 1 in two"),
        ([("s000",), ("s001",), ("s002",)], ("01_e_s",), "came 1 other attacks"),
        ([("s000", "s001"), ("s002",)], HELD_OUT_SPECIES, "each bona fide subject in one of three sets"),
    ],
)
def test_sets_that_do_not_fit_are_refused(sets, species, words):
    with pytest.raises(ProtocolMismatch, match=words):
        attack_folds(people(3, species), sets)


def test_sets_are_drawn_by_the_seed_alone():
    names = [f"s{number}" for number in range(301)]
    first = drawn_bona_fide_sets(names, np.random.default_rng(5))
    again = drawn_bona_fide_sets([*reversed(names), *names], np.random.default_rng(5))
    assert first == again
    assert first != drawn_bona_fide_sets(names, np.random.default_rng(6))
    assert [len(each) for each in first] == [101, 100, 100]
    assert set().union(*first) == set(names)


def test_nobody_is_on_both_sides_of_a_subject_fold():
    samples = people(12)
    folds = subject_folds(samples)
    assert len(folds) == 5
    held_out = [row.identifier for fold in folds for row in fold.development]
    assert sorted(held_out) == sorted(row.identifier for row in samples)
    for fold in folds:
        assert {row.subject for row in fold.train}.isdisjoint(row.subject for row in fold.development)
        assert len(fold.train) + len(fold.development) == len(samples)


def test_too_few_subjects_for_folds_are_refused():
    with pytest.raises(UsageError, match="at least 5 subjects"):
        subject_folds(people(4))


def test_a_missing_fold_list_is_named(tmp_path):
    with pytest.raises(ProtocolMismatch, match="came none in"):
        published_bona_fide_sets(tmp_path)
    (tmp_path / "lists" / "fold1").mkdir(parents=True)
    (tmp_path / "lists" / "fold1" / "train_list.txt").write_text("rgb,depth,ir,label\n")
    with pytest.raises(ProtocolMismatch, match=r"came no lists/fold1/held_out_list\.txt"):
        published_bona_fide_sets(tmp_path)
    assert len(published_folds(tmp_path)[1]) == 5
