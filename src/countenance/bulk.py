"""Score a whole data set with released or trained networks: what the command `score` does."""

from collections.abc import Sequence
from dataclasses import replace

from countenance.datasets.comparison import Comparison
from countenance.datasets.lfw import read_comparisons
from countenance.datasets.named import PRESENTATIONS, read_presentations, split_name
from countenance.errors import UsageError, at_least
from countenance.networks.record import Task
from countenance.presentation_scoring import PresentationReport, score_presentations
from countenance.progress import Progress, unheard
from countenance.released import detector, operating_point, recogniser
from countenance.scores import mean_of
from countenance.scoring import ScoringReport, score_comparisons
from countenance.trained import is_run, trained_network
from countenance.vocabulary import Split

LONGEST_LIST = 100  # of folds, in words and in numbers: a slip of the finger must not fill the memory


def score(
    networks: Sequence[str],
    *,
    data: str,
    split: str,
    folds: str | None = None,
    detect: str = "yunet",
    threads: int = 2,
    progress: Progress = unheard,
) -> ScoringReport | PresentationReport:
    """Score one split of a data set; several networks give the mean of their scores.

    Args:
        networks: names of recognisers for a set of pairs; folders of runs for a set of presentations.
        data: "NAME:ROOT", such as "lfw:/data/lfw".
        split: of that set; see its reader.
        folds: of a set of pairs, such as "1-5" or "1,3"; all by default.
        detect: the face detector, for a set of pairs.
        threads: processor threads, for a set of pairs.
        progress: called with (images done, images in all).

    Raises:
        UsageError: no network, an unknown network, set, split or fold.
        DataError: a file or the weights are missing.
        InputError: a photograph cannot be read.
    """
    if not networks:
        raise UsageError(
            expected="a network to score with", came="none", remedy="for example: score sface --data lfw:ROOT"
        )
    at_least(1, threads=threads)
    if data.partition(":")[0] in PRESENTATIONS:
        return _score_presentations(networks, data, split, folds, progress)
    for name in networks:
        operating_point(name, task=Task.VERIFICATION)
    comparisons = _comparisons(data, split, folds)
    finder = detector(detect)
    reports = [
        score_comparisons(
            comparisons,
            detector=finder,
            recogniser=recogniser(name, threads=threads),
            progress=progress,
            threads=threads,
        )
        for name in networks
    ]
    return replace(
        reports[0],
        table=mean_of([report.table for report in reports]),
        seconds=sum(report.seconds for report in reports),
    )


def _score_presentations(
    networks: Sequence[str], data: str, split: str, folds: str | None, progress: Progress
) -> PresentationReport:
    strangers = [name for name in networks if not is_run(name)]
    if strangers or folds is not None or split not in set(Split):
        raise UsageError(
            expected=f"folders of runs, a split among {', '.join(Split)}, and no folds, for a set of presentations",
            came=f"the network {strangers[0]!r}" if strangers else f"split {split!r} and folds {folds}",
            remedy="train a network: countenance train slim-pad --data NAME:ROOT --out RUN",
        )
    samples = [row for row in read_presentations(data) if row.split == split]
    reports = [score_presentations(samples, trained_network(name), progress=progress) for name in networks]
    return PresentationReport(mean_of([report.table for report in reports]), sum(report.seconds for report in reports))


def _comparisons(data: str, split: str, folds: str | None) -> list[Comparison]:
    name, root = split_name(data)
    if name != "lfw":
        raise UsageError(expected="a pair set that is read so far: lfw", came=repr(name), remedy="use lfw:ROOT")
    return read_comparisons(root, split, folds=None if folds is None else fold_numbers(folds))


def fold_numbers(words: str) -> list[int]:
    """Read fold numbers as people write them.

    Raises:
        UsageError: words of another form.

    >>> fold_numbers("1-3,5")
    [1, 2, 3, 5]
    """
    numbers: list[int] = []
    for part in words.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(words) > LONGEST_LIST:
            raise UsageError(expected="folds such as 1-5 or 1,3", came=repr(words), remedy="write numbers and ranges")
        numbers += range(int(first), min(int(last if dash else first), int(first) + LONGEST_LIST) + 1)
    return numbers
