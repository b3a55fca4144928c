"""Sessions between the store and the gate: begun, shown frames, concluded once, each refused with its reason.

All of a session lies in the store, so that any process that shares it goes on with any frame. A frame is taken when the
session is still the one that was read (compare and swap), and refused otherwise. These functions wait for the database
and for networks: they are called from threads.
"""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from countenance.challenge import LOCK_LOOK_BACK_SECONDS, locked_until
from countenance.errors import ChallengeExpired, ChallengeReplayed, OutOfOrder, UnknownSession
from countenance.gate.decisions import receipt_of, refused_too
from countenance.receipts import sign
from countenance.service.access import Caller
from countenance.service.bodies import Audited, CheckSeen, Concluded, FrameSeen, SessionMade, SessionSeen, advice_of
from countenance.service.desk import Desk
from countenance.service.frames import Pictures
from countenance.service.gallery_cache import References
from countenance.service.rates import Rates
from countenance.service.refusals import Refusal
from countenance.service.tokens import token_of
from countenance.store.sessions import StoredSession
from countenance.vocabulary import Action, Reason

if TYPE_CHECKING:  # they bring torch with them, which a service loads behind its first answers
    from countenance.gate.session import Feedback, Recent, Session

_NAME_BYTES = 16


@dataclass(frozen=True)
class _State:
    """What the store keeps of an open session.

    Attributes:
        session: of the gate.
        last: SHA-256 of the newest frame, in hexadecimal; "" before the first.
        feedback: to it.
        used_before: how many of its frames were shown before, in another session or earlier in this one.
        told: the person was told what to do, which counts as a failure until the session is accepted.
    """

    session: "Session"
    last: str = ""
    feedback: Mapping[str, Any] | None = None
    used_before: int = 0
    told: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "session": self.session.as_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "_State":
        from countenance.gate.session import Session

        return cls(**{**value, "session": Session.from_json(value["session"])})


class Attempts:
    """Everything that is done with sessions."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._store, self._settings = desk, desk.store, desk.settings
        self._references = References(desk.store)
        self._recents: OrderedDict[str, Recent] = OrderedDict()
        self._lock = threading.Lock()
        self._begun = Rates(
            per_second=desk.settings.sessions_per_subject / 60,
            at_once=desk.settings.sessions_per_subject,
            clock=desk.clock,
        )

    def begin(self, subject: str, without: frozenset[Action], caller: Caller) -> SessionMade:
        """Begin a session.

        Raises:
            UnknownSubject: nobody of that name is enrolled.
            Refusal: 429 where the person is locked, or sessions are begun too often; 503 while nothing is loaded.
        """
        gate, now = self._desk.gate, self._desk.clock()
        self._references.of(subject, gate)
        self._refuse_locked(subject, now)
        if seconds := self._begun.wait_seconds(subject):
            raise Refusal(
                429,
                expected=f"at most {self._settings.sessions_per_subject} sessions a minute for one person",
                came="more",
                remedy="wait as long as Retry-After says",
                retry_seconds=seconds,
            )
        session = gate.begin(subject, now=now, random=self._desk.random, without=without)
        self._store.create_session(
            session.identifier,
            subject=subject,
            nonce=session.nonce,
            key_id=caller.key,
            expires=session.expires,
            state=_State(session).as_json(),
            now=now,
        )
        return SessionMade(
            session=session.identifier,
            nonce=session.nonce,
            token=token_of(session.identifier, expires=session.expires, signer=self._desk.signer),
            prompt=session.state.prompt,
            steps=len(session.state.challenge.actions),
            next_sequence=session.frames,
            expires_at=session.expires,
        )

    def read(self, name: str, caller: Caller) -> SessionSeen:
        """Say where a session stands.

        Raises:
            UnknownSession: there is none of this name, or it is not the caller's.
        """
        stored = self._own(name, caller)
        state = _State.from_json(stored.state)
        return SessionSeen(
            session=name,
            state=self._standing(stored),
            next_sequence=state.session.frames,
            expires_at=stored.expires,
        )

    def expect(self, name: str, caller: Caller, *, nonce: str, sequence: int) -> StoredSession:
        """Refuse a frame by what stands around it, before anything looks at it.

        Raises:
            UnknownSession: as for `read`.
            ChallengeReplayed: the session is spent.
            ChallengeExpired: its time is over.
            OutOfOrder: another frame is next.
            Refusal: 403 for another nonce; 409 for too many frames, 429 for too many in a second.
        """
        stored, now = self._own(name, caller), self._desk.clock()
        self._refuse_spent(stored)
        if now >= stored.expires:
            raise ChallengeExpired(
                expected="a session that is open", came="one whose time is over", remedy="begin another session"
            )
        if not hmac.compare_digest(stored.nonce.encode(), nonce.encode()):
            raise Refusal(403, expected="the nonce of this session", came="another one", remedy="begin another session")
        session = _State.from_json(stored.state).session
        if sequence != session.frames:
            raise OutOfOrder(
                expected=f"frame {session.frames} of this session", came=f"frame {sequence}", remedy="send the next one"
            )
        self._refuse_pace(session, now)
        return stored

    def look(self, name: str, caller: Caller, *, nonce: str, sequence: int, pictures: Pictures) -> FrameSeen:
        """Have one frame judged; the first time that it leads to the person's being told what to do is noted.

        A frame that is byte for byte the one before it, as a slow camera gives, is answered as that one was. One whose
        picture was shown in a session before, in whichever, spoils this one; its person is told at the end.

        Raises:
            InputError: it cannot be read.
            StoreConflict: another frame was taken meanwhile.
            PersonLocked: the person would be told what to do, and failed too often in other sessions.
            As for `expect`.
        """
        from countenance.gate.session import Frame

        stored = self.expect(name, caller, nonce=nonce, sequence=sequence)
        state = _State.from_json(stored.state)
        now = self._desk.clock()
        frame = Frame(seconds=now, **vars(pictures))
        digest = frame.digest.hex()
        if digest == state.last and state.feedback is not None:
            return FrameSeen.model_validate({**state.feedback, "next_sequence": state.session.frames})
        gate = self._desk.gate
        references = self._references.of(stored.subject, gate)
        session, feedback = gate.look(state.session, frame, references, recent=self._recent(name))
        seen = _told(feedback, session.frames)
        self._desk.measures.frames.inc()
        used = self._store.note_frames([frame.picture_digest.hex()], now=now)
        telling = seen.action is not None and not state.told
        spoilt = _State(
            session, digest, seen.model_dump(mode="json"), state.used_before + used, told=state.told or telling
        )
        self._store.advance(name, version=stored.version, state=spoilt.as_json(), told=telling, now=now)
        return seen

    def refuse_spent(self, name: str, caller: Caller) -> None:
        """Refuse a session that was concluded.

        Raises:
            UnknownSession: as for `read`.
            ChallengeReplayed: it was.
        """
        self._refuse_spent(self._own(name, caller))

    def conclude(self, name: str, caller: Caller) -> Concluded:
        """Decide, once: sign and keep the receipt, note a failure, and write the audit log.

        Raises:
            UnknownSession: as for `read`.
            ChallengeReplayed: it was concluded before, or is at this moment by another request.
            StoreConflict: a frame was taken meanwhile.
        """
        stored, now = self._own(name, caller), self._desk.clock()
        self._refuse_spent(stored)
        state = _State.from_json(stored.state)
        decision = self._desk.gate.conclude(state.session, now=now, seen_before=state.used_before)
        locked = self._locked_until(stored.subject, now, besides=name) is not None
        against = {
            Reason.LOCKED: locked,
            Reason.USED_BEFORE: state.used_before > 0,
            Reason.TOO_LATE: now >= stored.expires,
        }
        decision = refused_too(decision, [reason for reason, holds in against.items() if holds])
        receipt = receipt_of(state.session, decision, identifier=self._desk.random(_NAME_BYTES).hex(), decided=now)
        self._store.spend(
            name,
            version=stored.version,
            decision={**decision.as_json(), "receipt": receipt.identifier},
            receipt=sign(receipt, self._desk.signer),
            failed=not decision.accepted and not locked,
            now=now,
        )
        self._recents.pop(name, None)
        self._desk.measures.decisions.labels(str(decision.accepted).lower()).inc()
        for reason in decision.reasons:
            self._desk.measures.refused.labels(str(reason)).inc()
        return _concluded(name, decision.as_json())

    def result(self, name: str, caller: Caller) -> Concluded:
        """Return what was decided.

        Raises:
            UnknownSession: as for `read`.
            OutOfOrder: nothing was decided yet.
        """
        stored = self._own(name, caller)
        if stored.decision is None:
            raise OutOfOrder(
                expected="a session that was concluded", came="one that was not", remedy="POST its result first"
            )
        return _concluded(name, stored.decision)

    def audit(self, name: str) -> Audited:
        """Return what a session was decided by, for the operator.

        Raises:
            UnknownSession: there is none of this name.
        """
        stored = self._store.session(name)
        session, decision = _State.from_json(stored.state).session, stored.decision or {}
        return Audited(
            session=name,
            subject=stored.subject,
            state=self._standing(stored),
            key=stored.key_id,
            accepted=decision.get("accepted"),
            reasons=decision.get("reasons", []),
            scores=decision.get("scores", {}),
            checks=[CheckSeen.model_validate(each) for each in decision.get("outcomes", [])],
            policy=session.policy,
            models=decision.get("models", {}),
            frames=session.frames,
        )

    def receipt(self, name: str, caller: Caller) -> bytes:
        """Return the signed receipt.

        Raises:
            UnknownSession: as for `read`.
            OutOfOrder: nothing was decided yet.
        """
        if caller.role != "viewer":
            self._own(name, caller)
        signed = self._store.receipt(name)
        if signed is None:
            raise OutOfOrder(
                expected="a session that was concluded", came="one that was not", remedy="POST its result first"
            )
        return signed

    def _recent(self, name: str) -> "Recent":
        from countenance.gate.session import Recent

        with self._lock:
            recent = self._recents.pop(name, Recent())
            self._recents[name] = recent
            while len(self._recents) > self._settings.remembered:
                self._recents.popitem(last=False)
        return recent

    def _own(self, name: str, caller: Caller) -> StoredSession:
        stored = self._store.session(name)
        if caller.session != name and (caller.session is not None or stored.key_id != caller.key):
            raise UnknownSession(
                expected="a session of this key", came="another name", remedy="begin one: POST /v1/sessions"
            )
        return stored

    def _standing(self, stored: StoredSession) -> Any:
        if stored.spent is not None:
            return "concluded"
        return "expired" if self._desk.clock() >= stored.expires else "open"

    def _refuse_spent(self, stored: StoredSession) -> None:
        if stored.spent is not None:
            raise ChallengeReplayed(
                expected="a session that is open", came="one that was concluded", remedy="begin another session"
            )

    def _refuse_pace(self, session: "Session", now: float) -> None:
        if session.frames >= self._settings.frames_per_session:
            raise Refusal(
                409,
                expected=f"at most {self._settings.frames_per_session} frames",
                came="one more",
                remedy="conclude this session",
                reason=Reason.TOO_LATE,
            )
        since = max(0.0, now - session.state.challenge.issued)
        allowed = self._settings.frames_at_once + since * self._settings.frames_per_second
        if session.frames + 1 > allowed:
            raise Refusal(
                429,
                expected=f"at most {self._settings.frames_per_second:g} frames a second",
                came="more",
                remedy="wait as long as Retry-After says",
                retry_seconds=1,
            )

    def _locked_until(self, subject: str, now: float, *, besides: str | None = None) -> float | None:
        return locked_until(self._store.failures(subject, since=now - LOCK_LOOK_BACK_SECONDS, besides=besides), now)

    def _refuse_locked(self, subject: str, now: float) -> None:
        until = self._locked_until(subject, now)
        if until is not None:
            raise Refusal(
                429,
                expected="a person who may try",
                came="one with too many failures in the last minutes",
                remedy=Reason.LOCKED.advice,
                reason=Reason.LOCKED,
                retry_seconds=until - now,
            )


def _told(feedback: "Feedback", next_sequence: int) -> FrameSeen:
    return FrameSeen(
        prompt=feedback.prompt,
        action=feedback.action,
        advice=advice_of(feedback.advice),
        step=feedback.step,
        steps=feedback.steps,
        done=feedback.done,
        next_sequence=next_sequence,
    )


def _concluded(name: str, decision: Mapping[str, Any]) -> Concluded:
    return Concluded(
        session=name,
        accepted=decision["accepted"],
        reasons=decision["reasons"],
        advice=advice_of(decision["reasons"]),
        receipt=f"/v1/receipts/{name}",
    )
