"""Quality by hand, and one drawn face that is spoilt in one way at a time."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.errors import NoFace, UsageError, WrongModality
from countenance.faces.alignment import TEMPLATE_112
from countenance.faces.detection import Face
from countenance.faces.pose import HeadPose
from countenance.faces.quality import SHIPPED_LIMITS, Quality, QualityLimits, advice, measure_quality
from countenance.faces.yunet import YuNet
from countenance.vocabulary import Reason

AHEAD = HeadPose(yaw_degrees=0.0, pitch_degrees=0.0, roll_degrees=0.0)
GOOD = Quality(face_share=0.5, eye_pixels=70, off_centre=0.05, light=0.5, clipped_share=0, sharpness=0.06, pose=AHEAD)
NAN = math.nan
Drawn = Callable[..., list[tuple[NDArray[np.uint8], Face, float]]]


@pytest.fixture(scope="module")
def shown(drawn_faces: Drawn) -> tuple[NDArray[np.uint8], Face]:
    """One drawn face that looks at the camera."""
    (picture, face, _) = drawn_faces(215_303, lids=(0.0,))[0]
    return picture, face


def scaled(face: Face, factor: float, shift: tuple[float, float] = (0, 0)) -> Face:
    """The face where a picture of `factor` times the size that is moved by `shift` shows it."""
    x, y, width, height = face.box
    box = (factor * x + shift[0], factor * y + shift[1], factor * width, factor * height)
    return replace(face, box=box, points=(factor * face.points + np.array(shift)).astype(np.float32))


def test_by_hand() -> None:
    """A grey face of the template's size in the middle of a picture of 448 x 224."""
    points = np.array(TEMPLATE_112, np.float32) + np.array([168, 56], np.float32)
    found = measure_quality(np.full((224, 448, 3), 102, np.uint8), Face((168, 56, 112, 112), points, 1.0))
    assert (found.face_share, found.off_centre, found.clipped_share) == (0.5, 0, 0)
    assert (found.light, found.sharpness) == pytest.approx((0.4, 0), abs=1e-6)
    assert found.eye_pixels == pytest.approx(40.60 * 63.2 / 69.2, abs=0.1)  # 40.60 from the eyes to the mouth
    moved = measure_quality(np.full((224, 448, 3), 255, np.uint8), Face((280, 56, 112, 112), points, 1.0))
    assert (moved.off_centre, moved.clipped_share) == (0.25, 1)


def test_a_good_face_needs_no_advice(shown: tuple[NDArray[np.uint8], Face]) -> None:
    assert advice(GOOD) == advice(measure_quality(*shown)) == ()


def test_a_face_spoilt_in_one_way_gets_its_one_advice(shown: tuple[NDArray[np.uint8], Face]) -> None:
    picture, face = shown
    height, width = picture.shape[:2]
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.1 * measure_quality(*shown).eye_pixels), np.uint8)
    small = np.full_like(picture, 128)
    small[: height // 3, : width // 3] = cv2.resize(picture, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    middle = (width / 3, height / 3)
    centred = np.roll(small, (round(middle[1]), round(middle[0])), axis=(0, 1))
    top, left = round(face.box[1]) + 2, round(face.box[0]) + 2
    close = picture[top : top + round(face.box[3]) - 4]
    beside = np.concatenate([picture, np.full_like(picture, 128)], axis=1)
    assert left > 0
    for seen, where, reason in (
        (blurred, face, Reason.BLURRED),
        (picture // 5, face, Reason.TOO_DARK),
        (np.minimum(picture * 2.6, 255).astype(np.uint8), face, Reason.TOO_BRIGHT),
        (centred, scaled(face, 1 / 3, middle), Reason.TOO_FAR),
        (close, scaled(face, 1, (0, -top)), Reason.TOO_NEAR),
        (beside, face, Reason.OFF_CENTRE),
    ):
        assert advice(measure_quality(seen, where)) == (reason,), reason


@pytest.mark.parametrize("name", ["yaw_degrees", "pitch_degrees", "roll_degrees"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_face_that_looks_away_may_while_it_turns(name: str, sign: int) -> None:
    away = replace(GOOD, pose=replace(AHEAD, **{name: sign * 26.0}))
    assert advice(away) == (Reason.LOOKING_AWAY,)
    assert advice(away, ahead=False) == ()


@pytest.mark.parametrize("name", [field.name for field in fields(Quality) if field.name != "pose"])
def test_what_is_not_a_number_is_refused(name: str) -> None:
    assert advice(Quality(**{**vars(GOOD), name: NAN}))


@pytest.mark.parametrize("name", [field.name for field in fields(HeadPose)])
def test_nor_is_a_direction_that_is_not_a_number_ahead(name: str) -> None:
    assert advice(replace(GOOD, pose=replace(AHEAD, **{name: NAN}))) == (Reason.LOOKING_AWAY,)


@pytest.mark.parametrize("name", [field.name for field in fields(QualityLimits)])
def test_every_limit_is_read_and_a_limit_that_is_not_a_number_is_refused(name: str) -> None:
    """Each limit, set just beyond what a good face has, refuses it."""
    turned = replace(GOOD, clipped_share=0.01, pose=HeadPose(yaw_degrees=1.0, pitch_degrees=1.0, roll_degrees=1.0))
    strict = replace(SHIPPED_LIMITS, **{name: 1000.0 if name.startswith("least") else 0.0})
    assert advice(turned) == ()
    assert len(advice(turned, strict)) == 1
    with pytest.raises(UsageError, match=f"expected {name} of 0 or more"):
        replace(SHIPPED_LIMITS, **{name: NAN})


def test_several_reasons_come_together_and_darkness_hides_a_blur() -> None:
    wrong = replace(GOOD, face_share=0.9, off_centre=0.3, sharpness=0.0)
    assert advice(wrong) == (Reason.TOO_NEAR, Reason.OFF_CENTRE, Reason.BLURRED)
    assert advice(replace(wrong, light=0.1)) == (Reason.TOO_NEAR, Reason.OFF_CENTRE, Reason.TOO_DARK)


def test_what_is_no_picture_or_no_face_is_refused(shown: tuple[NDArray[np.uint8], Face]) -> None:
    picture, face = shown
    with pytest.raises(WrongModality, match="uint8 RGB"):
        measure_quality(picture[..., 0], face)
    with pytest.raises(NoFace, match="points of a face"):
        measure_quality(picture, replace(face, points=np.zeros((5, 2), np.float32)))


def test_the_real_bona_fide_photograph_is_good_enough(
    pulled: Callable[[str], dict[str, Path]], photographs: dict[str, NDArray[np.uint8]]
) -> None:
    (face, *_) = YuNet(pulled("yunet")["yunet"]).detect(photographs["T1"])
    assert advice(measure_quality(photographs["T1"], face), ahead=False) == ()
