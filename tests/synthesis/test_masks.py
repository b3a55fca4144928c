import numpy as np
import pytest

from countenance.synthesis.expression import FacialActions
from countenance.synthesis.head import face_maps, features
from countenance.synthesis.identity import draw_identity
from countenance.synthesis.masks import draw_mask
from countenance.synthesis.noise import Noise, blur
from countenance.synthesis.texture import ALPHA, FACE, GLOSS, HAIR, Z

AT_REST = FacialActions.neutral()


@pytest.fixture(scope="module")
def made():
    target, wearer = draw_identity(1, root=3), draw_identity(2, root=3)
    face = face_maps(target, AT_REST)
    seats = features(target, AT_REST), features(wearer, AT_REST)
    return face, *draw_mask(Noise(np.random.SeedSequence(0)), face, face_maps(wearer, AT_REST), *seats)


def test_a_mask_is_a_softened_cast_a_little_in_front(made):
    face, mask, cut = made
    inside = (face[FACE] > 0.95) & (cut == 0)
    rise = (mask[Z] - face[Z])[inside]
    assert rise.mean() == pytest.approx(2.5, abs=0.5)
    assert np.diff(mask[Z], 2, axis=0)[inside[1:-1]].std() < np.diff(face[Z], 2, axis=0)[inside[1:-1]].std()


def test_beyond_the_face_is_the_head(made):
    face, mask, cut = made
    far = (blur(face[FACE], 1.6) == 0) & (cut == 0)
    assert far.sum() > 5000
    assert np.array_equal(mask[:5, far], face[:5, far])
    assert np.array_equal(mask[ALPHA], face[ALPHA])


def test_paint_hardly_shows_in_the_infrared(made):
    face, mask, cut = made
    inside = (face[FACE] > 0.95) & (cut == 0)
    assert mask[4][inside].std() / mask[4][inside].mean() < 0.35 * mask[2][inside].std() / mask[2][inside].mean()
    assert mask[HAIR][inside].mean() < 0.01
    assert mask[GLOSS][inside].std() < 0.5 * face[GLOSS][inside].std()


def test_eyes_look_through_two_holes(made):
    face, mask, cut = made
    columns = np.nonzero(cut[:, :90].max(axis=0))[0], 90 + np.nonzero(cut[:, 90:].max(axis=0))[0]
    assert all(10 < len(each) < 40 for each in columns)
    assert 0.005 < (cut > 0.5).mean() < 0.03
    assert (mask[Z][cut == 1] < face[Z][cut == 1]).mean() > 0.9
