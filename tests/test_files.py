"""Files: found or refused in words, written whole or not at all."""

import errno
import os
import stat

import pytest

from countenance.errors import MissingFile, UsageError
from countenance.files import existing_file, sha256_of, write_atomically


def test_a_file_that_is_there(tmp_path):
    (tmp_path / "scores.csv").touch()
    assert existing_file(str(tmp_path / "scores.csv")) == tmp_path / "scores.csv"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".", "expected a score table; came the folder .*; name one file inside it"),
        ("none.csv", "came no file at .*none.csv; check the path"),
        ("scores.csv/under", "came no file at"),
        ("x" * 300, "came File name too long at"),
    ],
)
def test_no_file_there(tmp_path, name, words):
    (tmp_path / "scores.csv").touch()
    with pytest.raises(MissingFile, match=words):
        existing_file(tmp_path / name, expected="a score table")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "scores.csv").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, who may run the tests, can read every file
    with pytest.raises(MissingFile, match="which may not be read; check its permissions"):
        existing_file(tmp_path / "scores.csv")


def test_digest_of_a_known_message():
    # FIPS 180-2, appendix B.1
    assert sha256_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(("data", "content"), [("é\r\nb\n", "é\r\nb\n".encode()), (b"\x00\xff", b"\x00\xff")])
def test_what_is_written_is_what_is_there(tmp_path, data, content):
    target = tmp_path / "new" / "folder" / "table.csv"
    for _ in range(2):  # the second time over the first
        assert write_atomically(str(target), data) == target
    assert target.read_bytes() == content
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert list(target.parent.iterdir()) == [target]


def test_a_reader_keeps_the_whole_old_file(tmp_path):
    target = write_atomically(tmp_path / "table.csv", "old")
    with target.open() as reader:
        write_atomically(target, "new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize(
    ("failure", "raised"), [(OSError(errno.ENOSPC, "No space left on device"), UsageError), (KeyboardInterrupt(), None)]
)
def test_a_failure_leaves_the_old_file_and_no_part(tmp_path, monkeypatch, failure, raised):
    target = write_atomically(tmp_path / "table.csv", "old")

    def fail(_):
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(raised or type(failure), match="No space left" if raised else None):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["folder", "file/table.csv"])
def test_a_place_that_cannot_be_written_to(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"expected to be able to write .*; choose a folder that can be written to"):
        write_atomically(tmp_path / name, "text")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", tmp_path / "folder"]
