"""The sets of Table 2: by hand on a few people, and what is refused (the real lists: test_lfw.py)."""

from pathlib import Path

import numpy as np
import pytest

from countenance.datasets import universal_sets
from countenance.datasets.samples import IdentitySample
from countenance.datasets.universal_sets import (
    UniversalSets,
    draw_people,
    people_of,
    spread_seeds,
    vggface2_sample,
    without,
)
from countenance.errors import ProtocolMismatch, UsageError


def photographs(**counts):
    return [
        IdentitySample(identifier=f"{name}_{number}", subject=name, path=Path(f"{name}_{number}.jpg"))
        for name, count in counts.items()
        for number in range(1, count + 1)
    ]


def test_seeds_are_spread_over_those_who_have_two_photographs():
    samples = photographs(ann=2, bob=1, cy=3, di=2, ed=2)  # P = 4: ann, cy, di, ed
    assert [seed.identifier for seed in spread_seeds(samples, 1)] == ["di_1"]  # floor(4 / 2)
    assert [seed.identifier for seed in spread_seeds(samples[::-1], 2)] == ["cy_1", "ed_1"]  # floor(4/4), floor(12/4)
    assert [seed.subject for seed in spread_seeds(samples, 4)] == ["ann", "cy", "di", "ed"]
    with pytest.raises(UsageError, match="at most 4 seeds"):
        spread_seeds(samples, 5)
    with pytest.raises(UsageError, match="seeds of at least 1"):
        spread_seeds(samples, 0)


def test_people_are_drawn_with_so_many_photographs_each():
    samples = photographs(ann=5, bob=4, cy=7, di=6)
    drawn = draw_people(samples, 2, generator=np.random.default_rng(0))
    assert len(drawn) == 10
    assert len({sample.identifier for sample in drawn}) == 10
    assert len(people_of(drawn)) == 2
    assert "bob" not in people_of(drawn)
    assert drawn == draw_people(samples[::-1], 2, generator=np.random.default_rng(0))
    with pytest.raises(UsageError, match="at most 3 people, who have 5 photographs; came 4"):
        draw_people(samples, 4, generator=np.random.default_rng(0))


def test_the_sets_know_what_cannot_be():
    samples, others = photographs(ann=2, bob=2), tuple(photographs(cy=1))
    seeds = spread_seeds(samples, 1)
    train = without(samples, seeds)
    assert len(UniversalSets(seeds, train, others).train) == 3
    refusals = [
        ((), train, others, UsageError, "seeds of different people"),
        (tuple(samples[:2]), train, others, UsageError, "2 photographs of 1"),
        (seeds, tuple(photographs(ann=2))[1:], others, ProtocolMismatch, "not universal"),
        (seeds, train, (), ProtocolMismatch, "came 2 and 0"),
        (seeds, train, (*others, *photographs(ann=1)), ProtocolMismatch, "1 on both sides, such as 'ann'"),
        (seeds, tuple(samples), others, ProtocolMismatch, "in both"),
    ]
    for chosen, training, unseen, kind, words in refusals:
        with pytest.raises(kind, match=words):
            UniversalSets(chosen, training, unseen)


def test_vggface2_is_drawn_by_part(monkeypatch):
    parts = {"train": photographs(ann=9, bob=6, cy=5), "test": photographs(di=5, ed=8)}
    monkeypatch.setattr(universal_sets, "read_vggface2", lambda _root, split: parts[split])
    sets = vggface2_sample("anywhere", seed=1, people={"train": 2, "test": 2}, seeds=2)
    assert (len(sets.seeds), len(sets.train), len(sets.unseen)) == (2, 8, 10)
    assert sets == vggface2_sample("anywhere", seed=1, people={"train": 2, "test": 2}, seeds=2)
