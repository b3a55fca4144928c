"""Why a presentation was judged as it was: heat maps of what speaks for bona fide in it, on one sheet.

What is explained is the decision of `authentication.check`: the same pixels, the same network, the same refusals. A
clip is shown by five frames (or as many as its network sees) of the window whose score is nearest to the clip's.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.activation_maps import maps_of_crops, maps_of_frames, maps_of_sensors
from countenance.authentication import PHOTOGRAPH, check
from countenance.clip_authentication import WINDOWS, ClipDecision, judged_clip
from countenance.clip_scoring import as_tensor, places
from countenance.clips import is_clip
from countenance.errors import UsageError
from countenance.faces.detection import Detector, only_face
from countenance.files import refuse_as_target
from countenance.images import read_image
from countenance.loading.aligned_sensors import read_aligned
from countenance.loading.clip_windows import clip_windows
from countenance.networks.minifasnet import SCALE_V1SE, SCALE_V2, crop
from countenance.presentation_scoring import stack_planes
from countenance.released import detector, presentation_network
from countenance.report.activation_sheet import ActivationCell, ActivationRow, write_activation_sheet
from countenance.shipped import FEWFRAME_SLIM, MLFA_SLIM, stated_clip_network, stated_network
from countenance.transforms.resizing import resized
from countenance.vocabulary import Decision, Modality

_TITLE = "Grad-CAM: red speaks for bona fide; of one presentation, all maps share one scale"


@dataclass(frozen=True)
class Explanation:
    """What was written, and the decisions that it explains.

    Attributes:
        files: the sheet.
        decisions: one for each presentation, in their order.
    """

    files: tuple[Path, ...]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class _Explained:
    decision: Decision
    cells: tuple[ActivationCell, ...]
    label: str = ""


def explain(
    images: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    titles: Sequence[str] | None = None,
    depth: str | os.PathLike[str] | None = None,
    infrared: str | os.PathLike[str] | None = None,
    model: str | None = None,
    detect: str = "yunet",
) -> Explanation:
    """Write a sheet of heat maps: a row for each presentation, a map for each frame of a clip or each sensor.

    Three clips, bona fide, printed and displayed, make Figure 4 of Ito et al.

    Args:
        images: photographs or clips, or the colour crop of one presentation to several sensors.
        out: PNG file to write.
        titles: what to call each of `images`; their file names when left out.
        depth: the depth crop, with one colour crop.
        infrared: the infrared crop, with one colour crop.
        model: as for `check`.
        detect: the face detector, "yunet" or "mtcnn".

    Raises:
        InputError, DataError: as for `check`.
        UsageError: the same; no image, another number of titles, sensors of several presentations, or a place that
            cannot be written to.
    """
    named = [Path(image).name for image in images] if titles is None else list(titles)
    sensors = {Modality.DEPTH: depth, Modality.INFRARED: infrared}
    others = {modality: Path(path) for modality, path in sensors.items() if path is not None}
    if not images or len(named) != len(images) or (others and len(images) > 1):
        raise UsageError(
            expected="a photograph or clip or more, a title for each where titles are given; other sensors of one only",
            came=f"{len(images)} files, {len(named)} titles, {len(others)} pictures of other sensors",
            remedy="leave the titles out, or explain one presentation at a time",
        )
    refuse_as_target(out, inputs=[*images, *others.values()])
    explained = [_explained(Path(image), others, model, detect) for image in images]
    rows = [
        ActivationRow(title=_told(name, each.decision), cells=each.cells)
        for name, each in zip(named, explained, strict=True)
    ]
    label = next((each.label for each in explained if each.label), "")
    trained_on = f"the network was trained on {label}" if label else ""
    written = write_activation_sheet(out, rows, title=_TITLE, label=trained_on)
    return Explanation((written,), tuple(each.decision for each in explained))


def explain_clip(
    path: str | os.PathLike[str], *, model: str, finder: Detector, windows: int = WINDOWS
) -> tuple[ClipDecision, tuple[ActivationCell, ...]]:
    """Decide on a clip, and return a cell for each frame of the window whose score is nearest to the clip's.

    Args:
        path: of the video file.
        model: "fewframe-slim", or the folder of a run.
        finder: of faces.
        windows: that are judged, at most.

    Raises:
        InputError, DataError, UsageError: as for `check`.
    """
    network = stated_clip_network(model)
    seen = clip_windows(path, detector=finder, windows=windows, side=network.module.side)
    decision = judged_clip(seen, network)
    shown = min(range(len(seen.windows)), key=lambda place: abs(decision.windows[place].score - decision.score))
    frames = network.module.frames
    window = seen.windows[shown][list(places(frames))]  # (T, side, side, 3)
    maps = maps_of_frames(network.module, as_tensor(seen.windows[shown : shown + 1], frames))[0]
    moments = seen.timeline.seconds[seen.numbers[shown]][list(places(frames))]
    captions = [f"{moment:.2f} s" for moment in moments.tolist()]
    return decision, _cells(captions, list(window), list(maps))


def _explained(path: Path, others: Mapping[Modality, Path], model: str | None, detect: str) -> _Explained:
    if is_clip(path) and not others:
        decision, cells = explain_clip(path, model=model or FEWFRAME_SLIM, finder=detector(detect))
        return _Explained(decision, cells, decision.label)
    given = {modality: others.get(modality) for modality in (Modality.DEPTH, Modality.INFRARED)}
    decided = check(
        path, depth=given[Modality.DEPTH], infrared=given[Modality.INFRARED], model=model, detect=detect
    )  # refuses what cannot be judged
    if decided.model == PHOTOGRAPH:
        return _Explained(decided, _cells_of_photograph(path, detect))
    network = stated_network(model or MLFA_SLIM)
    read, side = network.module.modalities, network.module.side
    seen = read_aligned({modality: p for modality, p in {Modality.RGB: path, **others}.items() if modality in read})
    planes = {modality: resized(plane[None], height=side, width=side) for modality, plane in seen.planes.items()}
    maps = maps_of_sensors(network.module, stack_planes(planes, read))
    pictures = {
        modality: plane[0] if modality is Modality.RGB else plane[0, ..., 0] for modality, plane in planes.items()
    }
    shown = [(" and ".join(sensors), pictures[sensors[0]], each[0]) for sensors, each in maps.items()]
    captions, first, heats = zip(*shown, strict=True)
    return _Explained(decided, _cells(captions, first, heats), network.label)


def _cells_of_photograph(path: Path, detect: str) -> tuple[ActivationCell, ...]:
    """A cell for each of the two networks, which see the face in two sizes."""
    pixels = read_image(path)
    face = only_face(detector(detect).detect(pixels), name=os.fspath(path))
    pair = presentation_network(PHOTOGRAPH)
    crops = [crop(pixels, face.box, scale=scale) for scale in (SCALE_V2, SCALE_V1SE)]
    maps = [
        maps_of_crops(network, torch.from_numpy(cut).permute(2, 0, 1)[None].float() / 255)[0]
        for network, cut in zip((pair.v2, pair.v1se), crops, strict=True)
    ]
    return _cells([f"{scale:g} x the face" for scale in (SCALE_V2, SCALE_V1SE)], crops, maps)


def _cells(
    captions: Sequence[str], pictures: Sequence[NDArray[np.uint8]], maps: Sequence[NDArray[np.float32]]
) -> tuple[ActivationCell, ...]:
    """Cells whose heat is measured by the hottest place of them all."""
    hottest = max(float(each.max()) for each in maps) or 1.0
    return tuple(
        ActivationCell(caption=caption, picture=picture, heat=each / np.float32(hottest))
        for caption, picture, each in zip(captions, pictures, maps, strict=True)
    )


def _told(name: str, decision: Decision) -> str:
    answer = "bona fide" if decision.accepted else "attack"
    return f"{name}: judged {answer}, score {decision.score:.3f}, threshold {decision.threshold:.3f} ({decision.model})"
