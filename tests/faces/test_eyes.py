"""Open and closed eyes: drawn ones by what was drawn, a real blink, and what cannot be told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.clips import ClipReader
from countenance.errors import UsageError, WrongModality
from countenance.faces.detection import Face
from countenance.faces.eyes import EyeBaseline, eye_contrast, eyes_open
from countenance.faces.yunet import YuNet

Blinking = list[tuple[NDArray[np.uint8], Face, float]]
Drawn = Callable[..., Blinking]


@pytest.fixture(scope="module", params=[215_301, 215_302])
def blinking(request: pytest.FixtureRequest, drawn_faces: Drawn) -> Blinking:
    """Frames of one person with lids that are up, half down and down; nobody on whom the measure was chosen."""
    return drawn_faces(request.param, lids=(0.0, 0.0, 0.5, 1.0, 1.0))


def test_closed_drawn_eyes_are_closed_and_open_ones_open(blinking: Blinking) -> None:
    shares = {lid: eyes_open(picture, face) for picture, face, lid in blinking}
    assert shares[0.0] is not None
    assert shares[1.0] is not None
    assert shares[0.0] >= 0.6
    assert shares[1.0] <= 0.3


def test_the_contrast_falls_with_the_lids(blinking: Blinking) -> None:
    contrasts = {lid: eye_contrast(picture, face) for picture, face, lid in blinking}
    opened, half, closed = (contrasts[lid] for lid in (0.0, 0.5, 1.0))
    assert opened is not None
    assert half is not None
    assert closed is not None
    assert opened > half > closed
    assert closed < 0.45 * opened


@pytest.mark.parametrize("light", [0.5, 1.2])
def test_neither_light_nor_size_counts_for_much(blinking: Blinking, light: float) -> None:
    for picture, face, _ in blinking:
        told = eye_contrast(picture, face)
        lit = np.clip(picture * light, 0, 255).astype(np.uint8)
        small = np.asarray(cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), np.uint8)
        moved = replace(face, points=((face.points + 0.5) * 0.6 - 0.5).astype(np.float32))
        assert eye_contrast(lit, face) == pytest.approx(told, rel=0.25, abs=0.1)
        assert eye_contrast(small, moved) == pytest.approx(told, rel=0.25, abs=0.1)


def test_far_dark_turned_and_cut_faces_tell_nothing(blinking: Blinking) -> None:
    picture, face, _ = blinking[0]
    far = replace(face, points=(face.points.mean(0) + (face.points - face.points.mean(0)) / 4).astype(np.float32))
    turned = replace(face, points=face.points + np.array([(0, 0), (0, 0), (30, 0), (0, 0), (0, 0)], np.float32))
    out = replace(face, points=face.points - np.array([face.points[0, 0] + 1, 0], np.float32))
    nowhere = replace(face, points=np.full((5, 2), np.nan, np.float32))
    for other in (far, turned, out, nowhere):
        assert eye_contrast(picture, other) is None
        assert eyes_open(picture, other) is None
    assert eye_contrast(picture // 16, face) is None
    with pytest.raises(WrongModality, match="uint8 RGB"):
        eye_contrast(picture[..., 0], face)


def test_a_baseline_by_hand() -> None:
    baseline = EyeBaseline()
    assert baseline.openness(1.0) is None
    for contrast in (2.0, 2.0, None, 2.0, 1.1, 0.4):  # 1.1 is below .6 of 2, so that only the three count
        baseline = baseline.after(contrast)
    assert baseline.seen == (2.0, 2.0, 2.0)
    assert [baseline.openness(value) for value in (0.6, 0.95, 1.3, 5.0)] == pytest.approx([0, 0.5, 1, 1])
    assert baseline.openness(None) is None


def test_a_baseline_forgets_what_is_long_ago_and_takes_no_nonsense() -> None:
    baseline = EyeBaseline()
    for contrast in np.linspace(1, 2, 100).tolist():
        baseline = baseline.after(contrast)
    assert len(baseline.seen) == 30
    assert min(baseline.seen) > 1.6
    for wrong in ((float("nan"),), (1.0,) * 31):
        with pytest.raises(UsageError, match="expected at most 30 finite contrasts"):
            EyeBaseline(wrong)


def test_a_session_that_begins_with_closed_eyes_learns_what_open_ones_are() -> None:
    baseline = EyeBaseline()
    for contrast in (0.4, 0.4, *[1.6] * 4):
        baseline = baseline.after(contrast)
    assert baseline.openness(0.4) == 0


def test_the_blink_of_a_real_clip_is_found_and_nothing_else(
    real: Callable[[str], Path], pulled: Callable[[str], dict[str, Path]]
) -> None:
    detector, baseline, closed = YuNet(pulled("yunet")["yunet"]), EyeBaseline(), []
    for number, picture in enumerate(ClipReader(real("clips/single_face.mp4"))):
        if number in range(20, 33):
            contrast = eye_contrast(picture, detector.detect(picture)[0])
            openness = baseline.openness(contrast)
            baseline = baseline.after(contrast)
            if openness is not None and openness < 0.3:
                closed.append(number)
    assert closed == [26, 27]
