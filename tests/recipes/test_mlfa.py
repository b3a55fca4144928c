"""The multi-level recipes: as paper and code have them, on folds, from a trunk, by teachers, resumed bit for bit."""

import json
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from countenance.checkpoints import BEST, read_checkpoint
from countenance.datasets.named import read_presentations
from countenance.errors import UsageError
from countenance.loading.batches import Loader
from countenance.loading.cache import CachedPlanes
from countenance.presentation_scoring import Precision, load_presentations, stack_planes
from countenance.presentation_training import Choice
from countenance.recipes.mlfa import (
    PAPER,
    RECIPES,
    RELEASED,
    RELEASED_TWO_STAGE,
    SLIM,
    MlfaRecipe,
    Views,
    _augment,
    _schedule,
    build_network,
    fit_mlfa,
    parts_of,
    train_mlfa,
)
from countenance.recipes.teaching import BOUND, Teachers, taught
from countenance.trained import trained_network
from countenance.transfer import Aggregations
from countenance.vocabulary import Modality, Presentation, Split

QUICK = replace(SLIM, width=2, epochs=2, cosine_epochs=2, batch_size=16, learning_rate=0.01)
LEARNS = replace(QUICK, epochs=3, cosine_epochs=3)


@pytest.fixture(scope="module")
def splits(drawn):
    samples = read_presentations(drawn)
    return {
        split: load_presentations([row for row in samples if row.split is split], tuple(Modality), side=112)
        for split in (Split.TRAIN, Split.DEVELOPMENT)
    }


@pytest.fixture
def fitted(splits, tmp_path):
    def train(recipe=QUICK, *, out=None, **options):
        own = {split: splits[split].only(recipe.modalities) for split in splits}
        folder = out or tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        return fit_mlfa(recipe, own[Split.TRAIN], own[Split.DEVELOPMENT], out=folder, **options)

    return train


def weights(run):
    return read_checkpoint(run.checkpoint.parent, "last").tensors


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_released_recipe_is_that_of_the_shipped_options():
    assert (RELEASED.learning_rate, RELEASED.betas, RELEASED.batch_size) == (2e-5, (0.5, 0.999), 128)
    assert (RELEASED.epochs, RELEASED.cosine_epochs, RELEASED.by_epoch) == (31, 50, True)
    factor = _schedule(RELEASED, 10)
    assert factor(0) == factor(9) == 1
    assert factor(300) == pytest.approx(0.345, abs=5e-4)  # of the epoch with index 30
    assert not RELEASED.train_head
    assert RELEASED.views is Views.STRONG
    assert RELEASED_TWO_STAGE.weak_epochs == 1
    second = _schedule(RELEASED_TWO_STAGE, 10)
    assert (second(299) < 0.5, second(300)) == (True, 1)
    assert build_network(replace(RELEASED, width=2)).side == 125


def test_the_paper_recipe_is_that_of_section_5():
    assert (PAPER.learning_rate, PAPER.epochs, PAPER.batch_size, PAPER.views) == (0.1, 30, 128, Views.FLIP)
    assert (PAPER.aggregations, PAPER.train_head) == (Aggregations.RANDOM, True)
    assert _schedule(PAPER, 10)(300) == pytest.approx(0)


def test_a_named_set_is_learnt_on_a_fold(drawn, tmp_path):
    said: list[str] = []
    run = train_mlfa(
        LEARNS,
        data=drawn,
        out=tmp_path / "run",
        fold="attack-2",
        say=said.append,
    )
    assert len(run.auc) == LEARNS.epochs
    assert run.losses[-1] < run.losses[0]
    assert run.label == "drawn data"
    assert said[-2].endswith("(attack fold 2: 05_enm_s held out)")
    assert said[-1].endswith("to choose the threshold by")
    card = read_checkpoint(tmp_path / "run", BEST).card
    assert card["recipe"] == json.loads(json.dumps(LEARNS.as_json()))
    (point,) = card["operating_points"]
    assert (point["modalities"], point["rule"], point["split"]) == (
        ["rgb", "depth", "infrared"],
        "fpr:0.01",
        "development",
    )
    assert (card["network"], card["trunk"], card["width"], card["epoch"]) == ("mlfa", "slim-resnet", 2, run.best)


def test_parts_are_those_of_the_fold(drawn):
    samples = read_presentations(drawn)
    whole = parts_of(drawn, samples, "")
    assert {row.split for row in whole.train} == {Split.TRAIN}
    assert {row.split for row in whole.development} == {Split.DEVELOPMENT}
    for number, species in enumerate(("04_en_b", "05_enm_s", "06_enm_b"), start=1):
        fold = parts_of(drawn, samples, f"attack-{number}")
        assert {row.species for row in fold.development} == {"", species}
        assert species not in {row.species for row in fold.train}
        reals = [
            {row.subject for row in part if row.presentation is Presentation.BONA_FIDE}
            for part in (fold.train, fold.development)
        ]
        assert reals[0].isdisjoint(reals[1])
    seen = Counter(
        row.subject for number in range(1, 6) for row in parts_of(drawn, samples, f"subject-{number}").development
    )
    assert set(seen.values()) == {8}  # 2 frames of 4 recordings, held out once
    for unknown in ("attack-4", "attack-0", "attack", "person-1"):
        with pytest.raises(UsageError, match="attack-1 to attack-3 or subject-1 to subject-5"):
            parts_of(drawn, samples, unknown)
    with pytest.raises(UsageError, match="'attack-1' of manifest"):
        parts_of("manifest:x", samples, "attack-1")


@pytest.mark.parametrize("kill", [1, 3])
def test_a_run_that_was_killed_ends_with_the_same_weights(fitted, tmp_path, kill):
    recipe = replace(QUICK, sensor_dropout=0.3, views=Views.WEAK)

    def killed(step, _):
        if step == kill:
            raise KeyboardInterrupt

    whole = fitted(recipe)
    with pytest.raises(KeyboardInterrupt):
        fitted(recipe, out=tmp_path / "killed", progress=killed)
    resumed = fitted(recipe, out=tmp_path / "killed")
    assert equal(weights(resumed), weights(whole))
    assert (resumed.losses, resumed.auc) == (whole.losses, whole.auc)


def test_every_field_is_read(splits, trunk, tmp_path):
    train = splits[Split.TRAIN]
    numbers = np.arange(0, len(train.samples), 2)
    planes = CachedPlanes(train.planes.gather(numbers), train.planes.labels[numbers])
    half = replace(train, samples=[train.samples[number] for number in numbers], planes=planes)

    def few(recipe, folder):
        own = half.only(recipe.modalities)
        return fit_mlfa(recipe, own, own, out=folder)

    changes = {
        "trunk": "caffe-resnet34",
        "width": 3,
        "streams": (Modality.RGB,) * 3,
        "aggregation": False,
        "excitation": True,
        "side": 120,
        "initial": trunk,
        "aggregations": Aggregations.RANDOM,
        "views": Views.STRONG,
        "weak_epochs": 1,
        "epochs": 1,
        "batch_size": 4,
        "learning_rate": 0.02,
        "betas": (0.5, 0.9),
        "cosine_epochs": 5,
        "by_epoch": True,
        "train_head": False,
        "sensor_dropout": 0.9,
        "teachers_at_once": 1,
        "precision": Precision.BFLOAT16,
        "choice": Choice.LAST,
        "seed": 3,
        "device": "cuda:99",
    }
    assert set(changes) == {field.name for field in fields(MlfaRecipe)}
    base = replace(QUICK, initial=trunk, batch_size=8)  # two steps an epoch

    ours = weights(few(base, tmp_path / "base"))
    with pytest.raises(UsageError, match="a device of this machine"):
        few(replace(base, device=changes.pop("device")), tmp_path / "device")
    for name, value in changes.items():
        start = replace(base, initial="") if name in {"trunk", "width", "initial"} else base  # no such trunk is there
        run = few(replace(start, **{name: value}) if name != "initial" else start, tmp_path / name)
        if name == "choice":
            assert run.auc == ()
        elif name == "teachers_at_once":
            assert equal(ours, weights(run)), "there is no teacher"
        elif name == "side":
            assert read_checkpoint(tmp_path / name, BEST).card["side"] == 120
        else:
            assert not equal(ours, weights(run)), name


def test_a_frozen_head_stays_as_it_was_drawn(fitted):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(QUICK.seed)
        first = build_network(QUICK).head.weight
    run = fitted(replace(QUICK, train_head=False))
    assert torch.equal(weights(run)["module.head.weight"], first)
    assert not torch.equal(weights(fitted())["module.head.weight"], first)


def test_teachers_soften_the_labels(splits, fitted):
    train = splits[Split.TRAIN]
    runs = [fitted(replace(QUICK, seed=seed)) for seed in (1, 2)]
    targets = taught(train.samples, [run.checkpoint.parent for run in runs])
    labels = train.planes.labels
    assert targets.shape == (len(train.samples),)
    assert (targets[labels == 1] >= 0.5).all()
    assert (targets[labels == 0] <= 0.5).all()
    student = fitted(targets=targets)
    assert not equal(weights(student), weights(fitted()))
    with pytest.raises(UsageError, match=r"came another one \(targets\)"):
        fitted(out=student.checkpoint.parent)


def test_teachers_guide_a_student_through_pictures_without_a_label(splits, fitted, tmp_path):
    train = splits[Split.TRAIN]
    folders = [fitted(replace(QUICK, seed=seed)).checkpoint.parent for seed in (1, 2)]
    recipe = replace(QUICK, views=Views.MIXED, teachers_at_once=1, initial=str(folders[0]), choice=Choice.LAST)

    def killed(step, _):
        if step == len(train.samples) // QUICK.batch_size + 1:
            raise KeyboardInterrupt

    whole = fitted(recipe, teachers=folders)
    with pytest.raises(KeyboardInterrupt):
        fitted(recipe, teachers=folders, out=tmp_path / "killed", progress=killed)
    resumed = fitted(recipe, teachers=folders, out=tmp_path / "killed")
    assert equal(weights(resumed), weights(whole))
    card = read_checkpoint(whole.checkpoint.parent, BEST).card
    assert card["recipe"]["teachers"] == {folder.name: read_checkpoint(folder, BEST).digest for folder in folders}
    assert card["recipe"]["initial_digest"] == card["recipe"]["teachers"][folders[0].name]
    with pytest.raises(UsageError, match="teachers that judge mixed pictures"):
        fitted(recipe)
    with pytest.raises(UsageError, match="a run of the recipe's own network"):
        build_network(replace(recipe, width=3))


def test_teachers_are_as_many_as_asked_and_their_margins_are_bounded(splits, fitted):
    train = splits[Split.TRAIN]
    folders = [fitted(replace(QUICK, seed=seed)).checkpoint.parent for seed in (1, 2)]
    batch = next(iter(Loader(source=train.planes, batch=8).epoch(0)))
    networks = [trained_network(folder) for folder in folders]
    with torch.no_grad():
        singles = torch.stack([network(stack_planes(batch.planes, network.modalities)) for network in networks])
    both = Teachers(folders, at_once=5, device=torch.device("cpu"))(batch)
    assert not both.requires_grad
    assert both.abs().max() <= BOUND
    torch.manual_seed(0)
    one = Teachers(folders, at_once=1, device=torch.device("cpu"))
    drawn = [one(batch) for _ in range(8)]
    expected = singles.clamp(-BOUND, BOUND)
    assert all(min((each - row).abs().max() for row in expected) < 1e-4 for each in drawn)
    assert len({tuple(each.tolist()) for each in drawn}) == 2
    torch.testing.assert_close(both, expected.mean(0))


def test_views_are_shared_by_the_sensors_and_leave_pixels_alone_where_none_is_asked():
    gray = np.arange(112 * 112, dtype=np.uint32).reshape(112, 112, 1).astype(np.uint8)
    planes = {Modality.RGB: gray.repeat(3, 2), Modality.DEPTH: gray, Modality.INFRARED: gray}
    assert _augment(Views.NONE) is None
    turned = _augment(Views.FLIP)
    assert turned is not None
    flipped = [turned(np.random.default_rng(seed), planes)[Modality.DEPTH] for seed in range(8)]
    kinds = {plane.tobytes() for plane in flipped}
    assert kinds == {gray.tobytes(), gray[:, ::-1].tobytes()}
    for views in (Views.WEAK, Views.STRONG):
        varied = _augment(views)
        assert varied is not None
        seen = varied(np.random.default_rng(0), planes)
        assert np.array_equal(seen[Modality.DEPTH], seen[Modality.INFRARED])
        assert seen[Modality.DEPTH].shape == (112, 112, 1)


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.0}, {"betas": (1.0, 0.9)}, {"sensor_dropout": 1.0}, {"weak_epochs": 4}, {"side": 100}],
)
def test_a_recipe_that_cannot_be(change):
    with pytest.raises(UsageError):
        replace(SLIM, **change)


def test_recipes_have_names():
    assert list(RECIPES) == ["mlfa-slim", "mlfa-released", "mlfa-released-two-stage", "mlfa-paper"]
