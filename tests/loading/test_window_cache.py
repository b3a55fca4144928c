"""The windows of a set of clips: cut once, opened again, narrowed to people, frames and numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countenance.datasets.samples import PresentationSample
from countenance.drawn_sets.writing import video
from countenance.errors import DataError, NoFace, ProtocolMismatch, UsageError
from countenance.faces.detection import Face
from countenance.loading.window_cache import window_cache, without_windows
from countenance.vocabulary import Modality, Presentation, Split

SIDE, FRAMES = 32, 45  # three windows: from frames 0, 15 and 30


class Anywhere:
    """Finds one face in the middle of every picture that is not black."""

    def detect(self, image):
        if image.max() < 40:
            return []
        height, width = image.shape[:2]
        box = (width / 4, height / 4, width / 2, height / 2)
        return [Face(box, np.zeros((5, 2), np.float32), 0.9)]


def clip(folder: Path, name: str, *, live: bool, frames: int = FRAMES, grey: int = 120) -> PresentationSample:
    path = folder / f"{name}.mov"
    pictures = np.full((frames, 64, 64, 3), grey, np.uint8)
    if grey:
        pictures[..., 0] = np.arange(frames, dtype=np.uint8)[:, None, None] * 4  # red tells the frame
    path.write_bytes(video(pictures))
    return PresentationSample(
        identifier=name,
        subject=name[:3],
        presentation=Presentation.BONA_FIDE if live else Presentation.ATTACK,
        species="" if live else "print/1",
        split=Split.TRAIN,
        paths={Modality.RGB: path},
    )


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [
        clip(folder, "001-live", live=True),
        clip(folder, "002-print", live=False),
        clip(folder, "003-dark", live=False, grey=0),
    ]


@pytest.fixture(scope="module")
def windows(samples, tmp_path_factory):
    return window_cache(samples, tmp_path_factory.mktemp("cache") / "windows", side=SIDE, detector=Anywhere())


def test_every_clip_with_a_face_gives_its_windows(samples, windows):
    assert windows.pixels.shape == (6, 5, SIDE, SIDE, 3)
    assert windows.identifiers == [f"{name}#{start}" for name in ("001-live", "002-print") for start in (0, 15, 30)]
    assert windows.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert without_windows(windows) == [samples[2]]


def test_a_window_holds_the_frames_that_it_says(windows):
    (planes,) = windows.gather(np.array([1])).values()
    red = planes[0, :, SIDE // 2, SIDE // 2, 0].astype(int)
    assert np.abs(red - 4 * np.array([15, 18, 21, 24, 27])).max() <= 6, "video coding changes a grey level a little"


def test_a_clip_that_names_its_frames_gives_windows_within_them(samples, windows):
    first = windows.of([replace(samples[0], frames=range(30)), samples[1]])
    assert first.identifiers == ["001-live#0", "001-live#15", *(f"002-print#{start}" for start in (0, 15, 30))]
    assert first.key != windows.key
    assert windows.of(samples).key == windows.key


def test_windows_are_thinned_evenly(windows):
    assert windows.thinned(2).identifiers == ["001-live#0", "001-live#30", "002-print#0", "002-print#30"]
    assert windows.thinned(9).identifiers == windows.identifiers
    with pytest.raises(UsageError, match="at least 1"):
        windows.thinned(0)


def test_a_cache_is_opened_and_not_cut_again(samples, tmp_path):
    class Refusing:
        def detect(self, _image):
            raise AssertionError("asked again")

    place = tmp_path / "windows"
    first = window_cache(samples[:1], place, side=SIDE, detector=Anywhere())
    again = window_cache(samples[:1], place, side=SIDE, detector=Refusing())
    assert np.array_equal(first.pixels, again.pixels)
    assert first.key == again.key
    assert [path.name for path in tmp_path.iterdir()] == ["windows"], "nothing half made is left"


def test_a_cache_of_other_clips_or_another_side_is_refused(samples, tmp_path):
    place = tmp_path / "windows"
    window_cache(samples[:1], place, side=SIDE, detector=Anywhere())
    for others, side in ((samples[1:2], SIDE), (samples[:1], SIDE + 2)):
        with pytest.raises(ProtocolMismatch, match="build the cache anew"):
            window_cache(others, place, side=side, detector=Anywhere())


@pytest.mark.parametrize("harm", ["card", "pixels"])
def test_a_damaged_cache_is_refused(samples, tmp_path, harm):
    place = tmp_path / "windows"
    window_cache(samples[:1], place, side=SIDE, detector=Anywhere())
    if harm == "card":
        (place / "card.json").write_text(json.dumps([1]))
    else:
        (place / "windows.u8").write_bytes(b"short")
    with pytest.raises(DataError):
        window_cache(samples[:1], place, side=SIDE, detector=Anywhere())


def test_clips_without_any_face_or_label_are_refused_and_leave_nothing(samples, tmp_path):
    with pytest.raises(NoFace, match="none in 1"):
        window_cache(samples[2:], tmp_path / "windows", side=SIDE, detector=Anywhere())
    assert not (tmp_path / "windows").exists()
    with pytest.raises(ProtocolMismatch, match="001-live"):
        window_cache([replace(samples[0], presentation=None)], tmp_path / "w", side=SIDE, detector=Anywhere())
    with pytest.raises(UsageError, match="came none"):
        window_cache([], tmp_path / "w", side=SIDE, detector=Anywhere())


def test_a_stranger_is_not_in_the_cache(samples, windows):
    with pytest.raises(UsageError, match="009"):
        windows.of([replace(samples[0], identifier="009")])
