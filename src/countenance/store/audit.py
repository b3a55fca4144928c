"""The audit log: what was done, each entry with the digest of the one before, so that a change in the past is seen.

An entry is ``digest = SHA-256(tag | canonical JSON of number, time, subject, event, previous digest)``. It holds no
picture, no template and no score. Its subject is a digest under a salt that is kept beside; when the subject is
forgotten the salt is deleted, and from then on nobody can find out whom the entry was about, not even by guessing.

Who can write to the database could make the whole chain anew: note its head elsewhere now and then, and give it to
`AuditLog.verify_audit`, which then says whether it is still in the chain.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from countenance.errors import UsageError
from countenance.names import is_name, refuse_name
from countenance.receipts import canonical
from countenance.store.connection import Database
from countenance.store.schema import AUDIT, AUDIT_HEAD, PSEUDONYMS

START = "0" * 64
"""The digest before the first entry."""
LOCAL = "local"
"""Who acts, where it is not an API key."""
_ENTRY = b"countenance audit 1\x00"
_SUBJECT = b"countenance audited subject 1\x00"
_LETTERS = 500
_WORDS = 50


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One line of the audit log.

    Attributes:
        number: from 1 on, without a gap.
        at: when, in milliseconds since the epoch.
        subject: salted digest of whom it was about; None where nobody.
        event: what was done.
        previous: digest of the entry before.
        digest: of this one.
    """

    number: int
    at: int
    subject: str | None
    event: Mapping[str, Any]
    previous: str
    digest: str

    def as_json(self) -> dict[str, Any]:
        """Return it under the names of its fields."""
        return {**vars(self), "event": dict(self.event)}


@dataclass(frozen=True, kw_only=True)
class AuditCheck:
    """What the check of the audit log found.

    Attributes:
        valid: the chain holds.
        entries: how many hold, from the first one on.
        broken: number of the first entry that does not fit; None when the chain holds.
        reason: what does not fit; empty when the chain holds.
        head: digest of the last one of them.
    """

    valid: bool
    entries: int
    broken: int | None
    reason: str
    head: str

    def as_json(self) -> dict[str, Any]:
        """Return it under the names of its fields."""
        return dict(vars(self))


class AuditLog(Database):
    """Appends to the audit log, reads it and checks it."""

    def append_audit(
        self, happened: Mapping[str, Any], *, subject: str | None = None, by: str = LOCAL, now: float | None = None
    ) -> str:
        """Append an entry.

        Args:
            happened: ``event`` and what belongs to it: words, whole numbers, truth values and lists of words; never a
                score, a picture or a name.
            subject: whom it was about, who is named by a digest.
            by: id of the API key that did it.
            now: seconds since the epoch.

        Returns:
            The digest of the entry, in hexadecimal.

        Raises:
            UsageError: the event holds something else.
        """
        refuse_event(happened)
        for word, of in ((subject, "a subject"), (by, "a key")):
            if word is not None:
                refuse_name(word, of=of)
        with self._writing() as connection:
            return self._append(connection, happened, subject=subject, by=by, now=now)

    def _append(
        self,
        connection: Connection,
        happened: Mapping[str, Any],
        *,
        subject: str | None = None,
        by: str = LOCAL,
        now: float | None = None,
    ) -> str:
        """Append within a transaction; it comes last in it, for it locks the head until the end."""
        named = None if subject is None else self._pseudonym(connection, subject)
        head = connection.execute(select(AUDIT_HEAD).with_for_update()).one()
        entry = {
            "number": head.number + 1,
            "at": round(1000 * self._time(now)),
            "subject": named,
            "event": canonical({**happened, "by": by}).decode(),
            "previous": head.digest,
        }
        digest = _digest(entry)
        connection.execute(insert(AUDIT).values(**entry, digest=digest))
        connection.execute(update(AUDIT_HEAD).values(number=entry["number"], digest=digest))
        return digest

    def _pseudonym(self, connection: Connection, subject: str) -> str:
        """Return the digest of a subject under its salt, which is drawn at the first mention."""
        self._hold(connection, subject)
        salt = connection.execute(select(PSEUDONYMS.c.salt).where(PSEUDONYMS.c.subject == subject)).scalar()
        if salt is None:
            salt = self._random(32)
            connection.execute(insert(PSEUDONYMS).values(subject=subject, salt=salt))
        return _named(subject, salt)

    def _unname(self, connection: Connection, subject: str) -> None:
        """Delete a subject's salt: nobody can tell any more which entries were about it."""
        connection.execute(delete(PSEUDONYMS).where(PSEUDONYMS.c.subject == subject))

    def audit(self, *, subject: str | None = None, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """Return entries in their order.

        Args:
            subject: only those about one subject, who was not forgotten.
            after: number of an entry; those behind it.
            limit: how many at most.
        """
        with self._reading() as connection:
            chosen = select(AUDIT).where(AUDIT.c.number > after).order_by(AUDIT.c.number).limit(limit)
            if subject is not None:
                salt = connection.execute(select(PSEUDONYMS.c.salt).where(PSEUDONYMS.c.subject == subject)).scalar()
                if salt is None:
                    return ()
                chosen = chosen.where(AUDIT.c.subject == _named(subject, salt))
            return tuple(_entry(row) for row in connection.execute(chosen))

    def verify_audit(self, *, noted: Sequence[str] = ()) -> AuditCheck:
        """Check the whole chain.

        Args:
            noted: digests that `append_audit` returned or `AuditCheck.head` held, kept elsewhere; all must be in it.

        Raises:
            UsageError: what was noted can be no digest; that must not look as if the log were made anew.
        """
        for digest in noted:
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise UsageError(
                    expected="heads of 64 hexadecimal digits", came=repr(digest[:80]), remedy="copy it whole"
                )
        previous, count, missing, reason = START, 0, set(noted) - {START}, ""
        everything = select(AUDIT).order_by(AUDIT.c.number).execution_options(yield_per=1_000)
        with self._reading() as connection:
            head = connection.execute(select(AUDIT_HEAD)).one_or_none()
            with connection.execute(everything) as rows:
                for row in rows:
                    if reason := _fault(row, count + 1, previous):
                        break
                    count, previous = count + 1, row.digest
                    missing.discard(previous)
        if not reason and (head is None or (head.number, head.digest) != (count, previous)):
            reason = "entries at the end are missing"
        if not reason and missing:
            reason = "a digest that was noted is not in the chain: the log was made anew, or cut"
        return AuditCheck(
            valid=not reason, entries=count, broken=count + 1 if reason else None, reason=reason, head=previous
        )


def _named(subject: str, salt: bytes) -> str:
    return hashlib.sha256(_SUBJECT + salt + subject.encode()).hexdigest()


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(_ENTRY + canonical(dict(entry))).hexdigest()


def _fault(row: Row[Any], number: int, previous: str) -> str:
    """Say what does not fit in an entry, if anything."""
    entry = dict(row._mapping)
    digest = entry.pop("digest")
    if row.number != number:
        return "an entry is missing"
    if row.previous != previous:
        return "it does not follow the entry before"
    return "" if _digest(entry) == digest else "it was changed"


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**{**row._mapping, "event": json.loads(row.event)})


def refuse_event(happened: Mapping[str, Any]) -> None:
    """Refuse what does not belong into the audit log.

    Raises:
        UsageError: no event, bytes, fractions (scores, templates), long text or deep lists.
    """
    words = {key: value for key, value in happened.items() if isinstance(value, (list, tuple))}
    plain = [value for key, value in happened.items() if key not in words]
    fits = (
        isinstance(happened.get("event"), str)
        and not {"by", "subject"} & set(happened)
        and all(is_name(key) for key in happened)
        and all(len(value) <= _WORDS and all(_is_text(word) for word in value) for value in words.values())
        and all(value is None or isinstance(value, int) or _is_text(value) for value in plain)
    )
    if not fits:
        raise UsageError(
            expected="an event of words, whole numbers and lists of words",
            came=", ".join(f"{key}: {type(value).__name__}" for key, value in happened.items())[:200],
            remedy="leave scores and pictures out, and name subject and actor by their own parameters",
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LETTERS and (value.isprintable() or not value)
