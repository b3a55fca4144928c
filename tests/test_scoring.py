"""Scoring pairs: each image once, no score without a face, the same result with any number of threads."""

import numpy as np
import pytest
from PIL import Image

from countenance.datasets.comparison import Comparison
from countenance.errors import UnreadableImage
from countenance.faces.alignment import TEMPLATE_112, align
from countenance.faces.detection import Face
from countenance.scoring import BATCH, score_comparisons


class OneFace:
    """A detector that finds one aligned face in every picture that is not black."""

    def detect(self, image):
        if not image.any():
            return []
        return [Face(box=(0.0, 0.0, 112.0, 112.0), points=np.asarray(TEMPLATE_112, dtype=np.float32), confidence=1.0)]


class MeanColour:
    """A recogniser whose template is the direction of the mean colour; it counts the faces it was shown."""

    def __init__(self):
        self.seen = 0

    def cut(self, image, face):
        return align(image, face.points)

    def embed(self, faces):
        self.seen += len(faces)
        means = faces.astype(np.float32).mean(axis=(1, 2))
        return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.fixture
def photographs(tmp_path):
    def make(*colours):
        paths = []
        for number, colour in enumerate(colours):
            paths.append(tmp_path / f"{number}.png")
            Image.fromarray(np.full((112, 112, 3), colour, dtype=np.uint8)).save(paths[-1])
        return paths

    return make


def pair(number, reference, probe, *, mated):
    return Comparison(identifier=f"p{number}", reference=reference, probe=probe, is_mated=mated, fold="1")


def run(rows, **options):
    recogniser = MeanColour()
    return score_comparisons(rows, detector=OneFace(), recogniser=recogniser, **options), recogniser


def test_the_score_is_the_cosine_and_each_image_is_embedded_once(photographs):
    red, green, orange = photographs((200, 0, 0), (0, 200, 0), (200, 200, 0))
    rows = [pair(0, red, red, mated=True), pair(1, red, green, mated=False), pair(2, red, orange, mated=False)]
    report, recogniser = run(rows)
    np.testing.assert_allclose(report.table.scores, [1, 0, np.sqrt(0.5)], atol=1e-6)
    assert recogniser.seen == report.images == 3
    assert report.table.is_positive.tolist() == [True, False, False]
    assert report.images_per_second > 0
    assert report.pairs_per_second == pytest.approx(report.images_per_second)


class Corner(MeanColour):
    """A recogniser that wants the corner of the box alone."""

    def cut(self, image, face):
        left, top, *_ = (int(number) for number in face.box)
        return image[top : top + 4, left : left + 4]


def test_a_recogniser_cuts_faces_in_its_own_way(photographs):
    red, green = photographs((200, 0, 0), (0, 200, 0))
    whole = np.full((112, 112, 3), (0, 200, 0), np.uint8)
    whole[:4, :4] = (200, 0, 0)
    Image.fromarray(whole).save(green)
    rows = [pair(0, red, green, mated=True)]
    report = score_comparisons(rows, detector=OneFace(), recogniser=Corner())
    np.testing.assert_allclose(report.table.scores, [1], atol=1e-6)
    assert run(rows)[0].table.scores[0] < 0.1


def test_a_photograph_without_a_face_gives_no_score(photographs):
    red, black = photographs((200, 0, 0), (0, 0, 0))
    report, _ = run([pair(0, red, black, mated=True), pair(1, red, red, mated=True)])
    assert report.table.responded.tolist() == [False, True]
    assert report.without_face == (black,)


def test_threads_and_batches_change_nothing(photographs):
    generator = np.random.default_rng(0)
    paths = photographs(*generator.integers(1, 255, (2 * BATCH + 3, 3)))
    rows = [pair(i, paths[i], paths[-1 - i], mated=i % 2 == 0) for i in range(len(paths))]
    done = []
    alone, _ = run(rows, threads=1, progress=lambda count, total: done.append((count, total)))
    several, _ = run(rows, threads=4)
    np.testing.assert_array_equal(alone.table.scores, several.table.scores)
    assert done == [(BATCH, len(paths)), (2 * BATCH, len(paths)), (len(paths), len(paths))]


def test_a_broken_photograph_stops_the_run(photographs, tmp_path):
    (red,) = photographs((200, 0, 0))
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    with pytest.raises(UnreadableImage, match=r"broken\.jpg"):
        run([pair(0, red, broken, mated=True)])
