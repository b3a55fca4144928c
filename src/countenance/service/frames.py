"""A frame as a client sends it: a lone picture, or a picture with infrared and depth of the same moment.

A request has the picture as its body, or a multipart body with the parts `image`, `infrared` and `depth`. A message of
a WebSocket is the picture; or one line of JSON, which says how many bytes each part has, and then the parts in the
order of that line. No picture begins as JSON does, so that the two cannot be taken for each other.
"""

import json
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from countenance.service.refusals import Refusal
from countenance.service.settings import Settings
from countenance.service.uploads import FORM, PICTURES, kind_of, read_form, refuse_size

PARTS = ("image", "infrared", "depth")
HEAD_BYTES = 200
"""Of the line of JSON before the parts of a message, at most."""
_PICTURE = {"type": "string", "format": "binary"}
_GREY = {**_PICTURE, "description": "A grey picture of 8 bits, of the same size as the image and lying on it."}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        **{kind: {"schema": _PICTURE} for kind in PICTURES},
        FORM: {
            "schema": {
                "type": "object",
                "required": ["image"],
                "additionalProperties": False,
                "properties": {"image": _PICTURE, "infrared": _GREY, "depth": _GREY},
            }
        },
    },
}
"""Of the request that shows a frame, for the OpenAPI document."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The parts of one frame, as files.

    Attributes:
        image: in colour.
        infrared: of the same moment; None where it did not come.
        depth: likewise; nearer is brighter, 0 is no data.
    """

    image: bytes
    infrared: bytes | None = None
    depth: bytes | None = None


async def read_frame(request: Request, settings: Settings) -> Pictures:
    """Read the body of a request, which is bounded already.

    Raises:
        Refusal: 413, a part is too large; 422, a form with other parts, one twice, or without an image.
    """
    if kind_of(request) != FORM:
        return Pictures(image=await request.body())
    form = await read_form(request, photographs=len(PARTS), names=PARTS, fields=())
    return _pictures(form.photographs, settings)


def frame_of_message(message: bytes, settings: Settings) -> Pictures:
    """Take a message of a WebSocket apart.

    Raises:
        Refusal: 413, a part is too large; 422, a first line that does not fit.
    """
    if not message.startswith(b"{"):
        refuse_size(len(message), settings.frame_bytes)
        return Pictures(image=message)
    refuse_size(len(message), settings.planes_bytes)
    head, _, rest = message.partition(b"\n")
    lengths = _lengths(head)
    if lengths is None or sum(lengths.values()) != len(rest):
        raise Refusal(
            422,
            expected='a picture, or one line {"image": BYTES, "infrared": BYTES, "depth": BYTES} and then those bytes',
            came="something else",
            remedy="send JPEG or PNG, or see /openapi.json",
        )
    parts, start = [], 0
    for name, length in lengths.items():
        parts.append((name, rest[start : start + length]))
        start += length
    return _pictures(parts, settings)


def _lengths(head: bytes) -> dict[str, int] | None:
    """Return what the first line says, if it is one."""
    try:
        said = json.loads(head) if len(head) <= HEAD_BYTES else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not all(type(each) is int and each > 0 for each in said.values()):
        return None
    return said


def _pictures(parts: list[tuple[str, bytes]], settings: Settings) -> Pictures:
    """Put named parts into their places.

    Raises:
        Refusal: 413 or 422, as for `read_frame`.
    """
    named = dict(parts)
    if len(named) < len(parts) or not {"image"} <= set(named) <= set(PARTS):
        raise Refusal(
            422,
            expected=f"the part image, and {' and '.join(PARTS[1:])} where there are such cameras, each once",
            came=", ".join(name[:20] for name, _ in parts[: len(PARTS)]),
            remedy="send them under these names",
        )
    for part in named.values():
        refuse_size(len(part), settings.frame_bytes)
    return Pictures(**named)
