"""The views of the multimodal system: training draws them, testing takes the middle.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019; code:
https://github.com/AlexanderParkin/ChaLearn_liveness_challenge. The paper speaks of flips alone; steps, order and
numbers are those of the options that the released networks were trained with. Geometry is shared by the three sensors,
colour is changed in RGB alone. Conversion and normalisation are the network's own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.transforms.colour_jitter import ColourJitter, JitterRange, draw_jitter, jitter
from countenance.transforms.cropping import crop, draw_crop, middle
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.grayscale import draw_grayscale, grayscale
from countenance.transforms.planes import Planes
from countenance.transforms.rectangle import Rectangle
from countenance.transforms.resizing import resize
from countenance.transforms.rotation import draw_rotation, rotate
from countenance.vocabulary import Modality

RESIZED = 125
SIDE = 112
WHOLE = Rectangle(0, 0, RESIZED, RESIZED)


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How far training pictures are varied.

    Attributes:
        most_degrees: of the rotation.
        least_area: of the crop, as a share of the frame.
        colours: of the jitter.
        jitter_probability: that there is one.
        gray_probability: that RGB loses its colour.
    """

    most_degrees: float
    least_area: float
    colours: JitterRange
    jitter_probability: float = 0.2
    gray_probability: float = 0.2


STRONG = Strength(
    most_degrees=45.0,
    least_area=0.2,
    colours=JitterRange(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25),
)
WEAK = Strength(  # the second stage
    most_degrees=30.0,
    least_area=0.5,
    colours=JitterRange(brightness=0.25, contrast=0.25, saturation=0.25, hue=0.125),
)


@dataclass(frozen=True, kw_only=True)
class MultimodalView:
    """What was drawn for one presentation.

    Attributes:
        degrees: of the rotation.
        part: of the `RESIZED` x `RESIZED` frame that is kept.
        flipped: left and right are exchanged.
        colours: of the jitter; None: none.
        gray: RGB loses its colour.
    """

    degrees: float = 0.0
    part: Rectangle = WHOLE
    flipped: bool = False
    colours: ColourJitter | None = None
    gray: bool = False


def draw_view(generator: np.random.Generator, strength: Strength = STRONG) -> MultimodalView:
    """Draw a view for training."""
    return MultimodalView(
        degrees=draw_rotation(generator, most_degrees=strength.most_degrees),
        part=draw_crop(generator, (RESIZED, RESIZED), area=(strength.least_area, 1.0)),
        flipped=draw_flip(generator),
        colours=draw_jitter(generator, strength.colours) if generator.random() < strength.jitter_probability else None,
        gray=draw_grayscale(generator, probability=strength.gray_probability),
    )


def apply_view(planes: Planes, view: MultimodalView) -> dict[Modality, NDArray[np.uint8]]:
    """Return the planes of one presentation as the network is trained on them.

    Args:
        planes: (..., H, W, C) each, at the size they were recorded at.
        view: what was drawn.

    Returns:
        (..., 112, 112, C) each.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """
    seen = rotate(planes, view.degrees)
    seen = resize(seen, height=RESIZED, width=RESIZED)
    seen = resize(crop(seen, view.part), height=SIDE, width=SIDE)
    if view.flipped:
        seen = flip(seen)
    if view.colours is not None:
        seen = jitter(seen, view.colours)
    return grayscale(seen) if view.gray else seen


def central_view(planes: Planes) -> dict[Modality, NDArray[np.uint8]]:
    """Return the planes of one presentation as the network is tested on them: resized to 125, the middle 112.

    Args:
        planes: (..., H, W, C) each.

    Returns:
        (..., 112, 112, C) each.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """
    return crop(resize(planes, height=RESIZED, width=RESIZED), middle((RESIZED, RESIZED), (SIDE, SIDE)))
