"""The order of the sensors: rows with known answers from made score tables, and the whole path on a stand-in set."""

from pathlib import Path

import numpy as np
import pytest

from countenance.datasets.drawn_card import CARD
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.writing import write_set
from countenance.errors import DataError, ProtocolMismatch, UsageError
from countenance.recipes.modality_order import INPUTS, RATES, REPORTED, STEPS, modality_order, rows_of
from countenance.recipes.slim_pad import SlimPadRecipe
from countenance.reproduction import reproduce
from countenance.vocabulary import Modality

ATTACKS = np.linspace(0, 0.1, 1000)  # at FPR 1e-2 ten attacks pass, at 1e-3 one


@pytest.fixture
def table(presentations):
    """A function that makes a table in which some of 100 bona fide rows pass, from 20 subjects."""

    def make(passing):
        scores = [1.0] * passing + [0.0] * (100 - passing)
        subjects = [f"s{number // 5 if number < 100 else number % 20}" for number in range(1100)]
        return presentations(scores, {"print": ATTACKS.tolist()}, subjects=subjects)

    return make


def test_rows_with_known_answers(table):
    passing = {"RGB": (20, 30), "infrared": (60, 60), "depth": (90, 80), "fused": (90, 100)}
    tables = {each: [table(number) for number in numbers] for each, numbers in passing.items()}
    rows = {row.name: row for row in rows_of(tables, (4, 5), data="drawn data: made", resamples=60)}
    assert len(rows) == len(RATES) * (4 * 3 + len(STEPS) * 3)
    drawn = {name: row.bootstrap for name, row in rows.items() if row.bootstrap is not None}
    assert drawn.keys() == rows.keys()
    first = rows["RGB, seed 4, TPR at FPR 1e-2"]
    assert first.count is not None
    assert first.interval is not None
    assert (first.measured, first.count.count, first.count.trials) == (20.0, 20, 100)
    assert (first.interval.low, first.interval.high) == pytest.approx((12.67, 29.18), abs=0.01)  # Clopper-Pearson
    assert drawn[first.name].low < 20 < drawn[first.name].high
    mean = rows["depth, mean of 2 seeds, TPR at FPR 1e-3"]
    assert mean.measured == pytest.approx(85)
    assert (mean.reported, mean.count, mean.interval) == (99.8, None, None)
    assert rows["fused minus depth, seed 4, TPR at FPR 1e-2"].measured == 0
    same = drawn["fused minus depth, seed 4, TPR at FPR 1e-2"]
    assert (same.low, same.high, same.method) == (0, 0, "paired bootstrap over subjects")  # no other draw on each side
    assert rows["fused minus depth, seed 5, TPR at FPR 1e-3"].measured == pytest.approx(20)
    step = rows["infrared minus RGB, mean of 2 seeds, TPR at FPR 1e-2"]
    assert step.measured == pytest.approx(35)
    assert 0 < drawn[step.name].low < 35 < drawn[step.name].high
    assert {row.data for row in rows.values()} == {"drawn data: made"}
    assert rows["RGB, seed 4, TPR at FPR 1e-2"].as_json()["trials"] == 100


def test_the_papers_values_are_those_of_its_table_5():
    assert REPORTED["RGB"] == {"1e-2": 71.7, "1e-3": 22.3}
    assert REPORTED.keys() == INPUTS.keys()
    assert INPUTS["fused"] == tuple(Modality)


@pytest.fixture(scope="module")
def drawn(stand_in, tmp_path_factory):
    """A set of coloured blocks in the layout of CASIA-SURF."""
    root = tmp_path_factory.mktemp("surf")
    write_set(plan(subjects=6, seed=1, frames=2), root, draw=stand_in, workers=1)
    return root


def test_the_whole_path_on_blocks_of_colour(drawn, tmp_path):
    said: list[str] = []
    recipe = SlimPadRecipe(width=2, epochs=1, batch_size=8)
    rows = modality_order(
        f"casia-surf:{drawn}", out=tmp_path / "runs", seeds=(0, 1), recipe=recipe, resamples=20, say=said.append
    )
    assert {Path(path).parent.name for path in (tmp_path / "runs").glob("*/test.csv")} == {
        f"{each.lower()}-{seed}" for each in INPUTS for seed in (0, 1)
    }
    assert len((tmp_path / "runs" / "fused-0" / "test.csv").read_text().splitlines()) == 1 + 3 * 4 * 2
    assert all(row.data == "drawn data: casia-surf drawn with seed 1, preset paper, test split" for row in rows)
    for row in rows:
        assert row.measured is not None
        assert "minus" in row.name or 0 <= row.measured <= 100
    assert said[-1].startswith("fused, seed 1: trained in ")


def test_what_it_refuses(drawn, own_set, tmp_path):
    with pytest.raises(UsageError, match="a drawn set in casia-surf's layout; came manifest"):
        modality_order(f"manifest:{own_set}", out=tmp_path)
    with pytest.raises(ProtocolMismatch, match="a set drawn in preset paper; came a set that is not drawn"):
        modality_order(f"casia-surf:{own_set}", out=tmp_path)
    with pytest.raises(UsageError, match="a set: casia-surf:ROOT; came none"):
        reproduce("drawn-modalities")
    picture = next(drawn.rglob("*.jpg"))
    content = picture.read_bytes()
    picture.unlink()
    try:
        with pytest.raises(DataError, match="the whole casia-surf set"):
            reproduce("drawn-modalities", data=f"casia-surf:{drawn}", out=tmp_path)
    finally:
        picture.write_bytes(content)
    card = (drawn / CARD).read_text()
    (drawn / CARD).write_text(card.replace('"paper"', '"easy"'))
    try:
        with pytest.raises(ProtocolMismatch, match="came preset easy"):
            modality_order(f"casia-surf:{drawn}", out=tmp_path)
    finally:
        (drawn / CARD).write_text(card)
