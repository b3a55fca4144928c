"""The gate as a service under load: as many people at once as it must bear, more than it can, and few again.

A real `countenance serve` is started with its networks before a new SQLite file, as a process of its own; drawn people
are enrolled, and stand before it in four phases: few, `sessions` of them for `seconds`, many more, and few again. Each
shows one frame a second that does what it was told to. What counts is how every request was answered, how long the
answer to a frame took (of those that were judged; those that were turned away with 503 apart), and how long after the
rush it is as before.

The clients run beside the gate on the same processor cores, and their share of them is told. Drawn data: whether such
people are let in says nothing here; that depends on the policy, and most policies were made for real ones.
"""

import asyncio
import contextlib
import itertools
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.special import bdtr

from countenance.bench.gate_clients import Heard, Line, Performer, Place, crowd
from countenance.datasets.drawn_card import LABEL
from countenance.drawn_sets.gate import FILM_SIZE, GateKind, Pixels, draw_frames, draw_photographs, plan_clip
from countenance.drawn_sets.portraits import People
from countenance.drawn_sets.writing import jpeg
from countenance.errors import UsageError, at_least
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import CONFIDENCE, clopper_pearson
from countenance.progress import Say, unheard
from countenance.store.database import Store, open_store
from countenance.vault import Vault
from countenance.vocabulary import Action, Expression

GOAL_SECONDS = 2.0  # of the answer to a judged frame: the 99th of a hundred
FEW, SESSIONS, MANY = 5, 50, 200
SECONDS, SIDE_SECONDS = 300.0, 30.0  # of `sessions` at once, and of each other phase
SLOW = 2.0  # times the 99th of a hundred answers of the first phase: slower than it was before
_PEOPLE = 2  # that are drawn
_NAMES = 400  # under which they are enrolled: nobody begins 30 sessions a minute, or fails five times in three
_RATE = 5  # drawn frames a second
_QUALITY = 90  # of a JPEG
_REQUESTS = 5_000  # a second that one key and one address may ask: all clients have one address here
_START_SECONDS, _STOP_SECONDS = 120.0, 30.0
_QUANTILES = (0.5, 0.95, 0.99)
_PACKAGES = ("torch", "onnxruntime", "opencv-python-headless", "uvicorn", "sqlalchemy")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a gate.

    Attributes:
        policy: of the gate, by its name or file.
        workers: threads of the gate that judge.
        challenge: actions that challenges are drawn from, with commas between; None for all.
        few, sessions, many: clients at once in the phases.
        seconds: of the phase with `sessions`.
        side_seconds: of each other phase.
    """

    policy: str = "rgb"
    workers: int = 2
    challenge: str | None = None
    few: int = FEW
    sessions: int = SESSIONS
    many: int = MANY
    seconds: float = SECONDS
    side_seconds: float = SIDE_SECONDS

    def __post_init__(self) -> None:
        at_least(1, workers=self.workers, few=self.few, sessions=self.sessions, many=self.many)
        for name in ("seconds", "side_seconds"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise UsageError(expected=f"{name} above 0", came=str(value), remedy="give another number")

    @property
    def phases(self) -> tuple[tuple[str, int, float], ...]:
        """Name, clients at once and seconds of each phase."""
        return (
            ("few", self.few, self.side_seconds),
            ("sessions", self.sessions, self.seconds),
            ("many", self.many, self.side_seconds),
            ("few again", self.few, self.side_seconds),
        )


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long answers took, in seconds.

    Attributes:
        count: answers.
        quantiles: by their shares of all; empty without an answer.
        interval: of the last of `quantiles`: 95 %, by ranks, as if answers were independent; None where there are too
            few.
        longest: of all; None without an answer.
    """

    count: int
    quantiles: Mapping[str, float]
    interval: tuple[float, float] | None
    longest: float | None


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What came of one phase.

    Attributes:
        name: of the phase.
        clients: at once.
        seconds: that it lasted.
        statuses: how often each route answered with each status; "none" where no answer came.
        failures: of connections, by kind.
        words: of answers that are neither 2xx nor 503.
        frames: times of answers to frames that were judged.
        turned_away: times of answers 503 to frames.
        shed: share of frames that were turned away, with its exact 95 % interval as if frames were independent.
        frames_per_second: that were judged.
        sessions_per_second: that were concluded.
        decisions: how many were accepted and refused, and the reasons of refusals.
        memory_mib: of the gate before and after, where the system tells it.
        gate_cores: processor cores that the gate kept busy in the mean, where the system tells it.
        client_cores: those that the clients did.
        last_refused_seconds: from the beginning to the last answer 503; 0 without one.
        last_slow_seconds: to the last judged frame whose answer took more than `SLOW` times the first phase's 99th of a
            hundred; 0 without one, and in the first phase.
    """

    name: str
    clients: int
    seconds: float
    statuses: Mapping[str, Mapping[str, int]]
    failures: Mapping[str, int]
    words: Mapping[str, int]
    frames: Times
    turned_away: Times
    shed: tuple[float, float, float]
    frames_per_second: float
    sessions_per_second: float
    decisions: Mapping[str, int]
    memory_mib: tuple[float, float] | None
    gate_cores: float | None
    client_cores: float
    last_refused_seconds: float
    last_slow_seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether every request was answered, and with 2xx or 503."""
        kinds = {status for counts in self.statuses.values() for status in counts}
        return not self.failures and all(kind == "503" or kind.startswith("2") for kind in kinds)


@dataclass(frozen=True, kw_only=True)
class GateBenchmark:
    """A whole run.

    Attributes:
        load: what was asked.
        phases: what came of it.
        machine: on which, and how busy it was before.
        label: "drawn data".
    """

    load: Load
    phases: tuple[Phase, ...]
    machine: Mapping[str, Any]
    label: str = LABEL

    def as_json(self) -> dict[str, Any]:
        """Return the run, and whether it is what is wanted."""
        asked = self.phases[1]
        longest = asked.frames.quantiles.get("0.99")
        return {
            "label": self.label,
            "load": asdict(self.load),
            "goal_p99_seconds": GOAL_SECONDS,
            "clean": all(phase.is_clean for phase in self.phases),
            "within_goal": longest is not None and longest <= GOAL_SECONDS,
            "recovered_seconds": max(self.phases[-1].last_refused_seconds, self.phases[-1].last_slow_seconds),
            "phases": [{**asdict(phase), "clean": phase.is_clean} for phase in self.phases],
            "machine": dict(self.machine),
        }


def bench_gate(load: Load, *, say: Say = unheard) -> GateBenchmark:
    """Start a gate, and let people come.

    Raises:
        UsageError: no drawn person could be enrolled, or the gate did not start.
    """
    say(f"drawing {_PEOPLE} people ({LABEL})")
    people = [draw_person(People.GATE + number) for number in range(_PEOPLE)]
    with tempfile.TemporaryDirectory(prefix="countenance-load-") as folder, serving(load, Path(folder), say) as gate:
        return asyncio.run(measure(load, gate, people, say=say))


@dataclass(frozen=True)
class Drawn:
    """A drawn person.

    Attributes:
        photographs: JPEGs to enrol with.
        performer: who acts.
    """

    photographs: Sequence[bytes]
    performer: Performer


@dataclass(frozen=True, kw_only=True)
class RunningGate:
    """A gate that listens.

    Attributes:
        host, port: where.
        key: of its operator.
        store: what it keeps, opened beside it.
        process: its number; None where it runs in this very process.
    """

    host: str
    port: int
    key: str
    store: Store
    process: int | None


def draw_person(person: int) -> Drawn:
    """Draw what somebody enrols with, and the frames at rest and at the height of each action."""
    clip = plan_clip(GateKind.GENUINE, person, tuple(Action), frames_per_second=_RATE)
    frames, script = draw_frames(clip).rgb, clip.script
    shows: dict[Action | None, list[bytes]] = {None: [], **{action: [] for action in Action}}
    most_yaw = max(map(abs, script.yaws))
    for place, frame in enumerate(frames):
        action = script.shown[place]
        (expression, level), lids, yaw = script.expressions[place], script.lids[place], abs(script.yaws[place])
        high = max(level if expression is not Expression.NEUTRAL else 0.0, lids, yaw / most_yaw)
        if action is None or high > 0.9:
            shows[action].append(_picture(frame))
    return Drawn([_picture(each) for each in draw_photographs(person)], Performer(shows))


async def measure(
    load: Load, gate: RunningGate, people: Sequence[Drawn], *, say: Say = unheard, pace_seconds: float = 1.0
) -> GateBenchmark:
    """Enrol people, go through the phases, and count.

    Args:
        load: the phases.
        gate: is ready.
        people: who stand before it.
        say: hears a line for each phase.
        pace_seconds: from one frame of a client to the next.

    Raises:
        UsageError: none of them could be enrolled.
    """
    before = machine_facts()
    names, performers = await enrolled(gate, people)
    place = Place(
        host=gate.host,
        port=gate.port,
        key=gate.key,
        names=itertools.cycle(names),
        performers=performers,
        pace_seconds=pace_seconds,
    )
    phases: list[Phase] = []
    for name, clients, seconds in load.phases:
        say(f"{name}: {clients} at once for {seconds:g} s")
        started, memory, busy, own = time.perf_counter(), _memory_mib(gate), _busy(gate), time.process_time()
        heard = await crowd(place, clients=clients, seconds=seconds)
        lasted = time.perf_counter() - started
        after, busy_after = _memory_mib(gate), _busy(gate)
        phase = summary(
            heard,
            name=name,
            clients=clients,
            started=started,
            seconds=lasted,
            usual=phases[0].frames.quantiles.get("0.99") if phases else None,
        )
        phase = replace(
            phase,
            memory_mib=None if memory is None or after is None else (memory, after),
            gate_cores=None if busy is None or busy_after is None else (busy_after - busy) / lasted,
            client_cores=(time.process_time() - own) / lasted,
        )
        phases.append(phase)
    return GateBenchmark(load=load, phases=tuple(phases), machine={**before, "load_after": os.getloadavg()})


async def enrolled(gate: RunningGate, people: Sequence[Drawn]) -> tuple[list[str], list[Performer]]:
    """Enrol people under many names, and return the names in turn and who stands for them.

    The gate takes each in once, and not who looks like another; the store then keeps the same templates under more
    names, since a gate rightly refuses somebody a second time.

    Raises:
        UsageError: nobody was taken in.
    """
    line = Line(Place(host=gate.host, port=gate.port, key=gate.key, names=iter(()), performers=()), Heard())
    taken: list[tuple[str, Performer]] = []
    told: Any = None
    for number, person in enumerate(people):
        content, kind = _form(f"drawn-{number}", person.photographs)
        headers = {"Authorization": f"Bearer {gate.key}", "Content-Type": kind}
        _, _, told = await line.ask("enrol", "/v1/enrolments", content, headers)
        if told.get("accepted"):
            taken.append((f"drawn-{number}", person.performer))
    await line.close()
    if not taken:
        raise UsageError(expected="a drawn person whom the gate takes in", came=str(told), remedy="name another policy")
    names: list[str] = []
    for number in range(_NAMES):
        known = gate.store.person(taken[number % len(taken)][0])
        templates = gate.store.templates_of(known.subject, known.model, known.weights)
        names.append(f"{known.subject} again {number}")
        gate.store.enrol(names[-1], templates=templates, model=known.model, weights=known.weights)
    return names, [performer for _, performer in taken]


@contextlib.contextmanager
def serving(load: Load, folder: Path, say: Say = unheard) -> Iterator[RunningGate]:
    """Run `countenance serve` until the end of the block.

    Raises:
        UsageError: it did not become ready; with its last words.
    """
    database, log = folder / "gate.db", folder / "log"
    program = [sys.executable, "-c", "from countenance.cli import run; run()", "serve", "--port", "0"]
    options = ["--database", f"sqlite:///{database}", "--policy", load.policy, "--workers", str(load.workers)]
    options += ["--requests-per-second", str(_REQUESTS)]
    options += [] if load.challenge is None else ["--challenge", load.challenge]
    own = {name: value for name, value in os.environ.items() if not name.startswith("COUNTENANCE_KEY")}
    say(f"starting a gate with {load.workers} workers under {load.policy}")
    with log.open("wb") as file:
        process = subprocess.Popen([*program, *options], stderr=file, stdout=file, env=own)  # noqa: S603 - ours
    try:
        key, port = _ready(process, log)
        store = open_store(f"sqlite:///{database}", vault=Vault.beside(database))
        try:
            yield RunningGate(host="127.0.0.1", port=port, key=key, store=store, process=process.pid)
        finally:
            store.close()
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> tuple[str, int]:
    """Return the first key and the port of a gate once it is ready."""
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        said = log.read_text(encoding="utf-8")
        if "serve: the networks are loaded: ready" in said:
            key = said.partition("shown this once: ")[2].split()[0]
            return key, int(said.partition("serve: http://")[2].partition("/")[0].rpartition(":")[2])
        if "could not be loaded" in said:
            break
        time.sleep(0.1)
    lines = log.read_text(encoding="utf-8").splitlines()
    raise UsageError(
        expected=f"a gate that is ready within {_START_SECONDS:g} s",
        came=lines[-1] if lines else "nothing",
        remedy="start it by hand: countenance serve",
    )


def summary(heard: Heard, *, name: str, clients: int, started: float, seconds: float, usual: float | None) -> Phase:
    """Count what clients heard.

    Args:
        heard: in one phase.
        name: of the phase.
        clients: at once.
        started: by the clock of the answers.
        seconds: that it lasted.
        usual: the first phase's 99th of a hundred, in seconds; None in that phase.
    """
    statuses: dict[str, Counter[str]] = {}
    for answer in heard.answers:
        statuses.setdefault(answer.route, Counter())[str(answer.status or "none")] += 1
    frames = [answer for answer in heard.answers if answer.route == "frame"]
    judged = [answer for answer in frames if answer.status == 200]
    away = [answer for answer in frames if answer.status == 503]
    refused = [answer.at - started for answer in heard.answers if answer.status == 503]
    slow = [answer.at - started for answer in judged if usual is not None and answer.seconds > SLOW * usual]
    shed = Proportion(len(away), len(frames))
    interval = clopper_pearson(shed)
    return Phase(
        name=name,
        clients=clients,
        seconds=seconds,
        statuses={route: dict(sorted(counts.items())) for route, counts in statuses.items()},
        failures=dict(heard.failures),
        words=dict(heard.words),
        frames=times_of([answer.seconds for answer in judged]),
        turned_away=times_of([answer.seconds for answer in away]),
        shed=(len(away) / max(1, len(frames)), interval.low, interval.high),
        frames_per_second=len(judged) / seconds,
        sessions_per_second=statuses.get("result", Counter())["200"] / seconds,
        decisions=dict(heard.decisions),
        memory_mib=None,
        gate_cores=None,
        client_cores=0.0,
        last_refused_seconds=max(refused, default=0.0),
        last_slow_seconds=max(slow, default=0.0),
    )


def times_of(seconds: Sequence[float]) -> Times:
    """Return quantiles by nearest rank, and the interval of the last one by ranks.

    >>> times_of([float(number) for number in range(1, 1001)]).quantiles
    {'0.5': 500.0, '0.95': 950.0, '0.99': 990.0}
    """
    ordered = np.sort(np.asarray(seconds, np.float64))
    count = len(ordered)
    if not count:
        return Times(count=0, quantiles={}, interval=None, longest=None)
    ranks = [max(1, int(np.ceil(share * count))) for share in _QUANTILES]
    return Times(
        count=count,
        quantiles={f"{share:g}": float(ordered[rank - 1]) for share, rank in zip(_QUANTILES, ranks, strict=True)},
        interval=_interval(ordered, _QUANTILES[-1]),
        longest=float(ordered[-1]),
    )


def _interval(ordered: Any, share: float) -> tuple[float, float] | None:
    """Two ranks between which the quantile lies with `CONFIDENCE`: how many fall below it is binomial."""
    count = len(ordered)
    below = bdtr(np.arange(count), count, share)  # P(at most k of them lie below)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.flatnonzero(below <= tail), np.flatnonzero(below >= 1 - tail)
    if not len(low) or not len(high) or high[0] + 1 >= count:
        return None
    return float(ordered[low[-1]]), float(ordered[high[0] + 1])


def machine_facts() -> dict[str, Any]:
    """Return what the machine is, and how busy."""
    model = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    versions = {}
    for package in ("countenance", *_PACKAGES):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": versions,
        "clients": "on the same cores",
        "load_before": os.getloadavg(),
    }


def _memory_mib(gate: RunningGate) -> float | None:
    """Resident memory of a process."""
    if gate.process is not None:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{gate.process}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
    return None


def _busy(gate: RunningGate) -> float | None:
    """Processor seconds of a process so far."""
    if gate.process is not None:
        with contextlib.suppress(OSError):
            after_name = Path(f"/proc/{gate.process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
    return None


def _picture(frame: Pixels) -> bytes:
    return jpeg(np.asarray(cv2.resize(frame, FILM_SIZE, interpolation=cv2.INTER_LINEAR), np.uint8), _QUALITY)


def _form(subject: str, photographs: Sequence[bytes]) -> tuple[bytes, str]:
    """Return a multipart body and its type."""
    border = "countenance-load"
    parts = [f'--{border}\r\nContent-Disposition: form-data; name="subject"\r\n\r\n{subject}\r\n'.encode()]
    for number, photograph in enumerate(photographs):
        head = f'--{border}\r\nContent-Disposition: form-data; name="photograph"; filename="{number}.jpg"\r\n'
        parts.append(f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + photograph + b"\r\n")
    return b"".join([*parts, f"--{border}--\r\n".encode()]), f"multipart/form-data; boundary={border}"
