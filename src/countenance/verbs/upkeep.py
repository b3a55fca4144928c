"""Verbs of whoever keeps a store: purge, backup, rotation and keys of the vault, and the audit log's chain."""

from pathlib import Path

from tyro.conf import Positional

from countenance.verbs.answers import ACCEPTED, REFUSED, printed


def gallery_purge(
    *, days: float = 30.0, gallery: Path | None = None, database: str | None = None, json: bool = False
) -> int:
    """Delete old sessions with their receipts, old failures and old digests of frames; run it daily.

    A frame can be shown again without being known once its digest is deleted.

    Args:
        days: to keep, from the end of a session on.
        gallery: its folder, as for enrol.
        database: another store, by its address: sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.
        json: print one JSON object.
    """
    from countenance.gate.upkeep import purge_gallery

    done = purge_gallery(folder=gallery, database=database, days=days)
    if not printed({**done.as_json(), "days": days}, wanted=json):
        print(
            f"deleted what is older than {days:g} days: {done.sessions:,} sessions, {done.failures:,} failures, "
            f"{done.frames:,} digests of frames"
        )
    return ACCEPTED


def gallery_backup(
    file: Positional[Path], *, gallery: Path | None = None, database: str | None = None, json: bool = False
) -> int:
    """Copy a SQLite store to a new file, while it is in use; its keys and its screen are not in the copy.

    Args:
        file: where to; nothing may be there. Whoever is forgotten later is still in it: delete old copies.
        gallery: its folder, as for enrol.
        database: another store, sqlite:///FILE; a PostgreSQL has pg_dump.
        json: print one JSON object.
    """
    from countenance.gate.upkeep import backup_gallery

    written = backup_gallery(file, folder=gallery, database=database)
    if not printed({"file": str(written), "bytes": written.stat().st_size}, wanted=json):
        print(f"{written}: a copy of the database; keep its key (gate.db.key) elsewhere")
    return ACCEPTED


def gallery_restore(
    file: Positional[Path], *, gallery: Path | None = None, database: str | None = None, json: bool = False
) -> int:
    """Make a SQLite store from a copy, where none is; the key lies there already, as gate.db.key.

    Args:
        file: the copy. Whoever was forgotten after it was made is enrolled again: forget them again.
        gallery: the folder, as for enrol.
        database: another place, sqlite:///FILE, whose key is in FILE.key; a PostgreSQL has pg_restore.
        json: print one JSON object.
    """
    from countenance.gate.upkeep import restore_gallery
    from countenance.store.place import gallery_folder

    found = restore_gallery(file, folder=gallery, database=database)
    place = {"gallery": str(gallery_folder(gallery))} if database is None else {"database": database}
    if not printed({"people": len(found), **place}, wanted=json):
        print(f"{next(iter(place.values()))}: {len(found):,} people")
    return ACCEPTED


def gallery_rotate(
    *, drop: bool = False, gallery: Path | None = None, database: str | None = None, json: bool = False
) -> int:
    """Seal everything again under a new key: of the key file, or of the environment, where a PostgreSQL has them.

    A key file beside the store gets a new key before the old one: stop services on it first, since they do not know
    it. Keys in the environment: put the new one (keys new-vault) before the old one in every service, start them
    again, and then call this with the same keys; keys vault says when the old one may go.

    Args:
        drop: take the old keys out of the file; older copies (gallery backup) cannot be opened with it from then on.
        gallery: its folder, as for enrol.
        database: another store, by its address, as for gallery purge.
        json: print one JSON object.
    """
    from countenance.gate.upkeep import rotate_gallery

    count = rotate_gallery(folder=gallery, database=database, drop=drop)
    if not printed({"values": count, "dropped": drop}, wanted=json):
        print(f"{count:,} values were sealed again")
    return ACCEPTED


def audit_verify(
    *, noted: tuple[str, ...] = (), gallery: Path | None = None, database: str | None = None, json: bool = False
) -> int:
    """Check the audit log's chain (exit 0), and print its head, to be noted elsewhere; exit 1 where it is broken.

    Whoever can write to the database could make the whole chain anew: only a head that was noted elsewhere shows that.

    Args:
        noted: heads that were noted before; all must be in the chain.
        gallery: its folder, as for enrol.
        database: another store, by its address, as for gallery purge.
        json: print one JSON object.
    """
    from countenance.gate.upkeep import verify_audit

    found = verify_audit(folder=gallery, database=database, noted=noted)
    if not printed({**found.as_json(), "noted": len(noted)}, wanted=json):
        if found.valid:
            print(f"the chain holds: {found.entries:,} entries, {len(noted):,} noted heads among them")
            print(f"head, to be noted elsewhere: {found.head}")
        else:
            print(f"broken at entry {found.broken:,}: {found.reason}; {found.entries:,} entries before it hold")
    return ACCEPTED if found.valid else REFUSED


def keys_vault(*, gallery: Path | None = None, database: str | None = None, json: bool = False) -> int:
    """List the vault's keys by name, with how many values each has sealed; one with none may be taken away.

    Args:
        gallery: its folder, as for enrol.
        database: another store, by its address, as for gallery purge.
        json: print one JSON object.
    """
    from countenance.console import print_table
    from countenance.gate.upkeep import vault_keys

    found = vault_keys(folder=gallery, database=database)
    if not printed({"keys": [vars(each) for each in found]}, wanted=json):
        rows = ((each.key, f"{each.values:,}", "seals what is new" if each.seals else "") for each in found)
        print_table(("key", "values", ""), rows)
    return ACCEPTED


def keys_new_vault(file: Positional[Path], *, json: bool = False) -> int:
    """Make a new key of the vault (AES-256) in a file that only its owner may read, for COUNTENANCE_KEY_FILE.

    Keep a copy in a safe place: without it nothing that it sealed can be opened again.

    Args:
        file: where to; nothing may be there.
        json: print one JSON object, without the key.
    """
    from countenance.vault import Vault, new_key_file, read_key_file

    written = new_key_file(file)
    (name,) = Vault(read_key_file(written)).key_ids
    if not printed({"file": str(written), "key": name}, wanted=json):
        print(f"{written}: the key {name}; keep a copy in a safe place")
    return ACCEPTED


def keys_new_signing(file: Positional[Path], *, json: bool = False) -> int:
    """Make a new key pair that signs receipts (Ed25519): the private one in a file of its owner alone, for serve.

    Args:
        file: of the private key, such as signing.pem; nothing may be there, nor at the public one's (signing.pub.pem).
        json: print one JSON object, without the private key.
    """
    from countenance.receipts import new_signing_key_file

    private, public = new_signing_key_file(file)
    if not printed({"private": str(private), "public": str(public)}, wanted=json):
        print(f"{private}: for every service before one database (serve --signing-key)")
        print(f"{public}: for those who check receipts (receipt verify --key)")
    return ACCEPTED
