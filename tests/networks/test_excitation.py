"""Gates on channels, against the formula worked out slowly."""

import torch

from countenance.networks.excitation import ChannelAttention, Excitation


def weights_of(gate, vector):
    hidden = (gate.squeeze.weight[:, :, 0, 0] @ vector + gate.squeeze.bias).clamp(min=0)
    return gate.excite.weight[:, :, 0, 0] @ hidden


def test_excitation_weighs_each_map_by_what_all_means_say():
    gate, maps = Excitation(8, reduction=2), torch.randn(2, 8, 3, 5)
    for before, after in zip(maps, gate(maps), strict=True):
        mean = before.flatten(1).mean(1)
        weight = 1 / (1 + (-weights_of(gate, mean) - gate.excite.bias).exp())
        torch.testing.assert_close(after, before * weight[:, None, None])


def test_attention_adds_the_hidden_numbers_of_means_and_maxima():
    gate, maps = ChannelAttention(8), torch.randn(2, 8, 3, 5)
    for before, after in zip(maps, gate(maps), strict=True):
        mean, most = before.flatten(1).mean(1), before.flatten(1).amax(1)
        total = weights_of(gate, mean) + weights_of(gate, most) + gate.excite.bias
        torch.testing.assert_close(after, before * (1 / (1 + (-total).exp()))[:, None, None])


def test_they_have_as_many_parameters_as_is_said():
    assert sum(each.numel() for each in Excitation(256).parameters()) == 8_464  # 256 -> 16 -> 256
    assert sum(each.numel() for each in Excitation(128).parameters()) == 128 * 8 + 8 + 8 * 128 + 128
    # variant B: a gate after three stages of three branches, three aggregations and the last stage
    sizes = [64, 128, 256] * 3 + [128, 256, 512] + [512]
    assert sum(each.numel() for size in sizes for each in ChannelAttention(size).parameters()) == 435_568


def test_few_channels_are_decided_by_one_number():
    assert Excitation(4).squeeze.out_channels == ChannelAttention(2).squeeze.out_channels == 1


def test_no_map_stays_none():
    for gate in (Excitation(4), ChannelAttention(4)):
        assert not gate(torch.zeros(1, 4, 2, 2)).any()
