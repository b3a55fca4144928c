"""Judge a score table: every figure of the standard with its count and its interval, and what the table cannot show.

Thresholds come from development scores (or are given); without either, the equal-error threshold of the judged scores
themselves is used to *describe* them, is marked so, and never becomes the headline.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from countenance.errors import ProtocolMismatch, UsageError, at_least
from countenance.metrics.counts import Proportion, SortedScores
from countenance.metrics.intervals import (
    CONFIDENCE,
    Bootstrap,
    Interval,
    bootstrap_over_groups,
    clopper_pearson,
    error_free_trials_needed,
    reweighted,
    zero_error_bound,
)
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.metrics.presentation import (
    NonResponses,
    PresentationErrors,
    bpcer_at_apcer,
    described_errors,
    non_responses,
    species_of,
)
from countenance.metrics.verification import (
    ComparisonErrors,
    FoldAccuracy,
    described_comparison_errors,
    fold_accuracy,
)
from countenance.progress import Progress, unheard
from countenance.scores import ComparisonTable, FlagColumn, PresentationTable, ScoreTable
from countenance.vocabulary import Split

FALSE_ACCEPT_RATES: Mapping[str, float] = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4}
APCER_TARGETS: Mapping[str, float] = {"0.1": 0.1, "0.05": 0.05, "0.01": 0.01}  # BPCER10, BPCER20, BPCER100


@dataclass(frozen=True)
class Measure:
    """One figure of a table.

    Attributes:
        key: its place in the JSON card, dots for nesting ("tpr_at_fpr.1e-4").
        name: how a reader finds it.
        value: the figure, a fraction.
        count: the share that it is, where it is one.
        interval: exact interval of that share, every row taken as independent.
        bootstrap: interval over subjects (or references) where they are named, else over rows.
        about: "error" for an error rate at a threshold that these scores did not choose; "curve" for a property of the
            scores' own ROC curve; "described" for errors at a threshold that these very scores chose.
    """

    key: str
    name: str
    value: float
    count: Proportion | None = None
    interval: Interval | None = None
    bootstrap: Interval | None = None
    about: str = "curve"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one table shows.

    Attributes:
        kind: "presentations" or "comparisons".
        table: the rows judged.
        ordered: their scores, sorted.
        point: the threshold of the error rates.
        tuned_on_test: True when `point` was chosen on these very scores.
        measures: every figure, in the order of the report.
        headline: the figures that may stand on top; no described error is among them.
        counts: rows, classes, subjects, species; rows set aside, which are of another split than test.
        errors: the errors at `point`.
        silent: presentations without a response.
        accuracy: accuracy over folds, of comparisons that name them.
        sample_size: sentences on what the number of rows can and cannot show.
        label: marks results on drawn data, empty otherwise.
    """

    kind: str
    table: PresentationTable | ComparisonTable
    ordered: SortedScores
    point: OperatingPoint
    measures: tuple[Measure, ...]
    headline: tuple[Measure, ...]
    counts: Mapping[str, object]
    errors: PresentationErrors | ComparisonErrors
    silent: NonResponses | None
    accuracy: FoldAccuracy | None
    sample_size: tuple[str, ...]
    label: str = field(default="")

    @property
    def tuned_on_test(self) -> bool:
        """Whether the threshold was chosen on the scores that it judges."""
        return self.errors.described_only

    def as_json(self) -> dict[str, object]:
        """Return the card: fixed keys of the command line's interface, rates as fractions."""
        card: dict[str, object] = {"kind": self.kind, "counts": dict(self.counts)}
        intervals: dict[str, object] = {}
        for measure in self.measures:
            _put(card, measure.key, _figure(measure.value))
            ranges: dict[str, object] = {
                name: {"low": found.low, "high": found.high, "confidence": found.confidence, "method": found.method}
                for name, found in (("exact", measure.interval), ("bootstrap", measure.bootstrap))
                if found is not None
            }
            if measure.count is not None:
                ranges |= {"count": measure.count.count, "trials": measure.count.trials}
            if ranges:
                intervals[measure.key] = ranges
        if self.kind == "comparisons":
            card["accuracy"] = self.accuracy and {
                "mean": self.accuracy.mean,
                "std": self.accuracy.std,
                "standard_error": self.accuracy.standard_error,
                "folds": [
                    {"fold": name, "accuracy": correct.value, "threshold": float(threshold)}
                    for name, correct, threshold in zip(
                        self.accuracy.folds, self.accuracy.correct, self.accuracy.thresholds, strict=True
                    )
                ],
            }
        return card | {
            "threshold": {"value": self.point.value, "rule": self.point.rule, "split": self.point.split},
            "tuned_on_test": self.tuned_on_test,
            "headline": {measure.key: _figure(measure.value) for measure in self.headline},
            "intervals": intervals,
            "sample_size": list(self.sample_size),
            "scores_sha256": self.table.digest,
            "label": self.label,
        }


def _put(card: dict[str, object], key: str, value: object) -> None:
    *outer, last = key.split(".", 1)
    inner = card.setdefault(outer[0], {}) if outer else card
    assert isinstance(inner, dict)
    inner[last] = value


def _figure(value: float) -> float | None:
    """None for a share of no trials: JSON has no NaN."""
    return None if math.isnan(value) else value


def evaluate(
    table: PresentationTable | ComparisonTable,
    *,
    development: PresentationTable | ComparisonTable | None = None,
    threshold: float | OperatingPoint | None = None,
    rule: str = "eer",
    resamples: int = 1000,
    seed: int = 0,
    label: str = "",
    progress: Progress = unheard,
) -> Evaluation:
    """Judge a score table.

    A presentation table that names test rows is taken apart: only the test rows are judged, and its development rows,
    where there are any, choose the threshold unless `development` or `threshold` does. Of a development table that
    names development rows only these choose.

    Args:
        table: the scores to judge.
        development: the scores that choose the threshold.
        threshold: a fixed threshold instead, or one that was chosen earlier, such as by `conformal.calibrate`.
        rule: how development scores choose it; see `operating_point.choose`.
        resamples: bootstrap resamples; 0 leaves the bootstrap out.
        seed: of the bootstrap.
        label: printed with the results, such as "drawn data".
        progress: called with (resamples done, resamples in all).

    Raises:
        UsageError: a threshold and a development table at once, an unknown rule, a threshold that is no number, or
            a negative seed or number of resamples.
        ProtocolMismatch: development scores of the other kind or of a test split, or rows that are in both tables.
        OneClassOnly: a table that holds one class.
    """
    if threshold is not None and development is not None:
        raise UsageError(
            expected="a development table or a threshold",
            came="both",
            remedy="leave one out: the development table chooses the threshold",
        )
    if isinstance(threshold, float | int):
        threshold = OperatingPoint(threshold, "given", None)
    if threshold is not None and not math.isfinite(threshold.value):
        raise UsageError(expected="a finite threshold", came=str(threshold.value), remedy="give a number")
    at_least(0, resamples=resamples, seed=seed)
    test, rows = _rows_of(table, Split.TEST), len(table)
    if test is not None:
        if development is None and threshold is None:
            development = _rows_of(table, Split.DEVELOPMENT)
        table = test
    if development is not None:
        development = _rows_of(development, Split.DEVELOPMENT) or development
    point = _operating_point(table, development, threshold, rule)
    make = _presentations if isinstance(table, PresentationTable) else _comparisons
    bootstrap = Bootstrap(resamples, np.random.default_rng(seed), progress)
    found = make(table, point, bootstrap)  # type: ignore[arg-type]
    return replace(found, label=label, counts={**found.counts, "set_aside": rows - len(table)})


def _rows_of(table: PresentationTable | ComparisonTable, split: Split) -> PresentationTable | None:
    """The rows that name `split`, None where there are none."""
    if not isinstance(table, PresentationTable) or not (rows := table.splits == split).any():
        return None
    return table.select(rows)


def _split_of(development: ScoreTable, table: ScoreTable) -> Split:
    """The split that scores called development are of: test, when they repeat those to be judged.

    Raises:
        ProtocolMismatch: scores of the other kind or of a test split, or rows that are in both tables.
    """
    if type(table) is not type(development):
        raise ProtocolMismatch(
            expected=f"development scores of the same kind ({type(table).__name__})",
            came=type(development).__name__,
            remedy="name the development table of this test table",
        )
    if isinstance(development, PresentationTable) and (development.splits == Split.TEST).all():
        raise ProtocolMismatch(
            expected="development scores",
            came="rows that all say split test",
            remedy="name the development table, or mend its column split",
        )
    if table.repeats(development):
        return Split.TEST  # judged all the same, marked as described
    where = dict(zip(development.identifiers.tolist(), development.scores.tolist(), strict=True))
    common = [
        (name, math.isclose(score, where[name], rel_tol=1e-6))
        for name, score in zip(table.identifiers.tolist(), table.scores.tolist(), strict=True)
        if name in where
    ]
    shared = [name for name, equal in common if equal]
    if shared and len(shared) >= 0.9 * len(common):  # fewer: two files that count their rows alike
        raise ProtocolMismatch(
            expected="development rows that are not judged",
            came=f"{len(shared)} rows in both tables, such as {shared[0]!r}",
            remedy="take them out of one of the two tables",
        )
    return Split.DEVELOPMENT


def _operating_point(
    table: PresentationTable | ComparisonTable,
    development: ScoreTable | None,
    threshold: OperatingPoint | None,
    rule: str,
) -> OperatingPoint:
    if threshold is not None:
        return threshold
    if development is None:
        return choose(table, rule, split=Split.TEST)
    return choose(development, rule, split=_split_of(development, table))


def _share(key: str, name: str, count: Proportion, *, about: str = "curve") -> Measure:
    return Measure(key, name, count.value, count, clopper_pearson(count) if count.trials else None, about=about)


def _presentations(table: PresentationTable, point: OperatingPoint, bootstrap: Bootstrap) -> Evaluation:
    errors, silent = described_errors(table, point), non_responses(table)
    about = "described" if errors.described_only else "error"
    at_threshold = [
        _share("apcer_worst", f"APCER, worst species ({errors.worst_species})", errors.apcer_worst, about=about),
        _share("apcer_pooled", "APCER, all attacks pooled", errors.apcer_pooled, about=about),
        _share("bpcer", "BPCER", errors.bpcer, about=about),
        Measure("acer", "ACER (worst species)", errors.acer, about=about),
        Measure("hter", "HTER (ACER with pooled attacks)", errors.hter, about=about),
    ]
    per_species = [
        _share(f"apcer_by_species.{name}", f"APCER of {name}", count, about=about)
        for name, count in errors.apcer.items()
    ]
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    curve = [
        *_curve_measures(ordered, "tpr_at_fpr", "TPR at FPR"),
        *(
            _share(
                f"bpcer_at_apcer.{name}", f"BPCER at APCER {target:.0%} (each species)", bpcer_at_apcer(table, target)
            )
            for name, target in APCER_TARGETS.items()
        ),
    ]
    silence = [
        *(_share(f"apnrr.{name}", f"APNRR of {name}", count, about="error") for name, count in silent.apnrr.items()),
        _share("bpnrr", "BPNRR", silent.bpnrr, about="error"),
    ]
    shares = {f"apcer_by_species.{name}": rows for name, rows in species_of(table).items()} | {
        "apcer_pooled": ~table.is_positive,
        "bpcer": table.is_positive,
    }
    measures = _with_bootstrap(
        [*at_threshold, *per_species, *curve, *silence],
        table,
        shares,
        point,
        "subjects",
        "tpr_at_fpr",
        bootstrap,
    )
    species = {name: int(rows.sum()) for name, rows in species_of(table).items()}
    named = {str(subject) for subject in table.subjects} - {""}
    judged = {name: count.trials for name, count in errors.apcer.items()}
    return Evaluation(
        kind="presentations",
        table=table,
        ordered=ordered,
        point=point,
        measures=measures,
        headline=_headline(measures, ("apcer_worst", "bpcer"), (_visible_target("tpr_at_fpr", ordered), "eer", "auc")),
        counts={
            "rows": len(table),
            "bona_fide": int(table.is_positive.sum()),
            "attack": int((~table.is_positive).sum()),
            "subjects": len(named) or None,
            "species": species,
            "no_response": int((~table.responded).sum()),
        },
        errors=errors,
        silent=silent,
        accuracy=None,
        sample_size=_sample_size(table, ordered.auc(), "attack presentations", "FPR", judged),
    )


def _comparisons(table: ComparisonTable, point: OperatingPoint, bootstrap: Bootstrap) -> Evaluation:
    errors = described_comparison_errors(table, point)
    about = "described" if errors.described_only else "error"
    ordered = SortedScores.of(positives=table.positives, negatives=table.negatives)
    accuracy = fold_accuracy(table) if len(set(table.folds.tolist())) > 1 else None
    measures = [
        _share("fmr", "FMR", errors.fmr, about=about),
        _share("fnmr", "FNMR", errors.fnmr, about=about),
        Measure("hter", "HTER", (errors.fmr.value + errors.fnmr.value) / 2, about=about),
        _share("fta", "Comparisons without a score", errors.failures, about="error"),
        *_curve_measures(ordered, "tmr_at_fmr", "TMR at FMR"),
    ]
    if accuracy is not None:
        pooled = _share("accuracy_pooled", f"Accuracy over {len(accuracy.folds)} folds", accuracy.pooled, about="error")
        measures.append(pooled)
    shares = {"fmr": ~table.is_positive, "fnmr": table.is_positive}
    bootstrapped = _with_bootstrap(measures, table, shares, point, "references", "tmr_at_fmr", bootstrap)
    named = len({str(reference) for reference in table.references} - {""})
    return Evaluation(
        kind="comparisons",
        table=table,
        ordered=ordered,
        point=point,
        measures=bootstrapped,
        headline=_headline(
            bootstrapped,
            ("accuracy_pooled", "fmr", "fnmr"),
            ("accuracy_pooled", _visible_target("tmr_at_fmr", ordered), "eer"),
        ),
        counts={
            "rows": len(table),
            "mated": int(table.is_positive.sum()),
            "non_mated": int((~table.is_positive).sum()),
            "references": named or None,
            "folds": len(accuracy.folds) if accuracy else None,
            "no_response": int((~table.responded).sum()),
        },
        errors=errors,
        silent=None,
        accuracy=accuracy,
        sample_size=_sample_size(table, ordered.auc(), "non-mated comparisons", "FMR", {}),
    )


def _curve_measures(ordered: SortedScores, key: str, name: str) -> list[Measure]:
    return [
        Measure("eer", "EER (midpoint rule of bob)", ordered.eer()),
        Measure("eer_interpolated", "EER (ROC interpolated)", ordered.eer_interpolated()),
        Measure("auc", "AUC", ordered.auc()),
        *(
            _share(f"{key}.{target}", f"{name} {target}", ordered.true_accepts_at_false_accept_rate(rate))
            for target, rate in FALSE_ACCEPT_RATES.items()
        ),
    ]


def _headline(measures: tuple[Measure, ...], errors: tuple[str, ...], curve: tuple[str, ...]) -> tuple[Measure, ...]:
    """The top figures: error rates where the threshold is from elsewhere, otherwise properties of the curve only.

    Of the rates at a false accept rate, the lowest that permits one false accept at least stands for all.
    """
    honest = {measure.key: measure for measure in measures if measure.about != "described"}
    return tuple(honest[key] for key in (errors if errors[-1] in honest else curve) if key in honest)


def _visible_target(key: str, ordered: SortedScores) -> str:
    """The lowest of `FALSE_ACCEPT_RATES` that one false accept does not exceed, or the highest if none is so high."""
    visible = [name for name, rate in FALSE_ACCEPT_RATES.items() if rate * ordered.negative_total >= 1]
    return f"{key}.{(visible or list(FALSE_ACCEPT_RATES)[:1])[-1]}"


def _with_bootstrap(
    measures: list[Measure],
    table: PresentationTable | ComparisonTable,
    shares: Mapping[str, FlagColumn],
    point: OperatingPoint,
    unit: str,
    curve_key: str,
    drawing: Bootstrap,
) -> tuple[Measure, ...]:
    """Add intervals over subjects or references; over rows where these are not named in every row."""
    if not drawing.resamples:
        return tuple(measures)
    heard = table.select(table.responded)
    named = _every_group_named(table)
    targets = {f"{curve_key}.{name}": rate for name, rate in FALSE_ACCEPT_RATES.items()}
    curve = reweighted(heard.scores, heard.is_positive, false_accept_rates=targets)
    wrong = (heard.scores >= point.value) != heard.is_positive
    rows = {key: flags[table.responded] for key, flags in shares.items()}

    def statistics(weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
        values = curve(weights)
        for key, flags in rows.items():
            total = weights[flags].sum()
            values[key] = float(weights[flags & wrong].sum() / total) if total else np.nan
        species = [value for key, value in values.items() if key.startswith("apcer_by_species.")]
        if species:
            values["apcer_worst"] = float(np.nanmax(species))
            values["acer"] = (values["apcer_worst"] + values["bpcer"]) / 2
            values["hter"] = (values["apcer_pooled"] + values["bpcer"]) / 2
        else:
            values["hter"] = (values["fmr"] + values["fnmr"]) / 2
        return values

    intervals = bootstrap_over_groups(
        heard.groups if named else heard.identifiers,
        heard.is_positive,
        statistics,
        method=f"bootstrap over {unit if named else 'rows'}",
        drawing=drawing,
    )
    return tuple(replace(measure, bootstrap=intervals.get(measure.key)) for measure in measures)


def _every_group_named(table: PresentationTable | ComparisonTable) -> bool:
    return not (table.groups == "").any()


def _sample_size(
    table: PresentationTable | ComparisonTable, auc: float, what: str, rate: str, species: Mapping[str, int]
) -> tuple[str, ...]:
    """Say what this many trials can and cannot show, whatever the system's errors are."""
    trials = len(table.negatives)
    turned = (
        "Most negatives outscore the positives (AUC below 50 %): scores or labels look turned round; higher must mean "
    )
    sentences = [turned + "more genuine."] if auc < 0.5 else []
    sentences += [
        f"{trials:,} {what} without one false accept would show {rate} < {100 * zero_error_bound(trials):.3g} % "
        f"at {CONFIDENCE:.0%} confidence, and no less."
    ]
    for name, target in FALSE_ACCEPT_RATES.items():
        allowed = int(np.floor(target * trials + 1e-9))
        needed = error_free_trials_needed(target)
        permits = "no false accept" if allowed == 0 else f"at most {allowed:,} false accept{'s' * (allowed > 1)}"
        verdict = "enough" if trials >= needed else f"{trials / needed:.0%} of that"
        sentences.append(
            f"At {rate} {name} these {trials:,} allow {permits}; to show {rate} <= {name} takes {needed:,} trials "
            f"without an error: here are {verdict}."
        )
    sentences += [
        f"Species {name}: {count:,} presentations; 0 errors would show APCER < {100 * zero_error_bound(count):.3g} %."
        for name, count in species.items()
    ]
    unit = "subject" if isinstance(table, PresentationTable) else "reference"
    sentences.append(
        f"The rows come from {len(np.unique(table.groups)):,} named {unit}s, and rows of one {unit} are not "
        "independent: read the bootstrap interval. For a rate without an error it has no width; even the exact one is "
        "then too narrow."
        if _every_group_named(table)
        else f"Not every row names its {unit}: the intervals take every row as independent and are too narrow if they "
        "are not."
    )
    return tuple(sentences)
