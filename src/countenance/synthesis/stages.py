"""What stands before the camera, frame by frame: heads, sheets and screens, and the wall behind them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.camera import FACE_CENTRE, Maps, Pose, Window, facing
from countenance.synthesis.displays import Screen, screen_layer
from countenance.synthesis.layers import Layer, Lights, fill, head_layer, head_spots, over, samples_for, sheet_layer
from countenance.synthesis.motion import Performance, Swing
from countenance.synthesis.noise import Floats, Noise
from countenance.synthesis.sensors import ColourSensor, decoded
from countenance.synthesis.setting import Actor, Figure, Setting
from countenance.synthesis.surfaces import Sheet
from countenance.synthesis.truth import Held, Places, Relief, Surface, Wall

_MARGIN = 3  # pixels round the face that are drawn although they are removed later, for blurs and differences
_BEHIND_PAPER = 0.8  # light that reaches a face behind a sheet
FILM_CROP_MM = 205.0  # what a replayed film shows


@dataclass(frozen=True)
class Shot:
    """One frame before any sensor.

    Attributes:
        window: the part of the picture that was drawn.
        layer: all that is seen in the window.
        holes: (h, w) where one looks through a cut print or a mask.
        places: of the whole picture.
        landmarks: (2, K) columns and rows.
        outline: (2, n) columns and rows of points all over the face.
    """

    window: Window
    layer: Layer
    holes: NDArray[np.bool_]
    places: Places
    landmarks: Floats
    outline: Floats


class Stage(Protocol):
    """A presentation that can be looked at frame by frame."""

    @property
    def setting(self) -> Setting:
        """Camera, light and wall."""

    @property
    def performance(self) -> Performance:
        """What the presented face does."""

    def shoot(self, frame: int) -> Shot:
        """One frame before any sensor."""


def _shot(  # what a frame consists of
    setting: Setting, lights: Lights, drift: tuple[float, float, float], seen: "_Seen", points: "_Points"
) -> Shot:
    """Put the wall behind what is seen, and note which place every pixel shows."""
    camera, window, layer = setting.camera, seen.window, seen.layer
    owner = (layer.depth > 0).astype(np.uint8)
    owner[seen.behind] = 2
    surfaces = seen.surfaces
    if setting.backdrop is not None:
        stretch = setting.backdrop.distance / setting.distance
        wall = Wall(setting.backdrop.distance, (drift[0] * stretch, drift[1] * stretch))
        layer, behind = over(layer, setting.backdrop.layer(wall, camera, window, lights))
        surfaces = (*surfaces, wall)
        owner[behind] = len(surfaces)
    whole, place = np.zeros((camera.size,) * 2, np.uint8), np.zeros((2, camera.size, camera.size), np.float32)
    whole[window.slices], place[(slice(None), *window.slices)] = owner, layer.place
    places = Places(camera, whole, place, surfaces, seen.content)
    return Shot(window, layer, seen.holes, places, camera.project(points.landmarks), camera.project(points.outline))


@dataclass(frozen=True)
class _Seen:
    window: Window
    layer: Layer
    holes: NDArray[np.bool_]
    behind: NDArray[np.bool_]
    surfaces: tuple[Surface, ...]
    content: tuple[Places, float, float] | None = None


@dataclass(frozen=True)
class _Points:
    landmarks: Floats
    outline: Floats


@dataclass(frozen=True)
class HeadStage:
    """A head: of a person, or in a mask, whose `holes` (1, rows, columns) are then given."""

    setting: Setting
    swing: Swing
    performance: Performance
    actor: Actor | None
    masked: tuple[Figure, Maps] | None = None

    def shoot(self, frame: int) -> Shot:
        """One frame before any sensor."""
        setting, seconds = self.setting, self.setting.seconds(frame)
        jaw = None
        if self.masked is not None:
            face = self.masked[0]
        else:
            assert self.actor is not None
            face, jaw = self.actor.at(frame), self.actor.jaw(frame)
        pose, drift = _placed(setting, self.swing, seconds, FACE_CENTRE)
        lights = setting.lights(frame, self.swing.liveliness(seconds))
        points = _Points(pose.apply(face.landmarks), pose.apply(face.outline))
        window = _window(setting, points.outline)
        layer = head_layer(
            face.maps, pose, setting.camera, window, samples_for(setting.camera, setting.spec.crop_mm), lights
        )
        nothing = np.zeros(window.shape, bool)
        holes = nothing
        if self.masked is not None:
            cut = self.masked[1].sample(layer.place[0].ravel(), layer.place[1].ravel())[0].reshape(window.shape)
            holes = (cut > 0.5) & (layer.depth > 0)
        seen = _Seen(window, layer, holes, nothing, (Relief(face.maps, pose, jaw),))
        return _shot(setting, lights, drift, seen, points)


def _placed(
    setting: Setting, swing: Swing, seconds: float, pivot: tuple[float, float, float]
) -> tuple[Pose, tuple[float, float, float]]:
    drift = swing.drift_at(seconds)
    across, up = swing.seat_at(seconds)
    return facing(swing.turn_at(seconds), np.array([across, up, -setting.distance * drift[2]]), pivot), drift


def _window(setting: Setting, outline: Floats) -> Window:
    """All of the picture, or where the face is when nothing else is kept."""
    return setting.camera.everything if setting.spec.background else setting.camera.window_of(outline, _MARGIN)


@dataclass(frozen=True)
class SheetStage:
    """A printed sheet, in a hand or on a wearer's face.

    Attributes:
        setting, swing: of the clip; `performance` of the printed face.
        sheet, texture, gloss: as `layers.sheet_layer` takes them.
        shown: the printed face, flat.
        wearer, seat: who is behind it, and the pose of their face frame in the sheet's.
    """

    setting: Setting
    swing: Swing
    performance: Performance
    sheet: Sheet
    texture: Maps
    gloss: float
    shown: Figure
    wearer: tuple[Actor, Pose] | None

    def shoot(self, frame: int) -> Shot:
        """One frame before any sensor."""
        setting, camera, seconds = self.setting, self.setting.camera, self.setting.seconds(frame)
        pose, drift = _placed(setting, self.swing, seconds, (0.0, FACE_CENTRE[1] * self.sheet.scale, 0.0))
        lights = setting.lights(frame, self.swing.liveliness(seconds))
        points = _Points(
            *(pose.apply(self.sheet.points(p[0], p[1])) for p in (self.shown.landmarks, self.shown.outline))
        )
        window = _window(setting, points.outline)
        samples = samples_for(camera, setting.spec.crop_mm)
        layer, holes = sheet_layer(self.sheet, self.texture, self.gloss, pose, camera, window, samples, lights)
        behind = np.zeros(window.shape, bool)
        surfaces: tuple[Surface, ...] = (Held(self.sheet, pose),)
        if self.wearer is not None:
            actor, seat = self.wearer
            face, there = actor.at(frame), pose.after(seat)
            through = layer.alpha < np.float32(0.999)
            if through.any():
                spots = head_spots(face.maps, there, camera.rays(window)[:, through.ravel()], lights)
                behind = fill(layer, spots, through, _BEHIND_PAPER)
            surfaces = (*surfaces, Relief(face.maps, there, actor.jaw(frame)))
        return _shot(setting, lights, drift, _Seen(window, layer, holes, behind, surfaces), points)


@dataclass(frozen=True)
class ScreenStage:
    """A screen that plays a film: `film` is the stage on which that was shot, `camera` its sensor."""

    setting: Setting
    swing: Swing
    screen: Screen
    film: HeadStage
    recorder: ColourSensor
    grain: Noise

    @property
    def performance(self) -> Performance:
        """What the face in the film does."""
        return self.film.performance

    def shoot(self, frame: int) -> Shot:
        """One frame before any sensor; frames must be taken in order, as the film's noise is drawn on the way."""
        setting, seconds = self.setting, self.setting.seconds(frame)
        filmed = self.film.shoot(frame)
        picture = filmed.layer.colour.transpose(1, 2, 0)
        stored = self.recorder.develop(picture, filmed.layer.face > 0.5, self.grain.white(*picture.shape))
        size, centre = stored.shape[0], self.film.setting.camera.centre
        pitch, top = FILM_CROP_MM / size, FACE_CENTRE[1]
        reach = pitch * centre
        planes = np.concatenate([decoded(stored).transpose(2, 0, 1), filmed.layer.face[None]])
        content = Maps(np.ascontiguousarray(planes), (-reach, reach), (top + reach, top - reach))

        sheet = self.screen.sheet
        pose, drift = _placed(setting, self.swing, seconds, (0.0, top * sheet.scale, 0.0))
        lights = setting.lights(frame, self.swing.liveliness(seconds))
        marks, outline = (
            pose.apply(
                sheet.points(
                    (p[0] - np.float32(centre)) * np.float32(pitch),
                    top - (p[1] - np.float32(centre)) * np.float32(pitch),
                )
            )
            for p in (filmed.landmarks, filmed.outline)
        )
        window = _window(setting, outline)
        layer = screen_layer(self.screen, content, pose, setting.camera, window, lights, frame)
        nothing = np.zeros(window.shape, bool)
        seen = _Seen(window, layer, nothing, nothing, (Held(sheet, pose),), (filmed.places, pitch, top))
        return _shot(setting, lights, drift, seen, _Points(marks, outline))
