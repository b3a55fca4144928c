"""Networks of others, from files that a user has: ResNets, IR-50, a FlowNetS, and recognisers of faces.

- ResNet-18 and ResNet-34, such as those of ImageNet that https://github.com/pytorch/vision publishes: `conv1` and `bn1`
  are the stem, `layer1` to `layer4` the stages, `fc` is left out.
- IR-50 of https://github.com/ZhaoJ9014/face.evoLVe: `input_layer` is the stem, `body.0` to `body.23` are the units of
  four stages, `output_layer` is left out.
- FlowNetS of https://github.com/ClementPinard/FlowNetPytorch (`flownets_*.pth`), trained on the Flying Chairs: its ten
  convolutions are the encoder. The variant with batch normalisation is another network.
- The recognisers of the paper on universal adversarial spoofing examples (`networks.differentiable.FOREIGN`).

A file of safetensors or of PyTorch; the latter is read by PyTorch's restricted unpickler, which runs no code from it.
"""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from countenance.errors import DataError
from countenance.files import existing_file
from countenance.networks.differentiable import DifferentiableRecogniser, foreign
from countenance.networks.flownets import DIVISOR, FlowNetS, adopt
from countenance.networks.ir_resnet import UNITS

SAFETENSORS = ".safetensors"
_WRAPPERS = ("state_dict", "model", "backbone")  # keys under which training scripts keep the weights
_ENCODER = "encoder."  # what our FlowNetS writes before the names of its convolutions
_SAVE_ANEW = "save its state_dict with safetensors, or with torch.save in a current PyTorch"
_PARALLEL = "module."  # what DataParallel writes before each name
_FIRST_UNITS = tuple(accumulate(UNITS, initial=0))  # number in `body` of each stage's first unit


def read_foreign(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the weights of a recognition network, named as a `RecognitionNetwork` of the same trunk names them.

    A file whose names are ours already is read as it is. The normalisation of the input is not in such files.

    Args:
        path: a safetensors file, or one that PyTorch wrote, of float tensors by name.

    Raises:
        MissingFile: no file is there.
        DataError: it cannot be read without running code from it, or holds another network.
    """
    file = existing_file(path, expected="the weights of a recognition network")
    weights = _tensors(file)
    renamed = {_renamed(name): tensor.float() for name, tensor in weights.items()}
    found = {name: tensor for name, tensor in renamed.items() if name}
    if not any(name.startswith("stages.3.") for name in found):
        raise DataError(
            expected=f"a ResNet of torchvision or an IR-50 of face.evoLVe in {file}",
            came=f"tensors named {', '.join(sorted(weights)[:3])}" if weights else "no tensor",
            remedy="name the file of such a network",
        )
    for name in [name for name in found if name.endswith(".running_mean")]:  # older files count no batches
        found.setdefault(name.replace("running_mean", "num_batches_tracked"), torch.zeros(()))
    return {name: tensor.long() if name.endswith("_tracked") else tensor for name, tensor in found.items()}


def read_flow_network(path: str | os.PathLike[str], *, reads_rgb: bool = False) -> FlowNetS:
    """Read a FlowNetS without batch normalisation, ready to judge.

    Args:
        path: a file as `read_foreign` reads them, its layers named as FlowNetPytorch names them. Where it says by what
            the flows were divided in training (`div_flow`), that is kept.
        reads_rgb: the first layer was trained on red, green, blue, as FlowNetPytorch trains today; weights from the
            Caffe original, and our own, take blue, green, red. A file does not tell.

    Raises:
        MissingFile: no file is there.
        DataError: it cannot be read without running code from it, or holds another network.
    """
    file = existing_file(path, expected="the weights of a FlowNetS")
    content = _content(file)
    weights = {name.removeprefix(_ENCODER): tensor.float() for name, tensor in _tensors_of(content, file).items()}
    if any(name.endswith(".running_mean") for name in weights):
        raise DataError(
            expected=f"a FlowNetS without batch normalisation in {file}",
            came="one with it",
            remedy="name the file of the plain network, such as flownets_EPE1.951.pth",
        )
    stated = content.get("div_flow")
    first = weights.get("conv1.0.weight")
    if reads_rgb and first is not None and first.ndim == 4 and first.shape[1] == 6:
        weights["conv1.0.weight"] = first[:, [2, 1, 0, 5, 4, 3]]
    named = {f"{_ENCODER}{name}" if name.startswith("conv") else name: tensor for name, tensor in weights.items()}
    return adopt(named, divisor=stated if isinstance(stated, int | float) else DIVISOR, source=str(file))


def read_recogniser(name: str, path: str | os.PathLike[str]) -> DifferentiableRecogniser:
    """Read a recogniser of others, ready to be attacked on face chips.

    Args:
        name: of the architecture, as in `networks.differentiable.FOREIGN`: a file does not tell.
        path: a file as `read_foreign` reads them, its layers named as the release or torchvision names them; the
            classes' weights may be in it.

    Raises:
        UsageError: there is no such architecture.
        MissingFile: no file is there.
        DataError: it cannot be read without running code from it, or holds another network.
    """
    known = foreign(name)
    file = existing_file(path, expected=f"the weights of {name}")
    found = {ours: tensor.float() for theirs, tensor in _tensors(file).items() if (ours := known.renamed(theirs))}
    with torch.device("meta"):
        network = known.build()
    wanted = {ours: place for ours, place in network.state_dict().items() if not ours.endswith("_tracked")}
    found = {ours: tensor for ours, tensor in found.items() if not ours.endswith("_tracked")}
    unlike = [ours for ours in sorted({*found, *wanted}) if _shape(found, ours) != _shape(wanted, ours)]
    if unlike:
        raise DataError(
            expected=f"{name} in {file}",
            came=f"another network: {len(unlike)} of {len(wanted)} tensors differ, such as {unlike[0]}",
            remedy="name the file of that network, or another architecture",
        )
    counts = {ours: torch.zeros((), dtype=torch.long) for ours in network.state_dict() if ours not in wanted}
    network.load_state_dict({**found, **counts}, assign=True)
    return known.on_chips(network)


def _shape(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None


def _tensors(file: Path) -> dict[str, Tensor]:
    return _tensors_of(_content(file), file)


def _content(file: Path) -> Any:
    try:
        content: Any
        if file.suffix == SAFETENSORS:
            content = load_safetensors(file.read_bytes())
        else:
            with warnings.catch_warnings():  # of a protocol of pickle that PyTorch does not write
                warnings.simplefilter("ignore")
                content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a torn file makes the restricted unpickler stumble over has no one class
        raise DataError(
            expected=f"tensors in {file}, read without running code", came=type(error).__name__, remedy=_SAVE_ANEW
        ) from error
    return content


def _tensors_of(content: Any, file: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise DataError(expected=f"tensors by name in {file}", came=type(content).__name__, remedy=_SAVE_ANEW)
    return {str(name).removeprefix(_PARALLEL): tensor for name, tensor in content.items()}


def _unit(found: re.Match[str]) -> str:
    number = int(found[1])
    stage = sum(number >= first for first in _FIRST_UNITS[1:])
    return f"stages.{stage}.{number - _FIRST_UNITS[min(stage, len(UNITS) - 1)]}."


_NAMES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(stem|stages)\."), lambda found: found[0]),
    (re.compile(r"(conv1|bn1)\."), lambda found: f"stem.{found[0]}"),
    (re.compile(r"layer([1-4])\."), lambda found: f"stages.{int(found[1]) - 1}."),
    (re.compile(r"input_layer\."), lambda _: "stem."),
    (re.compile(r"body\.(\d+)\."), _unit),
)


def _renamed(name: str) -> str:
    """Our name of a tensor, "" for one that is not taken over.

    >>> _renamed("layer4.0.conv1.weight"), _renamed("body.7.res_layer.1.weight"), _renamed("fc.bias")
    ('stages.3.0.conv1.weight', 'stages.2.0.res_layer.1.weight', '')
    """
    for pattern, place in _NAMES:
        if found := pattern.match(name):
            return place(found) + name[found.end() :]
    return ""
