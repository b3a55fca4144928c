"""The command line: parse, call one library function, print.

Exit status: 0 done or accepted, 1 refused by a decision verb, 2 wrong usage or wrong input with one line on stderr.
70 means a defect of ours, never a decision.
Libraries are imported inside the verbs, so that ``--help`` answers at once.
"""

import contextlib
import functools
import io
import json as json_format
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import tyro
from tyro.conf import Positional

from countenance.errors import CountenanceError, DigestMismatch, UsageError, at_least
from countenance.files import finite

if TYPE_CHECKING:
    from countenance.metrics.operating_point import OperatingPoint
    from countenance.scores import ComparisonTable, PresentationTable
    from countenance.vocabulary import Decision
    from countenance.weights import WeightStatus

Word = TypeVar("Word", bound=StrEnum)
ACCEPTED, REFUSED, WRONG = 0, 1, 2
DEFECT, INTERRUPTED = 70, 130


def demo(*, out: Path = Path("runs/demo"), seed: int = 0, json: bool = False) -> int:
    """Run the main job end to end on drawn data, without a download, and write one report.

    Args:
        out: folder for the drawn world, the score table, the card and the report.
        seed: makes the drawing repeatable.
        json: print one JSON object.
    """
    from countenance.console import print_evaluation, progress_of, speaker
    from countenance.demonstration import demonstrate

    with progress_of("clips") as progress:
        done = demonstrate(out, seed=seed, progress=progress, say=speaker("demo", quiet=json))
    card = {
        "report": str(done.report),
        "scores": str(done.scores),
        "seconds": done.seconds,
        "multimodal": done.as_json(),
        "authentication": None,
        "universal": None,
    }
    if not _printed(card, wanted=json):
        print_evaluation(done.evaluation)
        if done.ensemble is not None:
            print("\nThree networks that were trained here, on six people, at the threshold of two others:")
            print_evaluation(done.ensemble)
        print(f"The report: {done.report} ({done.seconds:.1f} s)")
    return ACCEPTED


def evaluate(
    scores: Positional[tuple[Path, ...]],
    *,
    development: tuple[Path, ...] | None = None,
    labels: Path | None = None,
    bona_fide_label: str | None = None,
    threshold: float | None = None,
    operating_point: Path | None = None,
    rule: str | None = None,
    report: Path | None = None,
    label: str = "",
    bootstrap: int = 1000,
    seed: int = 0,
    nan_means_no_response: bool = False,
    json: bool = False,
) -> int:
    """Judge score files: ours, bob's CSV, or a challenge's text lines with a label list.

    Args:
        scores: one file, or several of the same rows, which are averaged row by row.
        development: score files that choose the threshold; they hold other rows than those judged.
        labels: the label list that files without labels refer to.
        bona_fide_label: what marks a bona fide row in that list, 1 (as in the challenge) or 0.
        threshold: a fixed threshold instead of one from development scores.
        operating_point: a threshold that countenance calibrate --out wrote.
        rule: how development scores choose it: eer (where none is named), min-hter, max-accuracy, apcer:RATE,
            bpcer:RATE, fpr:RATE, fmr:RATE, fnmr:RATE.
        report: write one self-contained HTML page here, and its JSON card beside it.
        label: printed with every result, such as "drawn data".
        bootstrap: resamples for the intervals over subjects; 0 leaves them out.
        seed: of the bootstrap.
        nan_means_no_response: read NaN in bob's CSV as a failure to acquire.
        json: print one JSON object.
    """
    from countenance.console import print_evaluation, progress_of
    from countenance.evaluation import evaluate as judge
    from countenance.files import refuse_as_target
    from countenance.score_formats import read_label_list, read_scores
    from countenance.scores import mean_of

    if not scores:
        raise UsageError(expected="a score file", came="none", remedy="name one: countenance evaluate scores.csv")
    for given, needs, met in (
        ("--rule", "scores to choose on, without --threshold", rule is None or threshold is None),
        (
            "--operating-point",
            "no other threshold",
            operating_point is None or (threshold, rule, development) == (None, None, None),
        ),
        ("--bona-fide-label", "--labels", bona_fide_label is None or labels is not None),
        ("--development", "a score file", development != ()),
    ):
        if not met:
            raise UsageError(expected=f"{needs}, with {given}", came=f"{given} alone", remedy=f"leave {given} out")
    if report is not None:
        for target in (report, report.with_suffix(".json")):
            read_too = [path for path in (labels, operating_point) if path is not None]
            refuse_as_target(target, inputs=[*scores, *(development or ()), *read_too])
    sources = [str(path) for path in (*scores, *(development or ()))]
    listed = None if labels is None else read_label_list(labels, bona_fide_label=bona_fide_label or "1")

    def read(paths: Sequence[Path]) -> "PresentationTable | ComparisonTable":
        return mean_of(
            [read_scores(path, labels=listed, nan_means_no_response=nan_means_no_response) for path in paths]
        )

    table = read(scores)
    with progress_of("bootstrap resamples") as progress:
        evaluation = judge(
            table,
            development=read(development) if development else None,
            threshold=threshold if operating_point is None else _calibrated_point(operating_point, table),
            rule=rule or "eer",
            resamples=bootstrap,
            seed=seed,
            label=label,
            progress=progress,
        )
    if report is not None:
        from countenance.report.page import write_report

        write_report(evaluation, report, command=_command(), sources=sources)
    if not _printed(evaluation.as_json(), wanted=json):
        print_evaluation(evaluation)
        if report is not None:
            print(f"The report: {report}")
    return ACCEPTED


def calibrate(
    scores: Positional[Path],
    *,
    bpcer: float = 0.05,
    confidence: float | None = None,
    by: str = "video",
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Set a threshold for the camera at hand from bona fide scores alone, so that it refuses no more than promised.

    Args:
        scores: a table of ours that this camera's presentations were scored into; attacks in it are ignored.
        bpcer: the share of further bona fide presentations that may be refused.
        confidence: that this calibration keeps to it, such as 0.95; left out, it is kept to in the mean.
        by: what counts once: video (the mean over its windows; a still is its own) or subject (the lowest of a
            person's videos), which promises for people who have not been seen.
        out: write the operating point here, as JSON for evaluate --operating-point.
        json: print one JSON object.
    """
    from countenance.conformal import calibrate as choose
    from countenance.conformal import words_of
    from countenance.files import refuse_as_target, write_atomically
    from countenance.scores import read_table

    if out is not None:
        refuse_as_target(out, inputs=[scores])
    done = choose(read_table(scores), bpcer=bpcer, confidence=confidence, by=by)
    if out is not None:
        write_atomically(out, json_format.dumps(done.as_json(), indent=2, allow_nan=False) + "\n")
    card = {name: value for name, value in done.as_json().items() if name != "rows"}
    if not _printed({**card, "out": None if out is None else str(out)}, wanted=json):
        print(words_of(done))
        if out is not None:
            print(f"The operating point: {out}")
    return ACCEPTED


def reproduce(
    table: Positional[str],
    *,
    published: Path | None = None,
    data: str | None = None,
    out: Path | None = None,
    initial: str | None = None,
    workers: int = 1,
    only_done: bool = False,
    sheets: Path | None = None,
    json: bool = False,
) -> int:
    """Compute a table of one of the four papers, the paper's value beside the measured one.

    Args:
        table: parkin-3 (from published scores, or trained), parkin-4, parkin-5, parkin-compared (the paper's
            claims as paired differences), parkin-distilled, ito-2, ito-3, ito-4, uax-white-box and uax-black-box
            (universal examples, crafted), uax-screen and uax-audit (their defence), facelivenet-1 to facelivenet-7 (of
            which facelivenet-2 needs no data), facelivenet-attacks (prints, replays and strangers before its challenge,
            drawn, with and without PAD), drawn-modalities (trained on drawn data) and calibration (of the shipped
            few-frame network to another camera).
        published: folder of the scores that the table's authors published.
        data: the set to train on as NAME:ROOT; of the facelivenet tables one or several, between commas.
        out: folder of the runs that are trained; goes on where it was stopped.
        initial: folder of the pre-trained trunks that the parkin tables begin from, or the run of the flow network of
            the ito tables, where not those in the package; of facelivenet-1, -5 and -7 the run of the first stage,
            where not facenet; of facelivenet-3 runs to be judged beside facelivenet-full, between commas; of
            facelivenet-attacks the run of facelivenet-expression, where not facelivenet-slim.
        workers: processes that train side by side.
        only_done: of the parkin, ito, uax and facelivenet tables, train nothing more: rows of what is there.
        sheets: of the parkin tables, a folder for pictures of the samples that networks disagree on most and of those
            nearest the threshold.
        json: print one JSON object.
    """
    from countenance.console import print_rows, speaker
    from countenance.reproduction import PARKIN, RUNS, write_sheets
    from countenance.reproduction import reproduce as compute

    if sheets is not None and (data is None or table not in PARKIN):
        raise UsageError(
            expected="a parkin table and a set whose samples are shown, with --sheets",
            came=f"{table} and {data or 'none'}",
            remedy="name it: --data casia-surf:ROOT",
        )
    rows = compute(
        table,
        published=published,
        data=data,
        out=out,
        initial=initial,
        workers=workers,
        only_done=only_done,
        say=speaker("reproduce"),
    )
    if sheets is not None and data is not None:
        write_sheets(data, sheets, runs=out or RUNS)
    if not _printed({"table": table, "rows": [row.as_json() for row in rows]}, wanted=json):
        print_rows(rows)
    return ACCEPTED


def score(
    networks: Positional[tuple[str, ...]],
    *,
    data: str,
    out: Path,
    split: str = "test",
    folds: str | None = None,
    detector: str = "yunet",
    threads: int = 2,
    mirror: bool = False,
    precision: str = "float32",
    members: Path | None = None,
    unit: str | None = None,
    json: bool = False,
) -> int:
    """Score a data set with one or several networks (the mean of their scores) and write the score table.

    Args:
        networks: for pairs names of networks, such as sface, or folders of FaceLiveNets' runs; folders of runs for
            presentations.
        data: the set as NAME:ROOT, such as lfw:/data/lfw.
        out: the score table to write.
        split: train, development or test; for lfw also view1 (train and development).
        folds: of lfw, such as 1-5; all by default.
        detector: yunet or mtcnn, for pairs and for clips.
        threads: processor threads, for pairs.
        mirror: of presentations, the mean over each as it is and mirrored left to right.
        precision: of presentations, float32 or bfloat16, which is faster for full-size networks.
        members: of presentations, a folder for each network's own table.
        unit: of clips, what a row is of: clip (the mean over its windows, the default) or window.
        json: print one JSON object.
    """
    from countenance.bulk import PresentationOptions, run_names
    from countenance.bulk import score as score_set
    from countenance.console import progress_of
    from countenance.files import refuse_as_target
    from countenance.scores import write_table
    from countenance.scoring import ScoringReport

    kept = [] if members is None or not networks else [members / f"{name}.csv" for name in run_names(networks)]
    refuse_as_target(out, inputs=kept)
    with progress_of("images") as progress:
        done = score_set(
            networks,
            data=data,
            split=split,
            folds=folds,
            detect=detector,
            threads=threads,
            options=PresentationOptions(mirror=mirror, precision=precision, members=members, unit=unit),
            progress=progress,
        )
    write_table(done.table, out)
    card: dict[str, object] = {
        "samples": len(done.table),
        "seconds": done.seconds,
        "images_per_second": done.images_per_second,
        "out": str(out),
    }
    words = f"{len(done.table):,} presentations in {done.seconds:.1f} s: {done.images_per_second:.1f} per second"
    if isinstance(done, ScoringReport):
        card |= {
            "images": done.images,
            "pairs_per_second": done.pairs_per_second,
            "without_face": [str(path) for path in done.without_face],
        }
        words = (
            f"{len(done.table):,} comparisons of {done.images:,} images in {done.seconds:.1f} s: "
            f"{done.pairs_per_second:.1f} pairs and {done.images_per_second:.1f} images per second; "
            f"{len(done.without_face)} images without a face"
        )
    if not _printed(card, wanted=json):
        print(words)
        print(f"The table: {out}")
    return ACCEPTED


def train(
    recipe: Positional[str],
    *,
    data: str,
    out: Path,
    epochs: int | None = None,
    batch_size: int | None = None,
    modalities: str | None = None,
    choice: str | None = None,
    fold: str | None = None,
    initial: str | None = None,
    frames: int | None = None,
    loss: str | None = None,
    layout: str | None = None,
    flow: str | None = None,
    teacher: str | None = None,
    teachers: tuple[Path, ...] | None = None,
    precision: str | None = None,
    sensor_dropout: float | None = None,
    devices: str | None = None,
    kept: Path | None = None,
    bona_fide_label: str | None = None,
    seed: int | None = None,
    json: bool = False,
) -> int:
    """Train one network; goes on where a run in the same folder was stopped.

    Args:
        recipe: mlfa-slim, mlfa-released, mlfa-released-two-stage, mlfa-paper, slim-pad, fewframe-slim, fewframe-paper,
            pretraining-sphereface, pretraining-arcface, pretraining-gender, pretraining-distillation, flownets-slim,
            facelivenet-paper, facelivenet-released, facelivenet-distilled, facelivenet-slim-distilled or
            facelivenet-expression.
        data: a set of still presentations as NAME:ROOT, such as casia-surf:/data/CASIA-SURF; siw for fewframe; of faces
            for pretraining, facelivenet-paper and facelivenet-released; any of these for flownets-slim; faces of
            fer2013 and lfw, or of a set of identities, with a comma between them, for a distilled facelivenet; of
            fer2013, ck-plus, oulu-casia or sfew, likewise, for facelivenet-expression.
        out: folder of the run; score takes it as a network.
        epochs: in all, where not the recipe's.
        batch_size: samples in a step, where not the recipe's.
        modalities: the sensors that the network reads, such as rgb,depth; of an mlfa one for each of its branches.
        choice: development (the epoch with the highest AUC there, or on what the fold holds out) or last.
        fold: of casia-surf, attack-1 to attack-3 or subject-1 to subject-5 (the whole training split by default); of
            siw, protocol-1, protocol-2-1 to protocol-2-4, protocol-3-1 or protocol-3-2 (protocol-1 by default).
        initial: pre-trained trunk that an mlfa begins from: sphereface, arcface, distilled, gender (they lie in the
            package), the folder of a run, or a file of yours; first stage of facelivenet-expression: facenet (its
            released weights, the default) or the folder of a FaceLiveNet's run.
        frames: of a few-frame network, 2, 3 or 5.
        loss: of a few-frame network: cross-entropy, contrastive, triplet, arcface, cosface, sphereface,
            arcface+triplet or arcface+contrastive; of facelivenet-paper and facelivenet-released, what is added to the
            softmax loss: class-wise-triplet, class-wise-hinge or centre.
        layout: of these two, official (13 million parameters), slim (1.3 million) or full (facenet's).
        flow: of a few-frame network, the flow encoder beside it: flownets-slim (it lies in the package), the folder
            of a run of that recipe, or a file of yours; none by default.
        teacher: recogniser that pretraining-distillation learns from: sface, facenet or fr_feature.
        teachers: folders of runs whose ensemble an mlfa learns from.
        precision: float32 or bfloat16.
        sensor_dropout: probability that a sample loses a sensor, so that an mlfa can do without one.
        devices: what an mlfa, facelivenet-paper or facelivenet-released is trained on, such as cuda; the processor by
            default.
        kept: folder of what several runs may share: of a distilled facelivenet the views of faces and what facenet says
            of them, of facelivenet-expression what the first stage's trunk sees; below the run's by default.
        bona_fide_label: as for datasets check.
        seed: makes it repeatable.
        json: print one JSON object.
    """
    from countenance.console import progress_of, speaker
    from countenance.files import refuse_as_target
    from countenance.recipes.named import Wishes
    from countenance.recipes.named import train as train_named

    refuse_as_target(out / "last.json")
    wishes = Wishes(
        epochs=epochs,
        batch_size=batch_size,
        modalities=modalities,
        choice=choice,
        bona_fide_label=bona_fide_label,
        fold=fold,
        initial=initial,
        frames=frames,
        loss=loss,
        layout=layout,
        flow=flow,
        teacher=teacher,
        teachers=teachers,
        precision=precision,
        sensor_dropout=sensor_dropout,
        devices=devices,
        kept=kept,
        seed=seed,
    )
    with progress_of("steps") as progress:
        done = train_named(recipe, wishes, data=data, out=out, progress=progress, say=speaker("train"))
    if not _printed(done.as_json(), wanted=json):
        if done.label:
            print(f"*** {done.label} ***")
        print(done.told())
        print(f"The run: {out}")
    return ACCEPTED


def check(
    image: Positional[Path],
    *,
    depth: Path | None = None,
    infrared: Path | None = None,
    missing: str = "refuse",
    model: str | None = None,
    detector: str = "yunet",
    windows: int = 8,
    expression: str | None = None,
    operating_point: Path | None = None,
    json: bool = False,
) -> int:
    """Decide whether a live, bona fide presentation is before the camera (exit 0) or not (exit 1).

    By a photograph alone, by a clip, or by the crops of one face from several sensors, which lie on each other and have
    one size, as a set such as casia-surf stores them. Of a clip, windows of 0.4 s that show the face are judged, and
    the mean of their scores decides.

    Args:
        image: JPEG, PNG, WebP or BMP of one face, or a video such as an MP4; with --depth or --infrared the colour crop
            of the face.
        depth: the depth crop as a grey picture of 8 bits, 0 where nothing was measured.
        infrared: the infrared crop as a grey picture of 8 bits.
        missing: what is done about a sensor that is not named, or whose picture is empty: refuse (exit 2), or subset
            (the network judges by the others, at the threshold that its card states for these).
        model: minifasnet for a photograph alone; mlfa-slim, or the folder of a run, for several sensors; fewframe-slim,
            or the folder of a run, for a clip. By default the one that is named first.
        detector: yunet or mtcnn, for a photograph alone or a clip.
        windows: of a clip, how many are judged at most.
        expression: of a photograph alone, decide by nothing but whether the face shows this one, such as happy, which
            was asked for; the model is facelivenet-slim or the folder of a run of facelivenet-expression. A picture of
            somebody who shows it passes: ask a check without this option as well.
        operating_point: a threshold for this camera and this network, which countenance calibrate --out wrote; by
            default the network's own.
        json: print one JSON object.
    """
    from countenance.authentication import SensorDecision
    from countenance.authentication import check as decide
    from countenance.clip_authentication import ClipDecision
    from countenance.conformal import read_calibration

    if expression is not None:
        if (depth, infrared, operating_point) != (None, None, None) or missing != "refuse":
            raise UsageError(
                expected="a photograph alone, with --expression",
                came="a second picture, a policy on sensors, or a threshold beside it",
                remedy="check the sensors without --expression",
            )
        return _check_expression(image, expression, model, detector, json=json)
    decision = decide(
        image,
        depth=depth,
        infrared=infrared,
        missing=missing,
        model=model,
        detect=detector,
        windows=windows,
        point=None if operating_point is None else read_calibration(operating_point).point,
    )
    names: dict[str, object] = {"score": decision.score, "bona_fide": decision.accepted}
    if isinstance(decision, SensorDecision):
        names |= {"sensors": decision.sensors, "missing": decision.missing, "label": decision.label}
    if isinstance(decision, ClipDecision):
        judged = [{"seconds": each.seconds, "frames": each.frames, "score": each.score} for each in decision.windows]
        names |= {"windows": judged, "notes": decision.notes, "truncated": decision.truncated, "label": decision.label}
    if isinstance(decision, SensorDecision | ClipDecision) and decision.label and not json:
        print(f"*** the network was trained on {decision.label}: it tells nothing about a real camera ***")
    status = _decided(decision, names, words=("bona fide", "attack"), json=json)
    if isinstance(decision, ClipDecision) and not json:
        print("; ".join(decision.notes))
    return status


def _check_expression(image: Path, asked: str, model: str | None, detector: str, *, json: bool) -> int:
    from countenance.expression_reading import check_expression
    from countenance.shipped import FACELIVENET_SLIM

    decision = check_expression(image, asked=asked, model=model or FACELIVENET_SLIM, detect=detector)
    told = {"expression": str(decision.asked), "expressions": [decision.seen.as_json()], "label": decision.label}
    if decision.label and not json:
        print(f"*** the network was trained on {decision.label}: it tells nothing about real faces ***")
    names = {"score": decision.score, "bona_fide": decision.accepted, **told}
    words = (f"{decision.asked}, as asked", f"{decision.seen.expression}, {decision.asked} was asked for")
    return _decided(decision, names, words=words, json=json)


def explain(
    images: Positional[tuple[Path, ...]],
    *,
    out: Path,
    titles: tuple[str, ...] | None = None,
    depth: Path | None = None,
    infrared: Path | None = None,
    model: str | None = None,
    detector: str = "yunet",
    json: bool = False,
) -> int:
    """Show what speaks for bona fide: a sheet of heat maps (Grad-CAM), one for each frame of a clip or each sensor.

    A row for each presentation: three clips, bona fide, printed and displayed, make Figure 4 of the few-frame paper.

    Args:
        images: photographs or clips; with --depth or --infrared one colour crop.
        out: the sheet to write, as PNG.
        titles: what to call each of them; their file names when left out.
        depth: the depth crop, as for check.
        infrared: the infrared crop, as for check.
        model: as for check.
        detector: yunet or mtcnn.
        json: print one JSON object.
    """
    from countenance.explanation import explain as show

    done = show(images, out=out, titles=titles, depth=depth, infrared=infrared, model=model, detect=detector)
    rows = [
        {
            "image": str(image),
            "score": decision.score,
            "threshold": decision.threshold,
            "bona_fide": decision.accepted,
            "model": decision.model,
        }
        for image, decision in zip(images, done.decisions, strict=True)
    ]
    if not _printed({"files": [str(path) for path in done.files], "presentations": rows}, wanted=json):
        print(f"The sheet: {', '.join(map(str, done.files))}")
    return ACCEPTED


def verify(
    a: Positional[Path], b: Positional[Path], *, model: str = "sface", detector: str = "yunet", json: bool = False
) -> int:
    """Decide whether two photographs show the same person (exit 0) or not (exit 1).

    Args:
        a: one photograph.
        b: the other.
        model: a released recogniser, facelivenet-full, or the folder of a FaceLiveNet's run.
        detector: yunet or mtcnn.
        json: print one JSON object.
    """
    from countenance.authentication import verify as decide

    decision = decide(a, b, model=model, detect=detector)
    names = {"similarity": decision.score, "accepted": decision.accepted, "label": decision.label}
    if decision.label and not json:
        print(f"*** the network was trained on {decision.label}: it tells nothing about a real camera ***")
    return _decided(decision, names, words=("the same person", "not the same person"), json=json)


def expression(
    images: Positional[tuple[Path, ...]],
    *,
    model: str = "facelivenet-slim",
    detector: str = "yunet",
    mirror: bool = False,
    json: bool = False,
) -> int:
    """Tell how probable each expression is on the central face of each photograph.

    Args:
        images: photographs.
        model: the folder of a run of facelivenet-expression, or a network in the package.
        detector: yunet or mtcnn.
        mirror: the mean over each face as it is and mirrored left to right.
        json: print one JSON object.
    """
    from countenance.console import percent, print_table
    from countenance.expression_reading import read_expressions

    found = read_expressions(images, model=model, detect=detector, mirror=mirror)
    label = found[0].label
    card = {"expressions": [each.as_json() for each in found], "model": model, "label": label}
    if not _printed(card, wanted=json):
        if label:
            print(f"*** the network was trained on {label}: it tells nothing about real faces ***")
        names = tuple(found[0].probabilities)
        print_table(
            ("photograph", "expression", *names),
            ((str(each.file), each.expression, *map(percent, each.probabilities.values())) for each in found),
        )
    return ACCEPTED


def weights_list(*, json: bool = False) -> int:
    """List the weights that can be pulled, and which of them are here.

    Args:
        json: print one JSON object.
    """
    from countenance.weights import statuses

    return _print_weights(statuses(), json=json)


def weights_pull(names: Positional[tuple[str, ...]], *, mirror: Path | None = None, json: bool = False) -> int:
    """Fetch weights, check their digests and keep them.

    Args:
        names: of weights, as the list prints them.
        mirror: a folder to look in first.
        json: print one JSON object.
    """
    from countenance.console import speaker
    from countenance.weights import pull

    if not names:
        raise UsageError(expected="names of weights", came="none", remedy="see: countenance weights list")
    say = speaker("weights", quiet=json)
    pulled = [
        {"name": name, "file": key, "path": str(path)}
        for name in names
        for key, path in pull(name, mirror=mirror, progress=say).items()
    ]
    if not _printed({"weights": pulled}, wanted=json):
        for row in pulled:
            print(f"{row['file']}: {row['path']}")
    return ACCEPTED


def weights_verify(*, json: bool = False) -> int:
    """Check the digests of all weights that are here; exit 2 when one is damaged.

    Args:
        json: print one JSON object.
    """
    from countenance.weights import verify as verify_all

    return _print_weights(verify_all(), json=json)


def networks_list(*, json: bool = False) -> int:
    """List the networks that have weights, then every architecture: parameters, inputs and source.

    Args:
        json: print one JSON object.
    """
    from countenance.console import print_table
    from countenance.networks.architectures import ARCHITECTURES
    from countenance.networks.catalogue import RECORDS
    from countenance.shipped import CLIP_RECORDS, FACE_LIVE_RECORDS
    from countenance.shipped import RECORDS as SHIPPED

    keys = ("name", "parameters", "task", "inputs", "source")
    released = (*RECORDS, *SHIPPED, *CLIP_RECORDS, *FACE_LIVE_RECORDS)
    names = {record.name for record in released}
    others = (each for each in ARCHITECTURES if each.name not in names)  # a record says more
    listed = (*released, *others)
    rows = [{key: getattr(each, key) for key in keys} for each in listed]
    if not _printed({"networks": rows}, wanted=json):
        print_table(keys, ([f"{row[key]:,}" if key == "parameters" else str(row[key]) for key in keys] for row in rows))
    return ACCEPTED


def datasets_check(data: Positional[str], *, bona_fide_label: str | None = None, json: bool = False) -> int:
    """Look at a whole data set: counts, missing and unreadable files, what contradicts itself; exit 2 unless whole.

    Args:
        data: the set as NAME:ROOT, such as casia-surf:/data/CASIA-SURF.
        bona_fide_label: 0 for casia-surf with the organisers' later protocol lists, which turn the labels round.
        json: print one JSON object, on exit 2 too.
    """
    from countenance.console import print_inspection, progress_of
    from countenance.datasets.inspection import Inspection
    from countenance.datasets.named import inspect_named

    try:
        with progress_of("files") as progress:
            found = inspect_named(data, bona_fide_label=bona_fide_label, progress=progress)
    except CountenanceError as error:
        _printed(Inspection(counts={}, problems=(str(error),)).as_json(), wanted=json)
        raise
    if not _printed(found.as_json(), wanted=json):
        print_inspection(found)
    found.refuse(data.partition(":")[0])
    return ACCEPTED


def synthesize(
    set: Positional[str],  # noqa: A002 - the word that the command line shows
    *,
    out: Path,
    subjects: int | None = None,
    preset: str = "paper",
    seed: int = 0,
    workers: int | None = None,
    sheet: Path | None = None,
    json: bool = False,
) -> int:
    """Draw a data set in the layout and the lists of the published one; goes on where it was stopped.

    Args:
        set: the published set, such as casia-surf or siw.
        out: a new folder, or one in which this set was begun.
        subjects: people in all, shared out in the set's own proportions; the set's default when left out.
        preset: easy, paper or hard.
        seed: makes it repeatable, bit for bit.
        workers: processes; as many as processors when left out.
        sheet: write a contact sheet here, as PNG.
        json: print one JSON object.
    """
    from countenance.console import progress_of
    from countenance.drawn_sets.named import synthesize as draw

    with progress_of("clips") as progress:
        done = draw(
            set,
            out,
            subjects=subjects,
            preset=preset,
            seed=seed,
            workers=workers,
            sheet=sheet,
            progress=progress,
        )
    card = {
        "set": set,
        "samples": done.samples,
        "subjects": done.subjects,
        "seconds": done.seconds,
        "clips": done.clips,
        "clips_drawn": done.drawn,
        "label": "drawn data",
        "out": str(out),
        "sheet": None if sheet is None else str(sheet),
    }
    if not _printed(card, wanted=json):
        print(
            f"{done.samples:,} samples of {done.subjects:,} subjects in {done.seconds:.1f} s "
            f"({done.drawn:,} of {done.clips:,} clips drawn now); drawn data, in {out}"
        )
    return ACCEPTED


def bench(names: Positional[tuple[str, ...]] = (), *, rounds: int = 5, json: bool = False) -> int:
    """Run benchmarks, each beside its peer in the same run.

    Args:
        names: subjects or goals: metrics (P15), loading (P14), synthesis, multimodal (P16, P17), fewframe,
            facelivenet (P10), universal (P11, P12, P13). All by default.
        rounds: counted rounds of each pair.
        json: print one JSON object.
    """
    from countenance.bench.facelivenet import bench_facelivenet
    from countenance.bench.fewframe import bench_fewframe
    from countenance.bench.loading import bench_loading
    from countenance.bench.metrics import bench_metrics
    from countenance.bench.multimodal import bench_multimodal
    from countenance.bench.synthesis import bench_synthesis
    from countenance.bench.timing import BenchmarkResult
    from countenance.bench.universal import bench_universal
    from countenance.console import print_table, speaker

    at_least(1, rounds=rounds)
    known: Mapping[str, Callable[..., list[BenchmarkResult]]] = {
        "metrics": bench_metrics,
        "P15": bench_metrics,
        "loading": bench_loading,
        "P14": bench_loading,
        "synthesis": bench_synthesis,
        "multimodal": bench_multimodal,
        "P16": bench_multimodal,
        "P17": bench_multimodal,
        "fewframe": bench_fewframe,
        "facelivenet": bench_facelivenet,
        "P10": bench_facelivenet,
        "universal": bench_universal,
        "P11": bench_universal,
        "P12": bench_universal,
        "P13": bench_universal,
    }
    if not known.keys() >= {*names}:
        raise UsageError(
            expected=f"benchmarks among {', '.join(sorted(known))}", came=" ".join(names), remedy="name one of them"
        )
    say = speaker("bench")
    wanted = dict.fromkeys(known[name] for name in names or known)
    results = [result for run in wanted for result in run(rounds=rounds, say=say)]
    if not _printed({"results": [result.as_json() for result in results]}, wanted=json):
        print_table(
            ("name", "goal", "ratio", "spread", "ours", "peer", "unit"),
            (
                (
                    result.name,
                    f"{result.goal:g}",
                    f"{result.ratio:.1f}",
                    f"{result.spread[0]:.1f} to {result.spread[1]:.1f}",
                    f"{result.ours:.3f}",
                    f"{result.peer:.3f}",
                    result.unit,
                )
                for result in results
            ),
        )
    return ACCEPTED


def attack_uax(
    *,
    target: tuple[str, ...],
    data: str,
    out: Path,
    black_box: tuple[str, ...] = (),
    epsilon: str = "8/255",
    iterations: int = 500,
    seeds: int | None = None,
    optimizer: str = "paper",
    batch_size: int | None = None,
    learning_rate: float | None = None,
    keep_own: float = 0.0,
    together: bool = False,
    diversity: bool = False,
    precision: str = "float32",
    seed: int = 0,
    json: bool = False,
) -> int:
    """Craft universal adversarial spoofing examples, one face that matches many, and measure what they reach.

    Args:
        target: recognisers whose gradients are followed: facenet, sface, fr_feature, dlib_resnet, or a file of your own
            as ARCHITECTURE:FILE, such as ir-se50:weights.pth.
        data: faces as lfw:ROOT (View 1) or vggface2:ROOT.
        out: a folder; what was crafted in it before is gone on from.
        black_box: recognisers that are only shown the pictures, such as mobilefacenet.
        epsilon: budget of a pixel in [0, 1], such as 8/255.
        iterations: steps.
        seeds: pictures to begin from, one person each; the paper's number of the set when left out.
        optimizer: paper (gradient descent in tanh space), sign (sign of the gradient) or count (ours: counts matches).
        batch_size: training photographs in a step; 0 for all; the optimizer's own when left out.
        learning_rate: of the first step; the optimizer's own when left out.
        keep_own: weight of staying alike to the seed's own person.
        together: craft one set of pictures on all targets at once.
        diversity: show the recognisers the pictures resized, blurred and as JPEG, at random.
        precision: float32 or bfloat16.
        seed: of mini-batches and changes.
        json: print one JSON object.
    """
    from countenance.attack_report import write_attack_report
    from countenance.attacks.universal import Precision, UniversalOptimizer, UniversalRecipe
    from countenance.console import print_matches, progress_of, speaker
    from countenance.recipes.universal import attack, open_study, parse_epsilon, refuse_without_gradients
    from countenance.released import label

    recipe = UniversalRecipe(
        epsilon=parse_epsilon(epsilon),
        iterations=iterations,
        optimizer=_among(UniversalOptimizer, optimizer, "an optimizer"),
        batch_size=batch_size,
        learning_rate=learning_rate,
        keep_weight=keep_own,
        diversity=diversity,
        precision=_among(Precision, precision, "a precision"),
        seed=seed,
    )
    refuse_without_gradients(target)
    say = speaker("attack", quiet=json)
    with progress_of("photographs") as progress:
        study = open_study(data, out / "study", (*target, *black_box), seeds=seeds, progress=progress, say=say)
    targets = [label(name) for name in target]
    with progress_of("steps") as progress:
        done = attack(study, targets, recipe, out, together=together, progress=progress, say=say)
    card = {**done.as_json(), "out": str(out)}
    files = write_attack_report(done, card, out)
    if not _printed(card, wanted=json):
        print_matches(done.measured)
        print(f"The report: {files[0]}, {len(files) - 1} figures beside it")
    return ACCEPTED


def enrol(
    subject: Positional[str],
    images: Positional[tuple[Path, ...]],
    *,
    gallery: Path | None = None,
    model: str = "sface",
    detect: str = "yunet",
    json: bool = False,
) -> int:
    """Enrol a person by photographs of one face each, unless the screen or the gallery is against it.

    Args:
        subject: the name, which nobody of the gallery has yet.
        images: photographs of the person, a template each.
        gallery: its folder; $COUNTENANCE_GALLERY or one among the user's data when left out.
        model: the recogniser.
        detect: the face detector, yunet or mtcnn.
        json: print one JSON object.
    """
    from countenance.enrolment import enrol as take_in
    from countenance.enrolment import gallery_folder

    folder = gallery_folder(gallery)
    done = take_in(subject, images, folder=folder, model=model, detect=detect)
    if not _printed({**done.as_json(), "gallery": str(folder)}, wanted=json):
        print(f"{subject}: " + ("enrolled" if done.accepted else "not enrolled") + f" ({model}, {folder})")
        for reason in done.reasons:
            print(reason.advice)
        if not done.screened:
            print("no screen was asked: calibrate one with countenance screen calibrate", file=sys.stderr)
    return ACCEPTED if done.accepted else REFUSED


def forget(subject: Positional[str], *, gallery: Path | None = None, json: bool = False) -> int:
    """Take a person out of the gallery.

    Args:
        subject: the name.
        gallery: its folder, as for enrol.
        json: print one JSON object.
    """
    from countenance.enrolment import forget as take_out
    from countenance.enrolment import gallery_folder

    left = take_out(subject, folder=gallery_folder(gallery))
    card = {"subject": subject, "accepted": True, "reasons": [], "scores": {}, "people": len(left.people)}
    if not _printed(card, wanted=json):
        print(f"{subject}: forgotten; {len(left.people):,} people are left")
    return ACCEPTED


def gallery_list(*, gallery: Path | None = None, json: bool = False) -> int:
    """List who is in the gallery.

    Args:
        gallery: its folder, as for enrol.
        json: print one JSON object.
    """
    from countenance.console import print_table
    from countenance.enrolment import gallery_folder
    from countenance.gallery import read_gallery

    folder = gallery_folder(gallery)
    found = read_gallery(folder)
    people = [{"subject": name, "templates": count} for name, count in found.people.items()]
    card = {"people": people, "templates": len(found), "model": found.model, "gallery": str(folder)}
    if not _printed(card, wanted=json):
        print_table(("name", "templates"), ((name, str(count)) for name, count in found.people.items()))
    return ACCEPTED


def gallery_audit(
    *, gallery: Path | None = None, threshold: float | None = None, seed: int = 0, json: bool = False
) -> int:
    """Find templates in the gallery that match far too many other people, as planted universal examples do.

    Args:
        gallery: its folder, as for enrol; it holds 50 people at least.
        threshold: of a match; of the gallery's screen when left out, or else the recogniser's own.
        seed: draws whom each template is compared with.
        json: print one JSON object.
    """
    from countenance.console import percent, print_table, progress_of
    from countenance.enrolment import audit_gallery, gallery_folder

    folder = gallery_folder(gallery)
    with progress_of("templates") as progress:
        done = audit_gallery(folder, threshold=threshold, seed=seed, progress=progress)
    card = {
        "accepted": not done.planted,
        "reasons": ["matches_strangers"] if done.planted else [],
        "scores": {f"{each.subject}/{each.template}": each.share for each in done.planted},
        **done.as_json(),
        "gallery": str(folder),
    }
    if not _printed(card, wanted=json):
        rows = ((each.subject, str(each.template), f"{each.matched:,}", percent(each.share)) for each in done.planted)
        if done.planted:
            print_table(("name", "template", "people it matches", "of all others"), rows)
        print(
            f"{len(done.planted):,} of {done.templates:,} templates match {percent(done.limit)} or more of the other "
            f"people ({done.seconds:.1f} s)"
        )
    return ACCEPTED


def screen_calibrate(
    *,
    data: str,
    gallery: Path | None = None,
    model: str = "sface",
    detect: str = "yunet",
    false_alarms: float = 0.001,
    json: bool = False,
) -> int:
    """Calibrate the screen that enrol asks, by genuine photographs of people who are not enrolled.

    Args:
        data: lfw:ROOT (everybody whom View 1 does not name) or vggface2:ROOT (the test people).
        gallery: the folder that the screen is written to, as for enrol; the strangers' templates stay in it.
        model: the recogniser.
        detect: the face detector, yunet or mtcnn.
        false_alarms: the share of genuine photographs that may be refused; 0.001 takes 999 photographs and a hundred
            strangers.
        json: print one JSON object.
    """
    from countenance.console import progress_of
    from countenance.enrolment import calibrate_from, gallery_folder

    folder = gallery_folder(gallery)
    with progress_of("photographs") as progress:
        done = calibrate_from(
            data, folder=folder, model=model, detect=detect, false_alarms=false_alarms, progress=progress
        )
    if not _printed({**done.as_json(), "gallery": str(folder)}, wanted=json):
        print(
            f"a screen for {model} in {folder}: {len(done.cohort):,} strangers; {done.photographs:,} photographs of "
            f"{done.people:,} other people set its threshold, {done.threshold:.3f}; at most {done.false_alarms:.2%} of "
            "further genuine photographs are refused, in the mean over calibrations"
        )
    return ACCEPTED


VERBS: Mapping[str, Callable[..., int]] = {
    "demo": demo,
    "synthesize": synthesize,
    "datasets check": datasets_check,
    "check": check,
    "explain": explain,
    "verify": verify,
    "expression": expression,
    "enrol": enrol,
    "forget": forget,
    "gallery list": gallery_list,
    "gallery audit": gallery_audit,
    "screen calibrate": screen_calibrate,
    "train": train,
    "score": score,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "reproduce": reproduce,
    "attack uax": attack_uax,
    "weights list": weights_list,
    "weights pull": weights_pull,
    "weights verify": weights_verify,
    "networks list": networks_list,
    "bench": bench,
}


def main(arguments: Sequence[str]) -> int:
    """Run one verb; return the exit status.

    Args:
        arguments: without the program's name.
    """
    if list(arguments) == ["--version"]:
        print(f"countenance {metadata.version('countenance')}")
        return ACCEPTED
    try:
        return _parsed(arguments)()
    except CountenanceError as error:
        print(f"countenance: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("countenance: interrupted; nothing was left half written", file=sys.stderr)
        return INTERRUPTED


def _parsed(arguments: Sequence[str]) -> Callable[[], int]:
    """Return the verb with its options bound.

    Raises:
        UsageError: what the parser says, in one line.
    """
    pair = " ".join(arguments[:2])
    words = [pair, *arguments[2:]] if pair in VERBS else list(arguments)  # "weights list" is one verb to the parser
    _refuse_twice(words)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            bound: Callable[[], int] = tyro.extras.subcommand_cli_from_dict(
                {name: _bound(verb) for name, verb in VERBS.items()},
                prog="countenance",
                description="Face authentication that holds up to attack, measured.",
                args=words,
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
            )
    except SystemExit as stopped:
        if stopped.code in {None, 0}:
            raise
        boxed = [re.sub("[─╭╮╰╯│]", " ", line).strip() for line in said.getvalue().splitlines()]
        told = " ".join(line for line in boxed if line).partition("For full helptext")[0]
        verb = words[0] if words and words[0] in VERBS else ""
        group = [name for name in VERBS if words and name.startswith(f"{words[0]} ")]
        raise UsageError(
            expected=f"arguments as in countenance {verb} --help" if verb else f"a verb: {', '.join(group or VERBS)}",
            came=told if verb else " ".join(words) or "nothing",
            remedy="see countenance --help",
        ) from None
    return bound


def _refuse_twice(words: Sequence[str]) -> None:
    """Refuse an option that is named twice, of which the parser would take the last in silence.

    Raises:
        UsageError: naming it.
    """
    options = [word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--") and len(word) > 2]
    if twice := next((option for option in options if options.count(option) > 1), None):
        raise UsageError(expected="each option once", came=f"{twice} twice", remedy="leave one of them out")


def _bound(verb: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """Make the parser bind a verb's options instead of running it."""

    @functools.wraps(verb)
    def bind(*values: Any, **options: Any) -> Callable[[], int]:
        return functools.partial(verb, *values, **options)

    return bind


def run() -> None:
    """The installed program."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        status = ACCEPTED
    except Exception:  # noqa: BLE001 - a crash must not leave with the status that means "refused"
        traceback.print_exc()
        print("countenance: this is a defect of ours; please report it with the lines above", file=sys.stderr)
        status = DEFECT
    sys.exit(status)


def _printed(card: Mapping[str, object], *, wanted: bool) -> bool:
    """Print `card` as one JSON object when it is wanted, and say whether it was."""
    if wanted:
        print(json_format.dumps(finite(card), indent=2, allow_nan=False))
    return wanted


def _among(kinds: type[Word], word: str, what: str) -> Word:
    """Return the member of `kinds` that `word` names.

    Raises:
        UsageError: there is none.
    """
    if word not in [str(kind) for kind in kinds]:
        raise UsageError(expected=f"{what}: {', '.join(kinds)}", came=repr(word), remedy="name one of them")
    return kinds(word)


def _decided(decision: "Decision", names: Mapping[str, object], *, words: tuple[str, str], json: bool) -> int:
    card = {
        **names,
        "threshold": decision.threshold,
        "reasons": [str(reason) for reason in decision.reasons],
        "advice": [reason.advice for reason in decision.reasons],
        "model": decision.model,
    }
    if not _printed(card, wanted=json):
        answer = words[0] if decision.accepted else words[1]
        print(f"{answer}: score {decision.score:.4f}, threshold {decision.threshold:.4f} ({decision.model})")
        for reason in decision.reasons:
            print(reason.advice)
    return ACCEPTED if decision.accepted else REFUSED


def _print_weights(found: Sequence["WeightStatus"], *, json: bool) -> int:
    from countenance.console import print_table
    from countenance.weights import WeightState, record

    keys = ("name", "file", "state", "source", "licence", "path")
    rows = [
        {
            "name": status.name,
            "file": status.key,
            "state": str(status.state),
            "source": str(record(status.name).source),
            "licence": record(status.name).licence_weights,
            "path": str(status.path),
        }
        for status in found
    ]
    damaged = [f"{status.name} ({status.path})" for status in found if status.state is WeightState.DAMAGED]
    if damaged:
        raise DigestMismatch(
            expected="weights as published", came=f"damaged: {', '.join(damaged)}", remedy="pull them again"
        )
    if not _printed({"weights": rows}, wanted=json):
        print_table(keys, ([row[key] for key in keys] for row in rows))
    return ACCEPTED


def _calibrated_point(path: Path, table: "PresentationTable | ComparisonTable") -> "OperatingPoint":
    """Read a calibration, none of whose rows may be judged by it."""
    from countenance.conformal import read_calibration

    calibration = read_calibration(path)
    calibration.refuse_overlap(table)
    return calibration.point


def _command() -> str:
    return shlex.join(["countenance", *sys.argv[1:]])
