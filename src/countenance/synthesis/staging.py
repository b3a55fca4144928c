"""Set the stage for a clip: who performs, what is printed, cut, played or worn, and how it is held."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.camera import Maps, Pose, rotation
from countenance.synthesis.displays import DEVICES, draw_screen
from countenance.synthesis.expression import FacialActions
from countenance.synthesis.head import Features
from countenance.synthesis.masks import draw_mask
from countenance.synthesis.motion import Performance, Swing, draw_hand_swing, draw_head_swing, perform
from countenance.synthesis.noise import Noise
from countenance.synthesis.presets import Preset
from countenance.synthesis.prints import draw_cuts, draw_print
from countenance.synthesis.sensors import draw_colour_sensor
from countenance.synthesis.setting import Actor, Setting, draw_setting, figure
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Motion, Region, Stream
from countenance.synthesis.stages import FILM_CROP_MM, HeadStage, ScreenStage, SheetStage, Stage
from countenance.synthesis.surfaces import Sheet, draw_paper
from countenance.synthesis.texture import FACE, Z
from countenance.vocabulary import Modality

_FILM_PIXELS = 136  # a side, at least


def draw_stage(spec: ClipSpec, seeds: list[np.random.SeedSequence]) -> Stage:
    """Set up what a clip presents.

    Args:
        spec: of the clip.
        seeds: four: light, wall, motion, performance.
    """
    if spec.species.is_print:
        return _print_stage(spec, seeds)
    if spec.species.display is not None:
        return _screen_stage(spec, seeds)
    setting = draw_setting(spec, seeds[:2], held=None)
    swing = draw_head_swing(_generator(seeds[2]), spec)
    if spec.species is DrawnSpecies.MASK_3D:
        return _mask_stage(spec, setting, swing)
    actor = Actor(spec, spec.subject, perform(_generator(seeds[3]), spec, spec.expressions))
    return HeadStage(setting, swing, actor.performance, actor)


def _generator(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _frozen(spec: ClipSpec, seed: np.random.SeedSequence, *, rest: bool) -> Performance:
    """One held face for all frames: that of a photograph, or a mask's."""
    one = replace(spec, frames=1, motion=Motion.STILL, expressions=None, lids=None, yaws=None)
    asked = None if spec.expressions is None else spec.expressions[:1]
    held = perform(_generator(seed), one, asked, lids_down=0.0)
    if rest:
        held = Performance(held.expressions, (FacialActions.neutral(),))
    return Performance(held.expressions * spec.frames, held.actions * spec.frames)


def _mask_stage(spec: ClipSpec, setting: Setting, swing: Swing) -> HeadStage:
    assert spec.attacker is not None
    seeds = spec.seeds(Stream.PRINT, 3)
    target = Actor(spec, spec.subject, _frozen(spec, seeds[0], rest=True))
    wearer = Actor(spec, spec.attacker, _frozen(spec, seeds[1], rest=False))
    face = target.at(0)
    planes, cut = draw_mask(
        Noise(seeds[2]), face.maps.planes, wearer.at(0).maps.planes, target.features(0), wearer.features(0)
    )
    marks = face.landmarks.T
    return HeadStage(setting, swing, target.performance, None, (figure(planes, marks), Maps(cut[None])))


def _print_stage(spec: ClipSpec, seeds: list[np.random.SeedSequence]) -> SheetStage:
    setting = draw_setting(spec, seeds[:2], held=None)
    swing = draw_hand_swing(_generator(seeds[2]), spec)
    prints = spec.seeds(Stream.PRINT, 5)
    target = Actor(spec, spec.subject, _frozen(spec, prints[0], rest=False))
    face = target.at(0)
    colour, near = draw_print(Noise(prints[1]), setting.preset, face.maps.planes)
    cuts = draw_cuts(_generator(prints[3]), spec.species.cut, target.features(0))
    wearer, relief = None, None
    if spec.attacker is not None:
        wearer = Actor(spec, spec.attacker, perform(_generator(seeds[3]), spec, None, lids_down=0.25))
        relief = wearer.at(0).maps.planes[Z]
    sheet, slopes = draw_paper(Noise(prints[2]), setting.preset, bent=spec.species.is_bent, wearer=relief)
    seat_generator = _generator(prints[4])
    gloss = _gloss(seat_generator, spec.species)
    seated = None
    if wearer is not None:
        seated = wearer, _seat(seat_generator, spec, setting.preset, target, wearer, sheet)
    texture = Maps(np.concatenate([colour, near[None], cuts[None], face.maps.planes[FACE][None], slopes]))
    return SheetStage(setting, swing, target.performance, sheet, texture, gloss, face, seated)


def _gloss(generator: np.random.Generator, species: DrawnSpecies) -> float:
    share = generator.random()
    ends = {DrawnSpecies.PRINT_MATTE: (0.02, 0.1), DrawnSpecies.PRINT_GLOSSY: (0.2, 0.35)}
    low, high = ends.get(species, (0.02, 0.35))
    return float(low + share * (high - low))


def _seat(
    generator: np.random.Generator, spec: ClipSpec, preset: Preset, target: Actor, wearer: Actor, sheet: Sheet
) -> Pose:
    """How the wearer's face frame lies in the sheet's: holes over features, the sheet before or behind the nose tip."""
    turn = rotation(*generator.normal(0, (3.0, 3.0, 2.0)))
    slip = generator.normal(0, preset.misalignment_mm, 2)
    before, behind = generator.uniform(1, 9), generator.uniform(9, 22)
    mine, cut = wearer.features(0), target.features(0)
    own, printed = (_middle(place, spec.species.cut) for place in (mine, cut))
    nose = np.array(mine.nose_tip, np.float32)
    tip = float(wearer.at(0).maps.sample(nose[:1], nose[1:], 0, 1)[0, 0])
    level = tip - behind - (4.0 if spec.species.is_bent else 0.0) if Region.NOSE in spec.species.cut else tip + before
    at = np.array([*(printed * sheet.scale + slip), 0.0])
    return Pose(turn, at - turn @ np.array([*own, level]))


def _middle(face: Features, cut: frozenset[Region]) -> NDArray[np.float64]:
    """The point (x, y) by which a cut print is aligned: the mean of what is cut out."""
    points = [np.mean(face.eyes, axis=0)]
    if Region.NOSE in cut:
        points.append(np.array(face.nose_tip))
    if Region.MOUTH in cut:
        points.append(np.array(face.mouth))
    return np.asarray(np.mean(points, axis=0), dtype=np.float64)


def _screen_stage(spec: ClipSpec, seeds: list[np.random.SeedSequence]) -> ScreenStage:
    display = spec.species.display
    assert display is not None
    device = DEVICES[display]
    setting = draw_setting(spec, seeds[:2], held=(device.distance_mm, device.face_scale))
    swing = draw_hand_swing(_generator(seeds[2]), spec)
    prints = spec.seeds(Stream.PRINT, 5)
    generator = _generator(prints[4])
    screen = draw_screen(generator, display)
    size = max(spec.size, _FILM_PIXELS)
    film_spec = replace(
        spec,
        species=DrawnSpecies.BONA_FIDE,
        size=size,
        crop_mm=FILM_CROP_MM,
        background=True,
        modalities=(Modality.RGB,),
    )
    film_setting = draw_setting(film_spec, prints[:2], held=None)
    actor = Actor(film_spec, spec.subject, perform(_generator(seeds[3]), film_spec, spec.expressions))
    film = HeadStage(film_setting, draw_head_swing(_generator(prints[2]), film_spec), actor.performance, actor)
    recorder = replace(draw_colour_sensor(generator), exposure=float(generator.uniform(0.24, 0.34)), smear=None)
    return ScreenStage(setting, swing, screen, film, recorder, Noise(prints[3]))
