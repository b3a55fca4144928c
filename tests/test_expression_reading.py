"""Expressions of photographs: what the network says of the central face, and what is refused in words."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from countenance import expression_reading, trained_facelivenet
from countenance.checkpoints import write_checkpoint
from countenance.cli import main
from countenance.errors import NoFace, UsageError
from countenance.expression_reading import check_expression, read_expressions
from countenance.faces.detection import Face
from countenance.networks.facelivenet import OFFICIAL, SEVEN, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import cut_box
from countenance.trained_facelivenet import LAYOUTS, facelivenet_state, judge_expressions
from countenance.verbs import judging
from countenance.vocabulary import Reason

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)


def face(left, top, side):
    return Face((left, top, side, side), np.zeros((5, 2), np.float32), 1.0)


class TwoFaces:
    """A detector that finds a large face in the middle and a small one in the corner; in a black picture none."""

    def detect(self, image):
        return [face(20.0, 20.0, 40.0), face(0.0, 0.0, 12.0)] if image.any() else []


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch):
    monkeypatch.setattr(trained_facelivenet, "LAYOUTS", {**LAYOUTS, "tiny": TINY})
    monkeypatch.setattr(expression_reading, "detector", lambda _name: TwoFaces())


@pytest.fixture(scope="module")
def networks():
    """One that tells expressions, and one that does not."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return FaceLiveNet(TINY, SEVEN).eval(), FaceLiveNet(TINY).eval()


@pytest.fixture
def run(networks, tmp_path, monkeypatch):
    """The folder of a run, and beside it one without expressions."""
    monkeypatch.setattr(trained_facelivenet, "LAYOUTS", {**LAYOUTS, "tiny": TINY})
    for name, network in zip(("run", "stage-1"), networks, strict=True):
        write_checkpoint(tmp_path / name, "best", facelivenet_state(network, label="drawn data"))
    return str(tmp_path / "run")


@pytest.fixture
def pictures(tmp_path):
    """Two photographs, and a black one."""
    generator = np.random.default_rng(6)
    pixels = [generator.integers(1, 256, (80, 80, 3), dtype=np.uint8) for _ in range(2)]
    paths = []
    for number, picture in enumerate([*pixels, np.zeros((80, 80, 3), np.uint8)]):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(paths[-1])
    return paths, pixels


@pytest.mark.parametrize("mirror", [False, True])
def test_the_central_face_is_read(run, networks, pictures, mirror):
    paths, pixels = pictures
    found = read_expressions(paths[:2], model=run, mirror=mirror)
    cut = np.stack([cut_box(each, face(20.0, 20.0, 40.0)) for each in pixels])
    expected = judge_expressions(networks[0], cut, mirror=mirror)
    for each, path, row in zip(found, paths, expected, strict=False):
        assert (each.file, each.label, each.model) == (path, "drawn data", run)
        assert tuple(each.probabilities) == SEVEN
        assert list(each.probabilities.values()) == pytest.approx(row.tolist())
        assert each.expression == SEVEN[int(row.argmax())]
    assert sum(found[0].probabilities.values()) == pytest.approx(1)


def test_what_has_no_expression_is_refused(run, pictures, tmp_path):
    paths, _ = pictures
    with pytest.raises(NoFace, match=r"2\.png"):
        read_expressions(paths, model=run)
    with pytest.raises(UsageError, match="which only knows faces again; train its second branch"):
        read_expressions(paths, model=str(tmp_path / "stage-1"))
    with pytest.raises(UsageError, match="expected a FaceLiveNet: facelivenet-slim, facelivenet-full or the folder"):
        read_expressions(paths, model="sface")
    with pytest.raises(UsageError, match="expected a photograph; came none"):
        read_expressions([], model=run)


def test_the_verb_prints_one_object_or_a_table(run, pictures, capsys):
    paths, _ = pictures
    assert main(["expression", str(paths[0]), str(paths[1]), "--model", run, "--mirror", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["model"], card["label"]) == (run, "drawn data")
    assert [row["file"] for row in card["expressions"]] == [str(path) for path in paths[:2]]
    for row in card["expressions"]:
        assert row["expression"] == max(row["probabilities"], key=row["probabilities"].get)
    assert main(["expression", str(paths[0]), "--model", run]) == 0
    told = capsys.readouterr().out
    assert "drawn data" in told
    assert "surprise" in told
    assert main(["expression", str(paths[2]), "--model", run]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_the_asked_expression_decides_a_check(run, pictures, monkeypatch, capsys):
    paths, _ = pictures
    monkeypatch.setattr(TwoFaces, "detect", lambda _self, image: [face(20.0, 20.0, 40.0)] if image.any() else [])
    seen = read_expressions(paths[:1], model=run)[0]
    for asked in SEVEN:
        decision = check_expression(paths[0], asked=asked, model=run)
        others = [value for each, value in seen.probabilities.items() if each != asked]
        assert decision.score == pytest.approx(seen.probabilities[asked] - max(others))
        assert decision.accepted == (asked == seen.expression)
        assert decision.reasons == (() if decision.accepted else (Reason.EXPRESSION_NOT_SHOWN,))
    other = next(each for each in SEVEN if each != seen.expression)
    words = ["check", str(paths[0]), "--model", run, "--expression"]
    assert main([*words, seen.expression, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["bona_fide"], card["expression"], card["threshold"]) == (True, seen.expression, 0)
    assert card["expressions"][0]["expression"] == seen.expression
    assert main([*words, other]) == 1
    told = capsys.readouterr().out
    assert f"{seen.expression}, {other} was asked for" in told
    assert "drawn data" in told


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--expression", "bored"], "expected an expression that"),
        (["--expression", "happy", "--depth", "d.png"], "expected a photograph alone, with --expression"),
        (["--expression", "happy", "--missing", "subset"], "expected a photograph alone, with --expression"),
        (["--expression", "happy"], "expected one person"),
    ],
)
def test_a_check_that_cannot_be_made_is_refused(run, pictures, monkeypatch, capsys, more, words):
    paths, _ = pictures
    both = [face(0.0, 20.0, 30.0), face(40.0, 20.0, 30.0)]  # whose expression is meant cannot be known
    monkeypatch.setattr(TwoFaces, "detect", lambda _self, _image: both)
    assert main(["check", str(paths[0]), "--model", run, *more]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("drawn data", "*** the network was trained on drawn data: it tells nothing about real faces ***"),
        ("real faces and drawn data", "*** the network was trained on real faces and drawn data ***"),
    ],
)
def test_what_taught_the_network_is_told(label, told):
    assert judging._told(label, "real faces") == told
