"""TPR at a false positive rate, of one score table or of several, and the difference between two sides, as rows.

A mean over networks is the mean of their rates (what to expect of one such network); an ensemble is one table already.
A difference is drawn over subjects, both sides on the same draw, so that an easy or a hard person counts for both.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from countenance.metrics.counts import Proportion, SortedScores
from countenance.metrics.intervals import Bootstrap, Interval, bootstrap_over_groups, clopper_pearson, reweighted
from countenance.protocols.table import TableRow
from countenance.scores import PresentationTable

RATES: Mapping[str, float] = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4}
RESAMPLES = 2_000


def rate_row(
    name: str,
    tables: Sequence[PresentationTable],
    rate: str,
    *,
    data: str,
    reported: float | None = None,
    note: str = "",
    resamples: int = RESAMPLES,
) -> TableRow:
    """Return TPR at `rate`, one of `RATES`: of one table with its count, or the mean over several.

    Args:
        name: of the row, before the rate.
        tables: of the same rows.
        rate: the false positive rate.
        data: what was scored.
        reported: the paper's value in percent.
        note: what a reader must know beside the figure.
        resamples: of the bootstrap over subjects.
    """
    accepted = [_accepted(table, rate) for table in tables]
    alone = accepted[0] if len(accepted) == 1 else None
    drawn = _bootstrap(tables, (), rate, resamples)
    return TableRow(
        name=f"{name}, TPR at FPR {rate}",
        reported=reported,
        measured=100 * float(np.mean([each.value for each in accepted])),
        count=alone,
        interval=None if alone is None else clopper_pearson(alone).times(100),
        bootstrap=None if drawn is None else drawn.times(100),
        data=data,
        note=note,
    )


def difference_row(
    name: str,
    ours: Sequence[PresentationTable],
    theirs: Sequence[PresentationTable],
    rate: str,
    *,
    data: str,
    note: str = "",
    resamples: int = RESAMPLES,
) -> TableRow:
    """Return the mean TPR of `ours` less that of `theirs` at `rate`, in points; for the arguments see `rate_row`."""
    drawn = _bootstrap(ours, theirs, rate, resamples)
    return TableRow(
        name=f"{name}, TPR at FPR {rate}",
        reported=None,
        measured=100 * (mean_rate(ours, rate) - mean_rate(theirs, rate)),
        count=None,
        interval=None,
        bootstrap=None if drawn is None else drawn.times(100),
        data=data,
        note=note,
    )


def mean_rate(tables: Sequence[PresentationTable], rate: str) -> float:
    """Return the mean over tables of TPR at `rate`, one of `RATES`, as a fraction."""
    return float(np.mean([_accepted(table, rate).value for table in tables]))


def _accepted(table: PresentationTable, rate: str) -> Proportion:
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    return ordered.true_accepts_at_false_accept_rate(RATES[rate])


def _bootstrap(
    ours: Sequence[PresentationTable], theirs: Sequence[PresentationTable], rate: str, resamples: int
) -> Interval | None:
    """Draw subjects; the statistic is the mean TPR of `ours`, less that of `theirs` where there are any."""
    shares = [1 / len(ours)] * len(ours) + [-1 / len(theirs) for _ in theirs]
    curves = [
        reweighted(table.scores, table.is_positive, false_accept_rates={"tpr": RATES[rate]})
        for table in (*ours, *theirs)
    ]

    def statistics(weights: NDArray[np.float64]) -> dict[str, float]:
        return {"tpr": sum(share * curve(weights)["tpr"] for share, curve in zip(shares, curves, strict=True))}

    first = ours[0]
    method = "paired bootstrap over subjects" if theirs else "bootstrap over subjects"
    drawing = Bootstrap(resamples, np.random.default_rng(0))
    return bootstrap_over_groups(first.groups, first.is_positive, statistics, method=method, drawing=drawing).get("tpr")
