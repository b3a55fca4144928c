"""Photographs as clips, and how pictures are encoded."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from countenance.drawn_sets.portraits import (
    ROOM,
    People,
    Studio,
    check_subjects,
    grey_lossless,
    grey_photographs,
    lossless,
    photographs,
    with_aligned,
)
from countenance.errors import UsageError
from countenance.images import read_image, read_plane
from countenance.vocabulary import Modality


@pytest.fixture
def clip():
    generator = np.random.default_rng(2)
    blocks = generator.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    return SimpleNamespace(rgb=blocks.repeat(12, 1).repeat(12, 2), jpeg_quality=95)


def test_nobody_is_in_two_sets_and_nobody_is_an_attacker():
    firsts = sorted(People)
    assert all(other - one >= ROOM for one, other in pairwise(firsts))
    assert firsts[0] > 1_000  # CASIA-SURF's and SiW's people begin at 1
    assert firsts[-1] + ROOM < 600_000  # where CASIA-SURF's attackers begin


def test_photographs_are_clips_of_four():
    studio = Studio(seed=3, preset="easy", size=64, crop_mm=200, encode=photographs)
    files = [f"{number}.jpg" for number in range(9)]
    clips = studio.portraits(42, files, subject="n42", group="train")
    assert [clip.spec.frames for clip in clips] == [4, 4, 1]
    assert [name for clip in clips for name in clip.files] == files
    assert [clip.spec.clip for clip in clips] == [0, 1, 2]
    assert {(clip.spec.subject, clip.spec.root, clip.subject, clip.group) for clip in clips} == {
        (42, 3, "n42", "train")
    }
    assert clips[0].spec.modalities == (Modality.RGB,)
    assert clips[0].spec.background


def test_encodings(clip):
    assert [read_image(data).shape for data in photographs(clip)] == [(48, 48, 3)] * 3
    assert np.array_equal(np.stack([read_image(data) for data in lossless(clip)]), clip.rgb)
    grey = np.stack([read_plane(data) for data in grey_lossless(clip)])
    assert np.abs(grey - clip.rgb @ np.array([0.299, 0.587, 0.114])).max() <= 1  # BT.601
    assert [read_plane(data).shape for data in grey_photographs(clip)] == [(48, 48)] * 3


def test_the_aligned_frame_is_the_middle(clip):
    clip.rgb[:] = 0
    clip.rgb[:, 12:36, 12:36] = 255
    files = [read_image(data) for data in with_aligned(clip)]
    assert [picture.shape for picture in files] == [(48, 48, 3)] * 6
    whole, aligned = files[0], files[3]
    assert (aligned > 128).mean() > 1.5 * (whole > 128).mean()


@pytest.mark.parametrize("number", [1, ROOM + 1])
def test_numbers_of_subjects_without_room_are_refused(number):
    with pytest.raises(UsageError, match="2 to 10,000 subjects for lfw; came"):
        check_subjects(number, least=2, name="lfw")
