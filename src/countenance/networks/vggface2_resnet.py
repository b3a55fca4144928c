"""ResNet-50 of VGGFace2: the second network of the paper on universal adversarial spoofing examples.

Q. Cao, L. Shen, W. Xie, O. M. Parkhi, A. Zisserman, VGGFace2, FG 2018, https://arxiv.org/abs/1710.08092: ResNet-50
(He et al., https://arxiv.org/abs/1512.03385) for 8,631 people, in Caffe's form: the stride of a stage is in its first
convolution of 1 x 1, and the first pooling is not padded but takes in what is left at the edge. A template is the mean
of the last maps. It takes blue, green, red of 0 to 255 less their means.

Modules are called as in torchvision; `renamed` takes in the names of the release for PyTorch too.
"""

import re
from typing import Final

from torch import Tensor, nn

SIDE = 224
FEATURES = 2048
PEOPLE = 8_631
MEAN_BGR: Final = (91.4953, 103.8827, 131.0912)
BLOCKS: Final = (3, 4, 6, 3)
WIDTH = 64


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 beside a shortcut, a rectifier behind the sum; the first one strides.

    Args:
        ins: channels that come in.
        width: of the first two convolutions; four times as many go out.
        stride: of the block.
    """

    def __init__(self, ins: int, width: int, *, stride: int) -> None:
        super().__init__()
        outs = 4 * width
        self.conv1 = nn.Conv2d(ins, width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))
            if stride != 1 or ins != outs
            else None
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, 4 width, H / stride, W / stride) of maps (N, ins, H, W)."""
        change: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(maps)).relu())).relu()
        change = self.bn3(self.conv3(change))
        return (change + (maps if self.downsample is None else self.downsample(maps))).relu()


class VggFace2ResNet(nn.Module):
    """The network up to its template.

    Args:
        width: channels after the stem; the published 64 unless a test wants less.
    """

    def __init__(self, *, width: int = WIDTH) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        ins = width
        for stage, blocks in enumerate(BLOCKS):
            outs = width << stage
            row = [
                Bottleneck(ins if number == 0 else 4 * outs, outs, stride=2 if stage and number == 0 else 1)
                for number in range(blocks)
            ]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*row))
            ins = 4 * outs

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features (N, 2048), none negative, of any length, of pixels (N, 3, 224, 224)."""
        maps: Tensor = self.pool(self.bn1(self.conv1(pixels)).relu())  # 56
        for stage in range(1, len(BLOCKS) + 1):
            maps = self.get_submodule(f"layer{stage}")(maps)
        return maps.mean((2, 3))


_RELEASED: Final = re.compile(r"conv(\d)_(\d)_(1x1_reduce|3x3|1x1_increase|1x1_proj)(_bn)?\.(.+)")
_LAYERS: Final = {"1x1_reduce": "1", "3x3": "2", "1x1_increase": "3"}


def renamed(name: str) -> str:
    """Our name of a tensor in torchvision's or in the release's naming; "" for one that is not taken over.

    >>> renamed("conv4_6_1x1_increase_bn.weight"), renamed("conv2_1_1x1_proj.weight"), renamed("conv1_7x7_s2_bn.bias")
    ('layer3.5.bn3.weight', 'layer1.0.downsample.0.weight', 'bn1.bias')
    >>> renamed("layer2.0.conv1.weight"), renamed("fc.weight"), renamed("classifier.bias")
    ('layer2.0.conv1.weight', '', '')
    """
    if found := _RELEASED.fullmatch(name):
        block = f"layer{int(found[1]) - 1}.{int(found[2]) - 1}"
        if found[3] == "1x1_proj":
            return f"{block}.downsample.{int(found[4] is not None)}.{found[5]}"
        return f"{block}.{'conv' if found[4] is None else 'bn'}{_LAYERS[found[3]]}.{found[5]}"
    own = name.replace("conv1_7x7_s2_bn.", "bn1.").replace("conv1_7x7_s2.", "conv1.")
    return own if own.startswith(("conv1.", "bn1.", "layer")) else ""
