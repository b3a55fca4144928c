"""Softmax over angles, with a margin that the right class has to overcome: SphereFace, CosFace, ArcFace.

- W. Liu et al., SphereFace: Deep Hypersphere Embedding for Face Recognition, CVPR 2017, https://arxiv.org/abs/1704.08063
- H. Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, CVPR 2018, https://arxiv.org/abs/1801.09414
- J. Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, CVPR 2019,
  https://arxiv.org/abs/1801.07698

All are one loss. With theta_j the angle between a feature x and the weight vector of class j, and y the right class:

    L = -log( e^(s t) / (e^(s t) + sum over j != y of e^(s cos theta_j)) ),    t = cos(m1 theta_y + m2) - m3

Beyond the angle at which the cosine would rise again, t goes on falling. For m1 = 1 it becomes cos theta - m2 sin m2,
as in the code of ArcFace; otherwise psi = (-1)^k cos(angle) - 2k with k = floor(angle / pi), as in SphereFace. That one
also takes the length of x for s, and mixes the plain cosine in at first: t = (lambda cos theta + psi) / (1 + lambda)
with lambda = max(least, first / (1 + rate n)) after n steps, the numbers being those of its code for Caffe.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

from countenance.errors import UsageError, at_least

SCALE = 30.0  # 64 in ArcFace's own code; with few classes that saturates
NEAREST_ONE = 1 - 1e-7  # the derivative of the angle is infinite at a cosine of 1


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """How the plain cosine fades out.

    Attributes:
        first: its weight before the first step.
        rate: how fast it falls.
        least: it never falls below.
    """

    first: float = 1000.0
    rate: float = 0.12
    least: float = 5.0

    def weight(self, steps: int) -> float:
        """Return lambda after so many steps.

        >>> Annealing().weight(0), Annealing().weight(10_000)
        (1000.0, 5.0)
        """
        return max(self.least, self.first / (1 + self.rate * steps))


class MarginSoftmax(nn.Module):
    """A classifier on a hypersphere and its loss; used in training only.

    Args:
        features: length D of a feature.
        classes: K, at least 2.
        scale: s; None: the length of each feature.
        multiplier: m1, of the angle, at least 1.
        angle_radians: m2, added to the angle.
        offset: m3, taken from the cosine.
        annealing: how the plain cosine fades out; None: there is none of it.

    Raises:
        UsageError: fewer than two classes, or a number outside its range.
    """

    steps: Tensor

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        scale: float | None = SCALE,
        multiplier: float = 1.0,
        angle_radians: float = 0.0,
        offset: float = 0.0,
        annealing: Annealing | None = None,
    ) -> None:
        super().__init__()
        at_least(1, features=features)
        at_least(2, classes=classes)
        if not ((scale is None or scale > 0) and multiplier >= 1 and 0 <= angle_radians < math.pi and offset >= 0):
            raise UsageError(
                expected="a scale above 0, a multiplier of at least 1, an angle from 0 to pi, an offset of at least 0",
                came=f"{scale}, {multiplier:g}, {angle_radians:g} and {offset:g}",
                remedy="correct the number",
            )
        self.scale, self.multiplier, self.angle_radians, self.offset = scale, multiplier, angle_radians, offset
        self.annealing = annealing
        self.weight = nn.Parameter(torch.empty(classes, features))
        nn.init.xavier_uniform_(self.weight)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @classmethod
    def arcface(cls, features: int, classes: int, *, scale: float = SCALE, angle_radians: float = 0.5) -> Self:
        """Return ArcFace's: a margin that is added to the angle."""
        return cls(features, classes, scale=scale, angle_radians=angle_radians)

    @classmethod
    def cosface(cls, features: int, classes: int, *, scale: float = SCALE, offset: float = 0.35) -> Self:
        """Return CosFace's: a margin that is taken from the cosine."""
        return cls(features, classes, scale=scale, offset=offset)

    @classmethod
    def sphereface(
        cls, features: int, classes: int, *, multiplier: float = 4.0, annealing: Annealing | None = Annealing()
    ) -> Self:
        """Return SphereFace's: a margin by which the angle is multiplied, with the length of the feature for s."""
        return cls(features, classes, scale=None, multiplier=multiplier, annealing=annealing)

    def cosines(self, features: Tensor) -> Tensor:
        """Return cos theta (N, K) of features (N, D), clear of 1 and -1 by 1e-7."""
        return (normalize(features) @ normalize(self.weight).T).clamp(-NEAREST_ONE, NEAREST_ONE)

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the logits (N, K), the margin in those of the right classes.

        Args:
            features: (N, D), of any length.
            labels: (N,) int64, the right class of each.
        """
        cosines = self.cosines(features)
        right = cosines.gather(1, labels[:, None])  # (N, 1)
        target = self._target(right)
        if self.annealing is not None:
            plain = self.annealing.weight(int(self.steps))
            target = (plain * right + target) / (1 + plain)
        is_right = one_hot(labels, len(self.weight)).bool()
        scale = features.norm(dim=1, keepdim=True) if self.scale is None else self.scale
        return torch.where(is_right, target, cosines) * scale

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of a batch; in training mode a step is counted for the annealing."""
        loss = cross_entropy(self.logits(features, labels), labels)
        if self.training:
            self.steps += 1
        return loss

    def _target(self, cosines: Tensor) -> Tensor:
        """The t of the formula, falling with the angle from 0 to pi."""
        angle = self.multiplier * cosines.acos() + self.angle_radians
        if self.multiplier == 1:
            beyond = cosines - self.angle_radians * math.sin(self.angle_radians)
            return torch.where(angle <= math.pi, angle.cos(), beyond) - self.offset
        turns = (angle.detach() / math.pi).floor()  # k
        return (1 - 2 * (turns % 2)) * angle.cos() - 2 * turns - self.offset
