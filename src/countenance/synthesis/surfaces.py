"""Sheets and screens: bent, crumpled or flat, and where rays meet them.

A sheet is the parabolic cylinder ``z = -curvature x'^2 / 2 + relief(u, v)`` of its own frame, x' across the bend's
axis. (u, v) are millimetres on the unrolled sheet, divided by `scale`: those of the face frame of the shown face.
"""

from dataclasses import dataclass

import numpy as np

from countenance.synthesis.camera import Hits, Maps, Pose, turned
from countenance.synthesis.noise import Floats, Noise, blur
from countenance.synthesis.presets import Preset
from countenance.synthesis.texture import COLUMNS, ROWS, X_EXTENT

TEXEL_MM = (X_EXTENT[1] - X_EXTENT[0]) / (COLUMNS - 1)
_FOLD = 1.1  # beyond this slope a sheet is turned so far away that a ray is a miss


@dataclass(frozen=True)
class Sheet:
    """One sheet.

    Attributes:
        curvature: 1/mm; positive bends the edges away from the camera.
        axis: tilt of the bend's axis against the vertical, radians.
        scale: mm on the sheet for a mm of the shown face.
        half_width, top, bottom: its edges, mm of the sheet.
        relief: (1, rows, columns) mm over the shown face's domain, or None for a smooth sheet.
    """

    curvature: float
    axis: float
    scale: float
    half_width: float
    top: float
    bottom: float
    relief: Maps | None = None

    def cast(self, pose: Pose, rays: Floats) -> Hits:
        """Where (3, n) rays meet the sheet: the nearer root of a quadratic, shifted twice by the relief found there."""
        origin = -pose.rotation.T @ pose.translation
        along = turned(pose.rotation.T, rays)
        cos, sin = np.cos(self.axis), np.sin(self.axis)
        across = np.float32(cos * origin[0] + sin * origin[1])
        way = np.float32(cos) * along[0] + np.float32(sin) * along[1]
        bend = np.float32(self.curvature)
        a = bend / 2 * way * way
        b = along[2] + bend * across * way
        c = np.float32(origin[2] + self.curvature / 2 * across * across)
        start = origin.astype(np.float32)
        height: Floats | np.float32 = np.float32(0)
        for _ in range(1 if self.relief is None else 3):
            lift = c - height
            root = b * b - 4 * a * lift
            met = root >= 0
            depth = 2 * lift / (np.sqrt(np.maximum(root, 0)) - b)
            x, y = start[0] + depth * along[0], start[1] + depth * along[1]
            u, v, slope = self._unrolled(x, y)
            if self.relief is not None:
                height = self.relief.sample(u, v)[0]
        hit = met & (depth > 0) & (np.abs(slope) < _FOLD)
        hit &= (np.abs(u) < self.half_width / self.scale) & (v < self.top / self.scale) & (v > self.bottom / self.scale)
        return Hits(depth, u, v, hit)

    def _unrolled(self, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
        """(u, v) of the shown face and the slope of the bend at (x, y) of the sheet's frame."""
        cos, sin = np.float32(np.cos(self.axis)), np.float32(np.sin(self.axis))
        across = cos * x + sin * y
        slope = np.float32(self.curvature) * across
        stretch = across * slope * slope * np.float32(1 / 6)  # arc length less chord
        shrink = np.float32(1 / self.scale)
        return (x + cos * stretch) * shrink, (y + sin * stretch) * shrink, slope

    def points(self, u: Floats, v: Floats) -> Floats:
        """(3, n) points of the sheet's frame at (n,) coordinates of the shown face: the inverse of `cast`."""
        x, y = u * np.float32(self.scale), v * np.float32(self.scale)
        cos, sin = np.float32(np.cos(self.axis)), np.float32(np.sin(self.axis))
        arc = cos * x + sin * y
        bend2 = np.float32(self.curvature**2 / 6)
        across = arc.copy()
        for _ in range(4 if self.curvature else 0):  # Newton on across + bend2 across^3 = arc
            bent = bend2 * across * across
            across -= (across + bent * across - arc) / (1 + 3 * bent)
        z = np.float32(-self.curvature / 2) * across * across
        if self.relief is not None:
            z = z + self.relief.sample(u, v)[0]
        return np.stack([x - cos * (arc - across), y - sin * (arc - across), z])

    def normals(self, u: Floats, v: Floats, slope_u: Floats, slope_v: Floats) -> Floats:
        """(3, n) unit normals of the sheet's frame; `slope_u`, `slope_v` are the relief's, mm for a mm."""
        cos, sin = np.float32(np.cos(self.axis)), np.float32(np.sin(self.axis))
        bend = np.float32(self.curvature * self.scale) * (cos * u + sin * v)
        normal = np.empty((3, len(u)), np.float32)
        normal[0], normal[1], normal[2] = bend * cos - slope_u, bend * sin - slope_v, 1
        normal /= np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + 1)
        return normal


def slopes(relief: Floats, scale: float) -> Floats:
    """(2, rows, columns) slopes of a relief over the shown face's domain, to the right and up, mm for a mm."""
    up, right = np.gradient(relief, TEXEL_MM * scale)
    return np.stack([right, -up]).astype(np.float32)


def draw_paper(noise: Noise, preset: Preset, *, bent: bool, wearer: Floats | None) -> tuple[Sheet, Floats]:
    """A sheet of paper with a face on it.

    Args:
        noise: of the sheet.
        preset: for its drape.
        bent: on purpose, or only as paper is.
        wearer: (rows, columns) relief of the face that it is pressed on, mm; None for a sheet in a hand.

    Returns:
        The sheet, and its relief's slopes (2, rows, columns).
    """
    generator = noise.generator
    curvature = 1 / generator.uniform(62, 150) if bent else generator.normal(0, 1 / 2500)
    axis, scale = generator.normal(0, 0.22), generator.normal(1, 0.045)
    crumple = sum(noise.smooth(ROWS, COLUMNS, cells=cells) * share for cells, share in _CRUMPLE)
    relief = np.asarray(crumple, dtype=np.float32) * np.float32(generator.uniform(0.3, 2.2) / 2)
    strength = generator.uniform(0, preset.drape_bent if bent else preset.drape_flat)
    softness = generator.uniform(10, 14) / TEXEL_MM
    if wearer is not None and strength > 0:
        tent = blur(np.maximum(wearer, 0), softness)
        relief += np.float32(strength) * (tent - tent.max())
    sheet = Sheet(curvature, axis, scale, 105.0 * scale, 124.0 * scale, -134.0 * scale, Maps(relief[None]))
    return sheet, slopes(relief, scale)


_CRUMPLE = (((4, 4), 0.7), ((7, 6), 0.5), ((14, 12), 0.25))
