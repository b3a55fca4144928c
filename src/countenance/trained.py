"""Networks of one's own training, named by the folder of their run."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from countenance.checkpoints import Checkpoint, module_tensors, read_checkpoint
from countenance.errors import DataError
from countenance.networks.slim_pad import NAME as SLIM_PAD
from countenance.networks.slim_pad import SlimPad
from countenance.vocabulary import Modality

BEST = "best"
"""Name of the checkpoint that a run ends with."""


def _slim_pad(card: Mapping[str, Any]) -> SlimPad:
    return SlimPad([Modality(name) for name in card["modalities"]], width=card["width"])


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], SlimPad]] = {SLIM_PAD: _slim_pad}


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds a trained network."""
    return (Path(folder) / f"{BEST}.json").is_file()


def trained_network(folder: str | os.PathLike[str]) -> SlimPad:
    """Build the network that a run chose, ready to judge.

    Raises:
        MissingFile: there is no trained network in the folder.
        DataError: its card or its tensors are not those of a network that is known.
    """
    checkpoint = read_checkpoint(folder, BEST)
    try:
        network = _built(checkpoint)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            expected=f"a network among {', '.join(_BUILDERS)} in {folder}", came="another one", remedy="train it anew"
        ) from error
    network.eval()
    return network


def _built(checkpoint: Checkpoint) -> SlimPad:
    network = _BUILDERS[checkpoint.card["network"]](checkpoint.card)
    network.load_state_dict(module_tensors(checkpoint))
    return network
