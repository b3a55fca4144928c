"""The plots of a report as inline SVG: the same bytes for the same scores, and no colour of their own.

Colours, line styles and letter sizes are classes that ``page.css`` fills in, so that a plot follows the light or the
dark page, the paper and the narrow screen. Every text goes through ElementTree, which escapes it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from countenance.evaluation import FALSE_ACCEPT_RATES, Evaluation

NO_BREAK = "\N{NO-BREAK SPACE}"
ABSENT = "\N{EN DASH}"
POINT_LIMIT = 600
BINS = 60

_WIDTH, _HEIGHT = 440, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 424, 44, 334  # of the frame; letters above, left of and below it
_LETTER = 7.8  # the width to allow for one, in the units of the drawing
_BELOW_ONE = 0.2  # an error axis begins at this share of one error, to show where nothing can be seen
_NONE_AT = 0.45  # and no error at all stands here, in the middle of that strip
_FARTHEST = 1e300  # scores beyond it stand in the outermost bin: the width of the axis must be a number

Numbers = NDArray[np.float64]


def as_percent(share: float) -> str:
    """Write a share in percent with two decimals, or with as many as its distance from 0 and from 1 needs.

    >>> [as_percent(share).replace(NO_BREAK, " ") for share in (0.0036, 0.0000123, 0.999987, 0.0)]
    ['0.36 %', '0.0012 %', '99.9987 %', '0 %']
    """
    if not math.isfinite(share):
        return ABSENT
    share = round(share, 12) + 0.0  # an interpolated rate may miss 0 or 1 by a rounding error
    distance = 100 * min(abs(share), abs(1 - share))
    decimals = max(2, 1 - math.floor(math.log10(distance))) if distance else 0
    return f"{100 * share:.{decimals}f}{NO_BREAK}%"


@dataclass(frozen=True)
class Words:
    """What the two classes and the two errors of an evaluation are called."""

    positive: str
    negative: str
    true_accept: str
    false_accept: str
    false_reject: str


def words_of(evaluation: Evaluation) -> Words:
    """Return the standard's words for the kind of `evaluation`."""
    if evaluation.kind == "presentations":
        return Words("bona fide", "attack", "TPR (1 - BPCER)", "FPR (APCER, attacks pooled)", "BPCER")
    return Words("mated", "non-mated", "TMR (1 - FNMR)", "FMR", "FNMR")


def thin(across: Numbers, up: Numbers, *, limit: int = POINT_LIMIT) -> NDArray[np.intp]:
    """Choose the points of a monotone curve that are worth drawing.

    Repeated points and those inside a straight horizontal or vertical run go first, which loses nothing. If too many
    are left, the square is cut into cells, and of each run of points in one cell the first and the last stay: so of a
    point that goes a neighbour in the same cell stays, and both ends of every step longer than a cell stay.

    Args:
        across: (K,) positions in [0, 1], never rising or never falling.
        up: (K,) likewise.
        limit: how many points may stay; at least 600, for which a cell is 1/128 of the side or smaller.

    Returns:
        Ascending indices of the points that stay; the first and the last are among them.
    """
    if not len(across):
        return np.arange(0, dtype=np.intp)
    places = np.stack([across, up])
    distinct = np.flatnonzero(np.append(True, (np.diff(places) != 0).any(axis=0)))
    still = np.diff(places[:, distinct]) == 0
    inside = (still[:, 1:] & still[:, :-1]).any(axis=0)  # neither coordinate turns here
    corners: NDArray[np.intp] = distinct[~np.concatenate([[False], inside, [False]])[: len(distinct)]]
    kept = corners
    cells = 2048
    while len(kept) > limit:
        moves = (np.diff(np.floor(places[:, corners] * cells)) != 0).any(axis=0)
        kept = corners[np.append(True, moves) | np.append(moves, True)]
        cells //= 2
    return kept


def draw_det(evaluation: Evaluation) -> str:
    """Draw false rejects over false accepts on normal-deviate axes (ISO/IEC 19795-1: DET).

    Nothing is drawn at less than one error; the operating point alone may stand there, in the marked strip.
    """
    words, curve, point = words_of(evaluation), evaluation.ordered.curve, evaluation.point.value
    at_point = evaluation.ordered.false_accepts(point), evaluation.ordered.false_rejects(point)
    high = 0.5 if max(evaluation.ordered.eer(), *(share.value for share in at_point)) < 0.4 else 0.99
    across = _deviate_axis(words.false_accept, curve.negatives, high)
    up = _deviate_axis(words.false_reject, curve.positives, high)
    picture = _Picture(
        "det",
        "Detection error trade-off",
        f"{words.false_reject} over {words.false_accept} at every threshold, on normal-deviate axes; at threshold "
        f"{point:.6g} they are {as_percent(at_point[1].value)} and {as_percent(at_point[0].value)}.",
        across,
        up,
    )
    picture.strip_across(1 / curve.negatives, f"fewer than one error in {curve.negatives:,}")
    picture.strip_up(1 / curve.positives, f"fewer than one error in {curve.positives:,}")
    lowest = max(axis.low for axis in (across, up))
    picture.line([across.share(lowest), across.share(across.high)], [up.share(lowest), up.share(up.high)], "equal")
    both = (curve.false_accepts > 0) & (curve.false_rejects > 0)
    accepts, rejects = curve.false_accept_rates[both], curve.false_reject_rates[both]
    inside = np.flatnonzero((accepts < high) & (rejects < high))
    if len(inside):  # and one point more on each side, to where the curve leaves the frame
        shown = slice(max(inside[0] - 1, 0), inside[-1] + 2)
        picture.curve(across(accepts[shown]), up(rejects[shown]))
    if not both.any():
        picture.write("no threshold makes both errors", 0.5, 0.5, "note middle")
    picture.point(across(at_point[0].value), up(at_point[1].value), described=evaluation.tuned_on_test)
    picture.legend(("curve", "all thresholds"), _point_key(evaluation), ("equal", "equal errors"))
    return picture.svg()


def draw_roc(evaluation: Evaluation) -> str:
    """Draw true accepts over false accepts, these on a logarithmic axis down to less than one in all negatives."""
    words, curve, point = words_of(evaluation), evaluation.ordered.curve, evaluation.point.value
    seen = curve.false_accepts > 0
    true_accept_rates = 1 - curve.false_reject_rates[seen]
    accepted = evaluation.ordered.false_accepts(point), evaluation.ordered.false_rejects(point).complement
    targets = {
        name: (rate, evaluation.ordered.true_accepts_at_false_accept_rate(rate).value)
        for name, rate in FALSE_ACCEPT_RATES.items()
        if rate >= 1 / curve.negatives
    }
    lowest = min(true_accept_rates.min(), accepted[1].value, *(value for _, value in targets.values()), 1.0)
    floor = max(start for start in (0.0, 0.5, 0.8, 0.9, 0.98) if start <= lowest)
    across = _logarithmic_axis(
        words.false_accept, _BELOW_ONE / curve.negatives, 1.0, none_at=_NONE_AT / curve.negatives, percent=True
    )
    up = _linear_axis(words.true_accept, floor, 1.0, percent=True)
    picture = _Picture(
        "roc",
        "Receiver operating characteristic",
        f"{words.true_accept} over {words.false_accept}, logarithmic: "
        + "; ".join(f"{as_percent(value)} at {name}" for name, (_, value) in targets.items())
        + f"; at threshold {point:.6g} {as_percent(accepted[1].value)} at {as_percent(accepted[0].value)}.",
        across,
        up,
    )
    picture.strip_across(1 / curve.negatives, f"fewer than one error in {curve.negatives:,}")
    picture.curve(across(curve.false_accept_rates[seen]), up(true_accept_rates))
    picture.point(across(accepted[0].value), up(accepted[1].value), described=evaluation.tuned_on_test)
    for rate, value in targets.values():
        picture.mark(across(rate), up(value), as_percent(value))
    named = ", ".join(targets)
    picture.legend(("curve", "all thresholds"), _point_key(evaluation), *([("mark", f"at {named}")] if named else []))
    return picture.svg()


def draw_histogram(evaluation: Evaluation) -> str:
    """Draw how many rows of each class score what, in shared bins, with the threshold."""
    words, point = words_of(evaluation), evaluation.point.value
    classes = {"negative": evaluation.ordered.negatives, "positive": evaluation.ordered.positives}
    low = max(min(float(scores[0]) for scores in classes.values()), -_FARTHEST)
    high = min(max(float(scores[-1]) for scores in classes.values()), _FARTHEST)
    if low >= 0 and high <= 1 and high - low > 0.5:
        low, high = 0.0, 1.0  # the scores are shares: show the whole scale
    slack = max(abs(low), abs(high), 1.0) * 1e-6
    if high - low < slack:  # too close for bins between them
        low, high = low - slack, high + slack
    edges = low + (high - low) * np.arange(BINS + 1) / BINS
    counts = {
        name: np.diff(np.concatenate([[0], np.searchsorted(scores, edges[1:-1]), [len(scores)]]))
        for name, scores in classes.items()
    }
    heights = np.concatenate(list(counts.values()))
    tallest, typical = int(heights.max()), float(np.median(heights[heights > 0]))
    uneven = tallest > 20 * typical
    count_title = "rows in a bin" + (", logarithmic" if uneven else "")
    across = _linear_axis("score: higher is more genuine", low, high)
    up = (
        _logarithmic_axis(count_title, 0.5, tallest * 1.3, none_at=0.5)
        if uneven
        else _linear_axis(count_title, 0, tallest * 1.05, whole=True)
    )
    picture = _Picture(
        "histogram",
        "Scores of both classes",
        f"{BINS} bins from {low:.6g} to {high:.6g}; {words.positive} scores have the median "
        f"{np.median(classes['positive']):.6g}, {words.negative} scores {np.median(classes['negative']):.6g}; "
        f"accepted from {point:.6g}.",
        across,
        up,
    )
    for name, bins in counts.items():
        picture.steps(across(edges), up(bins.astype(np.float64)), name)
    if low <= point <= high:
        picture.line([across.share(point)] * 2, [0, 1], "threshold")
    picture.legend(
        ("positive", f"{words.positive}, {len(classes['positive']):,}"),
        ("negative", f"{words.negative}, {len(classes['negative']):,}"),
        ("threshold", "threshold"),
    )
    return picture.svg()


def _point_key(evaluation: Evaluation) -> tuple[str, str]:
    return ("described", "tuned on test") if evaluation.tuned_on_test else ("point", "threshold")


@dataclass(frozen=True)
class _Axis:
    """A scale: `scale` takes numbers to the axis, of which `low` to `high` is shown."""

    title: str
    low: float
    high: float
    scale: Callable[[Numbers], Numbers]
    ticks: Sequence[tuple[float, str]]

    def share(self, scaled: float) -> float:
        """Where a number on the scale lies between the ends, 0 to 1; beyond an end it is put there."""
        return min(max((scaled - self.low) / (self.high - self.low), 0.0), 1.0)

    def __call__(self, values: Numbers | float) -> Numbers:
        """Do the same for numbers off the scale."""
        scaled = self.scale(np.asarray(values, dtype=np.float64))
        return np.clip((scaled - self.low) / (self.high - self.low), 0.0, 1.0)


def _deviate_axis(title: str, trials: int, high: float) -> _Axis:
    low = _BELOW_ONE / trials
    ticks = [rate for rate in (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99) if rate <= high]
    return _Axis(
        f"{title}, %",
        float(ndtri(low)),
        float(ndtri(high)),
        lambda rates: np.asarray(ndtri(np.clip(rates, _NONE_AT / trials, 0.999))),
        [(rate, f"{100 * rate:g}") for rate in ticks if rate > low],
    )


def _logarithmic_axis(title: str, low: float, high: float, *, none_at: float, percent: bool = False) -> _Axis:
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    return _Axis(
        f"{title}, %" if percent else title,
        math.log10(low),
        math.log10(high),
        lambda values: np.log10(np.maximum(values, none_at)),
        [(10.0**power, f"{10.0**power * 100:g}" if percent else f"{10**power:,}") for power in powers],
    )


def _linear_axis(title: str, low: float, high: float, *, percent: bool = False, whole: bool = False) -> _Axis:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    step = max(step, 1.0) if whole else step
    ticks = np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step
    unit = 100 if percent else 1
    return _Axis(
        f"{title}, %" if percent else title,
        low,
        high,
        lambda values: values,
        [(float(tick), f"{tick * unit:,.8g}") for tick in ticks],
    )


class _Picture:
    """A frame with two axes, drawn into an SVG element; positions are shares of the frame, 0 to 1."""

    def __init__(self, name: str, title: str, description: str, across: _Axis, up: _Axis) -> None:
        self._svg = ElementTree.Element(
            "svg",
            {
                "class": "plot",
                "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
                "role": "img",
                "aria-labelledby": f"{name}-title {name}-description",
            },
        )
        for tag, text in (("title", title), ("desc", description)):
            ElementTree.SubElement(
                self._svg, tag, id=f"{name}-{'title' if tag == 'title' else 'description'}"
            ).text = text
        self._axes(across, up)
        self._across, self._up = across, up

    def svg(self) -> str:
        """Return the finished drawing."""
        return ElementTree.tostring(self._svg, encoding="unicode")

    def write(self, text: str, x: float, y: float, style: str, *, turned: bool = False) -> None:
        """Write beside a place in the frame."""
        self._text(text, _x(x), _y(y), style, turned=turned)

    def line(self, xs: Sequence[float], ys: Sequence[float], style: str) -> None:
        """Draw a line through places in the frame."""
        places = " ".join(f"{_number(_x(x))},{_number(_y(y))}" for x, y in zip(xs, ys, strict=True))
        self._shape("polyline", style, points=places)

    def curve(self, xs: Numbers, ys: Numbers) -> None:
        """Draw a trade-off, thinned to what can be seen."""
        kept = thin(xs, ys)
        if len(kept):
            self.line(xs[kept].tolist(), ys[kept].tolist(), "curve")

    def steps(self, edges: Numbers, heights: Numbers, style: str) -> None:
        """Draw the outline of a histogram and fill it."""
        self.line(np.repeat(edges, 2).tolist(), [0.0, *np.repeat(heights, 2).tolist(), 0.0], style)

    def strip_across(self, one_error: float, note: str) -> None:
        """Mark where the error across is less than one trial."""
        right = float(self._across(one_error))
        self._shape("rect", "unseen", x=_LEFT, y=_TOP, width=_x(right) - _LEFT, height=_BOTTOM - _TOP)
        self.write(note, right / 2, 0.5, "unseen-note middle", turned=True)

    def strip_up(self, one_error: float, note: str) -> None:
        """Mark where the error upward is less than one trial."""
        top = float(self._up(one_error))
        self._shape("rect", "unseen", x=_LEFT, y=_y(top), width=_RIGHT - _LEFT, height=_BOTTOM - _y(top))
        self.write(note, 0.5, top / 2, "unseen-note middle")

    def point(self, x: Numbers, y: Numbers, *, described: bool) -> None:
        """Mark the operating point; hollow where it was chosen on these very scores."""
        self._shape("circle", "described" if described else "point", cx=_x(float(x)), cy=_y(float(y)), r=6.5)

    def mark(self, x: Numbers, y: Numbers, text: str) -> None:
        """Mark a point of the curve and write its value below it."""
        self._diamond(_x(float(x)), _y(float(y)))
        below = float(y) > 0.12
        self._text(text, _x(float(x)) + 7, _y(float(y)) + (18 if below else -10), "note")

    def legend(self, *entries: tuple[str, str]) -> None:
        """Write the keys of lines and marks over the frame."""
        x = 4.0
        for style, text in entries:
            if style in {"point", "described"}:
                self._shape("circle", style, cx=x + 8, cy=9, r=6.5)
            elif style == "mark":
                self._diamond(x + 8, 9)
            else:
                self._shape("polyline", f"{style} key", points=f"{_number(x)},9 {_number(x + 22)},9")
            indent = 20 if style in {"point", "described", "mark"} else 28
            self._text(text, x + indent, 9, "tick")
            x += indent + len(text) * _LETTER * 0.9 + 14

    def _axes(self, across: _Axis, up: _Axis) -> None:
        free = math.inf  # from the right end, so that of crowded ticks the larger ones stay
        for value, label in reversed(across.ticks):
            x, half = _x(float(across(value))), len(label) * _LETTER / 2
            self._shape("line", "grid", x1=x, x2=x, y1=_TOP, y2=_BOTTOM)
            if x + half <= free and x + half <= _WIDTH:
                self._text(label, x, _BOTTOM + 14, "tick middle")
                free = x - half - 6
        free = -math.inf
        for value, label in reversed(up.ticks):
            y = _y(float(up(value)))
            self._shape("line", "grid", x1=_LEFT, x2=_RIGHT, y1=y, y2=y)
            if y >= free:
                self._text(label, _LEFT - 7, y, "tick end")
                free = y + 16
        self._shape("rect", "frame", x=_LEFT, y=_TOP, width=_RIGHT - _LEFT, height=_BOTTOM - _TOP)
        self._text(across.title, (_LEFT + _RIGHT) / 2, _HEIGHT - 10, "axis middle")
        self._text(up.title, 4, 30, "axis")

    def _diamond(self, x: float, y: float) -> None:
        corners = ((x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y))
        self._shape("polygon", "mark", points=" ".join(f"{_number(a)},{_number(b)}" for a, b in corners))

    def _text(self, text: str, x: float, y: float, style: str, *, turned: bool = False) -> None:
        place = {"transform": f"rotate(-90 {_number(x)} {_number(y)})"} if turned else {}
        self._shape("text", style, x=x, y=y, **place).text = text

    def _shape(self, tag: str, style: str, **attributes: float | str) -> ElementTree.Element:
        written = {name: value if isinstance(value, str) else _number(value) for name, value in attributes.items()}
        return ElementTree.SubElement(self._svg, tag, {"class": style} | written)


def _x(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
