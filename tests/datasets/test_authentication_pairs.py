"""FaceLiveNet's authentication pairs: quadrants, the released form, refusals."""

from pathlib import Path

import numpy as np
import pytest

from countenance.datasets.authentication_pairs import draw_pairs, format_pairs, quadrants, read_pairs
from countenance.datasets.ck_plus import CODES as CK_CODES
from countenance.datasets.expression_sequences import sequence_samples
from countenance.datasets.oulu_casia import AUTHENTICATION_SUBJECTS, FOLDERS
from countenance.datasets.oulu_casia import CODES as OULU_CODES
from countenance.errors import DataError, MissingFile, ProtocolMismatch
from countenance.vocabulary import Expression


def recording(subject, sequence, expression, *, digits=3):
    frames = {number: Path(subject, sequence, f"{number:03d}.jpeg") for number in range(20)}
    return sequence_samples(subject, sequence, expression, frames, digits=digits)


@pytest.fixture(scope="module")
def oulu():
    """The eight people of the released list, six recordings each, as the reader hands them on."""
    return [
        sample
        for subject in AUTHENTICATION_SUBJECTS
        for folder, expression in FOLDERS.items()
        for sample in recording(subject, folder, expression)
    ]


def test_the_released_counts_96_a_quadrant(oulu):
    pairs = draw_pairs(oulu, np.random.default_rng(4))
    assert quadrants(pairs) == {(True, True): 96, (True, False): 96, (False, True): 96, (False, False): 96}
    assert [(pair.is_mated, pair.is_required) for pair in pairs[::96]] == list(quadrants(pairs))


def test_each_reference_is_asked_both_in_each_quadrant(oulu):
    pairs = draw_pairs(oulu, np.random.default_rng(4))
    asked = [(pair.reference.identifier, pair.required, pair.is_mated, pair.is_required) for pair in pairs]
    assert len(set(asked)) == len(asked) == 48 * 2 * 4
    assert {pair.required for pair in pairs} == {Expression.HAPPY, Expression.SURPRISE}
    assert all(pair.reference.expression is Expression.NEUTRAL for pair in pairs)
    assert all(pair.query.expression is not Expression.NEUTRAL for pair in pairs)


def test_one_stranger_answers_both_challenges_of_the_last_quadrant(oulu):
    last = draw_pairs(oulu, np.random.default_rng(4))[288:]
    assert [one.query.subject == other.query.subject for one, other in zip(last[::2], last[1::2], strict=True)] == [
        True
    ] * 48


def test_the_same_seed_draws_the_same_pairs(oulu):
    one, same = (draw_pairs(samples, np.random.default_rng(7)) for samples in (oulu, reversed(oulu)))
    assert one == same
    assert one != draw_pairs(oulu, np.random.default_rng(8))


def test_a_quadrant_that_nobody_shows_has_no_row():
    samples = [
        *recording("S001", "001", Expression.HAPPY, digits=8),
        *recording("S002", "001", Expression.SAD, digits=8),
    ]
    generator = np.random.default_rng(0)
    assert quadrants(draw_pairs(samples, generator)) == {
        (True, True): 1,  # S001 happy; nobody is surprised
        (True, False): 3,  # S001 happy when asked to be surprised, S002 sad for both
        (False, True): 1,  # S001 happy before S002
        (False, False): 3,
    }
    of_neutral = draw_pairs(samples, generator, neutral_answers=True)
    assert quadrants(of_neutral)[True, False] == 4  # S001 may answer with a neutral face


def test_a_list_comes_back(oulu, tmp_path):
    pairs = draw_pairs(oulu, np.random.default_rng(1))
    text = format_pairs(pairs, OULU_CODES)
    assert text.splitlines()[1].split()[3:] in (["True", "3", "3", "-1", "True"], ["True", "5", "5", "-1", "True"])
    (tmp_path / "pairs.txt").write_text(text)
    assert read_pairs(tmp_path / "pairs.txt", oulu, OULU_CODES) == pairs


def test_the_released_form_is_read(oulu, tmp_path):
    base = "/data/zming/datasets/Oulu-Casia/VL_Strong_mtcnnpy_182_160"
    path = tmp_path / "released.txt"
    path.write_text(
        "No.  Input_img    Ref_img    IdentityIssame     Expression_actual    Expression_require    ...\n"
        f"0  {base}/P022/Happiness/P022_Happiness_019.png  {base}/P022/Anger/P022_Anger_000.png  True  3  3  -1  True\n"
        f"1  {base}/P018/Sadness/P018_Sadness_018.png  {base}/P022/Anger/P022_Anger_000.png  False  4  5  -1  False\n\n"
    )
    one, other = read_pairs(path, oulu, OULU_CODES)
    assert (one.query.identifier, one.reference.identifier) == ("P022_Happiness_019", "P022_Anger_000")
    assert (one.required, one.is_mated, one.is_required) == (Expression.HAPPY, True, True)
    assert (other.required, other.is_mated, other.is_required) == (Expression.SURPRISE, False, False)


def test_ck_plus_has_a_code_for_neutral(tmp_path):
    samples = [
        *recording("S001", "001", Expression.HAPPY, digits=8),
        *recording("S002", "003", Expression.SURPRISE, digits=8),
    ]
    pairs = draw_pairs(samples, np.random.default_rng(0), neutral_answers=True)
    path = tmp_path / "pairs.txt"
    path.write_text(format_pairs(pairs, CK_CODES))
    assert {line.split()[6] for line in path.read_text().splitlines()[1:]} == {"0"}
    assert read_pairs(path, samples, CK_CODES) == pairs


@pytest.mark.parametrize(
    ("row", "error", "words"),
    [
        ("0 P022_Anger_019.png P022_Anger_000.png True 0 3 -1", ProtocolMismatch, "8 fields .* in line 2 of pairs.txt"),
        ("0 P022_Anger_019.png P022_Anger_000.png yes 0 3 -1 False", ProtocolMismatch, "in line 2 of pairs.txt"),
        ("0 P022_Anger_019.png P022_Anger_000.png True 0 9 -1 False", ProtocolMismatch, "with codes 0, 1, 2, 3, 4, 5"),
        ("0 P022_Anger_099.png P022_Anger_000.png True 0 3 -1 False", MissingFile, "the photograph P022_Anger_099"),
        ("0 P018_Anger_019.png P022_Anger_000.png True 0 3 -1 False", ProtocolMismatch, "the labels of P018_Anger_019"),
        ("0 P022_Anger_019.png P022_Anger_000.png True 1 3 -1 False", ProtocolMismatch, "the labels of P022_Anger_019"),
        ("0 P022_Anger_019.png P022_Anger_000.png True 0 3 -1 True", ProtocolMismatch, "the labels of P022_Anger_019"),
    ],
)
def test_a_bad_row_is_refused(oulu, tmp_path, row, error, words):
    (tmp_path / "pairs.txt").write_text(f"header\n{row}\n")
    with pytest.raises(error, match=words):
        read_pairs(tmp_path / "pairs.txt", oulu, OULU_CODES)


def test_nothing_to_pair_is_refused(oulu):
    generator = np.random.default_rng(0)
    with pytest.raises(DataError, match="0 neutral photographs of 8 subjects"):
        draw_pairs([sample for sample in oulu if sample.expression is not Expression.NEUTRAL], generator)
    with pytest.raises(DataError, match="of 1 subjects"):
        draw_pairs([sample for sample in oulu if sample.subject == "P018"], generator)
