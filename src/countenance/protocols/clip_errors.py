"""APCER, BPCER and ACER over the folds of a protocol of clips, as rows, and the difference between two sides.

Ito et al., section IV-C: APCER is that of the worse of two kinds of attack, prints and displays; the threshold is where
the threshold subjects' error rates are equal; over folds they print the mean and the standard deviation. An interval is
drawn over the test subjects, who are the same in all folds and for both sides of a difference: an easy or a hard person
counts for all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.metrics.intervals import Bootstrap, Interval, bootstrap_over_groups
from countenance.metrics.operating_point import OperatingPoint
from countenance.protocols.table import TableRow
from countenance.scores import PresentationTable

APCER, BPCER, ACER = "APCER", "BPCER", "ACER"
FIGURES = (APCER, BPCER, ACER)
RESAMPLES = 2_000


@dataclass(frozen=True, eq=False)
class JudgedFold:
    """A fold's test scores, and the threshold that its threshold subjects chose.

    Attributes:
        table: of the test part.
        point: from the development part.
    """

    table: PresentationTable
    point: OperatingPoint


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell of a table: every fold of a protocol, with one network for each fold and seed.

    Attributes:
        folds: for each fold, one for each seed.
    """

    folds: Sequence[Sequence[JudgedFold]]

    @property
    def judged(self) -> list[JudgedFold]:
        """All of them, one after the other."""
        return [each for fold in self.folds for each in fold]


def kind_of(species: str) -> str:
    """Return what a species counts as in the paper's APCER: "print" for "print/1", "replay" for "replay/3".

    >>> kind_of("replay/3")
    'replay'
    """
    return species.partition("/")[0]


def error_rows(
    name: str,
    cell: Cell,
    *,
    data: str,
    reported: Mapping[str, float] | None = None,
    note: str = "",
    resamples: int = RESAMPLES,
) -> list[TableRow]:
    """Return a row for APCER, BPCER and ACER each: the mean over folds and seeds, in percent.

    Args:
        name: of the cell.
        cell: its networks.
        data: what was scored.
        reported: the paper's values, by `FIGURES`.
        note: what a reader must know beside the figure; the spread over folds is added.
        resamples: of the bootstrap over subjects.

    Raises:
        TunedOnTest: a threshold that was chosen on the scores that it judges.
    """
    for fold in cell.judged:
        fold.point.refuse_if_chosen_on(fold.table)
    measured = _mean_errors(cell)(np.ones(_rows(cell)))
    drawn = _drawn(cell, _mean_errors(cell), "bootstrap over subjects", resamples)
    spread = _spread(cell)
    return [
        TableRow(
            name=f"{name}, {figure}",
            reported=None if reported is None else reported.get(figure),
            measured=100 * measured[figure],
            count=None,
            interval=None,
            bootstrap=drawn[figure].times(100) if figure in drawn else None,
            data=data,
            note="; ".join(part for part in (note, spread.get(figure, "")) if part),
        )
        for figure in FIGURES
    ]


def error_difference_row(
    name: str, ours: Cell, theirs: Cell, *, data: str, figure: str = ACER, resamples: int = RESAMPLES
) -> TableRow:
    """Return `figure` of `ours` less that of `theirs`, in points, with its interval over subjects.

    Args:
        name: of the row.
        ours: one side.
        theirs: the other; the same test subjects.
        data: what was scored.
        figure: of `FIGURES`.
        resamples: of the bootstrap.
    """
    both = Cell((*ours.folds, *theirs.folds))
    split = _rows(ours)
    mine, others = _mean_errors(ours), _mean_errors(theirs)

    def difference(weights: NDArray[np.float64]) -> dict[str, float]:
        return {figure: mine(weights[:split])[figure] - others(weights[split:])[figure]}

    drawn = _drawn(both, difference, "paired bootstrap over subjects", resamples)
    return TableRow(
        name=f"{name}, {figure}",
        reported=None,
        measured=100 * difference(np.ones(_rows(both)))[figure],
        count=None,
        interval=None,
        bootstrap=drawn[figure].times(100) if figure in drawn else None,
        data=data,
    )


def _rows(cell: Cell) -> int:
    return sum(len(fold.table) for fold in cell.judged)


def _errors(fold: JudgedFold) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return what takes weights (N,) of a fold's rows to its errors (3,), in the order of `FIGURES`."""
    table = fold.table
    accepted = table.scores >= fold.point.value
    kinds = np.array([kind_of(str(species)) for species in table.species])
    attacks = [(kinds == kind) & ~table.is_positive for kind in np.unique(kinds[~table.is_positive])]
    live = table.is_positive

    def errors(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = [
            float(weights[rows & accepted].sum() / weights[rows].sum()) for rows in attacks if weights[rows].any()
        ]
        apcer, bpcer = max(shares), float(weights[live & ~accepted].sum() / weights[live].sum())
        return np.array([apcer, bpcer, (apcer + bpcer) / 2])

    return errors


def _mean_errors(cell: Cell) -> Callable[[NDArray[np.float64]], dict[str, float]]:
    """Return what takes weights of all rows, fold after fold, to the means over folds and seeds."""
    each = [(_errors(fold), len(fold.table)) for fold in cell.judged]

    def means(weights: NDArray[np.float64]) -> dict[str, float]:
        found, first = [], 0
        for errors, count in each:
            found.append(errors(weights[first : first + count]))
            first += count
        return dict(zip(FIGURES, np.mean(found, axis=0).tolist(), strict=True))

    return means


def _drawn(
    cell: Cell,
    statistics: Callable[[NDArray[np.float64]], dict[str, float]],
    method: str,
    resamples: int,
) -> dict[str, Interval]:
    tables = [fold.table for fold in cell.judged]
    groups = np.concatenate([table.subjects for table in tables])
    is_positive = np.concatenate([table.is_positive for table in tables])
    drawing = Bootstrap(resamples, np.random.default_rng(0))
    return bootstrap_over_groups(groups, is_positive, statistics, method=method, drawing=drawing)


def _spread(cell: Cell) -> dict[str, str]:
    """Words on the standard deviation over folds, of the mean over seeds, and over seeds."""
    values = np.array(
        [[100 * _errors(fold)(np.ones(len(fold.table))) for fold in seeds] for seeds in cell.folds]
    )  # (folds, seeds, 3)
    words: dict[str, str] = {}
    for place, figure in enumerate(FIGURES):
        parts = []
        if values.shape[0] > 1:
            parts.append(f"sd over {values.shape[0]} folds {values[..., place].mean(1).std():.2f}")
        if values.shape[1] > 1:
            parts.append(f"over {values.shape[1]} seeds {values[..., place].mean(0).std():.2f}")
        words[figure] = ", ".join(parts)
    return words
