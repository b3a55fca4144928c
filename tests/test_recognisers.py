"""Recognisers by name: released ones as before, FaceLiveNets from the package and from runs, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from countenance import authentication, bulk, shipped, trained_facelivenet
from countenance.authentication import verify
from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.datasets.comparison import Comparison
from countenance.errors import DataError, MissingFile, UsageError
from countenance.faces.detection import Face
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.facelivenet import OFFICIAL, SEVEN, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import RECORD as FACENET
from countenance.recognisers import stated_recogniser
from countenance.trained_facelivenet import LAYOUTS, facelivenet_state
from countenance.vocabulary import Reason, Split

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
POINT = OperatingPoint(0.5, "fmr:0.001", Split.DEVELOPMENT)


class WholePicture:
    """A detector to whom every picture is a face that fills it."""

    def detect(self, image):
        height, width = image.shape[:2]
        return [Face((0.0, 0.0, float(width), float(height)), np.zeros((5, 2), np.float32), 1.0)]


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(trained_facelivenet, "LAYOUTS", {**LAYOUTS, "tiny": TINY})
    for module in (authentication, bulk):
        monkeypatch.setattr(module, "detector", lambda _name: WholePicture())


@pytest.fixture
def run(tmp_path):
    """A function that writes the run of a network that has learnt nothing."""

    def write(name="run", *, point=POINT, label=""):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            network = FaceLiveNet(TINY, SEVEN)
        write_checkpoint(tmp_path / name, "best", facelivenet_state(network, point=point, label=label))
        return tmp_path / name

    return write


@pytest.fixture
def photographs(tmp_path):
    """Two files of other noise."""
    generator = np.random.default_rng(4)
    paths = [tmp_path / "one.png", tmp_path / "other.png"]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (90, 80, 3), dtype=np.uint8)).save(path)
    return paths


def test_a_released_recogniser_is_stated_before_its_weights_are_looked_for():
    found = stated_recogniser("facenet")
    assert (found.point, found.label) == (FACENET.operating_point, "")
    with pytest.raises(UsageError, match="expected a network for face verification"):
        stated_recogniser("minifasnet")


def test_two_photographs_are_verified_by_a_run(run, photographs):
    folder = run(label="drawn data")
    same = verify(photographs[0], photographs[0], model=str(folder))
    assert (same.accepted, same.threshold, same.label, same.model) == (True, 0.5, "drawn data", str(folder))
    assert same.score == pytest.approx(1, abs=1e-5)
    card = str(folder / "best.json")
    assert verify(*photographs, model=card).score == verify(*photographs, model=str(folder)).score < 1
    strict = run("strict", point=OperatingPoint(1.5, "fmr:0.001", Split.DEVELOPMENT))
    assert verify(*photographs, model=str(strict)).reasons == (Reason.NOT_THE_SAME_PERSON,)


def test_a_run_without_a_threshold_decides_nothing_but_scores(run, photographs):
    folder = run(point=None)
    with pytest.raises(UsageError, match="for which none was chosen"):
        verify(*photographs, model=str(folder))
    found = stated_recogniser(str(folder))
    face = np.zeros((1, 160, 160, 3), np.uint8)
    assert found.stated is None
    assert found.build(1).embed(face).shape == (1, TINY.features)


def test_pairs_are_scored_by_a_run(run, photographs, tmp_path, monkeypatch):
    reference, probe = photographs
    pairs = [Comparison(identifier="a", reference=reference, probe=probe, is_mated=False, fold="1")]
    monkeypatch.setattr(bulk, "_comparisons", lambda *_: pairs)
    report = bulk.score([str(run())], data="lfw:anywhere", split="test", folds="1")
    assert report.table.scores[0] == pytest.approx(verify(*photographs, model=str(tmp_path / "run")).score, abs=1e-6)


def test_the_package_is_looked_into_first(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "trunks_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match="the network 'facelivenet-slim', which this package lacks"):
        stated_recogniser("facelivenet-slim")
    run("facelivenet-slim")
    assert stated_recogniser("facelivenet-slim").point == POINT
    monkeypatch.chdir(tmp_path)
    run("sface", point=None)
    assert stated_recogniser("./sface").stated is None
    assert stated_recogniser("sface").stated is not None, "a folder of a released name is meant by its path"


def test_the_full_network_is_facenet(monkeypatch):
    asked = []
    network = FaceLiveNet(TINY)

    def stage_1(initial):
        asked.append(initial)
        return trained_facelivenet.StatedFaceLiveNet(
            source=initial, network=network, point=POINT, label="", digest="", card={}
        )

    monkeypatch.setattr(shipped, "stated_stage_1", stage_1)
    assert stated_recogniser("facelivenet-full").point == POINT
    assert asked == ["facenet"]


def test_what_is_no_recogniser_is_refused(tmp_path):
    with pytest.raises(UsageError, match="came the network 'nobody'"):
        stated_recogniser("nobody")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFile):
        stated_recogniser(str(tmp_path / "empty"))
    write_checkpoint(tmp_path / "other", "best", Checkpoint({}, {"network": "mlfa"}))
    with pytest.raises(DataError, match="that of a network 'mlfa'"):
        stated_recogniser(str(tmp_path / "other"))
