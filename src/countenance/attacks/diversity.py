"""What may happen to a picture before a recogniser sees it, with gradients: resized and moved, blurred, stored as JPEG.

An attack that sees its pictures changed anew at each step fits one network less, and survives handling more: C. Xie et
al., Improving Transferability of Adversarial Examples with Input Diversity, CVPR 2019,
https://arxiv.org/abs/1803.06978 (resize and pad); A. Athalye et al., Synthesizing Robust Adversarial Examples, ICML
2018, https://arxiv.org/abs/1707.07397 (the expectation over such changes).

JPEG is what ITU-T T.81 does to the values: colours halved in size, blocks of 8 x 8 cosines, rounded to steps of the
example tables K.1 and K.2 at libjpeg's scale. Rounding passes its gradient on unchanged.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from countenance.errors import UsageError

LEAST_SCALE = 0.9
MOST_BLUR = 1.2  # pixels
LEAST_QUALITY, MOST_QUALITY = 50, 95
SHARE = 0.5  # of the draws in which each change happens
_BLOCK = 8
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)  # table K.1
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32),
)  # table K.2
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was drawn.

    Attributes:
        scale: side of the picture after resizing, over its side; 1 leaves it.
        down: where the smaller picture stands, from 0 (top) to 1 (bottom).
        across: from 0 (left) to 1 (right).
        blur: standard deviation of the Gaussian in pixels; 0 leaves it.
        quality: of the JPEG, from 1 to 100; 0 for none.
    """

    scale: float = 1.0
    down: float = 0.5
    across: float = 0.5
    blur: float = 0.0
    quality: int = 0


def draw_change(generator: torch.Generator) -> Change:
    """Draw a change; every draw takes as many numbers from the generator, whatever happens."""
    happens = torch.rand(3, generator=generator) < SHARE
    scale, down, across, blur, quality = torch.rand(5, generator=generator, dtype=torch.float64).tolist()
    return Change(
        scale=LEAST_SCALE + (1 - LEAST_SCALE) * scale if happens[0] else 1.0,
        down=down,
        across=across,
        blur=MOST_BLUR * blur if happens[1] else 0.0,
        quality=LEAST_QUALITY + int((MOST_QUALITY - LEAST_QUALITY + 1) * quality) if happens[2] else 0,
    )


def changed(pictures: Tensor, change: Change) -> Tensor:
    """Return pictures (K, 3, S, S) in [0, 1], all changed alike, of the same shape; nothing drawn changes nothing."""
    if change.scale != 1:
        pictures = moved(pictures, change.scale, down=change.down, across=change.across)
    if change.blur > 0:
        pictures = blurred(pictures, change.blur)
    if change.quality:
        pictures = stored(pictures, change.quality)
    return pictures


def moved(pictures: Tensor, scale: float, *, down: float = 0.5, across: float = 0.5) -> Tensor:
    """Return pictures made smaller and set somewhere in their old frame, whose rest repeats their border.

    Args:
        pictures: (K, 3, S, S).
        scale: of the side, up to 1.
        down: from 0 (top) to 1 (bottom).
        across: from 0 (left) to 1 (right).
    """
    side = pictures.shape[-1]
    small = max(1, round(scale * side))
    shrunk = functional.interpolate(pictures, (small, small), mode="bilinear", antialias=True, align_corners=False)
    top, left = round(down * (side - small)), round(across * (side - small))
    return functional.pad(shrunk, (left, side - small - left, top, side - small - top), mode="replicate")


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Return pictures (K, 3, H, W) after a Gaussian of `sigma` pixels; their border is repeated."""
    reach = max(1, math.ceil(3 * sigma))
    at = torch.arange(-reach, reach + 1, dtype=pictures.dtype, device=pictures.device)
    weights = torch.exp(-at.square() / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(pictures.shape[1], 1, 1, -1)  # (3, 1, 1, 2 reach + 1)
    padded = functional.pad(pictures, (reach,) * 4, mode="replicate")
    along = functional.conv2d(padded, weights, groups=len(weights))
    return functional.conv2d(along, weights.transpose(2, 3), groups=len(weights))


def stored(pictures: Tensor, quality: int) -> Tensor:
    """Return pictures as a JPEG of `quality` gives them back, not yet rounded to 8 bits.

    Args:
        pictures: (K, 3, H, W) RGB in [0, 1].
        quality: libjpeg's, from 1 to 100.

    Raises:
        UsageError: another quality.
    """
    if not 1 <= quality <= 100:
        raise UsageError(expected="a JPEG quality from 1 to 100", came=f"{quality}", remedy="name one of them")
    height, width = pictures.shape[-2:]
    most = 2 * _BLOCK  # two blocks of luma to one of chroma
    padded = functional.pad(pictures, (0, -width % most, 0, -height % most), mode="replicate")
    planes = torch.einsum("ck,nkhw->nchw", pictures.new_tensor(_TO_YCC), 255 * padded)
    luma = _rounded_blocks(planes[:, :1] - 128, _steps(_LUMA, quality)) + 128
    chroma = _rounded_blocks(functional.avg_pool2d(planes[:, 1:], 2), _steps(_CHROMA, quality))
    wide = functional.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    rgb = torch.einsum("ck,nkhw->nchw", pictures.new_tensor(_TO_RGB), torch.cat([luma, wide], 1))
    return (rgb[..., :height, :width] / 255).clamp(0, 1)


def _steps(table: tuple[int, ...], quality: int) -> Tensor:
    """The steps (8, 8) of a table at libjpeg's scale for a quality."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return torch.tensor([max(1, min(255, (entry * percent + 50) // 100)) for entry in table]).view(_BLOCK, _BLOCK)


def _rounded_blocks(planes: Tensor, steps: Tensor) -> Tensor:
    """Planes (K, C, H, W) whose cosines, block by block, are whole numbers of steps."""
    count, channels, height, width = planes.shape
    cosines = _cosines().to(planes)
    blocks = planes.view(count, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    parts = torch.einsum("ui,ncyixj,vj->ncyuxv", cosines, blocks, cosines)
    sized = steps.to(planes)[:, None, :]  # (8, 1, 8) beside (..., u, x, v)
    whole = parts / sized
    whole = whole + (whole.round() - whole).detach()
    back = torch.einsum("ui,ncyuxv,vj->ncyixj", cosines, whole * sized, cosines)
    return back.reshape(count, channels, height, width)


def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 numbers, (8, 8)."""
    at = torch.arange(_BLOCK, dtype=torch.float64)
    waves = torch.cos(math.pi / _BLOCK * (at + 0.5) * at[:, None]) * math.sqrt(2 / _BLOCK)
    waves[0] /= math.sqrt(2)
    return waves
