import numpy as np
import pytest
from PIL import Image

from countenance.transforms.grayscale import draw_grayscale, grayscale
from countenance.vocabulary import Modality


def test_rgb_loses_its_colour_and_the_others_nothing(copies):
    after = grayscale(copies)
    for frame, pixels in zip(after[Modality.RGB], copies[Modality.RGB], strict=True):
        assert (np.ptp(frame, axis=-1) == 0).all()
        assert abs(frame[..., 0].astype(int) - np.asarray(Image.fromarray(pixels).convert("L"), int)).max() <= 1
    assert after[Modality.INFRARED] is copies[Modality.INFRARED]


def test_twice_is_once_and_a_mirrored_view_is_read_right(copies):
    once = grayscale(copies)
    np.testing.assert_array_equal(grayscale(once)[Modality.RGB], once[Modality.RGB])
    mirrored = grayscale({Modality.RGB: copies[Modality.RGB][:, :, ::-1]})[Modality.RGB]
    np.testing.assert_array_equal(mirrored, once[Modality.RGB][:, :, ::-1])


def test_the_share():
    generator = np.random.default_rng(0)
    assert np.mean([draw_grayscale(generator) for _ in range(3000)]) == pytest.approx(0.2, abs=0.03)
