"""Networks of one's own training, named by the folder of their run."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from countenance.checkpoints import BEST, Checkpoint, module_tensors, read_checkpoint
from countenance.errors import DataError
from countenance.foreign_checkpoints import read_flow_network
from countenance.networks.caffe_resnet import caffe_resnet, slim_resnet
from countenance.networks.fewframe import NAME as FEWFRAME
from countenance.networks.fewframe import FewFrameNetwork, fewframe_of
from countenance.networks.flownets import NAME as FLOWNETS
from countenance.networks.flownets import FlowNetS, FlowNetSEncoder, adopt
from countenance.networks.ir_resnet import ir_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.resnet import resnet18, resnet34
from countenance.networks.slim_pad import NAME as SLIM_PAD
from countenance.networks.slim_pad import SlimPad
from countenance.networks.trunk import Trunk
from countenance.vocabulary import Modality

MLFA = "mlfa"
TrainedNetwork = SlimPad | MultiLevelNetwork
_TRUNKS: Mapping[str, Callable[[int], Trunk]] = {
    "caffe-resnet34": lambda width: caffe_resnet(width=width),
    "slim-resnet": slim_resnet,
    "ir-resnet50": lambda width: ir_resnet(width=width),
    "resnet18": lambda width: resnet18(width=width),
    "resnet34": lambda width: resnet34(width=width),
}
_SWITCHES = ("aggregation", "excitation", "attention", "bottleneck")


def trunk_named(name: str, width: int) -> Trunk:
    """Return the trunk that a card names.

    Args:
        name: such as "slim-resnet".
        width: channels after its stem.

    Raises:
        DataError: an unknown name.
    """
    if name not in _TRUNKS:
        raise DataError(expected=f"a trunk among {', '.join(_TRUNKS)}", came=repr(name), remedy="name one of these")
    return _TRUNKS[name](width)


def described(network: TrainedNetwork) -> dict[str, Any]:
    """Return what a card says of a network, so that it can be built again."""
    if isinstance(network, SlimPad):
        return {"network": SLIM_PAD, "modalities": list(map(str, network.modalities)), "width": network.width}
    return {
        "network": MLFA,
        "trunk": network.trunk.name,
        "width": network.trunk.channels[0],
        "streams": list(map(str, network.streams)),
        "side": network.side,
        **network.switches,
    }


def built(card: Mapping[str, Any]) -> TrainedNetwork:
    """Build the network that a card describes, with weights yet to be loaded.

    Raises:
        KeyError, ValueError, TypeError: the card does not describe one.
        DataError: an unknown trunk.
        UsageError: a number or a list of sensors that no network has.
    """
    if card["network"] == SLIM_PAD:
        return SlimPad([Modality(name) for name in card["modalities"]], width=card["width"])
    if card["network"] != MLFA:
        raise KeyError(card["network"])
    return MultiLevelNetwork(
        trunk_named(card["trunk"], card["width"]),
        streams=[Modality(name) for name in card["streams"]],
        side=card["side"],
        **{switch: card[switch] for switch in _SWITCHES},
    )


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds a trained network."""
    return (Path(folder) / f"{BEST}.json").is_file()


def trained_network(folder: str | os.PathLike[str]) -> TrainedNetwork:
    """Build the network that a run chose, ready to judge.

    Raises:
        MissingFile: there is no trained network in the folder.
        DataError: its card or its tensors are not those of a network that is known.
    """
    return network_of(read_checkpoint(folder, BEST), source=os.fspath(folder))


def network_of(checkpoint: Checkpoint, *, source: str) -> TrainedNetwork:
    """Build the network of a checkpoint, ready to judge.

    Args:
        checkpoint: of a chosen network.
        source: where it came from, for messages.

    Raises:
        DataError: its card or its tensors are not those of a network that is known.
    """
    try:
        network: nn.Module = built(checkpoint.card)
        network.load_state_dict(module_tensors(checkpoint))
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            expected=f"a network among {SLIM_PAD}, {MLFA} in {source}", came="another one", remedy="train it anew"
        ) from error
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert isinstance(network, SlimPad | MultiLevelNetwork)
    return network


def is_of_clips(checkpoint: Checkpoint) -> bool:
    """Tell whether the network of a checkpoint judges clips rather than pictures."""
    return checkpoint.card.get("network") == FEWFRAME


def trained_clip_network(folder: str | os.PathLike[str]) -> FewFrameNetwork:
    """Build the network of clips that a run chose, ready to judge.

    Raises:
        MissingFile: there is no trained network in the folder.
        DataError: its card or its tensors are not those of a network of clips.
    """
    return clip_network_of(read_checkpoint(folder, BEST), source=os.fspath(folder))


def clip_network_of(checkpoint: Checkpoint, *, source: str) -> FewFrameNetwork:
    """Build the network of clips of a checkpoint, ready to judge.

    Args:
        checkpoint: of a chosen network.
        source: where it came from, for messages.

    Raises:
        DataError: its card or its tensors are not those of a network of clips.
    """
    try:
        network = fewframe_of(checkpoint.card)
        network.load_state_dict(module_tensors(checkpoint))
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            expected=f"a network of clips, {FEWFRAME}, in {source}", came="another one", remedy="train it anew"
        ) from error
    return network.eval()


def flow_network(source: str | os.PathLike[str]) -> FlowNetS:
    """Read a flow network, ready to judge.

    Args:
        source: the folder of a run of `recipes.flownets`, or a file as `foreign_checkpoints.read_flow_network` knows
            them.

    Raises:
        MissingFile: nothing is there, or the run is not done.
        DataError: it holds another network.
    """
    path = Path(source)
    if not path.is_dir():
        return read_flow_network(path)
    checkpoint = read_checkpoint(path, BEST)
    if checkpoint.card.get("network") != FLOWNETS:
        raise DataError(
            expected=f"a flow network in {path}",
            came=f"a network {checkpoint.card.get('network')!r}",
            remedy="name the folder of a run of flownets-slim",
        )
    return adopt(module_tensors(checkpoint), source=str(path))


def load_flow_encoder(source: str | os.PathLike[str]) -> FlowNetSEncoder:
    """Read the encoder of a flow network, ready to judge; source and errors as for `flow_network`."""
    return flow_network(source).encoder
