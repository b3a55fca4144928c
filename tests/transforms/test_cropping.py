import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.transforms.cropping import crop, draw_crop, middle
from countenance.transforms.rectangle import Rectangle
from countenance.vocabulary import Modality


def test_the_whole_frame_changes_nothing(copies):
    for plane in crop(copies, Rectangle(0, 0, 96, 120)).values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB])


def test_the_same_part_of_every_plane(sensors, copies):
    part = Rectangle(10, 20, 30, 40)
    for sensor, plane in crop(sensors, part).items():
        np.testing.assert_array_equal(plane, sensors[sensor][10:40, 20:60])
    for plane in crop(copies, part).values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB][:, 10:40, 20:60])


@pytest.mark.parametrize("part", [(0, 0, 97, 120), (1, 0, 96, 120), (-1, 0, 5, 5), (0, 0, 0, 5), (0, 100, 5, 21)])
def test_a_part_outside_is_refused(copies, part):
    with pytest.raises(UsageError, match="expected a part of a frame of 96 x 120 pixels"):
        crop(copies, Rectangle(*part))


def test_the_middle_must_fit():
    assert middle((5, 4), (5, 4)) == Rectangle(0, 0, 5, 4)
    assert middle((5, 4), (2, 2)) == Rectangle(1, 1, 2, 2)
    for inner in ((6, 1), (1, 5), (0, 1)):
        with pytest.raises(UsageError, match="expected a part of 5 x 4 pixels"):
            middle((5, 4), inner)


def test_where_no_draw_fits_the_largest_in_the_middle_is_taken():
    generator = np.random.default_rng(0)
    assert draw_crop(generator, (90, 300), area=(1.0, 1.0)) == Rectangle(0, 90, 90, 120)
    assert draw_crop(generator, (300, 90), area=(1.0, 1.0)) == Rectangle(90, 0, 120, 90)
    for _ in range(100):
        part = draw_crop(generator, (125, 125), area=(0.2, 1.0))
        assert 0.19 < part.height * part.width / 125**2 <= 1
