"""FaceLiveNet at work: cuts faces out as facenet does, and tells who it is and what the face does in one pass."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.faces.alignment import refuse_other_faces
from countenance.faces.detection import Face
from countenance.networks.facelivenet import FaceLiveNet
from countenance.networks.inception_resnet_v1 import SIDE, cut_box
from countenance.vocabulary import Expression

_AT_ONCE = 32


class SeenFaces(NamedTuple):
    """What one pass tells of N faces.

    Attributes:
        templates: (N, D) float32 of length 1.
        probabilities: (N, E) float32, a column for each of the network's expressions.
    """

    templates: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class FaceLiveNetRecogniser:
    """A recogniser that reads expressions too.

    Args:
        network: as it was trained; it is put into inference mode.

    Attributes:
        expressions: in the order of the probabilities; none where the network has no second branch.
    """

    def __init__(self, network: FaceLiveNet) -> None:
        self._network = network.eval()
        self.expressions: tuple[Expression, ...] = network.expressions

    def cut(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        """Return the detector's box, 1.2 times as large, as (160, 160, 3) uint8 RGB; see `cut_box`."""
        return cut_box(image, face)

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return templates (N, D) of length 1 of faces (N, 160, 160, 3) uint8 RGB; branch 2 is left out.

        Raises:
            UsageError: another shape or type, or no face at all.
        """
        with torch.inference_mode():
            found = [torch.nn.functional.normalize(self._network.embed(part)) for part in _parts(faces)]
        return torch.cat(found).numpy()

    def see(self, faces: NDArray[np.uint8]) -> SeenFaces:
        """Return templates and expressions of faces (N, 160, 160, 3) uint8 RGB, the trunk run once.

        A network without a branch 2 gives probabilities (N, 0).

        Raises:
            UsageError: as `embed`.
        """
        with torch.inference_mode():
            found = [self._network(part) for part in _parts(faces)]
        return SeenFaces(
            torch.cat([each.features for each in found]).numpy(),
            torch.cat([each.logits for each in found]).softmax(1).numpy(),
        )


def _parts(faces: NDArray[np.uint8]) -> Iterator[Tensor]:
    refuse_other_faces(faces, SIDE)
    for start in range(0, len(faces), _AT_ONCE):
        part = np.ascontiguousarray(faces[start : start + _AT_ONCE])
        yield torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
