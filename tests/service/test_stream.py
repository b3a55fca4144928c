"""A session over one WebSocket."""

import json
import threading
import time

import pytest
from starlette.websockets import WebSocketDisconnect
from tests.service.conftest import picture

from countenance.service.settings import Settings


def opened(service, session):
    return service.client.websocket_connect(f"/v1/sessions/{session['session']}/stream")


def hello(socket, session, **other):
    socket.send_text(json.dumps({"nonce": session["nonce"], "token": session["token"], **other}))
    return socket.receive_json()


def test_a_stream_ends_when_the_session_is_done(service):
    session = service.begin()
    with opened(service, session) as socket:
        assert hello(socket, session) == {"kind": "ready", "next_sequence": 0}
        for step in (1, 2):
            service.clock.now += 0.5
            socket.send_bytes(picture())
            said = socket.receive_json()
            assert (said["kind"], said["step"], said["done"]) == ("seen", step, step == 2)
            assert "score" not in said
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()
    assert service.conclude(session).json()["accepted"] is True


def test_a_stream_goes_on_where_another_one_was_broken_off(service):
    session = service.begin()
    service.show(session, 0)
    with opened(service, session) as socket:
        assert hello(socket, session)["next_sequence"] == 1


def test_a_picture_that_comes_too_soon_is_answered_with_busy(service):
    session, gate = service.begin(), threading.Event()
    service.gate.before_look = lambda: gate.wait(5)
    with opened(service, session) as socket:
        hello(socket, session)
        service.clock.now += 0.5
        socket.send_bytes(picture())
        socket.send_bytes(picture())
        socket.send_bytes(picture())
        assert [socket.receive_json() for _ in range(2)] == [{"kind": "busy"}] * 2
        gate.set()
        assert socket.receive_json()["next_sequence"] == 1
    assert service.gate.looked == 1


@pytest.mark.parametrize("settings", [Settings(workers=1, waiting=0)])
def test_a_full_queue_says_busy_and_the_stream_goes_on(service):
    session, gate = service.begin(), threading.Event()
    other = service.begin()
    service.gate.before_look = lambda: gate.wait(5)
    held = threading.Thread(target=service.show, args=(other, 0))
    held.start()
    while not service.app.state.desk.workers.depth:
        pass
    with opened(service, session) as socket:
        hello(socket, session)
        socket.send_bytes(picture())
        assert socket.receive_json() == {"kind": "busy"}
        gate.set()
        held.join(5)
        service.clock.now += 0.5
        socket.send_bytes(picture())
        assert socket.receive_json()["kind"] == "seen"


def until(holds):
    """Wait for something that comes soon."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_who_goes_away_is_not_judged_any_more(service):
    session, gate = service.begin(), threading.Event()
    other = service.begin()
    service.gate.before_look = lambda: gate.wait(30)
    held = threading.Thread(target=service.show, args=(other, 0))
    held.start()
    workers = service.app.state.desk.workers
    try:
        until(lambda: workers.depth == 1)
        with opened(service, session) as socket:
            hello(socket, session)
            socket.send_bytes(picture())
            until(lambda: workers.depth == 2)
            socket.close()
            until(lambda: workers.depth == 1)
    finally:
        gate.set()
        held.join(30)
    assert service.gate.looked == 1


@pytest.mark.parametrize(
    ("first", "status", "reason"),
    [
        ("{", 422, None),
        ("[]", 422, None),
        ('{"nonce": 3}', 422, None),
        ('{"nonce": "n", "key": "k"}', 422, None),
        ('{"nonce": "n"}', 401, None),
        ('{"nonce": "n", "token": "wrong"}', 401, None),
        ('{"nonce": "n", "token": "TOKEN"}', 403, None),
        ('{"nonce": "NONCE", "token": "OTHER"}', 404, None),
        ('{"nonce": "NONCE", "token": "VIEWER"}', 403, None),
    ],
)
def test_who_may_not_stream_is_told_why(service, first, status, reason):
    session, other = service.begin(), service.begin()
    for word, value in {
        "NONCE": session["nonce"],
        "TOKEN": session["token"],
        "OTHER": other["token"],
        "VIEWER": service.keys["viewer"],
    }.items():
        first = first.replace(word, value)
    with opened(service, session) as socket:
        socket.send_text(first)
        said = socket.receive_json()
        assert (said["kind"], said["status"], said["reason"]) == ("refused", status, reason)
        assert {"expected", "came", "remedy", "request_id"} <= set(said)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1008


def test_a_spent_and_an_expired_session_are_refused(service):
    session, _ = service.whole()
    for status, reason, seconds in ((409, "used_before", 0), (410, "too_late", 60)):
        if seconds:
            session = service.begin()
        service.clock.now += seconds
        with opened(service, session) as socket:
            said = hello(socket, {**session, "token": service.keys["client"]})
            assert (said["status"], said["reason"]) == (status, reason)


@pytest.mark.parametrize(
    ("message", "status", "words"),
    [
        ({"text": "hello"}, 422, "a picture as a binary message"),
        ({"bytes": b"GIF89a"}, 422, "a GIF"),
        ({"bytes": bytes(5001)}, 413, "at most 5,000 bytes"),
    ],
)
@pytest.mark.parametrize("settings", [Settings(frame_bytes=5000)])
def test_what_is_no_picture_ends_the_stream(service, message, status, words):
    session = service.begin()
    with opened(service, session) as socket:
        hello(socket, session)
        service.clock.now += 0.5
        socket.send({"type": "websocket.receive", **message})
        said = socket.receive_json()
        assert said["status"] == status
        assert words in said["expected"] + said["came"]
    assert service.client.get("/v1/health").status_code == 200


@pytest.mark.parametrize("settings", [Settings(idle_stream_seconds=0.05)])
def test_a_stream_that_sends_nothing_is_closed(service):
    session = service.begin()
    with opened(service, session) as socket:
        hello(socket, session)
        assert socket.receive_json()["status"] == 408
