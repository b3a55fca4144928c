"""The gate with networks that say what a scene tells them: who is let in, who is not and why, and what nobody gains."""

import dataclasses
import json

import numpy as np
import pytest

from countenance.challenge import ChallengeRules
from countenance.errors import (
    ChallengeExpired,
    OutOfOrder,
    TemplateVersion,
    UnreadableImage,
    UsageError,
    WrongModality,
)
from countenance.gate.authenticator import DONE_PROMPT, Authenticator, authenticate_clip
from countenance.gate.session import Feedback, Frame, Recent, Session
from countenance.policy import Combination, Combine, Status, read_policy
from countenance.receipts import chain, start_chain
from countenance.vault import Vault
from countenance.vocabulary import Action, Expression, Reason

ASKED = (Action.HAPPY, Action.TURN_LEFT)
POLICIES = ("rgb", "rgb-clip", "sensors", "slim")
ALL_CLEAR = ("presentation", "verification", "same_face", "quality", "challenge")


@pytest.mark.parametrize("actions", [ASKED, (Action.BLINK, Action.SURPRISE), (Action.TURN_RIGHT, Action.BLINK)])
def test_who_does_what_is_asked_is_let_in(stage, actions):
    made = stage()
    decision, session, told = made.play(made.script(actions), actions)
    assert decision.accepted
    assert decision.reasons == ()
    assert {name: decision.scores[name] is not None for name in ALL_CLEAR} == {
        **dict.fromkeys(ALL_CLEAR, True),
        "challenge": False,
    }
    assert decision.scores["verification"] == pytest.approx(0.8)
    assert decision.scores["presentation"] == pytest.approx(0.9)
    assert decision.scores["same_face"] == pytest.approx(1.0)
    assert [told[-1].done, told[-1].step, told[-1].prompt] == [True, 2, DONE_PROMPT]
    assert session.judged == session.frames
    assert decision.models == made.gate.networks.digests


def test_eyes_are_compared_with_the_same_persons_open_ones(stage):
    """Contrasts of 2 and .5 would both be open by themselves, .4 and .1 both closed; against each other they blink."""
    made, asked = stage(), (Action.BLINK, Action.TURN_LEFT)
    for open_, closed in ((2.0, 0.5), (0.4, 0.1)):
        scenes = [dataclasses.replace(each, eyes=closed if each.eyes == 0.0 else open_) for each in made.script(asked)]
        decision, session, _ = made.play(scenes, asked)
        assert decision.accepted
        assert set(session.eyes.seen) == {open_}
    always = made.script((Action.TURN_LEFT,), made.scene(eyes=0.1))
    assert made.play(always, asked)[1].state.step == 0
    decision, session, _ = made.play(made.script(ASKED), ASKED)
    assert decision.accepted
    assert session.eyes.seen == ()  # nobody asked about eyes


def test_it_works_at_one_frame_a_second(stage):
    made = stage(fps=1.0)
    decision, session, _ = made.play(made.script(ASKED, seconds=2.0), ASKED)
    assert decision.accepted
    assert session.frames == 8  # the challenge is over before the last rest


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"live": 0.2}, Reason.PRESENTATION_ATTACK),
        ({"person": 2}, Reason.NOT_THE_SAME_PERSON),
        ({"likeness": 0.3}, Reason.NOT_THE_SAME_PERSON),
        ({"advice": (Reason.TOO_DARK,)}, Reason.TOO_DARK),
        ({"advice": (Reason.BLURRED,)}, Reason.TOO_FEW_FRAMES),
        ({"faces": 0}, Reason.NO_FACE),
        ({"faces": 2}, Reason.MANY_FACES),
        ({"live": float("nan")}, Reason.CHECK_MISSING),
    ],
)
def test_who_is_refused_and_why(stage, changes, reason):
    made = stage()
    decision, _, told = made.play(made.script(ASKED, made.scene(**changes)), ASKED)
    assert not decision.accepted
    assert reason in decision.reasons
    assert "score" not in json.dumps(decision.for_person())
    assert json.dumps(decision.as_json(), allow_nan=False)
    if "advice" in changes:
        assert all(each.advice[:1] == changes["advice"] for each in told)


def test_a_challenge_that_is_not_met_is_refused(stage):
    made = stage()
    nothing, _, told = made.play([made.scene()] * 30, ASKED)
    assert nothing.reasons == (Reason.ACTION_NOT_SHOWN,)
    assert told[-1].action is Action.HAPPY
    other, _, told = made.play(made.script((Action.SURPRISE, Action.TURN_LEFT)), ASKED)
    assert other.reasons == (Reason.WRONG_ORDER,)
    assert told[-1].done
    order, _, _ = made.play(made.script((Action.TURN_LEFT, Action.HAPPY)), ASKED)
    assert order.reasons == (Reason.WRONG_ORDER,)  # a turned head is seen though the frame is not judged
    smiling, _, _ = made.play([made.scene(expression=Expression.HAPPY)] * 30, ASKED)
    assert smiling.reasons == (Reason.ACTION_NOT_SHOWN,)
    late, _, told = made.play([made.scene()] * 310, ASKED)
    assert Reason.TOO_LATE in late.reasons
    assert told[-1].done


def test_nobody_changes_places(stage):
    made = stage()
    scenes = made.script(ASKED)
    swapped = [made.scene(person=2) if 14 <= number < 16 else scene for number, scene in enumerate(scenes)]
    decision, _, _ = made.play(swapped, ASKED)
    assert Reason.FACE_CHANGED in decision.reasons
    actor = made.script(ASKED, made.scene(person=2))  # the owner at rest, another one acts
    turns = [actor[n] if scene != made.scene() else scene for n, scene in enumerate(scenes)]
    decision, _, _ = made.play(turns, ASKED)
    assert {Reason.FACE_CHANGED, Reason.NOT_THE_SAME_PERSON} <= set(decision.reasons)


def test_a_print_that_shows_the_actions_alone_is_refused(stage):
    made = stage()
    scenes = [dataclasses.replace(each, live=0.05) if each != made.scene() else each for each in made.script(ASKED)]
    padded = [made.scene()] * 60 + scenes  # live frames before it do not outweigh it
    decision, _, _ = made.play(padded, ASKED)
    assert decision.reasons == (Reason.PRESENTATION_ATTACK,)


def test_frames_that_were_used_before_prove_nothing(stage):
    made = stage()
    decision, _, _ = made.play(made.script(ASKED), ASKED, seen_before=1)
    assert decision.reasons == (Reason.USED_BEFORE,)
    assert {each.status for each in decision.outcomes} == {Status.FAILED}


def test_references_are_compared_by_their_centre(stage):
    made = stage()
    three = np.stack([made.template(1, 0.8), made.template(1, 0.9), made.template(1)])
    decision, _, _ = made.play(made.script(ASKED, made.scene(likeness=1.0)), ASKED, references=three)
    centre = three.mean(axis=0)
    assert decision.scores["verification"] == pytest.approx(centre @ made.template(1) / np.linalg.norm(centre))
    for none in (np.zeros((0, 32), np.float32), np.stack([made.template(1), -made.template(1)])):
        decision, _, _ = made.play(made.script(ASKED), ASKED, references=none)
        assert decision.reasons == (Reason.CHECK_MISSING,)
    with pytest.raises(TemplateVersion, match="32"):
        made.play(made.script(ASKED), ASKED, references=np.ones((1, 5), np.float32))


def test_a_session_goes_on_in_another_process(stage):
    def carried(session):
        return Session.from_json(json.loads(json.dumps(session.as_json())))

    vault = Vault([bytes(32)])
    made = stage(vault=vault)
    decision, session, _ = made.play(made.script(ASKED), ASKED, keep=carried)
    plain, other, _ = made.play(made.script(ASKED), ASKED)
    assert decision == plain
    assert session.head == other.head
    assert session.anchor is not None
    assert made.template(1, 0.8).tobytes() not in session.anchor
    bare = stage()
    session = bare.gate.begin("Ann", now=100.0, random=lambda n: bytes(range(n)), actions=ASKED)
    for number, scene in enumerate(bare.script(ASKED)):  # without a vault nothing of the face is in the session
        frame = Frame(image=bare.world.pixels(scene), seconds=100.1 + number / 10)
        session, _ = bare.gate.look(carried(session), frame, bare.template(1)[None], recent=Recent())
    assert session.anchor is None
    decision = bare.gate.conclude(session, now=104.0)
    assert decision.reasons == (Reason.CHECK_MISSING,)


def test_frames_are_chained_as_they_came(stage):
    made = stage()
    _, session, _ = made.play(made.script(ASKED), ASKED)
    head = start_chain(session.identifier, session.nonce)
    for scene in made.script(ASKED)[: session.frames]:
        head = chain(head, Frame(image=made.world.pixels(scene), seconds=0.0).content)
    assert session.head == head
    lone = Frame(image=b"jpeg", seconds=0.0)
    assert lone.content == b"jpeg"
    both = Frame(image=b"jpeg", seconds=0.0, depth=b"x")
    assert both.digest != lone.digest != Frame(image=b"jpeg", seconds=0.0, infrared=b"x").digest
    assert both.digest != Frame(image=b"jpeg", seconds=0.0, infrared=b"x").digest


def test_what_a_frame_must_be(stage, world):
    made = stage()
    session = made.gate.begin("Ann", now=100.0, random=lambda n: bytes(range(n)))
    image, references = world.pixels(made.scene()), made.template(1)[None]
    with pytest.raises(OutOfOrder):
        made.gate.look(session, Frame(image=image, seconds=100.0), references)
    with pytest.raises(UnreadableImage):
        made.gate.look(session, Frame(image=b"\xff\xd8\xff no picture", seconds=101.0), references)
    with pytest.raises(WrongModality):
        made.gate.look(session, Frame(image=image[..., 0], seconds=101.0), references)
    later, _ = made.gate.look(session, Frame(image=image, seconds=101.0), references)
    with pytest.raises(OutOfOrder):
        made.gate.look(later, Frame(image=image, seconds=101.0), references)
    with pytest.raises(OutOfOrder):
        made.gate.conclude(later, now=100.5)
    with pytest.raises(ChallengeExpired, match="under the policy"):
        made.gate.look(dataclasses.replace(session, policy="0" * 64), Frame(image=image, seconds=101.0), references)
    ended, told = made.gate.look(later, Frame(image=image, seconds=130.0), references)
    assert told.advice == (Reason.TOO_LATE,)
    same, told = made.gate.look(ended, Frame(image=image, seconds=131.0), references)
    assert same == ended
    assert told.done
    again = made.gate.again(ended, now=131.0, random=lambda n: bytes(range(n)))
    assert (again.identifier, again.frames, again.state.challenge.attempt) == (ended.identifier, 0, 2)


def test_no_frame_is_no_acceptance(stage):
    made = stage()
    decision, _, _ = made.play([], ASKED)
    assert not decision.accepted
    assert Reason.TOO_FEW_FRAMES in decision.reasons
    assert all(each.status is not Status.PASSED for each in decision.outcomes)


def test_a_person_learns_no_score(stage):
    made = stage()
    names = {each.name for each in dataclasses.fields(Feedback)}
    assert names == {"prompt", "action", "advice", "step", "steps", "done"}
    attacks = made.play(made.script(ASKED, made.scene(live=0.0, person=2)), ASKED)[2]
    assert attacks == made.play(made.script(ASKED), ASKED)[2]  # the answers to frames tell an attacker nothing


def test_clips_are_judged_in_windows(stage):
    made = stage("rgb-clip")
    decision, session, _ = made.play(made.script(ASKED, seconds=1.0), ASKED)
    assert decision.accepted
    tally = session.tally("presentation_clip")
    assert tally.count == (session.frames - 1) // 4  # back to back
    assert decision.scores["presentation_clip"] == pytest.approx(0.9)
    replayed, _, _ = made.play(made.script(ASKED, made.scene(live=-0.95), seconds=1.0), ASKED)
    assert replayed.reasons == (Reason.PRESENTATION_ATTACK,)
    for rate in (12.0, 15.0, 25.0, 30.0):
        other = stage("rgb-clip", fps=rate)
        assert other.play(other.script(ASKED, seconds=1.0), ASKED)[0].accepted, rate


def test_where_no_window_looks_nothing_advances(stage):
    slow = stage("rgb-clip", fps=5.0)
    decision, session, _ = slow.play(slow.script(ASKED, seconds=1.0), ASKED)
    assert session.state.step == 0
    assert {Reason.TOO_FEW_FRAMES, Reason.ACTION_NOT_SHOWN} <= set(decision.reasons)
    made = stage("rgb-clip")
    scenes = made.script(ASKED, seconds=3.0)
    gaps = [dataclasses.replace(each, faces=0) if n > 5 and n % 4 == 0 else each for n, each in enumerate(scenes)]
    decision, session, _ = made.play(gaps, ASKED)  # after the first window no other one is ever whole
    assert session.tally("presentation_clip").count == 1
    assert not decision.accepted
    assert session.state.step == 0


def gradient(offset):
    return (np.add.outer(np.arange(48), np.arange(48)) + 40 + offset).astype(np.uint8)


def test_all_sensors_are_needed_all_the_time(stage):
    made = stage("sensors")
    scenes = made.script(ASKED, made.scene(live=0.96))

    def both(_number):
        return {"infrared": gradient(0), "depth": gradient(50)}

    decision, _, _ = made.play(scenes, ASKED, planes=both)
    assert decision.accepted
    bad = made.script(ASKED, made.scene(live=0.9))
    assert made.play(bad, ASKED, planes=both)[0].reasons == (Reason.PRESENTATION_ATTACK,)
    for gone in (
        {"infrared": gradient(0)},
        {"depth": gradient(50)},
        {},
        {**both(0), "depth": np.zeros((48, 48), np.uint8)},
    ):
        for missing in (lambda number: number == 7, lambda _number: True):
            decision, _, _ = made.play(
                scenes, ASKED, planes=lambda number, gone=gone, missing=missing: gone if missing(number) else both(0)
            )
            assert decision.reasons == (Reason.SENSOR_MISSING,) or Reason.SENSOR_MISSING in decision.reasons
            assert not decision.accepted
    for other in (np.zeros((48, 40), np.uint8), np.zeros((48, 48), np.uint16)):
        with pytest.raises(WrongModality, match="lying on the colour picture"):
            made.play(scenes, ASKED, planes=lambda _n, other=other: {"infrared": gradient(0), "depth": other})


def test_nothing_that_is_dropped_lets_anybody_in(stage, world):
    """Drop a network, a sensor, or a frame that passes by itself: who is refused stays refused, whatever the scores."""
    generator = np.random.default_rng(0)
    reduced = [world.networks(**{kind: {}}) for kind in ("recognisers", "stills", "clips", "sensors")]
    gates = {name: (stage(name), [stage(name, networks=each).gate for each in reduced]) for name in POLICIES}

    def both(_number):
        return {"infrared": gradient(0), "depth": gradient(50)}

    refused = accepted = 0
    for name in (*POLICIES, *POLICIES):
        made, others = gates[name]
        base = made.scene(live=0.97)
        worse = made.scene(
            live=float(generator.choice([0.1, 0.49, 0.8, 0.97])),
            likeness=float(generator.choice([0.2, 0.36, 0.8])),
            person=int(generator.choice([1, 1, 2])),
        )
        pairs = zip(made.script(ASKED, base), made.script(ASKED, worse), strict=True)
        scenes = [good if generator.random() < 0.7 else bad for good, bad in pairs]
        if made.play(scenes, ASKED, planes=both)[0].accepted:
            accepted += 1
            continue
        refused += 1
        for other in others:
            once = int(generator.integers(len(scenes)))
            for gate in (
                lambda _number, other=other: other,
                lambda number, other=other, made=made, once=once: other if number == once else made.gate,
            ):
                assert not made.play(scenes, ASKED, planes=both, gate=gate)[0].accepted
        assert not made.play(scenes, ASKED, planes=lambda number: {} if number % 3 else both(number))[0].accepted
        passing = [number for number, each in enumerate(scenes) if dataclasses.replace(each, yaw=0.0) == base]
        for number in generator.choice(passing, 3):
            gone = [*scenes[:number], dataclasses.replace(scenes[number], faces=0), *scenes[number + 1 :]]
            assert not made.play(gone, ASKED, planes=both)[0].accepted
    assert refused >= 3
    assert accepted >= 1


def test_a_policy_that_is_not_deny_only_is_refused(world):
    policy = read_policy("rgb")
    loose = dataclasses.replace(policy, combine=Combine(how=Combination.ANY, parts=policy.combine.names))
    with pytest.raises(UsageError, match="a deny-only policy"):
        Authenticator(policy=loose, networks=world.networks(), rules=ChallengeRules())
    with pytest.raises(UsageError, match="a network of expressions"):
        Authenticator(policy=policy, networks=world.networks(expressions=None), rules=ChallengeRules())
    quiet = ChallengeRules(actions=(Action.TURN_LEFT, Action.TURN_RIGHT, Action.BLINK))
    assert Authenticator(policy=policy, networks=world.networks(expressions=None), rules=quiet).model == "sface"
    two = dataclasses.replace(policy.checks[2], name="again", network="facenet")
    twice = dataclasses.replace(
        policy,
        checks=(*policy.checks, two),
        combine=Combine(how=Combination.ALL, parts=(*policy.combine.names, "again")),
    )
    with pytest.raises(UsageError, match="one recogniser"):
        Authenticator(policy=twice, networks=world.networks(), rules=quiet)


@pytest.mark.parametrize("rate", [25, 30])
def test_a_clip_is_walked_through_by_its_own_times(stage, world, recorded, tmp_path, rate):
    made = stage("rgb-clip", fps=float(rate))
    frames = np.stack([np.full((48, 48, 3), world.pixels(each)[0, 0, 0]) for each in made.script(ASKED, seconds=1.0)])
    path = recorded(tmp_path / "clip.mp4", frames, rate=rate)
    session = made.gate.begin("Ann", now=50.0, random=lambda n: bytes(range(n)), actions=ASKED)
    known: list[bytes] = []

    def none_of(digests):
        known.extend(digests)
        return 0

    decision, ended = authenticate_clip(made.gate, path, made.template(1)[None], session=session, seen_before=none_of)
    assert decision.accepted
    assert decision.head == ended.head.hex()
    assert len(known) == ended.frames
    assert ended.seconds is not None
    assert ended.frames == pytest.approx(10 * (ended.seconds - 50.0), abs=2)
    again, _ = authenticate_clip(made.gate, path, made.template(1)[None], session=session, seen_before=len)
    assert again.reasons == (Reason.USED_BEFORE,)
    stranger, _ = authenticate_clip(made.gate, path, made.template(2)[None], session=session)
    assert stranger.reasons == (Reason.NOT_THE_SAME_PERSON,)
    with pytest.raises(UsageError, match="frames a second"):
        authenticate_clip(made.gate, path, made.template(1)[None], session=session, frames_per_second=0)
    with pytest.raises(UsageError, match="actions of this gate"):
        made.gate.begin("Ann", now=50.0, random=lambda n: bytes(range(n)), actions=())
