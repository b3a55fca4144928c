"""Attempts at a local gate: a challenge is drawn for somebody, and a clip is judged as the answer to it.

There are two ways. `issue_challenge` draws what nobody could know, keeps it in the store, and prints it; whoever stands
before the camera then has its time to answer, and `authenticate` takes the clip with the nonce, once. Or the operator
names the actions, for clips that were recorded to order: nothing was drawn, so that an old clip of the same actions
would do, if it were not for its frames, which are known again.

Every clip that is judged is decided on once: decision, signed receipt, failure and the line in the audit log are one
transaction. Frames that were shown in an attempt before, in whosever, prove nothing. Five failures within three minutes
lock a person for three more; a challenge that was drawn, and so told, is one until it is answered well, or whoever
does not like it would draw another one. What is refused without a look at the clip (locked, too late, used before) has
neither scores nor a receipt, and is written to the audit log alone.

A clip is a file: nothing here can know that a camera made it, or when. With a nonce it must at least have had the time
to come about: a clip that lasts longer than its challenge is old was recorded before it.
"""

import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countenance.challenge import LOCK_LOOK_BACK_SECONDS, ChallengeRules, draw_challenge, locked_until
from countenance.challenge import begin as begin_challenge
from countenance.errors import ChallengeReplayed, PersonLocked, UnknownSession, UsageError
from countenance.files import existing_file
from countenance.gate.authenticator import Authenticator, authenticate_clip
from countenance.gate.decisions import receipt_of, refused_too
from countenance.gate.enrolling import recogniser_name
from countenance.gate.local import LocalGate, opened
from countenance.gate.networks import load_networks, model_digest
from countenance.gate.recordings import Recording
from countenance.gate.session import GateDecision, Session
from countenance.policy import CheckKind, Policy, read_policy
from countenance.receipts import sign, start_chain
from countenance.shipped import FACELIVENET_SLIM
from countenance.store.audit import LOCAL
from countenance.store.sessions import StoredSession
from countenance.vocabulary import Action, Reason

POLICY = "rgb-clip"
"""The policy of a local gate, unless another one is named: all that one camera can tell of a clip."""
TO_ORDER = (Action.HAPPY, Action.SURPRISE)
"""What a clip is taken to have been recorded for where neither actions nor a nonce are named."""
_IDENTIFIER_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class IssuedChallenge:
    """A challenge that was drawn, or why none was.

    Attributes:
        subject: the name.
        session: that was begun with it; None where the person is locked.
        locked: until when, in seconds since the epoch; None where he is not.
    """

    subject: str
    session: Session | None
    locked: float | None = None

    @property
    def accepted(self) -> bool:
        """A challenge was drawn."""
        return self.session is not None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why none was drawn; empty where one was."""
        return () if self.accepted else (Reason.LOCKED,)

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``challenge``."""
        told: dict[str, Any] = {
            "subject": self.subject,
            "accepted": self.accepted,
            "reasons": [str(reason) for reason in self.reasons],
            "advice": [reason.advice for reason in self.reasons],
            "locked_until": self.locked,
        }
        if self.session is None:
            return told
        challenge = self.session.state.challenge
        return {
            **told,
            "session": self.session.identifier,
            "nonce": challenge.nonce,
            "challenge": [str(action) for action in challenge.actions],
            "prompts": [action.prompt for action in challenge.actions],
            "issued": challenge.issued,
            "expires": challenge.expires,
        }


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What became of an attempt.

    Attributes:
        subject: the name that was claimed.
        reasons: why the person was not let in; empty when accepted.
        decision: of the gate; None where it was refused without a look at the clip.
        session: as it ended; None likewise.
        receipt: signed, as bytes that are passed on as they are; None likewise.
        public_key: file of the key that verifies it; None likewise.
        locked: until when the person is locked, in seconds since the epoch; None where he is not.
    """

    subject: str
    reasons: tuple[Reason, ...]
    decision: GateDecision | None = None
    session: Session | None = None
    receipt: bytes | None = None
    public_key: Path | None = None
    locked: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the person was let in."""
        return self.decision is not None and self.decision.accepted

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``authenticate``; the scores are for the operator, not for the person."""
        told = {
            "subject": self.subject,
            "accepted": self.accepted,
            "reasons": [str(reason) for reason in self.reasons],
            "advice": [reason.advice for reason in self.reasons],
            "scores": {},
            "locked_until": self.locked,
        }
        if self.decision is None or self.session is None:
            return told
        challenge = self.session.state.challenge
        steps = {"challenge": [str(action) for action in challenge.actions], "shown": self.session.state.step}
        return {**told, **self.decision.as_json(), **steps, "nonce": challenge.nonce}


def issue_challenge(
    subject: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    steps: int = 2,
    without: Iterable[Action] = (),
    policy: str = POLICY,
    now: Callable[[], float] = time.time,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> IssuedChallenge:
    """Draw a challenge for somebody who is enrolled, and keep it until it is answered or over.

    Args:
        subject: the name.
        folder: of the gallery.
        steps: how many actions.
        without: actions that this person cannot do.
        policy: by which the answer will be judged: a shipped name, or a file.
        now: the clock, seconds since the epoch.
        random: returns that many random bytes.

    Raises:
        UnknownSubject: nobody of that name is enrolled.
        TemplateVersion: the person was enrolled with another recogniser than the policy names.
        UsageError: fewer actions are left than steps, or there is no such policy.
        MissingFile: there is no gallery.
    """
    judged_by = read_policy(policy)
    rules = ChallengeRules(steps=steps)
    with opened(folder) as local:
        moment = now()
        _refuse_unknown(local, subject, judged_by)
        challenge = draw_challenge(rules, random=random, now=moment, without=without)
        identifier = random(_IDENTIFIER_BYTES).hex()
        session = Session(
            identifier=identifier,
            subject=subject,
            state=begin_challenge(challenge),
            policy=judged_by.digest,
            head=start_chain(identifier, challenge.nonce),
        )
        try:
            _keep(local, session, moment, told=True)
        except PersonLocked:
            return IssuedChallenge(subject=subject, session=None, locked=_locked_until(local, subject, moment))
    return IssuedChallenge(subject=subject, session=session)


def authenticate(
    subject: str,
    clip: str | os.PathLike[str] | Recording,
    *,
    folder: str | os.PathLike[str] | None = None,
    challenge: Sequence[Action] | None = None,
    nonce: str | None = None,
    policy: str = POLICY,
    expressions: str = FACELIVENET_SLIM,
    now: Callable[[], float] = time.time,
) -> Attempt:
    """Say whether a clip shows the live person who is claimed, doing what was asked.

    Args:
        subject: the name that is claimed.
        clip: the video file; or a recording, where there are infrared and depth too.
        folder: of the gallery.
        challenge: what the clip was recorded for, in this order; `TO_ORDER` where a nonce is not named either.
        nonce: of a challenge that `issue_challenge` drew.
        policy: a shipped name, or a file; for a nonce the one that its challenge was drawn under.
        expressions: the network that reads them, where the challenge asks for one.
        now: the clock, seconds since the epoch.

    Raises:
        InputError: the clip cannot be read, or the planes of other sensors do not fit it.
        UnknownSubject: nobody of that name is enrolled.
        TemplateVersion: the person was enrolled with another recogniser than the policy names.
        UnknownSession: no challenge with this nonce was drawn for this person here.
        ChallengeExpired: it was drawn under another policy.
        UsageError: actions that cannot be asked for, actions and a nonce, an unknown policy or network, planes of
            sensors that the policy does not ask.
        DataError: there is no gallery, or weights cannot be had.
    """
    if challenge is not None and nonce is not None:
        raise UsageError(expected="actions or a nonce", came="both", remedy="the nonce says which actions were drawn")
    recording = clip if isinstance(clip, Recording) else Recording(clip=clip)
    existing_file(recording.clip, expected="a clip")
    judged_by = read_policy(policy)
    if recording.sensors and not any(rule.kind is CheckKind.PRESENTATION_SENSORS for rule in judged_by.checks):
        raise UsageError(
            expected=f"a clip in colour alone, as the policy {judged_by.name} judges it",
            came=f"{' and '.join(recording.sensors)} too",
            remedy="name --policy sensors, or leave them out",
        )
    asked = TO_ORDER if challenge is None else tuple(challenge)
    with opened(folder) as local:
        moment = now()
        _refuse_unknown(local, subject, judged_by)
        stored = None if nonce is None else _drawn(local, subject, nonce)
        until = _locked_until(local, subject, moment, besides=None if stored is None else stored.identifier)
        if until is not None:
            return _refused(local, subject, Reason.LOCKED, moment, locked=until)
        if stored is not None and (stored.spent is not None or moment >= stored.expires):
            why = Reason.TOO_LATE if stored.spent is None else Reason.USED_BEFORE
            return _refused(local, subject, why, moment)
        begun = None if stored is None else Session.from_json(stored.state["session"])
        rules = _rules(asked if begun is None else begun.state.challenge.actions)
        networks = load_networks(judged_by, rules, expressions=expressions)
        gate = Authenticator(policy=judged_by, networks=networks, rules=rules, vault=local.vault)
        try:
            session = begun or _to_order(local, gate, subject, asked, moment)
            return _judged(local, gate, session, recording, moment, drawn=begun is not None)
        except ChallengeReplayed:  # by another process, while this one looked at the clip
            return _refused(local, subject, Reason.USED_BEFORE, moment)


def _judged(
    local: LocalGate,
    gate: Authenticator,
    session: Session,
    recording: Recording,
    moment: float,
    *,
    drawn: bool,
) -> Attempt:
    """Walk through the clip, and end the session by what comes of it."""
    subject = session.subject
    references = local.store.templates_of(subject, gate.model, gate.weights)
    decision, ended = authenticate_clip(
        gate, recording, references, session=session, seen_before=lambda digests: _seen_before(local, digests, moment)
    )
    newest = ended.state.challenge.issued if ended.seconds is None else ended.seconds
    decided = moment if drawn else max(moment, newest)  # a clip to order brings its own time
    until = _locked_until(local, subject, decided, besides=session.identifier)
    against = {Reason.LOCKED: until is not None, Reason.USED_BEFORE: newest > decided}
    decision = refused_too(decision, [reason for reason, holds in against.items() if holds])
    key, public = local.signer()
    receipt = receipt_of(ended, decision, identifier=secrets.token_bytes(_IDENTIFIER_BYTES).hex(), decided=decided)
    signed = sign(receipt, key)
    local.store.spend(
        session.identifier,
        version=1,
        decision={**decision.as_json(), "receipt": receipt.identifier},
        receipt=signed,
        failed=not decision.accepted and until is None,
        now=decided,
    )
    return Attempt(
        subject=subject,
        reasons=decision.reasons,
        decision=decision,
        session=ended,
        receipt=signed,
        public_key=public,
        locked=_locked_until(local, subject, decided),
    )


def _refused(local: LocalGate, subject: str, reason: Reason, moment: float, *, locked: float | None = None) -> Attempt:
    """Refuse without a look at the clip."""
    local.store.append_audit({"event": "refused", "reasons": [str(reason)]}, subject=subject, now=moment)
    return Attempt(subject=subject, reasons=(reason,), locked=locked)


def _refuse_unknown(local: LocalGate, subject: str, policy: Policy) -> None:
    """Refuse who is not enrolled, or with another recogniser, before a network is built.

    Raises:
        UnknownSubject, TemplateVersion: as for `Store.templates_of`.
    """
    name = recogniser_name(policy)
    local.store.templates_of(subject, name, model_digest(name))


def _locked_until(local: LocalGate, subject: str, moment: float, *, besides: str | None = None) -> float | None:
    failures = local.store.failures(subject, since=moment - LOCK_LOOK_BACK_SECONDS, besides=besides)
    return locked_until(failures, moment)


def _drawn(local: LocalGate, subject: str, nonce: str) -> StoredSession:
    """Return the session that a nonce was drawn for.

    Raises:
        UnknownSession: there is none, or it is somebody else's, or the service's.
    """
    stored = local.store.session_of_nonce(nonce)
    if stored.subject != subject or stored.key_id != LOCAL:
        raise UnknownSession(
            expected=f"a nonce that was drawn for {subject}",
            came="another one",
            remedy=f"draw one: countenance challenge {subject}",
        )
    return stored


def _rules(actions: Sequence[Action]) -> ChallengeRules:
    """Return rules that ask for no more than these actions, so that no network is built in vain.

    Raises:
        UsageError: none, or one twice.
    """
    if not actions:
        raise UsageError(expected=f"actions: {', '.join(Action)}", came="none", remedy="name some of them")
    return ChallengeRules(actions=tuple(actions), steps=len(actions))


def _to_order(local: LocalGate, gate: Authenticator, subject: str, actions: Sequence[Action], moment: float) -> Session:
    session = gate.begin(subject, now=moment, random=secrets.token_bytes, actions=actions)
    _keep(local, session, moment)
    return session


def _keep(local: LocalGate, session: Session, moment: float, *, told: bool = False) -> None:
    local.store.create_session(
        session.identifier,
        subject=session.subject,
        nonce=session.nonce,
        key_id=LOCAL,
        expires=session.expires,
        state={"session": session.as_json()},
        told=told,
        now=moment,
    )


def _seen_before(local: LocalGate, digests: Collection[bytes], moment: float) -> int:
    """Remember frames; the same picture twice in one clip, as of a slow camera, is seen once."""
    return local.store.note_frames(sorted({digest.hex() for digest in digests}), now=moment)
