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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from countenance.admission import Admission, screen_for
from countenance.clips import is_clip
from countenance.errors import MissingFile, TemplateVersion, UsageError, WrongKey
from countenance.faces.detection import Detector
from countenance.files import existing_file, write_private
from countenance.gallery import Audit, Gallery, Templates, audit, empty_gallery
from countenance.gate.enrolling import (
    EnrolmentRules,
    StoreEnrolment,
    admit_photographs,
    enrol_person,
    photographs_of_clip,
)
from countenance.gate.former_gallery import has_former_gallery, take_over
from countenance.gate.networks import Networks, model_digest
from countenance.images import read_image
from countenance.names import refuse_name
from countenance.policy import CheckKind, CheckRule, Combination, Combine, Policy
from countenance.progress import Progress, unheard
from countenance.receipts import new_signing_key_file, read_signing_key
from countenance.recognisers import StatedRecogniser, stated_recogniser
from countenance.released import detector
from countenance.screening import Screen
from countenance.store.backup import restore
from countenance.store.database import Store, open_store
from countenance.store.enrolments import Forgotten, Person
from countenance.store.place import DATABASE, gallery_folder
from countenance.vault import KEY_FILE, KEYS, Vault, new_key, read_key_file
from countenance.vocabulary import Reason

MODEL = "sface"

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

    def __init__(self, stated: StatedRecogniser, finder: Detector, screen: Screen | None) -> None:
        self.model, self.weights = stated.name, model_digest(stated.name)
        rule = CheckRule(name="verification", kind=CheckKind.VERIFICATION, network=stated.name, point=stated.point)
        together = Combine(how=Combination.ALL, parts=(rule.name,))
        self._policy = Policy(name="enrolment", version=1, checks=(rule,), combine=together)
        self._networks = Networks(detector=finder, recognisers={stated.name: stated.build(1)})
        self._rules = EnrolmentRules(screen=screen)

    def admit(self, photographs: Sequence[Pixels], others: Gallery) -> tuple[Templates, Admission]:
        return admit_photographs(photographs, others, networks=self._networks, policy=self._policy, rules=self._rules)


def enrol(
    subject: str,
    pictures: Sequence[str | os.PathLike[str]],
    *,
    folder: str | os.PathLike[str] | None = None,
    model: str = MODEL,
    detect: str = "yunet",
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
        consent: what the person agreed to, as JSON holds it.
        again: somebody who is enrolled, whose templates these replace.
        now: the clock, seconds since the epoch.

    Raises:
        InputError: a picture cannot be read, shows no face, or shows two.
        EnrolmentError: the name is taken, or with `again` nobody's; gallery or screen belong to another recogniser.
        DataError: a file is missing or damaged.
        UsageError: no picture, a name that cannot be one, an unknown recogniser or detector.
    """
    if not pictures:
        raise UsageError(expected="at least one photograph", came="none", remedy="name one")
    refuse_name(subject, of="a subject")
    stated = stated_recogniser(model)
    threshold, weights = stated.point.value, model_digest(model)
    screen = screen_for(gallery_folder(folder), model, weights)
    for path in pictures:
        existing_file(path, expected="a photograph or a clip")
    finder = detector(detect)
    photographs = [pixels for path in pictures for pixels in _photographs(path, finder)]
    with opened(folder, make=True) as local:
        if not again:  # who is enrolled again may be the first one of a new recogniser
            _refuse_outdated(local.store, model, weights)
        done = enrol_person(
            _Door(stated, finder, screen),
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
        told = local.store.export_subject(subject)
    if not templates:
        bare = [{key: value for key, value in row.items() if key != "values"} for row in told["templates"]]
        return {**told, "templates": bare}
    return told


def backup_gallery(path: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None) -> Path:
    """Copy the store as of one moment to a new file (mode 0600); the keys and the screen are not in it.

    Raises:
        UsageError: something is there already, or the place cannot be written to.
        MissingFile: there is no gallery.
    """
    with opened(folder) as local:
        return local.store.backup(path)


def restore_gallery(
    path: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None
) -> tuple[Person, ...]:
    """Make a store from a backup, where none is; return who is enrolled in it.

    Args:
        path: of the backup.
        folder: as for `store.place.gallery_folder`; the key file that was beside the store is there already, or the
            key is in the environment.

    Raises:
        UsageError: there is a gallery.
        MissingFile: there is no backup.
        WrongKey: there is no key, or it is not the one that sealed what is in the backup.
        StoreError: it is no backup of ours, damaged, or of a newer release.
    """
    existing_file(path, expected="a backup")
    place = gallery_folder(folder)
    database, key = place / DATABASE, Path(f"{place / DATABASE}.key")
    if database.exists() or has_former_gallery(place):
        raise UsageError(
            expected=f"no gallery in {place}", came="one", remedy="move it away, whole, or name another folder"
        )
    if not (key.exists() or KEYS in os.environ or KEY_FILE in os.environ):
        raise WrongKey(
            expected=f"the key of the backup in {key}, ${KEYS} or ${KEY_FILE}",
            came="none of them",
            remedy="put the key file there first; without it nothing in the backup can be opened",
        )
    Vault.beside(database)  # refuses a damaged key before anything is written
    restore(f"sqlite:///{database}", path)
    try:
        with opened(place) as local:
            return local.store.people()
    except WrongKey:
        for beside in (database, Path(f"{database}-wal"), Path(f"{database}-shm")):
            beside.unlink(missing_ok=True)
        raise


def rotate_gallery(*, folder: str | os.PathLike[str] | None = None, drop: bool = False) -> int:
    """Seal everything again under another key; return how many values.

    The key file beside the store gets a new key before the old ones; where the key is configured in the environment,
    its first one is taken, which whoever configures it has put before the old one. Nobody else may have the store open.

    Args:
        folder: as for `store.place.gallery_folder`.
        drop: take the old keys out of the key file; older backups cannot be opened with it from then on.

    Raises:
        UsageError: `drop` where the key is configured in the environment.
        MissingFile: there is no gallery.
        WrongKey: a key is missing or damaged.
    """
    elsewhere = KEYS in os.environ or KEY_FILE in os.environ
    if elsewhere and drop:
        raise UsageError(
            expected="--drop with a key file beside the gallery",
            came=f"${KEYS} or ${KEY_FILE}",
            remedy="take the old key out there",
        )
    with opened(folder) as local:
        if elsewhere:
            return local.store.rotate(local.vault)
        file = Path(f"{local.folder / DATABASE}.key")
        fresh, former = new_key(), file.read_text(encoding="utf-8").split()
        _put(file, [fresh, *former])  # from here on both open, whatever happens
        count = local.store.rotate(Vault(read_key_file(file)))
        if drop:
            _put(file, [fresh])
        return count


def _put(file: Path, keys: Sequence[str]) -> None:
    """Write a key file in the place of the one that is there."""
    part = file.with_name(f"{file.name}.new")
    with suppress(FileNotFoundError):
        part.unlink()  # of somebody who was stopped
    write_private(part, "".join(f"{key}\n" for key in keys).encode()).replace(file)


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
