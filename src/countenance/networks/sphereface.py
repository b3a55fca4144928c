"""SphereFace: the third network of the paper on universal adversarial spoofing examples, of 20 and of 36 layers.

W. Liu, Y. Wen, Z. Yu, M. Li, B. Raj, L. Song, SphereFace, CVPR 2017, https://arxiv.org/abs/1704.08063, Table 2: no
normalisation, a slope (PReLU) behind every convolution, residual units of two. The paper on spoofing says 36 layers;
the repository that it names (https://github.com/clcarwin/sphereface_pytorch) has the 20. Layers are called as there,
and all convolutions have a bias, as there.

Faces are aligned to 112 x 96 pixels and taken as blue, green, red less 127.5, over 128.
"""

from itertools import pairwise
from typing import Final

from torch import Tensor, nn

ROWS, COLUMNS = 112, 96
FEATURES = 512
CENTRE, SPREAD = 127.5, 128.0
CHANNELS: Final = (64, 128, 256, 512)
UNITS_20: Final = (1, 2, 4, 1)  # of two convolutions, behind the one that opens a stage
UNITS_36: Final = (2, 4, 8, 2)
# x, y of eye, eye, nose tip, mouth corner, mouth corner: ArcFace's, 8 pixels further to the left.
TEMPLATE: Final = (
    (30.2946, 51.6963),
    (65.5318, 51.5014),
    (48.0252, 71.7366),
    (33.5493, 92.3655),
    (62.7299, 92.2041),
)


class SphereFace(nn.Module):
    """The network up to its template.

    Args:
        units: residual units of each stage: `UNITS_20` or `UNITS_36`.
        width: channels of the first stage; the published 64 unless a test wants less.
        features: numbers of a template.
    """

    def __init__(self, units: tuple[int, ...], *, width: int = CHANNELS[0], features: int = FEATURES) -> None:
        super().__init__()
        self.units = units
        channels = [3, *(width * each // CHANNELS[0] for each in CHANNELS)]
        for stage, (ins, outs) in enumerate(pairwise(channels), start=1):
            for number in range(1, 2 * units[stage - 1] + 2):
                opens = number == 1
                conv = nn.Conv2d(ins if opens else outs, outs, 3, 2 if opens else 1, padding=1)
                self.add_module(f"conv{stage}_{number}", conv)
                self.add_module(f"relu{stage}_{number}", nn.PReLU(outs))
        self.fc5 = nn.Linear(channels[-1] * (ROWS // 16) * (COLUMNS // 16), features)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features (N, 512), of any length, of pixels (N, 3, 112, 96)."""
        maps = pixels
        for stage, units in enumerate(self.units, start=1):
            maps = self._layer(stage, 1, maps)
            for unit in range(units):
                maps = maps + self._layer(stage, 2 * unit + 3, self._layer(stage, 2 * unit + 2, maps))
        features: Tensor = self.fc5(maps.flatten(1))
        return features

    def _layer(self, stage: int, number: int, maps: Tensor) -> Tensor:
        conv, relu = (self.get_submodule(f"{kind}{stage}_{number}") for kind in ("conv", "relu"))
        result: Tensor = relu(conv(maps))
        return result


def renamed(name: str) -> str:
    """Our name of a tensor; "" for the classes' directions, which are not taken over.

    >>> renamed("conv3_9.weight"), renamed("fc6.weight")
    ('conv3_9.weight', '')
    """
    return "" if name.startswith("fc6.") else name
