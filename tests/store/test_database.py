"""The database itself: made, refused in words, backed up and restored, of the shape that the tables say."""

import sqlite3
import stat
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from countenance.errors import AlreadyEnrolled, MissingFile, StoreError, StoreUnavailable, UsageError
from countenance.store.backup import restore
from countenance.store.database import open_store
from countenance.store.schema import METADATA

SFACE: dict[str, Any] = {"model": "sface", "weights": "ab"}


def execute(url, *statements):
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_the_steps_make_the_tables(url, store):
    store.check()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()
    assert store.database_bytes() > 10_000


def test_a_newer_release_wrote_it(url, opened):
    opened().close()
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="step '9999', of a newer one; install the release that wrote it"):
        opened()


def test_failures_of_an_older_release_go_on_counting(url, opened):
    store = opened()
    store.note_failure("Ann", 900.0)
    store.close()
    execute(
        url,
        "DROP INDEX ix_failures_session",
        "ALTER TABLE failures DROP COLUMN session",
        "UPDATE alembic_version SET version_num = '0001'",
    )
    again = opened()
    assert again.failures("Ann", since=0, besides="s1") == (900.0,)
    again.create_session("s1", subject="Ann", nonce="n1", key_id="k", expires=2e3, state={}, told=True, now=1_000.0)
    assert again.failures("Ann", since=0) == (900.0, 1_000.0)


def test_tables_of_something_else_are_left_alone(url, opened):
    execute(url, "CREATE TABLE sessions (mine INTEGER)")
    with pytest.raises(StoreError, match=r"came the tables of something else \(sessions\)"):
        opened()


@pytest.mark.parametrize(
    "url",
    ["", "gate.db", "mysql://host/gate", "sqlite://", "sqlite:///:memory:", "sqlite:///gate.db?mode=ro",
     "postgresql+asyncpg://host/gate", "postgresql://host:port/gate"],
)  # fmt: skip
def test_a_bad_address(vault, url):
    with pytest.raises(UsageError, match="sqlite:///FILE"):
        open_store(url, vault=vault)


def test_a_place_that_cannot_be_written_to(tmp_path, vault):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file" / "gate.db", tmp_path):
        with pytest.raises(UsageError, match="to be able to write"):
            open_store(f"sqlite:///{place}", vault=vault)


def test_a_file_that_is_no_database(tmp_path, vault):
    (tmp_path / "gate.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="came file is not a database"):
        open_store(f"sqlite:///{tmp_path}/gate.db", vault=vault)


def test_a_locked_file_is_waited_for_and_then_said(tmp_path, vault, faces):
    url = f"sqlite:///{tmp_path}/gate.db"
    store = open_store(url, vault=vault, wait_seconds=0.1)
    other = sqlite3.connect(tmp_path / "gate.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="came database is locked"):
        store.enrol("Ann", templates=faces(), **SFACE)
    assert store.people() == ()  # readers do not wait
    other.execute("ROLLBACK")
    other.execute("BEGIN")
    other.execute("SELECT * FROM subjects").fetchall()
    store.enrol("Ann", templates=faces(), **SFACE)
    assert not store.forget("Ann").wiped  # a reader of the old state holds the WAL
    other.execute("COMMIT")
    other.close()
    assert store.wipe()
    store.close()


def test_a_server_that_does_not_answer(vault, tmp_path):
    with pytest.raises(StoreUnavailable, match="to answer; came ") as caught:
        open_store(f"postgresql://ann:pass1234@/gate?host={tmp_path}", vault=vault, wait_seconds=0.1)
    assert "pass1234" not in str(caught.value)


def test_a_file_is_its_owners_alone_and_durable(tmp_path, vault, faces):
    store = open_store(f"sqlite:///{tmp_path}/new/gate.db", vault=vault)
    store.enrol("Ann", templates=faces(), **SFACE)
    for name in ("gate.db", "gate.db-wal"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600
    with store._reading() as connection:
        told = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in
                ("journal_mode", "synchronous", "foreign_keys", "secure_delete")]  # fmt: skip
    assert told == ["wal", 2, 1, 1]  # 2 is FULL
    with store._passing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 1  # NORMAL
    with store._writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
    store.close()


def test_a_backup_is_restored(tmp_path, vault, faces):
    store = open_store(f"sqlite:///{tmp_path}/gate.db", vault=vault)
    store.enrol("Ann", templates=faces(), **SFACE)
    with store._writing():  # somebody is about to write
        copy = store.backup(tmp_path / "kept" / "a copy #1?.db")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert list(copy.parent.iterdir()) == [copy]
    store.forget("Ann")
    with pytest.raises(UsageError, match="a new file"):
        store.backup(copy)
    with pytest.raises(UsageError, match=r"nothing at .*move the old database away"):
        restore(f"sqlite:///{tmp_path}/gate.db", copy)
    store.close()
    with pytest.raises(UsageError, match="a new file"):
        restore(f"sqlite:///{tmp_path}/gate.db", copy)
    assert restore(f"sqlite:///{tmp_path}/again.db", copy) == tmp_path / "again.db"
    again = open_store(f"sqlite:///{tmp_path}/again.db", vault=vault)
    assert [each.subject for each in again.people()] == ["Ann"]
    assert again.verify_audit().valid
    with pytest.raises(AlreadyEnrolled):
        again.enrol("Ann", templates=faces(), **SFACE)
    again.close()


def test_what_is_no_backup_is_not_restored(tmp_path):
    url = f"sqlite:///{tmp_path}/gate.db"
    with pytest.raises(MissingFile, match="a backup"):
        restore(url, tmp_path / "none.db")
    (tmp_path / "empty.db").write_bytes(b"")
    with pytest.raises(StoreError, match="an empty or damaged one"):
        restore(url, tmp_path / "empty.db")
    (tmp_path / "text.db").write_bytes(b"text" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        restore(url, tmp_path / "text.db")
    execute(f"sqlite:///{tmp_path}/other.db", "CREATE TABLE mine (a INTEGER)")
    with pytest.raises(StoreError, match="something else"):
        restore(url, tmp_path / "other.db")
    with pytest.raises(UsageError, match="pg_restore"):
        restore("postgresql://host/gate", tmp_path / "other.db")
    assert not (tmp_path / "gate.db").exists()


def test_a_server_is_backed_up_by_its_own_program(postgresql, tmp_path, vault):
    store = open_store(postgresql(), vault=vault)
    with pytest.raises(UsageError, match="use pg_dump"):
        store.backup(tmp_path / "copy.db")
    store.close()
