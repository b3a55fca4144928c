from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.hair import grow_beard, grow_hair, strands
from countenance.synthesis.identity import Beard, HairStyle, draw_identity
from countenance.synthesis.skull import silhouette
from countenance.synthesis.texture import HAIR, Z, window


@pytest.mark.parametrize("curl", [0.0, 0.5, 1.0])
def test_strands_run_down_and_curls_do_not(curl: float) -> None:
    texture = strands(np.random.default_rng(2), curl, 0.0)
    down, across = (float(np.abs(np.diff(texture, axis=axis)).mean()) for axis in (0, 1))
    assert texture.dtype == np.float32
    assert (across > 2.5 * down) == (curl == 0)
    if curl == 1:
        assert across == pytest.approx(down, rel=0.15)


def test_combed_hair_leans() -> None:
    upright, left, right = (strands(np.random.default_rng(2), 0.0, lean) for lean in (0.0, -0.7, 0.7))
    row = 216 // 3
    np.testing.assert_allclose(left[row], upright[row], atol=0.2)  # the shear turns about this row
    assert np.abs(left[-1] - right[-1]).mean() > 0.3


@pytest.mark.parametrize("style", HairStyle)
def test_hair_stays_on_the_head(style: HairStyle) -> None:
    person = draw_identity(5, root=11)
    person = replace(person, woman=True, age=0.2, hair=replace(person.hair, style=style, volume=10.0))
    layer = grow_hair(person, silhouette(person), np.random.default_rng(0))
    for part in (layer.cover, layer.colour, layer.z):
        assert part.dtype == np.float32
        assert np.isfinite(part).all()
    assert 0 <= layer.cover.min() <= layer.cover.max() <= 1
    assert not window(bottom=120).of(layer.cover)[0].any()  # air above
    assert not window(-25, 25, -60, 40).of(layer.cover).any()  # the middle of the face is free
    if style is HairStyle.LONG:
        assert layer.cover[190].max() > 0.9
    else:
        assert not layer.cover[200:].any()


def test_a_beard_lies_on_the_skin_and_none_is_none() -> None:
    person = draw_identity(5, root=11)
    bare = np.full((12, 216, 180), 0.3, np.float32)
    bearded = bare.copy()
    grow_beard(bare, replace(person, beard=Beard.NONE), np.random.default_rng(0))
    assert (bare == np.float32(0.3)).all()
    grow_beard(bearded, replace(person, beard=Beard.FULL), np.random.default_rng(0))
    thick = window(-4, 4, person.outline.chin_y - 2, person.outline.chin_y + 4).of(bearded)
    assert thick[HAIR].min() > 0.6
    assert thick[Z].min() > 1.0
