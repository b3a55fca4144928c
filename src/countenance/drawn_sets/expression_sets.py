"""Drawn sets of expressions: the sequences of CK+ and OuluCASIA, the single pictures of SFEW and FER2013."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count, cycle, islice
from pathlib import Path

import numpy as np

from countenance.datasets.ck_plus import CODES as CK_CODES
from countenance.datasets.ck_plus import DIGITS as CK_DIGITS
from countenance.datasets.ck_plus import IMAGES, LABELS, SEQUENCES
from countenance.datasets.expression_sequences import APEX_FRAMES
from countenance.datasets.fer2013 import CODES as FER_CODES
from countenance.datasets.fer2013 import COLUMNS, SIDE, TABLE, USAGES
from countenance.datasets.oulu_casia import CAMERA_AND_LIGHT, FOLDERS
from countenance.datasets.oulu_casia import DIGITS as OULU_DIGITS
from countenance.datasets.sfew import CODES as SFEW_CODES
from countenance.datasets.sfew import LISTS
from countenance.drawn_sets.portraits import (
    People,
    Studio,
    check_subjects,
    grey_lossless,
    grey_photographs,
    lossless,
    photographs,
)
from countenance.drawn_sets.writing import SCRATCH, Encode, PlannedClip, PlannedSet
from countenance.files import write_atomically
from countenance.images import read_plane
from countenance.synthesis.spec import Motion
from countenance.vocabulary import Expression, Split

CK_SUBJECTS, OULU_SUBJECTS, SFEW_SUBJECTS, FER_SUBJECTS = 123, 80, 200, 100
INTENSITIES = (0.0, 0.15, 0.35, 0.6, 0.8, 0.9, 0.95, 1.0)
"""Of the frames of a sequence: the first is neutral, the last three count as the expression."""
SECONDS_BETWEEN_FRAMES = 0.1
SIDE_OF_A_FRAME = 160
_FER_SHARES = {"Training": 8, "PublicTest": 1, "PrivateTest": 1}
_SFEW_TRAIN_SHARE = 958 / 1_394


def plan_ck_plus(*, subjects: int = CK_SUBJECTS, seed: int = 0, preset: str = "paper") -> PlannedSet:
    """Plan CK+: grey sequences from neutral to apex with their labels, the labelled ones only.

    With 123 people there are the published 327 labelled sequences, with fewer as many less; each person is in at least
    one and shows an expression at most once. Expressions are dealt to people in a drawn order: neighbours by name, who
    make a fold, do not share them.

    Args:
        subjects: 7 to 999.
        seed: of every random number.
        preset: easy, paper or hard.

    Raises:
        UsageError: too few or too many subjects, or an unknown preset.
    """
    check_subjects(subjects, least=len(SEQUENCES), most=999, name="ck-plus")
    people = cycle(1 + np.random.Generator(np.random.PCG64([seed, subjects])).permutation(subjects))
    sessions: Counter[int] = Counter()
    code = {expression: number for number, expression in CK_CODES.items()}
    studio = _sequence_studio(seed, preset, grey_lossless)
    clips, lists, shown = [], {}, Counter[str]()
    for expression, published in SEQUENCES.items():
        number = min(subjects, max(1, round(published * subjects / CK_SUBJECTS)))
        shown.update({"neutral": number, str(expression): APEX_FRAMES * number})
        for person in map(int, islice(people, number)):
            sessions[person] += 1
            where, name = f"S{person:03d}/{sessions[person]:03d}", f"S{person:03d}_{sessions[person]:03d}"
            stems = [f"{name}_{k:0{CK_DIGITS}d}" for k in range(1, len(INTENSITIES) + 1)]
            lists[f"{LABELS}/{where}/{stems[-1]}_emotion.txt"] = f"   {code[expression]:.7e}\n"
            files = [f"{IMAGES}/{where}/{stem}.png" for stem in stems]
            clips.append(_sequence(studio, People.CK_PLUS + person, sessions[person], expression, files))
    return _planned("ck-plus", seed, preset, clips, lists, shown, "labelled sequences")


def plan_oulu_casia(*, subjects: int = OULU_SUBJECTS, seed: int = 0, preset: str = "paper") -> PlannedSet:
    """Plan OuluCASIA's visible light, strong: six sequences of each person, in colour.

    Args:
        subjects: 1 to 999; 80 is the published number.
        seed: of every random number.
        preset: easy, paper or hard.

    Raises:
        UsageError: too few or too many subjects, or an unknown preset.
    """
    check_subjects(subjects, least=1, most=999, name="oulu-casia")
    studio = _sequence_studio(seed, preset, photographs)
    shown = Counter({"neutral": subjects * len(FOLDERS)})
    clips = []
    for person in range(1, subjects + 1):
        for clip, (folder, expression) in enumerate(FOLDERS.items()):
            where = f"{CAMERA_AND_LIGHT}/P{person:03d}/{folder}"
            files = [f"{where}/{k:0{OULU_DIGITS}d}.jpeg" for k in range(len(INTENSITIES))]
            shown[str(expression)] += APEX_FRAMES
            clips.append(_sequence(studio, People.OULU_CASIA + person, clip, expression, files))
    return _planned("oulu-casia", seed, preset, clips, {}, shown, "sequences")


def plan_sfew(*, subjects: int = SFEW_SUBJECTS, seed: int = 0, preset: str = "paper") -> PlannedSet:
    """Plan SFEW: each person shows each of seven expressions once; nobody is in both lists.

    Args:
        subjects: 2 or more; 200 make 1,400 pictures, where 1,394 are published.
        seed: of every random number.
        preset: easy, paper or hard.

    Raises:
        UsageError: too few or too many subjects, or an unknown preset.
    """
    check_subjects(subjects, least=2, name="sfew")
    cut = min(subjects - 1, max(1, round(subjects * _SFEW_TRAIN_SHARE)))
    studio = Studio(seed=seed, preset=preset, size=SIDE_OF_A_FRAME, crop_mm=220, encode=lossless)
    rows = {split: ["No expression label path"] for split in LISTS}
    counts: Counter[str] = Counter()
    clips = []
    for number in range(subjects):
        split = Split.TRAIN if number < cut else Split.TEST
        files = []
        for label, expression in SFEW_CODES.items():
            word = expression.capitalize()
            files.append(f"{split.capitalize()}/{word}/drawn_{number:05d}_{word}.png")
            rows[split].append(f"{len(rows[split]) - 1} {word} {label} {files[-1]}")
            counts.update([str(split), f"{split}/{expression}"])
        clips.append(_stills(studio, People.SFEW + number, SFEW_CODES.values(), files))
    return PlannedSet(
        name="sfew",
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists={f"{word}_list.txt": "\n".join(rows[split]) + "\n" for split, word in LISTS.items()},
        counts={"samples": subjects * len(SFEW_CODES), **counts},
        samples=subjects * len(SFEW_CODES),
        subjects=subjects,
    )


def plan_fer2013(
    *, subjects: int = FER_SUBJECTS, seed: int = 0, preset: str = "paper", as_table: bool = False
) -> PlannedSet:
    """Plan FER2013: each person shows each of seven expressions once, 48 x 48, grey; eight of ten people train.

    Args:
        subjects: 10 or more.
        seed: of every random number.
        preset: easy, paper or hard.
        as_table: write the contest's `fer2013.csv` instead of pictures.

    Raises:
        UsageError: too few or too many subjects, or an unknown preset.
    """
    turn = [usage for usage, share in _FER_SHARES.items() for _ in range(share)]
    check_subjects(subjects, least=len(turn), name="fer2013")
    encode = grey_lossless if as_table else grey_photographs
    studio = Studio(seed=seed, preset=preset, size=SIDE, crop_mm=165, encode=encode)
    numbers = count(1)
    counts: Counter[str] = Counter()
    clips = []
    for person in range(subjects):
        usage = turn[person % len(turn)]
        part = "train" if USAGES[usage] is Split.TRAIN else "test"
        names = [(label, expression, next(numbers)) for label, expression in FER_CODES.items()]
        counts.update(str(USAGES[usage]) for _ in names)
        counts.update(f"{USAGES[usage]}/{expression}" for _, expression, _ in names)
        files = [
            f"{SCRATCH}/{number:08d}_{label}_{usage}.png" if as_table else f"{part}/{expression}/{usage}_{number}.jpg"
            for label, expression, number in names
        ]
        clips.append(_stills(studio, People.FER2013 + person, FER_CODES.values(), files))
    return PlannedSet(
        name="fer2013",
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists={},
        counts={"samples": subjects * len(FER_CODES), **counts},
        samples=subjects * len(FER_CODES),
        subjects=subjects,
        finish=pack_table if as_table else None,
    )


def pack_table(root: Path) -> list[str]:
    """Pack the scratch pictures into the contest's table, and name it."""
    rows = [COLUMNS]
    for path in sorted((root / SCRATCH).iterdir()):
        _, label, usage = path.stem.split("_")
        rows.append(f"{label},{' '.join(map(str, read_plane(path).ravel().tolist()))},{usage}")
    write_atomically(root / TABLE, "\n".join(rows) + "\n")
    return [TABLE]


def _sequence_studio(seed: int, preset: str, encode: Encode) -> Studio:
    return Studio(
        seed=seed,
        preset=preset,
        size=SIDE_OF_A_FRAME,
        crop_mm=220,
        encode=encode,
        motion=Motion.CALM,
        seconds_between_frames=SECONDS_BETWEEN_FRAMES,
    )


def _sequence(studio: Studio, person: int, clip: int, expression: Expression, files: Sequence[str]) -> PlannedClip:
    """Plan one recording from neutral to apex; the subject is named as the folder above the recording's."""
    return studio.clip(
        person,
        files,
        frames=len(INTENSITIES),
        subject=Path(files[0]).parts[-3],
        number=clip,
        expressions=tuple((expression, intensity) for intensity in INTENSITIES),
        group=str(expression),
    )


def _stills(studio: Studio, person: int, expressions: Iterable[Expression], files: Sequence[str]) -> PlannedClip:
    shown = tuple((expression, 1.0) for expression in expressions)
    return studio.clip(person, files, frames=len(shown), subject=str(person), expressions=shown)


def _planned(
    name: str,
    seed: int,
    preset: str,
    clips: Iterable[PlannedClip],
    lists: Mapping[str, str],
    shown: Mapping[str, int],
    sequences: str,
) -> PlannedSet:
    planned = tuple(clips)
    subjects = len({clip.subject for clip in planned})
    return PlannedSet(
        name=name,
        seed=seed,
        preset=preset,
        clips=planned,
        lists=lists,
        counts={"subjects": subjects, sequences: len(planned), "samples": sum(shown.values()), **shown},
        samples=sum(shown.values()),
        subjects=subjects,
    )
