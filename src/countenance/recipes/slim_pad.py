"""Train the slim network that tells bona fide presentations from attacks.

No paper's recipe: the least that shows whether a set can be learnt.

    countenance train slim-pad --data casia-surf:ROOT --out RUN

On a drawn CASIA-SURF of 200 subjects an epoch takes seconds on one processor core; what to expect of each sensor stands
in `modality_order`. The epoch is chosen by the development split (the highest AUC, of equals the later), never by test,
or not at all (``choice="last"``).
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from countenance.checkpoints import Checkpoint, read_checkpoint, restore_training, training_state, write_checkpoint
from countenance.datasets.named import inspect_named, read_presentations, split_name
from countenance.errors import UsageError, at_least
from countenance.loading.batches import Batch, Loader
from countenance.metrics.counts import SortedScores
from countenance.networks.slim_pad import NAME, SIDE, SlimPad
from countenance.presentation_scoring import LoadedPresentations, judge, load_presentations, stack_planes
from countenance.progress import Progress, Say, unheard
from countenance.trained import BEST
from countenance.training import EpochReport, Position, fit
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.planes import Planes
from countenance.vocabulary import Modality, Split

LAST = "last"


class Choice(StrEnum):
    """Which epoch a run ends with."""

    DEVELOPMENT = "development"
    LAST = "last"


@dataclass(frozen=True, kw_only=True)
class SlimPadRecipe:
    """All that decides what comes out, beside the data.

    Attributes:
        modalities: the sensors that the network reads.
        width: channels after its first convolution.
        epochs: in all.
        batch_size: samples in a step; a smaller set is one batch.
        learning_rate: of AdamW, at the first step; it falls to 0 along half a cosine.
        weight_decay: of AdamW.
        flip_probability: that a sample is mirrored.
        choice: which epoch the run ends with.
        seed: of the first weights, the order and the mirroring.

    Raises:
        UsageError: a number outside its range.
    """

    modalities: tuple[Modality, ...] = tuple(Modality)
    width: int = 16
    epochs: int = 7
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    flip_probability: float = 0.5
    choice: Choice = Choice.DEVELOPMENT
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, width=self.width)
        at_least(2, batch_size=self.batch_size)
        at_least(0, seed=self.seed)
        if not (self.learning_rate > 0 and self.weight_decay >= 0 and 0 <= self.flip_probability <= 1):
            raise UsageError(
                expected="a learning rate above 0, a weight decay of at least 0 and a probability from 0 to 1",
                came=f"{self.learning_rate:g}, {self.weight_decay:g} and {self.flip_probability:g}",
                remedy="correct the number",
            )

    @classmethod
    def of_words(cls, *, modalities: str, choice: str, epochs: int, batch_size: int, seed: int) -> Self:
        """Build it from words as people write them.

        Raises:
            UsageError: an unknown sensor or choice.

        >>> SlimPadRecipe.of_words(modalities="rgb,depth", choice="last", epochs=1, batch_size=8, seed=0).modalities
        (<Modality.RGB: 'rgb'>, <Modality.DEPTH: 'depth'>)
        """
        sensors = [word.strip() for word in modalities.split(",")]
        if not set(sensors) <= set(Modality) or choice not in set(Choice):
            raise UsageError(
                expected=f"sensors among {','.join(Modality)}, and a choice: {' or '.join(Choice)}",
                came=f"{modalities!r} and {choice!r}",
                remedy="for example --modalities rgb,depth --choice last",
            )
        return cls(
            modalities=tuple(Modality(word) for word in sensors),
            choice=Choice(choice),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
        )

    def as_json(self) -> dict[str, Any]:
        """Return every field as JSON holds it."""
        return {**asdict(self), "modalities": list(map(str, self.modalities)), "choice": str(self.choice)}


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """What a training did.

    Attributes:
        epochs: that are done, those before an interruption among them.
        best: the epoch that was chosen, from 1.
        checkpoint: the card of the chosen network.
        losses: mean loss of each epoch.
        auc: on the development split after each epoch; empty where the last epoch is taken.
        parameters: of the network.
        seconds: that this call took.
        label: printed with every figure, such as "drawn data".
    """

    epochs: int
    best: int
    checkpoint: Path
    losses: tuple[float, ...]
    auc: tuple[float, ...]
    parameters: int
    seconds: float
    label: str


def train_slim_pad(
    recipe: SlimPadRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    bona_fide_label: str | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> TrainedRun:
    """Train on a named set, after a look at the whole of it; goes on where a run of the same recipe was stopped.

    Args:
        recipe: what to do.
        data: a set of still presentations as NAME:ROOT, such as "casia-surf:/data/CASIA-SURF".
        out: folder of the run.
        bona_fide_label: as for `named.inspect_named`.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        DataError: the set is not whole, or contradicts itself: nothing is trained.
        UsageError: the folder holds a run of another recipe or of other data; a sample lacks a sensor.
        OneClassOnly: a split that is needed holds one class.
    """
    say(f"looking at the whole of {data}")
    found = inspect_named(data, bona_fide_label=bona_fide_label)
    found.refuse(split_name(data)[0])
    samples = read_presentations(data, bona_fide_label=bona_fide_label)

    def loaded(split: Split) -> LoadedPresentations:
        say(f"decoding the {split} split")
        return load_presentations([row for row in samples if row.split is split], recipe.modalities, side=SIDE)

    train = loaded(Split.TRAIN)
    development = loaded(Split.DEVELOPMENT) if recipe.choice is Choice.DEVELOPMENT else None
    say(f"training for {recipe.epochs} epochs on {len(train.samples):,} samples")
    return fit_slim_pad(recipe, train, development, out=out, label=found.label, progress=progress)


def fit_slim_pad(
    recipe: SlimPadRecipe,
    train: LoadedPresentations,
    development: LoadedPresentations | None,
    *,
    out: str | os.PathLike[str],
    label: str = "",
    progress: Progress = unheard,
) -> TrainedRun:
    """Train on presentations that are in memory; goes on where a run of the same recipe was stopped.

    The folder holds the checkpoint ``last``, from which it goes on, and ``best``, the chosen network.

    Args:
        recipe: what to do.
        train: what is learnt from.
        development: what the epoch is chosen by; None where the recipe takes the last one.
        out: folder of the run.
        label: of the data, such as "drawn data".
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: the folder holds a run of another recipe or of other data, or the recipe chooses by a development
            split and there is none.
        DataError: its checkpoint is damaged.
    """
    if recipe.choice is Choice.DEVELOPMENT and development is None:
        raise UsageError(
            expected="a development split to choose the epoch by", came="none", remedy="take the last: --choice last"
        )
    started = time.perf_counter()
    folder = Path(out)
    first = {
        "recipe": recipe.as_json(),
        "data": {"train": train.digest, "development": development.digest if development else None, "label": label},
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = SlimPad(recipe.modalities, width=recipe.width)
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        loader = _loader(recipe, train)
        history = _History(folder, first, network, optimizer, development)
        history.resume()
        steps = recipe.epochs * len(loader)
        fit(
            network,
            _loss,
            loader.epoch,
            optimizer=optimizer,
            epochs=recipe.epochs,
            start=history.position,
            schedule=lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)),
            after_step=lambda step: progress(step, steps),
            after_epoch=history.note,
        )
    return TrainedRun(
        epochs=history.position.epochs,
        best=history.best,
        checkpoint=folder / f"{BEST}.json",
        losses=tuple(history.losses),
        auc=tuple(history.aucs),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        seconds=time.perf_counter() - started,
        label=label,
    )


def _loss(network: SlimPad, batch: Batch) -> Tensor:
    logits = network(stack_planes(batch.planes, network.modalities))
    return binary_cross_entropy_with_logits(logits, torch.from_numpy(batch.labels).float())


def _loader(recipe: SlimPadRecipe, train: LoadedPresentations) -> Loader:
    def mirrored(generator: np.random.Generator, planes: Planes) -> Mapping[Modality, NDArray[np.uint8]]:
        return flip(planes) if draw_flip(generator, probability=recipe.flip_probability) else planes

    return Loader(
        source=train.planes,
        batch=min(recipe.batch_size, len(train.planes)),
        seed=recipe.seed,
        whole_batches=True,
        augment=mirrored,
    )


class _History:
    """What a run has come to after each epoch, kept in its folder."""

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        network: SlimPad,
        optimizer: torch.optim.Optimizer,
        development: LoadedPresentations | None,
    ) -> None:
        self.position = Position()
        self.losses: list[float] = []
        self.aucs: list[float] = []
        self._folder, self._first = folder, first
        self._network, self._optimizer, self._development = network, optimizer, development

    @property
    def best(self) -> int:
        """The chosen epoch, from 1: the one with the highest AUC, of equals the later; the last where none is known."""
        if not self.aucs:
            return self.position.epochs
        return max(range(len(self.aucs)), key=lambda epoch: (self.aucs[epoch], epoch)) + 1

    def resume(self) -> None:
        """Go on from the checkpoint ``last``, where there is one."""
        if not (self._folder / f"{LAST}.json").is_file():
            return
        last = read_checkpoint(self._folder, LAST)
        for key, ours in self._first.items():
            theirs = last.card.get(key)
            if theirs != ours:
                differ = sorted(name for name in ours if not isinstance(theirs, dict) or theirs.get(name) != ours[name])
                raise UsageError(
                    expected=f"the {key} that the run in {self._folder} was begun with",
                    came=f"another one ({', '.join(differ)})",
                    remedy="name another folder",
                )
        restore_training(last, self._network, self._optimizer, torch.default_generator)
        self.position = Position(last.card["epochs"], last.card["steps"])
        self.losses, self.aucs = list(last.card["losses"]), list(last.card["auc"])

    def note(self, report: EpochReport) -> None:
        """Look at the development split and write both checkpoints; the one to go on from is written last."""
        self.position = report.position
        self.losses.append(report.loss)
        if self._development is not None:
            scores = judge(self._development.planes, self._network)
            is_bona_fide = self._development.planes.labels == 1
            ordered = SortedScores.of(positives=scores[is_bona_fide], negatives=scores[~is_bona_fide])
            self.aucs.append(ordered.auc())
        state = training_state(self._network, self._optimizer, torch.default_generator)
        told = {**self._first, "losses": self.losses, "auc": self.aucs, "version": metadata.version("countenance")}
        if self.best == self.position.epochs:
            own = {name: tensor for name, tensor in state.tensors.items() if name.startswith("module.")}
            card = {
                **told,
                "network": NAME,
                "modalities": [str(modality) for modality in self._network.modalities],
                "width": self._network.width,
                "epoch": self.best,
            }
            write_checkpoint(self._folder, BEST, Checkpoint(own, card))
        card = {**told, **state.card, "epochs": self.position.epochs, "steps": self.position.steps}
        write_checkpoint(self._folder, LAST, Checkpoint(state.tensors, card))


def recipe_named(name: str) -> Callable[..., TrainedRun]:
    """Return what trains by the recipe called `name`.

    Raises:
        UsageError: an unknown name.
    """
    if name != NAME:
        raise UsageError(expected=f"a recipe that is built so far: {NAME}", came=repr(name), remedy="name it")
    return train_slim_pad
