"""A head as one array of twelve maps: its relief, its reflectance in four bands, and how it takes the light."""

from dataclasses import dataclass

import cv2
import numpy as np

from countenance.synthesis.expression import FacialActions
from countenance.synthesis.eyes import brow_line, centre, draw_brow, draw_eye, grow_brows, lids
from countenance.synthesis.glasses import draw_glasses
from countenance.synthesis.hair import HairLayer, grow_beard, grow_hair
from countenance.synthesis.identity import IDENTITY_STREAM, Identity
from countenance.synthesis.mouth import draw_cheek_folds, draw_mouth, lips
from countenance.synthesis.skull import Silhouette, silhouette, skin, surroundings
from countenance.synthesis.texture import (
    ALPHA,
    AO,
    BACKGROUND_Z,
    COLOUR,
    COLUMNS,
    FACE,
    GLOSS,
    HAIR,
    NX,
    NY,
    ROWS,
    STEP,
    X_EXTENT,
    Y_EXTENT,
    Map,
    Z,
    bell,
    blur,
    furrow,
    pair,
    ramp,
    window,
)  # fmt: skip

LANDMARK_NAMES = (
    "eye_left", "eye_left_outer", "eye_left_inner", "lid_left_upper", "lid_left_lower",
    "eye_right", "eye_right_outer", "eye_right_inner", "lid_right_upper", "lid_right_lower",
    "brow_left_inner", "brow_left_peak", "brow_left_outer",
    "brow_right_inner", "brow_right_peak", "brow_right_outer",
    "nose_bridge", "nose_tip", "nose_base", "ala_left", "ala_right",
    "mouth_left", "mouth_right", "lip_upper_top", "lip_upper_inner", "lip_lower_inner", "lip_lower_bottom",
    "chin", "jaw_left", "jaw_right",
)  # fmt: skip


@dataclass(frozen=True)
class HeadBase:
    """What of a head does not depend on the expression; `prepare` makes it.

    Attributes:
        identity: whose head.
        shape: its outline at rest.
        skin: (12, 216, 180) the bare head at rest, with beard.
        around: (12, 216, 180) ears, neck and clothes.
        hair: the hair of the head.
        brows: (216, 180) the strands of the brows.
    """

    identity: Identity
    shape: Silhouette
    skin: Map
    around: Map
    hair: HairLayer
    brows: Map


def prepare(identity: Identity) -> HeadBase:
    """All of a head that no expression changes; pass it to `face_maps` again and again."""
    seed = np.random.SeedSequence([identity.root, IDENTITY_STREAM, identity.number, 1])
    generator = np.random.Generator(np.random.PCG64(seed))
    shape = silhouette(identity)
    bare = skin(identity, shape, generator)
    grow_beard(bare, identity, generator)
    around = surroundings(identity, shape, generator)
    return HeadBase(identity, shape, bare, around, grow_hair(identity, shape, generator), grow_brows(generator))


def face_maps(head: Identity | HeadBase, actions: FacialActions) -> Map:
    """Draw a head while its face does something.

    Args:
        head: who, or (cheaper, for many faces of one person) what `prepare` made of them.
        actions: what the face does.

    Returns:
        (12, 216, 180) float32, `texture.CHANNELS` in order, row 0 at the top: height z in mm, reflectance in red,
        green, blue and at 860 nm, gloss, alpha (0 where there is no head), the mask of the face, that of hair, ambient
        occlusion, and the x and y of the unit normal.
    """
    base = prepare(head) if isinstance(head, Identity) else head
    identity = base.identity
    maps = _with_jaw(base, max(actions.jaw_drop, 0.0))
    _draw_wrinkles(maps, identity, actions)
    draw_cheek_folds(maps, identity, actions)
    for side in (-1, 1):
        draw_eye(maps, identity, actions, side)
        draw_brow(maps, identity, actions, base.brows, side)
    draw_mouth(maps, identity, actions)
    _lay_around(maps, base)
    if identity.glasses is not None:
        draw_glasses(maps, identity, identity.glasses, base.shape)
    _light(maps)
    return maps


def jaw_way(y: Map, mouth_y: float, jaw: float) -> Map:
    """How far the skin now at `y` was higher at rest: 0 above the mouth, the jaw's whole way at the chin."""
    t = np.clip((mouth_y - y) * (1 / _jaw_reach(jaw)), 0, 1)
    return np.asarray(jaw * t * (2 - t), np.float32)


def jaw_way_from_rest(y: Map, mouth_y: float, jaw: float) -> Map:
    """How far the skin at `y` at rest is drawn down: the inverse of `jaw_way`."""
    if jaw <= 0:
        return np.zeros_like(y)
    reach, down = _jaw_reach(jaw), np.maximum(mouth_y - y, 0)
    straight = 1 - 2 * jaw / reach  # of now, below the mouth, d = down + jaw t (2 - t) with t = d / reach: a square
    t = (np.sqrt(straight * straight + 4 * jaw * down / reach**2) - straight) * (reach / (2 * jaw))
    return np.where(y < mouth_y, np.where(t < 1, t * reach - down, jaw), 0).astype(np.float32)


def _jaw_reach(jaw: float) -> float:
    """The way from the mouth down, mm, on which the skin's motion grows."""
    return 24 + 1.2 * jaw


def _with_jaw(base: HeadBase, jaw: float) -> Map:
    """The bare head with the skin below the mouth drawn down by the jaw: rows are taken from higher up."""
    maps = base.skin.copy()
    if jaw == 0:
        return maps
    below = window(top=base.identity.mouth.y)
    y = below.y[:, 0]
    way = jaw_way(y, base.identity.mouth.y, jaw)
    at = (y + way - Y_EXTENT[0]) * ((ROWS - 1) / (Y_EXTENT[1] - Y_EXTENT[0]))
    low = np.minimum(at.astype(np.intp), ROWS - 2)
    share = (at - low.astype(np.float32))[:, None].astype(np.float32)
    rows = base.skin[: HAIR + 1]
    moved = (1 - share) * rows[:, low] + share * rows[:, low + 1]
    moved[Z] -= 0.28 * way[:, None]
    maps[: HAIR + 1, below.rows] = moved
    return maps


def _draw_wrinkles(maps: Map, identity: Identity, actions: FacialActions) -> None:
    """Lines across the forehead, between the brows, on the bridge of the nose."""
    age, eyes = identity.age, identity.eyes
    brow_y = eyes.y + identity.brows.above_eye
    lifted = max(0.5 * (actions.inner_brow_up + actions.outer_brow_up), 0.0) / 8
    depth = 0.28 * age + lifted * (0.35 + 0.7 * age)
    if depth > 0.05:
        at = window(-52, 52, brow_y + 6, brow_y + 42)
        bent = at.y + 0.0016 * at.x**2 + 0.8 * np.sin(at.x * 0.11 + 6 * identity.flesh.asymmetry[5])
        lines = np.maximum(np.cos((bent - brow_y) * (2 * np.pi / 8.5)), 0) ** 6
        height = bent - brow_y
        lines = lines * ramp(np.abs(at.x), 48, 20) * ramp(height, 8, 14) * ramp(height, 40, 28)
        furrow(maps, at, depth * lines, 0.22)
    frown = max(actions.brow_lower, 0.0) / 8
    depth = 0.2 * age + frown
    at = window(-14, 14, eyes.y - 2, brow_y + 12)
    lines = pair(at.x, 5.0 - 0.8 * frown, 1.2) * bell(at.y, brow_y - 1 - 2 * frown, 6)
    furrow(maps, at, depth * lines, 0.28)
    at.of(maps)[Z] += 1.2 * frown * bell(at.x, 0, 4) * bell(at.y, brow_y - 2, 6)
    wrinkle = max(actions.nose_wrinkle, 0.0)
    if wrinkle > 0:
        at = window(-22, 22, identity.nose.tip_y, eyes.y + 12)
        bunny = np.maximum(np.cos((at.y + 0.55 * np.abs(at.x)) * (2 * np.pi / 5.5)), 0) ** 3
        furrow(maps, at, 0.8 * wrinkle * bunny * pair(at.x, 8, 5) * bell(at.y, eyes.y - 8, 7), 0.26)


def _lay_around(maps: Map, base: HeadBase) -> None:
    """Put ears, neck and clothes behind the head and the hair over it; what is left is background."""
    around, hair = base.around, base.hair
    head = maps[ALPHA]
    maps[COLOUR] = around[COLOUR] + head * (maps[COLOUR] - around[COLOUR])
    maps[GLOSS] = around[GLOSS] + head * (maps[GLOSS] - around[GLOSS])
    maps[Z] = np.where(head > 0.5, np.maximum(maps[Z], around[Z]), around[Z])
    maps[ALPHA] = np.maximum(head, around[ALPHA])
    cover = hair.cover
    maps[COLOUR] += cover * (hair.colour - maps[COLOUR])
    maps[GLOSS] += cover * (0.3 - maps[GLOSS])
    maps[HAIR] = np.maximum(maps[HAIR] * head, cover)
    maps[Z] = np.where(cover > 0.5, np.maximum(maps[Z], hair.z), maps[Z])
    maps[ALPHA] = np.where(np.maximum(maps[ALPHA], cover) > 0.5, 1, 0)


def _light(maps: Map) -> None:
    """Ambient occlusion and normals from the relief; the background sinks."""
    z = maps[Z]
    solid = np.maximum(z, -10)
    maps[AO] = np.clip(1 + 0.022 * (solid - blur(solid, 6)), 0.45, 1.12)
    smooth = np.asarray(cv2.GaussianBlur(solid, (3, 3), 0.85, borderType=cv2.BORDER_REPLICATE), np.float32)
    slope_x = np.zeros_like(z)
    slope_y = np.zeros_like(z)
    slope_x[:, 1:-1] = (smooth[:, 2:] - smooth[:, :-2]) * (0.5 / STEP)
    slope_y[1:-1] = (smooth[:-2] - smooth[2:]) * (0.5 / STEP)
    unit = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    maps[NX], maps[NY] = -slope_x * unit, -slope_y * unit
    away = maps[ALPHA] == 0
    maps[Z][away] = BACKGROUND_Z
    maps[FACE] *= maps[ALPHA]


def landmarks(head: Identity | HeadBase, actions: FacialActions, *, maps: Map | None = None) -> Map:
    """Where the parts of a face lie while it does something.

    Args:
        head: who.
        actions: what the face does.
        maps: what `face_maps` drew for them, for the heights; drawn here when not given.

    Returns:
        (K, 3) float32 mm, `LANDMARK_NAMES` in order; "left" is the left of the picture.
    """
    identity = head if isinstance(head, Identity) else head.identity
    maps = face_maps(head, actions) if maps is None else maps
    points = np.array(_points(identity, actions), np.float32)
    column = (points[:, 0] - X_EXTENT[0]) * ((COLUMNS - 1) / (X_EXTENT[1] - X_EXTENT[0]))
    row = (points[:, 1] - Y_EXTENT[0]) * ((ROWS - 1) / (Y_EXTENT[1] - Y_EXTENT[0]))
    z = cv2.remap(maps[Z], column[:, None], row[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.column_stack([points, z[:, 0]]).astype(np.float32)


def _points(identity: Identity, actions: FacialActions) -> list[tuple[float, float]]:
    eyes, nose = identity.eyes, identity.nose
    points = []
    for side in (-1, 1):
        x, y = centre(identity, side)
        now, reach = lids(identity, actions), eyes.half_width
        points += [(x, y), (x + side * reach, y + eyes.slope * reach), (x - side * reach, y - eyes.slope * reach)]
        points += [(x, y + now.upper), (x, y - now.lower)]
    for side in (-1, 1):
        line = brow_line(identity, actions, side)
        points += [line.inner, line.peak, line.outer]
    lean = 0.5 * identity.flesh.asymmetry[1]
    points += [(0, eyes.y + 2), (lean, nose.tip_y), (0, nose.tip_y - 10)]
    points += [(-nose.ala_half_width, nose.tip_y - 3), (nose.ala_half_width, nose.tip_y - 3)]
    mouth = lips(identity, actions)
    left, right = mouth.corners
    points += [(-mouth.half_width, mouth.y + left), (mouth.half_width, mouth.y + right)]
    top, bottom = mouth.y + mouth.gap_up, mouth.y - mouth.gap_down
    points += [(0, top + mouth.upper), (0, top), (0, bottom), (0, bottom - mouth.lower)]
    jaw = max(actions.jaw_drop, 0.0)
    jaw_y = identity.mouth.y - 14 - 0.5 * jaw
    points += [
        (0, identity.outline.chin_y - jaw),
        (-0.9 * identity.outline.jaw, jaw_y),
        (0.9 * identity.outline.jaw, jaw_y),
    ]
    return points


@dataclass(frozen=True, kw_only=True)
class Features:
    """Where eyes, nose and mouth lie, in mm of the face frame: what a forger cuts out of a print.

    Attributes:
        eyes: centres (x, y), left then right; `eye_half` their half-axes.
        nose_top, nose_bottom: y between the eyes and of the base; `bridge_half` and `ala_half` the half-widths there.
        nose_tip: (x, y, z).
        mouth: centre (x, y) of the lips as they are now; `mouth_half` their half-axes.
    """

    eyes: tuple[tuple[float, float], tuple[float, float]]
    eye_half: tuple[float, float]
    nose_top: float
    nose_bottom: float
    bridge_half: float
    ala_half: float
    nose_tip: tuple[float, float]
    mouth: tuple[float, float]
    mouth_half: tuple[float, float]


def features(identity: Identity, actions: FacialActions) -> Features:
    """Where eyes, nose and mouth lie while the face does this."""
    eyes, nose = identity.eyes, identity.nose
    mouth = lips(identity, actions)
    top = mouth.y + mouth.gap_up + mouth.upper
    bottom = mouth.y - mouth.gap_down - mouth.lower
    return Features(
        eyes=(centre(identity, -1), centre(identity, 1)),
        eye_half=(eyes.half_width, max(eyes.lid_height, lids(identity, actions).upper)),
        nose_top=eyes.y - 8,
        nose_bottom=nose.tip_y - 9,
        bridge_half=nose.bridge_half_width,
        ala_half=nose.ala_half_width,
        nose_tip=(0.5 * identity.flesh.asymmetry[1], nose.tip_y),
        mouth=(0.0, 0.5 * (top + bottom)),
        mouth_half=(mouth.half_width, 0.5 * (top - bottom)),
    )
