"""The gate over one folder: the store of a machine that serves itself, with its keys and its screen beside it.

    gate.db                     the store, SQLite; templates, consent and decisions in it are sealed
    gate.db.key                 the key of the vault (mode 0600), where none is configured in the environment
    gate.db.signing.pem         the key that signs receipts (0600); gate.db.signing.pub.pem is for those who check them
    screen.json                 the screen for universal templates, where one was calibrated

The names are those of `countenance serve --database sqlite:///FOLDER/gate.db`, so that both may use one folder. A
gallery of an earlier release (gallery.json) is taken over by whatever opens the folder first; see `former_gallery`.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from countenance.admission import Admission, screen_for
from countenance.challenge import ChallengeRules
from countenance.clips import is_clip
from countenance.errors import MissingFile, TemplateVersion, UsageError
from countenance.faces.detection import Detector
from countenance.files import existing_file
from countenance.gallery import Audit, Gallery, Templates, audit, empty_gallery
from countenance.gate.enrolling import (
    EnrolmentRules,
    StoreEnrolment,
    admit_photographs,
    enrol_person,
    photographs_of_clip,
)
from countenance.gate.former_gallery import has_former_gallery, take_over
from countenance.gate.networks import Networks, load_networks, model_digest
from countenance.images import read_image
from countenance.names import refuse_name
from countenance.policy import CheckKind, CheckRule, Combination, Combine, Policy, read_policy, still_checks
from countenance.progress import Progress, unheard
from countenance.receipts import new_signing_key_file, read_signing_key
from countenance.recognisers import StatedRecogniser, stated_recogniser
from countenance.released import detector
from countenance.screening import Screen
from countenance.store.database import Store, open_store
from countenance.store.enrolments import Forgotten, Person
from countenance.store.place import DATABASE, gallery_folder
from countenance.vault import Vault
from countenance.vocabulary import Action, Reason

MODEL = "sface"
_NO_EXPRESSION = ChallengeRules(actions=(Action.TURN_LEFT, Action.TURN_RIGHT))  # no network that reads one is built

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LocalGate:
    """An open folder.

    Attributes:
        folder: where everything lies.
        store: in it.
        vault: that the store is sealed with.
    """

    folder: Path
    store: Store
    vault: Vault

    def signer(self) -> tuple[Ed25519PrivateKey, Path]:
        """Return the key that signs receipts, which is made once, and the file of its public key.

        Raises:
            WrongKey: what is there is no signing key, or others may read it.
        """
        private, public = new_signing_key_file(f"{self.folder / DATABASE}.signing.pem", keep=True)
        return read_signing_key(private), public

    def gallery(self) -> Gallery:
        """Return all templates, which are of one recogniser.

        Raises:
            TemplateVersion: they are of several, since somebody was not enrolled again yet.
        """
        people = self.store.people()
        if not people:
            return empty_gallery(MODEL, model_digest(MODEL))
        newest = max(people, key=lambda person: person.changed)
        _refuse_outdated(self.store, newest.model, newest.weights)
        names, templates = self.store.templates(newest.model, newest.weights)
        return Gallery(newest.model, newest.weights, templates, names)


@contextmanager
def opened(folder: str | os.PathLike[str] | None = None, *, make: bool = False) -> Iterator[LocalGate]:
    """Open a gallery's folder, and close it in the end.

    Args:
        folder: as for `store.place.gallery_folder`.
        make: begin a gallery where there is none.

    Raises:
        MissingFile: there is none, and none is to be made.
        UsageError: the folder cannot be written to, or an earlier gallery lies beside a newer one.
        WrongKey: the key of the vault is missing, or is another one.
        StoreError: another program's database, a newer release's, or a locked one.
    """
    place = gallery_folder(folder)
    database = place / DATABASE
    former = has_former_gallery(place)
    if not (make or former or database.exists()):
        raise MissingFile(
            expected=f"a gallery in {place}", came="nobody who is enrolled", remedy="begin with: countenance enrol"
        )
    vault = Vault.beside(database)
    if former:
        take_over(place, database, vault=vault)
    store = open_store(f"sqlite:///{database}", vault=vault)
    try:
        yield LocalGate(place, store, vault)
    finally:
        store.close()


@dataclass(frozen=True, kw_only=True)
class LocalEnrolment:
    """What was decided.

    Attributes:
        enrolment: the decision, with what spoke against it.
        threshold: from which two templates are of one person.
    """

    enrolment: StoreEnrolment
    threshold: float

    @property
    def accepted(self) -> bool:
        """The person is in the gallery now."""
        return self.enrolment.accepted

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why not; empty when accepted."""
        return self.enrolment.admission.reasons

    @property
    def is_screened(self) -> bool:
        """Whether a screen was asked."""
        return bool(self.enrolment.admission.screened)

    def as_json(self) -> dict[str, Any]:
        """Return it under the keys of ``enrol``; the scores are for the operator, not for the person."""
        screened = self.enrolment.admission.screened
        thresholds = {"screen": screened[0].threshold if screened else None, "verification": self.threshold}
        return {**self.enrolment.as_json(), "thresholds": thresholds}


class _Door:
    """What `enrol_person` asks of a gate: one recogniser, and the screen of the folder."""

    def __init__(
        self, stated: StatedRecogniser, finder: Detector, screen: Screen | None, *, live: Policy | None = None
    ) -> None:
        self.model, self.weights = stated.name, model_digest(stated.name)
        rule = CheckRule(name="verification", kind=CheckKind.VERIFICATION, network=stated.name, point=stated.point)
        asked = () if live is None else still_checks(live)
        stills = tuple(replace(each, name=f"live-{place}") for place, each in enumerate(asked, start=1))
        self._policy = _all_of(rule, *stills)
        judges = load_networks(_all_of(*stills), _NO_EXPRESSION).stills if stills else {}
        self._networks = Networks(detector=finder, recognisers={stated.name: stated.build(1)}, stills=judges)
        self._rules = EnrolmentRules(screen=screen, presentation=live is not None)

    def admit(self, photographs: Sequence[Pixels], others: Gallery) -> tuple[Templates, Admission]:
        return admit_photographs(photographs, others, networks=self._networks, policy=self._policy, rules=self._rules)


def _all_of(*rules: CheckRule) -> Policy:
    together = Combine(how=Combination.ALL, parts=tuple(rule.name for rule in rules))
    return Policy(name="enrolment", version=1, checks=rules, combine=together)


def enrol(  # noqa: PLR0913 - each is something else that an enrolment may be asked for
    subject: str,
    pictures: Sequence[str | os.PathLike[str]],
    *,
    folder: str | os.PathLike[str] | None = None,
    model: str = MODEL,
    detect: str = "yunet",
    live: str | None = None,
    consent: Mapping[str, Any] | None = None,
    again: bool = False,
    now: Callable[[], float] = time.time,
) -> LocalEnrolment:
    """Enrol somebody by photographs, a template each, or by clips, of which up to five frames are taken.

    Args:
        subject: the name, not in the gallery yet.
        pictures: files, each of one face, at least one.
        folder: as for `store.place.gallery_folder`; a gallery is begun where there is none.
        model: the recogniser; one for all who are enrolled.
        detect: the face detector, "yunet" or "mtcnn".
        live: a policy, a shipped name or a file, whose checks of still presentations every photograph must pass: a live
            face, no picture of one. They judge a camera's frames, and refuse many a good passport photograph.
        consent: what the person agreed to, as JSON holds it.
        again: somebody who is enrolled, whose templates these replace.
        now: the clock, seconds since the epoch.

    Raises:
        InputError: a picture cannot be read, shows no face, or shows two.
        EnrolmentError: the name is taken, or with `again` nobody's; gallery or screen belong to another recogniser.
        DataError: a file is missing or damaged.
        UsageError: no picture, a name that cannot be one, an unknown recogniser or detector, a policy that has no
            check of still presentations.
    """
    if not pictures:
        raise UsageError(expected="at least one photograph", came="none", remedy="name one")
    refuse_name(subject, of="a subject")
    stated = stated_recogniser(model)
    threshold, weights = stated.point.value, model_digest(model)
    screen = screen_for(gallery_folder(folder), model, weights)
    asked = None if live is None else read_policy(live)
    for path in pictures:
        existing_file(path, expected="a photograph or a clip")
    finder = detector(detect)
    door = _Door(stated, finder, screen, live=asked)
    photographs = [pixels for path in pictures for pixels in _photographs(path, finder)]
    with opened(folder, make=True) as local:
        if not again:  # who is enrolled again may be the first one of a new recogniser
            _refuse_outdated(local.store, model, weights)
        done = enrol_person(
            door,
            local.store,
            subject,
            photographs,
            consent=consent,
            again=again,
            now=now(),
        )
    return LocalEnrolment(enrolment=done, threshold=threshold)


def forget(subject: str, *, folder: str | os.PathLike[str] | None = None) -> tuple[Forgotten, int]:
    """Delete all that is kept about somebody; return what was deleted, and how many people are left.

    Raises:
        UnknownSubject: nothing is kept under that name.
        MissingFile: there is no gallery.
    """
    with opened(folder) as local:
        done = local.store.forget(subject)
        return done, len(local.store.people())


def list_people(*, folder: str | os.PathLike[str] | None = None) -> tuple[Person, ...]:
    """Return everybody who is enrolled, in the order of their names.

    Raises:
        MissingFile: there is no gallery.
    """
    with opened(folder) as local:
        return local.store.people()


def audit_gallery(
    *,
    folder: str | os.PathLike[str] | None = None,
    threshold: float | None = None,
    seed: int = 0,
    progress: Progress = unheard,
) -> Audit:
    """Find planted universal templates in a gallery; see `gallery.audit`.

    Args:
        folder: as for `store.place.gallery_folder`.
        threshold: of a match; that of the gallery's screen when left out, or else the recogniser's stated one.
        seed: draws whom each template is compared with.
        progress: called with (templates done, templates in all).

    Raises:
        MissingFile: there is no gallery.
        TemplateVersion: its templates are of several recognisers.
        UsageError: too few people to tell, or a threshold outside [-1, 1].
    """
    with opened(folder) as local:
        gallery = local.gallery()
    if threshold is None:
        screen = screen_for(local.folder, gallery.model, gallery.weights)
        threshold = stated_recogniser(gallery.model).point.value if screen is None else screen.match
    if not -1 <= threshold <= 1:
        raise UsageError(expected="a cosine in [-1, 1]", came=f"{threshold:g}", remedy="for example 0.3")
    return audit(gallery, threshold=threshold, generator=np.random.default_rng(seed), progress=progress)


def export_subject(
    subject: str, *, folder: str | os.PathLike[str] | None = None, templates: bool = False
) -> dict[str, Any]:
    """Return all that is kept about somebody, as JSON holds it, for the person to have.

    Args:
        subject: the name.
        folder: as for `store.place.gallery_folder`.
        templates: whether the numbers of the templates are in it, opened; a face can be made from them that passes.

    Raises:
        UnknownSubject: nothing is kept under that name.
        MissingFile: there is no gallery.
    """
    with opened(folder) as local:
        return local.store.export_subject(subject, templates=templates)


def _photographs(path: str | os.PathLike[str], finder: Detector) -> list[Pixels]:
    return photographs_of_clip(path, detector=finder) if is_clip(path) else [read_image(path)]


def _refuse_outdated(store: Store, model: str, weights: str) -> None:
    """Refuse another recogniser than that of all who are enrolled, among whom nobody could be searched for twins.

    Raises:
        TemplateVersion: naming both.
    """
    other = next((person for person in store.people() if (person.model, person.weights) != (model, weights)), None)
    if other is not None:
        raise TemplateVersion(
            expected=f"the recogniser of this gallery, {other.model}",
            came=model if model != other.model else f"{model} with other weights",
            remedy=f"name that one, or enrol everybody again: countenance enrol {other.subject} ... --again",
        )
