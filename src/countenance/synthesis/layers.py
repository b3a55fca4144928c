"""What the camera sees of one object: radiance, depth and the place on the object, pixel by pixel.

Colour is sampled on 2 x 2 points of a pixel and averaged; depth and place are those of the pixel's centre, because a
depth camera does not average across edges.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.camera import Camera, Hits, Maps, Pose, Window, cast, turned
from countenance.synthesis.light import ColourLight, InfraredLight, Material, shade_colour, shade_infrared, views
from countenance.synthesis.noise import Floats, resize
from countenance.synthesis.surfaces import Sheet

_HAIR_RETURNS = 0.25  # of the projector's light, against its infrared reflectance: strands scatter the code
PAPER_WRAP = 0.1
_COARSE_MM = 1.05  # pixels larger than this at the face are supersampled


@dataclass(frozen=True)
class Lights:
    """All light of one frame; `infrared` is None when only colour is drawn. `skin_wrap` belongs to heads."""

    colour: ColourLight
    infrared: InfraredLight | None
    skin_wrap: float


@dataclass(frozen=True)
class Layer:
    """One object in a window of the picture.

    Attributes:
        colour: (3, h, w) linear radiance, times alpha.
        near: (h, w) radiance at 860 nm, times alpha.
        returned: (h, w) the projector's part of it, as far as the depth camera can use it, times alpha.
        alpha: (h, w) how much of the pixel it fills.
        face: (h, w) how much of the pixel is face, for removing the background.
        normal: (3, h, w) camera frame, not quite unit at edges.
        depth: (h, w) mm at the pixel's centre; 0 where it is not.
        place: (2, h, w) coordinates on the object.
    """

    colour: Floats
    near: Floats
    returned: Floats
    alpha: Floats
    face: Floats
    normal: Floats
    depth: Floats
    place: Floats


def samples_for(camera: Camera, crop_mm: float) -> int:
    """Samples a side within a pixel: 2 where pixels are coarser than the texture, else 1."""
    return 2 if crop_mm / camera.size > _COARSE_MM else 1


def head_material(maps: Maps, hits: Hits, pose: Pose, wrap: float) -> tuple[Material, Floats]:
    """Sample a head's maps at n places; also the (11, n) samples themselves: alpha, face and hair are 5, 6 and 7."""
    attributes = maps.sample(hits.x, hits.y, first=1)
    across, up = attributes[9], attributes[10]
    out = np.sqrt(np.maximum(1 - across * across - up * up, np.float32(0.01)))
    normal = turned(pose.rotation, np.stack([across, up, out]))
    return Material(attributes[:3], attributes[3], attributes[4], attributes[8], normal, wrap), attributes


def _shaded(
    material: Material, hits: Hits, rays: Floats, lights: Lights, alpha: Floats, trust: Floats | None
) -> list[Floats]:
    """Planes red, green, blue, near, returned (all times alpha), alpha, of n points."""
    colour = shade_colour(material, lights.colour)
    if lights.infrared is None:
        near = returned = np.zeros_like(alpha)
    else:
        near, returned = shade_infrared(material, views(rays), hits.depth, lights.infrared)
        if trust is not None:
            returned = returned * trust
    return [colour[0] * alpha, colour[1] * alpha, colour[2] * alpha, near * alpha, returned * alpha, alpha]


def _pooled(plane: Floats, shape: tuple[int, int], samples: int) -> Floats:
    """The mean over each pixel's samples."""
    rows, columns = shape
    plane = plane.reshape(rows * samples, columns * samples)
    return plane if samples == 1 else resize(plane, rows, columns, cv2.INTER_AREA)


def finer(hits: Hits, shape: tuple[int, int], samples: int) -> Hits:
    """Places between pixel centres, by interpolation; a sample is a hit when most of what it lies between is."""
    if samples == 1:
        return hits
    rows, columns = shape
    depth, x, y, hit = (
        resize(plane.reshape(shape), rows * samples, columns * samples).ravel()
        for plane in (hits.depth, hits.x, hits.y, hits.hit.astype(np.float32))
    )
    return Hits(depth, x, y, hit > np.float32(0.5))


def _layer(planes: list[Floats], hits: Hits, shape: tuple[int, int], samples: int) -> Layer:
    red, green, blue, near, returned, alpha, face, right, up, out = (_pooled(p, shape, samples) for p in planes)
    solid = hits.hit.reshape(shape) & (alpha > np.float32(0.5))
    return Layer(
        colour=np.stack([red, green, blue]),
        near=near,
        returned=returned,
        alpha=alpha,
        face=face,
        normal=np.stack([right, up, out]),
        depth=np.where(solid, hits.depth.reshape(shape), np.float32(0)),
        place=np.stack([hits.x.reshape(shape), hits.y.reshape(shape)]),
    )


def _head_planes(maps: Maps, hits: Hits, rays: Floats, pose: Pose, lights: Lights) -> list[Floats]:
    material, attributes = head_material(maps, hits, pose, lights.skin_wrap)
    alpha = attributes[5] * hits.hit
    trust = 1 - np.float32(1 - _HAIR_RETURNS) * attributes[7]
    planes = _shaded(material, hits, rays, lights, alpha, trust)
    return [*planes, attributes[6] * alpha, *material.normal]


def head_layer(maps: Maps, pose: Pose, camera: Camera, window: Window, samples: int, lights: Lights) -> Layer:
    """A head in a window: traced once a pixel, shaded on samples between."""
    hits = cast(maps, pose, camera.rays(window))
    fine = finer(hits, window.shape, samples)
    return _layer(_head_planes(maps, fine, camera.rays(window, samples), pose, lights), hits, window.shape, samples)


def head_spots(maps: Maps, pose: Pose, rays: Floats, lights: Lights) -> Layer:
    """A head where (3, n) scattered rays meet it, one sample a pixel, as a layer of shape (1, n)."""
    hits = cast(maps, pose, rays)
    return _layer(_head_planes(maps, hits, rays, pose, lights), hits, (1, rays.shape[1]), 1)


def sheet_layer(
    sheet: Sheet, texture: Maps, gloss: float, pose: Pose, camera: Camera, window: Window, samples: int, lights: Lights
) -> tuple[Layer, NDArray[np.bool_]]:
    """A printed sheet in a window, and where one looks through a hole of it.

    The texture's planes are red, green, blue, near, alpha, face, slope to the right, slope up.
    """
    hits = sheet.cast(pose, camera.rays(window))
    fine = finer(hits, window.shape, samples)
    printed = texture.sample(fine.x, fine.y)
    alpha = printed[4] * fine.hit
    normal = turned(pose.rotation, sheet.normals(fine.x, fine.y, printed[6], printed[7]))
    one = np.ones_like(alpha)
    material = Material(printed[:3], printed[3], one * np.float32(gloss), one, normal, PAPER_WRAP)
    planes = _shaded(material, fine, camera.rays(window, samples), lights, alpha, None)
    layer = _layer([*planes, printed[5] * fine.hit, *normal], hits, window.shape, samples)
    return layer, hits.hit.reshape(window.shape) & (layer.depth == 0)


def over(front: Layer, back: Layer) -> tuple[Layer, NDArray[np.bool_]]:
    """Lay `front` over `back` in the same window; also where the pixel's centre belongs to the back."""
    rest = 1 - front.alpha
    behind = (front.depth == 0) & (back.depth > 0)
    return Layer(
        colour=front.colour + rest * back.colour,
        near=front.near + rest * back.near,
        returned=front.returned + rest * back.returned,
        alpha=front.alpha + rest * back.alpha,
        face=np.maximum(front.face, rest * back.face),
        normal=np.where(behind, back.normal, front.normal),
        depth=np.where(behind, back.depth, front.depth),
        place=np.where(behind, back.place, front.place),
    ), behind


def fill(front: Layer, spots: Layer, at: NDArray[np.bool_], dim: float) -> NDArray[np.bool_]:
    """Show a layer of spots where one sees through `front`, which is written into.

    Args:
        front: (h, w).
        spots: (1, n), one for each True pixel of `at`.
        at: (h, w).
        dim: light that reaches the spots.

    Returns:
        (h, w): where the pixel's centre belongs to the spots.
    """
    index = np.flatnonzero(at)
    light = (1 - front.alpha.ravel()[index]) * np.float32(dim)
    for mine, theirs in (
        (front.near, spots.near),
        (front.returned, spots.returned),
        *zip(front.colour, spots.colour, strict=True),
    ):
        mine.ravel()[index] += light * theirs[0]
    shown = (front.depth.ravel()[index] == 0) & (spots.depth[0] > 0)
    front.alpha.ravel()[index] += (1 - front.alpha.ravel()[index]) * spots.alpha[0]
    pairs = (
        (front.depth, spots.depth),
        *zip(front.normal, spots.normal, strict=True),
        *zip(front.place, spots.place, strict=True),
    )
    for mine, theirs in pairs:
        mine.ravel()[index[shown]] = theirs[0, shown]
    behind = np.zeros(at.size, bool)
    behind[index[shown]] = True
    return behind.reshape(at.shape)
