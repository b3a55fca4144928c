"""Glasses: two rings, a bridge and the roots of the temples, in a plane before the face."""

import numpy as np

from countenance.synthesis.identity import Glasses, Identity
from countenance.synthesis.skull import Silhouette
from countenance.synthesis.texture import COLOUR, GLOSS, Map, Z, cover, paint, ramp, window


def draw_glasses(maps: Map, identity: Identity, glasses: Glasses, shape: Silhouette) -> None:
    """Put the glasses on."""
    at = window(-78, 78, identity.eyes.y - 34, identity.eyes.y + 28)
    side, y = np.abs(at.x), at.y
    middle = identity.eyes.y - 2
    # the lenses' centres stand a little wider than the eyes, and never overlap over the nose
    across = max(identity.eyes.x + 1, glasses.half_width + 5.5)
    dx, dy = side - across, y - middle
    p = glasses.exponent
    f = (np.abs(dx / glasses.half_width) ** p + np.abs(dy / glasses.half_height) ** p) ** (1 / p)
    d = (f - 1) * np.hypot(dx, dy) / np.maximum(f, 1e-3)  # mm outside the ring's middle, nearly
    ring = cover(0.5 * glasses.thickness + 0.35 - np.abs(d))
    gap = across - glasses.half_width
    bridge = cover(0.5 * glasses.thickness + 0.3 - np.abs(y - middle - 5 + 1.6 * (side / gap) ** 2)) * (side < gap + 1)
    outer = across + glasses.half_width
    temple = (
        cover(0.6 * glasses.thickness + 0.6 - np.abs(y - middle - 6))
        * (side > outer - 1)
        * (side < shape.half_width[at.rows] + 2)
    )
    under = at.of(maps)
    frame = np.maximum(np.maximum(ring, bridge), temple)
    lens = ramp(d, 0, -1.5)
    under[COLOUR] *= 1 - 0.06 * lens
    under[GLOSS] = np.maximum(under[GLOSS], 0.34 * lens)
    shadow = np.exp(-(((d - 0.5) / 2.6) ** 2))
    under[COLOUR] *= 1 - 0.12 * shadow
    row = int(np.argmin(np.abs(at.y[:, 0] - middle - 5)))
    plane = float(under[Z][row, under[Z].shape[1] // 2]) + 2.5 - 0.0055 * side**2 - 0.02 * np.abs(dy)
    high = np.where(temple > 0.5, under[Z] + 2.0, plane)
    under[Z] = np.where(frame > 0.5, np.maximum(under[Z], high), under[Z])
    paint(maps, at, np.array(glasses.colour, np.float32), np.minimum(frame, 0.96), gloss=0.6)
