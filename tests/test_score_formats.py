"""Score files of others: read back what their writers write, refuse what does not fit its label list."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import (
    EmptyScores,
    MalformedScores,
    MissingFile,
    NonFiniteScore,
    ProtocolMismatch,
    UsageError,
)
from countenance.score_formats import (
    read_bob,
    read_challenge,
    read_label_list,
    read_scores,
    read_views,
    write_bob,
    write_challenge,
)
from countenance.scores import ComparisonTable, PresentationTable, text, write_table

BOB_HEADER = "claimed_id,test_label,is_bonafide,attack_type,sample_n,score\n"
FAKE, REAL = (
    "Training/fake_part/CLKJ_AS1/04_en_b.rssdk/color/1.jpg",
    "Training/real_part/CLKJ_BS2/real.rssdk/color/1.jpg",
)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0") | st.sampled_from(',"\n '), max_size=8)
PATHS = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"], exclude_characters=","), min_size=1)
KINDS = WORDS.filter(lambda word: word != "None")  # which is how bob writes that there is none
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def written(tmp_path):
    """A function that writes a file and returns its path."""

    def write(content, name="x.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def labels(written):
    return read_label_list(written("c1 d1 i1 1\nc2 d2 i2 0\n", "labels.txt"))


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, KINDS, st.booleans(), st.none() | FINITE), min_size=1, unique_by=lambda row: row[0]))
def test_bobs_file_comes_back(tmp_path_factory, rows):
    names, others, flags, scores = map(list, zip(*rows, strict=True))
    values = np.array(scores, dtype=float)
    table = PresentationTable(
        identifiers=text(names),
        is_positive=np.array(flags),
        scores=values,
        responded=~np.isnan(values),
        subjects=text(others),
        species=text(["" if real else kind for kind, real in zip(others, flags, strict=True)]),
        splits=text([""] * len(rows)),
    )
    path = write_bob(table, tmp_path_factory.getbasetemp() / "bob.csv")
    again = read_scores(path, nan_means_no_response=True)
    assert again.scores.tobytes() == table.scores.tobytes()
    for column in ("identifiers", "is_positive", "responded", "subjects", "species", "splits"):
        assert getattr(again, column).tolist() == getattr(table, column).tolist()


@settings(deadline=None)
@given(st.lists(st.tuples(st.tuples(PATHS, PATHS, PATHS), st.booleans(), FINITE), min_size=1, unique_by=lambda r: r[0]))
def test_challenge_lines_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.getbasetemp()
    (folder / "labels.txt").write_text("".join(f"{' '.join(paths)} {real:d}\n" for paths, real, _ in rows))
    labels = read_label_list(folder / "labels.txt")
    table = labels.table([score for _, _, score in rows])
    again = read_scores(write_challenge(table, folder / "challenge.txt"), labels=labels)
    assert again.scores.tobytes() == np.array([score for _, _, score in rows]).tobytes()
    assert again.identifiers.tolist() == [" ".join(paths) for paths, _, _ in rows]
    assert again.is_positive.tolist() == [real for _, real, _ in rows]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_bobs_file_by_hand(written, ending):
    content = BOB_HEADER + "s1,a,True,,1,0.9\ns2,b,False,print,1,-0.5\ns3,c,1,None,1,nan\ns4,d,0,,1,0.25\n"
    table = read_bob(written(content.replace("\n", ending)), nan_means_no_response=True)
    assert table.positives.tolist() == [0.9]
    assert table.negatives.tolist() == [-0.5, 0.25]
    assert table.species.tolist() == ["", "print", "", ""]
    assert table.subjects.tolist() == ["s1", "s2", "s3", "s4"]
    assert table.responded.tolist() == [True, True, False, True]


def test_no_response_is_nan_to_bob(tmp_path, presentations):
    path = write_bob(presentations([None], {"print": [0.5]}), tmp_path / "bob.csv")
    assert path.read_text() == BOB_HEADER + ",row0,True,,1,nan\n,row1,False,print,1,0.5\n"


def test_bob_of_today_writes_no_sample_number(written):
    assert (
        len(read_bob(written("claimed_id,test_label,is_bonafide,attack_type,score,frame_id\ns,a,True,,0.9,0\n"))) == 1
    )


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (BOB_HEADER, EmptyScores, "came 0 rows"),
        (BOB_HEADER + "s,a,True,,1,nan\n", NonFiniteScore, "finite score in row 2 of x.txt; came nan"),
        (BOB_HEADER + "s,a,True,,1,inf\n", NonFiniteScore, "came inf"),
        (BOB_HEADER + "s,a,real,,1,0.5\n", MalformedScores, "expected True or False or 1 or 0 in row 2 .* came 'real'"),
        (BOB_HEADER + "s,a,True,,1,0.5\ns,a,True,,2,0.6\n", MalformedScores, "each test_label once .* finalize-scores"),
        (BOB_HEADER + "s,a,True,,1,0.5,\n", MalformedScores, "6 fields in row 2 of x.txt; came 7"),
        (BOB_HEADER.replace("attack_type,", ""), EmptyScores, "came 0 rows"),
        ("claimed_id,is_bonafide\ns,True\n", MalformedScores, "none called test_label, attack_type, score; export"),
    ],
)
def test_a_bob_file_that_cannot_be_judged(written, content, error, words):
    with pytest.raises(error, match=words):
        read_scores(written(content))


@pytest.mark.parametrize(
    "content",
    [
        f"rgb,depth,ir,label\n{FAKE},d,i,0\n{REAL},e,j,1\nVal/0000/2-color.jpg,f,k,1\n",
        f"{FAKE} d i 0\n{REAL} e j 1\r\nVal/0000/2-color.jpg f k 1",
    ],
)
def test_a_label_list_by_hand(written, content):
    found = read_label_list(written(content))
    assert found.identifiers.tolist() == [f"{FAKE} d i", f"{REAL} e j", "Val/0000/2-color.jpg f k"]
    assert found.is_bona_fide.tolist() == [False, True, True]
    assert found.subjects.tolist() == ["CLKJ_AS1", "CLKJ_BS2", ""]
    assert found.species.tolist() == ["04_en_b", "", ""]


def test_the_organisers_later_labels_are_turned_round(written):
    path = written(f"{FAKE} d i 1\n{REAL} e j 0\nVal/0000/2-color.jpg f k 0\n")
    assert read_label_list(path, bona_fide_label="0").is_bona_fide.tolist() == [False, True, True]
    with pytest.raises(
        MalformedScores, match=r"the label of fake_part for .* came 1, read with 1 .* other bona fide label"
    ):
        read_label_list(path)
    with pytest.raises(UsageError, match="expected 1 or 0 as the bona fide label; came 'live'"):
        read_label_list(path, bona_fide_label="live")


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("", EmptyScores, "a row in x.txt; came none"),
        ("rgb,depth,ir,label\n", EmptyScores, "a row in x.txt; came none"),
        ("c d i\n", MalformedScores, "three paths and a label in row 1 of x.txt; came 3 fields; .* no labels"),
        ("c d i 1 0.5\n", MalformedScores, "came 5 fields"),
        ("c d i 2\n", MalformedScores, "expected 1 or 0 as label in row 1 of x.txt; came '2'"),
        ("c d i\0 1\n", MalformedScores, "came a NUL byte"),
        (b"c d \xe9 1\n", MalformedScores, "UTF-8 text in x.txt; came byte 0xe9"),
    ],
)
def test_a_label_list_that_cannot_be_used(written, content, error, words):
    with pytest.raises(error, match=words):
        read_label_list(written(content))


def test_a_row_that_the_label_list_names_twice(written):
    with pytest.raises(MalformedScores, match="each id once; came 'c d i' 2 times"):
        read_label_list(written("c d i 1\nc d i 1\n")).table([0.5, 0.6])


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("", EmptyScores, "a line in x.txt; came none"),
        ("c1 d1 i1 0.9\n", ProtocolMismatch, "2 scores, one for each row of the label list; came 1"),
        ("c2 d2 i2 0.1\nc1 d1 i1 0.9\n", ProtocolMismatch, "line 1 of x.txt to name c1 d1 i1; came c2 d2 i2; keep the"),
        ("c1 d1 i1 0.9\nc2 d2 0.1\n", ProtocolMismatch, "line 2 of x.txt to name c2 d2 i2; came c2 d2"),
        ("c1 d1 i1 0.9\nc2 d2 i2 x 0.1\n", ProtocolMismatch, "came c2 d2 i2 x"),
        ("c1 d1 i1 0.9\nc2 d2 i2\n", MalformedScores, "a number as score in line 2 of x.txt; came 'i2'"),
        ("c1 d1 i1 0.9\n0.1\n", MalformedScores, "three paths and a score in line 2 of x.txt; came 0.1"),
        ("c1 d1 i1 0.9\nc2 d2 i2 nan\n", NonFiniteScore, "finite score in line 2 of x.txt; came nan"),
        ("c1 d1 i1 0.9\nc2 d2 i2 -Infinity\n", NonFiniteScore, "came -Infinity"),
        ("c1 d1 i1 0.9\r\nc2 d2 i2 0.1\r\n", MalformedScores, "Unix line ends .* came Windows line ends"),
        (b"c1 d1 i1 0.9\nc2 d2 \xff 0.1\n", MalformedScores, "came byte 0xff"),
    ],
)
def test_challenge_lines_that_cannot_be_judged(written, labels, content, error, words):
    with pytest.raises(error, match=words):
        read_challenge(written(content), labels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"identifiers": text(["c1 d1 i1", "two words"])}, "came 'two words'; write this table as our CSV"),
        ({"identifiers": text(["c1 d1 i1", "c2 d2\ni2"])}, r"came 'c2 d2\\ni2'"),
        ({"scores": np.array([0.9, np.nan]), "responded": np.array([True, False])}, "came no response of 'c2 d2 i2'"),
    ],
)
def test_challenge_lines_cannot_say_everything(tmp_path, labels, change, words):
    with pytest.raises(UsageError, match=words):
        write_challenge(replace(labels.table([0.9, 0.1]), **change), tmp_path / "x.txt")
    assert not (tmp_path / "x.txt").exists()


def test_views_are_averaged(written, labels):
    table = read_views(written("crop0,crop0_hflip\n1.0,0.5\n0.25,0.0\n"), labels)
    assert (table.positives.tolist(), table.negatives.tolist()) == ([0.75], [0.125])


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("crop,mirror\n1,1\n", ProtocolMismatch, "2 scores, one for each row of the label list; came 1"),
        ("crop,mirror\n1,1\n1,\n", MalformedScores, "in each of the columns crop,mirror of x.txt; came an empty field"),
        ("crop,mirror\n1,1\n1,nan\n", NonFiniteScore, "finite score in row 3"),
        ("crop,mirror\n1,1\n1,x\n", MalformedScores, "a number as score in row 3 of x.txt; came 'x'"),
        ("crop,mirror\n1,1\n1\n", MalformedScores, "2 fields in row 3 of x.txt; came 1"),
        ("0.9,0.9\n0.1,0.2\n", MalformedScores, "each column once in x.txt; came 0.9,0.9"),
    ],
)
def test_views_that_cannot_be_judged(written, labels, content, error, words):
    with pytest.raises(error, match=words):
        read_views(written(content), labels)


def test_the_first_line_tells_the_format(written, labels, tmp_path, presentations, comparisons):
    ours = presentations([0.9], {"print": [0.1]})
    both = [[0.9], [0.1]]
    known = {
        write_table(ours, tmp_path / "ours.csv"): both,
        write_table(comparisons(*both), tmp_path / "pairs.csv"): both,
        write_bob(ours, tmp_path / "bob.csv"): both,
        written("c1 d1 i1 0.9\nc2 d2 i2 0.1\n", "lines.txt"): both,
        written("crop,mirror\n0.9,0.9\n0.1,0.1\n", "views.csv"): both,
    }
    for path, (bona_fide, attacks) in known.items():
        table = read_scores(path, labels=labels)
        assert (table.positives.tolist(), table.negatives.tolist()) == (bona_fide, attacks), path
        assert isinstance(table, ComparisonTable) == (path.name == "pairs.csv")


@pytest.mark.parametrize("content", ["c1 d1 i1 0.9\n", "crop,mirror\n0.9,0.9\n"])
def test_scores_without_labels(written, content):
    with pytest.raises(UsageError, match=r"or a label list; came '.*'; name the list of labels with --labels"):
        read_scores(written(content))


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("", EmptyScores, "came an empty file"),
        (" \n\n", EmptyScores, "came 0 rows"),
        (b"\x89PNG\r\n\x1a\n\xff", MalformedScores, "UTF-8 text in x.txt; came byte 0x89"),
        ("id,score\0\n", MalformedScores, "came a NUL byte"),
        ("id,score\na,0.5\n", MalformedScores, r"without subject, presentation, species, split"),
    ],
)
def test_a_file_of_no_known_format(written, labels, content, error, words):
    with pytest.raises(error, match=words):
        read_scores(written(content), labels=labels)


def test_a_folder_and_a_missing_file(tmp_path, labels):
    with pytest.raises(MissingFile, match="a score table; came the folder"):
        read_scores(tmp_path)
    with pytest.raises(MissingFile, match="a label list; came no file at"):
        read_label_list(tmp_path / "none.txt")
    with pytest.raises(MissingFile, match="a score file; came no file at"):
        read_challenge(tmp_path / "none.txt", labels)
