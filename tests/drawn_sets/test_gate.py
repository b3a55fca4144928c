"""Drawn people before the gate: scripts by hand, clips of every kind, the files of a whole small set."""

import io
import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from countenance.clips import ClipReader
from countenance.drawn_sets import gate
from countenance.drawn_sets.gate import (
    ALIKE,
    ENROLMENTS,
    FILM_SIZE,
    INJECTED,
    INJECTED_QUALITY,
    NAME,
    GateKind,
    Pace,
    as_close_ups,
    draw_frames,
    draw_glimpses,
    draw_photographs,
    film,
    plan_clip,
    plan_gate,
    plan_glimpses,
    plan_photographs,
    write_clip,
    write_script,
)
from countenance.drawn_sets.portraits import People
from countenance.drawn_sets.writing import jpeg, write_set
from countenance.errors import UsageError
from countenance.images import read_image
from countenance.synthesis.scene import DrawnClip
from countenance.synthesis.spec import DrawnSpecies, Stream
from countenance.synthesis.stages import HeadStage, ScreenStage
from countenance.synthesis.staging import draw_stage
from countenance.vocabulary import Action, Expression, Modality

PERSON = int(People.GATE)
ASKED = (Action.TURN_LEFT, Action.HAPPY)


def small(kind, asked, *, seed=0, sensors=False, frames_per_second=2):
    """A clip that is drawn in a moment."""
    return plan_clip(kind, PERSON, asked, seed=seed, width=128, frames_per_second=frames_per_second, sensors=sensors)


def test_a_script_by_hand():
    """At 10 frames a second: .8 s at rest, .4 s up, .9 s held, .4 s down, .6 s at rest."""
    script = write_script([Action.TURN_RIGHT, Action.BLINK], pace=Pace(lead=0.8, rest=0.6), frames_per_second=10)
    assert len(script.shown) == 8 + 2 * 23
    assert script.yaws[:9] == (0.0,) * 9
    assert script.yaws[10] == pytest.approx(-16)
    assert script.yaws[12:21] == pytest.approx([-32] * 9)
    assert script.yaws[25:] == pytest.approx([0] * 29)
    assert [frame for frame, lid in enumerate(script.lids) if lid > 0.99] == [32, 33, 34, 35, 36]
    assert {expression for expression, _ in script.expressions} == {Expression.NEUTRAL}
    assert (script.shown[8], script.shown[9], script.shown[33]) == (None, Action.TURN_RIGHT, Action.BLINK)


@pytest.mark.parametrize("actions", list(permutations(Action, 3))[::7])
def test_every_order_is_shown_with_rests_in_between(actions):
    script = write_script(actions, frames_per_second=10)
    told = [shown for at, shown in enumerate(script.shown) if not at or shown is not script.shown[at - 1]]
    assert told == [None, actions[0], None, actions[1], None, actions[2], None]
    for frame, shown in enumerate(script.shown):
        expression, amount = script.expressions[frame]
        assert (amount > 0) == (shown in {Action.HAPPY, Action.SURPRISE}) == (expression is not Expression.NEUTRAL)
        assert (script.lids[frame] > 0) == (shown is Action.BLINK)
        assert np.sign(script.yaws[frame]) == (shown is Action.TURN_LEFT) - (shown is Action.TURN_RIGHT)


@pytest.mark.parametrize("kind", GateKind)
def test_each_kind_shows_what_it_says(kind):
    clip = small(kind, ASKED)
    live = kind not in {GateKind.PRINT, GateKind.REPLAY, GateKind.MASK}
    assert (clip.species is DrawnSpecies.BONA_FIDE) == live
    assert clip.species.is_print == (kind is GateKind.PRINT)
    assert (clip.species.display is not None) == (kind is GateKind.REPLAY)
    assert clip.asked == ((Action.TURN_LEFT, Action.TURN_RIGHT) if kind is GateKind.MASK else ASKED)
    if kind is GateKind.INJECTED:
        assert sorted(clip.done) == sorted(Action)
        return
    assert clip.done == {
        GateKind.MASK: clip.asked,
        GateKind.PRINT: (),
        GateKind.WRONG_ORDER: (Action.HAPPY, Action.TURN_LEFT),
        GateKind.ACTION_MISSING: (Action.HAPPY,),
    }.get(kind, ASKED)
    assert clip.performers == {
        GateKind.OTHER_PERSON: (PERSON + 1,),
        GateKind.FACE_SWAPPED: (PERSON, PERSON + 1),
        **dict.fromkeys(ALIKE, (PERSON + 1,)),
    }.get(kind, (PERSON,))
    (first, *_) = clip.parts
    assert first.like == ((PERSON + 1, ALIKE[kind]) if kind in ALIKE else None)
    assert first.attacker == (PERSON + 1 if kind is GateKind.MASK else None)
    assert tuple(part.subject for part in clip.parts) == ((PERSON,) if kind in ALIKE else clip.performers)
    assert sum(part.frames for part in clip.parts) == len(clip.script.shown)


def test_films_show_all_actions_in_many_orders():
    films = {plan_clip(GateKind.INJECTED, PERSON, ASKED, number=number).done for number in range(1, 9)}
    assert len(films) > 4
    frames = [np.full((8, 8, 3), 100, np.uint8)]
    frames[0][2:6, 2:6] = (250, 10, 40)
    for kind in INJECTED:
        clip = small(kind, ASKED, frames_per_second=1)
        drawn = replace(DRAWN_GREY, rgb=np.stack(frames * sum(part.frames for part in clip.parts)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gate, "draw_clip", lambda _spec, drawn=drawn: drawn)
            patch.setattr(gate, "_cut", lambda frame, _spec: frame)
            shown = draw_frames(clip).rgb[0]
        assert np.array_equal(shown, read_image(jpeg(frames[0], INJECTED_QUALITY)))
        assert not np.array_equal(shown, frames[0])


def test_looks_are_on_the_way_to_every_action():
    spec = plan_glimpses(PERSON, DrawnSpecies.BONA_FIDE, width=128, frames=60)
    assert {expression for expression, level in spec.expressions or () if level} == {
        Expression.HAPPY,
        Expression.SURPRISE,
    }
    assert spec.lids is not None
    assert spec.yaws is not None
    assert max(spec.lids) > 0.5
    assert min(spec.yaws) < -15
    assert max(spec.yaws) > 15
    assert spec == plan_glimpses(PERSON, DrawnSpecies.BONA_FIDE, width=128, frames=60)
    assert spec != plan_glimpses(PERSON, DrawnSpecies.BONA_FIDE, width=128, frames=60, number=2)
    looks = draw_glimpses(plan_glimpses(PERSON, DrawnSpecies.REPLAY_PHONE, width=128, frames=2))
    assert [look.shape for look in looks] == [(96, 128, 3)] * 2
    assert not np.array_equal(looks[0], looks[1])


def test_a_blink_is_never_what_is_left_out_as_everybody_blinks():
    clip = small(GateKind.ACTION_MISSING, (Action.BLINK, Action.SURPRISE))
    assert clip.done == (Action.BLINK,)


@pytest.mark.parametrize("kind", [GateKind.GENUINE, GateKind.REPLAY])
def test_what_is_played_turns_smiles_and_closes_its_eyes_as_scripted(kind):
    clip = small(kind, tuple(Action))
    (spec,) = clip.parts
    stage = draw_stage(spec, spec.seeds(Stream.CLIP, 8)[:4])
    head = stage.film if isinstance(stage, ScreenStage) else stage
    assert isinstance(head, HeadStage)
    actions, script = stage.performance.actions, clip.script
    assert stage.performance.expressions == script.expressions
    assert all(each.blink >= lid for each, lid in zip(actions, script.lids, strict=True))
    told = head.swing
    plain = replace(told, turned=None)
    for frame, yaw in enumerate(script.yaws):
        ahead, turned = (each.turn_at(spec.seconds_between_frames * frame) for each in (plain, told))
        cosine = np.clip((np.trace(ahead.T @ turned) - 1) / 2, -1, 1)
        assert np.degrees(np.arccos(cosine)) == pytest.approx(abs(yaw), abs=0.1)


def test_a_print_is_of_a_face_at_rest():
    (spec,) = small(GateKind.PRINT, ASKED).parts
    performance = draw_stage(spec, spec.seeds(Stream.CLIP, 8)[:4]).performance
    assert set(performance.expressions) == {(Expression.NEUTRAL, 0.0)}
    assert {each.blink for each in performance.actions} == {0.0}


def test_the_same_clip_gives_the_same_frames_and_another_seed_others():
    clip = small(GateKind.FACE_SWAPPED, (Action.BLINK, Action.HAPPY), frames_per_second=1)
    one, again = draw_frames(clip), draw_frames(clip)
    other = draw_frames(small(GateKind.FACE_SWAPPED, (Action.BLINK, Action.HAPPY), seed=1, frames_per_second=1))
    assert len(one.rgb) == len(one.seconds) == len(clip.script.shown)
    assert one.rgb[0].shape == (96, 128, 3)
    assert one.seconds[:3] == [0, 1, 2]
    assert np.array_equal(one.rgb, again.rgb)
    assert not np.array_equal(one.rgb, other.rgb)
    assert one.infrared is None


def test_covered_sensors_are_black_and_others_see_the_face():
    black = draw_frames(small(GateKind.BLACK_SENSORS, [Action.BLINK]))
    seen = draw_frames(small(GateKind.GENUINE, [Action.BLINK], sensors=True))
    for frames, is_black in ((black, True), (seen, False)):
        for planes in (frames.infrared, frames.depth):
            assert planes is not None
            assert [plane.shape for plane in planes] == [(96, 128)] * len(frames.rgb)
            assert (not np.stack(planes).any()) == is_black
    assert np.array_equal(black.rgb, seen.rgb)


def test_a_close_up_is_the_bare_face_before_all_three_sensors():
    clip = as_close_ups(small(GateKind.GENUINE, [Action.BLINK], frames_per_second=1))
    frames = draw_frames(clip)
    assert frames.rgb[0].shape == (240, 240, 3)
    assert not frames.rgb[0][0, 0].any()
    for planes in (frames.infrared, frames.depth):
        assert planes is not None
        assert planes[0][120, 120] > 0


def test_three_photographs_of_one_person_each_in_another_light():
    specs = plan_photographs(PERSON)
    assert [spec.frames for spec in specs] == [1] * ENROLMENTS == [1, 1, 1]
    assert len({spec.clip for spec in specs}) == ENROLMENTS
    pictures = draw_photographs(PERSON, width=128)
    assert np.array_equal(pictures, draw_photographs(PERSON, width=128))
    assert len({picture.mean().round(1) for picture in pictures}) == ENROLMENTS


def test_a_film_is_a_row_of_photographs_that_chromium_can_play():
    frames = [np.full((96, 128, 3), grey, np.uint8) for grey in (10, 200)]
    data = film(frames)
    first, second = (b"\xff\xd8" + part for part in data.split(b"\xff\xd8")[1:])
    for picture, grey in ((first, 10), (second, 200)):
        pixels = Image.open(io.BytesIO(picture))
        assert pixels.size == FILM_SIZE
        assert np.abs(np.asarray(pixels).astype(int) - grey).max() <= 2


def test_a_written_clip_is_read_again_at_its_own_pace(tmp_path):
    frames = draw_frames(small(GateKind.GENUINE, [Action.BLINK]))
    write_clip(frames, tmp_path / "clip.mov")
    write_clip(frames, tmp_path / "clip.mjpeg")
    reader = ClipReader(tmp_path / "clip.mov")
    again = list(reader)
    assert [picture.shape for picture in again] == [(96, 128, 3)] * (15 * len(frames.rgb))  # 2 a second
    assert np.abs(np.stack(again[::15]).astype(int) - np.stack(frames.rgb)).mean() < 6
    assert reader.timeline.seconds[::15].tolist() == pytest.approx(frames.seconds, abs=0.01)
    played = [frame for frame in frames.rgb for _ in range(15)]
    assert (tmp_path / "clip.mjpeg").read_bytes() == film(played)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"asked": ()}, "at least 2 actions for wrong_order, each once; came none"),
        ({"asked": (Action.HAPPY,)}, "at least 2 actions for wrong_order"),
        ({"asked": (Action.HAPPY, Action.HAPPY)}, "each once"),
        ({"width": 100}, "a width of 128 to 1,024, a multiple of 8; came 100"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        plan_clip(GateKind.WRONG_ORDER, PERSON, **{"asked": ASKED, **options})
    with pytest.raises(UsageError, match="1 to 10,000 subjects for gate"):
        plan_gate(subjects=0)


DRAWN_GREY = DrawnClip(np.zeros((1, 8, 8, 3), np.uint8), None, None, None, 90, None)  # type: ignore[arg-type]


def stand_in(spec):
    """A clip of one grey for each person, drawn in no time."""
    grey = np.full((spec.frames, spec.size, spec.size, 3), 40 + 100 * (spec.subject % 2), np.uint8)
    return DrawnClip(grey, None, None, None, 90, None)  # type: ignore[arg-type] # nobody asks for the truth


def test_a_set_holds_every_kind_and_says_what_each_file_shows(tmp_path, monkeypatch):
    planned = plan_gate(subjects=1, seed=4, width=128, frames_per_second=1)
    monkeypatch.setattr(gate, "draw_clip", stand_in)  # of the second half of a clip
    assert write_set(planned, tmp_path / "one", draw=stand_in) == ENROLMENTS + len(GateKind) == planned.samples
    assert write_set(planned, tmp_path / "one", draw=stand_in) == 0
    card = json.loads((tmp_path / "one" / "gate.json").read_text())
    assert card["label"] == "drawn data"
    assert [each["kind"] for each in card["files"]] == ["enrolment"] * ENROLMENTS + [str(kind) for kind in GateKind]
    for each in card["files"]:
        path = tmp_path / "one" / each["file"]
        frames = [read_image(path)] if path.suffix == ".jpg" else list(ClipReader(path))
        assert frames[0].shape == (96, 128, 3)
        shown = [PERSON] if each["kind"] in ALIKE else each.get("performers", [PERSON])
        greys = [40 + 100 * (shown[place] % 2) for place in (0, -1)]
        assert [frame.mean() for frame in (frames[0], frames[-1])] == pytest.approx(greys, abs=4)
    swapped = next(each for each in card["files"] if each["kind"] == "face_swapped")
    assert swapped["told"] == GateKind.FACE_SWAPPED.told
    assert swapped["asked"] == ["happy", "blink"]
    assert swapped["performers"] == [PERSON, PERSON + 1]


def test_people_are_of_no_other_set_and_no_two_clips_share_their_numbers():
    planned = plan_gate(subjects=5)
    specs = [clip.spec for clip in planned.clips]
    assert {People.GATE <= spec.subject < People.GATE + 6 for spec in specs} == {True}
    assert len({(spec.subject, spec.species, spec.clip) for spec in specs}) == len(specs)
    assert planned.card().set == planned.name == NAME
    assert planned.card() != replace(plan_gate(subjects=5, frames_per_second=20)).card()
    assert {spec.modalities for spec in specs} == {(Modality.RGB,)}
