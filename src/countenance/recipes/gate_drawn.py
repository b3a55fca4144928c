"""The whole gate on drawn people: where its thresholds lie, and what each kind of presentation comes to before it.

Thresholds that were chosen on photographs, or on clips of another set, do not carry over to people who are drawn before
a gate. So they are chosen here on development people, by the rules in `RULES`, and judged once on others:

- presentation: of the genuine clips against prints and replays;
- verification: of each genuine clip against its own person's photographs and those of everybody else;
- same_face: of the lowest cosine to the first face in a clip, against that to the first face of everybody else's.

The scores are the gate's own: a session for each clip, frame by frame as JPEG, under a policy that refuses nothing by a
score. Since no threshold changes what a session sees, every other threshold is judged from the scores that are kept.

Two cameras stand before the gate: one of colour, with a wall behind the person, and three sensors as CASIA-SURF has
them, the bare face in colour, infrared and depth. The latter is judged with the network of the policy "sensors" in
place of the still one; each camera has its own thresholds, the sensors' those of fewer people.

Injected films, masks and people who are alike are judged and nothing is chosen by them: nobody learnt on any.

All is drawn: it says how the checks work together, and nothing about a real camera. Whoever is drawn does not see what
the gate asks for: a clip shows what it was drawn to show, at its own pace.

    countenance reproduce gate-drawn
    countenance reproduce gate-drawn --initial RUN

RUN is a network of expressions, where not facelivenet-slim. In the folder lie, in the end, the scores of each clip and
``drawn.json``, the policy with the thresholds that were chosen, which ships as "drawn".
"""

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from importlib import metadata
from itertools import permutations
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from countenance.challenge import ChallengeRules
from countenance.drawn_sets.gate import (
    FILM_QUALITY,
    GateClip,
    GateFrames,
    GateKind,
    as_close_ups,
    draw_frames,
    draw_photographs,
    plan_clip,
)
from countenance.drawn_sets.portraits import People
from countenance.drawn_sets.writing import jpeg
from countenance.errors import ProtocolMismatch, UsageError, at_least
from countenance.faces.detection import only_face
from countenance.files import sha256_of, write_atomically
from countenance.gate.authenticator import Authenticator
from countenance.gate.networks import Networks, load_networks
from countenance.gate.session import Frame, Recent
from countenance.metrics.counts import Proportion
from countenance.metrics.intervals import clopper_pearson
from countenance.metrics.operating_point import OperatingPoint, choose
from countenance.policy import CheckKind, Outcome, Policy, Status, Verdict, decide, read_policy
from countenance.progress import Say, unheard
from countenance.protocols.table import TableRow
from countenance.scores import ScoreTable, comparison_table, presentation_table
from countenance.shipped import FACELIVENET_SLIM
from countenance.vocabulary import Reason, Split

TABLE = "gate-drawn"
RULES = dict.fromkeys(("presentation", "presentation_sensors", "verification", "same_face"), "eer")
"""As `choose` takes them: where both errors are equal on development people, whatever it costs the one or the other."""
POLICY = "drawn"
FIRST = {Split.DEVELOPMENT: int(People.GATE) + 100, Split.TEST: int(People.GATE) + 204}
"""Number of the first person of each split."""
MOST_PEOPLE = 90  # those who teach `gate-slim` begin at 300
_NOTHING = OperatingPoint(-2.0, "vendor that refuses nothing", None)  # below every cosine and every probability
_START = 1_000.0  # seconds, of the clock when a challenge is drawn
_AFTER = 0.05  # seconds from there to the first frame


class Camera(StrEnum):
    """What looks at the person."""

    COLOUR = "colour"
    SENSORS = "sensors"


_KINDS: Mapping[tuple[Split, Camera], tuple[GateKind, ...]] = {
    (Split.DEVELOPMENT, Camera.COLOUR): (GateKind.GENUINE, GateKind.PRINT, GateKind.REPLAY),
    (Split.DEVELOPMENT, Camera.SENSORS): (GateKind.GENUINE, GateKind.PRINT),  # a screen has no depth, hence no score
    (Split.TEST, Camera.COLOUR): tuple(kind for kind in GateKind if kind is not GateKind.BLACK_SENSORS),
    (Split.TEST, Camera.SENSORS): (GateKind.GENUINE, GateKind.PRINT, GateKind.REPLAY, GateKind.BLACK_SENSORS),
}


@dataclass(frozen=True, kw_only=True)
class GateRecipe:
    """All that decides what is drawn.

    Attributes:
        development: people by whom thresholds are chosen, 2 to 90.
        test: people who are judged, 1 to 90.
        sensors: of either, how many at most stand before the three sensors too, 2 at least.
        seed: of every random number.
        width: of a frame of the colour camera.
        frames_per_second: of every clip; a network of clips needs 10.
    """

    development: int = 30
    test: int = 15
    sensors: int = 8
    seed: int = 0
    width: int = 320
    frames_per_second: int = 10

    def __post_init__(self) -> None:
        """Refuse too few people to choose by, or so many that the splits would share some.

        Raises:
            UsageError: naming the number.
        """
        at_least(2, development=self.development, sensors=self.sensors)
        at_least(1, test=self.test, frames_per_second=self.frames_per_second)
        most = max(self.development, self.test)
        if most > MOST_PEOPLE:
            raise UsageError(expected=f"at most {MOST_PEOPLE} people", came=str(most), remedy="ask for fewer")

    def people(self, split: Split, camera: Camera = Camera.COLOUR) -> range:
        """Return the numbers of the people of a split who stand before a camera."""
        count = self.test if split is Split.TEST else self.development
        return range(FIRST[split], FIRST[split] + (count if camera is Camera.COLOUR else min(count, self.sensors)))


Draw = Callable[[GateClip], GateFrames]
Photograph = Callable[[int, GateRecipe], Sequence[NDArray[np.uint8]]]


@dataclass(frozen=True, kw_only=True)
class GateAttempt:
    """One clip before the gate.

    Attributes:
        split: of its people.
        camera: that looks.
        clip: what is shown.
    """

    split: Split
    camera: Camera
    clip: GateClip

    @property
    def name(self) -> str:
        """Of the file that keeps its scores."""
        return f"{self.split}-{self.clip.person}-{self.camera}-{self.clip.kind}"


@dataclass(frozen=True, eq=False)
class Judged:
    """What the gate said of one clip.

    Attributes:
        outcomes: of all checks, under thresholds that refuse nothing.
        templates: (J, D) of the judged frames.
        keys: (J,) whether the challenge advanced by the frame.
        seconds: of the newest frame.
    """

    outcomes: tuple[Outcome, ...]
    templates: NDArray[np.float32]
    keys: NDArray[np.bool_]
    seconds: float

    def score(self, check: str) -> float | None:
        """Of a check; None where it has none."""
        return next((each.score for each in self.outcomes if each.check == check), None)


def photographs(person: int, recipe: GateRecipe) -> Sequence[NDArray[np.uint8]]:
    """Draw what a person enrols with."""
    return draw_photographs(person, seed=recipe.seed, width=recipe.width)


def gate_drawn(
    expressions: str | None = None,
    *,
    out: str | os.PathLike[str],
    recipe: GateRecipe = GateRecipe(),
    networks: Callable[[Policy, ChallengeRules], Networks] | None = None,
    draw: Draw = draw_frames,
    photograph: Photograph = photographs,
    only_done: bool = False,
    say: Say = unheard,
) -> list[TableRow]:
    """Draw people before the gate, choose its thresholds on some and count on others what it accepts, and why not.

    Args:
        expressions: a FaceLiveNet that tells them, as `stated_face_live_network` takes it; None: facelivenet-slim.
        out: a folder, in which the scores of each clip are kept; what is there is not drawn again.
        recipe: what is drawn.
        networks: builds those of a policy; `load_networks` where None.
        draw: makes a clip.
        photograph: makes what a person enrols with.
        only_done: draw nothing more.
        say: called with a line before each part.

    Returns:
        A row for each kind of presentation before each camera.

    Raises:
        UsageError: an unknown network; with `only_done`, not all is there.
        DataError: kept scores, or weights, are damaged.
    """
    rules = ChallengeRules()
    policies = _policies()
    gates = {camera: _gate(policy, rules, networks, expressions) for camera, policy in policies.items()}
    folder = Path(out) / _key(recipe, gates.values())
    planned = plan_attempts(recipe, rules)
    known: dict[int, NDArray[np.float32]] = {}
    judged: dict[str, Judged] = {}
    for number, attempt in enumerate(planned):
        person, file = attempt.clip.person, folder / f"{attempt.name}.npz"
        if person not in known:
            pictures = partial(photograph, person, recipe)
            enrolled = folder / f"{person}.npy"
            _refuse_unless(not only_done or enrolled.is_file(), enrolled)
            known[person] = _kept_references(enrolled, gates[Camera.COLOUR], pictures)
        if not file.is_file():
            _refuse_unless(not only_done, file)
            say(f"{number + 1:,} of {len(planned):,}: {attempt.name}")
            found = _judge(gates[attempt.camera], attempt.clip, known[person], draw(attempt.clip))
            write_atomically(file, _packed(found))
        judged[attempt.name] = _unpacked(file)
    points = {camera: choose_points(camera, planned, judged, known) for camera in Camera}
    chosen = {camera: _with_points(policy, points[camera]) for camera, policy in policies.items()}
    write_atomically(folder / f"{POLICY}.json", json.dumps(chosen[Camera.COLOUR].as_json(), indent=2) + "\n")
    for camera, policy in chosen.items():
        values = (f"{check.name} {check.point.value:.4f}" for check in policy.checks if check.point is not None)
        people = len(recipe.people(Split.DEVELOPMENT, camera))
        say(f"{camera}, thresholds of {people} development people: {', '.join(values)}")
    data = f"drawn data: test people before the gate, seed {recipe.seed}"
    return gate_rows(planned, judged, chosen, data=data)


def plan_attempts(recipe: GateRecipe, rules: ChallengeRules) -> list[GateAttempt]:
    """Return every clip that is shown to the gate; a person is asked for the same actions in all of theirs."""
    pairs = list(permutations(rules.actions, rules.steps))
    planned = []
    for (split, camera), kinds in _KINDS.items():
        for place, person in enumerate(recipe.people(split, camera)):
            for index, kind in enumerate(kinds):
                clip = plan_clip(
                    kind,
                    person,
                    pairs[(7 * place + 3) % len(pairs)],
                    seed=recipe.seed,
                    number=1 + index + (2 * len(GateKind) + 1) * place,  # odd, so that papers and screens take turns
                    width=recipe.width,
                    frames_per_second=recipe.frames_per_second,
                )
                shown = clip if camera is Camera.COLOUR else as_close_ups(clip)
                planned.append(GateAttempt(split=split, camera=camera, clip=shown))
    return planned


def choose_points(
    camera: Camera,
    planned: Sequence[GateAttempt],
    judged: Mapping[str, Judged],
    references: Mapping[int, NDArray[np.float32]],
) -> dict[str, OperatingPoint]:
    """Return the threshold of each check with a score, chosen by `RULES` on the development people.

    Args:
        camera: whose attempts count.
        planned: all attempts.
        judged: of each by its name.
        references: (K, D) templates of each person.
    """
    development = [each for each in planned if (each.split, each.camera) == (Split.DEVELOPMENT, camera)]
    genuine = {
        each.clip.person: seen
        for each in development
        if each.clip.kind is GateKind.GENUINE and (seen := judged[each.name]).keys.any()
    }
    tables: dict[str, ScoreTable] = {
        "verification": _comparisons(
            (person, other, _lowest(seen.templates[seen.keys], references[other].mean(axis=0)))
            for person, seen in genuine.items()
            for other in genuine
        ),
        "same_face": _comparisons(
            (person, other, _lowest(seen.templates, first.templates[0]))
            for person, seen in genuine.items()
            for other, first in genuine.items()
        ),
    }
    check = "presentation" if camera is Camera.COLOUR else "presentation_sensors"
    tables[check] = _presentations(check, development, judged)
    return {name: choose(table, RULES[name], split=Split.DEVELOPMENT) for name, table in tables.items()}


def gate_rows(
    planned: Sequence[GateAttempt], judged: Mapping[str, Judged], policies: Mapping[Camera, Policy], *, data: str
) -> list[TableRow]:
    """Return, for each kind of presentation of the test people, how many were accepted; the note counts the reasons.

    Args:
        planned: all attempts.
        judged: of each by its name.
        policies: that decide, by camera.
        data: what was judged, for the rows.
    """
    rows = []
    for (split, camera), kinds in _KINDS.items():
        for kind in kinds if split is Split.TEST else ():
            shown = [each for each in planned if (each.split, each.camera, each.clip.kind) == (split, camera, kind)]
            verdicts = [judge_again(policies[camera], judged[each.name]) for each in shown]
            count = Proportion(sum(verdict.accepted for verdict in verdicts), len(verdicts))
            rows.append(
                TableRow(
                    name=f"{camera}: {kind.told}",
                    reported=None,
                    measured=100 * count.value,
                    count=count,
                    interval=clopper_pearson(count).times(100),
                    data=data,
                    note=_why(verdicts),
                )
            )
    return rows


def judge_again(policy: Policy, judged: Judged) -> Verdict:
    """Decide on kept scores by a policy; a score may newly fail, and what had none stays without."""
    points = {check.name: check.point for check in policy.checks}
    outcomes = []
    for outcome in judged.outcomes:
        point, score = points[outcome.check], outcome.score
        told = outcome if point is None else replace(outcome, threshold=point.value)
        if point is not None and score is not None and not score >= point.value:
            told = replace(told, status=Status.FAILED, reasons=())
        outcomes.append(told)
    return decide(policy, outcomes, now=judged.seconds)


def _policies() -> dict[Camera, Policy]:
    """The drawn policy, and the same with the sensors' check in the place of the still one."""
    colour, sensors = read_policy(POLICY), read_policy("sensors")
    by_sensors = next(each for each in sensors.checks if each.kind is CheckKind.PRESENTATION_SENSORS)
    others = [check for check in colour.checks if check.kind is not CheckKind.PRESENTATION]
    checks = (by_sensors, *others)
    whole = replace(colour.combine, parts=tuple(check.name for check in checks))
    return {Camera.COLOUR: colour, Camera.SENSORS: replace(colour, checks=checks, combine=whole)}


def _with_points(policy: Policy, points: Mapping[str, OperatingPoint]) -> Policy:
    checks = tuple(replace(check, point=points.get(check.name, check.point)) for check in policy.checks)
    return replace(policy, checks=checks)


def _gate(
    policy: Policy,
    rules: ChallengeRules,
    networks: Callable[[Policy, ChallengeRules], Networks] | None,
    expressions: str | None,
) -> Authenticator:
    """The gate that only listens."""
    checks = tuple(check if check.point is None else replace(check, point=_NOTHING) for check in policy.checks)
    listening = replace(policy, checks=checks)
    build = partial(load_networks, expressions=expressions or FACELIVENET_SLIM) if networks is None else networks
    return Authenticator(policy=listening, networks=build(listening, rules), rules=rules)


def _key(recipe: GateRecipe, gates: Iterable[Authenticator]) -> str:
    """Of all that decides a clip and its scores; how many people there are does not."""
    told: list[object] = [
        {**asdict(recipe), "development": 0, "test": 0, "sensors": 0},
        metadata.version("countenance"),
    ]
    told += [[gate.rules.as_json(), dict(gate.networks.digests)] for gate in gates]
    return sha256_of(json.dumps(told, sort_keys=True).encode())[:12]


def _refuse_unless(may_go_on: object, file: Path) -> None:
    if not may_go_on:
        raise UsageError(expected=f"scores in {file}", came="none", remedy="leave --only-done out")


def _kept_references(
    file: Path, gate: Authenticator, pictures: Callable[[], Sequence[NDArray[np.uint8]]]
) -> NDArray[np.float32]:
    """(K, D) templates of a person's photographs."""
    if not file.is_file():
        network, found = gate.networks.recognisers[gate.model], gate.networks.detector.detect
        faces = [network.cut(picture, only_face(found(picture))) for picture in pictures()]
        written = io.BytesIO()
        np.save(written, np.asarray(network.embed(np.stack(faces)), np.float32))
        write_atomically(file, written.getvalue())
    try:
        kept: NDArray[np.float32] = np.load(io.BytesIO(file.read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(file, error) from error
    return kept


class _Listener:
    """A recogniser whose templates are kept."""

    def __init__(self, gate: Authenticator) -> None:
        self._network, self.templates = gate.networks.recognisers[gate.model], list[NDArray[np.float32]]()
        self.cut = self._network.cut

    def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = np.asarray(self._network.embed(faces), np.float32)
        self.templates.extend(found)
        return found


def _judge(gate: Authenticator, clip: GateClip, references: NDArray[np.float32], frames: GateFrames) -> Judged:
    listener = _Listener(gate)
    networks = replace(gate.networks, recognisers={gate.model: listener})
    own = Authenticator(policy=gate.policy, networks=networks, rules=gate.rules)
    nonce = sha256_of(f"{clip.kind} {clip.person}".encode()).encode()
    session = own.begin("drawn", now=_START, random=lambda count: nonce[:count], actions=clip.asked)
    recent, keys = Recent(), list[bool]()
    for frame in _sent(frames):
        if not session.is_open:
            break
        before = session
        session, _ = own.look(session, frame, references, recent=recent)
        if session.judged > before.judged:
            keys.append(session.tally("verification").key_count > before.tally("verification").key_count)
    assert len(keys) == len(listener.templates)
    newest = _START if session.seconds is None else session.seconds
    decision = own.conclude(session, now=newest)
    templates = np.stack(listener.templates) if keys else np.zeros((0, references.shape[1]), np.float32)
    return Judged(decision.outcomes, templates, np.asarray(keys, np.bool_), newest)


def _sent(frames: GateFrames) -> Iterator[Frame]:
    for place, (pixels, seconds) in enumerate(zip(frames.rgb, frames.seconds, strict=True)):
        yield Frame(
            image=jpeg(pixels, FILM_QUALITY),
            seconds=_START + _AFTER + seconds,
            infrared=None if frames.infrared is None else frames.infrared[place],
            depth=None if frames.depth is None else frames.depth[place],
        )


def _packed(judged: Judged) -> bytes:
    told = {"seconds": judged.seconds, "outcomes": [outcome.as_json() for outcome in judged.outcomes]}
    written = io.BytesIO()
    np.savez(written, templates=judged.templates, keys=judged.keys, told=np.array(json.dumps(told)))
    return written.getvalue()


def _unpacked(file: Path) -> Judged:
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as kept:
            told = json.loads(str(kept["told"]))
            outcomes = tuple(Outcome.from_json(each) for each in told["outcomes"])
            return Judged(outcomes, kept["templates"], kept["keys"], float(told["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> ProtocolMismatch:
    return ProtocolMismatch(expected=f"scores in {file}", came=f"a damaged file ({error})", remedy="delete it")


def _lowest(templates: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """The lowest cosine of templates (J, D) to a reference (D,)."""
    lengths = np.linalg.norm(templates, axis=1) * np.linalg.norm(reference)
    return float((templates @ reference / lengths).min())


def _presentations(check: str, development: Sequence[GateAttempt], judged: Mapping[str, Judged]) -> ScoreTable:
    rows = [(each, score) for each in development if (score := judged[each.name].score(check)) is not None]
    return presentation_table(
        identifiers=[each.name for each, _ in rows],
        is_bona_fide=[each.clip.kind is GateKind.GENUINE for each, _ in rows],
        scores=[score for _, score in rows],
    )


def _comparisons(rows: Iterator[tuple[int, int, float]]) -> ScoreTable:
    found = list(rows)
    return comparison_table(
        identifiers=[f"{probe}-{reference}" for probe, reference, _ in found],
        references=[str(reference) for _, reference, _ in found],
        probes=[str(probe) for probe, _, _ in found],
        is_mated=[probe == reference for probe, reference, _ in found],
        scores=[score for _, _, score in found],
    )


def _why(verdicts: Sequence[Verdict]) -> str:
    counted: Counter[Reason] = Counter(reason for verdict in verdicts for reason in verdict.reasons)
    words = ", ".join(f"{reason} {count}" for reason, count in counted.most_common())
    return f"reasons: {words}" if words else ""
