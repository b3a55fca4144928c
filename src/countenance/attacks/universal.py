"""Universal adversarial spoofing examples: one picture of a face that matches as many other people as can be.

T. Amada, S. P. Liew, K. Kakizaki, T. Araki, Universal Adversarial Spoofing Attacks against Face Recognition, IJCB 2021,
https://arxiv.org/abs/2110.00708. The text at hand names no epsilon, learning rate or batch size, and there is no
official code: what stands here for them is ours. Section 3 is rebuilt thus. A seed picture x in [0, 1] becomes
w = artanh((2 x - 1)(1 - 1e-6)); w goes a step of stochastic gradient descent down the mean feature distance,
1 - cosine, to a mini-batch of the training pictures; the picture (tanh w + 1) / 2 is put back into the ball of
epsilon about the seed and into [0, 1], and w is made from it anew.

Features have length 1, so that the distances to a mini-batch of B pictures sum to B - <f(x), s>, where s is the sum of
their features: with features embedded once, a step costs one pass through the network and back, whatever B is.
`naive_gradient` embeds the mini-batch at each step, as the paper reads: it checks ours, and is what we are timed by.

Two more ways to descend. `SIGN` goes by the sign of the gradient on the pixels, with all pictures at once: the mean
cosine it climbs to is at most the length of the mean feature (`Surrogate.ceiling`). `COUNT`, ours and not the paper's,
passes it where strangers are not all alike, by not caring for the mean: it counts the matches, each one
sigmoid((cosine - threshold) / temperature), so that a person who is matched already, or is out of reach, no longer
pulls. The temperature is in spreads of the cosines between targets (`Surrogate.spread`), as recognisers differ in that.
Half a spread was chosen on features alone: the best feature for one half of the training people of LFW View 1, judged
by the other half, for SFace and fr_feature; a colder one learns its people by heart.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.attacks.diversity import Change, changed, draw_change
from countenance.errors import UsageError, at_least
from countenance.files import sha256_of
from countenance.progress import Progress, unheard

Embed = Callable[[Tensor], Tensor]
"""Pictures (K, 3, S, S) in [0, 1] to features (K, D) of length 1, with gradients."""
Penalty = Callable[[Tensor], Tensor]
"""Pictures (K, 3, S, S) to what each one pays (K,): a defence that the attacker knows."""

INWARD = 1 - 1e-6  # keeps artanh finite at black and white
LENGTH_WITHIN = 1e-3  # of a feature, from 1
LEVELS = 255
_LEAST_WIDTH = 1e-6  # cosines: targets that are all alike have no spread
_LEVEL_WITHIN = 1e-3  # of a level: float32 pixels that were read from 8 bits


class UniversalOptimizer(StrEnum):
    """How the pictures descend."""

    PAPER = "paper"
    SIGN = "sign"
    COUNT = "count"


class Precision(StrEnum):
    """Of the network's arithmetic; pictures and steps are always kept in their own."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Defaults:
    """What an optimizer does where the recipe says nothing.

    Attributes:
        learning_rate: per step: of w for `PAPER`, of pixels in [0, 1] for the others.
        batch_size: of the mini-batch; 0 for all pictures.
        momentum: share of the last direction that is kept.
        slowing: as in the recipe.
    """

    learning_rate: float
    batch_size: int
    momentum: float
    slowing: int


# Chosen on the training people of LFW View 1 with SFace and 8 / 255; a plain step of 100 and more overshoots.
DEFAULTS = {
    UniversalOptimizer.PAPER: Defaults(learning_rate=10.0, batch_size=32, momentum=0.0, slowing=0),
    UniversalOptimizer.SIGN: Defaults(learning_rate=1 / 255, batch_size=0, momentum=0.0, slowing=20),
    UniversalOptimizer.COUNT: Defaults(learning_rate=1 / 255, batch_size=0, momentum=0.0, slowing=20),
}


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A recogniser that the attacker holds, and whom it shall match.

    Attributes:
        name: of the recogniser.
        network: differentiable, frozen, in judging mode.
        targets: features of the training pictures, (N, D) of length 1, embedded once.
        threshold: cosine from which on two pictures match; `COUNT` needs it.
        own: features of the seeds themselves, (K, D) of length 1; needed where the recipe has a `keep_weight`.

    Raises:
        UsageError: targets of another shape, of another length than 1, or none.
    """

    name: str
    network: Embed
    targets: Tensor
    threshold: float = math.nan
    own: Tensor | None = None

    def __post_init__(self) -> None:
        _refuse_features(self.targets, f"the targets of {self.name}")
        if self.own is not None:
            _refuse_features(self.own, f"the seeds' own features for {self.name}")

    @property
    def ceiling(self) -> float:
        """The length of the mean target feature: no picture's mean cosine to the targets is above it."""
        return float(self.targets.double().mean(0).norm())

    @property
    def spread(self) -> float:
        """The standard deviation of the cosines between two targets."""
        targets = self.targets.double()
        squares = (targets.T @ targets / len(targets)).square().sum()  # the mean of the squared cosines
        return math.sqrt(max(0.0, float(squares) - self.ceiling**4))


@dataclass(frozen=True, kw_only=True)
class UniversalRecipe:
    """How pictures are crafted.

    Attributes:
        epsilon: how far a pixel in [0, 1] may move from the seed's.
        iterations: steps in all; those of a shorter recipe are the first of a longer one.
        optimizer: how they descend.
        learning_rate: of the first step; by the optimizer where None.
        batch_size: training pictures in a step; 0 for all; by the optimizer where None.
        momentum: share of the last direction that is kept, from 0 to below 1; by the optimizer where None. For `SIGN`
            and `COUNT` each gradient first gets the mean size 1 (Dong et al., CVPR 2018, https://arxiv.org/abs/1710.06081).
        slowing: steps after which the learning rate has fallen to 0.71 of the first, as 1 / sqrt(1 + step / slowing);
            0: never; by the optimizer where None.
        temperature: of `COUNT`'s sigmoid, in spreads of the targets.
        seed: of mini-batches and changes.
        diversity: whether each step sees the pictures changed (`diversity.draw_change`).
        views: changed views whose gradients are averaged in a step; with `diversity` only.
        precision: of the networks.
        keep_weight: of the distance to the seed's own feature, beside the mean distance to the targets.
        penalty_weight: of what the penalty says.

    Raises:
        UsageError: a value out of its range.
    """

    epsilon: float
    iterations: int = 500  # section 3.2: 500 and 5,000
    optimizer: UniversalOptimizer = UniversalOptimizer.PAPER
    learning_rate: float | None = None
    batch_size: int | None = None
    momentum: float | None = None
    slowing: int | None = None
    temperature: float = 0.5
    seed: int = 0
    diversity: bool = False
    views: int = 1
    precision: Precision = Precision.FLOAT32
    keep_weight: float = 0.0
    penalty_weight: float = 0.0

    def __post_init__(self) -> None:
        _within("epsilon", self.epsilon, 0, 1)
        at_least(0, iterations=self.iterations, batch_size=self.batch, seed=self.seed, slowing=self.slows)
        at_least(1, views=self.views)
        _within("a learning rate", self.rate, 0, math.inf)
        _within("momentum", self.kept, 0, math.nextafter(1, 0))
        _within("a temperature", self.temperature, 1e-6, math.inf)
        _within("keep_weight", self.keep_weight, 0, math.inf)
        _within("penalty_weight", self.penalty_weight, 0, math.inf)
        if self.views > 1 and not self.diversity:
            raise UsageError(expected="one view without diversity", came=f"{self.views}", remedy="ask for diversity")

    @property
    def rate(self) -> float:
        """The learning rate of the first step."""
        return DEFAULTS[self.optimizer].learning_rate if self.learning_rate is None else self.learning_rate

    @property
    def batch(self) -> int:
        """Training pictures in a step; 0 for all."""
        return DEFAULTS[self.optimizer].batch_size if self.batch_size is None else self.batch_size

    @property
    def slows(self) -> int:
        """Steps after which the learning rate has fallen to 0.71 of the first; 0 for never."""
        return DEFAULTS[self.optimizer].slowing if self.slowing is None else self.slowing

    @property
    def kept(self) -> float:
        """The share of the last direction that is kept."""
        return DEFAULTS[self.optimizer].momentum if self.momentum is None else self.momentum


@dataclass(frozen=True, eq=False)
class UniversalState:
    """Pictures after some steps, and all that the next step needs.

    Attributes:
        recipe: they are crafted by.
        iteration: steps that are done.
        seeds: (K, 3, S, S) in [0, 1].
        pixels: the pictures, the same shape.
        momentum: their last direction, the same shape.
        generator: state of the generator of mini-batches and changes.
        losses: (iteration, K): what each step found before it went on.
        surrogates: name of each surrogate: SHA-256 of its targets, its threshold and the seeds' own features.
    """

    recipe: UniversalRecipe
    iteration: int
    seeds: Tensor
    pixels: Tensor
    momentum: Tensor
    generator: Tensor
    losses: Tensor
    surrogates: dict[str, str]


def craft(
    seeds: Tensor,
    surrogates: Sequence[Surrogate],
    recipe: UniversalRecipe,
    *,
    state: UniversalState | None = None,
    until: int | None = None,
    penalty: Penalty | None = None,
    progress: Progress = unheard,
) -> UniversalState:
    """Craft a picture from each seed; what a seed becomes does not depend on which others stand beside it.

    Args:
        seeds: (K, 3, S, S) float in [0, 1].
        surrogates: whose objectives are added up; their targets are the same pictures in the same order.
        recipe: how.
        state: where an interrupted crafting goes on; from the seeds where None.
        until: stop after this iteration; where None, at the recipe's end.
        penalty: added to the loss, times the recipe's `penalty_weight`.
        progress: called after each step.

    Returns:
        The state after the last step. Going on from it gives what an uninterrupted run gives, on a CPU bit for bit.

    Raises:
        UsageError: no surrogate, or one without gradients; seeds outside [0, 1]; targets of several numbers; `COUNT`
            without a threshold; a weight without what it weighs; a state of another recipe, other seeds or surrogates.
    """
    _refuse_seeds(seeds)
    _refuse_surrogates(surrogates, recipe, len(seeds))
    if (penalty is None) != (recipe.penalty_weight == 0):
        raise UsageError(
            expected="a penalty and its weight", came="one of the two", remedy="give both, or leave both out"
        )
    state = _begun(seeds, surrogates, recipe) if state is None else _continued(state, seeds, surrogates, recipe)
    last = recipe.iterations if until is None else min(until, recipe.iterations)
    generator = torch.Generator()
    generator.set_state(state.generator)
    pixels, momentum, losses = state.pixels.clone(), state.momentum.clone(), [state.losses]
    counting = recipe.optimizer is UniversalOptimizer.COUNT
    widths = {each.name: max(recipe.temperature * each.spread, _LEAST_WIDTH) for each in surrogates} if counting else {}
    objective = _Objective(surrogates, recipe, penalty, widths)
    for iteration in range(state.iteration, last):
        drawn = _drawn(len(surrogates[0].targets), recipe, generator)
        gradient, loss = objective.gradient(_seen(pixels, recipe), drawn)
        momentum = _directed(gradient, momentum, recipe)
        pixels = _moved(pixels, state.seeds, momentum, recipe, iteration)
        losses.append(loss[None])
        progress(iteration + 1, last)
    return UniversalState(
        recipe=recipe,
        iteration=max(last, state.iteration),
        seeds=state.seeds,
        pixels=pixels,
        momentum=momentum,
        generator=generator.get_state(),
        losses=torch.cat(losses),
        surrogates=state.surrogates,
    )


def images(state: UniversalState) -> NDArray[np.uint8]:
    """Return the pictures in 8 bits, (K, S, S, 3) RGB: the nearest levels that are inside the ball and [0, 1].

    Raises:
        UsageError: a seed with pixels between two levels, and a ball that holds neither.
    """
    seeds = LEVELS * state.seeds.double()
    near = seeds.round()
    seeds = torch.where((seeds - near).abs() <= _LEVEL_WITHIN, near, seeds)  # 8-bit seeds, exactly
    reach = LEVELS * state.recipe.epsilon
    reach = round(reach) if abs(reach - round(reach)) <= 1e-9 else reach  # 8 / 255 is eight levels
    low, high = (seeds - reach).ceil().clamp(0, LEVELS), (seeds + reach).floor().clamp(0, LEVELS)
    if not bool((low <= high).all()):
        raise UsageError(
            expected="seeds of 8 bits", came="pixels between two levels, and a ball without one", remedy="round them"
        )
    levels = (LEVELS * state.pixels.double()).round().clamp(low, high)
    return levels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()


@dataclass(frozen=True, eq=False)
class Reach:
    """What pictures reach with one recogniser; both goals of the attack.

    Attributes:
        mean_cosine: to the targets, (K,).
        matches: share of the targets at or above the threshold, (K,); NaN without a threshold.
        own_cosine: to the seed's own feature, (K,); NaN without one.
    """

    mean_cosine: Tensor
    matches: Tensor
    own_cosine: Tensor


@torch.no_grad()
def reach(pictures: Tensor, surrogate: Surrogate) -> Reach:
    """Measure pictures (K, 3, S, S) in [0, 1] against the targets of a surrogate and their seeds' own features."""
    features = surrogate.network(pictures).float()
    cosines = features @ surrogate.targets.to(features).T  # (K, N)
    nothing = torch.full_like(features[:, 0], math.nan)
    return Reach(
        mean_cosine=cosines.mean(1),
        matches=nothing if math.isnan(surrogate.threshold) else (cosines >= surrogate.threshold).float().mean(1),
        own_cosine=nothing if surrogate.own is None else (features * surrogate.own.to(features)).sum(1),
    )


def naive_gradient(pixels: Tensor, network: Embed, pictures: Tensor) -> Tensor:
    """Return the gradient (K, 3, S, S) of the mean distance, as section 3.2 reads: the mini-batch is embedded here.

    Args:
        pixels: (K, 3, S, S).
        network: as for `Surrogate`.
        pictures: the mini-batch, (B, 3, S, S).
    """
    with torch.no_grad():
        others = network(pictures)
    pixels = pixels.detach().requires_grad_()
    features = network(pixels)
    distances = sum((1 - (features * other).sum(1) for other in others), start=features.new_zeros(len(pixels)))
    (gradient,) = torch.autograd.grad(distances.sum() / len(others), pixels)
    return gradient


def naive_step(pixels: Tensor, seeds: Tensor, network: Embed, pictures: Tensor, recipe: UniversalRecipe) -> Tensor:
    """Return the pixels after the first step of a recipe without momentum, by `naive_gradient`."""
    gradient = naive_gradient(_seen(pixels, recipe), network, pictures)
    return _moved(pixels, seeds, gradient, recipe, 0)


@dataclass(frozen=True)
class _Drawn:
    """A step's mini-batch (None: all pictures) and the changes it sees its pictures in."""

    batch: Tensor | None
    changes: tuple[Change, ...]


def _drawn(targets: int, recipe: UniversalRecipe, generator: torch.Generator) -> _Drawn:
    batch = torch.randperm(targets, generator=generator)[: recipe.batch] if recipe.batch else None
    changes = tuple(draw_change(generator) for _ in range(recipe.views)) if recipe.diversity else (Change(),)
    return _Drawn(batch, changes)


@dataclass(frozen=True, eq=False)
class _Objective:
    """What is descended: a loss for each picture, whose sum has each picture's own gradient.

    Attributes:
        widths: of `COUNT`'s sigmoids in cosines, by surrogate.
    """

    surrogates: Sequence[Surrogate]
    recipe: UniversalRecipe
    penalty: Penalty | None
    widths: Mapping[str, float]

    def gradient(self, pixels: Tensor, drawn: _Drawn) -> tuple[Tensor, Tensor]:
        """The gradient (K, 3, S, S) at pixels of that shape, and the loss (K,)."""
        pixels = pixels.detach().requires_grad_()
        gradient, losses = torch.zeros_like(pixels), pixels.new_zeros(len(pixels))
        for change in drawn.changes:  # one after the other: memory for one view
            loss = self._of_view(changed(pixels, change), drawn.batch) / len(drawn.changes)
            gradient += torch.autograd.grad(loss.sum(), pixels)[0]
            losses += loss.detach()
        if self.penalty is not None:
            loss = self.recipe.penalty_weight * self.penalty(pixels)
            gradient += torch.autograd.grad(loss.sum(), pixels)[0]
            losses += loss.detach()
        return gradient, losses

    def _of_view(self, pictures: Tensor, batch: Tensor | None) -> Tensor:
        total = pictures.new_zeros(len(pictures))
        for surrogate in self.surrogates:
            with torch.autocast(
                pictures.device.type, torch.bfloat16, enabled=self.recipe.precision is Precision.BFLOAT16
            ):
                features = surrogate.network(pictures)
            if not features.requires_grad:
                raise UsageError(
                    expected="a recogniser with gradients",
                    came=f"{surrogate.name}, a black box",
                    remedy="craft on another one, and only measure on this one",
                )
            if features.shape != (len(pictures), width := surrogate.targets.shape[1]):
                raise UsageError(
                    expected=f"targets of {surrogate.name} with {features.shape[-1]} numbers, as the network returns",
                    came=f"{width}",
                    remedy="embed them with this network",
                )
            features = features.to(pictures.dtype)
            total = total + self._distance(features, surrogate, batch)
            if surrogate.own is not None and self.recipe.keep_weight > 0:
                kept = (features * surrogate.own.to(features)).sum(1)
                total = total + self.recipe.keep_weight * (1 - kept)
        return total

    def _distance(self, features: Tensor, surrogate: Surrogate, batch: Tensor | None) -> Tensor:
        """From features (K, D) to the targets, (K,)."""
        targets = (surrogate.targets if batch is None else surrogate.targets[batch]).to(features)  # (B, D)
        if self.recipe.optimizer is UniversalOptimizer.COUNT:
            beyond = (features @ targets.T - surrogate.threshold) / self.widths[surrogate.name]  # (K, B)
            return 1 - torch.sigmoid(beyond).mean(1)
        return 1 - features @ targets.mean(0)  # Eq. 3, its sum collapsed


def _seen(pixels: Tensor, recipe: UniversalRecipe) -> Tensor:
    """The pictures that the network sees: for `PAPER` after the change of variables and back, Eq. 4."""
    return (torch.tanh(_variable(pixels)) + 1) / 2 if recipe.optimizer is UniversalOptimizer.PAPER else pixels


def _variable(pixels: Tensor) -> Tensor:
    return torch.atanh((2 * pixels - 1) * INWARD)


def _directed(gradient: Tensor, momentum: Tensor, recipe: UniversalRecipe) -> Tensor:
    """The opposite of the direction of descent: the gradient, and what is kept of the last one."""
    if recipe.kept == 0:
        return gradient
    if recipe.optimizer is not UniversalOptimizer.PAPER:
        size = gradient.abs().mean((1, 2, 3), keepdim=True)
        gradient = gradient / size.clamp_min(torch.finfo(size.dtype).tiny)
    return recipe.kept * momentum + gradient


def _moved(pixels: Tensor, seeds: Tensor, direction: Tensor, recipe: UniversalRecipe, iteration: int) -> Tensor:
    """The pixels after a step, put back into the ball and into [0, 1], Eq. 5."""
    if recipe.optimizer is UniversalOptimizer.PAPER:
        variable = _variable(pixels)
        slope = (1 - torch.tanh(variable).square()) / 2  # of (tanh w + 1) / 2
        moved = (torch.tanh(variable - rate_after(iteration, recipe) * slope * direction) + 1) / 2
    else:
        moved = pixels - rate_after(iteration, recipe) * direction.sign()
    low, high = (seeds - recipe.epsilon).clamp_min(0), (seeds + recipe.epsilon).clamp_max(1)
    return moved.clamp(low, high)


def rate_after(iteration: int, recipe: UniversalRecipe) -> float:
    """Return the learning rate after `iteration` steps: it knows no end, so that a run can be made longer."""
    return recipe.rate / math.sqrt(1 + iteration / recipe.slows) if recipe.slows else recipe.rate


def _begun(seeds: Tensor, surrogates: Sequence[Surrogate], recipe: UniversalRecipe) -> UniversalState:
    seeds = seeds.detach().clone()
    return UniversalState(
        recipe=recipe,
        iteration=0,
        seeds=seeds,
        pixels=seeds.clone(),
        momentum=torch.zeros_like(seeds),
        generator=torch.Generator().manual_seed(recipe.seed).get_state(),
        losses=seeds.new_zeros(0, len(seeds)),
        surrogates=digests(surrogates),
    )


def _continued(
    state: UniversalState, seeds: Tensor, surrogates: Sequence[Surrogate], recipe: UniversalRecipe
) -> UniversalState:
    differ = {
        "another recipe": replace(state.recipe, iterations=0) != replace(recipe, iterations=0),
        "other seeds": not torch.equal(state.seeds, seeds),
        "other surrogates or targets": state.surrogates != digests(surrogates),
        "more steps than were asked for": state.iteration > recipe.iterations,
    }
    if any(differ.values()):
        raise UsageError(
            expected="a state that this very crafting left",
            came="one of " + ", ".join(words for words, true in differ.items() if true),
            remedy="begin anew, or name another folder",
        )
    return state


def digests(surrogates: Sequence[Surrogate]) -> dict[str, str]:
    """Return, by name, the SHA-256 of all that is known of each surrogate but its network."""
    return {
        each.name: sha256_of(
            repr(each.threshold).encode()
            + b"".join(part.cpu().numpy().tobytes() for part in (each.targets, each.own) if part is not None)
        )
        for each in surrogates
    }


def _within(name: str, number: float, least: float, most: float) -> None:
    if not least <= number <= most:  # a NaN is refused
        raise UsageError(expected=f"{name} from {least:g} to {most:g}", came=f"{number:g}", remedy="give another one")


def _refuse_seeds(seeds: Tensor) -> None:
    shape = tuple(seeds.shape)
    if len(shape) != 4 or shape[1] != 3 or not shape[0] or not seeds.is_floating_point():
        raise UsageError(
            expected="seeds (K, 3, S, S) of floating point, K at least 1",
            came=f"{shape} {seeds.dtype}",
            remedy="stack colour pictures and divide 8 bits by 255",
        )
    if not bool(((seeds >= 0) & (seeds <= 1)).all()):
        raise UsageError(
            expected="seeds in [0, 1]",
            came=f"{float(seeds.min()):g} to {float(seeds.max()):g}",
            remedy="divide 8 bits by 255",
        )


def _refuse_surrogates(surrogates: Sequence[Surrogate], recipe: UniversalRecipe, seeds: int) -> None:
    names, counts = [each.name for each in surrogates], {len(each.targets) for each in surrogates}
    if not names or len({*names}) < len(names):
        raise UsageError(
            expected="at least one surrogate, each once", came=", ".join(names) or "none", remedy="name recognisers"
        )
    if len(counts) > 1 or min(counts) < recipe.batch:
        raise UsageError(
            expected=f"the same training pictures for each surrogate, at least {recipe.batch}",
            came=" and ".join(f"{count:,}" for count in sorted(counts)),
            remedy="embed them all, or ask for smaller mini-batches",
        )
    for each in surrogates:
        if recipe.optimizer is UniversalOptimizer.COUNT and math.isnan(each.threshold):
            raise UsageError(
                expected=f"a threshold of {each.name} to count matches by", came="none", remedy="state one"
            )
        if recipe.keep_weight > 0 and (each.own is None or each.own.shape != (seeds, each.targets.shape[1])):
            raise UsageError(
                expected=f"the own features of {seeds} seeds for {each.name}, as they shall be kept",
                came="none" if each.own is None else f"{tuple(each.own.shape)}",
                remedy="embed the seeds",
            )


def _refuse_features(features: Tensor, name: str) -> None:
    if features.ndim != 2 or not len(features) or not features.is_floating_point():
        raise UsageError(
            expected=f"{name} as (N, D) of floating point, N at least 1",
            came=f"{tuple(features.shape)} {features.dtype}",
            remedy="embed at least one picture",
        )
    off = float((torch.linalg.vector_norm(features, dim=1) - 1).abs().max())
    if not off <= LENGTH_WITHIN:
        raise UsageError(expected=f"{name} of length 1", came=f"off by {off:.3g}", remedy="divide each by its length")
