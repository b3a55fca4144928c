"""A look at files: missing, unreadable, read; and what a refusal says."""

import io

import numpy as np
import pytest
from PIL import Image

from countenance.datasets.inspection import (
    Inspection,
    different_counts,
    inspect_files,
    several,
    subjects_in_two,
)
from countenance.errors import MissingFile, ProtocolMismatch


def picture(height=8, width=12):
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


def test_every_file_is_looked_at_once(tmp_path):
    (tmp_path / "whole.jpg").write_bytes(picture())
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.jpg").write_bytes(picture()[:-200])
    names = ["whole.jpg", "gone.jpg", "empty.jpg", "cut.jpg", "whole.jpg"]
    told = []
    found = inspect_files(
        [tmp_path / name for name in names], root=tmp_path, progress=lambda done, total: told.append((done, total))
    )
    assert found.missing == ("gone.jpg",)
    assert [line.partition(":")[0] for line in found.unreadable] == ["empty.jpg", "cut.jpg"]
    assert "an empty file" in found.unreadable[0]
    assert "damaged or truncated" in found.unreadable[1]
    assert found.read == {tmp_path / "whole.jpg": (8, 12)}
    assert told[-1] == (4, 4)


def test_many_files_are_taken_in_order(tmp_path):
    paths = [tmp_path / str(number) for number in range(3000)]
    found = inspect_files(paths, root=tmp_path, read=lambda path: int(path.name), threads=3)
    assert list(found.read.values()) == list(range(3000))


def test_a_whole_set_is_not_refused():
    inspection = Inspection(counts={"samples": 1})
    assert inspection.is_published
    inspection.refuse("lfw")


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"missing": ("a", "b")}, MissingFile, "came 2 missing, the first: a;"),
        ({"unreadable": ("a: cut",)}, ProtocolMismatch, "came 1 unreadable, the first: a: cut;"),
        (
            {"missing": ("a",), "problems": ("odd",)},
            ProtocolMismatch,
            "1 missing, the first: a; 1 wrong, the first: odd;",
        ),
    ],
)
def test_anything_wrong_is_refused(wrong, kind, words):
    inspection = Inspection(counts={}, **wrong)
    assert not inspection.as_json()["is_published"]
    with pytest.raises(kind, match=words):
        inspection.refuse("lfw")


def test_long_lists_are_cut():
    assert several([str(number) for number in range(8)], "file", "files") == "8 files: 0, 1, 2, 3, 4 and 3 more"


def test_a_subject_in_one_split_is_no_guest():
    assert subjects_in_two([("train", "ann"), ("train", "ann"), ("test", ""), ("train", "")]) == []


def test_a_count_that_is_not_there_is_zero():
    assert different_counts({}, {"train": 1}, source="published") == ["train: 1 are published, 0 are here"]
