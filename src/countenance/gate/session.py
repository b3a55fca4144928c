"""A session at the gate as a value: whatever one process knows of it after a frame, another can go on with.

A session holds scores, times and counts, and no picture and no expression. One biometric datum is needed between two
frames, the template of the first judged face (the anchor), with which every later face is compared, so that nobody
changes places. It lies in a session only sealed by a vault, bound to that session. Without one it stays in `Recent`,
in the memory of one process, and is missing on another, which refuses wherever the policy asks for it.

The last frames, from which windows for a network of clips are cut, are in `Recent` alone: a session that goes on in
another process begins its window anew.
"""

import base64
import binascii
import hashlib
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from countenance.challenge import ChallengeState
from countenance.errors import DataError, UsageError
from countenance.faces.detection import Face, shrunk
from countenance.faces.eyes import EyeBaseline
from countenance.loading.clip_windows import RATE, SPAN, STEP
from countenance.policy import Outcome
from countenance.receipts import joined
from countenance.vocabulary import Action, Modality, Reason

_DIGEST_BYTES = 32
_KEEP_SIDE = 640  # pixels of a frame that waits for its window
_LAG_SECONDS = (SPAN - 1) / RATE  # that a window reaches back
_LEAST_SECONDS = 0.06  # between two frames that wait: of 15 frames a second all, of 30 every second one


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """What a camera delivered at one moment.

    Attributes:
        image: the bytes of a picture as they were received, or (H, W, 3) uint8 RGB.
        seconds: when it came in, by the clock of the gate, seconds since the epoch.
        infrared: of the same moment and the same size, lying on `image`: bytes, or (H, W) uint8.
        depth: likewise.
    """

    image: bytes | NDArray[np.uint8]
    seconds: float
    infrared: bytes | NDArray[np.uint8] | None = None
    depth: bytes | NDArray[np.uint8] | None = None

    @property
    def content(self) -> bytes:
        """What enters the chain of frames: the bytes of a lone picture, or of all sensors as `joined` joins them.

        Pixels count as their shape and their rows.
        """
        planes = self.planes
        if not planes and isinstance(self.image, bytes):
            return self.image
        return joined({name: _bytes(part) for name, part in {Modality.RGB: self.image, **planes}.items()})

    @property
    def planes(self) -> dict[Modality, bytes | NDArray[np.uint8]]:
        """What came of the sensors besides the picture in colour."""
        others = {Modality.INFRARED: self.infrared, Modality.DEPTH: self.depth}
        return {name: part for name, part in others.items() if part is not None}

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content: 32 bytes."""
        return hashlib.sha256(self.content).digest()

    @property
    def picture_digest(self) -> bytes:
        """SHA-256 of the picture in colour alone, by which a frame that was seen before is known: 32 bytes.

        Another plane beside it makes an old picture no new one.
        """
        return replace(self, infrared=None, depth=None).digest


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What the person before the camera is told after a frame; no score, and nothing of what the networks found.

    Attributes:
        prompt: what to do now.
        action: that is asked for, for a page that draws it; None while the person is to be at rest, and at the end.
        advice: why this frame could not be judged; empty where it could.
        step: how many steps are finished.
        steps: how many there are.
        done: the attempt has ended, well or badly: conclude it.
    """

    prompt: str
    action: Action | None
    advice: tuple[Reason, ...]
    step: int
    steps: int
    done: bool

    def as_json(self) -> dict[str, Any]:
        """Return it, with the advice in words too."""
        return {
            **asdict(self),
            "action": None if self.action is None else str(self.action),
            "advice": [str(reason) for reason in self.advice],
            "words": [reason.advice for reason in self.advice],
        }


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What one check said of the frames so far.

    Key frames are those by which the challenge advanced.

    Attributes:
        count: frames with a score.
        total: sum of their scores.
        lowest: of their scores; None before the first.
        key_count, key_total, key_lowest: the same of the key frames.
        seconds: of the newest score.
        missed: judged frames that this check had no score for.
    """

    count: int = 0
    total: float = 0.0
    lowest: float | None = None
    key_count: int = 0
    key_total: float = 0.0
    key_lowest: float | None = None
    seconds: float | None = None
    missed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no frames can have left.

        Raises:
            UsageError: naming it.
        """
        counts, numbers = (self.count, self.key_count, self.missed), (self.total, self.key_total, self.lowest or 0.0)
        fits = (
            min(counts) >= 0
            and all(map(math.isfinite, (*numbers, self.key_lowest or 0.0, self.seconds or 0.0)))
            and (self.count > 0) == (self.lowest is not None) == (self.seconds is not None)
            and self.key_count <= self.count
            and (self.key_count > 0) == (self.key_lowest is not None)
        )
        if not fits:
            raise UsageError(expected="counts and scores that agree", came=repr(self), remedy="begin anew")

    def seen(self, score: float | None, seconds: float, *, key: bool) -> "Tally":
        """Return the tally after one more judged frame; None or a number that is not finite is no score."""
        if score is None or not math.isfinite(score):
            return replace(self, missed=self.missed + 1)
        lowest = score if self.lowest is None else min(self.lowest, score)
        told = replace(self, count=self.count + 1, total=self.total + score, lowest=lowest, seconds=seconds)
        if not key:
            return told
        key_lowest = score if self.key_lowest is None else min(self.key_lowest, score)
        return replace(told, key_count=self.key_count + 1, key_total=self.key_total + score, key_lowest=key_lowest)

    @property
    def mean(self) -> float | None:
        """The lower of two means: over all frames, and over the key frames where there are any; None without frames."""
        if not self.count:
            return None
        return min(self.total / self.count, self.key_total / self.key_count if self.key_count else math.inf)

    @property
    def key_worst(self) -> float | None:
        """The lowest score of the key frames, of all frames where none is key; None without frames."""
        return self.key_lowest if self.key_count else self.lowest


@dataclass(frozen=True, kw_only=True)
class Session:
    """One attempt of one person, as far as it went.

    Attributes:
        identifier: of the session.
        subject: the name that is claimed.
        state: of the challenge.
        policy: digest of the policy that it was begun under.
        head: of the chain of frames, 32 bytes.
        frames: in the chain.
        judged: of them, those that showed one face well enough.
        seconds: of the newest frame; None before the first.
        unjudged: frames by the advice that was given instead of judging them.
        tallies: what each check that scores frames said, by its name.
        anchor: the sealed template of the first judged face; None before it, or where there is no vault.
        eyes: contrasts of the person's open eyes, where the challenge asks to close them.
    """

    identifier: str
    subject: str
    state: ChallengeState
    policy: str
    head: bytes
    frames: int = 0
    judged: int = 0
    seconds: float | None = None
    unjudged: Mapping[Reason, int] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    anchor: bytes | None = None
    eyes: EyeBaseline = field(default_factory=EyeBaseline)

    @property
    def nonce(self) -> str:
        """Of the challenge."""
        return self.state.challenge.nonce

    @property
    def expires(self) -> float:
        """From when on it is too late, seconds since the epoch."""
        return self.state.challenge.expires

    @property
    def is_open(self) -> bool:
        """Whether frames are still of use."""
        return self.state.is_open

    def tally(self, check: str) -> Tally:
        """Return what a check said so far."""
        return self.tallies.get(check, Tally())

    def as_json(self) -> dict[str, Any]:
        """Return the session as JSON holds it."""
        return {
            "identifier": self.identifier,
            "subject": self.subject,
            "state": self.state.as_json(),
            "policy": self.policy,
            "head": self.head.hex(),
            "frames": self.frames,
            "judged": self.judged,
            "seconds": self.seconds,
            "unjudged": {str(reason): count for reason, count in self.unjudged.items()},
            "tallies": {check: asdict(tally) for check, tally in self.tallies.items()},
            "anchor": None if self.anchor is None else base64.b64encode(self.anchor).decode(),
            "eyes": list(self.eyes.seen),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read `as_json` back.

        Raises:
            DataError: another object, or values that no session can have.
        """
        names = {each.name for each in fields(cls)}
        try:
            if not isinstance(value, Mapping) or set(value) != names:
                raise ValueError(f"not an object of {', '.join(sorted(names))}")
            found = cls(
                identifier=_of(str, value["identifier"]),
                subject=_of(str, value["subject"]),
                state=ChallengeState.from_json(value["state"]),
                policy=_of(str, value["policy"]),
                head=bytes.fromhex(_of(str, value["head"])),
                frames=_of(int, value["frames"]),
                judged=_of(int, value["judged"]),
                seconds=None if value["seconds"] is None else float(_of((int, float), value["seconds"])),
                unjudged={Reason(name): _of(int, count) for name, count in _of(dict, value["unjudged"]).items()},
                tallies={_of(str, name): _tally(row) for name, row in _of(dict, value["tallies"]).items()},
                anchor=None if value["anchor"] is None else base64.b64decode(_of(str, value["anchor"]), validate=True),
                eyes=EyeBaseline(tuple(float(_of((int, float), each)) for each in _of(list, value["eyes"]))),
            )
            if len(found.head) != _DIGEST_BYTES or not 0 <= found.judged <= found.frames:
                raise ValueError("counts or a digest that do not fit")
        except (ValueError, TypeError, UsageError, binascii.Error) as error:
            raise DataError(
                expected="a session as the gate wrote it", came=f"another value ({error})"[:300], remedy="begin anew"
            ) from error
        return found


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """What was decided of one session.

    Attributes:
        session: its identifier.
        accepted: every check that the policy combines says so.
        reasons: why not, in words that the person can act on; empty when accepted.
        outcomes: of each check, with its score and its threshold: for the operator only.
        policy: name and version of the policy.
        policy_digest: SHA-256 of the policy.
        models: SHA-256 of the weights of every network that was asked, by its name.
        label: of the data that networks were trained on, such as "drawn data"; "" for real data.
        frames: in the chain.
        judged: of them, those that showed one face well enough.
        head: of the chain of frames, in hexadecimal.
    """

    session: str
    accepted: bool
    reasons: tuple[Reason, ...]
    outcomes: tuple[Outcome, ...]
    policy: str
    policy_digest: str
    models: Mapping[str, str]
    label: str
    frames: int
    judged: int
    head: str

    @property
    def scores(self) -> dict[str, float | None]:
        """The score of each check; for the operator only."""
        return {outcome.check: outcome.score for outcome in self.outcomes}

    def for_person(self) -> dict[str, Any]:
        """Return what the person is told: the answer and the reasons, without a score or a check."""
        return {
            "accepted": self.accepted,
            "reasons": [str(reason) for reason in self.reasons],
            "advice": [reason.advice for reason in self.reasons],
        }

    def as_json(self) -> dict[str, Any]:
        """Return all of it, for the operator."""
        return {
            "session": self.session,
            **self.for_person(),
            "scores": self.scores,
            "outcomes": [outcome.as_json() for outcome in self.outcomes],
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "models": dict(self.models),
            "label": self.label,
            "frames": self.frames,
            "judged": self.judged,
            "head": self.head,
        }


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """A frame that waits for its window.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, no side longer than 640.
        box: of the face in it: x, y, width, height.
        seconds: when it came in.
    """

    pixels: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    seconds: float


class Recent:
    """What one process remembers of a session between two frames: half a second of frames, and the anchor.

    At most nine frames of 640 pixels stay, 8 MB of 640 x 480; of a faster camera some are passed over.
    """

    def __init__(self) -> None:
        self.anchor: NDArray[np.float32] | None = None
        self._frames: deque[SeenFrame] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, pixels: NDArray[np.uint8], face: Face, seconds: float) -> None:
        """Remember a judged frame, and forget what no window can need any more."""
        if self._frames and seconds - self._frames[-1].seconds < _LEAST_SECONDS:
            return
        small = shrunk(pixels, _KEEP_SIDE)
        across, down = small.shape[1] / pixels.shape[1], small.shape[0] / pixels.shape[0]
        x, y, width, height = face.box
        kept = pixels.copy() if small is pixels else small
        self._frames.append(SeenFrame(kept, (x * across, y * down, width * across, height * down), seconds))
        while self._frames[-1].seconds - self._frames[0].seconds > _LAG_SECONDS + STEP / RATE:
            self._frames.popleft()

    def begin_window(self) -> None:
        """Forget all but the newest frame, with which the next window begins."""
        while len(self._frames) > 1:
            self._frames.popleft()

    def break_off(self) -> None:
        """Forget the frames: a window must show the face all along."""
        self._frames.clear()

    def taken(self) -> tuple[SeenFrame, ...]:
        """Return the frames, in their order."""
        return tuple(self._frames)


def _bytes(part: bytes | NDArray[np.uint8]) -> bytes:
    if isinstance(part, bytes):
        return part
    return f"{part.dtype} {part.shape}\n".encode() + np.ascontiguousarray(part).tobytes()


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{value!r} where {kind} stands"[:100])
    return value


def _tally(row: object) -> Tally:
    told: dict[str, Any] = _of(dict, row)
    if set(told) != {each.name for each in fields(Tally)}:
        raise ValueError(f"a tally of {', '.join(told)}")
    whole = {name: _of(int, told[name]) for name in ("count", "key_count", "missed")}
    rest = {name: None if told[name] is None else float(_of((int, float), told[name])) for name in told.keys() - whole}
    return Tally(**{**whole, **rest})
