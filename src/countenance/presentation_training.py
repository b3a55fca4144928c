"""The training of any network that tells bona fide presentations from attacks, kept in the folder of its run.

The folder holds two checkpoints: ``last``, from which an interrupted run goes on bit for bit, and ``best``, the network
that the run ends with. A recipe hands in the network, its optimizer and its batches; what is the same for all of them
is here: the loss, the choice of the epoch, the history, what is written and when.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss
from torch.optim import Optimizer

from countenance.checkpoints import BEST, Checkpoint, read_checkpoint, write_checkpoint
from countenance.files import sha256_of
from countenance.loading.batches import Batch
from countenance.metrics.counts import SortedScores
from countenance.metrics.operating_point import choose
from countenance.presentation_scoring import LoadedPresentations, Precision, device_of, judge, stack_planes, table_of
from countenance.processes.group import agree, own_share, told_by_first
from countenance.processes.learning import own, shared, whole_loss
from countenance.progress import Progress, unheard
from countenance.run_history import RunHistory, module_state
from countenance.trained import TrainedNetwork, described, trained_network
from countenance.training import EpochReport, fit
from countenance.vocabulary import Split

RULE = "fpr:0.01"  # a development split of 1,200 attack frames has 12 in a hundredth, and one in a thousandth


Guide = Callable[[Batch], Tensor]
"""Says which margins (B,) a batch is to have: those of teachers, who see what the student sees."""


class Choice(StrEnum):
    """Which epoch a run ends with.

    `DEVELOPMENT` is the one with the highest AUC on the held-out part of a fold, or on the development split where
    there is no fold; of equals the later.
    """

    DEVELOPMENT = "development"
    LAST = "last"


@dataclass(frozen=True, kw_only=True, eq=False)
class Regimen:
    """What a recipe hands in beside the network.

    Attributes:
        optimizer: of those of the network's parameters that are trained.
        batches: the batches of an epoch, by its number from 0.
        steps: batches in an epoch.
        epochs: in all.
        schedule: the factor on the learning rate, from the number of steps done before.
        sensor_dropout: probability that a sample loses a sensor, each by itself; one is always left.
        precision: of the forward pass.
        guide: where there is one, its margins are what is learnt, and labels and targets are not looked at.
    """

    optimizer: Optimizer
    batches: Callable[[int], Iterable[Batch]]
    steps: int
    epochs: int
    schedule: Callable[[int], float]
    sensor_dropout: float = 0.0
    precision: Precision = Precision.FLOAT32
    guide: Guide | None = None


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """What a training did.

    Attributes:
        epochs: that are done, those before an interruption among them.
        best: the epoch that was chosen, from 1.
        checkpoint: the card of the chosen network.
        losses: mean loss of each epoch.
        auc: on the development part after each epoch; empty where the last epoch is taken.
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

    def as_json(self) -> dict[str, Any]:
        """Return the run as the command line prints it."""
        told = {name: value for name, value in vars(self).items() if name != "auc"}
        return told | {"checkpoint": str(self.checkpoint), "development_auc": self.auc}

    def told(self) -> str:
        """Return a line that says what was done."""
        chosen = f", AUC on what was held out {self.auc[self.best - 1]:.4f}" if self.auc else ""
        return f"{self.epochs} epochs in {self.seconds:.1f} s; the network is that of epoch {self.best}{chosen}"


def train_network(  # noqa: PLR0913 - each is a thing of its own
    build: Callable[[], tuple[TrainedNetwork, Regimen]],
    *,
    seed: int,
    recipe: Mapping[str, Any],
    train: LoadedPresentations,
    development: LoadedPresentations | None,
    out: str | os.PathLike[str],
    label: str = "",
    targets: NDArray[np.float64] | None = None,
    progress: Progress = unheard,
) -> TrainedRun:
    """Train a network; goes on where a run of the same recipe and data was stopped.

    Where several processes have joined (`processes.group`), they train it together, as one would: each calls this with
    the same arguments, the first alone judges and writes, and all return what it has come to.

    Args:
        build: makes the network and its regimen; torch's generator is seeded before.
        seed: of the first weights and of what training draws.
        recipe: as JSON, for the card; a run that was begun with another one is refused.
        train: what is learnt from.
        development: what the epoch is chosen by; None: the last is taken.
        out: folder of the run.
        label: of the data, such as "drawn data".
        targets: (N,) from 0 to 1, what the network is to say of each training sample, such as a teacher's scores; the
            labels where None.
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: the folder holds a run of another recipe or of other data, the loss is not finite, or another
            process has other data or sees another folder.
        DataError: its checkpoint is damaged.
    """
    started = time.perf_counter()
    first = {
        "recipe": dict(recipe),
        "data": {
            "train": train.digest,
            "development": development.digest if development else None,
            "targets": None if targets is None else sha256_of(targets.tobytes()),
            "label": label,
        },
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, regimen = build()
        history = _History(Path(out), first, network, regimen.optimizer, development)
        history.resume()
        agree((first, history.position), on="the recipe, the data and the state of the run")
        first_of_all = own_share().number == 0
        total = regimen.epochs * regimen.steps

        def loss_of(module: nn.Module, batch: Batch) -> Tensor:
            own_loss = presentation_loss(module, batch, regimen, targets)
            return whole_loss(own_loss, part=len(batch), whole=batch.whole)

        fit(
            shared(network),
            loss_of,
            regimen.batches,
            optimizer=regimen.optimizer,
            epochs=regimen.epochs,
            start=history.position,
            schedule=regimen.schedule,
            after_step=lambda step: progress(step, total),
            after_epoch=history.note if first_of_all else None,
        )
        return told_by_first(
            TrainedRun(
                epochs=history.position.epochs,
                best=history.best,
                checkpoint=Path(out) / f"{BEST}.json",
                losses=tuple(history.losses),
                auc=tuple(history.aucs),
                parameters=sum(parameter.numel() for parameter in network.parameters()),
                seconds=time.perf_counter() - started,
                label=label,
            )
        )


def presentation_loss(
    network: nn.Module, batch: Batch, regimen: Regimen, targets: NDArray[np.float64] | None = None
) -> Tensor:
    """Return the cross entropy of a batch: of a margin between two classes it is that of one logit.

    Where there is a guide it is Huber's loss between its margins and the guide's: the cross entropy of scores near 0
    and 1 hardly tells these apart.

    Args:
        network: in training; as it is, or as `processes.learning.shared` returned it.
        batch: of the training samples.
        regimen: says which sensors may be lost, the precision, and who guides.
        targets: (N,) for all training samples, by their numbers; the labels where None.
    """
    margins = margins_of(network, batch, regimen)
    if regimen.guide is not None:
        return smooth_l1_loss(margins, regimen.guide(batch).to(margins))
    wanted = batch.labels if targets is None else targets[batch.numbers]
    return binary_cross_entropy_with_logits(margins, torch.from_numpy(wanted).to(margins))


def margins_of(network: nn.Module, batch: Batch, regimen: Regimen) -> Tensor:
    """Return the margins (B,) of a batch in training, at least in float32; sensors are dropped as the regimen says."""
    modalities = cast("TrainedNetwork", own(network)).modalities
    planes = stack_planes(batch.planes, modalities).to(device_of(network))
    present = None
    if regimen.sensor_dropout:  # drawn for the whole step, so that generators stand alike in all processes
        present = drawn_presence(batch.whole, len(modalities), regimen.sensor_dropout)[batch.before :][: len(batch)]
    with torch.autocast(planes.device.type, torch.bfloat16, enabled=regimen.precision is Precision.BFLOAT16):
        margins: Tensor = network(planes) if present is None else network(planes, present.to(planes.device))
    return margins.to(torch.promote_types(margins.dtype, torch.float32))


def drawn_presence(count: int, sensors: int, probability: float) -> Tensor:
    """Draw which sensors each sample keeps: (count, sensors) of bool, at least one in each row.

    Each sensor is lost with `probability` by itself; a sample that would lose all keeps one, any with equal chance.
    """
    present = torch.rand(count, sensors) >= probability
    spared = torch.nn.functional.one_hot(torch.randint(sensors, (count,)), sensors).bool()
    return torch.where(present.any(1, keepdim=True), present, spared)


def state_operating_points(
    folder: str | os.PathLike[str], development: LoadedPresentations, *, rule: str = RULE
) -> None:
    """Write into a run's card at which scores its network says yes: for all its sensors, and for fewer where it may.

    Args:
        folder: of the run; the card of its chosen network is replaced.
        development: nothing was learnt from it.
        rule: chooses each threshold on the development scores, as `metrics.operating_point.choose` knows it.

    Raises:
        MissingFile, DataError: there is no such network.
        OneClassOnly: the development split holds one class.
    """
    chosen, network = read_checkpoint(folder, BEST), trained_network(folder)
    may_lose = float(chosen.card["recipe"].get("sensor_dropout", 0)) > 0
    points = []
    for count in range(len(network.modalities), 0 if may_lose else len(network.modalities) - 1, -1):
        for sensors in combinations(network.modalities, count):
            scores = judge(development.planes, network, without=set(network.modalities) - set(sensors))
            point = choose(table_of(development.samples, scores), rule, split=Split.DEVELOPMENT)
            points.append(
                {"modalities": list(map(str, sensors)), "value": point.value, "rule": rule, "split": point.split}
            )
    write_checkpoint(folder, BEST, Checkpoint(chosen.tensors, {**chosen.card, "operating_points": points}))


class _History(RunHistory):
    """What a run has come to after each epoch, kept in its folder."""

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        network: TrainedNetwork,
        optimizer: Optimizer,
        development: LoadedPresentations | None,
    ) -> None:
        super().__init__(folder, first, network, optimizer, ["auc"])
        self._network, self._development = network, development

    @property
    def aucs(self) -> list[float]:
        """On the development part after each epoch; empty where there is none."""
        return self.noted["auc"]

    @property
    def best(self) -> int:
        """The chosen epoch, from 1: the one with the highest AUC, of equals the later; the last where none is known."""
        if not self.aucs:
            return self.position.epochs
        return max(range(len(self.aucs)), key=lambda epoch: (self.aucs[epoch], epoch)) + 1

    def note(self, report: EpochReport) -> None:
        """Look at the development part and write both checkpoints; the one to go on from is written last."""
        noted = {}
        if self._development is not None:
            scores = judge(self._development.planes, self._network)
            is_bona_fide = self._development.planes.labels == 1
            ordered = SortedScores.of(positives=scores[is_bona_fide], negatives=scores[~is_bona_fide])
            noted["auc"] = ordered.auc()
        state = self.add(report, **noted)
        version = {"version": metadata.version("countenance")}
        if self.best == self.position.epochs:
            card = {**self.told(), **version, **described(self._network), "epoch": self.best}
            write_checkpoint(self.folder, BEST, Checkpoint(module_state(state), card))
        self.write_last(state, **version)
