"""Distilling FaceLiveNet in small: drawn faces, a stand-in for the teacher, few views."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from countenance.checkpoints import BEST, read_checkpoint
from countenance.errors import DataError, UsageError
from countenance.faces.detection import Face
from countenance.networks.facelivenet import FULL, OFFICIAL, SLIM, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import InceptionResnetV1
from countenance.presentation_scoring import Precision
from countenance.recipes import facelivenet_distillation as distillation
from countenance.recipes import facelivenet_views as views_of
from countenance.recipes.facelivenet_distillation import RECIPES, DistillationRecipe, School, distil, lifted
from countenance.recipes.facelivenet_views import (
    TeachingSet,
    ViewRecipe,
    draw_views,
    make_views,
    read_teaching_sets,
    read_views,
)
from countenance.trained_facelivenet import trained_facelivenet

PEOPLE = ("Ann_A", "Bob_B", "Cy_C", "Di_D", "Eve_E", "Fay_F")  # the last two are in no pair
QUICK = DistillationRecipe(
    layout="slim", initialised=False, parts=3, epochs=2, batch_size=4, precision=Precision.FLOAT32
)


class OneFace:
    """Finds one face, in the middle of every picture."""

    def detect(self, image):
        height, width = image.shape[:2]
        points = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.6], [0.38, 0.75], [0.62, 0.75]]) * [width, height]
        box = (width / 4, height / 4, width / 2, height / 2)
        return [Face(box=box, points=points.astype(np.float32), confidence=1.0)]


def projection():
    """Stand in for facenet: a random projection of a coarse picture."""
    weight = np.random.default_rng(1).normal(size=(3 * 8 * 8, 128))

    def embed(faces):
        coarse = faces.reshape(len(faces), 8, 20, 8, 20, 3).mean((2, 4)).reshape(len(faces), -1)
        found = (coarse - coarse.mean(1, keepdims=True)) @ weight
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    return embed


def drawn_facenet():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return InceptionResnetV1().eval()


SCHOOL = School(teacher=projection, facenet=drawn_facenet, finder=OneFace)


@pytest.fixture
def few(monkeypatch):
    for module in (views_of, distillation):
        monkeypatch.setattr(module, "IN_PART", 8)


@pytest.fixture(scope="module")
def lfw(tmp_path_factory):
    root = tmp_path_factory.mktemp("lfw")
    named = PEOPLE[:4]
    mated = [f"{named[i % 4]}\t1\t2\n" for i in range(1100)]
    others = [f"{named[i % 4]}\t1\t{named[(i + 1) % 4]}\t2\n" for i in range(1100)]
    (root / "pairsDevTrain.txt").write_text("1100\n" + "".join(mated + others))
    (root / "pairsDevTest.txt").write_text("500\n" + "".join(mated[:500] + others[:500]))
    (root / "pairs.txt").write_text("10\t300\n" + "".join(["".join(mated[:300] + others[:300])] * 10))
    rng = np.random.default_rng(0)
    for name in PEOPLE:
        look = rng.integers(0, 256, (6, 6, 3))
        for number in (1, 2):
            path = root / "lfw-deepfunneled" / name / f"{name}_{number:04d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.clip(look + rng.normal(0, 8, look.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((250, 250), Image.Resampling.BICUBIC).save(path)
    return f"lfw:{root}"


def test_only_people_of_no_pair_teach(lfw):
    (found,) = read_teaching_sets(lfw, finder=OneFace)
    assert found.people == {"Eve_E", "Fay_F"}
    assert [face.shape for face in found.faces] == [(224, 224, 3)] * 4
    with pytest.raises(UsageError, match="sets of faces among fer2013"):
        read_teaching_sets("siw:x", finder=OneFace)


@pytest.mark.usefixtures("few")
def test_views_depend_on_their_number_alone_and_are_made_once(lfw, tmp_path):
    sets = read_teaching_sets(lfw, finder=OneFace)
    files = make_views(lambda: sets, ViewRecipe(parts=2), tmp_path / "a", teacher=projection)
    first, templates = read_views(files[1])
    assert first.shape == (8, 160, 160, 3)
    assert np.linalg.norm(templates, axis=1) == pytest.approx(1, abs=1e-3)
    assert templates == pytest.approx(projection()(first), abs=1e-3)  # of the very pixels that a student sees
    again = make_views(lambda: sets, ViewRecipe(parts=3), tmp_path / "b", teacher=projection)
    assert np.array_equal(read_views(again[1])[0], first)
    assert not np.array_equal(read_views(again[2])[0], first)

    def never():
        raise AssertionError("asked twice")

    assert make_views(never, ViewRecipe(parts=2), tmp_path / "a", teacher=never) == files
    files[0].write_bytes(files[0].read_bytes()[:-9])
    with pytest.raises(DataError, match="views and templates"):
        read_views(files[0])


def test_grey_faces_get_colours_and_small_sets_are_drawn_from():
    grey = TeachingSet("fer2013", [np.full((48, 48, 3), 90, np.uint8)] * 500, frozenset(), is_filled=True)
    red = TeachingSet("lfw", [np.full((224, 224, 3), (250, 0, 0), np.uint8)], frozenset({"Eve"}), is_filled=False)
    views = draw_views([grey, red], np.random.default_rng(0), 60).astype(int)
    spread = np.ptp(views.reshape(60, -1, 3).mean(1), axis=1)
    assert (spread > 3).mean() > 0.5
    assert (spread > 60).any()


def test_a_lift_keeps_every_cosine():
    facenet = drawn_facenet()
    for layout in (OFFICIAL, SLIM):
        lift = lifted(facenet, layout.features)
        assert lift.shape == (layout.features, 128)
        assert (lift.T @ lift).numpy() == pytest.approx(np.eye(128), abs=1e-4)


@pytest.mark.usefixtures("few")
def test_a_student_learns_and_an_interrupted_run_ends_alike(lfw, tmp_path):
    whole = distil(QUICK, data=lfw, out=tmp_path / "whole", school=SCHOOL)
    assert whole.epochs == 2
    assert set(whole.figures) == {"cosine", "accuracy", "eer", "pairs"}
    assert whole.figures["pairs"] == 1_000
    assert whole.figures["cosine"] > whole.figures_before["cosine"]
    network = trained_facelivenet(tmp_path / "whole")
    assert network.layout == SLIM
    point = read_checkpoint(tmp_path / "whole", BEST).card["operating_point"]
    assert (point["rule"], point["split"]) == ("fmr:0.001", "development")

    class Stopped(Exception):
        pass

    def stop(step, _steps):
        if step == 5:  # in the second epoch
            raise Stopped

    again = {"data": lfw, "out": tmp_path / "again", "views": tmp_path / "whole" / "views", "school": SCHOOL}
    with pytest.raises(Stopped):
        distil(QUICK, **again, progress=stop)
    resumed = distil(QUICK, **again)
    assert resumed.losses == whole.losses
    for name, tensor in trained_facelivenet(tmp_path / "again").state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name
    with pytest.raises(UsageError):
        distil(replace(QUICK, learning_rate=0.1), **again)


def test_facenets_stem_stands_still():
    student = distillation._student(DistillationRecipe(), drawn_facenet()).train()
    stem = student.network.trunk.stem
    assert not any(part.training for part in stem.modules())
    assert not any(parameter.requires_grad for parameter in stem.parameters())
    assert all(parameter.requires_grad for parameter in student.network.branch_1.parameters())
    assert isinstance(student.network, FaceLiveNet)


@pytest.mark.parametrize(
    "wrong",
    [
        {"layout": "full"},
        {"layout": "slim"},
        {"batch_size": 48},
        {"learning_rate": 0.0},
        {"epochs": 0},
        {"parts": 1},
    ],
)
def test_recipes_that_cannot_be(wrong):
    assert FULL.blocks_8 == 6
    with pytest.raises(UsageError):
        DistillationRecipe(**wrong)


def test_recipes_by_name():
    assert [recipe.layout for recipe in RECIPES.values()] == ["official", "slim"]


def test_a_narrowed_student_is_led_to_the_templates(monkeypatch):
    wide, small = (narrowed(OFFICIAL, numerator=1, denominator=parts, hidden=8) for parts in (8, 16))
    monkeypatch.setattr(distillation, "LAYOUTS", {"slim": small})
    generator = np.random.default_rng(2)
    views = generator.integers(0, 256, (12, 160, 160, 3), dtype=np.uint8)
    templates = generator.normal(size=(12, 128)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    monkeypatch.setattr(distillation, "read_views", lambda _path: (views, templates))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        source = FaceLiveNet(wide)
    student = distillation._narrowed(QUICK, source, Path("part"))
    assert student.network.layout == small
    rank = min(small.features, 128)
    assert torch.linalg.matrix_rank(student.lift) == rank
    with torch.inference_mode():
        said = student.network.eval().embed(distillation._pixels(views))
    led = torch.nn.functional.cosine_similarity(said, torch.from_numpy(templates) @ student.lift.T).mean()
    drawn = lifted(drawn_facenet(), small.features) if small.features >= 128 else student.lift.flip(0)
    assert led > torch.nn.functional.cosine_similarity(said, torch.from_numpy(templates) @ drawn.T).mean()


def test_two_starts_are_refused(tmp_path):
    with pytest.raises(UsageError, match="expected one start"):
        distil(DistillationRecipe(), data="lfw:x", out=tmp_path, initial="runs/official")
