"""FaceLiveNet as a recogniser: it cuts faces out as facenet does."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.faces.alignment import refuse_other_faces
from countenance.faces.detection import Face
from countenance.networks.facelivenet import FaceLiveNet
from countenance.networks.inception_resnet_v1 import SIDE, cut_box

_AT_ONCE = 32


class FaceLiveNetRecogniser:
    """Trunk and branch 1 of a network.

    Args:
        network: as it was trained; it is put into inference mode.
    """

    def __init__(self, network: FaceLiveNet) -> None:
        self.network = network.eval()

    def cut(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        """Return the detector's box, 1.2 times as large, as (160, 160, 3) uint8 RGB; see `cut_box`."""
        return cut_box(image, face)

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return templates (N, D) of length 1 of faces (N, 160, 160, 3) uint8 RGB; branch 2 is left out.

        Raises:
            UsageError: another shape or type, or no face at all.
        """
        with torch.inference_mode():
            found = [torch.nn.functional.normalize(self.network.embed(part)) for part in _parts(faces)]
        return torch.cat(found).numpy()


def _parts(faces: NDArray[np.uint8]) -> Iterator[Tensor]:
    refuse_other_faces(faces, SIDE)
    for start in range(0, len(faces), _AT_ONCE):
        part = np.ascontiguousarray(faces[start : start + _AT_ONCE])
        yield torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
