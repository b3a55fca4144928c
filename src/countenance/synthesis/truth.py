"""What is known of a drawn clip without measuring it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.camera import Camera, Maps, Pose
from countenance.synthesis.expression import FacialActions
from countenance.synthesis.head import jaw_way, jaw_way_from_rest
from countenance.synthesis.noise import Floats
from countenance.synthesis.surfaces import Sheet
from countenance.synthesis.texture import FACE
from countenance.vocabulary import Expression


class Surface(Protocol):
    """Something whose points can be found again in another frame by their place on it."""

    def points(self, x: Floats, y: Floats) -> Floats:
        """(3, n) points of the camera frame at (n,) coordinates on the surface."""


@dataclass(frozen=True)
class Jaw:
    """How far a jaw is open: `drop` mm at the chin, below a mouth at `mouth_y` mm of the face frame."""

    mouth_y: float
    drop: float


@dataclass(frozen=True)
class Relief:
    """A head: its maps and its pose in one frame; `jaw` is None where it is held, as in a mask."""

    maps: Maps
    pose: Pose
    jaw: Jaw | None = None

    def points(self, x: Floats, y: Floats) -> Floats:
        """A point keeps its x and y of the face frame; its height is that of the frame's expression."""
        return self.pose.apply(np.stack([x, y, self.maps.sample(x, y, 0, 1)[0]]))

    def drawn_later(self, x: Floats, y: Floats, later: "Relief") -> Floats:
        """(n,) y in a later frame of the skin that now lies at (x, y): the face below the mouth goes with the jaw."""
        if self.jaw is None or later.jaw is None or self.jaw == later.jaw:
            return y
        at_rest = y + jaw_way(y, self.jaw.mouth_y, self.jaw.drop)
        moved = at_rest - jaw_way_from_rest(at_rest, later.jaw.mouth_y, later.jaw.drop)
        return np.where(self.maps.sample(x, y, FACE, FACE + 1)[0] > np.float32(0.5), moved, y).astype(np.float32)


@dataclass(frozen=True)
class Held:
    """A sheet or a screen, and its pose in one frame."""

    sheet: Sheet
    pose: Pose

    def points(self, x: Floats, y: Floats) -> Floats:
        """A point keeps its coordinates of the shown face."""
        return self.pose.apply(self.sheet.points(x, y))


@dataclass(frozen=True)
class Wall:
    """A plane across the line of sight; the camera's crop has moved along it by `offset` mm."""

    distance: float
    offset: tuple[float, float]

    def points(self, x: Floats, y: Floats) -> Floats:
        """A point keeps its place on the wall."""
        right, up = np.float32(self.offset[0]), np.float32(self.offset[1])
        return np.stack([x - right, y - up, np.full_like(x, -self.distance)])


@dataclass(frozen=True)
class Places:
    """Which surface each pixel of a frame shows, and where on it.

    Attributes:
        camera: of the clip.
        owner: (H, W) uint8: 0 nothing, k the surface k - 1.
        place: (2, H, W) coordinates on that surface.
        surfaces: of the frame, in the same order in every frame.
        content: of a replay: the places of the shown film, the side of its pixels and the y of its middle, in mm of the
            screen's coordinates.
    """

    camera: Camera
    owner: NDArray[np.uint8]
    place: Floats
    surfaces: tuple[Surface, ...]
    content: "tuple[Places, float, float] | None" = None

    def flow_to(self, later: "Places") -> Floats:
        """(H, W, 2) pixels, to the right and down, from this frame to a later one; 0 where nothing is shown."""
        flow = np.zeros((*self.owner.shape, 2), np.float32)
        for number, surface in enumerate(later.surfaces):
            rows, columns = np.nonzero(self.owner == number + 1)
            if not len(rows):
                continue
            x, y = self.place[:, rows, columns]
            if number == 0 and self.content is not None and later.content is not None:
                x, y = self._shown_later(x, y, later)
            now = self.surfaces[number]
            if isinstance(now, Relief) and isinstance(surface, Relief):
                y = now.drawn_later(x, y, surface)
            there = later.camera.project(surface.points(x, y))
            flow[rows, columns, 0] = there[0] - columns
            flow[rows, columns, 1] = there[1] - rows
        return flow

    def _shown_later(self, x: Floats, y: Floats, later: "Places") -> tuple[Floats, Floats]:
        """Where on the screen that is shown which now is shown at (x, y)."""
        assert self.content is not None
        assert later.content is not None
        film, pitch, top = self.content
        reach = pitch * film.camera.centre
        moved = film.flow_to(later.content[0]).transpose(2, 0, 1)
        right, down = Maps(np.ascontiguousarray(moved), (-reach, reach), (top + reach, top - reach)).sample(x, y)
        return x + right * np.float32(pitch), y - down * np.float32(pitch)


@dataclass(frozen=True)
class Truth:
    """What is known of every frame of a clip; T frames of H x W pixels.

    Attributes:
        depth: float32 (T, H, W) mm along the line of sight's axis; 0 where nothing is shown.
        normals: float32 (T, H, W, 3), unit, x to the right, y up, z to the camera; 0 where nothing is shown.
        landmarks: float32 (T, K, 2) columns and rows of `head.LANDMARK_NAMES` of the presented face.
        face: bool (T, H, W): pixels of the presented face, which alone are shown when the background is removed.
        holes: bool (T, H, W): pixels in which one looks through a cut print or through the eyes of a mask.
        boxes: float32 (T, 4): left, top, right, bottom of the presented face in pixels; may lie outside the picture.
        actions: what the presented face does, one for each frame.
        expressions: (expression, intensity) of the presented face, one for each frame.
        places: which point of which surface each pixel shows.
    """

    depth: Floats
    normals: Floats
    landmarks: Floats
    face: NDArray[np.bool_]
    holes: NDArray[np.bool_]
    boxes: Floats
    actions: tuple[FacialActions, ...]
    expressions: tuple[tuple[Expression, float], ...]
    places: tuple[Places, ...]

    @cached_property
    def flow(self) -> Floats:
        """float32 (T - 1, H, W, 2): pixels to the right and down from each frame to the next; 0 where nothing is shown.

        Exact for what moves rigidly and for skin that the jaw draws down. Other skin keeps its x and y of the face
        frame while the expression lifts it; lids, brows and lips are drawn anew in each frame, and flow as the skin
        beneath them. What is hidden in the next frame has a flow too, to where it is hidden.
        """
        steps = [first.flow_to(second) for first, second in zip(self.places, self.places[1:], strict=False)]
        return np.stack(steps) if steps else np.zeros((0, *self.depth.shape[1:], 2), np.float32)
