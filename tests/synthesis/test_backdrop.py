import numpy as np
import pytest

from countenance.synthesis.backdrop import draw_backdrop, wall_colours
from countenance.synthesis.camera import Camera
from countenance.synthesis.layers import Lights
from countenance.synthesis.light import ColourLight, InfraredLight
from countenance.synthesis.noise import Noise
from countenance.synthesis.truth import Wall

CAMERA = Camera(size=48, focal=48 * 600 / 205)
ROOM = ColourLight(0.5, 0.5, np.array([0.0, 0, 1]), np.ones(3))


def test_a_wall_fills_the_picture_behind_everything():
    backdrop = draw_backdrop(Noise(np.random.SeedSequence(0)), CAMERA)
    lights = Lights(ROOM, InfraredLight(0.2, 0.1, np.ones(3)), 0.0)
    layer = backdrop.layer(Wall(backdrop.distance, (5.0, -3.0)), CAMERA, CAMERA.everything, lights)
    assert 900 <= backdrop.distance <= 1600
    assert np.allclose(layer.depth, backdrop.distance)
    assert (layer.alpha == 1).all()
    assert not layer.face.any()
    assert layer.near.min() > layer.returned.min() > 0
    dark = backdrop.layer(Wall(backdrop.distance, (0.0, 0.0)), CAMERA, CAMERA.everything, Lights(ROOM, None, 0.0))
    assert not dark.near.any()
    assert dark.colour.min() > 0


def test_the_wall_moves_with_the_crop():
    backdrop = draw_backdrop(Noise(np.random.SeedSequence(0)), CAMERA)
    step = backdrop.distance / CAMERA.focal  # mm on the wall that a pixel sees
    still, moved = (
        backdrop.layer(Wall(backdrop.distance, (x, 0.0)), CAMERA, CAMERA.everything, Lights(ROOM, None, 0.0)).colour
        for x in (0.0, 3 * step)
    )
    assert np.allclose(moved[..., :-3], still[..., 3:], atol=1e-3)
    assert not np.allclose(moved, still, atol=1e-3)


def test_walls_are_colours_with_clouds():
    drawn = [wall_colours(Noise(np.random.SeedSequence(seed)), 40, 50) for seed in range(6)]
    assert all(each.shape == (40, 50, 3) and each.dtype == np.float32 for each in drawn)
    assert all(0.005 <= each.min() < each.max() <= 0.9 for each in drawn)
    assert np.std([each.mean() for each in drawn]) > 0.03
    assert min(each.std() for each in drawn) == pytest.approx(0.03, abs=0.03)
