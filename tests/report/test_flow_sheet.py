"""Sheets of flow: colours by hand, and what stands where."""

import io

import numpy as np
import pytest
from PIL import Image

from countenance.errors import UsageError
from countenance.mosaic import LINE, TILE
from countenance.report.flow_sheet import FlowPicture, flow_colours, write_flow_sheet


def ways(*pairs):
    return np.array([pairs], np.float32)


def test_directions_are_colours_and_lengths_their_depth():
    colours = flow_colours(ways((3, 0), (-3, 0), (0, 0), (1.5, 0), (99, 0)), 3.0)[0].tolist()
    assert colours == [[255, 0, 0], [0, 255, 255], [255, 255, 255], [255, 128, 128], [255, 0, 0]]
    down, up = flow_colours(ways((0, 1), (0, -1)), 1.0)[0].tolist()
    assert down == pytest.approx([127.5, 255, 0], abs=1)
    assert up == pytest.approx([127.5, 0, 255], abs=1)


def test_a_sheet(tmp_path):
    grey, flow = np.full((8, 8, 3), 90, np.uint8), np.zeros((8, 8, 2), np.float32)
    flow[..., 0] = 5
    rows = [FlowPicture("live, person 0", grey, grey, flow, 0 * flow)] * 2
    path = write_flow_sheet(tmp_path / "flow.png", rows, title="Flow", label="drawn data")
    sheet = np.asarray(Image.open(io.BytesIO(path.read_bytes())))
    assert sheet.shape == (3 * TILE + 5 * LINE, 4 * TILE, 3)
    pictures = sheet[2 * LINE + TILE + 2 * LINE :][:TILE]
    middles = [pictures[TILE // 2, column * TILE + TILE // 2].tolist() for column in range(4)]
    assert middles == [[90] * 3, [90] * 3, [255, 0, 0], [255, 255, 255]]


def test_nothing_to_show(tmp_path):
    with pytest.raises(UsageError, match="rows to show; came none"):
        write_flow_sheet(tmp_path / "flow.png", [], title="Flow")
