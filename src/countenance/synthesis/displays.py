"""Screens that replay a face.

What gives a screen away: its grid of pixels beats with the camera's (moire, as in Patel, Han, Jain and Ott, "Live Face
Video vs. Spoof Face Video", ICB 2015), its refresh beats with the shutter (bands), it mirrors the room, and it emits
nothing at 860 nm. The grid is evaluated at the point where the pixel's central ray meets the glass; sampling it there,
far too coarsely, gives fringes that bend with the perspective and run with the motion, as real ones do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from countenance.synthesis.camera import Camera, Maps, Pose, Window
from countenance.synthesis.layers import Layer, Lights
from countenance.synthesis.light import PROJECTOR_MM, dot, views
from countenance.synthesis.noise import Floats
from countenance.synthesis.spec import Display
from countenance.synthesis.surfaces import Sheet

_SCREEN_RETURNS = 0.35  # of what a mirror sends back, what the depth camera can decode
_GLINT_WIDTH = 0.00025


@dataclass(frozen=True)
class Device:
    """A kind of screen.

    Attributes:
        face_scale: size of the shown face against a real one.
        distance_mm: at which it is held.
        pitch_mm: of its pixels.
        luminance: of its white, against a lit sheet of paper.
        half_width, half_height: mm.
    """

    face_scale: float
    distance_mm: float
    pitch_mm: float
    luminance: float
    half_width: float
    half_height: float


DEVICES: Mapping[Display, Device] = MappingProxyType(
    {
        Display.PHONE: Device(0.52, 330.0, 0.055, 0.9, 39.0, 82.0),
        Display.TABLET: Device(0.86, 430.0, 0.096, 0.7, 89.0, 124.0),
        Display.LAPTOP: Device(1.0, 520.0, 0.17, 0.6, 155.0, 98.0),
        Display.MONITOR: Device(1.12, 600.0, 0.25, 0.55, 265.0, 150.0),
    }
)


@dataclass(frozen=True)
class Screen:
    """One screen in one clip.

    Attributes:
        device: its kind.
        black: its blackest black.
        white: (3,) its white point.
        falloff: exponent of its dimming off axis.
        moire, band, band_count, band_phase, band_step: depths, and bands a picture, and their advance a frame (turns).
        near: reflectance at 860 nm.
        window_at, window_half, window_bright: mirrored window: its direction (x, y as slopes), half-sizes, radiance.
    """

    device: Device
    black: float
    white: Floats
    falloff: float
    moire: float
    band: float
    band_count: float
    band_phase: float
    band_step: float
    near: float
    window_at: tuple[float, float]
    window_half: tuple[float, float]
    window_bright: float

    @property
    def sheet(self) -> Sheet:
        """Its flat glass."""
        return Sheet(
            curvature=0.0,
            axis=0.0,
            scale=self.device.face_scale,
            half_width=self.device.half_width,
            top=self.device.half_height - 10 * self.device.face_scale,
            bottom=-self.device.half_height - 10 * self.device.face_scale,
        )

    def emitted(self, u: Floats, v: Floats, row: Floats, frame: int) -> Floats:
        """(3, n) factors of the grid and of the bands at (n,) mm on the glass and rows of the picture in [0, 1]."""
        dots = np.float32(1 / self.device.pitch_mm)
        across, along = u * dots, v * dots
        across, along = (
            across - np.floor(across),
            along - np.floor(along),
        )  # thousands of turns leave nothing of a cosine
        turn = np.float32(2 * np.pi)
        down = np.float32(self.moire) * (1 + np.float32(0.6) * np.cos(turn * along))
        beat = self.band_count * row + np.float32((self.band_phase + frame * self.band_step) % 1)
        bands = 1 + np.float32(self.band) * np.cos(turn * beat)
        thirds = np.arange(3, dtype=np.float32)[:, None] / 3  # red, green and blue stand beside each other
        return np.asarray((1 + np.cos(turn * (across + thirds)) * down) * bands, dtype=np.float32)

    def mirrored(self, reflected: Floats) -> Floats:
        """(n,) radiance of the window that (3, n) mirrored rays meet."""
        towards = np.maximum(reflected[2], np.float32(0.05))
        right = np.abs(reflected[0] / towards - np.float32(self.window_at[0])) - np.float32(self.window_half[0])
        up = np.abs(reflected[1] / towards - np.float32(self.window_at[1])) - np.float32(self.window_half[1])
        edge = np.clip(0.5 - np.maximum(right, up) * np.float32(25), 0, 1)
        return np.asarray(edge * np.float32(self.window_bright), dtype=np.float32)


def draw_screen(generator: np.random.Generator, display: Display) -> Screen:
    """A screen of this kind."""
    at, half = generator.normal(0, (0.6, 0.5)), generator.uniform(0.08, 0.35, 2)
    banded = generator.random() < 0.6
    return Screen(
        device=DEVICES[display],
        black=generator.uniform(0.002, 0.02),
        white=np.exp(generator.normal(0, 0.05, 3)).astype(np.float32),
        falloff=generator.uniform(0.3, 1.2),
        moire=generator.uniform(0.03, 0.22),
        band=generator.uniform(0.02, 0.16) * banded,
        band_count=generator.uniform(0.6, 4.0),
        band_phase=generator.random(),
        band_step=generator.uniform(0.05, 0.95),
        near=generator.uniform(0.004, 0.0125),
        window_at=(float(at[0]), float(at[1])),
        window_half=(float(half[0]), float(half[1])),
        window_bright=generator.uniform(0.5, 3.0),
    )


def screen_layer(
    screen: Screen, content: Maps, pose: Pose, camera: Camera, window: Window, lights: Lights, frame: int
) -> Layer:
    """A screen in a window, one sample a pixel; content planes: red, green, blue (linear, to 1) and face."""
    rays = camera.rays(window)
    hits = screen.sheet.cast(pose, rays)
    shown = content.sample(hits.x, hits.y)
    scale = np.float32(screen.device.face_scale)
    within = (np.abs(hits.x) < content.x_extent[1]) & (np.abs(hits.y - np.mean(content.y_extent)) < content.x_extent[1])
    shown = shown * within
    view = views(rays)
    normal = np.broadcast_to(pose.rotation[:, 2].astype(np.float32)[:, None], view.shape)
    cosine = np.clip(dot(view, pose.rotation[:, 2]), 0, 1)
    rows = np.repeat(np.arange(window.top, window.bottom, dtype=np.float32), window.shape[1]) * np.float32(
        1 / camera.size
    )
    dimming = np.float32(screen.device.luminance) * np.exp(
        np.float32(screen.falloff) * np.log(np.maximum(cosine, 1e-3))
    )
    fresnel = np.float32(0.04) + np.float32(0.96) * (1 - cosine) ** 5
    mirror = 2 * cosine * normal - view
    room = fresnel * (np.float32(0.4 * lights.colour.ambient) + screen.mirrored(mirror))
    colour = shown[:3] * np.float32(0.985) + np.float32(screen.black)
    colour *= screen.emitted(hits.x * scale, hits.y * scale, rows, frame) * dimming * screen.white[:, None]
    colour += room
    alpha = hits.hit.astype(np.float32)
    fall = np.float32(PROJECTOR_MM) / np.where(hits.hit, hits.depth, np.float32(1e6))
    glint = np.exp((cosine - 1) * np.float32(1 / _GLINT_WIDTH)) * np.float32(3 * 0.04)
    returned = (np.float32(screen.near) * cosine + glint) * fall * fall
    ambient = 0.0 if lights.infrared is None else lights.infrared.ambient
    shape = window.shape
    return Layer(
        colour=(colour * alpha).reshape(3, *shape),
        near=(returned + np.float32(screen.near * ambient) * alpha).reshape(shape),
        returned=(returned * np.float32(_SCREEN_RETURNS)).reshape(shape),
        alpha=alpha.reshape(shape),
        face=(shown[3] * alpha).reshape(shape),
        normal=(normal * alpha).reshape(3, *shape),
        depth=np.where(hits.hit, hits.depth, np.float32(0)).reshape(shape),
        place=np.stack([hits.x.reshape(shape), hits.y.reshape(shape)]),
    )
