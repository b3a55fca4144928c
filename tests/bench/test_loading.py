"""The benchmark compares the same pixels; nothing is timed in a test."""

import pytest

from countenance.bench import loading
from countenance.errors import UsageError


def test_every_row_compares_equal_pixels():
    said: list[str] = []
    results = loading.bench_loading(rounds=1, share=0.05, say=said.append)
    assert [result.name for result in results] == ["P14-load", "P14-cached", "P14-load-640x480"]
    assert [result.goal for result in results[:2]] == [3.5, 100.0]
    assert len(said) == 3
    for result in results:
        assert result.ratio == pytest.approx(result.peer / result.ours)


def test_pixels_that_differ_are_not_timed(monkeypatch):
    monkeypatch.setattr(loading, "MOST_GREY_LEVELS", -1)
    with pytest.raises(UsageError, match="expected the pixels of P14-load within -1 grey levels of Pillow's"):
        loading.bench_loading(rounds=1, share=0.05)
