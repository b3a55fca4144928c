"""Recognition networks of others, from files that a user has: torchvision's ResNets and face.evoLVe's IR-50.

- ResNet-18 and ResNet-34, such as those of ImageNet that https://github.com/pytorch/vision publishes: `conv1` and `bn1`
  are the stem, `layer1` to `layer4` the stages, `fc` is left out.
- IR-50 of https://github.com/ZhaoJ9014/face.evoLVe: `input_layer` is the stem, `body.0` to `body.23` are the units of
  four stages, `output_layer` is left out.

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
from countenance.networks.ir_resnet import UNITS

SAFETENSORS = ".safetensors"
_WRAPPERS = ("state_dict", "model", "backbone")  # keys under which training scripts keep the weights
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


def _tensors(file: Path) -> dict[str, Tensor]:
    remedy = "save its state_dict with safetensors, or with torch.save in a current PyTorch"
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
            expected=f"tensors in {file}, read without running code", came=type(error).__name__, remedy=remedy
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise DataError(expected=f"tensors by name in {file}", came=type(content).__name__, remedy=remedy)
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
