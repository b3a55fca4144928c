"""The audit log over both databases: a chain that does not fork, and that shows where it was broken."""

import threading

import pytest
from sqlalchemy import create_engine, text

from countenance.errors import UsageError


@pytest.fixture
def filled(store):
    """A store with five entries, and their digests."""
    return store, [store.append_audit({"event": "tested", "number": number}, now=float(number)) for number in range(5)]


def execute(url, statement, **values):
    engine = create_engine(url)
    with engine.begin() as connection:
        assert connection.execute(text(statement), values).rowcount
    engine.dispose()


def test_entries_follow_each_other(filled):
    store, digests = filled
    assert store.verify_audit(noted=digests).as_json() == {
        "valid": True, "entries": 5, "broken": None, "reason": "", "head": digests[-1],
    }  # fmt: skip
    entries = store.audit()
    assert [entry.digest for entry in entries] == digests
    assert [entry.previous for entry in entries] == ["0" * 64, *digests[:-1]]
    assert entries[1].as_json()["event"] == {"event": "tested", "number": 1, "by": "local"}
    assert [entry.number for entry in store.audit(after=2, limit=2)] == [3, 4]


@pytest.mark.parametrize(
    ("statement", "broken", "reason"),
    [
        ("UPDATE audit SET event = '{}' WHERE number = 3", 3, "it was changed"),
        ("UPDATE audit SET at = at + 1 WHERE number = 2", 2, "it was changed"),
        ("UPDATE audit SET subject = 'x' WHERE number = 1", 1, "it was changed"),
        ("UPDATE audit SET digest = previous WHERE number = 4", 4, "it was changed"),
        ("DELETE FROM audit WHERE number = 3", 3, "an entry is missing"),
        ("UPDATE audit SET previous = 'x' WHERE number = 3", 3, "does not follow"),
        ("DELETE FROM audit WHERE number = 5", 5, "at the end are missing"),
        ("DELETE FROM audit_head", 6, "at the end are missing"),
    ],
)
def test_a_broken_chain_is_found(url, filled, statement, broken, reason):
    store, _ = filled
    execute(url, statement)
    found = store.verify_audit()
    assert (found.valid, found.broken) == (False, broken)
    assert reason in found.reason


def test_a_chain_that_was_cut_with_its_head_misses_what_was_noted(url, filled):
    store, digests = filled
    execute(url, "DELETE FROM audit WHERE number = 5")
    execute(url, "UPDATE audit_head SET number = 4, digest = :digest", digest=digests[3])
    assert store.verify_audit().valid
    found = store.verify_audit(noted=[digests[1], digests[4]])
    assert not found.valid
    assert found.reason == "a digest that was noted is not in the chain: the log was made anew, or cut"


def test_a_subject_is_named_by_a_digest_that_forgetting_cuts_off(store, faces):
    store.enrol("Ann", templates=faces(), model="sface", weights="ab")
    store.append_audit({"event": "asked"}, subject="Ann")
    store.append_audit({"event": "asked"}, subject="Bob")
    first = store.audit(subject="Ann")
    assert [entry.event["event"] for entry in first] == ["enrolled", "asked"]
    store.forget("Ann")
    assert store.audit(subject="Ann") == ()
    assert store.verify_audit().valid
    store.enrol("Ann", templates=faces(), model="sface", weights="ab")
    assert store.audit(subject="Ann")[0].subject != first[0].subject
    assert "Ann" not in str(store.audit())
    assert len(store.audit(subject="Bob")) == 1


@pytest.mark.parametrize(
    "happened",
    [{}, {"event": 3}, {"event": "x", "score": 0.5}, {"event": "x", "frame": b""}, {"event": "x", "list": [0.5]},
     {"event": "x", "deep": {"a": 1}}, {"event": "x", "by": "me"}, {"event": "x", "subject": "Ann"},
     {"event": "x", "long": "a" * 501}, {"event": "x\n"}, {"event": "x", "many": ["a"] * 51}, {"event": "\ud800"}],
)  # fmt: skip
def test_scores_pictures_and_names_stay_out(store, happened):
    with pytest.raises(UsageError, match="an event of words, whole numbers and lists of words"):
        store.append_audit(happened)
    assert store.audit() == ()


def test_appenders_at_one_time_do_not_fork_the_chain(store, opened):
    barrier, stores = threading.Barrier(4), [opened() for _ in range(4)]

    def append(other, name):
        barrier.wait()
        for number in range(8):
            other.append_audit({"event": "tested", "number": number}, subject=name)

    threads = [threading.Thread(target=append, args=(other, f"p{n % 2}")) for n, other in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.verify_audit()
    assert (found.valid, found.entries) == (True, 32)
    assert len(store.audit(subject="p0")) == 16
