"""YouTube Faces: are two videos of the same person? 5,000 pairs in ten folds.

Wolf, Hassner and Maoz 2011, "Face Recognition in Unconstrained Videos with Matched Background Similarity", CVPR: 3,425
videos of 1,595 people as frames, `frame_images_DB/SUBJECT/3/3.618.jpg`, and aligned,
`aligned_images_DB/SUBJECT/3/aligned_detect_3.618.jpg`. `frame_images_DB/SUBJECT.labeled_faces.txt` holds a box for
each frame. `splits.txt` has a header and a row a pair: number of the fold, two videos (`SUBJECT/3`), same person or
not; each fold has 250 pairs of either kind, and nobody is in two folds. The authors' list of errata is not applied.
"""

import csv
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from countenance.datasets.comparison import Comparison
from countenance.datasets.drawn_card import CARD
from countenance.datasets.identity_folders import IdentityFolders, walk_identities
from countenance.datasets.inspection import Inspection, several, subjects_in_two
from countenance.datasets.survey import Survey
from countenance.errors import DataError, MissingFile, ProtocolMismatch, UsageError
from countenance.files import existing_file
from countenance.progress import Progress, unheard

NAME = "ytf"
FRAMES, ALIGNED, SPLITS = "frame_images_DB", "aligned_images_DB", "splits.txt"
FOLDS = 10
PAIRS_PER_CLASS = 250  # of a fold
PUBLISHED = {
    "subjects": 1_595,
    "videos": 3_425,
    "pairs": 5_000,
    **{f"pairs/fold {fold}/{kind}": 250 for fold in range(1, FOLDS + 1) for kind in ("mated", "non_mated")},
}

_COLUMNS = ("split number", "first name", "second name", "is same")
_VIDEO = re.compile(r"\d+")
_FRAME = {FRAMES: re.compile(r"(\d+)\.(\d+)\.jpg"), ALIGNED: re.compile(r"aligned_detect_(\d+)\.(\d+)\.jpg")}
_BOXES = ".labeled_faces.txt"


def read(
    root: str | os.PathLike[str], *, aligned: bool = False, folds: Collection[int] | None = None
) -> list[Comparison]:
    """Read the pairs of videos; `reference` and `probe` are folders of frames, in time's order by `read_frames`.

    Args:
        root: holds `splits.txt` and one or both folders of frames.
        aligned: take the authors' aligned frames.
        folds: which of 1 to 10; all by default.

    Raises:
        UsageError: a fold outside 1 to 10.
        MissingFile: the list, the folder of frames or a video is missing.
        ProtocolMismatch: a list of another form, or counts that are not the published ones.
    """
    wanted = set(range(1, FOLDS + 1) if folds is None else folds)
    if not wanted or not wanted <= set(range(1, FOLDS + 1)):
        raise UsageError(
            expected=f"folds of YouTube Faces among 1 to {FOLDS}",
            came=",".join(map(str, sorted(wanted))) or "none",
            remedy="name folds such as 1-5",
        )
    pairs = _survey(Path(root), ALIGNED if aligned else FRAMES).complete()
    return [pair for pair in pairs if int(pair.fold) in wanted]


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every frame, as it was and aligned, whichever are there, and check the list of pairs."""
    base = Path(root)
    kinds = [kind for kind in (FRAMES, ALIGNED) if (base / kind).is_dir()]
    return _survey(base, *kinds or [FRAMES]).inspect(progress=progress)


def read_frames(video: Path) -> list[Path]:
    """Return the frames of one video in the order of their numbers.

    Raises:
        MissingFile: no such folder, or no frame in it.
    """
    numbered = {}
    for path in video.iterdir() if video.is_dir() else ():
        match = next((found for form in _FRAME.values() if (found := form.fullmatch(path.name))), None)
        if match:
            numbered[path] = int(match[2])
    if not numbered:
        raise MissingFile(expected=f"frames of a video in {video}", came="none", remedy="unpack the whole set")
    return sorted(numbered, key=numbered.__getitem__)


def read_boxes(root: str | os.PathLike[str], subject: str) -> dict[str, tuple[float, float, float, float]]:
    """Read the boxes of one person's frames: (left, top, width, height) in pixels, by `SUBJECT/3/3.618.jpg`.

    The file tells each box by its middle.

    Raises:
        MissingFile: no such file.
        ProtocolMismatch: a line of another form.
    """
    path = existing_file(Path(root) / FRAMES / f"{subject}{_BOXES}", expected="the face boxes of one person")
    boxes = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        fields = line.split(",")
        try:
            x, y, width, height = map(float, fields[2:6])
        except ValueError as error:
            raise ProtocolMismatch(
                expected=f"file,0,x,y,width,height,... in line {number} of {path.name}",
                came=line[:80],
                remedy="restore the published file",
            ) from error
        boxes[fields[0].replace("\\", "/")] = (x - width / 2, y - height / 2, width, height)
    return boxes


def _survey(root: Path, *kinds: str) -> Survey[Comparison]:
    """Look at one or both folders of frames; the pairs name the videos of the first."""
    missing: list[str] = []
    problems: list[str] = []
    pairs: list[Comparison] = []
    try:
        pairs = _pairs(root, root / kinds[0])
    except MissingFile:
        missing.append(SPLITS)
    except DataError as error:
        problems.append(str(error))
    named = dict.fromkeys(path.relative_to(root / kinds[0]) for pair in pairs for path in (pair.reference, pair.probe))
    trees = {kind: _videos(root / kind, _FRAME[kind], problems) for kind in kinds}
    for kind, videos in trees.items():
        there = {Path(subject, video) for subject, found in videos.items() for video in found.files}
        missing += [f"{kind}/{video.as_posix()}" for video in named if video not in there]
        for subject, found in videos.items():
            problems += found.problems(root)
            if kind == FRAMES:
                gone, wrong = _box_findings(root, subject, found)
                missing += gone
                problems += wrong
    problems += _contradictions(pairs)
    return Survey(
        set_name=NAME,
        root=root,
        samples=pairs,
        counts=_counts(trees, pairs),
        published=(PUBLISHED,),
        missing=missing,
        problems=problems,
        pictures=[path for videos in trees.values() for found in videos.values() for path in found.paths()],
    )


def _videos(folder: Path, frame: re.Pattern[str], problems: list[str]) -> dict[str, IdentityFolders]:
    """Walk SUBJECT/VIDEO/frame; what has no place there is added to `problems`."""
    videos: dict[str, IdentityFolders] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            videos[path.name] = walk_identities(path, identity=_VIDEO, picture=frame)
        elif not path.name.endswith(_BOXES):
            problems.append(f"a file that the layout has no place for: {folder.name}/{path.name}")
    return videos


def _counts(trees: Mapping[str, Mapping[str, IdentityFolders]], pairs: Iterable[Comparison]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for pair in pairs:
        fold = f"pairs/fold {pair.fold}"
        counts.update(["pairs", f"{fold}/{'mated' if pair.is_mated else 'non_mated'}"])
    first = next(iter(trees.values()))
    return {
        "subjects": len(first),
        "videos": sum(len(found.files) for found in first.values()),
        **{f"frames/{kind}": sum(found.pictures for found in videos.values()) for kind, videos in trees.items()},
        **counts,
    }


def _contradictions(pairs: Iterable[Comparison]) -> list[str]:
    """Say which pairs deny what their names tell, and who is in two folds."""
    swapped = [pair.identifier for pair in pairs if pair.is_mated != (pair.reference.parent == pair.probe.parent)]
    told = [several(swapped, "pair whose label its names deny", "pairs whose label their names deny")]
    homes = ((f"fold {pair.fold}", path.parent.name) for pair in pairs for path in (pair.reference, pair.probe))
    return [*(told if swapped else []), *subjects_in_two(homes)]


def _pairs(root: Path, folder: Path) -> list[Comparison]:
    path = existing_file(root / SPLITS, expected="YouTube Faces' list of pairs, splits.txt")
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    header = [cell.lower() for cell in rows[0]] if rows else []
    columns = [next((k for k, cell in enumerate(header) if cell.startswith(name)), None) for name in _COLUMNS]
    if None in columns:
        raise ProtocolMismatch(
            expected=f"the columns {', '.join(_COLUMNS)} in {SPLITS}",
            came=", ".join(header)[:80] or "an empty file",
            remedy="restore the published list",
        )
    places = [place for place in columns if place is not None]
    folds = range(1, FOLDS + 1)
    pairs = []
    for number, row in enumerate(rows[1:], start=1):
        fold, first, second, same = (row[place] if place < len(row) else "" for place in places)
        named = all(re.fullmatch(r"[^/\\]+/\d+", name) and not name.startswith(".") for name in (first, second))
        if not named or same not in ("0", "1") or fold not in map(str, folds):
            raise ProtocolMismatch(
                expected=f"fold, SUBJECT/VIDEO, SUBJECT/VIDEO, 0 or 1 in line {number + 1} of {SPLITS}",
                came=",".join(row)[:80],
                remedy="restore the published list",
            )
        pairs.append(
            Comparison(
                identifier=f"splits-{number:04d}",
                reference=folder / first,
                probe=folder / second,
                is_mated=same == "1",
                fold=fold,
            )
        )
    if not (root / CARD).is_file() and len(pairs) != 2 * FOLDS * PAIRS_PER_CLASS:
        raise ProtocolMismatch(
            expected=f"{2 * FOLDS * PAIRS_PER_CLASS:,} pairs in {SPLITS}",
            came=f"{len(pairs):,}",
            remedy="restore the published list",
        )
    return pairs


def _box_findings(root: Path, subject: str, found: IdentityFolders) -> tuple[list[str], list[str]]:
    """Name the frames that a person's boxes name and that are not there, and what is wrong with the file of boxes."""
    try:
        boxes = read_boxes(root, subject)
    except MissingFile:
        return [f"{FRAMES}/{subject}{_BOXES}"], []
    except DataError as error:
        return [], [str(error)]
    there = {f"{subject}/{video}/{name}" for video, names in found.files.items() for name in names}
    return [f"{FRAMES}/{name}" for name in boxes if name not in there], []
