"""Backup and restore of a SQLite store, while it is in use.

A backup holds what the database held, sealed as it was; the keys are not in it. Whoever is forgotten afterwards is
still in the backup: forget them again after a restore, and delete old backups.
"""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from countenance.errors import StoreError, StoreUnavailable, UsageError
from countenance.files import existing_file
from countenance.store.connection import SQLITE, Database, parse_url, refuse_other_shape, said


class Backups(Database):
    """Copies the database."""

    def backup(self, path: str | os.PathLike[str]) -> Path:
        """Write a copy as of one moment to a new file (mode 0600), whole or not at all, while others go on.

        Raises:
            UsageError: the store is a PostgreSQL, something is there already, or the place cannot be written to.
            StoreUnavailable: the database does not answer.
        """
        if not self.is_sqlite:
            raise UsageError(
                expected="a SQLite store", came="PostgreSQL", remedy="use pg_dump, and pg_restore to bring it back"
            )
        with said(self._engine):
            return _copy(Path(str(self._engine.url.database)), Path(path))


def restore(url: str | URL, path: str | os.PathLike[str]) -> Path:
    """Make a SQLite store from a backup; the place must be free.

    Args:
        url: of the store to be made.
        path: of the backup.

    Returns:
        The file of the store.

    Raises:
        UsageError: a PostgreSQL address, or something is there already.
        MissingFile: there is no backup.
        StoreError: it is no backup of ours, damaged, or of a newer release.
    """
    found = parse_url(url)
    if found.get_backend_name() != SQLITE:
        raise UsageError(expected="sqlite:///FILE", came="PostgreSQL", remedy="use pg_restore")
    source, target = existing_file(path, expected="a backup"), Path(str(found.database))
    for beside in (f"{target}-wal", f"{target}-shm"):
        if Path(beside).exists():
            raise UsageError(expected=f"nothing at {target}", came=beside, remedy="move the old database away, whole")
    reading = URL.create(SQLITE, database=f"file:{quote(str(source.absolute()))}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(reading)
    try:
        with said(engine), engine.connect() as connection:
            if (
                refuse_other_shape(engine, connection) is None
                or connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() != "ok"
            ):
                raise StoreError(
                    expected=f"a backup in {source}", came="an empty or damaged one", remedy="take another one"
                )
    finally:
        engine.dispose()
    return _copy(source, target)


def _copy(source: Path, target: Path) -> Path:
    """Copy a database that may be in use into a file of its own, without a WAL."""
    part: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")  # mode 0600
        os.close(handle)
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")
        with Path(part).open("rb") as file:
            os.fsync(file.fileno())
        os.link(part, target)  # unlike a rename, it never takes the place of what is there
    except OSError as error:
        raise UsageError(
            expected=f"to be able to write a new file {target}",
            came=error.strerror or type(error).__name__,
            remedy="name a place that can be written to, where nothing is yet",
        ) from error
    except sqlite3.Error as error:
        raise StoreUnavailable(
            expected=f"to copy {source}", came=str(error), remedy="see that there is space, and try again"
        ) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
    return target
