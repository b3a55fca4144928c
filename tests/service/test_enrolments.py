"""Enrolments, verifications, exports and deletions over HTTP."""

import json

import pytest
from tests.service.conftest import ANN, picture
from tests.service.test_sessions import refused

from countenance.service.settings import Settings


def enrol(service, subject="Bob", *, role="operator", files=None, **fields):
    parts = [("photograph", ("a.jpg", picture(200)))] if files is None else files
    return service.client.post(
        "/v1/enrolments", data={"subject": subject, **fields}, files=parts, headers=service.bearer(role)
    )


def people(service):
    answer = service.client.get("/v1/enrolments", headers=service.bearer("operator")).json()
    return [person["subject"] for person in answer["people"]]


def test_somebody_is_enrolled_listed_exported_and_forgotten(service):
    consent = {"text": "for the door", "given": "2026-01-31"}
    photographs = [("photograph", (f"{at}.png", picture(200 + at, kind="PNG"))) for at in range(3)]
    answer = enrol(service, files=photographs, consent=json.dumps(consent))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"subject": "Bob", "accepted": True, "reasons": [], "advice": [], "templates": 3}
    assert people(service) == [ANN, "Bob"]
    assert service.store.consent_of("Bob") == consent
    export = service.client.get("/v1/enrolments/Bob/export", headers=service.bearer("operator")).json()
    assert [set(each) for each in export["data"]["templates"]] == [{"model", "weights", "made"}] * 3
    address = "/v1/enrolments/Bob/export"
    for asked, told in (("true", True), ("false", False)):
        export = service.client.get(address, params={"templates": asked}, headers=service.bearer("operator")).json()
        assert [len(each.get("values", ())) for each in export["data"]["templates"]] == [4 * told] * 3
    refused(service.client.get(address, params={"templates": "maybe"}, headers=service.bearer("operator")), 422)
    assert service.begin(subject="Bob")["steps"] == 2
    gone = service.client.delete("/v1/enrolments/Bob", headers=service.bearer("operator"))
    assert gone.json() == {"subject": "Bob", "forgotten": True}
    assert people(service) == [ANN]
    for ask in (service.client.delete, service.client.get):
        address = "/v1/enrolments/Bob" + ("/export" if ask == service.client.get else "")
        refused(ask(address, headers=service.bearer("operator")), 404)


def test_the_audit_log_says_which_key_it_was(service):
    enrol(service)
    key = next(key for key in service.store.api_keys() if key.role == "operator")
    assert service.store.audit()[-1].event["by"] == key.identifier


def test_a_taken_name_is_refused_and_enrolled_again_when_that_is_said(service):
    assert enrol(service).status_code == 200
    refused(enrol(service), 409, words="again=yes")
    assert enrol(service, again="yes").json()["accepted"] is True
    refused(enrol(service, "nobody", again="yes"), 404)
    refused(enrol(service, again="maybe"), 422)


def test_what_speaks_against_it_is_said_and_nothing_is_kept(service):
    assert enrol(service).status_code == 200
    said = enrol(service, "Robert").json()
    assert (said["accepted"], said["reasons"], said["templates"]) == (False, ["enrolled_already"], 0)
    assert people(service) == [ANN, "Bob"]


@pytest.mark.parametrize(
    ("fields", "files", "words"),
    [
        ({}, [("photograph", ("a.gif", b"GIF89a"))], "a GIF in photograph 1"),
        ({}, [("other", ("a.jpg", picture()))], "a part of another name"),
        ({}, [("photograph", ("a.jpg", picture()))] * 11, "Too many files"),
        ({"subject": " Bob"}, None, "space at an end"),
        ({"subject": "B" * 101}, None, "1 to 100 printable letters"),
        ({"subject": ".."}, None, "not . or .."),
        ({"consent": "yes"}, None, "consent as one JSON object"),
        ({"consent": "[" * 9000}, None, "consent as one JSON object"),
        ({"consent": "x" * 10_001}, None, "Part exceeded"),
        ({"colour": "red"}, None, "a part of another name"),
    ],
)
def test_what_cannot_be_enrolled_is_refused_in_words(service, fields, files, words):
    refused(enrol(service, **{"subject": "Bob", **fields}, files=files), 422, words=words)
    assert people(service) == [ANN]


def test_photographs_without_one_face_are_refused_with_the_reason(service):
    for level, reason in ((0, "no_face"), (1, "many_faces")):
        odd = ("a.png", picture(level, kind="PNG"))
        refused(enrol(service, files=[("photograph", odd)]), 422, reason=reason, words="one face; came")
    files = [("reference", ("a.jpg", picture(200))), ("probe", ("b.png", picture(0, kind="PNG")))]
    answer = service.client.post("/v1/verifications", files=files, headers=service.bearer("client"))
    refused(answer, 422, reason="no_face", words="in the probe")
    assert people(service) == [ANN]


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"{}", 422),
        ("multipart/form-data; boundary=x", b"", 422),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", 422),
        ("multipart/form-data; boundary=" + "x" * 300, b"--" + b"x" * 300, 422),
        ("multipart/form-data; boundary=x; charset=\xff", b"--x--\r\n", 422),
    ],
)
def test_a_malformed_form_is_refused(service, kind, content, status):
    headers = service.bearer("operator") | {"Content-Type": kind.encode("latin-1")}
    refused(service.client.post("/v1/enrolments", content=content, headers=headers), status)


@pytest.mark.parametrize("settings", [Settings(body_bytes=3000, photograph_pixels=100)])
def test_limits_of_photographs(service):
    refused(enrol(service, files=[("photograph", ("a.jpg", bytes(4000)))]), 413)
    refused(enrol(service), 413, words="at most 100 pixels")


@pytest.mark.parametrize("role", ["client", "viewer"])
def test_only_an_operator_enrols_lists_exports_and_forgets(service, role):
    refused(enrol(service, role=role), 403)
    for method, address in (("GET", ""), ("DELETE", f"/{ANN}"), ("GET", f"/{ANN}/export")):
        refused(service.client.request(method, f"/v1/enrolments{address}", headers=service.bearer(role)), 403)


def test_two_photographs_are_compared_and_liveness_is_not(service):
    def compared(probe, name="probe"):
        files = [("reference", ("a.jpg", picture(200))), (name, ("b.jpg", picture(probe)))]
        return service.client.post("/v1/verifications", files=files, headers=service.bearer("client"))

    same, other = compared(200).json(), compared(20).json()
    assert (same["accepted"], other["accepted"]) == (True, False)
    assert same["liveness_checked"] is False
    assert same["similarity"] > same["threshold"] > other["similarity"]
    refused(compared(200, "reference"), 422, words="one reference and one probe")
