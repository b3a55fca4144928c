"""FeatherNet A and B: one sensor, 0.35 million parameters, no layer that is connected to everything.

P. Zhang, F. Zou, Z. Wu, N. Dai, S. Mark, M. Fu, J. Zhao, K. Li, FeatherNets: Convolutional Neural Networks as Light as
Feather for Face Anti-spoofing, CVPR Workshops 2019, https://arxiv.org/abs/1904.09290; code:
https://github.com/SoftwareGift/FeatherNets_Face-Anti-spoofing-Attack-Detection-Challenge-CVPR2019.

Inverted residuals (Sandler et al., CVPR 2018, https://arxiv.org/abs/1801.04381) with a gate after every stage; B has a
shortcut beside each block that strides. The last maps, (64, 4, 4), are strung out and taken for the logits of 1,024
classes, of which labels name two: 0 for attacks, 1 for bona fide. The score is what the softmax over all of them gives
class 1, as in the code; it is trained with cross-entropy or focal loss on `classify`, over all of them too.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from countenance.networks.excitation import Excitation
from countenance.networks.slim_pad import channels_of
from countenance.vocabulary import Modality

SIDE = 224
WIDTH = 32
STAGES = ((1, 16, 1), (6, 32, 2), (6, 48, 6), (6, 64, 3))  # expansion, channels, blocks; the first block strides
REDUCTION = 8  # of the gates
BONA_FIDE_CLASS = 1
MEAN = (0.14300402, 0.1434545, 0.14277956)  # of depth maps, as the code has it
SPREAD = (0.10050353, 0.100842826, 0.10034215)


class FeatherNet(nn.Module):
    """A network for one sensor.

    Args:
        modality: the sensor; the published networks see depth.
        shortcuts: beside the blocks that stride too (B; False: A).
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, *, modality: Modality = Modality.DEPTH, shortcuts: bool) -> None:
        super().__init__()
        self.modalities = (modality,)
        self.side = SIDE
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem=_unit(3, WIDTH, stride=2))  # (N, 32, 112, 112)
        ins = WIDTH
        for number, (expansion, outs, blocks) in enumerate(STAGES, start=1):  # to 56, 28, 14, 7
            layers[f"stage_{number}"] = nn.Sequential(
                _InvertedResidual(ins, outs, expansion=expansion, stride=2, shortcut=shortcuts),
                *(_InvertedResidual(outs, outs, expansion=expansion, stride=1) for _ in range(blocks - 1)),
            )
            layers[f"gate_{number}"] = Excitation(outs, reduction=REDUCTION)
            ins = outs
        layers["stream"] = nn.Conv2d(ins, ins, 3, 2, padding=1, groups=ins, bias=False)  # (N, 64, 4, 4)
        self.layers = nn.Sequential(layers)
        self.features = ins * 4 * 4
        _draw(self)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(SPREAD).view(1, 3, 1, 1))

    def forward(self, planes: Tensor) -> Tensor:
        """Return the margin (N,) of class 1, bona fide, over all others together; its sigmoid is P(bona fide).

        Args:
            planes: (N, C, 224, 224) in [0, 1], of the one sensor; one channel fills all three.
        """
        logits = self.classify(self.embed(planes))
        others = torch.cat([logits[:, :BONA_FIDE_CLASS], logits[:, BONA_FIDE_CLASS + 1 :]], 1)
        return logits[:, BONA_FIDE_CLASS] - others.logsumexp(1)

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (N, 1024): the features themselves; class 1 is bona fide, class 0 is attacks."""
        return features

    def embed(self, planes: Tensor) -> Tensor:
        """Return the features (N, 1024); for the argument see `forward`."""
        (picture,) = torch.split(planes, [channels_of(self.modalities)], 1)
        maps: Tensor = self.layers((picture.expand(-1, 3, -1, -1) - self.mean) / self.spread)
        return maps.flatten(1)


def feathernet_a(modality: Modality = Modality.DEPTH) -> FeatherNet:
    """Return an untrained FeatherNet A for this sensor."""
    return FeatherNet(modality=modality, shortcuts=False)


def feathernet_b(modality: Modality = Modality.DEPTH) -> FeatherNet:
    """Return an untrained FeatherNet B for this sensor."""
    return FeatherNet(modality=modality, shortcuts=True)


class _InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; added to its input where the size stays, or to a shortcut if there is one."""

    def __init__(self, ins: int, outs: int, *, expansion: int, stride: int, shortcut: bool = False) -> None:
        super().__init__()
        hidden = ins * expansion
        self.change = nn.Sequential(
            *([_unit(ins, hidden, side=1)] if expansion > 1 else []),
            _unit(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outs, 1, bias=False),
            nn.BatchNorm2d(outs),
        )
        self.shortcut: nn.Module | None = None
        if stride == 1 and ins == outs:
            self.shortcut = nn.Identity()
        elif shortcut:
            self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.BatchNorm2d(ins), nn.Conv2d(ins, outs, 1, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        change: Tensor = self.change(maps)
        return change if self.shortcut is None else change + self.shortcut(maps)


def _unit(ins: int, outs: int, *, side: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(ins, outs, side, stride, side // 2, groups=groups, bias=False), nn.BatchNorm2d(outs), nn.ReLU6()
    )


def _draw(network: nn.Module) -> None:
    """Convolutions normal with variance 2 / (k k outs), gates normal with spread 0.01 and no bias."""
    gates = {part for gate in network.modules() if isinstance(gate, Excitation) for part in gate.modules()}
    for part in network.modules():
        if not isinstance(part, nn.Conv2d):
            continue
        if part in gates:
            assert part.bias is not None
            nn.init.normal_(part.weight, std=0.01)
            nn.init.zeros_(part.bias)
        else:
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
