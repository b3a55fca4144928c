"""MXNet's record files, in which CASIA-WebFace and MS-Celeb-1M are usually handed on: read and written by hand.

A record file (dmlc-core, include/dmlc/recordio.h; Apache MXNet, python/mxnet/recordio.py) is a row of chunks: the word
0xced7230a, a word with three bits of continuation and 29 of length, the bytes, and zeros up to a multiple of four. A
record whose bytes hold the magic word at a multiple of four is cut there into several chunks, which are joined again
with that word between. Inside, an image record begins with four numbers (flag, label, id, id2); a flag above 0 is the
count of further float32 labels. The text file of the same name names the place of each record: `key<tab>offset`.

InsightFace's face sets give the keys a meaning: record 0 holds two labels, A and B; records 1 to A - 1 are photographs,
records A to B - 1 are identities, each with two labels: its photographs are the keys from the first up to, without,
the second. Numbers and JPEG bytes only: nothing here runs code.
"""

import io
import itertools
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from countenance.errors import DataError, MissingFile, ProtocolMismatch
from countenance.files import existing_file, write_atomically

MAGIC = 0xCED7230A
LARGEST_RECORD = 64 * 2**20  # bytes; a photograph has about 10 kB

_MAGIC_BYTES = struct.pack("<I", MAGIC)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)  # the three bits of continuation
_LONGEST_CHUNK = 2**29 - 1
_HEADER = struct.Struct("<IfQQ")
_REMEDY = "copy the record file again, with the index that was written beside it"


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """One record: its labels, its two numbers, and the bytes of its picture.

    Attributes:
        labels: one number, or several; of a photograph the first is its identity.
        picture: the encoded picture; empty in records that describe others.
        key: the number that MXNet calls id; its second one is not used by any face set.
    """

    labels: tuple[float, ...]
    picture: bytes = b""
    key: int = 0


@dataclass(frozen=True)
class FaceRecords:
    """The index of one InsightFace record set: where each photograph lies and whose it is.

    Attributes:
        path: of the record file.
        offsets: byte offset of each record, by key.
        identities: the keys of each identity's photographs, in the order of the labels.
        size: (H, W) as the property file states it, and None where there is no such file.
        stated_identities: how many the property file states.
    """

    path: Path
    offsets: Mapping[int, int] = field(repr=False)
    identities: tuple[range, ...] = field(repr=False)
    size: tuple[int, int] | None
    stated_identities: int | None

    def record(self, key: int) -> ImageRecord:
        """Read one record.

        Raises:
            MissingFile: the index does not name the key.
            DataError: see `read_record`.
        """
        if key not in self.offsets:
            raise MissingFile(
                expected=f"a record {key} in {self.path.with_suffix('.idx').name}", came="none", remedy=_REMEDY
            )
        return read_record(self.path, self.offsets[key])


def read_record(path: str | os.PathLike[str], offset: int) -> ImageRecord:
    """Read the record that begins at a byte offset.

    Args:
        path: a record file.
        offset: where the record begins, as the index says.

    Raises:
        MissingFile: no such file.
        DataError: no record begins there, it is truncated, larger than `LARGEST_RECORD`, or not an image record.
    """
    source = existing_file(path, expected="a record file")
    with source.open("rb") as file:
        file.seek(offset)
        return unpack(_record(file, source), where=f"at byte {offset:,} of {source.name}")


def unpack(data: bytes, *, where: str = "in a record") -> ImageRecord:
    """Take a record's bytes apart: four numbers, the further labels that the flag counts, the picture.

    Raises:
        DataError: fewer bytes than the header and its labels take.
    """
    count = _HEADER.unpack_from(data)[0] if len(data) >= _HEADER.size else 0
    if len(data) < _HEADER.size + 4 * count:
        raise DataError(
            expected=f"{_HEADER.size + 4 * count} bytes of header and labels {where}",
            came=str(len(data)),
            remedy=_REMEDY,
        )
    _, label, key, _ = _HEADER.unpack_from(data)
    labels = struct.unpack_from(f"<{count}f", data, _HEADER.size) if count else (label,)
    return ImageRecord(labels=labels, picture=data[_HEADER.size + 4 * count :], key=key)


def pack(record: ImageRecord) -> bytes:
    """Return a record's bytes; one label stands in the header, several behind it.

    >>> unpack(pack(ImageRecord(labels=(7.0,), picture=b"JPEG", key=3)))
    ImageRecord(labels=(7.0,), picture=b'JPEG', key=3)
    """
    several = record.labels if len(record.labels) > 1 else ()
    label = 0.0 if several else record.labels[0]
    header = _HEADER.pack(len(several), label, record.key, 0)
    return header + struct.pack(f"<{len(several)}f", *several) + record.picture


def read_index(path: str | os.PathLike[str]) -> dict[int, int]:
    """Read an index: byte offset by key.

    Raises:
        MissingFile: no such file.
        ProtocolMismatch: a line of another form, or a key twice.
    """
    source = existing_file(path, expected="the index of a record file")
    offsets: dict[int, int] = {}
    for number, line in enumerate(source.read_bytes().splitlines(), start=1):
        fields = line.split()
        if len(fields) != 2 or not all(cell.isdigit() for cell in fields) or int(fields[0]) in offsets:
            raise ProtocolMismatch(
                expected=f"a new key and a byte offset in line {number} of {source.name}",
                came=repr(line[:80].decode(errors="replace")),
                remedy=_REMEDY,
            )
        offsets[int(fields[0])] = int(fields[1])
    return offsets


def read_records(root: str | os.PathLike[str]) -> FaceRecords:
    """Read the index of `train.rec` in a folder, and which photographs belong to which identity.

    Only the identities' records are read, not the photographs.

    Raises:
        MissingFile: no train.rec or train.idx, or a record that the index does not name.
        ProtocolMismatch: record 0 does not describe a face set, an identity's range leaves the photographs, or a
            property file of another form.
        DataError: see `read_record`.
    """
    path = existing_file(Path(root) / "train.rec", expected="the record file train.rec")
    offsets = read_index(path.with_suffix(".idx"))
    stated_identities, size = _property(path.with_name("property"))
    bare = FaceRecords(path, offsets, (), size, stated_identities)
    first, last = _two(bare, 0)
    ranges = tuple(range(*_two(bare, key)) for key in range(first, last))
    if [row.start for row in ranges] + [first] != [1, *(row.stop for row in ranges)]:
        raise ProtocolMismatch(
            expected=f"the identities of {path.name} to share out the photographs 1 to {first - 1:,}, each once",
            came="ranges that leave gaps, overlap or go beyond them",
            remedy=_REMEDY,
        )
    return FaceRecords(path, offsets, ranges, size, stated_identities)


def write_records(
    root: str | os.PathLike[str], identities: Iterable[Iterable[bytes]], *, size: tuple[int, int]
) -> Path:
    """Write `train.rec`, `train.idx` and `property` as InsightFace lays them out.

    Args:
        root: the folder.
        identities: of each identity, in the order of the labels, its encoded pictures.
        size: (H, W) of the pictures.

    Returns:
        The path of train.rec.

    Raises:
        UsageError: the place cannot be written to.
    """
    photographs: list[ImageRecord] = []
    ranges: list[tuple[int, int]] = []
    for label, pictures in enumerate(identities):
        start = len(photographs) + 1
        photographs += [ImageRecord(labels=(label,), picture=data, key=key) for key, data in enumerate(pictures, start)]
        ranges.append((start, len(photographs) + 1))
    first = len(photographs) + 1
    head = ImageRecord(labels=(first, first + len(ranges)))
    described = [ImageRecord(labels=pair, key=first + label) for label, pair in enumerate(ranges)]
    content, index = io.BytesIO(), []
    for key, record in enumerate([head, *photographs, *described]):
        index.append(f"{key}\t{content.tell()}\n")
        content.writelines(_chunks(pack(record)))
    write_atomically(Path(root) / "train.idx", "".join(index))
    write_atomically(Path(root) / "property", f"{len(ranges)},{size[0]},{size[1]}\n")
    return write_atomically(Path(root) / "train.rec", content.getvalue())


def _record(file: BinaryIO, source: Path) -> bytes:
    """Read the chunks of one record from the present place in the file."""
    parts: list[bytes] = []
    total = 0
    for number in itertools.count():
        offset = file.tell()
        head = file.read(8)
        magic, word = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        continuation, length = word >> 29, word & _LONGEST_CHUNK
        if magic != MAGIC or continuation not in ((_WHOLE, _FIRST) if number == 0 else (_MIDDLE, _LAST)):
            raise DataError(
                expected=f"a record (magic 0x{MAGIC:08x}) at byte {offset:,} of {source.name}",
                came="the end of the file" if len(head) < 8 else f"0x{magic:08x}, continuation {continuation}",
                remedy=_REMEDY,
            )
        total += length + 4
        if total > LARGEST_RECORD:
            raise DataError(
                expected=f"a record of at most {LARGEST_RECORD:,} bytes in {source.name}",
                came=f"{total:,} or more at byte {offset:,}",
                remedy=_REMEDY,
            )
        data = file.read(length)
        if len(data) != length:
            raise DataError(
                expected=f"{length:,} bytes of a record at byte {offset:,} of {source.name}",
                came=f"{len(data):,}: the file is truncated",
                remedy=_REMEDY,
            )
        parts.append(data)
        if continuation in (_WHOLE, _LAST):
            break
        file.seek(-length % 4, os.SEEK_CUR)
    return _MAGIC_BYTES.join(parts)


def _chunks(data: bytes) -> Iterator[bytes]:
    """Frame a record, cut wherever the magic word stands at a multiple of four."""
    cuts, place = [], data.find(_MAGIC_BYTES)
    while place >= 0:
        if place % 4 == 0:
            cuts.append(place)
        place = data.find(_MAGIC_BYTES, place + (4 if place % 4 == 0 else 1))
    starts, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(data)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        inner = _FIRST if number == 0 else _LAST if number == len(cuts) else _MIDDLE
        continuation, length = inner if cuts else _WHOLE, end - start
        assert length <= _LONGEST_CHUNK
        yield struct.pack("<II", MAGIC, continuation << 29 | length) + data[start:end] + bytes(-length % 4)


def _two(records: FaceRecords, key: int) -> tuple[int, int]:
    """Return the two whole numbers that a describing record holds."""
    labels = records.record(key).labels
    if len(labels) != 2 or not all(label.is_integer() for label in labels) or not 0 < labels[0] <= labels[1]:
        raise ProtocolMismatch(
            expected=f"a first and a last key, in order, in record {key} of {records.path.name}",
            came=", ".join(f"{label:g}" for label in labels[:3]),
            remedy="name a record file in InsightFace's layout",
        )
    return int(labels[0]), int(labels[1])


def _property(path: Path) -> tuple[int | None, tuple[int, int] | None]:
    """Read `identities,H,W`; the file may be absent."""
    if not path.is_file():
        return None, None
    fields = path.read_text(encoding="utf-8", errors="replace").strip().split(",")
    if len(fields) != 3 or not all(cell.strip().isdigit() for cell in fields):
        raise ProtocolMismatch(
            expected=f"identities,height,width in {path}", came=",".join(fields)[:80], remedy="restore the file"
        )
    identities, height, width = map(int, fields)
    return identities, (height, width)
