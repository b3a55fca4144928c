"""Train a multi-level aggregation network over RGB, infrared and depth, on a fold or on a whole split.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019,
sections 4.1, 5.1, 5.2 and 5.4; code: https://github.com/AlexanderParkin/ChaLearn_liveness_challenge. Paper and code
contradict each other, so there are two recipes, and one of ours:

- `PAPER`: Adam from 0.1 along half a cosine of 30 epochs, mirroring as the only change to a picture, random
  aggregation stages, a head that learns.
- `RELEASED`: as the options of the released networks have it: Adam from 2e-5 with betas .5 and .999, 31 epochs of a
  cosine of 50, strong views, aggregation stages from the pre-trained ones, and a head that stays as it was drawn.
- `RELEASED_TWO_STAGE`: the same for 30 epochs, then one on weak views, with the rate where it began.
- `SLIM`: the same graph at width 4, for two processor cores: minutes instead of hours.

The released code chose its epoch by hand and watched the challenge's validation set; here the epoch is chosen by the
held-out part of the fold (the highest AUC) or is the last one, and never by test.

    countenance train mlfa-slim --data casia-surf:ROOT --fold attack-1 --out RUN
    countenance train mlfa-released --data casia-surf:ROOT --fold attack-1 --initial PRETRAINED --out RUN

What to expect of `SLIM` on drawn data stands in docs/multimodal.md.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.checkpoints import BEST, read_checkpoint
from countenance.datasets.casia_surf import NAME as CASIA_SURF
from countenance.datasets.casia_surf_folds import (
    attack_folds,
    drawn_bona_fide_sets,
    published_bona_fide_sets,
    published_folds,
    subject_folds,
)
from countenance.datasets.named import read_whole, split_name
from countenance.datasets.samples import PresentationFold, PresentationSample
from countenance.errors import UsageError, at_least
from countenance.loading.batches import Augment, Batch, Loader
from countenance.loading.cache import CachedPlanes
from countenance.networks.mlfa import STREAMS, MultiLevelNetwork
from countenance.presentation_scoring import LoadedPresentations, Precision, load_presentations
from countenance.presentation_training import (
    Choice,
    Regimen,
    TrainedRun,
    state_operating_points,
    train_network,
)
from countenance.processes.devices import usable_device
from countenance.processes.group import own_share
from countenance.progress import Progress, Say, unheard
from countenance.recipes.teaching import Folder, Teachers, taught
from countenance.shipped import digest_of, trunk_source
from countenance.trained import MLFA, described, trained_network, trunk_named
from countenance.training import half_cosine
from countenance.transfer import Aggregations, initialise, pretrained_trunk_state
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.mixing import draw_mixture, mix
from countenance.transforms.multimodal import RESIZED, SIDE, STRONG, WEAK, Strength, apply_view, draw_view
from countenance.transforms.planes import Planes, frame_size
from countenance.vocabulary import Modality, Split

ATTACK, SUBJECT = "attack", "subject"


class Views(StrEnum):
    """How training pictures are varied: see `transforms.multimodal`.

    `MIXED` ones (`transforms.mixing`) have no label of their own: they are for teachers to judge.
    """

    NONE = "none"
    FLIP = "flip"
    WEAK = "weak"
    STRONG = "strong"
    MIXED = "mixed"


@dataclass(frozen=True, kw_only=True)
class MlfaRecipe:
    """All that decides what comes out, beside the data.

    Attributes:
        trunk: of the network, as `trained.trunk_named` knows it.
        width: channels after its stem.
        streams: the sensor of each branch.
        aggregation: with the aggregation path.
        excitation: with squeeze and excitation before the fusion, as in Figure 2.
        side: H and W that pictures are resized to; the network sees the middle 112.
        initial: a pre-trained trunk: a shipped one (`shipped.TRUNKS`), the folder of a run, or a file as
            `foreign_checkpoints` knows them; or the folder of a run of the same network, which is then taught on; "":
            first weights are drawn.
        aggregations: where the stages of the aggregation path come from when there is a pre-trained trunk.
        views: how training pictures are varied.
        weak_epochs: last epochs, on weak views, in which the learning rate begins anew.
        epochs: in all.
        batch_size: samples in a step; a smaller set is one batch.
        learning_rate: of Adam, at the first step.
        betas: of Adam.
        cosine_epochs: over which the rate would fall to 0 along half a cosine.
        by_epoch: the rate changes after each epoch, not after each step.
        train_head: the last layer learns; False: it stays as it was drawn, as in the released networks.
        sensor_dropout: probability that a sample loses a sensor in training, so that the network can do without.
        precision: of the forward pass.
        teachers_at_once: of the teachers, where there are any, how many judge each batch as the student sees it; 0: all
            judge each sample once, before the training, and what they say is mixed with the labels.
        choice: which epoch the run ends with.
        seed: of the first weights, the order, the views and the dropout.
        device: that trains, such as "cuda"; only on a processor does the same seed give the same bytes.

    Raises:
        UsageError: a number outside its range.
    """

    trunk: str = "slim-resnet"
    width: int = 4
    streams: tuple[Modality, ...] = STREAMS
    aggregation: bool = True
    excitation: bool = False
    side: int = SIDE
    initial: str = ""
    aggregations: Aggregations = Aggregations.PRE_TRAINED
    views: Views = Views.FLIP
    weak_epochs: int = 0
    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 3e-3
    betas: tuple[float, float] = (0.9, 0.999)
    cosine_epochs: int = 4
    by_epoch: bool = False
    train_head: bool = True
    sensor_dropout: float = 0.0
    precision: Precision = Precision.FLOAT32
    teachers_at_once: int = 0
    choice: Choice = Choice.DEVELOPMENT
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, cosine_epochs=self.cosine_epochs, width=self.width)
        at_least(2, batch_size=self.batch_size)
        at_least(0, seed=self.seed, weak_epochs=self.weak_epochs, teachers_at_once=self.teachers_at_once)
        at_least(SIDE, side=self.side)
        if not (
            self.learning_rate > 0
            and all(0 <= beta < 1 for beta in self.betas)
            and 0 <= self.sensor_dropout < 1
            and self.weak_epochs < self.epochs
        ):
            raise UsageError(
                expected="a learning rate above 0, betas and a sensor dropout from 0 to below 1, fewer weak epochs "
                "than epochs",
                came=f"{self.learning_rate:g}, {self.betas}, {self.sensor_dropout:g}, "
                f"{self.weak_epochs} of {self.epochs}",
                remedy="correct the number",
            )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The sensors that are read."""
        return tuple(dict.fromkeys(self.streams))

    def as_json(self) -> dict[str, Any]:
        """Return every field but the device as JSON holds it; a trunk by its name and digest, wherever it lies."""
        source = trunk_source(self.initial)
        digest = digest_of(source) if self.initial else None
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        del plain["device"]
        named = {"initial": source.name, "initial_digest": digest}
        return {**plain, "streams": list(map(str, self.streams)), **named}


SLIM = MlfaRecipe()
RELEASED = MlfaRecipe(  # the shipped options
    trunk="caffe-resnet34",
    width=32,
    side=RESIZED,
    views=Views.STRONG,
    epochs=31,
    batch_size=128,
    learning_rate=2e-5,
    betas=(0.5, 0.999),
    cosine_epochs=50,
    by_epoch=True,
    train_head=False,
    precision=Precision.BFLOAT16,
    choice=Choice.LAST,
)
RELEASED_TWO_STAGE = replace(RELEASED, weak_epochs=1)
PAPER = replace(  # sections 5.1, 5.2 and 5.6
    RELEASED,
    views=Views.FLIP,
    aggregations=Aggregations.RANDOM,
    epochs=30,
    learning_rate=0.1,
    betas=(0.9, 0.999),
    cosine_epochs=30,
    train_head=True,
)
RECIPES: Mapping[str, MlfaRecipe] = {
    "mlfa-slim": SLIM,
    "mlfa-released": RELEASED,
    "mlfa-released-two-stage": RELEASED_TWO_STAGE,
    "mlfa-paper": PAPER,
}


def train_mlfa(
    recipe: MlfaRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    fold: str = "",
    teachers: Sequence[Folder] = (),
    bona_fide_label: str | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> TrainedRun:
    """Train on a named set, after a look at the whole of it; goes on where a run of the same recipe was stopped.

    Args:
        recipe: what to do.
        data: a set of still presentations as NAME:ROOT.
        out: folder of the run.
        fold: "attack-1" to "attack-3" or "subject-1" to "subject-5" of CASIA-SURF's training split; the epoch is then
            chosen by what the fold holds out. "": the whole training split, and the development split chooses.
        teachers: folders of runs; where there are any, the network is trained to say what their ensemble says, as the
            recipe's `teachers_at_once` has it.
        bona_fide_label: as for `named.inspect_named`.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        DataError: the set is not whole, or contradicts itself: nothing is trained.
        UsageError: no such device; an unknown fold; the folder holds a run of another recipe or of other data; a sample
            lacks a sensor.
        OneClassOnly: a part that is needed holds one class.
    """
    usable_device(recipe.device)
    samples, label = read_whole(data, bona_fide_label=bona_fide_label, say=say)
    parts = parts_of(data, samples, fold)

    def loaded(part: Sequence[PresentationSample], what: str) -> LoadedPresentations:
        say(f"decoding {len(part):,} samples {what}")
        return load_presentations(part, recipe.modalities, side=recipe.side)

    train = loaded(parts.train, "to learn from")
    development = loaded(parts.development, "to choose by") if recipe.choice is Choice.DEVELOPMENT else None
    targets = None
    if teachers and not recipe.teachers_at_once:
        say(f"asking {len(teachers)} teachers")
        targets = taught(train.samples, teachers, progress=progress)
    say(f"training for {recipe.epochs} epochs on {len(train.samples):,} samples ({parts.name})")
    asked = teachers if recipe.teachers_at_once else ()
    run = fit_mlfa(recipe, train, development, out=out, label=label, targets=targets, teachers=asked, progress=progress)
    validation = [row for row in samples if row.split is Split.DEVELOPMENT]
    if validation and own_share().number == 0:
        state_operating_points(out, loaded(validation, "to choose the threshold by"))
    return run


def fit_mlfa(
    recipe: MlfaRecipe,
    train: LoadedPresentations,
    development: LoadedPresentations | None,
    *,
    out: str | os.PathLike[str],
    label: str = "",
    targets: NDArray[np.float64] | None = None,
    teachers: Sequence[Folder] = (),
    progress: Progress = unheard,
) -> TrainedRun:
    """Train on presentations that are in memory; for the other arguments see `presentation_training.train_network`.

    Args:
        recipe: what to do.
        train: what is learnt from.
        development: what the epoch is chosen by, where the recipe does.
        out: folder of the run.
        label: of the data.
        targets: what the network is to say of each sample.
        teachers: folders of runs that judge each batch as the network sees it, `teachers_at_once` of them; then neither
            labels nor targets are looked at.
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: the recipe chooses by a development part and there is none; mixed views without teachers that judge
            them; as `train_network` raises it.
        DataError: the pre-trained trunk, or a checkpoint, is missing or damaged.
    """
    if recipe.choice is Choice.DEVELOPMENT and development is None:
        raise UsageError(
            expected="a held-out part to choose the epoch by", came="none", remedy="take the last: --choice last"
        )

    if recipe.views is Views.MIXED and not teachers:
        raise UsageError(
            expected="teachers that judge mixed pictures, which have no label",
            came="none",
            remedy="name teachers and how many at once, or other views",
        )
    device = usable_device(recipe.device)
    guide = Teachers(teachers, at_once=recipe.teachers_at_once, device=device) if teachers else None

    def build() -> tuple[MultiLevelNetwork, Regimen]:
        network = build_network(recipe).to(device)
        loaders = _loaders(recipe, train)
        steps = len(loaders[0])
        learnt = [value for name, value in network.named_parameters() if recipe.train_head or not _is_head(name)]
        return network, Regimen(
            optimizer=torch.optim.Adam(learnt, lr=recipe.learning_rate, betas=recipe.betas),
            batches=lambda epoch: _batches(loaders, recipe, epoch),
            steps=steps,
            epochs=recipe.epochs,
            schedule=_schedule(recipe, steps),
            sensor_dropout=recipe.sensor_dropout,
            precision=recipe.precision,
            guide=guide,
        )

    return train_network(
        build,
        seed=recipe.seed,
        recipe=recipe.as_json() | ({"teachers": guide.digests} if guide else {}),
        train=train,
        development=development if recipe.choice is Choice.DEVELOPMENT else None,
        out=out,
        label=label,
        targets=targets,
        progress=progress,
    )


def build_network(recipe: MlfaRecipe) -> MultiLevelNetwork:
    """Build the recipe's network, first weights from torch's generator, from the pre-trained trunk or from a whole run.

    Raises:
        DataError: the trunk is unknown, or its pre-trained weights are missing or another's.
        UsageError: the whole run's network is another one.
    """
    network = MultiLevelNetwork(
        trunk_named(recipe.trunk, recipe.width),
        streams=recipe.streams,
        aggregation=recipe.aggregation,
        excitation=recipe.excitation,
        side=recipe.side,
    )
    source = trunk_source(recipe.initial)
    if recipe.initial and source.is_dir() and read_checkpoint(source, BEST).card.get("network") == MLFA:
        begun = trained_network(source)
        if described(begun) != described(network):
            raise UsageError(
                expected=f"a run of the recipe's own network in {recipe.initial}",
                came=f"{described(begun)} for {described(network)}",
                remedy="name another run, or a trunk",
            )
        network.load_state_dict(begun.state_dict())
    elif recipe.initial:
        initialise(network, pretrained_trunk_state(source), aggregations=recipe.aggregations)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def parts_of(data: str, samples: Iterable[PresentationSample], fold: str) -> PresentationFold:
    """Return what is learnt from and what the epoch is chosen by.

    Args:
        data: the set as NAME:ROOT; published lists of bona fide sets are read from it, and where there are none these
            sets are drawn by seed 0.
        samples: of all splits.
        fold: as for `train_mlfa`.

    Raises:
        UsageError: an unknown fold, or a fold of another set than CASIA-SURF.
        ProtocolMismatch: the lists do not fit the set.
    """
    rows = list(samples)
    train = [row for row in rows if row.split is Split.TRAIN]
    if not fold:
        development = tuple(row for row in rows if row.split is Split.DEVELOPMENT)
        return PresentationFold(name="the whole training split", train=tuple(train), development=development)
    name, root = split_name(data)
    kind, _, number = fold.partition("-")
    folds: list[PresentationFold] = []
    if name == CASIA_SURF and kind == ATTACK:
        published, _ = published_folds(root)
        subjects = (row.subject for row in train)
        folds = attack_folds(
            train,
            published_bona_fide_sets(root) if published else drawn_bona_fide_sets(subjects, np.random.default_rng(0)),
        )
    elif name == CASIA_SURF and kind == SUBJECT:
        folds = subject_folds(train)
    if not number.isdecimal() or not 1 <= int(number) <= len(folds):
        raise UsageError(
            expected=f"{ATTACK}-1 to {ATTACK}-3 or {SUBJECT}-1 to {SUBJECT}-5 of {CASIA_SURF}",
            came=f"{fold!r} of {name}",
            remedy="name a fold, or none",
        )
    return folds[int(number) - 1]


def _is_head(name: str) -> bool:
    return name.startswith("head.")


def _schedule(recipe: MlfaRecipe, steps: int) -> Callable[[int], float]:
    """Half a cosine over `cosine_epochs`; it begins anew where the weak epochs do."""
    restart = (recipe.epochs - recipe.weak_epochs) * steps
    first, anew = (half_cosine(recipe.cosine_epochs * steps, after=begun) for begun in (0, restart))

    def factor(step: int) -> float:
        again = recipe.weak_epochs and step >= restart
        return (anew if again else first)(step // steps * steps if recipe.by_epoch else step)

    return factor


def _loaders(recipe: MlfaRecipe, train: LoadedPresentations) -> tuple[Loader, Loader]:
    """One for the recipe's views, one for the weak ones."""
    first, second = (
        Loader(
            source=train.planes,
            batch=min(recipe.batch_size, len(train.planes)),
            seed=recipe.seed,
            whole_batches=True,
            augment=_augment(views, train.planes),
            share=own_share(),
        )
        for views in (recipe.views, Views.WEAK)
    )
    return first, second


def _batches(loaders: tuple[Loader, Loader], recipe: MlfaRecipe, epoch: int) -> Iterable[Batch]:
    return loaders[epoch >= recipe.epochs - recipe.weak_epochs].epoch(epoch)


def _augment(views: Views, source: CachedPlanes | None = None) -> Augment | None:
    """What varies a sample; mixed views take the other one from `source`."""
    strengths: Mapping[Views, Strength] = {Views.WEAK: WEAK, Views.STRONG: STRONG}

    def mirrored(generator: np.random.Generator, planes: Planes) -> Mapping[Modality, NDArray[np.uint8]]:
        return flip(planes) if draw_flip(generator) else planes

    def varied(generator: np.random.Generator, planes: Planes) -> Mapping[Modality, NDArray[np.uint8]]:
        return apply_view(planes, draw_view(generator, strengths[views]))

    def mixed(generator: np.random.Generator, planes: Planes) -> Mapping[Modality, NDArray[np.uint8]]:
        assert source is not None
        number = int(generator.integers(len(source)))
        other = {modality: plane[number] for modality, plane in source.planes.items()}
        return mix(planes, other, draw_mixture(generator, frame_size(planes), tuple(planes)))

    if views is Views.NONE:
        return None
    if views is Views.MIXED:
        return mixed
    return mirrored if views is Views.FLIP else varied
