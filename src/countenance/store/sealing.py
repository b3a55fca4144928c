"""What is sealed in the database, and how it is sealed again under another key."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, LargeBinary, func, select, update

from countenance.errors import UsageError
from countenance.receipts import canonical
from countenance.store.audit import LOCAL, AuditLog
from countenance.store.schema import SESSIONS, SUBJECTS, TEMPLATES
from countenance.vault import ID_BYTES, Vault, context_of, sealed_with


class Sealing(AuditLog):
    """Seals values, each bound to its row, and changes the key of all."""

    def _opened_json(self, sealed: bytes, *context: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._vault.open(bytes(sealed), context_of(*context)))
        return told

    def _sealed_json(self, told: Mapping[str, Any], *context: str) -> bytes:
        """Seal what JSON can hold.

        Raises:
            UsageError: it cannot hold that.
        """
        try:
            plain = canonical(dict(told))
        except (TypeError, ValueError) as error:
            raise UsageError(
                expected=f"as {context[-1] if len(context) > 2 else context[0]} what JSON can hold",
                came=str(error)[:100],
                remedy="leave the rest out",
            ) from error
        return self._vault.seal(plain, context_of(*context))

    def _opened(self, row: Any) -> NDArray[np.float32]:
        return np.frombuffer(self._vault.open(bytes(row.sealed), template_context(row)), "<f4").astype(np.float32)

    def keys_in_use(self) -> dict[str, int]:
        """Return how many sealed values there are, by the id of the key that sealed them."""
        with self._reading() as connection:
            return _keys_in_use(connection)

    def rotate(self, vault: Vault, *, by: str = LOCAL, now: float | None = None) -> int:
        """Seal everything again with the first key of a vault, in one transaction, and go on with that vault.

        Put the new key before the old one in every process and start them again; rotate; see by `keys_in_use` that the
        old key is not used any more; then take it away.

        Returns:
            How many values were sealed again.

        Raises:
            WrongKey: the vault cannot open all of them.
        """
        count = 0
        with self._writing() as connection:
            vault.refuse_missing(_keys_in_use(connection))
            for table, column, context in _SEALED:
                (key,) = table.primary_key.columns
                rows = connection.execute(select(table).where(table.c[column].is_not(None)).with_for_update()).all()
                for row in rows:
                    bound, sealed = context(row), bytes(row._mapping[column])
                    if sealed_with(sealed) != vault.key_ids[0]:
                        again = vault.seal(vault.open(sealed, bound), bound)
                        name = row._mapping[key.name]
                        connection.execute(update(table).where(key == name).values({column: again}))
                        count += 1
            told = {"event": "keys rotated", "values": count, "key": vault.key_ids[0]}
            self._append(connection, told, by=by, now=now)
            self._owe(connection)
        self._vault = vault
        self.wipe()
        return count


def template_context(row: Any) -> bytes:
    """Return what a template is bound to: its row."""
    return context_of("template", row.subject, row.model, row.weights, row.template)


_SEALED: Any = (
    (SUBJECTS, "consent", lambda row: context_of("consent", row.subject)),
    (TEMPLATES, "sealed", template_context),
    (SESSIONS, "state", lambda row: context_of("session", row.session, "state")),
    (SESSIONS, "decision", lambda row: context_of("session", row.session, "decision")),
)


def _keys_in_use(connection: Connection) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for table, column, _ in _SEALED:
        start = func.substr(table.c[column], 1, ID_BYTES, type_=LargeBinary).label("identity")
        held = select(start, func.count()).where(table.c[column].is_not(None)).group_by("identity")
        for identity, count in connection.execute(held):
            counts[sealed_with(bytes(identity))] += count
    return dict(counts)
