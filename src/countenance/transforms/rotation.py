"""Rotation about the middle of the frame, at the size it has."""

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.transforms.planes import FrameStack, Planes, changed, frame_size
from countenance.vocabulary import Modality


def draw_rotation(generator: np.random.Generator, *, most_degrees: float) -> float:
    """Draw an angle in degrees, uniform between -most_degrees and +most_degrees."""
    return float(generator.uniform(-most_degrees, most_degrees))


def rotate(planes: Planes, degrees: float) -> dict[Modality, NDArray[np.uint8]]:
    """Return planes turned counter-clockwise, sampled bilinearly; black where nothing was.

    Args:
        planes: (..., H, W, C) each.
        degrees: of the turn; 0 changes nothing.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """
    height, width = frame_size(planes)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)

    def turn(frames: FrameStack) -> FrameStack:
        turned = [cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR) for frame in frames]
        return (
            np.stack(turned).reshape(frames.shape).astype(np.uint8, copy=False)
        )  # OpenCV drops an axis of one channel

    return changed(planes, turn)
