"""The mouth, drawn in a window of its own: lips, the opening between them, teeth, tongue, and the folds beside it."""

from dataclasses import dataclass

import numpy as np

from countenance.synthesis.expression import FacialActions
from countenance.synthesis.identity import Identity
from countenance.synthesis.skin import albedo
from countenance.synthesis.texture import COLOUR, HAIR, Map, Window, Z, cover, furrow, paint, ramp, window

_TEETH = (0.58, 0.54, 0.46, 0.56)
_CAVITY = (0.05, 0.008, 0.008, 0.12)
_TONGUE = (0.26, 0.075, 0.075, 0.42)


@dataclass(frozen=True)
class Lips:
    """The mouth's measures while the face does something, mm.

    Attributes:
        y: height of the line between the closed lips in the middle.
        half_width: from the middle to a corner.
        corners: rise of the left and the right corner.
        gap_up, gap_down: way of the inner edges of upper and lower lip from that line, in the middle.
        upper, lower: thickness of the red of each lip.
    """

    y: float
    half_width: float
    corners: tuple[float, float]
    gap_up: float
    gap_down: float
    upper: float
    lower: float


def lips(identity: Identity, actions: FacialActions) -> Lips:
    """Where the lips are."""
    mouth, tilt = identity.mouth, 0.5 * identity.flesh.asymmetry[4]
    jaw = max(actions.jaw_drop, 0.0)
    parted = max(actions.lips_parted, 0.0)
    smile = max(0.5 * (actions.corner_up_left + actions.corner_up_right), 0.0)
    pressed = min(0.34 * max(actions.lips_pressed, 0.0), 0.75)
    rest = mouth.corner - 0.42 * max(jaw - 4, 0.0)  # the corners hang half way between the lips
    stretch = 0.022 * max(actions.corners_out, 0.0) + 0.008 * smile
    return Lips(
        y=mouth.y + 0.30 * smile + 0.10 * max(-0.5 * (actions.corner_up_left + actions.corner_up_right), 0.0),
        half_width=mouth.half_width + actions.corners_out - 0.12 * jaw,
        corners=(rest - tilt + actions.corner_up_left, rest + tilt + actions.corner_up_right),
        gap_up=0.75 * max(actions.upper_lip_up, 0.0) + 0.35 * parted + 0.10 * jaw,
        gap_down=0.82 * jaw + 0.65 * parted + 0.9 * max(actions.lower_lip_down, 0.0),
        upper=max(mouth.upper_lip * (1 - pressed) * (1 - stretch), 1.4),
        lower=max(mouth.lower_lip * (1 - pressed) * (1 - stretch), 1.8),
    )


def draw_mouth(maps: Map, identity: Identity, actions: FacialActions) -> None:
    """Draw the mouth over the skin."""
    now = lips(identity, actions)
    low = now.y - now.gap_down - now.lower - 16
    at = window(-now.half_width - 12, now.half_width + 12, low, now.y + now.gap_up + now.upper + 14)
    u = at.x * (1 / now.half_width)
    dome = np.clip(1 - u * u, 0, 1)
    left, right = now.corners
    corner = np.where(u < 0, left, right)
    bow = np.exp(-((u * (1 / 0.2)) ** 2))
    closed = 1 / (1 + 0.5 * (now.gap_up + now.gap_down))
    line = now.y + corner * np.minimum(np.abs(u), 1.15) ** 2 - 0.8 * closed * bow
    inner_up = line + now.gap_up * dome**0.8
    inner_down = line - now.gap_down * dome**0.62
    cupid = 1 - identity.mouth.cupid * bow + 0.10 * np.exp(-(((np.abs(u) - 0.27) * (1 / 0.16)) ** 2))
    outer_up = inner_up + now.upper * dome**0.75 * cupid
    outer_down = inner_down - now.lower * dome**0.62 * (1 + 0.06 * bow)
    inside = np.abs(u) < 1
    _lip_relief(maps, at, (inner_up, outer_up, inner_down, outer_down, dome))
    red_up = np.minimum(cover(outer_up - at.y, 2.2), cover(at.y - inner_up, 1.4)) * inside
    red_down = np.minimum(cover(at.y - outer_down, 2.2), cover(inner_down - at.y, 1.4)) * inside
    _colour_lips(maps, at, identity, (red_up, red_down, inner_down, outer_down))
    opening = np.minimum(cover(inner_up - at.y, 1.5), cover(at.y - inner_down, 1.5)) * inside
    if now.gap_up + now.gap_down > 0.3:
        _inside(maps, at, identity, actions, (opening, line, inner_up, inner_down, u))
    seam = np.exp(-(((at.y - 0.5 * (inner_up + inner_down)) * (1 / 0.8)) ** 2)) * closed
    seam = seam * ramp(np.abs(u), 1.04, 0.9) * (0.72 + 0.2 * ramp(np.abs(u), 0.6, 0.95))
    paint(maps, at, np.array([0.07, 0.022, 0.022, 0.22], np.float32), seam)
    under = at.of(maps)
    for side, rise in ((-1, left), (1, right)):
        pit = np.exp(-(((at.x - side * now.half_width) / 2.4) ** 2) - ((at.y - now.y - rise) / 2.2) ** 2)
        furrow(maps, at, 1.3 * pit, 0.26)
    under[HAIR] *= 1 - np.maximum(np.maximum(red_up, red_down), opening)
    groove = outer_down - 5.2
    furrow(maps, at, 2.2 * np.exp(-(((at.y - groove) / 3.6) ** 2) - (u / 0.55) ** 2), 0.045)


def _lip_relief(maps: Map, at: Window, edges: tuple[Map, Map, Map, Map, Map]) -> None:
    inner_up, outer_up, inner_down, outer_down, dome = edges
    up = (at.y - inner_up) / np.maximum(outer_up - inner_up, 0.8)
    down = (inner_down - at.y) / np.maximum(inner_down - outer_down, 0.8)
    bulge_up = np.exp(-(((up - 0.35) / 0.62) ** 2))
    bulge_down = np.exp(-(((down - 0.45) / 0.55) ** 2))
    at.of(maps)[Z] += dome**0.5 * np.maximum(3.6 * bulge_up, 4.2 * bulge_down)


def _colour_lips(maps: Map, at: Window, identity: Identity, where: tuple[Map, Map, Map, Map]) -> None:
    red_up, red_down, inner_down, outer_down = where
    pigment = identity.pigment
    colour = albedo(pigment.melanin * pigment.lip_melanin, pigment.lip_blood)
    colour[:3] += 0.012
    strength = 0.82
    if pigment.lipstick is not None:
        colour, strength = np.array(pigment.lipstick, np.float32), 0.9
    paint(maps, at, 0.86 * colour, strength * red_up, gloss=0.36)
    paint(maps, at, colour, strength * red_down, gloss=0.44)
    shade = 0.2 * np.exp(-(((at.y - outer_down + 1.6) / 1.6) ** 2)) * (outer_down < inner_down - 0.8)
    at.of(maps)[COLOUR] *= 1 - shade


def _inside(
    maps: Map, at: Window, identity: Identity, actions: FacialActions, where: tuple[Map, Map, Map, Map, Map]
) -> None:
    """The hollow, the tongue on its floor, the teeth before it."""
    opening, line, inner_up, inner_down, u = where
    y = at.y
    paint(maps, at, np.array(_CAVITY, np.float32), opening, gloss=0.3)
    gap = inner_up - inner_down
    tongue = ramp(inner_down + 0.48 * gap - y, -2.5, 3.5) * ramp(np.abs(u), 0.85, 0.5) * ramp(gap, 7, 14)
    paint(maps, at, np.array(_TONGUE, np.float32), 0.8 * tongue * opening)
    hang = line + 1.2 + 0.14 * max(actions.jaw_drop - 6, 0.0) - 6.6 * (1 - 0.35 * np.abs(u)) + 0.4 * np.cos(at.x * 0.9)
    upper = cover(y - hang, 1.5) * ramp(np.abs(u), 0.97, 0.72)
    rise = inner_down - 1.5 + 3.2 * ramp(gap, 6, 14)
    lower = 0.6 * cover(rise - y, 1.5) * ramp(np.abs(u), 0.75, 0.5) * ramp(gap, 20, 10)
    teeth = np.maximum(upper, lower) * opening
    shade = (1 - 0.45 * np.abs(u) ** 1.5) * (1 - 0.45 * np.exp(np.minimum((y - inner_up) / 1.6, 0)))
    shade = shade * (0.93 + 0.07 * np.cos(at.x * (2 * np.pi / 7.2)))
    white = np.array(_TEETH, np.float32) * np.array([1, 1 - 0.06 * identity.age, 1 - 0.2 * identity.age, 1], np.float32)
    paint(maps, at, white[:, None, None] * shade, teeth, gloss=0.5)
    at.of(maps)[Z] -= opening * (13 - 8 * np.maximum(upper, lower)) * ramp(gap, 0.5, 6)


def draw_cheek_folds(maps: Map, identity: Identity, actions: FacialActions) -> None:
    """The folds from the nose's wings to the mouth's corners, and the cheeks that a smile lifts."""
    now = lips(identity, actions)
    nose = identity.nose
    top, bottom = nose.tip_y + 3, now.y - 2
    for side, rise, raised in (
        (-1, now.corners[0], actions.corner_up_left),
        (1, now.corners[1], actions.corner_up_right),
    ):
        smile = min(max(raised, 0.0) / 10, 1.3)
        at = window(min(4 * side, 68 * side), max(4 * side, 68 * side), -75, 22)
        along = side * at.x
        t = (top - at.y) / (top - bottom - 0.5 * rise)
        bend = np.clip(t, 0, 1.4)
        x = (
            nose.ala_half_width
            + 2.0
            + (now.half_width + 8.5 - nose.ala_half_width) * bend**1.1
            + 3.5 * smile * np.sin(np.pi * np.clip(t, 0, 1))
        )
        depth = 0.25 + 1.2 * identity.age + 1.5 * smile + 0.9 * max(actions.nose_wrinkle, 0.0)
        d = along - x
        fold = np.exp(-((d / 1.9) ** 2)) * ramp(t, -0.1, 0.15) * ramp(t, 1.3, 0.85)
        furrow(maps, at, depth * fold, 0.13)
        lifted = np.exp(-(((d - 11) / 10) ** 2)) * ramp(t, -0.6, 0.2) * ramp(t, 1.3, 0.6)
        at.of(maps)[Z] += (0.35 * depth + 2.0 * smile) * lifted
        apple = np.exp(-(((along - 37) / 13) ** 2) - ((at.y - 2) / 10) ** 2)
        at.of(maps)[Z] += 2.6 * max(actions.cheek_raise, 0.0) * apple
