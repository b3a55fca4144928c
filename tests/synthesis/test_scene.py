from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from countenance.synthesis.head import LANDMARK_NAMES
from countenance.synthesis.scene import draw_clip
from countenance.synthesis.spec import DrawnSpecies, Motion, Region
from countenance.vocabulary import Expression, Modality

CUT_PRINTS = [species for species in DrawnSpecies if species.cut]
VIDEO = {"motion": Motion.LIVELY, "calm_seconds": 0.0, "background": True, "crop_mm": 205.0}


def planes(clip):
    truth = clip.truth
    known = (truth.depth, truth.normals, truth.landmarks, truth.face, truth.holes, truth.boxes, truth.flow)
    return [clip.rgb, clip.infrared, clip.depth_view, clip.depth, *known]


def same(first, second):
    return all(a.tobytes() == b.tobytes() for a, b in zip(planes(first), planes(second), strict=True))


def off_plane(depth, where):
    """Root mean square distance, in mm, of the depths from the plane that fits them best."""
    rows, columns = np.nonzero(where)
    design = np.stack([rows, columns, np.ones(len(rows))], axis=1)
    values = depth[where].astype(float)
    return np.sqrt(np.mean((values - design @ np.linalg.lstsq(design, values)[0]) ** 2))


@pytest.mark.parametrize("species", list(DrawnSpecies))
@pytest.mark.parametrize("changes", [{}, VIDEO], ids=["still", "video"])
def test_every_clip_is_whole(describe, drawn, species, changes):
    clip = drawn(describe(species, **changes))
    truth = clip.truth
    assert clip.rgb.shape == (2, 112, 112, 3)
    assert clip.infrared.shape == clip.depth.shape == clip.depth_view.shape == truth.depth.shape == (2, 112, 112)
    assert [plane.dtype for plane in (clip.rgb, clip.infrared, clip.depth_view, clip.depth)] == [np.uint8] * 3 + [
        np.uint16
    ]
    assert truth.landmarks.shape == (2, len(LANDMARK_NAMES), 2)
    assert truth.flow.shape == (1, 112, 112, 2)
    assert truth.boxes.shape == (2, 4)
    for known in (truth.depth, truth.normals, truth.landmarks, truth.boxes, truth.flow):
        assert known.dtype == np.float32
        assert np.isfinite(known).all()
    assert len(truth.actions) == len(truth.expressions) == 2
    assert 72 <= clip.jpeg_quality <= 96
    lengths = np.linalg.norm(truth.normals, axis=-1)
    assert np.allclose(lengths[truth.depth > 0], 1, atol=1e-3)
    assert not lengths[truth.depth == 0].any()
    assert 0.3 < truth.face.mean() < 0.8
    assert clip.rgb[truth.face].mean() > 30
    left, top, right, bottom = truth.boxes.T
    assert ((right - left > 50) & (bottom - top > 60)).all()
    inside = (truth.landmarks >= truth.boxes[:, None, :2] - 4) & (truth.landmarks <= truth.boxes[:, None, 2:] + 4)
    assert inside.mean() > 0.97


@pytest.mark.parametrize(
    "species", [DrawnSpecies.BONA_FIDE, DrawnSpecies.EYES_NOSE_MOUTH_BENT, DrawnSpecies.REPLAY_PHONE]
)
def test_the_same_clip_is_the_same_bytes(describe, drawn, species):
    spec = describe(species, **VIDEO)
    assert same(drawn(spec), draw_clip(spec))
    assert not same(drawn(spec), drawn(replace(spec, clip=1)))


def test_threads_do_not_show(describe):
    threads = torch.get_num_threads()
    spec = describe(DrawnSpecies.EYES_NOSE_FLAT, size=256, frames=1)
    try:
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        one = draw_clip(spec)
        torch.set_num_threads(2)
        cv2.setNumThreads(2)
        two = draw_clip(spec)
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(-1)
    assert same(one, two)


def test_a_modality_less_changes_nothing_else(describe, drawn):
    spec = describe(DrawnSpecies.EYES_BENT)
    whole, colour = drawn(spec), drawn(replace(spec, modalities=(Modality.RGB,)))
    assert np.array_equal(whole.rgb, colour.rgb)
    assert colour.infrared is colour.depth is colour.depth_view is None
    near = drawn(replace(spec, modalities=(Modality.RGB, Modality.INFRARED)))
    assert np.array_equal(whole.infrared, near.infrared)
    assert near.depth is None


def test_presets_differ(describe, drawn):
    easy, paper, hard = (drawn(describe(DrawnSpecies.EYES_BENT, preset=name)) for name in ("easy", "paper", "hard"))
    assert not np.array_equal(easy.depth, paper.depth)
    assert not np.array_equal(paper.infrared, hard.infrared)


@pytest.mark.parametrize("species", list(DrawnSpecies))
def test_without_background_only_the_face_is_left(describe, drawn, species):
    clip = drawn(describe(species))
    beyond = ~clip.truth.face
    for plane in (clip.rgb, clip.infrared, clip.depth, clip.depth_view, clip.truth.depth, clip.truth.holes):
        assert not plane[beyond].any()


@pytest.mark.parametrize("subject", range(4))
def test_live_faces_have_relief_and_screens_have_none(describe, drawn, subject):
    live = drawn(describe(subject=subject, frames=1)).truth
    screen = drawn(describe(DrawnSpecies.REPLAY_TABLET, subject=subject, frames=1)).truth
    assert off_plane(live.depth[0], live.face[0] & (live.depth[0] > 0)) > 11
    assert off_plane(screen.depth[0], screen.face[0] & (screen.depth[0] > 0)) < 0.5
    for species in (DrawnSpecies.PRINT_MATTE, DrawnSpecies.EYES_NOSE_FLAT):
        flat = drawn(describe(species, subject=subject, frames=1, preset="easy")).truth
        assert off_plane(flat.depth[0], flat.face[0] & ~flat.holes[0] & (flat.depth[0] > 0)) < 3


@pytest.mark.parametrize("subject", range(4))
def test_screens_are_dark_in_the_infrared(describe, drawn, subject):
    live, screen = (
        drawn(describe(species, subject=subject, frames=1))
        for species in (DrawnSpecies.BONA_FIDE, DrawnSpecies.REPLAY_PHONE)
    )
    assert screen.infrared[screen.truth.face].mean() < 0.5 * live.infrared[live.truth.face].mean()
    assert (screen.depth[screen.truth.face] == 0).mean() > 0.7


@pytest.mark.parametrize("species", CUT_PRINTS)
def test_holes_lie_where_table_1_cuts(describe, drawn, species):
    clip = drawn(describe(species, subject=2, frames=1))
    holes = clip.truth.holes[0]
    marks = dict(zip(LANDMARK_NAMES, clip.truth.landmarks[0], strict=True))

    def cut_at(*names):
        column, row = np.mean([marks[name] for name in names], axis=0)
        return holes[round(float(row)), round(float(column))]

    assert cut_at("eye_left")
    assert cut_at("eye_right")
    assert cut_at("nose_tip", "nose_base") == (Region.NOSE in species.cut)
    assert cut_at("lip_upper_inner", "lip_lower_inner") == (Region.MOUTH in species.cut)
    assert not cut_at("chin")
    rows = np.nonzero(holes.any(axis=1))[0]
    lowest = "mouth_left" if Region.MOUTH in species.cut else "nose_base" if Region.NOSE in species.cut else "eye_left"
    assert rows.min() > marks["brow_left_peak"][1] - 3
    assert rows.max() < marks[lowest][1] + 12


def test_other_species_have_no_holes_but_a_masks_eyes(describe, drawn):
    holes = {species: drawn(describe(species)).truth.holes.mean() for species in DrawnSpecies}
    assert {species for species, share in holes.items() if share > 0} == {*CUT_PRINTS, DrawnSpecies.MASK_3D}
    assert holes[DrawnSpecies.MASK_3D] < 0.03


@pytest.mark.parametrize("species", [DrawnSpecies.BONA_FIDE, DrawnSpecies.EYES_BENT, DrawnSpecies.MASK_3D])
def test_the_measured_depth_is_the_depth_and_noise(describe, drawn, species):
    clip = drawn(describe(species, preset="easy"))
    known = (clip.depth > 0) & (clip.truth.depth > 0)
    error = clip.depth[known] / 8 - clip.truth.depth[known]
    assert np.median(np.abs(error)) < 3
    assert np.median(error) == pytest.approx(0, abs=1)
    near = clip.truth.depth[0] < np.median(clip.truth.depth[0][known[0]])
    view, seen = clip.depth_view[0], clip.depth_view[0] > 0
    assert view[seen & near].mean() > view[seen & ~near].mean()
    assert np.array_equal(clip.depth_view == 0, clip.depth == 0)


@pytest.mark.parametrize(
    "species", [DrawnSpecies.BONA_FIDE, DrawnSpecies.EYES_NOSE_BENT, DrawnSpecies.PRINT_MATTE, DrawnSpecies.MASK_3D]
)
def test_the_flow_carries_one_frame_to_the_next(describe, drawn, species):
    spec = describe(species, seconds_between_frames=0.25, expressions=((Expression.NEUTRAL, 0.0),), **VIDEO)
    ratios = []
    for clip in (drawn(replace(spec, clip=number, size=160)) for number in range(3)):
        rows, columns = np.mgrid[:160, :160].astype(np.float32)
        flow, face = clip.truth.flow[0], clip.truth.face[0]
        now, later = (cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.2) for frame in clip.rgb)
        carried = cv2.remap(
            later, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        light = now[face].mean() / carried[face].mean()
        ratios.append(np.abs(now - light * carried)[face].mean() / np.abs(now - later)[face].mean())
    assert np.mean(ratios) < 0.75


def test_flow_moves_the_landmarks(describe, drawn):
    clip = drawn(describe(DrawnSpecies.PRINT_MATTE, seconds_between_frames=0.25, **VIDEO))
    now, later = clip.truth.landmarks
    columns, rows = np.rint(now).astype(int).T
    held = (columns >= 0) & (columns < 112) & (rows >= 0) & (rows < 112)
    moved = clip.truth.flow[0][rows[held], columns[held]]
    assert np.abs(later - now)[held].max() > 0.3
    assert np.abs(moved - (later - now)[held]).max() < 0.3


@pytest.mark.parametrize("expression", [Expression.SURPRISE, Expression.HAPPY])
def test_flow_follows_the_jaw(describe, drawn, expression):
    asked = ((Expression.NEUTRAL, 0.0), (expression, 1.0))
    truth = drawn(describe(expressions=asked, seconds_between_frames=0.0, size=160, **VIDEO)).truth
    marks = dict(zip(LANDMARK_NAMES, np.moveaxis(truth.landmarks, 1, 0), strict=True))
    moved = marks["chin"][1] - marks["chin"][0]
    column, row = np.rint(marks["chin"][0]).astype(int)
    assert moved[1] > 3
    assert np.abs(truth.flow[0][row, column] - moved).max() < 0.05 * moved[1] + 0.2


def test_asked_expressions_are_drawn(describe, drawn):
    asked = ((Expression.NEUTRAL, 0.0), (Expression.SURPRISE, 1.0))
    truth = drawn(describe(expressions=asked, seconds_between_frames=0.0)).truth
    assert truth.expressions == asked
    drop = dict(zip(LANDMARK_NAMES, truth.landmarks[1] - truth.landmarks[0], strict=True))
    assert drop["chin"][1] > 8
    assert abs(drop["nose_tip"][0]) < 2
