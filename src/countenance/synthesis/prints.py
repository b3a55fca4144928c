"""Printed faces: the photograph, the inks in colour and in infrared, and what is cut out.

A print is ruled by two facts. In colour, four inks multiply (Yule and Nielsen's n = 2 for the light that spreads within
the paper). At 860 nm cyan, magenta and yellow are all but clear and only carbon black absorbs, so that a laser print
keeps what of the face was printed with black, and a dye print loses nearly all of it (V. Ziljak et al., "Colour control
with dual separation for daylight and daylight / infrared light", IARIGAI 2008).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.backdrop import wall_colours
from countenance.synthesis.head import Features
from countenance.synthesis.light import ColourLight, Material, draw_colour_light, draw_flash, shade_colour
from countenance.synthesis.noise import Floats, Noise, blur
from countenance.synthesis.presets import Preset
from countenance.synthesis.sensors import encoded
from countenance.synthesis.spec import Region
from countenance.synthesis.texture import COLUMNS, ROWS, Y_EXTENT, window

_PAPER = np.float32(0.81)
_PAPER_NEAR = np.float32(0.80)
_BLACK = 0.035
_SOFT_EDGE_MM = 1.25


@dataclass(frozen=True)
class Inks:
    """The numbers of one printer.

    Attributes:
        absorbed: (3, 3): how much ink i (cyan, magenta, yellow) takes from band j (red, green, blue).
        near_absorbed: what the three take at 860 nm.
        near_black: reflectance of full black at 860 nm.
        removal, exponent: share of grey that black replaces, and how late it sets in.
        cast: (3,) colour cast of the whole sheet.
    """

    absorbed: NDArray[np.float64]
    near_absorbed: float
    near_black: float
    removal: float
    exponent: float
    cast: NDArray[np.float64]


def draw_inks(generator: np.random.Generator, preset: Preset) -> Inks:
    """A printer: a laser (carbon) or one with dye."""
    absorbed = generator.uniform(0.02, 0.10, (3, 3))
    np.fill_diagonal(absorbed, generator.uniform(0.86, 0.96, 3))
    laser = generator.random() < preset.laser_share
    carbon, dye = generator.uniform(0.05, 0.15), generator.uniform(0.6, 0.9)
    return Inks(
        absorbed=absorbed,
        near_absorbed=generator.uniform(*preset.ink_absorption),
        near_black=carbon if laser else dye,
        removal=generator.uniform(0.55, 0.95),
        exponent=generator.uniform(*preset.black_exponent),
        cast=np.exp(generator.normal(0, 0.05, 3)),
    )


def _yule_nielsen(area: Floats, reflectance: float) -> Floats:
    """Reflectance of paper that is covered to a share `area` by an ink."""
    root = 1 + area * np.float32(np.sqrt(reflectance) - 1)
    return root * root


def printed(picture: Floats, inks: Inks) -> tuple[Floats, Floats]:
    """Print an encoded picture.

    Args:
        picture: (3, rows, columns) in [0, 1], as stored in a file (not linear).
        inks: of the printer.

    Returns:
        Linear reflectance (3, rows, columns) and that at 860 nm (rows, columns).
    """
    wanted = np.clip(1 - picture, 0, 1)
    grey = wanted.min(axis=0)
    black = np.float32(inks.removal) * np.exp(np.float32(inks.exponent) * np.log(np.maximum(grey, np.float32(1e-4))))
    black = np.minimum(black, grey)
    inked = (wanted - black) / np.maximum(1 - black, np.float32(1e-3))
    colour = np.empty_like(inked)
    for band in range(3):
        colour[band] = _PAPER * np.float32(inks.cast[band]) * _yule_nielsen(black, _BLACK)
        for ink in range(3):
            colour[band] *= _yule_nielsen(inked[ink], 1 - inks.absorbed[ink, band])
    near = _PAPER_NEAR * (1 - np.float32(inks.near_absorbed) * inked.mean(axis=0))
    return colour, near * _yule_nielsen(black, inks.near_black)


def photograph(maps: Floats, light: ColourLight, exposure: float) -> Floats:
    """A frontal photograph of a head: (3, rows, columns) linear, its face exposed to `exposure` on average."""
    flat = maps.reshape(len(maps), -1)
    across, up = flat[10], flat[11]
    normal = np.stack([across, up, np.sqrt(np.maximum(1 - across * across - up * up, np.float32(0.01)))])
    radiance = shade_colour(Material(flat[1:4], flat[4], flat[5], flat[9], normal, 0.0), light)
    face = flat[7] > 0.5
    level = float(radiance[:, face].mean()) if face.any() else 1.0
    return (radiance * np.float32(exposure / max(level, 1e-3))).reshape(3, *maps.shape[1:])


def draw_photograph(noise: Noise, preset: Preset, maps: Floats) -> Floats:
    """The photograph that an attacker got hold of, before a wall: (3, rows, columns) as stored, in [0, 1]."""
    generator = noise.generator
    flash = generator.random() < preset.flash_share
    light, flashed = draw_colour_light(generator), draw_flash(generator)
    picture = photograph(maps, flashed if flash else light, generator.uniform(0.26, 0.40))
    wall = wall_colours(noise, ROWS, COLUMNS).transpose(2, 0, 1)
    picture = wall + maps[6] * (picture - wall)
    stored = encoded(picture)
    sigma = generator.uniform(0.1, 0.7)
    grey = stored.mean(axis=0)
    saturation, gamma = generator.uniform(0.80, 1.15), generator.uniform(0.85, 1.25)
    for band in range(3):
        vivid = np.clip(grey + np.float32(saturation) * (blur(stored[band], sigma) - grey), 1e-3, 1)
        stored[band] = np.exp(np.float32(gamma) * np.log(vivid))
    return stored


def draw_print(noise: Noise, preset: Preset, maps: Floats) -> tuple[Floats, Floats]:
    """Photograph a head, print it, and add the printer's bands and the paper's grain.

    Returns:
        Reflectance (3, rows, columns), and at 860 nm (rows, columns).
    """
    generator = noise.generator
    colour, near = printed(draw_photograph(noise, preset, maps), draw_inks(generator, preset))
    period, depth, phase = generator.uniform(3, 9), generator.uniform(0, 0.02), generator.uniform(0, 2 * np.pi)
    y = np.linspace(*Y_EXTENT, ROWS)
    bands = (1 + depth * np.sin(2 * np.pi * y / period + phase)).astype(np.float32)[:, None]
    grain = 1 + np.float32(generator.uniform(0.005, 0.02)) * noise.white(ROWS, COLUMNS)
    return np.clip(colour * (bands * grain), 0.004, 0.95), np.clip(near * grain, 0.004, 0.95)


def draw_cuts(generator: np.random.Generator, cut: frozenset[Region], target: Features) -> Floats:
    """What is left of a sheet after cutting: (rows, columns), 1 paper, 0 hole, a texel of soft edge between.

    All numbers are drawn whatever is cut, so that the same clip of two species differs in nothing else.

    Args:
        generator: of the cuts.
        cut: the regions.
        target: where eyes, nose and mouth of the printed face lie.
    """
    left = np.ones((ROWS, COLUMNS), np.float32)
    spare = left.copy()
    half = target.eye_half[0] + generator.uniform(1, 6), target.eye_half[1] + generator.uniform(2, 6)
    for eye in target.eyes:
        _cut_ellipse(left if Region.EYES in cut else spare, generator, eye, half)
    _cut_nose(left if Region.NOSE in cut else spare, generator, target)
    half = target.mouth_half[0] + generator.uniform(0, 6), 9 + generator.uniform(0, 5)
    _cut_ellipse(left if Region.MOUTH in cut else spare, generator, target.mouth, half)
    return left


def _cut_nose(sheet: Floats, generator: np.random.Generator, target: Features) -> None:
    """A trapezoid from between the eyes to below the wings."""
    middle, tip = target.nose_tip
    top, bottom = generator.uniform(0, 16), tip - generator.uniform(7, 11)
    upper, lower = generator.uniform(5, 9), target.ala_half + generator.uniform(1, 6)
    unsteady = generator.uniform(0.15, 0.4)
    at = window(middle - lower - 4, middle + lower + 4, bottom - 4, top + 4)
    share = np.clip((top - at.y) * (1 / (top - bottom)), 0, 1)
    half = (upper + (lower - upper) * share) * (1 + 0.03 * np.sin(at.y * unsteady))
    distance = np.maximum(np.abs(at.x - middle) - half, np.maximum(at.y - top, bottom - at.y))
    _cut(at.of(sheet), distance)


def _cut_ellipse(
    sheet: Floats, generator: np.random.Generator, centre: tuple[float, float], half: tuple[float, float]
) -> None:
    """A superellipse whose edge a hand cut, up to 6 % off here and there."""
    exponent = float(generator.uniform(2.0, 3.5))
    phases, waves = generator.uniform(0, 2 * np.pi, 2).tolist(), generator.uniform(-0.03, 0.03, 2).tolist()
    wide, high = 1.1 * half[0] + 3, 1.1 * half[1] + 3
    at = window(centre[0] - wide, centre[0] + wide, centre[1] - high, centre[1] + high)
    x, y = (at.x - centre[0]) * (1 / half[0]), (at.y - centre[1]) * (1 / half[1])
    angle = np.arctan2(y, x)
    wobble = 1 + waves[0] * np.sin(2 * angle + phases[0]) + waves[1] * np.sin(5 * angle + phases[1])
    reach = (np.abs(x) ** exponent + np.abs(y) ** exponent) ** (1 / exponent)
    _cut(at.of(sheet), (reach / wobble - 1) * min(half))


def _cut(sheet: Floats, distance: Floats) -> None:
    """Take away what lies inside; `distance` is mm to the edge, about, negative inside."""
    np.minimum(sheet, np.clip(0.5 + distance * (1 / _SOFT_EDGE_MM), 0, 1), out=sheet)
