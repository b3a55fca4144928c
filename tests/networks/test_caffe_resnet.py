"""The released trunk: its sizes, its blocks by hand, its first weights."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, max_pool2d, prelu

from countenance.errors import UsageError
from countenance.networks.caffe_resnet import Block, caffe_resnet, slim_resnet


def count(*modules: nn.Module) -> int:
    return sum(each.numel() for module in modules for each in module.parameters())


def test_it_has_27_convolutions_up_to_the_third_stage_and_the_last_stage_alone():
    trunk = caffe_resnet()
    with torch.device("meta"):
        parts = [trunk.build_stem(), *(trunk.build_stage(number, trunk.channels[number - 1]) for number in (1, 2, 3))]
        last = trunk.build_stage(4, 256)
    convolutions = [each for part in [*parts, last] for each in part.modules() if isinstance(each, nn.Conv2d)]
    assert len(convolutions) == 27
    assert count(*parts) == 6_960_768
    with torch.device("meta"):
        assert count(trunk.build_stage(4, 768)) == 17_705_472


def test_maps_shrink_as_stated():
    trunk = caffe_resnet()
    with torch.device("meta"):
        maps = torch.rand(1, 3, 112, 112)
        shapes = []
        for part in (trunk.build_stem(), *(trunk.build_stage(each, trunk.channels[each - 1]) for each in range(1, 5))):
            maps = part(maps)
            shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(32, 110, 110), (64, 54, 54), (128, 26, 26), (256, 12, 12), (512, 5, 5)]


def test_a_stage_is_as_worked_out_by_hand():
    trunk = caffe_resnet(width=2)
    stage = trunk.build_stage(1, 2).eval()
    for name, each in stage.named_parameters():
        nn.init.uniform_(each, *((-0.5, 0.5) if "conv" in name else (0.1, 0.9)))
    values = dict(stage.named_parameters()) | dict(stage.named_buffers())

    def unit(maps, name, padding):
        maps = conv2d(maps, values[f"{name}.conv.weight"], padding=padding)
        kept = values[f"{name}.norm.running_mean"], values[f"{name}.norm.running_var"]
        maps = batch_norm(maps, *kept, values[f"{name}.norm.weight"], values[f"{name}.norm.bias"])
        return prelu(maps, values[f"{name}.active.weight"])

    maps = torch.randn(2, 2, 12, 12)
    opened = max_pool2d(unit(maps, "opening", 0), 2)
    expected = opened + unit(unit(opened, "blocks.0.first", 1), "blocks.0.second", 1)  # nothing after the sum
    torch.testing.assert_close(stage(maps), expected)
    assert expected.shape == (2, 4, 5, 5)


def test_first_weights_of_a_branch_are_normal_by_what_goes_out():
    trunk = caffe_resnet()
    stage = trunk.build_stage(2, 64)
    trunk.draw_branch(stage)
    for part in stage.modules():
        if isinstance(part, nn.Conv2d):
            assert part.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * part.out_channels)), rel=0.02)


def test_first_weights_above_the_branches_are_narrow_in_blocks_and_flat_in_openings():
    trunk = caffe_resnet()
    stage = trunk.build_stage(2, 64)
    trunk.draw_top(stage)
    opening = stage.get_parameter("opening.conv.weight")
    bound = math.sqrt(3 / (9 * 64))
    assert opening.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert opening.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    blocks = [part for part in stage.modules() if isinstance(part, Block)]
    assert len(blocks) == 2
    for block in blocks:
        for unit in (block.first, block.second):
            assert unit.get_parameter("conv.weight").std().item() == pytest.approx(0.01, rel=0.02)


def test_the_slim_trunk_is_the_same_graph():
    slim, released = slim_resnet(), caffe_resnet()
    assert slim.channels == tuple(each // 8 for each in released.channels)
    assert slim.name != released.name
    assert slim.build_stem()(torch.rand(1, 3, 112, 112)).shape == (1, 4, 55, 55)
    names = [list(trunk.build_stage(3, 4).state_dict()) for trunk in (slim, released)]
    assert names[0] == names[1]


@pytest.mark.parametrize(("width", "stride"), [(0, 1), (4, 0)])
def test_what_cannot_be_built(width, stride):
    with pytest.raises(UsageError, match="at least 1"):
        caffe_resnet(width=width, stride=stride)
