"""How heads, hands and lids move: every movement is a function of the clip's logical time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.camera import rotation
from countenance.synthesis.expression import FacialActions, between, express
from countenance.synthesis.spec import ClipSpec, Motion
from countenance.vocabulary import Expression

_RAMP_SECONDS = 0.8
_YAW_LIMIT, _PITCH_LIMIT = 32.0, 24.0  # degrees; a relief seen from further round shows its missing back
_BLINK_HALF_SECONDS = 0.12
_BLINK_EVERY_SECONDS = 3.5


@dataclass(frozen=True)
class Wave:
    """``amplitude * (.75 sin 2 pi f1 t + .35 sin 2 pi 2.3 f2 t)`` about a mean, frequencies in Hz."""

    mean: float
    amplitude: float
    frequencies: tuple[float, float]
    phases: tuple[float, float]

    def at(self, seconds: float, mean_share: float = 1.0, amplitude: float | None = None) -> float:
        """The value at a time; `mean_share` scales the mean, `amplitude` replaces the wave's own."""
        first, second = self.frequencies
        wave = 0.75 * np.sin(2 * np.pi * first * seconds + self.phases[0])
        wave += 0.35 * np.sin(2 * np.pi * 2.3 * second * seconds + self.phases[1])
        return float(mean_share * self.mean + (self.amplitude if amplitude is None else amplitude) * wave)


@dataclass(frozen=True)
class Swing:
    """How an object turns and drifts before the camera in one clip.

    Attributes:
        angles: yaw, pitch, roll in degrees.
        calm: their amplitudes while the clip is calm.
        seat: where the crop sits on the face, across and up, mm.
        drift: where the object is in the room, across and up, mm; and its distance as a share.
        motion, calm_seconds: of the clip.
        turned: (seconds, degrees of yaw) that come on top, on straight lines; none for an object that is not told to.
    """

    angles: tuple[Wave, Wave, Wave]
    calm: tuple[float, float, float]
    seat: tuple[Wave, Wave]
    drift: tuple[Wave, Wave, Wave]
    motion: Motion
    calm_seconds: float
    turned: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def liveliness(self, seconds: float) -> float:
        """0 while calm, 1 when lively; photographs apart from each other are lively throughout."""
        if self.motion is not Motion.LIVELY:
            return 1.0 if self.motion is Motion.STILL else 0.0
        share = float(np.clip((seconds - self.calm_seconds) / _RAMP_SECONDS, 0, 1))
        return share * share * (3 - 2 * share)

    def turn_at(self, seconds: float) -> NDArray[np.float64]:
        """The (3, 3) rotation at a time."""
        lively = self.liveliness(seconds)
        yaw, pitch, roll = (
            wave.at(seconds, 0.4 + 0.6 * lively, calm + lively * (wave.amplitude - calm))
            for wave, calm in zip(self.angles, self.calm, strict=True)
        )
        told = 0.0 if self.turned is None else float(np.interp(seconds, *self.turned))
        yaw = _YAW_LIMIT * np.tanh(yaw / _YAW_LIMIT) + told
        return rotation(yaw, _PITCH_LIMIT * np.tanh(pitch / _PITCH_LIMIT), roll)

    def seat_at(self, seconds: float) -> tuple[float, float]:
        """Where the crop sits: mm across and up."""
        return self.seat[0].at(seconds), self.seat[1].at(seconds)

    def drift_at(self, seconds: float) -> tuple[float, float, float]:
        """Where the object is in the room: mm across and up, and the factor on its distance."""
        share = 0.15 + 0.85 * self.liveliness(seconds)
        across, up, away = (share * wave.at(seconds) for wave in self.drift)
        return across, up, 1 + away


def _wave(generator: np.random.Generator, spread: float, amplitude: float, band: tuple[float, float]) -> Wave:
    frequencies = generator.uniform(*band, 2)
    phases = generator.uniform(0, 2 * np.pi, 2)
    mean = float(np.clip(generator.normal(), -2.3, 2.3)) * spread
    return Wave(mean, amplitude, (float(frequencies[0]), float(frequencies[1])), (float(phases[0]), float(phases[1])))


def _swing(
    generator: np.random.Generator,
    spec: ClipSpec,
    means: tuple[float, float, float],
    amplitudes: tuple[float, float, float],
    band: tuple[float, float],
) -> Swing:
    yaw, pitch, roll = (_wave(generator, m, a, band) for m, a in zip(means, amplitudes, strict=True))
    # A crop of a still follows its own detection: 2.2 mm off, anew in every frame, hence a fast wave.
    seat_band = (3.0, 9.0) if spec.motion is Motion.STILL else (0.2, 0.6)
    across, up = (_wave(generator, 1.0, 3.2, seat_band) for _ in range(2))
    moves = 0.0 if spec.motion is Motion.STILL else 1.0
    x, y = (_wave(generator, 0.0, 25.0 * moves, (0.1, 0.35)) for _ in range(2))
    away = _wave(generator, 0.0, 0.05 * moves, (0.1, 0.3))
    return Swing((yaw, pitch, roll), (2.0, 1.5, 1.0), (across, up), (x, y, away), spec.motion, spec.calm_seconds)


def draw_head_swing(generator: np.random.Generator, spec: ClipSpec) -> Swing:
    """How a live head turns."""
    if spec.motion is Motion.STILL:
        amplitudes = (13.0, 8.0, 5.0)
    else:
        stretch = generator.uniform(1.0, 2.0)
        amplitudes = (9.0 * stretch, 5.0 * stretch, 3.0 * stretch)
    swing = _swing(generator, spec, (7.0, 4.0, 2.5), amplitudes, (0.15, 0.5))
    if spec.yaws is None:
        return swing
    times = tuple(frame * spec.seconds_between_frames for frame in range(spec.frames))
    return replace(swing, turned=(times, spec.yaws))


def draw_hand_swing(generator: np.random.Generator, spec: ClipSpec) -> Swing:
    """How a sheet, or a screen, moves in the hand that holds it."""
    return _swing(generator, spec, (7.0, 5.0, 3.0), (7.0, 5.0, 4.0), (0.2, 0.8))


def _blinks(generator: np.random.Generator, seconds: float) -> NDArray[np.float64]:
    """Moments of blinks from 0 to `seconds`."""
    count = int(seconds / 0.6) + 2
    return np.cumsum(0.5 + generator.exponential(_BLINK_EVERY_SECONDS - 0.5, count))


def _gazes(generator: np.random.Generator, count: int) -> list[tuple[float, float]]:
    drawn = np.clip(generator.normal(0, (0.38, 0.22), (count, 2)), -1, 1)
    return [(float(x), float(y)) for x, y in drawn]


def _felt(generator: np.random.Generator, *, calm: bool) -> tuple[Expression, float]:
    """An expression that nobody asked for: mostly none."""
    faces = list(Expression)
    which = faces[int(generator.integers(len(faces)))]
    strength, neutral = float(generator.uniform(0.25, 0.9)), generator.random() < 0.55
    return (Expression.NEUTRAL, 0.0) if neutral or calm else (which, strength)


@dataclass(frozen=True)
class Performance:
    """What a face does, frame by frame: (expression, intensity) and all its actions."""

    expressions: tuple[tuple[Expression, float], ...]
    actions: tuple[FacialActions, ...]


def perform(
    generator: np.random.Generator,
    spec: ClipSpec,
    asked: tuple[tuple[Expression, float], ...] | None,
    lids_down: float = 0.03,
) -> Performance:
    """Draw what a face does during a clip.

    A STILL clip holds one face, with its lids down now and then. A video blinks, looks about, and in its lively part
    makes a face every second or two. The individuality of each action is one draw for the whole clip.

    Args:
        generator: of the clip's performance.
        spec: of the clip.
        asked: one (expression, intensity) for all frames or one for each; None: draw them.
        lids_down: share of STILL clips that hold the lids down.
    """
    own = int(generator.integers(2**63))
    times = [frame * spec.seconds_between_frames for frame in range(spec.frames)]
    blinks = _blinks(generator, times[-1])
    gazes = _gazes(generator, int(times[-1] / 0.9) + 1)
    lids = generator.random(2)
    first = _felt(generator, calm=spec.motion is not Motion.STILL)
    beats = [_felt(generator, calm=False) for _ in range(int(times[-1] / 1.4) + 1)]

    def made(expression: Expression, intensity: float) -> FacialActions:
        return express(expression, intensity, np.random.Generator(np.random.PCG64(own)))

    words, faces = [], []
    for frame, seconds in enumerate(times):
        if asked is not None:
            word = asked[frame % len(asked)]
            face = made(*word)
        elif spec.motion is Motion.LIVELY and seconds > spec.calm_seconds:
            word, face = _lively(beats, seconds - spec.calm_seconds, made)
        else:
            word, face = first, made(*first)
        if spec.motion is Motion.STILL:
            blink = float(lids[1]) if lids[0] < lids_down and asked is None else 0.0
            gaze = gazes[0]
        else:
            blink = float(np.clip(1 - np.abs(blinks - seconds) / _BLINK_HALF_SECONDS, 0, 1).max())
            gaze = gazes[int(seconds / 0.9)] if spec.motion is Motion.LIVELY else gazes[0]
        if spec.lids is not None:
            blink = max(blink, spec.lids[frame])
        words.append(word)
        faces.append(replace(face, blink=blink, gaze=gaze))
    return Performance(tuple(words), tuple(faces))


def _lively(
    beats: list[tuple[Expression, float]], seconds: float, made: Callable[[Expression, float], FacialActions]
) -> tuple[tuple[Expression, float], FacialActions]:
    """Each beat of 1.4 s goes over in half a second to the next face and holds it."""
    beat = min(int(seconds / 1.4), len(beats) - 1)
    share = float(np.clip((seconds - 1.4 * beat) / 0.5, 0, 1))
    share = share * share * (3 - 2 * share)
    before = beats[beat - 1] if beat else (Expression.NEUTRAL, 0.0)
    after = beats[beat]
    word = (after[0], after[1] * share) if share > 0.5 else (before[0], before[1] * (1 - share))
    return word, between(made(*before), made(*after), share)
