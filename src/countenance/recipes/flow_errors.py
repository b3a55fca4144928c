"""End-point error of a flow network on drawn clips, whose flow is known.

The drawn world knows which point of which surface every pixel of every frame shows (`synthesis.truth`), so the flow
from one frame to another is exact for what moves rigidly, heads, sheets and screens, for a film that moves on its
screen, and for skin that the jaw draws down. Skin that an expression only lifts keeps its place on the face; lids,
brows and lips are drawn anew in each frame, and the truth there is where the skin beneath them goes.

Measured are the first and the last frame of windows as the few-frame system cuts them: 0.4 s apart, in one square
around the face. Each error stands beside that of saying that nothing moves. Intervals are over people.

"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.datasets.siw import PRINTS, REPLAYS
from countenance.drawn_sets.siw import CROP_MM, SIZE, SPECIES
from countenance.errors import UsageError, at_least
from countenance.loading.clip_windows import RATE, SIDE, SPAN, cut_windows, square_box, window_frames
from countenance.losses.end_point_error import end_point_error
from countenance.metrics.intervals import CONFIDENCE, Interval
from countenance.networks.flownets import FlowNetS
from countenance.synthesis.noise import Floats
from countenance.synthesis.scene import DrawnClip, draw_clip
from countenance.synthesis.spec import ClipSpec, DrawnSpecies, Motion
from countenance.vocabulary import Modality

MOMENTS = 6  # frames of a clip, each a window's span after the last: five windows
CALM_WINDOWS = 2  # of the five
SECONDS = (SPAN - 1) / RATE
SEED = 1_504_06852  # of the people, whom no set that one draws by the default seed has
RESAMPLES = 1000
KINDS: Mapping[str, tuple[DrawnSpecies, ...]] = {
    "live": (DrawnSpecies.BONA_FIDE,),
    "print": tuple(SPECIES[name] for name in PRINTS),
    "replay": tuple(SPECIES[name] for name in REPLAYS),
}
"""Kinds of clips, and the drawn species of each."""


@dataclass(frozen=True, kw_only=True)
class FlowErrors:
    """What a network was wrong by, on clips of one kind; pixels of a window of 112.

    Attributes:
        kind: of the clips, or "all".
        people, windows: how many.
        error: mean end-point error over the windows; each is the mean over its pixels with a truth.
        error_of_no_flow: the same of saying that nothing moves.
        interval, interval_of_ratio: of the error, and of its ratio to that of no flow; over people.
    """

    kind: str
    people: int
    windows: int
    error: float
    error_of_no_flow: float
    interval: Interval
    interval_of_ratio: Interval

    @property
    def ratio(self) -> float:
        """The error as a share of that of no flow."""
        return self.error / self.error_of_no_flow

    def as_json(self) -> dict[str, Any]:
        """Return all as JSON holds it."""
        return asdict(self) | {"ratio": self.ratio}

    def told(self) -> str:
        """Return a line that says it."""
        low, high = self.interval_of_ratio.low, self.interval_of_ratio.high
        return (
            f"{self.kind}: {self.error:.2f} px [{self.interval.low:.2f}, {self.interval.high:.2f}], no flow "
            f"{self.error_of_no_flow:.2f} px, ratio {self.ratio:.2f} [{low:.2f}, {high:.2f}] "
            f"({self.windows} windows of {self.people} people)"
        )


@dataclass(frozen=True, eq=False)
class FlowWindow:
    """The two frames of a window, and where each point of the first one goes.

    Attributes:
        person: number of who is shown.
        kind: one of `KINDS`.
        is_calm: from the part of the clip in which nobody moves much.
        first, last: uint8 (H, W, 3).
        flow: float32 (H, W, 2), pixels to the right and down.
        known: bool (H, W): pixels with a truth.
        face: bool (H, W): those of the presented face among them.
    """

    person: int
    kind: str
    is_calm: bool
    first: NDArray[np.uint8]
    last: NDArray[np.uint8]
    flow: Floats
    known: NDArray[np.bool_]
    face: NDArray[np.bool_]


def flow_on_drawn_clips(
    network: FlowNetS,
    *,
    people: int = 8,
    seed: int = SEED,
    kinds: Sequence[str] = tuple(KINDS),
    draw: Callable[[ClipSpec], DrawnClip] = draw_clip,
) -> list[FlowErrors]:
    """Measure a network on clips that are drawn for it: each person once in each species, five windows a clip.

    Args:
        network: ready to judge.
        people: how many, at least 2.
        seed: of the drawn people; that of a set which the network learnt from would show people that it knows.
        kinds: among `KINDS`.
        draw: draws a clip.

    Returns:
        Of all windows; of the face in them; then of each kind, and of the calm and of the lively ones.

    Raises:
        UsageError: fewer than two people, or an unknown kind.
    """
    at_least(2, people=people)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise UsageError(expected=f"kinds among {', '.join(KINDS)}", came=unknown[0], remedy="name one of them")
    rows = [
        (window.person, window.kind, window.is_calm, _errors(network, window))
        for window in flow_windows(people=people, seed=seed, kinds=kinds, draw=draw)
    ]
    persons = np.array([row[0] for row in rows])
    errors = np.stack([row[3] for row in rows])  # (W, 4): error, of no flow; the same on the face
    everyone = np.ones(len(rows), bool)
    choices: list[tuple[str, NDArray[np.bool_], slice]] = [
        ("all", everyone, slice(0, 2)),
        ("all, face", everyone, slice(2, 4)),
        *((kind, np.array([row[1] == kind for row in rows]), slice(0, 2)) for kind in kinds),
        ("calm", np.array([row[2] for row in rows]), slice(0, 2)),
        ("lively", ~np.array([row[2] for row in rows]), slice(0, 2)),
    ]
    return [_summed(kind, persons[chosen], errors[chosen, columns]) for kind, chosen, columns in choices]


def flow_windows(
    *,
    people: int,
    seed: int = SEED,
    kinds: Sequence[str] = tuple(KINDS),
    draw: Callable[[ClipSpec], DrawnClip] = draw_clip,
) -> Iterator[FlowWindow]:
    """Draw clips and cut their windows; arguments as for `flow_on_drawn_clips`."""
    for person in range(people):
        for kind in kinds:
            for species in KINDS[kind]:
                spec = ClipSpec(
                    root=seed,
                    subject=person,
                    species=species,
                    clip=0,
                    frames=MOMENTS,
                    seconds_between_frames=SECONDS,
                    size=SIZE,
                    crop_mm=CROP_MM,
                    motion=Motion.LIVELY,
                    calm_seconds=CALM_WINDOWS * SECONDS,
                    background=True,
                    modalities=(Modality.RGB,),
                )
                clip = draw(spec)
                for moment in range(MOMENTS - 1):
                    yield _window(clip, moment, person, kind)


def _window(clip: DrawnClip, moment: int, person: int, kind: str) -> FlowWindow:
    """Cut as the system does: the first two frames of the window are the earlier moment, the last three the later."""
    shown = np.where(np.arange(SPAN) < SPAN // 2, moment, moment + 1)
    left, top, right, bottom = clip.truth.boxes[shown].T.astype(np.float64)
    boxes = np.stack([left, top, right - left, bottom - top], axis=1)
    cut, _ = cut_windows(lambda number: clip.rgb[shown[number]], boxes, [0])
    left_edge, top_edge, side, _ = square_box(boxes[window_frames([0])[0]])
    scale = side / SIDE
    places = np.rint((np.arange(SIDE) + 0.5) * scale - 0.5).astype(np.intp)  # in the square
    rows, columns = top_edge + places, left_edge + places
    size = clip.rgb.shape[1]
    at = np.ix_(rows.clip(0, size - 1), columns.clip(0, size - 1))
    inside = np.ix_((rows >= 0) & (rows < size), (columns >= 0) & (columns < size))
    within = np.zeros((SIDE, SIDE), bool)
    within[inside] = True
    first, later = clip.truth.places[moment], clip.truth.places[moment + 1]
    return FlowWindow(
        person=person,
        kind=kind,
        is_calm=moment < CALM_WINDOWS,
        first=cut[0, 0],
        last=cut[0, -1],
        flow=(first.flow_to(later)[at] / np.float32(scale)).astype(np.float32),
        known=within & (first.owner[at] > 0),
        face=within & clip.truth.face[moment][at] & (first.owner[at] > 0),
    )


def predicted_flow(network: FlowNetS, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> Floats:
    """Return what a network, ready to judge, says of two pictures (H, W, 3): float32 (H, W, 2)."""
    with torch.inference_mode():
        flow = network.flow(_tensor(first), _tensor(last))
    return np.asarray(flow[0].permute(1, 2, 0).numpy(), np.float32)


def _tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


def _errors(network: FlowNetS, window: FlowWindow) -> NDArray[np.float64]:
    """(4,): mean error, mean error of no flow, and both on the face."""
    predicted, true = (
        torch.from_numpy(flow.transpose(2, 0, 1)[None])
        for flow in (predicted_flow(network, window.first, window.last), window.flow)
    )
    error, still = (end_point_error(flow, true)[0].double().numpy() for flow in (predicted, torch.zeros_like(true)))
    return np.array([plane[part].mean() for part in (window.known, window.face) for plane in (error, still)])


def _summed(kind: str, persons: NDArray[np.int64], errors: NDArray[np.float64]) -> FlowErrors:
    """Means over windows; people are drawn again with replacement for the intervals."""
    names, membership = np.unique(persons, return_inverse=True)
    sums = np.stack([np.bincount(membership, column) for column in errors.T])  # (2, people)
    counts = np.bincount(membership)
    generator = np.random.Generator(np.random.PCG64(SEED))
    drawn = generator.integers(len(names), size=(RESAMPLES, len(names)))
    error, still = (sums[k][drawn].sum(1) / counts[drawn].sum(1) for k in (0, 1))
    tail = (1 - CONFIDENCE) / 2
    bounds = [np.quantile(values, [tail, 1 - tail]).tolist() for values in (error, error / still)]
    interval, of_ratio = (Interval(low, high, "bootstrap over people") for low, high in bounds)
    mean, mean_still = errors.mean(0).tolist()
    return FlowErrors(
        kind=kind,
        people=len(names),
        windows=len(errors),
        error=mean,
        error_of_no_flow=mean_still,
        interval=interval,
        interval_of_ratio=of_ratio,
    )
