"""The figures of universal adversarial spoofing examples: scores before and after, transfer, and what was changed.

Figures 1 and 2 of T. Amada, S. P. Liew, K. Kakizaki, T. Araki, Universal Adversarial Spoofing Attacks against Face
Recognition, IJCB 2021: score distributions of mated pairs, plain seeds and examples; and how examples that were crafted
with one recogniser do against another. Both are SVG of their own, with their colours inside; the third figure is a
sheet of pictures. The ROC of a screen is `plots.draw_roc` of its scores.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.metrics.picture_quality import psnr, ssim
from countenance.mosaic import Strip, draw_strips

BINS = 80
_WIDTH, _HEIGHT, _MARGIN = 560, 200, 56
_LINE = 16  # from a line of words to the next
_LEVELS = 3  # lines that the words of thresholds stand on, in turn
_CELL = 84
_LETTER = 8.5  # width of one, at most on average
_COLOURS = ("#0068a8", "#7a828c", "#bd4a00", "#8a5a00", "#2e7d32")
_STYLE = (
    "text { font: 13px system-ui, sans-serif; fill: #16191d; } .quiet { fill: #535c68; } "
    ".middle { text-anchor: middle; } .end { text-anchor: end; } .rule { stroke: #d5dae0; } "
    ".mark { stroke: #16191d; stroke-dasharray: 4 3; }"
)


def draw_match_histogram(
    scores: Mapping[str, NDArray[np.floating]], thresholds: Mapping[str, float], *, title: str
) -> str:
    """Draw how the cosines of several kinds of comparisons are distributed, each as shares of its own.

    Of a kind with fewer scores than bins each score is a stroke.

    Args:
        scores: of each kind, by its words ("mated", "seeds with others", "examples with others"); at most five.
        thresholds: cosines to mark, by key.
        title: what is shown.

    Returns:
        An SVG file.

    Raises:
        UsageError: nothing to show, more kinds than colours, or a kind without a finite score.
    """
    if not 0 < len(scores) <= len(_COLOURS):
        raise UsageError(
            expected=f"1 to {len(_COLOURS)} kinds of scores", came=str(len(scores)), remedy="draw some of them"
        )
    for name, values in scores.items():
        if not len(values) or not np.isfinite(values).all():
            raise UsageError(expected=f"finite scores of {name}", came="none, or a NaN", remedy="leave this kind out")
    marks = [*thresholds.values()]
    low = min(*(float(values.min()) for values in scores.values()), *marks, 0.0)
    high = max(*(float(values.max()) for values in scores.values()), *marks, low + 1e-3)
    edges = np.linspace(low, high, BINS + 1)
    shares = {
        name: np.histogram(values, edges)[0] / len(values) for name, values in scores.items() if len(values) >= BINS
    }
    tallest = max([float(share.max()) for share in shares.values()], default=1.0)
    top = 40 + _LINE * len(scores) + _LINE * _LEVELS
    floor = top + _HEIGHT

    def across(value: float) -> float:
        return _MARGIN + (value - low) / (high - low) * (_WIDTH - 2 * _MARGIN)

    drawing = _svg(_WIDTH, floor + _MARGIN, title)
    _shape(drawing, "line", "rule", x1=_MARGIN, x2=_WIDTH - _MARGIN, y1=floor, y2=floor)
    for value in np.linspace(low, high, 6).tolist():
        _text(drawing, f"{value:.2f}", across(value), floor + 18, "quiet middle")
    _text(drawing, "cosine: higher is more alike", _WIDTH / 2, floor + 40, "quiet middle")
    for number, (name, values) in enumerate(scores.items()):
        colour = _COLOURS[number]
        if name in shares:
            heights = (floor - shares[name] / tallest * _HEIGHT).repeat(2).tolist()
            places = [across(edge) for edge in edges.repeat(2).tolist()]
            points = zip(places, [floor, *heights, floor], strict=True)
            outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            _shape(drawing, "polyline", "", points=outline, fill=colour, stroke=colour, style="fill-opacity: 0.18")
        else:
            for value in values.tolist():
                _shape(drawing, "line", "", x1=across(value), x2=across(value), y1=floor - 24, y2=floor, stroke=colour)
        kind = "" if name in shares else ", a stroke each"
        _text(drawing, f"{name}: {len(values):,}{kind}", _MARGIN, 40 + _LINE * number, "", colour)
    for level, (key, value) in enumerate(sorted(thresholds.items(), key=lambda mark: mark[1])):
        beside = top - 4 - _LINE * (_LEVELS - 1 - level % _LEVELS)  # neighbours' words on lines of their own
        _shape(drawing, "line", "mark", x1=across(value), x2=across(value), y1=beside + 3, y2=floor)
        _text(drawing, key, across(value), beside, "quiet middle")
    return ElementTree.tostring(drawing, encoding="unicode")


def draw_transfer(
    rates: NDArray[np.floating], crafted_with: Sequence[str], judged_by: Sequence[str], *, title: str
) -> str:
    """Draw a transfer matrix as a heat map: a row for what the examples were crafted with, a column for who judges.

    Args:
        rates: (R, C) FMR in [0, 1]; NaN where it was not measured.
        crafted_with: R names.
        judged_by: C names.
        title: what is shown, with the threshold.

    Returns:
        An SVG file.

    Raises:
        UsageError: another shape than the names say, or a rate outside [0, 1].
    """
    known = rates[~np.isnan(rates)]
    if rates.shape != (len(crafted_with), len(judged_by)) or not rates.size or np.any((known < 0) | (known > 1)):
        raise UsageError(
            expected=f"rates ({len(crafted_with)}, {len(judged_by)}) in [0, 1], one at least",
            came=f"{rates.shape}",
            remedy="a row for each crafted set and a column for each judge",
        )
    longest = [max(map(len, names)) for names in (["crafted with", *crafted_with], judged_by)]
    left, top, cell = 20 + _LETTER * longest[0], 64, max(_CELL, _LETTER * longest[1])
    drawing = _svg(round(left + cell * len(judged_by) + 20), top + _CELL // 2 * len(crafted_with) + 24, title)
    _text(drawing, "crafted with", left - 10, top - 10, "quiet end")
    for column, name in enumerate(judged_by):
        _text(drawing, name, left + cell * (column + 0.5), top - 10, "middle")
    for row, name in enumerate(crafted_with):
        y = top + _CELL // 2 * row
        _text(drawing, name, left - 10, y + _CELL // 4 + 5, "end")
        for column, rate in enumerate(rates[row].tolist()):
            x = left + cell * column
            missing = rate != rate  # noqa: PLR0124 - only NaN differs from itself
            colour = "#e9ecf0" if missing else _shade(rate)
            _shape(drawing, "rect", "", x=x, y=y, width=cell - 2, height=_CELL // 2 - 2, fill=colour)
            words, ink = ("not measured", "#535c68") if missing else (f"{100 * rate:.2f} %", _ink(rate))
            _text(drawing, words, x + cell / 2, y + _CELL // 4 + 5, "middle", ink)
    return ElementTree.tostring(drawing, encoding="unicode")


@dataclass(frozen=True, eq=False)
class ChangedPicture:
    """A row of the sheet.

    Attributes:
        words: what it is, such as "sface, 8/255, 500 steps".
        seed: uint8 (H, W, 3).
        example: uint8 (H, W, 3).
    """

    words: str
    seed: NDArray[np.uint8]
    example: NDArray[np.uint8]


def write_universal_sheet(path: str | os.PathLike[str], rows: Sequence[ChangedPicture], *, title: str) -> Path:
    """Write a PNG of seeds, examples and perturbations, with PSNR and SSIM, whole or not at all.

    A perturbation is shown about grey, stretched so that its largest value is black or white.

    Args:
        path: of the file.
        rows: from top to bottom.
        title: what the sheet shows.

    Raises:
        UsageError: nothing to show, pictures of two shapes, or the place cannot be written to.
    """
    if not rows:
        raise UsageError(expected="pictures to show", came="none", remedy="choose some")
    strips: list[Strip] = [[title], ["seed", "example", "perturbation"]]
    for row in rows:
        largest = int(np.abs(_difference(row)).max())
        strips.append([f"{row.words}"])
        strips.append([row.seed, row.example, perturbation(row)])
        alike = "the same" if not largest else f"PSNR {psnr(row.seed, row.example):.1f} dB"
        strips.append([f"largest change {largest}, {alike}, SSIM {ssim(row.seed, row.example):.4f}"])
    return write_atomically(path, draw_strips(strips))


def perturbation(row: ChangedPicture) -> NDArray[np.uint8]:
    """Return the change (H, W, 3) about grey 128, its largest value stretched to 0 or 255; plain grey for none."""
    change = _difference(row)
    largest = max(int(np.abs(change).max()), 1)
    return np.asarray(np.rint(np.clip(128 + change * (127 / largest), 0, 255)), np.uint8)


def _difference(row: ChangedPicture) -> NDArray[np.int16]:
    if row.seed.shape != row.example.shape:
        raise UsageError(
            expected="a seed and an example of one shape",
            came=f"{row.seed.shape} and {row.example.shape}",
            remedy="cut both alike",
        )
    return row.example.astype(np.int16) - row.seed.astype(np.int16)


def _shade(rate: float) -> str:
    """White at 0, deep orange at 1; the square root shows small rates."""
    depth = rate**0.5
    return "#" + "".join(f"{round(255 + depth * (full - 255)):02x}" for full in (0xBD, 0x4A, 0x00))


def _ink(rate: float) -> str:
    return "#ffffff" if rate > 0.4 else "#16191d"


def _svg(width: int, height: int, title: str) -> ElementTree.Element:
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}", "role": "img"}
    drawing = ElementTree.Element("svg", attributes)
    ElementTree.SubElement(drawing, "title").text = title
    ElementTree.SubElement(drawing, "style").text = _STYLE
    _shape(drawing, "rect", "", x=0, y=0, width=width, height=height, fill="#ffffff")
    _text(drawing, title, 12, 20, "")
    return drawing


def _text(drawing: ElementTree.Element, words: str, x: float, y: float, style: str, colour: str = "") -> None:
    painted = {"style": f"fill: {colour}"} if colour else {}
    _shape(drawing, "text", style, x=x, y=y, **painted).text = words


def _shape(drawing: ElementTree.Element, tag: str, kind: str, **attributes: float | str) -> ElementTree.Element:
    written = {name: value if isinstance(value, str) else f"{value:.1f}" for name, value in attributes.items()}
    return ElementTree.SubElement(drawing, tag, ({"class": kind} if kind else {}) | written)
