"""IR-SE-50: the fourth network of the paper on universal adversarial spoofing examples ("SE-Inception50" there).

J. Deng, J. Guo, N. Xue, S. Zafeiriou, ArcFace, CVPR 2019, https://arxiv.org/abs/1801.07698, as
https://github.com/TreB1eN/InsightFace_Pytorch has it: the units of `networks.ir_resnet` with a gate on the channels of
each (Hu et al., https://arxiv.org/abs/1709.01507, without biases), then normalisation, a linear map of all the maps and
normalisation again. Layers are called as there.

Faces are aligned to 112 x 112 pixels. That repository trains and validates on pictures whose red and blue are swapped,
in [0, 1] less .5, over .5.
"""

from typing import Final

from torch import Tensor, nn

from countenance.networks.ir_resnet import UNITS, Unit

SIDE = 112
FEATURES = 512
CENTRE = SPREAD = 127.5
WIDTH = 64
DROPOUT = 0.6
REDUCTION = 16


class Gate(nn.Module):
    """Squeeze and excitation without biases.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, C, H, W), each times its weight."""
        weights: Tensor = self.fc2(self.fc1(maps.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return maps * weights


class IrSeResNet(nn.Module):
    """The network with its last normalisation.

    Args:
        width: channels after the stem; the published 64 unless a test wants less.
        features: numbers of a template.
    """

    def __init__(self, *, width: int = WIDTH, features: int = FEATURES) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        units: list[nn.Module] = []
        ins = width
        for stage, count in enumerate(UNITS):
            outs = width << stage
            for number in range(count):
                unit = Unit(ins, outs, stride=2 if number == 0 else 1)
                unit.res_layer.append(Gate(outs))
                units.append(unit)
                ins = outs
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(ins),
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(ins * (SIDE // 16) ** 2, features),
            nn.BatchNorm1d(features),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features (N, 512), of any length, of pixels (N, 3, 112, 112)."""
        features: Tensor = self.output_layer(self.body(self.input_layer(pixels)))
        return features


_OURS: Final = ("input_layer.", "body.", "output_layer.")


def renamed(name: str) -> str:
    """Our name of a tensor; "" for one that is not taken over.

    >>> renamed("body.0.res_layer.5.fc1.weight"), renamed("kernel")
    ('body.0.res_layer.5.fc1.weight', '')
    """
    return name if name.startswith(_OURS) else ""
