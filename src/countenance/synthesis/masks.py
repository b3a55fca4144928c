"""Masks: a face's relief cast in a smooth shell, painted, with holes for the wearer's eyes."""

import numpy as np

from countenance.synthesis.head import Features
from countenance.synthesis.noise import Floats, Noise, blur
from countenance.synthesis.texture import AO, COLOUR, COLUMNS, FACE, GLOSS, HAIR, NX, NY, ROWS, X_EXTENT, Y_EXTENT, Z

_SHELL_MM = 2.5
_SOFTNESS_TEXELS = 1.6
_PAINT_SHOWS_NEAR = 0.2  # share of the paint's contrast that is left at 860 nm


def draw_mask(noise: Noise, target: Floats, wearer: Floats, holes: Features, seat: Features) -> tuple[Floats, Floats]:
    """Make the maps of a masked head.

    Args:
        noise: of the mask.
        target: (12, rows, columns) maps of the face that the mask shows, at rest.
        wearer: maps of the face behind it.
        holes: where the target's eyes are cut out.
        seat: where the wearer's eyes are; they are moved behind the holes.

    Returns:
        (12, rows, columns) maps, and the holes (rows, columns), 1 inside.
    """
    generator = noise.generator
    maps = target.copy()
    face = blur(target[FACE], _SOFTNESS_TEXELS)
    z = np.maximum(target[Z], -10)
    shell = blur(z, _SOFTNESS_TEXELS) + np.float32(_SHELL_MM) * face
    maps[Z] = np.where(target[Z] > -60, target[Z] + face * (shell - z), target[Z])
    softness = generator.uniform(0.8, 2.0)
    cast = generator.uniform(0.88, 1.12, 3)
    base, contrast = generator.uniform(0.45, 0.8), _PAINT_SHOWS_NEAR
    gloss = generator.uniform(0.1, 0.5)
    paint = np.stack(
        [blur(plane, softness) * np.float32(share) for plane, share in zip(target[1:4], cast, strict=True)]
    )
    tone = paint.mean(axis=0)
    inside = face > 0.5
    level = float(tone[inside].mean()) if inside.any() else 1.0
    near = np.float32(base) * (1 + np.float32(contrast) * (tone / np.float32(max(level, 1e-3)) - 1))
    for plane, value in ((1, paint[0]), (2, paint[1]), (3, paint[2]), (4, near), (GLOSS, np.float32(gloss))):
        maps[plane] += face * (value - maps[plane])
    maps[HAIR] *= 1 - face
    maps[AO] = blur(maps[AO], 1.0)
    for plane in (NX, NY):
        maps[plane] += face * (blur(maps[plane], _SOFTNESS_TEXELS) - maps[plane])
    cut = _eye_holes(generator, holes)
    behind = _moved(wearer, seat, holes)
    for plane in (*range(COLOUR.start, COLOUR.stop), GLOSS, NX, NY):
        maps[plane] += cut * (behind[plane] - maps[plane])
    maps[Z] -= np.float32(4.0) * cut
    maps[AO] *= 1 - np.float32(0.25) * cut
    return maps, cut


def _eye_holes(generator: np.random.Generator, target: Features) -> Floats:
    x = np.linspace(*X_EXTENT, COLUMNS, dtype=np.float32)[None, :]
    y = np.linspace(*Y_EXTENT, ROWS, dtype=np.float32)[:, None]
    wide, high = target.eye_half[0] + generator.uniform(-1, 2), target.eye_half[1] + generator.uniform(0.5, 2.5)
    cut = np.zeros((ROWS, COLUMNS), np.float32)
    for eye in target.eyes:
        reach = np.sqrt(((x - eye[0]) / np.float32(wide)) ** 2 + ((y - eye[1]) / np.float32(high)) ** 2)
        cut = np.maximum(cut, np.clip(0.5 + (1 - reach) * np.float32(high / 1.25), 0, 1))
    return cut


def _moved(wearer: Floats, seat: Features, holes: Features) -> Floats:
    """The wearer's maps with each half shifted by whole texels, so that the eyes lie behind the holes."""
    moved = np.empty_like(wearer)
    step = (X_EXTENT[1] - X_EXTENT[0]) / (COLUMNS - 1)
    halves = (slice(None, COLUMNS // 2), slice(COLUMNS // 2, None))
    for half, mine, cut in zip(halves, seat.eyes, holes.eyes, strict=True):
        right, up = round((cut[0] - mine[0]) / step), round((cut[1] - mine[1]) / step)
        moved[:, :, half] = np.roll(wearer, (-up, right), axis=(1, 2))[:, :, half]
    return moved
