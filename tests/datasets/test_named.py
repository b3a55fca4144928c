"""NAME:ROOT."""

import pytest

from countenance.datasets.named import INSPECTIONS, inspect_named, read_presentations, split_name
from countenance.errors import MissingFile, UsageError


@pytest.mark.parametrize("data", ["casia-surf", "casia-surf:", ":/data", ""])
def test_other_words_are_refused(data):
    with pytest.raises(UsageError, match=r"a data set as NAME:ROOT|a data set among"):
        split_name(data)


def test_an_unknown_set_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match=r"among casia-surf, siw.*; came 'imagenet'"):
        inspect_named("imagenet:/data")


def test_a_root_may_hold_a_colon():
    name, root = split_name("siw:/data/a:b")
    assert (name, str(root)) == ("siw", "/data/a:b")


@pytest.mark.parametrize("name", INSPECTIONS)
def test_every_set_says_that_its_root_is_not_there(name, tmp_path):
    found = inspect_named(f"{name}:{tmp_path / 'gone'}")
    assert found.missing == (str(tmp_path / "gone"),)


@pytest.mark.parametrize("name", INSPECTIONS)
def test_every_set_finds_an_empty_folder_wanting(name, tmp_path):
    found = inspect_named(f"{name}:{tmp_path}")
    assert not found.is_published


def test_the_polarity_of_labels_is_casia_surfs_alone(tmp_path):
    with pytest.raises(UsageError, match="a bona fide label for casia-surf alone; came one for siw"):
        inspect_named(f"siw:{tmp_path}", bona_fide_label="0")
    with pytest.raises(UsageError, match="expected 1 or 0 as the bona fide label"):
        inspect_named(f"casia-surf:{tmp_path}", bona_fide_label="live")
    assert not inspect_named(f"casia-surf:{tmp_path}", bona_fide_label="0").is_published


def test_presentations_are_read_by_name(tmp_path):
    with pytest.raises(MissingFile, match=r"manifest\.csv"):
        read_presentations(f"manifest:{tmp_path}")
