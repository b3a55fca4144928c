"""CK+: labels, published counts, FaceLiveNet's rows, folds without a subject in two."""

from dataclasses import replace

import pytest

from countenance.datasets.ck_plus import PUBLISHED, SEQUENCES, folds, inspect, read, read_rows
from countenance.errors import MissingFile, ProtocolMismatch, UsageError
from countenance.vocabulary import Expression


@pytest.fixture
def ck_plus(face_set):
    return face_set("ck-plus")


def label_of(root, number=0):
    return sorted((root / "Emotion").rglob("*_emotion.txt"))[number]


def test_published_counts_add_up():
    assert sum(SEQUENCES.values()) == PUBLISHED["neutral"] == PUBLISHED["labelled sequences"] == 327
    assert [PUBLISHED[name] for name in ("angry", "disgust", "fear", "happy", "sad", "surprise", "contempt")] == [
        135, 177, 75, 207, 84, 249, 54,
    ]  # fmt: skip
    assert 327 + sum(3 * number for number in SEQUENCES.values()) == 1_308


def test_samples_carry_label_and_frame(face_trees):
    samples = read(face_trees("ck-plus"))
    first = samples[:4]
    assert [sample.identifier for sample in first] == [f"S001_001_{number:08d}" for number in (1, 6, 7, 8)]
    assert [sample.expression for sample in first] == [Expression.NEUTRAL, *[Expression.CONTEMPT] * 3]
    assert all(sample.path.stem == sample.identifier for sample in samples)


def test_an_unlabelled_sequence_is_counted_and_not_read(ck_plus):
    folder = ck_plus / "cohn-kanade-images" / "S001" / "009"
    source = ck_plus / "cohn-kanade-images" / "S001" / "001"
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name.replace("_001_", "_009_")).write_bytes(path.read_bytes())
    (ck_plus / "Emotion" / "S001" / "009").mkdir()
    found = inspect(ck_plus)
    assert (found.counts["sequences"], found.counts["labelled sequences"], found.counts["samples"]) == (20, 19, 76)
    assert found.problems == ()


@pytest.mark.parametrize("content", ["nothing", "0.0000000e+00", "8.0", "nan", "2.5", ""])
def test_a_label_without_a_meaning_is_named(ck_plus, content):
    path = label_of(ck_plus)
    path.write_text(content)
    relative = path.relative_to(ck_plus).as_posix()
    assert any(words.startswith("1 label cannot be used") and relative in words for words in inspect(ck_plus).problems)
    with pytest.raises(ProtocolMismatch):
        read(ck_plus)


def test_a_swapped_label_is_named(ck_plus):
    label_of(ck_plus).write_text("   5.0000000e+00\n")
    problems = " ".join(inspect(ck_plus).problems)
    assert "are stated by drawn.json" in problems
    assert "1 file is not the one that was drawn: Emotion/S001/001/S001_001_00000008_emotion.txt" in problems
    with pytest.raises(ProtocolMismatch, match=r"contempt: \d+ are stated by drawn\.json"):
        read(ck_plus)


def test_a_frame_that_a_label_names_is_missed_by_name(ck_plus):
    frame = ck_plus / "cohn-kanade-images" / "S001" / "001" / "S001_001_00000008.png"
    frame.unlink()
    assert frame.relative_to(ck_plus).as_posix() in inspect(ck_plus).missing
    with pytest.raises(MissingFile, match=r"S001_001_00000008\.png"):
        read(ck_plus)


def test_a_label_in_anothers_place_is_named(ck_plus):
    one, other = label_of(ck_plus, 0), label_of(ck_plus, -1)
    one.rename(other.with_name(one.name))
    assert any("label cannot be used" in words for words in inspect(ck_plus).problems)


def test_folds_by_subject(face_trees):
    samples = read(face_trees("ck-plus"))
    with pytest.raises(UsageError, match="at least 10 subjects"):
        folds(samples)
    many = [replace(sample, subject=f"{sample.subject}{twin}") for sample in samples for twin in "ab"]
    cut = folds(many)
    assert len(cut) == 10
    assert sorted(name for fold in cut for name in fold) == sorted({sample.subject for sample in many})


def test_rows_of_facelivenet(face_trees, tmp_path):
    images = face_trees("ck-plus") / "cohn-kanade-images"
    path = tmp_path / "labels.txt"
    path.write_text("count sub session frame label\n0 S001 001 00000001 0.0\n1 S001 001 00000008 1.0000000e+00\n")
    one, other = read_rows(path, images)
    assert (one.identifier, one.expression) == ("S001_001_00000001", Expression.NEUTRAL)
    assert (other.identifier, other.expression, other.frame) == ("S001_001_00000008", Expression.ANGRY, 8)
    path.write_text("header\n0 S001 001 00000099 1\n")
    with pytest.raises(MissingFile, match=r"1 missing, the first S001_001_00000099\.png"):
        read_rows(path, images)


@pytest.mark.parametrize(
    "row", ["0 S001 001 00000001", "0 S001 001 1 1", "0 S001 001 00000001 9", "0 S1 001 00000001 1"]
)
def test_a_bad_row_is_refused(tmp_path, row):
    path = tmp_path / "labels.txt"
    path.write_text(f"header\n{row}\n")
    with pytest.raises(ProtocolMismatch, match=r"in line 2 of labels\.txt"):
        read_rows(path, tmp_path)
