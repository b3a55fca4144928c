"""What a training run has come to after each epoch, and how it goes on from there: the checkpoint ``last``.

A recipe notes what it wants to remember of each epoch in named columns, writes the networks that it chooses itself,
and this checkpoint last of all, so that a kill at any moment repeats an epoch at most.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from countenance.checkpoints import (
    LAST,
    Checkpoint,
    read_last,
    restore_training,
    training_state,
    write_checkpoint,
)
from countenance.training import EpochReport, Position


class RunHistory:
    """What is kept in the folder of a run.

    Args:
        folder: of the run.
        first: what it was begun with, under keys such as "recipe" and "data"; another is refused.
        module: everything that learns.
        optimizer: of it.
        columns: names of what is noted for each epoch, beside "losses".

    Attributes:
        position: how far the run is.
        noted: for each column what was noted, in the order of the epochs.
    """

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        module: nn.Module,
        optimizer: Optimizer,
        columns: Sequence[str] = (),
    ) -> None:
        self.position = Position()
        self.noted: dict[str, list[Any]] = {name: [] for name in ("losses", *columns)}
        self.folder, self.first = folder, first
        self._module, self._optimizer = module, optimizer

    @property
    def losses(self) -> list[float]:
        """The mean loss of each epoch."""
        return self.noted["losses"]

    def resume(self) -> bool:
        """Go on from the checkpoint ``last``; False where there is none.

        Raises:
            UsageError: the run was begun with something else.
            DataError: its checkpoint is damaged.
        """
        last = read_last(self.folder, self.first)
        if last is None:
            return False
        restore_training(last, self._module, self._optimizer, torch.default_generator)
        self.position = Position(last.card["epochs"], last.card["steps"])
        self.noted = {name: list(last.card[name]) for name in self.noted}
        return True

    def add(self, report: EpochReport, **noted: Any) -> Checkpoint:
        """Note what an epoch did.

        Args:
            report: of the epoch.
            noted: a value for each column.

        Returns:
            The state after it, for the checkpoints that are to be written.
        """
        self.position = report.position
        for name, value in {"losses": report.loss, **noted}.items():
            self.noted[name].append(value)
        return training_state(self._module, self._optimizer, torch.default_generator)

    def told(self) -> dict[str, Any]:
        """Return what every card of the run says."""
        return {**self.first, **self.noted}

    def write_last(self, state: Checkpoint, **more: Any) -> None:
        """Write the checkpoint to go on from; `more` stands in its card too."""
        place = {"epochs": self.position.epochs, "steps": self.position.steps}
        write_checkpoint(self.folder, LAST, Checkpoint(state.tensors, {**self.told(), **more, **state.card, **place}))


class FiguredHistory(RunHistory):
    """The same, with figures on what was held out after each epoch.

    Args:
        folder, first, module, optimizer: as for `RunHistory`.
        figures: computes them.
    """

    def __init__(
        self,
        folder: Path,
        first: Mapping[str, Any],
        module: nn.Module,
        optimizer: Optimizer,
        figures: Callable[[], dict[str, float]],
    ) -> None:
        super().__init__(folder, first, module, optimizer, ["figures"])
        self._judged = figures

    @property
    def figures(self) -> list[dict[str, float]]:
        """On what was held out; the first is from before the first step."""
        return self.noted["figures"]

    def resume(self) -> bool:
        """Go on from the checkpoint ``last``; where there is none, judge the first weights."""
        was_there = super().resume()
        if not was_there:
            self.figures.append(self._judged())
        return was_there

    def add(self, report: EpochReport, **noted: Any) -> Checkpoint:
        """Note what an epoch did, and judge what was held out."""
        return super().add(report, figures=self._judged(), **noted)


def module_state(state: Checkpoint) -> dict[str, torch.Tensor]:
    """Return the module's tensors of a training's state, under their names in a checkpoint."""
    return {name: tensor for name, tensor in state.tensors.items() if name.startswith("module.")}
