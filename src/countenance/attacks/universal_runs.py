"""Crafting in a folder: what is interrupted goes on from its last checkpoint, to the same pictures."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from torch import Tensor

from countenance.attacks.universal import Penalty, Surrogate, UniversalRecipe, UniversalState, craft, digests
from countenance.checkpoints import LAST, Checkpoint, read_last, write_checkpoint
from countenance.errors import DataError, at_least
from countenance.progress import Progress, unheard

_TENSORS = ("seeds", "pixels", "momentum", "generator", "losses")
EVERY = 100


def craft_in(
    folder: str | os.PathLike[str],
    seeds: Tensor,
    surrogates: Sequence[Surrogate],
    recipe: UniversalRecipe,
    *,
    every: int = EVERY,
    penalty: Penalty | None = None,
    progress: Progress = unheard,
) -> UniversalState:
    """Craft as `universal.craft` does, leaving the state in `folder`; a folder that holds one is gone on from.

    Args:
        folder: of this crafting alone; one whose recipe had fewer iterations is gone on from too.
        seeds: (K, 3, S, S) float in [0, 1].
        surrogates: whose objectives are added up.
        recipe: how.
        every: steps between two checkpoints.
        penalty: as for `universal.craft`. It leaves no trace in the folder but its weight.
        progress: called after each step.

    Returns:
        The state at the recipe's end.

    Raises:
        UsageError: as for `universal.craft`, or the folder holds another crafting.
        DataError: its state is damaged.
    """
    at_least(1, every=every)
    begun_with: dict[str, Mapping[str, object]] = {"recipe": identity(recipe), "surrogates": digests(surrogates)}
    last = read_last(folder, begun_with)
    state = None if last is None else _read(last, recipe)
    while True:
        done = 0 if state is None else state.iteration
        state = craft(
            seeds,
            surrogates,
            recipe,
            state=state,
            until=(done // every + 1) * every,
            penalty=penalty,
            progress=lambda step, _: progress(step, recipe.iterations),
        )
        tensors = {name: getattr(state, name) for name in _TENSORS}
        write_checkpoint(folder, LAST, Checkpoint(tensors, {**begun_with, "iteration": state.iteration}))
        if state.iteration >= recipe.iterations:
            return state


def identity(recipe: UniversalRecipe) -> dict[str, object]:
    """Return what two runs must have in common to be one: the recipe but for its iterations, its defaults spelt out."""
    said = {name: value for name, value in asdict(recipe).items() if name != "iterations"}
    meant = {"learning_rate": recipe.rate, "batch_size": recipe.batch, "momentum": recipe.kept, "slowing": recipe.slows}
    return {**said, **meant}


def _read(last: Checkpoint, recipe: UniversalRecipe) -> UniversalState:
    try:
        return UniversalState(
            recipe=recipe,
            iteration=int(last.card["iteration"]),
            surrogates=dict(last.card["surrogates"]),
            **{name: last.tensors[name] for name in _TENSORS},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            expected="the state of a crafting", came="another run's checkpoint", remedy="name another folder"
        ) from error
