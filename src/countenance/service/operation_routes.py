"""Routes for whoever runs the service: does it live, is it ready, what are its measures; and the page."""

import asyncio
from importlib import metadata
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from countenance.service.access import Door, bearer_of, from_this_machine
from countenance.service.bodies import Health, Ready
from countenance.service.desk import Desk, refusals
from countenance.service.refusals import Refusal

PAGE = Path(__file__).parent / "page"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}


def operation_routes(desk: Desk) -> APIRouter:
    """Return the routes of operation."""
    router = desk.router("operation")
    everybody = Door().as_extra()
    version = metadata.version("countenance")

    @router.get("/v1/health", openapi_extra=everybody, responses=refusals())
    async def health() -> Health:
        """Say that the process answers."""
        return Health(version=version)

    @router.get("/v1/ready", openapi_extra=everybody, responses=refusals())
    async def ready() -> Ready:
        """Say that the networks are loaded and the store answers; 503 until then."""
        _ = desk.gate
        if desk.workers.stopping:
            raise Refusal(
                503, expected="a running service", came="one that stops", remedy="ask another one", retry_seconds=60
            )
        await asyncio.to_thread(desk.store.check)
        return Ready()

    @router.get(
        "/metrics",
        openapi_extra=everybody,
        response_class=Response,
        responses={**refusals(401, 403), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(request: Request) -> Response:
        """Return the measures of this process for Prometheus: to this machine, or to an operator's or viewer's key."""
        if not from_this_machine(request):
            await desk.guard.admit(request, Door(roles=("operator", "viewer")), bearer_of(request))
        return Response(desk.measures.page(), media_type=desk.measures.content_type)

    return router


def page_routes(desk: Desk) -> APIRouter:
    """Return the routes of the page, which are no part of the API: its files are those that lie in the folder now."""
    router = desk.router("page")
    everybody = Door().as_extra()
    files = {file.name: file for file in sorted(PAGE.iterdir()) if file.suffix in _KINDS}

    @router.get("/", openapi_extra=everybody, include_in_schema=False)
    async def index() -> FileResponse:
        return _file("index.html")

    @router.get("/page/{name}", openapi_extra=everybody, include_in_schema=False)
    async def part(name: str) -> FileResponse:
        return _file(name)

    def _file(name: str) -> FileResponse:
        if name not in files:
            raise Refusal(404, expected="a file of the page", came="another name", remedy="see /")
        return FileResponse(files[name], media_type=_KINDS[files[name].suffix])

    return router
