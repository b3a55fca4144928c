"""The words of the domain, one word for an idea (ISO/IEC 30107-3 and 19795-1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Presentation(StrEnum):
    """What stands before the sensor (ISO/IEC 30107-3, 3.1)."""

    BONA_FIDE = "bona_fide"
    ATTACK = "attack"


class Split(StrEnum):
    """The part of a data set that a row belongs to; thresholds come from `DEVELOPMENT` only."""

    TRAIN = "train"
    DEVELOPMENT = "development"
    TEST = "test"


class Modality(StrEnum):
    """The sensor that made a plane."""

    RGB = "rgb"
    INFRARED = "infrared"
    DEPTH = "depth"


class Expression(StrEnum):
    """The seven basic expressions, in the label order of FER2013, and contempt, which CK+ adds."""

    ANGRY = "angry"
    DISGUST = "disgust"
    FEAR = "fear"
    HAPPY = "happy"
    SAD = "sad"
    SURPRISE = "surprise"
    NEUTRAL = "neutral"
    CONTEMPT = "contempt"


class Reason(StrEnum):
    """Why a presentation was refused, in words that the person before the camera can act on."""

    PRESENTATION_ATTACK = "presentation_attack"
    NOT_THE_SAME_PERSON = "not_the_same_person"
    MATCHES_STRANGERS = "matches_strangers"
    UNSTABLE_TEMPLATE = "unstable_template"
    ENROLLED_ALREADY = "enrolled_already"
    EXPRESSION_NOT_SHOWN = "expression_not_shown"

    @property
    def advice(self) -> str:
        """One sentence for the person before the camera; it never tells a score.

        >>> Reason.NOT_THE_SAME_PERSON.advice
        'The face does not match the reference; look at the camera and try again.'
        """
        return _ADVICE[self]


_ADVICE: Mapping[Reason, str] = {
    Reason.PRESENTATION_ATTACK: "This does not look like a live face; face the camera directly, in even light.",
    Reason.NOT_THE_SAME_PERSON: "The face does not match the reference; look at the camera and try again.",
    Reason.MATCHES_STRANGERS: "This photograph is like too many other people's; take a new one, in even light.",
    Reason.ENROLLED_ALREADY: "This face is enrolled already, under another name.",
    Reason.EXPRESSION_NOT_SHOWN: "The expression that was asked for did not come; show it clearly and try again.",
    Reason.UNSTABLE_TEMPLATE: "This photograph does not hold up to a small change; take a new one with the camera.",
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer of a decision verb.

    Attributes:
        accepted: True when every check passed.
        score: the deciding score, higher = more genuine; for the operator, not for the person judged.
        threshold: accepted means ``score >= threshold``.
        model: names of the networks that were asked.
        reasons: why not; empty when accepted.
    """

    accepted: bool
    score: float
    threshold: float
    model: str
    reasons: tuple[Reason, ...] = field(default=())
