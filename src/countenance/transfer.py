"""From a recognition network to the multimodal one: which of its weights begin which part.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019,
sections 4.2 and 5.5; code: https://github.com/AlexanderParkin/ChaLearn_liveness_challenge.

Every branch begins as the stem and stages 1 to 3; the main path as stage 4, whose first layer is repeated along its
input, once for each branch, and not divided by their number. The paper says that the aggregation path is random; the
released code begins it as stages 2, 3 and 4, which is our default. Fusions, gates, excitations, reductions and the head
stay as they were drawn.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import torch
from torch import Tensor, nn

from countenance.checkpoints import BEST, module_tensors, read_checkpoint
from countenance.errors import DataError, UsageError
from countenance.foreign_checkpoints import read_foreign
from countenance.networks.excitation import ChannelAttention
from countenance.networks.mlfa import LEVELS, MultiLevelNetwork

RECOGNITION = "recognition"
"""What the card of a recognition network's run calls it."""


class Aggregations(StrEnum):
    """How the stages of the aggregation path begin."""

    PRE_TRAINED = "pre-trained"
    RANDOM = "random"


def initialise(
    network: MultiLevelNetwork,
    state: Mapping[str, Tensor],
    *,
    aggregations: Aggregations | str = Aggregations.PRE_TRAINED,
) -> None:
    """Put the weights of a recognition network where a multimodal one of the same trunk begins, in place.

    The normalisation of the input stays the multimodal network's own.

    Args:
        network: changed in its branches, its main path and, unless "random", its aggregation path.
        state: of a `RecognitionNetwork`, as its `state_dict` names it; see `pretrained_trunk_state`.
        aggregations: "pre-trained" as in the released code, or "random" as in the paper.

    Raises:
        UsageError: another word for `aggregations`.
        DataError: the state is of another trunk; the network is then as it was.
    """
    if aggregations not in set(Aggregations):
        raise UsageError(
            expected=f"aggregations among {', '.join(Aggregations)}", came=repr(aggregations), remedy="name one of them"
        )
    targets: list[tuple[str, nn.Module, int]] = []  # (which part of the state, where it goes, how often repeated)
    for branch in network.branches:
        assert isinstance(branch, nn.ModuleList)
        targets += [("stem.", branch[0], 1), *((f"stages.{level - 1}.", branch[level], 1) for level in LEVELS)]
    targets.append(("stages.3.", network.main, len(network.streams)))
    if network.aggregations is not None and aggregations == Aggregations.PRE_TRAINED:
        targets += [(f"stages.{level}.", network.aggregations[level - 1], 1) for level in LEVELS]
    loads = [(_stage(module), part, times) for part, module, times in targets]
    fitted = [_fitted(module, state, part, times, network.trunk.name) for module, part, times in loads]
    for (module, _, _), values in zip(loads, fitted, strict=True):
        module.load_state_dict(values)


def pretrained_trunk_state(source: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the state that `initialise` takes: from the folder of a run of `recipes.pretraining`, or a foreign file.

    Args:
        source: the folder of a run; or a file as `foreign_checkpoints.read_foreign` knows them.

    Raises:
        MissingFile: nothing is there, or the run is not done.
        DataError: it holds no recognition network.
    """
    path = Path(source)
    if not path.is_dir():
        return read_foreign(path)
    checkpoint = read_checkpoint(path, BEST)
    if checkpoint.card.get("network") != RECOGNITION:
        raise DataError(
            expected=f"a recognition network in {path}",
            came=f"a network {checkpoint.card.get('network')!r}",
            remedy="name the folder of a run of pre-training",
        )
    return module_tensors(checkpoint)


def _stage(module: nn.Module) -> nn.Module:
    """The stage itself, where a gate follows it (variant B)."""
    gated = isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], ChannelAttention)
    return module[0] if gated else module  # type: ignore[index]


def _fitted(module: nn.Module, state: Mapping[str, Tensor], part: str, times: int, trunk: str) -> dict[str, Tensor]:
    """The part of the state that `module` begins as, repeated along the input where the module's is `times` larger."""
    own = {name.removeprefix(part): tensor for name, tensor in state.items() if name.startswith(part)}
    wanted = module.state_dict()
    names = sorted(own.keys() ^ wanted.keys())
    if names:
        _refuse(trunk, f"a state that {'lacks' if names[0] in wanted else 'has'} {part}{names[0]}")
    return {name: _repeated(own[name], like, times, f"{part}{name}", trunk) for name, like in wanted.items()}


def _repeated(tensor: Tensor, like: Tensor, times: int, name: str, trunk: str) -> Tensor:
    """A tensor of the shape of `like`.

    The input is axis 1 of a convolution's weight and axis 0 of a normalisation that comes before it.
    """
    if tensor.shape == like.shape:
        return tensor
    axis = 1 if tensor.ndim > 1 else 0
    if tensor.ndim == like.ndim and tensor.ndim > 0:
        grown = torch.cat([tensor] * times, axis)
        if grown.shape == like.shape:
            return grown
    return _refuse(trunk, f"{tuple(tensor.shape)} for {tuple(like.shape)} in {name}")


def _refuse(trunk: str, came: str) -> Tensor:
    raise DataError(
        expected=f"the weights of a recognition network with the trunk {trunk}",
        came=came,
        remedy="name a network that was pre-trained with this trunk, at this width",
    )
