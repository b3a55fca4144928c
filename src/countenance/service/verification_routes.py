"""The route of verifications: two photographs, one person or two; nobody is asked to be live."""

from fastapi import APIRouter, Request

from countenance.images import ImageLimits, read_image
from countenance.service.access import Door
from countenance.service.bodies import Compared
from countenance.service.desk import Desk, refusals
from countenance.service.refusals import Refusal
from countenance.service.uploads import FORM, read_form

_PARTS = ("reference", "probe")
_BODY = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "required": list(_PARTS),
                "additionalProperties": False,
                "properties": {part: {"type": "string", "format": "binary"} for part in _PARTS},
            }
        }
    },
}


def verification_routes(desk: Desk) -> APIRouter:
    """Return the route of verifications."""
    router = desk.router("verifications")
    limits = ImageLimits(bytes=desk.settings.body_bytes, pixels=desk.settings.photograph_pixels)

    def compared(reference: bytes, probe: bytes) -> Compared:
        decision = desk.gate.compare(
            read_image(reference, limits=limits, name="the reference"),
            read_image(probe, limits=limits, name="the probe"),
        )
        return Compared(
            accepted=decision.accepted,
            similarity=decision.score,
            threshold=decision.threshold,
            model=decision.model,
        )

    @router.post(
        "/v1/verifications",
        openapi_extra=Door(roles=("client", "operator"), most=desk.settings.body_bytes).as_extra()
        | {"requestBody": _BODY},
        responses=refusals(401, 403, 408, 413, 415),
    )
    async def verify(request: Request) -> Compared:
        """Say whether two photographs show one person. Liveness is not checked: use a session to admit anybody."""
        form = await read_form(request, photographs=2, names=_PARTS, fields=())
        parts = dict(form.photographs)
        if set(parts) != set(_PARTS):
            raise Refusal(
                422, expected="one reference and one probe", came="two of one kind", remedy="send one of each"
            )
        return await desk.run(request, lambda: compared(parts["reference"], parts["probe"]))

    return router
