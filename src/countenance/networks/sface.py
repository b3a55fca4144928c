"""SFace: the recogniser that shows the main path.

Zhong, Deng, Hu, Zhao, Li, Wen: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE
Transactions on Image Processing 30, 2021, https://arxiv.org/abs/2205.12010. The network is the MobileFaceNet-like one
that OpenCV Zoo publishes, in the edition whose weights are stored as blocks of int8; the arithmetic is float32.

OpenCV Zoo runs the file in OpenCV's own engine. ONNX Runtime refuses it as it is: every initialiser is listed as an
input of the graph too; `AlignedRecogniser` drops them.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.aligned_recogniser import AlignedRecogniser, PublishedGraph
from countenance.networks.record import NetworkRecord, Task, lfw_fold_1, lfw_folds
from countenance.vocabulary import Split

SIDE = 112
FEATURES = 128
GRAPH = PublishedGraph(name="sface", title="SFace", data="data")  # RGB 0-255; the graph centres them


class SFace(AlignedRecogniser):
    """The recogniser, ready to embed: (N, 112, 112, 3) to (N, 128).

    Args:
        path: the published ONNX file.
        threads: processor threads for one call.

    Raises:
        MissingFile: no file is there.
        DataError: the file is no ONNX network with an input ``data``.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        super().__init__(path, GRAPH, threads=threads)


def similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of features of length 1; 1 is alike.

    Args:
        a: (..., 128).
        b: (..., 128), of a shape that goes with `a`.

    Returns:
        (...) in [-1, 1].

    >>> one = np.eye(2, 128, dtype=np.float32)
    >>> similarity(one, one[0]).tolist()
    [1.0, 0.0]
    """
    return np.asarray(np.clip(np.sum(a * b, axis=-1), -1, 1), dtype=np.float32)


_LFW_TEST = "pytest tests/networks/test_sface.py -k lfw"
_LFW_FOLDS = (
    "countenance score sface --data lfw:ROOT --split view1 --out view1.csv && "
    "countenance score sface --data lfw:ROOT --folds 1-5 --out view2.csv && "
    "countenance evaluate view2.csv --development view1.csv --rule fmr:0.001"
)

RECORD = NetworkRecord(
    name="sface",
    task=Task.VERIFICATION,
    weights=("sface",),
    parameters=9_642_880,
    inputs="aligned colour face, (N, 112, 112, 3) uint8",
    preprocessing="RGB 0-255; the network subtracts 127.5 and divides by 128 itself",
    polarity="high cosine = alike",
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0 (OpenCV Zoo)",
    training_data="unstated for this file; its paper trains on CASIA-WebFace, VGGFace2 and MS-Celeb-1M",
    source="https://arxiv.org/abs/2205.12010",
    results=lfw_fold_1(597, 0.9997, _LFW_TEST) + lfw_folds(2_978, 1, 25, _LFW_FOLDS),
    # View 1 as the command above scores it: 1 of 1,600 non-mated pairs is accepted, and 1,580 of 1,600 mated ones.
    operating_point=OperatingPoint(value=0.3523, rule="fmr:0.001", split=Split.DEVELOPMENT),
)
