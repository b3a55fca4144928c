"""The defence's tables in small, on random projections: screen, attacker who knows it, gallery."""

import numpy as np
import pytest
import torch

from countenance.attacks.universal import UniversalOptimizer
from countenance.errors import UsageError
from countenance.recipes import amada, universal, universal_defence
from countenance.recipes.universal import open_study
from countenance.recipes.universal_defence import adaptive_plans, differentiable_shift, filled_gallery
from countenance.score_formats import read_scores
from countenance.screening import Roles, calibrate_screen, examine

pytestmark = pytest.mark.usefixtures("standing_in")


def halves(subjects, **_):
    """Every other photograph is a stranger."""
    rows = np.arange(len(subjects))
    return Roles(rows[::2], rows[1::2])


@pytest.fixture
def small(monkeypatch, universal_people):
    """Few steps, few plans, and a screen that twelve photographs set at a false-alarm rate of a tenth."""
    monkeypatch.setattr(amada, "BUDGETS", (8, 16))
    monkeypatch.setattr(universal_defence, "BUDGETS", (8, 16))
    for module in (universal, amada):
        monkeypatch.setattr(module, "MILESTONES", (2, 4))
    monkeypatch.setattr(universal_defence, "ADAPTIVE_STEPS", 4)
    monkeypatch.setattr(universal_defence, "ADAPTIVE_MILESTONES", (1, 2))
    monkeypatch.setattr(universal_defence, "ADAPTIVE_WEIGHTS", (1.0,))
    monkeypatch.setattr(universal_defence, "lfw_beside_view_1", lambda _root: list(universal_people.unseen))
    monkeypatch.setattr(universal_defence, "assign_roles", halves)

    def loose(cohort, calibration, subjects, **known):
        return calibrate_screen(cohort, calibration, subjects, **known, false_alarms=0.1)

    monkeypatch.setattr(universal_defence, "calibrate_screen", loose)
    monkeypatch.setattr("countenance.screening.COHORT_LEAST", 4)


def counted(rows):
    return sum(row.count.trials for row in rows)


@pytest.mark.usefixtures("small")
def test_the_screen_and_who_knows_it(tmp_path):
    with pytest.raises(UsageError, match="a screened recogniser"):
        universal_defence.universal_defence("uax-screen", data="lfw:x", out=tmp_path, only_done=True)
    amada.amada("uax-white-box", data="lfw:x", out=tmp_path)
    said: list[str] = []
    rows = universal_defence.universal_defence("uax-screen", data="lfw:x", out=tmp_path, say=said.append)
    alarms = [row for row in rows if "false alarms" in row.name]
    assert [row.name for row in alarms] == [f"{name}: false alarms of the screen" for name in ("sface", "facenet")]
    assert all(row.count is not None and row.count.trials == 46 for row in alarms)
    shown = [row for row in rows if row.name.startswith("sface: examples of an FMR")]
    assert counted(shown) == 14, "2 seeds; 3 optimizers at 8 / 255, 2 at 16 / 255, and of each the paper's for longer"
    knowing = [row for row in rows if row.name.startswith("sface: examples of an attacker who knows")]
    assert counted(knowing) == 6, "the seeds, three milestones, at the largest budget and one weight"
    table = read_scores(tmp_path / "screen-sface.csv")
    assert int(table.is_positive.sum()) == 46
    again = universal_defence.universal_defence("uax-screen", data="lfw:x", out=tmp_path, only_done=True)
    assert [row.as_json() for row in again] == [row.as_json() for row in rows]


@pytest.mark.usefixtures("small")
def test_the_audit_of_a_filled_gallery(tmp_path, monkeypatch):
    monkeypatch.setattr(universal_defence, "PLANTED_FROM", 1.01)
    with pytest.raises(UsageError, match="10 examples of an FMR of 101% or more after 16 steps; came 0"):
        universal_defence.universal_defence("uax-audit", data="lfw:x", out=tmp_path)
    study = open_study("lfw:x", tmp_path / "study", ("sface",), seeds=2)
    planted = study.victims["sface"].train.templates[:3]
    gallery, is_planted = filled_gallery(study, study.chips["seeds"], planted, name="sface", size=300)
    assert (len(gallery), int(is_planted.sum())) == (300, 3)
    assert np.linalg.norm(gallery.templates, axis=1) == pytest.approx(1)
    assert np.array_equal(gallery.templates[is_planted], planted)
    with pytest.raises(UsageError, match="a larger gallery"):
        filled_gallery(study, study.chips["seeds"], planted, name="sface", size=20)
    monkeypatch.setattr(universal_defence, "PLANTED_FROM", 0.0)
    found, false = universal_defence.universal_defence("uax-audit", data="lfw:x", out=tmp_path)
    assert found.count is not None
    assert false.count is not None
    assert (found.count.trials, false.count.trials) == (10, 99_990)
    assert "most memory" in found.note


def test_the_attackers_shift_is_the_screens(standing_in, tmp_path):
    study = open_study("lfw:x", tmp_path / "study", ("sface",), seeds=2)
    measured = examine(study.seeds, standing_in("sface")).shifts.mean(1)
    pictures = torch.from_numpy(study.seeds).permute(0, 3, 1, 2).float() / 255
    pictures.requires_grad_()
    ours = differentiable_shift(vars(universal)["differentiable"]("sface"))(pictures)
    assert ours.detach().numpy() == pytest.approx(measured, rel=0.1)
    (gradient,) = torch.autograd.grad(ours.sum(), pictures)
    assert float(gradient.abs().sum()) > 0


def test_plans_of_who_knows_the_screen():
    plans = adaptive_plans("sface")
    assert {plan.recipe.optimizer for plan in plans} == {UniversalOptimizer.COUNT}
    assert all(plan.recipe.diversity and plan.recipe.penalty_weight > 0 for plan in plans)
    assert len({plan.folder for plan in plans}) == len(plans)


def test_what_cannot_be_asked(tmp_path):
    with pytest.raises(UsageError, match="a table among uax-screen"):
        universal_defence.universal_defence("uax-9", data="lfw:x", out=tmp_path)
    with pytest.raises(UsageError, match="whose people can be divided"):
        universal_defence.universal_defence("uax-screen", data="vggface2:x", out=tmp_path)
