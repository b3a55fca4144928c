import fcntl
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from countenance.errors import DataError, MissingFile, ProtocolMismatch, UnreadableImage, UsageError, WrongModality
from countenance.loading import cache
from countenance.loading.cache import build_cache, list_digest, open_cache
from countenance.loading.pictures import FilePlanes, load
from countenance.vocabulary import Modality


@pytest.fixture
def place(tmp_path):
    return tmp_path / "caches" / "set"


@pytest.fixture
def loads(monkeypatch):
    """Counts the samples that are decoded."""
    seen = []

    def counted(entry, **options):
        seen.append(entry.identifier)
        return load(entry, **options)

    monkeypatch.setattr(cache, "load", counted)
    return seen


@pytest.mark.parametrize("size", [None, (16, 24)])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_comes_out_is_what_was_decoded(entries, place, size, workers):
    built = build_cache(entries, place, size=size, workers=workers)
    assert sorted(path.name for path in place.iterdir()) == ["card.json", "depth.npy", "infrared.npy", "rgb.npy"]
    assert [path.name for path in place.parent.iterdir()] == ["set"]
    files = FilePlanes(entries, size)
    numbers = np.array([10, 0, 5, 5])
    for source in (built, open_cache(entries, place, size=size)):
        assert len(source) == len(entries)
        assert source.labels.tolist() == files.labels.tolist()
        for sensor, plane in files.gather(numbers).items():
            np.testing.assert_array_equal(source.gather(numbers)[sensor], plane)
    card = json.loads((place / "card.json").read_text())
    assert card["samples"] == len(entries)
    assert card["planes"]["rgb"] == list(built.planes[Modality.RGB].shape)


def test_a_batch_is_a_copy(entries, place):
    built = build_cache(entries, place)
    built.gather(np.array([0]))[Modality.RGB][:] = 0
    assert built.gather(np.array([0]))[Modality.RGB].any()
    with pytest.raises(ValueError, match="read-only"):
        built.planes[Modality.RGB][0] = 0


def test_a_whole_cache_is_opened_and_not_built_again(entries, place, loads):
    build_cache(entries, place)
    loads.clear()
    build_cache(entries, place)
    assert loads == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_build_goes_on_where_it_stood(entries, place, loads, monkeypatch, interruption):
    monkeypatch.setattr(cache, "_STEP", 4)
    told = []

    def progress(done, count):
        told.append((done, count))
        if done == 8:
            raise interruption

    with pytest.raises(interruption):
        build_cache(entries, place, progress=progress)
    assert not place.exists()
    with pytest.raises(MissingFile, match="expected the card of a cache in"):
        open_cache(entries, place)
    loads.clear()
    built = build_cache(entries, place, progress=lambda *numbers: told.append(numbers))
    assert loads == ["sample0", "sample8", "sample9", "sample10"], "the first tells the shapes"
    assert told == [(4, 11), (8, 11), (11, 11)]
    for sensor, plane in FilePlanes(entries, None).gather(np.arange(11)).items():
        np.testing.assert_array_equal(built.planes[sensor], plane)


def test_an_unfinished_cache_of_another_list_is_begun_anew(entries, place, loads, monkeypatch):
    monkeypatch.setattr(cache, "_STEP", 4)
    (entries[9].paths[Modality.RGB]).write_bytes(b"broken")
    with pytest.raises(UnreadableImage, match="9_rgb"):
        build_cache(entries, place)
    loads.clear()
    build_cache(entries[:9], place)
    assert loads == ["sample0", *(f"sample{number}" for number in range(9))]
    assert len(open_cache(entries[:9], place)) == 9


def longer_file(entries):
    path = entries[3].paths[Modality.DEPTH]
    path.write_bytes(path.read_bytes() + b"\0")
    return entries


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries[:-1],
        lambda entries: entries[::-1],
        lambda entries: [replace(entries[0], identifier="another"), *entries[1:]],
        lambda entries: [replace(entries[0], box=(0, 0, 40, 40)), *entries[1:]],
        lambda entries: [replace(entries[0], frames=(0,)), *entries[1:]],
        lambda entries: [replace(entries[0], paths={}), *entries[1:]],
        longer_file,
    ],
)
def test_a_changed_list_is_refused(entries, place, change):
    build_cache(entries, place)
    changed = change(list(entries))
    for call in (build_cache, open_cache):
        with pytest.raises(ProtocolMismatch, match=r"came another one \(1[01] samples\), or files that have changed"):
            call(changed, place)


def test_another_size_is_refused_and_other_labels_or_folders_are_not(entries, place, tmp_path):
    build_cache(entries, place, size=(16, 16))
    with pytest.raises(ProtocolMismatch):
        open_cache(entries, place, size=(16, 17))
    shutil.move(tmp_path / "set", tmp_path / "moved")
    moved = [
        replace(entry, label=9, paths={s: tmp_path / "moved" / path.name for s, path in entry.paths.items()})
        for entry in entries
    ]
    assert open_cache(moved, place, size=(16, 16)).labels.tolist() == [9] * len(entries)


def damaged_card(place):
    (place / "card.json").write_text('{"digest": 3}')


def short_array(place):
    path = place / "rgb.npy"
    path.write_bytes(path.read_bytes()[:-1])


def other_array(place):
    np.save(place / "rgb.npy", np.zeros(3, np.uint8))


@pytest.mark.parametrize("damage", [damaged_card, short_array, other_array, lambda place: (place / "rgb.npy").unlink()])
def test_a_damaged_cache_is_refused(entries, place, damage):
    build_cache(entries, place)
    damage(place)
    with pytest.raises(DataError, match="delete the folder and build the cache anew"):
        open_cache(entries, place)


def test_a_folder_that_is_no_cache_is_left_alone(entries, place):
    place.mkdir(parents=True)
    (place / "mine.txt").write_text("kept")
    with pytest.raises(MissingFile, match="expected the card of a cache"):
        build_cache(entries, place)
    assert (place / "mine.txt").read_text() == "kept"


def test_samples_of_unequal_size_need_a_size(entries, place):
    mixed = [*entries[:4], replace(entries[4], box=(0, 0, 10, 10))]
    with pytest.raises(WrongModality, match=r"came \{'rgb': \(10, 10, 3\).* in sample4; name a size"):
        build_cache(mixed, place)
    assert len(build_cache(mixed, place, size=(16, 16))) == 5


def test_an_empty_list_and_a_missing_file_are_refused(entries, place):
    with pytest.raises(UsageError, match="came an empty one"):
        build_cache([], place)
    entries[2].paths[Modality.RGB].unlink()
    with pytest.raises(MissingFile, match=r"No such file or directory at .*2_rgb\.jpg"):
        list_digest(entries, None)


def test_two_builders_do_not_meet(entries, place):
    part = place.parent / ".set.part"
    part.mkdir(parents=True)
    handle = os.open(part, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="expected one process to build"):
        build_cache(entries, place)
    os.close(handle)
    assert len(build_cache(entries, place)) == len(entries)
