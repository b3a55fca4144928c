"""Uploads that are broken in many ways: each is refused in words, and none is a defect. 5,000 of them are a script."""

import random
import struct
import zlib

from tests.service.conftest import picture
from tests.service.test_sessions import TROUBLE

KINDS = ("image/jpeg", "image/png", "text/plain", "multipart/form-data; boundary=x", "application/json", "")


def bomb(width, height):
    """A PNG that says how large it is, and unpacks to a megabyte."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")


def broken(draw, number):
    whole = picture(side=64)
    return (
        draw.randbytes(draw.randrange(2000)),
        whole[: draw.randrange(len(whole) - 2)],
        bomb(50_000, 60_000),
        bomb(0, 3),
        b"GIF89a" + draw.randbytes(100),
        b"RIFF" + draw.randbytes(4) + b"WEBPVP8X" + draw.randbytes(200),
        b"\xff\xd8\xff" + draw.randbytes(300),
        b"BM" + draw.randbytes(12) + b"\x28\0\0\0" + draw.randbytes(100),
    )[number % 8]


def test_whatever_is_uploaded_it_is_refused_in_words(service):
    draw, session = random.Random(3), service.begin()  # noqa: S311 - the same bytes each time
    told: set[int] = set()
    for number in range(96):
        body, kind = broken(draw, number), "image/jpeg" if number % 2 else draw.choice(KINDS)
        if number % 3 == 0:
            answer = service.show(session, 0, body, Content_Type=kind)
            service.clock.now -= 0.5
        elif number % 3 == 1:
            headers = service.bearer("operator") | {"Content-Type": kind}
            answer = service.client.post("/v1/enrolments", content=body, headers=headers)
        else:
            files = [("reference", ("a", body)), ("probe", ("b", picture()))]
            answer = service.client.post("/v1/verifications", files=files, headers=service.bearer("client"))
        assert 400 <= answer.status_code < 500, answer.text
        assert set(answer.json()) == TROUBLE
        told.add(answer.status_code)
    assert told == {413, 415, 422}
    assert service.gate.looked == 0
