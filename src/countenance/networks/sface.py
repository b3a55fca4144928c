"""SFace: the recogniser that shows the main path.

Zhong, Deng, Hu, Zhao, Li, Wen: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE
Transactions on Image Processing 30, 2021, https://arxiv.org/abs/2205.12010. The network is the MobileFaceNet-like one
that OpenCV Zoo publishes, in the edition whose weights are stored as blocks of int8; the arithmetic is float32.

OpenCV Zoo runs the file in OpenCV's own engine. ONNX Runtime refuses it as it is: every initialiser is listed as an
input of the graph too. We drop those inputs and free the batch of one, in memory; the file stays as published.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from countenance.errors import DataError, UsageError
from countenance.files import existing_file
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.record import MeasuredResult, NetworkRecord, Task
from countenance.vocabulary import Split

SIDE = 112
FEATURES = 128
_ERRORS_ONLY = 3  # severity: ONNX Runtime's warnings go to stderr, which is ours


class SFace:
    """The recogniser, ready to embed.

    Args:
        path: the published ONNX file.
        threads: processor threads for one call.

    Raises:
        MissingFile: no file is there.
        DataError: the file is no ONNX network with an input ``data``.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Dequantise the weights once, not at each call: 28 ms a face instead of 45 on one thread.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._session = onnxruntime.InferenceSession(
            _freed(existing_file(path, expected="the SFace network")), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of aligned faces.

        Args:
            faces: (N, 112, 112, 3) uint8 RGB, aligned to the five points of the ArcFace template.

        Returns:
            (N, 128) float32 of length 1.

        Raises:
            UsageError: another shape or type, or no face at all.
        """
        if faces.dtype != np.uint8 or faces.shape[1:] != (SIDE, SIDE, 3) or not len(faces):
            raise UsageError(
                expected=f"faces (N, {SIDE}, {SIDE}, 3) uint8, N at least 1",
                came=f"{faces.shape} {faces.dtype}",
                remedy="align each face first",
            )
        pixels = faces.transpose(0, 3, 1, 2).astype(np.float32)  # (N, 3, 112, 112), RGB 0-255; the graph centres them
        features = np.asarray(self._session.run(None, {"data": pixels})[0], dtype=np.float32)
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        return features


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


def _freed(path: Path) -> bytes:
    """Return the network of `path` with ``data`` as its only input and a batch of any size."""
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        (data,) = [value for value in model.graph.input if value.name == "data"]
    except Exception as error:  # protobuf has its own errors, some of them private
        raise DataError(
            expected=f"{path} to be the published SFace network",
            came=f"{type(error).__name__} when reading it",
            remedy="take the file from countenance weights pull sface",
        ) from error
    del model.graph.input[:]
    model.graph.input.append(data)
    del model.graph.value_info[:]  # the shapes in between were noted for a batch of one
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    return bytes(model.SerializeToString())


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
    results=(
        MeasuredResult(
            data="LFW View 2, fold 1: 600 pairs, points by YuNet",
            metric="accuracy at the best threshold",
            value=0.995,
            interval=(0.9855, 0.9990),  # Clopper-Pearson of 597 in 600
            command=_LFW_TEST,
        ),
        MeasuredResult(
            data="LFW View 2, fold 1: 600 pairs, points by YuNet",
            metric="AUC",
            value=0.9997,
            interval=None,
            command=_LFW_TEST,
        ),
        MeasuredResult(
            data="LFW View 2, folds 1 to 5: 3,000 pairs, points by YuNet",
            metric="mean accuracy, each fold at the threshold of the other four",
            value=0.99267,
            interval=(0.98892, 0.99540),  # Clopper-Pearson of 2,978 in 3,000
            command=_LFW_FOLDS,
        ),
        MeasuredResult(
            data="LFW View 2, folds 1 to 5: 1,500 non-mated pairs, points by YuNet",
            metric="FMR at the operating point",
            value=0.00067,
            interval=(0.00002, 0.00371),  # Clopper-Pearson of 1 in 1,500
            command=_LFW_FOLDS,
        ),
        MeasuredResult(
            data="LFW View 2, folds 1 to 5: 1,500 mated pairs, points by YuNet",
            metric="FNMR at the operating point",
            value=0.01667,
            interval=(0.01081, 0.02451),  # Clopper-Pearson of 25 in 1,500
            command=_LFW_FOLDS,
        ),
    ),
    # View 1 as the command above scores it: 1 of 1,600 non-mated pairs is accepted, and 1,580 of 1,600 mated ones.
    operating_point=OperatingPoint(value=0.3523, rule="fmr:0.001", split=Split.DEVELOPMENT),
)
