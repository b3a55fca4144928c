"""Goal P15: TPR at FPR 1e-4 and EER of ten million scores, exact, beside scikit-learn and torchmetrics.

The peers make the whole ROC curve, which is how their users get these two figures; both are asked for exact curves
(scikit-learn with ``drop_intermediate=False``, torchmetrics without bins). All sides start from one array of scores
and one of labels, and their figures are compared before any time is taken.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countenance.bench.timing import BenchmarkResult, compare
from countenance.errors import UsageError
from countenance.metrics.counts import SortedScores
from countenance.progress import Say, unheard
from countenance.scores import FlagColumn

Figures = tuple[float, float]
Scores = NDArray[np.float32]
FALSE_ACCEPT_RATE = 1e-4
BONA_FIDE_SHARE = 0.3
SIZE = 10_000_000
TIE_STEPS = 100  # heavy ties: scores rounded to hundredths


def bench_metrics(*, size: int = SIZE, rounds: int = 5, seed: int = 0, say: Say = unheard) -> list[BenchmarkResult]:
    """Run the benchmark on scores without ties and with heavy ties.

    Args:
        size: how many scores.
        rounds: counted rounds of each pair.
        seed: of the scores.
        say: called with a line before each pair.

    Raises:
        UsageError: a peer is not installed, or its figures differ from ours.
    """
    generator = np.random.default_rng(seed)
    is_positive = generator.random(size) < BONA_FIDE_SHARE
    logits = generator.standard_normal(size) + 2 * is_positive
    smooth = (1 / (1 + np.exp(-logits))).astype(np.float32)  # in [0, 1], where torchmetrics leaves scores as they are
    tied = np.round(smooth * TIE_STEPS) / np.float32(TIE_STEPS)
    results = []
    for suffix, scores, words in (("", smooth, "without ties"), ("-ties", tied, "with heavy ties")):
        ours = _ours(scores, is_positive)
        for name, goal, prepare in PEERS:
            peer = prepare(scores, is_positive)
            say(f"{name}{suffix}: {size:,} scores {words}")
            if not np.allclose(ours(), peer(), atol=2e-6):
                raise UsageError(
                    expected=f"{name} to agree with ours",
                    came=f"{peer()} beside {ours()}",
                    remedy="report this as a bug",
                )
            results.append(
                compare(
                    f"{name}{suffix}",
                    ours=ours,
                    peer=peer,
                    goal=goal,
                    detail=f"TPR at FPR {FALSE_ACCEPT_RATE:g} and EER of {size:,} float32 scores {words}",
                    rounds=rounds,
                )
            )
    return results


def _ours(scores: Scores, is_positive: FlagColumn) -> Callable[[], Figures]:
    """Both figures, sorting only where they are decided."""

    def figures() -> Figures:
        classes = {"positives": np.compress(is_positive, scores), "negatives": np.compress(~is_positive, scores)}
        accepted = SortedScores.near_false_accept_rate(FALSE_ACCEPT_RATE, **classes)
        return (
            accepted.true_accepts_at_false_accept_rate(FALSE_ACCEPT_RATE).value,
            SortedScores.near_eer(**classes).eer(),
        )

    return figures


def _read_off(false_accepts: NDArray[np.floating], true_accepts: NDArray[np.floating]) -> Figures:
    """The same two figures from a peer's ROC curve."""
    last = int(np.searchsorted(false_accepts, FALSE_ACCEPT_RATE, side="right")) - 1
    closest = int(np.argmin(np.abs(1 - true_accepts - false_accepts)))
    return float(true_accepts[last]), float(false_accepts[closest] + 1 - true_accepts[closest]) / 2


def _sklearn(scores: Scores, is_positive: FlagColumn) -> Callable[[], Figures]:
    roc_curve = _peer("sklearn.metrics").roc_curve

    def figures() -> Figures:
        false_accepts, true_accepts, _ = roc_curve(is_positive, scores, drop_intermediate=False)
        return _read_off(false_accepts, true_accepts)

    return figures


def _torchmetrics(scores: Scores, is_positive: FlagColumn) -> Callable[[], Figures]:
    from_numpy = _peer("torch").from_numpy
    binary_roc = _peer("torchmetrics.functional.classification").binary_roc
    predictions, labels = from_numpy(scores), from_numpy(is_positive.astype(np.int64))

    def figures() -> Figures:
        false_accepts, true_accepts, _ = binary_roc(predictions, labels, thresholds=None)
        return _read_off(false_accepts.numpy(), true_accepts.numpy())

    return figures


def _peer(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            expected="the peers of this benchmark", came=f"no {error.name}", remedy='pip install "countenance[bench]"'
        ) from error


PEERS = (("P15-sklearn", 6.0, _sklearn), ("P15-torchmetrics", 5.0, _torchmetrics))
