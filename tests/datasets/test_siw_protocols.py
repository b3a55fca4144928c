"""SiW's three protocols on a full grid of clips."""

import numpy as np
import pytest

from countenance.datasets.samples import PresentationSample
from countenance.datasets.siw import PRINTS, REPLAYS, TEST_SUBJECTS
from countenance.datasets.siw_protocols import (
    BOB_DEVELOPMENT,
    FIRST_FRAMES,
    draw_development,
    protocol_1,
    protocol_2,
    protocol_3,
)
from countenance.errors import ProtocolMismatch
from countenance.vocabulary import Presentation, Split


@pytest.fixture(scope="module")
def grid():
    """165 people with one live clip, two prints and four replays each."""
    return [
        PresentationSample(
            identifier=f"{subject}-{species}",
            subject=subject,
            presentation=Presentation.ATTACK if species else Presentation.BONA_FIDE,
            species=species,
            split=Split.TEST if subject in TEST_SUBJECTS else Split.TRAIN,
            paths={},
        )
        for subject in (f"{number:03d}" for number in range(1, 166))
        for species in ("", *PRINTS, *REPLAYS)
    ]


@pytest.fixture(scope="module")
def development(grid):
    return draw_development(grid, np.random.default_rng(0))


def species(samples):
    return {row.species for row in samples}


def subjects(samples):
    return {row.subject for row in samples}


def test_the_paper_has_60_30_and_75_subjects(grid, development):
    for fold in (*protocol_1(grid, development), *protocol_2(grid, development), *protocol_3(grid, development)):
        parts = [subjects(part) for part in (fold.train, fold.development, fold.test)]
        assert [len(part) for part in parts] == [60, 30, 75]
        assert len(set().union(*parts)) == 165
        assert parts[2] == TEST_SUBJECTS


def test_the_development_subjects_follow_from_the_seed(grid, development):
    assert development == draw_development(grid[::-1], np.random.default_rng(0))
    assert development != draw_development(grid, np.random.default_rng(1))
    assert development.isdisjoint(TEST_SUBJECTS)


def test_protocol_1_trains_on_the_first_sixty_frames(grid, development):
    (fold,) = protocol_1(grid, development)
    assert {row.frames for row in fold.train} == {FIRST_FRAMES} == {range(60)}
    assert {row.frames for row in (*fold.development, *fold.test)} == {None}
    assert species(fold.train) == species(fold.test) == {"", *PRINTS, *REPLAYS}
    assert [len(part) for part in (fold.train, fold.development, fold.test)] == [7 * 60, 7 * 30, 7 * 75]


def test_protocol_2_leaves_one_display_out(grid, development):
    folds = protocol_2(grid, development)
    assert [species(fold.test) for fold in folds] == [{"", display} for display in REPLAYS]
    for fold, display in zip(folds, REPLAYS, strict=True):
        assert species(fold.train) == species(fold.development) == {"", *REPLAYS} - {display}


def test_protocol_3_goes_from_prints_to_replays_and_back(grid, development):
    forth, back = protocol_3(grid, development)
    assert species(forth.train) == species(forth.development) == species(back.test) == {"", *PRINTS}
    assert species(back.train) == species(back.development) == species(forth.test) == {"", *REPLAYS}


def test_bobs_ten_subjects_leave_eighty_to_train_on(grid):
    (fold,) = protocol_1(grid, BOB_DEVELOPMENT)
    assert (len(subjects(fold.train)), len(subjects(fold.development))) == (80, 10)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (lambda row: row.split is Split.TRAIN, "in the test part of protocol 1; came no clip"),
        (lambda row: row.species, "in the train part of protocol 1; came attack"),
    ],
)
def test_a_part_of_one_class_is_refused(grid, development, chosen, words):
    with pytest.raises(ProtocolMismatch, match=words):
        protocol_1([row for row in grid if chosen(row)], development)


def test_threshold_subjects_from_elsewhere_are_refused(grid):
    with pytest.raises(ProtocolMismatch, match="in the development part of protocol 1; came no clip"):
        protocol_1(grid, {"001"})
