"""A gate without networks before a real store, and the service around them."""

import io
import secrets
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image
from starlette.exceptions import StarletteDeprecationWarning

from countenance.admission import Admission
from countenance.challenge import ChallengeRules, begin, draw_challenge
from countenance.errors import ManyFaces, NoFace
from countenance.gallery import Gallery, Templates
from countenance.gate.session import Feedback, Frame, GateDecision, Recent, Session
from countenance.images import ImageLimits, read_image
from countenance.policy import Outcome, Status
from countenance.receipts import chain, start_chain
from countenance.service.application import create_app
from countenance.service.observing import open_log
from countenance.service.settings import Settings
from countenance.store.database import Store, open_store
from countenance.vault import Vault
from countenance.vocabulary import Action, Decision, Reason

with warnings.catch_warnings():  # it would rather have another client than httpx
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

NOW = 1_790_000_000.0
POLICY = "ab" * 32
ANN = "Ann Example"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class FakeGate:
    """Done after two frames; a black frame has no face; `before_look` is called before each frame."""

    model, weights = "fake", "cd" * 32

    def __init__(self, limits: ImageLimits) -> None:
        self.accept = True
        self.reasons: tuple[Reason, ...] = ()
        self.looked = 0
        self.limits = limits
        self.before_look: Callable[[], object] = lambda: None

    def begin(
        self, subject: str, *, now: float, random: Callable[[int], bytes], without: Iterable[Action] = frozenset()
    ) -> Session:
        challenge = draw_challenge(ChallengeRules(), random=random, now=now, without=without)
        name = random(16).hex()
        return Session(
            identifier=name,
            subject=subject,
            state=begin(challenge),
            policy=POLICY,
            head=start_chain(name, challenge.nonce),
        )

    def look(
        self, session: Session, frame: Frame, references: Templates | None, *, recent: Recent | None = None
    ) -> tuple[Session, Feedback]:
        self.before_look()
        assert isinstance(frame.image, bytes)
        assert references is not None
        assert references.shape == (1, 4)
        assert recent is not None
        pixels = read_image(frame.image, limits=self.limits, name="the frame")
        self.looked += 1
        advice = () if pixels.max() else (Reason.NO_FACE,)
        count = session.frames + 1
        after = replace(
            session, head=chain(session.head, frame.content), frames=count, seconds=frame.seconds, judged=count
        )
        step = min(count, 2)
        return after, Feedback(prompt="Smile.", action=Action.HAPPY, advice=advice, step=step, steps=2, done=step == 2)

    def conclude(self, session: Session, *, now: float, seen_before: int = 0) -> GateDecision:
        enough = session.frames >= 2 and not seen_before
        reasons = () if self.accept and enough else self.reasons or (Reason.TOO_FEW_FRAMES,)
        return GateDecision(
            session=session.identifier,
            accepted=not reasons,
            reasons=reasons,
            outcomes=(Outcome(check="verification", status=Status.PASSED, score=0.87654, threshold=0.4, seconds=now),),
            policy="fake 1",
            policy_digest=POLICY,
            models={"fake": self.weights},
            label="",
            frames=session.frames,
            judged=session.judged,
            head=session.head.hex(),
        )

    def admit(self, photographs: Sequence[NDArray[np.uint8]], others: Gallery) -> tuple[Templates, Admission]:
        self.before_look()
        for number, pixels in enumerate(photographs, start=1):
            refuse_other_than_one_face(pixels, f"photograph {number}")
        templates = np.stack([unit(pixels.mean()) for pixels in photographs])
        nearest = others.best_match(templates)
        against = (Reason.ENROLLED_ALREADY,) if nearest is not None and nearest[1] > 0.9999 else ()
        return templates, Admission(reasons=against, screened=(), likeness=1.0, nearest=nearest)

    def compare(self, reference: NDArray[np.uint8], probe: NDArray[np.uint8]) -> Decision:
        refuse_other_than_one_face(reference, "the reference")
        refuse_other_than_one_face(probe, "the probe")
        similarity = float(unit(reference.mean()) @ unit(probe.mean()))
        return Decision(accepted=similarity >= 0.9, score=similarity, threshold=0.9, model=self.model)


def refuse_other_than_one_face(pixels: NDArray[np.uint8], name: str) -> None:
    """As a detector would: nobody is in a picture of grey level 0, and two in one of level 1."""
    level = pixels[-1].max()
    if level < 2:
        kind, came = (ManyFaces, "two") if level else (NoFace, "none")
        raise kind(expected="one face", came=f"{came} in {name}", remedy="take another photograph")


def unit(value: float) -> NDArray[np.float32]:
    """A template that tells a grey level: (4,) of length 1."""
    angle = value / 255
    return np.array([np.cos(angle), np.sin(angle), 0, 0], np.float32)


def picture(value: int = 128, *, kind: str = "JPEG", side: int = 16) -> bytes:
    """A picture whose bytes differ from call to call: no two frames of a camera are alike."""
    pixels = np.full((side, side, 3), value, np.uint8)
    pixels[0, :] = np.frombuffer(secrets.token_bytes(3 * side), np.uint8).reshape(side, 3) if value else 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=95) if kind == "JPEG" else Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def client_of(app: FastAPI, **options: Any) -> TestClient:
    """A client whose requests do not raise what the service answers with 500."""
    return TestClient(app, raise_server_exceptions=False, **options)


@dataclass
class Service:
    """The service with everything it was made of."""

    app: FastAPI
    client: TestClient
    gate: FakeGate
    store: Store
    clock: Clock
    signer: Ed25519PrivateKey
    log: io.StringIO
    keys: dict[str, str] = field(default_factory=dict)

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def begin(self, role: str = "client", subject: str = ANN) -> dict[str, Any]:
        answer = self.client.post("/v1/sessions", json={"subject": subject}, headers=self.bearer(role))
        assert answer.status_code == 201, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def show(self, session: dict[str, Any], sequence: int, content: bytes | None = None, **headers: str) -> Any:
        named = {
            "X-Nonce": session["nonce"],
            "X-Sequence": str(sequence),
            "Authorization": f"Bearer {session['token']}",
            "Content-Type": "image/jpeg",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self.clock.now += 0.5
        body = picture() if content is None else content
        return self.client.post(f"/v1/sessions/{session['session']}/frames", content=body, headers=named)

    def conclude(self, session: dict[str, Any]) -> Any:
        return self.client.post(
            f"/v1/sessions/{session['session']}/result", headers={"Authorization": f"Bearer {session['token']}"}
        )

    def whole(self, **options: Any) -> tuple[dict[str, Any], Any]:
        """Begin, show two frames, conclude."""
        session = self.begin(**options)
        for sequence in range(2):
            assert self.show(session, sequence).status_code == 200
        return session, self.conclude(session)


@pytest.fixture
def settings() -> Settings:
    return Settings(requests_per_second=1e5, requests_at_once=100_000, sessions_per_subject=1000)


@pytest.fixture(scope="session")
def filled(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A store with Ann in it, closed, to be copied; and the secrets of a key of each role."""
    path = tmp_path_factory.mktemp("filled") / "gate.db"
    store = open_store(f"sqlite:///{path}", vault=Vault([bytes(32)]), now=Clock())
    store.enrol(ANN, templates=unit(100)[None], model=FakeGate.model, weights=FakeGate.weights)
    keys = {role: store.add_key(role, role)[1] for role in ("operator", "client", "viewer")}
    store.close()
    return path, keys


@pytest.fixture
def service(tmp_path, settings, filled) -> Iterator[Service]:
    path, keys = filled
    clock, gate, log = Clock(), FakeGate(settings.frame_limits), io.StringIO()
    store = open_store(f"sqlite:///{copy(path, tmp_path)}", vault=Vault([bytes(32)]), now=clock)
    signer = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    app = create_app(
        gate, store, settings=settings, signer=signer, clock=clock, random=secrets.token_bytes, log=open_log(log)
    )
    with client_of(app) as client:
        yield Service(app, client, gate, store, clock, signer, log, keys)
