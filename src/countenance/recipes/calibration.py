"""Does a threshold transfer to a camera that was not seen in training, and does a calibration by people alone mend it?

A network of clips, with the threshold of its own card, judges a set of another camera. Then 50 of the bona fide clips
of that camera set a threshold (`conformal`), which judges all other clips. Clips to calibrate with are drawn at random;
how the promise is kept on the average is seen from many draws.

    countenance synthesize siw-webcam --subjects 15 --seed 77 --out ROOT
    countenance reproduce calibration --data siw:ROOT

Figures that were seen: docs/fewframe.md.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countenance.conformal import BPCER, Calibration, calibrate
from countenance.datasets.drawn_card import read_card
from countenance.datasets.named import read_presentations, split_name
from countenance.errors import OneClassOnly
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Bootstrap, bootstrap_over_groups, clopper_pearson
from countenance.metrics.operating_point import OperatingPoint
from countenance.progress import Progress, Say, unheard
from countenance.protocols.clip_errors import kind_of
from countenance.protocols.table import TableRow
from countenance.recipes.fewframe import refuse_stills
from countenance.released import detector
from countenance.scores import PresentationTable, text
from countenance.shipped import FEWFRAME_SLIM, stated_clip_network
from countenance.vocabulary import Split
from countenance.window_scoring import score_clips

CLIPS = 50
DRAWS = 200
RESAMPLES = 2_000


def calibration(
    data: str,
    *,
    network: str = FEWFRAME_SLIM,
    clips: int = CLIPS,
    draws: int = DRAWS,
    say: Say = unheard,
    progress: Progress = unheard,
) -> list[TableRow]:
    """Return BPCER and APCER of a camera's clips before and after a calibration by `clips` of them.

    Args:
        data: clips of a camera that the network was not trained with, as "siw:ROOT".
        network: as for `stated_clip_network`.
        clips: bona fide ones that set the threshold.
        draws: of the clips that calibrate, for the mean.
        say: called with a line before each part.
        progress: called with (clips done, clips in all).

    Raises:
        UsageError: too few clips for the promise; an unknown network.
        OneClassOnly: no bona fide clip is left to judge.
        DataError: the set is not whole.
    """
    refuse_stills(data)
    samples = read_presentations(data)
    name, root = split_name(data)
    card = read_card(root, set_name=name)
    told = card.told if card else name
    stated = stated_clip_network(network)
    say(f"scoring {len(samples):,} clips")
    table = score_clips(samples, {network: stated.module}, detector=detector("yunet"), progress=progress).table
    return calibration_rows(table, stated.point, clips=clips, draws=draws, data=told)


def calibration_rows(
    table: PresentationTable, before: OperatingPoint, *, clips: int = CLIPS, draws: int = DRAWS, data: str
) -> list[TableRow]:
    """Return the rows of scores that are there; for the arguments see `calibration`.

    Args:
        table: a row for each clip of the camera.
        before: the threshold that the network brings along.
        clips: bona fide ones that set the threshold.
        draws: of those clips.
        data: what was scored.

    Raises:
        UsageError, OneClassOnly: as for `calibration`.
    """
    split = [_drawn(table, clips, seed) for seed in range(draws)]
    first, judged = split[0]
    kept = [_errors(rest, found.point) for found, rest in split]
    promise = f"promised: at most {first.bpcer:.0%} in the mean, {first.expected:.1%} expected"
    rows = [
        _counted("BPCER, threshold of the training camera", _bpcer(judged, before), judged, before, data=data),
        _counted(f"BPCER, calibrated on {clips} clips", _bpcer(judged, first.point), judged, first.point, data=data),
        _mean(f"BPCER, calibrated, mean of {draws} draws", [bpcer for bpcer, _ in kept], data=data, note=promise),
    ]
    for kind in sorted({kind_of(str(species)) for species in table.species[~table.is_positive]}):
        for words, point in (("threshold of the training camera", before), ("calibrated", first.point)):
            rows.append(_attacks(f"APCER of {kind}, {words}", judged, kind, point, data=data))
    rows.append(_mean(f"APCER of the worse kind, calibrated, mean of {draws} draws", [a for _, a in kept], data=data))
    return rows


def _drawn(table: PresentationTable, clips: int, seed: int) -> tuple[Calibration, PresentationTable]:
    """A calibration by so many bona fide clips, drawn at random, and all other clips."""
    live = np.flatnonzero(table.is_positive & table.responded)
    if len(live) <= clips:
        raise OneClassOnly(
            expected=f"more than {clips} bona fide clips, to calibrate by and to judge",
            came=f"{len(live)}",
            remedy="record more, or calibrate by fewer",
        )
    chosen = np.zeros(len(table), np.bool_)
    chosen[np.random.default_rng(seed).permutation(live)[:clips]] = True
    used = table.select(chosen)
    used = replace(used, splits=text([Split.DEVELOPMENT] * len(used)))
    return calibrate(used, bpcer=BPCER), table.select(~chosen)


def _bpcer(table: PresentationTable, point: OperatingPoint) -> Proportion:
    return Proportion(int((table.positives < point.value).sum()), len(table.positives))


def _errors(table: PresentationTable, point: OperatingPoint) -> tuple[float, float]:
    """BPCER, and APCER of the worse kind."""
    kinds = np.array([kind_of(str(species)) for species in table.species])
    attacks = ~table.is_positive & table.responded
    worst = max((table.scores[attacks & (kinds == kind)] >= point.value).mean() for kind in set(kinds[attacks]))
    return _bpcer(table, point).value, float(worst)


def _counted(name: str, count: Proportion, table: PresentationTable, point: OperatingPoint, *, data: str) -> TableRow:
    live = table.is_positive & table.responded

    def share(weights: NDArray[np.float64]) -> dict[str, float]:
        return {"bpcer": float((weights * live * (table.scores < point.value)).sum() / (weights * live).sum())}

    drawing = Bootstrap(RESAMPLES, np.random.default_rng(0))
    drawn = bootstrap_over_groups(
        table.groups, table.is_positive, share, method="bootstrap over subjects", drawing=drawing
    ).get("bpcer")
    return TableRow(
        name=name,
        reported=None,
        measured=100 * count.value,
        count=count,
        interval=clopper_pearson(count).times(100),
        bootstrap=None if drawn is None else drawn.times(100),
        data=data,
        note="the bootstrap holds the threshold as it is",
    )


def _attacks(name: str, table: PresentationTable, kind: str, point: OperatingPoint, *, data: str) -> TableRow:
    kinds = np.array([kind_of(str(species)) for species in table.species])
    rows = ~table.is_positive & table.responded & (kinds == kind)
    count = Proportion(int((table.scores[rows] >= point.value).sum()), int(rows.sum()))
    return TableRow(
        name=name,
        reported=None,
        measured=100 * count.value,
        count=count,
        interval=clopper_pearson(count).times(100),
        data=data,
    )


def _mean(name: str, values: Sequence[float], *, data: str, note: str = "") -> TableRow:
    low, high = np.quantile(values, [0.025, 0.975])
    spread = f"95 % of the draws: {100 * low:.1f} to {100 * high:.1f}"
    return TableRow(
        name=name,
        reported=None,
        measured=100 * float(np.mean(values)),
        count=None,
        interval=None,
        data=data,
        note="; ".join(part for part in (note, spread) if part),
    )
