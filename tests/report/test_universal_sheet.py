"""The figures of universal examples: the same bytes for the same numbers, every number on them, and refusals."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from countenance.errors import UsageError
from countenance.report.universal_sheet import (
    ChangedPicture,
    draw_match_histogram,
    draw_transfer,
    perturbation,
    write_universal_sheet,
)


def words(svg):
    drawing = ElementTree.fromstring(svg)  # noqa: S314 - our own words
    return " ".join(node.text or "" for node in drawing.iter("{http://www.w3.org/2000/svg}text"))


def test_the_histogram_shows_every_kind_and_threshold():
    generator = np.random.default_rng(0)
    scores = {"mated": generator.normal(0.6, 0.1, 900), "seeds <others>": generator.normal(0.1, 0.1, 5_000)}
    svg = draw_match_histogram(scores, {"eer": 0.3, "1e-3": 0.36}, title="sface & LFW")
    assert svg == draw_match_histogram(scores, {"eer": 0.3, "1e-3": 0.36}, title="sface & LFW")
    for part in ("sface & LFW", "mated: 900", "seeds <others>: 5,000", "eer", "1e-3"):
        assert part in words(svg)
    assert svg.count("<polyline") == 2
    few = draw_match_histogram(scores | {"own": np.array([0.5, 0.7])}, {}, title="x")
    assert few.count("<polyline") == 2
    assert "own: 2, a stroke each" in words(few)


def test_the_histogram_refuses_what_it_cannot_draw():
    with pytest.raises(UsageError, match="1 to 5 kinds"):
        draw_match_histogram({}, {}, title="x")
    with pytest.raises(UsageError, match="finite scores of mated"):
        draw_match_histogram({"mated": np.array([0.1, np.nan])}, {}, title="x")


def test_the_transfer_matrix_shows_every_rate():
    rates = np.array([[0.47, 0.012, np.nan], [0.008, 1.0, 0.0]])
    svg = draw_transfer(rates, ["sface", "facenet"], ["sface", "facenet", "mobilefacenet"], title="FMR at eer")
    for part in ("47.00 %", "1.20 %", "not measured", "100.00 %", "0.00 %", "mobilefacenet"):
        assert part in words(svg)
    assert "#bd4a00" in svg  # a rate of 1 has the full colour
    assert "#ffffff" in svg
    with pytest.raises(UsageError, match=r"rates \(1, 2\)"):
        draw_transfer(rates, ["sface"], ["sface", "facenet"], title="x")
    with pytest.raises(UsageError, match=r"in \[0, 1\]"):
        draw_transfer(np.array([[1.5]]), ["sface"], ["sface"], title="x")


def test_a_perturbation_is_stretched_about_grey():
    seed = np.full((4, 4, 3), 100, np.uint8)
    example = seed.copy()
    example[0, 0], example[1, 1], example[2, 2] = 108, 92, 104
    shown = perturbation(ChangedPicture("x", seed, example))
    assert (shown[0, 0] == 255).all()
    assert (shown[1, 1] == 1).all()
    assert shown[2, 2, 0] == 192  # half of the largest change: 128 + 63.5, to the even
    assert (shown[3, 3] == 128).all()


def test_the_sheet_is_a_png_of_three_columns(tmp_path):
    generator = np.random.default_rng(0)
    seed = generator.integers(20, 230, (40, 40, 3), dtype=np.uint8)
    example = (seed + generator.integers(-8, 9, seed.shape)).astype(np.uint8)
    rows = [ChangedPicture("sface, 8/255", seed, example), ChangedPicture("budget 0", seed, seed)]
    path = write_universal_sheet(tmp_path / "sheet.png", rows, title="Universal examples")
    picture = Image.open(io.BytesIO(path.read_bytes()))
    assert picture.size == (3 * 112, 2 * 14 + 2 * (112 + 2 * 14))
    with pytest.raises(UsageError, match="pictures to show"):
        write_universal_sheet(tmp_path / "sheet.png", [], title="x")
    with pytest.raises(UsageError, match="of one shape"):
        write_universal_sheet(tmp_path / "sheet.png", [ChangedPicture("x", seed, seed[:8])], title="x")
