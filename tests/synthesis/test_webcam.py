"""The second camera: other pixels of the same scene, each time the same, and what its parts do."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from countenance.synthesis.scene import draw_clip
from countenance.synthesis.spec import DrawnCamera, DrawnSpecies, Motion
from countenance.synthesis.webcam import LEAK, SCALE, draw_camera
from countenance.vocabulary import Modality

VIDEO = {"motion": Motion.LIVELY, "calm_seconds": 0.0, "background": True, "modalities": (Modality.RGB,)}
FACE = np.ones((40, 40), bool)
QUIET = np.zeros((40, 40, 3), np.float32)


def webcam(seed=3):
    return draw_camera(DrawnCamera.WEBCAM, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "species", [DrawnSpecies.BONA_FIDE, DrawnSpecies.PRINT_MATTE, DrawnSpecies.REPLAY_PHONE, DrawnSpecies.EYES_BENT]
)
def test_other_pixels_of_the_same_scene(describe, species):
    spec = describe(species, **VIDEO)
    usual, other = (draw_clip(replace(spec, camera=camera)) for camera in DrawnCamera)
    assert other.rgb.shape == usual.rgb.shape
    assert (other.rgb != usual.rgb).mean() > 0.9
    for name in ("boxes", "landmarks", "depth", "face", "holes"):
        assert getattr(other.truth, name).tobytes() == getattr(usual.truth, name).tobytes()
    assert 52 <= other.jpeg_quality < 66 < usual.jpeg_quality
    again = draw_clip(replace(spec, camera=DrawnCamera.WEBCAM))
    assert again.rgb.tobytes() == other.rgb.tobytes()


def test_the_usual_camera_stays_the_default(describe):
    spec = describe(**VIDEO)
    assert spec.camera is DrawnCamera.VARIED
    assert "camera" not in repr(spec)
    assert spec != replace(spec, camera=DrawnCamera.WEBCAM)


def test_the_other_sensors_are_the_same_and_the_background_stays_black(describe):
    spec = describe(background=False)
    usual, other = (draw_clip(replace(spec, camera=camera)) for camera in DrawnCamera)
    for name in ("infrared", "depth", "depth_view"):
        assert np.array_equal(getattr(usual, name), getattr(other, name))
    assert not other.rgb[~other.truth.face].any()


def test_the_number_of_threads_does_not_show():
    generator = np.random.default_rng(0)
    scene = generator.random((96, 80, 3), dtype=np.float32)
    white = generator.standard_normal((96, 80, 3), dtype=np.float32)
    threads, pictures = cv2.getNumThreads(), []
    try:
        for count in (1, 4):
            cv2.setNumThreads(count)
            pictures.append(webcam().develop(scene, np.ones((96, 80), bool), white))
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(*pictures)
    assert pictures[0].shape == (96, 80, 3)


def test_it_is_one_device_in_all_clips():
    """Greys lean the same way in each, whereas the usual cameras err either way."""
    grey = np.full((40, 40, 3), 0.28, np.float32)
    leans = {
        camera: [
            np.subtract(
                *draw_camera(camera, np.random.default_rng(seed)).develop(grey, FACE, QUIET)[20, 20, [2, 0]] * 1.0
            )
            for seed in range(12)
        ]
        for camera in DrawnCamera
    }
    assert min(leans[DrawnCamera.WEBCAM]) > 0
    assert np.std(leans[DrawnCamera.WEBCAM]) < 0.7 * np.std(leans[DrawnCamera.VARIED])
    assert min(leans[DrawnCamera.VARIED]) < 0 < max(leans[DrawnCamera.VARIED])


def test_its_curve_rises_and_is_steeper_in_the_middle():
    curve = webcam().curve.astype(int)
    assert (np.diff(curve) >= 0).all()
    assert (curve[0], curve[255]) == (0, 255)
    assert curve[192] - curve[64] > 128


def test_an_edge_is_softened_and_overshoots():
    scene = np.full((40, 40, 3), 0.12, np.float32)
    scene[:, 20:] = 0.4
    picture = webcam().develop(scene, FACE, QUIET)[20, :, 1].astype(int)
    plain = webcam().sensor.develop(scene, FACE, QUIET)[20, :, 1].astype(int)
    assert picture[21:30].max() > picture[36] + 2
    assert picture[10:19].min() < picture[3] - 2
    assert plain[21:30].max() <= plain[36] + 1


def test_fine_detail_is_lost():
    rows, columns = np.mgrid[:40, :40]
    fine = np.repeat(np.where((rows + columns) % 2, 0.5, 0.1)[..., None], 3, -1).astype(np.float32)
    sensor = replace(webcam().sensor, sharpness=0.0, smear=None)
    camera = replace(webcam(), sensor=sensor)
    assert camera.develop(fine, FACE, QUIET).std() < 0.3 * sensor.develop(fine, FACE, QUIET).std()
    assert 0 < SCALE < 1


def test_light_leaks_between_the_filters_and_none_is_made():
    assert np.sum(LEAK, axis=1) == pytest.approx(np.ones(3))
    red = np.zeros((40, 40, 3), np.float32)
    red[..., 0] = 0.4
    colours = webcam().develop(red, FACE, QUIET)[20, 20].astype(int)
    assert colours[0] > colours[1] > 10


def test_the_smallest_window():
    assert webcam().develop(QUIET[:1, :1] + 0.3, FACE[:1, :1], QUIET[:1, :1]).shape == (1, 1, 3)
