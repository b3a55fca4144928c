"""Time two ways of doing one thing, interleaved, and say how far their ratio can be trusted."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """One row of `bench`.

    Attributes:
        name: the goal's name, such as "P15-sklearn".
        goal: what must be reached, as a ratio.
        ours: median of our processor seconds (or another cost, see `unit`).
        peer: the peer's median.
        unit: of both.
        ratio: peer / ours; above 1 ours is better.
        spread: lowest and highest ratio of a single round.
        detail: what was compared.
    """

    name: str
    goal: float
    ours: float
    peer: float
    unit: str
    ratio: float
    spread: tuple[float, float]
    detail: str

    def as_json(self) -> dict[str, object]:
        """Return the row as the command line prints it."""
        return asdict(self)


def compare(
    name: str,
    *,
    ours: Callable[[], object],
    peer: Callable[[], object],
    goal: float,
    detail: str,
    rounds: int = 5,
) -> BenchmarkResult:
    """Run both in turn, ours first in even rounds and last in odd ones, after one warm-up of each.

    Processor seconds of this process are compared, so that a busy neighbour disturbs less.
    """
    ours()
    peer()
    seconds: dict[Callable[[], object], list[float]] = {ours: [], peer: []}
    for number in range(rounds):
        for run in (ours, peer) if number % 2 == 0 else (peer, ours):
            gc.collect()
            started = time.process_time()
            run()
            seconds[run].append(time.process_time() - started)
    ratios = [theirs / own for own, theirs in zip(seconds[ours], seconds[peer], strict=True)]
    medians = statistics.median(seconds[ours]), statistics.median(seconds[peer])
    return BenchmarkResult(
        name=name,
        goal=goal,
        ours=medians[0],
        peer=medians[1],
        unit="processor seconds",
        ratio=medians[1] / medians[0],
        spread=(min(ratios), max(ratios)),
        detail=detail,
    )
