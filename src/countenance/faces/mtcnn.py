"""MTCNN, the detector that the face sets of the UAX and FaceLiveNet papers were cropped with.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao, Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks,
IEEE Signal Processing Letters 23(10), 2016, https://arxiv.org/abs/1604.02878. Official code (MATLAB, Caffe):
https://github.com/kpzhang93/MTCNN_face_detection_alignment. The weights are those of facenet-pytorch 2.6.0, converted
from David Sandberg's port: PReLU networks, RGB in (x - 127.5) / 128, and dense layers that read their feature map
column by column (MATLAB's order), hence the transpositions below.

Where a candidate reaches outside the image, the official code fills with black; facenet-pytorch stretches what is
inside over the whole crop, which moves the points of faces at the border. We fill with black.
"""

import os

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from countenance.errors import DataError
from countenance.faces.detection import Face, mapped, rgb_image, shrunk
from countenance.files import existing_file

_CELL, _STRIDE = 12, 2  # P-Net's receptive field and step, in pixels of a pyramid level
_BATCH = 512


class _PNet(nn.Module):
    """Proposals, fully convolutional (Fig. 2, left): (1, 3, H, W) -> face map and box offsets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(1), self.conv4_2(x)  # (1, 2, h, w), (1, 4, h, w)


class _RNet(nn.Module):
    """Refinement (Fig. 2, middle): (N, 3, 24, 24) -> face or not, box offsets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))  # (N, 64, 3, 3)
        x = self.prelu4(self.dense4(x.permute(0, 3, 2, 1).flatten(1)))
        return self.dense5_1(x).softmax(1), self.dense5_2(x)  # (N, 2), (N, 4)


class _ONet(nn.Module):
    """Output (Fig. 2, right): (N, 3, 48, 48) -> face or not, box offsets, five points."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))  # (N, 128, 3, 3)
        x = self.prelu5(self.dense5(x.permute(0, 3, 2, 1).flatten(1)))
        return self.dense6_1(x).softmax(1), self.dense6_2(x), self.dense6_3(x)  # (N, 2), (N, 4), (N, 10)


class Mtcnn:
    """The cascade of three networks; deterministic, without state, and safe to share between threads.

    Args:
        pnet: safetensors file of the proposal network.
        rnet: of the refinement network.
        onet: of the output network.
        thresholds: least confidence after each stage (official code).
        factor: step of the image pyramid (official code).
        minimum_size: smallest face in pixels (official code).
        max_side: a larger photograph is shrunk to this side first.

    Raises:
        MissingFile: no file is there.
        DataError: a file does not hold the network's tensors.
    """

    def __init__(
        self,
        pnet: str | os.PathLike[str],
        rnet: str | os.PathLike[str],
        onet: str | os.PathLike[str],
        *,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
        minimum_size: int = 20,
        max_side: int = 1280,
    ) -> None:
        self._pnet, self._rnet, self._onet = _loaded(_PNet(), pnet), _loaded(_RNet(), rnet), _loaded(_ONet(), onet)
        self._thresholds, self._factor = thresholds, factor
        self._minimum_size, self._max_side = minimum_size, max_side

    @torch.inference_mode()
    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of an (H, W, 3) uint8 RGB image, the largest first.

        Raises:
            WrongModality: the image is not (H, W, 3) uint8.
        """
        small = shrunk(rgb_image(image), self._max_side)
        boxes = self._propose(small)

        confidence, offsets = _judge(self._rnet, small, boxes, 24)
        passed = np.flatnonzero(confidence > self._thresholds[1])
        passed = passed[suppress(boxes[passed], confidence[passed], 0.7)]
        boxes = _squared(_regressed(boxes[passed], offsets[passed]))

        confidence, offsets, fractions = _judge(self._onet, small, boxes, 48)
        passed = np.flatnonzero(confidence > self._thresholds[2])
        boxes, confidence = boxes[passed] - 0.5, confidence[passed]  # from pixel corners to middles
        sides = boxes[:, 2:] - boxes[:, :2]
        fractions = fractions[passed].reshape(-1, 2, 5).swapaxes(1, 2)  # five x, then five y -> (N, 5, 2)
        points = boxes[:, None, :2] + fractions * sides[:, None]
        boxes = _regressed(boxes, offsets[passed])
        faces = [
            Face((x, y, right - x, bottom - y), points[k].astype(np.float32), float(confidence[k]))
            for k in suppress(boxes, confidence, 0.7, of_smaller=True)
            for x, y, right, bottom in [boxes[k].tolist()]
        ]
        return mapped(faces, scale=(image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]))

    def _propose(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Stage 1: P-Net over the image pyramid -> (N, 4) square boxes."""
        height, width = image.shape[:2]
        scale = _CELL / self._minimum_size
        found, scores = [np.empty((0, 4))], [np.empty(0)]
        while min(height, width) * scale >= _CELL:
            size = int(np.ceil(width * scale)), int(np.ceil(height * scale))
            level = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            faces, offsets = self._pnet(_normalised(level[None]))
            heat = faces[0, 1].numpy()  # (h, w)
            row, column = np.nonzero(heat >= self._thresholds[0])
            corner = _STRIDE * np.stack([column, row], 1)
            boxes = np.hstack([corner, corner + _CELL]) / scale
            confidence = heat[row, column]
            kept = suppress(boxes, confidence, 0.5)
            found.append(_regressed(boxes[kept], offsets[0].numpy()[:, row[kept], column[kept]].T))
            scores.append(confidence[kept])
            scale *= self._factor
        boxes = np.vstack(found)
        return _squared(boxes[suppress(boxes, np.concatenate(scores), 0.7)])


def suppress(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], threshold: float, *, of_smaller: bool = False
) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) left, top, right, bottom.
        scores: (N,), higher is better.
        threshold: a box goes when it overlaps a better one by more than this.
        of_smaller: overlap as a part of the smaller box, not of the union.

    Returns:
        Rows to keep, the best first.
    """
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(int(best))
        corner = np.maximum(boxes[best, :2], boxes[order, :2])
        shared = np.clip(np.minimum(boxes[best, 2:], boxes[order, 2:]) - corner, 0, None).prod(1)
        whole = np.minimum(areas[best], areas[order]) if of_smaller else areas[best] + areas[order] - shared
        order = order[shared <= threshold * whole]
    return kept


def _loaded(network: nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    file = existing_file(path, expected="a network of MTCNN")
    try:
        network.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(
            expected=f"the tensors of MTCNN's {type(network).__name__.lstrip('_')}",
            came=f"others in {file}",
            remedy="fetch them with countenance weights pull mtcnn",
        ) from error
    return network.eval()


def _normalised(crops: NDArray[np.uint8]) -> torch.Tensor:
    """(N, H, W, 3) -> (N, 3, H, W)."""
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 128


def _judge(
    network: nn.Module, image: NDArray[np.uint8], boxes: NDArray[np.float64], side: int
) -> list[NDArray[np.float32]]:
    """Cut the boxes out at side x side and run the network -> confidence (N,), offsets (N, 4), and points (N, 10)."""
    crops = np.empty((len(boxes), side, side, 3), np.uint8)
    for k, box in enumerate(boxes.round().astype(int).tolist()):
        crops[k] = cv2.resize(_cut(image, *box), (side, side), interpolation=cv2.INTER_AREA)
    outputs = [network(batch) for batch in torch.split(_normalised(crops), _BATCH)]
    faces, *others = (torch.cat(parts).numpy() for parts in zip(*outputs, strict=True))
    return [faces[:, 1], *others]


def _cut(image: NDArray[np.uint8], left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
    """Return that part of the image, at least one pixel large, black where it reaches outside."""
    crop = np.zeros((max(bottom - top, 1), max(right - left, 1), 3), np.uint8)
    inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    y, x = max(-top, 0), max(-left, 0)
    crop[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return crop


def _regressed(boxes: NDArray[np.float64], offsets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Move each edge by its offset, a part of the box's width or height."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes + offsets * np.hstack([sides, sides])


def _squared(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Widen the shorter side about the centre until each box is a square."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True) / 2
    return np.hstack([middle - half, middle + half])
