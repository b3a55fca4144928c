"""The screen of a gallery, calibrated by photographs of strangers from a set of faces."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from countenance.admission import digest_of_weights
from countenance.datasets.named import split_name
from countenance.datasets.samples import IdentitySample
from countenance.datasets.universal_sets import lfw_beside_view_1
from countenance.datasets.vggface2 import read as read_vggface2
from countenance.errors import NoFace, UsageError
from countenance.progress import Progress, unheard
from countenance.protocols.universal_matches import Gathering, match_thresholds
from countenance.released import detector, recogniser
from countenance.scores import text
from countenance.scoring import cut_face
from countenance.screening import FALSE_ALARMS, Examined, Screen, assign_roles, calibrate_screen, examine, write_screen

MODEL = "sface"
STRANGERS: Mapping[str, Callable[[Path], list[IdentitySample]]] = {
    "lfw": lfw_beside_view_1,
    "vggface2": lambda root: read_vggface2(root, "test"),
}
"""Name of a set: reads photographs of people that a screen is calibrated with, given the root."""


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
