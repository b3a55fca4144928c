"""How much the drawn CASIA-SURF gives away without a look at a face: whole-picture statistics and a straight line.

A drawn attack must differ from a drawn bona fide presentation where a real one differs, not in how much of the picture
it fills or in how bright it comes out. So Fisher's linear discriminant (Fisher 1936, "The use of multiple measurements
in taxonomic problems", Annals of Eugenics 7) is fitted to a few global statistics of the training attacks, 4 to 6, and
judged on the test attacks, 1 to 3, of other people worn by other people. The area under its ROC curve is .5 where
nothing leaks. A sensor's own statistics may tell something honestly (a face has more relief than a sheet); the area of
the mask may not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from countenance.drawn_sets.casia_surf import FIRST_ATTACKER, SECONDS_BETWEEN_FRAMES, SPECIES
from countenance.drawn_sets.writing import Draw
from countenance.errors import at_least
from countenance.metrics.counts import SortedScores
from countenance.metrics.intervals import Bootstrap, Interval, bootstrap_over_groups, reweighted
from countenance.progress import Progress, unheard
from countenance.synthesis.scene import DrawnClip, draw_clip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies
from countenance.vocabulary import Split

FRAMES = 2  # of a clip
FIRST_SUBJECT: Mapping[Split, int] = MappingProxyType({Split.TRAIN: 1, Split.TEST: 5_001})
COLUMNS: Mapping[str, slice] = MappingProxyType(
    {"mask area": slice(0, 1), "rgb": slice(1, 10), "infrared": slice(10, 13), "depth": slice(13, 17)}
)
"""Which of the 17 statistics of a frame belong together."""

_RESAMPLES = 1_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What one group of statistics tells.

    Attributes:
        statistics: a name among `COLUMNS`.
        auc: on the test attacks, along the direction that the training attacks gave.
        interval: of `auc`, by bootstrap over the test subjects.
        train_auc: the same direction on the training attacks.
    """

    statistics: str
    auc: float
    interval: Interval
    train_auc: float


@dataclass(frozen=True, eq=False)
class _Frames:
    """Statistics (N, 17), whether bona fide (N,), and the presented subject (N,) of drawn frames."""

    statistics: Floats
    is_bona_fide: NDArray[np.bool_]
    subjects: NDArray[np.str_]


def audit_leaks(
    *, subjects: int, seed: int, preset: str = "paper", draw: Draw = draw_clip, progress: Progress = unheard
) -> list[Leak]:
    """Draw one bona fide clip and three attacks of each person, and audit their statistics.

    Args:
        subjects: people in training, and as many others in test.
        seed: of the drawing and of the bootstrap.
        preset: easy, paper or hard.
        draw: makes a clip from its description.
        progress: called with (clips done, clips in all).

    Raises:
        UsageError: fewer than 5 subjects, or an unknown preset.
    """
    at_least(5, subjects=subjects)
    specs = {split: list(_specs(split, subjects, seed, preset)) for split in FIRST_SUBJECT}
    total = sum(map(len, specs.values()))
    done, frames = 0, {}
    for split, clips in specs.items():
        rows: list[Floats] = []
        for spec in clips:
            rows += frame_statistics(draw(spec))
            done += 1
            progress(done, total)
        kinds = np.repeat([spec.species is DrawnSpecies.BONA_FIDE for spec in clips], FRAMES)
        frames[split] = _Frames(np.stack(rows), kinds, np.repeat([str(spec.subject) for spec in clips], FRAMES))
    return [
        _leak(name, columns, frames[Split.TRAIN], frames[Split.TEST], np.random.default_rng(seed))
        for name, columns in COLUMNS.items()
    ]


def frame_statistics(clip: DrawnClip) -> Iterator[Floats]:
    """Yield the 17 statistics of each frame: mask area; mean, deviation and gradient energy of each plane; holes.

    All are taken inside the mask, what is not black in colour; those of depth where there is depth.
    """
    assert clip.infrared is not None
    assert clip.depth_view is not None
    for rgb, infrared, depth in zip(clip.rgb, clip.infrared, clip.depth_view, strict=True):
        mask = rgb.any(axis=2)
        known = mask & (depth > 0)
        planes = [(rgb[..., k], mask) for k in range(3)] + [(infrared, mask), (depth, known)]
        values = [value for plane, inside in planes for value in _plane_statistics(plane, inside)]
        yield np.array([mask.sum(), *values, 1 - known.sum() / mask.sum()], np.float64)


def discriminant(statistics: Floats, is_positive: NDArray[np.bool_]) -> Floats:
    """Return Fisher's direction, the inverse of the scatter within classes times the difference of their means.

    Args:
        statistics: (N, K).
        is_positive: (N,).

    Returns:
        (K,), pointing to the positive class.
    """
    one, other = statistics[is_positive], statistics[~is_positive]
    within = np.concatenate([one - one.mean(axis=0), other - other.mean(axis=0)])
    scatter = within.T @ within
    return np.asarray(np.linalg.solve(scatter, one.mean(axis=0) - other.mean(axis=0)), np.float64)


def _specs(split: Split, subjects: int, seed: int, preset: str) -> Iterator[ClipSpec]:
    for place in range(subjects):
        for species in (DrawnSpecies.BONA_FIDE, *SPECIES[split]):
            yield ClipSpec(
                root=seed,
                subject=FIRST_SUBJECT[split] + place,
                species=species,
                clip=0,
                attacker=FIRST_ATTACKER[split] + place if species.is_worn else None,
                frames=FRAMES,
                seconds_between_frames=SECONDS_BETWEEN_FRAMES,
                preset=preset,
            )


def _plane_statistics(plane: NDArray[np.uint8], inside: NDArray[np.bool_]) -> Iterable[float]:
    """Mean, standard deviation and mean squared step to the right and down, where both pixels are inside."""
    levels = plane.astype(np.float64)
    if not inside.any():
        return 0.0, 0.0, 0.0
    across = np.diff(levels, axis=1)[inside[:, 1:] & inside[:, :-1]]
    down = np.diff(levels, axis=0)[inside[1:] & inside[:-1]]
    steps = np.concatenate([across, down])
    return levels[inside].mean(), levels[inside].std(), np.square(steps).mean() if len(steps) else 0.0


def _leak(name: str, columns: slice, train: _Frames, test: _Frames, generator: np.random.Generator) -> Leak:
    centre, spread = train.statistics[:, columns].mean(axis=0), train.statistics[:, columns].std(axis=0)
    direction = discriminant((train.statistics[:, columns] - centre) / spread, train.is_bona_fide) / spread
    trained, tested = (part.statistics[:, columns] @ direction for part in (train, test))
    intervals = bootstrap_over_groups(
        test.subjects,
        test.is_bona_fide,
        reweighted(tested, test.is_bona_fide, false_accept_rates={}),
        method="bootstrap over subjects",
        drawing=Bootstrap(_RESAMPLES, generator),
    )
    return Leak(
        statistics=name,
        auc=_area(tested, test.is_bona_fide),
        interval=intervals["auc"],
        train_auc=_area(trained, train.is_bona_fide),
    )


def _area(scores: Floats, is_positive: NDArray[np.bool_]) -> float:
    return SortedScores.of(positives=scores[is_positive], negatives=scores[~is_positive]).auc()
