"""One face followed through a clip.

Every frame is searched; a face joins the track whose last face it overlaps most. Of several tracks the one that shows
a face in most frames is the clip's, so that a passer-by does not become its subject; and a face that appears elsewhere
after a cut starts a track of its own, since nothing but its place says that it is the same person's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from countenance.errors import NoFace
from countenance.faces.detection import Detector, Face

LEAST_OVERLAP = 0.3  # intersection over union; a head that moves its width in a second still has .9 at 30 frames/s
LONGEST_GAP = 5  # frames; a blink of the detector, not an absence


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """Where the clip's face is in each frame.

    Attributes:
        faces: one for each frame; None where it is not to be seen.
        interpolated: (F,) bool, the detector missed the face and its neighbours in time say where it was.
        tracks: how many tracks the clip holds; more than one: other faces, or a jump.
    """

    faces: tuple[Face | None, ...]
    interpolated: NDArray[np.bool_]
    tracks: int

    @property
    def shown(self) -> NDArray[np.bool_]:
        """(F,) the face is in this frame."""
        return np.array([face is not None for face in self.faces], np.bool_)

    @property
    def boxes(self) -> NDArray[np.float64]:
        """(F, 4) x, y, width, height in pixels; NaN where there is no face."""
        return np.array([(np.nan,) * 4 if face is None else face.box for face in self.faces], np.float64)

    @property
    def first(self) -> int:
        """The first frame that shows the face."""
        return int(np.flatnonzero(self.shown)[0])

    @property
    def gone_from(self) -> int | None:
        """The frame from which on the face is gone for good; None when it stays to the end."""
        after = int(np.flatnonzero(self.shown)[-1]) + 1
        return after if after < len(self.faces) else None

    @property
    def absences(self) -> list[range]:
        """Every row of frames without the face, in order."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], ~self.shown, [False])).astype(np.int8)))
        return [range(start, end) for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


@dataclass(eq=False)
class _Track:
    faces: dict[int, Face] = field(default_factory=dict)  # by frame

    @property
    def last(self) -> int:
        return next(reversed(self.faces))


def track_face(
    frames: Iterable[NDArray[np.uint8]],
    detector: Detector,
    *,
    least_overlap: float = LEAST_OVERLAP,
    longest_gap: int = LONGEST_GAP,
    name: str = "the clip",
) -> FaceTrack:
    """Follow the face of a clip.

    Args:
        frames: (H, W, 3) uint8 RGB each; a `ClipReader` will do, and is walked through once.
        detector: finds the faces of one frame.
        least_overlap: intersection over union from which on two faces in neighbouring frames are one.
        longest_gap: frames without the face that are bridged on a straight line; the overlap is asked for across it.
        name: what to call the clip in a message.

    Raises:
        NoFace: no frame shows a face.
    """
    tracks: list[_Track] = []
    count = 0
    for number, image in enumerate(frames):
        count += 1
        faces = detector.detect(image)
        running = [track for track in tracks if number - track.last <= longest_gap + 1]
        pairs = sorted(
            (
                (overlap, -which, place)
                for which, track in enumerate(running)
                for place, face in enumerate(faces)
                if (overlap := intersection_over_union(track.faces[track.last].box, face.box)) >= least_overlap
            ),
            reverse=True,
        )
        joined: dict[int, int] = {}  # place of a face: its track
        for _, which, place in pairs:
            if place not in joined and -which not in joined.values():
                joined[place] = -which
        for place, face in enumerate(faces):
            if place in joined:
                running[joined[place]].faces[number] = face
            else:
                tracks.append(_Track({number: face}))
    if not tracks:
        raise NoFace(
            expected="a face in the clip",
            came=f"none in {count} frames of {name}",
            remedy="face the camera in even light, with the whole face in the picture",
        )
    best = max(tracks, key=lambda track: (len(track.faces), sum(face.area for face in track.faces.values())))
    return _bridged(best.faces, count, tracks=len(tracks), longest_gap=longest_gap)


def intersection_over_union(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return the area that two boxes (x, y, width, height) share, over the area that they cover together.

    >>> intersection_over_union((0, 0, 2, 2), (1, 0, 2, 2))
    0.3333333333333333
    """
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    covered = one[2] * one[3] + other[2] * other[3] - shared
    return shared / covered if covered > 0 else 0.0


def _bridged(found: dict[int, Face], count: int, *, tracks: int, longest_gap: int) -> FaceTrack:
    """Fill the short gaps on a straight line between the faces at their two ends."""
    faces: list[Face | None] = [found.get(number) for number in range(count)]
    interpolated = np.zeros(count, np.bool_)
    numbers = list(found)
    for before, after in pairwise(numbers):
        if after - before - 1 > longest_gap:
            continue
        for number in range(before + 1, after):
            share = (number - before) / (after - before)
            faces[number] = _between(found[before], found[after], share)
            interpolated[number] = True
    return FaceTrack(tuple(faces), interpolated, tracks)


def _between(before: Face, after: Face, share: float) -> Face:
    x, y, width, height = (a + share * (b - a) for a, b in zip(before.box, after.box, strict=True))
    points = before.points + np.float32(share) * (after.points - before.points)
    return Face((x, y, width, height), points, min(before.confidence, after.confidence))
