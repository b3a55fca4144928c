"""A table of a paper, computed: the published value beside the measured one."""

from dataclasses import asdict, dataclass

from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row of a published table; values are in percent, as papers print them.

    Attributes:
        name: the row's name in the paper, and what was measured for it.
        reported: the paper's value, None where it prints none.
        measured: ours; None in a row that is printed as the paper's alone.
        count: what `measured` is a share of; None for a mean or a difference.
        interval: of `measured`, in percent, every trial taken as independent; None where there is no count.
        data: what it was measured on.
        note: what a reader must know beside the figure.
        bootstrap: of `measured`, in percent, over subjects; None where none was drawn.
    """

    name: str
    reported: float | None
    measured: float | None
    count: Proportion | None
    interval: Interval | None
    data: str
    note: str = ""
    bootstrap: Interval | None = None

    def as_json(self) -> dict[str, object]:
        """Return the row as the command line prints it."""
        counted = (None, None) if self.count is None else (self.count.count, self.count.trials)
        return asdict(self) | dict(zip(("count", "trials"), counted, strict=True))
