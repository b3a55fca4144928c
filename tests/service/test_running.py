"""The service as a process: keys, doors, readiness, and what can be wrong before it starts."""

import io
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.service.conftest import FakeGate, client_of

from countenance.cli import main
from countenance.errors import MissingFile, UsageError
from countenance.receipts import new_signing_key_file
from countenance.service.application import create_app
from countenance.service.gates import Gate
from countenance.service.observing import open_log
from countenance.service.running import (
    first_key,
    load_gate,
    open_database,
    open_door,
    open_expressions,
    open_policy,
    open_rules,
    open_signer,
    screen_folder,
)
from countenance.service.settings import Settings
from countenance.vault import Vault


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    monkeypatch.delenv("COUNTENANCE_KEY", raising=False)
    monkeypatch.delenv("COUNTENANCE_KEY_FILE", raising=False)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'data' / 'gate.db'}"


def test_until_the_networks_are_loaded_it_lives_and_is_not_ready(url):
    arriving: Future[Gate] = Future()
    store, _ = open_database(url)
    app = create_app(
        arriving,
        store,
        settings=Settings(),
        signer=Ed25519PrivateKey.generate(),
        clock=time.time,
        random=secrets.token_bytes,
        log=open_log(io.StringIO()),
    )
    key = {"Authorization": f"Bearer {store.add_key('operator', 'o')[1]}"}
    with client_of(app) as client:
        assert client.get("/v1/health").json()["status"] == "ok"
        waiting = client.get("/v1/ready")
        assert (waiting.status_code, waiting.headers["Retry-After"]) == (503, "2")
        assert client.post("/v1/sessions", json={"subject": "Ann"}, headers=key).status_code == 503
        arriving.set_result(FakeGate(Settings().frame_limits))
        assert client.get("/v1/ready").json() == {"ready": True}
        assert client.post("/v1/sessions", json={"subject": "Ann"}, headers=key).status_code == 404


def test_networks_that_cannot_be_loaded_are_said_to_be_so(url):
    arriving: Future[Gate] = Future()
    arriving.set_exception(MissingFile(expected="weights", came="none", remedy="pull them"))
    store, _ = open_database(url)
    app = create_app(
        arriving,
        store,
        settings=Settings(),
        signer=Ed25519PrivateKey.generate(),
        clock=time.time,
        random=secrets.token_bytes,
        log=open_log(io.StringIO()),
    )
    with client_of(app) as client:
        answer = client.get("/v1/ready")
        assert (answer.status_code, answer.json()["came"]) == (503, "a service that could not load them")
        assert client.get("/v1/health").status_code == 200


def test_the_first_key_is_made_once(url):
    store, _ = open_database(url)
    secret = first_key(store)
    assert secret is not None
    key = store.key_of(secret)
    assert key is not None
    assert key.role == "operator"
    assert first_key(store) is None
    store.close()


def test_the_signing_key_of_a_sqlite_store_is_made_once_and_of_a_postgresql_named(url, tmp_path):
    open_database(url)[0].close()
    first, second = open_signer(url, None), open_signer(url, None)
    assert first.public_key() == second.public_key()
    with pytest.raises(UsageError, match="--signing-key FILE"):
        open_signer("postgresql://localhost/gate", None)
    with pytest.raises(MissingFile):
        open_signer(url, tmp_path / "none.pem")


def test_a_door_listens_or_says_why_not():
    with open_door("127.0.0.1", 0) as door:
        port = door.getsockname()[1]
        with pytest.raises(UsageError, match=f"expected to listen on 127.0.0.1, port {port}; came Address already in"):
            open_door("127.0.0.1", port)
    for host, number, words in (("127.0.0.1", 70_000, "a port from 0 to 65535"), ("203.0.113.7", 0, "to listen on")):
        with pytest.raises(UsageError, match=words):
            open_door(host, number)


def test_rules_and_policies_are_named():
    assert open_rules("turn_left, blink").actions == ("turn_left", "blink")
    assert len(open_rules(None).actions) == 5
    for words in ("dance,blink", "blink", "blink,blink"):
        with pytest.raises(UsageError):
            open_rules(words)
    assert open_policy("rgb").name == "rgb"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "70000"), "a port from 0 to 65535"),
        (("--port", "TAKEN"), "Address already in use"),
        (("--policy", "nothing"), "polic"),
        (("--workers", "0"), "1 to 64 workers"),
        (("--requests-per-second", "0"), "requests_per_second above 0"),
        (("--challenge", "dance,blink"), "actions: happy"),
        (("--expressions", "runs/none"), "the folder of a run; came runs/none"),
        (("--challenge", "blink,turn_left", "--expressions", "facelivenet-slim"), "ask for happy or surprise"),
        (("--live-enrolment", "--policy", "sensors"), "a check of still presentations"),
        (("--database", "mysql://h/d"), "sqlite:///FILE"),
        (("--database", "sqlite:////proc/nothing/gate.db"), "/proc/nothing"),
        (("--database", "postgresql://localhost:1/gate"), "COUNTENANCE_KEY"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(capsys, url, arguments, words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        named = [str(taken.getsockname()[1]) if word == "TAKEN" else word for word in arguments]
        given = ["--database", url] if "--database" not in named else []
        assert main(["serve", *(["--port", "0"] if "--port" not in named else []), *given, *named]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("countenance: expected")
    assert words in said.err


def test_a_postgresql_that_is_not_there_is_one_line_and_exit_2(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COUNTENANCE_KEY", "A" * 43 + "=")
    key = str(new_signing_key_file(tmp_path / "key.pem")[0])
    asked = ["serve", "--port", "0", "--database", "postgresql://localhost:1/gate", "--signing-key", key]
    assert main(asked) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1


def test_keys_are_made_listed_and_revoked(capsys, url):
    assert main(["keys", "add", "client", "the door", "--database", url, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    store, _ = open_database(url)
    key = store.key_of(made["secret"])
    assert key is not None
    assert key.name == "the door"
    assert main(["keys", "list", "--database", url, "--json"]) == 0
    listed = capsys.readouterr().out
    assert made["secret"] not in listed
    assert [key["identifier"] for key in json.loads(listed)["keys"]] == [made["key"]]
    assert main(["keys", "revoke", made["key"], "--database", url]) == 0
    assert store.key_of(made["secret"]) is None
    assert main(["keys", "revoke", made["key"], "--database", url]) == 2
    assert main(["keys", "add", "king", "x", "--database", url]) == 2
    store.close()


def test_the_program_serves_at_once_and_stops_when_it_is_told_to(url):
    program = [sys.executable, "-c", "from countenance.cli import run; run()", "serve", "--port", "0"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COUNTENANCE")}
    server = subprocess.Popen(
        [*program, "--database", url, "--challenge", "turn_left,turn_right"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    watch = threading.Timer(60, server.kill)
    watch.start()
    try:
        assert server.stderr is not None
        said = [server.stderr.readline() for _ in range(2)]
        assert "first operator's key, shown this once: countenance_" in said[0]
        address = said[1].split()[1]
        assert httpx.get(f"{address}v1/health", timeout=30).json()["status"] == "ok"
        assert httpx.post(f"{address}v1/sessions", content=b"{", timeout=30).status_code == 401
        server.send_signal(signal.SIGTERM)
        rest = server.stderr.read()
        assert server.wait(30) in (0, -signal.SIGTERM)
        assert '"event": "stopped"' in rest
        assert "Traceback" not in rest
    finally:
        watch.cancel()
        server.kill()
        server.wait()
        if server.stderr is not None:
            server.stderr.close()


def test_the_screen_lies_beside_a_sqlite_store_or_where_it_is_named(tmp_path):
    url = f"sqlite:///{tmp_path / 'gate.db'}"
    assert screen_folder(url, None) == tmp_path
    assert screen_folder(url, tmp_path / "screen") == tmp_path / "screen"
    assert screen_folder("postgresql+psycopg://gate@db/gate", None) is None
    assert screen_folder("postgresql+psycopg://gate@db/gate", tmp_path) == tmp_path


@pytest.mark.parametrize("calibrated", [True, False])
def test_new_people_are_held_against_the_screen_that_was_calibrated(tmp_path, monkeypatch, calibrated):
    built, asked, found = [], [], object()

    class Screened:
        model, weights = "sface", "digest"

        def __init__(self, *, enrolment=None, **_):
            self.enrolment = enrolment
            built.append(self)

    monkeypatch.setattr("countenance.gate.authenticator.Authenticator", Screened)
    monkeypatch.setattr("countenance.gate.networks.load_networks", lambda *_, **__: None)

    def screen_for(*wanted):
        asked.append(wanted)
        return found if calibrated else None

    monkeypatch.setattr("countenance.admission.screen_for", screen_for)
    vault = Vault([secrets.token_bytes(32)])
    gate: Any = load_gate(open_policy("rgb"), open_rules("blink,turn_left"), vault, Settings(), screen=tmp_path)
    assert asked == [(tmp_path, "sface", "digest")]
    assert gate is built[-1]
    assert gate.enrolment is None if not calibrated else gate.enrolment.screen is found
    gate = load_gate(open_policy("rgb"), open_rules(None), vault, Settings(), live_enrolment=True)
    assert (gate.enrolment.screen, gate.enrolment.presentation) == (None, True)


def test_expressions_are_read_by_the_network_that_is_named(tmp_path, monkeypatch):
    asked: dict[str, Any] = {}

    def load_networks(*_, **options):
        asked.update(options)
        raise MissingFile(expected="weights", came="none", remedy="pull them")

    monkeypatch.setattr("countenance.gate.networks.load_networks", load_networks)
    for named, reader in ((None, "facelivenet-slim"), (str(tmp_path), str(tmp_path))):
        expressions = open_expressions(named, open_rules(None))
        with pytest.raises(MissingFile):
            load_gate(open_policy("rgb"), open_rules(None), Vault([bytes(32)]), Settings(), expressions=expressions)
        assert asked["expressions"] == reader
