"""Train the slim network that tells bona fide presentations from attacks.

No paper's recipe: the least that shows whether a set can be learnt.

    countenance train slim-pad --data casia-surf:ROOT --out RUN

On a drawn CASIA-SURF of 200 subjects an epoch takes seconds on one processor core; what to expect of each sensor stands
in `modality_order`. The epoch is chosen by the development split (the highest AUC, of equals the later), never by test,
or not at all (``choice="last"``).
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.datasets.named import read_whole
from countenance.errors import UsageError, at_least
from countenance.loading.batches import Loader
from countenance.networks.slim_pad import SIDE, SlimPad
from countenance.presentation_scoring import LoadedPresentations, load_presentations
from countenance.presentation_training import Choice, Regimen, TrainedRun, train_network
from countenance.processes.devices import usable_device
from countenance.processes.group import own_share
from countenance.progress import Progress, Say, unheard
from countenance.training import half_cosine
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.planes import Planes
from countenance.vocabulary import Modality, Split


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
        device: that trains, such as "cuda"; only on a processor does the same seed give the same bytes.

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
    device: str = "cpu"

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

    def as_json(self) -> dict[str, Any]:
        """Return every field but the device as JSON holds it."""
        plain = {**asdict(self), "modalities": list(map(str, self.modalities)), "choice": str(self.choice)}
        del plain["device"]
        return plain


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
    samples, label = read_whole(data, bona_fide_label=bona_fide_label, say=say)

    def loaded(split: Split) -> LoadedPresentations:
        say(f"decoding the {split} split")
        return load_presentations([row for row in samples if row.split is split], recipe.modalities, side=SIDE)

    train = loaded(Split.TRAIN)
    development = loaded(Split.DEVELOPMENT) if recipe.choice is Choice.DEVELOPMENT else None
    say(f"training for {recipe.epochs} epochs on {len(train.samples):,} samples")
    return fit_slim_pad(recipe, train, development, out=out, label=label, progress=progress)


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
        UsageError: no such device; the folder holds a run of another recipe or of other data; the recipe chooses by a
            development split and there is none.
        DataError: its checkpoint is damaged.
    """
    if recipe.choice is Choice.DEVELOPMENT and development is None:
        raise UsageError(
            expected="a development split to choose the epoch by", came="none", remedy="take the last: --choice last"
        )

    device = usable_device(recipe.device)

    def build() -> tuple[SlimPad, Regimen]:
        network = SlimPad(recipe.modalities, width=recipe.width).to(device)
        loader = _loader(recipe, train)
        return network, Regimen(
            optimizer=torch.optim.AdamW(
                network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
            ),
            batches=loader.epoch,
            steps=len(loader),
            epochs=recipe.epochs,
            schedule=half_cosine(recipe.epochs * len(loader)),
        )

    return train_network(
        build,
        seed=recipe.seed,
        recipe=recipe.as_json(),
        train=train,
        development=development,
        out=out,
        label=label,
        progress=progress,
    )


def _loader(recipe: SlimPadRecipe, train: LoadedPresentations) -> Loader:
    def mirrored(generator: np.random.Generator, planes: Planes) -> Mapping[Modality, NDArray[np.uint8]]:
        return flip(planes) if draw_flip(generator, probability=recipe.flip_probability) else planes

    return Loader(
        source=train.planes,
        batch=min(recipe.batch_size, len(train.planes)),
        seed=recipe.seed,
        whole_batches=True,
        augment=mirrored,
        share=own_share(),
    )
