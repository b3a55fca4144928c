"""The benchmark compares equal scores; nothing is timed in a test."""

import pytest

from countenance.bench import multimodal
from countenance.errors import UsageError
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.mlfa import MultiLevelNetwork


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(multimodal, "slim_resnet", lambda *_: slim_resnet(1))


def test_every_row():
    said: list[str] = []
    results = {result.name: result for result in multimodal.bench_multimodal(rounds=1, share=0.05, say=said.append)}
    assert list(results) == [
        "P16",
        "P17-ensemble",
        "P17-published",
        "cost-slim",
        "cost-slim-ensemble",
        "cost-resnet34",
        "cost-resnet34-bf16",
    ]
    assert [results[name].goal for name in ("P16", "P17-ensemble", "P17-published")] == [1.3, 20, 1000]
    assert results["P17-ensemble"].ratio == pytest.approx(48)
    assert results["P17-published"].peer == 10_800
    assert {results[name].peer for name in results if name.startswith("cost")} == {8.0}
    assert len(said) == 5
    for result in results.values():
        assert result.ratio == pytest.approx(result.peer / result.ours)


def test_scores_that_differ_are_not_timed(monkeypatch):
    monkeypatch.setattr(multimodal, "MOST_APART", -1)
    with pytest.raises(UsageError, match="expected the scores of both drivers within -1"):
        multimodal.bench_multimodal(rounds=1, share=0.05)


def test_operations_by_hand():
    network = MultiLevelNetwork(slim_resnet(1), aggregation=False)
    counted = multimodal.operations(network)
    # the stems: 3 x 3 of 3 channels over 55 x 55, three of them, two operations each; and more behind them
    stems = 2 * 3 * 27 * 55 * 55
    assert stems < counted < 10 * stems
    assert multimodal.operations(MultiLevelNetwork(slim_resnet(1))) > counted
