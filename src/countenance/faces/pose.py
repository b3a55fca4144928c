"""How a head is turned, from the five points that a face detector finds: a stated geometry, no network.

The head is five points in space, seen from afar. Eyes and mouth span a plane, W wide (the mean of the two pairs'
distances) and B high, and the tip of the nose stands D before it. When the head turns by yaw, the tip moves off the
line from between the eyes to between the mouth's corners by D sin(yaw), and the width shrinks to W cos(yaw), so that
their ratio is D / W tan(yaw). Likewise a head that nods by pitch shows its tip lower on that line by D / B tan(pitch).
Roll is the angle of the eyes and of the mouth in the picture.

Heads differ, and so do the places where a detector sets their points. YuNet's points on 22 drawn heads give the yaw
with a root mean square error of 3.7 degrees up to 25 degrees of it and of 5.7 up to 40, where it says too much.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from countenance.errors import NoFace
from countenance.faces.detection import Face

NOSE_OVER_WIDTH: Final = 0.66  # D / W; of 22 drawn heads before a camera 45 to 95 cm away, up to 30 degrees of yaw
NOSE_OVER_HEIGHT: Final = 0.56  # D / B; of the same heads
NOSE_LEVEL: Final = 0.56  # where the tip lies from the eyes (0) to the mouth (1): drawn heads .569, LFW .559


@dataclass(frozen=True, kw_only=True)
class HeadPose:
    """How a head is turned, in degrees; all are 0 when it faces the camera upright.

    Attributes:
        yaw_degrees: positive: towards the person's own left, the right of a picture that is not mirrored.
        pitch_degrees: positive: down. Rough: faces differ in their heights by as much as a nod of 4 degrees.
        roll_degrees: positive: the head leans to the person's own left, clockwise in the picture.
    """

    yaw_degrees: float
    pitch_degrees: float
    roll_degrees: float


def head_pose(face: Face) -> HeadPose:
    """Return how the head of a face is turned.

    Beyond 45 degrees of yaw a detector guesses the points that the head hides, and the angle with them.

    Raises:
        NoFace: the points coincide or are not finite.
    """
    eye, other_eye, nose, corner, other_corner = np.asarray(face.points, np.float64)
    eyes, mouth = (eye + other_eye) / 2, (corner + other_corner) / 2
    across = (other_eye - eye + other_corner - corner) / 2
    width = math.hypot(*across)
    over = across / width if width > 0 else across  # towards the person's left
    down = np.array([-over[1], over[0]])
    height = float((mouth - eyes) @ down)
    if not (np.isfinite(face.points).all() and width > 1e-3 and abs(height) > 1e-3):
        raise NoFace(
            expected="points of a face, apart from each other",
            came=f"{np.round(face.points, 1).tolist()}",
            remedy="take a sharper picture, from the front",
        )
    level = float((nose - eyes) @ down) / height
    beside = float((nose - eyes - level * (mouth - eyes)) @ over) / width
    return HeadPose(
        yaw_degrees=math.degrees(math.atan(beside / NOSE_OVER_WIDTH)),
        pitch_degrees=math.degrees(math.atan((level - NOSE_LEVEL) / NOSE_OVER_HEIGHT)),
        roll_degrees=math.degrees(math.atan2(over[1], over[0])),
    )
