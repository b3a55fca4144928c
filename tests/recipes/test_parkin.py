"""The study: its plan is the paper's, members are trained once, rows are of what is there."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countenance.checkpoints import BEST, read_checkpoint
from countenance.datasets.named import read_presentations
from countenance.errors import UsageError
from countenance.recipes.attack_ensemble import attack_ensemble
from countenance.recipes.mlfa import SLIM
from countenance.recipes.parkin import (
    ARCHITECTURES,
    COMPARED,
    ENSEMBLE,
    RANDOM,
    STUDENT_FOLDER,
    TABLE_3,
    TABLES,
    Member,
    _development_auc,
    compared,
    hard_samples,
    is_done,
    members,
    read_members,
    study,
    table_3,
    table_4,
    table_5,
    train_members,
)
from countenance.scores import presentation_table, write_table
from countenance.vocabulary import Modality, Split

QUICK = replace(SLIM, width=2, epochs=1, cosine_epochs=1, batch_size=16)


def scored(folder: Path, member: Member, *, seed: int) -> None:
    """Score tables as a member leaves them, of 12 people, without a network."""
    generator = np.random.default_rng(seed)
    for split in (Split.DEVELOPMENT, Split.TEST):
        is_bona_fide = [number % 4 == 0 for number in range(480)]
        table = presentation_table(
            identifiers=[f"{split}{number}" for number in range(480)],
            is_bona_fide=is_bona_fide,
            scores=generator.normal(np.where(is_bona_fide, 3.0, 0.0)),
            subjects=[f"{split}{number // 40}" for number in range(480)],
            species=["" if each else "01_e_s" for each in is_bona_fide],
            splits=[str(split)] * 480,
        )
        write_table(table, folder / member.name / f"{split}.csv")


def test_the_plan_is_the_papers():
    assert [len(group) for group in ENSEMBLE.values()] == [6, 6, 6, 6]  # 3 folds and 2 seeds each
    assert len(set(TABLES["parkin-4"])) == 24
    assert [len(group) for _, _, group in TABLE_3] == [5, 3, 3, 6, 6, 6, 6, 24]
    assert {len(side) for sides in COMPARED.values() for side in sides} == {3}
    names = [member.name for group in TABLES.values() for member in group]
    assert len({*names}) == len({member for group in TABLES.values() for member in group})
    alone = ARCHITECTURES["depth"]
    assert alone.streams == (Modality.DEPTH,) * 3
    assert (ARCHITECTURES["se"].aggregation, ARCHITECTURES["se"].excitation) == (False, True)


def test_a_member_is_trained_once_and_scored_with_its_mirror_image(drawn, trunk, tmp_path):
    trunks = Path(trunk)
    wanted = (
        *members("mlfa", RANDOM, ["attack-1"]),
        *members("rgb", trunks.name, ["subject-2"], [1]),
    )
    said: list[str] = []
    train_members(wanted, data=drawn, out=tmp_path, trunks=trunks.parent, base=QUICK, say=said.append)
    assert all(is_done(tmp_path / member.name) for member in wanted)
    card = read_checkpoint(tmp_path / wanted[1].name, BEST).card
    assert (card["streams"], card["recipe"]["seed"], card["epoch"]) == (["rgb"] * 3, 1, 1)
    assert card["recipe"]["initial_digest"] == read_checkpoint(trunks, BEST).digest
    scores = read_members(wanted, tmp_path)
    tests = [row for row in read_presentations(drawn) if row.split is Split.TEST]
    assert scores[wanted[0]][Split.TEST].identifiers.tolist() == [row.identifier for row in tests]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")}
    train_members(wanted, data=drawn, out=tmp_path, trunks=None, say=said.append)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")} == before
    assert said[-1] == "2 of 2 networks are there"
    assert ENSEMBLE["C"][0].recipe(None).as_json()["initial"] == "distilled", "of the shipped trunks"


def test_rows_are_of_the_members_that_are_there(tmp_path):
    there = [*ENSEMBLE["A"][:2], ENSEMBLE["B"][0], *TABLES["parkin-compared"][:4]]
    for place, member in enumerate(there):
        scored(tmp_path, member, seed=place)
    scores = read_members(there, tmp_path)
    rows = {row.name: row for row in table_3(scores, data="drawn")}
    name = "A: MLFA, identities (SphereFace), attack 3-fold"
    assert rows[f"{name} ({len([m for m in ENSEMBLE['A'] if m in there])} networks), TPR at FPR 1e-4"].reported == 99.87
    assert not any(words.startswith("C:") for words in rows)
    assert any(words.startswith("ensemble minus its mean member") for words in rows)
    shrunk = table_4({member: scores[member] for member in TABLES["parkin-4"] if member in scores}, data="drawn")
    assert [row.reported for row in shrunk][-2:] == [100.0, 99.8739]
    alone = table_5(scores, data="drawn")
    assert {row.name.split(",")[0] for row in alone} <= {"rgb", "infrared", "depth", "mlfa"}
    pairs = compared(scores, data="drawn")
    assert all("minus" in row.name for row in pairs)
    sheets = hard_samples(tmp_path, count=2)
    assert len(sheets["conflicting"][0]) == 4
    assert set(sheets["conflicting"][1]) == {"A", "B"}
    assert set(sheets["threshold"][1]) == {"ensemble"}


def test_a_student_begins_as_the_best_teacher_and_is_held_against_all_of_them(drawn, tmp_path):
    wanted = [replace(member, initial=RANDOM) for member in (ENSEMBLE["A"][0], ENSEMBLE["A"][1])]
    train_members(wanted, data=drawn, out=tmp_path, trunks=None, base=QUICK)
    for member, taught in zip(wanted, ENSEMBLE["A"], strict=False):  # first weights of width 2, which none ships
        (tmp_path / member.name).rename(tmp_path / taught.name)
    rows = study("parkin-distilled", data=drawn, out=tmp_path, trunks=None, base=QUICK, only_done=True)
    names = [row.name for row in rows]
    assert names[1].startswith("its teachers: 2 networks, two views")
    assert any("skin" in name for name in names)
    scores = read_members(ENSEMBLE["A"][:2], tmp_path)
    card = read_checkpoint(tmp_path / STUDENT_FOLDER, BEST).card
    best = max(scores, key=lambda member: _development_auc(scores, member))
    assert card["recipe"]["initial"] == best.name
    assert set(card["recipe"]["teachers"]) == {member.name for member in ENSEMBLE["A"][:2]}
    again = study("parkin-distilled", data=drawn, out=tmp_path, trunks=None, base=QUICK, only_done=True)
    assert again == rows, "what is there is not trained again"


def test_what_it_refuses(drawn, tmp_path):
    with pytest.raises(UsageError, match="a table among parkin-3"):
        study("parkin-9", data=drawn, out=tmp_path, trunks=None)
    with pytest.raises(UsageError, match=r"networks of parkin-5 in .*; came none"):
        study("parkin-5", data=drawn, out=tmp_path, trunks=None, only_done=True)
    with pytest.raises(UsageError, match="at least two of the rows A to D"):
        hard_samples(tmp_path)


def test_an_ensemble_learns_from_the_three_attack_folds(drawn, tmp_path):
    samples = read_presentations(drawn)
    table = attack_ensemble(samples, tmp_path, recipe=QUICK, label="drawn data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attack-1", "attack-2", "attack-3"]
    assert len(table) == sum(row.split is not Split.TRAIN for row in samples)
    again = attack_ensemble(samples, tmp_path, recipe=QUICK, label="drawn data")
    assert np.array_equal(table.scores, again.scores)


KILLED = """
import os, sys
from dataclasses import replace
import countenance.recipes.parkin as parkin
from countenance.recipes.mlfa import SLIM, train_mlfa
quick = replace(SLIM, width=2, epochs=2, cosine_epochs=2, batch_size=8)
def progress(step, steps):
    if step == int(sys.argv[3]):
        os.kill(os.getpid(), 9)
train_mlfa(quick, data=sys.argv[1], out=sys.argv[2], fold="attack-1", progress=progress)
"""


def test_a_process_killed_in_mid_epoch_goes_on_to_the_same_bytes(drawn, tmp_path):
    def run(folder: str, step: int) -> int:
        command = [sys.executable, "-c", KILLED, drawn, str(tmp_path / folder), str(step)]
        return subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode

    assert run("whole", 0) == 0
    assert run("killed", 3) == -9
    assert run("killed", 0) == 0
    whole, killed = (read_checkpoint(tmp_path / folder, "last") for folder in ("whole", "killed"))
    assert whole.digest == killed.digest
    assert whole.card["losses"] == killed.card["losses"]
