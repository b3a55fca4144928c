import numpy as np
import pytest

from countenance.transforms.erasing import draw_erasing, erase
from countenance.transforms.rectangle import Rectangle
from countenance.transforms.standardisation import standardise
from countenance.vocabulary import Modality

PART = Rectangle(10, 20, 30, 40)


def test_the_same_box_goes_from_all_frames_and_planes(copies):
    after = erase(copies, PART)
    for plane in after.values():
        np.testing.assert_array_equal(plane, after[Modality.RGB])
        different = (plane != copies[Modality.RGB]).any(axis=-1)
        assert not different[:, :10].any()
        assert not different[:, 40:].any()
        assert not different[:, :, :20].any()
        assert not different[:, :, 60:].any()
        inside = plane[:, PART.rows, PART.columns]
        assert (np.ptp(inside, axis=(1, 2)) == 0).all()
        means = copies[Modality.RGB].mean(axis=(1, 2))
        assert abs(inside[:, 0, 0] - means).max() <= 0.5
    assert abs(standardise(erase(copies, PART)[Modality.RGB][..., :1])[:, 15, 25]).max() < 0.2


def test_the_input_is_left_alone(copies):
    before = copies[Modality.RGB].copy()
    erase(copies, PART)
    np.testing.assert_array_equal(copies[Modality.RGB], before)


def test_draws():
    generator = np.random.default_rng(0)
    drawn = [draw_erasing(generator, (100, 100)) for _ in range(2000)]
    boxes = [part for part in drawn if part is not None]
    assert len(boxes) / len(drawn) == pytest.approx(0.5, abs=0.04)
    shares = [part.height * part.width / 10_000 for part in boxes]
    assert (min(shares) > 0.017, max(shares) < 0.41, max(shares) > 0.38) == (True, True, True)
    assert draw_erasing(generator, (100, 100), probability=0) is None
