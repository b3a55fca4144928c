"""Goals P11 to P13: a step of the universal attack, beside the naive loop and beside three libraries.

The network is ResNet-34 with 512 features at 112 pixels and random weights (time does not depend on them): 1.8 GFLOP a
picture, near the 2.2 of the ResNet-50 that the goals were measured with. The naive loop embeds the mini-batch of 32
pictures at each step, without gradients and with frozen weights (`attacks.universal.naive_step`); ours holds their
features. Both take the same step, which is compared before any time is taken.

P11-bf16 counts only where an attack in bfloat16 reaches what one in float32 does: both attack SFace on drawn faces,
and the row says how they end. P12 is a step with a mini-batch of 1,024 beside one of 1.

P13: no library has this objective. A head of two logits, the cosine sum and 0, states it for fixed targets, and their
targeted projected gradient descent then goes by the same sign. They take part where they are installed; torchattacks
may ask for torchvision, of which it needs nothing here: an empty module stands in. A library that is not there is said
to be absent, and has no row.
"""

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from countenance.attacks.universal import (
    Precision,
    Surrogate,
    UniversalOptimizer,
    UniversalRecipe,
    craft,
    naive_step,
    reach,
)
from countenance.bench.timing import BenchmarkResult, compare
from countenance.drawn_sets.verification_sets import plan_lfw
from countenance.errors import DataError, InputError, UsageError
from countenance.faces.chip import cut_chip
from countenance.faces.detection import central_face
from countenance.networks.resnet import resnet34
from countenance.networks.trunk import RecognitionNetwork
from countenance.progress import Say, unheard
from countenance.released import detector, differentiable
from countenance.synthesis.scene import draw_clip
from countenance.threads import one_thread

BATCH, MOST_BATCH, SEEDS = 32, 1024, 10
PEERS_SEEDS = 4  # of P13, whose runs are long
STEPS, NAIVE_STEPS = 50, 2  # of a peer's run in P13, of a counted round in P11
EPSILON, STEP = 8 / 255, 1 / 255
MOST_APART = 1e-4  # of pixels after a step, and of the cosines that a peer and ours end with
SUCCESS_WITHIN = 0.01  # of mean cosine and share of matches: bfloat16 reaches no less
SUCCESS_STEPS = 40
_DRAWN_PEOPLE = 20
_TWO_LOGITS = 2


def bench_universal(*, rounds: int = 5, seed: int = 0, share: float = 1.0, say: Say = unheard) -> list[BenchmarkResult]:
    """Run every row.

    Args:
        rounds: counted rounds of each pair.
        seed: of the weights and the pictures.
        share: of the network's width and of each count; less than 1 for a trial.
        say: called with a line before each row, and for each peer that is absent.

    Raises:
        UsageError: the steps, or the cosines that an attack ends with, differ by more than `MOST_APART`.
    """
    with one_thread():
        bench = _Bench.drawn(seed, share)
        results = [*_beside_naive(bench, rounds, say), _beside_one_target(bench, rounds, say)]
        for name, prepare in PEERS:
            result = _beside_library(name, prepare, bench, rounds, say)
            results += [] if result is None else [result]
    return results


class Embedder(nn.Module):
    """A trunk whose pooled maps are brought to length 1; frozen, in judging mode.

    Args:
        width: of its stem.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = RecognitionNetwork(resnet34(width=width))
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features (N, 8 width) of length 1 of pictures (N, 3, 112, 112) in [0, 1]."""
        return normalize(self.network(pictures).float(), dim=1)


@dataclass(frozen=True, eq=False)
class _Bench:
    """What every row has in common.

    Attributes:
        network: as it was built, for the peers.
        laid_out: the same with channels last, for ours.
        pictures: a mini-batch, (B, 3, 112, 112).
        targets: features of more pictures, the first B of them those of `pictures`.
        seeds: (K, 3, 112, 112).
        steps: of a run in P13.
    """

    network: Embedder
    laid_out: nn.Module
    pictures: Tensor
    targets: Tensor
    seeds: Tensor
    steps: int

    @classmethod
    def drawn(cls, seed: int, share: float) -> "_Bench":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Embedder(max(2, round(64 * share)))
            laid_out = Embedder(max(2, round(64 * share)))
            pictures = torch.rand(max(2, round(BATCH * share)), 3, 112, 112)
            seeds = torch.rand(max(2, round(SEEDS * share)), 3, 112, 112)
            more = torch.randn(max(4, round(MOST_BATCH * share)), 8 * network.network.trunk.channels[0])
        laid_out.load_state_dict(network.state_dict())
        with torch.no_grad():
            own = network(pictures)
        # More targets are drawn about the embedded ones: embedding them would tell nothing.
        targets = torch.cat([own, normalize(own.mean(0) + 0.02 * more[len(own) :], dim=1)])
        return cls(
            network=network,
            laid_out=laid_out.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            pictures=pictures,
            targets=targets,
            seeds=seeds,
            steps=max(2, round(STEPS * share)),
        )

    @property
    def words(self) -> str:
        trunk = self.network.network.trunk
        return f"{trunk.name} with {trunk.channels[-1]} features, {trunk.side} px, random weights"

    def surrogate(self, targets: Tensor) -> Surrogate:
        return Surrogate("bench", self.laid_out, targets)


def _recipe(steps: int, batch: int, *, optimizer: UniversalOptimizer, precision: Precision) -> UniversalRecipe:
    return UniversalRecipe(
        epsilon=EPSILON,
        iterations=steps,
        optimizer=optimizer,
        learning_rate=STEP if optimizer is UniversalOptimizer.SIGN else 1.0,
        batch_size=batch,
        momentum=0.0,
        slowing=0,
        precision=precision,
    )


def _beside_naive(bench: _Bench, rounds: int, say: Say) -> list[BenchmarkResult]:
    batch, kind = len(bench.pictures), UniversalOptimizer.PAPER
    recipe = _recipe(NAIVE_STEPS, batch, optimizer=kind, precision=Precision.FLOAT32)
    one, held = bench.seeds[:1], bench.surrogate(bench.targets)

    def naive() -> Tensor:
        pixels = one
        for _ in range(NAIVE_STEPS):
            pixels = naive_step(pixels, one, bench.network, bench.pictures, recipe)
        return pixels

    with_these = bench.surrogate(bench.targets[:batch])  # a mini-batch of all there are is the naive loop's own
    _refuse_apart("steps", float((craft(one, [with_these], recipe).pixels - naive()).abs().max()))
    in_half = replace(recipe, precision=Precision.BFLOAT16)
    success = _success_in_half(min(SUCCESS_STEPS, bench.steps), say)
    results = []
    for name, goal, seeds, how, words in (
        ("P11-1", 6.0, one, recipe, "one seed"),
        ("P11-10", 9.5, bench.seeds, recipe, f"{len(bench.seeds)} seeds at once, per seed"),
        ("P11-bf16", 25.0, bench.seeds, in_half, f"{len(bench.seeds)} seeds at once, per seed, bfloat16; {success}"),
    ):
        say(f"{name}: {words}; {bench.words}")
        result = compare(
            name,
            ours=lambda seeds=seeds, how=how: craft(seeds, [held], how),  # type: ignore[misc]
            peer=naive,
            goal=goal,
            detail=f"{NAIVE_STEPS} steps with a mini-batch of {batch}, {words}; {bench.words}, ours channels last; "
            "peer: the naive loop without gradients for the mini-batch, frozen weights",
            rounds=rounds,
        )
        results.append(_per_seed(result, len(seeds)))
    return results


def _per_seed(result: BenchmarkResult, seeds: int) -> BenchmarkResult:
    """Our cost and the ratio for each of several seeds; the peer had one."""
    least, most = result.spread
    return replace(result, ours=result.ours / seeds, ratio=result.ratio * seeds, spread=(least * seeds, most * seeds))


def _beside_one_target(bench: _Bench, rounds: int, say: Say) -> BenchmarkResult:
    most, kind = len(bench.targets), UniversalOptimizer.PAPER
    say(f"P12: mini-batches of {most:,} and of 1; {bench.words}")
    one, held = bench.seeds[:1], bench.surrogate(bench.targets)
    many, single = (_recipe(10, size, optimizer=kind, precision=Precision.FLOAT32) for size in (most, 1))
    return compare(
        "P12",
        ours=lambda: craft(one, [held], many),
        peer=lambda: craft(one, [held], single),
        goal=1 / 1.10,
        detail=f"10 steps of one seed with a mini-batch of {most:,} (ours) and of 1 (peer), both with cached targets: "
        f"the goal is at most 1.10 of its time; {bench.words}",
        rounds=rounds,
    )


def _success_in_half(steps: int, say: Say) -> str:
    """How attacks in float32 and in bfloat16 on SFace end, in words."""
    say("P11-bf16: an attack on SFace in float32 and in bfloat16")
    try:
        network, finder = differentiable("sface"), detector()
        chips = [chip for clip in plan_lfw(subjects=_DRAWN_PEOPLE).clips for chip in _chips(finder, clip.spec)]
    except DataError as error:
        return f"success not compared, so the goal does not count: {error}"
    pictures = torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        features = torch.cat([network(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)])
    seeds, targets = pictures[:3], features[BATCH:]
    threshold = float(torch.quantile(features[:BATCH] @ targets.T, 0.99))
    held = Surrogate("sface", network, targets, threshold=threshold)
    ends = []
    for precision in Precision:
        recipe = _recipe(steps, 0, optimizer=UniversalOptimizer.SIGN, precision=precision)
        found = reach(craft(seeds, [held], recipe).pixels, held)
        ends.append((float(found.mean_cosine.mean()), float(found.matches.mean())))
    before = reach(seeds, held)
    behind = max(full - half for full, half in zip(*ends, strict=True))
    verdict = "no less" if behind <= SUCCESS_WITHIN else "LESS, so the goal does not count"
    words = ", ".join(f"{cosine:.4f} and {matches:.4f}" for cosine, matches in ends)
    return (
        f"success on SFace, {len(seeds)} drawn seeds and {len(targets)} drawn targets, {steps} sign steps, "
        f"mean cosine and share of matches from {float(before.mean_cosine.mean()):.4f} and "
        f"{float(before.matches.mean()):.4f} to {words} in bfloat16: {verdict}"
    )


def _chips(finder: Any, spec: Any) -> Iterator[Any]:
    """The chips of a drawn person's photographs, where a face is found."""
    for frame in draw_clip(spec).rgb:
        with contextlib.suppress(InputError):
            yield cut_chip(frame, central_face(finder.detect(frame), frame.shape, name="a drawn photograph"))


def _refuse_apart(what: str, apart: float) -> None:
    if not apart <= MOST_APART:
        raise UsageError(
            expected=f"both {what} within {MOST_APART:g}", came=f"{apart:g}", remedy="report this as a bug"
        )


class TwoLogits(nn.Module):
    """What makes a classifier of an embedder: the cosine sum to fixed targets, and 0.

    Args:
        network: returns features of length 1.
        towards: (D,), the mean of the targets' features.
    """

    towards: Tensor

    def __init__(self, network: nn.Module, towards: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("towards", towards)
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (N, 2) of pictures (N, 3, S, S); the first is to grow."""
        grown: Tensor = self.network(pictures) @ self.towards
        return torch.stack([grown, torch.zeros_like(grown)], 1)


Attack = Callable[[Tensor], Tensor]
Prepare = Callable[[nn.Module, int], Attack]


def _beside_library(name: str, prepare: Prepare, bench: _Bench, rounds: int, say: Say) -> BenchmarkResult | None:
    model = TwoLogits(bench.laid_out, bench.targets.mean(0))
    held, seeds = bench.surrogate(bench.targets), bench.seeds[:PEERS_SEEDS]
    recipe = _recipe(bench.steps, 0, optimizer=UniversalOptimizer.SIGN, precision=Precision.FLOAT32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library's own
        try:
            attack = prepare(model, bench.steps)
        except ImportError as error:
            say(f'{name}: absent ({error}); pip install "countenance[peers]"')
            return None
        ends = [reach(made, held).mean_cosine for made in (craft(seeds, [held], recipe).pixels, attack(seeds))]
        _refuse_apart("cosines", float((ends[0] - ends[1]).abs().max()))
        say(f"{name}: {bench.steps} steps, {len(seeds)} seeds; {bench.words}")
        return compare(
            name,
            ours=lambda: craft(seeds, [held], recipe),
            peer=lambda: attack(seeds),
            goal=0.95,
            detail=f"{bench.steps} sign steps of {len(seeds)} seeds, float32, frozen weights, channels last; "
            f"mean cosine {float(ends[0].mean()):.4f} and {float(ends[1].mean()):.4f}; {bench.words}",
            rounds=rounds,
        )


def _torchattacks(model: nn.Module, steps: int) -> Attack:
    with _stand_in("torchvision"):
        library = importlib.import_module("torchattacks")
    attack = library.PGD(model, eps=EPSILON, alpha=STEP, steps=steps, random_start=False)
    attack.set_mode_targeted_by_label(quiet=True)
    return lambda seeds: attack(seeds, torch.zeros(len(seeds), dtype=torch.long))


def _foolbox(model: nn.Module, steps: int) -> Attack:
    library = importlib.import_module("foolbox")
    bounded = library.PyTorchModel(model, bounds=(0, 1), device="cpu")
    attack = library.attacks.LinfProjectedGradientDescentAttack(abs_stepsize=STEP, steps=steps, random_start=False)

    def run(seeds: Tensor) -> Tensor:
        wanted = library.criteria.TargetedMisclassification(torch.zeros(len(seeds), dtype=torch.long))
        made: Tensor = attack.run(bounded, seeds, wanted, epsilon=EPSILON)
        return made.detach()

    return run


def _art(model: nn.Module, steps: int) -> Attack:
    classification = importlib.import_module("art.estimators.classification")
    evasion = importlib.import_module("art.attacks.evasion")
    estimator = classification.PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=(3, 112, 112),
        nb_classes=_TWO_LOGITS,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    attack = evasion.ProjectedGradientDescentPyTorch(
        estimator, eps=EPSILON, eps_step=STEP, max_iter=steps, targeted=True, num_random_init=0, verbose=False
    )
    return lambda seeds: torch.from_numpy(
        attack.generate(seeds.numpy(), np.eye(_TWO_LOGITS, dtype=np.float32)[np.zeros(len(seeds), int)])
    )


@contextlib.contextmanager
def _stand_in(name: str) -> Iterator[None]:
    """Let a library import `name`, with nothing in it, where it is not installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        sys.modules[name] = ModuleType(name)
        try:
            yield
        finally:
            del sys.modules[name]
    else:
        yield


PEERS: tuple[tuple[str, Prepare], ...] = (
    ("P13-torchattacks", _torchattacks),
    ("P13-foolbox", _foolbox),
    ("P13-art", _art),
)
