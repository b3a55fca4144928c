"""Set a threshold for the camera at hand from bona fide scores alone, with a promise on how many more it refuses.

A threshold that was right for the cameras of a training set refuses too many people before another one, and attacks to
choose a new threshold by are seldom at hand. People are. Of n bona fide scores the k-th smallest becomes the threshold:

- k = floor(alpha (n + 1)). If one more bona fide score is exchangeable with the n, the chance that it lies below the
  threshold is at most k / (n + 1), hence at most alpha. This is the mean over calibrations: a single one may turn out
  worse. V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, Springer 2005, section 2.2;
  H. Papadopoulos et al., Inductive Confidence Machines for Regression, ECML 2002.
- With a `confidence`, k is the largest for which a binomial count of n trials at alpha is k or more with that
  probability: then the BPCER of this very calibration is at most alpha with that confidence, for scores that are drawn
  independently. S. Wilks, Determination of Sample Sizes for Setting Tolerance Limits, Annals of Mathematical Statistics
  12, 1941; V. Vovk, Conditional Validity of Inductive Conformal Predictors, ACML 2012. It needs 59 scores for 5 % at
  95 %.

A score that equals the threshold is accepted, so ties can only lower what is refused. Nothing is promised about
attacks: what the threshold does to them must be measured.

What is exchangeable: windows of one video are not, so a video has one score, the mean over its windows, and the promise
is for such means. Videos of one person are not exchangeable with those of somebody else: by video, the promise is for
further videos of the people who calibrated, or for strangers where everybody calibrated with one video; by subject,
each person counts once, with their lowest video, and the promise is for a stranger who presents as often as they did.
Both end where the light, the room or the device is another than at the calibration.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
from scipy.special import betainc

from countenance.errors import DataError, OneClassOnly, ProtocolMismatch, UsageError
from countenance.files import existing_file
from countenance.metrics.intervals import error_free_trials_needed
from countenance.metrics.operating_point import OperatingPoint
from countenance.scores import ComparisonTable, PresentationTable
from countenance.vocabulary import Split

BPCER = 0.05
WINDOW_MARK = "#"
"""Between the name of a video and that of a window in it, in the id of a row."""


class Unit(StrEnum):
    """What counts once."""

    VIDEO = "video"
    """A video, by the mean over its windows; of stills and whole clips every row."""
    SUBJECT = "subject"
    """A person, by their lowest video."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A threshold with its promise, and what it rests on.

    Attributes:
        point: accept at or above its value; its rule is "conformal:ALPHA" or "conformal:ALPHA:CONFIDENCE".
        bpcer: alpha, the promised BPCER.
        confidence: None for a promise of the mean.
        unit: what was counted.
        units: n, how many.
        rank: k: the threshold is the k-th smallest of their scores.
        attacks: rows that were ignored, as no attack has a say.
        set_aside: bona fide rows of a training or test split, which must not calibrate.
        no_response: bona fide rows without a score; they are in no BPCER.
        rows: score of each row that was used, by its id, so that it is not judged by itself later.
    """

    point: OperatingPoint
    bpcer: float
    confidence: float | None
    unit: Unit
    units: int
    rank: int
    attacks: int
    set_aside: int
    no_response: int
    rows: Mapping[str, float]

    @property
    def expected(self) -> float:
        """The BPCER to be expected, k / (n + 1), at most `bpcer`."""
        return self.rank / (self.units + 1)

    def as_json(self) -> dict[str, object]:
        """Return what `read_calibration` reads; "value", "rule" and "split" are those of a card's operating point."""
        point = self.point
        return {
            "value": point.value,
            "rule": point.rule,
            "split": point.split,
            "data": point.data,
            **{name: value for name, value in asdict(self).items() if name not in {"point", "rows"}},
            "expected": self.expected,
            "rows": dict(self.rows),
        }

    def refuse_overlap(self, table: PresentationTable | ComparisonTable) -> None:
        """Refuse to judge rows that set the threshold.

        Raises:
            ProtocolMismatch: a row of `table` has the id and the score of one that calibrated.
        """
        shared = [
            name
            for name, score in zip(table.identifiers.tolist(), table.scores.tolist(), strict=True)
            if math.isclose(self.rows.get(name, math.nan), score, rel_tol=1e-6)
        ]
        if shared:
            raise ProtocolMismatch(
                expected="rows that did not set the threshold",
                came=f"{len(shared)} that did, such as {shared[0]!r}",
                remedy="take them out of the table, or calibrate on others",
            )


def calibrate(
    table: PresentationTable | ComparisonTable,
    *,
    bpcer: float = BPCER,
    confidence: float | None = None,
    by: str = Unit.VIDEO,
) -> Calibration:
    """Choose a threshold by bona fide scores of the camera at hand.

    Args:
        table: of presentations; a row that says a split must say development. Attacks are ignored.
        bpcer: alpha, between 0 and 1: the share of further bona fide presentations that may be refused.
        confidence: from .5 to below 1, that this very calibration keeps to it; None: it is kept to in the mean.
        by: what counts once, one of `Unit`.

    Raises:
        UsageError: a number outside its range, another unit, comparisons, people who are not named, or too few scores;
            the message says how many are needed.
        OneClassOnly: no bona fide row.
        ProtocolMismatch: bona fide rows of training or test splits only.
    """
    _check(bpcer, confidence, by)
    used, set_aside = _bona_fide(table)
    answered = used.select(used.responded) if used.responded.any() else None
    ranked = np.sort([] if answered is None else _scores(answered, Unit(by)))
    rank = _rank(len(ranked), bpcer, confidence)
    if rank < 1 or answered is None:
        raise UsageError(
            expected=f"at least {scores_needed(bpcer, confidence)} bona fide scores, a {by} each, for a BPCER of "
            f"{bpcer:g}" + ("" if confidence is None else f" with confidence {confidence:g}"),
            came=str(len(ranked)),
            remedy="record more, or promise less",
        )
    rule = f"conformal:{bpcer:g}" + ("" if confidence is None else f":{confidence:g}")
    return Calibration(
        point=OperatingPoint(float(ranked[rank - 1]), rule, Split.DEVELOPMENT, answered.digest),
        bpcer=bpcer,
        confidence=confidence,
        unit=Unit(by),
        units=len(ranked),
        rank=rank,
        attacks=int((~table.is_positive).sum()),
        set_aside=set_aside,
        no_response=int((~used.responded).sum()),
        rows=dict(zip(answered.identifiers.tolist(), answered.scores.tolist(), strict=True)),
    )


def words_of(found: Calibration) -> str:
    """Say what a calibration promises, and what it does not."""
    promise = (
        f"at most {found.bpcer:.2%} of further bona fide presentations are refused, in the mean over calibrations "
        f"({found.expected:.2%} are expected)"
        if found.confidence is None
        else f"with a confidence of {found.confidence:.0%}, at most {found.bpcer:.2%} of the bona fide presentations "
        "before this camera are refused"
    )
    left_out = [
        f"{what}: {count:,}"
        for count, what in (
            (found.attacks, "attacks, ignored"),
            (found.set_aside, "bona fide rows of another split, set aside"),
            (found.no_response, "bona fide rows without a response"),
        )
        if count
    ]
    return "\n".join(
        [
            f"threshold {found.point.value:.6g}: score {found.rank:,} from below of {found.units:,}, one for each "
            f"{found.unit}; {promise}",
            *left_out,
            "Nothing is promised about attacks: judge some at this threshold, with countenance evaluate",
        ]
    )


def scores_needed(bpcer: float, confidence: float | None = None) -> int:
    """Return the smallest number of bona fide scores from which a threshold can be set.

    >>> scores_needed(0.05), scores_needed(0.05, 0.95)
    (19, 59)
    """
    needed = math.ceil(1 / _exact(bpcer)) - 1
    return needed if confidence is None else max(needed, error_free_trials_needed(bpcer, confidence=confidence))


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read what `Calibration.as_json` said.

    Raises:
        MissingFile: nothing is there.
        DataError: it is not a calibration.
    """
    source = existing_file(path, expected="a calibration")
    try:
        said = json.loads(source.read_text(encoding="utf-8"))
        value, rule, split, data = (said.pop(name) for name in ("value", "rule", "split", "data"))
        said.pop("expected")
        point = OperatingPoint(float(value), str(rule), Split(split), str(data))
        found = Calibration(point=point, **said | {"unit": Unit(said["unit"])})
        if not (math.isfinite(point.value) and all(math.isfinite(score) for score in found.rows.values())):
            raise ValueError(f"the threshold {value}")
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            expected=f"a calibration in {source.name}, as countenance calibrate --out writes it",
            came=f"something else ({type(error).__name__}: {error})",
            remedy="calibrate again",
        ) from error
    return found


def _check(bpcer: float, confidence: float | None, by: str) -> None:
    if not 0 < bpcer < 1:
        raise UsageError(
            expected="a BPCER above 0 and below 1", came=f"{bpcer:g}", remedy="for example 0.05 for one in twenty"
        )
    if confidence is not None and not 0.5 <= confidence < 1:
        raise UsageError(
            expected="a confidence from 0.5 to below 1", came=f"{confidence:g}", remedy="for example 0.95, or none"
        )
    if by not in set(Unit):
        raise UsageError(expected=f"a unit: {' or '.join(Unit)}", came=repr(by), remedy="name one of them")


def _bona_fide(table: PresentationTable | ComparisonTable) -> tuple[PresentationTable, int]:
    """Return the bona fide rows that may calibrate, and how many others there are."""
    if not isinstance(table, PresentationTable):
        raise UsageError(
            expected="scores of presentations", came="comparisons", remedy="name the table of a detector of attacks"
        )
    if not table.is_positive.any():
        raise OneClassOnly(expected="bona fide rows", came="attacks alone", remedy="add bona fide presentations")
    may = table.is_positive & np.isin(table.splits, ["", str(Split.DEVELOPMENT)])
    if not may.any():
        raise ProtocolMismatch(
            expected="bona fide rows to calibrate on",
            came=f"rows that all say split {' or '.join(sorted(set(table.splits[table.is_positive].tolist())))}",
            remedy="name rows of the split development, or mend the column split",
        )
    return table.select(may), int((table.is_positive & ~may).sum())


def _scores(rows: PresentationTable, by: Unit) -> list[float]:
    """Return one score for each unit."""
    windows: dict[tuple[str, str], list[float]] = {}
    for name, subject, score in zip(
        rows.identifiers.tolist(), rows.subjects.tolist(), rows.scores.tolist(), strict=True
    ):
        video = name.rpartition(WINDOW_MARK)[0] or name
        windows.setdefault((subject, video), []).append(score)
    videos = {key: float(np.mean(scores)) for key, scores in windows.items()}
    if by is Unit.VIDEO:
        return list(videos.values())
    people: dict[str, float] = {}
    for (subject, video), score in videos.items():
        if not subject:
            raise UsageError(
                expected="the subject of every bona fide row, to count by subject",
                came=f"none for {video!r}",
                remedy="fill the column subject, or count by video",
            )
        people[subject] = min(score, people.get(subject, math.inf))
    return list(people.values())


def _rank(units: int, bpcer: float, confidence: float | None) -> int:
    """Return k, 0 where there are too few."""
    rank = math.floor(_exact(bpcer) * (units + 1))
    if confidence is None:
        return rank
    ranks = np.arange(1, rank + 1)
    held = betainc(ranks, units - ranks + 1, bpcer)  # P(binomial count >= k), falling with k
    return int((held >= confidence).sum())


def _exact(rate: float) -> Fraction:
    """The rate as it is written: .29 of 100 is 29, which it is not in binary."""
    return Fraction(repr(float(rate)))
