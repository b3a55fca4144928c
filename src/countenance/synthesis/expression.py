"""What a face does: sixteen facial actions, the lids' blink and the gaze.

The actions are those of the Facial Action Coding System that a front view shows (P. Ekman and W. V. Friesen, "Facial
Action Coding System", 1978), in millimetres of the skin unless said otherwise; the prototypes of the expressions are
combinations of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from countenance.errors import UsageError
from countenance.vocabulary import Expression

_JITTER = 0.12  # spread of each action about its prototype, as a share


@dataclass(frozen=True, kw_only=True)
class FacialActions:
    """Sixteen actions, 0 at rest, and what the eyes do on top of them.

    Attributes:
        corner_up_left, corner_up_right: mouth corners up (action units 12; 15 when negative); left of the picture.
        corners_out: corners apart (20; pucker, 18, when negative).
        upper_lip_up: upper lip raised off the teeth (10).
        lower_lip_down: lower lip drawn down (16).
        lips_pressed: lips rolled in (24).
        lips_parted: opening between the lips with the jaw at rest (25).
        jaw_drop: way of the chin (26, 27).
        cheek_raise: cheeks lifted, 0 to about 1.2 (6).
        squint: lids tightened, 0 to 1 (7).
        lids_wide: upper lids raised beyond rest, as a share of their height (5); drooping when negative.
        inner_brow_up, outer_brow_up: (1, 2).
        brow_lower: brows down and together (4).
        nose_wrinkle: 0 to about 1.2 (9).
        chin_raise: chin boss pushed up (17).
        blink: 0 open, 1 closed.
        gaze: unit turn of the eyes to the right and up.
    """

    corner_up_left: float = 0.0
    corner_up_right: float = 0.0
    corners_out: float = 0.0
    upper_lip_up: float = 0.0
    lower_lip_down: float = 0.0
    lips_pressed: float = 0.0
    lips_parted: float = 0.0
    jaw_drop: float = 0.0
    cheek_raise: float = 0.0
    squint: float = 0.0
    lids_wide: float = 0.0
    inner_brow_up: float = 0.0
    outer_brow_up: float = 0.0
    brow_lower: float = 0.0
    nose_wrinkle: float = 0.0
    chin_raise: float = 0.0
    blink: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def neutral(cls) -> "FacialActions":
        """A face at rest."""
        return cls()

    def numbers(self) -> tuple[float, ...]:
        """The sixteen actions, in the order of the attributes."""
        return tuple(getattr(self, name) for name in ACTION_NAMES)


ACTION_NAMES = tuple(field.name for field in fields(FacialActions) if field.name not in {"blink", "gaze"})

PROTOTYPES: Mapping[Expression, FacialActions] = {
    Expression.NEUTRAL: FacialActions(),
    Expression.HAPPY: FacialActions(
        corner_up_left=10.5,
        corner_up_right=10.5,
        corners_out=6.5,
        upper_lip_up=2.4,
        lips_parted=3.0,
        jaw_drop=5.0,
        cheek_raise=1.15,
        squint=0.40,
    ),
    Expression.SURPRISE: FacialActions(
        jaw_drop=22.0, corners_out=-4.5, inner_brow_up=7.5, outer_brow_up=7.5, lids_wide=0.45
    ),
    Expression.ANGRY: FacialActions(
        brow_lower=8.5,
        inner_brow_up=-3.5,
        lids_wide=0.10,
        squint=0.30,
        lips_pressed=1.3,
        corner_up_left=-3.0,
        corner_up_right=-3.0,
        corners_out=-2.0,
        nose_wrinkle=0.5,
        chin_raise=1.5,
    ),
    Expression.DISGUST: FacialActions(
        nose_wrinkle=1.2,
        upper_lip_up=4.2,
        corner_up_left=-6.0,
        corner_up_right=-6.0,
        brow_lower=4.5,
        squint=0.5,
        cheek_raise=0.4,
        corners_out=-1.5,
        lower_lip_down=1.0,
    ),
    Expression.FEAR: FacialActions(
        inner_brow_up=7.0,
        outer_brow_up=3.5,
        brow_lower=1.5,
        lids_wide=0.38,
        corners_out=5.0,
        jaw_drop=7.0,
        corner_up_left=-2.0,
        corner_up_right=-2.0,
        lower_lip_down=1.5,
    ),
    Expression.SAD: FacialActions(
        inner_brow_up=8.5,
        outer_brow_up=-4.0,
        corner_up_left=-8.5,
        corner_up_right=-8.5,
        lids_wide=-0.30,
        lips_pressed=0.4,
        corners_out=-1.5,
        chin_raise=2.5,
    ),
    Expression.CONTEMPT: FacialActions(
        corner_up_right=8.5, lips_pressed=0.5, squint=0.15, cheek_raise=0.25, corners_out=0.5
    ),
}


def express(expression: Expression, intensity: float, generator: np.random.Generator) -> FacialActions:
    """Make a face: the expression's prototype at an intensity, each action with 12 % of individuality.

    The same number of draws is taken whatever the expression and the intensity, so a generator seeded alike gives the
    frames of one growing expression the same individuality.

    Args:
        expression: which.
        intensity: 0 (neutral) to 1 (apex).
        generator: of the jitter; for contempt also of the side.

    Raises:
        UsageError: an intensity outside [0, 1].

    >>> express(Expression.HAPPY, 0.0, np.random.default_rng(0)) == FacialActions.neutral()
    True
    """
    if not 0 <= intensity <= 1:
        raise UsageError(expected="an intensity from 0 to 1", came=f"{intensity}", remedy="scale it")
    jitter = generator.normal(1.0, _JITTER, len(ACTION_NAMES))
    mirrored = generator.random() < 0.5
    prototype = PROTOTYPES[expression]
    if expression is Expression.CONTEMPT and mirrored:
        prototype = replace(
            prototype, corner_up_left=prototype.corner_up_right, corner_up_right=prototype.corner_up_left
        )
    values = intensity * jitter * np.array(prototype.numbers())
    return FacialActions(**dict(zip(ACTION_NAMES, values.tolist(), strict=True)))


def between(first: FacialActions, second: FacialActions, share: float) -> FacialActions:
    """A face on its way from one to another; a share of 0 is the first, 1 the second. Blink and gaze come along."""

    def mix(one: float, other: float) -> float:
        return (1 - share) * one + share * other

    numbers = {name: mix(getattr(first, name), getattr(second, name)) for name in (*ACTION_NAMES, "blink")}
    gaze = mix(first.gaze[0], second.gaze[0]), mix(first.gaze[1], second.gaze[1])
    return FacialActions(**numbers, gaze=gaze)
