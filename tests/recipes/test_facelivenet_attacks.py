"""The challenge under attack: drawn once, judged once, and every gate told of every kind of presentation."""

import csv
import shutil
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from countenance import trained_facelivenet
from countenance.checkpoints import write_checkpoint
from countenance.drawn_sets.challenge import plan_challenge
from countenance.errors import DataError, MissingFile, ProtocolMismatch, UsageError
from countenance.faces.detection import Face
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.facelivenet import OFFICIAL, SEVEN, FaceLiveNet, narrowed
from countenance.recipes.facelivenet_attacks import CLIP_PAD, STILL_PAD, AttackRecipe, facelivenet_attacks
from countenance.reproduction import reproduce
from countenance.scores import read_table
from countenance.trained_facelivenet import LAYOUTS, facelivenet_state
from countenance.vocabulary import Expression, Split

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
QUICK = AttackRecipe(subjects=2, development=2, frames=13, size=64)
POINT = OperatingPoint(-1.0, "fmr:0.001", Split.DEVELOPMENT)  # everybody is like everybody
CHANGES: dict[str, Any] = {
    "subjects": 3,
    "development": 3,
    "seed": 1,
    "preset": "easy",
    "required": (Expression.ANGRY, Expression.SAD),
    "frames": 14,
    "size": 96,
}


class WholePicture:
    """A detector to whom every picture is a face that fills it, but for those of one size that it is told to miss."""

    def __init__(self, misses=None):
        self.misses, self.asked = misses, 0

    def detect(self, image):
        self.asked += 1
        height, width = image.shape[:2]
        if self.misses is not None and self.misses(image):
            return []
        return [Face((0.0, 0.0, float(width), float(height)), np.zeros((5, 2), np.float32), 1.0)]


@pytest.fixture(scope="module", autouse=True)
def _tiny():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_facelivenet, "LAYOUTS", {**LAYOUTS, "tiny": TINY})
        yield


@pytest.fixture(scope="module")
def network_at(tmp_path_factory):
    """A function that writes a network that has learnt nothing, and returns its folder."""

    def write(expressions=SEVEN, point=POINT, *, seed=7):
        folder = tmp_path_factory.mktemp("network")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = FaceLiveNet(TINY, expressions)
        write_checkpoint(folder, "best", facelivenet_state(network, point=point, label="drawn data"))
        return str(folder)

    return write


@pytest.fixture(scope="module")
def network(network_at):
    return network_at()


@pytest.fixture(scope="module")
def draw(stand_in):
    """Draws blocks of colour; before a screen infrared and depth see nothing."""

    def drawn(spec):
        clip = stand_in(spec)
        if spec.species.display is None or clip.infrared is None:
            return clip
        return SimpleNamespace(**(vars(clip) | {"infrared": clip.infrared * 0, "depth_view": clip.depth_view * 0}))

    return drawn


@pytest.fixture(scope="module")
def attacked(network, draw, tmp_path_factory):
    """The folder and the rows of a whole run."""
    out = tmp_path_factory.mktemp("attacks") / "run"
    return out, facelivenet_attacks(network, out=out, recipe=QUICK, finder=WholePicture(), draw=draw)


def refuse_to_draw(spec):
    raise AssertionError(spec)


def counts(rows):
    return {row.name: (row.count.count, row.count.trials) for row in rows if row.count is not None}


def decisions(out):
    with next(out.glob("decisions-*.csv")).open() as file:
        return list(csv.DictReader(file))


def test_rows_count_the_decisions(attacked):
    out, rows = attacked
    found, decided = counts(rows), decisions(out)
    assert len(decided) == 2 * 11 + 2 * 2  # each presentation, and each obedient person before the other's reference
    assert sum(each["kind"].startswith("other person") for each in decided) == 4
    assert {row.data for row in rows} == {
        f"drawn data: challenge drawn with seed 707, preset paper, 2 people; {rows[0].data.split('; ')[1]}"
    }
    for gate in (
        "expression alone",
        "challenge alone, card's threshold",
        f"challenge with {CLIP_PAD}, drawn threshold (eer)",
    ):
        for kind in ("print_matte", "neutral print"):
            mine = [each for each in decided if each["kind"] == kind]
            assert found[f"{gate}: IAPAR, {kind}"] == (sum(each[gate] == "1" for each in mine), len(mine)) != (0, 0)
    assert found["verification alone, card's threshold: bona fide, required expression, accepted"] == (4, 4)


def test_no_gate_accepts_more_than_the_challenge_alone(attacked):
    out, _ = attacked
    for each in decisions(out):
        for words in ("card's threshold", "drawn threshold (eer)"):
            for pad in (CLIP_PAD, STILL_PAD):
                assert each[f"challenge with {pad}, {words}"] <= each[f"challenge alone, {words}"]
            assert each[f"challenge alone, {words}"] <= each["expression alone"]


def test_a_screen_that_two_sensors_do_not_see_gets_no_score(attacked):
    out, rows = attacked
    row = next(row for row in rows if row.name == f"{STILL_PAD} alone: APCER, replay_phone")
    assert row.measured is None
    assert "no response to 2 of 2" in row.note
    assert counts(rows)[f"challenge with {STILL_PAD}, card's threshold: IAPAR, replay_phone"] == (0, 2)
    table = read_table(next(out.glob(f"{STILL_PAD}-*.csv")))
    assert table.responded.sum() == 22 - 8
    assert read_table(next(out.glob(f"{CLIP_PAD}-*.csv"))).responded.all()


def test_the_sheet_shows_a_column_for_each_presentation_of_one_person(attacked):
    out, _ = attacked
    with Image.open(next(out.glob("sheet-*.png"))) as sheet:
        assert sheet.width == 112 * (1 + 11)


def test_what_is_there_is_not_done_again(attacked, network, network_at, tmp_path):
    out, rows = attacked
    finder = WholePicture()
    again = facelivenet_attacks(network, out=out, recipe=QUICK, finder=finder, draw=refuse_to_draw, only_done=True)
    assert again == rows
    assert finder.asked == 0
    shutil.copytree(out, tmp_path / "copy")
    other = facelivenet_attacks(
        network_at(seed=8), out=tmp_path / "copy", recipe=QUICK, finder=finder, draw=refuse_to_draw
    )
    assert finder.asked == 2 + 2 * 3 + 22, "another network looks at the faces anew, the PAD networks do not"
    pads = [name for name in counts(rows) if " alone: " in name and "-slim" in name]
    assert {name: counts(other)[name] for name in pads} == {name: counts(rows)[name] for name in pads}


@pytest.fixture
def drawn(attacked, tmp_path):
    """A folder with all but what the network said of the faces."""
    shutil.copytree(attacked[0], tmp_path / "run")
    for file in [*tmp_path.glob("run/faces-*"), *tmp_path.glob("run/decisions-*")]:
        file.unlink()
    return tmp_path / "run"


def test_a_face_that_is_not_found_is_refused_and_counted(network, drawn):
    misses = WholePicture(lambda image: image.shape[0] == 64 and image[:8, :8].mean() < 128)
    rows = facelivenet_attacks(network, out=drawn, recipe=QUICK, finder=misses, draw=refuse_to_draw)
    decided = decisions(drawn)
    silent = [each for each in decided if not each["similarity"]]
    assert silent
    assert not any(flag == "1" for each in silent for gate, flag in each.items() if "alone" in gate or "with" in gate)
    everybody = counts(rows)["challenge alone, card's threshold: bona fide, required expression, accepted"][1]
    assert everybody == sum(each["kind"] == "bona fide, required expression" for each in decided)


def test_a_gate_that_finds_no_reference_has_nobody_to_attack(network, drawn):
    blind = WholePicture(lambda _: True)
    with pytest.raises(MissingFile, match="a reference with a face"):
        facelivenet_attacks(network, out=drawn, recipe=QUICK, finder=blind, draw=refuse_to_draw)


@pytest.mark.parametrize("name", [field.name for field in fields(AttackRecipe) if field.name != "rule"])
def test_every_number_of_the_recipe_changes_what_is_drawn(name):
    def card(recipe):
        told = {field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name != "rule"}
        return plan_challenge(**told).set.card()

    assert card(replace(QUICK, **{name: CHANGES[name]})) != card(QUICK)


def test_the_rule_chooses_the_second_threshold(attacked, network):
    out, _ = attacked
    recipe = replace(QUICK, rule="fmr:0.5")
    rows = facelivenet_attacks(network, out=out, recipe=recipe, finder=WholePicture(), draw=refuse_to_draw)
    assert any(row.name.startswith("challenge alone, drawn threshold (fmr:0.5): ") for row in rows)


@pytest.mark.parametrize(
    ("expressions", "point", "words"),
    [
        ((), POINT, "does not know happy, surprise; train its second branch"),
        ((Expression.HAPPY, Expression.SAD), POINT, "does not know surprise"),
        (SEVEN, None, "states a threshold of verification"),
    ],
)
def test_a_network_that_cannot_be_asked_is_refused_before_anything_is_drawn(
    network_at, tmp_path, expressions, point, words
):
    folder = network_at(expressions, point)
    with pytest.raises(UsageError, match=words):
        facelivenet_attacks(folder, out=tmp_path / "run", recipe=QUICK, draw=refuse_to_draw)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_other_presentations_is_refused(attacked, network, tmp_path):
    out, _ = attacked
    with pytest.raises(UsageError, match="holds another drawn set"):
        facelivenet_attacks(network, out=out, recipe=replace(QUICK, seed=9), draw=refuse_to_draw)
    with pytest.raises(UsageError, match="leave --only-done out"):
        facelivenet_attacks(network, out=out, recipe=replace(QUICK, seed=9), only_done=True)
    with pytest.raises(UsageError, match="leave --only-done out"):
        facelivenet_attacks(network, out=tmp_path / "none", recipe=QUICK, only_done=True)


@pytest.mark.parametrize("kept", ["faces", CLIP_PAD, STILL_PAD])
def test_what_is_damaged_is_refused(attacked, network, kept):
    out, _ = attacked
    mark = next(out.glob("decisions-*")).stem.removeprefix("decisions-")
    file = next(out.glob(f"{kept}-{mark}.npz" if kept == "faces" else f"{kept}-*"))
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[: len(whole) // 2] if kept == "faces" else b"\n".join(whole.splitlines()[:4]) + b"\n")
        with pytest.raises((DataError, ProtocolMismatch), match="delete it"):
            facelivenet_attacks(network, out=out, recipe=QUICK, finder=WholePicture(), draw=refuse_to_draw)
    finally:
        file.write_bytes(whole)


def test_the_table_takes_no_set(tmp_path):
    with pytest.raises(UsageError, match="draws its own presentations; came ck-plus:x; leave --data out"):
        reproduce("facelivenet-attacks", data="ck-plus:x", out=tmp_path)
    with pytest.raises(UsageError, match="a FaceLiveNet"):
        reproduce("facelivenet-attacks", initial=tmp_path / "nothing", out=tmp_path)
