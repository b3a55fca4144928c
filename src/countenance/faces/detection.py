"""What a face detector answers, and which of its faces is the one that is asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import ManyFaces, NoFace, WrongModality


@dataclass(frozen=True, eq=False)
class Face:
    """One face in an image; coordinates in pixels, the middle of the top left pixel at (0, 0).

    Attributes:
        box: x, y, width, height; it may reach outside the image.
        points: (5, 2) float32, x before y: eye, eye, nose tip, mouth corner, mouth corner; of each pair the one at
            the left of an upright image first (the person's right).
        confidence: of the detector, in [0, 1].
    """

    box: tuple[float, float, float, float]
    points: NDArray[np.float32]
    confidence: float

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return self.box[2] * self.box[3]


class Detector(Protocol):
    """Anything that finds faces."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of an (H, W, 3) uint8 RGB image, the largest first."""
        ...


def only_face(faces: Sequence[Face], *, name: str = "the image") -> Face:
    """Return the face of a picture that must show one person.

    Faces in the background are allowed while they are small: less than a quarter of the largest one's area.

    Args:
        faces: what the detector found.
        name: what to call the picture in a message.

    Raises:
        NoFace: there is none.
        ManyFaces: a second face has at least a quarter of the first one's area.
    """
    first, *others = _by_area(faces, name)
    if others and others[0].area >= first.area / 4:
        raise ManyFaces(
            expected="one person before the camera",
            came=f"{sum(face.area >= first.area / 4 for face in faces)} faces of like size in {name}",
            remedy="let one person stand alone, or crop the picture to one face",
        )
    return first


def central_face(faces: Sequence[Face], image_shape: tuple[int, ...], *, name: str = "the image") -> Face:
    """Return the face that maximises area - 2 x squared distance of its centre from the image's centre.

    The face sets (LFW, VGGFace2, FER2013) are made so that their subject is large and in the middle.

    Args:
        faces: what the detector found.
        image_shape: (H, W) or (H, W, 3).
        name: what to call the picture in a message.

    Raises:
        NoFace: there is none.
    """
    middle_y, middle_x = ((side - 1) / 2 for side in image_shape[:2])

    def merit(face: Face) -> float:
        x, y, width, height = face.box
        return face.area - 2 * ((x + width / 2 - middle_x) ** 2 + (y + height / 2 - middle_y) ** 2)

    return max(_by_area(faces, name), key=merit)


def rgb_image(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return `image` when it is (H, W, 3) uint8.

    Raises:
        WrongModality: it has another shape or type.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise WrongModality(
            expected="an (H, W, 3) uint8 RGB image",
            came=f"{image.dtype} {image.shape}",
            remedy="read the picture with countenance.images.read_image",
        )
    return image


def shrunk(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return `image` with no side longer than `longest` pixels; itself when it is small enough."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def mapped(faces: Sequence[Face], *, scale: tuple[float, float], margin: int = 0) -> list[Face]:
    """Carry faces found in a shrunk and then padded copy over to the image it was made from, the largest first.

    Args:
        faces: in the pixels of the copy.
        scale: width and height of one pixel of the copy, in pixels of the image.
        margin: padding at the left and at the top of the copy, in its pixels.
    """
    step = np.array(scale)
    carried = []
    for face in faces:
        x, y = ((np.array(face.box[:2]) - margin + 0.5) * step - 0.5).tolist()
        width, height = (np.array(face.box[2:]) * step).tolist()
        points = ((face.points - margin + 0.5) * step - 0.5).astype(np.float32)
        carried.append(Face((x, y, width, height), points, face.confidence))
    return sorted(carried, key=lambda face: -face.area)


def _by_area(faces: Sequence[Face], name: str) -> list[Face]:
    if not faces:
        raise NoFace(
            expected="a face",
            came=f"none in {name}",
            remedy="face the camera in even light, with the whole face in the picture",
        )
    return sorted(faces, key=lambda face: -face.area)
