"""What grows on a head: the hair, which lies over everything, and the beard, which moves with the skin."""

from dataclasses import dataclass

import cv2
import numpy as np

from countenance.synthesis.identity import Beard, HairStyle, Identity
from countenance.synthesis.skull import Silhouette, beard_area, dome, lip_area
from countenance.synthesis.texture import COLUMNS, HAIR, ROWS, Map, Z, noise, paint, ramp, window


@dataclass(frozen=True)
class HairLayer:
    """The hair of the head as a layer.

    Attributes:
        cover: (216, 180) opacity.
        colour: (4, 216, 180).
        z: (216, 180) mm, over the skull and beside it.
    """

    cover: Map
    colour: Map
    z: Map


def strands(generator: np.random.Generator, curl: float, lean: float) -> Map:
    """(216, 180) of about unit spread: streaks down the page, leaning, or curls where the hair has them."""
    streaks = noise(generator, 14, 120) + 0.6 * noise(generator, 30, 175)
    if lean:
        shear = np.array([[1, lean, -lean * ROWS / 3], [0, 1, 0]], np.float32)
        streaks = np.asarray(cv2.warpAffine(streaks, shear, (COLUMNS, ROWS), borderMode=cv2.BORDER_REFLECT), np.float32)
    curls = noise(generator, 62, 52) + 0.5 * noise(generator, 110, 92)
    return np.asarray((1 - curl) * streaks + curl * curls, np.float32)


def grow_hair(identity: Identity, shape: Silhouette, generator: np.random.Generator) -> HairLayer:
    """The hair of the head."""
    hair = identity.hair
    all_over = window()
    side, y = np.abs(all_over.x), all_over.y
    curl = min(hair.curl, 1.0)
    combed = hair.style is HairStyle.SIDE_PART
    texture = strands(generator, curl, 0.7 * hair.part if combed else 0.0)
    volume = hair.volume * {HairStyle.SHORT: 0.45, HairStyle.BALD: 0.15}.get(hair.style, 1.0) + 3 * curl
    wide = _half_width(identity, shape, volume)
    ragged = (3.2 if hair.style is HairStyle.FRINGE else 1.6) * texture
    within = y - _hairline(identity, shape) + ragged
    long = identity.woman and hair.style in {HairStyle.LONG, HairStyle.FRINGE}
    if long:
        wide, inner = _curtains(identity, wide, volume)
        within = np.maximum(within, 1.6 * (side - inner) + ragged)
    outside = wide - side + 0.8 * texture * (wide > 4)
    soft = {HairStyle.SHORT: 3.2, HairStyle.BALD: 4.0}.get(hair.style, 1.8)
    grown = ramp(within, -soft, 1.2 * soft) * ramp(outside, -0.6, 1.2)
    if long:
        end = -116.0 if hair.style is HairStyle.LONG else -56.0
        grown = grown * ramp(y + 3 * texture, end - 3, end + 3)
    if hair.style is HairStyle.BALD:
        grown = grown * (0.8 if identity.age > 0.42 else 0.0)
    high = dome(wide, shape.depth + volume, identity.outline.exponent)
    lift = ramp(within, 2.5, 16)
    skull = dome(shape.half_width, shape.depth, identity.outline.exponent)
    rough = 0.8 * texture * ramp(outside, 0, 12)
    if long:
        fall = 3 + 30 * np.sqrt(np.clip((wide - side) * (1 / 26), 0, 1))
        high = np.where(y < 40, np.minimum(high, fall + (high - fall) * ramp(y, 0, 40)), high)
    z = skull + lift * (high - skull) + rough * ramp(within, 0, 5)
    shine = 1 + 0.30 * texture - 0.15 * ramp(within, 6, 0)
    shine *= 0.82 + 0.3 * ramp(z, 5, 75)
    colour = np.array(hair.colour, np.float32)[:, None, None] * np.clip(shine, 0.35, 1.9)
    return HairLayer(np.asarray(grown, np.float32), colour.astype(np.float32), np.asarray(z, np.float32))


def _half_width(identity: Identity, shape: Silhouette, volume: float) -> Map:
    """The outline of skull and hair: the skull's, wider by the hair's volume, fading towards the ears, and a crown."""
    y = window().y
    taller = 1 + min(0.4 * volume, 3.0) / 122
    rows = y[::-1, 0]
    stretched = np.interp(y[:, 0], rows * taller, shape.half_width[::-1, 0]).astype(np.float32)[:, None]
    sideways = np.where(y > 60, stretched, shape.half_width)
    fade = ramp(y, identity.nose.tip_y + 10, 42)
    return np.asarray(sideways + ramp(sideways, 0, 24) * (1.0 + 0.8 * volume) * fade, np.float32)


def _hairline(identity: Identity, shape: Silhouette) -> Map:
    """(216, 180) the height above which hair grows, mm."""
    hair, outline = identity.hair, identity.outline
    all_over = window()
    x = all_over.x
    side = np.abs(x) / outline.forehead
    edge = np.abs(x) / np.maximum(shape.half_width, 20)
    base = hair.line_y + hair.recession * np.exp(-(((side - 0.62) / 0.2) ** 2)) - 15 * np.minimum(side, 1.1) ** 3
    if hair.style is HairStyle.FRINGE:
        base = hair.line_y - hair.fringe - 6.0 * side**3
    elif hair.style is HairStyle.SIDE_PART:
        across = hair.part * side * np.sign(x)  # the parting lies at .45; hair falls to the other side
        base = hair.line_y + 8 - 18 * ramp(0.45 - across, 0, 1.2) ** 1.2 - 12 * ramp(across, 0.45, 0.95)
    elif hair.style is HairStyle.BALD:
        base = base + 200 * ramp(side, 1.02, 0.92)
    sideburn = identity.nose.tip_y + (24 if identity.woman else 12)
    return np.asarray(base + (sideburn - base) * ramp(edge, 0.87, 0.985), np.float32)


def _curtains(identity: Identity, wide: Map, volume: float) -> tuple[Map, Map]:
    """The outer and the inner edge, (216, 1) mm from the middle, of hair that falls beside the face."""
    y = window().y
    cheek = identity.outline.cheek
    end = -112.0 if identity.hair.style is HairStyle.LONG else -54.0
    outer = cheek + 5 + 0.8 * volume + 5 * ramp(y, 20, -60) - 8 * ramp(y, end + 24, end)
    inner = cheek - 12 + 4 * ramp(y, 40, 5) - 9 * ramp(y, -15, -80) + 60 * ramp(y, 60, 80)
    return wide + np.maximum(outer - wide, 0) * ramp(y, 84, 30), inner


def grow_beard(maps: Map, identity: Identity, generator: np.random.Generator) -> None:
    """Lay the beard on the skin at rest."""
    kind = identity.beard
    if kind is Beard.NONE:
        return
    at = window(bottom=-115, top=45)
    x, y = np.abs(at.x), at.y
    mouth = identity.mouth
    jaw, lip = at.of(beard_area(identity)), at.of(lip_area(identity))
    chin = ramp(np.hypot(x, 0.8 * (y - identity.outline.chin_y - 5)), 22, 16) * ramp(mouth.y - y, 7, 13)
    beside = ramp(x, mouth.half_width + 7, mouth.half_width + 2) * ramp(x, mouth.half_width - 3, mouth.half_width + 1)
    beside = beside * ramp(y, mouth.y - 22, mouth.y + 3) * ramp(mouth.y + 8 - y, 0, 6)
    tuft = ramp(x, 5, 2.5) * ramp(mouth.y - y, 5, 8)
    where = {
        Beard.STUBBLE: 0.45 * np.maximum(jaw, lip),
        Beard.MOUSTACHE: 0.9 * lip,
        Beard.GOATEE: 0.95 * np.maximum(np.maximum(lip, chin), beside),
        Beard.FULL: 1.05 * np.maximum(np.maximum(jaw, lip), np.maximum(beside, tuft)),
    }[kind]
    texture = at.of(0.75 * strands(generator, 0.5, 0.0) + 0.5 * noise(generator, 108, 90))
    uneven, most = (0.5, 0.7) if kind is Beard.STUBBLE else (0.13, 0.97)
    density = np.clip(where * (1 + uneven * texture), 0, most)
    colour = np.array(identity.hair.colour, np.float32)[:, None, None] * np.clip(0.8 + 0.3 * texture, 0.3, 1.6)
    paint(maps, at, colour, density, gloss=0.22)
    under = at.of(maps)
    thick = {Beard.STUBBLE: 0.3, Beard.MOUSTACHE: 2.0, Beard.GOATEE: 2.2, Beard.FULL: 3.2}[kind]
    under[Z] += thick * density * (1 + 0.25 * texture)
    under[HAIR] = density
