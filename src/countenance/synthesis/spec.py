"""What to draw: one clip, said completely, so that the same words give the same bytes wherever they are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType

import numpy as np

from countenance.errors import UsageError
from countenance.synthesis.presets import preset_named
from countenance.vocabulary import Expression, Modality, Presentation

MOST_YAW = 40.0  # degrees; a relief that is seen from further round shows its missing back


class Stream(IntEnum):
    """What random numbers are for; no two streams share any."""

    IDENTITY = 101
    PRINT = 202
    CLIP = 303


class Region(StrEnum):
    """A part of the printed face that can be cut out."""

    EYES = "eyes"
    NOSE = "nose"
    MOUTH = "mouth"


class Display(StrEnum):
    """A screen that can replay a face."""

    PHONE = "phone"
    TABLET = "tablet"
    LAPTOP = "laptop"
    MONITOR = "monitor"


class DrawnSpecies(StrEnum):
    """What stands before the drawn camera; the six cut prints carry the names that CASIA-SURF's lists use."""

    BONA_FIDE = "bona_fide"
    EYES_FLAT = "01_e_s"
    EYES_BENT = "02_e_b"
    EYES_NOSE_FLAT = "03_en_s"
    EYES_NOSE_BENT = "04_en_b"
    EYES_NOSE_MOUTH_FLAT = "05_enm_s"
    EYES_NOSE_MOUTH_BENT = "06_enm_b"
    PRINT_MATTE = "print_matte"
    PRINT_GLOSSY = "print_glossy"
    REPLAY_PHONE = "replay_phone"
    REPLAY_TABLET = "replay_tablet"
    REPLAY_LAPTOP = "replay_laptop"
    REPLAY_MONITOR = "replay_monitor"
    MASK_3D = "mask_3d"

    @property
    def presentation(self) -> Presentation:
        """Bona fide or attack."""
        return Presentation.BONA_FIDE if self is DrawnSpecies.BONA_FIDE else Presentation.ATTACK

    @property
    def number(self) -> int:
        """0 for bona fide, 1 to 6 as in Table 1 of CASIA-SURF, then the others in the order above.

        >>> DrawnSpecies.EYES_NOSE_BENT.number
        4
        """
        return list(DrawnSpecies).index(self)

    @property
    def cut(self) -> frozenset[Region]:
        """The regions that are cut out of the print; empty for everything but the six cut prints."""
        return _CUT.get(self, frozenset())

    @property
    def is_print(self) -> bool:
        """A printed sheet, cut or whole."""
        return bool(self.cut) or self in {DrawnSpecies.PRINT_MATTE, DrawnSpecies.PRINT_GLOSSY}

    @property
    def is_bent(self) -> bool:
        """A sheet that is bent on purpose (attacks 2, 4 and 6)."""
        return self in {DrawnSpecies.EYES_BENT, DrawnSpecies.EYES_NOSE_BENT, DrawnSpecies.EYES_NOSE_MOUTH_BENT}

    @property
    def display(self) -> Display | None:
        """The screen of a replay, else None."""
        return _DISPLAY.get(self)

    @property
    def is_worn(self) -> bool:
        """Whether another person's face stands behind it (cut prints and masks), so that an attacker must be named."""
        return bool(self.cut) or self is DrawnSpecies.MASK_3D


_CUT: Mapping[DrawnSpecies, frozenset[Region]] = MappingProxyType(
    {  # CASIA-SURF, Table 1
        DrawnSpecies.EYES_FLAT: frozenset({Region.EYES}),
        DrawnSpecies.EYES_BENT: frozenset({Region.EYES}),
        DrawnSpecies.EYES_NOSE_FLAT: frozenset({Region.EYES, Region.NOSE}),
        DrawnSpecies.EYES_NOSE_BENT: frozenset({Region.EYES, Region.NOSE}),
        DrawnSpecies.EYES_NOSE_MOUTH_FLAT: frozenset(Region),
        DrawnSpecies.EYES_NOSE_MOUTH_BENT: frozenset(Region),
    }
)
_DISPLAY: Mapping[DrawnSpecies, Display] = MappingProxyType(
    {
        DrawnSpecies.REPLAY_PHONE: Display.PHONE,
        DrawnSpecies.REPLAY_TABLET: Display.TABLET,
        DrawnSpecies.REPLAY_LAPTOP: Display.LAPTOP,
        DrawnSpecies.REPLAY_MONITOR: Display.MONITOR,
    }
)


class DrawnCamera(StrEnum):
    """A colour camera."""

    VARIED = "varied"
    """Another device in every clip."""
    WEBCAM = "webcam"
    """One cheap device in all clips (`webcam.Webcam`)."""


class Motion(Enum):
    """How a clip moves."""

    STILL = "still"
    """Photographs apart from each other, as in CASIA-SURF: wide head turns, one held face, no blink between them."""
    CALM = "calm"
    """A video of somebody who sits still and blinks."""
    LIVELY = "lively"
    """A video that is calm for `calm_seconds`; then turns, nearing and receding, expressions, light that changes."""


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """One clip: frames of one presentation under one light, before one set of sensors.

    Attributes:
        root: the data set's seed.
        subject: number of the identity whose face is presented (the target of an attack).
        species: what is presented.
        clip: number of the clip; the same (root, subject, species, clip) draws the same numbers.
        attacker: number of the identity behind a cut print or a mask, None for everything else.
        frames: how many.
        seconds_between_frames: logical time from one to the next.
        size: side of the square frames in pixels.
        crop_mm: side of the square that the crop shows at the face; 176 leaves just the face, 205 shoulders and wall.
        motion: how it moves.
        calm_seconds: of a LIVELY clip, before it becomes lively.
        background: False: everything but the face is 0 in every modality, as in CASIA-SURF. True: a wall behind it.
        expressions: (expression, intensity in [0, 1]) of the presented face, one for each frame or one for all of them
            (a print shows the first, a mask none); None: drawn.
        lids: how far the presented face's lids are closed at least, 0 open to 1, one for each frame, beyond the blinks
            of its own; None: not at all. A print and a mask hold theirs.
        yaws: degrees that a live head, or that in a replayed film, turns beyond its own motion, one for each frame, to
            the right of the picture where positive; None: not at all.
        modalities: the sensors to draw; RGB must be among them.
        preset: name of a preset.
        camera: the colour camera; like `lids` and `yaws` not in `repr`, of which the cards of sets are made that were
            drawn before there were any.
        like: (number, share): the presented face is that of somebody like `subject`, this share of the way to the
            person of that number, as `identity.alike` has it; None: `subject`. Not in `repr` either.

    Raises:
        UsageError: a request that contradicts itself.
    """

    root: int
    subject: int
    species: DrawnSpecies
    clip: int
    attacker: int | None = None
    frames: int
    seconds_between_frames: float
    size: int = 112
    crop_mm: float = 176.0
    motion: Motion = Motion.STILL
    calm_seconds: float = 2.0
    background: bool = False
    expressions: tuple[tuple[Expression, float], ...] | None = None
    modalities: tuple[Modality, ...] = tuple(Modality)
    preset: str = "paper"
    camera: DrawnCamera = field(default=DrawnCamera.VARIED, repr=False)
    lids: tuple[float, ...] | None = field(default=None, repr=False)
    yaws: tuple[float, ...] | None = field(default=None, repr=False)
    like: tuple[int, float] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        preset_named(self.preset)
        for name in ("root", "subject", "clip"):
            if getattr(self, name) < 0:
                _refuse(f"a {name} number of 0 or more", str(getattr(self, name)))
        if self.frames < 1 or self.seconds_between_frames < 0 or self.calm_seconds < 0:
            _refuse("at least one frame, and no negative time", f"{self.frames} frames")
        if not 32 <= self.size <= 1024 or not 80 <= self.crop_mm <= 400:
            _refuse("32 to 1024 pixels that show 80 to 400 mm", f"{self.size} pixels, {self.crop_mm} mm")
        if self.species.is_worn == (self.attacker is None):
            _refuse("an attacker for cut prints and masks, and for nothing else", f"{self.attacker} for {self.species}")
        if Modality.RGB not in self.modalities:
            _refuse("rgb among the modalities", ", ".join(self.modalities) or "none")
        if self.expressions is not None:
            if len(self.expressions) not in {1, self.frames}:
                _refuse(f"1 or {self.frames} expressions", str(len(self.expressions)))
            if not all(0 <= intensity <= 1 for _, intensity in self.expressions):
                _refuse("expression intensities in [0, 1]", str([amount for _, amount in self.expressions]))
        self._check_movements()

    def _check_movements(self) -> None:
        for name, numbers, low, high in (("lids", self.lids, 0, 1), ("yaws", self.yaws, -MOST_YAW, MOST_YAW)):
            if numbers is None:
                continue
            if len(numbers) != self.frames or not all(low <= number <= high for number in numbers):
                _refuse(f"{self.frames} {name} in [{low:g}, {high:g}]", f"{len(numbers)}: {numbers}")

    def seeds(self, stream: Stream, parts: int) -> list[np.random.SeedSequence]:
        """Independent seeds for the parts of this clip, so that one part does not shift the numbers of the next."""
        entropy = [self.root, int(stream), self.subject, self.species.number, self.clip]
        return np.random.SeedSequence(entropy).spawn(parts)


def _refuse(expected: str, came: str) -> None:
    raise UsageError(expected=expected, came=came, remedy="change the clip's description")
