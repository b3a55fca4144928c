"""FlowNetS: the published counts and names, any size of picture, its own normalisation."""

import pytest
import torch
from torch import nn

from countenance.errors import DataError, UsageError
from countenance.networks.flownets import LEVELS, FlowNetS, FlowNetSEncoder, adopt


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def slim():
    torch.manual_seed(0)
    return FlowNetS(2).eval()


@pytest.fixture(scope="module")
def whole():
    return FlowNetS()


def test_the_published_counts(whole):
    assert count(whole.encoder) == 24_050_752  # four-systems, 5.3
    # FlowNetPytorch at HEAD. NVIDIA's copy says 38,676,504: it has 968 biases in deconvolutions and enlargements.
    assert count(whole) == 38_675_536
    assert 38_676_504 - count(whole) == (512 + 256 + 128 + 64) + 4 * 2
    assert whole.encoder.features == 1024


def test_the_decoder_by_hand(whole):
    deconvolutions = 16 * (1024 * 512 + 1026 * 256 + 770 * 128 + 386 * 64)
    predictions = 2 * 9 * (1024 + 1026 + 770 + 386 + 194)
    enlargements = 4 * (2 * 2 * 16)
    assert count(whole) - count(whole.encoder) == deconvolutions + predictions + enlargements


def test_the_layers_have_the_published_names():
    names = {name.removeprefix("encoder.") for name in FlowNetS(1).state_dict()}
    convolutions = ["1", "2", "3", "3_1", "4", "4_1", "5", "5_1", "6", "6_1"]
    expected = {f"conv{name}.0.{part}" for name in convolutions for part in ("weight", "bias")}
    expected |= {f"deconv{level}.0.weight" for level in (2, 3, 4, 5)}
    expected |= {f"predict_flow{level}.weight" for level in (2, 3, 4, 5, 6)}
    expected |= {f"upsampled_flow{level}_to_{level - 1}.weight" for level in (3, 4, 5, 6)}
    assert names == expected


@pytest.mark.parametrize(
    ("side", "sides"), [(244, (61, 31, 16, 8, 4)), (112, (28, 14, 7, 4, 2)), (64, (16, 8, 4, 2, 1))]
)
def test_any_size_of_picture(slim, side, sides):
    pictures = torch.rand(2, 1, 3, side, side)
    with torch.inference_mode():
        maps, flows, flow = slim.encoder(*pictures), slim(*pictures), slim.flow(*pictures)
    assert [tuple(each.shape) for each in maps] == [
        (1, 2 * width, s, s) for width, s in zip((2, 4, 8, 8, 16), sides, strict=True)
    ]
    assert [tuple(each.shape) for each in flows] == [(1, 2, s, s) for s in sides]
    assert len(flows) == LEVELS
    assert flow.shape == (1, 2, side, side)


def test_other_than_square(slim):
    assert slim.flow(*torch.rand(2, 1, 3, 70, 101)).shape == (1, 2, 70, 101)


def test_what_is_pooled(slim):
    first, last = torch.rand(2, 3, 3, 112, 112)
    pooled = slim.encoder.pooled(first, last)
    assert pooled.shape == (3, slim.encoder.features) == (3, 32)
    torch.testing.assert_close(pooled, slim.encoder(first, last)[-1].flatten(2).mean(2))
    assert not torch.allclose(pooled, slim.encoder.pooled(last, first))


def test_alone_as_in_a_batch(slim):
    first, last = torch.rand(2, 3, 3, 64, 64)
    together = slim.flow(first, last)
    torch.testing.assert_close(slim.flow(first[1:2], last[1:2]), together[1:2], atol=1e-4, rtol=1e-4)


def test_the_first_layer_is_given_blue_green_red_less_the_means():
    encoder = FlowNetSEncoder(1)
    seen = []
    encoder.conv1.register_forward_hook(lambda _module, given, _out: seen.append(given[0]))
    rgb = torch.tensor([0.450, 0.432, 0.411]).reshape(1, 3, 1, 1).expand(1, 3, 64, 64)
    encoder(rgb, rgb + torch.tensor([0.3, 0.2, 0.1]).reshape(1, 3, 1, 1))
    torch.testing.assert_close(seen[0][0, :, 5, 5], torch.tensor([0, 0, 0, 0.1, 0.2, 0.3]), atol=1e-6, rtol=0)
    assert "means" not in encoder.state_dict(), "published weights hold no means"


def test_every_parameter_is_trained():
    network = FlowNetS(1)
    sum(flow.abs().sum() for flow in network(*torch.rand(2, 2, 3, 64, 64))).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_flows_are_pixels_of_the_input(slim):
    heard = []
    hook = slim.predict_flow2.register_forward_hook(lambda _module, _given, out: heard.append(out))
    flows = slim(*torch.rand(2, 1, 3, 64, 64))
    hook.remove()
    torch.testing.assert_close(flows[0], 20 * heard[0])


def test_a_decoder_map_is_cut_at_its_right_and_lower_edge(slim):
    """At 112 the map at 1/16 has 7 places and the one at 1/32 has 4, which a deconvolution makes 8."""
    heard: dict[str, torch.Tensor] = {}
    hooks = [
        slim.deconv4.register_forward_hook(lambda _module, _given, out: heard.update(enlarged=out)),
        slim.predict_flow4.register_forward_hook(lambda _module, given, _out: heard.update(joined=given[0])),
    ]
    slim(*torch.rand(2, 1, 3, 112, 112))
    for hook in hooks:
        hook.remove()
    assert heard["enlarged"].shape[2:] == (8, 8)
    torch.testing.assert_close(heard["joined"][:, 16:24], heard["enlarged"][:, :, :7, :7])


def test_weights_tell_their_width(slim):
    network = adopt(slim.state_dict())
    assert network.width == 2
    assert not network.training
    first, last = torch.rand(2, 1, 3, 64, 64)
    assert torch.equal(network.flow(first, last), slim.flow(first, last))


def test_what_is_refused():
    with pytest.raises(UsageError, match="width"):
        FlowNetS(0)
    for weights in ({}, {"encoder.conv1.0.weight": torch.zeros(2, 6, 7, 7)}, nn.Linear(2, 2).state_dict()):
        with pytest.raises(DataError, match="the weights of a FlowNetS without batch normalisation"):
            adopt(weights)
