"""Decisions about presentations: is it live, and is it the same person.

Each decision asks one network and answers at that network's stated operating point. What cannot be judged (no face, two
faces, a damaged file, a sensor that shows nothing) raises an error and receives no score. Pixels are read before any
network is asked, so that a broken file costs little.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch

from countenance.clip_authentication import WINDOWS, decide_clip
from countenance.clips import is_clip
from countenance.errors import UsageError, WrongModality, at_least
from countenance.faces.detection import central_face, only_face
from countenance.images import read_image
from countenance.loading.aligned_sensors import AlignedPlanes, read_aligned
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.catalogue import RECORDS
from countenance.networks.record import Task
from countenance.networks.slim_pad import channels_of
from countenance.presentation_scoring import judge_surroundings, scores_of, stack_planes
from countenance.recognisers import stated_recogniser
from countenance.released import detector, operating_point, presentation_network
from countenance.shipped import FEWFRAME_SLIM, MLFA_SLIM, StatedNetwork, stated_clip_network, stated_network, words
from countenance.transforms.resizing import resized
from countenance.vocabulary import Decision, Modality, Reason

PHOTOGRAPH = "minifasnet"
"""The network for a photograph alone, unless another one is named."""


class Missing(StrEnum):
    """What is done about a sensor that the network reads and that shows nothing.

    `REFUSE` asks for all of them. `SUBSET` lets the network judge by the others, where it was trained to and its card
    states a threshold for exactly these; whoever can blind a sensor then chooses what he is judged by.
    """

    REFUSE = "refuse"
    SUBSET = "subset"


@dataclass(frozen=True, kw_only=True)
class SensorDecision(Decision):
    """A decision about one presentation to several sensors.

    Attributes:
        sensors: whose pictures the network was shown.
        missing: the policy on the others.
        label: of the data that the network was trained on, such as "drawn data"; "" for real data.
    """

    sensors: tuple[Modality, ...]
    missing: Missing
    label: str


@dataclass(frozen=True, kw_only=True)
class VerificationDecision(Decision):
    """A decision whether two photographs show one person.

    Attributes:
        label: of the data that the network was trained on, such as "drawn data"; "" for real data.
    """

    label: str


def check(
    image: str | os.PathLike[str],
    *,
    depth: str | os.PathLike[str] | None = None,
    infrared: str | os.PathLike[str] | None = None,
    missing: str = Missing.REFUSE,
    model: str | None = None,
    detect: str = "yunet",
    windows: int = WINDOWS,
    point: OperatingPoint | None = None,
) -> Decision:
    """Decide whether a live, bona fide presentation is before the camera: by a photograph, a clip, or several sensors.

    What the file holds decides whether it is a photograph or a clip; see `clips.is_clip`.

    With a depth or an infrared picture, or with a network that reads them, all pictures are crops of one face, as the
    network's training set stores them, which lie on each other and have one size; no face is looked for.

    Args:
        image: a photograph or a clip of one face; with other sensors the colour crop.
        depth: the depth crop, a grey picture of 8 bits.
        infrared: the infrared crop, a grey picture of 8 bits.
        missing: what is done about a sensor that is not named or shows nothing, one of `Missing`.
        model: "minifasnet", the published pair that most packages wrap, or "gate-slim" (drawn data), for a photograph
            alone; a shipped network or the folder of a run for several sensors or for a clip. None: "minifasnet",
            "mlfa-slim" with a second picture, "fewframe-slim" for a clip.
        detect: the face detector for a photograph alone or a clip, "yunet" or "mtcnn".
        windows: of a clip that are judged, at most.
        point: a threshold for this camera, such as `conformal.calibrate` sets, instead of the one that the network
            states; it holds for all of the network's sensors and not for fewer.

    Returns:
        A decision whose score is P(bona fide); a `SensorDecision` where a network of several sensors was asked. Of a
        clip a `ClipDecision`, whose score is a cosine, in [-1, 1].

    Raises:
        InputError: a picture or a clip cannot be read, shows no face, or shows two; a clip is too short; pictures of
            two sizes, one picture for two sensors, a sensor that shows nothing.
        DataError: a file is missing, or the network's weights cannot be had.
        UsageError: an unknown model, detector or policy; a sensor is not named, or is not read by the network; a
            threshold and fewer sensors.
    """
    at_least(1, windows=windows)
    given = {Modality.DEPTH: depth, Modality.INFRARED: infrared}
    others = {modality: Path(path) for modality, path in given.items() if path is not None}
    if point is not None and missing != Missing.REFUSE:
        raise UsageError(
            expected="the pictures of all sensors, for which a threshold was set",
            came=f"the policy {missing!r}",
            remedy="leave the threshold or the policy out",
        )
    if is_clip(image):
        _refuse_beside_clip(others, missing)
        network = stated_clip_network(FEWFRAME_SLIM if model is None else model)
        if point is not None:
            network = replace(network, point=point)
        return decide_clip(image, network, detector=detector(detect), windows=windows)
    if model is None:
        model = MLFA_SLIM if others else PHOTOGRAPH
    if missing not in set(Missing):
        raise UsageError(expected=f"a policy: {' or '.join(Missing)}", came=repr(missing), remedy="name one of them")
    if any(record.name == model for record in RECORDS):
        _refuse_for_photograph(model, others, Missing(missing))
        return _check_photograph(image, model, detect, point)
    stated = stated_network(model)
    if stated.context is not None:
        _refuse_for_photograph(model, others, Missing(missing))
        return _check_surroundings(image, stated, stated.context, detect, point)
    return _check_sensors({Modality.RGB: Path(image), **others}, stated, Missing(missing), point)


def _refuse_beside_clip(others: Mapping[Modality, Path], missing: str) -> None:
    if others or missing != Missing.REFUSE:
        raise UsageError(
            expected="a clip alone",
            came=f"{words(others)} beside it" if others else f"the policy {missing!r}",
            remedy="leave it out, or name the colour picture of the same moment",
        )


def _refuse_for_photograph(model: str, others: Mapping[Modality, Path], missing: Missing) -> None:
    if others or missing is not Missing.REFUSE:
        raise UsageError(
            expected=f"a photograph alone, for {model}",
            came=f"{words(others)} beside it" if others else f"the policy {missing}",
            remedy=f"name a network of several sensors: {MLFA_SLIM}",
        )


def _check_photograph(image: str | os.PathLike[str], model: str, detect: str, point: OperatingPoint | None) -> Decision:
    stated = operating_point(model, task=Task.PRESENTATION_ATTACK_DETECTION)
    pixels = read_image(image)
    face = only_face(detector(detect).detect(pixels), name=os.fspath(image))
    score = presentation_network(model).bona_fide_score(pixels, face.box)
    return _decided(score, stated if point is None else point, model, otherwise=Reason.PRESENTATION_ATTACK)


def _check_surroundings(
    image: str | os.PathLike[str], network: StatedNetwork, context: float, detect: str, point: OperatingPoint | None
) -> SensorDecision:
    """By a network that is shown a face and what is round it."""
    pixels = read_image(image)
    face = only_face(detector(detect).detect(pixels), name=os.fspath(image))
    score = judge_surroundings(network.module, pixels, face.box, context=context)
    stated = network.point_for([Modality.RGB]) if point is None else point
    decided = _decided(score, stated, network.name, otherwise=Reason.PRESENTATION_ATTACK)
    return SensorDecision(**vars(decided), sensors=(Modality.RGB,), missing=Missing.REFUSE, label=network.label)


def _check_sensors(
    paths: Mapping[Modality, Path], network: StatedNetwork, missing: Missing, point: OperatingPoint | None
) -> SensorDecision:
    read = network.module.modalities
    if strangers := set(paths) - {Modality.RGB, *read}:
        raise UsageError(
            expected=f"sensors that {network.name} reads: {words(read)}",
            came=words(strangers),
            remedy="leave the others out, or name another network",
        )
    absent = [modality for modality in read if modality not in paths]
    if absent and missing is Missing.REFUSE:
        raise UsageError(
            expected=f"a picture of each sensor that {network.name} reads: {words(read)}",
            came=f"no {words(absent)}",
            remedy=f"add {' and '.join(f'--{modality} FILE' for modality in absent)}, or let the network judge by the "
            f"others: --missing {Missing.SUBSET}",
        )
    seen = read_aligned({modality: path for modality, path in paths.items() if modality in read})
    if seen.empty and (missing is Missing.REFUSE or not seen.planes):
        raise WrongModality(
            expected=f"a picture of each sensor that {network.name} reads: {words(read)}",
            came="; ".join(f"{why} from {modality}, in {paths[modality]}" for modality, why in seen.empty.items()),
            remedy="see that the sensor is on and not covered"
            + (f", or let the network judge by the others: --missing {Missing.SUBSET}" if seen.planes else ""),
        )
    point = network.point_for(seen.planes) if point is None else point
    decided = _decided(_score(seen, network), point, network.name, otherwise=Reason.PRESENTATION_ATTACK)
    return SensorDecision(
        **vars(decided),
        sensors=tuple(modality for modality in Modality if modality in seen.planes),
        missing=missing,
        label=network.label,
    )


def _score(seen: AlignedPlanes, network: StatedNetwork) -> float:
    """Return P(bona fide); a sensor that is not there is black, and masked."""
    read, side = network.module.modalities, network.module.side
    black = {modality: np.zeros((1, side, side, channels_of([modality])), np.uint8) for modality in read}
    planes = {modality: resized(plane[None], height=side, width=side) for modality, plane in seen.planes.items()}
    stacked = stack_planes(black | planes, read)  # (1, C, side, side)
    present = [modality in planes for modality in read]
    with torch.inference_mode():
        margin = network.module(stacked) if all(present) else network.module(stacked, torch.tensor([present]))
    return float(scores_of(margin)[0])


def verify(
    reference: str | os.PathLike[str], probe: str | os.PathLike[str], *, model: str = "sface", detect: str = "yunet"
) -> VerificationDecision:
    """Decide whether two photographs show the same person.

    Of several faces the one that is largest and most central is taken. It does not ask whether the person is live.

    Args:
        reference: one photograph.
        probe: the other.
        model: the recogniser, as `recognisers.stated_recogniser` takes it.
        detect: the face detector, "yunet" or "mtcnn".

    Returns:
        A decision whose score is the cosine of the two templates.

    Raises:
        InputError: an image cannot be read, or shows no face.
        DataError: a file is missing, or the network's weights cannot be had.
        UsageError: an unknown model or detector, or a model for which no threshold is stated.
    """
    stated = stated_recogniser(model)
    point = stated.point
    photographs = [read_image(reference), read_image(probe)]
    finder = detector(detect)
    network = stated.build(1)
    faces = [
        network.cut(pixels, central_face(finder.detect(pixels), pixels.shape, name=os.fspath(source)))
        for pixels, source in zip(photographs, (reference, probe), strict=True)
    ]
    templates = network.embed(np.stack(faces))
    decided = _decided(float(templates[0] @ templates[1]), point, model, otherwise=Reason.NOT_THE_SAME_PERSON)
    return VerificationDecision(**vars(decided), label=stated.label)


def _decided(score: float, point: OperatingPoint, model: str, *, otherwise: Reason) -> Decision:
    accepted = score >= point.value
    return Decision(
        accepted=accepted,
        score=score,
        threshold=point.value,
        model=model,
        reasons=() if accepted else (otherwise,),
    )
