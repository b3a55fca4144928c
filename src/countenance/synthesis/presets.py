"""How hard the drawn world is: three presets, each one frozen record of all its knobs.

`paper` gives the order of Table 5 of Parkin and Grinchuk 2019 at FPR 1e-2: colour, then infrared, then depth, and all
three together the best (docs/drawn-world.md). `easy` is for smoke tests and demonstrations, `hard` for networks that
find `paper` too easy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from countenance.errors import UsageError

Range = tuple[float, float]
"""The ends of a uniform distribution."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The knobs that decide how far an attack is from a bona fide presentation.

    Attributes:
        name: the word that a command line says.
        distance_mm: camera to face; noise of depth and infrared grows with it.
        ink_absorption: what cyan, magenta and yellow absorb at 860 nm.
        black_exponent: of the black that replaces grey in a print; lower keeps more of the face in infrared.
        laser_share: prints with carbon black, the others with dye, which infrared sees through.
        flash_share: photographs for prints that were lit from the camera, as the infrared projector does.
        infrared_wrap: how far light creeps round skin at 860 nm; higher flattens a live face.
        infrared_ambient: infrared light that is not the sensor's own, from all sides.
        infrared_key: the same from one direction, in `infrared_key_share` of the clips.
        infrared_key_share: clips with such a light.
        infrared_shot: of the infrared sensor, a factor on the variance of its noise.
        infrared_blur: sigma of its blur, pixels.
        drape_bent: how much of the wearer's relief a bent sheet takes on, at most.
        drape_flat: the same of a flat sheet.
        misalignment_mm: standard deviation of a cut print's seat on the wearer's face.
        disparity_noise: of the depth sensor, in pixels at an unlit surface.
        depth_waves: amplitude of the sensor's smooth error.
        depth_failure: share of frames, of both classes, in which the depth sensor fails.
        depth_levels_per_mm: of the 8-bit view.
    """

    name: str
    distance_mm: Range
    ink_absorption: Range
    black_exponent: Range
    laser_share: float
    flash_share: float
    infrared_wrap: Range
    infrared_ambient: Range
    infrared_key: Range
    infrared_key_share: float
    infrared_shot: Range
    infrared_blur: Range
    drape_bent: float
    drape_flat: float
    misalignment_mm: float
    disparity_noise: float
    depth_waves: Range
    depth_failure: float
    depth_levels_per_mm: float


EASY = Preset(
    name="easy",
    distance_mm=(430.0, 820.0),
    ink_absorption=(0.05, 0.05),
    black_exponent=(1.4, 1.4),
    laser_share=0.8,
    flash_share=0.0,
    infrared_wrap=(0.0, 0.0),
    infrared_ambient=(0.0, 0.10),
    infrared_key=(0.0, 0.15),
    infrared_key_share=1.0,
    infrared_shot=(0.5, 2.0),
    infrared_blur=(0.4, 0.9),
    drape_bent=0.0,
    drape_flat=0.0,
    misalignment_mm=2.4,
    disparity_noise=0.16,
    depth_waves=(0.0, 0.0),
    depth_failure=0.0,
    depth_levels_per_mm=2.0,
)
PAPER = Preset(
    name="paper",
    distance_mm=(450.0, 950.0),
    ink_absorption=(0.05, 0.30),
    black_exponent=(0.6, 1.1),
    laser_share=1.0,
    flash_share=0.7,
    infrared_wrap=(0.1, 0.8),
    infrared_ambient=(0.0, 0.40),
    infrared_key=(0.0, 0.6),
    infrared_key_share=0.5,
    infrared_shot=(1.0, 8.0),
    infrared_blur=(0.6, 1.6),
    drape_bent=0.55,
    drape_flat=0.18,
    misalignment_mm=2.4,
    disparity_noise=0.24,
    depth_waves=(0.2, 0.9),
    depth_failure=0.06,
    depth_levels_per_mm=1.2,
)
HARD = Preset(
    name="hard",
    distance_mm=(450.0, 1100.0),
    ink_absorption=(0.05, 0.30),
    black_exponent=(0.6, 1.1),
    laser_share=1.0,
    flash_share=0.7,
    infrared_wrap=(0.1, 0.8),
    infrared_ambient=(0.0, 0.40),
    infrared_key=(0.0, 0.6),
    infrared_key_share=0.5,
    infrared_shot=(1.0, 8.0),
    infrared_blur=(0.6, 1.6),
    drape_bent=0.85,
    drape_flat=0.40,
    misalignment_mm=2.0,
    disparity_noise=0.45,
    depth_waves=(0.2, 0.9),
    depth_failure=0.06,
    depth_levels_per_mm=1.2,
)
PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in (EASY, PAPER, HARD)})


def preset_named(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UsageError: there is none.

    >>> preset_named("paper").depth_failure
    0.06
    """
    if name not in PRESETS:
        raise UsageError(expected=f"a preset of {', '.join(PRESETS)}", came=repr(name), remedy="name one of these")
    return PRESETS[name]
