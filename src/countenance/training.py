"""The one loop that trains: no branch on the task.

What differs from one system to the next is handed in: how a batch becomes a loss, where batches come from, how fast to
learn, what happens after a step (a projection on a budget) and after an epoch (a look at the development split, a
checkpoint).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn
from torch.optim import Optimizer

from countenance.errors import UsageError, at_least

BatchType = TypeVar("BatchType")
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Position:
    """How far a training is.

    Attributes:
        epochs: that are done.
        steps: that are done, over all epochs.
    """

    epochs: int = 0
    steps: int = 0


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did.

    Attributes:
        position: after it.
        loss: the mean over its batches.
    """

    position: Position
    loss: float


def fit(  # noqa: PLR0913 - the loop is what is handed to it
    module: Module,
    batch_loss: Callable[[Module, BatchType], Tensor],
    batches: Callable[[int], Iterable[BatchType]],
    *,
    optimizer: Optimizer,
    epochs: int,
    start: Position = Position(),
    schedule: Callable[[int], float] | None = None,
    after_step: Callable[[int], None] | None = None,
    after_epoch: Callable[[EpochReport], None] | None = None,
) -> list[EpochReport]:
    """Train `module` from `start` until `epochs` epochs are done.

    Args:
        module: what is trained, in place; it is in training mode during each epoch.
        batch_loss: makes the scalar loss of one batch.
        batches: makes the batches of an epoch, from its number from 0.
        optimizer: of the module's parameters.
        epochs: in all, those before `start` among them; 0 changes nothing.
        start: where an interrupted training goes on.
        schedule: the factor on each group's first learning rate, from the number of steps done before; 1 where None.
        after_step: called with the number of steps done.
        after_epoch: called with what the epoch did.

    Returns:
        A report for each epoch that was trained now.

    Raises:
        UsageError: a negative number of epochs, an epoch without a batch, or a loss that is not finite.
    """
    at_least(0, epochs=epochs)
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    reports: list[EpochReport] = []
    steps = start.steps
    for epoch in range(start.epochs, epochs):
        module.train()
        total, first_step = 0.0, steps
        for batch in batches(epoch):
            if schedule is not None:
                for group in optimizer.param_groups:
                    group["lr"] = group["initial_lr"] * schedule(steps)
            optimizer.zero_grad(set_to_none=True)
            loss = batch_loss(module, batch)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise UsageError(
                    expected="a finite loss",
                    came=f"{value} at step {steps + 1} of epoch {epoch + 1}",
                    remedy="lower the learning rate",
                )
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
            total += value
            if after_step is not None:
                after_step(steps)
        if steps == first_step:
            raise UsageError(
                expected="at least one batch in an epoch", came="none", remedy="make the batch smaller, or add samples"
            )
        reports.append(EpochReport(Position(epoch + 1, steps), total / (steps - first_step)))
        if after_epoch is not None:
            after_epoch(reports[-1])
    return reports


def half_cosine(steps: int, *, after: int = 0) -> Callable[[int], float]:
    """Return the factor that falls from 1 to 0 along half a cosine over `steps` steps, begun `after` so many."""
    return lambda step: 0.5 * (1 + math.cos(math.pi * (step - after) / steps))
