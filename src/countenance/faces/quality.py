"""Whether a frame shows one face well enough to be judged, and what its person can do about it.

Light and sharpness are those of the face, cut out upright at a fixed size, so that they count the same near and far.
The limits are wide: they refuse what the networks behind them cannot judge, not what is less than perfect. Of 2,348 LFW
photographs (every third of View 1 and folds 1 to 5) they refuse .3 % for light or blur and none for distance or place;
15 % of these people look away from the camera. Of the drawn development people and of the real clips no frame is
refused.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.faces.alignment import align
from countenance.faces.detection import Face, rgb_image
from countenance.faces.pose import HeadPose, head_pose
from countenance.vocabulary import Reason

_INNER: Final = (slice(20, 104), slice(16, 96))  # brows to chin of a face of 112 x 112
_CLIPPED = 250  # luma
_EYES_OVER_HEIGHT = 63.2 / 69.2  # between the eyes, over from the eyes to the mouth


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How one frame shows one face.

    Attributes:
        face_share: height of the face's box over the height of the picture.
        eye_pixels: between the two eyes of this head if it faced the camera, so that a turn does not count.
        off_centre: distance of the box's middle from the picture's along each side, over the side; the larger of both.
        light: mean luma of the face, 0 to 1.
        clipped_share: of the face's pixels that are (almost) white.
        sharpness: root mean square of the Laplacian of the face at 112 x 112 pixels, over its mean luma.
        pose: of the head.
    """

    face_share: float
    eye_pixels: float
    off_centre: float
    light: float
    clipped_share: float
    sharpness: float
    pose: HeadPose


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """What a frame must hold.

    Attributes:
        least_eye_pixels: a recogniser's crop of 112 x 112 has 35 between the eyes; LFW has 31 to 57 (1 and 99 %).
        most_face_share: above it chin or forehead soon leave the picture; at most .76 on LFW, .70 on drawn people.
        most_off_centre: a face further out is cut off when it moves; at most .11 on LFW.
        least_light: of LFW 2 photographs of 2,348 are darker.
        most_light: none is brighter.
        most_clipped: of a face without shading; at most .15 on LFW, .2 on drawn people.
        least_sharpness: of LFW .2 % are below. A blur with a sigma of a twentieth of the distance between the eyes puts
            half of all faces below it, one of a tenth nearly all.
        most_yaw_degrees: of a face that looks at the camera, with an error of the estimate of 4 degrees.
        most_pitch_degrees: likewise, with an error of 5; 99 % of LFW lie within 11.
        most_roll_degrees: likewise.
    """

    least_eye_pixels: float = 28.0
    most_face_share: float = 0.85
    most_off_centre: float = 0.2
    least_light: float = 0.2
    most_light: float = 0.8
    most_clipped: float = 0.25
    least_sharpness: float = 0.024
    most_yaw_degrees: float = 20.0
    most_pitch_degrees: float = 25.0
    most_roll_degrees: float = 20.0

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if not limit >= 0:
                raise UsageError(expected=f"{name} of 0 or more", came=str(limit), remedy="give another limit")


SHIPPED_LIMITS: Final = QualityLimits()


def measure_quality(image: NDArray[np.uint8], face: Face) -> Quality:
    """Measure how a frame shows a face.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: found in it.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
        NoFace: the points coincide or are not finite.
    """
    height, width = rgb_image(image).shape[:2]
    pose = head_pose(face)
    luma = cv2.cvtColor(align(image, face.points), cv2.COLOR_RGB2GRAY)[_INNER]
    edges = cv2.Laplacian(cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 0.8), cv2.CV_32F)  # less of the noise
    points = face.points.astype(np.float64)
    apart, high = points[1] - points[0], (points[3] + points[4] - points[0] - points[1]) / 2
    x, y, box_width, box_height = face.box
    return Quality(
        face_share=box_height / height,
        eye_pixels=float(max(np.hypot(*apart), np.hypot(*high) * _EYES_OVER_HEIGHT)),
        off_centre=max(abs((x + box_width / 2) / width - 0.5), abs((y + box_height / 2) / height - 0.5)),
        light=float(luma.mean()) / 255,
        clipped_share=float((luma >= _CLIPPED).mean()),
        sharpness=float(np.sqrt(np.square(edges).mean()) / (luma.mean() + 4)),
        pose=pose,
    )


def advice(quality: Quality, limits: QualityLimits | None = None, *, ahead: bool = True) -> tuple[Reason, ...]:
    """Say what the person should change; nothing when the frame is good enough.

    A measure that is not a number refuses. A face that is too far, too dark or too bright is not called blurred too:
    its sharpness could not be seen.

    Args:
        quality: of the frame.
        limits: to hold; `SHIPPED_LIMITS` for None.
        ahead: whether the person must look at the camera; False while a turn of the head is asked for.
    """
    limits = SHIPPED_LIMITS if limits is None else limits
    pose = quality.pose
    fine = {
        Reason.TOO_FAR: quality.eye_pixels >= limits.least_eye_pixels,
        Reason.TOO_NEAR: quality.face_share <= limits.most_face_share,
        Reason.OFF_CENTRE: quality.off_centre <= limits.most_off_centre,
        Reason.TOO_DARK: quality.light >= limits.least_light,
        Reason.TOO_BRIGHT: quality.light <= limits.most_light and quality.clipped_share <= limits.most_clipped,
    }
    if fine[Reason.TOO_FAR] and fine[Reason.TOO_DARK] and fine[Reason.TOO_BRIGHT]:
        fine[Reason.BLURRED] = quality.sharpness >= limits.least_sharpness
    if ahead:
        fine[Reason.LOOKING_AWAY] = (
            abs(pose.yaw_degrees) <= limits.most_yaw_degrees
            and abs(pose.pitch_degrees) <= limits.most_pitch_degrees
            and abs(pose.roll_degrees) <= limits.most_roll_degrees
        )
    return tuple(reason for reason, holds in fine.items() if not holds)
