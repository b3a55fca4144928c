"""The (2+1)D convolution: its width from the formula, its two steps beside a slow one, its shapes."""

import pytest
import torch
from torch.nn.functional import batch_norm

from countenance.errors import UsageError
from countenance.networks.factorised import FactorisedConvolution, Middle, middle_width


@pytest.mark.parametrize(
    ("channels_in", "channels_out", "kernel", "width"),
    [(3, 64, 11, 125), (64, 192, 5, 423), (192, 384, 3, 691), (384, 256, 3, 628), (256, 256, 3, 576)],
)
def test_the_layers_of_alexnet(channels_in: int, channels_out: int, kernel: int, width: int) -> None:
    assert middle_width(channels_in, channels_out, kernel=kernel) == width


@pytest.mark.parametrize("frames", [1, 3, 5])
@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize(("channels_in", "channels_out"), [(1, 1), (3, 16), (40, 9)])
def test_it_has_at_most_the_weights_of_the_whole_convolution(
    channels_in: int, channels_out: int, kernel: int, frames: int
) -> None:
    width = middle_width(channels_in, channels_out, kernel=kernel, frames=frames)
    each = kernel**2 * channels_in + frames * channels_out  # weights for one channel in the middle
    whole = frames * kernel**2 * channels_in * channels_out
    assert width * each <= whole < (width + 1) * each


def test_the_number_of_weights() -> None:
    matched = FactorisedConvolution(3, 64, kernel=11)
    assert (matched.spatial.weight.numel(), matched.temporal.weight.numel()) == (45_375, 24_000)
    assert FactorisedConvolution(3, 64, kernel=11, middle=Middle.OUTPUT).spatial.out_channels == 64
    assert FactorisedConvolution(3, 64, kernel=11, middle="output").spatial.out_channels == 64


def test_beside_a_slow_one() -> None:
    network = FactorisedConvolution(2, 3, kernel=3, stride=2, padding=1).double().train()
    maps = torch.randn(2, 2, 4, 7, 6, dtype=torch.float64)
    padded = torch.nn.functional.pad(maps, (1, 1, 1, 1))
    weight = network.spatial.weight[:, :, 0]  # (M, 2, 3, 3)
    middle = torch.zeros(2, len(weight), 4, 4, 3, dtype=torch.float64)
    for row in range(4):
        for column in range(3):
            patch = padded[..., 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            middle[..., row, column] = torch.einsum("nctyx,mcyx->nmt", patch, weight)
    middle = batch_norm(middle, None, None, training=True).relu()
    late = torch.zeros(2, 3, 4, 4, 3, dtype=torch.float64)
    for frame in range(4):
        for number, neighbour in enumerate((frame - 1, frame, frame + 1)):
            if 0 <= neighbour < 4:
                late[:, :, frame] += torch.einsum(
                    "nmyx,cm->ncyx", middle[:, :, neighbour], network.temporal.weight[:, :, number, 0, 0]
                )
    torch.testing.assert_close(network(maps), batch_norm(late, None, None, training=True).relu())


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_as_many_frames_come_out_as_go_in(frames: int) -> None:
    network = FactorisedConvolution(3, 4, kernel=5, stride=4, padding=2, frames=3).eval()
    assert network(torch.rand(2, 3, frames, 16, 20)).shape == (2, 4, frames, 4, 5)


def test_numbers_that_no_convolution_has_are_refused() -> None:
    with pytest.raises(UsageError, match="expected kernel of at least 1; came 0"):
        FactorisedConvolution(3, 4, kernel=0)
    with pytest.raises(UsageError, match="expected an odd length in time"):
        FactorisedConvolution(3, 4, kernel=3, frames=2)
    with pytest.raises(ValueError, match="half"):
        FactorisedConvolution(3, 4, kernel=3, middle="half")
