"""Who it is and what the face does, judged together: FaceLiveNet's authentication accuracy.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face
Verification with Interactive Facial Expression-Based Liveness Detection, ICPR 2018, section IV-C, equation 8, tables VI
and VII. A pair is verified, and the expression on its query is compared with the one that was asked for.

Equation 8 reads as a count of pairs that pass both checks; but of the 206 pairs of CK+ only 38 should pass, and table
VII prints 0.990. So V_i and E_i say that a decision was right: a stranger refused, or a wrong expression noticed, is
counted. Table VII bears this out: for OuluCASIA 0.932, 0.990 and 0.922 are 358, 380 and 354 of 384, so 26 and 4 wrong
decisions on 30 different pairs, while the product of the first two would print as 0.923.

Accuracy counts a refused friend and an admitted stranger alike. What a gate that asks for both would do stands beside
it: the share of each quadrant that it accepts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.authentication_pairs import AuthenticationPair
from countenance.errors import EmptyScores, NonFiniteScore, ProtocolMismatch
from countenance.metrics.intervals import Bootstrap
from countenance.metrics.operating_point import OperatingPoint
from countenance.protocols.counted_share import CountedShare, counted_shares
from countenance.protocols.table import TableRow
from countenance.scores import ComparisonTable, FlagColumn, comparison_table, text
from countenance.vocabulary import Expression

Quadrant = tuple[bool, bool]
"""Same person, required expression; as `datasets.authentication_pairs.quadrants` counts them."""

QUADRANTS: Mapping[Quadrant, str] = {
    (True, True): "same person, required expression",
    (True, False): "same person, other expression",
    (False, True): "other person, required expression",
    (False, False): "other person, other expression",
}

TABLE_7: Mapping[str, Mapping[str, float]] = {
    "ck-plus": {"acc_verif": 99.0, "acc_expre": 98.1, "acc_live": 100.0, "acc_g": 99.0},
    "oulu-casia": {"acc_verif": 93.2, "acc_expre": 93.5, "acc_live": 99.0, "acc_g": 92.2},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedPairs:
    """Pairs, and what a network said of them.

    Attributes:
        pairs: M pairs.
        similarities: (M,) of query and reference, higher = more alike.
        predicted: the expression seen on each of the M queries.

    Raises:
        EmptyScores: no pair.
        ProtocolMismatch: lengths that differ, or a query without a label.
        NonFiniteScore: a NaN or an infinity.
    """

    pairs: tuple[AuthenticationPair, ...]
    similarities: NDArray[np.floating]
    predicted: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if not self.pairs:
            raise EmptyScores(expected="authentication pairs", came="none", remedy="draw them, or name a list")
        if self.similarities.shape != (len(self.pairs),) or len(self.predicted) != len(self.pairs):
            raise ProtocolMismatch(
                expected=f"a similarity and a prediction for each of {len(self.pairs):,} pairs",
                came=f"{self.similarities.shape} and {len(self.predicted):,}",
                remedy="judge every pair once, in one order",
            )
        if not np.isfinite(self.similarities).all():
            raise NonFiniteScore(
                expected="a finite similarity for each pair",
                came=f"a NaN or an infinity for pair {int(np.argmin(np.isfinite(self.similarities))) + 1}",
                remedy="find the face in both photographs first",
            )
        if unlabelled := [pair.query.identifier for pair in self.pairs if pair.query.expression is None]:
            raise ProtocolMismatch(
                expected="the expression of every query",
                came=f"{len(unlabelled):,} without, the first {unlabelled[0]!r}",
                remedy="read the labels of the set",
            )

    @cached_property
    def table(self) -> ComparisonTable:
        """The similarities as comparisons, which `evaluate` judges and `operating_point.choose` chooses on."""
        return comparison_table(
            identifiers=[f"pair-{number:04d}" for number in range(1, len(self.pairs) + 1)],
            references=[pair.reference.subject for pair in self.pairs],
            probes=[pair.query.identifier for pair in self.pairs],
            is_mated=[pair.is_mated for pair in self.pairs],
            scores=self.similarities.astype(np.float64),
        )


@dataclass(frozen=True, kw_only=True)
class QuadrantAccuracy:
    """One quadrant of table VI.

    Attributes:
        acc_verif: right verification decisions.
        acc_live: right liveness decisions.
        acc_g: both right.
        accepted: both checks passed; right in the first quadrant only.
    """

    acc_verif: CountedShare
    acc_live: CountedShare
    acc_g: CountedShare
    accepted: CountedShare


@dataclass(frozen=True, kw_only=True)
class AuthenticationAccuracy:
    """Table VII, the same by quadrant, and what the gate would do.

    Attributes:
        acc_verif: right verification decisions.
        acc_expre: expressions named rightly, among all that the network knows.
        acc_live: right liveness decisions: required expression or not.
        acc_g: both decisions right (equation 8).
        wrongly_accepted: both checks passed, of the pairs in the three quadrants that should be refused.
        wrongly_refused: of the first quadrant.
        quadrants: each quadrant by (same person, required expression); without trials where the list has no such pair.
    """

    acc_verif: CountedShare
    acc_expre: CountedShare
    acc_live: CountedShare
    acc_g: CountedShare
    wrongly_accepted: CountedShare
    wrongly_refused: CountedShare
    quadrants: Mapping[Quadrant, QuadrantAccuracy]

    @property
    def product_of_accuracies(self) -> float:
        """Acc_verif times Acc_expre, by which the released training script chooses its network: not Acc_g.

        The script takes its second factor over all photographs of the held-out fold; here it is over the queries.
        """
        return self.acc_verif.value * self.acc_expre.value

    def as_json(self) -> dict[str, object]:
        """Return everything by name, the quadrants in words."""
        names = ("acc_verif", "acc_expre", "acc_live", "acc_g", "wrongly_accepted", "wrongly_refused")
        parts = ("acc_verif", "acc_live", "acc_g", "accepted")
        return {
            **{name: getattr(self, name).as_json() for name in names},
            "product_of_accuracies": self.product_of_accuracies,
            "quadrants": {
                QUADRANTS[key]: {part: getattr(found, part).as_json() for part in parts}
                for key, found in self.quadrants.items()
            },
        }


def authentication_accuracy(
    judged: JudgedPairs, point: OperatingPoint | Sequence[OperatingPoint], *, drawing: Bootstrap | None = None
) -> AuthenticationAccuracy:
    """Count right decisions over authentication pairs.

    Args:
        judged: the pairs, their similarities, and the expressions seen.
        point: the verification threshold, chosen on other scores; or one for each pair, where folds have their own.
        drawing: of the bootstrap over the subjects of the references; None for none.

    Raises:
        TunedOnTest: a threshold that was chosen on these very similarities.
        NonFiniteScore: a threshold that is no number.
        ProtocolMismatch: a number of thresholds that is not the number of pairs.
    """
    pairs = judged.pairs
    verified = judged.similarities >= _thresholds(judged, point)
    asked = _flags(seen == pair.required for seen, pair in zip(judged.predicted, pairs, strict=True))
    named = _flags(seen == pair.query.expression for seen, pair in zip(judged.predicted, pairs, strict=True))
    mated = _flags(pair.is_mated for pair in pairs)
    required = _flags(pair.is_required for pair in pairs)
    verified_right, live_right = verified == mated, asked == required  # V_i and E_i of Eq. 8
    both_right, accepted = verified_right & live_right, verified & asked
    everything = np.ones(len(pairs), bool)
    wanted = mated & required
    shares = [
        (verified_right, everything),
        (named, everything),
        (live_right, everything),
        (both_right, everything),
        (accepted, ~wanted),
        (~accepted, wanted),
    ]
    places = {key: (mated == key[0]) & (required == key[1]) for key in QUADRANTS}
    for rows in places.values():
        shares += [(verified_right, rows), (live_right, rows), (both_right, rows), (accepted, rows)]
    found = counted_shares(shares, text([pair.reference.subject for pair in pairs]), drawing)
    quadrants = {
        key: QuadrantAccuracy(acc_verif=verif, acc_live=live, acc_g=both, accepted=passed)
        for key, (verif, live, both, passed) in zip(places, _fours(found[6:]), strict=True)
    }
    return AuthenticationAccuracy(
        acc_verif=found[0],
        acc_expre=found[1],
        acc_live=found[2],
        acc_g=found[3],
        wrongly_accepted=found[4],
        wrongly_refused=found[5],
        quadrants=quadrants,
    )


def table_7(accuracy: AuthenticationAccuracy, *, set_name: str, data: str) -> list[TableRow]:
    """Return the four rows of table VII of one set, in percent.

    Args:
        accuracy: as measured.
        set_name: "ck-plus" or "oulu-casia", whose published values stand beside; of another set none do.
        data: what was measured on, for the rows.
    """
    return [
        share.row(f"{set_name}, {key}", data=data, reported=TABLE_7.get(set_name, {}).get(key))
        for key, share in (
            ("acc_verif", accuracy.acc_verif),
            ("acc_expre", accuracy.acc_expre),
            ("acc_live", accuracy.acc_live),
            ("acc_g", accuracy.acc_g),
        )
    ]


def _thresholds(judged: JudgedPairs, point: OperatingPoint | Sequence[OperatingPoint]) -> NDArray[np.float64]:
    points = [point] * len(judged.pairs) if isinstance(point, OperatingPoint) else point
    if len(points) != len(judged.pairs):
        raise ProtocolMismatch(
            expected=f"one threshold, or one for each of {len(judged.pairs):,} pairs",
            came=f"{len(points):,}",
            remedy="name the threshold of each pair's fold",
        )
    for each in set(points):
        each.refuse_if_chosen_on(judged.table)
    values = np.array([each.value for each in points], np.float64)
    if not np.isfinite(values).all():
        raise NonFiniteScore(expected="a finite threshold", came="a NaN or an infinity", remedy="choose it again")
    return values


def _flags(values: Iterable[bool]) -> FlagColumn:
    return np.fromiter(values, bool)


def _fours(found: Sequence[CountedShare]) -> list[Sequence[CountedShare]]:
    return [found[first : first + 4] for first in range(0, len(found), 4)]
