"""Sheets for clips, for several sensors and for a photograph; what cannot be judged is not explained."""

import numpy as np
import pytest
from PIL import Image

import countenance.explanation
from countenance.clip_authentication import ClipDecision
from countenance.errors import NoFace, UnreadableImage, UsageError
from countenance.explanation import explain
from countenance.faces.detection import Face
from countenance.mosaic import TILE


class Fixed:
    def detect(self, image):
        height, width = image.shape[:2]
        return [Face((width * 0.3, height * 0.2, width * 0.4, height * 0.6), np.zeros((5, 2), np.float32), 0.9)]


@pytest.fixture(scope="module")
def run(clip_run):
    return str(clip_run(frames=3))


@pytest.fixture
def clips(tmp_path, recorded):
    generator = np.random.default_rng(1)
    return [
        recorded(tmp_path / f"{name}.mp4", generator.integers(0, 256, (20, 48, 64, 3), np.uint8))
        for name in ("live", "print", "display")
    ]


def test_three_clips_make_the_figure(clips, run, tmp_path, monkeypatch):
    monkeypatch.setattr(countenance.explanation, "detector", lambda _name: Fixed())
    done = explain(clips, out=tmp_path / "sheet.png", titles=["bona fide", "print", "display"], model=run)
    assert done.files == (tmp_path / "sheet.png",)
    assert [type(decision) for decision in done.decisions] == [ClipDecision] * 3
    with Image.open(done.files[0]) as sheet:
        assert sheet.width == 6 * TILE, "three frames and their heat"
        assert sheet.height > 3 * TILE


def test_several_sensors_have_a_map_each(tmp_path):
    generator = np.random.default_rng(0)
    files = {}
    for name, mode in (("rgb", "RGB"), ("depth", "L"), ("infrared", "L")):
        files[name] = tmp_path / f"{name}.png"
        smooth = generator.integers(20, 255, (8, 8, 3) if mode == "RGB" else (8, 8), np.uint8)
        Image.fromarray(smooth).resize((112, 112), Image.Resampling.BILINEAR).save(files[name])
    done = explain([files["rgb"]], out=tmp_path / "sheet.png", depth=files["depth"], infrared=files["infrared"])
    assert done.decisions[0].model == "mlfa-slim"
    with Image.open(done.files[0]) as sheet:
        assert sheet.width == 6 * TILE


def test_a_photograph_has_a_map_for_each_network(tmp_path, real, pulled):
    for name in ("yunet", "minifasnet_v2", "minifasnet_v1se"):
        pulled(name)
    done = explain([real("minifasnet/image_T1.jpg")], out=tmp_path / "sheet.png")
    assert done.decisions[0].accepted
    with Image.open(done.files[0]) as sheet:
        assert sheet.width == 4 * TILE


def test_what_cannot_be_judged_leaves_no_sheet(clips, run, tmp_path, pulled):
    pulled("yunet")
    (tmp_path / "text.jpg").write_text("hello")
    out = tmp_path / "out" / "sheet.png"
    with pytest.raises(NoFace):
        explain(clips[:1], out=out, model=run)
    with pytest.raises(UnreadableImage):
        explain([tmp_path / "text.jpg"], out=out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("count", "options", "words"),
    [
        (0, {}, "came 0 files"),
        (2, {"titles": ["one"]}, "2 files, 1 titles"),
        (2, {"depth": "d.png"}, "1 pictures of other sensors"),
    ],
)
def test_what_does_not_fit_together_is_refused(clips, tmp_path, count, options, words):
    with pytest.raises(UsageError, match=words):
        explain(clips[:count], out=tmp_path / "sheet.png", **options)


def test_an_input_is_never_overwritten(clips, run):
    with pytest.raises(UsageError, match="elsewhere than an input"):
        explain(clips[:1], out=clips[0], model=run)
