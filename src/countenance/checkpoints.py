"""Checkpoints: tensors in safetensors, everything else in a JSON card beside them; nothing that runs code on load.

A checkpoint NAME is a card ``NAME.json`` and a tensor file whose name holds its own digest. The card is written last
and names the tensor file, so that a kill at any moment leaves the old checkpoint or the new one, whole.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from countenance.errors import DataError, DigestMismatch, UsageError
from countenance.files import existing_file, sha256_of, write_atomically

BEST, LAST = "best", "last"
"""Checkpoints of a run: the network that it ends with, and what it goes on from."""
_FORMAT = 1
_MODULE, _OPTIMIZER, _GENERATOR = "module.", "optimizer.", "generator"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: by name.
        card: everything else: recipe, epoch, digest of the data, sensors.
        digest: SHA-256 of the tensor file it was read from; "" for one that has not been written.
    """

    tensors: Mapping[str, Tensor]
    card: Mapping[str, Any]
    digest: str = ""


def write_checkpoint(folder: str | os.PathLike[str], name: str, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, whole or not at all; one of the same name is replaced.

    Args:
        folder: of the run; made when it is missing.
        name: such as "last".
        checkpoint: the card holds what JSON can hold.

    Returns:
        The path of the card.

    Raises:
        UsageError: the folder cannot be written to.
    """
    base = Path(folder)
    content = save({key: tensor.detach().contiguous().cpu() for key, tensor in checkpoint.tensors.items()})
    digest = sha256_of(content)
    file = f"{name}-{digest[:16]}.safetensors"
    write_atomically(base / file, content)
    sheet = {"format": _FORMAT, "tensors": file, "sha256": digest, "card": checkpoint.card}
    card = write_atomically(base / f"{name}.json", json.dumps(sheet, indent=1) + "\n")
    for old in base.glob(f"{name}-*.safetensors"):
        if old.name != file:
            old.unlink()
    return card


def read_checkpoint(folder: str | os.PathLike[str], name: str) -> Checkpoint:
    """Read a checkpoint and check its digest.

    Raises:
        MissingFile: the card or its tensors are not there.
        DigestMismatch: the tensor file is not the one that the card was written for.
        DataError: the card is not one of ours.
    """
    base = Path(folder)
    path = existing_file(base / f"{name}.json", expected=f"the card of the checkpoint {name!r} in {base}")
    again = "restore it, or train anew in another folder"
    try:
        sheet = json.loads(path.read_text(encoding="utf-8"))
        file, digest, card = Path(sheet["tensors"]).name, sheet["sha256"], dict(sheet["card"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(expected=f"the card of a checkpoint in {path}", came="something else", remedy=again) from error
    content = existing_file(base / file, expected=f"the tensors of {path}").read_bytes()
    if sha256_of(content) != digest:
        raise DigestMismatch(expected=f"{file} as it was written", came="other bytes", remedy=again)
    try:
        return Checkpoint(load(content), card, digest)
    except SafetensorError as error:
        raise DataError(expected=f"tensors in {base / file}", came="another format", remedy=again) from error


def read_last(folder: str | os.PathLike[str], begun_with: Mapping[str, Mapping[str, Any]]) -> Checkpoint | None:
    """Read what an interrupted run goes on from; None where the folder holds no run yet.

    Args:
        folder: of the run.
        begun_with: what its card must say under each key, such as its recipe.

    Raises:
        UsageError: the run was begun with something else.
        DataError: its checkpoint is damaged.
    """
    if not (Path(folder) / f"{LAST}.json").is_file():
        return None
    last = read_checkpoint(folder, LAST)
    for key, ours in begun_with.items():
        theirs = last.card.get(key)
        if theirs != ours:
            differ = sorted(name for name in ours if not isinstance(theirs, dict) or theirs.get(name) != ours[name])
            raise UsageError(
                expected=f"the {key} that the run in {folder} was begun with",
                came=f"another one ({', '.join(differ)})",
                remedy="name another folder",
            )
    return last


def training_state(module: nn.Module, optimizer: Optimizer, generator: torch.Generator) -> Checkpoint:
    """Return all that a training needs to go on as if it had never stopped.

    Args:
        module: its parameters and buffers.
        optimizer: its moments as tensors, its groups' numbers in the card.
        generator: what the training draws from.
    """
    state = optimizer.state_dict()
    tensors = {f"{_MODULE}{name}": tensor.clone() for name, tensor in module.state_dict().items()}
    numbers: dict[str, dict[str, Any]] = {}
    for index, values in state["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{_OPTIMIZER}{index}.{key}"] = value.clone()
            else:
                numbers.setdefault(str(index), {})[key] = value
    tensors[_GENERATOR] = generator.get_state()
    return Checkpoint(tensors, {"optimizer": {"groups": state["param_groups"], "numbers": numbers}})


def restore_training(
    checkpoint: Checkpoint, module: nn.Module, optimizer: Optimizer, generator: torch.Generator
) -> None:
    """Put the state that `training_state` returned back.

    Raises:
        DataError: it is the state of another module or optimizer.
    """
    values: dict[int, dict[str, Any]] = {}
    try:
        for index, numbers in checkpoint.card["optimizer"]["numbers"].items():
            values.setdefault(int(index), {}).update(numbers)
        for name, tensor in checkpoint.tensors.items():
            if name.startswith(_OPTIMIZER):
                index, _, key = name.removeprefix(_OPTIMIZER).partition(".")
                values.setdefault(int(index), {})[key] = tensor
        module.load_state_dict(module_tensors(checkpoint))
        groups = [dict(group) for group in checkpoint.card["optimizer"]["groups"]]
        optimizer.load_state_dict({"state": values, "param_groups": groups})
        generator.set_state(checkpoint.tensors[_GENERATOR])
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            expected="the state of this very training",
            came="another network's or another optimizer's",
            remedy="train anew in another folder",
        ) from error


def module_tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Return the module's own tensors, named as its `state_dict` names them."""
    return {
        name.removeprefix(_MODULE): tensor for name, tensor in checkpoint.tensors.items() if name.startswith(_MODULE)
    }
