import io
import re

import av
import numpy as np
import pytest
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image

from countenance.errors import ImageTooLarge, InputError, MissingFile, TooFewFrames, UsageError, WrongModality
from countenance.images import ImageLimits, read_image, read_plane
from countenance.loading.pictures import Entry, FilePlanes, check_alike, decode, load, stacked
from countenance.vocabulary import Modality

RGB, DEPTH = Modality.RGB, Modality.DEPTH


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def fast(monkeypatch):
    """Counts the pictures that simplejpeg decoded."""
    calls = []
    decoder = simplejpeg.decode_jpeg

    def counted(*arguments):
        calls.append(1)
        return decoder(*arguments)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", counted)
    return calls


@pytest.mark.parametrize(
    "options", [{"quality": 90}, {"quality": 50, "subsampling": 0}, {"quality": 95, "optimize": 1}]
)
def test_a_plain_jpeg_has_the_pixels_of_read_image(tmp_path, noise, fast, options):
    path = saved(tmp_path / "a.jpg", noise, **options)
    ours = decode(path)
    assert ours.shape == noise.shape
    assert ours.dtype == np.uint8
    assert abs(ours.astype(int) - read_image(path)).max() <= 1
    assert fast == [1]


def test_a_grey_jpeg_is_one_plane_or_three_equal_channels(tmp_path, noise, fast):
    path = saved(tmp_path / "a.jpg", noise[..., 0], quality=90)
    np.testing.assert_array_equal(decode(path, DEPTH)[..., 0], read_plane(path))
    np.testing.assert_array_equal(decode(path), read_image(path))
    assert fast == [1, 1]


def turned(path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(path, pixels, exif=exif, quality=90)


def other_suffix(path, pixels):
    return saved(path, pixels, format="PNG")


@pytest.mark.parametrize(
    "write",
    [
        turned,
        other_suffix,
        lambda path, pixels: saved(path, pixels, progressive=True),
        lambda path, pixels: saved(path, np.repeat(pixels[..., :1], 3, axis=-1), format="BMP"),
    ],
)
def test_every_other_picture_goes_the_careful_way(tmp_path, noise, fast, write):
    path = write(tmp_path / "a.jpg", noise)
    np.testing.assert_array_equal(decode(path), read_image(path))
    assert fast == []


def cut(path, pixels):
    saved(path, pixels, quality=90)
    path.write_bytes(path.read_bytes()[:-400])


def cmyk(path, pixels):
    Image.fromarray(pixels).convert("CMYK").save(path, quality=90)


@pytest.mark.parametrize("modality", [RGB, DEPTH])
@pytest.mark.parametrize(
    "write",
    [
        cut,
        cmyk,
        lambda path, _: path.write_bytes(b"\xff\xd8\xff"),
        lambda path, _: path.write_bytes(b""),
        lambda path, _: path.write_text("text"),
        lambda path, _: path.mkdir(),
        lambda *_: None,
    ],
)
def test_refusals_are_those_of_images(tmp_path, noise, write, modality):
    path = tmp_path / "a.jpg"
    write(path, noise)
    words = []
    for read in (lambda: decode(path, modality), lambda: (read_image if modality is RGB else read_plane)(path)):
        with pytest.raises((InputError, MissingFile)) as raised:
            read()
        words.append((type(raised.value), str(raised.value)))
    assert words[0] == words[1]


def test_limits_are_those_of_images(tmp_path, noise, fast):
    path = saved(tmp_path / "a.jpg", noise, quality=90)
    for limits in (ImageLimits(pixels=37 * 51 - 1), ImageLimits(bytes=path.stat().st_size - 1)):
        with pytest.raises(ImageTooLarge, match=re.escape(str(path))):
            decode(path, limits=limits)
    assert fast == []
    decode(path, limits=ImageLimits(pixels=37 * 51, bytes=path.stat().st_size))
    assert fast == [1]


def test_damaged_jpegs_are_read_or_refused_in_words(tmp_path, noise):
    sound = io.BytesIO()
    Image.fromarray(noise).save(sound, "JPEG", quality=90)
    generator = np.random.default_rng(1)
    path = tmp_path / "a.jpg"
    refused = 0
    for _ in range(150):
        data = bytearray(sound.getvalue())
        for place in generator.integers(2, len(data), generator.integers(1, 12)):
            data[place] = generator.integers(256)
        path.write_bytes(data)
        try:
            assert decode(path).ndim == 3
        except InputError:
            refused += 1
    assert 0 < refused < 150


def test_other_sensors_are_one_plane_of_8_bits(tmp_path, noise):
    with pytest.raises(WrongModality, match="expected one plane of an infrared or depth sensor"):
        decode(saved(tmp_path / "colour.jpg", noise, quality=90), DEPTH)
    deep = saved(tmp_path / "deep.png", (noise[..., 0].astype(np.uint16) << 4))
    with pytest.raises(WrongModality, match="expected an 8-bit picture as depth; came 16 bits in"):
        decode(deep, DEPTH)
    three = saved(tmp_path / "three.png", np.repeat(noise[..., :1], 3, axis=-1))
    np.testing.assert_array_equal(decode(three, DEPTH), noise[..., :1])


def test_an_entry_is_cut_out_and_resized(entries):
    entry = entries[0]
    planes = load(entry)
    assert {sensor: plane.shape for sensor, plane in planes.items()} == {
        RGB: (40, 48, 3),
        Modality.INFRARED: (40, 48, 1),
        DEPTH: (40, 48, 1),
    }
    boxed = Entry(identifier="x", paths=entry.paths, label=0, box=(8, 4, 24, 30))
    for sensor, plane in load(boxed).items():
        np.testing.assert_array_equal(plane, planes[sensor][4:34, 8:32])
    assert load(boxed, size=(20, 10))[DEPTH].shape == (20, 10, 1)
    theirs = Image.fromarray(planes[RGB]).crop((8, 4, 32, 34)).resize((10, 20), Image.Resampling.BILINEAR)
    assert abs(load(boxed, size=(20, 10))[RGB].astype(int) - np.asarray(theirs, int)).max() <= 1


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, 0, 49, 5), (0, 0, 5, 41), (0, 0, 0, 5), (44, 0, 5, 5)])
def test_a_box_outside_is_refused(entries, box):
    with pytest.raises(UsageError, match="expected a box inside the 48 x 40 pixels of"):
        load(Entry(identifier="x", paths=entries[0].paths, label=0, box=box))


def recorded(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_clip_gives_its_frames(tmp_path):
    grey = np.empty((9, 32, 48, 3), np.uint8)
    grey[:] = (np.arange(9) * 20)[:, None, None, None]
    paths = {sensor: recorded(tmp_path / f"{sensor}.mp4", grey) for sensor in (RGB, DEPTH)}
    planes = load(Entry(identifier="x", paths=paths, label=0, frames=(1, 4, 7)), size=(16, 16))
    assert (planes[RGB].shape, planes[DEPTH].shape) == ((3, 16, 16, 3), (3, 16, 16, 1))
    for plane in planes.values():
        assert abs(plane.mean(axis=(1, 2, 3)) - (20, 80, 140)).max() <= 3
    with pytest.raises(UsageError, match="expected numbers of frames from 0 to 8"):
        load(Entry(identifier="x", paths=paths, label=0, frames=(9,)))
    colour = grey.copy()
    colour[..., 0] = 255
    paths[DEPTH] = recorded(tmp_path / "colour.mp4", colour)
    with pytest.raises(WrongModality, match=r"came a clip in colour, .*colour\.mp4"):
        load(Entry(identifier="x", paths=paths, label=0, frames=(0,)))


def test_files_are_gathered_in_the_order_asked_for(entries):
    source = FilePlanes(entries, None)
    assert len(source) == len(entries)
    assert source.labels.tolist() == [number % 3 for number in range(len(entries))]
    numbers = np.array([7, 0, 7, 3])
    batch = source.gather(numbers)
    for place, number in enumerate(numbers.tolist()):
        for sensor, plane in load(entries[number]).items():
            np.testing.assert_array_equal(batch[sensor][place], plane)


def test_samples_that_differ_in_shape_make_no_batch(entries):
    first, other = load(entries[0]), load(entries[1], size=(30, 30))
    with pytest.raises(WrongModality, match=r"came \{'rgb': \(30, 30, 3\).* in sample 1 of the batch"):
        stacked([first, other], 2)
    with pytest.raises(WrongModality, match="in here"):
        check_alike({RGB: first[RGB]}, first, name="here")


def test_too_few_frames_are_the_clips_own_words(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises((TooFewFrames, InputError), match=re.escape(str(path))):
        load(Entry(identifier="x", paths={RGB: path}, label=0, frames=(0,)))
