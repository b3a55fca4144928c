"""Stage 2 of FaceLiveNet: only branch 2 learns, what judges never teaches, and a killed run ends as if it never was."""

import json
import shutil
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import cross_entropy

from countenance import trained_facelivenet
from countenance.checkpoints import read_checkpoint, write_checkpoint
from countenance.drawn_sets.expression_sets import plan_fer2013, plan_oulu_casia, plan_sfew
from countenance.errors import DataError, ProtocolMismatch, UsageError
from countenance.faces.detection import Face
from countenance.loading import trunk_maps
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.facelivenet import OFFICIAL, SEVEN, BranchVariant, FaceLiveNet, narrowed
from countenance.recipes import facelivenet_expression
from countenance.recipes.expression_faces import enlarged
from countenance.recipes.facelivenet_expression import ExpressionRecipe, ten_folds, train_expression
from countenance.trained_facelivenet import LAYOUTS, facelivenet_state, judge_expressions, stated_facelivenet
from countenance.vocabulary import Expression, Split

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
QUICK = ExpressionRecipe(epochs=2, batch_size=8, held_out=0.3, norm_momentum=0.1)
POINT = OperatingPoint(0.5, "fmr:0.001", Split.DEVELOPMENT)
PLANS = {
    "fer2013": lambda: plan_fer2013(subjects=10),  # 56 faces to learn from, 7 of PublicTest
    "sfew": lambda: plan_sfew(subjects=2),  # 7 and 7
    "oulu-casia": lambda: plan_oulu_casia(subjects=10),  # 24 of each person, 18 of them with an expression
}
CHANGES: dict[str, Any] = {
    "expressions": SEVEN[:5],
    "variant": BranchVariant.BLOCK5_X1,
    "rectified_logits": True,
    "epochs": 3,
    "batch_size": 6,
    "learning_rate": 1e-2,
    "divided_at": (1,),
    "momentum": 0.9,
    "weight_decay": 0.5,
    "dropout": 0.0,
    "norm_momentum": 0.5,
    "label_smoothing": 0.3,
    "mixup": 0.4,
    "mirror": False,
    "mirror_judged": False,
    "held_out": 0.5,
    "seed": 1,
}


@pytest.fixture(scope="module", autouse=True)
def _tiny():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_facelivenet, "LAYOUTS", {**LAYOUTS, "tiny": TINY})
        yield


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    """The folder of a first stage that has learnt nothing."""
    folder = tmp_path_factory.mktemp("stage") / "1"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = FaceLiveNet(TINY)
    write_checkpoint(folder, "best", facelivenet_state(network, point=POINT))
    return str(folder)


@pytest.fixture(scope="module")
def roots(drawn_once):
    """A function that draws a set once and returns its root."""
    return drawn_once(PLANS)


@pytest.fixture(scope="module")
def oulu(roots):
    """A drawn OuluCASIA."""
    return f"oulu-casia:{roots('oulu-casia')}"


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A folder of what the trunk sees, shared by the runs of this file."""
    return tmp_path_factory.mktemp("maps")


class WholePicture:
    """A detector to whom every picture is a face that fills it, but for those that it is told to miss."""

    def __init__(self, missed=0):
        self.missed, self.asked = missed, 0

    def detect(self, image):
        self.asked += 1
        if self.asked <= self.missed:
            return []
        height, width = image.shape[:2]
        return [Face((0.0, 0.0, float(width), float(height)), np.zeros((5, 2), np.float32), 1.0)]


@pytest.fixture
def trained(roots, initial, maps, tmp_path):
    """A function that trains on a set, in a folder of its own unless one is named."""

    def train(recipe=QUICK, *, on="fer2013", out=None, **options):
        folder = out or tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        options = {"maps": maps, "detector": WholePicture(), "initial": initial} | options
        data = on if ":" in on else ",".join(f"{name}:{roots(name)}" for name in on.split(","))
        return train_expression(recipe, data=data, out=folder, **options)

    return train


@pytest.fixture
def usual(trained, tmp_path):
    return trained(out=tmp_path / "usual")


@pytest.fixture
def copied(roots, tmp_path):
    """A copy of the drawn FER2013 whose pictures a test may change."""
    shutil.copytree(roots("fer2013"), tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def looked_at(monkeypatch):
    """Which faces (set, row) the branch saw: to learn from, and to be judged."""
    seen: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    look = facelivenet_expression._Lessons.seen

    def spied(self, part, views):
        seen[self.network.branch_2.training] |= set(zip(part.sets.tolist(), part.rows.tolist(), strict=True))
        return look(self, part, views)

    monkeypatch.setattr(facelivenet_expression._Lessons, "seen", spied)
    return seen


def tensors(run, name="best"):
    return read_checkpoint(run.checkpoint.parent, name).tensors


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("sets", "start", "label"),
    [
        (["", ""], "", ""),
        (["drawn data"], "", "drawn data"),
        (["drawn data", "drawn data"], "drawn data", "drawn data"),
        (["", "drawn data"], "", "real faces and drawn data"),
        ([""], "drawn data", "real faces and drawn data"),
    ],
)
def test_a_mixture_of_real_and_drawn_faces_is_called_one(sets, start, label):
    assert facelivenet_expression._label(sets, start) == label


def test_a_run_ends_with_the_whole_network(usual, roots):
    assert usual.epochs == len(usual.losses) == len(usual.figures) - 1 == 2
    assert usual.label == "drawn data"
    assert usual.held_out.accuracy.count.trials == 14
    assert usual.held_out.accuracy.value == usual.figures[usual.best]["accuracy"]
    assert [(name, found.accuracy.count.trials) for name, found in usual.judged.items()] == [("fer2013", 7)]
    assert usual.judged["fer2013"].confusion.sum() == 7
    assert "of 7 right" in usual.told()
    json.dumps(usual.as_json())
    back = stated_facelivenet(usual.checkpoint)
    assert back.network.expressions == SEVEN
    assert (back.point, back.label) == (POINT, "drawn data")
    assert back.card["data"]["faces"] == {"train": 42, "held_out": 14, "fer2013": 7}
    assert back.card["accuracies"]["fer2013"] == usual.judged["fer2013"].as_json()
    faces = [np.asarray(Image.open(path)) for path in sorted(roots("fer2013").glob("test/*/PublicTest_*"))]
    right = judge_expressions(back.network, np.stack([enlarged(face) for face in faces]), mirror=True).argmax(1)
    assert abs(int((right == [0, 1, 2, 3, 6, 4, 5]).sum()) - usual.judged["fer2013"].accuracy.count.count) <= 1


def test_frozen_parts_are_bitwise_the_same(usual, initial):
    before, after = read_checkpoint(initial, "best").tensors, tensors(usual)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    own = {name.split(".")[1] for name in after.keys() - before.keys()}
    assert own == {"branch_2", "head"}
    name = "branch_2.blocks_8.0.lead_back.weight"
    assert not torch.equal(after[f"module.{name}"], before[f"module.{name.replace('branch_2', 'branch_1')}"])


def test_it_learns(trained):
    state = torch.random.get_rng_state()
    run = trained(replace(QUICK, epochs=20, dropout=0.0, learning_rate=1e-2))
    assert run.losses[-1] < 0.9 * run.losses[0]
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("field", [field.name for field in fields(ExpressionRecipe)])
def test_every_field_is_read(trained, usual, field):
    run = trained(replace(QUICK, **{field: CHANGES[field]}))
    if field == "mirror_judged":
        assert run.figures != usual.figures
    else:
        assert not equal(tensors(run, "last"), tensors(usual, "last"))


class Stop(Exception):
    """What stops a run."""


@pytest.mark.parametrize("at", [1, 5, 7, 10])
def test_a_killed_run_ends_like_another(trained, usual, tmp_path, at):
    def killed(done, of):
        if (done, of) == (at, 10):
            raise Stop

    with pytest.raises(Stop):
        trained(out=tmp_path / "killed", progress=killed)
    run = trained(out=tmp_path / "killed")
    assert run.losses == usual.losses
    assert run.figures == usual.figures
    for name in ("last", "best"):
        assert equal(tensors(run, name), tensors(usual, name))
    again = trained(out=tmp_path / "killed")
    assert equal(tensors(again), tensors(usual))


@pytest.mark.usefixtures("usual")
def test_another_recipe_does_not_go_on(trained, tmp_path):
    with pytest.raises(UsageError, match=r"the recipe that the run.*came another one \(seed\); name another folder"):
        trained(replace(QUICK, seed=4), out=tmp_path / "usual")


def test_the_trunk_sees_a_face_once(trained, tmp_path, monkeypatch):
    first = trained(maps=tmp_path / "seen")
    monkeypatch.setattr(trunk_maps, "_maps_of", None)  # whoever asks for it fails
    second = trained(maps=tmp_path / "seen")
    assert equal(tensors(first), tensors(second))


def test_what_judges_never_teaches(trained, looked_at):
    trained()
    assert not looked_at[True] & looked_at[False]
    assert len(looked_at[True] | looked_at[False]) == 63
    assert max(row for _, row in looked_at[True]) < 56


def test_public_test_chooses_nothing(trained, usual, copied, tmp_path):
    for path in copied.glob("test/*/PublicTest_*"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    run = trained(on=f"fer2013:{copied}", maps=tmp_path / "own")
    assert run.figures == usual.figures
    assert equal(tensors(run), tensors(usual))


def test_equal_faces_stay_on_one_side(trained, looked_at, copied, tmp_path):
    for folder in copied.glob("train/*"):
        pictures = sorted(folder.iterdir())
        for one, other in zip(pictures[::2], pictures[1::2], strict=True):
            shutil.copyfile(one, other)
    for path in sorted(copied.glob("test/*/PublicTest_*"))[:3]:
        shutil.copyfile(min(copied.glob(f"train/{path.parent.name}/*")), path)
    run = trained(on=f"fer2013:{copied}", maps=tmp_path / "own")
    side = np.array([(0, row) in looked_at[True] for row in range(56)]).reshape(-1, 2)
    assert np.all(side[:, 0] == side[:, 1])
    assert 0 < side.sum() < 56
    counts = {name: found.accuracy.count.trials for name, found in run.judged.items()}
    assert counts == {"fer2013": 7, "fer2013, unseen": 4}


def test_two_sets_are_learnt_together(trained, looked_at):
    run = trained(on="fer2013,sfew", detector=WholePicture(missed=2))
    assert {name: found.accuracy.count.trials for name, found in run.judged.items()} == {"fer2013": 7, "sfew": 7}
    card = read_checkpoint(run.checkpoint.parent, "best").card["data"]
    assert card["without_face"] == 2
    assert card["faces"]["train"] + card["faces"]["held_out"] == 56 + 5
    assert {number for number, _ in looked_at[True]} == {0, 1}


def test_people_are_held_out_where_they_are_known(trained, oulu, looked_at):
    detector = WholePicture()
    run = trained(replace(QUICK, epochs=1, batch_size=64), on=oulu, detector=detector)
    assert detector.asked in {0, 240}
    assert run.judged == {}
    people = [{row // 24 for _, row in looked_at[taught]} for taught in (True, False)]
    assert not people[0] & people[1]
    assert [len(each) for each in people] == [7, 3]
    again = WholePicture()
    trained(replace(QUICK, epochs=1, batch_size=64), on=oulu, detector=again)
    assert again.asked == 0


def test_ten_folds(oulu, initial, maps, tmp_path):
    recipe = replace(QUICK, epochs=1, batch_size=50, expressions=SEVEN[:6])
    options = {"initial": initial, "data": oulu, "maps": maps}
    options |= {"out": tmp_path, "detector": WholePicture()}
    steps = []

    def killed(_, of):
        steps.extend([of] if of < 10 else [])  # in a fold, where steps are few: faces are many
        if len(steps) == 8:
            raise Stop

    with pytest.raises(Stop):
        ten_folds(recipe, progress=killed, **options)
    found = ten_folds(recipe, **options)
    assert len(found.folds) == len(found.best) == 10
    assert found.accuracy.pooled.accuracy.count.trials == 10 * 18
    for fold in found.folds:
        assert len(set(fold.judged.subjects)) == 1
        assert not set(fold.judged.subjects) & fold.train_subjects
        assert len(fold.train_subjects) == 9
    card = read_checkpoint(tmp_path / "fold-03", "chosen").card["data"]["faces"]
    assert card == {"train": 6 * 18, "held_out": 3 * 18, "test": 18}
    assert json.loads(json.dumps(found.as_json()))["label"] == "drawn data"


def test_what_is_no_set_for_ten_folds(roots, initial, maps, tmp_path):
    fer, sfew = (f"{name}:{roots(name)}" for name in ("fer2013", "sfew"))
    options = {"initial": initial, "maps": maps, "out": tmp_path, "detector": WholePicture()}
    with pytest.raises(UsageError, match="one set for ten folds; came 2"):
        ten_folds(QUICK, data=f"{fer},{sfew}", **options)
    with pytest.raises(ProtocolMismatch, match="the subject of every row"):
        ten_folds(QUICK, data=fer, **options)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs of at least 1"),
        ({"batch_size": 1}, "batch_size of at least 2"),
        ({"seed": -1}, "seed of at least 0"),
        ({"learning_rate": 0.0}, "a learning rate above 0"),
        ({"weight_decay": -1.0}, "a weight decay of at least 0"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"label_smoothing": -0.1}, "from 0 to below 1"),
        ({"mixup": -1.0}, "a mixup of at least 0"),
        ({"momentum": 1.5}, "from 0 to below 1"),
        ({"held_out": 0.0}, "a share held out between 0 and 1"),
        ({"norm_momentum": 2.0}, "a norm momentum from 0 to 1"),
        ({"divided_at": (2,)}, "epochs from 1 to 1 after which the rate falls"),
        ({"variant": "block4"}, r"a variant \(block5 x1, block5 x2, block5 x2 \+ block4\)"),
        ({"expressions": ("bored", "sad")}, "expressions among angry"),
        ({"expressions": (Expression.SAD,)}, "two expressions or more"),
    ],
)
def test_a_recipe_that_cannot_be(changes, words):
    with pytest.raises(UsageError, match=words):
        replace(QUICK, **changes)


def test_data_that_cannot_be(trained, tmp_path):
    with pytest.raises(UsageError, match="none with contempt; leave these out"):
        trained(replace(QUICK, expressions=(Expression.SAD, Expression.CONTEMPT)))
    with pytest.raises(UsageError, match="faces to learn from with every expression, and some to choose the epoch by"):
        trained(on="sfew")
    with pytest.raises(DataError, match="the whole fer2013 set"):
        trained(on=f"fer2013:{tmp_path}")


def test_mixed_faces_have_mixed_labels(trained, monkeypatch):
    seen = []

    def heard(logits, target, **options):
        seen.append(target)
        return cross_entropy(logits, target, **options)

    monkeypatch.setattr(facelivenet_expression, "cross_entropy", heard)
    trained(replace(QUICK, mixup=0.3))
    for shares in seen:
        assert torch.allclose(shares.sum(1), torch.ones(len(shares)))
        assert (shares > 0).sum(1).max() == 2
    assert len({round(float(shares.max(1).values.min()), 4) for shares in seen}) > 1, "each step draws its own share"
