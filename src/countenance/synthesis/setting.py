"""What the frames of a clip share: camera, light and wall; and the people in it."""

from dataclasses import dataclass

import numpy as np

from countenance.synthesis.backdrop import Backdrop, draw_backdrop
from countenance.synthesis.camera import Camera, Maps
from countenance.synthesis.expression import FacialActions
from countenance.synthesis.head import Features, HeadBase, face_maps, features, landmarks, prepare
from countenance.synthesis.identity import alike, draw_identity
from countenance.synthesis.layers import Lights
from countenance.synthesis.light import ColourLight, InfraredLight, draw_colour_light, draw_infrared_light
from countenance.synthesis.motion import Performance
from countenance.synthesis.noise import Floats, Noise
from countenance.synthesis.presets import Preset, preset_named
from countenance.synthesis.spec import ClipSpec, Motion
from countenance.synthesis.texture import COLUMNS, FACE, ROWS, X_EXTENT, Y_EXTENT, Z
from countenance.synthesis.truth import Jaw
from countenance.vocabulary import Modality

_OUTLINE_STEP = 6  # texels between the points that stand for a face's extent


@dataclass(frozen=True)
class Setting:
    """All that the frames of a clip share: camera, light, wall."""

    spec: ClipSpec
    preset: Preset
    camera: Camera
    distance: float
    colour: ColourLight
    infrared: InfraredLight | None
    skin_wrap: float
    sway: tuple[float, float, float]
    backdrop: Backdrop | None

    def seconds(self, frame: int) -> float:
        """Logical time of a frame."""
        return frame * self.spec.seconds_between_frames

    def lights(self, frame: int, liveliness: float) -> Lights:
        """The light of a frame; it drifts in a lively video."""
        colour = self.colour
        if self.spec.motion is Motion.LIVELY and liveliness > 0:
            degrees, share, phase = self.sway
            wave = liveliness * float(np.sin(0.9 * self.seconds(frame) + phase) - np.sin(phase))
            colour = colour.drifted(degrees * wave, 1 + share * wave)
        return Lights(colour, self.infrared, self.skin_wrap)


def draw_setting(spec: ClipSpec, seeds: list[np.random.SeedSequence], *, held: tuple[float, float] | None) -> Setting:
    """Draw camera, light and wall.

    Args:
        spec: of the clip.
        seeds: two.
        held: distance in mm and size of the face for something that is not held at a face's distance and size.
    """
    preset = preset_named(spec.preset)
    generator = np.random.Generator(np.random.PCG64(seeds[0]))
    distance, crop = generator.uniform(*preset.distance_mm), spec.crop_mm + generator.uniform(-5, 5)
    stretch = generator.uniform(0.9, 1.2)
    if held is not None:
        distance, crop = held[0] * stretch, crop * held[1]
    camera = Camera(spec.size, spec.size * distance / crop)
    colour, infrared = draw_colour_light(generator), draw_infrared_light(generator, preset)
    wrap = generator.uniform(*preset.infrared_wrap)
    sway = generator.normal(0, 18), generator.uniform(-0.15, 0.15), generator.uniform(0, 2 * np.pi)
    sees_infrared = Modality.INFRARED in spec.modalities or Modality.DEPTH in spec.modalities
    backdrop = draw_backdrop(Noise(seeds[1]), camera) if spec.background else None
    lights = infrared if sees_infrared else None
    return Setting(spec, preset, camera, distance, colour, lights, wrap, sway, backdrop)


@dataclass(frozen=True)
class Figure:
    """A face in one frame: its maps, its landmarks (3, K) and points all over it (3, n), mm of the face frame."""

    maps: Maps
    landmarks: Floats
    outline: Floats


def figure(planes: Floats, marks: Floats) -> Figure:
    """A face from its (12, rows, columns) maps and (K, 3) landmarks."""
    coarse = planes[:, ::_OUTLINE_STEP, ::_OUTLINE_STEP]
    x = np.linspace(*X_EXTENT, COLUMNS, dtype=np.float32)[::_OUTLINE_STEP]
    y = np.linspace(*Y_EXTENT, ROWS, dtype=np.float32)[::_OUTLINE_STEP]
    rows, columns = np.nonzero(coarse[FACE] > 0.3)
    return Figure(
        Maps(planes), np.ascontiguousarray(marks.T), np.stack([x[columns], y[rows], coarse[Z, rows, columns]])
    )


class Actor:
    """Somebody who performs; a face that is held over several frames is drawn once."""

    def __init__(self, spec: ClipSpec, number: int, performance: Performance) -> None:
        self.performance = performance
        self.identity = draw_identity(number, root=spec.root)
        if spec.like is not None and number == spec.subject:
            other, share = spec.like
            self.identity = alike(self.identity, draw_identity(other, root=spec.root), share)
        self.base: HeadBase = prepare(self.identity)
        self._held: tuple[FacialActions, Figure] | None = None

    def at(self, frame: int) -> Figure:
        """The face in a frame."""
        actions = self.performance.actions[frame]
        if self._held is None or self._held[0] != actions:
            planes = face_maps(self.base, actions)
            self._held = actions, figure(planes, landmarks(self.base, actions, maps=planes))
        return self._held[1]

    def jaw(self, frame: int) -> Jaw:
        """How far the mouth is open in a frame."""
        return Jaw(self.identity.mouth.y, max(self.performance.actions[frame].jaw_drop, 0.0))

    def features(self, frame: int) -> Features:
        """Where eyes, nose and mouth are in a frame."""
        return features(self.identity, self.performance.actions[frame])
