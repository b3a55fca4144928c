"""The networks that a gate asks, built once, by the names that its policy states."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.admission import digest_of_weights
from countenance.challenge import ChallengeRules
from countenance.clip_scoring import StatedClipNetwork, judge_windows
from countenance.errors import UsageError
from countenance.faces.detection import Detector, Face
from countenance.files import sha256_of
from countenance.gate.engines import FaceLiveNetEngine, MiniFasNetEngine
from countenance.networks.facelivenet import FaceLiveNet
from countenance.networks.facelivenet_recogniser import FaceLiveNetRecogniser
from countenance.networks.fewframe import FewFrameNetwork
from countenance.policy import CheckKind, Policy
from countenance.presentation_scoring import judge_surroundings, scores_of, stack_planes
from countenance.recognisers import StatedRecogniser, stated_recogniser
from countenance.released import detector, presentation_network
from countenance.scoring import Recogniser
from countenance.shipped import (
    FACE_ALONE,
    FACELIVENET_SLIM,
    GATE_SLIM,
    StatedNetwork,
    digest_of,
    is_face_live_network,
    stated_clip_network,
    stated_face_live_network,
    stated_network,
    trunk_source,
    trunks_folder,
    words,
)
from countenance.trained import TrainedNetwork, is_run
from countenance.vocabulary import Action, Expression, Modality
from countenance.weights import record

MINIFASNET = "minifasnet"
"""The released pair for photographs; every other network of a check of presentation is a trained one."""
EXPRESSIVE = frozenset({Action.HAPPY, Action.SURPRISE})
"""Actions that a network of expressions must see."""


class StillJudge(Protocol):
    """Judges one face of one picture."""

    def bona_fide_score(self, image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> float:
        """(H, W, 3) RGB and x, y, width, height of the face; higher is more genuine."""
        ...


class ClipJudge(Protocol):
    """Judges a window of five frames."""

    @property
    def side(self) -> int:
        """H and W of a window in pixels."""
        ...

    def score(self, window: NDArray[np.uint8]) -> float:
        """(5, side, side, 3) RGB; higher is more genuine."""
        ...


class SensorJudge(Protocol):
    """Judges one face as several sensors see it."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The sensors, all of which are needed."""
        ...

    @property
    def side(self) -> int:
        """H and W of a plane in pixels."""
        ...

    def score(self, planes: Mapping[Modality, NDArray[np.uint8]]) -> float:
        """(side, side, C) of each sensor; higher is more genuine."""
        ...


class ExpressionReader(Protocol):
    """Reads a face."""

    def read(self, image: NDArray[np.uint8], face: Face) -> Mapping[Expression, float]:
        """(H, W, 3) RGB and a face in it to the probability of each expression."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What a gate asks; a network that is not there leaves its checks without a score.

    Attributes:
        detector: finds faces.
        recognisers: by name.
        stills: by name.
        clips: by name.
        sensors: by name.
        expressions: None where no challenge asks for one.
        digests: SHA-256 of the weights of each, by name.
        label: of the data that one of them was trained on, such as "drawn data"; "" for real data.
    """

    detector: Detector
    recognisers: Mapping[str, Recogniser] = field(default_factory=dict)
    stills: Mapping[str, StillJudge] = field(default_factory=dict)
    clips: Mapping[str, ClipJudge] = field(default_factory=dict)
    sensors: Mapping[str, SensorJudge] = field(default_factory=dict)
    expressions: ExpressionReader | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    label: str = ""


class FewFrameJudge:
    """A network of clips that judges one window at a time.

    Args:
        network: ready to judge.
    """

    def __init__(self, network: FewFrameNetwork) -> None:
        self._network = network.eval()

    @property
    def side(self) -> int:
        """H and W of a window in pixels."""
        return self._network.side

    def score(self, window: NDArray[np.uint8]) -> float:
        """Return the cosine of a window (5, side, side, 3) to the bona fide class."""
        return float(judge_windows(self._network, window[None])[0])


class SurroundingsJudge:
    """A trained network of colour alone that judges one face and what is round it.

    Args:
        stated: the network; the context of its cut is the one that its card states.

    Raises:
        UsageError: it reads other sensors.
    """

    def __init__(self, stated: StatedNetwork) -> None:
        if tuple(stated.module.modalities) != (Modality.RGB,):
            raise UsageError(
                expected="a network of colour alone, for a check of presentation",
                came=f"{stated.name}, which reads {words(stated.module.modalities)}",
                remedy=f"name {MINIFASNET} or {GATE_SLIM}, or make the check one of presentation_sensors",
            )
        self._module = stated.module.eval()
        self._context = FACE_ALONE if stated.context is None else stated.context

    def bona_fide_score(self, image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> float:
        """Return P(bona fide) of the face in a box of a picture (H, W, 3)."""
        return judge_surroundings(self._module, image, box, context=self._context)


class MultiModalJudge:
    """A network of several sensors that judges one presentation at a time.

    Args:
        network: ready to judge.
    """

    def __init__(self, network: TrainedNetwork) -> None:
        self._network = network
        network.eval()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The sensors that it reads."""
        return tuple(self._network.modalities)

    @property
    def side(self) -> int:
        """H and W of a plane in pixels."""
        return int(self._network.side)

    def score(self, planes: Mapping[Modality, NDArray[np.uint8]]) -> float:
        """Return P(bona fide) of planes (side, side, C)."""
        stacked = stack_planes({modality: plane[None] for modality, plane in planes.items()}, self.modalities)
        with torch.inference_mode():
            return float(scores_of(self._network(stacked))[0])


def expression_reader(network: FaceLiveNet, *, threads: int = 1) -> FaceLiveNetEngine:
    """Return what reads the expressions that a FaceLiveNet tells.

    Raises:
        UsageError: it tells no expressions, or not those that a challenge may ask for.
    """
    wanted = {Expression.HAPPY, Expression.SURPRISE}
    if not wanted <= set(network.expressions):
        raise UsageError(
            expected=f"a network that tells {' and '.join(sorted(wanted))}",
            came=", ".join(network.expressions) or "one that tells no expression",
            remedy="name another one, or ask for no expression",
        )
    return FaceLiveNetEngine(network, threads=threads)


def load_networks(
    policy: Policy,
    rules: ChallengeRules,
    *,
    expressions: str = FACELIVENET_SLIM,
    detect: str = "yunet",
    threads: int = 1,
) -> Networks:
    """Build the networks that a policy names, and what its challenges need.

    Args:
        policy: names a network for each check that has one.
        rules: of the challenges; without an expression among them no network of expressions is built.
        expressions: a FaceLiveNet with expressions, as `shipped.stated_face_live_network` takes it.
        detect: the face detector, "yunet" or "mtcnn".
        threads: processor threads of a recogniser for one call.

    Raises:
        UsageError: an unknown network, or one that does something else.
        DataError: weights cannot be had, or are damaged.
    """
    names = {kind: _named(policy, kind) for kind in CheckKind}
    known = {name: stated_recogniser(name) for name in _named(policy, CheckKind.VERIFICATION, CheckKind.SAME_FACE)}
    clips = {name: stated_clip_network(name) for name in names[CheckKind.PRESENTATION_CLIP]}
    sensors = {name: stated_network(name) for name in names[CheckKind.PRESENTATION_SENSORS]}
    stills = {name: stated_network(name) for name in names[CheckKind.PRESENTATION] if name != MINIFASNET}
    pairs = {
        name: MiniFasNetEngine(presentation_network(name), threads=threads)
        for name in names[CheckKind.PRESENTATION]
        if name not in stills
    }
    told = stated_face_live_network(expressions) if EXPRESSIVE & set(rules.actions) else None
    reader = None if told is None else expression_reader(told.network, threads=threads)
    labels = [*_labels(known), *_labels(clips), *_labels(sensors), *_labels(stills)]
    asked = [detect, *known, *clips, *sensors, *stills, *pairs, *([] if told is None else [expressions])]
    return Networks(
        detector=detector(detect),
        recognisers={
            name: reader if reader is not None and name == expressions else _recogniser(each, threads)
            for name, each in known.items()
        },
        stills={**pairs, **{name: SurroundingsJudge(each) for name, each in stills.items()}},
        clips={name: FewFrameJudge(each.module) for name, each in clips.items()},
        sensors={name: MultiModalJudge(each.module) for name, each in sensors.items()},
        expressions=reader,
        digests={name: model_digest(name) for name in asked},
        label=", ".join(dict.fromkeys(label for label in (*labels, told.label if told else "") if label)),
    )


def model_digest(name: str) -> str:
    """Return the SHA-256 by which the weights of a network are known, the same that a gallery states.

    Args:
        name: of a released or a shipped network, or of the folder of a run.

    Raises:
        UsageError: there is none.
        DataError: it is damaged.
    """
    if name == MINIFASNET:  # a pair of two published files
        return sha256_of(" ".join(digest_of_weights(each) for each in ("minifasnet_v2", "minifasnet_v1se")).encode())
    shipped = trunks_folder() / name
    if shipped.is_dir():
        return digest_of(shipped)
    if is_run(name):
        return digest_of(Path(name))
    if is_face_live_network(name):
        return stated_face_live_network(name).digest
    try:
        record(name)
    except UsageError:
        return digest_of(trunk_source(name))
    return digest_of_weights(name)


def _recogniser(stated: StatedRecogniser, threads: int) -> Recogniser:
    built = stated.build(threads)
    return FaceLiveNetEngine(built.network, threads=threads) if isinstance(built, FaceLiveNetRecogniser) else built


def _labels(
    networks: Mapping[str, StatedRecogniser] | Mapping[str, StatedClipNetwork] | Mapping[str, StatedNetwork],
) -> list[str]:
    return [network.label for network in networks.values()]


def _named(policy: Policy, *kinds: CheckKind) -> tuple[str, ...]:
    names = [check.network for check in policy.checks if check.kind in kinds and check.network is not None]
    return tuple(dict.fromkeys(names))
