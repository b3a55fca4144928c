"""Enrolments: a person's templates and consent, taken in, replaced and forgotten, each in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from countenance.errors import AlreadyEnrolled, TemplateVersion, UnknownSubject
from countenance.names import is_name, refuse_name
from countenance.scores import TextColumn, text
from countenance.store.audit import LOCAL
from countenance.store.schema import (
    COUNTERS,
    FAILURES,
    PSEUDONYMS,
    RECEIPTS,
    SESSIONS,
    SUBJECTS,
    TEMPLATES,
)
from countenance.store.sealing import Sealing
from countenance.vault import context_of

Templates = NDArray[np.float32]
_UNIT = 1e-3  # by how much the length of a template may miss 1
_MOST = 1_000  # templates of one subject


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who is enrolled.

    Attributes:
        subject: the name.
        templates: how many.
        model: of the recogniser that made them.
        weights: digest of its weights.
        enrolled: when, in seconds since the epoch.
        changed: when the templates were made.
        consent: whether a consent record is kept.
    """

    subject: str
    templates: int
    model: str
    weights: str
    enrolled: float
    changed: float
    consent: bool

    def as_json(self) -> dict[str, Any]:
        """Return it under the names of its fields."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was deleted.

    Attributes:
        subject: the name.
        templates: how many.
        sessions: how many, with their decisions.
        receipts: how many copies of receipts.
        wiped: False when the WAL of SQLite could not be truncated in time; `Database.wipe` tries again.
    """

    subject: str
    templates: int
    sessions: int
    receipts: int
    wiped: bool

    def as_json(self) -> dict[str, Any]:
        """Return it under the names of its fields."""
        return dict(vars(self))


class Enrolments(Sealing):
    """Who is enrolled. A matrix of all templates is kept in memory for as long as the gallery's version stays."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._matrices: dict[tuple[str, str], tuple[int, TextColumn, Templates]] = {}
        self._loading = Lock()

    def enrol(
        self,
        subject: str,
        *,
        templates: Templates,
        model: str,
        weights: str,
        consent: Mapping[str, Any] | None = None,
        by: str = LOCAL,
        now: float | None = None,
    ) -> None:
        """Take in somebody new.

        Args:
            subject: a name that nobody has yet; it stands in the clear.
            templates: float32 (K, D), rows of length 1, K at least 1.
            model: of the recogniser that made them.
            weights: digest of its weights.
            consent: what the person agreed to, as JSON can hold it; sealed.
            by: id of the API key that does it.
            now: seconds since the epoch.

        Raises:
            UsageError: a name or a consent that cannot be one.
            AlreadyEnrolled: the name is taken.
            TemplateVersion: no template, or not of length 1, or of another length than those of the same recogniser.
        """
        moment = self._time(now)
        self._refuse(subject, templates, model, weights)
        sealed = None if consent is None else self._sealed_consent(subject, consent)
        try:
            with self._writing() as connection:
                self._hold(connection, subject)
                row = {"subject": subject, "enrolled": moment, "changed": moment, "consent": sealed}
                connection.execute(insert(SUBJECTS).values(row))
                self._insert(connection, subject, templates, (model, weights), moment)
                told = {"event": "enrolled", "templates": len(templates), "model": model, "weights": weights}
                self._append(connection, told, subject=subject, by=by, now=moment)
        except IntegrityError:
            raise _taken(subject) from None

    def replace(
        self,
        subject: str,
        *,
        templates: Templates,
        model: str,
        weights: str,
        consent: Mapping[str, Any] | None = None,
        by: str = LOCAL,
        now: float | None = None,
    ) -> None:
        """Enrol somebody again: all old templates go, the new ones come. The arguments are those of `enrol`.

        Args:
            subject: who is enrolled.
            templates: as for `enrol`.
            model: as for `enrol`.
            weights: as for `enrol`.
            consent: a new record; None keeps the old one.
            by: as for `enrol`.
            now: as for `enrol`.

        Raises:
            UnknownSubject: nobody of that name is enrolled.
            TemplateVersion: as for `enrol`.
        """
        moment = self._time(now)
        self._refuse(subject, templates, model, weights)
        changes: dict[str, Any] = {"changed": moment}
        if consent is not None:
            changes["consent"] = self._sealed_consent(subject, consent)
        with self._writing() as connection:
            self._hold(connection, subject)
            if not connection.execute(update(SUBJECTS).where(SUBJECTS.c.subject == subject).values(changes)).rowcount:
                raise unknown_subject(subject)
            connection.execute(delete(TEMPLATES).where(TEMPLATES.c.subject == subject))
            self._insert(connection, subject, templates, (model, weights), moment)
            told = {"event": "enrolled again", "templates": len(templates), "model": model, "weights": weights}
            self._append(connection, told, subject=subject, by=by, now=moment)
            self._owe(connection)
        self.wipe()

    def forget(self, subject: str, *, by: str = LOCAL, now: float | None = None) -> Forgotten:
        """Delete all that is kept about somebody: templates, consent, sessions, failures, receipts.

        The audit log keeps its entries, whose digest of the name cannot be traced to it from then on. SQLite overwrites
        the rows with zeros, rebuilds its file and truncates its WAL before this returns.

        Raises:
            UnknownSubject: nothing is kept under that name.
        """
        if not is_name(subject):
            raise unknown_subject(subject)
        counts = {}
        with self._writing() as connection:
            self._hold(connection, subject)
            known = is_known(connection, subject)
            for table in (RECEIPTS, SESSIONS, FAILURES, TEMPLATES, SUBJECTS):
                counts[table.name] = connection.execute(delete(table).where(table.c.subject == subject)).rowcount
            if not known and not any(counts.values()):
                raise unknown_subject(subject)
            told = {"event": "forgotten", **{name: counts[name] for name in ("templates", "sessions", "receipts")}}
            self._touch(connection)
            self._append(connection, told, subject=subject, by=by, now=now)
            self._unname(connection, subject)
            self._owe(connection)
        with self._loading:
            self._matrices.clear()
        return Forgotten(
            subject=subject,
            templates=counts["templates"],
            sessions=counts["sessions"],
            receipts=counts["receipts"],
            wiped=self.wipe(),
        )

    def people(self) -> tuple[Person, ...]:
        """Return everybody who is enrolled, in the order of their names."""
        return self._people(None)

    def person(self, subject: str) -> Person:
        """Return one who is enrolled.

        Raises:
            UnknownSubject: nobody of that name is.
        """
        found = self._people(subject) if is_name(subject) else ()
        if not found:
            raise unknown_subject(subject)
        return found[0]

    def is_enrolled(self, subject: str) -> bool:
        """Tell whether somebody of that name is enrolled."""
        return is_name(subject) and bool(self._people(subject))

    def _people(self, subject: str | None) -> tuple[Person, ...]:
        own = (
            select(
                SUBJECTS.c.subject,
                func.count().label("templates"),
                func.min(TEMPLATES.c.model).label("model"),  # all of one model: replaced together
                func.min(TEMPLATES.c.weights).label("weights"),
                SUBJECTS.c.enrolled,
                SUBJECTS.c.changed,
                SUBJECTS.c.consent.is_not(None).label("consent"),
            )
            .join(TEMPLATES, TEMPLATES.c.subject == SUBJECTS.c.subject)
            .group_by(SUBJECTS.c.subject)
        )
        if subject is not None:
            own = own.where(SUBJECTS.c.subject == subject)
        with self._reading() as connection:
            found = [Person(**{**row._mapping, "consent": bool(row.consent)}) for row in connection.execute(own)]
        return tuple(sorted(found, key=lambda each: each.subject))

    def gallery_version(self) -> int:
        """Return a number that grows with every change of the gallery, by whichever process."""
        with self._reading() as connection:
            return self._version(connection)

    @staticmethod
    def _version(connection: Connection) -> int:
        return int(connection.execute(select(COUNTERS.c.value).where(COUNTERS.c.name == "gallery")).scalar_one())

    @staticmethod
    def _touch(connection: Connection) -> None:
        connection.execute(update(COUNTERS).where(COUNTERS.c.name == "gallery").values(value=COUNTERS.c.value + 1))

    def templates(self, model: str, weights: str) -> tuple[TextColumn, Templates]:
        """Return all templates of one recogniser, from memory while nothing has changed.

        Returns:
            Whose each is (N,), in the order of names, and float32 (N, D), both read-only; (0, 0) when there are none.

        Raises:
            DataError: a template does not open.
        """
        with self._reading() as connection:
            version = self._version(connection)
            with self._loading:
                kept = self._matrices.get((model, weights))
            if kept is not None and kept[0] == version:
                return kept[1:]
            chosen = select(TEMPLATES).where(TEMPLATES.c.model == model, TEMPLATES.c.weights == weights)
            rows = connection.execute(chosen.order_by(TEMPLATES.c.made, TEMPLATES.c.template)).all()
        rows = sorted(rows, key=lambda row: str(row.subject))
        matrix = np.stack([self._opened(row) for row in rows]) if rows else np.zeros((0, 0), np.float32)
        names = text([row.subject for row in rows])
        names.flags.writeable = matrix.flags.writeable = False
        with self._loading:
            self._matrices[model, weights] = version, names, matrix
        return names, matrix

    def templates_of(self, subject: str, model: str, weights: str) -> Templates:
        """Return somebody's templates, float32 (K, D).

        Raises:
            UnknownSubject: nobody of that name is enrolled.
            TemplateVersion: the person was enrolled with another recogniser.
        """
        person = self.person(subject)
        if (person.model, person.weights) != (model, weights):
            came = person.model if person.model != model else f"{model} with other weights"
            raise TemplateVersion(
                expected=f"templates of {model}", came=f"those of {came}", remedy=f"enrol {subject} again"
            )
        with self._reading() as connection:
            chosen = select(TEMPLATES).where(TEMPLATES.c.subject == subject).order_by(TEMPLATES.c.template)
            rows = connection.execute(chosen).all()
        if not rows:
            raise unknown_subject(subject)
        return np.stack([self._opened(row) for row in rows])

    def outdated(self, model: str, weights: str) -> tuple[str, ...]:
        """Return who was enrolled with another recogniser, and must be enrolled again to be recognised by this one."""
        return tuple(each.subject for each in self.people() if (each.model, each.weights) != (model, weights))

    def consent_of(self, subject: str) -> Mapping[str, Any] | None:
        """Return somebody's consent record; None when there is none.

        Raises:
            UnknownSubject: nobody of that name is enrolled.
        """
        self.person(subject)
        with self._reading() as connection:
            sealed = connection.execute(select(SUBJECTS.c.consent).where(SUBJECTS.c.subject == subject)).scalar()
        return None if sealed is None else self._opened_json(sealed, "consent", subject)

    def _sealed_consent(self, subject: str, consent: Mapping[str, Any]) -> bytes:
        return self._sealed_json(consent, "consent", subject)

    def _refuse(self, subject: str, templates: Templates, model: str, weights: str) -> None:
        refuse_name(subject, of="a subject")
        refuse_name(model, of="a recogniser")
        refuse_name(weights, of="its weights")
        held = np.asarray(templates)
        fits = held.dtype == np.float32 and held.ndim == 2 and 0 < len(held) <= _MOST
        if not fits or not np.all(np.abs(np.linalg.norm(held, axis=1) - 1) < _UNIT):  # a NaN is refused too
            raise TemplateVersion(
                expected=f"1 to {_MOST:,} templates of {model}, float32 (K, D) of length 1",
                came=f"{held.dtype} {held.shape}",
                remedy="embed them again",
            )

    def _insert(
        self,
        connection: Connection,
        subject: str,
        templates: Templates,
        version: tuple[str, str],
        moment: float,
    ) -> None:
        model, weights = version
        self._refuse_length(connection, subject, templates, version)
        rows = []
        for template in templates:
            identifier = self._identifier()
            bound = context_of("template", subject, model, weights, identifier)
            sealed = self._vault.seal(np.ascontiguousarray(template, "<f4").tobytes(), bound)
            row = {"template": identifier, "subject": subject, "model": model, "weights": weights}
            rows.append({**row, "made": moment, "sealed": sealed})
        connection.execute(insert(TEMPLATES), rows)
        self._touch(connection)

    def _refuse_length(
        self, connection: Connection, subject: str, templates: Templates, version: tuple[str, str]
    ) -> None:
        """Refuse templates of another length than those that one recogniser made before."""
        of_it = select(TEMPLATES).where(
            TEMPLATES.c.model == version[0], TEMPLATES.c.weights == version[1], TEMPLATES.c.subject != subject
        )
        other = connection.execute(of_it.limit(1)).first()
        if other is not None and (length := len(self._opened(other))) != templates.shape[1]:
            raise TemplateVersion(
                expected=f"templates of {version[0]} of {length} numbers",
                came=str(templates.shape[1]),
                remedy="embed them with the recogniser that is named",
            )


def _taken(subject: str) -> AlreadyEnrolled:
    return AlreadyEnrolled(
        expected="a new name", came=f"{subject!r}, who is enrolled", remedy="forget that person first, or enrol again"
    )


def unknown_subject(subject: str) -> UnknownSubject:
    """Say that nobody of that name is there."""
    return UnknownSubject(
        expected="the name of somebody who is enrolled", came=repr(subject[:101]), remedy="see who is: gallery list"
    )


def is_known(connection: Connection, subject: str) -> bool:
    """Tell whether the audit log has ever named a subject who was not forgotten since."""
    return bool(connection.execute(select(PSEUDONYMS.c.subject).where(PSEUDONYMS.c.subject == subject)).first())
