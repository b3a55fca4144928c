"""The only thing that crosses from the development split to the test split: a threshold that tells where it is from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from countenance.errors import TunedOnTest, UsageError
from countenance.metrics.counts import SortedScores
from countenance.scores import PresentationTable, ScoreTable
from countenance.vocabulary import Split


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, the rule that chose it, and what it was chosen on.

    Attributes:
        value: accept when ``score >= value``.
        rule: how it was chosen, such as "eer" or "apcer:0.01"; "vendor 0.5" where a vendor states it.
        split: the split whose scores chose it; None for a value that no scores here chose.
        data: `ScoreTable.digest` of those scores, by which reuse on the same scores is recognised; where bona fide
            scores alone chose it, of these.
    """

    value: float
    rule: str
    split: str | None
    data: str | None = None

    def chosen_on(self, table: ScoreTable) -> bool:
        """Tell whether `table` holds the very scores that chose this threshold, or it was chosen on a test split."""
        return self.split == Split.TEST or (
            self.data is not None and self.data in {table.digest, table.positive_digest}
        )

    def refuse_if_chosen_on(self, table: ScoreTable) -> None:
        """Refuse to be used for an error rate on the scores that chose this threshold.

        Raises:
            TunedOnTest: it was chosen on `table`.
        """
        if self.chosen_on(table):
            raise TunedOnTest(
                expected="a threshold from development scores",
                came=f"one chosen by {self.rule} on the scores to be judged",
                remedy="pass a development table, or a fixed threshold; what a threshold does to the scores that chose "
                "it is a description, not an error rate",
            )


def worst_species_threshold(table: PresentationTable, target: float) -> float:
    """Return the lowest threshold rule value at which every species' APCER is at or below `target`.

    Each species has its own last ROC point against the bona fide scores; the highest of these thresholds holds for all
    (bob.pad's apcerN and bpcerN criteria).
    """
    species = table.species[~table.is_positive & table.responded]
    return max(
        SortedScores.of(
            positives=table.positives, negatives=table.negatives[species == name]
        ).threshold_at_false_accept_rate(target)
        for name in (np.unique(species) if len(species) else [""])
    )


def choose(table: ScoreTable, rule: str, *, split: str) -> OperatingPoint:
    """Choose a threshold on `table` by a named rule.

    Args:
        table: the scores to choose on; development scores, if errors are to be reported elsewhere.
        rule: "eer" (bob's midpoint rule), "min-hter" (smallest FPR + FNR), "max-accuracy", or a rule with a target:
            "fpr:0.0001" or "fmr:0.001" (last ROC point at or below it), "apcer:0.01" (the same for the worst species),
            "bpcer:0.01" or "fnmr:0.01" (highest threshold that refuses no larger share).
        split: what to call the scores, one of `Split`.

    Raises:
        UsageError: an unknown rule or split, a target outside [0, 1], or "apcer" asked of comparisons.
        OneClassOnly: the table holds one class.
    """
    if split not in set(Split):
        raise UsageError(
            expected=f"a split among {', '.join(Split)}", came=repr(split), remedy="say what the scores are"
        )
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    plain: Mapping[str, Callable[[], float]] = {
        "eer": ordered.eer_threshold,
        "min-hter": lambda: ordered.curve.lowest_total_error(weighted=True),
        "max-accuracy": lambda: ordered.curve.lowest_total_error(weighted=False),
    }
    targeted: dict[str, Callable[[float], float]] = {
        "fpr": ordered.threshold_at_false_accept_rate,
        "fmr": ordered.threshold_at_false_accept_rate,
        "bpcer": ordered.threshold_at_false_reject_rate,
        "fnmr": ordered.threshold_at_false_reject_rate,
    }
    if isinstance(table, PresentationTable):
        presentations = table
        targeted["apcer"] = lambda target: worst_species_threshold(presentations, target)
    name, _, target_text = rule.partition(":")
    if not target_text and name in plain:
        return OperatingPoint(plain[name](), rule, split, table.digest)
    try:
        target = float(target_text)
        if name in targeted and 0 <= target <= 1:
            return OperatingPoint(targeted[name](target), rule, split, table.digest)
    except ValueError:
        pass
    raise UsageError(
        expected=f"a rule among {', '.join([*plain, *(f'{word}:RATE' for word in targeted)])}, with RATE in [0, 1]",
        came=repr(rule),
        remedy="for example --rule apcer:0.01",
    )
