"""The least ensemble of the multimodal paper: one slim network for each attack fold, and the mean of their scores.

A. Parkin, O. Grinchuk, Recognizing Multi-Modal Face Spoofing with Face Recognition Networks, CVPR Workshops 2019,
sections 4.1 and 5.4. Each network learns from two kinds of attack and is told when to stop by the third. It is what the
demonstration trains; the whole study is `recipes.parkin`.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from countenance.datasets.casia_surf_folds import attack_folds, drawn_bona_fide_sets
from countenance.datasets.samples import PresentationSample
from countenance.ensemble_scoring import score_ensemble
from countenance.presentation_scoring import load_presentations
from countenance.recipes.mlfa import SLIM, MlfaRecipe, fit_mlfa
from countenance.scores import PresentationTable
from countenance.trained import trained_network
from countenance.vocabulary import Split

QUICK = replace(SLIM, epochs=3, cosine_epochs=3, batch_size=16)


def attack_ensemble(
    samples: Sequence[PresentationSample],
    out: str | os.PathLike[str],
    *,
    recipe: MlfaRecipe = QUICK,
    label: str = "",
) -> PresentationTable:
    """Train a network on each attack fold of the training split, and score the other two splits with their mean.

    Args:
        samples: of all splits of a CASIA-SURF.
        out: folder of the runs; what is there already is not trained again.
        recipe: of each network; its epoch is chosen by what its fold holds out.
        label: of the data, such as "drawn data".

    Raises:
        ProtocolMismatch: attacks of other kinds than the set's.
        UsageError: the folder holds other runs; a sample lacks a sensor.
    """
    train = [row for row in samples if row.split is Split.TRAIN]
    sets = drawn_bona_fide_sets((row.subject for row in train), np.random.default_rng(recipe.seed))
    networks = {}
    for number, fold in enumerate(attack_folds(train, sets), start=1):
        folder = Path(out) / f"attack-{number}"
        learnt, held_out = (
            load_presentations(part, recipe.modalities, side=recipe.side) for part in (fold.train, fold.development)
        )
        fit_mlfa(recipe, learnt, held_out, out=folder, label=label)
        networks[folder.name] = trained_network(folder)
    return score_ensemble([row for row in samples if row.split is not Split.TRAIN], networks, mirror=True).table
