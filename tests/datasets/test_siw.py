"""SiW: names of both forms, boxes, clips that do not decode; a drawn twin, whole and damaged."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from countenance.datasets.siw import TEST_SUBJECTS, boxes_beside, inspect, read, read_boxes
from countenance.drawn_sets.siw import plan
from countenance.drawn_sets.writing import write_set
from countenance.errors import MissingFile, ProtocolMismatch
from countenance.vocabulary import Modality, Presentation, Split

A_CLIP = "Train/live/003/003-1-1-1-1.mov"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, stand_in):
    root = tmp_path_factory.mktemp("whole") / "siw"
    write_set(plan(seed=3, frames=3, size=32), root, draw=stand_in)
    return root


@pytest.fixture
def drawn(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "siw")


def test_a_drawn_twin_is_whole(whole):
    found = inspect(whole)
    assert (found.missing, found.unreadable, found.problems, found.label) == ((), (), (), "drawn data")
    assert found.counts["samples"] == 15 * 14
    assert (found.counts["train/subjects"], found.counts["test/subjects"]) == (9, 6)
    assert found.counts["test/attack/replay/4"] == 6


def test_every_clip_is_read_with_what_its_name_says(whole):
    samples = {row.identifier: row for row in read(whole)}
    live, replay = samples["003-1-1-1-1"], samples["001-1-3-2-1"]
    assert (live.subject, live.presentation, live.species, live.split) == (
        "003",
        Presentation.BONA_FIDE,
        "",
        Split.TRAIN,
    )
    assert (replay.presentation, replay.species, replay.split) == (Presentation.ATTACK, "replay/2", Split.TEST)
    assert live.paths == {Modality.RGB: whole / A_CLIP}
    assert read_boxes(boxes_beside(whole / A_CLIP)).tolist() == [[0, 6, 20, 30]] * 3


def test_underscores_other_suffixes_and_a_further_m_are_names_too(tmp_path):
    for name in ("live/153/153-2-1-1-1.m.mov", "live/153/153_1_1_1_1.mp4", "spoof/153/153-1-2-2-1.MOV"):
        path = tmp_path / "Test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.with_name(path.name.partition(".")[0] + ".face").touch()
    (tmp_path / "Train").mkdir()
    found = inspect(tmp_path)
    assert found.counts["test/bona_fide"] == 2
    assert found.counts["test/attack/print/2"] == 1
    assert found.missing == ()
    assert len(found.unreadable) == 3


def rename(path, name):
    path.with_suffix(".face").rename((path.parent / name).with_suffix(".face"))
    return path.rename(path.parent / name)


def cut(path):
    path.write_bytes(path.read_bytes()[:600])


def to_another_folder(root):
    for suffix in (".mov", ".face"):
        shutil.move((root / A_CLIP).with_suffix(suffix), root / "Train/spoof/003/")


def into_test(root):
    shutil.copytree(root / "Train/live/003", root / "Test/live/003")


def overwrite_boxes(content):
    return lambda root: (root / A_CLIP).with_suffix(".face").write_text(content)


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        (lambda root: (root / A_CLIP).unlink(), "missing", A_CLIP),
        (lambda root: (root / A_CLIP).with_suffix(".face").unlink(), "missing", "003-1-1-1-1.face"),
        (lambda root: shutil.rmtree(root / "Test"), "missing", "Test"),
        (lambda root: (root / A_CLIP).write_bytes(b""), "unreadable", A_CLIP),
        (lambda root: (root / A_CLIP).write_bytes(b"no video" * 99), "unreadable", A_CLIP),
        (lambda root: cut(root / A_CLIP), "unreadable", A_CLIP),
        (lambda root: rename(root / A_CLIP, "003-1-1.mov"), "problems", "1 clip with a name of another form: Train/"),
        (to_another_folder, "problems", "1 clip in a folder that its name contradicts: Train/spoof/003/003-1-1-1-1"),
        (into_test, "problems", "1 subject in two of the splits: 003 (train and test)"),
        (
            overwrite_boxes("0 0 0 0\n"),
            "problems",
            "another number of boxes: Train/live/003/003-1-1-1-1.mov (1 boxes, 3",
        ),
        (
            overwrite_boxes("1 2 3\n"),
            "problems",
            "1 broken .face file: Train/live/003/003-1-1-1-1.face (x1 y1 x2 y2 in",
        ),
    ],
)
def test_damage_is_named(drawn, damage, kind, words):
    damage(drawn)
    found = inspect(drawn)
    assert not found.is_published
    assert any(words in line for line in getattr(found, kind)), found


def test_a_damaged_tree_is_not_read(drawn):
    into_test(drawn)
    with pytest.raises(ProtocolMismatch, match="1 subject in two of the splits"):
        read(drawn)
    shutil.rmtree(drawn / "Test")
    with pytest.raises((MissingFile, ProtocolMismatch), match="missing, the first: Test"):
        read(drawn)


def test_without_its_card_a_drawn_set_is_not_the_published_one(drawn):
    (drawn / "drawn.json").unlink()
    with pytest.raises(ProtocolMismatch, match="are published"):
        read(drawn)


def test_the_published_split_is_checked(drawn):
    (drawn / "drawn.json").unlink()
    for part in ("live", "spoof"):
        (drawn / f"Test/{part}/001").rename(drawn / f"Train/{part}/001")
    assert "1 subject in the other split than published: 001" in inspect(drawn).problems
    assert len(TEST_SUBJECTS) == 75


@pytest.mark.parametrize(
    ("content", "words"),
    [("1 2 3 4 5\n", "in row 1"), ("0 0 0 0\n1 2 x 4\n", "in row 2"), ("5 0 4 9\n", "x1 <= x2 and y1 <= y2")],
)
def test_broken_boxes_are_refused(tmp_path, content, words):
    path = tmp_path / "a.face"
    path.write_text(content)
    with pytest.raises(ProtocolMismatch, match=words):
        read_boxes(path)


def test_a_frame_without_a_face_has_a_box_of_zeros(tmp_path):
    path = tmp_path / "a.face"
    path.write_text("0 0 0 0\n10 20 110 140\n")
    np.testing.assert_array_equal(read_boxes(path), [[0, 0, 0, 0], [10, 20, 110, 140]])


def test_a_plan_may_be_shortened():
    planned = plan(frames=3, size=32)
    assert {clip.spec.frames for clip in planned.clips} == {3}
    assert replace(planned, clips=()).card().counts == planned.card().counts
