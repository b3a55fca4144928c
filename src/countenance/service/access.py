"""Who may ask what: API keys by their roles, tokens of sessions, and this machine where it was opened.

A route is a `Door`, which stands in the OpenAPI document. Nothing of a body is read before the door has let its caller
in, and nothing beyond the door's limit after.
"""

import asyncio
import ipaddress
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from countenance.service.rates import Rates
from countenance.service.refusals import Refusal
from countenance.service.settings import Settings
from countenance.service.tokens import PREFIX, session_of
from countenance.service.uploads import FORM, JSON, bounded, kind_of, refuse_head
from countenance.store.database import Store

LOOPBACK = "loopback"
"""Stands for the key of who asks from this machine without one, where that was opened."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        key: number of the API key, or `LOOPBACK`; "" with a session's token.
        role: of the key; "session" with a session's token.
        session: that the token is for.
    """

    key: str
    role: str
    session: str | None = None


@dataclass(frozen=True, kw_only=True)
class Door:
    """What a route asks of its callers.

    Attributes:
        roles: of keys that it opens to; "session" for a session's token; none: to everybody.
        page: that the page asks here, so that it opens to this machine without a key where that was set.
        kinds: content types of the body.
        most: bytes of the body.
        most_form: bytes of a multipart body, where another one may come too; as `most` when left out.
        late_seconds: after its session ended, in which a token still opens it.
    """

    roles: tuple[str, ...] = ()
    page: bool = False
    kinds: tuple[str, ...] = ()
    most: int = 0
    most_form: int = 0
    late_seconds: float = 0.0

    def as_extra(self) -> dict[str, Any]:
        """Return what the OpenAPI document says of it."""
        said: dict[str, Any] = {
            "x-door": {
                "roles": list(self.roles),
                "page": self.page,
                "most_bytes": self.most,
                "most_form_bytes": self.most_form or self.most,
                "late_seconds": self.late_seconds,
            }
        }
        return said | ({"security": [{"key": []}]} if self.roles else {})


class Guard:
    """Stands at every door.

    Args:
        store: knows the keys.
        settings: rates, times, and whether this machine needs no key.
        signer: signs the tokens of sessions.
        clock: seconds since the epoch.
    """

    def __init__(
        self, store: Store, *, settings: Settings, signer: Ed25519PrivateKey, clock: Callable[[], float]
    ) -> None:
        self._store, self._settings, self._signer, self._clock = store, settings, signer, clock
        self._rates = Rates(per_second=settings.requests_per_second, at_once=settings.requests_at_once, clock=clock)

    async def admit(self, connection: HTTPConnection, door: Door, bearer: str | None) -> Caller | None:
        """Return who asks.

        Raises:
            Refusal: 401 without a key that is known, 403 with one of another role, 429 too often.
        """
        self._take("address " + (connection.client.host if connection.client else ""))
        if not door.roles:
            return None
        caller = await self._known(bearer, late_seconds=door.late_seconds)
        if caller is None and bearer is None and door.page and self.is_opened_for(connection):
            return Caller(LOOPBACK, door.roles[0])
        if caller is None:
            raise Refusal(
                401,
                expected="Authorization: Bearer with an API key"
                + (" or this session's token" * ("session" in door.roles)),
                came="none" if bearer is None else "one that is unknown, revoked or over",
                remedy="make a key with: countenance keys add",
            )
        connection.scope["state"]["key"] = caller.key or "session"
        if caller.role not in door.roles:
            raise Refusal(
                403,
                expected=f"a key with the role {' or '.join(door.roles)}",
                came=f"one with the role {caller.role}",
                remedy="use another key",
            )
        self._take("key " + (caller.key or f"session {caller.session}"))
        return caller

    def is_opened_for(self, connection: HTTPConnection) -> bool:
        """Tell whether a request needs no key: this machine was opened, and it comes from it by itself.

        A page of another origin, a name that was bound anew to this machine, and a proxy before the service, which
        makes everybody's address that of this machine, are none of it.
        """
        return self._settings.open_to_loopback and from_this_machine(connection)

    async def _known(self, bearer: str | None, *, late_seconds: float) -> Caller | None:
        if bearer is None:
            return None
        if bearer.startswith(PREFIX):
            session = session_of(bearer, now=self._clock() - late_seconds, signer=self._signer)
            return None if session is None else Caller("", "session", session)
        key = await asyncio.to_thread(self._store.key_of, bearer)
        return None if key is None else Caller(key.identifier, str(key.role))

    def _take(self, who: str) -> None:
        if seconds := self._rates.wait_seconds(who):
            raise Refusal(
                429,
                expected=f"at most {self._settings.requests_per_second:g} requests a second",
                came="more",
                remedy="wait as long as Retry-After says",
                retry_seconds=math.ceil(seconds),
            )


def from_this_machine(connection: HTTPConnection) -> bool:
    """Tell whether a request came from this machine, under its own name, from no other origin and through no proxy."""
    if connection.client is None or any(name in connection.headers for name in _FORWARDED):
        return False
    try:
        near = ipaddress.ip_address(connection.client.host).is_loopback
    except ValueError:
        near = False
    host = connection.headers.get("host", "")
    named = (host if host.endswith("]") else host.rpartition(":")[0] or host) in _OWN_NAMES
    origin = connection.headers.get("origin")
    return near and named and (origin is None or origin.partition("://")[2] == host)


def bearer_of(request: Request) -> str | None:
    """Return the key that a request was sent with."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" and bearer.strip() else None


def caller_of(request: Request) -> Caller:
    """Return who was let in at the door."""
    caller = request.scope["state"]["caller"]
    assert isinstance(caller, Caller)
    return caller


def guarded(guard: Guard, *, seconds: float) -> type[APIRoute]:
    """Return a class of routes that let nobody in but through their door.

    Args:
        guard: asked first.
        seconds: in which a body has to arrive.
    """

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()
            said = (self.openapi_extra or {})["x-door"]
            kinds = tuple((self.openapi_extra or {}).get("requestBody", {}).get("content", ())) or (
                (JSON,) if self.body_field else ()
            )
            door = Door(
                roles=tuple(said["roles"]),
                page=said["page"],
                kinds=kinds,
                most=said["most_bytes"],
                most_form=said["most_form_bytes"],
                late_seconds=said["late_seconds"],
            )

            async def behind(request: Request) -> Response:
                request.scope["state"]["caller"] = await guard.admit(request, door, bearer_of(request))
                most = door.most_form if kind_of(request) == FORM else door.most
                refuse_head(request, kinds=door.kinds, most=most)
                within = Request(request.scope, bounded(request.receive, most=most, seconds=seconds))
                return await handle(within)

            return behind

    return Guarded
