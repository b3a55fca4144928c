"""Bodies that come in: their size and time are bounded while they are read, and photographs never touch a disk."""

import asyncio
import json
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Message, Receive

from countenance.service.refusals import Refusal

PICTURES = ("image/jpeg", "image/png")
FORM = "multipart/form-data"
JSON = "application/json"
_CONSENT_LETTERS = 10_000


def bounded(receive: Receive, *, most: int, seconds: float) -> Receive:
    """Return a `receive` that refuses a body beyond `most` bytes as soon as it is seen, and a slow one."""
    came = 0
    ended = False

    async def within() -> Message:
        nonlocal came, ended
        if ended:
            return await receive()
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError:
            raise Refusal(
                408, expected=f"a body within {seconds:g} s", came="a slower one", remedy="send it again"
            ) from None
        came += len(message.get("body", b""))
        ended = not message.get("more_body", False)
        refuse_size(came, most)
        return message

    return within


def refuse_size(count: int, most: int) -> None:
    """Refuse more than `most` bytes.

    Raises:
        Refusal: 413.
    """
    if count > most:
        raise Refusal(413, expected=f"a body of at most {most:,} bytes", came="a larger one", remedy="send it smaller")


def kind_of(request: Request) -> str:
    """Return the content type that a request names, without its options."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse_head(request: Request, *, kinds: Collection[str], most: int) -> None:
    """Refuse by the headers, before any of the body is read.

    Raises:
        Refusal: 413 or 415, or 400 for a length that is no number.
    """
    kind = kind_of(request)
    if kinds and kind not in kinds:
        raise Refusal(
            415,
            expected=f"a body of type {' or '.join(kinds)}",
            came=f"the type {kind[:60]!r}" if kind else "no type",
            remedy="send it with its Content-Type",
        )
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 19):
        raise Refusal(400, expected="Content-Length as a number", came="something else", remedy="leave it out")
    refuse_size(int(length), most)


@dataclass(frozen=True)
class Form:
    """Parts of a multipart body.

    Attributes:
        photographs: content of each file part, in their order, with the name of its part.
        fields: text of each other part.
    """

    photographs: list[tuple[str, bytes]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


class _InMemory(MultiPartParser):
    """Keeps file parts in memory whatever their size, so that no photograph is spooled to a disk."""

    spool_max_size = 2**62


async def read_form(request: Request, *, photographs: int, names: Collection[str], fields: Collection[str]) -> Form:
    """Read a multipart body.

    Args:
        request: whose body is bounded already.
        photographs: that may come at most, or other pictures.
        names: of file parts.
        fields: names of text parts.

    Raises:
        Refusal: 422, not such a body, or with other parts.
    """
    parser = _InMemory(
        request.headers,
        _stream(request),
        max_files=photographs,
        max_fields=len(fields),
        max_part_size=_CONSENT_LETTERS,
    )
    try:
        parsed = await parser.parse()
    except MultiPartException as error:
        raise _malformed(error.message) from None
    except (ValueError, KeyError, UnicodeError):
        raise _malformed("a body that cannot be taken apart") from None
    form = Form()
    try:
        for name, part in parsed.multi_items():
            if isinstance(part, UploadFile):
                _refuse_other(name, names)
                form.photographs.append((name, await part.read()))
            else:
                _refuse_other(name, fields)
                if name in form.fields:
                    raise _malformed("a field twice")
                form.fields[name] = part
    finally:
        await parsed.close()
    if not form.photographs:
        raise _malformed("no picture")
    return form


def read_consent(words: str | None) -> dict[str, Any] | None:
    """Return the record of consent that a form states; None where it states none.

    Raises:
        Refusal: 422, not one JSON object.
    """
    if words is None:
        return None
    try:
        consent = json.loads(words)
    except (ValueError, RecursionError):
        consent = None
    if not isinstance(consent, dict):
        raise Refusal(
            422,
            expected='consent as one JSON object, such as {"text": "...", "given": "2026-01-31"}',
            came="something else",
            remedy="send the record of what the person agreed to",
        )
    return consent


def _refuse_other(name: str, names: Collection[str]) -> None:
    if name not in names:
        raise _malformed("a part of another name")


def _malformed(came: str) -> Refusal:
    return Refusal(
        422,
        expected="a multipart body with pictures, as /openapi.json describes it",
        came=came[:100],
        remedy="send each picture as a file part",
    )


async def _stream(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        yield chunk
