"""Changes of a picture: beside Pillow and SciPy, by limit, and with gradients."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from countenance.attacks.diversity import Change, blurred, changed, draw_change, moved, stored
from countenance.errors import UsageError


def smooth(count=1, side=48):
    """Pictures as a camera makes them: slow waves and a little noise, in whole levels."""
    generator = torch.Generator().manual_seed(4)
    at = torch.linspace(0, 6, side)
    waves = torch.sin(at[:, None] + at + 2 * torch.rand(count, 3, 1, 1, generator=generator)) * 0.35 + 0.5
    return (255 * (waves + 0.02 * torch.rand(waves.shape, generator=generator)).clamp(0, 1)).round() / 255


@pytest.mark.parametrize("side", [48, 45])
@pytest.mark.parametrize("quality", [30, 50, 75, 95])
def test_a_jpeg_is_that_of_pillow(side, quality):
    picture = smooth(side=side)
    ours = 255 * stored(picture, quality)[0].permute(1, 2, 0).numpy()
    held = io.BytesIO()
    Image.fromarray((255 * picture[0]).round().byte().permute(1, 2, 0).numpy()).save(held, "JPEG", quality=quality)
    theirs = np.asarray(Image.open(held), np.float32)
    before = 255 * picture[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).mean() < 1.0
    assert np.abs(ours - theirs).mean() < np.abs(theirs - before).mean() + 0.2
    assert ours.shape == theirs.shape


def test_a_blur_is_that_of_scipy():
    picture = smooth()
    theirs = gaussian_filter(picture[0].double().numpy(), 1.1, axes=(1, 2), mode="nearest", radius=4)
    assert np.abs(blurred(picture, 1.1)[0].numpy() - theirs).max() < 1e-5


def test_a_moved_picture_keeps_its_frame():
    picture = smooth()
    assert torch.allclose(moved(picture, 1.0), picture, atol=1e-6)
    corner = moved(picture, 0.75, down=1.0, across=0.0)
    assert corner.shape == picture.shape
    assert torch.equal(corner[..., :12, :36], corner[..., 12:13, :36].expand(-1, -1, 12, -1))
    small = torch.nn.functional.interpolate(picture, (36, 36), mode="bilinear", antialias=True, align_corners=False)
    assert torch.equal(corner[..., 12:, :36], small)


def test_nothing_drawn_changes_nothing():
    picture = smooth()
    assert changed(picture, Change()) is picture


def test_draws_repeat_and_reach_their_ranges():
    first = [draw_change(torch.Generator().manual_seed(seed)) for seed in range(200)]
    assert first == [draw_change(torch.Generator().manual_seed(seed)) for seed in range(200)]
    assert 60 < sum(each.scale < 1 for each in first) < 140
    assert 60 < sum(each.blur > 0 for each in first) < 140
    assert 60 < sum(each.quality > 0 for each in first) < 140
    assert all(0.9 <= each.scale <= 1 and 0 <= each.blur <= 1.2 for each in first)
    assert all(each.quality == 0 or 50 <= each.quality <= 95 for each in first)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]
    for generator in generators:
        draw_change(generator)
    taken = torch.Generator().manual_seed(1)
    torch.rand(3, generator=taken)
    torch.rand(5, generator=taken, dtype=torch.float64)
    assert torch.equal(generators[0].get_state(), taken.get_state())


def test_a_picture_is_changed_alone_as_in_a_batch_and_lets_gradients_through():
    pictures = smooth(3)
    change = Change(scale=0.9, down=0.2, across=0.7, blur=0.8, quality=60)
    together = changed(pictures, change)
    for row in range(3):
        assert torch.allclose(changed(pictures[row : row + 1], change), together[row : row + 1], atol=1e-2)
        assert float((changed(pictures[row : row + 1], change) - together[row : row + 1]).abs().mean()) < 1e-4
    asked = pictures.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(changed(asked, change).sum(), asked)
    assert bool(gradient.isfinite().all())
    assert float(gradient.mean()) == pytest.approx(1, abs=0.1)  # each picture keeps its light
    assert 0 <= float(together.min()) <= float(together.max()) <= 1


@pytest.mark.parametrize("quality", [0, 101])
def test_other_qualities_are_refused(quality):
    with pytest.raises(UsageError, match="a JPEG quality from 1 to 100"):
        stored(smooth(), quality)
