import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from countenance.errors import ImageTooLarge, InputError, MissingFile, UnreadableImage, WrongModality
from countenance.images import ImageLimits, read_image, read_plane

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]
DEEP = np.random.default_rng(1).integers(0, 2**16, (7, 5), dtype=np.uint16)


def encoded(pixels: NDArray[Any] | Image.Image, form: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


LOSSLESS: Mapping[str, bytes] = {
    "png": encoded(PIXELS, "PNG"),
    "bmp": encoded(PIXELS, "BMP"),
    "webp": encoded(PIXELS, "WEBP", lossless=True),
    "png with opaque alpha": encoded(Image.fromarray(PIXELS).convert("RGBA"), "PNG"),
    "webp with opaque alpha": encoded(Image.fromarray(PIXELS).convert("RGBA"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("data", LOSSLESS.values(), ids=LOSSLESS.keys())
def test_the_pixels_of_a_lossless_file_come_back(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "face").write_bytes(data)
    for source in (data, tmp_path / "face", str(tmp_path / "face")):
        pixels = read_image(source)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        np.testing.assert_array_equal(pixels, PIXELS)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_what_pillow_decodes(progressive: bool) -> None:
    data = encoded(PIXELS, "JPEG", progressive=progressive, comment=b"hello")
    np.testing.assert_array_equal(read_image(data), np.asarray(Image.open(io.BytesIO(data))))


def test_palette_and_grey_are_widened() -> None:
    palette = Image.fromarray(PIXELS).quantize(16)
    np.testing.assert_array_equal(read_image(encoded(palette, "PNG")), np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(read_image(encoded(palette, "BMP")), np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(read_image(encoded(GREY, "PNG")), np.stack([GREY] * 3, -1))
    black_and_white = Image.fromarray(GREY > 99)
    np.testing.assert_array_equal(read_plane(encoded(black_and_white, "PNG")), np.where(GREY > 99, 255, 0))


def test_sixteen_bits_become_the_high_byte() -> None:
    grey = png(2, 1, 16, 0, bytes([0, 0x12, 0xFF, 0xFE, 0x01]))
    np.testing.assert_array_equal(read_image(grey), [[[0x12] * 3, [0xFE] * 3]])
    colour = png(1, 1, 16, 2, bytes([0, 0x12, 0xFF, 0x34, 0x80, 0xFE, 0x01]))
    np.testing.assert_array_equal(read_image(colour), [[[0x12, 0x34, 0xFE]]])
    with_alpha = png(1, 1, 16, 6, bytes([0, 0x12, 0xFF, 0x34, 0x80, 0xFE, 0x01, 0xFF, 0xFF]))
    np.testing.assert_array_equal(read_image(with_alpha), [[[0x12, 0x34, 0xFE]]])


def test_a_plane_keeps_its_bits() -> None:
    deep = read_plane(encoded(DEEP, "PNG"))
    assert deep.dtype == np.uint16
    np.testing.assert_array_equal(deep, DEEP)
    for data in (encoded(GREY, "PNG"), encoded(np.stack([GREY] * 3, -1), "BMP"), encoded(GREY, "BMP")):
        plane = read_plane(data)
        assert plane.dtype == np.uint8
        assert plane.flags.c_contiguous
        np.testing.assert_array_equal(plane, GREY)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_undone_as_pillow_does_it(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(PIXELS, form, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(read_image(data), np.asarray(upright))


def test_orientation_by_hand_in_the_other_byte_order() -> None:
    # Value 6: the top row of what is stored is the right column of what was seen; turn it clockwise.
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
    data = png(2, 1, 8, 0, bytes([0, 10, 20]), chunk(b"eXIf", exif))
    assert read_plane(data).tolist() == [[10], [20]]
    three = np.array([[1, 2], [3, 4]], np.uint8)
    data = png(2, 2, 8, 0, b"\0\1\2\0\3\4", chunk(b"eXIf", exif))
    np.testing.assert_array_equal(read_plane(data), np.rot90(three, -1))


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03", b"x" * 40]
)
def test_a_broken_exif_block_means_upright(exif: bytes) -> None:
    assert read_plane(png(2, 1, 8, 0, bytes([0, 10, 20]), chunk(b"eXIf", exif))).tolist() == [[10, 20]]


def scans(count: int) -> bytes:
    data = encoded(PIXELS, "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    return data[:start] + b"\xff\xda\0\x08\x01\x01\0\0\0\x01" * count + data[start:]


ANIMATION: Mapping[str, Any] = {"save_all": True, "append_images": [Image.fromarray(255 - PIXELS)]}
TRANSPARENT = np.dstack([PIXELS, np.where(np.arange(35).reshape(7, 5) == 34, 254, 255).astype(np.uint8)])
REFUSED: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "expected a JPEG, PNG, WebP or BMP picture; came an empty file, x.jpg; save the picture in one of"),
    "text": (
        b"BMy face is my passport",
        "expected a JPEG, PNG, WebP or BMP picture; came (something else|a GIF) in x.jpg; save",
    ),
    "gif": (encoded(PIXELS, "GIF"), "expected a JPEG, PNG, WebP or BMP picture; came (something else|a GIF) in x.jpg"),
    "wav": (b"RIFF\0\0\0\0WAVEfmt ", "came (something else|a GIF) in x.jpg"),
    "cmyk": (
        encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"),
        r"came printer's inks \(CMYK\) in x.jpg; save it",
    ),
    "apng": (
        encoded(PIXELS, "PNG", **ANIMATION),
        "expected a still picture; came an animated one in x.jpg; save one fr",
    ),
    "animated webp": (encoded(PIXELS, "WEBP", **ANIMATION), "came an animated one in x.jpg"),
    "transparent png": (encoded(TRANSPARENT, "PNG"), "expected a picture without transparency; came transparent parts"),
    "transparent webp": (
        encoded(TRANSPARENT, "WEBP", lossless=True),
        "came transparent parts in x.jpg; save it without",
    ),
    "transparent palette": (
        encoded(Image.fromarray(GREY).quantize(4), "PNG", transparency=b"\xff\xfe\xff\xff"),
        "came transparent parts",
    ),
    "colour key": (png(1, 1, 8, 2, b"\0\1\2\3", chunk(b"tRNS", b"\0\1\0\2\0\3")), "came transparent parts"),
    "deep colour key": (png(1, 1, 16, 0, b"\0\1\2", chunk(b"tRNS", b"\1\2")), "came transparent parts"),
    "run-length bmp": (
        b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 4, 4, 1, 8, 1) + bytes(20),
        "came run-length code in x.jpg; save it as PNG",
    ),
    "many scans": (scans(101), "expected a JPEG of at most 100 scans; came more of them in x.jpg"),
    "no pixels": (png(0, 3, 8, 0, b""), "that is whole; came a damaged or truncated one in x.jpg; take or copy"),
    "wrong checksum": (
        LOSSLESS["png"][:20] + b"\0\0\0\x06" + LOSSLESS["png"][24:],
        "damaged or truncated one in x.jpg",
    ),
}


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_it_refuses(data: bytes, words: str) -> None:
    for read in (read_image, read_plane):
        with pytest.raises(UnreadableImage, match=words):
            read(data, name="x.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_truncated_file_is_refused_at_every_length(form: str) -> None:
    data = encoded(PIXELS[:, :4], form)  # rows of 12 bytes, so that a BMP has no padding to lose
    for length in range(len(data)):
        with pytest.raises(UnreadableImage):
            read_image(data[:length])
    assert read_image(data).shape == (7, 4, 3)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(
        MissingFile, match=r"expected a JPEG, PNG, WebP or BMP picture; came no file at .*none.png; check"
    ):
        read_image(tmp_path / "none.png")
    with pytest.raises(MissingFile, match="came the folder"):
        read_plane(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "face.png").write_bytes(LOSSLESS["png"])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableImage, match=r"came Permission denied for .*face.png; make the file readable"):
        read_image(tmp_path / "face.png")


def test_limits_hold_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    huge = png(30_000, 30_000, 8, 2, b"")
    with pytest.raises(
        ImageTooLarge, match=r"at most 50,000,000 pixels; came 30,000 x 30,000 pixels in big.png; scale"
    ):
        read_image(huge, name="big.png")
    webp = b"RIFF" + bytes(4) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x3e\0\xff\x3e\0"
    with pytest.raises(ImageTooLarge, match="16,128 x 16,128"):
        read_image(webp)
    with pytest.raises(ImageTooLarge, match="65,535 x 65,535"):
        read_image(b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 65535, 65535, 1, 24))
    (tmp_path / "face.png").write_bytes(LOSSLESS["png"])
    size = len(LOSSLESS["png"])
    for source in (tmp_path / "face.png", LOSSLESS["png"]):
        with pytest.raises(
            ImageTooLarge, match=f"at most {size - 1} bytes; came {size} bytes in .*; save the picture sm"
        ):
            read_image(source, limits=ImageLimits(bytes=size - 1))


def test_a_limit_that_is_just_met_admits() -> None:
    limits = ImageLimits(bytes=len(LOSSLESS["png"]), pixels=35)
    np.testing.assert_array_equal(read_image(LOSSLESS["png"], limits=limits), PIXELS)
    with pytest.raises(ImageTooLarge):
        read_image(LOSSLESS["png"], limits=ImageLimits(pixels=34))


def test_the_process_wide_limit_of_pillow_plays_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    for form in ("PNG", "BMP", "JPEG"):
        assert read_image(encoded(PIXELS, form)).shape == (7, 5, 3)


def test_text_and_profiles_are_never_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zlib, "decompressobj", None)  # what Pillow would unpack them with
    bomb = zlib.compress(bytes(2**22))
    extra = [chunk(b"zTXt", b"Comment\0\0" + bomb), chunk(b"iCCP", b"profile\0\0" + bomb)]
    assert read_plane(png(2, 1, 8, 0, bytes([0, 10, 20]), *extra)).tolist() == [[10, 20]]


def test_a_plane_in_colour_is_refused() -> None:
    with pytest.raises(
        WrongModality, match=r"one plane of an infrared or depth sensor; came a 8-bit colour picture in d.p"
    ):
        read_plane(LOSSLESS["png"], name="d.png")
    equal_but_deep = png(1, 1, 16, 2, bytes([0, 1, 2, 1, 2, 1, 2]))
    with pytest.raises(
        WrongModality, match="16-bit colour picture in the image; name the infrared or depth file, saved as"
    ):
        read_plane(equal_but_deep)


def with_exif(form: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a face"
    return encoded(PIXELS, form, exif=exif)


SEEDS = [
    *LOSSLESS.values(),
    *(data for data, _ in REFUSED.values()),
    *(with_exif(form) for form in ("JPEG", "PNG", "WEBP")),
    encoded(PIXELS, "JPEG", progressive=True),
    encoded(PIXELS, "WEBP"),
    encoded(DEEP, "PNG"),
    encoded(Image.fromarray(PIXELS).quantize(16), "PNG"),
    encoded(Image.fromarray(GREY > 99), "BMP"),
]


@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6)), max_size=4),
    length=st.floats(0.5, 1.5),
)
@settings(max_examples=600, deadline=None)
def test_any_bytes_give_pixels_or_an_input_error(
    seed: bytes, edits: list[tuple[float, bytes, int]], length: float
) -> None:
    data = bytearray(seed)
    for place, new, gone in edits:
        start = int(place * len(data))
        data[start : start + gone] = new
    damaged = bytes(data[: int(length * len(data))])
    readers: tuple[Callable[..., NDArray[Any]], ...] = (read_image, read_plane)
    for read in readers:
        try:
            pixels = read(damaged, limits=ImageLimits(pixels=10_000))
        except InputError:
            continue
        assert pixels.ndim == (3 if read is read_image else 2)
        assert pixels.dtype in ((np.uint8,) if read is read_image else (np.uint8, np.uint16))
        assert 0 < pixels.size <= 30_000
