"""The whole path in headless Chromium: networks, a drawn clip as the camera, the policy for drawn people; no stand-in.

Somebody enrols, is let in, another one is refused, and who enrolled is deleted. It takes minutes, so that it runs only
where a folder for its pictures is named, which are to be looked at:

    COUNTENANCE_PICTURES=runs/page pytest -s tests/service/test_whole_path.py

The person of the clip does not see what is asked for: the head is turned to the left and the eyes are closed, over and
over, and the challenge asks for both in either order. A challenge is begun where both fit; one that is refused since
the clip was late is tried again, as a person would. Every picture of a film has noise of its own, as a sensor's has: a
film that repeats shows frames that were used before, and is refused.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import numpy as np
import pytest

from countenance.drawn_sets.gate import GateKind, draw_frames, film, plan_clip
from countenance.drawn_sets.portraits import People
from countenance.vocabulary import Action, Reason

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM, PICTURES = which("chromium"), os.environ.get("COUNTENANCE_PICTURES", "")
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install countenance[dev]")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and PICTURES), reason="takes minutes: COUNTENANCE_PICTURES=FOLDER and apt-get install chromium"
)

PERSON = People.GATE + 710  # nobody whom a threshold was chosen on, or a table judged
ASKED = (Action.TURN_LEFT, Action.BLINK)
RATE, SECONDS, ATTEMPTS = 15, 36, 4  # drawn frames a second, each shown twice; of a film; until the clip fits
REST = slice(40, 46)  # of a clip: between its two actions
PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
ASKED_OR_OVER = """() => /^(Turn|Close)/.test(document.getElementById("prompt").innerText)
                 || !document.getElementById("outcome").hidden"""
DESK = {"viewport": {"width": 900, "height": 900}}


@dataclass(frozen=True)
class Running:
    """A service with what it wrote."""

    address: str
    log: Path

    def audit(self, session: str) -> dict[str, Any]:
        """What the operator is told of a session."""
        found = re.search(r"shown this once: (\S+)", self.log.read_text())
        assert found is not None
        asked = urllib.request.Request(  # noqa: S310 - our own service
            f"{self.address}v1/sessions/{session}/audit", headers={"Authorization": f"Bearer {found[1]}"}
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
        return told


@pytest.fixture(scope="module")
def clips() -> dict[str, Any]:
    """(T, H, W, 3) of the person at rest, the person acting, and another person acting."""

    def drawn(kind, actions, number):
        return np.stack(draw_frames(plan_clip(kind, PERSON, actions, number=number, frames_per_second=RATE)).rgb)

    rest = drawn(GateKind.GENUINE, [Action.BLINK], 2)[:12]
    return {"rest": np.concatenate([rest, rest[::-1]])} | {
        str(kind): lengthened(drawn(kind, ASKED, 1)) for kind in (GateKind.GENUINE, GateKind.OTHER_PERSON)
    }


def lengthened(clip):
    """The turn, one and a half seconds more at rest, and the blink."""
    rest = np.concatenate([clip[REST], clip[REST][::-1]] * 2)[:22]
    return np.concatenate([clip[: REST.start], rest, clip[REST.start :]])


def write_film(clip, path, chance):
    """Write a film that is played as a camera, no two of its frames alike."""
    height, width = clip.shape[1:3]
    noise = chance.normal(0, 1.5, (2 * height, 2 * width, 3)).astype(np.int8)

    def frames():
        for place in range(2 * RATE * SECONDS):
            down, across = chance.integers(height), chance.integers(width)
            frame = clip[place // 2 % len(clip)] + noise[down : down + height, across : across + width].astype(np.int16)
            yield np.clip(frame, 0, 255).astype(np.uint8)

    path.write_bytes(film(frames()))
    return path


@pytest.fixture
def service(tmp_path) -> Iterator[Running]:
    program = "from countenance.cli import run; run()"
    command = [sys.executable, "-c", program, "serve", "--port", "18770", "--policy", "drawn", "--open"]
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--database", f"sqlite:///{tmp_path}/gate.db", "--challenge", ",".join(ASKED)],
            stdout=out,
            stderr=out,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        running = Running("http://127.0.0.1:18770/", log)
        for _ in range(180):
            try:
                urllib.request.urlopen(f"{running.address}v1/ready", timeout=2)  # noqa: S310
                break
            except (URLError, OSError):
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)
        yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}  # uvicorn ends by the signal that stopped it


@dataclass
class Booth:
    """Where a drawn person stands before a browser's camera."""

    service: Running
    driver: Any
    folder: Path
    clips: dict[str, Any]

    def __post_init__(self) -> None:
        self.chance = np.random.default_rng(time.time_ns())  # frames that no run before has shown
        self.browsers: list[Browser] = []

    def stand(self, name: str, look: dict[str, Any]) -> "Page":
        """Open the page before a camera that shows a clip."""
        path = write_film(self.clips[name], self.folder / f"{name}.mjpeg", self.chance)
        options = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        browser = self.driver.chromium.launch(
            executable_path=CHROMIUM, args=[*options, f"--use-file-for-fake-video-capture={path}"]
        )
        self.browsers.append(browser)
        page: Page = browser.new_context(**look).new_page()
        page.set_default_timeout(90_000)
        page.goto(self.service.address)
        return page

    def leave(self) -> None:
        """Close every browser."""
        while self.browsers:
            self.browsers.pop().close()

    def authenticate(self, name: str, look: dict[str, Any], picture: str) -> tuple["Page", dict[str, Any]]:
        """Try until the clip did what was asked for; return the page, and what the operator is told."""
        for attempt in range(ATTEMPTS):
            self.leave()
            page = self.stand(name, look)
            page.fill("#subject", "Ann")
            page.click("#sign-in-form button.main")
            page.wait_for_selector("#ready:visible")
            page.wait_for_timeout(800)
            shoot(page, f"{picture}-ready")
            seconds = len(self.clips[name]) / RATE
            while not 2.65 <= page.evaluate("document.getElementById('camera').currentTime") % seconds <= 2.95:
                page.wait_for_timeout(40)  # the turn is over, and the blink comes next
            with page.expect_response(lambda answer: answer.url.endswith("/v1/sessions")) as begun:
                page.click("#ready")
            page.wait_for_function(ASKED_OR_OVER)
            shoot(page, f"{picture}-prompt")
            page.wait_for_selector("#outcome:not([hidden])")
            shoot(page, f"{picture}-end")
            told = self.service.audit(begun.value.json()["session"])
            print(f"{name}, attempt {attempt + 1}: {told['frames']} frames, {told['scores']}, {told['reasons']}")
            if not {Reason.WRONG_ORDER, Reason.ACTION_NOT_SHOWN, Reason.TOO_LATE} & set(told["reasons"]):
                break
        return page, told


def shoot(page: "Page", name: str) -> None:
    page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def outcome(page: "Page") -> str:
    page.wait_for_selector("#outcome:not([hidden])")
    return page.inner_text("#outcome-title")


def test_somebody_enrols_is_let_in_and_deleted_and_nobody_else_is_let_in(service, clips, tmp_path):
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as driver:
        booth = Booth(service, driver, tmp_path, clips)
        try:
            page = booth.stand("rest", DESK)
            page.goto(f"{service.address}#enrol")
            page.fill("#new-subject", "Ann")
            page.check("#consent")
            page.click("#enrol-form button.main")
            for _ in range(3):
                page.wait_for_selector("#take:visible")
                page.wait_for_timeout(900)
                page.click("#take")
            page.wait_for_selector("#send:visible")
            shoot(page, "enrol")
            page.click("#send")
            assert outcome(page) == "You are enrolled"

            page, told = booth.authenticate("genuine", PHONE, "accepted")
            assert (outcome(page), told["reasons"]) == ("Accepted", [])

            page, told = booth.authenticate(str(GateKind.OTHER_PERSON), DESK, "refused")
            assert outcome(page) == "Not accepted"
            assert Reason.NOT_THE_SAME_PERSON in told["reasons"]

            page.goto(f"{service.address}#delete")
            page.fill("#old-subject", "Ann")
            page.keyboard.press("Enter")
            page.wait_for_selector("#keep:visible")
            page.click("#sure")
            assert outcome(page) == "Deleted"
            page.goto(service.address)
            page.fill("#subject", "Ann")
            page.click("#sign-in-form button.main")
            page.click("#ready")
            assert outcome(page) == "That did not work"
            assert "Nobody is enrolled" in page.inner_text("#outcome-text")
        finally:
            booth.leave()
