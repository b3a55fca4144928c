"""Enrolment with a detector and a recogniser that look at plain colours: what is decided, and what is written."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from countenance import enrolment
from countenance.admission import digest_of_weights
from countenance.datasets.samples import IdentitySample
from countenance.enrolment import audit_gallery, calibrate_from, enrol, forget, gallery_folder
from countenance.errors import (
    AlreadyEnrolled,
    ManyFaces,
    MissingFile,
    NoFace,
    TemplateVersion,
    UnknownSubject,
    UsageError,
)
from countenance.faces.detection import Face
from countenance.gallery import Gallery, read_gallery, write_gallery
from countenance.scores import text
from countenance.screening import Examined, calibrate_screen, read_screen, write_screen
from countenance.vocabulary import Reason

FEATURES = 128


class ByColour:
    """A recogniser whose template is drawn from the blue of the middle pixel; red pulls it to what all share."""

    def cut(self, image, _face):
        return image[:8, :8]

    def embed(self, faces):
        rows = np.stack([np.random.default_rng(int(face[4, 4, 2])).normal(size=FEATURES) for face in faces])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows[:, 0] += 0.5 + faces[:, 4, 4, 0] / 64
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def found_in(image):
    """As many faces as the green of the corner says."""
    face = Face((0, 0, 8, 8), np.zeros((5, 2), np.float32), 1.0)
    return [face] * int(image[0, 0, 1])


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch):
    monkeypatch.setattr(enrolment, "detector", lambda _name: SimpleNamespace(detect=found_in))
    monkeypatch.setattr(enrolment, "recogniser", lambda _name: ByColour())


@pytest.fixture
def photograph(tmp_path):
    def take(blue, *, red=0, faces=1):
        path = tmp_path / f"{red}-{faces}-{blue}.png"
        Image.fromarray(np.full((8, 8, 3), (red, faces, blue), np.uint8)).save(path)
        return path

    return take


def screen_of(folder, *, recogniser="sface"):
    generator = np.random.default_rng(0)

    def strangers(count):
        rows = generator.normal(size=(count, FEATURES)) / np.sqrt(FEATURES)
        rows[:, 0] += 0.5
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return Examined(rows.astype(np.float32), generator.uniform(0, 2, (count, 4)))

    screen = calibrate_screen(
        strangers(200),
        strangers(99),
        text([f"q{i}" for i in range(99)]),
        match=0.45,
        recogniser=recogniser,
        weights=digest_of_weights(recogniser),
        false_alarms=0.01,
    )
    write_screen(folder, screen)


def test_a_person_is_enrolled_and_forgotten(photograph, tmp_path):
    folder = tmp_path / "gallery"
    done = enrol("Ann", [photograph(1), photograph(1, red=1)], folder=folder)
    assert done.accepted
    assert done.screened == ()
    assert done.likeness > 0.9
    assert done.nearest is None
    second = enrol("Bob", [photograph(2)], folder=folder)
    assert second.nearest is not None
    assert second.nearest[0] == "Ann"
    assert second.nearest[1] < second.threshold
    assert read_gallery(folder).people == {"Ann": 2, "Bob": 1}
    with pytest.raises(AlreadyEnrolled, match="'Ann'"):
        enrol("Ann", [photograph(3)], folder=folder)
    assert forget("Ann", folder=folder).people == read_gallery(folder).people == {"Bob": 1}
    with pytest.raises(UnknownSubject):
        forget("Ann", folder=folder)
    with pytest.raises(MissingFile):
        forget("Ann", folder=tmp_path / "nowhere")


def test_two_people_or_one_twice_are_refused(photograph, tmp_path):
    done = enrol("Ann", [photograph(1), photograph(2)], folder=tmp_path)
    assert done.reasons == (Reason.NOT_THE_SAME_PERSON,)
    assert not (tmp_path / "gallery.json").exists()
    assert enrol("Ann", [photograph(1)], folder=tmp_path).accepted
    again = enrol("Bob", [photograph(1, red=1)], folder=tmp_path)
    assert again.reasons == (Reason.ENROLLED_ALREADY,)
    assert again.as_json()["scores"]["nearest"]["subject"] == "Ann"
    assert read_gallery(tmp_path).people == {"Ann": 1}


def test_the_screen_is_asked(photograph, tmp_path):
    screen_of(tmp_path)
    assert enrol("Ann", [photograph(1)], folder=tmp_path).accepted
    wolf = enrol("Eve", [photograph(5, red=200)], folder=tmp_path)
    assert not wolf.accepted
    assert Reason.MATCHES_STRANGERS in wolf.reasons
    assert wolf.as_json()["scores"]["matched"][0] > 0.1
    assert read_gallery(tmp_path).people == {"Ann": 1}


def test_what_cannot_be_enrolled_is_an_error(photograph, tmp_path):
    with pytest.raises(UsageError, match="at least one photograph"):
        enrol("Ann", [], folder=tmp_path)
    with pytest.raises(UsageError, match="printable"):
        enrol("", [photograph(1)], folder=tmp_path)
    with pytest.raises(NoFace):
        enrol("Ann", [photograph(1, faces=0)], folder=tmp_path)
    with pytest.raises(ManyFaces):
        enrol("Ann", [photograph(1), photograph(1, faces=2)], folder=tmp_path)
    with pytest.raises(UsageError, match="for"):
        enrol("Ann", [photograph(1)], folder=tmp_path, model="minifasnet")
    screen_of(tmp_path, recogniser="facenet")
    with pytest.raises(TemplateVersion, match="a screen for sface; came one for facenet"):
        enrol("Ann", [photograph(1)], folder=tmp_path)
    write_gallery(tmp_path, Gallery("facenet", "ab", np.zeros((0, 0), np.float32), text([])))
    with pytest.raises(TemplateVersion, match="this gallery, facenet; came sface"):
        enrol("Ann", [photograph(1)], folder=tmp_path)


def test_a_screen_is_calibrated_by_photographs(photograph, tmp_path, monkeypatch):
    samples = [
        IdentitySample(identifier=f"{i}", subject=f"p{i // 2 if i < 20 else i}", path=photograph(i, red=i % 3))
        for i in range(206)
    ]
    samples.append(IdentitySample(identifier="none", subject="nobody", path=photograph(1, faces=0)))
    monkeypatch.setattr(enrolment, "STRANGERS", {"lfw": lambda _root: samples})
    ticks = []
    done = calibrate_from("lfw:/x", folder=tmp_path, false_alarms=0.01, progress=lambda *now: ticks.append(now))
    assert (len(done.cohort), done.photographs, ticks[-1]) == (107, 99, (206, 207))
    assert read_screen(tmp_path).as_json() == done.as_json()
    with pytest.raises(UsageError, match="999 of other people"):
        calibrate_from("lfw:/x", folder=tmp_path)
    with pytest.raises(UsageError, match="photographs of people: lfw"):
        calibrate_from("siw:/x", folder=tmp_path)


def test_an_audit_takes_the_threshold_of_the_screen(tmp_path):
    rows = np.random.default_rng(0).normal(size=(80, FEATURES))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    names = text([f"p{i}" for i in range(80)])
    write_gallery(tmp_path, Gallery("sface", digest_of_weights("sface"), rows, names))
    assert audit_gallery(tmp_path).threshold == pytest.approx(0.3523)
    screen_of(tmp_path)
    assert audit_gallery(tmp_path).threshold == 0.45
    assert audit_gallery(tmp_path, threshold=0.4).threshold == 0.4
    with pytest.raises(UsageError, match="a cosine"):
        audit_gallery(tmp_path, threshold=2)


def test_the_folder_is_the_one_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COUNTENANCE_GALLERY", str(tmp_path))
    assert gallery_folder() == tmp_path
    assert gallery_folder("here").name == "here"
    monkeypatch.delenv("COUNTENANCE_GALLERY")
    assert gallery_folder().name == "gallery"
