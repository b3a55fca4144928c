"""Attributes of drawn people: those that their clips were drawn with, by the set's own names."""

from dataclasses import replace

import pytest

from countenance.drawn_sets.attributes import AgeGroup, Attributes, Tone, attributes_of, subjects_by_attribute
from countenance.drawn_sets.casia_surf import plan
from countenance.drawn_sets.siw import plan as plan_siw
from countenance.errors import ProtocolMismatch, UsageError
from countenance.synthesis import setting
from countenance.synthesis.identity import Beard, draw_identity
from countenance.synthesis.scene import draw_clip


@pytest.fixture(scope="module")
def planned():
    return plan(subjects=10, seed=7)


def test_they_are_those_that_the_clips_were_drawn_with(planned, monkeypatch):
    asked = []

    def noted(number, *, root):
        asked.append((number, root))
        return draw_identity(number, root=root)

    monkeypatch.setattr(setting, "draw_identity", noted)
    clips = [clip for clip in planned.clips if clip.subject == "CLKJ_AS0003"][:2]
    known = attributes_of(planned.card(), ["CLKJ_AS0003"])["CLKJ_AS0003"]
    for clip in clips:
        asked.clear()
        draw_clip(replace(clip.spec, frames=1, size=32))
        shown = [number for number in asked if number[0] != clip.spec.attacker]
        assert shown
        assert {Attributes.of(draw_identity(number, root=root)) for number, root in shown} == {known}
    assert {clip.species for clip in clips} == {"", "04_en_b"}


def test_every_subject_in_the_order_asked_for(planned):
    names = ["CLKJ_AS0010", "CLKJ_AS0001", "CLKJ_AS0010"]
    known = attributes_of(planned.card(), names)
    assert list(known) == names[:2]
    assert known["CLKJ_AS0001"] == Attributes.of(draw_identity(1, root=7))


def test_another_set_has_its_own_names():
    planned = plan_siw(seed=3)
    first = planned.clips[0]
    assert attributes_of(planned.card(), [first.subject]) == {
        first.subject: Attributes.of(draw_identity(first.spec.subject, root=3))
    }


def test_the_groups():
    person = draw_identity(1, root=0)
    light, medium, dark = (
        replace(person, pigment=replace(person.pigment, melanin=melanin)) for melanin in (0.039, 0.04, 0.09)
    )
    assert [Attributes.of(each).tone for each in (light, medium, dark)] == list(Tone)
    aged = [replace(person, age=(years - 16) / 64) for years in (34, 35, 49, 50)]
    assert [Attributes.of(each).age for each in aged] == [
        AgeGroup.YOUNGER,
        AgeGroup.MIDDLE,
        AgeGroup.MIDDLE,
        AgeGroup.OLDER,
    ]
    assert [Attributes.of(replace(person, beard=beard)).beard for beard in Beard] == [False, True, True, True, True]
    assert not Attributes.of(replace(person, glasses=None)).glasses


def test_no_group_of_a_larger_set_is_empty():
    seen = [Attributes.of(draw_identity(number, root=22)) for number in range(1, 301)]
    shares = {tone: sum(each.tone is tone for each in seen) / len(seen) for tone in Tone}
    assert all(0.25 < share < 0.42 for share in shares.values()), shares
    assert all(0.25 < sum(each.age is age for each in seen) / len(seen) < 0.42 for age in AgeGroup)
    assert 0.14 < sum(each.glasses for each in seen) / len(seen) < 0.27
    assert 0.35 < sum(each.beard for each in seen) / len(seen) < 0.52


def test_turned_round():
    bearded = Attributes(tone=Tone.DARK, glasses=False, beard=True, age=AgeGroup.OLDER)
    assert subjects_by_attribute({"a": bearded, "b": replace(bearded, tone=Tone.LIGHT)}) == {
        "skin tone": {"a": "dark", "b": "light"},
        "glasses": {"a": "no", "b": "no"},
        "beard": {"a": "yes", "b": "yes"},
        "age": {"a": "50 to 80", "b": "50 to 80"},
    }


def test_what_it_refuses(planned):
    with pytest.raises(ProtocolMismatch, match="subjects of casia-surf drawn with seed 7; came 'CLKJ_AS0011'"):
        attributes_of(planned.card(), ["CLKJ_AS0011"])
    with pytest.raises(UsageError, match="a set that is drawn"):
        attributes_of(replace(planned.card(), set="nobody"), [])
