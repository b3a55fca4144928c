"""The benchmark compares the same figures; nothing is timed in a test."""

import sys

import pytest

from countenance.bench import metrics
from countenance.bench.timing import compare
from countenance.errors import UsageError


def test_every_row_compares_equal_figures():
    said: list[str] = []
    results = metrics.bench_metrics(size=20_000, rounds=1, say=said.append)
    assert [result.name for result in results] == [
        "P15-sklearn",
        "P15-torchmetrics",
        "P15-sklearn-ties",
        "P15-torchmetrics-ties",
    ]
    assert len(said) == 4
    for result in results:
        assert result.ratio == pytest.approx(result.peer / result.ours)
        assert result.spread[0] <= result.spread[1]


def test_a_peer_that_disagrees_is_not_timed(monkeypatch):
    wrong = ("P15-wrong", 1.0, lambda *_data: lambda: (0.0, 0.0))
    monkeypatch.setattr(metrics, "PEERS", (wrong,))
    with pytest.raises(UsageError, match="expected P15-wrong to agree with ours"):
        metrics.bench_metrics(size=2_000, rounds=1)


def test_a_missing_peer_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(UsageError, match=r'pip install "countenance\[bench\]"'):
        metrics.bench_metrics(size=2_000, rounds=1)


def test_both_sides_run_equally_often():
    runs: list[str] = []

    def side(name):
        def run():
            runs.append(name)
            sum(range(10**5))  # processor time to divide by

        return run

    compare("x", ours=side("ours"), peer=side("peer"), goal=1, detail="", rounds=4)
    assert runs.count("ours") == runs.count("peer") == 5
    assert runs[2:6] == ["ours", "peer", "peer", "ours"], "the order turns round from round to round"
