"""Who may ask what: keys, roles, this machine."""

import pytest
from starlette.requests import HTTPConnection
from tests.service.conftest import ANN, client_of
from tests.service.test_sessions import refused

from countenance.service.access import from_this_machine
from countenance.service.settings import Settings

OPEN = Settings(open_to_loopback=True)


def connection(host, *, name="localhost:8000", **headers):
    named = {"host": name, **{key.replace("_", "-"): value for key, value in headers.items()}}
    raw = [(key.encode(), value.encode()) for key, value in named.items()]
    return HTTPConnection({"type": "http", "client": (host, 1234), "headers": raw})


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        (connection("127.0.0.1"), True),
        (connection("127.9.9.9", name="127.0.0.1:8000"), True),
        (connection("::1", name="[::1]:8000"), True),
        (connection("::1", name="[::1]"), True),
        (connection("127.0.0.1", name="localhost"), True),
        (connection("127.0.0.1", origin="http://localhost:8000"), True),
        (connection("127.0.0.1", origin="http://evil.example"), False),
        (connection("127.0.0.1", origin="http://localhost:9000"), False),
        (connection("127.0.0.1", origin="null"), False),
        (connection("127.0.0.1", name="evil.example:8000"), False),
        (connection("127.0.0.1", x_forwarded_for="127.0.0.1"), False),
        (connection("127.0.0.1", forwarded="for=1.2.3.4"), False),
        (connection("10.0.0.7"), False),
        (connection("testclient"), False),
        (HTTPConnection({"type": "http", "client": None, "headers": [(b"host", b"localhost")]}), False),
    ],
)
def test_what_comes_from_this_machine_by_itself(asked, near):
    assert from_this_machine(asked) is near


def paths(service):
    document = service.client.get("/openapi.json").json()
    return [(path, method) for path, methods in document["paths"].items() for method in methods]


def test_every_post_without_a_key_and_with_a_wrong_one_is_401(service):
    posts = [path for path, method in paths(service) if method == "post"]
    assert len(posts) == 6
    for path in posts:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
            address = path.replace("{session}", "s")
            answer = service.client.post(address, content=b"{", headers=headers | {"content-type": "application/json"})
            refused(answer, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_door_that_needs_a_key_says_so_in_the_document(service):
    document = service.client.get("/openapi.json").json()
    free = {path for path, methods in document["paths"].items() for said in methods.values() if "security" not in said}
    assert free == {"/v1/health", "/v1/ready", "/metrics"}
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            for status, answer in said["responses"].items():
                assert answer.get("content"), (path, method, status)


def test_a_revoked_key_opens_nothing(service):
    key = next(key for key in service.store.api_keys() if key.role == "client")
    service.store.revoke_key(key.identifier)
    refused(service.client.post("/v1/sessions", json={"subject": ANN}, headers=service.bearer("client")), 401)


def near_client(service):
    return client_of(service.app, base_url="http://localhost:8000", client=("127.0.0.1", 5))


@pytest.mark.parametrize("settings", [OPEN])
def test_where_it_is_open_the_page_of_this_machine_needs_no_key(service):
    near = near_client(service)
    begun = near.post("/v1/sessions", json={"subject": ANN})
    assert begun.status_code == 201
    token = {"Authorization": f"Bearer {begun.json()['token']}"}
    assert near.post(f"/v1/sessions/{begun.json()['session']}/result", headers=token).status_code == 200
    assert near.delete(f"/v1/enrolments/{ANN}").status_code == 200
    for address in ("/v1/enrolments", f"/v1/enrolments/{ANN}/export", "/v1/sessions/s/audit"):
        refused(near.get(address), 401)
    refused(near.post("/v1/sessions", json={"subject": ANN}, headers={"Origin": "http://evil.example"}), 401)
    refused(near.post("/v1/sessions", json={"subject": ANN}, headers={"Host": "evil.example"}), 401)
    refused(near.post("/v1/sessions", json={"subject": ANN}, headers={"Authorization": "Bearer wrong"}), 401)
    refused(service.client.post("/v1/sessions", json={"subject": ANN}), 401)


def test_where_it_is_not_open_this_machine_needs_a_key(service):
    refused(near_client(service).post("/v1/sessions", json={"subject": ANN}), 401)
    assert near_client(service).get("/metrics").status_code == 200


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_the_measures_are_for_operators_and_viewers(service, role):
    refused(service.client.get("/metrics"), 401)
    refused(service.client.get("/metrics", headers=service.bearer("client")), 403)
    assert service.client.get("/metrics", headers=service.bearer(role)).status_code == 200
