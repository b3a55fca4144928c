"""Around every request: its number, its time, a line in the log, and headers that browsers obey.

A line holds the route's pattern and never its path, a query, a header or a body, so that no name, no image and nothing
measured of a face stands in a log.
"""

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countenance.service.measures import Measures
from countenance.service.refusals import Refusal, answer

_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def open_log(file: TextIO) -> Any:
    """Return a logger that writes one JSON object a line; structlog's own global settings stay as they are."""
    return structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    )


class Observed:
    """ASGI middleware, the outermost: what goes wrong inside becomes an answer here, and a line without its words.

    Args:
        app: what is observed.
        log: as `open_log` returns it.
        measures: counted into.
        clock: seconds that only run forward.
        random: bytes for the numbers of requests.
    """

    def __init__(
        self, app: ASGIApp, *, log: Any, measures: Measures, clock: Callable[[], float], random: Callable[[int], bytes]
    ) -> None:
        self._app, self._log, self._measures, self._clock, self._random = app, log, measures, clock, random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one stream."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope["state"] = state = {**scope.get("state", {}), "request_id": self._number(scope)}
        began, status = self._clock(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                held = {name.lower() for name, _ in message.get("headers", ())}
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", state["request_id"].encode()),
                    *(pair for pair in _HEADERS if pair[0] not in held),
                ]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the last door: a caller sees words, the log the place
            self._log.error("defect", request_id=state["request_id"], kind=type(error).__name__, place=_place(error))
            if not status and scope["type"] == "http":
                await answer(Request(scope), _defect())(scope, receive, watched)
        self._note(scope, state, status, self._clock() - began)

    def _number(self, scope: Scope) -> str:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        named = given.decode("latin-1")
        return named if _WELL_FORMED.fullmatch(named) else self._random(12).hex()

    def _note(self, scope: Scope, state: dict[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope.get("method", "WEBSOCKET")
        method = (
            method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET") else "other"
        )
        self._measures.requests.labels(route, method, str(status)).inc()
        self._measures.seconds.labels(route).observe(seconds)
        refused = state.get("refused")
        if refused is not None:
            self._measures.refused.labels(str(refused)).inc()
        self._log.info(
            "answered",
            request_id=state["request_id"],
            method=method,
            route=route,
            status=status,
            seconds=round(seconds, 4),
            key=state.get("key"),
            refused=None if refused is None else str(refused),
        )


def _defect() -> Refusal:
    return Refusal(
        500,
        expected="an answer",
        came="a defect of the service",
        remedy="tell its operator the request_id",
    )


def _place(error: Exception) -> str:
    """Return the file and line of an error, without its words, which may repeat what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
