"""The plan of a drawn SiW."""

from dataclasses import replace

import pytest

from countenance.datasets.siw import TEST_SUBJECTS
from countenance.drawn_sets.siw import encode_clip, plan
from countenance.errors import UsageError
from countenance.synthesis.spec import DrawnCamera, Motion
from countenance.vocabulary import Modality


@pytest.mark.parametrize(("subjects", "train", "test"), [(15, 9, 6), (50, 30, 20), (165, 90, 75)])
def test_scales_follow_the_published_split(subjects, train, test):
    planned = plan(subjects=subjects)
    assert (planned.counts["train/subjects"], planned.counts["test/subjects"]) == (train, test)
    assert planned.samples == len(planned.clips) == 14 * subjects
    people = {clip.subject: clip.files[0].split("/")[0] for clip in planned.clips}
    assert {name for name, folder in people.items() if folder == "Test"} == people.keys() & TEST_SUBJECTS


def test_another_number_of_subjects_is_refused():
    with pytest.raises(UsageError, match="expected 15, 50, 165 subjects"):
        plan(subjects=16)


def test_each_person_has_eight_live_clips_two_prints_and_four_replays():
    clips = [clip for clip in plan().clips if clip.subject == "003"]
    names = [clip.files[0].split("/")[-1] for clip in clips]
    assert len(set(names)) == 14
    assert sum(name[6] == "1" for name in names) == 8
    assert {clip.species for clip in clips} == {
        "",
        "print/1",
        "print/2",
        "replay/1",
        "replay/2",
        "replay/3",
        "replay/4",
    }
    assert [str(clip.spec.species) for clip in clips[8:]] == [
        "print_matte",
        "print_glossy",
        "replay_phone",
        "replay_tablet",
        "replay_laptop",
        "replay_monitor",
    ]
    assert len({(clip.spec.species, clip.spec.clip) for clip in clips}) == 14
    assert all(clip.files[1] == clip.files[0].replace(".mov", ".face") for clip in clips)


def test_a_clip_is_calm_for_sixty_of_ninety_frames():
    spec = plan().clips[0].spec
    assert (spec.frames, spec.size, spec.background, spec.modalities) == (90, 256, True, (Modality.RGB,))
    assert spec.motion is Motion.LIVELY
    assert round(spec.calm_seconds / spec.seconds_between_frames) == 60
    assert str(plan().card().facts["codec"]).startswith("H.264 4:4:4")


def test_another_camera_is_before_the_same_people_and_the_card_names_it():
    usual, other = plan(seed=4), plan(seed=4, camera=DrawnCamera.WEBCAM)
    assert {clip.spec.camera for clip in other.clips} == {DrawnCamera.WEBCAM}
    assert [replace(clip.spec, camera=DrawnCamera.VARIED) for clip in other.clips] == [
        clip.spec for clip in usual.clips
    ]
    assert [clip.files for clip in other.clips] == [clip.files for clip in usual.clips]
    assert other.card().facts == {**usual.card().facts, "camera": "webcam"}


def test_a_plan_is_what_it_was_before_there_were_two_cameras():
    assert plan(seed=31, subjects=50).card().facts == {
        "codec": "H.264 4:4:4, CRF 18, one thread",
        "frames": 90,
        "size": 256,
        "clips": 700,
        "plan": "9db93ba4dc89f8d78a8be4a2bf85f2a5bdff7ffda57d504771858f80f2133a31",
    }


def test_boxes_are_cut_at_the_border(stand_in):
    _, boxes = encode_clip(stand_in(plan(frames=2, size=32).clips[0].spec))
    assert boxes == b"0 6 20 30\n" * 2
