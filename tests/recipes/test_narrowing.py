"""A narrow network that begins with a wide one: exact where nothing is lost, near where something is."""

import numpy as np
import pytest
import torch

from countenance.errors import UsageError
from countenance.networks.facelivenet import FULL, OFFICIAL, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import ShiftedNorm
from countenance.recipes import narrowing
from countenance.recipes.narrowing import narrow

WIDE = narrowed(OFFICIAL, numerator=1, denominator=8, hidden=8)
SMALL = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)


@pytest.fixture(scope="module")
def faces():
    coarse = np.random.default_rng(3).random((12, 3, 10, 10), np.float32)
    return torch.nn.functional.interpolate(torch.from_numpy(coarse), size=(160, 160), mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def wide(faces):
    """A wide network whose normalisations have the statistics of these faces."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = FaceLiveNet(WIDE)
    for part in network.modules():
        if isinstance(part, ShiftedNorm):
            part.momentum = 1.0
    with torch.no_grad():
        network.train().embed(faces)
    return network.eval()


def centred(features):
    return features - features.mean(0)


def test_with_all_channels_nothing_is_lost(wide, faces, monkeypatch):
    monkeypatch.setattr(narrowing, "_RIDGE", 1e-9)
    same = narrow(wide, WIDE, faces)
    with torch.inference_mode():
        theirs, ours = wide.embed(faces), same.embed(faces)
    assert torch.nn.functional.cosine_similarity(theirs, ours).min() > 0.999


def test_half_of_the_channels_say_more_than_drawn_weights(wide, faces):
    half = narrow(wide, SMALL, faces)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = FaceLiveNet(SMALL).eval()
    assert half.layout == SMALL
    assert not half.training
    with torch.inference_mode():
        theirs, ours, chance = (centred(network.embed(faces)) for network in (wide, half, drawn))
    same = np.corrcoef((theirs @ theirs.T).flatten(), (ours @ ours.T).flatten())[0, 1]
    other = np.corrcoef((theirs @ theirs.T).flatten(), (chance @ chance.T).flatten())[0, 1]
    assert same > max(0.8, other)


def test_it_is_repeatable_and_leaves_the_wide_one_alone(wide, faces):
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    one, other = (narrow(wide, SMALL, faces, seed=4).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(before[name], tensor) for name, tensor in wide.state_dict().items())


def test_channels_that_repeat_others_are_not_kept():
    rows = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    maps = torch.cat([rows, 0.5 * rows, torch.zeros(2, 2, 8, 8)], 1)
    fitter = narrowing._Fitter(np.random.default_rng(0))
    assert fitter._standing_for_all(maps, 3).tolist() == [0, 1, 2]


def test_other_numbers_of_blocks_are_refused(wide, faces):
    with pytest.raises(UsageError, match="two layouts of equally many blocks"):
        narrow(wide, FULL, faces)
