"""What a person sees on the terminal: tables, and progress on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from countenance.evaluation import Evaluation, Measure
from countenance.metrics.intervals import Interval
from countenance.progress import Progress, Say
from countenance.protocols.table import TableRow

if TYPE_CHECKING:  # reading pictures needs Pillow, printing an evaluation does not
    from countenance.datasets.inspection import Inspection
    from countenance.recipes.universal import Measured

SECONDS_BETWEEN_LINES = 10.0
PLAIN_WIDTH = 140
LINES_OF_A_LIST = 50


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
    """Print a table on stdout; columns of figures are aligned to the right."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, markup=False)
    lines = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left")
    for number, name in enumerate(header):
        figures = lines and all(line[number][:1].isdigit() for line in lines if line[number])
        table.add_column(name, justify="right" if figures else "left", overflow="fold")
    for line in lines:
        table.add_row(*line)
    console.print(table)


def speaker(verb: str, *, quiet: bool = False) -> Say:
    """Return a function that prints a line on stderr."""

    def say(line: str) -> None:
        if not quiet:
            print(f"{verb}: {line}", file=sys.stderr, flush=True)

    return say


@contextmanager
def progress_of(what: str) -> Iterator[Progress]:
    """Show a bar on a terminal, and a line now and then elsewhere."""
    if not sys.stderr.isatty():
        started = last = time.monotonic()

        def line(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last > SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"{what}: {done:,} of {total:,} in {last - started:.0f} s", file=sys.stderr, flush=True)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def percent(value: float) -> str:
    """Print a fraction as a percentage with the digits that a table needs.

    >>> percent(0.99866), percent(0.0)
    ('99.87 %', '0.00 %')
    """
    return f"{100 * value:.2f} %"


def range_of(interval: Interval | None, *, scale: float = 100) -> str:
    """Print an interval in percent.

    >>> range_of(Interval(0.99, 0.9987, "Clopper-Pearson"))
    '99.00 to 99.87'
    """
    return "" if interval is None else f"{scale * interval.low:.2f} to {scale * interval.high:.2f}"


def print_evaluation(evaluation: Evaluation) -> None:
    """Print every measure of `evaluation`, what marks it, and what its size can show."""
    if evaluation.label:
        print(f"*** {evaluation.label} ***")
    point = evaluation.point
    print_table(
        ("measure", "value", "count", "exact 95 %", "bootstrap 95 %", ""),
        (_measure_cells(measure) for measure in evaluation.measures),
        title=f"{evaluation.counts['rows']:,} {evaluation.kind}; threshold {point.value:.6g} by rule {point.rule}, "
        f"from {point.split or 'no scores here'}",
    )
    if evaluation.accuracy is not None:
        accuracy = evaluation.accuracy
        print(
            f"accuracy over {len(accuracy.folds)} folds: {percent(accuracy.mean)} +- {percent(accuracy.std)} "
            "(each fold at the threshold of the others)"
        )
    if evaluation.tuned_on_test:
        print(
            "The threshold was chosen on the scores it judges: figures marked 'described' are no error rates. "
            "Pass other scores with --development to choose it."
        )
    for sentence in evaluation.sample_size:
        print(sentence)


def _measure_cells(measure: Measure) -> tuple[str, ...]:
    count = f"{measure.count.count:,} of {measure.count.trials:,}" if measure.count else ""
    mark = "described" if measure.about == "described" else ""
    return measure.name, percent(measure.value), count, range_of(measure.interval), range_of(measure.bootstrap), mark


def print_inspection(found: "Inspection") -> None:
    """Print what a look at a whole data set found: counts, then everything that is wrong with it."""
    if found.label:
        print(f"*** {found.label} ***")
    print_table(("what", "count"), ((name, f"{number:,}") for name, number in found.counts.items()))
    for word, files in (("missing", found.missing), ("unreadable", found.unreadable), ("wrong", found.problems)):
        for file in files[:LINES_OF_A_LIST]:
            print(f"{word}: {file}")
        if len(files) > LINES_OF_A_LIST:
            print(f"{word}: and {len(files) - LINES_OF_A_LIST:,} more (--json names them all)")


def print_rows(rows: Sequence[TableRow]) -> None:
    """Print a reproduced table: the paper's value beside the measured one, in percent."""
    drawn = any(row.bootstrap for row in rows)
    print_table(
        ("row", "paper", "measured", "count", "95 %", *(["bootstrap 95 %"] if drawn else [])),
        (
            (
                row.name,
                "" if row.reported is None else f"{row.reported:.2f}",
                "-" if row.measured is None else f"{row.measured:.2f}",
                "" if row.count is None else f"{row.count.count:,} of {row.count.trials:,}",
                range_of(row.interval, scale=1),
                *([range_of(row.bootstrap, scale=1)] if drawn else []),
            )
            for row in rows
        ),
        title=rows[0].data,
    )
    for note in dict.fromkeys(row.note for row in rows if row.note):
        print(note)


def print_matches(measured: Sequence["Measured"]) -> None:
    """Print what universal examples reach against each recogniser: FMR on unseen people, before and after."""
    keys = list(measured[0].matches.thresholds.values)
    print_table(
        ("crafted on", "shown to", *(f"FMR at {key}: before, after" for key in keys), "own person at 1e-3", "ceiling"),
        (
            (
                "+".join(row.crafted_on),
                row.judged_on,
                *(
                    f"{100 * row.matches.before['test'].mean[key]:.2f} {100 * row.matches.after['test'].mean[key]:.2f}"
                    for key in keys
                ),
                percent(row.matches.own_after.mean["1e-3"]),
                f"{row.matches.ceiling:.3f}",
            )
            for row in measured
        ),
        title="percent of the photographs of unseen people that pass with the plain seed, and with the example",
    )
