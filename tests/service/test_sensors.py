"""Frames with infrared and depth: by requests and over a stream, bound by the receipt, and needed by `sensors`."""

import io
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from tests.gate.conftest import Stage, stage, world  # noqa: F401 - fixtures
from tests.service.conftest import ANN, Clock, Service, client_of, picture
from tests.service.test_sessions import refused
from tests.service.test_stream import hello, opened

from countenance.receipts import joined, verify_receipt
from countenance.service.application import create_app
from countenance.service.observing import open_log
from countenance.service.settings import Settings
from countenance.store.database import open_store
from countenance.vault import Vault
from countenance.vocabulary import Action, Modality


def png(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def slope(side=48, kind=np.uint8) -> bytes:
    """A plane that shows something, and never the same bytes again."""
    plane = (np.add.outer(np.arange(side), np.arange(side)) + 40).astype(kind)
    plane[0, :4] = np.frombuffer(secrets.token_bytes(4), np.uint8)
    return png(plane)


def show(service: Service, session: dict[str, Any], sequence: int, parts: Any) -> Any:
    """Show a frame by a multipart body; `parts` are named, once each or not."""
    named = parts.items() if isinstance(parts, dict) else parts
    headers = {
        "X-Nonce": session["nonce"],
        "X-Sequence": str(sequence),
        "Authorization": f"Bearer {session['token']}",
    }
    service.clock.now += 0.1
    files = [(name, (f"{name}.png", content)) for name, content in named]
    return service.client.post(f"/v1/sessions/{session['session']}/frames", files=files, headers=headers)


def message(parts: dict[str, bytes]) -> bytes:
    head = json.dumps({name: len(part) for name, part in parts.items()})
    return head.encode() + b"\n" + b"".join(parts.values())


@dataclass
class Room:
    """A service before a gate of the policy `sensors`, whose networks read scenes."""

    service: Service
    stage: Stage

    def pictures(self, session: dict[str, Any]) -> list[bytes]:
        """What a camera sees of a person who does what this session asks for."""
        state = self.service.store.session(session["session"]).state["session"]["state"]
        actions = [Action(word) for word in state["challenge"]["actions"]]
        scenes = self.stage.script(actions, self.stage.scene(live=0.97))
        found = []
        for number, scene in enumerate(scenes):
            pixels = self.stage.world.pixels(scene).copy()
            pixels[:2, :, 2] = np.frombuffer(secrets.token_bytes(96), np.uint8).reshape(2, 48)
            pixels[2, 2, 2] = number
            found.append(png(pixels))
        return found


@pytest.fixture
def room(stage, tmp_path) -> Iterator[Room]:  # noqa: F811
    vault, clock, log = Vault([bytes(32)]), Clock(), io.StringIO()
    made = stage("sensors", vault=vault)
    store = open_store(f"sqlite:///{tmp_path}/gate.db", vault=vault, now=clock)
    store.enrol(ANN, templates=made.template(1)[None], model=made.gate.model, weights=made.gate.weights)
    keys = {role: store.add_key(role, role)[1] for role in ("operator", "client")}
    signer = Ed25519PrivateKey.from_private_bytes(bytes(32))
    app = create_app(
        made.gate, store, settings=Settings(), signer=signer, clock=clock, random=secrets.token_bytes, log=open_log(log)
    )
    with client_of(app) as client:
        yield Room(Service(app, client, made.gate, store, clock, signer, log, keys), made)


def test_a_person_is_let_in_by_all_sensors_and_the_receipt_binds_them(room):
    service, session = room.service, room.service.begin()
    shown: list[dict[str, bytes]] = []
    for number, image in enumerate(room.pictures(session)):
        shown.append({"image": image, "infrared": slope(), "depth": slope()})
        said = show(service, session, number, shown[-1])
        assert said.status_code == 200, said.text
        if said.json()["done"]:
            break
    concluded = service.conclude(session).json()
    assert (concluded["accepted"], concluded["reasons"]) == (True, [])
    signed = service.client.get(concluded["receipt"], headers=service.bearer("client")).content

    def judged(frames):
        named = {"image": Modality.RGB, "infrared": Modality.INFRARED, "depth": Modality.DEPTH}
        contents = [joined({named[name]: part for name, part in parts.items()}) for parts in frames]
        return verify_receipt(signed, service.signer.public_key(), frames=contents).valid

    assert judged(shown)
    for name in ("infrared", "depth", "image"):
        assert not judged([*shown[:3], {**shown[3], name: slope()}, *shown[4:]])
    assert not judged([*shown[:3], {"image": shown[3]["image"], "infrared": shown[3]["infrared"]}, *shown[4:]])


@pytest.mark.parametrize("gone", [("depth",), ("infrared",), ("infrared", "depth")])
def test_one_frame_without_a_plane_is_one_too_many(room, gone):
    service, session = room.service, room.service.begin()
    for number, image in enumerate(room.pictures(session)):
        parts = {"image": image, "infrared": slope(), "depth": slope()}
        kept = {name: part for name, part in parts.items() if number != 4 or name not in gone}
        said = show(service, session, number, kept).json() if len(kept) > 1 else service.show(session, number, image)
        if len(kept) > 1 and said["done"]:
            break
    concluded = service.conclude(session).json()
    assert (concluded["accepted"], concluded["reasons"]) == (False, ["sensor_missing"])


def test_planes_that_do_not_lie_on_the_picture_are_refused_and_take_no_turn(room):
    service, session = room.service, room.service.begin()
    image = room.pictures(session)[0]
    for other in (slope(40), slope(kind=np.uint16), image, b"GIF89a", b""):
        for name, good in (("infrared", "depth"), ("depth", "infrared")):
            refused(show(service, session, 0, {"image": image, name: other, good: slope()}), 422)
    said = show(service, session, 0, {"image": image, "infrared": slope(40)})
    refused(said, 422, words="8 bits of 48 x 48, lying on the colour picture")
    assert show(service, session, 0, {"image": image, "infrared": slope(), "depth": slope()}).status_code == 200


def test_over_a_stream_a_message_holds_all_planes(room):
    service, session = room.service, room.service.begin()
    with opened(service, session) as socket:
        hello(socket, session)
        for image in room.pictures(session):
            service.clock.now += 0.1
            socket.send_bytes(message({"image": image, "infrared": slope(), "depth": slope()}))
            said = socket.receive_json()
            assert said["kind"] == "seen", said
            if said["done"]:
                break
    assert service.conclude(session).json()["accepted"] is True


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([("infrared", slope())], "the part image, and infrared and depth"),
        ([("image", picture()), ("image", picture())], "each once; came image, image"),
        ([("image", picture()), ("thermal", slope())], "a part of another name"),
        ([("image", picture())] * 4, "Too many files"),
    ],
)
def test_other_parts_are_refused(service, parts, words):
    session = service.begin()
    refused(show(service, session, 0, parts), 422, words=words)
    assert service.gate.looked == 0
    assert show(service, session, 0, {"image": picture()}).status_code == 200, "a form may hold the picture alone"


@pytest.mark.parametrize("settings", [Settings(frame_bytes=3000, planes_bytes=5000)])
class TestLimits:
    def test_of_a_form(self, service):
        session = service.begin()
        refused(show(service, session, 0, {"image": picture(), "depth": bytes(3001)}), 413, words="3,000 bytes")
        large = {"image": picture(), "infrared": bytes(2500), "depth": bytes(2500)}
        refused(show(service, session, 0, large), 413, words="5,000 bytes")
        refused(service.show(session, 0, bytes(3001)), 413, words="3,000 bytes")
        assert service.gate.looked == 0

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (message({"image": picture(), "depth": bytes(3001)}), 413),
            (message({"image": bytes(2500), "infrared": bytes(2500)}), 413),
            (message({"infrared": slope()}), 422),
            (message({"image": picture(), "thermal": slope()}), 422),
            (b'{"image": 3}\nab', 422),
            (b'{"image": -1, "depth": 3}\nab', 422),
            (b'{"image": true, "depth": 1}\nab', 422),
            (b'{"image": 0, "depth": 2}\nab', 422),
            (b'{"image": "2"}\nab', 422),
            (b'{"image": 1e0}\na', 422),
            (b"{" * 2000, 422),
            (b"{}\n", 422),
            (b"{", 422),
            (b'{"image": 1}' + b" " * 200 + b"\na", 422),
        ],
    )
    def test_of_a_message(self, service, sent, status):
        session = service.begin()
        with opened(service, session) as socket:
            hello(socket, session)
            service.clock.now += 0.5
            socket.send_bytes(sent)
            said = socket.receive_json()
            assert (said["kind"], said["status"]) == ("refused", status)
        assert service.gate.looked == 0
        assert service.show(session, 0).status_code == 200


def test_another_plane_makes_an_old_picture_no_new_one(service):
    clip = [picture(), picture()]
    first, second = service.begin(), service.begin()
    for number, image in enumerate(clip):
        assert service.show(first, number, image).status_code == 200
        assert show(service, second, number, {"image": image, "depth": slope()}).status_code == 200
    assert service.conclude(first).json()["accepted"] is True
    said = service.conclude(second).json()
    assert (said["accepted"], said["reasons"]) == (False, ["too_few_frames", "used_before"])
