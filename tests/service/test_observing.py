"""Request numbers, the log, measures, headers, defects, and the page."""

import json
import re

import pytest
from tests.service.conftest import ANN, picture
from tests.service.test_sessions import refused

from countenance.service.settings import Settings
from countenance.vocabulary import Reason


def lines(service):
    return [json.loads(line) for line in service.log.getvalue().splitlines()]


def test_logs_hold_no_name_no_score_and_no_secret(service):
    service.gate.accept, service.gate.reasons = False, (Reason.NOT_THE_SAME_PERSON,)
    session, _ = service.whole()
    operator = service.bearer("operator")
    for address in (f"/v1/enrolments/{ANN}/export", f"/v1/sessions/{session['session']}/audit", f"/x/{ANN}?q={ANN}"):
        service.client.get(address, headers=operator)
    service.client.delete(f"/v1/enrolments/{ANN}", headers=operator)
    service.client.post("/v1/sessions", json={"subject": ANN}, headers=operator)
    service.client.post("/v1/sessions", json={"subject": ANN, "nonsense": ANN}, headers=operator)
    service.client.request(ANN.split()[0].upper(), "/v1/health")
    said = service.log.getvalue()
    assert len(lines(service)) == 12
    secrets = (*service.keys.values(), session["token"], session["nonce"], session["session"])
    for word in ("Ann", "Example", "ANN", "0.87", *secrets):
        assert word not in said, word
    assert all(len(line) < 1000 for line in said.splitlines())


def test_a_defect_is_answered_in_words_and_logged_by_its_place_alone(service):
    def broken():
        raise RuntimeError(f"secret of {ANN}")

    service.gate.before_look = broken
    said = refused(service.show(service.begin(), 0), 500, words="a defect of the service")
    log = next(line for line in lines(service) if line["event"] == "defect")
    assert log["request_id"] == said["request_id"]
    assert (log["kind"], log["level"]) == ("RuntimeError", "error")
    assert "test_observing.py" in log["place"]
    assert ANN not in service.log.getvalue()


@pytest.mark.parametrize(
    ("given", "taken"),
    [("abcDEF-12._", True), ("short", False), ("x" * 65, False), ("has space 12", False), ("é" * 9, False)],
)
def test_a_request_has_a_number_its_own_where_it_is_well_formed(service, given, taken):
    answer = service.client.get("/nothing", headers={"X-Request-ID": given.encode()})
    number = answer.headers["X-Request-ID"]
    assert (number == given) is taken
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,64}", number)
    assert refused(answer, 404)["request_id"] == number


def test_measures_count_requests_decisions_frames_and_refusals(service):
    service.whole()
    service.gate.accept, service.gate.reasons = False, (Reason.PRESENTATION_ATTACK,)
    session, _ = service.whole()
    service.conclude(session)
    page = service.client.get("/metrics", headers=service.bearer("viewer"))
    assert page.headers["content-type"].startswith("text/plain")
    for line in (
        'countenance_requests_total{method="POST",route="/v1/sessions",status="201"} 2.0',
        'countenance_decisions_total{accepted="true"} 1.0',
        'countenance_decisions_total{accepted="false"} 1.0',
        "countenance_frames_total 4.0",
        'countenance_refusals_total{reason="presentation_attack"} 1.0',
        'countenance_refusals_total{reason="used_before"} 1.0',
        'countenance_request_seconds_count{route="/v1/sessions/{session}/frames"} 4.0',
        "countenance_queue 0.0",
        "countenance_ready 1.0",
    ):
        assert line in page.text.splitlines(), line
    assert "Ann" not in page.text


def test_a_browser_is_told_what_it_may_do(service):
    for address in ("/", "/page/page.js", "/v1/health", "/nothing"):
        headers = service.client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["permissions-policy"].startswith("camera=(self)")


def test_the_page_has_no_inline_script_and_names_files_that_are_served(service):
    page = service.client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son[a-z]+=|\sstyle=", page.text)
    files = re.findall(r'(?:src|href)="(/page/[^"]+)"', page.text)
    assert any(file.endswith(".js") for file in files)
    for file in files:
        assert service.client.get(file).status_code == 200
    refused(service.client.get("/page/settings.py"), 404)
    refused(service.client.get("/page/..%2fsettings.py"), 404)
    refused(service.client.get("/docs"), 404)


@pytest.mark.parametrize("settings", [Settings(body_seconds=0.02)])
def test_a_body_that_does_not_come_is_not_waited_for(service):
    import asyncio

    sent = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/sessions",
        "raw_path": b"/v1/sessions",
        "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"),
            (b"authorization", service.bearer("client")["Authorization"].encode()),
        ],
        "client": ("10.0.0.1", 1),
        "server": ("test", 80),
        "scheme": "http",
        "http_version": "1.1",
    }

    async def receive():
        await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    asyncio.run(service.app(scope, receive, send))
    assert sent[0]["status"] == 408


def test_a_client_that_goes_away_is_taken_out_of_the_queue_and_no_defect(service):
    import asyncio
    import threading

    first, second = service.begin(), service.begin()
    held, entered = threading.Event(), threading.Event()

    def hold():
        entered.set()
        held.wait(5)

    service.gate.before_look = hold
    busy = threading.Thread(target=service.show, args=(first, 0))
    busy.start()
    entered.wait(5)
    sent = []
    path = f"/v1/sessions/{second['session']}/frames"
    named = {"authorization": f"Bearer {second['token']}", "x-nonce": second["nonce"], "x-sequence": "0"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"content-type", b"image/jpeg"),
            *((key.encode(), value.encode()) for key, value in named.items()),
        ],
        "client": ("10.0.0.1", 1),
        "server": ("test", 80),
        "scheme": "http",
        "http_version": "1.1",
    }
    messages = [{"type": "http.request", "body": picture(), "more_body": False}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(service.app(scope, receive, send))
    held.set()
    busy.join(5)
    assert sent[0]["status"] == 499
    assert service.gate.looked == 1
    assert not [line for line in lines(service) if line["event"] == "defect"]


def test_a_message_that_repeats_what_was_sent_is_bounded(service):
    asked = {"subject": "x" * 60_000}
    said = refused(service.client.post("/v1/sessions", json=asked, headers=service.bearer("client")), 422)
    assert len(json.dumps(said)) < 1000
    session = service.begin()
    said = refused(service.show(session, 0, X_Sequence="9" * 500), 422)
    assert len(json.dumps(said)) < 1000
