"""The tables of FaceLiveNet: counts, networks that are taught by others than they judge, scores that are kept."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from countenance import trained_facelivenet
from countenance.checkpoints import read_checkpoint, write_checkpoint
from countenance.datasets.ck_plus import read as read_ck_plus
from countenance.drawn_sets.expression_sets import plan_ck_plus, plan_fer2013, plan_oulu_casia, plan_sfew
from countenance.drawn_sets.verification_sets import plan_lfw, plan_ytf
from countenance.errors import DataError, ProtocolMismatch, UsageError
from countenance.faces.detection import Face
from countenance.networks.facelivenet import OFFICIAL, BranchVariant, FaceLiveNet, narrowed
from countenance.protocols.authentication_pairs import TABLE_7
from countenance.protocols.expression_accuracy import TABLE_5
from countenance.recipes import facelivenet_expression, ming_expressions, ming_members, ming_verification
from countenance.recipes.facelivenet_expression import ExpressionRecipe
from countenance.recipes.ming import SETS, image_counts, ming
from countenance.recipes.ming_authentication import FOLD, TABLE_6, drawn_pairs
from countenance.recipes.ming_expressions import TABLE_1, folded
from countenance.recipes.ming_members import CK_EIGHT, CK_SIX, SIX, Sitting
from countenance.recipes.ming_verification import TABLE_3
from countenance.reproduction import MING, reproduce
from countenance.trained_facelivenet import LAYOUTS, facelivenet_state

TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
QUICK = ExpressionRecipe(epochs=1, batch_size=32, norm_momentum=0.1)
PLANS = {
    "ck-plus": lambda: plan_ck_plus(subjects=20),  # two people in each fold, 53 sequences
    "oulu-casia": lambda: plan_oulu_casia(subjects=10),
    "fer2013": lambda: plan_fer2013(subjects=10),
    "sfew": lambda: plan_sfew(subjects=6),
    "lfw": lambda: plan_lfw(subjects=20),
    "ytf": lambda: plan_ytf(subjects=20, frames_each=2),
}


class WholePicture:
    """A detector to whom every picture is a face that fills it."""

    def detect(self, image):
        height, width = image.shape[:2]
        return [Face((0.0, 0.0, float(width), float(height)), np.zeros((5, 2), np.float32), 1.0)]


@pytest.fixture(scope="module", autouse=True)
def _small():
    """A tiny layout, a quick recipe and a detector that searches nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_facelivenet, "LAYOUTS", {**LAYOUTS, "tiny": TINY})
        patch.setattr(ming_verification, "ALWAYS", ())
        for recipe in ("FER_RECIPE", "FEW_RECIPE"):
            patch.setattr(ming_members, recipe, QUICK)
        for module, name in (
            (facelivenet_expression, "released_detector"),
            (ming_members, "detector"),
            (ming_verification, "released_detector"),
        ):
            patch.setattr(module, name, WholePicture)
        yield


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    """The folder of a first stage that has learnt nothing."""
    folder = tmp_path_factory.mktemp("stage") / "one"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = FaceLiveNet(TINY)
    write_checkpoint(folder, "best", facelivenet_state(network))
    return str(folder)


@pytest.fixture(scope="module")
def roots(drawn_once):
    """A function that draws a set once and returns its root."""
    return drawn_once(PLANS)


@pytest.fixture(scope="module")
def named(roots):
    """A function that names sets as a command line does."""
    return lambda *names: ",".join(f"{name}:{roots(name)}" for name in names)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder that all tables share."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def authenticated(named, initial, runs):
    """Table VII of CK+, and with it the ten networks of eight expressions."""
    return ming("facelivenet-7", data=named("ck-plus"), out=runs, initial=initial)


def by_name(rows):
    found = {row.name: row for row in rows}
    assert len(found) == len(rows), "each row has a name of its own"
    return found


def test_the_names_are_those_of_the_door():
    assert tuple(SETS) == MING


def test_parameters_are_counted_in_networks_that_are_built():
    rows = by_name(reproduce("facelivenet-2"))
    measured = {
        name.removesuffix(", millions of parameters"): (row.reported, row.measured) for name, row in rows.items()
    }
    assert measured == {
        "FaceLiveNet, as released": (1.31, 13.065399),
        "FaceLiveNet, slim": (1.31, 1.31151),
        "FaceLiveNet, full": (None, 26.209719),
        "VGG16": (138, 138.357544),
        "AlexNet": (60, None),
        "FaceNet": (7.5, None),
        "davidsandberg's facenet": (None, 22.779312),
    }


def test_images_are_counted_beside_the_printed_numbers(named, roots):
    rows = by_name(reproduce("facelivenet-4", data=named("ck-plus", "oulu-casia", "sfew", "fer2013")))
    assert (rows["ck-plus, happy, images"].reported, rows["ck-plus, happy, images"].measured) == (147, 33)
    assert "207" in rows["ck-plus, happy, images"].note
    assert rows["oulu-casia, neutral, images"].reported is None
    assert rows["oulu-casia, sad, images"].measured == 30
    assert "oulu-casia, contempt, images" not in rows
    assert sum(row.measured for name, row in rows.items() if name.startswith("sfew")) == 42, "both lists"
    assert sum(row.measured for name, row in rows.items() if name.startswith("fer2013")) == 56, "Training alone"
    assert all(row.data.startswith("drawn data") for row in rows.values())
    alone = image_counts({"sfew": roots("sfew")})
    assert [row.name for row in alone] == [name for name in rows if name.startswith("sfew")]


def test_pairs_are_counted_by_quadrant(named, roots):
    rows = by_name(reproduce("facelivenet-6", data=named("ck-plus")))
    alone = [row for row in rows.values() if f"fold {FOLD} of ten" in row.name]
    assert sorted(row.reported for row in alone) == sorted(TABLE_6["ck-plus"].values())
    people = [("S009", "S010")]
    pairs = drawn_pairs("ck-plus", read_ck_plus(roots("ck-plus")), [*[people[0]] * FOLD])[FOLD - 1]
    assert sum(row.measured for row in alone) == len(pairs)
    assert {pair.reference.subject for pair in pairs} == set(people[0])
    together = [row for row in rows.values() if "all ten folds" in row.name]
    assert len(together) == 4
    assert all(row.reported is None for row in together)
    assert sum(row.measured for row in together) > sum(row.measured for row in alone)


def test_whom_a_network_judges_has_taught_it_nothing(authenticated, roots, runs, initial):
    sitting = Sitting(sets={"ck-plus": roots("ck-plus")}, out=runs, initial=initial, only_done=True)
    found = folded(CK_EIGHT, sitting)
    assert found is not None
    assert len(found.identifiers) == len(read_ck_plus(roots("ck-plus")))
    assert [len(people) for people in found.people] == [2] * 10
    folders = sorted((runs / CK_EIGHT.folder).glob("fold-*"))
    faces = [read_checkpoint(folder, "chosen").card["data"]["faces"] for folder in folders]
    tested = [int(np.sum(found.folds == number)) for number in range(1, 11)]
    assert [each["test"] for each in faces] == tested
    assert all(sum(each.values()) == len(found.identifiers) for each in faces)
    assert authenticated


def test_authentication_stands_beside_the_published_figures(authenticated):
    rows = by_name(authenticated)
    for word, value in TABLE_7["ck-plus"].items():
        row, whole = rows[f"ck-plus, {word}"], rows[f"ck-plus, {word}, all ten folds"]
        assert (row.reported, whole.reported) == (value, None)
        assert "fold 5 of ten" in row.data
        assert row.data.startswith("drawn data: ck-plus")
        assert "first stage" in row.data
        assert row.count.trials < whole.count.trials
        assert whole.bootstrap is not None
    quadrants = [
        row for name, row in rows.items() if name.endswith("person, required expression, acc_g, all ten folds")
    ]
    assert len(quadrants) == 2
    assert sum(row.count.trials for name, row in rows.items() if "expression, acc_g" in name) == (
        rows["ck-plus, acc_g, all ten folds"].count.trials
    )
    accepted = rows["ck-plus, same person, required expression, accepted, all ten folds"].measured
    assert rows["ck-plus, wrongly refused, all ten folds"].measured == pytest.approx(100 - accepted)


def test_what_is_kept_is_read_and_anothers_refused(authenticated, named, runs, initial, tmp_path, monkeypatch):
    def again(out, **changes):
        return ming("facelivenet-7", **{"data": named("ck-plus"), "out": out, "initial": initial} | changes)

    monkeypatch.setattr(ming_expressions, "ten_folds", None)  # whoever asks for it fails
    assert again(runs, only_done=True) == authenticated
    copy = tmp_path / "runs"
    shutil.copytree(runs / CK_EIGHT.folder, copy / CK_EIGHT.folder)
    pairs = copy / CK_EIGHT.folder / "pairs.csv"
    pairs.write_text(pairs.read_text().replace("S001_001_00000001", "S001_001_00000002"))
    with pytest.raises(ProtocolMismatch, match="came those of others"):
        again(copy)
    pairs.unlink()
    with pytest.raises(UsageError, match=r"networks or scores of facelivenet-7 in .*came none of them"):
        again(copy, only_done=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        write_checkpoint(tmp_path / "other", "best", facelivenet_state(FaceLiveNet(TINY)))
    with pytest.raises(UsageError, match=r"others \(initial\); name another folder"):
        again(copy, initial=str(tmp_path / "other"))
    (copy / CK_EIGHT.folder / "judged.json").write_text("{}")
    with pytest.raises(DataError, match="what ten folds judged"):
        again(copy)


def test_each_variant_of_branch_2_by_ten_folds(authenticated, named, initial, runs, monkeypatch):
    assert authenticated  # its maps are there
    assert {len(row) for row in TABLE_1.values()} == {len(BranchVariant)}
    monkeypatch.setattr(ming_expressions, "TABLE_1", {"ck-plus": {BranchVariant.BLOCK5_X1: 90.5}})
    (row,) = ming("facelivenet-1", data=named("ck-plus"), out=runs, initial=initial)
    assert (row.name, row.reported) == ("ck-plus, block5 x1", 90.5)
    assert "mean of 10 folds" in row.note
    begun = read_checkpoint(runs / "ck-plus-six-expressions-block5-x1" / "fold-01", "chosen").card
    assert begun["recipe"]["variant"] == "block5 x1"
    assert begun["data"]["expressions"] == [str(expression) for expression in SIX]
    assert ming("facelivenet-1", data=named("ck-plus"), out=runs, initial=initial, only_done=True) == [row]
    assert replace(CK_SIX, variant=BranchVariant.BLOCK5_X2).folder == CK_SIX.folder, "table V has the same network"


def test_expressions_of_each_set_with_their_figures(authenticated, named, initial, runs):
    options = {"data": named("sfew", "fer2013"), "out": runs, "initial": initial}
    rows = by_name(reproduce("facelivenet-5", **options))
    assert list(rows) == ["sfew", "sfew, taught by fer2013 too", "fer2013"]
    assert {name: row.reported for name, row in rows.items()} == {name: TABLE_5[name] for name in rows}
    assert all(row.count.trials == row_trials for row, row_trials in zip(rows.values(), (14, 14, 7), strict=True))
    for name in ("sfew", "sfew-taught-by-fer2013-too", "fer2013"):
        assert "drawn data" in (runs / f"confusion-{name}.svg").read_text()
    assert (runs / "faces.png").stat().st_size > 1_000
    assert reproduce("facelivenet-5", only_done=True, **options) == list(rows.values())
    eight = by_name(reproduce("facelivenet-5", only_done=True, **{**options, "data": named("ck-plus")}))
    assert list(eight) == ["ck-plus, eight expressions"], "taught for the pairs; block 5 twice for six is not there"
    assert authenticated
    assert (runs / "confusion-ck-plus-eight-expressions.svg").is_file()


def test_another_recipe_is_not_taken_for_this_one(named, initial, runs, monkeypatch):
    ming("facelivenet-5", data=named("sfew"), out=runs, initial=initial)
    monkeypatch.setattr(ming_members, "FEW_RECIPE", replace(QUICK, seed=1))
    with pytest.raises(UsageError, match=r"others \(recipe\); name another folder: --out"):
        ming("facelivenet-5", data=named("sfew"), out=runs, initial=initial, only_done=True)


def test_faces_are_verified_by_the_folds_that_are_there(roots, initial, tmp_path):
    root = tmp_path / "lfw"
    shutil.copytree(roots("lfw"), root)
    pairs = (root / "pairs.txt").read_text().splitlines()
    late = {line.split()[0] for line in pairs[1 + len(pairs) // 2 :]}
    for person in late:
        shutil.rmtree(next(root.glob(f"*/{person}")))
    options = {"data": f"lfw:{root}", "out": tmp_path / "runs", "initial": initial}
    rows = by_name(ming("facelivenet-3", **options))
    assert {name: row.reported for name, row in rows.items() if row.measured is None} == {
        f"FaceLiveNet ({learnt}), lfw": values["lfw"] for learnt, values in TABLE_3.items()
    }
    row = rows[f"{initial}, lfw, folds 1-5"]
    assert "mean of 5 folds" in row.note
    assert row.data.startswith("drawn data")
    (kept,) = (tmp_path / "runs").glob("lfw-*.csv")
    assert {line.split(",")[-2] for line in kept.read_text().splitlines()[1:]} == set("12345")
    assert ming("facelivenet-3", **options, only_done=True) == list(rows.values())
    with pytest.raises(UsageError, match="scores of facelivenet-3"):
        ming("facelivenet-3", **{**options, "out": tmp_path / "elsewhere"}, only_done=True)
    kept.write_text("id,subject,presentation,species,split,score\na,A,bona_fide,,test,0.5\n")
    with pytest.raises(DataError, match="the similarities of pairs in"):
        ming("facelivenet-3", **options)


def test_videos_are_verified_by_the_mean_and_as_released(named, initial, tmp_path, monkeypatch):
    monkeypatch.setattr(ming_verification, "LEARNT_FROM", {initial: "CASIA-WebFace"})
    rows = by_name(ming("facelivenet-3", data=named("ytf"), out=tmp_path, initial=initial))
    assert rows[f"{initial}, ytf, mean of frames, ten folds"].reported is None, "the paper's are not of that protocol"
    assert rows[f"{initial}, ytf, single frames in shuffled folds, as released, ten folds"].reported == 94.88
    assert len(list(tmp_path.glob("ytf-*.csv"))) == 2


@pytest.mark.parametrize(
    ("table", "data", "words"),
    [
        ("facelivenet-8", None, "a table among facelivenet-1"),
        ("facelivenet-1", None, "expected a set: ck-plus:ROOT or oulu-casia:ROOT; came none"),
        ("facelivenet-2", "ck-plus:/x", "no set for facelivenet-2; came ck-plus:/x; leave --data out"),
        ("facelivenet-3", "ck-plus:/x", "sets that facelivenet-3 takes, each once: lfw, ytf; came ck-plus"),
        ("facelivenet-4", "lfw:/x", "takes, each once: fer2013, sfew, ck-plus, oulu-casia; came lfw"),
        ("facelivenet-5", "sfew:/x,sfew:/y", "each once.*came sfew, sfew"),
        ("facelivenet-6", "fer2013:/x", "for example --data ck-plus:ROOT"),
        ("facelivenet-7", "nobody:/x", "a data set among"),
        ("facelivenet-7", "ck-plus", "a data set as NAME:ROOT"),
    ],
)
def test_what_a_table_does_not_take(table, data, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        ming(table, data=data, out=tmp_path)


def test_a_first_stage_that_is_not_there(named, tmp_path):
    with pytest.raises(UsageError, match="facenet, or the folder of a FaceLiveNet's run; came 'nowhere'"):
        ming("facelivenet-7", data=named("ck-plus"), out=tmp_path, initial="nowhere")
    with pytest.raises(UsageError, match="a FaceLiveNet: facelivenet-slim"):
        ming("facelivenet-3", data=named("ytf"), out=tmp_path, initial="nowhere")
    with pytest.raises(UsageError, match="networks or scores of facelivenet-1"):
        ming("facelivenet-1", data=named("ck-plus"), out=tmp_path, initial="nowhere", only_done=True)
    with pytest.raises(DataError):
        ming("facelivenet-6", data=f"ck-plus:{tmp_path}", out=tmp_path)
    assert CK_SIX.folder == "ck-plus-six-expressions-block5-x2"
