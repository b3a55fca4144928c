"""Error rates by group of people (skin tone, glasses, beard, age, whatever is known of a subject), from scores.

An error rate is a mean, and a mean hides for whom the system fails. Attacks are counted by the person whose face they
show. The false positive rate here pools the species of a group
(`apcer_pooled`): a worst species of each group would compare groups of few trials by their worst luck.

Rows of one person are not independent: beside the exact binomial interval stands a bootstrap over subjects. Where no
error was seen a bootstrap sees none either, and only the exact interval is given. A group of few people is said to be
one, and no difference between groups is tested: with many groups some differ by luck.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.errors import ProtocolMismatch
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Bootstrap, Interval, bootstrap_over_groups, clopper_pearson
from countenance.metrics.operating_point import OperatingPoint
from countenance.protocols.table import TableRow
from countenance.scores import FlagColumn, PresentationTable

RESAMPLES = 2_000
FEW_SUBJECTS = 20  # a bootstrap over fewer draws too narrow an interval
SubjectGroups = Mapping[str, Mapping[str, str]]
"""For each attribute, the group of each subject: {"glasses": {"subject-1": "yes"}}."""


@dataclass(frozen=True, eq=False)
class _Rate:
    """One row of the table to be.

    Attributes:
        name: of the row.
        trials: (N,) which rows of the score table count.
        errors: (N,) which of them are errors.
        subjects: how many people the trials are of.
    """

    name: str
    trials: FlagColumn
    errors: FlagColumn
    subjects: int

    @property
    def count(self) -> Proportion:
        return Proportion(int(self.errors.sum()), int(self.trials.sum()))


def errors_by_attribute(
    table: PresentationTable,
    point: OperatingPoint,
    groups: SubjectGroups,
    *,
    data: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[TableRow]:
    """Return APCER (pooled) and BPCER of everybody, then of every group of every attribute, in percent.

    Args:
        table: of scores; what got no response is in no rate.
        point: the threshold, chosen on other scores.
        groups: the group of every subject of the table, by attribute.
        data: what was scored, for the rows.
        resamples: of the bootstrap over subjects; 0 leaves it out.
        seed: of the bootstrap.

    Returns:
        Rows named "APCER pooled, glasses: yes"; a group of fewer than `FEW_SUBJECTS` people has a note that says so,
        and a group without a trial of one class has no row of it.

    Raises:
        TunedOnTest: the threshold was chosen on these scores.
        ProtocolMismatch: a subject whose group is not told.
    """
    point.refuse_if_chosen_on(table)
    rates = _rates(table, point, groups)
    drawn = _bootstrap(table, rates, Bootstrap(resamples, np.random.default_rng(seed))) if resamples else {}
    return [_row(rate, drawn.get(rate.name), point, data) for rate in rates]


def _rates(table: PresentationTable, point: OperatingPoint, groups: SubjectGroups) -> list[_Rate]:
    accepted = table.scores >= point.value  # no response is NaN, and NaN is refused
    errors = table.responded & (accepted ^ table.is_positive)
    columns = {"everybody": np.ones(len(table), bool)}
    for attribute, group_of in groups.items():
        unknown = set(table.subjects.tolist()) - set(group_of)
        if unknown:
            raise ProtocolMismatch(
                expected=f"the {attribute} of every subject",
                came=f"{len(unknown)} without, the first {min(unknown)!r}",
                remedy="name the attributes of the set that these scores are of",
            )
        column = np.array([group_of[subject] for subject in table.subjects.tolist()])
        columns |= {f"{attribute}: {group}": column == group for group in dict.fromkeys(sorted(group_of.values()))}
    found = []
    for words, members in columns.items():
        for rate, of_class in (("APCER pooled", ~table.is_positive), ("BPCER", table.is_positive)):
            trials = members & of_class & table.responded
            if trials.any():
                subjects = len(np.unique(table.subjects[trials]))
                found.append(_Rate(f"{rate}, {words}", trials, errors & trials, subjects))
    return found


def _bootstrap(table: PresentationTable, rates: list[_Rate], drawing: Bootstrap) -> dict[str, Interval]:
    errors, trials = (
        np.array([getattr(rate, name) for rate in rates], np.float64) for name in ("errors", "trials")
    )  # (K, N) each

    def statistics(weights: NDArray[np.float64]) -> dict[str, float]:
        drawn = trials @ weights  # (K,)
        shares = np.divide(errors @ weights, drawn, out=np.full(len(drawn), np.nan), where=drawn > 0)
        return dict(zip((rate.name for rate in rates), shares.tolist(), strict=True))

    return bootstrap_over_groups(
        table.groups, table.is_positive, statistics, method="bootstrap over subjects", drawing=drawing
    )


def _row(rate: _Rate, drawn: Interval | None, point: OperatingPoint, data: str) -> TableRow:
    notes = [f"threshold {point.value:.6g} by rule {point.rule}, from {point.split or 'no scores here'}"]
    if rate.subjects < FEW_SUBJECTS:
        notes.append(f"{rate.name}: few people, {rate.count.trials:,} trials of {rate.subjects}")
    return TableRow(
        name=rate.name,
        reported=None,
        measured=100 * rate.count.value,
        count=rate.count,
        interval=clopper_pearson(rate.count).times(100),
        bootstrap=None if drawn is None or not rate.count.count else drawn.times(100),
        data=data,
        note="; ".join(notes),
    )
