import numpy as np
import pytest

from countenance.errors import WrongModality
from countenance.transforms.standardisation import standardise


def test_every_frame_has_mean_zero_and_deviation_one(copies):
    for frames in copies.values():
        values = standardise(frames)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values.mean(axis=(1, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(values.std(axis=(1, 2, 3)), 1, rtol=1e-5)
        np.testing.assert_allclose(standardise(frames[1]), values[1], atol=1e-6)


def test_by_hand_and_by_limit():
    assert standardise(np.array([[[10], [30]]], np.uint8)).ravel().tolist() == [-1.0, 1.0]
    assert (standardise(np.full((2, 3, 3), 77, np.uint8)) == 0).all()


def test_a_gain_and_an_offset_of_the_camera_are_taken_out():
    frame = np.random.default_rng(0).integers(0, 100, (8, 8, 3), np.uint8)
    np.testing.assert_allclose(standardise(frame), standardise(2 * frame + 7), atol=1e-5)


@pytest.mark.parametrize("frames", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_other_arrays_are_refused(frames):
    with pytest.raises(WrongModality, match="expected frames"):
        standardise(frames)
