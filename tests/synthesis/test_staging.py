import numpy as np
import pytest

from countenance.synthesis.spec import DrawnSpecies, Stream
from countenance.synthesis.stages import HeadStage, ScreenStage, SheetStage
from countenance.synthesis.staging import draw_stage
from countenance.vocabulary import Expression

CUT_PRINTS = [species for species in DrawnSpecies if species.cut]


def staged(spec):
    return draw_stage(spec, spec.seeds(Stream.CLIP, 4))


@pytest.mark.parametrize("species", list(DrawnSpecies))
def test_every_species_gets_its_stage(describe, species):
    stage = staged(describe(species))
    expected = SheetStage if species.is_print else ScreenStage if species.display else HeadStage
    assert type(stage) is expected
    assert len(stage.performance.actions) == 2


@pytest.mark.parametrize("species", CUT_PRINTS)
def test_the_wearers_eyes_lie_behind_the_holes(describe, species):
    for subject in range(3):
        stage = staged(describe(species, subject=subject))
        actor, seat = stage.wearer
        eyes = seat.apply(actor.at(0).landmarks)[:, [0, 5]] / stage.sheet.scale
        for eye, printed in zip(eyes.T, stage.shown.landmarks[:, [0, 5]].T, strict=True):
            assert np.hypot(*(eye[:2] - printed[:2])) < 14
            assert -75 < eye[2] < 12


def test_sheets_are_bent_and_worn_as_their_species_says(describe):
    assert all(staged(describe(species)).sheet.curvature >= 1 / 150 for species in CUT_PRINTS if species.is_bent)
    assert all(
        abs(staged(describe(species)).sheet.curvature) < 1 / 800 for species in CUT_PRINTS if not species.is_bent
    )
    assert staged(describe(DrawnSpecies.PRINT_MATTE)).wearer is None
    assert staged(describe(DrawnSpecies.PRINT_MATTE)).gloss <= 0.1
    assert staged(describe(DrawnSpecies.PRINT_GLOSSY)).gloss >= 0.2


def test_a_print_shows_the_first_expression_and_a_mask_none(describe):
    asked = ((Expression.HAPPY, 1.0), (Expression.SAD, 1.0))
    printed = staged(describe(DrawnSpecies.PRINT_MATTE, expressions=asked)).performance
    assert printed.expressions == (asked[0],) * 2
    mask = staged(describe(DrawnSpecies.MASK_3D, expressions=asked)).performance
    assert not any(mask.actions[0].numbers())
    film = staged(describe(DrawnSpecies.REPLAY_TABLET, expressions=asked)).performance
    assert film.expressions == asked
