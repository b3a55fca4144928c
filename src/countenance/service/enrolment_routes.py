"""Routes of enrolments: take somebody in, list, export, forget."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from countenance.errors import AlreadyEnrolled
from countenance.images import ImageLimits, read_image
from countenance.names import refuse_name
from countenance.service.access import Caller, Door, caller_of
from countenance.service.bodies import EnrolmentSeen, Exported, Forgotten, People, Person, advice_of
from countenance.service.desk import Desk, refusals
from countenance.service.refusals import Refusal
from countenance.service.uploads import FORM, read_consent, read_form

Subject = Annotated[str, Path(min_length=1, max_length=100, description="The name of the person.")]
Templates = Annotated[
    bool,
    Query(description="With the numbers of the templates, opened: whoever has them can make a picture that passes."),
]
_BODY = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "required": ["subject", "photograph"],
                "additionalProperties": False,
                "properties": {
                    "subject": {"type": "string", "minLength": 1, "maxLength": 100},
                    "photograph": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "JPEG or PNG, a template each.",
                    },
                    "consent": {"type": "string", "description": "What the person agreed to, as one JSON object."},
                    "again": {
                        "type": "string",
                        "enum": ["yes", "no"],
                        "description": "Put these in the place of the templates of somebody who is enrolled.",
                    },
                },
            }
        }
    },
}


def enrolment_routes(desk: Desk) -> APIRouter:
    """Return the routes of enrolments."""
    router = desk.router("enrolments")

    @router.post(
        "/v1/enrolments",
        openapi_extra=Door(roles=("operator",), page=True, most=desk.settings.body_bytes).as_extra()
        | {"requestBody": _BODY},
        responses=refusals(401, 403, 404, 408, 409, 413, 415),
    )
    async def enrol(request: Request) -> EnrolmentSeen:
        """Take somebody in by photographs of one face each, unless the screen or the gallery is against it."""
        form = await read_form(
            request,
            photographs=desk.settings.photographs,
            names=("photograph",),
            fields=("subject", "consent", "again"),
        )
        subject, again = form.fields.get("subject", ""), form.fields.get("again", "no")
        refuse_name(subject, of="a subject")
        if again not in ("yes", "no"):
            raise Refusal(422, expected="again as yes or no", came="another word", remedy="correct it")
        consent = read_consent(form.fields.get("consent"))
        caller = caller_of(request)
        photographs = [photograph for _, photograph in form.photographs]
        return await desk.run(
            request, lambda: _enrolled(desk, caller, subject, photographs, consent=consent, again=again == "yes")
        )

    @router.get(
        "/v1/enrolments",
        openapi_extra=Door(roles=("operator",)).as_extra(),
        responses=refusals(401, 403),
    )
    async def people(
        first: Annotated[int, Query(ge=0, le=10**9)] = 0, count: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> People:
        """List who is enrolled, in the order of their names."""
        found = await asyncio.to_thread(desk.store.people)
        shown = [
            Person(subject=each.subject, templates=each.templates, enrolled=each.enrolled, consent=each.consent)
            for each in found[first : first + count]
        ]
        return People(people=shown, count=len(found))

    @router.delete(
        "/v1/enrolments/{subject:path}",  # a name may hold a slash
        openapi_extra=Door(roles=("operator",), page=True).as_extra(),
        responses=refusals(401, 403, 404),
    )
    async def forget(request: Request, subject: Subject) -> Forgotten:
        """Delete all that is kept about somebody, for good: templates, consent, sessions, receipts."""
        await asyncio.to_thread(desk.store.forget, subject, by=caller_of(request).key)
        return Forgotten(subject=subject)

    @router.get(
        "/v1/enrolments/{subject:path}/export",
        openapi_extra=Door(roles=("operator",)).as_extra(),
        responses=refusals(401, 403, 404),
    )
    async def export(subject: Subject, *, templates: Templates = False) -> Exported:
        """Return all that is kept about somebody, for the person to have."""
        return Exported(
            subject=subject, data=await asyncio.to_thread(desk.store.export_subject, subject, templates=templates)
        )

    return router


def _enrolled(
    desk: Desk,
    caller: Caller,
    subject: str,
    photographs: Sequence[bytes],
    *,
    consent: Mapping[str, Any] | None,
    again: bool,
) -> EnrolmentSeen:
    from countenance.gate.enrolling import enrol_person  # it brings torch with it

    limits = ImageLimits(bytes=desk.settings.body_bytes, pixels=desk.settings.photograph_pixels)
    pixels = [
        read_image(photograph, limits=limits, name=f"photograph {number}")
        for number, photograph in enumerate(photographs, start=1)
    ]
    try:
        done = enrol_person(
            desk.gate, desk.store, subject, pixels, consent=consent, again=again, by=caller.key, now=desk.clock()
        )
    except AlreadyEnrolled as error:
        raise AlreadyEnrolled(
            expected=error.expected,
            came="that of somebody who is enrolled",
            remedy="send again=yes to enrol anew",
        ) from error
    reasons = done.admission.reasons
    return EnrolmentSeen(
        subject=subject,
        accepted=done.accepted,
        reasons=list(reasons),
        advice=advice_of(reasons),
        templates=done.templates,
    )
