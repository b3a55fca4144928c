"""Faces cut from photographs once, and their templates: many recognisers and many attacks look at the same ones.

A cache is a folder with the pixels of all chips (`faces.chip`), a card that says of which photographs, and a file of
templates for each recogniser that has seen them.
"""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from countenance.datasets.face_collections import read_photograph
from countenance.datasets.samples import IdentitySample
from countenance.errors import DataError, NoFace, ProtocolMismatch, UsageError
from countenance.faces.chip import CHIP, cut_chip
from countenance.faces.detection import Detector, central_face
from countenance.files import existing_file, sha256_of, write_atomically
from countenance.loading.cache import held
from countenance.progress import Progress, unheard

BATCH = 32
_FORMAT = 1
_CARD, _PIXELS, _TEMPLATES = "card.json", "chips.u8", "templates-{}.safetensors"
_ANEW = "remove the folder, or name another one"
_THREADS = 2
_SAME_WITHIN = 1e-3  # of a number of a template: other processors round otherwise, other pixels show

Embedder = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Chips (N, 160, 160, 3) to templates (N, D) of length 1."""


@dataclass(frozen=True, eq=False)
class ChipSet:
    """The chips of some photographs.

    Attributes:
        folder: of the cache.
        samples: the photographs that show a face.
        without_face: identifiers of the others: they are left out, never guessed.
        pixels: uint8 (N, 160, 160, 3), read-only, on disk until they are looked at.
        digest: SHA-256 of which photographs these are.
    """

    folder: Path
    samples: Sequence[IdentitySample]
    without_face: Sequence[str]
    pixels: NDArray[np.uint8]
    digest: str

    @property
    def subjects(self) -> NDArray[np.str_]:
        """Who each chip shows, (N,)."""
        return np.array([sample.subject for sample in self.samples], dtype=np.str_)

    def holds(self, name: str) -> bool:
        """Tell whether the templates of a recogniser are there."""
        return (self.folder / _TEMPLATES.format(name)).exists()


def chip_cache(
    samples: Sequence[IdentitySample],
    folder: str | os.PathLike[str],
    *,
    detector: Detector,
    progress: Progress = unheard,
) -> ChipSet:
    """Cut the central face of every photograph, or open those that were cut before from the same list.

    Args:
        samples: photographs of faces, each with an identifier of its own.
        folder: of the cache; its parent is made when it is missing.
        detector: finds the faces; called from several threads at once.
        progress: called with (photographs done, photographs in all).

    Raises:
        UsageError: no photograph, or another process builds this cache.
        ProtocolMismatch: a cache of another list stands there.
        DataError: what stands there is no cache, or a damaged one.
        NoFace: no photograph shows a face.
        InputError: a photograph cannot be read.
    """
    if not samples:
        raise UsageError(expected="photographs to cut faces from", came="none", remedy="check the set")
    place = Path(folder)
    names = [sample.identifier for sample in samples]
    digest = sha256_of(json.dumps([_FORMAT, CHIP, type(detector).__name__, names]).encode())
    if not place.exists():
        part = place.parent / f".{place.name}.part"
        with held(part):
            _build(samples, part, digest, detector, progress)
            part.replace(place)
    return _opened(samples, place, digest)


def templates_of(
    chips: ChipSet, name: str, embed: Callable[[], Embedder], *, progress: Progress = unheard
) -> NDArray[np.float32]:
    """Return the templates of all chips by one recogniser; each recogniser sees them once.

    Args:
        chips: from `chip_cache`.
        name: of the recogniser.
        embed: builds it; called only where its templates are not there.
        progress: called with (chips done, chips in all).

    Returns:
        (N, D) float32, of length 1.

    Raises:
        DataError: the file of templates is damaged.
    """
    path = chips.folder / _TEMPLATES.format(name)
    if not path.exists():
        embedder, rows = embed(), []
        for first in range(0, len(chips.pixels), BATCH):
            rows.append(embedder(np.array(chips.pixels[first : first + BATCH])))
            progress(min(first + BATCH, len(chips.pixels)), len(chips.pixels))
        write_atomically(path, save({"templates": np.concatenate(rows).astype(np.float32)}))
    try:
        found = load(path.read_bytes())["templates"]
    except Exception as error:  # safetensors has its own errors
        raise DataError(expected=f"templates in {path}", came="a damaged file", remedy="remove it") from error
    if found.dtype != np.float32 or found.ndim != 2 or len(found) != len(chips.pixels):
        raise DataError(
            expected=f"{len(chips.pixels):,} templates in {path}", came=f"{found.shape}", remedy="remove it"
        )
    return found


def refuse_stale(chips: ChipSet, name: str, embed: Embedder) -> None:
    """Refuse templates that another version of a recogniser made: the first chip is embedded again.

    Raises:
        DataError: it does not get the template that is kept.
    """
    kept = templates_of(chips, name, lambda: embed)[:1].astype(np.float64)
    again = embed(np.array(chips.pixels[:1])).astype(np.float64)
    if again.shape != kept.shape or not np.abs(again - kept).max() <= _SAME_WITHIN:
        path = chips.folder / _TEMPLATES.format(name)
        raise DataError(
            expected=f"templates of today's {name} in {path}",
            came="those of another version",
            remedy="remove the file, and what was crafted towards it",
        )


def _build(samples: Sequence[IdentitySample], part: Path, digest: str, detector: Detector, progress: Progress) -> None:
    def chip_or_none(sample: IdentitySample) -> NDArray[np.uint8] | None:
        image = read_photograph(sample)
        try:
            return cut_chip(image, central_face(detector.detect(image), image.shape, name=sample.identifier))
        except NoFace:
            return None

    found: list[bool] = []
    with (part / _PIXELS).open("wb") as file, ThreadPoolExecutor(_THREADS) as pool:
        for first in range(0, len(samples), BATCH):
            for chip in pool.map(chip_or_none, samples[first : first + BATCH]):
                found.append(chip is not None)
                if chip is not None:
                    file.write(chip.tobytes())
            progress(len(found), len(samples))
    if not any(found):
        raise NoFace(
            expected="a face in at least one photograph", came=f"none in {len(samples):,}", remedy="check the set"
        )
    write_atomically(part / _CARD, json.dumps({"format": _FORMAT, "digest": digest, "found": found}))


def _opened(samples: Sequence[IdentitySample], place: Path, digest: str) -> ChipSet:
    text = existing_file(place / _CARD, expected=f"the card of the chips {place}").read_text(encoding="utf-8")
    try:
        card = json.loads(text)
        written, found = card["digest"], [bool(flag) for flag in card["found"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(expected=f"the card of chips in {place}", came="another file", remedy=_ANEW) from error
    if written != digest or len(found) != len(samples):
        raise ProtocolMismatch(expected=f"chips of these photographs in {place}", came="others", remedy=_ANEW)
    shape = (sum(found), CHIP, CHIP, 3)
    pixels = existing_file(place / _PIXELS, expected="the pixels of the chips")
    if pixels.stat().st_size != int(np.prod(shape)):
        came = f"{pixels.stat().st_size:,}"
        raise DataError(expected=f"{np.prod(shape):,} bytes in {pixels}", came=came, remedy=_ANEW)
    return ChipSet(
        folder=place,
        samples=[sample for sample, flag in zip(samples, found, strict=True) if flag],
        without_face=[sample.identifier for sample, flag in zip(samples, found, strict=True) if not flag],
        pixels=np.memmap(pixels, np.uint8, "r", shape=shape),
        digest=digest,
    )
