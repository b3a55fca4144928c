"""The verbs challenge and authenticate on filmed scenes: who is let in, and each refusal with its reason."""

import json
import time
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from countenance.challenge import LOCK_FAILURES, ChallengeRules
from countenance.cli import main
from countenance.clips import ClipReader
from countenance.errors import ChallengeExpired, UnreadableImage
from countenance.gate import attempts
from countenance.gate.attempts import authenticate, issue_challenge
from countenance.gate.authenticator import Authenticator, authenticate_clip
from countenance.gate.local import opened
from countenance.gate.networks import model_digest
from countenance.gate.recordings import Recording
from countenance.policy import read_policy
from countenance.receipts import read_public_key, verify_receipt
from countenance.vocabulary import Action, Reason

ASKED = (Action.HAPPY, Action.TURN_LEFT)
WORDS = "happy,turn_left"


@dataclass
class Clock:
    """Stands still until it is told."""

    now: float = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def folder(tmp_path, world, stage, monkeypatch):
    """A gallery in which Ann is enrolled; the networks of any policy read scenes."""
    for name in ("COUNTENANCE_KEY", "COUNTENANCE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    networks = world.networks(digests={"sface": model_digest("sface")})
    monkeypatch.setattr(attempts, "load_networks", lambda *_args, **_options: networks)
    place = tmp_path / "gallery"
    with opened(place, make=True) as local:
        held = {"templates": stage().template(1)[None], "model": "sface", "weights": model_digest("sface")}
        local.store.enrol("Ann", **held)
    return place


@pytest.fixture
def film(stage, recorded, tmp_path):
    """A function that films scenes; `noise` makes frames that no other film has."""

    def take(actions, *, noise=1, held=0.6, **changes):
        made = stage()
        base = made.scene(**changes)
        frames = []
        for number, scene in enumerate(made.script(actions, base, seconds=held)):
            frame = np.full((48, 48, 3), made.world.pixels(scene)[0, 0, 1], np.uint8)
            frame[:, :, 0] += np.arange(48, dtype=np.uint8)  # no network of several sensors looks at an empty picture
            frame[:, :, 2] = (noise * 40 + number) % 256
            frames.append(frame)
        return recorded(tmp_path / f"{noise}-{len(list(tmp_path.iterdir()))}.mp4", np.stack(frames), rate=10)

    return take


def ran(arguments, capsys):
    status = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out.startswith("{") else said.out, said.err


def drawn_for(subject, folder, clock=time.time):
    """The session of a challenge that was drawn."""
    session = issue_challenge(subject, folder=folder, policy="rgb", now=clock).session
    assert session is not None
    return session


def judged(clip, folder, capsys, *more):
    return ran(["authenticate", "Ann", clip, "--policy", "rgb", "--gallery", folder, "--json", *more], capsys)


def test_who_does_what_was_asked_is_let_in_with_a_receipt(folder, film, tmp_path, capsys):
    out = tmp_path / "receipt.json"
    status, card, _ = judged(film(ASKED), folder, capsys, "--challenge", WORDS, "--receipt", out)
    assert (status, card["accepted"], card["reasons"], card["challenge"]) == (0, True, [], ["happy", "turn_left"])
    assert card["scores"]["verification"] == pytest.approx(0.8)
    assert card["receipt"] == str(out)
    checked = verify_receipt(out.read_bytes(), read_public_key(card["public_key"]))
    assert checked.valid
    assert checked.receipt is not None
    assert (checked.receipt.accepted, checked.receipt.nonce, checked.receipt.frames) == (
        True,
        card["nonce"],
        card["frames"],
    )
    assert main(["receipt", "verify", str(out), "--key", card["public_key"]]) == 0
    capsys.readouterr()
    with opened(folder) as local:
        stored = local.store.session(card["session"])
        assert stored.decision is not None
        assert stored.decision["accepted"]
        assert local.store.receipt(card["session"]) == out.read_bytes()
        assert local.store.failures("Ann", since=0) == ()
        assert [each.event["event"] for each in local.store.audit()] == ["enrolled", "decided"]
        assert local.store.verify_audit().valid


@pytest.mark.parametrize(
    ("shown", "changes", "reason"),
    [
        (ASKED, {"person": 2}, "not_the_same_person"),
        (ASKED, {"live": 0.1}, "presentation_attack"),
        (ASKED, {"faces": 0}, "no_face"),
        ((Action.HAPPY,), {}, "action_not_shown"),
        ((), {}, "action_not_shown"),
        ((Action.TURN_LEFT, Action.HAPPY), {}, "wrong_order"),
        ((Action.SURPRISE, Action.TURN_LEFT), {}, "wrong_order"),
    ],
)
def test_each_refusal_has_its_reason(folder, film, shown, changes, reason, capsys):
    clip = film(shown, held=0.6 if shown else 2.0, **changes)
    status, card, _ = judged(clip, folder, capsys, "--challenge", WORDS)
    assert (status, card["accepted"]) == (1, False)
    assert reason in card["reasons"]
    assert card["advice"][card["reasons"].index(reason)] == Reason(reason).advice
    assert main(["authenticate", "Ann", str(clip), "--policy", "rgb", "--gallery", str(folder)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("Ann: refused\n")
    assert "verification:" in said.err
    with opened(folder) as local:
        assert len(local.store.failures("Ann", since=0)) == 2


def test_a_replay_before_networks_of_pictures_and_clips_is_refused(folder, film, capsys):
    arguments = ["authenticate", "Ann", film(ASKED, held=1.0, live=-0.95), "--policy", "rgb-clip"]
    status, card, _ = ran([*arguments, "--challenge", WORDS, "--gallery", folder, "--json"], capsys)
    assert (status, card["reasons"]) == (1, ["presentation_attack"])
    arguments[2] = film(ASKED, held=1.0, noise=2)
    assert ran([*arguments, "--challenge", WORDS, "--gallery", folder, "--json"], capsys)[0] == 0


def test_an_old_clip_is_refused(folder, film, capsys):
    clip = film(ASKED)
    assert judged(clip, folder, capsys, "--challenge", WORDS)[0] == 0
    status, card, _ = judged(clip, folder, capsys, "--challenge", WORDS)
    assert (status, card["reasons"]) == (1, ["used_before"])
    assert judged(film(ASKED, noise=2), folder, capsys, "--challenge", WORDS)[0] == 0


def test_a_drawn_challenge_is_answered_once_and_in_time(folder, film):
    clock = Clock()
    drawn = drawn_for("Ann", folder, clock)
    actions, nonce = drawn.state.challenge.actions, drawn.nonce
    options = {"folder": folder, "nonce": nonce, "policy": "rgb", "now": clock}
    with pytest.raises(ChallengeExpired, match="under the policy"):
        authenticate("Ann", film(actions, noise=5), **{**options, "policy": "drawn"})
    clock.now += 10
    done = authenticate("Ann", film(actions), **options)
    assert done.decision is not None
    assert (done.accepted, done.reasons, done.decision.session) == (True, (), drawn.identifier)
    again = authenticate("Ann", film(actions, noise=2), **options)
    assert (again.accepted, again.reasons, again.decision, again.receipt) == (False, (Reason.USED_BEFORE,), None, None)
    second = drawn_for("Ann", folder, clock)
    options["nonce"] = second.nonce
    other = [action for action in Action if action not in second.state.challenge.actions][:2]
    clock.now += 10
    wrong = authenticate("Ann", film(other, noise=3), **options)
    assert wrong.reasons[0] in {Reason.WRONG_ORDER, Reason.ACTION_NOT_SHOWN}
    third = drawn_for("Ann", folder, clock)
    options["nonce"] = third.nonce
    clock.now += 30
    late = authenticate("Ann", film(third.state.challenge.actions, noise=4), **options)
    assert (late.reasons, late.as_json()["scores"]) == ((Reason.TOO_LATE,), {})
    with opened(folder) as local:
        told = [each.event.get("reasons") for each in local.store.audit() if each.event["event"] == "refused"]
    assert told == [["used_before"], ["too_late"]]


def test_a_clip_that_is_longer_than_its_challenge_is_old_was_recorded_before(folder, film):
    clock = Clock()
    drawn = drawn_for("Ann", folder, clock)
    clock.now += 1
    clip = film(drawn.state.challenge.actions)
    done = authenticate("Ann", clip, folder=folder, nonce=drawn.nonce, policy="rgb", now=clock)
    assert (done.accepted, done.reasons) == (False, (Reason.USED_BEFORE,))


def test_another_process_may_be_first(folder, film, monkeypatch):
    clock = Clock()
    drawn = drawn_for("Ann", folder, clock)
    clip, walk = film(drawn.state.challenge.actions), authenticate_clip

    def overtaken(*arguments, **options):
        with opened(folder) as local:
            local.store.spend(drawn.identifier, version=1, decision={"accepted": False}, now=clock.now)
        return walk(*arguments, **options)

    monkeypatch.setattr(attempts, "authenticate_clip", overtaken)
    clock.now += 10
    done = authenticate("Ann", clip, folder=folder, nonce=drawn.nonce, policy="rgb", now=clock)
    assert (done.accepted, done.reasons) == (False, (Reason.USED_BEFORE,))


def test_failures_lock_a_person_and_time_opens_again(folder, film, capsys):
    clock = Clock()
    with opened(folder) as local:
        for number in range(LOCK_FAILURES - 1):
            local.store.note_failure("Ann", 1_000.0 + number)
    clock.now = 1_010.0
    options = {"folder": folder, "challenge": ASKED, "policy": "rgb", "now": clock}
    last = authenticate("Ann", film(ASKED, person=2), **options)
    assert last.reasons == (Reason.NOT_THE_SAME_PERSON,)
    assert last.locked is not None
    assert last.locked == pytest.approx(1_010 + 180, abs=5)
    clock.now = 1_100.0
    done = authenticate("Ann", film(ASKED, noise=2), **options)
    assert (done.accepted, done.reasons, done.locked) == (False, (Reason.LOCKED,), last.locked)
    refused = issue_challenge("Ann", folder=folder, policy="rgb", now=clock)
    assert (refused.accepted, refused.reasons, refused.session) == (False, (Reason.LOCKED,), None)
    clock.now = last.locked + 1
    assert authenticate("Ann", film(ASKED, noise=2), **options).accepted
    with opened(folder) as local:  # by the clock of this machine
        for _ in range(LOCK_FAILURES):
            local.store.note_failure("Ann")
    status, card, _ = judged(film(ASKED, noise=3), folder, capsys)
    assert (status, card["reasons"], card["scores"], card["receipt"]) == (1, ["locked"], {}, None)
    status, card, _ = ran(["challenge", "Ann", "--gallery", folder, "--json"], capsys)
    assert (status, card["accepted"], card["reasons"], "nonce" in card) == (1, False, ["locked"], False)
    assert ran(["challenge", "Ann", "--gallery", folder], capsys)[1] == Reason.LOCKED.advice + "\n"


def test_whoever_draws_one_challenge_after_the_other_is_locked(folder, film):
    clock = Clock()
    drawn = [drawn_for("Ann", folder, clock) for _ in range(LOCK_FAILURES)]
    for number in range(3):
        clock.now = 1_000.0 + number
        refused = issue_challenge("Ann", folder=folder, policy="rgb", now=clock)
        assert (refused.session, refused.locked) == (None, 1_180.0)
    clock.now = 1_010.0
    options = {"folder": folder, "policy": "rgb", "now": clock}
    good = film(drawn[0].state.challenge.actions)
    assert authenticate("Ann", good, nonce=drawn[0].nonce, **options).accepted, "its own is not against it"
    with opened(folder) as local:
        assert local.store.failures("Ann", since=0) == (1_000.0,) * (LOCK_FAILURES - 1)
    assert drawn_for("Ann", folder, clock)
    done = authenticate("Ann", film(ASKED, noise=2), challenge=ASKED, **options)
    assert (done.accepted, done.reasons) == (False, (Reason.LOCKED,)), "five others are"
    clock.now = 1_020.0
    other = [action for action in Action if action not in drawn[1].state.challenge.actions][:2]
    wrong = authenticate("Ann", film(other, noise=3), nonce=drawn[1].nonce, **options)
    assert not wrong.accepted
    with opened(folder) as local:
        assert len(local.store.failures("Ann", since=0)) == LOCK_FAILURES, "counted once"


@pytest.fixture
def planes(tmp_path):
    """A function that writes a plane for each frame of a clip."""

    def write(clip, *, side=48, changed=0, missing=0):
        place = tmp_path / f"planes-{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        slope = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint8) + 40
        for number in range(ClipReader(clip).timeline.count - missing):
            Image.fromarray(slope + (changed if number == 5 else 0)).save(place / f"{number}.png")
        return place

    return write


def test_with_infrared_and_depth_a_person_is_let_in_by_sensors(folder, film, planes, capsys):
    clips = [film(ASKED, live=0.97, noise=noise) for noise in range(1, 5)]

    def by_sensors(clip, *more):
        options = ["--policy", "sensors", "--challenge", WORDS, "--gallery", folder, "--json"]
        return ran(["authenticate", "Ann", clip, *options, *more], capsys)

    both = ["--infrared", planes(clips[0]), "--depth", planes(clips[0])]
    status, card, _ = by_sensors(clips[0], *both)
    assert (status, card["accepted"], card["reasons"]) == (0, True, [])
    assert card["scores"]["presentation_sensors"] == pytest.approx(0.97)
    status, card, _ = by_sensors(clips[0], *both[:3], planes(clips[0], changed=9))
    assert (status, card["reasons"]) == (1, ["used_before"]), "another plane makes an old clip no new one"
    for clip, more in ((clips[1], both[:2]), (clips[2], both[2:]), (clips[3], [])):
        status, card, _ = by_sensors(clip, *more)
        assert (status, card["accepted"]) == (1, False)
        assert "sensor_missing" in card["reasons"]


def test_planes_that_do_not_fit_are_one_line(folder, film, planes, capsys):
    clip = film(ASKED, live=0.97)
    good = planes(clip)
    for policy, infrared, words in (
        ("sensors", planes(clip, missing=1), "infrared for each of the clip's"),
        ("sensors", planes(clip, side=40), "8 bits of 48 x 48, lying on the colour picture; came uint8 (40, 40)"),
        ("sensors", folder / "none", "infrared as a video file or a folder"),
        ("rgb", good, "a clip in colour alone, as the policy rgb judges it; came infrared and depth too"),
    ):
        asked = ["--challenge", WORDS, "--policy", policy, "--infrared", infrared, "--depth", good]
        status, out, error = ran(["authenticate", "Ann", clip, *asked, "--gallery", folder, "--json"], capsys)
        assert (status, out, error.count("\n")) == (2, "", 1)
        assert words in error
    with opened(folder) as local:
        assert local.store.failures("Ann", since=0) == ()


def test_a_receipt_binds_every_plane(folder, film, planes, world):
    clip, heads = film(ASKED, live=0.97), []
    for changed in (0, 0, 1):
        with opened(folder) as local:
            gate = Authenticator(
                policy=read_policy("sensors"),
                networks=world.networks(),
                rules=ChallengeRules(actions=ASKED),
                vault=local.vault,
            )
            session = gate.begin("Ann", now=1.0, random=lambda count: bytes(range(count)), actions=ASKED)
            recording = Recording(clip=clip, infrared=planes(clip), depth=planes(clip, changed=changed))
            references = local.store.templates_of("Ann", "sface", model_digest("sface"))
            decision, _ = authenticate_clip(gate, recording, references, session=session)
            assert decision.accepted
            heads.append(decision.head)
    assert heads[0] == heads[1] != heads[2]


def test_a_challenge_is_printed_and_kept(folder, capsys):
    status, card, _ = ran(["challenge", "Ann", "--steps", "3", "--gallery", folder, "--json"], capsys)
    assert (status, len(card["challenge"]), len(card["nonce"])) == (0, 3, 32)
    assert card["prompts"] == [Action(word).prompt for word in card["challenge"]]
    assert card["expires"] == card["issued"] + 30
    with opened(folder) as local:
        assert local.store.session_of_nonce(card["nonce"]).identifier == card["session"]
    options = ["--without", "happy,surprise,blink", "--gallery", folder]
    said = ran(["challenge", "Ann", *options], capsys)[1]
    assert {"turn_left", "turn_right"} == set(said.splitlines()[0].removeprefix("actions: ").split(", "))
    assert "good for 30 seconds, once" in said
    nonces = {ran(["challenge", "Ann", "--gallery", folder, "--json"], capsys)[1]["nonce"] for _ in range(3)}
    assert len(nonces) == 3


def test_what_a_user_gets_wrong_is_one_line(folder, film, stage, capsys):
    clip = film(ASKED)
    with opened(folder) as local:
        local.store.enrol("Bob", templates=stage().template(2)[None], model="sface", weights=model_digest("sface"))
        local.store.enrol("Old", templates=stage().template(3)[None], model="sface", weights="5" * 64)
    nonce = drawn_for("Bob", folder).nonce
    for subject, more, words in (
        ("Cy", [], "somebody who is enrolled"),
        ("Old", [], "enrol Old again"),
        ("Ann", ["--nonce", "0" * 32], "the nonce of a session"),
        ("Ann", ["--nonce", nonce], "a nonce that was drawn for Ann"),
        ("Bob", ["--nonce", nonce, "--challenge", WORDS], "came both"),
        ("Ann", ["--challenge", "happy,happy"], "each action once"),
        ("Ann", ["--challenge", ""], "actions, divided by commas"),
    ):
        arguments = ["authenticate", subject, clip, "--policy", "rgb", "--gallery", folder, "--json", *more]
        status, out, error = ran(arguments, capsys)
        assert (status, out) == (2, ""), more
        assert error.count("\n") == 1
        assert words in error
    for arguments, words in (
        (["challenge", "Ann", "--steps", "9"], "9 actions"),
        (["challenge", "Cy"], "somebody who is enrolled"),
    ):
        status, out, error = ran([*arguments, "--gallery", folder], capsys)
        assert (status, out) == (2, "")
        assert words in error


def test_a_clip_that_cannot_be_read_spends_no_nonce(folder, film, tmp_path):
    clock = Clock()
    drawn = drawn_for("Ann", folder, clock)
    clock.now += 10
    options = {"folder": folder, "nonce": drawn.nonce, "policy": "rgb", "now": clock}
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(UnreadableImage, match="a video"):
        authenticate("Ann", broken, **options)
    assert authenticate("Ann", film(drawn.state.challenge.actions), **options).accepted


def test_a_slow_camera_shows_a_picture_twice(folder, stage, recorded, tmp_path):
    made = stage()
    frames = [np.full((48, 48, 3), made.world.pixels(scene)[0, 0, 1], np.uint8) for scene in made.script(ASKED)]
    clip = recorded(tmp_path / "still.mp4", np.stack(frames), rate=10)
    shown = [pixels.tobytes() for pixels in ClipReader(clip)]
    assert len(set(shown)) < len(shown)
    assert authenticate("Ann", clip, folder=folder, challenge=ASKED, policy="rgb", now=Clock()).accepted
