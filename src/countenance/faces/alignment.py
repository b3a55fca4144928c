"""Five points of a face onto five fixed places: the crop that recognition networks are trained on.

S. Umeyama, Least-Squares Estimation of Transformation Parameters Between Two Point Patterns, IEEE TPAMI 13(4), 1991.
In the plane the closed form (Eqs. 40 to 42) needs no SVD: with points written as complex numbers, a similarity without
reflection is w = a z + b, and its least-squares solution is an ordinary regression.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import NoFace, UsageError
from countenance.faces.detection import rgb_image

# x, y of eye, eye, nose tip, mouth corner, mouth corner in a crop of 112 x 112: the template of ArcFace (Deng et al.,
# CVPR 2019, insightface/utils/face_align.py) and of SFace.
TEMPLATE_112: Final = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)


def similarity(
    points: NDArray[np.floating], template: NDArray[np.floating] | tuple[tuple[float, float], ...]
) -> NDArray[np.float64]:
    """Return the rotation, scale and shift that bring `points` closest to `template` in the least-squares sense.

    Args:
        points: (K, 2) x, y, K at least 2.
        template: (K, 2), where they should go.

    Returns:
        (2, 3) matrix M with template ~ M[:, :2] @ point + M[:, 2].

    Raises:
        UsageError: the two are not of one (K, 2) shape.
        NoFace: the points coincide or are not finite, so that no face stands behind them.

    >>> similarity(np.array([[0.0, 0.0], [1.0, 0.0]]), ((3.0, 4.0), (3.0, 6.0))).round(6).tolist()
    [[0.0, -2.0, 3.0], [2.0, 0.0, 4.0]]
    """
    source, target = np.asarray(points, np.float64), np.asarray(template, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise UsageError(
            expected=f"points of the template's shape {target.shape}",
            came=f"{source.shape}",
            remedy="pass x, y of each point in a row",
        )
    z, w = np.where(np.isfinite(source), source, 0) @ (1, 1j), target @ (1, 1j)  # (K,)
    z_mean, w_mean = z.mean(), w.mean()
    covariance = np.vdot(z - z_mean, w - w_mean)
    spread = np.vdot(z - z_mean, z - z_mean).real
    if not (np.isfinite(source).all() and spread > 1e-6 and abs(covariance) > 1e-6):
        raise NoFace(
            expected="points of a face, apart from each other",
            came=f"{source.round(1).tolist()}",
            remedy="take a sharper picture, from the front",
        )
    a = covariance / spread
    b = w_mean - a * z_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(image: NDArray[np.uint8], points: NDArray[np.floating], *, size: int = 112) -> NDArray[np.uint8]:
    """Cut the face out upright, its five points as near to `TEMPLATE_112` as a similarity brings them.

    Args:
        image: (H, W, 3) uint8 RGB.
        points: (5, 2) as `Face.points`.
        size: side of the crop in pixels; the template is scaled by size / 112.

    Returns:
        (size, size, 3) uint8 RGB; black where the crop reaches outside the image.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
        UsageError: not five points.
        NoFace: the points coincide or are not finite.
    """
    matrix = similarity(points, np.array(TEMPLATE_112) * (size / 112))
    return np.asarray(cv2.warpAffine(rgb_image(image), matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def refuse_other_faces(faces: NDArray[np.uint8], side: int) -> None:
    """Refuse what is not a stack of faces as a recogniser's `cut` returns them.

    Args:
        faces: (N, side, side, 3) uint8 RGB, N at least 1.
        side: H and W in pixels.

    Raises:
        UsageError: another shape or type, or no face at all.
    """
    if faces.dtype != np.uint8 or faces.shape[1:] != (side, side, 3) or not len(faces):
        raise UsageError(
            expected=f"faces (N, {side}, {side}, 3) uint8, N at least 1",
            came=f"{faces.shape} {faces.dtype}",
            remedy="cut each face out first",
        )
