"""Every set of faces: its reader takes the drawn one whole, and names what was taken away, added or changed."""

import json
from importlib import import_module

import pytest

from countenance.datasets.named import inspect_named
from countenance.errors import DataError, MissingFile, ProtocolMismatch

SAMPLES = {  # of the small sets in conftest.py, as their readers hand them on
    "lfw": 240,
    "ytf": 40,
    "vggface2": 15,
    "casia-webface": 15,
    "ms-celeb-1m": 15,
    "afad": 12,
    "ck-plus": 76,
    "oulu-casia": 72,
    "sfew": 21,
    "fer2013": 70,
    "fer2013 as table": 70,
}
OF_FILES = [name for name in SAMPLES if name not in ("ms-celeb-1m", "fer2013 as table")]


def reader(name):
    module = import_module(f"countenance.datasets.{name.split()[0].replace('-', '_')}")
    return (lambda root: module.read_comparisons(root, "test")) if name == "lfw" else module.read


def look(name, root):
    return inspect_named(f"{name.split()[0]}:{root}")


def pictures(root, name):
    """Pictures that a read sample rests on: the first and the last that the table of the set names."""
    rows = [line.split(",")[0] for line in (root / "drawn.csv").read_text().splitlines()[1:]]
    named = [row for row in rows if row.endswith((".jpg", ".png", ".jpeg"))]
    return (named[0], named[-1]) if name != "ytf" else (named[-2], named[-1])


@pytest.mark.parametrize("name", SAMPLES)
def test_a_drawn_set_is_taken_whole(face_trees, name):
    root = face_trees(name)
    found = look(name, root)
    assert found.is_published, found
    assert found.label == "drawn data"
    samples = reader(name)(root)
    assert len(samples) == SAMPLES[name]
    assert len({sample.identifier for sample in samples}) == SAMPLES[name]


@pytest.mark.parametrize("name", OF_FILES)
def test_a_missing_picture_is_named(face_set, name):
    root = face_set(name)
    _, gone = pictures(root, name)
    (root / gone).unlink()
    assert gone in look(name, root).missing
    if name not in ("oulu-casia", "ytf"):  # a frame in the middle of a recording changes no list
        with pytest.raises(DataError, match=r"1 missing|stated by drawn\.json"):
            reader(name)(root)


@pytest.mark.parametrize("name", OF_FILES)
def test_an_empty_picture_is_named(face_set, name):
    root = face_set(name)
    empty, _ = pictures(root, name)
    (root / empty).write_bytes(b"")
    found = look(name, root)
    assert [words.partition(":")[0] for words in found.unreadable] == [empty]
    assert any("not the one that was drawn" in words for words in found.problems)


@pytest.mark.parametrize("name", [name for name in OF_FILES if name != "sfew"])  # SFEW is what its lists name
def test_an_extra_file_is_named(face_set, name):
    root = face_set(name)
    extra = (root / pictures(root, name)[0]).with_name("holiday.tiff")
    extra.touch()
    with pytest.raises(ProtocolMismatch, match=r"holiday\.tiff"):
        look(name, root).refuse(name)


@pytest.mark.parametrize("name", OF_FILES)
def test_swapped_pictures_are_named(face_set, name):
    root = face_set(name)
    one, other = (root / path for path in pictures(root, name))
    one.rename(root / "held")
    other.rename(one)
    (root / "held").rename(other)
    [problem] = look(name, root).problems
    assert problem.startswith("2 files are not those that were drawn")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_drawn_set_without_its_card_is_not_the_published_one(face_set, name):
    root = face_set(name)
    (root / "drawn.json").unlink()
    found = look(name, root)
    assert not found.is_published
    assert found.label == ""
    assert any("a drawn set that lost its card" in words for words in found.problems)
    with pytest.raises(DataError, match=r"as published|to begin with|5,000 pairs"):
        reader(name)(root)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_unfinished_or_foreign_set_is_refused(face_set, name):
    root = face_set(name)
    card = json.loads((root / "drawn.json").read_text())
    (root / "drawn.json").write_text(json.dumps({**card, "set": "another"}))
    assert any("came another" in words for words in look(name, root).problems)
    (root / "drawn.json").rename(root / "drawn.part.json")
    assert any("drawing stopped before its end" in words for words in look(name, root).problems)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_empty_root_is_refused(tmp_path, name):
    assert not look(name, tmp_path).is_published
    with pytest.raises(DataError):
        reader(name)(tmp_path)


def test_missing_files_alone_are_called_missing(face_set):
    root = face_set("afad")
    for path in (root / "AFAD-Lite").glob("*/*/*-0.jpg"):
        path.unlink()
    (root / "drawn.json").unlink()
    (root / "drawn.csv").unlink()
    with pytest.raises(MissingFile, match=r"the whole afad set as published; came 6 missing, the first: AFAD-Lite/"):
        import_module("countenance.datasets.afad").read(root)
