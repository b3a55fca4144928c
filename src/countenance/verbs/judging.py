"""Verbs that judge photographs and clips: is it live, who is it, what does the face do, and why."""

from pathlib import Path

from tyro.conf import Positional

from countenance.errors import UsageError
from countenance.verbs.answers import ACCEPTED, decided, printed


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
        print(_told(decision.label, "a real camera"))
    status = decided(decision, names, words=("bona fide", "attack"), json=json)
    if isinstance(decision, ClipDecision) and not json:
        print("; ".join(decision.notes))
    return status


def _check_expression(image: Path, asked: str, model: str | None, detector: str, *, json: bool) -> int:
    from countenance.expression_reading import check_expression
    from countenance.shipped import FACELIVENET_SLIM

    decision = check_expression(image, asked=asked, model=model or FACELIVENET_SLIM, detect=detector)
    told = {"expression": str(decision.asked), "expressions": [decision.seen.as_json()], "label": decision.label}
    if decision.label and not json:
        print(_told(decision.label, "real faces"))
    names = {"score": decision.score, "bona_fide": decision.accepted, **told}
    words = (f"{decision.asked}, as asked", f"{decision.seen.expression}, {decision.asked} was asked for")
    return decided(decision, names, words=words, json=json)


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
    if not printed({"files": [str(path) for path in done.files], "presentations": rows}, wanted=json):
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
        print(_told(decision.label, "a real camera"))
    return decided(decision, names, words=("the same person", "not the same person"), json=json)


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
    if not printed(card, wanted=json):
        if label:
            print(_told(label, "real faces"))
        names = tuple(found[0].probabilities)
        print_table(
            ("photograph", "expression", *names),
            ((str(each.file), each.expression, *map(percent, each.probabilities.values())) for each in found),
        )
    return ACCEPTED


def _told(label: str, of: str) -> str:
    """What the network was trained on; drawn data alone tell nothing `of` the other world."""
    alone = "" if label.startswith("real faces") else f": it tells nothing about {of}"
    return f"*** the network was trained on {label}{alone} ***"
