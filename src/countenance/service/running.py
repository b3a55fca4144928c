"""A service as a process: the door to the network, keys and database, and networks that are loaded behind them."""

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countenance.challenge import ChallengeRules
from countenance.errors import CountenanceError, MissingFile, UsageError
from countenance.policy import Policy, find_counter_example, read_policy
from countenance.receipts import new_signing_key_file, read_signing_key
from countenance.service.application import create_app
from countenance.service.settings import Settings
from countenance.store.connection import SQLITE, parse_url
from countenance.store.database import Store, open_store
from countenance.store.keys import Role
from countenance.vault import Vault
from countenance.vocabulary import Action

if TYPE_CHECKING:
    from countenance.service.gates import Gate

_HEAD_BYTES = 16 * 1024
_CONNECTIONS = 512
_WAIT_SECONDS = 5.0  # for the database, before the service says that it is not there


def open_database(url: str) -> tuple[Store, Vault]:
    """Open the store with the keys of the environment; a SQLite file may have its key file beside it.

    Raises:
        UsageError, StoreError, WrongKey: as for `open_store` and `Vault`.
    """
    found = parse_url(url)
    sqlite = found.get_backend_name() == SQLITE
    if sqlite:
        _make_folder(Path(str(found.database)).parent)
    vault = Vault.beside(str(found.database)) if sqlite else Vault.from_environment()
    return open_store(url, vault=vault, wait_seconds=_WAIT_SECONDS), vault


def open_signer(url: str, path: Path | None) -> Ed25519PrivateKey:
    """Return the key that signs receipts: of a file that is named, or beside a SQLite store, where it is made once.

    Raises:
        UsageError: a PostgreSQL store, whose processes share one key, without a file named.
        MissingFile, WrongKey: as for `read_signing_key`.
    """
    found = parse_url(url)
    if path is not None:
        return read_signing_key(path)
    if found.get_backend_name() != SQLITE:
        raise UsageError(
            expected="--signing-key FILE, the one of all services before this database",
            came="none",
            remedy="make one: countenance keys new-signing FILE, and copy it to each of them",
        )
    return read_signing_key(new_signing_key_file(f"{found.database}.signing.pem", keep=True)[0])


def open_policy(name: str) -> Policy:
    """Return a policy that nothing missing can make accept.

    Raises:
        UsageError, DataError: there is none of that name, or it is not deny-only.
    """
    policy = read_policy(name)
    found = find_counter_example(policy)
    if found is not None:
        raise UsageError(
            expected="a deny-only policy", came=found.words, remedy=f"see: countenance policy check {name}"
        )
    return policy


def open_expressions(name: str | None, rules: ChallengeRules) -> str | None:
    """Return a network of expressions that may be there, before anything is built; None for the shipped one.

    Raises:
        UsageError: a network is named, and challenges ask for no expression.
        MissingFile: a folder or a card is named, and is not there.
    """
    if name is None:
        return None
    if not {Action.HAPPY, Action.SURPRISE} & set(rules.actions):
        raise UsageError(
            expected="challenges that ask for happy or surprise, with --expressions",
            came=", ".join(rules.actions),
            remedy="leave one of the two options out",
        )
    if not (Path(name).exists() or name.startswith("facelivenet-")):
        raise MissingFile(
            expected="facelivenet-slim, or the folder of a run", came=name[:200], remedy="name the folder of a run"
        )
    return name


def first_key(store: Store) -> str | None:
    """Return the secret of a new operator's key where there is no key at all; None otherwise."""
    return None if store.api_keys() else store.add_key(Role.OPERATOR, "first")[1]


def open_door(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UsageError: a number that is no port, a port in use, or a host that is not this machine's.
    """
    if not 0 <= port <= 65_535:
        raise UsageError(expected="a port from 0 to 65535", came=str(port), remedy="for example --port 8000")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _closed(host, port, error) from error
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(_CONNECTIONS)
    except OSError as error:
        door.close()
        raise _closed(host, port, error) from error
    return door


def open_rules(actions: str | None) -> ChallengeRules:
    """Return the rules of challenges that are drawn from some actions, divided by commas; from all for None.

    Raises:
        UsageError: there is no such action, one stands twice, or they are too few.
    """
    if actions is None:
        return ChallengeRules()
    named = [word.strip() for word in actions.split(",")]
    if strangers := [word for word in named if word not in set(Action)]:
        raise UsageError(
            expected=f"actions: {', '.join(Action)}", came=", ".join(map(repr, strangers)), remedy="name some of these"
        )
    return ChallengeRules(actions=tuple(map(Action, named)))


def screen_folder(url: str, named: Path | None) -> Path | None:
    """Return where the screen for universal templates may lie: the folder named, or a SQLite store's own."""
    found = parse_url(url)
    if named is not None or found.get_backend_name() != SQLITE:
        return named
    return Path(str(found.database)).parent


def load_gate(
    policy: Policy,
    rules: ChallengeRules,
    vault: Vault,
    settings: Settings,
    *,
    screen: Path | None = None,
    expressions: str | None = None,
    live_enrolment: bool = False,
) -> "Gate":
    """Build the gate of a policy, each network with one thread.

    Args:
        policy: decides.
        rules: of challenges.
        vault: seals what a session keeps.
        settings: limits of a frame.
        screen: folder of the screen that photographs of a new person are held against, where one was calibrated.
        expressions: the network that reads them, where challenges ask for one; the shipped one for None.
        live_enrolment: whether photographs of a new person must pass the policy's checks of still presentations.

    Raises:
        UsageError: an unknown network of expressions.
        DataError: weights cannot be had, or the screen is damaged.
        TemplateVersion: the screen is of another recogniser.
    """
    import torch

    from countenance.admission import screen_for
    from countenance.gate.authenticator import Authenticator
    from countenance.gate.enrolling import EnrolmentRules
    from countenance.gate.networks import load_networks
    from countenance.shipped import FACELIVENET_SLIM

    torch.set_num_threads(1)
    reader = FACELIVENET_SLIM if expressions is None else expressions
    networks = load_networks(policy, rules, expressions=reader, threads=1)
    build = partial(
        Authenticator, policy=policy, networks=networks, rules=rules, vault=vault, frame_limits=settings.frame_limits
    )
    gate = build()
    held = None if screen is None else screen_for(screen, gate.model, gate.weights)
    if held is None and not live_enrolment:
        return gate
    return build(enrolment=EnrolmentRules(screen=held, presentation=live_enrolment))


def run(
    door: socket.socket,
    store: Store,
    *,
    settings: Settings,
    signer: Ed25519PrivateKey,
    load: "Callable[[], Gate]",
    say: Callable[[str], None],
) -> None:
    """Serve until a signal ends it: what runs is finished, what comes is refused, the store is closed.

    Args:
        door: listens already.
        store: closed at the end.
        settings: limits.
        signer: signs receipts.
        load: builds the gate; runs behind the first answers.
        say: hears when it is loaded, or why not.
    """
    arriving: Future[Gate] = Future()
    app = create_app(arriving, store, settings=settings, signer=signer, clock=time.time, random=secrets.token_bytes)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws_max_size=max(settings.frame_bytes, settings.planes_bytes) + 1,
        ws_max_queue=2,
        ws_per_message_deflate=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
    )
    threading.Thread(target=_arrive, args=(arriving, load, say), name="loading", daemon=True).start()
    asyncio.run(uvicorn.Server(config).serve(sockets=[door]))


def _arrive(arriving: "Future[Gate]", load: "Callable[[], Gate]", say: Callable[[str], None]) -> None:
    try:
        gate = load()
    except CountenanceError as error:
        say(f"the networks could not be loaded: {error}")
        arriving.set_exception(error)
    except BaseException as error:
        say("the networks could not be loaded, by a defect of ours")
        arriving.set_exception(error)
        raise
    else:
        arriving.set_result(gate)
        say("the networks are loaded: ready")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            expected=f"a folder that can be made: {folder}",
            came=error.strerror or type(error).__name__,
            remedy="name another database",
        ) from error


def _closed(host: str, port: int, error: OSError) -> UsageError:
    return UsageError(
        expected=f"to listen on {host}, port {port}",
        came=error.strerror or type(error).__name__,
        remedy="name another --port, or another --host of this machine",
    )
