import numpy as np
import pytest
from PIL import Image

from countenance.transforms.colour_jitter import ColourJitter
from countenance.transforms.multimodal import STRONG, WEAK, MultimodalView, apply_view, central_view, draw_view
from countenance.transforms.rectangle import Rectangle
from countenance.vocabulary import Modality


def geometry_of(view):
    return MultimodalView(degrees=view.degrees, part=view.part, flipped=view.flipped)


@pytest.mark.parametrize("seed", range(6))
def test_geometry_is_shared_and_colour_is_not(copies, seed):
    view = draw_view(np.random.default_rng(seed))
    seen, plain = apply_view(copies, view), apply_view(copies, geometry_of(view))
    for sensor in (Modality.INFRARED, Modality.DEPTH):
        np.testing.assert_array_equal(seen[sensor], plain[Modality.RGB])
    assert seen[Modality.RGB].shape == (2, 112, 112, 3)
    assert (seen[Modality.RGB] == plain[Modality.RGB]).all() == (view.colours is None and not view.gray)


def test_sensors_of_one_channel_keep_it(sensors):
    view = draw_view(np.random.default_rng(0))
    shapes = {sensor: plane.shape for sensor, plane in apply_view(sensors, view).items()}
    assert shapes == {Modality.RGB: (112, 112, 3), Modality.INFRARED: (112, 112, 1), Modality.DEPTH: (112, 112, 1)}


def test_the_steps_in_the_order_of_the_released_code(sensors):
    """The same view made with Pillow: rotate, resize to 125, crop, resize to 112, flip."""
    view = MultimodalView(degrees=20.0, part=Rectangle(10, 15, 90, 80), flipped=True)
    ours = apply_view(sensors, view)[Modality.RGB]
    picture = Image.fromarray(sensors[Modality.RGB]).rotate(20.0, Image.Resampling.BILINEAR)
    picture = picture.resize((125, 125), Image.Resampling.BILINEAR).crop((15, 10, 95, 100))
    picture = picture.resize((112, 112), Image.Resampling.BILINEAR).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    apart = abs(ours.astype(int) - np.asarray(picture, int))
    assert (apart > 3).mean() < 0.02
    assert np.median(apart) <= 1


def test_a_view_of_nothing_is_a_resize(sensors):
    from countenance.transforms.resizing import resize

    expected = resize(resize(sensors, height=125, width=125), height=112, width=112)
    for sensor, plane in apply_view(sensors, MultimodalView()).items():
        np.testing.assert_array_equal(plane, expected[sensor])


def test_the_central_view_is_the_middle_of_125(sensors):
    theirs = Image.fromarray(sensors[Modality.RGB]).resize((125, 125), Image.Resampling.BILINEAR).crop((6, 6, 118, 118))
    ours = central_view(sensors)
    assert abs(ours[Modality.RGB].astype(int) - np.asarray(theirs, int)).max() <= 1
    assert ours[Modality.DEPTH].shape == (112, 112, 1)


def test_draws_follow_the_generator_and_the_strength():
    strong, weak = ([draw_view(np.random.default_rng(k), strength) for k in range(800)] for strength in (STRONG, WEAK))
    assert draw_view(np.random.default_rng(5)) == strong[5]
    assert 43 < max(abs(view.degrees) for view in strong) <= 45
    assert 28 < max(abs(view.degrees) for view in weak) <= 30
    for views, least in ((strong, 0.2), (weak, 0.5)):
        shares = [view.part.height * view.part.width / 125**2 for view in views]
        assert least - 0.01 < min(shares) < least + 0.03
        jittered = [view.colours for view in views if view.colours is not None]
        assert len(jittered) / 800 == pytest.approx(0.2, abs=0.045)
        assert np.mean([view.gray for view in views]) == pytest.approx(0.2, abs=0.045)
        assert np.mean([view.flipped for view in views]) == pytest.approx(0.5, abs=0.06)
        assert all(isinstance(one, ColourJitter) for one in jittered)
    assert max(abs(view.colours.hue) for view in weak if view.colours) <= 0.125
