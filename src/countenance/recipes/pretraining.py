"""Train a trunk to recognise, before its parts are taken over by the multimodal network.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019, Table
2 and section 4.2, take four networks: identities of CASIA-WebFace with SphereFace's loss, identities of MS-Celeb-1M and
of a set of Asian faces with ArcFace's, gender of AFAD-Lite. The kinds are here, for anybody's tree and for drawn ones;
numbers of steps and rates are ours, small enough for one processor core. Distillation from a released recogniser on
real photographs is ours altogether.

    countenance train pretraining-sphereface --data casia-webface:ROOT --out RUN
    countenance train pretraining-arcface --data vggface2:ROOT --out RUN
    countenance train pretraining-gender --data afad:ROOT --out RUN
    countenance train pretraining-distillation --teacher facenet --data lfw:ROOT --out RUN

A share of the people is held out, and nothing is chosen by them: the run ends with its last epoch, whose figure on them
(equal error rate of verification, or accuracy) is therefore an honest one.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

from countenance.checkpoints import BEST, Checkpoint, read_checkpoint, write_checkpoint
from countenance.datasets.afad import read as read_afad
from countenance.datasets.casia_webface import read as read_casia_webface
from countenance.datasets.face_collections import read_photograph
from countenance.datasets.lfw import NAME as LFW
from countenance.datasets.lfw import read_photographs as read_lfw
from countenance.datasets.ms_celeb_1m import read as read_ms_celeb_1m
from countenance.datasets.named import inspect_named, split_name
from countenance.datasets.samples import IdentitySample
from countenance.datasets.vggface2 import read as read_vggface2
from countenance.errors import MissingFile, NoFace, UsageError, at_least
from countenance.faces.alignment import align
from countenance.faces.detection import Detector, Face, central_face
from countenance.files import sha256_of
from countenance.loading.batches import Batch, Loader
from countenance.loading.pictures import PlaneSource
from countenance.losses.angular import SCALE, MarginSoftmax
from countenance.metrics.counts import SortedScores
from countenance.networks.trunk import RecognitionNetwork
from countenance.presentation_scoring import stack_planes
from countenance.progress import Progress, Say, unheard
from countenance.released import RECOGNISERS
from countenance.released import detector as released_detector
from countenance.released import recogniser as released_recogniser
from countenance.run_history import FiguredHistory
from countenance.scoring import Recogniser
from countenance.trained import trunk_named
from countenance.training import EpochReport, fit, half_cosine
from countenance.transfer import RECOGNITION
from countenance.transforms.cropping import crop, draw_crop
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.grayscale import draw_grayscale, grayscale
from countenance.transforms.planes import Planes
from countenance.transforms.resizing import resize, resized
from countenance.vocabulary import Modality

MEMORY = 4 << 30  # bytes of pixels that are kept; a larger set is decoded anew in each epoch
MOST_JUDGED = 2000  # photographs of people held out: every pair of them is compared
TEACHER = "teacher"
"""Checkpoint of a run of distillation: what the teacher said, so that it is asked once."""
GENDERS = ("female", "male")  # classes 0 and 1
_RGB = (Modality.RGB,)
_BATCH = 64  # where nothing is learnt

READERS: Mapping[str, Callable[[Path], list[IdentitySample]]] = {
    "casia-webface": read_casia_webface,
    "ms-celeb-1m": read_ms_celeb_1m,
    "vggface2": lambda root: read_vggface2(root, "train"),
    "afad": read_afad,
    LFW: lambda root: read_lfw(root, "view1"),
}
"""Name of a set: reads the photographs that may be learnt from; of LFW those of View 1."""


class Task(StrEnum):
    """What the trunk learns."""

    IDENTITIES = "identities"
    GENDER = "gender"
    DISTILLATION = "distillation"


class Margin(StrEnum):
    """The loss by which identities are learnt."""

    SPHEREFACE = "sphereface"
    ARCFACE = "arcface"
    COSFACE = "cosface"


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """All that decides what comes out, beside the data.

    Attributes:
        task: what is learnt.
        margin: of identities, the loss.
        scale: of ArcFace's and CosFace's cosines.
        teacher: of distillation, the released recogniser: one of `RECOGNISERS`.
        trunk: as a card names it.
        width: channels after its stem.
        epochs: in all.
        batch_size: photographs in a step; a smaller set is one batch.
        learning_rate: of AdamW, at the first step; it falls to 0 along half a cosine.
        weight_decay: of AdamW.
        flip_probability: that a photograph is mirrored.
        grayscale_probability: that it loses its colour: two of the later branches see sensors without any.
        smallest_crop: least share of its area that is seen; 1: it is seen whole.
        aligned: faces are found and aligned first, as distillation always does; for photographs as they come. A
            photograph without a face is left out.
        held_out: share of the people that nothing is learnt from.
        photographs: most that are used, whole people; None: all.
        seed: of the first weights, the people held out, the order and every change.

    Raises:
        UsageError: a number outside its range, or an unknown word.
    """

    task: Task = Task.IDENTITIES
    margin: Margin = Margin.SPHEREFACE
    scale: float = SCALE
    teacher: str = "sface"
    trunk: str = "slim-resnet"
    width: int = 4
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    flip_probability: float = 0.5
    grayscale_probability: float = 0.2
    smallest_crop: float = 0.6
    aligned: bool = False
    held_out: float = 0.1
    photographs: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task not in set(Task) or self.margin not in set(Margin):
            raise UsageError(
                expected=f"a task ({', '.join(Task)}) and a margin ({', '.join(Margin)})",
                came=f"{self.task!s} and {self.margin!s}",
                remedy="for example --task identities --margin arcface",
            )
        if self.teacher not in RECOGNISERS:
            raise UsageError(
                expected=f"a teacher: {', '.join(RECOGNISERS)}", came=repr(self.teacher), remedy="name one of them"
            )
        at_least(1, epochs=self.epochs, width=self.width)
        at_least(2, batch_size=self.batch_size)
        at_least(0, seed=self.seed)
        if self.photographs is not None:
            at_least(2, photographs=self.photographs)
        if not (self.learning_rate > 0 and self.weight_decay >= 0 and self.scale > 0):
            raise UsageError(
                expected="a learning rate and a scale above 0 and a weight decay of at least 0",
                came=f"{self.learning_rate:g}, {self.scale:g} and {self.weight_decay:g}",
                remedy="correct the number",
            )
        probabilities = (self.flip_probability, self.grayscale_probability)
        if not all(0 <= share <= 1 for share in probabilities) or not (
            0 < self.smallest_crop <= 1 and 0 < self.held_out < 1
        ):
            raise UsageError(
                expected="probabilities from 0 to 1, a crop above 0 and up to 1, a share held out between 0 and 1",
                came=f"{self.flip_probability:g}, {self.grayscale_probability:g}, {self.smallest_crop:g} and "
                f"{self.held_out:g}",
                remedy="correct the number",
            )

    def as_json(self) -> dict[str, Any]:
        """Return every field as JSON holds it."""
        return {**asdict(self), "task": str(self.task), "margin": str(self.margin)}


@dataclass(frozen=True, kw_only=True)
class PretrainedRun:
    """What a pre-training did.

    Attributes:
        epochs: that are done, those before an interruption among them; the last one is taken.
        checkpoint: the card of the network.
        losses: mean loss of each epoch.
        figures: on the people held out after the last epoch; rates are fractions.
        figures_before: the same of the first weights, before anything was learnt.
        parameters: of the network, without the head that it learnt with.
        seconds: that this call took.
        label: printed with every figure, such as "drawn data".
    """

    epochs: int
    checkpoint: Path
    losses: tuple[float, ...]
    figures: Mapping[str, float]
    figures_before: Mapping[str, float]
    parameters: int
    seconds: float
    label: str

    @classmethod
    def of(cls, history: FiguredHistory, network: nn.Module, *, started: float, label: str) -> Self:
        """Return what a run has come to.

        Args:
            history: of the run, after its last epoch.
            network: what was trained, without the head that it learnt with.
            started: `time.perf_counter` at the call's beginning.
            label: of the data.
        """
        return cls(
            epochs=history.position.epochs,
            checkpoint=history.folder / f"{BEST}.json",
            losses=tuple(history.losses),
            figures=history.figures[-1],
            figures_before=history.figures[0],
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            seconds=time.perf_counter() - started,
            label=label,
        )

    @property
    def best(self) -> int:
        """The epoch that was taken, from 1: the last."""
        return self.epochs

    def as_json(self) -> dict[str, Any]:
        """Return the run as the command line prints it."""
        return vars(self) | {"checkpoint": str(self.checkpoint), "best": self.best}

    def told(self) -> str:
        """Return a line that says what was done."""
        figures, before = (
            ", ".join(f"{name} {value:.4g}" for name, value in each.items())
            for each in (self.figures, self.figures_before)
        )
        return f"{self.epochs} epochs in {self.seconds:.1f} s; on people held out: {figures} (before: {before})"


def pretrain(
    recipe: PretrainingRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    detector: Detector | None = None,
    recogniser: Recogniser | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> PretrainedRun:
    """Train on a named set, after a look at the whole of it; goes on where a run of the same recipe was stopped.

    The folder holds the checkpoint ``last``, from which it goes on, and at the end ``best``, the network.

    Args:
        recipe: what to do.
        data: a set of faces as NAME:ROOT, one of `READERS`.
        out: folder of the run.
        detector: finds the faces that are to be aligned; YuNet where None.
        recogniser: the teacher; the released one that the recipe names where None.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        DataError: the set is not whole, or contradicts itself: nothing is trained.
        UsageError: the folder holds a run of another recipe or of other data; the set does not tell what is to be
            learnt, or has too few people; aligned faces that memory does not hold.
    """
    started = time.perf_counter()
    name, root = split_name(data)
    if name not in READERS:
        raise UsageError(
            expected=f"a set of faces among {', '.join(READERS)}", came=repr(name), remedy="name one of them"
        )
    samples = shortened(READERS[name](root), photographs=recipe.photographs, seed=recipe.seed)
    say(f"looking at the whole of {data}")
    found = inspect_named(data)
    if name != LFW:  # its reader has refused already where a photograph of View 1 is missing; View 2 is not needed
        found.refuse(name)
    is_aligned = recipe.aligned or recipe.task is Task.DISTILLATION
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = RecognitionNetwork(trunk_named(recipe.trunk, recipe.width))
        say(f"decoding {len(samples):,} photographs")
        pictures = _pictures(
            samples,
            side=network.side,
            detector=(detector or released_detector()) if is_aligned else None,
        )
        course = _course(recipe, pictures)
        is_taught = recipe.task is Task.DISTILLATION
        templates = _templates(recipe, pictures, Path(out), recogniser, say) if is_taught else None
        head = _head(recipe, network.features, course, templates)
        pupil = _Pupil(network, head)
        optimizer = torch.optim.AdamW(pupil.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        first = {"recipe": recipe.as_json(), "data": _told(pictures, course, found.label, name)}
        history = _History(Path(out), first, pupil, optimizer, lambda: _figures(recipe, pupil, course, templates))
        history.resume()
        loader = Loader(
            source=course.train,
            batch=min(recipe.batch_size, len(course.train)),
            seed=recipe.seed,
            whole_batches=True,
            augment=_augment(recipe, network.side),
        )
        steps = recipe.epochs * len(loader)
        say(f"training for {recipe.epochs} epochs on {len(course.train):,} photographs")
        fit(
            pupil,
            lambda module, batch: _loss(recipe, module, batch, course, templates),
            loader.epoch,
            optimizer=optimizer,
            epochs=recipe.epochs,
            start=history.position,
            schedule=half_cosine(steps),
            after_step=lambda step: progress(step, steps),
            after_epoch=lambda report: history.note(report, is_last=report.position.epochs == recipe.epochs),
        )
    return PretrainedRun.of(history, network, started=started, label=found.label)


class _Pupil(nn.Module):
    """The network, and the head that it learns with."""

    def __init__(self, network: RecognitionNetwork, head: nn.Module) -> None:
        super().__init__()
        self.network, self.head = network, head


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Photographs to learn from.

    Attributes:
        samples: what they are.
        side: H and W in pixels.
        held: (N, side, side, 3) in memory; None: they are decoded each time.
        faces: where the face of each was found, when they are aligned; else none.
        without_face: how many were left out.
    """

    samples: Sequence[IdentitySample]
    side: int
    held: NDArray[np.uint8] | None
    faces: Sequence[Face]
    without_face: int

    def of(self, number: int) -> NDArray[np.uint8]:
        """(side, side, 3) of one photograph."""
        if self.held is not None:
            return np.asarray(self.held[number])
        return _whole(self.samples[number], self.side)

    @property
    def digest(self) -> str:
        """Of what was listed."""
        return list_digest(self.samples, side=self.side)


class NumberedPictures(Protocol):
    """Anything that hands out pictures of one size."""

    def of(self, number: int) -> NDArray[np.uint8]:
        """(side, side, 3) of one of them."""
        ...


@dataclass(frozen=True, eq=False)
class LabelledPart:
    """Some of the pictures, with labels; a `PlaneSource`.

    Attributes:
        pictures: all of them.
        rows: (M,) which.
        labels: (M,) the class of each.
    """

    pictures: NumberedPictures
    rows: NDArray[np.intp]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, numbers: NDArray[np.intp]) -> dict[Modality, NDArray[np.uint8]]:
        """Return (B, side, side, 3) of the pictures of these numbers."""
        return {Modality.RGB: np.stack([self.pictures.of(int(row)) for row in self.rows[numbers]])}


@dataclass(frozen=True, eq=False)
class _Course:
    """What is learnt from, and what is held out: nobody is in both.

    Attributes:
        train: labels are those of the task.
        held_out: likewise; of identities and of distillation the number of the person.
        people: (in training, held out).
    """

    train: LabelledPart
    held_out: LabelledPart
    people: tuple[int, int]


def shortened(samples: Sequence[IdentitySample], *, photographs: int | None, seed: int) -> list[IdentitySample]:
    """Return as many whole people as a number of photographs allows, drawn with a seed; the order stays.

    Args:
        samples: in any order.
        photographs: most that are kept; None: all.
        seed: of the draw.
    """
    if photographs is None or len(samples) <= photographs:
        return list(samples)
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.subject] = counts.get(sample.subject, 0) + 1
    kept, total = set(), 0
    for subject in _drawn_order(counts, seed):
        if total + counts[subject] <= photographs:
            kept.add(subject)
            total += counts[subject]
    return [sample for sample in samples if sample.subject in kept]


def apart(subjects: Iterable[str], *, share: float, seed: int) -> tuple[list[str], list[str]]:
    """Return the people to learn from and those held out.

    Args:
        subjects: of all samples.
        share: of the people that is held out; two at least.
        seed: of the draw.

    Raises:
        UsageError: fewer than two people would be left to learn from.
    """
    order = _drawn_order(subjects, seed)
    count = max(2, round(share * len(order)))
    if len(order) < count + 2:
        raise UsageError(
            expected="at least two people to learn from and two to hold out",
            came=f"{len(order)} in all",
            remedy="name a larger set, or hold out a smaller share",
        )
    return order[count:], order[:count]


def list_digest(samples: Sequence[IdentitySample], *, side: int) -> str:
    """Return the digest of a list: identifiers, people, what else is told, lengths of files, and the pictures' side."""
    rows = [
        [
            sample.identifier,
            sample.subject,
            sorted(sample.attributes.items()),
            sample.path.stat().st_size if sample.offset is None else sample.offset,
        ]
        for sample in samples
    ]
    return sha256_of(json.dumps([side, rows]).encode())


def _drawn_order(subjects: Iterable[str], seed: int) -> list[str]:
    names = sorted(set(subjects))
    return [names[k] for k in np.random.Generator(np.random.PCG64(seed)).permutation(len(names))]


def _whole(sample: IdentitySample, side: int) -> NDArray[np.uint8]:
    return np.asarray(resized(read_photograph(sample)[None], height=side, width=side)[0])


def _pictures(samples: Sequence[IdentitySample], *, side: int, detector: Detector | None) -> _Pictures:
    fits = len(samples) * side * side * 3 <= MEMORY
    if detector is None:
        held = np.empty((len(samples), side, side, 3), np.uint8) if fits else None
        if held is not None:
            for place, sample in zip(held, samples, strict=True):
                place[:] = _whole(sample, side)
        return _Pictures(samples, side, held, (), 0)
    if not fits:
        raise UsageError(
            expected=f"aligned faces that fit into {MEMORY >> 30} GiB of memory",
            came=f"{len(samples):,} of {side} x {side}",
            remedy="name a number of photographs, or align the set beforehand",
        )
    kept, faces, aligned = [], [], []
    for sample in samples:
        image = read_photograph(sample)
        try:
            face = central_face(detector.detect(image), image.shape, name=sample.identifier)
            aligned.append(align(image, face.points, size=side))
        except NoFace:
            continue
        kept.append(sample)
        faces.append(face)
    stacked = np.stack(aligned) if aligned else np.empty((0, side, side, 3), np.uint8)
    return _Pictures(kept, side, stacked, faces, len(samples) - len(kept))


def _course(recipe: PretrainingRecipe, pictures: _Pictures) -> _Course:
    """Hold people out, and give the photographs their labels."""
    taught, held = apart((sample.subject for sample in pictures.samples), share=recipe.held_out, seed=recipe.seed)

    def part(people: Sequence[str]) -> LabelledPart:
        wanted = set(people)
        rows = [row for row, sample in enumerate(pictures.samples) if sample.subject in wanted]
        told = [_label_of(recipe, pictures.samples[row]) for row in rows]
        classes = GENDERS if recipe.task is Task.GENDER else sorted(set(told))
        number = {word: k for k, word in enumerate(classes)}
        return LabelledPart(pictures, np.array(rows, np.intp), np.array([number[word] for word in told], np.int64))

    return _Course(part(taught), part(held), (len(taught), len(held)))


def _label_of(recipe: PretrainingRecipe, sample: IdentitySample) -> str:
    if recipe.task is not Task.GENDER:
        return sample.subject
    if sample.attributes.get("gender") not in GENDERS:
        raise UsageError(
            expected="a set that tells the gender of each person",
            came=f"none for {sample.identifier}",
            remedy="name afad, or vggface2 with its table of people",
        )
    return sample.attributes["gender"]


def _told(pictures: _Pictures, course: _Course, label: str, name: str) -> dict[str, Any]:
    return {
        "set": name,
        "digest": pictures.digest,
        "photographs": len(course.train),
        "people": course.people[0],
        "photographs_held_out": len(course.held_out),
        "people_held_out": course.people[1],
        "without_face": pictures.without_face,
        "label": label,
    }


def _templates(
    recipe: PretrainingRecipe, pictures: _Pictures, folder: Path, teacher: Recogniser | None, say: Say
) -> Tensor:
    """What the teacher makes of each photograph, (N, D); asked once, and kept in the folder of the run."""
    card = {"teacher": recipe.teacher, "digest": pictures.digest}
    try:
        kept = read_checkpoint(folder, TEACHER)
        if kept.card == card:
            return kept.tensors["templates"]
    except MissingFile:
        pass
    count = len(pictures.samples)
    say(f"asking {recipe.teacher} about {count:,} faces")
    recogniser = teacher or released_recogniser(recipe.teacher)
    found = list(zip(pictures.samples, pictures.faces, strict=True))
    rows = [
        # Read again: a teacher cuts the face out of the whole photograph in its own way.
        recogniser.embed(np.stack([recogniser.cut(read_photograph(sample), face) for sample, face in part]))
        for part in (found[first : first + _BATCH] for first in range(0, count, _BATCH))
    ]
    templates = torch.from_numpy(np.concatenate(rows))
    write_checkpoint(folder, TEACHER, Checkpoint({"templates": templates}, card))
    return templates


def _head(recipe: PretrainingRecipe, features: int, course: _Course, templates: Tensor | None) -> nn.Module:
    if templates is not None:
        return nn.Linear(features, templates.shape[1], bias=False)
    if recipe.task is Task.GENDER:
        return nn.Linear(features, 2)
    if recipe.margin is Margin.SPHEREFACE:
        return MarginSoftmax.sphereface(features, course.people[0])
    build = MarginSoftmax.arcface if recipe.margin is Margin.ARCFACE else MarginSoftmax.cosface
    return build(features, course.people[0], scale=recipe.scale)


def _loss(recipe: PretrainingRecipe, pupil: _Pupil, batch: Batch, course: _Course, templates: Tensor | None) -> Tensor:
    features = pupil.network(stack_planes(batch.planes, _RGB))
    if templates is not None:
        wanted = templates[torch.from_numpy(course.train.rows[batch.numbers])]
        return 1 - cosine_similarity(pupil.head(features), wanted).mean()
    labels = torch.from_numpy(batch.labels)
    if recipe.task is Task.GENDER:
        return cross_entropy(pupil.head(features), labels)
    loss: Tensor = pupil.head(features, labels)
    return loss


def _augment(recipe: PretrainingRecipe, side: int) -> Callable[[np.random.Generator, Planes], Planes]:
    def changed(generator: np.random.Generator, planes: Planes) -> dict[Modality, NDArray[np.uint8]]:
        after = dict(planes)
        if recipe.smallest_crop < 1:
            part = draw_crop(generator, (side, side), area=(recipe.smallest_crop, 1.0))
            after = resize(crop(after, part), height=side, width=side)
        if draw_flip(generator, probability=recipe.flip_probability):
            after = flip(after)
        if draw_grayscale(generator, probability=recipe.grayscale_probability):
            after = grayscale(after)
        return after

    return changed


def _figures(recipe: PretrainingRecipe, pupil: _Pupil, course: _Course, templates: Tensor | None) -> dict[str, float]:
    """Judge the people held out."""
    part = course.held_out
    features = _features(pupil.network, part)
    labels = torch.from_numpy(part.labels)
    if recipe.task is Task.GENDER:
        with torch.inference_mode():
            right = pupil.head(features).argmax(1) == labels
        share = float(labels.double().mean())
        return {"accuracy": float(right.double().mean()), "accuracy_of_the_commoner": max(share, 1 - share)}
    figures = verification_figures(normalize(features[:MOST_JUDGED]), labels[:MOST_JUDGED])
    if templates is not None:
        with torch.inference_mode():
            alike = cosine_similarity(pupil.head(features), templates[torch.from_numpy(part.rows)])
        figures["cosine"] = float(alike.double().mean())
    return figures


def _features(network: RecognitionNetwork, part: PlaneSource) -> Tensor:
    network.eval()
    with torch.inference_mode():
        batches = Loader(source=part, batch=_BATCH, shuffled=False).epoch(0)
        return torch.cat([network(stack_planes(batch.planes, _RGB)) for batch in batches])


def verification_figures(features: Tensor, labels: Tensor) -> dict[str, float]:
    """Return EER, AUC and the numbers of pairs over all pairs of photographs; nothing where nobody has two.

    Args:
        features: (N, D) of length 1.
        labels: (N,) the number of the person.
    """
    ordered = pair_scores(features, labels)
    if ordered is None:
        return {}
    return {
        "eer": ordered.eer(),
        "auc": ordered.auc(),
        "mated": ordered.positive_total,
        "non_mated": ordered.negative_total,
    }


def pair_scores(features: Tensor, labels: Tensor) -> SortedScores | None:
    """Return the cosines of all pairs of photographs; None where nobody has two, or there is one person.

    Args:
        features: as for `verification_figures`.
        labels: likewise.
    """
    cosines = (features @ features.T).numpy()
    one, other = np.triu_indices(len(features), 1)
    is_mated = (labels[:, None] == labels).numpy()[one, other]
    if not 0 < is_mated.sum() < len(is_mated):
        return None
    scores = cosines[one, other].astype(np.float64)
    return SortedScores.of(positives=scores[is_mated], negatives=scores[~is_mated])


class _History(FiguredHistory):
    """What a run has come to after each epoch, kept in its folder."""

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        pupil: _Pupil,
        optimizer: torch.optim.Optimizer,
        figures: Callable[[], dict[str, float]],
    ) -> None:
        super().__init__(folder, first, pupil, optimizer, figures)
        self._pupil = pupil

    def note(self, report: EpochReport, *, is_last: bool) -> None:
        """Judge the people held out and write the checkpoint to go on from; before the last one the network."""
        state = self.add(report)
        version = {"version": metadata.version("countenance")}
        if is_last:
            recipe = self.first["recipe"]
            card = {
                **self.told(),
                **version,
                "network": RECOGNITION,
                "trunk": recipe["trunk"],
                "width": recipe["width"],
                "task": recipe["task"],
                "label": self.first["data"]["label"],
                "epoch": self.position.epochs,
            }
            own = {f"module.{name}": tensor for name, tensor in self._pupil.network.state_dict().items()}
            write_checkpoint(self.folder, BEST, Checkpoint(own, card))
        self.write_last(state, **version)
