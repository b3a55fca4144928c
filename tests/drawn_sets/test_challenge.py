"""Presentations to a gate: who does what before it, seen by two sets of sensors at one moment."""

from collections import Counter

import numpy as np
import pytest

from countenance.clips import ClipReader
from countenance.datasets.authentication_pairs import REQUIRED
from countenance.datasets.drawn_card import read_card
from countenance.drawn_sets.challenge import NAME, Part, plan_challenge
from countenance.drawn_sets.portraits import ROOM, People
from countenance.drawn_sets.writing import write_set
from countenance.errors import UsageError
from countenance.images import read_image, read_plane
from countenance.synthesis.spec import DrawnSpecies, Stream
from countenance.synthesis.staging import draw_stage
from countenance.vocabulary import Expression, Modality, Presentation


@pytest.fixture(scope="module")
def planned():
    return plan_challenge(subjects=12, development=3, seed=5)


@pytest.fixture
def spec_of(planned):
    """A function from a file to what is drawn for it."""
    specs = {file: clip.spec for clip in planned.set.clips for file in clip.files}
    return lambda path: specs[str(path)]


def test_everybody_is_asked_for_everything_and_attacked_with_it(planned):
    parts = Counter((each.subject, each.part, each.required) for each in planned.presentations)
    for subject in planned.references:
        for asked in REQUIRED:
            assert parts[subject, Part.GENUINE, asked] == parts[subject, Part.DISOBEDIENT, asked] == 1
            assert parts[subject, Part.PRINT, asked] == 1
            assert parts[subject, Part.REPLAY, asked] == 2
        assert sum(parts[subject, Part.NEUTRAL_PRINT, asked] for asked in REQUIRED) == 1
    assert planned.set.samples == len(planned.presentations) == 12 * 11
    assert planned.set.counts["samples"] == sum(planned.set.counts[part] for part in Part)


def test_a_required_expression_is_shown_but_by_the_disobedient_and_on_neutral_prints(planned):
    for each in planned.presentations:
        obeys = each.part in {Part.GENUINE, Part.PRINT, Part.REPLAY}
        assert (each.shown == each.required) == obeys
        live = each.part in {Part.GENUINE, Part.DISOBEDIENT}
        assert (each.species.presentation is Presentation.BONA_FIDE) == live
    others = {each.shown for each in planned.presentations if each.part is Part.DISOBEDIENT}
    assert others == set(Expression) - {Expression.CONTEMPT}
    assert {each.shown for each in planned.presentations if each.part is Part.NEUTRAL_PRINT} == {Expression.NEUTRAL}


def test_every_instrument_meets_as_many_people_with_either_expression(planned):
    seen = Counter((each.species, each.required) for each in planned.presentations if each.shown == each.required)
    attacks = {key: number for key, number in seen.items() if key[0] is not DrawnSpecies.BONA_FIDE}
    assert len(attacks) == 6 * 2
    assert set(attacks.values()) == {6}
    neutral = Counter(
        (each.species, each.required) for each in planned.presentations if each.part is Part.NEUTRAL_PRINT
    )
    assert set(neutral.values()) == {3}
    assert len(neutral) == 4


def test_nobody_is_of_another_set_and_the_threshold_is_chosen_on_others(planned):
    people = {clip.spec.subject for clip in planned.set.clips if clip.subject.startswith("P")}
    others = {clip.spec.subject for clip in planned.set.clips if clip.subject.startswith("D")}
    assert (len(people), len(others)) == (12, 3)
    assert not people & others
    assert all(People.CHALLENGE <= person < People.CHALLENGE + ROOM for person in people | others)
    assert {clip.spec.species for clip in planned.set.clips if clip.subject.startswith("D")} == {DrawnSpecies.BONA_FIDE}


def test_no_two_presentations_share_their_numbers(planned):
    drawn = Counter(
        (clip.spec.subject, clip.spec.species, clip.spec.clip, clip.spec.frames) for clip in planned.set.clips
    )
    assert set(drawn.values()) == {1}


@pytest.mark.parametrize("part", Part)
def test_the_stills_are_of_the_clips_last_moment(planned, spec_of, part):
    each = next(found for found in planned.presentations if found.part is part)
    ends = []
    for spec in (spec_of(each.clip), spec_of(each.stills[Modality.DEPTH])):
        performance = draw_stage(spec, spec.seeds(Stream.CLIP, 8)[:4]).performance
        assert performance.expressions[-1] == (each.shown, 1.0)
        last = performance.actions[-1]
        ends.append(np.array([*last.numbers(), last.blink, *last.gaze]))
    assert np.allclose(ends[0], ends[1], atol=1e-9)


def test_a_live_face_and_a_film_rise_from_neutral_and_a_print_is_at_its_apex(planned, spec_of):
    for each in planned.presentations[:11]:
        expressions = spec_of(each.clip).expressions
        assert {face for face, _ in expressions} == {each.shown}
        if each.species.is_print:
            assert expressions == ((each.shown, 1.0),)
        else:
            amounts = [amount for _, amount in expressions]
            assert amounts == sorted(amounts)
            assert (amounts[0], amounts[-1]) == (0.0, 1.0)


def test_the_files_are_written_as_the_readers_of_their_sets_want_them(stand_in, tmp_path):
    planned = plan_challenge(subjects=2, development=2, frames=14, size=64)
    write_set(planned.set, tmp_path / "set", draw=stand_in)
    assert read_card(tmp_path / "set", set_name=NAME) == planned.set.card()
    each = planned.presentations[4]
    clip, stills = (each.sample(tmp_path / "set", as_clip=as_clip) for as_clip in (True, False))
    assert clip.species == stills.species == "replay_laptop"
    assert ClipReader(clip.paths[Modality.RGB]).read().frames.shape == (14, 64, 64, 3)
    assert read_image(stills.paths[Modality.RGB]).shape == (112, 112, 3)
    for sensor in (Modality.DEPTH, Modality.INFRARED):
        assert read_plane(stills.paths[sensor]).shape == (112, 112)
    for path in (*planned.references.values(), *(path for paths in planned.development.values() for path in paths)):
        assert read_image(tmp_path / "set" / path).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subjects": 1}, "2 to 5,000 subjects"),
        ({"development": 5_001}, "2 to 5,000 subjects"),
        ({"preset": "soft"}, "a preset"),
        ({"required": ()}, "came none"),
        ({"required": (Expression.HAPPY, Expression.NEUTRAL)}, "neutral not among them"),
        ({"required": (Expression.HAPPY, Expression.HAPPY)}, "each once"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        plan_challenge(**({"subjects": 2, "development": 2} | options))
