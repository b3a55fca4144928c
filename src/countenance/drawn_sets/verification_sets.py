"""Drawn sets that judge verification: LFW's photographs and YouTube Faces' videos, with their lists of pairs.

The pairs are drawn without repetition from a generator of the set's own, as many of a fold as its people allow, at
most as many as were published. Nobody is in two folds; of LFW's View 1, train and development share nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product

import numpy as np

from countenance.datasets.lfw import FOLDS, PAIRS_PER_CLASS, PEOPLE
from countenance.datasets.ytf import ALIGNED, FRAMES, SPLITS
from countenance.datasets.ytf import PAIRS_PER_CLASS as YTF_PAIRS_PER_CLASS
from countenance.drawn_sets.portraits import People, Studio, check_subjects, photographs, with_aligned
from countenance.drawn_sets.writing import FRAMES_PER_SECOND, PlannedClip, PlannedSet
from countenance.synthesis.spec import Motion

LFW_SUBJECTS, YTF_SUBJECTS = 120, 60
LFW_SIDE, LFW_PHOTOGRAPHS = 250, 4
YTF_SIDE, YTF_FRAMES, YTF_CROP_MM = 160, 8, 240.0
LFW_FOLDER = "lfw-deepfunneled"  # drawn crops follow the face, as congealed ones do
_PAIRS_STREAM = 404
_TRAIN_SHARE = 4_038 / 5_749  # of LFW's people
_BOX_MM = (128.0, 180.0)  # a face from ear to ear, from crown to chin; measured on drawn clips

Item = tuple[str, int]
"""A person's name and the number of a photograph or a video."""


def plan_lfw(*, subjects: int = LFW_SUBJECTS, seed: int = 0, preset: str = "paper") -> PlannedSet:
    """Plan LFW: 250 x 250 photographs, four of each person, the pair lists of both views, the lists of people.

    Args:
        subjects: 20 or more.
        seed: of every random number.
        preset: easy, paper or hard.

    Raises:
        UsageError: too few or too many subjects, or an unknown preset.
    """
    check_subjects(subjects, least=2 * FOLDS, name="lfw")
    names = [f"Drawn_{number:04d}" for number in range(1, subjects + 1)]
    items = {name: [(name, k) for k in range(1, LFW_PHOTOGRAPHS + 1)] for name in names}
    generator = np.random.default_rng([seed, _PAIRS_STREAM, People.LFW])
    cut = round(subjects * _TRAIN_SHARE)
    folds = _fold_pairs(names, items, PAIRS_PER_CLASS["pairs.txt"], generator)
    train = _pairs(names[:cut], items, PAIRS_PER_CLASS["pairsDevTrain.txt"], generator)
    development = _pairs(names[cut:], items, PAIRS_PER_CLASS["pairsDevTest.txt"], generator)
    lists = {
        "pairs.txt": _lfw_list(f"{FOLDS}\t{len(folds[0][0])}", folds),
        "pairsDevTrain.txt": _lfw_list(str(len(train[0])), [train]),
        "pairsDevTest.txt": _lfw_list(str(len(development[0])), [development]),
        PEOPLE: f"{FOLDS}\n" + "".join(_people_list(names[k::FOLDS]) for k in range(FOLDS)),
        "peopleDevTrain.txt": _people_list(names[:cut]),
        "peopleDevTest.txt": _people_list(names[cut:]),
    }
    studio = Studio(seed=seed, preset=preset, size=LFW_SIDE, crop_mm=240, encode=photographs)
    clips: list[PlannedClip] = []
    for number, name in enumerate(names):
        files = [f"{LFW_FOLDER}/{name}/{name}_{k:04d}.jpg" for _, k in items[name]]
        clips += studio.portraits(People.LFW + number, files, subject=name)
    return PlannedSet(
        name="lfw",
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists=lists,
        counts={
            f"photographs/{LFW_FOLDER}": subjects * LFW_PHOTOGRAPHS,
            "people": subjects,
            "pairs/train": 2 * len(train[0]),
            "pairs/development": 2 * len(development[0]),
            "pairs/test": 2 * FOLDS * len(folds[0][0]),
        },
        samples=subjects * LFW_PHOTOGRAPHS,
        subjects=subjects,
    )


def plan_ytf(
    *, subjects: int = YTF_SUBJECTS, seed: int = 0, preset: str = "paper", frames_each: int = YTF_FRAMES
) -> PlannedSet:
    """Plan YouTube Faces: two videos of each person as frames, whole and aligned, the boxes and the list of pairs.

    Args:
        subjects: 20 or more.
        seed: of every random number.
        preset: easy, paper or hard.
        frames_each: of a video.

    Raises:
        UsageError: too few or too many subjects, or an unknown preset.
    """
    check_subjects(subjects, least=2 * FOLDS, name="ytf")
    names = [f"Drawn_{number:04d}" for number in range(1, subjects + 1)]
    items = {name: [(name, video) for video in range(2)] for name in names}
    generator = np.random.default_rng([seed, _PAIRS_STREAM, People.YTF])
    folds = _fold_pairs(names, items, YTF_PAIRS_PER_CLASS, generator)
    rows = [
        f"{fold}, {one[0]}/{one[1]}, {other[0]}/{other[1]}, {same}"
        for fold, (mated, non_mated) in enumerate(folds, start=1)
        for same, pairs in ((1, mated), (0, non_mated))
        for one, other in pairs
    ]
    lists = {SPLITS: "\n".join(["split number, first name, second name, is same", *rows]) + "\n"}
    studio = Studio(
        seed=seed,
        preset=preset,
        size=YTF_SIDE,
        crop_mm=YTF_CROP_MM,
        encode=with_aligned,
        motion=Motion.LIVELY,
        seconds_between_frames=6 / FRAMES_PER_SECOND,
    )
    clips = []
    for number, name in enumerate(names):
        boxes: list[str] = []
        for _, video in items[name]:
            frames = [f"{name}/{video}/{{}}{video}.{k}.jpg" for k in range(1, frames_each + 1)]
            boxes += [_box(frame.format("")) for frame in frames]
            whole = [f"{FRAMES}/{frame.format('')}" for frame in frames]
            aligned = [f"{ALIGNED}/{frame.format('aligned_detect_')}" for frame in frames]
            person = People.YTF + number
            clips.append(studio.clip(person, [*whole, *aligned], frames=frames_each, subject=name, number=video))
        lists[f"{FRAMES}/{name}.labeled_faces.txt"] = "".join(boxes)
    per_class = len(folds[0][0])
    return PlannedSet(
        name="ytf",
        seed=seed,
        preset=preset,
        clips=tuple(clips),
        lists=lists,
        counts={
            "subjects": subjects,
            "videos": len(clips),
            "pairs": 2 * FOLDS * per_class,
            **{f"pairs/fold {fold}/{kind}": per_class for fold in range(1, 11) for kind in ("mated", "non_mated")},
        },
        samples=2 * FOLDS * per_class,
        subjects=subjects,
    )


def _box(frame: str) -> str:
    """Write a frame's box, told by its middle: the drawn crop follows the face to within 5 pixels."""
    middle = YTF_SIDE // 2
    width, height = (round(YTF_SIDE * side / YTF_CROP_MM) for side in _BOX_MM)
    return f"{frame.replace('/', chr(92))},0,{middle},{middle},{width},{height},0.0,1\n"


def _fold_pairs(
    names: Sequence[str], items: Mapping[str, Sequence[Item]], most: int, generator: np.random.Generator
) -> list[tuple[list[tuple[Item, Item]], list[tuple[Item, Item]]]]:
    """Draw equally many mated and non-mated pairs in each of ten folds; person k is in fold k modulo ten."""
    parts = [names[k::FOLDS] for k in range(FOLDS)]
    fewest = min(len(_mated(part, items)) for part in parts)
    return [_pairs(part, items, min(most, fewest), generator) for part in parts]


def _pairs(
    names: Sequence[str], items: Mapping[str, Sequence[Item]], most: int, generator: np.random.Generator
) -> tuple[list[tuple[Item, Item]], list[tuple[Item, Item]]]:
    mated = _mated(names, items)
    non_mated = [pair for one, other in combinations(names, 2) for pair in product(items[one], items[other])]
    count = min(most, len(mated), len(non_mated))
    return _drawn(mated, count, generator), _drawn(non_mated, count, generator)


def _mated(names: Iterable[str], items: Mapping[str, Sequence[Item]]) -> list[tuple[Item, Item]]:
    return [pair for name in names for pair in combinations(items[name], 2)]


def _drawn(pairs: Sequence[tuple[Item, Item]], count: int, generator: np.random.Generator) -> list[tuple[Item, Item]]:
    return [pairs[k] for k in sorted(generator.choice(len(pairs), size=count, replace=False).tolist())]


def _lfw_list(head: str, parts: Iterable[tuple[Iterable[tuple[Item, Item]], Iterable[tuple[Item, Item]]]]) -> str:
    lines = [head]
    for mated, non_mated in parts:
        lines += [f"{one[0]}\t{one[1]}\t{other[1]}" for one, other in mated]
        lines += [f"{one[0]}\t{one[1]}\t{other[0]}\t{other[1]}" for one, other in non_mated]
    return "\n".join(lines) + "\n"


def _people_list(names: Sequence[str]) -> str:
    return f"{len(names)}\n" + "".join(f"{name}\t{LFW_PHOTOGRAPHS}\n" for name in names)
