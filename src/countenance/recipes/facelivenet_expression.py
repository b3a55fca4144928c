"""Train a FaceLiveNet to read expressions: stage 2 of Algorithm 1.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-based Liveness Detection, ICPR 2018, Algorithm 1 and section IV-B. Trunk and branch 1
are frozen; branch 2 starts as a copy of branch 1 and learns with a softmax alone.

- As the trunk is frozen, it sees each face twice, plain and mirrored, and never again: `loading.trunk_maps`. Crops that
  are drawn anew in each epoch, as the paper has them, are given up for that. Figures are of these maps too, which a
  trunk in bfloat16 made; how many faces are named otherwise in float32 was not measured.
- The released code chooses by the accuracy on the faces that it reports on. Here a part of those to learn from is held
  out and chooses the epoch: other people where the set names them, as many of each expression where it does not. Faces
  of FER2013 that are equal in every pixel stay on one side. PublicTest is judged once, in the end.
- AdamW, half a cosine, smoothed labels and their numbers are ours; momentum 0.99, a rate that is divided by ten and a
  weight decay of 5e-5 (section IV-A) can be asked for.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from countenance.checkpoints import BEST, Checkpoint, module_tensors, read_checkpoint, write_checkpoint
from countenance.errors import UsageError, at_least
from countenance.faces.detection import Detector
from countenance.loading.trunk_maps import MIRRORED, PLAIN, KeptMaps, trunk_maps
from countenance.networks.facelivenet import SEVEN, BranchVariant, FaceLiveNet, freeze_for_expression
from countenance.networks.inception_resnet_v1 import ShiftedNorm
from countenance.progress import Progress, Say, unheard
from countenance.protocols.expression_accuracy import (
    AccuracyOverFolds,
    ExpressionAccuracy,
    JudgedExpressions,
    JudgedFold,
    accuracy_over_folds,
    expression_accuracy,
    fold_rows,
    predictions_of,
)
from countenance.recipes.expression_faces import NamedFaces, boxes_file, named_sets, read_faces
from countenance.released import detector as released_detector
from countenance.run_history import FiguredHistory, module_state
from countenance.trained_facelivenet import (
    StatedFaceLiveNet,
    described,
    facelivenet_state,
    probabilities_of,
    stated_stage_1,
)
from countenance.training import EpochReport, fit, half_cosine
from countenance.vocabulary import Expression

CHOSEN = "chosen"
"""Checkpoint of a run: branch 2 and head of the best epoch so far."""
_BATCH = 128  # faces at once, where nothing is learnt
_HELD_OUT, _ORDER = 0, 1  # the uses of a seed


@dataclass(frozen=True, kw_only=True)
class ExpressionRecipe:
    """All that decides what comes out, beside the first stage and the data.

    Attributes:
        expressions: to tell apart, in the order of the logits; faces of others are left out. None named: all that the
            data show, in the order of `Expression`.
        variant: what branch 2 has of its own: a column of Table I.
        rectified_logits: whether no logit can be below 0, as in the released code.
        epochs: in all.
        batch_size: faces in a step; a smaller set is one batch.
        learning_rate: at the first step.
        divided_at: epochs after which the rate is divided by 10; none: it falls to 0 along half a cosine.
        momentum: of SGD after Nesterov; None: AdamW.
        weight_decay: of the optimizer.
        dropout: share of branch 2's means that is dropped.
        norm_momentum: by how much the statistics of branch 2's normalisations follow each batch; a set of a few hundred
            faces wants 0.1, lest they stay those of branch 1.
        label_smoothing: share of the target that all expressions have in equal parts.
        mixup: parameter of the Beta distribution by which every face of a step, and its label, is mixed with another's
            (H. Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018); 0: none are mixed.
        mirror: whether every other face is learnt mirrored, drawn anew each time.
        mirror_judged: whether logits are judged as the mean of those of a face and of its mirror image.
        held_out: share of the faces to learn from that chooses the epoch instead.
        seed: of the head, the faces held out, their order and what is dropped.

    Raises:
        UsageError: a number outside its range, or an impossible list of expressions.
    """

    expressions: tuple[Expression, ...] = ()
    variant: BranchVariant = BranchVariant.BLOCK5_X2  # Table I
    rectified_logits: bool = False
    epochs: int = 10
    batch_size: int = 90  # as the released code
    learning_rate: float = 5e-4
    divided_at: tuple[int, ...] = ()
    momentum: float | None = None
    weight_decay: float = 0.05
    dropout: float = 0.5  # section IV-A
    norm_momentum: float = 0.005  # as the released code: a decay of 0.995
    label_smoothing: float = 0.1
    mixup: float = 0.0
    mirror: bool = True
    mirror_judged: bool = True
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)
        at_least(2, batch_size=self.batch_size)
        at_least(0, seed=self.seed)
        shares = (self.dropout, self.label_smoothing, self.momentum or 0.0)
        if not (self.learning_rate > 0 and self.weight_decay >= 0 and all(0 <= share < 1 for share in shares)):
            raise UsageError(
                expected="a learning rate above 0, a weight decay of at least 0; dropout, label smoothing and momentum "
                "from 0 to below 1",
                came=f"{self.learning_rate:g}, {self.weight_decay:g}; {', '.join(f'{share:g}' for share in shares)}",
                remedy="correct the number",
            )
        if not (0 < self.held_out < 1 and 0 <= self.norm_momentum <= 1 and 0 <= self.mixup < float("inf")):
            raise UsageError(
                expected="a share held out between 0 and 1, a norm momentum from 0 to 1, a mixup of at least 0",
                came=f"{self.held_out:g}, {self.norm_momentum:g} and {self.mixup:g}",
                remedy="for example 0.1",
            )
        steps = (0, *self.divided_at, self.epochs)
        if self.divided_at and any(late <= early for early, late in pairwise(steps)):
            raise UsageError(
                expected=f"epochs from 1 to {self.epochs - 1} after which the rate falls, each later than the last",
                came=", ".join(map(str, self.divided_at)),
                remedy="correct them, or train for longer",
            )
        if self.variant not in set(BranchVariant) or not set(self.expressions) <= set(Expression):
            raise UsageError(
                expected=f"a variant ({', '.join(BranchVariant)}) and expressions among {', '.join(Expression)}",
                came=f"{self.variant!s} and {', '.join(map(str, self.expressions)) or 'none'}",
                remedy="name one of them",
            )
        if len(self.expressions) == 1 or len(set(self.expressions)) < len(self.expressions):
            raise UsageError(
                expected="two expressions or more, each once, or none for all",
                came=", ".join(self.expressions),
                remedy="correct the list",
            )

    def as_json(self) -> dict[str, Any]:
        """Return every field as JSON holds it."""
        words = {"expressions": [str(each) for each in self.expressions], "variant": str(self.variant)}
        return {**asdict(self), **words, "divided_at": list(self.divided_at)}


RECIPES: Mapping[str, ExpressionRecipe] = {
    "facelivenet-expression": ExpressionRecipe(),
    "facelivenet-slim-expression": ExpressionRecipe(expressions=SEVEN, epochs=20, learning_rate=1e-3),
}
"""The second: a narrow branch learns its faces by heart less soon; of the sets that it takes one shows contempt too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpressionRun:
    """What a training did.

    Attributes:
        epochs: that are done, those before an interruption among them.
        best: the epoch that was taken, from 1.
        checkpoint: the card of the whole network.
        losses: mean loss of each epoch.
        figures: on the held-out part before the first epoch and after each: accuracy and loss.
        held_out: what the network that was taken tells of the held-out part, which chose it.
        judged: the same of faces that neither taught nor chose, by the set's name: FER2013's PublicTest, SFEW's second
            list. Where some are equal to faces that taught or chose, the others stand apart too, "NAME, unseen".
        seconds: that this call took.
        label: printed with every figure, such as "drawn data".
    """

    epochs: int
    best: int
    checkpoint: Path
    losses: tuple[float, ...]
    figures: tuple[Mapping[str, float], ...]
    held_out: ExpressionAccuracy
    judged: Mapping[str, ExpressionAccuracy]
    seconds: float
    label: str

    def as_json(self) -> dict[str, Any]:
        """Return the run as the command line prints it."""
        judged = {name: found.as_json() for name, found in self.judged.items()}
        return vars(self) | {
            "checkpoint": str(self.checkpoint),
            "held_out": self.held_out.as_json(),
            "judged": judged,
        }

    def told(self) -> str:
        """Return a line that says what was done."""
        parts = {"the part held out": self.held_out, **self.judged}
        found = "; ".join(f"{name}: {_told(accuracy)}" for name, accuracy in parts.items())
        return f"{self.epochs} epochs in {self.seconds:.1f} s, epoch {self.best} was the best; {found}"


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldedExpressions:
    """What ten folds found, for Table V and Figure 4.

    Attributes:
        folds: what each network judged, and whose faces taught and chose it.
        accuracy: over the folds, without a bootstrap; `accuracy_over_folds` of `folds` draws one.
        best: the epoch that was taken in each fold, from 1.
        seconds: that this call took.
        label: printed with every figure, such as "drawn data".
    """

    folds: tuple[JudgedFold, ...]
    accuracy: AccuracyOverFolds
    best: tuple[int, ...]
    seconds: float
    label: str

    def as_json(self) -> dict[str, Any]:
        """Return the figures as the command line prints them."""
        return {**self.accuracy.as_json(), "best": self.best, "seconds": self.seconds, "label": self.label}


def train_expression(
    recipe: ExpressionRecipe,
    *,
    initial: str,
    data: str,
    out: str | os.PathLike[str],
    maps: str | os.PathLike[str] | None = None,
    detector: Detector | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> ExpressionRun:
    """Train branch 2 and a head on named sets; goes on where a run of the same recipe was stopped.

    The folder holds the checkpoint ``last``, from which it goes on, ``chosen``, and at the end ``best``, the whole
    network with its card.

    Args:
        recipe: what to do.
        initial: as for `trained_facelivenet.stage_1`.
        data: NAME:ROOT of fer2013, ck-plus, oulu-casia or sfew; several, between commas, are learnt together.
        out: folder of the run.
        maps: folder of what the trunk sees, which runs with the same first stage may share; in that of the run where
            None.
        detector: finds the faces in photographs; YuNet where None.
        progress: called with (faces done, faces in all), then with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        DataError: a set is not whole, or contradicts itself; the first stage cannot be had.
        UsageError: the folder holds a run of another recipe or of other data; too few faces or expressions.
    """
    started = time.perf_counter()
    start = stated_stage_1(initial)
    lessons = _lessons(recipe, start, _Places.of(data, out, maps), detector, progress, say)
    train, held = _apart(recipe, lessons, lessons.part(taught=True))
    judged = lessons.judged_parts()
    first = _first(recipe, start, lessons, {"train": train, "held_out": held, **judged})
    say(f"training for {recipe.epochs} epochs on {len(train):,} faces; {len(held):,} choose the epoch")
    course = _learn(recipe, lessons, train, held, Path(out), first, progress)
    accuracies = {
        name: expression_accuracy(lessons.judged(part, mirror=recipe.mirror_judged))
        for name, part in {"held_out": held, **judged}.items()
    }
    card = {
        **course.told(),
        "epoch": course.best,
        "accuracies": {name: found.as_json() for name, found in accuracies.items()},
    }
    state = facelivenet_state(lessons.network, point=start.point, label=lessons.label, **card)
    return ExpressionRun(
        epochs=course.position.epochs,
        best=course.best,
        checkpoint=write_checkpoint(out, BEST, state),
        losses=tuple(course.losses),
        figures=tuple(course.figures),
        held_out=accuracies["held_out"],
        judged={name: accuracies[name] for name in judged},
        seconds=time.perf_counter() - started,
        label=lessons.label,
    )


def ten_folds(
    recipe: ExpressionRecipe,
    *,
    initial: str,
    data: str,
    out: str | os.PathLike[str],
    maps: str | os.PathLike[str] | None = None,
    detector: Detector | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> FoldedExpressions:
    """Train ten times, each time without a tenth of the people, and judge these; goes on where it was stopped.

    The trunk sees each face once for all folds. The folder of a fold, ``fold-01`` and so on, holds ``last`` and
    ``chosen``; no whole network is written.

    Args:
        recipe: of every fold; the part held out chooses the epoch, and is of people of the other nine tenths.
        initial: as for `train_expression`.
        data: NAME:ROOT of one set that names its people: ck-plus or oulu-casia.
        out: folder of the folds.
        maps: as for `train_expression`.
        detector: as for `train_expression`.
        progress: as for `train_expression`, of each fold.
        say: called with a line before each part.

    Raises:
        DataError: the set is not whole, contradicts itself or does not name its people; no first stage.
        UsageError: several sets; a folder of another recipe or of other data; fewer than ten people.
    """
    started = time.perf_counter()
    places = _Places.of(data, out, maps)
    if len(places.sets) != 1:
        raise UsageError(
            expected="one set for ten folds", came=f"{len(places.sets)}", remedy="name ck-plus or oulu-casia alone"
        )
    start = stated_stage_1(initial)
    lessons = _lessons(recipe, start, places, detector, progress, say)
    everything = lessons.part(taught=True)
    folds = fold_rows(lessons.subjects(everything))
    judged, best = [], []
    for number, fold in enumerate(folds, start=1):
        known, test = everything.of(fold.train), everything.of(fold.test)
        train, held = _apart(recipe, lessons, known)
        say(f"fold {number} of {len(folds)}: {len(train):,} faces to learn from, {len(held):,} to choose the epoch by")
        first = _first(recipe, start, lessons, {"train": train, "held_out": held, "test": test})
        course = _learn(recipe, lessons, train, held, Path(out) / f"fold-{number:02d}", first, progress)
        best.append(course.best)
        found = lessons.judged(test, mirror=recipe.mirror_judged)
        judged.append(JudgedFold(frozenset(lessons.subjects(known)), found))
    return FoldedExpressions(
        folds=tuple(judged),
        accuracy=accuracy_over_folds(judged),
        best=tuple(best),
        seconds=time.perf_counter() - started,
        label=lessons.label,
    )


@dataclass(frozen=True)
class _Places:
    """The sets, and where what the trunk sees of them is kept."""

    sets: Sequence[tuple[str, Path]]
    maps: Path

    @classmethod
    def of(cls, data: str, out: str | os.PathLike[str], maps: str | os.PathLike[str] | None) -> "_Places":
        return cls(named_sets(data), Path(out) / "maps" if maps is None else Path(maps))


@dataclass(frozen=True, eq=False)
class _Part:
    """M faces.

    Attributes:
        sets: (M,) number of the set of each.
        rows: (M,) its place there.
        labels: (M,) its expression, as a place among the network's.
    """

    sets: NDArray[np.intp]
    rows: NDArray[np.intp]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, chosen: NDArray[Any]) -> "_Part":
        """Some of them, by numbers or flags."""
        return _Part(self.sets[chosen], self.rows[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class _Lessons:
    """All faces, what the trunk sees in them, and the network that learns."""

    sets: Sequence[NamedFaces]
    maps: Sequence[KeptMaps]
    network: FaceLiveNet
    label: str

    def part(self, *, taught: bool, of: str = "") -> _Part:
        """The faces that may be learnt from, or those that only judge in the end, of all sets or of one."""
        place = {expression: number for number, expression in enumerate(self.network.expressions)}
        found = [
            (number, row, place[sample.expression])
            for number, faces in enumerate(self.sets)
            for row, sample in enumerate(faces.samples)
            if sample.expression in place and (row < faces.taught) is taught and of in {"", faces.name}
        ]
        columns = np.array(found, np.int64).reshape(-1, 3)
        return _Part(columns[:, 0].astype(np.intp), columns[:, 1].astype(np.intp), columns[:, 2])

    def judged_parts(self) -> dict[str, _Part]:
        """The faces that only judge in the end, by the name of their set.

        Of FER2013's PublicTest 280 faces stand in Training too, equal in every pixel; the others stand apart as well.
        """
        known, parts = self.twins(self.part(taught=True)), dict[str, _Part]()
        for faces in self.sets:
            parts[faces.name] = self.part(taught=False, of=faces.name)
            is_known = np.isin(self.twins(parts[faces.name]), known)
            if is_known.any():
                parts[f"{faces.name}, unseen"] = parts[faces.name].of(~is_known)
        return {name: part for name, part in parts.items() if len(part)}

    def subjects(self, part: _Part) -> list[str]:
        """Who each face is of, "" where that is not known."""
        pairs = zip(part.sets.tolist(), part.rows.tolist(), strict=True)
        return [self.sets[number].samples[row].subject for number, row in pairs]

    def twins(self, part: _Part) -> NDArray[np.uint64]:
        """(M,) numbers that are equal for equal faces."""
        pairs = zip(part.sets.tolist(), part.rows.tolist(), strict=True)
        return np.array([self.maps[number].faces[row] for number, row in pairs], np.uint64)

    def seen(self, part: _Part, views: NDArray[np.intp]) -> Tensor:
        """(M, C, H, W): a view (M,) of each face, where branch 2 starts."""
        found = np.empty((len(part), *self.maps[0].maps.shape[2:]), np.float16)
        for number, kept in enumerate(self.maps):
            mine = part.sets == number
            found[mine] = kept.maps[part.rows[mine], views[mine]]
        return torch.from_numpy(found).float().permute(0, 3, 1, 2)

    def logits(self, part: _Part, *, mirror: bool) -> list[NDArray[np.float32]]:
        """(M, E) of each view, in inference mode."""
        self.network.eval()
        found = []
        with torch.inference_mode():
            for view in (PLAIN, MIRRORED) if mirror else (PLAIN,):
                rows = []
                for first in range(0, len(part), _BATCH):
                    some = part.of(np.arange(first, min(first + _BATCH, len(part))))
                    rows.append(self.network.express(self.seen(some, np.full(len(some), view))))
                found.append(torch.cat(rows).numpy())
        return found

    def judged(self, part: _Part, *, mirror: bool) -> JudgedExpressions:
        """What the network names each face."""
        classes = self.network.expressions
        subjects = self.subjects(part)
        return JudgedExpressions(
            classes=classes,
            truth=tuple(classes[label] for label in part.labels.tolist()),
            predicted=predictions_of(probabilities_of(self.logits(part, mirror=mirror)), classes),
            subjects=tuple(subjects) if all(subjects) else (),
        )


class _Pupil(nn.Module):
    """What learns: branch 2 and the head."""

    def __init__(self, network: FaceLiveNet) -> None:
        super().__init__()
        self.branch_2, self.head = network.branch_2, network.head
        self._express = network.express  # a method: the rest of the network is no part of this module

    def forward(self, maps: Tensor) -> Tensor:
        """Return the logits (N, E) of what the trunk sees."""
        return self._express(maps)


def _lessons(
    recipe: ExpressionRecipe,
    start: StatedFaceLiveNet,
    places: _Places,
    detector: Detector | None,
    progress: Progress,
    say: Say,
) -> _Lessons:
    sets = []
    for name, root in places.sets:
        say(f"reading {name}:{root}")
        sets.append(
            read_faces(
                name,
                root,
                boxes=boxes_file(places.maps, name),
                detector=(lambda: detector) if detector is not None else released_detector,
                progress=progress,
                say=say,
            )
        )
    shown = {sample.expression for faces in sets for sample in faces.samples[: faces.taught]}
    if missing := [expression for expression in recipe.expressions if expression not in shown]:
        raise UsageError(
            expected="faces to learn from with every expression that is to be told apart",
            came=f"none with {', '.join(missing)}",
            remedy="leave these out, or add a set that shows them",
        )
    network = start.network
    with torch.random.fork_rng(devices=[]):
        _fork(recipe, network, recipe.expressions or tuple(each for each in Expression if each in shown))
    where = "middle" if recipe.variant is BranchVariant.BLOCK5_X2_BLOCK4 else "top"
    kept = [
        trunk_maps(network, faces.source, places.maps / f"{faces.name}-{where}", progress=progress, say=say)
        for faces in sets
    ]
    return _Lessons(sets, kept, network, _label([faces.label for faces in sets], start.label))


def _label(sets: Sequence[str], start: str) -> str:
    """Of the data: those of the drawn sets, and that there were real ones beside them."""
    drawn = ", ".join(dict.fromkeys(label for label in (*sets, start) if label))
    return f"real faces and {drawn}" if drawn and "" in sets else drawn


def _fork(recipe: ExpressionRecipe, network: FaceLiveNet, expressions: Sequence[Expression]) -> None:
    """Algorithm 1, stage 2, lines 1 and 2; the head and what is dropped follow from the seed."""
    torch.manual_seed(recipe.seed)
    network.fork(expressions, variant=recipe.variant, rectified_logits=recipe.rectified_logits)
    assert network.branch_2 is not None
    network.branch_2.dropout.p = recipe.dropout
    for part in network.branch_2.modules():
        if isinstance(part, ShiftedNorm):
            part.momentum = recipe.norm_momentum
    freeze_for_expression(network)


def _apart(recipe: ExpressionRecipe, lessons: _Lessons, known: _Part) -> tuple[_Part, _Part]:
    """Cut the faces to learn from in two: those that teach, and those that choose the epoch."""
    is_held = np.zeros(len(known), bool)
    names, twins = np.array(lessons.subjects(known), np.str_), lessons.twins(known)
    for number in range(len(lessons.sets)):
        mine = known.sets == number
        generator = _generator(recipe, _HELD_OUT, number)
        if np.all(names[mine] != ""):
            is_held |= mine & np.isin(names, _drawn(generator, np.unique(names[mine]), recipe.held_out))
            continue
        _, first = np.unique(np.where(mine, twins, 0), return_index=True)
        first = first[mine[first]]  # one of each group of equal faces
        for label in np.unique(known.labels[first]):
            group = twins[first[known.labels[first] == label]]
            is_held |= mine & np.isin(twins, _drawn(generator, group, recipe.held_out))
    # A face that stands in two sets is held out in both.
    is_held |= np.isin(twins, twins[is_held]) & (names == "")
    train, held = known.of(~is_held), known.of(is_held)
    short = [
        expression for label, expression in enumerate(lessons.network.expressions) if not np.any(train.labels == label)
    ]
    if short or not len(held):
        raise UsageError(
            expected="faces to learn from with every expression, and some to choose the epoch by",
            came=f"{len(train):,} and {len(held):,}" + (f", none with {', '.join(short)}" if short else ""),
            remedy="name a larger set, or another share to hold out",
        )
    return train, held


def _drawn(generator: np.random.Generator, groups: NDArray[Any], share: float) -> NDArray[Any]:
    """A share of groups, at least one and never all."""
    count = min(max(1, round(share * len(groups))), len(groups) - 1)
    return groups[generator.permutation(len(groups))[:count]]


def _generator(recipe: ExpressionRecipe, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([recipe.seed, *key])))


def _first(
    recipe: ExpressionRecipe, start: StatedFaceLiveNet, lessons: _Lessons, parts: Mapping[str, _Part]
) -> dict[str, Any]:
    """What a run is begun with."""
    data = {
        "sets": [[faces.name, faces.digest] for faces in lessons.sets],
        "expressions": [str(expression) for expression in lessons.network.expressions],
        "faces": {name: len(part) for name, part in parts.items()},
        "without_face": sum(faces.without_face for faces in lessons.sets),
        "label": lessons.label,
    }
    initial = {"layout": described(start.network)["layout"], "digest": start.digest}
    return {"recipe": recipe.as_json(), "data": data, "initial": initial}


def _learn(
    recipe: ExpressionRecipe,
    lessons: _Lessons,
    train: _Part,
    held: _Part,
    folder: Path,
    first: Mapping[str, Any],
    progress: Progress,
) -> "_History":
    """Train, and leave the network with the branch 2 and the head of its best epoch, in inference mode."""
    with torch.random.fork_rng(devices=[]):
        _fork(recipe, lessons.network, lessons.network.expressions)
        pupil = _Pupil(lessons.network)
        optimizer = _optimizer(recipe, pupil)
        history = _History(folder, first, pupil, optimizer, lambda: _figures(recipe, lessons, held))
        history.resume()
        size = min(recipe.batch_size, len(train))
        steps = recipe.epochs * (len(train) // size)
        fit(
            pupil,
            lambda module, batch: cross_entropy(
                module(batch[0]), batch[1], label_smoothing=recipe.label_smoothing
            ),  # Alg. 1, stage 2, line 4
            lambda epoch: _batches(recipe, lessons, train, size, epoch),
            optimizer=optimizer,
            epochs=recipe.epochs,
            start=history.position,
            schedule=_schedule(recipe, steps),
            after_step=lambda step: progress(step, steps),
            after_epoch=history.note,
        )
    pupil.load_state_dict(module_tensors(read_checkpoint(folder, CHOSEN)))
    lessons.network.eval()
    return history


def _optimizer(recipe: ExpressionRecipe, pupil: _Pupil) -> torch.optim.Optimizer:
    if recipe.momentum is None:
        return torch.optim.AdamW(pupil.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        pupil.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )


def _schedule(recipe: ExpressionRecipe, steps: int) -> Callable[[int], float]:
    if not recipe.divided_at:
        return half_cosine(steps)
    falls = [epoch * (steps // recipe.epochs) for epoch in recipe.divided_at]
    return lambda step: 0.1 ** sum(step >= fall for fall in falls)


def _batches(
    recipe: ExpressionRecipe, lessons: _Lessons, train: _Part, size: int, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The whole batches of an epoch, from its number from 0: (B, C, H, W), and labels (B,) or shares of them (B, E)."""
    generator = _generator(recipe, _ORDER, epoch)
    order = generator.permutation(len(train))
    views = generator.integers(2, size=len(train)) if recipe.mirror else np.zeros(len(train), np.int64)
    for first in range(0, len(train) - size + 1, size):
        batch = train.of(order[first : first + size])
        maps, labels = lessons.seen(batch, views[first : first + size]), torch.from_numpy(batch.labels)
        if not recipe.mixup:
            yield maps, labels
            continue
        share = generator.beta(recipe.mixup, recipe.mixup)
        others = torch.from_numpy(generator.permutation(size))
        shares = one_hot(labels, len(lessons.network.expressions)).float()
        yield torch.lerp(maps[others], maps, share), torch.lerp(shares[others], shares, share)


def _figures(recipe: ExpressionRecipe, lessons: _Lessons, held: _Part) -> dict[str, float]:
    """Accuracy and loss on the held-out part."""
    probabilities = probabilities_of(lessons.logits(held, mirror=recipe.mirror_judged))
    right = probabilities.argmax(axis=1) == held.labels
    losses = -np.log(np.maximum(probabilities[np.arange(len(held)), held.labels], 1e-12))
    return {"accuracy": float(right.mean()), "loss": float(losses.mean())}


def _told(accuracy: ExpressionAccuracy) -> str:
    low_high = accuracy.accuracy.interval.times(100)
    count = accuracy.accuracy.count
    return (
        f"{count.count:,} of {count.trials:,} right, {100 * count.value:.1f} % "
        f"({low_high.low:.1f} to {low_high.high:.1f})"
    )


class _History(FiguredHistory):
    """What a run has come to after each epoch, kept in its folder."""

    @property
    def best(self) -> int:
        """The epoch, from 1, that is best on the held-out part; of equal ones that of the least loss."""
        merits = [(figures["accuracy"], -figures["loss"]) for figures in self.figures[1:]]
        return 1 + merits.index(max(merits))

    def note(self, report: EpochReport) -> None:
        """Judge the held-out part, keep the epoch if it is the best so far, and write the one to go on from."""
        state = self.add(report)
        version = {"version": metadata.version("countenance")}
        if self.best == self.position.epochs:
            card = {**self.told(), **version, "epoch": self.best}
            write_checkpoint(self.folder, CHOSEN, Checkpoint(module_state(state), card))
        self.write_last(state, **version)
