"""Tables I and V of FaceLiveNet: how often networks name the expression on a face, and by which branch 2.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-Based Liveness Detection, ICPR 2018. CK+ and OuluCASIA are judged by ten folds that
share no person, SFEW and FER2013 by their own lists. Of ten folds a member's folder keeps ``judged.json``, a row for
each face with the expression that the network of its fold named.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countenance.checkpoints import BEST, read_checkpoint
from countenance.datasets.ck_plus import NAME as CK_PLUS
from countenance.datasets.oulu_casia import NAME as OULU_CASIA
from countenance.errors import DataError, MissingFile, UsageError
from countenance.files import write_atomically
from countenance.networks.facelivenet import BranchVariant
from countenance.protocols.expression_accuracy import (
    AccuracyOverFolds,
    ExpressionAccuracy,
    JudgedExpressions,
    JudgedFold,
    accuracy_over_folds,
    choose_examples,
    expression_accuracy,
    fold_rows,
    predictions_of,
    table_5_row,
)
from countenance.protocols.table import TableRow
from countenance.recipes.facelivenet_expression import ten_folds, train_expression
from countenance.recipes.ming_members import CK_SIX, MEMBERS, OULU_SIX, Member, Sitting
from countenance.trained_facelivenet import judge_expressions, stated_facelivenet
from countenance.vocabulary import Expression

TABLE_1: Mapping[str, Mapping[BranchVariant, float]] = {
    CK_PLUS: {
        BranchVariant.BLOCK5_X1: 90.5,
        BranchVariant.BLOCK5_X2: 99.1,
        BranchVariant.BLOCK5_X2_BLOCK4: 91.9,
    },
    OULU_CASIA: {
        BranchVariant.BLOCK5_X1: 69.3,
        BranchVariant.BLOCK5_X2: 87.5,
        BranchVariant.BLOCK5_X2_BLOCK4: 84.0,
    },
}

_EXAMPLES_SEED = 0
_LOOKED_THROUGH = 12  # faces of each expression that examples are chosen among, where no judgement of each was kept
_JUDGED = "judged.json"


@dataclass(frozen=True, eq=False)
class ExampleFace:
    """A face for figure 3.

    Attributes:
        picture: (160, 160, 3) uint8 RGB, as the network sees it.
        truth: the expression on it.
        predicted: the one that the network saw.
    """

    picture: NDArray[np.uint8]
    truth: Expression
    predicted: Expression


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What figures 3 and 4 are drawn from.

    Attributes:
        name: of the row.
        accuracy: with the confusion matrix.
        label: printed on every figure, such as "drawn data".
        examples: finds faces that were named rightly and wrongly.
    """

    name: str
    accuracy: ExpressionAccuracy
    label: str
    examples: Callable[[], Sequence[ExampleFace]]


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldedFaces:
    """Faces of one set, each judged by the network of a fold that did not know its person.

    Attributes:
        identifiers: N, as the set names them.
        folds: (N,) from 1.
        judged: the N faces, truth and prediction, with their people.
        label: of every figure from them.
        without_face: photographs that were left out.
    """

    identifiers: tuple[str, ...]
    folds: NDArray[np.int64]
    judged: JudgedExpressions
    label: str
    without_face: int

    @property
    def people(self) -> list[frozenset[str]]:
        """Whom each fold holds out."""
        names = np.array(self.judged.subjects, np.str_)
        return [frozenset(names[self.folds == fold].tolist()) for fold in range(1, int(self.folds.max()) + 1)]

    @property
    def accuracy(self) -> AccuracyOverFolds:
        """The mean over folds, and all faces together."""
        everybody, found = frozenset(self.judged.subjects), []
        for number, people in enumerate(self.people, start=1):
            rows = np.flatnonzero(self.folds == number).tolist()
            part = JudgedExpressions(
                classes=self.judged.classes,
                truth=tuple(self.judged.truth[row] for row in rows),
                predicted=tuple(self.judged.predicted[row] for row in rows),
                subjects=tuple(self.judged.subjects[row] for row in rows),
            )
            found.append(JudgedFold(everybody - people, part))
        return accuracy_over_folds(found)


def table_1(sitting: Sitting) -> list[TableRow]:
    """Return the rows of table I: each variant of branch 2 by ten folds, six expressions.

    Raises:
        UsageError: a folder of another recipe, first stage or data; fewer than ten people.
        DataError: a set is not whole; the first stage cannot be had.
    """
    rows = []
    for member in (CK_SIX, OULU_SIX):
        for variant, reported in TABLE_1[member.sets[0]].items() if member.sets[0] in sitting.sets else ():
            found = folded(replace(member, variant=variant), sitting)
            if found is not None:
                told = sitting.told(member.sets, label=found.label, without_face=found.without_face)
                row = table_5_row(f"{member.sets[0]}, {variant}", found.accuracy, data=told)
                rows.append(replace(row, reported=reported))
    return rows


def table_5(sitting: Sitting, *, shown: Callable[[Shown], None] | None = None) -> list[TableRow]:
    """Return the rows of table V for which the sets are there.

    Args:
        sitting: with ck-plus, oulu-casia, sfew or fer2013; sfew and fer2013 together make a row more.
        shown: called with what figures 3 and 4 are drawn from.

    Raises:
        UsageError, DataError: as for `table_1`.
    """
    rows = []
    for member in (member for member in MEMBERS if set(member.sets) <= set(sitting.sets)):
        row, figures = (_folded_row if member.is_folded else _listed_rows)(member, sitting)
        rows += row
        if shown is not None:
            for figure in figures:
                shown(figure)
    return rows


def folded(member: Member, sitting: Sitting) -> FoldedFaces | None:
    """Train and judge the ten networks of a member, or read what they said; None where nothing may be trained.

    Raises:
        UsageError, DataError: as for `table_1`.
    """
    folder, recipe, (name,) = sitting.out / member.folder, member.recipe, member.sets
    place = folder / _JUDGED
    if sitting.only_done and not place.is_file():
        return None
    begun = {"recipe": recipe.as_json(), "initial": sitting.start.digest}
    faces = sitting.faces(name)
    begun["data"] = faces.digest
    if place.is_file():
        return _read_judged(place, begun, member.expressions, faces.without_face)
    sitting.say(f"{member.name}, {member.variant}: ten folds")
    run = ten_folds(
        recipe,
        initial=sitting.initial,
        data=sitting.data(member.sets),
        out=folder,
        maps=sitting.maps,
        say=sitting.say,
    )
    samples = [sample for sample in faces.samples if sample.expression in member.expressions]
    rows: list[list[Any]] = []
    cut = fold_rows([sample.subject for sample in samples])
    for number, (fold, held_out) in enumerate(zip(run.folds, cut, strict=True), start=1):
        tested = [samples[row] for row in np.flatnonzero(held_out.test).tolist()]
        assert fold.judged.truth == tuple(sample.expression for sample in tested)
        rows += [
            [sample.identifier, sample.subject, number, sample.expression, predicted]
            for sample, predicted in zip(tested, fold.judged.predicted, strict=True)
        ]
    write_atomically(place, json.dumps({**begun, "label": run.label, "seconds": run.seconds, "faces": rows}))
    return _read_judged(place, begun, member.expressions, faces.without_face)


def _read_judged(
    place: Path, begun: Mapping[str, Any], classes: tuple[Expression, ...], without_face: int
) -> FoldedFaces:
    try:
        card = json.loads(place.read_text(encoding="utf-8"))
        others = [key for key, value in begun.items() if card[key] != value]
        identifiers, subjects, folds, truth, predicted = zip(*card["faces"], strict=True)
        found = FoldedFaces(
            identifiers=identifiers,
            folds=np.array(folds, np.int64),
            judged=JudgedExpressions(
                classes=classes,
                truth=tuple(Expression(word) for word in truth),
                predicted=tuple(Expression(word) for word in predicted),
                subjects=subjects,
            ),
            label=card["label"],
            without_face=without_face,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            expected=f"what ten folds judged, in {place}", came="something else", remedy="delete it; it is judged anew"
        ) from error
    if others:
        raise _another(place.parent, others)
    return found


def _another(folder: Path, others: Sequence[str]) -> UsageError:
    return UsageError(
        expected=f"networks of this recipe, first stage and data in {folder}",
        came=f"others ({', '.join(others)})",
        remedy="name another folder: --out",
    )


def _folded_row(member: Member, sitting: Sitting) -> tuple[list[TableRow], list[Shown]]:
    found = folded(member, sitting)
    if found is None:
        return [], []
    accuracy, told = found.accuracy, sitting.told(member.sets, label=found.label, without_face=found.without_face)

    def examples() -> list[ExampleFace]:
        faces = sitting.faces(member.sets[0])
        number = {sample.identifier: place for place, sample in enumerate(faces.samples)}
        pictures = [number[name] for name in found.identifiers]
        return _examples(found.judged, lambda place: faces.face(pictures[place]))

    shown = Shown(name=member.name, accuracy=accuracy.pooled, label=found.label, examples=examples)
    return [table_5_row(member.name, accuracy, data=told)], [shown]


def _listed_rows(member: Member, sitting: Sitting) -> tuple[list[TableRow], list[Shown]]:
    """Rows of a set with lists of its own; of FER2013 also of the faces that are not in Training too."""
    card = _listed(member, sitting)
    if card is None:
        return [], []
    label, reported = str(card["label"]), member.sets[0]
    told = sitting.told(member.sets, label=label, without_face=card["data"]["without_face"])
    rows, shown = [], []
    for name, counted in card["accuracies"].items():
        if name.partition(",")[0] == reported:
            title, accuracy = member.name + name.removeprefix(reported), _recounted(counted)
            rows.append(table_5_row(title, accuracy, data=told))
            if name == reported:
                examples = _listed_examples(member, sitting)
                shown.append(Shown(name=title, accuracy=accuracy, label=label, examples=examples))
    return rows, shown


def _listed(member: Member, sitting: Sitting) -> Mapping[str, Any] | None:
    """Train a member, where that is asked for, and return its card; None where there is none."""
    folder, recipe = sitting.out / member.folder, member.recipe
    if not sitting.only_done:
        sitting.say(f"{member.name}: training")
        train_expression(
            recipe,
            initial=sitting.initial,
            data=sitting.data(member.sets),
            out=folder,
            maps=sitting.maps,
            say=sitting.say,
        )
    try:
        card = read_checkpoint(folder, BEST).card
    except MissingFile:
        return None
    stands = {
        "recipe": (card["recipe"], recipe.as_json()),
        "initial": (card["initial"]["digest"], sitting.start.digest),
        "data": (card["data"]["sets"], [[name, sitting.faces(name).digest] for name in member.sets]),
    }
    if others := [key for key, (came, expected) in stands.items() if came != expected]:
        raise _another(folder, others)
    return card


def _recounted(told: Mapping[str, Any]) -> ExpressionAccuracy:
    """An accuracy from the counts that a card holds; its faces name nobody."""
    classes = tuple(Expression(word) for word in told["classes"])
    pairs = [
        (truth, predicted)
        for truth, row in zip(classes, told["confusion"], strict=True)
        for predicted, count in zip(classes, row, strict=True)
        for _ in range(count)
    ]
    truths, predictions = zip(*pairs, strict=True)
    return expression_accuracy(JudgedExpressions(classes=classes, truth=truths, predicted=predictions))


def _listed_examples(member: Member, sitting: Sitting) -> Callable[[], list[ExampleFace]]:
    def examples() -> list[ExampleFace]:
        faces, network = sitting.faces(member.sets[0]), stated_facelivenet(sitting.out / member.folder).network
        generator = np.random.default_rng(_EXAMPLES_SEED)
        asked = range(faces.taught, len(faces.samples))
        places = [
            place
            for label in member.expressions
            for place in generator.permutation([row for row in asked if faces.samples[row].expression is label])[
                :_LOOKED_THROUGH
            ].tolist()
        ]
        pictures = np.stack([faces.face(place) for place in places])
        probabilities = judge_expressions(network, pictures, mirror=member.recipe.mirror_judged)
        judged = JudgedExpressions(
            classes=member.expressions,
            truth=tuple(faces.samples[place].expression for place in places),
            predicted=predictions_of(probabilities, member.expressions),
        )
        return _examples(judged, pictures.__getitem__)

    return examples


def _examples(judged: JudgedExpressions, picture: Callable[[int], NDArray[np.uint8]]) -> list[ExampleFace]:
    found = []
    for place in choose_examples(judged, np.random.default_rng(_EXAMPLES_SEED)):
        truth, predicted = judged.truth[place], judged.predicted[place]
        assert truth is not None
        assert predicted is not None
        found.append(ExampleFace(picture(place), truth, predicted))
    return found
