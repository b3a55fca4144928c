"""Figure 4: every count and share on it, the same bytes for the same counts, written whole, refusals."""

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.report.confusion import draw_confusion, write_confusion

COUNTS = np.array([[1_200, 300, 0], [5, 5, 10], [0, 0, 0]])
NAMES = ["happy", "sad <>", "fear"]
SPACE = "{http://www.w3.org/2000/svg}"


def nodes(svg, tag):
    return list(ElementTree.fromstring(svg).iter(SPACE + tag))  # noqa: S314 - our own words


def words(svg):
    return [node.text or "" for node in nodes(svg, "text")]


def test_every_share_and_count_is_written():
    svg = draw_confusion(COUNTS, NAMES, title="FER2013, official & slim", label="drawn data")
    assert svg == draw_confusion(COUNTS, NAMES, title="FER2013, official & slim", label="drawn data")
    said = words(svg)
    assert said[:2] == ["drawn data", "FER2013, official & slim"]
    assert "1,205 of 1,520 right, 79.3 %; shares are of the row" in said
    for part in ("prediction", "truth", "faces", "80.0 %", "1,200", "20.0 %", "25.0 %", "50.0 %", "1,500", "20"):
        assert part in said
    assert [said.count(name) for name in NAMES] == [2, 2, 2]
    assert said.count("\N{EN DASH}") == 3  # nobody is afraid
    assert said.count("0") == 2  # a cell without a face, and the faces of that row
    assert nodes(svg, "title")[0].text == "drawn data: FER2013, official & slim"


def cell_colours(svg):
    return [node.get("fill") for node in nodes(svg, "rect") if node.get("fill")][1:]


def test_the_larger_share_is_darker_and_the_diagonal_is_outlined():
    counts = np.array([[100, 0, 0, 0], [50, 50, 0, 0], [25, 0, 75, 0], [10, 0, 0, 90]])
    svg = draw_confusion(counts, [*"abcd"], title="t")
    cells = cell_colours(svg)
    assert len(cells) == 16
    shares = (counts / counts.sum(axis=1, keepdims=True)).ravel()
    brightness = [sum(bytes.fromhex(colour[1:])) for colour in cells]
    order = np.argsort(shares, kind="stable")
    assert (np.diff(np.array(brightness)[order]) <= 0).all()
    assert len(set(brightness)) == len(set(shares))
    outlines = [node for node in nodes(svg, "rect") if node.get("class") == "right"]
    assert len(outlines) == 4
    assert all(float(one.get("x")) < float(two.get("x")) for one, two in pairwise(outlines))


def contrast(ink, paper):
    def light(colour):
        parts = np.array([*bytes.fromhex(colour[1:])]) / 255
        return np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((light(ink), light(paper)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("percent", range(1, 101))
def test_ink_can_be_read_on_every_shade(percent):
    svg = draw_confusion(np.array([[percent, 100 - percent], [0, 1]]), ["a", "b"], title="t")
    ink = next(node for node in nodes(svg, "text") if node.text == f"{percent:.1f} %").get("style")
    assert contrast(ink.removeprefix("fill: "), cell_colours(svg)[0]) >= 4


def test_a_long_title_is_broken_and_the_label_never_lost():
    svg = draw_confusion(np.eye(2, dtype=int), ["a", "b"], title="a data set " * 12, label="drawn data")
    said = words(svg)
    assert said[0] == "drawn data"
    assert (
        " ".join(said[1 : said.index("2 of 2 right, 100.0 %; shares are of the row")]).split()
        == ["a", "data", "set"] * 12
    )
    assert max(len(line) for line in said) < 50


def test_it_is_written_whole_or_not_at_all(tmp_path):
    path = write_confusion(tmp_path / "a" / "confusion.svg", COUNTS, NAMES, title="t", label="drawn data")
    assert path.read_text(encoding="utf-8") == draw_confusion(COUNTS, NAMES, title="t", label="drawn data")
    assert [each.name for each in path.parent.iterdir()] == ["confusion.svg"]
    with pytest.raises(UsageError, match="counts"):
        write_confusion(path, COUNTS[:2], NAMES, title="t")
    assert "drawn data" in path.read_text(encoding="utf-8")  # the old one stays
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="to be able to write"):
        write_confusion(tmp_path / "file" / "confusion.svg", COUNTS, NAMES, title="t")


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        (np.zeros((0, 0), int), []),
        (np.ones((2, 3), int), ["a", "b"]),
        (np.ones(2, int), ["a", "b"]),
        (np.array([[1, -1], [0, 1]]), ["a", "b"]),
        (np.zeros((2, 2), int), ["a", "b"]),
    ],
)
def test_what_cannot_be_drawn(counts, names):
    with pytest.raises(UsageError, match="counts"):
        draw_confusion(counts, names, title="t")
