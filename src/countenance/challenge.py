"""The challenge as a pure state machine: what is asked, what was seen, and how it ended.

The server draws actions (a smile, a turn of the head, closed eyes) that nobody can know beforehand. For each one the
person is first seen at rest, and only then told what to do: whoever smiles all along, in a recording or on a
photograph, is never at rest. Then the action must be held; another one held in its place ends the attempt.

Nothing here looks at a clock, draws a number or touches a file: time and random bytes are passed in, a state goes in
and another comes out, and each state is JSON, so that any process can go on where another one stopped. The times are
the server's own, at which frames came in: a client could write whatever time he likes.

Rest is judged, and another action counts as one, only in what the challenge asks about: the direction of the head
always, the expression and the eyes where an action of the challenge needs them. A value that is missing tells nothing:
an observation that lacks one of the needed values advances nothing and breaks off what was being held. Of a face that
is turned away only the direction counts. A turn is one from where the head was at rest: heads, cameras and estimates
from five points are a few degrees off the middle, and a photograph that is must not need the less for it.

A recording of the right actions in the right order passes here; that it is a recording is for the networks to say.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from countenance.errors import ChallengeReplayed, DataError, OutOfOrder, UsageError
from countenance.vocabulary import Action, Expression, Reason

NONCE_BYTES = 16  # 128 bits: not to be guessed, and two that are alike will not be drawn
LOCK_FAILURES = 5  # failures of one person ...
LOCK_WITHIN_SECONDS = 180.0  # ... within this time lock him, as commercial services do (5 in 3 minutes)
LOCK_SECONDS = 180.0  # for this long from the last of them; short, since whoever knows a name can lock its owner out
LOCK_LOOK_BACK_SECONDS = LOCK_WITHIN_SECONDS + LOCK_SECONDS  # failures before that lock nobody now
REST_PROMPT = "Look at the camera with a calm face."
_DRAWS = 128  # of one byte; an honest source of random bytes needs a second one in less than half of all cases
_MOST = 1_000_000  # of anything that is counted here
_SLACK = 1e-6  # by which a probability in float32 may be above 1, and a difference of two times since the epoch be off
_TURNS = (Action.TURN_LEFT, Action.TURN_RIGHT)
_EXPRESSIONS: Mapping[Action, Expression] = {Action.HAPPY: Expression.HAPPY, Action.SURPRISE: Expression.SURPRISE}


class Phase(StrEnum):
    """What a step waits for: the person at rest, then the action."""

    REST = "rest"
    ACTION = "action"


class ChallengeOutcome(StrEnum):
    """How an attempt ended, or that it goes on."""

    OPEN = "open"
    PASSED = "passed"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class ChallengeRules:
    """How much is asked, and when it counts as shown.

    Attributes:
        actions: to draw from, each once.
        steps: actions in a challenge. Two of five in order are 20 challenges: a recording made beforehand of any one of
            them fits one time in twenty.
        seconds: until it expires. At 1 frame a second two steps take about 12.
        attempts: challenges that one session may draw.
        hold_frames: observations in a row that show rest, or an action: one may be a misjudged frame, and more would
            take too long at 1 frame a second ...
        hold_seconds: ... and the time from the first of them to the last; at 30 frames a second it asks for ten.
        blink_frames: observations with closed eyes: one, since at 1 frame a second there is seldom a second.
        blink_seconds: from the last one with open eyes before them to the first one after them: longer than a blink
            that comes by itself (0.1 to 0.4 s), which is in every recording, and than a misjudged frame. At less than
            5 frames a second the two cannot be told apart.
        astray_frames: observations that show another action than the one asked for ...
        astray_seconds: ... and the time over them, at which the attempt ends. Longer than a blink that comes by itself,
            and than a turn the wrong way that is noticed.
        gap_seconds: the longest time without an observation that tells something; after a longer one the person must be
            seen at rest again, so that nobody stops the camera until he has prepared what is asked for.
        shown_probability: of an expression that is shown: more than that of all others together.
        calm_probability: that neither expression of the challenge may exceed at rest. Rest is not "neutral is likely":
            many a calm face is read as sad.
        front_degrees: the most yaw of a face that looks ahead, with the error of an estimate from five points.
        turn_degrees: by how much a head must be turned, away from its own yaw at rest: clearly above the former.
        open_share: the least openness of open eyes, in [0, 1].
        closed_share: the most openness of closed eyes.
    """

    actions: tuple[Action, ...] = tuple(Action)
    steps: int = 2
    seconds: float = 30.0
    attempts: int = 3
    hold_frames: int = 2
    hold_seconds: float = 0.3
    blink_frames: int = 1
    blink_seconds: float = 0.4
    astray_frames: int = 2
    astray_seconds: float = 0.5
    gap_seconds: float = 3.0
    shown_probability: float = 0.5
    calm_probability: float = 0.25
    front_degrees: float = 12.0
    turn_degrees: float = 20.0
    open_share: float = 0.6
    closed_share: float = 0.3

    def __post_init__(self) -> None:
        """Refuse rules that ask for nothing, or by which one face is at rest and acts at once.

        Raises:
            UsageError: naming the rule.
        """
        counts = (self.steps, self.attempts, self.hold_frames, self.blink_frames, self.astray_frames)
        times = (self.seconds, self.gap_seconds, self.hold_seconds, self.blink_seconds, self.astray_seconds)
        _refuse_unless(min(counts) >= 1, "counts of 1 at least", counts)
        _refuse_unless(all(0 < each < math.inf for each in times), "finite times above 0", times)
        _refuse_unless(len(set(self.actions)) == len(self.actions), "each action once", self.actions)
        _refuse_unless(len(self.actions) >= self.steps, f"{self.steps} actions at least", self.actions)
        shares = (self.calm_probability, self.shown_probability)
        _refuse_unless(0 <= shares[0] < shares[1] <= 1 and shares[1] >= 0.5, "calm below shown, from 0.5 to 1", shares)
        angles = (self.front_degrees, self.turn_degrees)
        _refuse_unless(0 < angles[0] < angles[1] < 90, "front below turned, below 90 degrees", angles)
        eyes = (self.closed_share, self.open_share)
        _refuse_unless(0 <= eyes[0] < eyes[1] <= 1, "closed below open, in [0, 1]", eyes)

    def as_json(self) -> dict[str, Any]:
        """Return the rules as JSON holds them."""
        return {**asdict(self), "actions": [str(action) for action in self.actions]}

    @classmethod
    def from_json(cls, value: object) -> "ChallengeRules":
        """Read `as_json` back.

        Raises:
            DataError: another object, or rules that contradict themselves.
        """
        row = _row(value, [each.name for each in fields(cls)], "rules of a challenge")
        with _reading("rules of a challenge"):
            numbers = {
                each.name: _whole(row[each.name]) if each.type is int else _number(row[each.name])
                for each in fields(cls)
                if each.name != "actions"
            }
            return cls(actions=_actions(row["actions"]), **numbers)  # type: ignore[arg-type] # each as its field says


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What one attempt asks for.

    Attributes:
        nonce: 128 random bits in hexadecimal, by which it is known; spent with the attempt.
        actions: in the order in which they are asked for.
        issued: when it was drawn, seconds since the epoch.
        expires: from when on it is too late.
        attempt: which one of its session, from 1.
        rules: by which it is judged, to its end.
    """

    nonce: str
    actions: tuple[Action, ...]
    issued: float
    expires: float
    attempt: int = 1
    rules: ChallengeRules = field(default_factory=ChallengeRules)

    def __post_init__(self) -> None:
        """Refuse what the rules do not ask for.

        Raises:
            UsageError: naming it.
        """
        is_nonce = len(self.nonce) == 2 * NONCE_BYTES and set(self.nonce) <= set("0123456789abcdef")
        _refuse_unless(is_nonce, f"a nonce of {2 * NONCE_BYTES} hexadecimal digits", self.nonce)
        told = len(self.actions) == self.rules.steps == len(set(self.actions) & set(self.rules.actions))
        _refuse_unless(told, f"{self.rules.steps} different actions of the rules", self.actions)
        times = (self.issued, self.expires)
        _refuse_unless(-math.inf < times[0] < times[1] < math.inf, "an expiry after the issue", times)
        _refuse_unless(1 <= self.attempt <= self.rules.attempts, f"attempt 1 to {self.rules.attempts}", self.attempt)

    def as_json(self) -> dict[str, Any]:
        """Return the challenge as JSON holds it."""
        return {
            "nonce": self.nonce,
            "actions": [str(action) for action in self.actions],
            "issued": self.issued,
            "expires": self.expires,
            "attempt": self.attempt,
            "rules": self.rules.as_json(),
        }

    @classmethod
    def from_json(cls, value: object) -> "Challenge":
        """Read `as_json` back.

        Raises:
            DataError: another object, or a challenge that its rules do not allow.
        """
        row = _row(value, [each.name for each in fields(cls)], "a challenge")
        with _reading("a challenge"):
            return cls(
                nonce=_text(row["nonce"]),
                actions=_actions(row["actions"]),
                issued=_number(row["issued"]),
                expires=_number(row["expires"]),
                attempt=_whole(row["attempt"]),
                rules=ChallengeRules.from_json(row["rules"]),
            )


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one frame shows of the face; None is what could not be told.

    Attributes:
        seconds: when the frame came in, by the server's clock, seconds since the epoch.
        expressions: probabilities in [0, 1].
        yaw_degrees: direction of the head, above 0 towards the person's own left, in [-180, 180].
        eyes_open: openness of the eyes, 0 closed to 1 wide open.
    """

    seconds: float
    expressions: Mapping[Expression, float] | None = None
    yaw_degrees: float | None = None
    eyes_open: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no number of its range; what cannot be told is None.

        Raises:
            UsageError: naming it.
        """
        shares = [*(self.expressions or {}).values(), *([] if self.eyes_open is None else [self.eyes_open])]
        _refuse_unless(math.isfinite(self.seconds), "a finite time", self.seconds)
        _refuse_unless(all(-_SLACK <= each <= 1 + _SLACK for each in shares), "shares in [0, 1]", shares)
        _refuse_unless(abs(self.yaw_degrees or 0.0) <= 180, "a yaw within 180 degrees", self.yaw_degrees)


@dataclass(frozen=True, kw_only=True)
class ChallengeState:
    """How far one attempt is; `begin` makes the first one, `observe` and `close` the next.

    Attributes:
        challenge: what is asked for.
        shown: when each finished step was finished, in their order.
        phase: what the step that is on waits for.
        outcome: how it ended, or OPEN.
        reason: why it was refused; None while it is open, and when it passed.
        seconds: of the newest observation; None before the first.
        told: of the newest observation that told something.
        since: when what is being held began; for closed eyes, when they were last seen open before.
        frames: observations that show it.
        astray_since: when another action than the one asked for was first seen.
        astray_frames: observations that show one.
        ahead_degrees: mean yaw of the rest that is being held or, while an action is waited for, went before it.
    """

    challenge: Challenge
    shown: tuple[float, ...] = ()
    phase: Phase = Phase.REST
    outcome: ChallengeOutcome = ChallengeOutcome.OPEN
    reason: Reason | None = None
    seconds: float | None = None
    told: float | None = None
    since: float | None = None
    frames: int = 0
    astray_since: float | None = None
    astray_frames: int = 0
    ahead_degrees: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a state that no attempt can be in.

        Raises:
            UsageError: naming what contradicts what.
        """
        steps = len(self.challenge.actions)
        passed, refused = self.outcome is ChallengeOutcome.PASSED, self.reason is not None
        _refuse_unless((len(self.shown) == steps) == passed, f"{steps} steps where it passed", self.shown)
        closed = self.outcome in {ChallengeOutcome.FAILED, ChallengeOutcome.EXPIRED}
        _refuse_unless(refused == closed, "a reason where it was refused", (self.outcome, self.reason))
        times = [self.challenge.issued, *self.shown, *([] if self.seconds is None else [self.seconds])]
        _refuse_unless(times == sorted(times) and math.isfinite(times[-1]), "times that rise", times)
        newest = -math.inf if self.seconds is None else self.seconds
        runs = [each for each in (self.told, self.since, self.astray_since) if each is not None]
        _refuse_unless(all(self.challenge.issued <= each <= newest for each in runs), "times that were seen", runs)
        counts = (self.frames, self.astray_frames)
        _refuse_unless(min(counts) >= 0, "counts of 0 at least", counts)
        held = (self.frames > 0) <= (self.since is not None) and (self.astray_frames > 0) == (
            self.astray_since is not None
        )
        _refuse_unless(held, "counts with the time since when", (counts, runs))
        front = self.challenge.rules.front_degrees + _SLACK
        _refuse_unless(abs(self.ahead_degrees) <= front, "a yaw at rest of a face that looks ahead", self.ahead_degrees)

    @property
    def step(self) -> int:
        """Number of steps that are finished; the place of the one that is on."""
        return len(self.shown)

    @property
    def is_open(self) -> bool:
        """Whether the attempt goes on."""
        return self.outcome is ChallengeOutcome.OPEN

    @property
    def action(self) -> Action | None:
        """What the step that is on asks for; None after the end."""
        return self.challenge.actions[self.step] if self.is_open else None

    @property
    def prompt(self) -> str | None:
        """What the person is told now: to rest, or what to do; the action stays secret until he was seen at rest."""
        if self.action is None:
            return None
        return REST_PROMPT if self.phase is Phase.REST else self.action.prompt

    def as_json(self) -> dict[str, Any]:
        """Return the state as JSON holds it."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            **plain,
            "challenge": self.challenge.as_json(),
            "shown": list(self.shown),
            "phase": str(self.phase),
            "outcome": str(self.outcome),
            "reason": None if self.reason is None else str(self.reason),
        }

    @classmethod
    def from_json(cls, value: object) -> "ChallengeState":
        """Read `as_json` back.

        Raises:
            DataError: another object, or a state that no attempt can be in.
        """
        row = _row(value, [each.name for each in fields(cls)], "the state of a challenge")
        with _reading("the state of a challenge"):
            return cls(
                challenge=Challenge.from_json(row["challenge"]),
                shown=tuple(_number(each) for each in _list(row["shown"])),
                phase=Phase(row["phase"]),
                outcome=ChallengeOutcome(row["outcome"]),
                reason=None if row["reason"] is None else Reason(row["reason"]),
                seconds=_number_or_none(row["seconds"]),
                told=_number_or_none(row["told"]),
                since=_number_or_none(row["since"]),
                frames=_whole(row["frames"]),
                astray_since=_number_or_none(row["astray_since"]),
                astray_frames=_whole(row["astray_frames"]),
                ahead_degrees=_number(row["ahead_degrees"]),
            )


def draw_challenge(
    rules: ChallengeRules,
    *,
    random: Callable[[int], bytes],
    now: float,
    without: Iterable[Action] = frozenset(),
    attempt: int = 1,
) -> Challenge:
    """Draw what a person is asked to do: every order of different actions is equally likely.

    Args:
        rules: how many, and of which.
        random: returns that many random bytes; `secrets.token_bytes` in use.
        now: seconds since the epoch.
        without: actions that this person cannot do.
        attempt: which one of the session, from 1.

    Raises:
        UsageError: fewer actions are left than steps, no attempt is left, or `random` gives no random bytes.
    """
    left = [action for action in rules.actions if action not in frozenset(without)]
    if len(left) < rules.steps:
        raise UsageError(
            expected=f"{rules.steps} actions that the person can do",
            came=f"{len(left)} ({', '.join(left) or 'none'})",
            remedy="ask for fewer steps, or authenticate this person in another way",
        )
    nonce = _bytes(random, NONCE_BYTES).hex()
    actions = tuple(left.pop(_below(len(left), random)) for _ in range(rules.steps))
    return Challenge(
        nonce=nonce, actions=actions, issued=now, expires=now + rules.seconds, attempt=attempt, rules=rules
    )


def draw_again(
    state: ChallengeState, *, random: Callable[[int], bytes], now: float, without: Iterable[Action] = frozenset()
) -> Challenge:
    """Draw the challenge of the next attempt after one that was refused.

    Raises:
        ChallengeReplayed: the attempt passed or still goes on, or it was the last one.
        UsageError: as for `draw_challenge`.
    """
    challenge = state.challenge
    if state.outcome in {ChallengeOutcome.OPEN, ChallengeOutcome.PASSED}:
        came = f"one that {'goes on' if state.is_open else 'passed'}"
        raise ChallengeReplayed(expected="an attempt that was refused", came=came, remedy="begin a new session")
    if challenge.attempt >= challenge.rules.attempts:
        raise ChallengeReplayed(
            expected=f"at most {challenge.rules.attempts} attempts", came="one more", remedy="begin a new session"
        )
    return draw_challenge(challenge.rules, random=random, now=now, without=without, attempt=challenge.attempt + 1)


def begin(challenge: Challenge) -> ChallengeState:
    """Return the state before the first observation."""
    return ChallengeState(challenge=challenge)


def observe(state: ChallengeState, observation: Observation) -> ChallengeState:
    """Return the state after one more frame.

    From the expiry on the attempt ends as EXPIRED, whatever the frame shows.

    Raises:
        ChallengeReplayed: the attempt has ended.
        OutOfOrder: the frame is not later than the one before, or not later than the challenge.
    """
    if not state.is_open:
        raise ChallengeReplayed(
            expected="an attempt that goes on", came=f"one that {state.outcome}", remedy="begin a new attempt"
        )
    _refuse_earlier(state, observation.seconds)
    if observation.seconds >= state.challenge.expires:
        return _ended(replace(state, seconds=observation.seconds), ChallengeOutcome.EXPIRED, Reason.TOO_LATE)
    current = _after_gap(replace(state, seconds=observation.seconds))
    seen = _seen(observation, current)
    if seen is None:
        return replace(current, since=None, frames=0)
    current = replace(current, told=observation.seconds)
    if current.phase is Phase.REST:
        return _resting(current, seen)
    return _acting(current, seen)


def close(state: ChallengeState, *, now: float) -> ChallengeState:
    """End the attempt: what was not shown by now will not be; an attempt that has ended stays as it is.

    Raises:
        OutOfOrder: `now` is before the newest observation.
    """
    if not state.is_open:
        return state
    newest = state.challenge.issued if state.seconds is None else state.seconds
    if not now >= newest:
        raise OutOfOrder(expected="an end after the last frame", came=f"{newest - now:g} s before it", remedy=_CLOCK)
    if now >= state.challenge.expires:
        return _ended(state, ChallengeOutcome.EXPIRED, Reason.TOO_LATE)
    return _ended(state, ChallengeOutcome.FAILED, Reason.ACTION_NOT_SHOWN)


def locked_until(failures: Sequence[float], now: float) -> float | None:
    """Tell until when a person is locked, after `LOCK_FAILURES` failures within `LOCK_WITHIN_SECONDS`.

    A failure counts whenever it is noted: note none for an attempt that was refused because of the lock, or whoever
    goes on trying locks the owner out for good.

    Args:
        failures: times of his failures, seconds since the epoch, in any order; those of the last
            `LOCK_LOOK_BACK_SECONDS` decide.
        now: seconds since the epoch.

    Returns:
        The time, or None where he is not locked.

    Raises:
        UsageError: a time is not finite.

    >>> locked_until([0, 10, 20, 30, 40], now=50)
    220.0
    >>> locked_until([0, 10, 20, 30, 200], now=201) is None
    True
    """
    times = sorted(failures)
    _refuse_unless(all(map(math.isfinite, (*times, now))), "finite times", times)
    ends = [
        last + LOCK_SECONDS
        for first, last in zip(times, times[LOCK_FAILURES - 1 :], strict=False)
        if last - first <= LOCK_WITHIN_SECONDS
    ]
    return ends[-1] if ends and now < ends[-1] else None


_CLOCK = "pass the times at which frames came in, by one clock"


class _Eyes(StrEnum):
    OPEN = "open"
    BETWEEN = "between"
    CLOSED = "closed"


@dataclass(frozen=True)
class _Seen:
    """What an observation that lacks nothing shows: one action at most, rest, the eyes of a face that looks ahead."""

    yaw_degrees: float
    action: Action | None = None
    at_rest: bool = False
    eyes: _Eyes | None = None


def _seen(observation: Observation, state: ChallengeState) -> _Seen | None:
    """Tell what a frame shows; None where a value that the challenge needs is missing.

    At rest a face looks at the camera; an action is then measured from the direction in which it did.

    A turned head comes first, then the expression, then the eyes: who laughs with closed eyes laughs.
    """
    challenge, rules = state.challenge, state.challenge.rules
    if observation.yaw_degrees is None:
        return None
    yaw = observation.yaw_degrees - (state.ahead_degrees if state.phase is Phase.ACTION else 0.0)
    if abs(yaw) > rules.front_degrees:
        turned = Action.TURN_LEFT if yaw > 0 else Action.TURN_RIGHT
        return _Seen(yaw, turned if abs(yaw) >= rules.turn_degrees else None)
    calm, action, eyes = True, None, None
    if any(each in _EXPRESSIONS for each in challenge.actions):
        told = observation.expressions or {}
        if not told.keys() >= set(_EXPRESSIONS.values()):
            return None
        calm = all(told[each] <= rules.calm_probability for each in _EXPRESSIONS.values())
        action = next((name for name, each in _EXPRESSIONS.items() if told[each] > rules.shown_probability), None)
    if Action.BLINK in challenge.actions:
        if observation.eyes_open is None:
            return None
        is_open, is_closed = observation.eyes_open >= rules.open_share, observation.eyes_open <= rules.closed_share
        eyes = _Eyes.OPEN if is_open else _Eyes.CLOSED if is_closed else _Eyes.BETWEEN
    at_rest = calm and eyes in {None, _Eyes.OPEN}
    if action is None and eyes is _Eyes.CLOSED:
        action = Action.BLINK
    return _Seen(yaw, action, at_rest, eyes)


def _after_gap(state: ChallengeState) -> ChallengeState:
    """Ask for rest again where too long a time has told nothing."""
    assert state.seconds is not None
    if state.told is None or state.seconds - state.told <= state.challenge.rules.gap_seconds:
        return state
    return replace(_fresh(state), phase=Phase.REST)


def _fresh(state: ChallengeState) -> ChallengeState:
    return replace(state, since=None, frames=0, astray_since=None, astray_frames=0)


def _resting(state: ChallengeState, seen: _Seen) -> ChallengeState:
    """Go on to the action once rest was held."""
    if not seen.at_rest:
        return replace(state, since=None, frames=0)
    held = _counted(state)
    mean = (state.frames * state.ahead_degrees + seen.yaw_degrees) / held.frames  # of frames 0, this one alone
    held = replace(held, ahead_degrees=mean)
    if not _is_held(held):
        return held
    rested = replace(_fresh(held), phase=Phase.ACTION)
    return replace(rested, since=held.seconds) if held.action is Action.BLINK else rested  # the eyes are open now


def _acting(state: ChallengeState, seen: _Seen) -> ChallengeState:
    """Go on to the next step once the action was held; end where another one was."""
    asked, rules = state.action, state.challenge.rules
    if (
        seen.action is not None
        and seen.action is not asked
        and not (asked is Action.BLINK and seen.eyes is _Eyes.CLOSED)
    ):
        strayed = replace(
            state,
            since=None,
            frames=0,
            astray_since=state.seconds if state.astray_since is None else state.astray_since,
            astray_frames=state.astray_frames + 1,
        )
        assert strayed.seconds is not None
        assert strayed.astray_since is not None
        long = strayed.seconds - strayed.astray_since >= rules.astray_seconds - _SLACK
        if strayed.astray_frames >= rules.astray_frames and long:
            return _ended(strayed, ChallengeOutcome.FAILED, Reason.WRONG_ORDER)
        return strayed
    state = replace(state, astray_since=None, astray_frames=0)
    if asked is Action.BLINK:
        return _blinking(state, seen)
    if seen.action is not asked:
        return replace(state, since=None, frames=0)
    held = _counted(state)
    return _finished(held) if _is_held(held) else held


def _blinking(state: ChallengeState, seen: _Seen) -> ChallengeState:
    """Follow the eyes: open, closed, open; on the way between them nothing is counted."""
    rules, seconds = state.challenge.rules, state.seconds
    assert seconds is not None
    if seen.action is Action.BLINK:
        return replace(state, since=seconds if state.since is None else state.since, frames=state.frames + 1)
    if seen.action is not None or seen.eyes is None:  # a laugh with closed eyes, or a face on its way aside
        return replace(state, since=None, frames=0)
    if seen.eyes is _Eyes.BETWEEN:
        return state
    long = state.since is not None and seconds - state.since >= rules.blink_seconds - _SLACK
    if state.frames >= rules.blink_frames and long:
        return _finished(state)
    return replace(state, since=seconds, frames=0)


def _counted(state: ChallengeState) -> ChallengeState:
    return replace(state, since=state.seconds if state.since is None else state.since, frames=state.frames + 1)


def _is_held(state: ChallengeState) -> bool:
    assert state.seconds is not None
    assert state.since is not None
    rules = state.challenge.rules
    return state.frames >= rules.hold_frames and state.seconds - state.since >= rules.hold_seconds - _SLACK


def _finished(state: ChallengeState) -> ChallengeState:
    assert state.seconds is not None
    shown = (*state.shown, state.seconds)
    passed = len(shown) == len(state.challenge.actions)
    outcome = ChallengeOutcome.PASSED if passed else ChallengeOutcome.OPEN
    return replace(_fresh(state), shown=shown, phase=Phase.REST, outcome=outcome)


def _ended(state: ChallengeState, outcome: ChallengeOutcome, reason: Reason) -> ChallengeState:
    return replace(state, outcome=outcome, reason=reason)


def _refuse_earlier(state: ChallengeState, seconds: float) -> None:
    newest = state.challenge.issued if state.seconds is None else state.seconds
    if not seconds > newest:
        came = f"one {newest - seconds:g} s before it"
        raise OutOfOrder(expected="a frame after the one before", came=came, remedy=_CLOCK)


def _bytes(random: Callable[[int], bytes], count: int) -> bytes:
    drawn = random(count)
    if not isinstance(drawn, bytes) or len(drawn) != count:
        raise UsageError(expected=f"{count} random bytes", came=repr(drawn)[:40], remedy="pass secrets.token_bytes")
    return drawn


def _below(limit: int, random: Callable[[int], bytes]) -> int:
    """Draw a number below `limit`, each equally likely: bytes of the last, partial round are drawn again."""
    whole = 256 - 256 % limit
    for _ in range(_DRAWS):
        if (byte := _bytes(random, 1)[0]) < whole:
            return byte % limit
    raise UsageError(expected="random bytes", came=f"{_DRAWS} of {whole} or more", remedy="pass secrets.token_bytes")


def _refuse_unless(holds: bool, expected: str, came: object) -> None:  # noqa: FBT001 - an assertion in words
    if not holds:
        raise UsageError(expected=expected, came=repr(came)[:200], remedy="see countenance.challenge")


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn what a value of JSON cannot be into a DataError that names the object."""
    try:
        yield
    except (ValueError, TypeError, OverflowError, UsageError) as error:
        raise DataError(expected=what, came=f"another value ({error})"[:300], remedy="begin anew") from error


def _row(value: object, names: Sequence[str], what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or set(value) != set(names):
        came = ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
        raise DataError(expected=f"{what} with {', '.join(names)}", came=came[:200] or "nothing", remedy="begin anew")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} for a finite number")
    return float(value)


def _number_or_none(value: object) -> float | None:
    return None if value is None else _number(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST:
        raise ValueError(f"{value!r} for a count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} for a text")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} for a list")
    return value


def _actions(value: object) -> tuple[Action, ...]:
    return tuple(Action(each) for each in _list(value))
