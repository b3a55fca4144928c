"""A drawn CASIA-SURF: its tree, its lists, its attacks and its proportions.

Train lies in folders that tell subject and attack, validation and test in anonymous ones, as in the challenge; so a
table beside the lists (`drawn_card.TABLE`) tells what the latter show. Attacks 4 to 6 are in train, 1 to 3 in the
others; nobody is in two splits, and neither is anybody who wears an attack: attackers come from ranges of their own,
or a network would learn the attacker. Each person has one bona fide recording and one of each attack.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np

from countenance.datasets.casia_surf import NAME
from countenance.datasets.casia_surf_folds import HELD_OUT_LISTS, attack_folds, drawn_bona_fide_sets, fold_counts
from countenance.datasets.casia_surf_lists import (
    CHALLENGE_BONA_FIDE,
    CSV_HEADER,
    FOLDERS,
    LATER_BONA_FIDE,
    MODALITY_FOLDERS,
    ORDER,
)
from countenance.datasets.samples import PresentationSample, count_presentations
from countenance.drawn_sets.writing import SENSOR_QUALITY, PlannedClip, PlannedSet, jpeg
from countenance.errors import UsageError
from countenance.synthesis.scene import DrawnClip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies
from countenance.vocabulary import Presentation, Split

SHARES: Mapping[Split, int] = {Split.TRAIN: 3, Split.DEVELOPMENT: 1, Split.TEST: 6}
DEFAULT_SUBJECTS = 100
SPECIES: Mapping[Split, tuple[DrawnSpecies, ...]] = {
    Split.TRAIN: (
        DrawnSpecies.EYES_NOSE_BENT,
        DrawnSpecies.EYES_NOSE_MOUTH_FLAT,
        DrawnSpecies.EYES_NOSE_MOUTH_BENT,
    ),
    Split.DEVELOPMENT: (DrawnSpecies.EYES_FLAT, DrawnSpecies.EYES_BENT, DrawnSpecies.EYES_NOSE_FLAT),
    Split.TEST: (DrawnSpecies.EYES_FLAT, DrawnSpecies.EYES_BENT, DrawnSpecies.EYES_NOSE_FLAT),
}
FIRST_ATTACKER: Mapping[Split, int] = {Split.TRAIN: 600_000, Split.DEVELOPMENT: 700_000, Split.TEST: 800_000}
FRAMES, MANY_FRAMES = 10, 15  # of a recording
ENOUGH_ATTACKS = 10_000  # frames in test, to say something at FPR 1e-4
SECONDS_BETWEEN_FRAMES = 10 / 30  # every tenth frame of 30 a second
NUMBERS_IN_ONE_FOLDER = 1_000
Three = tuple[str, str, str]
_CHALLENGE_LISTS: Mapping[Split, str] = {
    Split.TRAIN: "train_list.txt",
    Split.DEVELOPMENT: "val_private_list.txt",
    Split.TEST: "test_private_list.txt",
}


def plan(
    *, subjects: int = DEFAULT_SUBJECTS, seed: int = 0, preset: str = "paper", frames: int | None = None
) -> PlannedSet:
    """Plan a set of `subjects` people, shared out 3 : 1 : 6 over train, validation and test.

    Args:
        subjects: at least 3; 1,000 is the published number.
        seed: of every random number.
        preset: easy, paper or hard.
        frames: of each recording; 10 for None, and 15 in a test split that has 10,000 attack frames thereby.

    Raises:
        UsageError: fewer than 3 subjects, or an unknown preset.
    """
    clips: list[PlannedClip] = []
    samples: dict[Split, list[PresentationSample]] = {}
    first = 1
    for split, people in share_out(subjects).items():
        specs = [
            ClipSpec(
                root=seed,
                subject=first + place,
                species=species,
                clip=0,
                attacker=FIRST_ATTACKER[split] + place if species.is_worn else None,
                frames=_frames_of(split, people) if frames is None else frames,
                seconds_between_frames=SECONDS_BETWEEN_FRAMES,
                preset=preset,
            )
            for place in range(people)
            for species in (DrawnSpecies.BONA_FIDE, *SPECIES[split])
        ]
        first += people
        names = _telling_names(specs) if split is Split.TRAIN else _anonymous_names(specs, split, seed)
        samples[split] = []
        for spec, files in zip(specs, names, strict=True):
            samples[split] += [_sample(spec, split, three) for three in files]
            clips.append(_clip(spec, files))
        samples[split].sort(key=lambda row: row.identifier)
    trained = {row.subject for row in samples[Split.TRAIN]}
    sets = drawn_bona_fide_sets(trained, np.random.default_rng([seed, len(Split)]))
    folds = [(fold.train, fold.development) for fold in attack_folds(samples[Split.TRAIN], sets)]
    lists = {_CHALLENGE_LISTS[split]: _challenge_list(rows) for split, rows in samples.items()}
    lists["lists/validation_list.txt"] = _csv_list(samples[Split.DEVELOPMENT])
    for number, (train, held_out) in enumerate(folds, start=1):
        lists[f"lists/fold{number}/train_list.txt"] = _csv_list(train)
        lists[f"lists/fold{number}/{HELD_OUT_LISTS[0]}"] = _csv_list(held_out)
    everything = list(chain.from_iterable(samples.values()))
    return PlannedSet(
        name=NAME,
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists=lists,
        counts=count_presentations(everything) | fold_counts(folds),
        samples=len(everything),
        subjects=subjects,
    )


def share_out(subjects: int) -> dict[Split, int]:
    """Share people out over the splits, 3 : 1 : 6 as nearly as whole people go, at least one each.

    Raises:
        UsageError: fewer than 3.

    >>> [share_out(number)[Split.TEST] for number in (3, 10, 1000)]
    [1, 6, 600]
    """
    if subjects < len(SHARES):
        raise UsageError(
            expected=f"at least {len(SHARES)} subjects, one for each split", came=str(subjects), remedy="ask for more"
        )
    train = max(1, round(subjects * SHARES[Split.TRAIN] / sum(SHARES.values())))
    development = max(1, round(subjects * SHARES[Split.DEVELOPMENT] / sum(SHARES.values())))
    return {Split.TRAIN: train, Split.DEVELOPMENT: development, Split.TEST: subjects - train - development}


def _frames_of(split: Split, people: int) -> int:
    """More frames of a test person where that makes enough attack frames for FPR 1e-4 (drawn for 240 people and up)."""
    attacks = people * len(SPECIES[split])
    return MANY_FRAMES if split is Split.TEST and attacks * FRAMES < ENOUGH_ATTACKS <= attacks * MANY_FRAMES else FRAMES


def _telling_names(specs: Sequence[ClipSpec]) -> list[list[Three]]:
    """Folders by part, subject and attack; frames are numbered 1, 11, 21 as the set's every tenth."""
    names = []
    for spec in specs:
        part, kind = ("fake_part", spec.species) if _species(spec) else ("real_part", "real")
        folder = f"{FOLDERS[Split.TRAIN]}/{part}/{_name(spec)}/{kind}.rssdk"
        names.append([_three(f"{folder}/{{}}/{1 + 10 * frame}.jpg") for frame in range(spec.frames)])
    return names


def _anonymous_names(specs: Sequence[ClipSpec], split: Split, seed: int) -> list[list[Three]]:
    """Numbers in a shuffled order, 1,000 to a folder, so that a name tells nothing."""
    total = sum(spec.frames for spec in specs)
    numbers = np.random.default_rng([seed, list(Split).index(split)]).permutation(total).tolist()
    names = [
        _three(f"{FOLDERS[split]}/{number // NUMBERS_IN_ONE_FOLDER:04d}/{number:06d}-{{}}.jpg") for number in numbers
    ]
    walk = iter(names)
    return [list(islice(walk, spec.frames)) for spec in specs]


def _three(pattern: str) -> Three:
    """The three files of a sample, in the order of a list."""
    rgb, depth, infrared = (pattern.format(MODALITY_FOLDERS[modality]) for modality in ORDER)
    return rgb, depth, infrared


def _sample(spec: ClipSpec, split: Split, files: Three) -> PresentationSample:
    return PresentationSample(
        identifier=" ".join(files),
        subject=_name(spec),
        presentation=spec.species.presentation,
        species=_species(spec),
        split=split,
        paths={modality: Path(file) for modality, file in zip(ORDER, files, strict=True)},
    )


def _clip(spec: ClipSpec, files: Sequence[Three]) -> PlannedClip:
    return PlannedClip(
        spec=spec,
        files=tuple(chain.from_iterable(files)),
        encode=encode_stills,
        subject=_name(spec),
        species=_species(spec),
        group=str(spec.species),
    )


def _name(spec: ClipSpec) -> str:
    return f"CLKJ_AS{spec.subject:04d}"


def _species(spec: ClipSpec) -> str:
    return "" if spec.species is DrawnSpecies.BONA_FIDE else str(spec.species)


def encode_stills(clip: DrawnClip) -> list[bytes]:
    """Encode each frame as three stills, in the order of a list: colour, depth, infrared."""
    assert clip.infrared is not None
    assert clip.depth_view is not None
    return [
        data
        for rgb, depth, infrared in zip(clip.rgb, clip.depth_view, clip.infrared, strict=True)
        for data in (jpeg(rgb, clip.jpeg_quality), jpeg(depth, SENSOR_QUALITY), jpeg(infrared, SENSOR_QUALITY))
    ]


def _label(row: PresentationSample) -> str:
    return CHALLENGE_BONA_FIDE if row.presentation is Presentation.BONA_FIDE else LATER_BONA_FIDE


def _challenge_list(rows: Iterable[PresentationSample]) -> str:
    return "".join(f"{row.identifier} {_label(row)}\n" for row in rows)


def _csv_list(rows: Iterable[PresentationSample]) -> str:
    return f"{CSV_HEADER}\n" + "".join(f"{row.identifier.replace(' ', ',')},{_label(row)}\n" for row in rows)
