"""What a recognition network is to the multimodal one: a stem and four stages, which can be built one by one.

The multimodal network takes three stems with their first three stages for its branches, and stages two to four again
for its aggregation path; so a trunk says how each part is built, and how wide its maps are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Draw = Callable[[nn.Module], None]
"""Draws the first weights of a module in place, from torch's generator."""


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """A convolutional network in parts.

    Attributes:
        name: as a card names it.
        side: H and W that it was made for, in pixels.
        channels: of the maps after the stem and after each of the four stages.
        build_stem: from 3 channels to `channels[0]`.
        build_stage: (number from 1 to 4, channels that come in) to a stage; it halves H and W, but for stage 1 of a
            trunk whose stem quarters them.
        draw_branch: first weights of stems and of the stages in a branch.
        draw_top: first weights of the stages that see all sensors.
        mean: of each colour in [0, 1], taken away first.
        spread: what is then divided by.
    """

    name: str
    side: int
    channels: tuple[int, int, int, int, int]
    build_stem: Callable[[], nn.Module]
    build_stage: Callable[[int, int], nn.Module]
    draw_branch: Draw
    draw_top: Draw
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]


class RecognitionNetwork(nn.Module):
    """A trunk from end to end, as it is trained to recognise before its parts are taken over.

    Args:
        trunk: what it is built of.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.side = trunk.side
        self.stem = trunk.build_stem()
        self.stages = nn.ModuleList(trunk.build_stage(number, trunk.channels[number - 1]) for number in range(1, 5))
        trunk.draw_branch(self)
        self.register_buffer("mean", torch.tensor(trunk.mean).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(trunk.spread).view(1, 3, 1, 1))

    @property
    def features(self) -> int:
        """Length of the vector."""
        return self.trunk.channels[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the pooled maps (N, features) of colour pictures (N, 3, H, W) in [0, 1]."""
        maps = self.stem((pictures - self.mean) / self.spread)
        for stage in self.stages:
            maps = stage(maps)
        pooled: Tensor = maps.mean((2, 3))
        return pooled
