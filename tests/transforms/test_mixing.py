from collections import Counter

import numpy as np
import pytest

from countenance.transforms.mixing import Mixture, Paste, draw_mixture, mix
from countenance.transforms.rectangle import Rectangle
from countenance.vocabulary import Modality

SENSORS = tuple(Modality)
SIZE = (40, 30)


def shown(level):
    ramp = np.full((*SIZE, 1), level, np.uint8) + np.arange(SIZE[1], dtype=np.uint8)[:, None]
    return {sensor: ramp.repeat(3 if sensor is Modality.RGB else 1, 2) for sensor in SENSORS}


def test_a_blend_is_the_share_of_the_other_and_leaves_both_alone():
    ours, theirs = shown(10), shown(110)
    after = mix(ours, theirs, Mixture(share=0.25))
    for sensor in SENSORS:
        assert after[sensor].dtype == np.uint8
        np.testing.assert_array_equal(after[sensor], ours[sensor] + np.uint8(25))
        np.testing.assert_array_equal(ours[sensor], shown(10)[sensor])


def test_a_paste_reaches_its_part_of_its_sensors_alone():
    part = Rectangle(5, 3, 10, 20)
    pasted = Mixture(pastes=(Paste(part, (Modality.DEPTH,)),), other_flipped=True)
    after = mix(shown(0), shown(100), pasted)
    np.testing.assert_array_equal(after[Modality.RGB], shown(0)[Modality.RGB])
    np.testing.assert_array_equal(
        after[Modality.DEPTH][part.rows, part.columns], shown(100)[Modality.DEPTH][:, ::-1][part.rows, part.columns]
    )
    changed = after[Modality.DEPTH] != shown(0)[Modality.DEPTH]
    assert changed.sum() == part.height * part.width


def test_a_cut_fills_the_frame_and_a_mirrored_one_is_mirrored():
    cut = mix(shown(0), shown(100), Mixture(cut=Rectangle(0, 0, 20, 15)))
    assert {plane.shape[:2] for plane in cut.values()} == {SIZE}
    assert cut[Modality.DEPTH].max() <= 15
    turned = mix(shown(0), shown(100), Mixture(flipped=True))
    np.testing.assert_array_equal(turned[Modality.RGB], shown(0)[Modality.RGB][:, ::-1])


def test_every_kind_is_drawn_and_the_same_seed_draws_the_same():
    drawn = [draw_mixture(np.random.default_rng(seed), SIZE, SENSORS) for seed in range(600)]
    assert drawn[:5] == [draw_mixture(np.random.default_rng(seed), SIZE, SENSORS) for seed in range(5)]

    def kind(one):
        whole = any(paste.part == Rectangle(0, 0, *SIZE) for paste in one.pastes)
        return "exchange" if whole else "paste" if one.pastes else "blend" if one.share else "cut" if one.cut else ""

    counts = Counter(map(kind, drawn))
    expected = {"paste": 0.3, "blend": 0.3, "exchange": 0.1, "cut": 0.15, "": 0.15}
    for name, chance in expected.items():
        assert counts[name] / len(drawn) == pytest.approx(chance, abs=0.06)
    assert all(paste.sensors for one in drawn for paste in one.pastes)
    assert max(one.share for one in drawn) <= 0.5
    for one in drawn[:40]:
        assert mix(shown(0), shown(100), one)[Modality.RGB].shape == (*SIZE, 3)
