"""Grad-CAM: where in a picture lies what speaks for bona fide.

R. R. Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
https://arxiv.org/abs/1610.02391, computed by Captum. The maps of the last convolution are weighted with the mean
gradient of the score for each of them and summed; what is left above zero speaks for bona fide. A map of zeros is an
answer, too: nothing there does. A gradient tells what the network looked at, not whether it was right to.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from countenance.networks.fewframe import FactorisedAlexNet, FewFrameNetwork
from countenance.networks.minifasnet import BONA_FIDE_CLASS, MiniFasNet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.slim_pad import SlimPad
from countenance.vocabulary import Modality

Maps = NDArray[np.float32]


def maps_of_frames(network: FewFrameNetwork, clips: Tensor) -> Maps:
    """Return a map (N, T, H, W), 0 and above, for each frame of clips (N, T, 3, H, W) in [0, 1].

    The weights are the means over all frames, so that the frames of one clip can be compared.
    """
    convolutions = network.convolutions
    assert isinstance(convolutions, FactorisedAlexNet)
    maps = _grad_cam(network.eval().score, convolutions.layers[-1], clips)  # (N, 1, T, h, w)
    return _enlarged(maps.transpose(1, 2).flatten(0, 1), clips.shape[3:]).reshape(*clips.shape[:2], *clips.shape[3:])


def maps_of_sensors(network: MultiLevelNetwork | SlimPad, planes: Tensor) -> dict[tuple[Modality, ...], Maps]:
    """Return a map (N, H, W), 0 and above, for each branch of a network of several sensors, after its last own stage.

    Args:
        network: with a branch for each sensor; one that fuses them at once has one map for all.
        planes: (N, C, H, W) in [0, 1], channels as the network reads them.

    Returns:
        By the sensors that a branch reads; what fills several branches has the sum of their maps.
    """
    network.eval()
    if isinstance(network, SlimPad):
        return {network.modalities: _enlarged(_grad_cam(network, network.features[-1], planes), planes.shape[2:])}
    side = min(planes.shape[-1], network.trunk.side)  # what lies outside is cut off inside the network
    found: dict[tuple[Modality, ...], Maps] = {}
    for modality, branch in zip(network.streams, network.branches, strict=True):
        assert isinstance(branch, nn.ModuleList)
        maps = _enlarged(_grad_cam(network, branch[-1], planes), (side, side), whole=planes.shape[2:])
        key = (modality,)
        found[key] = found[key] + maps if key in found else maps
    return found


def maps_of_crops(network: MiniFasNet, crops: Tensor) -> Maps:
    """Return a map (N, H, W), 0 and above, for crops (N, 3, H, W) in [0, 1], of the log odds of bona fide."""

    def log_odds(images: Tensor) -> Tensor:
        logits: Tensor = network(images)
        others = [number for number in range(logits.shape[1]) if number != BONA_FIDE_CLASS]
        return logits[:, BONA_FIDE_CLASS] - logits[:, others].logsumexp(1)

    network.eval()
    return _enlarged(_grad_cam(log_odds, network.conv_6_sep, crops), crops.shape[2:])


def _grad_cam(score: Callable[[Tensor], Tensor], layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return (N, 1, ..., h, w) of what `layer` made of `inputs`."""
    from captum.attr import LayerGradCam  # type: ignore[import-untyped]

    seen = inputs.detach().clone().requires_grad_()
    maps = LayerGradCam(score, layer).attribute(seen, relu_attributions=True)
    assert isinstance(maps, Tensor)
    return maps.detach()


def _enlarged(maps: Tensor, size: Sequence[int], *, whole: Sequence[int] | None = None) -> Maps:
    """Return maps (N, 1, h, w) as (N, H, W) of `size`; with `whole`, in the middle of zeros of that size."""
    large = interpolate(maps.float(), size=tuple(size), mode="bilinear", align_corners=False)[:, 0]
    if whole is not None:
        rows, columns = (outer - inner for outer, inner in zip(whole, size, strict=True))
        large = pad(large, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return large.cpu().numpy()
