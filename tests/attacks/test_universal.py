"""Universal examples: the collapsed gradient beside the naive loop, budgets, seeds apart, resuming, refusals."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import normalize

from countenance.attacks.universal import (
    DEFAULTS,
    Precision,
    Surrogate,
    UniversalOptimizer,
    UniversalRecipe,
    UniversalState,
    craft,
    images,
    naive_gradient,
    naive_step,
    rate_after,
    reach,
)
from countenance.errors import UsageError

SIDE, FEATURES, TARGETS, SEEDS = 24, 12, 40, 3
PAPER, SIGN, COUNT = UniversalOptimizer


class Toy(nn.Module):
    """A small smooth recogniser with features of length 1."""

    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Conv2d(3, 8, 5, 2),
                nn.Tanh(),
                nn.Conv2d(8, 8, 3, 2),
                nn.Tanh(),
                nn.Flatten(),
                nn.Linear(128, FEATURES),
            )
        self.requires_grad_(requires_grad=False)
        self.seen = 0

    def forward(self, pictures):
        self.seen += len(pictures)
        features: torch.Tensor = normalize(self.layers(4 * pictures - 2), dim=1)
        return features


def eight_bits(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=generator).float() / 255


PICTURES = eight_bits(TARGETS, 1)


@pytest.fixture
def seeds():
    return eight_bits(SEEDS, 2)


def surrogate(seed=0, threshold=0.5, own=None, name="toy"):
    network = Toy(seed)
    return Surrogate(name, network, network(PICTURES), threshold=threshold, own=None if own is None else network(own))


def recipe(optimizer=SIGN, **fields):
    rate = 20.0 if optimizer is PAPER else 1 / 255  # a small network has steep gradients
    return UniversalRecipe(
        **{"epsilon": 8 / 255, "iterations": 12, "optimizer": optimizer, "learning_rate": rate, **fields}
    )


def same(a, b):
    return all(
        torch.equal(getattr(a, name), getattr(b, name)) for name in ("pixels", "momentum", "generator", "losses")
    )


def test_the_collapsed_step_is_the_naive_one(seeds):
    """A mini-batch of all pictures: the mean of the features is all that is left of it."""
    held = surrogate()
    for optimizer in (PAPER, SIGN):
        how = recipe(optimizer, iterations=1, batch_size=0, learning_rate=2.0 if optimizer is PAPER else 1e-3)
        ours = craft(seeds, [held], how).pixels
        theirs = naive_step(seeds, seeds, held.network, PICTURES, how)
        assert float((ours - theirs).abs().max()) <= 1e-6
        assert float((ours - seeds).abs().max()) > 5e-4


def test_the_naive_gradient_is_that_of_finite_differences(seeds):
    network = Toy(0).double()
    pixels, pictures = seeds[:1].double(), PICTURES[:5].double()
    gradient = naive_gradient(pixels, network, pictures)
    for place in ((0, 0, 3, 4), (0, 2, 11, 7)):
        losses = []
        for step in (1e-5, -1e-5):
            moved = pixels.clone()
            moved[place] += step
            losses.append((1 - network(moved) @ network(pictures).T).mean())
        assert float(gradient[place]) == pytest.approx(float(losses[0] - losses[1]) / 2e-5, rel=1e-5)


def test_the_targets_of_a_mini_batch_are_drawn_anew_at_each_step(seeds):
    held = surrogate()
    state = craft(seeds, [held], recipe(PAPER, batch_size=4, learning_rate=0.0, iterations=30))
    assert float(state.losses.std(0).min()) > 0.005
    whole = craft(seeds, [held], recipe(PAPER, batch_size=0, learning_rate=0.0, iterations=2)).losses
    assert torch.allclose(whole[0], whole[1])
    assert float((state.losses.mean(0) - whole[0]).abs().max()) < 0.1


def test_a_step_embeds_each_picture_once_whatever_the_batch(seeds):
    held = surrogate()
    for size in (1, TARGETS):
        held.network.seen = 0
        craft(seeds, [held], recipe(PAPER, batch_size=size, iterations=5))
        assert held.network.seen == 5 * SEEDS


@pytest.mark.parametrize("optimizer", UniversalOptimizer)
def test_what_a_seed_becomes_does_not_depend_on_its_neighbours(seeds, optimizer):
    held = surrogate()
    how = recipe(optimizer, iterations=4, diversity=True, momentum=0.5)
    together = craft(seeds, [held], how)
    for row in range(SEEDS):
        alone = craft(seeds[row : row + 1], [held], how)
        apart = (alone.pixels - together.pixels[row : row + 1]).abs()
        assert float((apart > 1e-5).float().mean()) <= 1e-3  # a sign may turn where a gradient is nothing
        assert torch.allclose(alone.losses, together.losses[:, row : row + 1], atol=1e-4)


@pytest.mark.parametrize("optimizer", UniversalOptimizer)
def test_every_way_is_inside_its_budget_and_better_than_noise(seeds, optimizer):
    held = surrogate()
    for epsilon in (2 / 255, 8 / 255, 0.05):
        state = craft(seeds, [held], recipe(optimizer, epsilon=epsilon, iterations=40))
        assert float((state.pixels - seeds).abs().max()) <= epsilon + 1e-7
        assert 0 <= float(state.pixels.min()) <= float(state.pixels.max()) <= 1
        pictures = images(state).astype(int)
        before = np.rint(255 * seeds.numpy()).astype(int).transpose(0, 2, 3, 1)
        assert np.abs(pictures - before).max() <= math.floor(255 * epsilon + 1e-9)
        noise = seeds + epsilon * torch.sign(torch.randn(seeds.shape, generator=torch.Generator().manual_seed(3)))
        rows = [reach(each.clamp(0, 1), held).mean_cosine for each in (seeds, noise, state.pixels)]
        assert float((rows[2] - rows[0]).min()) > 3 * float((rows[1] - rows[0]).abs().max())
        assert float(rows[2].max()) <= held.ceiling + 1e-6


@pytest.mark.parametrize("optimizer", UniversalOptimizer)
def test_a_budget_of_nothing_changes_nothing(seeds, optimizer):
    state = craft(seeds, [surrogate()], recipe(optimizer, epsilon=0.0, momentum=0.5))
    assert torch.equal(state.pixels, seeds)
    assert np.array_equal(images(state), (255 * seeds).round().byte().permute(0, 2, 3, 1).numpy())


def test_counting_is_a_sigmoid_for_each_target(seeds):
    held = surrogate(threshold=0.4)
    losses = craft(seeds, [held], recipe(COUNT, iterations=1, temperature=0.3)).losses[0].tolist()
    for row, features in enumerate(held.network(seeds)):
        logits = [(float(features @ target) - 0.4) / (0.3 * held.spread) for target in held.targets]
        assert losses[row] == pytest.approx(1 - sum(1 / (1 + math.exp(-each)) for each in logits) / TARGETS, abs=1e-5)


def test_counting_matches_more_than_the_mean_does(seeds):
    """Half of the people lie to one side, half to the other: the mean wants to stand between them, matching nobody."""
    held = surrogate()
    one, other = torch.eye(FEATURES)[:2]
    targets = normalize(torch.cat([one.repeat(20, 1), other.repeat(21, 1)]), dim=1)
    held = replace(held, targets=targets, threshold=0.8)
    shares = {}
    for optimizer in (SIGN, COUNT):
        state = craft(seeds, [held], recipe(optimizer, epsilon=0.3, iterations=120, temperature=0.1))
        shares[optimizer] = reach(state.pixels, held).matches
    assert float(shares[SIGN].max()) == 0
    assert float(shares[COUNT].min()) >= 20 / 41
    assert held.ceiling == pytest.approx(math.hypot(20, 21) / 41)


def test_the_ceiling_and_the_spread():
    held = surrogate()
    cosines = (held.targets @ held.targets.T).double()
    assert held.spread == pytest.approx(float(cosines.std(correction=0)), rel=1e-5)
    assert held.ceiling == pytest.approx(math.sqrt(float(cosines.mean())), rel=1e-6)


def test_several_surrogates_are_added_up(seeds):
    held = [surrogate(0, name="a"), surrogate(1, name="b")]
    both = craft(seeds, held, recipe(PAPER, iterations=1, batch_size=0, learning_rate=1.0))
    alone = [craft(seeds, [each], recipe(PAPER, iterations=1, batch_size=0, learning_rate=1.0)) for each in held]
    assert torch.allclose(both.losses, alone[0].losses + alone[1].losses)
    assert torch.allclose(both.momentum, alone[0].momentum + alone[1].momentum, atol=1e-7)
    climbed = craft(seeds, held, recipe(iterations=60)).pixels
    for each in held:
        assert bool((reach(climbed, each).mean_cosine > reach(seeds, each).mean_cosine + 0.03).all())


def test_an_own_feature_is_kept(seeds):
    held = surrogate(own=seeds)
    free, bound = (
        reach(craft(seeds, [held], recipe(iterations=40, keep_weight=weight)).pixels, held) for weight in (0.0, 3.0)
    )
    assert bool((bound.own_cosine > free.own_cosine).all())
    assert bool((bound.mean_cosine < free.mean_cosine).all())
    assert bool(reach(seeds, surrogate(threshold=math.nan)).matches.isnan().all())
    assert bool(reach(seeds, surrogate()).own_cosine.isnan().all())


def test_a_penalty_is_heeded(seeds):
    def dark(pictures):
        return pictures.mean((1, 2, 3))

    paid = craft(seeds, [surrogate()], recipe(iterations=30, penalty_weight=100.0), penalty=dark)
    free = craft(seeds, [surrogate()], recipe(iterations=30))
    assert bool((dark(paid.pixels) < dark(free.pixels) - 0.01).all())
    assert torch.allclose(paid.losses[0], free.losses[0] + 100 * dark(seeds))


@pytest.mark.parametrize("optimizer", UniversalOptimizer)
def test_an_interrupted_crafting_ends_as_one_that_was_not(seeds, optimizer):
    held, how = surrogate(), recipe(optimizer, batch_size=8, momentum=0.7, diversity=True, slowing=3)
    whole = craft(seeds, [held], how)
    half = craft(seeds, [held], how, until=5)
    assert (half.iteration, whole.iteration) == (5, 12)
    assert same(craft(seeds, [held], how, state=half), whole)
    assert same(craft(seeds, [held], replace(how, iterations=5)), half)  # the prefix of a longer one
    assert same(craft(seeds, [held], how, state=whole), whole)


def test_progress_and_the_rate(seeds):
    told = []
    craft(seeds, [surrogate()], recipe(), until=3, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert rate_after(100, recipe(learning_rate=0.5, slowing=0)) == 0.5
    assert rate_after(3, recipe(learning_rate=0.5, slowing=1)) == 0.25
    for optimizer, default in DEFAULTS.items():
        bare = UniversalRecipe(epsilon=0.1, optimizer=optimizer)
        assert (bare.rate, bare.batch, bare.kept, bare.slows) == tuple(vars(default).values())


def test_views_are_averaged(seeds):
    held = surrogate()
    two = craft(seeds, [held], recipe(PAPER, iterations=1, batch_size=0, diversity=True, views=2)).losses
    first = craft(seeds, [held], recipe(PAPER, iterations=1, batch_size=0, diversity=True)).losses
    plain = craft(seeds, [held], recipe(PAPER, iterations=1, batch_size=0)).losses
    assert not torch.equal(two, first)
    assert not torch.equal(first, plain)
    assert float((two - plain).abs().max()) < 0.2


def test_half_precision_is_near(seeds):
    held = surrogate()
    full = craft(seeds, [held], recipe(iterations=40))
    half = craft(seeds, [held], recipe(iterations=40, precision=Precision.BFLOAT16))
    assert half.pixels.dtype == torch.float32
    assert not torch.equal(full.losses, half.losses)
    difference = reach(full.pixels, held).mean_cosine - reach(half.pixels, held).mean_cosine
    assert float(difference.abs().max()) < 0.02


def test_pictures_survive_a_file(seeds):
    pictures = images(craft(seeds, [surrogate()], recipe()))
    for picture in pictures:
        held = io.BytesIO()
        Image.fromarray(picture).save(held, "PNG")
        assert np.array_equal(np.asarray(Image.open(held)), picture)


def test_rounding_never_leaves_the_ball(seeds):
    generator = torch.Generator().manual_seed(5)
    between = torch.rand(seeds.shape, generator=generator)
    for start, epsilon in ((between, 0.6 / 255), (between, 7.3 / 255), (seeds, 7.3 / 255), (seeds, 0.4 / 255)):
        state = craft(start, [surrogate()], recipe(epsilon=epsilon, learning_rate=0.1))
        pictures = images(state).transpose(0, 3, 1, 2).astype(np.float64) / 255
        assert np.abs(pictures - start.double().numpy()).max() <= epsilon + 4e-6  # what an 8-bit seed may be off by
    with pytest.raises(UsageError, match="pixels between two levels, and a ball without one; round them"):
        images(craft(between, [surrogate()], recipe(epsilon=0.1 / 255)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"epsilon": -0.01}, "expected epsilon from 0 to 1; came -0.01"),
        ({"epsilon": 8}, "expected epsilon from 0 to 1; came 8"),
        ({"epsilon": math.nan}, "expected epsilon from 0 to 1; came nan"),
        ({"iterations": -1}, "iterations of at least 0"),
        ({"batch_size": -1}, "batch_size of at least 0"),
        ({"learning_rate": -1.0}, "a learning rate from 0 to inf"),
        ({"momentum": 1.0}, "expected momentum from 0 to 1"),
        ({"temperature": 0.0}, "a temperature from"),
        ({"slowing": -1}, "slowing of at least 0"),
        ({"views": 0}, "views of at least 1"),
        ({"views": 2}, "one view without diversity"),
        ({"keep_weight": -1.0}, "keep_weight from 0"),
        ({"penalty_weight": -1.0}, "penalty_weight from 0"),
    ],
)
def test_recipes_that_are_refused(fields, words):
    with pytest.raises(UsageError, match=words):
        recipe(**fields)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (torch.zeros(0, 4), "as \\(N, D\\) of floating point, N at least 1"),
        (torch.ones(4), "expected the targets of x as"),
        (torch.ones(3, 4), "expected the targets of x of length 1; came off by 1"),
        (torch.full((3, 4), math.nan), "of length 1; came off by nan"),
    ],
)
def test_targets_that_are_refused(targets, words):
    with pytest.raises(UsageError, match=words):
        Surrogate("x", Toy(0), targets)


def test_seeds_that_are_refused(seeds):
    for wrong, words in (
        (seeds[0], "seeds \\(K, 3, S, S\\)"),
        (seeds[:0], "K at least 1"),
        (seeds[:, :1], "seeds \\(K, 3"),
        ((255 * seeds).byte(), "divide 8 bits by 255"),
        (255 * seeds, "expected seeds in \\[0, 1\\]; came 0 to 255"),
        (seeds - 0.1, "expected seeds in"),
        (seeds * math.nan, "expected seeds in"),
    ):
        with pytest.raises(UsageError, match=words):
            craft(wrong, [surrogate()], recipe())


def test_surrogates_that_are_refused(seeds):
    held, black = surrogate(), surrogate(name="black")
    black = replace(black, network=torch.no_grad()(black.network))
    fewer = replace(held, name="fewer", targets=held.targets[:7])
    for wrong, how, words in (
        ([], recipe(), "at least one surrogate, each once; came none"),
        ([held, held], recipe(), "each once; came toy, toy"),
        ([held, fewer], recipe(), "the same training pictures for each surrogate, at least 0; came 7 and 40"),
        ([held], recipe(batch_size=41), "at least 41; came 40"),
        ([black], recipe(), "expected a recogniser with gradients; came black, a black box"),
        ([replace(held, threshold=math.nan)], recipe(COUNT), "a threshold of toy to count matches by; came none"),
        ([held], recipe(keep_weight=1.0), "the own features of 3 seeds for toy, as they shall be kept; came none"),
        ([surrogate(own=seeds[:2])], recipe(keep_weight=1.0), "as they shall be kept; came \\(2, 12\\)"),
        ([held], recipe(penalty_weight=1.0), "a penalty and its weight"),
    ):
        with pytest.raises(UsageError, match=words):
            craft(seeds, wrong, how)
    wrong_width = replace(held, targets=held.targets[:, :5] / held.targets[:, :5].norm(dim=1, keepdim=True))
    with pytest.raises(UsageError, match="targets of toy with 12 numbers, as the network returns; came 5"):
        craft(seeds, [wrong_width], recipe())


def test_states_that_are_refused(seeds):
    held, how = surrogate(), recipe()
    state = craft(seeds, [held], how, until=5)
    assert isinstance(state, UniversalState)
    for change, words in (
        ({"recipe": recipe(epsilon=0.1)}, "another recipe"),
        ({"recipe": recipe(iterations=3)}, "more steps than were asked for"),
        ({"seeds": 1 - seeds}, "other seeds"),
        ({"surrogates": [surrogate(threshold=0.4)]}, "other surrogates or targets"),
        ({"surrogates": [surrogate(1)]}, "other surrogates or targets"),
    ):
        asked = {"seeds": seeds, "surrogates": [held], "recipe": how, **change}
        with pytest.raises(UsageError, match=words):
            craft(asked["seeds"], asked["surrogates"], asked["recipe"], state=state)
