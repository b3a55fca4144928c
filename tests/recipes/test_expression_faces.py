"""Faces with an expression: which may teach, how they are cut, and that a set is searched once."""

import numpy as np
import pytest
from PIL import Image

from countenance.datasets.fer2013 import read_face
from countenance.drawn_sets.expression_sets import plan_ck_plus, plan_fer2013, plan_sfew
from countenance.drawn_sets.writing import write_set
from countenance.errors import DataError, UsageError
from countenance.faces.detection import Face
from countenance.recipes.expression_faces import boxes_file, enlarged, named_sets, read_faces
from countenance.vocabulary import Split

PLANS = {
    "fer2013": lambda: plan_fer2013(subjects=10, as_table=True),
    "sfew": lambda: plan_sfew(subjects=2),
    "ck-plus": lambda: plan_ck_plus(subjects=7),
}


class Corner:
    """A detector that finds a face at the left of pictures, but for the first ones."""

    def __init__(self, missed=0):
        self.missed, self.asked = missed, 0

    def detect(self, image):
        self.asked += 1
        box = (20.0, 40.0, 50.0, 60.0)
        return [Face(box, np.zeros((5, 2), np.float32), 0.9)] if self.asked > self.missed and image.any() else []


@pytest.fixture(scope="module")
def roots(stand_in, tmp_path_factory):
    """Where each set is drawn."""
    folder = tmp_path_factory.mktemp("faces")
    for name, plan in PLANS.items():
        write_set(plan(), folder / name, draw=stand_in)
    return {name: folder / name for name in PLANS}


@pytest.fixture
def read(roots, tmp_path):
    """A function that reads one set."""

    def faces(name, detector=None):
        return read_faces(name, roots[name], boxes=boxes_file(tmp_path, name), detector=lambda: detector or Corner())

    return faces


def test_a_grey_face_is_enlarged():
    assert np.array_equal(enlarged(np.full((48, 48), 7, np.uint8)), np.full((160, 160, 3), 7, np.uint8))
    face = np.random.default_rng(3).integers(60, 200, (6, 6), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    larger = enlarged(face)
    assert np.array_equal(larger[..., 0], larger[..., 2])
    theirs = np.asarray(Image.fromarray(face).resize((160, 160), Image.Resampling.BICUBIC), np.int16)
    assert np.abs(larger[..., 0] - theirs).mean() < 1.5  # Pillow's cubic has another parameter


def test_fer2013_is_cut_already(read):
    faces = read("fer2013")
    assert (faces.taught, len(faces.samples), faces.boxes, faces.label) == (56, 63, None, "drawn data")
    assert {sample.split for sample in faces.samples[:56]} == {Split.TRAIN}
    assert {sample.split for sample in faces.samples[56:]} == {Split.DEVELOPMENT}
    assert np.array_equal(faces.face(60), enlarged(read_face(faces.samples[60])))
    assert faces.source.count == 63
    assert faces.digest == read("fer2013").digest


def test_a_photograph_is_cut_at_its_box(read):
    faces = read("sfew", Corner(missed=2))
    assert (faces.taught, len(faces.samples), faces.without_face) == (5, 12, 2)
    sample = faces.samples[0]
    picture = np.asarray(Image.open(sample.path).convert("RGB"))
    # 1.2 x 50 columns about 45, 1.2 x 60 rows about 70
    cut = np.asarray(Image.fromarray(picture[34:106, 15:75]).resize((160, 160), Image.Resampling.BILINEAR), np.int16)
    assert np.abs(faces.face(0) - cut).max() <= 1
    again = Corner()
    assert read("sfew", again).digest == faces.digest
    assert again.asked == 0


def test_ck_plus_names_its_people(read):
    faces = read("ck-plus")
    assert faces.taught == len(faces.samples)
    assert all(sample.subject for sample in faces.samples)
    assert faces.face(0).shape == (160, 160, 3)


def test_boxes_of_another_list_are_searched_anew(read, tmp_path):
    read("sfew")
    boxes_file(tmp_path, "sfew").replace(boxes_file(tmp_path, "ck-plus"))
    detector = Corner()
    read("ck-plus", detector)
    assert detector.asked > 0
    boxes_file(tmp_path, "ck-plus").write_text("{}")
    with pytest.raises(DataError, match=r"where faces are, in .*; came something else; delete it"):
        read("ck-plus")


def test_sets_that_cannot_be():
    with pytest.raises(
        UsageError, match="sets of expressions, each once: fer2013, ck-plus, oulu-casia, sfew; came lfw"
    ):
        named_sets("lfw:/data")
    with pytest.raises(UsageError, match="came sfew, sfew"):
        named_sets("sfew:/a,sfew:/b")
    with pytest.raises(UsageError, match="a data set as NAME:ROOT"):
        named_sets("fer2013:/a,")
