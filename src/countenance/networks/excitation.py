"""Gates on channels: each map is weighted by a number between 0 and 1 that all maps decide together."""

from torch import Tensor, nn


class Excitation(nn.Module):
    """Squeeze and excitation: Hu, Shen, Sun, CVPR 2018, https://arxiv.org/abs/1709.01507, with biases.

    Args:
        channels: of the maps.
        reduction: how many times fewer numbers decide.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, C, H, W), each times its weight."""
        mean = maps.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        weights: Tensor = self.excite(self.squeeze(mean).relu()).sigmoid()
        return maps * weights


class ChannelAttention(nn.Module):
    """The channel half of CBAM: Woo et al., ECCV 2018, https://arxiv.org/abs/1807.06521.

    Means and maxima go through the same first layer; what it gives is added before the second, as in the code that
    the multimodal networks were released with.

    Args:
        channels: of the maps.
        reduction: how many times fewer numbers decide.
    """

    def __init__(self, channels: int, *, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, C, H, W), each times its weight."""
        mean, most = maps.mean((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        hidden = self.squeeze(mean).relu() + self.squeeze(most).relu()
        weights: Tensor = self.excite(hidden).sigmoid()
        return maps * weights
