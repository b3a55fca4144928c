"""Sheets of pictures: every cell in its place, and nothing where nothing is."""

import io

import numpy as np
from PIL import Image

from countenance.mosaic import LINE, TILE, draw_strips


def sheet(strips):
    return np.asarray(Image.open(io.BytesIO(draw_strips(strips))))


def test_cells_stand_in_their_columns():
    red, grey = np.full((8, 8, 3), (255, 0, 0), np.uint8), np.full((4, 4), 7, np.uint8)
    drawn = sheet([["a heading"], [red, None, grey], []])
    assert drawn.shape == (LINE + TILE + LINE, 3 * TILE, 3)
    tiles = drawn[LINE : LINE + TILE].reshape(TILE, 3, TILE, 3)
    assert (tiles[:, 0] == (255, 0, 0)).all()
    assert (tiles[:, 1] == 255).all()
    assert (tiles[:, 2] == 7).all()
    assert (drawn[:LINE] < 128).any()
    assert (drawn[-LINE:] == 255).all()


def test_words_stand_over_their_column():
    drawn = sheet([["", "here"]])
    assert (drawn[:, :TILE] == 255).all()
    assert (drawn[:, TILE:] < 128).any()
