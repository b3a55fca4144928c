"""VGGFace2: 9,131 people, many photographs of each, over pose and age.

Cao, Shen, Xie, Parkhi and Zisserman 2018, "VGGFace2: A Dataset for Recognising Faces across Pose and Age", FG:
3,141,890 photographs of 8,631 people in `train`, 169,396 of 500 others in `test`, `train/n000002/0001_01.jpg` each.
`identity_meta.csv` tells name, number of photographs, part (1 is train, 0 is test) and gender of everybody;
`train_list.txt` and `test_list.txt` name every photograph; `bb_landmark/loose_bb_train.csv` holds a box for each. The
lists and the table stand in the root or in `meta`; what is there of them is checked.
"""

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from countenance.datasets.identity_folders import IdentityFolders, walk_identities
from countenance.datasets.inspection import Inspection, several, subjects_in_two
from countenance.datasets.samples import IdentitySample
from countenance.datasets.survey import Survey
from countenance.errors import DataError, MissingFile, ProtocolMismatch, UsageError
from countenance.files import existing_file
from countenance.progress import Progress, unheard

NAME = "vggface2"
SPLITS = ("train", "test")
PUBLISHED = {
    "train/identities": 8_631,
    "train/photographs": 3_141_890,
    "test/identities": 500,
    "test/photographs": 169_396,
}
TABLE = "identity_meta.csv"
COLUMNS = ("Class_ID", "Name", "Sample_Num", "Flag", "Gender")

_IDENTITY = re.compile(r"n\d{6}")
_PICTURE = re.compile(r"\d{4}_\d{2}\.jpg")
_GENDERS = {"m": "male", "f": "female"}


@dataclass(frozen=True)
class Person:
    """One row of the table of people.

    Attributes:
        name: of the person, as the table writes it.
        photographs: how many there are.
        split: train or test.
        gender: male or female.
    """

    name: str
    photographs: int
    split: str
    gender: str


def read(root: str | os.PathLike[str], split: str | None = None) -> list[IdentitySample]:
    """Read the photographs of one part, or of both, with name, gender and part where the table tells them.

    Args:
        root: holds `train` and `test`.
        split: "train", "test" or None for both.

    Raises:
        UsageError: an unknown part.
        MissingFile: a folder, an identity or a photograph that the lists name is not there.
        ProtocolMismatch: a list of another form, or counts that are not the published ones.
    """
    if split not in (None, *SPLITS):
        raise UsageError(expected="the part train or test of VGGFace2", came=repr(split), remedy="name one of them")
    samples = _survey(Path(root)).complete()
    return [sample for sample in samples if split in (None, sample.attributes["split"])]


def inspect(root: str | os.PathLike[str], *, progress: Progress = unheard) -> Inspection:
    """Decode every photograph; compare with the lists, the table of people and the published counts."""
    return _survey(Path(root)).inspect(progress=progress)


def read_people(root: str | os.PathLike[str]) -> dict[str, Person]:
    """Read the table of people, by their folder's name; empty where there is no table.

    Raises:
        ProtocolMismatch: a row of another form, or somebody twice.
    """
    path = _beside(Path(root), TABLE)
    people: dict[str, Person] = {}
    if path is None:
        return people
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for number, row in enumerate(csv.reader(file, skipinitialspace=True), start=1):
            fields = [cell.strip() for cell in row]
            if number == 1 or not any(fields):
                continue
            identity, name, count, flag, gender = [*fields[:5], *[""] * (5 - len(fields))]
            known = _IDENTITY.fullmatch(identity) and count.isdigit() and flag in ("0", "1") and gender in _GENDERS
            if not known or identity in people:
                raise ProtocolMismatch(
                    expected=f"a new {', '.join(COLUMNS)} in line {number} of {TABLE}",
                    came=",".join(fields)[:80],
                    remedy="restore the published table",
                )
            people[identity] = Person(name, int(count), SPLITS[1 - int(flag)], _GENDERS[gender])
    return people


def read_boxes(root: str | os.PathLike[str], split: str) -> dict[str, tuple[int, int, int, int]]:
    """Read the faces' boxes of one part: (x, y, width, height) in pixels, by `n000002/0001_01`.

    Raises:
        MissingFile: no such list.
        ProtocolMismatch: a row of another form.
    """
    path = existing_file(
        Path(root) / "bb_landmark" / f"loose_bb_{split}.csv", expected="the list of VGGFace2's face boxes"
    )
    boxes = {}
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if number == 1:
                continue
            try:
                name, x, y, width, height = row
                boxes[name] = (int(x), int(y), int(width), int(height))
            except ValueError as error:
                raise ProtocolMismatch(
                    expected=f"NAME_ID,X,Y,W,H in line {number} of {path.name}",
                    came=",".join(row)[:80],
                    remedy="restore the published list",
                ) from error
    return boxes


def _survey(root: Path) -> Survey[IdentitySample]:
    missing: list[str] = []
    problems: list[str] = []
    counts: dict[str, int] = {}
    parts: dict[str, IdentityFolders] = {}
    for split in SPLITS:
        try:
            parts[split] = walk_identities(root / split, identity=_IDENTITY, picture=_PICTURE)
        except MissingFile:
            missing.append(split)
            continue
        counts[f"{split}/identities"] = len(parts[split].files)
        counts[f"{split}/photographs"] = parts[split].pictures
        problems += parts[split].problems(root)
        missing += _not_there(root, split, parts[split])
    try:
        people = read_people(root)
    except DataError as error:
        people = {}
        problems.append(str(error))
    problems += _against_table(people, parts)
    problems += subjects_in_two((split, name) for split, part in parts.items() for name in part.files)
    return Survey(
        set_name=NAME,
        root=root,
        samples=[
            IdentitySample(
                identifier=sample.identifier,
                subject=sample.subject,
                path=sample.path,
                attributes=_attributes(split, people.get(sample.subject)),
            )
            for split, part in parts.items()
            for sample in part.samples(f"{split}/")
        ],
        counts=counts,
        published=(PUBLISHED,),
        missing=missing,
        problems=problems,
        pictures=[path for part in parts.values() for path in part.paths()],
    )


def _attributes(split: str, person: Person | None) -> dict[str, str]:
    known = {} if person is None else {"name": person.name, "gender": person.gender}
    return {"split": split, **known}


def _beside(root: Path, name: str) -> Path | None:
    return next((path for path in (root / name, root / "meta" / name) if path.is_file()), None)


def _not_there(root: Path, split: str, part: IdentityFolders) -> list[str]:
    """Name the photographs of the part's list that are not there."""
    path = _beside(root, f"{split}_list.txt")
    if path is None:
        return []
    there = {f"{identity}/{name}" for identity, names in part.files.items() for name in names}
    named = path.read_text(encoding="utf-8", errors="replace").split()
    return [f"{split}/{name}" for name in dict.fromkeys(named) if name not in there]


def _against_table(people: Mapping[str, Person], parts: Mapping[str, IdentityFolders]) -> list[str]:
    """Say what the table of people and the folders have against each other, a sentence each."""
    if not people:
        return []
    other, unknown = [], []
    for split, part in parts.items():
        for identity, names in part.files.items():
            person = people.get(identity)
            if person is None or person.split != split:
                unknown.append(f"{split}/{identity}")
            elif person.photographs != len(names):
                other.append(f"{split}/{identity} ({len(names)} of {person.photographs} photographs)")
    absent = [
        f"{person.split}/{identity}"
        for identity, person in people.items()
        if person.split in parts and identity not in parts[person.split].files
    ]
    told = (
        (unknown, f"identity is not in this part by {TABLE}", f"identities are not in this part by {TABLE}"),
        (other, f"identity has other photographs than {TABLE} says", f"identities have others than {TABLE} says"),
        (absent, f"identity of {TABLE} has no folder", f"identities of {TABLE} have no folder"),
    )
    return [several(found, one, many) for found, one, many in told if found]
