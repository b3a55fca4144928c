"""The residual network of face recognition that the larger multimodal networks grew from: IR-50, without gates.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019, call
it ResNet-50; it is the "improved residual" network of J. Deng, J. Guo, N. Xue, S. Zafeiriou, ArcFace, CVPR 2019,
https://arxiv.org/abs/1801.07698, as https://github.com/ZhaoJ9014/face.evoLVe has it: 24 units of two convolutions,
normalised before the first and after the second, nothing after the sum. Its last layers (25,088 numbers to 512) are not
taken over; the maps are averaged.

Modules inside a unit are called as in the published checkpoints, so that a checkpoint fits by its numbers alone:
`input_layer.` there is the stem, and unit j of stage k is `body.{sum(UNITS[:k - 1]) + j}.`.
"""

from torch import Tensor, nn

from countenance.errors import at_least
from countenance.networks.trunk import Trunk

SIDE = 112
WIDTH = 64
UNITS = (3, 4, 14, 3)  # in each stage; the first one of each strides
MEAN = SPREAD = (0.5, 0.5, 0.5)


def ir_resnet(*, width: int = WIDTH) -> Trunk:
    """Describe the trunk: the published one unless a width is named.

    Args:
        width: channels after the stem and the first stage; the other stages have 2, 4 and 8 times as many.

    Raises:
        UsageError: a width below 1.
    """
    at_least(1, width=width)
    channels = (width, width, 2 * width, 4 * width, 8 * width)
    return Trunk(
        name="ir-resnet50",
        side=SIDE,
        channels=channels,
        build_stem=lambda: nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        ),
        build_stage=lambda number, ins: _stage(ins, channels[number], UNITS[number - 1]),
        draw_branch=_draw_branch,
        draw_top=_keep,
        mean=MEAN,
        spread=SPREAD,
    )


class Unit(nn.Module):
    """Two convolutions beside a shortcut; the stride is in the second one.

    Args:
        ins: channels that come in.
        outs: channels that go out.
        stride: of the second convolution and of the shortcut.
    """

    def __init__(self, ins: int, outs: int, *, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = (
            nn.MaxPool2d(1, stride)
            if ins == outs
            else nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(ins),
            nn.Conv2d(ins, outs, 3, padding=1, bias=False),
            nn.PReLU(outs),
            nn.Conv2d(outs, outs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outs),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, outs, H / stride, W / stride) of maps (N, ins, H, W)."""
        total: Tensor = self.res_layer(maps) + self.shortcut_layer(maps)
        return total


def _stage(ins: int, outs: int, units: int) -> nn.Sequential:
    return nn.Sequential(Unit(ins, outs, stride=2), *(Unit(outs, outs, stride=1) for _ in range(units - 1)))


def _draw_branch(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.xavier_uniform_(part.weight)


def _keep(_: nn.Module) -> None:
    """Leave what torch drew: the released code names no draw for the stages that see all sensors."""
