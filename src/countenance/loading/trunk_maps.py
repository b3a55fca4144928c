"""What a frozen trunk sees in each face, computed once and kept: memory-mapped maps of 16 bits.

Where only a branch learns (Z. Ming et al., FaceLiveNet, ICPR 2018, Algorithm 1, stage 2), the maps that it starts from
never change. A cache is a folder: ``maps.npy`` of (N, V, H, W, C) float16, V views of each face; ``faces.npy``, by
which two equal faces are known; and ``card.json``, with the digest of the trunk and of the list. It is built in a
hidden folder beside its place and moved there when it is whole; a build that was interrupted goes on where it stood.
The trunk runs in bfloat16, whose 8 bits of precision the 11 of float16 hold; maps beyond 65,504, where float16 ends,
are refused.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.errors import DataError, MissingFile, ProtocolMismatch, UsageError
from countenance.files import existing_file, sha256_of, write_atomically
from countenance.loading.cache import held
from countenance.networks.facelivenet import BranchVariant, FaceLiveNet
from countenance.progress import Progress, Say, unheard

PLAIN, MIRRORED = 0, 1
"""Places of the views."""
VIEWS = 2
_FORMAT = 1
_AT_ONCE = 16  # faces in one pass of the trunk
_STEP = 256  # faces between two notes of how far a build is
_CARD, _STATE, _MAPS, _FACES = "card.json", "state.json", "maps.npy", "faces.npy"
_ANEW = "delete the folder, and it is built anew"


@dataclass(frozen=True, eq=False)
class FaceSource:
    """Faces by their numbers.

    Attributes:
        digest: of the list: which faces these are, and how they are cut.
        count: N.
        face: (160, 160, 3) uint8 RGB of a number.
    """

    digest: str
    count: int
    face: Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class KeptMaps:
    """A whole cache, opened for reading.

    Attributes:
        maps: (N, V, H, W, C) float16, on disk until they are looked at; V is `VIEWS`: plain, mirrored.
        faces: (N,) uint64, the start of the SHA-256 of each face's pixels: equal faces have equal numbers.
    """

    maps: NDArray[np.float16]
    faces: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.faces)


def trunk_digest(network: FaceLiveNet) -> str:
    """Return the SHA-256 of all that the cached maps depend on: the trunk's tensors, and where branch 2 starts."""
    digest = hashlib.sha256(b"middle" if _starts_in_the_middle(network) else b"top")
    for name, tensor in network.trunk.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def trunk_maps(
    network: FaceLiveNet,
    source: FaceSource,
    folder: str | os.PathLike[str],
    *,
    progress: Progress = unheard,
    say: Say = unheard,
) -> KeptMaps:
    """Compute the maps of every face, plain and mirrored, or open those of the same trunk and list.

    Args:
        network: its trunk is run in inference mode; nothing of it changes but that mode.
        source: of the faces.
        folder: of the cache; its parent is made when it is missing.
        progress: called with (faces done, faces in all).
        say: called with a line before a build: how much it takes.

    Raises:
        UsageError: no face, or another process builds this cache.
        ProtocolMismatch: a cache of another trunk or of other faces stands there.
        DataError: what stands there is no cache, or a damaged one; maps that float16 does not hold; no space left.
    """
    place = Path(folder)
    if not source.count:
        raise UsageError(expected="faces to compute maps of", came="none", remedy="check the set")
    digest = sha256_of(json.dumps([_FORMAT, VIEWS, trunk_digest(network), source.digest, source.count]).encode())
    if not place.exists():
        part = place.parent / f".{place.name}.part"
        with held(part):
            if not place.exists():
                _build(network, source, part, digest, progress, say)
                part.replace(place)
    return _opened(place, digest, source.count)


def _build(network: FaceLiveNet, source: FaceSource, part: Path, digest: str, progress: Progress, say: Say) -> None:
    first, _ = _maps_of(network, [source.face(0)])
    shape = (source.count, VIEWS, *first.shape[2:])
    done = _done(part, digest)
    size = int(np.prod(shape)) * 2
    say(f"running the trunk on {source.count:,} faces, plain and mirrored; their maps take {size / 1e9:.2f} GB of disk")
    maps, faces = _opened_arrays(part, shape, is_begun=done > 0, size=size)
    while done < source.count:
        end = min(done + _STEP, source.count)
        for start in range(done, end, _AT_ONCE):
            pixels = [source.face(number) for number in range(start, min(start + _AT_ONCE, end))]
            maps[start : start + len(pixels)], faces[start : start + len(pixels)] = _maps_of(network, pixels)
            progress(start + len(pixels), source.count)
        done = end
        maps.flush()
        faces.flush()
        write_atomically(part / _STATE, json.dumps({"digest": digest, "done": done}))
    card = {"format": _FORMAT, "digest": digest, "faces": source.count, "shape": shape, "trunk": "bfloat16"}
    write_atomically(part / _CARD, json.dumps(card, indent=1) + "\n")
    (part / _STATE).unlink()


def _opened_arrays(
    part: Path, shape: tuple[int, ...], *, is_begun: bool, size: int
) -> tuple[np.memmap[Any, Any], np.memmap[Any, Any]]:
    """The two files, with all their space taken on disk before the long work."""
    mode: Any = "r+" if is_begun else "w+"
    try:
        maps = np.lib.format.open_memmap(part / _MAPS, mode=mode, dtype=np.float16, shape=shape)
        faces = np.lib.format.open_memmap(part / _FACES, mode=mode, dtype=np.uint64, shape=shape[:1])
        if hasattr(os, "posix_fallocate"):  # a sparse file on a full disk would kill the process
            with (part / _MAPS).open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, (part / _MAPS).stat().st_size)
    except (OSError, ValueError) as error:
        raise DataError(
            expected=f"{size / 1e9:.2f} GB of disk for the maps in {part}",
            came=getattr(error, "strerror", None) or "a damaged file",
            remedy="make room, name another folder, or delete this one",
        ) from error
    return maps, faces


def _maps_of(network: FaceLiveNet, faces: list[NDArray[np.uint8]]) -> tuple[NDArray[np.float16], NDArray[np.uint64]]:
    """(B, V, H, W, C) and (B,) of faces (160, 160, 3)."""
    images = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float() / 255  # channels last: a fifth faster
    trunk = network.trunk.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        seen = network.before_branch_2(trunk(torch.cat([images, images.flip(3)])))
    last = seen.float().permute(0, 2, 3, 1).numpy()
    maps = last.reshape(VIEWS, len(faces), *last.shape[1:]).swapaxes(0, 1)
    if not np.abs(maps).max() <= np.finfo(np.float16).max:
        raise DataError(
            expected="maps of the trunk that float16 holds",
            came=f"a largest number of {np.abs(maps).max():.3g}",
            remedy="start from another first stage",
        )
    keys = [int.from_bytes(hashlib.sha256(face.tobytes()).digest()[:8], "little") for face in faces]
    return maps.astype(np.float16), np.array(keys, np.uint64)


def _starts_in_the_middle(network: FaceLiveNet) -> bool:
    return network.variant is BranchVariant.BLOCK5_X2_BLOCK4


def _done(part: Path, digest: str) -> int:
    """How many faces an interrupted build of the same maps had seen."""
    try:
        state = json.loads((part / _STATE).read_text(encoding="utf-8"))
        return int(state["done"]) if state["digest"] == digest else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _opened(place: Path, digest: str, count: int) -> KeptMaps:
    text = existing_file(place / _CARD, expected=f"the card of the maps in {place}").read_text(encoding="utf-8")
    try:
        card: Mapping[str, Any] = json.loads(text)
        written, shape = card["digest"], tuple(card["shape"])
        if written != digest:
            raise ProtocolMismatch(
                expected=f"maps of this trunk and of these {count:,} faces in {place}",
                came=f"those of another trunk, or of {card['faces']:,} other faces",
                remedy="delete the folder, or name another",
            )
        maps = np.load(existing_file(place / _MAPS), mmap_mode="r", allow_pickle=False)
        faces = np.load(existing_file(place / _FACES), allow_pickle=False)
    except (ValueError, KeyError, TypeError, EOFError, MissingFile) as error:
        raise DataError(expected=f"the card and the maps in {place}", came="something else", remedy=_ANEW) from error
    if maps.shape != shape or maps.dtype != np.float16 or faces.shape != (count,):
        raise DataError(
            expected=f"{shape} of float16 in {place / _MAPS}", came=f"{maps.shape} of {maps.dtype}", remedy=_ANEW
        )
    return KeptMaps(maps, faces)
