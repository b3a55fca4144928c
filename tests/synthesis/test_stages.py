import numpy as np
import pytest

from countenance.synthesis.head import LANDMARK_NAMES
from countenance.synthesis.spec import DrawnSpecies, Stream
from countenance.synthesis.staging import draw_stage

SPECIES = [
    DrawnSpecies.BONA_FIDE,
    DrawnSpecies.EYES_NOSE_BENT,
    DrawnSpecies.PRINT_MATTE,
    DrawnSpecies.REPLAY_TABLET,
    DrawnSpecies.MASK_3D,
]


def shot(spec):
    return draw_stage(spec, spec.seeds(Stream.CLIP, 4)).shoot(0)


@pytest.mark.parametrize("species", SPECIES)
def test_the_window_holds_the_face(describe, species):
    seen = shot(describe(species))
    assert seen.layer.depth.shape == seen.window.shape == seen.holes.shape
    columns, rows = np.clip(seen.outline, 0, 111)
    assert seen.window.left <= columns.min() <= columns.max() < seen.window.right
    assert seen.window.top <= rows.min() <= rows.max() < seen.window.bottom
    assert seen.landmarks.shape == (2, len(LANDMARK_NAMES))
    assert (seen.layer.face > 0.5).sum() > 3000


@pytest.mark.parametrize("species", SPECIES)
def test_with_a_wall_nothing_is_empty(describe, species):
    seen = shot(describe(species, background=True, crop_mm=205.0))
    assert seen.window.shape == (112, 112)
    assert (seen.layer.alpha > 0.99).mean() > 0.98
    assert (seen.layer.depth > 0).mean() > 0.98
    assert set(np.unique(seen.places.owner)) >= {1}
    assert len(seen.places.surfaces) == (3 if species.cut else 2)


@pytest.mark.parametrize("species", SPECIES)
def test_places_lead_back_to_their_pixels(describe, species):
    seen = shot(describe(species, background=True, crop_mm=205.0))
    for number, surface in enumerate(seen.places.surfaces):
        rows, columns = np.nonzero(seen.places.owner == number + 1)
        if len(rows):
            there = seen.places.camera.project(surface.points(*seen.places.place[:, rows, columns]))
            error = np.hypot(there[0] - columns, there[1] - rows)
            assert np.quantile(error, 0.9) < 0.1  # grazing rays stop short of the surface, but near it
            assert np.median(error) < 0.01


def test_through_a_hole_one_sees_the_wearer_behind_the_paper(describe):
    seen = shot(describe(DrawnSpecies.EYES_FLAT))
    assert seen.holes.sum() > 40
    assert (seen.places.owner[seen.window.slices][seen.holes] == 2).mean() > 0.9
    edge = np.zeros_like(seen.holes)
    edge[1:-1, 1:-1] = seen.holes[2:, 1:-1] | seen.holes[:-2, 1:-1] | seen.holes[1:-1, 2:] | seen.holes[1:-1, :-2]
    rim = edge & ~seen.holes & (seen.layer.depth > 0)
    assert seen.layer.depth[seen.holes & (seen.layer.depth > 0)].mean() > seen.layer.depth[rim].mean() + 5


def test_the_mouth_of_a_worn_print_is_not_lit_as_bright(describe):
    plain, cut = (
        shot(describe(species, subject=3)) for species in (DrawnSpecies.PRINT_MATTE, DrawnSpecies.EYES_NOSE_MOUTH_FLAT)
    )
    assert not plain.holes.any()
    assert cut.holes.mean() > 0.03
