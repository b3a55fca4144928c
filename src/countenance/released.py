"""Released networks by name, built from weights that are pulled on first use and checked at each load."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.faces.chip import as_chips
from countenance.faces.detection import Detector
from countenance.faces.mtcnn import Mtcnn
from countenance.faces.yunet import YuNet
from countenance.files import existing_file, sha256_of
from countenance.foreign_checkpoints import read_recogniser
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.catalogue import record
from countenance.networks.differentiable import (
    DifferentiableRecogniser,
    dlib_resnet,
    facenet,
    foreign,
    fr_feature,
    sface,
)
from countenance.networks.dlib_resnet import DlibRecogniser
from countenance.networks.fr_feature import FrFeature
from countenance.networks.inception_resnet_v1 import FaceNet
from countenance.networks.minifasnet import MiniFasNetPair, build_v1se, build_v2, load
from countenance.networks.mobilefacenet import MobileFaceNet
from countenance.networks.record import NetworkRecord, Task
from countenance.networks.sface import SFace
from countenance.scoring import Recogniser
from countenance.weights import locate

Files = Mapping[str, Path]
"""The files of weights, by the keys of their record."""

RECOGNISERS: Mapping[str, Callable[[Files, int], Recogniser]] = {
    "sface": lambda files, threads: SFace(files["sface"], threads=threads),
    "facenet": lambda files, _: FaceNet(files["facenet"]),
    "fr_feature": lambda files, threads: FrFeature(files["fr_feature"], threads=threads),
    "dlib_resnet": lambda files, _: DlibRecogniser(files["dlib_resnet"], files["manifest"]),
    "mobilefacenet": lambda files, threads: MobileFaceNet(files["mobilefacenet"], threads=threads),
}
"""Name of a recogniser and of its weights: builds it from their files, with a number of threads."""

DIFFERENTIABLE: Mapping[str, Callable[[Files], DifferentiableRecogniser]] = {
    "facenet": lambda files: facenet(files["facenet"]),
    "sface": lambda files: sface(files["sface"]),
    "fr_feature": lambda files: fr_feature(files["fr_feature"]),
    "dlib_resnet": lambda files: dlib_resnet(files["dlib_resnet"], files["manifest"]),
}
"""Name of a recogniser and of its weights: builds its form with gradients from their files."""

BLACK_BOX = "mobilefacenet"
"""The recogniser that takes chips and gives no gradients."""

_CHIPS_AT_ONCE = 32


def known_for(name: str, *, task: Task) -> NetworkRecord:
    """Return the record of the network called `name`.

    Raises:
        UsageError: there is no such network, or it does something else.
    """
    found = record(name)
    if found.task is not task:
        came = f"{name}, for {found.task}"
        raise UsageError(expected=f"a network for {task}", came=came, remedy="see: networks list")
    return found


def operating_point(name: str, *, task: Task) -> OperatingPoint:
    """Return the stated threshold of the network called `name`.

    Raises:
        UsageError: there is no such network, it does something else, or no threshold is stated.
    """
    found = known_for(name, task=task)
    if found.operating_point is None:
        paired = task is Task.PRESENTATION_ATTACK_DETECTION
        why, remedy = ("one of a pair", "name the pair") if paired else ("for which none was chosen", "name another")
        raise UsageError(expected="a network with a stated threshold", came=f"{name}, {why}", remedy=remedy)
    return found.operating_point


def detector(name: str = "yunet") -> Detector:
    """Build a detector: "yunet" (default) or "mtcnn".

    Raises:
        UsageError: an unknown name.
        DataError: its weights cannot be had, or are damaged.
    """
    if name == "yunet":
        return YuNet(locate("yunet")["yunet"])
    if name == "mtcnn":
        files = locate("mtcnn")
        return Mtcnn(files["pnet"], files["rnet"], files["onet"])
    raise UsageError(expected="a detector: yunet or mtcnn", came=repr(name), remedy="name one of them")


def presentation_network(name: str) -> MiniFasNetPair:
    """Build a presentation attack detector of one photograph: "minifasnet", the published pair.

    Raises:
        UsageError: an unknown name.
        DataError: its weights cannot be had, or are damaged.
    """
    if name != "minifasnet":
        raise UsageError(expected="a network for photographs: minifasnet", came=repr(name), remedy="see: networks list")
    return MiniFasNetPair(
        v2=load(locate("minifasnet_v2")["minifasnet_v2"], build_v2),
        v1se=load(locate("minifasnet_v1se")["minifasnet_v1se"], build_v1se),
    )


def recogniser(name: str, *, threads: int = 1) -> Recogniser:
    """Build a recogniser of faces: "sface", "facenet", "fr_feature", "dlib_resnet" or "mobilefacenet".

    Args:
        name: as in the catalogue.
        threads: processor threads for one call; FaceNet and dlib_resnet take those that PyTorch was told.

    Raises:
        UsageError: an unknown name.
        DataError: its weights cannot be had, or are damaged.
    """
    if name not in RECOGNISERS:
        raise UsageError(
            expected=f"a recogniser: {', '.join(RECOGNISERS)}", came=repr(name), remedy="see: networks list"
        )
    return RECOGNISERS[name](locate(name), threads)


def differentiable(name: str) -> DifferentiableRecogniser:
    """Build a recogniser of face chips with gradients: "facenet", "sface", "fr_feature" or "dlib_resnet".

    Args:
        name: one of these, or ARCHITECTURE:FILE with a file of your own ("ir-se50:weights.pth"), as
            `foreign_checkpoints.read_recogniser` reads it.

    Raises:
        UsageError: an unknown name, or a recogniser without gradients.
        DataError: its weights cannot be had, or are damaged.
    """
    architecture, _, file = name.partition(":")
    if file:
        return read_recogniser(architecture, file)
    if name not in DIFFERENTIABLE:
        raise UsageError(
            expected=f"a recogniser with gradients: {', '.join(DIFFERENTIABLE)}",
            came=repr(name),
            remedy="name one of them; others can be measured, not attacked from inside",
        )
    return DIFFERENTIABLE[name](locate(name))


def label(name: str) -> str:
    """Return what a recogniser of chips is called in tables and in names of files.

    Args:
        name: one that `differentiable` or `chip_embedder` knows. Of ARCHITECTURE:FILE it is the architecture and the
            beginning of the file's SHA-256, so that another file is another recogniser.

    Raises:
        UsageError: an unknown name.
        MissingFile: there is no such file.
    """
    architecture, _, file = name.partition(":")
    if file:
        content = existing_file(file, expected=f"a file with weights of {architecture}").read_bytes()
        return f"{foreign(architecture).name}-{sha256_of(content)[:8]}"
    if name not in (*DIFFERENTIABLE, BLACK_BOX):
        raise UsageError(
            expected=f"a recogniser of chips: {', '.join((*DIFFERENTIABLE, BLACK_BOX))}, or ARCHITECTURE:FILE",
            came=repr(name),
            remedy="name one of them",
        )
    return name


def chip_embedder(
    name: str, *, network: DifferentiableRecogniser | None = None
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Build a function from face chips (N, 160, 160, 3) uint8 RGB to templates (N, D) float32 of length 1.

    Args:
        name: one that `differentiable` knows, or "mobilefacenet".
        network: that recogniser, where it is built already.

    Raises:
        UsageError: an unknown name; the function: chips of another shape or type.
        DataError: its weights cannot be had, or are damaged.
    """
    if network is None:
        label(name)
    if name == BLACK_BOX:
        return MobileFaceNet(locate(name)[name]).embed_chips
    seeing = network if network is not None else differentiable(name)

    def embed(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(as_chips(chips)), _CHIPS_AT_ONCE):
            part = torch.from_numpy(np.ascontiguousarray(chips[start : start + _CHIPS_AT_ONCE]))
            with torch.inference_mode():
                found.append(seeing(part.permute(0, 3, 1, 2).float() / 255).numpy())
        return np.concatenate(found)

    return embed
