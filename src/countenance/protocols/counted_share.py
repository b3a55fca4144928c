"""A share that was counted, the exact interval of it, and what drawing the subjects anew makes of it.

Rows of one person are not independent, so beside the binomial interval of Clopper and Pearson stands a bootstrap over
subjects, where every row names its subject. Where all rows are right, or all are wrong, a bootstrap sees nothing but
that, and only the exact interval is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from countenance.files import finite
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import CONFIDENCE, Bootstrap, Interval, clopper_pearson
from countenance.protocols.table import TableRow
from countenance.scores import FlagColumn, TextColumn

METHOD = "bootstrap over subjects"


@dataclass(frozen=True, kw_only=True)
class CountedShare:
    """One share.

    Attributes:
        count: how many of how many.
        interval: exact, every trial taken as independent; [0, 1] without a trial.
        bootstrap: over subjects; None where it was not drawn, or shows nothing.
    """

    count: Proportion
    interval: Interval
    bootstrap: Interval | None = None

    @property
    def value(self) -> float:
        """The share, NaN without a trial."""
        return self.count.value

    def row(self, name: str, *, data: str, reported: float | None = None, note: str = "") -> TableRow:
        """Return it as a row of a table, in percent; nothing was measured without a trial."""
        return TableRow(
            name=name,
            reported=reported,
            measured=100 * self.value if self.count.trials else None,
            count=self.count,
            interval=self.interval.times(100),
            bootstrap=None if self.bootstrap is None else self.bootstrap.times(100),
            data=data,
            note=note,
        )

    def as_json(self) -> dict[str, object]:
        """Return the share, its counts and its intervals; null where there is none."""
        drawn = self.bootstrap
        return {
            "value": finite(self.value),
            "count": self.count.count,
            "trials": self.count.trials,
            "interval": [self.interval.low, self.interval.high],
            "bootstrap": None if drawn is None else [drawn.low, drawn.high],
        }


def counted_shares(
    shares: Sequence[tuple[FlagColumn, FlagColumn]], subjects: TextColumn, drawing: Bootstrap | None = None
) -> list[CountedShare]:
    """Count several shares of the same rows, all over the same draws of subjects.

    Args:
        shares: K times which rows (N,) are hits, and which rows (N,) are trials; a hit that is no trial does not count.
        subjects: (N,) who each row is of, "" where it is not known.
        drawing: of the bootstrap; None for none.

    Returns:
        A share for each; without a bootstrap where a row does not name its subject, where there are fewer than two
        subjects, and where a share has no trial in more resamples than the interval leaves out.
    """
    trials = np.array([rows for _, rows in shares], bool)  # (K, N)
    hits = np.array([found for found, _ in shares], bool) & trials
    counts = [Proportion(int(found), int(of)) for found, of in zip(hits.sum(axis=1), trials.sum(axis=1), strict=True)]
    drawn: list[Interval | None] = [None] * len(counts)
    names, membership = np.unique(subjects, return_inverse=True)
    if drawing is not None and drawing.resamples and len(names) > 1 and "" not in names:
        times = drawing.generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=drawing.resamples)
        hits_of, trials_of = (  # (R, K): each draw of subjects
            times @ np.stack([np.bincount(membership[row], minlength=len(names)) for row in rows], axis=1)
            for rows in (hits, trials)
        )
        drawn = [
            _interval(found, of) if 0 < count.count < count.trials else None
            for found, of, count in zip(hits_of.T, trials_of.T, counts, strict=True)
        ]
        drawing.progress(drawing.resamples, drawing.resamples)
    return [
        CountedShare(count=count, interval=clopper_pearson(count), bootstrap=interval)
        for count, interval in zip(counts, drawn, strict=True)
    ]


def _interval(
    hits: np.ndarray[tuple[int], np.dtype[np.int64]], trials: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Interval | None:
    known = trials > 0
    if known.mean() < CONFIDENCE:
        return None
    low, high = np.quantile(hits[known] / trials[known], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high), METHOD)
