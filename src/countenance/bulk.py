"""Score a whole data set with released or trained networks: what the command `score` does."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from countenance.datasets.comparison import Comparison
from countenance.datasets.lfw import read_comparisons
from countenance.datasets.named import PRESENTATIONS, read_presentations, split_name
from countenance.datasets.samples import PresentationSample
from countenance.datasets.siw import NAME as SIW
from countenance.ensemble_scoring import EnsembleReport, score_ensemble
from countenance.errors import UsageError, at_least
from countenance.export.engines import Engine, engine_named
from countenance.export.exported_network import exported_network
from countenance.export.folder import is_export
from countenance.files import refuse_as_target
from countenance.presentation_scoring import Precision, PresentationNetwork
from countenance.progress import Progress, unheard
from countenance.recognisers import stated_recogniser
from countenance.released import detector
from countenance.scores import mean_of, write_table
from countenance.scoring import ScoringReport, score_comparisons
from countenance.shipped import presentation_module, stated_clip_network
from countenance.vocabulary import Split
from countenance.window_scoring import Unit, score_clips

LONGEST_LIST = 100  # of folds, in words and in numbers: a slip of the finger must not fill the memory


@dataclass(frozen=True, kw_only=True)
class PresentationOptions:
    """How presentations are scored; pairs have none of it.

    Attributes:
        mirror: the mean over each as it is and mirrored left to right.
        precision: float32 or bfloat16; see `score_ensemble`.
        members: a folder for each network's own table, by the name that `run_names` gives it.
        unit: of clips, what a row is of: clip or window; None: clip.
        engine: of exported networks, onnxruntime or openvino; None: onnxruntime.
    """

    mirror: bool = False
    precision: str = Precision.FLOAT32
    members: Path | None = None
    unit: str | None = None
    engine: str | None = None


def score(
    networks: Sequence[str],
    *,
    data: str,
    split: str,
    folds: str | None = None,
    detect: str = "yunet",
    threads: int = 2,
    options: PresentationOptions = PresentationOptions(),
    progress: Progress = unheard,
) -> ScoringReport | EnsembleReport:
    """Score one split of a data set; several networks give the mean of their scores.

    Args:
        networks: recognisers for a set of pairs, as `recognisers.stated_recogniser` takes them; folders of runs for a
            set of presentations, of stills also of exports.
        data: "NAME:ROOT", such as "lfw:/data/lfw".
        split: of that set; see its reader.
        folds: of a set of pairs, such as "1-5" or "1,3"; all by default.
        detect: the face detector, for a set of pairs.
        threads: processor threads, for a set of pairs.
        options: for a set of presentations.
        progress: called with (images done, images in all).

    Raises:
        UsageError: no network, one twice, an unknown network, set, split, fold or precision, `options` for a set of
            pairs, a network that reads a sensor which the set does not have, or a folder that cannot be written to.
        DataError: a file or the weights are missing.
        InputError: a photograph cannot be read.
    """
    if not networks:
        raise UsageError(
            expected="a network to score with", came="none", remedy="for example: score sface --data lfw:ROOT"
        )
    at_least(1, threads=threads)
    if data.partition(":")[0] in PRESENTATIONS:
        _refuse_what_presentations_do_not_have(split, folds)
        runs = run_names(networks)
        tables = {} if options.members is None else {name: options.members / f"{name}.csv" for name in runs}
        for place in tables.values():
            refuse_as_target(place)
        judge = _score_clips if data.partition(":")[0] == SIW else _score_stills
        report = judge(runs, partial(_samples, data, split), options, detect, progress)
        for name, place in tables.items():
            write_table(report.members[name], place)
        return report
    if options != PresentationOptions():
        raise UsageError(
            expected="a set of presentations with mirrored views, a precision or tables of members",
            came=data,
            remedy="leave --mirror, --precision and --members out",
        )
    found = [stated_recogniser(name) for name in networks]
    comparisons = _comparisons(data, split, folds)
    finder = detector(detect)
    reports = [
        score_comparisons(
            comparisons,
            detector=finder,
            recogniser=each.build(threads),
            progress=progress,
            threads=threads,
        )
        for each in found
    ]
    return replace(
        reports[0],
        table=mean_of([report.table for report in reports]),
        seconds=sum(report.seconds for report in reports),
    )


def _samples(data: str, split: str) -> list[PresentationSample]:
    return [row for row in read_presentations(data) if row.split == split]


def _score_stills(
    runs: Mapping[str, str],
    samples: Callable[[], Sequence[PresentationSample]],
    options: PresentationOptions,
    _detect: str,
    progress: Progress,
) -> EnsembleReport:
    if options.unit is not None:
        raise UsageError(expected="a set of clips with a unit", came="one of stills", remedy="leave --unit out")
    networks = {name: _still_network(folder, options) for name, folder in runs.items()}
    return score_ensemble(
        samples(),
        networks,
        mirror=options.mirror,
        precision=_precision(options.precision),
        progress=progress,
    )


def _still_network(folder: str, options: PresentationOptions) -> PresentationNetwork:
    if not is_export(folder):
        if options.engine is not None:
            raise UsageError(
                expected="folders of exports, for an engine", came=folder, remedy="export it, or leave --engine out"
            )
        return presentation_module(folder)
    if options.precision != Precision.FLOAT32:
        raise UsageError(
            expected="an exported network in float32", came=options.precision, remedy="leave --precision out"
        )
    engine = engine_named(options.engine or Engine.ONNXRUNTIME)
    return exported_network(folder, engine=engine, threads=torch.get_num_threads())


def _score_clips(
    runs: Mapping[str, str],
    samples: Callable[[], Sequence[PresentationSample]],
    options: PresentationOptions,
    detect: str,
    progress: Progress,
) -> EnsembleReport:
    if options.mirror or options.precision != Precision.FLOAT32 or options.engine is not None:
        raise UsageError(
            expected="clips as they are, in float32, in PyTorch",
            came="mirrored views, another precision or an engine",
            remedy="leave --mirror, --precision and --engine out",
        )
    unit = options.unit or Unit.CLIP
    if unit not in set(Unit):
        raise UsageError(expected=f"a unit among {', '.join(Unit)}", came=repr(unit), remedy="name one")
    networks = {name: stated_clip_network(folder).module for name, folder in runs.items()}
    return score_clips(samples(), networks, detector=detector(detect), unit=Unit(unit), progress=progress)


def run_names(folders: Sequence[str]) -> dict[str, str]:
    """Name each run by its path below the folder that all have in common.

    Raises:
        UsageError: a folder twice.

    >>> list(run_names(["runs/arcface/fold-1", "runs/arcface/fold-2"])), list(run_names(["runs/a"]))
    (['fold-1', 'fold-2'], ['a'])
    """
    paths = [Path(folder).resolve() for folder in folders]
    common = os.path.commonpath([path.parent for path in paths])
    names = {str(path.relative_to(common)): folder for path, folder in zip(paths, folders, strict=True)}
    if len(names) != len(folders):
        raise UsageError(expected="each network once", came=" ".join(folders), remedy="name it once")
    return names


def _refuse_what_presentations_do_not_have(split: str, folds: str | None) -> None:
    if folds is not None or split not in set(Split):
        raise UsageError(
            expected=f"a split among {', '.join(Split)}, and no folds, for a set of presentations",
            came=f"split {split!r} and folds {folds}",
            remedy="leave the folds out, or name a split",
        )


def _precision(name: str) -> Precision:
    if name not in set(Precision):
        raise UsageError(expected=f"a precision among {', '.join(Precision)}", came=repr(name), remedy="name one")
    return Precision(name)


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
