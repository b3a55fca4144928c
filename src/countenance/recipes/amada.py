"""White box and black box: the tables of universal adversarial spoofing examples, on real faces and real recognisers.

T. Amada, S. P. Liew, K. Kakizaki, T. Araki, Universal Adversarial Spoofing Attacks against Face Recognition, IJCB 2021,
section 4 and Table 2. The text at hand lost its budgets and tables; budgets, optimizers and recognisers are ours, so
that no row has a value of the paper's beside it. The paper's descent and the counting one go through all budgets; the
sign of the mean gradient, which others' probes went by, is there at 8 / 255. The paper's descent goes on from 500 steps
to 5,000; the sign stands at its ceiling after 500, and the counting one, which has none, stops there to save hours.
Every crafting is a folder of its own and is not done again when it is there, so that the whole can be done in several
sittings.

    countenance reproduce uax-white-box --data lfw:ROOT --out runs/uax --workers 2
    countenance reproduce uax-black-box --data lfw:ROOT --out runs/uax

What was seen: docs/universal.md.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from countenance.attacks.universal import Precision, UniversalOptimizer, UniversalRecipe
from countenance.errors import UsageError
from countenance.metrics.intervals import Interval
from countenance.progress import Say, unheard
from countenance.protocols.table import TableRow
from countenance.protocols.universal_matches import EER, KEYS, MatchRate
from countenance.recipes.members import is_orphan, taken, train_side_by_side
from countenance.recipes.universal import (
    MILESTONES,
    Examples,
    Measured,
    Study,
    craft_examples,
    done_examples,
    folder_name,
    holds_examples,
    measure,
    open_study,
)
from countenance.released import BLACK_BOX, DIFFERENTIABLE
from countenance.threads import one_thread

TABLES = ("uax-white-box", "uax-black-box")
STUDY = "study"  # a folder beside those of the craftings
WHITE_BOX = tuple(DIFFERENTIABLE)
BUDGETS = (4, 8, 16)  # 255ths
MIDDLE = 8
WIDE = (UniversalOptimizer.PAPER, UniversalOptimizer.COUNT)  # through all budgets
TRANSFER_BUDGET = 16
"""Of the black-box matrix: the largest one, since what transfers is small."""
TRANSFER_OPTIMIZER = UniversalOptimizer.COUNT
ENSEMBLE = "all four"
LONG = UniversalOptimizer.PAPER
"""The descent that goes on to the last milestone."""
HALF_PRECISION = ("facenet", "dlib_resnet")
"""Crafted in bfloat16, which halves the cost of a step; the other two, of many channelwise convolutions, gain nothing.
For these two the sign descent is done in float32 too, to the first milestone: the two rows must be alike."""
WORDS = {EER: "at the EER threshold"} | {key: f"at FMR {key}" for key in KEYS if key != EER}


@dataclass(frozen=True)
class Plan:
    """One crafting of a table.

    Attributes:
        name: as its rows begin.
        crafted_on: the recognisers whose gradients are followed.
        recipe: how.
    """

    name: str
    crafted_on: tuple[str, ...]
    recipe: UniversalRecipe

    @property
    def folder(self) -> str:
        """Of its own, among the others."""
        return folder_name(self.crafted_on, self.recipe)


def planned(table: str) -> list[Plan]:
    """Return the craftings of "uax-white-box" or "uax-black-box", those that show most first."""
    if table == TABLES[0]:
        grid = [(MIDDLE, optimizer) for optimizer in UniversalOptimizer]
        grid += [(budget, optimizer) for budget in BUDGETS if budget != MIDDLE for optimizer in WIDE]
        alone = [_plan(name, (name,), budget, optimizer) for budget, optimizer in grid for name in WHITE_BOX]
        return [*alone, *(_in_float32(name) for name in WHITE_BOX if name in HALF_PRECISION)]
    plain = [_plan(name, (name,), TRANSFER_BUDGET, TRANSFER_OPTIMIZER) for name in WHITE_BOX]
    joint = _plan(ENSEMBLE, WHITE_BOX, TRANSFER_BUDGET, TRANSFER_OPTIMIZER)
    changed = replace(joint, name=f"{joint.name}, changed views", recipe=replace(joint.recipe, diversity=True))
    return [*plain, joint, changed]


def precision_of(crafted_on: Sequence[str]) -> Precision:
    """Return the arithmetic that craftings on these recognisers are done in."""
    return Precision.BFLOAT16 if any(name in HALF_PRECISION for name in crafted_on) else Precision.FLOAT32


def _plan(name: str, crafted_on: tuple[str, ...], budget: int, optimizer: UniversalOptimizer) -> Plan:
    recipe = UniversalRecipe(
        epsilon=budget / 255,
        optimizer=optimizer,
        iterations=MILESTONES[-1] if optimizer is LONG else MILESTONES[0],
        precision=precision_of(crafted_on),
    )
    return Plan(f"{name}, {budget}/255, {optimizer}", crafted_on, recipe)


def _in_float32(name: str) -> Plan:
    plan = _plan(name, (name,), MIDDLE, UniversalOptimizer.SIGN)
    return replace(plan, name=f"{plan.name}, float32", recipe=replace(plan.recipe, precision=Precision.FLOAT32))


def amada(
    table: str,
    *,
    data: str,
    out: str | os.PathLike[str],
    workers: int = 1,
    only_done: bool = False,
    shown: Callable[[Plan, Measured], None] | None = None,
    say: Say = unheard,
) -> list[TableRow]:
    """Compute a table: all craftings to the first milestone, then to the next.

    Args:
        table: of `TABLES`.
        data: "lfw:ROOT" or "vggface2:ROOT".
        out: the folder of all craftings and of the study.
        workers: processes that craft side by side, a thread each.
        only_done: craft nothing more, and compute rows of the milestones that are there.
        shown: called with each crafting and what it reaches against each recogniser that it is shown to.
        say: called with a line before each part.

    Raises:
        UsageError: an unknown table, another set, or nothing is done yet, with `only_done`.
        DataError: the set is not the published one, or a folder is damaged.
    """
    if table not in TABLES:
        raise UsageError(expected=f"a table among {', '.join(TABLES)}", came=repr(table), remedy="name one of these")
    place, plans = Path(out), planned(table)
    study = open_study(data, place / STUDY, (*WHITE_BOX, BLACK_BOX), say=say)
    if not only_done:
        for step in MILESTONES:
            asked = [plan for plan in plans if plan.recipe.iterations >= step]
            missing = [plan for plan in asked if not is_crafted(place, plan, step)]
            say(f"{step:,} steps: {len(asked) - len(missing)} of {len(asked)} craftings are there")
            train_side_by_side(
                partial(_craft_all, data=data, out=place, step=step),
                missing,
                is_done=lambda plan, step=step: is_crafted(place, plan, step),  # type: ignore[misc]
                workers=workers,
                say=say,
            )
    told = f"{study.data}, {len(study.seeds)} seeds, {len(study.sets.unseen):,} photographs of unseen people"
    rows: list[TableRow] = []
    for plan in plans:
        for examples in plan_examples(study, plan, place):
            for judge in study.victims if table == TABLES[1] else plan.crafted_on:
                measured = measure(study, examples, judge)
                rows += _measured_rows(plan, measured, told)
                if shown is not None:
                    shown(plan, measured)
    if not rows:
        raise UsageError(expected=f"examples in {place}", came="none", remedy="leave --only-done out")
    return [*_study_rows(study, told), *rows]


def is_crafted(place: Path, plan: Plan, step: int) -> bool:
    """Tell whether the pictures of a milestone are there."""
    return holds_examples(place / plan.folder, step)


def plan_examples(study: Study, plan: Plan, place: Path, *, milestones: Sequence[int] | None = None) -> list[Examples]:
    """Return the pictures of a plan's milestones that are there, and craft nothing; errors as for `done_examples`.

    The milestones are those of the tables where None.
    """
    steps = MILESTONES if milestones is None else milestones
    return done_examples(study, plan.crafted_on, plan.recipe, place / plan.folder, milestones=steps)


def _craft_all(
    plans: Sequence[Plan], *, data: str, out: Path, step: int, say: Say = unheard, parent: int | None = None
) -> None:
    """Craft, one after the other, each that no other process has taken, as long as the `parent` lives."""
    study = open_study(data, out / STUDY, (*WHITE_BOX, BLACK_BOX))
    with one_thread():
        for plan in plans:
            if is_orphan(parent):
                return
            with taken(out / plan.folder) as ours:
                if ours and not is_crafted(out, plan, step):
                    recipe = replace(plan.recipe, iterations=step)
                    folder = out / plan.folder
                    done = craft_examples(study, plan.crafted_on, recipe, folder, milestones=MILESTONES)[-1]
                    say(f"{plan.name}: {step:,} steps, {done.seconds:.0f} s")


def _study_rows(study: Study, told: str) -> Iterator[TableRow]:
    """Before any attack: what every recogniser is, and how far the mean objective can reach."""
    for victim in study.victims.values():
        yield _row(
            f"{victim.name}: equal error rate of the training people's pairs, percent", victim.thresholds.eer, told
        )
        yield _row(f"{victim.name}: ceiling of the mean cosine, times 100", victim.train.ceiling, told)


def _measured_rows(plan: Plan, measured: Measured, told: str) -> Iterator[TableRow]:
    is_white = (measured.judged_on,) == plan.crafted_on
    judged = f"{plan.name}, {measured.iterations:,} steps" + f", shown to {measured.judged_on}" * (not is_white)
    matches = measured.matches
    for part, keys in (("test", KEYS), ("train", (EER,))):
        who = "unseen people" if part == "test" else "training people"
        for key in keys:
            before = matches.before[part].mean[key]
            note = f"before: {100 * before:.2f}; mean cosine {measured.mean_cosine:.3f}, ceiling {matches.ceiling:.3f}"
            yield _rate_row(f"{judged}: FMR {WORDS[key]}, {who}", matches.after[part], key, told, note)
    yield _rate_row(
        f"{judged}: own person's photographs that pass at FMR 1e-3",
        matches.own_after,
        "1e-3",
        told,
        f"before: {100 * matches.own_before.mean['1e-3']:.2f}",
    )


def _rate_row(name: str, rate: MatchRate, key: str, told: str, note: str) -> TableRow:
    interval = rate.intervals.get(key)
    in_percent = None if interval is None else Interval(100 * interval.low, 100 * interval.high, interval.method)
    return TableRow(
        name=name,
        reported=None,
        measured=100 * rate.mean[key],
        count=None,
        interval=None,
        data=told,
        note=note,
        bootstrap=in_percent,
    )


def _row(name: str, value: float, told: str) -> TableRow:
    return TableRow(name=name, reported=None, measured=100 * value, count=None, interval=None, data=told)
