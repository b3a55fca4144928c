"""YuNet, the face detector of the OpenCV zoo.

W. Wu, H. Peng, S. Yu, YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023,
https://doi.org/10.1007/s11633-023-1423-y. Network: face_detection_yunet_2023mar_int8bq.onnx, run by OpenCV.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.errors import DataError
from countenance.faces.detection import Face, mapped, rgb_image, shrunk
from countenance.files import existing_file

_LOG_LEVEL = threading.Lock()  # OpenCV's log level belongs to the process


class YuNet:
    """Face detector around `cv2.FaceDetectorYN`; deterministic, and safe to share between threads (one at a time).

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
        DataError: OpenCV cannot read the file.
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
        self._max_side, self._second_side = max_side, second_side
        self._lock = threading.Lock()
        try:
            with _quiet_opencv():
                self._network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), score_threshold=threshold)
        except cv2.error as error:
            raise DataError(
                expected="the YuNet network as ONNX",
                came=f"another file at {path}",
                remedy="fetch it with countenance weights pull yunet",
            ) from error

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
        bgr = cv2.copyMakeBorder(small[..., ::-1], margin, margin, margin, margin, cv2.BORDER_CONSTANT)
        with self._lock:  # the input size is kept in the network
            self._network.setInputSize((bgr.shape[1], bgr.shape[0]))
            _, rows = self._network.detect(bgr)
        if rows is None:
            return []
        # A row: x, y, width, height, then x, y of right eye, left eye, nose tip, right and left corner of the mouth
        # (the person's right, the image's left), then the confidence.
        found = [
            Face((x, y, w, h), np.array(points, np.float32).reshape(5, 2), confidence)
            for x, y, w, h, *points, confidence in rows.tolist()
        ]
        return mapped(found, scale=scale, margin=margin)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's warnings (5.0 has one for each network it makes) off stderr, and put its log level back."""
    log = cv2.utils.logging
    with _LOG_LEVEL:
        before = log.getLogLevel()
        log.setLogLevel(log.LOG_LEVEL_ERROR)
        try:
            yield
        finally:
            log.setLogLevel(before)
