"""Infrared and depth beside a clip: frame for frame or refused; and the network that asks for them, on drawn people."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from countenance.challenge import ChallengeRules
from countenance.drawn_sets.gate import GateKind, as_close_ups, draw_frames, plan_clip
from countenance.drawn_sets.portraits import People
from countenance.errors import MissingFile, UnreadableImage, WrongModality
from countenance.gate.authenticator import Authenticator
from countenance.gate.networks import load_networks
from countenance.gate.recordings import Recording
from countenance.gate.session import Frame
from countenance.policy import read_policy
from countenance.vocabulary import Action

SHAPE = (32, 48)
FRAMES = 6


@pytest.fixture
def clip(recorded, tmp_path):
    return recorded(tmp_path / "clip.mp4", np.full((12, *SHAPE, 3), 90, np.uint8), rate=10)


@pytest.fixture
def pictures(tmp_path):
    """A function that writes planes of rising grey as pictures, under names that do not sort as text."""

    def write(count=12, *, kind=np.uint8):
        place = tmp_path / f"planes-{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        (place / ".thumbs").write_text("no plane")
        for number in range(count):
            Image.fromarray(np.full(SHAPE, 10 * number, kind)).save(place / f"depth_{number}.png")
        return place

    return write


def test_planes_come_with_their_frames(clip, pictures, recorded, tmp_path):
    levels = np.arange(40, 232, 16, dtype=np.uint8)
    film = recorded(tmp_path / "ir.mp4", np.broadcast_to(levels[:, None, None, None], (12, *SHAPE, 3)), rate=10)
    seen = list(Recording(clip=clip, infrared=film, depth=pictures()).frames())
    assert [round(seconds, 3) for seconds, _, _ in seen] == [number / 10 for number in range(12)]
    assert all(pixels.shape == (*SHAPE, 3) for _, pixels, _ in seen)
    assert [int(planes["depth"].max()) for _, _, planes in seen] == [10 * number for number in range(12)]
    for level, (_, _, planes) in zip(levels, seen, strict=True):
        assert planes["infrared"].shape == SHAPE
        assert np.abs(planes["infrared"].astype(int) - level).max() <= 2
    assert [planes for _, _, planes in Recording(clip=clip).frames()] == [{}] * 12


def test_what_does_not_fit_the_clip_is_refused(clip, pictures, recorded, tmp_path):
    short = recorded(tmp_path / "short.mp4", np.full((11, *SHAPE, 3), 90, np.uint8), rate=10)
    for place in (short, pictures(11), pictures(13)):
        with pytest.raises(WrongModality, match=r"infrared for each of the clip's 12 frames; came 1[13] planes in"):
            list(Recording(clip=clip, infrared=place).frames())
    red = np.zeros((12, *SHAPE, 3), np.uint8)
    red[..., 0] = 200
    for place, error, words in (
        (recorded(tmp_path / "red.mp4", red, rate=10), WrongModality, "colour in"),
        (pictures(kind=np.uint16), WrongModality, "16 bits in"),
        (tmp_path / "none", MissingFile, "depth as a video file or a folder of pictures"),
        (next(pictures().glob("*.png")), UnreadableImage, "a video"),
    ):
        with pytest.raises(error, match=words):
            list(Recording(clip=clip, depth=place).frames())
    odd = pictures()
    (odd / "depth_3.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImage):
        list(Recording(clip=clip, depth=odd).frames())


def beginning_of(part):
    """The first frames of what is drawn."""
    moved = {name: getattr(part, name)[:FRAMES] for name in ("expressions", "lids", "yaws")}
    return replace(part, frames=FRAMES, **moved)


@pytest.fixture(scope="module")
def sensing(pulled):
    """A gate with the networks of the policy `sensors`; no expression is asked for."""
    for name in ("yunet", "sface"):
        pulled(name)
    rules = ChallengeRules(actions=(Action.TURN_LEFT, Action.TURN_RIGHT))
    policy = read_policy("sensors")
    return Authenticator(policy=policy, networks=load_networks(policy, rules), rules=rules)


@pytest.mark.parametrize("person", [People.GATE + 500, People.GATE + 501])
def test_a_drawn_person_scores_above_a_drawn_print_of_him_by_infrared_and_depth(sensing, person):
    """Drawn data; at rest, as both are for the first second. Whether it passes is the threshold's to say."""
    scores = {}
    for kind in (GateKind.GENUINE, GateKind.PRINT):
        plan = plan_clip(kind, person, [Action.TURN_LEFT], frames_per_second=10, sensors=True)
        frames = draw_frames(as_close_ups(replace(plan, parts=tuple(map(beginning_of, plan.parts)))))
        assert frames.infrared is not None
        assert frames.depth is not None
        session = sensing.begin("Ann", now=100.0, random=lambda count: bytes(range(count)))
        for rgb, infrared, depth, seconds in zip(
            frames.rgb, frames.infrared, frames.depth, frames.seconds, strict=True
        ):
            frame = Frame(image=rgb, seconds=100.1 + seconds, infrared=infrared, depth=depth)
            session, _ = sensing.look(session, frame, None)
        tally = session.tally("presentation_sensors")
        assert (tally.count, tally.missed) == (FRAMES, 0)
        scores[kind] = tally.mean
    assert scores[GateKind.GENUINE] > scores[GateKind.PRINT] + 0.2, scores
