"""An ONNX graph that is written node by node from a network's own parts.

The same network gives the same bytes anywhere, and none of the machine that wrote them. A newer opset than 17 would add
nothing, and fewer engines read it.
"""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import nn

OPSET = 17
_IR_VERSION = 8  # that came with it


class Graph:
    """Nodes and tensors as they are added; a name is that of one node's output or of one tensor."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []

    def add(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Add a node and return the name of what it puts out."""
        out = out or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def tensor(self, values: NDArray[np.float32] | torch.Tensor, *, name: str = "") -> str:
        """Add a tensor and return its name."""
        name = name or f"tensor_{len(self.tensors)}"
        held = values.detach().numpy() if isinstance(values, torch.Tensor) else values
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(held, np.float32), name))
        return name

    def whole(self, *numbers: int) -> str:
        """Add a list of whole numbers, such as a shape, and return its name."""
        name = f"tensor_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
        return name

    def shaped(self, maps: str, *shape: int) -> str:
        """Give maps another shape, in which one length may be -1, and 0 keeps what it is."""
        return self.add("Reshape", maps, self.whole(*shape))

    def affine(self, maps: str, scale: NDArray[np.float32], shift: NDArray[np.float32], *, of: str = "") -> str:
        """Add maps (N, C, H, W) times a scale, plus a shift, (C,) each; a single map is spread over all channels.

        Args:
            maps: what comes in.
            scale: of each channel.
            shift: likewise.
            of: the input whose preprocessing it is: the tensors are then called scale_OF and shift_OF.
        """
        names = (f"scale_{of}", f"shift_{of}") if of else ("", "")
        scaled = self.add("Mul", maps, self.tensor(scale[:, None, None], name=names[0]))
        return self.add("Add", scaled, self.tensor(shift[:, None, None], name=names[1]))

    def convolution(self, conv: nn.Conv2d, maps: str, *, scale: float = 1.0) -> str:
        """Add a convolution times a scale."""
        bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
        height, width = (int(length) for length in conv.padding)
        said: dict[str, Any] = {"kernel_shape": conv.kernel_size, "strides": conv.stride}
        said |= {"group": conv.groups} if conv.groups > 1 else {}
        tensors = self.tensor(conv.weight * scale), self.tensor(bias * scale)
        return self.add("Conv", maps, *tensors, pads=[height, width, height, width], **said)

    def sloped(self, maps: str, slopes: NDArray[np.float32] | torch.Tensor) -> str:
        """Add a slope per channel, (C,), for what is below zero: max(x, 0) + slope min(x, 0).

        ONNX has one operator for it, PRelu, which takes ONNX Runtime longer than the convolution before it.
        """
        below = self.add("Min", maps, self.tensor(np.zeros((), np.float32)))
        return self.add("Add", self.add("Relu", maps), self.add("Mul", below, self.tensor(slopes[:, None, None])))

    def file(
        self,
        name: str,
        data: Sequence[ValueInfoProto],
        outputs: Sequence[tuple[str, int]],
        properties: dict[str, str],
    ) -> bytes:
        """Return the file of a checked model.

        Args:
            name: of the graph.
            data: its inputs.
            outputs: name and width of each, (N, width) float32.
            properties: of the file.
        """
        graph = helper.make_graph(
            self.nodes,
            name,
            list(data),
            [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["N", width]) for out, width in outputs],
            self.tensors,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="countenance",
            producer_version=metadata.version("countenance"),
        )
        helper.set_model_props(model, properties)
        onnx.checker.check_model(model, full_check=True)
        written: bytes = model.SerializeToString(deterministic=True)
        return written
