"""Stage 1 of FaceLiveNet without a set of a million faces: it learns to say what facenet says.

Ming et al. 2018 train trunk and branch 1 on CASIA-WebFace or MS-Celeb-1M (`recipes.facelivenet`). Who has neither can
have them taught: views of faces and facenet's template of each (`recipes.facelivenet_views`) stand for identities. The
student's features have another length than facenet's 128 numbers, so that these are led into its space by a map that
keeps every cosine: for a student with facenet's own widths by the nearest such map to the transpose of facenet's
bottleneck, which is where its features lie already; for a narrower one by a drawn one. The loss is 1 - cosine.

    countenance train facelivenet-distilled --data fer2013:ROOT,lfw:ROOT --out RUN
    countenance train facelivenet-slim-distilled --data fer2013:ROOT,lfw:ROOT --out RUN

The released layout starts with facenet's own blocks, as many as it has room for, and keeps facenet's stem. Nothing is
chosen by the pairs that are judged: the last epoch is taken. Judged are pairs of LFW's View 1 whose people taught
nothing, after each epoch those of its test part; all of them set the card's threshold, at FMR 1e-3. Ours altogether.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from countenance.checkpoints import BEST, write_checkpoint
from countenance.datasets.comparison import Comparison
from countenance.datasets.lfw import NAME as LFW
from countenance.datasets.lfw import read_comparisons
from countenance.datasets.named import split_name
from countenance.errors import NoFace, UsageError, at_least
from countenance.faces.detection import Detector, central_face
from countenance.images import read_image
from countenance.metrics.counts import SortedScores
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.networks.facelivenet import OFFICIAL, SLIM, FaceLiveNet, from_facenet_blocks
from countenance.networks.facelivenet_recogniser import FaceLiveNetRecogniser
from countenance.networks.inception_resnet_v1 import FEATURES, InceptionResnetV1, cut_box
from countenance.networks.inception_resnet_v1 import load as load_facenet
from countenance.presentation_scoring import Precision
from countenance.progress import Progress, Say, unheard
from countenance.recipes.facelivenet_views import (
    IN_PART,
    Embed,
    TeachingSet,
    ViewRecipe,
    facenet_in_half,
    make_views,
    read_teaching_sets,
    read_views,
    views_card,
)
from countenance.recipes.narrowing import narrow
from countenance.recipes.pretraining import PretrainedRun
from countenance.released import detector as released_detector
from countenance.run_history import FiguredHistory
from countenance.scoring import score_comparisons
from countenance.trained_facelivenet import LAYOUTS, facelivenet_state, stated_facelivenet
from countenance.training import EpochReport, fit
from countenance.vocabulary import Split
from countenance.weights import locate

VIEWS = "views"
"""Folder of the views below the run's; students of one teacher may share it."""
RULE = "fmr:0.001"  # of the threshold
_WARM_UP = 200  # steps
_FITTED = 512  # views that a narrow student is led to facenet's templates by; its layers are fitted on half of them


@dataclass(frozen=True, kw_only=True)
class DistillationRecipe:
    """All that decides what comes out, beside the faces.

    Attributes:
        layout: of the student, "official" or "slim".
        parts: files of `IN_PART` views; the last is held out.
        epochs: over the views.
        batch_size: views in a step; it divides a part.
        learning_rate: of AdamW after a warm-up; it falls to 0 along half a cosine.
        weight_decay: of AdamW.
        initialised: whether the student starts with facenet's blocks, and keeps its stem.
        mirrored: whether half of the views are mirrored, drawn anew in each epoch; facenet's template of a face and of
            its mirror image are nearly one.
        precision: of the arithmetic.
        seed: of the first weights, the views and their order.

    Raises:
        UsageError: a number outside its range, an unknown layout, or blocks of facenet in narrower widths.
    """

    layout: str = "official"
    parts: int = 20
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    initialised: bool = True
    mirrored: bool = False
    precision: Precision = Precision.BFLOAT16
    seed: int = 0

    def __post_init__(self) -> None:
        students = [name for name, layout in LAYOUTS.items() if layout in (OFFICIAL, SLIM)]
        if self.layout not in students or (self.initialised and LAYOUTS[self.layout] != OFFICIAL):
            raise UsageError(
                expected=f"a layout among {', '.join(students)}; facenet's blocks fit the first",
                came=self.layout + ", initialised" * self.initialised,
                remedy="start the slim one from drawn weights",
            )
        at_least(1, epochs=self.epochs)
        at_least(2, batch_size=self.batch_size, parts=self.parts)
        at_least(0, seed=self.seed)
        if IN_PART % self.batch_size or not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise UsageError(
                expected=f"a batch that divides {IN_PART:,}, a learning rate above 0 and a weight decay of at least 0",
                came=f"{self.batch_size}, {self.learning_rate:g} and {self.weight_decay:g}",
                remedy="correct the number",
            )

    def as_json(self) -> dict[str, Any]:
        """Return every field as JSON holds it."""
        return {**asdict(self), "precision": str(self.precision)}

    @property
    def views(self) -> ViewRecipe:
        """Of the views; students of one seed and number share them."""
        return ViewRecipe(parts=self.parts, seed=self.seed)


RECIPES: Mapping[str, DistillationRecipe] = {
    "facelivenet-distilled": DistillationRecipe(),
    "facelivenet-slim-distilled": DistillationRecipe(
        layout="slim", parts=40, epochs=6, learning_rate=2e-3, initialised=False, mirrored=True
    ),
}


@dataclass(frozen=True)
class School:
    """What a student is taught with; each is built when it is needed.

    Attributes:
        teacher: embeds the views.
        facenet: the network whose bottleneck and blocks are taken over.
        finder: finds faces.
    """

    teacher: Callable[[], Embed]
    facenet: Callable[[], InceptionResnetV1]
    finder: Callable[[], Detector]


def _released_facenet() -> InceptionResnetV1:
    return load_facenet(locate("facenet")["facenet"])


SCHOOL: Final = School(teacher=facenet_in_half, facenet=_released_facenet, finder=released_detector)


class _Batch(NamedTuple):
    """Views (B, 3, 160, 160) in [0, 1], and what the student shall say of them, (B, 128)."""

    views: Tensor
    templates: Tensor


class _Student(nn.Module):
    """The network as it learns: without dropout, and with facenet's stem standing still where it has it."""

    lift: Tensor

    def __init__(self, network: FaceLiveNet, lift: Tensor, *, keeps_stem: bool) -> None:
        super().__init__()
        self.network, self.keeps_stem = network, keeps_stem
        self.register_buffer("lift", lift)
        network.trunk.stem.requires_grad_(requires_grad=not keeps_stem)

    def train(self, mode: bool = True) -> "_Student":  # noqa: FBT001, FBT002 - PyTorch's signature
        super().train(mode)
        self.network.branch_1.dropout.eval()  # features are matched, not classified
        if self.keeps_stem:
            self.network.trunk.stem.eval()
        return self


def distil(
    recipe: DistillationRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    views: str | os.PathLike[str] | None = None,
    initial: str | None = None,
    school: School = SCHOOL,
    progress: Progress = unheard,
    say: Say = unheard,
) -> PretrainedRun:
    """Teach a student; goes on where a run of the same recipe was stopped.

    Args:
        recipe: how.
        data: as `facelivenet_views.read_teaching_sets` takes it.
        out: folder of the run.
        views: folder of the views; below the run's where None.
        initial: of a student that does not start with facenet's blocks: the run of an official one that it is narrowed
            from (`recipes.narrowing`); None: it starts with drawn weights.
        school: what the student is taught with.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Returns:
        The run; its figures are "cosine" to the teacher on views held out and, where LFW is there, "accuracy" at the
        best threshold, "eer" and the number of "pairs" of View 1's test part whose people taught nothing.

    Raises:
        UsageError: the folder holds another run; a student with facenet's blocks that is narrowed, too.
        DataError: a set is not whole, or a file damaged; the run of the wide student cannot be had.
    """
    if initial is not None and recipe.initialised:
        raise UsageError(
            expected="one start",
            came=f"facenet's blocks, and {initial}",
            remedy="leave --initial out, or narrow a slim one",
        )
    started = time.perf_counter()
    wide = None if initial is None else stated_facelivenet(initial)
    sets = read_teaching_sets(data, finder=school.finder, say=say)
    files = make_views(lambda: sets, recipe.views, views or Path(out) / VIEWS, teacher=school.teacher, say=say)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        student = _student(recipe, school.facenet()) if wide is None else _narrowed(recipe, wide.network, files[0])
        learning = [parameter for parameter in student.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        judge = _Judge(
            recipe=recipe,
            held_out=files[-1],
            development=_pairs_of_others(data, sets, "development"),
            all_pairs=_pairs_of_others(data, sets, "view1"),
            finder=school.finder,
        )
        first = {"recipe": recipe.as_json(), "data": views_card(sets, recipe.views)}
        if wide is not None:
            first["initial"] = {"narrowed from": wide.digest}
        history = _History(Path(out), first, student, optimizer, judge, label=_label(sets))
        history.resume()
        steps = recipe.epochs * (len(files) - 1) * (IN_PART // recipe.batch_size)
        fit(
            student,
            partial(_loss, recipe),
            lambda epoch: _batches(files[:-1], recipe, epoch),
            optimizer=optimizer,
            epochs=recipe.epochs,
            start=history.position,
            schedule=_warmed(steps),
            after_step=lambda step: progress(step, steps),
            after_epoch=lambda report: history.note(report, is_last=report.position.epochs == recipe.epochs),
        )
    return PretrainedRun.of(history, student.network, started=started, label=_label(sets))


def lifted(facenet: InceptionResnetV1, features: int) -> Tensor:
    """Return the map (features, 128) from facenet's templates into a student's space, with orthonormal columns.

    Args:
        facenet: with its normalisations.
        features: of the student. Where they are as many as facenet's own before its bottleneck W, the map is the one
            nearest to the transpose of W, each row over the deviation that facenet's normalisation divides it by (of
            its singular value decomposition, both sets of vectors without the values); else it is drawn.
    """
    kernel = facenet.bottleneck.weight.detach()[:, :, 0, 0]  # (128, 1792)
    if features != kernel.shape[1]:
        drawn = torch.randn(features, FEATURES, generator=torch.Generator().manual_seed(0))
        orthonormal: Tensor = torch.linalg.qr(drawn)[0]
        return orthonormal
    variance = facenet.norm.running_var
    assert isinstance(variance, Tensor)
    left, _, right = torch.linalg.svd(kernel / variance.sqrt()[:, None], full_matrices=False)
    nearest: Tensor = (left @ right).T.contiguous()
    return nearest


def _student(recipe: DistillationRecipe, facenet: InceptionResnetV1) -> _Student:
    layout = LAYOUTS[recipe.layout]
    network = from_facenet_blocks(facenet, layout=layout) if recipe.initialised else FaceLiveNet(layout)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _Student(network, lifted(facenet, network.features), keeps_stem=recipe.initialised)


def _narrowed(recipe: DistillationRecipe, wide: FaceLiveNet, file: Path) -> _Student:
    """A student fitted to a wide one, and the lift by which its features come nearest to facenet's templates."""
    views, templates = read_views(file)
    views, templates = views[:_FITTED], templates[:_FITTED]
    network = narrow(wide, LAYOUTS[recipe.layout], _pixels(views[: _FITTED // 2]), seed=recipe.seed)
    with torch.inference_mode():
        features = [network.embed(_pixels(views[start : start + 64])) for start in range(0, len(views), 64)]
        said = normalize(torch.cat(features))
        left, _, right = torch.linalg.svd(said.T @ torch.from_numpy(templates), full_matrices=False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _Student(network, (left @ right).clone(), keeps_stem=False)


def _batches(files: list[Path], recipe: DistillationRecipe, epoch: int) -> Iterator[_Batch]:
    """Every view of the parts once, parts and views in an order of the epoch."""
    generator = np.random.Generator(np.random.PCG64([recipe.seed, epoch]))
    for number in generator.permutation(len(files)).tolist():
        views, templates = read_views(files[number])
        order = generator.permutation(len(views))
        for start in range(0, len(order), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            shown = views[rows]
            if recipe.mirrored:
                is_mirrored = generator.random(len(rows)) < 0.5
                shown[is_mirrored] = shown[is_mirrored, :, ::-1]
            yield _Batch(_pixels(shown), torch.from_numpy(templates[rows]))


def _pixels(views: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(views)).permute(0, 3, 1, 2).float() / 255
    return pixels.contiguous(memory_format=torch.channels_last)


def _loss(recipe: DistillationRecipe, student: _Student, batch: _Batch) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision is Precision.BFLOAT16):
        features = student.network.embed(batch.views)
    return 1 - cosine_similarity(features.float(), batch.templates @ student.lift.T).mean()


def _warmed(steps: int) -> Callable[[int], float]:
    """Up to 1 in the first steps, then down to 0 along half a cosine."""
    warm = max(1, min(_WARM_UP, steps // 10))
    return lambda step: min(1.0, (step + 1) / warm) * 0.5 * (1 + float(np.cos(np.pi * step / steps)))


def _label(sets: list[TeachingSet]) -> str:
    return next((each.label for each in sets if each.label), "")


def _pairs_of_others(data: str, sets: list[TeachingSet], split: str) -> list[Comparison]:
    """The pairs of a split of LFW whose people taught nothing; none where LFW is not there."""
    roots = [root for name, root in (split_name(part.strip()) for part in data.split(",")) if name == LFW]
    people = {name for each in sets if each.name == LFW for name in each.people}
    return [
        pair
        for root in roots
        for pair in read_comparisons(root, split)
        if not {pair.reference.parent.name, pair.probe.parent.name} & people
    ]


@dataclass(frozen=True, eq=False)
class _Judge:
    """What a student comes to on views that were held out and on people who taught nothing.

    Attributes:
        recipe: of the run.
        held_out: file of the views.
        development: pairs that are judged after each epoch.
        all_pairs: pairs that set the threshold.
        finder: finds faces.
    """

    recipe: DistillationRecipe
    held_out: Path
    development: list[Comparison]
    all_pairs: list[Comparison]
    finder: Callable[[], Detector]

    @cached_property
    def _faces(self) -> dict[Path, NDArray[np.uint8]]:
        paths = sorted({path for pair in self.development for path in (pair.reference, pair.probe)})
        finder, faces = self.finder(), {}
        for path in paths:
            with contextlib.suppress(NoFace):
                image = read_image(path)
                faces[path] = cut_box(image, central_face(finder.detect(image), image.shape, name=path.name))
        return faces

    def figures(self, student: _Student) -> dict[str, float]:
        """Judge a student."""
        student.eval()
        views, templates = read_views(self.held_out)
        losses = []
        with torch.inference_mode():
            for start in range(0, len(views), self.recipe.batch_size):
                rows = slice(start, start + self.recipe.batch_size)
                batch = _Batch(_pixels(views[rows]), torch.from_numpy(templates[rows]))
                losses.append(float(_loss(self.recipe, student, batch)))
        found = {"cosine": 1 - float(np.mean(losses))}
        if not self.development:
            return found
        embedded = FaceLiveNetRecogniser(student.network).embed(np.stack([*self._faces.values()]))
        known = dict(zip(self._faces, embedded, strict=True))
        pairs = [pair for pair in self.development if pair.reference in known and pair.probe in known]
        scores = np.array([known[pair.reference] @ known[pair.probe] for pair in pairs], np.float64)
        is_mated = np.array([pair.is_mated for pair in pairs])
        ordered = SortedScores.of(positives=scores[is_mated], negatives=scores[~is_mated])
        best = ordered.curve.lowest_total_error(weighted=False)
        right = float(((scores >= best) == is_mated).mean())
        return found | {"accuracy": right, "eer": ordered.eer(), "pairs": len(pairs)}

    def point(self, student: _Student) -> OperatingPoint | None:
        """Return the threshold at `RULE`; None where there are no pairs."""
        if not self.all_pairs:
            return None
        recogniser = FaceLiveNetRecogniser(student.network)
        table = score_comparisons(self.all_pairs, detector=self.finder(), recogniser=recogniser).table
        return choose(table, RULE, split=Split.DEVELOPMENT)


class _History(FiguredHistory):
    """What a run has come to after each epoch, kept in its folder."""

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        student: _Student,
        optimizer: torch.optim.Optimizer,
        judge: _Judge,
        *,
        label: str,
    ) -> None:
        super().__init__(folder, first, student, optimizer, lambda: judge.figures(student))
        self._student, self._judge, self._label = student, judge, label

    def note(self, report: EpochReport, *, is_last: bool) -> None:
        """Judge, and write the checkpoint to go on from; before the last one the network."""
        state = self.add(report)
        if is_last:
            point = self._judge.point(self._student)
            more = {**self.told(), "epoch": self.position.epochs}
            done = facelivenet_state(self._student.network, point=point, label=self._label, **more)
            write_checkpoint(self.folder, BEST, done)
        self.write_last(state)
