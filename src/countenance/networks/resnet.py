"""ResNet-18 and ResNet-34 as they were published, in parts.

K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016,
https://arxiv.org/abs/1512.03385, Table 1. What Parkin and Grinchuk call ResNet-34 is another network
(`networks.caffe_resnet`); these are for those who take the paper by its word, or have weights of ImageNet.

Modules are called as in the checkpoints of torchvision: `conv1` and `bn1` there are in the stem, `layer{k}.` is stage
k. The stem quarters the picture, so stage 1 keeps the size of its maps.
"""

from collections import OrderedDict

from torch import Tensor, nn

from countenance.errors import at_least
from countenance.networks.trunk import Trunk

SIDE = 112
WIDTH = 64
BLOCKS_18 = (2, 2, 2, 2)
BLOCKS_34 = (3, 4, 6, 3)
MEAN = (0.485, 0.456, 0.406)  # of ImageNet
SPREAD = (0.229, 0.224, 0.225)


def resnet18(*, width: int = WIDTH) -> Trunk:
    """Describe ResNet-18: the published one unless a width (channels after the stem) is named.

    Raises:
        UsageError: a width below 1.
    """
    return _trunk("resnet18", BLOCKS_18, width)


def resnet34(*, width: int = WIDTH) -> Trunk:
    """Describe ResNet-34: the published one unless a width (channels after the stem) is named.

    Raises:
        UsageError: a width below 1.
    """
    return _trunk("resnet34", BLOCKS_34, width)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut; the stride is in the first one, a ReLU follows the sum.

    Args:
        ins: channels that come in.
        outs: channels that go out.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, ins: int, outs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))
            if stride != 1 or ins != outs
            else None
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, outs, H / stride, W / stride) of maps (N, ins, H, W)."""
        change: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(maps)).relu()))
        return (change + (maps if self.downsample is None else self.downsample(maps))).relu()


def stem(width: int, pool: nn.Module) -> nn.Sequential:
    """Return the convolution 7 x 7 that strides, and what follows it up to `pool`."""
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(3, width, 7, 2, padding=3, bias=False), bn1=nn.BatchNorm2d(width), relu=nn.ReLU(), pool=pool
        )
    )


def stage(ins: int, outs: int, blocks: int, *, stride: int) -> nn.Sequential:
    """Return blocks in a row, of which the first one strides."""
    return nn.Sequential(BasicBlock(ins, outs, stride=stride), *(BasicBlock(outs, outs) for _ in range(blocks - 1)))


def draw(module: nn.Module) -> None:
    """Draw the convolutions of a module as He et al. 2015 propose: normal, by what goes out."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


def _trunk(name: str, blocks: tuple[int, int, int, int], width: int) -> Trunk:
    at_least(1, width=width)
    channels = (width, width, 2 * width, 4 * width, 8 * width)
    return Trunk(
        name=name,
        side=SIDE,
        channels=channels,
        build_stem=lambda: stem(width, nn.MaxPool2d(3, 2, padding=1)),
        build_stage=lambda number, ins: stage(
            ins, channels[number], blocks[number - 1], stride=1 if number == 1 else 2
        ),
        draw_branch=draw,
        draw_top=draw,
        mean=MEAN,
        spread=SPREAD,
    )
