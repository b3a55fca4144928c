"""The life of a session over HTTP, and every way in which it is refused."""

import json
import threading
import time
from collections import Counter

import pytest
from tests.service.conftest import ANN, NOW, picture

from countenance.challenge import LOCK_FAILURES, LOCK_SECONDS
from countenance.errors import ChallengeReplayed, PersonLocked, StoreConflict
from countenance.receipts import chain, read_receipt, start_chain, subject_digest, verify_receipt
from countenance.service.access import Caller
from countenance.service.attempts import Attempts
from countenance.service.frames import Pictures
from countenance.service.refusals import Refusal
from countenance.service.settings import Settings
from countenance.vocabulary import Reason

TROUBLE = {"expected", "came", "remedy", "reason", "request_id"}


def refused(answer, status, *, reason=None, words=""):
    said = answer.json()
    assert answer.status_code == status, said
    assert set(said) == TROUBLE
    assert said["reason"] == reason
    assert words in f"expected {said['expected']}; came {said['came']}; {said['remedy']}"
    return said


def test_a_session_from_beginning_to_receipt(service):
    session = service.begin()
    assert session["expires_at"] == NOW + 30
    assert (session["steps"], session["next_sequence"]) == (2, 0)
    assert session["prompt"] == "Look at the camera with a calm face."
    frames = [picture(), picture()]
    first, second = (service.show(session, number, frame).json() for number, frame in enumerate(frames))
    assert (first["step"], first["done"], first["next_sequence"], first["advice"]) == (1, False, 1, [])
    assert (second["step"], second["done"], second["next_sequence"], second["action"]) == (2, True, 2, "happy")
    concluded = service.conclude(session).json()
    assert concluded == {
        "session": session["session"],
        "accepted": True,
        "reasons": [],
        "advice": [],
        "receipt": f"/v1/receipts/{session['session']}",
    }
    answer = service.client.get(concluded["receipt"], headers=service.bearer("client"))
    check = verify_receipt(answer.content, service.signer.public_key(), frames=frames)
    assert (check.valid, check.reasons) == (True, ())
    receipt = check.receipt
    assert receipt is not None
    assert receipt.accepted is True
    assert receipt.subject == subject_digest(ANN, session=session["session"], nonce=session["nonce"])
    head = start_chain(session["session"], session["nonce"])
    assert receipt.head == chain(chain(head, frames[0]), frames[1]).hex()


def test_the_person_is_told_no_score_and_the_operator_all_of_them(service):
    session, concluded = service.whole()
    read = service.client.get(f"/v1/sessions/{session['session']}/result", headers=service.bearer("client"))
    assert read.json() == concluded.json()
    shown = json.dumps([session, concluded.json(), read.json(), service.begin()])
    assert "score" not in shown
    assert "0.87" not in shown
    for role in ("operator", "viewer"):
        audit = service.client.get(f"/v1/sessions/{session['session']}/audit", headers=service.bearer(role)).json()
        assert audit["scores"] == {"verification": 0.87654}
        assert audit["checks"][0]["threshold"] == 0.4
        assert (audit["subject"], audit["state"], audit["frames"]) == (ANN, "concluded", 2)
    for headers in (service.bearer("client"), {"Authorization": f"Bearer {session['token']}"}):
        refused(service.client.get(f"/v1/sessions/{session['session']}/audit", headers=headers), 403)


def test_advice_comes_in_words(service):
    told = service.show(service.begin(), 0, picture(0)).json()
    assert told["advice"] == [{"reason": "no_face", "text": Reason.NO_FACE.advice}]


def test_a_picture_that_is_byte_for_byte_the_one_before_is_not_judged_again(service):
    session, frame = service.begin(), picture()
    first = service.show(session, 0, frame).json()
    assert service.show(session, 1, frame).json() == first
    assert service.gate.looked == 1
    service.show(session, 1)
    assert service.conclude(session).json()["accepted"] is True


def test_an_old_clip_is_refused_at_the_end(service):
    clip = [picture(), picture()]
    first, second = service.begin(), service.begin()
    for session in (first, second):
        for number, frame in enumerate(clip):
            assert service.show(session, number, frame).json()["done"] is (number == 1)
    assert service.conclude(first).json()["accepted"] is True
    said = service.conclude(second).json()
    assert (said["accepted"], said["reasons"]) == (False, ["too_few_frames", "used_before"])
    assert said["advice"][-1]["text"] == Reason.USED_BEFORE.advice


def test_a_spent_session_is_refused_a_thousand_times_and_quickly(service):
    session, _ = service.whole()
    name, looked = session["session"], service.gate.looked
    for number in range(20):
        refused(service.conclude(session), 409, reason="used_before")
        refused(service.show(session, number, b"\xff\xd8\xff"), 409, reason="used_before")
        service.clock.now -= 0.5
    attempts, caller = Attempts(service.app.state.desk), Caller("", "session", name)
    began = time.process_time()
    for number in range(500):
        with pytest.raises(ChallengeReplayed):
            attempts.conclude(name, caller)
        with pytest.raises(ChallengeReplayed):
            attempts.expect(name, caller, nonce=session["nonce"], sequence=number)
    assert time.process_time() - began < 5
    assert service.gate.looked == looked, "no network was asked"
    assert len(service.store.failures(ANN, since=0)) == 0


def test_a_session_is_concluded_once_even_by_several_at_one_time(service):
    session = service.begin()
    service.show(session, 0)
    stored = service.store.session(session["session"])
    service.show(session, 1)
    with pytest.raises(StoreConflict):
        service.store.advance(session["session"], version=stored.version, state={}, now=service.clock.now)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(service.conclude(session))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


def test_a_frame_that_came_second_is_refused(service):
    session = service.begin()

    def meanwhile():
        service.gate.before_look = lambda: None
        stored = service.store.session(session["session"])
        service.store.advance(session["session"], version=stored.version, state=stored.state, now=service.clock.now)

    service.gate.before_look = meanwhile
    refused(service.show(session, 0), 409, words="the latest version of a session")


def test_a_stolen_nonce_opens_nothing(service):
    mine, other = service.begin(), service.begin()
    stolen = {**other, "nonce": mine["nonce"]}
    refused(service.show(stolen, 0), 403, words="the nonce of this session")
    thief = {**mine, "token": other["token"]}
    refused(service.show(thief, 0), 404, words="a session of this key")
    refused(service.conclude(thief), 404)
    without = {"X-Nonce": mine["nonce"], "X-Sequence": "0", "Content-Type": "image/jpeg"}
    address = f"/v1/sessions/{mine['session']}/frames"
    refused(service.client.post(address, content=picture(), headers=without), 401)
    assert service.gate.looked == 0


def test_another_key_does_not_see_the_session(service):
    session, _ = service.whole()
    name = session["session"]
    other = {"Authorization": f"Bearer {service.store.add_key('client', 'other')[1]}"}
    nobody = service.client.get("/v1/sessions/nobody", headers=other)
    refused(nobody, 404)
    for address in (f"/v1/sessions/{name}", f"/v1/sessions/{name}/result", f"/v1/receipts/{name}"):
        refused(service.client.get(address, headers=other), 404)
    refused(service.client.post(f"/v1/sessions/{name}/result", headers=other), 404)
    refused(service.client.get(f"/v1/sessions/{name}", headers=service.bearer("operator")), 404)


def test_an_expired_session_takes_no_frame_and_ends_refused(service):
    session = service.begin()
    service.show(session, 0)
    service.show(session, 1)
    service.clock.now = session["expires_at"] + 0.01
    with_key = {**session, "token": service.keys["client"]}
    refused(service.show(session, 2), 401)  # the token went with the session, but for its result
    refused(service.show(with_key, 2), 410, reason="too_late", words="begin another session")
    said = service.conclude(session).json()
    assert (said["accepted"], said["reasons"]) == (False, ["too_late"])
    assert len(service.store.failures(ANN, since=0)) == 1
    refused(service.conclude(session), 409, reason="used_before")
    own = {"Authorization": f"Bearer {session['token']}"}
    address = f"/v1/sessions/{session['session']}"
    assert service.client.get(f"{address}/result", headers=own).json() == said
    for other in (address, f"/v1/receipts/{session['session']}"):
        refused(service.client.get(other, headers=own), 401)


@pytest.mark.parametrize("settings", [Settings(result_seconds=5)])
def test_a_token_concludes_its_session_some_seconds_late_and_no_longer(service):
    early, late = service.begin(), service.begin()
    service.clock.now = early["expires_at"] + 5
    assert service.conclude(early).json()["reasons"] == ["too_few_frames", "too_late"]
    service.clock.now += 0.01
    refused(service.conclude(late), 401)
    said = service.conclude({**late, "token": service.keys["client"]}).json()
    assert said["reasons"] == ["too_few_frames", "too_late"], "a key does so at any time"


def test_frames_come_in_their_order(service):
    session = service.begin()
    refused(service.show(session, 1), 409, words="expected frame 0 of this session; came frame 1")
    assert service.show(session, 0).status_code == 200
    refused(service.show(session, 0), 409)


def test_five_failures_lock_the_person_and_not_for_ever(service):
    service.gate.accept, service.gate.reasons = False, (Reason.NOT_THE_SAME_PERSON,)
    waiting = service.begin()
    for _ in range(LOCK_FAILURES):
        _, concluded = service.whole()
        assert concluded.json()["reasons"] == ["not_the_same_person"]
    answer = service.client.post("/v1/sessions", json={"subject": ANN}, headers=service.bearer("client"))
    refused(answer, 429, reason="locked")
    assert 0 < int(answer.headers["Retry-After"]) <= LOCK_SECONDS
    service.gate.accept = True
    refused(service.show(waiting, 0), 409, reason="locked")
    said = service.conclude(waiting).json()
    assert (said["accepted"], said["reasons"][-1]) == (False, "locked"), (
        "begun before the lock, and locked all the same"
    )
    assert len(service.store.failures(ANN, since=0)) == LOCK_FAILURES, "a locked attempt prolongs nothing"
    service.clock.now += LOCK_SECONDS + 1
    assert service.whole()[1].json()["accepted"] is True


def test_whoever_hears_what_to_do_and_leaves_is_stopped_after_five(service):
    """A thousand times within three minutes, a tenth in sessions that were begun before anything was told."""
    attempts, caller = Attempts(service.app.state.desk), Caller(service.store.api_keys()[1].identifier, "client")
    early = [attempts.begin(ANN, frozenset(), caller) for _ in range(10)]
    told, refusals = 0, Counter[str]()
    for number in range(1_000):
        service.clock.now = NOW + 1 + number * 0.02  # the early ones last for 30 seconds
        try:
            begun = attempts.begin(ANN, frozenset(), caller) if number % 10 else early[number // 10 % 10]
            sequence = attempts.read(begun.session, caller).next_sequence
            attempts.look(
                begun.session, caller, nonce=begun.nonce, sequence=sequence, pictures=Pictures(image=picture())
            )
            told += sequence == 0
        except (Refusal, PersonLocked) as error:
            refusals[type(error).__name__] += 1
    assert told == LOCK_FAILURES
    assert refusals == {"Refusal": 896, "PersonLocked": 90}, "and nine more frames of the early one that was told"
    assert len(service.store.failures(ANN, since=0)) == LOCK_FAILURES
    service.clock.now += LOCK_SECONDS
    assert service.whole()[1].json()["accepted"] is True


def test_whoever_needs_a_second_try_is_not_locked(service):
    for _ in range(LOCK_FAILURES):
        service.show(service.begin(), 0, picture(0))  # told, seen badly, and begun again at once
        assert len(service.store.failures(ANN, since=service.clock.now - 1)) == 1
        assert service.whole()[1].json()["accepted"] is True
        service.clock.now += 60
    service.gate.accept = False
    service.whole()
    assert len(service.store.failures(ANN, since=service.clock.now - 60)) == 1, "one, told and refused"


def test_four_failures_do_not_stop_the_session_that_is_open(service):
    for _ in range(LOCK_FAILURES - 1):
        service.store.note_failure(ANN, service.clock.now)
    assert service.whole()[1].json()["accepted"] is True
    session = service.begin()
    service.show(session, 0)
    answer = service.client.post("/v1/sessions", json={"subject": ANN}, headers=service.bearer("client"))
    refused(answer, 429, reason="locked")
    service.show(session, 1)
    assert service.conclude(session).json()["accepted"] is True
    assert service.client.post("/v1/sessions", json={"subject": ANN}, headers=service.bearer("client")).is_success, (
        "and it is open again to whoever was let in"
    )


def test_who_is_not_enrolled_has_no_session(service):
    answer = service.client.post("/v1/sessions", json={"subject": "nobody"}, headers=service.bearer("client"))
    refused(answer, 404)


def test_who_was_enrolled_by_another_recogniser_has_no_session(service):
    service.gate.weights = "ef" * 32
    answer = service.client.post("/v1/sessions", json={"subject": ANN}, headers=service.bearer("client"))
    refused(answer, 409, words="enrol")


def test_who_is_forgotten_in_between_is_gone(service):
    session = service.begin()
    service.show(session, 0)
    service.client.delete(f"/v1/enrolments/{ANN}", headers=service.bearer("operator"))
    refused(service.show(session, 1), 404)
    refused(service.conclude(session), 404)


def test_what_a_person_cannot_do_is_not_asked_for(service):
    asked = {"subject": ANN, "without": ["happy", "surprise", "blink"]}
    name = service.client.post("/v1/sessions", json=asked, headers=service.bearer("client")).json()["session"]
    actions = service.store.session(name).state["session"]["state"]["challenge"]["actions"]
    assert set(actions) == {"turn_left", "turn_right"}
    asked = {"subject": ANN, "without": ["happy", "surprise", "blink", "turn_left"]}
    refused(service.client.post("/v1/sessions", json=asked, headers=service.bearer("client")), 422)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"GIF89a", "a GIF"),
        (b"\xff\xd8\xff\xe0broken", "a damaged or truncated one"),
        (picture()[:200], "a damaged or truncated one"),
    ],
)
def test_a_broken_picture_is_refused_in_words_and_takes_no_turn(service, content, words):
    session = service.begin()
    refused(service.show(session, 0, content), 422, words=words)
    assert service.show(session, 0).status_code == 200


def test_other_content_is_refused(service):
    session = service.begin()
    refused(service.show(session, 0, Content_Type="text/plain"), 415, words="image/jpeg or image/png")
    answer = service.client.post(
        "/v1/sessions", content=b"{}", headers=service.bearer("client") | {"content-type": "application/xml"}
    )
    refused(answer, 415, words="application/json")


@pytest.mark.parametrize("settings", [Settings(frame_bytes=2000, frame_pixels=1024, text_bytes=200)])
class TestLimits:
    def test_a_frame_of_too_many_bytes_is_not_read(self, service):
        session = service.begin()
        refused(service.show(session, 0, bytes(2001)), 413, words="at most 2,000 bytes")

    def test_a_body_without_a_length_is_counted_while_it_comes(self, service):
        session, sent = service.begin(), []

        def body():
            for number in range(100):
                sent.append(number)
                yield bytes(500)

        refused(service.show(session, 0, body()), 413)

    def test_a_frame_of_too_many_pixels_is_not_decoded(self, service):
        session = service.begin()
        refused(service.show(session, 0, picture(kind="PNG", side=33)), 413, words="at most 1,024 pixels")
        assert service.gate.looked == 0

    def test_a_long_text_is_refused(self, service):
        answer = service.client.post(
            "/v1/sessions", json={"subject": ANN, "without": ["happy"] * 50}, headers=service.bearer("client")
        )
        refused(answer, 413)


@pytest.mark.parametrize("settings", [Settings(frames_per_session=3, frames_per_second=1, frames_at_once=2)])
class TestPace:
    def test_frames_that_come_too_fast_have_to_wait(self, service):
        session = service.begin()
        for number in range(2):
            service.clock.now -= 0.5
            assert service.show(session, number).status_code == 200
        service.clock.now -= 0.5
        answer = service.show(session, 2)
        refused(answer, 429)
        assert answer.headers["Retry-After"] == "1"
        service.clock.now += 1
        assert service.show(session, 2).status_code == 200
        service.clock.now += 5
        refused(service.show(session, 3), 409, reason="too_late", words="at most 3 frames")


@pytest.mark.parametrize("settings", [Settings(sessions_per_subject=2, requests_per_second=1e4)])
def test_sessions_of_one_person_are_not_begun_for_ever(service):
    service.begin()
    service.begin()
    answer = service.client.post("/v1/sessions", json={"subject": ANN}, headers=service.bearer("client"))
    refused(answer, 429)
    assert int(answer.headers["Retry-After"]) == 30


@pytest.mark.parametrize("settings", [Settings(requests_per_second=1, requests_at_once=4)])
def test_who_asks_too_often_has_to_wait(service):
    answers = [service.client.get("/v1/health") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    refused(answers[-1], 429)
    service.clock.now += 1
    assert service.client.get("/v1/health").status_code == 200


@pytest.mark.parametrize("settings", [Settings(workers=1, waiting=1, retry_seconds=7)])
def test_beyond_the_queue_a_frame_is_answered_with_503_and_can_be_sent_again(service):
    gate, entered = threading.Event(), threading.Semaphore(0)

    def hold():
        entered.release()
        gate.wait(10)

    sessions = [service.begin() for _ in range(4)]
    service.gate.before_look = hold
    answers = {}
    threads = [
        threading.Thread(target=lambda at=at: answers.update({at: service.show(sessions[at], 0)})) for at in range(4)
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    threads[2].join(5)
    threads[3].join(5)
    gate.set()
    for thread in threads:
        thread.join(5)
    assert [answers[at].status_code for at in range(4)] == [200, 200, 503, 503]
    refused(answers[2], 503, words="room")
    assert answers[2].headers["Retry-After"] == "7"
    assert service.show(sessions[2], 0).status_code == 200, "the frame was not taken, and keeps its number"


def test_a_receipt_is_checked_and_used_once(service):
    session, _ = service.whole()
    signed = service.client.get(f"/v1/receipts/{session['session']}", headers=service.bearer("viewer")).content

    def judged(content, **query):
        headers = service.bearer("client") | {"content-type": "application/json"}
        answer = service.client.post("/v1/receipts/verify", content=content, headers=headers, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert judged(signed) == {"valid": True, "accepted": True, "problem": None}
    changed = signed.replace(b'"accepted":true', b'"accepted":false')
    assert changed != signed
    assert judged(changed)["valid"] is False
    assert judged(b"{}")["valid"] is False
    assert judged(signed, spend="true")["valid"] is True
    again = judged(signed, spend="true")
    assert (again["valid"], again["accepted"]) == (False, None)
    assert "used before" in again["problem"]
    assert read_receipt(signed).accepted is True


def test_there_is_no_result_and_no_receipt_before_the_end(service):
    session = service.begin()
    headers = {"Authorization": f"Bearer {session['token']}"}
    refused(service.client.get(f"/v1/sessions/{session['session']}/result", headers=headers), 409)
    refused(service.client.get(f"/v1/receipts/{session['session']}", headers=headers), 409)
    seen = service.client.get(f"/v1/sessions/{session['session']}", headers=headers).json()
    assert seen == {
        "session": session["session"],
        "state": "open",
        "next_sequence": 0,
        "expires_at": session["expires_at"],
    }
