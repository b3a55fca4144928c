"""CASIA-SURF: colour, depth and infrared stills of 1,000 people and of six kinds of cut prints of them.

Zhang et al. 2019, "A Dataset and Benchmark for Large-scale Multi-modal Face Anti-spoofing", CVPR; in the form of the
ChaLearn face anti-spoofing challenge 2019. Attacks 4 to 6 are in train, 1 to 3 in validation and test. The published
numbers of samples are checked; how test divides into bona fide and attack is remembered, not counted, and its public
list has no labels.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from countenance.datasets.casia_surf_folds import fold_counts, problems_of_folds, published_folds
from countenance.datasets.casia_surf_lists import (
    CHALLENGE_BONA_FIDE,
    LATER_BONA_FIDE,
    ORDER,
    ListReading,
    has_folders,
    pictures_beside,
    read_list,
    walk_folders,
)
from countenance.datasets.drawn_card import DrawnCard, DrawnFile, drawn_problems, read_card, read_table
from countenance.datasets.inspection import (
    FileFindings,
    Inspection,
    different_counts,
    inspect_files,
    relative,
    subjects_in_two,
    told,
)
from countenance.datasets.samples import PresentationSample, count_presentations
from countenance.errors import MissingFile, ProtocolMismatch, UsageError
from countenance.images import read_image
from countenance.progress import Progress, unheard
from countenance.vocabulary import Modality, Split

NAME = "casia-surf"
LISTS: Mapping[Split, tuple[str, ...]] = {  # labelled lists before public ones
    Split.TRAIN: ("train_list.txt",),
    Split.DEVELOPMENT: ("val_private_list.txt", "validation_list.txt", "val_list.txt", "val_public_list.txt"),
    Split.TEST: ("test_private_list.txt", "test_list.txt", "test_public_list.txt"),
}
PUBLISHED_COUNTS: Mapping[str, int] = {
    "train": 29_266,
    "train/subjects": 300,
    "train/bona_fide": 8_942,
    "train/attack": 20_324,
    "train/attack/04_en_b": 6_518,
    "train/attack/05_enm_s": 6_942,
    "train/attack/06_enm_b": 6_864,
    "development": 9_608,
    "development/bona_fide": 2_994,
    "development/attack": 6_614,
    "test": 57_710,
}


def read(
    root: str | os.PathLike[str],
    split: Split | None = None,
    *,
    bona_fide_label: str = CHALLENGE_BONA_FIDE,
) -> list[PresentationSample]:
    """Read the samples of one split, or of all, every file present.

    Args:
        root: holds the lists, or a folder ``lists`` of them, and the pictures.
        split: which one; all three by default.
        bona_fide_label: what the lists write for bona fide, `CHALLENGE_BONA_FIDE` or `LATER_BONA_FIDE`.

    Raises:
        MissingFile: a list, or a picture that a list names, is not there or is empty.
        ProtocolMismatch: a broken line, a label that its path contradicts, a subject in two splits, other counts than
            published (or, in a drawn set, than its card states), a drawn set that is not finished.
        UsageError: another label than 1 or 0.
    """
    base = Path(root)
    card, drawn = read_card(base, set_name=NAME), read_table(base)
    wanted = list(Split) if split is None else [split]
    samples: list[PresentationSample] = []
    for each in wanted:
        reading = _reading(base, each, bona_fide_label, drawn, None)
        if reading is None:
            raise MissingFile(
                expected=f"CASIA-SURF's list {LISTS[each][0]} in {base}",
                came="none",
                remedy="name the folder that holds the lists and the unpacked pictures: casia-surf:FOLDER",
            )
        samples += reading.or_refuse()
    paths = [path for row in samples for path in row.paths.values()]
    absent = [relative(path, base) for path in paths if not path.is_file() or not path.stat().st_size]
    problems = [
        *_problems_of_counts(count_presentations(samples), wanted, card),
        *subjects_in_two((str(row.split), row.subject) for row in samples),
    ]
    if absent:
        raise MissingFile(
            expected=f"all {len(paths):,} pictures that the lists of CASIA-SURF name",
            came=f"{len(absent):,} missing or empty, the first {absent[0]}",
            remedy=f"restore them; countenance datasets check {NAME}:{base} names every one",
        )
    if problems:
        raise ProtocolMismatch(
            expected="CASIA-SURF as published" if card is None else "the whole drawn set",
            came=problems[0],
            remedy=f"restore it; countenance datasets check {NAME}:{base} says more",
        )
    return samples


def inspect(
    root: str | os.PathLike[str], *, bona_fide_label: str = CHALLENGE_BONA_FIDE, progress: Progress = unheard
) -> Inspection:
    """Look at the whole tree: lists, every picture that they name, splits, folds, published counts.

    Args:
        root: as for `read`.
        bona_fide_label: as for `read`.
        progress: called with (pictures done, pictures in all).

    Raises:
        UsageError: another label than 1 or 0.
    """
    base = Path(root)
    missing: list[str] = []
    problems: list[str] = []
    card, drawn = None, {}
    try:
        card, drawn = read_card(base, set_name=NAME), read_table(base)
    except ProtocolMismatch as error:
        return Inspection(counts={"samples": 0}, problems=(str(error),))
    folds, absent = published_folds(base, bona_fide_label=bona_fide_label)
    missing += absent
    samples: list[PresentationSample] = []
    for split in Split:
        reading = _reading(base, split, bona_fide_label, drawn, folds)
        if reading is None:
            missing.append(LISTS[split][0])
        else:
            samples += reading.samples
            problems += reading.problems
    counts = count_presentations(samples)
    problems += subjects_in_two((str(row.split), row.subject) for row in samples)
    if folds and not absent:
        counts |= fold_counts((train.samples, held_out.samples) for train, held_out in folds)
        train = [row for row in samples if row.split is Split.TRAIN]
        problems += problems_of_folds(train, folds, is_drawn=card is not None)
    findings = inspect_files(
        (path for row in samples for path in row.paths.values()), root=base, read=size_and_colour, progress=progress
    )
    missing += findings.missing
    problems += _problems_of_pictures(base, samples, findings, is_drawn=card is not None)
    if card is not None:
        unlisted, wrong = drawn_problems(base, card, counts)
        missing += sorted(set(unlisted) - set(missing))
        problems += wrong
    else:
        problems += _problems_of_counts(counts, Split, None)
    return Inspection(
        counts=counts,
        missing=tuple(missing),
        unreadable=findings.unreadable,
        problems=tuple(dict.fromkeys(problems)),
        label="" if card is None else card.label,
    )


def size_and_colour(path: Path) -> tuple[int, int, bool]:
    """Decode a picture; return (height, width, whether any pixel has a colour).

    Raises:
        MissingFile: no file is there.
        InputError: it cannot be decoded.
    """
    pixels = read_image(path)
    is_coloured = bool(np.any(pixels[..., :2] != pixels[..., 1:]))
    return pixels.shape[0], pixels.shape[1], is_coloured


def _reading(
    base: Path,
    split: Split,
    bona_fide_label: str,
    drawn: Mapping[str, DrawnFile],
    folds: Sequence[tuple[ListReading, ListReading]] | None,
) -> ListReading | None:
    """What one split holds, from its list, from the lists of a fold, or from the folders; None where nothing tells."""
    if bona_fide_label not in {CHALLENGE_BONA_FIDE, LATER_BONA_FIDE}:
        raise UsageError(
            expected="1 or 0 as the bona fide label", came=repr(bona_fide_label), remedy="name one of them"
        )
    found = (folder / name for name in LISTS[split] for folder in (base, base / "lists") if (folder / name).is_file())
    source = next(found, None)
    if source is not None:
        return read_list(source, root=base, split=split, bona_fide_label=bona_fide_label, drawn=drawn)
    if split is Split.TRAIN:  # what a fold trains on and what it holds out
        known = published_folds(base, bona_fide_label=bona_fide_label)[0] if folds is None else folds
        for train, held_out in known[:1]:
            rows = sorted((*train.samples, *held_out.samples), key=lambda row: row.identifier)
            return ListReading(tuple(rows), (*train.problems, *held_out.problems))
    return walk_folders(base, split) if has_folders(base, split) else None


def _problems_of_counts(counts: Mapping[str, int], splits: Iterable[Split], card: DrawnCard | None) -> list[str]:
    wanted = set(splits)
    expected, source = (PUBLISHED_COUNTS, "published") if card is None else (card.counts, "stated by the drawn card")
    unlabelled = {split for split in wanted if f"{split}/unlabelled" in counts}  # a public list tells only how many
    return different_counts(
        counts,
        {
            key: number
            for key, number in expected.items()
            if any(key == split or (key.startswith(f"{split}/") and split not in unlabelled) for split in wanted)
        },
        source=source,
    )


def _problems_of_pictures(
    base: Path, samples: Sequence[PresentationSample], findings: FileFindings, *, is_drawn: bool
) -> list[str]:
    """Sizes that differ in a sample, sensors that changed places, pictures that no list names."""
    sizes, swapped = [], []
    for row in samples:
        looks = {modality: findings.read.get(path) for modality, path in row.paths.items()}
        seen = {modality: look for modality, look in looks.items() if isinstance(look, tuple)}
        compared = ORDER if is_drawn or not _is_unscaled(row) else (Modality.DEPTH, Modality.INFRARED)
        shapes = {modality: seen[modality][:2] for modality in compared if modality in seen}
        if len(set(shapes.values())) > 1:
            words = ", ".join(f"{modality} {width} x {height}" for modality, (height, width) in shapes.items())
            sizes.append(f"{relative(row.paths[Modality.RGB], base)} ({words})")
        coloured = [modality for modality, look in seen.items() if look[2]]
        others = [modality for modality in coloured if modality is not Modality.RGB]
        if Modality.INFRARED in coloured or (others and (is_drawn or Modality.RGB not in coloured)):
            swapped.append(f"{relative(row.paths[Modality.RGB], base)} (colour in {' and '.join(others)})")
    named = {path for row in samples for path in row.paths.values()}
    extra = [relative(path, base) for path in pictures_beside(samples) if path not in named]
    return [
        *told(sizes, "sample with a modality of another size", "samples with a modality of another size"),
        *told(swapped, "sample with swapped sensors", "samples with swapped sensors"),
        *told(extra, "picture that no list names", "pictures that no list names"),
    ]


def _is_unscaled(row: PresentationSample) -> bool:
    """In train as published, depth and infrared are not of the colour picture's size until a script scales them."""
    return row.split is Split.TRAIN and "_resized" not in row.paths[Modality.DEPTH].name
