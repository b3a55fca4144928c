"""How far the eyes are open, from the pixels round the detector's two points: contrasts, no network.

An open eye shows a dark disc, the iris, and beside it the white; a lid shows skin, and at most a thin line of lashes.
Both eyes are cut out upright at one pixel for a millimetre. Two contrasts are taken of the logarithm of the pixels, so
that neither the light nor the skin's own brightness counts: how much darker than the skin below the eye the darkest
spot of an iris's size is, and how much the row of the eye that varies most does so along itself.

In one frame that separates the drawn eyes, but not real ones: among the 50 least open pairs of eyes of 2,348 LFW
photographs are many open ones, pale eyes in flat light, sunglasses and blurred faces. Compared with the same person's
eyes a moment before, it does separate (`EyeBaseline`): closed drawn eyes keep at most .37 of the contrast of their own
open eyes, those of a real blink .3, and open eyes that smile or look up keep at least .53. Some of these drawn people
are those by whom the measure was chosen, the one with .37 among them. Reflections on glasses, and lids that hide the
iris of somebody who looks down, read as closed.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import NoFace, UsageError
from countenance.faces.detection import Face, rgb_image
from countenance.faces.pose import head_pose

LEAST_SCALE: Final = 0.4  # pixels a millimetre, 25 between the eyes: drawn eyes separate as well as at three times that
MOST_YAW_DEGREES: Final = 15.0  # beyond it open eyes may lose half of their contrast: the farther one is narrow
_EYES_APART, _EYES_ABOVE_MOUTH = 63.2, 69.2  # mm, of the drawn heads; adults' pupils are 63 apart
_HEIGHT, _WIDTH = 24, 40  # mm, and pixels, of what is cut out round an eye
_SPOT_RADIUS = 2.5  # mm, of an iris of 5.9 that lids half hide
_LEAST_LUMA = 20  # of the skin; darker pixels are noise
_SPOT_OPEN, _ROW_OPEN = 0.65, 0.27  # typical contrasts of half-open drawn eyes, so that the two count alike
_CLOSED, _OPEN = 0.45, 0.9  # of one frame: where 0 and 1 lie; drawn eyes: closed at most .58, open at least .83
_RELATIVE_CLOSED, _RELATIVE_OPEN = 0.3, 0.65  # of one's own open eyes
_ENOUGH, _KEPT = 3, 30  # contrasts
_LIKE_OPEN = 0.6  # share of the open eyes' contrast from which on a frame shows open eyes


def eye_contrast(image: NDArray[np.uint8], face: Face) -> float | None:
    """Return how much the eyes stand out from their lids: about 1 for half-open eyes, above .85 for most open ones.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: found in it.

    Returns:
        The mean of both eyes; None where it cannot be told: eyes of less than 25 pixels apart, a head that is turned
        by more than 15 degrees, an eye outside the picture, or darkness.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
    """
    pixels = rgb_image(image)
    try:
        pose = head_pose(face)
    except NoFace:
        return None
    points = face.points.astype(np.float64)
    apart, high = points[1] - points[0], (points[3] + points[4] - points[0] - points[1]) / 2
    scale = max(np.hypot(*apart) / _EYES_APART, np.hypot(*high) / _EYES_ABOVE_MOUTH)  # yaw and pitch each shrink one
    inside = (points[:2] >= 0).all() and (points[:2] < pixels.shape[1::-1]).all()
    if not (inside and scale >= LEAST_SCALE and abs(pose.yaw_degrees) <= MOST_YAW_DEGREES):
        return None
    turn = scale * apart / np.hypot(*apart)  # one millimetre to the right in pixels of the image
    found = [_contrast(_cut(pixels, eye, turn)) for eye in points[:2]]
    return None if None in found else float(np.mean([value for value in found if value is not None]))


def eyes_open(image: NDArray[np.uint8], face: Face) -> float | None:
    """Return how far the eyes are open, from 0 (closed) to 1, by this frame alone.

    Only for a single picture: a real blink in `single_face.mp4` does not go below .3 here, and goes to 0 against an
    `EyeBaseline`, which a session must use.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: found in it.

    Returns:
        The share; None where `eye_contrast` has nothing to say.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
    """
    contrast = eye_contrast(image, face)
    return None if contrast is None else _share(contrast, _CLOSED, _OPEN)


@dataclass(frozen=True)
class EyeBaseline:
    """What a person's open eyes look like in this session: a value, which each frame makes anew.

    Attributes:
        seen: contrasts of up to 30 frames with open eyes, the oldest first.

    >>> baseline = EyeBaseline()
    >>> for contrast in (1.5, 1.6, 1.5):
    ...     baseline = baseline.after(contrast)
    >>> baseline.openness(1.5), baseline.openness(0.35), baseline.openness(None)
    (1.0, 0.0, None)
    """

    seen: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.seen) > _KEPT or not all(np.isfinite(self.seen)):
            raise UsageError(
                expected=f"at most {_KEPT} finite contrasts", came=str(self.seen), remedy="begin with an empty baseline"
            )

    def after(self, contrast: float | None) -> "EyeBaseline":
        """Return the baseline with one more frame; closed eyes and None leave it as it is."""
        level = self._level
        if contrast is None or not (level is None or contrast >= _LIKE_OPEN * level):
            return self
        return EyeBaseline((*self.seen, contrast)[-_KEPT:])

    def openness(self, contrast: float | None) -> float | None:
        """Return how far the eyes of a frame are open, from 0 to 1.

        Args:
            contrast: of the frame, as `eye_contrast` returns it.

        Returns:
            The share of the person's own open eyes; None for None, and before three frames with open eyes were seen.
        """
        level = self._level
        if contrast is None or level is None or len(self.seen) < _ENOUGH:
            return None
        return _share(contrast / level, _RELATIVE_CLOSED, _RELATIVE_OPEN)

    @property
    def _level(self) -> float | None:
        """The median, and no less than a contrast that one could divide by."""
        return max(float(np.median(self.seen)), 0.1) if self.seen else None


def _cut(image: NDArray[np.uint8], eye: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(24, 40, 3): what is round an eye, upright, a pixel a millimetre."""
    across, down = turn, np.array([-turn[1], turn[0]])
    corner = eye - (_WIDTH - 1) / 2 * across - (_HEIGHT - 1) / 2 * down
    matrix = np.column_stack([across, down, corner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, matrix, (_WIDTH, _HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def _contrast(eye: NDArray[np.uint8]) -> float | None:
    """The contrast of one eye, (24, 40, 3); None where it is too dark."""
    below = slice(18, None)  # 6 mm below the middle
    if np.median(eye[below]) < _LEAST_LUMA:
        return None
    level = np.log(eye.astype(np.float32) + 4).mean(axis=-1)  # (24, 40); 4 keeps the noise of black small
    spots = cv2.filter2D(level, -1, _disc(_SPOT_RADIUS), borderType=cv2.BORDER_REPLICATE)
    spot = float(np.median(level[below]) - spots[7:17, 11:29].min())  # a detector's point is 4 mm off at most
    smooth = cv2.GaussianBlur(level, (0, 0), 1.0)
    row = float(smooth[6:18, 9:31].std(axis=1).max())  # narrower than most frames of glasses
    return (spot / _SPOT_OPEN + row / _ROW_OPEN) / 2


def _disc(radius: float) -> NDArray[np.float32]:
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(disc / disc.sum(), np.float32)


def _share(value: float, closed: float, open_: float) -> float:
    return float(np.clip((value - closed) / (open_ - closed), 0, 1))
