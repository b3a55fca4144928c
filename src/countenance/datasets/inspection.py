"""Look at a whole tree before it is used: what is there, what is missing, what cannot be read, what contradicts itself.

An inspection never raises for what a tree holds; it lists it. The reader of a set raises instead, so that training
refuses to start on what an inspection would complain of.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

from countenance.errors import InputError, MissingFile, ProtocolMismatch
from countenance.images import read_image
from countenance.progress import Progress, unheard

SHOWN = 5  # of a long list, in one line
_BATCH, _TASK = 1024, 16  # files in flight at most, and in one thread's turn


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a look at a whole tree found.

    Attributes:
        counts: how many of what; keys are levels joined by "/", such as "train/attack/04_en_b".
        missing: files that the set's own lists name and that are not there, relative to its root.
        unreadable: files that are there and cannot be decoded, each with the reason.
        problems: everything else that makes it another set than the published one, a sentence each.
        label: what must be printed with every figure from it, such as "drawn data"; "" for a published set.
    """

    counts: Mapping[str, int]
    missing: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    label: str = ""

    @property
    def is_published(self) -> bool:
        """True when nothing is missing, unreadable or wrong: the published set, or a drawn one that is whole."""
        return not (self.missing or self.unreadable or self.problems)

    def as_json(self) -> dict[str, object]:
        """Return it as the command line prints it."""
        return asdict(self) | {"is_published": self.is_published}

    def refuse(self, name: str) -> None:
        """Raise when the tree is not the published set.

        Args:
            name: of the set, for the message.

        Raises:
            MissingFile: files are missing, and nothing else is wrong.
            ProtocolMismatch: a file cannot be read, or a list contradicts itself or the published counts.
        """
        if self.is_published:
            return
        listed = (("missing", self.missing), ("unreadable", self.unreadable), ("wrong", self.problems))
        came = "; ".join(f"{len(found):,} {word}, the first: {found[0]}" for word, found in listed if found)
        kind = ProtocolMismatch if self.unreadable or self.problems else MissingFile
        raise kind(
            expected=f"the whole {name} set as published",
            came=came,
            remedy="restore these files, or name another root (countenance datasets check lists everything)",
        )


@dataclass(frozen=True, kw_only=True)
class FileFindings:
    """What a look at files found.

    Attributes:
        missing: not there, relative to the root.
        unreadable: there, and not decodable, each with the reason.
        read: what the read function returned for each of the others.
    """

    missing: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    read: Mapping[Path, object] = field(default_factory=dict)


def picture_size(path: Path) -> tuple[int, int]:
    """Decode a picture and return (height, width) in pixels.

    Raises:
        MissingFile: no file is there.
        InputError: it cannot be decoded.
    """
    height, width, _ = read_image(path).shape
    return height, width


def inspect_files(
    paths: Iterable[Path],
    *,
    root: Path,
    read: Callable[[Path], object] = picture_size,
    threads: int | None = None,
    progress: Progress = unheard,
) -> FileFindings:
    """Decode every file once, each path at most once, in threads (decoders release the interpreter).

    Args:
        paths: of the files.
        root: paths in the findings are relative to it.
        read: returns what is to be kept of a file; raises `InputError` for one that it cannot read.
        threads: how many; as many as processors by default, at most 8.
        progress: called with (files done, files in all).
    """
    wanted = list(dict.fromkeys(paths))
    missing: list[str] = []
    unreadable: list[str] = []
    kept: dict[Path, object] = {}

    def look(paths: Sequence[Path]) -> list[object]:
        return [_attempt(read, path) for path in paths]

    with ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1)) as pool:
        done = 0
        for batch in _runs(wanted, _BATCH):
            looks = chain.from_iterable(pool.map(look, _runs(batch, _TASK)))
            for path, found in zip(batch, looks, strict=True):
                if isinstance(found, MissingFile):
                    missing.append(relative(path, root))
                elif isinstance(found, InputError):
                    unreadable.append(f"{relative(path, root)}: {found.came}")
                else:
                    kept[path] = found
            done += len(batch)
            progress(done, len(wanted))
    return FileFindings(missing=tuple(missing), unreadable=tuple(unreadable), read=kept)


def relative(path: Path, root: Path) -> str:
    """Return `path` as the set's own lists would write it, below `root`."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def subjects_in_two(subjects: Iterable[tuple[str, str]]) -> list[str]:
    """Name the subjects that stand in more than one split.

    Args:
        subjects: pairs of (split, subject); an unknown subject ("") is passed over.

    >>> subjects_in_two([("train", "ann"), ("test", "ann"), ("test", "bob")])
    ['1 subject in two of the splits: ann (train and test)']
    """
    homes: dict[str, dict[str, None]] = {}
    for split, subject in subjects:
        if subject:
            homes.setdefault(subject, {})[split] = None
    guests = [f"{subject} ({' and '.join(splits)})" for subject, splits in homes.items() if len(splits) > 1]
    return told(guests, "subject in two of the splits", "subjects in two of the splits")


def different_counts(counts: Mapping[str, int], expected: Mapping[str, int], *, source: str) -> list[str]:
    """Name the counts that are not as expected, a sentence each.

    Args:
        counts: as found; a key that is not there counts 0.
        expected: only these keys are compared.
        source: who says so, such as "published".

    >>> different_counts({"train": 3}, {"train": 4}, source="published")
    ['train: 4 are published, 3 are here']
    """
    return [
        f"{key}: {number:,} are {source}, {counts.get(key, 0):,} are here"
        for key, number in expected.items()
        if counts.get(key, 0) != number
    ]


def several(found: Sequence[str], one: str, many: str) -> str:
    """Say how many there are and name the first few.

    >>> several(["a", "b"], "file", "files")
    '2 files: a, b'
    """
    rest = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return f"{len(found):,} {one if len(found) == 1 else many}: {', '.join(found[:SHOWN])}{rest}"


def told(found: Sequence[str], one: str, many: str) -> list[str]:
    """Return one sentence as `several` makes it, none where nothing was found.

    >>> told([], "file", "files")
    []
    """
    return [several(found, one, many)] if found else []


def _attempt(read: Callable[[Path], object], path: Path) -> object:
    try:
        return read(path)
    except (InputError, MissingFile) as error:
        return error


def _runs(paths: Sequence[Path], length: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), length):
        yield paths[start : start + length]
