"""Sessions over both databases: compare and swap, once and never again, the lock's failures, frames seen before."""

import threading

import pytest

from countenance.challenge import LOCK_FAILURES, LOCK_SECONDS
from countenance.errors import (
    ChallengeExpired,
    ChallengeReplayed,
    DataError,
    PersonLocked,
    StoreConflict,
    UnknownSession,
    UsageError,
)

YES, NO = {"accepted": True, "reasons": []}, {"accepted": False, "reasons": ["too_late"]}


@pytest.fixture
def begun(store):
    """A store with one session, which expires at 1030."""
    return store, store.create_session("s1", subject="Ann", nonce="n1", key_id="k", expires=1_030.0, state={"step": 0})


def test_a_session_goes_on_by_compare_and_swap(begun, opened):
    store, session = begun
    assert (session.version, session.created, session.state, session.spent) == (1, 1_000.0, {"step": 0}, None)
    assert (session.subject, session.nonce, session.key_id, session.expires) == ("Ann", "n1", "k", 1_030.0)
    other = opened(now=lambda: 1_001.0)
    assert other.advance("s1", version=1, state={"step": 1}) == 2
    with pytest.raises(StoreConflict, match="came an older one; read the session again"):
        store.advance("s1", version=1, state={"step": 9})
    assert store.session("s1").state == {"step": 1}
    assert store.advance("s1", version=2, state={"step": 2}) == 3


def test_a_session_is_found_by_its_nonce(begun):
    store, session = begun
    assert store.session_of_nonce("n1") == session
    for nonce in ("s1", "", "n\x00", "n" * 201):
        with pytest.raises(UnknownSession, match="the nonce of a session"):
            store.session_of_nonce(nonce)


def test_a_session_is_spent_once(begun, opened, signed):
    store, _ = begun
    other = opened(now=lambda: 1_002.0)
    with pytest.raises(StoreConflict):
        other.spend("s1", version=7, decision=YES)
    other.spend("s1", version=1, decision={**YES, "score": 0.25}, receipt=signed("s1"))
    for _ in range(20):
        for version in (1, 2):
            with pytest.raises(ChallengeReplayed, match="decided already"):
                store.spend("s1", version=version, decision=YES)
            with pytest.raises(ChallengeReplayed, match="decided already"):
                store.advance("s1", version=version, state={})
    done = store.session("s1")
    assert (done.spent, done.decision, done.version) == (1_002.0, {**YES, "score": 0.25}, 2)
    assert store.receipt("s1") == signed("s1")
    assert [entry.event["event"] for entry in store.audit()] == ["decided"]


def test_nothing_is_accepted_after_its_time(begun):
    store, _ = begun
    for moment in (1_030.0, 2_000.0):
        with pytest.raises(ChallengeExpired, match="one that is over"):
            store.advance("s1", version=1, state={}, now=moment)
        with pytest.raises(ChallengeExpired, match="one that is over"):
            store.spend("s1", version=1, decision=YES, now=moment)
    store.spend("s1", version=1, decision=NO, failed=True, now=1_030.0)
    assert store.session("s1").decision == NO
    assert store.failures("Ann", since=0) == (1_030.0,)


def test_a_nonce_and_an_identifier_are_used_once(begun, opened):
    store, _ = begun
    for name, nonce in (("s2", "n1"), ("s1", "n2")):
        with pytest.raises(ChallengeReplayed, match="used before"):
            opened().create_session(name, subject="Eve", nonce=nonce, key_id="k", expires=2e9, state={})
    assert store.session("s1").subject == "Ann"


@pytest.mark.parametrize("name", ["s2", "", "a\x00b", "\ud800", "x" * 10_000])
def test_a_session_that_is_not_kept(begun, name, signed):
    store, _ = begun
    for ask in (
        lambda: store.session(name),
        lambda: store.advance(name, version=1, state={}),
        lambda: store.spend(name, version=1, decision=YES),
        lambda: store.keep_receipt(name, signed("s1")),
        lambda: store.spend_receipt(name),
    ):
        with pytest.raises(UnknownSession):
            ask()
    assert store.receipt(name) is None


def test_what_is_no_decision_or_state_is_refused(begun):
    store, _ = begun
    for decision in ({}, {"accepted": 1}, {"accepted": "yes"}):
        with pytest.raises(UsageError, match="a decision with accepted"):
            store.spend("s1", version=1, decision=decision)
    with pytest.raises(UsageError, match="as state what JSON can hold"):
        store.advance("s1", version=1, state={"frame": b"pixels"})
    with pytest.raises(UsageError, match="an event of words"):
        store.spend("s1", version=1, decision={"accepted": False, "reasons": ["x" * 501]})
    assert store.session("s1").spent is None  # nothing half done
    assert store.audit() == ()


def test_many_threads_end_one_session(begun, opened):
    _, session = begun
    won, lost = [], []
    stores = [opened(now=lambda: 1_001.0) for _ in range(4)]
    barrier = threading.Barrier(4)

    def end(store):
        barrier.wait()
        try:
            store.spend("s1", version=session.version, decision=YES)
            won.append(store)
        except ChallengeReplayed:
            lost.append(store)

    threads = [threading.Thread(target=end, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 3)


def test_a_receipt_is_kept_once_and_used_once(begun, opened, signed):
    store, _ = begun
    with pytest.raises(DataError, match="a receipt"):
        store.keep_receipt("s1", b"{}")
    store.keep_receipt("s1", signed("s1"))
    with pytest.raises(ChallengeReplayed, match="a second one"):
        store.keep_receipt("s1", signed("s1", identifier="r2"))
    store.create_session("s2", subject="Ann", nonce="n2", key_id="k", expires=2e3, state={})
    with pytest.raises(ChallengeReplayed, match="a second one"):
        store.keep_receipt("s2", signed("s2"))
    opened().spend_receipt("r1")
    with pytest.raises(ChallengeReplayed, match="used before"):
        store.spend_receipt("r1")


def test_failures_are_counted_for_each(store, opened):
    for moment in (5.0, 3.0, 9.0):
        opened().note_failure("Ann", moment)
    store.note_failure("Bob")
    assert store.failures("Ann", since=4.0) == (5.0, 9.0)
    assert store.failures("Ann", since=9.0) == (9.0,)
    assert store.failures("Bob", since=0) == (1_000.0,)
    assert store.failures("a\x00", since=0) == ()
    with pytest.raises(UsageError):
        store.note_failure("a\x00")


def test_who_is_told_what_to_do_has_failed_until_he_is_accepted(begun, opened):
    store, _ = begun
    assert opened().advance("s1", version=1, state={"step": 1}, told=True, now=1_005.0) == 2
    assert store.failures("Ann", since=0) == (1_005.0,)
    assert store.failures("Ann", since=0, besides="s1") == ()
    store.advance("s1", version=2, state={"step": 2}, told=True, now=1_006.0)
    assert store.failures("Ann", since=0) == (1_005.0,), "once a session"
    store.spend("s1", version=3, decision=YES, now=1_007.0)
    assert store.failures("Ann", since=0) == ()
    store.create_session("s2", subject="Ann", nonce="n2", key_id="k", expires=2e3, state={}, told=True, now=1_008.0)
    store.spend("s2", version=1, decision=NO, failed=True, now=1_020.0)
    assert store.failures("Ann", since=0) == (1_008.0,), "not twice, and not later"
    assert store.export_subject("Ann")["failures"] == [1_008.0]
    store.note_failure("Ann", 900.0)
    store.note_failure("Ann", 900.0)
    assert store.failures("Ann", since=0, besides="s2") == (900.0, 900.0)
    assert store.purge(days=0, now=1_010.0).failures == 3


def test_who_is_told_and_leaves_is_locked_but_not_by_himself(begun, opened):
    store, _ = begun
    other, told = opened(), {"state": {"step": 1}, "told": True}
    ask = {"subject": "Ann", "key_id": "k", "expires": 9e3, "state": {}}
    for number in range(LOCK_FAILURES):
        store.create_session(f"t{number}", nonce=f"t{number}", **ask, told=True, now=1_001.0 + number)
    with pytest.raises(PersonLocked, match="too many failures"):
        other.advance("s1", version=1, **told, now=1_010.0)
    with pytest.raises(PersonLocked):
        other.create_session("s3", nonce="n3", **ask, told=True, now=1_010.0)
    assert store.session("s1").version == 1
    assert store.session("s1").state == {"step": 0}, "nothing half done"
    with pytest.raises(UnknownSession):
        store.session("s3")
    assert store.advance("t4", version=1, **told, now=1_011.0) == 2, "its own is not against it"
    store.spend("t4", version=2, decision=YES, now=1_012.0)
    assert len(store.failures("Ann", since=0)) == LOCK_FAILURES - 1
    assert other.advance("s1", version=1, **told, now=1_013.0) == 2
    store.create_session("s4", nonce="n4", **ask)
    with pytest.raises(PersonLocked):
        store.advance("s4", version=1, **told, now=1_014.0)
    assert store.advance("s4", version=1, **told, now=1_014.0 + LOCK_SECONDS) == 2


def test_many_threads_are_not_told_more_than_one_may_be(store, opened):
    for number in range(12):
        store.create_session(f"t{number}", subject="Ann", nonce=f"n{number}", key_id="k", expires=2e3, state={})
    heard, refused, barrier = [], [], threading.Barrier(4)

    def hear(own, first):
        barrier.wait()
        for number in range(first, 12, 4):
            try:
                heard.append(own.advance(f"t{number}", version=1, state={"told": number}, told=True))
            except PersonLocked:
                refused.append(number)

    threads = [threading.Thread(target=hear, args=(opened(now=lambda: 1_001.0), first)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(heard), len(refused)) == (LOCK_FAILURES, 12 - LOCK_FAILURES)


def test_frames_that_were_seen_before(store, opened):
    digests = [f"{number:064x}" for number in range(1_200)]
    assert store.note_frames(digests) == 0
    assert opened().note_frames([*digests[:7], "f" * 64]) == 7
    assert store.note_frames(["e" * 64, "e" * 64]) == 1
    assert store.note_frames([]) == 0
    with pytest.raises(UsageError, match="SHA-256"):
        store.note_frames(["x" * 65])


def test_what_is_old_is_purged(begun, signed):
    store, _ = begun
    store.keep_receipt("s1", signed("s1"))
    store.create_session("s2", subject="Ann", nonce="n2", key_id="k", expires=90_000.0, state={})
    store.note_failure("Ann")
    store.note_frames(["a" * 64])
    assert store.purge(days=1, now=80_000.0).as_json() == {"sessions": 0, "failures": 0, "frames": 0}
    assert store.purge(days=1, now=88_000.0).as_json() == {"sessions": 1, "failures": 1, "frames": 1}
    with pytest.raises(UnknownSession):
        store.session("s1")
    assert store.receipt("s1") is None
    assert store.session("s2").state == {}
    assert store.note_frames(["a" * 64]) == 0
