"""What requests and answers hold, as /openapi.json shows it."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from countenance.vocabulary import Action, Reason


class _Asked(BaseModel):
    """A request: what is not named here is refused."""

    model_config = ConfigDict(extra="forbid")


class SessionAsked(_Asked):
    """Who claims to stand before the camera."""

    subject: str = Field(min_length=1, max_length=100, description="The name under which the person is enrolled.")
    without: list[Action] = Field(
        default_factory=list, max_length=len(Action), description="What the person cannot do, and is not asked for."
    )


class Advice(BaseModel):
    """One thing the person can do better; never a score."""

    reason: Reason
    text: str


def advice_of(reasons: Iterable[str]) -> list[Advice]:
    """Return the advice that belongs to reasons."""
    return [Advice(reason=Reason(reason), text=Reason(reason).advice) for reason in reasons]


class SessionMade(BaseModel):
    """A session that has begun."""

    session: str = Field(description="Its name in addresses.")
    nonce: str = Field(description="Sent with every frame; used once.")
    token: str = Field(
        description="Bearer token for this session alone, for the browser: no API key leaves the server. Its "
        "result can be asked for a little longer than the session lasts."
    )
    prompt: str | None = Field(description="What to do first; the next prompt comes when this one was followed.")
    steps: int = Field(description="How many prompts there will be.")
    next_sequence: int = Field(description="Of the first frame.")
    expires_at: float = Field(description="Seconds since 1970-01-01 UTC; the session ends then.")


class FrameSeen(BaseModel):
    """What the person before the camera is told about one frame."""

    prompt: str = Field(description="What to do now.")
    action: Action | None = Field(
        description="That is asked for; none while the person is to be at rest, and at the end."
    )
    advice: list[Advice]
    step: int = Field(description="How many prompts were followed.")
    steps: int
    done: bool = Field(description="Nothing more is asked for: conclude the session.")
    next_sequence: int = Field(description="Of the next frame.")


class SessionSeen(BaseModel):
    """Where a session stands."""

    session: str
    state: Literal["open", "concluded", "expired"]
    next_sequence: int
    expires_at: float


class Concluded(BaseModel):
    """The decision, for the person: no scores."""

    session: str
    accepted: bool
    reasons: list[Reason]
    advice: list[Advice]
    receipt: str = Field(description="Address of the signed receipt.")


class CheckSeen(BaseModel):
    """One check, for the operator."""

    check: str
    status: str
    score: float | None = Field(description="Higher is more genuine.")
    threshold: float | None = Field(description="Passed where score >= threshold.")
    reasons: list[Reason]


class Audited(BaseModel):
    """What a session was decided by; for operators and viewers."""

    session: str
    subject: str
    state: Literal["open", "concluded", "expired"]
    key: str | None = Field(description="Number of the key that began it.")
    accepted: bool | None
    reasons: list[Reason]
    scores: dict[str, float | None]
    checks: list[CheckSeen]
    policy: str | None = Field(description="SHA-256 of the policy that decided.")
    models: dict[str, str] = Field(description="SHA-256 of each network that was asked.")
    frames: int


class EnrolmentSeen(BaseModel):
    """What became of an enrolment."""

    subject: str
    accepted: bool
    reasons: list[Reason]
    advice: list[Advice]
    templates: int = Field(description="That are kept now; 0 where it was refused.")


class Person(BaseModel):
    """Somebody who is enrolled."""

    subject: str
    templates: int
    enrolled: float = Field(description="When, in seconds since the epoch.")
    consent: bool = Field(description="Whether a record of consent is kept.")


class People(BaseModel):
    """Everybody who is enrolled, in the order of their names."""

    people: list[Person]
    count: int = Field(description="Of all, also beyond this page of the list.")


class Forgotten(BaseModel):
    """Somebody of whom nothing is kept any more."""

    subject: str
    forgotten: Literal[True] = True


class Exported(BaseModel):
    """All that is kept about somebody."""

    subject: str
    data: dict[str, Any]


class Compared(BaseModel):
    """Whether two photographs show one person. Liveness is not checked: two pictures of one photograph match."""

    accepted: bool
    similarity: float
    threshold: float
    model: str
    liveness_checked: Literal[False] = False


class ReceiptJudged(BaseModel):
    """Whether a receipt was signed by this service and not changed since."""

    valid: bool
    accepted: bool | None = Field(description="What the receipt says was decided; none where it is not valid.")
    problem: str | None


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str


class Ready(BaseModel):
    """The networks are loaded and the store answers."""

    ready: Literal[True] = True
