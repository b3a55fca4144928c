"""Labeled Faces in the Wild: View 1 for development, View 2 with ten folds for reporting.

Huang, Ramesh, Berg and Learned-Miller 2007, "Labeled Faces in the Wild", UMass Technical Report 07-49. A list names
pairs: three fields are one person's two photographs, four fields are two people's. View 1 chooses models and
thresholds; View 2 reports, each fold with a threshold from the other nine. The photographs come as they were
(`lfw/NAME/NAME_0001.jpg`), funneled or deep-funneled, 13,233 of 5,749 people; the pair lists name 9,056 of them.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from countenance.datasets.comparison import Comparison
from countenance.datasets.drawn_card import CARD
from countenance.datasets.identity_folders import IdentityFolders, walk_identities
from countenance.datasets.inspection import Inspection, relative, several, subjects_in_two
from countenance.datasets.samples import IdentitySample
from countenance.datasets.survey import CARD_FILES, Survey
from countenance.errors import DataError, MissingFile, ProtocolMismatch, UsageError
from countenance.files import existing_file
from countenance.progress import Progress, unheard

NAME = "lfw"
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
PEOPLE = "people.txt"

_SPLIT_OF = {"pairsDevTrain.txt": "train", "pairsDevTest.txt": "development", "pairs.txt": "test"}
_ANYBODY = re.compile(r".+")
_PHOTOGRAPH = re.compile(r".+_\d{4}\.jpg")


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
    photographs = _photographs(base)
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


def read_photographs(root: str | os.PathLike[str], split: str) -> list[IdentitySample]:
    """Read the photographs that the pairs of one view name, each once: 3,443 of train, 1,549 of development.

    Args:
        root: as for `read_comparisons`.
        split: as for `read_comparisons`.

    Raises:
        MissingFile: as for `read_comparisons`.
        ProtocolMismatch: as for `read_comparisons`.
        UsageError: an unknown split.
    """
    pairs = read_comparisons(root, split)
    paths = sorted({path for pair in pairs for path in (pair.reference, pair.probe)})
    return [IdentitySample(identifier=path.stem, subject=path.parent.name, path=path) for path in paths]


def read_beside_view_2(root: str | os.PathLike[str]) -> list[IdentitySample]:
    """Read the photographs of people whom no pair of View 2 names: a network may learn from them and report on View 2.

    View 1 is drawn from the same people, so that its photographs may not.

    Args:
        root: as for `read_comparisons`; of View 2's own photographs none need be there.

    Returns:
        Those that are there, 683 where only the photographs of View 1 and of folds 1 to 5 are.

    Raises:
        MissingFile: no list, no folder of photographs, or nobody beside View 2.
        ProtocolMismatch: the list is not the published one.
    """
    base = Path(root)
    photographs = _photographs(base)
    known = {person for _, person in _homes(_pairs(base / "pairs.txt", photographs))}
    found = walk_identities(photographs, identity=_ANYBODY, picture=_PHOTOGRAPH, beside=_lists(photographs)).samples()
    if not (beside := [sample for sample in found if sample.subject not in known]):
        raise MissingFile(
            expected=f"photographs of people whom pairs.txt does not name in {photographs}",
            came=f"{len(found):,} photographs, none of such people",
            remedy="unpack the photographs of View 1, or the whole set",
        )
    return beside


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Look at the lists and decode every photograph.

    `counts` tells photographs, people, and pairs by split and fold; `missing` names every photograph that a pair list
    names and that is not there. What no pair list names (4,177 photographs) is not needed and not asked for.
    """
    base = Path(root)
    folder = _photograph_folder(base) or base / PHOTOGRAPH_FOLDERS[-1]
    pairs, gone, problems = _all_pairs(base, folder)
    present = (
        walk_identities(folder, identity=_ANYBODY, picture=_PHOTOGRAPH, beside=_lists(base))
        if folder.is_dir()
        else IdentityFolders(folder, {})
    )
    named = {path for pair in pairs for path in (pair.reference, pair.probe)}
    there = set(present.paths())
    counts = {
        f"photographs/{relative(folder, base)}": len(there),
        "photographs named by pairs": len(named),
        "people": len(present.files),
        **_pair_counts(pairs),
    }
    problems += present.problems(base) + _strangers(base, there)
    problems += subjects_in_two(_homes(pairs))
    missing = [*gone, *(relative(path, base) for path in sorted(named - there))]
    return Survey(
        set_name=NAME,
        root=base,
        samples=pairs,
        counts=counts,
        missing=missing,
        problems=problems,
        pictures=sorted(there),
    ).inspect(progress=progress)


def _photographs(base: Path) -> Path:
    found = _photograph_folder(base)
    if found is None:
        raise MissingFile(
            expected=f"a folder of photographs ({' or '.join(PHOTOGRAPH_FOLDERS)}) in {base}",
            came="none",
            remedy="name the folder that holds pairs.txt and the unpacked photographs: lfw:FOLDER",
        )
    return found


def _photograph_folder(base: Path) -> Path | None:
    """Find the photographs: in a folder of a known name, or beside the lists, as the first release unpacks."""
    found = next((base / name for name in PHOTOGRAPH_FOLDERS if (base / name).is_dir()), None)
    if found is None and any((folder / f"{folder.name}_0001.jpg").is_file() for folder in base.glob("*_*")):
        return base
    return found


def _lists(base: Path) -> frozenset[str]:
    """Name the files of the root: beside them stand the people's folders, where there is no folder of photographs."""
    return CARD_FILES | {path.name for path in base.iterdir() if path.is_file()}


def _all_pairs(base: Path, photographs: Path) -> tuple[list[Comparison], list[str], list[str]]:
    """Read the three lists: the pairs of those that are there and whole, the missing ones, the problems of others."""
    pairs: list[Comparison] = []
    missing: list[str] = []
    problems: list[str] = []
    for name in PAIRS_PER_CLASS:
        try:
            pairs += _pairs(base / name, photographs)
        except MissingFile:
            missing.append(name)
        except DataError as error:
            problems.append(str(error))
    return pairs, missing, problems


def _pair_counts(pairs: Iterable[Comparison]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for pair in pairs:
        split = f"pairs/{_split_of(pair)}"
        kind = "mated" if pair.is_mated else "non_mated"
        for key in (split, f"{split}/{kind}", *([f"{split}/fold {pair.fold}"] if pair.fold else [])):
            counts[key] = counts.get(key, 0) + 1
    return counts


def _split_of(pair: Comparison) -> str:
    return _SPLIT_OF[pair.identifier.rpartition("-")[0] + ".txt"]


def _homes(pairs: Iterable[Comparison]) -> Iterator[tuple[str, str]]:
    """Name the people of each fold of View 2; View 1 is drawn from the same people."""
    for pair in pairs:
        if pair.fold:
            for path in (pair.reference, pair.probe):
                yield f"fold {pair.fold}", path.parent.name


def _strangers(base: Path, there: Collection[Path]) -> list[str]:
    """Name the photographs that the list of all people does not know, where that list is."""
    path = base / PEOPLE
    if not path.is_file():
        return []
    lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    numbers = {fields[0]: int(fields[1]) for fields in lines if len(fields) == 2 and fields[1].isdigit()}
    found = sorted(
        relative(photograph, base)
        for photograph in there
        if photograph.stem != f"{photograph.parent.name}_{photograph.stem[-4:]}"
        or not 1 <= int(photograph.stem[-4:]) <= numbers.get(photograph.parent.name, 0)
    )
    return [several(found, f"photograph is not in {PEOPLE}", f"photographs are not in {PEOPLE}")] if found else []


def _pairs(path: Path, photographs: Path) -> Iterator[Comparison]:
    source = existing_file(path, expected=f"LFW's list {path.name}")
    text = source.read_text(encoding="utf-8", errors="replace")
    head, *lines = [line.split() for line in text.splitlines() if line.strip()] or [[]]
    has_folds = path.name == "pairs.txt"
    per_class = PAIRS_PER_CLASS[path.name]
    if path.with_name(CARD).is_file() and head and head[-1].isdigit():
        per_class = int(head[-1])  # a drawn set has fewer people; its card states how many pairs it has
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
        if len(fields) != (3 if mated else 4) or not (fields[-1].isdigit() and fields[-2 if mated else 1].isdigit()):
            raise ProtocolMismatch(
                expected=f"{3 if mated else 4} fields in line {number + 2} of {source.name}, numbers among them",
                came=f"{len(fields)}: {' '.join(fields)[:80]}",
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
