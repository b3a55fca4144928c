"""AlexNet of (2+1)D convolutions over a few frames of a face video, with the features of a flow network beside them.

K. Ito, A. Kimura, T. Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning from a Few
Frames of Face Video, sections III-A and IV-D, Figure 2. No code was published. What the paper leaves open, and what
is done here:

- Layers: those of the AlexNet of one column (A. Krizhevsky, https://arxiv.org/abs/1404.5997), each convolution
  factorised (`networks.factorised`), pooled in space only.
- Frames: the maps of all frames are averaged before fc6, so that 2, 3 and 5 frames (Table II) have the same weights.
- Side: pictures of 224 and of 244 pixels (section IV-D) both end in 6 x 6.
- Embedding: what fc7 returns, without a rectifier: a cosine between two of them may be anything from -1 to 1.
- Flow: the encoder of FlowNetS sees the first and the last frame, with its own normalisation rather than that of the
  frames, and does not learn here.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, max_pool2d
from torch.nn.utils.fusion import fuse_conv_bn_eval

from countenance.errors import UsageError, at_least
from countenance.networks.factorised import FactorisedConvolution, Middle
from countenance.networks.flownets import FlowNetSEncoder

NAME = "fewframe"
SIDE = 244  # pixels, section IV-D
CHANNELS = (64, 192, 384, 256, 256)
WIDE = (96, 256, 384, 384, 256)  # of the AlexNet of two columns, without its groups
HIDDEN = 4096
DROPOUT = 0.5
POOL, POOL_STRIDE = 3, 2
LEAST_SIDE = 63  # pixels; less leaves no map
_GREYS = 255  # steps from black to white
_DESCRIBED = ("frames", "side", "channels", "hidden", "flow_width", "middle")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution of AlexNet in space."""

    kernel: int
    stride: int = 1
    padding: int
    pooled: bool = False


LAYERS = (
    Layer(kernel=11, stride=4, padding=2, pooled=True),
    Layer(kernel=5, padding=2, pooled=True),
    Layer(kernel=3, padding=1),
    Layer(kernel=3, padding=1),
    Layer(kernel=3, padding=1, pooled=True),
)


def side_of_maps(side: int) -> int:
    """Return rows, or columns, of the last maps of a picture of `side` rows, or columns.

    >>> side_of_maps(224), side_of_maps(244), side_of_maps(112)
    (6, 6, 2)
    """
    for layer in LAYERS:
        side = (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
        if layer.pooled:
            side = (side - POOL) // POOL_STRIDE + 1
    return side


def standardised(clips: Tensor) -> Tensor:
    """Return each frame minus its mean, over its standard deviation (section IV-D).

    The rule is that of `transforms.standardisation`: the deviation is held above 1 / sqrt(3 H W) of a grey step.

    Args:
        clips: (N, T, 3, H, W) in [0, 1].
    """
    axes = (2, 3, 4)
    centred = clips - clips.mean(axes, keepdim=True)
    variance = centred.square().mean(axes, keepdim=True)
    least = 1 / (_GREYS**2 * math.prod(clips.shape[2:]))
    return centred * variance.clamp_min(least).rsqrt()


class FactorisedAlexNet(nn.Module):
    """The five convolutions of AlexNet, factorised, and their mean over the frames.

    Args:
        channels: after each of the five.
        middle: channels inside each.
    """

    def __init__(self, channels: Sequence[int] = CHANNELS, *, middle: Middle | str = Middle.MATCHED) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            FactorisedConvolution(
                ins, outs, kernel=layer.kernel, stride=layer.stride, padding=layer.padding, middle=middle
            )
            for layer, ins, outs in zip(LAYERS, (3, *channels[:-1]), channels, strict=True)
        )
        self.pool = nn.MaxPool3d((1, POOL, POOL), (1, POOL_STRIDE, POOL_STRIDE))

    def forward(self, clips: Tensor) -> Tensor:
        """Return the mean maps (N, C, h, w) of standardised clips (N, T, 3, H, W)."""
        maps = clips.transpose(1, 2)  # (N, 3, T, H, W)
        for layer, convolution in zip(LAYERS, self.layers, strict=True):
            maps = convolution(maps)
            if layer.pooled:
                maps = self.pool(maps)
        return maps.mean(2)


class FewFrameNetwork(nn.Module):
    """AlexNet(2+1)D, and with `flow_width` the encoder of FlowNetS beside it.

    Args:
        frames: T of a clip; 2, 3 or 5 in the paper. Weights do not depend on it.
        side: H and W of a frame, in pixels.
        channels: after each of the five convolutions.
        hidden: numbers in fc6 and in the embedding.
        flow_width: channels after the flow encoder's first convolution, 64 in FlowNetS; 0: no flow.
        middle: channels inside each factorised convolution.

    Attributes:
        features: length of an embedding.
        representative: (`features`,), the vector of the bona fide class that a score is the cosine to; zeros until set.

    Raises:
        UsageError: a number too small, not five channels, or a side too short for the pooling.
    """

    representative: Tensor

    def __init__(
        self,
        *,
        frames: int = 5,
        side: int = SIDE,
        channels: Sequence[int] = CHANNELS,
        hidden: int = HIDDEN,
        flow_width: int = 0,
        middle: Middle | str = Middle.MATCHED,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()
        at_least(2, frames=frames)
        at_least(1, hidden=hidden)
        at_least(0, flow_width=flow_width)
        if len(channels) != len(LAYERS) or side < LEAST_SIDE:
            raise UsageError(
                expected=f"{len(LAYERS)} numbers of channels and a side of at least {LEAST_SIDE} pixels",
                came=f"{len(channels)} numbers and {side} pixels",
                remedy="name a number for each convolution, and larger frames",
            )
        self.frames, self.side, self.channels = frames, side, tuple(channels)
        self.hidden = self.features = hidden
        self.flow_width, self.middle = flow_width, Middle(middle)
        self.convolutions: nn.Module = FactorisedAlexNet(channels, middle=middle)
        self.flow = FlowNetSEncoder(width=flow_width).requires_grad_(requires_grad=False).eval() if flow_width else None
        motion = self.flow.features if self.flow is not None else 0
        self.fc6 = nn.Linear(channels[-1] * side_of_maps(side) ** 2 + motion, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("representative", torch.zeros(hidden))

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - the signature of torch
        """Switch between training and judging; the flow encoder always judges."""
        super().train(mode)
        if self.flow is not None:
            self.flow.eval()
        return self

    def forward(self, clips: Tensor, motion: Tensor | None = None) -> Tensor:
        """Return the embeddings (N, `features`) of clips.

        Args:
            clips: (N, T, 3, H, W) RGB in [0, 1]; H and W of `side`, or of another that ends in maps as large.
            motion: (N, 16 `flow_width`), what `motion` returned of these clips, where that is kept; None: computed.

        Raises:
            UsageError: clips of another shape, or motion for a network without a flow encoder.
        """
        self._refuse_other_shapes(clips)
        if motion is None:
            motion = self.motion(clips)
        elif self.flow is None:
            raise UsageError(expected="no motion, without a flow encoder", came="some", remedy="leave it out")
        found = self.convolutions(standardised(clips)).flatten(1)  # (N, C h w)
        if motion is not None:
            found = torch.cat([found, motion], 1)
        embeddings: Tensor = self.dropout(self.fc7(self.dropout(self.fc6(found).relu())))
        return embeddings

    def motion(self, clips: Tensor) -> Tensor | None:
        """Return the flow encoder's features (N, 16 `flow_width`) of clips (N, T, 3, H, W); None without one."""
        return None if self.flow is None else self.flow.pooled(clips[:, 0], clips[:, -1])

    def score(self, clips: Tensor) -> Tensor:
        """Return the scores (N,) of clips (N, T, 3, H, W): cosines in [-1, 1], high = bona fide.

        Raises:
            UsageError: clips of another shape, or no representative vector was set.
        """
        if not self.representative.any():
            raise UsageError(
                expected="the representative vector of the bona fide class",
                came="zeros",
                remedy="train the network, or load a trained one",
            )
        return cosine_similarity(self(clips), self.representative, dim=1).clamp(-1, 1)

    def described(self) -> dict[str, Any]:
        """Return what a card says of the network, so that `fewframe_of` builds it again."""
        return {
            "network": NAME,
            "frames": self.frames,
            "side": self.side,
            "channels": list(self.channels),
            "hidden": self.hidden,
            "flow_width": self.flow_width,
            "middle": str(self.middle),
        }

    def _refuse_other_shapes(self, clips: Tensor) -> None:
        fits = clips.ndim == 5 and clips.shape[1:3] == (self.frames, 3) and clips.is_floating_point()
        if not fits or any(side_of_maps(length) != side_of_maps(self.side) for length in clips.shape[3:]):
            raise UsageError(
                expected=f"clips (N, {self.frames}, 3, {self.side}, {self.side}) of floating point",
                came=f"{tuple(clips.shape)} of {str(clips.dtype).removeprefix('torch.')}",
                remedy="cut and resize the frames as the network's card says",
            )


def fewframe_of(card: Mapping[str, Any]) -> FewFrameNetwork:
    """Build the network that `FewFrameNetwork.described` tells of, with weights yet to be loaded.

    Raises:
        KeyError, ValueError, TypeError: the card does not describe one.
        UsageError: a number that no network has.
    """
    if card["network"] != NAME:
        raise KeyError(card["network"])
    return FewFrameNetwork(**{key: card[key] for key in _DESCRIBED})


def slim_fewframe(*, frames: int = 5, flow_width: int = 0) -> FewFrameNetwork:
    """Return a network of an eighth of the width for 112 pixels, which two processor cores can train."""
    return FewFrameNetwork(frames=frames, side=112, channels=(8, 24, 48, 32, 32), hidden=256, flow_width=flow_width)


def flattened(network: FewFrameNetwork) -> FewFrameNetwork:
    """Return the same network for judging alone, rewritten in two dimensions; faster on a processor.

    Frames become pictures for the convolutions in space; for those in time, frames become the rows and places the
    columns of one picture. Batch normalisation is folded into the weights, and channels lie last in memory. The outputs
    are the same but for rounding; the given network is left as it is.
    """
    twin = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    twin.convolutions = _FlatAlexNet(cast("FactorisedAlexNet", twin.convolutions))
    twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return twin


class _FlatAlexNet(nn.Module):
    """`FactorisedAlexNet` of convolutions in two dimensions, each without normalisation but with a bias."""

    def __init__(self, whole: FactorisedAlexNet) -> None:
        super().__init__()
        layers = cast("Sequence[FactorisedConvolution]", whole.layers)
        self.spatial = nn.ModuleList(_folded(each.spatial, each.spatial_norm, dropped=2) for each in layers)
        self.temporal = nn.ModuleList(_folded(each.temporal, each.temporal_norm, dropped=4) for each in layers)

    def forward(self, clips: Tensor) -> Tensor:
        count, frames = clips.shape[:2]
        maps = clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (N T, 3, H, W)
        for layer, spatial, temporal in zip(LAYERS, self.spatial, self.temporal, strict=True):
            maps = spatial(maps).relu_()  # (N T, M, h, w)
            rows, columns = maps.shape[2:]
            # with channels last, (N T, M, h, w) and (N, M, T, h w) are the same numbers in memory
            maps = maps.permute(0, 2, 3, 1).reshape(count, frames, rows * columns, -1).permute(0, 3, 1, 2)
            maps = temporal(maps).relu_()  # (N, C, T, h w)
            maps = maps.permute(0, 2, 3, 1).reshape(count * frames, rows, columns, -1).permute(0, 3, 1, 2)
            if layer.pooled:
                maps = max_pool2d(maps, POOL, POOL_STRIDE)
        return maps.reshape(count, frames, *maps.shape[1:]).mean(1)


def _folded(convolution: nn.Conv3d, norm: nn.BatchNorm3d, *, dropped: int) -> nn.Conv2d:
    """Return a convolution and its normalisation as one in two dimensions: without axis `dropped`, of length 1."""
    both = fuse_conv_bn_eval(convolution, norm)
    rows, columns = (axis for axis in range(3) if axis != dropped - 2)
    flat = nn.Conv2d(
        both.in_channels,
        both.out_channels,
        (both.kernel_size[rows], both.kernel_size[columns]),
        (both.stride[rows], both.stride[columns]),
        (int(both.padding[rows]), int(both.padding[columns])),
        device="meta",
    )
    assert both.bias is not None
    weights = {"weight": both.weight.squeeze(dropped), "bias": both.bias}
    flat.load_state_dict(weights, assign=True)
    return flat.requires_grad_(requires_grad=False)
