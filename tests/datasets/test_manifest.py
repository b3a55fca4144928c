"""A CSV of one's own: read, and every fault named with its line."""

import numpy as np
import pytest
from PIL import Image

from countenance.datasets.manifest import inspect, read
from countenance.errors import MissingFile, ProtocolMismatch
from countenance.vocabulary import Modality, Presentation, Split

HEAD = "id,subject,presentation,species,split,rgb,depth\n"
ROWS = [
    "a,ann,bona_fide,,train,ann.png,ann-d.png\n",
    "b,ann,attack,print,train,print.png,print-d.png\n",
    "c,bob,attack,mask,test,mask.png,mask-d.png\n",
]


@pytest.fixture
def own(tmp_path):
    for row in ROWS:
        for name in row.strip().split(",")[5:]:
            Image.fromarray(np.full((6, 8, 3), 90, np.uint8)).save(tmp_path / name)
    (tmp_path / "manifest.csv").write_text(HEAD + "".join(ROWS))
    return tmp_path


def test_a_folder_and_its_csv_read_alike(own):
    samples = read(own)
    assert samples == read(own / "manifest.csv")
    first, second, third = samples
    assert (first.subject, first.presentation, first.split) == ("ann", Presentation.BONA_FIDE, Split.TRAIN)
    assert (second.species, third.split) == ("print", Split.TEST)
    assert third.paths == {Modality.RGB: own / "mask.png", Modality.DEPTH: own / "mask-d.png"}


def test_an_inspection_counts_and_decodes(own):
    found = inspect(own)
    assert found.is_published
    assert found.counts == {
        "samples": 3,
        "subjects": 2,
        "test": 1,
        "test/attack": 1,
        "test/attack/mask": 1,
        "test/subjects": 1,
        "train": 2,
        "train/attack": 1,
        "train/attack/print": 1,
        "train/bona_fide": 1,
        "train/subjects": 1,
    }
    (own / "ann.png").write_bytes(b"")
    (own / "mask.png").unlink()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(own / "print-d.png")
    found = inspect(own)
    assert found.missing == ("mask.png",)
    assert found.unreadable[0].startswith("ann.png: an empty file")
    assert found.problems == ("1 row with a modality of another size: b",)


def test_columns_may_stand_in_any_order(own):
    turned = [",".join(reversed(line.strip().split(","))) + "\n" for line in (HEAD, *ROWS)]
    (own / "manifest.csv").write_text("\ufeff" + "".join(turned), encoding="utf-8")
    assert [row.identifier for row in read(own)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("species,", "", "no column species"),
        (",rgb,depth", ",colour,depth", "an unknown column 'colour'"),
        ("rgb,depth", "rgb,rgb", "the column rgb twice"),
        ("rgb,depth", "a,b", "no column of paths among rgb, infrared, depth"),
        ("".join(ROWS), "", "no row"),
        ("a,ann,bona_fide,,", "a,ann,bona_fide,", r"1 row without 7 fields: line 2 \(6\)"),
        ("a,ann,bona_fide", "a,ann,live", "line 2: presentation must be one of bona_fide, attack, not 'live'"),
        ("train,ann.png", "validation,ann.png", "split must be one of train, development, test, not 'validation'"),
        ("attack,print", "attack,", "line 3: an attack needs a species"),
        ("bona_fide,,", "bona_fide,print,", "line 2: a bona fide row has no species, not 'print'"),
        ("a,ann", "a,", "line 2: subject is empty"),
        ("ann.png,ann-d.png", "ann.png,", "line 2: depth is empty"),
        ("b,ann", "a,ann", "1 id that stands there twice: a"),
        ("print.png", "ann.png", "1 file that stands there twice: ann.png"),
        ("c,bob", "c,ann", r"1 subject in two of the splits: ann \(train and test\)"),
        ("a,ann", 'a,"ann', "is not CSV in UTF-8"),
    ],
)
def test_a_faulty_manifest_is_refused(own, before, after, words):
    path = own / "manifest.csv"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(ProtocolMismatch, match=words):
        read(own)
    assert not inspect(own).is_published


def test_missing_files_are_refused(own, tmp_path):
    (own / "print.png").unlink()
    with pytest.raises(MissingFile, match=r"1 missing, the first: print\.png"):
        read(own)
    with pytest.raises(MissingFile, match=r"1 missing, the first: manifest\.csv"):
        read(tmp_path / "nowhere" / "manifest.csv")
