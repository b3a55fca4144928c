"""Clients of a running gate, light enough to share its machine: one event loop, pictures that were encoded before.

A client begins a session, shows one frame a second that does what it was told to, asks for the decision and begins
again. What it is refused with 503 it sends anew when Retry-After says so. A comment in each JPEG makes its bytes new,
as a camera's noise does: a frame that was shown before would spoil the session.
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from countenance.vocabulary import Action

ANSWER_SECONDS = 30.0  # for which an answer is waited for
_BEFORE_END = 2.0  # seconds: no frame is sent that would come after its session's end
_START = b"\xff\xd8"  # of a JPEG
_COMMENT = b"\xff\xfe\x00\x0a"  # a segment of 8 bytes, and its own length


class Answer(NamedTuple):
    """One answer, or that none came.

    Attributes:
        route: begin, frame or result.
        status: of HTTP; 0 where none came.
        seconds: from the first byte sent to the last one read.
        at: when it came, in seconds of the clock of this process.
    """

    route: str
    status: int
    seconds: float
    at: float


@dataclass(frozen=True)
class Performer:
    """Pictures of one drawn person.

    Attributes:
        shows: JPEGs of each action, and at rest (None).
    """

    shows: Mapping[Action | None, Sequence[bytes]]

    def act(self, action: Action | None, turn: int) -> bytes:
        """Return a picture of an action; who is to close the eyes closes and opens them in turn."""
        kind = None if action is Action.BLINK and turn % 2 else action
        pictures = self.shows[kind]
        return pictures[turn % len(pictures)]


@dataclass
class Heard:
    """What clients were answered.

    Attributes:
        answers: in the order in which they came.
        failures: of connections, by kind.
        decisions: "accepted", "refused", and the reasons of refusals.
        words: what was said with an answer that is neither 2xx nor 503, and how often.
    """

    answers: list[Answer] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The gate that is asked, and what clients ask it with.

    Attributes:
        host, port: where it listens.
        key: of a client of the API.
        names: of people who are enrolled; each session takes the next one, so that nobody is locked by failures.
        performers: whose pictures are shown.
        marks: make each picture's bytes new.
        pace_seconds: from one frame to the next.
    """

    host: str
    port: int
    key: str
    names: Iterator[str]
    performers: Sequence[Performer]
    marks: Iterator[int] = field(default_factory=itertools.count)
    pace_seconds: float = 1.0


class Line:
    """One connection that speaks HTTP/1.1 and is kept open.

    Args:
        place: to connect to.
        heard: takes down answers.
    """

    def __init__(self, place: Place, heard: Heard) -> None:
        self._place, self._heard = place, heard
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def close(self) -> None:
        """Hang up."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def ask(self, route: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, float, Any]:
        """Send one POST.

        Returns:
            Status (0 where none came), seconds of Retry-After, and the JSON of the answer.
        """
        began = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, said, content = await self._exchange(path, body, headers)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            await self.close()
            self._heard.failures[type(error).__name__] += 1
            status, said, content = 0, {}, b""
        now = time.perf_counter()
        self._heard.answers.append(Answer(route, status, now - began, now))
        told = json.loads(content) if content else {}
        if not (200 <= status < 300 or status in (0, 503)):
            self._heard.words[f"{route} {status}: expected {told.get('expected')}; came {told.get('came')}"] += 1
        return status, float(said.get("retry-after", 1)), told

    async def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._place.host, self._place.port)
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._place.host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self._writer.drain()
        first, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        said = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        content = await self._reader.readexactly(int(said["content-length"]))
        if said.get("connection", "").lower() == "close":
            await self.close()
        return int(first.split()[1]), said, content


class Client:
    """Whoever stands before one camera after another.

    Args:
        place: the gate.
        heard: takes down answers.
        performer: whose pictures are shown.
    """

    def __init__(self, place: Place, heard: Heard, performer: Performer) -> None:
        self._place, self._heard, self._performer = place, heard, performer
        self._line = Line(place, heard)

    async def live(self, *, after_seconds: float) -> None:
        """Go through one session after another until cancelled.

        Args:
            after_seconds: in which the first one begins, so that clients do not come all at once.
        """
        try:
            await asyncio.sleep(after_seconds)
            while True:
                await self._session(next(self._place.names))
        finally:
            await self._line.close()

    async def _session(self, name: str) -> None:
        made = await self._until_taken(
            "begin", "/v1/sessions", json.dumps({"subject": name}).encode(), self._headers(self._place.key)
        )
        if made is None:
            return
        headers = self._headers(made["token"])
        if await self._frames(made, headers):
            ended = await self._until_taken("result", f"/v1/sessions/{made['session']}/result", b"", headers)
            if ended is not None:
                self._heard.decisions["accepted" if ended["accepted"] else "refused"] += 1
                self._heard.decisions.update(ended["reasons"])

    async def _frames(self, made: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
        """Show frames until the challenge is over or its time is; False where one was refused for good."""
        path, sequence, action = f"/v1/sessions/{made['session']}/frames", made["next_sequence"], None
        due, turn, done = time.perf_counter(), 0, False
        while not done and time.time() < made["expires_at"] - _BEFORE_END:
            picture = marked(self._performer.act(action, turn), next(self._place.marks))
            shown = {**headers, "Content-Type": "image/jpeg"}
            shown |= {"X-Nonce": made["nonce"], "X-Sequence": str(sequence)}
            status, retry_seconds, told = await self._line.ask("frame", path, picture, shown)
            if status == 200:
                asked, done, sequence = told["action"], told["done"], told["next_sequence"]
                turn = turn + 1 if asked == action else 0
                action = None if asked is None else Action(asked)
            elif status not in (0, 503):
                return False
            wait = self._place.pace_seconds if status == 200 else max(retry_seconds, self._place.pace_seconds)
            due = max(due + wait, time.perf_counter()) if not done else due
            await asyncio.sleep(due - time.perf_counter() if not done else 0)
        return True

    async def _until_taken(self, route: str, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
        """Ask again while there is no room; None where it is refused for good."""
        while True:
            status, retry_seconds, told = await self._line.ask(route, path, body, headers)
            if 200 <= status < 300:
                return told
            await asyncio.sleep(retry_seconds)
            if status not in (0, 503):
                return None

    @staticmethod
    def _headers(secret: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}


async def crowd(place: Place, *, clients: int, seconds: float) -> Heard:
    """Let clients come for a while; those that wait for an answer at the end hang up, as people who leave do.

    Args:
        place: the gate.
        clients: at once.
        seconds: how long.
    """
    heard = Heard()
    async with _living(place, heard, clients):
        await asyncio.sleep(seconds)
    return heard


@asynccontextmanager
async def _living(place: Place, heard: Heard, clients: int) -> AsyncIterator[None]:
    tasks = [
        asyncio.ensure_future(Client(place, heard, performer).live(after_seconds=place.pace_seconds * number / clients))
        for number, performer in zip(range(clients), itertools.cycle(place.performers), strict=False)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def marked(picture: bytes, mark: int) -> bytes:
    """Return the same picture in other bytes: a JPEG with a comment, which decoders skip.

    >>> marked(_START + b"the rest", 1).endswith(b"the rest")
    True
    """
    return _START + _COMMENT + mark.to_bytes(8) + picture[len(_START) :]
