"""Recipes by name: what is asked for reaches them, and what they do not know is refused."""

import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

import countenance.recipes.named as door
from countenance.checkpoints import read_checkpoint
from countenance.errors import UsageError
from countenance.presentation_scoring import Precision
from countenance.presentation_training import Choice
from countenance.recipes.facelivenet import RECIPES as STAGE_1
from countenance.recipes.facelivenet import ClassLoss
from countenance.recipes.facelivenet_distillation import DistillationRecipe
from countenance.recipes.facelivenet_expression import RECIPES as EXPRESSION
from countenance.recipes.facelivenet_expression import ExpressionRecipe
from countenance.recipes.flownets import FlowRecipe
from countenance.recipes.gate_slim import GateSlimRecipe
from countenance.recipes.mlfa import RELEASED, SLIM
from countenance.recipes.named import NAMES, Wishes, train
from countenance.recipes.pretraining import Margin, PretrainingRecipe, Task
from countenance.recipes.slim_pad import SlimPadRecipe
from countenance.vocabulary import Modality

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")
COUNTENANCE = (sys.executable, "-c", "from countenance.cli import run; run()")


@pytest.fixture
def asked(monkeypatch):
    """What reaches the recipes, instead of a training."""
    seen: list[tuple[Any, dict[str, Any]]] = []
    trainings = (
        "train_mlfa train_slim_pad train_flownets pretrain distil train_expression train_facelivenet train_gate_slim"
    )
    for name in trainings.split():
        monkeypatch.setattr(door, name, lambda recipe, **options: seen.append((recipe, options)))

    def last(name, **wishes):
        train(name, Wishes(**wishes), data="set:root", out="run")
        return seen[-1]

    return last


def test_without_wishes_a_recipe_is_as_it_stands(asked):
    assert asked("mlfa-slim")[0] == SLIM
    assert asked("mlfa-released")[0] == RELEASED
    assert asked("slim-pad")[0] == SlimPadRecipe()
    assert asked("pretraining-gender")[0] == PretrainingRecipe(task=Task.GENDER, epochs=20)
    assert asked("pretraining-arcface", epochs=3)[0] == PretrainingRecipe(margin=Margin.ARCFACE, epochs=3)
    assert asked("flownets-slim", epochs=2, batch_size=8, seed=3)[0] == FlowRecipe(epochs=2, batch_size=8, seed=3)
    assert asked("gate-slim")[0] == GateSlimRecipe()
    taught = asked("gate-slim", epochs=2, seed=3)[0]
    assert (taught.training.epochs, taught.training.seed, taught.people) == (2, 3, 160)
    slim = DistillationRecipe(layout="slim", initialised=False, parts=40, epochs=9, learning_rate=2e-3, mirrored=True)
    assert asked("facelivenet-slim-distilled", epochs=9)[0] == slim
    assert len(NAMES) == 19


def test_wishes_reach_the_recipe(asked):
    recipe, options = asked(
        "mlfa-slim",
        epochs=8,
        batch_size=16,
        modalities="depth",
        choice="last",
        fold="attack-2",
        initial="trunk",
        teachers=("a", "b"),
        precision="bfloat16",
        sensor_dropout=0.25,
        bona_fide_label="0",
        devices="cuda:1",
        seed=4,
    )
    assert recipe == replace(
        SLIM,
        epochs=8,
        cosine_epochs=8,
        batch_size=16,
        streams=(Modality.DEPTH,) * 3,
        choice=Choice.LAST,
        initial="trunk",
        precision=Precision.BFLOAT16,
        sensor_dropout=0.25,
        seed=4,
        device="cuda:1",
    )
    assert (options["fold"], options["teachers"], options["bona_fide_label"]) == ("attack-2", ("a", "b"), "0")
    assert asked("mlfa-released", epochs=62)[0].cosine_epochs == 100, "the cosine keeps its share of the epochs"
    assert asked("mlfa-slim", modalities="rgb, depth")[0].streams == (Modality.RGB, Modality.DEPTH)
    assert asked("slim-pad", modalities="depth,rgb")[0].modalities == (Modality.DEPTH, Modality.RGB)


def test_expressions_are_learnt_from_facenet_unless_a_run_is_named(asked):
    recipe, options = asked("facelivenet-expression")
    assert (recipe, options["initial"]) == (ExpressionRecipe(), "facenet")
    recipe, options = asked("facelivenet-expression", epochs=3, batch_size=8, seed=2, initial="runs/stage-1")
    assert (recipe, options["initial"]) == (ExpressionRecipe(epochs=3, batch_size=8, seed=2), "runs/stage-1")
    assert (options["data"], options["out"], options["maps"]) == ("set:root", "run", None)
    assert asked("facelivenet-slim-expression", epochs=3)[0] == replace(
        EXPRESSION["facelivenet-slim-expression"], epochs=3
    )


def test_runs_may_share_what_is_kept(asked):
    assert asked("facelivenet-expression", kept="shared")[1]["maps"] == "shared"
    assert asked("facelivenet-distilled", kept="shared")[1]["views"] == "shared"


def test_a_first_stage_has_a_layout_and_a_loss(asked):
    assert asked("facelivenet-paper")[0] == STAGE_1["facelivenet-paper"]
    changed = asked("facelivenet-released", layout="slim", loss="class-wise-hinge", seed=2, devices="cuda")[0]
    wishes: dict[str, Any] = {"layout": "slim", "loss": ClassLoss.HINGE, "seed": 2, "device": "cuda"}
    assert changed == replace(STAGE_1["facelivenet-released"], **wishes)


def test_several_devices_are_several_processes(monkeypatch, asked):
    begun: list[tuple[Any, ...]] = []

    def together(devices, work, **heard):
        begun.append(devices)
        return work("cpu", *heard.values())

    monkeypatch.setattr(door, "together", together)
    assert asked("slim-pad", devices="cuda:0,1", epochs=2)[0] == SlimPadRecipe(epochs=2)
    assert asked("mlfa-slim", devices="1")[0] == SLIM
    assert begun == [("cuda:0", "cuda:1")]
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="one process for gate-slim; came 2; take slim-pad or mlfa-slim"):
        asked("gate-slim")


QUICK = Wishes(epochs=2, batch_size=5)  # two steps an epoch


@pytest.fixture(scope="module")
def by_one(own_set, tmp_path_factory):
    """What one process makes of it."""
    return train("slim-pad", QUICK, data=f"manifest:{own_set}", out=tmp_path_factory.mktemp("one"))


def test_where_one_of_two_processes_was_killed_one_alone_goes_on(own_set, by_one, tmp_path):
    def killed(step, _):
        if step == 3:
            multiprocessing.active_children()[-1].kill()

    two, data = replace(QUICK, devices="2"), f"manifest:{own_set}"
    with pytest.raises(UsageError, match="ended by SIGKILL; run the same command again"):
        train("slim-pad", two, data=data, out=tmp_path, progress=killed)
    assert read_checkpoint(tmp_path, "last").card["epochs"] == 1
    run = train("slim-pad", QUICK, data=data, out=tmp_path)
    assert list(run.losses) == pytest.approx(list(by_one.losses), rel=0, abs=1e-5)
    cards = [read_checkpoint(each.checkpoint.parent, "best").card for each in (run, by_one)]
    assert cards[0]["recipe"] == cards[1]["recipe"], "it does not say how many processes there were"


def test_torchrun_starts_processes_of_which_one_speaks(own_set, by_one, tmp_path):
    command = f"slim-pad --data manifest:{own_set} --out {tmp_path} --epochs 2 --batch-size 5 --json".split()
    done = subprocess.run(
        [*TORCHRUN, "--nproc-per-node", "2", "--no-python", *COUNTENANCE, "train", *command],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert (told["epochs"], told["best"]) == (by_one.epochs, by_one.best) == (2, 2)
    assert told["losses"] == pytest.approx(list(by_one.losses), rel=0, abs=1e-5)
    assert done.stderr.count("training for 2 epochs") == 1


@pytest.mark.parametrize(
    ("name", "wishes", "words"),
    [
        ("resnet", {}, "came 'resnet'"),
        ("slim-pad", {"fold": "attack-1"}, "came --fold"),
        ("slim-pad", {"sensor_dropout": 0.5}, "came --sensor-dropout"),
        ("pretraining-gender", {"choice": "last"}, "options that pretraining-gender knows: batch-size, epochs, seed"),
        ("pretraining-arcface", {"teacher": "sface"}, "came --teacher"),
        ("mlfa-slim", {"teacher": "sface"}, "came --teacher"),
        ("facelivenet-expression", {"precision": "bfloat16"}, "came --precision"),
        ("facelivenet-paper", {"loss": "arcface"}, "loss among class-wise-triplet, class-wise-hinge, centre"),
        ("facelivenet-paper", {"initial": "facenet"}, "came --initial"),
        ("facelivenet-expression", {"layout": "slim"}, "came --layout"),
        (
            "pretraining-distillation",
            {"teacher": "vgg"},
            "a teacher: sface, facenet, fr_feature, dlib_resnet, mobilefacenet; came 'vgg'",
        ),
        ("mlfa-slim", {"modalities": "thermal"}, "modalities among rgb, infrared, depth; came 'thermal'"),
        ("mlfa-slim", {"choice": "test"}, "choice among development, last"),
        ("mlfa-slim", {"precision": "int8"}, "precision among float32, bfloat16"),
    ],
)
def test_what_a_recipe_does_not_know_is_refused(asked, name, wishes, words):
    with pytest.raises(UsageError, match=words):
        asked(name, **wishes)
