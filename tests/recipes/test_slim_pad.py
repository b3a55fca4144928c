"""The slim recipe: learns, resumes bit for bit, chooses by development, and starts on nothing that is not whole."""

import json
from dataclasses import fields, replace

import pytest
import torch

from countenance.checkpoints import read_checkpoint
from countenance.datasets.named import read_presentations
from countenance.errors import DataError, MissingFile, OneClassOnly, ProtocolMismatch, UsageError
from countenance.metrics.counts import SortedScores
from countenance.presentation_scoring import load_presentations, score_presentations
from countenance.presentation_training import Choice
from countenance.recipes.slim_pad import SlimPadRecipe, fit_slim_pad, train_slim_pad
from countenance.trained import trained_network
from countenance.vocabulary import Modality, Split

QUICK = SlimPadRecipe(width=4, epochs=3, batch_size=6, modalities=(Modality.INFRARED,), learning_rate=0.01)


@pytest.fixture(scope="module")
def splits(own_set):
    samples = read_presentations(f"manifest:{own_set}")
    return {
        split: load_presentations([row for row in samples if row.split is split], tuple(Modality), side=32)
        for split in Split
    }


@pytest.fixture
def fitted(splits, tmp_path):
    """A function that trains in memory, in a folder of its own unless one is named."""

    def train(recipe=QUICK, *, out=None, **options):
        own = {split: splits[split].only(recipe.modalities) for split in splits}
        development = own[Split.DEVELOPMENT] if recipe.choice is Choice.DEVELOPMENT else None
        folder = out or tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        return fit_slim_pad(recipe, own[Split.TRAIN], development, out=folder, **options)

    return train


def weights(run):
    return read_checkpoint(run.checkpoint.parent, "last").tensors


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_named_set_is_learnt(own_set, tmp_path):
    heard: list[tuple[int, int]] = []
    said: list[str] = []
    recipe = replace(QUICK, width=8, epochs=12, modalities=tuple(Modality))
    run = train_slim_pad(
        recipe,
        data=f"manifest:{own_set}",
        out=tmp_path / "run",
        progress=lambda done, total: heard.append((done, total)),
        say=said.append,
    )
    assert run.epochs == len(run.losses) == len(run.auc) == 12
    assert run.losses[-1] < 0.5 * run.losses[0]
    assert heard == [(step, 24) for step in range(1, 25)]  # 12 samples are 2 batches of 6
    assert said[0].startswith("looking at the whole of manifest:")
    test = [row for row in read_presentations(f"manifest:{own_set}") if row.split is Split.TEST]
    table = score_presentations(test, trained_network(tmp_path / "run")).table
    assert table.positives.min() > table.negatives.max()


def test_the_same_seed_gives_the_same_weights_and_another_does_not(fitted):
    state = torch.random.get_rng_state()
    first = weights(fitted())
    torch.rand(1)
    assert equal(weights(fitted()), first)
    assert not equal(weights(fitted(replace(QUICK, seed=1))), first)
    torch.random.set_rng_state(state)
    fitted()
    assert torch.equal(torch.random.get_rng_state(), state), "nobody else's randomness is touched"


@pytest.mark.parametrize("kill", [1, 2, 3, 5])
def test_a_run_that_was_killed_ends_with_the_same_weights(fitted, tmp_path, kill):
    def killed(step, _):
        if step == kill:
            raise KeyboardInterrupt

    whole = fitted()
    with pytest.raises(KeyboardInterrupt):
        fitted(out=tmp_path / "killed", progress=killed)
    steps = []
    resumed = fitted(out=tmp_path / "killed", progress=lambda step, _: steps.append(step))
    assert steps[0] == kill - (kill - 1) % 2  # the first step of the epoch that was broken off
    assert equal(weights(resumed), weights(whole))
    assert (resumed.losses, resumed.auc, resumed.best) == (whole.losses, whole.auc, whole.best)
    assert [path.name for path in (tmp_path / "killed").glob("*.part")] == []


def test_a_run_that_is_done_is_not_trained_again(fitted, tmp_path):
    first = fitted(out=tmp_path / "run")
    again = fitted(out=tmp_path / "run", progress=lambda *_: pytest.fail("a step"))
    assert (again.losses, again.best, again.epochs) == (first.losses, first.best, 3)


def test_the_epoch_is_the_best_of_development_and_of_equals_the_later(fitted, monkeypatch, tmp_path):
    told = iter([0.5, 0.9, 0.9, 0.7])
    monkeypatch.setattr(SortedScores, "auc", lambda _: next(told))
    recipe = replace(QUICK, epochs=4)
    run = fitted(recipe, out=tmp_path / "four")
    assert (run.best, run.auc) == (3, (0.5, 0.9, 0.9, 0.7))
    monkeypatch.undo()
    best = read_checkpoint(tmp_path / "four", "best")
    assert best.card["epoch"] == 3
    assert best.card["recipe"] == json.loads(json.dumps(recipe.as_json()))
    last = {name: tensor for name, tensor in weights(run).items() if name in best.tensors}
    assert last.keys() == best.tensors.keys()
    assert not equal(best.tensors, last), "the last epoch has other weights"


def test_the_last_epoch_where_nothing_is_chosen(fitted):
    run = fitted(replace(QUICK, choice=Choice.LAST))
    assert (run.best, run.auc) == (3, ())
    best = read_checkpoint(run.checkpoint.parent, "best")
    last = weights(run)
    assert best.tensors
    assert all(torch.equal(tensor, last[name]) for name, tensor in best.tensors.items())


@pytest.mark.parametrize(
    "change",
    [
        {"modalities": (Modality.DEPTH,)},
        {"width": 6},
        {"epochs": 2},
        {"batch_size": 4},
        {"learning_rate": 0.02},
        {"weight_decay": 0.5},
        {"flip_probability": 1.0},
        {"choice": Choice.LAST},
        {"seed": 3},
        {"device": "cuda:99"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_read(fitted, change):
    if "device" in change:
        with pytest.raises(UsageError, match="a device of this machine"):
            fitted(replace(QUICK, **change))
        return
    ours, other = fitted(), fitted(replace(QUICK, **change))
    if "choice" in change:
        assert (bool(ours.auc), bool(other.auc)) == (True, False)
    else:
        assert not equal(weights(ours), weights(other))


def test_the_device_is_no_part_of_what_a_run_is():
    assert "device" not in SlimPadRecipe(device="cuda").as_json()
    assert set(SlimPadRecipe().as_json()) == {field.name for field in fields(SlimPadRecipe)} - {"device"}


def test_the_table_of_fields_is_whole():
    marks = [mark for mark in test_every_field_is_read.pytestmark if mark.name == "parametrize"]
    assert {next(iter(change)) for change in marks[0].args[1]} == {field.name for field in fields(SlimPadRecipe)}


def test_a_folder_belongs_to_one_recipe_and_one_set(fitted, splits, tmp_path):
    fitted(out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"the recipe that the run in .* was begun with; came another one \(epochs\)"):
        fitted(replace(QUICK, epochs=4), out=tmp_path / "run")
    other = splits[Split.TEST].only(QUICK.modalities)
    development = splits[Split.DEVELOPMENT].only(QUICK.modalities)
    with pytest.raises(UsageError, match=r"the data that the run in .* came another one \(train\)"):
        fit_slim_pad(QUICK, other, development, out=tmp_path / "run")
    with pytest.raises(UsageError, match="a development split to choose the epoch by"):
        fit_slim_pad(QUICK, other, None, out=tmp_path / "new")
    (tmp_path / "run" / "last.json").write_text("{}")
    with pytest.raises(DataError, match="the card of a checkpoint"):
        fitted(out=tmp_path / "run")


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda root: (root / "train-0-0-rgb.png").unlink(), MissingFile, "1 missing, the first: train-0-0-rgb.png"),
        (
            lambda root: (root / "test-1-1-depth.png").write_bytes(b""),
            ProtocolMismatch,
            "1 unreadable, the first: test-1-1-depth.png",
        ),
        (
            lambda root: (root / "manifest.csv").write_text(
                (root / "manifest.csv").read_text().replace("person-4", "person-0")
            ),
            ProtocolMismatch,
            r"1 wrong, the first: 1 subject in two of the splits: person-0 \(train and test\)",
        ),
        (
            lambda root: (root / "manifest.csv").write_text(
                "".join(
                    line
                    for line in (root / "manifest.csv").read_text().splitlines(keepends=True)
                    if ",attack,print,train" not in line
                )
            ),
            OneClassOnly,
            "came 6 bona fide samples and 0 attacks in a split",
        ),
    ],
    ids=["missing", "empty", "subject in two splits", "one class"],
)
def test_nothing_is_trained_on_a_damaged_set(manifest_at, tmp_path, damage, error, words):
    own = tmp_path / "own"
    own.mkdir()
    damage(manifest_at(own))
    with pytest.raises(error, match=words):
        train_slim_pad(QUICK, data=f"manifest:{own}", out=tmp_path / "run", progress=lambda *_: pytest.fail("a step"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs of at least 1"),
        ({"batch_size": 1}, "batch_size of at least 2"),
        ({"seed": -1}, "seed of at least 0"),
        ({"learning_rate": float("nan")}, "came nan, 0.0001 and 0.5"),
        ({"flip_probability": 1.5}, "a probability from 0 to 1"),
    ],
)
def test_a_recipe_that_cannot_be(change, words):
    with pytest.raises(UsageError, match=words):
        SlimPadRecipe(**change)
