"""The tables of the few-frame paper: which networks they need, and rows from scores that are there."""

from dataclasses import replace

import numpy as np
import pytest

from countenance.datasets.samples import PresentationFold
from countenance.errors import UsageError
from countenance.losses.metric_learning import FewFrameLoss
from countenance.protocols.clip_errors import FIGURES
from countenance.recipes import ito as study
from countenance.recipes.fewframe import SLIM
from countenance.recipes.ito import TABLES, Entry, Member, is_done, ito, judged
from countenance.scores import presentation_table, write_table
from countenance.vocabulary import Split

from .test_fewframe import TINY, windows_of


def write_scores(folder, *, clean=True, seed=0):
    """Two windows a clip, eight people; where it is not clean, the prints of half the people pass."""
    generator = np.random.default_rng(seed)
    for split in (Split.DEVELOPMENT, Split.TEST):
        names, live, scores, people, species = [], [], [], [], []
        for person in range(8):
            for kind in ("", "print/1", "replay/2"):
                for start in (0, 15):
                    names.append(f"{person}{kind}#{start}")
                    live.append(not kind)
                    passes = not kind or (split is Split.TEST and not clean and kind == "print/1" and person < 4)
                    scores.append((0.8 if passes else -0.4) + generator.uniform(0, 0.1))
                    people.append(f"{person}")
                    species.append(kind)
        table = presentation_table(
            identifiers=names, is_bona_fide=live, scores=scores, subjects=people, species=species, splits=[split] * 48
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_table(table, folder / f"{split}.csv")


def members(table):
    return {member for entry in TABLES[table] for fold in entry.members for member in fold}


def test_the_tables_have_every_cell_of_the_paper_and_share_networks():
    assert [len(TABLES[name]) for name in ("ito-2", "ito-3", "ito-4")] == [18, 24, 6]
    assert len(members("ito-2")) == 7 * 4 + 7 * 2 * 3
    assert members("ito-4") < members("ito-2")
    three = members("ito-3")
    assert len(three - members("ito-2")) == 7 * 7 + 2 * 2
    seeds = {
        member.seed for member in three if member.loss is FewFrameLoss.CROSS_ENTROPY and "protocol-3" in member.fold
    }
    assert seeds == {0, 1, 2}
    assert all(entry.reported is not None for entries in TABLES.values() for entry in entries)


def test_a_member_says_what_trains_it():
    recipe = Member(fold="protocol-1", frames=3, flow=False, loss=FewFrameLoss.TRIPLET, seed=2).recipe(SLIM, "enc")
    assert (recipe.frames, recipe.flow, recipe.loss, recipe.seed) == (3, "", FewFrameLoss.TRIPLET, 2)
    assert Member(fold="protocol-1").recipe(SLIM, "enc").flow == "enc"
    assert Member(fold="protocol-1").name == "protocol-1-5-flow-arcface-seed0"


def test_rows_are_of_windows_and_of_clips_and_thresholds_of_the_threshold_subjects(tmp_path):
    write_scores(tmp_path / "one", clean=False)
    for unit in ("window", "clip"):
        fold = judged(tmp_path / "one", unit)
        assert len(fold.table) == (48 if unit == "window" else 24)
        assert (fold.point.rule, fold.point.split) == ("eer", "development")


def test_what_is_there_makes_its_rows_and_its_claims(tmp_path):
    for seed in (0, 1, 2):
        for flow in (False, True):
            write_scores(tmp_path / Member(fold="protocol-1", flow=flow, seed=seed).name, clean=flow, seed=seed)
    rows = {row.name: row for row in ito("ito-4", data=f"siw:{tmp_path}", out=tmp_path, only_done=True)}
    assert rows["protocol 3, FAS-BAS, about 100 frames, ACER"].measured is None
    assert rows["protocol 1, with flow, 5 frames, per clip, ACER"].measured == 0
    assert rows["protocol 1, without flow, 5 frames, per window, APCER"].measured == pytest.approx(50)
    assert rows["protocol 1, without flow, 5 frames, per window, APCER"].reported == 0.65
    claim = rows["protocol 1: flow minus none, 5 frames, 3 seeds, per clip, ACER"]
    assert claim.measured == pytest.approx(-25)
    assert claim.bootstrap is not None
    assert claim.bootstrap.high < 0
    for word in (Split.TEST, Split.DEVELOPMENT):
        (tmp_path / Member(fold="protocol-1", flow=True, seed=1).name / f"{word}.csv").unlink()
    fewer = {row.name: row for row in ito("ito-4", data=f"siw:{tmp_path}", out=tmp_path, only_done=True)}
    assert "protocol 1: flow minus none, 5 frames, 2 seeds, per clip, ACER" in fewer, (
        "of the seeds that both sides have"
    )
    assert not any("protocol 2," in name and "FAS-BAS" not in name for name in rows), "its networks are not there"


def test_nothing_there_and_unknown_tables_are_refused(tmp_path):
    with pytest.raises(UsageError, match="leave --only-done out"):
        ito("ito-2", data=f"siw:{tmp_path}", out=tmp_path, only_done=True)
    with pytest.raises(UsageError, match="a table among ito-2"):
        ito("ito-9", data="siw:x", out=tmp_path)


def test_a_table_is_trained_once_and_its_scores_are_kept(tmp_path, monkeypatch):
    windows = windows_of(12, seed=3)
    parts = [[row for row in windows.samples if int(row.subject) % 3 == k] for k in range(3)]
    fold = PresentationFold(name="protocol 1", train=tuple(parts[0]), development=tuple(parts[1]), test=tuple(parts[2]))
    entry = Entry(name="protocol 1, mine", protocol=1, like=Member(fold="", frames=2, flow=False))
    monkeypatch.setattr(study, "TABLES", {"mine": [entry]})
    monkeypatch.setattr(study, "read_clips", lambda *_, **__: (windows.samples, ""))
    monkeypatch.setattr(study, "read_presentations", lambda _: windows.samples)
    monkeypatch.setattr(study, "cut_set", lambda *_, **__: windows)
    monkeypatch.setattr(study, "folds_of", lambda _: {"protocol-1": fold})
    said: list[str] = []
    base = replace(TINY, epochs=1, batch_size=4)
    first = study.ito("mine", data="siw:x", out=tmp_path, base=base, say=said.append)
    assert is_done(tmp_path / entry.members[0][0].name)
    assert said[0] == "0 of 1 networks are there"
    assert [row.name for row in first][:3] == [f"protocol 1, mine, per window, {word}" for word in FIGURES]
    again = study.ito("mine", data="siw:x", out=tmp_path, base=base, say=said.append)
    assert "1 of 1 networks are there" in said
    assert [row.measured for row in again] == [row.measured for row in first]
