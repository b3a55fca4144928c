import numpy as np
import pytest
from PIL import Image

from countenance.transforms.rotation import draw_rotation, rotate
from countenance.vocabulary import Modality


def test_nothing_is_turned_by_nothing(copies):
    for plane in rotate(copies, 0.0).values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB])


@pytest.mark.parametrize("degrees", [-45.0, -7.3, 20.0, 45.0])
def test_it_turns_as_pillow_does(sensors, degrees):
    turned = rotate(sensors, degrees)
    for sensor, plane in sensors.items():
        theirs = Image.fromarray(plane.squeeze()).rotate(degrees, Image.Resampling.BILINEAR)
        apart = abs(turned[sensor].astype(int).squeeze() - np.asarray(theirs, int))
        assert (apart > 3).mean() < 0.02, "only along the border of the picture, where OpenCV fades to black"


def test_a_quarter_turn_of_a_square_is_exact():
    square = np.random.default_rng(0).integers(0, 256, (2, 31, 31, 3), np.uint8)
    turned = rotate({Modality.RGB: square}, 90.0)[Modality.RGB]
    apart = abs(turned.astype(int) - np.rot90(square, axes=(1, 2)))
    assert apart[:, 1:-1, 1:-1].max() <= 1


def test_the_same_for_every_plane_and_frame(copies):
    turned = rotate(copies, 33.0)
    one = rotate({Modality.RGB: copies[Modality.RGB][1]}, 33.0)[Modality.RGB]
    for plane in turned.values():
        np.testing.assert_array_equal(plane, turned[Modality.RGB])
        np.testing.assert_array_equal(plane[1], one)


def test_angles_fill_their_range():
    generator = np.random.default_rng(0)
    angles = np.array([draw_rotation(generator, most_degrees=30) for _ in range(2000)])
    assert (angles.min() < -29, angles.max() > 29, abs(angles).max() <= 30) == (True, True, True)
    assert angles.mean() == pytest.approx(0, abs=1.5)
