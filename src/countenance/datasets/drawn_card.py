"""The card of a drawn set: what was drawn, and the digest of every file, beside the set's own lists.

A drawn set has the layout and the lists of the published one, but not its size. Its card states its own counts, so
that a part of it cannot pass for the whole, and its table tells what an anonymous layout withholds: who and what is
on a picture. ``drawn.json`` is written last: a tree with ``drawn.part.json`` instead is not finished.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from countenance.datasets.inspection import different_counts, several
from countenance.errors import ProtocolMismatch
from countenance.files import sha256_of
from countenance.progress import Progress, unheard

CARD, UNFINISHED, TABLE = "drawn.json", "drawn.part.json", "drawn.csv"
LABEL = "drawn data"
COLUMNS = ("file", "sha256", "subject", "species", "attacker")


@dataclass(frozen=True, kw_only=True)
class DrawnCard:
    """What a drawn set says of itself.

    Attributes:
        set: the published set whose layout it has, such as "casia-surf".
        seed: of every random number in it.
        preset: easy, paper or hard.
        counts: as the set's inspection counts them.
        facts: what else its writer states, such as the codec.
        label: printed with every figure from it.
    """

    set: str
    seed: int
    preset: str
    counts: Mapping[str, int]
    facts: Mapping[str, str | int] = field(default_factory=dict)
    label: str = LABEL

    @property
    def told(self) -> str:
        """What figures from the set are of, for their rows."""
        return f"{self.label}: {self.set} drawn with seed {self.seed}, preset {self.preset}"

    def as_text(self) -> str:
        """Return the bytes of the card, as text."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class DrawnFile:
    """One row of the table: a file and what is on it.

    Attributes:
        file: relative to the root.
        sha256: of its bytes.
        subject: whose face is presented.
        species: as the set's reader names it; "" for bona fide and for a list.
        attacker: who wears the attack; "" where nobody does.
    """

    file: str
    sha256: str
    subject: str = ""
    species: str = ""
    attacker: str = ""


def read_card(root: Path, *, set_name: str) -> DrawnCard | None:
    """Return the card of a drawn set, None for a tree without one.

    Args:
        root: of the set.
        set_name: the set that its reader expects.

    Raises:
        ProtocolMismatch: the set is not finished, is another one, or its card is damaged.
    """
    if (root / UNFINISHED).is_file():
        raise ProtocolMismatch(
            expected=f"a finished drawn set in {root}",
            came=f"{UNFINISHED}: drawing stopped before its end",
            remedy="run the same synthesize command again; it goes on where it stopped",
        )
    if not (root / CARD).is_file():
        return None
    try:
        card = DrawnCard(**json.loads((root / CARD).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ProtocolMismatch(
            expected=f"the card that synthesize wrote, {CARD}", came=f"a damaged one: {error}", remedy="draw it anew"
        ) from error
    if card.set != set_name:
        raise ProtocolMismatch(
            expected=f"a drawn set in the layout of {set_name}", came=card.set, remedy=f"name it {card.set}:{root}"
        )
    return card


def write_table(rows: Iterable[DrawnFile]) -> str:
    """Return the table of all files as CSV text, sorted by file."""
    lines = [",".join(COLUMNS)]
    lines += [
        ",".join((row.file, row.sha256, row.subject, row.species, row.attacker))
        for row in sorted(rows, key=lambda row: row.file)
    ]
    return "\n".join(lines) + "\n"


def read_table(root: Path) -> dict[str, DrawnFile]:
    """Return the rows of a drawn set's table by file; none for a tree without one.

    Raises:
        ProtocolMismatch: it is not the table that synthesize wrote.
    """
    if not (root / TABLE).is_file():
        return {}
    with (root / TABLE).open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    if tuple(header) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ProtocolMismatch(
            expected=f"the columns {','.join(COLUMNS)} in {TABLE}", came=",".join(header), remedy="draw the set anew"
        )
    return {row[0]: DrawnFile(*row) for row in rows}


def drawn_problems(
    root: Path, card: DrawnCard, counts: Mapping[str, int], *, progress: Progress = unheard
) -> tuple[list[str], list[str]]:
    """Compare a drawn tree with its own card and table.

    Args:
        root: of the set.
        card: of the set.
        counts: as its inspection counted.
        progress: called with (files done, files in all).

    Returns:
        The files of its table that are missing, and the problems, a sentence each: counts that differ from the card's,
        files of other bytes than were written.
    """
    table = read_table(root)
    missing, changed = [], []
    for number, row in enumerate(table.values(), start=1):
        path = root / row.file
        if not path.is_file():
            missing.append(row.file)
        elif sha256_of(path.read_bytes()) != row.sha256:
            changed.append(row.file)
        progress(number, len(table))
    problems = different_counts(counts, card.counts, source=f"stated by {CARD}")
    if not table:
        problems.append(f"no {TABLE}, which names every file of a drawn set")
    if changed:
        problems.append(several(changed, "file is not the one that was drawn", "files are not those that were drawn"))
    return missing, problems
