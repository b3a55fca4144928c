"""From windows to score tables: a row for each window, or a row for each clip.

Ito et al. do not say whether their errors are of five frames or of a whole video, so both are named: a *window* is the
few frames that the network sees at once, a *clip* is the file, whose score is the mean over its windows. A clip of
which no window shows a face gets no response, and stands in the table as such.
"""

import math
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from countenance.clip_scoring import judge_windows
from countenance.conformal import WINDOW_MARK
from countenance.datasets.samples import PresentationSample
from countenance.ensemble_scoring import EnsembleReport
from countenance.errors import ProtocolMismatch, UsageError
from countenance.faces.detection import Detector
from countenance.loading.window_cache import WindowSet, windows_of
from countenance.networks.fewframe import FewFrameNetwork
from countenance.progress import Progress, unheard
from countenance.scores import PresentationTable, mean_of, text
from countenance.vocabulary import Modality, Presentation, Split

_CHUNK = 64


class Unit(StrEnum):
    """What a row of a score table is of."""

    CLIP = "clip"
    WINDOW = "window"


def score_windows(
    network: FewFrameNetwork, windows: WindowSet, *, split: Split | None = None, progress: Progress = unheard
) -> PresentationTable:
    """Score every window.

    Args:
        network: trained.
        windows: cut to the network's side.
        split: what the rows are called, where a protocol has given them another use than the set's own split.
        progress: called with (windows done, windows in all).

    Returns:
        A row for each, named clip#start.

    Raises:
        NonFiniteScore: a score that is not finite.
    """
    scores: list[NDArray[np.float64]] = []
    for first in range(0, len(windows), _CHUNK):
        numbers = np.arange(first, min(first + _CHUNK, len(windows)))
        scores.append(judge_windows(network, windows.gather(numbers)[Modality.RGB]))
        progress(int(numbers[-1]) + 1, len(windows))
    return _table(windows.identifiers, windows.owners, np.concatenate(scores) if scores else np.empty(0), split)


def score_clips(
    samples: Sequence[PresentationSample],
    networks: Mapping[str, FewFrameNetwork],
    *,
    detector: Detector,
    unit: Unit = Unit.CLIP,
    progress: Progress = unheard,
) -> EnsembleReport:
    """Cut and score every clip with every network; the ensemble's score is the mean of theirs.

    Args:
        samples: clips in colour, with labels.
        networks: by name, of one side.
        detector: finds the faces.
        unit: what a row is of.
        progress: called with (clips done, clips in all).

    Returns:
        The tables; of windows a clip without any has one row, named clip#.

    Raises:
        UsageError: no clip, no network, or networks of two sides.
        ProtocolMismatch: a clip without a label.
        InputError: a clip cannot be read.
    """
    started = time.perf_counter()
    sides = {network.side for network in networks.values()}
    if not samples or len(sides) != 1:
        raise UsageError(
            expected="clips to score and networks of one side",
            came=f"{len(samples)} clips and sides of {', '.join(map(str, sorted(sides))) or 'none'} pixels",
            remedy="name a split that holds clips, and networks that were trained alike",
        )
    if unlabelled := [sample.identifier for sample in samples if sample.presentation is None]:
        raise ProtocolMismatch(
            expected="clips with labels", came=f"{unlabelled[0]!r} without one", remedy="use the set's list with labels"
        )
    owners: list[PresentationSample] = []
    names: list[str] = []
    scores: dict[str, list[float]] = {name: [] for name in networks}
    for number, sample in enumerate(samples):
        cut = list(windows_of(sample.paths[Modality.RGB], side=min(sides), detector=detector))
        starts = [start for _, start in cut]
        owners += [sample] * max(1, len(cut))
        names += [f"{sample.identifier}{WINDOW_MARK}{start}" for start in starts] or [
            f"{sample.identifier}{WINDOW_MARK}"
        ]
        for name, network in networks.items():
            stacked = np.stack([window for window, _ in cut]) if cut else None
            scores[name] += [math.nan] if stacked is None else judge_windows(network, stacked).tolist()
        progress(number + 1, len(samples))
    tables = {name: _table(names, owners, np.array(column)) for name, column in scores.items()}
    if unit is Unit.CLIP:
        tables = {name: clip_table(table) for name, table in tables.items()}
    return EnsembleReport(mean_of(list(tables.values())), time.perf_counter() - started, tables)


def clip_table(table: PresentationTable) -> PresentationTable:
    """Return a row for each clip, its score the mean over its windows, in the order of their first windows."""
    names = np.array([str(name).rpartition(WINDOW_MARK)[0] for name in table.identifiers])
    _, first, member = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    means = np.bincount(member, weights=table.scores) / np.bincount(member)  # of no response NaN
    rows = first[order]
    return PresentationTable(
        identifiers=text(names[rows].tolist()),
        is_positive=table.is_positive[rows],
        scores=means[order],
        responded=table.responded[rows],
        subjects=table.subjects[rows],
        species=table.species[rows],
        splits=table.splits[rows],
    )


def _table(
    names: Sequence[str],
    owners: Sequence[PresentationSample],
    scores: NDArray[np.float64],
    split: Split | None = None,
) -> PresentationTable:
    return PresentationTable(
        identifiers=text(names),
        is_positive=np.array([owner.presentation is Presentation.BONA_FIDE for owner in owners], np.bool_),
        scores=scores,
        responded=~np.isnan(scores),
        subjects=text([owner.subject for owner in owners]),
        species=text([owner.species for owner in owners]),
        splits=text([str(split or owner.split or "") for owner in owners]),
    )
