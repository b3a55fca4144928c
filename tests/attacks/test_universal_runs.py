"""Crafting in a folder: killed at any step it ends in the same pictures, and another crafting is refused."""

import json

import pytest
import torch
from torch.nn.functional import normalize

from countenance.attacks.universal import Surrogate, UniversalOptimizer, UniversalRecipe, craft
from countenance.attacks.universal_runs import craft_in, identity
from countenance.errors import DataError, UsageError

SEEDS = torch.arange(3 * 64, dtype=torch.float32).view(1, 3, 8, 8) / 255
RECIPE = UniversalRecipe(
    epsilon=0.1,
    iterations=10,
    optimizer=UniversalOptimizer.PAPER,
    learning_rate=5.0,
    batch_size=4,
    momentum=0.5,
    diversity=True,
)


def surrogate():
    weights = torch.randn(192, 5, generator=torch.Generator().manual_seed(1))
    targets = normalize(torch.randn(9, 5, generator=torch.Generator().manual_seed(2)), dim=1)
    return Surrogate("toy", lambda pictures: normalize(pictures.flatten(1) @ weights, dim=1), targets)


class KilledError(Exception):
    pass


def killed_after(step):
    def progress(done, _):
        if done == step:
            raise KilledError

    return progress


@pytest.mark.parametrize("step", [1, 3, 4, 10])
def test_a_killed_run_ends_as_one_that_was_not(tmp_path, step):
    whole = craft(SEEDS, [surrogate()], RECIPE)
    with pytest.raises(KilledError):
        craft_in(tmp_path, SEEDS, [surrogate()], RECIPE, every=3, progress=killed_after(step))
    told = []
    ended = craft_in(tmp_path, SEEDS, [surrogate()], RECIPE, every=3, progress=lambda *done: told.append(done))
    assert told[0] == ((step - 1) // 3 * 3 + 1, 10)
    assert told[-1] == (10, 10)
    for name in ("pixels", "momentum", "generator", "losses"):
        assert torch.equal(getattr(ended, name), getattr(whole, name))
    assert not torch.equal(ended.pixels, SEEDS)


def test_a_longer_recipe_goes_on_from_a_shorter_one(tmp_path):
    shorter = UniversalRecipe(**{**vars(RECIPE), "iterations": 4})
    craft_in(tmp_path, SEEDS, [surrogate()], shorter)
    again = craft_in(tmp_path, SEEDS, [surrogate()], shorter)  # has nothing left to do
    assert again.iteration == 4
    longer = craft_in(tmp_path, SEEDS, [surrogate()], RECIPE)
    assert torch.equal(longer.pixels, craft(SEEDS, [surrogate()], RECIPE).pixels)
    with pytest.raises(UsageError, match="more steps than were asked for"):
        craft_in(tmp_path, SEEDS, [surrogate()], shorter)


def test_no_steps_leave_the_seeds(tmp_path):
    none = UniversalRecipe(**{**vars(RECIPE), "iterations": 0})
    assert torch.equal(craft_in(tmp_path, SEEDS, [surrogate()], none).pixels, SEEDS)


def test_another_crafting_is_refused(tmp_path):
    craft_in(tmp_path, SEEDS, [surrogate()], RECIPE)
    other = UniversalRecipe(**{**vars(RECIPE), "epsilon": 0.2})
    with pytest.raises(UsageError, match=r"the recipe that the run in .* was begun with; came another one \(epsilon\)"):
        craft_in(tmp_path, SEEDS, [surrogate()], other)
    with pytest.raises(UsageError, match="other seeds"):
        craft_in(tmp_path, 1 - SEEDS, [surrogate()], RECIPE)
    with pytest.raises(UsageError, match="every of at least 1"):
        craft_in(tmp_path, SEEDS, [surrogate()], RECIPE, every=0)
    sheet = json.loads((tmp_path / "last.json").read_text())
    del sheet["card"]["iteration"]
    (tmp_path / "last.json").write_text(json.dumps(sheet))
    with pytest.raises(DataError, match="expected the state of a crafting"):
        craft_in(tmp_path, SEEDS, [surrogate()], RECIPE)


def test_a_default_is_the_same_recipe_spelt_out():
    bare = UniversalRecipe(epsilon=0.1)
    spelt = UniversalRecipe(epsilon=0.1, iterations=7, learning_rate=bare.rate, batch_size=32, momentum=0, slowing=0)
    assert identity(bare) == identity(spelt)
