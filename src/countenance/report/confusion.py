"""A confusion matrix as a heat map: which expression is taken for which.

Figure 4 of Z. Ming, J. Chazalon, M. M. Luqman, M. Visani, J.-C. Burie, FaceLiveNet: End-to-End Networks Combining Face
Verification with Interactive Facial Expression-Based Liveness Detection, ICPR 2018: the truth on the vertical axis, the
prediction on the horizontal one, the darker the larger share of the row. The counts stand under the shares, so that
nobody reads a row of five faces as one of five hundred. An SVG of its own, with its colours inside.
"""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from countenance.errors import UsageError
from countenance.files import write_atomically
from countenance.protocols.expression_accuracy import row_shares

_WIDE, _HIGH = 78, 48  # a cell
_LEFT, _RIGHT, _ABOVE, _BELOW = 112, 70, 80, 18  # of the cells; _ABOVE is without the title
_LINE, _LETTER = 20, 8.6  # of the title: its height, and the width to allow for a letter
_NARROWEST = 400
_TONES = ((0xF4, 0xF6, 0xF8), (0x6A, 0xAE, 0xD6), (0x08, 0x30, 0x6B))  # of the shares 0, 0.5 and 1
_WHITE_INK_FROM = 0.7
_STYLE = (
    "text { font: 13px system-ui, sans-serif; fill: #16191d; } .title { font-size: 15px; font-weight: 600; } "
    ".label { fill: #bd4a00; } .quiet { fill: #535c68; } .small { font-size: 11px; } .middle { text-anchor: middle; } "
    ".end { text-anchor: end; } .right { fill: none; stroke: #16191d; stroke-width: 1.5; }"
)


def draw_confusion(confusion: NDArray[np.int64], classes: Sequence[str], *, title: str, label: str = "") -> str:
    """Draw a confusion matrix: in each cell the share of its row and the count, at the right the faces of the row.

    Args:
        confusion: (E, E) counts: a row for the truth, a column for the prediction.
        classes: E names.
        title: what was judged, with the data set.
        label: stands over the title, such as "drawn data".

    Returns:
        An SVG file, the same for the same counts.

    Raises:
        UsageError: no classes, another shape than the names say, a negative count, or no face at all.
    """
    size = len(classes)
    if not size or confusion.shape != (size, size) or confusion.min() < 0 or not confusion.any():
        raise UsageError(
            expected=f"counts ({size}, {size}) of one face or more",
            came=f"{confusion.shape}",
            remedy="a row and a column for each class",
        )
    right, total = int(np.trace(confusion)), int(confusion.sum())
    width = max(_LEFT + _WIDE * size + _RIGHT, _NARROWEST)
    heads = [(line, "title label") for line in _wrapped(label, width)]
    heads += [(line, "title") for line in _wrapped(title, width)]
    top = _LINE * len(heads) + _ABOVE
    drawing = _svg(width, top + _HIGH * size + _BELOW, ": ".join(filter(None, (label, title))))
    for number, (line, style) in enumerate(heads, start=1):
        _text(drawing, line, 14, 6 + _LINE * number, style)
    counted = f"{right:,} of {total:,} right, {100 * right / total:.1f} %; shares are of the row"
    _text(drawing, counted, 14, 6 + _LINE * (len(heads) + 1), "quiet")
    _text(drawing, "prediction", _LEFT + _WIDE * size / 2, top - 32, "quiet middle")
    ends = _LEFT + _WIDE * size + _RIGHT - 14
    _text(drawing, "faces", ends, top - 10, "quiet end")
    middle = top + _HIGH * size / 2
    turned = _text(drawing, "truth", 22, middle, "quiet middle")
    turned.set("transform", f"rotate(-90 22 {middle:.1f})")
    for number, (name, shares) in enumerate(zip(classes, row_shares(confusion).tolist(), strict=True)):
        y = top + _HIGH * number
        _text(drawing, name, _LEFT + _WIDE * (number + 0.5) - 1, top - 10, "middle")
        _text(drawing, name, _LEFT - 10, y + _HIGH / 2 + 4, "end")
        _text(drawing, f"{int(confusion[number].sum()):,}", ends, y + _HIGH / 2 + 4, "quiet end")
        for column, share in enumerate(shares):
            _cell(drawing, _LEFT + _WIDE * column, y, share, int(confusion[number, column]))
        x = _LEFT + _WIDE * number
        _shape(drawing, "rect", "right", x=x + 0.75, y=y + 0.75, width=_WIDE - 3.5, height=_HIGH - 3.5)
    return ElementTree.tostring(drawing, encoding="unicode")


def write_confusion(
    path: str | os.PathLike[str],
    confusion: NDArray[np.int64],
    classes: Sequence[str],
    *,
    title: str,
    label: str = "",
) -> Path:
    """Write `draw_confusion` as a file, whole or not at all.

    Args:
        path: of the SVG.
        confusion: as for `draw_confusion`.
        classes: E names.
        title: what was judged, with the data set.
        label: such as "drawn data".

    Returns:
        The path written.

    Raises:
        UsageError: nothing that can be drawn, or the place cannot be written to.
    """
    return write_atomically(path, draw_confusion(confusion, classes, title=title, label=label))


def _wrapped(words: str, width: int) -> list[str]:
    return textwrap.wrap(words, int((width - 28) / _LETTER))


def _cell(drawing: ElementTree.Element, x: float, y: float, share: float, count: int) -> None:
    nobody = np.isnan(share)
    _shape(
        drawing, "rect", "", x=x, y=y, width=_WIDE - 2, height=_HIGH - 2, fill="#f1f3f5" if nobody else _shade(share)
    )
    across = x + _WIDE / 2 - 1
    if nobody or not count:
        _text(drawing, "\N{EN DASH}" if nobody else "0", across, y + _HIGH / 2 + 4, "quiet middle")
        return
    ink = "#ffffff" if share >= _WHITE_INK_FROM else "#16191d"
    _text(drawing, f"{100 * share:.1f} %", across, y + _HIGH / 2 - 1, "middle", ink)
    _text(drawing, f"{count:,}", across, y + _HIGH / 2 + 15, "small middle", ink)


def _shade(share: float) -> str:
    """Near white at 0, then blue, dark at 1."""
    parts = (np.interp(share, (0, 0.5, 1), tones) for tones in zip(*_TONES, strict=True))
    return "#" + "".join(f"{round(part):02x}" for part in parts)


def _svg(width: int, height: int, title: str) -> ElementTree.Element:
    box = {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
    drawing = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **box, "role": "img"})
    ElementTree.SubElement(drawing, "title").text = title
    ElementTree.SubElement(drawing, "style").text = _STYLE
    _shape(drawing, "rect", "", x=0, y=0, width=width, height=height, fill="#ffffff")
    return drawing


def _text(
    drawing: ElementTree.Element, words: str, x: float, y: float, style: str, colour: str = ""
) -> ElementTree.Element:
    painted = {"style": f"fill: {colour}"} if colour else {}
    text = _shape(drawing, "text", style, x=x, y=y, **painted)
    text.text = words
    return text


def _shape(drawing: ElementTree.Element, tag: str, kind: str, **attributes: float | str) -> ElementTree.Element:
    written = {name: value if isinstance(value, str) else f"{value:.1f}" for name, value in attributes.items()}
    return ElementTree.SubElement(drawing, tag, ({"class": kind} if kind else {}) | written)
