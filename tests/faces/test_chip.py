"""The face chip: where its points are, what of it each network sees, and the way back into the photograph."""

import cv2
import numpy as np
import pytest

from countenance.errors import NoFace, UsageError, WrongModality
from countenance.faces.alignment import TEMPLATE_112, align
from countenance.faces.chip import ALIGNED, CHIP, CHIP_TEMPLATE, Window, as_chips, cut_chip, put_back, window
from countenance.faces.detection import Face

TURN = np.array([[0.9, -0.15], [0.15, 0.9]])


def face(points: np.ndarray) -> Face:
    return Face((0.0, 0.0, 10.0, 10.0), points.astype(np.float32), 1.0)


@pytest.fixture
def photograph() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (260, 240, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3))


@pytest.fixture
def found() -> Face:
    return face(np.array(CHIP_TEMPLATE) @ TURN.T + (40, 20))


def test_points_come_to_lie_where_the_template_has_them(photograph: np.ndarray) -> None:
    chip = cut_chip(photograph, face(np.array(CHIP_TEMPLATE) + np.array((40, 20))))
    assert chip.shape == (CHIP, CHIP, 3)
    np.testing.assert_array_equal(chip, photograph[20 : 20 + CHIP, 40 : 40 + CHIP])


def test_the_window_of_aligned_faces_is_what_alignment_cuts(photograph: np.ndarray, found: Face) -> None:
    planes = cut_chip(photograph, found).transpose(2, 0, 1).astype(np.float32)
    seen = (ALIGNED.row_weights() @ planes @ ALIGNED.column_weights().T).transpose(1, 2, 0)
    assert seen.shape == (112, 112, 3)
    assert np.abs(seen - align(photograph, found.points)).mean() < 1  # sampled twice instead of once


def test_windows_by_hand() -> None:
    assert ALIGNED.is_inside
    assert not ALIGNED.is_whole
    np.testing.assert_allclose(
        [ALIGNED.left, ALIGNED.top, ALIGNED.width, ALIGNED.height], [12.8, 1.2, 134.4, 134.4], atol=1e-9
    )
    left = tuple((x - 8, y) for x, y in TEMPLATE_112)
    narrow = window(left, rows=112, columns=96)
    assert narrow.left == pytest.approx(12.8 + 8 * 1.2)
    assert narrow.width == pytest.approx(96 * 1.2)
    assert narrow.height == pytest.approx(ALIGNED.height)
    assert not Window(left=-1).is_inside
    assert not Window(width=161).is_inside


def test_weights_of_a_window() -> None:
    np.testing.assert_array_equal(Window().row_weights(), np.eye(CHIP, dtype=np.float32))
    for part in (ALIGNED, Window(rows=224, columns=224)):
        for weights in (part.row_weights(), part.column_weights()):
            np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
            assert weights.min() >= 0
    half = Window(rows=80, columns=80).row_weights()  # between two pixels: the mean of both
    np.testing.assert_allclose(half[3, 5:9], [0, 0.5, 0.5, 0])
    larger = Window(rows=320, columns=320).column_weights() @ np.arange(CHIP, dtype=np.float32)
    np.testing.assert_allclose(larger[:4], [0, 0.25, 0.75, 1.25])
    np.testing.assert_allclose(larger, cv2.resize(np.arange(CHIP, dtype=np.float32)[None], (320, 1))[0], atol=1e-4)


def test_the_edge_is_repeated_where_the_photograph_ends() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[:, :1] = (200, 100, 50)
    chip = cut_chip(image, face(np.array(CHIP_TEMPLATE) - (30, 0)))
    np.testing.assert_array_equal(chip[:, :31], np.broadcast_to((200, 100, 50), (CHIP, 31, 3)))
    assert not chip[:, 31:].any()


def test_an_unchanged_chip_leaves_the_photograph_as_it_is(photograph: np.ndarray, found: Face) -> None:
    np.testing.assert_array_equal(put_back(photograph, found, cut_chip(photograph, found)), photograph)


def test_a_changed_chip_comes_out_again_and_nothing_else_changes(photograph: np.ndarray, found: Face) -> None:
    chip = cut_chip(photograph, found)
    changed = np.clip(chip.astype(int) + np.where(np.arange(CHIP)[:, None, None] < 80, 16, -16), 0, 255)
    back = put_back(photograph, found, changed.astype(np.uint8))
    again = cut_chip(back, found).astype(int)
    inner = np.r_[4:76, 84:156]
    assert np.abs(again - changed)[inner][:, 4:156].max() <= 2
    assert np.abs(back.astype(int) - photograph).max() <= 17
    np.testing.assert_array_equal(back[:15], photograph[:15])
    np.testing.assert_array_equal(back[190:], photograph[190:])


def test_others_are_refused(photograph: np.ndarray, found: Face) -> None:
    chip = cut_chip(photograph, found)
    others: list[np.ndarray] = [chip, chip[None, :100], chip[None].astype(np.float32), chip[None][:0]]
    for other in others:
        with pytest.raises(UsageError, match="cut each face out first"):
            as_chips(other)
    with pytest.raises(UsageError, match=r"faces \(N, 160, 160, 3\)"):
        put_back(photograph, found, chip[:100])
    with pytest.raises(WrongModality):
        cut_chip(photograph[..., 0], found)
    with pytest.raises(NoFace):
        cut_chip(photograph, face(np.ones((5, 2))))
