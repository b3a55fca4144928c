"""Labeled Faces in the Wild: View 1 for development, View 2 with ten folds for reporting.

Huang, Ramesh, Berg and Learned-Miller 2007, "Labeled Faces in the Wild", UMass Technical Report 07-49. A list names
pairs: three fields are one person's two photographs, four fields are two people's. View 1 chooses models and
thresholds; View 2 reports, each fold with a threshold from the other nine.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from countenance.datasets.comparison import Comparison
from countenance.errors import MissingFile, ProtocolMismatch, UsageError
from countenance.files import existing_file

FOLDS = 10
PAIRS_PER_CLASS = {"pairsDevTrain.txt": 1100, "pairsDevTest.txt": 500, "pairs.txt": 300}  # of a fold, in pairs.txt
VIEWS = {
    "train": ("pairsDevTrain.txt",),
    "development": ("pairsDevTest.txt",),
    "view1": ("pairsDevTrain.txt", "pairsDevTest.txt"),
    "test": ("pairs.txt",),
    "view2": ("pairs.txt",),
}
PHOTOGRAPH_FOLDERS = ("lfw-deepfunneled", "lfw_funneled", "lfw")


def read_comparisons(
    root: str | os.PathLike[str], split: str, *, folds: Collection[int] | None = None
) -> list[Comparison]:
    """Read the pairs of one view, every photograph present.

    Args:
        root: holds the lists and one folder of photographs among `PHOTOGRAPH_FOLDERS`.
        split: "train" (1,100 + 1,100 pairs), "development" (500 + 500), "view1" (both), or "test", also called "view2"
            (10 folds of 300 + 300).
        folds: of View 2, which folds; all by default.

    Raises:
        MissingFile: a list or a photograph that the list names is not there; how many, and the first of them.
        ProtocolMismatch: a list of another form or length than the published one.
        UsageError: an unknown split, a fold outside 1 to 10, or folds asked of View 1.
    """
    if split not in VIEWS:
        raise UsageError(
            expected=f"a split of LFW among {', '.join(VIEWS)}", came=repr(split), remedy="name one of them"
        )
    has_folds = "pairs.txt" in VIEWS[split]
    wanted = set(range(1, FOLDS + 1) if folds is None else folds)
    if folds is not None and (not has_folds or not wanted or not wanted <= set(range(1, FOLDS + 1))):
        raise UsageError(
            expected=f"folds 1 to {FOLDS}, of the split test" if has_folds else f"no folds for the split {split}",
            came=",".join(map(str, sorted(wanted))) or "none",
            remedy="name folds such as 1-5, with --split test",
        )
    base = Path(root)
    photographs = next((base / name for name in PHOTOGRAPH_FOLDERS if (base / name).is_dir()), None)
    if photographs is None:
        raise MissingFile(
            expected=f"a folder of photographs ({' or '.join(PHOTOGRAPH_FOLDERS)}) in {base}",
            came="none",
            remedy="name the folder that holds pairs.txt and the unpacked photographs: lfw:FOLDER",
        )
    comparisons = [
        comparison
        for name in VIEWS[split]
        for comparison in _pairs(base / name, photographs)
        if not comparison.fold or int(comparison.fold) in wanted
    ]
    named = {path for comparison in comparisons for path in (comparison.reference, comparison.probe)}
    missing = sorted(path for path in named if not path.is_file())
    if missing:
        raise MissingFile(
            expected=f"all {len(named):,} photographs that the pairs of {split} name",
            came=f"{len(missing):,} missing, the first {missing[0].relative_to(base)}",
            remedy="unpack the whole set, or name the folds that are there with --folds",
        )
    return comparisons


def _pairs(path: Path, photographs: Path) -> Iterator[Comparison]:
    source = existing_file(path, expected=f"LFW's list {path.name}")
    head, *lines = [line.split() for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    per_class = PAIRS_PER_CLASS[path.name]
    has_folds = path.name == "pairs.txt"
    published = [str(FOLDS), str(per_class)] if has_folds else [str(per_class)]
    expected = 2 * per_class * (FOLDS if has_folds else 1)
    if head != published or len(lines) != expected:
        raise ProtocolMismatch(
            expected=f"{source.name} to begin with {' '.join(published)} and to hold {expected:,} pairs",
            came=f"{' '.join(head)} and {len(lines):,}",
            remedy="restore the published list",
        )
    for number, fields in enumerate(lines):
        mated = number // per_class % 2 == 0  # a fold is its mated pairs, then its non-mated ones
        if len(fields) != (3 if mated else 4):
            raise ProtocolMismatch(
                expected=f"{3 if mated else 4} fields in line {number + 2} of {source.name}",
                came=str(len(fields)),
                remedy="restore the published list",
            )
        reference, probe = _photographs_of(fields)
        fold = str(number // (2 * per_class) + 1) if has_folds else ""
        yield Comparison(
            identifier=f"{source.stem}-{number + 1:04d}",
            reference=photographs / reference,
            probe=photographs / probe,
            is_mated=mated,
            fold=fold,
        )


def _photographs_of(fields: Sequence[str]) -> tuple[Path, Path]:
    first, second = (fields[0], fields[1]), (fields[-2] if len(fields) == 4 else fields[0], fields[-1])
    return tuple(Path(name) / f"{name}_{int(index):04d}.jpg" for name, index in (first, second))  # type: ignore[return-value]
