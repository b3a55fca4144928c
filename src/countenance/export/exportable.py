"""What is exported of each network: its graph, what goes in and comes out, its thresholds, and how PyTorch answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.checkpoints import BEST, read_checkpoint
from countenance.errors import UsageError
from countenance.export.aligned_recogniser import aligned_recogniser_onnx
from countenance.export.engines import Answers, Judge, Pixels
from countenance.export.facelivenet import FACES, PROBABILITIES, TEMPLATES, facelivenet_onnx
from countenance.export.fewframe import EMBEDDINGS, FRAMES, fewframe_onnx
from countenance.export.fewframe import SCORES as COSINES
from countenance.export.golden import PixelInput
from countenance.export.minifasnet import CROPS_V1SE, CROPS_V2, SCORES, minifasnet_pair_onnx
from countenance.export.presentations import MARGINS, presentation_onnx
from countenance.files import sha256_of
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.aligned_recogniser import SIDE as ALIGNED_SIDE
from countenance.networks.fr_feature import GRAPH as FR_FEATURE_GRAPH
from countenance.networks.inception_resnet_v1 import SIDE
from countenance.networks.minifasnet import BONA_FIDE_CLASS, SCALE_V1SE, SCALE_V2
from countenance.networks.minifasnet import SIDE as CROP_SIDE
from countenance.networks.onnx_graph import read_graph
from countenance.networks.record import Task
from countenance.networks.sface import GRAPH as SFACE_GRAPH
from countenance.networks.slim_pad import channels_of
from countenance.presentation_scoring import stack_planes
from countenance.released import known_for, operating_point, presentation_network
from countenance.shipped import (
    CLIP,
    FACELIVENET_FULL,
    FACELIVENET_SLIM,
    FEWFRAME_SLIM,
    GATE_SLIM,
    MLFA_DISTILLED,
    MLFA_SLIM,
    digest_of,
    stated_clip_network,
    stated_face_live_network,
    stated_network,
    trunks_folder,
)
from countenance.trained import is_of_clips, is_run
from countenance.trained_facelivenet import NAME as FACELIVENET
from countenance.vocabulary import Modality
from countenance.weights import locate

MINIFASNET: Final = "minifasnet"
SFACE: Final = SFACE_GRAPH.name
FR_FEATURE: Final = FR_FEATURE_GRAPH.name
ALIGNED: Final = (SFACE, FR_FEATURE)
"""Recognisers whose published files are read as modules."""
_TEMPLATE = "of length 1; high cosine of two = same person"
_COSINE = "cosine of two templates"
_FACE_MILLIMETRES = 110.0  # about as much as a detector's box shows: what the pair's crops are multiples of


class Kind(StrEnum):
    """What an exported network judges."""

    PRESENTATION = "presentation"
    CLIP = "clip"
    FACE = "face"
    CROPS = "crops"


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output of an exported network.

    Attributes:
        name: in the file.
        width: (N, width) float32.
        meaning: in words, with what a high number says.
        columns: what each column is of, where it has a name.
    """

    name: str
    width: int
    meaning: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Exportable:
    """A network, ready to be written.

    Attributes:
        name: how it was named.
        kind: what it judges.
        model: the ONNX file.
        inputs: in the order of the network's channels.
        outputs: in the file's order.
        scores: the output that is high where a presentation is bona fide; None: there is none.
        judge: the network in PyTorch.
        points: thresholds, as a card states them.
        label: of the data that it was trained on, such as "drawn data"; "" for real data.
        weights: SHA-256 of each file that it was built from.
    """

    name: str
    kind: Kind
    model: bytes
    inputs: tuple[PixelInput, ...]
    outputs: tuple[Output, ...]
    scores: str | None
    judge: Judge
    points: Sequence[Mapping[str, Any]]
    label: str
    weights: Mapping[str, str]


def exportable(name: str) -> Exportable:
    """Build a network and what is exported of it.

    Args:
        name: mlfa-slim, mlfa-distilled, gate-slim, fewframe-slim, facelivenet-slim, facelivenet-full, minifasnet,
            sface, fr_feature, or the folder of a run.

    Raises:
        UsageError: an unknown name, or a network that has a layer or a threshold that cannot be exported.
        DataError: its card or its tensors are damaged, or cannot be had.
    """
    if name == MINIFASNET:
        return _pair()
    if name in ALIGNED:
        return _aligned(name)
    if name in {FACELIVENET_SLIM, FACELIVENET_FULL}:
        return _faces(name)
    if name == FEWFRAME_SLIM:
        return _clips(name)
    if name in {MLFA_SLIM, MLFA_DISTILLED, GATE_SLIM}:
        return _presentations(name)
    return _of_run(name)


def _of_run(name: str) -> Exportable:
    if not is_run(name):
        shipped = (MLFA_SLIM, MLFA_DISTILLED, GATE_SLIM, FEWFRAME_SLIM, FACELIVENET_SLIM, FACELIVENET_FULL)
        known = ", ".join((*shipped, MINIFASNET, *ALIGNED))
        raise UsageError(
            expected=f"a network that can be exported ({known}) or the folder of a run",
            came=repr(name),
            remedy="name one of them",
        )
    checkpoint = read_checkpoint(name, BEST)
    if checkpoint.card.get("network") == FACELIVENET:
        return _faces(name)
    return _clips(name) if is_of_clips(checkpoint) else _presentations(name)


def _presentations(name: str) -> Exportable:
    stated = stated_network(name)
    module, side = stated.module, stated.module.side
    cut = "the face, aligned" if stated.context is None else f"the detector's box, {stated.context:g} times as long"
    every = frozenset(module.modalities)
    points = (
        [_point(stated.points[every], modalities=list(map(str, module.modalities)))] if every in stated.points else []
    )

    def judge(pixels: Pixels) -> Answers:
        planes = stack_planes({modality: pixels[modality] for modality in module.modalities}, module.modalities)
        with torch.inference_mode():
            return {MARGINS: module(planes)[:, None].numpy()}

    return Exportable(
        name=name,
        kind=Kind.PRESENTATION,
        model=presentation_onnx(module),
        inputs=tuple(
            PixelInput(
                name=str(modality),
                modality=modality,
                shape=(side, side, channels_of([modality])),
                cut=f"{cut}, resized to {side} x {side} pixels",
                surroundings=module.modalities == (Modality.RGB,),
            )
            for modality in module.modalities
        ),
        outputs=(Output(name=MARGINS, width=1, meaning="margin of bona fide over attack; its sigmoid is the score"),),
        scores=MARGINS,
        judge=judge,
        points=points,
        label=stated.label,
        weights=_weights(name),
    )


def _clips(name: str) -> Exportable:
    stated = stated_clip_network(name)
    network = stated.module

    def judge(pixels: Pixels) -> Answers:
        with torch.inference_mode():
            clips = _planes(pixels[FRAMES])
            return {COSINES: network.score(clips)[:, None].numpy(), EMBEDDINGS: network(clips).numpy()}

    return Exportable(
        name=name,
        kind=Kind.CLIP,
        model=fewframe_onnx(network),
        inputs=(
            PixelInput(
                name=FRAMES,
                modality=Modality.RGB,
                shape=(network.frames, network.side, network.side, 3),
                cut=f"{network.frames} frames of a window, the first one first, as loading.clip_windows cuts them",
                surroundings=True,
            ),
        ),
        outputs=(
            Output(name=COSINES, width=1, meaning="cosine to the bona fide class; a clip's is the mean"),
            Output(name=EMBEDDINGS, width=network.features, meaning="what the cosines are of"),
        ),
        scores=COSINES,
        judge=judge,
        points=[_point(stated.point, unit=CLIP)],
        label=stated.label,
        weights=_weights(name),
    )


def _faces(name: str) -> Exportable:
    stated = stated_face_live_network(name)
    network = stated.network

    def judge(pixels: Pixels) -> Answers:
        with torch.inference_mode():
            found = network(_planes(pixels[FACES]))
            told = {PROBABILITIES: torch.softmax(found.logits, 1).numpy()} if network.expressions else {}
            return {TEMPLATES: found.features.numpy(), **told}

    templates = Output(name=TEMPLATES, width=network.features, meaning=_TEMPLATE)
    columns = tuple(map(str, network.expressions))
    told = Output(name=PROBABILITIES, width=len(columns), meaning="of each expression", columns=columns)
    return Exportable(
        name=name,
        kind=Kind.FACE,
        model=facelivenet_onnx(network),
        inputs=(
            PixelInput(
                name=FACES,
                modality=Modality.RGB,
                shape=(SIDE, SIDE, 3),
                cut="the detector's box with a margin, as networks.inception_resnet_v1.cut_box cuts it",
                surroundings=True,
            ),
        ),
        outputs=(templates, told) if columns else (templates,),
        scores=None,
        judge=judge,
        points=[] if stated.point is None else [_point(stated.point, of=_COSINE)],
        label=stated.label,
        weights={name: stated.digest},
    )


def _pair() -> Exportable:
    pair, cuts = presentation_network(MINIFASNET), ((CROPS_V2, SCALE_V2), (CROPS_V1SE, SCALE_V1SE))

    def judge(pixels: Pixels) -> Answers:
        with torch.inference_mode():
            both = [
                torch.softmax(network(_planes(pixels[name])), 1)[:, BONA_FIDE_CLASS]
                for network, name in ((pair.v2, CROPS_V2), (pair.v1se, CROPS_V1SE))
            ]
            return {SCORES: torch.stack(both).mean(0)[:, None].numpy()}

    return Exportable(
        name=MINIFASNET,
        kind=Kind.CROPS,
        model=minifasnet_pair_onnx(pair),
        inputs=tuple(
            PixelInput(
                name=name,
                modality=Modality.RGB,
                shape=(CROP_SIDE, CROP_SIDE, 3),
                cut=f"{scale:g} times the detector's box, as networks.minifasnet.crop cuts it",
                millimetres=min(400.0, _FACE_MILLIMETRES * scale),
                surroundings=True,
            )
            for name, scale in cuts
        ),
        outputs=(Output(name=SCORES, width=1, meaning="mean of both probabilities of bona fide"),),
        scores=SCORES,
        judge=judge,
        points=[_point(operating_point(MINIFASNET, task=Task.PRESENTATION_ATTACK_DETECTION))],
        label="",
        weights={
            file.name: sha256_of(file.read_bytes())
            for weights in ("minifasnet_v2", "minifasnet_v1se")
            for file in locate(weights).values()
        },
    )


def _aligned(name: str) -> Exportable:
    known = {SFACE: SFACE_GRAPH, FR_FEATURE: FR_FEATURE_GRAPH}[name]
    file, point = locate(name)[name], known_for(name, task=Task.VERIFICATION).operating_point
    network = read_graph(file, title=known.title)
    centre, spread = (network.centre, network.spread) if name == SFACE else (known.centre, known.spread)

    def judge(pixels: Pixels) -> Answers:
        with torch.inference_mode():
            found = network((_planes(pixels[FACES]) * 255 - centre) / spread)
            return {TEMPLATES: torch.nn.functional.normalize(found).numpy()}

    (template,) = judge({FACES: np.zeros((1, ALIGNED_SIDE, ALIGNED_SIDE, 3), np.uint8)})[TEMPLATES]
    return Exportable(
        name=name,
        kind=Kind.FACE,
        model=aligned_recogniser_onnx(network, features=len(template), centre=centre, spread=spread),
        inputs=(
            PixelInput(
                name=FACES,
                modality=Modality.RGB,
                shape=(ALIGNED_SIDE, ALIGNED_SIDE, 3),
                cut="the face, aligned as faces.alignment.align does it",
                surroundings=True,
            ),
        ),
        outputs=(Output(name=TEMPLATES, width=len(template), meaning=_TEMPLATE),),
        scores=None,
        judge=judge,
        points=[] if point is None else [_point(point, of=_COSINE)],
        label="",
        weights={file.name: sha256_of(file.read_bytes())},
    )


def _planes(pixels: NDArray[np.uint8]) -> Tensor:
    """(..., C, H, W) in [0, 1] of (..., H, W, C)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, -3))).float() / 255


def _weights(name: str) -> dict[str, str]:
    shipped = trunks_folder() / name
    return {name: digest_of(shipped if Path(name).name == name and is_run(shipped) else Path(name))}


def _point(point: OperatingPoint, **of: Any) -> dict[str, Any]:
    return {**of, "value": point.value, "rule": point.rule, "split": point.split}
