"""The command line: exit status, one line for what a user got wrong, one JSON object, help in a moment."""

import io
import json
import struct
import subprocess
import sys
import time
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import countenance
from countenance import authentication, cli, demonstration, explanation, gate_demonstration
from countenance.cli import VERBS, main
from countenance.drawn_sets.casia_surf import plan
from countenance.errors import MissingFile
from countenance.faces.detection import Face
from countenance.images import read_image
from countenance.synthesis.scene import draw_clip

HEAD = "id,subject,presentation,species,split,score\n"
GOOD = HEAD + "".join(
    f"a{i},s{i},bona_fide,,test,{0.5 + i / 100}\nb{i},t{i},attack,print,test,{i / 100}\n" for i in range(40)
)
BAD_TABLES = {
    "empty": ("", "expected a header and at least one row"),
    "0 rows": (HEAD, "came 0 rows"),
    "NaN": (HEAD + "a,s,bona_fide,,test,nan\nb,t,attack,print,test,0.1\n", "expected a finite score in row 2"),
    "infinity": (HEAD + "a,s,bona_fide,,test,0.2\nb,t,attack,print,test,-inf\n", "expected a finite score in row 3"),
    "unknown label": (HEAD + "a,s,alive,,test,0.4\n", "expected bona_fide or attack in row 2"),
    "one class only": (HEAD + "a,s,bona_fide,,test,0.9\n", "expected scores of both classes"),
    "missing column": ("id,score\na,0.4\n", "without subject, presentation, species, split"),
    "duplicated id": (GOOD + "a1,s1,bona_fide,,test,0.4\n", "expected each id once; came 'a1' 2 times"),
    "Windows line ends": (GOOD.replace("\n", "\r\n"), "expected Unix line ends"),
}


def huge_png() -> bytes:
    """A valid header of 30,000 x 30,000 pixels, and next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def picture(kind: str, mode: str = "RGB", **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, len(mode)), dtype=np.uint8)
    image, content = Image.fromarray(pixels, mode="CMYK") if mode == "CMYK" else Image.fromarray(pixels), io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def moving_webp() -> bytes:
    frames = [Image.fromarray(np.full((32, 32, 3), value, dtype=np.uint8)) for value in (0, 255)]
    content = io.BytesIO()
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:], duration=100)
    return content.getvalue()


BAD_PICTURES = {
    "empty file": (lambda: b"", "expected"),
    "text named .jpg": (lambda: b"not a picture", "JPEG, PNG, WebP or BMP"),
    "truncated JPEG": (lambda: picture("JPEG")[:500], "expected"),
    "huge PNG": (huge_png, "30,000 x 30,000"),
    "CMYK": (lambda: picture("JPEG", mode="CMYK"), "CMYK"),
    "animated": (moving_webp, "animated"),
}


def refused(arguments, capsys):
    """Run a verb that must exit 2 with an empty stdout and one line on stderr; return that line."""
    status = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("countenance: expected ")
    assert said.err.count("; ") >= 2, "a message says what was expected, what came, and what to do"
    return said.err


def printed(arguments, capsys, *, statuses=(0, 1)):
    status = main([*map(str, arguments), "--json"])
    assert status in statuses
    return json.loads(capsys.readouterr().out) | {"status": status}


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / "good.csv"
    path.write_text(GOOD)
    return path


@pytest.fixture
def with_detector(pulled):
    pulled("yunet")


@pytest.fixture
def with_weights(pulled):
    for name in ("yunet", "minifasnet_v2", "minifasnet_v1se", "sface"):
        pulled(name)


@pytest.mark.parametrize("json_wanted", [False, True])
@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_refused_in_one_line(name, json_wanted, tmp_path, capsys):
    content, words = BAD_TABLES[name]
    path = tmp_path / "scores.csv"
    path.write_bytes(content.encode())
    report = tmp_path / "report.html"
    assert words in refused(["evaluate", path, "--report", report, *["--json"] * json_wanted], capsys)
    assert list(tmp_path.iterdir()) == [path], "nothing is half written"


def test_score_files_of_different_lengths_are_refused(scores, tmp_path, capsys):
    shorter = tmp_path / "short.csv"
    shorter.write_text(GOOD.rsplit("\n", 2)[0] + "\n")
    assert "expected 80 rows in each score file" in refused(["evaluate", scores, shorter], capsys)


@pytest.mark.parametrize("json_wanted", [False, True])
@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_is_refused_in_one_line(name, json_wanted, tmp_path, capsys):
    make, words = BAD_PICTURES[name]
    path = tmp_path / "photo.jpg"
    path.write_bytes(make())
    assert words in refused(["check", path, *["--json"] * json_wanted], capsys)
    assert words in refused(["verify", path, path, *["--json"] * json_wanted], capsys)


@pytest.mark.parametrize("verb", ["check", "evaluate"])
def test_a_folder_and_a_missing_file_are_refused(verb, tmp_path, capsys):
    assert "the folder" in refused([verb, tmp_path], capsys)
    assert "no file at" in refused([verb, tmp_path / "missing"], capsys)


@pytest.mark.usefixtures("with_detector")
def test_no_face_is_refused(tmp_path, capsys):
    path = tmp_path / "wall.png"
    Image.fromarray(np.full((240, 320, 3), 128, dtype=np.uint8)).save(path)
    assert "face" in refused(["check", path], capsys)


@pytest.mark.usefixtures("with_detector")
def test_two_faces_are_refused(data_folder, tmp_path, capsys):
    one = read_image(data_folder / "minifasnet" / "image_T1.jpg")
    path = tmp_path / "two.png"
    Image.fromarray(np.concatenate([one, one], axis=1)).save(path)
    assert "2 faces" in refused(["check", path], capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reproduce", "parkin-9"], "expected a table among parkin-3"),
        (["reproduce", "facelivenet-1"], "expected a set: ck-plus:ROOT or oulu-casia:ROOT; came none"),
        (["reproduce", "facelivenet-2", "--data", "lfw:x"], "no set for facelivenet-2; came lfw:x"),
        (["reproduce", "uax-white-box"], "expected a set: lfw:ROOT; came none"),
        (["reproduce", "uax-white-box", "--data", "siw:x", "--out", "x"], "expected a set of faces: lfw or vggface2"),
        (["attack", "uax", "--target", "sface", "--data", "lfw:x", "--out", "x", "--epsilon", "-1/255"], "from 0 to 1"),
        (["attack", "uax", "--target", "sface", "--data", "lfw:x", "--out", "x", "--epsilon", "2"], "from 0 to 1"),
        (["attack", "uax", "--target", "sface", "--data", "lfw:x", "--out", "x", "--epsilon", "8/0"], "came '8/0'"),
        (["attack", "uax", "--target", "sface", "--data", "lfw:x", "--out", "x", "--optimizer", "x"], "an optimizer:"),
        (["attack", "uax", "--target", "mobilefacenet", "--data", "lfw:x", "--out", "x"], "recognisers with gradients"),
        (["attack", "uax", "--target", "--data", "lfw:x", "--out", "x"], "recognisers with gradients"),
        (["reproduce", "ito-2"], "expected a set: siw:ROOT; came none"),
        (["reproduce", "ito-2", "--data", "casia-surf:/", "--out", "x"], "expected a set of clips: siw:ROOT"),
        (["reproduce", "ito-2", "--data", "siw:x", "--sheets", "y"], "came ito-2 and siw:x"),
        (["train", "fewframe-slim", "--data", "lfw:/", "--out", "x"], "expected a set of clips: siw:ROOT"),
        (["train", "fewframe-slim", "--data", "siw:/", "--out", "x", "--loss", "hinge"], "expected loss among cross-"),
        (["train", "fewframe-slim", "--data", "siw:/", "--out", "x", "--choice", "last"], "came --choice"),
        (["reproduce", "parkin-3"], "no folder"),
        (
            ["reproduce", "parkin-3", "--published", "x", "--sheets", "y"],
            "a parkin table and a set whose samples are shown, with --sheets",
        ),
        (["bench", "nonsense"], "expected benchmarks among P10, P11, P12, P13, P14, P15, P16, P17, facelivenet"),
        (["score", "sface", "--data", "lfw", "--out", "x.csv"], "expected a data set as NAME:ROOT"),
        (["score", "nobody", "--data", "lfw:/", "--out", "x.csv"], "expected one of yunet"),
        (["score", "--data", "lfw:/", "--out", "x.csv"], "expected a network to score with"),
        (
            ["score", "sface", "--data", "manifest:/", "--out", "x.csv"],
            "or the folder of a run; came the network 'sface'",
        ),
        (["score", "sface", "--data", "lfw:/", "--mirror", "--out", "x.csv"], "expected a set of presentations"),
        (
            ["train", "resnet", "--data", "manifest:/", "--out", "x"],
            "expected a recipe: slim-pad, gate-slim, mlfa-slim",
        ),
        (
            ["train", "slim-pad", "--data", "manifest:/", "--out", "x", "--modalities", "x"],
            "expected modalities among rgb, infrared",
        ),
        (["train", "slim-pad", "--data", "manifest:/", "--out", "x", "--epochs", "0"], "expected epochs of at least 1"),
        (["reproduce", "drawn-modalities"], "expected a set: casia-surf:ROOT; came none; draw one"),
        (["weights", "pull"], "expected names of weights"),
        (["weights", "pull", "nobody"], "nobody"),
        (["check", "photo.jpg", "--model", "sface"], "expected a network for presentation attack detection"),
        (["expression"], "expected a photograph; came none"),
        (["expression", "x.jpg", "--model", "sface"], "expected a FaceLiveNet: facelivenet-slim, facelivenet-full"),
        (["train", "facelivenet-expression", "--data", "lfw:/", "--out", "x"], "expected sets of expressions"),
        (["evaluate"], "expected a score file"),
        (["synthesize", "imagenet", "--out", "x"], "expected a set that is drawn"),
        (["synthesize", "siw", "--out", "x", "--subjects", "7"], "expected 15, 50, 165 subjects"),
        (["nonsense"], "expected a verb: demo, synthesize"),
        ([], "came nothing"),
        (["weights"], "expected a verb: weights list, weights pull, weights verify"),
        (["check"], "Missing from countenance check"),
        (["evaluate", "x.csv", "--bogus"], "--bogus"),
        (["evaluate", "x.csv", "--bootstrap", "q"], "Error parsing --bootstrap"),
        (["evaluate", "x.csv", "--rule", "eer", "--threshold", "0.5"], "leave --rule out"),
        (["evaluate", "x.csv", "--bona-fide-label", "0"], "expected --labels"),
        (["evaluate", "x.csv", "--operating-point", "p", "--threshold", "1"], "leave --operating-point out"),
        (["calibrate"], "Missing from countenance calibrate"),
        (["calibrate", "x.csv", "--out", "x.csv"], "to write elsewhere than an input"),
        (["evaluate", "x.csv", "--development"], "--development alone"),
        (["demo", "--seed", "-1"], "expected seed of at least 0"),
        (["bench", "--rounds", "0"], "expected rounds of at least 1"),
        (["score", "sface", "--data", "lfw:/", "--threads", "0", "--out", "x.csv"], "expected threads of at least 1"),
        (["score", "sface", "--data", "lfw:/", "--folds", "1-99999999999", "--out", "x.csv"], "folds 1 to 10"),
        (["score", "sface", "--data", "lfw:/", "--out", "/"], "to be able to write /"),
        (["check", "photo.jpg", "--model", "minifasnet-v2"], "minifasnet-v2, one of a pair"),
        (["check", "photo.jpg", "--depth", "d.png"], "came no infrared; add --infrared FILE"),
        (["check", "photo.jpg", "--depth", "a", "--depth=b"], "each option once; came --depth twice"),
        (["check", "photo.jpg", "--depth", "d.png", "--model", "minifasnet"], "expected a photograph alone"),
        (["check", "photo.jpg", "--depth", "d.png", "--missing", "x"], "a policy: refuse or subset"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(arguments, words, capsys):
    assert words in refused(arguments, capsys)


def test_a_report_never_overwrites_what_it_reads(scores, tmp_path, capsys):
    card = tmp_path / "good.json"
    assert "to write elsewhere than an input" in refused(["evaluate", scores, "--report", scores], capsys)
    card.write_text(GOOD)
    assert "to write elsewhere" in refused(["evaluate", card, "--report", tmp_path / "good.html"], capsys)
    assert scores.read_text() == card.read_text() == GOOD
    assert "a folder or no right" in refused(["evaluate", scores, "--report", tmp_path], capsys)


def test_damaged_weights_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path))
    damaged = tmp_path / "weights" / "face_detection_yunet_2023mar_int8bq.onnx"
    damaged.parent.mkdir()
    damaged.write_bytes(b"something else")
    assert "damaged: yunet" in refused(["weights", "verify", "--json"], capsys)


def test_a_crash_is_no_decision(monkeypatch, capsys):
    def crash(_arguments):
        raise RuntimeError("a defect")

    monkeypatch.setattr(cli, "main", crash)
    with pytest.raises(SystemExit) as stopped:
        cli.run()
    assert stopped.value.code not in {0, 1, 2}
    assert "a defect of ours" in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"countenance {countenance.__version__}\n"


def test_evaluate_prints_the_fixed_keys(scores, capsys):
    card = printed(["evaluate", scores], capsys)
    assert {"counts", "eer", "auc", "tpr_at_fpr", "apcer_worst", "apcer_pooled", "bpcer", "acer"} < set(card)
    assert set(card["tpr_at_fpr"]) == {"1e-2", "1e-3", "1e-4"}
    assert set(card["bpcer_at_apcer"]) == {"0.1", "0.05", "0.01"}
    assert set(card["threshold"]) == {"value", "rule", "split"}
    assert card["tuned_on_test"] is True
    assert not {"apcer_worst", "apcer_pooled", "bpcer", "acer", "hter"} & set(card["headline"])


def test_evaluate_prints_a_table_and_what_the_size_can_show(scores, capsys):
    assert main(["evaluate", str(scores)]) == 0
    said = capsys.readouterr().out
    assert "APCER, worst species (print)" in said
    assert "described" in said
    assert "40 attack presentations without one false accept would show FPR < 7.22 %" in said


def test_evaluate_takes_the_threshold_from_development_scores(scores, tmp_path, capsys):
    development = tmp_path / "development.csv"
    rows = [f"d{i},s{i},bona_fide,,,{0.453 + i / 90}\ne{i},t{i},attack,print,,{0.007 + i / 90}\n" for i in range(40)]
    development.write_text(HEAD + "".join(rows))
    card = printed(["evaluate", scores, "--development", development, "--rule", "apcer:0.1"], capsys)
    assert card["threshold"]["split"] == "development"
    assert card["threshold"]["rule"] == "apcer:0.1"
    assert card["tuned_on_test"] is False
    assert {"apcer_worst", "bpcer"} <= set(card["headline"])


@pytest.fixture
def calibration_scores(tmp_path):
    """Thirty people before another camera, who score lower there, and an attack."""
    path = tmp_path / "camera.csv"
    rows = "".join(f"c{i},u{i % 20},bona_fide,,,{0.4 + i / 70}\n" for i in range(30))
    path.write_text(HEAD + rows + "d,u,attack,print,,0.9\n")
    return path


def test_a_camera_is_calibrated_and_judged(scores, calibration_scores, tmp_path, capsys):
    point, report = tmp_path / "point.json", tmp_path / "report.html"
    card = printed(["calibrate", calibration_scores, "--out", point], capsys)
    assert (card["value"], card["rule"], card["split"]) == (0.4, "conformal:0.05", "development")
    assert (card["units"], card["rank"], card["attacks"], card["bpcer"]) == (30, 1, 1, 0.05)
    assert "rows" not in card
    assert main(["evaluate", str(scores), "--operating-point", str(point), "--report", str(report)]) == 0
    assert "0.4 by rule conformal:0.05, from development" in capsys.readouterr().out
    assert "refused with a probability of at most 5.00 %" in " ".join(report.read_text().split())
    after = printed(["evaluate", scores, "--operating-point", point], capsys)
    before = printed(["evaluate", scores, "--threshold", "0.6"], capsys)
    assert after["bpcer"] == 0 < before["bpcer"]
    assert {"apcer_worst", "bpcer"} <= set(after["headline"])


def test_a_calibration_is_told_in_words(calibration_scores, capsys):
    assert main(["calibrate", str(calibration_scores), "--bpcer", "0.1", "--confidence", "0.95"]) == 0
    said = capsys.readouterr().out
    assert "threshold 0.4: score 1 from below of 30, one for each video; with a confidence of 95%" in said
    assert "attacks, ignored: 1" in said
    assert printed(["calibrate", calibration_scores, "--by", "subject"], capsys)["units"] == 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--confidence", "0.95"], "at least 59 bona fide scores, a video each, for a BPCER of 0.05 with confidence"),
        (["--by", "subject", "--bpcer", "0.01"], "at least 99 bona fide scores, a subject each"),
        (["--by", "room"], "expected a unit: video or subject"),
        (["--bpcer", "5"], "expected a BPCER above 0 and below 1; came 5"),
    ],
)
def test_a_calibration_that_cannot_keep_its_promise_is_refused(options, words, calibration_scores, capsys):
    assert words in refused(["calibrate", calibration_scores, *options], capsys)


def test_a_calibration_does_not_judge_its_own_rows(scores, calibration_scores, tmp_path, capsys):
    point = tmp_path / "point.json"
    printed(["calibrate", calibration_scores, "--out", point], capsys)
    said = refused(["evaluate", calibration_scores, "--operating-point", point], capsys)
    assert "expected rows that did not set the threshold; came 30 that did, such as 'c0'" in said
    assert "expected a calibration in" in refused(["evaluate", scores, "--operating-point", scores], capsys)


def test_evaluate_writes_the_report_and_its_card(scores, tmp_path, capsys):
    report = tmp_path / "out" / "report.html"
    card = printed(["evaluate", scores, "--threshold", "0.45", "--report", report], capsys)
    assert "<html" in report.read_text()
    written = json.loads(report.with_suffix(".json").read_text())
    assert written["eer"] == card["eer"]
    assert card["threshold"] == {"value": 0.45, "rule": "given", "split": None}


def test_comparisons_are_told_by_their_header(tmp_path, capsys):
    path = tmp_path / "pairs.csv"
    rows = [f"p{i},r{i},q{i},{i % 2},{i // 20},{(i % 2) / 2 + i / 200}\n" for i in range(60)]
    path.write_text("id,reference,probe,mated,fold,score\n" + "".join(rows))
    card = printed(["evaluate", path], capsys)
    assert set(card["tmr_at_fmr"]) == {"1e-2", "1e-3", "1e-4"}
    assert set(card["accuracy"]) >= {"mean", "std", "folds"}
    assert len(card["accuracy"]["folds"]) == 3


def test_networks_and_weights_are_listed(capsys):
    networks = printed(["networks", "list"], capsys)["networks"]
    assert all({"name", "parameters", "inputs", "source"} <= set(row) for row in networks)
    parameters = {row["name"]: row["parameters"] for row in networks}
    assert len(parameters) == len(networks)
    assert parameters["yunet"] == 53_104
    assert (parameters["mlfa-resnet34"], parameters["mlfa-ir50"], parameters["sef-resnet18"]) == (
        61_059_520,
        99_335_552,
        13_336_410,
    )
    assert {"feathernet-a", "feathernet-b", "facebagnet", "mlfa-slim"} <= parameters.keys()
    weights = printed(["weights", "list"], capsys)["weights"]
    assert {"yunet", "sface", "minifasnet_v2", "minifasnet_v1se"} <= {row["name"] for row in weights}


def test_the_demo_writes_its_report_and_says_where_the_gate_is_left_out(tmp_path, monkeypatch, capsys):
    def unreachable(*_, **__):
        raise MissingFile(expected="yunet", came="no network", remedy="countenance weights pull yunet")

    monkeypatch.setattr(demonstration, "SUBJECTS", 10)
    monkeypatch.setattr(gate_demonstration, "demonstrate_gate", unreachable)
    card = printed(["demo", "--out", tmp_path], capsys)
    assert set(card) >= {"report", "seconds", "multimodal", "authentication", "universal"}
    assert "drawn data" in (tmp_path / "report.html").read_text()
    assert card["multimodal"]["label"].startswith("drawn data")
    assert card["multimodal"]["network"] == "mlfa-slim"
    assert card["multimodal"]["counts"]["attack"] == 180
    assert card["multimodal"]["ensemble"]["threshold"]["split"] == "development"
    again = (tmp_path / "scores.csv").read_bytes()
    assert (card["authentication"], card["universal"]) == (None, None)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "The gate was left out: expected yunet; came no network" in said
    assert (tmp_path / "scores.csv").read_bytes() == again


@pytest.mark.usefixtures("with_weights")
def test_the_published_samples_are_decided_as_their_authors_say(data_folder, capsys):
    for name, status, score, tolerance in (("F1", 1, 0.22, 0.05), ("F2", 1, 0.0, 0.02), ("T1", 0, 1.0, 0.02)):
        card = printed(["check", data_folder / "minifasnet" / f"image_{name}.jpg"], capsys)
        assert card["status"] == status
        assert card["score"] == pytest.approx(score, abs=tolerance)
        assert card["bona_fide"] is (status == 0)
        assert card["reasons"] == ([] if status == 0 else ["presentation_attack"])
        assert card["threshold"] == 0.5


def noise_clip(path, recorded):
    return recorded(path, np.random.default_rng(0).integers(0, 256, (20, 96, 128, 3), np.uint8))


def test_a_clip_is_decided_on_and_explained(tmp_path, capsys, monkeypatch, clip_run, recorded):
    clip, run = noise_clip(tmp_path / "clip.mp4", recorded), str(clip_run(threshold=-1.0))
    found = [Face((40.0, 20.0, 40.0, 50.0), np.zeros((5, 2), np.float32), 0.9)]
    for module in (authentication, explanation):
        monkeypatch.setattr(module, "detector", lambda _: SimpleNamespace(detect=lambda _: found))
    card = printed(["check", clip, "--model", run, "--windows", 3], capsys)
    assert card["status"] == 0
    assert {"score", "threshold", "bona_fide", "reasons", "model", "windows", "notes", "truncated", "label"} <= set(
        card
    )
    assert (card["bona_fide"], card["reasons"], card["label"]) == (True, [], "drawn data")
    assert len(card["windows"]) == 3
    assert card["score"] == pytest.approx(np.mean([window["score"] for window in card["windows"]]))
    assert main(["check", str(clip), "--model", str(clip_run(threshold=1.0))]) == 1
    said = capsys.readouterr().out
    assert "*** the network was trained on drawn data" in said
    assert "judged by 8 windows of 0.4 s, 8 of them below the threshold" in said
    card = printed(["explain", clip, clip, "--titles", "a", "b", "--model", run, "--out", tmp_path / "x.png"], capsys)
    assert card["files"] == [str(tmp_path / "x.png")]
    assert len(card["presentations"]) == 2
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.usefixtures("with_detector")
def test_a_bad_clip_is_refused_in_one_line(tmp_path, capsys, clip_run, recorded):
    run, out = str(clip_run()), tmp_path / "x.png"
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "still.mp4").write_bytes(picture("JPEG"))
    clip = noise_clip(tmp_path / "clip.mp4", recorded)
    for name, words in (("text.mp4", "a video"), ("still.mp4", "a still picture"), ("clip.mp4", "none in 20 frames")):
        assert words in refused(["check", tmp_path / name, "--model", run], capsys)
        assert words in refused(["explain", tmp_path / name, "--model", run, "--out", out], capsys)
    assert "came mlfa-slim, of pictures" in refused(["check", clip, "--model", "mlfa-slim"], capsys)
    assert "windows of at least 1" in refused(["check", clip, "--model", run, "--windows", 0], capsys)
    assert not out.exists()


def test_three_sensors_are_decided_on(tmp_path, capsys):
    clip = next(clip for clip in plan(subjects=3, frames=1).clips if not clip.species)
    for name, data in zip(("color.jpg", "d.jpg", "i.jpg"), clip.encode(draw_clip(clip.spec)), strict=True):
        (tmp_path / name).write_bytes(data)
    arguments = ["check", tmp_path / "color.jpg", "--depth", tmp_path / "d.jpg", "--infrared", tmp_path / "i.jpg"]
    card = printed(arguments, capsys)
    assert set(card) >= {"score", "threshold", "bona_fide", "reasons", "model", "sensors", "missing", "label"}
    assert (card["model"], card["missing"], card["label"]) == ("mlfa-slim", "refuse", "drawn data")
    assert card["sensors"] == ["rgb", "infrared", "depth"]
    assert card["bona_fide"] is (card["status"] == 0) is (card["score"] >= card["threshold"])
    assert main([*map(str, arguments)]) == card["status"]
    assert "*** the network was trained on drawn data" in capsys.readouterr().out
    for shift in (-0.01, 0.01):  # a camera whose bona fide scores are all just below this one, or just above it
        rows = "".join(f"k{row},u,bona_fide,,,{card['score'] + shift}\n" for row in range(19))
        (tmp_path / "camera.csv").write_text(HEAD + rows)
        printed(["calibrate", tmp_path / "camera.csv", "--out", tmp_path / "point.json"], capsys)
        here = [*arguments, "--operating-point", tmp_path / "point.json"]
        found = printed(here, capsys)
        assert (found["threshold"], found["bona_fide"]) == (card["score"] + shift, shift < 0)
        assert "for which a threshold was set; came the policy" in refused([*here, "--missing", "subset"], capsys)
    Image.new("L", (112, 112)).save(tmp_path / "d.jpg")
    assert "a picture of one grey" in refused(arguments, capsys)


@pytest.mark.usefixtures("with_weights")
def test_a_photograph_is_the_same_person_as_itself(data_folder, capsys):
    same = data_folder / "minifasnet" / "image_T1.jpg"
    card = printed(["verify", same, same], capsys)
    assert card["status"] == 0
    assert card["similarity"] == pytest.approx(1, abs=1e-5)
    assert set(card) >= {"similarity", "threshold", "accepted", "model"}


def test_a_set_is_drawn_looked_at_and_damaged(tmp_path, capsys):
    out, sheet = tmp_path / "surf", tmp_path / "sheet.png"
    drawn = ["synthesize", "casia-surf", "--subjects", 3, "--out", out, "--workers", 1, "--sheet", sheet]
    card = printed(drawn, capsys)
    assert card["status"] == 0
    assert (card["samples"], card["subjects"], card["clips_drawn"]) == (120, 3, 12)
    assert card["seconds"] > 0
    assert sheet.is_file()
    card = printed(["datasets", "check", f"casia-surf:{out}"], capsys)
    assert (card["status"], card["label"], card["missing"], card["unreadable"]) == (0, "drawn data", [], [])
    assert card["counts"]["test/attack/02_e_b"] == 10
    gone, empty = sorted(out.rglob("*.jpg"))[:2]
    gone.unlink()
    empty.write_bytes(b"")
    card = printed(["datasets", "check", f"casia-surf:{out}"], capsys, statuses=[2])
    assert card["missing"] == [str(gone.relative_to(out))]
    assert card["unreadable"][0].startswith(str(empty.relative_to(out)))


def test_an_inspection_is_printed_for_people_too(tmp_path, capsys):
    (tmp_path / "manifest.csv").write_text("id,subject,presentation,species,split,rgb\na,ann,live,,train,a.jpg\n")
    assert main(["datasets", "check", f"manifest:{tmp_path}"]) == 2
    said = capsys.readouterr()
    assert "wrong: line 2: presentation must be one of bona_fide, attack" in said.out
    assert said.err.startswith("countenance: expected the whole manifest set as published; came 1 wrong")


@pytest.mark.parametrize("data", ["imagenet:/data", "lfw:/nowhere/at/all"])
def test_a_look_at_a_set_prints_its_object_whatever_happens(data, capsys):
    card = printed(["datasets", "check", data], capsys, statuses=[2])
    assert set(card) >= {"counts", "missing", "unreadable"}


@pytest.mark.parametrize("arguments", [["--help"], ["evaluate", "--help"], ["weights", "pull", "--help"]])
def test_help_answers_in_under_a_second(arguments):
    started = time.process_time()
    code = "import sys; from countenance.cli import main; main(sys.argv[1:])"
    times = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - started)
    assert done.returncode == 0
    assert "usage: countenance" in done.stdout
    assert min(times) < 1


def test_every_verb_says_what_it_does():
    assert all((verb.__doc__ or "").strip() for verb in VERBS.values())
