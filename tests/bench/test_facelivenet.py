"""The benchmark compares equal templates and probabilities; nothing is timed in a test."""

import sys

import numpy as np
import pytest
import torch

from countenance.bench import facelivenet
from countenance.errors import UsageError
from countenance.networks.facelivenet import OFFICIAL, SEVEN, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import ShiftedNorm

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
TRIAL = 0.01
FACES = np.random.default_rng(0).integers(0, 256, (16, 160, 160, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Faces are not drawn, and the other engines are not there."""
    monkeypatch.setattr(facelivenet, "drawn_faces", lambda count, _: FACES[:count])
    for name in ("openvino", "nncf"):
        monkeypatch.setitem(sys.modules, name, None)


def tiny():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return facelivenet.settle(FaceLiveNet(TINY, SEVEN), FACES)


def test_every_row_and_absent_engines():
    said: list[str] = []
    results = facelivenet.bench_facelivenet(rounds=1, share=TRIAL, say=said.append)
    tasks = [
        (f"P10-tasks{title}{form}", pytest.approx(0.8))
        for title in ("", "-official")
        for form in ("-eager", "-folded", "")
    ]
    assert [(result.name, result.goal) for result in results] == [
        ("P10-folded", 0),
        ("P10-onnxruntime", 2.7),
        ("P10-folded-batch8", 0),
        ("P10-onnxruntime-batch8", 0),
        *tasks,
    ]
    absent = [line for line in said if "absent" in line]
    assert [line.split(":")[0] for line in absent] == [
        "P10-fp32",
        "P10-bf16",
        "P10-int8",
        "P10-fp32-batch8",
        "P10-tasks-fp32",
        "P10-tasks-official-fp32",
    ]
    assert all("countenance[engines]" in line for line in absent)
    for result in results:
        assert result.ratio == pytest.approx(result.peer / result.ours)
        assert "random weights, 160 px" in result.detail


def test_an_engine_that_sees_something_else_is_not_timed(monkeypatch):
    monkeypatch.setattr(facelivenet, "MOST_APART", -1)
    with pytest.raises(UsageError, match="expected both templates and probabilities within -1"):
        facelivenet.bench_facelivenet(rounds=1, share=TRIAL)


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, ""), (0.5, ": TOO FAR, so the goal does not count")])
def test_a_lower_precision_that_goes_astray_is_told(shift, verdict):
    network = tiny()
    plain = facelivenet._eager(network, 1)

    def astray(faces):
        templates, probabilities = plain(faces)
        return [templates, np.roll(probabilities, 1, axis=1) if shift else probabilities]

    form = facelivenet._Form("int8", "words", facelivenet._eager, exact=False)
    words, sound = facelivenet._parity(form, astray, plain, FACES[:4], 1)
    assert "mean 1.0000, least 1.0000" in words
    assert ("0.0% of 4" if shift else "100.0% of 4") in words
    assert facelivenet._verdict(8, sound=sound) == verdict
    assert facelivenet._verdict(0, sound=False) == ""


def test_verification_alone_has_the_same_templates():
    network = tiny()
    alone = facelivenet.verification_alone(network)
    both, one = facelivenet._eager(network, 1)(FACES[:2]), facelivenet._eager(alone, 1)(FACES[:2])
    assert len(both) == 2
    assert len(one) == 1
    np.testing.assert_array_equal(both[0], one[0])
    assert network.branch_2 is not None


def test_settled_statistics_are_those_of_the_faces():
    network = tiny()
    norm = network.trunk.stem[0].norm
    assert isinstance(norm, ShiftedNorm)
    assert not network.training
    assert norm.momentum == pytest.approx(0.005)
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        network(facelivenet._pixels(FACES))
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_openvino_sees_the_same(monkeypatch):
    for name in ("openvino", "nncf"):
        monkeypatch.delitem(sys.modules, name)
    pytest.importorskip("openvino", reason="openvino is not installed")
    network = tiny()
    plain, own = facelivenet._eager(network, 2), facelivenet._openvino(network, 2)
    for left, right in zip(own(FACES[:2]), plain(FACES[:2]), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
