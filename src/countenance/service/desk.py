"""What the routes share: the parts of one service, and the loaded gate or the word that it is not there yet."""

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Request

from countenance.service.access import Guard, guarded
from countenance.service.gates import Gate
from countenance.service.measures import Measures
from countenance.service.refusals import Refusal, Trouble
from countenance.service.settings import Settings
from countenance.service.uploads import JSON
from countenance.service.workers import Gone, Workers
from countenance.store.database import Store

T = TypeVar("T")
PLACE = "#/components/schemas/"
"""Of a model in the OpenAPI document."""
_WORDS: Mapping[int, str] = {
    400: "not a request as described here",
    401: "no key, or one that is unknown, revoked or over",
    403: "a key of another role",
    404: "there is none, or it is not this key's",
    405: "another method",
    408: "the body came too slowly",
    409: "used before, out of turn, taken already, or of somebody who is locked",
    410: "its time is over",
    413: "too many bytes or pixels",
    415: "another content type",
    422: "a request or a picture that cannot be read",
    429: "too often, or locked after failures",
    500: "a defect of the service",
    503: "no room now, or not loaded yet: see Retry-After",
}
_ALWAYS = (400, 422, 429, 500, 503)


@dataclass(frozen=True)
class Desk:
    """One service.

    Attributes:
        arriving: the gate, or the promise of it while its networks are loaded.
        store: keeps people, sessions, keys and receipts.
        settings: limits.
        signer: signs receipts and the tokens of sessions.
        clock: seconds since the epoch.
        random: bytes that nobody can guess.
        guard: stands at the doors.
        workers: judge.
        measures: for the operator.
        log: structured, without biometrics and names.
    """

    arriving: "Future[Gate]"
    store: Store
    settings: Settings
    signer: Ed25519PrivateKey
    clock: Callable[[], float]
    random: Callable[[int], bytes]
    guard: Guard
    workers: Workers
    measures: Measures
    log: Any

    @property
    def ready(self) -> bool:
        """Whether the networks are loaded."""
        return self.arriving.done() and self.arriving.exception() is None

    @property
    def gate(self) -> Gate:
        """The loaded gate.

        Raises:
            Refusal: 503, it is not loaded yet, or cannot be.
        """
        if not self.ready:
            failed = self.arriving.done()
            raise Refusal(
                503,
                expected="loaded networks",
                came="a service that could not load them" if failed else "a service that still loads them",
                remedy="tell its operator" if failed else "ask again when /v1/ready answers 200",
                retry_seconds=60 if failed else 2,
            )
        return self.arriving.result()

    async def run(self, request: Request, call: Callable[[], T]) -> T:
        """Run what costs time among the workers; who goes away takes it out of the queue.

        Raises:
            Refusal: 503, the queue is full; 499, for the log alone, the client went away.
        """
        try:
            return await self.workers.run(call, until=lambda: leaving(request))
        except Gone:
            raise Refusal(
                499, expected="a client that waits", came="one that went away", remedy="send it again"
            ) from None

    def router(self, tag: str) -> APIRouter:
        """Return an empty router whose routes are guarded."""
        return APIRouter(tags=[tag], route_class=guarded(self.guard, seconds=self.settings.body_seconds))


def leaving(request: Request) -> Awaitable[None]:
    """Return when the client has gone away; its body has been read."""

    async def wait() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return wait()


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how a route's refusals look, for the OpenAPI document; some may come from everywhere.

    They point to `Trouble` by its place in the document, where `create_app` puts it: as a model it would be read anew
    for each of them, most of the time that it takes to make the application.
    """
    body = {JSON: {"schema": {"$ref": PLACE + Trouble.__name__}}}
    return {status: {"content": body, "description": _WORDS[status]} for status in sorted({*statuses, *_ALWAYS})}
