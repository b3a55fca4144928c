"""Multi-level feature aggregation: three sensors through three branches, fused at every level.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019,
sections 4.1 and 4.4, Figure 2; code: https://github.com/AlexanderParkin/ChaLearn_liveness_challenge, classes
ResNetDLAS (types A, B, C) and IR_DLAS.

Where paper and code differ: the figure has squeeze and excitation before the fusion, the released networks have none
(`excitation`, off; its first weights here are PyTorch's own); in the figure the third aggregation joins the maps before
the last stage, in the code both paths have a last stage of their own and are added after pooling, as here; the figure's
order of sensors is RGB, infrared, depth, the code's RGB, depth, infrared. The released head was never trained: see
`recipes.mlfa`.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from countenance.errors import UsageError
from countenance.networks.excitation import ChannelAttention, Excitation
from countenance.networks.slim_pad import channels_of
from countenance.networks.trunk import Trunk
from countenance.vocabulary import Modality

STREAMS = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)  # the order of the released code
CLASSES = 2
BOTTLENECK = 4  # variant C keeps one feature in so many: 128 of 512
LEVELS = (1, 2, 3)  # stages in a branch


class MultiLevelNetwork(nn.Module):
    """Three branches, a main path, and an aggregation path beside it.

    Args:
        trunk: what its parts are.
        streams: the sensor that each branch sees; one may feed several, as (RGB, RGB, RGB) of Table 5.
        aggregation: with the aggregation path; False: the main path alone.
        excitation: each branch's last maps go through squeeze and excitation before the main path, as in Figure 2.
        attention: a gate on channels after every stage (variant B).
        bottleneck: both paths end in a quarter of the features, 128 of 512 (variant C).
        side: H and W that pictures are resized to; what is larger than the trunk's side is cut to its middle, as the
            released networks are tested at 125 cut to 112. The trunk's own side where None.

    Raises:
        UsageError: no stream.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        trunk: Trunk,
        *,
        streams: Sequence[Modality] = STREAMS,
        aggregation: bool = True,
        excitation: bool = False,
        attention: bool = False,
        bottleneck: bool = False,
        side: int | None = None,
    ) -> None:
        super().__init__()
        if not streams:
            raise UsageError(expected="a sensor for each branch", came="none", remedy="name three sensors")
        self.trunk = trunk
        self.side = side or trunk.side
        self.switches = {
            "aggregation": aggregation,
            "excitation": excitation,
            "attention": attention,
            "bottleneck": bottleneck,
        }
        self.streams = tuple(streams)
        self.modalities = tuple(dict.fromkeys(streams))
        count, channels = len(streams), trunk.channels

        def stage(number: int, ins: int) -> nn.Module:
            built = trunk.build_stage(number, ins)
            return nn.Sequential(built, ChannelAttention(channels[number])) if attention else built

        self.branches = nn.ModuleList(
            nn.ModuleList([trunk.build_stem(), *(stage(level, channels[level - 1]) for level in LEVELS)])
            for _ in streams
        )
        self.excitations = nn.ModuleList(Excitation(channels[3]) for _ in streams) if excitation else None
        self.main = stage(4, count * channels[3])
        self.fusions: nn.ModuleList | None = None
        self.aggregations: nn.ModuleList | None = None
        if aggregation:
            self.fusions = nn.ModuleList(nn.Conv2d(count * channels[level], channels[level], 1) for level in LEVELS)
            self.aggregations = nn.ModuleList(stage(level + 1, channels[level]) for level in LEVELS)
            trunk.draw_top(self.aggregations)
        trunk.draw_branch(self.branches)
        trunk.draw_top(self.main)
        self.features = channels[4] // BOTTLENECK if bottleneck else channels[4]
        self.reductions = (
            nn.ModuleList(nn.Conv2d(channels[4], self.features, 1) for _ in range(1 + aggregation))
            if bottleneck
            else None
        )
        self.head = nn.Linear(self.features, CLASSES)
        self.register_buffer("mean", torch.tensor(trunk.mean).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(trunk.spread).view(1, 3, 1, 1))

    def forward(self, planes: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the margin (N,) of class 1, bona fide, over class 0; its sigmoid is P(bona fide).

        Args:
            planes: (N, C, H, W) in [0, 1]; the channels are the sensors' of `modalities`, one after the other; H and W
                are `side`, or the trunk's own where the cut has been made already.
            present: (N, M) of bool, which of these sensors there are; None: all. What a branch makes of an absent
                sensor's pixels is dropped before each fusion: once trained, whatever stands there changes nothing. In
                training these pixels do count in the branch's batch statistics.

        Raises:
            UsageError: another number of channels, or a sample without any sensor.
        """
        logits = self.classify(self.embed(planes, present))
        return logits[:, 1] - logits[:, 0]

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (N, 2) of features (N, `features`); class 1 is bona fide."""
        logits: Tensor = self.head(features)
        return logits

    def embed(self, planes: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the features (N, `features`); for the arguments see `forward`."""
        branches = cast("Sequence[nn.ModuleList]", self.branches)
        maps = [branch[0](picture) for branch, picture in zip(branches, self._pictures(planes), strict=True)]
        kept = self._kept(planes, present)
        aggregated: Tensor | None = None
        for level in LEVELS:
            maps = [branch[level](each) for branch, each in zip(branches, maps, strict=True)]
            seen = maps if kept is None else [each.where(keep, 0) for each, keep in zip(maps, kept, strict=True)]
            if self.fusions is None or self.aggregations is None:
                continue
            fused = self.fusions[level - 1](torch.cat(seen, 1)).relu()  # (N, c, H, W) of (N, 3c, H, W)
            aggregated = self.aggregations[level - 1](fused if aggregated is None else fused + aggregated)
        if self.excitations is not None:
            seen = [excite(each) for excite, each in zip(self.excitations, seen, strict=True)]
        paths = [self.main(torch.cat(seen, 1)), *([] if aggregated is None else [aggregated])]
        pooled = [path.mean((2, 3), keepdim=True) for path in paths]  # (N, c4, 1, 1) each
        if self.reductions is not None:
            pooled = [reduce(each) for reduce, each in zip(self.reductions, pooled, strict=True)]
        return torch.stack(pooled).sum(0).flatten(1)

    def _pictures(self, planes: Tensor) -> list[Tensor]:
        """One normalised picture of three channels for each stream; a gray plane fills all three.

        A convolution of 1 x 1 spreads, scales and shifts in one go: a third of a slim network's time went into doing
        this step by step.
        """
        over = (planes.shape[-1] - self.trunk.side) // 2
        if over > 0:
            planes = planes[:, :, over : over + self.trunk.side, over : over + self.trunk.side]
        channels = channels_of(self.modalities)
        if planes.shape[1] != channels:
            raise UsageError(
                expected=f"{channels} channels of {', '.join(self.modalities)}",
                came=str(planes.shape[1]),
                remedy="stack the sensors' planes in this order",
            )
        scale, shift = 1 / self.spread.flatten(), (-self.mean / self.spread).flatten()
        begin, seen = 0, {}
        kind = "cpu" if planes.is_meta else planes.device.type
        with torch.autocast(kind, enabled=False):  # pixels keep all their bits
            for modality in self.modalities:
                own = channels_of([modality])
                picked = scale.diag() if own > 1 else scale[:, None]  # (3, own)
                seen[modality] = conv2d(planes[:, begin : begin + own], picked[:, :, None, None], shift)
                begin += own
        return [seen[modality] for modality in self.streams]

    def _kept(self, planes: Tensor, present: Tensor | None) -> list[Tensor] | None:
        """For each stream (N, 1, 1, 1) of bool: is its sensor there."""
        if present is None:
            return None
        if not bool(present.any(1).all()):
            raise UsageError(expected="a sensor or more of each sample", came="none of one", remedy="leave it out")
        columns = present.to(planes.device)[:, :, None, None, None].unbind(1)
        return [columns[self.modalities.index(modality)] for modality in self.streams]
