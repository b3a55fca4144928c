"""Score tables: the narrow waist between what makes scores and what judges them.

A row is one presentation or one comparison. A score is higher when the row is more genuine: more bona fide, or more
alike. Every way in refuses a NaN and an infinity; a presentation to which the system gave no response at all is
written with an empty score and is counted apart (ISO/IEC 30107-3: APNRR, BPNRR).
"""

import csv
import hashlib
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from countenance.errors import EmptyScores, MalformedScores, NonFiniteScore, ProtocolMismatch
from countenance.files import existing_file, write_atomically
from countenance.vocabulary import Presentation, Split

TextColumn = NDArray[np.str_]
FlagColumn = NDArray[np.bool_]
ScoreColumn = NDArray[np.float64]

PRESENTATION_COLUMNS = ("id", "subject", "presentation", "species", "split", "score")
COMPARISON_COLUMNS = ("id", "reference", "probe", "mated", "fold", "score")


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTable:
    """What presentations and comparisons have in common.

    Attributes:
        identifiers: (N,) unique names of the rows.
        is_positive: (N,) True for bona fide or mated rows.
        scores: (N,) higher = more genuine; NaN exactly where `responded` is False.
        responded: (N,) False where the system gave no response.

    Raises:
        EmptyScores: no row.
        MalformedScores: columns of different lengths, or an identifier twice.
        NonFiniteScore: a NaN or an infinity in a row that did respond, or a score in one that did not.
    """

    identifiers: TextColumn
    is_positive: FlagColumn
    scores: ScoreColumn
    responded: FlagColumn

    def __post_init__(self) -> None:
        rows = len(self.identifiers)
        if rows == 0:
            raise EmptyScores(expected="at least one row", came="none", remedy="check that scoring wrote its table")
        for field in fields(self):
            if len(getattr(self, field.name)) != rows:
                raise MalformedScores(
                    expected=f"{rows} values in column {field.name}, one for each row",
                    came=str(len(getattr(self, field.name))),
                    remedy="pass columns of one length",
                )
        names, counts = np.unique(self.identifiers, return_counts=True)
        if len(names) != rows:
            most = int(np.argmax(counts))
            raise MalformedScores(
                expected="each id once",
                came=f"{str(names[most])!r} {counts[most]} times",
                remedy="give each row its own id, or average repeated rows first",
            )
        wrong = np.flatnonzero(np.where(self.responded, ~np.isfinite(self.scores), ~np.isnan(self.scores)))
        if len(wrong):
            raise NonFiniteScore(
                expected="a finite score in each row",
                came=f"{self.scores[wrong[0]]} for id {str(self.identifiers[wrong[0]])!r}",
                remedy="mend the scores; for a row without a response leave the score empty",
            )

    def __len__(self) -> int:
        return len(self.identifiers)

    @property
    def positives(self) -> ScoreColumn:
        """Scores of the bona fide or mated rows that responded, unsorted."""
        return self.scores[self.is_positive & self.responded]

    @property
    def negatives(self) -> ScoreColumn:
        """Scores of the attack or non-mated rows that responded, unsorted."""
        return self.scores[~self.is_positive & self.responded]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the multiset of (class, score): the same whatever the rows are called or how they are sorted.

        It is how a threshold is recognised as having been chosen on these very scores.
        """
        return _digest_of(self.positives, self.negatives)

    @cached_property
    def positive_digest(self) -> str:
        """`digest` of the bona fide or mated rows alone, by which a threshold that these alone chose is recognised."""
        return _digest_of(self.positives, self.negatives[:0])

    def repeats(self, other: "ScoreTable") -> bool:
        """Tell whether `other` holds nearly all of these scores: the same rows renamed, rounded, or a few left out.

        At least nine in ten of the distinct (class, score) in single precision recur. Tables of fewer than 20 distinct
        scores, or whose scores are so coarse that fewer than half are distinct, coincide by chance: of these only the
        digest tells.
        """
        ours, theirs = self._coarse(), other._coarse()
        if self.digest == other.digest:
            return True
        return len(ours) >= max(20, len(self) / 2) and len(ours & theirs) >= 0.9 * len(ours)

    def _coarse(self) -> set[tuple[bool, float]]:
        return {
            (positive, score)
            for positive, part in ((True, self.positives), (False, self.negatives))
            for score in part.astype(np.float32).tolist()
        }

    def select(self, rows: FlagColumn) -> Self:
        """Return the rows where `rows` (N,) is True, as a table of the same kind."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, kw_only=True, eq=False)
class PresentationTable(ScoreTable):
    """A row per presentation; positive means bona fide.

    Attributes:
        subjects: (N,) who presented, or "" where it is not known; intervals are drawn over subjects.
        species: (N,) the presentation attack instrument species of an attack, or "" where it is not known.
        splits: (N,) `Split` values, or "".

    Raises:
        MalformedScores: a bona fide row that names a species, or an unknown split.
    """

    subjects: TextColumn
    species: TextColumn
    splits: TextColumn

    def __post_init__(self) -> None:
        super().__post_init__()
        contradictions = np.flatnonzero(self.is_positive & (self.species != ""))
        if len(contradictions):
            row = contradictions[0]
            raise MalformedScores(
                expected="no species in a bona fide row",
                came=f"{str(self.species[row])!r} for id {str(self.identifiers[row])!r}",
                remedy="label the row as an attack, or empty its species",
            )
        for split in np.unique(self.splits):
            if split not in {"", *Split}:
                raise MalformedScores(
                    expected=f"a split among {', '.join(Split)} or nothing", came=repr(str(split)), remedy="rename it"
                )

    @property
    def groups(self) -> TextColumn:
        """The unit that is resampled for intervals: the subject."""
        return self.subjects


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonTable(ScoreTable):
    """A row per comparison; positive means mated.

    Attributes:
        references: (N,) names of the reference templates.
        probes: (N,) names of the probes.
        folds: (N,) the cross-validation fold of the row, or "".
    """

    references: TextColumn
    probes: TextColumn
    folds: TextColumn

    @property
    def groups(self) -> TextColumn:
        """The unit that is resampled for intervals: the reference template."""
        return self.references


def presentation_table(
    *,
    identifiers: Sequence[str],
    is_bona_fide: Sequence[bool] | FlagColumn,
    scores: Sequence[float] | ScoreColumn,
    subjects: Sequence[str] | None = None,
    species: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
) -> PresentationTable:
    """Build a table of presentations that all received a score; see `PresentationTable` for the columns.

    >>> table = presentation_table(identifiers=["a", "b"], is_bona_fide=[True, False], scores=[0.9, 0.2])
    >>> table.positives.tolist(), table.negatives.tolist()
    ([0.9], [0.2])
    """
    blank = [""] * len(identifiers)
    return PresentationTable(
        identifiers=text(identifiers),
        is_positive=np.asarray(is_bona_fide, dtype=bool),
        scores=np.asarray(scores, dtype=np.float64),
        responded=np.ones(len(scores), dtype=bool),
        subjects=text(blank if subjects is None else subjects),
        species=text(blank if species is None else species),
        splits=text(blank if splits is None else splits),
    )


def comparison_table(
    *,
    identifiers: Sequence[str],
    references: Sequence[str],
    probes: Sequence[str],
    is_mated: Sequence[bool] | FlagColumn,
    scores: Sequence[float] | ScoreColumn,
    folds: Sequence[str] | None = None,
) -> ComparisonTable:
    """Build a table of comparisons that all received a score; see `ComparisonTable` for the columns."""
    return ComparisonTable(
        identifiers=text(identifiers),
        is_positive=np.asarray(is_mated, dtype=bool),
        scores=np.asarray(scores, dtype=np.float64),
        responded=np.ones(len(scores), dtype=bool),
        references=text(references),
        probes=text(probes),
        folds=text([""] * len(identifiers) if folds is None else folds),
    )


def _digest_of(positives: ScoreColumn, negatives: ScoreColumn) -> str:
    content = hashlib.sha256()
    for part in (positives, negatives):
        content.update(len(part).to_bytes(8, "little"))
        content.update((np.sort(part) + 0.0).astype("<f8").tobytes())  # -0.0 and 0.0 are one score: both are 0.0
    return content.hexdigest()


Table = TypeVar("Table", bound=ScoreTable)


def mean_of(tables: Sequence[Table]) -> Table:
    """Average several score tables of the same rows, row by row (an ensemble's score is the mean of its members').

    A row responds when every member responded to it.

    Raises:
        EmptyScores: no table.
        ProtocolMismatch: the tables differ in length, in any column but the score.
    """
    if not tables:
        raise EmptyScores(expected="at least one score table", came="none", remedy="name the tables to average")
    first = tables[0]
    for number, table in enumerate(tables[1:], start=2):
        if type(table) is not type(first) or len(table) != len(first):
            raise ProtocolMismatch(
                expected=f"{len(first)} rows in each score file, as in the first",
                came=f"{len(table)} rows of {type(table).__name__} in file {number}",
                remedy="average only files that score the same list with the same protocol",
            )
        for name in (field.name for field in fields(first) if field.name not in {"scores", "responded"}):
            column, ours = getattr(table, name), getattr(first, name)
            differ = np.flatnonzero(column != ours)
            if len(differ):
                raise ProtocolMismatch(
                    expected=f"{name} of row {differ[0] + 1} to be {str(ours[differ[0]])!r} as in the first file",
                    came=f"{str(column[differ[0]])!r} in file {number}",
                    remedy="sort the files alike, and score them against one label list",
                )
    return replace(
        first,
        scores=np.sum([table.scores / len(tables) for table in tables], axis=0),  # no sum of large scores overflows
        responded=np.all([table.responded for table in tables], axis=0),
    )


def text(values: Sequence[str] | TextColumn) -> TextColumn:
    """Return `values` as a column of text."""
    return np.asarray(values, dtype=np.str_)


def read_rows(path: str | os.PathLike[str]) -> tuple[Path, list[str], list[list[str]]]:
    """Read a CSV file as a header and rows, whatever its columns mean.

    Returns:
        The path, the header, and the rows that are not blank.

    Raises:
        MissingFile: no such file.
        EmptyScores: an empty file, or a header without a row.
        MalformedScores: not UTF-8 text, broken quotes, a column twice, or a row with too few or too many fields.
    """
    source = existing_file(path, expected="a score table")
    reader = csv.reader(io.StringIO(read_text(source), newline=""), strict=True)
    try:
        lines = [line for line in reader if line]
    except csv.Error as error:
        raise MalformedScores(
            expected=f"CSV in {source.name}", came=f"{error} (line {reader.line_num})", remedy="mend the quotes"
        ) from error
    if len(lines) < 2:
        raise EmptyScores(
            expected=f"a header and at least one row in {source.name}",
            came="an empty file" if not lines else "0 rows",
            remedy="check that scoring wrote its table",
        )
    header, rows = [name.strip() for name in lines[0]], lines[1:]
    if len(set(header)) != len(header):
        raise MalformedScores(
            expected=f"each column once in {source.name}", came=",".join(header), remedy="name the columns apart"
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise MalformedScores(
                expected=f"{len(header)} fields in row {number} of {source.name}",
                came=str(len(row)),
                remedy="mend the row; a field that holds a comma needs quotes",
            )
    return source, header, rows


def read_text(source: Path) -> str:
    """Read UTF-8 text (a byte order mark is dropped), keeping its line ends.

    Raises:
        MalformedScores: the bytes are not UTF-8, or hold a NUL.
    """
    try:
        content = source.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedScores(
            expected=f"UTF-8 text in {source.name}",
            came=f"byte {error.object[error.start]:#x}",
            remedy="export as UTF-8",
        ) from error
    if "\0" in content:
        raise MalformedScores(expected=f"text in {source.name}", came="a NUL byte", remedy="export it as CSV")
    return content


def refuse_windows_line_ends(source: Path, content: str) -> None:
    """Refuse CRLF: a table's bytes are quoted by digest, so they have one form.

    Raises:
        MalformedScores: a carriage return.
    """
    if "\r" in content:
        raise MalformedScores(
            expected=f"Unix line ends (LF) in {source.name}",
            came="Windows line ends (CR LF)",
            remedy=f"convert the file, for example with: sed -i 's/\\r$//' {source.name}",
        )


def number_in(cell: str, *, where: str) -> float:
    """Parse one score; an empty cell is NaN, meaning no response.

    Raises:
        MalformedScores: not a number.
        NonFiniteScore: a NaN or an infinity is written there.
    """
    if not cell.strip():
        return math.nan
    try:
        value = float(cell.replace("_", "no digit"))  # Python reads 1_0 as ten
    except ValueError as error:
        raise MalformedScores(expected=f"a number as score {where}", came=repr(cell), remedy="mend the row") from error
    if not math.isfinite(value):
        raise NonFiniteScore(
            expected=f"a finite score {where}",
            came=cell.strip(),
            remedy="mend the scores; for a row without a response leave the score empty",
        )
    return value


def label_in(cell: str, labels: Mapping[str, bool], *, where: str) -> bool:
    """Look up one label.

    Raises:
        MalformedScores: a label that the format does not know.
    """
    try:
        return labels[cell.strip()]
    except KeyError as error:
        known = " or ".join(labels)
        raise MalformedScores(expected=f"{known} {where}", came=repr(cell), remedy="mend the label") from error


def read_table(path: str | os.PathLike[str]) -> PresentationTable | ComparisonTable:
    """Read one of our own score tables; its header tells which kind it is.

    Raises:
        ScoreError: see `ScoreTable`; also an unknown label, a missing column or Windows line ends.
        MissingFile: no such file.
    """
    source, header, rows = read_rows(path)
    wanted = COMPARISON_COLUMNS if {"mated", "probe", "reference"} & set(header) else PRESENTATION_COLUMNS
    missing = [name for name in wanted if name not in header]
    if missing:
        raise MalformedScores(
            expected=f"the columns {','.join(wanted)} in {source.name}",
            came=f"{','.join(header)} (without {', '.join(missing)})",
            remedy="add the column; a field may be empty where it is not known",
        )
    refuse_windows_line_ends(source, read_text(source))
    column = {name: [row[header.index(name)] for row in rows] for name in wanted}
    scores = np.array(
        [number_in(cell, where=f"in row {number} of {source.name}") for number, cell in enumerate(column["score"], 2)]
    )
    if wanted is COMPARISON_COLUMNS:
        return ComparisonTable(
            identifiers=text(column["id"]),
            is_positive=_labels(column["mated"], {"1": True, "0": False}, source),
            scores=scores,
            responded=~np.isnan(scores),
            references=text(column["reference"]),
            probes=text(column["probe"]),
            folds=text(column["fold"]),
        )
    return PresentationTable(
        identifiers=text(column["id"]),
        is_positive=_labels(column["presentation"], {Presentation.BONA_FIDE: True, Presentation.ATTACK: False}, source),
        scores=scores,
        responded=~np.isnan(scores),
        subjects=text(column["subject"]),
        species=text(column["species"]),
        splits=text(column["split"]),
    )


def _labels(cells: Sequence[str], labels: Mapping[str, bool], source: Path) -> FlagColumn:
    return np.array([label_in(cell, labels, where=f"in row {n} of {source.name}") for n, cell in enumerate(cells, 2)])


def write_table(table: PresentationTable | ComparisonTable, path: str | os.PathLike[str]) -> Path:
    """Write `table` as our CSV, atomically; reading it back gives the same scores to the last bit."""
    if isinstance(table, ComparisonTable):
        header: tuple[str, ...] = COMPARISON_COLUMNS
        labels = np.where(table.is_positive, "1", "0")
        columns = [table.identifiers, table.references, table.probes, labels, table.folds]
    else:
        header = PRESENTATION_COLUMNS
        labels = np.where(table.is_positive, str(Presentation.BONA_FIDE), str(Presentation.ATTACK))
        columns = [table.identifiers, table.subjects, labels, table.species, table.splits]
    return write_rows(path, header, [*(column.tolist() for column in columns), score_cells(table)])


def score_cells(table: ScoreTable, *, no_response: str = "") -> list[str]:
    """Return the scores as text that reads back exactly; `no_response` stands where there is none."""
    rows = zip(table.scores.tolist(), table.responded, strict=True)
    return [repr(score) if there else no_response for score, there in rows]


def write_rows(path: str | os.PathLike[str], header: Sequence[str], columns: Sequence[Sequence[str]]) -> Path:
    """Write columns as CSV with Unix line ends, atomically.

    Raises:
        MalformedScores: a carriage return or a NUL in a cell, which no reader of ours would take back.
        UsageError: the place cannot be written to.
    """
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))
    for character, name in (("\r", "a carriage return"), ("\0", "a NUL")):
        if character in content.getvalue():
            raise MalformedScores(expected="plain text in every cell", came=name, remedy="rename the rows")
    return write_atomically(path, content.getvalue())
