"""Train a narrow FlowNetS on photographs that are moved, so that the motion between two pictures is known.

K. Ito et al. take the encoder of a FlowNetS (A. Dosovitskiy et al., ICCV 2015, https://arxiv.org/abs/1504.06852) that
was trained on the Flying Chairs; those weights cannot be had under a licence of ours. Here the pairs are made as the
chairs' were, from any photographs: `synthesis.moving_images`. Such pairs have texture everywhere and no face that turns
before a bare wall, so that in the epochs at full size every other pair is the window of a clip of drawn people, whose
flow is known too. Adam and the loss of five scales are the paper's; width, rate and number of steps are ours, small
enough for one processor core.

    countenance train flownets-slim --data siw:ROOT --out RUN

A share of the people is held out, and nothing is chosen by them: the run ends with its last epoch. Its figures are
end-point errors in pixels on moved photographs of them, and, where the recipe says so, on clips of drawn people that
nobody has seen (`recipes.flow_errors`), each beside the error of saying that nothing moves.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.checkpoints import BEST, Checkpoint, write_checkpoint
from countenance.clips import read_clip, uniform_frames
from countenance.datasets.drawn_card import CARD, LABEL
from countenance.datasets.face_collections import read_photograph
from countenance.datasets.named import PRESENTATIONS, read_presentations, split_name
from countenance.datasets.samples import PresentationSample
from countenance.datasets.siw import NAME as SIW
from countenance.errors import UsageError, at_least
from countenance.files import sha256_of
from countenance.loading.pictures import decode
from countenance.losses.end_point_error import end_point_error, multi_scale_error
from countenance.networks.flownets import NAME as NETWORK
from countenance.networks.flownets import SLIM_WIDTH, FlowNetS
from countenance.progress import Progress, Say, unheard
from countenance.recipes.flow_errors import SEED, flow_on_drawn_clips, flow_windows
from countenance.recipes.pretraining import READERS, PretrainedRun
from countenance.run_history import FiguredHistory, module_state
from countenance.synthesis.moving_images import draw_moved_pair
from countenance.synthesis.noise import Floats
from countenance.training import EpochReport, fit, half_cosine
from countenance.transforms.resizing import resized
from countenance.vocabulary import Modality, Split

NAME = "flownets-slim"
SIDE, SMALL_SIDE = 112, 64
KEPT_SIDE = 160  # pixels of a photograph's sides, of which a pair shows six tenths or more
JUDGED_PAIRS = 128  # of people held out
_DRAWS, _JUDGED, _ORDER, _LESSONS = 0, 1, 2, 3  # the uses of a seed
_BLOCK, _VIEWS = 8, 4  # batches that are drawn at once; how often a pair of them is seen


@dataclass(frozen=True, kw_only=True)
class FlowRecipe:
    """All that decides what comes out, beside the data.

    Attributes:
        width: channels after the first convolution.
        epochs: in all.
        pairs: that are drawn for an epoch, in whole blocks of eight batches; each is seen four times, as it is,
            mirrored, transposed and both.
        batch_size: pairs in a step.
        small_share: of the epochs, the first ones, in which pairs have `SMALL_SIDE` pixels: motion is smaller there, a
            step is three times as cheap, and the network begins to see motion at all where at 112 pixels it stays for
            long at saying that nothing moves.
        learning_rate: of Adam, at the first step; it falls to 0 along half a cosine.
        held_out: share of the people (of the pictures, where nobody is named) that nothing is learnt from.
        photographs: most that are used, drawn at random.
        taught_people: drawn people whose clips are learnt from; 0: none.
        drawn_share: of the pairs at full size, those that are windows of these clips.
        drawn_people: others, whose clips are drawn in the end to measure the flow, at least 2; 0: none.
        seed: of the first weights, the people held out and every pair.

    Raises:
        UsageError: a number outside its range.
    """

    width: int = SLIM_WIDTH
    epochs: int = 40
    pairs: int = 512
    batch_size: int = 16
    small_share: float = 0.5
    learning_rate: float = 2e-3
    held_out: float = 0.1
    photographs: int = 1200
    taught_people: int = 60
    drawn_share: float = 0.5
    drawn_people: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(1, width=self.width, epochs=self.epochs, batch_size=self.batch_size)
        at_least(self.batch_size * _BLOCK, pairs=self.pairs)
        at_least(0, seed=self.seed, taught_people=self.taught_people)
        if self.drawn_people:
            at_least(2, drawn_people=self.drawn_people)
        at_least(4, photographs=self.photographs)
        shares = (self.small_share, self.drawn_share)
        if not (self.learning_rate > 0 and 0 < self.held_out < 1 and all(0 <= share <= 1 for share in shares)):
            raise UsageError(
                expected="a learning rate above 0, a share held out between 0 and 1, other shares from 0 to 1",
                came=f"{self.learning_rate:g}, {self.held_out:g}, {self.small_share:g} and {self.drawn_share:g}",
                remedy="correct the number",
            )

    @property
    def blocks(self) -> int:
        """Blocks of eight batches in an epoch."""
        return self.pairs // (_BLOCK * self.batch_size)

    def side(self, epoch: int) -> int:
        """H and W of the pairs of an epoch, from its number from 0."""
        return SMALL_SIDE if epoch < round(self.small_share * self.epochs) else SIDE


def train_flownets(
    recipe: FlowRecipe,
    *,
    data: str,
    out: str | os.PathLike[str],
    progress: Progress = unheard,
    say: Say = unheard,
) -> PretrainedRun:
    """Train on photographs of a named set; goes on where a run of the same recipe was stopped.

    The folder holds the checkpoint ``last``, from which it goes on, and at the end ``best``, the network.

    Args:
        recipe: what to do.
        data: a set as NAME:ROOT: of faces (one of `pretraining.READERS`) or of presentations, stills or clips, of which
            the training split is used.
        out: folder of the run.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        DataError: the set is not the published one: nothing is trained.
        UsageError: the folder holds a run of another recipe or of other data; a set of neither kind, or with too few
            people.
    """
    started = time.perf_counter()
    say(f"reading photographs of {data}")
    sources, label = _sources(data)
    course = _course(recipe, sources)
    if recipe.taught_people:
        say(f"drawing clips of {recipe.taught_people} people to learn from")
    lessons = _lessons(recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = FlowNetS(recipe.width)
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
        first = {"recipe": asdict(recipe), "data": course.told(split_name(data)[0], label)}
        history = _History(Path(out), first, network, optimizer, lambda: _figures(network, course))
        history.resume()
        steps = recipe.epochs * recipe.blocks * _BLOCK * _VIEWS
        say(f"training for {recipe.epochs} epochs of {recipe.pairs:,} pairs, from {len(course.train):,} photographs")

        def after_epoch(report: EpochReport) -> None:
            is_last = report.position.epochs == recipe.epochs
            if is_last and recipe.drawn_people:
                say(f"measuring on clips of {recipe.drawn_people} drawn people")
            history.note(report, recipe if is_last else None)

        fit(
            network,
            _loss,
            lambda epoch: _batches(recipe, course.train, lessons, epoch),
            optimizer=optimizer,
            epochs=recipe.epochs,
            start=history.position,
            schedule=half_cosine(steps),
            after_step=lambda step: progress(step, steps),
            after_epoch=after_epoch,
        )
    return PretrainedRun(
        epochs=history.position.epochs,
        checkpoint=Path(out) / f"{BEST}.json",
        losses=tuple(history.losses),
        figures=history.figures[-1],
        figures_before=history.figures[0],
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        seconds=time.perf_counter() - started,
        label=label,
    )


Picture = NDArray[np.uint8]
_Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # (B, 3, H, W) twice, the flow (B, 2, H, W), (B, H, W) where it is known


@dataclass(frozen=True, eq=False)
class _Lesson:
    """A pair to learn from: two pictures, their flow, and where it is known."""

    first: NDArray[np.uint8]
    last: NDArray[np.uint8]
    flow: Floats
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class _Source:
    """A photograph that can be read."""

    identifier: str
    subject: str
    read: Callable[[], Picture]


@dataclass(frozen=True, eq=False)
class _Course:
    """Photographs (KEPT_SIDE, KEPT_SIDE, 3) to learn from, and of others; nobody is in both."""

    train: Sequence[Picture]
    held_out: Sequence[Picture]
    people: tuple[int, int]
    seed: int

    @cached_property
    def judged(self) -> _Batch:
        """Pairs of the people held out, always the same ones."""
        numbers = range(JUDGED_PAIRS)
        return _stacked([_drawn(self.held_out, (self.seed, _JUDGED, number), SIDE) for number in numbers])

    def told(self, name: str, label: str) -> dict[str, Any]:
        """Return what a card says of it."""
        digest = sha256_of(b"".join(picture.tobytes() for picture in (*self.train, *self.held_out)))
        return {
            "set": name,
            "digest": digest,
            "photographs": len(self.train),
            "people": self.people[0],
            "photographs_held_out": len(self.held_out),
            "people_held_out": self.people[1],
            "label": label,
        }


def _sources(data: str) -> tuple[list[_Source], str]:
    """All photographs of a set, and the label of its figures."""
    name, root = split_name(data)
    label = LABEL if (root / CARD).is_file() else ""
    if name in READERS:
        faces = READERS[name](root)
        return [_Source(face.identifier, face.subject, partial(read_photograph, face)) for face in faces], label
    if name not in PRESENTATIONS:
        raise UsageError(
            expected=f"a set of photographs or of presentations among {', '.join((*READERS, *PRESENTATIONS))}",
            came=repr(name),
            remedy="name one of them",
        )
    shown = [
        sample
        for sample in read_presentations(data)
        if Modality.RGB in sample.paths and sample.split in {Split.TRAIN, None}
    ]
    is_clip = name == SIW or any(sample.frames is not None for sample in shown)
    return [
        _Source(sample.identifier, sample.subject, partial(_still, sample, is_clip=is_clip)) for sample in shown
    ], label


def _still(sample: PresentationSample, *, is_clip: bool) -> Picture:
    path = sample.paths[Modality.RGB]
    if not is_clip:
        return decode(path)
    return np.asarray(read_clip(path, pick=_middle).frames[0])


def _middle(seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    return uniform_frames(len(seconds), 1)


def _course(recipe: FlowRecipe, sources: Sequence[_Source]) -> _Course:
    """Hold people out, and read the photographs that are used."""
    people = sorted({source.subject or source.identifier for source in sources})
    generator = np.random.Generator(np.random.PCG64(recipe.seed))
    order = [people[k] for k in generator.permutation(len(people))]
    count = max(2, round(recipe.held_out * len(order)))
    if len(order) < count + 2:
        raise UsageError(
            expected="at least two people to learn from and two to hold out",
            came=f"{len(order)} in all",
            remedy="name a larger set, or hold out a smaller share",
        )
    chosen = generator.permutation(len(sources))[: recipe.photographs].tolist()
    apart, parts = set(order[:count]), ([], [])  # type: tuple[set[str], tuple[list[Picture], list[Picture]]]
    for number in sorted(chosen):
        source = sources[number]
        parts[(source.subject or source.identifier) in apart].append(_squared(source.read()))
    if min(map(len, parts)) < 2:
        raise UsageError(
            expected="at least two photographs to learn from and two of people held out",
            came=f"{len(parts[0])} and {len(parts[1])}",
            remedy="use more photographs",
        )
    return _Course(parts[0], parts[1], (len(order) - count, count), recipe.seed)


def _squared(picture: Picture) -> Picture:
    """The middle square, resized."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    return np.asarray(resized(square[None], height=KEPT_SIDE, width=KEPT_SIDE)[0])


def _lessons(recipe: FlowRecipe) -> list[_Lesson]:
    """The windows of clips that are drawn to learn from, of other people than those of `flow_on_drawn_clips`."""
    windows = flow_windows(people=recipe.taught_people, seed=SEED + 1 + recipe.seed)
    return [_Lesson(window.first, window.last, window.flow, window.known) for window in windows]


def _drawn(pictures: Sequence[Picture], key: Sequence[int], side: int) -> _Lesson:
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key))))
    above, under = generator.integers(len(pictures), size=2).tolist()
    pair = draw_moved_pair(generator, pictures[above], pictures[under], side=side)
    return _Lesson(pair.first, pair.last, pair.flow, np.ones((side, side), bool))


def _stacked(pairs: Sequence[_Lesson]) -> _Batch:
    first, last = (
        torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous().float() / 255
        for pictures in ([pair.first for pair in pairs], [pair.last for pair in pairs])
    )
    flow = torch.from_numpy(np.stack([pair.flow for pair in pairs])).permute(0, 3, 1, 2).contiguous()
    return first, last, flow, torch.from_numpy(np.stack([pair.known for pair in pairs]))


def _batches(
    recipe: FlowRecipe, pictures: Sequence[Picture], lessons: Sequence[_Lesson], epoch: int
) -> Iterator[_Batch]:
    """The batches of an epoch, from its number from 0: a block is drawn, and seen in another order in each way."""
    size, side = _BLOCK * recipe.batch_size, recipe.side(epoch)
    share = recipe.drawn_share if lessons and side == SIDE else 0.0

    def pair(number: int) -> _Lesson:
        chosen = np.random.Generator(np.random.PCG64(np.random.SeedSequence([recipe.seed, _LESSONS, epoch, number])))
        if chosen.random() < share:
            return lessons[int(chosen.integers(len(lessons)))]
        return _drawn(pictures, (recipe.seed, _DRAWS, epoch, number), side)

    for block in range(recipe.blocks):
        pairs = _stacked([pair(number) for number in range(block * size, (block + 1) * size)])
        order = np.random.Generator(
            np.random.PCG64(np.random.SeedSequence([recipe.seed, _ORDER, epoch, block]))
        ).permutation(size * _VIEWS)
        for rows in order.reshape(-1, recipe.batch_size):
            ways = rows // size
            yield _gathered([_turned(pairs, torch.from_numpy(rows[ways == way] % size), way) for way in range(_VIEWS)])


def _turned(pairs: _Batch, rows: Tensor, way: int) -> _Batch:
    """Some pairs, mirrored where `way` is odd and transposed where it is 2 or more."""
    first, last, flow, known = (planes[rows] for planes in pairs)
    if way % 2:
        first, last, flow, known = (planes.flip(-1) for planes in (first, last, flow, known))
        flow = flow * torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
    if way >= 2:
        first, last, flow, known = (planes.transpose(-2, -1) for planes in (first, last, flow.flip(1), known))
    return first, last, flow, known


def _gathered(parts: Sequence[_Batch]) -> _Batch:
    first, last, flow, known = (torch.cat(planes).contiguous() for planes in zip(*parts, strict=True))
    return first, last, flow, known


def _loss(network: FlowNetS, batch: _Batch) -> Tensor:
    first, last, flow, known = batch
    return multi_scale_error(network(first, last), flow, known=known) * (SIDE**2 / flow[0, 0].numel())


def _figures(network: FlowNetS, course: _Course) -> dict[str, float]:
    """Mean end-point errors, in pixels, on moved photographs of the people held out: always the same pairs."""
    first, last, flow, _ = course.judged
    network.eval()
    with torch.inference_mode():
        batches = zip(torch.split(first, 32), torch.split(last, 32), strict=True)
        parts = [network.flow(*pictures) for pictures in batches]
    errors, still = (end_point_error(each, flow).double() for each in (torch.cat(parts), torch.zeros_like(flow)))
    return {"moved_error_pixels": float(errors.mean()), "moved_error_of_no_flow_pixels": float(still.mean())}


class _History(FiguredHistory):
    """What a run has come to after each epoch, kept in its folder."""

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        network: FlowNetS,
        optimizer: torch.optim.Optimizer,
        figures: Callable[[], dict[str, float]],
    ) -> None:
        super().__init__(folder, json.loads(json.dumps(first)), network, optimizer, figures)
        self._network = network

    def note(self, report: EpochReport, done: FlowRecipe | None) -> None:
        """Judge the people held out and write the checkpoint to go on from; before the last one the network.

        Args:
            report: of the epoch.
            done: the recipe, after its last epoch.
        """
        state = self.add(report)
        more: dict[str, Any] = {"version": metadata.version("countenance")}
        if done is not None:
            if done.drawn_people:
                measured = flow_on_drawn_clips(self._network, people=done.drawn_people)
                more["drawn_clips"] = [row.as_json() for row in measured]
                self.figures[-1] |= {
                    "drawn_error_pixels": measured[0].error,
                    "drawn_error_of_no_flow_pixels": measured[0].error_of_no_flow,
                }
            card = {
                **self.told(),
                **more,
                "network": NETWORK,
                "width": done.width,
                "label": self.first["data"]["label"],
                "epoch": self.position.epochs,
            }
            write_checkpoint(self.folder, BEST, Checkpoint(module_state(state), card))
        self.write_last(state, **more)
