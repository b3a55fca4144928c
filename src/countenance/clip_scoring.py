"""From the windows of a clip to its score: the mean of the windows' cosines to the bona fide class."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.errors import EmptyScores, UsageError
from countenance.loading.clip_windows import FRAMES
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.fewframe import FewFrameNetwork

BATCH = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class StatedClipNetwork:
    """A network of clips and what its card states.

    Attributes:
        name: how it was named.
        module: ready to judge.
        point: the threshold of a clip's score.
        label: of the data that it was trained on, such as "drawn data"; "" for real data.
    """

    name: str
    module: FewFrameNetwork
    point: OperatingPoint
    label: str


def places(frames: int) -> tuple[int, ...]:
    """Return which frames of a window a network of so many frames sees: evenly spread, the first and the last always.

    Raises:
        UsageError: a number that cannot be spread evenly over a window.

    >>> places(5), places(3), places(2)
    ((0, 1, 2, 3, 4), (0, 2, 4), (0, 4))
    """
    if not 2 <= frames <= FRAMES or (FRAMES - 1) % (frames - 1):
        raise UsageError(expected="2, 3 or 5 frames", came=str(frames), remedy="take one of these (Table II)")
    return tuple(range(0, FRAMES, (FRAMES - 1) // (frames - 1)))


def as_tensor(windows: NDArray[np.uint8], frames: int) -> Tensor:
    """Return what a network of `frames` frames is given of windows (N, 5, H, W, 3) uint8: (N, T, 3, H, W) in [0, 1].

    Raises:
        UsageError: as for `places`.
    """
    kept = np.ascontiguousarray(windows[:, list(places(frames))])
    return torch.from_numpy(kept).permute(0, 1, 4, 2, 3).float().div_(255)


def judge_windows(network: FewFrameNetwork, windows: NDArray[np.uint8], *, batch: int = BATCH) -> NDArray[np.float64]:
    """Return the cosine of each window to the representative vector of the bona fide class.

    Args:
        network: trained; put in evaluation mode.
        windows: (W, 5, side, side, 3) uint8 RGB.
        batch: windows in one call; it changes a score by rounding at most.

    Returns:
        (W,) from -1 to 1, high = bona fide.

    Raises:
        UsageError: windows of another shape, or no representative vector was set.
    """
    network.eval()
    device = network.representative.device
    scores = [np.empty(0)]
    with torch.inference_mode():
        for first in range(0, len(windows), batch):
            clips = as_tensor(windows[first : first + batch], network.frames).to(device)
            scores.append(network.score(clips).double().cpu().numpy())
    return np.concatenate(scores)


def clip_score(scores: NDArray[np.float64]) -> float:
    """Return the score of a clip: the mean over its windows.

    Raises:
        EmptyScores: no window.
    """
    if not len(scores):
        raise EmptyScores(expected="at least one window", came="none", remedy="judge a clip that shows a face")
    return float(scores.mean())
