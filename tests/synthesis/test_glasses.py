from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.glasses import draw_glasses
from countenance.synthesis.identity import Glasses, draw_identity
from countenance.synthesis.skull import silhouette
from countenance.synthesis.texture import COLOUR, Z, window


@pytest.mark.parametrize("exponent", [2.0, 5.0])
def test_a_ring_runs_through_its_half_axes(exponent: float) -> None:
    person = draw_identity(5, root=11)
    colour = (0.01, 0.02, 0.03, 0.04)
    glasses = Glasses(exponent=exponent, half_width=24.0, half_height=17.0, thickness=2.5, colour=colour)
    person = replace(person, eyes=replace(person.eyes, x=32.0, y=27.0))
    maps = np.full((12, 216, 180), 0.5, np.float32)
    maps[Z] = face = 20 - 0.02 * window().x ** 2 + 0 * window().y
    draw_glasses(maps, person, glasses, silhouette(person))
    across, middle = 33.0, 25.0
    for x, y in ((across, middle + 17), (across, middle - 17), (across + 24, middle), (across - 24, middle)):
        at = window(x - 0.7, x + 0.7, y - 0.7, y + 0.7).of(maps)
        assert at[COLOUR].min() < 0.06
        assert at[Z].max() > 20 - 0.02 * x**2 + 1  # before the face
    lens = window(across - 5, across + 5, middle - 5, middle + 5).of(maps)
    assert lens[COLOUR].min() > 0.45  # nearly clear
    assert (maps[Z] >= face).all()
    assert (window(across - 5, across + 5, middle - 5, middle + 5).of(maps[Z] - face) == 0).all()
    corner = window(across + 19.3, across + 20.7, middle + 13.3, middle + 14.7).of(maps)[COLOUR]
    assert (corner.min() < 0.1) == (exponent == 5.0)  # square frames have corners, round ones have none
