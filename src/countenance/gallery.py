"""The gallery: templates of enrolled people as one value, and an audit that finds planted universal ones.

Where they are kept is for the store to say.

A universal template is a hub: it matches the templates of a large share of all other people. The audit counts for every
template how many of a sample of other people it matches, one template of each, and calls those planted that stand out
(`plant_limit`); what comes near is counted again over everybody.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from countenance.errors import UsageError
from countenance.progress import Progress, unheard
from countenance.scores import TextColumn, text

SAMPLE = 4_096
LEAST_SHARE = 0.08
LEAST_PEOPLE = 50
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
