from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.camera import Camera, Maps, facing, rotation
from countenance.synthesis.surfaces import Sheet
from countenance.synthesis.truth import Held, Places, Relief, Wall

CAMERA = Camera(size=32, focal=32 * 600 / 150)
CARD = Sheet(0.0, 0.0, 1.0, 200.0, 200.0, -200.0)


def card(turn=(0, 0, 0), at=(0, 0, -600)):
    pose = facing(rotation(*turn), np.array(at, float), (0, 0, 0))
    hits = CARD.cast(pose, CAMERA.rays(CAMERA.everything))
    place = np.stack([hits.x, hits.y]).reshape(2, 32, 32)
    return Places(CAMERA, hits.hit.reshape(32, 32).astype(np.uint8), place, (Held(CARD, pose),))


def test_what_stands_still_does_not_flow():
    assert np.abs(card((10, 5, 0)).flow_to(card((10, 5, 0)))).max() < 1e-3


def test_a_shift_by_hand():
    flow = card().flow_to(card(at=(3, -2, -600)))
    pixel = 600 / CAMERA.focal
    assert np.allclose(flow[..., 0], 3 / pixel, atol=1e-3)
    assert np.allclose(flow[..., 1], 2 / pixel, atol=1e-3)


def test_a_nearing_card_flows_outward():
    flow = card().flow_to(card(at=(0, 0, -500)))
    assert flow[0, 0] == pytest.approx([-15.5 * 0.2, -15.5 * 0.2], abs=1e-3)
    assert flow[31, 0] == pytest.approx([-15.5 * 0.2, 15.5 * 0.2], abs=1e-3)


def test_a_turn_and_back_is_no_flow():
    first, second = card(), card((8, -4, 3))
    there = first.flow_to(second)
    rows, columns = np.mgrid[:32, :32]
    back = second.flow_to(first)
    inner = np.s_[8:24, 8:24]
    row, column = (np.rint(v).astype(int) for v in (rows + there[..., 1], columns + there[..., 0]))
    residual = there[inner] + back[row[inner], column[inner]]
    assert np.abs(residual).max() < 0.25  # the flow back is read at whole pixels


def test_nothing_does_not_flow():
    first = card()
    assert not replace(first, owner=0 * first.owner).flow_to(card(at=(9, 9, -600))).any()


def test_a_film_moves_on_its_screen():
    film_now, film_later = card(), card(at=(5, 0, -600))
    pitch = 2.0
    now = replace(card(), content=(film_now, pitch, 0.0))
    later = replace(card(), content=(film_later, pitch, 0.0))
    flow = now.flow_to(later)
    film_flow = 5 * CAMERA.focal / 600  # pixels of the film, each 2 mm on the screen
    assert flow[16, 16, 0] == pytest.approx(film_flow * pitch * CAMERA.focal / 600, abs=1e-3)
    assert flow[16, 16, 1] == pytest.approx(0, abs=1e-3)


def test_walls_and_reliefs_are_where_they_are_cast():
    wall = Wall(1000.0, (4.0, 2.0)).points(np.array([4.0], np.float32), np.array([2.0], np.float32))
    assert wall[:, 0].tolist() == [0, 0, -1000]
    relief = Relief(Maps(np.full((1, 216, 180), 7, np.float32)), facing(np.eye(3), np.array([0.0, 0, -600])))
    assert relief.points(*np.zeros((2, 1), np.float32))[:, 0].tolist() == [0, 12, -600 - 50 + 7]
