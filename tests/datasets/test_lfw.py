"""LFW's lists: on a drawn tree of the published layout and counts, and on the real lists where they are."""

import tarfile

import pytest

from countenance.datasets.lfw import inspect, read_beside_view_2, read_comparisons, read_photographs
from countenance.datasets.universal_sets import lfw_beside_view_1, lfw_view_1, people_of
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


def test_photographs_of_a_view_come_once(drawn):
    samples = read_photographs(drawn, "development")
    assert [sample.identifier for sample in samples] == sorted({sample.identifier for sample in samples})
    assert len(samples) == 8
    assert {sample.subject for sample in samples} == {"Ann_A", "Bob_B", "Cy_C", "Di_D"}


def test_an_inspection_counts_and_names(drawn):
    (drawn / "lfw-deepfunneled" / "Cy_C" / "Cy_C_0002.jpg").unlink()
    (drawn / "pairsDevTrain.txt").unlink()
    found = inspect(drawn)
    assert found.counts["photographs/lfw-deepfunneled"] == 7
    assert found.counts["people"] == 4
    assert found.counts["pairs/development/non_mated"] == 500
    assert found.counts["pairs/test/fold 10"] == 600
    assert found.missing == ("pairsDevTrain.txt", "lfw-deepfunneled/Cy_C/Cy_C_0002.jpg")
    assert len(found.unreadable) == 7  # drawn empty here
    [problem] = found.problems  # these four people are in every fold
    assert problem.startswith("4 subjects in two of the splits: Ann_A (fold 1 and fold 2")


def test_strangers_are_named(drawn):
    (drawn / "people.txt").write_text("10\n1\nAnn_A\t1\n3\nBob_B\t2\nCy_C\t2\nDi_D\t2\n")
    (drawn / "lfw-deepfunneled" / "Di_D" / "holiday.png").touch()
    problems = inspect(drawn).problems
    assert any(
        "1 photograph is not in people.txt: lfw-deepfunneled/Ann_A/Ann_A_0002.jpg" in words for words in problems
    )
    assert any("lfw-deepfunneled/Di_D/holiday.png" in words for words in problems)


@pytest.mark.parametrize("folder", ["lfw", "lfw_funneled", "."])
def test_the_photographs_as_they_were_or_aligned(drawn, folder):
    if folder == ".":
        for person in (drawn / "lfw-deepfunneled").iterdir():
            person.rename(drawn / person.name)
        (drawn / "lfw-deepfunneled").rmdir()
    else:
        (drawn / "lfw-deepfunneled").rename(drawn / folder)
    assert inspect(drawn).counts[f"photographs/{folder}"] == 8
    assert read_comparisons(drawn, "development")[0].reference == drawn / folder / "Ann_A" / "Ann_A_0001.jpg"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Ann_A\tone\t2", "numbers among them; came 3: Ann_A one 2"),
        ("", "to begin with 10 300 and to hold 6,000 pairs"),
    ],
)
def test_a_bad_line_is_named_not_raised(drawn, line, words):
    path = drawn / "pairs.txt"
    path.write_text(path.read_text().replace("Ann_A\t1\t2", line, 1) if line else "")
    found = inspect(drawn)
    assert any(words in problem for problem in found.problems)
    assert "pairs/test" not in found.counts


@pytest.fixture(scope="module")
def archive(real, tmp_path_factory):
    """The archive's lists, and an empty file for each of its photographs: read through once, as that takes seconds."""
    folder = tmp_path_factory.mktemp("real")
    with tarfile.open(real("lfw.tar.xz")) as packed:
        for member in packed:
            path = folder / member.name
            if member.name.endswith(".jpg"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            elif member.isfile():
                packed.extract(member, folder, filter="data")
    return folder / "lfw"


def test_the_real_archive_holds_what_its_readme_states(archive):
    found = inspect(archive)
    assert found.counts["photographs/lfw-deepfunneled"] == 7_042
    assert found.counts["photographs named by pairs"] == 9_056
    assert [found.counts[f"pairs/{split}"] for split in ("train", "development", "test")] == [2_200, 1_000, 6_000]
    assert len(found.missing) == len(set(found.missing)) == 2_014
    assert "lfw-deepfunneled/Aaron_Eckhart/Aaron_Eckhart_0001.jpg" in found.missing
    assert found.problems == ()  # nobody is in two folds, and no photograph is a stranger
    assert not found.is_published


def test_the_real_archive_serves_view_1_and_folds_1_to_5(archive):
    assert len(read_comparisons(archive, "view1")) == 3_200
    assert len(read_comparisons(archive, "test", folds=range(1, 6))) == 3_000
    with pytest.raises(MissingFile, match="2,014 missing, the first lfw-deepfunneled/Aaron_Eckhart"):
        read_comparisons(archive, "test")
    assert [len(read_photographs(archive, split)) for split in ("train", "development")] == [3_443, 1_549]


def test_the_real_archive_serves_the_sets_of_universal_examples(archive):
    sets = lfw_view_1(archive)
    assert (len(sets.seeds), len(sets.train), len(sets.unseen)) == (5, 3_438, 1_549)
    assert not people_of(sets.unseen) & (people_of(sets.train) | people_of(sets.seeds))
    assert people_of(sets.seeds) <= people_of(sets.train)
    beside = lfw_beside_view_1(archive)
    assert (len(beside), len(people_of(beside))) == (1_215, 910)
    assert not people_of(beside) & (people_of(sets.unseen) | people_of(sets.train))


def test_the_real_archive_has_people_whom_view_2_does_not_name(archive):
    beside = read_beside_view_2(archive)
    named = {
        name
        for line in (archive / "pairs.txt").read_text(encoding="utf-8").splitlines()[1:]
        for name in line.split("\t")
        if not name.isdigit()
    }
    assert len(beside) == 683
    assert not people_of(beside) & named


def test_who_is_beside_view_2(drawn):
    with pytest.raises(MissingFile, match=r"whom pairs.txt does not name in .*; came 8 photographs"):
        read_beside_view_2(drawn)
    other = drawn / "lfw-deepfunneled" / "Eve_E" / "Eve_E_0001.jpg"
    other.parent.mkdir()
    other.touch()
    assert [(sample.subject, sample.path) for sample in read_beside_view_2(drawn)] == [("Eve_E", other)]
