"""SFEW: static expressions from films, by the lists with which FaceLiveNet reads it.

Dhall, Goecke, Lucey and Gedeon 2011, "Static Facial Expressions in Tough Conditions", ICCV Workshops; version 2.0
(EmotiW 2015) has 958 pictures to train and 436 to validate, of which the labels are public. FaceLiveNet (Ming et al.
2018) trains on the one and tests on the other, by two lists with a header and rows of `No expression label path`; the
class counts of its table IV add up to 1,292 aligned faces. A list is recognised by "train" or "test" in its name.
"""

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from countenance.datasets.expression_sequences import count_expressions
from countenance.datasets.inspection import Inspection, relative, several
from countenance.datasets.samples import ExpressionSample
from countenance.datasets.survey import Survey
from countenance.errors import DataError, MissingFile, ProtocolMismatch, UsageError
from countenance.progress import Progress, unheard
from countenance.vocabulary import Expression, Split

NAME = "sfew"
CODES: Mapping[int, Expression] = {
    0: Expression.ANGRY,
    1: Expression.DISGUST,
    2: Expression.FEAR,
    3: Expression.HAPPY,
    4: Expression.NEUTRAL,
    5: Expression.SAD,
    6: Expression.SURPRISE,
}
LISTS: Mapping[Split, str] = {Split.TRAIN: "train", Split.TEST: "test"}
FORMS: tuple[Mapping[str, int], ...] = (
    {"train": 958, "test": 436},  # SFEW 2.0: its training and validation parts
    {"train": 891, "test": 427},  # the same, of which the authors could align the faces
    {"samples": 1_292},  # FaceLiveNet, table IV
)


def read(root: str | os.PathLike[str], split: Split | None = None) -> list[ExpressionSample]:
    """Read the pictures of one list, or of both.

    Args:
        root: holds the two lists and the pictures; a path in a list is found again by its end.
        split: TRAIN, TEST or None for both.

    Raises:
        UsageError: another split.
        MissingFile: a list, or a picture that it names, is not there.
        ProtocolMismatch: a row of another form, a picture in both lists, or counts of no known form of the set.
    """
    if split not in (None, *LISTS):
        raise UsageError(expected="the split train or test of SFEW", came=repr(split), remedy="name one of them")
    samples = _survey(Path(root)).complete()
    return [sample for sample in samples if split in (None, sample.split)]


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every picture that the lists name."""
    return _survey(Path(root)).inspect(progress=progress)


def _survey(root: Path) -> Survey[ExpressionSample]:
    missing: list[str] = []
    problems: list[str] = []
    samples: list[ExpressionSample] = []
    for split, word in LISTS.items():
        lists = sorted(path for path in root.glob("*.txt") if word in path.stem.lower())
        if len(lists) != 1:
            missing += [] if lists else [f"*{word}*.txt"]
            problems += [f"{len(lists)} lists with {word} in their name, one belongs there"] if lists else []
            continue
        try:
            samples += _rows(lists[0], root, split)
        except DataError as error:
            problems.append(str(error))
    gone = [sample for sample in samples if not sample.path.is_file()]
    homes: dict[str, set[Split | None]] = {}
    for sample in samples:
        homes.setdefault(sample.path.name, set()).add(sample.split)
    twice = [name for name, splits in homes.items() if len(splits) > 1]
    if twice:
        problems.append(several(twice, "picture in both lists", "pictures in both lists"))
    return Survey(
        set_name=NAME,
        root=root,
        samples=samples,
        counts=count_expressions(samples),
        published=FORMS,
        missing=[*missing, *(relative(sample.path, root) for sample in gone)],
        problems=problems,
        pictures=[sample.path for sample in samples if sample not in gone],
    )


def _rows(path: Path, root: Path, split: Split) -> list[ExpressionSample]:
    samples = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()[1:], start=2):
        if not line.strip():
            continue
        fields = line.split()
        code = int(fields[2]) if len(fields) == 4 and fields[2].isdigit() else -1
        expression = CODES.get(code)
        if expression is None or not fields[1].lower().startswith(expression[:3]):
            raise ProtocolMismatch(
                expected=f"No expression label path, word and code in agreement, in line {number} of {path.name}",
                came=line.strip()[:80],
                remedy="restore the list",
            )
        picture = _locate(fields[3], root)
        samples.append(
            ExpressionSample(
                identifier=f"{split}/{picture.stem}", subject="", expression=expression, path=picture, split=split
            )
        )
    if not samples:
        raise MissingFile(expected=f"rows in {path.name}", came="none", remedy="restore the list")
    return samples


def _locate(name: str, root: Path) -> Path:
    """Find a listed picture by the longest end of its path that is there; part/class/picture where none is."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    ends = [root.joinpath(*parts[start:]) for start in range(len(parts))]
    return next((path for path in ends if path.is_file()), root.joinpath(*parts[-3:]))
