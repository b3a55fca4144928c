"""How often a network names the expression on a face: accuracy, confusion, folds that share no person.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face
Verification with Interactive Facial Expression-Based Liveness Detection, ICPR 2018, section IV-B, table V and figure 4.
CK+ and OuluCASIA are judged by ten folds without a common subject, FER2013 and SFEW by their own lists. The paper
prints the accuracy alone; beside it stand here its intervals, the recall of each expression and the mean over folds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.subject_folds import subject_folds
from countenance.errors import EmptyScores, NonFiniteScore, ProtocolMismatch, UsageError
from countenance.files import finite
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Bootstrap
from countenance.protocols.counted_share import CountedShare, counted_shares
from countenance.protocols.table import TableRow
from countenance.scores import FlagColumn, text
from countenance.vocabulary import Expression

TABLE_5: Mapping[str, float] = {
    "ck-plus, six expressions": 99.1,
    "ck-plus, eight expressions": 98.0,
    "oulu-casia": 87.5,
    "sfew": 49.5,
    "sfew, taught by fer2013 too": 53.2,
    "fer2013": 68.6,
}
"""FaceLiveNet's accuracies, in percent; that of FER2013 is on PublicTest."""

_SUM = 1e-3  # by how much the probabilities of a face may miss 1


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedExpressions:
    """Faces, the expression on each, and the one that a network saw.

    Attributes:
        classes: the E expressions that the network tells apart, in the order of its outputs.
        truth: N expressions.
        predicted: N expressions.
        subjects: who each face is of, "" where it is not known; empty for none known.

    Raises:
        UsageError: fewer than two classes, or one twice.
        EmptyScores: no face.
        ProtocolMismatch: lengths that differ, or a label that is none of the classes.
    """

    classes: tuple[Expression, ...]
    truth: tuple[Expression | None, ...]
    predicted: tuple[Expression | None, ...]
    subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_classes(self.classes)
        if not self.truth:
            raise EmptyScores(expected="faces with their expressions", came="none", remedy="name a set with labels")
        if len(self.predicted) != len(self.truth) or len(self.subjects) not in {0, len(self.truth)}:
            raise ProtocolMismatch(
                expected=f"{len(self.truth):,} predictions, and as many subjects or none",
                came=f"{len(self.predicted):,} and {len(self.subjects):,}",
                remedy="judge every face once, in one order",
            )
        for name, labels in (("truth", self.truth), ("prediction", self.predicted)):
            if strange := [label for label in labels if label not in self.classes]:
                raise ProtocolMismatch(
                    expected=f"a {name} among {', '.join(self.classes)}",
                    came=f"{len(strange):,} others, the first {strange[0]}",
                    remedy="leave out the faces of other classes, or name the classes of this network",
                )

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """(2, N): places among `classes` of truth and prediction."""
        place = {expression: number for number, expression in enumerate(self.classes)}
        rows = [[place[label] for label in labels if label is not None] for labels in (self.truth, self.predicted)]
        return np.array(rows, np.int64)

    @property
    def is_right(self) -> FlagColumn:
        """(N,): which predictions are the truth."""
        return np.asarray(self.codes[0] == self.codes[1])

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(E, E) counts: a row for the truth, a column for the prediction."""
        size = len(self.classes)
        return np.bincount(self.codes[0] * size + self.codes[1], minlength=size * size).reshape(size, size)


def predictions_of(probabilities: NDArray[np.floating], classes: Sequence[Expression]) -> tuple[Expression, ...]:
    """Return the most probable expression of each face; of equals the first, as in the released program.

    Args:
        probabilities: (N, E) in [0, 1], each row summing to 1.
        classes: E expressions.

    Raises:
        UsageError: fewer than two classes, or one twice.
        ProtocolMismatch: another shape, or rows that are no probabilities.
        NonFiniteScore: a NaN or an infinity.

    >>> predictions_of(np.array([[0.2, 0.8]]), [Expression.SAD, Expression.HAPPY])
    (<Expression.HAPPY: 'happy'>,)
    """
    _check_classes(classes)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
        raise ProtocolMismatch(
            expected=f"probabilities (N, {len(classes)})",
            came=f"{probabilities.shape}",
            remedy="name the classes of this network, in the order of its outputs",
        )
    if not np.isfinite(probabilities).all():
        raise NonFiniteScore(
            expected="finite probabilities",
            came=f"a NaN or an infinity in row {int(np.argmin(np.isfinite(probabilities).all(axis=1))) + 1}",
            remedy="mend the network; a face that it cannot judge has no prediction",
        )
    missed = np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1)
    if len(missed) and (probabilities.min() < 0 or missed.max() > _SUM):
        raise ProtocolMismatch(
            expected="rows of probabilities that sum to 1",
            came=f"a smallest value {probabilities.min():.3g} and a sum that misses 1 by {missed.max():.3g}",
            remedy="pass the softmax of the outputs",
        )
    return tuple(classes[place] for place in probabilities.argmax(axis=1).tolist())


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpressionAccuracy:
    """What was counted over judged faces.

    Attributes:
        classes: the E expressions.
        confusion: (E, E) counts: a row for the truth, a column for the prediction.
        accuracy: right ones of all.
        recalls: of each expression, right ones of those that show it.
    """

    classes: tuple[Expression, ...]
    confusion: NDArray[np.int64]
    accuracy: CountedShare
    recalls: tuple[CountedShare, ...]

    @property
    def row_shares(self) -> NDArray[np.float64]:
        """(E, E): the confusion as shares of each row; NaN in the row of an expression that nobody shows."""
        return row_shares(self.confusion)

    @property
    def mean_recall(self) -> float:
        """The mean of the recalls of the expressions that somebody shows: what is left of a set's imbalance."""
        return float(np.mean([recall.value for recall in self.recalls if recall.count.trials]))

    def as_json(self) -> dict[str, object]:
        """Return everything by name."""
        return {
            "classes": [str(expression) for expression in self.classes],
            "accuracy": self.accuracy.as_json(),
            "mean_recall": finite(self.mean_recall),
            "recalls": {
                str(expression): recall.as_json() for expression, recall in zip(self.classes, self.recalls, strict=True)
            },
            "confusion": self.confusion.tolist(),
        }


def expression_accuracy(judged: JudgedExpressions, *, drawing: Bootstrap | None = None) -> ExpressionAccuracy:
    """Count how often the expression was named rightly (table V, figure 4).

    Args:
        judged: faces, truth and prediction.
        drawing: of the bootstrap over subjects, where all are known; None for none.
    """
    right, truth = judged.is_right, judged.codes[0]
    everything = np.ones(len(judged), bool)
    accuracy, *recalls = counted_shares(
        [(right, everything), *((right, truth == number) for number in range(len(judged.classes)))],
        text(judged.subjects or [""] * len(judged)),
        drawing,
    )
    return ExpressionAccuracy(
        classes=judged.classes, confusion=judged.confusion, accuracy=accuracy, recalls=tuple(recalls)
    )


def row_shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return counts (R, C) as shares of each row, NaN in an empty row.

    >>> row_shares(np.array([[3, 1], [0, 2]])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    totals = confusion.sum(axis=1, keepdims=True).astype(np.float64)
    shares: NDArray[np.float64] = np.divide(confusion, totals, out=np.full(confusion.shape, np.nan), where=totals > 0)
    return shares


@dataclass(frozen=True, eq=False)
class SubjectFold:
    """One fold as rows of a list.

    Attributes:
        train: (N,) rows to learn from.
        test: (N,) rows of the held-out people: all the others.
    """

    train: FlagColumn
    test: FlagColumn


def fold_rows(subjects: Sequence[str], *, folds: int = 10) -> list[SubjectFold]:
    """Cut rows into folds that share no person, by `datasets.subject_folds`.

    Args:
        subjects: who each of N rows is of.
        folds: how many; ten in table V.

    Raises:
        UsageError: fewer subjects than folds, or fewer than two folds.
        ProtocolMismatch: a row whose subject is not known.
    """
    if "" in subjects:
        raise ProtocolMismatch(
            expected="the subject of every row",
            came=f"{list(subjects).count('')} rows without",
            remedy="folds that share no person need a set that names its people",
        )
    held_out = [np.isin(text(subjects), text(names)) for names in subject_folds(subjects, folds=folds)]
    return [SubjectFold(train=~rows, test=rows) for rows in held_out]


@dataclass(frozen=True, eq=False)
class JudgedFold:
    """What was tested in one fold, and who taught.

    Attributes:
        train_subjects: whose faces the network of this fold was trained or chosen on.
        judged: the held-out faces.
    """

    train_subjects: frozenset[str]
    judged: JudgedExpressions


@dataclass(frozen=True, kw_only=True, eq=False)
class AccuracyOverFolds:
    """Accuracy by cross-validation.

    Attributes:
        folds: right ones in each fold.
        pooled: all folds' faces together, each judged by the network that did not know it.
    """

    folds: tuple[Proportion, ...]
    pooled: ExpressionAccuracy

    @property
    def mean(self) -> float:
        """Mean of the folds' accuracies, which papers print."""
        return float(np.mean([fold.value for fold in self.folds]))

    @property
    def std(self) -> float:
        """Sample standard deviation over the folds (divisor F - 1)."""
        return float(np.std([fold.value for fold in self.folds], ddof=1))

    @property
    def standard_error(self) -> float:
        """`std` / sqrt(F)."""
        return self.std / math.sqrt(len(self.folds))

    def as_json(self) -> dict[str, object]:
        """Return everything by name."""
        return {
            "mean": self.mean,
            "std": self.std,
            "standard_error": self.standard_error,
            "folds": [[fold.count, fold.trials] for fold in self.folds],
            "pooled": self.pooled.as_json(),
        }


def accuracy_over_folds(folds: Sequence[JudgedFold], *, drawing: Bootstrap | None = None) -> AccuracyOverFolds:
    """Return the mean accuracy over folds, where nobody who is tested has taught.

    Args:
        folds: two or more, of one set of classes, every face with its subject.
        drawing: of the bootstrap over subjects of all folds together; None for none.

    Raises:
        UsageError: fewer than two folds, or folds of different classes.
        ProtocolMismatch: a face or a training without subjects, a person on both sides of a fold, or in two folds.
    """
    if len(folds) < 2 or len({fold.judged.classes for fold in folds}) != 1:
        raise UsageError(
            expected="two folds or more, of the same classes",
            came=f"{len(folds)} of {len({fold.judged.classes for fold in folds})} sets of classes",
            remedy="judge each fold with the same network layout",
        )
    _refuse_shared_people(folds)
    together = JudgedExpressions(
        classes=folds[0].judged.classes,
        truth=_joined(fold.judged.truth for fold in folds),
        predicted=_joined(fold.judged.predicted for fold in folds),
        subjects=tuple(chain.from_iterable(fold.judged.subjects for fold in folds)),
    )
    return AccuracyOverFolds(
        folds=tuple(Proportion(int(fold.judged.is_right.sum()), len(fold.judged)) for fold in folds),
        pooled=expression_accuracy(together, drawing=drawing),
    )


def table_5_row(name: str, found: ExpressionAccuracy | AccuracyOverFolds, *, data: str) -> TableRow:
    """Return one row of table V, in percent; a mean over folds has its counts in the note, for it is no share.

    Args:
        name: one of `TABLE_5`, whose published value stands beside; of another name none does.
        found: as measured.
        data: what was measured on.
    """
    whole = found.pooled if isinstance(found, AccuracyOverFolds) else found
    share = whole.accuracy
    if isinstance(found, ExpressionAccuracy):
        return share.row(name, data=data, reported=TABLE_5.get(name))
    exact = share.interval.times(100)
    return TableRow(
        name=name,
        reported=TABLE_5.get(name),
        measured=100 * found.mean,
        count=None,
        interval=None,
        data=data,
        note=f"mean of {len(found.folds)} folds, standard error {100 * found.standard_error:.1f}; all together "
        f"{share.count.count:,} of {share.count.trials:,}, {100 * share.value:.1f} %, "
        f"exactly {exact.low:.1f} to {exact.high:.1f}",
    )


def choose_examples(
    judged: JudgedExpressions, generator: np.random.Generator, *, right: int = 1, wrong: int = 1
) -> list[int]:
    """Draw faces to show (figure 3): of each expression so many named rightly and so many named wrongly.

    Args:
        judged: faces, truth and prediction.
        generator: the source of all choices.
        right: of each expression, at most.
        wrong: of each expression, at most.

    Returns:
        Places among the judged faces, in the order of the classes, right ones first.
    """
    chosen = []
    for number in range(len(judged.classes)):
        for is_right, wanted in ((True, right), (False, wrong)):
            pool = np.flatnonzero((judged.codes[0] == number) & (judged.is_right == is_right))
            chosen += sorted(generator.permutation(pool)[:wanted].tolist())
    return chosen


def _check_classes(classes: Sequence[Expression]) -> None:
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise UsageError(
            expected="two expressions or more, each once", came=", ".join(classes) or "none", remedy="name the classes"
        )


def _refuse_shared_people(folds: Sequence[JudgedFold]) -> None:
    tested_in: dict[str, int] = {}
    for number, fold in enumerate(folds, start=1):
        people = set(fold.judged.subjects)
        if not people or "" in people or not fold.train_subjects:
            raise ProtocolMismatch(
                expected=f"the subject of every face that fold {number} tests and learns from",
                came="faces without one",
                remedy="folds that share no person need a set that names its people",
            )
        if shared := sorted(people & fold.train_subjects):
            raise ProtocolMismatch(
                expected=f"nobody in both training and test of fold {number}",
                came=f"{len(shared)}, the first {shared[0]!r}",
                remedy="cut the folds by subject: fold_rows",
            )
        if twice := sorted(people & set(tested_in)):
            raise ProtocolMismatch(
                expected="everybody tested in one fold",
                came=f"{twice[0]!r} in folds {tested_in[twice[0]]} and {number}",
                remedy="cut the folds by subject: fold_rows",
            )
        tested_in |= dict.fromkeys(people, number)


def _joined(parts: Iterable[tuple[Expression | None, ...]]) -> tuple[Expression | None, ...]:
    return tuple(chain.from_iterable(parts))
