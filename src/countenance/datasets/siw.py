"""SiW (Spoof in the Wild): clips of 165 people, live, printed and replayed.

Liu, Jourabloo and Liu 2018, "Learning Deep Models for Face Anti-Spoofing: Binary or Auxiliary Supervision", CVPR. A
file is called SUBJECT-SENSOR-TYPE-MEDIUM-SESSION, with underscores in the set's own description and hyphens on disk
(``Train/live/003/003-1-1-1-1.mov``; a few names carry a further ``.m``). Type 1 is live, 2 a print on one of two
papers, 3 a replay on one of four displays. Beside a clip lies a ``.face`` file with a box for each frame.

The set says 4,478 clips; bob.db.siw 0.0.2, from which the test subjects below are taken, lists 4,469 of them. Both
pass for published.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.clips import ClipReader
from countenance.datasets.drawn_card import CARD
from countenance.datasets.inspection import FileFindings, Inspection, inspect_files, relative, subjects_in_two, told
from countenance.datasets.samples import PresentationSample, count_presentations
from countenance.datasets.survey import Survey
from countenance.errors import MissingFile, ProtocolMismatch, UnreadableImage
from countenance.files import existing_file
from countenance.progress import Progress, unheard
from countenance.vocabulary import Modality, Presentation, Split

NAME = "siw"
SUFFIXES = frozenset({".mov", ".mp4"})
FOLDERS: Mapping[str, Split] = {"Train": Split.TRAIN, "Test": Split.TEST}
PARTS: Mapping[str, Presentation] = {"live": Presentation.BONA_FIDE, "spoof": Presentation.ATTACK}
PRINTS = ("print/1", "print/2")
REPLAYS = ("replay/1", "replay/2", "replay/3", "replay/4")
"""The species: a print's paper, a replay's display."""

_KINDS: Mapping[str, str] = {"1": "", "2": "print", "3": "replay"}
PUBLISHED_COUNTS: tuple[Mapping[str, int], ...] = (
    {"samples": 4_478, "train/subjects": 90, "test/subjects": 75},
    {
        "train/subjects": 90,
        "train/bona_fide": 714,
        "train/attack": 1_702,
        "test/subjects": 75,
        "test/bona_fide": 599,
        "test/attack": 1_454,
    },
)
TEST_SUBJECTS = frozenset(
    f"{number:03d}"
    for number in (
        1, 2, 4, 5, 8, 9, 10, 12, 13, 15, 18, 19, 20, 21, 23, 24, 25, 26, 27, 29, 31, 36, 37, 39, 43, 44,
        48, 49, 50, 52, 53, 57, 59, 61, 64, 65, 66, 67, 71, 73, 75, 79, 82, 83, 84, 85, 87, 88, 90, 94, 95,
        97, 102, 106, 108, 109, 110, 114, 116, 118, 122, 124, 125, 126, 130, 132, 137, 138, 139, 141, 142,
        153, 154, 158, 161
    )
)  # fmt: skip
"""The published split: these are in Test, the other 90 of 001 to 165 in Train."""

_FILE_NAME = re.compile(r"(\d{3})([-_])([12])\2([123])\2(\d)\2(\d)(\.m)?")


def read(root: str | os.PathLike[str]) -> list[PresentationSample]:
    """Read every clip of the set, with the published split; a species reads "print/1" or "replay/3" (its medium).

    Args:
        root: holds ``Train`` and ``Test``.

    Raises:
        MissingFile: a folder, a ``.face`` file, or a file that a drawn set's table names is not there.
        ProtocolMismatch: a name of another form, a clip in a folder that contradicts its name, a subject in Train and
            in Test, other subjects or counts than published (or, in a drawn set, than its card states).
    """
    return _survey(Path(root)).complete()


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Look at the whole tree; every clip is decoded to its end and compared with its boxes.

    Args:
        root: as for `read`.
        progress: called with (clips done, clips in all).
    """
    survey = _survey(Path(root))
    findings = inspect_files(survey.pictures, root=survey.root, read=_count_frames, progress=progress)
    survey = replace(survey, problems=[*survey.problems, *_problems_of_boxes(survey, findings)])
    return survey.inspect(findings=findings, progress=progress)


def read_boxes(path: str | os.PathLike[str]) -> NDArray[np.int64]:
    """Read a ``.face`` file.

    Returns:
        (T, 4) int64: left, top, right, bottom of the face in each frame, in pixels; four zeros where there is none.

    Raises:
        MissingFile: it is not there.
        ProtocolMismatch: a row that is not four whole numbers, or a box that is inside out.
    """
    source = existing_file(path, expected="a .face file of boxes")
    rows = source.read_text(encoding="utf-8", errors="replace").split("\n")
    boxes = []
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        cells = row.split()
        if len(cells) != 4 or not all(re.fullmatch(r"-?\d+", cell) for cell in cells):
            raise ProtocolMismatch(
                expected=f"x1 y1 x2 y2 in row {number} of {source.name}",
                came=repr(row.strip()[:60]),
                remedy="restore it",
            )
        boxes.append([int(cell) for cell in cells])
    found = np.array(boxes, dtype=np.int64).reshape(-1, 4)
    if np.any(found[:, 2:] < found[:, :2]):
        raise ProtocolMismatch(
            expected=f"boxes with x1 <= x2 and y1 <= y2 in {source.name}", came="one inside out", remedy="restore it"
        )
    return found


def boxes_beside(clip: Path) -> Path:
    """Return where the ``.face`` file of a clip lies (a name in ``.m`` may share it with its short form)."""
    own = clip.with_suffix(".face")
    short = clip.with_name(f"{clip.name.partition('.')[0]}.face")
    return own if own.is_file() or not short.is_file() else short


def _survey(base: Path) -> Survey[PresentationSample]:
    missing = [name for name in FOLDERS if not (base / name).is_dir()]
    samples, misplaced, nameless = [], [], []
    for path in _clips(base):
        sample = _sample(base, path)
        if sample is None:
            nameless.append(relative(path, base))
            continue
        samples.append(sample)
        _, part, folder, _ = path.relative_to(base).parts
        if PARTS[part] is not sample.presentation or folder != sample.subject:
            misplaced.append(relative(path, base))
    missing += [
        relative(boxes_beside(path), base)
        for path in (sample.paths[Modality.RGB] for sample in samples)
        if not boxes_beside(path).is_file()
    ]
    problems = [
        *subjects_in_two((str(sample.split), sample.subject) for sample in samples),
        *told(nameless, "clip with a name of another form", "clips with names of another form"),
        *told(misplaced, "clip in a folder that its name contradicts", "clips in folders that their names contradict"),
    ]
    if not (base / CARD).is_file():
        problems += _problems_of_subjects(samples)
    return Survey(
        set_name=NAME,
        root=base,
        samples=samples,
        counts=count_presentations(samples),
        published=PUBLISHED_COUNTS,
        missing=missing,
        problems=problems,
        pictures=[sample.paths[Modality.RGB] for sample in samples],
    )


def _clips(base: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for part in PARTS:
            yield from sorted(
                path
                for path in (base / folder / part).glob("*/*")
                if path.suffix.lower() in SUFFIXES and path.is_file()
            )


def _sample(base: Path, path: Path) -> PresentationSample | None:
    """Read what a clip's name says; None for a name of another form."""
    found = _FILE_NAME.fullmatch(path.stem)
    if not found:
        return None
    subject, sensor, kind, medium, session = found.group(1, 3, 4, 5, 6)
    return PresentationSample(
        identifier="-".join((subject, sensor, kind, medium, session)),
        subject=subject,
        presentation=Presentation.ATTACK if _KINDS[kind] else Presentation.BONA_FIDE,
        species=f"{_KINDS[kind]}/{medium}" if _KINDS[kind] else "",
        split=FOLDERS[path.relative_to(base).parts[0]],
        paths={Modality.RGB: path},
    )


def _problems_of_subjects(samples: list[PresentationSample]) -> list[str]:
    wrong = sorted({row.subject for row in samples if (row.subject in TEST_SUBJECTS) is not (row.split is Split.TEST)})
    return told(wrong, "subject in the other split than published", "subjects in the other split than published")


def _count_frames(path: Path) -> int:
    """Decode a clip to its end; return the number of its frames.

    Raises:
        MissingFile: no file is there.
        InputError: not a video, one without a frame, or one that breaks off.
    """
    timeline = ClipReader(path).timeline
    if timeline.truncated:
        raise UnreadableImage(
            expected="a clip that is whole",
            came=f"one that breaks off after {timeline.count} frames",
            remedy="copy it again",
        )
    return timeline.count


def _problems_of_boxes(survey: Survey[PresentationSample], findings: FileFindings) -> list[str]:
    broken, others = [], []
    for path, frames in findings.read.items():
        try:
            rows = len(read_boxes(boxes_beside(path)))
        except MissingFile:
            continue  # told as missing
        except ProtocolMismatch as error:
            broken.append(f"{relative(boxes_beside(path), survey.root)} ({error.expected}, not {error.came})")
            continue
        if rows != frames:
            others.append(f"{relative(path, survey.root)} ({rows} boxes, {frames} frames)")
    return [
        *told(broken, "broken .face file", "broken .face files"),
        *told(others, "clip with another number of boxes", "clips with another number of boxes"),
    ]
