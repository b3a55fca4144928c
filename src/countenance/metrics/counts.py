"""Errors counted over sorted thresholds: the only place where scores are counted.

A score is accepted when ``score >= threshold``; ties are consumed whole, and every count is an integer, so that tied
scores of any weight are exact. A false accept is an accepted negative (attack, non-mated), a false reject a refused
positive (bona fide, mated). Conventions of bob.measure (candidate thresholds, last of equals) are followed where named.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from countenance.errors import NonFiniteScore, OneClassOnly

Scores = NDArray[np.floating[Any]]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Proportion:
    """A count out of a number of trials.

    >>> Proportion(1, 4).value
    0.25
    """

    count: int
    trials: int

    @property
    def value(self) -> float:
        """The share, NaN when there was no trial."""
        return self.count / self.trials if self.trials else math.nan

    @property
    def complement(self) -> "Proportion":
        """The other trials."""
        return Proportion(self.trials - self.count, self.trials)


@dataclass(frozen=True, eq=False)
class Curve:
    """False accepts and false rejects at every threshold that can be told apart.

    Attributes:
        thresholds: (K,) ascending: the lowest score (everything is accepted), the midpoints between consecutive
            distinct scores, and the next number above the highest score (nothing is accepted).
        false_accepts: (K,) how many negatives are accepted there.
        false_rejects: (K,) how many positives are refused there.
        negatives: how many negatives there are.
        positives: how many positives there are.
    """

    thresholds: NDArray[np.float64]
    false_accepts: Counts
    false_rejects: Counts
    negatives: int
    positives: int

    @property
    def false_accept_rates(self) -> NDArray[np.float64]:
        """(K,) FPR: shares of the negatives."""
        return self.false_accepts / self.negatives

    @property
    def false_reject_rates(self) -> NDArray[np.float64]:
        """(K,) FNR: shares of the positives."""
        return self.false_rejects / self.positives

    def lowest_total_error(self, *, weighted: bool) -> float:
        """Return the threshold with the fewest errors; among equals the highest.

        Args:
            weighted: True minimises FPR + FNR (the smallest HTER), False the plain number of errors (the highest
                accuracy).
        """
        accept_cost, reject_cost = (self.positives, self.negatives) if weighted else (1, 1)
        cost = self.false_accepts * accept_cost + self.false_rejects * reject_cost
        return float(self.thresholds[len(cost) - 1 - int(np.argmin(cost[::-1]))])


@dataclass(frozen=True, eq=False)
class SortedScores:
    """The scores of the two classes, each sorted once; everything else is a search in them.

    Attributes:
        positives: (P,) ascending scores of bona fide or mated rows, or only those near a place of interest.
        negatives: (N,) the same of attacks or non-mated rows.
        positives_beyond: how many positives lie below and above those that are held.
        negatives_beyond: the same of negatives.
    """

    positives: Scores
    negatives: Scores
    positives_beyond: tuple[int, int] = (0, 0)
    negatives_beyond: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, *, positives: Scores, negatives: Scores) -> Self:
        """Sort the two classes whole.

        Raises:
            OneClassOnly: one of them is empty.
            NonFiniteScore: a NaN or an infinity.
        """
        positives, negatives = _usable(positives, negatives)
        return cls(np.sort(positives), np.sort(negatives))

    @classmethod
    def near_eer(cls, *, positives: Scores, negatives: Scores) -> Self:
        """Sort only what `eer` and its kin look at; the answers are those of `of`, in a fraction of its time."""
        positives, negatives = _usable(positives, negatives)

        def place(positives_up_to: Counts, negatives_up_to: Counts) -> int:
            gap = (len(negatives) - negatives_up_to) * len(positives) - positives_up_to * len(negatives)
            return int(np.argmax(gap <= 0))

        return cls(*_neighbourhood(positives, negatives, place))

    @classmethod
    def near_false_accept_rate(cls, target: float, *, positives: Scores, negatives: Scores) -> Self:
        """Sort only what `true_accepts_at_false_accept_rate` looks at for this target."""
        positives, negatives = _usable(positives, negatives)
        rank = len(negatives) - 1 - _allowed(target, len(negatives))  # -1 when all may be accepted: the first bin

        def place(_: Counts, negatives_up_to: Counts) -> int:
            return int(np.searchsorted(negatives_up_to, rank, side="right"))

        return cls(*_neighbourhood(positives, negatives, place))

    @cached_property
    def positive_total(self) -> int:
        """How many positives there are, held or not."""
        return len(self.positives) + sum(self.positives_beyond)

    @cached_property
    def negative_total(self) -> int:
        """How many negatives there are, held or not."""
        return len(self.negatives) + sum(self.negatives_beyond)

    def false_accepts(self, threshold: float) -> Proportion:
        """Count the negatives with ``score >= threshold``."""
        refused = self.negatives_beyond[0] + int(np.searchsorted(self.negatives, threshold, side="left"))
        return Proportion(self.negative_total - refused, self.negative_total)

    def false_rejects(self, threshold: float) -> Proportion:
        """Count the positives with ``score < threshold``."""
        refused = self.positives_beyond[0] + int(np.searchsorted(self.positives, threshold, side="left"))
        return Proportion(refused, self.positive_total)

    @cached_property
    def curve(self) -> Curve:
        """The whole trade-off; see `Curve`. It needs the scores sorted whole."""
        assert self.positives_beyond == self.negatives_beyond == (0, 0), "a neighbourhood has no whole curve"
        values = np.unique(np.concatenate([self.positives, self.negatives])).astype(np.float64)
        refused_positives = np.searchsorted(self.positives, values, side="right")
        refused_negatives = np.searchsorted(self.negatives, values, side="right")
        return Curve(
            thresholds=np.concatenate(
                [values[:1], _between(values[:-1], values[1:]), np.nextafter(values[-1:], np.inf)]
            ),
            false_accepts=len(self.negatives) - np.concatenate([[0], refused_negatives]).astype(np.int64),
            false_rejects=np.concatenate([[0], refused_positives]).astype(np.int64),
            negatives=len(self.negatives),
            positives=len(self.positives),
        )

    def threshold_at_false_accept_rate(self, target: float) -> float:
        """Return the threshold of the last ROC point whose FPR is at or below `target`; nothing is interpolated.

        ROC points stand at observed scores of either class. When only the empty acceptance satisfies the target, the
        next number above every score is returned.
        """
        allowed = _allowed(target, self.negative_total)
        if allowed == self.negative_total:
            return self._lowest()
        rank = self.negative_total - 1 - allowed - self.negatives_beyond[0]
        return self._lowest_above(self.negatives[rank])

    def threshold_at_false_reject_rate(self, target: float) -> float:
        """Return the highest observed score at which FNR is at or below `target`, the mirror of the rule above."""
        allowed = _allowed(target, self.positive_total)
        if allowed == self.positive_total:
            return float(np.nextafter(self._highest(), np.inf))
        return float(self.positives[allowed - self.positives_beyond[0]])

    def true_accepts_at_false_accept_rate(self, target: float) -> Proportion:
        """Count the positives accepted at `threshold_at_false_accept_rate` (TPR at FPR, TMR at FMR)."""
        return self.false_rejects(self.threshold_at_false_accept_rate(target)).complement

    def eer_threshold(self) -> float:
        """Return the threshold where FPR and FNR are closest, by bob.measure's rule.

        The candidates are those of `Curve.thresholds`; the smallest absolute difference wins, and of two that are
        equally small the higher threshold. FPR - FNR falls strictly from candidate to candidate, so that the two
        around its change of sign are found by bisection in the sorted classes.
        """
        below, above = self._eer_neighbours()
        if abs(self._gap(below)) < abs(self._gap(above)):
            return self._candidate_above(below)
        return self._candidate_above(above)

    def eer(self) -> float:
        """Return the EER by bob's midpoint rule: the mean of FPR and FNR at `eer_threshold`."""
        threshold = self.eer_threshold()
        return (self.false_accepts(threshold).value + self.false_rejects(threshold).value) / 2

    def eer_interpolated(self) -> float:
        """Return the EER where the straight line between neighbouring ROC points crosses FPR = FNR.

        This is the rule of facenet's evaluation (a root of ``1 - x - TPR(x)``); it differs from `eer` by less than a
        step of the rarer class.
        """
        below, above = self._eer_neighbours()
        high, low = self._gap(below), self._gap(above)
        share = high / (high - low)  # of the way from the upper ROC point to the lower one
        upper, lower = (1 - self._negatives_up_to(value) / self.negative_total for value in (below, above))
        return upper + share * (lower - upper)

    def auc(self) -> float:
        """Return the area under the ROC curve: the chance that a positive outscores a negative, ties counting half.

        It needs the scores sorted whole.
        """
        below = np.searchsorted(self.negatives, self.positives, side="left").sum(dtype=np.int64)
        not_above = np.searchsorted(self.negatives, self.positives, side="right").sum(dtype=np.int64)
        return (int(below) + int(not_above)) / (2 * self.positive_total * self.negative_total)

    def _negatives_up_to(self, value: float | None) -> int:
        return self.negatives_beyond[0] + _up_to(self.negatives, value)

    def _gap(self, value: float | None) -> int:
        """FPR - FNR when everything up to `value` is refused (nothing, for None), times both class sizes."""
        accepted_negatives = self.negative_total - self._negatives_up_to(value)
        refused_positives = self.positives_beyond[0] + _up_to(self.positives, value)
        return accepted_negatives * self.positive_total - refused_positives * self.negative_total

    def _eer_neighbours(self) -> tuple[float | None, float]:
        """The last observed score whose gap is positive (None: there is none), and the first whose gap is not."""
        firsts = [self._first_without_gap(scores) for scores in (self.positives, self.negatives)]
        above = min(value for value in firsts if value is not None)
        lower = [float(scores[index - 1]) for scores, index in self._search(above, "left") if index]
        return max(lower, default=None), above

    def _first_without_gap(self, scores: Scores) -> float | None:
        low, high = 0, len(scores)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._gap(scores[middle]) <= 0 else (middle + 1, high)
        return float(scores[low]) if low < len(scores) else None

    def _search(self, value: float, side: Literal["left", "right"]) -> list[tuple[Scores, int]]:
        return [(scores, int(np.searchsorted(scores, value, side))) for scores in (self.positives, self.negatives)]

    def _lowest(self) -> float:
        return min(float(scores[0]) for scores in (self.positives, self.negatives) if len(scores))

    def _highest(self) -> float:
        return max(float(scores[-1]) for scores in (self.positives, self.negatives) if len(scores))

    def _lowest_above(self, value: float) -> float:
        """The lowest observed score above `value`, or the next number above it when there is none."""
        higher = [float(scores[index]) for scores, index in self._search(value, "right") if index < len(scores)]
        return min(higher, default=float(np.nextafter(np.float64(value), np.inf)))

    def _candidate_above(self, value: float | None) -> float:
        """The candidate threshold that refuses everything up to `value`: a midpoint, or one of the two ends."""
        if value is None:
            return self._lowest()
        following = self._lowest_above(value)
        if value == self._highest():
            return following
        return float(_between(np.array([value]), np.array([following]))[0])


def _up_to(scores: Scores, value: float | None) -> int:
    return 0 if value is None else int(np.searchsorted(scores, value, side="right"))


def _usable(positives: Scores, negatives: Scores) -> tuple[Scores, Scores]:
    """Return both classes in one floating type, refusing what cannot be counted."""
    for name, scores, other in (("positive", positives, negatives), ("negative", negatives, positives)):
        if len(scores) == 0:
            raise OneClassOnly(
                expected="scores of both classes (bona fide and attack, or mated and non-mated)",
                came=f"no {name} one beside {len(other)} of the other class",
                remedy="add the missing class to the table",
            )
        if not (math.isfinite(scores.min()) and math.isfinite(scores.max())):
            raise NonFiniteScore(expected="finite scores", came="a NaN or an infinity", remedy="mend the scores")
    kind = np.result_type(positives, negatives, np.float32)
    return positives.astype(kind, copy=False), negatives.astype(kind, copy=False)


_BINS = 1 << 16
_FEW = 1 << 15
_CHUNK = 1 << 18
_NARROWEST, _WIDEST = 1e-30, 1e30  # between these a bin's scale is finite in single precision too


def _neighbourhood(
    positives: Scores, negatives: Scores, place: Callable[[Counts, Counts], int]
) -> tuple[Scores, Scores, tuple[int, int], tuple[int, int]]:
    """Sort only the scores around one place, and count the rest on either side of it.

    The range is cut into bins of equal width. `place` gets, for each bin, how many scores of each class lie up to its
    end, and names the bin looked for; that bin and its occupied neighbours are kept, until few scores are left. A
    score's bin never falls as the score rises, so that ties stay together and every count is exact.
    """
    classes = [positives, negatives]
    below, above = [0, 0], [0, 0]
    while sum(map(len, classes)) > _FEW:
        low = min(float(scores.min()) for scores in classes if len(scores))
        spread = max(float(scores.max()) for scores in classes if len(scores)) - low
        if not _NARROWEST < spread < _WIDEST:
            break
        bins = [_bins_of(scores, low, spread) for scores in classes]
        held = [_bin_counts(numbers) for numbers in bins]
        occupied = np.flatnonzero(held[0] + held[1])
        at = int(np.searchsorted(occupied, place(*(np.cumsum(held[i]) + below[i] for i in range(2)))))
        first, last = occupied[max(at - 1, 0)], occupied[min(at + 1, len(occupied) - 1)]
        if first == occupied[0] and last == occupied[-1]:
            break
        for i in range(2):
            below[i] += int(held[i][:first].sum())
            above[i] += int(held[i][last + 1 :].sum())
            classes[i] = np.compress((bins[i] >= first) & (bins[i] <= last), classes[i])
    return np.sort(classes[0]), np.sort(classes[1]), (below[0], above[0]), (below[1], above[1])


def _bins_of(scores: Scores, low: float, spread: float) -> NDArray[np.uint16]:
    """Number the bin of each score, in chunks that stay in the processor's cache."""
    scale = scores.dtype.type((_BINS - 1) / spread)
    numbers = np.empty(len(scores), dtype=np.uint16)
    work = np.empty(min(_CHUNK, len(scores)), dtype=scores.dtype)
    for start in range(0, len(scores), _CHUNK):
        chunk = scores[start : start + _CHUNK]
        offset = np.subtract(chunk, scores.dtype.type(low), out=work[: len(chunk)])
        np.multiply(offset, scale, out=offset)
        numbers[start : start + len(chunk)] = np.minimum(offset, _BINS - 1, out=offset)
    return numbers


def _bin_counts(numbers: NDArray[np.uint16]) -> Counts:
    counts = np.zeros(_BINS, dtype=np.int64)
    for start in range(0, len(numbers), _CHUNK):
        counts += np.bincount(numbers[start : start + _CHUNK], minlength=_BINS)
    return counts


def _between(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Midpoints that refuse `lower` and accept `upper`, also where the two are neighbouring floats."""
    middle = lower / 2 + upper / 2
    return np.where((middle > lower) & (middle < upper), middle, upper)


def _allowed(target: float, trials: int) -> int:
    """The largest count whose share of `trials` is at or below `target`, compared as the share would be printed."""
    count = min(max(math.floor(target * trials), 0), trials)
    while count < trials and (count + 1) / trials <= target:
        count += 1
    while count > 0 and count / trials > target:
        count -= 1
    return count
