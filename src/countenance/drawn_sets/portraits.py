"""What the writers of face sets share: whom they draw, how photographs become clips, how pictures are encoded.

Each set has people of its own, so that nobody on whom a drawn network learns stands in a drawn set that judges it.
Four photographs are one clip: another pose each, one light and one camera, as from one occasion; that is also quicker
than a clip for each.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from countenance.drawn_sets.writing import Encode, PlannedClip, jpeg
from countenance.errors import UsageError
from countenance.synthesis.scene import DrawnClip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Motion
from countenance.vocabulary import Expression, Modality

PHOTOGRAPHS_OF_A_CLIP = 4


class People(IntEnum):
    """The number of each set's first person: room for 10,000 each, below the attackers of others (600,000 and up)."""

    LFW = 100_000
    YTF = 110_000
    VGGFACE2 = 120_000
    CASIA_WEBFACE = 130_000
    MS_CELEB_1M = 140_000
    AFAD = 150_000
    CK_PLUS = 160_000
    OULU_CASIA = 170_000
    SFEW = 180_000
    FER2013 = 190_000
    CHALLENGE = 200_000
    GATE = 210_000


ROOM = 10_000


def check_subjects(subjects: int, *, least: int, most: int = ROOM, name: str) -> None:
    """Refuse a number of people that the layout of a set cannot hold.

    Raises:
        UsageError: fewer or more.
    """
    if not least <= subjects <= most:
        raise UsageError(
            expected=f"{least:,} to {most:,} subjects for {name}", came=f"{subjects:,}", remedy="ask for another number"
        )


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What all clips of one set have in common.

    Attributes:
        seed: of the set.
        preset: easy, paper or hard.
        size: side of a frame in pixels.
        crop_mm: what a frame shows, in mm at the face.
        encode: makes the files of a clip.
        motion: how its people move.
        seconds_between_frames: logical time from one to the next.
    """

    seed: int
    preset: str
    size: int
    crop_mm: float
    encode: Encode
    motion: Motion = Motion.STILL
    seconds_between_frames: float = 2.0

    def clip(
        self,
        person: int,
        files: Sequence[str],
        *,
        frames: int,
        subject: str,
        number: int = 0,
        expressions: tuple[tuple[Expression, float], ...] | None = None,
        group: str = "",
    ) -> PlannedClip:
        """Plan one clip.

        Args:
            person: number of the identity.
            files: what `encode` makes of it, relative to the root.
            frames: how many are drawn.
            subject: as the set's reader names the person.
            number: of the person's clip.
            expressions: with their intensities, one a frame; None: drawn.
            group: a column of the contact sheet.
        """
        spec = ClipSpec(
            root=self.seed,
            subject=person,
            species=DrawnSpecies.BONA_FIDE,
            clip=number,
            frames=frames,
            seconds_between_frames=self.seconds_between_frames,
            size=self.size,
            crop_mm=self.crop_mm,
            motion=self.motion,
            calm_seconds=0.0,
            background=True,
            expressions=expressions,
            modalities=(Modality.RGB,),
            preset=self.preset,
        )
        return PlannedClip(spec=spec, files=tuple(files), encode=self.encode, subject=subject, group=group)

    def portraits(self, person: int, files: Sequence[str], *, subject: str, group: str = "") -> list[PlannedClip]:
        """Plan the photographs of one person, a file each; arguments as for `clip`."""
        parts = [files[start : start + PHOTOGRAPHS_OF_A_CLIP] for start in range(0, len(files), PHOTOGRAPHS_OF_A_CLIP)]
        return [
            self.clip(person, part, frames=len(part), subject=subject, number=number, group=group)
            for number, part in enumerate(parts)
        ]


def photographs(clip: DrawnClip) -> list[bytes]:
    """Encode each frame as the drawn camera stores its stills: JPEG of the clip's own quality."""
    return [jpeg(frame, clip.jpeg_quality) for frame in clip.rgb]


def lossless(clip: DrawnClip) -> list[bytes]:
    """Encode each frame as PNG."""
    return [png(frame) for frame in clip.rgb]


def grey_photographs(clip: DrawnClip) -> list[bytes]:
    """Encode each frame as a JPEG of one grey channel."""
    return [_save(grey(frame), "JPEG", quality=90) for frame in clip.rgb]


def grey_lossless(clip: DrawnClip) -> list[bytes]:
    """Encode each frame as a PNG of one grey channel."""
    return [png(grey(frame)) for frame in clip.rgb]


def with_aligned(clip: DrawnClip) -> list[bytes]:
    """Encode each frame as JPEG, whole, and behind them the middle of each: the drawn crop follows the face."""
    side = clip.rgb.shape[1]
    edge = side // 5
    middles = [cv2.resize(frame[edge : side - edge, edge : side - edge], (side, side)) for frame in clip.rgb]
    return [*photographs(clip), *(jpeg(frame.astype(np.uint8), clip.jpeg_quality) for frame in middles)]


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn (H, W, 3) RGB into (H, W) luma (ITU-R BT.601)."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W) or (H, W, 3) losslessly."""
    return _save(pixels, "PNG")


def _save(pixels: NDArray[np.uint8], form: str, **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()
