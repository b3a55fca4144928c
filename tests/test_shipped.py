"""Networks in the package: what their cards state, and what a card may not state."""

import importlib.resources
import json
import tomllib
from pathlib import Path

import pytest
import torch

from countenance.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from countenance.errors import DataError, UsageError
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.facelivenet import SEVEN
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.record import Task
from countenance.networks.slim_pad import SlimPad
from countenance.networks.trunk import RecognitionNetwork
from countenance.shipped import (
    CLIP_RECORDS,
    FACE_LIVE_RECORDS,
    FLOWS,
    MLFA_SLIM,
    RECORDS,
    TRUNKS,
    digest_of,
    flow_source,
    presentation_module,
    shipped_record,
    stated_clip_network,
    stated_face_live_network,
    stated_network,
    trunk_source,
    trunks_folder,
    words,
)
from countenance.trained import described, load_flow_encoder
from countenance.transfer import pretrained_trunk_state
from countenance.vocabulary import Modality, Split

RGB, INFRARED, DEPTH = Modality.RGB, Modality.INFRARED, Modality.DEPTH
MOST_BYTES = 8 * 2**20
POINT = {"modalities": ["rgb", "depth"], "value": 0.5, "rule": "fpr:0.001", "split": "development"}


def written(folder, network, **card):
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    write_checkpoint(folder, "best", Checkpoint(tensors, {**described(network), **card}))
    return str(folder)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SlimPad([RGB, DEPTH], width=4)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
class TestShipped:
    def test_the_folder_holds_one_small_checkpoint(self, record):
        folder = Path(str(importlib.resources.files("countenance") / "shipped_networks" / record.name))
        files = sorted(path.name for path in folder.iterdir())
        sheet = json.loads((folder / "best.json").read_text())
        assert files == sorted(["best.json", sheet["tensors"]])
        assert sum((folder / name).stat().st_size for name in files) < MOST_BYTES

    def test_the_record_is_complete_and_counts_its_parameters(self, record):
        found = shipped_record(record.name)
        module = presentation_module(record.name)
        assert sum(parameter.numel() for parameter in module.parameters()) == found.parameters <= 2_000_000
        assert not module.training
        assert found.task is Task.PRESENTATION_ATTACK_DETECTION
        assert all(
            text.strip()
            for text in (found.inputs, found.preprocessing, found.polarity, found.licence_code, found.licence_weights)
        )
        assert found.training_data.startswith("drawn data")
        assert "https://" in found.source
        for result in found.results:
            assert "drawn" in result.data
            assert result.command.startswith("countenance ")

    def test_the_card_states_a_threshold_for_all_sensors(self, record):
        network = stated_network(record.name)
        assert network.label.startswith("drawn data")
        point = network.point_for(network.module.modalities)
        assert point == shipped_record(record.name).operating_point
        assert 0 < point.value < 1
        assert point.split == Split.DEVELOPMENT

    def test_a_card_with_thresholds_for_fewer_sensors_was_trained_for_it(self, record):
        network = stated_network(record.name)
        assert network.loses_sensors or set(network.points) == {frozenset(network.module.modalities)}


def test_the_wheel_takes_the_files():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    patterns = tomllib.loads(text)["tool"]["setuptools"]["package-data"]["countenance"]
    package = Path(str(importlib.resources.files("countenance")))
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    lying = {path for path in (package / "shipped_networks").rglob("*") if path.is_file()}
    assert lying
    assert lying <= packed


def test_a_run_is_named_by_its_folder(tmp_path, network):
    name = written(tmp_path / "run", network)
    module = presentation_module(name)
    planes = torch.rand(2, 4, 112, 112)
    assert torch.equal(module(planes), network.eval()(planes))
    stated = stated_network(name)
    assert (stated.name, stated.points, stated.loses_sensors, stated.label) == (name, {}, False, "")


def test_a_shipped_name_is_not_taken_by_a_folder(tmp_path, network, monkeypatch):
    written(tmp_path / MLFA_SLIM, network)
    monkeypatch.chdir(tmp_path)
    assert isinstance(presentation_module(MLFA_SLIM), MultiLevelNetwork)
    assert isinstance(presentation_module(f"./{MLFA_SLIM}"), SlimPad)


def test_a_card_may_state_how_much_round_a_face_is_shown(tmp_path, network):
    assert stated_network("gate-slim").context == 1.5
    assert stated_network(MLFA_SLIM).context is None
    with pytest.raises(DataError, match="came another one"):
        stated_network(written(tmp_path, network, context="wide"))


def test_an_unknown_name_is_refused(tmp_path):
    for name in ("nobody", str(tmp_path)):
        with pytest.raises(
            UsageError, match=r"a shipped network \(mlfa-slim, mlfa-distilled, gate-slim\) or the folder of a run"
        ):
            presentation_module(name)
        with pytest.raises(UsageError, match="mlfa-slim"):
            shipped_record(name)


def test_a_threshold_holds_for_the_very_sensors(tmp_path, network):
    name = written(tmp_path, network, operating_points=[POINT], data={"label": "drawn data"})
    stated = stated_network(name)
    assert stated.label == "drawn data"
    assert stated.point_for([DEPTH, RGB]).value == 0.5
    with pytest.raises(UsageError, match="was not trained to judge without one: rgb, depth; came rgb; name the others"):
        stated.point_for([RGB])


@pytest.mark.parametrize("card", [{"recipe": {"sensor_dropout": 0.25}}, {"dropped": True}])
def test_a_threshold_for_fewer_sensors_must_be_stated(tmp_path, card):
    network = MultiLevelNetwork(slim_resnet(1))
    three = POINT | {"modalities": ["rgb", "depth", "infrared"]}
    stated = stated_network(written(tmp_path, network, operating_points=[three, POINT], **card))
    assert stated.loses_sensors
    assert stated.point_for([RGB, DEPTH]).value == 0.5
    with pytest.raises(UsageError, match="states a threshold: rgb, depth; rgb, infrared, depth; came infrared;"):
        stated.point_for([INFRARED])


@pytest.mark.parametrize(
    ("changes", "words_of_it"),
    [
        ({"split": "test"}, "came 0.5 from test"),
        ({"split": None}, "came 0.5 from None"),
        ({"value": float("nan")}, "came nan from development"),
        ({"value": "high"}, "sensors, value, rule and split"),
        ({"modalities": ["thermal"]}, "sensors, value, rule and split"),
    ],
)
def test_a_threshold_that_is_none_is_refused(tmp_path, network, changes, words_of_it):
    name = written(tmp_path, network, operating_points=[POINT | changes])
    with pytest.raises(DataError, match=words_of_it):
        stated_network(name)


def test_sensors_are_named_in_one_order():
    assert words([DEPTH, RGB]) == words({RGB, DEPTH}) == "rgb, depth"


@pytest.mark.parametrize("record", CLIP_RECORDS, ids=lambda record: record.name)
def test_a_shipped_network_of_clips_is_whole_and_states_its_threshold(record):
    folder = trunks_folder() / record.name
    sheet = json.loads((folder / "best.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == sorted(["best.json", sheet["tensors"]])
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES
    found, stated = shipped_record(record.name), stated_clip_network(record.name)
    trained = sum(each.numel() for each in stated.module.parameters() if each.requires_grad)
    assert trained == found.parameters
    assert stated.label == "drawn data"
    assert stated.point == found.operating_point
    assert -1 < stated.point.value < 1
    assert (stated.point.rule, stated.point.split) == ("eer", Split.DEVELOPMENT)
    assert float(stated.module.representative.norm()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("record", FACE_LIVE_RECORDS, ids=lambda record: record.name)
def test_a_shipped_face_live_network_knows_faces_and_expressions(record):
    folder = trunks_folder() / record.name
    sheet = json.loads((folder / "best.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == sorted(["best.json", sheet["tensors"]])
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES
    found, stated = shipped_record(record.name), stated_face_live_network(record.name)
    assert sum(each.numel() for each in stated.network.parameters()) == found.parameters
    assert found.task is Task.VERIFICATION_AND_EXPRESSION
    assert stated.network.expressions == SEVEN
    assert not stated.network.training
    assert stated.label == "real faces and drawn data"
    assert stated.point is not None
    assert stated.point == found.operating_point
    assert (stated.point.rule, stated.point.split) == ("fmr:0.01", Split.DEVELOPMENT)
    assert 0 < stated.point.value < 1
    assert {result.metric for result in found.results} == {"accuracy of verification", "accuracy of expression"}
    assert all(result.command.startswith("countenance ") and result.interval for result in found.results)


@pytest.mark.parametrize("name", FLOWS)
def test_a_shipped_flow_network_has_an_encoder(name):
    source = flow_source(name)
    assert sum(path.stat().st_size for path in source.iterdir()) < MOST_BYTES
    assert load_flow_encoder(source).features == 128
    assert len(digest_of(source)) == 64
    assert flow_source("elsewhere/run") == Path("elsewhere/run")


@pytest.mark.parametrize("name", TRUNKS)
def test_a_shipped_trunk_is_one_that_the_slim_networks_begin_from(name):
    source = trunk_source(name)
    assert sorted(path.suffix for path in source.iterdir()) == [".json", ".safetensors"]
    assert sum(path.stat().st_size for path in source.iterdir()) < 2_000_000
    state = pretrained_trunk_state(source)
    assert {key: value.shape for key, value in state.items()} == {
        key: value.shape for key, value in RecognitionNetwork(slim_resnet()).state_dict().items()
    }
    card = read_checkpoint(source, "best").card
    assert card["label"] == ("" if name == "distilled" else "drawn data")
    assert card["figures"]


def test_another_trunk_is_a_path():
    assert trunk_source("runs/mine") == Path("runs/mine")
