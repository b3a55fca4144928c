"""Goals P16 and P17, and what a thousand presentations cost: the ensemble of multimodal networks.

P16: our driver, which decodes a picture once and judges its views together, beside the structure of the released one
(https://github.com/AlexanderParkin/ChaLearn_liveness_challenge, inference.sh), rebuilt here from its description: each
network by itself, which opens every picture again for each view with Pillow, turns it to floating point, channels
first, and judges that view alone. Both have the same networks with the same random weights (time does not depend on
them), the same two views and the same batch; every network's scores are compared before any time is taken.

P17: floating-point operations of one slim network, counted by torch, beside an ensemble of 24 with two views, and
beside the published scale of 24 networks with 14 views, 10.8 TFLOP a presentation.

The rows of cost stand beside the paper's section 5.2, 8 seconds for 1,000 images of one network on four GTX 1080 Ti: a
statement and no goal (0). Ours are processor seconds of one core, pictures decoded, stretched from a few samples.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from countenance.bench.loading import QUALITY, smooth_picture
from countenance.bench.timing import BenchmarkResult, compare
from countenance.datasets.samples import PresentationSample
from countenance.ensemble_scoring import score_ensemble
from countenance.errors import UsageError
from countenance.networks.caffe_resnet import SIDE, caffe_resnet, slim_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.slim_pad import channels_of
from countenance.networks.trunk import Trunk
from countenance.presentation_scoring import Precision, scores_of
from countenance.progress import Say, unheard
from countenance.threads import one_thread
from countenance.vocabulary import Modality, Presentation, Split

NETWORKS, VIEWS = 24, 2  # of the slim ensemble: 4 initialisations x 3 folds x 2 seeds, as is and mirrored
PUBLISHED_OPERATIONS = 10.8e12  # of 24 networks x 14 views, half of them full-size ResNet-34, half IR-50
PAPER_SECONDS = 8.0  # section 5.2, for 1,000 images of one network
SAMPLES, FULL_SIZE_SAMPLES = 32, 8
_COST_ROUNDS = 3  # at most, of rows without a goal
BATCH = 32
MOST_APART = 1e-4  # between both drivers' scores: memory is laid out in two ways, and sums are rounded in another order
Networks = Mapping[str, MultiLevelNetwork]


def bench_multimodal(
    *, rounds: int = 5, seed: int = 0, share: float = 1.0, say: Say = unheard
) -> list[BenchmarkResult]:
    """Run every row.

    Args:
        rounds: counted rounds of P16, and of each cost up to three.
        seed: of the pictures and the weights.
        share: of the networks and samples that are used; less than 1 for a trial.
        say: called with a line before each row.

    Raises:
        UsageError: the two drivers' scores differ by more than `MOST_APART`.
    """
    slim = _networks(slim_resnet(), max(1, round(NETWORKS * share)), seed)
    with tempfile.TemporaryDirectory(prefix="countenance-bench-") as folder, one_thread():
        samples = _write(Path(folder), np.random.default_rng(seed), count=max(2, round(SAMPLES * share)))
        results = [_drivers(samples, slim, rounds=rounds, say=say), *_operations(slim["0"])]
        full = _networks(caffe_resnet(), 1, seed) if share == 1 else _networks(slim_resnet(1), 1, seed)
        few = samples[:FULL_SIZE_SAMPLES]
        rounds = min(rounds, _COST_ROUNDS)
        results += [
            _cost("cost-slim", {"0": slim["0"]}, samples, mirror=False, rounds=rounds, say=say),
            _cost("cost-slim-ensemble", slim, samples, mirror=True, rounds=rounds, say=say),
            _cost("cost-resnet34", full, few, mirror=False, rounds=rounds, say=say),
            _cost("cost-resnet34-bf16", full, few, mirror=False, rounds=rounds, say=say, precision=Precision.BFLOAT16),
        ]
    return results


def operations(network: MultiLevelNetwork) -> float:
    """Count the floating-point operations, two for each multiply and add, of one presentation."""
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        network.eval()(torch.zeros(1, channels_of(network.modalities), network.side, network.side))
    return float(counter.get_total_flops())


def _drivers(samples: Sequence[PresentationSample], networks: Networks, *, rounds: int, say: Say) -> BenchmarkResult:
    theirs = copy.deepcopy(networks)  # whose weights our driver has not laid out anew

    def ours() -> NDArray[np.float64]:
        members = score_ensemble(samples, networks, mirror=True, batch=BATCH).members
        return np.stack([table.scores for table in members.values()])

    def peer() -> NDArray[np.float64]:
        return _released_structure(samples, theirs)

    apart = float(abs(ours() - peer()).max())
    if not apart <= MOST_APART:
        raise UsageError(
            expected=f"the scores of both drivers within {MOST_APART:g}",
            came=f"{apart:g}",
            remedy="report this as a bug",
        )
    say(f"P16: {len(networks)} slim networks, {VIEWS} views, {len(samples)} presentations")
    return compare(
        "P16",
        ours=ours,
        peer=peer,
        goal=1.3,
        detail=f"{len(networks)} slim networks, {VIEWS} views, {len(samples)} presentations of three {SIDE} px JPEGs, "
        f"batches of {BATCH}; scores within {apart:.0e}; peer: the released driver's structure, channels first",
        rounds=rounds,
    )


def _released_structure(samples: Sequence[PresentationSample], networks: Networks) -> NDArray[np.float64]:
    """The peer: scores (K, N), a network after the other, each view from files again."""
    rows = []
    with torch.inference_mode():
        for network in networks.values():
            views = []
            for mirrored in (False, True):
                parts = [samples[first : first + BATCH] for first in range(0, len(samples), BATCH)]
                opened = (_opened(part, network.modalities, mirrored=mirrored) for part in parts)
                views.append(np.concatenate([scores_of(network(planes)) for planes in opened]))
            rows.append(np.mean(views, axis=0))
    return np.stack(rows)


def _opened(samples: Sequence[PresentationSample], modalities: Sequence[Modality], *, mirrored: bool) -> torch.Tensor:
    """(B, C, H, W) float32 in [0, 1], channels first."""
    stacked = []
    for sample in samples:
        planes = []
        for modality in modalities:
            with Image.open(sample.paths[modality]) as opened:
                picture = opened.convert("RGB" if modality is Modality.RGB else "L")
            if mirrored:
                picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            pixels = np.array(picture).reshape(SIDE, SIDE, -1)
            planes.append(torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div(255))
        stacked.append(torch.cat(planes))
    return torch.stack(stacked)


def _operations(network: MultiLevelNetwork) -> list[BenchmarkResult]:
    own = operations(network)
    scales = (
        ("P17-ensemble", 20.0, own * NETWORKS * VIEWS, f"{NETWORKS} such networks x {VIEWS} views"),
        ("P17-published", 1000.0, PUBLISHED_OPERATIONS, "the published 24 networks x 14 views"),
    )
    return [
        BenchmarkResult(
            name=name,
            goal=goal,
            ours=own / 1e9,
            peer=theirs / 1e9,
            unit="GFLOP a presentation",
            ratio=theirs / own,
            spread=(theirs / own, theirs / own),
            detail=f"one {network.trunk.name} of width {network.trunk.channels[0]}, one view, beside {words}",
        )
        for name, goal, theirs, words in scales
    ]


def _cost(
    name: str,
    networks: Networks,
    samples: Sequence[PresentationSample],
    *,
    mirror: bool,
    rounds: int,
    say: Say,
    precision: Precision = Precision.FLOAT32,
) -> BenchmarkResult:
    say(f"{name}: {len(networks)} networks, {len(samples)} presentations")
    seconds = []
    for _ in range(rounds + 1):
        started = time.process_time()
        score_ensemble(samples, networks, mirror=mirror, precision=precision, batch=min(BATCH, len(samples)))
        seconds.append((time.process_time() - started) * 1000 / len(samples))
    counted = seconds[1:]  # the first warms up
    return BenchmarkResult(
        name=name,
        goal=0.0,
        ours=statistics.median(counted),
        peer=PAPER_SECONDS,
        unit="seconds per 1,000 presentations",
        ratio=PAPER_SECONDS / statistics.median(counted),
        spread=(PAPER_SECONDS / max(counted), PAPER_SECONDS / min(counted)),
        detail=f"{len(networks)} x {1 + mirror} views, {precision}, stretched from {len(samples)} presentations; "
        "processor seconds of one core; beside the paper's 8 s for one network on four GTX 1080 Ti",
    )


def _networks(trunk: Trunk, count: int, seed: int) -> Networks:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = {str(number): MultiLevelNetwork(trunk) for number in range(count)}
    for network in networks.values():
        network.eval()
    return networks


def _write(folder: Path, generator: np.random.Generator, *, count: int) -> list[PresentationSample]:
    samples = []
    for number in range(count):
        paths = {modality: folder / f"{number:05d}-{modality}.jpg" for modality in Modality}
        for modality, path in paths.items():
            pixels = smooth_picture(SIDE, SIDE, generator)
            Image.fromarray(pixels if modality is Modality.RGB else pixels[..., 0]).save(path, "JPEG", quality=QUALITY)
        attack = number % 2 == 1
        samples.append(
            PresentationSample(
                identifier=str(number),
                subject=str(number),
                presentation=Presentation.ATTACK if attack else Presentation.BONA_FIDE,
                species="print" if attack else "",
                split=Split.TEST,
                paths=paths,
            )
        )
    return samples
