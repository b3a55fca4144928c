"""Who a drawn head belongs to: the numbers that stay when the expression goes.

Lengths are in millimetres of the face frame: x to the right of the picture, y up, z towards the camera, origin in the
middle of the head at the level of the nose bridge. "Left" is the left of the picture. Pigments are volume fractions;
what they look like is `skin`'s business. Means and spreads follow adult anthropometry (eyes 63 mm apart, fissures of
28 mm, noses of 31 mm); every normal is clipped at 2.3 standard deviations, so that no head falls apart.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from countenance.errors import UsageError

IDENTITY_STREAM = 101  # the second word of every identity's seed: other streams of the same root stay independent
_CLIP = 2.3
Colour = tuple[float, float, float, float]  # linear reflectance: red, green, blue, 860 nm

_MELANIN_AT = (0.0, 0.45, 0.8, 1.0)
_MELANIN = (0.018, 0.05, 0.13, 0.30)
_DARK_SKIN = 0.09  # melanin above which hair and irises are dark
_HAIR: tuple[Colour, ...] = (
    (0.012, 0.010, 0.009, 0.16),
    (0.020, 0.014, 0.010, 0.20),
    (0.035, 0.022, 0.014, 0.26),
    (0.065, 0.038, 0.022, 0.34),
    (0.110, 0.066, 0.036, 0.42),
    (0.160, 0.065, 0.024, 0.44),
    (0.300, 0.210, 0.110, 0.55),
    (0.240, 0.160, 0.080, 0.52),
    (0.055, 0.030, 0.016, 0.30),
)
_GREY: Colour = (0.42, 0.41, 0.40, 0.50)
_IRIS: tuple[Colour, ...] = (
    (0.040, 0.020, 0.010, 0.16),
    (0.075, 0.038, 0.016, 0.20),
    (0.125, 0.075, 0.030, 0.24),
    (0.110, 0.115, 0.060, 0.28),
    (0.120, 0.150, 0.165, 0.30),
    (0.090, 0.140, 0.220, 0.30),
)
_IRIS_SHARE_LIGHT = (0.10, 0.24, 0.16, 0.16, 0.14, 0.20)
_IRIS_SHARE_DARK = (0.60, 0.34, 0.06, 0.0, 0.0, 0.0)
_LIPSTICK: tuple[Colour, ...] = (
    (0.36, 0.030, 0.045, 0.52),
    (0.40, 0.100, 0.130, 0.54),
    (0.22, 0.025, 0.060, 0.48),
)
_FRAMES: tuple[Colour, ...] = (
    (0.015, 0.014, 0.014, 0.06),
    (0.060, 0.030, 0.015, 0.22),
    (0.160, 0.150, 0.140, 0.24),
    (0.120, 0.020, 0.020, 0.30),
    (0.020, 0.035, 0.090, 0.26),
)


class HairStyle(StrEnum):
    """How the hair is worn."""

    BALD = "bald"
    SHORT = "short"
    FRINGE = "fringe"
    SIDE_PART = "side_part"
    LONG = "long"


class Beard(StrEnum):
    """What grows on lip, chin and jaw."""

    NONE = "none"
    STUBBLE = "stubble"
    MOUSTACHE = "moustache"
    GOATEE = "goatee"
    FULL = "full"


# Shares over men and women together: bald .08, short .34, fringe .22, side part .18, long .18;
# no beard .56, stubble .16, moustache .10, goatee .08, full .10.
_STYLE_SHARE = {True: (0.0, 0.12, 0.30, 0.26, 0.32), False: (0.16, 0.56, 0.14, 0.10, 0.04)}
_BEARD_SHARE = (0.12, 0.32, 0.20, 0.16, 0.20)  # of men


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """The fissures between the lids.

    Attributes:
        x, y: centre of the right one; the left one is mirrored.
        half_width: from the centre to a corner.
        lid_height: of the open upper lid above the centre line; the lower lid hangs .72 of it below.
        slope: rise of the outer corner per millimetre.
        crease: distance of the upper lid's fold from its edge; about 0 is a lid without a fold.
        iris_radius, iris: size and colour.
    """

    x: float
    y: float
    half_width: float
    lid_height: float
    slope: float
    crease: float
    iris_radius: float
    iris: Colour


@dataclass(frozen=True, kw_only=True)
class Brows:
    """The brows: where they lie over the eyes, how thick, how arched; `ridge` is the bone's height under them."""

    above_eye: float
    half_thickness: float
    half_length: float
    arch: float
    slope: float
    density: float
    shift: float
    ridge: float


@dataclass(frozen=True, kw_only=True)
class Nose:
    """The nose: heights over the face, half-widths, and the hump on its back."""

    tip_y: float
    tip_height: float
    bridge_height: float
    bridge_half_width: float
    tip_half_width: float
    ala_half_width: float
    hump: float


@dataclass(frozen=True, kw_only=True)
class Mouth:
    """The lips at rest; `cupid` is the bow's depth as a share of the upper lip, `corner` the rise of the corners."""

    y: float
    half_width: float
    upper_lip: float
    lower_lip: float
    cupid: float
    philtrum: float
    corner: float


@dataclass(frozen=True, kw_only=True)
class Outline:
    """Half-widths of the head seen from the front, the chin, and how the cross-section is rounded.

    Attributes:
        forehead, cheek, jaw, chin: half-widths at those heights.
        chin_y: the chin's foremost point.
        chin_half_width, chin_bump, cleft: its boss and the furrow in it.
        exponent: of the cross-section ``1 - |x / a|^p``; 2 is an ellipse.
        depth: scale of the whole relief.
        neck: half-width of the neck.
    """

    forehead: float
    cheek: float
    jaw: float
    chin: float
    chin_y: float
    chin_half_width: float
    chin_bump: float
    cleft: float
    exponent: float
    depth: float
    neck: float


@dataclass(frozen=True, kw_only=True)
class Flesh:
    """Cheekbones, the fat below them, the depth of the eye sockets, and six asymmetries (unit normals)."""

    cheekbone: float
    cheek_fat: float
    socket: float
    asymmetry: tuple[float, float, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Pigment:
    """What colours the skin.

    Attributes:
        melanin: fraction of the epidermis that is melanosomes.
        blood: fraction of the dermis that is blood.
        flush: how much more of it there is on cheeks and nose, as a multiple less one.
        lip_blood, lip_melanin: the same for the lips; the second as a share of the skin's.
        lipstick: its colour, or None.
        freckles: 0 none, 1 many.
    """

    melanin: float
    blood: float
    flush: float
    lip_blood: float
    lip_melanin: float
    lipstick: Colour | None
    freckles: float


@dataclass(frozen=True, kw_only=True)
class Hair:
    """The hair of the head; `line_y` is the hairline in the middle, `part` the side (-1, 1) of the parting."""

    style: HairStyle
    colour: Colour
    line_y: float
    recession: float
    fringe: float
    volume: float
    curl: float
    part: float


@dataclass(frozen=True, kw_only=True)
class Glasses:
    """Frames: a superellipse of this exponent round each eye."""

    exponent: float
    half_width: float
    half_height: float
    thickness: float
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Mole:
    """A dark spot."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, kw_only=True)
class Identity:
    """All that makes one drawn person; plain numbers, hashable, equal when the person is the same.

    Attributes:
        root, number: the seed and the person's number under it; random fields (pores, strands) are grown from them.
        woman: for the sets that label gender.
        age: 0 young to 1 old; drives folds, lids, spots and grey hair. `years` says it in years.
    """

    root: int
    number: int
    woman: bool
    age: float
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    outline: Outline
    flesh: Flesh
    pigment: Pigment
    hair: Hair
    beard: Beard
    glasses: Glasses | None
    moles: tuple[Mole, ...]
    clothes: Colour

    @property
    def years(self) -> int:
        """The age in years, 16 to 80."""
        return 16 + round(64 * self.age)


class _Draws:
    """One generator, and the few shapes of draw that a person is made of."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def normal(self, mean: float, sigma: float) -> float:
        return mean + sigma * min(max(float(self.generator.standard_normal()), -_CLIP), _CLIP)

    def uniform(self, low: float, high: float) -> float:
        return float(self.generator.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.generator.random() < share)

    def index(self, shares: tuple[float, ...]) -> int:
        return int(self.generator.choice(len(shares), p=shares))


def draw_identity(number: int, *, root: int) -> Identity:
    """Draw the person with this number.

    Each person has a generator of their own, ``PCG64(SeedSequence([root, 101, number]))``: nobody depends on who was
    drawn before.

    Args:
        number: 0 or more.
        root: the seed of the world, 0 or more.

    Raises:
        UsageError: a negative number or root.

    >>> draw_identity(7, root=1) == draw_identity(7, root=1)
    True
    >>> draw_identity(7, root=1).eyes == draw_identity(8, root=1).eyes
    False
    """
    if number < 0 or root < 0:
        raise UsageError(
            expected="a number and a root of 0 or more", came=f"{number} and {root}", remedy="count from 0"
        )
    draws = _Draws(np.random.Generator(np.random.PCG64(np.random.SeedSequence([root, IDENTITY_STREAM, number]))))
    woman = draws.chance(0.5)
    sign = 1.0 if woman else -1.0  # half the distance between the means of women and men, in the terms below
    age = float(draws.generator.beta(2, 3))
    pigment = _pigment(draws, woman=woman)
    eyes = _eyes(draws, sign, age, pigment.melanin)
    return Identity(
        root=root,
        number=number,
        woman=woman,
        age=age,
        eyes=eyes,
        brows=Brows(
            above_eye=draws.normal(15.5 + 0.7 * sign, 1.8),
            half_thickness=draws.normal(3.3 - 0.5 * sign, 0.7),
            half_length=draws.normal(17.5, 1.6),
            arch=draws.normal(3.0 + 0.6 * sign, 1.4),
            slope=draws.normal(0.02, 0.06),
            density=float(np.clip(draws.normal(0.8, 0.2), 0.3, 1.2)),
            shift=draws.normal(0.0, 1.6),
            ridge=draws.normal(4.0 - 1.2 * sign, 1.3),
        ),
        nose=Nose(
            tip_y=draws.normal(-13.0, 2.6),
            tip_height=draws.normal(22.5 - 0.8 * sign, 2.4),
            bridge_height=draws.normal(8.5 - 0.4 * sign, 1.9),
            bridge_half_width=draws.normal(6.8 - 0.3 * sign, 0.9),
            tip_half_width=draws.normal(8.5 - 0.4 * sign, 1.2) + 6.0 * min(pigment.melanin, 0.2),
            ala_half_width=draws.normal(15.8 - 0.7 * sign, 1.7) + 9.0 * min(pigment.melanin, 0.2),
            hump=draws.normal(0.2, 1.4),
        ),
        mouth=Mouth(
            y=draws.normal(-42.0, 2.6),
            half_width=draws.normal(24.5 - 0.6 * sign, 2.2),
            upper_lip=draws.normal(5.6 + 0.4 * sign - 1.2 * age, 1.3) + 5.0 * min(pigment.melanin, 0.2),
            lower_lip=draws.normal(7.8 + 0.5 * sign - 1.2 * age, 1.4) + 5.0 * min(pigment.melanin, 0.2),
            cupid=draws.normal(0.25, 0.12),
            philtrum=draws.normal(1.2, 0.5),
            corner=draws.normal(0.0, 1.0),
        ),
        outline=_outline(draws, sign),
        flesh=Flesh(
            cheekbone=draws.normal(5.0 + 0.5 * sign, 1.8),
            cheek_fat=draws.normal(2.0, 2.8),
            socket=draws.normal(10.0, 1.5),
            asymmetry=(
                draws.normal(0.0, 1.0),
                draws.normal(0.0, 1.0),
                draws.normal(0.0, 1.0),
                draws.normal(0.0, 1.0),
                draws.normal(0.0, 1.0),
                draws.normal(0.0, 1.0),
            ),
        ),
        pigment=pigment,
        hair=_hair(draws, woman=woman, age=age, melanin=pigment.melanin),
        beard=Beard.NONE if woman else tuple(Beard)[draws.index(_BEARD_SHARE)],
        glasses=_glasses(draws) if draws.chance(0.2) else None,
        moles=_moles(draws, eyes),
        clothes=_clothes(draws),
    )


def alike(identity: Identity, other: Identity, share: float) -> Identity:
    """Return somebody on the way from one person to another, who has the first one's features and a skin of their own.

    Every length, slope and colour lies `share` of the way; hair style, beard and glasses are the first one's; moles and
    the random fields of skin and hair are the other one's. A share of 0 is a twin of the first person.

    Args:
        identity: whom they are like.
        other: on the way to whom they are.
        share: 0 to 1.

    Raises:
        UsageError: another share.

    >>> twin = alike(draw_identity(7, root=1), draw_identity(8, root=1), 0.0)
    >>> twin.nose == draw_identity(7, root=1).nose, twin.number
    (True, 8)
    """
    if not 0 <= share <= 1:
        raise UsageError(expected="a share of 0 to 1", came=f"{share:g}", remedy="change it")
    between: Identity = _between(identity, other, share)
    return replace(between, number=other.number, moles=other.moles)


def _between(first: Any, second: Any, share: float) -> Any:
    """Numbers on the way from one to the other; what is no number, or is missing in one of them, is the first one's."""
    if isinstance(first, float) and isinstance(second, float):
        return first + share * (second - first)
    if is_dataclass(first) and not isinstance(first, type) and type(first) is type(second):
        names = [part.name for part in fields(first)]
        return replace(first, **{name: _between(getattr(first, name), getattr(second, name), share) for name in names})
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        return tuple(_between(mine, theirs, share) for mine, theirs in zip(first, second, strict=True))
    return first


def _pigment(draws: _Draws, *, woman: bool) -> Pigment:
    melanin = float(np.exp(np.interp(draws.uniform(0, 1), _MELANIN_AT, np.log(_MELANIN))))
    return Pigment(
        melanin=melanin,
        blood=max(0.0025, draws.normal(0.0075, 0.003)),
        flush=2.2 * abs(draws.normal(0.35, 0.3)),
        lip_blood=max(0.015, draws.normal(0.045, 0.016)),
        lip_melanin=draws.uniform(0.5, 0.9),
        lipstick=_LIPSTICK[draws.index((0.4, 0.4, 0.2))] if woman and draws.chance(0.24) else None,
        freckles=draws.uniform(0.3, 1.0) if melanin < 0.045 and draws.chance(0.3) else 0.0,
    )


def _eyes(draws: _Draws, sign: float, age: float, melanin: float) -> Eyes:
    dark = melanin > 0.06
    return Eyes(
        x=draws.normal(31.5 - 0.4 * sign, 1.7),
        y=draws.normal(27.0, 2.0),
        half_width=draws.normal(14.3, 0.9),
        lid_height=draws.normal(4.9 + 0.25 * sign - 0.7 * age, 0.65),
        slope=draws.normal(0.03 + 0.015 * sign, 0.045),
        crease=max(0.0, draws.normal(3.2, 1.3)),
        iris_radius=draws.normal(5.9, 0.22),
        iris=_IRIS[draws.index(_IRIS_SHARE_DARK if dark else _IRIS_SHARE_LIGHT)],
    )


def _outline(draws: _Draws, sign: float) -> Outline:
    cheek = draws.normal(69.0 - 1.0 * sign, 3.2)
    return Outline(
        forehead=draws.normal(64.0 - 0.7 * sign, 3.0),
        cheek=cheek,
        jaw=min(draws.normal(55.0 - 2.2 * sign, 3.6), cheek - 3.0),
        chin=draws.normal(31.5 - 2.2 * sign, 3.2),
        chin_y=draws.normal(-82.0 + 1.2 * sign, 3.6),
        chin_half_width=draws.normal(15.0 - 0.8 * sign, 2.8),
        chin_bump=draws.normal(6.5, 1.9),
        cleft=max(0.0, draws.normal(-0.4, 1.0)),
        exponent=draws.normal(2.35, 0.15),
        depth=draws.normal(1.0, 0.045),
        neck=draws.normal(46.5 - 3.5 * sign, 2.6),
    )


def _hair(draws: _Draws, *, woman: bool, age: float, melanin: float) -> Hair:
    dark = melanin > _DARK_SKIN
    colour = np.array(_HAIR[draws.index((0.6, 0.3, 0.1)) if dark else int(draws.generator.integers(len(_HAIR)))])
    grey = float(np.clip((age - 0.45) / 0.35 + draws.normal(0.0, 0.25), 0.0, 1.0)) * (draws.uniform(0, 1) > 0.25)
    red, green, blue, near = ((1 - grey) * colour + grey * np.array(_GREY)).tolist()
    return Hair(
        style=tuple(HairStyle)[draws.index(_STYLE_SHARE[woman])],
        colour=(red, green, blue, near),
        line_y=draws.normal(82.0, 5.0),
        recession=0.0 if woman else max(0.0, draws.normal(10.0 * age, 5.0)),
        fringe=draws.normal(22.0, 5.0),
        volume=abs(draws.normal(9.0, 4.0)),
        curl=draws.uniform(0.5, 1.0) if dark and draws.chance(0.7) else max(0.0, draws.normal(0.05, 0.25)),
        part=1.0 if draws.chance(0.5) else -1.0,
    )


def _glasses(draws: _Draws) -> Glasses:
    return Glasses(
        exponent=draws.uniform(2.0, 5.0),
        half_width=draws.normal(25.0, 1.4),
        half_height=draws.normal(18.0, 2.0),
        thickness=draws.uniform(1.1, 2.6),
        colour=_FRAMES[draws.index((0.45, 0.2, 0.2, 0.07, 0.08))],
    )


def _moles(draws: _Draws, eyes: Eyes) -> tuple[Mole, ...]:
    drawn = (
        Mole(x=draws.uniform(-55, 55), y=draws.uniform(-75, 70), radius=draws.uniform(0.7, 1.7))
        for _ in range(int(draws.generator.poisson(2.2)))
    )
    return tuple(mole for mole in drawn if not (abs(mole.y - eyes.y) < 12 and abs(abs(mole.x) - eyes.x) < 20))


def _clothes(draws: _Draws) -> Colour:
    red, green, blue = (float(value) for value in 0.02 + 0.5 * draws.generator.random(3) ** 2)
    return red, green, blue, draws.uniform(0.2, 0.6)  # dyes are mostly transparent in the infrared
