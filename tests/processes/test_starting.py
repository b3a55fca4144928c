"""Processes begin, and end together: by an error, a defect or a signal; torchrun's words are read."""

import multiprocessing
from functools import partial

import pytest

from countenance.errors import UsageError
from countenance.processes.group import ALONE, Share
from countenance.processes.starting import share_of_launch, together


@pytest.mark.parametrize(
    ("way", "error", "words"),
    [
        ("error", UsageError, "expected a cause; came another; look at process 1"),
        ("defect", RuntimeError, "ZeroDivisionError: of process 1"),
        ("signal", UsageError, "2 processes that live to the end; came process 1 ended by SIGKILL; run the same"),
    ],
)
def test_when_one_ends_the_others_are_ended_and_the_cause_is_told(twins, way, error, words):
    with pytest.raises(error, match=words):
        together(("cpu", "cpu"), partial(twins.end_early, way=way))
    assert multiprocessing.active_children() == []


def test_torchrun_tells_which_process_this_is(monkeypatch):
    assert share_of_launch() == ALONE
    monkeypatch.setenv("RANK", "5")
    with pytest.raises(UsageError, match=r"RANK below WORLD_SIZE, .*; came 5 and 1"):
        share_of_launch()
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert share_of_launch() == Share(5, 8)
