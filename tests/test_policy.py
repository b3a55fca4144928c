"""Policies: what they decide, what is refused, and that deny-only is found or refuted as a slow search does."""

import json
import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.cli import VERBS, main
from countenance.errors import DataError, MissingFile, UsageError
from countenance.files import sha256_of
from countenance.metrics.operating_point import OperatingPoint
from countenance.networks.record import Task
from countenance.policy import (
    MOST_CHECKS,
    PRESENTATION_KINDS,
    WITHOUT_NETWORK,
    CheckKind,
    CheckRule,
    Combination,
    Combine,
    Missing,
    Outcome,
    Policy,
    Status,
    check_policy,
    decide,
    find_counter_example,
    policy_from_json,
    read_policy,
    shipped_policies,
)
from countenance.recognisers import stated_recogniser
from countenance.released import operating_point
from countenance.shipped import (
    FACELIVENET_SLIM,
    FEWFRAME_SLIM,
    MLFA_SLIM,
    stated_clip_network,
    stated_face_live_network,
    stated_network,
)
from countenance.vocabulary import Reason, Split

NOW = 1_800_000_000.0
POINT = OperatingPoint(0.5, "fmr:0.001", Split.DEVELOPMENT)
ALL = Combination.ALL


def rule(kind, *, name=None, missing=Missing.REFUSE, fresh=60.0):
    bare = CheckKind(kind) in WITHOUT_NETWORK
    network, point = (None, None) if bare else ("a-network", POINT)
    name = name or str(kind)
    return CheckRule(
        name=name, kind=CheckKind(kind), network=network, point=point, fresh_seconds=fresh, missing=missing
    )


def policy(*checks, combine=None):
    tree = combine or Combine(how=ALL, parts=tuple(check.name for check in checks))
    return Policy(name="tried", version=1, checks=checks, combine=tree)


def outcome(check, status=Status.PASSED, **given):
    return Outcome(**{"check": check, "status": status, "score": 0.9, "seconds": NOW - 1, **given})


BOTH = policy(rule("presentation"), rule("verification"), rule("challenge"))
GOOD = [outcome("presentation"), outcome("verification"), outcome("challenge", score=None)]


def with_first(**given):
    return [outcome("presentation", **given), *GOOD[1:]]


# deciding


def test_everything_passed_is_accepted():
    verdict = decide(BOTH, GOOD, now=NOW)
    assert (verdict.accepted, verdict.reasons) == (True, ())
    assert [each.threshold for each in verdict.outcomes] == [0.5, 0.5, None], "the policy's own thresholds"


@pytest.mark.parametrize(
    ("outcomes", "status", "reasons"),
    [
        (GOOD[1:], Status.MISSING, (Reason.CHECK_MISSING,)),
        (with_first(status=Status.MISSING), Status.MISSING, (Reason.CHECK_MISSING,)),
        (with_first(status=Status.FAILED), Status.FAILED, (Reason.PRESENTATION_ATTACK,)),
        (with_first(status=Status.FAILED, reasons=(Reason.TOO_DARK,)), Status.FAILED, (Reason.TOO_DARK,)),
        (with_first(status=Status.FAILED, score=0.99), Status.FAILED, (Reason.PRESENTATION_ATTACK,)),
        (with_first(score=0.4999), Status.FAILED, (Reason.PRESENTATION_ATTACK,)),
        (with_first(score=0.4, threshold=0.1), Status.FAILED, (Reason.PRESENTATION_ATTACK,)),
        (with_first(score=math.nan), Status.FAILED, (Reason.PRESENTATION_ATTACK,)),
        (with_first(score=math.inf), Status.FAILED, (Reason.PRESENTATION_ATTACK,)),
        (with_first(score=None), Status.FAILED, (Reason.PRESENTATION_ATTACK,)),
        (with_first(seconds=NOW - 61), Status.STALE, (Reason.TOO_LATE,)),
        (with_first(seconds=None), Status.STALE, (Reason.TOO_LATE,)),
        (with_first(seconds=NOW + 1), Status.STALE, (Reason.TOO_LATE,)),
        (with_first(seconds=math.nan), Status.STALE, (Reason.TOO_LATE,)),
        (with_first(status=Status.STALE), Status.STALE, (Reason.TOO_LATE,)),
    ],
    ids=str,
)
def test_what_a_check_counts_as(outcomes, status, reasons):
    verdict = decide(BOTH, outcomes, now=NOW)
    assert (verdict.accepted, verdict.reasons) == (False, reasons)
    assert verdict.outcomes[0].status is status


def test_a_check_without_a_threshold_fails_on_a_score_that_is_no_number():
    verdict = decide(BOTH, [*GOOD[:2], outcome("challenge", score=math.nan)], now=NOW)
    assert verdict.reasons == (Reason.ACTION_NOT_SHOWN,)


def test_at_the_threshold_and_at_the_last_moment_it_passes():
    assert decide(BOTH, with_first(score=0.5, seconds=NOW - 60), now=NOW).accepted
    ageless = policy(rule("presentation", fresh=None), rule("verification"))
    assert decide(ageless, [outcome("presentation", seconds=None), GOOD[1]], now=NOW).accepted


def test_reasons_are_told_once_in_the_order_of_the_checks_and_a_sensor_is_named():
    asked = policy(rule("presentation_sensors"), rule("presentation_clip"), rule("presentation"), rule("verification"))
    given_out = [outcome("presentation", Status.FAILED), outcome("presentation_clip", score=0.1), GOOD[1]]
    reasons = decide(asked, given_out, now=NOW).reasons
    assert reasons == (Reason.SENSOR_MISSING, Reason.PRESENTATION_ATTACK)


@pytest.mark.parametrize("kind", CheckKind)
@pytest.mark.parametrize("status", [Status.FAILED, Status.MISSING, Status.STALE])
def test_a_refusal_always_says_why(kind, status):
    assert decide(policy(rule(kind)), [outcome(str(kind), status)], now=NOW).reasons
    assert decide(policy(rule(kind, missing=Missing.SKIP)), [], now=NOW).reasons, "a tree of which all is skipped"


def test_outcomes_that_do_not_belong_are_refused():
    with pytest.raises(UsageError, match="one outcome of each check"):
        decide(BOTH, [*GOOD, GOOD[0]], now=NOW)
    with pytest.raises(UsageError, match="a check of the policy tried"):
        decide(BOTH, [outcome("infrared")], now=NOW)


# deny-only


def slow_value(asked, tree, statuses):
    """True, False, or None where nothing counts: the tree read part by part."""
    if isinstance(tree, str):
        check = next(each for each in asked.checks if each.name == tree)
        skipped = check.missing is Missing.SKIP and statuses[tree] in {Status.MISSING, Status.STALE}
        return None if skipped else statuses[tree] is Status.PASSED
    values = [value for part in tree.parts if (value := slow_value(asked, part, statuses)) is not None]
    if not values:
        return None
    if tree.how is Combination.AT_LEAST:
        return values.count(True) >= min(tree.least, len(values))
    return all(values) if tree.how is ALL else any(values)


def slow_breach(asked):
    """Whether the deny-only rule is broken, statuses taken one after the other."""
    names = [check.name for check in asked.checks]
    kinds = {check.name: check.kind for check in asked.checks}
    answers = {}
    for chosen in product(Status, repeat=len(names)):
        answers[chosen] = slow_value(asked, asked.combine, dict(zip(names, chosen, strict=True))) is True
    for chosen, accepted in answers.items():
        passed = {kinds[name] for name, status in zip(names, chosen, strict=True) if status is Status.PASSED}
        if accepted and not (passed & PRESENTATION_KINDS and CheckKind.VERIFICATION in passed):
            return True
        for place, status in enumerate(chosen):
            better = [Status.PASSED] * (status is not Status.PASSED)
            better += [Status.FAILED] * (status in {Status.MISSING, Status.STALE})
            if accepted and not all(answers[(*chosen[:place], each, *chosen[place + 1 :])] for each in better):
                return True
    return False


@st.composite
def policies(draw, most=4):
    """Any policy; half of them ask for presentation and verification, and for the rest beside them."""
    kinds = draw(st.lists(st.sampled_from(CheckKind), min_size=1, max_size=most))
    sound = len(kinds) > 2 and draw(st.booleans())
    kinds = ["presentation", "verification", *kinds[2:]] if sound else kinds
    skips = st.sampled_from([Missing.REFUSE] * 3 + [Missing.SKIP])
    checks = [rule(kind, name=f"c{place}", missing=draw(skips)) for place, kind in enumerate(kinds)]
    parts = [check.name for check in checks]
    nested = parts[2:] if sound else parts
    for _ in range(draw(st.integers(0, 3))):
        count = draw(st.integers(1, len(nested)))
        nested = [draw(trees(nested[:count])), *nested[count:], *draw(st.sampled_from([[], parts[:1]]))]
    return policy(*checks, combine=Combine(how=ALL, parts=(*parts[:2], *nested)) if sound else draw(trees(nested)))


def trees(parts):
    least = st.builds(
        lambda least: Combine(how=Combination.AT_LEAST, parts=tuple(parts), least=least), st.integers(1, len(parts))
    )
    return least | st.sampled_from([Combine(how=how, parts=tuple(parts)) for how in (ALL, ALL, Combination.ANY)])


@given(policies())
@settings(max_examples=150)
def test_a_counter_example_is_found_exactly_where_a_slow_search_finds_one(asked):
    found = find_counter_example(asked)
    assert (found is not None) == slow_breach(asked)
    if found is not None:
        holds = shown(asked, found.statuses)
        assert holds.accepted, "a counter-example is one by which decide itself accepts"
        if found.changed is not None:
            assert not shown(asked, {**found.statuses, found.changed: found.instead}).accepted


def shown(asked, statuses):
    """What `decide` says of these statuses."""
    given_out = [outcome(name, status) for name, status in statuses.items() if status is not Status.MISSING]
    return decide(asked, given_out, now=NOW)


@given(policies(most=3))
@settings(max_examples=50)
def test_decide_accepts_what_the_slow_reading_accepts(asked):
    names = [check.name for check in asked.checks]
    for chosen in product(Status, repeat=len(names)):
        statuses = dict(zip(names, chosen, strict=True))
        assert shown(asked, statuses).accepted == (slow_value(asked, asked.combine, statuses) is True)


COLOUR, WHO = rule("presentation", name="colour"), rule("verification", name="who")
INFRARED = rule("presentation_sensors", name="infrared", missing=Missing.SKIP)


@pytest.mark.parametrize(
    ("checks", "tree", "words"),
    [
        (
            (COLOUR, INFRARED, WHO),
            None,
            "a check that said nothing was better than one that failed: infrared: failed -> refused, "
            "infrared: missing -> accepted (with colour: passed, who: passed)",
        ),
        (
            (COLOUR, WHO),
            Combine(how=Combination.ANY, parts=("colour", "who")),
            "somebody is accepted where no check of the presentation passed: colour: failed, who: passed -> accepted",
        ),
        (
            (COLOUR, rule("challenge")),
            None,
            "somebody is accepted where no verification passed: colour: passed, challenge: passed -> accepted",
        ),
    ],
    ids=["skip", "any", "nobody asks who"],
)
def test_a_counter_example_can_be_read(checks, tree, words):
    found = find_counter_example(policy(*checks, combine=tree))
    assert found is not None
    assert found.words == words


def test_ten_checks_are_searched_whole_and_eleven_are_refused():
    checks = [COLOUR, WHO, *(rule("quality", name=f"q{number}") for number in range(MOST_CHECKS - 2))]
    last = replace(checks[-1], missing=Missing.SKIP)
    assert find_counter_example(policy(*checks)) is None
    found = find_counter_example(policy(*checks[:-1], last))
    assert found is not None
    assert found.changed == last.name
    with pytest.raises(DataError, match="1 to 10 checks"):
        policy(*checks, rule("challenge"))


# the shipped ones


@pytest.mark.parametrize("name", shipped_policies())
def test_every_shipped_policy_is_deny_only_and_asks_for_all(name):
    checked = check_policy(name)
    asked = checked.policy
    assert (checked.valid, checked.reasons) == (True, ())
    assert asked.name == name
    assert asked.combine == Combine(how=ALL, parts=tuple(check.name for check in asked.checks))
    assert {CheckKind.QUALITY, CheckKind.VERIFICATION, CheckKind.SAME_FACE, CheckKind.CHALLENGE} <= {
        check.kind for check in asked.checks
    }
    assert all(check.name == check.kind and check.fresh_seconds == 60 for check in asked.checks)
    networks = {check.network for check in asked.checks}
    partly = stated_face_live_network(FACELIVENET_SLIM).label if FACELIVENET_SLIM in networks else ""
    drawn = {MLFA_SLIM, FEWFRAME_SLIM} & networks
    assert asked.label == ("drawn data" if drawn or name == "drawn" else partly)


def stated(kind, network):
    """The threshold that the card of a network states for what a check asks."""
    if kind is CheckKind.PRESENTATION_CLIP:
        return stated_clip_network(network).point
    if kind is CheckKind.PRESENTATION_SENSORS:
        found = stated_network(network)
        return found.point_for(found.module.modalities)
    if kind is CheckKind.PRESENTATION:
        return operating_point(network, task=Task.PRESENTATION_ATTACK_DETECTION)
    return stated_recogniser(network).point


def test_thresholds_of_the_drawn_policy_were_chosen_on_drawn_development_people():
    """Those of the cards do not carry over; countenance reproduce gate-drawn chooses these."""
    points = {check.name: check.point for check in read_policy("drawn").checks if check.point is not None}
    rules = {"presentation": "eer", "verification": "eer", "same_face": "eer"}
    assert {name: point.rule for name, point in points.items()} == rules
    for point in points.values():
        assert point.split == Split.DEVELOPMENT
        assert len(point.data or "") == 64


@pytest.mark.parametrize("name", [each for each in shipped_policies() if each != "drawn"])
def test_every_shipped_threshold_is_the_one_that_the_card_states(name):
    asked = [check for check in read_policy(name).checks if check.network is not None]
    assert [check.point for check in asked] == [stated(check.kind, check.network) for check in asked]


def test_the_policies_of_the_package_are_these():
    assert shipped_policies() == ("drawn", "rgb", "rgb-clip", "sensors", "slim")
    assert [str(check.kind) for check in read_policy("rgb").checks] == [
        "quality",
        "presentation",
        "verification",
        "same_face",
        "challenge",
    ]


# reading


def test_a_policy_comes_back_from_json_and_its_digest_is_of_all_of_it():
    tree = Combine(
        how=ALL,
        parts=("who", Combine(how=Combination.AT_LEAST, parts=("colour", "infrared"), least=1)),
    )
    asked = policy(COLOUR, INFRARED, WHO, combine=tree)
    card = json.loads(json.dumps(asked.as_json()))
    assert policy_from_json(card) == asked
    assert policy_from_json(dict(reversed(card.items()))).digest == asked.digest, "the order of keys says nothing"
    text = json.dumps(card, sort_keys=True, separators=(",", ":"))
    assert asked.digest == sha256_of(text.encode())
    moved = replace(COLOUR, point=replace(POINT, value=math.nextafter(0.5, 1)))
    others = [
        replace(asked, label="x"),
        replace(asked, version=2),
        policy(moved, INFRARED, WHO, combine=tree),
        policy(COLOUR, replace(INFRARED, missing=Missing.REFUSE), WHO, combine=tree),
    ]
    assert len({asked.digest, *(other.digest for other in others)}) == 5


CARD = json.loads(json.dumps(policy(COLOUR, WHO).as_json()))
FIRST = CARD["checks"][0]


def card(**changed):
    return {**CARD, **changed}


def first(**changed):
    return card(checks=[{**FIRST, **changed}, CARD["checks"][1]])


def point(**changed):
    return first(point={**FIRST["point"], **changed})


def nested(levels):
    return {"all": [nested(levels - 1)]} if levels else {"all": ["colour", "who"]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "a policy with name, version, checks, combine, label and nothing else"),
        ([], "came list"),
        (card(extra=1), "came name, version, checks, combine, label, extra"),
        ({key: CARD[key] for key in CARD if key != "label"}, "and nothing else; came name, version, checks, combine;"),
        (card(name="Big Name"), "a name of small letters"),
        (card(name=5), "a name as text"),
        (card(version=0), "a version from 1"),
        (card(version=True), "a whole number as version"),
        (card(version=1.5), "a whole number as version"),
        (card(label=None), "a label as text"),
        (card(checks={}), "checks as a list"),
        (card(checks=[]), "1 to 10 checks"),
        (card(checks=[FIRST, FIRST]), "each check once; came colour"),
        (card(checks=[FIRST, 5]), "a check with name"),
        (first(threshold=0.5), "a check with name, kind, network, point, fresh_seconds, missing and nothing else"),
        (first(kind="liveness"), "the kind of colour: quality, presentation, "),
        (first(kind=["quality"]), "the kind of colour: quality"),
        (first(kind="quality"), "neither network nor point for colour"),
        (first(network=None), "a network and a point for colour"),
        (first(network=" "), "a network for colour"),
        (first(point=None), "a network and a point for colour"),
        (first(point=0.5), "the threshold of colour with value, rule, split, data and nothing else"),
        (point(value=None), "the threshold of colour as a finite number"),
        (point(value=True), "the threshold of colour as a finite number"),
        (point(value="0.5"), "the threshold of colour as a finite number"),
        (point(value=math.nan), "the threshold of colour as a finite number"),
        (point(value=10**400), "the threshold of colour as a finite number"),
        (point(rule=""), "with a rule, from the development split"),
        (point(split="test"), "from the development split"),
        (point(split=None), "from a vendor without one"),
        (point(split="holdout"), "the split of colour: train, development, test"),
        (point(data=5), "the data of colour as text"),
        (point(set="a"), "the threshold of colour with"),
        (first(fresh_seconds=0), "fresh_seconds of colour above 0, or null"),
        (first(fresh_seconds="60"), "fresh_seconds of colour as a finite number"),
        (first(missing="ignore"), "what is done when colour is missing: refuse, skip"),
        (card(combine=["colour", "who"]), "at_least"),
        (card(combine={"none": ["colour"]}), "at_least"),
        (card(combine={"all": ["colour", "who"], "any": []}), "at_least"),
        (card(combine={"all": []}), "parts for all"),
        (card(combine={"all": "colour"}), "the parts of a combination as a list"),
        (card(combine={"all": ["colour", "who", "depth"]}), "names of checks (colour, who) to combine; came depth"),
        (card(combine={"all": ["colour"]}), "came none for who, which would decide nothing"),
        (card(combine={"at_least": 3, "of": ["colour", "who"]}), "at_least from 1 to 2"),
        (card(combine={"at_least": 0, "of": ["colour", "who"]}), "at_least from 1 to 2"),
        (card(combine={"at_least": True, "of": ["colour", "who"]}), "a whole number as at_least"),
        (card(combine=nested(8)), "at most 8 levels"),
    ],
)
def test_what_is_no_policy_is_refused_in_words(value, words):
    with pytest.raises(DataError) as error:
        policy_from_json(value)
    assert words in str(error.value)


def test_as_many_levels_as_are_promised_are_read():
    assert policy_from_json(card(combine=nested(7))).combine.levels == 8


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"name": "a", "name": "b"}', b"[" * 100_000, b"NaN"],
    ids=["empty", "half", "no text", "twice", "deep", "NaN"],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path, content):
    path = tmp_path / "policy.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="a policy"):
        read_policy(path)


def test_an_outcome_comes_back_from_json():
    kept = outcome("colour", Status.FAILED, reasons=(Reason.TOO_DARK,), threshold=0.5)
    assert Outcome.from_json(json.loads(json.dumps(kept.as_json()))) == kept
    assert outcome("colour", score=math.nan).as_json()["score"] is None
    for changed in ({"status": "good"}, {"reasons": ["cold"]}, {"score": "1"}, {"seconds": math.nan}, {"more": 1}):
        with pytest.raises(DataError):
            Outcome.from_json({**kept.as_json(), **changed})


# the verb


def test_the_verb_says_whether_a_policy_is_deny_only(tmp_path, capsys):
    assert "policy check" in VERBS
    assert main(["policy", "check", "rgb"]) == 0
    assert capsys.readouterr().out == "rgb, version 1: deny-only\n"
    path = tmp_path / "skips.json"
    path.write_text(json.dumps(policy(COLOUR, INFRARED, WHO).as_json()))
    assert main(["policy", "check", str(path)]) == 1
    assert "infrared: failed -> refused, infrared: missing -> accepted" in capsys.readouterr().out
    assert main(["policy", "check", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], len(told["reasons"]), told["digest"]) == (False, 1, read_policy(path).digest)


def test_the_verb_refuses_a_broken_file_in_one_line(tmp_path, capsys):
    path = tmp_path / "broken.json"
    path.write_text("{")
    assert main(["policy", "check", str(path), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("countenance: expected a policy in JSON in ")
    with pytest.raises(MissingFile, match="one of drawn, rgb, rgb-clip, sensors, slim"):
        read_policy(tmp_path / "gone.json")
