"""The gallery: who is most alike, and the audit against a slow count of everything."""

import json

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.gallery import Gallery, audit, empty_gallery, plant_limit
from countenance.scores import text

THRESHOLD = 0.3


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowd(people, *, seed=0, each=1, features=64):
    generator = np.random.default_rng(seed)
    middles = np.repeat(generator.normal(size=(people, features)) + 0.25, each, axis=0)
    names = text([f"p{i // each:05d}" for i in range(people * each)])
    return Gallery(
        "sface", "ab", unit(middles + 0.3 * generator.normal(size=(people * each, features)) * (each > 1)), names
    )


def with_planted(gallery, count, *, pull):
    """Add templates that lie near the middle of all."""
    middle = gallery.templates.mean(axis=0)
    own = unit(np.random.default_rng(9).normal(size=(count, gallery.templates.shape[1])))
    for number, row in enumerate(unit(own + pull * middle / np.linalg.norm(middle))):
        gallery = added(gallery, f"planted {number}", row[None])
    return gallery


def added(gallery, subject, rows):
    names = text([*gallery.subjects.tolist(), *[subject] * len(rows)])
    return Gallery("sface", "ab", np.concatenate([gallery.templates, rows]), names)


def test_who_is_most_alike_is_found():
    nobody = empty_gallery("sface", "ab")
    assert (len(nobody), nobody.best_match(np.ones((1, 4), np.float32))) == (0, None)
    gallery = Gallery("sface", "ab", np.eye(4, dtype=np.float32)[:3], text(["Bob", "Bob", "Ann"]))
    found = gallery.best_match(unit(np.array([[0.0, 0, 3, 1]])))
    assert found is not None
    assert found[0] == "Ann"
    assert found[1] == pytest.approx(0.9487, abs=1e-4)


def test_the_audit_counts_as_a_slow_count_does():
    gallery = with_planted(crowd(200, each=2), 3, pull=1.5)
    done = audit(gallery, threshold=THRESHOLD, generator=np.random.default_rng(0))
    assert (done.templates, done.people, done.sampled) == (403, 203, 203)
    for found in done.planted:
        seen, matched = set(), 0
        for row, subject in enumerate(gallery.subjects):  # the first template of everybody else
            if subject not in seen and subject != found.subject:
                matched += float(gallery.templates[row] @ gallery.templates[found.template]) >= THRESHOLD
            seen.add(subject)
        assert (found.matched, found.compared) == (matched, 202)
    assert {found.subject for found in done.planted} == {"planted 0", "planted 1", "planted 2"}
    assert [found.share for found in done.planted] == sorted((found.share for found in done.planted), reverse=True)
    assert json.loads(json.dumps(done.as_json()))["planted"][0]["share"] >= done.limit


def test_a_sample_of_people_is_enough():
    gallery = with_planted(crowd(6_000), 5, pull=1.0)
    ticks = []
    done = audit(
        gallery,
        threshold=THRESHOLD,
        generator=np.random.default_rng(0),
        progress=lambda *now: ticks.append(now),
    )
    assert done.sampled == 4_096
    assert {found.subject for found in done.planted} == {f"planted {i}" for i in range(5)}
    assert all(found.compared == 6_004 for found in done.planted)
    assert ticks[-1] == (6_005, 6_005)


def test_a_clean_gallery_has_nothing_to_report():
    assert audit(crowd(500), threshold=THRESHOLD, generator=np.random.default_rng(0)).planted == ()
    with pytest.raises(UsageError, match="at least 50 people; came 49"):
        audit(crowd(49), threshold=THRESHOLD, generator=np.random.default_rng(0))


def test_the_limit_follows_the_tail_and_not_the_planted():
    shares = np.random.default_rng(0).normal(0.14, 0.04, 100_000) ** 2
    limit = plant_limit(shares)
    assert limit == pytest.approx((0.14 + 0.04 * 4.265) ** 2, rel=0.03)  # one in 100,000 of a normal lies beyond 4.265
    assert plant_limit(np.append(shares, [0.9] * 10)) == pytest.approx(limit, rel=0.01)
    assert plant_limit(np.append(shares, [0.9] * 800)) < 0.5
