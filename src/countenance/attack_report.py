"""The files that `attack uax` leaves: the card, and the paper's figures of this very run.

T. Amada, S. P. Liew, K. Kakizaki, T. Araki, Universal Adversarial Spoofing Attacks against Face Recognition, IJCB 2021:
Figure 1 (how the cosines of strangers move), Figure 2 (who is fooled by whose examples), and the pictures.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from countenance.files import finite, write_atomically
from countenance.protocols.universal_matches import EER
from countenance.recipes.universal import Campaign, Examples, Measured
from countenance.report.universal_sheet import (
    ChangedPicture,
    draw_match_histogram,
    draw_transfer,
    write_universal_sheet,
)

CARD = "report.json"
MOST_SHOWN = 5


def write_attack_report(campaign: Campaign, card: Mapping[str, Any], out: str | os.PathLike[str]) -> list[Path]:
    """Write the card, a sheet of pictures for each crafting, a histogram for each target, and the transfer matrix.

    Args:
        campaign: what `attack` found.
        card: what the command prints as JSON; a NaN becomes null.
        out: the folder.

    Returns:
        The paths written.

    Raises:
        UsageError: the folder cannot be written to.
    """
    place = Path(out)
    written = [write_atomically(place / CARD, json.dumps(finite(card), indent=1, allow_nan=False) + "\n")]
    written += [_sheet(campaign, examples, place) for examples in campaign.examples]
    written += [_histogram(campaign, row, place) for row in campaign.targets]
    if len(campaign.measured) > 1:
        transfer = campaign.transfer()
        rates = np.array(transfer["fmr_unseen"][EER], np.float64)
        drawing = draw_transfer(
            rates,
            transfer["crafted_on"],
            transfer["judged_on"],
            title="FMR on unseen people at the EER threshold",
        )
        written.append(write_atomically(place / "transfer.svg", drawing))
    return written


def _name(crafted_on: tuple[str, ...]) -> str:
    return "+".join(crafted_on)


def _sheet(campaign: Campaign, examples: Examples, place: Path) -> Path:
    study = campaign.study
    rows = [
        ChangedPicture(words=seed.identifier.replace("_", " "), seed=pixels, example=example)
        for seed, pixels, example in zip(study.sets.seeds, study.seeds, examples.pictures, strict=True)
    ]
    title = (
        f"crafted on {_name(examples.crafted_on)}, {examples.recipe.epsilon * 255:g}/255, {examples.iterations:,} steps"
    )
    return write_universal_sheet(place / f"examples-{_name(examples.crafted_on)}.png", rows[:MOST_SHOWN], title=title)


def _histogram(campaign: Campaign, row: Measured, place: Path) -> Path:
    victim = campaign.study.victims[row.judged_on]
    own = victim.train.subjects[:, None] == victim.seeds.subjects[None]  # (N, K)
    mated = (victim.train.templates @ victim.seeds.templates.T)[own]
    scores = {
        "mated: seeds": mated,
        "unseen people: seeds": (victim.unseen.templates @ victim.seeds.templates.T).ravel(),
        "unseen people: examples": (victim.unseen.templates @ row.templates.T).ravel(),
    }
    drawing = draw_match_histogram(
        scores, row.matches.thresholds.values, title=f"cosines of {row.judged_on}, examples of {_name(row.crafted_on)}"
    )
    return write_atomically(place / f"histogram-{row.judged_on}-{_name(row.crafted_on)}.svg", drawing)
