"""Recognisers that an attack can see into: from the face chip to features of length 1, with gradients.

Every network reads its own window of the chip, in its own order of colours and its own scale; all of that is inside,
so that one picture in [0, 1] and one budget serve them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, prelu

import countenance.networks.dlib_resnet as dlib
import countenance.networks.ir_se_resnet as ir_se
import countenance.networks.sphereface as sphere
import countenance.networks.vgg_face as vgg
import countenance.networks.vggface2_resnet as vggface2
from countenance.errors import UsageError
from countenance.faces.chip import ALIGNED, CHIP, Window, window
from countenance.networks.fr_feature import GRAPH as FR_FEATURE
from countenance.networks.inception_resnet_v1 import fused
from countenance.networks.inception_resnet_v1 import load as load_facenet
from countenance.networks.onnx_graph import read_graph


class DifferentiableRecogniser(nn.Module):
    """A frozen recogniser of chips.

    Args:
        name: as in the catalogue.
        network: takes (N, 3, rows, columns), returns (N, features) of any length.
        features: numbers of a template.
        seen: what the network sees of the chip.
        centre: subtracted from pixels of 0 to 255, one number or one for each channel in the network's order.
        spread: what they are then divided by.
        reads_bgr: the network takes blue first.

    Attributes:
        side: of the chips, in pixels.
    """

    rows: Tensor
    columns: Tensor
    shift: Tensor

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        features: int,
        seen: Window,
        centre: float | Sequence[float] = 0.0,
        spread: float = 1.0,
        reads_bgr: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.features = features
        self.side = CHIP
        self.seen = seen
        self.reads_bgr = reads_bgr
        self.network = network
        _hasten(network)
        self.scale = 255 / spread
        self.register_buffer("rows", torch.from_numpy(seen.row_weights()), persistent=False)
        self.register_buffer("columns", torch.from_numpy(seen.column_weights().T.copy()), persistent=False)
        shift = torch.tensor(centre, dtype=torch.float32).reshape(-1, 1, 1) / spread
        self.register_buffer("shift", shift, persistent=False)
        self.requires_grad_(requires_grad=False).eval()
        for each in network.parameters():
            if each.ndim == 4:  # the order of axes that convolutions are fast in
                each.data = each.data.contiguous(memory_format=torch.channels_last)

    def forward(self, chips: Tensor) -> Tensor:
        """Return features (N, D) of length 1 of chips (N, 3, 160, 160), RGB in [0, 1].

        Raises:
            UsageError: chips of another shape.
        """
        if chips.ndim != 4 or tuple(chips.shape[1:]) != (3, CHIP, CHIP):
            raise UsageError(
                expected=f"chips (N, 3, {CHIP}, {CHIP})", came=f"{tuple(chips.shape)}", remedy="cut each face's chip"
            )
        return normalize(self.network(self.pixels(chips)).float())

    def pixels(self, chips: Tensor) -> Tensor:
        """Return what the network sees of chips (N, 3, 160, 160): (N, 3, rows, columns), in its order and scale."""
        with torch.autocast(chips.device.type, enabled=False):  # half a grey level is lost in bfloat16
            values = chips.float() * self.scale if self.scale != 1 else chips.float()
            if not self.seen.is_whole:
                values = self.rows @ values @ self.columns
            if self.reads_bgr:
                values = values.flip(1)
            values = values - self.shift
            return values.contiguous(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> "DifferentiableRecogniser":  # noqa: FBT001, FBT002 - PyTorch's signature
        """Stay as it is: a recogniser that is attacked does not learn."""
        del mode
        return super().train(mode=False)


class _SlopedFunction(torch.autograd.Function):
    """PReLU whose slopes do not learn: PyTorch's own backward pass makes their gradient too, and is 5 times as slow."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(maps, slopes)
        return prelu(maps, slopes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        maps, slopes = ctx.saved_tensors
        if maps.is_contiguous(memory_format=torch.channels_last):
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        rising = torch.ops.aten.threshold_backward(gradient, maps, 0)  # the gradient where maps are above 0, else 0
        return rising.addcmul_(gradient - rising, slopes.reshape(-1, 1, 1)), None


class FrozenPReLU(nn.Module):
    """`torch.nn.PReLU` of maps (N, C, H, W) with slopes that do not learn; fast on the way back."""

    weight: Tensor

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", slopes.detach())

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape, negative numbers times the slope of their channel."""
        sloped: Tensor = _SlopedFunction.apply(maps, self.weight.to(maps.dtype))  # type: ignore[no-untyped-call]
        return sloped


def _hasten(network: nn.Module) -> None:
    """Make a frozen network's step faster; what it computes stays the same."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.kernel_size == (1, 1):
                # On one thread PyTorch gives small batches of these to a slower kernel, unless they are dilated.
                child.dilation = (2, 2)
            if isinstance(child, nn.PReLU) and child.num_parameters > 1:
                setattr(module, name, FrozenPReLU(child.weight))


def facenet(path: Path) -> DifferentiableRecogniser:
    """Return FaceNet; it sees the whole chip.

    Args:
        path: as `inception_resnet_v1.load` takes it.

    Raises:
        MissingFile, DataError: as that does.
    """
    # The network whitens, so it takes pixels in [0, 1].
    return DifferentiableRecogniser("facenet", fused(load_facenet(path)), features=128, seen=Window(), spread=255.0)


def sface(path: Path) -> DifferentiableRecogniser:
    """Return SFace, its blocks of int8 dequantised.

    Args:
        path: the published ONNX file.

    Raises:
        MissingFile, DataError: as `onnx_graph.read_graph` does.
    """
    graph = read_graph(path, title="SFace")
    return DifferentiableRecogniser(
        "sface", graph, features=128, seen=ALIGNED, centre=graph.centre, spread=graph.spread
    )


def fr_feature(path: Path) -> DifferentiableRecogniser:
    """Return fr_feature.

    Args:
        path: the published ONNX file.

    Raises:
        MissingFile, DataError: as `onnx_graph.read_graph` does.
    """
    graph = read_graph(path, title="fr_feature")
    return DifferentiableRecogniser(
        "fr_feature", graph, features=512, seen=ALIGNED, centre=FR_FEATURE.centre, spread=FR_FEATURE.spread
    )


def dlib_resnet(weights: Path, manifest: Path) -> DifferentiableRecogniser:
    """Return dlib's recogniser.

    Args:
        weights: as `dlib_resnet.load` takes them.
        manifest: likewise.

    Raises:
        MissingFile, DataError: as that does.
    """
    return DifferentiableRecogniser(
        "dlib_resnet",
        dlib.load(weights, manifest),
        features=dlib.FEATURES,
        seen=window(dlib.TEMPLATE, rows=dlib.SIDE, columns=dlib.SIDE),
        centre=dlib.MEAN,
        spread=dlib.SPREAD,
    )


@dataclass(frozen=True, kw_only=True)
class ForeignRecogniser:
    """An architecture of the paper on universal adversarial spoofing examples, whose weights a user has.

    Attributes:
        name: as in the table of architectures.
        build: returns it untrained.
        features: numbers of a template.
        seen: what it sees of the chip.
        centre: subtracted from pixels of 0 to 255, in the network's order of colours.
        spread: what they are then divided by.
        reads_bgr: it takes blue first.
        renamed: our name of a tensor of its files; "" for one that is not taken over.
    """

    name: str
    build: Callable[[], nn.Module]
    features: int
    seen: Window
    centre: float | tuple[float, float, float]
    spread: float = 1.0
    reads_bgr: bool = True
    renamed: Callable[[str], str]

    def on_chips(self, network: nn.Module) -> DifferentiableRecogniser:
        """Return a network of this architecture as a frozen recogniser of chips."""
        return DifferentiableRecogniser(
            self.name,
            network,
            features=self.features,
            seen=self.seen,
            centre=self.centre,
            spread=self.spread,
            reads_bgr=self.reads_bgr,
        )


_LARGE: Final = Window(rows=vgg.SIDE, columns=vgg.SIDE)  # the whole chip, made larger
_SPHEREFACE: Final = window(sphere.TEMPLATE, rows=sphere.ROWS, columns=sphere.COLUMNS)
_SPHEREFACE_20: Final = ForeignRecogniser(
    name="sphereface20",
    build=lambda: sphere.SphereFace(sphere.UNITS_20),
    features=sphere.FEATURES,
    seen=_SPHEREFACE,
    centre=sphere.CENTRE,
    spread=sphere.SPREAD,
    renamed=sphere.renamed,
)

FOREIGN: Final[tuple[ForeignRecogniser, ...]] = (
    ForeignRecogniser(
        name="vgg16-face",
        build=vgg.VggFace,
        features=vgg.FEATURES,
        seen=_LARGE,
        centre=vgg.MEAN_BGR,
        renamed=vgg.renamed,
    ),
    ForeignRecogniser(
        name="vgg16-face-plain",  # the same network with the input of the repository that the paper names
        build=vgg.VggFace,
        features=vgg.FEATURES,
        seen=_LARGE,
        centre=0.0,
        spread=255.0,
        reads_bgr=False,
        renamed=vgg.renamed,
    ),
    ForeignRecogniser(
        name="resnet50-vggface2",
        build=vggface2.VggFace2ResNet,
        features=vggface2.FEATURES,
        seen=_LARGE,
        centre=vggface2.MEAN_BGR,
        renamed=vggface2.renamed,
    ),
    _SPHEREFACE_20,
    replace(_SPHEREFACE_20, name="sphereface36", build=lambda: sphere.SphereFace(sphere.UNITS_36)),
    ForeignRecogniser(
        name="ir-se50",
        build=ir_se.IrSeResNet,
        features=ir_se.FEATURES,
        seen=ALIGNED,
        centre=ir_se.CENTRE,
        spread=ir_se.SPREAD,
        renamed=ir_se.renamed,
    ),
)


def foreign(name: str) -> ForeignRecogniser:
    """Return the architecture called `name`.

    Raises:
        UsageError: there is none.

    >>> foreign("sphereface36").features
    512
    """
    for known in FOREIGN:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in FOREIGN)
    raise UsageError(expected=f"an architecture: {names}", came=repr(name), remedy="name one of them")
