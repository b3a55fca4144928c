"""Eyes and brows, drawn in small windows of their own, as wide, as closed and as high as the actions say."""

from dataclasses import dataclass

import numpy as np

from countenance.synthesis.expression import FacialActions
from countenance.synthesis.identity import Identity
from countenance.synthesis.texture import GLOSS, HAIR, Map, Window, Z, cover, furrow, noise, paint, ramp, window

_SCLERA = (0.37, 0.335, 0.305, 0.42)
_PUPIL = (0.008, 0.008, 0.008, 0.008)
_CARUNCLE = (0.36, 0.17, 0.15, 0.50)
_LOWER_LID = 0.72  # of the upper lid's height


@dataclass(frozen=True)
class Lids:
    """The edges of one fissure, mm above the middle of the eye, as heights over its middle line.

    Attributes:
        upper: of the upper lid now (closed: it meets the lower one).
        lower: of the lower lid, positive downwards.
        crease: of the upper lid's fold.
    """

    upper: float
    lower: float
    crease: float


def lids(identity: Identity, actions: FacialActions) -> Lids:
    """How far the lids stand open in the middle of the eye."""
    eyes = identity.eyes
    tight = min(max(actions.squint, 0.0), 1.3)
    wide = eyes.lid_height * (1 + max(actions.lids_wide, -0.8)) * (1 - 0.22 * tight)
    lower = _LOWER_LID * eyes.lid_height * (1 - 0.55 * tight) * (1 + 0.25 * max(actions.lids_wide, 0.0))
    blink = min(max(actions.blink, 0.0), 1.0)
    upper = wide - blink * (wide + 0.85 * lower)
    crease = wide + eyes.crease * (1 - 0.35 * max(actions.lids_wide, 0.0)) * (1 - 0.3 * blink)
    return Lids(upper, lower, crease)


def centre(identity: Identity, side: int) -> tuple[float, float]:
    """(x, y) of the middle of an eye, side -1 (left) or 1."""
    return side * identity.eyes.x, identity.eyes.y + 0.45 * side * identity.flesh.asymmetry[2]


def draw_eye(maps: Map, identity: Identity, actions: FacialActions, side: int) -> None:
    """Draw one eye, side -1 (left) or 1, over the skin."""
    eyes = identity.eyes
    ex, ey = centre(identity, side)
    at = window(ex - 24, ex + 24, ey - 16, ey + 18)
    dx, dy = (at.x - ex) * side, at.y - ey  # dx grows towards the temple
    t = dx * (1 / eyes.half_width)
    dome = np.clip(1 - t * t, 0, 1)
    now = lids(identity, actions)
    middle = eyes.slope * dx
    closing = 0.65 + 0.1 * (now.upper < 0)
    upper = middle + now.upper * dome**closing * (1 - 0.14 * t)
    lower = middle - now.lower * dome**0.8 * (1 + 0.18 * t)
    ball = np.maximum(1 - (dx * (1 / 15.5)) ** 2 - (dy * (1 / 12.5)) ** 2, 0) ** 0.8
    under = at.of(maps)
    under[Z] += 6.0 * ball
    _swell(under, dx, dy)
    _lid_skin(maps, at, identity, actions, (dx, dy, t, middle, now, lower))
    opening = np.minimum(cover(upper - dy, 1.5), cover(dy - lower, 1.5)) * ramp(upper - lower, 0.4, 1.6)
    _eyeball(maps, at, identity, actions, (dx * side, dy, t, upper, opening))
    under[Z] -= 0.7 * opening
    reach = ramp(np.abs(t), 1.08, 0.9)
    lash = np.exp(-(((dy - upper - 0.25) / 0.85) ** 2)) * reach * (0.86 if identity.woman else 0.68)
    lash *= 0.72 + 0.28 * ramp(t, -0.9, 0.3)
    dark = 0.35 * np.array(identity.hair.colour, np.float32) * (1.0, 1.0, 1.0, 0.8) + 0.006
    paint(maps, at, dark.astype(np.float32), lash)
    lower_lash = 0.26 * np.exp(-(((dy - lower + 0.3) / 0.7) ** 2)) * ramp(np.abs(t), 1.0, 0.8) * ramp(t, -0.8, 0.2)
    paint(maps, at, dark.astype(np.float32), lower_lash)


def _swell(under: Map, dx: Map, dy: Map) -> None:
    """Let the eyeball, 12.5 mm in radius, push through the socket, under the lids or between them."""
    middle = float(under[Z, under.shape[1] // 2, under.shape[2] // 2])
    sphere = middle + 3.2 - 12.5 + 12.5 * np.sqrt(np.maximum(1 - (dx * (1 / 14.5)) ** 2 - (dy * (1 / 12.5)) ** 2, 0))
    over = sphere - under[Z]
    rise = np.where(over > 1.5, over, np.maximum(over + 1.5, 0) ** 2 * (1 / 6))  # a smooth maximum
    under[Z] += rise * ramp(np.hypot(dx * (1 / 14.5), dy * (1 / 12.5)), 0.95, 0.7)


def _lid_skin(
    maps: Map, at: Window, identity: Identity, actions: FacialActions, where: tuple[Map, Map, Map, Map, Lids, Map]
) -> None:
    """The folds round the eye: the crease over the upper lid, the bag under the lower one, crow's feet."""
    dx, dy, t, middle, now, lower = where
    reach = ramp(np.abs(t), 1.2, 0.8)
    if identity.eyes.crease > 0.6:
        fold = middle + now.crease * (1 - 0.62 * np.minimum(t * t, 1.4)) + 0.4
        furrow(maps, at, 0.9 * np.exp(-(((dy - fold) / 0.75) ** 2)) * reach * (1 - 0.5 * actions.blink), 0.42)
    bag = lower - 3.6 - 1.2 * identity.age
    pouch = (0.15 + 0.55 * identity.age + 0.55 * actions.cheek_raise + 0.3 * actions.squint) * reach
    furrow(maps, at, pouch * np.exp(-(((dy - bag) / 0.9) ** 2)), 0.26)
    at.of(maps)[Z] += 0.9 * pouch * np.exp(-(((dy - lower + 1.8) / 1.3) ** 2))
    crow = (
        (0.25 * identity.age + 0.55 * actions.cheek_raise * (0.35 + identity.age))
        * ramp(t, 1.05, 1.25)
        * ramp(t, 1.75, 1.4)
    )
    fan = np.arctan2(dy, dx - 0.8 * identity.eyes.half_width)
    furrow(maps, at, crow * np.maximum(np.cos(fan * 12), 0) ** 3, 0.3)


def _eyeball(
    maps: Map, at: Window, identity: Identity, actions: FacialActions, where: tuple[Map, Map, Map, Map, Map]
) -> None:
    """White, iris and pupil behind the opening of the lids, in the upper lid's shade."""
    x, dy, t, upper, opening = where
    eyes = identity.eyes
    r = np.hypot(x - 4 * actions.gaze[0], dy - 0.2 - 3 * actions.gaze[1])
    white = np.array(_SCLERA, np.float32)[:, None, None]
    corner = ramp(np.abs(t), 0.45, 1.0)
    colour = white * (1 - 0.45 * corner)
    flesh = np.array(_CARUNCLE, np.float32)[:, None, None]
    colour = colour + ramp(t, -0.74, -0.92) * (flesh - colour)
    iris = np.array(eyes.iris, np.float32)[:, None, None]
    ring = np.clip(1.15 - 0.7 * ramp(r, 0.62 * eyes.iris_radius, eyes.iris_radius), 0, None)
    colour = colour + cover(eyes.iris_radius - r, 1.6) * (iris * ring - colour)
    pupil = np.array(_PUPIL, np.float32)[:, None, None]
    colour = colour + cover(0.40 * eyes.iris_radius - r, 1.5) * (pupil - colour)
    colour = colour * (1 - 0.62 * np.exp(np.minimum((dy - upper) * (1 / 2.2), 0)))
    at.of(maps)[Z] += 0.8 * opening * np.maximum(1 - (r * (1 / 6.5)) ** 2, 0)  # the cornea
    paint(maps, at, colour, opening)
    wet = at.of(maps)[GLOSS]
    wet += opening * (0.5 + 0.45 * ramp(r, 7, 6) - wet)  # the cornea shines more than the white


def grow_brows(generator: np.random.Generator) -> Map:
    """(216, 180) strands from which the brows are cut."""
    return 0.7 * noise(generator, 54, 120) + 0.6 * noise(generator, 80, 175)


@dataclass(frozen=True)
class BrowLine:
    """Three points of one brow, mm: inner end, highest part, outer end."""

    inner: tuple[float, float]
    peak: tuple[float, float]
    outer: tuple[float, float]


def brow_line(identity: Identity, actions: FacialActions, side: int) -> BrowLine:
    """Where a brow runs, side -1 (left) or 1."""
    brows = identity.brows
    inner_x = identity.eyes.x - brows.half_length + brows.shift - 0.32 * max(actions.brow_lower, 0.0) - 1.0
    outer_x = identity.eyes.x + brows.half_length + 0.4 * brows.shift + 1.0
    base = identity.eyes.y + brows.above_eye + 0.5 * side * identity.flesh.asymmetry[3]
    inner_y = base - 1.2 + actions.inner_brow_up - 0.75 * actions.brow_lower
    peak_y = base + brows.arch + 0.45 * (actions.inner_brow_up + actions.outer_brow_up) - 0.55 * actions.brow_lower
    outer_y = base - 2.4 + 18 * brows.slope + actions.outer_brow_up - 0.25 * actions.brow_lower
    peak_x = inner_x + 0.64 * (outer_x - inner_x)
    return BrowLine((side * inner_x, inner_y), (side * peak_x, peak_y), (side * outer_x, outer_y))


def draw_brow(maps: Map, identity: Identity, actions: FacialActions, strands: Map, side: int) -> None:
    """Move the ridge and draw one brow, side -1 (left) or 1, over the skin."""
    brows = identity.brows
    line = brow_line(identity, actions, side)
    (inner_x, inner_y), (peak_x, peak_y), (outer_x, outer_y) = line.inner, line.peak, line.outer
    inner_x, peak_x, outer_x = side * inner_x, side * peak_x, side * outer_x
    ex = side * identity.eyes.x
    at = window(ex - 34, ex + 34, identity.eyes.y - 2, identity.eyes.y + 44)
    along = side * at.x
    t = (along - inner_x) * (1 / (outer_x - inner_x))  # 0 at the inner end, 1 at the outer one
    peak = (peak_x - inner_x) / (outer_x - inner_x)
    rising = inner_y + (peak_y - inner_y) * np.sin(0.5 * np.pi * np.clip(t / peak, -0.2, 1))
    falling = peak_y + (outer_y - peak_y) * np.clip((t - peak) * (1 / (1 - peak)), 0, 1.2) ** 1.8
    d = at.y - np.where(t < peak, rising, falling)
    under = at.of(maps)
    lift = np.exp(-0.5 * (d / 6.5) ** 2) * np.exp(-0.5 * ((along - identity.eyes.x + 3) / 12.5) ** 2)
    under[Z] += (brows.ridge + 0.18 * max(actions.brow_lower, 0.0)) * lift
    half = brows.half_thickness * (0.72 + 0.42 * ramp(t, 0, 0.35) - 0.78 * ramp(t, 0.5, 1.05))
    body = np.exp(-(np.abs(d / np.maximum(half, 0.4)) ** 2.6)) * ramp(t, -0.05, 0.12) * ramp(t, 1.06, 0.86)
    opacity = np.clip(brows.density * body * (0.95 + 0.22 * at.of(strands)), 0, 0.94)
    paint(maps, at, 0.62 * np.array(identity.hair.colour, np.float32), opacity, gloss=0.12)
    under[HAIR] = np.maximum(under[HAIR], opacity)
