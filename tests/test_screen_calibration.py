"""A screen calibrated by photographs of strangers, with a recogniser that looks at plain colours."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from countenance import screen_calibration
from countenance.datasets.samples import IdentitySample
from countenance.errors import UsageError
from countenance.faces.detection import Face
from countenance.screen_calibration import calibrate_from
from countenance.screening import read_screen


class ByColour:
    """A recogniser whose template is drawn from the blue of the middle pixel; red pulls it to what all share."""

    def cut(self, image, _face):
        return image[:8, :8]

    def embed(self, faces):
        rows = np.stack([np.random.default_rng(int(face[4, 4, 2])).normal(size=128) for face in faces])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows[:, 0] += 0.5 + faces[:, 4, 4, 0] / 64
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def found_in(image):
    """As many faces as the green of the corner says."""
    return [Face((0, 0, 8, 8), np.zeros((5, 2), np.float32), 1.0)] * int(image[0, 0, 1])


def photograph(folder, blue, *, red=0, faces=1):
    path = folder / f"{red}-{faces}-{blue}.png"
    Image.fromarray(np.full((8, 8, 3), (red, faces, blue), np.uint8)).save(path)
    return path


def test_a_screen_is_calibrated_by_photographs(tmp_path, monkeypatch):
    samples = [
        IdentitySample(
            identifier=f"{i}", subject=f"p{i // 2 if i < 20 else i}", path=photograph(tmp_path, i, red=i % 3)
        )
        for i in range(206)
    ]
    samples.append(IdentitySample(identifier="none", subject="nobody", path=photograph(tmp_path, 1, faces=0)))
    monkeypatch.setattr(screen_calibration, "detector", lambda _name: SimpleNamespace(detect=found_in))
    monkeypatch.setattr(screen_calibration, "recogniser", lambda _name: ByColour())
    monkeypatch.setattr(screen_calibration, "STRANGERS", {"lfw": lambda _root: samples})
    ticks = []
    done = calibrate_from("lfw:/x", folder=tmp_path, false_alarms=0.01, progress=lambda *now: ticks.append(now))
    assert (len(done.cohort), done.photographs, ticks[-1]) == (107, 99, (206, 207))
    assert read_screen(tmp_path).as_json() == done.as_json()
    with pytest.raises(UsageError, match="999 of other people"):
        calibrate_from("lfw:/x", folder=tmp_path)
    with pytest.raises(UsageError, match="photographs of people: lfw"):
        calibrate_from("siw:/x", folder=tmp_path)
