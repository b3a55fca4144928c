"""An exported network in the place of the trained one: `score` takes its folder."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from countenance.bulk import PresentationOptions, score
from countenance.cli import main
from countenance.errors import ParityError, UsageError
from countenance.export.engines import has_openvino
from countenance.export.exported_network import exported_network
from countenance.export.folder import CARD
from countenance.scores import read_table
from countenance.shipped import presentation_module
from countenance.vocabulary import Modality

SENSORS = ("rgb", "depth", "infrared")


@pytest.fixture
def data(tmp_path):
    """A manifest of five presentations to three sensors: blocks of noise, of several contrasts."""
    root, generator = tmp_path / "own", np.random.default_rng(2)
    root.mkdir()
    rows = [f"id,subject,presentation,species,split,{','.join(SENSORS)}"]
    for number in range(5):
        for sensor in SENSORS:
            shape = (8, 8, 3) if sensor == "rgb" else (8, 8)
            blocks = generator.integers(0, 40 + 50 * number, shape, dtype=np.uint8)
            Image.fromarray(blocks.repeat(16, 0).repeat(16, 1)).save(root / f"{number}-{sensor}.png")
        kind = ("bona_fide,", "attack,print")[number % 2]
        rows.append(f"p{number},s{number},{kind},test," + ",".join(f"{number}-{sensor}.png" for sensor in SENSORS))
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return f"manifest:{root}"


def test_it_is_called_as_the_trained_one(exports):
    trained, ours = presentation_module("mlfa-slim"), exported_network(exports("mlfa-slim"))
    assert (ours.modalities, ours.side) == (trained.modalities, trained.side)
    assert ours.modalities == (Modality.RGB, Modality.DEPTH, Modality.INFRARED)
    planes = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 5, 112, 112), dtype=np.uint8)) / 255
    with torch.inference_mode():
        expected = trained(planes).numpy()
    np.testing.assert_allclose(ours(planes).numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(ours(planes, torch.ones(2, 3, dtype=torch.bool)).numpy(), expected, atol=1e-4)
    with pytest.raises(UsageError, match="every sensor of an exported network"):
        ours(planes, torch.tensor([[True, True, False]] * 2))


def test_one_of_faces_or_clips_is_refused(exports):
    with pytest.raises(UsageError, match="fewframe-slim, of a clip"):
        exported_network(exports("fewframe-slim"))


def test_score_takes_the_folder_of_an_export(exports, data, tmp_path, capsys):
    folder, out = exports("mlfa-slim"), tmp_path / "scores.csv"
    expected = score(["mlfa-slim"], data=data, split="test").table
    assert np.ptp(expected.scores) > 1e-3
    assert main(["score", str(folder), "--data", data, "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 5
    table = read_table(out)
    assert table.identifiers.tolist() == expected.identifiers.tolist()
    np.testing.assert_allclose(table.scores, expected.scores, atol=1e-5)
    plain, other = (
        score([name], data=data, split="test", options=PresentationOptions(mirror=True)).table.scores
        for name in ("mlfa-slim", str(folder))
    )
    np.testing.assert_allclose(other, plain, atol=1e-5)
    if has_openvino():
        chosen = PresentationOptions(engine="openvino")
        told = score([str(folder)], data=data, split="test", options=chosen).table
        np.testing.assert_allclose(told.scores, expected.scores, atol=1e-5)


def test_what_an_engine_does_not_go_with(exports, data, tmp_path):
    folder = str(exports("mlfa-slim"))
    for network, options, words in (
        ("mlfa-slim", PresentationOptions(engine="onnxruntime"), "folders of exports, for an engine"),
        (folder, PresentationOptions(engine="tensorrt"), "an engine: onnxruntime, openvino"),
        (folder, PresentationOptions(precision="bfloat16"), "an exported network in float32"),
    ):
        with pytest.raises(UsageError, match=words):
            score([network], data=data, split="test", options=options)
    with pytest.raises(UsageError, match="clips as they are, in float32, in PyTorch"):
        score([folder], data=f"siw:{tmp_path}", split="test", options=PresentationOptions(engine="onnxruntime"))


def test_an_export_with_a_fault_gives_no_score(exports, data, tmp_path, capsys):
    folder = tmp_path / "wrong"
    folder.mkdir()
    for path in exports("mlfa-slim").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | {"tolerance": {"onnxruntime": 1, "openvino": 1}}))
    with pytest.raises(ParityError):
        score([str(folder)], data=data, split="test")
    out = tmp_path / "scores.csv"
    assert main(["score", str(folder), "--data", data, "--out", str(out)]) == 2
    assert "a tolerance of at most 2e-05" in capsys.readouterr().err
    assert not out.exists()


def test_the_verb_says_what_it_wrote(tmp_path, capsys):
    out = tmp_path / "gate"
    assert main(["export", "gate-slim", "--out", str(out), "--format", "onnx", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {path.rpartition("/")[2] for path in told["files"]} == {path.name for path in out.iterdir()}
    assert 0 <= told["max_difference"] <= 2e-5
    assert told["label"] == "drawn data"
    assert main(["export", "gate-slim", "--out", str(out)]) == 2
    assert "expected a new folder" in capsys.readouterr().err
    assert main(["export", "gate-slim", "--out", str(tmp_path / "again"), "--format", "onnx"]) == 0
    assert capsys.readouterr().out.startswith("*** drawn data ***\nonnxruntime: within ")
