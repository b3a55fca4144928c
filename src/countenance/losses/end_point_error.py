"""End-point error of optical flow, at one scale and over the scales of a decoder.

A. Dosovitskiy et al., FlowNet: Learning Optical Flow with Convolutional Networks, ICCV 2015,
https://arxiv.org/abs/1504.06852, section 5.2; the weights of the scales are those of the released training files, as
https://github.com/ClementPinard/FlowNetPytorch has them: of a scale the errors are summed over its places, so that the
finer ones have the larger say.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from countenance.errors import UsageError

WEIGHTS = (0.005, 0.01, 0.02, 0.08, 0.32)  # of 1/4, 1/8, 1/16, 1/32 and 1/64


def end_point_error(predicted: Tensor, true: Tensor) -> Tensor:
    """Return the distance (N, H, W) between the ends of two flows (N, 2, H, W), in their unit."""
    lengths: Tensor = torch.linalg.vector_norm(predicted - true, dim=1)
    return lengths


def multi_scale_error(predicted: Sequence[Tensor], true: Tensor, *, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Return the weighted sum over scales of the end-point errors, summed over places, a sample's mean.

    Args:
        predicted: (N, 2, h, w) at each scale, in pixels of the input.
        true: (N, 2, H, W), in the same unit; its mean is taken over what a place of a coarser scale covers.
        weights: of each scale.

    Raises:
        UsageError: not a weight for each scale.
    """
    if len(predicted) != len(weights):
        raise UsageError(
            expected=f"a weight for each of {len(predicted)} scales", came=f"{len(weights)}", remedy="name as many"
        )
    total = torch.zeros((), device=true.device)
    for flow, weight in zip(predicted, weights, strict=True):
        height, width = flow.shape[2:]
        errors = end_point_error(flow, adaptive_avg_pool2d(true, (height, width)))  # (N, h, w)
        total = total + weight * errors.sum((1, 2)).mean()
    return total
