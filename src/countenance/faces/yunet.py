"""YuNet, the face detector of the OpenCV zoo.

W. Wu, H. Peng, S. Yu, YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023,
https://doi.org/10.1007/s11633-023-1423-y. Network: face_detection_yunet_2023mar_int8bq.onnx.

OpenCV runs the file itself (`cv2.FaceDetectorYN`). Here ONNX Runtime does, which takes little more than half the time
and needs no lock, and what it puts out is read as OpenCV reads it: the same faces, to a ten-thousandth of a pixel. Its
weights are stored as blocks of int8, which are dequantised once.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from countenance.errors import DataError
from countenance.faces.detection import Face, mapped, rgb_image, shrunk
from countenance.files import existing_file

_STRIDES = (8, 16, 32)  # pixels of a cell
_PUT_OUT = ("cls", "obj", "bbox", "kps")  # of each stride: a face, an object, its box, its points
_OVERLAP = 0.3  # of two boxes, beyond which the surer face stands for both
_MOST = 5000  # faces
_ERRORS_ONLY = 3  # severity: ONNX Runtime's warnings go to stderr, which is ours


class YuNet:
    """Face detector; deterministic, and safe to share between threads.

    A photograph is searched at a longest side of `max_side`. When nothing is found there, it is searched once more at
    up to `second_side` for small faces, and once more shrunk, with a black margin of half its longest side, since the
    network misses faces that touch the border (LFW faces cut out at .7 of their box and enlarged to 1200 x 1200: the
    first search finds 27 of 100, this one all).

    Args:
        model: the ONNX file.
        threshold: least confidence. The subjects of the 7,042 LFW photographs of View 1 and folds 1 to 5 score at
            least .858; 600 pictures of blurred noise stay below .67 in all three searches.
        max_side: in pixels, of the first search.
        second_side: in pixels, of the search for small faces.

    Raises:
        MissingFile: no file is there.
        DataError: the file is another network, or none.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        threshold: float = 0.7,
        max_side: int = 640,
        second_side: int = 1920,
    ) -> None:
        path = existing_file(model, expected="the YuNet network")
        self._threshold, self._max_side, self._second_side = threshold, max_side, second_side
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(_readable(path), options, providers=["CPUExecutionProvider"])

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of an (H, W, 3) uint8 RGB image, the largest first.

        Raises:
            WrongModality: the image is not (H, W, 3) uint8.
        """
        faces = self._search(rgb_image(image), self._max_side)
        if not faces and max(image.shape[:2]) > self._max_side:
            faces = self._search(image, self._second_side)
        if not faces:
            faces = self._search(image, self._max_side // 2, padded=True)
        return faces

    def _search(self, image: NDArray[np.uint8], longest: int, *, padded: bool = False) -> list[Face]:
        small = shrunk(image, longest)
        scale = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        margin = max(small.shape[:2]) // 2 if padded else 0
        bgr: NDArray[Any] = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        if padded:
            bgr = cv2.copyMakeBorder(bgr, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
        # A row: x, y, width, height, then x, y of right eye, left eye, nose tip, right and left corner of the mouth
        # (the person's right, the image's left), then the confidence.
        found = [
            Face((x, y, w, h), np.array(points, np.float32).reshape(5, 2), confidence)
            for x, y, w, h, *points, confidence in self._rows(bgr).tolist()
        ]
        return mapped(found, scale=scale, margin=margin)

    def _rows(self, bgr: NDArray[Any]) -> NDArray[np.float32]:
        """Return (N, 15), the surest first, of (H, W, 3) BGR."""
        height, width = bgr.shape[:2]
        whole = cv2.copyMakeBorder(bgr, 0, -height % _STRIDES[-1], 0, -width % _STRIDES[-1], cv2.BORDER_CONSTANT)
        pixels = np.ascontiguousarray(whole.transpose(2, 0, 1)[None], np.float32)
        told = self._session.run([f"{name}_{stride}" for stride in _STRIDES for name in _PUT_OUT], {"input": pixels})
        parts = (told[len(_PUT_OUT) * place :][: len(_PUT_OUT)] for place in range(len(_STRIDES)))
        rows = np.concatenate(
            [
                self._cells(part, stride, columns=whole.shape[1] // stride)
                for part, stride in zip(parts, _STRIDES, strict=True)
            ]
        )
        if len(rows) < 2:
            return rows
        boxes = rows[:, :4].astype(np.int32).tolist()  # whole pixels, as OpenCV compares them
        kept = cv2.dnn.NMSBoxes(boxes, rows[:, 14].tolist(), self._threshold, _OVERLAP, top_k=_MOST)
        return rows[np.asarray(kept, np.int64).reshape(-1)]

    def _cells(self, told: list[NDArray[np.float32]], stride: int, *, columns: int) -> NDArray[np.float32]:
        """Return (N, 15) of the cells of one stride that show a face."""
        face, thing, box, points = (part[0] for part in told)
        sure = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(thing[:, 0], 0, 1))
        shown = np.flatnonzero(sure >= self._threshold)
        cell = np.stack([shown % columns, shown // columns], axis=1).astype(np.float32)  # (N, 2): x, y
        size = np.exp(box[shown, 2:]) * stride
        corner = (cell + box[shown, :2]) * stride - size / 2
        marks = (points[shown].reshape(-1, 5, 2) + cell[:, None]) * stride
        return np.concatenate([corner, size, marks.reshape(-1, 10), sure[shown, None]], axis=1, dtype=np.float32)


def _readable(path: Path) -> bytes:
    """Return the network of `path` with weights in float32, for pictures of any size.

    Raises:
        DataError: it is another one.
    """
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        graph, kept = model.graph, [node for node in model.graph.node if node.op_type != "DequantizeLinear"]
        graph.initializer.extend(_dequantised(model))
        del graph.node[:], graph.value_info[:]
        graph.node.extend(kept)
        (pixels,) = graph.input
        for place, name in ((2, "height"), (3, "width")):
            pixels.type.tensor_type.shape.dim[place].dim_param = name
        for out in graph.output:
            out.type.tensor_type.shape.dim[1].dim_param = f"cells of {out.name}"
        if {out.name for out in graph.output} != {f"{name}_{stride}" for name in _PUT_OUT for stride in _STRIDES}:
            raise ValueError("other outputs")
    except Exception as error:  # protobuf has its own errors, some of them private
        raise DataError(
            expected="the YuNet network as ONNX",
            came=f"another file at {path}",
            remedy="fetch it with countenance weights pull yunet",
        ) from error
    return bytes(model.SerializeToString())


def _dequantised(model: ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield (q - zero point) x scale of each weight, with a scale for each block along an axis."""
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            values, scales, zeros = (numpy_helper.to_array(known[name]) for name in node.input)
            axis, block = _option(node, "axis"), _option(node, "block_size")
            scales, zeros = (
                np.repeat(part, block, axis).take(range(values.shape[axis]), axis).astype(np.float32)
                for part in (scales, zeros)
            )
            yield numpy_helper.from_array((values.astype(np.float32) - zeros) * scales, node.output[0])


def _option(node: NodeProto, name: str) -> int:
    (value,) = (helper.get_attribute_value(option) for option in node.attribute if option.name == name)
    return int(value)
