"""All that is kept about one person, for the person to have."""

import json
from typing import Any

from sqlalchemy import select

from countenance.names import is_name
from countenance.store.enrolments import Enrolments, is_known, unknown_subject
from countenance.store.schema import FAILURES, RECEIPTS, SESSIONS, SUBJECTS, TEMPLATES


class SubjectData(Enrolments):
    """Hands out what is kept about somebody."""

    def export_subject(self, subject: str, *, templates: bool = False) -> dict[str, Any]:
        """Return all that is kept about somebody, as JSON can hold it, for the person to have.

        Args:
            subject: the name.
            templates: whether the numbers of the templates are in it, opened; a face can be made from them that passes.

        Raises:
            UnknownSubject: nothing is kept under that name.
        """
        if not is_name(subject):
            raise unknown_subject(subject)
        with self._reading() as connection:
            found = {
                table.name: connection.execute(select(table).where(table.c.subject == subject)).all()
                for table in (SUBJECTS, TEMPLATES, SESSIONS, FAILURES, RECEIPTS)
            }
            known = is_known(connection, subject)
        if not known and not any(found.values()):
            raise unknown_subject(subject)
        person = next(iter(found["subjects"]), None)
        return {
            "subject": subject,
            "enrolled": None if person is None else person.enrolled,
            "changed": None if person is None else person.changed,
            "consent": None
            if person is None or person.consent is None
            else self._opened_json(person.consent, "consent", subject),
            "templates": [
                {
                    "model": row.model,
                    "weights": row.weights,
                    "made": row.made,
                    **({"values": [float(value) for value in self._opened(row)]} if templates else {}),
                }
                for row in found["templates"]
            ],
            "sessions": [
                {
                    "session": row.session,
                    "created": row.created,
                    "expires": row.expires,
                    "spent": row.spent,
                    "decision": None
                    if row.decision is None
                    else self._opened_json(row.decision, "session", row.session, "decision"),
                }
                for row in found["sessions"]
            ],
            "failures": [row.at for row in found["failures"]],
            "receipts": [json.loads(bytes(row.signed)) for row in found["receipts"]],
            "audit": [entry.as_json() for entry in self.audit(subject=subject, limit=100_000)],
        }
