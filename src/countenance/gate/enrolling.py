"""Enrolment at the gate: photographs or a clip in, templates in the store, or the reason why not.

Every photograph shows one face, well enough to be judged and looking ahead; where the operator asks for it, a live one.
Then `admission` decides as for a gallery in a folder: the screen for universal templates, one person throughout,
nobody who is enrolled under another name. Templates are kept with the recogniser's name and the digest of its weights,
so that another version never reads them; who is enrolled again is compared with everybody else.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countenance.admission import Admission, admit
from countenance.clips import ClipReader
from countenance.errors import AlreadyEnrolled, NoFace, TooFewFrames, UsageError, at_least
from countenance.faces.detection import Detector, Face, central_face, only_face
from countenance.faces.quality import QualityLimits, advice, measure_quality
from countenance.gallery import Gallery, Templates
from countenance.gate.networks import Networks, StillJudge
from countenance.metrics.operating_point import OperatingPoint
from countenance.names import refuse_name
from countenance.policy import CheckKind, Policy
from countenance.scoring import Recogniser
from countenance.screening import Screen, examine
from countenance.vocabulary import Decision, Reason

if TYPE_CHECKING:
    from countenance.store.database import Store

PHOTOGRAPHS = 5
"""Of a clip that are kept as templates, at most."""
_LOOKS = 30  # frames of a clip that are looked at for them
_LOCAL = "local"  # as `store.audit.LOCAL`, which would bring SQLAlchemy with it

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class EnrolmentRules:
    """What else photographs are asked for.

    Attributes:
        screen: for universal templates; None where none was calibrated.
        presentation: whether the policy's checks of still presentations must pass on every photograph. They judge
            a camera's frames; many a good passport photograph is a print to them.
    """

    screen: Screen | None = None
    presentation: bool = False


class Admits(Protocol):
    """A gate, as far as enrolment needs one; `Authenticator` is one."""

    @property
    def model(self) -> str:
        """Name of the recogniser."""
        ...

    @property
    def weights(self) -> str:
        """Digest of its weights."""
        ...

    def admit(self, photographs: Sequence[Pixels], others: Gallery) -> tuple[Templates, Admission]:
        """Return a template of each photograph, and what speaks against enrolling the person."""
        ...


@dataclass(frozen=True, kw_only=True)
class StoreEnrolment:
    """What was decided.

    Attributes:
        subject: the name.
        accepted: the person is in the store now.
        admission: what spoke against it, and the scores, for the operator.
        templates: how many were kept.
        model: the recogniser.
    """

    subject: str
    accepted: bool
    admission: Admission
    templates: int
    model: str

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``enrol``; the scores are for the operator."""
        seen = self.admission
        return {
            "subject": self.subject,
            "accepted": self.accepted,
            "reasons": [str(reason) for reason in seen.reasons],
            "advice": [reason.advice for reason in seen.reasons],
            "scores": {
                "screen": [each.score for each in seen.screened],
                "matched": [each.matched for each in seen.screened],
                "likeness": seen.likeness,
                "nearest": None if seen.nearest is None else {"subject": seen.nearest[0], "score": seen.nearest[1]},
            },
            "screened": bool(seen.screened),
            "templates": self.templates,
            "model": self.model,
        }


def enrol_person(
    gate: Admits,
    store: "Store",
    subject: str,
    photographs: Sequence[Pixels],
    *,
    consent: Mapping[str, Any] | None = None,
    again: bool = False,
    by: str = _LOCAL,
    now: float,
) -> StoreEnrolment:
    """Enrol somebody into the store, or say why not.

    Args:
        gate: makes templates and says what speaks against them.
        store: keeps them.
        subject: the name.
        photographs: (H, W, 3) uint8 RGB each, of one face, at least one; a template each.
        consent: what the person agreed to, as JSON holds it.
        again: somebody who is enrolled, whose templates these replace.
        by: who enrols, for the audit log.
        now: seconds since the epoch.

    Raises:
        InputError: a photograph shows no face, or two.
        EnrolmentError: the name is taken, or with `again` nobody's.
        UsageError: no photograph, or a name that cannot be one.
    """
    refuse_name(subject, of="a subject")
    if again:
        store.person(subject)  # refuses an unknown name before anything is judged
    elif store.is_enrolled(subject):
        raise AlreadyEnrolled(
            expected="a new name",
            came=f"{subject!r}, who is enrolled",
            remedy=f"countenance forget {subject} first, or enrol the person again",
        )
    names, held = store.templates(gate.model, gate.weights)
    others = names != subject
    templates, admission = gate.admit(photographs, Gallery(gate.model, gate.weights, held[others], names[others]))
    if not admission.reasons:
        keep = store.replace if again else store.enrol
        keep(subject, templates=templates, model=gate.model, weights=gate.weights, consent=consent, by=by, now=now)
    return StoreEnrolment(
        subject=subject,
        accepted=not admission.reasons,
        admission=admission,
        templates=0 if admission.reasons else len(templates),
        model=gate.model,
    )


def admit_photographs(
    photographs: Sequence[Pixels],
    others: Gallery,
    *,
    networks: Networks,
    policy: Policy,
    rules: EnrolmentRules,
    limits: QualityLimits | None = None,
) -> tuple[Templates, Admission]:
    """Return a template of each photograph, and what speaks against enrolling the person.

    Args:
        photographs: (H, W, 3) uint8 RGB each, at least one.
        others: who is enrolled, without this person.
        networks: of the gate.
        policy: names the recogniser, its threshold, and the checks of still presentations.
        rules: what else is asked for.
        limits: of a photograph's quality; the shipped ones for None.

    Raises:
        InputError: a photograph shows no face, or two.
        UsageError: no photograph.
        TemplateVersion: the screen is for other templates.
    """
    if not photographs:
        raise UsageError(expected="at least one photograph", came="none", remedy="send one")
    recogniser, point = recogniser_of(policy, networks)
    told: set[Reason] = set()
    faces = []
    for number, pixels in enumerate(photographs, start=1):
        face = only_face(networks.detector.detect(pixels), name=f"photograph {number}")
        told.update(advice(measure_quality(pixels, face), limits))
        if rules.presentation and not _is_live(pixels, face, policy, networks.stills):
            told.add(Reason.PRESENTATION_ATTACK)
        faces.append(recogniser.cut(pixels, face))
    found = examine(np.stack(faces), recogniser.embed)
    seen = admit(found, others, point=point, screen=rules.screen)
    told.update(seen.reasons)
    return found.templates, replace(seen, reasons=tuple(reason for reason in Reason if reason in told))


def compare_photographs(reference: Pixels, probe: Pixels, *, networks: Networks, policy: Policy) -> Decision:
    """Say whether two photographs show one person, of several faces the central one; liveness is not asked.

    Raises:
        InputError: one of them shows no face.
    """
    recogniser, point = recogniser_of(policy, networks)
    cuts = [
        recogniser.cut(pixels, central_face(networks.detector.detect(pixels), pixels.shape, name=name))
        for pixels, name in ((reference, "the reference"), (probe, "the probe"))
    ]
    one, other = recogniser.embed(np.stack(cuts))
    score = float(one @ other)
    accepted = score >= point.value
    return Decision(
        accepted=accepted,
        score=score,
        threshold=point.value,
        model=recogniser_name(policy),
        reasons=() if accepted else (Reason.NOT_THE_SAME_PERSON,),
    )


def photographs_of_clip(
    path: str | os.PathLike[str],
    *,
    detector: Detector,
    limits: QualityLimits | None = None,
    count: int = PHOTOGRAPHS,
) -> list[Pixels]:
    """Take photographs for an enrolment from a clip: frames with one face and nothing to advise, evenly spread.

    Args:
        path: of the video file.
        detector: finds the faces.
        limits: of a frame's quality; the shipped ones for None.
        count: of photographs, at most.

    Raises:
        MissingFile, UnreadableImage, ImageTooLarge: as for `ClipReader`.
        ManyFaces: two people in a frame.
        NoFace: no frame shows a face.
        TooFewFrames: no frame is good enough; the message says what to change.
    """
    at_least(1, count=count)
    reader = ClipReader(path)
    frames = reader.timeline.count
    wanted = set(np.linspace(0, frames - 1, min(_LOOKS, frames)).round().astype(int).tolist())
    good: list[Pixels] = []
    told: Counter[Reason] = Counter()
    for number, pixels in enumerate(reader):
        if number not in wanted:
            continue
        try:
            face = only_face(detector.detect(pixels), name=f"frame {number} of {os.fspath(path)}")
            why = advice(measure_quality(pixels, face), limits)
        except NoFace:
            why = (Reason.NO_FACE,)
        told.update(why)
        if not why:
            good.append(pixels)
    if not good:
        (common, _), *_ = told.most_common(1)
        kind = NoFace if set(told) == {Reason.NO_FACE} else TooFewFrames
        raise kind(
            expected="a clip with frames that show one face well enough",
            came=f"none among {len(wanted)} in {os.fspath(path)}, mostly {common}",
            remedy=common.advice,
        )
    places = np.linspace(0, len(good) - 1, min(count, len(good))).round().astype(int)
    return [good[place] for place in places]


def recogniser_name(policy: Policy) -> str:
    """Return the name of the recogniser that references must come from.

    Raises:
        UsageError: the policy verifies nobody.
    """
    return _verification(policy)[0]


def recogniser_of(policy: Policy, networks: Networks) -> tuple[Recogniser, OperatingPoint]:
    """Return the recogniser of a policy's verification, and its threshold.

    Raises:
        UsageError: the policy verifies nobody, or the recogniser was not built.
    """
    name, point = _verification(policy)
    if name not in networks.recognisers:
        raise UsageError(expected=f"the recogniser {name}", came="none", remedy="load the networks of this policy")
    return networks.recognisers[name], point


def _verification(policy: Policy) -> tuple[str, OperatingPoint]:
    for rule in policy.checks:
        if rule.kind is CheckKind.VERIFICATION and rule.network is not None and rule.point is not None:
            return rule.network, rule.point
    raise UsageError(expected="a policy with a verification", came=policy.name, remedy="name another policy")


def _is_live(pixels: Pixels, face: Face, policy: Policy, judges: Mapping[str, StillJudge]) -> bool:
    """Ask every check of still presentations; without one, or without its network, nobody is."""
    rules = [rule for rule in policy.checks if rule.kind is CheckKind.PRESENTATION]
    return bool(rules) and all(
        rule.network is not None
        and rule.network in judges
        and rule.point is not None
        and judges[rule.network].bona_fide_score(pixels, face.box) >= rule.point.value
        for rule in rules
    )
