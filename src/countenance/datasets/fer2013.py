"""FER2013: 35,887 grey faces of 48 x 48 from the web, seven expressions.

Goodfellow et al. 2013, "Challenges in Representation Learning: A report on three machine learning contests", ICONIP.
The contest's table, `fer2013.csv` (`emotion,pixels,Usage`), holds 28,709 faces of Training, 3,589 of PublicTest and
3,589 of PrivateTest; it is also handed on as pictures, `train/CLASS/Training_N.jpg` and `test/CLASS/PublicTest_N.jpg`.
PublicTest is our development split, as its scores were open during the contest, PrivateTest our test split. FaceLiveNet
reports on PublicTest, and compares itself with scores on PrivateTest. The numbers N are not unique: two of Training
stand under two expressions each, with different faces.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.drawn_card import CARD
from countenance.datasets.expression_sequences import count_expressions
from countenance.datasets.inspection import (
    FileFindings,
    Inspection,
    different_counts,
    inspect_files,
    relative,
    several,
)
from countenance.datasets.samples import ExpressionSample
from countenance.datasets.survey import CARD_FILES, Survey
from countenance.errors import DataError, ProtocolMismatch
from countenance.images import read_plane
from countenance.progress import Progress, unheard
from countenance.vocabulary import Expression, Split

NAME = "fer2013"
TABLE, COLUMNS, SIDE = "fer2013.csv", "emotion,pixels,Usage", 48
CODES: Mapping[int, Expression] = {
    0: Expression.ANGRY,
    1: Expression.DISGUST,
    2: Expression.FEAR,
    3: Expression.HAPPY,
    4: Expression.SAD,
    5: Expression.SURPRISE,
    6: Expression.NEUTRAL,
}
USAGES = {"Training": Split.TRAIN, "PublicTest": Split.DEVELOPMENT, "PrivateTest": Split.TEST}
FACES = {
    "Training": (3_995, 436, 4_097, 7_215, 4_830, 3_171, 4_965),  # 28,709, in the order of CODES
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),  # 3,589
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),  # 3,589
}
PUBLISHED = {
    **{f"{USAGES[usage]}": sum(faces) for usage, faces in FACES.items()},
    **{
        f"{USAGES[usage]}/{expression}": number
        for usage, faces in FACES.items()
        for expression, number in zip(CODES.values(), faces, strict=True)
    },
}

_PARTS = {"Training": ("train",), "PublicTest": ("test", "validation"), "PrivateTest": ("test",)}
_CLASSES = {str(expression): expression for expression in CODES.values()} | {"surprised": Expression.SURPRISE}
_PICTURE = re.compile(rf"({'|'.join(USAGES)})_(\d+)\.(jpg|png)")


def read(root: str | os.PathLike[str], split: Split | None = None) -> list[ExpressionSample]:
    """Read one split, or the whole set, from the table where there is one, from pictures otherwise.

    Only what is asked for must be whole: many copies come without PrivateTest.

    Args:
        root: holds fer2013.csv, or folders of pictures.
        split: TRAIN (Training), DEVELOPMENT (PublicTest), TEST (PrivateTest), or None for all three.

    Raises:
        MissingFile: neither table nor pictures, or nothing of the split.
        ProtocolMismatch: a row of another form, or counts that are not the published ones.
    """
    return [sample for sample in _survey(Path(root), asked=split).complete() if split is None or sample.split is split]


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every face and compare the counts of every split and expression with the published ones."""
    base = Path(root)
    survey = _survey(base)
    if not (base / TABLE).is_file():
        findings = inspect_files(survey.pictures, root=base, progress=progress)
        other = [relative(path, base) for path, size in findings.read.items() if size != (SIDE, SIDE)]
        problems = [several(other, "picture is not 48 x 48", "pictures are not 48 x 48")] if other else []
        return replace(survey, problems=[*survey.problems, *problems]).inspect(findings=findings)
    unreadable = []
    for number, sample in enumerate(survey.samples, start=1):
        try:
            read_face(sample)
        except DataError as error:
            unreadable.append(f"{TABLE}: {sample.identifier}: {error.came}")
        progress(number, len(survey.samples))
    return survey.inspect(findings=FileFindings(unreadable=tuple(unreadable)))


def read_face(sample: ExpressionSample) -> NDArray[np.uint8]:
    """Decode one face, from a picture or out of the table.

    Returns:
        (48, 48) uint8, grey.

    Raises:
        InputError: a picture that cannot be decoded, or is in colour.
        ProtocolMismatch: a row without 48 x 48 numbers of 0 to 255, or a picture of another size.
    """
    if sample.offset is None:
        face = read_plane(sample.path)
        values = face.tobytes() if face.shape == (SIDE, SIDE) and face.dtype == np.uint8 else b""
    else:
        with sample.path.open("rb") as file:
            file.seek(sample.offset)
            cells = file.readline().rpartition(b",")[0].partition(b",")[2].strip(b'" ').split()
        try:
            values = bytes(map(int, cells))
        except ValueError:
            values = b""
    if len(values) != SIDE * SIDE:
        raise ProtocolMismatch(
            expected=f"{SIDE} x {SIDE} greys of 0 to 255 for {sample.identifier}",
            came=f"{len(values) or 'something else'}",
            remedy="restore the file",
        )
    return np.frombuffer(values, np.uint8).reshape(SIDE, SIDE)


def _survey(root: Path, *, asked: Split | None = None) -> Survey[ExpressionSample]:
    """Read what is there; what is missing or miscounted matters only in the split that is asked for."""
    problems: list[str] = []
    samples: list[ExpressionSample] = []
    try:
        samples, problems = _of_table(root / TABLE) if (root / TABLE).is_file() else _of_pictures(root)
    except DataError as error:
        problems.append(str(error))
    counts = count_expressions(samples)
    missing: list[str] = []
    for usage, faces in FACES.items():
        split = USAGES[usage]
        if asked not in (None, split) or (root / CARD).is_file():
            continue
        if split not in counts:
            missing.append(f"{usage}: all {sum(faces):,} faces")
            continue
        published = {key: number for key, number in PUBLISHED.items() if key.split("/")[0] == split}
        problems += different_counts(counts, published, source="published")
    return Survey(
        set_name=NAME,
        root=root,
        samples=samples,
        counts=counts,
        missing=missing,
        problems=problems,
        pictures=[] if (root / TABLE).is_file() else [sample.path for sample in samples],
    )


def _of_table(path: Path) -> tuple[list[ExpressionSample], list[str]]:
    """Read emotion and usage of every row, not its pixels."""
    samples, wrong = [], []
    with path.open("rb") as file:
        header = file.readline()
        if header.strip().decode(errors="replace") != COLUMNS:
            raise ProtocolMismatch(
                expected=f"the columns {COLUMNS} in {TABLE}", came=repr(header[:80]), remedy="restore the table"
            )
        offset = len(header)
        for number, line in enumerate(file, start=2):
            emotion, _, rest = line.decode(errors="replace").strip().partition(",")
            usage = rest.rpartition(",")[2].strip()
            if usage in USAGES and emotion in map(str, CODES):
                samples.append(
                    ExpressionSample(
                        identifier=f"{usage}_{number}",
                        subject="",
                        expression=CODES[int(emotion)],
                        path=path,
                        split=USAGES[usage],
                        offset=offset,
                    )
                )
            else:
                wrong.append(f"line {number}")
            offset += len(line)
    return samples, [several(wrong, f"row of {TABLE} is no {COLUMNS}", f"rows of {TABLE} are no {COLUMNS}")][
        : len(wrong)
    ]


def _of_pictures(root: Path) -> tuple[list[ExpressionSample], list[str]]:
    """Walk PART/CLASS/USAGE_N.jpg."""
    names = (
        relative(path, root) for part in sorted(root.glob("*")) for path in sorted(part.rglob("*")) or [part]
        if path.is_file() and path.name not in CARD_FILES
    )  # fmt: skip
    samples, strangers = samples_of_names(names, root)
    words = ("file that the layout has no place for", "files that the layout has no place for")
    return samples, [several(strangers, *words)] if strangers else []


def samples_of_names(names: Iterable[str], root: Path) -> tuple[list[ExpressionSample], list[str]]:
    """Read splits and expressions off the names of pictures, which need not be there.

    Args:
        names: such as "train/angry/Training_3908.jpg", below `root`.
        root: of the set.

    Returns:
        The samples, and the names that the layout has no place for.
    """
    samples: list[ExpressionSample] = []
    strangers: list[str] = []
    for name in names:
        part, folder, picture = [*name.split("/"), "", ""][:3]
        match = _PICTURE.fullmatch(picture)
        expression = _CLASSES.get(folder.lower())
        if match is None or expression is None or name.count("/") != 2 or part.lower() not in _PARTS[match[1]]:
            strangers.append(name)
            continue
        samples.append(
            ExpressionSample(
                identifier=f"{folder.lower()}/{match[1]}_{match[2]}",
                subject="",
                expression=expression,
                path=root / name,
                split=USAGES[match[1]],
            )
        )
    return samples, strangers
