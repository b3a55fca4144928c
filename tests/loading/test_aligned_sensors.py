"""One presentation to several sensors: what is empty, and what does not belong together."""

import numpy as np
import pytest
from PIL import Image

from countenance.errors import MissingFile, WrongModality
from countenance.loading.aligned_sensors import FEWEST_DEPTHS, FEWEST_LEVELS, NO_DEPTH, read_aligned, why_empty
from countenance.vocabulary import Modality

RGB, INFRARED, DEPTH = Modality.RGB, Modality.INFRARED, Modality.DEPTH
SIDE = 40


def scene(seed, channels=1):
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, channels), np.uint8)


def ramp(levels):
    """A picture whose hundredths are `levels` apart."""
    row = np.linspace(100, 100 + levels, 10_000).round().astype(np.uint8)
    return row.reshape(100, 100, 1)


@pytest.fixture
def paths(tmp_path):
    made = {}
    for seed, modality in enumerate(Modality):
        made[modality] = tmp_path / f"{modality}.png"
        save(scene(seed, 3 if modality is RGB else 1), made[modality])
    return made


def save(pixels, path, **options):
    Image.fromarray(pixels.squeeze()).save(path, **options)


def test_every_sensor_is_read(paths):
    read = read_aligned(paths)
    assert {modality: plane.shape for modality, plane in read.planes.items()} == {
        RGB: (SIDE, SIDE, 3),
        INFRARED: (SIDE, SIDE, 1),
        DEPTH: (SIDE, SIDE, 1),
    }
    assert (read.planes[DEPTH] == scene(2)).all()
    assert read.empty == {}


def test_a_grey_picture_of_three_equal_channels_is_one_plane(paths):
    save(scene(2).repeat(3, axis=2), paths[DEPTH])
    assert (read_aligned(paths).planes[DEPTH] == scene(2)).all()


@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_grey_is_empty(paths, modality, level):
    channels = 3 if modality is RGB else 1
    save(np.full((SIDE, SIDE, channels), level, np.uint8), paths[modality])
    read = read_aligned(paths)
    assert set(read.planes) == set(Modality) - {modality}
    assert "of one grey" in read.empty[modality]


def test_noise_and_a_hot_pixel_behind_a_covered_lens_are_empty():
    noise = np.random.default_rng(0).normal(10, 2.5, (112, 112, 1)).clip(0, 255).astype(np.uint8)
    noise[5, 5] = 255
    assert why_empty(noise, INFRARED)


def test_what_counts_as_levels():
    assert why_empty(ramp(FEWEST_LEVELS - 2), INFRARED)
    assert not why_empty(ramp(FEWEST_LEVELS + 2), INFRARED)
    colours = np.concatenate([ramp(0), ramp(0), ramp(60)], axis=2)
    assert not why_empty(colours, RGB)


@pytest.mark.parametrize(("rows", "empty"), [(9, True), (11, False)])
def test_a_depth_picture_needs_a_tenth_of_its_depths(rows, empty):
    assert FEWEST_DEPTHS == 0.1
    generator = np.random.default_rng(0)
    plane = generator.integers(0, NO_DEPTH + 1, (100, 100, 1)).astype(np.uint8)
    plane[:rows] = generator.integers(100, 150, (rows, 100, 1))
    assert bool(why_empty(plane, DEPTH)) is empty
    assert not why_empty(plane, INFRARED), "an infrared picture may be dark"


@pytest.mark.parametrize(("levels", "empty"), [(1, True), (2, True), (6, False)])
def test_a_silhouette_is_no_depth(levels, empty):
    plane = np.zeros((100, 100, 1), np.uint8)
    plane[20:80, 20:80] = np.random.default_rng(0).integers(128, 128 + levels, (60, 60, 1))
    assert ("the same depth" in why_empty(plane, DEPTH)) is empty
    assert not why_empty(plane, INFRARED)


def test_sixteen_bits_are_refused_in_words(paths):
    save(scene(0).astype(np.uint16) * 4, paths[DEPTH])
    with pytest.raises(
        WrongModality, match=r"expected depth as the grey picture of 8 bits .*; came 16 bits, such as m"
    ):
        read_aligned(paths)


def test_colour_is_no_depth(paths):
    save(scene(7, 3), paths[DEPTH])
    with pytest.raises(WrongModality, match="one plane of an infrared or depth sensor"):
        read_aligned(paths)


def test_two_sizes_are_refused_even_of_an_empty_picture(paths):
    save(np.zeros((SIDE, SIDE + 8, 1), np.uint8), paths[DEPTH])
    with pytest.raises(WrongModality, match=r"one size.* 40 x 40 in .*rgb.png.* 48 x 40 in .*depth.png"):
        read_aligned(paths)


@pytest.mark.parametrize(("one", "other"), [(INFRARED, DEPTH), (RGB, INFRARED)])
def test_one_picture_for_two_sensors_is_refused(paths, one, other):
    save(scene(9), paths[other])
    save(scene(9) if one is not RGB else scene(9).repeat(3, axis=2), paths[one])
    with pytest.raises(WrongModality, match=f"the same pixels as {one} and as {other}"):
        read_aligned(paths)


def test_two_black_pictures_are_two_empty_sensors(paths):
    for modality in (INFRARED, DEPTH):
        save(np.zeros((SIDE, SIDE, 1), np.uint8), paths[modality])
    assert set(read_aligned(paths).empty) == {INFRARED, DEPTH}


def test_a_missing_file_is_named(paths):
    paths[DEPTH].unlink()
    with pytest.raises(MissingFile, match=r"depth\.png"):
        read_aligned(paths)
