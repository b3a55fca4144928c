"""Tables II, III and IV of the few-frame paper, with slim networks on a drawn SiW.

K. Ito, A. Kimura, T. Aoki, Performance Evaluation of Face Anti-Spoofing Method Using Deep Metric Learning from a Few
Frames of Face Video. Each network is a member with a name and a folder of its own; tables share members, and a member
that is there is not trained again, so that the whole can be done in several sittings and by several processes side by
side. The windows of all clips are cut once. A member's folder keeps its network and the scores of the threshold and
the test subjects' windows; rows are computed from these.

Nothing is chosen by the test subjects: epoch and threshold are those of the threshold subjects.

    countenance synthesize siw --subjects 50 --seed 31 --out ROOT
    countenance reproduce ito-2 --data siw:ROOT --out runs/ito --workers 2

Rows and figures that were seen: docs/fewframe.md. Network, resolution, people and pre-training of the flow are other
than the paper's, so that figures do not compare, only who is ahead of whom.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

from countenance.datasets.drawn_card import read_card
from countenance.datasets.named import read_presentations, split_name
from countenance.errors import UsageError
from countenance.losses.metric_learning import FewFrameLoss
from countenance.metrics.operating_point import choose
from countenance.progress import Say, unheard
from countenance.protocols.clip_errors import ACER, FIGURES, Cell, JudgedFold, error_difference_row, error_rows
from countenance.protocols.table import TableRow
from countenance.recipes.fewframe import (
    RULE,
    SLIM,
    FewFrameRecipe,
    cut_set,
    fit_fewframe,
    folds_of,
    read_clips,
    refuse_stills,
)
from countenance.recipes.members import is_orphan, taken, train_side_by_side
from countenance.score_formats import read_scores
from countenance.scores import PresentationTable, write_table
from countenance.threads import one_thread
from countenance.trained import trained_clip_network
from countenance.vocabulary import Split
from countenance.window_scoring import clip_table, score_windows

PROTOCOLS: Mapping[int, tuple[str, ...]] = {
    1: ("protocol-1",),
    2: tuple(f"protocol-2-{number}" for number in (1, 2, 3, 4)),
    3: ("protocol-3-1", "protocol-3-2"),
}
SEEDS = (0,)
MORE_SEEDS = (0, 1, 2)  # of the comparisons that the text makes
FLOW = "flownets-slim"
"""The shipped flow encoder: the paper's, trained on Flying Chairs, cannot be had."""
UNITS = ("window", "clip")
NOTE = "paper: full-size networks on real SiW; only the order compares"
Errors = tuple[float, float, float]
"""APCER, BPCER and ACER in percent, as the paper prints them."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network of the study.

    Attributes:
        fold: of the protocols.
        frames: T.
        flow: with the flow features.
        loss: of Table III.
        seed: of first weights, order and views.
    """

    fold: str
    frames: int = 5
    flow: bool = True
    loss: FewFrameLoss = FewFrameLoss.ARCFACE
    seed: int = 0

    @property
    def name(self) -> str:
        """Of its folder."""
        flow = "flow" if self.flow else "plain"
        return f"{self.fold}-{self.frames}-{flow}-{self.loss}-seed{self.seed}"

    def recipe(self, base: FewFrameRecipe, encoder: str) -> FewFrameRecipe:
        """Return what trains it."""
        return replace(base, frames=self.frames, flow=encoder if self.flow else "", loss=self.loss, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A cell of a table.

    Attributes:
        name: of its rows.
        protocol: 1, 2 or 3.
        like: a member as the cell has it; fold and seed are filled in.
        seeds: of its networks.
        reported: the paper's values.
    """

    name: str
    protocol: int
    like: Member
    seeds: Sequence[int] = SEEDS
    reported: Errors | None = None

    @property
    def members(self) -> list[list[Member]]:
        """For each fold, one for each seed."""
        return [[replace(self.like, fold=fold, seed=seed) for seed in self.seeds] for fold in PROTOCOLS[self.protocol]]


_TABLE_2: Mapping[tuple[int, bool, int], Errors] = {  # protocol, flow, frames
    (1, False, 2): (1.83, 37.1, 19.5),
    (1, False, 3): (0.82, 28.3, 14.6),
    (1, False, 5): (0.81, 28.3, 14.6),
    (1, True, 2): (0.74, 27.2, 14.0),
    (1, True, 3): (0.76, 27.3, 14.0),
    (1, True, 5): (0.73, 26.2, 13.5),
    (2, False, 2): (1.12, 1.06, 1.09),
    (2, False, 3): (0.45, 0.50, 0.48),
    (2, False, 5): (0.45, 0.46, 0.46),
    (2, True, 2): (0.65, 0.66, 0.66),
    (2, True, 3): (0.39, 0.58, 0.48),
    (2, True, 5): (0.37, 0.43, 0.40),
    (3, False, 2): (46.35, 0.90, 23.63),
    (3, False, 3): (33.35, 0.78, 17.06),
    (3, False, 5): (24.29, 0.53, 12.96),
    (3, True, 2): (29.35, 0.78, 15.06),
    (3, True, 3): (22.82, 0.62, 11.72),
    (3, True, 5): (21.91, 0.61, 11.26),
}
_TABLE_3: Mapping[FewFrameLoss, tuple[Errors, Errors, Errors]] = {  # of protocols 1, 2 and 3
    FewFrameLoss.CROSS_ENTROPY: ((0.83, 45.1, 26.7), (0.22, 0.35, 0.33), (73.13, 0.39, 56.76)),
    FewFrameLoss.CONTRASTIVE: ((4.30, 37.1, 23.7), (1.22, 1.11, 1.17), (26.22, 1.00, 13.61)),
    FewFrameLoss.TRIPLET: ((1.67, 31.8, 16.7), (1.01, 1.00, 1.01), (28.97, 1.01, 15.00)),
    FewFrameLoss.ARCFACE: ((0.73, 26.2, 13.5), (0.37, 0.43, 0.40), (21.91, 0.61, 11.26)),
    FewFrameLoss.COSFACE: ((0.88, 26.3, 13.6), (0.37, 0.45, 0.41), (22.37, 0.90, 11.64)),
    FewFrameLoss.SPHEREFACE: ((1.33, 30.1, 15.7), (0.77, 0.99, 0.88), (22.50, 0.61, 11.26)),
    FewFrameLoss.ARCFACE_TRIPLET: ((0.77, 26.8, 13.8), (0.44, 0.62, 0.53), (21.91, 0.61, 11.26)),
    FewFrameLoss.ARCFACE_CONTRASTIVE: ((2.44, 46.2, 24.3), (1.19, 1.43, 1.31), (21.93, 1.33, 11.63)),
}
_FAS_BAS: Mapping[int, Errors] = {1: (3.58, 3.58, 3.58), 2: (0.57, 0.57, 0.57), 3: (8.31, 8.31, 8.31)}
_TABLE_4: Mapping[tuple[int, bool], Errors] = {  # protocol, flow; differs from Table II for the same networks
    (1, False): (0.65, 32.6, 16.6),
    (1, True): (0.73, 26.2, 13.5),
    (2, False): (0.37, 0.43, 0.40),
    (2, True): (0.37, 0.43, 0.40),
    (3, False): (24.29, 0.53, 12.96),
    (3, True): (21.91, 0.61, 11.26),
}


def _two() -> list[Entry]:
    return [
        Entry(
            name=f"protocol {protocol}, {'with' if flow else 'without'} flow, {frames} frames",
            protocol=protocol,
            like=Member(fold="", frames=frames, flow=flow),
            seeds=MORE_SEEDS if frames == 5 else SEEDS,
            reported=_TABLE_2[protocol, flow, frames],
        )
        for protocol, flow, frames in product(PROTOCOLS, (False, True), (2, 3, 5))
    ]


def _three() -> list[Entry]:
    compared = (FewFrameLoss.CROSS_ENTROPY, FewFrameLoss.ARCFACE)
    return [
        Entry(
            name=f"protocol {protocol}, {loss}",
            protocol=protocol,
            like=Member(fold="", loss=loss),
            seeds=MORE_SEEDS if protocol == 3 and loss in compared else SEEDS,
            reported=_TABLE_3[loss][protocol - 1],
        )
        for protocol, loss in product(PROTOCOLS, FewFrameLoss)
    ]


def _four() -> list[Entry]:
    return [
        Entry(
            name=f"protocol {protocol}, {'with' if flow else 'without'} flow, 5 frames",
            protocol=protocol,
            like=Member(fold="", flow=flow),
            seeds=MORE_SEEDS,
            reported=_TABLE_4[protocol, flow],
        )
        for protocol, flow in product(PROTOCOLS, (False, True))
    ]


TABLES: Mapping[str, list[Entry]] = {"ito-2": _two(), "ito-3": _three(), "ito-4": _four()}


def ito(
    table: str,
    *,
    data: str,
    out: str | os.PathLike[str],
    encoder: str | os.PathLike[str] | None = None,
    workers: int = 1,
    base: FewFrameRecipe = SLIM,
    only_done: bool = False,
    say: Say = unheard,
) -> list[TableRow]:
    """Train what a table needs and is not there yet, and compute its rows.

    Args:
        table: among `TABLES`.
        data: a SiW, drawn or not, as "siw:ROOT".
        out: folder of the members and of the windows.
        encoder: of the flow features, as `FewFrameRecipe.flow`; `FLOW` where None.
        workers: processes that train side by side, a thread each.
        base: numbers of the training, where they are not those of `SLIM`.
        only_done: train nothing more: rows of the cells that have all networks of a seed.
        say: called with a line before each part.

    Returns:
        For each cell APCER, BPCER and ACER, of windows and of clips; then what the paper claims, as paired differences.

    Raises:
        UsageError: an unknown table; nothing is there for it; a folder that holds other runs.
        DataError: the set is not whole; the flow encoder is missing.
    """
    if table not in TABLES:
        raise UsageError(expected=f"a table among {', '.join(TABLES)}", came=repr(table), remedy="name one of these")
    refuse_stills(data)
    entries, place = TABLES[table], Path(out)
    every = dict.fromkeys(member for entry in entries for fold in entry.members for member in fold)
    wanted = sorted(every, key=lambda member: member.seed)  # so that a table is whole before its intervals narrow
    missing = [member for member in wanted if not is_done(place / member.name)]
    say(f"{len(wanted) - len(missing)} of {len(wanted)} networks are there")
    if missing and not only_done:
        samples, _ = read_clips(data, say=say)
        cut_set(samples, place, side=base.side, say=say)
        work = partial(_train_all, data=data, out=place, base=base, encoder=os.fspath(encoder or FLOW))
        train_side_by_side(work, missing, is_done=lambda member: is_done(place / member.name), workers=workers, say=say)
    name, root = split_name(data)
    card = read_card(root, set_name=name)
    told = f"{card.told if card else name}, test subjects"
    cells = {unit: {entry.name: _seeds(entry, place, unit) for entry in entries} for unit in UNITS}
    if not any(cells[UNITS[0]].values()):
        raise UsageError(
            expected=f"all networks of a seed of a cell of {table} in {out}",
            came="none",
            remedy="leave --only-done out",
        )
    say("drawing subjects for the intervals")
    rows = (
        [
            *_published(),
        ]
        if table == "ito-4"
        else []
    )
    for unit in UNITS:
        rows += _rows(entries, cells[unit], unit, told)
        rows += _claims(table, cells[unit], unit, told)
    return rows


def is_done(folder: Path) -> bool:
    """Tell whether a member is trained and scored."""
    return (folder / f"{Split.TEST}.csv").is_file()


def judged(folder: Path, unit: str) -> JudgedFold:
    """Read a member's scores, and choose its threshold by those of the threshold subjects.

    Args:
        folder: of the member.
        unit: of `UNITS`: what one score is of.

    Raises:
        MissingFile: it is not done.
        ScoreError: a table is damaged.
    """

    def table(split: Split) -> PresentationTable:
        read = read_scores(folder / f"{split}.csv")
        assert isinstance(read, PresentationTable)
        return clip_table(read) if unit == "clip" else read

    point = choose(table(Split.DEVELOPMENT), RULE, split=Split.DEVELOPMENT)
    return JudgedFold(table(Split.TEST), point)


Seeds = Mapping[int, Sequence[JudgedFold]]
"""For each seed whose networks are all there, one of each fold."""


def _seeds(entry: Entry, out: Path, unit: str) -> Seeds:
    by_seed = zip(entry.seeds, zip(*entry.members, strict=True), strict=True)
    return {
        seed: [judged(out / member.name, unit) for member in folds]
        for seed, folds in by_seed
        if all(is_done(out / member.name) for member in folds)
    }


def _cell(found: Seeds, seeds: Sequence[int]) -> Cell:
    return Cell(list(zip(*(found[seed] for seed in seeds), strict=True)))


def _rows(entries: Sequence[Entry], cells: Mapping[str, Seeds], unit: str, told: str) -> list[TableRow]:
    rows: list[TableRow] = []
    for entry in entries:
        if found := cells[entry.name]:
            reported = None if entry.reported is None else dict(zip(FIGURES, entry.reported, strict=True))
            cell = _cell(found, list(found))
            rows += error_rows(f"{entry.name}, per {unit}", cell, data=told, reported=reported, note=NOTE)
    return rows


def _published() -> list[TableRow]:
    """FAS-BAS as the paper prints it: not built here, so nothing is measured."""
    return [
        TableRow(
            name=f"protocol {protocol}, FAS-BAS, about 100 frames, {figure}",
            reported=value,
            measured=None,
            count=None,
            interval=None,
            data="real SiW, in the paper",
            note="printed as the paper's: not built here",
        )
        for protocol, errors in _FAS_BAS.items()
        for figure, value in zip(FIGURES, errors, strict=True)
    ]


def _claims(table: str, cells: Mapping[str, Seeds], unit: str, told: str) -> list[TableRow]:
    """What the text claims, as differences of ACER over the seeds of both sides: below 0 where the claim holds."""
    sides: dict[str, tuple[str, str]] = {}
    for protocol in PROTOCOLS:
        flow, plain = (f"protocol {protocol}, {word} flow, {{}} frames" for word in ("with", "without"))
        if table == "ito-3":
            arcface, entropy = (
                f"protocol {protocol}, {loss}" for loss in (FewFrameLoss.ARCFACE, FewFrameLoss.CROSS_ENTROPY)
            )
            sides[f"protocol {protocol}: ArcFace minus cross entropy"] = arcface, entropy
            continue
        sides[f"protocol {protocol}: flow minus none, 5 frames"] = flow.format(5), plain.format(5)
        if table == "ito-2":
            for words, like in (("with", flow), ("without", plain)):
                sides[f"protocol {protocol}: 5 frames minus 2, {words} flow"] = like.format(5), like.format(2)
    rows = []
    for name, pair in sides.items():
        ours, theirs = (cells.get(side, {}) for side in pair)
        if seeds := [seed for seed in ours if seed in theirs]:
            told_seeds = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
            sides_of = [_cell(side, seeds) for side in (ours, theirs)]
            rows.append(error_difference_row(f"{name}, {told_seeds}, per {unit}", *sides_of, data=told, figure=ACER))
    return rows


def _train_all(
    wanted: Sequence[Member],
    *,
    data: str,
    out: Path,
    base: FewFrameRecipe,
    encoder: str,
    say: Say = unheard,
    parent: int | None = None,
) -> None:
    """Train, one after the other, each member that no other process has taken, as long as the `parent` lives."""
    samples = read_presentations(data)
    name, root = split_name(data)
    card = read_card(root, set_name=name)
    folds = folds_of(samples)
    windows = cut_set(samples, out, side=base.side, say=say)
    with one_thread():
        for member in wanted:
            if is_orphan(parent):
                return
            folder = out / member.name
            with taken(folder) as ours:
                if not ours or is_done(folder):
                    continue
                fold = folds[member.fold]
                train, development, test = (windows.of(part) for part in (fold.train, fold.development, fold.test))
                recipe = member.recipe(base, encoder)
                run = fit_fewframe(recipe, train, development, out=folder, label=card.label if card else "")
                network = trained_clip_network(folder)
                for split, part in ((Split.DEVELOPMENT, development), (Split.TEST, test)):
                    write_table(score_windows(network, part, split=split), folder / f"{split}.csv")
                say(f"{member.name}: epoch {run.best} of {run.epochs}, {run.seconds:.0f} s")
