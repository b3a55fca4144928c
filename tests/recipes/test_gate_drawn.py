"""The gate on drawn people, with pictures that say what they show: thresholds, counts, reasons, and what is kept."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from countenance.challenge import ChallengeRules
from countenance.drawn_sets.gate import GateFrames, GateKind
from countenance.errors import ProtocolMismatch, UsageError
from countenance.faces.detection import Face
from countenance.faces.pose import HeadPose
from countenance.faces.quality import Quality
from countenance.gate import authenticator
from countenance.gate.networks import Networks
from countenance.metrics.operating_point import OperatingPoint
from countenance.policy import Outcome, Status, policy_from_json, read_policy
from countenance.recipes.gate_drawn import (
    FIRST,
    RULES,
    Camera,
    GateRecipe,
    Judged,
    gate_drawn,
    judge_again,
    plan_attempts,
)
from countenance.reproduction import reproduce
from countenance.vocabulary import Expression, Modality, Reason, Split

SIDE = 32
FEATURES = 12
PEOPLE = 2
RECIPE = GateRecipe(development=PEOPLE, test=PEOPLE, frames_per_second=5)
LIVE, NOT = 200, 60


def picture(person, *, yaw=0.0, lids=0.0, live=LIVE, expression=(Expression.NEUTRAL, 0.0)):
    """Left: who, how the head is turned, whether alive; right: how far the eyes are open, a smile, surprise."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, : SIDE // 2] = (20 * (person % FEATURES), round(128 + 2 * yaw), live)
    shown = [round(200 * expression[1]) * (expression[0] is each) for each in (Expression.HAPPY, Expression.SURPRISE)]
    image[:, SIDE // 2 :] = (round(200 - 180 * lids), *shown)
    return image


def told(image):
    left, right = (
        image[::2, part].reshape(-1, 3).mean(0) for part in (slice(2, SIDE // 2 - 2), slice(SIDE // 2 + 2, None))
    )
    return round(left[0] / 20), (left[1] - 128) / 2, left[2] / 255, right / 200


class World:
    """Networks that see nothing else."""

    modalities, side = (Modality.RGB, Modality.DEPTH, Modality.INFRARED), SIDE

    def detect(self, _image):
        return [Face((0.0, 0.0, float(SIDE), float(SIDE)), np.zeros((5, 2), np.float32), 1.0)]

    def cut(self, image, _face):
        return image

    def embed(self, faces):
        codes = np.eye(FEATURES, dtype=np.float32) + 0.2  # strangers have something in common
        return np.stack([codes[told(face)[0]] for face in faces])

    def bona_fide_score(self, image, _box):
        return told(image)[2]

    def score(self, planes):
        return 0.99 if told(planes[Modality.RGB])[2] > 0.5 else 0.1

    def read(self, image, _face):
        _, happy, surprised = told(image)[3]
        return dict.fromkeys(Expression, 0.0) | {Expression.HAPPY: happy, Expression.SURPRISE: surprised}


def networks(_policy, _rules):
    world = World()
    return Networks(
        detector=world,
        recognisers={"sface": world},
        stills={"gate-slim": world},
        sensors={"mlfa-slim": world},
        expressions=world,
        digests={"sface": "5" * 64},
    )


def drawn(clip):
    performers = [part.subject for part in clip.parts for _ in range(part.frames)]
    still = clip.kind is GateKind.PRINT
    live = NOT if clip.kind in {GateKind.PRINT, GateKind.REPLAY} else LIVE
    script = clip.script
    rows = zip(performers, script.yaws, script.lids, script.expressions, strict=True)
    rgb = [
        picture(who) if still else picture(who, yaw=yaw, lids=lids, expression=face) for who, yaw, lids, face in rows
    ]
    for image in rgb:
        image[:, : SIDE // 2, 2] = live
    slope = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.uint8)
    sensors = len(clip.parts[0].modalities) == len(Modality)
    plane = None if not sensors else slope + 40 if clip.kind is not GateKind.BLACK_SENSORS else np.zeros_like(slope)
    planes = None if plane is None else [plane] * len(rgb)
    others = None if plane is None else [plane // 2] * len(rgb)
    return GateFrames(rgb, [place / clip.frames_per_second for place in range(len(rgb))], planes, others)


@pytest.fixture(scope="module", autouse=True)
def _measured():
    def measure(image, _face):
        pose = HeadPose(yaw_degrees=told(image)[1], pitch_degrees=0.0, roll_degrees=0.0)
        return Quality(
            face_share=0.5, eye_pixels=60.0, off_centre=0.0, light=0.5, clipped_share=0.0, sharpness=0.1, pose=pose
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authenticator, "measure_quality", measure)
        patch.setattr(authenticator, "eye_contrast", lambda image, _face: told(image)[3][0])
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of one run, its rows, and what was said."""
    out = tmp_path_factory.mktemp("runs")
    return out, *run(out)


def never(*_asked):
    raise AssertionError("drawn a second time")


def run(out, **changes):
    said: list[str] = []
    given = {"recipe": RECIPE, "networks": networks, "draw": drawn, "photograph": lambda who, _recipe: [picture(who)]}
    rows = gate_drawn(out=out, say=said.append, **{**given, **changes})
    return rows, said


def test_each_kind_is_counted_with_its_reasons(done):
    out, rows, _ = done
    found = {row.name: (row.count.count, row.count.trials, row.note) for row in rows}
    assert found == {
        f"colour: {GateKind.GENUINE.told}": (2, 2, ""),
        f"colour: {GateKind.PRINT.told}": (0, 2, "reasons: presentation_attack 2, action_not_shown 2"),
        f"colour: {GateKind.REPLAY.told}": (0, 2, "reasons: presentation_attack 2"),
        f"colour: {GateKind.OTHER_PERSON.told}": (0, 2, "reasons: not_the_same_person 2"),
        f"colour: {GateKind.WRONG_ORDER.told}": (0, 2, "reasons: action_not_shown 1, wrong_order 1"),
        f"colour: {GateKind.ACTION_MISSING.told}": (0, 2, "reasons: action_not_shown 1, wrong_order 1"),
        f"colour: {GateKind.FACE_SWAPPED.told}": (0, 2, "reasons: not_the_same_person 2, face_changed 2"),
        f"colour: {GateKind.INJECTED.told}": (1, 2, "reasons: wrong_order 1"),
        f"colour: {GateKind.INJECTED_TO_ORDER.told}": (2, 2, ""),
        f"colour: {GateKind.MASK.told}": (2, 2, ""),
        f"colour: {GateKind.TWIN.told}": (2, 2, ""),
        f"colour: {GateKind.ALIKE_QUARTER.told}": (2, 2, ""),
        f"colour: {GateKind.ALIKE_HALF.told}": (2, 2, ""),
        f"sensors: {GateKind.GENUINE.told}": (2, 2, ""),
        f"sensors: {GateKind.PRINT.told}": (0, 2, "reasons: presentation_attack 2, action_not_shown 2"),
        f"sensors: {GateKind.REPLAY.told}": (0, 2, "reasons: presentation_attack 2"),
        f"sensors: {GateKind.BLACK_SENSORS.told}": (0, 2, "reasons: sensor_missing 2"),
    }
    assert {row.measured for row in rows} == {0.0, 50.0, 100.0}
    assert {row.data.split(":")[0] for row in rows} == {"drawn data"}
    (folder,) = out.iterdir()
    policy = policy_from_json(json.loads((folder / "drawn.json").read_text()))
    points = {check.name: check.point for check in policy.checks if check.point is not None}
    assert {name: point.rule for name, point in points.items()} == {
        name: rule for name, rule in RULES.items() if name != "presentation_sensors"
    }
    assert {point.split for point in points.values()} == {Split.DEVELOPMENT}
    assert NOT / 255 < points["presentation"].value <= LIVE / 255


def test_nothing_is_done_twice(done, tmp_path):
    out, rows, said = done
    again, quiet = run(out, draw=never, photograph=never)
    assert again == rows == run(out, only_done=True)[0]
    assert (len(said), len(quiet)) == (len(plan_attempts(RECIPE, ChallengeRules())) + 2, 2)
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    next(tmp_path.glob("*/test-*-replay.npz")).write_bytes(b"PK")
    with pytest.raises(ProtocolMismatch, match="a damaged file"):
        run(tmp_path, only_done=True)
    with pytest.raises(UsageError, match="leave --only-done out"):
        run(tmp_path / "other", only_done=True)


def test_nobody_is_in_two_splits_and_papers_and_screens_take_turns():
    planned = plan_attempts(GateRecipe(development=4, test=4), ChallengeRules())
    seen = {
        split: {part.subject for each in planned if each.split is split for part in each.clip.parts} for split in FIRST
    }
    assert not seen[Split.DEVELOPMENT] & seen[Split.TEST]
    assert len({each.name for each in planned}) == len(planned)
    shown = [each for each in planned if (each.split, each.camera) == (Split.TEST, Camera.COLOUR)]
    assert len({each.clip.species for each in shown if each.clip.kind is GateKind.PRINT}) == 2
    assert len({each.clip.species for each in shown if each.clip.kind is GateKind.REPLAY}) == 4
    assert len({each.clip.asked for each in shown if each.clip.kind is not GateKind.MASK}) == 4
    few = GateRecipe(development=4, test=4, sensors=2)
    assert [len(few.people(Split.TEST, camera)) for camera in Camera] == [4, 2]
    for wrong, words in (
        ({"development": 1}, "development"),
        ({"test": 91}, "at most 90"),
        ({"frames_per_second": 0}, "frames"),
    ):
        with pytest.raises(UsageError, match=words):
            GateRecipe(**wrong)


def test_another_recipe_is_not_taken_for_done(done):
    changes = {"development": 3, "test": 3, "seed": 1, "width": 160, "frames_per_second": 12}
    for name, value in changes.items():
        with pytest.raises(UsageError, match="leave --only-done out"):
            run(done[0], recipe=replace(RECIPE, **{name: value}), only_done=True)
        planned = plan_attempts(replace(RECIPE, **{name: value}), ChallengeRules())
        assert [each.clip for each in planned] != [each.clip for each in plan_attempts(RECIPE, ChallengeRules())], name


@pytest.mark.parametrize(
    ("score", "status", "expected"),
    [
        (0.6, Status.PASSED, ()),
        (0.4, Status.PASSED, (Reason.PRESENTATION_ATTACK,)),
        (0.6, Status.MISSING, (Reason.CHECK_MISSING,)),
        (0.4, Status.MISSING, (Reason.PRESENTATION_ATTACK,)),
        (None, Status.MISSING, (Reason.CHECK_MISSING,)),
    ],
)
def test_kept_scores_are_judged_by_another_threshold(score, status, expected):
    policy = read_policy("drawn")
    others = [
        Outcome(check=check.name, status=Status.PASSED, score=None if check.point is None else 0.99, seconds=5.0)
        for check in policy.checks
        if check.name != "presentation"
    ]
    mine = Outcome(check="presentation", status=status, score=score, threshold=-2.0, seconds=5.0)
    point = OperatingPoint(0.5, "eer", Split.DEVELOPMENT)
    checks = tuple(replace(each, point=point) if each.name == "presentation" else each for each in policy.checks)
    judged = Judged((*others, mine), np.zeros((0, 3), np.float32), np.zeros(0, np.bool_), 6.0)
    verdict = judge_again(replace(policy, checks=checks), judged)
    assert verdict.reasons == expected
    assert verdict.accepted == (not expected)


def test_the_table_has_a_name(tmp_path):
    with pytest.raises(UsageError, match="draws its own clips"):
        reproduce("gate-drawn", data="siw:somewhere", out=tmp_path)
