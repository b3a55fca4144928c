"""Verbs of the service: run it, and manage the keys that open it."""

import sys
from contextlib import ExitStack
from pathlib import Path

from tyro.conf import Positional

from countenance.verbs.answers import ACCEPTED, printed


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    database: str | None = None,
    policy: str = "rgb",
    challenge: str | None = None,
    workers: int = 1,
    requests_per_second: float = 200.0,
    signing_key: Path | None = None,
    screen: Path | None = None,
    expressions: str | None = None,
    live_enrolment: bool = False,
    open: bool = False,  # noqa: A002 - the option's name
) -> int:
    """Serve the gate over HTTP, with its page; the address is printed, and the first operator's key, once.

    Everything is logged to stderr, a JSON object a line, without names and without what was measured of faces. It
    speaks plain HTTP: put a TLS proxy before it, since browsers give the camera to https and localhost only.

    Args:
        host: address to listen on; the default is reached from this machine alone.
        port: to listen on; 0 for any that is free.
        database: sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME; the gallery's file when left out,
            as `enrol` has it.
        policy: rgb, rgb-clip, slim, sensors, drawn, or a JSON file; see policy check.
        challenge: actions that challenges are drawn from, such as turn_left,turn_right,blink; all of them when left
            out. Without happy and surprise no network of expressions is needed.
        workers: threads that judge, each network with one thread; start several services on one PostgreSQL for more.
        requests_per_second: of one key, and of one address, which behind a proxy is that of all clients; twice as
            many may come at once.
        signing_key: file of the key that signs receipts; beside a SQLite database one is made.
        screen: folder of the screen that new people are held against (screen calibrate); that of a SQLite database
            when left out. Where none was calibrated nobody is screened.
        expressions: the network that reads them, or the folder of a run; facelivenet-slim when left out.
        live_enrolment: enrol by photographs of live faces only, no pictures of one, as the policy's checks of still
            presentations (rgb has one) judge them; many a good passport photograph is refused by it.
        open: let the page enrol, begin sessions and forget people without a key when it is asked for by this very
            machine: for a demonstration. Every program and every user of this machine may do so then.
    """
    from countenance.errors import UsageError
    from countenance.policy import still_checks
    from countenance.service.running import (
        first_key,
        load_gate,
        open_database,
        open_door,
        open_expressions,
        open_policy,
        open_rules,
        open_signer,
        run,
        screen_folder,
    )
    from countenance.service.settings import Settings
    from countenance.store.place import default_database

    if not 1 <= workers <= 64:
        raise UsageError(expected="1 to 64 workers", came=str(workers), remedy="one for each processor core at most")
    url = default_database() if database is None else database
    settings = Settings(
        workers=workers,
        waiting=16 * workers,
        requests_per_second=requests_per_second,
        requests_at_once=2 * requests_per_second,
        open_to_loopback=open,
    )
    judged_by, rules = open_policy(policy), open_rules(challenge)
    reader = open_expressions(expressions, rules)
    if live_enrolment:
        still_checks(judged_by)  # refuses a policy without one, by which nobody would be live
    with open_door(host, port) as door, ExitStack() as opened:
        store, vault = open_database(url)
        opened.callback(store.close)
        signer = open_signer(url, signing_key)
        secret = first_key(store)
        if secret is not None:
            say(f"the first operator's key, shown this once: {secret}")
        named = f"[{host}]" if ":" in host else host
        say(f"http://{named}:{door.getsockname()[1]}/ ({judged_by.name}, version {judged_by.version})")
        run(
            door,
            store,
            settings=settings,
            signer=signer,
            load=lambda: load_gate(
                judged_by,
                rules,
                vault,
                settings,
                screen=screen_folder(url, screen),
                expressions=reader,
                live_enrolment=live_enrolment,
            ),
            say=say,
        )
    return ACCEPTED


def keys_add(role: Positional[str], name: Positional[str], *, database: str | None = None, json: bool = False) -> int:
    """Make an API key; its secret is shown this once.

    Args:
        role: operator (everything), client (sessions of its own) or viewer (reads audits).
        name: whom it is for.
        database: as for serve.
        json: print one JSON object.
    """
    from countenance.service.running import open_database
    from countenance.store.place import default_database

    store, _ = open_database(default_database() if database is None else database)
    identifier, secret = store.add_key(role, name)
    store.close()
    if not printed({"key": identifier, "role": role, "name": name, "secret": secret}, wanted=json):
        print(secret)
    return ACCEPTED


def keys_list(*, database: str | None = None, json: bool = False) -> int:
    """List the API keys; a secret cannot be shown again.

    Args:
        database: as for serve.
        json: print one JSON object.
    """
    from countenance.console import print_table
    from countenance.service.running import open_database
    from countenance.store.place import default_database

    store, _ = open_database(default_database() if database is None else database)
    found = store.api_keys()
    store.close()
    if not printed({"keys": [key.as_json() for key in found]}, wanted=json):
        rows = ((key.identifier, key.role, key.name, "" if key.revoked is None else "revoked") for key in found)
        print_table(("key", "role", "name", ""), rows)
    return ACCEPTED


def keys_revoke(key: Positional[str], *, database: str | None = None, json: bool = False) -> int:
    """Make an API key good for nothing from now on.

    Args:
        key: its number, as keys list shows it.
        database: as for serve.
        json: print one JSON object.
    """
    from countenance.service.running import open_database
    from countenance.store.place import default_database

    store, _ = open_database(default_database() if database is None else database)
    try:
        store.revoke_key(key)
    finally:
        store.close()
    if not printed({"key": key, "revoked": True}, wanted=json):
        print(f"{key}: revoked")
    return ACCEPTED


def say(line: str) -> None:
    """Print a line on stderr."""
    print(f"serve: {line}", file=sys.stderr, flush=True)
