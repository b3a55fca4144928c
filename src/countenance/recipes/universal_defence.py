"""The screen and the audit, measured: false alarms on genuine photographs, and the universal examples that they stop.

Amada et al. (`recipes.amada`) leave the defence open. `uax-screen` calibrates the screen of each recogniser by people
of LFW whom View 1 does not name (`screening.assign_roles`), counts its false alarms on View 1's training photographs,
which set nothing of it, and shows it every example that `recipes.amada` has left, in bands of the FMR that it reaches
on unseen people at the threshold where that is highest. Then comes an attacker who knows the screen: his pictures pay
for what `screening.examine` would measure, through changes that have gradients, and are shown to the recognisers
resized, blurred and as JPEG. All scores lie in ``screen-NAME.csv`` in the end, for `evaluate --report`.

`uax-audit` plants ten examples, the weakest of 10 % or more, in a gallery of 100,000 templates: those of LFW's
photographs, of the same ones as JPEG, blurred, mirrored and shrunk, and interpolations between two people's.

    countenance reproduce uax-screen --data lfw:ROOT --out runs/uax
    countenance reproduce uax-audit --data lfw:ROOT --out runs/uax
"""

import os
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.attacks.diversity import blurred, stored
from countenance.attacks.universal import (
    Embed,
    Penalty,
    Precision,
    UniversalOptimizer,
    UniversalRecipe,
    UniversalState,
    craft,
    images,
)
from countenance.datasets.named import split_name
from countenance.datasets.universal_sets import lfw_beside_view_1
from countenance.errors import UsageError
from countenance.files import sha256_of
from countenance.gallery import Gallery, audit
from countenance.loading.chip_cache import ChipSet, Embedder, chip_cache, refuse_stale, templates_of
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import clopper_pearson
from countenance.progress import Say, unheard
from countenance.protocols.table import TableRow
from countenance.protocols.universal_matches import KEYS, Gathering, match_thresholds
from countenance.recipes.amada import BUDGETS, MIDDLE, STUDY, WHITE_BOX, Plan, plan_examples, planned, precision_of
from countenance.recipes.universal import (
    Study,
    craft_examples,
    measure,
    open_study,
    surrogate_of,
    to_pixels,
)
from countenance.released import chip_embedder, detector, differentiable
from countenance.scores import PresentationTable, text, write_table
from countenance.screening import VARIANTS, Examined, Screen, assign_roles, calibrate_screen, examine, variants
from countenance.vocabulary import Split

TABLES = ("uax-screen", "uax-audit")
BANDS = ((0.10, 1.01), (0.05, 0.10), (0.02, 0.05), (0.0, 0.02))
"""Of the FMR on unseen people, at the threshold where it is highest."""
ADAPTIVE_STEPS = 300  # a step costs six of a plain one
ADAPTIVE_MILESTONES = (5, 10, 20, 50, 100)
"""Whoever knows the screen stops where his picture still passes."""
ADAPTIVE_WEIGHTS = (1.0, 10.0)
GALLERY, PLANTED, PLANTED_FROM, PLANTED_STEPS = 100_000, 10, 0.10, 16
AUDITED = "sface"
_SEED = 0


def differentiable_shift(network: Embed, precision: Precision = Precision.FLOAT32) -> Penalty:
    """Return what the screen calls the shift of pictures (K, 3, S, S), with gradients: (K,).

    The four variants are `screening.variants`, with JPEG's rounding passed straight through.
    """

    def embedded(pictures: Tensor) -> Tensor:
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=precision is Precision.BFLOAT16):
            return network(pictures).float()

    def shift(pictures: Tensor) -> Tensor:
        template = embedded(pictures)
        side = pictures.shape[-1]
        varied = (
            stored(pictures, 50),
            blurred(pictures, side / 112),
            pictures.flip(3),
            _shrunk(pictures),
        )
        return torch.stack([1 - (embedded(each) * template).sum(1) for each in varied]).mean(0)

    return shift


def _shrunk(pictures: Tensor) -> Tensor:
    side = pictures.shape[-1]
    small = torch.nn.functional.interpolate(pictures, size=round(side * 5 / 8), mode="area")
    return torch.nn.functional.interpolate(small, size=side, mode="bilinear", align_corners=False)


def adaptive_plans(name: str) -> list[Plan]:
    """Return the craftings of an attacker who knows the screen of a recogniser and has the largest budget.

    He counts matches, of pictures changed at random, and pays for their shift.
    """
    return [
        Plan(
            f"{name}, knows the screen, {BUDGETS[-1]}/255, {UniversalOptimizer.COUNT}, weight {weight:g}",
            (name,),
            UniversalRecipe(
                epsilon=BUDGETS[-1] / 255,
                optimizer=UniversalOptimizer.COUNT,
                iterations=ADAPTIVE_STEPS,
                diversity=True,
                precision=precision_of((name,)),
                penalty_weight=weight,
            ),
        )
        for weight in ADAPTIVE_WEIGHTS
    ]


@dataclass(frozen=True, eq=False)
class Defended:
    """A recogniser's screen, and what is shown to it.

    Attributes:
        name: of the recogniser.
        screen: calibrated by people whom nobody else of the study is.
        genuine: photographs that set nothing of it.
    """

    name: str
    screen: Screen
    genuine: Examined


def universal_defence(
    table: str,
    *,
    data: str,
    out: str | os.PathLike[str],
    only_done: bool = False,
    say: Say = unheard,
) -> list[TableRow]:
    """Compute a table.

    Args:
        table: of `TABLES`.
        data: "lfw:ROOT".
        out: the folder of `recipes.amada`'s craftings, whose examples are shown.
        only_done: craft and embed nothing more: rows of what is there.
        say: called with a line before each part.

    Raises:
        UsageError: an unknown table, another set than LFW, or no recogniser that is screened yet, with `only_done`.
        DataError: the set is not the published one, or a folder is damaged.
    """
    if table not in TABLES:
        raise UsageError(expected=f"a table among {', '.join(TABLES)}", came=repr(table), remedy="name one of these")
    if split_name(data)[0] != "lfw":
        raise UsageError(expected="lfw:ROOT, whose people can be divided", came=data, remedy="name the folder of LFW")
    place = Path(out)
    study = open_study(data, place / STUDY, WHITE_BOX, say=say)
    strangers = _strangers(data, place / STUDY)
    if table == TABLES[1]:
        return _audited(study, strangers, say=say)
    rows: list[TableRow] = []
    for name in WHITE_BOX:
        if only_done and not all(_has_variants(chips, name) for chips in (strangers, study.chips["train"])):
            continue
        say(f"screen of {name}")
        defended = _defended(study, name, strangers)
        rows += _screen_rows(study, defended, place, only_done=only_done, say=say)
    if not rows:
        raise UsageError(expected=f"a screened recogniser in {place}", came="none", remedy="leave --only-done out")
    return rows


def _strangers(data: str, folder: Path) -> ChipSet:
    samples = lfw_beside_view_1(split_name(data)[1])
    key = sha256_of("".join(sample.identifier for sample in samples).encode())[:12]
    return chip_cache(samples, folder / f"chips-{key}", detector=detector())


def _variants_of(embed: Embedder) -> Embedder:
    """Make an embedder of the four variants of a face, side by side: (N, 4 D)."""

    def embedded(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        varied = np.stack([variants(face) for face in faces])  # (N, 4, S, S, 3)
        return embed(varied.reshape(-1, *faces.shape[1:])).reshape(len(faces), -1)

    return embedded


def _name_of_variants(name: str) -> str:
    return f"{name}-variants"


def _has_variants(chips: ChipSet, name: str) -> bool:
    return chips.holds(_name_of_variants(name)) and chips.holds(name)


def _examined(chips: ChipSet, name: str) -> Examined:
    templates = templates_of(chips, name, partial(chip_embedder, name))
    varied = templates_of(chips, _name_of_variants(name), lambda: _variants_of(chip_embedder(name)))
    varied = varied.reshape(len(templates), len(VARIANTS), -1)
    return Examined(templates, 1 - np.einsum("nd,nvd->nv", templates, varied, dtype=np.float64))


def _defended(study: Study, name: str, strangers: ChipSet) -> Defended:
    for chips in (strangers, study.chips["train"]):
        refuse_stale(chips, name, study.victims[name].embed)
        refuse_stale(chips, _name_of_variants(name), _variants_of(study.victims[name].embed))
    found, subjects = _examined(strangers, name), text(strangers.subjects.tolist())
    roles = assign_roles(subjects)
    screen = calibrate_screen(
        found.select(roles.cohort),
        found.select(roles.calibration),
        subjects[roles.calibration],
        match=min(match_thresholds(Gathering(found.templates, subjects)).values.values()),
        recogniser=name,
    )
    return Defended(name, screen, _examined(study.chips["train"], name))


@dataclass(frozen=True)
class _Shown:
    """An example, whose seed it was, what it reaches on unseen people at its best threshold, and the screen's score."""

    subject: str
    fmr: float
    score: float

    @property
    def band(self) -> str:
        """The band of its FMR, in words."""
        return next(_words(low, high) for low, high in BANDS if low <= self.fmr < high)


def _words(low: float, high: float) -> str:
    return f"{low:.0%} or more" if high > 1 else f"{low:.0%} to {high:.0%}"


def _screen_rows(study: Study, defended: Defended, place: Path, *, only_done: bool, say: Say) -> Iterator[TableRow]:
    name, screen = defended.name, defended.screen
    genuine = screen.scores(defended.genuine)
    alarms = Proportion(int((genuine < screen.threshold).sum()), len(genuine))
    told = f"{study.data}, chips, {name}"
    yield _counted_row(
        f"{name}: false alarms of the screen",
        alarms,
        told,
        f"promised {screen.false_alarms:.1%}; set by {screen.photographs:,} photographs of {screen.people:,} people, "
        f"{len(screen.cohort):,} strangers; score {screen.threshold:.4f} or more passes",
    )
    plain = [plan for plan in planned("uax-white-box") if plan.crafted_on == (name,)]
    shown = list(_shown(study, defended, plain, place))
    yield from _band_rows(name, "examples", shown, screen, told)
    adaptive = adaptive_plans(name)
    if not only_done:
        penalty = differentiable_shift(differentiable(name), precision_of((name,)))
        for plan in adaptive:
            say(f"crafting {plan.name}")
            craft_examples(
                study,
                plan.crafted_on,
                plan.recipe,
                place / plan.folder,
                milestones=ADAPTIVE_MILESTONES,
                penalty=penalty,
            )
    knowing = list(_shown(study, defended, adaptive, place, milestones=ADAPTIVE_MILESTONES))
    yield from _band_rows(name, "examples of an attacker who knows the screen", knowing, screen, told)
    attacks = [(f"FMR of {each.band}", each) for each in shown]
    attacks += [(f"knows the screen, FMR of {each.band}", each) for each in knowing]
    write_table(_as_table(genuine, study.victims[name].train.subjects, attacks), place / f"screen-{name}.csv")


def _shown(
    study: Study,
    defended: Defended,
    plans: Sequence[Plan],
    place: Path,
    *,
    milestones: Sequence[int] | None = None,
) -> Iterator[_Shown]:
    embed = study.victims[defended.name].embed
    for plan in plans:
        for examples in plan_examples(study, plan, place, milestones=milestones):
            rates = measure(study, examples, defended.name).matches.after["test"].each
            scores = defended.screen.scores(examine(examples.pictures, embed))
            for number, score in enumerate(scores.tolist()):
                fmr = max(rates[key][number].value for key in KEYS)
                yield _Shown(str(study.victims[defended.name].seeds.subjects[number]), fmr, score)


def _band_rows(name: str, what: str, shown: Sequence[_Shown], screen: Screen, told: str) -> Iterator[TableRow]:
    for words in (_words(low, high) for low, high in BANDS):
        band = [each for each in shown if each.band == words]
        if band:
            stopped = sum(each.score < screen.threshold for each in band)
            passed = [each.fmr for each in band if each.score >= screen.threshold]
            yield _counted_row(
                f"{name}: {what} of an FMR of {words} on unseen people, stopped",
                Proportion(stopped, len(band)),
                told,
                f"strongest that passes: FMR {max(passed):.1%}" if passed else "none passes",
            )


def _counted_row(name: str, share: Proportion, told: str, note: str) -> TableRow:
    exact = clopper_pearson(share)
    return TableRow(
        name=name,
        reported=None,
        measured=100 * share.value,
        count=share,
        interval=replace(exact, low=100 * exact.low, high=100 * exact.high),
        data=told,
        note=note,
    )


def _as_table(
    genuine: NDArray[np.float64], people: NDArray[np.str_], attacks: Sequence[tuple[str, _Shown]]
) -> PresentationTable:
    """The screen's scores of genuine photographs and of examples, whose bands are their species."""
    scores = np.concatenate([genuine, [each.score for _, each in attacks]])
    return PresentationTable(
        identifiers=text([str(number) for number in range(len(scores))]),
        is_positive=np.arange(len(scores)) < len(genuine),
        scores=scores,
        responded=np.ones(len(scores), bool),
        subjects=text([*people.tolist(), *(each.subject for _, each in attacks)]),
        species=text([*("" for _ in genuine), *(species for species, _ in attacks)]),
        splits=text([str(Split.TEST)] * len(scores)),
    )


def filled_gallery(
    study: Study, strangers: ChipSet, planted: NDArray[np.float32], *, name: str, size: int = GALLERY
) -> tuple[Gallery, NDArray[np.bool_]]:
    """Fill a gallery and plant templates in it.

    Args:
        study: its training and unseen people.
        strangers: more people.
        planted: (P, D), each under a name of its own.
        name: of the recogniser.
        size: templates in all.

    Returns:
        The gallery, and which rows are planted.

    Raises:
        UsageError: a size that the photographs and their variants alone exceed.
    """
    sets = (study.chips["train"], study.chips["unseen"], strangers)
    real = np.concatenate([templates_of(chips, name, partial(chip_embedder, name)) for chips in sets])
    people = np.concatenate([chips.subjects for chips in sets])
    varied = [(chips, _name_of_variants(name)) for chips in sets if chips.holds(_name_of_variants(name))]
    copies = [templates_of(chips, stored_as, _never) for chips, stored_as in varied]
    copied = np.concatenate([real[:0], *(each.reshape(-1, real.shape[1]) for each in copies)])
    owners = np.concatenate([people[:0], *(np.repeat(chips.subjects, len(VARIANTS)) for chips, _ in varied)])
    mixed = size - len(real) - len(copied) - len(planted)
    if mixed < 0:
        raise UsageError(
            expected=f"at most {size:,} templates to begin with",
            came=f"{size - mixed:,}",
            remedy="ask for a larger gallery",
        )
    generator = np.random.Generator(np.random.PCG64(_SEED))
    one, other = generator.integers(len(real), size=(2, mixed))
    share = generator.random((mixed, 1), np.float32)
    mixture = share * real[one] + (1 - share) * real[other]
    mixture /= np.linalg.norm(mixture, axis=1, keepdims=True)
    subjects = [
        *people,
        *owners,
        *(f"mixture {k}" for k in range(mixed)),
        *(f"planted {k}" for k in range(len(planted))),
    ]
    templates = np.concatenate([real, copied, mixture, planted]).astype(np.float32)
    is_planted = np.arange(len(templates)) >= len(templates) - len(planted)
    return Gallery(model=name, weights="", templates=templates, subjects=text(subjects)), is_planted


def _never() -> Embedder:
    raise AssertionError("templates that are there are not embedded")


def _audited(study: Study, strangers: ChipSet, *, say: Say) -> list[TableRow]:
    victim = study.victims[AUDITED]
    rates, planted = _weakest(study)
    gallery, is_planted = filled_gallery(study, strangers, planted, name=AUDITED)
    say(f"auditing {len(gallery):,} templates")
    found = audit(
        gallery,
        threshold=min(victim.thresholds.values.values()),
        generator=np.random.Generator(np.random.PCG64(_SEED)),
    )
    named = np.zeros(len(gallery), bool)
    named[[each.template for each in found.planted]] = True
    told = f"{study.data}, chips, {AUDITED}; {len(gallery):,} templates of {found.people:,} people"
    right = Proportion(int((named & is_planted).sum()), int(is_planted.sum()))
    wrong = Proportion(int((named & ~is_planted).sum()), int((~is_planted).sum()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # KiB, on Linux
    note = (
        f"FMR of the planted on unseen people {min(rates):.1%} to {max(rates):.1%}; limit {found.limit:.1%}; "
        f"{found.seconds:.1f} s; most memory that the process ever held {peak:.2f} GiB"
    )
    return [
        _counted_row("planted templates that the audit finds", right, told, note),
        _counted_row("other templates that it calls planted", wrong, told, note),
    ]


def _weakest(study: Study) -> tuple[list[float], NDArray[np.float32]]:
    """Examples of an FMR hardly above 10 % on unseen people: stopped after each of the first sign steps, the weakest.

    Returns:
        FMR of each at the threshold where it is highest, and templates.
    """
    victim = study.victims[AUDITED]
    recipe = UniversalRecipe(epsilon=MIDDLE / 255, optimizer=UniversalOptimizer.SIGN, iterations=PLANTED_STEPS)
    seeds, surrogate = to_pixels(study.seeds), surrogate_of(victim)
    state: UniversalState | None = None
    found: list[tuple[float, NDArray[np.float32]]] = []
    for step in range(1, PLANTED_STEPS + 1):
        state = craft(seeds, [surrogate], recipe, state=state, until=step)
        templates = victim.embed(images(state))
        reached = templates @ victim.unseen.templates.T  # (K, N)
        rates = np.max([(reached >= value).mean(1) for value in victim.thresholds.values.values()], axis=0)
        found += [pair for pair in zip(rates.tolist(), templates, strict=True) if pair[0] >= PLANTED_FROM]
    if len(found) < PLANTED:
        raise UsageError(
            expected=f"{PLANTED} examples of an FMR of {PLANTED_FROM:.0%} or more after {PLANTED_STEPS} steps",
            came=f"{len(found)}",
            remedy="name a set with more seeds",
        )
    weakest = sorted(found, key=lambda pair: pair[0])[:PLANTED]
    return [rate for rate, _ in weakest], np.stack([template for _, template in weakest])
