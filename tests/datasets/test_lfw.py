"""LFW's lists: on a drawn tree of the published layout and counts, and on the real lists where they are."""

import tarfile

import pytest

from countenance.datasets.lfw import read_comparisons
from countenance.errors import MissingFile, ProtocolMismatch, UsageError


def draw_lists(root, *, photographs=True):
    """Write the three lists with published counts, over four people of two photographs each."""
    people = ["Ann_A", "Bob_B", "Cy_C", "Di_D"]
    mated = [f"{people[i % 4]}\t1\t2\n" for i in range(2000)]
    others = [f"{people[i % 4]}\t1\t{people[(i + 1) % 4]}\t2\n" for i in range(2000)]
    (root / "pairsDevTrain.txt").write_text("1100\n" + "".join(mated[:1100] + others[:1100]))
    (root / "pairsDevTest.txt").write_text("500\n" + "".join(mated[:500] + others[:500]))
    (root / "pairs.txt").write_text("10\t300\n" + "".join(["".join(mated[:300] + others[:300])] * 10))
    for name in people:
        for number in (1, 2):
            path = root / "lfw-deepfunneled" / name / f"{name}_{number:04d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            if photographs:
                path.touch()


@pytest.fixture
def drawn(tmp_path):
    draw_lists(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("split", "rows", "mated"),
    [("train", 2200, 1100), ("development", 1000, 500), ("view1", 3200, 1600), ("test", 6000, 3000)],
)
def test_a_view_has_its_published_counts(drawn, split, rows, mated):
    comparisons = read_comparisons(drawn, split)
    assert len(comparisons) == rows
    assert sum(row.is_mated for row in comparisons) == mated
    assert len({row.identifier for row in comparisons}) == rows
    same = [row.reference.parent == row.probe.parent for row in comparisons]
    assert same == [row.is_mated for row in comparisons]


def test_a_pair_names_its_two_files(drawn):
    first, other = (read_comparisons(drawn, "development")[i] for i in (0, 500))
    assert first.reference == drawn / "lfw-deepfunneled" / "Ann_A" / "Ann_A_0001.jpg"
    assert first.probe.name == "Ann_A_0002.jpg"
    assert (other.reference.name, other.probe.name, other.is_mated) == ("Ann_A_0001.jpg", "Bob_B_0002.jpg", False)


def test_folds_are_taken_in_order(drawn):
    comparisons = read_comparisons(drawn, "test", folds=[2, 10])
    assert [row.fold for row in comparisons] == ["2"] * 600 + ["10"] * 600


def test_missing_photographs_are_counted(drawn):
    (drawn / "lfw-deepfunneled" / "Cy_C" / "Cy_C_0002.jpg").unlink()
    with pytest.raises(MissingFile, match=r"all 8 photographs .* came 1 missing, the first .*Cy_C_0002.jpg"):
        read_comparisons(drawn, "test")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text.replace("10\t300", "10\t299", 1), "to begin with 10 300"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "to hold 6,000 pairs"),
        (lambda text: text.replace("Ann_A\t1\t2", "Ann_A\t1", 1), "expected 3 fields in line 2"),
    ],
)
def test_a_list_of_another_form_is_refused(drawn, damage, words):
    path = drawn / "pairs.txt"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ProtocolMismatch, match=words):
        read_comparisons(drawn, "test")


@pytest.mark.parametrize(
    ("split", "folds", "words"),
    [
        ("nonsense", None, "expected a split of LFW"),
        ("test", [0], "expected folds 1 to 10"),
        ("test", [], "expected folds 1 to 10"),
        ("train", [1], "expected no folds for the split train"),
    ],
)
def test_a_wrong_request_is_refused(drawn, split, folds, words):
    with pytest.raises(UsageError, match=words):
        read_comparisons(drawn, split, folds=folds)


def test_a_tree_without_photographs_or_lists_is_refused(tmp_path):
    with pytest.raises(MissingFile, match="expected a folder of photographs"):
        read_comparisons(tmp_path, "test")
    (tmp_path / "lfw").mkdir()
    with pytest.raises(MissingFile, match=r"LFW's list pairs\.txt"):
        read_comparisons(tmp_path, "test")


def test_the_real_lists_are_the_published_ones(real, tmp_path):
    with tarfile.open(real("lfw.tar.xz")) as packed:
        packed.extractall(tmp_path, [packed.getmember(f"lfw/{name}") for name in ("pairs.txt",)], filter="data")
    (tmp_path / "lfw" / "lfw-deepfunneled").mkdir()
    with pytest.raises(MissingFile, match="the first"):
        read_comparisons(tmp_path / "lfw", "test", folds=[1])
