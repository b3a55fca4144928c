"""How fast the drawn world is drawn, files written: three-modality stills and video frames, per second and core.

There is no peer: the figure that is asked for stands in its place. Stills are the whole of a small CASIA-SURF in its
own mix, one live recording to three printed ones, ten frames each; video frames are one person's SiW clips, eight
live, two prints, four replays, each two thirds calm as in the set. One process and one thread draw, and its processor
seconds count, so that a busy neighbour disturbs less.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from countenance.bench.timing import BenchmarkResult
from countenance.drawn_sets.casia_surf import plan as plan_casia_surf
from countenance.drawn_sets.siw import CALM_SECONDS, FRAMES
from countenance.drawn_sets.siw import plan as plan_siw
from countenance.drawn_sets.writing import Draw, PlannedSet, write_set
from countenance.progress import Say, unheard
from countenance.synthesis.scene import draw_clip

SUBJECTS = 3  # of CASIA-SURF: one in each split
VIDEO_FRAMES = 24  # of each clip


@dataclass(frozen=True)
class _Job:
    name: str
    goal: float
    unit: str
    planned: PlannedSet

    @property
    def frames(self) -> int:
        return sum(clip.spec.frames for clip in self.planned.clips)


def bench_synthesis(
    *, rounds: int = 3, seed: int = 0, draw: Draw = draw_clip, say: Say = unheard
) -> list[BenchmarkResult]:
    """Draw both sets, a round each in turn.

    Args:
        rounds: counted rounds; a first one warms up.
        seed: of the drawing.
        draw: makes a clip from its description.
        say: called with a line before each set.
    """
    jobs = (
        _Job(
            "synthesis-stills",
            35,
            "three-modality stills per second and core",
            plan_casia_surf(subjects=SUBJECTS, seed=seed),
        ),
        _Job("synthesis-video", 20, "video frames per second and core", _one_person(seed)),
    )
    results = []
    for job in jobs:
        say(f"{job.name}: {job.frames:,} frames, {rounds + 1} rounds")
        seconds = [_processor_seconds(job.planned, draw) for _ in range(rounds + 1)][1:]
        rates = [job.frames / spent for spent in seconds]
        results.append(
            BenchmarkResult(
                name=job.name,
                goal=1.0,
                ours=statistics.median(rates),
                peer=job.goal,
                unit=job.unit,
                ratio=statistics.median(rates) / job.goal,
                spread=(min(rates) / job.goal, max(rates) / job.goal),
                detail=f"{job.frames:,} frames, files written, beside the {job.goal:g} that are asked for",
            )
        )
    return results


def _one_person(seed: int) -> PlannedSet:
    """SiW's clips of one person, shortened: as much of each is calm as of a whole one."""
    planned = plan_siw(seed=seed, frames=VIDEO_FRAMES)
    calm = CALM_SECONDS * VIDEO_FRAMES / FRAMES
    first = planned.clips[0].subject
    clips = [
        replace(clip, spec=replace(clip.spec, calm_seconds=calm)) for clip in planned.clips if clip.subject == first
    ]
    return replace(planned, clips=tuple(clips))


def _processor_seconds(planned: PlannedSet, draw: Draw) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        write_set(planned, Path(folder), draw=draw)
        return time.process_time() - started
