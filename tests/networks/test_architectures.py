"""Every architecture: its size, a gradient everywhere, the same alone as in a batch, each branch its own sensor."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from countenance.networks.architectures import ARCHITECTURES, Architecture
from countenance.networks.caffe_resnet import caffe_resnet, slim_resnet
from countenance.networks.excitation import ChannelAttention, Excitation
from countenance.networks.facebagnet import A, B, C, FaceBagNet, Setting
from countenance.networks.feathernet import feathernet_a, feathernet_b
from countenance.networks.ir_resnet import ir_resnet
from countenance.networks.mlfa import STREAMS, MultiLevelNetwork
from countenance.networks.resnet import resnet18, resnet34
from countenance.networks.sef_resnet import SefResNet
from countenance.networks.slim_pad import SlimPad, channels_of

BY_NAME: Mapping[str, Architecture] = {each.name: each for each in ARCHITECTURES}


def bag(setting: Setting) -> FaceBagNet:
    """FaceBagNet that sees one patch at once: it has no width, and 36 patches take long."""
    network = FaceBagNet(setting, patch=32)
    network.side = network.patch
    return network


SMALL: Mapping[str, Callable[[], Any]] = {  # the same graph, few channels
    "mlfa-resnet34": lambda: MultiLevelNetwork(caffe_resnet(width=4, stride=2)),
    "mlfa-resnet34-b": lambda: MultiLevelNetwork(caffe_resnet(width=4, stride=2), attention=True),
    "mlfa-resnet34-c": lambda: MultiLevelNetwork(caffe_resnet(width=4, stride=2), bottleneck=True),
    "mlfa-resnet34-se": lambda: MultiLevelNetwork(caffe_resnet(width=4, stride=2), excitation=True),
    "mlfa-resnet34-no-aggregation": lambda: MultiLevelNetwork(caffe_resnet(width=4, stride=2), aggregation=False),
    "mlfa-resnet34-se-no-aggregation": lambda: MultiLevelNetwork(
        caffe_resnet(width=4, stride=2), excitation=True, aggregation=False
    ),
    "mlfa-ir50": lambda: MultiLevelNetwork(ir_resnet(width=4)),
    "mlfa-ir50-se": lambda: MultiLevelNetwork(ir_resnet(width=4), excitation=True),
    "mlfa-ir50-no-aggregation": lambda: MultiLevelNetwork(ir_resnet(width=4), aggregation=False),
    "mlfa-true-resnet34": lambda: MultiLevelNetwork(resnet34(width=8), excitation=True),
    "mlfa-true-resnet34-no-aggregation": lambda: MultiLevelNetwork(
        resnet34(width=8), excitation=True, aggregation=False
    ),
    "mlfa-true-resnet18": lambda: MultiLevelNetwork(resnet18(width=8), excitation=True),
    "mlfa-true-resnet18-no-aggregation": lambda: MultiLevelNetwork(
        resnet18(width=8), excitation=True, aggregation=False
    ),
    "mlfa-slim": lambda: MultiLevelNetwork(slim_resnet()),
    "sef-resnet18": lambda: SefResNet(width=8),
    "halfway-resnet18": lambda: SefResNet(width=8, excitation=False),
    "facebagnet": lambda: bag(A),
    "facebagnet-b": lambda: bag(B),
    "facebagnet-c": lambda: bag(C),
    "feathernet-a": feathernet_a,
    "feathernet-b": feathernet_b,
    "slim-pad": lambda: SlimPad(STREAMS),
}
OF_CLIPS = [name for name in BY_NAME if name.startswith(("alexnet2plus1d", "flownets"))]  # tests of their own
OF_FACES = ["vgg16-face", "resnet50-vggface2", "sphereface20", "sphereface36", "ir-se50"]  # in test_differentiable.py
OF_BOTH = ["facelivenet", "facelivenet-slim", "facelivenet-full"]  # in test_facelivenet.py
OF_THREE = [name for name in SMALL if not name.startswith(("feathernet", "slim-pad"))]


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def planes(network, samples) -> Tensor:
    dtype = next(network.parameters()).dtype
    return torch.rand(samples, channels_of(network.modalities), network.side, network.side, dtype=dtype)


@functools.cache
def lively(name: str) -> Any:
    """A small network in float64, whose running statistics leave no layer's output tiny, huge or centred."""
    network = SMALL[name]().double()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            nn.init.normal_(part.bias, std=0.2)
    with torch.no_grad():
        network(planes(network, 3))
    return network.eval()


def logits_of(network: Any, pixels: Tensor) -> Tensor:
    """(N, K), what cross-entropy trains; the slim network has one logit, against zero."""
    if isinstance(network, SlimPad):
        margin = network(pixels)
        return torch.stack([-margin / 2, margin / 2], 1)
    logits: Tensor = network.classify(network.embed(pixels))
    return logits


def test_names_are_names_and_all_are_tested() -> None:
    assert [each.name for each in ARCHITECTURES] == [*SMALL, *OF_CLIPS, *OF_FACES, *OF_BOTH]
    assert {"mlfa-resnet34", "mlfa-ir50", "sef-resnet18", "feathernet-a", "feathernet-b", "facebagnet"} <= set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_it_is_as_large_as_written_and_reads_what_is_written(name: str) -> None:
    known = BY_NAME[name]
    with torch.device("meta"):
        network: Any = known.build().eval()
        assert count(network) == known.parameters + known.head
        assert not known.head or count(network.head) == known.head
        side, channels = network.side, channels_of(network.modalities)
        seen = getattr(network, "patch", side)  # of FaceBagNet one patch; its votes have a test of their own
        assert network(torch.rand(2, channels, seen, seen)).shape == (2,)
    assert f"(N, {channels}, {side}, {side}) in [0, 1]" in known.inputs


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = SMALL[name]().train()
    for part in network.modules():
        if isinstance(part, Excitation | ChannelAttention):
            assert part.squeeze.bias is not None
            nn.init.ones_(part.squeeze.bias)  # of so few hidden numbers, all may be zero by chance
    cross_entropy(logits_of(network, planes(network, 3)), torch.tensor([0, 1, 1])).backward()
    without = [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()]
    assert without == []
    assert all(torch.isfinite(each.grad).all() for each in network.parameters() if each.grad is not None)


@pytest.mark.parametrize("name", SMALL)
def test_a_sample_alone_gets_the_score_that_it_gets_in_a_batch(name: str) -> None:
    network = lively(name)
    pixels = planes(network, 2)
    with torch.inference_mode():
        together = network(pixels)
        alone = torch.cat([network(sample[None]) for sample in pixels])
        bona_fide = logits_of(network, pixels).softmax(1)[:, 1]
    assert together.shape == (2,)
    assert together.std() > 1e-4
    torch.testing.assert_close(alone, together, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(together.sigmoid(), bona_fide)


@pytest.mark.parametrize("name", OF_THREE)
def test_each_branch_sees_its_own_sensor(name: str) -> None:
    network = lively(name)
    assert network.modalities == STREAMS
    seen: list[Tensor] = []
    hooks = [
        branch[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        for branch in network.branches
    ]
    pixels = planes(network, 1).requires_grad_()
    network(pixels)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 3
    for maps, channels in zip(seen, ([0, 1, 2], [3], [4]), strict=True):
        (gradient,) = torch.autograd.grad(maps.square().sum(), pixels, retain_graph=True)
        assert gradient.any(dim=(0, 2, 3)).nonzero().flatten().tolist() == channels


@pytest.mark.parametrize("name", OF_THREE)
def test_pixels_of_an_absent_sensor_do_not_change_the_score(name: str) -> None:
    network = lively(name)
    pixels = planes(network, 3)
    other = pixels.clone()
    other[0, 3], other[1, :3], other[2, 4] = 0.0, torch.rand(3, network.side, network.side, dtype=other.dtype), 1.0
    present = torch.tensor([[True, False, True], [False, True, True], [True, True, False]])
    with torch.inference_mode():
        without = network(pixels, present)
        assert torch.equal(network(other, present), without)
        whole = network(pixels, torch.ones(3, 3, dtype=torch.bool))
        assert torch.equal(network(pixels), whole)
        assert not torch.isclose(network(other), whole, rtol=1e-5).any()
        assert not torch.isclose(without, whole, rtol=1e-5).any()


def test_the_released_network_runs_whole() -> None:
    network = BY_NAME["mlfa-resnet34"].build().train()
    began = time.process_time()
    cross_entropy(logits_of(network, planes(network, 1)), torch.tensor([1])).backward()
    assert all(each.grad is not None and each.grad.any() for each in network.parameters())
    assert time.process_time() - began < 20  # seconds of work; two or three as a rule
