from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.camera import Camera, Maps, facing, rotation
from countenance.synthesis.displays import DEVICES, draw_screen, screen_layer
from countenance.synthesis.layers import Lights
from countenance.synthesis.light import ColourLight, InfraredLight
from countenance.synthesis.spec import Display

CAMERA = Camera(size=48, focal=48 * 520 / 120)
LIGHTS = Lights(ColourLight(0.5, 0.5, np.array([0.0, 0, 1]), np.ones(3)), InfraredLight(0.2, 0, np.ones(3)), 0.3)
GREY = Maps(np.full((4, 32, 32), 0.5, np.float32), (-100, 100), (88, -112))


def plain(**changes):
    screen = draw_screen(np.random.default_rng(0), Display.LAPTOP)
    return replace(
        screen, **{"moire": 0.0, "band": 0.0, "white": np.ones(3, np.float32), "window_bright": 0.0, **changes}
    )


def shown(screen, *, yaw=0.0, frame=0):
    pose = facing(rotation(yaw, 0, 0), np.array([0.0, 0, -520]), (0, -12, 0))
    return screen_layer(screen, GREY, pose, CAMERA, CAMERA.everything, LIGHTS, frame)


def test_a_plain_screen_shows_its_film():
    screen = plain()
    expected = 0.6 * (0.985 * 0.5 + screen.black) + 0.04 * 0.4 * 0.5
    centre = shown(screen).colour[:, 24, 24]
    assert centre == pytest.approx([expected] * 3, rel=0.01)


def test_without_grid_and_bands_nothing_is_modulated():
    at = np.linspace(-40, 40, 30, dtype=np.float32)
    assert np.allclose(plain().emitted(at, at, at, 3), 1)


def test_the_grid_beats_with_the_pixels():
    flat, fringed = shown(plain()), shown(plain(moire=0.2))
    ratio = fringed.colour[:, 8:40, 8:40] / flat.colour[:, 8:40, 8:40]
    assert 0.05 < ratio.std() < 0.25
    assert ratio.mean() == pytest.approx(1, abs=0.05)
    assert np.abs(ratio[0] - ratio[1]).max() > 0.05  # red and green stand beside each other


def test_bands_run_over_the_screen():
    banded = plain(band=0.1, band_count=2.0, band_step=0.25)
    rows = np.linspace(0, 1, 48, dtype=np.float32)
    at = np.zeros(48, np.float32)
    first, second, fifth = (banded.emitted(at, at, rows, frame)[0] for frame in (0, 1, 4))
    assert np.ptp(first) == pytest.approx(0.2, abs=0.01)
    assert not np.allclose(first, second, atol=0.02)
    assert np.allclose(first, fifth, atol=1e-4)


def test_a_screen_dims_aside_and_is_black_in_the_infrared_but_for_a_glint():
    front, aside = shown(plain()), shown(plain(), yaw=25)
    assert aside.colour[1, 24, 24] < front.colour[1, 24, 24]
    assert aside.near.max() < 0.05
    assert front.near.max() > 0.1
    assert (front.near > 0.06).mean() < 0.1
    row, column = np.unravel_index(front.near.argmax(), front.near.shape)
    assert abs(row - 23.5) < 2
    assert abs(column - 23.5) < 2


def test_the_window_is_mirrored_where_it_stands():
    screen = plain(window_at=(0.3, 0.0), window_half=(0.1, 0.1), window_bright=2.0)
    mirrored = np.array([[0.3, 0.0, 0.3], [0, 0, 0.5], [1, 1, 1]], np.float32)
    assert screen.mirrored(mirrored).tolist() == [2.0, 0.0, 0.0]


@pytest.mark.parametrize("display", list(Display))
def test_every_screen_holds_a_face(display):
    device = DEVICES[display]
    assert device.half_height > 60 * device.face_scale
    screen = draw_screen(np.random.default_rng(1), display)
    assert 0.03 <= screen.moire <= 0.22
    assert 0.004 <= screen.near <= 0.0125
    assert screen.sheet.scale == device.face_scale
