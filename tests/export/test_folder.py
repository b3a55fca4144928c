"""The folder of an export: written when it agrees, read when it still does; every injected fault is caught."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from safetensors.numpy import load_file, save

from countenance.checkpoints import Checkpoint, write_checkpoint
from countenance.errors import DataError, DigestMismatch, MissingFile, ParityError, UsageError
from countenance.export import engines, folder
from countenance.export.engines import Engine, engine_named
from countenance.export.exportable import exportable
from countenance.export.folder import formats_named, is_export, read_export, write_export
from countenance.files import sha256_of
from countenance.networks.slim_pad import SlimPad
from countenance.vocabulary import Modality

NAMES = ("mlfa-slim", "gate-slim", "fewframe-slim", "facelivenet-slim", "minifasnet", "fr_feature")
SCORED = NAMES[:3] + NAMES[4:5]
SLIM = "mlfa-slim"
OPENVINO = pytest.mark.skipif(not engines.has_openvino(), reason="openvino is not installed")


@pytest.fixture
def copied(exports, tmp_path):
    """A function that copies the export of a network."""
    return lambda name=SLIM: Path(shutil.copytree(exports(name), tmp_path / name))


def relabelled(base, name, content):
    """Put other bytes into a file, and their digest into the card: what somebody does who wants to be believed."""
    (base / name).write_bytes(content)
    card = json.loads((base / "card.json").read_text())
    card["files"][name] = sha256_of(content)
    (base / "card.json").write_text(json.dumps(card))
    return base


def remade(base, change):
    """Change the graph of a copy in place."""
    model = onnx.load_model(base / "model.onnx")
    change(model.graph)
    return relabelled(base, "model.onnx", model.SerializeToString())


def restated(base, **said):
    card = json.loads((base / "card.json").read_text()) | said
    (base / "card.json").write_text(json.dumps(card))
    return base


def times(name, factor, *, plus=0.0):
    def change(graph):
        (tensor,) = (each for each in graph.initializer if each.name == name)
        tensor.CopyFrom(
            numpy_helper.from_array(np.asarray(numpy_helper.to_array(tensor) * factor + plus, np.float32), name)
        )

    return change


def put_behind(graph, name, kind, *others, **attributes):
    """Let everybody who took the value `name` take what a new node makes of it."""
    for node in graph.node:
        for place, each in enumerate(node.input):
            if each == name:
                node.input[place] = "changed"
    graph.node.insert(0, helper.make_node(kind, [name, *others], ["changed"], **attributes))


def blue_first(graph):
    """Hand the first colour input over as blue, green, red."""
    graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "turned"))
    (colour,) = (each.name for each in graph.input[:1])
    axis = len(graph.input[0].type.tensor_type.shape.dim) - 1
    put_behind(graph, colour, "Gather", "turned", axis=axis)


def changed_places(first, second):
    def change(graph):
        for node in graph.node:
            for place, each in enumerate(node.input):
                if each in {first, second}:
                    node.input[place] = second if each == first else first

    return change


def negated(graph):
    """Turn the polarity of the first output round."""
    out = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["plain" if each == out else each for each in node.output]
        node.input[:] = ["plain" if each == out else each for each in node.input]
    graph.node.append(helper.make_node("Neg", ["plain"], [out]))


def for_batches_of_two(graph):
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


@pytest.mark.parametrize("name", NAMES)
def test_what_was_written_answers_as_the_network_does(name, exports):
    base, network = exports(name), exportable(name)
    read = read_export(base)
    card = json.loads((base / "card.json").read_text())
    assert is_export(base)
    assert {path.name for path in base.iterdir()} == {"model.onnx", "golden.safetensors", "card.json"}
    assert read.max_difference <= engines.TOLERANCE[Engine.ONNXRUNTIME]
    assert (read.name, read.kind, read.label) == (name, network.kind, network.label)
    assert list(read.points) == json.loads(json.dumps(network.points))
    assert read.digest == sha256_of((base / "card.json").read_bytes())
    assert card["weights"] == network.weights
    assert card["polarity"] == (None if network.scores is None else f"high {network.scores} = bona fide")
    generator = np.random.default_rng(5)
    pixels = {each.name: generator.integers(0, 256, (2, *each.shape), dtype=np.uint8) for each in read.inputs}
    for output, values in network.judge(pixels).items():
        np.testing.assert_allclose(read.judge(pixels)[output], values, atol=1e-4)


def test_the_card_states_the_constants_of_the_graph(exports):
    card = json.loads((exports(SLIM) / "card.json").read_text())
    assert [row["name"] for row in card["inputs"]] == ["rgb", "depth", "infrared"]
    assert [row["channels"] for row in card["inputs"]] == [["red", "green", "blue"], ["depth"], ["infrared"]]
    constants = card["preprocessing"]
    assert set(constants) == {f"{kind}_{name}" for kind in ("scale", "shift") for name in ("rgb", "depth", "infrared")}
    np.testing.assert_allclose(constants["scale_rgb"], 1 / (255 * np.array([0.2023, 0.1994, 0.2010])), rtol=1e-6)
    np.testing.assert_allclose(
        constants["shift_rgb"], [-0.4914 / 0.2023, -0.4822 / 0.1994, -0.4465 / 0.2010], rtol=1e-6
    )
    assert card["label"] == "drawn data"


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_byte_is_caught(name, copied):
    base = copied(name)
    content = bytearray((base / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (base / "model.onnx").write_bytes(content)
    with pytest.raises(DigestMismatch, match=r"model.onnx as the card has it; came other bytes"):
        read_export(base)


@pytest.mark.parametrize("name", NAMES)
def test_blue_before_green_before_red_is_caught(name, copied):
    with pytest.raises(ParityError, match="this file gives no score"):
        read_export(remade(copied(name), blue_first))


@pytest.mark.parametrize("name", SCORED)
def test_a_polarity_that_was_turned_round_is_caught(name, copied):
    with pytest.raises(ParityError, match="as of a network whose polarity was turned round"):
        read_export(remade(copied(name), negated))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (SLIM, times("scale_rgb", 255 / 256)),
        (SLIM, times("scale_depth", 255 / 256)),
        (SLIM, times("scale_infrared", 255 / 256)),
        (SLIM, times("shift_rgb", 1, plus=0.01)),
        (SLIM, times("shift_infrared", 1.01)),
        (SLIM, changed_places("infrared", "depth")),
        ("gate-slim", times("scale_rgb", 255 / 256)),
        ("gate-slim", times("shift_rgb", 1, plus=0.01)),
        ("fewframe-slim", times("scale_frames_of_flow_0", 255 / 256)),
        ("fewframe-slim", times("shift_frames_of_flow_1", 1.01)),
        ("fewframe-slim", times("least_variance_frames", 1e6)),
        ("facelivenet-slim", times("least_deviation_faces", 1e3)),
        ("fr_feature", times("scale_faces", 255 / 256)),
        ("fr_feature", times("shift_faces", 128 / 127)),
        ("minifasnet", changed_places("crops_v2", "crops_v1se")),
        (SLIM, times("shift_depth", float("nan"))),
        (SLIM, for_batches_of_two),
    ],
    ids=str,
)
def test_another_constant_or_another_order_of_inputs_is_caught(name, change, copied):
    with pytest.raises(ParityError):
        read_export(remade(copied(name), change))


def test_inputs_of_other_names_and_outputs_of_other_shapes_are_caught(copied):
    def renamed(graph):
        graph.input[1].name = "thermal"
        changed_places("depth", "thermal")(graph)

    with pytest.raises(ParityError, match="takes the card's inputs in onnxruntime"):
        read_export(remade(copied(), renamed))


@pytest.mark.parametrize("name", ["model.onnx", "golden.safetensors", "card.json"])
def test_a_missing_file_is_named(name, copied):
    base = copied()
    (base / name).unlink()
    with pytest.raises(MissingFile, match="of an exported network"):
        read_export(base)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("golden.safetensors", lambda whole: whole[: len(whole) // 2], "expected golden vectors"),
        ("golden.safetensors", lambda _: pickle.dumps({"pixels.rgb": [1]}), "expected golden vectors"),
        ("golden.safetensors", lambda _: save({"pixels.rgb": np.zeros(3, np.uint8)}), "expected golden vectors"),
        ("model.onnx", lambda whole: whole[: len(whole) // 2], "a model that onnxruntime reads"),
        ("model.onnx", lambda _: b"", "a model that onnxruntime reads"),
    ],
)
def test_damaged_files_are_refused_even_where_the_card_names_them(file, content, words, copied):
    base = copied()
    whole = (base / file).read_bytes()
    (base / file).write_bytes(content(whole))
    with pytest.raises(DigestMismatch):
        read_export(base)
    with pytest.raises(DataError, match=words):
        read_export(relabelled(base, file, content(whole)))


def test_golden_vectors_that_tell_nothing_are_refused(copied):
    base = copied()
    tensors = load_file(base / "golden.safetensors")
    few = {name: values[:2] for name, values in tensors.items()}
    same = tensors | {"answers.margins": np.zeros_like(tensors["answers.margins"])}
    floats = tensors | {"pixels.rgb": tensors["pixels.rgb"].astype(np.float32)}
    other = tensors | {"pixels.rgb": tensors["pixels.depth"]}
    for wrong in (few, same, floats, other):
        with pytest.raises(ParityError, match="4 golden vectors or more"):
            read_export(relabelled(base, "golden.safetensors", save(wrong)))


@pytest.mark.parametrize(
    "said",
    [
        {"format": 2},
        {"files": {"model.onnx": "0"}},
        {"files": {"golden.safetensors": "0"}},
        {"files": {"golden.safetensors": "0", "model.onnx": "0", "../secret": "0"}},
        {"inputs": [{"name": "rgb"}]},
        {"kind": "smell"},
        {"scores": "nothing"},
        {"polarity": "low margins = bona fide"},
        {"outputs": [], "scores": None, "polarity": None},
        {"tolerance": {}},
    ],
)
def test_a_card_of_another_form_is_refused(said, copied):
    with pytest.raises(DataError, match="the card of an exported network"):
        read_export(restated(copied(), **said))


def test_a_card_that_tells_another_order_or_another_constant_than_the_graph_is_refused(copied):
    base = copied()
    card = json.loads((base / "card.json").read_text())
    colour, depth, infrared = card["inputs"]
    swapped = [
        colour,
        {**depth, "modality": "infrared", "channels": ["infrared"]},
        {**infrared, "modality": "depth", "channels": ["depth"]},
    ]
    blue = [{**colour, "channels": ["blue", "green", "red"]}, depth, infrared]
    for inputs, words in ((swapped, "infrared in the input depth"), (blue, "channels .*blue")):
        with pytest.raises(DataError, match=words):
            read_export(restated(base, inputs=inputs))
    restated(base, inputs=card["inputs"], preprocessing=card["preprocessing"] | {"scale_depth": [1 / 256]})
    with pytest.raises(ParityError, match=r"the constants scale_rgb, .* came others"):
        read_export(base)
    restated(base, preprocessing=card["preprocessing"])
    assert read_export(base).name == SLIM


@pytest.mark.parametrize("tolerance", [0.1, float("inf"), -1.0])
def test_a_card_may_not_widen_the_tolerance(tolerance, copied):
    with pytest.raises(ParityError, match="a tolerance of at most 2e-05 for onnxruntime"):
        read_export(restated(copied(), tolerance={"onnxruntime": tolerance, "openvino": 2e-5}))


def test_something_else_than_a_card_is_refused(copied):
    base = copied()
    (base / "card.json").write_text("[]")
    with pytest.raises(DataError, match="the card of an exported network"):
        read_export(base)


def test_what_an_export_is_asked(exports):
    read = read_export(exports("gate-slim"))
    whole = np.zeros((1, 112, 112, 3), np.uint8)
    floats: Any = whole.astype(np.float32)
    for wrong in ({}, {"rgb": floats}, {"rgb": whole[:0]}, {"rgb": whole[:, :80]}, {"depth": whole}):
        with pytest.raises(UsageError, match="uint8 inputs"):
            read.judge(wrong)


@OPENVINO
def test_openvino_reads_both_forms(exports, tmp_path):
    network = exportable("gate-slim")
    done = write_export(network, tmp_path / "both", formats=["onnx", "openvino"])
    assert set(done.max_difference) == set(Engine)
    pixels = {"rgb": np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)}
    expected = network.judge(pixels)["margins"]
    for base in (exports("gate-slim"), tmp_path / "both"):
        read = read_export(base, engine=Engine.OPENVINO)
        np.testing.assert_allclose(read.judge(pixels)["margins"], expected, atol=1e-4)
    (tmp_path / "both" / "model.onnx").unlink()
    with pytest.raises(MissingFile):
        read_export(tmp_path / "both", engine=Engine.OPENVINO)


@OPENVINO
def test_a_fault_is_caught_in_openvino_too(copied, tmp_path):
    with pytest.raises(ParityError, match="turned round"):
        read_export(remade(copied("gate-slim"), negated), engine=Engine.OPENVINO)
    done = write_export(exportable("gate-slim"), tmp_path / "own", formats=["openvino"])
    assert {path.name for path in done.files} == {"model.xml", "model.bin", "golden.safetensors", "card.json"}
    with pytest.raises(UsageError, match=r"an export with model.onnx"):
        read_export(tmp_path / "own")
    wrong = (tmp_path / "gate-slim" / "model.onnx").read_bytes()
    for name, content in engines.as_intermediate(wrong).items():
        relabelled(tmp_path / "own", name, content)
    with pytest.raises(ParityError, match="turned round"):
        read_export(tmp_path / "own", engine=Engine.OPENVINO)
    with pytest.raises(DataError, match="a model that openvino reads"):
        read_export(relabelled(tmp_path / "own", "model.xml", b"<net"), engine=Engine.OPENVINO)


def test_without_openvino_its_form_is_refused(monkeypatch, exports, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(UsageError, match="OpenVINO; came none here"):
        read_export(exports("gate-slim"), engine=Engine.OPENVINO)
    with pytest.raises(UsageError, match="OpenVINO; came none here"):
        write_export(exportable("gate-slim"), tmp_path / "new", formats=["openvino"])
    assert not list(tmp_path.iterdir())


def test_names_of_engines_and_formats(monkeypatch):
    assert engine_named("openvino") is Engine.OPENVINO
    with pytest.raises(UsageError, match="onnxruntime, openvino"):
        engine_named("tensorrt")
    assert formats_named("openvino, onnx") == ("openvino", "onnx")
    for wrong in ("", "onnx,onnx", "tflite"):
        with pytest.raises(UsageError, match="formats among onnx, openvino"):
            formats_named(wrong)
    for there, formats in ((True, ("onnx", "openvino")), (False, ("onnx",))):
        monkeypatch.setattr(folder, "has_openvino", lambda there=there: there)
        assert formats_named(None) == formats


def test_nothing_is_written_where_an_engine_disagrees(monkeypatch, tmp_path):
    network = exportable("gate-slim")
    monkeypatch.setattr(
        folder, "running", lambda *_, **__: lambda pixels: {"margins": -network.judge(pixels)["margins"]}
    )
    with pytest.raises(ParityError, match="turned round"):
        write_export(network, tmp_path / "new", formats=["onnx"])
    assert not list(tmp_path.iterdir())


def test_a_folder_in_which_something_is_stays_as_it_is(tmp_path):
    network = exportable("gate-slim")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "empty").mkdir()
    for taken in ("full", "file"):
        with pytest.raises(UsageError, match="expected a new folder"):
            write_export(network, tmp_path / taken, formats=["onnx"])
    with pytest.raises(UsageError, match="to be able to write"):
        write_export(network, tmp_path / "file" / "below", formats=["onnx"])
    write_export(network, tmp_path / "empty", formats=["onnx"])
    assert is_export(tmp_path / "empty")
    assert (tmp_path / "full" / "mine").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_run_is_exported_and_one_that_looks_at_no_colour_is_refused(tmp_path):
    for name, width in (("run", 4), ("blind", 4)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            network = SlimPad([Modality.RGB], width=width)
        if name == "blind":
            network.decide.weight.data.zero_()
        card = {"network": "slim-pad", "modalities": ["rgb"], "width": width}
        state = {f"module.{key}": tensor for key, tensor in network.state_dict().items()}
        write_checkpoint(tmp_path / name, "best", Checkpoint(state, card))
    found = exportable(str(tmp_path / "run"))
    assert (found.points, found.label, list(found.weights)) == ([], "", [str(tmp_path / "run")])
    with pytest.raises(ParityError, match="the channels of rgb turned round"):
        write_export(exportable(str(tmp_path / "blind")), tmp_path / "out", formats=["onnx"])
    with pytest.raises(UsageError, match="a network that can be exported"):
        exportable("yunet")


def test_runs_of_clips_and_of_faces_are_known_by_their_card(clip_run):
    run = clip_run(frames=5, threshold=0.25)
    assert exportable(str(run)).points[0]["value"] == 0.25
    shipped = Path(folder.__file__).parents[1] / "shipped_networks" / "facelivenet-slim"
    assert [each.name for each in exportable(str(shipped)).outputs] == ["templates", "probabilities"]
