import numpy as np
import pytest

from countenance.transforms.rectangle import Rectangle, draw_rectangle


def test_rows_and_columns():
    picture = np.arange(20).reshape(4, 5)
    part = Rectangle(top=1, left=2, height=2, width=3)
    assert picture[part.rows, part.columns].tolist() == [[7, 8, 9], [12, 13, 14]]


def test_drawn_rectangles_have_the_area_and_ratio_asked_for():
    generator = np.random.default_rng(0)
    draws = [draw_rectangle(generator, (100, 200), area=(0.1, 0.3), aspect=(0.5, 2.0)) for _ in range(2000)]
    drawn = [part for part in draws if part is not None]
    assert len(drawn) == len(draws)
    area = np.array([part.height * part.width / 20000 for part in drawn])
    ratio = np.array([part.width / part.height for part in drawn])
    assert area.min() > 0.095
    assert area.max() < 0.305
    assert ratio.min() > 0.48
    assert ratio.max() < 2.05
    assert area.mean() == pytest.approx(0.2, abs=0.005)
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.04)
    assert all(0 <= part.top <= 100 - part.height and 0 <= part.left <= 200 - part.width for part in drawn)
    middles = [(part.top + part.height / 2, part.left + part.width / 2) for part in drawn]
    assert np.mean(middles, axis=0) == pytest.approx([50, 100], abs=2)


def test_the_whole_frame_can_be_drawn_and_what_never_fits_is_none():
    generator = np.random.default_rng(0)
    assert draw_rectangle(generator, (8, 8), area=(1, 1), aspect=(1, 1)) == Rectangle(0, 0, 8, 8)
    assert draw_rectangle(generator, (8, 8), area=(1, 1), aspect=(3, 3)) is None
