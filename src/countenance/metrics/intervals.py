"""How far a measured rate can be relied on: exact binomial intervals, bootstrap over subjects, sample size.

Sources: Clopper and Pearson 1934, Biometrika 26; ISO/IEC 19795-1 (the rule of 3); the subsets bootstrap of Bolle,
Ratha and Pankanti 2004 (rows of one person are not independent, so persons are resampled, not rows).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from countenance.metrics.counts import Proportion
from countenance.progress import Progress, unheard
from countenance.scores import FlagColumn, ScoreColumn, TextColumn

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An interval for a rate, as fractions, and how it was made."""

    low: float
    high: float
    method: str
    confidence: float = CONFIDENCE

    def times(self, factor: float) -> "Interval":
        """Return it on another scale, such as percent; `factor` is above 0.

        >>> Interval(0.25, 0.5, "Clopper-Pearson").times(100).high
        50.0
        """
        return replace(self, low=self.low * factor, high=self.high * factor)


def clopper_pearson(proportion: Proportion, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact two-sided binomial interval of a share; without a trial it is [0, 1].

    >>> interval = clopper_pearson(Proportion(0, 10))
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0, 0.3085)
    """
    tail = (1 - confidence) / 2
    count, trials = proportion.count, proportion.trials
    low = float(betaincinv(count, trials - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, trials - count, 1 - tail)) if count < trials else 1.0
    return Interval(low, high, "Clopper-Pearson", confidence)


def zero_error_bound(trials: int, *, confidence: float = CONFIDENCE) -> float:
    """Return the rate that `trials` trials without an error show not to be exceeded (one-sided, exact).

    >>> round(zero_error_bound(42), 3)  # close to the rule of 3: 3/42
    0.069
    """
    return float(1 - (1 - confidence) ** (1 / trials)) if trials else 1.0


def error_free_trials_needed(rate: float, *, confidence: float = CONFIDENCE) -> int:
    """Return how many trials without an error are needed to show an error rate of at most `rate`.

    >>> error_free_trials_needed(1e-4)
    29956
    """
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate))


Statistics = Mapping[str, float]


@dataclass(frozen=True)
class Bootstrap:
    """How to draw: how often, from which source of randomness, and who hears of it."""

    resamples: int
    generator: np.random.Generator
    progress: Progress = unheard


def bootstrap_over_groups(
    groups: TextColumn,
    is_positive: FlagColumn,
    statistics: Callable[[NDArray[np.float64]], Statistics],
    *,
    method: str,
    drawing: Bootstrap,
    confidence: float = CONFIDENCE,
) -> dict[str, Interval]:
    """Return percentile intervals of `statistics` when whole groups (subjects) are drawn with replacement.

    Args:
        groups: (N,) the group of each row.
        is_positive: (N,) its class; a resample that holds one class only is drawn again.
        statistics: takes (N,) weights (how often each row was drawn) and returns named values.
        method: words for the interval, such as "bootstrap over subjects".
        drawing: how often, and from what.
        confidence: coverage asked for.

    Returns:
        An interval for each named value; empty when a class has fewer than two groups, which cannot be resampled.
        A value that is NaN in a resample (a species whose subjects were not drawn) has its interval from the others,
        and none when it is NaN in more of them than the interval leaves out: too few groups show it.
    """
    names, membership = np.unique(groups, return_inverse=True)
    classes = [np.bincount(membership[rows], minlength=len(names)) > 0 for rows in (is_positive, ~is_positive)]
    if min(present.sum() for present in classes) < 2:
        return {}
    drawn: list[Statistics] = []
    while len(drawn) < drawing.resamples:
        times = np.bincount(drawing.generator.integers(len(names), size=len(names)), minlength=len(names))
        if all((times[present] > 0).any() for present in classes):
            drawn.append(statistics(times[membership].astype(np.float64)))
            drawing.progress(len(drawn), drawing.resamples)
    tail = (1 - confidence) / 2
    intervals = {}
    for name in drawn[0]:
        defined = [values[name] for values in drawn if not math.isnan(values[name])]
        if len(defined) >= confidence * len(drawn):
            low, high = np.quantile(defined, [tail, 1 - tail])
            intervals[name] = Interval(float(low), float(high), method, confidence)
    return intervals


def reweighted(
    scores: ScoreColumn, is_positive: FlagColumn, *, false_accept_rates: Mapping[str, float]
) -> Callable[[NDArray[np.float64]], dict[str, float]]:
    """Prepare EER, AUC and the true accept rates at given false accept rates for many reweightings of one table.

    The scores are sorted once; each reweighting costs one pass. With all weights 1 the values are those of
    `SortedScores`.

    Args:
        scores: (N,) finite scores.
        is_positive: (N,) their classes.
        false_accept_rates: target for each name under which its true accept rate is returned.

    Returns:
        A function of (N,) whole-numbered weights that returns "eer", "eer_interpolated", "auc" and a value for each
        name.
    """
    order = np.argsort(scores, kind="stable")
    ordered, positive = scores[order], is_positive[order]
    last_of_tie = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))

    def up_to_tie(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([[0.0], np.cumsum(weights)[last_of_tie]])

    def statistics(weights: NDArray[np.float64]) -> dict[str, float]:
        weights = weights[order]
        refused_positives, refused_negatives = up_to_tie(weights * positive), up_to_tie(weights * ~positive)
        positives, negatives = refused_positives[-1], refused_negatives[-1]
        accepted_negatives = negatives - refused_negatives
        false_rejects, false_accepts = refused_positives / positives, accepted_negatives / negatives
        gap = accepted_negatives * positives - refused_positives * negatives  # whole numbers: ties are exact
        at = len(gap) - 1 - int(np.argmin(np.abs(gap[::-1])))
        crossed = int(np.argmax(gap <= 0))
        share = gap[crossed - 1] / (gap[crossed - 1] - gap[crossed])
        values = {
            "eer": float(false_accepts[at] + false_rejects[at]) / 2,
            "eer_interpolated": float(
                false_accepts[crossed - 1] + share * (false_accepts[crossed] - false_accepts[crossed - 1])
            ),
            "auc": float(np.sum(np.diff(false_rejects) * (1 - (false_accepts[1:] + false_accepts[:-1]) / 2))),
        }
        for name, target in false_accept_rates.items():
            values[name] = float((positives - refused_positives[np.argmax(false_accepts <= target)]) / positives)
        return values

    return statistics
