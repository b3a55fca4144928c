from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.identity import Identity, draw_identity
from countenance.synthesis.skull import beard_area, dome, lip_area, silhouette, skin, surroundings
from countenance.synthesis.texture import ALPHA, BACKGROUND_Z, FACE, Z, window


@pytest.fixture(scope="module")
def person() -> Identity:
    return draw_identity(4, root=11)


def half_width_at(person: Identity, y: float) -> float:
    return float(np.interp(-y, -window().y[:, 0], silhouette(person).half_width[:, 0]))


def test_the_outline_passes_through_the_measures(person: Identity) -> None:
    outline = person.outline
    assert half_width_at(person, 15) == pytest.approx(outline.cheek, abs=1.0)
    assert half_width_at(person, person.mouth.y - 14) == pytest.approx(outline.jaw, abs=2.5)
    assert half_width_at(person, outline.chin_y + 2) == pytest.approx(1.24 * outline.chin, abs=3)
    assert half_width_at(person, outline.chin_y - 22) == 0
    assert half_width_at(person, 127) == 0
    wider = replace(person, outline=replace(outline, jaw=outline.jaw - 5))
    assert half_width_at(wider, person.mouth.y - 14) < half_width_at(person, person.mouth.y - 14) - 3


def test_a_dome_by_hand() -> None:
    ones = np.ones((216, 1), np.float32)
    z = dome(60 * ones, 80 * ones, 2.0)
    x = window().x[0]
    expected = 80 * np.clip(1 - (x / 60) ** 2, 0, None) ** (1 / 2.05)
    np.testing.assert_allclose(z[100], expected, atol=1e-3)


def test_the_bare_head(person: Identity) -> None:
    maps = skin(person, silhouette(person), np.random.default_rng(0))
    assert maps.dtype == np.float32
    tip = window(-4, 4, person.nose.tip_y - 3, person.nose.tip_y + 3).of(maps)[Z]
    assert tip.max() > window(25, 35, person.nose.tip_y - 3, person.nose.tip_y + 3).of(maps)[Z].max() + 12
    assert not maps[FACE][maps[ALPHA] == 0].any()
    assert window(-20, 20, -60, 60).of(maps)[FACE].min() == 1


def test_neck_and_clothes_stand_behind_the_chin(person: Identity) -> None:
    shape = silhouette(person)
    around = surroundings(person, shape, np.random.default_rng(0))
    assert (around[Z][around[ALPHA] == 0] == BACKGROUND_Z).all()
    head = skin(person, shape, np.random.default_rng(0))
    chin = window(-4, 4, person.outline.chin_y - 2, person.outline.chin_y + 2)
    assert chin.of(head)[Z].min() > chin.of(around)[Z].max() + 10
    assert around[ALPHA, -1].all()  # shoulders from side to side at the lower edge


def test_where_beards_grow(person: Identity) -> None:
    jaw, lip = beard_area(person), lip_area(person)
    eyes = window(-50, 50, 10, 60)
    assert not eyes.of(jaw).any()
    assert not eyes.of(lip).any()
    mouth = person.mouth
    over_lip = window(6, 10, mouth.y + 3, mouth.y + 6)
    assert over_lip.of(lip).min() > 0.5
    assert window(-3, 3, mouth.y - 2, mouth.y + 1).of(jaw).max() < 0.05  # the lips stay bare
    assert window(-3, 3, person.outline.chin_y - 2, person.outline.chin_y + 2).of(jaw).min() > 0.9
