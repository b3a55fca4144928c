"""Presentation attack detection errors of ISO/IEC 30107-3, at an operating point that was chosen elsewhere.

APCER is a figure of one attack species; the worst species and the pool of all attacks are two different figures and
have two names. ACER and HTER are not ISO figures and are kept to compare with papers: both pool FPR and FNR, ACER here
with the worst species (OULU-NPU, SiW, bob), HTER with the pooled attacks (as CASIA-SURF's own ACER does).
"""

from dataclasses import dataclass

import numpy as np

from countenance.errors import OneClassOnly
from countenance.metrics.counts import Proportion, SortedScores
from countenance.metrics.operating_point import OperatingPoint, worst_species_threshold
from countenance.scores import FlagColumn, PresentationTable

UNNAMED_SPECIES = "unspecified"


@dataclass(frozen=True)
class PresentationErrors:
    """Errors at one threshold, as counts.

    Attributes:
        point: the threshold and where it is from.
        apcer: for each species, the attacks classified as bona fide, out of those that got a response.
        apcer_pooled: the same over all attacks together.
        bpcer: the bona fide presentations classified as attack, out of those that got a response.
        described_only: True when the threshold was chosen on these very scores: no error rate, a description.
    """

    point: OperatingPoint
    apcer: dict[str, Proportion]
    apcer_pooled: Proportion
    bpcer: Proportion
    described_only: bool

    @property
    def worst_species(self) -> str:
        """The species with the highest APCER; of equals the one with fewer presentations, whose bound is wider.

        A species that got no response at all has no APCER and cannot be it; it stands in `NonResponses`.
        """
        judged = [name for name, count in self.apcer.items() if count.trials]
        return max(judged, key=lambda name: (self.apcer[name].value, -self.apcer[name].trials))

    @property
    def apcer_worst(self) -> Proportion:
        """APCER of `worst_species`: the APCER of the set in the sense of ISO/IEC 30107-3."""
        return self.apcer[self.worst_species]

    @property
    def acer(self) -> float:
        """(worst APCER + BPCER) / 2."""
        return (self.apcer_worst.value + self.bpcer.value) / 2

    @property
    def hter(self) -> float:
        """(pooled APCER + BPCER) / 2."""
        return (self.apcer_pooled.value + self.bpcer.value) / 2


@dataclass(frozen=True)
class NonResponses:
    """Presentations without a response: they are in no error rate (ISO/IEC 30107-3, APNRR and BPNRR).

    Attributes:
        apnrr: for each species, attack presentations without a response.
        bpnrr: bona fide presentations without a response.
    """

    apnrr: dict[str, Proportion]
    bpnrr: Proportion


def species_of(table: PresentationTable) -> dict[str, FlagColumn]:
    """Return, for each species in alphabetical order, which rows are its attacks; unnamed ones are one species.

    Raises:
        OneClassOnly: the table holds no attack.
    """
    if table.is_positive.all():
        raise OneClassOnly(expected="attacks of at least one species", came="none", remedy="add attack presentations")
    names = np.where(table.species == "", UNNAMED_SPECIES, table.species)
    return {str(name): ~table.is_positive & (names == name) for name in np.unique(names[~table.is_positive])}


def presentation_errors(table: PresentationTable, point: OperatingPoint) -> PresentationErrors:
    """Count APCER per species and BPCER of `table` at `point`.

    Raises:
        TunedOnTest: `point` was chosen on these scores; see `described_errors`.
        OneClassOnly: the table holds one class.
    """
    point.refuse_if_chosen_on(table)
    return described_errors(table, point)


def described_errors(table: PresentationTable, point: OperatingPoint) -> PresentationErrors:
    """Count the same at any threshold, marked as a description when `point` was chosen on these scores.

    Raises:
        OneClassOnly: the table holds one class.
    """
    accepted = table.scores >= point.value  # no response is NaN, and NaN is refused
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    return PresentationErrors(
        point=point,
        apcer={
            name: Proportion(int((accepted & rows).sum()), int((table.responded & rows).sum()))
            for name, rows in species_of(table).items()
        },
        apcer_pooled=ordered.false_accepts(point.value),
        bpcer=ordered.false_rejects(point.value),
        described_only=point.chosen_on(table),
    )


def bpcer_at_apcer(table: PresentationTable, target: float) -> Proportion:
    """Count the bona fide presentations refused where the worst species' APCER is at or below `target`.

    BPCER10, BPCER20 and BPCER100 of ISO/IEC 30107-3 are targets of 0.1, 0.05 and 0.01. It is a point of this table's
    own curve, not an error rate at a fielded threshold.

    Raises:
        OneClassOnly: the table holds one class.
    """
    threshold = worst_species_threshold(table, target)
    return Proportion(int((table.positives < threshold).sum()), len(table.positives))


def non_responses(table: PresentationTable) -> NonResponses:
    """Count the presentations without a response, per species and for bona fide ones."""
    silent = ~table.responded
    return NonResponses(
        apnrr={
            name: Proportion(int((silent & rows).sum()), int(rows.sum())) for name, rows in species_of(table).items()
        },
        bpnrr=Proportion(int((silent & table.is_positive).sum()), int(table.is_positive.sum())),
    )
