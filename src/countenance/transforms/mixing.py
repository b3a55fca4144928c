"""Pictures between two presentations, for a student that asks its teachers what each of them is.

L. Beyer, X. Zhai, A. Royer, L. Markeeva, R. Anil, A. Kolesnikov, Knowledge Distillation: A Good Teacher Is Patient and
Consistent, CVPR 2022: teacher and student see the very same picture, varied as far as pictures can be, since what is to
be matched is a function and no label. Blends are those of mixup (H. Zhang et al., ICLR 2018), pastes those of CutMix
(S. Yun et al., ICCV 2019); a paste may reach some sensors alone. None of them has a label of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.transforms.cropping import crop, draw_crop
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.planes import Planes, frame_size
from countenance.transforms.rectangle import Rectangle, draw_rectangle
from countenance.transforms.resizing import resize
from countenance.vocabulary import Modality

PASTE, BLEND, EXCHANGE, CUT = 0.3, 0.3, 0.1, 0.15  # chances of each; the rest stays as it is
MOST = 0.5  # of a blend is the other's
AREA = (0.05, 0.6)  # of a paste
ASPECT = (1 / 3, 3.0)
LEAST = 0.5  # of the frame is kept by a cut


@dataclass(frozen=True)
class Paste:
    """A part of the other presentation in place of one's own, in these sensors."""

    part: Rectangle
    sensors: tuple[Modality, ...]


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """What was drawn for one presentation and another.

    Attributes:
        share: of the other in every pixel.
        pastes: parts of the other.
        cut: the part of the frame that is kept and enlarged to the whole; None: all of it.
        flipped: left and right are exchanged in the end.
        other_flipped: and in the other before.
    """

    share: float = 0.0
    pastes: tuple[Paste, ...] = ()
    cut: Rectangle | None = None
    flipped: bool = False
    other_flipped: bool = False


def draw_mixture(generator: np.random.Generator, size: tuple[int, int], sensors: Sequence[Modality]) -> Mixture:
    """Draw a mixture of presentations whose frames have `size` (H, W), to these sensors."""
    share, pastes, cut = 0.0, [], None
    kind = generator.random()
    if kind < PASTE:
        for _ in range(1 + int(generator.random() < 0.4)):
            drawn = draw_rectangle(generator, size, area=AREA, aspect=ASPECT)
            some = generator.random(len(sensors)) < 0.6
            everywhere = generator.random() < 0.6 or not some.any()
            reached = tuple(sensor for sensor, takes in zip(sensors, some, strict=True) if everywhere or takes)
            if drawn is not None:
                pastes.append(Paste(drawn, reached))
    elif kind < PASTE + BLEND:
        share = float(generator.uniform(0, MOST))
    elif kind < PASTE + BLEND + EXCHANGE:
        pastes.append(Paste(Rectangle(0, 0, *size), (sensors[int(generator.integers(len(sensors)))],)))
    elif kind < PASTE + BLEND + EXCHANGE + CUT:
        cut = draw_crop(generator, size, area=(LEAST, 1.0))
    flipped, other_flipped = draw_flip(generator), draw_flip(generator)
    return Mixture(share=share, pastes=tuple(pastes), cut=cut, flipped=flipped, other_flipped=other_flipped)


def mix(planes: Planes, other: Planes, mixture: Mixture) -> dict[Modality, NDArray[np.uint8]]:
    """Return the planes of one presentation, changed as was drawn; the originals stay.

    Args:
        planes: (H, W, C) each.
        other: of the same sensors and size.
        mixture: what was drawn for this size.

    Raises:
        WrongModality: as for `planes.frame_size`.
        UsageError: the cut reaches outside the frame.
    """
    height, width = frame_size(planes)
    theirs = flip(other) if mixture.other_flipped else dict(other)
    seen = {sensor: plane.copy() for sensor, plane in planes.items()}
    if mixture.share:
        parts = round(256 * mixture.share)
        for sensor, plane in seen.items():
            whole = plane.astype(np.uint16) * (256 - parts) + theirs[sensor].astype(np.uint16) * parts
            seen[sensor] = (whole >> 8).astype(np.uint8)
    for paste in mixture.pastes:
        rows, columns = paste.part.rows, paste.part.columns
        for sensor in paste.sensors:
            seen[sensor][rows, columns] = theirs[sensor][rows, columns]
    if mixture.cut is not None:
        seen = resize(crop(seen, mixture.cut), height=height, width=width)
    return flip(seen) if mixture.flipped else seen
