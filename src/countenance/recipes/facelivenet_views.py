"""What a teacher says of faces, kept on disk: views of photographs, and the template of each by facenet.

L. Beyer, X. Zhai, A. Royer, L. Markeeva, R. Anil, A. Kolesnikov, Knowledge Distillation: A Good Teacher Is Patient and
Consistent, CVPR 2022: teacher and student see the very same view, varied as far as it can be, and views need no label.
Each view is a part of a face, mirrored or not, tinted, perhaps grey, and half of them are blends of two faces. A part
of 2,048 views is one file, of JPEG as the teacher saw it decoded, so that several students, and several epochs, cost
the teacher once. A part is drawn by its own number: several processes make them side by side.

Who may teach for LFW: faces of FER2013's Training, and people of LFW whom no pair of View 2 names.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save

from countenance.datasets.drawn_card import read_card
from countenance.datasets.face_collections import read_photograph
from countenance.datasets.fer2013 import NAME as FER2013
from countenance.datasets.fer2013 import read as read_fer2013
from countenance.datasets.fer2013 import read_face
from countenance.datasets.lfw import NAME as LFW
from countenance.datasets.lfw import read_beside_view_2
from countenance.datasets.named import split_name
from countenance.datasets.samples import IdentitySample
from countenance.errors import DataError, NoFace, UsageError, at_least
from countenance.faces.detection import Detector, central_face
from countenance.files import sha256_of, write_atomically
from countenance.networks.inception_resnet_v1 import FEATURES, SIDE, cut_box, fused
from countenance.networks.inception_resnet_v1 import load as load_facenet
from countenance.progress import Progress, Say, unheard
from countenance.recipes.members import is_orphan, taken, train_side_by_side
from countenance.recipes.pretraining import READERS
from countenance.released import detector as released_detector
from countenance.threads import one_thread
from countenance.transforms.cropping import crop, draw_crop
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.grayscale import draw_grayscale, grayscale
from countenance.transforms.resizing import resize
from countenance.transforms.tint import draw_tint, tint
from countenance.vocabulary import Modality, Split
from countenance.weights import locate

IN_PART = 2_048
MARGIN, STORED = 1.6, 224  # of the detector's box, and pixels: room for parts of it
BALANCE = 0.25  # a set is drawn from in proportion to this power of its size: few photographs must do much
AREA, FILLED = 0.45, 0.6  # least part of a picture that is seen: of one with a margin, and of one that a face fills
ASPECT = (0.9, 1.1)
TINTED, GREY, BLENDED = 0.7, 0.2, 0.5  # chances
_QUALITY = 92
_AT_ONCE = 32
_FILE = "views.safetensors"

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class TeachingSet:
    """Faces of one set.

    Attributes:
        name: of the set.
        faces: uint8 (S, S, 3) each.
        people: who they are, where the set tells.
        is_filled: whether a face fills its picture, as in FER2013.
        without_face: photographs that were left out.
        label: such as "drawn data"; "" for real faces.
    """

    name: str
    faces: Sequence[NDArray[np.uint8]]
    people: frozenset[str]
    is_filled: bool
    without_face: int = 0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class ViewRecipe:
    """Which views are made.

    Attributes:
        parts: files of `IN_PART` views.
        seed: of every draw.

    Raises:
        UsageError: fewer than two parts, of which the last is held out.
    """

    parts: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(2, parts=self.parts)
        at_least(0, seed=self.seed)


def read_teaching_sets(
    data: str,
    *,
    finder: Callable[[], Detector] = released_detector,
    progress: Progress = unheard,
    say: Say = unheard,
) -> list[TeachingSet]:
    """Read the faces of several sets.

    Args:
        data: NAME:ROOT, or several with a comma between them: fer2013 (its Training), lfw (who is in no pair of View
            2), or a set of identities of `pretraining.READERS`, such as one that was drawn.
        finder: builds what finds the faces of photographs.
        progress: called with (photographs done, photographs in all) of each set.
        say: called with a line for each set.

    Raises:
        UsageError: another set.
        DataError: a set is not whole.
        NoFace: no photograph of a set shows a face.
    """
    found = []
    for part in data.split(","):
        name, root = split_name(part.strip())
        if name == FER2013:
            samples = read_fer2013(root, Split.TRAIN)
            faces = [np.repeat(read_face(sample)[..., None], 3, 2) for sample in samples]
            found.append(TeachingSet(name, faces, frozenset(), is_filled=True))
        elif name == LFW:
            found.append(_cut(name, read_beside_view_2(root), finder, progress))
        elif name in READERS:
            found.append(_cut(name, READERS[name](Path(root)), finder, progress))
        else:
            known = ", ".join((FER2013, *READERS))
            raise UsageError(expected=f"sets of faces among {known}", came=repr(name), remedy="name NAME:ROOT")
        card = read_card(Path(root), set_name=name)
        found[-1] = replace(found[-1], label=card.label if card else "")
        say(f"{name}: {len(found[-1].faces):,} faces, {found[-1].without_face} photographs without one")
    return found


def draw_views(sets: Sequence[TeachingSet], generator: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Draw views, (count, 160, 160, 3) uint8 RGB."""
    sizes = np.array([len(each.faces) for each in sets], np.float64) ** BALANCE
    views = np.stack([_view(sets[generator.choice(len(sets), p=sizes / sizes.sum())], generator) for _ in range(count)])
    others = views[generator.permutation(count)]
    share = generator.random((count, 1, 1, 1)) * (generator.random((count, 1, 1, 1)) < BLENDED)
    blended: NDArray[np.uint8] = np.rint((1 - share) * views + share * others).astype(np.uint8)
    return blended


def make_views(
    sets: Callable[[], Sequence[TeachingSet]],
    recipe: ViewRecipe,
    folder: str | os.PathLike[str],
    *,
    teacher: Callable[[], Embed] | None = None,
    workers: int = 1,
    say: Say = unheard,
) -> list[Path]:
    """Make the parts that are not there.

    Args:
        sets: reads the faces; called in every process that makes parts, where one is missing. It can be pickled.
        recipe: which.
        folder: of the parts.
        teacher: builds the embedder of (N, 160, 160, 3) to (N, 128); facenet where None.
        workers: processes, a thread each.
        say: called with a line now and then.

    Returns:
        The files, in their order.
    """
    place = Path(folder)
    wanted = [place / f"part-{number:04}" for number in range(recipe.parts)]
    missing = [part for part in wanted if not (part / _FILE).exists()]
    say(f"views: {len(wanted) - len(missing)} of {len(wanted)} parts of {IN_PART:,} are there")
    train_side_by_side(
        partial(_make_all, sets=sets, recipe=recipe, teacher=teacher or facenet_in_half),
        missing,
        is_done=lambda part: (part / _FILE).exists(),
        workers=workers,
        say=say,
    )
    return [part / _FILE for part in wanted]


def read_views(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the views (N, 160, 160, 3) of a part, and what the teacher says of them, (N, 128) of length 1.

    Raises:
        DataError: the file is damaged.
    """
    try:
        held = load(path.read_bytes())
        ends, packed = held["ends"].tolist(), held["jpeg"].tobytes()
        views = [_decoded(packed[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
        templates = held["templates"].astype(np.float32)
        if templates.shape != (len(views), FEATURES):
            raise ValueError(f"{templates.shape} templates")
    except Exception as error:  # safetensors and simplejpeg have errors of their own
        raise DataError(
            expected=f"views and templates in {path}", came="a damaged file", remedy="remove it, and make it anew"
        ) from error
    return np.stack(views), templates


def views_card(sets: Sequence[TeachingSet], recipe: ViewRecipe) -> dict[str, Any]:
    """Return what a run says of the views it learnt from."""
    return {
        **asdict(recipe),
        "in_part": IN_PART,
        "sets": {each.name: len(each.faces) for each in sets},
        "people": sha256_of("".join(sorted(name for each in sets for name in each.people)).encode())[:16],
    }


def facenet_in_half() -> Embed:
    """Build facenet as the teacher: templates (N, 128) of length 1, in bfloat16 arithmetic."""
    network = fused(load_facenet(locate("facenet")["facenet"])).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(faces), _AT_ONCE):
            part = torch.from_numpy(np.ascontiguousarray(faces[start : start + _AT_ONCE])).permute(0, 3, 1, 2)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                features = network((part.float() / 255).contiguous(memory_format=torch.channels_last))
            found.append(torch.nn.functional.normalize(features.float()).numpy())
        return np.concatenate(found)

    return embed


def _make_all(
    parts: Sequence[Path],
    *,
    sets: Callable[[], Sequence[TeachingSet]],
    recipe: ViewRecipe,
    teacher: Callable[[], Embed],
    say: Say = unheard,
    parent: int | None = None,
) -> None:
    """Make, one after the other, each part that no other process has taken, as long as the `parent` lives."""
    if not parts:
        return
    with one_thread():
        held, embed = sets(), teacher()
        for part in parts:
            if is_orphan(parent):
                return
            with taken(part) as ours:
                if ours and not (part / _FILE).exists():
                    number = int(part.name.rpartition("-")[2])
                    generator = np.random.Generator(np.random.PCG64([recipe.seed, number]))
                    packed = [_encoded(view) for view in draw_views(held, generator, IN_PART)]
                    views = np.stack([_decoded(each) for each in packed])
                    tensors = {
                        "jpeg": np.frombuffer(b"".join(packed), np.uint8),
                        "ends": np.cumsum([len(each) for each in packed]),
                        "templates": embed(views).astype(np.float16),
                    }
                    write_atomically(part / _FILE, save(tensors))
                    say(f"{part.name}: {len(views):,} views")


def _view(source: TeachingSet, generator: np.random.Generator) -> NDArray[np.uint8]:
    face = source.faces[int(generator.integers(len(source.faces)))]
    least = FILLED if source.is_filled else AREA
    part = draw_crop(generator, (face.shape[0], face.shape[1]), area=(least, 1.0), aspect=ASPECT)
    planes = resize(crop({Modality.RGB: face[None]}, part), height=SIDE, width=SIDE)
    if draw_flip(generator):
        planes = flip(planes)
    if draw_grayscale(generator, probability=GREY):
        planes = grayscale(planes)
    if generator.random() < TINTED:
        planes = tint(planes, draw_tint(generator))
    return np.asarray(planes[Modality.RGB][0])


def _cut(
    name: str, samples: Sequence[IdentitySample], finder: Callable[[], Detector], progress: Progress
) -> TeachingSet:
    found = finder()
    faces, without = [], 0
    for number, sample in enumerate(samples, start=1):
        image = read_photograph(sample)
        try:
            face = central_face(found.detect(image), image.shape, name=sample.identifier)
            faces.append(cut_box(image, face, margin=MARGIN, side=STORED))
        except NoFace:
            without += 1
        progress(number, len(samples))
    if not faces:
        raise NoFace(
            expected=f"a face in a photograph of {name}", came=f"none in {len(samples):,}", remedy="check the set"
        )
    return TeachingSet(
        name, faces, frozenset(sample.subject for sample in samples), is_filled=False, without_face=without
    )


def _encoded(view: NDArray[np.uint8]) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(view), quality=_QUALITY, colorspace="RGB"))


def _decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(simplejpeg.decode_jpeg(data, "RGB"), np.uint8)
