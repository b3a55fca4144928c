import numpy as np
import pytest
import torch

from countenance.synthesis.camera import FACE_CENTRE, Camera, Maps, Pose, Window, cast, facing, rotation, turned
from countenance.synthesis.texture import COLUMNS, ROWS, X_EXTENT, Y_EXTENT

CAMERA = Camera(size=64, focal=64 * 600 / 176)


def ball(radius):
    """Maps of half a ball about the origin of the face frame, and nothing round it."""
    x, y = np.linspace(*X_EXTENT, COLUMNS), np.linspace(*Y_EXTENT, ROWS)[:, None]
    inside = radius**2 - x**2 - y**2
    return Maps(np.where(inside > 0, np.sqrt(np.maximum(inside, 0)), -70).astype(np.float32)[None])


def test_rotations_turn_the_way_that_they_say():
    forward, up = np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    assert (rotation(20, 0, 0) @ forward)[0] > 0
    assert (rotation(0, 20, 0) @ forward)[1] < 0
    assert (rotation(0, 0, 20) @ up)[0] < 0
    matrix = rotation(13, -7, 4)
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_turned_is_the_matrix_product():
    vectors = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    assert np.allclose(turned(rotation(10, 20, 30), vectors), rotation(10, 20, 30) @ vectors, atol=1e-5)


def test_poses_compose():
    outer, inner = facing(rotation(9, 2, 1), np.array([1.0, 2, -500])), facing(rotation(-4, 8, 0), np.zeros(3))
    points = np.random.default_rng(1).normal(0, 50, (3, 20)).astype(np.float32)
    assert np.allclose(outer.after(inner).apply(points), outer.apply(inner.apply(points)), atol=1e-3)
    assert np.allclose(outer.apply(np.array(FACE_CENTRE, np.float32)[:, None])[:, 0], [1, 2, -500], atol=1e-3)


@pytest.mark.parametrize("samples", [1, 2])
def test_a_point_on_a_ray_projects_to_its_pixel(samples):
    window = Window(3, 20, 10, 31)
    rays = CAMERA.rays(window, samples)
    columns, rows = CAMERA.project(rays * 437).reshape(2, 17 * samples, 21 * samples)
    offset = 0 if samples == 1 else 0.25
    assert columns[0, 0] == pytest.approx(10 - offset, abs=1e-3)
    assert rows[0, 0] == pytest.approx(3 - offset, abs=1e-3)
    assert np.allclose(np.diff(columns, axis=1), 1 / samples, atol=1e-3)
    assert np.allclose(np.diff(rows, axis=0), 1 / samples, atol=1e-3)


def test_windows_hold_the_points_and_stay_inside():
    inside = CAMERA.window_of(np.array([[0, 10], [0, 10], [-600, -600]], np.float32), 2)
    columns, rows = CAMERA.project(np.array([[0, 10], [0, 10], [-600, -600]], np.float32))
    assert inside.left <= columns.min() - 2
    assert inside.right > columns.max() + 2
    assert inside.top <= rows.min() - 2
    assert inside.bottom > rows.max() + 2
    outside = CAMERA.window_of(np.array([[9000], [9000], [-600]], np.float32), 2)
    assert outside.shape == (1, 1)
    assert np.zeros((64, 64))[outside.slices].size == 1


def test_maps_are_bilinear():
    x = np.linspace(*X_EXTENT, COLUMNS, dtype=np.float32)
    plane = np.broadcast_to(2 * x + 1, (ROWS, COLUMNS)).copy()
    at = np.array([-50.3, 0, 17.71], np.float32)
    assert np.allclose(Maps(plane[None]).sample(at, at)[0], 2 * at + 1, atol=1e-3)


@pytest.mark.parametrize("turn", [(0, 0, 0), (25, -10, 5)])
def test_rays_meet_a_ball_where_algebra_says(turn):
    pose = Pose(rotation(*turn), np.array([3.0, -5, -600]))
    rays = CAMERA.rays(CAMERA.everything)
    hits = cast(ball(70), pose, rays)
    # |s d - c|^2 = r^2, the nearer root
    centre = pose.translation
    a, b, c = (rays**2).sum(0), -2 * (rays.T @ centre), centre @ centre - 70**2
    root = b**2 - 4 * a * c
    depth = (-b - np.sqrt(np.maximum(root, 0))) / (2 * a)
    points = pose.rotation.T @ (rays * depth - centre[:, None])
    frontal = (root > 0) & (points[2] > 25)  # the relief has no back, and is too steep to be a ball at its edge
    assert frontal.sum() > 800
    met = frontal & hits.hit
    assert met.sum() >= 0.99 * frontal.sum()  # a ray that grazes a cliff between two samples of the march misses it
    assert np.quantile(np.abs(hits.depth - depth)[met], 0.99) < 0.5
    assert np.abs(hits.depth - depth)[met].mean() < 0.05
    assert not hits.hit[(root < 0) & (np.abs(rays[0]) > 0.2)].any()


def test_a_ray_that_meets_nothing_is_a_miss():
    empty = Maps(np.full((1, ROWS, COLUMNS), -70, np.float32))
    hits = cast(empty, facing(np.eye(3), np.array([0.0, 0, -600])), CAMERA.rays(CAMERA.everything))
    assert not hits.hit.any()
    assert all(np.isfinite(plane).all() for plane in hits)


def test_rays_are_cast_alone():
    pose, ball_rays = facing(rotation(20, 5, 0), np.array([0.0, 0, -600])), CAMERA.rays(CAMERA.everything)
    many = np.tile(ball_rays, 5)
    together, alone = cast(ball(80), pose, many), cast(ball(80), pose, ball_rays)
    for several, once in zip(together, alone, strict=True):
        assert np.array_equal(several, np.tile(once, 5))


def test_threads_do_not_show():
    threads = torch.get_num_threads()
    pose, rays = facing(rotation(20, 5, 0), np.array([0.0, 0, -600])), CAMERA.rays(CAMERA.everything)
    try:
        torch.set_num_threads(1)
        one = cast(ball(80), pose, rays)
        torch.set_num_threads(2)
        two = cast(ball(80), pose, rays)
    finally:
        torch.set_num_threads(threads)
    assert all(first.tobytes() == second.tobytes() for first, second in zip(one, two, strict=True))
