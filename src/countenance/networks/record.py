"""What is stated of a released network: its record stands beside its architecture, and a test walks all of them."""

from dataclasses import dataclass
from enum import StrEnum

from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import clopper_pearson
from countenance.metrics.operating_point import OperatingPoint


class Task(StrEnum):
    """What a network is asked."""

    DETECTION = "face detection"
    VERIFICATION = "face verification"
    VERIFICATION_AND_EXPRESSION = "face verification and expression"
    PRESENTATION_ATTACK_DETECTION = "presentation attack detection"
    OPTICAL_FLOW = "optical flow"


@dataclass(frozen=True, kw_only=True)
class MeasuredResult:
    """A number, and how to get it again.

    Attributes:
        data: what it was measured on.
        metric: what was measured.
        value: the number.
        interval: its 95 % interval; None when none was computed.
        command: what measures it again.
    """

    data: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    command: str


@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """A released network.

    Attributes:
        name: how a command line names it.
        task: what it is asked.
        weights: names of its weight records.
        parameters: trainable numbers; running statistics are not counted.
        inputs: what goes in, with shapes.
        preprocessing: what happens between the picture and the first layer, and where.
        polarity: what a high output means.
        licence_code: licence of the code in this repository.
        licence_weights: licence of the weights, as their authors state it.
        training_data: as the authors of the weights state it.
        source: paper or repository of the architecture.
        results: numbers measured with this code.
        operating_point: the threshold that decides, when one is stated.
    """

    name: str
    task: Task
    weights: tuple[str, ...]
    parameters: int
    inputs: str
    preprocessing: str
    polarity: str
    licence_code: str
    licence_weights: str
    training_data: str
    source: str
    results: tuple[MeasuredResult, ...] = ()
    operating_point: OperatingPoint | None = None


def counted(data: str, metric: str, count: int, trials: int, command: str) -> MeasuredResult:
    """Return a share with its exact interval (Clopper-Pearson).

    >>> counted("600 pairs", "accuracy", 597, 600, "countenance score").interval
    (0.98546, 0.99897)
    """
    share = Proportion(count, trials)
    exact = clopper_pearson(share)
    return MeasuredResult(
        data=data,
        metric=metric,
        value=round(share.value, 5),
        interval=(round(exact.low, 5), round(exact.high, 5)),
        command=command,
    )


def lfw_fold_1(correct: int, auc: float, command: str, *, cut: str = "points") -> tuple[MeasuredResult, ...]:
    """Return what a recogniser did on the 600 pairs of LFW's first fold.

    Args:
        correct: pairs that are right at the best threshold.
        auc: of the pairs' scores.
        command: that measures it again.
        cut: what of YuNet's the faces are cut by.
    """
    data = f"LFW View 2, fold 1: 600 pairs, {cut} by YuNet"
    return (
        counted(data, "accuracy at the best threshold", correct, 600, command),
        MeasuredResult(data=data, metric="AUC", value=auc, interval=None, command=command),
    )


def lfw_folds(correct: int, false_matches: int, false_non_matches: int, command: str) -> tuple[MeasuredResult, ...]:
    """Return what a recogniser did on the 3,000 pairs of LFW's first five folds, half of them mated.

    Args:
        correct: pairs that are right, each fold at the threshold of the other four.
        false_matches: of the non-mated pairs, those accepted at the operating point.
        false_non_matches: of the mated pairs, those refused there.
        command: that measures it again.
    """
    folds = "LFW View 2, folds 1 to 5:"
    words = "mean accuracy, each fold at the threshold of the other four"
    non_mated, mated = (f"{folds} 1,500 {kind} pairs, points by YuNet" for kind in ("non-mated", "mated"))
    return (
        counted(f"{folds} 3,000 pairs, points by YuNet", words, correct, 3_000, command),
        counted(non_mated, "FMR at the operating point", false_matches, 1_500, command),
        counted(mated, "FNMR at the operating point", false_non_matches, 1_500, command),
    )
