"""Drawn expressions: published counts at the published size, from neutral to apex, nobody in two splits."""

from collections import Counter

import pytest

from countenance.datasets.ck_plus import PUBLISHED as CK_PLUS
from countenance.datasets.oulu_casia import PUBLISHED as OULU_CASIA
from countenance.drawn_sets.expression_sets import plan_ck_plus, plan_fer2013, plan_oulu_casia, plan_sfew
from countenance.errors import UsageError


def test_ck_plus_at_the_published_size_has_the_published_labels():
    planned = plan_ck_plus()
    published = {key: number for key, number in CK_PLUS.items() if key != "sequences"}
    assert published.items() <= planned.counts.items()
    assert planned.samples == 1_308
    shown = Counter((clip.subject, clip.group) for clip in planned.clips)
    assert set(shown.values()) == {1}  # nobody shows an expression twice
    assert len({clip.subject for clip in planned.clips}) == planned.subjects == 123


@pytest.mark.parametrize("subjects", [7, 30])
def test_a_smaller_ck_plus_keeps_every_expression(subjects):
    planned = plan_ck_plus(subjects=subjects)
    assert len({clip.group for clip in planned.clips}) == 7
    assert len({clip.subject for clip in planned.clips}) == subjects


def test_oulu_casia_at_the_published_size_has_the_published_counts():
    assert plan_oulu_casia().counts.items() >= OULU_CASIA.items()


@pytest.mark.parametrize("plan", [plan_ck_plus, plan_oulu_casia])
def test_sequences_go_from_neutral_to_apex(plan):
    for clip in plan(subjects=7).clips:
        expressions, intensities = zip(*clip.spec.expressions, strict=True)
        assert set(expressions) == {clip.group}
        assert intensities[0] == 0
        assert intensities[-1] == 1
        assert list(intensities) == sorted(intensities)
        assert min(intensities[-3:]) >= 0.9


@pytest.mark.parametrize("plan", [plan_sfew, plan_fer2013])
def test_nobody_is_in_two_splits_and_everybody_shows_all(plan):
    planned = plan(subjects=20)
    homes: dict[int, set[str]] = {}
    for clip in planned.clips:
        homes.setdefault(clip.spec.subject, set()).update(name.split("_")[0].rsplit("/", 2)[0] for name in clip.files)
        assert len({expression for expression, _ in clip.spec.expressions}) == 7
    assert {len(parts) for parts in homes.values()} == {1}
    assert sum(planned.counts[split] for split in ("train", "development", "test") if split in planned.counts) == 140


def test_fer2013_shares_people_eight_to_one_to_one():
    counts = plan_fer2013(subjects=20).counts
    assert (counts["train"], counts["development"], counts["test"]) == (112, 14, 14)
    assert counts["test/fear"] == 2


@pytest.mark.parametrize(
    ("plan", "subjects"),
    [(plan_ck_plus, 6), (plan_ck_plus, 1000), (plan_oulu_casia, 0), (plan_sfew, 1), (plan_fer2013, 9)],
)
def test_numbers_of_subjects_that_the_layout_cannot_hold_are_refused(plan, subjects):
    with pytest.raises(UsageError, match="subjects for"):
        plan(subjects=subjects)


def test_neighbours_by_name_do_not_share_expressions():
    clips = plan_ck_plus().clips
    people = sorted({clip.subject for clip in clips})
    for tenth in (people[first : first + 13] for first in range(0, len(people) - 12, 13)):
        shown = Counter(clip.group for clip in clips if clip.subject in tenth)
        assert len(shown) >= 6
        assert shown.most_common(1)[0][1] <= len(tenth)
