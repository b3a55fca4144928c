"""A gate whose networks read what a frame says about itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.challenge import ChallengeRules
from countenance.faces.detection import Face
from countenance.faces.pose import HeadPose
from countenance.faces.quality import Quality
from countenance.gate import authenticator, enrolling
from countenance.gate.authenticator import Authenticator
from countenance.gate.networks import Networks
from countenance.gate.session import Feedback, Frame, GateDecision, Recent, Session
from countenance.policy import read_policy
from countenance.vocabulary import Action, Expression, Modality, Reason

FEATURES = 32
SIDE = 48
STEP = 12  # between the codes of two scenes, so that they survive a video codec


@dataclass(frozen=True)
class Scene:
    """What one frame shows, and what the networks will say of it."""

    person: int = 1
    yaw: float = 0.0
    expression: Expression = Expression.NEUTRAL
    eyes: float = 1.0
    live: float = 0.9
    likeness: float = 0.8
    advice: tuple[Reason, ...] = ()
    faces: int = 1


@dataclass
class World:
    """Scenes by their colour, and networks that see nothing else."""

    scenes: list[Scene] = field(default_factory=list)
    painted: dict[Scene, NDArray[np.uint8]] = field(default_factory=dict)
    modalities: tuple[Modality, ...] = (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
    side: int = 16

    def pixels(self, scene: Scene) -> NDArray[np.uint8]:
        """A picture whose green names the scene; blue is noise."""
        if scene in self.painted:
            return self.painted[scene]
        self.scenes.append(scene)
        code = STEP * (1 + self.scenes.index(scene))
        assert code < 250
        image = np.full((SIDE, SIDE, 3), code, np.uint8)
        image[..., 2] = np.random.default_rng(code).integers(0, 255, (SIDE, SIDE), np.uint8)
        self.painted[scene] = image
        return image

    def of(self, image: NDArray[np.uint8]) -> Scene:
        """The scene that a picture, or any part of it, shows."""
        return self.scenes[round(float(image[::4, ::4, 1].mean()) / STEP) - 1]

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        return [Face((8.0, 8.0, 30.0, 30.0), np.zeros((5, 2), np.float32), 1.0)] * self.of(image).faces

    def cut(self, image: NDArray[np.uint8], _face: Face) -> NDArray[np.uint8]:
        return image[:8, :8]

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        scenes = [self.of(face) for face in faces]
        return np.stack([template(scene.person, scene.likeness) for scene in scenes])

    def bona_fide_score(self, image: NDArray[np.uint8], _box: tuple[float, float, float, float]) -> float:
        return self.of(image).live

    def read(self, image: NDArray[np.uint8], _face: Face) -> dict[Expression, float]:
        shown = self.of(image).expression
        return {each: 0.88 if each is shown else 0.02 for each in Expression if each is not Expression.CONTEMPT}

    def score(self, seen: NDArray[np.uint8] | Mapping[Modality, NDArray[np.uint8]]) -> float:
        """Of a window the lowest of its frames, of planes that of the colour."""
        if isinstance(seen, Mapping):
            assert {plane.shape[:2] for plane in seen.values()} == {(16, 16)}
            return self.of(seen[Modality.RGB]).live
        return min(self.of(frame).live for frame in seen)

    def networks(self, **changes: object) -> Networks:
        given = Networks(
            detector=self,
            recognisers={"sface": self},
            stills={"minifasnet": self},
            clips={"fewframe-slim": self},
            sensors={"mlfa-slim": self},
            expressions=self,
            digests={"sface": "5" * 64, "minifasnet": "a" * 64},
        )
        return replace(given, **changes)  # type: ignore[arg-type]


def template(person: int, likeness: float = 1.0) -> NDArray[np.float32]:
    """A template whose cosine to the person's own one is `likeness`."""
    own, other = np.eye(FEATURES, dtype=np.float32)[[person, FEATURES // 2 + person]]
    return np.asarray(likeness * own + np.sqrt(1 - likeness**2) * other, np.float32)


def numbered(count: int) -> bytes:
    """The bytes of a generator that always draws the same."""
    return bytes(range(count))


@dataclass
class Stage:
    """One gate and its camera."""

    world: World
    gate: Authenticator
    fps: float = 10.0

    @staticmethod
    def scene(**changes: object) -> Scene:
        return Scene(**changes)  # type: ignore[arg-type]

    @staticmethod
    def acting(action: Action, base: Scene) -> Scene:
        return acting(action, base)

    @staticmethod
    def template(person: int, likeness: float = 1.0) -> NDArray[np.float32]:
        return template(person, likeness)

    def script(self, actions: Sequence[Action], base: Scene | None = None, *, seconds: float = 0.6) -> list[Scene]:
        """Scenes of a person who does what is asked: rest, action, rest, action, rest."""
        base = Scene() if base is None else base
        count = round(seconds * self.fps)
        scenes = [base] * (count + 3 * (Action.BLINK in actions))  # three frames tell what open eyes are
        for action in actions:
            scenes += [acting(action, base)] * count + [base] * count
        return scenes

    def play(
        self,
        scenes: Sequence[Scene],
        actions: Sequence[Action],
        *,
        references: NDArray[np.float32] | None = None,
        gate: Callable[[int], Authenticator] | None = None,
        planes: Callable[[int], dict[str, object]] = lambda _number: {},
        recent: Recent | None = None,
        seen_before: int = 0,
        keep: Callable[[Session], Session] = lambda session: session,
    ) -> tuple[GateDecision, Session, list[Feedback]]:
        """Let a camera show scenes to the gate; `gate` may choose another one for each frame."""
        session = self.gate.begin("Ann", now=100.0, random=numbered, actions=actions)
        told, recent = [], Recent() if recent is None else recent
        references = template(1)[None] if references is None else references
        for number, scene in enumerate(scenes):
            frame = Frame(image=self.world.pixels(scene), seconds=100.1 + number / self.fps, **planes(number))  # type: ignore[arg-type]
            looking = self.gate if gate is None else gate(number)
            session, feedback = looking.look(keep(session), frame, references, recent=recent)
            told.append(feedback)
        now = 100.2 + len(scenes) / self.fps
        return self.gate.conclude(keep(session), now=now, seen_before=seen_before), session, told


def acting(action: Action, base: Scene) -> Scene:
    """The same person doing something."""
    changes: dict[Action, dict[str, object]] = {
        Action.HAPPY: {"expression": Expression.HAPPY},
        Action.SURPRISE: {"expression": Expression.SURPRISE},
        Action.TURN_LEFT: {"yaw": 30.0},
        Action.TURN_RIGHT: {"yaw": -30.0},
        Action.BLINK: {"eyes": 0.0},
    }
    return replace(base, **changes[action])  # type: ignore[arg-type]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Scenes; what is measured of a frame is what its scene says."""
    made = World()

    def measure(image: NDArray[np.uint8], _face: Face) -> Quality:
        scene = made.of(image)
        return Quality(
            face_share=0.5,
            eye_pixels=60.0,
            off_centre=0.0,
            light=0.5,
            clipped_share=0.0,
            sharpness=float(made.scenes.index(scene)),  # by which `told` finds the scene again
            pose=HeadPose(yaw_degrees=scene.yaw, pitch_degrees=0.0, roll_degrees=0.0),
        )

    def told(quality: Quality, _limits: object = None, *, ahead: bool = True) -> tuple[Reason, ...]:
        scene = made.scenes[round(quality.sharpness)]
        away = (Reason.LOOKING_AWAY,) if ahead and abs(scene.yaw) > 20 else ()
        return (*scene.advice, *away)

    for module in (authenticator, enrolling):
        monkeypatch.setattr(module, "measure_quality", measure)
        monkeypatch.setattr(module, "advice", told)
    monkeypatch.setattr(authenticator, "eye_contrast", lambda image, _face: made.of(image).eyes)
    return made


@pytest.fixture
def stage(world: World) -> Callable[..., Stage]:
    """A function that builds a gate by the name of a shipped policy."""

    def build(policy: str = "rgb", *, networks: Networks | None = None, fps: float = 10.0, **options: object) -> Stage:
        gate = Authenticator(
            policy=read_policy(policy),
            networks=world.networks() if networks is None else networks,
            rules=ChallengeRules(),
            **options,  # type: ignore[arg-type]
        )
        return Stage(world, gate, fps)

    return build
