"""FlowNetS: a network that sees two pictures and tells how each point of the first one moved.

A. Dosovitskiy, P. Fischer, E. Ilg, P. Hausser, C. Hazirbas, V. Golkov, P. van der Smagt, D. Cremers, T. Brox, FlowNet:
Learning Optical Flow with Convolutional Networks, ICCV 2015, https://arxiv.org/abs/1504.06852; "FlowNetSimple". K. Ito,
T. Kimura, Y. Aoki take the encoder's features of the first and the last frame of a clip.

Layers and their names are those of https://github.com/ClementPinard/FlowNetPytorch without batch normalisation, so that
its checkpoints fit: 24,050,752 parameters in the encoder and 38,676,504 in all at width 64. As there, the flows inside
are pixels of the input divided by 20, and a map that came out of a deconvolution too large is cut at its right and its
lower edge: the input need not be a multiple of 64. Channels are given to the first layer as blue, green, red, less the
means of Flying Chairs; its users confuse the order (issues 80 and 101 there), here it is inside.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from countenance.errors import DataError, at_least

NAME = "flownets"
WIDTH = 64
SLIM_WIDTH = 8
DIVISOR = 20.0  # of the published training
_MEANS_BGR = (0.411, 0.432, 0.450)  # of Flying Chairs, in [0, 1]
_SLOPE = 0.1  # of every LeakyReLU
LEVELS = 5
"""Flows that the whole network predicts, and maps that its decoder needs: at 1/4, 1/8, 1/16, 1/32 and 1/64."""


class FlowNetSEncoder(nn.Module):
    """Ten convolutions that contract two pictures, laid one upon the other, to 1/64 of their side.

    Args:
        width: channels after the first convolution.

    Attributes:
        features: length of what `pooled` returns.

    Raises:
        UsageError: a width below 1.
    """

    means: Tensor

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        at_least(1, width=width)
        self.width = width
        self.features = 16 * width
        self.register_buffer("means", torch.tensor(_MEANS_BGR).reshape(1, 3, 1, 1), persistent=False)
        self.conv1 = _conv(6, width, side=7, stride=2)  # 1/2
        self.conv2 = _conv(width, 2 * width, side=5, stride=2)  # 1/4
        self.conv3 = _conv(2 * width, 4 * width, side=5, stride=2)  # 1/8
        self.conv3_1 = _conv(4 * width, 4 * width)
        self.conv4 = _conv(4 * width, 8 * width, stride=2)  # 1/16
        self.conv4_1 = _conv(8 * width, 8 * width)
        self.conv5 = _conv(8 * width, 8 * width, stride=2)  # 1/32
        self.conv5_1 = _conv(8 * width, 8 * width)
        self.conv6 = _conv(8 * width, 16 * width, stride=2)  # 1/64
        self.conv6_1 = _conv(16 * width, 16 * width)

    def forward(self, first: Tensor, last: Tensor) -> tuple[Tensor, ...]:
        """Return the five maps that a decoder needs, the finest first.

        Args:
            first: (N, 3, H, W), RGB in [0, 1].
            last: likewise.

        Returns:
            (N, C, h, w) with C of 2, 4, 8, 8 and 16 times the width at 1/4, 1/8, 1/16, 1/32 and 1/64, rounded up.
        """
        both = torch.cat([picture.flip(1) - self.means for picture in (first, last)], 1)  # (N, 6, H, W)
        second = self.conv2(self.conv1(both))
        third = self.conv3_1(self.conv3(second))
        fourth = self.conv4_1(self.conv4(third))
        fifth = self.conv5_1(self.conv5(fourth))
        return second, third, fourth, fifth, self.conv6_1(self.conv6(fifth))

    def pooled(self, first: Tensor, last: Tensor) -> Tensor:
        """Return the mean (N, 16 width) of the coarsest map over its places; arguments as for `forward`."""
        mean: Tensor = self(first, last)[-1].mean((2, 3))
        return mean


class FlowNetS(nn.Module):
    """The encoder, and a decoder that predicts the flow from coarse to fine.

    Args:
        width: channels after the first convolution.
        divisor: pixels of the input for one unit of what the layers predict; not among the weights.

    Raises:
        UsageError: a width below 1.
    """

    def __init__(self, width: int = WIDTH, *, divisor: float = DIVISOR) -> None:
        super().__init__()
        self.encoder = FlowNetSEncoder(width)
        self.width, self.divisor = width, divisor
        self.deconv5 = _deconv(16 * width, 8 * width)
        self.deconv4 = _deconv(16 * width + 2, 4 * width)
        self.deconv3 = _deconv(12 * width + 2, 2 * width)
        self.deconv2 = _deconv(6 * width + 2, width)
        self.predict_flow6 = _predict_flow(16 * width)
        self.predict_flow5 = _predict_flow(16 * width + 2)
        self.predict_flow4 = _predict_flow(12 * width + 2)
        self.predict_flow3 = _predict_flow(6 * width + 2)
        self.predict_flow2 = _predict_flow(3 * width + 2)
        self.upsampled_flow6_to_5 = _doubled_flow()
        self.upsampled_flow5_to_4 = _doubled_flow()
        self.upsampled_flow4_to_3 = _doubled_flow()
        self.upsampled_flow3_to_2 = _doubled_flow()
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, _SLOPE)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, first: Tensor, last: Tensor) -> tuple[Tensor, ...]:
        """Return the flow from `first` to `last` at five scales, the finest first.

        Args:
            first: (N, 3, H, W), RGB in [0, 1].
            last: likewise.

        Returns:
            (N, 2, h, w) at 1/4, 1/8, 1/16, 1/32 and 1/64: to the right and down, in pixels of the input.
        """
        second, third, fourth, fifth, sixth = self.encoder(first, last)
        flow6 = self.predict_flow6(sixth)
        map5 = _beside(fifth, self.deconv5(sixth), self.upsampled_flow6_to_5(flow6))
        flow5 = self.predict_flow5(map5)
        map4 = _beside(fourth, self.deconv4(map5), self.upsampled_flow5_to_4(flow5))
        flow4 = self.predict_flow4(map4)
        map3 = _beside(third, self.deconv3(map4), self.upsampled_flow4_to_3(flow4))
        flow3 = self.predict_flow3(map3)
        map2 = _beside(second, self.deconv2(map3), self.upsampled_flow3_to_2(flow3))
        flow2 = self.predict_flow2(map2)
        return tuple(self.divisor * flow for flow in (flow2, flow3, flow4, flow5, flow6))

    def flow(self, first: Tensor, last: Tensor) -> Tensor:
        """Return the flow (N, 2, H, W) of every pixel: the finest one, enlarged bilinearly; arguments as above."""
        finest: Tensor = self(first, last)[0]
        return interpolate(finest, first.shape[2:], mode="bilinear", align_corners=False)


def adopt(weights: Mapping[str, Tensor], *, divisor: float = DIVISOR, source: str = "the file") -> FlowNetS:
    """Return the network that these weights are of, ready to judge; the width is read off the first layer.

    Args:
        weights: by name, as `FlowNetS.state_dict` names them.
        divisor: as for `FlowNetS`.
        source: where they came from, for messages.

    Raises:
        DataError: they are another network's.
    """
    first = weights.get("encoder.conv1.0.weight")
    network = FlowNetS(len(first) if first is not None and first.ndim and len(first) else 1, divisor=divisor)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise DataError(
            expected=f"the weights of a FlowNetS without batch normalisation in {source}",
            came=f"tensors named {', '.join(sorted(weights)[:3])}" if weights else "no tensor",
            remedy="name the file of such a network",
        ) from error
    return network.eval()


def _conv(ins: int, outs: int, *, side: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(ins, outs, side, stride, padding=(side - 1) // 2), nn.LeakyReLU(_SLOPE))


def _deconv(ins: int, outs: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(ins, outs, 4, 2, padding=1, bias=False), nn.LeakyReLU(_SLOPE))


def _predict_flow(ins: int) -> nn.Conv2d:
    return nn.Conv2d(ins, 2, 3, padding=1, bias=False)


def _doubled_flow() -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(2, 2, 4, 2, padding=1, bias=False)


def _beside(skipped: Tensor, *enlarged: Tensor) -> Tensor:
    """Lay enlarged maps, cut to its size, beside the encoder's map of the same scale."""
    rows, columns = skipped.shape[2:]
    return torch.cat([skipped, *(each[:, :, :rows, :columns] for each in enlarged)], 1)
