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
        measured: ours.
        count: what `measured` is a share of.
        interval: of `measured`, in percent.
        data: what it was measured on.
        note: what a reader must know beside the figure.
    """

    name: str
    reported: float | None
    measured: float
    count: Proportion
    interval: Interval
    data: str
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the row as the command line prints it."""
        return asdict(self) | {"count": self.count.count, "trials": self.count.trials}
