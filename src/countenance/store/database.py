"""The store as the gate, the service and the verbs use it: one object over one database.

    open_store(url, *, vault)           SQLite (sqlite:///FILE) or PostgreSQL (postgresql+psycopg://USER@HOST/NAME)

    enrolments.py   enrol  replace  forget  people  person  is_enrolled  consent_of
                    templates  templates_of  outdated  gallery_version
    subject_data.py export_subject
    sealing.py      rotate  keys_in_use
    sessions.py     create_session  session  session_of_nonce  advance  spend  keep_receipt  receipt  spend_receipt
                    note_failure  failures  note_frames  purge
    keys.py         add_key  key_of  api_keys  revoke_key
    audit.py        append_audit  audit  verify_audit
    backup.py       backup  and the function restore
    connection.py   check  wipe  close

Every method is one transaction, and may be called from several threads and processes.
"""

import secrets
import time
from collections.abc import Callable

from sqlalchemy.engine import URL

from countenance.store.backup import Backups
from countenance.store.connection import WAIT_SECONDS, connect
from countenance.store.keys import Keys
from countenance.store.sessions import Sessions
from countenance.store.subject_data import SubjectData
from countenance.vault import Vault


class Store(SubjectData, Sessions, Keys, Backups):
    """Enrolments, sessions, keys and the audit log; made by `open_store`."""


def open_store(
    url: str | URL,
    *,
    vault: Vault,
    now: Callable[[], float] = time.time,
    random: Callable[[int], bytes] = secrets.token_bytes,
    wait_seconds: float = WAIT_SECONDS,
) -> Store:
    """Open a database, which is made or brought to this release's shape first.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.
        vault: seals what is about people.
        now: seconds since the epoch, where a method is not told the time.
        random: draws identifiers, salts and secrets.
        wait_seconds: for a lock or a server, before `StoreUnavailable`.

    Raises:
        UsageError: a bad address, or a place that cannot be written to.
        StoreUnavailable: locked or unreachable.
        StoreError: another program's database, or one that a newer release wrote.
        WrongKey: the vault cannot open what is in it.
    """
    engine = connect(url, wait_seconds=wait_seconds)
    store = Store(engine, vault=vault, now=now, random=random, wait_seconds=wait_seconds)
    try:
        vault.refuse_missing(store.keys_in_use())
        store.wipe()  # one that a process was killed before is owed
    except BaseException:
        store.close()
        raise
    return store
