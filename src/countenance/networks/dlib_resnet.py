"""dlib's recogniser: a residual network of 29 convolutions, from the form that is published for browsers.

D. E. King, Dlib-ml, JMLR 10, 2009; the network is `dnn_face_recognition_resnet_model_v1` of http://dlib.net
(https://github.com/davisking/dlib-models, CC0), as face-api.js quantised it to bytes: value = x * scale + min for each
tensor. It follows ResNet-34 (He et al., https://arxiv.org/abs/1512.03385) with fewer layers and half the filters.

What differs from other residual networks: a scale and a shift for each channel after every convolution, folded here; a
convolution that strides is not padded; where a block strides, the mean of 2 x 2 is the shortcut, the channels that it
lacks are zeros, and the smaller of the two maps is filled up with zeros at the right and at the bottom.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, pad, relu

from countenance.errors import DataError
from countenance.faces.alignment import refuse_other_faces, similarity
from countenance.faces.detection import Face, rgb_image
from countenance.files import existing_file
from countenance.networks.record import NetworkRecord, Task, lfw_fold_1

SIDE = 150
FEATURES = 128
MEAN: Final = (122.782, 117.001, 104.298)  # of RGB 0-255
SPREAD = 256.0
BLOCKS: Final = (  # name in the file, channels, whether it strides
    *((f"conv32_{number}", 32, False) for number in (1, 2, 3)),
    ("conv64_down", 64, True),
    *((f"conv64_{number}", 64, False) for number in (1, 2, 3)),
    ("conv128_down", 128, True),
    *((f"conv128_{number}", 128, False) for number in (1, 2)),
    ("conv256_down", 256, True),
    *((f"conv256_{number}", 256, False) for number in (1, 2)),
    ("conv256_down_out", 256, True),
)
# x, y of eye, eye, nose tip, mouth corner, mouth corner in a chip of 150: dlib's mean face of 68 points (the middle of
# six points for an eye) with a margin of a quarter of it on each side, made 1 / .92 larger and 2.6 pixels higher, for
# YuNet's points lie otherwise than dlib's own: chosen among seven on folds 1 and 2 of LFW.
TEMPLATE: Final = (
    (45.162, 41.493),
    (102.691, 41.493),
    (73.927, 74.062),
    (48.277, 102.823),
    (99.576, 102.823),
)


class Block(nn.Module):
    """Two convolutions of 3 x 3 beside a shortcut, then a rectifier.

    Args:
        ins: channels that come in.
        outs: channels that go out.
        strides: whether the maps get half as large.
    """

    def __init__(self, ins: int, outs: int, *, strides: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, 2 if strides else 1, padding=0 if strides else 1)
        self.conv2 = nn.Conv2d(outs, outs, 3, padding=1)
        self.strides = strides

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, outs, H', W') of maps (N, ins, H, W); H' is H, or H // 2."""
        change = self.conv2(relu(self.conv1(maps)))
        if not self.strides:
            return relu(change + maps)
        shortcut = avg_pool2d(maps, 2, 2)
        rows, columns = (shortcut.shape[axis] - change.shape[axis] for axis in (2, 3))
        change = pad(change, (0, columns, 0, rows))
        return relu(change + pad(shortcut, (0, 0, 0, 0, 0, change.shape[1] - shortcut.shape[1])))


class DlibResNet(nn.Module):
    """The network, its scales folded into its convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.opening = nn.Conv2d(3, 32, 7, 2)
        widths = (32, *(channels for _, channels, _ in BLOCKS))
        self.blocks = nn.Sequential(
            *(Block(ins, outs, strides=strides) for ins, (_, outs, strides) in zip(widths, BLOCKS, strict=False))
        )
        self.features = nn.Linear(widths[-1], FEATURES, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features (N, 128), of any length, of pixels (N, 3, 150, 150): RGB 0-255 less `MEAN`, over 256."""
        maps = max_pool2d(relu(self.opening(pixels)), 3, 2)  # 150 -> 72 -> 35
        features: Tensor = self.features(self.blocks(maps).mean((2, 3)))  # 35, 17, 8, 4, 2
        return features


def named_convolutions(network: DlibResNet) -> Iterator[tuple[str, nn.Conv2d]]:
    """Yield (name in the file, convolution) of every convolution."""
    yield "conv32_down", network.opening
    for (name, _, _), block in zip(BLOCKS, network.blocks, strict=True):
        assert isinstance(block, Block)
        yield f"{name}/conv1", block.conv1
        yield f"{name}/conv2", block.conv2


def read_tensors(weights: Path, manifest: Path) -> dict[str, NDArray[np.float32]]:
    """Read the tensors of the published pair of files.

    Args:
        weights: one tensor after the other, in bytes; those of a few are float32 as they are.
        manifest: JSON with the name, the shape and the scale of each.

    Raises:
        MissingFile: a file is not there.
        DataError: the manifest does not describe the bytes.
    """
    data = np.frombuffer(existing_file(weights, expected="the dlib network").read_bytes(), np.uint8)
    text = existing_file(manifest, expected="the manifest of the dlib network").read_bytes()
    tensors: dict[str, NDArray[np.float32]] = {}
    start = 0
    try:
        for entry in json.loads(text)[0]["weights"]:
            form = entry.get("quantization", {"dtype": entry["dtype"], "scale": 1.0, "min": 0.0})
            kind = _KINDS[form["dtype"]]
            part = data[start : start + math.prod(entry["shape"]) * kind.itemsize]
            values = part.view(kind).astype(np.float32) * np.float32(form["scale"]) + np.float32(form["min"])
            tensors[entry["name"]] = values.reshape(entry["shape"])
            start += part.size
        if start != data.size:
            raise ValueError(f"{data.size} bytes, {start} of them described")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            expected=f"{manifest} to describe the bytes of {weights}",
            came=f"{type(error).__name__}: {error}"[:120],
            remedy="take both files from countenance weights pull dlib_resnet",
        ) from error
    return tensors


def load(weights: Path, manifest: Path) -> DlibResNet:
    """Return the network with the published weights, frozen.

    Args:
        weights: as `read_tensors` takes them.
        manifest: likewise.

    Raises:
        MissingFile: a file is not there.
        DataError: the files hold another network.
    """
    tensors: dict[str, Any] = dict(read_tensors(weights, manifest))
    network = DlibResNet()
    try:
        for name, conv in named_convolutions(network):
            _fold(conv, {part: tensors.pop(f"{name}/{part}") for part in _PARTS})
        network.features.weight.data = _tensor(tensors.pop("fc").T, network.features.weight)
        if tensors:
            raise ValueError(f"{len(tensors)} tensors too many")
    except (KeyError, ValueError) as error:
        raise DataError(
            expected=f"{weights} to hold the weights of dlib's recogniser",
            came=f"another network: {error}"[:120],
            remedy="take both files from countenance weights pull dlib_resnet",
        ) from error
    return network.requires_grad_(requires_grad=False).eval()


class DlibRecogniser:
    """The recogniser, ready to embed.

    Args:
        weights: as `load` takes them.
        manifest: likewise.

    Raises:
        MissingFile, DataError: as `load` does.
    """

    def __init__(self, weights: Path, manifest: Path) -> None:
        self._network = load(weights, manifest)

    def cut(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        """Return the face with its five points at `TEMPLATE`, (150, 150, 3) uint8 RGB; see `cut_face`."""
        return cut_face(image, face)

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of faces.

        Args:
            faces: (N, 150, 150, 3) uint8 RGB, as `cut` returns them.

        Returns:
            (N, 128) float32 of length 1.

        Raises:
            UsageError: another shape or type, or no face at all.
        """
        refuse_other_faces(faces, SIDE)
        pixels = torch.from_numpy((faces.astype(np.float32) - np.array(MEAN, np.float32)) / np.float32(SPREAD))
        with torch.inference_mode():
            features = nn.functional.normalize(self._network(pixels.permute(0, 3, 1, 2)))
        return np.asarray(features.numpy(), np.float32)


def cut_face(image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Cut the face out upright, its five points as near to `TEMPLATE` as a similarity brings them.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: found in it.

    Returns:
        (150, 150, 3) uint8 RGB; black where the crop reaches outside the image.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
        NoFace: the points coincide or are not finite.
    """
    import cv2

    matrix = similarity(face.points, TEMPLATE)
    return np.asarray(cv2.warpAffine(rgb_image(image), matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)


_KINDS: Final[dict[str, np.dtype[Any]]] = {"uint8": np.dtype(np.uint8), "float32": np.dtype("<f4")}
_PARTS: Final = ("conv/filters", "conv/bias", "scale/weights", "scale/biases")


def _fold(conv: nn.Conv2d, parts: Mapping[str, NDArray[np.float32]]) -> None:
    """Set a convolution to itself times a scale plus a shift."""
    filters, bias, scale, shift = (parts[part].astype(np.float64) for part in _PARTS)  # (H, W, in, out), (out,) each
    assert conv.bias is not None
    conv.weight.data = _tensor((filters * scale).transpose(3, 2, 0, 1), conv.weight)
    conv.bias.data = _tensor(bias * scale + shift, conv.bias)


def _tensor(values: NDArray[Any], place: Tensor) -> Tensor:
    if values.shape != tuple(place.shape):
        raise ValueError(f"{values.shape} for {tuple(place.shape)}")
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


_LFW_FOLD = "countenance score dlib_resnet --data lfw:ROOT --folds 1 --out fold.csv && countenance evaluate fold.csv"

RECORD = NetworkRecord(
    name="dlib_resnet",
    task=Task.VERIFICATION,
    weights=("dlib_resnet",),
    parameters=5_614_592,
    inputs="aligned colour face, (N, 150, 150, 3) uint8",
    preprocessing="RGB 0-255; means subtracted, divided by 256, in the wrapper",
    polarity="high cosine = alike",
    licence_code="Apache-2.0",
    licence_weights="CC0 (dlib-models), quantised under MIT (face-api.js)",
    training_data="about 3 million faces of FaceScrub, VGG and the web, as dlib-models states",
    source="http://dlib.net, https://github.com/davisking/dlib-models, quantised by https://github.com/vladmandic/face-api",
    results=lfw_fold_1(594, 0.99936, _LFW_FOLD),
)
