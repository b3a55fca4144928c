"""Crafting on real people's photographs, in small: stand-ins for the recognisers, drawn pictures for the people."""

import json
from dataclasses import replace

import numpy as np
import pytest

from countenance.attacks.universal import UniversalOptimizer, UniversalRecipe
from countenance.errors import DataError, UsageError
from countenance.faces.chip import CHIP
from countenance.images import read_image
from countenance.recipes import amada as tables
from countenance.recipes import universal
from countenance.recipes.universal import attack, craft_examples, done_examples, folder_name, measure, open_study
from countenance.released import label

pytestmark = pytest.mark.usefixtures("standing_in")


@pytest.fixture
def study(tmp_path):
    return open_study("lfw:anywhere", tmp_path / "study", ("sface", "mobilefacenet"), seeds=2)


SIGN = UniversalRecipe(epsilon=16 / 255, iterations=6, optimizer=UniversalOptimizer.SIGN)


def test_the_study_is_cut_and_embedded_once(study, tmp_path, monkeypatch):
    def never(_name):
        raise AssertionError("embedded twice")

    monkeypatch.setattr(universal, "chip_embedder", never)
    again = open_study("lfw:anywhere", tmp_path / "study", ("sface", "mobilefacenet"), seeds=2)
    assert again.digest == study.digest
    assert again.seeds.shape == (2, CHIP, CHIP, 3)
    victim = again.victims["sface"]
    assert (len(victim.train), len(victim.unseen), len(victim.seeds)) == (46, 24, 2)
    assert np.array_equal(victim.train.templates, study.victims["sface"].train.templates)


def test_a_file_of_ones_own_is_attacked_under_a_name_of_its_own(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"not looked at by the stand-in")
    source = f"ir-se50:{file}"
    universal.refuse_without_gradients([source])
    study = open_study("lfw:anywhere", tmp_path / "study", (source,), seeds=2)
    (name,) = study.victims
    assert name == label(source)
    done = attack(study, [name], SIGN, tmp_path / "out")
    assert [row.name for row in done.study.victims.values()] == [name]
    assert done.measured[0].crafted_on == (name,)
    assert (tmp_path / "out" / f"{name}-16-sign").is_dir()


def test_pictures_lie_in_their_ball_as_files_and_reach_what_noise_does_not(study, tmp_path):
    (found,) = craft_examples(study, ["sface"], SIGN, tmp_path / "run")
    files = [read_image(tmp_path / "run" / "examples-6" / f"uax-{k}.png") for k in range(2)]
    assert np.array_equal(np.stack(files), found.pictures)
    moved = np.abs(found.pictures.astype(int) - study.seeds)
    assert 0 < moved.max() <= 16
    noisy = np.random.default_rng(0).choice([-16, 16], study.seeds.shape)
    noise = replace(found, pictures=np.clip(study.seeds.astype(int) + noisy, 0, 255).astype(np.uint8))
    ours, theirs = measure(study, found, "sface"), measure(study, noise, "sface")
    before = float((study.victims["sface"].seeds.templates @ study.victims["sface"].train.templates.T).mean())
    assert ours.mean_cosine > before + 0.05
    assert abs(theirs.mean_cosine - before) < 0.05
    quality = found.quality(study)
    assert all(levels <= 16 for levels in quality["levels"])
    assert all(value > 20 for value in quality["psnr"])


def test_no_budget_changes_nothing(study, tmp_path):
    for optimizer in UniversalOptimizer:
        recipe = replace(SIGN, epsilon=0.0, optimizer=optimizer, batch_size=4)
        (found,) = craft_examples(study, ["sface"], recipe, tmp_path / optimizer)
        assert np.array_equal(found.pictures, study.seeds)


def test_fewer_steps_are_the_first_of_more_and_a_killed_run_goes_on(study, tmp_path):
    class KilledError(Exception):
        pass

    def kill(done, _total):
        if done == 5:
            raise KilledError

    with pytest.raises(KilledError):
        craft_examples(study, ["sface"], SIGN, tmp_path / "cut", milestones=(3,), progress=kill)
    assert [each.iterations for each in done_examples(study, ["sface"], SIGN, tmp_path / "cut", milestones=(3,))] == [3]
    cut = craft_examples(study, ["sface"], SIGN, tmp_path / "cut", milestones=(3,))
    whole = craft_examples(study, ["sface"], SIGN, tmp_path / "whole", milestones=())
    assert [each.iterations for each in cut] == [3, 6]
    assert np.array_equal(cut[-1].pictures, whole[-1].pictures)
    short = craft_examples(study, ["sface"], replace(SIGN, iterations=3), tmp_path / "short")
    assert np.array_equal(cut[0].pictures, short[0].pictures)


def test_what_lies_in_a_folder_is_what_was_asked_for(study, tmp_path):
    craft_examples(study, ["sface"], SIGN, tmp_path / "run")
    with pytest.raises(UsageError, match=r"those of another one \(recipe\)"):
        craft_examples(study, ["sface"], replace(SIGN, epsilon=8 / 255), tmp_path / "run")
    picture = tmp_path / "run" / "examples-6" / "uax-1.png"
    picture.write_bytes((picture.parent / "uax-0.png").read_bytes())
    with pytest.raises(DataError, match="the pictures that were written"):
        craft_examples(study, ["sface"], SIGN, tmp_path / "run")
    (picture.parent / "card.json").write_text("{}")
    with pytest.raises(DataError, match="the card of examples"):
        craft_examples(study, ["sface"], SIGN, tmp_path / "run")


def test_a_black_box_is_not_attacked_from_inside(study, tmp_path):
    with pytest.raises(UsageError, match=r"recognisers with gradients: sface, facenet, .*; came mobilefacenet"):
        craft_examples(study, ["mobilefacenet"], SIGN, tmp_path)
    with pytest.raises(UsageError, match="came none"):
        universal.refuse_without_gradients([])
    with pytest.raises(UsageError, match="recogniser of chips"):
        open_study("lfw:x", tmp_path, ["arcface"])
    with pytest.raises(UsageError, match="a set of faces: lfw or vggface2"):
        open_study("siw:x", tmp_path, ["sface"])


def test_a_campaign_and_its_transfer(tmp_path):
    study = open_study("lfw:x", tmp_path / "study", ("sface", "facenet", "mobilefacenet"), seeds=2)
    done = attack(study, ["sface", "facenet"], SIGN, tmp_path / "out")
    card = json.loads(json.dumps(done.as_json()))
    assert [(row["name"], row["crafted_on"]) for row in card["targets"]] == [
        ("sface", ["sface"]),
        ("facenet", ["facenet"]),
    ]
    assert card["transfer"]["crafted_on"] == ["sface", "facenet"]
    assert card["transfer"]["judged_on"] == ["sface", "facenet", "mobilefacenet"]
    assert np.array(card["transfer"]["fmr_unseen"]["eer"]).shape == (2, 3)
    assert set(card["targets"][0]["fmr_after"]["test"]) == {"eer", "1e-2", "1e-3", "1e-4"}
    together = attack(study, ["sface", "facenet"], SIGN, tmp_path / "out", together=True)
    assert [row.judged_on for row in together.targets] == ["sface", "facenet"]
    assert {row.crafted_on for row in together.measured} == {("sface", "facenet")}


def test_the_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MILESTONES", (2, 4))
    monkeypatch.setattr(universal, "MILESTONES", (2, 4))
    monkeypatch.setattr(tables, "BUDGETS", (8,))
    with pytest.raises(UsageError, match="expected examples in"):
        tables.amada("uax-white-box", data="lfw:x", out=tmp_path, only_done=True)
    said: list[str] = []
    rows = tables.amada("uax-white-box", data="lfw:x", out=tmp_path, say=said.append)
    names = [row.name for row in rows]
    assert "sface, 8/255, paper, 4 steps: FMR at FMR 1e-3, unseen people" in names
    assert not any("count, 4 steps" in name or "sign, 4 steps" in name for name in names)
    # EER and ceiling of three; recognisers, optimizers, the paper's for longer, and facenet once more in float32
    assert len(rows) == 6 + (2 * (3 + 1) + 1) * 6
    assert all(row.reported is None for row in rows)
    assert [row.name for row in tables.amada("uax-white-box", data="lfw:x", out=tmp_path, only_done=True)] == names
    seen: list[tuple[str, universal.Measured]] = []
    black = tables.amada(
        "uax-black-box", data="lfw:x", out=tmp_path, shown=lambda plan, measured: seen.append((plan.name, measured))
    )
    matrices = universal.transfer_matrices(seen)
    assert [matrix.rates.shape for matrix in matrices.values()] == [(4, 3)]
    assert not np.isnan(matrices[2].rates).any()
    assert matrices[2].judged_by == ["sface", "facenet", "mobilefacenet"]
    assert any("shown to mobilefacenet" in row.name for row in black)
    assert any(row.name.startswith(tables.ENSEMBLE) for row in black)


def test_names_of_folders_tell_what_is_not_default():
    assert folder_name(["sface"], SIGN) == "sface-16-sign"
    assert folder_name(["sface", "facenet"], replace(SIGN, iterations=9, seed=3)) == "sface+facenet-16-sign-seed=3"


@pytest.mark.parametrize("text", ["-1/255", "2", "8/0", "a", "", "nan", "1/2/3"])
def test_budgets_that_are_none(text):
    with pytest.raises(UsageError, match="a budget from 0 to 1"):
        universal.parse_epsilon(text)


def test_budgets():
    assert universal.parse_epsilon("8/255") == 8 / 255
    assert universal.parse_epsilon(" 0.03 ") == 0.03
    assert universal.parse_epsilon("0") == 0
