"""Which sensor tells most, on a drawn CASIA-SURF: RGB, infrared, depth and all three together, against unseen attacks.

The question of Table 5 of A. Parkin, O. Grinchuk, "Recognizing Multi-Modal Face Spoofing with Face Recognition
Networks", CVPR Workshops 2019, put to another network (`networks.slim_pad`) on other data, so that only the order can
be compared, never the figures. Training sees attacks 4 to 6, the test split attacks 1 to 3 of other subjects worn by
other attackers; nothing is chosen: each network is that of the last epoch, and each rate is a point of its own curve.

    countenance synthesize casia-surf --subjects 300 --seed 23 --out ROOT
    countenance reproduce drawn-modalities --data casia-surf:ROOT --out runs/drawn-modalities

Expected with 300 subjects at FPR 1e-2, mean of three seeds: RGB 73.9, infrared 90.4, depth 95.7, fused 99.8 % (drawn
data; rows in ``docs/results/drawn-modalities``): the paper's order.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from countenance.datasets.casia_surf import NAME as CASIA_SURF
from countenance.datasets.drawn_card import read_card
from countenance.datasets.named import read_whole, split_name
from countenance.errors import ProtocolMismatch, UsageError
from countenance.networks.slim_pad import SIDE
from countenance.presentation_scoring import judge, load_presentations, table_of
from countenance.presentation_training import Choice
from countenance.progress import Say, unheard
from countenance.protocols.compared_rates import RESAMPLES, difference_row, rate_row
from countenance.protocols.table import TableRow
from countenance.recipes.slim_pad import SlimPadRecipe, fit_slim_pad
from countenance.scores import PresentationTable, write_table
from countenance.trained import trained_network
from countenance.vocabulary import Modality, Split

PRESET = "paper"
SEEDS = (0, 1, 2)
RATES = ("1e-2", "1e-3")  # of 5,400 attack frames, which say little at 1e-4
NOTE = "paper: Table 5, a ResNet-34 on real CASIA-SURF; only the order compares"
INPUTS: Mapping[str, tuple[Modality, ...]] = {
    "RGB": (Modality.RGB,),
    "infrared": (Modality.INFRARED,),
    "depth": (Modality.DEPTH,),
    "fused": (Modality.RGB, Modality.INFRARED, Modality.DEPTH),
}
REPORTED: Mapping[str, Mapping[str, float]] = {  # Table 5, TPR in percent, real data and a ResNet-34
    "RGB": {"1e-2": 71.7, "1e-3": 22.3},
    "infrared": {"1e-2": 91.8, "1e-3": 72.3},
    "depth": {"1e-2": 100.0, "1e-3": 99.8},
    "fused": {"1e-2": 100.0, "1e-3": 100.0},
}
STEPS = (("infrared", "RGB"), ("depth", "infrared"), ("fused", "depth"))
Tables = Mapping[str, Sequence[PresentationTable]]
"""For each input a score table for each seed; all of the same rows."""


def modality_order(
    data: str,
    *,
    out: str | os.PathLike[str],
    seeds: Sequence[int] = SEEDS,
    recipe: SlimPadRecipe = SlimPadRecipe(choice=Choice.LAST),  # noqa: B008 - frozen
    resamples: int = RESAMPLES,
    say: Say = unheard,
) -> list[TableRow]:
    """Train a network for each input and seed, score the test split with it, and compare.

    Args:
        data: a drawn CASIA-SURF in preset paper, as "casia-surf:ROOT".
        out: folder of the runs and the score tables; what is there already is not trained again.
        seeds: of the networks.
        recipe: of each network; its sensors and its seed are set here, and it takes the last epoch.
        resamples: of each bootstrap.
        say: called with a line before each part.

    Returns:
        The rows of `rows_of`.

    Raises:
        UsageError: another set than CASIA-SURF, or a folder that holds other runs.
        ProtocolMismatch: the set is not drawn in preset paper.
        DataError: the set is not whole.
    """
    name, root = split_name(data)
    if name != CASIA_SURF:
        raise UsageError(expected="a drawn set in casia-surf's layout", came=name, remedy=f"name it {CASIA_SURF}:ROOT")
    card = read_card(root, set_name=CASIA_SURF)
    if card is None or card.preset != PRESET:
        raise ProtocolMismatch(
            expected=f"a set drawn in preset {PRESET}",
            came=f"preset {card.preset}" if card else "a set that is not drawn",
            remedy=f"draw one: countenance synthesize {CASIA_SURF} --preset {PRESET} --out ROOT",
        )
    samples, _ = read_whole(data, say=say)
    say("decoding the train and the test split")
    train, test = (
        load_presentations([row for row in samples if row.split is split], tuple(Modality), side=SIDE)
        for split in (Split.TRAIN, Split.TEST)
    )
    tables: dict[str, list[PresentationTable]] = {each: [] for each in INPUTS}
    for seed in seeds:
        for each, modalities in INPUTS.items():
            folder = Path(out) / f"{each.lower()}-{seed}"
            own = replace(recipe, modalities=modalities, seed=seed, choice=Choice.LAST)
            run = fit_slim_pad(own, train.only(modalities), None, out=folder, label=card.label)
            scores = judge(test.only(modalities).planes, trained_network(folder))
            tables[each].append(table_of(test.samples, scores))
            write_table(tables[each][-1], folder / "test.csv")
            say(f"{each}, seed {seed}: trained in {run.seconds:.0f} s")
    what = f"{card.told}, test split"
    return rows_of(tables, seeds, data=what, resamples=resamples)


def rows_of(tables: Tables, seeds: Sequence[int], *, data: str, resamples: int = RESAMPLES) -> list[TableRow]:
    """Return TPR at each rate: by input and seed, the mean over seeds, and paired differences.

    A difference is drawn over subjects, both sides (and all seeds) on the same draw.

    Args:
        tables: for each input a table for each seed.
        seeds: their numbers.
        data: what was scored, for the rows.
        resamples: of each bootstrap.
    """
    rows = []
    for rate in RATES:
        for each, seen in tables.items():
            rows += [
                rate_row(f"{each}, seed {seed}", [table], rate, data=data, resamples=resamples)
                for seed, table in zip(seeds, seen, strict=True)
            ]
            name = f"{each}, mean of {len(seeds)} seeds"
            reported = REPORTED[each][rate]
            rows.append(rate_row(name, seen, rate, data=data, reported=reported, note=NOTE, resamples=resamples))
    every = range(len(seeds))
    places = [(f"seed {seed}", [place]) for place, seed in enumerate(seeds)] + [(f"mean of {len(seeds)} seeds", every)]
    for rate in RATES:
        for better, worse in STEPS:
            for which, chosen in places:
                ours, theirs = ([tables[each][place] for place in chosen] for each in (better, worse))
                name = f"{better} minus {worse}, {which}"
                rows.append(difference_row(name, ours, theirs, rate, data=data, resamples=resamples))
    return rows
