"""Cross-entropy that easy samples hardly move.

T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollar, Focal Loss for Dense Object Detection, ICCV 2017,
https://arxiv.org/abs/1708.02002, equation 4; FeatherNets are trained with gamma 3.
"""

from torch import Tensor
from torch.nn.functional import cross_entropy

from countenance.errors import UsageError

GAMMA = 3.0  # of FeatherNets; 2 in the paper


def focal_loss(logits: Tensor, labels: Tensor, *, gamma: float = GAMMA) -> Tensor:
    """Return the mean over samples of -(1 - p)^gamma log p, p being what the softmax gives the right class.

    Args:
        logits: (N, K).
        labels: (N,), from 0 to K - 1.
        gamma: 0 is cross-entropy; the larger, the less a sample counts that is right already.

    Raises:
        UsageError: a negative gamma.
    """
    if not gamma >= 0:
        raise UsageError(expected="a gamma of 0 or more", came=f"{gamma:g}", remedy="0 is plain cross-entropy")
    surprise = cross_entropy(logits, labels, reduction="none")  # -log p, (N,)
    return ((-(-surprise).expm1()) ** gamma * surprise).mean()
