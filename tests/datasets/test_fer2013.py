"""FER2013: table and pictures, splits, the real archive's counts."""

import tarfile

import numpy as np
import pytest

from countenance.datasets.expression_sequences import count_expressions
from countenance.datasets.fer2013 import FACES, PUBLISHED, inspect, read, read_face, samples_of_names
from countenance.datasets.inspection import different_counts
from countenance.datasets.samples import ExpressionSample
from countenance.errors import MissingFile, ProtocolMismatch
from countenance.vocabulary import Expression, Split

TABLE = "fer2013 as table"


def edit(root, change):
    path = root / "fer2013.csv"
    path.write_text(change(path.read_text()))


def test_published_counts():
    assert [sum(faces) for faces in FACES.values()] == [28_709, 3_589, 3_589]


def test_a_table_and_pictures_tell_the_same_labels(face_trees):
    of_table, of_pictures = read(face_trees(TABLE)), read(face_trees("fer2013"))
    for samples in (of_table, of_pictures):
        assert [sum(sample.split is split for sample in samples) for split in Split] == [56, 7, 7]
        assert sum(sample.expression is Expression.HAPPY for sample in samples) == 10
        assert all(read_face(sample).shape == (48, 48) for sample in samples[::9])
    assert all(sample.identifier.split("/")[0] == sample.expression for sample in of_pictures)


def test_a_row_of_the_table_is_a_face_row_by_row(face_trees):
    lines = (face_trees(TABLE) / "fer2013.csv").read_text().splitlines()
    for number in (1, 8, 70):
        emotion, pixels, usage = lines[number].split(",")
        sample = read(face_trees(TABLE))[number - 1]
        face = read_face(sample)
        assert face.dtype == np.uint8
        assert face.ravel().tolist() == list(map(int, pixels.split()))
        assert sample.identifier == f"{usage}_{number + 1}"
        assert list(Expression)[int(emotion)] is sample.expression


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("Usage", "usage", 1), "the columns emotion,pixels,Usage in fer2013.csv"),
        (
            lambda text: text.replace(",Training", ",Trainig", 1),
            "1 row of fer2013.csv is no emotion,pixels,Usage: line 2",
        ),
        (lambda text: text.replace("\n0,", "\n7,", 1), "line 2"),
        (lambda text: text.replace(",Training", "", 1), "line 2"),
        (lambda text: text.replace("\n0,", "\n3,", 1), "are stated by drawn.json"),
    ],
)
def test_a_damaged_table_is_named(face_set, change, words):
    root = face_set(TABLE)
    edit(root, change)
    assert any(words in problem for problem in inspect(root).problems)
    with pytest.raises(ProtocolMismatch):
        read(root)


@pytest.mark.parametrize("damage", ["", "999", "-1", "x", "1 2"])
def test_pixels_that_are_no_face_are_unreadable(face_set, damage):
    root = face_set(TABLE)
    edit(root, lambda text: "\n".join([*text.splitlines()[:1], f"0,{damage} " + text.splitlines()[1].split(" ", 1)[1]]))
    [words] = inspect(root).unreadable
    assert words.startswith("fer2013.csv: Training_2: ")
    first = ExpressionSample(
        identifier="Training_2",
        subject="",
        expression=None,
        path=root / "fer2013.csv",
        offset=len("emotion,pixels,Usage\n"),
    )
    with pytest.raises(ProtocolMismatch, match="48 x 48 greys of 0 to 255 for Training_2"):
        read_face(first)


def test_a_picture_of_another_size_or_in_another_part_is_named(face_set):
    root = face_set("fer2013")
    one, other = sorted((root / "train" / "angry").iterdir())[:2]
    one.write_bytes(next((face_set("afad") / "AFAD-Lite").glob("*/*/*.jpg")).read_bytes())
    other.rename(root / "test" / "angry" / other.name)
    problems = " ".join(inspect(root).problems)
    assert f"1 picture is not 48 x 48: train/angry/{one.name}" in problems
    assert f"test/angry/{other.name}" in problems


def test_only_the_split_that_is_asked_for_must_be_whole(tmp_path):
    names = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    for name, number in zip(names, FACES["PublicTest"], strict=True):
        (tmp_path / "test" / name).mkdir(parents=True)
        for count in range(number):
            (tmp_path / "test" / name / f"PublicTest_{count}.jpg").touch()
    assert len(read(tmp_path, Split.DEVELOPMENT)) == 3_589
    with pytest.raises(MissingFile, match="1 missing, the first: Training: all 28,709 faces"):
        read(tmp_path, Split.TRAIN)
    with pytest.raises(MissingFile, match="2 missing"):
        read(tmp_path)
    (tmp_path / "test" / "fear" / "PublicTest_7.jpg").unlink()
    assert "development/fear: 496 are published, 495 are here" in inspect(tmp_path).problems
    with pytest.raises(ProtocolMismatch, match="2 wrong, the first: development: 3,589 are published, 3,588 are here"):
        read(tmp_path, Split.DEVELOPMENT)


def test_the_real_archive_holds_what_its_readme_states(data_folder):
    archive = data_folder / "fer2013.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    with tarfile.open(archive) as packed:
        names = [member.name.removeprefix("fer2013/") for member in packed if member.isfile()]
    samples, strangers = samples_of_names(names, data_folder)
    assert strangers == []
    assert different_counts(count_expressions(samples), PUBLISHED, source="published")[0].startswith("test: 3,589 are")
    for split in (Split.TRAIN, Split.DEVELOPMENT):
        published = {key: number for key, number in PUBLISHED.items() if key.startswith(split)}
        assert different_counts(count_expressions(samples), published, source="published") == []
    assert sum(sample.split is Split.TRAIN for sample in samples) == 28_709
    assert len(samples) == 28_709 + 3_589
    assert len({sample.identifier for sample in samples}) == len(samples)  # though numbers stand twice
