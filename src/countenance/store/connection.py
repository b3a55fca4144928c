"""A connection to the database: SQLite with nothing left behind, or PostgreSQL; its steps made; its errors in words.

SQLite runs in WAL mode with ``synchronous=FULL``, so that what was acknowledged survives a crash and a power cut, and
with ``secure_delete``, so that deleted cells are overwritten with zeros. Two places still hold what was deleted: pages
that were split or joined keep stale copies of cells in their gaps, which only a rebuilt file does without, and the WAL
keeps old pages until it is truncated. `Database.wipe` does both. A transaction that deletes what is about people says
in itself that a wipe is owed (`Database._owe`), so that one that a crash cut off is made good when the store is opened.
"""

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, func, inspect, select, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from countenance.errors import StoreError, StoreUnavailable, UsageError
from countenance.store.schema import COUNTERS, METADATA
from countenance.vault import Vault

SQLITE, POSTGRESQL = "sqlite", "postgresql"
STEPS = Path(__file__).parent / "migrations"
WAIT_SECONDS = 10.0
_OWED, _WIPED = "wipes owed", "wipes done"  # counters: of deletions, and of those that a rebuilt file came after
_PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "trusted_schema=OFF", "temp_store=MEMORY")
_MIGRATING = 5_031_947  # any number: whoever migrates a PostgreSQL holds this advisory lock
_FORMS = "sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"


def parse_url(url: str | URL) -> URL:
    """Return a database's address, with the driver that we use.

    Raises:
        UsageError: it is none, or one of another kind of database.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(expected=_FORMS, came="an address that cannot be read", remedy="correct it") from None
    kind, _, driver = found.drivername.partition("+")
    if kind == SQLITE and driver in {"", "pysqlite"}:
        if not found.database or found.database == ":memory:" or found.query:
            came = "a database in memory" if not found.query else "options behind the file"
            raise UsageError(expected="sqlite:///FILE", came=came, remedy="name a file, which processes can share")
        return found
    if kind == POSTGRESQL and driver in {"", "psycopg"}:
        return found.set(drivername="postgresql+psycopg")
    raise UsageError(expected=_FORMS, came=f"{found.drivername}://", remedy="name one of these")


def connect(url: str | URL, *, wait_seconds: float = WAIT_SECONDS) -> Engine:
    """Return an engine of a database that is there, ours, and of this release's shape; a new one is made.

    Args:
        url: SQLite or PostgreSQL.
        wait_seconds: for a lock or a server, before it counts as not answering.

    Raises:
        UsageError: a bad address, or a place that cannot be written to.
        StoreUnavailable: locked or unreachable.
        StoreError: another program's database, or one that a newer release wrote.
    """
    found = parse_url(url)
    engine = _sqlite(found, wait_seconds) if found.get_backend_name() == SQLITE else _postgresql(found, wait_seconds)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            with said(engine):
                _migrate(engine)
        except StoreUnavailable as error:  # a first change to WAL does not wait for a lock by itself
            if "locked" not in error.came or time.monotonic() > deadline:
                engine.dispose()
                raise
            time.sleep(0.05)
        except BaseException:
            engine.dispose()
            raise
        else:
            return engine


def _sqlite(url: URL, wait_seconds: float) -> Engine:
    file = Path(str(url.database))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # its WAL gets the same mode
    except OSError as error:
        raise UsageError(
            expected=f"to be able to write {file}",
            came=error.strerror or type(error).__name__,
            remedy="name a file in a folder that can be written to",
        ) from error
    engine = create_engine(url, connect_args={"timeout": wait_seconds})

    @event.listens_for(engine, "connect")
    def settle(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver sees fit
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError(f"journal mode {mode}: this file system cannot share a WAL")
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get('passing') else 'FULL'}")
        connection.exec_driver_sql("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, wait_seconds: float) -> Engine:
    settings: dict[str, Any] = {"connect_timeout": max(2, round(wait_seconds))}
    if "options" not in url.query:
        settings["options"] = f"-c lock_timeout={round(1000 * wait_seconds)}"
    try:
        return create_engine(url, connect_args=settings, pool_pre_ping=True, pool_timeout=wait_seconds)
    except ImportError:
        raise UsageError(
            expected="the PostgreSQL driver, psycopg", came="none", remedy="pip install 'countenance[service]'"
        ) from None


@contextmanager
def said(engine: Engine) -> Iterator[None]:
    """Say what the driver complains of in one line of ours; a password never stands in it.

    Raises:
        StoreUnavailable: locked, full, unreachable, or out of connections.
        StoreError: anything else.
    """
    name = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except IntegrityError:  # a name that is taken: whoever inserts it knows what that means
        raise
    except (OperationalError, PoolTimeout) as error:
        cause = getattr(error, "orig", None) or error
        raise StoreUnavailable(
            expected=f"the store {name} to answer",
            came=_first_line(cause),
            remedy="see that it runs, has space and is not locked by another program, and try again",
        ) from error
    except DBAPIError as error:
        raise StoreError(
            expected=f"a store of countenance at {name}",
            came=_first_line(error.orig),
            remedy="name another database, or restore a backup",
        ) from error


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def script() -> ScriptDirectory:
    """Return the steps that make the tables."""
    return ScriptDirectory(str(STEPS))


def refuse_other_shape(engine: Engine, connection: Connection) -> str | None:
    """Return the step that a database has come to, None before the first.

    Raises:
        StoreError: it holds another program's tables, or a newer release wrote it.
    """
    step = MigrationContext.configure(connection).get_current_revision()
    name = engine.url.render_as_string(hide_password=True)
    if step is None:
        there = set(inspect(connection).get_table_names()) - {"alembic_version"}
        other = there if engine.dialect.name == SQLITE else there & set(METADATA.tables)
        if other:
            raise StoreError(
                expected=f"an empty database or one of countenance at {name}",
                came=f"the tables of something else ({', '.join(sorted(other)[:3])})",
                remedy="name another database",
            )
    elif step not in {each.revision for each in script().walk_revisions()}:
        raise StoreError(
            expected=f"a database that this release knows at {name}",
            came=f"step {step[:20]!r}, of a newer one",
            remedy="install the release that wrote it, or a newer one",
        )
    return step


def _migrate(engine: Engine) -> None:
    """Make the steps that are not made yet, all or none, one process at a time."""
    steps = script()
    with engine.connect().execution_options(reading=True) as connection:
        if refuse_other_shape(engine, connection) == steps.get_current_head():
            return
    with engine.begin() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        refuse_other_shape(engine, connection)

        def upgrade(revision: Any, _: object) -> Any:
            return steps._upgrade_revs("head", revision)

        with EnvironmentContext(Config(), steps, fn=upgrade, destination_rev="head") as environment:
            environment.configure(connection=connection)
            environment.run_migrations()


class Database:
    """A connection with what every part of the store needs: transactions, the vault, the clock and a random source."""

    def __init__(
        self,
        engine: Engine,
        *,
        vault: Vault,
        now: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = secrets.token_bytes,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._now = now
        self._random = random
        self._wait_seconds = wait_seconds

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite, not a server."""
        return self._engine.dialect.name == SQLITE

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def check(self) -> None:
        """Ask the database for nothing, to see that it answers.

        Raises:
            StoreUnavailable: it does not.
        """
        with self._reading() as connection:
            connection.execute(select(1))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One transaction that sees one state of the database."""
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with said(self._engine), self._engine.connect().execution_options(reading=True, **level) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction, done wholly or not at all."""
        with said(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _passing(self) -> Iterator[Connection]:
        """One transaction like `_writing`, for what passes with a session: it is not waited for until the disk has it.

        It survives a process that is killed. A power cut may undo the last ones of them, but none that came before
        something that was waited for, such as a decision.
        """
        with (
            said(self._engine),
            self._engine.connect().execution_options(passing=True) as connection,
            connection.begin(),
        ):
            if not self.is_sqlite:
                connection.execute(text("SET LOCAL synchronous_commit = off"))
            yield connection

    def _hold(self, connection: Connection, subject: str) -> None:
        """Let nobody else write about a subject until the transaction ends; SQLite has one writer anyhow."""
        if not self.is_sqlite:
            number = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8], "big", signed=True)
            connection.execute(select(func.pg_advisory_xact_lock(number)))

    def _time(self, now: float | None) -> float:
        return self._now() if now is None else now

    def _identifier(self) -> str:
        return self._random(16).hex()

    def _owe(self, connection: Connection) -> None:
        """Note, in the transaction that deletes what is about people, that the file must be wiped afterwards."""
        if self.is_sqlite:
            _count(connection, _OWED, COUNTERS.c.value + 1)

    def wipe(self) -> bool:
        """Rebuild SQLite's file and truncate its WAL, which may hold what was deleted; return whether that is done.

        It is not where another program writes, or reads, all the while that we wait, or where there is no space; then
        the next wipe, or the next opening, does it. The file is rebuilt only if something was deleted since.

        On PostgreSQL there is nothing to do here: dead rows are reused after VACUUM, and its own WAL is recycled.
        """
        if not self.is_sqlite:
            return True
        deadline = time.monotonic() + self._wait_seconds
        try:
            self._rebuild()
            while not (done := self._truncated()) and time.monotonic() < deadline:
                time.sleep(0.02)
        except (StoreUnavailable, sqlite3.OperationalError):  # what was deleted stays deleted
            return False
        return done

    def _rebuild(self) -> None:
        """Write the file anew, without gaps, if a wipe is owed; what others delete meanwhile is still owed after."""
        with self._reading() as connection:
            counts = {row.name: row.value for row in connection.execute(select(COUNTERS))}
        owed = counts.get(_OWED, 0)
        if owed <= counts.get(_WIPED, 0):
            return
        with self._engine.connect() as connection:
            _driver_of(connection).execute("VACUUM")
        with self._writing() as connection:
            _count(connection, _WIPED, func.max(COUNTERS.c.value, owed), first=owed)

    def _truncated(self) -> bool:
        """Try once to truncate the WAL; it cannot be while somebody reads from it."""
        with self._engine.connect() as connection:
            busy, *_ = _driver_of(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def database_bytes(self) -> int:
        """Return how large the database is."""
        with self._reading() as connection:
            if self.is_sqlite:
                pages = connection.execute(text("PRAGMA page_count")).scalar_one()
                return int(pages) * int(connection.execute(text("PRAGMA page_size")).scalar_one())
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def _driver_of(connection: Connection) -> Any:
    """The driver's own connection, for what is done outside of any transaction."""
    driver = connection.connection.driver_connection
    assert driver is not None
    return driver


def _count(connection: Connection, name: str, value: Any, *, first: int = 1) -> None:
    """Set one of SQLite's counters, which is `first` where it was never set."""
    row = insert(COUNTERS).values(name=name, value=first)
    connection.execute(row.on_conflict_do_update(index_elements=[COUNTERS.c.name], set_={"value": value}))
