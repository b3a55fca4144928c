"""The comparisons and the ensemble of the multimodal paper, with slim networks on a drawn CASIA-SURF.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019,
Tables 3, 4 and 5 and sections 5.3 to 5.10. Each network is a member with a name and a folder of its own; tables share
members, and a member that is there is not trained again, so that the whole can be done in several sittings and by
several processes side by side. A member's folder keeps its network and its score tables of validation and test, the
mean of a picture and its mirror image as in the published scores.

Nothing is chosen on validation or test: the epoch is chosen by what a member's fold holds out.

    countenance synthesize casia-surf --subjects 400 --seed 24 --out ROOT
    countenance reproduce parkin-3 --data casia-surf:ROOT --out runs/parkin --workers 2

Rows and figures that were seen: docs/multimodal.md. Networks, data and pre-training are other than the paper's, so that
figures do not compare, only who is ahead of whom.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from countenance.checkpoints import BEST, read_checkpoint
from countenance.datasets.drawn_card import read_card
from countenance.datasets.named import inspect_named, read_presentations, split_name
from countenance.datasets.samples import PresentationSample
from countenance.drawn_sets.attributes import attributes_of, subjects_by_attribute
from countenance.errors import UsageError
from countenance.files import sha256_of
from countenance.loading.cache import CachedPlanes
from countenance.metrics.counts import SortedScores
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.mlfa import STREAMS
from countenance.presentation_scoring import (
    LoadedPresentations,
    judge,
    load_presentations,
    score_presentations,
    table_of,
)
from countenance.presentation_training import Choice
from countenance.progress import Say, unheard
from countenance.protocols.attributes import errors_by_attribute
from countenance.protocols.compared_rates import RATES, difference_row, rate_row
from countenance.protocols.hard_samples import HardSample, most_conflicting, nearest_threshold
from countenance.protocols.table import TableRow
from countenance.recipes.members import is_orphan, taken, train_side_by_side
from countenance.recipes.mlfa import SLIM, MlfaRecipe, Views, fit_mlfa, parts_of, train_mlfa
from countenance.score_formats import read_scores
from countenance.scores import PresentationTable, mean_of, write_table
from countenance.shipped import trunks_folder
from countenance.threads import one_thread
from countenance.trained import trained_network
from countenance.transforms.flipping import flip
from countenance.vocabulary import Modality, Split

ATTACK_FOLDS = tuple(f"attack-{number}" for number in (1, 2, 3))
SUBJECT_FOLDS = tuple(f"subject-{number}" for number in range(1, 6))
SEEDS = (0, 1)  # of the ensemble: two, as in section 4.3
MORE_SEEDS = (0, 1, 2)  # of the comparisons on one fold
FIXED_FOLD = ATTACK_FOLDS[0]
RANDOM = "random"
INITIAL: Mapping[str, str] = {  # which folder of pre-trained trunks stands for which row of Table 2
    "A": "sphereface",
    "B": "arcface",
    "C": "distilled",
    "D": "gender",
}
ARCHITECTURES: Mapping[str, MlfaRecipe] = {
    "se": replace(SLIM, aggregation=False, excitation=True),
    "plain": replace(SLIM, aggregation=False),
    "mlfa": SLIM,
    "rgb": replace(SLIM, streams=(Modality.RGB,) * 3),
    "infrared": replace(SLIM, streams=(Modality.INFRARED,) * 3),
    "depth": replace(SLIM, streams=(Modality.DEPTH,) * 3),
}
NOTE = "paper: larger networks on real CASIA-SURF; only the order compares"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network of the study.

    Attributes:
        architecture: among `ARCHITECTURES`.
        initial: `RANDOM`, or the folder's name of a pre-trained trunk.
        fold: of the training split.
        seed: of first weights, order and mirroring.
    """

    architecture: str
    initial: str
    fold: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.architecture}-{self.initial}-{self.fold}-seed{self.seed}"

    def recipe(self, trunks: Path | None, base: MlfaRecipe | None = None) -> MlfaRecipe:
        """Return what trains it.

        Args:
            trunks: folder of the pre-trained trunks; the shipped ones where None.
            base: numbers of the training, where they are not those of `SLIM`.
        """
        own = ARCHITECTURES[self.architecture]
        if base is not None:
            own = replace(base, streams=own.streams, aggregation=own.aggregation, excitation=own.excitation)
        initial = "" if self.initial == RANDOM else str((trunks or trunks_folder()) / self.initial)
        return replace(own, initial=initial, seed=self.seed)


def members(architecture: str, initial: str, folds: Iterable[str], seeds: Iterable[int] = (0,)) -> tuple[Member, ...]:
    """Return a member for each fold and seed."""
    return tuple(
        Member(architecture=architecture, initial=initial, fold=fold, seed=seed) for seed in seeds for fold in folds
    )


BASELINE = members("se", RANDOM, SUBJECT_FOLDS)
BY_ATTACK = members("se", RANDOM, ATTACK_FOLDS)
TRANSFERRED = members("se", INITIAL["A"], ATTACK_FOLDS)
ENSEMBLE: Mapping[str, tuple[Member, ...]] = {
    row: members("mlfa", initial, ATTACK_FOLDS, SEEDS) for row, initial in INITIAL.items()
}
TABLE_3: Sequence[tuple[str, float, tuple[Member, ...]]] = (  # row, TPR at FPR 1e-4 in percent, members
    ("SE fusion, random, subject 5-fold", 74.55, BASELINE),
    ("SE fusion, random, attack 3-fold", 78.89, BY_ATTACK),
    ("SE fusion, identities (SphereFace), attack 3-fold", 99.80, TRANSFERRED),
    ("A: MLFA, identities (SphereFace), attack 3-fold", 99.87, ENSEMBLE["A"]),
    ("B: MLFA, identities (ArcFace), attack 3-fold", 99.63, ENSEMBLE["B"]),
    ("C: MLFA, distilled from a recogniser, attack 3-fold", 99.33, ENSEMBLE["C"]),
    ("D: MLFA, gender, attack 3-fold", 98.70, ENSEMBLE["D"]),
    ("A, B, C, D ensemble", 100.00, tuple(member for group in ENSEMBLE.values() for member in group)),
)
TABLE_5: Mapping[str, Mapping[str, float]] = {
    "rgb": {"1e-2": 71.74, "1e-3": 22.34, "1e-4": 7.85},
    "infrared": {"1e-2": 91.82, "1e-3": 72.25, "1e-4": 57.41},
    "depth": {"1e-2": 100.0, "1e-3": 99.77, "1e-4": 98.40},
    "mlfa": {"1e-2": 100.0, "1e-3": 100.0, "1e-4": 99.87},
}
MODALITIES: Mapping[str, tuple[Member, ...]] = {
    each: members(each, INITIAL["A"], (FIXED_FOLD,), MORE_SEEDS) for each in TABLE_5
}
COMPARED: Mapping[str, tuple[tuple[Member, ...], tuple[Member, ...]]] = {  # on one fold, three seeds
    "MLFA minus no MLFA": (MODALITIES["mlfa"], members("plain", INITIAL["A"], (FIXED_FOLD,), MORE_SEEDS)),
    "pre-trained minus random": (MODALITIES["mlfa"], members("mlfa", RANDOM, (FIXED_FOLD,), MORE_SEEDS)),
    **{
        f"all three sensors minus {each} alone": (MODALITIES["mlfa"], MODALITIES[each])
        for each in ("rgb", "infrared", "depth")
    },
}
TABLES: Mapping[str, tuple[Member, ...]] = {  # what each table needs, in the order of training
    "parkin-3": tuple(dict.fromkeys(member for _, _, group in TABLE_3 for member in group)),
    "parkin-4": TABLE_3[-1][2],
    "parkin-5": tuple(member for group in MODALITIES.values() for member in group),
    "parkin-compared": tuple(dict.fromkeys(member for sides in COMPARED.values() for side in sides for member in side)),
    "parkin-distilled": TABLE_3[-1][2],
}
STUDENT = replace(  # begins as the teacher that is best on validation
    SLIM,
    views=Views.MIXED,
    teachers_at_once=4,
    epochs=12,
    cosine_epochs=12,
    learning_rate=1e-3,
    choice=Choice.LAST,
)
STUDENT_FOLDER = "student"
Scores = Mapping[Member, Mapping[Split, PresentationTable]]
"""The score tables of each member."""
Tables = Mapping[str, PresentationTable]


def study(
    table: str,
    *,
    data: str,
    out: str | os.PathLike[str],
    trunks: str | os.PathLike[str] | None,
    workers: int = 1,
    base: MlfaRecipe | None = None,
    only_done: bool = False,
    say: Say = unheard,
) -> list[TableRow]:
    """Train what a table needs and is not there yet, and compute its rows.

    Args:
        table: among `TABLES`.
        data: a CASIA-SURF, drawn or not, as "casia-surf:ROOT".
        out: folder of the members.
        trunks: folder of the pre-trained trunks, named as `INITIAL` has them; the shipped ones where None.
        workers: processes that train side by side, a thread each.
        base: numbers of the training, where they are not those of `SLIM`.
        only_done: train nothing more: rows of the networks that are there, each with their number.
        say: called with a line before each part.

    Raises:
        UsageError: an unknown table; nothing is there for it; a folder that holds other runs.
        DataError: the set is not whole; a pre-trained trunk is missing.
    """
    if table not in TABLES:
        raise UsageError(expected=f"a table among {', '.join(TABLES)}", came=repr(table), remedy="name one of these")
    wanted = TABLES[table]
    if not only_done:
        train_members(wanted, data=data, out=out, trunks=trunks, workers=workers, base=base, say=say)
    done = [member for member in wanted if is_done(Path(out) / member.name)]
    if not done:
        raise UsageError(
            expected=f"networks of {table} in {out}", came="none", remedy="train them: leave --only-done out"
        )
    name, root = split_name(data)
    card = read_card(root, set_name=name)
    told = card.told if card else name
    scores = read_members(done, out)
    if table == "parkin-distilled":
        return _distilled(scores, data=data, out=Path(out), base=base, told=told, say=say)
    say("drawing subjects for the intervals")
    return {"parkin-3": table_3, "parkin-4": table_4, "parkin-5": table_5, "parkin-compared": compared}[table](
        scores, data=told
    )


def train_members(
    wanted: Sequence[Member],
    *,
    data: str,
    out: str | os.PathLike[str],
    trunks: str | os.PathLike[str] | None,
    workers: int = 1,
    base: MlfaRecipe | None = None,
    say: Say = unheard,
) -> None:
    """Train every member that is not there yet; for the arguments see `study`."""
    missing = [member for member in wanted if not is_done(Path(out) / member.name)]
    say(f"{len(wanted) - len(missing)} of {len(wanted)} networks are there")
    if not missing:
        return
    say(f"looking at the whole of {data}")
    inspect_named(data).refuse(split_name(data)[0])
    folder = None if trunks is None else Path(trunks)
    work = partial(_train_all, data=data, out=Path(out), trunks=folder, base=base)
    train_side_by_side(work, missing, is_done=lambda member: is_done(Path(out) / member.name), workers=workers, say=say)


def is_done(folder: Path) -> bool:
    """Tell whether a member is trained and scored."""
    return (folder / f"{Split.TEST}.csv").is_file()


def read_members(wanted: Iterable[Member], out: str | os.PathLike[str]) -> Scores:
    """Read the score tables of members that are done.

    Raises:
        MissingFile: one of them is not.
        ScoreError: a table is damaged.
    """

    def table(member: Member, split: Split) -> PresentationTable:
        read = read_scores(Path(out) / member.name / f"{split}.csv")
        assert isinstance(read, PresentationTable)
        return read

    return {member: {split: table(member, split) for split in (Split.DEVELOPMENT, Split.TEST)} for member in wanted}


def table_3(scores: Scores, *, data: str) -> list[TableRow]:
    """Return the rows of Table 3 on the test split, then what sections 5.4, 5.5 and 5.7 claim, as paired differences.

    Args:
        scores: of the members that are there; a row is of those among them, and says how many.
        data: what was scored.
    """
    what = f"{data}, test split"
    groups = {name: _there(scores, group) for name, _, group in TABLE_3}
    means = [mean_of(_tables(scores, group)) if group else None for group in groups.values()]
    rows = []
    for rate in RATES:
        for (name, reported, _), mean in zip(TABLE_3, means, strict=True):
            if mean is not None:
                shown = reported if rate == "1e-4" else None
                full = f"{name} ({len(groups[name])} networks)"
                rows.append(rate_row(full, [mean], rate, data=what, reported=shown, note=NOTE))
    subject, attack, moved, *_, whole = means
    seeds = {member.seed for member in TRANSFERRED}  # as many networks on both sides of a difference
    alike = [member for member in groups[TABLE_3[3][0]] if member.seed in seeds]
    aggregated = mean_of(_tables(scores, alike)) if alike else None
    sides = {
        "attack folds minus subject folds, SE fusion": (attack, subject),
        "pre-trained minus random, SE fusion": (moved, attack),
        "MLFA minus SE fusion, pre-trained, one seed": (aggregated, moved),
    }
    differences = {
        name: ([ours], [theirs]) for name, (ours, theirs) in sides.items() if ours is not None and theirs is not None
    }
    if whole is not None:
        singles = groups[TABLE_3[-1][0]]
        best = max(singles, key=lambda member: _development_auc(scores, member))
        differences["ensemble minus its mean member"] = ([whole], _tables(scores, singles))
        differences[f"ensemble minus its best member on validation ({best.name})"] = ([whole], _tables(scores, (best,)))
    for rate in RATES:
        rows += [difference_row(name, *pair, rate, data=what) for name, pair in differences.items()]
    return rows


def table_4(scores: Scores, *, data: str) -> list[TableRow]:
    """Return the ensemble's rate on validation and on test: Table 4's shrinkage."""
    rows = []
    for rate in RATES:
        for split, reported in ((Split.DEVELOPMENT, 100.0), (Split.TEST, 99.8739)):
            mean = mean_of([tables[split] for tables in scores.values()])
            name = f"ensemble of {len(scores)}, {split}"
            shown = reported if rate == "1e-4" else None
            rows.append(rate_row(name, [mean], rate, data=data, reported=shown, note=NOTE))
    return rows


def table_5(scores: Scores, *, data: str) -> list[TableRow]:
    """Return the rates of each sensor alone and of all three: the mean of three seeds on one fold."""
    return [
        rate_row(
            f"{each}, mean of {len(group)} seeds",
            _tables(scores, group),
            rate,
            data=f"{data}, test split",
            reported=TABLE_5[each][rate],
            note=NOTE,
        )
        for rate in RATES
        for each, group in ((each, _there(scores, group)) for each, group in MODALITIES.items())
        if group
    ]


def compared(scores: Scores, *, data: str) -> list[TableRow]:
    """Return the paired differences of `COMPARED` on the test split, each seed by itself and their mean."""
    rows = []
    what = f"{data}, test split"
    for rate in RATES:
        for name, sides in COMPARED.items():
            pairs = [pair for pair in zip(*sides, strict=True) if set(pair) <= scores.keys()]
            ours, theirs = ([scores[pair[side]][Split.TEST] for pair in pairs] for side in (0, 1))
            for (member, _), one, other in zip(pairs, ours, theirs, strict=True):
                rows.append(difference_row(f"{name}, seed {member.seed}", [one], [other], rate, data=what))
            if pairs:
                rows.append(difference_row(f"{name}, mean of {len(pairs)} seeds", ours, theirs, rate, data=what))
    return rows


def hard_samples(out: str | os.PathLike[str], *, count: int = 3) -> dict[str, tuple[list[HardSample], Tables]]:
    """Choose the test samples of Figures 3 and 4 from the members that are there.

    Args:
        out: folder of the members.
        count: of each group in a figure.

    Returns:
        "conflicting" and "threshold": the samples, and the tables whose scores stand under them: the mean of each of
        rows A to D for the former, and of all of them for the latter.

    Raises:
        UsageError: fewer than two of rows A to D have a member.
    """
    done = [member for member in TABLE_3[-1][2] if is_done(Path(out) / member.name)]
    scores = read_members(done, out)
    rows = {row: _tables(scores, _there(scores, group)) for row, group in ENSEMBLE.items()}
    means = {row: mean_of(tables) for row, tables in rows.items() if tables}
    if len(means) < 2:
        raise UsageError(
            expected="networks of at least two of the rows A to D", came=str(len(means)), remedy="train parkin-3"
        )
    whole = mean_of(list(means.values()))
    return {
        "conflicting": (most_conflicting(list(means.values()), count), means),
        "threshold": (nearest_threshold(whole, RATES["1e-3"], count), {"ensemble": whole}),
    }


def _there(scores: Scores, group: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(member for member in group if member in scores)


def _tables(scores: Scores, group: Iterable[Member], split: Split = Split.TEST) -> list[PresentationTable]:
    return [scores[member][split] for member in group]


def _distilled(
    scores: Scores,
    *,
    data: str,
    out: Path,
    base: MlfaRecipe | None,
    told: str,
    say: Say,
) -> list[TableRow]:
    """Distil the members that are there into one network, and hold it against them; then its errors by attribute.

    The student begins as the member with the highest AUC on validation, and learns what all of them say together.
    """
    folder = out / STUDENT_FOLDER
    best = max(scores, key=lambda member: _development_auc(scores, member))
    own = STUDENT if base is None else replace(base, views=Views.MIXED, teachers_at_once=1, choice=Choice.LAST)
    recipe = replace(own, initial=str(out / best.name))
    teachers = [out / member.name for member in scores]
    with one_thread():
        train_mlfa(recipe, data=data, out=folder, teachers=teachers, say=say)
        samples = read_presentations(data)
        tests = [row for row in samples if row.split is Split.TEST]
        say(f"scoring {len(tests):,} samples")
        student = score_presentations(tests, trained_network(folder)).table
    write_table(student, folder / f"{Split.TEST}.csv")
    whole = mean_of([tables[Split.TEST] for tables in scores.values()])
    what = f"{told}, test split"
    rows = []
    for rate in RATES:
        rows.append(rate_row("distilled network, one view", [student], rate, data=what))
        rows.append(rate_row(f"its teachers: {len(scores)} networks, two views", [whole], rate, data=what))
        rows.append(difference_row("distilled minus teachers", [student], [whole], rate, data=what))
    card = read_checkpoint(folder, BEST).card["operating_points"][0]
    point = OperatingPoint(card["value"], card["rule"], card["split"])
    name, root = split_name(data)
    if (drawn := read_card(root, set_name=name)) is not None:
        groups = subjects_by_attribute(attributes_of(drawn, student.subjects.tolist()))
        rows += errors_by_attribute(student, point, groups, data=what)
    return rows


def _development_auc(scores: Scores, member: Member) -> float:
    table = scores[member][Split.DEVELOPMENT]
    return SortedScores.of(positives=table.positives, negatives=table.negatives).auc()


def _train_all(
    wanted: Sequence[Member],
    *,
    data: str,
    out: Path,
    trunks: Path | None,
    base: MlfaRecipe | None,
    say: Say = unheard,
    parent: int | None = None,
) -> None:
    """Train, one after the other, each member that no other process has taken, as long as the `parent` lives."""
    with one_thread():
        _train_in_turn(wanted, data, out, trunks, base, say, parent)


def _train_in_turn(
    wanted: Sequence[Member],
    data: str,
    out: Path,
    trunks: Path | None,
    base: MlfaRecipe | None,
    say: Say,
    parent: int | None,
) -> None:
    samples = read_presentations(data)
    name, root = split_name(data)
    card = read_card(root, set_name=name)
    loaded: dict[str, LoadedPresentations] = {}
    for member in wanted:
        if is_orphan(parent):
            return
        folder = out / member.name
        with taken(folder) as ours:
            if not ours or is_done(folder):
                continue
            if not loaded:
                say(f"decoding {len(samples):,} samples")
                loaded.update(_decoded(samples, side=(base or SLIM).side))
            recipe = member.recipe(trunks, base)
            parts = parts_of(data, samples, member.fold)
            everything = loaded[Split.TRAIN].only(recipe.modalities)
            train, held_out = (_some(everything, part) for part in (parts.train, parts.development))
            run = fit_mlfa(recipe, train, held_out, out=folder, label=card.label if card else "")
            for split in (Split.DEVELOPMENT, Split.TEST):
                _write_scores(folder, loaded[split].only(recipe.modalities), split)
            say(f"{member.name}: epoch {run.best} of {run.epochs}, {run.seconds:.0f} s")


def _decoded(samples: Sequence[PresentationSample], *, side: int) -> dict[str, LoadedPresentations]:
    return {
        split: load_presentations([row for row in samples if row.split is split], STREAMS, side=side) for split in Split
    }


def _some(loaded: LoadedPresentations, part: Sequence[PresentationSample]) -> LoadedPresentations:
    """Those of the decoded presentations that are in a part."""
    place = {row.identifier: number for number, row in enumerate(loaded.samples)}
    numbers = np.array([place[row.identifier] for row in part], np.intp)
    planes = CachedPlanes(loaded.planes.gather(numbers), loaded.planes.labels[numbers])
    return LoadedPresentations(part, planes, sha256_of(f"{loaded.digest}{numbers.tolist()}".encode()))


def _write_scores(folder: Path, loaded: LoadedPresentations, split: Split) -> None:
    """Score a split, as it is and mirrored, and keep the mean."""
    network = trained_network(folder)
    mirrored = CachedPlanes(flip(loaded.planes.planes), loaded.planes.labels)
    scores = (judge(loaded.planes, network) + judge(mirrored, network)) / 2
    write_table(table_of(loaded.samples, scores), folder / f"{split}.csv")
