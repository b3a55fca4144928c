"""Draw one clip: the stage is set, shot frame by frame, and seen by three sensors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.depth_sensor import draw_depth_sensor
from countenance.synthesis.expression import FacialActions
from countenance.synthesis.noise import Noise
from countenance.synthesis.presets import preset_named
from countenance.synthesis.sensors import draw_infrared_sensor
from countenance.synthesis.spec import ClipSpec, Stream
from countenance.synthesis.stages import Shot
from countenance.synthesis.staging import draw_stage
from countenance.synthesis.truth import Places, Truth
from countenance.synthesis.webcam import draw_camera
from countenance.vocabulary import Expression, Modality


@dataclass(frozen=True)
class DrawnClip:
    """One drawn clip of T frames of H x W pixels.

    Attributes:
        rgb: uint8 (T, H, W, 3).
        infrared: uint8 (T, H, W), or None when not asked for.
        depth_view: uint8 (T, H, W), nearer is brighter, 128 is the face's median, 0 means no data; or None.
        depth: uint16 (T, H, W) in units of 1/8 mm, 0 means no data; or None.
        jpeg_quality: 72 to 96, of a webcam 52 to 65: how the drawn camera would store this clip's stills.
        truth: what is known without measuring.
    """

    rgb: NDArray[np.uint8]
    infrared: NDArray[np.uint8] | None
    depth_view: NDArray[np.uint8] | None
    depth: NDArray[np.uint16] | None
    jpeg_quality: int
    truth: Truth


def draw_clip(spec: ClipSpec) -> DrawnClip:
    """Draw a clip.

    Every random number comes from ``SeedSequence([root, stream, subject, kind, clip])`` and is drawn for one purpose:
    the colour of a clip is the same with and without the other two modalities.

    Returns:
        The clip. With ``background=False`` all that is not face is 0 in every picture and in the truth.
    """
    *staging, rgb_seed, infrared_seed, depth_seed, edge_seed = spec.seeds(Stream.CLIP, 8)
    stage = draw_stage(spec, staging)
    preset = preset_named(spec.preset)
    colour_noise, infrared_noise, depth_noise = Noise(rgb_seed), Noise(infrared_seed), Noise(depth_seed)
    colour = draw_camera(spec.camera, colour_noise.generator)
    infrared = draw_infrared_sensor(infrared_noise.generator, preset)
    depth = draw_depth_sensor(depth_noise.generator, preset)
    edge = Noise(edge_seed).generator.uniform(0.35, 0.65)  # of the face's mask, where the background is cut off
    frame_shape = (spec.frames, spec.size, spec.size)
    sees_infrared, sees_depth = Modality.INFRARED in spec.modalities, Modality.DEPTH in spec.modalities
    rgb = np.zeros((*frame_shape, 3), np.uint8)
    grey = np.zeros(frame_shape, np.uint8) if sees_infrared else None
    view = np.zeros(frame_shape, np.uint8) if sees_depth else None
    measured = np.zeros(frame_shape, np.uint16) if sees_depth else None
    known = _Known(frame_shape)
    for frame in range(spec.frames):
        shot = stage.shoot(frame)
        layer, at = shot.layer, (frame, *shot.window.slices)
        face = (layer.face > np.float32(edge)) & ((layer.depth > 0) | shot.holes)
        kept = np.ones_like(face) if spec.background else face
        picture = colour.develop(layer.colour.transpose(1, 2, 0), face, colour_noise.white(*face.shape, 3))
        rgb[at] = picture * kept[..., None]
        if grey is not None:
            grey[at] = infrared.develop(layer.near, face, infrared_noise.white(*face.shape)) * kept
        if measured is not None and view is not None:
            distances = depth.measure(layer.depth, layer.returned, face, stage.setting.camera.focal, depth_noise)
            measured[at] = distances * kept
            view[at] = depth.view(measured[at], face)
        known.note(frame, shot, face, kept)
    truth = known.truth(stage.performance.actions, stage.performance.expressions)
    return DrawnClip(rgb, grey, view, measured, colour.jpeg_quality, truth)


class _Known:
    """Collects the truth of a clip frame by frame."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.depth = np.zeros(shape, np.float32)
        self.normals = np.zeros((*shape, 3), np.float32)
        self.face = np.zeros(shape, bool)
        self.holes = np.zeros(shape, bool)
        self.landmarks: list[NDArray[np.float32]] = []
        self.boxes: list[NDArray[np.float32]] = []
        self.places: list[Places] = []

    def note(self, frame: int, shot: Shot, face: NDArray[np.bool_], kept: NDArray[np.bool_]) -> None:
        at = (frame, *shot.window.slices)
        shown = kept & (shot.layer.depth > 0)
        self.depth[at] = shot.layer.depth * shown
        right, up, out = shot.layer.normal
        length = np.sqrt(right * right + up * up + out * out)
        self.normals[at] = (shot.layer.normal * (shown / np.maximum(length, np.float32(1e-6)))).transpose(1, 2, 0)
        self.face[at], self.holes[at] = face, shot.holes & kept
        self.landmarks.append(shot.landmarks.T)
        low, high = shot.outline.min(axis=1), shot.outline.max(axis=1)
        self.boxes.append(np.concatenate([low, high]))
        places = shot.places
        places.owner[shot.window.slices] *= shown
        self.places.append(places)

    def truth(self, actions: tuple[FacialActions, ...], expressions: tuple[tuple[Expression, float], ...]) -> Truth:
        return Truth(
            depth=self.depth,
            normals=self.normals,
            landmarks=np.stack(self.landmarks),
            face=self.face,
            holes=self.holes,
            boxes=np.stack(self.boxes),
            actions=actions,
            expressions=expressions,
            places=tuple(self.places),
        )
