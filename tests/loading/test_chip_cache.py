"""Chips of photographs: cut once, opened again, never guessed; and their templates."""

import json

import numpy as np
import pytest
from PIL import Image

from countenance.datasets.samples import IdentitySample
from countenance.errors import DataError, NoFace, ProtocolMismatch, UsageError
from countenance.faces.chip import CHIP
from countenance.faces.detection import Face
from countenance.loading.chip_cache import chip_cache, refuse_stale, templates_of


class FaceWhereLight:
    """Finds a face in a picture that is not black."""

    def __init__(self):
        self.asked = 0

    def detect(self, image):
        self.asked += 1
        if image.max() == 0:
            return []
        points = np.array([[40, 50], [80, 50], [60, 75], [45, 95], [75, 95]], np.float32)
        return [Face(box=(20, 20, 80, 90), points=points, confidence=1.0)]


@pytest.fixture
def photographs(tmp_path):
    samples = []
    for number, level in enumerate((90, 0, 200)):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (120, 130), (level, level, level)).save(path)
        samples.append(IdentitySample(identifier=f"one/{number}", subject=f"person {number % 2}", path=path))
    return samples


def test_photographs_without_a_face_are_left_out_and_named(photographs, tmp_path):
    detector, heard = FaceWhereLight(), list[tuple[int, int]]()
    chips = chip_cache(
        photographs, tmp_path / "c", detector=detector, progress=lambda done, total: heard.append((done, total))
    )
    assert chips.pixels.shape == (2, CHIP, CHIP, 3)
    assert [int(chip[80, 80, 0]) for chip in chips.pixels] == [90, 200]
    assert [sample.identifier for sample in chips.samples] == ["one/0", "one/2"]
    assert list(chips.without_face) == ["one/1"]
    assert chips.subjects.tolist() == ["person 0", "person 0"]
    assert heard == [(3, 3)]
    again = chip_cache(photographs, tmp_path / "c", detector=detector)
    assert detector.asked == 3, "cut once"
    assert np.array_equal(again.pixels, chips.pixels)
    assert again.digest == chips.digest


def test_templates_are_made_once_for_each_recogniser(photographs, tmp_path):
    chips = chip_cache(photographs, tmp_path / "c", detector=FaceWhereLight())
    built: list[str] = []

    def build():
        built.append("once")
        return lambda faces: np.stack([np.full(4, face[80, 80, 0] / 255, np.float32) for face in faces])

    first = templates_of(chips, "sface", build)
    assert first[:, 0].tolist() == pytest.approx([90 / 255, 200 / 255])
    assert np.array_equal(templates_of(chips, "sface", build), first)
    assert built == ["once"]
    templates_of(chips, "facenet", build)
    assert len(built) == 2
    path = tmp_path / "c" / "templates-sface.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="a damaged file"):
        templates_of(chips, "sface", build)
    path.write_bytes((tmp_path / "c" / "templates-facenet.safetensors").read_bytes())
    fewer = chip_cache(photographs[:1], tmp_path / "d", detector=FaceWhereLight())
    (tmp_path / "d" / "templates-sface.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="1 templates"):
        templates_of(fewer, "sface", build)


def test_templates_of_another_version_of_a_recogniser_are_refused(photographs, tmp_path):
    chips = chip_cache(photographs, tmp_path / "c", detector=FaceWhereLight())

    def version(turn):
        angles = np.arange(4) * 0.7 + turn
        return lambda faces: np.tile(np.stack([np.cos(angles), np.sin(angles)]).ravel() / 2, (len(faces), 1))

    templates_of(chips, "dlib", lambda: version(0.0))
    refuse_stale(chips, "dlib", version(0.0001))
    with pytest.raises(DataError, match=r"templates of today's dlib in .*; came those of another version"):
        refuse_stale(chips, "dlib", version(0.01))
    with pytest.raises(DataError, match="another version"):
        refuse_stale(chips, "dlib", lambda faces: np.ones((len(faces), 3), np.float32))


def test_what_is_not_the_cache_of_these_is_refused(photographs, tmp_path):
    detector = FaceWhereLight()
    with pytest.raises(UsageError, match="photographs to cut faces from"):
        chip_cache([], tmp_path / "c", detector=detector)
    with pytest.raises(NoFace, match="none in 1"):
        chip_cache(photographs[1:2], tmp_path / "none", detector=detector)
    assert not (tmp_path / "none").exists()
    chip_cache(photographs, tmp_path / "c", detector=detector)
    with pytest.raises(ProtocolMismatch, match="chips of these photographs"):
        chip_cache(photographs[:1], tmp_path / "c", detector=detector)
    pixels = tmp_path / "c" / "chips.u8"
    pixels.write_bytes(pixels.read_bytes()[:-1])
    with pytest.raises(DataError, match="bytes in"):
        chip_cache(photographs, tmp_path / "c", detector=detector)
    (tmp_path / "c" / "card.json").write_text(json.dumps({"rows": 3}))
    with pytest.raises(DataError, match="another file"):
        chip_cache(photographs, tmp_path / "c", detector=detector)
