"""SFEW: lists whose words, codes and pictures agree."""

import pytest

from countenance.datasets.sfew import FORMS, inspect, read
from countenance.errors import MissingFile, ProtocolMismatch, UsageError
from countenance.vocabulary import Split


@pytest.fixture
def sfew(face_set):
    return face_set("sfew")


def edit(root, change):
    path = root / "test_list.txt"
    path.write_text(change(path.read_text()))


def test_lists_are_read(face_trees):
    root = face_trees("sfew")
    train, test = read(root, Split.TRAIN), read(root, Split.TEST)
    assert (len(train), len(test)) == (14, 7)
    assert len({sample.expression for sample in test}) == 7
    assert {sample.split for sample in test} == {Split.TEST}
    assert sum(FORMS[0].values()) == 1_394
    with pytest.raises(UsageError, match="train or test of SFEW"):
        read(root, Split.DEVELOPMENT)


def test_a_path_of_anothers_machine_is_found_by_its_end(sfew):
    edit(sfew, lambda text: text.replace(" Test/", " /data/zming/datasets/SFEW/Test/"))
    found = inspect(sfew)
    assert (found.missing, found.counts["test"]) == ((), 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("Fear 2 ", "Fear 3 "), "word and code in agreement, in line 4 of test_list.txt"),
        (lambda text: text.replace("Fear 2 ", "Fear ", 1), "in line 4 of test_list.txt"),
        (lambda text: text.replace("Fear 2 ", "Fear 9 "), "in line 4 of test_list.txt"),
        (lambda text: text.replace("Test/Sad/drawn_00002", "Train/Sad/drawn_00001"), "1 picture in both lists"),
        (lambda text: text.splitlines()[0], "rows in test_list.txt"),
    ],
)
def test_a_damaged_list_is_named(sfew, change, words):
    edit(sfew, change)
    assert any(words in problem for problem in inspect(sfew).problems)
    with pytest.raises(ProtocolMismatch):
        read(sfew)


def test_lists_that_are_missing_or_twofold_are_named(sfew):
    (sfew / "test_list.txt").rename(sfew / "my_train.txt")
    found = inspect(sfew)
    assert "*test*.txt" in found.missing
    assert "2 lists with train in their name, one belongs there" in found.problems


def test_a_listed_picture_that_is_gone_is_missing(sfew):
    (sfew / "Test" / "Sad" / "drawn_00002_Sad.png").unlink()
    with pytest.raises(MissingFile, match=r"1 missing, the first: Test/Sad/drawn_00002_Sad\.png"):
        read(sfew)
