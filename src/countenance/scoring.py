"""From photographs to scores: each image decoded, detected and embedded once, however many rows name it."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.comparison import Comparison
from countenance.errors import NoFace
from countenance.faces.detection import Detector, Face, central_face
from countenance.images import read_image
from countenance.progress import Progress, unheard
from countenance.scores import ComparisonTable, text

BATCH = 32


class Recogniser(Protocol):
    """Cuts faces out as it wants them, and turns them into templates whose inner product is their similarity."""

    def cut(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        """(H, W, 3) RGB and a face in it to (S, S, 3) RGB."""
        ...

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) RGB, as `cut` returns them, to (N, D), each row of length 1."""
        ...


@dataclass(frozen=True)
class ScoringReport:
    """What a scoring run did.

    Attributes:
        table: a row per comparison.
        images: how many images were read.
        seconds: how long it took.
        without_face: images in which no face was found; their comparisons have no score.
    """

    table: ComparisonTable
    images: int
    seconds: float
    without_face: tuple[Path, ...]

    @property
    def images_per_second(self) -> float:
        """Images decoded, detected and embedded per second."""
        return self.images / self.seconds

    @property
    def pairs_per_second(self) -> float:
        """Comparisons per second, images included."""
        return len(self.table) / self.seconds


def cut_face(source: str | os.PathLike[str], detector: Detector, recogniser: Recogniser) -> NDArray[np.uint8]:
    """Return the central face of a photograph, (S, S, 3) RGB as the recogniser wants it.

    Raises:
        InputError: the image cannot be read, or shows no face.
    """
    image = read_image(source)
    return recogniser.cut(image, central_face(detector.detect(image), image.shape, name=os.fspath(source)))


def score_comparisons(
    comparisons: Sequence[Comparison],
    *,
    detector: Detector,
    recogniser: Recogniser,
    progress: Progress = unheard,
    threads: int = 2,
) -> ScoringReport:
    """Score every comparison by the cosine of its two templates.

    A photograph without a face gives its comparisons no score (a failure to acquire), never a guess. Memory is bounded
    by the templates: images are read in batches.

    Args:
        comparisons: the rows.
        detector: finds the faces; called from several threads at once.
        recogniser: cuts the faces out and embeds them.
        progress: called with (images done, images in all) after each batch.
        threads: how many images are read and cut at once.

    Raises:
        InputError: an image cannot be read.
    """
    started = time.perf_counter()
    paths = list(dict.fromkeys(path for row in comparisons for path in (row.reference, row.probe)))
    templates: dict[Path, NDArray[np.float32]] = {}
    without_face: list[Path] = []

    def face_or_none(path: Path) -> NDArray[np.uint8] | None:
        try:
            return cut_face(path, detector, recogniser)
        except NoFace:
            return None

    with ThreadPoolExecutor(max_workers=threads) as pool:
        for done, batch in enumerate(_batches(paths), start=1):
            faces = list(pool.map(face_or_none, batch))
            found = [(path, face) for path, face in zip(batch, faces, strict=True) if face is not None]
            without_face += [path for path, face in zip(batch, faces, strict=True) if face is None]
            if found:
                embedded = recogniser.embed(np.stack([face for _, face in found]))
                templates |= {path: template for (path, _), template in zip(found, embedded, strict=True)}
            progress(min(done * BATCH, len(paths)), len(paths))
    scores = np.array([_similarity(templates.get(row.reference), templates.get(row.probe)) for row in comparisons])
    table = ComparisonTable(
        identifiers=text([row.identifier for row in comparisons]),
        references=text([row.reference.stem for row in comparisons]),
        probes=text([row.probe.stem for row in comparisons]),
        is_positive=np.array([row.is_mated for row in comparisons]),
        folds=text([row.fold for row in comparisons]),
        scores=scores,
        responded=~np.isnan(scores),
    )
    return ScoringReport(table, len(paths), time.perf_counter() - started, tuple(without_face))


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    remaining = iter(paths)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _similarity(reference: NDArray[np.float32] | None, probe: NDArray[np.float32] | None) -> float:
    """The inner product of two templates; NaN, no score, where one of them could not be made."""
    return float("nan") if reference is None or probe is None else float(reference @ probe)
