"""The colour and the infrared sensor: from linear radiance to stored grey levels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.noise import Floats, blur
from countenance.synthesis.presets import Preset

_STEPS = 4096
_COLOUR_FULL, _INFRARED_FULL = 2.0, 1.25  # linear values at the tables' ends
_MIDDLE = 0.28  # mean radiance of a face at which the automatic exposure changes nothing


def encoded(linear: Floats) -> Floats:
    """The sRGB encoding (IEC 61966-2-1) of linear values, clipped to [0, 1]."""
    clipped = np.clip(linear, 1e-5, 1)
    curved = 1.055 * np.exp(np.log(clipped) * np.float32(1 / 2.4)) - np.float32(0.055)
    return np.where(clipped <= np.float32(0.0031308), np.float32(12.92) * clipped, curved)


def decoded(stored: NDArray[np.uint8]) -> Floats:
    """Linear values in [0, 1] of stored sRGB levels."""
    level = np.arange(256, dtype=np.float64) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32).take(stored)


def _colour_table() -> NDArray[np.uint8]:
    """Grey levels of linear values from 0 to _COLOUR_FULL: a soft shoulder above .8, then sRGB."""
    linear = np.linspace(0, _COLOUR_FULL, _STEPS, dtype=np.float32)
    shoulder = np.where(linear < 0.8, linear, 1 - 0.2 * np.exp((0.8 - linear) / 0.2)).astype(np.float32)
    return np.rint(255 * encoded(shoulder)).astype(np.uint8)


def _infrared_table() -> NDArray[np.uint8]:
    """Grey levels of linear values from 0 to _INFRARED_FULL: a gamma of 1.35."""
    linear = np.linspace(0, _INFRARED_FULL, _STEPS)
    return np.rint(255 * np.clip(linear, 0, 1) ** (1 / 1.35)).astype(np.uint8)


def _looked_up(table: NDArray[np.uint8], values: Floats, full: float) -> NDArray[np.uint8]:
    steps = np.clip(values * np.float32((_STEPS - 1) / full) + np.float32(0.5), 0, _STEPS - 1)
    return np.asarray(table.take(steps.astype(np.uint16)), dtype=np.uint8)


@dataclass(frozen=True)
class ColourSensor:
    """One colour camera and its settings in one clip.

    Attributes:
        exposure: what the automatic exposure aims at.
        balance: (3,) error of the white balance.
        sharpness: sigma of the point spread, pixels.
        shot, floor: noise variance is ``shot * signal + floor^2``.
        smear: (k, k) kernel of the motion blur, or None.
        jpeg_quality: of the stored stills.
        levels: grey levels of linear values from 0 to 2.
    """

    exposure: float
    balance: Floats
    sharpness: float
    shot: float
    floor: float
    smear: Floats | None
    jpeg_quality: int
    levels: NDArray[np.uint8]

    def develop(self, radiance: Floats, face: NDArray[np.bool_], white: Floats) -> NDArray[np.uint8]:
        """Expose on the face, blur, add noise and encode.

        Args:
            radiance: (h, w, 3) linear.
            face: (h, w), where the exposure is measured.
            white: (h, w, 3) standard normal noise.

        Returns:
            uint8 (h, w, 3).
        """
        metered = radiance[face] if face.any() else radiance.reshape(-1, 3)
        mean = max(float(metered.mean(dtype=np.float64)), 1e-3)
        gain = np.float32(self.exposure / (mean**0.75 * _MIDDLE**0.25))  # a partial correction: dark skin stays darker
        picture = blur(radiance * (gain * self.balance), self.sharpness)
        if self.smear is not None:
            picture = np.asarray(cv2.filter2D(picture, -1, self.smear, borderType=cv2.BORDER_REPLICATE), np.float32)
        np.maximum(picture, 0, out=picture)
        # Two thirds of the noise spread to the neighbours, as demosaicing does.
        soft = cv2.GaussianBlur(white, (3, 3), 0.7, borderType=cv2.BORDER_REPLICATE)
        grain = np.sqrt(np.float32(self.shot) * picture + np.float32(self.floor**2))
        grain *= np.float32(0.45) * white + np.float32(1.1) * soft
        return _looked_up(self.levels, picture + grain, _COLOUR_FULL)


def draw_colour_sensor(generator: np.random.Generator) -> ColourSensor:
    """A camera of one kind or another."""
    smeared, length, angle = generator.random() < 0.25, generator.uniform(1.5, 4.0), generator.uniform(0, np.pi)
    return ColourSensor(
        exposure=generator.uniform(0.19, 0.36),
        balance=np.exp(generator.normal(0, 0.075, 3)).astype(np.float32),
        sharpness=generator.uniform(0.35, 0.95),
        shot=0.0011 * generator.uniform(0.5, 3),
        floor=0.006 * generator.uniform(0.6, 2),
        smear=_smear(length, angle) if smeared else None,
        jpeg_quality=int(generator.integers(72, 97)),
        levels=_colour_table(),
    )


def _smear(length: float, angle: float) -> Floats:
    """A (5, 5) kernel: a line of `length` pixels."""
    kernel = np.zeros((5, 5), np.float64)
    for share in np.linspace(-0.5, 0.5, 33):
        x, y = 2 + share * length * np.cos(angle), 2 - share * length * np.sin(angle)
        column, row = int(x), int(y)
        right, down = x - column, y - row
        corners = ((0, 0, (1 - down) * (1 - right)), (0, 1, (1 - down) * right), (1, 0, down * (1 - right)))
        for below, beside, weight in (*corners, (1, 1, down * right)):
            kernel[min(row + below, 4), min(column + beside, 4)] += weight
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


@dataclass(frozen=True)
class InfraredSensor:
    """One infrared camera.

    Attributes:
        follow: how far its gain follows the scene, 0 to 1.
        shot: noise variance is ``shot * signal + .008^2``.
        sharpness: sigma of its blur, pixels.
        levels: grey levels of linear values from 0 to 1.25.
    """

    follow: float
    shot: float
    sharpness: float
    levels: NDArray[np.uint8]

    def develop(self, radiance: Floats, face: NDArray[np.bool_], white: Floats) -> NDArray[np.uint8]:
        """Gain, soft saturation, noise, gamma.

        The gain does not lift a scene that is all but black (a screen), and it does not follow the distance wholly.

        Args:
            radiance: (h, w) linear.
            face: (h, w), where the gain is measured.
            white: (h, w) standard normal noise.

        Returns:
            uint8 (h, w).
        """
        metered = radiance[face] if face.any() else radiance
        mean = max(float(metered.mean(dtype=np.float64)), 0.16)
        signal = blur(radiance, self.sharpness) * np.float32((0.42 / mean) ** self.follow)
        signal /= np.sqrt(1 + np.float32(0.35) * signal * signal)
        grain = np.sqrt(np.float32(self.shot) * np.maximum(signal, 0) + np.float32(0.008**2))
        return _looked_up(self.levels, signal + grain * white, _INFRARED_FULL)


def draw_infrared_sensor(generator: np.random.Generator, preset: Preset) -> InfraredSensor:
    """An infrared camera of the kind that depth cameras carry, with the noise and the blur of the preset."""
    return InfraredSensor(
        follow=generator.uniform(0.75, 1.0),
        shot=0.0012 * generator.uniform(*preset.infrared_shot),
        sharpness=generator.uniform(*preset.infrared_blur),
        levels=_infrared_table(),
    )
