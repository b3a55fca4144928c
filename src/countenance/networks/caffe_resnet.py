"""The residual network that the released multimodal networks grew from: 27 convolutions, slopes instead of ReLU.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019, call
it ResNet-34; their code (https://github.com/AlexanderParkin/ChaLearn_liveness_challenge) has stages of 1, 2, 5 and 3
blocks, after a network that was published for Caffe. No convolution strides: each stage opens with one that is not
padded and halves its map by pooling. There is no activation after the sum of a block.

The slim trunks are the same graph with another width, and a stem that strides, so that two cores can train them.
"""

import math
from collections import OrderedDict

from torch import Tensor, nn

from countenance.errors import at_least
from countenance.networks.trunk import Trunk

SIDE = 112
WIDTH = 32
BLOCKS = (1, 2, 5, 3)
MEAN = (0.4914, 0.4822, 0.4465)  # of CIFAR-10, as the released options have it
SPREAD = (0.2023, 0.1994, 0.2010)
SLIM_WIDTH = 4
_BLOCK_SPREAD = 0.01  # of the weights in the blocks that see all sensors


def caffe_resnet(*, width: int = WIDTH, stride: int = 1, name: str = "caffe-resnet34") -> Trunk:
    """Describe the trunk: the released one unless a width or a stride is named.

    Args:
        width: channels after the stem; stages have 2, 4, 8 and 16 times as many.
        stride: of the stem; 2 makes every later map a quarter.
        name: as a card names it.

    Raises:
        UsageError: a width or a stride below 1.
    """
    at_least(1, width=width, stride=stride)
    channels = (width, 2 * width, 4 * width, 8 * width, 16 * width)
    return Trunk(
        name=name,
        side=SIDE,
        channels=channels,
        build_stem=lambda: _unit(3, width, padding=0, stride=stride),
        build_stage=lambda number, ins: _stage(ins, channels[number], BLOCKS[number - 1]),
        draw_branch=_draw_branch,
        draw_top=_draw_top,
        mean=MEAN,
        spread=SPREAD,
    )


def slim_resnet(width: int = SLIM_WIDTH) -> Trunk:
    """Describe the slim trunk: the same graph at another width, with a stem that strides by two."""
    return caffe_resnet(width=width, stride=2, name="slim-resnet")


class Block(nn.Module):
    """Two convolutions, added to what came in; the second slope is before the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _unit(channels, channels, padding=1)
        self.second = _unit(channels, channels, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, C, H, W) of the shape that came in."""
        change: Tensor = self.second(self.first(maps))
        return maps + change


def _unit(ins: int, outs: int, *, padding: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv=nn.Conv2d(ins, outs, 3, stride, padding, bias=False), norm=nn.BatchNorm2d(outs), active=nn.PReLU(outs)
        )
    )


def _stage(ins: int, outs: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            opening=_unit(ins, outs, padding=0),
            pool=nn.MaxPool2d(2),
            blocks=nn.Sequential(*(Block(outs) for _ in range(blocks))),
        )
    )


def _draw_branch(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")


def _draw_top(module: nn.Module) -> None:
    """Openings uniform within sqrt(3 / fan in), convolutions of blocks normal; gates stay as PyTorch draws them."""
    inside = {part for block in module.modules() if isinstance(block, Block) for part in block.modules()}
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part in inside:
            nn.init.normal_(part.weight, std=_BLOCK_SPREAD)
        elif isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1):
            bound = math.sqrt(3 / part.weight[0].numel())
            nn.init.uniform_(part.weight, -bound, bound)
