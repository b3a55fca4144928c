"""An ONNX file of a chain of convolutions as a PyTorch module with gradients.

ONNX Runtime returns no gradients. This reads the operators that the recognisers' files are made of, and refuses a file
with any other: convolutions, slopes (PReLU), sums, normalisations (folded into what is before or behind them), one
linear map, and the input's own centring. Weights in blocks of int8 are dequantised: (q - zero point) x scale, a scale
for each block along an axis.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper
from torch import Tensor, nn

from countenance.errors import DataError
from countenance.files import existing_file

Values = NDArray[Any]


class FlatLinear(nn.Linear):
    """A linear map of all the maps of an image."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name
        """Return (N, outs) of maps (N, C, H, W) with C H W = ins."""
        return super().forward(input.flatten(1))


class ConvolutionGraph(nn.Module):
    """Layers one after another, with sums of what went before; frozen.

    Args:
        steps: for each, the layer (None: a sum), the numbers of its inputs (0 is the pixels, k is step k's result).
        centre: what the file itself subtracts from the pixels.
        spread: what it then divides them by.
    """

    def __init__(self, steps: list[tuple[nn.Module | None, tuple[int, ...]]], *, centre: float, spread: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Identity() if layer is None else layer for layer, _ in steps])
        self.inputs = [inputs for _, inputs in steps]
        self.is_sum = [layer is None for layer, _ in steps]
        self.centre = centre
        self.spread = spread
        last = {number: place for place, inputs in enumerate(self.inputs) for number in inputs}
        self.done = [tuple(number for number in last if last[number] == place) for place in range(len(steps))]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features (N, D), of any length, of pixels (N, 3, H, W) that are centred and divided already."""
        results = {0: pixels}
        for place, layer in enumerate(self.layers):
            first, *others = (results[number] for number in self.inputs[place])
            results[place + 1] = first + others[0] if self.is_sum[place] else layer(first)
            for number in self.done[place]:
                del results[number]
        return results[len(self.layers)].flatten(1)


def read_graph(path: Path, *, title: str) -> ConvolutionGraph:
    """Read an ONNX file as a module.

    Args:
        path: the file.
        title: as a message calls the network.

    Raises:
        MissingFile: no file is there.
        DataError: it is no ONNX file, or has an operator or a form of one that is not known here.
    """
    data = existing_file(path, expected=f"the {title} network").read_bytes()
    try:
        model = onnx.load_model_from_string(data)
        known = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
        pixels = next(value.name for value in model.graph.input if value.name not in known)
        users = Counter(name for node in model.graph.node for name in node.input)
        reading = _Reading(known, {pixels: 0}, users)
        for node in model.graph.node:
            _READERS[node.op_type](reading, node, _attributes(node))
        if reading.before or reading.made[model.graph.output[0].name] != len(reading.steps):
            raise ValueError("an end that is no layer")
    except Exception as error:  # protobuf has its own errors, some of them private
        raise DataError(
            expected=f"{path} to be the published {title} network, of operators {', '.join(_READERS)}",
            came=f"{type(error).__name__} when reading it: {error}"[:160],
            remedy="take the published file: countenance weights pull",
        ) from error
    graph = ConvolutionGraph(reading.steps, centre=reading.centre, spread=reading.spread)
    return graph.requires_grad_(requires_grad=False).eval()


@dataclass
class _Reading:
    """A graph that is being read.

    Attributes:
        known: arrays by their names in the file.
        made: number of the step that makes a value, by the value's name.
        users: how many layers take a value, by the value's name.
        steps: as `ConvolutionGraph` takes them.
        before: scale and shift that wait for the linear map behind them, by the value's number.
    """

    known: dict[str, Values]
    made: dict[str, int]
    users: Mapping[str, int]
    steps: list[tuple[nn.Module | None, tuple[int, ...]]] = field(default_factory=list)
    before: dict[int, tuple[Values, Values]] = field(default_factory=dict)
    centre: float = 0.0
    spread: float = 1.0

    def add(self, node: NodeProto, layer: nn.Module | None, *inputs: str) -> None:
        if set(self.before) & {self.made[name] for name in inputs}:
            raise ValueError("a normalisation that is followed by no linear map")
        self.steps.append((layer, tuple(self.made[name] for name in inputs)))
        self.made[node.output[0]] = len(self.steps)

    def keep(self, node: NodeProto) -> None:
        self.made[node.output[0]] = self.made[node.input[0]]


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


def _constant(reading: _Reading, node: NodeProto, options: Mapping[str, Any]) -> None:
    reading.known[node.output[0]] = numpy_helper.to_array(options["value"])


def _dequantise(reading: _Reading, node: NodeProto, options: Mapping[str, Any]) -> None:
    whole, scales, zeros = (reading.known[name] for name in node.input)
    size, axis = options["block_size"], options["axis"]

    def spread(values: Values) -> Values:
        return np.repeat(values, size, axis).take(np.arange(whole.shape[axis]), axis).astype(np.float32)

    reading.known[node.output[0]] = (whole.astype(np.float32) - spread(zeros)) * spread(scales)


def _reshape(reading: _Reading, node: NodeProto, _options: Mapping[str, Any]) -> None:
    """Of an array; of maps only the last one, which flattens them."""
    values, shape = node.input
    if values in reading.known:
        reading.known[node.output[0]] = reading.known[values].reshape(reading.known[shape])
    elif len(reading.known[shape]) == 2:
        reading.keep(node)
    else:
        raise ValueError("maps that change their shape")


def _subtract(reading: _Reading, node: NodeProto, _options: Mapping[str, Any]) -> None:
    if reading.made[node.input[0]]:
        raise ValueError("a subtraction that is not of the pixels")
    reading.centre = float(reading.known[node.input[1]].item())
    reading.keep(node)


def _multiply(reading: _Reading, node: NodeProto, _options: Mapping[str, Any]) -> None:
    if reading.made[node.input[0]]:
        raise ValueError("a product that is not of the pixels")
    reading.spread = 1 / float(reading.known[node.input[1]].item())
    reading.keep(node)


def _convolve(reading: _Reading, node: NodeProto, options: Mapping[str, Any]) -> None:
    weight = reading.known[node.input[1]]
    top, left, bottom, right = options["pads"]
    if (top, left) != (bottom, right) or options["dilations"] != [1, 1]:
        raise ValueError("a convolution that is padded on one side, or dilated")
    layer = nn.Conv2d(
        weight.shape[1] * options["group"],
        weight.shape[0],
        weight.shape[2:],
        options["strides"],
        (top, left),
        groups=options["group"],
    )
    bias = reading.known[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    _set(layer, weight, bias)
    reading.add(node, layer, node.input[0])


def _normalise(reading: _Reading, node: NodeProto, options: Mapping[str, Any]) -> None:
    gamma, beta, mean, variance = (reading.known[name].astype(np.float64) for name in node.input[1:])
    scale = gamma / np.sqrt(variance + options["epsilon"])
    shift = beta - mean * scale
    number = reading.made[node.input[0]]
    if not number or reading.users[node.input[0]] != 1:
        raise ValueError("a normalisation that cannot be folded")
    layer = reading.steps[number - 1][0]
    if isinstance(layer, nn.Conv2d | nn.Linear):
        weight, bias = _got(layer)
        _set(layer, weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias * scale + shift)
    else:
        reading.before[number] = scale, shift
    reading.keep(node)


def _slope(reading: _Reading, node: NodeProto, _options: Mapping[str, Any]) -> None:
    slopes = reading.known[node.input[1]].reshape(-1)
    layer = nn.PReLU(len(slopes))
    layer.weight.data = torch.from_numpy(slopes.astype(np.float32))
    reading.add(node, layer, node.input[0])


def _add(reading: _Reading, node: NodeProto, _options: Mapping[str, Any]) -> None:
    reading.add(node, None, *node.input)


def _pass(reading: _Reading, node: NodeProto, _options: Mapping[str, Any]) -> None:
    reading.keep(node)


def _map(reading: _Reading, node: NodeProto, options: Mapping[str, Any]) -> None:
    if (options["alpha"], options["beta"], options["transA"], options["transB"]) != (1.0, 1.0, 0, 1):
        raise ValueError("a linear map of another form")
    weight, bias = (reading.known[name].astype(np.float64) for name in node.input[1:])
    if folded := reading.before.pop(reading.made[node.input[0]], None):
        scale, shift = (np.repeat(values, weight.shape[1] // len(values)) for values in folded)
        weight, bias = weight * scale, bias + weight @ shift
    layer = FlatLinear(weight.shape[1], weight.shape[0])
    _set(layer, weight, bias)
    reading.add(node, layer, node.input[0])


def _got(layer: nn.Conv2d | nn.Linear) -> tuple[Values, Values]:
    assert layer.bias is not None
    return layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()


def _set(layer: nn.Conv2d | nn.Linear, weight: Values, bias: Values) -> None:
    layer.weight.data = torch.from_numpy(np.array(weight, np.float32, order="C"))
    assert layer.bias is not None
    layer.bias.data = torch.from_numpy(np.array(bias, np.float32, order="C"))


_READERS: Final[Mapping[str, Callable[[_Reading, NodeProto, Mapping[str, Any]], None]]] = {
    "Constant": _constant,
    "DequantizeLinear": _dequantise,
    "Reshape": _reshape,
    "Sub": _subtract,
    "Mul": _multiply,
    "Conv": _convolve,
    "BatchNormalization": _normalise,
    "PRelu": _slope,
    "Add": _add,
    "Dropout": _pass,
    "Flatten": _pass,
    "Gemm": _map,
}
