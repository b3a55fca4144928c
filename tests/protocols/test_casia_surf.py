"""Table 3 of Parkin and Grinchuk: from the scores that its authors published, and on eight rows with known answers."""

import shutil

import pytest

from countenance.errors import MissingFile, ProtocolMismatch
from countenance.protocols.casia_surf import table_3_from_published_scores

ROUNDING = 0.006  # the papers print two decimals
TABLE_3 = {
    "A: CASIA-WebFace, SphereFace loss (exp1_2stage_seed1, mean of 3 folds)": 99.87,
    "B: MS-Celeb-1M, ArcFace loss (exp3b_seed1, mean of 3 folds)": 99.63,
    "C: private Asian set, ArcFace loss (exp3c_seed1, mean of 3 folds)": 99.33,
    "D: AFAD-Lite, gender (exp2_seed1, mean of 3 folds)": 98.70,
    "All 21 networks, mean of the 4 initialisations": 100.00,
}
MEASURED = {  # per fold, and the second seeds' means over folds
    "exp1_2stage_seed1": (98.93, 99.77, 99.93),
    "exp2_seed1": (91.92, 99.53, 98.83),
    "exp2_seed2": (81.23, 99.63, 97.60, 99.63),
    "exp3b_seed1": (0.00, 99.57, 99.20),
    "exp3b_seed2": (98.53, 98.80, 99.23, 99.27),
    "exp3c_seed1": (99.23, 98.36, 96.33),
    "exp3c_seed2": (99.43, 87.21, 99.03, 99.83),
}


def by_name(folder):
    return {row.name: row for row in table_3_from_published_scores(folder)}


@pytest.fixture(scope="module")
def published(published_casia_surf):
    return by_name(published_casia_surf)


@pytest.mark.parametrize(("name", "reported"), TABLE_3.items())
def test_the_papers_rows_come_out(published, name, reported):
    assert published[name].reported == reported
    assert published[name].measured == pytest.approx(reported, abs=ROUNDING)


@pytest.mark.parametrize(("run", "figures"), MEASURED.items())
def test_every_network_comes_out(published, run, figures):
    names = [*(f"{run}, fold {fold}" for fold in (1, 2, 3)), f"{run}, mean of 3 folds"]
    for name, figure in zip(names, figures, strict=False):
        assert published[name].measured == pytest.approx(figure, abs=ROUNDING)
        assert published[name].reported is None


def test_what_stands_beside_each_figure(published):
    assert len(published) == 4 + 1 + 1 + 3 + 21
    for row in published.values():
        assert row.count.trials == 2994
        assert row.measured == 100 * row.count.value
        assert row.interval.low <= row.measured <= row.interval.high <= 100
        assert row.note == (
            "6,614 attacks: one false accept is an FPR of 1.51e-04, so that 0.0001 allows no false accept"
        )
    card = published["exp3b_seed1, fold 1"].as_json()
    assert (card["count"], card["trials"], card["interval"]["low"]) == (0, 2994, 0)


def test_a_score_file_in_another_order_changes_its_rows_only(published, published_casia_surf, tmp_path):
    folder = shutil.copytree(published_casia_surf, tmp_path / "copy")
    file = folder / "scores" / "exp2_seed2" / "fold2.csv"
    header, *rows = file.read_text().splitlines(keepends=True)
    file.write_text(header + "".join(reversed(rows)))
    changed = {name for name, row in by_name(folder).items() if row.measured != published[name].measured}
    assert {"exp2_seed2, fold 2", "exp2_seed2, mean of 3 folds"} <= changed
    assert changed <= {"exp2_seed2, fold 2", "exp2_seed2, mean of 3 folds", list(TABLE_3)[-1]}


RUNS = ("exp1_2stage_seed1", *(f"{name}_seed{seed}" for name in ("exp2", "exp3b", "exp3c") for seed in (1, 2)))
# the two views of 3 bona fide rows and 2 attacks; their means are .9 .7 .6 and .3 .1: apart
APART = "crop0,crop0_hflip\n1.0,0.8\n0.8,0.6\n0.5,0.7\n0.3,0.3\n0.2,0.0\n"
# the same with 0 for one bona fide row (a mean of 0), and with 1 for one attack
ONE_LOST, ALL_LOST = APART.replace("0.5,0.7", "0.0,0.0"), APART.replace("0.3,0.3", "1.0,1.0")


@pytest.fixture
def drawn(tmp_path):
    (tmp_path / "lists").mkdir()
    lines = [f"c{i},d{i},i{i},{int(i < 3)}\n" for i in range(5)]
    (tmp_path / "lists" / "validation_list.txt").write_text("rgb,depth,ir,label\n" + "".join(lines))
    for run in RUNS:
        (tmp_path / "scores" / run).mkdir(parents=True)
        for fold in (1, 2, 3):
            (tmp_path / "scores" / run / f"fold{fold}.csv").write_text(APART)
    return tmp_path


def test_known_answers(drawn):
    (drawn / "scores" / "exp2_seed1" / "fold1.csv").write_text(ONE_LOST)
    for fold in (1, 2, 3):
        (drawn / "scores" / "exp3b_seed2" / f"fold{fold}.csv").write_text(ALL_LOST)
    measured = {name: row.measured for name, row in by_name(drawn).items()}
    different = {
        "exp2_seed1, fold 1": 200 / 3,  # 2 of 3 above the highest attack, .3; over the folds (0 + .6 + .6) / 3 = .4
        **{f"exp3b_seed2, fold {fold}": 0.0 for fold in (1, 2, 3)},  # an attack at 1.0, above the best bona fide .9
        "exp3b_seed2, mean of 3 folds": 0.0,
        # exp3b's two seeds mean .65 for the attack, and a quarter of that for the four groups: (3 x .3 + .65) / 4 = .39
    }
    assert measured == pytest.approx({name: different.get(name, 100.0) for name in measured})


def test_what_is_not_there_or_does_not_fit(drawn):
    file = drawn / "scores" / "exp3c_seed2" / "fold3.csv"
    file.write_text(APART.removesuffix("0.2,0.0\n"))
    with pytest.raises(ProtocolMismatch, match="expected 5 scores, one for each row of the label list; came 4"):
        table_3_from_published_scores(drawn)
    file.unlink()
    with pytest.raises(MissingFile, match=r"a score table; came no file at .*exp3c_seed2/fold3.csv"):
        table_3_from_published_scores(drawn)
    with pytest.raises(MissingFile, match=r"the folder of published CASIA-SURF scores; came no folder .*; unpack"):
        table_3_from_published_scores(drawn / "none")
