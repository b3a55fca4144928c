"""Two processes before one PostgreSQL, with one signing key: whatever one of them began, the other one goes on with."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.service.conftest import ANN, FakeGate, picture, unit
from websockets.sync.client import connect

from countenance.challenge import LOCK_FAILURES
from countenance.receipts import new_signing_key_file
from countenance.store.database import open_store
from countenance.vault import Vault

ROOT = Path(__file__).resolve().parents[2]
Clients = tuple[httpx.Client, httpx.Client]


@pytest.fixture(scope="module")
def both(postgresql, tmp_path_factory) -> "Iterator[tuple[Clients, dict[str, str]]]":
    """A client of each process, and the secrets of some keys."""
    url = postgresql()
    store = open_store(url, vault=Vault([bytes(32)]))
    store.enrol(ANN, templates=unit(100)[None], model=FakeGate.model, weights=FakeGate.weights)
    keys = {name: store.add_key("client", name)[1] for name in ("door", "other")}
    store.close()
    signing, _ = new_signing_key_file(tmp_path_factory.mktemp("two") / "key.pem")
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.service.two_gates", url, signing],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert program.stdout is not None
        ports = program.stdout.readline().split()
        headers = {"Authorization": f"Bearer {keys['door']}"}
        one, other = (httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) for port in ports)
        with one, other:
            deadline = time.monotonic() + 30
            while {client.get("/v1/ready").status_code for client in (one, other)} != {200}:
                assert time.monotonic() < deadline, "the gates were not ready in time"
                time.sleep(0.05)
            yield (one, other), keys
    finally:
        os.killpg(program.pid, signal.SIGTERM)
        program.communicate(timeout=30)


@pytest.fixture
def clients(both) -> Clients:
    found: Clients = both[0]
    return found


def begin(client):
    answer = client.post("/v1/sessions", json={"subject": ANN})
    assert answer.status_code == 201, answer.text
    return answer.json()


def stream_one(client, session):
    """Show one picture by a stream of its own."""
    address = f"ws://127.0.0.1:{client.base_url.port}/v1/sessions/{session['session']}/stream"
    with connect(address) as socket:
        socket.send(json.dumps({"nonce": session["nonce"], "token": session["token"]}))
        ready = json.loads(socket.recv(10))
        socket.send(picture())
        return ready, json.loads(socket.recv(10))


def at_once(clients, ask):
    """Ask both at the same moment, and return the answers."""
    line = threading.Barrier(2)

    def together(client):
        line.wait(10)
        return ask(client)

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(together, clients))


def whole(clients):
    """Begin on one, stream on both, conclude on the other."""
    one, other = clients
    session = begin(one)
    for number, client in enumerate(clients):
        ready, seen = stream_one(client, session)
        assert ready == {"kind": "ready", "next_sequence": number}
        assert (seen["kind"], seen["next_sequence"], seen["done"]) == ("seen", number + 1, number == 1)
    own = {"Authorization": f"Bearer {session['token']}"}
    concluded = other.post(f"/v1/sessions/{session['session']}/result", headers=own)
    assert concluded.json()["accepted"] is True
    return session["session"], concluded.json()


def test_a_session_is_streamed_on_both_and_ended_on_the_other(clients):
    one, other = clients
    name, concluded = whole(clients)
    for client in clients:
        assert client.get(f"/v1/sessions/{name}/result").json() == concluded
        assert client.post(f"/v1/sessions/{name}/result").json()["reason"] == "used_before"
    assert one.get(f"/v1/receipts/{name}").content == other.get(f"/v1/receipts/{name}").content


def test_another_key_finds_no_result_on_the_other(clients, both):
    session = begin(clients[0])
    stranger = {"Authorization": f"Bearer {both[1]['other']}"}
    address = f"/v1/sessions/{session['session']}/result"
    assert [client.get(address, headers=stranger).status_code for client in clients] == [404, 404]
    assert clients[1].post(address, headers=stranger).status_code == 404
    assert clients[1].get(address).status_code == 409, "its own key is told that nothing was decided yet"


def test_a_nonce_that_is_used_on_both_at_once_is_accepted_once(clients):
    session = begin(clients[0])
    address = f"/v1/sessions/{session['session']}"
    for number in range(2):
        named = {"X-Nonce": session["nonce"], "X-Sequence": str(number), "Content-Type": "image/jpeg"}

        def show(client, named=named):
            return client.post(f"{address}/frames", content=picture(), headers=named)

        answers = sorted(at_once(clients, show), key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in answers] == [200, 409]
        assert answers[0].json()["next_sequence"] == number + 1
    decided = sorted(answer.status_code for answer in at_once(clients, lambda each: each.post(f"{address}/result")))
    assert decided == [200, 409]
    assert clients[0].get(f"{address}/result").json()["accepted"] is True


def test_a_receipt_of_one_verifies_at_the_other_and_is_spent_once(clients):
    name, _ = whole(clients)
    signed = clients[0].get(f"/v1/receipts/{name}").content

    def judged(client, spend):
        kind = {"Content-Type": "application/json"}
        return client.post("/v1/receipts/verify", content=signed, headers=kind, params={"spend": spend}).json()

    for client in clients:
        assert judged(client, spend=False) == {"valid": True, "accepted": True, "problem": None}
    answers = at_once(clients, lambda client: judged(client, spend=True))
    assert sorted(answer["valid"] for answer in answers) == [False, True]
    for client in clients:
        assert "used before" in judged(client, spend=True)["problem"]


def test_what_was_told_on_one_locks_on_the_other(clients):
    """The last test of this file, since nobody is let in for three minutes after it."""
    sessions = [begin(clients[number % 2]) for number in range(LOCK_FAILURES + 2)]
    answers = []
    for number, session in enumerate(sessions):
        named = {"X-Nonce": session["nonce"], "X-Sequence": "0", "Content-Type": "image/jpeg"}
        address = f"/v1/sessions/{session['session']}/frames"
        answers.append(clients[number % 2].post(address, content=picture(), headers=named).status_code)
    assert answers == [200] * LOCK_FAILURES + [409] * 2
    for client in clients:
        refused = client.post("/v1/sessions", json={"subject": ANN})
        assert (refused.status_code, refused.json()["reason"]) == (429, "locked")
