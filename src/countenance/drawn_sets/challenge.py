"""Drawn presentations to a gate that asks for an expression: people who obey, people who do not, prints and replays.

Nobody published such a set. Each person enrols with one neutral photograph. Then, for each expression that is asked
for, they show it, and show another one, and an attacker presents pictures of them that show it: a print, and two of
four screens that play a film of the person as he makes the face. A neutral photograph, the plainest attack, is there
once. Whoever shows the expression himself is also the stranger before everybody else's reference. Other people, of
whom there are photographs only, are there to choose a threshold on.

A presentation is seen twice, by the same drawn devices under the same light as all others: as a clip of two seconds, as
the drawn SiW has it, in which the face goes from neutral to the apex; and by colour, depth and infrared at its last
moment, as the drawn CASIA-SURF stores it. The two are one scene, whose sensors have noise of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from countenance.datasets.authentication_pairs import REQUIRED
from countenance.datasets.samples import PresentationSample
from countenance.drawn_sets.casia_surf import encode_stills
from countenance.drawn_sets.portraits import ROOM, People, check_subjects, photographs
from countenance.drawn_sets.siw import CROP_MM, SIZE
from countenance.drawn_sets.writing import FRAMES_PER_SECOND, VIDEO_CODEC, PlannedClip, PlannedSet, video
from countenance.errors import UsageError
from countenance.synthesis.scene import DrawnClip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Motion
from countenance.vocabulary import Expression, Modality, Presentation, Split

NAME = "challenge"
OTHERS = tuple(each for each in Expression if each is not Expression.CONTEMPT)  # what else a person shows instead
FRAMES = 60
RISE = 12  # frames from neutral to the apex
PAPERS = (DrawnSpecies.PRINT_MATTE, DrawnSpecies.PRINT_GLOSSY)
SCREENS = (
    (DrawnSpecies.REPLAY_PHONE, DrawnSpecies.REPLAY_LAPTOP),
    (DrawnSpecies.REPLAY_TABLET, DrawnSpecies.REPLAY_MONITOR),
)
_STILLS = {Modality.RGB: "color", Modality.DEPTH: "depth", Modality.INFRARED: "ir"}  # in the order of `encode_stills`


class Part(StrEnum):
    """What a presentation is to the gate."""

    GENUINE = "bona fide, required expression"
    DISOBEDIENT = "bona fide, other expression"
    PRINT = "print of the required expression"
    REPLAY = "replay of the required expression"
    NEUTRAL_PRINT = "print of a neutral face"


@dataclass(frozen=True, kw_only=True)
class ChallengePresentation:
    """One presentation.

    Attributes:
        identifier: of it, unique in the set.
        subject: whose face is presented.
        part: what it is to the gate.
        species: of the instrument; `BONA_FIDE` for a person.
        required: the expression that the gate asks for.
        shown: the one that is presented.
        clip: the colour clip, relative to the root.
        stills: colour, depth and infrared of its last moment, likewise.
    """

    identifier: str
    subject: str
    part: Part
    species: DrawnSpecies
    required: Expression
    shown: Expression
    clip: Path
    stills: dict[Modality, Path]

    def sample(self, root: Path, *, as_clip: bool) -> PresentationSample:
        """Return what a PAD network is shown of it: the clip, or the three stills."""
        paths = {Modality.RGB: self.clip} if as_clip else self.stills
        return PresentationSample(
            identifier=self.identifier,
            subject=self.subject,
            presentation=self.species.presentation,
            species="" if self.species.presentation is Presentation.BONA_FIDE else str(self.species),
            split=Split.TEST,
            paths={modality: root / path for modality, path in paths.items()},
        )


@dataclass(frozen=True, kw_only=True)
class ChallengePlan:
    """The set and what is in it.

    Attributes:
        set: what is drawn.
        references: the neutral photograph of each subject, relative to the root.
        presentations: in the order of the subjects.
        development: photographs of each of the other people: a neutral one, and one with each required expression.
    """

    set: PlannedSet
    references: dict[str, Path]
    presentations: tuple[ChallengePresentation, ...]
    development: dict[str, tuple[Path, ...]]


def plan_challenge(
    *,
    subjects: int,
    development: int,
    seed: int = 0,
    preset: str = "paper",
    required: Sequence[Expression] = REQUIRED,
    frames: int = FRAMES,
    size: int = SIZE,
) -> ChallengePlan:
    """Plan a set of `subjects` people, who stand in no other drawn set.

    Args:
        subjects: 2 to 5,000.
        development: people to choose a threshold on, likewise.
        seed: of every random number.
        preset: easy, paper or hard.
        required: the expressions that are asked for, each once; not neutral, which a photograph shows anyway.
        frames: of each clip, at 30 a second.
        size: side of its frames in pixels, even.

    Raises:
        UsageError: too few or too many subjects, an unknown preset, no expression, or one that cannot be asked for.
    """
    for people in (subjects, development):
        check_subjects(people, least=2, most=ROOM // 2, name=NAME)
    if not required or len(set(required)) < len(required) or Expression.NEUTRAL in required:
        raise UsageError(
            expected="expressions to ask for, each once, neutral not among them",
            came=", ".join(required) or "none",
            remedy=f"name some, such as {', '.join(REQUIRED)}",
        )
    studio = partial(_spec, seed=seed, preset=preset, size=size)
    clips: list[PlannedClip] = []
    presentations: list[ChallengePresentation] = []
    references = {}
    for place in range(subjects):
        person, subject = People.CHALLENGE + place, f"P{place + 1:05d}"
        references[subject] = Path(f"{subject}/reference.jpg")
        clips.append(_photograph(studio(person, 0, DrawnSpecies.BONA_FIDE, Expression.NEUTRAL), references[subject]))
        for number, (part, species, asked, shown) in enumerate(_acts(place, tuple(required)), start=1):
            found = _presentation(subject, number, part, species, asked, shown)
            presentations.append(found)
            clips += _seen_twice(found, studio(person, number, species, shown), frames)
    others = {}
    for place in range(development):
        subject = f"D{place + 1:05d}"
        faces = (Expression.NEUTRAL, *required)
        others[subject] = tuple(Path(f"{subject}/{face}.jpg") for face in faces)
        for number, (face, path) in enumerate(zip(faces, others[subject], strict=True)):
            person = People.CHALLENGE + ROOM // 2 + place
            clips.append(_photograph(studio(person, number, DrawnSpecies.BONA_FIDE, face), path))
    parts = [str(each.part) for each in presentations]
    planned = PlannedSet(
        name=NAME,
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists={},
        counts={"samples": len(presentations)} | {str(part): parts.count(part) for part in Part},
        samples=len(presentations),
        subjects=subjects + development,
        facts={"codec": VIDEO_CODEC, "frames": frames, "size": size, "required": ", ".join(required)},
    )
    return ChallengePlan(set=planned, references=references, presentations=tuple(presentations), development=others)


def encode_video(clip: DrawnClip) -> list[bytes]:
    """Encode the colour frames as a clip."""
    return [video(clip.rgb)]


def encode_last(clip: DrawnClip) -> list[bytes]:
    """Encode the last frame as three stills: colour, depth, infrared."""
    return encode_stills(clip)[-len(_STILLS) :]


def _acts(place: int, required: tuple[Expression, ...]) -> Iterator[tuple[Part, DrawnSpecies, Expression, Expression]]:
    """What one person does and what is done with their pictures; instruments go round, so that each meets each face."""
    for turn, asked in enumerate(required):
        others = [each for each in OTHERS if each is not asked]
        yield Part.GENUINE, DrawnSpecies.BONA_FIDE, asked, asked
        yield Part.DISOBEDIENT, DrawnSpecies.BONA_FIDE, asked, others[(place + turn) % len(others)]
        yield Part.PRINT, PAPERS[(place + turn) % len(PAPERS)], asked, asked
        for screen in SCREENS[(place + turn) % len(SCREENS)]:
            yield Part.REPLAY, screen, asked, asked
    asked = required[place % len(required)]
    yield Part.NEUTRAL_PRINT, PAPERS[place // len(required) % len(PAPERS)], asked, Expression.NEUTRAL


def _spec(  # what clips of one person have in common
    person: int, number: int, species: DrawnSpecies, shown: Expression, *, seed: int, preset: str, size: int
) -> ClipSpec:
    return ClipSpec(
        root=seed,
        subject=person,
        species=species,
        clip=number,
        frames=1,
        seconds_between_frames=0.0,
        size=size,
        crop_mm=CROP_MM,
        motion=Motion.CALM,
        background=True,
        expressions=((shown, 1.0),),
        modalities=(Modality.RGB,),
        preset=preset,
    )


def _photograph(spec: ClipSpec, path: Path) -> PlannedClip:
    return PlannedClip(spec=spec, files=(str(path),), encode=photographs, subject=path.parent.name, group="photographs")


def _presentation(  # a name, and the files that follow from it
    subject: str, number: int, part: Part, species: DrawnSpecies, asked: Expression, shown: Expression
) -> ChallengePresentation:
    name = f"{subject}-{number:02d}-{species}-{shown}"
    stem = f"{subject}/{name}"
    return ChallengePresentation(
        identifier=name,
        subject=subject,
        part=part,
        species=species,
        required=asked,
        shown=shown,
        clip=Path(f"{stem}.mov"),
        stills={modality: Path(f"{stem}-{word}.jpg") for modality, word in _STILLS.items()},
    )


def _seen_twice(found: ChallengePresentation, still: ClipSpec, frames: int) -> Iterator[PlannedClip]:
    """The clip, and its last moment as three sensors see it.

    All that is drawn for a performance hangs on how long it lasts, so two frames as far apart as the first and the last
    one end as the clip does.
    """
    rising = tuple((found.shown, min(1.0, frame / RISE)) for frame in range(frames))
    clip = replace(
        still,
        frames=frames,
        seconds_between_frames=1 / FRAMES_PER_SECOND,
        expressions=still.expressions if found.species.is_print else rising,
    )
    ends = replace(
        still,
        frames=2,
        seconds_between_frames=(frames - 1) / FRAMES_PER_SECOND,
        size=112,
        crop_mm=176.0,
        background=False,
        modalities=tuple(Modality),
    )
    group = f"{found.part}: {found.species}"
    species = found.sample(Path(), as_clip=True).species
    for spec, files, encode in (
        (clip, (found.clip,), encode_video),
        (ends, tuple(found.stills.values()), encode_last),
    ):
        yield PlannedClip(
            spec=spec,
            files=tuple(map(str, files)),
            encode=encode,
            subject=found.subject,
            species=species,
            group=group,
        )
