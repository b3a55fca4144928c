"""CASIA-WebFace and MS-Celeb-1M: the same photographs from folders and from a record file, and damaged ones."""

import re
import struct

import numpy as np
import pytest

from countenance.datasets.face_collections import FaceCollection, read_photograph
from countenance.datasets.mxnet_records import read_index, read_records, write_records
from countenance.datasets.samples import IdentitySample
from countenance.errors import DataError, MissingFile, ProtocolMismatch, UnreadableImage
from countenance.images import read_image

FEW = FaceCollection(
    set_name="ms-celeb-1m",
    folder="faces",
    identity=re.compile(r"\d+"),
    forms=({"photographs": 15, "identities": 3}, {"photographs": 99, "identities": 9}),
)


@pytest.fixture
def records(face_set):
    """A record file of three people of five photographs each, without a card."""
    root = face_set("ms-celeb-1m")
    for name in ("drawn.json", "drawn.csv"):
        (root / name).unlink()
    return root


def test_folders_and_records_hold_the_same_photographs(records, tmp_path):
    of_records = FEW.read(records)
    for number, sample in enumerate(of_records):
        path = tmp_path / "root" / "faces" / sample.subject / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        face_records = read_records(records)
        path.write_bytes(face_records.record(int(sample.identifier.split("/")[1])).picture)
    of_folders = FEW.read(tmp_path / "root")
    assert (
        [sample.subject for sample in of_folders] == [sample.subject for sample in of_records] == [*"000001111122222"]
    )
    assert all(sample.offset is None for sample in of_folders)
    for one, other in zip(of_folders, of_records, strict=True):
        assert np.array_equal(read_photograph(one), read_photograph(other))
    assert FEW.inspect(tmp_path / "root").is_published
    assert FEW.inspect(records).is_published


def test_any_published_form_will_do_and_nothing_between(records):
    other = FaceCollection(set_name="x", folder="", identity=FEW.identity, forms=FEW.forms[1:])
    assert other.inspect(records).problems == (
        "photographs: 99 are published, 15 are here",
        "identities: 9 are published, 3 are here",
    )
    with pytest.raises(ProtocolMismatch, match="2 wrong, the first: photographs: 99 are published, 15 are here"):
        other.read(records)


def test_a_photograph_that_cannot_be_decoded_is_named(records):
    content = bytearray((records / "train.rec").read_bytes())
    offset = read_index(records / "train.idx")[7]
    content[offset + 32 : offset + 36] = b"GIF8"
    (records / "train.rec").write_bytes(content)
    [words] = FEW.inspect(records).unreadable
    assert words.startswith("train.rec: record 7: ")
    sample = FEW.read(records)[6]
    assert sample == IdentitySample(identifier="1/7", subject="1", path=records / "train.rec", offset=offset)
    with pytest.raises(UnreadableImage, match=r"train\.rec: 1/7"):
        read_photograph(sample)


def test_a_truncated_record_file_is_named(records):
    # The records that describe the set stand last: truncated, the set itself cannot be read.
    content = (records / "train.rec").read_bytes()
    (records / "train.rec").write_bytes(content[:-8])
    found = FEW.inspect(records)
    assert any("the file is truncated" in words for words in found.problems)
    with pytest.raises(DataError, match="truncated"):
        FEW.read(records)


def test_a_swapped_label_is_named(records):
    content = bytearray((records / "train.rec").read_bytes())
    offset = read_index(records / "train.idx")[8]
    content[offset + 12 : offset + 16] = struct.pack("<f", 2.0)
    (records / "train.rec").write_bytes(content)
    [problem] = FEW.inspect(records).problems
    assert problem == "1 label is not its identity's: record 8 (label 2 among the photographs of 1)"


def test_one_label_for_two_identities_is_named(records):
    pictures = [read_records(records).record(key).picture for key in range(1, 16)]
    write_records(records, [pictures[:5], pictures[5:10], pictures[10:]], size=(112, 112))
    content = bytearray((records / "train.rec").read_bytes())
    for key in range(11, 16):
        offset = read_index(records / "train.idx")[key]
        content[offset + 12 : offset + 16] = struct.pack("<f", 1.0)
    (records / "train.rec").write_bytes(content)
    [problem] = FEW.inspect(records).problems
    assert problem.startswith("5 labels are not their identity's: record 11 (label 1 among the photographs of 1)")


def test_a_photograph_that_the_index_leaves_out_is_missing(records):
    path = records / "train.idx"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("4\t")))
    assert FEW.inspect(records).missing == ("train.rec: record 4",)
    with pytest.raises(MissingFile, match=r"1 missing, the first: train\.rec: record 4"):
        FEW.read(records)


def test_a_property_file_that_denies_the_records_is_named(records):
    (records / "property").write_text("4,128,112")
    problems = FEW.inspect(records).problems
    assert "identities: property states 4, the records describe 3" in problems
    assert "15 photographs of 112 x 112, not as property states" in problems


def test_a_photograph_of_its_own_is_read(face_trees):
    path = next(face_trees("casia-webface").glob("CASIA-WebFace/*/*.jpg"))
    sample = IdentitySample(identifier="a", subject="b", path=path)
    assert np.array_equal(read_photograph(sample), read_image(path))
