"""FeatherNet A and B: sizes, the shortcut of B, what its 1,024 logits are."""

import pytest
import torch
from torch import nn

from countenance.networks.excitation import Excitation
from countenance.networks.feathernet import feathernet_a, feathernet_b
from countenance.vocabulary import Modality


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def test_b_has_four_shortcuts_more():
    with torch.device("meta"):
        more = count(feathernet_b()) - count(feathernet_a())
    pairs = [(32, 16), (16, 32), (32, 48), (48, 64)]
    assert more == sum(ins * outs + 2 * ins for ins, outs in pairs)


def test_maps_have_the_stated_shapes():
    shapes = []
    with torch.device("meta"):
        network = feathernet_b()
        for name, part in network.layers.named_children():
            if "gate" not in name:
                part.register_forward_hook(lambda _module, _given, maps: shapes.append(tuple(maps.shape[1:])))
        assert network.embed(torch.rand(1, 1, 224, 224)).shape == (1, 1024)
    assert shapes == [(32, 112, 112), (16, 56, 56), (32, 28, 28), (48, 14, 14), (64, 7, 7), (64, 4, 4)]
    assert sum(isinstance(part, Excitation) for part in network.modules()) == 4
    assert not [part for part in network.modules() if isinstance(part, nn.Linear)]


def test_its_work_is_near_what_is_published():
    """79.99 and 83.05 million are published; multiplications in convolutions outside the gates are 97 % of them."""
    work: list[int] = []

    def note(module, _given, maps):
        if maps.shape[-1] > 1:
            work.append(module.weight[0].numel() * maps[0].numel())

    for build, published in ((feathernet_a, 79.99e6), (feathernet_b, 83.05e6)):
        work.clear()
        with torch.device("meta"):
            network = build()
            for part in network.modules():
                if isinstance(part, nn.Conv2d):
                    part.register_forward_hook(note)
            network(torch.rand(1, 1, 224, 224))
        assert sum(work) == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("modality", list(Modality))
def test_it_reads_one_sensor(modality):
    network = feathernet_a(modality).eval()
    assert network.modalities == (modality,)
    assert network.side == 224
    assert network(torch.rand(2, 3 if modality is Modality.RGB else 1, 224, 224)).shape == (2,)


def test_the_score_is_the_softmax_over_all_classes():
    network = feathernet_b().eval()
    pixels = torch.rand(3, 1, 224, 224)
    logits = network.classify(network.embed(pixels))
    assert logits.shape == (3, 1024)
    torch.testing.assert_close(network(pixels).sigmoid(), logits.softmax(1)[:, 1])


def test_gates_start_narrow_and_convolutions_by_what_goes_out():
    network = feathernet_a()
    gates = [part for part in network.modules() if isinstance(part, Excitation)]
    for gate in gates:
        assert gate.squeeze.bias is not None
        assert not gate.squeeze.bias.any()
        assert gate.squeeze.weight.abs().max() < 0.06
    filters = network.layers.get_parameter("stage_4.1.change.1.0.weight")  # one 3 x 3 for each of 384 channels
    assert filters.shape == (384, 1, 3, 3)
    assert filters.std().item() == pytest.approx((2 / (9 * 384)) ** 0.5, rel=0.05)
