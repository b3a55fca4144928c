from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.expression import PROTOTYPES, FacialActions
from countenance.synthesis.identity import Identity, draw_identity
from countenance.synthesis.mouth import draw_mouth, lips
from countenance.synthesis.texture import COLOUR, window
from countenance.vocabulary import Expression

REST = FacialActions.neutral()


@pytest.fixture(scope="module")
def person() -> Identity:
    drawn = draw_identity(4, root=11)
    return replace(drawn, pigment=replace(drawn.pigment, lipstick=None))


def test_lips_at_rest_are_the_identity_s(person: Identity) -> None:
    rest, mouth = lips(person, REST), person.mouth
    assert (rest.y, rest.half_width) == (mouth.y, mouth.half_width)
    assert (rest.gap_up, rest.gap_down) == (0, 0)
    assert (rest.upper, rest.lower) == pytest.approx((max(mouth.upper_lip, 1.4), max(mouth.lower_lip, 1.8)))
    assert np.mean(rest.corners) == pytest.approx(mouth.corner)


def test_actions_of_the_mouth_by_hand(person: Identity) -> None:
    rest = lips(person, REST)
    dropped = lips(person, replace(REST, jaw_drop=20.0))
    assert dropped.gap_down == pytest.approx(0.82 * 20)
    assert dropped.gap_up == pytest.approx(0.10 * 20)
    assert dropped.half_width == pytest.approx(rest.half_width - 2.4)
    pressed = lips(person, replace(REST, lips_pressed=1.3))
    assert pressed.upper < rest.upper
    assert pressed.lower < rest.lower
    one = lips(person, replace(REST, corner_up_right=8.0))
    assert one.corners[0] == pytest.approx(rest.corners[0])
    assert one.corners[1] - rest.corners[1] == pytest.approx(8)


def test_teeth_show_in_a_smile_and_a_hollow_in_surprise(person: Identity) -> None:
    def drawn(expression: Expression) -> tuple[float, float]:
        maps = np.full((12, 216, 180), 0.3, np.float32)
        draw_mouth(maps, person, PROTOTYPES[expression])
        now = lips(person, PROTOTYPES[expression])
        inside = window(-8, 8, now.y - now.gap_down, now.y + now.gap_up).of(maps)[COLOUR]
        return float(inside[2].max()), float(inside[2].min())  # blue: teeth have it, lips and hollow have not

    teeth, _ = drawn(Expression.HAPPY)
    _, hollow = drawn(Expression.SURPRISE)
    assert teeth > 0.33
    assert hollow < 0.06


def test_a_closed_mouth_shows_lips_only(person: Identity) -> None:
    maps = np.full((12, 216, 180), 0.3, np.float32)
    draw_mouth(maps, person, REST)
    mouth = person.mouth
    at = window(-10, 10, mouth.y - mouth.lower_lip + 2, mouth.y + mouth.upper_lip - 2)
    red, green, _, near = at.of(maps)[COLOUR]
    assert (red > green).all()  # no teeth
    assert np.median(near) > np.median(red)
    assert (maps[:, :60] == np.float32(0.3)).all()  # nothing above the eyes was touched
