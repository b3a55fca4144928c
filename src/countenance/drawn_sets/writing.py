"""Write a drawn set: clips in parallel, files whole or not at all, the card last.

A plan names every clip and every file before anything is drawn. A clip is drawn from its description alone, so the
files do not depend on how many workers there are, nor on what was there before: a set that was interrupted goes on
where it stopped. A folder that holds anything else is refused.
"""

import io
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from countenance.datasets.drawn_card import CARD, TABLE, UNFINISHED, DrawnCard, DrawnFile, write_table
from countenance.errors import UsageError
from countenance.files import existing_file, sha256_of, write_atomically
from countenance.mosaic import draw_strips
from countenance.processes.starting import enter_worker
from countenance.progress import Progress, unheard
from countenance.synthesis.scene import DrawnClip, draw_clip
from countenance.synthesis.spec import ClipSpec
from countenance.threads import one_thread

Draw = Callable[[ClipSpec], DrawnClip]
Encode = Callable[[DrawnClip], Sequence[bytes]]
Pixels = NDArray[np.uint8]

SCRATCH = "drawn.parts"
"""Files below this folder are for `PlannedSet.finish` to pack; they are removed afterwards."""

SENSOR_QUALITY = 95  # of infrared and depth stills
VIDEO_CODEC = "H.264 4:4:4, CRF 18, one thread"  # 4:2:0 would blur the coloured fringes of a screen
FRAMES_PER_SECOND = 30
_CLIPS_IN_ONE_TURN = 2


@dataclass(frozen=True, kw_only=True)
class PlannedClip:
    """One clip and the files that are written from it.

    Attributes:
        spec: what is drawn.
        files: relative to the root, with forward slashes.
        encode: returns the bytes of each of `files` in turn; a function that can be pickled.
        subject: as the set's reader names it.
        species: as the set's reader names it; "" for bona fide.
        group: the column of a contact sheet that it belongs to.
    """

    spec: ClipSpec
    files: tuple[str, ...]
    encode: Encode
    subject: str
    species: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class PlannedSet:
    """Everything that a drawn set will hold.

    Attributes:
        name: of the published set whose layout it has.
        seed: of every random number.
        preset: easy, paper or hard.
        clips: in any order.
        lists: further text files by path, the set's own lists among them.
        counts: what the set's reader will count.
        samples: how many samples it holds.
        subjects: how many people.
        facts: what else the card states.
        finish: called with the root when every clip is there; packs what lies in `SCRATCH` into other files and returns
            their paths, relative to the root.
    """

    name: str
    seed: int
    preset: str
    clips: tuple[PlannedClip, ...]
    lists: Mapping[str, str]
    counts: Mapping[str, int]
    samples: int
    subjects: int
    facts: Mapping[str, str | int] = field(default_factory=dict)
    finish: Callable[[Path], Iterable[str]] | None = None

    def card(self) -> DrawnCard:
        """Return the card, which also tells one plan from another."""
        words = repr([(clip.spec, clip.files) for clip in self.clips]) + repr(sorted(self.lists.items()))
        facts = {**self.facts, "clips": len(self.clips), "plan": sha256_of(words.encode())}
        return DrawnCard(set=self.name, seed=self.seed, preset=self.preset, counts=self.counts, facts=facts)


def write_set(
    planned: PlannedSet,
    root: str | os.PathLike[str],
    *,
    draw: Draw = draw_clip,
    workers: int = 1,
    progress: Progress = unheard,
) -> int:
    """Draw what is not there yet, then write lists, table and card.

    Args:
        planned: the set.
        root: a folder that is new, empty, or holds this very set, finished or not.
        draw: makes a clip from its description; with several workers a function that can be pickled.
        workers: processes; 1 draws in this one.
        progress: called with (clips done, clips in all).

    Returns:
        How many clips were drawn; the others were there.

    Raises:
        UsageError: fewer than one worker, a folder that holds something else, or a worker that was killed.
    """
    base = Path(root)
    if workers < 1:
        raise UsageError(expected="at least 1 worker", came=str(workers), remedy="leave --workers out")
    card = planned.card().as_text()
    if _is_finished(base, card):
        progress(len(planned.clips), len(planned.clips))
        return 0
    write_atomically(base / UNFINISHED, card)
    there: list[PlannedClip] = []
    wanted: list[PlannedClip] = []
    for clip in planned.clips:
        (there if all(_is_whole(base / name) for name in clip.files) else wanted).append(clip)
    rows = [row for clip in there for row in _rows(clip, ((base / name).read_bytes() for name in clip.files))]
    progress(len(there), len(planned.clips))
    for done, written in enumerate(_drawn(wanted, base, draw, workers), start=len(there) + 1):
        rows += written
        progress(done, len(planned.clips))
    for name, text in planned.lists.items():
        write_atomically(base / name, text)
        rows.append(DrawnFile(name, sha256_of(text.encode())))
    if planned.finish is not None:
        rows += [DrawnFile(name, sha256_of((base / name).read_bytes())) for name in planned.finish(base)]
        shutil.rmtree(base / SCRATCH, ignore_errors=True)
    write_atomically(base / TABLE, write_table(row for row in rows if not row.file.startswith(f"{SCRATCH}/")))
    write_atomically(base / CARD, card)
    (base / UNFINISHED).unlink()
    return len(wanted)


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """Encode a still as the published sets do: three channels, a grey plane repeated.

    Args:
        pixels: (H, W, 3) RGB or (H, W) uint8.
        quality: 1 to 95, as libjpeg counts.
    """
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    file = io.BytesIO()
    Image.fromarray(colour).save(file, "JPEG", quality=quality, subsampling="4:2:0", optimize=False)
    return file.getvalue()


def video(frames: Pixels) -> bytes:
    """Encode a clip as QuickTime, `VIDEO_CODEC`, without a date, so that the same frames give the same bytes.

    Args:
        frames: (T, H, W, 3) uint8 RGB, H and W even.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mov", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(
            "libx264", rate=FRAMES_PER_SECOND, options={"crf": "18", "preset": "veryfast", "threads": "1"}
        )
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def contact_sheet(planned: PlannedSet, *, draw: Draw = draw_clip, examples: int = 3) -> bytes:
    """Draw a few clips of each group again and lay them out: a column a group, each example in every modality.

    A set of one group is laid out in ten columns. Of a clip the last frame is shown, where an expression is strongest.

    Args:
        planned: the set.
        draw: as for `write_set`.
        examples: of each group, spread over its clips.

    Returns:
        A PNG file.
    """
    groups: dict[str, list[PlannedClip]] = {}
    for clip in sorted(planned.clips, key=lambda clip: clip.spec.species.number):
        groups.setdefault(clip.group, []).append(clip)
    if len(groups) == 1:
        name, clips = next(iter(groups.items()))
        columns = {f"{name} {number}": _spread(clips[number::10], examples) for number in range(min(10, len(clips)))}
    else:
        columns = {name: _spread(clips, examples) for name, clips in groups.items()}
    tiles = {name: [plane for clip in clips for plane in _planes(draw(clip.spec))] for name, clips in columns.items()}
    return draw_strips([list(tiles), *zip_longest(*tiles.values())])


def _spread(clips: Sequence[PlannedClip], count: int) -> list[PlannedClip]:
    """Take `count` of the clips, or all where there are fewer, evenly spread."""
    taken = min(count, len(clips))
    return [clips[len(clips) * number // taken] for number in range(taken)]


def _planes(clip: DrawnClip) -> Iterator[Pixels]:
    for plane in (clip.rgb, clip.infrared, clip.depth_view):
        if plane is not None:
            yield plane[-1]


def _is_finished(base: Path, card: str) -> bool:
    """Whether the very set that `card` describes is there; refuse a folder that holds something else."""
    for name, found in ((CARD, True), (UNFINISHED, False)):
        if (base / name).is_file():
            if existing_file(base / name).read_text(encoding="utf-8") != card:
                words = json.loads(card)
                raise UsageError(
                    expected=f"a folder for {words['set']}, seed {words['seed']}, preset {words['preset']}",
                    came=f"{base}, which holds another drawn set",
                    remedy="choose another folder, or the options that it was begun with",
                )
            return found
    if base.exists() and (not base.is_dir() or any(base.iterdir())):
        raise UsageError(
            expected="a new or empty folder", came=f"{base}, which holds something else", remedy="choose another folder"
        )
    return False


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _rows(clip: PlannedClip, contents: Iterable[bytes]) -> list[DrawnFile]:
    attacker = "" if clip.spec.attacker is None else str(clip.spec.attacker)
    return [
        DrawnFile(name, sha256_of(data), clip.subject, clip.species, attacker)
        for name, data in zip(clip.files, contents, strict=True)
    ]


def _draw_one(clip: PlannedClip, *, base: Path, draw: Draw) -> list[DrawnFile]:
    contents = clip.encode(draw(clip.spec))
    rows = _rows(clip, contents)
    for name, data in zip(clip.files, contents, strict=True):
        write_atomically(base / name, data)
    return rows


def _drawn(clips: Sequence[PlannedClip], base: Path, draw: Draw, workers: int) -> Iterator[list[DrawnFile]]:
    """Draw and write clips; yield the rows of each, in order."""
    task = partial(_draw_one, base=base, draw=draw)
    if workers == 1 or not clips:
        with one_thread():
            yield from map(task, clips)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), enter_worker)
    try:
        yield from pool.map(task, clips, chunksize=_CLIPS_IN_ONE_TURN)
    except BrokenProcessPool as error:
        raise UsageError(
            expected=f"{workers} workers that live to the end",
            came="one that was killed",
            remedy="run the same command again with fewer workers (memory?); it goes on where it stopped",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
