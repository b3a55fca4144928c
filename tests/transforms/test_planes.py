import re

import numpy as np
import pytest

from countenance.errors import WrongModality
from countenance.transforms.planes import changed, frame_size
from countenance.vocabulary import Modality

RGB, INFRARED, DEPTH = Modality.RGB, Modality.INFRARED, Modality.DEPTH


def test_every_frame_of_every_plane_is_changed_and_the_axes_stay():
    planes = {RGB: np.zeros((2, 5, 4, 6, 3), np.uint8), DEPTH: np.ones((4, 6, 1), np.uint8)}
    seen = []

    def change(frames):
        seen.append(frames.shape)
        return frames[:, :2] + 1

    after = changed(planes, change)
    assert seen == [(10, 4, 6, 3), (1, 4, 6, 1)]
    assert after[RGB].shape == (2, 5, 2, 6, 3)
    assert after[DEPTH].shape == (2, 6, 1)
    assert (after[RGB] == 1).all()
    assert (after[DEPTH] == 2).all()
    assert (planes[RGB] == 0).all()


def test_one_sensor_alone():
    planes = {RGB: np.zeros((4, 6, 3), np.uint8), INFRARED: np.zeros((4, 6, 1), np.uint8)}
    after = changed(planes, lambda frames: frames + 9, only=RGB)
    assert after[INFRARED] is planes[INFRARED]
    assert (after[RGB] == 9).all()
    assert changed({INFRARED: planes[INFRARED]}, lambda frames: frames + 9, only=RGB)[INFRARED].max() == 0


@pytest.mark.parametrize(
    ("planes", "words"),
    [
        ({RGB: np.zeros((4, 6, 3))}, "expected a plane (..., H, W, C) of uint8, C 1 or 3; came float64 (4, 6, 3)"),
        ({DEPTH: np.zeros((4, 6), np.uint8)}, "came uint8 (4, 6) as depth"),
        ({DEPTH: np.zeros((1, 4, 6), np.uint8)}, "came uint8 (1, 4, 6) as depth"),
        ({DEPTH: np.zeros((4, 6, 1), np.uint16)}, "came uint16 (4, 6, 1) as depth"),
        ({RGB: np.zeros((0, 6, 3), np.uint8)}, "came uint8 (0, 6, 3) as rgb"),
        (
            {RGB: np.zeros((4, 6, 3), np.uint8), DEPTH: np.zeros((4, 5, 1), np.uint8)},
            "expected planes of one height and width; came rgb 4 x 6, depth 4 x 5",
        ),
        ({}, "came no plane"),
    ],
)
def test_planes_that_do_not_fit_are_refused(planes, words):
    for call in (frame_size, lambda p: changed(p, lambda frames: frames)):
        with pytest.raises(WrongModality, match=re.escape(words)):
            call(planes)
