import numpy as np
import pytest

from countenance.transforms.flipping import draw_flip, flip
from countenance.vocabulary import Modality


def test_by_hand():
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert flip({Modality.DEPTH: plane})[Modality.DEPTH][..., 0].tolist() == [[2, 1, 0], [5, 4, 3]]


def test_twice_is_nothing_and_once_is_alike(copies):
    once = flip(copies)
    for plane in once.values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB][:, :, ::-1])
    for plane in flip(once).values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB])


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0), (1.0, 1), (0.3, 0.3)])
def test_the_share_of_flips(probability, share):
    generator = np.random.default_rng(0)
    assert np.mean([draw_flip(generator, probability=probability) for _ in range(3000)]) == pytest.approx(
        share, abs=0.03
    )
