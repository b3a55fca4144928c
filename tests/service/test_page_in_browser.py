"""The page in headless Chromium, before a gate without networks that answers by a script.

The fake camera plays a film over and over, which a service would refuse as frames that were used before: here it does
not know them again. The whole path with networks and drawn people takes minutes, and is no test.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import numpy as np
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.service.conftest import FakeGate, unit

from countenance.errors import ChallengeExpired, NoFace
from countenance.gate.session import Feedback
from countenance.images import read_image
from countenance.receipts import chain
from countenance.service.application import create_app
from countenance.service.observing import open_log
from countenance.service.settings import Settings
from countenance.store.database import Store, open_store
from countenance.vault import Vault
from countenance.vocabulary import Action, Reason

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install countenance[dev]")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

ANN = "Ann Example"
WAIT = 15_000  # milliseconds, for a slow machine
REST = "Look at the camera with a calm face."
SMILE = Action.HAPPY.prompt
TURN = Action.TURN_LEFT.prompt
SCRIPT = (  # what is said of one frame after the other: prompt, action, advice, step
    *[(REST, None, (Reason.TOO_FAR,), 0)] * 2,
    (REST, None, (), 0),
    *[(SMILE, Action.HAPPY, (), 0)] * 2,
    (REST, None, (), 1),
    *[(TURN, Action.TURN_LEFT, (), 1)] * 2,
)
SLOW_SCRIPT = (  # long enough for what is read out, and for what stays in sight
    *[(REST, None, (Reason.TOO_FAR,), 0)] * 10,
    *[(REST, None, (), 0)] * 2,
    *[(SMILE, Action.HAPPY, (), 0)] * 3,
    *[(REST, None, (), 1)] * 2,
    *[(TURN, Action.TURN_LEFT, (), 1)] * 3,
)


class ScriptedGate(FakeGate):
    """Says what stands in `script`; `shapes` are of the pictures that came."""

    def __init__(self, limits):
        super().__init__(limits)
        self.script = SCRIPT
        self.shapes: list[tuple[int, ...]] = []
        self.without: list[list[Action]] = []

    def begin(self, subject, *, now, random, without=frozenset()):
        self.without.append(sorted(without))
        return super().begin(subject, now=now, random=random, without=without)

    def look(self, session, frame, references, *, recent=None):
        self.before_look()
        assert references is not None
        assert recent is not None
        self.shapes.append(read_image(frame.image, limits=self.limits, name="the frame").shape)
        place = session.frames
        done = place >= len(self.script)
        prompt, action, advice, step = ("Thank you; that is all.", None, (), 2) if done else self.script[place]
        after = replace(
            session,
            head=chain(session.head, frame.image),
            frames=place + 1,
            seconds=frame.seconds,
            judged=place + 1,
        )
        return after, Feedback(prompt=prompt, action=action, advice=advice, step=step, steps=2, done=done)


@dataclass
class Served:
    address: str
    gate: ScriptedGate
    store: Store
    key: str
    stop: Callable[[], None]


def serve(folder: Path, *, opened: bool) -> Served:
    settings = Settings(open_to_loopback=opened, requests_per_second=1e5, requests_at_once=100_000)
    gate = ScriptedGate(settings.frame_limits)
    store = open_store(f"sqlite:///{folder / 'gate.db'}", vault=Vault([bytes(32)]))
    key = store.add_key("operator", "first")[1]
    app = create_app(
        gate,
        store,
        settings=settings,
        signer=Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
        clock=time.time,
        random=secrets.token_bytes,
        log=open_log((folder / "log").open("w", encoding="utf-8")),
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    def stop():
        server.should_exit = True
        thread.join(10)

    return Served(f"http://127.0.0.1:{port}/", gate, store, key, stop)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> "Iterator[Browser]":
    from countenance.drawn_sets.gate import film

    noise = np.random.default_rng(8)
    frames = [noise.integers(90, 160, (120, 160, 3), np.uint8) for _ in range(40)]
    camera = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    camera.write_bytes(film(frames))
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}", "--no-sandbox"],
        )
        yield running
        running.close()


@pytest.fixture
def served(tmp_path, monkeypatch) -> Iterator[Served]:
    found = serve(tmp_path, opened=True)
    monkeypatch.setattr(found.store, "note_frames", lambda _, **__: 0)  # the film shows its frames again
    found.store.enrol(ANN, templates=unit(100)[None], model=found.gate.model, weights=found.gate.weights)
    yield found
    found.stop()


@pytest.fixture
def opened(browser, served) -> "Iterator[Callable[..., Page]]":
    contexts = []

    def opened(address="", *, allowed=True, before="", **options):
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        if allowed:
            context.grant_permissions(["camera"])
        if before:
            context.add_init_script(before)
        page = context.new_page()
        page.troubles = []
        page.on("console", lambda said: page.troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.goto(served.address + address)
        return page

    yield opened
    for context in contexts:
        context.close()


def sees(page, selector, words):
    playwright.expect(page.locator(selector)).to_have_text(words, timeout=WAIT)


def has_focus(page, selector):
    playwright.expect(page.locator(selector)).to_be_focused(timeout=WAIT)


def go_to_the_stage(page, name=ANN):
    page.fill("#subject", name)
    page.keyboard.press("Enter")
    has_focus(page, "#ready")


def listen(page):
    """Note everything that is shown while pictures are sent, and that a screen reader is given."""
    page.evaluate(
        """() => {
          window.noted = [];
          for (const id of ["polite", "assertive", "prompt", "step", "advice", "left"])
            new MutationObserver(() => {
              const said = document.getElementById(id).textContent;
              if (said) window.noted.push([id, said]);
            }).observe(document.getElementById(id), {childList: true});
        }"""
    )


def noted(page, place):
    return [words for at, words in page.evaluate("window.noted") if at == place]


def test_signing_in_by_keyboard_alone(opened, served):
    served.gate.script = SLOW_SCRIPT
    page = opened(reduced_motion="reduce", color_scheme="dark")
    listen(page)
    sees(page, "h1", "Sign in with your face")
    for _ in range(4):
        page.keyboard.press("Tab")
    has_focus(page, "#subject")
    page.keyboard.type(ANN)
    page.keyboard.press("Enter")
    has_focus(page, "#ready")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert served.gate.shapes == []
    page.keyboard.press("Enter")
    has_focus(page, "#prompt")
    sees(page, "#outcome-title", "Accepted")
    sees(page, "#outcome-text", f"Welcome, {ANN}.")
    has_focus(page, "#back")
    assert page.evaluate("document.getElementById('camera').srcObject") is None
    playwright.expect(page.locator("#assertive")).to_have_text(f"Accepted. Welcome, {ANN}.")
    prompts = [SMILE, REST, TURN, "Thank you; that is all."]
    assert noted(page, "assertive") == [*prompts, f"Accepted. Welcome, {ANN}."]
    assert noted(page, "prompt") == ["Put your face in the oval", REST, *prompts]
    assert noted(page, "polite") == [Reason.TOO_FAR.advice]  # of ten frames, and once
    assert noted(page, "advice")[-2:] == [Reason.TOO_FAR.advice, "Your face is seen well."]
    assert list(dict.fromkeys(noted(page, "step"))) == ["Step 1 of 2", "Step 2 of 2"]
    assert all(words.endswith(" s left") for words in noted(page, "left"))
    assert set(served.gate.shapes) == {(480, 640, 3)}
    assert page.troubles == []


def test_a_refusal_shows_its_reasons_and_can_be_tried_again(opened, served):
    served.gate.accept, served.gate.reasons = False, tuple(Reason)
    page = opened(viewport={"width": 360, "height": 640})
    page.click("summary >> nth=0")
    page.check("text=turn my head")
    page.check("text=close my eyes")
    go_to_the_stage(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "Not accepted")
    assert page.locator("#outcome-hints li").all_inner_texts() == [reason.advice for reason in Reason]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert served.gate.without == [["blink", "turn_left", "turn_right"]]
    has_focus(page, "#again")
    served.gate.accept = True
    page.keyboard.press("Enter")
    has_focus(page, "#ready")
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "Accepted")
    assert page.troubles == []


def test_enrolling_replacing_and_deleting(opened, served):
    page = opened("#enrol")
    page.fill("#new-subject", "Bo/b ?")
    page.click("#enrol-form >> text=Start the camera")
    assert page.evaluate("document.activeElement.id") == "consent"  # without it nothing begins
    page.check("#consent")
    page.click("#enrol-form >> text=Start the camera")
    for number in (1, 2, 3):
        has_focus(page, "#take")
        sees(page, "#take", f"Take photograph {number} of 3")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#photographs canvas")).to_have_count(number)
    has_focus(page, "#send")
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "You are enrolled")
    assert served.store.person("Bo/b ?").templates == 3
    consent = served.store.consent_of("Bo/b ?")
    assert consent["agreed"] is True
    assert consent["text"].startswith("I agree that this service makes a template of my face")
    page.click("#back")
    playwright.expect(page.locator("#subject")).to_have_value("Bo/b ?")

    page.click("#to-delete")
    has_focus(page, "#title")
    page.fill("#old-subject", "Bo/b ?")
    page.keyboard.press("Enter")
    has_focus(page, "#keep")
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#confirm")).to_be_hidden()
    page.click("#delete-form button")
    page.click("#sure")
    sees(page, "#outcome-title", "Deleted")
    assert not served.store.is_enrolled("Bo/b ?")
    assert page.troubles == []


def send_three(page, name):
    page.fill("#new-subject", name)
    page.check("#consent")
    page.keyboard.press("Enter")
    for number in (1, 2, 3):
        page.click("#take")
        playwright.expect(page.locator("#photographs canvas")).to_have_count(number)
    page.click("#send")


def test_a_taken_name_is_replaced_only_when_that_is_pressed(opened, served):
    page = opened("#enrol")
    send_three(page, ANN)
    sees(page, "#outcome-title", "This name is taken")
    assert served.store.person(ANN).templates == 1
    page.click("#again")
    sees(page, "#outcome-title", "You are enrolled")
    assert served.store.person(ANN).templates == 3


def test_a_photograph_without_one_face_is_told_in_plain_words(opened, served, monkeypatch):
    def nobody(*_):
        raise NoFace(expected="one face", came="none in photograph 2", remedy="take another photograph")

    monkeypatch.setattr(served.gate, "admit", nobody)
    page = opened("#enrol")
    send_three(page, "Bob")
    sees(page, "#outcome-title", "No face was seen")
    assert "expected" not in page.locator("#outcome").inner_text()
    page.click("#again")
    sees(page, "#take", "Take photograph 1 of 3")


@pytest.mark.parametrize(
    ("error", "title"),
    [
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "The camera is in use"),
        ("SecurityError", "The camera was not allowed"),
        ("refused", "The camera is blocked for this page"),
        ("insecure", "The camera cannot be used at this address"),
        ("ended", "The camera stopped"),
    ],
)
def test_a_camera_that_gives_nothing_gets_help_for_just_that(opened, error, title):
    before = {
        "refused": "",
        "insecure": "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})",
        "ended": "addEventListener('playing', ({target}) => target.srcObject.getTracks()[0].stop(), true)",
    }.get(error, f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{error}'); }}")
    page = opened(before=before, allowed=error != "refused")
    page.fill("#subject", ANN)
    page.keyboard.press("Enter")
    if error == "ended":
        page.click("#ready")
    sees(page, "#outcome-title", title)
    has_focus(page, "#again")
    assert page.locator("#outcome-hints li").count() >= 1
    assert page.troubles == []


def test_a_stream_that_breaks_off_goes_on(opened):
    cut = """
      const Whole = WebSocket;
      window.opened = 0;
      window.WebSocket = class extends Whole {
        constructor(...all) {
          super(...all);
          let heard = 0;
          if (++window.opened === 1) this.addEventListener("message", () => ++heard === 4 && super.close());
        }
      };"""
    page = opened(before=cut)
    listen(page)
    go_to_the_stage(page)
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "Accepted")
    assert [words for words in noted(page, "advice") if words.startswith("The connection was lost")]
    assert page.evaluate("window.opened") == 2


def test_where_no_stream_gets_through_pictures_go_as_requests(opened, served):
    page = opened(before="WebSocket = class { constructor() { setTimeout(() => this.onclose?.()); } close() {} };")
    go_to_the_stage(page)
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "Accepted")
    assert len(served.gate.shapes) == len(SCRIPT) + 1


def test_a_service_that_is_gone_is_said_and_can_be_tried_again(opened):
    page = opened()
    go_to_the_stage(page)
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "The connection was lost")
    page.context.set_offline(False)
    page.click("#again")
    page.click("#ready")
    sees(page, "#outcome-title", "Accepted")


def test_an_attempt_whose_time_is_over_is_concluded_all_the_same(opened, served):
    def over():
        if len(served.gate.shapes) == 3:
            raise ChallengeExpired(
                expected="a session that is open", came="one whose time is over", remedy="begin anew"
            )

    served.gate.before_look, served.gate.accept, served.gate.reasons = over, False, (Reason.TOO_LATE,)
    page = opened()
    go_to_the_stage(page)
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "Not accepted")
    assert page.locator("#outcome-hints li").all_inner_texts() == [Reason.TOO_LATE.advice]
    assert len(served.store.failures(ANN, since=0)) == 1


def test_no_more_than_one_picture_is_on_its_way(opened, served):
    inside, most, gaps = [0], [0], []

    def judged():
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        gaps.append(time.monotonic())
        time.sleep(0.15)
        inside[0] -= 1

    served.gate.before_look = judged
    page = opened()
    go_to_the_stage(page)
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "Accepted")
    assert most == [1]
    assert len(served.gate.shapes) == len(SCRIPT) + 1
    assert min(np.diff(gaps)) >= 0.14


def test_an_unknown_name_and_a_person_who_is_locked_are_told_so(opened, served):
    page = opened()
    go_to_the_stage(page, "Nobody")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#outcome-text")).to_contain_text("Nobody is enrolled under this name.")
    for _ in range(5):
        served.store.note_failure(ANN, time.time())
    page.click("#back")
    go_to_the_stage(page)
    page.keyboard.press("Enter")
    sees(page, "#outcome-title", "Too many failures")
    playwright.expect(page.locator("#outcome-text")).to_contain_text("wait 3 minutes")


def test_escape_and_another_view_end_the_camera(opened):
    page = opened()
    go_to_the_stage(page)
    page.keyboard.press("Escape")
    has_focus(page, "#title")
    assert page.evaluate("document.getElementById('camera').srcObject") is None
    go_to_the_stage(page)
    page.click("#to-enrol")
    sees(page, "h1", "Enrol your face")
    assert page.title() == "Enrol | Countenance"
    assert page.evaluate("document.getElementById('camera').srcObject") is None


def test_where_a_key_is_needed_it_is_asked_for(browser, tmp_path):
    served = serve(tmp_path, opened=False)
    served.store.enrol(ANN, templates=unit(100)[None], model=served.gate.model, weights=served.gate.weights)
    context = browser.new_context()
    page = context.new_page()
    try:
        page.goto(served.address + "#delete")
        page.fill("#old-subject", ANN)
        page.keyboard.press("Enter")
        page.click("#sure")
        has_focus(page, "#key-title")
        page.fill("#key", "countenance_wrong")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#key-text")).to_contain_text("was not accepted")
        page.fill("#key", served.key)
        page.keyboard.press("Enter")
        sees(page, "#outcome-title", "Deleted")
        assert not served.store.is_enrolled(ANN)
        assert served.key not in page.content()
    finally:
        context.close()
        served.stop()
