import hashlib
from collections import Counter
from dataclasses import astuple

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.synthesis.identity import Beard, HairStyle, Identity, alike, draw_identity


@pytest.fixture(scope="module")
def people() -> list[Identity]:
    return [draw_identity(number, root=5) for number in range(1500)]


def digest(identity: Identity) -> str:
    """Of the person's numbers: what must be the same on every machine, to the last digit that matters."""
    numbers = [f"{value:.9g}" if isinstance(value, float) else str(value) for value in flat(astuple(identity))]
    return hashlib.sha256(" ".join(numbers).encode()).hexdigest()


def flat(values):
    for value in values:
        if isinstance(value, tuple):
            yield from flat(value)
        else:
            yield value


def test_a_person_is_the_same_whoever_was_drawn_before() -> None:
    forwards = [digest(draw_identity(number, root=3)) for number in range(20)]
    backwards = [digest(draw_identity(number, root=3)) for number in reversed(range(20))]
    assert forwards == backwards[::-1]
    np.random.default_rng(0).normal(size=9)
    assert digest(draw_identity(4, root=3)) == forwards[4]


def test_a_person_of_record() -> None:
    """Sets that were drawn once can be drawn again: change this on purpose only, with the drawn sets' version."""
    person = draw_identity(7, root=1)
    found = person.eyes.x, person.nose.tip_height, person.mouth.half_width, person.outline.jaw, person.pigment.melanin
    assert found == pytest.approx((28.16475857, 19.0090156497, 20.5854613971, 50.6600743989, 0.0908508578216), rel=1e-9)


def test_other_seeds_and_other_numbers_are_other_people(people: list[Identity]) -> None:
    assert len({digest(person) for person in people[:300]}) == 300
    others = {digest(draw_identity(number, root=6)) for number in range(300)}
    assert not others & {digest(person) for person in people[:300]}
    mine, theirs = ([draw_identity(n, root=root).eyes.x for n in range(300)] for root in (5, 6))
    assert abs(np.corrcoef(mine, theirs)[0, 1]) < 0.2  # independent, not shifted


def test_the_styles_come_in_their_shares(people: list[Identity]) -> None:
    styles, beards = Counter(p.hair.style for p in people), Counter(p.beard for p in people)
    wanted = {"bald": 0.08, "short": 0.34, "fringe": 0.22, "side_part": 0.18, "long": 0.18}
    wanted |= {"none": 0.56, "stubble": 0.16, "moustache": 0.10, "goatee": 0.08, "full": 0.10}
    for word, share in wanted.items():
        count = styles[HairStyle(word)] if word in set(HairStyle) else beards[Beard(word)]
        assert abs(count / len(people) - share) < 4 * np.sqrt(share * (1 - share) / len(people)), word
    assert abs(sum(p.glasses is not None for p in people) / len(people) - 0.2) < 0.042
    assert abs(np.mean([len(p.moles) for p in people]) - 2.2) < 0.5  # of Poisson(2.2), less those on the eyes


def test_nobody_falls_apart(people: list[Identity]) -> None:
    for person in people:
        assert all(np.isfinite(value) for value in flat(astuple(person)) if isinstance(value, float))
        assert person.outline.cheek > person.outline.jaw > person.outline.chin
        assert person.eyes.x - person.eyes.half_width > 8  # the eyes do not meet over the nose
        assert person.nose.tip_y - 12 > person.mouth.y + 3  # the lip is below the nose
        assert person.mouth.y - person.mouth.lower_lip > person.outline.chin_y + 10
        assert 16 <= person.years <= 80
        assert 0.018 <= person.pigment.melanin <= 0.30 + 1e-9
        assert not (person.woman and person.beard is not Beard.NONE)
        assert not (person.pigment.freckles and person.pigment.melanin >= 0.045)


def test_tones_of_all_kinds(people: list[Identity]) -> None:
    melanin = np.array([person.pigment.melanin for person in people])
    assert np.quantile(melanin, [0.45, 0.8]).tolist() == pytest.approx([0.05, 0.13], rel=0.15)
    dark = [person for person in people if person.pigment.melanin > 0.09 and person.age < 0.3]
    assert np.mean([person.hair.colour[1] < 0.05 for person in dark]) > 0.8


@pytest.mark.parametrize(("number", "root"), [(-1, 0), (0, -1)])
def test_a_negative_seed_is_refused(number: int, root: int) -> None:
    with pytest.raises(UsageError, match=rf"a number and a root of 0 or more; came {number} and {root}; count"):
        draw_identity(number, root=root)


def test_somebody_alike_has_the_features_and_a_skin_of_their_own(people) -> None:
    first, other = people[3], people[4]
    twin, half, whole = (alike(first, other, share) for share in (0.0, 0.5, 1.0))
    assert (twin.eyes, twin.outline, twin.pigment, twin.age) == (first.eyes, first.outline, first.pigment, first.age)
    assert (twin.number, twin.moles) == (other.number, other.moles)
    assert half.nose.tip_height == pytest.approx((first.nose.tip_height + other.nose.tip_height) / 2)
    assert half.clothes == pytest.approx(
        [(mine + theirs) / 2 for mine, theirs in zip(first.clothes, other.clothes, strict=True)]
    )
    assert (half.hair.style, half.beard, half.woman) == (first.hair.style, first.beard, first.woman)
    assert astuple(whole.mouth) == pytest.approx(astuple(other.mouth))
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="a share of 0 to 1"):
            alike(first, other, share)
