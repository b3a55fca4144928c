"""Verification errors of ISO/IEC 19795-1, LFW's cross-validated accuracy, and attacks on the whole system.

FMR and FNMR count comparisons; FAR and FRR count transactions, with the failures to acquire inside. IAPAR is the share
of impostor attack presentations of one species that the whole system accepts (ISO/IEC 30107-3:2023, formerly IAPMR).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.errors import MalformedScores
from countenance.metrics.counts import Proportion, SortedScores
from countenance.metrics.operating_point import OperatingPoint
from countenance.metrics.presentation import species_of
from countenance.scores import ComparisonTable, PresentationTable


@dataclass(frozen=True)
class ComparisonErrors:
    """Errors at one threshold, as counts.

    Attributes:
        point: the threshold and where it is from.
        fmr: non-mated comparisons that match.
        fnmr: mated comparisons that do not.
        failures: comparisons without a score (failure to acquire), out of all.
        described_only: True when the threshold was chosen on these very scores.
    """

    point: OperatingPoint
    fmr: Proportion
    fnmr: Proportion
    failures: Proportion
    described_only: bool

    @property
    def far(self) -> float:
        """FMR (1 - FTA)."""
        return self.fmr.value * (1 - self.failures.value)

    @property
    def frr(self) -> float:
        """FTA + FNMR (1 - FTA)."""
        return self.failures.value + self.fnmr.value * (1 - self.failures.value)


def comparison_errors(table: ComparisonTable, point: OperatingPoint) -> ComparisonErrors:
    """Count FMR and FNMR of `table` at `point`.

    Raises:
        TunedOnTest: `point` was chosen on these scores; see `described_comparison_errors`.
        OneClassOnly: the table holds one class.
    """
    point.refuse_if_chosen_on(table)
    return described_comparison_errors(table, point)


def described_comparison_errors(table: ComparisonTable, point: OperatingPoint) -> ComparisonErrors:
    """Count the same at any threshold, marked as a description when `point` was chosen on these scores."""
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    return ComparisonErrors(
        point=point,
        fmr=ordered.false_accepts(point.value),
        fnmr=ordered.false_rejects(point.value),
        failures=Proportion(int((~table.responded).sum()), len(table)),
        described_only=point.chosen_on(table),
    )


@dataclass(frozen=True, eq=False)
class FoldAccuracy:
    """Accuracy by cross-validation.

    Attributes:
        folds: names of the folds, in natural order.
        thresholds: (F,) the threshold used on each fold, chosen on all the others.
        correct: right decisions on each fold.
    """

    folds: tuple[str, ...]
    thresholds: NDArray[np.float64]
    correct: tuple[Proportion, ...]

    @property
    def mean(self) -> float:
        """Mean of the folds' accuracies."""
        return float(np.mean([fold.value for fold in self.correct]))

    @property
    def std(self) -> float:
        """Sample standard deviation over the folds (divisor F - 1)."""
        return float(np.std([fold.value for fold in self.correct], ddof=1))

    @property
    def standard_error(self) -> float:
        """`std` / sqrt(F), what LFW's result pages print behind the mean."""
        return self.std / math.sqrt(len(self.folds))

    @property
    def pooled(self) -> Proportion:
        """Right decisions over all folds together."""
        return Proportion(sum(fold.count for fold in self.correct), sum(fold.trials for fold in self.correct))


def fold_accuracy(table: ComparisonTable) -> FoldAccuracy:
    """Return the accuracy on each fold at the threshold that is most accurate on the other folds.

    LFW's rule for View 2 (Huang et al. 2007, Labeled Faces in the Wild, section III): no fold has a say in its own
    threshold. Of equally accurate thresholds the highest is taken. A comparison without a score is a wrong decision.

    Raises:
        MalformedScores: fewer than two folds, or a row without one.
        OneClassOnly: the folds left for choosing a threshold hold one class.
    """
    names = sorted({str(name) for name in table.folds}, key=lambda name: (len(name), name))
    if len(names) < 2 or "" in names:
        raise MalformedScores(
            expected="a fold in each row, and at least two folds, in column fold",
            came=f"{len(names)} ({', '.join(repr(name) for name in names)})",
            remedy="name the fold of each comparison",
        )
    digests = [table.select(table.folds == name).digest for name in names]
    if len(set(digests)) < len(names):
        raise MalformedScores(
            expected="folds of different comparisons",
            came="two folds with the same scores",
            remedy="take the repeated fold out: it would choose its own threshold",
        )
    thresholds, correct = [], []
    for name in names:
        held_out = table.folds == name
        others = table.select(~held_out)
        curve = SortedScores.of(positives=others.positives, negatives=others.negatives).curve
        thresholds.append(curve.lowest_total_error(weighted=False))
        right = ((table.scores >= thresholds[-1]) == table.is_positive) & table.responded & held_out
        correct.append(Proportion(int(right.sum()), int(held_out.sum())))
    return FoldAccuracy(tuple(names), np.array(thresholds), tuple(correct))


def iapar(attacks: PresentationTable, point: OperatingPoint) -> dict[str, Proportion]:
    """Count, for each species, the impostor attack presentations that the whole system accepts.

    Args:
        attacks: comparison scores of attack presentations against the reference of the person attacked; a presentation
            that the system stopped earlier has no response and counts as not accepted.
        point: the verification threshold, from licit scores.
    """
    accepted = attacks.scores >= point.value  # no response is NaN, and NaN is not accepted
    return {
        name: Proportion(int((accepted & rows).sum()), int(rows.sum())) for name, rows in species_of(attacks).items()
    }


def riapar(iapar_value: float, frr: float) -> float:
    """Return RIAPAR = IAPAR + FRR, both at one operating point: how far a system is from refusing only attacks.

    >>> riapar(0.25, 0.5)
    0.75
    """
    return iapar_value + frr
