"""A set of one's own: a CSV with a row for each presentation.

The columns are ``id,subject,presentation,species,split`` and one or more of ``rgb,infrared,depth``, in any order. A
path is relative to the CSV's folder; a presentation is bona_fide or attack; species is empty for bona fide; split is
train, development or test.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from countenance.datasets.inspection import (
    FileFindings,
    Inspection,
    inspect_files,
    picture_size,
    relative,
    subjects_in_two,
    told,
)
from countenance.datasets.samples import PresentationSample, count_presentations
from countenance.datasets.survey import Survey
from countenance.errors import ProtocolMismatch
from countenance.files import existing_file
from countenance.progress import Progress, unheard
from countenance.vocabulary import Modality, Presentation, Split

NAME = "manifest"
FILE = "manifest.csv"
COLUMNS = ("id", "subject", "presentation", "species", "split")


@dataclass(frozen=True)
class _Cells:
    """One row by column, and its line in the file."""

    line: int
    cells: Mapping[str, str]


def read(root: str | os.PathLike[str]) -> list[PresentationSample]:
    """Read every row, every file present.

    Args:
        root: the CSV, or a folder that holds `FILE`.

    Raises:
        MissingFile: the CSV or a file that it names is not there.
        ProtocolMismatch: a column that is missing, unknown or there twice, no path column, a row of another length, an
            unknown word, an attack without species or a bona fide row with one, an id or a file twice, a subject in
            two splits.
    """
    survey = _survey(Path(root))
    if survey.problems:
        raise ProtocolMismatch(
            expected="a manifest without faults",
            came=f"{len(survey.problems)}, the first: {survey.problems[0]}",
            remedy="mend the CSV",
        )
    return survey.complete()


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Look at every row and decode every picture.

    Args:
        root: as for `read`.
        progress: called with (pictures done, pictures in all).
    """
    survey = _survey(Path(root))
    findings = inspect_files(survey.pictures, root=survey.root, read=picture_size, progress=progress)
    return replace(survey, problems=[*survey.problems, *_sizes_that_differ(survey, findings)]).inspect(
        findings=findings
    )


def _survey(root: Path) -> Survey[PresentationSample]:
    path = root / FILE if root.is_dir() else root
    base = path.parent
    if not path.is_file():
        return Survey(set_name=NAME, root=base, samples=(), counts={"samples": 0}, missing=[path.name])
    rows, problems = _rows(existing_file(path))
    samples = []
    for row in rows:
        faults = _faults(row.cells)
        if faults:
            problems.append(f"line {row.line}: {'; '.join(faults)}")
        else:
            samples.append(_sample(base, row.cells))
    paths = [path for sample in samples for path in sample.paths.values()]
    for word, values in (("id", [row.cells["id"] for row in rows]), ("file", [relative(path, base) for path in paths])):
        twice = [value for value, number in Counter(values).items() if number > 1]
        problems += told(twice, f"{word} that stands there twice", f"{word}s that stand there twice")
    problems += subjects_in_two((str(sample.split), sample.subject) for sample in samples)
    return Survey(
        set_name=NAME,
        root=base,
        samples=samples,
        counts=count_presentations(samples),
        missing=[relative(path, base) for path in dict.fromkeys(paths) if not path.is_file()],
        problems=problems,
        pictures=paths,
    )


def _rows(path: Path) -> tuple[list[_Cells], list[str]]:
    """Take the CSV apart; return its rows, and what is wrong with its form."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if any(line)]
    except (UnicodeDecodeError, csv.Error) as error:
        return [], [f"{path.name} is not CSV in UTF-8: {error}"]
    header = lines[0][1] if lines else []
    known = (*COLUMNS, *Modality)
    faults = [f"no column {name}" for name in COLUMNS if name not in header]
    faults += [f"an unknown column {name!r}" for name in header if name not in known]
    faults += [f"the column {name} twice" for name in known if header.count(name) > 1]
    faults += [] if set(header) & set(Modality) else [f"no column of paths among {', '.join(Modality)}"]
    faults += [] if len(lines) > 1 else ["no row"]
    if faults:
        return [], [f"{path.name} has {'; '.join(faults)}"]
    uneven = [f"line {number} ({len(cells)})" for number, cells in lines if len(cells) != len(header)]
    rows = [
        _Cells(number, dict(zip(header, cells, strict=True)))
        for number, cells in lines[1:]
        if len(cells) == len(header)
    ]
    return rows, told(uneven, f"row without {len(header)} fields", f"rows without {len(header)} fields")


def _faults(cells: Mapping[str, str]) -> list[str]:
    faults = [f"{name} is empty" for name in ("id", "subject") if not cells[name]]
    for name, words in (("presentation", list(Presentation)), ("split", list(Split))):
        if cells[name] not in set(words):
            faults.append(f"{name} must be one of {', '.join(words)}, not {cells[name]!r}")
    if cells["presentation"] == Presentation.ATTACK and not cells["species"]:
        faults.append("an attack needs a species")
    if cells["presentation"] == Presentation.BONA_FIDE and cells["species"]:
        faults.append(f"a bona fide row has no species, not {cells['species']!r}")
    faults += [f"{modality} is empty" for modality in Modality if cells.get(modality) == ""]
    return faults


def _sample(base: Path, cells: Mapping[str, str]) -> PresentationSample:
    return PresentationSample(
        identifier=cells["id"],
        subject=cells["subject"],
        presentation=Presentation(cells["presentation"]),
        species=cells["species"],
        split=Split(cells["split"]),
        paths={modality: base / cells[modality] for modality in Modality if modality in cells},
    )


def _sizes_that_differ(survey: Survey[PresentationSample], findings: FileFindings) -> list[str]:
    sizes: Sequence[tuple[str, set[object]]] = [
        (row.identifier, {findings.read[path] for path in row.paths.values() if path in findings.read})
        for row in survey.samples
    ]
    differ = [name for name, found in sizes if len(found) > 1]
    return told(differ, "row with a modality of another size", "rows with a modality of another size")
