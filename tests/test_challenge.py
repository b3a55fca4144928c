"""The challenge: what passes at any frame rate, what does not, and what no sequence of frames can do."""

import json
import re
import secrets
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.challenge import (
    LOCK_FAILURES,
    LOCK_WITHIN_SECONDS,
    REST_PROMPT,
    Challenge,
    ChallengeOutcome,
    ChallengeRules,
    ChallengeState,
    Observation,
    Phase,
    begin,
    close,
    draw_again,
    draw_challenge,
    locked_until,
    observe,
)
from countenance.errors import ChallengeReplayed, DataError, OutOfOrder, UsageError
from countenance.vocabulary import Action, Expression, Reason

NOW = 1_800_000_000.0
NONCE = "0123456789abcdef" * 2
PAIRS = list(permutations(Action, 2))
LOOKS = {  # what one frame shows: probabilities of happy and surprise, yaw, eyes; a letter for each
    "n": (0.05, 0.05, 0.0, 0.9),  # at rest
    "h": (0.9, 0.05, 0.0, 0.9),
    "s": (0.05, 0.9, 0.0, 1.0),
    "l": (0.05, 0.05, 35.0, 0.9),
    "r": (0.05, 0.05, -35.0, 0.9),
    "b": (0.05, 0.05, 0.0, 0.05),
    "o": (0.05, 0.05, 16.0, 0.9),  # on the way aside
    "m": (0.4, 0.05, 0.0, 0.9),  # half a smile
    "H": (0.9, 0.05, 0.0, 0.05),  # laughs with closed eyes
    "w": (0.05, 0.05, 0.0, 0.45),  # eyes between open and closed
}
LETTER = {Action.HAPPY: "h", Action.SURPRISE: "s", Action.TURN_LEFT: "l", Action.TURN_RIGHT: "r", Action.BLINK: "b"}
HIDE = {
    "expressions": lambda seen: replace(seen, expressions=None),
    "yaw": lambda seen: replace(seen, yaw_degrees=None),
    "eyes": lambda seen: replace(seen, eyes_open=None),
    "all": lambda seen: Observation(seconds=seen.seconds),
}


def challenge(*actions, **rules):
    asked = ChallengeRules(steps=len(actions), **rules)
    return Challenge(nonce=NONCE, actions=actions, issued=NOW, expires=NOW + asked.seconds, rules=asked)


def look(letter, seconds):
    happy, surprise, yaw, eyes = LOOKS[letter]
    expressions = {Expression.HAPPY: happy, Expression.SURPRISE: surprise, Expression.NEUTRAL: 1 - happy - surprise}
    return Observation(seconds=NOW + seconds, expressions=expressions, yaw_degrees=yaw, eyes_open=eyes)


def film(letters, every=1.0):
    return [look(letter, (place + 1) * every) for place, letter in enumerate(letters)]


def played(asked, observations):
    """The state after the frames, or after the one that ended it."""
    state = begin(asked)
    for seen in observations:
        if not state.is_open:
            break
        state = observe(state, seen)
    return state


def ended(asked, observations):
    return close(played(asked, observations), now=NOW + asked.rules.seconds - 0.01)


def obedient(actions, every):
    """Letters of somebody who does what he is told: 1.2 s of rest and of each action, two frames at least."""
    frames = max(2, round(1.2 / every))
    return "".join(
        "n" * frames + ("b" * max(1, frames // 2) + "n" if action is Action.BLINK else LETTER[action] * frames)
        for action in actions
    )


@pytest.mark.parametrize("rate", [1, 2, 5, 10, 30])
@pytest.mark.parametrize("actions", PAIRS, ids="-".join)
def test_who_does_what_he_is_told_passes_at_any_frame_rate(actions, rate):
    state = played(challenge(*actions), film(obedient(actions, 1 / rate), 1 / rate))
    assert state.outcome is ChallengeOutcome.PASSED
    assert (state.reason, state.step, state.action, state.prompt) == (None, 2, None, None)
    assert close(state, now=NOW + 29) == state


@pytest.mark.parametrize("rate", [1, 10])
@pytest.mark.parametrize("actions", PAIRS, ids="-".join)
def test_the_other_order_is_refused(actions, rate):
    state = ended(challenge(*actions), film(obedient(actions[::-1], 1 / rate), 1 / rate))
    assert state.outcome is ChallengeOutcome.FAILED
    one_frame_of_closed_eyes = rate == 1 and actions[1] is Action.BLINK  # as short as a blink that comes by itself
    assert state.reason is (Reason.ACTION_NOT_SHOWN if one_frame_of_closed_eyes else Reason.WRONG_ORDER)


@pytest.mark.parametrize("letter", LOOKS)
@pytest.mark.parametrize("actions", PAIRS, ids="-".join)
def test_one_picture_all_along_never_passes(actions, letter):
    state = ended(challenge(*actions), film(letter * 29))
    assert (state.outcome, state.reason) == (ChallengeOutcome.FAILED, Reason.ACTION_NOT_SHOWN)
    assert state.step == 0


@pytest.mark.parametrize(
    ("actions", "letters", "every", "reason"),
    [
        ("happy surprise", "hhhhnnhhnnss", 1.0, None),  # smiles until told to rest, then obeys
        ("happy surprise", "nnhhhhhssss", 1.0, Reason.ACTION_NOT_SHOWN),  # no rest between the two
        ("happy surprise", "nhhnhhnss", 1.0, Reason.ACTION_NOT_SHOWN),  # one frame of rest is too little
        ("happy surprise", "nnnnnnhhhnnnnnnsss", 0.1, Reason.ACTION_NOT_SHOWN),  # two tenths are no smile
        ("happy surprise", "nnhnhnhnn", 1.0, Reason.ACTION_NOT_SHOWN),  # single frames are none either
        ("happy surprise", "nnshhnnss", 1.0, None),  # one wrong frame is forgiven
        ("happy surprise", "nnsshhnnss", 1.0, Reason.WRONG_ORDER),
        ("happy surprise", "nnlrhhnnss", 1.0, Reason.WRONG_ORDER),  # two different wrong actions
        ("happy surprise", "nnmmhhnnss", 1.0, None),  # half a smile is on its way
        ("happy turn_left", "nnhhnnrrll", 1.0, Reason.WRONG_ORDER),
        ("happy turn_left", "nnhhnnooll", 1.0, None),
        ("turn_left turn_right", "nnllrr", 1.0, Reason.ACTION_NOT_SHOWN),  # through the front without resting
        ("turn_left turn_right", "nnllhhnnhrr", 1.0, None),  # nobody asked about expressions
        ("blink happy", "nnbnnnhh", 1.0, None),
        ("blink happy", "nnbbbb", 1.0, Reason.ACTION_NOT_SHOWN),  # eyes that stay closed are no blink
        ("blink happy", "nnHnnn", 1.0, Reason.ACTION_NOT_SHOWN),  # a laugh with closed eyes is a laugh
        ("blink happy", "nnHbnnnhh", 1.0, None),
        ("blink happy", "nnnnbnnnn" + "n" * 20 + "hhhh", 0.1, Reason.ACTION_NOT_SHOWN),  # one misjudged frame
        ("blink happy", "nnnnwwbwnnnnn" + "n" * 20 + "hhhhh", 0.1, None),  # its way down and up counts
        ("blink happy", "nnnnbbnnnn" + "n" * 20 + "hhhh", 0.1, Reason.ACTION_NOT_SHOWN),  # as short as a natural blink
        ("blink happy", "nnnnwbbwnnnnnnhhhhh", 0.1, None),
        ("happy blink", "nnHHnnbn", 1.0, None),  # the same laugh is what was asked for here
        ("happy blink", "nnbbbhh", 1.0, Reason.WRONG_ORDER),
        ("happy surprise", "nnbbbhhnnss", 1.0, None),  # nobody asked about the eyes
    ],
)
def test_what_counts(actions, letters, every, reason):
    asked = challenge(*map(Action, actions.split()))
    state = ended(asked, film(letters, every))
    assert state.reason is reason
    assert state.outcome is (ChallengeOutcome.PASSED if reason is None else ChallengeOutcome.FAILED)


@pytest.mark.parametrize(
    ("rest", "turned", "passes"),
    [
        ((0, 0), (20, 20), True),
        ((0, 0), (19.9, 19.9), False),
        ((-6, -4), (15, 15), True),  # 20 degrees away from where the head was
        ((10, 11), (25, 25), False),  # a photograph that looks aside, of which the next estimate is a little further
        ((11, 11), (31, 31), True),
        ((30, -5, -5), (15, 15), True),  # what was before the rest does not count
        ((-5, 30, 5, 5), (20, 25), False),
        ((13, 13), (40, 40), False),  # never looked at the camera
    ],
)
def test_a_turn_is_measured_from_the_rest_before_it(rest, turned, passes):
    seen = [
        Observation(seconds=NOW + place + 1, yaw_degrees=float(yaw), eyes_open=None)
        for place, yaw in enumerate((*rest, *turned))
    ]
    state = played(challenge(Action.TURN_LEFT, Action.TURN_RIGHT), seen)
    assert (state.step == 1) == passes
    mirrored = played(
        challenge(Action.TURN_RIGHT, Action.TURN_LEFT),
        [replace(each, yaw_degrees=-(each.yaw_degrees or 0.0)) for each in seen],
    )
    assert mirrored.step == state.step


def test_the_action_stays_secret_until_the_person_was_seen_at_rest():
    state, told = begin(challenge(Action.HAPPY, Action.TURN_LEFT)), []
    for seen in film("hhnnhhnnll"):
        told.append((state.prompt, state.step, state.phase))
        state = observe(state, seen)
    rest, turn = (REST_PROMPT, 1, Phase.REST), (Action.TURN_LEFT.prompt, 1, Phase.ACTION)
    assert told[:4] == [(REST_PROMPT, 0, Phase.REST)] * 4
    assert told[4:6] == [(Action.HAPPY.prompt, 0, Phase.ACTION)] * 2
    assert told[6:] == [rest, rest, turn, turn]
    assert state.shown == (NOW + 6, NOW + 10)


@pytest.mark.parametrize("hidden", HIDE)
def test_a_camera_that_was_stopped_must_see_the_person_at_rest_again(hidden):
    asked = challenge(Action.HAPPY, Action.BLINK)
    first = played(asked, film("nn"))
    late = [look("h", 6), look("h", 7)]
    assert first.phase is Phase.ACTION
    assert played(asked, [*film("nn"), *late]).step == 0, "four seconds without a frame"
    blind = [HIDE[hidden](look("n", seconds)) for seconds in (3, 4, 5)]
    assert played(asked, [*film("nn"), *blind, *late]).step == 0, "four seconds that tell nothing"
    assert played(asked, [*film("nn"), look("h", 5), look("h", 6)]).step == 1


def test_a_wrong_action_is_not_forgiven_for_a_frame_without_a_face():
    asked = challenge(Action.HAPPY, Action.SURPRISE)
    state = played(asked, [*film("nns"), Observation(seconds=NOW + 3.5), look("s", 4)])
    assert state.reason is Reason.WRONG_ORDER


def test_a_challenge_without_expressions_needs_none():
    frames = [replace(each, expressions=None) for each in film("nnllnnbn")]
    assert played(challenge(Action.TURN_LEFT, Action.BLINK), frames).outcome is ChallengeOutcome.PASSED
    assert played(challenge(Action.TURN_LEFT, Action.HAPPY), frames).step == 0


def test_expressions_that_lack_one_tell_nothing():
    frames = [replace(each, expressions={Expression.HAPPY: 0.0}) for each in film("nnnn")]
    assert played(challenge(Action.HAPPY, Action.BLINK), frames).phase is Phase.REST


def test_from_the_expiry_on_it_is_too_late():
    asked = challenge(Action.HAPPY, Action.SURPRISE)
    state = observe(played(asked, film("nn")), look("h", 30))
    assert (state.outcome, state.reason) == (ChallengeOutcome.EXPIRED, Reason.TOO_LATE)
    assert close(begin(asked), now=NOW + 30).reason is Reason.TOO_LATE
    assert close(begin(asked), now=NOW + 29).reason is Reason.ACTION_NOT_SHOWN


@pytest.mark.parametrize("seconds", [2.0, 1.0, 0.0, -5.0])
def test_time_that_does_not_rise_is_refused(seconds):
    state = played(challenge(Action.HAPPY, Action.SURPRISE), film("nn"))
    with pytest.raises(OutOfOrder, match="by one clock"):
        observe(state, look("h", seconds))
    with pytest.raises(OutOfOrder, match="before it"):
        close(state, now=NOW + 1)


def test_a_frame_from_before_the_challenge_is_refused():
    with pytest.raises(OutOfOrder):
        observe(begin(challenge(Action.HAPPY)), look("n", 0))


# what no sequence can do


@st.composite
def sequences(draw):
    """A challenge, and frames of somebody who obeys more or less, with a pause of any length after each."""
    actions = draw(st.sampled_from(PAIRS))
    noise = st.sampled_from(["", "", "", "n"]) | st.text("".join(LOOKS), max_size=3)
    pieces = [piece for action in actions for piece in ("nn", LETTER[action] * 2 + "n" * (action is Action.BLINK))]
    letters = "".join(draw(noise) + draw(st.sampled_from([piece] * 7 + [""])) for piece in pieces)
    every = draw(st.sampled_from([1.0, 0.5, 0.3, 0.1]))
    slips = draw(st.just({}) | st.dictionaries(st.integers(0, 20), st.sampled_from([0.05, 2.0, 4.0]), max_size=2))
    seconds, frames = 0.0, []
    for place, letter in enumerate(letters):
        seconds += slips.get(place, every)
        frames.append(look(letter, seconds))
    return challenge(*actions), frames, letters


@st.composite
def hidden_sequences(draw):
    """The same, and a twin in which some values are missing; with the letters of what the twin still tells."""
    asked, frames, letters = draw(sequences())
    hidden = draw(st.dictionaries(st.integers(0, max(0, len(frames) - 1)), st.sampled_from(sorted(HIDE)), max_size=4))
    twin = [HIDE[hidden[place]](seen) if place in hidden else seen for place, seen in enumerate(frames)]
    told = [
        "?" if place in hidden and is_needed(hidden[place], letter, asked) else letter
        for place, letter in enumerate(letters)
    ]
    return asked, frames, twin, letters, "".join(told)


def is_needed(value, letter, asked):
    """Whether a frame tells nothing without that value: of a face that is turned away only the direction counts."""
    eyes, faces = Action.BLINK in asked.actions, {Action.HAPPY, Action.SURPRISE} & set(asked.actions)
    return value in {"yaw", "all"} or (letter not in "lro" and bool(eyes if value == "eyes" else faces))


def lacks_an_action(asked, letters):
    """Whether rest and action, in this order for every step, are not all there: by a regular expression."""
    steps = [
        "nn.*" + ("b[bw]*n" if action is Action.BLINK else "[hH]{2}" if action is Action.HAPPY else LETTER[action] * 2)
        for action in asked.actions
    ]
    eyes = Action.BLINK in asked.actions
    faces = any(action in {Action.HAPPY, Action.SURPRISE} for action in asked.actions)
    told = letters if eyes else letters.replace("b", "n").replace("w", "n")
    told = told if faces else re.sub("[hsm]", "n", told).replace("H", "b" if eyes else "n")
    return re.search(".*".join(steps), told) is None


@given(hidden_sequences())
def test_no_sequence_that_lacks_an_action_in_its_order_passes(drawn):
    asked, frames, twin, letters, told = drawn
    assert played(asked, frames).outcome is not ChallengeOutcome.PASSED or not lacks_an_action(asked, letters)
    assert played(asked, twin).outcome is not ChallengeOutcome.PASSED or not lacks_an_action(asked, told)


@given(st.sampled_from(PAIRS), st.integers(0, 1), st.sampled_from([0.1, 1.0]), st.sampled_from(["n", "o", "w", None]))
def test_an_obedient_film_without_one_action_never_passes(actions, lacking, every, instead):
    letters = obedient(actions, every)
    letter = LETTER[actions[lacking]]
    frames = [
        seen
        if shown != letter
        else Observation(seconds=seen.seconds)
        if instead is None
        else look(instead, seen.seconds - NOW)
        for shown, seen in zip(letters, film(letters, every), strict=True)
    ]
    assert ended(challenge(*actions), frames).outcome is ChallengeOutcome.FAILED


@given(hidden_sequences())
def test_a_missing_value_never_helps_whoever_did_not_show_an_action(drawn):
    asked, frames, twin, *_ = drawn
    whole, lacking = ended(asked, frames), ended(asked, twin)
    if lacking.outcome is ChallengeOutcome.PASSED and whole.outcome is not ChallengeOutcome.PASSED:
        # Who did another thing in between may hide it, as he may leave the frame out: he has shown all, in order, then.
        assert whole.reason is Reason.WRONG_ORDER


@given(hidden_sequences())
def test_a_missing_value_never_advances_a_state(drawn):
    asked, frames, twin, *_ = drawn
    state = begin(asked)
    for seen, less in zip(frames, twin, strict=True):
        if not state.is_open:
            return
        after, instead = observe(state, seen), observe(state, less)
        if after.reason is None:
            assert (instead.step, instead.phase is Phase.ACTION) <= (after.step, after.phase is Phase.ACTION)
        state = after


@given(sequences())
def test_a_state_that_was_kept_as_json_goes_on_as_if_it_had_not_been(drawn):
    asked, frames, _ = drawn
    kept = begin(Challenge.from_json(json.loads(json.dumps(asked.as_json()))))
    state = begin(asked)
    for seen in frames:
        if not state.is_open:
            break
        state = observe(state, seen)
        kept = ChallengeState.from_json(json.loads(json.dumps(observe(kept, seen).as_json(), allow_nan=False)))
        assert kept == state
    assert close(kept, now=NOW + 31) == close(state, now=NOW + 31)


@given(sequences(), st.sampled_from(sorted(LOOKS)), st.floats(0.1, 100))
def test_nothing_after_the_end_changes_the_outcome(drawn, letter, later):
    asked, frames, _ = drawn
    state = ended(asked, frames)
    with pytest.raises(ChallengeReplayed):
        observe(state, look(letter, 30 + later))
    assert close(state, now=NOW + later) == state


# drawing


def stream(*parts):
    """A source that gives these bytes one after the other."""
    content = b"".join(parts)
    given_out = iter(range(len(content)))
    return lambda count: bytes(content[next(given_out)] for _ in range(count))


def test_every_action_is_drawn_equally_often_and_the_last_partial_round_is_drawn_again():
    counts = dict.fromkeys(Action, 0)
    for byte in range(256):
        drawn = draw_challenge(ChallengeRules(steps=1), random=stream(bytes(16), bytes([byte]), b"\0"), now=NOW)
        counts[drawn.actions[0]] += 1
    assert counts == {Action.HAPPY: 52, **dict.fromkeys(list(Action)[1:], 51)}, "byte 255 was replaced by 0"


def test_every_order_is_drawn_equally_often():
    counts: dict[tuple[Action, ...], int] = dict.fromkeys(PAIRS, 0)
    for first in range(5):
        for second in range(4):
            source = stream(bytes(16), bytes([first]), bytes([second]))
            counts[draw_challenge(ChallengeRules(), random=source, now=NOW).actions] += 1
    assert set(counts.values()) == {1}


@given(st.sets(st.sampled_from(list(Action))), st.integers(1, 5))
def test_what_a_person_cannot_do_is_left_out(without, steps):
    rules = ChallengeRules(steps=steps)
    if len(Action) - len(without) < steps:
        with pytest.raises(UsageError, match="authenticate this person in another way"):
            draw_challenge(rules, random=secrets.token_bytes, now=NOW, without=without)
        return
    drawn = draw_challenge(rules, random=secrets.token_bytes, now=NOW, without=without)
    assert len(drawn.nonce) == 32
    assert len(set(drawn.actions)) == steps
    assert not set(drawn.actions) & without
    assert drawn.expires - drawn.issued == rules.seconds


def test_a_source_that_is_not_random_is_refused():
    with pytest.raises(UsageError, match="pass secrets"):
        draw_challenge(ChallengeRules(), random=lambda count: b"\xff" * count, now=NOW)
    with pytest.raises(UsageError, match="16 random bytes"):
        draw_challenge(ChallengeRules(), random=lambda _: b"", now=NOW)


def test_attempts_are_limited_and_only_a_refused_one_is_followed_by_another():
    state = begin(draw_challenge(ChallengeRules(), random=secrets.token_bytes, now=NOW))
    with pytest.raises(ChallengeReplayed, match="goes on"):
        draw_again(state, random=secrets.token_bytes, now=NOW)
    for attempt in (2, 3):
        before = close(state, now=state.challenge.issued + 1)
        state = begin(draw_again(before, random=secrets.token_bytes, now=NOW + attempt, without={Action.BLINK}))
        assert state.challenge.attempt == attempt
        assert state.challenge.nonce != before.challenge.nonce
        assert Action.BLINK not in state.challenge.actions
    with pytest.raises(ChallengeReplayed, match="at most 3 attempts"):
        draw_again(close(state, now=NOW + 9), random=secrets.token_bytes, now=NOW + 9)
    passed = played(challenge(Action.HAPPY), film("nnhh"))
    with pytest.raises(ChallengeReplayed, match="passed"):
        draw_again(passed, random=secrets.token_bytes, now=NOW + 9)


# refusals


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"steps": 6},
        {"attempts": 0},
        {"hold_frames": 0},
        {"seconds": float("nan")},
        {"gap_seconds": float("inf")},
        {"hold_seconds": 0.0},
        {"actions": (Action.HAPPY, Action.HAPPY)},
        {"shown_probability": 0.2},
        {"calm_probability": 0.6},
        {"front_degrees": 25.0},
        {"closed_share": 0.7},
    ],
    ids=str,
)
def test_rules_that_ask_for_nothing_are_refused(wrong):
    with pytest.raises(UsageError):
        ChallengeRules(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "0" * 31},
        {"nonce": "G" * 32},
        {"actions": (Action.HAPPY,)},
        {"actions": (Action.HAPPY, Action.HAPPY)},
        {"expires": NOW},
        {"expires": float("inf")},
        {"attempt": 4},
    ],
    ids=str,
)
def test_a_challenge_that_its_rules_do_not_allow_is_refused(wrong):
    with pytest.raises(UsageError):
        replace(challenge(Action.HAPPY, Action.BLINK), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": float("nan")},
        {"yaw_degrees": float("nan")},
        {"yaw_degrees": 181.0},
        {"eyes_open": 1.1},
        {"eyes_open": float("nan")},
        {"expressions": {Expression.HAPPY: float("nan")}},
        {"expressions": {Expression.HAPPY: -0.1}},
    ],
    ids=str,
)
def test_an_observation_that_is_no_number_of_its_range_is_refused(wrong):
    with pytest.raises(UsageError):
        Observation(**{"seconds": NOW, **wrong})


STATE = played(challenge(Action.HAPPY, Action.BLINK), film("nnhhnnb")).as_json()


@pytest.mark.parametrize("key", STATE)
@pytest.mark.parametrize(
    "value", ["nonsense", -99, True, [1], {}, float("nan"), 10**400], ids=lambda each: repr(each)[:9]
)
def test_a_state_that_is_not_ours_is_refused(key, value):
    with pytest.raises(DataError):
        ChallengeState.from_json({**STATE, key: value})


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "passed"},
        {"outcome": "failed"},
        {"reason": "too_late"},
        {"shown": [NOW + 4, NOW + 3]},
        {"shown": [NOW + 4, NOW + 6]},
        {"shown": [NOW + 40]},
        {"seconds": None},
        {"told": NOW + 50},
        {"since": None},
        {"astray_frames": 1},
        {"more": 1},
    ],
    ids=str,
)
def test_a_state_that_no_attempt_can_be_in_is_refused(wrong):
    assert ChallengeState.from_json(STATE).frames == 1
    with pytest.raises(DataError):
        ChallengeState.from_json({**STATE, **wrong})


@pytest.mark.parametrize("value", [None, [], "state", {}, 5])
def test_another_object_is_refused(value):
    for kind in (ChallengeState, Challenge, ChallengeRules):
        with pytest.raises(DataError, match="expected"):
            kind.from_json(value)


# the lock


FAILURES = st.lists(st.integers(0, 900).map(float), max_size=12)


def slow_lock(failures, now):
    """Whether some five failures within 180 s end less than 180 s ago."""
    return any(
        sum(last - LOCK_WITHIN_SECONDS <= each <= last for each in failures) >= LOCK_FAILURES and now < last + 180
        for last in failures
    )


@given(FAILURES, st.integers(0, 1200))
def test_five_failures_in_three_minutes_lock(failures, now):
    until = locked_until(failures, now)
    assert (until is not None) == slow_lock(failures, now)
    assert until is None or now < until <= max(failures) + 180


@given(FAILURES, st.integers(0, 900), st.integers(0, 1200))
def test_one_failure_more_never_unlocks(failures, more, now):
    assert (locked_until([*failures, more], now) or 0) >= (locked_until(failures, now) or 0)


def test_a_time_that_is_not_finite_does_not_unlock():
    with pytest.raises(UsageError):
        locked_until([0, 1, 2, 3, float("nan")], 5)
