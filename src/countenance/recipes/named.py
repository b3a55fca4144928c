"""Recipes by name: what the command `train` does."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from countenance.errors import UsageError
from countenance.losses.metric_learning import FewFrameLoss
from countenance.networks.mlfa import STREAMS
from countenance.networks.slim_pad import NAME as SLIM_PAD
from countenance.presentation_scoring import Precision
from countenance.presentation_training import Choice, TrainedRun
from countenance.processes.devices import device_of_launch, devices_named
from countenance.processes.group import joined
from countenance.processes.starting import share_of_launch, together
from countenance.progress import Progress, Say, unheard
from countenance.recipes.facelivenet import RECIPES as STAGE_1
from countenance.recipes.facelivenet import ClassLoss, train_facelivenet
from countenance.recipes.facelivenet_distillation import RECIPES as DISTILLATION
from countenance.recipes.facelivenet_distillation import distil
from countenance.recipes.facelivenet_expression import RECIPES as EXPRESSION
from countenance.recipes.facelivenet_expression import ExpressionRun, train_expression
from countenance.recipes.fewframe import FIRST_FOLD, FewFrameRecipe, train_fewframe
from countenance.recipes.fewframe import RECIPES as FEWFRAME
from countenance.recipes.flownets import NAME as FLOWNETS_SLIM
from countenance.recipes.flownets import FlowRecipe, train_flownets
from countenance.recipes.gate_slim import NAME as GATE_SLIM
from countenance.recipes.gate_slim import GateSlimRecipe, train_gate_slim
from countenance.recipes.mlfa import RECIPES, train_mlfa
from countenance.recipes.pretraining import Margin, PretrainedRun, PretrainingRecipe, Task, pretrain
from countenance.recipes.slim_pad import SlimPadRecipe, train_slim_pad
from countenance.trained_facelivenet import FACENET
from countenance.vocabulary import Modality

PRETRAINING: Mapping[str, PretrainingRecipe] = {  # after Table 2 of Parkin and Grinchuk; distillation is ours
    "pretraining-sphereface": PretrainingRecipe(margin=Margin.SPHEREFACE),
    "pretraining-arcface": PretrainingRecipe(margin=Margin.ARCFACE, epochs=24),
    "pretraining-gender": PretrainingRecipe(task=Task.GENDER, epochs=20),
    "pretraining-distillation": PretrainingRecipe(task=Task.DISTILLATION, epochs=16),
}
FACE_LIVE = (*STAGE_1, *DISTILLATION, *EXPRESSION)
NAMES = (SLIM_PAD, GATE_SLIM, *RECIPES, *FEWFRAME, *PRETRAINING, FLOWNETS_SLIM, *FACE_LIVE)
_ANY = frozenset({"epochs", "batch_size", "seed"})
_OF_PRETRAINING = dict.fromkeys(PRETRAINING, _ANY) | {"pretraining-distillation": _ANY | {"teacher"}}
_OF_STILLS = _ANY | {"modalities", "choice", "bona_fide_label", "devices"}
_OF_MLFA = _OF_STILLS | {"fold", "initial", "teachers", "precision", "sensor_dropout"}
_OF_DISTILLATION = _ANY | {"precision", "kept", "initial"}
_OF_STAGE_1 = _ANY | {"layout", "loss", "devices"}
_OF_FEWFRAME = _ANY | {"fold", "frames", "loss", "flow", "devices"}
_WORDS: Mapping[str, type[StrEnum]] = {"choice": Choice, "precision": Precision, "loss": FewFrameLoss}
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What differs from the recipe; None: as the recipe has it.

    Attributes:
        epochs: in all.
        batch_size: samples in a step.
        modalities: the sensors, such as "rgb,depth"; of a multi-level network one for each branch, or one for all.
        choice: of `Choice`.
        bona_fide_label: as for `named.inspect_named`.
        fold: of CASIA-SURF's training split, such as "attack-1"; of SiW's protocols, such as "protocol-2-1".
        frames: of a few-frame network, 2, 3 or 5.
        loss: of a few-frame network, one of `FewFrameLoss`; of a FaceLiveNet's first stage, one of `ClassLoss`.
        layout: of a FaceLiveNet's first stage, such as "slim".
        flow: of a few-frame network, a shipped flow network, the folder of a run, or a file.
        initial: a shipped trunk, the folder of a run of pre-training, or a file; of facelivenet-expression, facenet or
            the folder of a FaceLiveNet's run; of a slim distilled one, the run of an official one.
        teacher: of distillation, a released recogniser: one of `RECOGNISERS`.
        teachers: folders of runs that the network is to learn from.
        precision: of `Precision`.
        sensor_dropout: probability that a sample loses a sensor.
        devices: what trains, such as "cuda"; of slim-pad and the multi-level recipes also several, as
            `processes.devices.devices_named` knows them, with a process for each.
        kept: of a distilled FaceLiveNet and of facelivenet-expression, a folder of what runs may share.
        seed: of everything that is drawn.
    """

    epochs: int | None = None
    batch_size: int | None = None
    modalities: str | None = None
    choice: str | None = None
    bona_fide_label: str | None = None
    fold: str | None = None
    frames: int | None = None
    loss: str | None = None
    layout: str | None = None
    flow: str | None = None
    initial: str | None = None
    teacher: str | None = None
    teachers: Sequence[str | os.PathLike[str]] | None = None
    precision: str | None = None
    sensor_dropout: float | None = None
    devices: str | None = None
    kept: str | os.PathLike[str] | None = None
    seed: int | None = None

    def only(self, recipe: str, known: frozenset[str]) -> dict[str, Any]:
        """Return what was asked for.

        Raises:
            UsageError: something that the recipe does not know.
        """
        asked = {name: value for name, value in vars(self).items() if value is not None}
        if strangers := [name.replace("_", "-") for name in asked if name not in known]:
            raise UsageError(
                expected=f"options that {recipe} knows: {', '.join(sorted(known)).replace('_', '-')}",
                came=f"--{strangers[0]}",
                remedy="leave it out",
            )
        return asked


def train(
    name: str,
    wishes: Wishes,
    *,
    data: str,
    out: str | os.PathLike[str],
    progress: Progress = unheard,
    say: Say = unheard,
) -> TrainedRun | PretrainedRun | ExpressionRun:
    """Train by the recipe called `name`; goes on where a run in the same folder was stopped.

    Where torchrun started this process, it trains with the others that it started; only the first tells how far it is.

    Args:
        name: one of `NAMES`.
        wishes: what differs from the recipe.
        data: a set as NAME:ROOT; of a FaceLiveNet several with a comma between them.
        out: folder of the run.
        progress: called with (steps done, steps in all).
        say: called with a line before each part.

    Raises:
        UsageError: an unknown recipe or option; several processes for a recipe of one; one of them was killed; as the
            recipe raises it.
        DataError: the set is not whole: nothing is trained.
    """
    share = share_of_launch()
    if name in (SLIM_PAD, *RECIPES):
        devices = devices_named(wishes.devices)
        work = partial(_train_stills, name, wishes, data=data, out=out)
        if share.of == 1:
            alone = len(devices) == 1
            return work(devices[0], progress, say) if alone else together(devices, work, progress=progress, say=say)
        device = device_of_launch(devices)
        with joined(device, share=share):
            return work(device, *((progress, say) if share.number == 0 else (unheard, unheard)))
    if share.of > 1:
        raise UsageError(
            expected=f"one process for {name}", came=f"{share.of}", remedy=f"take {SLIM_PAD} or {', '.join(RECIPES)}"
        )
    if name in PRETRAINING:
        return pretrain(
            replace(PRETRAINING[name], **wishes.only(name, _OF_PRETRAINING[name])),
            data=data,
            out=out,
            progress=progress,
            say=say,
        )
    if name in FACE_LIVE:
        return _train_face_live(name, wishes, data=data, out=out, progress=progress, say=say)
    if name in (FLOWNETS_SLIM, GATE_SLIM):
        return _train_one_of_a_kind(name, wishes, data=data, out=out, progress=progress, say=say)
    if name in FEWFRAME:
        recipe, fold = _few_frames(name, wishes)
        return train_fewframe(recipe, data=data, out=out, fold=fold, progress=progress, say=say)
    raise UsageError(expected=f"a recipe: {', '.join(NAMES)}", came=repr(name), remedy="name one of them")


def _train_stills(
    name: str,
    wishes: Wishes,
    device: str,
    progress: Progress,
    say: Say,
    *,
    data: str,
    out: str | os.PathLike[str],
) -> TrainedRun:
    """The networks of still presentations, on one device; in one process of several, where these have joined."""
    asked = _in_words(wishes.only(name, _OF_STILLS if name == SLIM_PAD else _OF_MLFA)) | {"device": device}
    label = asked.pop("bona_fide_label", None)
    sensors = tuple(
        _word(Modality, word.strip(), "modalities") for word in asked.pop("modalities", "").split(",") if word
    )
    if name == SLIM_PAD:
        slim = SlimPadRecipe(**asked | ({"modalities": sensors} if sensors else {}))
        return train_slim_pad(slim, data=data, out=out, bona_fide_label=label, progress=progress, say=say)
    fold, teachers = asked.pop("fold", ""), asked.pop("teachers", ())
    if sensors:
        asked["streams"] = sensors * len(STREAMS) if len(sensors) == 1 else sensors
    if "epochs" in asked:
        asked["cosine_epochs"] = max(1, round(RECIPES[name].cosine_epochs * asked["epochs"] / RECIPES[name].epochs))
    return train_mlfa(
        replace(RECIPES[name], **asked),
        data=data,
        out=out,
        fold=fold,
        teachers=teachers,
        bona_fide_label=label,
        progress=progress,
        say=say,
    )


def _train_one_of_a_kind(
    name: str, wishes: Wishes, *, data: str, out: str | os.PathLike[str], progress: Progress, say: Say
) -> PretrainedRun | TrainedRun:
    """The flow encoder, and the network of what stands before the gate."""
    asked = wishes.only(name, _ANY)
    if name == FLOWNETS_SLIM:
        return train_flownets(FlowRecipe(**asked), data=data, out=out, progress=progress, say=say)
    gate = GateSlimRecipe()
    gate = replace(gate, training=replace(gate.training, **asked))
    return train_gate_slim(gate, data=data, out=out, progress=progress, say=say)


def _train_face_live(
    name: str, wishes: Wishes, *, data: str, out: str | os.PathLike[str], progress: Progress, say: Say
) -> PretrainedRun | ExpressionRun:
    """Both stages of a FaceLiveNet, and what takes the place of the first."""
    if name in STAGE_1:
        asked = wishes.only(name, _OF_STAGE_1)
        if "loss" in asked:
            asked["loss"] = _word(ClassLoss, asked["loss"], "loss")
        asked = {"device" if wish == "devices" else wish: value for wish, value in asked.items()}
        return train_facelivenet(replace(STAGE_1[name], **asked), data=data, out=out, progress=progress, say=say)
    if name in DISTILLATION:
        asked = _in_words(wishes.only(name, _OF_DISTILLATION))
        views, wide = asked.pop("kept", None), asked.pop("initial", None)
        recipe = replace(DISTILLATION[name], **asked)
        return distil(recipe, data=data, out=out, views=views, initial=wide, progress=progress, say=say)
    asked = wishes.only(name, _ANY | {"initial", "kept"})
    initial, maps = asked.pop("initial", FACENET), asked.pop("kept", None)
    return train_expression(
        replace(EXPRESSION[name], **asked), initial=initial, data=data, out=out, maps=maps, progress=progress, say=say
    )


def _few_frames(name: str, wishes: Wishes) -> tuple[FewFrameRecipe, str]:
    """The recipe of a few-frame network, and the fold that it is trained on."""
    asked = _in_words(wishes.only(name, _OF_FEWFRAME))
    fold = asked.pop("fold", FIRST_FOLD)
    return replace(FEWFRAME[name], **asked), fold


def _in_words(asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for as recipes name it: words of an enumeration as such, and the one device."""
    told = {name: _word(_WORDS[name], value, name) if name in _WORDS else value for name, value in asked.items()}
    return {"device" if name == "devices" else name: value for name, value in told.items()}


def _word(words: type[Word], word: str, what: str) -> Word:
    try:
        return words(word)
    except ValueError as error:
        raise UsageError(
            expected=f"{what} among {', '.join(words)}", came=repr(word), remedy="name one of them"
        ) from error
