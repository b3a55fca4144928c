"""MXNet's record files: the framing by hand, records that hold the magic word, damage in words."""

import struct

import numpy as np
import pytest

from countenance.datasets.mxnet_records import (
    MAGIC,
    ImageRecord,
    pack,
    read_index,
    read_record,
    read_records,
    unpack,
    write_records,
)
from countenance.errors import DataError, MissingFile, ProtocolMismatch

WORD = struct.pack("<I", MAGIC)


@pytest.fixture
def face_set(tmp_path):
    """Two people, of three pictures and of one."""
    write_records(tmp_path, [[b"a", b"bb", b"ccc"], [b"dddd"]], size=(112, 96))
    return tmp_path


def reframe(path, change):
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def test_a_record_is_framed_as_dmlc_frames_it(face_set):
    start = read_index(face_set / "train.idx")[2]
    content = (face_set / "train.rec").read_bytes()[start : start + 36]
    assert content == WORD + struct.pack("<I", 26) + struct.pack("<IfQQ", 0, 0.0, 2, 0) + b"bb" + b"\0\0"


def test_the_layout_of_a_face_set(face_set):
    records = read_records(face_set)
    assert records.identities == (range(1, 4), range(4, 5))
    assert (records.size, records.stated_identities) == ((112, 96), 2)
    assert [records.record(key).picture for key in range(1, 5)] == [b"a", b"bb", b"ccc", b"dddd"]
    assert [records.record(key).labels for key in range(7)] == [(5, 7), (0,), (0,), (0,), (1,), (1, 4), (4, 5)]
    assert (face_set / "property").read_text() == "2,112,96\n"


def test_photographs_with_several_labels_as_insightface_packs_them():
    record = unpack(struct.pack("<IfQQ", 2, 0.0, 9, 0) + struct.pack("<ff", 41.0, 1.0) + b"JPEG")
    assert record == ImageRecord(labels=(41.0, 1.0), picture=b"JPEG", key=9)
    assert unpack(pack(record)) == record


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        WORD,
        WORD * 3,
        b"1234" + WORD + b"5",
        b"123" + WORD,
        b"12" + WORD + b"34" + WORD,
        WORD + b"1",
        b"1234" + WORD,
    ],
)
def test_a_record_that_holds_the_magic_word_comes_back(tmp_path, picture):
    write_records(tmp_path, [[picture, b"after"]], size=(1, 1))
    content = (tmp_path / "train.rec").read_bytes()
    records = read_records(tmp_path)
    assert [records.record(key).picture for key in (1, 2)] == [picture, b"after"]
    aligned = [at for at in range(0, len(content), 4) if content[at : at + 4] == WORD]
    frames, at = [], 0
    while at < len(content):
        frames.append(at)
        at += 8 + -(-(struct.unpack_from("<I", content, at + 4)[0] & 2**29 - 1) // 4) * 4
    assert aligned == frames  # whoever scans for the word at multiples of four finds frames only


def test_random_bytes_come_back(tmp_path):
    generator = np.random.default_rng(3)
    pictures = [
        generator.integers(0, 256, size=n, dtype=np.uint8).tobytes() for n in generator.integers(0, 99, size=40)
    ]
    write_records(tmp_path, [pictures[:7], pictures[7:]], size=(1, 1))
    records = read_records(tmp_path)
    assert [records.record(key).picture for key in range(1, 41)] == pictures


def test_a_truncated_record_is_refused(face_set):
    path = face_set / "train.rec"
    offset = read_index(face_set / "train.idx")[4]
    path.write_bytes(path.read_bytes()[: offset + 20])
    with pytest.raises(
        DataError, match=r"expected 28 bytes of a record at byte 148 of train.rec; came 12: .* truncated"
    ):
        read_record(path, offset)
    path.write_bytes(path.read_bytes()[:offset])
    with pytest.raises(DataError, match="came the end of the file"):
        read_record(path, offset)


def test_a_wrong_magic_is_refused(face_set):
    path = face_set / "train.rec"
    reframe(path, lambda content: content.__setitem__(0, 0xFF))
    with pytest.raises(
        DataError, match=r"expected a record \(magic 0xced7230a\) at byte 0 of train.rec; came 0xced723ff"
    ):
        read_record(path, 0)
    with pytest.raises(DataError, match="came 0x00000000, continuation 0"):
        read_record(path, 12)


def test_a_record_that_begins_in_the_middle_is_refused(tmp_path):
    (tmp_path / "x.rec").write_bytes(struct.pack("<II", MAGIC, 3 << 29 | 4) + b"1234")
    with pytest.raises(DataError, match="continuation 3"):
        read_record(tmp_path / "x.rec", 0)


def test_a_record_larger_than_any_picture_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "x.rec").write_bytes(struct.pack("<II", MAGIC, 2**29 - 1))
    with pytest.raises(DataError, match="at most 67,108,864 bytes"):
        read_record(tmp_path / "x.rec", 0)


@pytest.mark.parametrize("data", [b"", b"short", struct.pack("<IfQQ", 2**31, 0.0, 0, 0)])
def test_a_record_too_short_for_its_labels_is_refused(data):
    with pytest.raises(DataError, match="bytes of header and labels in a record"):
        unpack(data)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda text: text.replace("2\t", "two\t", 1),
            ProtocolMismatch,
            "key and a byte offset in line 3 of train.idx",
        ),
        (lambda text: text + "3\t0\n", ProtocolMismatch, "line 8 of train.idx"),
        (lambda text: text + "9\n", ProtocolMismatch, "line 8 of train.idx"),
        (lambda text: text.replace("6\t", "66\t"), MissingFile, "a record 6 in train.idx"),
        (lambda text: text.replace("0\t0\n", "", 1), MissingFile, "a record 0 in train.idx"),
    ],
)
def test_a_damaged_index_is_refused(face_set, change, error, words):
    path = face_set / "train.idx"
    path.write_text(change(path.read_text()))
    with pytest.raises(error, match=words):
        read_records(face_set)


@pytest.mark.parametrize(("first", "last"), [(1.5, 4.0), (float("nan"), 4.0), (3.0, 2.0), (2.0, 4.0)])
def test_identities_that_do_not_share_out_the_photographs_are_refused(face_set, first, last):
    offset = read_index(face_set / "train.idx")[5]
    labels = struct.pack("<ff", first, last)
    reframe(face_set / "train.rec", lambda content: content.__setitem__(slice(offset + 32, offset + 40), labels))
    with pytest.raises(ProtocolMismatch, match=r"record 5 of train.rec|share out the photographs 1 to 4"):
        read_records(face_set)


def test_a_record_file_that_is_no_face_set_is_refused(face_set):
    (face_set / "train.idx").write_text("0\t40\n")
    with pytest.raises(DataError):
        read_records(face_set)
    (face_set / "property").write_text("many")
    with pytest.raises(ProtocolMismatch, match="expected identities,height,width"):
        read_records(face_set)
    (face_set / "train.rec").unlink()
    with pytest.raises(MissingFile, match=r"the record file train\.rec"):
        read_records(face_set)
