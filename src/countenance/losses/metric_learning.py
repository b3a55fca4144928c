"""The losses that few-frame networks are compared with: of classes, pairs, triplets and angles, and of two at once.

K. Ito, T. Kimura, T. Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning from a Few
Frames of Face Video, section III-B; equations 1 to 3 and Tables III and IV. No code of theirs was found.

Where the paper cannot be followed to the letter:

- It takes the cosine similarity for the distance D, by which equations 1 and 2 would push alike samples apart. Here
  D(x, x') = 1 - cos(x, x').
- Equation 3 lacks its minus sign; `MarginSoftmax` has it.
- The margins m and alpha, the choice of pairs and triplets and the scale s are not stated. Here m = .5, alpha = .2, all
  pairs and all triplets of a batch, each kind averaged over its terms above 0, and s = 30 for two classes.
- The weights of two losses at once are not stated. Here 1 and 1.

The pairs and triplets are those of pytorch-metric-learning, whose cosine is a similarity: given to its losses, the
margins of the pairs are on 1 - D.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from countenance.errors import UsageError
from countenance.losses.angular import MarginSoftmax

CLASSES = 2
BONA_FIDE = 1  # the label; 0 is an attack
PAIR_MARGIN = 0.5  # m of Eq. 1
TRIPLET_MARGIN = 0.2  # alpha of Eq. 2


class FewFrameLoss(StrEnum):
    """A row of Table III or IV."""

    CROSS_ENTROPY = "cross-entropy"
    CONTRASTIVE = "contrastive"
    TRIPLET = "triplet"
    ARCFACE = "arcface"
    COSFACE = "cosface"
    SPHEREFACE = "sphereface"
    ARCFACE_TRIPLET = "arcface+triplet"
    ARCFACE_CONTRASTIVE = "arcface+contrastive"


class _PairLoss(Protocol):
    """A loss of pytorch-metric-learning."""

    def __call__(self, embeddings: Tensor, labels: Tensor) -> Tensor: ...


class MetricLoss(nn.Module):
    """A loss of embeddings and what it has to learn beside them; used in training only.

    Args:
        linear: a linear classifier, whose cross-entropy is added.
        angular: a classifier over angles, whose loss is added.
        compared: a loss of pairs or triplets, which is added.
    """

    def __init__(
        self,
        *,
        linear: nn.Linear | None = None,
        angular: MarginSoftmax | None = None,
        compared: _PairLoss | None = None,
    ) -> None:
        super().__init__()
        assert not (linear is None and angular is None and compared is None)
        self.linear, self.angular, self.compared = linear, angular, compared

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar; 0, with a gradient of 0, where no pair and no triplet is left to mend.

        Args:
            embeddings: (N, D), of any length.
            labels: (N,) int64, 1 bona fide and 0 attack.
        """
        terms: list[Tensor] = []
        if self.linear is not None:
            terms.append(cross_entropy(self.linear(embeddings), labels))
        if self.angular is not None:
            terms.append(self.angular(embeddings, labels))
        if self.compared is not None:
            terms.append(self.compared(embeddings, labels))
        return torch.stack(terms).sum()

    def representative(self) -> Tensor | None:
        """Return the representative vector (D,) of the bona fide class, of length 1, that the loss has learned.

        None where it learns none: there it is the mean of the bona fide training embeddings, all of length 1,
        brought to length 1.
        """
        if self.angular is None:
            return None
        return normalize(self.angular.weight.detach()[BONA_FIDE], dim=0)


def contrastive_loss() -> _PairLoss:
    """Return Eq. 1: D of a pair of one class, max(m - D, 0) of a pair of two, over all pairs of a batch.

    The mean over the pairs of one class that differ at all, plus the mean over the pairs of two that are nearer than m.
    """
    from pytorch_metric_learning.distances import CosineSimilarity  # type: ignore[import-untyped]
    from pytorch_metric_learning.losses import ContrastiveLoss  # type: ignore[import-untyped]

    loss: _PairLoss = ContrastiveLoss(pos_margin=1, neg_margin=1 - PAIR_MARGIN, distance=CosineSimilarity())
    return loss


def triplet_loss() -> _PairLoss:
    """Return Eq. 2: max(D(a, p) - D(a, n) + alpha, 0), the mean over those of a batch's triplets that are above 0."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import TripletMarginLoss

    loss: _PairLoss = TripletMarginLoss(margin=TRIPLET_MARGIN, distance=CosineSimilarity())
    return loss


def metric_loss(kind: FewFrameLoss, features: int) -> MetricLoss:
    """Return a loss by its name.

    Args:
        kind: which.
        features: length D of an embedding, at least 1.

    Raises:
        UsageError: an embedding of no length.
    """
    if features < 1:
        raise UsageError(expected="embeddings of at least 1 number", came=str(features), remedy="give their length")
    if kind is FewFrameLoss.CROSS_ENTROPY:
        return MetricLoss(linear=nn.Linear(features, CLASSES))
    angular, compared = _PARTS[kind]
    return MetricLoss(
        angular=None if angular is None else angular(features, CLASSES),
        compared=None if compared is None else compared(),
    )


_PARTS: Mapping[FewFrameLoss, tuple[Callable[[int, int], MarginSoftmax] | None, Callable[[], _PairLoss] | None]] = {
    FewFrameLoss.CONTRASTIVE: (None, contrastive_loss),
    FewFrameLoss.TRIPLET: (None, triplet_loss),
    FewFrameLoss.ARCFACE: (MarginSoftmax.arcface, None),
    FewFrameLoss.COSFACE: (MarginSoftmax.cosface, None),
    FewFrameLoss.SPHEREFACE: (MarginSoftmax.sphereface, None),
    FewFrameLoss.ARCFACE_TRIPLET: (MarginSoftmax.arcface, triplet_loss),
    FewFrameLoss.ARCFACE_CONTRASTIVE: (MarginSoftmax.arcface, contrastive_loss),
}
