"""Real photographs, and where their faces are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.faces.detection import Face
from countenance.faces.yunet import YuNet
from countenance.images import read_image
from countenance.synthesis.scene import draw_clip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Motion
from countenance.vocabulary import Expression, Modality


@pytest.fixture(scope="session")
def photographs(real: Callable[[str], Path]) -> dict[str, NDArray[np.uint8]]:
    """Three people, one in each photograph of 480 x 640 (width x height)."""
    return {name: read_image(real(f"minifasnet/image_{name}.jpg")) for name in ("F1", "F2", "T1")}


@pytest.fixture(scope="session")
def marked() -> dict[str, NDArray[np.float64]]:
    """Pupils, nose tip and mouth corners in the photographs, marked by eye to a few pixels."""
    places = {
        "F1": [(228, 194), (303, 214), (226, 254), (206, 291), (262, 306)],
        "F2": [(198, 319), (301, 336), (236, 394), (191, 443), (265, 455)],
        "T1": [(197, 208), (267, 229), (232, 265), (182, 299), (236, 310)],
    }
    return {name: np.array(points, np.float64) for name, points in places.items()}


@pytest.fixture(scope="session")
def drawn_faces(pulled: Callable[[str], dict[str, Path]]) -> Callable[..., list[tuple[NDArray[np.uint8], Face, float]]]:
    """A function that draws a person at rest, a frame for each position of the lids: picture, found face, position."""
    detector = YuNet(pulled("yunet")["yunet"])

    def draw(person: int, *, lids: tuple[float, ...]) -> list[tuple[NDArray[np.uint8], Face, float]]:
        clip = draw_clip(
            ClipSpec(
                root=3,
                subject=person,
                species=DrawnSpecies.BONA_FIDE,
                clip=1,
                frames=len(lids),
                seconds_between_frames=0.01,
                size=320,
                crop_mm=300.0,
                motion=Motion.CALM,
                background=True,
                expressions=((Expression.NEUTRAL, 0.0),),
                lids=lids,
                modalities=(Modality.RGB,),
            )
        )
        return [(picture, detector.detect(picture)[0], lid) for picture, lid in zip(clip.rgb, lids, strict=True)]

    return draw
