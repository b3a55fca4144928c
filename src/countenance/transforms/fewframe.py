"""The views of the few-frame system: a flip and an erased rectangle, the same in all frames of a clip.

K. Ito, A. Kimura, T. Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning from a Few
Frames of Face Video. The paper names the two and gives no numbers: here the probabilities are one half, and the
rectangle is that of random erasing's own paper.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.transforms.erasing import draw_erasing, erase
from countenance.transforms.flipping import draw_flip, flip
from countenance.transforms.planes import Planes
from countenance.transforms.rectangle import Rectangle
from countenance.vocabulary import Modality


@dataclass(frozen=True, kw_only=True)
class FewFrameView:
    """What was drawn for one clip.

    Attributes:
        flipped: left and right are exchanged.
        erased: the rectangle that is taken away, after the flip; None: none.
    """

    flipped: bool = False
    erased: Rectangle | None = None


def draw_view(generator: np.random.Generator, size: tuple[int, int]) -> FewFrameView:
    """Draw a view of frames of `size` (H, W) for training."""
    return FewFrameView(flipped=draw_flip(generator), erased=draw_erasing(generator, size))


def apply_view(planes: Planes, view: FewFrameView) -> dict[Modality, NDArray[np.uint8]]:
    """Return the planes of one clip, (T, H, W, C) each, as the network is trained on them.

    Raises:
        WrongModality: as for `planes.frame_size`.
    """
    seen = flip(planes) if view.flipped else dict(planes)
    return seen if view.erased is None else erase(seen, view.erased)
