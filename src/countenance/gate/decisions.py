"""From what the gate decided to what is kept of it: further reasons against it, and the receipt that is signed."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from countenance.receipts import Receipt, subject_digest
from countenance.vocabulary import Reason

if TYPE_CHECKING:  # they bring torch with them
    from countenance.gate.session import GateDecision, Session


def refused_too(decision: "GateDecision", against: Iterable[Reason]) -> "GateDecision":
    """Return the decision with more reasons against it, if any; none can turn a no into a yes."""
    more = [reason for reason in dict.fromkeys(against) if reason not in decision.reasons]
    if not more:
        return decision
    return replace(decision, accepted=False, reasons=(*decision.reasons, *more))


def receipt_of(session: "Session", decision: "GateDecision", *, identifier: str, decided: float) -> Receipt:
    """Return the receipt of a decision, which names its subject by a digest.

    Args:
        session: as it ended.
        decision: on it.
        identifier: of the receipt, drawn at random.
        decided: when, in seconds since the epoch.
    """
    challenge = session.state.challenge
    return Receipt(
        identifier=identifier,
        session=session.identifier,
        subject=subject_digest(session.subject, session=session.identifier, nonce=session.nonce),
        name=None,
        nonce=session.nonce,
        actions=challenge.actions,
        issued=round(1000 * challenge.issued),
        decided=round(1000 * max(decided, challenge.issued)),
        frames=session.frames,
        head=session.head.hex(),
        models=dict(decision.models),
        policy=decision.policy_digest,
        accepted=decision.accepted,
        reasons=decision.reasons,
    )
