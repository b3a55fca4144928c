"""CASIA-SURF protocols, from scores.

Parkin and Grinchuk 2019, "Recognizing Multi-Modal Face Spoofing with Face Recognition Networks", CVPR Workshops
(ChaLearn face anti-spoofing challenge), section 5.3 and Table 3. The authors published the validation scores of 21
networks (index-30 checkpoints: epoch 31), a column for the centre crop and one for its mirror image.

Where paper and published scores differ: the paper counts 24 networks and reports no test-time augmentation; 21 were
published, and rows A to D come out only as seed 1, the mean of three attack-specific folds, and the mean of the two
views. With 6,614 validation attacks, FPR 1e-4 permits no false accept at all.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from countenance.errors import MissingFile
from countenance.metrics.counts import SortedScores
from countenance.metrics.intervals import clopper_pearson
from countenance.protocols.table import TableRow
from countenance.score_formats import LabelList, read_label_list, read_views
from countenance.scores import PresentationTable, mean_of

FOLDS = (1, 2, 3)
FALSE_ACCEPT_RATE = 1e-4
ENSEMBLE_GROUPS: Mapping[str, tuple[str, ...]] = {  # an initialisation's networks, averaged before the groups are
    "exp1_2stage": ("exp1_2stage_seed1",),
    "exp2": ("exp2_seed1", "exp2_seed2"),
    "exp3b": ("exp3b_seed1", "exp3b_seed2"),
    "exp3c": ("exp3c_seed1", "exp3c_seed2"),
}
TABLE_3: Sequence[tuple[str, str, float]] = (  # row, run, TPR at FPR 1e-4 in percent
    ("A: CASIA-WebFace, SphereFace loss", "exp1_2stage_seed1", 99.87),
    ("B: MS-Celeb-1M, ArcFace loss", "exp3b_seed1", 99.63),
    ("C: private Asian set, ArcFace loss", "exp3c_seed1", 99.33),
    ("D: AFAD-Lite, gender", "exp2_seed1", 98.70),
)
ENSEMBLE_REPORTED = 100.00


def table_3_from_published_scores(directory: str | os.PathLike[str]) -> list[TableRow]:
    """Compute Table 3 from the score files that the authors published.

    Args:
        directory: holds ``lists/validation_list.txt`` and ``scores/RUN/foldN.csv``.

    Returns:
        Rows A to D, the plain mean of the four, the ensemble of all 21 networks, and each network by itself.

    Raises:
        MissingFile: a list or a score file is not there.
        ProtocolMismatch: a score file of another length than the list.
        ScoreError: a file that cannot be read as scores.
    """
    root = Path(directory)
    if not root.is_dir():
        raise MissingFile(
            expected="the folder of published CASIA-SURF scores", came=f"no folder {root}", remedy="unpack the archive"
        )
    labels = read_label_list(root / "lists" / "validation_list.txt")
    runs = {run: _folds_of(root, run, labels) for group in ENSEMBLE_GROUPS.values() for run in group}
    means = {run: mean_of(folds) for run, folds in runs.items()}
    groups = [mean_of([means[run] for run in members]) for members in ENSEMBLE_GROUPS.values()]
    rows = [_row(f"{name} ({run}, mean of 3 folds)", reported, means[run]) for name, run, reported in TABLE_3]
    rows.append(_row("A+B+C+D: plain mean of the four rows", None, mean_of([means[run] for _, run, _ in TABLE_3])))
    rows.append(_row("All 21 networks, mean of the 4 initialisations", ENSEMBLE_REPORTED, mean_of(groups)))
    rows += [_row(f"{run}, mean of 3 folds", None, table) for run, table in means.items() if run.endswith("seed2")]
    rows += [_row(f"{run}, fold {fold}", None, table) for run, fold, table in _single_networks(runs)]
    return rows


def _folds_of(root: Path, run: str, labels: LabelList) -> list[PresentationTable]:
    return [read_views(root / "scores" / run / f"fold{fold}.csv", labels) for fold in FOLDS]


def _single_networks(runs: Mapping[str, list[PresentationTable]]) -> Iterator[tuple[str, int, PresentationTable]]:
    for run, folds in runs.items():
        for fold, table in zip(FOLDS, folds, strict=True):
            yield run, fold, table


def _row(name: str, reported: float | None, table: PresentationTable) -> TableRow:
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    accepted = ordered.true_accepts_at_false_accept_rate(FALSE_ACCEPT_RATE)
    return TableRow(
        name=name,
        reported=reported,
        measured=100 * accepted.value,
        count=accepted,
        interval=clopper_pearson(accepted).times(100),
        data="CASIA-SURF validation, published scores",
        note=_what_the_target_permits(ordered.negative_total),
    )


def _what_the_target_permits(attacks: int) -> str:
    allowed = int(FALSE_ACCEPT_RATE * attacks)
    return (
        f"{attacks:,} attacks: one false accept is an FPR of {1 / attacks:.2e}, so that {FALSE_ACCEPT_RATE:g} allows "
        f"{allowed or 'no'} false accept{'s' * (allowed > 1)}"
    )
