"""Trees with a folder for each identity, as face sets have them: one walk, shared by their readers."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countenance.datasets.inspection import relative, several
from countenance.datasets.samples import IdentitySample
from countenance.errors import MissingFile

PICTURE = re.compile(r".+\.(jpe?g|png|bmp|webp)", re.IGNORECASE)


@dataclass(frozen=True)
class IdentityFolders:
    """What stands in a folder of identities.

    Attributes:
        root: the folder.
        files: the names of the pictures of each identity, both sorted.
        strangers: what fits the layout nowhere, relative to the folder.
    """

    root: Path
    files: Mapping[str, Sequence[str]]
    strangers: Sequence[str] = field(default=())

    @property
    def pictures(self) -> int:
        """How many pictures there are."""
        return sum(map(len, self.files.values()))

    def paths(self) -> list[Path]:
        """Every picture, identity after identity."""
        return [self.root / identity / name for identity, names in self.files.items() for name in names]

    def samples(self, prefix: str = "") -> list[IdentitySample]:
        """Every picture as a sample, whose identifier is its path below the folder behind `prefix`."""
        return [
            IdentitySample(identifier=f"{prefix}{path.parent.name}/{path.stem}", subject=path.parent.name, path=path)
            for path in self.paths()
        ]

    def problems(self, below: Path) -> list[str]:
        """Say, a sentence each, what does not fit the layout: strangers, and identities without a picture."""
        found = [relative(self.root / name, below) for name in self.strangers]
        empty = [relative(self.root / name, below) for name, names in self.files.items() if not names]
        told = (
            (found, "file or folder that the layout has no place for", "files or folders that it has no place for"),
            (empty, "identity without a picture", "identities without a picture"),
        )
        return [several(names, one, many) for names, one, many in told if names]


def walk_identities(
    root: Path, *, identity: re.Pattern[str], picture: re.Pattern[str] = PICTURE, beside: frozenset[str] = frozenset()
) -> IdentityFolders:
    """List the pictures of every identity in a folder, each folder read once.

    Args:
        root: the folder of identities.
        identity: what the whole name of an identity's folder looks like.
        picture: what the whole name of a picture looks like.
        beside: names in `root` that belong to the set and are no identities (its lists).

    Raises:
        MissingFile: `root` is no folder.
    """
    if not root.is_dir():
        raise MissingFile(expected="a folder of identities", came=f"no folder {root}", remedy="check the path")
    files: dict[str, list[str]] = {}
    strangers: list[str] = []
    for entry in _sorted(root):
        if entry.name in beside or entry.name.startswith("."):
            continue
        if not entry.is_dir() or not identity.fullmatch(entry.name):
            strangers.append(entry.name)
            continue
        inside = [found.name for found in _sorted(Path(entry.path))]
        files[entry.name] = [name for name in inside if picture.fullmatch(name)]
        strangers += [f"{entry.name}/{name}" for name in inside if not picture.fullmatch(name)]
    return IdentityFolders(root, files, strangers)


def _sorted(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
