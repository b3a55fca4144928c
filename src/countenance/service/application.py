"""The application: every part is passed in, and nothing of it outlives it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from countenance.service.access import Guard
from countenance.service.attempts import Attempts
from countenance.service.desk import PLACE, Desk
from countenance.service.enrolment_routes import enrolment_routes
from countenance.service.gates import Gate
from countenance.service.measures import Measures
from countenance.service.observing import Observed, open_log
from countenance.service.operation_routes import operation_routes, page_routes
from countenance.service.receipt_routes import receipt_routes
from countenance.service.refusals import Trouble, answer_in_our_words
from countenance.service.session_routes import session_routes
from countenance.service.settings import Settings
from countenance.service.stream import stream_routes
from countenance.service.verification_routes import verification_routes
from countenance.service.workers import Workers
from countenance.store.database import Store


def create_app(
    authenticator: "Gate | Future[Gate]",
    store: Store,
    *,
    settings: Settings,
    signer: Ed25519PrivateKey,
    clock: Callable[[], float],
    random: Callable[[int], bytes],
    log: Any = None,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        authenticator: the gate, or the promise of it while its networks are loaded: /v1/ready answers 503 until then.
        store: closed when the application stops.
        settings: limits.
        signer: signs receipts and the tokens of sessions; processes that share a store share it.
        clock: seconds since the epoch; `time.time` in use.
        random: `secrets.token_bytes` in use.
        log: as `observing.open_log` returns it; to stderr when left out.
    """
    arriving = authenticator if isinstance(authenticator, Future) else _here(authenticator)
    desk = Desk(
        arriving=arriving,
        store=store,
        settings=settings,
        signer=signer,
        clock=clock,
        random=random,
        guard=Guard(store, settings=settings, signer=signer, clock=clock),
        workers=Workers(
            threads=settings.workers,
            waiting=settings.waiting,
            useful_seconds=settings.useful_seconds,
            retry_seconds=settings.retry_seconds,
        ),
        measures=Measures(),
        log=open_log(sys.stderr) if log is None else log,
    )
    desk.measures.watch(depth=lambda: desk.workers.depth, ready=lambda: desk.ready)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.log.info("started", workers=settings.workers)
        yield
        finished = await asyncio.to_thread(desk.workers.stop, settings.stop_seconds)
        await asyncio.to_thread(store.close)
        desk.log.info("stopped", finished=finished)

    app = FastAPI(
        title="countenance",
        version=metadata.version("countenance"),
        summary="Face authentication that holds up to attack, measured.",
        lifespan=lifespan,
        docs_url=None,  # its page takes scripts from elsewhere
        redoc_url=None,
    )
    app.state.desk = desk
    attempts = Attempts(desk)
    for router in (
        session_routes(desk, attempts),
        stream_routes(desk, attempts),
        enrolment_routes(desk),
        verification_routes(desk),
        receipt_routes(desk, attempts),
        operation_routes(desk),
        page_routes(desk),
    ):
        app.include_router(router)
    answer_in_our_words(app)
    app.add_middleware(Observed, log=desk.log, measures=desk.measures, clock=time.monotonic, random=random)
    _describe_parts(app)
    return app


def _here(gate: Gate) -> "Future[Gate]":
    future: Future[Gate] = Future()
    future.set_result(gate)
    return future


def _describe_parts(app: FastAPI) -> None:
    """Say in the OpenAPI document what a key is, which the doors read from the request, and how a refusal looks."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        parts = document.setdefault("components", {})
        parts["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "An API key, or the token of one session."}
        }
        trouble = Trouble.model_json_schema(ref_template=PLACE + "{model}", mode="serialization")
        parts.setdefault("schemas", {}).update(trouble.pop("$defs"), **{Trouble.__name__: trouble})
        return document

    app.openapi = described  # type: ignore[method-assign] # FastAPI's documented way
