"""Stage 1 of FaceLiveNet: people are learnt, centres follow, and a killed run ends as if it never was."""

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from countenance import trained_facelivenet
from countenance.checkpoints import read_checkpoint
from countenance.drawn_sets.identity_sets import plan_casia_webface
from countenance.drawn_sets.writing import write_set
from countenance.errors import UsageError
from countenance.faces.detection import Face
from countenance.loading.batches import Batch
from countenance.networks.facelivenet import OFFICIAL, narrowed
from countenance.recipes import facelivenet
from countenance.recipes.facelivenet import RECIPES, ClassLoss, Descent, FaceLiveNetRecipe, train_facelivenet
from countenance.trained_facelivenet import LAYOUTS, stated_facelivenet
from countenance.vocabulary import Modality, Split

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
SMALL = narrowed(OFFICIAL, numerator=1, denominator=8, hidden=8)
PAPER, RELEASED = (
    replace(recipe, layout="slim", epochs=2, batch_size=6, held_out=0.4, divided_at=(), cut=False, learning_rate=rate)
    for recipe, rate in ((RECIPES["facelivenet-paper"], 1e-3), (RECIPES["facelivenet-released"], 0.05))
)
CHANGES: dict[str, Any] = {
    "layout": "official",
    "loss": ClassLoss.HINGE,
    "weight": 0.01,
    "centre_rate": 0.5,
    "normalised": True,
    "descent": Descent.RMSPROP,
    "momentum": 0.0,
    "learning_rate": 1e-2,
    "divided_at": (1,),
    "weight_decay": 0.5,
    "dropout": 0.0,
    "norm_momentum": 0.5,
    "clipped_to": 0.01,
    "averaged": 0.9,
    "epochs": 2,
    "batch_size": 4,
    "mirror": False,
    "cropped": False,
    "cut": True,
    "held_out": 0.6,
    "photographs": 12,
    "seed": 1,
}


class Inside:
    """A detector that finds a face in the middle, but in the pictures that it is told to miss."""

    def __init__(self, missed=0):
        self.missed, self.asked = missed, 0

    def detect(self, image):
        self.asked += 1
        if self.asked <= self.missed:
            return []
        side = image.shape[0] / 2
        return [Face((side / 2, side / 2, side, side), np.zeros((5, 2), np.float32), 1.0)]


@pytest.fixture(scope="module", autouse=True)
def _tiny():
    with pytest.MonkeyPatch.context() as patch:
        for module in (trained_facelivenet, facelivenet):
            patch.setattr(module, "LAYOUTS", {**LAYOUTS, "slim": TINY, "official": SMALL})
        yield


@pytest.fixture(scope="module")
def data(stand_in, tmp_path_factory):
    root = tmp_path_factory.mktemp("faces") / "casia"
    write_set(plan_casia_webface(subjects=6, photographs_each=3), root, draw=stand_in)
    return f"casia-webface:{root}"


@pytest.fixture
def train(data, tmp_path):
    """A function that trains in a folder of its own unless one is named."""

    def go(recipe, *, out=None, **options):
        folder = out or tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        return train_facelivenet(recipe, data=data, out=folder, **{"detector": Inside(), **options})

    return go


def last(run, name="last"):
    return read_checkpoint(run.checkpoint.parent, name)


@pytest.mark.parametrize("recipe", [PAPER, RELEASED, replace(RELEASED, loss=ClassLoss.HINGE)])
def test_the_loss_falls_and_the_network_is_written(train, recipe):
    run = train(replace(recipe, epochs=6, cropped=False, mirror=False, dropout=0.0))
    assert run.losses[-1] < run.losses[0]
    assert set(run.figures) == {"eer", "auc", "mated", "non_mated"} == set(run.figures_before)
    assert (run.figures["mated"], run.figures["non_mated"]) == (6, 9), "two people held out, of 3 photographs each"
    back = stated_facelivenet(run.checkpoint.parent)
    assert (back.label, back.point, back.card["epoch"]) == ("drawn data", None, 6), "too few pairs for a threshold"
    assert back.card["data"]["people"] == 4
    assert back.network.expressions == ()
    tensors = last(run).tensors
    taken = "mean" if recipe.averaged else "network"
    for name, tensor in back.network.state_dict().items():
        assert torch.equal(tensor, tensors[f"module.{taken}.{name}"])


def test_with_pairs_enough_a_threshold_is_stated(train, monkeypatch):
    monkeypatch.setattr(facelivenet, "LEAST_PAIRS", 9)
    point = stated_facelivenet(train(replace(PAPER, epochs=1)).checkpoint.parent).point
    assert point is not None
    assert (point.rule, point.split) == ("fmr:0.001", Split.DEVELOPMENT)
    assert -1 <= point.value <= 1.01


@pytest.mark.parametrize("recipe", [PAPER, RELEASED])
def test_a_killed_run_ends_as_if_it_never_was(train, tmp_path, recipe):
    whole = train(recipe)

    def kill(step, _total):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "killed", progress=kill)
    again = train(recipe, out=tmp_path / "killed")
    assert (again.losses, again.figures) == (whole.losses, whole.figures)
    for name in ("last", "best"):
        ours, theirs = last(again, name).tensors, last(whole, name).tensors
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    with pytest.raises(UsageError, match="another one"):
        train(replace(recipe, seed=5), out=tmp_path / "killed")


def pupil(recipe, people=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return facelivenet._Pupil(recipe, people=people)


@pytest.fixture
def batch():
    faces = np.random.default_rng(1).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
    return Batch({Modality.RGB: faces}, np.array([0, 2, 2]), np.arange(3))


def test_centres_move_as_equations_6_and_7_say(batch):
    learner = pupil(replace(PAPER, dropout=0.0, centre_rate=0.25)).eval()
    before = np.random.default_rng(2).normal(size=(3, TINY.features)).astype(np.float32)
    learner.distances.centres.copy_(torch.from_numpy(before))
    with torch.no_grad():
        features = learner.network.embed(facelivenet._pixels(batch.planes[Modality.RGB])).numpy()
    learner.loss(batch)
    learner.settle(1)
    after = before.copy()
    for person, rows in ((0, [0]), (2, [1, 2])):
        after[person] = before[person] - 0.25 * (before[person] - features[rows]).mean(axis=0)
    np.testing.assert_allclose(learner.distances.centres.numpy(), after, atol=1e-6)
    assert not list(learner.distances.parameters()), "no gradient moves them"


def test_the_loss_is_softmax_and_a_weight_of_distances(batch):
    learner = pupil(replace(PAPER, dropout=0.0, loss=ClassLoss.CENTRE, weight=0.5)).eval()
    learner.distances.centres.normal_(generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        features = learner.network.embed(facelivenet._pixels(batch.planes[Modality.RGB])).double()
        logits = learner.classifier(features.float()).double().numpy()
    softmax = np.mean([np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits, (0, 2, 2), strict=True)])
    apart = (features.numpy() - learner.distances.centres.double().numpy()[[0, 2, 2]]) ** 2
    expected = softmax + 0.5 * (apart.sum(axis=1) / 2).mean()
    assert float(learner.loss(batch).detach()) == pytest.approx(expected, rel=1e-5)


def test_the_mean_of_the_weights_follows_slowly(batch):
    learner = pupil(replace(PAPER, averaged=0.5))
    assert learner.mean is not None
    first = {name: tensor.clone() for name, tensor in learner.mean.branch_1.blocks_8.state_dict().items()}
    moved = dict(learner.network.branch_1.blocks_8.named_parameters())
    with torch.no_grad():
        for parameter in moved.values():
            parameter.add_(1.0)
    for step, decay in ((1, 2 / 11), (1000, 0.5)):
        learner.loss(batch)
        learner.settle(step)
        for name, parameter in learner.mean.branch_1.blocks_8.named_parameters():
            first[name] = decay * first[name] + (1 - decay) * moved[name].detach()
            torch.testing.assert_close(parameter.detach(), first[name])
    for ours, theirs in zip(learner.mean.buffers(), learner.network.buffers(), strict=True):
        assert torch.equal(ours, theirs)
    assert not any(parameter.requires_grad for parameter in learner.mean.parameters())


def test_a_gradient_is_no_longer_than_allowed(batch):
    learner = pupil(replace(PAPER, momentum=0.0, weight_decay=0.0, learning_rate=1.0, clipped_to=0.01))
    before = [parameter.detach().clone() for parameter in learner.parameters()]
    optimizer = facelivenet._optimizer(learner.recipe, learner)
    learner.loss(batch).backward()
    optimizer.step()
    moved = [(one.detach() - other).square().sum() for one, other in zip(learner.parameters(), before, strict=True)]
    assert float(torch.stack(moved).sum()) ** 0.5 == pytest.approx(0.01, rel=1e-3)
    kernels, shifts = (group["params"] for group in optimizer.param_groups)
    assert len(kernels) + len(shifts) == len(before)
    assert {each.ndim for each in shifts} == {1}


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """What the recipe without a change comes to."""
    recipe = replace(PAPER, epochs=1)
    return recipe, last(train_facelivenet(recipe, data=data, out=tmp_path_factory.mktemp("plain") / "run")).tensors


def test_every_field_is_tried():
    assert {*CHANGES, "device"} == {field.name for field in fields(FaceLiveNetRecipe)}


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_field_is_read(train, plain, name):
    recipe, known = plain
    changed = last(train(replace(recipe, **{name: CHANGES[name]}))).tensors
    names, others = ({key for key in each if key.startswith("module.")} for each in (known, changed))
    assert names != others or not all(torch.equal(changed[key], known[key]) for key in names)


def test_photographs_without_a_face_are_left_out_and_searched_once(train, tmp_path):
    finder = Inside(missed=2)
    run = train(replace(PAPER, epochs=1, cut=True), out=tmp_path / "cut", detector=finder)
    assert (finder.asked, last(run).card["data"]["without_face"]) == (18, 2)
    train(replace(PAPER, epochs=1, cut=True), out=tmp_path / "cut", detector=finder)
    assert finder.asked == 18


def test_a_set_that_memory_does_not_hold_is_decoded_each_time(train, monkeypatch):
    recipe = replace(PAPER, epochs=1, cut=True)
    known = last(train(recipe)).tensors
    monkeypatch.setattr(facelivenet, "MEMORY", 1)
    again = last(train(recipe)).tensors
    assert all(torch.equal(known[key], again[key]) for key in known)


def test_a_recipe_is_json():
    assert all(json.loads(json.dumps(recipe.as_json())) == recipe.as_json() for recipe in RECIPES.values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layout": "huge"}, "expected a layout"),
        ({"epochs": 0}, "expected epochs of at least 1"),
        ({"photographs": 1}, "expected photographs of at least 2"),
        ({"weight": -1.0}, "a weight decay and a weight of at least 0"),
        ({"norm_momentum": 1.5}, "a centre rate and a norm momentum"),
        ({"momentum": 1.0}, "expected momentum, dropout and decay"),
        ({"held_out": 0.0}, "expected momentum, dropout and decay"),
        ({"divided_at": (5, 5)}, "each later than the last"),
    ],
)
def test_a_number_out_of_range_is_refused(change, words):
    with pytest.raises(UsageError, match=words):
        FaceLiveNetRecipe(**change)


def test_a_set_without_identities_and_a_strange_device_are_refused(tmp_path):
    with pytest.raises(UsageError, match="a device of this machine, such as cpu or cuda; came 'abacus'"):
        train_facelivenet(replace(PAPER, device="abacus"), data="casia-webface:/", out=tmp_path)
    with pytest.raises(UsageError, match="a set of faces among casia-webface"):
        train_facelivenet(PAPER, data="fer2013:/", out=tmp_path)
