"""IR-50: a unit by hand, the names of its published checkpoints, its first weights."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, prelu

from countenance.errors import UsageError
from countenance.networks.ir_resnet import UNITS, Unit, ir_resnet


@pytest.mark.parametrize(("ins", "stride"), [(3, 2), (2, 2), (3, 1)])
def test_a_unit_is_as_worked_out_by_hand(ins, stride):
    unit = Unit(ins, 3, stride=stride).eval()
    for name, each in unit.named_parameters():
        nn.init.uniform_(each, *((-0.5, 0.5) if each.dim() == 4 else (0.1, 0.9)))
        assert name.startswith(("res_layer", "shortcut_layer"))
    values = dict(unit.named_parameters()) | dict(unit.named_buffers())

    def norm(maps, name):
        kept = values[f"{name}.running_mean"], values[f"{name}.running_var"]
        return batch_norm(maps, *kept, values[f"{name}.weight"], values[f"{name}.bias"])

    maps = torch.randn(2, ins, 6, 6)
    change = conv2d(norm(maps, "res_layer.0"), values["res_layer.1.weight"], padding=1)
    change = conv2d(prelu(change, values["res_layer.2.weight"]), values["res_layer.3.weight"], padding=1, stride=stride)
    if ins == 3:
        shortcut = maps[:, :, ::stride, ::stride]
    else:
        shortcut = norm(conv2d(maps, values["shortcut_layer.0.weight"], stride=stride), "shortcut_layer.1")
    torch.testing.assert_close(unit(maps), norm(change, "res_layer.4") + shortcut)


def test_a_published_checkpoint_fits_by_the_numbers_of_its_units():
    trunk = ir_resnet()
    with torch.device("meta"):
        stages = [trunk.build_stage(number, trunk.channels[number - 1]) for number in range(1, 5)]
    names = [
        f"body.{sum(UNITS[:place]) + int(name.partition('.')[0])}.{name.partition('.')[2]}"
        for place, stage in enumerate(stages)
        for name in stage.state_dict()
    ]
    assert {name.split(".")[1] for name in names} == {str(number) for number in range(24)}
    assert {"body.0.res_layer.0.running_mean", "body.3.shortcut_layer.0.weight", "body.23.res_layer.4.bias"} <= set(
        names
    )
    assert not [name for name in names if name.startswith("body.0.shortcut_layer")]  # 64 channels in and out


def test_maps_shrink_as_stated():
    trunk = ir_resnet()
    with torch.device("meta"):
        maps = torch.rand(1, 3, 112, 112)
        shapes = []
        for part in (trunk.build_stem(), *(trunk.build_stage(each, trunk.channels[each - 1]) for each in range(1, 5))):
            maps = part(maps)
            shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(64, 112, 112), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_first_weights_of_a_branch_are_uniform_by_both_sides():
    trunk = ir_resnet()
    stage = trunk.build_stage(2, 64)
    untouched = {name: each.clone() for name, each in stage.named_parameters()}
    trunk.draw_top(stage)
    assert all(torch.equal(each, untouched[name]) for name, each in stage.named_parameters())
    trunk.draw_branch(stage)
    weight = stage.get_parameter("1.res_layer.1.weight")
    assert weight.abs().max().item() == pytest.approx(math.sqrt(6 / (9 * (128 + 128))), rel=0.01)


def test_what_cannot_be_built():
    with pytest.raises(UsageError, match="width of at least 1"):
        ir_resnet(width=0)
