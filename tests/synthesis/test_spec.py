import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Region, Stream
from countenance.vocabulary import Expression, Modality, Presentation

CUT_PRINTS = [species for species in DrawnSpecies if species.cut]


def test_the_six_attacks_are_those_of_table_1():
    eyes, nose, mouth = Region.EYES, Region.NOSE, Region.MOUTH
    assert [(species.value, species.number, species.is_bent, set(species.cut)) for species in CUT_PRINTS] == [
        ("01_e_s", 1, False, {eyes}),
        ("02_e_b", 2, True, {eyes}),
        ("03_en_s", 3, False, {eyes, nose}),
        ("04_en_b", 4, True, {eyes, nose}),
        ("05_enm_s", 5, False, {eyes, nose, mouth}),
        ("06_enm_b", 6, True, {eyes, nose, mouth}),
    ]


def test_every_species_is_one_kind_of_thing():
    for species in DrawnSpecies:
        kinds = [species.is_print, species.display is not None, species is DrawnSpecies.MASK_3D]
        assert sum(kinds) == (species.presentation is Presentation.ATTACK)
        assert species.is_worn == (bool(species.cut) or species is DrawnSpecies.MASK_3D)
    assert [species.number for species in DrawnSpecies] == list(range(14))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attacker": 3}, "expected an attacker for cut prints and masks"),
        ({"species": DrawnSpecies.EYES_FLAT}, "came None for 01_e_s"),
        ({"species": DrawnSpecies.MASK_3D}, "came None for mask_3d"),
        ({"frames": 0}, "at least one frame"),
        ({"subject": -1}, "a subject number of 0 or more; came -1"),
        ({"root": -2}, "a root number"),
        ({"size": 8}, "32 to 1024 pixels"),
        ({"crop_mm": 12.0}, "80 to 400 mm"),
        ({"modalities": (Modality.DEPTH,)}, "expected rgb among the modalities; came depth"),
        ({"expressions": ((Expression.HAPPY, 0.5),) * 3}, "expected 1 or 2 expressions; came 3"),
        ({"expressions": ((Expression.HAPPY, 1.5),)}, "intensities in [0, 1]; came [1.5]"),
        ({"lids": (0.0, 1.5)}, "expected 2 lids in [0, 1]; came 2: (0.0, 1.5)"),
        ({"lids": (0.0,)}, "expected 2 lids in [0, 1]; came 1"),
        ({"yaws": (0.0, -41.0)}, "expected 2 yaws in [-40, 40]; came 2"),
        ({"yaws": (0.0, float("nan"))}, "expected 2 yaws"),
        ({"preset": "harder"}, "expected a preset of easy, paper, hard; came 'harder'"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(changes, words):
    given = {"root": 0, "subject": 0, "species": DrawnSpecies.BONA_FIDE, "clip": 0, "frames": 2}
    with pytest.raises(UsageError) as caught:
        ClipSpec(**{**given, "seconds_between_frames": 0.1, **changes})
    assert words in str(caught.value)


def test_seeds_differ_by_all_that_names_a_clip(describe):
    specs = [
        describe(),
        describe(root=6),
        describe(subject=2),
        describe(clip=1),
        describe(DrawnSpecies.PRINT_MATTE),
    ]
    drawn = [tuple(seed.generate_state(2)) for spec in specs for stream in Stream for seed in spec.seeds(stream, 3)]
    assert len(set(drawn)) == len(drawn) == 45


def test_seeds_are_those_of_the_words(describe):
    expected = np.random.SeedSequence([5, 303, 1, 4, 0]).spawn(2)[1].generate_state(3)
    spec = describe(DrawnSpecies.EYES_NOSE_BENT, frames=7, size=64)
    assert spec.seeds(Stream.CLIP, 2)[1].generate_state(3).tolist() == expected.tolist()


def test_what_only_some_clips_say_stays_out_of_the_words_that_cards_are_made_of(describe):
    assert repr(describe(frames=2, lids=(0.0, 1.0), yaws=(0.0, 9.0), like=(3, 0.5))) == repr(describe(frames=2))
