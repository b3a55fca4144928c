from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.expression import FacialActions
from countenance.synthesis.eyes import brow_line, centre, draw_eye, grow_brows, lids
from countenance.synthesis.identity import Identity, draw_identity
from countenance.synthesis.texture import GLOSS, Z, window

REST = FacialActions.neutral()


@pytest.fixture(scope="module")
def person() -> Identity:
    return draw_identity(4, root=11)


def test_lids_by_hand(person: Identity) -> None:
    height = person.eyes.lid_height
    rest = lids(person, REST)
    assert (rest.upper, rest.lower) == pytest.approx((height, 0.72 * height))
    assert lids(person, replace(REST, lids_wide=0.45)).upper == pytest.approx(1.45 * height)
    shut = lids(person, replace(REST, blink=1.0))
    assert shut.lower == pytest.approx(rest.lower)
    assert shut.upper == pytest.approx(-0.85 * rest.lower)  # down on the lower lid
    assert lids(person, replace(REST, blink=0.5)).upper == pytest.approx(0.5 * (rest.upper + shut.upper))
    tight = lids(person, replace(REST, squint=1.0))
    assert tight.upper < rest.upper
    assert tight.lower < rest.lower


def test_a_symmetric_face_has_mirrored_eyes_and_brows(person: Identity) -> None:
    even = replace(person, flesh=replace(person.flesh, asymmetry=(0.0,) * 6))
    assert centre(even, -1) == (-even.eyes.x, even.eyes.y) == (-centre(even, 1)[0], centre(even, 1)[1])
    left, right = (brow_line(even, REST, side) for side in (-1, 1))
    for one, other in ((left.inner, right.inner), (left.peak, right.peak), (left.outer, right.outer)):
        assert one == pytest.approx((-other[0], other[1]))
    assert 0 < right.inner[0] < right.peak[0] < right.outer[0]
    assert right.peak[1] > max(right.inner[1], right.outer[1])


def test_brow_actions_by_hand(person: Identity) -> None:
    rest, raised = (brow_line(person, actions, 1) for actions in (REST, replace(REST, inner_brow_up=8.0)))
    assert raised.inner[1] - rest.inner[1] == pytest.approx(8)
    assert raised.outer == pytest.approx(rest.outer)
    frown = brow_line(person, replace(REST, brow_lower=8.0), 1)
    assert frown.inner[1] - rest.inner[1] == pytest.approx(-6)
    assert frown.inner[0] < rest.inner[0]  # together


def test_an_eye_is_drawn_in_its_place_only(person: Identity) -> None:
    maps = np.full((12, 216, 180), 0.3, np.float32)
    draw_eye(maps, person, REST, 1)
    x, y = centre(person, 1)
    touched = (maps != np.float32(0.3)).any(0)
    assert touched.any()
    near = window(x - 25, x + 25, y - 17, y + 19)
    assert near.of(touched).sum() == touched.sum()
    wet = window(x - 3, x + 3, y - 3, y + 3).of(maps)[GLOSS]
    assert wet.min() > 0.8
    assert maps[Z].max() > 5  # the ball stands out


def test_strands_repeat() -> None:
    first, second = (grow_brows(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
