"""The networks of a gate by the names of its policy, and the whole gate with published weights on drawn photographs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from countenance.admission import digest_of_weights
from countenance.challenge import ChallengeRules
from countenance.checkpoints import BEST, Checkpoint, write_checkpoint
from countenance.clip_scoring import judge_windows
from countenance.drawn_sets.gate import draw_photographs
from countenance.drawn_sets.portraits import People
from countenance.errors import UsageError
from countenance.faces.detection import Face
from countenance.faces.surroundings import cut_surroundings
from countenance.gallery import empty_gallery
from countenance.gate.authenticator import Authenticator
from countenance.gate.networks import (
    FewFrameJudge,
    MultiModalJudge,
    SurroundingsJudge,
    expression_reader,
    load_networks,
    model_digest,
)
from countenance.gate.session import Frame, Recent
from countenance.networks.facelivenet import OFFICIAL, SEVEN, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import cut_box
from countenance.networks.slim_pad import SlimPad
from countenance.policy import read_policy, shipped_policies
from countenance.presentation_scoring import scores_of, stack_planes
from countenance.shipped import digest_of, stated_clip_network, stated_network, trunks_folder
from countenance.trained import described
from countenance.trained_facelivenet import judge_expressions
from countenance.vocabulary import Action, Expression, Modality

QUIET = ChallengeRules(actions=(Action.TURN_LEFT, Action.TURN_RIGHT, Action.BLINK))
TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
GENERATOR = np.random.default_rng(0)


@pytest.fixture
def _weights(pulled):
    for name in ("yunet", "sface", "minifasnet_v2", "minifasnet_v1se"):
        pulled(name)


@pytest.mark.usefixtures("_weights")
def test_the_gate_judges_with_published_weights():
    policy = read_policy("rgb")
    networks = load_networks(policy, QUIET)
    assert set(networks.digests) == {"yunet", "sface", "minifasnet"}
    assert networks.label == ""
    gate = Authenticator(policy=policy, networks=networks, rules=QUIET)
    assert gate.weights == digest_of_weights("sface") == model_digest("sface")
    photographs = draw_photographs(int(People.GATE))
    references, admission = gate.admit(photographs[:2], empty_gallery(gate.model, gate.weights))
    assert admission.reasons == ()
    session = gate.begin("Ann", now=0.0, random=lambda count: bytes(range(count)))
    recent = Recent()
    for number in range(2):
        frame = Frame(image=photographs[2], seconds=1.0 + number)
        session, told = gate.look(session, frame, references, recent=recent)
        assert told.advice == ()
    assert session.judged == 2
    assert session.tally("same_face").lowest == pytest.approx(1.0, abs=1e-5)
    own = gate.compare(photographs[0], photographs[2]).score
    likeness, live = session.tally("verification").mean, session.tally("presentation").mean
    assert likeness == pytest.approx(own, abs=0.2)
    assert likeness is not None
    assert likeness > 0.3523
    assert live is not None
    assert 0 < live < 1
    decision = gate.conclude(session, now=3.0)
    assert not decision.accepted  # nothing that was asked for was done


@pytest.mark.usefixtures("_weights")
@pytest.mark.parametrize("name", shipped_policies())
def test_every_shipped_policy_has_its_networks(name):
    policy = read_policy(name)
    networks = load_networks(policy, QUIET)
    built = {*networks.recognisers, *networks.stills, *networks.clips, *networks.sensors}
    assert built == {check.network for check in policy.checks} - {None}
    assert set(networks.digests) == {"yunet", *built}
    assert len(set(networks.digests.values())) == len(networks.digests)
    assert networks.label == policy.label
    assert networks.expressions is None


def test_judges_say_what_their_networks_say():
    clips = stated_clip_network("fewframe-slim").module
    window = GENERATOR.integers(0, 255, (5, clips.side, clips.side, 3), np.uint8)
    judge = FewFrameJudge(clips)
    assert judge.score(window) == judge_windows(clips, window[None])[0]
    sensors = stated_network("mlfa-slim").module
    several = MultiModalJudge(sensors)
    shapes = {modality: (several.side, several.side, 3 if modality is Modality.RGB else 1) for modality in Modality}
    planes = {modality: GENERATOR.integers(0, 255, shape, np.uint8) for modality, shape in shapes.items()}
    assert set(several.modalities) == set(Modality)
    with torch.inference_mode():
        margin = sensors(stack_planes({name: plane[None] for name, plane in planes.items()}, several.modalities))
    assert several.score(planes) == scores_of(margin)[0]


@pytest.fixture
def pictures_run(tmp_path):
    """The folder of a run of a network of colour alone, whose card states no context."""
    torch.manual_seed(0)
    network = SlimPad([Modality.RGB], width=2)
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    write_checkpoint(tmp_path, BEST, Checkpoint(tensors, described(network)))
    return str(tmp_path)


def test_a_still_network_is_shown_what_its_card_states(pictures_run):
    image, box = GENERATOR.integers(0, 255, (240, 320, 3), np.uint8), (100.0, 60.0, 90.0, 110.0)
    for name, context in (("gate-slim", 1.5), (pictures_run, 1.0)):
        stated = stated_network(name)
        cut = cut_surroundings(image, box, context=context, side=112)
        with torch.inference_mode():
            margin = stated.module(stack_planes({Modality.RGB: cut[None]}, [Modality.RGB]))
        assert SurroundingsJudge(stated).bona_fide_score(image, box) == scores_of(margin)[0]
    with pytest.raises(UsageError, match="came mlfa-slim, which reads rgb, infrared, depth; name minifasnet or gate-s"):
        SurroundingsJudge(stated_network("mlfa-slim"))


@pytest.mark.usefixtures("_weights")
def test_a_policy_may_name_a_run_for_stills_and_no_network_of_another_kind(pictures_run):
    policy = read_policy("drawn")

    def naming(network):
        checks = [replace(each, network=network) if each.name == "presentation" else each for each in policy.checks]
        return load_networks(replace(policy, checks=tuple(checks)), QUIET)

    built = naming(pictures_run)
    assert set(built.stills) == {pictures_run}
    assert built.digests[pictures_run] == digest_of(Path(pictures_run)) != model_digest("gate-slim")
    for wrong in ("sface", "fewframe-slim", "mlfa-slim", "nobody"):
        with pytest.raises(UsageError, match=f"came (the network '{wrong}'|{wrong}, )"):
            naming(wrong)


def test_expressions_are_read_from_a_network_that_tells_them():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, dumb = FaceLiveNet(TINY, SEVEN), FaceLiveNet(TINY)
        other = FaceLiveNet(TINY, (Expression.HAPPY, Expression.SAD))
    image = GENERATOR.integers(0, 255, (200, 160, 3), np.uint8)
    told = expression_reader(network).read(image, Face((0, 20, 160, 160), np.zeros((5, 2), np.float32), 1.0))
    assert set(told) == set(SEVEN)
    assert sum(told.values()) == pytest.approx(1)
    cut = cut_box(image, Face((0, 20, 160, 160), np.zeros((5, 2), np.float32), 1.0))
    assert list(told.values()) == pytest.approx(judge_expressions(network, cut[None], mirror=False)[0], abs=1e-5)
    for wrong in (dumb, other):
        with pytest.raises(UsageError, match="happy and surprise"):
            expression_reader(wrong)


def test_weights_are_known_by_their_digest():
    assert model_digest("mlfa-slim") == digest_of(trunks_folder() / "mlfa-slim")
    assert len(model_digest("minifasnet")) == 64
    with pytest.raises(UsageError, match="a FaceLiveNet"):
        load_networks(read_policy("rgb"), ChallengeRules(), expressions="nothing")
