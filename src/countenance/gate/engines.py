"""Networks of a gate as ONNX Runtime runs them: the same answers as PyTorch's modules, in a fraction of their time.

A gate asks a FaceLiveNet twice about a frame, who it is and what the face shows; one pass answers both. Sessions of
ONNX Runtime may be shared between threads, and let go of the interpreter while they compute.
"""

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.export.engines import onnx_session
from countenance.export.facelivenet import FACES, TEMPLATES, facelivenet_onnx
from countenance.export.facelivenet import PROBABILITIES as EXPRESSED
from countenance.export.minifasnet import CROPS, PROBABILITIES, minifasnet_onnx
from countenance.faces.alignment import refuse_other_faces
from countenance.faces.detection import Face
from countenance.networks.facelivenet import FaceLiveNet
from countenance.networks.inception_resnet_v1 import SIDE, cut_box
from countenance.networks.minifasnet import BONA_FIDE_CLASS, SCALE_V1SE, SCALE_V2, Box, MiniFasNetPair, crop
from countenance.vocabulary import Expression


class FaceLiveNetEngine:
    """A FaceLiveNet that knows faces, and reads those of which it tells expressions.

    Args:
        network: any.
        threads: processor threads for one call.
    """

    def __init__(self, network: FaceLiveNet, *, threads: int = 1) -> None:
        self._session = onnx_session(facelivenet_onnx(network), threads)
        self._expressions = network.expressions
        self._newest = threading.local()  # a thread asks both of one face, one after the other

    def cut(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        """Return the detector's box, 1.2 times as large, as (160, 160, 3) uint8 RGB; see `cut_box`."""
        return cut_box(image, face)

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return templates (N, D) of length 1 of faces (N, 160, 160, 3) uint8 RGB.

        Raises:
            UsageError: another shape or type, or no face at all.
        """
        return self._judged(faces)[0]

    def read(self, image: NDArray[np.uint8], face: Face) -> Mapping[Expression, float]:
        """Return the probability of each expression.

        Raises:
            UsageError: the network tells none.
        """
        if not self._expressions:
            raise UsageError(expected="a network with expressions", came="one without", remedy="name another one")
        cut = cut_box(image, face)[None]
        newest = getattr(self._newest, "judged", None)
        found = newest[1] if newest is not None and np.array_equal(newest[0], cut) else self._judged(cut)
        return dict(zip(self._expressions, found[1][0].astype(np.float64).tolist(), strict=True))

    def _judged(self, faces: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        refuse_other_faces(faces, SIDE)
        outputs = [TEMPLATES, EXPRESSED] if self._expressions else [TEMPLATES]
        found: list[NDArray[np.float32]] = self._session.run(outputs, {FACES: np.ascontiguousarray(faces)})
        self._newest.judged = (faces, found)
        return found


class MiniFasNetEngine:
    """The pair of published MiniFASNets.

    Args:
        pair: of them.
        threads: processor threads for one call.
    """

    def __init__(self, pair: MiniFasNetPair, *, threads: int = 1) -> None:
        self._asked = [
            (onnx_session(minifasnet_onnx(network), threads), scale)
            for network, scale in ((pair.v2, SCALE_V2), (pair.v1se, SCALE_V1SE))
        ]

    def bona_fide_score(self, image: NDArray[np.uint8], box: Box) -> float:
        """Return the probability that one face is bona fide, the mean of both networks; see `MiniFasNetPair`.

        Raises:
            UsageError: the box has no area.
        """
        told = [
            session.run([PROBABILITIES], {CROPS: crop(image, box, scale=scale)[None]})[0][0, BONA_FIDE_CLASS]
            for session, scale in self._asked
        ]
        return float(np.mean(told))
