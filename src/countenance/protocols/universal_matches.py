"""How many strangers a template matches: the protocol of universal adversarial spoofing examples, on templates alone.

T. Amada, S. P. Liew, K. Kakizaki, T. Araki, Universal Adversarial Spoofing Attacks against Face Recognition, IJCB 2021,
section 4. The threshold of a recogniser is where FMR and FNMR of the training people's pairs meet (the paper's), or
where their FMR is 1e-2, 1e-3 or 1e-4 (ours). The FMR of an example is the share of photographs of other people that
pass with it: of photographs, not of people; the mean over examples is reported, before (the plain seed) and after. What
the paper asks for and does not measure stands beside it: the share of its own person's other photographs that pass.
The paper calls its equal error rate an IAPMR, which it is not.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.errors import EmptyScores, NonFiniteScore, OneClassOnly, ProtocolMismatch
from countenance.metrics.counts import Proportion, SortedScores
from countenance.metrics.intervals import CONFIDENCE, Interval
from countenance.scores import TextColumn

EER = "eer"
RATES: Mapping[str, float] = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4}
KEYS = (EER, *RATES)
BLOCK = 1_024
RESAMPLES = 1_000
_BINS = 1 << 15
_SPAN = 1.001  # the cosines of float32 rows of length 1 lie within +- this
_UNIT = 1e-3  # by how much the length of a template may miss 1

Templates = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Gathering:
    """Templates of known people.

    Attributes:
        templates: float32 (N, D), rows of length 1.
        subjects: (N,) who each is of.

    Raises:
        EmptyScores: none at all.
        ProtocolMismatch: a template without a subject, or of another length.
        NonFiniteScore: a NaN or an infinity.
    """

    templates: Templates
    subjects: TextColumn

    def __post_init__(self) -> None:
        if self.templates.ndim != 2 or len(self.templates) != len(self.subjects):
            raise ProtocolMismatch(
                expected="templates (N, D) and N subjects",
                came=f"{self.templates.shape} and {len(self.subjects)}",
                remedy="name the subject of each template",
            )
        if not len(self.templates):
            raise EmptyScores(expected="templates", came="none", remedy="embed photographs first")
        if not np.isfinite(self.templates).all():
            raise NonFiniteScore(expected="finite templates", came="a NaN or an infinity", remedy="embed them again")
        lengths = np.linalg.norm(self.templates, axis=1)
        if (worst := float(np.abs(lengths - 1).max())) > _UNIT:
            came = f"one that misses it by {worst:.3g}"
            raise ProtocolMismatch(expected="templates of length 1", came=came, remedy="divide each by its length")

    def __len__(self) -> int:
        return len(self.templates)

    @property
    def ceiling(self) -> float:
        """The norm of the mean template: no template's mean cosine with these can exceed it."""
        return float(np.linalg.norm(self.templates.mean(axis=0, dtype=np.float64)))


@dataclass(frozen=True)
class MatchThresholds:
    """The thresholds of one recogniser.

    Attributes:
        values: by key, of `KEYS`: accept at or above.
        eer: the equal error rate, by bob's midpoint rule.
        tmr: by key, the share of the mated pairs that pass.
        mated: pairs of one person's photographs.
        non_mated: pairs of two people's.
    """

    values: Mapping[str, float]
    eer: float
    tmr: Mapping[str, float]
    mated: int
    non_mated: int

    def as_json(self) -> dict[str, float]:
        """Return the thresholds alone, under `KEYS`."""
        return dict(self.values)


def match_thresholds(people: Gathering, *, block: int = BLOCK) -> MatchThresholds:
    """Choose the thresholds of a recogniser by all pairs of the training people's photographs.

    The non-mated pairs are never held at once: they are counted in bins, and only those in the bins around each of the
    four places are kept and sorted, in a second pass. The thresholds are those of `SortedScores` on all of them.

    Args:
        people: the training people, two photographs or more of at least one of them.
        block: rows of a block of pairs.

    Raises:
        OneClassOnly: no mated or no non-mated pair.
    """
    counts = np.zeros(_BINS, np.int64)
    mated: list[NDArray[np.float32]] = []
    for scores, same in _blocks(people, block):
        counts += np.bincount(_bins(scores[~same]), minlength=_BINS)
        mated.append(scores[same])
    positives = np.sort(np.concatenate(mated))
    total = int(counts.sum())
    if not len(positives) or not total:
        raise OneClassOnly(
            expected="photographs of two people, and two of one of them",
            came=f"{len(positives):,} mated and {total:,} non-mated pairs",
            remedy="name a larger set of people",
        )
    windows = _windows(counts, np.bincount(_bins(positives), minlength=_BINS))
    kept: dict[str, list[NDArray[np.float32]]] = {key: [] for key in KEYS}
    below = dict.fromkeys(KEYS, 0)
    for scores, same in _blocks(people, block):
        strangers = scores[~same]
        bins = _bins(strangers)
        for key, (first, last) in windows.items():
            kept[key].append(strangers[(bins >= first) & (bins <= last)])
            below[key] += int((bins < first).sum())
    near: dict[str, SortedScores] = {}
    for key in KEYS:
        negatives = np.sort(np.concatenate(kept[key]))
        near[key] = SortedScores(
            positives, negatives, negatives_beyond=(below[key], total - below[key] - len(negatives))
        )
    values = {EER: near[EER].eer_threshold()} | {
        key: near[key].threshold_at_false_accept_rate(rate) for key, rate in RATES.items()
    }
    return MatchThresholds(
        values=values,
        eer=near[EER].eer(),
        tmr={key: near[key].false_rejects(value).complement.value for key, value in values.items()},
        mated=len(positives),
        non_mated=total,
    )


@dataclass(frozen=True, kw_only=True)
class MatchRate:
    """The share of photographs that pass, over several examples.

    Attributes:
        each: of every example, by key: how many photographs pass of how many.
        intervals: of the mean, by key; empty where it was not drawn.
    """

    each: Mapping[str, tuple[Proportion, ...]]
    intervals: Mapping[str, Interval]

    @property
    def mean(self) -> dict[str, float]:
        """The mean over the examples that were compared with anything, by key; NaN where none was."""
        found = {key: [share.value for share in shares if share.trials] for key, shares in self.each.items()}
        return {key: float(np.mean(values)) if values else float("nan") for key, values in found.items()}


@dataclass(frozen=True, kw_only=True)
class UniversalMatches:
    """What the examples of one recogniser reach, against one recogniser.

    Attributes:
        thresholds: of the recogniser that is attacked.
        ceiling: norm of the mean template of the training people.
        before: FMR of the plain seeds, against "train" and "test" (unseen) people.
        after: FMR of the examples.
        own_before: the share of its own person's other photographs with which a seed passes.
        own_after: the same of the examples.
    """

    thresholds: MatchThresholds
    ceiling: float
    before: Mapping[str, MatchRate]
    after: Mapping[str, MatchRate]
    own_before: MatchRate
    own_after: MatchRate

    def as_json(self) -> dict[str, object]:
        """Return it under the keys of ``attack uax``, with the intervals and every example's own value beside."""
        sides = {"before": self.before, "after": self.after}
        return {
            "ceiling": self.ceiling,
            "thresholds": self.thresholds.as_json(),
            **{f"fmr_{when}": {part: rate.mean for part, rate in rates.items()} for when, rates in sides.items()},
            **{
                f"fmr_{when}_intervals": {
                    part: {key: [found.low, found.high] for key, found in rate.intervals.items()}
                    for part, rate in rates.items()
                }
                for when, rates in sides.items()
            },
            **{
                f"fmr_{when}_each": {
                    part: {key: [share.value for share in shares] for key, shares in rate.each.items()}
                    for part, rate in rates.items()
                }
                for when, rates in sides.items()
            },
            "own_before": self.own_before.mean,
            "own_after": self.own_after.mean,
            "eer": self.thresholds.eer,
            "tmr": dict(self.thresholds.tmr),
        }


def universal_matches(
    before: Gathering,
    after: Gathering,
    *,
    train: Gathering,
    unseen: Gathering,
    thresholds: MatchThresholds,
    generator: np.random.Generator | None = None,
) -> UniversalMatches:
    """Measure examples against the people they were crafted on, and against others.

    Args:
        before: the plain seeds.
        after: the examples, in the same order.
        train: the training people's other photographs; each example is compared with its own person's too.
        unseen: photographs of other people.
        thresholds: of the recogniser that made all of these templates; see `match_thresholds`.
        generator: draws the bootstrap for the intervals; None for none.

    Raises:
        ProtocolMismatch: seeds and examples differ, fewer than two training people, or somebody on both sides.
    """
    if before.subjects.tolist() != after.subjects.tolist():
        raise ProtocolMismatch(
            expected="an example of each seed, in the seeds' order",
            came=f"{len(before)} seeds and {len(after)} examples, or of other people",
            remedy="embed both in one order",
        )
    if shared := sorted({*train.subjects.tolist(), *before.subjects.tolist()} & {*unseen.subjects.tolist()}):
        raise ProtocolMismatch(
            expected="unseen people who are nobody of the training people",
            came=f"{len(shared)} on both sides, such as {shared[0]!r}",
            remedy="split by people, not by photographs",
        )
    if len(set(train.subjects.tolist())) < 2:
        raise ProtocolMismatch(
            expected="at least two training people", came="one", remedy="an example for one person is not universal"
        )
    parts = {"train": train, "test": unseen}
    return UniversalMatches(
        thresholds=thresholds,
        ceiling=train.ceiling,
        before={part: strangers_matched(before, people, thresholds, generator) for part, people in parts.items()},
        after={part: strangers_matched(after, people, thresholds, generator) for part, people in parts.items()},
        own_before=own_matched(before, train, thresholds),
        own_after=own_matched(after, train, thresholds),
    )


def strangers_matched(
    examples: Gathering, people: Gathering, thresholds: MatchThresholds, generator: np.random.Generator | None = None
) -> MatchRate:
    """Count the photographs of other people with which each example passes.

    The interval is a percentile one, over draws of both people (all photographs of a person together) and examples;
    where there is one example only, of people alone.
    """
    scores = examples.templates @ people.templates.T  # (K, N)
    strangers = examples.subjects[:, None] != people.subjects[None]
    names, membership = np.unique(people.subjects, return_inverse=True)
    trials = _by_person(strangers, membership, len(names))  # (K, P)
    passed = {
        key: _by_person(strangers & (scores >= value), membership, len(names))
        for key, value in thresholds.values.items()
    }
    return MatchRate(
        each={key: _shares(counts.sum(axis=1), trials.sum(axis=1)) for key, counts in passed.items()},
        intervals={} if generator is None or len(names) < 2 else _intervals(passed, trials, generator),
    )


def own_matched(examples: Gathering, people: Gathering, thresholds: MatchThresholds) -> MatchRate:
    """Count the photographs of its own person with which each example passes, among `people`."""
    scores = examples.templates @ people.templates.T
    own = examples.subjects[:, None] == people.subjects[None]
    return MatchRate(
        each={
            key: _shares((own & (scores >= value)).sum(axis=1), own.sum(axis=1))
            for key, value in thresholds.values.items()
        },
        intervals={},
    )


def _shares(counts: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[Proportion, ...]:
    return tuple(Proportion(int(count), int(all_)) for count, all_ in zip(counts, trials, strict=True))


def _by_person(flags: NDArray[np.bool_], membership: NDArray[np.intp], people: int) -> NDArray[np.int64]:
    """Count the flags (K, N) of each person: (K, P)."""
    return np.stack([np.bincount(membership[row], minlength=people) for row in flags])


def _intervals(
    passed: Mapping[str, NDArray[np.int64]], trials: NDArray[np.int64], generator: np.random.Generator
) -> dict[str, Interval]:
    examples, people = trials.shape
    weights = generator.multinomial(people, np.full(people, 1 / people), size=RESAMPLES)  # (R, P)
    chosen = generator.integers(examples, size=(RESAMPLES, examples))
    compared = np.maximum(weights @ trials.T, 1)  # (R, K)
    drawn = {
        key: np.take_along_axis(weights @ counts.T / compared, chosen, axis=1).mean(axis=1)
        for key, counts in passed.items()
    }
    tail = (1 - CONFIDENCE) / 2
    method = "bootstrap over people and examples" if examples > 1 else "bootstrap over people"
    ends = {key: np.quantile(values, [tail, 1 - tail]).tolist() for key, values in drawn.items()}
    return {key: Interval(low, high, method) for key, (low, high) in ends.items()}


def _blocks(people: Gathering, block: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield the cosines of all pairs, each once, and whether they are of one person."""
    _, numbers = np.unique(people.subjects, return_inverse=True)
    for top in range(0, len(people), block):
        rows = slice(top, top + block)
        for left in range(top, len(people), block):
            columns = slice(left, left + block)
            scores = people.templates[rows] @ people.templates[columns].T
            same = numbers[rows, None] == numbers[None, columns]
            if left == top:
                upper = np.triu_indices(len(scores), 1)
                yield scores[upper], same[upper]
            else:
                yield scores.ravel(), same.ravel()


def _bins(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Number the bin of each cosine; it never falls as the cosine rises, so that ties stay together."""
    places = (scores + np.float32(_SPAN)) * np.float32(_BINS / (2 * _SPAN))
    return np.asarray(np.clip(places, 0, _BINS - 1), np.int64)


def _windows(negatives: NDArray[np.int64], positives: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    """Return the first and the last bin that a threshold's choice looks at: its own and the two on either side.

    Bins without a non-mated pair are passed over: what they hold of mated pairs is held anyway.
    """
    occupied = np.flatnonzero(negatives)
    refused, lost = np.cumsum(negatives), np.cumsum(positives)
    total, mated = int(refused[-1]), int(lost[-1])
    places = {EER: int(np.argmax((total - refused) * mated - lost * total <= 0))}
    for key, rate in RATES.items():
        places[key] = int(np.searchsorted(refused, total - math.floor(rate * total)))
    windows = {}
    for key, place in places.items():
        at = int(np.searchsorted(occupied, place))
        windows[key] = int(occupied[max(at - 2, 0)]), int(occupied[min(at + 2, len(occupied) - 1)])
    return windows
