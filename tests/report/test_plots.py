"""Plots: thinning by its properties, places of points by hand, letters that do not collide, one page for three."""

import itertools
import math
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.evaluation import Evaluation, evaluate
from countenance.report.plots import (
    NO_BREAK,
    POINT_LIMIT,
    Numbers,
    as_percent,
    draw_det,
    draw_histogram,
    draw_roc,
    thin,
)
from countenance.scores import comparison_table, presentation_table

DRAWERS = (draw_det, draw_roc, draw_histogram)


def judge(positives: list[float], negatives: list[float], threshold: float | None = 0.5) -> Evaluation:
    scores = [*positives, *negatives]
    table = presentation_table(
        identifiers=[str(row) for row in range(len(scores))],
        is_bona_fide=[row < len(positives) for row in range(len(scores))],
        scores=scores,
    )
    return evaluate(table, threshold=threshold, resamples=0)


@cache
def overlapping(negatives: int, seed: int = 0) -> Evaluation:
    generator = np.random.default_rng(seed)
    return judge(generator.normal(1, 1, 300).tolist(), generator.normal(-1, 1, negatives).tolist())


def drawn(svg: str, style: str) -> list[ElementTree.Element]:
    return [element for element in ElementTree.fromstring(svg).iter() if element.get("class", "") == style]  # noqa: S314


def places(polyline: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in polyline.attrib["points"].split())]


@st.composite
def staircases(draw: st.DrawFn) -> tuple[Numbers, Numbers]:
    """Falling from (1, 0) to (0, 1) by steps that may be zero, straight, slanted, short or long."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = draw(st.integers(1, 40) | st.integers(1000, 20_000))
    size = generator.pareto(1.5, (2, steps)) * (generator.random((2, steps)) < draw(st.floats(0.05, 1)))
    path = np.concatenate([[[0.0], [0.0]], np.cumsum(np.round(size * 4), axis=1)], axis=1)
    share = path / np.maximum(path[:, -1:], 1)
    return 1 - share[0], share[1]


def turns(across: Numbers, up: Numbers) -> set[tuple[float, float]]:
    """The places where the path's direction changes, and its ends, by a loop."""
    path = [place for place, _ in itertools.groupby(zip(across.tolist(), up.tolist(), strict=True))]
    inner = {
        here
        for before, here, after in zip(path, path[1:], path[2:], strict=False)
        if not (before[0] == here[0] == after[0] or before[1] == here[1] == after[1])
    }
    return inner | {path[0], path[-1]}


@given(staircases())
def test_thinning_keeps_every_corner_or_one_beside_it(path: tuple[Numbers, Numbers]) -> None:
    across, up = path
    kept = thin(across, up)
    corners = turns(across, up)
    left = set(zip(across[kept].tolist(), up[kept].tolist(), strict=True))
    assert len(kept) <= POINT_LIMIT
    assert left <= corners
    if len(corners) <= POINT_LIMIT:
        assert left == corners
    for a, b in itertools.pairwise(kept.tolist()):
        straight = across[a] == across[b] or up[a] == up[b]
        one_step = len(set(zip(across[a : b + 1], up[a : b + 1], strict=True))) == 2
        assert straight or one_step or max(abs(across[a] - across[b]), abs(up[a] - up[b])) <= 1 / 128


@given(staircases())
def test_thinning_keeps_both_ends_of_the_path_and_of_every_long_step(path: tuple[Numbers, Numbers]) -> None:
    across, up = path
    kept = thin(across, up)
    left = set(zip(across[kept].tolist(), up[kept].tolist(), strict=True))
    corners = turns(across, up)
    ends = list(zip(across.tolist(), up.tolist(), strict=True))
    assert {ends[0], ends[-1]} <= left
    for a, b in itertools.pairwise(ends):
        if max(abs(a[0] - b[0]), abs(a[1] - b[1])) > 1 / 128:
            assert {a, b} & corners <= left


def test_thinning_of_nothing_and_of_one_place_repeated() -> None:
    assert thin(np.array([]), np.array([])).tolist() == []
    assert thin(np.full(5, 0.5), np.full(5, 0.5)).tolist() == [0]


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.0036, "0.36 %"),
        (0.9987, "99.87 %"),
        (0.5, "50.00 %"),
        (1e-17, "0 %"),
        (-1e-17, "0 %"),
        (0.00000123, "0.00012 %"),
        (0.999987, "99.9987 %"),
        (math.nan, "\N{EN DASH}"),
    ],
)
def test_percent_never_rounds_an_error_away(share: float, written: str) -> None:
    assert as_percent(share) == written.replace(" ", NO_BREAK)


def test_roc_stands_where_a_hand_puts_it() -> None:
    # thresholds from below: FPR 4/4, 3/4, 2/4, then TPR 3/4 at 2/4, then FPR 1/4; at no false accept nothing is drawn
    (curve,) = drawn(draw_roc(judge([0.4, 0.7, 0.8, 0.9], [0.1, 0.2, 0.5, 0.6])), "curve")

    def across(rate: float) -> float:  # the axis runs over 58 to 424, from a fifth of one error in four to all
        return 58 + 366 * (math.log10(rate) - math.log10(0.05)) / -math.log10(0.05)

    def up(rate: float) -> float:  # from 334 at 50 % to 44 at 100 %, since no rate drawn is below 50 %
        return 334 - 290 * (rate - 0.5) / 0.5

    corners = [(1, 1), (0.5, 1), (0.5, 0.75), (0.25, 0.75)]
    assert places(curve) == [pytest.approx((across(x), up(y)), abs=0.06) for x, y in corners]


def test_det_has_no_curve_when_no_threshold_makes_both_errors() -> None:
    svg = draw_det(judge([0.8, 0.9], [0.1, 0.2]))
    assert not drawn(svg, "curve")
    assert "no threshold makes both errors" in svg
    assert len(drawn(draw_det(overlapping(200)), "curve")) == 1


def test_histogram_holds_every_row() -> None:
    evaluation = overlapping(500)
    svg = draw_histogram(evaluation)
    for style, rows in (("positive", 300), ("negative", 500)):
        (outline,) = drawn(svg, style)
        floors = [y for _, y in places(outline)][1:-1:2]
        tallest = max(
            np.histogram(scores, 60, evaluation_range(evaluation))[0].max()
            for scores in (evaluation.table.positives, evaluation.table.negatives)
        )
        counted = sum((334 - y) / 290 * tallest * 1.05 for y in floors)
        assert counted == pytest.approx(rows, abs=60 * 0.05 / 290 * tallest * 1.05)


def evaluation_range(evaluation: Evaluation) -> tuple[float, float]:
    return float(evaluation.table.scores.min()), float(evaluation.table.scores.max())


def test_histogram_shows_the_threshold_only_where_it_lies_among_the_scores() -> None:
    positives, negatives = [0.4, 0.9, 0.8], [0.1, 0.5]
    assert len(drawn(draw_histogram(judge(positives, negatives, 0.6)), "threshold")) == 1
    assert not drawn(draw_histogram(judge(positives, negatives, 40.0)), "threshold")


def test_uneven_counts_get_a_logarithmic_axis() -> None:
    heaped = judge([1.0] * 5000 + [0.9, 0.6, 0.3, 0.5], [0.0] * 5000 + [0.1, 0.3, 0.6])
    assert "logarithmic" in draw_histogram(heaped)
    assert "logarithmic" not in draw_histogram(overlapping(300))


@pytest.mark.parametrize(
    "scores", [[0.5] * 4, [1e308, 1.0, -1e308, -1.0], [1.0, 1.0, 1 - 1e-16, 1.0], [1e-300, 0.0, -1e-300, 0.0]]
)
@pytest.mark.parametrize("draw", DRAWERS)
def test_scores_without_a_range_or_with_a_huge_one_are_drawn(draw, scores) -> None:
    svg = draw(judge(scores[:2], scores[2:]))
    assert not {"nan", "inf"} & {value for node in ElementTree.fromstring(svg).iter() for value in node.attrib.values()}  # noqa: S314
    assert "nan" not in svg.partition("points=")[2]


def test_marks_stand_only_where_at_least_one_error_can_be_seen() -> None:
    for negatives, marks in ((50, 0), (200, 1), (2000, 2), (20_000, 3)):
        diamonds = drawn(draw_roc(overlapping(negatives)), "mark")
        assert len(diamonds) == marks + (marks > 0)  # one more in the legend


def test_a_threshold_tuned_on_test_is_drawn_hollow() -> None:
    for threshold, there, absent in ((None, "described", "point"), (0.5, "point", "described")):
        evaluation = judge([0.4, 0.9, 0.8], [0.1, 0.5], threshold)
        for svg in (draw_det(evaluation), draw_roc(evaluation)):
            assert drawn(svg, there)
            assert not drawn(svg, absent)


def test_three_plots_share_a_page() -> None:
    evaluation = overlapping(200)
    svgs = [draw(evaluation) for draw in DRAWERS]
    roots = [ElementTree.fromstring(svg) for svg in svgs]  # noqa: S314
    identifiers = [node.attrib["id"] for root in roots for node in root.iter() if "id" in node.attrib]
    assert len(identifiers) == len(set(identifiers)) == 6
    for root in roots:
        assert root.get("role") == "img"
        named = root.attrib["aria-labelledby"].split()
        assert [node.get("id") for node in root[:2]] == named
        assert all(node.text for node in root[:2])
        assert not [node for node in root.iter() if {"fill", "stroke", "style"} & set(node.attrib)]
    assert svgs == [draw(overlapping(200)) for draw in DRAWERS]


@pytest.mark.parametrize("negatives", [3, 40, 1000, 400_000])
@pytest.mark.parametrize("draw", DRAWERS)
def test_tick_labels_do_not_collide(draw, negatives) -> None:
    labels = drawn(draw(overlapping(negatives)), "tick middle")
    boxes = sorted((float(label.attrib["x"]), len(label.text or "") * 7.5 / 2) for label in labels)
    assert len(boxes) >= 2
    assert all(a + half < b - other for (a, half), (b, other) in itertools.pairwise(boxes))
    assert all(half <= x <= 440 - half for x, half in boxes)


def test_comparisons_are_called_by_their_names() -> None:
    table = comparison_table(
        identifiers=list("abcd"), references=list("rrss"), probes=list("pqpq"), is_mated=[True, False] * 2,
        scores=[0.9, 0.2, 0.4, 0.5],
    )  # fmt: skip
    svg = draw_det(evaluate(table, threshold=0.45, resamples=0))
    assert "FNMR over FMR" in svg
    assert "BPCER" not in svg
