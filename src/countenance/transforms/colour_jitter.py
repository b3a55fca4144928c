"""Brightness, contrast, saturation and hue, varied in a drawn order; RGB only.

The four changes are those of torchvision's ColorJitter on Pillow pictures: every step is rounded to 8 bits. The hue is
turned in floating point instead of Pillow's 256 steps, so that a turn by nothing changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.transforms.planes import FrameStack, Planes, changed
from countenance.vocabulary import Modality


@dataclass(frozen=True, kw_only=True)
class JitterRange:
    """How far each is varied.

    Attributes:
        brightness: factors from 1 - brightness to 1 + brightness.
        contrast: the same.
        saturation: the same.
        hue: turns of the colour circle from -hue to hue, at most half of one.
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float


@dataclass(frozen=True, kw_only=True)
class ColourJitter:
    """What was drawn.

    Attributes:
        brightness: factor; 1 leaves it.
        contrast: factor about the frame's mean grey.
        saturation: factor about each pixel's own grey.
        hue: of a turn of the colour circle.
        order: the names of the four, first to last.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    order: tuple[str, ...] = ("brightness", "contrast", "saturation", "hue")


def draw_jitter(generator: np.random.Generator, ranges: JitterRange) -> ColourJitter:
    """Draw the four changes and their order."""
    names = ("brightness", "contrast", "saturation", "hue")
    factors = {
        name: float(generator.uniform(max(0.0, 1 - reach), 1 + reach))
        for name, reach in zip(names[:3], (ranges.brightness, ranges.contrast, ranges.saturation), strict=True)
    }
    turn = float(generator.uniform(-ranges.hue, ranges.hue))
    return ColourJitter(**factors, hue=turn, order=tuple(names[i] for i in generator.permutation(4)))


def jitter(planes: Planes, drawn: ColourJitter) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes whose RGB is changed as drawn; the other sensors are handed on as they are.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """

    def change(frames: FrameStack) -> FrameStack:
        for name in drawn.order:
            amount = getattr(drawn, name)
            if amount != _NOTHING[name]:
                frames = _CHANGES[name](frames, amount)
        return frames

    return changed(planes, change, only=Modality.RGB)


def grey(frames: FrameStack) -> NDArray[np.uint8]:
    """Return the luma of frames (F, H, W, 3) as (F, H, W, 1), by ITU-R BT.601 rounded to 8 bits."""
    tall = frames.reshape(-1, *frames.shape[2:])  # (F H, W, 3): OpenCV takes one picture
    return np.asarray(cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY), np.uint8).reshape(*frames.shape[:3], 1)


def _rounded(values: NDArray[np.float32]) -> FrameStack:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _brightness(frames: FrameStack, factor: float) -> FrameStack:
    return _rounded(frames * np.float32(factor))


def _contrast(frames: FrameStack, factor: float) -> FrameStack:
    mean = np.rint(grey(frames).mean(axis=(1, 2, 3), keepdims=True)).astype(np.float32)  # (F, 1, 1, 1)
    return _rounded(mean + np.float32(factor) * (frames - mean))


def _saturation(frames: FrameStack, factor: float) -> FrameStack:
    pale = grey(frames).astype(np.float32)
    return _rounded(pale + np.float32(factor) * (frames - pale))


def _hue(frames: FrameStack, turn: float) -> FrameStack:
    tall = frames.reshape(-1, *frames.shape[2:]).astype(np.float32)
    hsv = cv2.cvtColor(tall, cv2.COLOR_RGB2HSV)  # (F H, W, 3), hue in degrees
    hsv[..., 0] = (hsv[..., 0] + 360 * turn) % 360
    return _rounded(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32)).reshape(frames.shape)


_CHANGES: Mapping[str, Callable[[FrameStack, float], FrameStack]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}
_NOTHING: Mapping[str, float] = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
