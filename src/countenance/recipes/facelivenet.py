"""Train a FaceLiveNet to know faces again: stage 1 of Algorithm 1.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-based Liveness Detection, ICPR 2018, Algorithm 1 and section IV-A; the released code
is https://github.com/hengxyz/FaceLiveNet. Trunk and branch 1 learn who is on a photograph: softmax, and a loss of the
distances to a centre of each person.

    countenance train facelivenet-paper --data casia-webface:ROOT --out RUN
    countenance train facelivenet-released --layout slim --data vggface2:ROOT --out RUN

- `facelivenet-paper` is the text: SGD with momentum 0.99, the class-wise triplet loss as its Eq. 3. How long it learnt
  is not stated; 20 epochs of CASIA-WebFace are 104,000 steps, the last 24,000 at the lowest rate.
- `facelivenet-released` has the code's loss and descent: softmax and 0.1 of the mean centre loss on features of length
  1, RMSProp, gradients clipped to 5, a running mean of the weights. Its script states a weight decay and leaves it out
  of the loss, so there is none here either. It only lets branch 1 and the classifier learn, on a trunk that has learnt
  before, at a rate of 1e-4; here all learns from nothing, at the rates of the paper. What it reports on are the weights
  themselves; here their mean is taken, for which alone it is worth keeping.
- The faces are cut with the detector of this package, not with MTCNN, at 182 pixels with the margin that leaves 1.2
  times the box in the 160 pixels of a crop. The paper's data filtering is not described; here a photograph without a
  face is left out.

A share of the people is held out and nothing is chosen by them but the threshold of verification, which the card
states where there are pairs enough; equal error rate and AUC do not depend on it.
"""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from countenance.checkpoints import BEST, Checkpoint, read_checkpoint, write_checkpoint
from countenance.datasets.face_collections import read_photograph
from countenance.datasets.lfw import NAME as LFW
from countenance.datasets.named import inspect_named, split_name
from countenance.datasets.samples import IdentitySample
from countenance.errors import MissingFile, NoFace, UsageError, at_least
from countenance.faces.detection import Detector, Face, central_face
from countenance.loading.batches import Batch, Loader
from countenance.losses.class_wise_triplet import CentreDistances, CentreLoss, ClassWiseHingeLoss, ClassWiseTripletLoss
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.facelivenet import FaceLiveNet
from countenance.networks.inception_resnet_v1 import MARGIN, SIDE, ShiftedNorm, cut_box
from countenance.presentation_scoring import device_of
from countenance.processes.devices import usable_device
from countenance.progress import Progress, Say, unheard
from countenance.recipes.pretraining import (
    MEMORY,
    MOST_JUDGED,
    READERS,
    LabelledPart,
    PretrainedRun,
    apart,
    list_digest,
    pair_scores,
    shortened,
    verification_figures,
)
from countenance.recipes.rmsprop import ReleasedRmsProp
from countenance.released import detector as released_detector
from countenance.run_history import FiguredHistory
from countenance.trained_facelivenet import LAYOUTS, facelivenet_state
from countenance.training import EpochReport, fit
from countenance.transforms.cropping import crop, middle
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.planes import Planes
from countenance.transforms.rectangle import Rectangle
from countenance.transforms.resizing import resized
from countenance.vocabulary import Modality, Split

STORED = 182  # pixels: as the released code stores its faces, of which crops of 160 are seen
BOXES = "boxes"
"""Checkpoint of a run: where the faces are, so that a set is searched once."""
RULE, LEAST_PAIRS = "fmr:0.001", 1000  # pairs of two people for which a threshold at that rate has a meaning
_BATCH = 64  # faces at once, where nothing is learnt


class ClassLoss(StrEnum):
    """What is added to the softmax loss."""

    TRIPLET = "class-wise-triplet"
    HINGE = "class-wise-hinge"
    CENTRE = "centre"


class Descent(StrEnum):
    """How the weights follow the gradient."""

    SGD = "sgd"
    RMSPROP = "rmsprop"


@dataclass(frozen=True, kw_only=True)
class FaceLiveNetRecipe:
    """All that decides what comes out, beside the data.

    Attributes:
        layout: of the network, as a card names it.
        loss: what is added to the softmax loss.
        weight: alpha of Alg. 1, of the added loss; the centre loss is a mean over the batch, as in the released code.
        centre_rate: gamma of Eq. 6; None: as the loss has it.
        normalised: whether the added loss sees features of length 1.
        descent: how the weights follow.
        momentum: of either descent.
        learning_rate: at the first step.
        divided_at: steps after which the rate is divided by 10.
        weight_decay: of the kernels; biases and shifts are free of it.
        dropout: share of branch 1's means that is dropped.
        norm_momentum: by how much the statistics of the normalisations follow each batch; a short run wants 0.1, lest
            they stay those of the first weights.
        clipped_to: longest gradient of all weights together; None: any.
        averaged: decay of the running mean of the weights that is taken in the end; None: the weights themselves.
        epochs: in all.
        batch_size: photographs in a step; a smaller set is one batch.
        mirror: whether every other face is learnt mirrored, drawn anew each time.
        cropped: whether a part of 160 pixels of the face's 182 is drawn each time; False: its middle.
        cut: whether faces are found and cut out first; False: photographs are faces already.
        held_out: share of the people that nothing is learnt from.
        photographs: most that are used, whole people; None: all.
        seed: of the first weights, the people held out, the order and every change.
        device: that trains, such as "cuda"; only on a processor does the same seed give the same bytes.

    Raises:
        UsageError: a number outside its range, or an unknown word.
    """

    layout: str = "official"
    loss: ClassLoss = ClassLoss.TRIPLET
    weight: float = 1e-4  # section IV-A
    centre_rate: float | None = None
    normalised: bool = False
    descent: Descent = Descent.SGD
    momentum: float = 0.99  # section IV-A
    learning_rate: float = 0.1  # section IV-A
    divided_at: tuple[int, ...] = (60_000, 80_000)  # section IV-A
    weight_decay: float = 5e-5  # section IV-A
    dropout: float = 0.5  # section IV-A
    norm_momentum: float = 0.005  # as the released code: a decay of 0.995
    clipped_to: float | None = None
    averaged: float | None = None
    epochs: int = 20
    batch_size: int = 90  # section IV-A
    mirror: bool = True
    cropped: bool = True
    cut: bool = True
    held_out: float = 0.05
    photographs: int | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS or self.loss not in set(ClassLoss) or self.descent not in set(Descent):
            raise UsageError(
                expected=f"a layout ({', '.join(LAYOUTS)}), a loss ({', '.join(ClassLoss)}) and a descent "
                f"({', '.join(Descent)})",
                came=f"{self.layout}, {self.loss!s} and {self.descent!s}",
                remedy="name one of them",
            )
        at_least(1, epochs=self.epochs)
        at_least(2, batch_size=self.batch_size)
        at_least(0, seed=self.seed)
        if self.photographs is not None:
            at_least(2, photographs=self.photographs)
        longest = 1.0 if self.clipped_to is None else self.clipped_to
        if not (self.learning_rate > 0 and longest > 0 and min(self.weight_decay, self.weight) >= 0):
            raise UsageError(
                expected="a learning rate and a longest gradient above 0; a weight decay and a weight of at least 0",
                came=f"{self.learning_rate:g} and {longest:g}; {self.weight_decay:g} and {self.weight:g}",
                remedy="correct the number",
            )
        shares = (self.momentum, self.dropout, self.averaged or 0.0)
        rate = 0.5 if self.centre_rate is None else self.centre_rate
        rates = (rate, self.norm_momentum)
        if not (
            all(0 <= each < 1 for each in shares) and all(0 <= each <= 1 for each in rates) and 0 < self.held_out < 1
        ):
            raise UsageError(
                expected="momentum, dropout and decay of the mean from 0 to below 1, a centre rate and a norm momentum "
                "from 0 to 1, a share held out between 0 and 1",
                came=f"{', '.join(f'{each:g}' for each in (*shares, *rates))} and {self.held_out:g}",
                remedy="correct the number",
            )
        if any(late <= early for early, late in zip((0, *self.divided_at), self.divided_at, strict=False)):
            raise UsageError(
                expected="steps from 1 on after which the rate falls, each later than the last",
                came=", ".join(map(str, self.divided_at)),
                remedy="correct them",
            )

    def as_json(self) -> dict[str, Any]:
        """Return every field but the device as JSON holds it."""
        plain = asdict(self) | {"loss": str(self.loss), "descent": str(self.descent)}
        del plain["device"]
        return {**plain, "divided_at": list(self.divided_at)}


RECIPES: Mapping[str, FaceLiveNetRecipe] = {
    "facelivenet-paper": FaceLiveNetRecipe(),
    "facelivenet-released": FaceLiveNetRecipe(
        loss=ClassLoss.CENTRE,
        weight=0.1,
        centre_rate=0.5,
        normalised=True,
        descent=Descent.RMSPROP,
        momentum=0.9,
        weight_decay=0.0,
        clipped_to=5.0,
        averaged=0.9999,
    ),
}


def train_facelivenet(
    recipe: FaceLiveNetRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    detector: Detector | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> PretrainedRun:
    """Train trunk and branch 1 on a named set; goes on where a run of the same recipe was stopped.

    The folder holds the checkpoint ``last``, from which it goes on, and at the end ``best``, the network with its card.

    Args:
        recipe: what to do.
        data: a set of faces as NAME:ROOT, one of `pretraining.READERS`.
        out: folder of the run.
        detector: finds the faces that are cut out; YuNet where None.
        progress: called with (photographs searched, photographs in all), then with (steps done, steps in all).
        say: called with a line before each part.

    Returns:
        The run; its figures are those of `pretraining.verification_figures` on the people held out.

    Raises:
        DataError: the set is not whole, or contradicts itself: nothing is trained.
        UsageError: no such device; the folder holds a run of another recipe or of other data; the set has too few
            people.
    """
    started = time.perf_counter()
    device = usable_device(recipe.device)
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
    faces = _faces(recipe, samples, Path(out), detector, progress, say)
    train, held = _parts(recipe, faces)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        pupil = _Pupil(recipe, people=int(train.labels.max()) + 1).to(device)
        told = {
            "set": name,
            "digest": list_digest(faces.samples, side=STORED),
            "photographs": len(train),
            "people": pupil.classifier.out_features,
            "photographs_held_out": len(held),
            "without_face": len(samples) - len(faces.samples),
            "label": found.label,
        }
        optimizer = _optimizer(recipe, pupil)
        history = _History(Path(out), {"recipe": recipe.as_json(), "data": told}, pupil, optimizer, held)
        history.resume()
        loader = Loader(
            source=train,
            batch=min(recipe.batch_size, len(train)),
            seed=recipe.seed,
            whole_batches=True,
            augment=partial(_augmented, recipe),
        )
        steps = recipe.epochs * len(loader)
        say(f"training for {recipe.epochs} epochs on {len(train):,} photographs of {told['people']:,} people")

        def after_step(step: int) -> None:
            pupil.settle(step)
            progress(step, steps)

        fit(
            pupil,
            lambda module, batch: module.loss(batch),
            loader.epoch,
            optimizer=optimizer,
            epochs=recipe.epochs,
            start=history.position,
            schedule=lambda step: 0.1 ** sum(step >= fall for fall in recipe.divided_at),
            after_step=after_step,
            after_epoch=lambda report: history.note(report, is_last=report.position.epochs == recipe.epochs),
        )
    return PretrainedRun.of(history, pupil.network, started=started, label=found.label)


@dataclass(frozen=True, eq=False)
class _Faces:
    """Faces to learn from.

    Attributes:
        samples: photographs that show one.
        boxes: (N, 4) where it is; None: they are faces already.
        held: (N, 182, 182, 3) in memory; None: they are decoded each time.
    """

    samples: Sequence[IdentitySample]
    boxes: NDArray[np.float64] | None
    held: NDArray[np.uint8] | None = None

    def of(self, number: int) -> NDArray[np.uint8]:
        """(182, 182, 3) of one of them."""
        if self.held is not None:
            return np.asarray(self.held[number])
        image = read_photograph(self.samples[number])
        if self.boxes is None:
            return np.asarray(resized(image[None], height=STORED, width=STORED)[0])
        x, y, width, height = self.boxes[number].tolist()
        face = Face((x, y, width, height), np.zeros((5, 2), np.float32), 1.0)
        return cut_box(image, face, margin=MARGIN * STORED / SIDE, side=STORED)


class _Pupil(nn.Module):
    """The network, the classifier and the centres that it learns with, and the mean of its weights."""

    def __init__(self, recipe: FaceLiveNetRecipe, *, people: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = FaceLiveNet(LAYOUTS[recipe.layout])  # Alg. 1, stage 1, line 1
        self.network.branch_1.dropout.p = recipe.dropout
        for part in self.network.modules():
            if isinstance(part, ShiftedNorm):
                part.momentum = recipe.norm_momentum
        self.classifier = nn.Linear(self.network.features, people)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)
        self.distances = _distances(recipe, people, self.network.features)
        self.mean: FaceLiveNet | None = None
        if recipe.averaged is not None:
            self.mean = FaceLiveNet(LAYOUTS[recipe.layout])
            self.mean.load_state_dict(self.network.state_dict())
            self.mean.requires_grad_(requires_grad=False)
        self._seen: tuple[Tensor, Tensor] | None = None

    @property
    def taken(self) -> FaceLiveNet:
        """The network that is judged and written."""
        return self.network if self.mean is None else self.mean

    def loss(self, batch: Batch) -> Tensor:
        """L1 of Alg. 1, stage 1, line 3."""
        device = device_of(self.network)
        features = self.network.embed(_pixels(batch.planes[Modality.RGB]).to(device))
        labels = torch.from_numpy(batch.labels).to(device)
        added = self.distances(features, labels)
        if self.recipe.loss is ClassLoss.CENTRE:
            added = added / len(labels)
        self._seen = (features.detach(), labels)
        loss: Tensor = cross_entropy(self.classifier(features), labels) + self.recipe.weight * added
        return loss

    @torch.no_grad()
    def settle(self, step: int) -> None:
        """After the step of this number, from 1: move the centres (Eq. 6 and 7) and the mean of the weights."""
        assert self._seen is not None
        self.distances.update(*self._seen)
        if self.mean is None or self.recipe.averaged is None:
            return
        decay = min(self.recipe.averaged, (1 + step) / (10 + step))  # TensorFlow's, which forgets sooner at first
        for ours, theirs in zip(self.mean.parameters(), self.network.parameters(), strict=True):
            ours.lerp_(theirs, 1 - decay)
        for kept, now in zip(self.mean.buffers(), self.network.buffers(), strict=True):
            kept.copy_(now)


def _distances(recipe: FaceLiveNetRecipe, people: int, features: int) -> CentreDistances:
    kinds: Mapping[ClassLoss, type[CentreDistances]] = {
        ClassLoss.TRIPLET: ClassWiseTripletLoss,
        ClassLoss.HINGE: ClassWiseHingeLoss,
        ClassLoss.CENTRE: CentreLoss,
    }
    rate = {} if recipe.centre_rate is None else {"centre_rate": recipe.centre_rate}
    return kinds[recipe.loss](people, features, normalised=recipe.normalised, **rate)


def _optimizer(recipe: FaceLiveNetRecipe, pupil: _Pupil) -> torch.optim.Optimizer:
    learning = [parameter for parameter in pupil.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in learning if each.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [each for each in learning if each.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    if recipe.descent is Descent.SGD:
        optimizer = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    else:
        optimizer = ReleasedRmsProp(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    longest = recipe.clipped_to
    if longest is not None:
        optimizer.register_step_pre_hook(lambda *_: _clip(learning, longest))
    return optimizer


def _clip(learning: Sequence[nn.Parameter], longest: float) -> None:
    nn.utils.clip_grad_norm_(learning, longest)


def _faces(
    recipe: FaceLiveNetRecipe,
    samples: Sequence[IdentitySample],
    folder: Path,
    detector: Detector | None,
    progress: Progress,
    say: Say,
) -> _Faces:
    faces = _Faces(samples, None)
    if recipe.cut:
        boxes = _boxes(samples, folder, detector, progress, say)
        shown = np.flatnonzero(~np.isnan(boxes[:, 0]))
        faces = _Faces([samples[row] for row in shown.tolist()], boxes[shown])
    count = len(faces.samples)
    if count * STORED * STORED * 3 > MEMORY:
        return faces
    say(f"decoding {count:,} photographs")
    held = np.empty((count, STORED, STORED, 3), np.uint8)
    for number in range(count):
        held[number] = faces.of(number)
    return _Faces(faces.samples, faces.boxes, held)


def _boxes(
    samples: Sequence[IdentitySample], folder: Path, detector: Detector | None, progress: Progress, say: Say
) -> NDArray[np.float64]:
    """Where the face of each photograph is, (N, 4); NaN where there is none."""
    card = {"digest": list_digest(samples, side=STORED)}
    try:
        kept = read_checkpoint(folder, BOXES)
        if kept.card == card:
            return np.asarray(kept.tensors["boxes"].numpy())
    except MissingFile:
        pass
    say(f"searching faces in {len(samples):,} photographs")
    finder = detector or released_detector()
    boxes = np.full((len(samples), 4), np.nan)
    for number, sample in enumerate(samples):
        image = read_photograph(sample)
        with contextlib.suppress(NoFace):
            boxes[number] = central_face(finder.detect(image), image.shape, name=sample.identifier).box
        progress(number + 1, len(samples))
    write_checkpoint(folder, BOXES, Checkpoint({"boxes": torch.from_numpy(boxes)}, card))
    return boxes


def _parts(recipe: FaceLiveNetRecipe, faces: _Faces) -> tuple[LabelledPart, LabelledPart]:
    """Faces to learn from, and faces of other people; labels are numbers of people."""
    found = []
    for people in apart((sample.subject for sample in faces.samples), share=recipe.held_out, seed=recipe.seed):
        number = {subject: place for place, subject in enumerate(sorted(people))}
        rows = [(row, number[each.subject]) for row, each in enumerate(faces.samples) if each.subject in number]
        columns = np.array(rows, np.int64)
        found.append(LabelledPart(faces, columns[:, 0].astype(np.intp), columns[:, 1]))
    return found[0], found[1]


def _augmented(
    recipe: FaceLiveNetRecipe, generator: np.random.Generator, planes: Planes
) -> dict[Modality, NDArray[np.uint8]]:
    part = middle((STORED, STORED), (SIDE, SIDE))
    if recipe.cropped:
        top, left = generator.integers(STORED - SIDE + 1, size=2).tolist()
        part = Rectangle(top, left, SIDE, SIDE)
    seen = crop(planes, part)
    return flip(seen) if recipe.mirror and draw_flip(generator) else seen


def _pixels(faces: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2).float() / 255


def _features(network: FaceLiveNet, part: LabelledPart) -> tuple[Tensor, Tensor]:
    """Features (M, D) of length 1 of the middle of the first faces, and whose they are."""
    network.eval()
    count = min(MOST_JUDGED, len(part))
    edge = (STORED - SIDE) // 2
    found = []
    with torch.inference_mode():
        for first in range(0, count, _BATCH):
            numbers = np.arange(first, min(first + _BATCH, count))
            faces = part.gather(numbers)[Modality.RGB][:, edge : edge + SIDE, edge : edge + SIDE]
            found.append(normalize(network.embed(_pixels(faces).to(device_of(network)))).cpu())
    return torch.cat(found), torch.from_numpy(part.labels[:count])


class _History(FiguredHistory):
    """What a run has come to after each epoch, kept in its folder."""

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        pupil: _Pupil,
        optimizer: torch.optim.Optimizer,
        held: LabelledPart,
    ) -> None:
        super().__init__(folder, first, pupil, optimizer, lambda: verification_figures(*_features(pupil.taken, held)))
        self._pupil, self._held = pupil, held

    def note(self, report: EpochReport, *, is_last: bool) -> None:
        """Judge the people held out and write the checkpoint to go on from; before the last one the network."""
        state = self.add(report)
        if is_last:
            network = self._pupil.taken
            done = facelivenet_state(
                network,
                point=self._point(),
                label=self.first["data"]["label"],
                **self.told(),
                epoch=self.position.epochs,
            )
            write_checkpoint(self.folder, BEST, done)
        self.write_last(state)

    def _point(self) -> OperatingPoint | None:
        """The threshold of verification; None where there are too few pairs."""
        ordered = pair_scores(*_features(self._pupil.taken, self._held))
        if ordered is None or ordered.negative_total < LEAST_PAIRS:
            return None
        value = ordered.threshold_at_false_accept_rate(float(RULE.partition(":")[2]))
        return OperatingPoint(value, RULE, Split.DEVELOPMENT)
