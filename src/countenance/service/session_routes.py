"""Routes of sessions: begin, show frames, conclude once, read, audit."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request

from countenance.service.access import Door, caller_of
from countenance.service.attempts import Attempts
from countenance.service.bodies import Audited, Concluded, FrameSeen, SessionAsked, SessionMade, SessionSeen
from countenance.service.desk import Desk, refusals
from countenance.service.frames import BODY, read_frame

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,100}$", description="The session.")]
Nonce = Annotated[str, Header(min_length=1, max_length=200, description="Of the session, as it was begun.")]
Sequence = Annotated[int, Header(ge=0, le=10**6, description="The last answer's next_sequence.")]


def session_routes(desk: Desk, attempts: Attempts) -> APIRouter:
    """Return the routes of sessions."""
    router = desk.router("sessions")
    text = desk.settings.text_bytes
    own = ("client", "operator", "session")
    late = desk.settings.result_seconds  # whoever ran out of time is told so, and it counts

    @router.post(
        "/v1/sessions",
        status_code=201,
        openapi_extra=Door(roles=("client", "operator"), page=True, most=text).as_extra(),
        responses=refusals(401, 403, 404, 408, 413, 415),
    )
    async def begin(request: Request, asked: SessionAsked) -> SessionMade:
        """Begin a session for somebody who is enrolled.

        Its frames go to /v1/sessions/{session}/frames, or over a WebSocket at /v1/sessions/{session}/stream: first
        {"nonce": ..., "token": ...}, answered by {"kind": "ready"}, then pictures as binary messages. Each is answered
        by {"kind": "seen"} with what a frame's answer holds, {"kind": "busy"} where it was not taken, or
        {"kind": "refused"} with status and words, after which the stream is closed. With infrared and depth a message
        is one line of JSON, {"image": BYTES, "infrared": BYTES, "depth": BYTES}, and then the bytes of these pictures.
        """
        caller = caller_of(request)
        desk.workers.refuse_newcomer()
        return await asyncio.to_thread(attempts.begin, asked.subject, frozenset(asked.without), caller)

    @router.get(
        "/v1/sessions/{session}",
        openapi_extra=Door(roles=own).as_extra(),
        responses=refusals(401, 403, 404),
    )
    async def read(request: Request, session: Name) -> SessionSeen:
        """Say where a session stands."""
        return await asyncio.to_thread(attempts.read, session, caller_of(request))

    @router.post(
        "/v1/sessions/{session}/frames",
        openapi_extra=Door(roles=own, most=desk.settings.frame_bytes, most_form=desk.settings.planes_bytes).as_extra()
        | {"requestBody": BODY},
        responses=refusals(401, 403, 404, 408, 409, 410, 413, 415),
    )
    async def frame(request: Request, session: Name, x_nonce: Nonce, x_sequence: Sequence) -> FrameSeen:
        """Show the session one picture of the camera, alone or with infrared and depth, and hear what to do."""
        caller = caller_of(request)
        desk.workers.refuse_beyond()
        await asyncio.to_thread(attempts.expect, session, caller, nonce=x_nonce, sequence=x_sequence)
        pictures = await read_frame(request, desk.settings)
        return await desk.run(
            request, lambda: attempts.look(session, caller, nonce=x_nonce, sequence=x_sequence, pictures=pictures)
        )

    @router.post(
        "/v1/sessions/{session}/result",
        openapi_extra=Door(roles=own, most=text, late_seconds=late).as_extra(),
        responses=refusals(401, 403, 404, 409, 413),
    )
    async def conclude(request: Request, session: Name) -> Concluded:
        """Conclude a session, which can be done once."""
        caller = caller_of(request)
        await asyncio.to_thread(attempts.refuse_spent, session, caller)
        return await desk.run(request, lambda: attempts.conclude(session, caller))

    @router.get(
        "/v1/sessions/{session}/result",
        openapi_extra=Door(roles=own, late_seconds=late).as_extra(),
        responses=refusals(401, 403, 404, 409),
    )
    async def result(request: Request, session: Name) -> Concluded:
        """Read what a concluded session was decided to be."""
        return await asyncio.to_thread(attempts.result, session, caller_of(request))

    @router.get(
        "/v1/sessions/{session}/audit",
        openapi_extra=Door(roles=("operator", "viewer")).as_extra(),
        responses=refusals(401, 403, 404),
    )
    async def audit(session: Name) -> Audited:
        """Read what a session was decided by: scores and outcomes, for operators and viewers."""
        return await asyncio.to_thread(attempts.audit, session)

    return router
