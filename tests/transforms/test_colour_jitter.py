import colorsys

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from countenance.transforms.colour_jitter import ColourJitter, JitterRange, draw_jitter, grey, jitter
from countenance.vocabulary import Modality

RANGES = JitterRange(brightness=0.5, contrast=0.4, saturation=0.3, hue=0.25)


def changed(pixels, **drawn):
    return jitter({Modality.RGB: pixels}, ColourJitter(**drawn))[Modality.RGB]


def test_nothing_drawn_changes_nothing(copies):
    after = jitter(copies, ColourJitter())
    for plane in after.values():
        np.testing.assert_array_equal(plane, copies[Modality.RGB])


def test_a_turn_of_the_whole_circle_is_nothing(copies):
    np.testing.assert_array_equal(changed(copies[Modality.RGB], hue=1.0), copies[Modality.RGB])


def test_only_rgb_is_touched(copies, sensors):
    drawn = draw_jitter(np.random.default_rng(0), RANGES)
    for planes in (copies, sensors):
        after = jitter(planes, drawn)
        assert (after[Modality.RGB] != planes[Modality.RGB]).any()
        for sensor in (Modality.INFRARED, Modality.DEPTH):
            assert after[sensor] is planes[sensor]


def test_each_frame_by_itself(copies):
    drawn = ColourJitter(brightness=0.8, contrast=1.3, saturation=0.6, hue=0.1)
    clip = copies[Modality.RGB]
    np.testing.assert_array_equal(
        jitter(copies, drawn)[Modality.RGB][1], jitter({Modality.RGB: clip[1]}, drawn)[Modality.RGB]
    )


@pytest.mark.parametrize(
    ("name", "enhance"),
    [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)],
)
@pytest.mark.parametrize("factor", [0.5, 0.9, 1.5])
def test_factors_do_what_pillow_does(sensors, name, enhance, factor):
    pixels = sensors[Modality.RGB]
    theirs = np.asarray(enhance(Image.fromarray(pixels)).enhance(factor), int)
    assert abs(changed(pixels, **{name: factor}).astype(int) - theirs).max() <= 2


def test_the_limits_of_the_factors(sensors):
    pixels = sensors[Modality.RGB]
    assert changed(pixels, brightness=0.0).max() == 0
    assert np.ptp(changed(pixels, contrast=0.0)) == 0
    np.testing.assert_array_equal(changed(pixels, saturation=0.0), np.repeat(grey(pixels[None])[0], 3, axis=-1))


@pytest.mark.parametrize("turn", [-0.25, 0.1, 1 / 3, 0.5])
def test_the_hue_turns_round_the_circle(turn):
    colours = np.random.default_rng(0).integers(0, 256, (4, 8, 3), np.uint8)
    after = changed(colours, hue=turn)
    for before, now in zip(colours.reshape(-1, 3), after.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
        expected = 255 * np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
        assert abs(now - expected).max() <= 1


def test_the_order_counts():
    pixels = np.full((1, 2, 2, 3), 200, np.uint8)
    pixels[:, 0] = 40
    first = changed(pixels, brightness=1.5, contrast=0.5)
    last = changed(pixels, brightness=1.5, contrast=0.5, order=("contrast", "brightness", "saturation", "hue"))
    assert first[0, :, 0, 0].tolist() == [109, 206]  # 60 and 255 about 158, by half; 206.5 goes to even
    assert last[0, :, 0, 0].tolist() == [120, 240]  # 80 and 160 about 120, by one and a half


def test_draws_lie_in_their_ranges():
    generator = np.random.default_rng(0)
    drawn = [draw_jitter(generator, RANGES) for _ in range(500)]
    for name in ("brightness", "contrast", "saturation"):
        values = np.array([getattr(one, name) for one in drawn])
        reach = getattr(RANGES, name)
        assert (values.min() >= 1 - reach, values.max() <= 1 + reach, np.ptp(values) > 1.9 * reach) == (True,) * 3
    hues = np.array([one.hue for one in drawn])
    assert (abs(hues).max() <= 0.25, np.ptp(hues) > 0.48) == (True, True)
    assert len({one.order for one in drawn}) == 24
