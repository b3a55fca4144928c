"""What a gate that asks for an expression lets through: people, strangers, prints and replays, with and without PAD.

Ming et al. 2018 (FaceLiveNet, section III-B) call the expression a proof of liveness and show it to no attack. Here an
attempt passes the *challenge alone* when the face is that of the reference and shows the required expression (both of
Eq. 8's checks), and the *challenge with PAD* when a network of presentation attacks says bona fide too.

IAPAR (ISO/IEC 30107-3) is the share of the impostor attack presentations of one species that the whole gate accepts;
what it does not answer to (no face, a sensor that shows nothing) is not accepted, and counts. APCER and BPCER are of
the PAD network by itself, over what it answered to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.errors import NonFiniteScore, ProtocolMismatch
from countenance.metrics.counts import Proportion, SortedScores
from countenance.metrics.intervals import Bootstrap, clopper_pearson
from countenance.metrics.operating_point import OperatingPoint
from countenance.metrics.presentation import non_responses, presentation_errors
from countenance.protocols.counted_share import CountedShare, counted_shares
from countenance.protocols.table import TableRow
from countenance.scores import FlagColumn, PresentationTable, TextColumn

VERIFICATION, EXPRESSION, ALONE, WITH = "verification alone", "expression alone", "challenge alone", "challenge with"
GENUINE, DISOBEDIENT = "bona fide, required expression", "bona fide, other expression"
STRANGER = "other person, required expression"
NEUTRAL_PRINT = "neutral print"
RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ChallengeAttempts:
    """Attempts to pass, and what was said of each.

    Attributes:
        kinds: (A,) `GENUINE`, `DISOBEDIENT`, `STRANGER`, `NEUTRAL_PRINT`, or the species of an instrument that shows
            the required expression.
        references: (A,) the person whom the attempt claims to be.
        presentations: (A,) which presentation is shown: a row of each table of `pads`.
        similarities: (A,) of presentation and reference, higher = more alike; NaN where no face was found.
        obeyed: (A,) whether the expression that the network sees is the required one.

    Raises:
        ProtocolMismatch: lengths that differ.
        NonFiniteScore: an infinite similarity.
    """

    kinds: TextColumn
    references: TextColumn
    presentations: NDArray[np.intp]
    similarities: NDArray[np.float64]
    obeyed: FlagColumn

    def __post_init__(self) -> None:
        lengths = {len(column) for column in vars(self).values()}
        if len(lengths) > 1:
            raise ProtocolMismatch(
                expected="a kind, a reference, a presentation, a similarity and an expression for each attempt",
                came=f"columns of {' and '.join(map(str, sorted(lengths)))}",
                remedy="judge every attempt once",
            )
        if np.isinf(self.similarities).any():
            raise NonFiniteScore(expected="finite similarities", came="an infinity", remedy="see to the templates")


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedByPad:
    """What a PAD network said.

    Attributes:
        table: a row for each presentation.
        point: its threshold, chosen elsewhere.
    """

    table: PresentationTable
    point: OperatingPoint

    @property
    def accepted(self) -> FlagColumn:
        """(N,) which presentations it takes for bona fide; none that it gave no response to."""
        return np.asarray(self.table.scores >= self.point.value, np.bool_)


Points = Mapping[str, OperatingPoint]
"""Thresholds of verification, chosen elsewhere, by words that say where."""
Pads = Mapping[str, JudgedByPad]
"""What PAD networks said, by their names."""


def gates(attempts: ChallengeAttempts, points: Points, pads: Pads) -> dict[str, FlagColumn]:
    """Return which attempts (A,) each gate accepts: either check by itself, both, and both with each PAD network.

    Args:
        attempts: as judged.
        points: of verification; each makes gates of its own.
        pads: beside the challenge.
    """
    found = {EXPRESSION: attempts.obeyed}
    for words, point in points.items():
        verified = np.asarray(attempts.similarities >= point.value, np.bool_)  # no face is NaN, and NaN is refused
        both = verified & attempts.obeyed
        found |= {f"{VERIFICATION}, {words}": verified, f"{ALONE}, {words}": both}
        for name, pad in pads.items():
            found[f"{WITH} {name}, {words}"] = both & pad.accepted[attempts.presentations]
    return found


def challenge_rows(attempts: ChallengeAttempts, points: Points, pads: Pads, *, data: str) -> list[TableRow]:
    """Return the share of each kind of attempt that each gate accepts, the errors of the PAD networks, and the EER.

    Args:
        attempts: as judged.
        points: of verification.
        pads: beside the challenge.
        data: what was judged, for the rows.

    Returns:
        Rows in percent; intervals take attempts as independent, bootstraps draw the people of the references anew.
    """
    found = gates(attempts, points, pads)
    kinds = sorted(set(attempts.kinds.tolist()), key=_place)
    places = [(gate, kind) for gate in found for kind in kinds]
    shares = counted_shares(
        [(found[gate], attempts.kinds == kind) for gate, kind in places],
        attempts.references,
        Bootstrap(RESAMPLES, np.random.default_rng(0)),
    )
    counted = dict(zip(places, shares, strict=True))
    rows = []
    for gate in found:
        rows += [counted[gate, kind].row(f"{gate}: {_told(kind)}", data=data) for kind in kinds]
        rows += _worst(gate, {kind: counted[gate, kind] for kind in kinds if _is_attack(kind)}, data)
    for name, pad in pads.items():
        rows += _pad_rows(name, pad, data)
    return [*rows, *_eer(attempts, points, data)]


def _place(kind: str) -> tuple[int, str]:
    """People first, then the species by name, the neutral print last."""
    order = {GENUINE: 0, DISOBEDIENT: 1, STRANGER: 2, NEUTRAL_PRINT: 4}
    return order.get(kind, 3), kind


def _is_attack(kind: str) -> bool:
    return kind not in {GENUINE, DISOBEDIENT, STRANGER}


def _told(kind: str) -> str:
    if kind == STRANGER:
        return f"{kind}, accepted (zero-effort impostor)"
    return f"IAPAR, {kind}" if _is_attack(kind) else f"{kind}, accepted"


def _worst(gate: str, attacks: Mapping[str, CountedShare], data: str) -> list[TableRow]:
    shown = {kind: share for kind, share in attacks.items() if kind != NEUTRAL_PRINT}
    if not shown:
        return []
    worst = max(shown, key=lambda kind: shown[kind].value)
    return [shown[worst].row(f"{gate}: IAPAR, worst of {len(shown)} species", data=data, note=worst)]


def _pad_rows(name: str, pad: JudgedByPad, data: str) -> list[TableRow]:
    errors, silent = presentation_errors(pad.table, pad.point), non_responses(pad.table)
    counts = {"BPCER": (errors.bpcer, silent.bpnrr)} | {
        f"APCER, {species}": (count, silent.apnrr[species]) for species, count in errors.apcer.items()
    }
    rule = f"threshold {pad.point.value:.4g}, {pad.point.rule}, {pad.point.split}"
    return [
        CountedShare(count=count, interval=clopper_pearson(count)).row(
            f"{name} alone: {key}", data=data, note="; ".join([rule, *_unanswered(none)])
        )
        for key, (count, none) in counts.items()
    ]


def _unanswered(none: Proportion) -> Sequence[str]:
    return [f"no response to {none.count} of {none.trials}"] if none.count else []


def _eer(attempts: ChallengeAttempts, points: Points, data: str) -> list[TableRow]:
    """The equal error rate of verification on live people: how far apart the network holds drawn faces."""
    answered = ~np.isnan(attempts.similarities)
    mated = answered & np.isin(attempts.kinds, [GENUINE, DISOBEDIENT])
    strangers = answered & (attempts.kinds == STRANGER)
    if not (mated.any() and strangers.any()):
        return []
    scores = SortedScores.of(positives=attempts.similarities[mated], negatives=attempts.similarities[strangers])
    used = "; ".join(f"{words} {point.value:.4g}, {point.rule}" for words, point in points.items())
    note = f"live people; {mated.sum():,} mated and {strangers.sum():,} non-mated, neutral references; {used}"
    return [
        TableRow(
            name="verification: EER",
            reported=None,
            measured=100 * scores.eer(),
            count=None,
            interval=None,
            data=data,
            note=note,
        )
    ]
