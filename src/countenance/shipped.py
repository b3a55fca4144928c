"""Networks that lie in the package itself, and what a network's card states about when to say yes.

Both are checkpoints: ``shipped_networks/NAME/best.json`` with its tensors, as a run writes them, so that a trained
network is shipped by copying two files. A network answers yes or no only at a threshold that its card states for the
very sensors that are there: ``card["operating_points"]`` lists them, each with the rule that chose it and the split.
"""

import math
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from countenance.checkpoints import BEST, Checkpoint, read_checkpoint
from countenance.clip_scoring import StatedClipNetwork
from countenance.errors import DataError, UsageError
from countenance.files import existing_file, sha256_of
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.record import MeasuredResult, NetworkRecord, Task
from countenance.trained import TrainedNetwork, clip_network_of, is_of_clips, is_run, network_of
from countenance.trained_facelivenet import FACENET as FACENET_WEIGHTS
from countenance.trained_facelivenet import StatedFaceLiveNet, stated_facelivenet, stated_stage_1
from countenance.vocabulary import Modality, Split

MLFA_SLIM = "mlfa-slim"  # judges without a sensor too
MLFA_DISTILLED = "mlfa-distilled"  # the better of the two, where there are all three
GATE_SLIM = "gate-slim"
FEWFRAME_SLIM = "fewframe-slim"
FACELIVENET_SLIM = "facelivenet-slim"
FACELIVENET_FULL = "facelivenet-full"  # facenet's published weights: it knows faces again, and tells no expressions
CLIP = "clip"  # the unit of a threshold: a clip's mean score rather than one window's
_FOLDER = "shipped_networks"
TRUNKS = ("sphereface", "arcface", "distilled", "gender")  # pre-trained as `recipes.named.PRETRAINING` says
FLOWS = ("flownets-slim",)  # trained as `recipes.flownets` says
FACE_ALONE = 1.0  # the context of a network whose card states none
_OF_ONE_SIZE = "colour, depth and infrared picture of one face, aligned and of one size, 3 x (H, W)"

RECORDS: tuple[NetworkRecord, ...] = (
    *(
        NetworkRecord(
            name=name,
            task=Task.PRESENTATION_ATTACK_DETECTION,
            weights=(),  # they lie in the package
            parameters=961_626,
            inputs=_OF_ONE_SIZE,
            preprocessing="resized by the caller to the side that the card states; the module takes [0, 1] and "
            "subtracts mean and spread itself",
            polarity="high = bona fide (margin of class 1 over class 0; its sigmoid is the score)",
            licence_code="Apache-2.0",
            licence_weights="Apache-2.0",
            training_data="drawn data: it says nothing about a real camera",
            source="Parkin, Grinchuk: Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR "
            "Workshops 2019, at an eighth of the width; "
            "https://github.com/AlexanderParkin/ChaLearn_liveness_challenge",
        )
        for name in (MLFA_SLIM, MLFA_DISTILLED)
    ),
    NetworkRecord(
        name=GATE_SLIM,
        task=Task.PRESENTATION_ATTACK_DETECTION,
        weights=(),  # they lie in the package
        parameters=52_705,
        inputs="a face and what is round it, (N, 3, 112, 112) RGB in [0, 1]",
        preprocessing="cut by `faces.surroundings.cut_surroundings` with the context that the card states; the module "
        "subtracts mean and spread itself",
        polarity="high = bona fide (its sigmoid is the score)",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        training_data="drawn data: it says nothing about a real camera",
        source="no paper's: five convolutions (`networks.slim_pad`) that learnt looks at drawn people before the gate "
        "(`recipes.gate_slim`), by AdamW (https://arxiv.org/abs/1711.05101)",
    ),
)

CLIP_RECORDS: tuple[NetworkRecord, ...] = (
    NetworkRecord(
        name=FEWFRAME_SLIM,
        task=Task.PRESENTATION_ATTACK_DETECTION,
        weights=(),  # they lie in the package
        parameters=254_942,
        inputs="windows of five colour frames of one face in 0.4 s, (N, 5, 3, 112, 112) in [0, 1]",
        preprocessing="cut by `loading.clip_windows`; the module standardises each frame itself",
        polarity="high = bona fide (cosine to the bona fide class, from -1 to 1; of a clip the mean over its windows)",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        training_data="drawn data: it says nothing about a real camera",
        source="Ito, Kimura, Aoki: Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning from "
        "a Few Frames of Face Video, at an eighth of the width, with a slim FlowNetS (https://arxiv.org/abs/1504.06852)",
    ),
)

FACE_LIVE_RECORDS: tuple[NetworkRecord, ...] = (
    NetworkRecord(
        name=FACELIVENET_SLIM,
        task=Task.VERIFICATION_AND_EXPRESSION,
        weights=(),  # they lie in the package
        parameters=1_311_510,
        inputs="a face, (N, 3, 160, 160) RGB in [0, 1]",
        preprocessing="the detector's box with a margin, cut by `networks.inception_resnet_v1.cut_box`; the module "
        "whitens each face itself",
        polarity="high cosine of two templates = same person; high probability = that expression",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0; the pictures that taught were collected for research",
        training_data="trunk and branch 1: real faces (FER2013's Training, 683 photographs of LFW of people in no pair "
        "of View 2), and what the published facenet says of them; branch 2: FER2013's Training, and drawn faces",
        source="Ming, Chazalon, Luqman, Visani, Burie: FaceLiveNet, ICPR 2018, at 5/16 of the width; "
        "https://github.com/hengxyz/FaceLiveNet",
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class StatedNetwork:
    """A network and what its card states.

    Attributes:
        name: how it was named.
        module: ready to judge.
        points: for the sensors that are there, the threshold that decides.
        loses_sensors: whether it was trained with sensors left out, so that it may judge without one.
        label: of the data that it was trained on, such as "drawn data"; "" for real data.
        context: of one of colour alone that is shown what is round a face, how much longer than the face's box the cut
            is; None for one that is shown the face alone.
    """

    name: str
    module: TrainedNetwork
    points: Mapping[frozenset[Modality], OperatingPoint]
    loses_sensors: bool
    label: str
    context: float | None = None

    def point_for(self, sensors: Iterable[Modality]) -> OperatingPoint:
        """Return the threshold for a presentation to exactly these sensors.

        Raises:
            UsageError: the network was not trained to judge without the others, or its card states none.
        """
        seen = frozenset(sensors)
        if seen != frozenset(self.module.modalities) and not self.loses_sensors:
            raise UsageError(
                expected=f"all sensors of {self.name}, which was not trained to judge without one: "
                f"{words(self.module.modalities)}",
                came=words(seen),
                remedy="name the others too, or a network that was trained with sensors left out",
            )
        if seen not in self.points:
            known = "; ".join(sorted(words(each) for each in self.points)) or "none at all"
            raise UsageError(
                expected=f"sensors for which the card of {self.name} states a threshold: {known}",
                came=words(seen),
                remedy="name such sensors, or a network that states one",
            )
        return self.points[seen]


def words(sensors: Iterable[Modality]) -> str:
    """Name sensors in the order of `Modality`.

    >>> words({Modality.DEPTH, Modality.RGB})
    'rgb, depth'
    """
    seen = set(sensors)
    return ", ".join(modality for modality in Modality if modality in seen)


def trunks_folder() -> Path:
    """Return the folder of the package that holds the pre-trained trunks, each in a folder of its name."""
    return Path(str(files("countenance") / _FOLDER))


def trunk_source(name: str) -> Path:
    """Return where a pre-trained trunk lies.

    Args:
        name: a shipped one (`TRUNKS`), or the path of a run or of a file.
    """
    return trunks_folder() / name if name in TRUNKS else Path(name)


def flow_source(name: str) -> Path:
    """Return where a flow network lies.

    Args:
        name: a shipped one (`FLOWS`), or the path of a run or of a file.
    """
    return trunks_folder() / name if name in FLOWS else Path(name)


def digest_of(source: Path) -> str:
    """Return the SHA-256 of the weights in the folder of a run, or in a file.

    Raises:
        MissingFile: neither is there.
        DataError: the run's card is damaged.
    """
    if source.is_dir():
        return read_checkpoint(source, BEST).digest
    return sha256_of(existing_file(source, expected="pre-trained weights").read_bytes())


def shipped_record(name: str) -> NetworkRecord:
    """Return the record of a shipped network, with its results from its card and the threshold that decides.

    That is the one for all sensors, of a network of clips the one for a clip's score, of a FaceLiveNet that of
    verification.

    Raises:
        UsageError: no shipped network has that name.
        DataError: its card is damaged.
    """
    shipped = (*RECORDS, *CLIP_RECORDS, *FACE_LIVE_RECORDS)
    found = next((record for record in shipped if record.name == name), None)
    if found is None:
        raise UsageError(
            expected=f"a shipped network: {', '.join(record.name for record in shipped)}",
            came=repr(name),
            remedy="name one of them",
        )
    if found in FACE_LIVE_RECORDS:
        point = stated_face_live_network(name).point
    elif found in CLIP_RECORDS:
        point = stated_clip_network(name).point
    else:
        network = stated_network(name)
        point = network.points.get(frozenset(network.module.modalities))
    results = tuple(_result(row) for row in _shipped_checkpoint(name).card.get("results", ()))
    return replace(found, results=results, operating_point=point)


def presentation_module(name: str) -> TrainedNetwork:
    """Build the network of presentations that is called `name`, ready to judge.

    Args:
        name: of a shipped network, or the folder of a run; a folder of a shipped name is meant by ``./NAME``.

    Raises:
        UsageError: neither.
        DataError: its card or its tensors are damaged.
    """
    return network_of(_checkpoint_of_pictures(name), source=name)


def stated_network(name: str) -> StatedNetwork:
    """Build a network with what its card states.

    Args:
        name: as for `presentation_module`.

    Raises:
        UsageError: neither a shipped network nor the folder of a run.
        DataError: its card or its tensors are damaged, or a threshold is not one from development scores.
    """
    checkpoint = _checkpoint_of_pictures(name)
    try:
        card = checkpoint.card
        recipe: Mapping[str, Any] = card.get("recipe", {})
        points = dict(_point(row, name) for row in card.get("operating_points", ()))
        loses = bool(card.get("dropped", False)) or float(recipe.get("sensor_dropout", 0)) > 0
        label = str(card.get("data", {}).get("label", ""))
        context = None if card.get("context") is None else float(card["context"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            expected=f"a card of {name} with sensors, value, rule and split of each threshold",
            came=f"another one ({error})",
            remedy="restore it, or write the card anew",
        ) from error
    module = network_of(checkpoint, source=name)
    return StatedNetwork(name=name, module=module, points=points, loses_sensors=loses, label=label, context=context)


def stated_clip_network(name: str) -> StatedClipNetwork:
    """Build a network of clips with the threshold that its card states for the score of a whole clip.

    Args:
        name: "fewframe-slim", or the folder of a run.

    Raises:
        UsageError: neither, a network of pictures, or one whose card states no threshold.
        DataError: its card or its tensors are damaged, or the threshold is not one from development scores.
    """
    if not (_is_shipped(name) or is_run(name)):
        known = f"{FEWFRAME_SLIM} or the folder of a run"
        raise UsageError(
            expected=f"a network of clips: {known if _is_shipped(FEWFRAME_SLIM) else 'the folder of a run'}",
            came=f"the network {name!r}" + (", which is not in this package yet" if name == FEWFRAME_SLIM else ""),
            remedy="train one on a set of clips, such as siw, and name its folder: --model RUN",
        )
    checkpoint = _shipped_checkpoint(name) if _is_shipped(name) else read_checkpoint(name, BEST)
    if not is_of_clips(checkpoint):
        raise UsageError(
            expected="a network of clips, for a clip", came=f"{name}, of pictures", remedy=f"name {FEWFRAME_SLIM}"
        )
    try:
        rows = checkpoint.card.get("operating_points", ())
        points = [_stated_point(row, name) for row in rows if row.get("unit", CLIP) == CLIP]
        label = str(checkpoint.card.get("data", {}).get("label", ""))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            expected=f"a card of {name} with value, rule and split of each threshold",
            came=f"another one ({error})",
            remedy="restore it, or write the card anew",
        ) from error
    module = clip_network_of(checkpoint, source=name)
    if not points:
        raise UsageError(
            expected="a network whose card states a threshold",
            came=f"none for a clip in the card of {name}",
            remedy="choose one on the development split, or name another network",
        )
    return StatedClipNetwork(name=name, module=module, point=points[0], label=label)


def is_face_live_network(name: str) -> bool:
    """Tell whether `stated_face_live_network` is to be asked for a name: no released recogniser is called so."""
    return name in {FACELIVENET_FULL, FACELIVENET_SLIM} or Path(name).is_dir() or Path(name).suffix == ".json"


def stated_face_live_network(name: str) -> StatedFaceLiveNet:
    """Build a FaceLiveNet with the threshold of verification that its card states.

    Args:
        name: "facelivenet-slim", which lies in the package; "facelivenet-full", facenet's published weights without
            expressions; the folder of a run (``./NAME`` for one of these names), or a card in it.

    Raises:
        UsageError: none of these.
        DataError: its card or its tensors are damaged, another network's, or cannot be had.
    """
    if name == FACELIVENET_FULL:
        return replace(stated_stage_1(FACENET_WEIGHTS), source=name)
    if name == FACELIVENET_SLIM and _is_shipped(name):
        return replace(stated_facelivenet(trunks_folder() / name), source=name)
    if name == FACELIVENET_SLIM or not is_face_live_network(name):
        raise UsageError(
            expected=f"a FaceLiveNet: {FACELIVENET_SLIM}, {FACELIVENET_FULL} or the folder of a run",
            came=f"the network {name!r}" + (", which this package lacks" if name == FACELIVENET_SLIM else ""),
            remedy="train one: countenance train facelivenet-expression --data fer2013:ROOT --out RUN",
        )
    return stated_facelivenet(name)


def _record(name: str) -> NetworkRecord | None:
    return next((record for record in RECORDS if record.name == name), None)


def _checkpoint(name: str) -> Checkpoint:
    if _record(name) is not None:
        return _shipped_checkpoint(name)
    if is_run(name):
        return read_checkpoint(name, BEST)
    raise UsageError(
        expected=f"a shipped network ({', '.join(record.name for record in RECORDS)}) or the folder of a run",
        came=f"the network {name!r}",
        remedy="train one: countenance train slim-pad --data NAME:ROOT --out RUN; networks list names the others",
    )


def _is_shipped(name: str) -> bool:
    return bool(name) and Path(name).name == name and is_run(trunks_folder() / name)


def _checkpoint_of_pictures(name: str) -> Checkpoint:
    """Read the checkpoint of a network of still presentations.

    Raises:
        UsageError: it is a network of clips, or there is none.
    """
    checkpoint = _checkpoint(name)
    if is_of_clips(checkpoint):
        raise UsageError(
            expected="a network of pictures, for a picture",
            came=f"{name}, of clips",
            remedy=f"name a clip, or another network, such as {MLFA_SLIM}",
        )
    return checkpoint


def _shipped_checkpoint(name: str) -> Checkpoint:
    with ExitStack() as opened:
        folder: Path = opened.enter_context(as_file(files("countenance") / _FOLDER / name))
        return read_checkpoint(folder, BEST)


def _point(row: Mapping[str, Any], name: str) -> tuple[frozenset[Modality], OperatingPoint]:
    point = _stated_point(row, name)
    return frozenset(Modality(word) for word in row["modalities"]), point


def _stated_point(row: Mapping[str, Any], name: str) -> OperatingPoint:
    point = OperatingPoint(float(row["value"]), str(row["rule"]), row["split"])
    if not math.isfinite(point.value) or point.split != Split.DEVELOPMENT:
        raise DataError(
            expected=f"a finite threshold from development scores in the card of {name}",
            came=f"{point.value} from {point.split}",
            remedy="choose it on the development split",
        )
    return point


def _result(row: Mapping[str, Any]) -> MeasuredResult:
    low_high = row.get("interval")
    return MeasuredResult(
        data=str(row["data"]),
        metric=str(row["metric"]),
        value=float(row["value"]),
        interval=None if low_high is None else (float(low_high[0]), float(low_high[1])),
        command=str(row["command"]),
    )
