"""The decision about a clip: is a live, bona fide presentation before the camera.

Windows of 0.4 s are spread over the part of the clip that shows the face, and the mean of their scores decides. What
was seen beside the score (the face went away, the recording breaks off, windows that disagree) is told in notes.
"""

import os
from dataclasses import dataclass

from countenance.clip_scoring import StatedClipNetwork, clip_score, judge_windows
from countenance.faces.detection import Detector
from countenance.loading.clip_windows import RATE, SPAN, ClipWindows, clip_windows
from countenance.vocabulary import Decision, Reason

WINDOWS = 8  # of a clip, unless another number is named
_UNLIKE_RATE = 0.02  # of `RATE`; 29.97 frames a second are not told


@dataclass(frozen=True, kw_only=True)
class WindowScore:
    """What a network said of one window.

    Attributes:
        seconds: from the start of the clip to the window's.
        frames: places of its five frames in the file.
        score: in [-1, 1].
    """

    seconds: float
    frames: tuple[int, ...]
    score: float


@dataclass(frozen=True, kw_only=True)
class ClipDecision(Decision):
    """A decision about one clip.

    Attributes:
        windows: that were judged, in the order of time; the score is the mean of theirs.
        notes: sentences for the operator on what the decision rests on.
        truncated: the recording breaks off, or is damaged; what stands before that was judged.
        label: of the data that the network was trained on, such as "drawn data"; "" for real data.
    """

    windows: tuple[WindowScore, ...]
    notes: tuple[str, ...]
    truncated: bool
    label: str


def decide_clip(
    path: str | os.PathLike[str], network: StatedClipNetwork, *, detector: Detector, windows: int = WINDOWS
) -> ClipDecision:
    """Decide on a clip by the face that it shows.

    Args:
        path: of the video file.
        network: answers at the threshold that its card states.
        detector: finds the faces of one frame.
        windows: how many are judged, at most.

    Returns:
        A decision whose score is the mean cosine of the windows to the bona fide class, in [-1, 1].

    Raises:
        InputError: as for `clip_windows`.
        MissingFile: no file is there.
    """
    seen = clip_windows(path, detector=detector, windows=windows, side=network.module.side)
    return judged_clip(seen, network)


def judged_clip(seen: ClipWindows, network: StatedClipNetwork) -> ClipDecision:
    """Decide on the windows of a clip; see `decide_clip`."""
    scores = judge_windows(network.module, seen.windows)
    score = clip_score(scores)
    accepted = score >= network.point.value
    below = int((scores < network.point.value).sum())
    return ClipDecision(
        accepted=accepted,
        score=score,
        threshold=network.point.value,
        model=network.name,
        reasons=() if accepted else (Reason.PRESENTATION_ATTACK,),
        windows=tuple(
            WindowScore(seconds=seconds, frames=tuple(frames), score=value)
            for seconds, frames, value in zip(
                seen.seconds.tolist(), seen.numbers.tolist(), scores.tolist(), strict=True
            )
        ),
        notes=(_judged(len(scores), below), *_noticed(seen)),
        truncated=seen.timeline.truncated,
        label=network.label,
    )


def _judged(windows: int, below: int) -> str:
    length = f"{(SPAN - 1) / RATE:g} s"
    return f"judged by {windows} window{'s' * (windows > 1)} of {length}, {below} of them below the threshold"


def _noticed(seen: ClipWindows) -> list[str]:
    track, timeline = seen.track, seen.timeline
    count = len(track.faces)
    notes = []
    if timeline.truncated:
        notes.append(f"the recording breaks off or is damaged after {count} frames; only these were judged")
    if track.gone_from is not None:
        notes.append(f"the face is gone from frame {track.gone_from} of {count}")
    if absent := [gap for gap in track.absences if gap.stop < count]:
        rows = ", ".join(f"{gap.start} to {gap.stop - 1}" for gap in absent)
        notes.append(f"the face is not to be seen in frames {rows} of {count}")
    if seen.crowded:
        notes.append(f"a second face of like size is in {seen.crowded} frames of {count}")
    if timeline.rate and (abs(timeline.rate / RATE - 1) > _UNLIKE_RATE or not timeline.is_steady):
        notes.append(f"{timeline.rate:.2f} frames a second; frames were chosen by their time")
    return notes
