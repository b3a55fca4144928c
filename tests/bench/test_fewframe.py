"""The benchmark compares equal embeddings; nothing is timed in a test."""

import pytest

from countenance.bench import fewframe
from countenance.errors import UsageError


def test_every_row():
    said: list[str] = []
    results = fewframe.bench_fewframe(rounds=1, share=0.05, say=said.append)
    assert [(result.name, result.goal) for result in results] == [("clip-rewrite", 1.35), ("clip-rewrite-slim", 0)]
    assert [line.split(":")[0] for line in said] == [result.name for result in results]
    assert "5 frames of 224 px" in results[0].detail
    for result in results:
        assert result.unit == "processor seconds"
        assert result.ratio == pytest.approx(result.peer / result.ours)


def test_embeddings_that_differ_are_not_timed(monkeypatch):
    monkeypatch.setattr(fewframe, "MOST_APART", -1)
    with pytest.raises(UsageError, match="expected both embeddings within -1"):
        fewframe.bench_fewframe(rounds=1, share=0.05)
