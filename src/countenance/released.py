"""Released networks by name, built from weights that are pulled on first use and checked at each load."""

from collections.abc import Callable, Mapping
from pathlib import Path

from countenance.errors import UsageError
from countenance.faces.detection import Detector
from countenance.faces.mtcnn import Mtcnn
from countenance.faces.yunet import YuNet
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.catalogue import record
from countenance.networks.fr_feature import FrFeature
from countenance.networks.inception_resnet_v1 import FaceNet
from countenance.networks.minifasnet import MiniFasNetPair, build_v1se, build_v2, load
from countenance.networks.record import Task
from countenance.networks.sface import SFace
from countenance.scoring import Recogniser
from countenance.weights import locate

RECOGNISERS: Mapping[str, Callable[[Path, int], Recogniser]] = {
    "sface": lambda path, threads: SFace(path, threads=threads),
    "facenet": lambda path, _: FaceNet(path),
    "fr_feature": lambda path, threads: FrFeature(path, threads=threads),
}
"""Name of a recogniser and of its weights: builds it from their file, with a number of threads."""


def operating_point(name: str, *, task: Task) -> OperatingPoint:
    """Return the stated threshold of the network called `name`.

    Raises:
        UsageError: there is no such network, or it does something else.
    """
    found = record(name)
    if found.task is not task:
        came = f"{name}, for {found.task}"
        raise UsageError(expected=f"a network for {task}", came=came, remedy="see: networks list")
    if found.operating_point is None:
        raise UsageError(
            expected="a network with a stated threshold", came=f"{name}, one of a pair", remedy="name the pair"
        )
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
    """Build a recogniser of faces: "sface", "facenet" or "fr_feature".

    Args:
        name: as in the catalogue.
        threads: processor threads for one call; FaceNet takes those that PyTorch was told.

    Raises:
        UsageError: an unknown name.
        DataError: its weights cannot be had, or are damaged.
    """
    if name not in RECOGNISERS:
        raise UsageError(
            expected=f"a recogniser: {', '.join(RECOGNISERS)}", came=repr(name), remedy="see: networks list"
        )
    return RECOGNISERS[name](locate(name)[name], threads)
