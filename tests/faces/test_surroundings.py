"""The cut round a face: by hand, at the edges of a picture, and refusals."""

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.faces.surroundings import cut_surroundings

IMAGE = np.zeros((60, 80, 3), np.uint8)
IMAGE[..., 0] = np.arange(60)[:, None]
IMAGE[..., 1] = np.arange(80)


@pytest.mark.parametrize(
    ("box", "context", "rows", "columns"),
    [
        ((30.0, 20.0, 10.0, 20.0), 1.0, (20, 40), (25, 45)),
        ((30.0, 20.0, 10.0, 20.0), 2.0, (10, 50), (15, 55)),
        ((0.0, 0.0, 10.0, 20.0), 2.0, (0, 40), (0, 40)),
        ((75.0, 50.0, 20.0, 20.0), 1.0, (40, 60), (60, 80)),
        ((30.0, 20.0, 10.0, 20.0), 4.0, (0, 60), (5, 65)),
        ((-5.0, -5.0, 90.0, 70.0), 1.0, (0, 60), (10, 70)),
    ],
)
def test_a_square_on_the_middle_of_the_face_and_inside_the_picture(box, context, rows, columns):
    side = rows[1] - rows[0]
    cut = cut_surroundings(IMAGE, box, context=context, side=side)
    assert np.array_equal(cut, IMAGE[slice(*rows), slice(*columns)])


def test_it_is_brought_to_one_size():
    small = cut_surroundings(IMAGE, (30.0, 20.0, 10.0, 20.0), context=1.0, side=10)
    assert np.abs(small[:, :, 0].mean(1) - (20.5 + 2 * np.arange(10))).max() <= 0.6  # pairs of rows, averaged
    assert cut_surroundings(IMAGE[..., :1], (30.0, 20.0, 10.0, 20.0), context=1.0, side=33).shape == (33, 33, 1)


@pytest.mark.parametrize(
    "box",
    [(0.0, 0.0, 0.0, 5.0), (0.0, 0.0, 5.0, -1.0), (float("nan"), 0.0, 5.0, 5.0), (80.0, 0.0, 5.0, 5.0)],
)
def test_what_is_no_face_in_the_picture_is_refused(box):
    with pytest.raises(UsageError, match="with an area in the picture"):
        cut_surroundings(IMAGE, box, context=1.5, side=10)
