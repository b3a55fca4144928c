"""Drawn people before the gate: what each enrols with, clips in which they do as asked, and attacks on those.

A clip is what a camera sees while a challenge runs: a face at rest, then one action after another, each held for a
while, with rests in between. Whoever does it sits still otherwise, blinks, and has the whole face in the picture with
room round it. Every kind of attack that the drawn world knows is made of the same parts: a sheet or a screen in the
person's place, somebody else, other actions than were asked for, or two people one after the other.

The picture is the middle of a drawn square, so that it is half as wide again as high less a little (4 : 3). One second
of a core draws about ten frames of 480 x 360 pixels.
"""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.datasets.drawn_card import LABEL
from countenance.drawn_sets.challenge import PAPERS, SCREENS
from countenance.drawn_sets.portraits import ROOM, People, check_subjects
from countenance.drawn_sets.writing import FRAMES_PER_SECOND, VIDEO_CODEC, PlannedClip, PlannedSet, jpeg, video
from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.images import read_image
from countenance.synthesis.scene import DrawnClip, draw_clip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Motion
from countenance.vocabulary import Action, Expression, Modality

NAME = "gate"
WIDTH = 480
DRAWN_RATE = 10  # frames a second of the clips of a set: as many as a gate looks at
CROP_MM = 400.0  # of the drawn square: head, shoulders and wall
ENROLMENTS = 3
FILM_SIZE = (640, 480)  # width and height that a browser's camera is asked for
FILM_QUALITY = 95
DEFAULT_SUBJECTS = 2
_FIRST_PHOTOGRAPH = 1000  # number of the clip that an enrolment photograph is; the others count from 1
_FIRST_GLIMPSE, _BETWEEN_GLIMPSES = 2000, 0.7  # likewise; seconds
_LOOKS: tuple[Action | None, ...] = (None, *Action)
_CLOSE_SIZE, _CLOSE_CROP_MM = 240, 240.0  # a pixel a millimetre, and room round the face
_EXPRESSIONS = {Action.HAPPY: Expression.HAPPY, Action.SURPRISE: Expression.SURPRISE}
_SIDE = {Action.TURN_LEFT: 1, Action.TURN_RIGHT: -1}  # a person's own left is the right of the picture

Pixels = NDArray[np.uint8]


class GateKind(StrEnum):
    """What a clip is to the gate."""

    GENUINE = "genuine"
    PRINT = "print"
    REPLAY = "replay"
    OTHER_PERSON = "other_person"
    WRONG_ORDER = "wrong_order"
    ACTION_MISSING = "action_missing"
    FACE_SWAPPED = "face_swapped"
    BLACK_SENSORS = "black_sensors"
    INJECTED = "injected"
    INJECTED_TO_ORDER = "injected_to_order"
    MASK = "mask"
    TWIN = "twin"
    ALIKE_QUARTER = "alike_quarter"
    ALIKE_HALF = "alike_half"

    @property
    def told(self) -> str:
        """What such a clip shows, for the card.

        >>> GateKind.OTHER_PERSON.told
        'another person does what was asked'
        """
        return _TOLD[self]


_TOLD = {
    GateKind.GENUINE: "the person does what was asked",
    GateKind.PRINT: "a print of the person at rest, held in a hand",
    GateKind.REPLAY: "a screen plays a film in which the person does what was asked",
    GateKind.OTHER_PERSON: "another person does what was asked",
    GateKind.WRONG_ORDER: "the person does what was asked, the last first",
    GateKind.ACTION_MISSING: "the person leaves out one of the actions",
    GateKind.FACE_SWAPPED: "the person begins, and from the middle on another person goes on",
    GateKind.BLACK_SENSORS: "the person does what was asked; infrared and depth are covered",
    GateKind.INJECTED: "a film of all five actions, in an order of its own, comes in place of the camera's pictures",
    GateKind.INJECTED_TO_ORDER: "a film of what was asked, encoded anew, comes in place of the camera's pictures",
    GateKind.MASK: "another person in a rigid mask of the person, asked for two turns, which is all that it can do",
    GateKind.TWIN: "somebody with the person's features, and skin and moles of their own, does what was asked",
    GateKind.ALIKE_QUARTER: "somebody with features a quarter of the way to another person's does what was asked",
    GateKind.ALIKE_HALF: "somebody with features half of the way to another person's does what was asked",
}
ALIKE = {GateKind.TWIN: 0.0, GateKind.ALIKE_QUARTER: 0.25, GateKind.ALIKE_HALF: 0.5}
"""Kinds whose performer has the claimed person's features, and how far they are on the way to another's."""
INJECTED = frozenset({GateKind.INJECTED, GateKind.INJECTED_TO_ORDER})
INJECTED_QUALITY = 80  # of the JPEG that makes an injected film's bytes fresh


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long everything takes, in seconds, and how far a head turns.

    Who is drawn sees no prompt and waits for none, as people do; so they rest until a gate has seen them at rest, even
    where it first learns what their open eyes look like and finds a frame or two looking aside.

    Attributes:
        lead: at rest before the first action.
        rise: from rest to the action, and back.
        hold: of the action.
        rest: after each action.
        lids_rise: of the lids, on the way down and up.
        lids_hold: of closed eyes.
        yaw_degrees: of a turn, beyond the head's own motion.
    """

    lead: float = 1.4
    rise: float = 0.4
    hold: float = 0.9
    rest: float = 0.8
    lids_rise: float = 0.1
    lids_hold: float = 0.4
    yaw_degrees: float = 32.0

    @property
    def turn(self) -> float:
        """Seconds that one action takes, its rest included."""
        return 2 * self.rise + self.hold + self.rest


_PACE = Pace()


@dataclass(frozen=True)
class Script:
    """What a face does, frame by frame.

    Attributes:
        expressions: (expression, intensity).
        lids: 0 open to 1 closed.
        yaws: degrees to the right of the picture.
        shown: the action that is being done, None at rest.
    """

    expressions: tuple[tuple[Expression, float], ...]
    lids: tuple[float, ...]
    yaws: tuple[float, ...]
    shown: tuple[Action | None, ...]


def write_script(
    actions: Sequence[Action], *, pace: Pace = _PACE, frames_per_second: int = FRAMES_PER_SECOND
) -> Script:
    """Return what a face does that goes through actions in their order; at rest throughout where there are none.

    Args:
        actions: any, in any order, also the same one again.
        pace: how long everything takes.
        frames_per_second: of the clip.

    >>> write_script([Action.BLINK], frames_per_second=10).shown.count(Action.BLINK)
    5
    """
    seconds = pace.lead + max(1, len(actions)) * pace.turn
    times = np.arange(max(1, round(seconds * frames_per_second))) / frames_per_second
    expressions = [(Expression.NEUTRAL, 0.0)] * len(times)
    lids, yaws = np.zeros(len(times)), np.zeros(len(times))
    shown: list[Action | None] = [None] * len(times)
    for place, action in enumerate(actions):
        blinks = action is Action.BLINK
        rise, hold = (pace.lids_rise, pace.lids_hold) if blinks else (pace.rise, pace.hold)
        level = _level(times - pace.lead - place * pace.turn, rise, hold)
        for frame in np.flatnonzero(level > 0).tolist():
            shown[frame] = action
            if action in _EXPRESSIONS:
                expressions[frame] = (_EXPRESSIONS[action], float(level[frame]))
        lids += level * blinks
        yaws += level * pace.yaw_degrees * _SIDE.get(action, 0)
    return Script(tuple(expressions), tuple(lids.tolist()), tuple(yaws.tolist()), tuple(shown))


def _level(seconds: NDArray[np.float64], rise: float, hold: float) -> NDArray[np.float64]:
    """0 before, 1 while held, 0 after; smooth on the way."""
    share = np.clip(np.minimum(seconds, 2 * rise + hold - seconds) / rise, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float64)


@dataclass(frozen=True, kw_only=True)
class GateClip:
    """One clip, said completely.

    Attributes:
        kind: what it is to the gate.
        person: number of the identity that is claimed.
        performers: numbers of those whose faces are shown, in their order.
        species: of the instrument; `BONA_FIDE` for people.
        asked: the actions of the challenge; a mask is asked for turns.
        script: what is done.
        parts: what is drawn, one after the other.
        frames_per_second: of the clip.
    """

    kind: GateKind
    person: int
    performers: tuple[int, ...]
    species: DrawnSpecies
    asked: tuple[Action, ...]
    script: Script
    parts: tuple[ClipSpec, ...]
    frames_per_second: int

    @property
    def done(self) -> tuple[Action, ...]:
        """The actions that are done, in their order; none on a print."""
        shown = () if self.species.is_print else self.script.shown
        return tuple(action for action, _ in itertools.groupby(shown) if action is not None)


@dataclass(frozen=True, eq=False)
class GateFrames:
    """The frames of a clip in memory.

    Attributes:
        rgb: T frames, (H, W, 3) uint8.
        seconds: (T,) of each frame, from 0.
        infrared: likewise (H, W), None without the sensor.
        depth: likewise, nearer is brighter, 0 where there is no data.
    """

    rgb: list[Pixels]
    seconds: list[float]
    infrared: list[Pixels] | None
    depth: list[Pixels] | None


def plan_clip(
    kind: GateKind,
    person: int,
    asked: Sequence[Action],
    *,
    seed: int = 0,
    number: int = 1,
    width: int = WIDTH,
    frames_per_second: int = FRAMES_PER_SECOND,
    sensors: bool = False,
) -> GateClip:
    """Plan one clip.

    Args:
        kind: what it is.
        person: number of the identity that is claimed; `People.GATE` and on are in no other set.
        asked: the actions of the challenge, each once; two at least where an order or a lack must show.
        seed: of the world.
        number: of the person's clip, from 1: another number, another light, camera, wall, paper or screen.
        width: of a frame, a multiple of 8, 128 to 1,024; the height is three quarters of it.
        frames_per_second: of the clip.
        sensors: whether infrared and depth are drawn; they are for `BLACK_SENSORS`.

    Raises:
        UsageError: fewer actions than the kind needs, one twice, or a size that cannot be drawn.
    """
    asked = tuple(asked)
    least = 2 if kind in {GateKind.WRONG_ORDER, GateKind.ACTION_MISSING, GateKind.FACE_SWAPPED} else 1
    if len(asked) < least or len(set(asked)) < len(asked):
        raise UsageError(
            expected=f"at least {least} actions for {kind}, each once",
            came=", ".join(asked) or "none",
            remedy=f"name some of {', '.join(Action)}",
        )
    if width % 8 or not 128 <= width <= 1024:
        raise UsageError(expected="a width of 128 to 1,024, a multiple of 8", came=str(width), remedy="change it")
    if kind is GateKind.MASK:
        asked = tuple(_SIDE)[:: 1 if number % 2 else -1]
    shown = _species(kind, number)
    done = _film_order(seed, person, number) if kind is GateKind.INJECTED else _done(kind, asked)
    script = write_script(done, frames_per_second=frames_per_second)
    other = person + 1 if (person + 1) % ROOM else person + 1 - ROOM
    others = {GateKind.OTHER_PERSON, *ALIKE}
    performers = (other,) if kind in others else (person, other) if kind is GateKind.FACE_SWAPPED else (person,)
    whole = ClipSpec(
        root=seed,
        subject=person if kind in ALIKE else performers[0],
        species=shown,
        clip=number,
        attacker=other if shown.is_worn else None,
        like=(other, ALIKE[kind]) if kind in ALIKE else None,
        frames=len(script.shown),
        seconds_between_frames=1 / frames_per_second,
        size=width,
        crop_mm=CROP_MM,
        motion=Motion.CALM,
        background=True,
        expressions=script.expressions,
        lids=script.lids,
        yaws=script.yaws,
        modalities=tuple(Modality) if sensors or kind is GateKind.BLACK_SENSORS else (Modality.RGB,),
    )
    parts = (whole,) if len(performers) == 1 else _halves(whole, performers)
    return GateClip(
        kind=kind,
        person=person,
        performers=performers,
        species=shown,
        asked=asked,
        script=script,
        parts=parts,
        frames_per_second=frames_per_second,
    )


def as_close_ups(clip: GateClip) -> GateClip:
    """Return the same clip by all three sensors, as the drawn CASIA-SURF has it: the bare face, nothing behind it.

    The picture shows more than CASIA-SURF's 176 mm, so that a gate does not find the face too near. What the gate cuts
    out with the box of a face, which is about 175 mm high, is that view again.
    """
    parts = tuple(
        replace(part, size=_CLOSE_SIZE, crop_mm=_CLOSE_CROP_MM, background=False, modalities=tuple(Modality))
        for part in clip.parts
    )
    return replace(clip, parts=parts)


def draw_frames(clip: GateClip) -> GateFrames:
    """Draw a clip; the same clip gives the same bytes."""
    return _frames(clip, [draw_clip(part) for part in clip.parts])


def plan_glimpses(
    person: int, species: DrawnSpecies, *, seed: int = 0, number: int = 1, width: int = WIDTH, frames: int = 4
) -> ClipSpec:
    """Plan single looks at a presentation such as clips before the gate consist of, far apart in time, to learn from.

    At each look the face is somewhere on the way to an action or back, or at rest: more variety for the same drawing
    than a clip.

    Args:
        person: number of the identity that is shown.
        species: a person, a whole print or a screen.
        seed: of the world.
        number: of the person's clip: another number, another light, camera, wall and instrument.
        width: of the drawn square, as for `plan_clip`.
        frames: how many looks.
    """
    generator = np.random.default_rng([seed, person, species.number, number])
    actions = [_LOOKS[place] for place in generator.integers(len(_LOOKS), size=frames)]
    levels = [float(level) for level in generator.uniform(0, 1, frames)]
    looks = list(zip(actions, levels, strict=True))
    return ClipSpec(
        root=seed,
        subject=person,
        species=species,
        clip=_FIRST_GLIMPSE + number,
        frames=frames,
        seconds_between_frames=_BETWEEN_GLIMPSES,
        size=width,
        crop_mm=CROP_MM,
        motion=Motion.CALM,
        background=True,
        expressions=tuple(
            (_EXPRESSIONS[action], level) if action in _EXPRESSIONS else (Expression.NEUTRAL, 0.0)
            for action, level in looks
        ),
        lids=tuple(level * (action is Action.BLINK) for action, level in looks),
        yaws=tuple(level * _PACE.yaw_degrees * _SIDE.get(action, 0) if action else 0.0 for action, level in looks),
        modalities=(Modality.RGB,),
    )


def draw_glimpses(spec: ClipSpec) -> list[Pixels]:
    """Draw looks that were planned: (H, W, 3) uint8 each, 4 : 3."""
    return [_cut(frame, spec) for frame in draw_clip(spec).rgb]


def plan_photographs(person: int, *, seed: int = 0, width: int = WIDTH) -> tuple[ClipSpec, ...]:
    """Plan what a person enrols with: `ENROLMENTS` photographs from the front, at rest, each in another light."""
    whole = plan_clip(GateKind.GENUINE, person, [Action.BLINK], seed=seed, width=width).parts[0]
    rest = ((Expression.NEUTRAL, 0.0),)
    alone = replace(whole, frames=1, expressions=rest, lids=None, yaws=None)
    return tuple(replace(alone, clip=_FIRST_PHOTOGRAPH + number) for number in range(ENROLMENTS))


def draw_photographs(person: int, *, seed: int = 0, width: int = WIDTH, count: int = ENROLMENTS) -> list[Pixels]:
    """Draw the first `count` photographs that a person enrols with: (H, W, 3) uint8 each."""
    planned = plan_photographs(person, seed=seed, width=width)[:count]
    return [_cut(draw_clip(spec).rgb[0], spec) for spec in planned]


def film(frames: Iterable[Pixels]) -> bytes:
    """Encode frames as motion JPEG of 640 x 480, which Chromium plays as a camera at 30 frames a second, over and over.

    Args:
        frames: (H, W, 3) uint8, 4 : 3.
    """
    return b"".join(
        jpeg(np.asarray(cv2.resize(frame, FILM_SIZE, interpolation=cv2.INTER_LINEAR), np.uint8), FILM_QUALITY)
        for frame in frames
    )


def write_clip(frames: GateFrames, path: Path) -> None:
    """Write the colour frames: motion JPEG where the name ends in ``.mjpeg``, else the video of the drawn sets (.mov).

    Both are played at 30 frames a second; a clip of fewer keeps its pace, as each frame is shown several times.
    """
    played = _in_time(frames.rgb, frames.seconds)
    content = film(played) if path.suffix == ".mjpeg" else video(np.stack(played))
    write_atomically(path, content)


def plan_gate(
    *,
    subjects: int = DEFAULT_SUBJECTS,
    seed: int = 0,
    preset: str = "paper",
    width: int = WIDTH,
    frames_per_second: int = DRAWN_RATE,
) -> PlannedSet:
    """Plan a set of `subjects` people: photographs, and a clip of each kind, which are asked for two actions.

    ``gate.json`` says of each file what it shows. The sensors of `BLACK_SENSORS` are black, so that its infrared and
    depth are not written.

    Args:
        subjects: 1 to 10,000.
        seed: of every random number.
        preset: easy, paper or hard.
        width: of a frame.
        frames_per_second: of what is drawn; a file has 30, so that a frame is shown several times.

    Raises:
        UsageError: too few or too many subjects, or an unknown preset.
    """
    check_subjects(subjects, least=1, name=NAME)
    clips: list[PlannedClip] = []
    told: list[dict[str, object]] = []
    pairs = list(itertools.permutations(Action, 2))
    for place in range(subjects):
        person, subject = People.GATE + place, f"G{place + 1:05d}"
        for number, spec in enumerate(plan_photographs(person, seed=seed, width=width), start=1):
            file = f"{subject}/enrol-{number}.jpg"
            clips.append(
                PlannedClip(
                    spec=replace(spec, preset=preset), files=(file,), encode=_photograph, subject=subject, group="enrol"
                )
            )
            told.append({"file": file, "subject": subject, "kind": "enrolment", "told": "the person at rest"})
        for number, kind in enumerate(GateKind, start=1):
            clip = plan_clip(
                kind,
                person,
                pairs[(7 * place + 3) % len(pairs)],
                seed=seed,
                number=number + (2 * len(GateKind) + 1) * (place % 4),  # odd, so that papers and screens take turns
                width=width,
                frames_per_second=frames_per_second,
            )
            clip = replace(clip, parts=tuple(replace(part, preset=preset) for part in clip.parts))
            clips.append(_planned(clip, f"{subject}/{kind}.mov", subject))
            told.append({"file": f"{subject}/{kind}.mov", "subject": subject, **_told_of(clip)})
    card = {"label": LABEL, "told": f"drawn people before a gate, seed {seed}, preset {preset}", "files": told}
    kinds = {str(kind): subjects for kind in GateKind}
    return PlannedSet(
        name=NAME,
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists={"gate.json": json.dumps(card, indent=1) + "\n"},
        counts={"samples": len(clips), "subjects": subjects, "enrolment": ENROLMENTS * subjects, **kinds},
        samples=len(clips),
        subjects=subjects,
        facts={
            "codec": VIDEO_CODEC,
            "width": width,
            "frames_per_second": frames_per_second,
            "pace": repr(_PACE),
        },
    )


def _species(kind: GateKind, number: int) -> DrawnSpecies:
    """The instrument; papers and screens take turns."""
    chosen = {GateKind.PRINT: PAPERS, GateKind.REPLAY: tuple(itertools.chain(*SCREENS))}
    chosen[GateKind.MASK] = (DrawnSpecies.MASK_3D,)
    species = chosen.get(kind, (DrawnSpecies.BONA_FIDE,))
    return species[number % len(species)]


def _film_order(seed: int, person: int, number: int) -> tuple[Action, ...]:
    """The order in which a film shows all actions, whatever is asked for."""
    order = np.random.default_rng([seed, person, number]).permutation(len(Action))
    return tuple(tuple(Action)[place] for place in order)


def _done(kind: GateKind, asked: tuple[Action, ...]) -> tuple[Action, ...]:
    """The actions that a clip of this kind shows."""
    if kind is GateKind.WRONG_ORDER:
        return asked[::-1]
    if kind is GateKind.ACTION_MISSING:  # everybody blinks now and then, so that it is not a blink that is left out
        left_out = next(action for action in asked if action is not Action.BLINK)
        return tuple(action for action in asked if action is not left_out)
    return asked


def _halves(whole: ClipSpec, performers: Sequence[int]) -> tuple[ClipSpec, ...]:
    """One person up to the middle, another one from there on; each before their own wall."""
    middle = whole.frames // 2
    assert whole.expressions is not None
    assert whole.lids is not None
    assert whole.yaws is not None
    return tuple(
        replace(
            whole,
            subject=performer,
            frames=len(whole.lids[part]),
            expressions=whole.expressions[part],
            lids=whole.lids[part],
            yaws=whole.yaws[part],
        )
        for performer, part in zip(performers, (slice(0, middle), slice(middle, None)), strict=True)
    )


def _cut(frame: Pixels, spec: ClipSpec) -> Pixels:
    """The middle three quarters of the rows; a face without a wall stays as it is."""
    edge = spec.size // 8 if spec.background else 0
    return np.ascontiguousarray(frame[edge : frame.shape[0] - edge])


def _frames(clip: GateClip, drawn: Sequence[DrawnClip]) -> GateFrames:
    def planes(chosen: Iterable[NDArray[np.uint8] | None]) -> list[Pixels] | None:
        found = [
            _cut(frame, part)
            for part, plane in zip(clip.parts, chosen, strict=True)
            if plane is not None
            for frame in plane
        ]
        return found or None

    rgb = planes(each.rgb for each in drawn)
    infrared, depth = planes(each.infrared for each in drawn), planes(each.depth_view for each in drawn)
    assert rgb is not None
    if clip.kind is GateKind.BLACK_SENSORS:
        infrared, depth = ([np.zeros(frame.shape[:2], np.uint8) for frame in rgb] for _ in range(2))
    if clip.kind in INJECTED:
        rgb = [read_image(jpeg(frame, INJECTED_QUALITY)) for frame in rgb]
    return GateFrames(rgb, [frame / clip.frames_per_second for frame in range(len(rgb))], infrared, depth)


def _photograph(clip: DrawnClip) -> list[bytes]:
    edge = clip.rgb.shape[1] // 8
    return [jpeg(frame[edge : frame.shape[0] - edge], clip.jpeg_quality) for frame in clip.rgb]


def _planned(clip: GateClip, file: str, subject: str) -> PlannedClip:
    first = replace(clip.parts[0], modalities=(Modality.RGB,))
    return PlannedClip(
        spec=first,
        files=(file,),
        encode=partial(_encode, clip=replace(clip, parts=(first, *clip.parts[1:]))),
        subject=subject,
        species="" if clip.species is DrawnSpecies.BONA_FIDE else str(clip.species),
        group=str(clip.kind),
    )


def _encode(first: DrawnClip, *, clip: GateClip) -> list[bytes]:
    """Encode the first part, which is drawn, and draw what follows it."""
    frames = _frames(clip, [first, *map(draw_clip, clip.parts[1:])])
    return [video(np.stack(_in_time(frames.rgb, frames.seconds)))]


def _in_time(frames: Sequence[Pixels], seconds: Sequence[float]) -> list[Pixels]:
    """The frames as often as they are shown at 30 a second."""
    apart = seconds[1] - seconds[0] if len(seconds) > 1 else 0.0
    times = max(1, round(apart * FRAMES_PER_SECOND))
    return [frame for frame in frames for _ in range(times)]


def _told_of(clip: GateClip) -> dict[str, object]:
    return {
        "kind": str(clip.kind),
        "told": clip.kind.told,
        "species": str(clip.species),
        "asked": list(clip.asked),
        "shown": list(clip.done),
        "performers": list(clip.performers),
    }
