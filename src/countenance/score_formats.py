"""Score files of others: bob's CSV, the CASIA-SURF challenge's text lines, and published per-view tables.

Sources: bob.pad.base (``claimed_id,test_label,is_bonafide,attack_type,sample_n,score``); the ChaLearn face
anti-spoofing challenge 2019 (``color depth infrared score``, labels in a list of the same rows, 1 = bona fide); the
score tables that VisionLabs published beside its winning networks (a column per view, rows in the order of the list).
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from countenance.errors import EmptyScores, MalformedScores, ProtocolMismatch, UsageError
from countenance.files import existing_file, write_atomically
from countenance.scores import (
    COMPARISON_COLUMNS,
    PRESENTATION_COLUMNS,
    ComparisonTable,
    FlagColumn,
    PresentationTable,
    TextColumn,
    label_in,
    number_in,
    presentation_table,
    read_rows,
    read_table,
    read_text,
    refuse_windows_line_ends,
    score_cells,
    text,
    write_rows,
)

BOB_COLUMNS = ("claimed_id", "test_label", "is_bonafide", "attack_type", "sample_n", "score")
_BOB_LABELS = {"True": True, "False": False, "1": True, "0": False}
_CASIA_SURF_FOLDER = re.compile(r"(?P<part>fake|real)_part/(?P<subject>[^/]+)/(?P<species>[^/]+)\.rssdk/")


@dataclass(frozen=True, eq=False)
class LabelList:
    """The rows that score files without labels refer to.

    Attributes:
        identifiers: (N,) the three paths of a row, colour, depth and infrared, joined by spaces.
        is_bona_fide: (N,) the label.
        subjects: (N,) read from the path where the layout names it, else "".
        species: (N,) likewise, of the attacks.
    """

    identifiers: TextColumn
    is_bona_fide: FlagColumn
    subjects: TextColumn
    species: TextColumn

    def table(self, scores: Sequence[float]) -> PresentationTable:
        """Join one score per row to the labels.

        Raises:
            ProtocolMismatch: another number of scores than rows.
        """
        if len(scores) != len(self.identifiers):
            raise ProtocolMismatch(
                expected=f"{len(self.identifiers)} scores, one for each row of the label list",
                came=str(len(scores)),
                remedy="name the label list that these scores were made for",
            )
        return presentation_table(
            identifiers=self.identifiers,  # type: ignore[arg-type]  # an array of text is a sequence of text
            is_bona_fide=self.is_bona_fide,
            scores=scores,
            subjects=self.subjects,  # type: ignore[arg-type]
            species=self.species,  # type: ignore[arg-type]
        )


def read_label_list(path: str | os.PathLike[str], *, bona_fide_label: str = "1") -> LabelList:
    """Read a CASIA-SURF label list: three paths and a label, separated by spaces, or as CSV with a header.

    Args:
        path: the list; ``rgb,depth,ir,label`` as VisionLabs published it, or the organisers' lines.
        bona_fide_label: "1" in the challenge and in VisionLabs' lists; "0" in the organisers' later protocol files.

    Raises:
        MissingFile: no such file.
        MalformedScores: a row of another form, a label that is neither 1 nor 0, or one that its own path contradicts.
        EmptyScores: no row.
    """
    if bona_fide_label not in {"0", "1"}:
        raise UsageError(
            expected="1 or 0 as the bona fide label", came=repr(bona_fide_label), remedy="name one of them"
        )
    source = existing_file(path, expected="a label list")
    rows = [re.split(r"[,\s]+", line.strip()) for line in read_text(source).splitlines() if line.strip()]
    if rows and rows[0][-1] == "label":
        rows = rows[1:]
    if not rows:
        raise EmptyScores(expected=f"a row in {source.name}", came="none", remedy="name the label list")
    known = {bona_fide_label: True, "01".replace(bona_fide_label, ""): False}
    labels = []
    for number, row in enumerate(rows, start=1):
        if len(row) != 4:
            raise MalformedScores(
                expected=f"three paths and a label in row {number} of {source.name}",
                came=f"{len(row)} fields",
                remedy="name a labelled list (the challenge's public lists have no labels)",
            )
        labels.append(label_in(row[3], known, where=f"as label in row {number} of {source.name}"))
    folders = [_CASIA_SURF_FOLDER.search(row[0]) for row in rows]
    for row, label, folder in zip(rows, labels, folders, strict=True):
        if folder and (folder["part"] == "real") != label:
            raise MalformedScores(
                expected=f"the label of {folder['part']}_part for {row[0]} in {source.name}",
                came=f"{row[3]}, read with {bona_fide_label} for bona fide",
                remedy="mend the label, or name the other bona fide label (the organisers' later lists turn it round)",
            )
    return LabelList(
        identifiers=text([" ".join(row[:3]) for row in rows]),
        is_bona_fide=np.array(labels),
        subjects=text([found["subject"] if found else "" for found in folders]),
        species=text(
            ["" if real or not found else found["species"] for found, real in zip(folders, labels, strict=True)]
        ),
    )


def read_challenge(path: str | os.PathLike[str], labels: LabelList) -> PresentationTable:
    """Read a challenge submission: a line ``color depth infrared score`` for each row of the list, in its order.

    Raises:
        EmptyScores: no line.
        ProtocolMismatch: another number of lines than the list, or a line that names other files than its row.
        MalformedScores: a line of another form, one without a score, or Windows line ends.
        NonFiniteScore: a NaN or an infinity.
    """
    source = existing_file(path, expected="a score file")
    content = read_text(source)
    refuse_windows_line_ends(source, content)
    lines = [line.rsplit(maxsplit=1) for line in content.splitlines() if line.strip()]
    if not lines:
        raise EmptyScores(expected=f"a line in {source.name}", came="none", remedy="check that scoring wrote its file")
    scores = []
    for number, line in enumerate(lines, start=1):
        if len(line) != 2:
            raise MalformedScores(
                expected=f"three paths and a score in line {number} of {source.name}",
                came=" ".join(line),
                remedy="write a line for each row of the list",
            )
        scores.append(number_in(line[1], where=f"in line {number} of {source.name}"))
    table = labels.table(scores)
    names = text([" ".join(line[0].split()) for line in lines])
    differ = np.flatnonzero(names != labels.identifiers)
    if len(differ):
        raise ProtocolMismatch(
            expected=f"line {differ[0] + 1} of {source.name} to name {labels.identifiers[differ[0]]}",
            came=str(names[differ[0]]),
            remedy="keep the order and the paths of the label list",
        )
    return table


def read_views(path: str | os.PathLike[str], labels: LabelList) -> PresentationTable:
    """Read a published table with a column for each view of a sample (crop, mirror image) and average the views.

    Raises:
        ProtocolMismatch: another number of rows than the list.
        MalformedScores: a cell that is not a number.
    """
    source, header, rows = read_rows(path)
    views = [
        [number_in(cell, where=f"in row {number} of {source.name}") for cell in row]
        for number, row in enumerate(rows, 2)
    ]
    if not np.isfinite(views).all():
        raise MalformedScores(
            expected=f"a score in each of the columns {','.join(header)} of {source.name}",
            came="an empty field",
            remedy="score every view",
        )
    return labels.table(np.mean(views, axis=1).tolist())


def read_bob(path: str | os.PathLike[str], *, nan_means_no_response: bool = False) -> PresentationTable:
    """Read a score file of bob.pad.base.

    Args:
        path: CSV with the columns `BOB_COLUMNS`; bob's own writer ends its lines the Windows way, which is read too.
        nan_means_no_response: a failure to acquire is an empty cell where pandas wrote the file, and is no response
            either way; where it is spelled NaN, True reads it so and False refuses it.

    Raises:
        ScoreError: a missing column, an unknown label, a duplicated label, a NaN or an infinity.
    """
    source, header, rows = read_rows(path)
    missing = [name for name in BOB_COLUMNS if name not in header and name != "sample_n"]
    if missing:
        raise MalformedScores(
            expected=f"bob's columns {','.join(BOB_COLUMNS)} in {source.name}",
            came=f"none called {', '.join(missing)}",
            remedy="export the file with bob.pad.base's CSV writer",
        )
    column = {name: [row[header.index(name)] for row in rows] for name in BOB_COLUMNS if name in header}
    cells = column["score"]
    if nan_means_no_response:
        cells = ["" if cell.strip().lower() == "nan" else cell for cell in cells]
    scores = np.array([number_in(cell, where=f"in row {n} of {source.name}") for n, cell in enumerate(cells, 2)])
    bona_fide = np.array(
        [
            label_in(cell, _BOB_LABELS, where=f"in row {n} of {source.name}")
            for n, cell in enumerate(column["is_bonafide"], 2)
        ]
    )
    if len(set(column["test_label"])) < len(rows):
        raise MalformedScores(
            expected=f"each test_label once in {source.name}",
            came="a row per frame, or a label twice",
            remedy="average the frames of a presentation first (bob pad finalize-scores)",
        )
    kinds = zip(bona_fide, column["attack_type"], strict=True)
    species = ["" if real or kind == "None" else kind for real, kind in kinds]
    return PresentationTable(
        identifiers=text(column["test_label"]),
        is_positive=bona_fide,
        scores=scores,
        responded=~np.isnan(scores),
        subjects=text(column["claimed_id"]),
        species=text(species),
        splits=text([""] * len(rows)),
    )


def write_bob(table: PresentationTable, path: str | os.PathLike[str]) -> Path:
    """Write `table` as bob.pad.base reads it; no response becomes NaN there."""
    columns = [
        table.subjects.tolist(),
        table.identifiers.tolist(),
        [str(real) for real in table.is_positive.tolist()],
        table.species.tolist(),
        ["1"] * len(table),
        score_cells(table, no_response="nan"),
    ]
    return write_rows(path, BOB_COLUMNS, columns)


def write_challenge(table: PresentationTable, path: str | os.PathLike[str]) -> Path:
    """Write `table` as a challenge submission; the identifiers must be the three paths of `LabelList`.

    Raises:
        UsageError: an identifier of another form, or a row without a response, which the format cannot say.
    """
    names = table.identifiers.tolist()
    unfit = [
        f"no response of {name!r}" if not responded else repr(name)
        for name, responded in zip(names, table.responded, strict=True)
        if not responded or len(name.split()) != 3 or " ".join(name.split()) != name
    ]
    if unfit:
        raise UsageError(
            expected="identifiers of three paths (color depth infrared) and a score in each row",
            came=unfit[0],
            remedy="write this table as our CSV instead",
        )
    lines = [f"{name} {score}\n" for name, score in zip(names, score_cells(table), strict=True)]
    return write_atomically(path, "".join(lines))


def read_scores(
    path: str | os.PathLike[str], *, labels: LabelList | None = None, nan_means_no_response: bool = False
) -> PresentationTable | ComparisonTable:
    """Read a score file of any known format; its first line tells which.

    Args:
        path: our CSV, bob's CSV, challenge lines, or a table of views.
        labels: the rows that challenge lines and tables of views refer to.
        nan_means_no_response: see `read_bob`.

    Raises:
        ScoreError: nothing honest can be read from the file.
        UsageError: the file carries no labels and no list was given.
        MissingFile: no such file.
    """
    source = existing_file(path, expected="a score table")
    first = read_text(source).lstrip().partition("\n")[0].strip()
    header = {name.strip() for name in first.split(",")}
    if not first or header & {*PRESENTATION_COLUMNS[2:5], *COMPARISON_COLUMNS[1:5], "id"}:
        return read_table(source)
    if header & set(BOB_COLUMNS[:4]):
        return read_bob(source, nan_means_no_response=nan_means_no_response)
    if labels is None:
        raise UsageError(
            expected=f"a header such as {','.join(PRESENTATION_COLUMNS)} in {source.name}, or a label list",
            came=repr(first[:60]),
            remedy="name the list of labels with --labels, or add the header",
        )
    return read_views(source, labels) if "," in first else read_challenge(source, labels)
