"""Light in the room and from the sensor, and what a surface sends back of it.

Colour: an ambient term that is brighter from above, and one key light (wrapped Lambert, Blinn and Phong's lobe).
Infrared at 860 nm: the sensor's own projector stands beside its lens, so that the light falls along the line of sight
and fades with the square of the distance; what else there is in the room comes on top.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.noise import Floats
from countenance.synthesis.presets import Preset

PROJECTOR_MM = 600.0  # where the projector's light counts as 1
_LOBE = np.float32(0.275)


@dataclass(frozen=True)
class Material:
    """What n points of a surface are made of and how they are turned.

    Attributes:
        colour: (3, n) linear reflectance.
        near: (n,) reflectance at 860 nm.
        gloss: (n,).
        open: (n,) how much of the surroundings a point sees, about 1.
        normal: (3, n) unit, camera frame.
        wrap: how far infrared light creeps round the surface, 0 for paper-like.
    """

    colour: Floats
    near: Floats
    gloss: Floats
    open: Floats
    normal: Floats
    wrap: float


@dataclass(frozen=True)
class ColourLight:
    """Light of the room: `ambient` and `key` strengths, the key's unit `direction` (3,) and `tint` (3,)."""

    ambient: float
    key: float
    direction: NDArray[np.float64]
    tint: NDArray[np.float64]

    def drifted(self, degrees: float, strength: float) -> "ColourLight":
        """The same light with its key moved round by `degrees` and scaled by `strength`."""
        turn = np.radians(degrees)
        x, y, z = self.direction
        moved = np.array([x * np.cos(turn) + z * np.sin(turn), y, z * np.cos(turn) - x * np.sin(turn)])
        return replace(self, direction=moved, key=self.key * strength)


@dataclass(frozen=True)
class InfraredLight:
    """Infrared light beside the projector's: `ambient`, and a `key` from `direction` (3,)."""

    ambient: float
    key: float
    direction: NDArray[np.float64]


def _direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Unit vector to a light, from degrees to the right and up."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])


def _draw_direction(generator: np.random.Generator) -> NDArray[np.float64]:
    """Somewhere in front and above, mostly."""
    azimuth, elevation = float(generator.normal(0, 45)), float(generator.normal(28, 18))
    return _direction(min(max(azimuth, -110.0), 110.0), min(max(elevation, -40.0), 80.0))


def draw_colour_light(generator: np.random.Generator) -> ColourLight:
    """The light of a room."""
    warmth = generator.normal(0, 0.12)
    return ColourLight(
        ambient=generator.uniform(0.35, 0.8),
        key=generator.uniform(0.25, 1.1),
        direction=_draw_direction(generator),
        tint=np.exp([warmth, 0, -warmth]),
    )


def draw_flash(generator: np.random.Generator) -> ColourLight:
    """A flash beside the lens."""
    return ColourLight(
        ambient=generator.uniform(0.2, 0.5),
        key=generator.uniform(0.8, 1.3),
        direction=_direction(generator.normal(0, 5), generator.normal(3, 4)),
        tint=np.ones(3),
    )


def draw_infrared_light(generator: np.random.Generator, preset: Preset) -> InfraredLight:
    """What infrared there is in the room."""
    lit = generator.random() < preset.infrared_key_share
    key = generator.uniform(*preset.infrared_key)
    ambient = generator.uniform(*preset.infrared_ambient)
    return InfraredLight(ambient, key if lit else 0.0, _draw_direction(generator))


def views(rays: Floats) -> Floats:
    """(3, n) unit vectors back along rays.

    The root is written out: normalising over a strided axis of three costs as much as all the rest of the shading.
    """
    length = np.sqrt(rays[0] * rays[0] + rays[1] * rays[1] + rays[2] * rays[2])
    return np.asarray(rays * (np.float32(-1) / length), dtype=np.float32)


def dot(first: Floats, second: Floats | NDArray[np.float64]) -> Floats:
    """(n,) inner products of (3, n) with (3, n), or with (3,) numbers."""
    a, b, c = (np.float32(value) if np.ndim(value) == 0 else value for value in second)
    return np.asarray(first[0] * a + first[1] * b + first[2] * c, dtype=np.float32)


def _lobe(gloss: Floats, cosine: Floats) -> Floats:
    """Blinn and Phong's highlight: narrower and higher for glossier surfaces."""
    exponent = 10 + 110 * gloss * gloss
    peak = gloss * (exponent + 8) * np.float32(1 / 60)
    return np.asarray(peak * np.exp(exponent * np.log(np.maximum(cosine, np.float32(1e-3)))), dtype=np.float32)


def shade_colour(material: Material, light: ColourLight) -> Floats:
    """(3, n) linear radiance."""
    half = light.direction + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    hemisphere = (0.72 + 0.28 * material.normal[1]) * material.open * np.float32(light.ambient)
    facing = np.maximum(dot(material.normal, light.direction) + np.float32(0.12), 0)
    key = facing * (0.35 + 0.65 * material.open) * np.float32(light.key / 1.12)
    lobe = _lobe(material.gloss, dot(material.normal, half)) * (_LOBE * np.float32(light.key))
    radiance = np.empty_like(material.colour)
    for band in range(3):
        tint = np.float32(light.tint[band])
        np.multiply(material.colour[band], hemisphere + tint * key, out=radiance[band])
        radiance[band] += tint * lobe
    return radiance


def shade_infrared(material: Material, view: Floats, depth: Floats, light: InfraredLight) -> tuple[Floats, Floats]:
    """(n,) linear radiance at 860 nm, and the part of it (n,) that is the projector's own light.

    Args:
        material: of the points.
        view: (3, n) unit vectors to the camera.
        depth: (n,) mm.
        light: of the room.
    """
    facing = np.maximum(dot(material.normal, view), 0)
    wrap = np.float32(material.wrap)
    fall = np.float32(PROJECTOR_MM) / depth
    fall *= fall
    returned = material.near * ((facing + wrap) / (1 + wrap)) * (0.5 + 0.5 * material.open)
    returned += np.float32(0.22) * _lobe(material.gloss, facing)
    returned *= fall
    room = np.float32(light.ambient) * material.open
    if light.key:
        room = room + np.float32(light.key) * np.maximum((dot(material.normal, light.direction) + wrap) / (1 + wrap), 0)
    return returned + material.near * room, returned
