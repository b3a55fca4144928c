"""Two videos, one similarity: YouTube Faces by the mean of frame embeddings, and by single frames as released.

L. Wolf, T. Hassner, I. Maoz, Face Recognition in Unconstrained Videos with Matched Background Similarity, CVPR 2011:
ten published folds of 250 + 250 pairs, no person in two of them. The usual practice since: embed each frame, take the
mean of a video's embeddings, make its length 1 again, compare once.

FaceLiveNet (Ming et al., ICPR 2018, table III) prints 95.0 % for it. Its released program reads a list of single-frame
pairs, which was not released, and shuffles the pairs before it cuts them into folds: one person stands in several, so
a fold's threshold knows its people. That is measured here under a name that says so, by a drawn frame of each video.

Both give a table that `evaluate` judges: each fold's threshold is chosen on the others (`metrics.verification`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.datasets.comparison import Comparison
from countenance.errors import EmptyScores, NonFiniteScore, ProtocolMismatch, UsageError
from countenance.scores import ComparisonTable, text

FOLDS = 10
_UNIT = 1e-3  # by how much the length of an embedding may miss 1

Embeddings = NDArray[np.floating]


def by_mean_of_frames(comparisons: Sequence[Comparison], frames: Mapping[Path, Embeddings]) -> ComparisonTable:
    """Compare the mean embeddings of two videos, in the published folds.

    Args:
        comparisons: pairs of videos, as `ytf.read` hands them on.
        frames: of each video, the embeddings (T, D) of its frames, of length 1; (0, D) where no frame shows a face.

    Returns:
        The cosine of each pair; a pair with a video without a face has no score, which is a wrong decision.

    Raises:
        EmptyScores: no pair.
        ProtocolMismatch: a video without embeddings, of another D, or not of length 1.
        NonFiniteScore: a NaN or an infinity, or a mean without a direction.
    """
    known = _checked(comparisons, frames)
    templates = {video: mean_template(rows) for video, rows in known.items() if len(rows)}
    scores = [_cosine(templates.get(pair.reference), templates.get(pair.probe)) for pair in comparisons]
    return _table(comparisons, scores, [pair.fold for pair in comparisons])


def by_single_frames_in_shuffled_folds(
    comparisons: Sequence[Comparison],
    frames: Mapping[Path, Embeddings],
    generator: np.random.Generator,
    *,
    folds: int = FOLDS,
) -> ComparisonTable:
    """Compare one drawn frame of each video, in folds cut from shuffled pairs: the released way, not the protocol.

    Args:
        comparisons: pairs of videos; their own folds are ignored.
        frames: as for `by_mean_of_frames`.
        generator: draws the frames, then the folds.
        folds: how many, as even as can be.

    Raises:
        UsageError: fewer than two folds, or fewer pairs than folds.
        EmptyScores, ProtocolMismatch, NonFiniteScore: as for `by_mean_of_frames`.
    """
    known = _checked(comparisons, frames)
    if not 2 <= folds <= len(comparisons):
        raise UsageError(
            expected=f"2 to {len(comparisons):,} folds", came=str(folds), remedy="ask for a fold of one pair or more"
        )

    def drawn(video: Path) -> Embeddings | None:
        rows = known[video]
        return rows[generator.integers(len(rows))] if len(rows) else None

    scores = [_cosine(drawn(pair.reference), drawn(pair.probe)) for pair in comparisons]
    names = np.empty(len(comparisons), dtype=np.int64)
    for number, places in enumerate(np.array_split(generator.permutation(len(comparisons)), folds), start=1):
        names[places] = number
    return _table(comparisons, scores, [str(name) for name in names.tolist()])


def mean_template(frames: Embeddings) -> NDArray[np.float64]:
    """Return the mean of embeddings (T, D) as a template (D,) of length 1.

    Raises:
        NonFiniteScore: no frame, or frames that cancel each other.

    >>> mean_template(np.array([[1.0, 0.0], [0.0, 1.0]])).round(4).tolist()
    [0.7071, 0.7071]
    """
    mean = frames.mean(axis=0, dtype=np.float64) if len(frames) else np.zeros(frames.shape[1:])
    length = float(np.linalg.norm(mean))
    if not length > _UNIT**2:
        raise NonFiniteScore(
            expected="frames whose mean has a direction",
            came=f"a mean of length {length:.3g} of {len(frames)}",
            remedy="embed the frames again; those of one person do not cancel each other",
        )
    return mean / length


def _checked(comparisons: Sequence[Comparison], frames: Mapping[Path, Embeddings]) -> dict[Path, Embeddings]:
    """The embeddings of the videos that the pairs name, each looked at once."""
    if not comparisons:
        raise EmptyScores(expected="pairs of videos", came="none", remedy="name folds of the set")
    videos = list(dict.fromkeys(video for pair in comparisons for video in (pair.reference, pair.probe)))
    if missing := [video for video in videos if video not in frames]:
        raise ProtocolMismatch(
            expected=f"embeddings of all {len(videos):,} videos that the pairs name",
            came=f"{len(missing):,} without, the first {_name(missing[0])}",
            remedy="embed the whole set",
        )
    width = frames[videos[0]].shape[-1:]
    for video in videos:
        rows = frames[video]
        if rows.ndim != 2 or rows.shape[1:] != width:
            raise ProtocolMismatch(
                expected=f"embeddings (T, {width[0] if width else 'D'}) of {_name(video)}",
                came=f"{rows.shape}",
                remedy="embed all videos with one network",
            )
        if not np.isfinite(rows).all():
            raise NonFiniteScore(
                expected=f"finite embeddings of {_name(video)}", came="a NaN or an infinity", remedy="embed it again"
            )
        off = np.abs(np.linalg.norm(rows.astype(np.float64), axis=1) - 1)
        if len(off) and off.max() > _UNIT:
            raise ProtocolMismatch(
                expected=f"embeddings of length 1 of {_name(video)}",
                came=f"one that misses it by {off.max():.3g}",
                remedy="divide each by its length",
            )
    return {video: frames[video] for video in videos}


def _cosine(reference: Embeddings | None, probe: Embeddings | None) -> float:
    """The inner product of two rows of length 1; NaN, no score, where one is not there."""
    return float("nan") if reference is None or probe is None else float(np.dot(reference, probe))


def _table(comparisons: Sequence[Comparison], scores: Sequence[float], folds: Sequence[str]) -> ComparisonTable:
    column = np.array(scores, np.float64)
    return ComparisonTable(
        identifiers=text([pair.identifier for pair in comparisons]),
        references=text([_name(pair.reference) for pair in comparisons]),
        probes=text([_name(pair.probe) for pair in comparisons]),
        is_positive=np.array([pair.is_mated for pair in comparisons]),
        folds=text(folds),
        scores=column,
        responded=~np.isnan(column),
    )


def _name(video: Path) -> str:
    """SUBJECT/VIDEO: a video's own folder is only a number."""
    return f"{video.parent.name}/{video.name}"
