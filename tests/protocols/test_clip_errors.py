"""APCER, BPCER and ACER over folds and seeds, against hand counts."""

import numpy as np
import pytest

from countenance.errors import TunedOnTest
from countenance.metrics.operating_point import OperatingPoint
from countenance.protocols.clip_errors import (
    ACER,
    Cell,
    JudgedFold,
    error_difference_row,
    error_rows,
    kind_of,
)
from countenance.scores import presentation_table

POINT = OperatingPoint(0.5, "eer", "development")


def fold(live, prints, replays, *, point=POINT):
    """Scores of one test part; the k-th score of each list is of person k."""
    scores = [*live, *prints, *replays]
    species = [""] * len(live) + ["print/1"] * len(prints) + ["replay/2"] * len(replays)
    people = [f"p{k}" for each in (live, prints, replays) for k in range(len(each))]
    table = presentation_table(
        identifiers=[f"row{k}" for k in range(len(scores))],
        is_bona_fide=[not name for name in species],
        scores=scores,
        subjects=people,
        species=species,
        splits=["test"] * len(scores),
    )
    return JudgedFold(table, point)


def bounds(row):
    return row.bootstrap.low, row.bootstrap.high


# One of four live refused (25 %), one of four prints accepted (25 %), two of four replays (50 %).
FIRST = fold([0.9, 0.8, 0.7, 0.4], [0.1, 0.2, 0.6, 0.1], [0.6, 0.7, 0.1, 0.2])
CLEAN = fold([0.9] * 4, [0.1] * 4, [0.1] * 4)


def test_apcer_is_that_of_the_worse_kind():
    rows = error_rows("cell", Cell([[FIRST]]), data="d", reported={ACER: 13.5}, note="n")
    assert [row.name for row in rows] == ["cell, APCER", "cell, BPCER", "cell, ACER"]
    assert [row.measured for row in rows] == [50.0, 25.0, 37.5]
    assert [row.reported for row in rows] == [None, None, 13.5]
    for row in rows:
        low, high = bounds(row)
        assert low <= row.measured <= high
    assert {row.note for row in rows} == {"n"}, "one fold and one seed have no spread"


def test_folds_and_seeds_are_averaged_and_their_spread_is_said():
    apcer, bpcer, acer = error_rows("cell", Cell([[FIRST, CLEAN], [CLEAN, CLEAN]]), data="d")
    assert (apcer.measured, bpcer.measured, acer.measured) == (12.5, 6.25, 9.375)
    assert apcer.note == "sd over 2 folds 12.50, over 2 seeds 12.50"


def test_a_threshold_from_these_scores_is_refused():
    with pytest.raises(TunedOnTest):
        error_rows("cell", Cell([[fold([0.9], [0.1], [0.1], point=OperatingPoint(0.5, "eer", "test"))]]), data="d")


def test_a_difference_is_drawn_over_the_same_people_on_both_sides():
    row = error_difference_row("a minus b", Cell([[FIRST]]), Cell([[CLEAN]]), data="d")
    assert (row.name, row.measured) == ("a minus b, ACER", 37.5)
    low, high = bounds(row)
    assert low <= 37.5 <= high
    none = error_difference_row("a minus a", Cell([[FIRST]]), Cell([[FIRST]]), data="d")
    assert (none.measured, *bounds(none)) == (0, 0, 0)


def test_the_bootstrap_is_that_of_a_slow_second_one():
    row = error_rows("cell", Cell([[FIRST]]), data="d", resamples=300)[2]
    generator = np.random.default_rng(0)
    drawn: list[float] = []
    while len(drawn) < 300:
        people = generator.integers(4, size=4)
        table = FIRST.table
        rows = np.concatenate([np.flatnonzero(table.subjects == f"p{k}") for k in people])
        accepted, species = table.scores[rows] >= 0.5, table.species[rows]
        apcer = max(accepted[species == kind].mean() for kind in ("print/1", "replay/2"))
        drawn.append(50 * (apcer + (~accepted[species == ""]).mean()))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert bounds(row) == pytest.approx((low, high))


def test_a_kind_is_the_word_before_the_medium():
    assert [kind_of(word) for word in ("print/1", "replay/4", "")] == ["print", "replay", ""]
