"""Verbs that make: the demonstration, drawn sets, trained networks; and what is there to make them of."""

from contextlib import nullcontext
from pathlib import Path

from tyro.conf import Positional

from countenance.errors import CountenanceError
from countenance.verbs.answers import ACCEPTED, printed


def demo(*, out: Path = Path("runs/demo"), seed: int = 0, json: bool = False) -> int:
    """Run the main job end to end on drawn data: judge three sensors and write a report; let people before the gate.

    The detector and the recogniser of the gate are pulled once; where they cannot be had, the gate is left out.

    Args:
        out: folder for the drawn world, the score table, the card, the report, and in `gate` what was seen there.
        seed: makes the drawing repeatable.
        json: print one JSON object.
    """
    from countenance.console import print_evaluation, progress_of, speaker
    from countenance.demonstration import demonstrate
    from countenance.errors import DataError
    from countenance.gate_demonstration import demonstrate_gate

    say = speaker("demo", quiet=json)
    with progress_of("clips") as progress:
        done = demonstrate(out, seed=seed, progress=progress, say=say)
    gate, missing = None, ""
    try:
        with progress_of("strangers") as progress:
            gate = demonstrate_gate(out / "gate", seed=seed, progress=progress, say=say)
    except DataError as error:
        missing = str(error)
    card = {
        "report": str(done.report),
        "scores": str(done.scores),
        "seconds": done.seconds + (0 if gate is None else gate.seconds),
        "multimodal": done.as_json(),
        "authentication": None if gate is None else gate.authentication(),
        "universal": None if gate is None else gate.attack(),
    }
    if not printed(card, wanted=json):
        print_evaluation(done.evaluation)
        if done.ensemble is not None:
            print("\nThree networks that were trained here, on six people, at the threshold of two others:")
            print_evaluation(done.ensemble)
        print(f"The report: {done.report} ({done.seconds:.1f} s)\n")
        print(f"The gate was left out: {missing}" if gate is None else "The gate, drawn data:")
        for line in () if gate is None else gate.lines:
            print(f"  {line}")
        if gate is not None:
            print(f"What it saw, and the signed receipt: {gate.folder} ({gate.seconds:.1f} s)")
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
            facelivenet-paper, facelivenet-released, facelivenet-distilled, facelivenet-slim-distilled,
            facelivenet-expression or gate-slim.
        data: a set of still presentations as NAME:ROOT, such as casia-surf:/data/CASIA-SURF; siw for fewframe; of faces
            for pretraining, facelivenet-paper and facelivenet-released; any of these for flownets-slim; faces of
            fer2013 and lfw, or of a set of identities, with a comma between them, for a distilled facelivenet; of
            fer2013, ck-plus, oulu-casia or sfew, likewise, for facelivenet-expression; "drawn" for gate-slim, which
            draws its own people.
        out: folder of the run; score takes it as a network.
        epochs: in all, where not the recipe's.
        batch_size: samples in a step, where not the recipe's.
        modalities: the sensors that the network reads, such as rgb,depth; of an mlfa one for each of its branches.
        choice: development (the epoch with the highest AUC there, or on what the fold holds out) or last.
        fold: of casia-surf, attack-1 to attack-3 or subject-1 to subject-5 (the whole training split by default); of
            siw, protocol-1, protocol-2-1 to protocol-2-4, protocol-3-1 or protocol-3-2 (protocol-1 by default).
        initial: pre-trained trunk that an mlfa begins from: sphereface, arcface, distilled, gender (they lie in the
            package), the folder of a run, or a file of yours; first stage of facelivenet-expression: facenet (its
            released weights, the default) or the folder of a FaceLiveNet's run; of facelivenet-slim-distilled the run
            of an official one that it is narrowed from.
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
        devices: what slim-pad, an mlfa, facelivenet-paper or facelivenet-released is trained on, such as cuda; the
            processor by default. The first two take several, with a process for each: 2 (processes on the processor)
            or cuda:0,1; batch_size is then that of all processes together. Over several machines start this command
            by torchrun, with --devices cuda or none.
        kept: folder of what several runs may share: of a distilled facelivenet the views of faces and what facenet says
            of them, of facelivenet-expression what the first stage's trunk sees; below the run's by default.
        bona_fide_label: as for datasets check.
        seed: makes it repeatable.
        json: print one JSON object.
    """
    from countenance.console import progress_of, speaker
    from countenance.files import refuse_as_target
    from countenance.processes.starting import share_of_launch
    from countenance.progress import unheard
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
    follows = share_of_launch().number > 0  # the first process tells
    with nullcontext(unheard) if follows else progress_of("steps") as progress:
        done = train_named(recipe, wishes, data=data, out=out, progress=progress, say=speaker("train"))
    if not follows and not printed(done.as_json(), wanted=json):
        if done.label:
            print(f"*** {done.label} ***")
        print(done.told())
        print(f"The run: {out}")
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
    if not printed(card, wanted=json):
        print(
            f"{done.samples:,} samples of {done.subjects:,} subjects in {done.seconds:.1f} s "
            f"({done.drawn:,} of {done.clips:,} clips drawn now); drawn data, in {out}"
        )
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
        printed(Inspection(counts={}, problems=(str(error),)).as_json(), wanted=json)
        raise
    if not printed(found.as_json(), wanted=json):
        print_inspection(found)
    found.refuse(data.partition(":")[0])
    return ACCEPTED


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
    if not printed({"networks": rows}, wanted=json):
        print_table(keys, ([f"{row[key]:,}" if key == "parameters" else str(row[key]) for key in keys] for row in rows))
    return ACCEPTED
