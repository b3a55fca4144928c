"""CASIA-SURF: a drawn twin is read back whole, and every kind of damage is named."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from countenance.datasets.casia_surf import PUBLISHED_COUNTS, inspect, read
from countenance.datasets.drawn_card import CARD, TABLE, UNFINISHED
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.writing import write_set
from countenance.errors import MissingFile, ProtocolMismatch, UsageError
from countenance.vocabulary import Modality, Presentation, Split

TRAIN, VAL, TEST = "train_list.txt", "val_private_list.txt", "test_private_list.txt"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, stand_in):
    root = tmp_path_factory.mktemp("whole") / "surf"
    write_set(plan(subjects=5, seed=3, frames=2), root, draw=stand_in)
    return root


@pytest.fixture
def drawn(whole, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(whole, tmp_path / "surf")


def undrawn(root):
    """Make it look like a published set: no card, no table."""
    for name in (CARD, TABLE):
        (root / name).unlink()
    return root


def test_a_drawn_twin_is_whole(whole):
    found = inspect(whole)
    assert (found.missing, found.unreadable, found.problems, found.label) == ((), (), (), "drawn data")
    assert found.counts["samples"] == 40
    assert found.counts["subjects"] == 5
    assert found.counts["train/attack/05_enm_s"] == 4
    assert found.counts["test/attack/01_e_s"] == 4
    assert found.counts["attack_fold_1/held_out/attack"] == 4


def test_every_sample_is_read_with_its_files(whole):
    samples = read(whole)
    assert len(samples) == 40
    assert {path.suffix for row in samples for path in row.paths.values()} == {".jpg"}
    assert len({path for row in samples for path in row.paths.values()}) == 120
    assert {row.species for row in read(whole, Split.TRAIN)} == {"", "04_en_b", "05_enm_s", "06_enm_b"}
    assert {row.species for row in read(whole, Split.TEST)} == {"", "01_e_s", "02_e_b", "03_en_s"}
    splits = {split: {row.subject for row in samples if row.split is split} for split in Split}
    assert not set.intersection(*splits.values())
    assert all("" not in subjects for subjects in splits.values())
    attacks = [row for row in samples if row.presentation is Presentation.ATTACK]
    assert len(attacks) == 30


def lines_of(root, name):
    return (root / name).read_text().splitlines(keepends=True)


def in_list(name, change):
    def damage(root):
        (root / name).write_text("".join(change(lines_of(root, name))))

    return damage


def a_picture(root, name=TRAIN, line=0, place=0):
    return root / lines_of(root, name)[line].split()[place]


def swap(first, second):
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])


def swap_sensors(root):
    swap(a_picture(root, place=1), a_picture(root, place=2))


def colour_for_infrared(root):
    swap(a_picture(root, place=0), a_picture(root, place=2))


def resize(root):
    path = a_picture(root, VAL, place=1)
    Image.open(io.BytesIO(path.read_bytes())).resize((96, 80)).save(path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-300])


def a_stranger(root):
    path = a_picture(root)
    shutil.copy(path, path.with_name("5.jpg"))


def into_validation(root):
    line = lines_of(root, TRAIN)[0]
    with (root / VAL).open("a") as file:
        file.write(line)


def too_few_fields(lines):
    return [lines[0].split()[0] + "\n", *lines[1:]]


def other_polarity(lines):
    return [line[:-2] + str(1 - int(line[-2])) + "\n" for line in lines]


def another_set(root):
    (root / CARD).write_text((root / CARD).read_text().replace("casia-surf", "siw"))


def another_picture(root):
    shutil.copy(a_picture(root, VAL, 0), a_picture(root, VAL, 1))


CONTRADICTIONS = [
    (in_list(TRAIN, too_few_fields), "problems", "line 1 of train_list.txt (1 instead of 4)"),
    (in_list(TRAIN, other_polarity), "problems", "the label polarity of train_list.txt is the other one"),
    (in_list(TEST, lambda lines: lines[:-1]), "problems", "test: 16 are stated by drawn.json, 15 are here"),
    (into_validation, "problems", "1 subject in two of the splits: CLKJ_AS0001 (train and development)"),
    (lambda root: (root / CARD).rename(root / UNFINISHED), "problems", "drawing stopped before its end"),
    (lambda root: (root / CARD).write_text("{"), "problems", "a damaged one"),
    (another_set, "problems", "came siw"),
]
DAMAGES = [
    *CONTRADICTIONS,
    (lambda root: a_picture(root).unlink(), "missing", "color/1.jpg"),
    (lambda root: a_picture(root, TEST, 7, 1).unlink(), "missing", "-depth.jpg"),
    (lambda root: (root / VAL).unlink(), "missing", VAL),
    (lambda root: (root / "lists/fold2/train_list.txt").unlink(), "missing", "lists/fold2/train_list.txt"),
    (lambda root: a_picture(root).write_bytes(b""), "unreadable", "an empty file"),
    (lambda root: truncate(a_picture(root, VAL)), "unreadable", "damaged or truncated"),
    (
        resize,
        "problems",
        "1 sample with a modality of another size: Val/0000/000000-color.jpg (rgb 112 x 112, depth 96 x",
    ),
    (swap_sensors, "problems", "2 files are not those that were drawn: Training/"),
    (colour_for_infrared, "problems", "1 sample with swapped sensors"),
    (a_stranger, "problems", "1 picture that no list names: Training/"),
    (another_picture, "problems", "1 file is not the one that was drawn: Val/"),
    (lambda root: (root / TABLE).unlink(), "problems", "no drawn.csv"),
]


@pytest.mark.parametrize(("damage", "kind", "words"), DAMAGES)
def test_damage_is_named(drawn, damage, kind, words):
    damage(drawn)
    found = inspect(drawn)
    assert not found.is_published
    assert any(words in line for line in getattr(found, kind)), found


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: a_picture(root).unlink(), "came 1 missing or empty, the first Training/"),
        (lambda root: a_picture(root).write_bytes(b""), "came 1 missing or empty"),
        (lambda root: (root / TEST).unlink(), r"expected CASIA-SURF's list test_private_list\.txt"),
    ],
)
def test_a_set_with_holes_is_not_read(drawn, damage, words):
    damage(drawn)
    with pytest.raises(MissingFile, match=words):
        read(drawn)


@pytest.mark.parametrize("damage", [damage for damage, *_ in CONTRADICTIONS])
def test_a_set_that_contradicts_itself_is_not_read(drawn, damage):
    damage(drawn)
    with pytest.raises(ProtocolMismatch):
        read(drawn)


def test_a_drawn_set_without_its_card_is_not_the_published_one(drawn):
    found = inspect(undrawn(drawn))
    assert f"train: {PUBLISHED_COUNTS['train']:,} are published, 16 are here" in found.problems
    assert found.label == ""
    with pytest.raises(ProtocolMismatch, match="29,266 are published"):
        read(drawn, Split.TRAIN)


def test_train_sensors_may_differ_in_size_before_a_script_scales_them(drawn):
    undrawn(drawn)
    for place in (1, 2):
        path = a_picture(drawn, TRAIN, 0, place)
        Image.open(io.BytesIO(path.read_bytes())).resize((64, 48)).save(path)
    assert not any("another size" in line for line in inspect(drawn).problems)
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(path)
    assert any("another size" in line for line in inspect(drawn).problems)


def test_a_public_list_is_counted_and_nothing_more(drawn):
    undrawn(drawn)
    lines = [" ".join(line.split()[:3]) + "\n" for line in lines_of(drawn, TEST)]
    (drawn / TEST).unlink()
    (drawn / "test_public_list.txt").write_text("".join(lines))
    found = inspect(drawn)
    assert found.counts["test/unlabelled"] == 16
    assert [line for line in found.problems if line.startswith("test")] == ["test: 57,710 are published, 16 are here"]


def test_folds_alone_are_a_training_split(drawn):
    (drawn / TRAIN).unlink()
    (drawn / TABLE).unlink()
    assert len(read(drawn, Split.TRAIN)) == 16


def test_the_published_lists_are_the_published_set_without_pictures(published_casia_surf):
    with pytest.raises(MissingFile, match=r"all 28,824 pictures .* came 28,824 missing or empty, the first Val/0000"):
        read(published_casia_surf, Split.DEVELOPMENT)


def test_an_unknown_polarity_is_refused(whole):
    with pytest.raises(UsageError, match="1 or 0 as the bona fide label"):
        read(whole, bona_fide_label="live")


def test_a_card_is_json(whole):
    card = json.loads((whole / CARD).read_text())
    assert card["label"] == "drawn data"
    assert card["counts"]["samples"] == 40
    assert read(whole, Split.TRAIN)[0].paths.keys() == set(Modality)
