"""Picture files to pixels: the one door through which a still image enters.

What stands in a file is chosen by whoever sends it, so the containers are taken apart here and only the parts that
carry pixels reach Pillow: no text, profile or EXIF block is unpacked (a 4 kB zTXt block can unpack to a gigabyte),
sizes are compared with the limits before anything is decoded, and no process-wide setting of Pillow or of `warnings`
is read or changed, so that threads with different limits do not disturb each other. Colour profiles are ignored:
the numbers in the file are taken as sRGB.
"""

import io
import os
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from countenance.errors import ImageTooLarge, InputError, UnreadableImage, WrongModality
from countenance.files import existing_file

_READ = "a JPEG, PNG, WebP or BMP picture"
_MOST_SCANS = 100  # encoders write about 10; each scan of a progressive JPEG walks the whole picture


@dataclass(frozen=True)
class ImageLimits:
    """What a picture may cost at most.

    Attributes:
        bytes: size of the file.
        pixels: width times height, as the header states them.
    """

    bytes: int = 32 * 2**20
    pixels: int = 50_000_000


@dataclass(frozen=True)
class _Still:
    """A container taken apart: its size, and the parts that carry pixels."""

    plugin: Callable[[io.BytesIO], ImageFile.ImageFile]
    data: bytes
    size: tuple[int, int]
    orientation: int = 1
    bits: int = 8


_DEFAULT = ImageLimits()


def read_image(
    source: str | os.PathLike[str] | bytes, *, limits: ImageLimits = _DEFAULT, name: str | None = None
) -> NDArray[np.uint8]:
    """Read a picture as upright 8-bit RGB.

    JPEG, PNG, WebP and BMP; palette and grey are widened, 16 bits are reduced to the high byte, EXIF orientation is
    applied, and an alpha channel is dropped when it is fully opaque (any other would need a background that the
    file does not name).

    Args:
        source: path of the file, or its bytes.
        limits: how large it may be.
        name: what to call it in a message; the path when left out.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        MissingFile: no file is there.
        ImageTooLarge: more bytes or pixels than `limits`; nothing was decoded.
        UnreadableImage: not one of the four formats, empty, damaged, truncated, animated, transparent or CMYK.
    """
    pixels, _, _ = _read(source, limits, name)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def read_plane(
    source: str | os.PathLike[str] | bytes, *, limits: ImageLimits = _DEFAULT, name: str | None = None
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read one plane of an infrared or a depth sensor, upright, in the bits it was stored in.

    Three equal 8-bit channels, as many sets store such a plane, are read as the one plane they repeat.

    Args:
        source: path of the file, or its bytes.
        limits: how large it may be.
        name: what to call it in a message; the path when left out.

    Returns:
        (H, W) uint8, or uint16 for a 16-bit grey PNG.

    Raises:
        MissingFile: no file is there.
        ImageTooLarge: more bytes or pixels than `limits`; nothing was decoded.
        UnreadableImage: as for `read_image`.
        WrongModality: the picture is in colour, or has 16 bits in more than one channel.
    """
    pixels, bits, label = _read(source, limits, name)
    if pixels.ndim == 2:
        return pixels
    first = pixels[..., 0]
    if bits == 16 or any((pixels[..., k] != first).any() for k in (1, 2)):
        raise WrongModality(
            expected="one plane of an infrared or depth sensor",
            came=f"a {bits}-bit colour picture in {label}",
            remedy="name the infrared or depth file, saved as a grey picture",
        )
    return np.ascontiguousarray(first)


def is_picture(data: bytes) -> bool:
    """Tell whether a file with these first bytes claims to be a picture that `read_image` reads.

    >>> is_picture(bytes.fromhex("ffd8ffe0")), is_picture(b"GIF89a")
    (True, False)
    """
    return any(magic.match(data) for magic in _READERS)


def _read(
    source: str | os.PathLike[str] | bytes, limits: ImageLimits, name: str | None
) -> tuple[NDArray[Any], int, str]:
    """Return the upright pixels, grey (H, W) or RGB (H, W, 3), the bits they were stored in, and the file's name."""
    data, label = _content(source, limits, name)
    take_apart = next((reader for magic, reader in _READERS.items() if magic.match(data)), None)
    if take_apart is None:
        came = f"{_other_format(data)} in {label}" if data else f"an empty file, {label}"
        raise UnreadableImage(expected=_READ, came=came, remedy="save the picture in one of these formats")
    try:
        still = take_apart(data, label)
        width, height = still.size
        if min(still.size) < 1:
            raise ValueError("no pixels")
        if width * height > limits.pixels:
            raise ImageTooLarge(
                expected=f"a picture of at most {limits.pixels:,} pixels",
                came=f"{width:,} x {height:,} pixels in {label}",
                remedy="scale the picture down",
            )
        return _upright(_pixels(still, label), still.orientation), still.bits, label
    except InputError:
        raise
    except Exception as error:  # a decoder answers damaged bytes with nearly any type of exception
        raise UnreadableImage(
            expected=f"{_READ} that is whole",
            came=f"a damaged or truncated one in {label}",
            remedy="take or copy the picture again",
        ) from error


def _content(source: str | os.PathLike[str] | bytes, limits: ImageLimits, name: str | None) -> tuple[bytes, str]:
    """Return the bytes of the file, never more than the limit, and its name."""
    if isinstance(source, bytes):
        data, label, size = source, name or "the image", len(source)
    else:
        path = existing_file(source, expected=_READ)
        label = name or str(path)
        try:
            size = path.stat().st_size
            data = _head(path, limits.bytes + 1) if size <= limits.bytes else b""
        except OSError as error:
            raise UnreadableImage(
                expected=_READ, came=f"{error.strerror} for {label}", remedy="make the file readable"
            ) from error
        size = max(size, len(data))  # it may have grown since
    if size > limits.bytes:
        raise ImageTooLarge(
            expected=f"a picture of at most {limits.bytes:,} bytes",
            came=f"{size:,} bytes in {label}",
            remedy="save the picture smaller",
        )
    return data, label


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _pixels(still: _Still, label: str) -> NDArray[Any]:
    """Decode: grey as (H, W), uint16 where it is that deep; all else as (H, W, 3)."""
    image = still.plugin(io.BytesIO(still.data))
    if image.size != still.size:
        raise ValueError(f"two sizes: {image.size} and {still.size}")
    if image.mode == "CMYK":
        raise UnreadableImage(
            expected="a picture in RGB or grey",
            came=f"printer's inks (CMYK) in {label}",
            remedy="save it as RGB",
        )
    if getattr(image, "is_animated", False):
        raise _animated(label)
    if image.has_transparency_data:
        keyed = image.mode not in ("P", "LA", "RGBA")  # one colour is named transparent; Pillow compares 8 bits of it
        if keyed or (rgba := np.asarray(image.convert("RGBA")))[..., 3].min() < 255:
            raise UnreadableImage(
                expected="a picture without transparency",
                came=f"transparent parts in {label}",
                remedy="save it without an alpha channel",
            )
        return rgba[..., :3]
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode.startswith("I"):  # I;16, and I in older Pillow
        return np.asarray(image).astype(np.uint16)
    return np.asarray(image.convert("RGB"))


def _animated(label: str) -> UnreadableImage:
    return UnreadableImage(
        expected="a still picture", came=f"an animated one in {label}", remedy="save one frame, or pass it as a clip"
    )


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the turn that EXIF orientation 1 to 8 records (Exif 2.32, table 4.6.4 A, tag 0x0112)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _orientation(exif: bytes) -> int:
    """Return the orientation that an EXIF block states; 1, upright, when it is silent or broken."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = ">" if tiff.startswith(b"MM") else "<"
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == 0x0112 and 1 <= value <= 8:
                return int(value)
    except struct.error:
        pass
    return 1


# W3C PNG (third edition), 5.3: a chunk is length, type, data, CRC.
def _png(data: bytes, label: str) -> _Still:
    kept, exif, position, kind = [data[:8]], b"", 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        start, position = position, position + 12 + length
        if position > len(data):
            raise ValueError("truncated chunk")
        if kind == b"acTL":
            raise _animated(label)
        if kind == b"eXIf":
            exif = data[start + 8 : position - 4]
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[start:position])
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    return _Still(PngImageFile, b"".join(kept), (width, height), _orientation(exif), bits)


# ITU-T T.81, B.1.1: a segment is 0xFF, marker, length (itself included), data; coded data has no 0xFF but stuffed ones.
def _jpeg(data: bytes, label: str) -> _Still:
    kept, exif, position, size = [data[:2]], b"", 2, (0, 0)
    while data[position + 1] != 0xDA:  # start of scan
        introducer, marker, length = struct.unpack_from(">BBH", data, position)
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if introducer != 0xFF or length < 2:
            raise ValueError("not a segment")
        segment = data[position : position + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header
            height, width = struct.unpack_from(">HH", segment, 5)
            size = width, height
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            exif = exif or segment[4:]
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):  # JFIF and Adobe tell the colour space
            kept.append(segment)
        position += 2 + length
    end = data.index(b"\xff\xd9", position) + 2
    if data.count(b"\xff\xda", position, end) > _MOST_SCANS:
        raise UnreadableImage(
            expected=f"a JPEG of at most {_MOST_SCANS} scans", came=f"more of them in {label}", remedy="save it anew"
        )
    kept.append(data[position:end])
    return _Still(JpegImageFile, b"".join(kept), size, _orientation(exif))


# RFC 9649, 2.3 to 2.7: a RIFF file of chunks, length, even padding; the first chunk states the canvas.
def _webp(data: bytes, label: str) -> _Still:  # noqa: ARG001 - one signature for the four readers
    kind = data[12:16]
    if kind == b"VP8X":
        size = int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = struct.unpack_from("<HH", data, 26)
        size = width & 0x3FFF, height & 0x3FFF
    exif, position = b"", 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF":
            exif = data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    return _Still(WebPImageFile, data, size, _orientation(exif))


# Microsoft, BITMAPINFOHEADER and BITMAPCOREHEADER.
def _bmp(data: bytes, label: str) -> _Still:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    if header != 12 and data[30] in (1, 2):  # older Pillow unpacks 4 bytes of run-length code to gigabytes
        raise UnreadableImage(
            expected="a BMP without compression", came=f"run-length code in {label}", remedy="save it as PNG"
        )
    return _Still(BmpImageFile, data, (width, abs(height)))


_OTHERS = {  # what people try, by its first bytes
    b"GIF8": "a GIF",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"\0\0\0": "a HEIC, AVIF or video",
}


def _other_format(data: bytes) -> str:
    return next((name for magic, name in _OTHERS.items() if data.startswith(magic)), "something else")


_READERS: Mapping[re.Pattern[bytes], Callable[[bytes, str], _Still]] = {
    re.compile(rb"\xff\xd8\xff"): _jpeg,
    re.compile(rb"\x89PNG\r\n\x1a\n"): _png,
    re.compile(rb"RIFF.{4}WEBP", re.DOTALL): _webp,
    re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL): _bmp,  # ends in the header's length
}
