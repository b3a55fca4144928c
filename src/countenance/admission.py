"""What photographs must show before a person is enrolled, whatever holds the templates.

Each passes the screen, where there is one; all are of one person; and nobody else who is enrolled is that person.
"""

import os
from dataclasses import dataclass

import numpy as np

from countenance.errors import TemplateVersion
from countenance.files import sha256_of
from countenance.gallery import Gallery
from countenance.metrics.operating_point import OperatingPoint
from countenance.screening import Examined, Screen, Screened, has_screen, read_screen
from countenance.vocabulary import Reason
from countenance.weights import record


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What was found.

    Attributes:
        reasons: why the person is not enrolled, in the order of `Reason`; empty where nothing speaks against it.
        screened: what the screen said of each photograph; empty where there is no screen.
        likeness: the lowest cosine between two of the photographs; NaN of one photograph.
        nearest: who of the others is most alike and how much; None where nobody is enrolled.
    """

    reasons: tuple[Reason, ...]
    screened: tuple[Screened, ...]
    likeness: float
    nearest: tuple[str, float] | None


def admit(found: Examined, others: Gallery, *, point: OperatingPoint, screen: Screen | None) -> Admission:
    """Say what speaks against enrolling a person.

    Args:
        found: of the person's photographs, at least one.
        others: who is enrolled, without this person.
        point: from which two templates are of one person.
        screen: for universal templates; None where none was calibrated.

    Raises:
        TemplateVersion, NonFiniteScore: as for `Screen.judge`.
    """
    screened = () if screen is None else tuple(map(screen.judge, found.templates, found.shifts))
    pairs = (found.templates @ found.templates.T)[np.triu_indices(len(found), 1)]
    nearest = others.best_match(found.templates)
    wrong = {reason for each in screened for reason in each.reasons}
    if not np.all(pairs >= point.value):
        wrong.add(Reason.NOT_THE_SAME_PERSON)
    if nearest is not None and not nearest[1] < point.value:
        wrong.add(Reason.ENROLLED_ALREADY)
    return Admission(
        reasons=tuple(reason for reason in Reason if reason in wrong),
        screened=screened,
        likeness=float(pairs.min()) if len(pairs) else float("nan"),
        nearest=nearest,
    )


def digest_of_weights(name: str) -> str:
    """Return one SHA-256 for the published files of a network, by which its templates are known.

    Raises:
        UsageError: there are no such weights.
    """
    return sha256_of(" ".join(member.sha256 for member in record(name).members).encode())


def screen_for(folder: str | os.PathLike[str], model: str, weights: str) -> Screen | None:
    """Return the screen that was calibrated into a folder for templates of a recogniser; None where there is none.

    Raises:
        TemplateVersion: there is one for another recogniser.
        DataError: it is damaged.
    """
    if not has_screen(folder):
        return None
    screen = read_screen(folder)
    if (screen.recogniser, screen.weights) != (model, weights):
        raise TemplateVersion(
            expected=f"a screen for {model}", came=f"one for {screen.recogniser}", remedy="calibrate one for this one"
        )
    return screen
