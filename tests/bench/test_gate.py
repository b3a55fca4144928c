"""The load on a gate: what clients send and count, before a gate without networks; nothing real is timed."""

import asyncio
import io
import itertools
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.service.conftest import FakeGate, picture

from countenance.bench import gate as bench
from countenance.bench.gate import Drawn, Load, RunningGate, draw_person, measure, serving, summary, times_of
from countenance.bench.gate_clients import Answer, Heard, Line, Performer, Place, crowd, marked
from countenance.cli import main
from countenance.drawn_sets.gate import GateFrames
from countenance.errors import UsageError
from countenance.images import read_image
from countenance.service.application import create_app
from countenance.service.observing import open_log
from countenance.service.settings import Settings
from countenance.store.database import open_store
from countenance.vault import Vault
from countenance.vocabulary import Action

PACE = 0.05
LOAD = Load(few=1, sessions=4, many=12, seconds=0.5, side_seconds=0.4)
FREE = Settings(requests_per_second=1e5, requests_at_once=100_000, sessions_per_subject=1000)
ANY = Performer({kind: [picture(value)] for value, kind in enumerate((None, *Action), start=100)})


@pytest.fixture(autouse=True)
def _few_names(monkeypatch):
    monkeypatch.setattr(bench, "_NAMES", 3)


@contextmanager
def running(tmp_path, settings: Settings, before_look: Callable[[], object] = lambda: None) -> Iterator[RunningGate]:
    gate = FakeGate(settings.frame_limits)
    gate.before_look = before_look
    store = open_store(f"sqlite:///{tmp_path / 'gate.db'}", vault=Vault([bytes(32)]))
    key = store.add_key("operator", "o")[1]
    app = create_app(
        gate,
        store,
        settings=settings,
        signer=Ed25519PrivateKey.generate(),
        clock=time.time,
        random=secrets.token_bytes,
        log=open_log(io.StringIO()),
    )
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[door])))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield RunningGate(host="127.0.0.1", port=door.getsockname()[1], key=key, store=store, process=None)
        finally:
            server.should_exit = True
            thread.join()


def test_people_go_through_sessions_and_all_is_counted(tmp_path):
    with running(tmp_path, FREE) as gate:
        alike = [Drawn([picture(80)], ANY), Drawn([picture(80)], ANY)]  # the second one is enrolled already
        done = asyncio.run(measure(replace(LOAD, many=4, side_seconds=0.8), gate, alike, pace_seconds=PACE))
        assert len(gate.store.people()) == 4
    card = json.loads(json.dumps(done.as_json()))
    assert (card["clean"], card["within_goal"], card["label"]) == (True, True, "drawn data")
    assert [phase["name"] for phase in card["phases"]] == ["few", "sessions", "many", "few again"]
    for phase in done.phases:
        assert {status for counts in phase.statuses.values() for status in counts} <= {"200", "201"}
        assert phase.decisions["accepted"] > 0  # no frame was known from an earlier session
        assert "refused" not in phase.decisions
        assert phase.sessions_per_second > 0
        assert phase.frames.count == sum(phase.statuses["frame"].values())
    assert card["machine"]["cores"] >= 1


def test_what_is_too_much_is_turned_away_and_comes_again(tmp_path):
    slow = replace(FREE, workers=1, waiting=1)
    with running(tmp_path, slow, before_look=lambda: time.sleep(0.02)) as gate:
        done = asyncio.run(measure(LOAD, gate, [Drawn([picture(80)], ANY)], pace_seconds=PACE))
    _, asked, rush, _ = done.phases
    assert all(phase.is_clean for phase in done.phases)
    assert asked.turned_away.count == asked.statuses["frame"]["503"] > 0
    assert asked.frames.count == asked.statuses["frame"]["200"] > 0
    assert asked.shed[1] < asked.shed[0] < asked.shed[2]
    assert rush.statuses["begin"]["503"] > 0  # nobody begins while others lose frames
    assert rush.last_refused_seconds > 0


def test_nobody_who_is_taken_in_is_an_error(tmp_path):
    with running(tmp_path, FREE) as gate, pytest.raises(UsageError, match="a drawn person whom the gate takes in"):
        asyncio.run(measure(LOAD, gate, [Drawn([picture(0)], ANY)]))


def test_a_gate_that_is_not_there_is_not_clean():
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    place = Place(
        host="127.0.0.1", port=port, key="k", names=itertools.repeat("Ann"), performers=[ANY], pace_seconds=PACE
    )
    heard = asyncio.run(crowd(place, clients=2, seconds=0.2))
    told = summary(heard, name="few", clients=2, started=0.0, seconds=0.2, usual=None)
    assert told.failures["ConnectionRefusedError"] >= 2
    assert told.statuses["begin"] == {"none": len(heard.answers)}
    assert not told.is_clean


def test_another_answer_is_kept_with_its_words(tmp_path):
    heard = Heard()
    with running(tmp_path, FREE) as gate:
        place = Place(host=gate.host, port=gate.port, key=gate.key, names=itertools.repeat("Nobody"), performers=[ANY])

        async def ask():
            line = Line(place, heard)
            headers = {"Authorization": f"Bearer {gate.key}", "Content-Type": "application/json"}
            status, _, _ = await line.ask("begin", "/v1/sessions", b'{"subject": "Nobody"}', headers)
            await line.close()
            return status

        assert asyncio.run(ask()) == 404
    ((words, count),) = heard.words.items()
    assert words.startswith("begin 404: expected ")
    assert count == 1
    assert not summary(heard, name="", clients=1, started=0.0, seconds=1.0, usual=None).is_clean


def test_answers_are_summed_up_by_hand():
    heard = Heard()
    heard.answers += [Answer("frame", 200, 0.1, 10.0 + n) for n in range(8)]
    heard.answers += [
        Answer("frame", 503, 0.01, 14.5),
        Answer("frame", 200, 0.5, 15.5),
        Answer("result", 200, 0.1, 19.0),
    ]
    told = summary(heard, name="few again", clients=1, started=10.0, seconds=10.0, usual=0.2)
    assert (told.frames_per_second, told.sessions_per_second) == (0.9, 0.1)
    assert told.shed[0] == 0.1
    assert (told.last_refused_seconds, told.last_slow_seconds) == (4.5, 5.5)
    assert told.frames.quantiles == {"0.5": 0.1, "0.95": 0.5, "0.99": 0.5}
    assert told.frames.interval is None


def test_the_interval_of_a_quantile_covers_it():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        interval = times_of(generator.exponential(size=2000).tolist()).interval
        assert interval is not None
        held += interval[0] <= -np.log(0.01) <= interval[1]
    assert held >= 180  # of 200; 190 are promised, and fewer than 180 come about once in 500,000
    assert times_of([]).longest is None


def test_every_picture_has_its_own_bytes_and_shows_the_same():
    whole = picture(90)
    one, other = marked(whole, 1), marked(whole, 2)
    assert len({whole, one, other}) == 3
    np.testing.assert_array_equal(read_image(one), read_image(whole))


def test_a_performer_acts_and_opens_the_eyes_again():
    shows = {kind: [str(kind).encode()] for kind in (None, *Action)}
    performer = Performer(shows)
    assert [performer.act(Action.BLINK, turn) for turn in range(3)] == [b"blink", b"None", b"blink"]
    assert [performer.act(Action.HAPPY, turn) for turn in range(2)] == [b"happy", b"happy"]


def test_a_drawn_person_shows_every_action_at_its_height(monkeypatch):
    drawn = []

    def frames(clip):
        drawn.append(clip.script)
        blank = [np.full((36, 48, 3), number, np.uint8) for number in range(len(clip.script.shown))]
        return GateFrames(blank, [0.0] * len(blank), None, None)

    monkeypatch.setattr(bench, "draw_frames", frames)
    monkeypatch.setattr(bench, "draw_photographs", lambda _: [np.zeros((36, 48, 3), np.uint8)])
    person = draw_person(900_000)
    assert set(person.performer.shows) == {None, *Action}
    for action, pictures in person.performer.shows.items():
        places = [round(float(read_image(each).mean())) for each in pictures]
        assert places
        assert {drawn[0].shown[place] for place in places} == {action}
    closed = [round(float(read_image(each).mean())) for each in person.performer.shows[Action.BLINK]]
    assert min(drawn[0].lids[place] for place in closed) > 0.9


def test_a_gate_that_does_not_start_says_why(tmp_path):
    with pytest.raises(UsageError, match="a gate that is ready"), serving(Load(policy="nothing"), tmp_path):
        pytest.fail("it started")


def test_the_command_prints_a_table_or_an_object(tmp_path, monkeypatch, capsys):
    with running(tmp_path, FREE) as gate:
        quick = Load(few=1, sessions=1, many=1, seconds=0.1, side_seconds=0.1)
        done = asyncio.run(measure(quick, gate, [Drawn([picture(80)], ANY)], pace_seconds=PACE))
    asked: list[Load] = []

    def loaded(load, **_):
        asked.append(load)
        return done

    monkeypatch.setattr(bench, "bench_gate", loaded)
    assert main(["bench", "gate", "--sessions", "7", "--policy", "slim"]) == 0
    assert "few again" in capsys.readouterr().out
    assert main(["bench", "gate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True
    assert (asked[0].sessions, asked[0].policy, asked[1]) == (7, "slim", Load())
    assert main(["bench", "gate", "--sessions", "0"]) == 2
    assert "expected sessions of at least 1" in capsys.readouterr().err
