"""The head at rest and without hair: its relief, the pigments of its skin, ears, neck and clothes."""

from dataclasses import dataclass

import numpy as np

from countenance.synthesis.identity import Identity
from countenance.synthesis.skin import albedo
from countenance.synthesis.texture import (
    ALPHA,
    BACKGROUND_Z,
    CHANNELS,
    COLOUR,
    COLUMNS,
    FACE,
    GLOSS,
    HAIR,
    ROWS,
    Map,
    Z,
    bell,
    cover,
    furrow,
    noise,
    pair,
    ramp,
    window,
)

CHIN_BELOW = 10.0  # mm from the chin's foremost point down to its lower edge


@dataclass(frozen=True)
class Silhouette:
    """The head's outline, row by row.

    Attributes:
        half_width: (216, 1) mm; 0 above and below the head.
        depth: (216, 1) mm, the relief on the middle line.
    """

    half_width: Map
    depth: Map


def silhouette(identity: Identity) -> Silhouette:
    """The outline and the profile of the head, through points from the chin to the crown."""
    outline, mouth_y = identity.outline, identity.mouth.y
    chin_y = outline.chin_y
    bottom = chin_y - CHIN_BELOW
    corner = 0.5 * (1.22 * outline.chin + outline.jaw) + 2.5  # the jaw is fuller than a straight line
    y = [bottom - 3, bottom, bottom + 3, chin_y + 2, chin_y + 13, mouth_y - 14, -20, 15, 58, 90, 105, 114, 118]
    a = [share * outline.chin for share in (0, 0.66, 0.98, 1.24)]
    a += [corner, outline.jaw, outline.cheek - 3, outline.cheek, outline.forehead + 3, outline.forehead - 6, 46, 25, 0]
    depth = [30, 46, 54, 63, 67, 70, 78, 80, 86, 74, 48, 24, 4]
    rows = window().y[:, 0]
    fourth = np.interp(rows, y, np.power(a, 4), left=0, right=0)  # of the fourth power: round ends stay round
    box = np.full(9, 1 / 9)
    fourth, profile = (
        np.convolve(np.pad(values, 4, "edge"), box, "valid") for values in (fourth, np.interp(rows, y, depth))
    )
    half_width = (np.maximum(fourth, 0) ** 0.25).astype(np.float32)[:, None]
    return Silhouette(half_width, (profile * outline.depth).astype(np.float32)[:, None])


def dome(half_width: Map, depth: Map, exponent: float) -> Map:
    """The rounded relief over an outline: 0 at its edge, `depth` in the middle."""
    across = np.abs(window().x) / np.maximum(half_width, 1e-3)
    return np.asarray(depth * np.maximum(1 - np.minimum(across, 1) ** exponent, 0) ** (1 / 2.05), np.float32)


def skin(identity: Identity, shape: Silhouette, generator: np.random.Generator) -> Map:
    """(12, 216, 180) maps of the bare head at rest: relief, colour, gloss, alpha, face mask; hair and light are 0."""
    maps = np.zeros((len(CHANNELS), ROWS, COLUMNS), np.float32)
    all_over = window()
    x, y = all_over.x, all_over.y
    maps[Z] = _relief(identity, shape, generator)
    edge = shape.half_width - np.abs(x)
    maps[ALPHA] = cover(edge)
    maps[FACE] = _face_mask(identity, shape)
    _tint(maps, identity, generator)
    nose, mouth, ala = identity.nose, identity.mouth, identity.nose.ala_half_width
    maps[GLOSS] = 0.2 + 0.10 * bell(x, 0, 12) * bell(y, nose.tip_y + 10, 22) + 0.06 * bell(x, 0, 40) * bell(y, 68, 22)
    nostrils = window(-16, 16, nose.tip_y - 16, nose.tip_y + 4)
    holes = pair(nostrils.x, 0.42 * ala, 2.7) * bell(nostrils.y, nose.tip_y - 8.2, 1.7)
    furrow(maps, nostrils, 3.5 * np.minimum(holes, 1), 0.62)
    alar = window(-26, 26, nose.tip_y - 12, nose.tip_y + 14)
    along = np.hypot((np.abs(alar.x) - ala + 4.6) / 5.6, (alar.y - nose.tip_y + 2.2) / 7.2)
    behind = ramp(np.abs(alar.x) - ala, -4, 0)
    furrow(maps, alar, 1.0 * np.exp(-(((along - 1) / 0.2) ** 2)) * behind, 0.22)
    base = window(-12, 12, nose.tip_y - 16, nose.tip_y - 4)
    maps_base = base.of(maps)
    maps_base[COLOUR] *= 1 - 0.22 * bell(base.x, 0, 9) * bell(base.y, nose.tip_y - 10.5, 2.4)
    groove = window(-9, 9, mouth.y, nose.tip_y - 8)
    middle = 0.5 * (mouth.y + nose.tip_y)
    furrow(maps, groove, mouth.philtrum * bell(groove.x, 0, 2.6) * bell(groove.y, middle - 2, 5), 0.05)
    return maps


def _relief(identity: Identity, shape: Silhouette, generator: np.random.Generator) -> Map:
    eyes, outline, flesh = identity.eyes, identity.outline, identity.flesh
    all_over = window()
    x, y = all_over.x, all_over.y
    z = dome(shape.half_width, shape.depth, outline.exponent)
    tilt = flesh.asymmetry
    z = z + flesh.socket * -pair(x, eyes.x - 2, 13.5) * bell(y, eyes.y + 1, 8.5)
    z += flesh.cheekbone * pair(x, 46 + 0.4 * tilt[0], 15) * bell(y, 6, 12)
    z += flesh.cheek_fat * pair(x, 38, 16) * bell(y, -30, 18)
    z += outline.chin_bump * bell(x, 0, outline.chin_half_width) * bell(y, outline.chin_y, 9)
    z -= outline.cleft * bell(x, 0, 2.2) * bell(y, outline.chin_y - 1, 6)
    z -= 2.2 * pair(x, 62, 9) * bell(y, 45, 16)  # temples
    z += 2.0 * bell(x, 0, 26) * bell(y, 66, 16)  # the brow of the forehead
    z += 3.4 * bell(x, 0, 25) * bell(y, identity.mouth.y + 2, 17)  # the teeth behind the lips
    z -= (0.5 + 1.1 * identity.age) * pair(x, eyes.x - 6, 9) * bell(y, eyes.y - 13, 3.0)  # tear trough
    z += _nose(identity)
    lumps = 0.9 * noise(generator, 7, 6) + 0.35 * noise(generator, 12, 10) + 0.05 * noise(generator, 90, 76)
    return np.asarray(z + lumps * ramp(z, 4, 24), np.float32)


def _nose(identity: Identity) -> Map:
    nose = identity.nose
    all_over = window()
    x, y = all_over.x - 0.5 * identity.flesh.asymmetry[1], all_over.y
    top = identity.eyes.y + 8
    t = (top - y) / (top - nose.tip_y)
    inside = np.clip(t, 0, 1)
    back = nose.bridge_height + (nose.tip_height - nose.bridge_height) * inside**1.25
    back += nose.hump * np.exp(-(((t - 0.42) / 0.16) ** 2))
    back *= np.exp(-((np.minimum(t, 0) / 0.35) ** 2) - (np.maximum(t - 1, 0) / 0.19) ** 2)
    width = nose.bridge_half_width + (nose.tip_half_width - nose.bridge_half_width) * inside**2
    wide = np.exp(-0.5 * (x / (1.05 * width)) ** 2)
    wider = np.exp(-0.5 * (x / (1.2 * width + 5.0 * inside)) ** 2)
    z = back * (0.55 * wide + 0.45 * wider)
    z += 2.2 * bell(x, 0, nose.tip_half_width * 0.62) * bell(y, nose.tip_y + 0.5, 5.0)  # the ball of the tip
    ala = nose.ala_half_width
    z += 8.5 * pair(all_over.x, ala - 4.6, 4.4) * bell(y, nose.tip_y - 2.6, 5.2)
    return np.asarray(z, np.float32)


def _face_mask(identity: Identity, shape: Silhouette) -> Map:
    """Soft 1 over the face proper: inside the outline, up to the hairline of a full head of hair."""
    all_over = window()
    sides = ramp(shape.half_width - np.abs(all_over.x), 0, 6)
    arched = all_over.y + 0.0022 * all_over.x**2
    return np.asarray(sides * ramp(identity.hair.line_y - arched, -2, 6), np.float32)


def _tint(maps: Map, identity: Identity, generator: np.random.Generator) -> None:
    """Colour the skin: pigment fields, flush, lids, freckles, moles, the shadow of a shaven beard."""
    pigment, eyes, nose = identity.pigment, identity.eyes, identity.nose
    all_over = window()
    x, y = all_over.x, all_over.y
    low, middle, high = noise(generator, 8, 7), noise(generator, 26, 22), noise(generator, 90, 76)
    lids = pair(x, eyes.x, 13) * bell(y, eyes.y + 2, 9)
    bags = pair(x, eyes.x - 4, 9) * bell(y, eyes.y - 11, 3.5)
    melanin = 0.06 * low + 0.035 * middle + 0.03 * high + 0.16 * lids + (0.10 + 0.16 * identity.age) * bags
    spots = 1.25 * pigment.freckles * np.minimum(pair(x, 24, 20) + 0.4, 1) * bell(y, 6, 20) + 0.35 * identity.age**3
    melanin += spots * ramp(noise(generator, 106, 88), 0.5, 1.6)
    melanin = np.minimum(pigment.melanin * np.exp(melanin), 0.45)
    for mole in identity.moles:
        melanin += 0.22 * np.minimum(1.3 * bell(x, mole.x, mole.radius) * bell(y, mole.y, mole.radius), 1)
    flush = pair(x, 38, 16) * bell(y, -6, 14) + 0.8 * bell(x, 0, 10) * bell(y, nose.tip_y, 9)
    flush += 0.35 * bell(x, 0, 18) * bell(y, identity.outline.chin_y, 10) + 0.25 * lids
    blood = np.exp(0.10 * low + 0.12 * middle + 0.08 * noise(generator, 60, 50))
    blood *= pigment.blood * (1 + pigment.flush * flush)
    maps[COLOUR] = albedo(melanin, blood)
    maps[1:4] += 0.012  # what the surface scatters before the pigments see the light
    if not identity.woman:
        shaven = np.maximum(beard_area(identity), lip_area(identity)) * (0.16 + 0.05 * high)
        maps[COLOUR] *= 1 - shaven * np.array([1.0, 0.92, 0.75, 0.5], np.float32)[:, None, None]


def beard_area(identity: Identity) -> Map:
    """Soft 1 where a beard grows on jaw and chin: below a line from the ear to the mouth's corner."""
    all_over = window()
    x, y, mouth_y = np.abs(all_over.x), all_over.y, identity.mouth.y
    cheek_line = mouth_y + 2 + 46 * (x / 66) ** 3
    beside = ramp(np.hypot(x * 0.55, y - mouth_y + 1), 8.5, 11.5)
    return np.asarray(ramp(cheek_line - y, -5, 6) * beside, np.float32)


def lip_area(identity: Identity) -> Map:
    """Soft 1 where a moustache grows: from under the nose outwards and down to the mouth's corners, thinning."""
    all_over = window()
    mouth, nose = identity.mouth, identity.nose
    out = np.abs(all_over.x) / (mouth.half_width + 5)
    low = mouth.y + 1.5 - 4.5 * np.minimum(out, 1.1) ** 3
    high = np.minimum(nose.tip_y - 12.5, mouth.y + 16) - 13 * np.minimum(out, 1.1) ** 2.2
    parting = 1 - 0.35 * np.exp(-((all_over.x / 2.2) ** 2))
    y = all_over.y
    return np.asarray(ramp(y - low, -2, 1.5) * ramp(high - y, -1.5, 3) * ramp(out, 1.04, 0.9) * parting, np.float32)


def surroundings(identity: Identity, shape: Silhouette, generator: np.random.Generator) -> Map:
    """(12, 216, 180) maps of ears, neck and clothes, with background where there is none of them."""
    maps = np.zeros((len(CHANNELS), ROWS, COLUMNS), np.float32)
    all_over = window()
    x, y = all_over.x, all_over.y
    pigment, outline = identity.pigment, identity.outline
    maps[Z] = BACKGROUND_Z
    grain = 1 + 0.03 * noise(generator, 60, 50)
    across = np.clip(x / outline.neck, -1, 1)
    widening = outline.neck + 12 * ramp(y, -105, -140)
    neck = cover(widening - np.abs(x)) * (y < -40)
    tone = albedo(pigment.melanin * 1.1, pigment.blood)
    tone[:3] += 0.012
    neck_z = 36 * np.sqrt(1 - across**2) - 8 + 3.0 * pair(x, 17, 5) * ramp(y, -90, -125)
    maps[Z] = np.where(neck > 0, neck_z, maps[Z])
    under_chin = 1 - 0.5 * bell(x, 0, 40) * ramp(y, outline.chin_y - 34, outline.chin_y - 4)
    maps[COLOUR] = tone[:, None, None] * (grain * under_chin)
    maps[GLOSS], maps[ALPHA] = 0.18, neck
    _ears(maps, identity, shape)
    aside = np.abs(x)
    collar = np.where(aside < 52, -131 + 15 * (aside / 52) ** 2, -116 - 0.28 * (aside - 52))
    cloth = cover(collar - y)
    cloth_z = 34 - 44 * (x / 112) ** 2 + 1.2 * noise(generator, 9, 12)
    rim = 1 - 0.35 * ramp(np.abs(collar - y - 3.5), 1.2, 0.2)
    colour = np.array(identity.clothes, np.float32)[:, None, None] * (rim * (1 + 0.08 * noise(generator, 50, 70)))
    maps[COLOUR] += cloth * (colour - maps[COLOUR])
    maps[Z] = np.where(cloth > 0.5, cloth_z, maps[Z])
    maps[GLOSS] = np.where(cloth > 0.5, 0.05, maps[GLOSS])
    maps[ALPHA] = np.maximum(maps[ALPHA], cloth)
    return maps


def _ears(maps: Map, identity: Identity, shape: Silhouette) -> None:
    """An oval plate on each side: rim, hollow, lobe."""
    at = window(-96, 96, identity.nose.tip_y - 14, identity.eyes.y + 24)
    middle = 0.5 * (identity.eyes.y + identity.nose.tip_y) + 4
    half_height = 0.5 * (identity.eyes.y - identity.nose.tip_y) + 11
    root = float(np.interp(-middle, -window().y[:, 0], shape.half_width[:, 0]))
    v = (at.y - middle) / half_height
    u = (np.abs(at.x) - root - 1.5 - 2.0 * v) / (8.5 + 1.8 * v)
    r = np.sqrt(u * u + v * v)
    rim = np.exp(-(((r - 0.82) / 0.16) ** 2))
    hollow = np.exp(-((u + 0.25) ** 2 + (v + 0.15) ** 2) / 0.16)
    z = 6 + 4.0 * rim - 5.0 * hollow + 3 * u
    plate = cover((1 - r) * 8.5)
    under = at.of(maps)
    tone = albedo(identity.pigment.melanin, 1.5 * identity.pigment.blood)
    tone[:3] += 0.012
    colour = tone[:, None, None] * (1 - 0.45 * hollow - 0.12 * (1 - rim))
    under[COLOUR] += plate * (colour - under[COLOUR])
    under[Z] = np.where(plate > 0.5, np.maximum(z, under[Z]), under[Z])
    under[ALPHA] = np.maximum(under[ALPHA], plate)
    under[HAIR] *= 1 - plate
