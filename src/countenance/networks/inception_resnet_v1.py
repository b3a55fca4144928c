"""Inception-ResNet-v1, and FaceNet: the released recogniser that is one.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning, AAAI 2017, https://arxiv.org/abs/1602.07261, Figs. 10 to 15; F. Schroff, D. Kalenichenko, J. Philbin, FaceNet,
CVPR 2015, https://arxiv.org/abs/1503.03832. The widths are those of https://github.com/davidsandberg/facenet: its two
reductions and its last blocks are wider than the paper's, its normalisation has a shift and no scale, a sixth block 8
has no rectifier behind it, and a linear map to 128 features, normalised likewise, ends it.

The weights are davidsandberg's of MS-Celeb-1M as a Keras file, whose layers are `named_layers` here, one by one.
Blocks, reductions and stem are described by their layers, so that a network of other widths is built of the same parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from countenance.errors import DataError, NoFace
from countenance.faces.alignment import refuse_other_faces
from countenance.faces.detection import Face, rgb_image
from countenance.files import existing_file
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.record import NetworkRecord, Task, counted, lfw_fold_1
from countenance.transforms.resizing import resized
from countenance.vocabulary import Split

SIDE = 160
FEATURES = 128
MARGIN = 1.2
"""Side of what is cut out over that of the detector's box."""
DROPOUT = 0.2  # davidsandberg keeps .8
_EPSILON = 1e-3  # of the normalisation, in TensorFlow
_MOMENTUM = 0.005  # 1 - .995: PyTorch weighs the new value
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution without a bias, normalised and rectified.

    Attributes:
        channels: that go out.
        kernel: height and width.
        stride: both ways.
        padded: so that a stride of 1 keeps the size.
    """

    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


Branch = tuple[Layer, ...]

# Fig. 14, with davidsandberg's last stride in the place of a second pooling. None: the largest of 3 x 3, stride 2.
STEM: Final[tuple[Layer | None, ...]] = (
    Layer(channels=32, kernel=(3, 3), stride=2, padded=False),  # 160 -> 79
    Layer(channels=32, kernel=(3, 3), padded=False),  # 77
    Layer(channels=64, kernel=(3, 3)),
    None,  # 38
    Layer(channels=80),
    Layer(channels=192, kernel=(3, 3), padded=False),  # 36
    Layer(channels=256, kernel=(3, 3), stride=2, padded=False),  # 17
)
BLOCK_35: Final[tuple[Branch, ...]] = (  # Fig. 10
    (Layer(channels=32),),
    (Layer(channels=32), Layer(channels=32, kernel=(3, 3))),
    (Layer(channels=32), Layer(channels=32, kernel=(3, 3)), Layer(channels=32, kernel=(3, 3))),
)
BLOCK_17: Final[tuple[Branch, ...]] = (  # Fig. 11
    (Layer(channels=128),),
    (Layer(channels=128), Layer(channels=128, kernel=(1, 7)), Layer(channels=128, kernel=(7, 1))),
)
BLOCK_8: Final[tuple[Branch, ...]] = (  # Fig. 13
    (Layer(channels=192),),
    (Layer(channels=192), Layer(channels=192, kernel=(1, 3)), Layer(channels=192, kernel=(3, 1))),
)
REDUCTION_A: Final[tuple[Branch, ...]] = (  # Fig. 7 with k, l, m, n = 192, 192, 256, 384; 17 -> 8
    (Layer(channels=384, kernel=(3, 3), stride=2, padded=False),),
    (
        Layer(channels=192),
        Layer(channels=192, kernel=(3, 3)),
        Layer(channels=256, kernel=(3, 3), stride=2, padded=False),
    ),
)
REDUCTION_B: Final[tuple[Branch, ...]] = (  # Fig. 12; 8 -> 3
    (Layer(channels=256), Layer(channels=384, kernel=(3, 3), stride=2, padded=False)),
    (Layer(channels=256), Layer(channels=256, kernel=(3, 3), stride=2, padded=False)),
    (
        Layer(channels=256),
        Layer(channels=256, kernel=(3, 3)),
        Layer(channels=256, kernel=(3, 3), stride=2, padded=False),
    ),
)
# Section 3.3: residuals are scaled down, lest training dies.
SCALE_35, SCALE_17, SCALE_8 = 0.17, 0.10, 0.20


class ShiftedNorm(nn.BatchNorm2d):
    """Batch normalisation with a shift and no scale: TensorFlow's with ``scale=False``."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=_EPSILON, momentum=_MOMENTUM, affine=False)
        self.bias = nn.Parameter(torch.zeros(channels))


class Convolution(nn.Module):
    """One `Layer`.

    Args:
        ins: channels that come in.
        layer: what it is.
    """

    def __init__(self, ins: int, layer: Layer) -> None:
        super().__init__()
        height, width = layer.kernel
        padding = (height // 2, width // 2) if layer.padded else 0
        self.layer = layer
        self.conv = nn.Conv2d(ins, layer.channels, layer.kernel, layer.stride, padding, bias=False)
        self.norm: nn.Module = ShiftedNorm(layer.channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, channels, H', W') of maps (N, ins, H, W)."""
        return torch.relu(self.norm(self.conv(maps)))


class Residual(nn.Module):
    """Branches side by side, led back to the width of what came in, scaled and added to it.

    Args:
        channels: that come in and go out.
        branches: such as `BLOCK_35`.
        scale: of what is added.
        rectified: whether the sum is.
    """

    def __init__(self, channels: int, branches: Sequence[Branch], *, scale: float, rectified: bool = True) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_row(channels, branch) for branch in branches)
        self.lead_back = nn.Conv2d(sum(branch[-1].channels for branch in branches), channels, 1)
        self.scale, self.rectified = scale, rectified

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape (N, channels, H, W)."""
        side_by_side = torch.cat([branch(maps) for branch in self.branches], 1)
        total = torch.add(maps, self.lead_back(side_by_side), alpha=self.scale)
        return torch.relu(total) if self.rectified else total


class Reduction(nn.Module):
    """Branches side by side that end with a stride of 2, and the largest of 3 x 3 beside them.

    Args:
        ins: channels that come in.
        branches: such as `REDUCTION_A`.
    """

    def __init__(self, ins: int, branches: Sequence[Branch]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_row(ins, branch) for branch in branches)
        self.pool = nn.MaxPool2d(3, 2)
        self.channels = ins + sum(branch[-1].channels for branch in branches)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (N, channels, (H - 1) // 2, (W - 1) // 2) of maps (N, ins, H, W)."""
        return torch.cat([*(branch(maps) for branch in self.branches), self.pool(maps)], 1)


class InceptionResnetV1(nn.Module):
    """The network with davidsandberg's widths: 5, 10 and 6 blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = build_stem(3, STEM)
        self.blocks_35 = nn.Sequential(*(Residual(256, BLOCK_35, scale=SCALE_35) for _ in range(5)))
        self.reduction_a = Reduction(256, REDUCTION_A)
        middle = self.reduction_a.channels  # 896
        self.blocks_17 = nn.Sequential(*(Residual(middle, BLOCK_17, scale=SCALE_17) for _ in range(10)))
        self.reduction_b = Reduction(middle, REDUCTION_B)
        top = self.reduction_b.channels  # 1,792
        self.blocks_8 = nn.Sequential(
            *(Residual(top, BLOCK_8, scale=SCALE_8) for _ in range(5)),
            Residual(top, BLOCK_8, scale=1.0, rectified=False),
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.bottleneck = nn.Conv2d(top, FEATURES, 1, bias=False)  # a linear map of the mean over the place
        self.norm: nn.Module = ShiftedNorm(FEATURES)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, 128), of any length, of images (N, 3, 160, 160), RGB in [0, 1]."""
        maps = self.blocks_35(self.stem(whitened(images)))  # (N, 256, 17, 17)
        maps = self.blocks_17(self.reduction_a(maps))  # (N, 896, 8, 8)
        maps = self.blocks_8(self.reduction_b(maps))  # (N, 1792, 3, 3)
        pooled = self.dropout(maps.mean((2, 3), keepdim=True))
        features: Tensor = self.norm(self.bottleneck(pooled))
        return features.flatten(1)


def build_stem(ins: int, layers: Sequence[Layer | None]) -> nn.Sequential:
    """Return layers in a row; None is the largest of 3 x 3 at a stride of 2."""
    modules: list[nn.Module] = []
    for layer in layers:
        if layer is None:
            modules.append(nn.MaxPool2d(3, 2))
        else:
            modules.append(Convolution(ins, layer))
            ins = layer.channels
    return nn.Sequential(*modules)


def whitened(images: Tensor) -> Tensor:
    """Return each image minus its mean, over its standard deviation, both over all pixels and channels.

    The deviation is held above 1 / sqrt(C H W) grey levels, as `transforms.standardisation` does it for bytes.

    Args:
        images: (N, C, H, W) in [0, 1].
    """
    values = images * 255
    centred = values - values.mean((1, 2, 3), keepdim=True)
    deviation = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
    return centred / deviation.clamp(min=float(np.prod(images.shape[1:])) ** -0.5)


def named_layers(network: InceptionResnetV1) -> Iterator[tuple[str, nn.Conv2d, nn.Module | None]]:
    """Yield (name in the Keras file, convolution, normalisation or None) of every layer."""
    stem = (part for part in network.stem if isinstance(part, Convolution))
    for name, part in zip(("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3", "4b_3x3"), stem, strict=True):
        yield f"Conv2d_{name}", part.conv, part.norm
    for kind, blocks in (("35", network.blocks_35), ("17", network.blocks_17), ("8", network.blocks_8)):
        for number, block in enumerate(blocks, start=1):
            assert isinstance(block, Residual)
            yield from _branch_layers(f"Block{kind}_{number}", block.branches)
            yield f"Block{kind}_{number}_Conv2d_1x1", block.lead_back, None
    yield from _branch_layers("Mixed_6a", network.reduction_a.branches)
    yield from _branch_layers("Mixed_7a", network.reduction_b.branches)
    yield "Bottleneck", network.bottleneck, network.norm


def load(path: Path) -> InceptionResnetV1:
    """Return the network with the published weights of `path`, ready to judge.

    Args:
        path: safetensors file of the published Keras file: names are those of `named_layers` with ``/kernel``,
            ``/bias``, and of the normalisation ``_BatchNorm/beta``, ``/moving_mean``, ``/moving_variance``.

    Raises:
        MissingFile: no file is there.
        DataError: the file holds another network's tensors, or is no safetensors file.
    """
    network = InceptionResnetV1()
    try:
        tensors = load_file(existing_file(path, expected="the FaceNet network"))
        with torch.no_grad():
            for name, conv, norm in named_layers(network):
                kernel = tensors.pop(f"{name}/kernel")  # (H, W, in, out), of the linear map (in, out)
                turned = kernel.T[..., None, None] if kernel.ndim == 2 else kernel.transpose(3, 2, 0, 1)
                _take(conv.weight, turned)
                if conv.bias is not None:
                    _take(conv.bias, tensors.pop(f"{name}/bias"))
                if isinstance(norm, ShiftedNorm):
                    assert norm.running_mean is not None
                    assert norm.running_var is not None
                    _take(norm.bias, tensors.pop(f"{name}_BatchNorm/beta"))
                    _take(norm.running_mean, tensors.pop(f"{name}_BatchNorm/moving_mean"))
                    _take(norm.running_var, tensors.pop(f"{name}_BatchNorm/moving_variance"))
        if tensors:
            raise ValueError(f"{len(tensors)} tensors too many")
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            expected=f"{path} to hold the weights of FaceNet",
            came="other tensors or another format",
            remedy="take the file from countenance weights pull facenet",
        ) from error
    return network.eval()


def fused(network: _Network) -> _Network:
    """Fold the normalisation of every `Convolution` into it; the network judges as before, faster.

    Args:
        network: such as `InceptionResnetV1` or a FaceLiveNet. It is changed in place and can no longer be trained.
    """
    network.eval()
    for part in network.modules():
        if isinstance(part, Convolution) and isinstance(part.norm, ShiftedNorm):
            part.conv, part.norm = fuse_conv_bn_eval(part.conv, part.norm), nn.Identity()
    return network.requires_grad_(requires_grad=False)


class FaceNet:
    """The recogniser, ready to embed.

    Args:
        path: the weights, as `load` takes them.

    Raises:
        MissingFile, DataError: as `load` does.
    """

    def __init__(self, path: Path) -> None:
        self._network = fused(load(path))

    def cut(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
        """Return the detector's box, 1.2 times as large, as (160, 160, 3) uint8 RGB; see `cut_box`."""
        return cut_box(image, face)

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of faces.

        Args:
            faces: (N, 160, 160, 3) uint8 RGB, as `cut` returns them.

        Returns:
            (N, 128) float32 of length 1.

        Raises:
            UsageError: another shape or type, or no face at all.
        """
        refuse_other_faces(faces, SIDE)
        pixels = torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            features: NDArray[np.float32] = nn.functional.normalize(self._network(pixels)).numpy()
        return features


def cut_box(image: NDArray[np.uint8], face: Face, *, margin: float = MARGIN, side: int = SIDE) -> NDArray[np.uint8]:
    """Cut out a face's box, made larger about its centre and cut at the picture's edge; its aspect is not kept.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: found in it.
        margin: side of what is cut out over that of the box.
        side: of what is returned, in pixels.

    Returns:
        (side, side, 3) uint8 RGB.

    Raises:
        WrongModality: the image is not (H, W, 3) uint8.
        NoFace: nothing of the box is in the image.
    """
    left, top, width, height = face.box
    rows, columns = rgb_image(image).shape[:2]
    across = _span(left + width / 2, width * margin, columns)
    down = _span(top + height / 2, height * margin, rows)
    part = image[down, across]
    if not part.size:
        raise NoFace(expected="a box with a part of the image in it", came=f"{face.box}", remedy="detect again")
    return np.asarray(resized(part[None], height=side, width=side)[0])


def _row(ins: int, branch: Branch) -> nn.Sequential:
    widths = (ins, *(layer.channels for layer in branch))
    return nn.Sequential(*(Convolution(before, layer) for before, layer in zip(widths, branch, strict=False)))


def _branch_layers(block: str, branches: nn.ModuleList) -> Iterator[tuple[str, nn.Conv2d, nn.Module]]:
    for number, branch in enumerate(branches):
        assert isinstance(branch, nn.Sequential)
        for place, part in enumerate(branch):
            assert isinstance(part, Convolution)
            kernel = "x".join(str(length) for length in part.layer.kernel)
            letter = "" if len(branch) == 1 else f"0{'abc'[place]}_"
            yield (
                f"{block}_Branch_{number}_Conv2d_{'1a_' if part.layer.stride == 2 else letter}{kernel}",
                part.conv,
                part.norm,
            )


def _take(place: Tensor, values: NDArray[np.float32]) -> None:
    if tuple(place.shape) != values.shape:
        raise ValueError(f"{values.shape} for {tuple(place.shape)}")
    place.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def _span(centre: float, length: float, limit: int) -> slice:
    """The whole pixels from centre - length / 2 to centre + length / 2, inside the picture."""
    if not np.isfinite([centre, length]).all():
        return slice(0, 0)
    return slice(max(round(centre - length / 2), 0), max(min(round(centre + length / 2), limit), 0))


_LFW_FOLD = (
    "countenance score facenet --data lfw:ROOT --split view1 --out view1.csv && "
    "countenance score facenet --data lfw:ROOT --folds 1 --out fold.csv && "
    "countenance evaluate fold.csv --development view1.csv --rule fmr:0.001"
)

RECORD = NetworkRecord(
    name="facenet",
    task=Task.VERIFICATION,
    weights=("facenet",),
    parameters=22_779_312,
    inputs="colour face, (N, 160, 160, 3) uint8: the detector's box, its sides times 1.2",
    preprocessing="the box times 1.2, cut at the picture's edge, as 160x160 RGB; the network whitens each face",
    polarity="high cosine = alike",
    licence_code="Apache-2.0",
    licence_weights="MIT (davidsandberg/facenet)",
    training_data="MS-Celeb-1M, as davidsandberg/facenet states",
    source="https://arxiv.org/abs/1503.03832, in the form of https://github.com/davidsandberg/facenet",
    results=(
        *lfw_fold_1(599, 0.99998, _LFW_FOLD, cut="boxes"),
        counted(
            "LFW View 2, fold 1: 300 non-mated pairs, boxes by YuNet", "FMR at the operating point", 0, 300, _LFW_FOLD
        ),
        counted(
            "LFW View 2, fold 1: 300 mated pairs, boxes by YuNet", "FNMR at the operating point", 12, 300, _LFW_FOLD
        ),
    ),
    # View 1 as the command above scores it: 1 of 1,600 non-mated pairs is accepted, and 1,540 of 1,600 mated ones.
    operating_point=OperatingPoint(value=0.5385, rule="fmr:0.001", split=Split.DEVELOPMENT),
)
