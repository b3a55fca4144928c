from dataclasses import replace

import numpy as np
import pytest

from countenance.synthesis.light import (
    ColourLight,
    InfraredLight,
    Material,
    dot,
    draw_colour_light,
    draw_flash,
    draw_infrared_light,
    shade_colour,
    shade_infrared,
    views,
)
from countenance.synthesis.presets import EASY, PAPER

FRONT = np.array([0.0, 0, 1])
DARK_ROOM = InfraredLight(0.0, 0.0, FRONT)


def matt(normal, colour=0.5, near=0.5, wrap=0.0):
    normal = np.array(normal, np.float32).reshape(3, 1)
    flat = np.ones(1, np.float32)
    return Material(np.full((3, 1), colour, np.float32), near * flat, 0 * flat, flat, normal, wrap)


def test_colour_by_hand():
    light = ColourLight(0.5, 0.8, FRONT, np.array([1.1, 1.0, 0.9]))
    # albedo (ambient hemisphere + key tint (cos + .12) / 1.12), no highlight
    expected = [0.5 * (0.5 * 0.72 + 0.8 * tint) for tint in (1.1, 1.0, 0.9)]
    assert shade_colour(matt([0, 0, 1]), light)[:, 0] == pytest.approx(expected, rel=1e-5)
    up = shade_colour(matt([0, 1, 0]), light)[1, 0]
    down = shade_colour(matt([0, -1, 0]), light)[1, 0]
    assert up - down == pytest.approx(0.5 * 0.5 * 0.56, rel=1e-4)


def test_gloss_adds_a_highlight_where_the_light_mirrors():
    light = ColourLight(0.5, 0.8, FRONT, np.ones(3))
    glossy = replace(matt([0, 0, 1]), gloss=np.array([0.5], np.float32))
    aside = replace(matt([0.8, 0, 0.6]), gloss=np.array([0.5], np.float32))
    assert shade_colour(glossy, light)[0, 0] > shade_colour(matt([0, 0, 1]), light)[0, 0] + 0.05
    assert shade_colour(aside, light)[0, 0] == pytest.approx(shade_colour(matt([0.8, 0, 0.6]), light)[0, 0], abs=1e-3)


def test_the_projector_fades_with_the_square_of_the_distance():
    view = np.array([[0.0], [0], [1]], np.float32)
    near, far = (shade_infrared(matt([0, 0, 1]), view, np.array([d], np.float32), DARK_ROOM)[0][0] for d in (600, 1200))
    assert near == pytest.approx(0.5, rel=1e-5)
    assert near / far == pytest.approx(4, rel=1e-5)


def test_wrap_lights_what_is_turned_away():
    view, depth = np.array([[0.0], [0], [1]], np.float32), np.array([600], np.float32)
    hard, soft = (shade_infrared(matt([1, 0, 0], wrap=w), view, depth, DARK_ROOM)[0][0] for w in (0.0, 0.5))
    assert hard == pytest.approx(0)
    assert soft == pytest.approx(0.5 * 0.5 / 1.5, rel=1e-5)


def test_the_rooms_infrared_is_not_the_projectors():
    view, depth = np.array([[0.0], [0], [1]], np.float32), np.array([600], np.float32)
    lit = InfraredLight(0.3, 0.4, FRONT)
    whole, returned = shade_infrared(matt([0, 0, 1]), view, depth, lit)
    assert returned[0] == pytest.approx(0.5, rel=1e-5)
    assert whole[0] == pytest.approx(0.5 + 0.5 * 0.7, rel=1e-5)


def test_views_are_unit_and_look_back():
    rays = np.random.default_rng(0).normal(0, 0.2, (3, 40)).astype(np.float32)
    rays[2] = -1
    back = views(rays)
    assert np.allclose(np.linalg.norm(back, axis=0), 1, atol=1e-6)
    assert (back[2] > 0).all()
    assert np.allclose(dot(back, rays), -np.linalg.norm(rays, axis=0), atol=1e-5)


def test_drawn_lights_are_in_their_ranges():
    generator = np.random.default_rng(0)
    for _ in range(50):
        light = draw_colour_light(generator)
        assert 0.35 <= light.ambient <= 0.8
        assert 0.25 <= light.key <= 1.1
        assert np.linalg.norm(light.direction) == pytest.approx(1)
        assert np.linalg.norm(light.drifted(30, 1.1).direction) == pytest.approx(1)
        assert draw_flash(generator).direction[2] > 0.8
        assert draw_infrared_light(generator, EASY).ambient <= 0.1
    assert 10 < sum(draw_infrared_light(generator, PAPER).key == 0 for _ in range(50)) < 40
