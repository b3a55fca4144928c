"""The main job on drawn data, without a download: what the command `demo` does.

It draws a small world of three sensors, judges it with the network that lies in the package, at the threshold that the
network's card states, and writes the report: the way that `check` decides, measured on people whom the network has not
seen and on attacks that it was not trained on. Beside it a small ensemble learns from the world's own training split.
It grows with each system. What it prints says nothing about a real camera.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.datasets.casia_surf import NAME as CASIA_SURF
from countenance.datasets.named import read_presentations
from countenance.datasets.samples import PresentationSample
from countenance.drawn_sets.named import synthesize
from countenance.errors import at_least
from countenance.evaluation import Evaluation, evaluate
from countenance.presentation_scoring import score_presentations
from countenance.progress import Progress, Say, unheard
from countenance.recipes.attack_ensemble import attack_ensemble
from countenance.report.page import write_report
from countenance.scores import PresentationTable, write_table
from countenance.shipped import MLFA_SLIM, stated_network
from countenance.vocabulary import Split

DRAWN = "drawn data: says nothing about a real camera"
SUBJECTS = 20  # 6 in train, 2 in development, 12 in test
FIRST_WORLD = 1_000_000
"""Seed of the world that seed 0 draws: apart from those that sets to train on are drawn with, so of other people."""
_PEOPLE_FOR_A_WORKER = 5  # to start a process costs as much as to draw them

Ensemble = Callable[[Sequence[PresentationSample], Path], PresentationTable]
"""Trains networks on a world's train split in folders below a path; returns their mean scores, development and test."""


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration made.

    Attributes:
        evaluation: of the shipped network on the drawn test split.
        network: its name.
        ensemble: of networks that were trained on the drawn train split; None where none were.
        world: the folder of the drawn set.
        scores: the score table of the shipped network, development and test.
        report: the page on it.
        seconds: how long it took.
    """

    evaluation: Evaluation
    network: str
    ensemble: Evaluation | None
    world: Path
    scores: Path
    report: Path
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return what is said of the multimodal part: the evaluation's card, the network, the ensemble's card."""
        return {
            **_card(self.evaluation),
            "network": self.network,
            "ensemble": None if self.ensemble is None else _card(self.ensemble),
        }


def demonstrate(
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    ensemble: Ensemble | None = attack_ensemble,
    progress: Progress = unheard,
    say: Say = unheard,
) -> Demonstration:
    """Draw a world, judge its test split with the shipped network, and write table, card and report.

    Args:
        out: the folder for what is written; a world that was drawn there with the same seed is not drawn again.
        seed: of the drawing and of the bootstrap.
        ensemble: trains more networks on the drawn world and scores it with them; None: no more are trained.
        progress: called with (clips drawn, clips in all).
        say: called with a line before each step.

    Raises:
        UsageError: the folder cannot be written to, or holds a world of another seed.
    """
    at_least(0, seed=seed)
    started = time.perf_counter()
    folder = Path(out)
    world = folder / f"world-{seed}"
    say(f"drawing {SUBJECTS} people and their attackers, before three sensors")
    workers = max(1, min(os.cpu_count() or 1, SUBJECTS // _PEOPLE_FOR_A_WORKER))
    synthesize(CASIA_SURF, world, subjects=SUBJECTS, seed=FIRST_WORLD + seed, workers=workers, progress=progress)
    samples = read_presentations(f"{CASIA_SURF}:{world}")
    network = stated_network(MLFA_SLIM)
    point = network.point_for(network.module.modalities)
    judged = [row for row in samples if row.split is not Split.TRAIN]
    say(f"judging {len(judged):,} presentations with {MLFA_SLIM}, at its card's threshold")
    scored = score_presentations(judged, network.module)
    scores = write_table(scored.table, folder / "scores.csv")
    evaluation = evaluate(scored.table, threshold=point.value, seed=seed, label=DRAWN)
    trained: Evaluation | None = None
    if ensemble is not None:
        say("training a network for each of three attack folds of its train split")
        trained = evaluate(ensemble(samples, folder / "ensemble"), seed=seed, label=DRAWN)
    say("writing the report")
    report, _ = write_report(
        evaluation,
        folder / "report.html",
        command=f"countenance evaluate {scores} --threshold {point.value!r} --seed {seed} --label {DRAWN!r} "
        f"--report {folder / 'report.html'}",
        title="Demonstration",
        sources=[str(scores)],
    )
    return Demonstration(
        evaluation=evaluation,
        network=MLFA_SLIM,
        ensemble=trained,
        world=world,
        scores=scores,
        report=report,
        seconds=time.perf_counter() - started,
    )


def _card(evaluation: Evaluation) -> dict[str, object]:
    return {key: value for key, value in evaluation.as_json().items() if key != "sample_size"}
