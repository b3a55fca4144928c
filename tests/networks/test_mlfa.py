"""The multimodal network: its wiring, its sizes, its sensors, and what it does without one."""

import itertools

import pytest
import torch
from torch import nn

from countenance.errors import UsageError
from countenance.networks.caffe_resnet import caffe_resnet, slim_resnet
from countenance.networks.ir_resnet import ir_resnet
from countenance.networks.mlfa import STREAMS, MultiLevelNetwork
from countenance.networks.slim_pad import channels_of
from countenance.networks.trunk import Trunk
from countenance.vocabulary import Modality

RGB, DEPTH, INFRARED = STREAMS


def count(*modules: nn.Module) -> int:
    return sum(each.numel() for module in modules for each in module.parameters())


def planes(modalities, samples=2):
    return torch.rand(samples, channels_of(modalities), 112, 112)


def slim(**choices) -> MultiLevelNetwork:
    return MultiLevelNetwork(slim_resnet(), **choices).eval()


@pytest.mark.parametrize(
    ("trunk", "branch", "main", "aggregations"),
    [
        (caffe_resnet(), 6_960_768, 17_705_472, [677_824, 6_250_880, 15_543_040]),
        (ir_resnet(), 17_611_968, 15_737_856, [1_129_152, 16_320_384, 13_312_256]),
    ],
    ids=["caffe", "ir"],
)
def test_its_parts_have_as_many_parameters_as_is_said(trunk: Trunk, branch: int, main: int, aggregations: list[int]):
    with torch.device("meta"):
        network = MultiLevelNetwork(trunk)
    assert [count(each) for each in network.branches] == [branch] * 3
    assert count(network.main) == main
    assert network.fusions is not None
    assert network.aggregations is not None
    pairs = zip(network.fusions, network.aggregations, strict=True)
    assert [count(*pair) for pair in pairs] == aggregations


@pytest.mark.parametrize(
    ("trunk", "branch", "main", "aggregations"),
    [
        (
            caffe_resnet(),
            [(32, 110, 110), (64, 54, 54), (128, 26, 26), (256, 12, 12)],
            [(768, 12, 12), (512, 5, 5)],
            [(128, 26, 26), (256, 12, 12), (512, 5, 5)],
        ),
        (
            ir_resnet(),
            [(64, 112, 112), (64, 56, 56), (128, 28, 28), (256, 14, 14)],
            [(768, 14, 14), (512, 7, 7)],
            [(128, 28, 28), (256, 14, 14), (512, 7, 7)],
        ),
    ],
    ids=["caffe", "ir"],
)
def test_maps_have_the_stated_shapes(trunk: Trunk, branch, main, aggregations):
    shapes: dict[str, list[tuple[int, ...]]] = {}

    def note(name: str, module: nn.Module, *, entry: bool = False) -> None:
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            seen = shapes.setdefault(name, [])
            if entry:
                seen.append(tuple(inputs[0].shape[1:]))
            seen.append(tuple(output.shape[1:]))

        module.register_forward_hook(hook)

    with torch.device("meta"):
        network = MultiLevelNetwork(trunk)
        for place, parts in enumerate(network.branches):
            for part in parts:  # type: ignore[attr-defined]
                note(f"branch {place}", part)
        note("main", network.main, entry=True)
        assert network.aggregations is not None
        for part in network.aggregations:
            note("aggregations", part)
        assert network.embed(planes(STREAMS, 1)).shape == (1, 512)
    assert [shapes[f"branch {place}"] for place in range(3)] == [branch] * 3
    assert shapes["main"] == main
    assert shapes["aggregations"] == aggregations


def test_it_is_wired_as_the_released_code_says():
    """By hand: fuse a level's maps, add what came up, go through the next stage; both paths are added when pooled."""
    network = slim()
    assert network.fusions is not None
    assert network.aggregations is not None
    pixels = planes(STREAMS)
    pictures = [pixels[:, :3], pixels[:, 3:4].repeat(1, 3, 1, 1), pixels[:, 4:].repeat(1, 3, 1, 1)]
    levels = []
    for (stem, *stages), picture in zip(network.branches, pictures, strict=True):  # type: ignore[misc]
        maps = [stem((picture - network.mean) / network.spread)]  # type: ignore[has-type]
        for stage in stages:  # type: ignore[has-type]
            maps.append(stage(maps[-1]))
        levels.append(maps[1:])
    first, second, third = (torch.cat(maps, 1) for maps in zip(*levels, strict=True))
    total = network.aggregations[0](network.fusions[0](first).relu())
    total = network.aggregations[1](network.fusions[1](second).relu() + total)
    total = network.aggregations[2](network.fusions[2](third).relu() + total)
    features = network.main(third).mean((2, 3)) + total.mean((2, 3))
    torch.testing.assert_close(network.embed(pixels), features, atol=1e-4, rtol=1e-4)  # pixels are scaled in one go
    logits = features @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(network(pixels), logits[:, 1] - logits[:, 0], atol=1e-4, rtol=1e-4)
    assert network.head.out_features == 2


def test_the_gates_of_figure_2_are_on_the_main_path_alone():
    network = slim(excitation=True)
    assert network.excitations is not None
    assert network.aggregations is not None
    inputs: dict[str, torch.Tensor] = {}
    network.main.register_forward_pre_hook(lambda _module, given: inputs.update(main=given[0]))
    fusion = network.fusions[2]  # type: ignore[index]
    fusion.register_forward_pre_hook(lambda _module, given: inputs.update(fusion=given[0]))
    network(planes(STREAMS))
    gated = [gate(maps) for gate, maps in zip(network.excitations, inputs["fusion"].chunk(3, 1), strict=True)]
    torch.testing.assert_close(inputs["main"], torch.cat(gated, 1))  # re-weight first, concatenate after


def test_without_aggregation_the_main_path_decides_alone():
    whole, main = slim(), slim(aggregation=False)
    main.load_state_dict(whole.state_dict(), strict=False)
    seen: list[torch.Tensor] = []
    whole.main.register_forward_hook(lambda _module, _given, maps: seen.append(maps))
    pixels = planes(STREAMS)
    whole(pixels)
    torch.testing.assert_close(main.embed(pixels), seen[0].mean((2, 3)))


def test_variant_c_keeps_a_quarter_of_the_features():
    network = MultiLevelNetwork(caffe_resnet(width=16, stride=2), bottleneck=True).eval()
    assert network.reductions is not None
    assert [each.get_parameter("weight").shape[:2] for each in network.reductions] == [(64, 256)] * 2
    assert network.embed(planes(STREAMS)).shape == (2, 64)
    assert network.head.in_features == 64


def test_sensors_are_read_in_the_stated_order():
    """Exchanging two sensors is exchanging their branches and the channels that these give to what follows."""
    network, other = slim(), slim(streams=STREAMS)
    assert network.modalities == (RGB, DEPTH, INFRARED)
    state = network.state_dict()
    exchanged = {}
    for name, values in state.items():
        kind, _, rest = name.partition(".")
        place = rest.partition(".")[0]
        if kind == "branches" and place in "12":
            exchanged[f"branches.{3 - int(place)}.{rest[2:]}"] = values
        elif (kind == "fusions" and name.endswith("weight")) or name == "main.opening.conv.weight":
            colour, depth, infrared = values.chunk(3, 1)
            exchanged[name] = torch.cat([colour, infrared, depth], 1)
        else:
            exchanged[name] = values
    other.load_state_dict(exchanged)
    pixels = planes(STREAMS)
    swapped = pixels[:, [0, 1, 2, 4, 3]]
    torch.testing.assert_close(other(swapped), network(pixels), rtol=1e-4, atol=1e-5)
    assert not torch.isclose(network(swapped), network(pixels)).any()


@pytest.mark.parametrize("modality", list(Modality))
def test_one_sensor_may_feed_all_branches(modality):
    network = slim(streams=(modality,) * 3)
    assert network.modalities == (modality,)
    channels = channels_of([modality])
    pixels = planes([modality]).requires_grad_()
    assert pixels.shape[1] == channels == (3 if modality is RGB else 1)
    seen: list[torch.Tensor] = []
    for branch in network.branches:
        branch[0].register_forward_hook(lambda _module, _given, maps: seen.append(maps))  # type: ignore[index]
    network(pixels)
    assert not torch.equal(seen[0], seen[1])  # their weights are their own
    for maps in seen:
        (gradient,) = torch.autograd.grad(maps.square().sum(), pixels, retain_graph=True)
        assert gradient.any(dim=(0, 2, 3)).all()


@pytest.mark.parametrize(
    "streams", [some for size in (1, 2) for some in itertools.permutations(Modality, size)], ids="+".join
)
def test_any_subset_in_any_order(streams):
    network = slim(streams=streams)
    assert network.modalities == streams
    pixels = planes(streams)
    assert network(pixels).shape == (2,)
    present = torch.tensor([[True] * len(streams), [True, *[False] * (len(streams) - 1)]])
    scores = network(pixels, present)
    torch.testing.assert_close(scores[0], network(pixels)[0])
    if len(streams) == 2:
        begin = channels_of(streams[:1])
        pixels[1, begin:] = 0.25
        assert torch.equal(network(pixels, present)[1], scores[1])


def test_a_dropped_sensor_gives_no_gradient_to_its_branch():
    network = slim(excitation=True)
    network(planes(STREAMS), torch.tensor([[True, False, True]] * 2)).sum().backward()
    depth = list(network.branches[1].parameters())
    assert not [each for each in depth if each.grad is not None and each.grad.any()]
    assert any(each.grad.any() for each in network.branches[0].parameters() if each.grad is not None)


def test_what_cannot_be_built():
    with pytest.raises(UsageError, match="a sensor for each branch"):
        slim(streams=())


def test_what_cannot_be_judged_is_refused():
    network = slim()
    with pytest.raises(UsageError, match="5 channels of rgb, depth, infrared; came 9"):
        network(torch.rand(1, 9, 112, 112))
    with pytest.raises(UsageError, match="a sensor or more of each sample"):
        network(planes(STREAMS), torch.tensor([[True, True, True], [False, False, False]]))


def test_what_is_wrong_in_an_absent_sensor_does_not_reach_the_score():
    network, pixels = slim(), planes(STREAMS)
    present = torch.tensor([[True, False, True]]).expand(len(pixels), -1)
    scored = network(pixels, present)
    pixels[:, 3] = torch.nan
    assert torch.equal(network(pixels, present), scored)


def test_a_larger_picture_is_cut_to_its_middle():
    network, pixels = slim(), planes(STREAMS)
    framed = torch.rand(len(pixels), 5, 125, 125)
    framed[:, :, 6:118, 6:118] = pixels
    torch.testing.assert_close(network(framed), network(pixels))
