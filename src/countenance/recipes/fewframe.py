"""Train a few-frame network on a fold of SiW's protocols.

K. Ito, A. Kimura, T. Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning from a Few
Frames of Face Video, section IV-D: frames of mean 0 and variance 1, mirroring and random erasing alike in all frames of
a clip, Nesterov's gradient from 0.005, times 0.9 after each epoch, at most 20 epochs, stopped after 4 without a lower
loss on the threshold subjects. Momentum, weight decay, batch and margins are not stated: see `FewFrameRecipe`.

- `PAPER`: the full widths at 244 pixels, with the features of the whole FlowNetS.
- `SLIM`: the same at an eighth of the widths and 112 pixels, for two processor cores: minutes instead of days. A few
  hundred steps are too few for the paper's descent: with it the losses over angles stay where they begin
  (docs/log.md). So it is AdamW here, along half a cosine and without dropout, alike for all losses.

The epoch with the lowest loss on the threshold subjects is the one that is kept. Its representative vector is the
bona fide class's own weight where the loss has one; else the mean of the bona fide training embeddings. Thresholds are
chosen where the threshold subjects' error rates are equal, never by test.

    countenance train fewframe-slim --data siw:ROOT --fold protocol-1 --flow flownets-slim --out RUN
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.optim import Optimizer

from countenance.checkpoints import BEST, Checkpoint, module_tensors, read_checkpoint, write_checkpoint
from countenance.clip_scoring import as_tensor
from countenance.datasets.named import read_whole, split_name
from countenance.datasets.samples import PresentationFold, PresentationSample
from countenance.datasets.siw import NAME as SIW
from countenance.datasets.siw_protocols import draw_development, protocol_1, protocol_2, protocol_3
from countenance.errors import OneClassOnly, UsageError, at_least
from countenance.faces.detection import Detector
from countenance.loading.batches import Batch, Loader
from countenance.loading.window_cache import WindowSet, window_cache, without_windows
from countenance.losses.metric_learning import FewFrameLoss, MetricLoss, metric_loss
from countenance.metrics.operating_point import choose
from countenance.networks.factorised import Middle
from countenance.networks.fewframe import CHANNELS, DROPOUT, HIDDEN, FewFrameNetwork
from countenance.networks.fewframe import SIDE as PAPER_SIDE
from countenance.presentation_training import TrainedRun
from countenance.processes.devices import usable_device
from countenance.progress import Progress, Say, unheard
from countenance.released import detector as released_detector
from countenance.run_history import RunHistory, module_state
from countenance.shipped import digest_of, flow_source
from countenance.trained import load_flow_encoder
from countenance.training import EpochReport, fit, half_cosine
from countenance.transforms.fewframe import apply_view, draw_view
from countenance.transforms.planes import Planes
from countenance.vocabulary import Modality, Split
from countenance.window_scoring import clip_table, score_windows

FIRST_FOLD = "protocol-1"
CHOSEN = "chosen"
"""Checkpoint of the epoch with the lowest loss so far, with what the loss has learnt."""
RULE = "eer"  # section IV-C
_SUBJECTS_SEED = 0  # of the subjects that choose the threshold: one choice for every network
_BATCH = 64  # where nothing is learnt


class Descent(StrEnum):
    """How the parameters follow the gradient."""

    NESTEROV = "nesterov"  # section IV-D: the rate falls by a factor after each epoch
    ADAMW = "adamw"  # along half a cosine, to 0 after the last epoch


@dataclass(frozen=True, kw_only=True)
class FewFrameRecipe:
    """All that decides what comes out, beside the data.

    Attributes:
        frames: T, 2, 3 or 5 of a window's five.
        loss: of Table III.
        flow: where the frozen encoder of FlowNetS comes from: a shipped one, the folder of a run, or a file; "": none.
        side: H and W of a frame in pixels.
        channels: after each convolution.
        hidden: numbers of an embedding.
        middle: channels inside each factorised convolution.
        dropout: share of fc6's and fc7's numbers that is dropped in training.
        windows: of each clip of the threshold subjects, by which the epoch is chosen; None: all.
        epochs: at most.
        patience: epochs without a lower loss on the threshold subjects, after which training ends.
        batch_size: windows in a step.
        descent: how the parameters follow the gradient.
        learning_rate: at the first step.
        decay: of Nesterov's gradient, the factor on the rate after each epoch.
        momentum: of Nesterov's gradient.
        weight_decay: of the parameters.
        seed: of first weights, order and views.
        device: that trains.

    Raises:
        UsageError: a number outside its range.
    """

    frames: int = 5
    loss: FewFrameLoss = FewFrameLoss.ARCFACE
    flow: str = ""
    side: int = PAPER_SIDE
    channels: tuple[int, ...] = CHANNELS
    hidden: int = HIDDEN
    middle: Middle = Middle.MATCHED
    dropout: float = DROPOUT
    windows: int | None = None
    epochs: int = 20
    patience: int = 4
    batch_size: int = 32
    descent: Descent = Descent.NESTEROV
    learning_rate: float = 0.005
    decay: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, patience=self.patience)
        at_least(2, batch_size=self.batch_size, frames=self.frames)
        at_least(0, seed=self.seed)
        numbers = (self.learning_rate, self.decay, self.momentum, self.weight_decay)
        if not (self.learning_rate > 0 and 0 < self.decay <= 1 and 0 < self.momentum < 1 and self.weight_decay >= 0):
            raise UsageError(
                expected="a rate above 0, a decay above 0 and up to 1, a momentum between 0 and 1, a weight decay of "
                "at least 0",
                came=", ".join(f"{number:g}" for number in numbers),
                remedy="correct the number",
            )

    def as_json(self) -> dict[str, Any]:
        """Return every field but the device as JSON holds it; a flow encoder by its name and digest."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        del plain["device"]
        source = flow_source(self.flow)
        flow = {"flow": source.name, "flow_digest": digest_of(source)} if self.flow else {"flow": ""}
        words = {name: str(plain[name]) for name in ("loss", "middle", "descent")}
        return {**plain, **words, **flow}


PAPER = FewFrameRecipe()
SLIM = FewFrameRecipe(
    side=112,
    channels=(8, 24, 48, 32, 32),
    hidden=256,
    dropout=0.0,
    windows=3,
    epochs=5,
    batch_size=16,
    descent=Descent.ADAMW,
    learning_rate=1e-3,
    weight_decay=0.01,
)
RECIPES: Mapping[str, FewFrameRecipe] = {"fewframe-slim": SLIM, "fewframe-paper": PAPER}


def folds_of(samples: Sequence[PresentationSample]) -> dict[str, PresentationFold]:
    """Return every fold of SiW's protocols by its name: "protocol-1", "protocol-2-1" to "-4", "protocol-3-1" and "-2".

    Args:
        samples: of the whole set.

    Raises:
        ProtocolMismatch: a part of a fold holds one class only.
    """
    people = draw_development(samples, np.random.Generator(np.random.PCG64(_SUBJECTS_SEED)))
    (first,), second, third = (protocol(samples, people) for protocol in (protocol_1, protocol_2, protocol_3))
    numbered = {
        f"protocol-{number}-{place}": fold
        for number, folds in ((2, second), (3, third))
        for place, fold in enumerate(folds, start=1)
    }
    return {FIRST_FOLD: first, **numbered}


def train_fewframe(
    recipe: FewFrameRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    fold: str = FIRST_FOLD,
    detector: Detector | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> TrainedRun:
    """Train on a fold of a named set, after a look at the whole of it; goes on where a run was stopped.

    The windows of all clips are cut once, into a folder beside the run, which other runs beside it share.

    Args:
        recipe: what to do.
        data: a SiW, drawn or not, as "siw:ROOT".
        out: folder of the run.
        fold: see `folds_of`.
        detector: finds faces; YuNet where None.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        DataError: the set is not whole: nothing is trained.
        UsageError: the folder holds a run of another recipe or of other data; an unknown fold; another set.
    """
    samples, label = read_clips(data, say=say)
    parts = named_fold(samples, fold)
    windows = cut_set(samples, Path(out).parent, side=recipe.side, detector=detector, say=say)
    train, development = windows.of(parts.train), windows.of(parts.development)
    say(f"training for at most {recipe.epochs} epochs on {len(train):,} windows of {len(parts.train):,} clips")
    return fit_fewframe(recipe, train, development, out=out, label=label, progress=progress)


def read_clips(data: str, *, say: Say = unheard) -> tuple[list[PresentationSample], str]:
    """Look at the whole of a set of clips and read it; see `named.read_whole`.

    Raises:
        UsageError: a set of stills.
        DataError: it is not whole.
    """
    refuse_stills(data)
    return read_whole(data, say=say)


def refuse_stills(data: str) -> None:
    """Refuse a set that is not one of clips.

    Raises:
        UsageError: naming the one that is.
    """
    if split_name(data)[0] != SIW:
        raise UsageError(
            expected=f"a set of clips: {SIW}:ROOT", came=data, remedy="draw one: countenance synthesize siw"
        )


def named_fold(samples: Sequence[PresentationSample], name: str) -> PresentationFold:
    """Return the fold called `name`; see `folds_of`.

    Raises:
        UsageError: there is none of that name.
    """
    folds = folds_of(samples)
    if name not in folds:
        raise UsageError(expected=f"a fold among {', '.join(folds)}", came=repr(name), remedy="name one of them")
    return folds[name]


def cut_set(
    samples: Sequence[PresentationSample],
    folder: Path,
    *,
    side: int,
    detector: Detector | None = None,
    say: Say = unheard,
) -> WindowSet:
    """Cut the windows of a whole set into ``windows-SIDE`` of a folder, or open those that are there.

    Raises:
        ProtocolMismatch: windows of other clips are there.
        NoFace: no window of any clip shows a face.
    """
    place = folder / f"windows-{side}"
    if not place.exists():
        say(f"cutting the windows of {len(samples):,} clips into {place}")
    windows = window_cache(samples, place, side=side, detector=detector or released_detector())
    if silent := without_windows(windows):
        say(f"no face in {len(silent):,} clips, such as {silent[0].identifier}: they are left out")
    return windows


def fit_fewframe(
    recipe: FewFrameRecipe,
    train: WindowSet,
    development: WindowSet,
    *,
    out: str | os.PathLike[str],
    label: str = "",
    progress: Progress = unheard,
) -> TrainedRun:
    """Train on windows that are cut; goes on where a run of the same recipe was stopped.

    The folder holds ``last``, from which it goes on, ``chosen``, and at the end ``best``, the network.

    Args:
        recipe: what to do.
        train: what is learnt from.
        development: of the threshold subjects.
        out: folder of the run.
        label: of the data, such as "drawn data".
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: the folder holds a run of another recipe or of other data, or the loss is not finite.
        OneClassOnly: a part holds windows of one class only.
        DataError: its checkpoint is damaged.
    """
    started = time.perf_counter()
    watched = development if recipe.windows is None else development.thinned(recipe.windows)
    for each in (train, watched):
        if len(set(each.labels.tolist())) != 2:
            raise OneClassOnly(
                expected="windows of both classes to learn from and to choose by",
                came=f"{len(each):,} of one class",
                remedy="name a whole set",
            )
    device = usable_device(recipe.device)
    first = {"recipe": recipe.as_json(), "data": {"train": train.key, "development": watched.key, "label": label}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = _network(recipe)
        network.convolutions.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        pupil = _Pupil(network, metric_loss(recipe.loss, network.features)).to(device)
        optimizer = _optimizer(recipe, pupil)
        loader = _loader(recipe, train)
        history = _History(Path(out), first, pupil, optimizer, _fixed_batches(watched))
        history.resume()
        total = recipe.epochs * len(loader)
        while history.position.epochs < recipe.epochs and not history.has_stalled(recipe.patience):
            fit(
                pupil,
                lambda module, batch: module.loss(_clips(batch.planes, recipe.frames), batch.labels),
                loader.epoch,
                optimizer=optimizer,
                epochs=history.position.epochs + 1,
                start=history.position,
                schedule=_schedule(recipe, len(loader)),
                after_step=lambda step: progress(step, total),
                after_epoch=history.note,
            )
        if not _is_finished(Path(out), history.best):
            history.finish(train, development)
    return TrainedRun(
        epochs=history.position.epochs,
        best=history.best,
        checkpoint=Path(out) / f"{BEST}.json",
        losses=tuple(history.losses),
        auc=(),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        seconds=time.perf_counter() - started,
        label=label,
    )


def _network(recipe: FewFrameRecipe) -> FewFrameNetwork:
    encoder = load_flow_encoder(flow_source(recipe.flow)) if recipe.flow else None
    network = FewFrameNetwork(
        frames=recipe.frames,
        side=recipe.side,
        channels=recipe.channels,
        hidden=recipe.hidden,
        flow_width=encoder.width if encoder else 0,
        middle=recipe.middle,
        dropout=recipe.dropout,
    )
    if encoder is not None:
        assert network.flow is not None
        network.flow.load_state_dict(encoder.state_dict())
    return network


def _optimizer(recipe: FewFrameRecipe, pupil: nn.Module) -> Optimizer:
    learning = [parameter for parameter in pupil.parameters() if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.descent is Descent.ADAMW:
        return torch.optim.AdamW(learning, lr=rate, weight_decay=decay)
    return torch.optim.SGD(learning, lr=rate, momentum=recipe.momentum, weight_decay=decay, nesterov=True)


def _schedule(recipe: FewFrameRecipe, steps: int) -> Callable[[int], float]:
    """The factor on the rate, from the number of steps done; `steps` are in an epoch."""
    if recipe.descent is Descent.ADAMW:
        return half_cosine(recipe.epochs * steps)
    return lambda step: float(recipe.decay ** (step // steps))


class _Pupil(nn.Module):
    """The network, and the loss with what it learns."""

    def __init__(self, network: FewFrameNetwork, criterion: MetricLoss) -> None:
        super().__init__()
        self.network, self.criterion = network, criterion

    def loss(self, clips: Tensor, labels: NDArray[np.int64]) -> Tensor:
        device = self.network.representative.device
        value: Tensor = self.criterion(self.network(clips.to(device)), torch.from_numpy(labels).to(device))
        return value

    def representative(self) -> Tensor | None:
        """The vector of the bona fide class that the loss has learnt; None where it learns none."""
        return self.criterion.representative()


def _clips(planes: Planes, frames: int) -> Tensor:
    return as_tensor(planes[Modality.RGB], frames)


def _loader(recipe: FewFrameRecipe, windows: WindowSet) -> Loader:
    def viewed(generator: np.random.Generator, planes: Planes) -> Mapping[Modality, NDArray[np.uint8]]:
        return apply_view(planes, draw_view(generator, (recipe.side, recipe.side)))

    return Loader(
        source=windows,
        batch=min(recipe.batch_size, len(windows)),
        seed=recipe.seed,
        whole_batches=True,
        augment=viewed,
    )


def _fixed_batches(windows: WindowSet) -> list[Batch]:
    """The threshold subjects' windows, as they are, in one drawn order that mixes the classes."""
    loader = Loader(source=windows, batch=min(_BATCH, len(windows)), seed=_SUBJECTS_SEED, whole_batches=True, ahead=0)
    return list(loader.epoch(0))


def _is_finished(folder: Path, best: int) -> bool:
    if not (folder / f"{BEST}.json").is_file():
        return False
    return bool(read_checkpoint(folder, BEST).card["epoch"] == best)


class _History(RunHistory):
    """What a run has come to after each epoch, kept in its folder."""

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        pupil: _Pupil,
        optimizer: Optimizer,
        watched: Sequence[Batch],
    ) -> None:
        super().__init__(folder, first, pupil, optimizer, ["watched_losses"])
        self._pupil, self._watched = pupil, watched

    @property
    def best(self) -> int:
        """The epoch, from 1, with the lowest loss on the threshold subjects; of equals the earlier."""
        losses = self.noted["watched_losses"]
        return min(range(len(losses)), key=losses.__getitem__) + 1

    def has_stalled(self, patience: int) -> bool:
        """Tell whether the last `patience` epochs brought no lower loss."""
        return self.position.epochs > 0 and self.position.epochs - self.best >= patience

    def note(self, report: EpochReport) -> None:
        """Look at the threshold subjects and write the checkpoints; the one to go on from is written last."""
        state = self.add(report, watched_losses=self._watched_loss())
        if self.best == self.position.epochs:
            card = {**self.told(), "epoch": self.best}
            write_checkpoint(self.folder, CHOSEN, Checkpoint(module_state(state), card))
        self.write_last(state)

    def finish(self, train: WindowSet, development: WindowSet) -> None:
        """Take the chosen epoch, set its representative vector, choose the thresholds, and write the network."""
        chosen = read_checkpoint(self.folder, CHOSEN)
        self._pupil.load_state_dict(module_tensors(chosen))
        network = self._pupil.network.eval()
        learnt = self._pupil.representative()
        network.representative.copy_(_mean_bona_fide(network, train) if learnt is None else learnt)
        table = score_windows(network, development, split=Split.DEVELOPMENT)
        points = [
            {"unit": unit, "value": point.value, "rule": RULE, "split": point.split}
            for unit, scores in (("clip", clip_table(table)), ("window", table))
            for point in (choose(scores, RULE, split=Split.DEVELOPMENT),)
        ]
        card = {
            **chosen.card,
            **network.described(),
            "operating_points": points,
            "version": metadata.version("countenance"),
        }
        tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
        write_checkpoint(self.folder, BEST, Checkpoint(tensors, card))

    def _watched_loss(self) -> float:
        self._pupil.eval()
        frames = self._pupil.network.frames
        with torch.inference_mode():
            losses = [float(self._pupil.loss(_clips(batch.planes, frames), batch.labels)) for batch in self._watched]
        return math.fsum(losses) / len(losses)


def _mean_bona_fide(network: FewFrameNetwork, train: WindowSet) -> Tensor:
    """Return the mean (D,) of the bona fide training embeddings, each of length 1 before and the mean after."""
    live = np.flatnonzero(train.labels == 1)
    total = torch.zeros(network.features, device=network.representative.device)
    with torch.inference_mode():
        for first in range(0, len(live), _BATCH):
            clips = _clips(train.gather(live[first : first + _BATCH]), network.frames).to(total.device)
            total += normalize(network(clips)).sum(0)
    return normalize(total, dim=0)
