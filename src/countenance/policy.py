"""The policy of a gate as data: which checks, at which thresholds, and how they combine.

A policy is one JSON object that stands on its own: its thresholds are written in it, each with the rule and the split
that chose it, and its digest is signed with every decision. `decide` is the only place where checks become an answer.

A policy is deny-only when nothing that is missing, stale or failed can raise trust. The language can say worse (a check
that is skipped where it is missing, liveness or identity where it should be both), as such gates were built: one let
people in because the infrared check had failed. `find_counter_example` looks at every combination of what the checks
can say, and answers with one that breaks the rule. It runs the very arithmetic that decides.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from countenance.errors import DataError, UsageError
from countenance.files import existing_file, sha256_of
from countenance.metrics.operating_point import OperatingPoint
from countenance.vocabulary import Reason, Split

MOST_CHECKS = 10  # four statuses each: a million combinations, all of which are looked at
MOST_LEVELS = 8  # of the tree that combines them: more cannot be read by the one who audits it
_FOLDER = "policies"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESTORE = "restore the policy, or write it anew after a shipped one"
_Word = TypeVar("_Word", bound=StrEnum)


class CheckKind(StrEnum):
    """What a check asks; the gate computes each of them."""

    QUALITY = "quality"
    PRESENTATION = "presentation"
    PRESENTATION_CLIP = "presentation_clip"
    PRESENTATION_SENSORS = "presentation_sensors"
    VERIFICATION = "verification"
    SAME_FACE = "same_face"
    CHALLENGE = "challenge"


PRESENTATION_KINDS = frozenset({CheckKind.PRESENTATION, CheckKind.PRESENTATION_CLIP, CheckKind.PRESENTATION_SENSORS})
"""Those that ask whether the presentation is bona fide; one must pass for anybody to be accepted."""
WITHOUT_NETWORK = frozenset({CheckKind.QUALITY, CheckKind.CHALLENGE})
"""Those that have neither a network nor a threshold."""
_WHY_FAILED: Mapping[CheckKind, Reason] = {  # where the check itself does not say why
    CheckKind.QUALITY: Reason.TOO_FEW_FRAMES,
    CheckKind.PRESENTATION: Reason.PRESENTATION_ATTACK,
    CheckKind.PRESENTATION_CLIP: Reason.PRESENTATION_ATTACK,
    CheckKind.PRESENTATION_SENSORS: Reason.PRESENTATION_ATTACK,
    CheckKind.VERIFICATION: Reason.NOT_THE_SAME_PERSON,
    CheckKind.SAME_FACE: Reason.FACE_CHANGED,
    CheckKind.CHALLENGE: Reason.ACTION_NOT_SHOWN,
}


class Status(StrEnum):
    """What a check said, or why it said nothing."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"
    STALE = "stale"


class Missing(StrEnum):
    """What a missing or stale check does: `REFUSE` counts it as failed, `SKIP` goes on as if nobody had named it."""

    REFUSE = "refuse"
    SKIP = "skip"


class Combination(StrEnum):
    """How the parts of a node combine."""

    ALL = "all"
    ANY = "any"
    AT_LEAST = "at_least"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one check said.

    Attributes:
        check: its name in the policy.
        status: what it said.
        score: higher = more genuine; None where there is none.
        threshold: at which the score passes; None where there is none.
        reasons: why it failed, in words that a person can act on; empty for the usual reason of its kind.
        seconds: when what it rests on was seen, seconds since the epoch; None where it is not known.
    """

    check: str
    status: Status
    score: float | None = None
    threshold: float | None = None
    reasons: tuple[Reason, ...] = ()
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as JSON holds it; a score that is not finite becomes null."""
        score = self.score if self.score is not None and math.isfinite(self.score) else None
        return {
            "check": self.check,
            "status": str(self.status),
            "score": score,
            "threshold": self.threshold,
            "reasons": [str(reason) for reason in self.reasons],
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: object) -> "Outcome":
        """Read `as_json` back.

        Raises:
            DataError: another object.
        """
        row = _row(value, ("check", "status", "score", "threshold", "reasons", "seconds"), "the outcome of a check")
        return cls(
            check=_text(row["check"], "a check"),
            status=_word(Status, row["status"], "a status"),
            score=_number_or_none(row["score"], "a score"),
            threshold=_number_or_none(row["threshold"], "a threshold"),
            reasons=tuple(_word(Reason, each, "a reason") for each in _list(row["reasons"], "reasons")),
            seconds=_number_or_none(row["seconds"], "a time"),
        )


@dataclass(frozen=True, kw_only=True)
class CheckRule:
    """One check of a policy.

    Attributes:
        name: by which the tree and an outcome name it.
        kind: what it asks.
        network: that answers; None where the kind needs none.
        point: the threshold; None where the kind needs none.
        fresh_seconds: an older outcome is stale; None where it does not age.
        missing: what it does when it is missing or stale.
    """

    name: str
    kind: CheckKind
    network: str | None = None
    point: OperatingPoint | None = None
    fresh_seconds: float | None = None
    missing: Missing = Missing.REFUSE

    def __post_init__(self) -> None:
        """Refuse a check that could not be made, or whose threshold tells nothing.

        Raises:
            DataError: naming it.
        """
        _refuse_unless(bool(_NAME.fullmatch(self.name)), "a name of small letters, digits, _ and -", self.name)
        bare = self.kind in WITHOUT_NETWORK
        told = (self.network is None, self.point is None)
        _refuse_unless(
            told == (bare, bare),
            f"{'neither network nor point' if bare else 'a network and a point'} for {self.name} ({self.kind})",
            f"network {self.network!r}, point {self.point!r}",
        )
        _refuse_unless(self.network is None or bool(self.network.strip()), f"a network for {self.name}", self.network)
        fresh = self.fresh_seconds
        _refuse_unless(fresh is None or 0 < fresh < math.inf, f"fresh_seconds of {self.name} above 0, or null", fresh)
        if self.point is not None:
            _refuse_point(self.point, self.name)

    def as_json(self) -> dict[str, Any]:
        """Return the check as JSON holds it."""
        point = self.point
        return {
            "name": self.name,
            "kind": str(self.kind),
            "network": self.network,
            "point": None
            if point is None
            else {
                "value": point.value,
                "rule": point.rule,
                "split": point.split and str(point.split),
                "data": point.data,
            },
            "fresh_seconds": self.fresh_seconds,
            "missing": str(self.missing),
        }


@dataclass(frozen=True, kw_only=True)
class Combine:
    """A node of the tree that combines checks.

    Attributes:
        how: all of the parts, any of them, or at least `least`.
        parts: names of checks, and further nodes.
        least: of `AT_LEAST`, from 1 to the number of parts; None otherwise.
    """

    how: Combination
    parts: tuple["str | Combine", ...]
    least: int | None = None

    def __post_init__(self) -> None:
        """Refuse a node without parts, or a number that no parts can reach.

        Raises:
            DataError: naming it.
        """
        _refuse_unless(len(self.parts) > 0, f"parts for {self.how}", "none")
        if self.how is Combination.AT_LEAST:
            reached = self.least is not None and 1 <= self.least <= len(self.parts)
            _refuse_unless(reached, f"at_least from 1 to {len(self.parts)}, its parts", self.least)
        else:
            _refuse_unless(self.least is None, f"{self.how} without a number", self.least)

    @property
    def names(self) -> tuple[str, ...]:
        """The checks below, as often as they are named."""
        return tuple(name for part in self.parts for name in ([part] if isinstance(part, str) else part.names))

    @property
    def levels(self) -> int:
        """How deep the tree is; 1 where all parts are checks."""
        return 1 + max((part.levels for part in self.parts if isinstance(part, Combine)), default=0)

    def as_json(self) -> dict[str, Any]:
        """Return the tree as JSON holds it."""
        parts = [part if isinstance(part, str) else part.as_json() for part in self.parts]
        return {"at_least": self.least, "of": parts} if self.least is not None else {str(self.how): parts}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a gate asks before it lets anybody in.

    Attributes:
        name: of it.
        version: of it, from 1.
        checks: from 1 to `MOST_CHECKS`, of different names.
        combine: the tree over all of their names.
        label: of the data that thresholds or networks come from, such as "drawn data"; "" for real data.
    """

    name: str
    version: int
    checks: tuple[CheckRule, ...]
    combine: Combine
    label: str = ""

    def __post_init__(self) -> None:
        """Refuse a policy that contradicts itself.

        Raises:
            DataError: naming what.
        """
        _refuse_unless(bool(_NAME.fullmatch(self.name)), "a name of small letters, digits, _ and -", self.name)
        _refuse_unless(self.version >= 1, "a version from 1", self.version)
        names = [check.name for check in self.checks]
        _refuse_unless(1 <= len(names) <= MOST_CHECKS, f"1 to {MOST_CHECKS} checks", len(names))
        twice = sorted({name for name in names if names.count(name) > 1})
        _refuse_unless(not twice, "each check once", ", ".join(twice))
        _refuse_unless(self.combine.levels <= MOST_LEVELS, f"at most {MOST_LEVELS} levels", self.combine.levels)
        unknown = sorted(set(self.combine.names) - set(names))
        _refuse_unless(not unknown, f"names of checks ({', '.join(names)}) to combine", ", ".join(unknown))
        idle = [name for name in names if name not in self.combine.names]
        _refuse_unless(
            not idle, "every check to be combined", f"none for {', '.join(idle)}, which would decide nothing"
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal; any change of the policy changes it."""
        return sha256_of(json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), allow_nan=False).encode())

    def check(self, name: str) -> CheckRule:
        """Return the check called `name`.

        Raises:
            UsageError: the policy has none.
        """
        found = next((check for check in self.checks if check.name == name), None)
        if found is None:
            known = ", ".join(check.name for check in self.checks)
            raise UsageError(expected=f"a check of the policy {self.name}: {known}", came=repr(name), remedy="name one")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the policy as JSON holds it."""
        return {
            "name": self.name,
            "version": self.version,
            "checks": [check.as_json() for check in self.checks],
            "combine": self.combine.as_json(),
            "label": self.label,
        }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a policy made of the outcomes.

    Attributes:
        accepted: or refused.
        reasons: why not, each once, in the order of the checks; empty when accepted.
        outcomes: one for each check, in their order, as they counted.
    """

    accepted: bool
    reasons: tuple[Reason, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, kw_only=True)
class CounterExample:
    """What the checks may say so that a policy breaks the deny-only rule.

    Attributes:
        rule: that is broken, in words.
        statuses: of every check, by which somebody is accepted.
        changed: the check by whose status the acceptance hangs; None where no single one does.
        instead: its other status, by which he would be refused; None where there is none.
    """

    rule: str
    statuses: Mapping[str, Status]
    changed: str | None = None
    instead: Status | None = None

    @property
    def words(self) -> str:
        """One line that a person can read."""
        if self.changed is None:
            told = ", ".join(f"{name}: {status}" for name, status in self.statuses.items())
            return f"{self.rule}: {told} -> accepted"
        others = ", ".join(f"{name}: {status}" for name, status in self.statuses.items() if name != self.changed)
        told = f"{self.changed}: {self.instead} -> refused, {self.changed}: {self.statuses[self.changed]} -> accepted"
        return f"{self.rule}: {told}" + (f" (with {others})" if others else "")


@dataclass(frozen=True, kw_only=True)
class PolicyCheck:
    """Whether a policy is deny-only.

    Attributes:
        policy: that was read.
        counter_example: None where there is none.
    """

    policy: Policy
    counter_example: CounterExample | None

    @property
    def valid(self) -> bool:
        """Whether no counter-example was found, in all combinations."""
        return self.counter_example is None

    @property
    def reasons(self) -> tuple[str, ...]:
        """The counter-example in words; empty for a valid policy."""
        return () if self.counter_example is None else (self.counter_example.words,)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as the command line prints it."""
        return {
            "valid": self.valid,
            "reasons": list(self.reasons),
            "policy": self.policy.name,
            "version": self.policy.version,
            "label": self.policy.label,
            "digest": self.policy.digest,
        }


def shipped_policies() -> tuple[str, ...]:
    """Return the names of the policies that lie in the package.

    >>> shipped_policies()
    ('drawn', 'rgb', 'rgb-clip', 'sensors', 'slim')
    """
    folder = Path(str(files("countenance") / _FOLDER))
    return tuple(sorted(file.stem for file in folder.glob("*.json")))


def read_policy(source: str | Path) -> Policy:
    """Read a policy.

    Args:
        source: the name of a shipped one, or the path of a JSON file (``./NAME`` for a file of a shipped name).

    Raises:
        MissingFile: no such file.
        DataError: it is no policy.
    """
    if str(source) in shipped_policies():
        path = Path(str(files("countenance") / _FOLDER / f"{source}.json"))
    else:
        path = existing_file(source, expected=f"a policy: a JSON file, or one of {', '.join(shipped_policies())}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(expected=f"a policy in JSON in {path}", came=str(error)[:200], remedy=_RESTORE) from error
    return policy_from_json(value)


def still_checks(policy: Policy) -> tuple[CheckRule, ...]:
    """Return the checks by which a lone photograph can be judged to show a live face.

    Raises:
        UsageError: the policy has none.
    """
    found = tuple(check for check in policy.checks if check.kind is CheckKind.PRESENTATION)
    if not found:
        raise UsageError(
            expected="a policy with a check of still presentations, for live faces at enrolment",
            came=f"{policy.name}, which has none",
            remedy="name rgb, or a policy of your own",
        )
    return found


def policy_from_json(value: object) -> Policy:
    """Read `Policy.as_json` back.

    Raises:
        DataError: another object, an unknown key or kind, a threshold that tells nothing, a tree over other checks.
    """
    row = _row(value, ("name", "version", "checks", "combine", "label"), "a policy")
    version = row["version"]
    _refuse_unless(isinstance(version, int) and not isinstance(version, bool), "a whole number as version", version)
    return Policy(
        name=_text(row["name"], "a name"),
        version=version,
        checks=tuple(_check(each) for each in _list(row["checks"], "checks")),
        combine=_combine(row["combine"], MOST_LEVELS),
        label=_text(row["label"], "a label"),
    )


def decide(policy: Policy, outcomes: Sequence[Outcome], *, now: float) -> Verdict:
    """Turn what the checks said into an answer.

    The policy's own threshold decides: a check passes only where its outcome says so and, where the policy states a
    threshold, its score reaches it. An outcome that is too old, or has no time where it ages, or is from the future, is
    stale; one that is not there is missing.

    Args:
        policy: which checks, and how they combine.
        outcomes: one a check at most.
        now: seconds since the epoch.

    Raises:
        UsageError: two outcomes of one check, or one of a check that the policy does not have.
    """
    given = {outcome.check: outcome for outcome in outcomes}
    if len(given) < len(outcomes):
        came = ", ".join(outcome.check for outcome in outcomes)
        raise UsageError(expected="one outcome of each check", came=came, remedy="pass the worst of them")
    for name in given:
        policy.check(name)  # refuses a stranger
    counted = tuple(_counted(check, given.get(check.name), now) for check in policy.checks)
    accepted = bool(
        _accepted(policy, {outcome.check: np.array(_STATUSES.index(outcome.status)) for outcome in counted})
    )
    reasons = [
        reason for check, outcome in zip(policy.checks, counted, strict=True) for reason in _reasons(check, outcome)
    ]
    told = () if accepted else tuple(dict.fromkeys(reasons)) or (Reason.CHECK_MISSING,)
    return Verdict(accepted=accepted, reasons=told, outcomes=counted)


def find_counter_example(policy: Policy) -> CounterExample | None:
    """Look for a combination of statuses by which a policy breaks the deny-only rule.

    Every combination of the four statuses of all checks is looked at. The rule:

    1. a check that fails, is missing or is stale instead of passing never turns refused into accepted;
    2. a check that is missing or stale is never better than one that failed;
    3. where nothing passed, nobody is accepted;
    4. nobody is accepted unless a check of the presentation and a verification passed.

    Returns:
        One that breaks it, with as much passed as can be; None where the policy is deny-only.
    """
    names = [check.name for check in policy.checks]
    shape = (len(_STATUSES),) * len(names)
    places = np.ogrid[tuple(slice(length) for length in shape)]
    accepted = np.broadcast_to(_accepted(policy, dict(zip(names, places, strict=True))), shape)
    passed = [place == _PASSED for place in places]
    return _by_one_check(accepted, names) or _by_too_little(accepted, policy, passed)


def check_policy(source: str | Path) -> PolicyCheck:
    """Read a policy and tell whether it is deny-only.

    Args:
        source: as for `read_policy`.

    Raises:
        MissingFile: no such file.
        DataError: it is no policy.
    """
    policy = read_policy(source)
    return PolicyCheck(policy=policy, counter_example=find_counter_example(policy))


_STATUSES = tuple(Status)
_PASSED, _FAILED, _MISSING, _STALE = range(len(_STATUSES))
_Bools = NDArray[np.bool_]


def _by_one_check(accepted: _Bools, names: Sequence[str]) -> CounterExample | None:
    """Rules 1 and 2: one check changes."""
    pairs: list[tuple[str, Sequence[int], int]] = [
        ("a check that did not pass raised trust", (_FAILED, _MISSING, _STALE), _PASSED),
        ("a check that said nothing was better than one that failed", (_MISSING, _STALE), _FAILED),
    ]
    for (rule, worse, better), axis in product(reversed(pairs), range(len(names))):
        for status in worse:
            broken = accepted.take(status, axis) & ~accepted.take(better, axis)
            if broken.any():
                others = [int(place) for place in np.argwhere(broken)[0]]
                statuses = _named(names, [*others[:axis], status, *others[axis:]])
                instead = _STATUSES[better]
                return CounterExample(rule=rule, statuses=statuses, changed=names[axis], instead=instead)
    return None


def _by_too_little(accepted: _Bools, policy: Policy, passed: Sequence[_Bools]) -> CounterExample | None:
    """Rules 3 and 4: somebody is accepted by too little."""
    kinds = [check.kind for check in policy.checks]
    demands: list[tuple[str, frozenset[CheckKind]]] = [
        ("somebody is accepted where nothing passed", frozenset(CheckKind)),
        ("somebody is accepted where no check of the presentation passed", PRESENTATION_KINDS),
        ("somebody is accepted where no verification passed", frozenset({CheckKind.VERIFICATION})),
    ]
    for rule, wanted in demands:
        enough = np.zeros((1,) * len(kinds), np.bool_)
        for kind, has in zip(kinds, passed, strict=True):
            enough = enough | has if kind in wanted else enough
        broken = accepted & ~enough
        if broken.any():
            names = [check.name for check in policy.checks]
            return CounterExample(rule=rule, statuses=_named(names, [int(place) for place in np.argwhere(broken)[0]]))
    return None


def _named(names: Sequence[str], places: Sequence[int]) -> dict[str, Status]:
    return {name: _STATUSES[place] for name, place in zip(names, places, strict=True)}


def _accepted(policy: Policy, statuses: Mapping[str, NDArray[np.int_]]) -> _Bools:
    """Combine statuses, given as places in `_STATUSES`, of any shapes that broadcast.

    A node over nothing but skipped checks is skipped itself; where the whole tree is, nobody is accepted.
    """
    holds = {name: place == _PASSED for name, place in statuses.items()}
    skips = {check.name: check.missing is Missing.SKIP for check in policy.checks}
    counts = {name: place <= _FAILED if skips[name] else np.ones_like(holds[name]) for name, place in statuses.items()}

    def combined(node: str | Combine) -> tuple[_Bools, _Bools]:
        """Whether a node holds, and whether it counts."""
        if isinstance(node, str):
            return holds[node], counts[node]
        parts = [combined(part) for part in node.parts]
        passed = _sum([holding & counting for holding, counting in parts])
        counted = _sum([counting for _, counting in parts])
        least: Mapping[Combination, Callable[[], NDArray[np.int_]]] = {
            Combination.ALL: lambda: counted,
            Combination.ANY: lambda: np.minimum(counted, 1),
            Combination.AT_LEAST: lambda: np.minimum(counted, node.least or 1),
        }
        return passed >= least[node.how](), counted > 0

    holding, counting = combined(policy.combine)
    return holding & counting


def _sum(masks: Sequence[_Bools]) -> NDArray[np.int_]:
    total = np.zeros((), np.int_)
    for mask in masks:
        total = total + mask
    return total


def _counted(check: CheckRule, given: Outcome | None, now: float) -> Outcome:
    """Return an outcome as the policy counts it."""
    threshold = None if check.point is None else check.point.value
    if given is None:
        return Outcome(check=check.name, status=Status.MISSING, threshold=threshold)
    status = given.status
    if status is Status.PASSED and given.score is not None and not math.isfinite(given.score):
        status = Status.FAILED
    if status is Status.PASSED and threshold is not None and not (given.score is not None and given.score >= threshold):
        status = Status.FAILED
    fresh = check.fresh_seconds is None or (
        given.seconds is not None and 0 <= now - given.seconds <= check.fresh_seconds
    )
    if status is not Status.MISSING and not fresh:
        status = Status.STALE
    return replace(given, status=status, threshold=threshold)


def _reasons(check: CheckRule, outcome: Outcome) -> tuple[Reason, ...]:
    if outcome.status is Status.PASSED:
        return ()
    if outcome.status is Status.FAILED:
        return outcome.reasons or (_WHY_FAILED[check.kind],)
    if outcome.status is Status.STALE:
        return (Reason.TOO_LATE,)
    usual = Reason.SENSOR_MISSING if check.kind is CheckKind.PRESENTATION_SENSORS else Reason.CHECK_MISSING
    return (*outcome.reasons, usual)


def _refuse_point(point: OperatingPoint, name: str) -> None:
    """Refuse a threshold that is not finite, or was chosen on other than development scores.

    Raises:
        DataError: naming it.
    """
    _refuse_unless(math.isfinite(point.value), f"a finite threshold for {name}", point.value)
    chosen = point.split == Split.DEVELOPMENT or (point.split is None and point.rule.startswith("vendor "))
    _refuse_unless(
        chosen and bool(point.rule.strip()),
        f"a threshold for {name} with a rule, from the development split, or from a vendor without one",
        f"rule {point.rule!r}, split {point.split!r}",
    )


def _check(value: object) -> CheckRule:
    row = _row(value, ("name", "kind", "network", "point", "fresh_seconds", "missing"), "a check")
    name = _text(row["name"], "a name")
    return CheckRule(
        name=name,
        kind=_word(CheckKind, row["kind"], f"the kind of {name}"),
        network=None if row["network"] is None else _text(row["network"], f"the network of {name}"),
        point=None if row["point"] is None else _point(row["point"], name),
        fresh_seconds=_number_or_none(row["fresh_seconds"], f"fresh_seconds of {name}"),
        missing=_word(Missing, row["missing"], f"what is done when {name} is missing"),
    )


def _point(value: object, name: str) -> OperatingPoint:
    row = _row(value, ("value", "rule", "split", "data"), f"the threshold of {name}")
    return OperatingPoint(
        _number(row["value"], f"the threshold of {name}"),
        _text(row["rule"], f"the rule of {name}"),
        None if row["split"] is None else _word(Split, row["split"], f"the split of {name}"),
        None if row["data"] is None else _text(row["data"], f"the data of {name}"),
    )


def _combine(value: object, levels: int) -> Combine:
    """Read a tree of at most `levels` levels."""
    _refuse_unless(levels > 0, f"at most {MOST_LEVELS} levels of combining", "more")
    if isinstance(value, Mapping) and set(value) == {"at_least", "of"}:
        least = value["at_least"]
        _refuse_unless(isinstance(least, int) and not isinstance(least, bool), "a whole number as at_least", least)
        return Combine(how=Combination.AT_LEAST, parts=_parts(value["of"], levels), least=least)
    for how in (Combination.ALL, Combination.ANY):
        if isinstance(value, Mapping) and set(value) == {str(how)}:
            return Combine(how=how, parts=_parts(value[str(how)], levels))
    came = ", ".join(map(str, value)) if isinstance(value, Mapping) else value
    raise DataError(
        expected='{"all": [...]}, {"any": [...]} or {"at_least": K, "of": [...]}',
        came=repr(came)[:200],
        remedy=_RESTORE,
    )


def _parts(value: object, levels: int) -> tuple[str | Combine, ...]:
    parts = _list(value, "the parts of a combination")
    return tuple(part if isinstance(part, str) else _combine(part, levels - 1) for part in parts)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a key twice, of which a reader would take the last in silence."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"a key twice among {', '.join(keys)}")
    return dict(pairs)


def _refuse_unless(holds: bool, expected: str, came: object) -> None:  # noqa: FBT001 - an assertion in words
    if not holds:
        told = came if isinstance(came, str) and came else repr(came)
        raise DataError(expected=expected, came=told[:200], remedy=_RESTORE)


def _row(value: object, names: Sequence[str], what: str) -> Mapping[str, Any]:
    told = list(map(str, value)) if isinstance(value, Mapping) else [type(value).__name__]
    _refuse_unless(sorted(told) == sorted(names), f"{what} with {', '.join(names)} and nothing else", ", ".join(told))
    assert isinstance(value, Mapping)
    return value


def _word(kinds: type[_Word], value: object, what: str) -> _Word:
    _refuse_unless(value in list(kinds), f"{what}: {', '.join(kinds)}", repr(value))
    return kinds(str(value))


def _text(value: object, what: str) -> str:
    _refuse_unless(isinstance(value, str), f"{what} as text", repr(value))
    return str(value)


def _list(value: object, what: str) -> list[Any]:
    _refuse_unless(isinstance(value, list), f"{what} as a list", repr(value))
    assert isinstance(value, list)
    return value


def _number(value: object, what: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    _refuse_unless(number, f"{what} as a finite number", repr(value))
    assert isinstance(value, (int, float))
    return float(value)


def _number_or_none(value: object, what: str) -> float | None:
    return None if value is None else _number(value, what)
