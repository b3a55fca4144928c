"""Several networks over the same presentations: each picture is decoded once, for all of them and for all views.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019,
sections 4.3 and 5.7; code: https://github.com/AlexanderParkin/ChaLearn_liveness_challenge. A network's score of a view
is P(bona fide); scores are averaged over views, then over networks. The published ensemble goes by folds, then seeds,
then the four initialisations, of which one has a single seed: a mean of means (`nested_mean`), so that the three
networks of that seed weigh as much as the six of the others.

Where paper and code differ: the paper denies test-time augmentation, the published scores are means of the crop and of
its mirror image. The released driver starts anew for each network and decodes every picture again for each view.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.datasets.samples import PresentationSample
from countenance.errors import UsageError, at_least
from countenance.loading.pictures import Entry, load, stacked
from countenance.presentation_scoring import (
    Precision,
    PresentationNetwork,
    PresentationReport,
    entries_of,
    scores_of,
    stack_planes,
    table_of,
)
from countenance.progress import Progress, unheard
from countenance.scores import PresentationTable, mean_of
from countenance.transforms.resizing import resized
from countenance.vocabulary import Modality

BATCH = 32  # a mirrored one is 64 pictures: more gains nothing on two cores
_AHEAD = 2  # batches that are decoded before they are asked for

Inputs = Mapping[int, Mapping[Modality, NDArray[np.uint8]]]
"""For each side (H = W), the planes (B, side, side, C) of a batch."""

Nested = PresentationTable | Sequence["Nested"]
"""A score table, or a group of groups."""


@dataclass(frozen=True)
class EnsembleReport(PresentationReport):
    """What a scoring run of several networks did; `table` is the ensemble's.

    Attributes:
        members: for each network, by its name, its own table.
    """

    members: Mapping[str, PresentationTable]


def score_ensemble(
    samples: Sequence[PresentationSample],
    networks: Mapping[str, PresentationNetwork],
    *,
    mirror: bool = False,
    precision: Precision = Precision.FLOAT32,
    batch: int = BATCH,
    progress: Progress = unheard,
) -> EnsembleReport:
    """Score every presentation with every network; the ensemble's score is the mean of theirs.

    A network's scores are the same whichever others stand beside it. Memory holds the networks, a few batches of
    pixels, and one score for each presentation and network.

    Args:
        samples: stills, with labels.
        networks: by name; they may read other sensors at other sizes. They are put in evaluation mode, and their
            weights, whose values stay, lie channels last in memory from then on: convolutions go faster.
        mirror: judge each presentation as it is and mirrored left to right, and take the mean.
        precision: bfloat16 halves the time of a full-size network and gains nothing on a slim one; scores then differ
            in the second decimal, and more of them are equal.
        batch: samples in one call.
        progress: called with (samples done, samples in all).

    Raises:
        UsageError: no network, no sample, or a network that reads a sensor which a sample does not have.
        ProtocolMismatch: a sample without a label.
        NonFiniteScore: a score that is not finite.
        InputError, MissingFile: a picture cannot be read.
    """
    started = time.perf_counter()
    at_least(1, batch=batch)
    _refuse_what_cannot_be_scored(samples, networks)
    for network in networks.values():
        network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wanted = {modality for network in networks.values() for modality in network.modalities}
    entries = entries_of(samples, [modality for modality in Modality if modality in wanted])
    scores = np.empty((len(networks), len(entries)))
    done = 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision is Precision.BFLOAT16):
        for inputs in _decoded(entries, sorted({network.side for network in networks.values()}), batch):
            judged = _judged(inputs, list(networks.values()), mirror=mirror)  # (K, B)
            count = judged.shape[1]
            scores[:, done : done + count] = judged
            done += count
            progress(done, len(entries))
    tables = {name: table_of(samples, row) for name, row in zip(networks, scores, strict=True)}
    return EnsembleReport(mean_of(list(tables.values())), time.perf_counter() - started, tables)


def nested_mean(group: Nested) -> PresentationTable:
    """Return the mean of a group: a table is itself, a group of groups the mean of their means.

    The published ensemble is ``nested_mean([initialisation, ...])`` with initialisations of seeds of folds.

    Raises:
        EmptyScores: a group of nothing.
        ProtocolMismatch: tables of different rows.
    """
    return group if isinstance(group, PresentationTable) else mean_of([nested_mean(part) for part in group])


def _refuse_what_cannot_be_scored(
    samples: Sequence[PresentationSample], networks: Mapping[str, PresentationNetwork]
) -> None:
    if not networks or not samples:
        raise UsageError(
            expected="a network to score with" if samples else "presentations to score",
            came="none",
            remedy="name the folder of a run" if samples else "name a split that holds some",
        )
    there = set.intersection(*(set(sample.paths) for sample in samples))
    for name, network in networks.items():
        absent = [modality for modality in network.modalities if modality not in there]
        if absent:
            raise UsageError(
                expected=f"{', '.join(network.modalities)} of every sample, as {name} reads them",
                came=f"samples without {', '.join(absent)}",
                remedy="leave the network out, or use a set that has these sensors",
            )


def _decoded(entries: Sequence[Entry], sides: Sequence[int], batch: int) -> Iterator[Inputs]:
    """Yield batches in the order of the list, decoded ahead by one thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="decoder") as pool:
        waiting: deque[Future[Inputs]] = deque()
        try:
            for first in range(0, len(entries), batch):
                waiting.append(pool.submit(_decode, entries[first : first + batch], sides))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _decode(entries: Sequence[Entry], sides: Sequence[int]) -> Inputs:
    """Decode each picture once, and resize it to every side."""
    decoded = [load(entry) for entry in entries]
    return {side: stacked(map(partial(_resized, side=side), decoded), len(entries)) for side in sides}


def _resized(planes: Mapping[Modality, NDArray[np.uint8]], *, side: int) -> dict[Modality, NDArray[np.uint8]]:
    return {modality: resized(plane[None], height=side, width=side)[0] for modality, plane in planes.items()}


def _judged(inputs: Inputs, networks: Sequence[PresentationNetwork], *, mirror: bool) -> NDArray[np.float64]:
    """Return the scores (K, B) of a batch by each network, the mean over views."""
    views: dict[tuple[int, tuple[Modality, ...]], Tensor] = {}
    scores = []
    for network in networks:
        key = network.side, network.modalities
        if key not in views:
            planes = stack_planes(inputs[network.side], network.modalities)  # (B, C, H, W), channels last in memory
            views[key] = torch.cat([planes, planes.flip(3)]) if mirror else planes
        scores.append(scores_of(network(views[key])).reshape(1 + mirror, -1).mean(0))  # (B,) of (V, B)
    return np.stack(scores)
