"""Score tables: what goes out comes back to the last bit, and nothing dishonest comes in."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import EmptyScores, MalformedScores, MissingFile, NonFiniteScore, ProtocolMismatch
from countenance.scores import (
    ComparisonTable,
    PresentationTable,
    comparison_table,
    mean_of,
    presentation_table,
    read_table,
    text,
    write_table,
)

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0") | st.sampled_from(',"\n '), max_size=8)
SCORES = st.none() | st.floats(allow_nan=False, allow_infinity=False)  # None: no response
PRESENTATION_HEADER = "id,subject,presentation,species,split,score\n"
COMPARISON_HEADER = "id,reference,probe,mated,fold,score\n"


@st.composite
def tables(draw):
    names = draw(st.lists(WORDS, min_size=1, max_size=6, unique=True))

    def column(cells):
        return draw(st.lists(cells, min_size=len(names), max_size=len(names)))

    flags = np.array(column(st.booleans()))
    scores = np.array(column(SCORES), dtype=float)
    common = {"identifiers": text(names), "is_positive": flags, "scores": scores, "responded": ~np.isnan(scores)}
    if draw(st.booleans()):
        return ComparisonTable(
            **common, references=text(column(WORDS)), probes=text(column(WORDS)), folds=text(column(WORDS))
        )
    return PresentationTable(
        **common,
        subjects=text(column(WORDS)),
        species=np.where(flags, "", text(column(WORDS))),
        splits=text(column(st.sampled_from(["", "train", "development", "test"]))),
    )


def assert_same(one, other):
    assert type(one) is type(other)
    for field in fields(one):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        assert ours.tolist() == theirs.tolist() or field.name == "scores"
    assert one.scores.tobytes() == other.scores.tobytes()


@settings(deadline=None)
@given(table=tables())
def test_a_table_comes_back_from_its_file(table, tmp_path_factory):
    path = write_table(table, tmp_path_factory.getbasetemp() / "round_trip.csv")
    assert_same(read_table(path), table)


@given(table=tables(), seed=st.integers(0, 99))
def test_digest_is_of_the_scores_alone(table, seed):
    order = np.random.default_rng(seed).permutation(len(table))
    shuffled = table.select(order)
    renamed = replace(shuffled, identifiers=text([f"other {i}" for i in range(len(table))]))
    assert renamed.digest == table.digest
    heard = np.flatnonzero(table.responded)
    if len(heard):
        flags, scores = table.is_positive.copy(), table.scores.copy()
        scores[heard[0]] = np.nextafter(scores[heard[0]], 0) if scores[heard[0]] else 1.0
        assert replace(table, scores=scores).digest != table.digest
        flags[heard[0]] ^= True
        if isinstance(table, ComparisonTable):
            assert replace(table, is_positive=flags).digest != table.digest


def test_digest_takes_minus_zero_for_zero(presentations):
    zeros = [presentations(scores, {"print": [1.0]}).digest for scores in ([0.0, -0.0], [-0.0, 0.0], [0.0, 0.0])]
    assert len(set(zeros)) == 1


@given(tables(), st.data())
def test_a_mean_is_taken_row_by_row(table, data):
    others = [
        np.array(data.draw(st.lists(st.none() | st.floats(-9, 9), min_size=len(table), max_size=len(table))), float)
        for _ in range(3)
    ]
    members = [replace(table, scores=scores, responded=~np.isnan(scores)) for scores in others]
    mean = mean_of(members)
    for row in range(len(table)):
        column = [float(scores[row]) for scores in others]
        silent = any(map(math.isnan, column))
        assert mean.responded[row] != silent
        assert silent or mean.scores[row] == pytest.approx(math.fsum(column) / 3, abs=1e-12)
    np.testing.assert_array_equal(mean_of([table]).scores, table.scores)


def test_only_files_of_the_same_rows_are_averaged(presentations, comparisons):
    table = presentations([0.9, 0.8], {"print": [0.1]})
    relabelled = presentations([0.9], {"print": [0.8, 0.1]})
    renamed = presentations([0.9, 0.8], {"mask": [0.1]})
    refused = [
        (presentations([0.9], {"print": [0.1]}), "expected 3 rows .* came 2 rows of PresentationTable in file 2"),
        (comparisons([0.9, 0.8], [0.1]), "came 3 rows of ComparisonTable in file 2"),
        (table.select(np.array([1, 0, 2])), "identifiers of row 1 to be 'row0' .* came 'row1' in file 2"),
        (relabelled, "is_positive of row 2 to be 'True' .* came 'False' in file 2"),
        (renamed, "species of row 3 to be 'print' .* came 'mask' in file 2"),
    ]
    for other, words in refused:
        with pytest.raises(ProtocolMismatch, match=words):
            mean_of([table, other])
    with pytest.raises(EmptyScores, match="at least one score table"):
        mean_of([])


def row(identifier="a", kind="bona_fide", species="", split="test", score="0.5"):
    return f"{identifier},s,{kind},{species},{split},{score}\n"


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("", EmptyScores, "came an empty file"),
        ("\n\n", EmptyScores, "came an empty file"),
        (PRESENTATION_HEADER, EmptyScores, "came 0 rows"),
        (PRESENTATION_HEADER + row(score="nan"), NonFiniteScore, "finite score in row 2 of x.csv; came nan"),
        (PRESENTATION_HEADER + row(score="-inf"), NonFiniteScore, "came -inf"),
        (PRESENTATION_HEADER + row(score="1e999"), NonFiniteScore, "came 1e999"),
        (PRESENTATION_HEADER + row(score="high"), MalformedScores, "a number as score in row 2 .* came 'high'"),
        (PRESENTATION_HEADER + row(score="1_0"), MalformedScores, "came '1_0'"),
        (PRESENTATION_HEADER + row(kind="real"), MalformedScores, "bona_fide or attack in row 2 .* came 'real'"),
        (COMPARISON_HEADER + "a,r,p,yes,1,0.5\n", MalformedScores, "1 or 0 in row 2 .* came 'yes'"),
        (PRESENTATION_HEADER.replace("split,", "") + "a,s,attack,,1\n", MalformedScores, r"\(without split\)"),
        (COMPARISON_HEADER.replace("mated,", "") + "a,r,p,1,0.5\n", MalformedScores, r"\(without mated\)"),
        ("a,b\n1,2\n", MalformedScores, "the columns id,subject,.* came a,b"),
        (PRESENTATION_HEADER.replace("split", "score") + row(), MalformedScores, "each column once"),
        (PRESENTATION_HEADER + row("b") + row() * 3 + row("b"), MalformedScores, "each id once; came 'a' 3 times"),
        (PRESENTATION_HEADER + row(score="1,2"), MalformedScores, "6 fields in row 2 of x.csv; came 7"),
        (PRESENTATION_HEADER + "a,s\n", MalformedScores, "6 fields in row 2 of x.csv; came 2"),
        (
            PRESENTATION_HEADER + row(species="print"),
            MalformedScores,
            "no species in a bona fide row; came 'print' for",
        ),
        (PRESENTATION_HEADER + row(split="dev"), MalformedScores, "train, development, test or nothing; came 'dev'"),
        (PRESENTATION_HEADER + row('"a'), MalformedScores, "expected CSV in x.csv; came unexpected end of data"),
        (PRESENTATION_HEADER + row("a" * 200_000), MalformedScores, "came field larger than field limit"),
        ((PRESENTATION_HEADER + row()).replace("\n", "\r\n"), MalformedScores, r"Unix line ends .*; came Windows"),
        (PRESENTATION_HEADER + row("\0"), MalformedScores, "came a NUL byte"),
        ((PRESENTATION_HEADER + row("é")).encode("latin-1"), MalformedScores, "expected UTF-8 text .* came byte 0xe9"),
        ((PRESENTATION_HEADER + row()).encode("utf-16"), MalformedScores, "expected UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_judged(tmp_path, content, error, words):
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=words) as caught:
        read_table(path)
    assert "np." not in str(caught.value)


def test_a_folder_and_a_missing_file(tmp_path):
    for path, words in ((tmp_path, "a score table; came the folder"), (tmp_path / "none.csv", "came no file")):
        with pytest.raises(MissingFile, match=words):
            read_table(path)


def test_forgiven_in_a_file(tmp_path):
    path = tmp_path / "x.csv"
    header = PRESENTATION_HEADER.replace("score", "note, score")
    path.write_text("\ufeff" + header + "\n" + 'a,s, attack ,print,,"x,y", 0.25 \nb,,bona_fide,,,,\n', encoding="utf-8")
    table = read_table(path)  # a byte order mark, a blank line, a column of one's own, spaces around label and score
    assert (table.negatives.tolist(), table.responded.tolist()) == ([0.25], [True, False])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"identifiers": text([])}, EmptyScores, "at least one row"),
        ({"subjects": text(["s"])}, MalformedScores, "2 values in column subjects, one for each row; came 1"),
        ({"identifiers": text(["a", "a"])}, MalformedScores, "came 'a' 2 times"),
        ({"scores": np.array([np.nan, 0.1])}, NonFiniteScore, "came nan for id 'a'"),
        ({"responded": np.array([True, False])}, NonFiniteScore, "came 0.1 for id 'b'"),
        (
            {"responded": np.array([True, False]), "scores": np.array([0.1, np.inf])},
            NonFiniteScore,
            "came inf for id 'b'; .* for a row without a response leave the score empty",
        ),
    ],
)
def test_a_table_that_cannot_be_built(change, error, words):
    table = presentation_table(identifiers=["a", "b"], is_bona_fide=[True, False], scores=[0.9, 0.1])
    with pytest.raises(error, match=words):
        replace(table, **change)


@pytest.mark.parametrize(("cell", "words"), [("a\rb", "a carriage return"), ("a\0b", "a NUL")])
def test_what_could_not_be_read_back_is_not_written(tmp_path, cell, words):
    table = comparison_table(identifiers=[cell], references=["r"], probes=["p"], is_mated=[True], scores=[1.0])
    with pytest.raises(MalformedScores, match=f"plain text in every cell; came {words}"):
        write_table(table, tmp_path / "x.csv")
    assert not list(tmp_path.iterdir())
