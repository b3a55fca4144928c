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


class Action(StrEnum):
    """What a challenge asks a person to do; left and right are the person's own."""

    HAPPY = "happy"
    SURPRISE = "surprise"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    BLINK = "blink"

    @property
    def prompt(self) -> str:
        """What the person is told to do.

        >>> Action.TURN_LEFT.prompt
        'Turn your head to your left.'
        """
        return _PROMPTS[self]


_PROMPTS: Mapping[Action, str] = {
    Action.HAPPY: "Smile.",
    Action.SURPRISE: "Look surprised.",
    Action.TURN_LEFT: "Turn your head to your left.",
    Action.TURN_RIGHT: "Turn your head to your right.",
    Action.BLINK: "Close your eyes for a moment, and open them again.",
}


class Reason(StrEnum):
    """Why a presentation was refused, in words that the person before the camera can act on."""

    PRESENTATION_ATTACK = "presentation_attack"
    NOT_THE_SAME_PERSON = "not_the_same_person"
    MATCHES_STRANGERS = "matches_strangers"
    UNSTABLE_TEMPLATE = "unstable_template"
    ENROLLED_ALREADY = "enrolled_already"
    EXPRESSION_NOT_SHOWN = "expression_not_shown"
    NO_FACE = "no_face"
    MANY_FACES = "many_faces"
    TOO_FAR = "too_far"
    TOO_NEAR = "too_near"
    OFF_CENTRE = "off_centre"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    LOOKING_AWAY = "looking_away"
    ACTION_NOT_SHOWN = "action_not_shown"
    WRONG_ORDER = "wrong_order"
    TOO_LATE = "too_late"
    USED_BEFORE = "used_before"
    FACE_CHANGED = "face_changed"
    TOO_FEW_FRAMES = "too_few_frames"
    SENSOR_MISSING = "sensor_missing"
    CHECK_MISSING = "check_missing"
    LOCKED = "locked"

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
    Reason.NO_FACE: "No face was seen; come before the camera.",
    Reason.MANY_FACES: "More than one face was seen; only one person may stand before the camera.",
    Reason.TOO_FAR: "Come closer.",
    Reason.TOO_NEAR: "Move back a little.",
    Reason.OFF_CENTRE: "Move to the middle of the picture.",
    Reason.TOO_DARK: "More light is needed; turn towards a lamp or a window.",
    Reason.TOO_BRIGHT: "There is too much light on the face; move out of it.",
    Reason.BLURRED: "Hold still, and wipe the lens.",
    Reason.LOOKING_AWAY: "Look at the camera.",
    Reason.ACTION_NOT_SHOWN: "What was asked for did not come; do it clearly, and try again.",
    Reason.WRONG_ORDER: "Something else came than what was asked for; follow the prompts in their order.",
    Reason.TOO_LATE: "The time for this attempt is over; begin again.",
    Reason.USED_BEFORE: "These pictures, or this attempt, were used before; begin again with the camera.",
    Reason.FACE_CHANGED: "The face changed in between; one person must stay before the camera until the end.",
    Reason.TOO_FEW_FRAMES: "Too few pictures showed the face; stay before the camera until the end.",
    Reason.SENSOR_MISSING: "A sensor of this device gave no picture; see that it is on and not covered.",
    Reason.CHECK_MISSING: "A check could not be made, so that nobody is let in; try again, or ask for help.",
    Reason.LOCKED: "There were too many failures; wait some minutes, or ask for help.",
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
