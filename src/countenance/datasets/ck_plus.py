"""CK+: the extended Cohn-Kanade set, posed expressions from neutral to apex.

Lucey, Cohn, Kanade, Saragih, Ambadar and Matthews 2010, "The Extended Cohn-Kanade Dataset (CK+)", CVPR Workshops: 593
sequences of 123 people, `cohn-kanade-images/S005/001/S005_001_00000001.png`; 327 of them have a label,
`Emotion/S005/001/S005_001_00000011_emotion.txt`, which holds one number. FaceLiveNet's Table IV prints 147 pictures of
happiness; 69 sequences make 207, and only so its columns add up to 4 x 327.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from countenance.datasets.expression_sequences import APEX_FRAMES, count_expressions, sequence_samples
from countenance.datasets.identity_folders import IdentityFolders, walk_identities
from countenance.datasets.inspection import Inspection, relative, several
from countenance.datasets.samples import ExpressionSample
from countenance.datasets.subject_folds import subject_folds
from countenance.datasets.survey import Survey
from countenance.errors import MissingFile, ProtocolMismatch
from countenance.files import existing_file
from countenance.progress import Progress, unheard
from countenance.vocabulary import Expression

NAME = "ck-plus"
CODES: Mapping[int, Expression] = {
    0: Expression.NEUTRAL,
    1: Expression.ANGRY,
    2: Expression.CONTEMPT,
    3: Expression.DISGUST,
    4: Expression.FEAR,
    5: Expression.HAPPY,
    6: Expression.SAD,
    7: Expression.SURPRISE,
}
SEQUENCES = {
    Expression.ANGRY: 45,
    Expression.CONTEMPT: 18,
    Expression.DISGUST: 59,
    Expression.FEAR: 25,
    Expression.HAPPY: 69,
    Expression.SAD: 28,
    Expression.SURPRISE: 83,
}
"""Labelled sequences of each expression: 327."""
PUBLISHED = {
    "subjects": 123,
    "sequences": 593,
    "labelled sequences": 327,
    "neutral": 327,
    **{str(expression): APEX_FRAMES * number for expression, number in SEQUENCES.items()},
}
IMAGES, LABELS = "cohn-kanade-images", "Emotion"
DIGITS = 8

_SUBJECT, _SESSION = re.compile(r"S\d{3}"), re.compile(r"\d{3}")
_FRAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})\.png")
_LABEL = re.compile(r"(S\d{3})_(\d{3})_(\d{8})_emotion\.txt")


def read(root: str | os.PathLike[str]) -> list[ExpressionSample]:
    """Read the labelled sequences: the first frame of each as neutral, the last three with its label.

    Args:
        root: holds `cohn-kanade-images` and `Emotion`.

    Raises:
        MissingFile: a folder, or a frame that a label names, is not there.
        ProtocolMismatch: a label of another form, or counts that are not the published ones.
    """
    return _survey(Path(root)).complete()


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every frame, those of unlabelled sequences too, and compare with the published counts."""
    return _survey(Path(root)).inspect(progress=progress)


def folds(samples: Iterable[ExpressionSample]) -> list[tuple[str, ...]]:
    """Return the subjects of the ten folds."""
    return subject_folds(sample.subject for sample in samples)


def read_rows(path: str | os.PathLike[str], images: str | os.PathLike[str]) -> list[ExpressionSample]:
    """Read FaceLiveNet's list of labels: a header, then rows of `count subject session frame label`.

    Args:
        path: the list.
        images: the folder of subjects, or of crops in the same layout.

    Raises:
        MissingFile: no list, or a picture that it names is not there.
        ProtocolMismatch: a row of another form.
    """
    source = existing_file(path, expected="FaceLiveNet's list of labels")
    samples = []
    for number, line in enumerate(source.read_text(encoding="utf-8", errors="replace").splitlines()[1:], start=2):
        if not line.strip():
            continue
        fields = line.split()
        label = _code(fields[4]) if len(fields) == 5 else None
        if label is None or not _FRAME.fullmatch(f"{'_'.join(fields[1:4])}.png"):
            raise ProtocolMismatch(
                expected=f"count subject session frame label in line {number} of {source.name}",
                came=line.strip()[:80],
                remedy="restore the list",
            )
        _, subject, session, frame, _ = fields
        samples.append(
            ExpressionSample(
                identifier=f"{subject}_{session}_{frame}",
                subject=subject,
                expression=label,
                path=Path(images) / subject / session / f"{subject}_{session}_{frame}.png",
                sequence=session,
                frame=int(frame),
            )
        )
    missing = [sample.identifier for sample in samples if not sample.path.is_file()]
    if missing:
        raise MissingFile(
            expected=f"the {len(samples):,} pictures that {source.name} names",
            came=f"{len(missing):,} missing, the first {missing[0]}.png",
            remedy="name the folder that the list was made from",
        )
    return samples


def _code(text: str) -> Expression | None:
    """Read a label such as 3.0000000e+00."""
    try:
        value = float(text)
    except ValueError:
        return None
    return CODES.get(int(value)) if value.is_integer() else None


def _survey(root: Path) -> Survey[ExpressionSample]:
    recordings = _tree(root / IMAGES, _FRAME)
    labels = _tree(root / LABELS, _LABEL)
    samples: list[ExpressionSample] = []
    missing = [name for name in (IMAGES, LABELS) if not (root / name).is_dir()]
    wrong = [relative(part.root / name, root) for part in labels.values() for name in part.strangers]
    paths = [path for part in labels.values() for path in part.paths()]
    for path in paths:
        subject, session, frame = _parts(path.name, _LABEL)
        expression = _code(path.read_text(encoding="utf-8", errors="replace").strip())
        frames = _frames(recordings.get(subject), session)
        if int(frame) not in frames:
            missing.append(f"{IMAGES}/{subject}/{session}/{subject}_{session}_{frame}.png")
            continue
        found = sequence_samples(subject, session, expression, frames, digits=DIGITS) if expression else []
        at_home = (subject, session) == (path.parent.parent.name, path.parent.name)
        if not found or not at_home or expression is Expression.NEUTRAL:
            wrong.append(relative(path, root))
        samples += found
    problems = [words for part in recordings.values() for words in part.problems(root)]
    if wrong:
        remark = f"(neutral, no code, another's place, or fewer than {APEX_FRAMES + 1} frames)"
        problems.append(several(wrong, f"label cannot be used {remark}", f"labels cannot be used {remark}"))
    counts = {
        "subjects": len(recordings),
        "sequences": sum(len(part.files) for part in recordings.values()),
        "frames": sum(part.pictures for part in recordings.values()),
        "labelled sequences": len(paths),
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
        pictures=[path for part in recordings.values() for path in part.paths()],
    )


def _tree(folder: Path, form: re.Pattern[str]) -> dict[str, IdentityFolders]:
    """Walk SUBJECT/SESSION/file."""
    subjects = sorted(path for path in folder.iterdir() if _SUBJECT.fullmatch(path.name)) if folder.is_dir() else []
    return {path.name: walk_identities(path, identity=_SESSION, picture=form) for path in subjects}


def _parts(name: str, form: re.Pattern[str]) -> tuple[str, str, str]:
    match = form.fullmatch(name)
    assert match is not None
    return match[1], match[2], match[3]


def _frames(part: IdentityFolders | None, session: str) -> dict[int, Path]:
    if part is None:
        return {}
    return {int(_parts(name, _FRAME)[2]): part.root / session / name for name in part.files.get(session, ())}
