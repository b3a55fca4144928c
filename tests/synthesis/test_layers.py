import numpy as np
import pytest

from countenance.synthesis.camera import Camera, Hits, Maps, facing, rotation
from countenance.synthesis.expression import FacialActions
from countenance.synthesis.head import face_maps
from countenance.synthesis.identity import draw_identity
from countenance.synthesis.layers import Layer, Lights, fill, finer, head_layer, head_spots, over, samples_for
from countenance.synthesis.light import ColourLight, InfraredLight

CAMERA = Camera(size=64, focal=64 * 600 / 205)
ROOM = ColourLight(0.5, 0.5, np.array([0.0, 0, 1]), np.ones(3))
LIGHTS = Lights(ROOM, InfraredLight(0.2, 0, np.ones(3)), 0.3)
POSE = facing(rotation(10, -5, 2), np.array([0.0, 0, -600]))


@pytest.fixture(scope="module")
def maps():
    return Maps(face_maps(draw_identity(2, root=1), FacialActions.neutral()))


@pytest.fixture(scope="module")
def layer(maps):
    return head_layer(maps, POSE, CAMERA, CAMERA.everything, 2, LIGHTS)


def flat(alpha, depth, value):
    plane = np.full((2, 3), value, np.float32)
    whole = np.full((2, 3), alpha, np.float32)
    colour = np.stack([plane * alpha] * 3)
    where = np.full((2, 3), depth, np.float32)
    return Layer(colour, plane * alpha, plane * alpha, whole, whole, colour * 0 + value, where, colour[:2] * 0 + value)


def test_a_head_is_whole_and_consistent(layer):
    assert layer.colour.shape == (3, 64, 64)
    for plane in vars(layer).values():
        assert plane.dtype == np.float32
        assert np.isfinite(plane).all()
    solid = layer.depth > 0
    assert 0.3 < solid.mean() < 0.9
    assert (layer.alpha[solid] > 0.5).all()
    assert np.abs(layer.depth[solid] - 600).max() < 150
    assert (layer.face <= layer.alpha + 1e-6).all()
    assert (layer.returned <= layer.near + 1e-6).all()
    inside = layer.alpha > 0.999
    assert np.median(np.linalg.norm(layer.normal, axis=0)[inside]) == pytest.approx(1, abs=0.01)


def test_colour_alone_is_the_same_colour(maps, layer):
    alone = head_layer(maps, POSE, CAMERA, CAMERA.everything, 2, Lights(ROOM, None, 0.3))
    assert np.array_equal(alone.colour, layer.colour)
    assert not alone.near.any()
    assert not alone.returned.any()


def test_supersampling_changes_edges_not_faces(maps, layer):
    single = head_layer(maps, POSE, CAMERA, CAMERA.everything, 1, LIGHTS)
    assert np.mean((single.depth > 0) != (layer.depth > 0)) < 0.02
    assert np.corrcoef(single.colour.ravel(), layer.colour.ravel())[0, 1] > 0.97
    partial = [np.mean((each.alpha > 0.01) & (each.alpha < 0.99)) for each in (single, layer)]
    assert partial[1] > partial[0]


def test_spots_are_the_head_at_those_pixels(maps):
    whole = head_layer(maps, POSE, CAMERA, CAMERA.everything, 1, LIGHTS)
    at = np.zeros((64, 64), bool)
    at[20:40, 25:50] = True
    spots = head_spots(maps, POSE, CAMERA.rays(CAMERA.everything)[:, at.ravel()], LIGHTS)
    assert np.allclose(spots.colour[:, 0], whole.colour[:, at], atol=1e-6)
    assert np.allclose(spots.depth[0], whole.depth[at], atol=1e-3)


def test_over_by_hand():
    seen, behind = over(flat(0.25, 0, 0.8), flat(1.0, 900, 0.4))
    assert np.allclose(seen.colour, 0.25 * 0.8 + 0.75 * 0.4)
    assert np.allclose(seen.alpha, 1)
    assert behind.all()
    assert (seen.depth == 900).all()
    hidden, behind = over(flat(1.0, 500, 0.8), flat(1.0, 900, 0.4))
    assert np.allclose(hidden.colour, 0.8)
    assert not behind.any()
    assert (hidden.depth == 500).all()


def test_filling_holes_is_laying_over_with_less_light():
    front, back = flat(0.25, 0, 0.8), flat(1.0, 900, 0.4)
    spots = Layer(*(plane.reshape(*plane.shape[:-2], 1, 6) for plane in vars(back).values()))
    expected, _ = over(front, back)
    behind = fill(front, spots, np.ones((2, 3), bool), 1.0)
    assert behind.all()
    for name, plane in vars(expected).items():
        if name != "face":
            assert np.allclose(vars(front)[name], plane), name
    dim = flat(0.0, 0, 0.0)
    fill(dim, spots, np.ones((2, 3), bool), 0.8)
    assert np.allclose(dim.colour, 0.8 * 0.4)


def test_filling_touches_only_what_it_is_given():
    front, back = flat(0.25, 0, 0.8), flat(1.0, 900, 0.4)
    at = np.array([[True, False, False], [False, False, True]])
    spots = Layer(*(plane[..., at][..., None, :] for plane in vars(back).values()))
    assert np.array_equal(fill(front, spots, at, 1.0), at)
    assert np.array_equal(front.depth > 0, at)
    assert np.allclose(front.colour[:, ~at], 0.2)


def test_finer_places_lie_between():
    x = np.arange(12, dtype=np.float32)
    hits = Hits(x + 500, x, 0 * x, x > 5)
    assert finer(hits, (3, 4), 1) is hits
    fine = finer(hits, (3, 4), 2)
    assert fine.x.shape == (48,)
    assert fine.x.reshape(6, 8)[2, 1:7] == pytest.approx(np.arange(6) * 0.5 + 0.25 + 3, abs=1e-5)
    assert fine.hit.dtype == bool


def test_coarse_pixels_are_supersampled():
    assert samples_for(Camera(112, 400), 176.0) == 2
    assert samples_for(Camera(256, 400), 165.0) == 1
