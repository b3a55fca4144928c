from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.expression import FacialActions
from countenance.synthesis.head import face_maps, features
from countenance.synthesis.identity import draw_identity
from countenance.synthesis.light import draw_flash
from countenance.synthesis.noise import Noise
from countenance.synthesis.presets import PAPER
from countenance.synthesis.prints import draw_cuts, draw_inks, draw_photograph, draw_print, photograph, printed
from countenance.synthesis.spec import DrawnSpecies, Region
from countenance.synthesis.texture import COLUMNS, FACE, ROWS, X_EXTENT, Y_EXTENT

PERSON = draw_identity(4, root=9)


@pytest.fixture(scope="module")
def maps():
    return face_maps(PERSON, FacialActions.neutral())


def contrast(plane, face):
    return plane[face].std() / plane[face].mean()


@pytest.mark.parametrize(("laser", "low", "high"), [(1.0, 0.25, 1.0), (0.0, 0.0, 0.25)])
def test_carbon_shows_in_the_infrared_and_dye_does_not(maps, laser, low, high):
    face = maps[FACE] > 0.5
    for seed in range(8):
        preset = replace(PAPER, laser_share=laser)
        colour, near = draw_print(Noise(np.random.SeedSequence(seed)), preset, maps)
        assert low < contrast(near, face) / contrast(colour[1], face) < high


def test_white_prints_as_paper_and_black_as_ink():
    inks = replace(draw_inks(np.random.default_rng(0), replace(PAPER, laser_share=1.0)), cast=np.ones(3))
    colour, near = printed(np.array([1.0, 0.0], np.float32) * np.ones((3, 1, 1), np.float32), inks)
    assert colour[:, 0, 0] == pytest.approx([0.81] * 3, abs=0.01)
    assert near[0, 0] == pytest.approx(0.80, abs=0.01)
    assert colour[:, 0, 1].max() < 0.08
    assert near[0, 1] < 0.3


def test_pure_inks_are_clear_in_the_infrared():
    inks = draw_inks(np.random.default_rng(1), PAPER)
    cyan = np.array([0.0, 1, 1], np.float32).reshape(3, 1, 1)
    colour, near = printed(cyan, inks)
    assert colour[0] < 0.2 < colour[1]
    assert near[0, 0] > 0.7


def test_photographs_are_exposed_as_asked(maps):
    picture = photograph(maps, draw_flash(np.random.default_rng(0)), 0.3)
    assert picture[:, maps[FACE] > 0.5].mean() == pytest.approx(0.3, rel=1e-4)
    stored = draw_photograph(Noise(np.random.SeedSequence(3)), PAPER, maps)
    assert stored.shape == (3, ROWS, COLUMNS)
    assert stored.dtype == np.float32
    assert 0 <= stored.min() <= stored.max() <= 1


@pytest.mark.parametrize("species", [species for species in DrawnSpecies if species.is_print])
def test_cuts_take_the_regions_of_table_1_and_no_other(species):
    target = features(PERSON, FacialActions.neutral())
    x, y = np.linspace(*X_EXTENT, COLUMNS), np.linspace(*Y_EXTENT, ROWS)

    def at(point):
        return np.abs(y - point[1]).argmin(), np.abs(x - point[0]).argmin()

    for seed in range(5):
        left = draw_cuts(np.random.default_rng(seed), species.cut, target)
        assert left.dtype == np.float32
        assert 0 <= left.min() <= left.max() == 1
        assert [left[at(eye)] == 0 for eye in target.eyes] == [Region.EYES in species.cut] * 2
        assert (left[at((target.nose_tip[0], target.nose_tip[1] - 2))] == 0) == (Region.NOSE in species.cut)
        assert (left[at(target.mouth)] == 0) == (Region.MOUTH in species.cut)
        assert left[at((0, 70))] == left[at((-45, -20))] == left[at((0, -75))] == 1
        assert np.mean(left < 0.5) < 0.16


def test_the_same_hand_cuts_the_same_eyes_whatever_else_it_cuts():
    target = features(PERSON, FacialActions.neutral())
    eyes, both = (
        draw_cuts(np.random.default_rng(2), species.cut, target)
        for species in (DrawnSpecies.EYES_FLAT, DrawnSpecies.EYES_NOSE_FLAT)
    )
    assert (both <= eyes).all()
    assert np.array_equal(both[:90], eyes[:90])  # above y = 16 mm there is no nose to cut
