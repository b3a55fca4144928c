"""Figure 3: frames that tell right from wrong, the layout, written whole, refusals."""

import numpy as np
import pytest
from PIL import Image

from countenance.errors import UsageError
from countenance.mosaic import LINE, TILE
from countenance.report import expression_sheet
from countenance.report.expression_sheet import FaceBlock, JudgedFace, framed, write_expression_sheet

GREEN, RED = [0x2E, 0x7D, 0x32], [0xC6, 0x28, 0x28]


def face(truth="happy", predicted="happy", *, shape=(48, 48), **told):
    return JudgedFace(picture=np.full(shape, 100, np.uint8), truth=truth, predicted=predicted, **told)


@pytest.mark.parametrize("shape", [(48, 48), (182, 182, 3)])
def test_a_frame_is_green_for_right_and_red_for_wrong(shape):
    right, wrong = framed(face(shape=shape)), framed(face(predicted="sad", shape=shape))
    assert right.shape == wrong.shape == (TILE, TILE, 3)
    assert right[TILE // 2, 5].tolist() == right[5, TILE // 2].tolist() == GREEN
    assert wrong[TILE // 2, 5].tolist() == wrong[-6, TILE // 2].tolist() == RED
    assert (right[0] == 255).all()  # tiles do not touch
    assert (right[12:-12, 12:-12] == 100).all()


def test_a_face_keeps_its_shape():
    tall = framed(face(shape=(100, 50, 3)))
    row = tall[TILE // 2]
    assert 45 <= (row == 100).all(axis=1).sum() <= 52  # half as wide as high
    assert (row[10] == 255).all()


def test_blocks_and_rows_of_faces(tmp_path):
    blocks = [
        FaceBlock(title="FER2013", faces=(face(),) * 5),
        FaceBlock(title="CK+", faces=(face(predicted="sad", probability=0.5),)),
    ]
    path = write_expression_sheet(tmp_path / "a" / "s.png", blocks, title="t", label="drawn data", columns=3)
    sheet = np.asarray(Image.open(path))
    row = 3 * LINE + TILE
    assert sheet.shape == (2 * LINE + 2 * 2 * LINE + 3 * row, 3 * TILE, 3)
    assert [each.name for each in path.parent.iterdir()] == ["s.png"]
    tops = [5 * LINE, 5 * LINE + row, 7 * LINE + 2 * row]
    for top, columns, colour in zip(tops, (3, 2, 1), (GREEN, GREEN, RED), strict=True):
        seen = [sheet[top + TILE // 2, TILE * column + 5].tolist() == colour for column in range(3)]
        assert seen == [column < columns for column in range(3)]
        assert (sheet[top - LINE : top, :TILE] < 128).any()  # the truth above
        assert (sheet[top + TILE : top + TILE + LINE, :TILE] < 128).any()  # the prediction below
    again = write_expression_sheet(tmp_path / "s.png", blocks, title="t", label="drawn data", columns=3)
    assert again.read_bytes() == path.read_bytes()


def test_truth_above_and_prediction_below_with_a_cross_where_wrong(monkeypatch, tmp_path):
    drawn = []

    def draw(strips):
        drawn.extend(strips)
        return b""

    monkeypatch.setattr(expression_sheet, "draw_strips", draw)
    faces = (face(), face("fear", "sad", probability=0.456), face("sad", "sad", probability=1.0))
    write_expression_sheet(tmp_path / "s.png", [FaceBlock(title="CK+", faces=faces)], title="t" * 60, label="drawn")
    said = [strip for strip in drawn if not any(isinstance(cell, np.ndarray) for cell in strip)]
    assert said[:1] == [["*** drawn ***"]]
    assert said[-4:] == [["CK+"], ["happy", "fear", "sad"], ["happy", "x sad 0.46", "sad 1.00"], []]


def test_nothing_to_show_is_refused(tmp_path):
    for blocks, columns in (
        ([], 7),
        ([FaceBlock(title="x", faces=())], 7),
        ([FaceBlock(title="x", faces=(face(),))], 0),
    ):
        with pytest.raises(UsageError, match="faces to show"):
            write_expression_sheet(tmp_path / "s.png", blocks, title="t", columns=columns)
    assert not list(tmp_path.iterdir())
