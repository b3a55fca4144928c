"""The (2+1)D convolution: in space first, then in time, in place of one convolution in both.

D. Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018,
https://arxiv.org/abs/1711.11248, section 3.5; Figure 1 of Ito, Kimura, Aoki (see `networks.fewframe`). Between the two
convolutions stand batch normalisation, a rectifier, and as many channels as leave the number of weights where that of
the whole t x d x d convolution was. Its first layer has 45 such channels in the authors' code instead of the formula's
number; here the formula holds in every layer.
"""

from enum import StrEnum

from torch import Tensor, nn

from countenance.errors import UsageError, at_least

FRAMES = 3  # t, the length of the convolution in time


class Middle(StrEnum):
    """How many channels stand between the two convolutions; Ito et al. do not say."""

    MATCHED = "matched"  # as many as keep the number of weights
    OUTPUT = "output"  # as many as come out: less than half the work


def middle_width(channels_in: int, channels_out: int, *, kernel: int, frames: int = FRAMES) -> int:
    """Return how many channels between the two convolutions match the weights of the whole one.

    Tran et al., section 3.5: M = floor(t d^2 N_in N_out / (d^2 N_in + t N_out)).

    Args:
        channels_in: N_in.
        channels_out: N_out.
        kernel: d, rows and columns of the convolution in space.
        frames: t, the length of the convolution in time.

    >>> middle_width(3, 64, kernel=11), middle_width(64, 192, kernel=5)
    (125, 423)
    """
    space = kernel**2 * channels_in
    return frames * space * channels_out // (space + frames * channels_out)


class FactorisedConvolution(nn.Module):
    """1 x d x d convolution, batch normalisation, rectifier; t x 1 x 1 convolution, batch normalisation, rectifier.

    In time its stride is 1 and it is padded, so that as many frames come out as go in.

    Args:
        channels_in: of the whole.
        channels_out: of the whole.
        kernel: d, rows and columns of the convolution in space.
        stride: of the same, in pixels.
        padding: of the same, in pixels.
        frames: t, the length of the convolution in time; odd.
        middle: channels between the two.

    Raises:
        UsageError: a number that no convolution has, or an even `frames`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        frames: int = FRAMES,
        middle: Middle | str = Middle.MATCHED,
    ) -> None:
        super().__init__()
        at_least(1, channels_in=channels_in, channels_out=channels_out, kernel=kernel, stride=stride, frames=frames)
        if frames % 2 == 0:
            raise UsageError(
                expected="an odd length in time, about a middle frame", came=str(frames), remedy="take 3 frames"
            )
        if Middle(middle) is Middle.MATCHED:
            between = middle_width(channels_in, channels_out, kernel=kernel, frames=frames)
        else:
            between = channels_out
        self.spatial = nn.Conv3d(
            channels_in, between, (1, kernel, kernel), (1, stride, stride), (0, padding, padding), bias=False
        )
        self.spatial_norm = nn.BatchNorm3d(between)
        self.temporal = nn.Conv3d(between, channels_out, (frames, 1, 1), padding=(frames // 2, 0, 0), bias=False)
        self.temporal_norm = nn.BatchNorm3d(channels_out)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (N, channels_out, T, H', W') of maps (N, channels_in, T, H, W)."""
        maps = self.spatial_norm(self.spatial(maps)).relu()  # (N, M, T, H', W')
        out: Tensor = self.temporal_norm(self.temporal(maps)).relu()
        return out
