"""Pictures and their heat, side by side."""

import numpy as np
import pytest
from PIL import Image

from countenance.errors import UsageError
from countenance.mosaic import LINE, TILE
from countenance.report.activation_sheet import ActivationCell, ActivationRow, overlaid, write_activation_sheet


def row(title, count, *, grey=False):
    picture = np.full((20, 20) if grey else (20, 20, 3), 100, np.uint8)
    heat = np.zeros((20, 20), np.float32)
    heat[:10] = 1
    return ActivationRow(title=title, cells=(ActivationCell(caption="0.1 s", picture=picture, heat=heat),) * count)


def test_red_is_hot_and_blue_is_cold():
    for picture in (np.full((4, 4, 3), 100, np.uint8), np.full((4, 4), 100, np.uint8)):
        mixed = overlaid(picture, np.repeat(np.array([[1], [1], [0], [0]], np.float32), 4, axis=1)).astype(int)
        assert mixed.shape == (4, 4, 3)
        assert (mixed[:2, :, 0] > mixed[:2, :, 2] + 40).all()
        assert (mixed[2:, :, 2] > mixed[2:, :, 0] + 40).all()


def test_a_row_for_a_presentation_and_its_heat_beside_each_picture(tmp_path):
    path = write_activation_sheet(
        tmp_path / "a" / "sheet.png", [row("bona fide", 5), row("print", 5, grey=True)], title="t", label="drawn data"
    )
    sheet = np.asarray(Image.open(path))
    assert sheet.shape[:2] == (2 * LINE + 2 * (3 * LINE + TILE), 10 * TILE)
    top = 4 * LINE
    assert (sheet[top : top + TILE, :TILE] == 100).all()
    hot, cold = sheet[top + 20, TILE + 20].astype(int), sheet[top + TILE - 20, TILE + 20].astype(int)
    assert hot[0] > hot[2]
    assert cold[2] > cold[0]


@pytest.mark.parametrize("rows", [[], [row("empty", 0)]])
def test_nothing_to_show_is_refused(tmp_path, rows):
    with pytest.raises(UsageError, match="pictures to show"):
        write_activation_sheet(tmp_path / "sheet.png", rows, title="t")
    assert not list(tmp_path.iterdir())
