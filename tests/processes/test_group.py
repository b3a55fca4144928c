"""Which process this is, what is its part, and what is alike in all: alone; several are in `test_learning`."""

import pytest

from countenance.errors import UsageError
from countenance.processes.group import ALONE, Share, agree, joined, own_share, told_by_first


@pytest.mark.parametrize("count", [4, 5, 64])
@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_the_parts_make_the_whole_and_differ_by_one_at_most(count, processes):
    parts = [list(range(count))[Share(number, processes).cut(count)] for number in range(processes)]
    assert [place for part in parts for place in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_process_that_joined_nobody_agrees_with_itself(tmp_path):
    assert own_share() == ALONE == Share(0, 1)
    agree(object(), on="anything")
    assert told_by_first("own") == "own"
    with joined("cpu", share=ALONE, folder=tmp_path):
        assert own_share() == ALONE
    assert own_share() == ALONE


def test_a_device_that_is_not_here():
    with pytest.raises(UsageError, match=r"of this machine, .*; came 'cuda:99'"), joined("cuda:99", share=ALONE):
        pytest.fail("there")


def test_others_that_cannot_be_met(monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    words = r"2 processes that meet; .*MASTER_ADDR.*; start them with torchrun"
    with pytest.raises(UsageError, match=words), joined("cpu", share=Share(0, 2)):
        pytest.fail("alone")
