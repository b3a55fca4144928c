"""The benchmark compares equal steps and equal cosines; nothing is timed in a test."""

import sys
from types import ModuleType

import pytest
import torch

from countenance.bench import universal
from countenance.errors import MissingFile, UsageError

TRIAL = 0.05


@pytest.fixture(autouse=True)
def _without_weights(monkeypatch):
    def absent(_):
        raise MissingFile(expected="weights", came="none", remedy="pull them")

    monkeypatch.setattr(universal, "differentiable", absent)


@pytest.fixture
def _without_peers(monkeypatch):
    for name in ("torchattacks", "foolbox", "art", "art.estimators.classification", "art.attacks.evasion"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("_without_peers")
def test_every_row_and_absent_peers():
    said: list[str] = []
    results = universal.bench_universal(rounds=1, share=TRIAL, say=said.append)
    goals = [("P11-1", 6), ("P11-10", 9.5), ("P11-bf16", 25), ("P12", pytest.approx(1 / 1.1))]
    assert [(result.name, result.goal) for result in results] == goals
    for result in results:
        assert result.ratio == pytest.approx(result.peer / result.ours)
        assert result.spread[0] <= result.ratio <= result.spread[1]
        assert "resnet34 with 24 features, 112 px, random weights" in result.detail
    assert "success not compared, so the goal does not count: expected weights" in results[2].detail
    assert [line.split(":")[0] for line in said if "absent" in line] == [name for name, _ in universal.PEERS]
    assert all("countenance[peers]" in line for line in said if "absent" in line)


def sign_descent(step):
    """A library that does what ours does."""

    def prepare(model, steps):
        def attack(seeds):
            pixels = seeds
            for _ in range(steps):
                asked = pixels.detach().requires_grad_()
                loss = torch.nn.functional.cross_entropy(model(asked), torch.zeros(len(seeds), dtype=torch.long))
                (gradient,) = torch.autograd.grad(loss, asked)
                moved = pixels - step * gradient.sign()
                pixels = (seeds + (moved - seeds).clamp(-universal.EPSILON, universal.EPSILON)).clamp(0, 1)
            return pixels

        return attack

    return prepare


def test_a_library_that_does_the_same_has_a_row(monkeypatch):
    monkeypatch.setattr(universal, "PEERS", (("P13-own", sign_descent(universal.STEP)),))
    result = universal.bench_universal(rounds=1, share=TRIAL)[-1]
    assert (result.name, result.goal) == ("P13-own", 0.95)
    assert "2 sign steps of 2 seeds, float32, frozen weights" in result.detail


def test_a_library_that_does_something_else_is_not_timed(monkeypatch):
    monkeypatch.setattr(universal, "PEERS", (("P13-other", sign_descent(-universal.STEP)),))
    with pytest.raises(UsageError, match=r"expected both cosines within 0\.0001"):
        universal.bench_universal(rounds=1, share=TRIAL)


def test_steps_that_differ_are_not_timed(monkeypatch):
    monkeypatch.setattr(universal, "MOST_APART", -1)
    with pytest.raises(UsageError, match="expected both steps within -1"):
        universal.bench_universal(rounds=1, share=TRIAL)


def test_a_module_stands_in_only_where_there_is_none():
    with universal._stand_in("no_such_library"):
        assert isinstance(sys.modules["no_such_library"], ModuleType)
    assert "no_such_library" not in sys.modules
    before = sys.modules["json"]
    with universal._stand_in("json"):
        assert sys.modules["json"] is before
    assert sys.modules["json"] is before


def test_the_head_has_the_sum_and_nothing():
    network = universal.Embedder(2)
    head = universal.TwoLogits(network, torch.ones(16))
    pictures = torch.rand(3, 3, 112, 112)
    logits = head(pictures)
    assert torch.allclose(logits, torch.stack([network(pictures).sum(1), torch.zeros(3)], 1))
    assert not any(parameter.requires_grad for parameter in head.parameters())
