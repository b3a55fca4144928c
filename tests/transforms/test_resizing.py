import numpy as np
import pytest
from PIL import Image

from countenance.transforms.resizing import resize, resized
from countenance.vocabulary import Modality


def test_the_size_that_it_has_changes_nothing(copies):
    for plane in resize(copies, height=96, width=120).values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB])


@pytest.mark.parametrize(
    ("height", "width"), [(125, 125), (64, 64), (20, 30), (96, 40), (1, 1), (200, 301), (97, 121), (200, 60)]
)
def test_pixels_are_those_of_pillow(height, width):
    noise = np.random.default_rng(1).integers(0, 256, (96, 120, 3), np.uint8)
    planes = {Modality.RGB: noise, Modality.DEPTH: noise[..., :1]}
    small = resize(planes, height=height, width=width)
    for sensor, plane in planes.items():
        theirs = Image.fromarray(plane.squeeze()).resize((width, height), Image.Resampling.BILINEAR)
        ours = small[sensor]
        assert ours.shape == (height, width, plane.shape[-1])
        assert ours.dtype == np.uint8
        assert abs(ours.astype(int).reshape(np.asarray(theirs).shape) - np.asarray(theirs, int)).max() <= 1


def test_a_fine_grid_fades_to_grey_when_it_gets_smaller():
    """Stripes of one pixel: a resize that skips pixels would make stripes or a flat black or white of them."""
    stripes = np.zeros((1, 64, 64, 1), np.uint8)
    stripes[:, :, ::2] = 254
    inner = resized(stripes, height=16, width=16)[0, 2:-2, 2:-2]
    assert abs(inner.astype(int) - 127).max() <= 2


def test_a_plane_that_may_not_be_written_to_is_read(copies):
    frozen = {sensor: plane.copy() for sensor, plane in copies.items()}
    for plane in frozen.values():
        plane.flags.writeable = False
    expected = resize(copies, height=50, width=70)[Modality.RGB]
    np.testing.assert_array_equal(resize(frozen, height=50, width=70)[Modality.RGB], expected)


def test_views_and_mirrored_views_are_read_right(copies):
    mirrored = {sensor: plane[:, :, ::-1] for sensor, plane in copies.items()}
    straight = {sensor: plane.copy() for sensor, plane in mirrored.items()}
    for one, other in zip(
        resize(mirrored, height=50, width=70).values(), resize(straight, height=50, width=70).values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_same_for_every_plane_and_frame(copies):
    small = resize(copies, height=40, width=50)
    for plane in small.values():
        np.testing.assert_array_equal(plane, small[Modality.RGB])
    np.testing.assert_array_equal(
        small[Modality.RGB][1], resize({Modality.RGB: copies[Modality.RGB][1]}, height=40, width=50)[Modality.RGB]
    )
