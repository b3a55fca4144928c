from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.camera import Camera, Maps, facing, rotation
from countenance.synthesis.head import jaw_way, jaw_way_from_rest
from countenance.synthesis.surfaces import Sheet
from countenance.synthesis.texture import CHANNELS, FACE
from countenance.synthesis.truth import Held, Jaw, Places, Relief, Wall

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


@pytest.mark.parametrize("drop", [0.0, 0.5, 5.0, 22.0, 28.0])
def test_the_way_of_a_jaw_and_back(drop):
    now = np.linspace(-120, 0, 300).astype(np.float32)
    at_rest = now + jaw_way(now, -40.0, drop)
    assert np.allclose(at_rest - jaw_way_from_rest(at_rest, -40.0, drop), now, atol=2e-3)
    assert np.allclose(jaw_way_from_rest(np.array([-39.0, -110.0], np.float32), -40.0, drop), [0, drop])


def test_the_face_goes_with_the_jaw_and_the_neck_does_not():
    planes = np.zeros((len(CHANNELS), 216, 180), np.float32)
    planes[FACE, :, 45:135] = 1  # a stripe of face down the middle
    pose = facing(np.eye(3), np.array([0.0, 0, -600]))
    shut, wide = (Relief(Maps(planes), pose, Jaw(-40.0, drop)) for drop in (0.0, 20.0))
    x, y = np.array([0, 0, 80, 0], np.float32), np.array([20, -100, -100, -40], np.float32)
    assert np.allclose(shut.drawn_later(x, y, wide), [20, -120, -100, -40], atol=1e-3)
    assert np.allclose(wide.drawn_later(x, np.array([20, -120, -100, -40], np.float32), shut), y, atol=1e-3)
    assert shut.drawn_later(x, y, shut) is y
    held = replace(shut, jaw=None)
    assert held.drawn_later(x, y, wide) is y
    assert wide.drawn_later(x, y, held) is y
