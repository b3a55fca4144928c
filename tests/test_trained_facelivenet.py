"""The files of a FaceLiveNet: its card builds it again, and what is no such card is refused in words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from countenance import trained_facelivenet
from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.errors import DataError, MissingFile, UsageError
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.facelivenet import FULL, OFFICIAL, SEVEN, BranchVariant, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import load
from countenance.trained_facelivenet import (
    LAYOUTS,
    build_facelivenet,
    facelivenet_state,
    judge_expressions,
    stage_1,
    stated_facelivenet,
    stated_stage_1,
)
from countenance.vocabulary import Expression, Split

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
POINT = OperatingPoint(0.5, "fmr:0.001", Split.DEVELOPMENT, "digest of scores")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(trained_facelivenet, "LAYOUTS", {**LAYOUTS, "tiny": TINY})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


@pytest.fixture
def network():
    return FaceLiveNet(TINY, SEVEN, variant=BranchVariant.BLOCK5_X1, rectified_logits=True).eval()


@pytest.fixture
def faces():
    return np.random.default_rng(2).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)


def pixels(faces):
    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255


def test_the_network_comes_back_with_what_its_card_states(tmp_path, network, faces):
    state = facelivenet_state(network, point=POINT, label="drawn data", epoch=4)
    write_checkpoint(tmp_path, "best", state)
    for source in (tmp_path, tmp_path / "best.json"):
        back = stated_facelivenet(source)
        assert (back.point, back.label, back.card["epoch"]) == (POINT, "drawn data", 4)
        assert (back.network.expressions, back.network.variant) == (SEVEN, BranchVariant.BLOCK5_X1)
        assert back.network.rectified_logits
        assert not back.network.training
        ours, theirs = back.network(pixels(faces)), network(pixels(faces))
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert state.card["layout"] == "tiny"
    assert state.card["operating_point"]["rule"] == "fmr:0.001"


def test_a_first_stage_has_no_expressions_yet(tmp_path):
    network = FaceLiveNet(TINY)
    write_checkpoint(tmp_path, "best", facelivenet_state(network))
    back = stated_stage_1(str(tmp_path))
    assert (back.network.expressions, back.network.branch_2, back.point) == ((), None, None)
    assert all(map(torch.equal, stage_1(str(tmp_path)).parameters(), network.parameters()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_a_name(layout):
    card = {"network": "facelivenet", "expressions": [], "variant": "block5 x2", "rectified_logits": False}
    with torch.device("meta"):
        assert build_facelivenet({**card, "layout": layout}).layout == LAYOUTS[layout]


def test_facenet_is_a_first_stage(pulled, faces):
    path = pulled("facenet")["facenet"]
    start = stated_stage_1("facenet")
    assert start.network.layout == FULL
    assert start.point is not None
    assert start.point.split == Split.DEVELOPMENT
    with torch.inference_mode():
        torch.testing.assert_close(start.network.embed(pixels(faces)), load(path)(pixels(faces)))


def test_probabilities_are_those_of_the_mean_logits(network, faces):
    with torch.inference_mode():
        plain, mirrored = (network(view).logits.double() for view in (pixels(faces), pixels(faces).flip(3)))
    for mirror, logits in ((False, plain), (True, (plain + mirrored) / 2)):
        found = judge_expressions(network.train(), faces, mirror=mirror)
        assert found.shape == (3, 7)
        np.testing.assert_allclose(found, torch.softmax(logits, 1).numpy(), atol=1e-6)
    whole = judge_expressions(network, faces[:, :, ::-1], mirror=True)
    np.testing.assert_allclose(whole, judge_expressions(network, faces, mirror=True), atol=1e-5)
    many = judge_expressions(network, np.repeat(faces, 12, axis=0), mirror=False)
    np.testing.assert_allclose(many[::12], judge_expressions(network, faces, mirror=False), atol=1e-5)


def test_what_cannot_be_judged(network, faces):
    with pytest.raises(UsageError, match=r"faces \(N, 160, 160, 3\) uint8"):
        judge_expressions(network, faces[:, :80], mirror=False)
    with pytest.raises(UsageError, match="a network with expressions; came one without; train stage 2 first"):
        judge_expressions(FaceLiveNet(TINY), faces, mirror=False)


def test_what_is_no_facelivenet(tmp_path, network):
    with pytest.raises(MissingFile, match="the checkpoint 'best'"):
        stated_facelivenet(tmp_path)
    (tmp_path / "weights.pth").touch()
    with pytest.raises(UsageError, match=r"the folder of a FaceLiveNet's run.*weights\.pth"):
        stated_facelivenet(tmp_path / "weights.pth")
    state = facelivenet_state(network)
    for changes, words in (
        ({"network": "slim-pad"}, "the card of a facelivenet; came that of a network 'slim-pad'"),
        ({"layout": "wide"}, "expressions, variant, rectified_logits in the card"),
        ({"expressions": ["bored", "sad"]}, "bored"),
        ({"expressions": ["sad"]}, "two expressions or more"),
        ({"variant": "block5 x2"}, "the tensors of a facelivenet of layout tiny"),
        ({"operating_point": {"value": 0.5}}, "value, rule and split of the threshold"),
        ({"operating_point": {"value": 0.5, "rule": "eer", "split": "test"}}, r"came 0\.5 from test"),
        ({"operating_point": {"value": float("nan"), "rule": "eer", "split": "development"}}, "a finite threshold"),
    ):
        write_checkpoint(tmp_path, "best", Checkpoint(state.tensors, {**state.card, **changes}))
        with pytest.raises(DataError, match=words):
            stated_facelivenet(tmp_path)


def test_what_cannot_be_written_or_started_from(network):
    with pytest.raises(UsageError, match="a layout with a name: official, slim, full, tiny"):
        facelivenet_state(FaceLiveNet(replace(TINY, hidden=9)))
    with pytest.raises(UsageError, match=r"a finite threshold from development pairs; came 0\.5 from test"):
        facelivenet_state(network, point=replace(POINT, split=Split.TEST))
    with pytest.raises(UsageError, match="facenet, or the folder of a FaceLiveNet's run; came 'facenett'"):
        stage_1("facenett")


def test_a_card_can_name_contempt():
    card = facelivenet_state(FaceLiveNet(TINY, list(Expression))).card
    assert build_facelivenet(card).expressions == tuple(Expression)
