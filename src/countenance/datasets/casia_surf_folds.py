"""Cross-validation on CASIA-SURF's training split: by attack, and by subject.

Parkin and Grinchuk 2019, "Recognizing Multi-Modal Face Spoofing with Face Recognition Networks", CVPR Workshops,
sections 5.3 and 5.4. An attack fold trains on two of the three attack types and holds the third out; all subjects'
attacks count. Bona fide samples are shared out by subject over three disjoint sets: a fold holds one of them out and
trains on the other two. So a subject whose bona fide samples are held out still appears in training as an attack.

The authors published which subjects are in which set, as lists; they are read from there. Without lists the sets are
drawn by a seeded rule, which is ours: the paper says "randomly".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from countenance.datasets.casia_surf_lists import CHALLENGE_BONA_FIDE, ListReading, read_list
from countenance.datasets.inspection import different_counts, relative
from countenance.datasets.samples import PresentationFold, PresentationSample
from countenance.datasets.subject_folds import subject_folds as runs_of_subjects
from countenance.errors import ProtocolMismatch
from countenance.vocabulary import Presentation, Split

HELD_OUT_SPECIES = ("04_en_b", "05_enm_s", "06_enm_b")  # of folds 1, 2, 3
SUBJECT_FOLDS = 5  # section 5.3
HELD_OUT_LISTS = ("held_out_list.txt", "val_list_orgl.txt")  # our archive's name, the authors' name
PUBLISHED_COUNTS: Mapping[str, int] = {  # counted in the authors' lists
    "attack_fold_1/train/attack": 13_806,
    "attack_fold_1/train/bona_fide": 6_116,
    "attack_fold_1/held_out/attack": 6_518,
    "attack_fold_1/held_out/bona_fide": 2_826,
    "attack_fold_2/train/attack": 13_382,
    "attack_fold_2/train/bona_fide": 5_898,
    "attack_fold_2/held_out/attack": 6_942,
    "attack_fold_2/held_out/bona_fide": 3_044,
    "attack_fold_3/train/attack": 13_460,
    "attack_fold_3/train/bona_fide": 5_870,
    "attack_fold_3/held_out/attack": 6_864,
    "attack_fold_3/held_out/bona_fide": 3_072,
}


def attack_folds(
    samples: Iterable[PresentationSample], bona_fide_sets: Sequence[Collection[str]]
) -> list[PresentationFold]:
    """Make the three attack-specific folds.

    Args:
        samples: of the training split, species known.
        bona_fide_sets: the subjects whose bona fide samples folds 1, 2 and 3 hold out; disjoint, all subjects in them.

    Raises:
        ProtocolMismatch: an attack of another type than `HELD_OUT_SPECIES`, or a bona fide subject in none or in two
            of the sets.
    """
    known = list(samples)
    home = {subject: fold for fold, subjects in enumerate(bona_fide_sets) for subject in subjects}
    strangers = sorted({row.species for row in known if row.species} - set(HELD_OUT_SPECIES))
    homeless = sorted({row.subject for row in known if row.presentation is Presentation.BONA_FIDE} - home.keys())
    twice = sum(map(len, bona_fide_sets)) - len(home)
    if strangers or homeless or twice or len(bona_fide_sets) != len(HELD_OUT_SPECIES):
        raise ProtocolMismatch(
            expected=f"the attacks {', '.join(HELD_OUT_SPECIES)}, and each bona fide subject in one of three sets",
            came=f"{len(strangers)} other attacks, {len(homeless)} subjects in no set, {twice} in two",
            remedy="pass the training split, and the three sets that belong to it",
        )

    def is_held_out(row: PresentationSample, fold: int) -> bool:
        if row.presentation is Presentation.BONA_FIDE:
            return home[row.subject] == fold
        return row.species == HELD_OUT_SPECIES[fold]

    return [
        PresentationFold(
            name=f"attack fold {fold + 1}: {species} held out",
            train=tuple(row for row in known if not is_held_out(row, fold)),
            development=tuple(row for row in known if is_held_out(row, fold)),
        )
        for fold, species in enumerate(HELD_OUT_SPECIES)
    ]


def subject_folds(samples: Iterable[PresentationSample]) -> list[PresentationFold]:
    """Make the five folds by subject: everything of a subject is held out together.

    The paper does not say which subject is in which fold; ours are runs of the sorted names.

    Raises:
        UsageError: fewer than five subjects.
    """
    known = list(samples)
    folds = [set(run) for run in runs_of_subjects((row.subject for row in known), folds=SUBJECT_FOLDS)]
    return [
        PresentationFold(
            name=f"subject fold {number}",
            train=tuple(row for row in known if row.subject not in held_out),
            development=tuple(row for row in known if row.subject in held_out),
        )
        for number, held_out in enumerate(folds, start=1)
    ]


def drawn_bona_fide_sets(subjects: Iterable[str], generator: np.random.Generator) -> list[tuple[str, ...]]:
    """Share subjects out over three sets at random: sorted, shuffled, dealt in turn.

    Args:
        subjects: of the bona fide samples; repeats are dropped.
        generator: of the shuffle.

    >>> drawn_bona_fide_sets(["a", "b", "c", "d"], np.random.default_rng(0))
    [('c', 'd'), ('a',), ('b',)]
    """
    names = generator.permutation(sorted(set(subjects))).tolist()
    return [tuple(sorted(names[fold :: len(HELD_OUT_SPECIES)])) for fold in range(len(HELD_OUT_SPECIES))]


def published_folds(
    root: Path, *, bona_fide_label: str = CHALLENGE_BONA_FIDE
) -> tuple[list[tuple[ListReading, ListReading]], list[str]]:
    """Read the published lists of the three folds.

    Args:
        root: holds ``fold1`` to ``fold3``, or a folder ``lists`` of them; each has a train and a held-out list.
        bona_fide_label: as for `read_list`.

    Returns:
        For each fold what its train and its held-out list hold, and the lists that are missing, relative to `root`;
        both empty where no such folder is there.
    """
    folds, missing = [], []
    for folder in _fold_folders(root):
        held_out = next(
            (folder / name for name in HELD_OUT_LISTS if (folder / name).is_file()), folder / HELD_OUT_LISTS[0]
        )
        pair = (folder / "train_list.txt", held_out)
        absent = [relative(path, root) for path in pair if not path.is_file()]
        missing += absent
        if not absent:
            readings = [read_list(path, root=root, split=Split.TRAIN, bona_fide_label=bona_fide_label) for path in pair]
            folds.append((readings[0], readings[1]))
    return folds, missing


def published_bona_fide_sets(root: Path, *, bona_fide_label: str = CHALLENGE_BONA_FIDE) -> list[tuple[str, ...]]:
    """Read from the published lists which subjects' bona fide samples each fold holds out.

    Raises:
        ProtocolMismatch: a list is missing or broken.
    """
    folds, missing = published_folds(root, bona_fide_label=bona_fide_label)
    if missing or not folds:
        raise ProtocolMismatch(
            expected="the lists of the attack folds below lists/fold1 to fold3",
            came=f"no {missing[0]}" if missing else f"none in {root}",
            remedy="restore them, or draw the sets by a seed",
        )
    return held_out_subjects(held_out.or_refuse() for _, held_out in folds)


def held_out_subjects(held_out: Iterable[Iterable[PresentationSample]]) -> list[tuple[str, ...]]:
    """Name the subjects whose bona fide samples are in each held-out list."""
    return [
        tuple(sorted({row.subject for row in samples if row.presentation is Presentation.BONA_FIDE}))
        for samples in held_out
    ]


def fold_counts(folds: Iterable[tuple[Iterable[PresentationSample], Iterable[PresentationSample]]]) -> dict[str, int]:
    """Count (train, held out) pairs by presentation, with the keys of `PUBLISHED_COUNTS`."""
    counts: dict[str, int] = {}
    for number, fold in enumerate(folds, start=1):
        for part, samples in zip(("train", "held_out"), fold, strict=True):
            for row in samples:
                key = f"attack_fold_{number}/{part}/{row.presentation}"
                counts[key] = counts.get(key, 0) + 1
    return counts


def problems_of_folds(
    samples: Iterable[PresentationSample], folds: Sequence[tuple[ListReading, ListReading]], *, is_drawn: bool
) -> list[str]:
    """Compare published fold lists with the folds that follow from the attack types and the held-out subjects.

    Args:
        samples: of the training split.
        folds: as `published_folds` read them.
        is_drawn: a drawn set has its own counts, the published set has `PUBLISHED_COUNTS`.
    """
    problems = [problem for pair in folds for reading in pair for problem in reading.problems]
    if problems:
        return problems
    sets = held_out_subjects(held_out.samples for _, held_out in folds)
    try:
        made = attack_folds(samples, sets)
    except ProtocolMismatch as error:
        return [f"the lists of the attack folds do not fit the training split: {error.came}"]
    for number, (fold, listed) in enumerate(zip(made, folds, strict=True), start=1):
        for part, ours, theirs in (("train", fold.train, listed[0]), ("held-out", fold.development, listed[1])):
            differ = {row.identifier for row in ours} ^ {row.identifier for row in theirs.samples}
            if differ:
                problems.append(
                    f"the {part} list of attack fold {number} differs from the rule in {len(differ):,} samples"
                )
    if not is_drawn:
        counts = fold_counts((train.samples, held_out.samples) for train, held_out in folds)
        problems += different_counts(counts, PUBLISHED_COUNTS, source="published")
    return problems


def _fold_folders(root: Path) -> list[Path]:
    for base in (root / "lists", root):
        folders = [base / f"fold{number}" for number in range(1, len(HELD_OUT_SPECIES) + 1)]
        if any(folder.is_dir() for folder in folders):
            return folders
    return []
