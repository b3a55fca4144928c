"""API keys over both databases: shown once, found by their secret, revoked."""

import re

import pytest
from sqlalchemy import create_engine, text

from countenance.errors import UsageError
from countenance.store.keys import Role


def test_a_key_is_found_by_its_secret_until_it_is_revoked(url, store, opened):
    identifier, secret = store.add_key(Role.CLIENT, "the door")
    other, _ = store.add_key("viewer", "auditor", now=2_000.0)
    assert re.fullmatch(rf"countenance_{identifier}_[\w-]{{43}}", secret)
    key = opened().key_of(secret)
    assert key.as_json() == {
        "identifier": identifier, "name": "the door", "role": "client", "added": 1_000.0, "revoked": None,
    }  # fmt: skip
    assert [each.identifier for each in store.api_keys()] == [identifier, other]
    engine = create_engine(url)
    with engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM api_keys")).all())
    engine.dispose()
    assert identifier in kept
    assert secret[-43:] not in kept
    store.revoke_key(identifier)
    assert opened().key_of(secret) is None
    assert store.api_keys()[0].revoked == 1_000.0
    with pytest.raises(UsageError, match="a key that is good"):
        store.revoke_key(identifier)
    assert [entry.event["event"] for entry in store.audit()] == ["key added", "key added", "key revoked"]


def test_a_wrong_secret_belongs_to_nobody(store):
    identifier, secret = store.add_key(Role.OPERATOR, "me")
    _, other = store.add_key(Role.VIEWER, "you")
    changed = [
        secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :] for place in range(len(secret))
    ]
    mixed = f"countenance_{identifier}_{other.split('_', 2)[2]}"
    for wrong in (
        *changed,
        mixed,
        secret[:-1],
        secret + "A",
        "",
        identifier,
        "a\x00b",
        "\ud800",
        f"countenance_{identifier}_",
    ):
        assert store.key_of(wrong) is None
    assert store.key_of(secret).role is Role.OPERATOR


def test_what_is_no_role_or_name_is_refused(store):
    with pytest.raises(UsageError, match="a role: operator, client, viewer; came 'root'"):
        store.add_key("root", "me")
    with pytest.raises(UsageError, match="the name of a key"):
        store.add_key("viewer", "")
    assert store.api_keys() == ()
