"""Enrolment: photographs in, a person in the gallery, or the reason why not.

A photograph shows one face. It passes the screen of the gallery's folder, where one was calibrated; it is of the same
person as the others; and nobody else of the gallery is that person. Only then is anything written.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from countenance.admission import admit, digest_of_weights, screen_for
from countenance.datasets.named import split_name
from countenance.datasets.samples import IdentitySample
from countenance.datasets.universal_sets import lfw_beside_view_1
from countenance.datasets.vggface2 import read as read_vggface2
from countenance.errors import AlreadyEnrolled, NoFace, UsageError
from countenance.faces.detection import only_face
from countenance.gallery import (
    Audit,
    Gallery,
    audit,
    empty_gallery,
    has_gallery,
    read_gallery,
    refuse_name,
    write_gallery,
)
from countenance.images import read_image
from countenance.networks.record import Task
from countenance.progress import Progress, unheard
from countenance.protocols.universal_matches import Gathering, match_thresholds
from countenance.released import detector, operating_point, recogniser
from countenance.scores import text
from countenance.scoring import cut_face
from countenance.screening import (
    FALSE_ALARMS,
    Examined,
    Screen,
    Screened,
    assign_roles,
    calibrate_screen,
    examine,
    write_screen,
)
from countenance.vocabulary import Reason

MODEL = "sface"
FOLDER = "COUNTENANCE_GALLERY"
"""The environment variable that names the gallery's folder, where no other is named."""

STRANGERS: Mapping[str, Callable[[Path], list[IdentitySample]]] = {
    "lfw": lfw_beside_view_1,
    "vggface2": lambda root: read_vggface2(root, "test"),
}
"""Name of a set: reads photographs of people that a screen is calibrated with, given the root."""


def gallery_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """Return the gallery's folder: the one named, that of the environment, or one among the user's data."""
    if named is not None:
        return Path(named)
    if FOLDER in os.environ:
        return Path(os.environ[FOLDER])
    from platformdirs import user_data_path

    return user_data_path("countenance") / "gallery"


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What was decided.

    Attributes:
        subject: the name.
        accepted: the person is in the gallery now.
        reasons: why not; empty when accepted.
        screened: what the screen said of each photograph; empty where there is no screen.
        likeness: the lowest cosine between two of the photographs; NaN of one photograph.
        nearest: who of the gallery is most alike and how much; None in an empty gallery.
        threshold: from which two templates are of one person.
        model: the recogniser.
    """

    subject: str
    accepted: bool
    reasons: tuple[Reason, ...]
    screened: tuple[Screened, ...]
    likeness: float
    nearest: tuple[str, float] | None
    threshold: float
    model: str

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``enrol``; the scores are for the operator, not for the person."""
        return {
            "subject": self.subject,
            "accepted": self.accepted,
            "reasons": [str(reason) for reason in self.reasons],
            "advice": [reason.advice for reason in self.reasons],
            "scores": {
                "screen": [each.score for each in self.screened],
                "matched": [each.matched for each in self.screened],
                "likeness": self.likeness,
                "nearest": None if self.nearest is None else {"subject": self.nearest[0], "score": self.nearest[1]},
            },
            "thresholds": {
                "screen": self.screened[0].threshold if self.screened else None,
                "verification": self.threshold,
            },
            "screened": bool(self.screened),
            "model": self.model,
        }


def enrol(
    subject: str,
    photographs: Sequence[str | os.PathLike[str]],
    *,
    folder: str | os.PathLike[str],
    model: str = MODEL,
    detect: str = "yunet",
) -> Enrolment:
    """Enrol somebody by photographs, one template each, or say why not.

    Args:
        subject: the name, not in the gallery yet.
        photographs: of one face each, at least one.
        folder: of the gallery, which is made when it is not there, and of its screen.
        model: the recogniser.
        detect: the face detector, "yunet" or "mtcnn".

    Raises:
        InputError: a photograph cannot be read, shows no face, or shows two.
        EnrolmentError: the name is taken, or gallery or screen belong to another recogniser.
        DataError: a file is missing or damaged.
        UsageError: no photograph, a name that cannot be one, an unknown recogniser or detector.
    """
    if not photographs:
        raise UsageError(expected="at least one photograph", came="none", remedy="name one")
    refuse_name(subject)
    point = operating_point(model, task=Task.VERIFICATION)
    weights = digest_of_weights(model)
    gallery = read_gallery(folder) if has_gallery(folder) else empty_gallery(model, weights)
    gallery.refuse_other_recogniser(model, weights)
    if subject in gallery.subjects:
        raise AlreadyEnrolled(
            expected="a new name", came=f"{subject!r}, who is enrolled", remedy=f"countenance forget {subject} first"
        )
    screen = screen_for(folder, model, weights)
    found = _examined(photographs, model, detect)
    seen = admit(found, gallery, point=point, screen=screen)
    if not seen.reasons:
        write_gallery(folder, gallery.added(subject, found.templates))
    return Enrolment(
        subject=subject,
        accepted=not seen.reasons,
        reasons=seen.reasons,
        screened=seen.screened,
        likeness=seen.likeness,
        nearest=seen.nearest,
        threshold=point.value,
        model=model,
    )


def forget(subject: str, *, folder: str | os.PathLike[str]) -> Gallery:
    """Take somebody out of a gallery; return what is left.

    Raises:
        UnknownSubject: nobody of that name is enrolled.
        DataError: there is no gallery, or it is damaged.
    """
    left = read_gallery(folder).without(subject)
    write_gallery(folder, left)
    return left


def audit_gallery(
    folder: str | os.PathLike[str], *, threshold: float | None = None, seed: int = 0, progress: Progress = unheard
) -> Audit:
    """Find planted universal templates in a gallery; see `gallery.audit`.

    Args:
        folder: of the gallery.
        threshold: of a match; that of the gallery's screen when left out, or else the recogniser's stated one.
        seed: draws whom each template is compared with.
        progress: called with (templates done, templates in all).

    Raises:
        DataError: there is no gallery, or it is damaged.
        UsageError: too few people to tell, or a threshold outside [-1, 1].
    """
    gallery = read_gallery(folder)
    if threshold is None:
        screen = screen_for(folder, gallery.model, gallery.weights)
        threshold = operating_point(gallery.model, task=Task.VERIFICATION).value if screen is None else screen.match
    if not -1 <= threshold <= 1:
        raise UsageError(expected="a cosine in [-1, 1]", came=f"{threshold:g}", remedy="for example 0.3")
    return audit(gallery, threshold=threshold, generator=np.random.default_rng(seed), progress=progress)


def calibrate_from(
    data: str,
    *,
    folder: str | os.PathLike[str],
    model: str = MODEL,
    detect: str = "yunet",
    false_alarms: float = FALSE_ALARMS,
    progress: Progress = unheard,
) -> Screen:
    """Calibrate the screen of a gallery by photographs of strangers, and write it into the gallery's folder.

    The threshold of a match is the loosest of `match_thresholds` on all of these photographs; a photograph in which no
    face is found is left out.

    Args:
        data: NAME:ROOT, one of `STRANGERS`: of LFW everybody whom View 1 does not name, of VGGFace2 the test people.
        folder: of the gallery.
        model: the recogniser.
        detect: the face detector.
        false_alarms: alpha, the share of genuine photographs that may be refused.
        progress: called with (photographs done, photographs in all).

    Raises:
        UsageError: a set that is not one of photographs of people, or too few of them for alpha.
        DataError: a file is missing.
    """
    name, root = split_name(data)
    if name not in STRANGERS:
        raise UsageError(
            expected=f"photographs of people: {', '.join(STRANGERS)}", came=repr(name), remedy="name one of them"
        )
    samples = STRANGERS[name](root)
    assign_roles(text([sample.subject for sample in samples]), false_alarms=false_alarms)  # before the long work
    finder, network = detector(detect), recogniser(model)
    seen: list[Examined] = []
    subjects: list[str] = []
    for done, sample in enumerate(samples, start=1):
        try:
            face = cut_face(sample.path, finder, network)
        except NoFace:
            continue
        seen.append(examine(face[None], network.embed))
        subjects.append(sample.subject)
        progress(done, len(samples))
    found = Examined(np.concatenate([each.templates for each in seen]), np.concatenate([each.shifts for each in seen]))
    people = text(subjects)
    roles = assign_roles(people, false_alarms=false_alarms)
    screen = calibrate_screen(
        found.select(roles.cohort),
        found.select(roles.calibration),
        people[roles.calibration],
        match=min(match_thresholds(Gathering(found.templates, people)).values.values()),
        recogniser=model,
        weights=digest_of_weights(model),
        false_alarms=false_alarms,
    )
    write_screen(folder, screen)
    return screen


def _examined(photographs: Sequence[str | os.PathLike[str]], model: str, detect: str) -> Examined:
    pictures = [(os.fspath(path), read_image(path)) for path in photographs]
    finder = detector(detect)
    places = [only_face(finder.detect(pixels), name=name) for name, pixels in pictures]
    network = recogniser(model)
    faces = [network.cut(pixels, face) for (_, pixels), face in zip(pictures, places, strict=True)]
    return examine(np.stack(faces), network.embed)
