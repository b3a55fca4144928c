"""The main job on drawn data, without a download: what the command `demo` does.

So far it draws a score table, judges it and writes the report; it grows with each system. What it prints says nothing
about a real camera.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from countenance.errors import at_least
from countenance.evaluation import Evaluation, evaluate
from countenance.progress import Say, unheard
from countenance.report.page import write_report
from countenance.scores import PresentationTable, presentation_table, write_table
from countenance.vocabulary import Split

DRAWN = "drawn data: says nothing about a real camera"
SUBJECTS: Mapping[Split, int] = {Split.DEVELOPMENT: 40, Split.TEST: 60}
PRESENTATIONS_PER_SUBJECT = 10
BONA_FIDE_MEAN = 2.6
SPECIES_MEANS: Mapping[str, float] = {"cut_print": -2.4, "mask_3d": -0.6, "print": -3.2, "replay": -2.0}


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration made.

    Attributes:
        evaluation: of the drawn test scores.
        scores: the score table.
        report: the page.
        seconds: how long it took.
    """

    evaluation: Evaluation
    scores: Path
    report: Path
    seconds: float


def demonstrate(out: str | os.PathLike[str], *, seed: int = 0, say: Say = unheard) -> Demonstration:
    """Draw scores, judge them with the threshold from development subjects, and write table, card and report.

    Args:
        out: the folder for what is written.
        seed: of the drawing and of the bootstrap.
        say: called with a line before each step.

    Raises:
        UsageError: the folder cannot be written to.
    """
    at_least(0, seed=seed)
    started = time.perf_counter()
    folder = Path(out)
    say("drawing scores of 100 subjects, 4 attack species")
    table = draw_scores(np.random.default_rng(seed))
    scores = write_table(table, folder / "scores.csv")
    say("judging the test subjects at the threshold of the development subjects")
    evaluation = evaluate(table, seed=seed, label=DRAWN)
    say("writing the report")
    report, _ = write_report(
        evaluation,
        folder / "report.html",
        command=f"countenance evaluate {scores} --label {DRAWN!r} --report {folder / 'report.html'}",
        title="Demonstration",
        sources=[str(scores)],
    )
    return Demonstration(evaluation, scores, report, time.perf_counter() - started)


def draw_scores(generator: np.random.Generator) -> PresentationTable:
    """Draw a presentation table: subjects differ, attack species differ, scores lie in (0, 1)."""
    rows: list[tuple[str, str, bool, str, Split, float]] = []
    for split, subjects in SUBJECTS.items():
        for subject in range(subjects):
            name = f"{split}-{subject:03d}"
            own = generator.normal(0, 0.6)  # what makes the presentations of one subject alike
            for kind, mean in {"": BONA_FIDE_MEAN, **SPECIES_MEANS}.items():
                values = generator.normal(mean + own, 1.0, PRESENTATIONS_PER_SUBJECT)
                rows += [
                    (f"{name}-{kind or 'bona_fide'}-{i}", name, not kind, kind, split, 1 / (1 + np.exp(-value)))
                    for i, value in enumerate(values)
                ]
    identifiers, subjects_of, labels, species, splits, scores = zip(*rows, strict=True)
    return presentation_table(
        identifiers=identifiers,
        subjects=subjects_of,
        is_bona_fide=labels,
        species=species,
        splits=splits,
        scores=scores,
    )
