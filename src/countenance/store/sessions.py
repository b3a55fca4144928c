"""Sessions of all processes: compare and swap, a nonce that is used once, failures for the lock, frames seen before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import IntegrityError

from countenance.challenge import LOCK_LOOK_BACK_SECONDS, locked_until
from countenance.errors import (
    ChallengeExpired,
    ChallengeReplayed,
    PersonLocked,
    StoreConflict,
    UnknownSession,
    UsageError,
)
from countenance.names import is_name, refuse_name
from countenance.receipts import read_receipt
from countenance.store.audit import refuse_event
from countenance.store.schema import FAILURES, FRAMES, RECEIPTS, SESSIONS
from countenance.store.sealing import Sealing
from countenance.vocabulary import Reason

KEEP_DAYS = 30.0
_NONCE_LETTERS = 200
_BATCH = 500
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class StoredSession:
    """A session as it is kept.

    Attributes:
        identifier: of the session.
        subject: who is claimed.
        nonce: of its challenge.
        key_id: which API key began it.
        created: in seconds since the epoch.
        expires: from when on nothing is accepted.
        version: grows by one with every change.
        state: what the gate knows of it.
        spent: when it was decided; None before.
        decision: what was decided; None before.
    """

    identifier: str
    subject: str
    nonce: str
    key_id: str
    created: float
    expires: float
    version: int
    state: Mapping[str, Any]
    spent: float | None
    decision: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Purged:
    """How many rows were deleted because they are old."""

    sessions: int
    failures: int
    frames: int

    def as_json(self) -> dict[str, int]:
        """Return it under the names of its fields."""
        return dict(vars(self))


class Sessions(Sealing):
    """Sessions, whose state and decision are sealed, since they may hold templates and scores."""

    def create_session(
        self,
        session_id: str,
        *,
        subject: str,
        nonce: str,
        key_id: str,
        expires: float,
        state: Mapping[str, Any],
        told: bool = False,
        now: float | None = None,
    ) -> StoredSession:
        """Keep a new session, at version 1.

        Args:
            session_id: a new name.
            subject: who is claimed.
            nonce: of its challenge.
            key_id: which API key begins it.
            expires: from when on nothing is accepted.
            state: what the gate knows of it.
            told: the person hears at once what is asked for; see `advance`.
            now: seconds since the epoch.

        Raises:
            UsageError: a name that cannot be one, or a state that JSON cannot hold.
            ChallengeReplayed: the identifier or the nonce was used before.
            PersonLocked: as for `advance`.
        """
        moment = self._time(now)
        for word, of in ((session_id, "a session"), (subject, "a subject"), (nonce, "a nonce"), (key_id, "a key")):
            refuse_name(word, of=of)
        row = {
            "session": session_id,
            "subject": subject,
            "nonce": nonce,
            "key": key_id,
            "created": moment,
            "expires": expires,
            "version": 1,
            "state": self._sealed_json(state, "session", session_id, "state"),
        }
        try:
            with self._passing() as connection:
                self._hold(connection, subject)
                if told:
                    _note_told(connection, session_id, subject, moment)
                connection.execute(insert(SESSIONS).values(row))
        except IntegrityError:
            raise ChallengeReplayed(
                expected="a session and a nonce that are new", came="one that was used before", remedy="begin again"
            ) from None
        return self.session(session_id)

    def session(self, session_id: str) -> StoredSession:
        """Return a session.

        Raises:
            UnknownSession: none of that name is kept.
            DataError: its state does not open.
        """
        with self._reading() as connection:
            row = _row(connection, session_id)
        return StoredSession(
            identifier=row.session,
            subject=row.subject,
            nonce=row.nonce,
            key_id=row.key,
            created=row.created,
            expires=row.expires,
            version=row.version,
            state=self._opened_json(row.state, "session", session_id, "state"),
            spent=row.spent,
            decision=None
            if row.decision is None
            else self._opened_json(row.decision, "session", session_id, "decision"),
        )

    def session_of_nonce(self, nonce: str) -> StoredSession:
        """Return the session whose first challenge has a nonce.

        Raises:
            UnknownSession: none has.
            DataError: its state does not open.
        """
        own = select(SESSIONS.c.session).where(SESSIONS.c.nonce == nonce)
        with self._reading() as connection:
            found = connection.execute(own).scalar() if len(nonce) <= _NONCE_LETTERS and nonce.isprintable() else None
        if found is None:
            raise UnknownSession(
                expected="the nonce of a session", came=repr(nonce[:100]), remedy="draw one: countenance challenge"
            )
        return self.session(found)

    def advance(
        self,
        session_id: str,
        *,
        version: int,
        state: Mapping[str, Any],
        told: bool = False,
        now: float | None = None,
    ) -> int:
        """Put a new state in the place of the one that was read.

        Args:
            session_id: which.
            version: at which it was read.
            state: the new one.
            told: the person hears now what is asked for. That is noted as a failure of this session until it is
                accepted: whoever hears it, cannot do it and goes away has failed as well.
            now: seconds since the epoch.

        Returns:
            The new version.

        Raises:
            UnknownSession: none of that name is kept.
            ChallengeReplayed: it was decided already.
            ChallengeExpired: its time is over.
            StoreConflict: somebody else changed it since.
            PersonLocked: nothing may be told, since the subject failed too often in other sessions.
        """
        moment = self._time(now)
        if not is_name(session_id):
            raise _unknown(session_id)
        sealed = self._sealed_json(state, "session", session_id, "state")
        with self._passing() as connection:
            subject = _row(connection, session_id).subject if told else ""
            if told:
                self._hold(connection, subject)
            open_still = (SESSIONS.c.session == session_id, SESSIONS.c.version == version, SESSIONS.c.spent.is_(None))
            swap = update(SESSIONS).where(*open_still, SESSIONS.c.expires > moment)
            if not connection.execute(swap.values(version=version + 1, state=sealed)).rowcount:
                raise _refusal(_row(connection, session_id), moment)
            if told:
                _note_told(connection, session_id, subject, moment)
        return version + 1

    def spend(
        self,
        session_id: str,
        *,
        version: int,
        decision: Mapping[str, Any],
        receipt: bytes | None = None,
        failed: bool = False,
        now: float | None = None,
    ) -> None:
        """End a session by its decision: exactly once, whichever process comes first.

        Decision, receipt, failure and the entry of the audit log are written in one transaction.

        Args:
            session_id: which.
            version: at which it was read.
            decision: as JSON can hold it; ``accepted`` is true or false, ``reasons`` a list of words.
            receipt: signed bytes, kept as by `keep_receipt`.
            failed: count it as a failure of the subject, for the lock; what was noted when the person was told what to
                do is that failure. It is taken back where the decision is to accept.
            now: seconds since the epoch.

        Raises:
            UsageError: a decision without ``accepted``.
            UnknownSession: none of that name is kept.
            ChallengeReplayed: it was decided already.
            ChallengeExpired: it would be accepted after its time; a refusal is written at any time.
            StoreConflict: somebody else changed it since.
        """
        moment = self._time(now)
        if not isinstance(decision.get("accepted"), bool):
            raise UsageError(expected="a decision with accepted", came="one without it", remedy="say true or false")
        told = {"event": "decided", "session": session_id, "accepted": decision["accepted"]}
        told["reasons"] = [str(reason) for reason in decision.get("reasons", ())]
        if not is_name(session_id):
            raise _unknown(session_id)
        refuse_event(told)
        sealed = self._sealed_json(decision, "session", session_id, "decision")
        with self._writing() as connection:
            subject = _row(connection, session_id).subject
            self._hold(connection, subject)
            swap = update(SESSIONS).where(
                SESSIONS.c.session == session_id, SESSIONS.c.version == version, SESSIONS.c.spent.is_(None)
            )
            if decision["accepted"]:
                swap = swap.where(SESSIONS.c.expires > moment)
            if not connection.execute(swap.values(version=version + 1, spent=moment, decision=sealed)).rowcount:
                raise _refusal(_row(connection, session_id), moment)
            if receipt is not None:
                _keep(connection, session_id, subject, receipt, moment)
            if decision["accepted"]:
                connection.execute(delete(FAILURES).where(FAILURES.c.session == session_id))
            elif failed and not _is_noted(connection, session_id):
                connection.execute(insert(FAILURES).values(subject=subject, at=moment, session=session_id))
            self._append(connection, told, subject=subject, now=moment)

    def keep_receipt(self, session_id: str, receipt: bytes, *, now: float | None = None) -> None:
        """Keep the receipt of a session that was decided.

        Raises:
            DataError: the bytes are no receipt.
            UnknownSession: none of that name is kept.
            ChallengeReplayed: it has a receipt already.
        """
        with self._writing() as connection:
            subject = _row(connection, session_id).subject
            self._hold(connection, subject)
            _keep(connection, session_id, subject, receipt, self._time(now))

    def receipt(self, session_id: str) -> bytes | None:
        """Return the signed receipt of a session; None when it has none."""
        if not is_name(session_id):
            return None
        with self._reading() as connection:
            found = connection.execute(select(RECEIPTS.c.signed).where(RECEIPTS.c.session == session_id)).scalar()
        return None if found is None else bytes(found)

    def spend_receipt(self, receipt_id: str, *, now: float | None = None) -> None:
        """Mark a receipt as used, which it can be once.

        Raises:
            UnknownSession: no receipt of that name is kept.
            ChallengeReplayed: it was used before.
        """
        known = is_name(receipt_id)
        with self._writing() as connection:
            own = RECEIPTS.c.receipt == (receipt_id if known else "")
            once = update(RECEIPTS).where(own, RECEIPTS.c.spent.is_(None)).values(spent=self._time(now))
            if connection.execute(once).rowcount:
                return
            if connection.execute(select(RECEIPTS.c.receipt).where(own)).first() is None:
                raise UnknownSession(
                    expected="the name of a receipt", came=repr(receipt_id[:100]), remedy="ask the gate that signed it"
                )
        raise ChallengeReplayed(expected="a new receipt", came="one that was used before", remedy="begin again")

    def note_failure(self, subject: str, now: float | None = None) -> None:
        """Count a failure of a subject, for the lock, outside of any session.

        Raises:
            UsageError: a name that cannot be one.
        """
        refuse_name(subject, of="a subject")
        with self._writing() as connection:
            self._hold(connection, subject)
            connection.execute(insert(FAILURES).values(subject=subject, at=self._time(now)))

    def failures(self, subject: str, *, since: float, besides: str | None = None) -> tuple[float, ...]:
        """Return when a subject failed from a moment on, in seconds since the epoch, the first one first.

        Args:
            subject: who.
            since: the moment.
            besides: a session whose own is left out, which is noted before it is known how the session ends.
        """
        if not is_name(subject):
            return ()
        with self._reading() as connection:
            return _failures(connection, subject, since=since, besides=besides)

    def note_frames(self, digests: Iterable[str], *, now: float | None = None) -> int:
        """Remember frames by their SHA-256, and return how many of them were seen before, here or in this very list.

        Args:
            digests: in hexadecimal; of the bytes as the camera gave them, which no two frames of a camera share.
            now: seconds since the epoch.
        """
        given = list(digests)
        wanted = sorted(set(given))  # in one order, so that two processes cannot wait for each other
        for digest in wanted:
            if len(digest) > 64 or not is_name(digest):
                raise UsageError(expected="SHA-256 in hexadecimal", came=repr(digest[:65]), remedy="digest the frame")
        insertion: Any = insert_sqlite if self.is_sqlite else insert_postgresql
        moment, new = self._time(now), 0
        with self._passing() as connection:
            for start in range(0, len(wanted), _BATCH):
                rows = [{"digest": digest, "at": moment} for digest in wanted[start : start + _BATCH]]
                fresh = insertion(FRAMES).values(rows).on_conflict_do_nothing().returning(FRAMES.c.digest)
                new += len(connection.execute(fresh).all())
        return len(given) - new

    def purge(self, *, days: float = KEEP_DAYS, now: float | None = None) -> Purged:
        """Delete what is older than some days: sessions that are over with their receipts, failures, frames.

        A frame can be shown again without being known once its digest is deleted.
        """
        before = self._time(now) - days * _DAY_SECONDS
        with self._writing() as connection:
            old = select(SESSIONS.c.session).where(SESSIONS.c.expires < before)
            connection.execute(delete(RECEIPTS).where(RECEIPTS.c.session.in_(old)))
            done = Purged(
                sessions=connection.execute(delete(SESSIONS).where(SESSIONS.c.expires < before)).rowcount,
                failures=connection.execute(delete(FAILURES).where(FAILURES.c.at < before)).rowcount,
                frames=connection.execute(delete(FRAMES).where(FRAMES.c.at < before)).rowcount,
            )
            self._owe(connection)
        self.wipe()
        return done


def _row(connection: Connection, session_id: str) -> Any:
    """Return a session's row.

    Raises:
        UnknownSession: there is none.
    """
    own = select(SESSIONS).where(SESSIONS.c.session == session_id)
    row = connection.execute(own).first() if is_name(session_id) else None
    if row is None:
        raise _unknown(session_id)
    return row


def _failures(connection: Connection, subject: str, *, since: float, besides: str | None) -> tuple[float, ...]:
    own = select(FAILURES.c.at).where(FAILURES.c.subject == subject, FAILURES.c.at >= since)
    if besides is not None:
        own = own.where(FAILURES.c.session.is_distinct_from(besides))
    return tuple(connection.execute(own.order_by(FAILURES.c.at)).scalars())


def _is_noted(connection: Connection, session_id: str) -> bool:
    own = select(FAILURES.c.failure).where(FAILURES.c.session == session_id)
    return connection.execute(own).first() is not None


def _note_told(connection: Connection, session_id: str, subject: str, moment: float) -> None:
    """Note once that the person of a session heard what is asked for; the subject is held.

    Raises:
        PersonLocked: he may not hear it now.
    """
    if _is_noted(connection, session_id):
        return
    others = _failures(connection, subject, since=moment - LOCK_LOOK_BACK_SECONDS, besides=session_id)
    if locked_until(others, moment) is not None:
        raise PersonLocked(
            expected="a person who may try",
            came="one with too many failures in the last minutes",
            remedy=Reason.LOCKED.advice,
        )
    connection.execute(insert(FAILURES).values(subject=subject, at=moment, session=session_id))


def _unknown(session_id: str) -> UnknownSession:
    return UnknownSession(expected="the name of a session", came=repr(session_id[:100]), remedy="begin a new one")


def _refusal(row: Any, moment: float) -> ChallengeReplayed | ChallengeExpired | StoreConflict:
    """Say why a session could not be changed."""
    if row.spent is not None:
        return ChallengeReplayed(
            expected="a session that is open", came="one that was decided already", remedy="begin a new one"
        )
    if row.expires <= moment:
        return ChallengeExpired(expected="a session within its time", came="one that is over", remedy="begin a new one")
    return StoreConflict(
        expected="the latest version of a session", came="an older one", remedy="read the session again"
    )


def _keep(connection: Connection, session_id: str, subject: str, receipt: bytes, moment: float) -> None:
    row = {
        "receipt": read_receipt(receipt).identifier,
        "session": session_id,
        "subject": subject,
        "signed": receipt,
        "kept": moment,
    }
    taken = (RECEIPTS.c.session == session_id) | (RECEIPTS.c.receipt == row["receipt"])
    if connection.execute(select(RECEIPTS.c.receipt).where(taken)).first() is not None:
        raise ChallengeReplayed(
            expected="one receipt of a session", came="a second one", remedy="send the first one again"
        )
    connection.execute(insert(RECEIPTS).values(row))
