"""The few-frame network: counts, shapes, gradients, standardised frames, and the rewrite in two dimensions."""

import functools
import itertools
import json
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.errors import UsageError
from countenance.networks.architectures import ARCHITECTURES
from countenance.networks.factorised import FactorisedConvolution, Middle
from countenance.networks.fewframe import (
    WIDE,
    FactorisedAlexNet,
    FewFrameNetwork,
    fewframe_of,
    flattened,
    side_of_maps,
    slim_fewframe,
    standardised,
)
from countenance.transforms.standardisation import standardise

ROWS = [each for each in ARCHITECTURES if each.name.startswith(("alexnet2plus1d", "flownets"))]


def trainable(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters() if each.requires_grad)


def tiny(frames: int = 5, *, flow_width: int = 0, side: int = 80, **more: Any) -> FewFrameNetwork:
    return FewFrameNetwork(frames=frames, side=side, channels=(4, 6, 8, 6, 5), hidden=12, flow_width=flow_width, **more)


def lively(frames: int = 5, **more: Any) -> FewFrameNetwork:
    """One whose normalisations are far from the identity, ready to judge."""
    network = tiny(frames, **more)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.momentum = None
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias, std=0.3)
    with torch.no_grad():
        network.train()(clips_for(network, 4))
    return network.eval()


def clips_for(network: FewFrameNetwork, count: int) -> Tensor:
    return torch.rand(count, network.frames, 3, network.side, network.side)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_as_large_as_written(row):
    with torch.device("meta"):
        network = row.build()
        assert trainable(network) == row.parameters
        if isinstance(network, FewFrameNetwork):
            assert network.eval()(clips_for(network, 2)).shape == (2, network.features)
            assert f"(N, {network.frames}, 3, {network.side}, {network.side}) in [0, 1]" in row.inputs


def test_the_numbers_of_the_paper():
    with torch.device("meta"):
        network, flow = FewFrameNetwork(), FewFrameNetwork(flow_width=64)
        wide, output = FactorisedAlexNet(WIDE), FewFrameNetwork(middle="output")
    assert trainable(network.convolutions) == 7_409_237
    assert trainable(network.fc6) + trainable(network.fc7) == 54_534_144
    assert trainable(flow.convolutions) == 7_409_237
    assert flow.fc6.in_features == 10_240
    assert trainable(flow.fc6) + trainable(flow.fc7) == 58_728_448
    assert sum(each.numel() for each in flow.parameters()) - trainable(flow) == 24_050_752
    assert trainable(wide) == 11_241_714
    assert [layer.spatial.out_channels for layer in cast("Any", wide.layers)] == [160, 581, 768, 864, 628]
    assert [layer.spatial.out_channels for layer in cast("Any", output.convolutions).layers] == [*output.channels]


@pytest.mark.parametrize("frames", [2, 3, 5])
@pytest.mark.parametrize(("side", "sides"), [(224, (55, 27, 13, 13, 13)), (244, (60, 29, 14, 14, 14))])
def test_shapes_layer_by_layer(frames: int, side: int, sides: tuple[int, ...]):
    shapes = []
    with torch.device("meta"):
        network = FewFrameNetwork(frames=frames, side=side).eval()
        for part in network.modules():
            if isinstance(part, FactorisedConvolution | FactorisedAlexNet):
                part.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape)))
        assert network(clips_for(network, 1)).shape == (1, 4096)
    expected = [(1, width, frames, last, last) for width, last in zip(network.channels, sides, strict=True)]
    assert shapes == [*expected, (1, 256, 6, 6)]
    assert network.fc6.in_features == 9_216


@pytest.mark.parametrize("flow_width", [0, 1])
def test_weights_of_one_number_of_frames_fit_the_others(flow_width):
    weights = lively(5, flow_width=flow_width).state_dict()
    for frames in (2, 3):
        network = tiny(frames, flow_width=flow_width).eval()
        network.load_state_dict(weights)
        assert network(clips_for(network, 1)).shape == (1, 12)


def test_the_mean_over_frames():
    network, clips = lively(2, middle=Middle.OUTPUT), torch.rand(1, 2, 3, 80, 80)
    trunk, seen = network.convolutions, []
    cast("Any", trunk).pool.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    maps = trunk(clips)
    torch.testing.assert_close(maps, (seen[-1][:, :, 0] + seen[-1][:, :, 1]) / 2)


@pytest.mark.parametrize("flow_width", [0, 2])
def test_a_gradient_to_every_parameter_that_learns(flow_width):
    network = tiny(flow_width=flow_width).train()
    network(clips_for(network, 6)).square().mean().backward()
    without = [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()]
    frozen = [name for name, _ in network.named_parameters() if name.startswith("flow.")]
    assert without == frozen
    assert bool(frozen) == bool(flow_width)


def test_the_flow_encoder_never_trains():
    network = tiny(flow_width=1)
    assert network.flow is not None
    for mode in (True, False):
        network.train(mode)
        assert network.training is network.dropout.training is mode
        assert not any(part.training for part in network.flow.modules())
    assert not any(each.requires_grad for each in network.flow.parameters())


@pytest.mark.parametrize("flow_width", [0, 1])
def test_an_embedding_alone_is_the_one_in_a_batch(flow_width):
    network = lively(flow_width=flow_width).double()
    clips = clips_for(network, 3).double()
    with torch.inference_mode():
        together = network(clips)
        alone = torch.cat([network(clip[None]) for clip in clips])
    assert together.std(0).min() > 1e-6
    torch.testing.assert_close(alone, together, rtol=1e-9, atol=1e-9)


def test_brightness_and_contrast_of_a_frame_change_nothing():
    network = lively()
    clips = clips_for(network, 2)
    other = clips.clone()
    other[:, 1] = other[:, 1] * 0.4 + 0.3
    other[:, 4] = other[:, 4] * 0.7
    with torch.inference_mode():
        torch.testing.assert_close(network(other), network(clips), rtol=1e-4, atol=1e-5)
        other[:, 1, 0] += 0.1  # one channel alone is a change of colour
        assert (network(other) - network(clips)).abs().max() > 1e-3


def test_frames_are_standardised_as_pixels_are():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 8, 3), dtype=np.uint8)
    pixels[1, 2] = 77  # a frame of one colour becomes zero
    ours = standardised(torch.from_numpy(pixels).permute(0, 1, 4, 2, 3).float() / 255).permute(0, 1, 3, 4, 2)
    np.testing.assert_allclose(ours.numpy(), standardise(pixels), atol=1e-4)
    grey = torch.full((1, 2, 3, 4, 4), 0.5, requires_grad=True)
    standardised(grey).square().sum().backward()
    assert grey.grad is not None
    assert torch.isfinite(grey.grad).all()


def test_motion_is_that_of_the_first_and_the_last_frame():
    network = lively(flow_width=1)
    clips = clips_for(network, 2)
    ends = clips.clone()
    ends[:, 1:4] = 0
    with torch.inference_mode():
        motion = network.motion(clips)
        assert motion is not None
        assert motion.shape == (2, 16)
        assert torch.equal(cast("Tensor", network.motion(ends)), motion)
        assert not torch.equal(cast("Tensor", network.motion(clips.flip(1))), motion)
        assert torch.equal(network(clips, motion), network(clips))
        assert not torch.allclose(network(clips, motion + 1), network(clips))
    assert tiny().motion(clips) is None
    with pytest.raises(UsageError, match="expected no motion, without a flow encoder"):
        tiny()(clips, motion)


@functools.cache
def scored() -> FewFrameNetwork:
    network = lively()
    network.representative.copy_(torch.randn(12))
    return network


def test_a_score_is_a_cosine():
    network = scored()
    clips = clips_for(network, 3)
    with torch.inference_mode():
        found, scores = network(clips), network.score(clips)
        vector = network.representative
        by_hand = (found @ vector) / (found.norm(dim=1) * vector.norm())
        torch.testing.assert_close(scores, by_hand)
        torch.testing.assert_close(flattened(network).score(clips), scores, rtol=0, atol=1e-5)
    with pytest.raises(UsageError, match="expected the representative vector of the bona fide class; came zeros"):
        tiny().score(clips)


@pytest.mark.parametrize(
    ("frames", "flow_width", "middle"), [(2, 0, "output"), (2, 1, "matched"), (3, 0, "matched"), (5, 1, "output")]
)
def test_the_rewrite_gives_the_same(frames, flow_width, middle):
    network = lively(frames, flow_width=flow_width, middle=middle)
    clips = clips_for(network, 3)
    before = {name: each.clone() for name, each in network.state_dict().items()}
    flat = flattened(network.train())
    assert network.training
    assert not flat.training
    assert trainable(flat) == 0
    assert not any(isinstance(part, nn.Conv3d | nn.BatchNorm3d | nn.MaxPool3d) for part in flat.modules())
    with torch.inference_mode():
        expected = network.eval()(clips)
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(flat(clips), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(flat(clips[:1]), expected[:1], rtol=0, atol=1e-5)
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert flat.described() == network.described()


def test_the_rewrite_at_full_width_of_the_convolutions():
    network = FewFrameNetwork(frames=2, side=96, hidden=16).eval()
    clips = clips_for(network, 1)
    with torch.inference_mode():
        torch.testing.assert_close(flattened(network)(clips), network(clips), rtol=0, atol=1e-5)


def test_a_card_builds_it_again():
    network = lively(3, flow_width=1, middle="output")
    network.representative.copy_(torch.randn(12))
    twin = fewframe_of(json.loads(json.dumps(network.described()))).eval()
    twin.load_state_dict(network.state_dict())
    clips = clips_for(network, 2)
    with torch.inference_mode():
        assert torch.equal(twin.score(clips), network.score(clips))
    with pytest.raises(KeyError):
        fewframe_of({**network.described(), "network": "mlfa"})
    with pytest.raises(KeyError):
        fewframe_of({"network": "fewframe"})


def test_dropout_only_in_training():
    network = tiny()
    clips = clips_for(network, 4)
    assert (network.train()(clips) == 0).any()
    assert not (network.eval()(clips) == 0).any()


def test_the_slim_network():
    for frames, flow_width in itertools.product((2, 5), (0, 4)):
        network = slim_fewframe(frames=frames, flow_width=flow_width).eval()
        with torch.inference_mode():
            assert network(clips_for(network, 1)).shape == (1, 256)


def test_the_side_of_the_maps():
    assert [side_of_maps(side) for side in (63, 112, 224, 244)] == [1, 2, 6, 6]
    assert side_of_maps(62) == 0


@pytest.mark.parametrize(
    ("shape", "came"),
    [
        ((1, 4, 3, 80, 80), "4, 3, 80, 80"),
        ((1, 5, 1, 80, 80), "5, 1, 80, 80"),
        ((5, 3, 80, 80), "5, 3, 80, 80"),
        ((1, 5, 3, 80, 160), "80, 160"),
    ],
)
def test_other_clips_are_refused(shape, came):
    with pytest.raises(UsageError, match=rf"expected clips \(N, 5, 3, 80, 80\) of floating point; came .*{came}"):
        tiny()(torch.rand(shape))


def test_other_numbers_are_refused():
    with pytest.raises(UsageError, match="uint8"):
        tiny()(torch.zeros(1, 5, 3, 80, 80, dtype=torch.uint8))
    with pytest.raises(UsageError, match="expected frames of at least 2"):
        tiny(1)
    with pytest.raises(UsageError, match="expected 5 numbers of channels and a side of at least 63 pixels"):
        tiny(side=62)
    with pytest.raises(UsageError, match="came 2 numbers"):
        FewFrameNetwork(channels=(4, 4))
    with pytest.raises(UsageError, match="flow_width of at least 0"):
        tiny(flow_width=-1)
