"""A tree as its reader found it: the samples, the counts, and what is wrong; then refused, or looked at in full.

Every reader of faces makes a `Survey` from names and lists alone. `complete` is its `read`: training gets samples only
from a whole set. `inspect` is its inspection: it decodes every picture too and lists instead of raising.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from countenance.datasets.drawn_card import CARD, TABLE, DrawnCard, drawn_problems, read_card
from countenance.datasets.inspection import FileFindings, Inspection, different_counts, inspect_files
from countenance.errors import DataError
from countenance.progress import Progress, unheard

Sample = TypeVar("Sample")

CARD_FILES = frozenset({CARD, TABLE})
"""What a drawn set has beside the files of the published layout."""

_STATED = f"stated by {CARD}"


@dataclass(frozen=True, kw_only=True)
class Survey(Generic[Sample]):
    """What a reader found, before a picture is decoded.

    Attributes:
        set_name: as in `NAME:ROOT`.
        root: of the set.
        samples: what the lists or folders name, whether it is there or not.
        counts: as `Inspection.counts`.
        published: the counts that make it the published set; several where it is handed on in several forms. None
            where nothing was published.
        missing: named by the set's own lists and not there, relative to the root.
        problems: a sentence each.
        pictures: every picture file, to be decoded.
    """

    set_name: str
    root: Path
    samples: Sequence[Sample]
    counts: Mapping[str, int]
    published: Sequence[Mapping[str, int]] = ()
    missing: Sequence[str] = ()
    problems: Sequence[str] = ()
    pictures: Sequence[Path] = ()

    def complete(self) -> list[Sample]:
        """Return the samples of a whole set, published or drawn.

        Raises:
            MissingFile: files are missing.
            ProtocolMismatch: a list contradicts itself, or the counts are not the published ones.
        """
        card = read_card(self.root, set_name=self.set_name)
        stated = [] if card is None or self.missing else different_counts(self.counts, card.counts, source=_STATED)
        self._judged([*self.problems, *stated], card).refuse(self.set_name)
        return list(self.samples)

    def inspect(self, *, progress: Progress = unheard, findings: FileFindings | None = None) -> Inspection:
        """Decode every picture, compare a drawn set with the digests of its table, and list all that is wrong.

        Args:
            progress: called with (files done, files in all).
            findings: what a look at the pictures found, where they are not files of their own.
        """
        try:
            card = read_card(self.root, set_name=self.set_name)
        except DataError as error:
            return self._judged([*self.problems, str(error)], None)
        findings = findings or inspect_files(self.pictures, root=self.root, progress=progress)
        problems, missing = list(self.problems), [*self.missing, *findings.missing]
        if card is not None:
            gone, wrong = drawn_problems(self.root, card, self.counts, progress=progress)
            missing += gone
            problems += wrong
        return self._judged(problems, card, missing, findings.unreadable)

    def _judged(
        self,
        problems: Sequence[str],
        card: DrawnCard | None,
        missing: Sequence[str] | None = None,
        unreadable: Sequence[str] = (),
    ) -> Inspection:
        gone = tuple(dict.fromkeys(self.missing if missing is None else missing))
        differ = [] if card or gone else self._unpublished()
        if card is None and (self.root / TABLE).is_file():
            differ.append(f"{TABLE} as published sets have none, and no {CARD}: a drawn set that lost its card")
        return Inspection(
            counts=dict(self.counts),
            missing=gone,
            unreadable=tuple(unreadable),
            problems=(*problems, *differ),
            label=card.label if card else "",
        )

    def _unpublished(self) -> list[str]:
        """Compare with the published form that comes nearest; files that are missing by name are not told twice."""
        if not self.published:
            return []
        return min((different_counts(self.counts, form, source="published") for form in self.published), key=len)
