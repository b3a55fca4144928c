"""Golden vectors: pixels, and what the network in PyTorch says of them, which any other engine has to say too.

Pixels are drawn, people and attacks as the inputs show them, and two more that no camera sees: noise, and noise without
contrast. They are the same wherever they are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from countenance.errors import ParityError
from countenance.export.engines import Answers, Judge, Pixels
from countenance.synthesis.scene import DrawnClip, draw_clip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Motion
from countenance.vocabulary import Modality

LEAST: Final = 4  # vectors in a file
_PEOPLE = (1, 2)
_ATTACKER = 600_000
_SPECIES = (DrawnSpecies.BONA_FIDE, DrawnSpecies.EYES_NOSE_FLAT, DrawnSpecies.PRINT_MATTE)
_SECONDS = 0.1  # between frames
_TOLD_APART = 10  # times the tolerance: so much has to change when channels or inputs change places
_GREY, _CONTRAST = 77, 8  # of the noise that has next to none


@dataclass(frozen=True, kw_only=True)
class PixelInput:
    """One input of an exported network: bytes of pixels, channels last.

    Attributes:
        name: of the input in the file.
        modality: the sensor.
        shape: of one sample: (H, W, C), or (T, H, W, C) of frames; C is 3 of RGB, in this order, and 1 of others.
        cut: in words, how what is in it was cut.
        millimetres: side of the square that a golden vector shows at the face.
        surroundings: whether it shows a wall behind the person.
    """

    name: str
    modality: Modality
    shape: tuple[int, ...]
    cut: str
    millimetres: float = 176.0
    surroundings: bool = False


def golden_pixels(inputs: Sequence[PixelInput]) -> dict[str, NDArray[np.uint8]]:
    """Draw the golden vectors of these inputs: eight of each."""
    generator = np.random.default_rng(0)
    found = {}
    for each in inputs:
        drawn = [_shown(each, subject, species) for subject in _PEOPLE for species in _SPECIES]
        noise = generator.integers(0, 256, each.shape, dtype=np.uint8)
        found[each.name] = np.stack([*drawn, noise, np.asarray(_GREY + noise % _CONTRAST, np.uint8)])
    return found


def refuse_blind(inputs: Sequence[PixelInput], pixels: Pixels, judge: Judge, *, tolerance: float) -> None:
    """Refuse vectors by which blue, green, red would pass for red, green, blue, or one input for another.

    Args:
        inputs: of the network.
        pixels: the vectors.
        judge: the network in PyTorch.
        tolerance: of the comparison.

    Raises:
        ParityError: naming what would not be noticed.
    """
    right = judge(pixels)
    wrong = {
        f"the channels of {each.name} turned round": {**pixels, each.name: pixels[each.name][..., ::-1]}
        for each in inputs
        if each.shape[-1] > 1
    }
    for first, second in combinations(inputs, 2):
        if first.shape == second.shape:
            swapped = {first.name: pixels[second.name], second.name: pixels[first.name]}
            wrong[f"{first.name} in the place of {second.name}"] = {**pixels, **swapped}
    for words, given in wrong.items():
        if apart(right, judge(given)) <= _TOLD_APART * tolerance:
            raise ParityError(
                expected="golden vectors that tell every wrong order of channels and inputs",
                came=f"the same answers with {words}",
                remedy="export another network, or one that has learnt to look at them",
            )


def apart(first: Answers, second: Answers) -> float:
    """Return the largest difference of two answers, each over the largest number of the first where that is above 1."""
    return max(
        float(np.abs(values - second[name]).max()) / max(1.0, float(np.abs(values).max()))
        for name, values in first.items()
    )


def refuse_other_answers(golden: Answers, came: Answers, *, tolerance: float, scores: str | None) -> float:
    """Compare an engine's answers with the golden ones.

    Args:
        golden: of the network in PyTorch.
        came: of the engine.
        tolerance: how far they may be apart.
        scores: the output whose order has to hold: high = bona fide; None: there is none.

    Returns:
        How far they are apart; see `apart`.

    Raises:
        ParityError: they are further apart, in another order, of another shape, or not finite.
    """
    shapes = {name: values.shape for name, values in golden.items()}
    if (others := {name: values.shape for name, values in came.items()}) != shapes:
        _refuse(f"outputs {shapes}", f"{others}")
    if scores is not None and (turned := _turned(golden[scores][:, 0], came[scores][:, 0], tolerance)):
        _refuse(
            f"the order of the golden {scores}",
            f"{turned[0]} of {turned[1]} pairs the other way round" + _polarity(*turned),
        )
    found = apart(golden, came)
    if not found <= tolerance:  # so that a NaN is refused
        _refuse(f"the golden answers within {tolerance:g}", f"answers that are {found:.3g} away")
    return found


def _turned(golden: NDArray[np.float32], came: NDArray[np.float32], tolerance: float) -> tuple[int, int] | None:
    """How many pairs, of those that are further apart than the tolerance, stand in another order; None: no pair."""
    first, second = np.triu_indices(len(golden), 1)
    step = golden[first].astype(np.float64) - golden[second]
    kept = np.abs(step) > tolerance * max(1.0, float(np.abs(golden).max()))
    other = came[first].astype(np.float64) - came[second]
    wrong = int((kept & (np.sign(step) * other < 0)).sum())
    return (wrong, int(kept.sum())) if wrong else None


def _polarity(wrong: int, pairs: int) -> str:
    return ", as of a network whose polarity was turned round" if wrong == pairs else ""


def _refuse(expected: str, came: str) -> None:
    raise ParityError(expected=expected, came=came, remedy="export the network anew; this file gives no score")


def _shown(wanted: PixelInput, subject: int, species: DrawnSpecies) -> NDArray[np.uint8]:
    frames = wanted.shape[0] if len(wanted.shape) == 4 else 1
    clip = draw_clip(
        ClipSpec(
            root=0,
            subject=subject,
            species=species,
            clip=0,
            attacker=_ATTACKER if species.is_worn else None,
            frames=frames,
            seconds_between_frames=_SECONDS,
            size=wanted.shape[-2],
            crop_mm=wanted.millimetres,
            background=wanted.surroundings,
            motion=Motion.LIVELY if frames > 1 else Motion.STILL,
            calm_seconds=0,
        )
    )
    planes = _plane(clip, wanted.modality)
    return planes if len(wanted.shape) == 4 else planes[0]


def _plane(clip: DrawnClip, modality: Modality) -> NDArray[np.uint8]:
    """(T, H, W, C)."""
    if modality is Modality.RGB:
        return clip.rgb
    plane = clip.depth_view if modality is Modality.DEPTH else clip.infrared
    assert plane is not None
    return plane[..., None]
