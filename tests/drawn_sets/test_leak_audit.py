"""The leak audit: its arithmetic by hand, and the drawn world's own limits (run with -rP to see the figures)."""

from types import SimpleNamespace

import numpy as np
import pytest

from countenance.drawn_sets.leak_audit import COLUMNS, FRAMES, audit_leaks, discriminant, frame_statistics
from countenance.errors import UsageError
from countenance.synthesis.spec import ClipSpec, DrawnSpecies


def test_fishers_direction_by_hand():
    """Scatter within diag(4, 16), difference of the means (2, 8): direction (2/4, 8/16)."""
    corners = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    statistics = np.concatenate([corners + np.array([2.0, 8.0]), corners])
    assert discriminant(statistics, np.arange(8) < 4).tolist() == [0.5, 0.5]


def clip_of(rgb, infrared, depth):
    return SimpleNamespace(rgb=rgb[None], infrared=infrared[None], depth_view=depth[None])


def test_the_statistics_of_a_frame_by_hand():
    """A mask of four pixels in a black picture; one of them has no depth."""
    rgb, infrared, depth = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    rgb[1:3, 1:3] = [10, 20, 30]
    infrared[1:3, 1:3] = [[1, 3], [5, 7]]
    depth[1:3, 1:3] = [[100, 102], [104, 0]]
    (found,) = frame_statistics(clip_of(rgb, infrared, depth))
    assert found[COLUMNS["mask area"]].tolist() == [4]
    assert found[COLUMNS["rgb"]].tolist() == [10, 0, 0, 20, 0, 0, 30, 0, 0]
    assert found[COLUMNS["infrared"]].tolist() == [4, np.sqrt(5), (4 + 4 + 16 + 16) / 4]
    assert found[COLUMNS["depth"]] == pytest.approx([102, np.sqrt(8 / 3), (4 + 16) / 2, 0.25])


def test_a_sensor_that_sees_nothing_has_statistics_of_nothing():
    rgb, blind = np.full((4, 4, 3), 9, np.uint8), np.zeros((4, 4), np.uint8)
    (found,) = frame_statistics(clip_of(rgb, blind, blind))
    assert found[COLUMNS["depth"]].tolist() == [0, 0, 0, 1]


def noise_clip(spec):
    """Noise that tells nothing but, in infrared, what is bona fide."""
    generator = np.random.default_rng([spec.subject, spec.species.number, spec.root])
    shape = (FRAMES, 12, 12)
    rgb = generator.integers(1, 255, (*shape, 3), np.uint8) * (generator.random(shape) < 0.8)[..., None]
    brighter = 60 * (spec.species is DrawnSpecies.BONA_FIDE)
    infrared, depth = generator.integers(0, 100, (2, *shape), np.uint8)
    return SimpleNamespace(rgb=rgb, infrared=infrared + np.uint8(brighter), depth_view=depth)


def test_a_planted_leak_is_found_and_nothing_else():
    found = {leak.statistics: leak for leak in audit_leaks(subjects=40, seed=3, draw=noise_clip)}
    assert found["infrared"].auc > 0.99
    assert found["infrared"].interval.low > 0.95
    for name in ("mask area", "rgb", "depth"):
        assert 0.35 < found[name].auc < 0.65


def test_people_and_attackers_of_the_two_parts_are_disjoint():
    seen: list[ClipSpec] = []

    def watched(spec):
        seen.append(spec)
        return noise_clip(spec)

    audit_leaks(subjects=5, seed=0, draw=watched)
    train, test = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert {spec.species.number for spec in train} == {0, 4, 5, 6}
    assert {spec.species.number for spec in test} == {0, 1, 2, 3}
    for numbers in (lambda spec: spec.subject, lambda spec: spec.attacker):
        assert not {numbers(spec) for spec in train} & {numbers(spec) for spec in test} - {None}


def test_too_few_people_are_refused():
    with pytest.raises(UsageError, match="subjects of at least 5; came 4"):
        audit_leaks(subjects=4, seed=0, draw=noise_clip)


def test_the_paper_preset_keeps_within_its_limits():
    """Mask area below .65 and infrared statistics below .85 (drawn-world audit); a blind guess has .5."""
    leaks = {leak.statistics: leak for leak in audit_leaks(subjects=25, seed=1)}
    for leak in leaks.values():
        print(f"{leak.statistics}: {leak.auc:.3f} ({leak.interval.low:.3f} to {leak.interval.high:.3f})")
    assert 0.35 < leaks["mask area"].auc < 0.65
    assert leaks["infrared"].auc < 0.85
    assert leaks["depth"].auc > 0.85  # a face has relief; if this falls, the depth sensor is broken
