"""The page that an auditor reads, and the card beside it: one evaluation in one HTML file that needs nothing else.

No time stamp is in either, so that the same evaluation gives the same bytes.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from countenance.errors import UsageError
from countenance.evaluation import FALSE_ACCEPT_RATES, Evaluation, Measure
from countenance.files import write_atomically
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import Interval
from countenance.metrics.operating_point import OperatingPoint
from countenance.metrics.presentation import UNNAMED_SPECIES, PresentationErrors
from countenance.report.plots import ABSENT, NO_BREAK, as_percent, draw_det, draw_histogram, draw_roc, words_of

_TITLES = {"presentations": "Presentation attack detection", "comparisons": "Face verification"}

_RULES: Mapping[str, str] = {
    "eer": "the candidate threshold at which the shares of false accepts and of false rejects are closest; of two "
    "equally close, the higher (the midpoint rule of bob.measure)",
    "min-hter": "the threshold at which the two error rates have the smallest sum",
    "max-accuracy": "the threshold with the fewest wrong decisions",
    "fpr": "the last ROC point at which at most {target} of all negatives are accepted",
    "fmr": "the last ROC point at which at most {target} of the non-mated comparisons match",
    "apcer": "the lowest threshold at which no attack species has an APCER above {target}",
    "bpcer": "the highest threshold that refuses at most {target} of the bona fide presentations",
    "fnmr": "the highest threshold that refuses at most {target} of the mated comparisons",
    "conformal": "a low bona fide score of this camera, so chosen that a further bona fide presentation is refused "
    "with a probability of at most {target}, in the mean over calibrations",
    "conformal:": "a low bona fide score of this camera, so chosen that with a confidence of {confidence} at most "
    "{target} of the bona fide presentations are refused",
    "given": "a fixed value, stated by whoever ran the command; if these scores had a part in choosing it, the errors "
    "at it are no error rates",
}


def write_report(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    *,
    command: str,
    title: str | None = None,
    sources: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write `evaluation` as one self-contained HTML page and, beside it, as a JSON card of the same stem.

    Args:
        evaluation: what to report; see `countenance.evaluation.evaluate`.
        path: of the page; the card replaces its suffix by ``.json``.
        command: the command line that made the evaluation, so that the reader can make it again.
        title: the heading; None names the kind of evaluation.
        sources: the score files that were read, as the reader should know them.

    Returns:
        The paths of the page and of the card.

    Raises:
        UsageError: jinja2 is not installed, the path is a folder, ends in ``.json`` or cannot be written to.
    """
    page = Path(path)
    if not page.name or page.suffix == ".json" or page.is_dir():
        raise UsageError(
            expected="a path for the HTML page",
            came=f"the folder {page}" if page.is_dir() else repr(str(path)),
            remedy="end it in .html; the JSON card is written beside it",
        )
    facts = {"command": command, "sources": list(sources), "version": version("countenance")}
    html = _render(evaluation, title=title or _TITLES[evaluation.kind], **facts)
    card = json.dumps(_without_nan(evaluation.as_json() | facts), indent=2, allow_nan=False) + "\n"
    written = write_atomically(page.with_suffix(".json"), card)
    # an argument that is no UTF-8 reaches Python as a lone surrogate, which has no bytes of its own
    return write_atomically(page, html.encode(errors="replace")), written


def _render(evaluation: Evaluation, **facts: object) -> str:
    try:
        from jinja2 import Environment, StrictUndefined  # an optional dependency
    except ImportError as error:
        raise UsageError(
            expected="jinja2, which writes the report",
            came="a Python without it",
            remedy='pip install "countenance[report]"',
        ) from error
    room = files("countenance.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "percent": as_percent,
        "count": _as_count,
        "span": _as_span,
        "number": "{:,}".format,
        "threshold": "{:.6g}".format,
        "best": _best_interval,
    }
    return environment.from_string((room / "page.html.j2").read_text("utf-8")).render(
        facts,
        css=(room / "page.css").read_text("utf-8"),
        evaluation=evaluation,
        words=words_of(evaluation),
        no_break=NO_BREAK,
        judged=_what_was_judged(evaluation),
        rule=_rule_in_words(evaluation.point),
        groups=_groups(evaluation),
        unseen=_below_one_error(evaluation),
        species=_species(evaluation),
        det=draw_det(evaluation),
        roc=draw_roc(evaluation),
        histogram=draw_histogram(evaluation),
    )


def _without_nan(value: object) -> object:
    """JSON has no NaN: a rate without a trial becomes null."""
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_count(count: Proportion | None) -> str:
    return "" if count is None else f"{count.count:,} of {count.trials:,}"


def _as_span(interval: Interval | None) -> str:
    """Write an interval; a bootstrap in which every resample agreed says so, as it is no bound."""
    if interval is None:
        return ""
    if math.isnan(interval.low + interval.high):
        return ABSENT
    if interval.low == interval.high:
        return f"always {as_percent(interval.low)}"
    low, high = as_percent(interval.low), as_percent(interval.high)
    return f"{low.removesuffix(f'{NO_BREAK}%')} to {high}"


def _best_interval(measure: Measure) -> Interval | None:
    """The bootstrap interval where it bounds anything; without an error seen, or without a bootstrap, the exact one."""
    drawn = measure.bootstrap
    if drawn is not None and drawn.low < drawn.high:
        return drawn
    return measure.interval


def _what_was_judged(evaluation: Evaluation) -> str:
    counts, table, words = evaluation.counts, evaluation.table, words_of(evaluation)
    positives, negatives = int(table.is_positive.sum()), int((~table.is_positive).sum())
    silent = int((~table.responded).sum())
    if isinstance(evaluation.errors, PresentationErrors):
        kinds = list(evaluation.errors.apcer)
        named = f"{len(kinds):,}" if kinds != [UNNAMED_SPECIES] else "unnamed"
        who = f"presentations by {counts['subjects'] or 'unnamed'} subjects"
        classes = f"{positives:,} bona fide, and {negatives:,} attacks of {named} species"
    else:
        folds = f" in {counts['folds']} folds" if counts["folds"] else ""
        who = f"comparisons with {counts['references'] or 'unnamed'} references{folds}"
        classes = f"{positives:,} {words.positive} and {negatives:,} {words.negative}"
    answer = f"{silent:,} received no score" if silent else "every one received a score"
    return f"{len(table):,} {who}: {classes}; {answer}."


def _rule_in_words(point: OperatingPoint) -> str:
    name, *numbers = point.rule.split(":")
    words = _RULES.get(":".join([name, *("" for _ in numbers[1:])]), "a value that was stated elsewhere")
    shares = [as_percent(float(number)) for number in numbers] if "{target}" in words else []
    return words.format(**dict(zip(("target", "confidence"), shares, strict=False)))


def _groups(evaluation: Evaluation) -> dict[str, list[Measure]]:
    """Sort the measures under headings, each once and in their order."""
    groups: dict[str, list[Measure]] = {
        "Errors at the threshold": [],
        "Accuracy by cross-validation": [],
        "Properties of the curve": [],
        "No response": [],
    }
    for measure in evaluation.measures:
        kind = measure.key.partition(".")[0]
        if kind in {"apnrr", "bpnrr", "fta"}:
            groups["No response"].append(measure)
        elif kind == "accuracy_pooled":
            groups["Accuracy by cross-validation"].append(measure)
        elif measure.about == "curve":
            groups["Properties of the curve"].append(measure)
        else:
            groups["Errors at the threshold"].append(measure)
    return {heading: measures for heading, measures in groups.items() if measures}


def _below_one_error(evaluation: Evaluation) -> set[str]:
    """Keys of the measures at a false accept rate that is less than one of all negatives: these rows cannot show it."""
    return {
        measure.key
        for measure in evaluation.measures
        if measure.key.startswith(("tpr_at_fpr.", "tmr_at_fmr."))
        and FALSE_ACCEPT_RATES[measure.key.partition(".")[2]] * evaluation.ordered.negative_total < 1
    }


@dataclass(frozen=True)
class _SpeciesRow:
    """One attack species; `bar` places low, value and high as shares of the widest interval's upper end."""

    name: str
    presentations: int
    silent: int
    apcer: Measure
    worst: bool
    bar: tuple[float, float, float]


def _species(evaluation: Evaluation) -> list[_SpeciesRow]:
    if not isinstance(evaluation.errors, PresentationErrors) or evaluation.silent is None:
        return []
    measures = {measure.key: measure for measure in evaluation.measures}
    rows = {name: measures[f"apcer_by_species.{name}"] for name in evaluation.errors.apcer}
    heard = [measure.interval.high for measure in rows.values() if measure.interval is not None]
    scale = 100 / max(heard, default=1.0)
    return [
        _SpeciesRow(
            name=name,
            presentations=silent.trials,
            silent=silent.count,
            apcer=rows[name],
            worst=name == evaluation.errors.worst_species,
            bar=(
                (interval.low * scale, rows[name].value * scale, interval.high * scale)
                if (interval := rows[name].interval) is not None
                else (0.0, 0.0, 0.0)
            ),
        )
        for name, silent in evaluation.silent.apnrr.items()
    ]
