"""Which samples a system finds hard: those its networks disagree on, and those nearest its threshold.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019,
section 5.9: Figure 3 shows the highest standard deviation of the liveness score among networks A to D, Figure 4 what
lies close to the threshold at FPR 1e-4. The paper does not say how many were looked at, nor whether the deviation is
that of a sample or of a population, which orders them alike; here it is the population's.

Both look at the scores they are chosen from: what they show is a description, and nothing is reported as an error rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError, at_least
from countenance.metrics.counts import SortedScores
from countenance.scores import FlagColumn, PresentationTable, mean_of


class Group(StrEnum):
    """What a sample was chosen as."""

    BONA_FIDE = "bona fide"
    ATTACK = "attack"
    BONA_FIDE_ACCEPTED = "bona fide, accepted"
    BONA_FIDE_REFUSED = "bona fide, refused"
    ATTACK_ACCEPTED = "attack, accepted"
    ATTACK_REFUSED = "attack, refused"


@dataclass(frozen=True, kw_only=True)
class HardSample:
    """One row of a score table.

    Attributes:
        identifier: of the row.
        species: of an attack; "" for bona fide, and where it is not known.
        group: what it was chosen as.
        value: what it was chosen by: the standard deviation of its scores, or its score less the threshold.
    """

    identifier: str
    species: str
    group: Group
    value: float


def most_conflicting(tables: Sequence[PresentationTable], count: int) -> list[HardSample]:
    """Return the samples with the highest standard deviation over networks: bona fide ones, then attacks (Figure 3).

    Args:
        tables: one for each network, of the same rows; rows without a response of every network are left out.
        count: of each class, the most conflicting first; all of a class that has fewer. Of equals the earlier row.

    Raises:
        UsageError: fewer than two networks, or a count below 1.
        ProtocolMismatch: tables of different rows.
    """
    at_least(1, count=count)
    if len(tables) < 2:
        raise UsageError(
            expected="tables of at least two networks", came=str(len(tables)), remedy="score with several, --members"
        )
    rows = mean_of(tables)
    spread = np.std([table.scores for table in tables], axis=0)
    return [
        sample
        for group, chosen in ((Group.BONA_FIDE, rows.is_positive), (Group.ATTACK, ~rows.is_positive))
        for sample in _lowest(rows, chosen & rows.responded, -spread, spread, group, count)
    ]


def nearest_threshold(table: PresentationTable, rate: float, count: int) -> list[HardSample]:
    """Return the samples nearest the threshold at a false positive rate, on both sides of it (Figure 4).

    The threshold is that of the last ROC point of this very table at or below `rate`.

    Args:
        table: of the system's scores; rows without a response are left out.
        rate: the false positive rate, pooled over attacks, in [0, 1].
        count: of each class and side, the nearest first; all that there are where there are fewer. Of equals the
            earlier row.

    Raises:
        UsageError: a rate outside [0, 1], or a count below 1.
        OneClassOnly: the table holds one class.
    """
    at_least(1, count=count)
    if not 0 <= rate <= 1:
        raise UsageError(expected="a false positive rate in [0, 1]", came=str(rate), remedy="for example 1e-4")
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    above = table.scores - ordered.threshold_at_false_accept_rate(rate)
    accepted = above >= 0  # no response is NaN, and NaN is refused
    sides = (
        (Group.BONA_FIDE_REFUSED, table.is_positive & ~accepted),
        (Group.BONA_FIDE_ACCEPTED, table.is_positive & accepted),
        (Group.ATTACK_ACCEPTED, ~table.is_positive & accepted),
        (Group.ATTACK_REFUSED, ~table.is_positive & ~accepted),
    )
    return [
        sample
        for group, chosen in sides
        for sample in _lowest(table, chosen & table.responded, np.abs(above), above, group, count)
    ]


def _lowest(
    table: PresentationTable,
    chosen: FlagColumn,
    order: NDArray[np.float64],
    values: NDArray[np.float64],
    group: Group,
    count: int,
) -> list[HardSample]:
    rows = np.flatnonzero(chosen)
    first = rows[np.argsort(order[rows], kind="stable")[:count]].tolist()
    return [
        HardSample(
            identifier=str(table.identifiers[row]),
            species=str(table.species[row]),
            group=group,
            value=float(values[row]),
        )
        for row in first
    ]
