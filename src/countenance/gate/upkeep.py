"""What an operator does with a store: purge, rotate, back up, restore, verify its audit log.

It is either a gallery's folder, or any database by its address: a SQLite file with its key file beside it, or a
PostgreSQL, whose keys are in the environment alone.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from countenance.errors import StoreError, UsageError, WrongKey
from countenance.files import existing_file, write_private
from countenance.store.audit import AuditCheck
from countenance.store.backup import restore
from countenance.store.connection import SQLITE, WAIT_SECONDS, parse_url, refuse_other_shape, said
from countenance.store.database import Store, open_store
from countenance.store.enrolments import Person
from countenance.store.place import DATABASE, gallery_folder
from countenance.store.sessions import KEEP_DAYS, Purged
from countenance.vault import KEY_FILE, KEYS, Vault, key_file_of, new_key, read_key_file

Folder = str | os.PathLike[str] | None


@dataclass(frozen=True, eq=False)
class KeptStore:
    """An open store with what seals it.

    Attributes:
        store: any.
        vault: that opens it.
        key_file: that the vault was read from; None where its keys are in the environment.
    """

    store: Store
    vault: Vault
    key_file: Path | None


@dataclass(frozen=True, kw_only=True)
class VaultKey:
    """A key of the vault, without itself.

    Attributes:
        key: its name, the beginning of its SHA-256.
        seals: it is the first one, under which everything new is sealed.
        values: how many values are sealed under it.
    """

    key: str
    seals: bool
    values: int


@contextmanager
def opened_store(folder: Folder = None, *, database: str | None = None) -> Iterator[KeptStore]:
    """Open a store that is there, and close it in the end.

    Args:
        folder: of a gallery, as for `store.place.gallery_folder`; that one too where no database is named.
        database: ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST/NAME``.

    Raises:
        UsageError: both are named, or a bad address.
        MissingFile: there is no such gallery, or no such file.
        WrongKey: a key of the vault is missing or damaged.
        StoreError: an empty PostgreSQL, another program's, a newer release's, or one that does not answer.
    """
    if database is None:
        from countenance.gate.local import opened  # with it comes torch, for galleries of an earlier release

        with opened(folder) as local:
            yield KeptStore(local.store, local.vault, _key_file(local.folder / DATABASE))
        return
    _refuse_both(folder)
    url = parse_url(database)
    if url.get_backend_name() == SQLITE:
        file = existing_file(str(url.database), expected="a SQLite store")
        vault, key_file = Vault.beside(file), _key_file(file)
    else:
        vault, key_file = Vault.from_environment(), None
        _refuse_empty(url)
    store = open_store(url, vault=vault)
    try:
        yield KeptStore(store, vault, key_file)
    finally:
        store.close()


def purge_gallery(*, folder: Folder = None, database: str | None = None, days: float = KEEP_DAYS) -> Purged:
    """Delete sessions that are over with their receipts, failures, and digests of frames, older than some days.

    A frame can be shown again without being known once its digest is deleted.

    Args:
        folder: as for `opened_store`.
        database: likewise.
        days: to keep, one at least.

    Raises:
        UsageError: less than a day; or as for `opened_store`, and the others.
    """
    if not 1 <= days <= 36_500:
        raise UsageError(
            expected="1 to 36500 days to keep", came=f"{days:g}", remedy=f"for example {KEEP_DAYS:g}, the default"
        )
    with opened_store(folder, database=database) as kept:
        return kept.store.purge(days=days)


def verify_audit(*, folder: Folder = None, database: str | None = None, noted: Sequence[str] = ()) -> AuditCheck:
    """Check the whole chain of the audit log; see `AuditLog.verify_audit`.

    Args:
        folder: as for `opened_store`.
        database: likewise.
        noted: heads of earlier checks, kept elsewhere; all must be in the chain.

    Raises:
        UsageError, DataError, WrongKey, StoreError: as for `opened_store`.
    """
    with opened_store(folder, database=database) as kept:
        return kept.store.verify_audit(noted=noted)


def vault_keys(*, folder: Folder = None, database: str | None = None) -> tuple[VaultKey, ...]:
    """Return the keys of the vault, the one that seals first, with what each has sealed.

    Raises:
        UsageError, DataError, WrongKey, StoreError: as for `opened_store`.
    """
    with opened_store(folder, database=database) as kept:
        counts = kept.store.keys_in_use()
        return tuple(
            VaultKey(key=name, seals=not number, values=counts.get(name, 0))
            for number, name in enumerate(kept.vault.key_ids)
        )


def backup_gallery(path: str | os.PathLike[str], *, folder: Folder = None, database: str | None = None) -> Path:
    """Copy a SQLite store as of one moment to a new file (mode 0600); the keys and the screen are not in it.

    Raises:
        UsageError: a PostgreSQL, something is there already, or the place cannot be written to.
        MissingFile: there is no gallery.
    """
    with opened_store(folder, database=database) as kept:
        return kept.store.backup(path)


def restore_gallery(
    path: str | os.PathLike[str], *, folder: Folder = None, database: str | None = None
) -> tuple[Person, ...]:
    """Make a SQLite store from a backup, where none is; return who is enrolled in it.

    Args:
        path: of the backup.
        folder: as for `opened_store`; the key file that was beside the store is there already, or the key is in the
            environment.
        database: likewise.

    Raises:
        UsageError: there is a store, or it is to be a PostgreSQL.
        MissingFile: there is no backup.
        WrongKey: there is no key, or it is not the one that sealed what is in the backup.
        StoreError: it is no backup of ours, damaged, or of a newer release.
    """
    existing_file(path, expected="a backup")
    file = _place_of(folder, database)
    key = key_file_of(file)
    if file.exists() or (database is None and _has_former_gallery(file.parent)):
        raise UsageError(
            expected=f"no gallery in {file.parent}" if database is None else f"no store at {file}",
            came="one",
            remedy="move it away, whole, or name another place",
        )
    if not (key.exists() or KEYS in os.environ or KEY_FILE in os.environ):
        raise WrongKey(
            expected=f"the key of the backup in {key}, ${KEYS} or ${KEY_FILE}",
            came="none of them",
            remedy="put the key file there first; without it nothing in the backup can be opened",
        )
    Vault.beside(file)  # refuses a damaged key before anything is written
    restore(f"sqlite:///{file}", path)
    try:
        with opened_store(database=f"sqlite:///{file}") as kept:
            return kept.store.people()
    except WrongKey:
        for beside in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            beside.unlink(missing_ok=True)
        raise


def rotate_gallery(*, folder: Folder = None, database: str | None = None, drop: bool = False) -> int:
    """Seal everything again under another key; return how many values.

    A key file beside a SQLite store gets a new key before the old ones, and nobody else may have the store open. Where
    the keys are in the environment, as they always are for a PostgreSQL, the first one is taken: whoever configures
    them has put a new one before the old one, in every service.

    Args:
        folder: as for `opened_store`.
        database: likewise.
        drop: take the old keys out of the key file; older backups cannot be opened with it from then on.

    Raises:
        UsageError: `drop` where the keys are in the environment.
        MissingFile: there is no gallery.
        WrongKey: a key is missing or damaged.
    """
    with opened_store(folder, database=database) as kept:
        if kept.key_file is None:
            if drop:
                raise UsageError(
                    expected="--drop with a key file beside the gallery",
                    came=f"${KEYS} or ${KEY_FILE}",
                    remedy="take the old key out there, once keys vault shows that it seals nothing any more",
                )
            return kept.store.rotate(kept.vault)
        fresh, former = new_key(), kept.key_file.read_text(encoding="utf-8").split()
        _put(kept.key_file, [fresh, *former])  # from here on both open, whatever happens
        count = kept.store.rotate(Vault(read_key_file(kept.key_file)))
        if drop:
            _put(kept.key_file, [fresh])
        return count


def _put(file: Path, keys: Sequence[str]) -> None:
    """Write a key file in the place of the one that is there."""
    part = file.with_name(f"{file.name}.new")
    with suppress(FileNotFoundError):
        part.unlink()  # of somebody who was stopped
    write_private(part, "".join(f"{key}\n" for key in keys).encode()).replace(file)


def _place_of(folder: Folder, database: str | None) -> Path:
    """Return the file of a SQLite store that may not be there yet.

    Raises:
        UsageError: both are named, or it is a PostgreSQL.
    """
    if database is None:
        return gallery_folder(folder) / DATABASE
    _refuse_both(folder)
    url = parse_url(database)
    if url.get_backend_name() != SQLITE:
        raise UsageError(expected="sqlite:///FILE", came="PostgreSQL", remedy="use pg_restore, with what pg_dump wrote")
    return Path(str(url.database))


def _key_file(database: Path) -> Path | None:
    return None if KEYS in os.environ or KEY_FILE in os.environ else key_file_of(database)


def _has_former_gallery(folder: Path) -> bool:
    from countenance.gate.former_gallery import has_former_gallery

    return has_former_gallery(folder)


def _refuse_empty(url: URL) -> None:
    """Refuse a PostgreSQL that is no store yet: it would become one by being opened, and another one was meant.

    Raises:
        StoreError: there are no tables of ours, or it does not answer.
    """
    try:
        engine = create_engine(url, connect_args={"connect_timeout": round(WAIT_SECONDS)})
    except ImportError:
        return  # open_store says that there is no driver
    try:
        with said(engine), engine.connect() as connection:
            if refuse_other_shape(engine, connection) is None:
                raise StoreError(
                    expected=f"a store at {url.render_as_string(hide_password=True)}",
                    came="a database without one",
                    remedy="name another database; a service, or countenance keys add, begins one",
                )
    finally:
        engine.dispose()


def _refuse_both(folder: Folder) -> None:
    if folder is not None:
        raise UsageError(expected="--gallery or --database", came="both", remedy="leave one of them out")
