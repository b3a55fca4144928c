"""One clip through the few-frame network: its rewrite in two dimensions beside the module itself.

A clip of five frames of 224 pixels goes through `alexnet2plus1d-flow` at full size: five factorised convolutions, and
the encoder of FlowNetS on the first and the last frame. Ours is `networks.fewframe.flattened`: convolutions in two
dimensions, batch normalisation folded into them, channels last. The peer is the module as it was built, in judging,
whose convolutions have three dimensions; the flow encoder, which the rewrite hardly helps, and fc6 and fc7 are in both.
Weights are random: time does not depend on them. Embeddings are compared before any time is taken.

The slim network, as it is trained on two cores, has a row without a goal (0).
"""

import torch

from countenance.bench.timing import BenchmarkResult, compare
from countenance.errors import UsageError
from countenance.networks.fewframe import CHANNELS, HIDDEN, FewFrameNetwork, flattened, slim_fewframe
from countenance.networks.flownets import SLIM_WIDTH, WIDTH
from countenance.progress import Say, unheard
from countenance.threads import one_thread

SIDE = 224
MOST_APART = 1e-5  # between both embeddings


def bench_fewframe(*, rounds: int = 5, seed: int = 0, share: float = 1.0, say: Say = unheard) -> list[BenchmarkResult]:
    """Run every row.

    Args:
        rounds: counted rounds of each pair.
        seed: of the weights and the pixels.
        share: of the full-size network's width; less than 1 for a trial.
        say: called with a line before each row.

    Raises:
        UsageError: the embeddings of the two differ by more than `MOST_APART`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        whole = FewFrameNetwork(
            side=SIDE,
            channels=[round(share * width) for width in CHANNELS],
            hidden=round(share * HIDDEN),
            flow_width=round(share * WIDTH),
        )
        slim = slim_fewframe(flow_width=SLIM_WIDTH)
        return [
            _rewrite("clip-rewrite", whole, goal=1.35, rounds=rounds, say=say),
            _rewrite("clip-rewrite-slim", slim, goal=0.0, rounds=rounds, say=say),
        ]


def _rewrite(name: str, network: FewFrameNetwork, *, goal: float, rounds: int, say: Say) -> BenchmarkResult:
    network.eval()
    flat = flattened(network)
    clip = torch.rand(1, network.frames, 3, network.side, network.side)
    with one_thread(), torch.inference_mode():
        apart = float((flat(clip) - network(clip)).abs().max())
        if not apart <= MOST_APART:
            raise UsageError(
                expected=f"both embeddings within {MOST_APART:g}", came=f"{apart:g}", remedy="report this as a bug"
            )
        parameters = sum(each.numel() for each in network.parameters())
        say(f"{name}: {parameters:,} parameters, {network.frames} frames of {network.side} px")
        return compare(
            name,
            ours=lambda: flat(clip),
            peer=lambda: network(clip),
            goal=goal,
            detail=f"one clip of {network.frames} frames of {network.side} px, {parameters:,} parameters, frozen ones "
            f"included; embeddings within {apart:.0e}; peer: the module, with convolutions in three dimensions",
            rounds=rounds,
        )
