"""Tints: what they do to levels, and what they leave alone."""

import numpy as np

from countenance.transforms.tint import Tint, draw_tint, tint
from countenance.vocabulary import Modality


def test_gains_and_gammas_by_hand():
    grey = np.full((1, 2, 2, 3), 128, np.uint8)
    found = tint({Modality.RGB: grey}, Tint((1.0, 0.5, 3.0), (1.0, 1.0, 1.0)))[Modality.RGB]
    assert found[0, 0, 0].tolist() == [128, 64, 255]
    found = tint({Modality.RGB: grey}, Tint((1.0, 1.0, 1.0), (1.0, 2.0, 0.5)))[Modality.RGB]
    assert found[0, 0, 0].tolist() == [128, 64, 181]


def test_black_stays_black_and_one_channel_stays_as_it_is():
    planes = {Modality.RGB: np.zeros((1, 3, 3, 3), np.uint8), Modality.INFRARED: np.full((1, 3, 3, 1), 77, np.uint8)}
    found = tint(planes, draw_tint(np.random.default_rng(0)))
    assert not found[Modality.RGB].any()
    assert found[Modality.INFRARED] is planes[Modality.INFRARED]


def test_what_is_drawn_depends_on_the_generator_alone():
    assert draw_tint(np.random.default_rng(3)) == draw_tint(np.random.default_rng(3))
    drawn = [draw_tint(np.random.default_rng(seed)) for seed in range(200)]
    gammas = np.log([each.gammas for each in drawn])
    assert abs(gammas.mean()) < 0.05
    assert abs(gammas.std() - 0.25) < 0.03
