"""Uploads that are broken in many ways: each is refused in words, and none is a defect.

COUNTENANCE_MALFORMED_UPLOADS=5000 sends so many to a running service with its networks, and watches its memory.
"""

import os
import random
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.service.conftest import picture
from tests.service.test_sessions import TROUBLE

from countenance.gate.networks import model_digest
from countenance.store.database import open_store
from countenance.vault import Vault

UPLOADS = int(os.environ.get("COUNTENANCE_MALFORMED_UPLOADS", "0"))
KINDS = ("image/jpeg", "image/png", "text/plain", "multipart/form-data; boundary=x", "application/json", "")
WARM = 200  # uploads, after which memory is looked at first
MEBIBYTES = 100


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


def damaged(draw, number):
    """More ways, some of which can still be read: flipped bytes, a JPEG that lies of its size, too much, nothing."""
    whole = picture(side=240)
    start = whole.index(b"\xff\xc0")
    flipped = bytearray(whole)
    for _ in range(20):
        flipped[draw.randrange(len(flipped))] = draw.randrange(256)
    ways = (
        bytes(flipped),
        whole[: start + 5] + struct.pack(">HH", 65_535, draw.choice([0, 65_535])) + whole[start + 9 :],
        bomb(draw.choice([1, 2**31 - 1]), draw.choice([0, 3])),
        bytes(3 * 2**20) if number % 5 == 0 else b"",
    )
    return ways[number // 8 % 4] if number % 8 < 4 else broken(draw, number // 2)


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


@pytest.fixture
def running(tmp_path, pulled) -> Iterator[tuple[httpx.Client, int]]:
    """`countenance serve` with its networks: a client with the operator's key, and the number of the process."""
    for name in ("yunet", "sface", "minifasnet_v2", "minifasnet_v1se"):
        pulled(name)
    place = tmp_path / "gate.db"
    store = open_store(f"sqlite:///{place}", vault=Vault.beside(place))
    rows = np.full((1, 128), 128**-0.5, np.float32)
    store.enrol("Ann", templates=rows, model="sface", weights=model_digest("sface"))
    store.close()
    program = Path(sys.executable).with_name("countenance")
    command: list[str | Path] = [program, "serve", "--port", "0", "--database", f"sqlite:///{place}"]
    said = tmp_path / "said"
    with said.open("w") as log, subprocess.Popen(command, stderr=log) as service:
        try:
            words = waited(
                lambda: said.read_text().split(), lambda words: "ready" in words or service.poll() is not None
            )
            address = next(word for word in words if word.startswith("http://"))
            secret = next(word for word in words if word.startswith("countenance_"))
            headers = {"Authorization": f"Bearer {secret}"}
            with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
                yield client, service.pid
        finally:
            service.terminate()


def waited(look, enough, *, seconds=90.0):
    """Return what is looked at, once it is enough."""
    deadline = time.monotonic() + seconds
    while not enough(seen := look()):
        assert time.monotonic() < deadline, "the service was not ready in time"
        time.sleep(0.2)
    return seen


def resident(process):
    """Memory of a process in MiB."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


class Sender:
    """Sends uploads of every kind to every place that takes some."""

    def __init__(self, client: httpx.Client, draw: random.Random) -> None:
        self.client, self.draw = client, draw
        self.session: dict[str, Any] = {"expires_at": 0.0}

    def send(self, number: int) -> httpx.Response:
        body, kind = damaged(self.draw, number), self.draw.choice(KINDS)
        match number % 6:
            case 0 | 1:
                return self.show(body, "image/jpeg" if number % 3 else kind)
            case 2:
                files = [("photograph", ("a", body))]
                return self.client.post("/v1/enrolments", data={"subject": f"m{number}"}, files=files)
            case 3:
                return self.client.post("/v1/enrolments", content=body, headers={"Content-Type": kind})
            case 4:
                files = [("reference", ("a", body)), ("probe", ("b", picture()))]
                return self.client.post("/v1/verifications", files=files)
        path = self.draw.choice(["/v1/receipts/verify", "/v1/sessions"])
        return self.client.post(path, content=body, headers={"Content-Type": kind})

    def show(self, body: bytes, kind: str) -> httpx.Response:
        if time.time() > self.session["expires_at"] - 2:
            answer = self.client.post("/v1/sessions", json={"subject": "Ann"})
            assert answer.status_code == 201, answer.text
            self.session = {"next_sequence": 0, **answer.json()}
        place, number = self.session["session"], str(self.session["next_sequence"])
        headers = {"X-Nonce": self.session["nonce"], "X-Sequence": number, "Content-Type": kind}
        answer = self.client.post(f"/v1/sessions/{place}/frames", content=body, headers=headers)
        if answer.status_code == 200:
            self.session["next_sequence"] = answer.json()["next_sequence"]
        if answer.status_code == 409:
            self.session["expires_at"] = 0.0
        return answer


@pytest.mark.skipif(not UPLOADS, reason="COUNTENANCE_MALFORMED_UPLOADS=5000 takes some minutes")
def test_a_running_service_stays_up_and_does_not_grow(running):
    client, process = running
    sender, told, began = Sender(client, random.Random(7)), Counter[int](), time.monotonic()  # noqa: S311
    held = []  # MiB
    for number in range(UPLOADS):
        answer = sender.send(number)
        assert answer.status_code < 500, (number, answer.status_code, answer.text)
        told[answer.status_code] += 1
        if answer.status_code == 429:
            time.sleep(0.05)
        if number == WARM or not (number + 1) % max(1, UPLOADS // 5):
            held.append(round(resident(process)))
    print(f"{UPLOADS:,} uploads in {time.monotonic() - began:.0f} s: {dict(told)}; MiB of memory: {held}")
    assert max(held) - held[0] < MEBIBYTES
    assert client.get("/v1/ready").status_code == 200
    assert {400, 413, 415, 422} <= set(told)
