"""Decisions by three sensors on drawn presentations: who is there is scored, who is not never is."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from countenance.authentication import SensorDecision, check
from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.gate import draw_glimpses, plan_glimpses
from countenance.drawn_sets.portraits import People
from countenance.errors import MissingFile, UsageError, WrongModality
from countenance.loading.pictures import Entry, FilePlanes
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.mlfa import STREAMS, MultiLevelNetwork
from countenance.presentation_scoring import judge
from countenance.shipped import presentation_module, stated_network
from countenance.synthesis.scene import draw_clip
from countenance.synthesis.spec import DrawnSpecies
from countenance.trained import described
from countenance.vocabulary import Modality, Reason

RGB, INFRARED, DEPTH = Modality.RGB, Modality.INFRARED, Modality.DEPTH
FRAMES = 4
Three = Mapping[Modality, Path]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> dict[str, list[Three]]:
    """By species the files of a drawn person's frames; "" is bona fide."""
    root = tmp_path_factory.mktemp("drawn")
    found: dict[str, list[Three]] = {}
    for clip in plan(subjects=3, seed=1_000_003, frames=FRAMES).clips:
        if not clip.files[0].startswith("Testing"):
            continue
        for name, data in zip(clip.files, clip.encode(draw_clip(clip.spec)), strict=True):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        files = [root / name for name in clip.files]
        found[clip.species] = [dict(zip(STREAMS, files[i : i + 3], strict=True)) for i in range(0, len(files), 3)]
    return found


@pytest.fixture
def live(drawn, tmp_path) -> Three:
    """One bona fide presentation, in files that a test may change."""
    copied = {modality: tmp_path / f"{modality}.jpg" for modality in Modality}
    for modality, path in drawn[""][0].items():
        copied[modality].write_bytes(path.read_bytes())
    return copied


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    """The folder of a network that may lose a sensor, with thresholds for all sensors and without infrared."""
    torch.manual_seed(0)
    network = MultiLevelNetwork(slim_resnet(2))
    points = [
        {"modalities": names.split(), "value": value, "rule": "fpr:0.001", "split": "development"}
        for names, value in (("rgb depth infrared", 0.25), ("rgb depth", 0.75))
    ]
    card = {**described(network), "recipe": {"sensor_dropout": 0.2}, "operating_points": points}
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    folder = tmp_path_factory.mktemp("run")
    write_checkpoint(folder, "best", Checkpoint(tensors, card))
    return str(folder)


def decide(files: Three, **options) -> SensorDecision:
    decision = check(files[RGB], depth=files.get(DEPTH), infrared=files.get(INFRARED), **options)
    assert isinstance(decision, SensorDecision)
    return decision


def blacken(path, level=0):
    with Image.open(path) as image:
        size = image.size
    Image.new("L", size, level).save(path)


def without(files, *modalities):
    return {modality: path for modality, path in files.items() if modality not in modalities}


def test_the_shipped_network_tells_a_drawn_face_from_drawn_prints(drawn):
    scores = {species: [decide(files).score for files in rows] for species, rows in drawn.items()}
    bona_fide = scores.pop("")
    threshold = stated_network("mlfa-slim").point_for(Modality).value
    assert len(scores) == 3
    for species, attacks in scores.items():
        assert np.median(bona_fide) > threshold > np.median(attacks), species
    assert max(bona_fide) > max(map(max, scores.values()))


def test_a_decision_says_what_it_is_based_on(live):
    decision = decide(live)
    assert decision.sensors == (RGB, INFRARED, DEPTH)
    assert (decision.model, decision.missing, decision.label) == ("mlfa-slim", "refuse", "drawn data")
    assert decision.accepted is (decision.score >= decision.threshold)
    assert decision.reasons == (() if decision.accepted else (Reason.PRESENTATION_ATTACK,))


def test_the_score_is_that_of_a_bulk_run(live, run):
    module = presentation_module(run)
    entry = Entry(identifier="live", paths={modality: live[modality] for modality in STREAMS}, label=1)
    (score,) = judge(FilePlanes([entry], (module.side, module.side)), module)
    decision = decide(live, model=run)
    assert decision.score == pytest.approx(score, abs=1e-9)
    assert decision.threshold == 0.25


@pytest.mark.parametrize("gone", [DEPTH, INFRARED])
def test_a_sensor_that_is_not_named_is_refused(live, gone):
    with pytest.raises(UsageError, match=f"came no {gone}; add --{gone} FILE, or let .* --missing subset"):
        decide(without(live, gone))


def test_a_colour_picture_alone_is_refused_by_a_network_of_three(live):
    with pytest.raises(UsageError, match="came no infrared, depth; add --depth FILE and --infrared FILE"):
        check(live[RGB], model="mlfa-slim")


@pytest.mark.parametrize("level", [0, 128])
@pytest.mark.parametrize("dead", list(Modality))
def test_an_empty_picture_is_refused(live, dead, level):
    blacken(live[dead], level)
    with pytest.raises(WrongModality, match=rf"came a picture of one grey, .* from {dead}, in .*{dead}\.jpg; see that"):
        decide(live)


def test_the_others_decide_where_the_policy_says_so(live, run):
    named = decide(without(live, INFRARED), missing="subset", model=run)
    blacken(live[INFRARED])
    empty = decide(live, missing="subset", model=run)
    blacken(live[INFRARED], 200)
    assert decide(live, missing="subset", model=run) == empty == named, "what an absent sensor shows changes nothing"
    assert named.sensors == (RGB, DEPTH)
    assert named.threshold == 0.75
    assert named.missing == "subset"


def test_an_empty_sensor_is_not_scored_as_if_it_were_there(live, run):
    module = presentation_module(run)
    blacken(live[INFRARED])
    entry = Entry(identifier="live", paths={modality: live[modality] for modality in STREAMS}, label=1)
    (as_if_there,) = judge(FilePlanes([entry], (module.side, module.side)), module)
    assert abs(decide(live, missing="subset", model=run).score - as_if_there) > 1e-6


def test_a_subset_without_a_threshold_is_refused(live, run):
    with pytest.raises(UsageError, match="states a threshold: rgb, depth; rgb, infrared, depth; came rgb, infrared"):
        decide(without(live, DEPTH), missing="subset", model=run)


def test_nothing_to_see_is_refused_by_any_policy(live, run):
    for path in live.values():
        blacken(path)
    with pytest.raises(WrongModality, match=r"see that the sensor is on and not covered$"):
        decide(live, missing="subset", model=run)


def test_a_depth_map_of_another_size_is_refused_by_any_policy(live, run):
    with Image.open(live[DEPTH]) as image:
        image.resize((96, 96)).save(live[DEPTH])
    for missing in ("refuse", "subset"):
        with pytest.raises(WrongModality, match="pictures of one size"):
            decide(live, missing=missing, model=run)


def test_a_photograph_has_no_other_sensors(live):
    with pytest.raises(UsageError, match="a photograph alone, for minifasnet; came depth beside it"):
        check(live[RGB], depth=live[DEPTH], model="minifasnet")
    with pytest.raises(UsageError, match="came the policy subset"):
        check(live[RGB], missing="subset")


def test_a_network_of_surroundings_finds_the_face_itself(live, pulled, tmp_path):
    """A person who is drawn before a wall, whom nobody learnt on."""
    pulled("yunet")
    person = int(People.GATE)
    for species, accepted in ((DrawnSpecies.BONA_FIDE, True), (DrawnSpecies.REPLAY_PHONE, False)):
        (look,) = draw_glimpses(plan_glimpses(person, species, width=320, frames=1))
        Image.fromarray(look).save(tmp_path / "look.png")
        decision = check(tmp_path / "look.png", model="gate-slim")
        assert isinstance(decision, SensorDecision)
        assert (decision.accepted, decision.sensors, decision.label) == (accepted, (RGB,), "drawn data")
        assert decision.reasons == (() if accepted else (Reason.PRESENTATION_ATTACK,))
    with pytest.raises(UsageError, match="a photograph alone, for gate-slim; came depth beside it"):
        check(live[RGB], depth=live[DEPTH], model="gate-slim")


def test_wrong_requests(live, tmp_path):
    with pytest.raises(UsageError, match="a policy: refuse or subset; came 'guess'"):
        decide(live, missing="guess")
    with pytest.raises(UsageError, match=r"the network 'nobody'"):
        decide(live, model="nobody")
    with pytest.raises(MissingFile, match=r"gone\.png"):
        check(live[RGB], depth=tmp_path / "gone.png", infrared=live[INFRARED])
