"""Answers that say no: one body for all of them, whoever refuses."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from countenance.errors import (
    AlreadyEnrolled,
    ChallengeError,
    ChallengeExpired,
    ChallengeReplayed,
    CountenanceError,
    ImageTooLarge,
    InputError,
    ManyFaces,
    NoFace,
    PersonLocked,
    StoreConflict,
    StoreUnavailable,
    TemplateVersion,
    UnknownSession,
    UnknownSubject,
    UsageError,
)
from countenance.vocabulary import Reason

_STATUSES: tuple[tuple[type[CountenanceError], int], ...] = (  # the first that fits
    (ImageTooLarge, 413),
    (InputError, 422),
    (UsageError, 422),
    (UnknownSubject, 404),
    (AlreadyEnrolled, 409),
    (TemplateVersion, 409),
    (ChallengeExpired, 410),
    (UnknownSession, 404),
    (ChallengeError, 409),
    (StoreConflict, 409),
    (StoreUnavailable, 503),
)
_REASONS: tuple[tuple[type[CountenanceError], Reason], ...] = (
    (ChallengeExpired, Reason.TOO_LATE),
    (ChallengeReplayed, Reason.USED_BEFORE),
    (PersonLocked, Reason.LOCKED),
    (NoFace, Reason.NO_FACE),
    (ManyFaces, Reason.MANY_FACES),
)
_WORDS: Mapping[int, tuple[str, str]] = {  # what a framework's own refusal means: expected, remedy
    404: ("an address of this service", "see /openapi.json"),
    405: ("a method that this address knows", "see /openapi.json"),
    400: ("a request as the service describes it", "see /openapi.json"),
}


class Trouble(BaseModel):
    """What went wrong, in words: what was expected, what came, and what to do."""

    expected: str = Field(description="What a right request looks like.")
    came: str = Field(description="What came instead.")
    remedy: str = Field(description="What to do now.")
    reason: Reason | None = Field(default=None, description="Why, in one word of the gate, where there is one.")
    request_id: str = Field(description="The request's own number, as the logs have it.")


class Refusal(HTTPException):
    """A request that is answered with no.

    Args:
        status: of HTTP.
        expected: what a right request looks like.
        came: what came instead.
        remedy: what the caller can do now.
        reason: the gate's word for it, where there is one.
        retry_seconds: when it may be tried again.
    """

    def __init__(
        self,
        status: int,
        *,
        expected: str,
        came: str,
        remedy: str,
        reason: Reason | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        if retry_seconds is not None:
            headers["Retry-After"] = str(max(1, round(retry_seconds)))
        super().__init__(status, detail=f"expected {expected}; came {came}; {remedy}", headers=headers)
        self.expected, self.came, self.remedy, self.reason = expected, came, remedy, reason


def refusal_of(error: CountenanceError) -> Refusal:
    """Return the answer to an error of ours; what the caller cannot mend is 500."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), None)
    return Refusal(
        status,
        expected=error.expected,
        came=error.came,
        remedy=error.remedy,
        reason=reason,
        retry_seconds=1 if status == 503 else None,
    )


def request_id_of(request: Request) -> str:
    """Return the number that the request was given."""
    return str(request.scope.get("state", {}).get("request_id", "none"))


def answer_in_our_words(app: FastAPI) -> None:
    """Give every refusal of `app` the one body: ours, the framework's, and those of its parser."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, CountenanceError)
        return answer(request, refusal_of(error))

    async def theirs(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return answer(request, error if isinstance(error, Refusal) else _translated(request, error))

    async def malformed(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return answer(
            request,
            Refusal(
                422, expected=_plain(first["msg"]), came=f"something else in {_plain(place)}", remedy=_WORDS[400][1]
            ),
        )

    app.add_exception_handler(CountenanceError, ours)
    app.add_exception_handler(HTTPException, theirs)
    app.add_exception_handler(RequestValidationError, malformed)


def answer(request: Request, refusal: Refusal) -> JSONResponse:
    """Return the body of a refusal, and note its reason for the log."""
    request.scope.setdefault("state", {})["refused"] = refusal.reason or refusal.status_code
    body = Trouble(
        expected=refusal.expected,
        came=refusal.came,
        remedy=refusal.remedy,
        reason=refusal.reason,
        request_id=request_id_of(request),
    )
    return JSONResponse(body.model_dump(mode="json"), refusal.status_code, refusal.headers)


def _translated(request: Request, error: HTTPException) -> Refusal:
    expected, remedy = _WORDS.get(error.status_code, _WORDS[400])
    refusal = Refusal(error.status_code, expected=expected, came=request.method, remedy=remedy)
    refusal.headers = {**(refusal.headers or {}), **(error.headers or {})}
    return refusal


def _plain(words: object) -> str:
    """Return printable words of a bounded length: a parser's message may repeat what was sent."""
    said = "".join(letter for letter in str(words) if letter.isprintable())
    return said[:200]
