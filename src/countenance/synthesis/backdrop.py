"""The wall behind a presentation, in colour, infrared and depth."""

from dataclasses import dataclass

import numpy as np

from countenance.synthesis.camera import Camera, Maps, Window
from countenance.synthesis.layers import Layer, Lights
from countenance.synthesis.light import PROJECTOR_MM
from countenance.synthesis.noise import Floats, Noise
from countenance.synthesis.truth import Wall

_TEXELS = 160
_SPARE_MM = 80.0  # how far the crop may wander on the wall


@dataclass(frozen=True)
class Backdrop:
    """A wall `distance` mm away; `paint` planes: red, green, blue and reflectance at 860 nm."""

    distance: float
    paint: Maps

    def layer(self, wall: Wall, camera: Camera, window: Window, lights: Lights) -> Layer:
        """The wall in a window of one frame."""
        rows, columns = window.shape
        rays = camera.rays(window)
        x = rays[0] * np.float32(self.distance) + np.float32(wall.offset[0])
        y = rays[1] * np.float32(self.distance) + np.float32(wall.offset[1])
        paint = self.paint.sample(x, y).reshape(4, rows, columns)
        near = returned = np.zeros((rows, columns), np.float32)
        if lights.infrared is not None:
            returned = paint[3] * np.float32((PROJECTOR_MM / self.distance) ** 2)
            near = returned + paint[3] * np.float32(lights.infrared.ambient + 0.4 * lights.infrared.key)
        normal = np.zeros((3, rows, columns), np.float32)
        normal[2] = 1
        return Layer(
            colour=paint[:3] * np.float32(lights.colour.ambient + 0.5 * lights.colour.key),
            near=near,
            returned=returned,
            alpha=np.ones((rows, columns), np.float32),
            face=np.zeros((rows, columns), np.float32),
            normal=normal,
            depth=np.full((rows, columns), self.distance, np.float32),
            place=np.stack([x, y]).reshape(2, rows, columns),
        )


def wall_colours(noise: Noise, rows: int, columns: int) -> Floats:
    """(rows, columns, 3) linear reflectance of a wall: a colour, clouds and grain."""
    generator = noise.generator
    base = 0.04 + 0.5 * (0.6 * generator.random() + 0.4 * generator.random(3)) ** 1.5  # walls are dull
    tone = noise.smooth(rows, columns, cells=(6, 6)) * np.float32(generator.uniform(0.08, 0.3))
    tone += noise.smooth(rows, columns, cells=(rows // 7, columns // 7)) * np.float32(generator.uniform(0.02, 0.2))
    tint = noise.smooth(rows, columns, cells=(4, 4)) * np.float32(generator.uniform(0, 0.2))
    leaning = generator.normal(0, 1, 3).astype(np.float32)
    colour = np.exp(tone[..., None] + tint[..., None] * leaning) * base.astype(np.float32)
    return np.asarray(np.clip(colour, 0.005, 0.9), dtype=np.float32)


def draw_backdrop(noise: Noise, camera: Camera) -> Backdrop:
    """A wall 0.9 to 1.6 m away, wide enough for the camera's whole picture."""
    distance = noise.generator.uniform(900, 1600)
    half = camera.size / 2 / camera.focal * distance + _SPARE_MM
    colour = wall_colours(noise, _TEXELS, _TEXELS).transpose(2, 0, 1)
    near = np.float32(noise.generator.uniform(0.2, 0.7)) * np.sqrt(colour.mean(axis=0) / colour.mean())
    return Backdrop(distance, Maps(np.concatenate([colour, near[None]]), (-half, half), (half, -half)))
