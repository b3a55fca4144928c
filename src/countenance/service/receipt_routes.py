"""Routes of receipts: take the one of a session away, and have one checked."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from countenance.errors import CountenanceError
from countenance.receipts import LONGEST, verify_receipt
from countenance.service.access import Door, caller_of
from countenance.service.attempts import Attempts
from countenance.service.bodies import ReceiptJudged
from countenance.service.desk import Desk, refusals
from countenance.service.session_routes import Name
from countenance.service.uploads import JSON

_SIGNED = {"type": "object", "required": ["format", "version", "key", "public_key", "receipt", "signature"]}


def receipt_routes(desk: Desk, attempts: Attempts) -> APIRouter:
    """Return the routes of receipts."""
    router = desk.router("receipts")

    @router.post(
        "/v1/receipts/verify",
        openapi_extra=Door(roles=("client", "operator", "viewer"), most=LONGEST).as_extra()
        | {"requestBody": {"required": True, "content": {JSON: {"schema": _SIGNED}}}},
        responses=refusals(401, 403, 408, 413, 415),
    )
    async def verify(
        request: Request,
        *,
        spend: Annotated[
            bool, Query(description="Use the receipt up: whoever shows it again is told that it was used before.")
        ] = False,
    ) -> ReceiptJudged:
        """Check that a receipt was signed by this service and not changed since, byte for byte as it was sent."""
        signed = await request.body()
        return await asyncio.to_thread(_judged, desk, signed, spend=spend)

    @router.get(
        "/v1/receipts/{session}",
        openapi_extra=Door(roles=("client", "operator", "viewer", "session")).as_extra(),
        response_class=Response,
        responses={**refusals(401, 403, 404, 409), 200: {"content": {JSON: {"schema": _SIGNED}}}},
    )
    async def receipt(request: Request, session: Name) -> Response:
        """Return the signed receipt of a concluded session, to be kept byte for byte."""
        return Response(await asyncio.to_thread(attempts.receipt, session, caller_of(request)), media_type=JSON)

    return router


def _judged(desk: Desk, signed: bytes, *, spend: bool) -> ReceiptJudged:
    check = verify_receipt(signed, desk.signer.public_key())
    problems = list(check.reasons)
    if check.valid and spend:
        assert check.receipt is not None
        try:
            desk.store.spend_receipt(check.receipt.identifier)
        except CountenanceError as error:
            problems.append(str(error))
    return ReceiptJudged(
        valid=not problems,
        accepted=check.receipt.accepted if check.receipt is not None and not problems else None,
        problem="; ".join(problems) or None,
    )
