"""Who of the gallery is it, or nobody: one template against everybody's (1:N, ISO/IEC 19795-1 4.5 to 4.7).

A search makes as many comparisons as there are people, and each may go wrong, so that the threshold of a comparison of
two does not serve: at a false match rate of 1e-3, two in three searches of a thousand people would find somebody. The
threshold here is chosen by the false-positive identification rate, the share of searches for people who are not
enrolled that return anybody. The gallery itself tells it: each person's templates are searched among all other people,
and none of these searches should find anyone. It is conformal: one more exchangeable search beats the k-th highest best
match of n such searches with a chance of at most (k + 1) / (n + 1): k - 1 others are above it at most, and the two
people of the pair that is most alike share a score.

Every comparison is made: 100,000 templates of 128 numbers are 51 MB, read through once for a search. No index is used:
FAISS's exact one saves a millisecond of five there, and its approximate ones lose people (docs/log.md).
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from countenance.errors import EmptyScores, NonFiniteScore, TemplateVersion, UsageError, at_least
from countenance.faces.detection import only_face
from countenance.gate.local import opened
from countenance.gate.networks import model_digest
from countenance.images import read_image
from countenance.metrics.operating_point import OperatingPoint
from countenance.recognisers import stated_recogniser
from countenance.released import detector
from countenance.scores import TextColumn
from countenance.vocabulary import Reason, Split

RATE = 0.01
"""The false-positive identification rate that a threshold is chosen at, unless another one is named."""
TOP = 5
SEARCHES = 2_000
"""People at most by whose searches a threshold is chosen; with 1 % of them the rate's standard error is 0.2 %."""
_PEOPLE = 256  # of a block of searches, at most
_SCORES = 2**24  # of a block for a template each, so that a large gallery takes no more memory

Templates = NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """Somebody it may be.

    Attributes:
        subject: the name.
        score: the highest cosine to one of this person's templates.
    """

    subject: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Identification:
    """The answer to a search; the scores are for the operator.

    Attributes:
        accepted: the first candidate is it.
        candidates: the people most alike, the best first.
        point: that decided.
        people: how many were searched.
        model: the recogniser.
    """

    accepted: bool
    candidates: tuple[Candidate, ...]
    point: OperatingPoint
    people: int
    model: str

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why nobody was found; empty when accepted."""
        return () if self.accepted else (Reason.NOT_THE_SAME_PERSON,)

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``identify``."""
        return {
            "accepted": self.accepted,
            "subject": self.candidates[0].subject if self.accepted else None,
            "candidates": [vars(each) for each in self.candidates],
            "reasons": [str(reason) for reason in self.reasons],
            "threshold": self.point.value,
            "rule": self.point.rule,
            "people": self.people,
            "model": self.model,
        }


@dataclass(frozen=True, eq=False)
class SearchMatrix:
    """A gallery made ready for searches, to be kept between them.

    Attributes:
        templates: float32 (N, D), rows of length 1, those of one person beside each other.
        names: (P,) everybody, sorted.
        first: (P,) where each person's rows begin.
    """

    templates: Templates
    names: TextColumn
    first: NDArray[np.intp]

    @classmethod
    def of(cls, subjects: TextColumn, templates: Templates) -> Self:
        """Sort templates (N, D) by whose they are.

        Raises:
            EmptyScores: nobody is enrolled.
            NonFiniteScore: a NaN or an infinity, which would hide whoever stands in a row.
        """
        if not len(subjects):
            raise EmptyScores(expected="somebody to search for", came="an empty gallery", remedy="enrol people first")
        if not np.isfinite(templates).all():
            raise NonFiniteScore(expected="finite templates", came="a NaN or an infinity", remedy="enrol anew")
        order = np.argsort(subjects, kind="stable")
        names, first = np.unique(subjects[order], return_index=True)
        return cls(np.ascontiguousarray(templates[order], np.float32), names, first)

    def __len__(self) -> int:
        return len(self.names)

    def scores(self, templates: Templates) -> NDArray[np.float32]:
        """Return the highest cosine of templates (Q, D) to each person's, (Q, P).

        Raises:
            TemplateVersion: templates of another length.
        """
        if templates.ndim != 2 or templates.shape[1] != self.templates.shape[1]:
            raise TemplateVersion(
                expected=f"templates (Q, {self.templates.shape[1]}), as the gallery holds",
                came=f"{templates.shape}",
                remedy="embed with the gallery's recogniser",
            )
        cosines = templates @ self.templates.T  # (Q, N)
        return np.asarray(np.maximum.reduceat(cosines, self.first, axis=1), np.float32)

    def strangers(self, people: int = SEARCHES) -> NDArray[np.float64]:
        """Return the best matches of people's templates among all other people: searches that should find nobody.

        Args:
            people: how many are searched for, at most, evenly spread over the names.

        Returns:
            One for each person who was searched for.

        Raises:
            EmptyScores: one person only.
        """
        if len(self) < 2:
            raise EmptyScores(expected="two people at least", came="one", remedy="enrol more people")
        ends = np.append(self.first[1:], len(self.templates))
        sought = np.unique(np.linspace(0, len(self) - 1, min(people, len(self))).astype(np.intp))
        best = np.empty(len(sought))
        for block in _slices(len(sought), max(1, min(_PEOPLE, _SCORES // len(self.templates)))):
            chosen = sought[block]
            counts = ends[chosen] - self.first[chosen]
            begins = np.append(0, np.cumsum(counts)[:-1])
            rows = np.repeat(self.first[chosen] - begins, counts) + np.arange(counts.sum())
            scores = np.maximum.reduceat(self.scores(self.templates[rows]), begins, axis=0)  # (B, P)
            scores[np.arange(len(chosen)), chosen] = -np.inf
            best[block] = scores.max(axis=1)
        return best


def choose_identification_point(
    matrix: SearchMatrix, *, verification: OperatingPoint, rate: float = RATE
) -> OperatingPoint:
    """Choose the threshold of searches of a gallery of this size, never below that of a comparison of two.

    A gallery of few people cannot show a small rate: the searches of n people promise 2 / (n + 1) at best, and the
    rule of the point says what is promised. It grows stale when the gallery grows: choose anew when it has.

    Args:
        matrix: the gallery.
        verification: the recogniser's threshold for a comparison of two.
        rate: false-positive identification rate, in (0, 1).

    Raises:
        UsageError: a rate outside (0, 1).
    """
    if not 0 < rate < 1:
        raise UsageError(expected="a rate between 0 and 1", came=f"{rate:g}", remedy="for example 0.01")
    if len(matrix) < 2:
        return OperatingPoint(verification.value, f"{verification.rule}, of one person", verification.split)
    best = np.sort(matrix.strangers())[::-1]
    kth = max(math.floor(rate * (len(best) + 1)) - 1, 1)
    promised = max(rate, (kth + 1) / (len(best) + 1))
    value = float(np.nextafter(np.float32(best[kth - 1]), np.float32(np.inf)))
    rule = f"fpir:{promised:.3g} by the searches of {len(best):,} people"
    if value < verification.value:
        return OperatingPoint(verification.value, f"{rule}, at least {verification.rule}", verification.split)
    return OperatingPoint(value, rule, str(Split.DEVELOPMENT))


def identify(
    template: Templates, matrix: SearchMatrix, point: OperatingPoint, *, model: str, top: int = TOP
) -> Identification:
    """Search everybody for one template.

    Args:
        template: float32 (D,) of length 1.
        matrix: the gallery.
        point: of searches, as `choose_identification_point` returns it.
        model: the recogniser, to be named in the answer.
        top: how many candidates are told, at most.

    Raises:
        TemplateVersion: a template of another length.
        NonFiniteScore: a NaN or an infinity in it.
        UsageError: `top` below 1.
    """
    at_least(1, top=top)
    if not np.isfinite(template).all():
        raise NonFiniteScore(expected="a finite template", came="a NaN or an infinity", remedy="embed it again")
    scores = matrix.scores(template[None])[0]  # (P,)
    count = min(top, len(scores))
    chosen = np.argpartition(-scores, count - 1)[:count]
    ordered = chosen[np.lexsort((chosen, -scores[chosen]))]
    candidates = tuple(Candidate(str(matrix.names[each]), float(scores[each])) for each in ordered)
    accepted = candidates[0].score >= point.value
    return Identification(accepted=accepted, candidates=candidates, point=point, people=len(matrix), model=model)


def identify_photograph(
    image: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    top: int = TOP,
    rate: float = RATE,
    detect: str = "yunet",
) -> Identification:
    """Search the gallery of a folder for the one person of a photograph. It does not ask whether the person is live.

    Args:
        image: the photograph.
        folder: of the gallery, as for `store.place.gallery_folder`.
        top: how many candidates are told, at most.
        rate: false-positive identification rate that the threshold is chosen at.
        detect: the face detector, "yunet" or "mtcnn".

    Raises:
        InputError: the image cannot be read, shows no face, or shows two.
        EnrolmentError: the gallery's templates were made with other weights, or by several recognisers.
        ScoreError: nobody is enrolled.
        DataError: there is no gallery, a file is missing or damaged.
        UsageError: an unknown detector, `top` below 1, or a rate outside (0, 1).
    """
    at_least(1, top=top)
    pixels = read_image(image)
    with opened(folder) as local:
        gallery = local.gallery()
    stated = stated_recogniser(gallery.model)
    if (digest := model_digest(gallery.model)) != gallery.weights:
        raise TemplateVersion(
            expected=f"templates of {gallery.model} as it is now, {digest[:12]}",
            came=f"those of {gallery.weights[:12]}",
            remedy="enrol everybody again: countenance enrol NAME ... --again",
        )
    matrix = SearchMatrix.of(gallery.subjects, gallery.templates)
    point = choose_identification_point(matrix, verification=stated.point, rate=rate)
    face = only_face(detector(detect).detect(pixels), name=str(Path(image)))
    network = stated.build(1)
    template = network.embed(network.cut(pixels, face)[None])[0]
    return identify(template, matrix, point, model=gallery.model, top=top)


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
