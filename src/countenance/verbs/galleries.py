"""Verbs about who is enrolled: enrolment with its screen, the gallery and its audit, and the attack they face."""

import sys
from pathlib import Path

from tyro.conf import Positional

from countenance.verbs.answers import ACCEPTED, REFUSED, among, printed


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
        optimizer=among(UniversalOptimizer, optimizer, "an optimizer"),
        batch_size=batch_size,
        learning_rate=learning_rate,
        keep_weight=keep_own,
        diversity=diversity,
        precision=among(Precision, precision, "a precision"),
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
    if not printed(card, wanted=json):
        print_matches(done.measured)
        print(f"The report: {files[0]}, {len(files) - 1} figures beside it")
    return ACCEPTED


def enrol(
    subject: Positional[str],
    images: Positional[tuple[Path, ...]],
    *,
    consent: str | None = None,
    again: bool = False,
    gallery: Path | None = None,
    model: str = "sface",
    detect: str = "yunet",
    live: str | None = None,
    json: bool = False,
) -> int:
    """Enrol a person by photographs or clips of one face each, unless they, the screen or the gallery are against it.

    Args:
        subject: the name, which nobody of the gallery has yet; it stands there in the clear.
        images: photographs of the person, a template each, or clips, of which up to five frames are taken.
        consent: what the person agreed to, in words; it is kept, sealed, with the time.
        again: replace the templates of somebody who is enrolled.
        gallery: its folder; $COUNTENANCE_GALLERY or one among the user's data when left out.
        model: the recogniser.
        detect: the face detector, yunet or mtcnn.
        live: ask for live faces, no pictures of one, by the checks of a policy such as rgb; many a good passport
            photograph is refused by it. Nobody asks when left out.
        json: print one JSON object.
    """
    import time

    from countenance.gate.local import enrol as take_in
    from countenance.store.place import gallery_folder

    folder = gallery_folder(gallery)
    agreed = None if consent is None else {"said": consent, "at": time.time()}
    done = take_in(subject, images, folder=folder, model=model, detect=detect, live=live, consent=agreed, again=again)
    if not printed({**done.as_json(), "gallery": str(folder)}, wanted=json):
        print(f"{subject}: " + ("enrolled" if done.accepted else "not enrolled") + f" ({model}, {folder})")
        for reason in done.reasons:
            print(reason.advice)
        if not done.is_screened:
            print("no screen was asked: calibrate one with countenance screen calibrate", file=sys.stderr)
    return ACCEPTED if done.accepted else REFUSED


def identify(
    image: Positional[Path],
    *,
    top: int = 5,
    gallery: Path | None = None,
    rate: float = 0.01,
    detect: str = "yunet",
    json: bool = False,
) -> int:
    """Say who of the gallery a photograph shows (exit 0), or that it is nobody (exit 1); it may be a picture of one.

    Args:
        image: a photograph of one face.
        top: how many candidates are told, at most, the most alike first.
        gallery: its folder, as for enrol.
        rate: of searches for strangers that may find somebody; the gallery's people, each searched among the others,
            choose the threshold, and n people promise 2 / (n + 1) at best.
        detect: the face detector, yunet or mtcnn.
        json: print one JSON object.
    """
    from countenance.console import print_table
    from countenance.gate.identification import identify_photograph
    from countenance.store.place import gallery_folder

    folder = gallery_folder(gallery)
    found = identify_photograph(image, folder=folder, top=top, rate=rate, detect=detect)
    if not printed({**found.as_json(), "gallery": str(folder)}, wanted=json):
        print(found.candidates[0].subject if found.accepted else f"nobody of {found.people:,} people")
        print_table(("name", "score"), ((each.subject, f"{each.score:.4f}") for each in found.candidates))
        print(f"threshold {found.point.value:.4f} ({found.point.rule}; {found.model})")
    return ACCEPTED if found.accepted else REFUSED


def forget(subject: Positional[str], *, gallery: Path | None = None, json: bool = False) -> int:
    """Delete all that is kept about a person: templates, consent, sessions, decisions, receipts.

    Args:
        subject: the name.
        gallery: its folder, as for enrol.
        json: print one JSON object.
    """
    from countenance.gate.local import forget as take_out

    done, left = take_out(subject, folder=gallery)
    card = {"accepted": True, "reasons": [], "scores": {}, **done.as_json(), "people": left}
    if not printed(card, wanted=json):
        print(f"{subject}: forgotten; {left:,} people are left")
    if not done.wiped:
        print(
            "another program reads the gallery: deleted bytes are overwritten when it is opened next", file=sys.stderr
        )
    return ACCEPTED


def gallery_list(*, gallery: Path | None = None, json: bool = False) -> int:
    """List who is in the gallery.

    Args:
        gallery: its folder, as for enrol.
        json: print one JSON object.
    """
    from countenance.console import print_table
    from countenance.gate.local import list_people
    from countenance.store.place import gallery_folder

    folder = gallery_folder(gallery)
    found = list_people(folder=folder)
    models = ", ".join(sorted({each.model for each in found})) or None
    card = {"people": [each.as_json() for each in found], "templates": sum(each.templates for each in found)}
    if not printed({**card, "model": models, "gallery": str(folder)}, wanted=json):
        rows = ((each.subject, str(each.templates), each.model, "yes" if each.consent else "no") for each in found)
        print_table(("name", "templates", "recogniser", "consent"), rows)
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
    from countenance.gate.local import audit_gallery
    from countenance.store.place import gallery_folder

    folder = gallery_folder(gallery)
    with progress_of("templates") as progress:
        done = audit_gallery(folder=folder, threshold=threshold, seed=seed, progress=progress)
    card = {
        "accepted": not done.planted,
        "reasons": ["matches_strangers"] if done.planted else [],
        "scores": {f"{each.subject}/{each.template}": each.share for each in done.planted},
        **done.as_json(),
        "gallery": str(folder),
    }
    if not printed(card, wanted=json):
        rows = ((each.subject, str(each.template), f"{each.matched:,}", percent(each.share)) for each in done.planted)
        if done.planted:
            print_table(("name", "template", "people it matches", "of all others"), rows)
        print(
            f"{len(done.planted):,} of {done.templates:,} templates match {percent(done.limit)} or more of the other "
            f"people ({done.seconds:.1f} s)"
        )
    return ACCEPTED


def gallery_export(
    subject: Positional[str], *, out: Path, templates: bool = False, gallery: Path | None = None, json: bool = False
) -> int:
    """Write all that is kept about a person to a file, for the person to have.

    Args:
        subject: the name.
        out: a new JSON file, which only its owner may read.
        templates: with the numbers of the templates, opened; whoever has them can make a picture that passes.
        gallery: its folder, as for enrol.
        json: print one JSON object.
    """
    import json as json_format

    from countenance.files import write_private
    from countenance.gate.local import export_subject

    told = export_subject(subject, folder=gallery, templates=templates)
    write_private(out, (json_format.dumps(told, indent=2, allow_nan=False) + "\n").encode())
    counts = {name: len(told[name]) for name in ("templates", "sessions", "receipts", "failures", "audit")}
    if not printed({"subject": subject, "file": str(out), **counts}, wanted=json):
        print(f"{subject}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()) + f" in {out}")
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
    from countenance.screen_calibration import calibrate_from
    from countenance.store.place import gallery_folder

    folder = gallery_folder(gallery)
    with progress_of("photographs") as progress:
        done = calibrate_from(
            data, folder=folder, model=model, detect=detect, false_alarms=false_alarms, progress=progress
        )
    if not printed({**done.as_json(), "gallery": str(folder)}, wanted=json):
        print(
            f"a screen for {model} in {folder}: {len(done.cohort):,} strangers; {done.photographs:,} photographs of "
            f"{done.people:,} other people set its threshold, {done.threshold:.3f}; at most {done.false_alarms:.2%} of "
            "further genuine photographs are refused, in the mean over calibrations"
        )
    return ACCEPTED
