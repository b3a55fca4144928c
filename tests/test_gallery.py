"""The gallery: who is in it, how it is written, and the audit against a slow count of everything."""

import json

import numpy as np
import pytest

from countenance.errors import (
    AlreadyEnrolled,
    DataError,
    DigestMismatch,
    MissingFile,
    TemplateVersion,
    UnknownSubject,
    UsageError,
)
from countenance.gallery import (
    Gallery,
    audit,
    empty_gallery,
    has_gallery,
    plant_limit,
    read_gallery,
    write_gallery,
)
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
        gallery = gallery.added(f"planted {number}", row[None])
    return gallery


def test_people_come_and_go():
    gallery = empty_gallery("sface", "ab")
    assert (len(gallery), gallery.people, gallery.best_match(np.ones((1, 4), np.float32))) == (0, {}, None)
    rows = np.eye(4, dtype=np.float32)
    gallery = gallery.added("Bob", rows[:2]).added("Ann", rows[2:3])
    assert gallery.people == {"Ann": 1, "Bob": 2}
    found = gallery.best_match(unit(np.array([[0.0, 0, 3, 1]])))
    assert found is not None
    assert found[0] == "Ann"
    assert found[1] == pytest.approx(0.9487, abs=1e-4)
    assert gallery.without("Bob").people == {"Ann": 1}
    with pytest.raises(AlreadyEnrolled, match="'Ann', who is enrolled; countenance forget Ann first"):
        gallery.added("Ann", rows[:1])
    with pytest.raises(UnknownSubject, match="'Cy'"):
        gallery.without("Cy")
    assert gallery.without("Ann").without("Bob").people == {}


@pytest.mark.parametrize("name", ["", " ann", "ann\n", "a" * 101, "a\x00b"])
def test_a_name_can_be_printed(name):
    with pytest.raises(UsageError, match="a name of 1 to 100 printable letters"):
        empty_gallery("sface", "ab").added(name, np.eye(4, dtype=np.float32)[:1])


@pytest.mark.parametrize(
    "templates",
    [np.zeros((1, 4)), np.ones((1, 4)), np.full((1, 4), np.nan), np.eye(5)[:1], np.zeros((0, 4)), np.eye(4)[0]],
)
def test_templates_of_another_kind_are_refused(templates):
    gallery = empty_gallery("sface", "ab").added("Ann", np.eye(4, dtype=np.float32)[:1])
    with pytest.raises(TemplateVersion, match="templates of sface"):
        gallery.added("Bob", templates.astype(np.float32))


def test_another_recogniser_is_refused():
    gallery = empty_gallery("sface", "ab")
    gallery.refuse_other_recogniser("sface", "ab")
    with pytest.raises(TemplateVersion, match="this gallery, sface; came facenet"):
        gallery.refuse_other_recogniser("facenet", "ab")
    with pytest.raises(TemplateVersion, match="sface with other weights"):
        gallery.refuse_other_recogniser("sface", "cd")


def test_it_is_written_and_read(tmp_path):
    assert not has_gallery(tmp_path)
    with pytest.raises(MissingFile):
        read_gallery(tmp_path)
    for gallery in (empty_gallery("sface", "ab"), crowd(7, each=2)):
        card = write_gallery(tmp_path, gallery)
        found = read_gallery(tmp_path)
        assert (found.model, found.weights, found.people) == (gallery.model, gallery.weights, gallery.people)
        assert np.array_equal(found.templates, gallery.templates)
    assert len(list(tmp_path.iterdir())) == 2  # the old templates are gone
    sheet = json.loads(card.read_text())
    sheet["card"]["subjects"].pop()
    card.write_text(json.dumps(sheet))
    with pytest.raises(DataError, match="restore it"):
        read_gallery(tmp_path)
    next(tmp_path.glob("*.safetensors")).write_bytes(b"x")
    with pytest.raises(DigestMismatch):
        read_gallery(tmp_path)


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
