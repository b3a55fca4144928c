"""OuluCASIA: posed expressions before a visible-light camera, here under strong light.

Zhao, Huang, Taini, Li and Pietikäinen 2011, "Facial Expression Recognition from Near-Infrared Videos", Image and Vision
Computing 29(9): 80 people, six expressions each, from neutral to apex, `VL/Strong/P001/Anger/000.jpeg` and on. The
usage of FaceLiveNet and others: frame 000 is neutral, the last three frames show the expression, 240 of each.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from countenance.datasets.expression_sequences import APEX_FRAMES, count_expressions, sequence_samples
from countenance.datasets.identity_folders import walk_identities
from countenance.datasets.inspection import Inspection, relative, several
from countenance.datasets.samples import ExpressionSample
from countenance.datasets.subject_folds import subject_folds
from countenance.datasets.survey import Survey
from countenance.errors import MissingFile, ProtocolMismatch
from countenance.files import existing_file
from countenance.progress import Progress, unheard
from countenance.vocabulary import Expression

NAME = "oulu-casia"
CODES: Mapping[int, Expression] = {
    0: Expression.ANGRY,
    1: Expression.DISGUST,
    2: Expression.FEAR,
    3: Expression.HAPPY,
    4: Expression.SAD,
    5: Expression.SURPRISE,
}
FOLDERS: Mapping[str, Expression] = {
    "Anger": Expression.ANGRY,
    "Disgust": Expression.DISGUST,
    "Fear": Expression.FEAR,
    "Happiness": Expression.HAPPY,
    "Sadness": Expression.SAD,
    "Surprise": Expression.SURPRISE,
}
AUTHENTICATION_SUBJECTS = ("P018", "P019", "P022", "P030", "P043", "P055", "P069", "P078")
"""The eight people of FaceLiveNet's released authentication pairs (fold 4 of their unsorted ten)."""
PUBLISHED = {
    "subjects": 80,
    "sequences": 480,
    "neutral": 480,
    **{str(expression): 80 * APEX_FRAMES for expression in CODES.values()},
}
CAMERA_AND_LIGHT = "VL/Strong"
DIGITS = 3

_SUBJECT = re.compile(r"P\d{3}")
_EXPRESSION = re.compile("|".join(FOLDERS))
_FRAME = re.compile(r"(\d{3})\.jpe?g", re.IGNORECASE)
_CROP = re.compile(r"(P\d{3})_([A-Z][a-z]+)_(\d{3})")


def read(root: str | os.PathLike[str]) -> list[ExpressionSample]:
    """Read the first frame of each sequence as neutral and the last three with its expression.

    Args:
        root: holds `VL/Strong`, or `OriginalImg/VL/Strong`.

    Raises:
        MissingFile: a folder, a sequence of a person or the first frame of one is not there.
        ProtocolMismatch: counts that are not the published ones, or files that fit the layout nowhere.
    """
    return _survey(Path(root)).complete()


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every frame and compare with the published counts."""
    return _survey(Path(root)).inspect(progress=progress)


def folds(samples: Iterable[ExpressionSample]) -> list[tuple[str, ...]]:
    """Return the subjects of the ten folds."""
    return subject_folds(sample.subject for sample in samples)


def read_rows(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> list[ExpressionSample]:
    """Read FaceLiveNet's list of labels: a header, then rows of `No subject expression label path`.

    The paths are of the authors' machine; a picture is found again below `root` by the end of its path, in the
    published layout (`P001/Anger/000.jpeg`) or that of the authors' crops (`P001/Anger/P001_Anger_000.png`).

    Args:
        path: the list.
        root: of the set.

    Raises:
        MissingFile: no list, or a picture that it names is not there.
        ProtocolMismatch: a row of another form, or whose code, word and path contradict each other.
    """
    source = existing_file(path, expected="FaceLiveNet's list of labels")
    base = _base(Path(root))
    samples = []
    for number, line in enumerate(source.read_text(encoding="utf-8", errors="replace").splitlines()[1:], start=2):
        if not line.strip():
            continue
        fields = line.split()
        picture = PurePosixPath(fields[-1])
        subject, sequence = picture.parts[-3:-1] if len(picture.parts) > 2 else ("", "")
        crop = _CROP.fullmatch(picture.stem)
        frame = crop[3] if crop else picture.stem
        known = len(fields) == 5 and fields[1] == subject and sequence in FOLDERS and frame.isdigit()
        if not known or CODES.get(int(fields[3]) if fields[3].isdigit() else -1) is not FOLDERS[sequence]:
            raise ProtocolMismatch(
                expected=f"No subject expression label path, in agreement, in line {number} of {source.name}",
                came=line.strip()[:80],
                remedy="restore the list",
            )
        samples.append(
            ExpressionSample(
                identifier=f"{subject}_{sequence}_{frame}",
                subject=subject,
                expression=FOLDERS[sequence],
                path=base / subject / sequence / picture.name,
                sequence=sequence,
                frame=int(frame),
            )
        )
    missing = [sample.identifier for sample in samples if not sample.path.is_file()]
    if missing:
        raise MissingFile(
            expected=f"the {len(samples):,} pictures that {source.name} names",
            came=f"{len(missing):,} missing, the first {missing[0]}",
            remedy="name the root of the frames that the list was made from",
        )
    return samples


def _base(root: Path) -> Path:
    """Find the people's folders: below VL/Strong, below OriginalImg, or in the root itself."""
    candidates = (root / CAMERA_AND_LIGHT, root / "OriginalImg" / CAMERA_AND_LIGHT)
    found = next((path for path in candidates if path.is_dir()), None)
    return found or (root if any(_SUBJECT.fullmatch(path.name) for path in root.glob("P*")) else candidates[0])


def _survey(root: Path) -> Survey[ExpressionSample]:
    base = _base(root)
    subjects = sorted(path for path in base.iterdir() if _SUBJECT.fullmatch(path.name)) if base.is_dir() else []
    missing = [] if base.is_dir() else [relative(base, root)]
    problems: list[str] = []
    samples: list[ExpressionSample] = []
    pictures: list[Path] = []
    short: list[str] = []
    for subject in subjects:
        part = walk_identities(subject, identity=_EXPRESSION, picture=_FRAME)
        problems += part.problems(root)
        pictures += part.paths()
        missing += [relative(subject / name, root) for name in FOLDERS if name not in part.files]
        for sequence, names in part.files.items():
            frames = {int(name[:DIGITS]): subject / sequence / name for name in names}
            if 0 not in frames:
                missing.append(f"{relative(subject / sequence, root)}/000.jpeg")
                continue
            found = sequence_samples(subject.name, sequence, FOLDERS[sequence], frames, digits=DIGITS)
            samples += found
            short += [] if found else [relative(subject / sequence, root)]
    if short:
        words = f"fewer than {APEX_FRAMES + 1} frames"
        problems.append(several(short, f"sequence has {words}", f"sequences have {words}"))
    counts = {
        "subjects": len(subjects),
        "sequences": len({(sample.subject, sample.sequence) for sample in samples}),
        "frames": len(pictures),
        **count_expressions(samples),
    }
    return Survey(
        set_name=NAME,
        root=root,
        samples=samples,
        counts=counts,
        published=(PUBLISHED,),
        missing=missing,
        problems=problems,
        pictures=pictures,
    )
