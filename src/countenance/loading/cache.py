"""The pixels of a list of samples, decoded once: a memory-mapped array of bytes for each sensor.

A cache is a folder: `rgb.npy`, `infrared.npy`, `depth.npy` of (N, H, W, C), or (N, T, H, W, C) of clips, and
`card.json`, which holds the digest of the list that it was made of. It is built in a hidden folder beside its place and
moved there when it is whole; a build that was interrupted goes on where it stood. A cache whose list has changed since
(a sample, a frame, a box, a size, the length of a file) is refused and never mended in silence.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.errors import DataError, MissingFile, ProtocolMismatch, UsageError
from countenance.files import existing_file, sha256_of, write_atomically
from countenance.images import ImageLimits
from countenance.loading.pictures import Entry, check_alike, load
from countenance.progress import Progress, unheard
from countenance.vocabulary import Modality

_FORMAT = 1
_STEP = 256  # samples between two notes of how far a build is
_CARD, _STATE = "card.json", "state.json"
_ANEW = "delete the folder and build the cache anew"
_DEFAULT = ImageLimits()


@dataclass(frozen=True, eq=False)
class CachedPlanes:
    """A whole cache, opened for reading.

    Attributes:
        planes: (N, H, W, C) or (N, T, H, W, C) uint8 for each sensor, memory-mapped.
        labels: (N,) the class of each sample.
    """

    planes: Mapping[Modality, NDArray[np.uint8]]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def gather(self, numbers: NDArray[np.intp]) -> dict[Modality, NDArray[np.uint8]]:
        """Return a copy of the samples of these numbers, in this order.

        `np.take` is the faster, but of a mirrored or cut view it first copies the whole.
        """
        return {
            modality: np.take(plane, numbers, axis=0)
            if plane.flags.c_contiguous
            else np.ascontiguousarray(plane[numbers])
            for modality, plane in self.planes.items()
        }


def list_digest(entries: Sequence[Entry], size: tuple[int, int] | None) -> str:
    """Return the SHA-256 of a list: identifiers, sensors, names and lengths of the files, frames, boxes, and the size.

    Labels are not in it, since they are not in the cache; nor are folders, so that a data set may be moved.

    Raises:
        MissingFile: a file is not there.
    """
    rows = [
        [
            entry.identifier,
            sorted((modality.value, path.name, _length(path)) for modality, path in entry.paths.items()),
            entry.frames,
            entry.box,
        ]
        for entry in entries
    ]
    return sha256_of(json.dumps([_FORMAT, size, rows]).encode())


def build_cache(
    entries: Sequence[Entry],
    folder: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    workers: int = 1,
    limits: ImageLimits = _DEFAULT,
    progress: Progress = unheard,
) -> CachedPlanes:
    """Decode every sample once and keep its pixels; a whole cache of the same list is opened as it is.

    Args:
        entries: the samples, in the order that they are numbered.
        folder: of the cache; its parent is made when it is missing.
        size: H and W that every picture is resized to; None: all have one size already.
        workers: threads that decode.
        limits: of one picture.
        progress: called with (samples done, all).

    Raises:
        UsageError: the list is empty, or another process builds this cache.
        ProtocolMismatch: a cache of another list stands there.
        DataError: what stands there is no cache, or a damaged one.
        WrongModality: a sample has other sensors, another size or another number of frames than the first.
        InputError: a picture cannot be read, as `pictures.load` says.
        MissingFile: a file is not there.
    """
    place = Path(folder)
    if not entries:
        raise UsageError(expected="a list of samples", came="an empty one", remedy="check the list")
    if not place.exists():
        part = place.parent / f".{place.name}.part"
        with held(part):
            _fill(entries, part, size, _Work(workers, limits, progress))
            (part / _STATE).unlink()
            part.replace(place)
    return open_cache(entries, place, size=size)


def open_cache(
    entries: Sequence[Entry], folder: str | os.PathLike[str], *, size: tuple[int, int] | None = None
) -> CachedPlanes:
    """Open a whole cache of this list.

    Raises:
        MissingFile: there is none.
        ProtocolMismatch: it was made of another list.
        DataError: its card or its arrays are damaged.
    """
    place = Path(folder)
    path = existing_file(place / _CARD, expected=f"the card of a cache in {place}")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        digest, shapes = card["digest"], {Modality(name): tuple(shape) for name, shape in card["planes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(expected=f"the card of a cache in {path}", came="something else", remedy=_ANEW) from error
    if digest != list_digest(entries, size):
        raise ProtocolMismatch(
            expected=f"the list that the cache {place} was made of ({card.get('samples')} samples)",
            came=f"another one ({len(entries)} samples), or files that have changed since",
            remedy="delete the folder, or name another",
        )
    planes = {}
    for modality, shape in shapes.items():
        try:
            plane = np.load(place / f"{modality}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(expected=f"{place / modality}.npy", came="a damaged file", remedy=_ANEW) from error
        if plane.shape != shape or plane.dtype != np.uint8:
            raise DataError(
                expected=f"{shape} of uint8 in {place / modality}.npy",
                came=f"{plane.shape} of {plane.dtype}",
                remedy=_ANEW,
            )
        planes[modality] = np.asarray(plane)
    return CachedPlanes(planes, np.array([entry.label for entry in entries], np.int64))


@dataclass(frozen=True)
class _Work:
    workers: int
    limits: ImageLimits
    progress: Progress


def _fill(entries: Sequence[Entry], part: Path, size: tuple[int, int] | None, work: _Work) -> None:
    """Decode what is missing in the unfinished cache, noting now and then how far it is."""
    digest = list_digest(entries, size)
    load_one = partial(load, size=size, limits=work.limits)
    first = load_one(entries[0])
    shapes = {modality: (len(entries), *plane.shape) for modality, plane in first.items()}
    done = _done(part, digest)
    arrays = {
        modality: np.lib.format.open_memmap(
            part / f"{modality}.npy", mode="r+" if done else "w+", dtype=np.uint8, shape=shape
        )
        for modality, shape in shapes.items()
    }
    with ThreadPoolExecutor(work.workers) as pool:
        while done < len(entries):
            chunk = entries[done : done + _STEP]
            for entry, planes in zip(chunk, pool.map(load_one, chunk), strict=True):
                check_alike(planes, first, name=entry.identifier)
                for modality, plane in planes.items():
                    arrays[modality][done] = plane
                done += 1
            for array in arrays.values():
                array.flush()
            write_atomically(part / _STATE, json.dumps({"digest": digest, "done": done}))
            work.progress(done, len(entries))
    card = {
        "format": _FORMAT,
        "digest": digest,
        "samples": len(entries),
        "size": size,
        "planes": {modality.value: shape for modality, shape in shapes.items()},
    }
    write_atomically(part / _CARD, json.dumps(card, indent=1) + "\n")


def _done(part: Path, digest: str) -> int:
    """Return how many samples an interrupted build of the same list had decoded."""
    try:
        state = json.loads((part / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    return int(state["done"]) if state["digest"] == digest else 0


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise MissingFile(
            expected="the file of a sample", came=f"{error.strerror} at {path}", remedy="check the list"
        ) from error


@contextlib.contextmanager
def held(part: Path) -> Iterator[None]:
    """Make the folder of an unfinished cache this process's alone; the lock dies with the process.

    Raises:
        UsageError: another process holds it.
    """
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(
            expected=f"one process to build {part}", came="a second one", remedy="wait until the first is done"
        ) from error
    finally:
        os.close(handle)
