"""The baseline of CASIA-SURF: three branches of ResNet-18, each re-weighted by itself, fused halfway.

S. Zhang et al., A Dataset and Benchmark for Large-scale Multi-modal Face Anti-spoofing, CVPR 2019,
https://arxiv.org/abs/1812.00408, Figure 5; no code was published. The layout is that of
https://github.com/SeuTao/FaceBagNet, which re-implements it. Where they differ: that code normalises the pixels by a
layer with 6 parameters for each sensor; here they are normalised as for ImageNet, and 13,336,410 parameters remain.
Its branches start from weights of ImageNet (`networks.resnet` says how they are called); here they are drawn. The paper
counts the stem as its first residual stage, so its third one is the second here; two follow the fusion.
"""

import torch
from torch import Tensor, nn

from countenance.errors import at_least
from countenance.networks.excitation import Excitation
from countenance.networks.resnet import BLOCKS_18, MEAN, SIDE, SPREAD, WIDTH, draw, stage, stem
from countenance.networks.slim_pad import channels_of
from countenance.vocabulary import Modality

STREAMS = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
CLASSES = 2
DROPPED = 0.5  # share of the features, in training


class SefResNet(nn.Module):
    """Squeeze-and-excitation fusion of three sensors.

    Args:
        excitation: re-weight each branch's channels before the fusion; False: the paper's "halfway fusion".
        width: channels after a stem; the later stages have 1, 2, 4 and 8 times as many.

    Raises:
        UsageError: a width below 1.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, *, excitation: bool = True, width: int = WIDTH) -> None:
        super().__init__()
        at_least(1, width=width)
        self.modalities = STREAMS
        self.side = SIDE
        self.features = 8 * width
        first, second, third, fourth = BLOCKS_18
        self.branches = nn.ModuleList(
            nn.Sequential(
                stem(width, nn.MaxPool2d(2)),  # 112 -> 56 -> 28
                stage(width, width, first, stride=1),
                stage(width, 2 * width, second, stride=2),  # (N, 128, 14, 14)
            )
            for _ in STREAMS
        )
        self.main = nn.Sequential(
            stage(len(STREAMS) * 2 * width, 4 * width, third, stride=2),  # (N, 256, 7, 7)
            stage(4 * width, self.features, fourth, stride=2),  # (N, 512, 4, 4)
        )
        draw(self)
        self.excitations = nn.ModuleList(Excitation(2 * width) for _ in STREAMS) if excitation else None
        self.head = nn.Sequential(
            nn.Dropout(DROPPED), nn.Linear(self.features, 4 * width), nn.ReLU(), nn.Linear(4 * width, CLASSES)
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(SPREAD).view(1, 3, 1, 1))

    def forward(self, planes: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the margin (N,) of class 1, bona fide, over class 0; its sigmoid is P(bona fide).

        Args:
            planes: (N, 5, H, W) in [0, 1]: colour, depth, infrared.
            present: (N, 3) of bool, which of these sensors there are; None: all. The fusion sees zeros for the others.
        """
        logits = self.classify(self.embed(planes, present))
        return logits[:, 1] - logits[:, 0]

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (N, 2) of features (N, `features`); class 1 is bona fide."""
        logits: Tensor = self.head(features)
        return logits

    def embed(self, planes: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the features (N, `features`); for the arguments see `forward`."""
        pictures = torch.split(planes, [channels_of([modality]) for modality in self.modalities], 1)
        maps = [
            branch((picture.expand(-1, 3, -1, -1) - self.mean) / self.spread)
            for branch, picture in zip(self.branches, pictures, strict=True)
        ]
        if self.excitations is not None:
            maps = [excite(each) for excite, each in zip(self.excitations, maps, strict=True)]
        if present is not None:
            maps = [
                each.where(there[:, None, None, None], 0) for each, there in zip(maps, present.unbind(1), strict=True)
            ]
        fused: Tensor = self.main(torch.cat(maps, 1))
        return fused.mean((2, 3))
