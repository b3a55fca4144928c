"""Faces with an expression, from the four sets of FaceLiveNet's Table IV, cut as its trunk wants them.

FER2013's faces are cut already: 48 x 48 greys become 160 x 160 by cubic interpolation, three equal channels. Of a
photograph of the others the face is cut as facenet's is: the detector's box, 1.2 times as large. A photograph without
a face is left out and counted.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.datasets.ck_plus import read as read_ck_plus
from countenance.datasets.drawn_card import read_card
from countenance.datasets.fer2013 import NAME as FER2013
from countenance.datasets.fer2013 import read as read_fer2013
from countenance.datasets.fer2013 import read_face
from countenance.datasets.named import split_name
from countenance.datasets.oulu_casia import read as read_oulu_casia
from countenance.datasets.samples import ExpressionSample
from countenance.datasets.sfew import NAME as SFEW
from countenance.datasets.sfew import read as read_sfew
from countenance.errors import DataError, MissingFile, NoFace, UsageError
from countenance.faces.detection import Detector, Face, central_face
from countenance.files import sha256_of, write_atomically
from countenance.images import read_image
from countenance.loading.trunk_maps import FaceSource
from countenance.networks.inception_resnet_v1 import SIDE, cut_box
from countenance.progress import Progress, Say, unheard
from countenance.vocabulary import Split

Box = tuple[float, float, float, float]
READERS: Mapping[str, Callable[[Path], list[ExpressionSample]]] = {
    FER2013: lambda root: read_fer2013(root, Split.TRAIN),
    "ck-plus": read_ck_plus,
    "oulu-casia": read_oulu_casia,
    SFEW: lambda root: read_sfew(root, Split.TRAIN),
}
"""Name of a set: reads what may be learnt from."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedFaces:
    """The faces of one set, those to learn from first, then those that only judge in the end.

    Attributes:
        name: of the set.
        samples: that show a face.
        boxes: where the face of each is; None for faces that are cut already.
        taught: how many of them, the first ones, may be learnt from.
        without_face: photographs that were left out.
        label: of every figure from them, such as "drawn data".
        digest: of the list and of how the faces are cut.
    """

    name: str
    samples: tuple[ExpressionSample, ...]
    boxes: tuple[Box, ...] | None
    taught: int
    without_face: int
    label: str
    digest: str

    def face(self, number: int) -> NDArray[np.uint8]:
        """Return (160, 160, 3) uint8 RGB of one of them."""
        sample = self.samples[number]
        if self.boxes is None:
            return enlarged(read_face(sample))
        face = Face(self.boxes[number], np.zeros((5, 2), np.float32), 1.0)
        return cut_box(read_image(sample.path), face)

    @property
    def source(self) -> FaceSource:
        """What `trunk_maps` takes."""
        return FaceSource(digest=self.digest, count=len(self.samples), face=self.face)


def enlarged(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a grey face (H, W) as (160, 160, 3), by cubic interpolation, its channels equal."""
    larger = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.asarray(larger, np.uint8)[..., None], 3, axis=2)


def named_sets(data: str) -> list[tuple[str, Path]]:
    """Take NAME:ROOT,NAME:ROOT apart.

    Raises:
        UsageError: words of another form, a set without expressions, or one named twice.

    >>> named_sets("fer2013:/data/fer,sfew:/data/sfew")
    [('fer2013', PosixPath('/data/fer')), ('sfew', PosixPath('/data/sfew'))]
    """
    found = [split_name(part) for part in data.split(",")]
    names = [name for name, _ in found]
    if len(set(names)) < len(names) or not set(names) <= set(READERS):
        raise UsageError(
            expected=f"sets of expressions, each once: {', '.join(READERS)}",
            came=", ".join(names),
            remedy="for example fer2013:ROOT, or fer2013:ROOT,sfew:ROOT to train with both",
        )
    return found


def read_faces(
    name: str,
    root: Path,
    *,
    boxes: Path,
    detector: Callable[[], Detector],
    progress: Progress = unheard,
    say: Say = unheard,
) -> NamedFaces:
    """Read the faces of one set.

    Args:
        name: one of `READERS`.
        root: of the set.
        boxes: a file that keeps where the faces are, so that a set is searched once; FER2013 needs none.
        detector: builds what finds them; called only where that file is not there, or is of another list.
        progress: called with (photographs searched, photographs in all).
        say: called with a line before the search.

    Raises:
        DataError: the set is not whole, or contradicts itself.
        InputError: a photograph cannot be read.
    """
    taught, judged = READERS[name](root), _judged(name, root)
    samples = [*taught, *judged]
    card = read_card(root, set_name=name)
    listed = [name, [[sample.identifier, _length(sample)] for sample in samples]]
    label = card.label if card else ""
    if name == FER2013:
        digest = sha256_of(json.dumps([listed, "cubic"]).encode())
        return NamedFaces(
            name=name,
            samples=tuple(samples),
            boxes=None,
            taught=len(taught),
            without_face=0,
            label=label,
            digest=digest,
        )
    found = _boxes(samples, boxes, sha256_of(json.dumps(listed).encode()), detector, progress, say)
    seen = [(sample, box) for sample, box in zip(samples, found, strict=True) if box is not None]
    return NamedFaces(
        name=name,
        samples=tuple(sample for sample, _ in seen),
        boxes=tuple(box for _, box in seen),
        taught=sum(box is not None for box in found[: len(taught)]),
        without_face=len(samples) - len(seen),
        label=label,
        digest=sha256_of(json.dumps([listed, found]).encode()),
    )


def _judged(name: str, root: Path) -> list[ExpressionSample]:
    """What only judges in the end: FER2013's PublicTest, on which FaceLiveNet reports, and SFEW's second list."""
    if name == SFEW:
        return read_sfew(root, Split.TEST)
    if name != FER2013:
        return []
    try:
        return read_fer2013(root, Split.DEVELOPMENT)
    except MissingFile:  # handed on without it
        return []


def _length(sample: ExpressionSample) -> int:
    return sample.path.stat().st_size if sample.offset is None else sample.offset


def _boxes(
    samples: Sequence[ExpressionSample],
    place: Path,
    digest: str,
    detector: Callable[[], Detector],
    progress: Progress,
    say: Say,
) -> list[Box | None]:
    """Where the face of each photograph is; None where there is none."""
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        if kept["digest"] == digest and len(kept["boxes"]) == len(samples):
            return [None if box is None else _box(box) for box in kept["boxes"]]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            expected=f"where faces are, in {place}",
            came="something else",
            remedy="delete it, and they are searched anew",
        ) from error
    say(f"searching faces in {len(samples):,} photographs")
    finder, found = detector(), list[Box | None]()
    for number, sample in enumerate(samples, start=1):
        image = read_image(sample.path)
        try:
            found.append(_box(central_face(finder.detect(image), image.shape, name=sample.identifier).box))
        except NoFace:
            found.append(None)
        progress(number, len(samples))
    write_atomically(place, json.dumps({"digest": digest, "boxes": found}))
    return found


def _box(numbers: Iterable[float]) -> Box:
    x, y, width, height = (float(number) for number in numbers)
    return x, y, width, height


def boxes_file(folder: str | os.PathLike[str], name: str) -> Path:
    """Return where the boxes of a set are kept, beside its maps."""
    return Path(folder) / f"{name}-boxes.json"
