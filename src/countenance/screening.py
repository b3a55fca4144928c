"""The screen at enrolment: refuse a photograph that matches far too many strangers, or whose template is brittle.

A universal adversarial example is enrolled once and then lets anybody in. Two things betray it before it is stored:

- **crowd**: it matches strangers. The candidate is compared with a cohort of people it has nothing to do with; the
  share of them that it matches is an estimate of the very harm it could do, so that whoever evades this part gives up
  what the attack is for. A match is counted softly (a logistic step of width `SOFTNESS` at the recogniser's loosest
  threshold), so that a few hundred strangers tell rates of a percent apart.
- **shift**: a perturbation of a few grey levels does not survive what a photograph survives. The face is written as
  JPEG, blurred, mirrored and shrunk; the mean of 1 - cosine to its own template is large where the template was forced.

Both are put on one scale by the cohort itself (logarithms, in steps from the median to the 90 % quantile of the
strangers, each compared with the others), and the larger one decides. The threshold is conformal: of n genuine
photographs of other people, the k-th worst, k = floor(alpha (n + 1)), so that one more exchangeable photograph is
refused with a chance of at most alpha; see `conformal`. A false-alarm rate of 0.1 % needs 999 photographs. The cohort,
the calibration and the people attacked must be different people. Ours; the idea of a crowd is that of wolves in M. Une,
A. Otsuka, H. Imai, Wolf Attack Probability, ICB 2007, that of a shift W. Xu, D. Evans, Y. Qi, Feature Squeezing, NDSS
2018.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from countenance.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from countenance.conformal import calibrate, scores_needed
from countenance.errors import DataError, NonFiniteScore, ProtocolMismatch, TemplateVersion, UsageError
from countenance.files import sha256_of
from countenance.scores import PresentationTable, ScoreColumn, TextColumn, text
from countenance.vocabulary import Reason, Split

FALSE_ALARMS = 1e-3
COHORT_LEAST, COHORT_MOST = 100, 1_000
SOFTNESS = 0.03  # in cosine: a tenth of the distance between a stranger's and a mated pair's
VARIANTS = ("jpeg", "blur", "mirror", "shrink")
NAME = "screen"
"""Of its files in a folder."""
_QUALITY = 50
_BLUR = 1 / 112  # standard deviation, of the side
_SHRINK = 5 / 8
_HIGH = 0.9  # quantile: a cohort of a hundred has ten beyond it
_LEAST = 1e-6  # under which a share or a shift is not told from none

Templates = NDArray[np.float32]
Faces = NDArray[np.uint8]


def variants(face: Faces) -> Faces:
    """Return a face as JPEG, blurred, mirrored, and shrunk and enlarged again.

    Args:
        face: uint8 (S, S, 3) RGB, as a recogniser is shown it.

    Returns:
        uint8 (4, S, S, 3), in the order of `VARIANTS`.
    """
    height, width = face.shape[:2]
    _, packed = cv2.imencode(".jpg", cv2.cvtColor(face, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    written = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1]  # back to RGB
    blurred = cv2.GaussianBlur(face, (0, 0), width * _BLUR)
    size = max(1, round(width * _SHRINK)), max(1, round(height * _SHRINK))
    small = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.stack([written, blurred, face[:, ::-1], enlarged]).astype(np.uint8, copy=False)


@dataclass(frozen=True, eq=False)
class Examined:
    """What the screen looks at.

    Attributes:
        templates: float32 (N, D), rows of length 1.
        shifts: float64 (N, V), 1 - cosine between a template and that of each variant of its face.
    """

    templates: Templates
    shifts: ScoreColumn

    def __len__(self) -> int:
        return len(self.templates)

    def select(self, rows: NDArray[np.intp] | Sequence[int]) -> "Examined":
        """Return some of it."""
        return Examined(self.templates[rows], self.shifts[rows])


def examine(faces: Faces, embed: Callable[[Faces], Templates]) -> Examined:
    """Embed faces and their variants: five templates a face.

    Args:
        faces: uint8 (N, S, S, 3) RGB, N at least 1.
        embed: takes such faces to (N, D), rows of length 1.
    """
    templates = embed(faces)
    varied = np.stack([embed(variants(face)) for face in faces])  # (N, V, D)
    return Examined(templates, 1 - np.einsum("nd,nvd->nv", templates, varied, dtype=np.float64))


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What the screen says of one candidate.

    Attributes:
        passed: it may be enrolled.
        score: higher is more genuine; minus the larger part.
        threshold: passed means ``score >= threshold``.
        parts: "crowd" and "shift", each in spreads of the cohort above its middle.
        matched: softly counted share of the cohort that the candidate matches.
        reasons: why not; empty when passed.
    """

    passed: bool
    score: float
    threshold: float
    parts: dict[str, float]
    matched: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Screen:
    """A screen for the templates of one recogniser: data, and nothing that is learnt from attacks.

    Attributes:
        recogniser: its name.
        weights: SHA-256 of its weights, as the gallery knows it.
        cohort: float32 (M, D), one template of each stranger.
        match: the recogniser's loosest threshold.
        middles: medians of the parts "crowd" and "shift" among the cohort, as logarithms.
        spreads: their distances from there to the 90 % quantile.
        threshold: of the score.
        false_alarms: alpha, promised in the mean for photographs exchangeable with those that set the threshold.
        photographs: n, how many set it.
        people: how many people these show.
        rank: k.
    """

    recogniser: str
    weights: str
    cohort: Templates
    match: float
    middles: tuple[float, float]
    spreads: tuple[float, float]
    threshold: float
    false_alarms: float
    photographs: int
    people: int
    rank: int

    def parts(self, candidates: Examined) -> NDArray[np.float64]:
        """Return (N, 2): "crowd" and "shift" of each candidate, in spreads of the cohort above its middle.

        Raises:
            TemplateVersion: templates of another length than the cohort's.
            NonFiniteScore: a NaN or an infinity.
        """
        if candidates.templates.ndim != 2 or candidates.templates.shape[1] != self.cohort.shape[1]:
            raise TemplateVersion(
                expected=f"templates (N, {self.cohort.shape[1]}) of {self.recogniser}",
                came=f"{candidates.templates.shape}",
                remedy="calibrate a screen for this recogniser: countenance screen calibrate",
            )
        _refuse_non_finite(candidates)
        crowd = soft_matches(candidates.templates @ self.cohort.T, self.match)
        raw = np.stack([_logarithm(crowd), _logarithm(candidates.shifts.mean(axis=1))], axis=1)
        return np.asarray((raw - np.array(self.middles)) / np.array(self.spreads))

    def scores(self, candidates: Examined) -> ScoreColumn:
        """Return (N,) scores, higher for the more genuine: what an ROC is drawn over."""
        return np.asarray(-self.parts(candidates).max(axis=1), np.float64)

    def judge(self, template: Templates, shifts: ScoreColumn) -> Screened:
        """Judge one candidate.

        Args:
            template: (D,) of length 1.
            shifts: (V,) as `examine` returns them.

        Raises:
            TemplateVersion, NonFiniteScore: as for `parts`.
        """
        candidate = Examined(template[None], np.asarray(shifts, np.float64)[None])
        crowd, shift = self.parts(candidate)[0].tolist()
        score = -max(crowd, shift)
        found = ((crowd, Reason.MATCHES_STRANGERS), (shift, Reason.UNSTABLE_TEMPLATE))
        return Screened(
            passed=score >= self.threshold,
            score=score,
            threshold=self.threshold,
            parts={"crowd": crowd, "shift": shift},
            matched=float(soft_matches(template[None] @ self.cohort.T, self.match)[0]),
            reasons=tuple(reason for part, reason in found if not -part >= self.threshold),
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything but the cohort's templates."""
        told = {name: value for name, value in asdict(self).items() if name != "cohort"}
        return {**told, "strangers": len(self.cohort), "features": int(self.cohort.shape[1]), "variants": [*VARIANTS]}


def soft_matches(cosines: NDArray[Any], match: float) -> NDArray[np.float64]:
    """Return the share of strangers that each row of cosines (N, M) matches, every match counted softly.

    >>> soft_matches(np.array([[0.3, 0.3], [0.9, -0.9]]), 0.3).round(3).tolist()
    [0.5, 0.5]
    """
    return np.asarray(expit((cosines - match) / SOFTNESS).mean(axis=1, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Roles:
    """Who does what in a calibration: rows of one gathering, of different people.

    Attributes:
        cohort: one photograph of each stranger.
        calibration: all photographs of the others.
    """

    cohort: NDArray[np.intp]
    calibration: NDArray[np.intp]


def assign_roles(subjects: TextColumn, *, false_alarms: float = FALSE_ALARMS) -> Roles:
    """Divide genuine photographs into a cohort and a calibration set of other people, by a rule that draws nothing.

    The calibration comes first: it needs `scores_needed(false_alarms)` photographs. What can be spared becomes the
    cohort, at most `COHORT_MOST` people with one photograph each: those with the fewest photographs, who cost the
    calibration least, and of equals by the SHA-256 of the name.

    Args:
        subjects: (N,) who each photograph shows.
        false_alarms: alpha.

    Raises:
        UsageError: too few photographs for the promise and a cohort of `COHORT_LEAST`; the message says how many.
    """
    needed = scores_needed(false_alarms)
    names, first, counts = np.unique(subjects, return_index=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda i: (int(counts[i]), sha256_of(str(names[i]).encode())))
    spare = len(subjects) - needed
    cohort: list[int] = []
    for person in order[: min(COHORT_MOST, len(order))]:
        if counts[person] > spare:
            break
        spare -= int(counts[person])
        cohort.append(person)
    if len(cohort) < COHORT_LEAST:
        raise UsageError(
            expected=f"photographs of {COHORT_LEAST} strangers, and {needed:,} of other people for a false-alarm rate "
            f"of {false_alarms:g}",
            came=f"{len(subjects):,} photographs of {len(names):,} people",
            remedy="name a larger set, or promise less",
        )
    chosen = np.isin(subjects, names[cohort])
    return Roles(np.sort(first[cohort]), np.flatnonzero(~chosen))


def calibrate_screen(
    cohort: Examined,
    calibration: Examined,
    subjects: TextColumn,
    *,
    match: float,
    recogniser: str,
    weights: str = "",
    false_alarms: float = FALSE_ALARMS,
) -> Screen:
    """Set a screen by genuine photographs.

    Args:
        cohort: of the strangers, one of each.
        calibration: of other people.
        subjects: (n,) of the calibration.
        match: the recogniser's loosest threshold.
        recogniser: its name.
        weights: SHA-256 of its weights.
        false_alarms: alpha, between 0 and 1.

    Raises:
        UsageError: fewer strangers than `COHORT_LEAST`, or too few calibration photographs for alpha.
        ProtocolMismatch: templates of two lengths, or another number of subjects.
        NonFiniteScore: a NaN or an infinity.
    """
    if len(cohort) < COHORT_LEAST:
        raise UsageError(
            expected=f"at least {COHORT_LEAST} strangers", came=str(len(cohort)), remedy="name a larger set"
        )
    if cohort.templates.shape[1] != calibration.templates.shape[1] or len(calibration) != len(subjects):
        raise ProtocolMismatch(
            expected="templates of one recogniser, and a subject for each of the calibration",
            came=f"{cohort.templates.shape}, {calibration.templates.shape} and {len(subjects)} subjects",
            remedy="examine both with one recogniser",
        )
    _refuse_non_finite(cohort)
    cosines = cohort.templates @ cohort.templates.T
    others = ~np.eye(len(cohort), dtype=bool)
    among = soft_matches(cosines[others].reshape(len(cohort), -1), match)  # each against all the others
    raw = np.stack([_logarithm(among), _logarithm(cohort.shifts.mean(axis=1))])
    middles = np.median(raw, axis=1)
    spreads = np.maximum(np.quantile(raw, _HIGH, axis=1) - middles, _LEAST)  # of the upper side: the tails are skew
    open_screen = Screen(
        recogniser=recogniser,
        weights=weights,
        cohort=cohort.templates,
        match=match,
        middles=(float(middles[0]), float(middles[1])),
        spreads=(float(spreads[0]), float(spreads[1])),
        threshold=-math.inf,
        false_alarms=false_alarms,
        photographs=len(calibration),
        people=len(np.unique(subjects)),
        rank=0,
    )
    set_by = calibrate(_as_table(open_screen.scores(calibration), subjects), bpcer=false_alarms)
    settled = {"threshold": set_by.point.value, "rank": set_by.rank, "photographs": set_by.units}
    return Screen(**{**vars(open_screen), **settled})


def write_screen(folder: str | os.PathLike[str], screen: Screen) -> Path:
    """Write a screen into a folder, whole or not at all; return the path of its card.

    The cohort's templates are personal data of the people they show: they stay where the gallery is.

    Raises:
        UsageError: the folder cannot be written to.
    """
    return write_checkpoint(folder, NAME, Checkpoint({"cohort": torch.from_numpy(screen.cohort)}, screen.as_json()))


def has_screen(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a screen was written into a folder."""
    return (Path(folder) / f"{NAME}.json").is_file()


def read_screen(folder: str | os.PathLike[str]) -> Screen:
    """Read a screen.

    Raises:
        MissingFile: none is there.
        DigestMismatch: its tensors are not those that its card was written for.
        DataError: it is not a screen, or one for other variants.
    """
    found = read_checkpoint(folder, NAME)
    card = dict(found.card)
    try:
        cohort = found.tensors["cohort"].numpy()
        told = (card.pop("strangers"), card.pop("features"), card.pop("variants"))
        pairs = {name: tuple(map(float, card[name])) for name in ("middles", "spreads")}
        screen = Screen(cohort=cohort, **(card | pairs))
        numbers = (*pairs["middles"], *pairs["spreads"], screen.threshold, screen.match)
        fits = told == (*cohort.shape, [*VARIANTS]) and all(len(pair) == 2 for pair in pairs.values())
        if not (fits and all(map(math.isfinite, numbers))):
            raise ValueError("other numbers than ours")
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            expected=f"a screen in {folder}, as countenance screen calibrate writes it",
            came=f"something else ({type(error).__name__})",
            remedy="calibrate again",
        ) from error
    return screen


def _logarithm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(values, _LEAST)))


def _refuse_non_finite(found: Examined) -> None:
    if not (np.isfinite(found.templates).all() and np.isfinite(found.shifts).all()):
        raise NonFiniteScore(expected="finite templates", came="a NaN or an infinity", remedy="embed them again")


def _as_table(scores: ScoreColumn, subjects: TextColumn) -> PresentationTable:
    rows = len(scores)
    return PresentationTable(
        identifiers=text([f"photograph {number}" for number in range(rows)]),
        is_positive=np.ones(rows, bool),
        scores=scores,
        responded=np.ones(rows, bool),
        subjects=subjects,
        species=text([""] * rows),
        splits=text([str(Split.DEVELOPMENT)] * rows),
    )
