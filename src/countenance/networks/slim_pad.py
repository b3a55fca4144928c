"""A plain network of five convolutions that tells bona fide presentations from attacks, over any of the three sensors.

It is no paper's: it is the smallest network that shows on the drawn world whether a set can be learnt, and which sensor
tells most. Early fusion: the planes of all sensors are the channels of one input. About 53,000 parameters at width 16.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from countenance.errors import UsageError, at_least
from countenance.vocabulary import Modality

NAME = "slim-pad"
SIDE = 112
_MIDDLE, _SPREAD = 0.5, 0.25  # of a plane in [0, 1]


def channels_of(modalities: Sequence[Modality]) -> int:
    """Count the channels of these sensors in one input.

    >>> channels_of([Modality.RGB, Modality.DEPTH])
    4
    """
    return sum(3 if modality is Modality.RGB else 1 for modality in modalities)


class SlimPad(nn.Module):
    """Five convolutions, four of them followed by pooling; one logit, high = bona fide.

    Args:
        modalities: the sensors that it reads, in the order of its channels; each once.
        width: channels after the first convolution; an even number.

    Raises:
        UsageError: no sensor, one twice, or a width that is odd or below 2.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, modalities: Sequence[Modality], *, width: int = 16) -> None:
        super().__init__()
        at_least(2, width=width)
        if not modalities or len(set(modalities)) != len(modalities) or width % 2:
            raise UsageError(
                expected="one sensor or more, each once, and an even width",
                came=f"{', '.join(modalities) or 'no sensor'} and width {width}",
                remedy=f"name sensors among {', '.join(Modality)}",
            )
        self.modalities = tuple(modalities)
        self.width = width
        self.side = SIDE
        channels = channels_of(self.modalities)
        self.register_buffer("middle", torch.full((1, channels, 1, 1), _MIDDLE))
        self.register_buffer("spread", torch.full((1, channels, 1, 1), _SPREAD))
        self.features = nn.Sequential(
            OrderedDict(
                stage_1=_stage(channels, width, stride=2),  # 112 -> 56 -> 28
                stage_2=_stage(width, width * 3 // 2),  # 28 -> 14
                stage_3=_stage(width * 3 // 2, width * 2),  # 14 -> 7
                stage_4=_stage(width * 2, width * 3),  # 7 -> 3
                stage_5=_stage(width * 3, width * 4, pooled=False),
            )
        )
        self.decide = nn.Linear(width * 4, 1)

    def forward(self, planes: Tensor) -> Tensor:
        """Return the logits (N,) of planes (N, C, H, W) in [0, 1], H and W at least 32, made for 112."""
        maps = self.features((planes - self.middle) / self.spread)  # (N, 4 width, 3, 3)
        logits: Tensor = self.decide(maps.mean((2, 3)))  # (N, 1)
        return logits[:, 0]


def _stage(ins: int, outs: int, *, stride: int = 1, pooled: bool = True) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(ins, outs, 3, stride, padding=1, bias=False), norm=nn.BatchNorm2d(outs), active=nn.ReLU()
    )
    if pooled:
        layers["pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)
