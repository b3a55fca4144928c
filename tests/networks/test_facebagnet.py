"""FaceBagNet: sizes, patches, votes, and what erasing leaves."""

import pytest
import torch

from countenance.errors import UsageError
from countenance.networks.facebagnet import (
    PATCHES,
    STREAMS,
    A,
    B,
    C,
    FaceBagNet,
    cut_views,
    draw_patch,
    draw_present,
    erase_sensors,
)


@pytest.mark.parametrize(("setting", "blocks", "width"), [(A, (2, 2), 128), (B, (2, 4), 128), (C, (3, 4), 64)])
def test_branches_are_as_set(setting, blocks, width):
    shapes = []
    with torch.device("meta"):
        network = FaceBagNet(setting)
        branch = network.branches[0]
        for part in (*branch, network.bottleneck, *network.main):  # type: ignore[misc]
            part.register_forward_hook(lambda _module, _given, maps: shapes.append(tuple(maps.shape[1:])))
        assert network.embed(torch.rand(1, 5, 48, 48)).shape == (1, 512)
    assert shapes == [
        (3, 48, 48),
        (64, 12, 12),
        (256, 12, 12),
        (512, 6, 6),
        (384, 6, 6),
        (256, 3, 3),
        (512, 2, 2),
    ]
    assert (len(branch[2]), len(branch[3])) == blocks  # type: ignore[index]
    grouped = branch[2][0].change[3]  # type: ignore[index]
    assert (grouped.groups, grouped.out_channels) == (setting.groups, width)


def test_36_patches_vote_with_their_margins():
    network = FaceBagNet(patch=32).eval()
    planes = torch.rand(2, 5, 112, 112)
    with torch.inference_mode():
        votes = torch.stack([network(view) for view in cut_views(planes, 32)])
        assert votes.shape == (36, 2)
        torch.testing.assert_close(network(planes), votes.mean(0))


def test_patches_stand_in_a_grid_of_nine_and_are_mirrored():
    numbers = torch.arange(112 * 112.0).view(1, 1, 112, 112)
    views = cut_views(numbers, 48)
    first = views[::4, 0, 0]
    corners = [divmod(int(view[0, 0]), 112) for view in first]
    assert corners == [(row, column) for row in (0, 32, 63) for column in (0, 32, 63)]  # 63: as the code has it
    for kept, sideways, headlong, both in views.view(9, 4, 48, 48):
        assert torch.equal(sideways, kept.flip(1))
        assert torch.equal(headlong, kept.flip(0))
        assert torch.equal(both, kept.rot90(2))
    for patch, expected in zip(PATCHES, ([8, 40, 72], [0, 32, 63], [0, 24, 47]), strict=True):
        rows = [divmod(int(view[0, 0]), 112)[0] for view in cut_views(numbers, patch)[::12, 0, 0]]
        assert rows == expected


def test_erasing_is_drawn_as_often_as_stated():
    present = draw_present(40_000, 3, torch.Generator().manual_seed(0))
    kept = present.sum(1)
    shares = [(kept == sensors).float().mean().item() for sensors in (0, 1, 2, 3)]
    assert shares == pytest.approx([0, 0.25, 0.25, 0.5], abs=0.01)
    for sensors in (1, 2):
        assert present[kept == sensors].float().mean(0).tolist() == pytest.approx([sensors / 3] * 3, abs=0.02)
    assert torch.equal(present, draw_present(40_000, 3, torch.Generator().manual_seed(0)))


def test_erased_sensors_are_black():
    planes = torch.rand(2, 5, 8, 8) + 1
    erased = erase_sensors(planes, torch.tensor([[False, True, True], [True, False, False]]), STREAMS)
    assert not erased[0, :3].any()
    assert not erased[1, 3:].any()
    assert torch.equal(erased[0, 3:], planes[0, 3:])
    assert torch.equal(erased[1, :3], planes[1, :3])


def test_a_patch_is_the_same_part_of_every_sensor():
    numbers = torch.arange(112 * 112.0).view(1, 1, 112, 112).expand(200, 5, -1, -1)
    patches = draw_patch(numbers, 64, torch.Generator().manual_seed(0))
    assert patches.shape == (200, 5, 64, 64)
    assert torch.equal(patches, patches[:, :1].expand_as(patches))
    corners = [divmod(int(patch[0, 0, 0]), 112) for patch in patches]
    assert {min(place) for place in zip(*corners, strict=True)} <= {0, 1}
    assert {max(place) for place in zip(*corners, strict=True)} <= {47, 48}
    assert torch.equal(patches, draw_patch(numbers, 64, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("patch", [31, 112])
def test_what_cannot_be_built(patch):
    with pytest.raises(UsageError, match="a patch of 32 to 111 pixels"):
        FaceBagNet(patch=patch)
