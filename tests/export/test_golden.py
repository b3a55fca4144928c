"""Golden vectors: what they hold, and what comparing with them finds."""

import numpy as np
import pytest

from countenance.errors import ParityError
from countenance.export.golden import PixelInput, apart, golden_pixels, refuse_blind, refuse_other_answers
from countenance.vocabulary import Modality

RGB = PixelInput(name="rgb", modality=Modality.RGB, shape=(48, 48, 3), cut="")
DEPTH = PixelInput(name="depth", modality=Modality.DEPTH, shape=(48, 48, 1), cut="")
INFRARED = PixelInput(name="infrared", modality=Modality.INFRARED, shape=(48, 48, 1), cut="")
FRAMES = PixelInput(name="frames", modality=Modality.RGB, shape=(2, 48, 48, 3), cut="", surroundings=True)
GOLDEN = {"scores": np.array([[-1.0], [0.0], [2.0]], np.float32)}


def compared(*scores, tolerance=1e-3, name="scores", ordered="scores"):
    came = {name: np.array([[each] for each in scores], np.float32)}
    return refuse_other_answers(GOLDEN, came, tolerance=tolerance, scores=ordered)


def test_the_vectors_are_the_same_each_time_and_people_stand_apart():
    pixels = golden_pixels([RGB, DEPTH, INFRARED])
    assert {name: values.shape for name, values in pixels.items()} == {
        "rgb": (8, 48, 48, 3),
        "depth": (8, 48, 48, 1),
        "infrared": (8, 48, 48, 1),
    }
    again = golden_pixels([RGB, DEPTH, INFRARED])
    for name, values in pixels.items():
        assert values.dtype == np.uint8
        np.testing.assert_array_equal(values, again[name])
        assert len({each.tobytes() for each in values}) == 8
    assert not np.array_equal(pixels["depth"], pixels["infrared"])
    frames = golden_pixels([FRAMES])["frames"]
    assert frames.shape == (8, 2, 48, 48, 3)
    assert not np.array_equal(frames[0, 0], frames[0, 1])
    assert np.ptp(frames[-1]) < 8


def test_vectors_that_would_miss_a_wrong_order_are_refused():
    pixels = golden_pixels([RGB, DEPTH, INFRARED])

    def by(weigh):
        return lambda given: {"scores": weigh({name: values.astype(np.float32) for name, values in given.items()})}

    def red(given):
        return given["rgb"][..., 0].mean((1, 2))[:, None]

    def deep(given):
        return given["depth"].mean((1, 2))

    everything = by(lambda given: red(given) + deep(given))
    refuse_blind([RGB, DEPTH, INFRARED], pixels, everything, tolerance=1e-5)
    with pytest.raises(ParityError, match="the channels of rgb turned round"):
        refuse_blind([RGB, DEPTH], pixels, by(deep), tolerance=1e-5)
    with pytest.raises(ParityError, match="depth in the place of infrared"):
        refuse_blind([RGB, DEPTH, INFRARED], pixels, by(red), tolerance=1e-5)


def test_what_differs_is_measured_over_the_largest_number():
    assert compared(-1.0, 0.0, 2.001) == pytest.approx(0.0005, rel=1e-3)
    assert apart({"a": np.full(2, 0.5, np.float32)}, {"a": np.full(2, 0.25, np.float32)}) == 0.25


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ((-1.0, 0.0, 2.1), "golden answers within 0.001; came answers that are 0.05 away"),
        ((1.0, 0.0, -2.0), "3 of 3 pairs the other way round, as of a network whose polarity was turned round"),
        ((0.0, -1.0, 2.0), "1 of 3 pairs the other way round; "),
        ((-1.0, float("nan"), 2.0), "answers that are nan away"),
        ((-1.0, 0.0), r"outputs .*\(3, 1\).*came.*\(2, 1\)"),
    ],
)
def test_other_answers_are_refused(scores, words):
    with pytest.raises(ParityError, match=words):
        compared(*scores)


def test_the_order_holds_where_the_tolerance_is_wide_and_scores_are_named():
    compared(-0.5, -0.6, 2.0, tolerance=0.6)  # 0.1 the other way round, of scores that count as equal
    with pytest.raises(ParityError, match="1 of 3 pairs"):
        compared(-0.5, -0.6, 2.0, tolerance=0.31)
    assert compared(-0.5, -0.6, 2.0, tolerance=0.31, ordered=None) == pytest.approx(0.3)
    with pytest.raises(ParityError, match="outputs"):
        compared(-1.0, 0.0, 2.0, name="other")
