import numpy as np
import pytest

from countenance.synthesis.camera import Camera, Maps, facing, rotation
from countenance.synthesis.noise import Noise
from countenance.synthesis.presets import EASY, PAPER
from countenance.synthesis.surfaces import TEXEL_MM, Sheet, draw_paper, slopes
from countenance.synthesis.texture import COLUMNS, ROWS, X_EXTENT, Y_EXTENT

CAMERA = Camera(size=48, focal=48 * 600 / 176)
POSE = facing(rotation(12, -6, 3), np.array([2.0, 4, -600]), (0, 0, 0))
WAVES = Noise(np.random.SeedSequence(0)).smooth(ROWS, COLUMNS, cells=(6, 5))


def sheet(curvature=0.0, axis=0.0, relief=None):
    return Sheet(curvature, axis, 1.03, 100.0, 110.0, -110.0, None if relief is None else Maps(relief[None]))


@pytest.mark.parametrize(
    "paper", [sheet(), sheet(1 / 80, 0.3), sheet(-1 / 500, 0.1), sheet(relief=WAVES), sheet(1 / 120, -0.2, 2 * WAVES)]
)
def test_casting_and_placing_are_inverse(paper):
    rays = CAMERA.rays(CAMERA.everything)
    hits = paper.cast(POSE, rays)
    assert hits.hit.mean() > 0.7
    again = POSE.apply(paper.points(hits.x, hits.y))
    assert np.abs(again - rays * hits.depth)[:, hits.hit].max() < 0.12


def test_a_flat_sheet_by_hand():
    pose = facing(np.eye(3), np.array([0.0, 0, -600]), (0, 0, 0))
    hits = sheet().cast(pose, CAMERA.rays(CAMERA.everything))
    assert np.allclose(hits.depth, 600, atol=1e-3)
    edge = (48 - 1) / 2 / CAMERA.focal * 600 / 1.03
    assert hits.x.max() == pytest.approx(edge, abs=1e-3)
    assert hits.y[0] == pytest.approx(edge, abs=1e-3)


def test_bending_keeps_lengths():
    bent = sheet(1 / 70)
    u = np.linspace(-50, 50, 2001, dtype=np.float32)
    points = bent.points(u, 0 * u).astype(float)
    length = np.linalg.norm(np.diff(points, axis=1), axis=0).sum()
    assert length == pytest.approx(1.03 * 100, rel=0.01)
    assert points[2].max() == pytest.approx(0, abs=1e-3)
    assert points[2, 0] < -10


@pytest.mark.parametrize("paper", [sheet(1 / 90, 0.3), sheet(relief=2 * WAVES)])
def test_normals_are_those_of_the_surface(paper):
    u, v = (np.random.default_rng(seed).uniform(-50, 50, 200).astype(np.float32) for seed in (1, 2))
    tilt = np.zeros((2, 200), np.float32)
    if paper.relief is not None:
        tilt = Maps(slopes(paper.relief.planes[0], paper.scale)).sample(u, v)
    normal = paper.normals(u, v, tilt[0], tilt[1])
    right = paper.points(u + 1, v) - paper.points(u - 1, v)
    up = paper.points(u, v + 1) - paper.points(u, v - 1)
    across = np.cross(right, up, axis=0)
    across /= np.linalg.norm(across, axis=0)
    assert (normal * across).sum(axis=0).min() > 0.995


def test_beyond_the_edges_and_the_fold_is_nothing():
    far = Camera(size=48, focal=48 * 600 / 600)
    hits = sheet().cast(POSE, far.rays(far.everything))
    assert 0.05 < hits.hit.mean() < 0.25
    rolled = sheet(1 / 30).cast(POSE, CAMERA.rays(CAMERA.everything))
    assert 0 < rolled.hit.mean() < 0.8
    assert np.abs(rolled.x[rolled.hit]).max() < 45


def test_slopes_of_a_ramp():
    x, y = np.linspace(*X_EXTENT, COLUMNS), np.linspace(*Y_EXTENT, ROWS)[:, None]
    right, up = slopes((0.3 * x + 0.2 * y).astype(np.float32), 1.0)
    assert np.allclose(right, 0.3 * 224 / 179 / TEXEL_MM, atol=1e-3)
    assert np.allclose(up, 0.2, atol=2e-3)


def test_drape_follows_the_wearer():
    wearer = np.zeros((ROWS, COLUMNS), np.float32)
    wearer[90:120, 80:100] = 80
    for seed in range(6):
        flat, _ = draw_paper(Noise(np.random.SeedSequence(seed)), EASY, bent=True, wearer=wearer)
        worn, _ = draw_paper(Noise(np.random.SeedSequence(seed)), PAPER, bent=True, wearer=wearer)
        assert flat.relief is not None
        assert worn.relief is not None
        tent = worn.relief.planes[0] - flat.relief.planes[0]
        assert tent.max() <= 1e-4
        row, column = np.unravel_index(tent.argmax(), tent.shape)
        assert 85 < row < 125
        assert 75 < column < 105


def test_bent_on_purpose_is_more_bent():
    bends = [
        [draw_paper(Noise(np.random.SeedSequence(s)), PAPER, bent=bent, wearer=None)[0].curvature for s in range(10)]
        for bent in (False, True)
    ]
    assert max(np.abs(bends[0])) < 1 / 800
    assert 1 / 150 <= min(bends[1]) <= max(bends[1]) <= 1 / 62
