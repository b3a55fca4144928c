"""The slim network: its size, its sensors, a gradient everywhere, the same alone as in a batch."""

import itertools

import pytest
import torch

from countenance.errors import UsageError
from countenance.networks.slim_pad import SIDE, SlimPad, channels_of
from countenance.vocabulary import Modality

SUBSETS = [some for count in (1, 2, 3) for some in itertools.combinations(Modality, count)]


def planes(modalities, count=3):
    return torch.rand(count, channels_of(modalities), SIDE, SIDE)


@pytest.mark.parametrize("modalities", SUBSETS, ids="+".join)
def test_every_subset_of_the_sensors_gives_a_logit_each(modalities):
    network = SlimPad(modalities)
    assert network.modalities == modalities
    logits = network(planes(modalities))
    assert logits.shape == (3,)
    assert torch.isfinite(logits).all()
    logits.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_it_has_as_many_parameters_as_is_said():
    # convolutions 9 (5 16 + 16 24 + 24 32 + 32 48 + 48 64), two for each of 184 channels, and 64 + 1
    assert sum(parameter.numel() for parameter in SlimPad(tuple(Modality)).parameters()) == 52_560 + 368 + 65
    assert sum(parameter.numel() for parameter in SlimPad([Modality.DEPTH], width=2).parameters()) < 1_000


def test_a_sample_alone_gets_the_score_that_it_gets_in_a_batch():
    network = SlimPad(tuple(Modality)).eval()
    batch = planes(tuple(Modality), 5)
    together = network(batch)
    alone = torch.cat([network(sample[None]) for sample in batch])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)
    assert together.std() > 0


def test_the_normalisation_is_inside():
    network = SlimPad([Modality.INFRARED]).eval()
    seen = []
    network.features.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 1, SIDE, SIDE))
    assert seen[0][:, 0, 0, 0].tolist() == [-2.0, 0.0, 2.0]
    assert {"middle", "spread"} <= dict(network.named_buffers()).keys()


@pytest.mark.parametrize(
    ("modalities", "width", "words"),
    [
        ([], 16, "came no sensor and width 16"),
        ([Modality.RGB, Modality.RGB], 16, "came rgb, rgb"),
        ([Modality.RGB], 3, "an even width"),
        ([Modality.RGB], 0, "width of at least 2"),
    ],
)
def test_what_cannot_be_built(modalities, width, words):
    with pytest.raises(UsageError, match=words):
        SlimPad(modalities, width=width)
