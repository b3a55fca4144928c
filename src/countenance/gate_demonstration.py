"""The gate on drawn people, from enrolment to receipt: the second half of what the command `demo` does.

A screen for universal templates is calibrated by drawn strangers. A drawn person enrols by three photographs and does
before the camera what is asked; then a screen is held before it that plays a film of the same. Both clips are judged
under the policy for drawn people. Last, an attacker changes a photograph of his own by a few grey levels, white box,
until it matches most strangers, and tries to enrol with it: that is the attack of system 3, and the screen's to refuse.

The detector and the recogniser (YuNet, SFace) are pulled once where they are not there yet. Everything that is seen is
drawn: it says nothing about a real camera.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from countenance.admission import digest_of_weights
from countenance.attacks.universal import Surrogate, UniversalOptimizer, UniversalRecipe, craft, images
from countenance.demonstration import DRAWN
from countenance.drawn_sets.gate import GateKind, draw_frames, draw_photographs, plan_clip, write_clip
from countenance.drawn_sets.portraits import People
from countenance.faces.chip import cut_chip, put_back
from countenance.faces.detection import Detector, only_face
from countenance.files import write_atomically
from countenance.gate.attempts import Attempt, authenticate
from countenance.gate.local import LocalEnrolment, enrol
from countenance.policy import CheckKind, read_policy
from countenance.progress import Progress, Say, unheard
from countenance.receipts import verify_receipt_file
from countenance.recipes.universal import png, to_pixels
from countenance.released import detector, differentiable, recogniser
from countenance.scores import text
from countenance.scoring import Recogniser
from countenance.screening import Examined, Screen, assign_roles, calibrate_screen, examine, soft_matches, write_screen
from countenance.vocabulary import Action

POLICY, MODEL = "drawn", "sface"
ASKED = (Action.TURN_LEFT, Action.BLINK)
PERSON = int(People.GATE) + 750
_STRANGERS, _TARGETS, _ATTACKER = PERSON + 20, PERSON + 200, PERSON + 250  # numbers of the first of each
_FALSE_ALARMS = 0.05  # needs 19 photographs; 100 strangers more are compared with
_MANY, _ATTACKED = 119, 24
_FINE = 640  # width of the photograph that is changed: finer than what the recogniser sees of it
_RECIPE = UniversalRecipe(epsilon=16 / 255, iterations=40, optimizer=UniversalOptimizer.SIGN)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class GateDemonstration:
    """What happened before the gate.

    Attributes:
        enrolment: of the person.
        genuine: the attempt of the person.
        replay: the attempt with the screen.
        receipt: of the first attempt, verified with the public key beside it.
        plain: enrolment of the attacker with a photograph as it is.
        universal: with the changed one.
        matched: share of the strangers whom the changed photograph matches, softly counted as by the screen.
        folder: where clips, pictures, receipt and key lie; the gallery itself is not kept.
        seconds: how long it took.
    """

    enrolment: LocalEnrolment
    genuine: Attempt
    replay: Attempt
    receipt: Path
    plain: LocalEnrolment
    universal: LocalEnrolment
    matched: float
    folder: Path
    seconds: float

    @property
    def lines(self) -> list[str]:
        """What happened, a line each."""
        asked = " ".join(action.prompt for action in ASKED)
        told: tuple[tuple[str, LocalEnrolment | Attempt], ...] = (
            ("Ann enrols by three photographs", self.enrolment),
            (f'Ann is asked: "{asked}"', self.genuine),
            ("A screen plays a film in which Ann does it", self.replay),
            ("Mallory enrols by a photograph", self.plain),
            (f"Mallory enrols by one that was made to match {self.matched:.0%} of strangers", self.universal),
        )
        return [f"{what}: {_ended(how)}" for what, how in told]

    def authentication(self) -> dict[str, object]:
        """Return what came of the attempts, as JSON holds it."""
        return {
            "data": DRAWN,
            "policy": POLICY,
            "enrolment": self.enrolment.as_json(),
            "genuine": self.genuine.as_json(),
            "replay": self.replay.as_json(),
            "receipt": str(self.receipt),
        }

    def attack(self) -> dict[str, object]:
        """Return what came of the attack on the recogniser, as JSON holds it."""
        return {
            "data": DRAWN,
            "recogniser": MODEL,
            "epsilon": _RECIPE.epsilon,
            "iterations": _RECIPE.iterations,
            "matched": self.matched,
            "plain": self.plain.as_json(),
            "universal": self.universal.as_json(),
        }


def demonstrate_gate(
    out: str | os.PathLike[str], *, seed: int = 0, progress: Progress = unheard, say: Say = unheard
) -> GateDemonstration:
    """Let drawn people come before the gate, and an attacker.

    Args:
        out: a folder for what can be looked at: clips, pictures, the receipt and the key that verifies it.
        seed: of the drawing.
        progress: called with (strangers done, strangers in all).
        say: called with a line before each step.

    Raises:
        UsageError: the folder cannot be written to.
        DataError: the detector or the recogniser cannot be had.
    """
    started = time.perf_counter()
    folder = Path(out)
    eye = _Eye(finder=detector("yunet"), network=recogniser(MODEL, threads=os.cpu_count() or 1))
    with TemporaryDirectory() as gallery:
        say(f"calibrating a screen for universal templates by {_MANY} drawn strangers")
        screen = _calibrated(eye, seed, progress)
        write_screen(gallery, screen)
        say("drawing what Ann shows, and what a screen plays")
        photographs = _written(draw_photographs(PERSON, seed=seed), folder / "ann")
        clips = [_clip(kind, folder, seed) for kind in (GateKind.GENUINE, GateKind.REPLAY)]
        enrolment = enrol("ann", photographs, folder=gallery, consent={"drawn": True})
        say(f"judging both clips under the policy {POLICY}")
        genuine, replay = (authenticate("ann", clip, folder=gallery, challenge=ASKED, policy=POLICY) for clip in clips)
        receipt = _verified(genuine, folder)
        say(f"changing a photograph until {MODEL} takes it for anybody: {_RECIPE.iterations} steps")
        attackers = _universal(eye, seed)
        files = _written(attackers, folder / "mallory")
        plain, universal = (_enrolled_alone(file, screen) for file in files)
    return GateDemonstration(
        enrolment=enrolment,
        genuine=genuine,
        replay=replay,
        receipt=receipt,
        plain=plain,
        universal=universal,
        matched=float(soft_matches(eye.templates(attackers[1:]) @ screen.cohort.T, _match())[0]),
        folder=folder,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, kw_only=True)
class _Eye:
    """A detector and a recogniser."""

    finder: Detector
    network: Recogniser

    def cut(self, picture: Pixels) -> Pixels:
        """The one face of a picture, as the recogniser wants it."""
        return self.network.cut(picture, only_face(self.finder.detect(picture), name="a drawn photograph"))

    def templates(self, pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        """(N, D) of length 1."""
        return self.network.embed(np.stack([self.cut(picture) for picture in pictures]))


def _calibrated(eye: _Eye, seed: int, progress: Progress) -> Screen:
    """Return a screen of drawn strangers."""
    seen = []
    for done in range(_MANY):
        seen.append(examine(eye.cut(_portrait(_STRANGERS + done, seed))[None], eye.network.embed))
        progress(done + 1, _MANY)
    found = Examined(np.concatenate([each.templates for each in seen]), np.concatenate([each.shifts for each in seen]))
    people = text([str(number) for number in range(_MANY)])
    roles = assign_roles(people, false_alarms=_FALSE_ALARMS)
    return calibrate_screen(
        found.select(roles.cohort),
        found.select(roles.calibration),
        people[roles.calibration],
        match=_match(),
        recogniser=MODEL,
        weights=digest_of_weights(MODEL),
        false_alarms=_FALSE_ALARMS,
    )


def _enrolled_alone(photograph: Path, screen: Screen) -> LocalEnrolment:
    """Enrol somebody where nobody else is: drawn people are so much alike that the recogniser takes them for one."""
    with TemporaryDirectory() as gallery:
        write_screen(gallery, screen)
        return enrol("mallory", [photograph], folder=gallery)


def _universal(eye: _Eye, seed: int) -> list[Pixels]:
    """A photograph of the attacker, and the same changed until it is near to everybody."""
    plain = draw_photographs(_ATTACKER, seed=seed, width=_FINE)[0]
    face = only_face(eye.finder.detect(plain), name="the attacker's photograph")
    targets = eye.templates([_portrait(_TARGETS + number, seed) for number in range(_ATTACKED)])
    held = Surrogate(name=MODEL, network=differentiable(MODEL), targets=torch.from_numpy(targets))
    crafted = craft(to_pixels(cut_chip(plain, face)[None]), [held], _RECIPE)
    return [plain, put_back(plain, face, images(crafted)[0])]


def _portrait(person: int, seed: int) -> Pixels:
    """(H, W, 3) of a stranger from the front."""
    return draw_photographs(person, seed=seed, count=1)[0]


def _clip(kind: GateKind, folder: Path, seed: int) -> Path:
    """Draw a clip at 10 frames a second and write it at 30, each frame three times."""
    drawn = draw_frames(plan_clip(kind, PERSON, ASKED, seed=seed, frames_per_second=10))
    path = folder / f"{kind}.mov"
    write_clip(replace(drawn, rgb=[frame for frame in drawn.rgb for _ in range(3)]), path)
    return path


def _verified(attempt: Attempt, folder: Path) -> Path:
    """Write an attempt's receipt and the gate's public key, and verify the one by the other."""
    assert attempt.receipt is not None
    assert attempt.public_key is not None
    receipt = write_atomically(folder / "receipt.json", attempt.receipt)
    key = write_atomically(folder / "signing.pub.pem", attempt.public_key.read_bytes())
    assert verify_receipt_file(receipt, key=key).valid
    return receipt


def _written(pictures: Sequence[Pixels], name: Path) -> list[Path]:
    return [write_atomically(Path(f"{name}-{number}.png"), png(each)) for number, each in enumerate(pictures)]


def _match() -> float:
    """The threshold of the policy's verification: from there on two templates are of one person."""
    (point,) = (check.point for check in read_policy(POLICY).checks if check.kind is CheckKind.VERIFICATION)
    assert point is not None
    return point.value


def _ended(how: LocalEnrolment | Attempt) -> str:
    return "accepted" if how.accepted else f"refused ({', '.join(how.reasons)})"
