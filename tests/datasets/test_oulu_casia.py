"""OuluCASIA: sequences, what is missing of them, FaceLiveNet's rows."""

import pytest

from countenance.datasets.oulu_casia import AUTHENTICATION_SUBJECTS, PUBLISHED, inspect, read, read_rows
from countenance.errors import MissingFile, ProtocolMismatch
from countenance.vocabulary import Expression


@pytest.fixture
def oulu(face_set):
    return face_set("oulu-casia")


def test_published_counts():
    assert PUBLISHED["sequences"] == PUBLISHED["neutral"] == 480
    assert {PUBLISHED[name] for name in ("angry", "disgust", "fear", "happy", "sad", "surprise")} == {240}
    assert len(AUTHENTICATION_SUBJECTS) == 8


def test_samples_carry_label_and_frame(face_trees):
    samples = read(face_trees("oulu-casia"))
    assert [sample.identifier for sample in samples[:4]] == [f"P001_Anger_{number:03d}" for number in (0, 5, 6, 7)]
    assert samples[4].sequence == "Disgust"
    assert samples[5].expression is Expression.DISGUST


@pytest.mark.parametrize("folder", ["OriginalImg/VL/Strong", "."])
def test_other_homes_of_the_people(oulu, folder):
    (oulu / "home").mkdir()
    target = oulu / "home" / folder
    target.mkdir(parents=True, exist_ok=True)
    for person in (oulu / "VL" / "Strong").iterdir():
        person.rename(target / person.name)
    assert inspect(oulu / "home").counts["samples"] == 72


def test_a_missing_sequence_and_a_missing_first_frame_are_named(oulu):
    base = oulu / "VL" / "Strong"
    (base / "P001" / "Fear" / "000.jpeg").unlink()
    for path in (base / "P002" / "Sadness").iterdir():
        path.unlink()
    (base / "P002" / "Sadness").rmdir()
    (base / "P003" / "Anger" / "extra").mkdir()
    missing = inspect(oulu).missing
    assert {"VL/Strong/P001/Fear/000.jpeg", "VL/Strong/P002/Sadness"} <= set(missing)
    with pytest.raises(ProtocolMismatch, match=r"2 missing, .*; 1 wrong, .*P003/Anger/extra"):
        read(oulu)


def test_a_short_sequence_is_named(oulu):
    for number in range(3, 8):
        (oulu / "VL" / "Strong" / "P001" / "Anger" / f"{number:03d}.jpeg").unlink()
    assert any("1 sequence has fewer than 4 frames: VL/Strong/P001/Anger" in words for words in inspect(oulu).problems)


def test_rows_of_facelivenet(face_trees, tmp_path):
    path = tmp_path / "labels.txt"
    row = "0 P001 Anger 0 /data/zming/datasets/Oulu-Casia/VL_Strong/P001/Anger/005.jpeg"
    path.write_text(f"No. subject expression label path\n{row}\n")
    [sample] = read_rows(path, face_trees("oulu-casia"))
    assert (sample.identifier, sample.expression) == ("P001_Anger_005", Expression.ANGRY)
    assert sample.path.is_file()
    path.write_text(f"header\n{row.replace('005.jpeg', 'P001_Anger_005.png')}\n")
    with pytest.raises(MissingFile, match="1 missing, the first P001_Anger_005"):
        read_rows(path, face_trees("oulu-casia"))


@pytest.mark.parametrize(
    "row",
    [
        "0 P001 Anger 0",
        "0 P001 Anger 1 P001/Anger/005.jpeg",
        "0 P002 Anger 0 P001/Anger/005.jpeg",
        "0 P001 Anger x P001/Anger/005.jpeg",
        "0 P001 Anger 0 005.jpeg",
    ],
)
def test_a_row_that_contradicts_itself_is_refused(tmp_path, row):
    path = tmp_path / "labels.txt"
    path.write_text(f"header\n{row}\n")
    with pytest.raises(ProtocolMismatch, match=r"in line 2 of labels\.txt"):
        read_rows(path, tmp_path)
