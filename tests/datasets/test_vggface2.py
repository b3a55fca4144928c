"""VGGFace2: parts, the table of people, the lists, the boxes."""

import pytest

from countenance.datasets.vggface2 import Person, inspect, read, read_boxes, read_people
from countenance.errors import MissingFile, ProtocolMismatch, UsageError


@pytest.fixture
def vggface2(face_set):
    return face_set("vggface2")


def test_samples_tell_part_and_gender(face_trees):
    root = face_trees("vggface2")
    train, test = read(root, "train"), read(root, "test")
    assert len(read(root)) == len(train) + len(test) == 15
    assert not {sample.subject for sample in train} & {sample.subject for sample in test}
    first = test[0]
    assert (first.identifier, first.subject) == ("test/n000001/0001_01", "n000001")
    assert first.path == root / "test" / "n000001" / "0001_01.jpg"
    assert first.attributes["split"] == "test"
    assert first.attributes["gender"] in ("male", "female")


def test_the_published_table_is_read(tmp_path):
    (tmp_path / "meta").mkdir()
    rows = ['n000001, "14th_Dalai_Lama", 424, 0, m,', 'n000002,"A_Fine_Frenzy",315,1, f']
    (tmp_path / "meta" / "identity_meta.csv").write_text("\n".join(["Class_ID, Name, Sample_Num, Flag, Gender", *rows]))
    assert read_people(tmp_path) == {
        "n000001": Person("14th_Dalai_Lama", 424, "test", "male"),
        "n000002": Person("A_Fine_Frenzy", 315, "train", "female"),
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda text: text.replace(", 3, 0, ", ", 3, 1, ", 1),
            "1 identity is not in this part by identity_meta.csv: test/n0",
        ),
        (lambda text: text.replace(", 3, 0, ", ", 4, 0, ", 1), "test/n000001 (3 of 4 photographs)"),
        (lambda text: text + "n000009, X, 3, 1, f\n", "1 identity of identity_meta.csv has no folder: train/n000009"),
        (lambda text: text.replace(", 3, 0, ", ", 3, ", 1), "in line 2 of identity_meta.csv"),
        (lambda text: text + "n000001, X, 3, 1, f\n", "in line 7 of identity_meta.csv"),
    ],
)
def test_a_damaged_table_is_named(vggface2, change, words):
    path = vggface2 / "identity_meta.csv"
    path.write_text(change(path.read_text()))
    assert any(words in problem for problem in inspect(vggface2).problems)
    with pytest.raises(ProtocolMismatch):
        read(vggface2)


def test_somebody_in_both_parts_is_named(vggface2):
    (vggface2 / "train" / "n000003").rename(vggface2 / "test" / "n000003")
    (vggface2 / "train" / "n000003").mkdir()
    problems = inspect(vggface2).problems
    assert any("1 subject in two of the splits: n000003 (train and test)" in words for words in problems)
    assert any("1 identity without a picture: train/n000003" in words for words in problems)


def test_a_photograph_of_the_list_is_missed_by_name(vggface2):
    (vggface2 / "drawn.json").unlink()
    (vggface2 / "drawn.csv").unlink()
    (vggface2 / "identity_meta.csv").unlink()
    (vggface2 / "train" / "n000004" / "0002_01.jpg").unlink()
    with pytest.raises(MissingFile, match=r"1 missing, the first: train/n000004/0002_01\.jpg"):
        read(vggface2)


def test_a_published_tree_has_published_counts(vggface2):
    for name in ("drawn.json", "drawn.csv", "identity_meta.csv"):
        (vggface2 / name).unlink()
    problems = inspect(vggface2).problems
    assert "train/identities: 8,631 are published, 3 are here" in problems
    assert "test/identities: 500 are published, 2 are here" in problems


def test_boxes_are_read(tmp_path):
    (tmp_path / "bb_landmark").mkdir()
    path = tmp_path / "bb_landmark" / "loose_bb_train.csv"
    path.write_text('"NAME_ID","X","Y","W","H"\n"n000002/0001_01",161,140,224,324\n')
    assert read_boxes(tmp_path, "train") == {"n000002/0001_01": (161, 140, 224, 324)}
    path.write_text("NAME_ID,X,Y,W,H\nn000002/0001_01,161,140\n")
    with pytest.raises(ProtocolMismatch, match=r"in line 2 of loose_bb_train\.csv"):
        read_boxes(tmp_path, "train")
    with pytest.raises(MissingFile, match="VGGFace2's face boxes"):
        read_boxes(tmp_path, "test")


def test_an_unknown_part_is_refused(face_trees):
    with pytest.raises(UsageError, match="train or test of VGGFace2"):
        read(face_trees("vggface2"), "val")
