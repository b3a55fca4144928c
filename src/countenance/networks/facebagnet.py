"""FaceBagNet: small patches of the three sensors through gated ResNeXt branches; at test, 36 patches vote.

T. Shen, Y. Huang, Z. Tong, FaceBagNet: Bag-of-local-features Model for Multi-modal Face Anti-spoofing, CVPR Workshops
2019; code: https://github.com/SeuTao/FaceBagNet. Blocks: S. Xie et al., Aggregated Residual Transformations for Deep
Neural Networks, CVPR 2017, https://arxiv.org/abs/1611.05431, with squeeze and excitation.

Three settings are published. The fusion that the code has for A serves all three here: its fusion for B does not fit
its own branches (512 channels where 1,024 are expected), and it has none for C. Branches end after their second stage;
the code builds the later ones too and never runs them, so they are neither built nor counted here. The code reads its
pictures as BGR; the colours are RGB here, which matters to published weights only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from countenance.errors import UsageError
from countenance.networks.excitation import Excitation
from countenance.networks.resnet import stage, stem
from countenance.networks.slim_pad import channels_of
from countenance.vocabulary import Modality

STREAMS = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
SIDE = 112
PATCHES = (32, 48, 64)
CLASSES = 2
DROPPED = 0.5  # share of the features, in training
ERASED = 0.5  # share of the training samples that lose sensors


@dataclass(frozen=True)
class Setting:
    """A published setting.

    Attributes:
        blocks: in the two stages of a branch.
        groups: of the convolutions 3 x 3.
    """

    blocks: tuple[int, int]
    groups: int


A = Setting(blocks=(2, 2), groups=32)
B = Setting(blocks=(2, 4), groups=32)
C = Setting(blocks=(3, 4), groups=16)


class FaceBagNet(nn.Module):
    """Three branches, fused after their second stage.

    Args:
        setting: A, B or C.
        patch: H and W of what it sees at once, in pixels; 32, 48 and 64 are published.

    Raises:
        UsageError: a patch below 32 pixels or not below 112.
    """

    def __init__(self, setting: Setting = A, *, patch: int = 48) -> None:
        super().__init__()
        if not PATCHES[0] <= patch < SIDE:
            raise UsageError(
                expected=f"a patch of {PATCHES[0]} to {SIDE - 1} pixels",
                came=f"{patch}",
                remedy="name 32, 48 or 64",
            )
        self.modalities = STREAMS
        self.side = SIDE
        self.patch = patch
        self.features = 512
        self.branches = nn.ModuleList(_branch(setting) for _ in STREAMS)
        self.excitations = nn.ModuleList(Excitation(512) for _ in STREAMS)
        self.bottleneck = nn.Sequential(nn.Conv2d(512 * len(STREAMS), 384, 1), nn.BatchNorm2d(384), nn.ReLU())
        self.main = nn.Sequential(stage(384, 256, 2, stride=2), stage(256, 512, 2, stride=2))
        self.head = nn.Sequential(nn.Dropout(DROPPED), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, CLASSES))

    def forward(self, planes: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the margin (N,) of class 1, bona fide, over class 0; its sigmoid is P(bona fide).

        Of planes larger than a patch, 36 patches are cut and the mean of their margins is returned.

        Args:
            planes: (N, 5, H, W) in [0, 1]: colour, depth, infrared; H = W = `patch` or more, made for 112.
            present: (N, 3) of bool, which of these sensors there are; None: all. Others are erased, as in training.
        """
        seen = planes if present is None else erase_sensors(planes, present, self.modalities)
        if seen.shape[-1] == self.patch:
            return self._margin(seen)
        places = torch.split(cut_views(seen, self.patch), 4)  # nine of (4, N, C, h, w)
        return torch.cat([self._margin(views.flatten(0, 1)) for views in places]).view(-1, len(seen)).mean(0)

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (N, 2) of features (N, 512); class 1 is bona fide."""
        logits: Tensor = self.head(features)
        return logits

    def embed(self, patches: Tensor) -> Tensor:
        """Return the features (N, 512) of patches (N, 5, h, w) in [0, 1]."""
        pictures = torch.split(patches, [channels_of([modality]) for modality in self.modalities], 1)
        maps = [
            excite(branch(picture.expand(-1, 3, -1, -1)))
            for branch, excite, picture in zip(self.branches, self.excitations, pictures, strict=True)
        ]
        fused: Tensor = self.main(self.bottleneck(torch.cat(maps, 1)))
        return fused.mean((2, 3))

    def _margin(self, patches: Tensor) -> Tensor:
        logits = self.classify(self.embed(patches))
        return logits[:, 1] - logits[:, 0]


def draw_present(count: int, sensors: int, generator: torch.Generator) -> Tensor:
    """Draw which sensors each of `count` samples keeps in training: (count, sensors) of bool.

    Half of them keep all; of the others one half loses one sensor, the other half keeps one.
    """
    chosen = torch.nn.functional.one_hot(torch.randint(sensors, (count,), generator=generator), sensors).bool()
    erased, alone = torch.rand(2, count, 1, generator=generator).unbind()
    return (erased >= ERASED) | torch.where(alone < 0.5, chosen, ~chosen)


def erase_sensors(planes: Tensor, present: Tensor, modalities: Sequence[Modality]) -> Tensor:
    """Return planes (N, C, H, W) whose absent sensors are black.

    Args:
        planes: (N, C, H, W), the sensors' channels one after the other.
        present: (N, M) of bool.
        modalities: M sensors.
    """
    parts = torch.split(planes, [channels_of([modality]) for modality in modalities], 1)
    kept = [part.where(there[:, None, None, None], 0) for part, there in zip(parts, present.unbind(1), strict=True)]
    return torch.cat(kept, 1)


def draw_patch(planes: Tensor, patch: int, generator: torch.Generator) -> Tensor:
    """Return one patch (N, C, h, w) of planes (N, C, H, W), cut for each sample where the generator says.

    The code cuts each sensor at a place of its own; here a patch shows the same part of the face in all of them.
    """
    spans = (planes.shape[-2] - patch, planes.shape[-1] - patch)
    rows, columns = (torch.randint(span + 1, (len(planes),), generator=generator).tolist() for span in spans)
    return torch.stack(
        [
            sample[:, row : row + patch, column : column + patch]
            for sample, row, column in zip(planes, rows, columns, strict=True)
        ]
    )


def cut_views(planes: Tensor, patch: int) -> Tensor:
    """Return the 36 patches of testing, (36, N, C, h, w): a grid of nine, each as it is and flipped three ways.

    >>> cut_views(torch.zeros(2, 5, 112, 112), 48).shape
    torch.Size([36, 2, 5, 48, 48])
    """
    rows, columns = (_starts(side, patch) for side in planes.shape[-2:])
    views = []
    for row in rows:
        for column in columns:
            cut = planes[..., row : row + patch, column : column + patch]
            views += [cut, cut.flip(-1), cut.flip(-2), cut.flip((-2, -1))]
    return torch.stack(views)


def _starts(side: int, patch: int) -> tuple[int, int, int]:
    """Where patches begin: one patch before the middle one, there, and one after, held one pixel short of the edge."""
    middle = (side - patch) // 2
    after = middle + patch
    return max(0, middle - patch), middle, after if after + patch < side else side - patch - 1


class _Bottleneck(nn.Module):
    """Narrow, filter in groups, widen, gate; added to a shortcut."""

    def __init__(self, ins: int, planes: int, *, groups: int, stride: int = 1) -> None:
        super().__init__()
        width, outs = planes * 4 // 64 * groups, planes * 4  # four channels a group for 64 planes
        self.change = nn.Sequential(
            nn.Conv2d(ins, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, outs, 1, bias=False),
            nn.BatchNorm2d(outs),
            Excitation(outs),
        )
        self.shortcut: nn.Module = (
            nn.Identity()
            if stride == 1 and ins == outs
            else nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))
        )

    def forward(self, maps: Tensor) -> Tensor:
        total: Tensor = self.change(maps) + self.shortcut(maps)
        return total.relu()


def _branch(setting: Setting) -> nn.Sequential:
    """Raw pixels are normalised by a layer that learns; 48 pixels become 24, 12, 12 and 6."""
    first, second = setting.blocks
    ins = (64, *(256,) * (first - 1)), (256, *(512,) * (second - 1))
    return nn.Sequential(
        nn.BatchNorm2d(3),
        stem(64, nn.MaxPool2d(3, 2, ceil_mode=True)),
        nn.Sequential(*(_Bottleneck(each, 64, groups=setting.groups) for each in ins[0])),
        nn.Sequential(
            *(
                _Bottleneck(each, 128, groups=setting.groups, stride=1 if place else 2)
                for place, each in enumerate(ins[1])
            )
        ),
    )
