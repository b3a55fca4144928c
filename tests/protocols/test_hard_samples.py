"""Hard samples: chosen by hand on tables of a few rows, by class, nothing silent, nothing twice."""

from dataclasses import replace

import numpy as np
import pytest

from countenance.errors import OneClassOnly, ProtocolMismatch, UsageError
from countenance.protocols.hard_samples import Group, most_conflicting, nearest_threshold


def chosen(samples):
    return [(sample.identifier, sample.group.value, pytest.approx(sample.value)) for sample in samples]


def test_the_most_conflicting_of_each_class(presentations):
    one = presentations([0.9, 0.5, 0.8], {"flat": [0.1, 0.2], "bent": [0.0]})
    other = presentations([0.9, 0.9, 0.6], {"flat": [0.5, 0.2], "bent": [1.0]})
    assert chosen(most_conflicting([one, other], 2)) == [
        ("row1", "bona fide", 0.2),  # half of |.5 - .9|
        ("row2", "bona fide", 0.1),
        ("row5", "attack", 0.5),
        ("row3", "attack", 0.2),
    ]
    assert [sample.species for sample in most_conflicting([one, other], 2)] == ["", "", "bent", "flat"]
    assert len(most_conflicting([one, other, one], 100)) == 6


def test_a_row_without_a_response_is_left_out(presentations):
    one, other = presentations([0.9, None], {"flat": [0.1]}), presentations([0.8, 0.1], {"flat": [0.1]})
    assert [sample.identifier for sample in most_conflicting([one, other], 5)] == ["row0", "row2"]
    assert [sample.identifier for sample in nearest_threshold(one, 0.0, 5)] == ["row0", "row2"]


def test_of_equals_the_earlier_row(presentations):
    table = presentations([0.9, 0.9], {"flat": [0.1, 0.1]})
    assert [sample.identifier for sample in most_conflicting([table, table], 1)] == ["row0", "row2"]


def test_the_nearest_on_both_sides_of_the_threshold(presentations):
    # no attack may pass at rate 0: the threshold is the lowest score above .6, .7
    table = presentations([0.9, 0.7, 0.5, 0.1], {"flat": [0.6, 0.3], "bent": [0.2]}, split="test")
    assert chosen(nearest_threshold(table, 0.0, 1)) == [
        ("row2", "bona fide, refused", -0.2),
        ("row1", "bona fide, accepted", 0.0),
        ("row4", "attack, refused", -0.1),
    ]
    # one in three may pass: the threshold is .5, the lowest score above .3
    accepted = [sample for sample in nearest_threshold(table, 1 / 3, 5) if sample.group is Group.ATTACK_ACCEPTED]
    assert chosen(accepted) == [("row4", "attack, accepted", 0.1)]
    everything = nearest_threshold(table, 0.4, 5)
    assert sorted(sample.identifier for sample in everything) == table.identifiers.tolist()


def test_what_they_refuse(presentations):
    table = presentations([0.9], {"flat": [0.1]})
    with pytest.raises(UsageError, match="at least two networks; came 1"):
        most_conflicting([table], 3)
    with pytest.raises(UsageError, match="count of at least 1"):
        most_conflicting([table, table], 0)
    with pytest.raises(ProtocolMismatch, match="identifiers of row 1"):
        most_conflicting([table, replace(table, identifiers=np.array(["x", "y"]))], 1)
    with pytest.raises(UsageError, match=r"rate in \[0, 1\]; came 2"):
        nearest_threshold(table, 2, 1)
    with pytest.raises(OneClassOnly):
        nearest_threshold(table.select(table.is_positive), 0.1, 1)
