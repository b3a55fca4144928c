"""Verbs that measure: scores of a set, error rates, thresholds, published tables, speed."""

import json as json_format
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from countenance.errors import UsageError, at_least
from countenance.verbs.answers import ACCEPTED, printed

if TYPE_CHECKING:
    from countenance.metrics.operating_point import OperatingPoint
    from countenance.scores import ComparisonTable, PresentationTable


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
    if not printed(evaluation.as_json(), wanted=json):
        print_evaluation(evaluation)
        if report is not None:
            print(f"The report: {report}")
    return ACCEPTED


def _calibrated_point(path: Path, table: "PresentationTable | ComparisonTable") -> "OperatingPoint":
    """Read a calibration, none of whose rows may be judged by it."""
    from countenance.conformal import read_calibration

    calibration = read_calibration(path)
    calibration.refuse_overlap(table)
    return calibration.point


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
    if not printed({**card, "out": None if out is None else str(out)}, wanted=json):
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
            drawn, with and without PAD), gate-drawn (the whole gate on drawn people), drawn-modalities (trained on
            drawn data) and calibration (of the shipped few-frame network to another camera).
        published: folder of the scores that the table's authors published.
        data: the set to train on as NAME:ROOT; of the facelivenet tables one or several, between commas.
        out: folder of the runs that are trained; goes on where it was stopped.
        initial: folder of the pre-trained trunks that the parkin tables begin from, or the run of the flow network of
            the ito tables, where not those in the package; of facelivenet-1, -5 and -7 the run of the first stage,
            where not facenet; of facelivenet-3 runs to be judged beside facelivenet-full, between commas; of
            facelivenet-attacks and gate-drawn the run of facelivenet-expression, where not facelivenet-slim.
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
    if not printed({"table": table, "rows": [row.as_json() for row in rows]}, wanted=json):
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
    engine: str | None = None,
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
        engine: of folders that export wrote, which run as a network of stills: onnxruntime (the default) or openvino.
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
            options=PresentationOptions(mirror=mirror, precision=precision, members=members, unit=unit, engine=engine),
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
    if not printed(card, wanted=json):
        print(words)
        print(f"The table: {out}")
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
    if not printed({"results": [result.as_json() for result in results]}, wanted=json):
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


def bench_gate(
    *,
    policy: str = "rgb",
    workers: int = 2,
    challenge: str | None = None,
    few: int = 5,
    sessions: int = 50,
    many: int = 200,
    seconds: float = 300.0,
    side_seconds: float = 30.0,
    json: bool = False,
) -> int:
    """Load a served gate with drawn people who show one frame a second each: few, many at once, too many, few again.

    The service is started for it with a database of its own. The clients run beside it on the same machine.

    Args:
        policy: of the gate, as serve has it.
        workers: threads of the gate that judge.
        challenge: actions that challenges are drawn from, as serve has it.
        few: people at once before and after.
        sessions: people at once in the long phase.
        many: people at once beyond what the gate can do.
        seconds: of the long phase.
        side_seconds: of each other phase.
        json: print one JSON object.
    """
    from countenance.bench.gate import Load
    from countenance.bench.gate import bench_gate as load_gate
    from countenance.console import print_table, speaker

    load = Load(
        policy=policy,
        workers=workers,
        challenge=challenge,
        few=few,
        sessions=sessions,
        many=many,
        seconds=seconds,
        side_seconds=side_seconds,
    )
    done = load_gate(load, say=speaker("bench"))
    if not printed(done.as_json(), wanted=json):
        print_table(
            ("phase", "people", "frames/s", "p50 s", "p95 s", "p99 s", "503", "sessions/s", "other answers", "MiB"),
            (
                (
                    phase.name,
                    str(phase.clients),
                    f"{phase.frames_per_second:.1f}",
                    *(f"{seconds:.3f}" for seconds in phase.frames.quantiles.values() or (float("nan"),) * 3),
                    f"{phase.shed[0]:.1%}",
                    f"{phase.sessions_per_second:.2f}",
                    "none" if phase.is_clean else "some",
                    "" if phase.memory_mib is None else f"{phase.memory_mib[1]:.0f}",
                )
                for phase in done.phases
            ),
            title=done.label,
        )
        print(f"As before {done.as_json()['recovered_seconds']:.1f} s after the rush")
    return ACCEPTED


def _command() -> str:
    return shlex.join(["countenance", *sys.argv[1:]])
