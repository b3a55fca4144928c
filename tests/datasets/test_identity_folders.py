"""A walk through folders of identities: what is a picture, what is a stranger, what is empty."""

import re

import pytest

from countenance.datasets.identity_folders import walk_identities
from countenance.errors import MissingFile


def test_pictures_strangers_and_empty_identities(tmp_path):
    for name in ("people/n2/b.jpg", "people/n2/a.JPG", "people/n2/Thumbs.db", "people/n10/x.png", "people/list.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("people/n3", "people/holiday", "people/.git"):
        (tmp_path / name).mkdir()
    found = walk_identities(tmp_path / "people", identity=re.compile(r"n\d+"), beside=frozenset({"list.txt"}))
    assert found.files == {"n10": ["x.png"], "n2": ["a.JPG", "b.jpg"], "n3": []}
    assert found.pictures == 3
    assert [sample.identifier for sample in found.samples("train/")] == ["train/n10/x", "train/n2/a", "train/n2/b"]
    assert [path.is_file() for path in found.paths()] == [True] * 3
    assert found.problems(tmp_path) == [
        "2 files or folders that it has no place for: people/holiday, people/n2/Thumbs.db",
        "1 identity without a picture: people/n3",
    ]


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(MissingFile, match="a folder of identities; came no folder"):
        walk_identities(tmp_path / "none", identity=re.compile(r"n\d+"))
