"""YouTube Faces: pairs of videos, frames in time's order, boxes, and a list that is damaged."""

import pytest

from countenance.datasets.ytf import inspect, read, read_boxes, read_frames
from countenance.errors import MissingFile, ProtocolMismatch, UsageError


@pytest.fixture
def ytf(face_set):
    return face_set("ytf")


def edit(path, change):
    path.write_text(change(path.read_text()))


def test_pairs_name_videos(face_trees):
    root = face_trees("ytf")
    pairs = read(root)
    assert [pair.is_mated for pair in pairs[:4]] == [True, True, False, False]
    assert {pair.fold for pair in pairs} == set(map(str, range(1, 11)))
    assert pairs[0].reference.parts[-3:] == ("frame_images_DB", "Drawn_0001", "0")
    assert all((pair.reference.parent == pair.probe.parent) == pair.is_mated for pair in pairs)
    assert [pair.fold for pair in read(root, folds=[3])] == ["3"] * 4


def test_frames_come_in_the_order_of_time(tmp_path):
    for number in (10, 9, 100):
        (tmp_path / f"3.{number}.jpg").touch()
        (tmp_path / f"aligned_detect_3.{number}.jpg").touch()
    (tmp_path / "notes.txt").touch()
    names = [path.name for path in read_frames(tmp_path)]
    assert [name for name in names if name.startswith("3")] == ["3.9.jpg", "3.10.jpg", "3.100.jpg"]
    with pytest.raises(MissingFile, match="frames of a video"):
        read_frames(tmp_path / "none")


def test_aligned_frames_are_the_same_videos(face_trees):
    root = face_trees("ytf")
    whole, aligned = read(root), read(root, aligned=True)
    assert aligned[0].reference == root / "aligned_images_DB" / whole[0].reference.relative_to(root / "frame_images_DB")
    names = [path.name for path in read_frames(aligned[0].reference)]
    assert names == [f"aligned_detect_{path.name}" for path in read_frames(whole[0].reference)]


def test_a_box_is_told_by_its_corner(tmp_path):
    folder = tmp_path / "frame_images_DB"
    folder.mkdir()
    path = folder / "Richard_Gere.labeled_faces.txt"
    path.write_text("Richard_Gere\\3\\3.618.jpg,0,262,165,132,132,0.0,1\n")
    assert read_boxes(tmp_path, "Richard_Gere") == {"Richard_Gere/3/3.618.jpg": (196.0, 99.0, 132.0, 132.0)}
    path.write_text("Richard_Gere\\3\\3.618.jpg,0,262\n")
    with pytest.raises(ProtocolMismatch, match=r"in line 1 of Richard_Gere\.labeled_faces\.txt"):
        read_boxes(tmp_path, "Richard_Gere")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("is same", "label"), "the columns split number, first name, second name, is same"),
        (lambda text: text.replace(", 1\n", ", yes\n", 1), "0 or 1 in line 2 of splits.txt"),
        (lambda text: text.replace("/0, ", ", ", 1), "SUBJECT/VIDEO"),
        (lambda text: text.replace("\n1, ", "\n11, ", 1), "in line 2 of splits.txt"),
        (lambda text: text.replace(", 1\n", "\n", 1), "in line 2 of splits.txt"),
        (lambda text: text.replace("Drawn_0001/0", "../0", 1), "in line 2 of splits.txt"),
        (lambda text: text.replace(", 1\n", ", 0\n", 1), "1 pair whose label its names deny: splits-0001"),
        (lambda text: text.replace("\n1, ", "\n2, ", 1), "in two of the splits: Drawn_0001 (fold 2 and fold 1)"),
        (lambda _: "", "came an empty file"),
    ],
)
def test_a_damaged_list_is_named(ytf, change, words):
    edit(ytf / "splits.txt", change)
    found = inspect(ytf)
    assert any(words in problem for problem in found.problems), found.problems
    with pytest.raises(ProtocolMismatch):
        read(ytf)


def test_what_lists_name_and_is_not_there_is_named(ytf):
    (ytf / "frame_images_DB" / "Drawn_0002" / "1" / "1.3.jpg").unlink()
    (ytf / "frame_images_DB" / "Drawn_0003.labeled_faces.txt").unlink()
    for path in (ytf / "aligned_images_DB" / "Drawn_0001" / "0").iterdir():
        path.unlink()
    (ytf / "aligned_images_DB" / "Drawn_0001" / "0").rmdir()
    missing = inspect(ytf).missing
    for name in ("frame_images_DB/Drawn_0002/1/1.3.jpg", "frame_images_DB/Drawn_0003.labeled_faces.txt"):
        assert name in missing
    assert "aligned_images_DB/Drawn_0001/0" in missing
    with pytest.raises(MissingFile, match="2 missing"):
        read(ytf)


def test_unknown_folds_are_refused(face_trees):
    with pytest.raises(UsageError, match="folds of YouTube Faces among 1 to 10"):
        read(face_trees("ytf"), folds=[0])
