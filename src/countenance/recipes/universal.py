"""Craft universal adversarial spoofing examples against real recognisers, and measure what they reach.

T. Amada, S. P. Liew, K. Kakizaki, T. Araki, Universal Adversarial Spoofing Attacks against Face Recognition, IJCB 2021,
sections 3 and 4. A *study* is what all examples share: photographs cut once, their templates by every recogniser, and
the thresholds. A *crafting* is one attack on one or several recognisers; it keeps its state every few steps, so that it
goes on where it was stopped, and its pictures are measured at milestones: 500 steps are the first of 5,000.

    countenance attack uax --target sface facenet --data lfw:ROOT --epsilon 8/255 --out runs/uax

All pictures are chips (`faces.chip`), and a budget is of their pixels. Measured are pictures of 8 bits, as a PNG file
holds them.
"""

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.attacks.universal import Penalty, Surrogate, UniversalRecipe, images
from countenance.attacks.universal_runs import craft_in, identity
from countenance.datasets.named import split_name
from countenance.datasets.universal_sets import (
    LFW_SEEDS,
    VGGFACE2_SEEDS,
    UniversalSets,
    lfw_view_1,
    vggface2_sample,
)
from countenance.errors import DataError, UsageError
from countenance.faces.detection import Detector
from countenance.files import sha256_of, write_atomically
from countenance.images import read_image
from countenance.loading.chip_cache import ChipSet, Embedder, chip_cache, refuse_stale, templates_of
from countenance.metrics.picture_quality import psnr, ssim
from countenance.progress import Progress, Say, unheard
from countenance.protocols.universal_matches import (
    EER,
    KEYS,
    Gathering,
    MatchThresholds,
    UniversalMatches,
    match_thresholds,
    universal_matches,
)
from countenance.released import DIFFERENTIABLE, chip_embedder, detector, differentiable, label

MILESTONES = (500, 5000)  # section 3.2
COUNTED_AT = "1e-3"  # the threshold by which `COUNT` counts, of the training people
SETS = ("lfw", "vggface2")
_FORMAT = 1
_DONE, _CARD, _PICTURE = "examples-{}", "card.json", "uax-{}.png"
_ANEW = "remove it, and craft anew"
_DRAW, _BOOTSTRAP = 0, 17  # seeds of the sampling of VGGFace2, and of the intervals


@dataclass(frozen=True, eq=False)
class Victim:
    """A recogniser and its templates of everybody in the study.

    Attributes:
        name: of the recogniser in tables and folders, `released.label`.
        source: what `released.differentiable` takes.
        seeds: the plain seeds.
        train: the training people's other photographs.
        unseen: photographs of other people.
        thresholds: by the training people's pairs.
        chips: that the templates were made of.
    """

    name: str
    source: str
    seeds: Gathering
    train: Gathering
    unseen: Gathering
    thresholds: MatchThresholds
    chips: Mapping[str, ChipSet]

    @cached_property
    def embed(self) -> Embedder:
        """The recogniser, from chips to templates; built when it is first asked for.

        Raises:
            DataError: the templates are those of another version of it.
        """
        embed = chip_embedder(self.source)
        for found in self.chips.values():
            refuse_stale(found, self.name, embed)
        return embed


@dataclass(frozen=True, eq=False)
class Study:
    """What all examples share.

    Attributes:
        sets: seeds, training and unseen people.
        seeds: their chips, uint8 (K, 160, 160, 3).
        chips: of "seeds", "train" and "unseen", on disk.
        victims: by name, in the order asked for.
        without_face: photographs in which no face was found; they are left out.
        digest: SHA-256 of which photographs these are.
        data: the set's name.
    """

    sets: UniversalSets
    seeds: NDArray[np.uint8]
    chips: Mapping[str, ChipSet]
    victims: Mapping[str, Victim]
    without_face: Sequence[str]
    digest: str
    data: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What examples reach against one recogniser after some steps.

    Attributes:
        crafted_on: the recognisers whose gradients made them.
        judged_on: the recogniser that is shown them.
        recipe: how they were crafted.
        iterations: steps that were done.
        matches: FMR before and after, thresholds, ceiling.
        mean_cosine: of the examples to the training people's photographs; the ceiling bounds it.
        templates: of the examples by that recogniser, (K, D).
        seconds: that the crafting has taken so far.
    """

    crafted_on: tuple[str, ...]
    judged_on: str
    recipe: UniversalRecipe
    iterations: int
    matches: UniversalMatches
    mean_cosine: float
    templates: NDArray[np.float32]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``attack uax``."""
        return {
            "name": self.judged_on,
            "crafted_on": list(self.crafted_on),
            "epsilon": self.recipe.epsilon,
            "iterations": self.iterations,
            "optimizer": str(self.recipe.optimizer),
            **self.matches.as_json(),
            "mean_cosine": self.mean_cosine,
            "seconds": self.seconds,
        }


def parse_epsilon(text: str) -> float:
    """Return a budget of pixels in [0, 1] from "8/255" or "0.03".

    Raises:
        UsageError: another form, or a budget below 0 or above 1.
    """
    found = re.fullmatch(r"\s*([+-]?[0-9.]+(?:[eE][+-]?\d+)?)\s*(?:/\s*([0-9.]+)\s*)?", text)
    try:
        assert found is not None
        value = float(found[1]) / float(found[2] or 1)
    except (AssertionError, ValueError, ZeroDivisionError):
        value = float("nan")
    if not 0 <= value <= 1:  # a NaN is refused
        raise UsageError(
            expected="a budget from 0 to 1, such as 8/255",
            came=repr(text),
            remedy="pixels are in [0, 1]: divide by 255",
        )
    return value


def refuse_without_gradients(names: Sequence[str]) -> None:
    """Refuse recognisers that cannot be attacked from inside, before anything is read.

    Raises:
        UsageError: naming the first one, or that there is none at all.
    """
    without = [name for name in names if name not in DIFFERENTIABLE and ":" not in name]
    if without or not names:
        raise UsageError(
            expected=f"recognisers with gradients: {', '.join(DIFFERENTIABLE)}, or ARCHITECTURE:FILE",
            came=", ".join(without) or "none",
            remedy="craft on these, and let others only be shown the pictures",
        )


def open_study(
    data: str,
    folder: str | os.PathLike[str],
    names: Sequence[str],
    *,
    seeds: int | None = None,
    finder: Detector | None = None,
    progress: Progress = unheard,
    say: Say = unheard,
) -> Study:
    """Cut and embed the photographs of Table 2, or open those that are there.

    Args:
        data: "lfw:ROOT" or "vggface2:ROOT".
        folder: of the caches, which studies share.
        names: of the recognisers, as `released.label` takes them.
        seeds: how many; the paper's number of the set where None.
        finder: finds faces; YuNet where None.
        progress: called with (done, in all) in each part.
        say: called with a line before each part.

    Raises:
        UsageError: another set, an unknown recogniser, a number of seeds that cannot be had.
        DataError: the set is not the published one, or a cache is damaged.
        NoFace: a seed shows no face.
    """
    set_name, root = split_name(data)
    if set_name not in SETS:
        known = " or ".join(SETS)
        raise UsageError(expected=f"a set of faces: {known}", came=set_name, remedy="name one as NAME:ROOT")
    sources = {label(each): each for each in names}
    if set_name == "lfw":
        sets = lfw_view_1(root, seeds=LFW_SEEDS if seeds is None else seeds)
    else:
        sets = vggface2_sample(root, seed=_DRAW, seeds=VGGFACE2_SEEDS if seeds is None else seeds)
    parts = {"seeds": sets.seeds, "train": sets.train, "unseen": sets.unseen}
    chips: dict[str, ChipSet] = {}
    for part, samples in parts.items():
        say(f"{part}: {len(samples):,} photographs")
        found = finder or detector()
        key = sha256_of(json.dumps([sample.identifier for sample in samples]).encode())[:12]
        chips[part] = chip_cache(samples, Path(folder) / f"chips-{key}", detector=found, progress=progress)
    if lost := chips["seeds"].without_face:
        raise UsageError(
            expected="a face in every seed", came=f"none in {lost[0]}", remedy="ask for another number of seeds"
        )
    victims = {}
    for name, source in sources.items():
        say(f"templates by {name}")
        embed = partial(chip_embedder, source)
        made = {
            part: Gathering(templates_of(found, name, embed, progress=progress), found.subjects)
            for part, found in chips.items()
        }
        thresholds = match_thresholds(made["train"])
        victims[name] = Victim(name=name, source=source, **made, thresholds=thresholds, chips=chips)
    return Study(
        sets=sets,
        seeds=np.array(chips["seeds"].pixels),
        chips=chips,
        victims=victims,
        without_face=[lost for found in chips.values() for lost in found.without_face],
        digest=sha256_of("".join(found.digest for found in chips.values()).encode()),
        data=set_name,
    )


@dataclass(frozen=True, eq=False)
class Examples:
    """The pictures of a crafting at a milestone.

    Attributes:
        crafted_on: the recognisers whose gradients made them.
        recipe: how.
        iterations: steps that were done.
        pictures: uint8 (K, 160, 160, 3), as the PNG files hold them.
        seconds: that the crafting took to get there.
    """

    crafted_on: tuple[str, ...]
    recipe: UniversalRecipe
    iterations: int
    pictures: NDArray[np.uint8]
    seconds: float

    def quality(self, study: Study) -> dict[str, list[float]]:
        """How far each picture is from its seed: the largest change in levels, PSNR in decibels, and SSIM."""
        pairs = list(zip(study.seeds, self.pictures, strict=True))
        return {
            "levels": [float(np.abs(seed.astype(int) - picture).max()) for seed, picture in pairs],
            "psnr": [psnr(seed, picture) for seed, picture in pairs],
            "ssim": [ssim(seed, picture) for seed, picture in pairs],
        }


def craft_examples(
    study: Study,
    crafted_on: Sequence[str],
    recipe: UniversalRecipe,
    folder: str | os.PathLike[str],
    *,
    milestones: Sequence[int] = MILESTONES,
    penalty: Penalty | None = None,
    progress: Progress = unheard,
) -> list[Examples]:
    """Craft a picture from each seed of a study; goes on where the folder's crafting was stopped.

    The folder keeps the state, and for each milestone ``examples-STEPS/uax-K.png`` with a card.

    Args:
        study: seeds, and the training people's templates.
        crafted_on: the recognisers whose gradients are followed, all at once.
        recipe: how; its iterations are the last milestone.
        folder: of this crafting alone.
        milestones: steps at which the pictures are kept; those above the recipe's iterations are left out.
        penalty: as for `universal.craft`.
        progress: called with (steps done, steps in all).

    Returns:
        The pictures at each milestone that the recipe reaches, and at its end.

    Raises:
        UsageError: a recogniser without gradients, or the folder holds another crafting.
        DataError: the folder is damaged.
    """
    place = Path(folder)
    seeds = to_pixels(study.seeds)
    told = _told(study, crafted_on, recipe)
    surrogates: list[Surrogate] = []
    found: list[Examples] = []
    for step in _steps(recipe, milestones):
        done = place / _DONE.format(step)
        if not holds_examples(place, step):
            refuse_without_gradients([study.victims[name].source for name in crafted_on])
            surrogates = surrogates or [surrogate_of(study.victims[name]) for name in crafted_on]
            before, started = found[-1].seconds if found else 0.0, time.perf_counter()
            state = craft_in(
                place, seeds, surrogates, replace(recipe, iterations=step), penalty=penalty, progress=progress
            )
            seconds = before + time.perf_counter() - started
            _write(done, images(state), {**told, "iterations": step, "seconds": seconds})
        found.append(_read(done, recipe, told))
    return found


def done_examples(
    study: Study,
    crafted_on: Sequence[str],
    recipe: UniversalRecipe,
    folder: str | os.PathLike[str],
    *,
    milestones: Sequence[int] = MILESTONES,
) -> list[Examples]:
    """Return what `craft_examples` has left in a folder, and craft nothing; arguments and errors as there."""
    done = [step for step in _steps(recipe, milestones) if holds_examples(folder, step)]
    told = _told(study, crafted_on, recipe)
    return [_read(Path(folder) / _DONE.format(step), recipe, told) for step in done]


def holds_examples(folder: str | os.PathLike[str], step: int) -> bool:
    """Tell whether a crafting's folder holds the pictures of a milestone."""
    return (Path(folder) / _DONE.format(step) / _CARD).exists()


def _steps(recipe: UniversalRecipe, milestones: Sequence[int]) -> list[int]:
    return sorted({step for step in milestones if step < recipe.iterations} | {recipe.iterations})


def _told(study: Study, crafted_on: Sequence[str], recipe: UniversalRecipe) -> dict[str, object]:
    """What the cards of a crafting have in common, as JSON holds it."""
    told = {"crafted_on": list(crafted_on), "recipe": identity(recipe), "study": study.digest}
    return dict(json.loads(json.dumps(told)))


def measure(study: Study, examples: Examples, judged_on: str) -> Measured:
    """Show the pictures of a crafting to one recogniser of the study."""
    victim = study.victims[judged_on]
    shown = Gathering(victim.embed(examples.pictures), victim.seeds.subjects)
    return Measured(
        crafted_on=examples.crafted_on,
        judged_on=judged_on,
        recipe=examples.recipe,
        iterations=examples.iterations,
        matches=universal_matches(
            victim.seeds,
            shown,
            train=victim.train,
            unseen=victim.unseen,
            thresholds=victim.thresholds,
            generator=np.random.Generator(np.random.PCG64(_BOOTSTRAP)),
        ),
        mean_cosine=float((shown.templates @ victim.train.templates.T).mean()),
        templates=shown.templates,
        seconds=examples.seconds,
    )


@dataclass(frozen=True, eq=False)
class Campaign:
    """What `attack` found.

    Attributes:
        study: what all examples share.
        examples: of each crafting, at its end.
        measured: each crafting against each recogniser, in that order.
    """

    study: Study
    examples: Sequence[Examples]
    measured: Sequence[Measured]

    @property
    def targets(self) -> list[Measured]:
        """Of each crafting, what it reaches against the recognisers that it was crafted on."""
        return [row for row in self.measured if row.judged_on in row.crafted_on]

    def transfer(self) -> dict[str, Any]:
        """Return the FMR on unseen people, rows by what was crafted on, columns by what is judged on."""
        rows = list(dict.fromkeys("+".join(row.crafted_on) for row in self.measured))
        columns = list(dict.fromkeys(row.judged_on for row in self.measured))
        found = {("+".join(row.crafted_on), row.judged_on): row.matches.after["test"].mean for row in self.measured}
        matrices = {key: [[found[row, column][key] for column in columns] for row in rows] for key in KEYS}
        return {"crafted_on": rows, "judged_on": columns, "fmr_unseen": matrices}

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``attack uax``."""
        quality = {examples.crafted_on: examples.quality(self.study) for examples in self.examples}
        return {
            "targets": [{**row.as_json(), "quality": quality[row.crafted_on]} for row in self.targets],
            "transfer": self.transfer() if len(self.measured) > 1 else None,
            "data": self.study.data,
            "seeds": [seed.identifier for seed in self.study.sets.seeds],
            "photographs": {"train": len(self.study.sets.train), "test": len(self.study.sets.unseen)},
            "without_face": list(self.study.without_face),
        }


@dataclass(frozen=True, eq=False)
class TransferMatrix:
    """Who is fooled by whose examples.

    Attributes:
        crafted_with: names of the craftings, a row each.
        judged_by: recognisers, a column each.
        rates: (R, C) FMR on unseen people at the EER threshold; NaN where it was not measured.
    """

    crafted_with: Sequence[str]
    judged_by: Sequence[str]
    rates: NDArray[np.float64]


def transfer_matrices(seen: Sequence[tuple[str, Measured]]) -> dict[int, TransferMatrix]:
    """Return the matrix after each number of steps, from names of craftings and what they reach."""
    found: dict[int, TransferMatrix] = {}
    for steps in sorted({measured.iterations for _, measured in seen}):
        rows = list(dict.fromkeys(name for name, measured in seen if measured.iterations == steps))
        columns = list(dict.fromkeys(measured.judged_on for _, measured in seen))
        rates = np.full((len(rows), len(columns)), np.nan)
        for name, measured in seen:
            if measured.iterations == steps:
                place = rows.index(name), columns.index(measured.judged_on)
                rates[place] = measured.matches.after["test"].mean[EER]
        found[steps] = TransferMatrix(rows, columns, rates)
    return found


def attack(
    study: Study,
    crafted_on: Sequence[str],
    recipe: UniversalRecipe,
    out: str | os.PathLike[str],
    *,
    together: bool = False,
    progress: Progress = unheard,
    say: Say = unheard,
) -> Campaign:
    """Craft on each recogniser, or on all of them at once, and show the pictures to every recogniser of the study.

    Args:
        study: from `open_study`, with all recognisers.
        crafted_on: those whose gradients are followed.
        recipe: how.
        out: a folder; each crafting has one of its own in it.
        together: whether one crafting follows all of them.
        progress: called with (steps done, steps in all) of each crafting.
        say: called with a line before each part.

    Raises:
        UsageError, DataError: as for `craft_examples`.
    """
    groups = [tuple(crafted_on)] if together else [(name,) for name in crafted_on]
    examples: list[Examples] = []
    measured: list[Measured] = []
    for group in groups:
        say(f"crafting on {' and '.join(group)}: {recipe.iterations:,} steps, {len(study.seeds)} seeds")
        folder = Path(out) / folder_name(group, recipe)
        examples.append(craft_examples(study, group, recipe, folder, progress=progress)[-1])
        measured += [measure(study, examples[-1], name) for name in study.victims]
    return Campaign(study, examples, measured)


def folder_name(crafted_on: Sequence[str], recipe: UniversalRecipe) -> str:
    """Return the name of a crafting's folder, such as "sface-8-sign": budget in 255ths, and all that is not default."""
    plain = identity(UniversalRecipe(epsilon=recipe.epsilon, optimizer=recipe.optimizer))
    more = [f"{name}={value}" for name, value in identity(recipe).items() if value != plain[name]]
    return "-".join(["+".join(crafted_on), f"{recipe.epsilon * 255:g}", str(recipe.optimizer), *more])


def to_pixels(chips: NDArray[np.uint8]) -> Tensor:
    """Return chips (K, S, S, 3) as pictures (K, 3, S, S) in [0, 1]."""
    return torch.from_numpy(chips).permute(0, 3, 1, 2).float() / 255


def surrogate_of(victim: Victim) -> Surrogate:
    """Return a recogniser as an attacker holds it, with the training people's templates as targets.

    Raises:
        DataError: the templates are those of another version of it.
    """
    network = differentiable(victim.source)
    if "train" in victim.chips:
        refuse_stale(victim.chips["train"], victim.name, chip_embedder(victim.source, network=network))
    return Surrogate(
        name=victim.name,
        network=network,
        targets=torch.from_numpy(victim.train.templates),
        threshold=victim.thresholds.values[COUNTED_AT],
        own=torch.from_numpy(victim.seeds.templates),
    )


def _write(folder: Path, pictures: NDArray[np.uint8], card: Mapping[str, object]) -> None:
    """Write the pictures, and last of all the card that says that they are whole."""
    for number, picture in enumerate(pictures):
        write_atomically(folder / _PICTURE.format(number), png(picture))
    digests = [sha256_of(picture.tobytes()) for picture in pictures]
    write_atomically(folder / _CARD, json.dumps({"format": _FORMAT, **card, "pictures": digests}, indent=1))


def _read(folder: Path, recipe: UniversalRecipe, told: Mapping[str, object]) -> Examples:
    try:
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        digests, iterations, seconds = list(card["pictures"]), int(card["iterations"]), float(card["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(expected=f"the card of examples in {folder}", came="another file", remedy=_ANEW) from error
    if differ := [name for name, value in told.items() if card.get(name) != value]:
        raise UsageError(
            expected=f"examples of this crafting in {folder}",
            came=f"those of another one ({', '.join(differ)})",
            remedy="name another folder",
        )
    pictures = [read_image(folder / _PICTURE.format(number)) for number in range(len(digests))]
    if [sha256_of(picture.tobytes()) for picture in pictures] != digests:
        raise DataError(expected=f"the pictures that were written in {folder}", came="others", remedy=_ANEW)
    return Examples(
        crafted_on=tuple(card["crafted_on"]),
        recipe=recipe,
        iterations=iterations,
        pictures=np.stack(pictures),
        seconds=seconds,
    )


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (H, W, 3) RGB as a PNG file, pixel for pixel."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(data.tobytes())
