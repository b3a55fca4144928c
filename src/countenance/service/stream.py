"""A session over one WebSocket: the nonce and a token first, then pictures, one judged after the other.

A picture may come with infrared and depth; `frames` says how. One that comes while another one is judged is not kept:
it is answered with "busy", and a newer one is sent.
"""

import asyncio
import json
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from countenance.errors import CountenanceError
from countenance.service.access import Caller, Door
from countenance.service.attempts import Attempts
from countenance.service.desk import Desk
from countenance.service.frames import Pictures, frame_of_message
from countenance.service.refusals import Refusal, Trouble, refusal_of
from countenance.service.workers import Gone

_DOOR = Door(roles=("client", "operator", "session"), page=True)
_POLICY, _TOO_BIG, _LATER = 1008, 1009, 1013  # RFC 6455, 7.4.1, and the registry of close codes


def stream_routes(desk: Desk, attempts: Attempts) -> APIRouter:
    """Return the route of the stream."""
    router = APIRouter()

    @router.websocket("/v1/sessions/{session}/stream")
    async def stream(socket: WebSocket, session: str) -> None:
        await socket.accept()
        talk = _Talk(desk, attempts, socket, session)
        try:
            await talk.begin()
            await talk.go_on()
        except (Refusal, CountenanceError) as error:
            await talk.refuse(error if isinstance(error, Refusal) else refusal_of(error))
        except (WebSocketDisconnect, Gone):
            pass

    return router


class _Talk:
    """One stream: its caller, its nonce, and the picture that is being judged."""

    def __init__(self, desk: Desk, attempts: Attempts, socket: WebSocket, session: str) -> None:
        self._desk, self._attempts, self._socket, self._session = desk, attempts, socket, session
        self._caller = Caller("", "")
        self._nonce = ""
        self._next = 0

    async def begin(self) -> None:
        """Hear who asks, and for what nonce.

        Raises:
            Refusal: 401 or 404, as for a request.
        """
        said = await self._hear(self._desk.settings.body_seconds)
        first = _first_words(said.get("text"))
        caller = await self._desk.guard.admit(self._socket, _DOOR, first.get("token"))
        assert caller is not None
        self._caller, self._nonce = caller, first["nonce"]
        seen = await asyncio.to_thread(self._attempts.read, self._session, caller)
        self._next = seen.next_sequence
        await asyncio.to_thread(self._attempts.expect, self._session, caller, nonce=self._nonce, sequence=self._next)
        await self._say({"kind": "ready", "next_sequence": self._next})

    async def go_on(self) -> None:
        """Judge one picture after the other until the session is done, refused, or nobody sends any more."""
        judged: asyncio.Task[bool] | None = None
        heard = asyncio.ensure_future(self._hear(self._desk.settings.idle_stream_seconds))
        try:
            while True:
                await asyncio.wait({heard} if judged is None else {heard, judged}, return_when=asyncio.FIRST_COMPLETED)
                if judged is not None and judged.done():
                    if judged.result():
                        return
                    judged = None
                if heard.done():
                    pictures = self._pictures(heard.result())
                    heard = asyncio.ensure_future(self._hear(self._desk.settings.idle_stream_seconds))
                    if judged is None:
                        judged = asyncio.ensure_future(self._look(pictures))
                    else:
                        await self._say({"kind": "busy"})
        finally:
            ending: list[asyncio.Task[Any]] = [heard] if judged is None else [heard, judged]
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)  # `gather` would lose who cancelled us, if somebody does
            for task in ending:
                _ = task.cancelled() or task.exception()  # looked at, or asyncio would say that nobody did

    async def refuse(self, refusal: Refusal) -> None:
        """Say why not, and close."""
        state = self._socket.scope["state"]
        state["refused"] = refusal.reason or refusal.status_code
        if self._socket.client_state is not WebSocketState.CONNECTED:
            return
        trouble = Trouble(
            expected=refusal.expected,
            came=refusal.came,
            remedy=refusal.remedy,
            reason=refusal.reason,
            request_id=str(state["request_id"]),
        )
        code = {413: _TOO_BIG, 503: _LATER}.get(refusal.status_code, _POLICY)
        try:
            await self._say({"kind": "refused", "status": refusal.status_code, **trouble.model_dump(mode="json")})
            await self._socket.close(code)
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone meanwhile

    async def _look(self, pictures: Pictures) -> bool:
        """Have one frame judged, answer, and say whether the session is done."""
        try:
            seen = await self._desk.workers.run(
                lambda: self._attempts.look(
                    self._session, self._caller, nonce=self._nonce, sequence=self._next, pictures=pictures
                )
            )
        except Refusal as refusal:
            if refusal.status_code not in (429, 503):
                raise
            await self._say({"kind": "busy"})  # the picture was not taken: a newer one will be
            return False
        self._next = seen.next_sequence
        await self._say({"kind": "seen", **seen.model_dump(mode="json")})
        if seen.done:
            await self._socket.close()
        return seen.done

    def _pictures(self, message: dict[str, Any]) -> Pictures:
        picture = message.get("bytes")
        if picture is None:
            raise Refusal(422, expected="a picture as a binary message", came="text", remedy="send JPEG or PNG")
        return frame_of_message(picture, self._desk.settings)

    async def _hear(self, seconds: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(seconds):
                message = dict(await self._socket.receive())
        except TimeoutError:
            raise Refusal(408, expected=f"a message within {seconds:g} s", came="none", remedy="begin again") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return message

    async def _say(self, words: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(words))


def _first_words(text: str | None) -> dict[str, Any]:
    """Return nonce and token of the first message.

    Raises:
        Refusal: 422, it is something else.
    """
    try:
        said = json.loads(text or "")
    except (ValueError, RecursionError):
        said = None
    fits = (
        isinstance(said, dict)
        and set(said) <= {"nonce", "token"}
        and isinstance(said.get("nonce"), str)
        and (said.get("token") is None or isinstance(said["token"], str))
    )
    if not fits:
        raise Refusal(
            422,
            expected='{"nonce": ..., "token": ...} as the first message, with an API key or the session\'s token',
            came="something else",
            remedy="begin the stream again",
        )
    assert isinstance(said, dict)
    return said
