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
_LEAST_SHARE = 1e-6


def end_point_error(predicted: Tensor, true: Tensor) -> Tensor:
    """Return the distance (N, H, W) between the ends of two flows (N, 2, H, W), in their unit."""
    lengths: Tensor = torch.linalg.vector_norm(predicted - true, dim=1)
    return lengths


def multi_scale_error(
    predicted: Sequence[Tensor], true: Tensor, *, weights: Sequence[float] = WEIGHTS, known: Tensor | None = None
) -> Tensor:
    """Return the weighted sum over scales of the end-point errors, summed over places, a sample's mean.

    Args:
        predicted: (N, 2, h, w) at each scale, in pixels of the input.
        true: (N, 2, H, W), in the same unit; its mean is taken over what a place of a coarser scale covers.
        weights: of each scale.
        known: (N, H, W), 1 where there is a truth and 0 where there is none; everywhere by default. A place counts by
            the share of it that is known.

    Raises:
        UsageError: not a weight for each scale.
    """
    if len(predicted) != len(weights):
        raise UsageError(
            expected=f"a weight for each of {len(predicted)} scales", came=f"{len(weights)}", remedy="name as many"
        )
    total = torch.zeros((), device=true.device)
    for flow, weight in zip(predicted, weights, strict=True):
        size = (flow.shape[2], flow.shape[3])
        if known is None:
            errors = end_point_error(flow, adaptive_avg_pool2d(true, size))  # (N, h, w)
        else:
            share = adaptive_avg_pool2d(known[:, None].to(true.dtype), size)  # (N, 1, h, w)
            mean = adaptive_avg_pool2d(torch.where(known[:, None] > 0, true, 0), size) / share.clamp_min(_LEAST_SHARE)
            errors = end_point_error(flow, mean) * share[:, 0]
        total = total + weight * errors.sum((1, 2)).mean()
    return total
