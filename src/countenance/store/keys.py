"""API keys: a secret that is shown once, a role, and no way back from what is kept.

A secret is 256 random bits, so that its plain SHA-256 is enough to keep: nobody can try 2**256 values, and a slow
digest, as passwords need it because people choose them, would only slow every request down.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select, update

from countenance.errors import UsageError
from countenance.names import is_name, refuse_name
from countenance.store.audit import LOCAL, AuditLog
from countenance.store.schema import API_KEYS

_PREFIX = "countenance"
_SECRET_BYTES = 32
_NOBODY = "0" * 64


class Role(StrEnum):
    """What the holder of a key may do."""

    OPERATOR = "operator"
    """Everything: enrol, forget, keys, scores."""
    CLIENT = "client"
    """Begin and end sessions of its own."""
    VIEWER = "viewer"
    """Read the audit log."""


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key, without its secret.

    Attributes:
        identifier: which is no secret.
        name: whom it was given to.
        role: what it may do.
        added: in seconds since the epoch.
        revoked: when; None while it is good.
    """

    identifier: str
    name: str
    role: Role
    added: float
    revoked: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it under the names of its fields."""
        return {**vars(self), "role": str(self.role)}


class Keys(AuditLog):
    """Makes, finds and revokes API keys."""

    def add_key(self, role: Role | str, name: str, *, by: str = LOCAL, now: float | None = None) -> tuple[str, str]:
        """Make a key.

        Args:
            role: operator, client or viewer.
            name: whom it is for.
            by: id of the API key that does it.
            now: seconds since the epoch.

        Returns:
            Its id, and its secret, which is not kept and cannot be shown again.

        Raises:
            UsageError: there is no such role, or the name cannot be one.
        """
        refuse_name(name, of="a key")
        if role not in set(Role):
            raise UsageError(expected=f"a role: {', '.join(Role)}", came=repr(role), remedy="name one of them")
        identifier = self._random(8).hex()
        token = base64.urlsafe_b64encode(self._random(_SECRET_BYTES)).decode().rstrip("=")
        secret = f"{_PREFIX}_{identifier}_{token}"
        row = {
            "key": identifier,
            "name": name,
            "role": str(role),
            "digest": _digest(secret),
            "added": self._time(now),
        }
        with self._writing() as connection:
            connection.execute(insert(API_KEYS).values(row))
            told = {"event": "key added", "key": identifier, "role": str(role)}
            self._append(connection, told, by=by, now=now)
        return identifier, secret

    def key_of(self, secret: str) -> ApiKey | None:
        """Return the key that a secret belongs to; None when it is wrong or revoked.

        The secret names its row; the digests are compared in constant time, whether there is a row or not.
        """
        parts = secret.split("_", 2)
        identifier = parts[1] if len(parts) == 3 and parts[0] == _PREFIX and is_name(parts[1]) else ""
        with self._reading() as connection:
            row = connection.execute(select(API_KEYS).where(API_KEYS.c.key == identifier)).first()
        same = hmac.compare_digest(_digest(secret), _NOBODY if row is None else str(row.digest))
        return _key(row) if row is not None and same and row.revoked is None else None

    def api_keys(self) -> tuple[ApiKey, ...]:
        """Return all keys, revoked ones too, the oldest first."""
        with self._reading() as connection:
            rows = connection.execute(select(API_KEYS).order_by(API_KEYS.c.added, API_KEYS.c.key)).all()
        return tuple(_key(row) for row in rows)

    def revoke_key(self, identifier: str, *, by: str = LOCAL, now: float | None = None) -> None:
        """Make a key good for nothing from now on.

        Raises:
            UsageError: there is no such key, or it was revoked before.
        """
        with self._writing() as connection:
            own = (API_KEYS.c.key == (identifier if is_name(identifier) else ""), API_KEYS.c.revoked.is_(None))
            if not connection.execute(update(API_KEYS).where(*own).values(revoked=self._time(now))).rowcount:
                raise UsageError(
                    expected="the id of a key that is good", came=repr(identifier[:40]), remedy="list them"
                )
            self._append(connection, {"event": "key revoked", "key": identifier}, by=by, now=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _key(row: Any) -> ApiKey:
    return ApiKey(identifier=row.key, name=row.name, role=Role(row.role), added=row.added, revoked=row.revoked)
