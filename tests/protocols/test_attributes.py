"""Errors by group: counted by hand, the same as the metric counts, and few people said to be few."""

import numpy as np
import pytest

from countenance.errors import ProtocolMismatch, TunedOnTest
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.metrics.presentation import presentation_errors
from countenance.protocols import attributes
from countenance.protocols.attributes import errors_by_attribute

POINT = OperatingPoint(0.5, "fpr:0.01", "development")
GROUPS = {"glasses": {"a": "yes", "b": "no", "c": "no"}, "beard": {"a": "no", "b": "no", "c": "no"}}


@pytest.fixture
def table(presentations):
    """Of a: one of two bona fide refused, an attack refused. Of b: one of two attacks accepted. Of c: no response."""
    return presentations([0.9, 0.4, 0.8, None], {"flat": [0.1, 0.7], "bent": [0.2]}, subjects=[*"aabcabb"])


def rows(table, groups=GROUPS, **options):
    return {row.name: row for row in errors_by_attribute(table, POINT, groups, data="eight rows", **options)}


def test_counts_by_hand(table):
    counted = {name: (row.count.count, row.count.trials) for name, row in rows(table, resamples=10).items()}
    assert counted == {
        "APCER pooled, everybody": (1, 3),
        "BPCER, everybody": (1, 3),
        "APCER pooled, glasses: no": (1, 2),
        "BPCER, glasses: no": (0, 1),
        "APCER pooled, glasses: yes": (0, 1),
        "BPCER, glasses: yes": (1, 2),
        "APCER pooled, beard: no": (1, 3),
        "BPCER, beard: no": (1, 3),
    }


def test_everybody_is_what_the_metric_counts(table):
    errors, ours = presentation_errors(table, POINT), rows(table, resamples=0)
    assert ours["APCER pooled, everybody"].count == errors.apcer_pooled
    assert ours["BPCER, everybody"].count == errors.bpcer


def test_what_stands_beside_a_rate(table, monkeypatch):
    row = rows(table, resamples=200)["APCER pooled, everybody"]
    assert row.measured == pytest.approx(100 / 3)
    assert (row.reported, row.data) == (None, "eight rows")
    assert row.interval.low == pytest.approx(0.84, abs=0.01)  # 100 (1 - .975 ** (1/3))
    assert (row.bootstrap.low, row.bootstrap.high) == (0, 50)  # of draws with a and b: 0 of 1 to 2 of 4, and less of a
    assert row.bootstrap.method == "bootstrap over subjects"
    few = "; APCER pooled, everybody: few people, 3 trials of 2"
    assert row.note == f"threshold 0.5 by rule fpr:0.01, from development{few}"
    monkeypatch.setattr(attributes, "FEW_SUBJECTS", 2)
    assert few not in rows(table, resamples=0)["APCER pooled, everybody"].note


def test_a_bootstrap_without_an_error_is_not_shown(table):
    found = rows(table, resamples=50)
    assert found["BPCER, glasses: no"].bootstrap is None
    assert found["BPCER, glasses: no"].interval.high == pytest.approx(97.5)
    assert rows(table, resamples=0)["BPCER, everybody"].bootstrap is None


def test_the_seed_makes_it_repeatable(presentations):
    scores = np.random.default_rng(0).random(48)
    people = [str(number % 16) for number in range(48)]
    table = presentations(scores[:24], {"flat": scores[24:]}, subjects=people)
    groups = {"half": {str(n): "one" if n % 2 else "other" for n in range(16)}}
    first, again, another = (
        [row.bootstrap for row in rows(table, groups, seed=seed, resamples=50).values()] for seed in (0, 0, 1)
    )
    assert first == again != another


def test_what_it_refuses(table):
    with pytest.raises(ProtocolMismatch, match="the glasses of every subject; came 1 without, the first 'c'"):
        rows(table, {"glasses": {"a": "yes", "b": "no"}})
    point = choose(table, "eer", split="development")
    with pytest.raises(TunedOnTest):
        errors_by_attribute(table, point, GROUPS, data="eight rows")
