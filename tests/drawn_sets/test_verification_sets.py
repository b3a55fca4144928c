"""Drawn LFW and YouTube Faces: pairs without repetition, folds and views without a person in two."""

import pytest

from countenance.drawn_sets.verification_sets import plan_lfw, plan_ytf
from countenance.errors import UsageError


def rows(text):
    return [tuple(line.split()) for line in text.splitlines()]


def people(fields):
    return {field for field in fields if field.startswith("Drawn_")}


def test_pairs_are_distinct_and_as_many_as_the_people_allow():
    lists = plan_lfw(subjects=40).lists
    head, *pairs = rows(lists["pairs.txt"])
    assert head == ("10", "24")  # a fold of 4 people, 6 mated pairs of 4 photographs each
    assert len(set(pairs)) == len(pairs) == 480
    assert [len(pair) for pair in pairs[:48]] == [3] * 24 + [4] * 24
    assert all(pair[1] != pair[2] for pair in pairs if len(pair) == 3)
    assert all(pair[0] != pair[2] for pair in pairs if len(pair) == 4)
    in_fold = [set().union(*map(people, pairs[start : start + 48])) for start in range(0, 480, 48)]
    assert sum(map(len, in_fold)) == len(set().union(*in_fold)) <= 40


def test_the_two_parts_of_view_1_share_nobody():
    lists = plan_lfw(subjects=40).lists
    train, development = (
        set().union(*map(people, rows(lists[name])[1:])) for name in ("pairsDevTrain.txt", "pairsDevTest.txt")
    )
    assert not train & development
    assert train <= people(field for row in rows(lists["peopleDevTrain.txt"]) for field in row)
    assert len(people(field for row in rows(lists["people.txt"]) for field in row)) == 40


def test_no_more_pairs_than_published():
    lists = plan_lfw(subjects=600).lists
    assert [rows(lists[name])[0] for name in ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt")] == [
        ("10", "300"),
        ("1100",),
        ("500",),
    ]


def test_another_seed_draws_other_pairs_and_the_same_people():
    one, other = plan_lfw(subjects=20, seed=1), plan_lfw(subjects=20, seed=2)
    assert one.lists["pairs.txt"] != other.lists["pairs.txt"]
    assert one.lists == plan_lfw(subjects=20, seed=1).lists
    assert [clip.files for clip in one.clips] == [clip.files for clip in other.clips]


def test_ytf_pairs_videos():
    planned = plan_ytf(subjects=30)
    head, *pairs = [line.split(", ") for line in planned.lists["splits.txt"].splitlines()]
    assert head == ["split number", "first name", "second name", "is same"]
    assert len({tuple(pair) for pair in pairs}) == len(pairs) == planned.counts["pairs"] == 60
    assert all((one.split("/")[0] == other.split("/")[0]) == (same == "1") for _, one, other, same in pairs)
    boxes = planned.lists["frame_images_DB/Drawn_0001.labeled_faces.txt"].splitlines()
    assert boxes[0] == "Drawn_0001\\0\\0.1.jpg,0,80,80,85,120,0.0,1"


@pytest.mark.parametrize("plan", [plan_lfw, plan_ytf])
def test_too_few_people_for_ten_folds_are_refused(plan):
    with pytest.raises(UsageError, match="20 to 10,000 subjects"):
        plan(subjects=19)
