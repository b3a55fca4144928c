"""ResNet-18 and 34: a block by hand, the names of published checkpoints, the sizes of their maps."""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d

from countenance.errors import UsageError
from countenance.networks.resnet import BasicBlock, resnet18, resnet34


@pytest.mark.parametrize(("ins", "stride"), [(3, 1), (2, 1), (2, 2)])
def test_a_block_is_as_worked_out_by_hand(ins, stride):
    block = BasicBlock(ins, 3, stride=stride).eval()
    for each in block.parameters():
        nn.init.uniform_(each, *((-0.5, 0.5) if each.dim() == 4 else (0.1, 0.9)))
    values = dict(block.named_parameters()) | dict(block.named_buffers())

    def norm(maps, name):
        kept = values[f"{name}.running_mean"], values[f"{name}.running_var"]
        return batch_norm(maps, *kept, values[f"{name}.weight"], values[f"{name}.bias"])

    maps = torch.randn(2, ins, 6, 6)
    change = norm(conv2d(maps, values["conv1.weight"], padding=1, stride=stride), "bn1").clamp(min=0)
    change = norm(conv2d(change, values["conv2.weight"], padding=1), "bn2")
    shortcut = maps
    if ins != 3:
        shortcut = norm(conv2d(maps, values["downsample.0.weight"], stride=stride), "downsample.1")
    torch.testing.assert_close(block(maps), (change + shortcut).clamp(min=0))


@pytest.mark.parametrize(("build", "convolutions"), [(resnet18, 17), (resnet34, 33)])
def test_maps_shrink_as_in_the_paper(build, convolutions):
    trunk = build()
    with torch.device("meta"):
        maps = torch.rand(1, 3, 224, 224)
        parts = [trunk.build_stem(), *(trunk.build_stage(each, trunk.channels[each - 1]) for each in range(1, 5))]
        shapes = []
        for part in parts:
            maps = part(maps)
            shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    on_the_way = [
        name
        for part in parts
        for name, each in part.named_modules()
        if isinstance(each, nn.Conv2d) and "downsample" not in name
    ]
    assert len(on_the_way) == convolutions


def test_modules_are_called_as_in_published_checkpoints():
    trunk = resnet18()
    with torch.device("meta"):
        assert set(dict(trunk.build_stem().named_parameters())) == {"conv1.weight", "bn1.weight", "bn1.bias"}
        stage = set(trunk.build_stage(2, 64).state_dict())
    assert {"0.conv1.weight", "0.bn2.running_var", "0.downsample.0.weight", "1.conv2.weight"} <= stage
    assert "1.downsample.0.weight" not in stage


def test_what_cannot_be_built():
    for build in (resnet18, resnet34):
        with pytest.raises(UsageError, match="width of at least 1"):
            build(width=0)
