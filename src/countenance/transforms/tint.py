"""A change of light and film: each channel gets a gain and a gamma of its own.

It gives grey faces colours, and coloured ones other colours, so that what learns from few coloured photographs does not
learn their white balance. Ours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.transforms.planes import Planes
from countenance.vocabulary import Modality

GAIN, GAMMA = 0.12, 0.25  # standard deviations of the logarithms


@dataclass(frozen=True)
class Tint:
    """What was drawn for one photograph.

    Attributes:
        gains: of R, G and B.
        gammas: likewise.
    """

    gains: tuple[float, float, float]
    gammas: tuple[float, float, float]


def draw_tint(generator: np.random.Generator) -> Tint:
    """Draw gains and gammas about 1, each channel's for itself."""
    gains, gammas = (np.exp(generator.normal(0, spread, 3)).tolist() for spread in (GAIN, GAMMA))
    return Tint(tuple(gains), tuple(gammas))


def tint(planes: Planes, drawn: Tint) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes whose three-channel ones are tinted; those of one channel stay as they are."""
    levels = np.arange(256) / 255
    tables = [gain * levels**gamma for gain, gamma in zip(drawn.gains, drawn.gammas, strict=True)]
    table = np.rint(255 * np.clip(tables, 0, 1)).astype(np.uint8)  # (3, 256)
    return {
        modality: np.stack([table[channel][plane[..., channel]] for channel in range(3)], -1)
        if plane.shape[-1] == len(table)
        else plane
        for modality, plane in planes.items()
    }
