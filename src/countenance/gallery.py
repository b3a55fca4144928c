"""The gallery: templates of enrolled people in one folder, and an audit that finds planted universal ones.

A gallery is two files in a folder: ``gallery.json``, which names the recogniser and says whose each row is, and a
tensor file that its digest names. They are written whole or not at all; of two writers at one time the last one wins.
Nothing is encrypted: whoever can read the folder has the templates.

A universal template is a hub: it matches the templates of a large share of all other people. The audit counts for every
template how many of a sample of other people it matches, one template of each, and calls those planted that stand out
(`plant_limit`); what comes near is counted again over everybody.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from countenance.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from countenance.errors import AlreadyEnrolled, DataError, MissingFile, TemplateVersion, UnknownSubject, UsageError
from countenance.progress import Progress, unheard
from countenance.scores import TextColumn, text

NAME = "gallery"
"""Of its files in a folder."""
SUBJECT_LETTERS = 100
SAMPLE = 4_096
LEAST_SHARE = 0.08
LEAST_PEOPLE = 50
_UNIT = 1e-3  # by how much the length of a template may miss 1
_ROWS = 2_048  # of a block of comparisons
_NEAR = 0.75  # of the limit, in the sample: counted again over everybody

Templates = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Gallery:
    """Templates of enrolled people, all of one recogniser.

    Attributes:
        model: name of the recogniser.
        weights: SHA-256 of its weights.
        templates: float32 (N, D), rows of length 1; (0, 0) before anybody is enrolled.
        subjects: (N,) whose each is.
    """

    model: str
    weights: str
    templates: Templates
    subjects: TextColumn

    def __len__(self) -> int:
        return len(self.templates)

    @property
    def people(self) -> dict[str, int]:
        """Number of templates of everybody, in the order of their names."""
        return dict(sorted(Counter(self.subjects.tolist()).items()))

    def refuse_other_recogniser(self, model: str, weights: str) -> None:
        """Refuse templates that another recogniser made.

        Raises:
            TemplateVersion: naming both.
        """
        if (model, weights) != (self.model, self.weights):
            other = model if model != self.model else f"{model} with other weights"
            raise TemplateVersion(
                expected=f"the recogniser of this gallery, {self.model}",
                came=other,
                remedy="name that one, or enrol everybody again in another gallery",
            )

    def added(self, subject: str, templates: Templates) -> "Gallery":
        """Return the gallery with somebody new in it.

        Args:
            subject: a name that is not in it yet.
            templates: float32 (K, D), rows of length 1, K at least 1.

        Raises:
            UsageError: a name that cannot be one.
            AlreadyEnrolled: the name is taken.
            TemplateVersion: no template, or templates of another length.
        """
        refuse_name(subject)
        if subject in self.subjects:
            raise AlreadyEnrolled(
                expected="a new name",
                came=f"{subject!r}, who is enrolled",
                remedy=f"countenance forget {subject} first",
            )
        fits = (
            templates.ndim == 2
            and len(templates)
            and (not len(self) or templates.shape[1:] == self.templates.shape[1:])
        )
        if not fits or not np.all(np.abs(np.linalg.norm(templates, axis=1) - 1) < _UNIT):  # a NaN is refused too
            raise TemplateVersion(
                expected=f"templates of {self.model}, of length 1", came=f"{templates.shape}", remedy="embed them again"
            )
        held = self.templates if len(self) else templates[:0]
        names = [*self.subjects.tolist(), *[subject] * len(templates)]
        return replace(self, templates=np.concatenate([held, templates]).astype(np.float32), subjects=text(names))

    def without(self, subject: str) -> "Gallery":
        """Return the gallery without somebody.

        Raises:
            UnknownSubject: nobody of that name is enrolled.
        """
        kept = self.subjects != subject
        if kept.all():
            raise UnknownSubject(
                expected="the name of somebody who is enrolled",
                came=repr(subject),
                remedy="see: countenance gallery list",
            )
        return replace(self, templates=self.templates[kept], subjects=self.subjects[kept])

    def best_match(self, templates: Templates) -> tuple[str, float] | None:
        """Return who is most like one of the templates (K, D), and the cosine; None in an empty gallery."""
        if not len(self):
            return None
        cosines = (self.templates @ templates.T).max(axis=1)
        best = int(np.argmax(cosines))
        return str(self.subjects[best]), float(cosines[best])


def empty_gallery(model: str, weights: str) -> Gallery:
    """Return a gallery with nobody in it."""
    return Gallery(model, weights, np.zeros((0, 0), np.float32), text([]))


def refuse_name(subject: str) -> None:
    """Refuse what cannot be somebody's name in a gallery.

    Raises:
        UsageError: empty, too long, not printable, or with a space at an end.
    """
    if not subject or len(subject) > SUBJECT_LETTERS or not subject.isprintable() or subject != subject.strip():
        raise UsageError(
            expected=f"a name of 1 to {SUBJECT_LETTERS} printable letters, without a space at an end",
            came=repr(subject[: SUBJECT_LETTERS + 1]),
            remedy="name the person otherwise",
        )


def has_gallery(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a gallery was written into a folder."""
    return (Path(folder) / f"{NAME}.json").is_file()


def write_gallery(folder: str | os.PathLike[str], gallery: Gallery) -> Path:
    """Write a gallery, whole or not at all, over the one that is there; return the path of its card.

    Raises:
        UsageError: the folder cannot be written to.
    """
    card: dict[str, Any] = {
        "model": gallery.model,
        "weights": gallery.weights,
        "subjects": gallery.subjects.tolist(),
    }
    tensors = {"templates": torch.from_numpy(np.ascontiguousarray(gallery.templates))}
    return write_checkpoint(folder, NAME, Checkpoint(tensors, card))


def read_gallery(folder: str | os.PathLike[str]) -> Gallery:
    """Read a gallery.

    Raises:
        MissingFile: none is there.
        DigestMismatch: its templates are not those that its card was written for.
        DataError: it is not a gallery.
    """
    if not (Path(folder) / f"{NAME}.json").exists():
        raise MissingFile(
            expected=f"a gallery in {folder}", came="nobody who is enrolled", remedy="begin with: countenance enrol"
        )
    found = read_checkpoint(folder, NAME)
    try:
        templates = found.tensors["templates"].numpy()
        gallery = Gallery(str(found.card["model"]), str(found.card["weights"]), templates, text(found.card["subjects"]))
        if templates.dtype != np.float32 or templates.ndim != 2 or len(templates) != len(gallery.subjects):
            raise ValueError("other rows than names")
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            expected=f"a gallery in {folder}, as countenance enrol writes it",
            came=f"something else ({type(error).__name__})",
            remedy="restore it, or name another folder",
        ) from error
    return gallery


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A template that is called planted.

    Attributes:
        subject: under whose name it stands.
        template: its row in the gallery.
        matched: how many other people it matches.
        compared: of how many.
    """

    subject: str
    template: int
    matched: int
    compared: int

    @property
    def share(self) -> float:
        """The share of other people that it matches."""
        return self.matched / self.compared


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found.

    Attributes:
        planted: the templates that stand out, the worst first.
        limit: the share from which a template does.
        threshold: of a match.
        templates: how many were looked at.
        people: how many people they are of.
        sampled: with how many people each was compared at first.
        seconds: how long it took.
    """

    planted: tuple[Planted, ...]
    limit: float
    threshold: float
    templates: int
    people: int
    sampled: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return it, with a share beside each planted template's counts."""
        told = {name: value for name, value in vars(self).items() if name != "planted"}
        return {"planted": [{**vars(each), "share": each.share} for each in self.planted], **told}


def plant_limit(shares: NDArray[np.float64], *, least: float = LEAST_SHARE) -> float:
    """Return the share of other people from which a template is called planted.

    It is `least` at least: fewer strangers than that genuine photographs match too. In a gallery whose templates are
    more alike than usual it is where about one of all templates would be found by chance: the square roots of shares,
    whose spread hardly depends on the share, are taken for normal beyond their 90 % quantile, and the normal that has
    their 90 % and 99 % quantiles is followed to the share that one in N exceeds. As long as fewer than one template in
    a hundred is planted, the planted ones hardly move it.

    Args:
        shares: (N,) of the gallery's templates.
        least: in [0, 1].

    >>> plant_limit(np.linspace(0, 0.01, 101))
    0.08
    """
    often, seldom = np.sqrt(np.quantile(shares, [0.9, 0.99])).tolist()
    spread = (seldom - often) / (ndtri(0.99) - ndtri(0.9))
    beyond = max(ndtri(1 - 1 / len(shares)) - ndtri(0.99), 0.0)
    return float(max(least, (seldom + spread * beyond) ** 2))


def audit(
    gallery: Gallery,
    *,
    threshold: float,
    generator: np.random.Generator,
    least: float = LEAST_SHARE,
    progress: Progress = unheard,
) -> Audit:
    """Find the templates that match far too many other people.

    Args:
        gallery: at least `LEAST_PEOPLE` people.
        threshold: of a match; the recogniser's loosest, at which the share is largest.
        generator: draws the people that each template is compared with at first, `SAMPLE` at most. Of a template that
            matches 10 % of all people the share in such a sample has a standard deviation of 0.5 points.
        least: as for `plant_limit`.
        progress: called with (templates done, templates in all).

    Raises:
        UsageError: too few people to tell.
    """
    started = time.perf_counter()
    names, first, numbers = np.unique(gallery.subjects, return_index=True, return_inverse=True)
    if len(names) < LEAST_PEOPLE:
        raise UsageError(
            expected=f"a gallery of at least {LEAST_PEOPLE} people", came=str(len(names)), remedy="audit a larger one"
        )
    rows = np.arange(len(gallery))
    columns = first if len(names) <= SAMPLE else np.sort(generator.choice(first, SAMPLE, replace=False))
    matched, compared = _counted(gallery, numbers, rows, columns, threshold, progress)
    limit = plant_limit(matched / compared, least=least)
    near = np.flatnonzero(matched >= _NEAR * limit * compared)
    matched, compared = _counted(gallery, numbers, near, first, threshold, unheard)
    found = [
        Planted(subject=str(gallery.subjects[row]), template=int(row), matched=int(count), compared=int(trials))
        for row, count, trials in zip(near, matched, compared, strict=True)
        if count >= limit * trials
    ]
    return Audit(
        planted=tuple(sorted(found, key=lambda each: (-each.share, each.template))),
        limit=limit,
        threshold=threshold,
        templates=len(gallery),
        people=len(names),
        sampled=len(columns),
        seconds=time.perf_counter() - started,
    )


def _counted(
    gallery: Gallery,
    numbers: NDArray[np.intp],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    threshold: float,
    progress: Progress,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count for each row the columns of other people that it matches, and those that it was compared with."""
    place = np.full(int(numbers.max()) + 1, -1)
    place[numbers[columns]] = np.arange(len(columns))  # where somebody's own column is, -1 where there is none
    others = np.ascontiguousarray(gallery.templates[columns].T)
    own = place[numbers[rows]]
    matched = np.empty(len(rows), np.int64)
    for block in _slices(len(rows)):
        cosines = gallery.templates[rows[block]] @ others
        has_own = np.flatnonzero(own[block] >= 0)
        cosines[has_own, own[block][has_own]] = -2  # no cosine is so low: not counted
        matched[block] = np.count_nonzero(cosines >= threshold, axis=1)
        progress(min(block.stop, len(rows)), len(rows))
    return matched, len(columns) - (own >= 0).astype(np.int64)


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
