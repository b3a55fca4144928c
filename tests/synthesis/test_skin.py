import math

import numpy as np
import pytest

from countenance.synthesis.skin import BANDS, albedo

TONES = (0.018, 0.05, 0.13, 0.30)


def by_hand(melanin: float, blood: float, band: float) -> float:
    """The formulas of the module's sources, one number at a time."""
    whole_blood = {610: 18.6, 540: 285.0, 460: 238.0, 860: 5.3}[round(band)]
    pigment = melanin * 6.6e11 * band**-3.33
    through_twice = math.exp(-2.4 * 0.006 * pigment)
    absorption = blood * whole_blood + 0.244 + 85.3 * math.exp(-(band - 154) / 66.2)
    scattering = 46 * (band / 500) ** -1.42
    a, k = scattering / (absorption + scattering), 1.6
    return float(through_twice * a / (1 + 2 * k * (1 - a) + (1 + 2 * k / 3) * math.sqrt(3 * (1 - a))))


@pytest.mark.parametrize("melanin", TONES)
@pytest.mark.parametrize("blood", [0.003, 0.0075, 0.045])
def test_it_is_the_formula(melanin: float, blood: float) -> None:
    np.testing.assert_allclose(albedo(melanin, blood), [by_hand(melanin, blood, band) for band in BANDS], rtol=2e-6)


def test_infrared_is_brighter_than_every_colour_for_every_tone() -> None:
    planes = albedo(np.array(TONES), 0.0075)
    assert (planes[3] > planes[:3]).all()
    assert (planes[3] > 0.4).all()  # bright even where the darkest skin is .05 in green


def test_more_of_either_pigment_is_darker_everywhere() -> None:
    for planes in (albedo(np.linspace(0, 0.4, 50), 0.0075), albedo(0.05, np.linspace(0, 0.08, 50))):
        assert (np.diff(planes, axis=1) < 0).all()
        assert ((planes > 0) & (planes < 1)).all()


@pytest.mark.parametrize("melanin", TONES)
def test_lips_and_freckles_vanish_in_the_infrared(melanin: float) -> None:
    skin, lips, freckle = albedo(melanin, 0.0075), albedo(melanin, 0.045), albedo(2.5 * melanin, 0.0075)
    assert lips[1] / skin[1] < 0.65
    assert lips[3] / skin[3] > 0.85
    assert (1 - freckle[3] / skin[3]) < 0.54 * (1 - freckle[1] / skin[1])  # a quarter in light skin, half in dark


def test_shapes_broadcast_to_float32() -> None:
    planes = albedo(np.full((5, 1), 0.05), np.full((1, 7), 0.01))
    assert planes.shape == (4, 5, 7)
    assert planes.dtype == np.float32
