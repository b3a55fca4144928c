"""MiniFASNet: presentation attack detection on one colour frame.

Source: minivision-ai, "Silent-Face-Anti-Spoofing", 2020, https://github.com/minivision-ai/Silent-Face-Anti-Spoofing;
a MobileFaceNet (Chen et al., CCBR 2018, https://arxiv.org/abs/1804.07573) whose channels were pruned one by one. The
Fourier branch that supervises its training is not part of the published networks.

Two networks look at the same face: V2 at a crop of 2.7 times its box, V1SE at one of 4.0 times, where the surroundings
show the edge of a sheet or a screen; the two softmax outputs are averaged. Of the three classes the authors state
only that class 1 is the bona fide one. That 0 and 2 are two kinds of attack (users of the networks take them for paper
and screen) is not documented and nothing here depends on it.

The official code gives the networks BGR from 0 to 255 and boxes of a RetinaFace detector rounded to whole pixels. Here
both are inside the module and `crop`; a box may have fractions. Another detector's boxes give other scores.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from countenance.errors import DataError, UsageError
from countenance.files import existing_file
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.record import NetworkRecord, Task

BONA_FIDE_CLASS = 1
CLASSES = 3
SIDE = 80
SCALE_V2 = 2.7
SCALE_V1SE = 4.0

Box = tuple[float, float, float, float]


def _conv(ins: int, outs: int, *, side: int = 1, stride: int = 1, groups: int = 1, prelu: bool = True) -> nn.Sequential:
    """Convolution, batch normalisation and, unless it is linear, a slope per channel."""
    padding = 1 if side == 3 else 0
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(ins, outs, side, stride, padding, groups=groups, bias=False), bn=nn.BatchNorm2d(outs)
    )
    if prelu:
        layers["prelu"] = nn.PReLU(outs)
    return nn.Sequential(layers)


class _Gate(nn.Module):
    """Squeeze and excitation (Hu et al., CVPR 2018), with normalised layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels // 4)
        self.fc2 = nn.Conv2d(channels // 4, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        squeezed = maps.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        excited = self.bn2(self.fc2(torch.relu(self.bn1(self.fc1(squeezed)))))
        return maps * torch.sigmoid(excited)


class _Bottleneck(nn.Module):
    """Widen, filter each channel, narrow; added to its input unless it halves the map."""

    def __init__(self, ins: int, width: int, outs: int, *, halves: bool, gated: bool = False) -> None:
        super().__init__()
        self.conv = _conv(ins, width)
        self.conv_dw = _conv(width, width, side=3, stride=2 if halves else 1, groups=width)
        self.project = _conv(width, outs, prelu=False)
        self.se_module = _Gate(outs) if gated else nn.Identity()
        self.halves = halves

    def forward(self, maps: Tensor) -> Tensor:
        change: Tensor = self.se_module(self.project(self.conv_dw(self.conv(maps))))
        return change if self.halves else maps + change


def _residuals(channels: int, widths: Sequence[int], *, gated: bool) -> nn.Sequential:
    """Bottlenecks in a row, of which the last one has a gate when `gated`."""
    last = len(widths) - 1
    blocks = [
        _Bottleneck(channels, width, channels, halves=False, gated=gated and place == last)
        for place, width in enumerate(widths)
    ]
    return nn.Sequential(OrderedDict(model=nn.Sequential(*blocks)))


class MiniFasNet(nn.Module):
    """One of the two networks.

    Module names are those of the published state dictionaries, which are loaded strictly.

    Args:
        stage_3, stage_4, stage_5: inner widths of the bottlenecks at 20x20, 10x10 and 5x5, as pruning left them.
        gated: whether the last bottleneck of each stage has a gate (the SE in V1SE).
        dropout: probability in training.
    """

    def __init__(
        self, *, stage_3: Sequence[int], stage_4: Sequence[int], stage_5: Sequence[int], gated: bool, dropout: float
    ) -> None:
        super().__init__()
        self.conv1 = _conv(3, 32, side=3, stride=2)
        self.conv2_dw = _conv(32, 32, side=3, groups=32)
        self.conv_23 = _Bottleneck(32, 103, 64, halves=True)
        self.conv_3 = _residuals(64, stage_3, gated=gated)
        self.conv_34 = _Bottleneck(64, 231, 128, halves=True)
        self.conv_4 = _residuals(128, stage_4, gated=gated)
        self.conv_45 = _Bottleneck(128, 308, 128, halves=True)
        self.conv_5 = _residuals(128, stage_5, gated=gated)
        self.conv_6_sep = _conv(128, 512)
        self.conv_6_dw = _conv(512, 512, side=5, groups=512, prelu=False)
        self.linear = nn.Linear(512, 128, bias=False)
        self.bn = nn.BatchNorm1d(128)
        self.dropout = nn.Dropout(dropout)
        self.prob = nn.Linear(128, 3, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, 3) of images (N, 3, 80, 80), RGB in [0, 1]; class 1 is bona fide."""
        maps = self.conv2_dw(self.conv1(images.flip(1) * 255))  # BGR 0-255 in; (N, 32, 40, 40)
        maps = self.conv_3(self.conv_23(maps))  # (N, 64, 20, 20)
        maps = self.conv_4(self.conv_34(maps))  # (N, 128, 10, 10)
        maps = self.conv_5(self.conv_45(maps))  # (N, 128, 5, 5)
        features = self.conv_6_dw(self.conv_6_sep(maps)).flatten(1)  # (N, 512)
        logits: Tensor = self.prob(self.dropout(self.bn(self.linear(features))))
        return logits


def build_v2() -> MiniFasNet:
    """Return an untrained MiniFASNetV2."""
    return MiniFasNet(
        stage_3=(13, 13, 13, 13), stage_4=(231, 52, 26, 77, 26, 26), stage_5=(26, 26), gated=False, dropout=0.2
    )


def build_v1se() -> MiniFasNet:
    """Return an untrained MiniFASNetV1SE."""
    return MiniFasNet(
        stage_3=(13, 26, 13, 52), stage_4=(154, 52, 26, 52, 26, 26), stage_5=(26, 26), gated=True, dropout=0.75
    )


def load(path: Path, build: Callable[[], MiniFasNet]) -> MiniFasNet:
    """Return the network that `build` makes, with the published weights of `path`, ready to judge.

    Args:
        path: safetensors file of the published state dictionary (names begin with ``module.``).
        build: `build_v2` or `build_v1se`.

    Raises:
        MissingFile: no file is there.
        DataError: the file holds another network's tensors, or is no safetensors file.
    """
    network = build()
    try:
        tensors = load_file(existing_file(path, expected="the weights of a MiniFASNet"))
        network.load_state_dict({name.removeprefix("module."): values for name, values in tensors.items()})
    except (SafetensorError, RuntimeError) as error:
        raise DataError(
            expected=f"{path} to hold the weights that {build.__name__} needs",
            came="other tensors or another format",
            remedy="take the file from countenance weights pull",
        ) from error
    return network.eval()


def crop(image: NDArray[np.uint8], box: Box, *, scale: float) -> NDArray[np.uint8]:
    """Cut the surroundings of a face as the networks were trained on them.

    The box grows about its centre, at most to the picture's size, is shifted inside the picture, loses its fractions,
    and what it holds (its last row and column included) is resized without keeping the aspect.

    Args:
        image: (H, W, 3) uint8.
        box: left, top, width and height of the face, in pixels.
        scale: how much larger than the box the crop is; `SCALE_V2` or `SCALE_V1SE`.

    Returns:
        (80, 80, 3) uint8.

    Raises:
        UsageError: the box has no area or is not finite.
    """
    left, top, width, height = box
    if not (np.isfinite(box).all() and width > 0 and height > 0):
        raise UsageError(
            expected="a box (left, top, width, height) with an area", came=f"{box}", remedy="take a detector's box"
        )
    rows, columns = image.shape[:2]
    factor = min(scale, (columns - 1) / width, (rows - 1) / height)
    first_column, last_column = _inside(left + width / 2, width * factor, columns - 1)
    first_row, last_row = _inside(top + height / 2, height * factor, rows - 1)
    window = image[first_row : last_row + 1, first_column : last_column + 1]
    return np.asarray(cv2.resize(window, (SIDE, SIDE)), dtype=np.uint8)


def _inside(centre: float, length: float, end: int) -> tuple[int, int]:
    """Return first and last pixel of `length` about `centre`, shifted into 0 to `end` and truncated."""
    first = centre - length / 2
    last = centre + length / 2
    if first < 0:
        first, last = 0.0, last - first
    if last > end:
        first, last = first - (last - end), float(end)
    return int(first), int(last)


@dataclass(frozen=True, kw_only=True)
class MiniFasNetPair:
    """The two published networks, asked together.

    Attributes:
        v2: looks at 2.7 times the box.
        v1se: looks at 4.0 times the box.
    """

    v2: MiniFasNet
    v1se: MiniFasNet

    def class_probabilities(self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> NDArray[np.float32]:
        """Return the softmax outputs of both networks.

        Args:
            images: N pictures (H, W, 3) uint8 RGB, of any sizes.
            boxes: the face in each: left, top, width and height.

        Returns:
            (2, N, 3): network (V2, V1SE), picture, class.

        Raises:
            UsageError: not as many boxes as pictures, none at all, or a box without an area.
        """
        if len(images) != len(boxes) or not images:
            raise UsageError(
                expected="one box for each picture, and one picture at least",
                came=f"{len(images)} pictures and {len(boxes)} boxes",
                remedy="detect a face in each picture first",
            )
        with torch.inference_mode():
            outputs = [
                network(_batch([crop(image, box, scale=scale) for image, box in zip(images, boxes, strict=True)]))
                for network, scale in ((self.v2, SCALE_V2), (self.v1se, SCALE_V1SE))
            ]
            return np.asarray(torch.softmax(torch.stack(outputs), dim=-1).numpy(), dtype=np.float32)

    def bona_fide_scores(self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> NDArray[np.float32]:
        """Return (N,) the probability of class 1, averaged over the networks; arguments as `class_probabilities`."""
        scores: NDArray[np.float32] = self.class_probabilities(images, boxes)[:, :, BONA_FIDE_CLASS].mean(axis=0)
        return scores

    def bona_fide_score(self, image: NDArray[np.uint8], box: Box) -> float:
        """Return the score of one face in one picture; 1 is bona fide, 0 an attack."""
        return float(self.bona_fide_scores([image], [box])[0])


def _batch(crops: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Return (N, 3, 80, 80) in [0, 1] of crops (80, 80, 3)."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def _record(
    *, name: str, weights: tuple[str, ...], parameters: int, inputs: str, point: OperatingPoint | None
) -> NetworkRecord:
    """Fill in what the three records share."""
    return NetworkRecord(
        name=name,
        task=Task.PRESENTATION_ATTACK_DETECTION,
        weights=weights,
        parameters=parameters,
        inputs=inputs,
        preprocessing="the module takes RGB in [0, 1] and turns it into BGR 0-255 itself; no mean is subtracted",
        polarity="high = bona fide (softmax of class 1 of 3)",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        training_data="unstated",
        source="https://github.com/minivision-ai/Silent-Face-Anti-Spoofing",
        operating_point=point,
    )


RECORD_V2 = _record(
    name="minifasnet-v2",
    weights=("minifasnet_v2",),
    parameters=434_560,
    inputs="colour crop of 2.7 times the face box, (N, 3, 80, 80)",
    point=None,
)
RECORD_V1SE = _record(
    name="minifasnet-v1se",
    weights=("minifasnet_v1se",),
    parameters=433_586,
    inputs="colour crop of 4.0 times the face box, (N, 3, 80, 80)",
    point=None,
)
RECORD = _record(
    name="minifasnet",
    weights=(*RECORD_V2.weights, *RECORD_V1SE.weights),
    parameters=RECORD_V2.parameters + RECORD_V1SE.parameters,
    inputs="colour crops of 2.7 and 4.0 times the face box, 2 x (N, 3, 80, 80)",
    point=OperatingPoint(value=0.5, rule="vendor 0.5", split=None),
)
