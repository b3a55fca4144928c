"""The plan of a drawn CASIA-SURF."""

from itertools import pairwise

import pytest

from countenance.datasets.casia_surf_folds import HELD_OUT_SPECIES
from countenance.drawn_sets.casia_surf import plan, share_out
from countenance.errors import UsageError
from countenance.synthesis.spec import DrawnSpecies
from countenance.vocabulary import Split


@pytest.mark.parametrize("subjects", [10, 100, 400, 1000])
def test_subjects_are_shared_out_three_to_one_to_six(subjects):
    assert list(share_out(subjects).values()) == [subjects * 3 // 10, subjects // 10, subjects * 6 // 10]


@pytest.mark.parametrize("subjects", range(3, 40))
def test_every_split_has_somebody(subjects):
    shares = share_out(subjects)
    assert sum(shares.values()) == subjects
    assert min(shares.values()) >= 1


def test_too_few_subjects_are_refused():
    with pytest.raises(UsageError, match="at least 3 subjects, one for each split; came 2"):
        plan(subjects=2)


def clips_of(planned, folder):
    return [clip for clip in planned.clips if clip.files[0].startswith(folder)]


def test_each_person_has_one_live_recording_and_three_attacks():
    planned = plan(subjects=10, seed=1)
    assert (planned.samples, planned.subjects, len(planned.clips)) == (400, 10, 40)
    for folder, species in (
        ("Training", set(HELD_OUT_SPECIES)),
        ("Val", {"01_e_s", "02_e_b", "03_en_s"}),
        ("Testing", {"01_e_s", "02_e_b", "03_en_s"}),
    ):
        clips = clips_of(planned, folder)
        people = {clip.subject for clip in clips}
        assert len(clips) == 4 * len(people)
        assert {clip.species for clip in clips} == {"", *species}


def test_nobody_is_in_two_splits_behind_a_print_or_before_it():
    planned = plan(subjects=100, frames=1)
    faces = [{clip.spec.subject for clip in clips_of(planned, folder)} for folder in ("Training", "Val", "Testing")]
    behind = [
        {clip.spec.attacker for clip in clips_of(planned, folder)} - {None} for folder in ("Training", "Val", "Testing")
    ]
    assert [len(people) for people in faces] == [len(people) for people in behind] == [30, 10, 60]
    assert len(set().union(*faces, *behind)) == 200


def test_training_names_tell_and_the_others_do_not():
    planned = plan(subjects=10, seed=1)
    telling = clips_of(planned, "Training/fake_part")[0]
    assert telling.files[:4] == (
        "Training/fake_part/CLKJ_AS0001/04_en_b.rssdk/color/1.jpg",
        "Training/fake_part/CLKJ_AS0001/04_en_b.rssdk/depth/1.jpg",
        "Training/fake_part/CLKJ_AS0001/04_en_b.rssdk/ir/1.jpg",
        "Training/fake_part/CLKJ_AS0001/04_en_b.rssdk/color/11.jpg",
    )
    labels = [line.split()[3] for line in planned.lists["test_private_list.txt"].splitlines()]
    names = [line.split()[0] for line in planned.lists["test_private_list.txt"].splitlines()]
    assert names == [f"Testing/0000/{number:06d}-color.jpg" for number in range(240)]
    runs = sum(first != second for first, second in pairwise(labels))
    assert runs > 50  # in the order of drawing there would be 12


def test_all_names_are_different():
    files = [file for clip in plan(subjects=100).clips for file in clip.files]
    assert len(files) == len(set(files)) == 3 * 4000


def test_a_test_split_is_made_large_enough_for_fpr_1e_4_where_it_can_be():
    attacks = {subjects: plan(subjects=subjects).counts["test/attack"] for subjects in (100, 400)}
    assert attacks == {100: 1800, 400: 10_800}


def test_recordings_have_the_time_and_the_background_of_the_set():
    spec = plan(subjects=3, preset="hard", seed=4).clips[0].spec
    assert (spec.root, spec.preset, spec.frames, spec.size, spec.background) == (4, "hard", 10, 112, False)
    assert spec.seconds_between_frames == pytest.approx(1 / 3)
    assert spec.species is DrawnSpecies.BONA_FIDE


def test_lists_have_the_published_forms():
    planned = plan(subjects=10)
    assert {name for name in planned.lists if "/" not in name} == {
        "train_list.txt",
        "val_private_list.txt",
        "test_private_list.txt",
    }
    fold = planned.lists["lists/fold2/held_out_list.txt"].splitlines()
    assert fold[0] == "rgb,depth,ir,label"
    assert {line.split("/")[3] for line in fold[1:] if line.endswith(",0")} == {"05_enm_s.rssdk"}
    assert len({line.split("/")[2] for line in fold[1:] if line.endswith(",1")}) == 1
    assert sum(planned.counts[split] for split in Split) == planned.samples
