"""Pre-training: each task learns and tells an honest figure, resumes bit for bit, and starts on nothing broken."""

import json
import shutil
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from countenance.checkpoints import read_checkpoint
from countenance.drawn_sets.identity_sets import plan_afad, plan_casia_webface, plan_ms_celeb_1m
from countenance.drawn_sets.writing import write_set
from countenance.errors import MissingFile, UsageError
from countenance.faces.alignment import TEMPLATE_112, align
from countenance.faces.detection import Face
from countenance.networks.caffe_resnet import slim_resnet
from countenance.networks.mlfa import MultiLevelNetwork
from countenance.networks.trunk import RecognitionNetwork
from countenance.recipes import pretraining
from countenance.recipes.pretraining import Margin, PretrainingRecipe, Task, pretrain
from countenance.transfer import initialise, pretrained_trunk_state
from countenance.transforms.resizing import resized

QUICK = PretrainingRecipe(width=1, epochs=2, batch_size=8, held_out=0.4)
GENDER = replace(QUICK, task=Task.GENDER)
DISTILLED = replace(QUICK, task=Task.DISTILLATION)
PLANS = {
    "casia-webface": lambda: plan_casia_webface(subjects=6, photographs_each=4),
    "ms-celeb-1m": lambda: plan_ms_celeb_1m(subjects=6, photographs_each=4),
    "afad": lambda: plan_afad(subjects=14, photographs_each=2),
}


@pytest.fixture(scope="module")
def data(stand_in, tmp_path_factory):
    """A function that draws a set once and names it."""
    written = {}

    def name(which):
        if which not in written:
            written[which] = tmp_path_factory.mktemp("faces") / which
            write_set(PLANS[which](), written[which], draw=stand_in)
        return f"{which}:{written[which]}"

    return name


class WholePicture:
    """A detector to whom every picture is a face that fills it, but for those that it is told to miss."""

    def __init__(self, missed=0):
        self.missed = missed

    def detect(self, image):
        if self.missed:
            self.missed -= 1
            return []
        side = image.shape[0]
        points = np.array(TEMPLATE_112, np.float32) * side / 112
        return [Face((0.0, 0.0, float(side), float(side)), points, 1.0)]


class Colours:
    """A teacher whose template is the mean colour of the four quarters."""

    def __init__(self):
        self.asked = 0

    def cut(self, image, face):
        return align(image, face.points)

    def embed(self, faces):
        self.asked += len(faces)
        quarters = faces.reshape(len(faces), 2, 56, 2, 56, 3).mean((2, 4)).reshape(len(faces), -1) - 127
        return (quarters / np.linalg.norm(quarters, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def trained(data, tmp_path):
    """A function that trains on the set that a recipe needs, in a folder of its own unless one is named."""

    def train(recipe=QUICK, *, on=None, out=None, **options):
        which = on or ("afad" if recipe.task is Task.GENDER else "casia-webface")
        folder = out or tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        options.setdefault("detector", WholePicture())
        options.setdefault("recogniser", Colours())
        return pretrain(recipe, data=data(which), out=folder, **options)

    return train


@pytest.fixture(scope="module")
def unchanged(data, tmp_path_factory):
    """A function that returns what a recipe comes to, trained once."""
    known = {}

    def state(recipe):
        if recipe not in known:
            out = tmp_path_factory.mktemp("unchanged") / "run"
            known[recipe] = weights(pretrain(recipe, data=data("casia-webface"), out=out))
        return known[recipe]

    return state


def weights(run, name="last"):
    return read_checkpoint(run.checkpoint.parent, name).tensors


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("margin", Margin)
def test_identities(trained, margin):
    run = trained(replace(QUICK, margin=margin, epochs=3, smallest_crop=1.0))
    assert run.epochs == run.best == len(run.losses) == 3
    assert run.losses[-1] < run.losses[0]
    assert run.figures.keys() == run.figures_before.keys() == {"eer", "auc", "mated", "non_mated"}
    assert (run.figures["mated"], run.figures["non_mated"]) == (12, 16)  # two people held out, four photographs each
    assert run.label == "drawn data"


def test_gender_is_judged_on_other_people(trained):
    run = trained(replace(GENDER, epochs=3))
    assert run.figures.keys() == {"accuracy", "accuracy_of_the_commoner"}
    assert 0 <= run.figures["accuracy"] <= 1
    card = read_checkpoint(run.checkpoint.parent, "best").card
    assert (card["data"]["people"], card["data"]["people_held_out"]) == (8, 6)
    assert (card["data"]["photographs"], card["data"]["photographs_held_out"]) == (16, 12)


def test_distillation_comes_nearer_to_the_teacher(trained):
    run = trained(replace(DISTILLED, epochs=4, width=2, learning_rate=0.01), detector=WholePicture(missed=1))
    assert run.losses[-1] < 0.95 * run.losses[0]
    assert {"cosine", "eer"} <= run.figures.keys()
    assert read_checkpoint(run.checkpoint.parent, "best").card["data"]["without_face"] == 1


def test_a_teacher_cuts_the_face_out_of_the_whole_photograph(trained):
    seen = []

    class Wide(Colours):
        def cut(self, image, face):
            seen.append((image.shape, face.box))
            return resized(image[None], height=112, width=112)[0]

    trained(replace(DISTILLED, epochs=1), recogniser=Wide(), detector=WholePicture(missed=1))
    assert len(seen) == 23
    assert {(shape[0], box) for shape, box in seen} == {(160, (0.0, 0.0, 160.0, 160.0))}


def test_the_card_and_the_network_that_is_taken_over(trained):
    run = trained()
    best = read_checkpoint(run.checkpoint.parent, "best")
    told = {key: best.card[key] for key in ("network", "trunk", "width", "task", "label", "epoch")}
    assert told == {
        "network": "recognition",
        "trunk": "slim-resnet",
        "width": 1,
        "task": "identities",
        "label": "drawn data",
        "epoch": 2,
    }
    assert best.card["recipe"] == json.loads(json.dumps(QUICK.as_json()))
    state = pretrained_trunk_state(run.checkpoint.parent)
    recogniser = RecognitionNetwork(slim_resnet(1))
    recogniser.load_state_dict(state)
    assert run.parameters == sum(parameter.numel() for parameter in recogniser.parameters())
    network = MultiLevelNetwork(slim_resnet(1))
    initialise(network, state)
    assert torch.equal(network.branches[2][0].conv.weight, state["stem.conv.weight"])  # type: ignore[index]


@pytest.mark.parametrize("recipe", [QUICK, GENDER, DISTILLED], ids=lambda recipe: str(recipe.task))
def test_a_run_that_was_killed_ends_with_the_same_weights(trained, tmp_path, recipe):
    def killed(step, _):
        if step == 3:  # in the second epoch of two steps
            raise KeyboardInterrupt

    whole = trained(recipe)
    teacher = Colours()
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, out=tmp_path / "killed", progress=killed, recogniser=teacher)
    with pytest.raises(MissingFile):
        pretrained_trunk_state(tmp_path / "killed")
    torch.rand(1)
    resumed = trained(recipe, out=tmp_path / "killed", recogniser=teacher)
    assert teacher.asked in (0, 24), "the teacher is asked once"
    assert equal(weights(resumed), weights(whole))
    assert equal(weights(resumed, "best"), weights(whole, "best"))
    assert (resumed.losses, resumed.figures, resumed.figures_before) == (
        whole.losses,
        whole.figures,
        whole.figures_before,
    )
    again = trained(recipe, out=tmp_path / "killed", progress=lambda *_: pytest.fail("a step"))
    assert again.figures == whole.figures


def test_records_and_pixels_that_memory_does_not_hold(trained, monkeypatch):
    held = [trained(on=which) for which in ("casia-webface", "ms-celeb-1m")]
    monkeypatch.setattr(pretraining, "MEMORY", 0)
    decoded = [trained(on=which) for which in ("casia-webface", "ms-celeb-1m")]
    for ours, theirs in zip(held, decoded, strict=True):
        assert equal(weights(ours), weights(theirs))
    with pytest.raises(UsageError, match="aligned faces that fit into 0 GiB of memory; came 24 of 112 x 112"):
        trained(DISTILLED)


CHANGES: tuple[dict[str, Any], ...] = (
    {"task": Task.DISTILLATION},
    {"margin": Margin.COSFACE},
    {"trunk": "caffe-resnet34"},
    {"width": 2},
    {"epochs": 1},
    {"batch_size": 4},
    {"learning_rate": 0.02},
    {"weight_decay": 0.5},
    {"flip_probability": 1.0},
    {"grayscale_probability": 1.0},
    {"smallest_crop": 1.0},
    {"aligned": True},
    {"held_out": 0.5},
    {"photographs": 20},
    {"seed": 3},
    {"scale": 10.0},
    {"teacher": "facenet"},
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_field_is_read(trained, unchanged, monkeypatch, change):
    base = replace(QUICK, margin=Margin.ARCFACE) if "scale" in change else QUICK
    if "aligned" in change:  # a face that is only a part of the picture
        monkeypatch.setattr(WholePicture, "detect", lambda *_: [Face((40, 40, 60, 60), _POINTS, 1.0)])
    if "teacher" in change:
        base = DISTILLED
        asked: list[str] = []

        def named(name):
            asked.append(name)
            return Colours()

        monkeypatch.setattr(pretraining, "released_recogniser", named)
        for recipe in (base, replace(base, **change)):
            trained(recipe, recogniser=None)
        assert asked == ["sface", "facenet"]
        return
    assert not equal(unchanged(base), weights(trained(replace(base, **change))))


_POINTS = np.array(TEMPLATE_112, np.float32) * 0.5 + 40


def test_the_table_of_fields_is_whole():
    assert {next(iter(change)) for change in CHANGES} == {field.name for field in fields(PretrainingRecipe)}


def test_whole_people_are_left_out(trained):
    run = trained(replace(QUICK, photographs=18))
    told = read_checkpoint(run.checkpoint.parent, "best").card["data"]
    assert (told["photographs"] + told["photographs_held_out"], told["people"] + told["people_held_out"]) == (16, 4)


def test_a_folder_belongs_to_one_recipe_and_one_set(trained, tmp_path):
    trained(out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"the recipe that the run in .* was begun with; came another one \(epochs\)"):
        trained(replace(QUICK, epochs=4), out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"the data that the run in .* came another one \(digest, set\)"):
        trained(on="ms-celeb-1m", out=tmp_path / "run")


def test_what_cannot_be_learnt_from(trained, tmp_path):
    with pytest.raises(UsageError, match="a set that tells the gender of each person; came none for"):
        trained(GENDER, on="casia-webface")
    with pytest.raises(UsageError, match="two people to learn from and two to hold out; came 3 in all"):
        trained(replace(QUICK, photographs=12))
    with pytest.raises(UsageError, match=r"a set of faces among casia-webface, .*; came 'siw'"):
        pretrain(QUICK, data="siw:/nowhere", out=tmp_path / "run")
    with pytest.raises(UsageError, match="two to hold out; came 0 in all"):
        trained(DISTILLED, detector=WholePicture(missed=24))
    assert not (tmp_path / "run").exists()


def test_nothing_is_trained_on_a_damaged_set(data, tmp_path):
    root = tmp_path / "own"
    whole = data("casia-webface").partition(":")[2]
    shutil.copytree(whole, root)
    next(root.rglob("*.jpg")).unlink()
    with pytest.raises(Exception, match="photographs"):
        pretrain(QUICK, data=f"casia-webface:{root}", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs of at least 1"),
        ({"batch_size": 1}, "batch_size of at least 2"),
        ({"photographs": 1}, "photographs of at least 2"),
        ({"learning_rate": float("nan")}, "came nan, 30 and 0.0001"),
        ({"smallest_crop": 0.0}, "a crop above 0"),
        ({"held_out": 1.0}, "a share held out between 0 and 1"),
        ({"grayscale_probability": 1.5}, "probabilities from 0 to 1"),
        ({"task": "ages"}, "came ages and sphereface"),
    ],
)
def test_a_recipe_that_cannot_be(change, words):
    with pytest.raises(UsageError, match=words):
        PretrainingRecipe(**change)
