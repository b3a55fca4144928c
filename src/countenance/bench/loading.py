"""Goal P14: pictures of a data set's size made ready for training, beside Pillow with conversion to floating point.

The peer does what torchvision's transforms do to a Pillow picture: open, random resized crop, copy to a tensor,
channels first, divide by 255, subtract the mean, divide by the deviation, stack. Ours hands out bytes, which the
network converts on its own device. Both read the same JPEG files of quality 90 from one folder, made by the benchmark,
and cut the same part out of each; their pixels are compared before any time is taken. One thread each.

P14-load is the 160 pixel picture that face sets are kept as, P14-load-640x480 a camera's frame, where the exact decoder
takes most of both sides' time. P14-cached is a batch of 256 out of the cache, beside the same peer.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from countenance.bench.timing import BenchmarkResult, compare
from countenance.errors import UsageError
from countenance.loading.cache import build_cache
from countenance.loading.pictures import Entry, FilePlanes, PlaneSource
from countenance.progress import Say, unheard
from countenance.threads import one_thread
from countenance.transforms.cropping import draw_crop
from countenance.vocabulary import Modality

SIDE = 112
BATCH = 256
AREA = (0.2, 1.0)  # least and most share of a picture that its random resized crop keeps
QUALITY = 90
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST_GREY_LEVELS = 2  # between our pixels and Pillow's


@dataclass(frozen=True)
class _Pictures:
    """What a row is measured on: how many pictures of which size, and how often they are walked through."""

    name: str
    goal: float
    height: int
    width: int
    count: int
    passes: int = 1


LOADED = _Pictures("P14-load", 3.5, 160, 160, 2 * BATCH)
FRAMES = _Pictures("P14-load-640x480", 1.5, 480, 640, BATCH // 4)


def bench_loading(*, rounds: int = 5, seed: int = 0, share: float = 1.0, say: Say = unheard) -> list[BenchmarkResult]:
    """Run the three rows.

    Args:
        rounds: counted rounds of each pair.
        seed: of the pictures.
        share: of the pictures that are used; less than 1 for a trial.
        say: called with a line before each pair.

    Raises:
        UsageError: a peer's pixels differ from ours by more than `MOST_GREY_LEVELS`.
    """
    generator = np.random.default_rng(seed)
    results = []
    with tempfile.TemporaryDirectory(prefix="countenance-bench-") as folder, one_thread():
        for pictures in (LOADED, FRAMES):
            entries = _write(pictures, Path(folder) / pictures.name, generator, count=round(pictures.count * share))
            kilobytes = sum(entry.paths[Modality.RGB].stat().st_size for entry in entries) / len(entries) / 1024
            words = f"JPEG {pictures.width} x {pictures.height} q{QUALITY} ({kilobytes:.1f} KiB), {SIDE} px"
            results.append(_row(pictures, FilePlanes(entries, (SIDE, SIDE)), entries, words, rounds=rounds, say=say))
            if pictures is LOADED:
                cached = build_cache(entries, Path(folder) / "cache", size=(SIDE, SIDE))
                row = replace(pictures, name="P14-cached", goal=100.0, passes=4)
                results.append(_row(row, cached, entries, f"cache of {words}", rounds=rounds, say=say))
    return results


def _row(
    pictures: _Pictures, source: PlaneSource, entries: list[Entry], words: str, *, rounds: int, say: Say
) -> BenchmarkResult:
    order = np.random.default_rng(len(entries)).permutation(len(entries))
    batches = np.split(order, range(BATCH, len(entries), BATCH)) * pictures.passes

    def ours() -> None:
        for batch in batches:
            source.gather(batch)

    def peer() -> None:
        for batch in batches:
            _floating([entries[number] for number in batch.tolist()])

    for batch in batches:
        _check_equal(
            pictures.name, source.gather(batch)[Modality.RGB], _floating([entries[number] for number in batch.tolist()])
        )
    say(f"{pictures.name}: {len(entries)} pictures, {words}")
    return compare(
        pictures.name,
        ours=ours,
        peer=peer,
        goal=pictures.goal,
        detail=f"{len(entries)} pictures in batches of {BATCH}, {words}; peer: Pillow and floating point",
        rounds=rounds,
    )


def _floating(entries: list[Entry]) -> torch.Tensor:
    """The peer: (B, 3, H, W) float32, normalised."""
    pictures = []
    for entry in entries:
        assert entry.box is not None
        x, y, width, height = entry.box
        with Image.open(entry.paths[Modality.RGB]) as opened:
            picture = opened.convert("RGB").crop((x, y, x + width, y + height))
        small = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        tensor = torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        mean, deviation = (torch.as_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        pictures.append(tensor.clone().sub_(mean).div_(deviation))
    return torch.stack(pictures)


def _check_equal(name: str, pixels: NDArray[np.uint8], tensor: torch.Tensor) -> None:
    mean, deviation = (torch.as_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    theirs = (tensor * deviation + mean).mul(255).permute(0, 2, 3, 1).numpy()
    apart = float(abs(pixels - theirs).max())
    if apart > MOST_GREY_LEVELS + 0.01:
        raise UsageError(
            expected=f"the pixels of {name} within {MOST_GREY_LEVELS} grey levels of Pillow's",
            came=f"{apart:.1f}",
            remedy="report this as a bug",
        )


def _write(pictures: _Pictures, folder: Path, generator: np.random.Generator, *, count: int) -> list[Entry]:
    """Make smooth random pictures, whose detail falls off with its fineness as that of photographs does."""
    folder.mkdir()
    entries = []
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        Image.fromarray(smooth_picture(pictures.height, pictures.width, generator)).save(path, "JPEG", quality=QUALITY)
        part = draw_crop(generator, (pictures.height, pictures.width), area=AREA)
        box = part.left, part.top, part.width, part.height
        entries.append(Entry(identifier=path.stem, paths={Modality.RGB: path}, label=number % 2, box=box))
    return entries


def smooth_picture(height: int, width: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return (H, W, 3): noise of amplitude 1 / frequency ** 1.8, the colours nearly alike."""
    frequency = np.hypot(np.fft.rfftfreq(width)[None], np.fft.fftfreq(height)[:, None])
    frequency[0, 0] = np.inf
    noise = generator.standard_normal((2, 3, *frequency.shape))
    planes = np.fft.irfft2((noise[0] + 1j * noise[1]) / frequency**1.8, (height, width))  # (3, H, W)
    planes /= planes.std(axis=(1, 2), keepdims=True)
    colours = planes[0] + 0.3 * planes * np.array([0.0, 1.0, 1.0])[:, None, None]
    return np.asarray(np.clip(128 + 50 * colours.transpose(1, 2, 0), 0, 255), np.uint8)
