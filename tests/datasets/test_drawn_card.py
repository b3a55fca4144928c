"""The card and the table of a drawn set."""

import json

import pytest

from countenance.datasets.drawn_card import (
    CARD,
    TABLE,
    UNFINISHED,
    DrawnCard,
    DrawnFile,
    drawn_problems,
    read_card,
    read_table,
    write_table,
)
from countenance.errors import ProtocolMismatch
from countenance.files import sha256_of

THE_CARD = DrawnCard(set="lfw", seed=3, preset="easy", counts={"samples": 2}, facts={"size": 64})


@pytest.fixture
def root(tmp_path):
    rows = []
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(name.encode())
        rows.append(DrawnFile(name, sha256_of(name.encode()), "ann", "print", "600001"))
    (tmp_path / CARD).write_text(THE_CARD.as_text())
    (tmp_path / TABLE).write_text(write_table(rows))
    return tmp_path


def test_what_was_written_is_read(root):
    assert read_card(root, set_name="lfw") == THE_CARD
    table = read_table(root)
    assert list(table) == ["a.jpg", "b.jpg"]
    assert table["a.jpg"].attacker == "600001"
    assert drawn_problems(root, THE_CARD, {"samples": 2}) == ([], [])


def test_a_published_set_has_neither(tmp_path):
    assert read_card(tmp_path, set_name="lfw") is None
    assert read_table(tmp_path) == {}


def test_other_counts_other_bytes_and_missing_files_are_told(root):
    (root / "a.jpg").write_bytes(b"another")
    (root / "b.jpg").unlink()
    missing, problems = drawn_problems(root, THE_CARD, {"samples": 1})
    assert missing == ["b.jpg"]
    assert problems == [
        "samples: 2 are stated by drawn.json, 1 are here",
        "1 file is not the one that was drawn: a.jpg",
    ]


def test_a_broken_card_or_table_is_refused(root):
    (root / CARD).write_text(json.dumps({"set": "lfw"}))
    with pytest.raises(ProtocolMismatch, match=r"the card that synthesize wrote, drawn\.json; came a damaged one"):
        read_card(root, set_name="lfw")
    (root / TABLE).write_text("file,subject\na,b\n")
    with pytest.raises(ProtocolMismatch, match="expected the columns file,sha256,subject,species,attacker"):
        read_table(root)


def test_an_unfinished_set_is_refused(root):
    (root / CARD).rename(root / UNFINISHED)
    with pytest.raises(ProtocolMismatch, match="run the same synthesize command again"):
        read_card(root, set_name="lfw")


def test_another_set_is_refused(root):
    with pytest.raises(ProtocolMismatch, match="in the layout of ytf; came lfw; name it lfw:"):
        read_card(root, set_name="ytf")
