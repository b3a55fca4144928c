"""Table III of FaceLiveNet: LFW and YouTube Faces, each fold by a threshold from the others.

Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face Verification
with Interactive Facial Expression-Based Liveness Detection, ICPR 2018. An LFW of which only some folds are there is
judged by these, and its rows say which. Of a video of YouTube Faces so many frames are taken, evenly over its length;
the paper's way with that set is another (`protocols.frame_pairs`), and stands in rows of its own name.

Tables of scores lie in the folder under names that hold a digest of network and list, so that none is taken for
another's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.comparison import Comparison
from countenance.datasets.lfw import FOLDS, read_comparisons
from countenance.datasets.lfw import NAME as LFW
from countenance.datasets.ytf import NAME as YTF
from countenance.datasets.ytf import read as read_ytf
from countenance.datasets.ytf import read_frames
from countenance.errors import MissingFile, NoFace, ProtocolMismatch
from countenance.faces.detection import Detector
from countenance.files import sha256_of
from countenance.metrics.intervals import clopper_pearson
from countenance.metrics.verification import fold_accuracy
from countenance.networks.facelivenet_recogniser import FaceLiveNetRecogniser
from countenance.progress import Say, unheard
from countenance.protocols.frame_pairs import by_mean_of_frames, by_single_frames_in_shuffled_folds
from countenance.protocols.table import TableRow
from countenance.recipes.ming_members import file_name, told_of
from countenance.released import detector as released_detector
from countenance.scores import ComparisonTable, read_table, write_table
from countenance.scoring import cut_face, score_comparisons
from countenance.shipped import FACELIVENET_FULL, stated_face_live_network
from countenance.trained_facelivenet import StatedFaceLiveNet

TABLE_3: Mapping[str, Mapping[str, float]] = {
    "CASIA-WebFace": {LFW: 98.91, YTF: 94.88},
    "MS-Celeb-1M": {LFW: 99.42, YTF: 95.00},
}
"""FaceLiveNet's accuracies by the set that it was trained on, in percent."""
ALWAYS = (FACELIVENET_FULL,)
LEARNT_FROM = {FACELIVENET_FULL: "MS-Celeb-1M"}  # facenet's weights, as their authors state
FRAMES_EACH = 20
MEAN, SINGLE = "mean of frames", "single frames in shuffled folds, as released"
_SEED = 0


def verification(
    sets: Mapping[str, Path],
    *,
    networks: Sequence[str] = (),
    out: Path,
    only_done: bool = False,
    say: Say = unheard,
) -> list[TableRow]:
    """Return the rows of table III: the paper's, then those of `ALWAYS` and of the networks named.

    Args:
        sets: root of lfw, ytf or both.
        networks: as `shipped.stated_face_live_network` takes them.
        out: folder of the score tables.
        only_done: whether nothing more is scored.
        say: called with a line before each part.

    Raises:
        UsageError: no such network.
        DataError: a set is not whole, or of LFW fewer than two folds; the weights cannot be had.
        InputError: a photograph cannot be read.
    """
    rows = [
        TableRow(
            name=f"FaceLiveNet ({learnt}), {name}",
            reported=reported[name],
            measured=None,
            count=None,
            interval=None,
            data=name,
        )
        for learnt, reported in TABLE_3.items()
        for name in sets
    ]
    found = [stated_face_live_network(name) for name in dict.fromkeys((*ALWAYS, *networks))]
    for name, root in sets.items():
        pairs, where = _lfw_pairs(root) if name == LFW else (read_ytf(root), "ten folds")
        for network in found:
            told = told_of({name: root}) + (f"; network: {network.label}" if network.label else "")
            for kind, table in _tables(name, pairs, network, out, told=told, only_done=only_done, say=say):
                row = f"{network.source}, {name}, {f'{kind}, ' if kind else ''}{where}"
                reported = None
                if kind != MEAN and network.source in LEARNT_FROM:
                    reported = TABLE_3[LEARNT_FROM[network.source]][name]
                rows.append(_fold_row(row, table, reported, told))
    return rows


def _lfw_pairs(root: Path) -> tuple[list[Comparison], str]:
    """The pairs of the folds whose photographs are all there, and which folds these are."""
    parts: dict[int, list[Comparison]] = {}
    for fold in range(1, FOLDS + 1):
        try:
            parts[fold] = read_comparisons(root, "test", folds=[fold])
        except MissingFile as error:
            missing = error
    if len(parts) < 2:
        raise missing
    pairs = [pair for some in parts.values() for pair in some]
    return pairs, "ten folds" if len(parts) == FOLDS else f"folds {_ranges(parts)}"


def _ranges(numbers: Iterable[int]) -> str:
    """Write numbers as people do.

    >>> _ranges([1, 2, 3, 5])
    '1-3, 5'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _tables(
    name: str,
    pairs: Sequence[Comparison],
    network: StatedFaceLiveNet,
    out: Path,
    *,
    told: str,
    only_done: bool,
    say: Say,
) -> Iterator[tuple[str, ComparisonTable]]:
    """The score tables of a network that are kept, or, unless it is forbidden, computed now."""
    listed = [
        [pair.identifier, pair.reference.parts[-2:], pair.probe.parts[-2:], pair.is_mated, pair.fold] for pair in pairs
    ]
    key = sha256_of(json.dumps([network.digest, told, listed, FRAMES_EACH]).encode())[:8]
    stem = f"{name}-{file_name(network.source)}-{key}"
    places = {"": out / f"{stem}.csv"}
    if name == YTF:
        places = {kind: out / f"{stem}-{file_name(kind)}.csv" for kind in (MEAN, SINGLE)}
    if not all(place.is_file() for place in places.values()):
        if only_done:
            return
        say(f"{network.source}: {len(pairs):,} pairs of {name}")
        recogniser, finder = FaceLiveNetRecogniser(network.network), released_detector()
        if name == LFW:
            tables = {"": score_comparisons(pairs, detector=finder, recogniser=recogniser).table}
        else:
            frames = _embedded(pairs, finder, recogniser, network.network.features)
            generator = np.random.default_rng(_SEED)
            tables = {
                MEAN: by_mean_of_frames(pairs, frames),
                SINGLE: by_single_frames_in_shuffled_folds(pairs, frames, generator),
            }
        for kind, table in tables.items():
            write_table(table, places[kind])
    for kind, place in places.items():
        kept = read_table(place)
        if not isinstance(kept, ComparisonTable):
            raise ProtocolMismatch(
                expected=f"the similarities of pairs in {place}",
                came="a table of presentations",
                remedy="delete it, and they are computed anew",
            )
        yield kind, kept


def _embedded(
    pairs: Sequence[Comparison], detector: Detector, recogniser: FaceLiveNetRecogniser, features: int
) -> dict[Path, NDArray[np.float32]]:
    """Of each video the templates (T, D) of the frames taken that show a face."""
    found = {}
    for video in dict.fromkeys(path for pair in pairs for path in (pair.reference, pair.probe)):
        paths = read_frames(video)
        places = np.linspace(0, len(paths) - 1, min(FRAMES_EACH, len(paths))).round().astype(int)
        faces = []
        for place in places.tolist():
            try:
                faces.append(cut_face(paths[place], detector, recogniser))
            except NoFace:
                continue
        found[video] = recogniser.embed(np.stack(faces)) if faces else np.zeros((0, features), np.float32)
    return found


def _fold_row(name: str, table: ComparisonTable, reported: float | None, told: str) -> TableRow:
    accuracy = fold_accuracy(table)
    pooled, exact = accuracy.pooled, clopper_pearson(accuracy.pooled).times(100)
    return TableRow(
        name=name,
        reported=reported,
        measured=100 * accuracy.mean,
        count=None,
        interval=None,
        data=told,
        note=f"{name}: mean of {len(accuracy.folds)} folds, standard error {100 * accuracy.standard_error:.2f}; all "
        f"together {pooled.count:,} of {pooled.trials:,}, exactly {exact.low:.2f} to {exact.high:.2f}; "
        f"{int((~table.responded).sum())} pairs without a score",
    )
